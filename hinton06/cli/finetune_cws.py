"""``hinton06 finetune-cws``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import experiments
from hinton06.cli import options
from hinton06.recipes import MOVED


@click.command("finetune-cws")
@click.argument("start", required=False, type=options.EXISTING_FILE)
@click.option(
    "--extend", "extended", metavar="CHECKPOINT", type=options.EXISTING_FILE,
    help="Add the validation cases to the training cases of this fine-tuned net and train on "
    "until their error rate is what it was on the training cases.",
)  # fmt: skip
@options.long_run_options
@options.recipe_options("wakesleep")
def finetune_cws(start: Path | None, extended: Path | None, out: Path | None, **given: Any) -> None:
    """Fine-tune a generative net by contrastive wake-sleep, alone or with backpropagation.

    \b
    hinton06 pretrain --labels --split a              runs/pretrain-labels-a.h5
    hinton06 finetune-cws runs/pretrain-labels-a.h5   runs/cws-a.h5
    hinton06 finetune-cws --extend runs/cws-a.h5      runs/cws-a-extended.h5
    hinton06 finetune-cws --search-bp-weight runs/cws-a.h5    runs/hybrid-a.h5

    The second column is the file that each makes; with --dropout it is hybrid-dropout-a.h5, with
    --adversarial too hybrid-adversarial-a.h5, and with --neighbours as well
    hybrid-adversarial-neighbours-a.h5. START is a stack with labels, or a net that was fine-tuned
    from one.
    Each epoch reports the errors of free-energy recognition on the validation cases, and the
    weights go back to the fewest.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    if (start is None) == (extended is None):
        raise click.UsageError("give one START file, or --extend CHECKPOINT")
    for word in ("bp-weight", "search-bp-weight", "bp-weights") if extended else ():
        if given[word.replace("-", "_")] is not None:
            own = "--extend goes on with the net's own coefficient"
            raise click.UsageError(f"{own}, without --{word}")
    path = start or extended
    assert path is not None
    setup = options.training_setup(given, [path])
    assert setup.start is not None
    mixed = extended is not None and setup.start.outcome.bp_weight > 0
    for word in ("bp-rate", "bp-momentum") if extended and not mixed else ():
        if given[word.replace("-", "_")] is not None:
            own = "--extend goes on with the net's own coefficient"
            raise click.UsageError(f"{own}, which is 0, without --{word}")
    settings = setup.settings("wakesleep", given, extended, mixed=mixed)
    context, named = setup.context, (setup.recipe.name, setup.seed)
    if extended:
        out = out or path.with_name(f"{path.stem}-extended.h5")
        result = experiments.extend_generative(context, out, path, settings, *named)
    else:
        name = path.stem.removeprefix("pretrain-").removeprefix("labels-").removeprefix("cws-")
        moved = [name for name in MOVED if getattr(settings, name, 0)]
        made = "hybrid" if settings.mixed else "cws"
        made = "-".join([made, *(moved or ["dropout"] * settings.dropout)])
        out = out or path.with_name(f"{made}-{name}.h5")
        if out == path:
            raise click.UsageError(f"{out} would be START itself: --out names another file")
        result = experiments.finetune_generative(context, out, path, settings, *named)
    options.print_result(result, given["as_json"])
