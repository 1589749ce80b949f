"""``hinton06 generative``."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06.cli.options import table_options
from hinton06.report import rates as report
from hinton06.report.files import Tabulated


@click.command()
@table_options("generative.md, generative.csv and generative.json")
def generative(runs: Path) -> Tabulated[report.ErrorRates]:
    """The generative half's error rates beside what the files in the folder RUNS hold.

    Greedy pretraining with labels, contrastive wake-sleep, and the mixed gradient. Reads files
    only and trains nothing; says what is missing.
    """
    return report.tabulated(report.read_runs(runs, report.GENERATIVE))
