"""``hinton06 combine``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import stages
from hinton06.cli.display import Display
from hinton06.cli.options import (
    EXISTING_FILE,
    data_option,
    json_option,
    make_context,
    print_json,
    quiet_option,
    threads_option,
)
from hinton06.report.scores import evaluation_values, print_confusion, print_evaluations


@click.command()
@click.argument("checkpoints", nargs=-1, required=True, type=EXISTING_FILE)
@click.option("--confusion", is_flag=True, help="Also print which classes are taken for which.")
@data_option
@threads_option
@quiet_option
@json_option
def combine(checkpoints: tuple[Path, ...], confusion: bool, **options: Any) -> None:
    """Multiply the class probabilities of several nets, on the test cases.

    "product" is the geometric mean of the nets' probabilities, renormalised, whose cost is
    what the chapter's Table 1 prints; "product, no root" is renormalised without taking the
    root. The classes they choose are the same.
    """
    if len(checkpoints) < 2:
        raise click.UsageError("a product takes two CHECKPOINTS or more")
    context = make_context(options, Display(options["quiet"]))
    results = stages.combine(context, checkpoints)
    if options["as_json"]:
        print_json([evaluation_values(e, confusion) for e in results])
        return
    print_evaluations(results)
    if confusion:
        print_confusion(results[-2])
