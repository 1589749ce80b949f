"""The chapter's experiments as library calls, one a command: from input files to a finished file.

Each call is a specification (`Experiment`) of what determines its result; one runner (`perform`)
goes on where an earlier call was stopped, and ends with the measurements that the tables need.

All take a `Context`, the path of the file to make, the settings of their part of a recipe, the
recipe's name for the record, and a seed; and return a `Result`. Where a file, a split or a number
of cases does not fit, all raise `RunError`, and `CheckpointError` where a file cannot be read or
written; `Interrupted` after a signal.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import cases
from hinton06.backprop import DiscriminativeFineTuning
from hinton06.cases import cases_held_out, cases_learned, random_stream, split_of, split_recorded
from hinton06.evaluation import finite_score
from hinton06.finetuning import FineTuning
from hinton06.kinds import KINDS
from hinton06.lineage import EXTENDED, NOT_PRETRAINED, VALIDATED, Lineage
from hinton06.loading import Context, Outcome, RunFile, load, naming, typed
from hinton06.models import Classifier, Rbm
from hinton06.numerics import one_hot_targets
from hinton06.recipes import (
    BackpropSettings,
    PretrainSettings,
    Settings,
    WakeSleepSettings,
    show_value,
)
from hinton06.recognition import Cases
from hinton06.stacking import GreedyStack
from hinton06.training import Run, RunError
from hinton06.wakesleep import GenerativeFineTuning


@dataclass(frozen=True)
class Result:
    """A finished file, and whether it had been finished before the call."""

    file: RunFile
    already: bool


@dataclass(frozen=True)
class Experiment:
    """One file to be made: how its learner starts, and what determines its result.

    `measured`, of the learner and a name for messages, gives what else than test and validation
    scores is known at the end: values of an `Outcome`.
    """

    path: Path
    kind: str
    title: str
    recipe: str
    settings: Settings
    lineage: Lineage
    learner: Callable[[], Any]
    measured: Callable[[Any, str], dict[str, Any]]


def perform(context: Context, experiment: Experiment) -> Result:
    """Make the file of an experiment, or find it made."""
    run = Run(
        experiment.path, experiment.kind, experiment.recipe, experiment.settings,
        experiment.lineage, experiment.title, context.save_every_s, typed,
    )  # fmt: skip
    with run.begun(context.force, context.progress) as before:
        if before:
            return Result(typed(run.path, before), already=True)
        with context.computing():
            learner = experiment.learner()
            run.train(learner, context.progress)
            outcome = _outcome(context, experiment, learner, run.name)
        if outcome.capped:
            context.progress.note(f"{run.path}: {outcome.reason}, before its stopping rule was met")
        finished = run.finish(learner.result().arrays(), outcome.tree())
        return Result(typed(run.path, finished), already=False)


def _outcome(context: Context, experiment: Experiment, learner: Any, name: str) -> Outcome:
    """The finished net on the test cases, and on the validation cases if it learned none."""
    try:
        recogniser = KINDS[experiment.kind].recogniser(learner.result())
    except ValueError:  # a stack that recognises nothing
        return Outcome(reason=learner.finished())
    digits = context.digits
    test = recogniser.log_probs(digits.test_images)
    found = Outcome(
        reason=learner.finished(),
        test=finite_score(name, test, digits.test_labels),
        test_log_probs=test,
        test_labels=digits.test_labels,
        **experiment.measured(learner, name),
    )
    if experiment.lineage.split_sha256 is None:
        return found
    valid = cases_held_out(digits, experiment.lineage)
    score = finite_score(name, recogniser.log_probs(valid.images), valid.labels)
    return dataclasses.replace(found, valid=score)


def _fine_tuning_measured(epochs_before: int = 0) -> Callable[[FineTuning[Any], str], Any]:
    def measured(learner: FineTuning[Any], _name: str) -> dict[str, Any]:
        return {
            "capped": learner.capped,
            "epochs": learner.selected.epoch,
            "epochs_run": learner.epoch,
            "epochs_before": epochs_before,
            "bp_weight": learner.bp_weight,
            "train": learner.selected.train,
        }

    return measured


def _own(context: Context, seed: int) -> dict[str, Any]:
    """What every run's lineage says of itself."""
    digits = context.digits
    folder = None if digits.folder is None else str(digits.folder.resolve())
    return {
        "data": digits.sha256, "data_folder": folder, "seed": seed, "threads": context.threads,
    }  # fmt: skip


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
) -> Result:
    """Learn a stack greedily on the training cases of split ``"a"``, ``"b"`` or ``"c"``.

    With `labels` the top RBM also learns them (Figure 4); the layers of the stack `lower`, of the
    same split, are taken as they are below a new top; images are learned in all `translations` by
    up to so many pixels ("Using geometric prior knowledge"), or only those of so many `labelled`
    cases, equally many of each class ("Using extra unlabeled data"; not with `labels` or `lower`).
    Source: "A greedy learning algorithm for multiple hidden layers".
    """
    if labelled and (labels or lower):
        raise ValueError("a stack of few images has neither labels nor layers of another one")
    digits = context.digits
    with naming(path):
        split = split_of(digits, split_name)
    lineage = Lineage(
        **_own(context, seed), split=split_name, split_sha256=split.sha256,
        labels=digits.n_classes if labels else 0, cases=settings.cases, translations=translations,
        images=labelled,
    )  # fmt: skip
    below: tuple[Rbm, ...] = ()
    if lower:
        below, parent = _lower_layers(context, lower, settings, lineage)
        lineage = dataclasses.replace(lineage, parents=(parent,))

    def train() -> Cases:
        with naming(path):
            return cases_learned(digits, lineage)

    def learner() -> GreedyStack:
        learned = train()
        targets = one_hot_targets(learned.labels, digits.n_classes) if labels else None
        rng = random_stream(seed, cases.PRETRAINING, split_name)
        resolved = _with_passes(settings, len(learned))
        return GreedyStack(learned.images, resolved, rng, targets, learned.labels, below)

    def measured(learner: GreedyStack, name: str) -> dict[str, Any]:
        learned = train()
        logs = KINDS["stack"].recogniser(learner.result()).log_probs(learned.images)
        return {"train": finite_score(name, logs, learned.labels)}

    title = f"pretrain {split_name}"
    return perform(
        context,
        Experiment(path, "stack", title, recipe, settings, lineage, learner, measured),
    )


def _with_passes(settings: PretrainSettings, n_cases: int) -> PretrainSettings:
    """The settings with as many passes as make so many `updates` of a layer, if those are set."""
    if not settings.updates:
        return settings
    a_pass = -(-n_cases // settings.batch)
    return dataclasses.replace(settings, passes=max(1, round(settings.updates / a_pass)))


def _lower_layers(
    context: Context, path: Path, settings: PretrainSettings, lineage: Lineage
) -> tuple[tuple[Rbm, ...], str]:
    """The layers of a stack below its top one, and its digest."""
    file = load(path).of_kind("stack")
    stack, theirs = file.model, file.lineage
    with naming(path):
        if split_recorded(context.digits, theirs).name != lineage.split:
            raise RunError(f"was learned on another split than {lineage.split}")
        if theirs.translations != lineage.translations:
            raise RunError(
                f"was learned with --translations {theirs.translations}, not {lineage.translations}"
            )
        if theirs.images:
            raise RunError("was learned with --labelled, from some of the images alone")
        sizes = tuple(rbm.n_hidden for rbm in stack[:-1])
        if not sizes or sizes != settings.layers[:-1]:
            raise RunError(
                f"has {show_value(sizes) or 'no layers'} below its top, but "
                f"{show_value(settings.layers)} is to be learned"
            )
    file.check_pixels(context.digits)
    return stack[:-1], file.digest


# -- discriminative fine-tuning ------------------------------------------------------------------


def finetune(
    context: Context,
    path: Path,
    pretrained: Path,
    settings: BackpropSettings,
    recipe: str = "custom",
    seed: int = 0,
    labelled: int = 0,
) -> Result:
    """Fine-tune a pretrained stack on the cases it was pretrained on, stopped by validation.

    The labels of so many `labelled` cases are used, equally many of each class; 0 for all whose
    images the stack has learned. Source: "Details of the discriminative fine-tuning procedure",
    lines 1 to 3 of Table 1; "Using extra unlabeled data".
    """
    start, digits = load(pretrained).of_kind("stack"), context.digits
    start.check_pixels(digits)
    _check_labels(start, labelled, seed)
    with naming(pretrained):
        split = split_recorded(digits, start.lineage)
        lineage = start.lineage.child(
            [start.digest], VALIDATED, **_own(context, seed), split_sha256=split.sha256,
            labelled=labelled or start.lineage.images,
        )  # fmt: skip
        cases.rows_learned(digits, lineage)

    def net() -> Classifier:
        return Classifier.on_stack(start.model, digits.n_classes)

    title = f"finetune-bp {split.name}"
    rng = random_stream(seed, cases.BACKPROP, split.name)
    return _discriminative(context, path, title, recipe, settings, lineage, net, rng)


def _check_labels(stack: RunFile, labelled: int, seed: int) -> None:
    images, drawn_with = stack.lineage.images, stack.lineage.seed
    if images and labelled > images:
        raise RunError(
            f"{stack.path}: has learned {images} images, and {labelled} are to be labelled"
        )
    if images and drawn_with != seed:
        raise RunError(
            f"{stack.path}: its images were drawn with --seed {drawn_with}, and their labels "
            f"would be with {seed}"
        )


def _discriminative(
    context: Context,
    path: Path,
    title: str,
    recipe: str,
    settings: BackpropSettings,
    lineage: Lineage,
    net: Callable[[], Classifier],
    rng: np.random.Generator,
    epochs_before: int = 0,
) -> Result:
    """Backpropagation from a net; by the rule that the lineage's role has."""

    def learner() -> DiscriminativeFineTuning:
        valid = cases_held_out(context.digits, lineage) if lineage.role == VALIDATED else None
        used = settings
        if lineage.random_start and valid is not None:
            used = dataclasses.replace(settings, rate=settings.all_cases_rate)
        start = net()
        with naming(path):
            train = cases_learned(context.digits, lineage)
        return DiscriminativeFineTuning(start, train, used, rng, valid, lineage.target_cost)

    measured = _fine_tuning_measured(epochs_before)
    return perform(
        context,
        Experiment(path, "classifier", title, recipe, settings, lineage, learner, measured),
    )


def extend(
    context: Context,
    path: Path,
    fine_tuned: Path,
    settings: BackpropSettings,
    recipe: str = "custom",
    seed: int = 0,
) -> Result:
    """Add the validation cases to a net of `finetune`, and train on down to its recorded cost.

    Source: "Details of the discriminative fine-tuning procedure"; lines 5 to 7 of Table 1.
    """
    start = _validated(load(fine_tuned).of_kind("classifier"), "can be extended")
    start.check_fits(context.digits)
    split_name = start.lineage.split
    lineage = start.lineage.child(
        [start.digest], EXTENDED, **_own(context, seed), target_cost=_train_cost(start)
    )
    return _discriminative(
        context, path, f"extend {split_name}", recipe, settings, lineage, lambda: start.model,
        random_stream(seed, cases.BACKPROP_ON_ALL, split_name), start.outcome.epochs,
    )  # fmt: skip


def _validated(file: RunFile, use: str) -> RunFile:
    """A net that validation stopped, on all labels of its split: the cost of few says little."""
    if file.lineage.role != VALIDATED:
        raise RunError(f"{file.path}: only a net that was stopped by validation {use}")
    if file.lineage.labelled:
        raise RunError(
            f"{file.path}: learned {file.lineage.labelled} labels; only a net that learned all of "
            f"its split's {use}"
        )
    return file


def _train_cost(file: RunFile) -> float:
    assert file.outcome.train is not None  # or loading had refused it
    return file.outcome.train.cost_per_100


def finetune_from_random(
    context: Context,
    path: Path,
    criteria: Sequence[Path],
    settings: BackpropSettings,
    layers: tuple[int, ...],
    recipe: str = "custom",
    seed: int = 0,
) -> Result:
    """Backpropagation without pretraining, down to the mean of the recorded costs of nets.

    Source: "the stopping criterion was set to be the average of the stopping criteria from the
    previous experiments"; the last line of Table 1.
    """
    stopped_at = [
        _validated(load(criterion).of_kind("classifier"), "has a criterion")
        for criterion in criteria
    ]
    for file in stopped_at:
        if file.lineage.translations != stopped_at[0].lineage.translations:
            raise RunError(f"{file.path}: did not learn the same translations as {criteria[0]}")
    lineage = stopped_at[0].lineage.child(
        [file.digest for file in stopped_at], NOT_PRETRAINED, **_own(context, seed), layers=layers,
        target_cost=float(np.mean([_train_cost(file) for file in stopped_at])), random_start=False,
    )  # fmt: skip
    rng = random_stream(seed, cases.RANDOM_NET, None)
    net = _random_net(context, settings, layers, rng)
    return _discriminative(context, path, "not pretrained", recipe, settings, lineage, net, rng)


def finetune_from_random_on_split(
    context: Context,
    path: Path,
    split_name: str,
    settings: BackpropSettings,
    layers: tuple[int, ...],
    recipe: str = "custom",
    seed: int = 0,
    labelled: int = 0,
) -> Result:
    """Backpropagation without pretraining on one split's training cases, stopped by validation.

    Images and labels of so many `labelled` cases are used; 0 for all. The rate is `all_cases_rate`,
    as from every random start. Source: "a network of the same size that does not make use of the
    unlabeled examples", "Using extra unlabeled data".
    """
    digits = context.digits
    with naming(path):
        split = split_of(digits, split_name)
        lineage = Lineage(
            **_own(context, seed), role=VALIDATED, split=split_name, split_sha256=split.sha256,
            layers=layers, labelled=labelled, random_start=True,
        )  # fmt: skip
        cases.rows_learned(digits, lineage)
    rng = random_stream(seed, cases.RANDOM_NET_OF_SPLIT, split_name)
    net = _random_net(context, settings, layers, rng)
    title = f"not pretrained {split_name}"
    return _discriminative(context, path, title, recipe, settings, lineage, net, rng)


def _random_net(
    context: Context, settings: BackpropSettings, layers: Sequence[int], rng: np.random.Generator
) -> Callable[[], Classifier]:
    sizes = (context.digits.n_pixels, *layers, context.digits.n_classes)
    return lambda: Classifier.random(sizes, settings.initial_scale, rng)


# -- generative fine-tuning ----------------------------------------------------------------------


def finetune_generative(
    context: Context,
    path: Path,
    start: Path,
    settings: WakeSleepSettings,
    recipe: str = "custom",
    seed: int = 0,
) -> Result:
    """Fine-tune a net with labels by contrastive wake-sleep; validation picks the epoch.

    `start` is a stack made with labels, or a net that this made from one. Source: "Using
    contrastive wake-sleep for generative fine-tuning".
    """
    file, digits = load(start), context.digits
    recogniser = file.recogniser()
    if not recogniser.generates:
        file.of_kind("generative")
    if file.lineage.role == EXTENDED:
        raise RunError(f"{start}: was trained on all cases, so that none are left for validation")
    if settings.generative == "pretraining" and file.kind.name != "stack":
        raise RunError(
            f"{start}: the pretraining's gradient needs {KINDS['stack'].about}, whose generative "
            "and recognition weights are the same"
        )
    file.check_fits(digits)
    with naming(start):
        split = split_recorded(digits, file.lineage)
        lineage = file.lineage.child(
            [file.digest], VALIDATED, **_own(context, seed), split_sha256=split.sha256
        )
        cases.rows_learned(digits, lineage)
    title = f"finetune-cws {split.name}"
    use = cases.WAKE_SLEEP
    return _generative(context, path, title, recipe, settings, lineage, recogniser.net, use)


def extend_generative(
    context: Context,
    path: Path,
    fine_tuned: Path,
    settings: WakeSleepSettings,
    recipe: str = "custom",
    seed: int = 0,
) -> Result:
    """Go on with all training cases until their error rate falls to the recorded one.

    Rates and Gibbs rounds go on in the schedule from the epoch whose net the file holds, and the
    coefficient of backpropagation is the one of that epoch. Source: Hinton, Osindero and Teh
    (2006).
    """
    start = _validated(load(fine_tuned).of_kind("generative"), "can be extended")
    start.check_fits(context.digits)
    outcome = start.outcome
    assert outcome.train is not None  # or loading had refused it
    settings = dataclasses.replace(settings, bp_weight=outcome.bp_weight, search_bp_weight=False)
    lineage = start.lineage.child(
        [start.digest], EXTENDED, **_own(context, seed),
        target_error_rate=outcome.train.error_rate, schedule_done=outcome.epochs,
    )  # fmt: skip
    return _generative(
        context, path, f"extend {lineage.split}", recipe, settings, lineage, start.model,
        cases.WAKE_SLEEP_ON_ALL, outcome.epochs,
    )  # fmt: skip


def _generative(
    context: Context,
    path: Path,
    title: str,
    recipe: str,
    settings: WakeSleepSettings,
    lineage: Lineage,
    net: Any,
    use: int,
    epochs_before: int = 0,
) -> Result:
    """Contrastive wake-sleep from a net; by the rule that the lineage's role has."""

    def learner() -> GenerativeFineTuning:
        valid = cases_held_out(context.digits, lineage) if lineage.role == VALIDATED else None
        with naming(path):
            train = cases_learned(context.digits, lineage)
        return GenerativeFineTuning(
            net, train, settings, random_stream(lineage.seed, use, lineage.split), valid,
            lineage.target_error_rate, lineage.schedule_done,
        )  # fmt: skip

    measured = _fine_tuning_measured(epochs_before)
    return perform(
        context,
        Experiment(path, "generative", title, recipe, settings, lineage, learner, measured),
    )
