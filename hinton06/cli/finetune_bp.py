"""``hinton06 finetune-bp``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import experiments
from hinton06.cli import options
from hinton06.learning import idle_settings
from hinton06.mnist import MAX_TRANSLATION, SPLITS
from hinton06.recipes import MOVED


@click.command("finetune-bp")
@click.argument("checkpoints", nargs=-1, metavar="[CHECKPOINT]...", type=options.EXISTING_FILE)
@click.option(
    "--extend", "extended", metavar="CHECKPOINT", type=options.EXISTING_FILE,
    help="Add the validation cases to the training cases of this fine-tuned net and train on "
    "until its cost on all of them is what it was on the training cases.",
)  # fmt: skip
@click.option(
    "--no-pretraining", is_flag=True,
    help="Start from random weights, on all training cases, and stop at the mean of the "
    "training costs that the fine-tuned nets CHECKPOINT... recorded.",
)  # fmt: skip
@click.option(
    "--split", type=click.Choice(SPLITS),
    help="With --no-pretraining and no CHECKPOINT: learn the training cases of this split, "
    "stopped by its validation cases.",
)  # fmt: skip
@click.option(
    "--translations", metavar="PIXELS", type=click.IntRange(0, MAX_TRANSLATION),
    help="With --split: learn the images in all translations by up to so many pixels; 2 makes 12 "
    "extra versions of each. What starts from a stack learns those that the stack has learned.",
)  # fmt: skip
@click.option("--layers", type=options.LAYERS, help="Hidden layers with --no-pretraining. "
              "Default: as in the first CHECKPOINT, or the recipe's.")  # fmt: skip
@click.option(
    "--labelled", metavar="CASES", type=click.IntRange(1, 1_000_000_000),
    help="Learn from so many of the training cases, equally many of each class, as if the others "
    "had no labels. Default: all.",
)  # fmt: skip
@options.long_run_options
@options.recipe_options("backprop")
def finetune_bp(
    checkpoints: tuple[Path, ...],
    extended: Path | None,
    no_pretraining: bool,
    split: str | None,
    translations: int | None,
    layers: tuple[int, ...] | None,
    labelled: int | None,
    out: Path | None,
    **given: Any,
) -> None:
    """Fine-tune a net by gentle backpropagation.

    \b
    hinton06 finetune-bp runs/pretrain-a.h5        stopped by the validation cases
    hinton06 finetune-bp --extend runs/bp-a.h5     and on, with all training cases
    hinton06 finetune-bp --no-pretraining runs/bp-a.h5 runs/bp-b.h5 runs/bp-c.h5
    hinton06 finetune-bp runs/pretrain-a.h5 --labelled 1000       with few labels
    hinton06 finetune-bp --no-pretraining --split a --labelled 1000
    hinton06 finetune-bp runs/pretrain-a.h5 --elastic 1.5    of distorted images
    hinton06 finetune-bp runs/pretrain-a.h5 --dropout         not the chapter's
    hinton06 finetune-bp runs/pretrain-a.h5 --dropout --adversarial 1
    hinton06 finetune-bp runs/pretrain-a.h5 --recipe virtual --labelled 1000
    hinton06 finetune-bp runs/pretrain-a.h5 --recipe neighbours

    They make bp-a.h5, bp-a-extended.h5, bp-not-pretrained.h5 and bp-a-1000-labelled.h5 beside
    their input, runs/bp-not-pretrained-a-1000-labelled.h5, bp-a-distorted.h5, bp-dropout-a.h5,
    bp-adversarial-a.h5, bp-virtual-a-1000-labelled.h5 and bp-adversarial-neighbours-a.h5 beside
    their input, unless --out says otherwise.
    Learning stops once the validation cost is past its minimum and the fewest validation errors
    are 10 epochs old; the weights go back to those fewest errors.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    _check_usage(checkpoints, extended, no_pretraining, split, layers)
    all_cases = extended or no_pretraining
    if labelled and all_cases and not split:
        raise click.UsageError("--labelled goes with a pretrained CHECKPOINT or with --split")
    if translations and not split:
        raise click.UsageError("--translations goes with --split; a stack has its own")
    if all_cases and given["rate"] is not None:  # that would not be used: a mistake
        those = "with --extend and --no-pretraining"
        raise click.UsageError(f"{those} the rate is --all-cases-rate, not --rate")
    if not all_cases and given["all_cases_rate"] is not None:
        raise click.UsageError("--all-cases-rate goes with --extend and --no-pretraining only")
    setup = options.training_setup(given, [extended] if extended else checkpoints)
    settings = setup.settings(
        "backprop", given, extended, labelled=labelled, translations=translations
    )
    validated = not all_cases or bool(split)
    idle = idle_settings(settings, validated, extends=bool(extended), random=no_pretraining)
    setup.say_idle(given, idle)
    context, named = setup.context, (setup.recipe.name, setup.seed)
    few = "-translated" if translations else ""
    few += "-distorted" if settings.distortions and not extended else ""
    few += f"-{labelled}-labelled" if labelled else ""
    moved = [name for name in MOVED if getattr(settings, name)]
    bp = "-".join(["bp", *(moved or ["dropout"] * settings.dropout)])
    if extended:
        path = out or extended.with_name(f"{extended.stem}-extended.h5")
        result = experiments.extend(context, path, extended, settings, *named)
    elif split:
        path = out or Path("runs") / f"{bp}-not-pretrained-{split}{few}.h5"
        sizes = layers or setup.recipe.settings("pretrain").layers
        result = experiments.finetune_from_random_on_split(
            context, path, split, settings, sizes, *named, labelled or 0, translations or 0
        )
    elif no_pretraining:
        assert setup.start is not None  # or _check_usage had refused it
        path = out or checkpoints[0].with_name(f"{bp}-not-pretrained{few}.h5")
        sizes = layers or setup.start.of_kind("classifier").model.sizes[1:-1]
        result = experiments.finetune_from_random(
            context, path, checkpoints, settings, sizes, *named
        )
    else:
        name = checkpoints[0].stem.removeprefix("pretrain-")
        path = out or checkpoints[0].with_name(f"{bp}-{name}{few}.h5")
        result = experiments.finetune(
            context, path, checkpoints[0], settings, *named, labelled or 0
        )
    options.print_result(result, given["as_json"])


def _check_usage(
    checkpoints: Any, extended: Any, no_pretraining: bool, split: Any, layers: Any
) -> None:
    if extended and (no_pretraining or checkpoints or split):
        raise click.UsageError("--extend takes one CHECKPOINT and no other mode")
    if split and (checkpoints or not no_pretraining):
        raise click.UsageError("--split goes with --no-pretraining and without CHECKPOINT")
    if no_pretraining and not checkpoints and not split:
        needed = "the fine-tuned nets whose costs it stops at, or a --split whose validation cases"
        raise click.UsageError(f"--no-pretraining needs {needed} stop it")
    if not extended and not no_pretraining and len(checkpoints) != 1:
        raise click.UsageError("give one pretrained CHECKPOINT, or --extend, or --no-pretraining")
    if layers and not no_pretraining:
        raise click.UsageError("--layers goes with --no-pretraining only")
