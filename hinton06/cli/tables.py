"""The commands that tabulate the files in a folder of runs, one for each entry of the registry."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import click

from hinton06.cli.options import save_option
from hinton06.report.table import FORMATS
from hinton06.report.tables import TABLES, Report

RUNS = click.Path(exists=True, file_okay=False, path_type=Path)
"""A folder of runs."""


def _table_command(report: Report) -> click.Command:
    """A command that prints, and saves if asked to, the table of a folder, or of several."""

    @click.command(report.command, help=inspect.cleandoc(report.about))
    @click.argument("runs", type=RUNS, nargs=-1 if report.several else 1, required=True)
    @click.option("--format", "form", type=click.Choice(FORMATS), default="terminal",
                  show_default=True, help="How to print the table.")  # fmt: skip
    @click.option("--json", "form", flag_value="json", help="Short for --format json.")
    @save_option
    def command(runs: Any, form: str, save: Path | None) -> None:
        table = report.make(runs)
        table.show(form)
        if save is not None:
            table.save(save)

    return command


COMMANDS = tuple(map(_table_command, TABLES))
