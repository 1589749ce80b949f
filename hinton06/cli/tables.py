"""The commands that tabulate the files in a folder of runs, one for each of `TABLES`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hinton06.cli.options import save_option
from hinton06.report import replicas
from hinton06.report.table import FOR_PROGRAMS, FORMATS, Table
from hinton06.report.tables import TABLES, Report

RUNS = click.Path(exists=True, file_okay=False, path_type=Path)
"""A folder of runs."""
RUNS_OR_TABLES = click.Path(exists=True, path_type=Path)
"""The same, or what was saved of such."""


def _table_command(report: Report) -> click.Command:
    """A command that prints, and saves if asked to, the table of a folder, or of several."""

    @click.command(report.command, help=inspect.cleandoc(report.about))
    @click.argument(
        "runs", type=RUNS_OR_TABLES if report.several else RUNS,
        nargs=-1 if report.several else 1, required=True,
    )  # fmt: skip
    @click.option("--format", "form", type=click.Choice(FORMATS),
                  help="How to print the table. [default: terminal]")  # fmt: skip
    @click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
    @save_option
    def command(
        runs: Any, form: str | None, as_json: bool, save: Path | None, **names: Any
    ) -> None:
        if as_json and form not in (None, "json"):
            raise click.UsageError(f"--json and --format {form}: one of them")
        form = "json" if as_json else form or "terminal"
        made = report.every(runs, **names) if report.every else [report.make(runs)]
        _show(made, form)
        if save is not None:
            for table in made:
                table.save(save)

    return _table_option(command) if report.every else command


_table_option = click.option(
    "--table", "names", multiple=True, type=click.Choice(list(replicas.TABLES)),
    help="Only this table; may be given several times. Default: all that the files allow; as CSV "
    "and JSON the first of them.",
)  # fmt: skip


def _show(made: Sequence[Table], form: str) -> None:
    """Print tables; those for programs one at a time."""
    if form in FOR_PROGRAMS and len(made) > 1:
        first, *others = (table.extra["table"] for table in made)
        listed = ", ".join(others)
        click.echo(f"hinton06: {form} of {first} alone; --table for {listed}", err=True)
        made = made[:1]
    for number, table in enumerate(made):
        if number:
            click.echo()
        table.show(form)


COMMANDS = tuple(_table_command(report) for report in TABLES if report.command)
