"""``hinton06 evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import stages
from hinton06.cli.display import Display
from hinton06.cli.options import make_context, measuring_options
from hinton06.report import scores


@click.command()
@measuring_options
def evaluate(checkpoints: tuple[Path, ...], confusion: bool, as_json: bool, **options: Any) -> None:
    """Cost and errors of fine-tuned nets on their training, validation and test cases."""
    context = make_context(options, Display(options["quiet"], parts=len(checkpoints)))
    results = [e for path in checkpoints for e in stages.evaluate(context, path)]
    scores.show(results, as_json, results if confusion else [])
