"""``hinton06 translated``."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06.cli.options import table_options
from hinton06.report import rates as report
from hinton06.report.files import Tabulated


@click.command()
@table_options("translated.md, translated.csv and translated.json")
def translated(runs: Path) -> Tabulated[report.ErrorRates]:
    """Error rates with translated images beside what the files in the folder RUNS hold.

    Of nets that `finetune-bp` made from what `pretrain --translations 2` had learned. Reads files
    only and trains nothing; says what is missing.
    """
    return report.tabulated(report.read_runs(runs, report.TRANSLATED))
