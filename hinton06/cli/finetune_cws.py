"""``hinton06 finetune-cws``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import stages
from hinton06.cli.display import Display
from hinton06.cli.options import (
    EXISTING_FILE,
    chosen_settings,
    long_run_options,
    make_context,
    out_option,
    print_made,
    recipe_options,
)
from hinton06.recipes import RECIPES


@click.command("finetune-cws")
@click.argument("start", required=False, type=EXISTING_FILE)
@click.option(
    "--extend", "extended", metavar="CHECKPOINT", type=EXISTING_FILE,
    help="Add the validation cases to the training cases of this fine-tuned net and train on "
    "until their error rate is what it was on the training cases.",
)  # fmt: skip
@out_option
@long_run_options
@recipe_options("wakesleep")
def finetune_cws(
    start: Path | None, extended: Path | None, out: Path | None, **options: Any
) -> None:
    """Fine-tune a generative net by contrastive wake-sleep, alone or with backpropagation.

    \b
    hinton06 pretrain --labels --split a              runs/pretrain-labels-a.h5
    hinton06 finetune-cws runs/pretrain-labels-a.h5   runs/cws-a.h5
    hinton06 finetune-cws --extend runs/cws-a.h5      runs/cws-a-extended.h5
    hinton06 finetune-cws --search-bp-weight runs/cws-a.h5    runs/hybrid-a.h5

    The second column is the file that each makes. START is a stack with labels, or a net that
    was fine-tuned from one.
    Each epoch reports the errors of free-energy recognition on the validation cases, and the
    weights go back to the fewest.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    if (start is None) == (extended is None):
        raise click.UsageError("give one START file, or --extend CHECKPOINT")
    mixing = [n for n in ("bp_weight", "search_bp_weight", "bp_weights") if options[n] is not None]
    if extended is not None and mixing:
        name = mixing[0].replace("_", "-")
        raise click.UsageError(f"--extend goes on with the net's own coefficient, without --{name}")
    recipe, seed = options["recipe"], options["seed"]
    settings = chosen_settings(RECIPES[recipe].wakesleep, options)
    context = make_context(options, Display(options["quiet"], options["plain"]))
    if extended is not None:
        path = out or extended.with_name(f"{extended.stem}-extended.h5")
        made = stages.extend_generative(context, path, extended, settings, recipe, seed)
    else:
        assert start is not None
        name = start.stem.removeprefix("pretrain-").removeprefix("labels-").removeprefix("cws-")
        mixed = settings.bp_weight > 0 or settings.search_bp_weight
        path = out or start.with_name(f"{'hybrid' if mixed else 'cws'}-{name}.h5")
        if path == start:
            raise click.UsageError("--out must name another file than START")
        made = stages.finetune_generative(context, path, start, settings, recipe, seed)
    print_made(made, options["as_json"])
