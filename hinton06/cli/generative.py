"""``hinton06 generative``."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06.report import rates as report


@click.command()
@click.argument("runs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(list(report.FORMATS)), default="terminal",
    show_default=True, help="How to print the table.",
)  # fmt: skip
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option(
    "--save", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Also write generative.md, generative.csv and generative.json there.",
)  # fmt: skip
def generative(runs: Path, form: str, save: Path | None) -> None:
    """The generative half's error rates beside what the files in the folder RUNS hold.

    Greedy pretraining with labels, contrastive wake-sleep, and the mixed gradient. Reads files
    only and trains nothing; says what is missing.
    """
    table = report.read_runs(runs, report.GENERATIVE)
    if save is not None:
        report.save(table, save)
    report.show(table, form)
