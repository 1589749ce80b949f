"""``hinton06 finetune-ws``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import experiments
from hinton06.cli import options
from hinton06.mnist import SPLITS


@click.command("finetune-ws")
@click.argument("start", required=False, type=options.EXISTING_FILE)
@click.option("--no-pretraining", is_flag=True, help="Start from small random weights.")
@click.option("--split", type=click.Choice(SPLITS),
              help="With --no-pretraining: learn the training cases of this split.")  # fmt: skip
@click.option("--layers", type=options.LAYERS, help="Hidden layers with --no-pretraining. "
              "Default: the recipe's.")  # fmt: skip
@options.long_run_options
@options.recipe_options("directed")
def finetune_ws(
    start: Path | None,
    no_pretraining: bool,
    split: str | None,
    layers: tuple[int, ...] | None,
    out: Path | None,
    **given: Any,
) -> None:
    """Learn a directed net by plain wake-sleep, from a stack or from random weights.

    \b
    hinton06 finetune-ws runs/pretrain-a.h5           runs/ws-a.h5
    hinton06 finetune-ws --no-pretraining --split a   runs/ws-not-pretrained-a.h5

    The second column is the file that each makes. The net has recognition and generative weights of
    its own (Figure 1, Eqs 1 to 3), and independent units on top, which generate the label too.
    Each epoch reports errors on the validation cases, and a bound on log p of images with their
    labels; the weights go back to the highest bound.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    if (start is None) != no_pretraining or no_pretraining != (split is not None):
        raise click.UsageError("give one START file, or --no-pretraining with --split")
    if layers and not no_pretraining:
        raise click.UsageError("--layers goes with --no-pretraining only")
    if start and given["initial_sd"] is not None:
        raise click.UsageError("--initial-sd goes with --no-pretraining only")
    setup = options.training_setup(given, [start] if start else [])
    settings = setup.settings("directed", given, random_start=not start)
    context, named = setup.context, (setup.recipe.name, setup.seed)
    if start:
        path = out or start.with_name(f"ws-{start.stem.removeprefix('pretrain-')}.h5")
        result = experiments.finetune_directed(context, path, start, settings, *named)
    else:
        assert split is not None
        path = out or Path("runs") / f"ws-not-pretrained-{split}.h5"
        sizes = layers or setup.recipe.settings("pretrain").layers
        result = experiments.directed_from_random(context, path, split, settings, sizes, *named)
    options.print_result(result, given["as_json"])
