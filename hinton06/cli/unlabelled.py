"""``hinton06 unlabelled``."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06.cli.options import table_options
from hinton06.report import unlabelled as report
from hinton06.report.files import Tabulated


@click.command()
@table_options("unlabelled.md, unlabelled.csv and unlabelled.json")
def unlabelled(runs: Path) -> Tabulated[report.FewLabels]:
    """Error rates with few labels, with and without pretraining on images that have none.

    Of the nets in the folder RUNS that `finetune-bp`, with or without --labelled, stopped by
    validation. Of several layers and rates those that validation chose are shown; CSV and JSON
    hold all. Reads files only and trains nothing.
    """
    return report.tabulated(report.read_runs(runs))
