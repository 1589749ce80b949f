"""``hinton06 strategies``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import experiments, loading, native
from hinton06.cli import options
from hinton06.cli.display import Display
from hinton06.loading import Context
from hinton06.mnist import SPLITS
from hinton06.recipes import RECIPES
from hinton06.report import strategies as report
from hinton06.report.files import check_folder
from hinton06.report.table import FORMATS


@click.command()
@click.option("--split", type=click.Choice(SPLITS), default="a", show_default=True,
              help="Whose training cases are learned; its validation cases choose the "
              "rates.")  # fmt: skip
@click.option(
    "--out", metavar="FILE", type=options.FILE,
    default="runs/strategies/measured.h5", show_default=True,
    help="The file of all measurements, which an interrupted command goes on from.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal",
              show_default=True, help="How to print the tables.")  # fmt: skip
@options.saving_option(", and a figure of each measurement")
@click.option("--seed", type=options.SEED, default=0, show_default=True,
              help="Seed of every random number of this run.")  # fmt: skip
@click.option("--force", is_flag=True, help="Start anew and replace the file that is there.")
@click.option("--plain", is_flag=True,
              help="A line a measurement instead of a bar, on a terminal too.")  # fmt: skip
@options.looking_options
@options.recipe_options("strategies")
def strategies(
    split: str, out: Path, form: str, save: Path | None, seed: int, force: bool, plain: bool,
    quiet: bool, as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Measure the chapter's five strategies for learning features beside each other.

    \b
    hinton06 strategies --recipe quick       in less than a minute
    hinton06 strategies --save strategies    and a figure of each measurement

    Denial (random features, support vectors), jitter of the weights and of the activities,
    procrastination, backpropagation and wake-sleep, on nets of one layer of features, one size
    after the other. First how far estimates of a gradient are from it; then errors by the cost in
    forward passes. Support vectors take scikit-learn: pip install 'hinton06[sklearn]'.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    if save is not None:
        check_folder(save)
    recipe = RECIPES[given["recipe"] or "tr2006"]
    with options.as_usage():
        settings = recipe.settings_with("strategies", given)
    display = Display(quiet, plain)
    digits = loading.digits_of([], given["data_dir"], given["transposed"])
    options.say_remarks(display, given, digits)
    context = Context(digits, display, given["threads"] or native.usable_threads(), force)
    file, _ = experiments.strategies(context, out, split, settings, recipe.name, seed)
    made = report.table(out, file, digits)
    made.show("json" if as_json else form)
    if save is not None:
        made.save(save)
