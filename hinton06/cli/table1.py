"""``hinton06 table1``."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06.report import table1 as report


@click.command()
@click.argument("runs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(list(report.FORMATS)), default="terminal",
    show_default=True, help="How to print the table.",
)  # fmt: skip
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option(
    "--save", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Also write table1.md, table1.csv, table1.json and learning-curves.png there.",
)  # fmt: skip
def table1(runs: Path, form: str, save: Path | None) -> None:
    """Table 1 of the chapter beside what the files in the folder RUNS hold.

    Reads files only and trains nothing; says what is missing where some are not finished.
    """
    table = report.read_runs(runs)
    if save is not None:
        report.save(table, save)
    report.show(table, form)
