"""``hinton06 finetune-pairs``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import experiments, loading
from hinton06.checkpoint import history_rows
from hinton06.cli import options
from hinton06.console import tell


@click.command("finetune-pairs")
@click.argument("images", type=options.EXISTING_FILE)
@click.argument("other", metavar="SECOND", type=options.EXISTING_FILE)
@options.second_option
@options.long_run_options
@options.recipe_options("pairs")
def finetune_pairs(
    images: Path, other: Path, second_dir: Path | None, out: Path | None, **given: Any
) -> None:
    """Learn pairs: two pathways that meet in one memory, such as digits seen and heard.

    \b
    hinton06 pretrain --split a
    hinton06 pretrain --split a --data spoken --layers 500-500 \\
        --updates 5000 --out runs/pretrain-spoken-a.h5
    hinton06 finetune-pairs runs/pretrain-a.h5 runs/pretrain-spoken-a.h5

    The last makes runs/pairs-a.h5. IMAGES and SECOND are stacks of the same split: their two lowest
    layers are taken, which have no labels. A memory above both is learned greedily from pairs of
    the same class, drawn anew in each epoch; then everything is fine-tuned by contrastive
    wake-sleep. Each epoch reports how many validation images, and cases of the second pathway, are
    taken for another class (per cent), each held against training cases of the other pathway.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    setup = options.training_setup(given, [images])
    settings = setup.settings("pairs", given)
    digits = loading.second_of(loading.load(other), second_dir)
    out = out or images.with_name(f"pairs-{images.stem.removeprefix('pretrain-')}.h5")
    result = experiments.finetune_pairs(
        setup.context, out, images, other, settings, setup.recipe.name, setup.seed, digits
    )
    file = result.file
    if given["as_json"]:
        last = history_rows(file.history)[-1]
        options.print_json(options.result_values(result) | {"last_epoch": last})
    else:
        tell(f"{file.path}: {file.outcome.reason}, {options.state_text(result)}")
