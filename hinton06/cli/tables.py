"""The commands that tabulate what the files in folders hold. They read, and train nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from hinton06.cli.options import save_option
from hinton06.report import error_rates
from hinton06.report import replicas as seeds
from hinton06.report import table1 as first
from hinton06.report.table import FOR_PROGRAMS, FORMATS, Table


def _printing(*arguments: Callable[..., Any]) -> Callable[[Callable[..., Any]], click.Command]:
    """A command of these arguments that prints, and saves if asked to, the tables that it makes."""

    def decorate(make: Callable[..., Sequence[Table]]) -> click.Command:
        @wraps(make)
        def command(form: str, save: Path | None, **given: Any) -> None:
            made = make(**given)
            _show(made, form)
            if save is not None:
                for table in made:
                    table.save(save)

        for add in reversed((
            *arguments,
            click.option("--format", "form", type=click.Choice(FORMATS), default="terminal",
                         show_default=True, help="How to print the table."),
            click.option("--json", "form", flag_value="json", help="Short for --format json."),
            save_option,
        )):  # fmt: skip
            add(command)
        return click.command()(command)

    return decorate


def _show(made: Sequence[Table], form: str) -> None:
    """Print tables; those for programs one at a time."""
    if form in FOR_PROGRAMS and len(made) > 1:
        first, *others = (table.extra["table"] for table in made)
        others_listed = ", ".join(others)
        click.echo(f"hinton06: {form} of {first} alone; --table for {others_listed}", err=True)
        made = made[:1]
    for number, table in enumerate(made):
        if number:
            click.echo()
        table.show(form)


def _runs(count: int) -> Callable[..., Any]:
    """The folder RUNS, or as many as are given (-1)."""
    kind = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.argument("runs", type=kind, nargs=count, required=True)


def _table_command(make: Callable[[Path], Table]) -> click.Command:
    """A command that prints the table of a folder."""

    @_printing(_runs(1))
    @wraps(make)
    def command(runs: Path) -> list[Table]:
        return [make(runs)]

    return command


@_table_command
def table1(runs: Path) -> Table:
    """Table 1 of the chapter beside what the files in the folder RUNS hold.

    Says what is missing where some are not finished; saves the learning curves too.
    """
    return first.table(runs)


@_printing(
    _runs(-1),
    click.option("--table", "tables", multiple=True, type=click.Choice(list(seeds.TABLES)),
                 help="Only this table; may be given several times. Default: all that the files "
                 "allow; as CSV and JSON the first of them."),
)  # fmt: skip
def replicas(runs: tuple[Path, ...], tables: tuple[str, ...]) -> list[Table]:
    """Tables over several replicas, one folder RUNS for each seed: means and spread.

    `make table1 SEED=1` makes the folder runs/table1-seed1, and so on. Says where the printed
    numbers lie among the replicas, what is missing, and what the replicas do not have in common.
    """
    return seeds.tables(runs, tables)


@_table_command
def generative(runs: Path) -> Table:
    """The generative half's error rates beside what the files in the folder RUNS hold.

    Greedy pretraining with labels, contrastive wake-sleep, and the mixed gradient.
    """
    return error_rates.table(runs, error_rates.GENERATIVE)


@_table_command
def translated(runs: Path) -> Table:
    """Error rates with translated images beside what the files in the folder RUNS hold.

    Of nets that `finetune-bp` made from what `pretrain --translations 2` had learned.
    """
    return error_rates.table(runs, error_rates.TRANSLATED)


@_table_command
def unlabelled(runs: Path) -> Table:
    """Error rates with few labels, with and without pretraining on images that have none.

    Of the nets in the folder RUNS that `finetune-bp`, with or without --labelled, stopped by
    validation. Of several layers and rates those that validation chose are shown; CSV and JSON
    hold all.
    """
    return error_rates.few_labels(runs)


COMMANDS = (table1, replicas, generative, translated, unlabelled)
