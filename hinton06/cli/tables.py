"""The commands that tabulate what the files in folders hold. They read, and train nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from hinton06.cli.options import save_option
from hinton06.report import error_rates
from hinton06.report import replicas as seeds
from hinton06.report import table1 as first
from hinton06.report.table import FORMATS, Table


def _table_command(make: Callable[..., Table], folders: int = 1) -> click.Command:
    """A command that prints, and saves if asked to, the table of a folder, or of several (-1)."""

    @click.command()
    @click.argument("runs", type=click.Path(exists=True, file_okay=False, path_type=Path),
                    nargs=folders, required=True)  # fmt: skip
    @click.option("--format", "form", type=click.Choice(FORMATS), default="terminal",
                  show_default=True, help="How to print the table.")  # fmt: skip
    @click.option("--json", "form", flag_value="json", help="Short for --format json.")
    @save_option
    @wraps(make)
    def command(runs: Any, form: str, save: Path | None) -> None:
        table = make(runs)
        table.show(form)
        if save is not None:
            table.save(save)

    return command


@_table_command
def table1(runs: Path) -> Table:
    """Table 1 of the chapter beside what the files in the folder RUNS hold.

    Says what is missing where some are not finished; saves the learning curves too.
    """
    return first.table(runs)


@partial(_table_command, folders=-1)
def replicas(runs: tuple[Path, ...]) -> Table:
    """Table 1 over several replicas, one folder RUNS for each seed: means and spread.

    `make table1 SEED=1` makes the folder runs/table1-seed1, and so on. Says what is missing, and
    what the replicas do not have in common.
    """
    return seeds.table(runs)


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
