"""``hinton06 table1``."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06.cli.options import table_options
from hinton06.report import table1 as report


@click.command()
@table_options("table1.md, table1.csv, table1.json and learning-curves.png")
def table1(runs: Path, form: str, save: Path | None) -> None:
    """Table 1 of the chapter beside what the files in the folder RUNS hold.

    Reads files only and trains nothing; says what is missing where some are not finished.
    """
    table = report.read_runs(runs)
    if save is not None:
        report.save(table, save)
    report.show(table, form)
