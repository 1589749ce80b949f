"""``hinton06 table1``."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06.cli.options import table_options
from hinton06.report import table1 as report
from hinton06.report.files import Tabulated


@click.command()
@table_options("table1.md, table1.csv, table1.json and learning-curves.png")
def table1(runs: Path) -> Tabulated[report.Table1]:
    """Table 1 of the chapter beside what the files in the folder RUNS hold.

    Reads files only and trains nothing; says what is missing where some are not finished.
    """
    return report.tabulated(report.read_runs(runs))
