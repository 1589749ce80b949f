"""``hinton06 translated``."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06.report import rates as report


@click.command()
@click.argument("runs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(list(report.FORMATS)), default="terminal",
    show_default=True, help="How to print the table.",
)  # fmt: skip
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option(
    "--save", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Also write translated.md, translated.csv and translated.json there.",
)  # fmt: skip
def translated(runs: Path, form: str, save: Path | None) -> None:
    """Error rates with translated images beside what the files in the folder RUNS hold.

    Of nets that `finetune-bp` made from what `pretrain --translations 2` had learned. Reads files
    only and trains nothing; says what is missing.
    """
    table = report.read_runs(runs, report.TRANSLATED)
    if save is not None:
        report.save(table, save)
    report.show(table, form)
