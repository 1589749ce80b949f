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
from threadpoolctl import threadpool_limits

from hinton06 import checkpoint, mnist, wakesleep
from hinton06.backprop import FineTuning, net_arrays, net_from_arrays
from hinton06.checkpoint import Checkpoint, CheckpointError
from hinton06.generation import Generator
from hinton06.mnist import Digits, Split
from hinton06.models import Classifier, DeepBeliefNet
from hinton06.numerics import Array
from hinton06.recipes import BackpropSettings, PretrainSettings, Settings, WakeSleepSettings
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
from hinton06.wakesleep import GenerativeFineTuning, one_hot_targets

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

    Returns
    -------
    Made

    Raises
    ------
    RunError, CheckpointError, Interrupted
        As `Run.train`.

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
    run = Run(path, "stack", arguments, f"pretrain {split_name}", context.save_every_s)
    before = run.finished_before(context.force)
    if before:
        return Made(path, before, already=True)
    with threadpool_limits(context.threads):
        cases = _cases(digits, split.train)
        targets = one_hot_targets(cases.labels, digits.n_classes) if labels else None
        learner = GreedyStack(cases.images, settings, _generator(seed, 0, split_name), targets)
        run.train(learner, context.progress)
    return Made(path, run.finish(stack_arrays(learner.stack), {"split": split_name}), False)


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
    run = Run(path, "classifier", arguments, f"finetune-bp {split_name}", context.save_every_s)

    def learner() -> FineTuning:
        return FineTuning(
            Classifier.on_stack(stack, digits.n_classes),
            _cases(digits, split.train),
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
    pretrained: Path,
    settings: WakeSleepSettings,
    recipe: str = "custom",
    seed: int = 0,
) -> Made:
    """Fine-tune a stack that learned labels by contrastive wake-sleep; validation picks the epoch.

    Parameters
    ----------
    context : Context
    path : Path
        The file to make.
    pretrained : Path
        A stack made with labels.
    settings : WakeSleepSettings
    recipe : str
    seed : int

    Returns
    -------
    Made

    Raises
    ------
    RunError, CheckpointError, Interrupted
        As `Run.train`; also if `pretrained` is not such a stack or does not fit the data.

    Source
    ------
    "Using contrastive wake-sleep for generative fine-tuning".
    """
    digits = context.digits
    found, net = _load_generative(pretrained, "stack")
    _check_sizes(pretrained, len(net.vishid), net.n_labels, digits)
    split_name = _recorded(pretrained, found.arguments, "split")
    split = _split(pretrained, digits, split_name)
    arguments = _arguments(
        context, seed, recipe, settings,
        role="validated", split=split_name, split_sha256=split.sha256, start=found.digest(),
    )  # fmt: skip
    run = Run(path, "generative", arguments, f"finetune-cws {split_name}", context.save_every_s)

    def learner() -> GenerativeFineTuning:
        return GenerativeFineTuning(
            net, _cases(digits, split.train), settings, _generator(seed, 4, split_name),
            valid=_cases(digits, split.valid),
        )  # fmt: skip

    return _fine_tune(context, run, learner, split)


def extend_generative(
    context: Context,
    path: Path,
    fine_tuned: Path,
    settings: WakeSleepSettings,
    recipe: str = "custom",
    seed: int = 0,
) -> Made:
    """Go on with all training cases until their error rate falls to the recorded one.

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
    arguments = _arguments(
        context, seed, recipe, settings,
        role="extended", split=split_name, start=found.digest(), target_error_rate=target,
    )  # fmt: skip
    run = Run(path, "generative", arguments, f"extend {split_name}", context.save_every_s)

    def learner() -> GenerativeFineTuning:
        return GenerativeFineTuning(
            net, _cases(digits), settings, _generator(seed, 5, split_name),
            target_error_rate=target,
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


def _cases(digits: Digits, rows: Any = slice(None)) -> Cases:
    return Cases(digits.train_images[rows], digits.train_labels[rows])


def _fine_tune(
    context: Context, run: Run, make_learner: Any, split: Split | None, epochs_before: int = 0
) -> Made:
    before = run.finished_before(context.force)
    if before:
        return Made(run.path, before, already=True)
    with threadpool_limits(context.threads):
        learner: FineTuning | GenerativeFineTuning = make_learner()
        run.train(learner, context.progress)
        outcome = _outcome(context.digits, learner, run, split, epochs_before)
    if learner.capped:
        context.progress.note(f"{run.path}: {learner.finished()}, before its stopping rule was met")
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
    test = _recognise(net, digits.test_images)
    outcome = {
        "role": run.arguments["role"],
        "split": run.arguments.get("split"),
        "reason": learner.finished(),
        "capped": learner.capped,
        "epochs": learner.selected.epoch,
        "epochs_run": learner.epoch,
        "epochs_before": epochs_before,
        "target_cost": run.arguments.get("target_cost"),
        "target_error_rate": run.arguments.get("target_error_rate"),
        "train": score_values(learner.selected.train),
        "test": score_values(score(test, digits.test_labels)),
        "test_log_probs": test,
        "test_labels": digits.test_labels,
    }
    if split is not None:
        held_out = _recognise(net, digits.train_images[split.valid])
        outcome["valid"] = score_values(score(held_out, digits.train_labels[split.valid]))
    return outcome


def score_values(measured: Score) -> dict[str, float]:
    """A `Score` as a dictionary: ``cases``, ``errors``, ``cost_per_100``."""
    return dataclasses.asdict(measured)


# -- reading the files of others -----------------------------------------------------------------


def _load(path: Path, stage: str) -> Checkpoint:
    found = checkpoint.load(path)
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


METHODS = ("free-energy", "stochastic", "stochastic-mean", "label-gibbs")
"""How a generative net can be asked for the label of an image."""


@dataclass(frozen=True)
class Method:
    """How a generative net is asked for the label of an image; a classifier has its softmax.

    Parameters
    ----------
    name : str
        One of `METHODS`.
    passes : int
        Stochastic up-passes of ``"stochastic-mean"``.
    seed : int
        Of the sampling methods.

    Source
    ------
    "There are several different ways of using the generative model for discrimination."
    """

    name: str = "free-energy"
    passes: int = 20
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One net, or several combined, on one set of cases.

    Parameters
    ----------
    name : str
        The file, or ``"product"``.
    part : str
        ``"train"``, ``"validation"`` or ``"test"``.
    score : Score
    confusion : (n_classes, n_classes) integer array
        Row the true class, column the guess.
    """

    name: str
    part: str
    score: Score
    confusion: Any


def evaluate(context: Context, path: Path, method: Method = Method()) -> list[Evaluation]:
    """Measure a net on its training, validation and test cases.

    Parameters
    ----------
    context : Context
    path : Path
        A classifier, a generative net, or a stack that learned labels.
    method : Method
        For a generative net.

    Returns
    -------
    list of Evaluation
        Without validation for a net that was trained on all cases.

    Raises
    ------
    CheckpointError, RunError
        If it is not a classifier, or does not fit the data.

    Source
    ------
    The columns of Table 1.
    """
    found, net = load_recogniser(path)
    digits = context.digits
    _check_net(path, net, digits)
    parts = {"train": _cases(digits)}
    if found.stage == "stack" or found.outcome.get("role") == "validated":
        split = _split(path, digits, _recorded(path, found.arguments, "split"))
        parts = {"train": _cases(digits, split.train), "validation": _cases(digits, split.valid)}
    parts["test"] = Cases(digits.test_images, digits.test_labels)
    work = [(net, cases.images) for cases in parts.values()]
    outputs = _outputs(context, f"evaluate {path.name}", work, method)
    return [
        _evaluation(str(path), part, output, cases.labels)
        for (part, cases), output in zip(parts.items(), outputs, strict=True)
    ]


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
    context: Context,
    title: str,
    work: Sequence[tuple[Classifier | DeepBeliefNet, Any]],
    method: Method = Method(),
) -> list[Array]:
    """Each net's log p(class | image) for its images."""
    context.progress.begin(title, 0, len(work))
    outputs = []
    try:
        with threadpool_limits(context.threads):
            for net, images in work:
                outputs.append(_recognise(net, images, method))
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
    found = checkpoint.load(path)
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
    found = checkpoint.load(path)
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


def _recognise(net: Classifier | DeepBeliefNet, images: Any, method: Method = Method()) -> Array:
    """Each class's log probability, from softmax outputs or free energies."""
    if isinstance(net, Classifier):
        return log_probs(net, images)
    rng = np.random.default_rng(method.seed)
    if method.name == "label-gibbs":
        return gibbs_label_log_probs(net, images, rng)
    if method.name == "free-energy":
        return label_log_probs(net, images)
    passes = method.passes if method.name == "stochastic-mean" else 1
    return stochastic_label_log_probs(net, images, rng, passes)


def _evaluation(name: str, part: str, log_probabilities: Any, labels: Any) -> Evaluation:
    return Evaluation(
        name, part, score(log_probabilities, labels), confusion(log_probabilities, labels)
    )
