"""The chapter's experiments as library calls, one a command: from input files to a finished file.

Each call says what determines its result, goes on where an earlier one was stopped, and ends
with the measurements that Table 1 needs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from hinton06 import checkpoint, mnist, records, wakesleep
from hinton06.annealing import Spread, sample
from hinton06.backprop import FineTuning, net_arrays, net_from_arrays
from hinton06.checkpoint import Checkpoint, CheckpointError
from hinton06.generation import Generator
from hinton06.mnist import Digits, Split
from hinton06.models import Classifier, DeepBeliefNet, Rbm
from hinton06.numerics import Array
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
    confusion,
    gibbs_label_log_probs,
    label_log_probs,
    log_probs,
    product_of_nets,
    score,
    stochastic_label_log_probs,
)
from hinton06.stacking import GreedyStack, stack_arrays, stack_from_arrays
from hinton06.training import SAVE_EVERY_S, Progress, Run, RunError
from hinton06.wakesleep import GenerativeFineTuning, bp_weight_at, one_hot_targets

ROLES = {
    "validated": "stopped by validation",
    "extended": "continued on all training cases",
    "not pretrained": "random start, all training cases",
}


@dataclass(frozen=True)
class Context:
    """What every command shares.

    Parameters
    ----------
    digits : Digits
    progress : Progress
    threads : int
        BLAS threads; results are bit-identical for equal numbers of threads.
    force : bool
        Start anew and replace what there is.
    save_every_s : float
        Seconds between saves.
    """

    digits: Digits
    progress: Progress
    threads: int = 1
    force: bool = False
    save_every_s: float = SAVE_EVERY_S

    @contextmanager
    def computing(self) -> Iterator[None]:
        """As many BLAS threads as `threads`, and no warning in passing where numbers overflow.

        They are found out by `training.check_finite` and where scores are made, which have a
        name for it.
        """
        with threadpool_limits(self.threads), np.errstate(all="ignore"):
            yield


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


def _generator(seed: int, stage: int, split_name: str | None) -> np.random.Generator:
    """Independent random streams for each seed, stage and split."""
    number = 3 if split_name is None else mnist.SPLITS.index(split_name)
    return np.random.Generator(
        np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(stage, number)))
    )


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

    Returns
    -------
    Made

    Raises
    ------
    RunError, CheckpointError, Interrupted
        As `Run.train`; also if the lower layers do not fit.

    Source
    ------
    "A greedy learning algorithm for multiple hidden layers".
    """
    digits = context.digits
    split = _split(path, digits, split_name)
    arguments = _arguments(
        context, seed, recipe, settings, split=split_name, split_sha256=split.sha256
    )
    if labels:
        arguments["labels"] = digits.n_classes
    below = _lower_layers(lower, split_name, digits, settings, arguments) if lower else []
    run = Run(path, "stack", arguments, f"pretrain {split_name}", context.save_every_s)
    with run.begun(context.force, context.progress) as before:
        if before:
            return Made(path, records.checked(path, before), already=True)
        with context.computing():
            cases = _cases(digits, _training_rows(path, digits, split, settings.cases))
            targets = one_hot_targets(cases.labels, digits.n_classes) if labels else None
            rng = _generator(seed, 0, split_name)
            learner = GreedyStack(cases.images, settings, rng, targets, cases.labels, below)
            run.train(learner, context.progress)
            outcome: checkpoint.Tree = {"split": split_name}
            if labels:
                outcome |= _recognition_by(path, learner.stack, digits, cases, split)
        return Made(path, run.finish(stack_arrays(learner.stack), outcome), False)


def _recognition_by(
    path: Path, stack: Sequence[Rbm], digits: Digits, train: Cases, split: Split
) -> checkpoint.Tree:
    """What a stack with labels recognises before any fine-tuning, if it is the net of Figure 4."""
    try:
        net = DeepBeliefNet.untied(stack)
    except ValueError:
        return {}
    measured = _finite_score(path, _recognise(net, train.images), train.labels)
    return {"train": score_values(measured), **_scores(path, digits, net, split)}


def _lower_layers(
    path: Path, split_name: str, digits: Digits, settings: PretrainSettings, arguments: Any
) -> list[Rbm]:
    """The layers of a stack below its top one, recorded among the arguments."""
    found = _load(path, "stack")
    stack: list[Rbm] = _model(path, stack_from_arrays, found)
    if _recorded(path, found.arguments, "split") != split_name:
        raise RunError(f"{path}: was learned on another split than {split_name}")
    _check_inputs(path, stack[0].n_visible, digits)
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

    Returns
    -------
    Made

    Raises
    ------
    RunError, CheckpointError, Interrupted
        As `Run.train`; also if `pretrained` is not a stack or does not fit the data.

    Source
    ------
    "Details of the discriminative fine-tuning procedure"; lines 1 to 3 of Table 1.
    """
    found = _load(pretrained, "stack")
    stack = _model(pretrained, stack_from_arrays, found)
    split_name = _recorded(pretrained, found.arguments, "split")
    digits = context.digits
    _check_inputs(pretrained, stack[0].n_visible, digits)
    split = _split(pretrained, digits, split_name)
    arguments = _arguments(
        context, seed, recipe, settings,
        role="validated", split=split_name, split_sha256=split.sha256, start=found.digest(),
    )  # fmt: skip
    rows = _inherited_rows(pretrained, digits, split, found, arguments)
    run = Run(path, "classifier", arguments, f"finetune-bp {split_name}", context.save_every_s)

    def learner() -> FineTuning:
        return FineTuning(
            Classifier.on_stack(stack, digits.n_classes),
            _cases(digits, rows),
            settings,
            _generator(seed, 1, split_name),
            valid=_cases(digits, split.valid),
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
    found = _load(fine_tuned, "classifier")
    net = load_net(fine_tuned, found)
    if found.outcome.get("role") != "validated":
        raise RunError(f"{fine_tuned}: only a net that was stopped by validation can be extended")
    _check_net(fine_tuned, net, context.digits)
    split_name = _recorded(fine_tuned, found.arguments, "split")
    target = _recorded_cost(fine_tuned, found)
    arguments = _arguments(
        context, seed, recipe, settings,
        role="extended", split=split_name, start=found.digest(), target_cost=target,
    )  # fmt: skip
    run = Run(path, "classifier", arguments, f"extend {split_name}", context.save_every_s)

    def learner() -> FineTuning:
        return FineTuning(
            net, _cases(context.digits), settings, _generator(seed, 2, split_name),
            target_cost=target,
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
    targets = []
    for criterion in criteria:
        found = _load(criterion, "classifier")
        if found.outcome.get("role") != "validated":
            raise RunError(f"{criterion}: has no stopping criterion that validation recorded")
        targets.append(_recorded_cost(criterion, found))
    target = float(np.mean(targets))
    arguments = _arguments(
        context, seed, recipe, settings,
        role="not pretrained", layers=list(layers), target_cost=target,
    )  # fmt: skip
    run = Run(path, "classifier", arguments, "not pretrained", context.save_every_s)

    def learner() -> FineTuning:
        rng = _generator(seed, 3, None)
        sizes = (digits.n_pixels, *layers, digits.n_classes)
        net = Classifier.random(sizes, settings.initial_scale, rng)
        return FineTuning(net, _cases(digits), settings, rng, target_cost=target)

    return _fine_tune(context, run, learner, None)


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
    _check_sizes(start, len(net.vishid), net.n_labels, digits)
    split_name = _recorded(start, found.arguments, "split")
    split = _split(start, digits, split_name)
    arguments = _arguments(
        context, seed, recipe, settings,
        role="validated", split=split_name, split_sha256=split.sha256, start=found.digest(),
    )  # fmt: skip
    rows = _inherited_rows(start, digits, split, found, arguments)
    run = Run(path, "generative", arguments, f"finetune-cws {split_name}", context.save_every_s)

    def learner() -> GenerativeFineTuning:
        return GenerativeFineTuning(
            net, _cases(digits, rows), settings, _generator(seed, 4, split_name),
            valid=_cases(digits, split.valid),
        )  # fmt: skip

    return _fine_tune(context, run, learner, split)


def _load_start(path: Path, settings: WakeSleepSettings) -> tuple[Checkpoint, DeepBeliefNet]:
    """A stack with labels, or a net that was fine-tuned from one with the same validation cases."""
    if records.load(path).stage != "generative":
        return _load_generative(path, "stack")
    found, net = _load_generative(path, "generative")
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
    found, net = _load_generative(fine_tuned, "generative")
    if found.outcome.get("role") != "validated":
        raise RunError(f"{fine_tuned}: only a net that was stopped by validation can be extended")
    _check_sizes(fine_tuned, len(net.vishid), net.n_labels, digits)
    split_name = _recorded(fine_tuned, found.arguments, "split")
    train = _recorded(fine_tuned, found.outcome, "train")
    target = Score(train["cases"], train["errors"], train["cost_per_100"]).error_rate
    weight = float(found.outcome.get("bp_weight", 0.0))
    settings = dataclasses.replace(settings, bp_weight=weight, search_bp_weight=False)
    arguments = _arguments(
        context, seed, recipe, settings,
        role="extended", split=split_name, start=found.digest(), target_error_rate=target,
        schedule_done=found.outcome["epochs"],
    )  # fmt: skip
    run = Run(path, "generative", arguments, f"extend {split_name}", context.save_every_s)

    def learner() -> GenerativeFineTuning:
        return GenerativeFineTuning(
            net, _cases(digits), settings, _generator(seed, 5, split_name),
            target_error_rate=target, schedule_done=found.outcome["epochs"],
        )  # fmt: skip

    return _fine_tune(context, run, learner, None, found.outcome["epochs"])


def _load_generative(path: Path, stage: str) -> tuple[Checkpoint, DeepBeliefNet]:
    """A generative net, or a stack with labels seen as one."""
    found = _load(path, stage)
    if stage == "generative":
        return found, _model(path, wakesleep.net_from_arrays, found)
    stack = _model(path, stack_from_arrays, found)
    if not stack[-1].n_labels:
        raise RunError(
            f"{path}: holds {checkpoint.STAGES['stack']} that was learned without labels, and "
            "recognises nothing (pretrain --labels learns them)"
        )
    try:
        return found, DeepBeliefNet.untied(stack)
    except ValueError as error:
        raise RunError(f"{path}: {error}") from None


def _recorded(path: Path, tree: checkpoint.Tree, *names: str) -> Any:
    """What a file that this package made records under these nested names."""
    value: Any = tree
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise CheckpointError(f"{path}: does not record its {' '.join(names)}")
        value = value[name]
    return value


def _recorded_cost(path: Path, found: Checkpoint) -> float:
    cost = _recorded(path, found.outcome, "train", "cost_per_100")
    if not isinstance(cost, int | float):
        raise CheckpointError(f"{path}: does not record its training cost")
    return float(cost)


def _split(path: Path, digits: Digits, name: str) -> Split:
    try:
        return mnist.split(len(digits.train_labels), name)
    except ValueError as error:
        raise RunError(f"{path}: {error}") from None


def _training_rows(path: Path, digits: Digits, split: Split, n_cases: int) -> Any:
    """A split's training cases, or so many of them, the first ones, equally many of each class."""
    if not n_cases:
        return split.train
    labels, (each, rest) = digits.train_labels[split.train], divmod(n_cases, digits.n_classes)
    own = [np.flatnonzero(labels == label)[:each] for label in range(digits.n_classes)]
    if rest or min(map(len, own)) < each:
        raise RunError(
            f"{path}: split {split.name} of {digits.name} does not have {n_cases} training cases, "
            f"equally many of each of {digits.n_classes} classes"
        )
    return split.train[np.sort(np.concatenate(own))]


def _inherited_rows(
    path: Path, digits: Digits, split: Split, found: Checkpoint, arguments: Any
) -> Any:
    """The training cases of the file that a run starts from; recorded if they are not all."""
    n_cases = _cases_of(found.arguments)
    if n_cases:
        arguments["cases"] = n_cases
    return _training_rows(path, digits, split, n_cases)


def _cases_of(arguments: Mapping[str, Any]) -> int:
    """How many training cases a stack, or a net on one, was asked to learn from; 0 for all."""
    settings = arguments.get("settings", {})
    return int(arguments.get("cases", settings.get("cases", 0)))


def _cases(digits: Digits, rows: Any = slice(None)) -> Cases:
    return Cases(digits.train_images[rows], digits.train_labels[rows])


def _fine_tune(
    context: Context, run: Run, make_learner: Any, split: Split | None, epochs_before: int = 0
) -> Made:
    with run.begun(context.force, context.progress) as before:
        if before:
            return Made(run.path, records.checked(run.path, before), already=True)
        with context.computing():
            learner: FineTuning | GenerativeFineTuning = make_learner()
            run.train(learner, context.progress)
            outcome = _outcome(context.digits, learner, run, split, epochs_before)
        if learner.capped:
            context.progress.note(
                f"{run.path}: {learner.finished()}, before its stopping rule was met"
            )
        net = learner.result()
        arrays = net_arrays(net) if isinstance(net, Classifier) else wakesleep.net_arrays(net)
        return Made(run.path, run.finish(arrays, outcome), False)


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
    return outcome | _scores(run.path, digits, net, split)


def _scores(
    path: Path, digits: Digits, net: Classifier | DeepBeliefNet, split: Split | None
) -> checkpoint.Tree:
    """A finished net on the test cases, and on the validation cases if it did not learn them."""
    test = _recognise(net, digits.test_images)
    scores = {
        "test": score_values(_finite_score(path, test, digits.test_labels)),
        "test_log_probs": test,
        "test_labels": digits.test_labels,
    }
    if split is not None:
        held_out = _recognise(net, digits.train_images[split.valid])
        labels = digits.train_labels[split.valid]
        scores["valid"] = score_values(_finite_score(path, held_out, labels))
    return scores


def _coefficient(learner: FineTuning | GenerativeFineTuning) -> dict[str, float]:
    """The coefficient of backpropagation that the selected net was learned with."""
    if isinstance(learner, FineTuning):
        return {}
    return {"bp_weight": bp_weight_at(learner.settings, max(0, learner.selected.epoch - 1))}


def score_values(measured: Score) -> dict[str, float]:
    """A `Score` as a dictionary: ``cases``, ``errors``, ``cost_per_100``."""
    return dataclasses.asdict(measured)


# -- reading the files of others -----------------------------------------------------------------


def _load(path: Path, stage: str) -> Checkpoint:
    found = records.load(path)
    if found.stage != stage:
        held, wanted = checkpoint.STAGES[found.stage], checkpoint.STAGES[stage]
        raise RunError(f"{path}: holds {held}, but {wanted} is needed")
    if not found.complete:
        raise RunError(f"{path}: is not finished; run the command that makes it again")
    return found


def _model(path: Path, build: Any, found: Checkpoint) -> Any:
    try:
        return build(found.model)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: does not hold a whole model: {error}") from None


def _check_inputs(path: Path, n_inputs: int, digits: Digits) -> None:
    if n_inputs != digits.n_pixels:
        raise RunError(
            f"{path}: has {n_inputs} inputs, but images of {digits.name} have "
            f"{digits.n_pixels} pixels"
        )


def _check_sizes(path: Path, n_inputs: int, n_classes: int, digits: Digits) -> None:
    _check_inputs(path, n_inputs, digits)
    if n_classes != digits.n_classes:
        raise RunError(
            f"{path}: knows {n_classes} classes, but {digits.name} has {digits.n_classes}"
        )


def load_net(path: Path, found: Checkpoint | None = None) -> Classifier:
    """The classifier in a file.

    Parameters
    ----------
    path : Path
    found : Checkpoint, optional
        The file, if it was read already.

    Returns
    -------
    Classifier

    Raises
    ------
    CheckpointError, RunError
        If the file cannot be read, or holds something else.
    """
    found = _load(path, "classifier") if found is None else found
    net: Classifier = _model(path, net_from_arrays, found)
    return net


# -- evaluating and combining --------------------------------------------------------------------


METHODS = {
    "free-energy": (),
    "stochastic": ("seed",),
    "stochastic-mean": ("passes", "seed"),
    "label-gibbs": ("rounds", "seed"),
    "sampling": ("passes", "temperatures", "seed"),
}
"""How a generative net can be asked for the label of an image, and what of `Method` each uses."""


@dataclass(frozen=True)
class Method:
    """How a generative net is asked for the label of an image.

    Parameters
    ----------
    name : str
        One of `METHODS`.
    passes : int
        Stochastic up-passes an image of ``"stochastic-mean"`` and ``"sampling"``.
    rounds : int
        Rounds of ``"label-gibbs"``.
    temperatures : int
        Distributions between recognition and generation in ``"sampling"``.
    seed : int
        Of every method that samples.

    Source
    ------
    "There are several different ways of using the generative model for discrimination."
    """

    name: str = "free-energy"
    passes: int = 20
    rounds: int = 200
    temperatures: int = 10
    seed: int = 0

    def settings(self) -> dict[str, int]:
        """The values that the method makes use of."""
        return {name: getattr(self, name) for name in METHODS[self.name]}


PARTS = ("train", "validation", "test")
"""The sets of cases that a net can be measured on."""


@dataclass(frozen=True)
class Chosen:
    """Which cases are measured.

    Parameters
    ----------
    parts : sequence of str
        Of `PARTS`; all that the net has when empty.
    cases : int, optional
        No more than so many cases of each part, drawn at random.
    seed : int
        Draws them: the same ones for every net of the same split and for every method.
    """

    parts: Sequence[str] = ()
    cases: int | None = None
    seed: int = 0

    def draw(self, cases: Cases) -> Cases:
        """The cases of one part that are measured, in their order."""
        if self.cases is None or self.cases >= len(cases):
            return cases
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(6,)))
        rows = np.sort(rng.choice(len(cases), self.cases, replace=False))
        return Cases(cases.images[rows], cases.labels[rows])


EVERY_CASE = Chosen()


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One net, or several combined, on one set of cases.

    Parameters
    ----------
    name : str
        The file, or ``"product"``.
    part : str
        One of `PARTS`.
    score : Score
    confusion : (n_classes, n_classes) integer array
        Row the true class, column the guess.
    method : Method or None
        How a generative net was asked; None for the softmax of a classifier, and for products.
    seconds : float or None
        Wall time that it took, where it was measured.
    spread : Spread or None
        Of the weights of the method ``"sampling"``.
    sha256 : str
        Digest of the net's parameters.
    """

    name: str
    part: str
    score: Score
    confusion: Any
    method: Method | None = None
    seconds: float | None = None
    spread: Spread | None = None
    sha256: str = ""


def evaluate(
    context: Context,
    paths: Path | Sequence[Path],
    methods: Sequence[Method] = (),
    chosen: Chosen = EVERY_CASE,
) -> list[Evaluation]:
    """Measure nets on training, validation and test cases, in one or several ways.

    Parameters
    ----------
    context : Context
    paths : Path or sequence of Path
        Classifiers, generative nets, or stacks that learned labels.
    methods : sequence of Method
        How generative nets are asked, one after the other; by free energy when empty. A
        classifier has its softmax alone.
    chosen : Chosen
        Which cases.

    Returns
    -------
    list of Evaluation
        Method by method for each net, part by part for each method. Without validation for a
        net that was trained on all cases.

    Raises
    ------
    CheckpointError, RunError
        Before anything is measured, if a file holds nothing that can be asked, in this way, for
        labels, does not fit the data, or lacks a part that was chosen.

    Source
    ------
    The columns of Table 1; "There are several different ways of using the generative model for
    discrimination".
    """
    every = [paths] if isinstance(paths, Path) else list(paths)
    asked = [_Asked(context, path, methods, chosen) for path in every]
    return [found for each in asked for found in each.answers(context)]


class _Asked:
    """A net, its cases, and the methods by which it is to be asked for their labels."""

    def __init__(
        self, context: Context, path: Path, methods: Sequence[Method], chosen: Chosen
    ) -> None:
        found, self._net = load_recogniser(path)
        _check_net(path, self._net, context.digits)
        if isinstance(self._net, Classifier) and methods:
            raise RunError(
                f"{path}: is a classifier and has its softmax alone; methods are for generative "
                "nets and stacks with labels"
            )
        self._path, self._sha256 = path, found.digest()
        self._methods: Sequence[Method | None] = methods or [
            None if isinstance(self._net, Classifier) else Method()
        ]
        parts = _parts(path, found, context.digits)
        for name in chosen.parts:
            if name not in parts:
                raise RunError(f"{path}: was trained on all cases and has no {name} cases")
        self._parts = {
            name: chosen.draw(cases)
            for name, cases in parts.items()
            if not chosen.parts or name in chosen.parts
        }

    def answers(self, context: Context) -> list[Evaluation]:
        """The evaluations, method by method."""
        results = []
        for method in self._methods:
            title = f"evaluate {self._path.name}" + (f" {method.name}" if method else "")
            context.progress.begin(title, 0, sum(len(cases) for cases in self._parts.values()))
            try:
                with context.computing():
                    for part, cases in self._parts.items():
                        results.append(self._answer(context, method, part, cases))
            finally:
                context.progress.end()
        return results

    def _answer(
        self, context: Context, method: Method | None, part: str, cases: Cases
    ) -> Evaluation:
        started = time.perf_counter()

        def tick(share: float) -> None:
            context.progress.tick(share * len(cases))

        output, spread = _ask(self._net, cases.images, method, tick)
        seconds = time.perf_counter() - started
        made = _evaluation(str(self._path), part, output, cases.labels)
        return dataclasses.replace(
            made, method=method, seconds=seconds, spread=spread, sha256=self._sha256
        )


def _parts(path: Path, found: Checkpoint, digits: Digits) -> dict[str, Cases]:
    """The cases that a net was trained on, those that validated it, if any, and the test cases."""
    test = Cases(digits.test_images, digits.test_labels)
    if found.stage != "stack" and found.outcome.get("role") != "validated":
        return {"train": _cases(digits), "test": test}
    split = _split(path, digits, _recorded(path, found.arguments, "split"))
    return {
        "train": _cases(digits, _training_rows(path, digits, split, _cases_of(found.arguments))),
        "validation": _cases(digits, split.valid),
        "test": test,
    }


def combine(context: Context, paths: Sequence[Path]) -> list[Evaluation]:
    """The product of several nets on the test set, and each net beside it.

    Parameters
    ----------
    context : Context
    paths : sequence of Path
        Two classifiers or more.

    Returns
    -------
    list of Evaluation
        One a net, then ``"product"`` (the nets' geometric mean, renormalised) and ``"product,
        no root"`` (renormalised without taking the root).

    Raises
    ------
    CheckpointError, RunError
        If the files cannot be combined.

    Source
    ------
    "Combined" in Table 1.
    """
    digits = context.digits
    nets = [load_recogniser(path)[1] for path in paths]
    for path, net in zip(paths, nets, strict=True):
        _check_net(path, net, digits)
    outputs = _outputs(context, "combine", [(net, digits.test_images) for net in nets])
    named = [
        *((str(path), array) for path, array in zip(paths, outputs, strict=True)),
        ("product", product_of_nets(outputs)),
        ("product, no root", product_of_nets(outputs, geometric=False)),
    ]
    return [_evaluation(name, "test", array, digits.test_labels) for name, array in named]


def recognise_test_cases(context: Context, path: Path) -> Array:
    """What a net says of each test case.

    Parameters
    ----------
    context : Context
    path : Path
        A classifier, a generative net, or a stack that learned labels.

    Returns
    -------
    (n_test, n_classes) array of log p(class | image), in nats

    Raises
    ------
    CheckpointError, RunError
        As `evaluate`.
    """
    net = load_recogniser(path)[1]
    _check_net(path, net, context.digits)
    return _outputs(context, f"recognise {path.name}", [(net, context.digits.test_images)])[0]


def _outputs(
    context: Context, title: str, work: Sequence[tuple[Classifier | DeepBeliefNet, Any]]
) -> list[Array]:
    """Each net's log p(class | image) for its images."""
    context.progress.begin(title, 0, len(work))
    outputs = []
    try:
        with context.computing():
            for net, images in work:
                outputs.append(_recognise(net, images))
                context.progress.tick(1)
    finally:
        context.progress.end()
    return outputs


def _check_net(path: Path, net: Classifier | DeepBeliefNet, digits: Digits) -> None:
    if isinstance(net, Classifier):
        _check_sizes(path, net.sizes[0], net.n_classes, digits)
    else:
        _check_sizes(path, len(net.vishid), net.n_labels, digits)


def load_recogniser(path: Path) -> tuple[Checkpoint, Classifier | DeepBeliefNet]:
    """Whatever in a file can recognise digits.

    Parameters
    ----------
    path : Path
        A classifier, a generative net, or a stack that learned labels.

    Returns
    -------
    the file, and the net

    Raises
    ------
    CheckpointError, RunError
        If the file cannot be read, is not finished, or holds a stack without labels.
    """
    found = records.load(path)
    if found.stage == "classifier":
        found = _load(path, "classifier")
        return found, load_net(path, found)
    return _load_generative(path, found.stage)


def load_generator(path: Path, digits: Digits, layer: int | None = None) -> Generator:
    """Whatever in a file can generate images.

    Parameters
    ----------
    path : Path
        A stack or a generative net.
    digits : Digits
        Whose images it has learned: they tell the shape of what it generates.
    layer : int, optional
        The RBM of a stack that is to be sampled, 1 at the bottom; the top one when not given.

    Returns
    -------
    Generator

    Raises
    ------
    CheckpointError, RunError
        If the file cannot be read, is not finished, holds a classifier, or has no such layer.

    Source
    ------
    The two views of a pretrained stack in "Using contrastive wake-sleep for generative
    fine-tuning".
    """
    found = records.load(path)
    if found.stage not in ("stack", "generative"):
        raise RunError(
            f"{path}: holds {checkpoint.STAGES[found.stage]}, which generates nothing; a stack "
            "or a generative net is needed"
        )
    if not found.complete:
        raise RunError(f"{path}: is not finished; run the command that makes it again")
    if found.stage == "generative":
        if layer is not None:
            raise RunError(
                f"{path}: holds {checkpoint.STAGES[found.stage]}, whose lower layers are no RBMs "
                "any more; --layer takes a stack"
            )
        generator = Generator.of_net(_model(path, wakesleep.net_from_arrays, found))
    else:
        stack = _model(path, stack_from_arrays, found)
        if layer is not None and not 1 <= layer <= len(stack):
            raise RunError(f"{path}: has layers 1 to {len(stack)}, not {layer}")
        generator = Generator.of_layer(stack, layer or len(stack))
    _check_inputs(path, generator.n_pixels, digits)
    return generator


def _recognise(net: Classifier | DeepBeliefNet, images: Any) -> Array:
    """Each class's log probability, from softmax outputs or free energies."""
    return log_probs(net, images) if isinstance(net, Classifier) else label_log_probs(net, images)


def _ask(
    net: Classifier | DeepBeliefNet,
    images: Any,
    method: Method | None,
    tick: Callable[[float], None],
) -> tuple[Array, Spread | None]:
    """Each class's log probability, and how far weights are apart where there are any."""
    if isinstance(net, DeepBeliefNet) and method is not None and method.name == "sampling":
        rng = np.random.default_rng(method.seed)
        samples = sample(net, images, rng, method.passes, method.temperatures, tick)
        return samples.log_probs(), samples.spread()
    output = _asked_at_once(net, images, method)
    tick(1.0)
    return output, None


def _asked_at_once(net: Classifier | DeepBeliefNet, images: Any, method: Method | None) -> Array:
    if isinstance(net, Classifier) or method is None or method.name == "free-energy":
        return _recognise(net, images)
    rng = np.random.default_rng(method.seed)
    if method.name == "label-gibbs":
        return gibbs_label_log_probs(net, images, rng, method.rounds)
    passes = method.passes if method.name == "stochastic-mean" else 1
    return stochastic_label_log_probs(net, images, rng, passes)


def _evaluation(name: str, part: str, log_probabilities: Any, labels: Any) -> Evaluation:
    return Evaluation(
        name, part, _finite_score(name, log_probabilities, labels),
        confusion(log_probabilities, labels),
    )  # fmt: skip


def _finite_score(name: Path | str, log_probabilities: Any, labels: Any) -> Score:
    measured = score(log_probabilities, labels)
    if not np.isfinite(measured.cost_per_100):
        raise RunError(f"{name}: weights so large that the cost is not a finite number")
    return measured
