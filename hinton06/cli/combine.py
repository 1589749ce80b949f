"""``hinton06 combine``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import measuring
from hinton06.cli.display import Display
from hinton06.cli.options import make_context, measuring_options
from hinton06.report import scores


@click.command()
@measuring_options
def combine(checkpoints: tuple[Path, ...], confusion: bool, as_json: bool, **options: Any) -> None:
    """Multiply the class probabilities of several nets, on the test cases.

    "product" is the geometric mean of the nets' probabilities, renormalised, whose cost is
    what the chapter's Table 1 prints; "product, no root" is renormalised without taking the
    root. The classes they choose are the same.
    """
    if len(checkpoints) < 2:
        raise click.UsageError("a product takes two CHECKPOINTS or more")
    context = make_context(options, Display(options["quiet"]))
    results = measuring.combine(context, checkpoints)
    product = [result for result in results if result.name == "product"]
    scores.show(results, as_json, product if confusion else [])
