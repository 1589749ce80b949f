"""``hinton06 pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from hinton06 import experiments
from hinton06.checkpoint import history_rows
from hinton06.cli import options
from hinton06.console import tell
from hinton06.learning import idle_in_pretraining
from hinton06.mnist import MAX_TRANSLATION, SPLITS
from hinton06.recipes import show_value


@click.command()
@click.option(
    "--split", type=click.Choice([*SPLITS, "all"]), required=True,
    help="Which sixth of the training images is held out for validation; all: one net for "
    "each, one after the other.",
)  # fmt: skip
@click.option(
    "--labels", is_flag=True,
    help="The top RBM also learns the labels, for contrastive wake-sleep (Figure 4).",
)  # fmt: skip
@click.option(
    "--on", "lower", metavar="CHECKPOINT", type=options.EXISTING_FILE,
    help="Take the layers below the top from this stack of the same split, and learn only a new "
    "top: with --labels, what a stack without them already has is not learned again.",
)  # fmt: skip
@click.option(
    "--translations", metavar="PIXELS", type=click.IntRange(0, MAX_TRANSLATION), default=0,
    help="Learn the images in all translations by up to so many pixels; 2 makes 12 extra "
    "versions of each. What is fine-tuned from the stack learns them too.",
)  # fmt: skip
@click.option(
    "--labelled", metavar="CASES", type=click.IntRange(1, 1_000_000_000),
    help="Learn only the images of so many training cases, equally many of each class: those that "
    "finetune-bp --labelled has labels of. What is fine-tuned from the stack learns no others.",
)  # fmt: skip
@click.option(
    "--runs", type=options.FOLDER, default="runs",
    show_default=True,
    help="Folder for the files pretrain-a.h5, pretrain-labels-a.h5, pretrain-translated-a.h5, "
    "pretrain-1000-images-a.h5, and so on.",
)  # fmt: skip
@options.long_run_options
@options.recipe_options("pretrain")
def pretrain(
    split: str,
    labels: bool,
    lower: Path | None,
    translations: int,
    labelled: int | None,
    runs: Path,
    out: Path | None,
    **given: Any,
) -> None:
    """Learn a stack of RBMs greedily.

    Each layer is an RBM trained by contrastive divergence (the chapter's Eqs 4 to 6; of one step,
    or of --cd) on the activation probabilities of the layer below.
    """
    labelled = labelled or 0
    if out and split == "all":
        raise click.UsageError("--out names one file; with --split all give --runs")
    if lower and split == "all":
        raise click.UsageError("--on names one stack of one split; give that --split")
    if labelled and (labels or lower):
        raise click.UsageError("--labelled goes without --labels and --on")
    names = SPLITS if split == "all" else (split,)
    setup = options.training_setup(given, [lower] if lower else [], len(names))
    source = click.get_current_context().get_parameter_source("runs")
    if out and source is ParameterSource.COMMANDLINE:  # no mistake: scripts give both
        setup.display.say("--runs changes nothing beside --out")
    if given["passes"] is not None and given["updates"] is None:
        given["updates"] = 0
    with options.as_usage():
        settings = setup.recipe.settings_with(
            "pretrain", given, labels=labels, translations=translations, images=labelled
        )
    setup.say_idle(given, idle_in_pretraining(settings, lower is not None))
    sort = ("labels-" if labels else "") + ("translated-" if translations else "")
    sort += "distorted-" if settings.distortions else ""
    sort += f"{labelled}-images-" if labelled else ""
    results = []
    for name in names:
        path = out or runs / f"pretrain-{sort}{name}.h5"
        result = experiments.pretrain(
            setup.context, path, name, settings, setup.recipe.name, setup.seed, labels, lower,
            translations, labelled,
        )  # fmt: skip
        if result.already:
            setup.display.skip()
        results.append(result)
        if not given["as_json"]:
            file, state = result.file, options.state_text(result)
            layers = show_value(tuple(rbm.n_hidden for rbm in file.model))
            tell(f"{file.path}: {layers}, {file.outcome.reason}, {state}")
    if given["as_json"]:
        last = [history_rows(result.file.history)[-1] for result in results]
        options.print_json(
            [
                options.result_values(result) | {"last_epoch": epoch}
                for result, epoch in zip(results, last, strict=True)
            ]
        )
