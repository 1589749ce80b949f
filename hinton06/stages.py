"""The chapter's experiments as library calls, one a command: from input files to a finished file.

Each call says what determines its result, goes on where an earlier one was stopped, and ends
with the measurements that Table 1 needs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import checkpoint, records
from hinton06.backprop import FineTuning
from hinton06.checkpoint import Checkpoint, CheckpointError
from hinton06.measuring import finite_score, recognise, score_values
from hinton06.mnist import Digits, Split
from hinton06.models import Classifier, DeepBeliefNet, Rbm, Stack
from hinton06.opening import (
    Context,
    build_model,
    cases_asked_for,
    cases_at,
    check_inputs,
    check_net,
    check_sizes,
    labels_asked_for,
    learned_rows,
    load_generative,
    load_net,
    load_stage,
    random_stream,
    recorded,
    split_of,
    split_recorded,
    translations_of,
)
from hinton06.recipes import (
    BackpropSettings,
    PretrainSettings,
    Settings,
    WakeSleepSettings,
    show_value,
)
from hinton06.recognition import (
    Cases,
    Score,
)
from hinton06.stacking import GreedyStack
from hinton06.training import Run, RunError
from hinton06.wakesleep import GenerativeFineTuning, bp_weight_at, one_hot_targets

ROLES = {
    "validated": "stopped by validation",
    "extended": "continued on all training cases",
    "not pretrained": "random start, all training cases",
}


@dataclass(frozen=True)
class Made:
    """A finished file.

    Parameters
    ----------
    path : Path
    checkpoint : Checkpoint
    already : bool
        Whether it had been finished before this call.
    """

    path: Path
    checkpoint: Checkpoint
    already: bool


def _arguments(context: Context, seed: int, recipe: str, settings: Settings, **more: Any) -> Any:
    values = dataclasses.asdict(settings)
    return {
        "recipe": recipe,
        "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()},
        "seed": seed,
        "threads": context.threads,
        "data": context.digits.sha256,
        **more,
    }


# -- greedy pretraining --------------------------------------------------------------------------


def pretrain(
    context: Context,
    path: Path,
    split_name: str,
    settings: PretrainSettings,
    recipe: str = "custom",
    seed: int = 0,
    labels: bool = False,
    lower: Path | None = None,
    translations: int = 0,
    labelled: int = 0,
) -> Made:
    """Learn a stack greedily on one split's training cases.

    Parameters
    ----------
    context : Context
    path : Path
        The file to make.
    split_name : str
        ``"a"``, ``"b"`` or ``"c"``.
    settings : PretrainSettings
    recipe : str
        The name that the settings came under, for the record.
    seed : int
    labels : bool
        Whether the top RBM also learns the labels, as in Figure 4.
    lower : Path, optional
        A stack of the same split, whose layers below the top are taken as they are, so that only
        a new top is learned.
    translations : int
        The images are learned in all translations by up to so many pixels; 0 for as they are.
    labelled : int
        Only those images are learned that `finetune` has labels of when it is told so many; 0 for
        all. Not together with `labels` or `lower`.

    Returns
    -------
    Made

    Raises
    ------
    RunError, CheckpointError, Interrupted
        As `Run.train`; also if the lower layers do not fit, images could be translated out of
        their frame, or there are not so many.
    ValueError
        If `labelled` is given with `labels` or `lower`.

    Source
    ------
    "A greedy learning algorithm for multiple hidden layers"; translations: "Using geometric prior
    knowledge"; fewer images: "a network of the same size that does not make use of the unlabeled
    examples", "Using extra unlabeled data".
    """
    if labelled and (labels or lower):
        raise ValueError("a stack of few images has neither labels nor layers of another one")
    digits = context.digits
    split = split_of(path, digits, split_name)
    arguments = _arguments(
        context, seed, recipe, settings, split=split_name, split_sha256=split.sha256
    )
    if labels:
        arguments["labels"] = digits.n_classes
    if translations:
        arguments["translations"] = translations
    arguments |= _labelled(labelled)
    below = _lower_layers(lower, split_name, digits, settings, arguments) if lower else []
    run = _run(context, path, "stack", arguments, f"pretrain {split_name}")
    with run.begun(context.force, context.progress) as before:
        if before:
            return Made(path, before, already=True)
        with context.computing():
            rows = learned_rows(path, digits, split, arguments)
            cases = cases_at(digits, rows, translations)
            targets = one_hot_targets(cases.labels, digits.n_classes) if labels else None
            rng = random_stream(seed, 0, split_name)
            learner = GreedyStack(cases.images, settings, rng, targets, cases.labels, below)
            run.train(learner, context.progress)
            outcome: checkpoint.Tree = {"split": split_name}
            if labels:
                outcome |= _recognition_by(run.name, learner.stack, digits, cases, split)
        return Made(path, run.finish(learner.result().arrays(), outcome), False)


def _recognition_by(
    name: str, stack: Sequence[Rbm], digits: Digits, train: Cases, split: Split
) -> checkpoint.Tree:
    """What a stack with labels recognises before any fine-tuning, if it is the net of Figure 4."""
    try:
        net = DeepBeliefNet.untied(stack)
    except ValueError:
        return {}
    measured = finite_score(name, recognise(net, train.images), train.labels)
    return {"train": score_values(measured), **_scores(name, digits, net, split)}


def _lower_layers(
    path: Path, split_name: str, digits: Digits, settings: PretrainSettings, arguments: Any
) -> Sequence[Rbm]:
    """The layers of a stack below its top one, recorded among the arguments."""
    found = load_stage(path, "stack")
    stack: Stack = build_model(path, Stack.from_arrays, found)
    if split_recorded(path, digits, found).name != split_name:
        raise RunError(f"{path}: was learned on another split than {split_name}")
    then, now = translations_of(path, found.arguments), arguments.get("translations", 0)
    if then != now:
        raise RunError(f"{path}: was learned with --translations {then}, not {now}")
    if labels_asked_for(path, found.arguments):
        raise RunError(f"{path}: was learned with --labelled, from some of the images alone")
    check_inputs(path, stack[0].n_visible, digits)
    sizes = tuple(rbm.n_hidden for rbm in stack[:-1])
    if not sizes or sizes != settings.layers[:-1]:
        raise RunError(
            f"{path}: has {show_value(sizes) or 'no layers'} below its top, but "
            f"{show_value(settings.layers)} is to be learned"
        )
    arguments["lower"] = found.digest()
    return stack[:-1]


# -- discriminative fine-tuning ------------------------------------------------------------------


def finetune(
    context: Context,
    path: Path,
    pretrained: Path,
    settings: BackpropSettings,
    recipe: str = "custom",
    seed: int = 0,
    labelled: int = 0,
) -> Made:
    """Fine-tune a pretrained stack on the cases it was pretrained on, stopped by validation.

    Parameters
    ----------
    context : Context
    path : Path
        The file to make.
    pretrained : Path
        A stack.
    settings : BackpropSettings
    recipe : str
    seed : int
    labelled : int
        Of how many of these cases the labels are used, equally many of each class; 0 for all
        whose images the stack has learned.

    Returns
    -------
    Made

    Raises
    ------
    RunError, CheckpointError, Interrupted
        As `Run.train`; also if `pretrained` is not a stack or does not fit the data, there are
        not so many labels, or another seed drew the images of the stack.

    Source
    ------
    "Details of the discriminative fine-tuning procedure", lines 1 to 3 of Table 1; fewer labels:
    "Using extra unlabeled data".
    """
    found = load_stage(pretrained, "stack")
    stack = build_model(pretrained, Stack.from_arrays, found)
    digits = context.digits
    check_inputs(pretrained, stack[0].n_visible, digits)
    split = split_recorded(pretrained, digits, found)
    split_name = split.name
    arguments = _arguments(
        context, seed, recipe, settings,
        role="validated", split=split_name, split_sha256=split.sha256, start=found.digest(),
    )  # fmt: skip
    arguments |= _inherited(pretrained, found) | _labels_of(pretrained, found, labelled, seed)
    rows = learned_rows(pretrained, digits, split, arguments)
    run = _run(context, path, "classifier", arguments, f"finetune-bp {split_name}")

    def learner() -> FineTuning:
        return FineTuning(
            Classifier.on_stack(stack, digits.n_classes),
            cases_at(digits, rows, translations_of(path, arguments)),
            settings,
            random_stream(seed, 1, split_name),
            valid=cases_at(digits, split.valid),
        )

    return _fine_tune(context, run, learner, split)


def extend(
    context: Context,
    path: Path,
    fine_tuned: Path,
    settings: BackpropSettings,
    recipe: str = "custom",
    seed: int = 0,
) -> Made:
    """Add the validation cases and train on until the cost falls to the recorded value.

    Parameters
    ----------
    context : Context
    path : Path
        The file to make.
    fine_tuned : Path
        A classifier that `finetune` made.
    settings : BackpropSettings
    recipe : str
    seed : int

    Returns
    -------
    Made

    Raises
    ------
    RunError, CheckpointError, Interrupted
        As `Run.train`; also if `fine_tuned` is not such a classifier.

    Source
    ------
    "Details of the discriminative fine-tuning procedure"; lines 5 to 7 of Table 1.
    """
    found = load_stage(fine_tuned, "classifier")
    net = load_net(fine_tuned, found)
    if found.outcome.get("role") != "validated":
        raise RunError(f"{fine_tuned}: only a net that was stopped by validation can be extended")
    _check_all_labelled(fine_tuned, found)
    check_net(fine_tuned, net, context.digits)
    split_name = recorded(fine_tuned, found.arguments, "split")
    target = _recorded_cost(fine_tuned, found)
    arguments = _arguments(
        context, seed, recipe, settings,
        role="extended", split=split_name, start=found.digest(), target_cost=target,
        **_translations(fine_tuned, found), **_random_start(found),
    )  # fmt: skip
    run = _run(context, path, "classifier", arguments, f"extend {split_name}")

    def learner() -> FineTuning:
        return FineTuning(
            net, _all_cases(path, context.digits, arguments), settings,
            random_stream(seed, 2, split_name), target_cost=target,
        )  # fmt: skip

    return _fine_tune(context, run, learner, None, epochs_before=found.outcome["epochs"])


def finetune_from_random(
    context: Context,
    path: Path,
    criteria: Sequence[Path],
    settings: BackpropSettings,
    layers: tuple[int, ...],
    recipe: str = "custom",
    seed: int = 0,
) -> Made:
    """Backpropagation without pretraining, down to the mean of the nets' recorded costs.

    Parameters
    ----------
    context : Context
    path : Path
        The file to make.
    criteria : sequence of Path
        Classifiers that `finetune` made.
    settings : BackpropSettings
    layers : tuple of int
        Sizes of the hidden layers.
    recipe : str
    seed : int

    Returns
    -------
    Made

    Raises
    ------
    RunError, CheckpointError, Interrupted
        As `Run.train`; also if a criterion is not such a classifier.

    Source
    ------
    "the stopping criterion was set to be the average of the stopping criteria from the previous
    experiments"; the last line of Table 1.
    """
    digits = context.digits
    targets, translations = [], []
    for criterion in criteria:
        found = load_stage(criterion, "classifier")
        translations.append(_translations(criterion, found))
        if translations[-1] != translations[0]:
            raise RunError(f"{criterion}: did not learn the same translations as {criteria[0]}")
        if found.outcome.get("role") != "validated":
            raise RunError(f"{criterion}: has no stopping criterion that validation recorded")
        _check_all_labelled(criterion, found)
        targets.append(_recorded_cost(criterion, found))
    target = float(np.mean(targets))
    arguments = _arguments(
        context, seed, recipe, settings,
        role="not pretrained", layers=list(layers), target_cost=target, **translations[0],
    )  # fmt: skip
    run = _run(context, path, "classifier", arguments, "not pretrained")

    def learner() -> FineTuning:
        rng = random_stream(seed, 3, None)
        sizes = (digits.n_pixels, *layers, digits.n_classes)
        net = Classifier.random(sizes, settings.initial_scale, rng)
        cases = _all_cases(path, digits, arguments)
        return FineTuning(net, cases, settings, rng, target_cost=target)

    return _fine_tune(context, run, learner, None)


def finetune_from_random_on_split(
    context: Context,
    path: Path,
    split_name: str,
    settings: BackpropSettings,
    layers: tuple[int, ...],
    recipe: str = "custom",
    seed: int = 0,
    labelled: int = 0,
) -> Made:
    """Backpropagation without pretraining on one split's training cases, stopped by validation.

    Parameters
    ----------
    context : Context
    path : Path
        The file to make.
    split_name : str
        ``"a"``, ``"b"`` or ``"c"``.
    settings : BackpropSettings
        The rate is `all_cases_rate`, as from every random start.
    layers : tuple of int
        Sizes of the hidden layers.
    recipe : str
    seed : int
    labelled : int
        Of how many of the cases images and labels are used, equally many of each class; 0 for all.

    Returns
    -------
    Made

    Raises
    ------
    RunError, CheckpointError, Interrupted
        As `Run.train`; also if there are not so many labels.

    Source
    ------
    "a network of the same size that does not make use of the unlabeled examples", "Using extra
    unlabeled data".
    """
    digits = context.digits
    split = split_of(path, digits, split_name)
    arguments = _arguments(
        context, seed, recipe, settings, role="validated", split=split_name,
        split_sha256=split.sha256, layers=list(layers), random_start=True, **_labelled(labelled),
    )  # fmt: skip
    rows = learned_rows(path, digits, split, arguments)
    run = _run(context, path, "classifier", arguments, f"not pretrained {split_name}")

    def learner() -> FineTuning:
        rng = random_stream(seed, 6, split_name)
        sizes = (digits.n_pixels, *layers, digits.n_classes)
        net = Classifier.random(sizes, settings.initial_scale, rng)
        own_rate = dataclasses.replace(settings, rate=settings.all_cases_rate)
        return FineTuning(
            net, cases_at(digits, rows), own_rate, rng, valid=cases_at(digits, split.valid)
        )

    return _fine_tune(context, run, learner, split)


# -- generative fine-tuning ----------------------------------------------------------------------


def finetune_generative(
    context: Context,
    path: Path,
    start: Path,
    settings: WakeSleepSettings,
    recipe: str = "custom",
    seed: int = 0,
) -> Made:
    """Fine-tune a net with labels by contrastive wake-sleep; validation picks the epoch.

    Parameters
    ----------
    context : Context
    path : Path
        The file to make.
    start : Path
        A stack made with labels, or a net that this made from one.
    settings : WakeSleepSettings
    recipe : str
    seed : int

    Returns
    -------
    Made

    Raises
    ------
    RunError, CheckpointError, Interrupted
        As `Run.train`; also if `start` is no such file or does not fit the data.

    Source
    ------
    "Using contrastive wake-sleep for generative fine-tuning".
    """
    digits = context.digits
    found, net = _load_start(start, settings)
    check_sizes(start, len(net.vishid), net.n_labels, digits)
    split = split_recorded(start, digits, found)
    split_name = split.name
    arguments = _arguments(
        context, seed, recipe, settings,
        role="validated", split=split_name, split_sha256=split.sha256, start=found.digest(),
    )  # fmt: skip
    arguments |= _inherited(start, found)
    rows = learned_rows(start, digits, split, arguments)
    run = _run(context, path, "generative", arguments, f"finetune-cws {split_name}")

    def learner() -> GenerativeFineTuning:
        return GenerativeFineTuning(
            net, cases_at(digits, rows, translations_of(path, arguments)), settings,
            random_stream(seed, 4, split_name), valid=cases_at(digits, split.valid),
        )  # fmt: skip

    return _fine_tune(context, run, learner, split)


def _load_start(path: Path, settings: WakeSleepSettings) -> tuple[Checkpoint, DeepBeliefNet]:
    """A stack with labels, or a net that was fine-tuned from one with the same validation cases."""
    if records.load(path).stage != "generative":
        return load_generative(path, "stack")
    found, net = load_generative(path, "generative")
    if found.outcome.get("role") != "validated":
        raise RunError(f"{path}: was trained on all cases, so that none are left for validation")
    if settings.generative == "pretraining":
        raise RunError(
            f"{path}: the pretraining's gradient needs {checkpoint.STAGES['stack']}, whose "
            "generative and recognition weights are the same"
        )
    return found, net


def extend_generative(
    context: Context,
    path: Path,
    fine_tuned: Path,
    settings: WakeSleepSettings,
    recipe: str = "custom",
    seed: int = 0,
) -> Made:
    """Go on with all training cases until their error rate falls to the recorded one.

    Rates and Gibbs rounds go on in the schedule from the epoch whose net the file holds, and the
    coefficient of backpropagation is the one of that epoch.

    Parameters
    ----------
    context : Context
    path : Path
        The file to make.
    fine_tuned : Path
        A net that `finetune_generative` made.
    settings : WakeSleepSettings
    recipe : str
    seed : int

    Returns
    -------
    Made

    Raises
    ------
    RunError, CheckpointError, Interrupted
        As `Run.train`; also if `fine_tuned` is not such a net.

    Source
    ------
    Hinton, Osindero and Teh (2006).
    """
    digits = context.digits
    found, net = load_generative(fine_tuned, "generative")
    if found.outcome.get("role") != "validated":
        raise RunError(f"{fine_tuned}: only a net that was stopped by validation can be extended")
    check_sizes(fine_tuned, len(net.vishid), net.n_labels, digits)
    split_name = recorded(fine_tuned, found.arguments, "split")
    train = recorded(fine_tuned, found.outcome, "train")
    target = Score(train["cases"], train["errors"], train["cost_per_100"]).error_rate
    weight = float(found.outcome.get("bp_weight", 0.0))
    settings = dataclasses.replace(settings, bp_weight=weight, search_bp_weight=False)
    arguments = _arguments(
        context, seed, recipe, settings,
        role="extended", split=split_name, start=found.digest(), target_error_rate=target,
        schedule_done=found.outcome["epochs"], **_translations(fine_tuned, found),
    )  # fmt: skip
    run = _run(context, path, "generative", arguments, f"extend {split_name}")

    def learner() -> GenerativeFineTuning:
        return GenerativeFineTuning(
            net, _all_cases(path, digits, arguments), settings,
            random_stream(seed, 5, split_name),
            target_error_rate=target, schedule_done=found.outcome["epochs"],
        )  # fmt: skip

    return _fine_tune(context, run, learner, None, found.outcome["epochs"])


def _run(context: Context, path: Path, stage: str, arguments: checkpoint.Tree, title: str) -> Run:
    return Run(path, stage, arguments, title, context.save_every_s, records.checked)


def _recorded_cost(path: Path, found: Checkpoint) -> float:
    cost = recorded(path, found.outcome, "train", "cost_per_100")
    if not isinstance(cost, int | float):
        raise CheckpointError(f"{path}: does not record its training cost")
    return float(cost)


def _inherited(path: Path, found: Checkpoint) -> dict[str, int]:
    """What a stack has learned, as arguments of a net above it, if that is not each case once."""
    n_cases = cases_asked_for(path, found.arguments)
    return ({"cases": n_cases} if n_cases else {}) | _translations(path, found)


def _labelled(n_cases: int) -> dict[str, int]:
    """How many labels are used, as an argument, if not all."""
    return {"labelled": n_cases} if n_cases else {}


def _labels_of(path: Path, found: Checkpoint, labelled: int, seed: int) -> dict[str, int]:
    """How many labels are used above a stack, and how many images it has learned, if not all."""
    images = labels_asked_for(path, found.arguments)
    if not images:
        return _labelled(labelled)
    if labelled > images:
        raise RunError(f"{path}: has learned {images} images, and {labelled} are to be labelled")
    if found.arguments["seed"] != seed:
        raise RunError(
            f"{path}: its images were drawn with --seed {found.arguments['seed']}, and their "
            f"labels would be with {seed}"
        )
    return {"labelled": labelled or images, "images": images}


def _translations(path: Path, found: Checkpoint) -> dict[str, int]:
    """The translations of the file that a run starts from, as its argument, if there are any."""
    distance = translations_of(path, found.arguments)
    return {"translations": distance} if distance else {}


def _random_start(found: Checkpoint) -> dict[str, bool]:
    """That the net that a run starts from was not pretrained, as its argument, if it was not."""
    return {"random_start": True} if found.arguments.get("random_start") else {}


def _check_all_labelled(path: Path, found: Checkpoint) -> None:
    """Raise `RunError` if a net learned only some labels: its cost is that of few cases."""
    if found.arguments.get("labelled"):
        raise RunError(
            f"{path}: learned {found.arguments['labelled']} labels; only a net that learned all "
            "of its split's can be gone on from"
        )


def _all_cases(path: Path, digits: Digits, arguments: Any) -> Cases:
    """All training cases, translated as the run's arguments say."""
    return cases_at(digits, translations=translations_of(path, arguments))


def _fine_tune(
    context: Context, run: Run, make_learner: Any, split: Split | None, epochs_before: int = 0
) -> Made:
    with run.begun(context.force, context.progress) as before:
        if before:
            return Made(run.path, before, already=True)
        with context.computing():
            learner: FineTuning | GenerativeFineTuning = make_learner()
            run.train(learner, context.progress)
            outcome = _outcome(context.digits, learner, run, split, epochs_before)
        if learner.capped:
            context.progress.note(
                f"{run.path}: {learner.finished()}, before its stopping rule was met"
            )
        return Made(run.path, run.finish(learner.result().arrays(), outcome), False)


def _outcome(
    digits: Digits,
    learner: FineTuning | GenerativeFineTuning,
    run: Run,
    split: Split | None,
    epochs_before: int,
) -> checkpoint.Tree:
    net = learner.result()
    outcome = {
        "role": run.arguments["role"],
        "split": run.arguments.get("split"),
        "reason": learner.finished(),
        "capped": learner.capped,
        **_coefficient(learner),
        "epochs": learner.selected.epoch,
        "epochs_run": learner.epoch,
        "epochs_before": epochs_before,
        "target_cost": run.arguments.get("target_cost"),
        "target_error_rate": run.arguments.get("target_error_rate"),
        "train": score_values(learner.selected.train),
    }
    return outcome | _scores(run.name, digits, net, split)


def _scores(
    name: str, digits: Digits, net: Classifier | DeepBeliefNet, split: Split | None
) -> checkpoint.Tree:
    """A finished net on the test cases, and on the validation cases if it did not learn them."""
    test = recognise(net, digits.test_images)
    scores = {
        "test": score_values(finite_score(name, test, digits.test_labels)),
        "test_log_probs": test,
        "test_labels": digits.test_labels,
    }
    if split is not None:
        held_out = recognise(net, digits.train_images[split.valid])
        labels = digits.train_labels[split.valid]
        scores["valid"] = score_values(finite_score(name, held_out, labels))
    return scores


def _coefficient(learner: FineTuning | GenerativeFineTuning) -> dict[str, float]:
    """The coefficient of backpropagation that the selected net was learned with."""
    if isinstance(learner, FineTuning):
        return {}
    return {"bp_weight": bp_weight_at(learner.settings, max(0, learner.selected.epoch - 1))}
