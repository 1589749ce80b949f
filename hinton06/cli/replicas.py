"""``hinton06 replicas``."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06.cli.options import table_options
from hinton06.report import replicas as report
from hinton06.report.files import Tabulated


@click.command()
@table_options("replicas.md, replicas.csv and replicas.json", several=True)
def replicas(runs: tuple[Path, ...]) -> Tabulated[report.Replicas]:
    """Table 1 over several replicas, one folder RUNS for each seed: means and spread.

    `make table1 SEED=1` makes the folder runs/table1-seed1, and so on. Reads files only and trains
    nothing; says what is missing, and what the replicas do not have in common.
    """
    return report.tabulated(report.read_replicas(runs))
