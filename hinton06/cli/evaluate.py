"""``hinton06 evaluate``."""

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
def evaluate(checkpoints: tuple[Path, ...], confusion: bool, **options: Any) -> None:
    """Cost and errors of fine-tuned nets on their training, validation and test cases."""
    context = make_context(options, Display(options["quiet"]))
    results = [e for path in checkpoints for e in stages.evaluate(context, path)]
    if options["as_json"]:
        print_json([evaluation_values(e, confusion) for e in results])
        return
    print_evaluations(results)
    if confusion:
        for evaluation in results:
            print_confusion(evaluation)
