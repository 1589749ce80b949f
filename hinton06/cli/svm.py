"""``hinton06 svm``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from hinton06.cli import options as shared
from hinton06.mnist import MAX_TRANSLATION, SPLITS
from hinton06.recipes import RECIPES
from hinton06.report import support


@click.command()
@click.option(
    "--split", type=click.Choice([*SPLITS, "all"]), default="all", show_default=True,
    help="Learn the training cases of this split and count the errors on its validation cases "
    "too; all: learn all training cases.",
)  # fmt: skip
@click.option(
    "--cases", metavar="N", type=click.IntRange(1, 1_000_000_000),
    help="With a split: learn only the first N of its training cases, equally many of each class.",
)  # fmt: skip
@click.option(
    "--translations", metavar="PIXELS", type=click.IntRange(0, MAX_TRANSLATION), default=0,
    show_default=True,
    help="Then learn the support vectors again, in all translations by up to so many pixels: "
    "virtual support vectors.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Start anew and replace the table that is there.")
@shared.saving_option("; until then, what is done, to go on with")
@shared.looking_options
@shared.recipe_options("svm")
def svm(
    split: str, cases: int | None, translations: int, save: Path | None, **options: Any
) -> None:
    """Learn a support vector machine, which the chapter compares its nets with.

    \b
    hinton06 svm --split a --cases 5000                     in seconds
    hinton06 svm --translations 2 --save runs/compare/svm   in minutes

    One machine for each pair of classes; it needs scikit-learn (pip install 'hinton06[sklearn]').
    Nothing in it is random.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    if cases and split == "all":
        raise click.UsageError("--cases goes with --split a, b or c")
    if options["force"] and save is None:
        raise click.UsageError("--force goes with --save")
    context = replace(shared.measuring_context(options, []), force=options["force"])
    recipe = RECIPES[options["recipe"] or "tr2006"]
    settings = recipe.settings_with("svm", options)
    own = None if split == "all" else split
    asked = support.Asked(context.digits.sha256, own, cases or 0, translations, settings)
    table = support.learn(context, asked, save)
    table.show("json" if options["as_json"] else "terminal")
