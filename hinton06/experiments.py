"""The chapter's experiments as library calls, one a command: from input files to a finished file.

Each call says what determines its result; one runner goes on where an earlier call was stopped,
and ends with the measurements that the tables need.

All take a `Context`, the path of the file to make, the settings of their part of a recipe, the
recipe's name for the record, and a seed; and return a `Result`. Where a file, a split or a number
of cases does not fit, all raise `RunError`, and `CheckpointError` where a file cannot be read or
written; `Interrupted` after a signal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import cases
from hinton06.backprop import DiscriminativeFineTuning
from hinton06.cases import (
    cases_held_out,
    cases_learned,
    place_of,
    random_stream,
    split_of,
    split_recorded,
    words_of,
)
from hinton06.checkpoint import Checkpoint, CheckpointError
from hinton06.directed import WakeSleepTraining, top_biases
from hinton06.distortion import Distorter
from hinton06.dropout import UnfitDropoutError
from hinton06.evaluation import finite_score
from hinton06.kinds import KINDS
from hinton06.lineage import EXTENDED, NOT_PRETRAINED, PRETRAINED, VALIDATED, Lineage
from hinton06.loading import (
    WITH_LABELS,
    Context,
    Outcome,
    RunFile,
    load,
    naming,
    second_of,
    typed,
)
from hinton06.mnist import SPLITS, Digits, shown_classes
from hinton06.models import Classifier, DeepBeliefNet, DirectedNet, PairNet, Pathway, Rbm
from hinton06.neighbours import Neighbours
from hinton06.numerics import one_hot_targets
from hinton06.pairing import PairLearner
from hinton06.recipes import (
    BackpropSettings,
    DirectedSettings,
    PairSettings,
    PretrainSettings,
    StrategySettings,
    WakeSleepSettings,
    counted,
    show_value,
)
from hinton06.recognition import Cases, Score
from hinton06.stacking import GreedyStack, check_start
from hinton06.streams import Use, stream
from hinton06.study import Labelled, Study, averaged
from hinton06.training import Run, RunError, Watcher, partial_path
from hinton06.wakesleep import GenerativeFineTuning

_NAMED = 10
"""Classes that a note names, of more."""

_Start = Callable[[Cases, Cases | None, np.random.Generator, np.random.Generator | None], Any]
"""Makes a learner of training cases, of validation cases, with random numbers, and for masks."""


@dataclass(frozen=True)
class Result:
    """A finished file, and whether it had been finished before the call."""

    file: RunFile
    already: bool


@dataclass(frozen=True)
class _Call:
    """What every call takes."""

    context: Context
    path: Path
    settings: Any
    recipe: str
    seed: int

    def own(self) -> dict[str, Any]:
        """What every lineage says of the run itself."""
        digits, threads = self.context.digits, self.context.threads
        folder = None if digits.folder is None else str(digits.folder.resolve())
        about = {"data": digits.sha256, "data_folder": folder, "classes": digits.odd_classes}
        return {**about, "seed": self.seed, "threads": threads}

    def _moved(self, train: Cases, use: Use, split: str | None, again: str) -> Cases:
        """The same; distorted, or moved to near ones, when they are learned, if settings say so."""
        own, place, words = self.settings, place_of(split), words_of(again)

        def epochs_of(purpose: Use) -> Callable[[int], np.random.Generator]:
            return lambda epoch: stream(self.seed, purpose, use, place, epoch, *words)

        if asked := own.distortions:
            drawn = epochs_of(Use.DISTORTIONS)
            shape = self.context.digits.shape
            train = replace(train, distorter=Distorter(shape, **asked, stream_of=drawn))
        if count := getattr(own, "neighbours", 0):
            assert train.numbers is not None  # they are of a data set
            versions = int(np.count_nonzero(train.numbers == train.numbers[0]))
            near = Neighbours(
                train.images, train.labels, count, own.neighbour_away, own.neighbour_towards,
                epochs_of(Use.NEIGHBOURS), versions,
            )  # fmt: skip
            train = replace(train, neighbours=near)
        return train

    def _say_unlearned(self, train: Cases, valid: Cases | None) -> None:
        """A net is wrong about every case of a class that it has not learned."""
        if valid is None:
            return
        places = np.setdiff1d(valid.labels, train.labels)
        if not len(places):
            return
        count = np.count_nonzero(np.isin(valid.labels, places))
        labels = [str(self.context.digits.classes[place]) for place in places[:_NAMED]]
        if len(places) > _NAMED:
            labels.append(f"{len(places) - _NAMED} more")
        whose = f"{'class' if len(places) == 1 else 'classes'} {', '.join(labels)}"
        cases = counted(f"{count:,}", "validation case")
        self.context.progress.note(f"{self.path}: {cases} of {whose}, none learned")

    def told_apart(self) -> _Call:
        """The same; labels from 0 to the largest if a file is gone on with that counts them so.

        Such are older files of labels that do not start at 0 or have gaps.
        """
        context, digits = self.context, self.context.digits
        for path in (self.path, partial_path(self.path)) if digits.odd_classes else ():
            with suppress(CheckpointError):
                found = load(path).lineage
                if found.data == digits.sha256 and not found.classes and not context.force:
                    every = tuple(range(digits.classes[-1] + 1))
                    digits = replace(digits, told_apart=every)
                    return replace(self, context=replace(context, digits=digits))
        return self

    def _check_no_start(self, lineage: Lineage) -> None:
        """RunError if the file that would be replaced is one that this run starts from."""
        with suppress(CheckpointError):
            if self.context.force and load(self.path).digest in (lineage.parents or ()):
                raise RunError(f"{self.path}: is what this starts from, and is not replaced")

    def perform(
        self, kind: str, command: str, use: Use, lineage: Lineage, start: _Start, before: int = 0
    ) -> Result:
        """Make the file, or find it made, with the random numbers of a `use`.

        `before`: epochs of the run that this one extends.
        """
        again = lineage.parents[0] if use == Use.WAKE_SLEEP_AGAIN and lineage.parents else ""
        context, path, settings = self.context, self.path, self.settings
        title = f"{command} {lineage.split or ''}".rstrip()
        self._check_no_start(lineage)
        run = Run(path, kind, self.recipe, settings, lineage, title, context.save_every_s, typed)
        with run.begun(context.force, context.progress) as found:
            if found:
                made = typed(path, found)
                if made.lineage.threads != context.threads:
                    other = f"with threads {made.lineage.threads}, and not {context.threads}"
                    context.progress.note(f"{path}: was made {other} (--force makes it anew)")
                return Result(made, already=True)
            with context.computing():
                valid = cases_held_out(context.digits, lineage) if lineage.split_sha256 else None
                with naming(path):
                    learned = cases_learned(context.digits, lineage)
                    train = self._moved(learned, use, lineage.split, again)
                    if getattr(settings, "virtual", 0) and lineage.labelled:
                        more = cases_learned(context.digits, replace(lineage, labelled=0))
                        more = replace(more, distorter=train.distorter)
                        train = replace(train, unlabelled=more)
                self._say_unlearned(train, valid)
                rng, masks = random_stream(self.seed, use, lineage.split, again), None
                if getattr(settings, "dropout", False):
                    on_all = lineage.role == EXTENDED
                    mask_use = Use.DROPOUT_ON_ALL if on_all else Use.DROPOUT
                    masks = random_stream(self.seed, mask_use, lineage.split, again)
                try:
                    started = start(train, valid, rng, masks)
                except UnfitDropoutError as error:
                    raise RunError(f"{path}: {error}") from None
                if isinstance(context.progress, Watcher):
                    up = KINDS[kind].up
                    context.progress.watch(lambda: up(started.net)[0][0], context.digits.shape)
                run.train(started, context.progress)
                outcome = _outcome(context.digits, kind, started, train, valid, run.name)
            if outcome.capped:
                context.progress.note(f"{path}: {outcome.reason}, before its stopping rule was met")
            outcome = replace(outcome, epochs_before=before)
            finished = run.finish(started.result().arrays(), outcome.tree())
            return Result(typed(path, finished), already=False)


def _outcome(
    digits: Digits, kind: str, learner: Any, train: Cases, valid: Cases | None, name: str
) -> Outcome:
    """The finished net on the test cases, on those it learned, and on the validation cases."""
    found: dict[str, Any] = {"reason": learner.finished()}
    try:
        recogniser = KINDS[kind].recogniser(learner.result())
    except ValueError:  # a stack that recognises nothing
        return Outcome(**found)

    def scored(cases: Cases) -> Score:
        return finite_score(name, recogniser.log_probs(cases.images), cases.labels)

    test, labels = recogniser.log_probs(digits.test_images), digits.test_classes
    if valid is not None:
        found["valid"] = scored(valid)
    found |= {"test": finite_score(name, test, labels), "test_log_probs": test}
    measured = learner.measured_outcome()
    if "train" not in measured:
        measured |= {"train": scored(train)}
    return Outcome(**found, test_labels=labels, **measured)


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
    if labels and len(settings.layers) != 3:
        layers = show_value(settings.layers)
        raise RunError(f"{path}: a net with labels has three layers (Figure 4), not {layers}")
    call = _Call(context, path, settings, recipe, seed)
    call = call.told_apart() if labels else call
    digits = call.context.digits
    with naming(path):
        split = split_of(digits, split_name)
    own = call.own() if labels else call.own() | {"classes": ()}
    lineage = Lineage(
        **own, split=split_name, split_sha256=split.sha256,
        labels=digits.n_classes if labels else 0, cases=settings.cases, translations=translations,
        images=labelled,
    )  # fmt: skip
    with naming(path):
        try:
            check_start(settings, digits.n_pixels, len(settings.layers) - 1 if lower else 0)
        except ValueError as error:
            raise RunError(str(error)) from None
    below: tuple[Rbm, ...] = ()
    if lower:
        file = _with_lower_layers(call, lower, lineage)
        theirs, below = file.child(PRETRAINED), file.model[:-1]
        lineage = replace(lineage, parents=theirs.parents, below=theirs.below)

    def learner(
        train: Cases, valid: Cases | None, rng: np.random.Generator, _masks: Any
    ) -> GreedyStack:
        targets = one_hot_targets(train.labels, digits.n_classes) if labels else None
        used, a_pass = settings, -(-len(train) // settings.batch)
        if used.updates:  # as many passes as make them
            used = replace(used, passes=max(1, round(used.updates / a_pass)))
        images = None if valid is None else valid.images
        return GreedyStack(
            train.images, used, rng, targets, train.labels, below, images, train.distorter
        )

    use = Use.PRETRAINING_ON_STACK if lower else Use.PRETRAINING
    return call.perform("stack", "pretrain", use, lineage, learner)


def _with_lower_layers(call: _Call, path: Path, lineage: Lineage) -> RunFile:
    """A stack whose layers below its top one fit below another top."""
    file = load(path).of_kind("stack")
    theirs, below, wanted = file.lineage, file.model[:-1], call.settings.layers
    with naming(path):
        if split_recorded(call.context.digits, theirs).name != lineage.split:
            raise RunError(f"was learned on another split than {lineage.split}")
        if theirs.translations != lineage.translations:
            moved = f"--translations {theirs.translations}, not {lineage.translations}"
            raise RunError(f"was learned with {moved}")
        if theirs.images:
            raise RunError("was learned with --labelled, from some of the images alone")
        sizes = tuple(rbm.n_hidden for rbm in below)
        if not sizes or sizes != wanted[:-1]:
            has = f"has {show_value(sizes) or 'no layers'} below its top"
            fits = f"; --layers {show_value(sizes)}-N fits" if sizes else ""
            raise RunError(f"{has}, but {show_value(wanted)} is to be learned{fits}")
    file.check_pixels(call.context.digits)
    return file


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
    call = _Call(context, path, settings, recipe, seed).told_apart()
    start, lineage = _on_stack(call, pretrained, labelled)
    n_classes = call.context.digits.n_classes
    return call.perform(
        "classifier", "finetune-bp", Use.BACKPROP, lineage,
        lambda train, valid, rng, masks: DiscriminativeFineTuning(
            Classifier.on_stack(start.model, n_classes), train, settings, rng, valid, masks=masks
        ),
    )  # fmt: skip


def _on_stack(call: _Call, path: Path, labelled: int = 0) -> tuple[RunFile, Lineage]:
    """A stack to be fine-tuned, and the lineage of what validation will stop on its own cases.

    With the labels of so many of them, or of all whose images it has learned.
    """
    digits, start = call.context.digits, load(path).of_kind("stack")
    start.check_pixels(digits)
    images = start.lineage.images
    with naming(path):
        if images and labelled > images:
            raise RunError(
                f"has learned {counted(images, 'image')}, and {labelled} are to be labelled"
            )
        lineage = start.child(
            VALIDATED, **call.own(), labelled=labelled or images,
            split_sha256=split_recorded(digits, start.lineage).sha256,
        )  # fmt: skip
        cases.rows_learned(digits, lineage)
    return start, lineage


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
    start, reached = _validated(fine_tuned, "classifier", "can be extended")
    context = replace(context, digits=start.fitted(context.digits))
    call = _Call(context, path, settings, recipe, seed)
    lineage = start.child(EXTENDED, **call.own(), target_cost=reached.cost_per_100)
    used = replace(settings, epochs=settings.extension_epochs)
    return call.perform(
        "classifier", "extend", Use.BACKPROP_ON_ALL, lineage,
        lambda train, valid, rng, masks: DiscriminativeFineTuning(
            start.model, train, used, rng, valid, lineage.target_cost, masks=masks
        ),
        start.outcome.epochs,
    )  # fmt: skip


def _validated(path: Path, kind: str, use: str) -> tuple[RunFile, Score]:
    """A net that validation stopped, and how well it learned all labels of its split.

    The cost of few labels says little.
    """
    file = load(path).of_kind(kind)
    with naming(path):
        if file.lineage.role != VALIDATED:
            raise RunError(f"only a net that was stopped by validation {use}")
        if file.lineage.labelled:
            learned = f"learned {counted(file.lineage.labelled, 'label')}"
            raise RunError(f"{learned}; only a net that learned all of its split's {use}")
    assert file.outcome.train is not None  # or loading had refused it
    return file, file.outcome.train


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
    call = _Call(context, path, settings, recipe, seed).told_apart()
    stopped_at = [_validated(path, "classifier", "has a criterion") for path in criteria]
    first = stopped_at[0][0].lineage
    for file, _ in stopped_at:
        if file.lineage.translations != first.translations:
            raise RunError(f"{file.path}: did not learn the same translations as {criteria[0]}")
        if other := _set_apart(file) ^ _set_apart(stopped_at[0][0]):
            names = ", ".join(sorted(other)).replace("_", " ")
            raise RunError(f"{file.path}: was not learned as {criteria[0]}: {names}")
    lineage = stopped_at[0][0].child(
        NOT_PRETRAINED, parents=[file.digest for file, _ in stopped_at], **call.own(),
        layers=layers, random_start=False,
        target_cost=float(np.mean([train.cost_per_100 for _, train in stopped_at])),
    )  # fmt: skip
    return _from_random(call, lineage, settings, Use.RANDOM_NET)


def _set_apart(file: RunFile) -> set[str]:
    """Settings that set a net's experiment apart, of itself and of what it started from."""
    return {*file.lineage.below, *file.settings.apart()} - {"device"}


def finetune_from_random_on_split(
    context: Context,
    path: Path,
    split_name: str,
    settings: BackpropSettings,
    layers: tuple[int, ...],
    recipe: str = "custom",
    seed: int = 0,
    labelled: int = 0,
    translations: int = 0,
) -> Result:
    """Backpropagation without pretraining on one split's training cases, stopped by validation.

    Images and labels of so many `labelled` cases are used, 0 for all; images in all `translations`
    by up to so many pixels. The rate is `all_cases_rate`, as from every random start. Source: "a
    network of the same size that does not make use of the unlabeled examples", "Using extra
    unlabeled data".
    """
    call = _Call(context, path, settings, recipe, seed).told_apart()
    digits = call.context.digits
    with naming(path):
        lineage = Lineage(
            **call.own(), role=VALIDATED, split=split_name,
            split_sha256=split_of(digits, split_name).sha256, layers=layers, labelled=labelled,
            translations=translations, random_start=True,
        )  # fmt: skip
        cases.rows_learned(digits, lineage)
    used = replace(settings, rate=settings.all_cases_rate)
    return _from_random(call, lineage, used, Use.RANDOM_NET_OF_SPLIT)


def _from_random(call: _Call, lineage: Lineage, settings: BackpropSettings, use: Use) -> Result:
    digits = call.context.digits
    sizes = (digits.n_pixels, *lineage.layers, digits.n_classes)
    return call.perform(
        "classifier", "not pretrained", use, lineage,
        lambda train, valid, rng, masks: DiscriminativeFineTuning(
            Classifier.random(sizes, settings.initial_scale, rng), train, settings, rng, valid,
            lineage.target_cost, masks=masks,
        ),
    )  # fmt: skip


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
    file = load(start)
    recogniser = file.recogniser()
    if not isinstance(recogniser.net, DeepBeliefNet):
        raise RunError(f"{start}: holds {file.kind.about}, but {WITH_LABELS} is needed")
    digits = file.fitted(context.digits)
    call = _Call(replace(context, digits=digits), path, settings, recipe, seed)
    with naming(start):
        if file.lineage.role == EXTENDED:
            raise RunError("was trained on all cases, so that none are left for validation")
        if settings.generative == "pretraining" and file.kind.name != "stack":
            needed = f"the pretraining's gradient needs {KINDS['stack'].about}"
            raise RunError(f"{needed}, whose generative and recognition weights are the same")
        if settings.dropout and not settings.mixed:
            mixed = "with backpropagation's: --bp-weight or --search-bp-weight"
            raise RunError(f"there is no dropout in this gradient, but where it is mixed {mixed}")
        digest = split_recorded(digits, file.lineage).sha256
        lineage = file.child(VALIDATED, **call.own(), split_sha256=digest)
        if file.outcome.bp_weight:  # no settings of its own tell it from one of wake-sleep alone
            lineage = replace(lineage, below=tuple(sorted({*lineage.below, "bp_weight"})))
        cases.rows_learned(digits, lineage)
    use = Use.WAKE_SLEEP if file.kind.name == "stack" else Use.WAKE_SLEEP_AGAIN
    return call.perform(
        "generative", "finetune-cws", use, lineage,
        lambda train, valid, rng, masks: GenerativeFineTuning(
            recogniser.net, train, settings, rng, valid, masks=masks
        ),
    )  # fmt: skip


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
    start, reached = _validated(fine_tuned, "generative", "can be extended")
    context = replace(context, digits=start.fitted(context.digits))
    bp_weight, epochs = start.outcome.bp_weight, start.outcome.epochs
    if settings.dropout and not bp_weight:
        raise RunError(f"{fine_tuned}: was learned without backpropagation, where dropout would be")
    used = replace(settings, bp_weight=bp_weight, search_bp_weight=False)
    call = _Call(context, path, used, recipe, seed)
    target = reached.error_rate
    lineage = start.child(EXTENDED, **call.own(), target_error_rate=target, schedule_done=epochs)
    return call.perform(
        "generative", "extend", Use.WAKE_SLEEP_ON_ALL, lineage,
        lambda train, valid, rng, masks: GenerativeFineTuning(
            start.model, train, used, rng, valid, target, epochs, masks
        ),
        epochs,
    )  # fmt: skip


# -- plain wake-sleep ----------------------------------------------------------------------------


def finetune_directed(
    context: Context,
    path: Path,
    start: Path,
    settings: DirectedSettings,
    recipe: str = "custom",
    seed: int = 0,
) -> Result:
    """Plain wake-sleep from a stack; validation picks the epoch.

    On the cases that the stack was learned on, with their labels, of which the net that it becomes
    knows nothing at first. Source: "the performance of ... the 'wake-sleep'
    algorithm (strategy five) can be greatly improved by using a 'pre-training' phase".
    """
    call = _Call(context, path, settings, recipe, seed).told_apart()
    file, lineage = _on_stack(call, start)

    def learner(
        train: Cases, valid: Cases | None, rng: np.random.Generator, _masks: Any
    ) -> WakeSleepTraining:
        net = DirectedNet.on_stack(file.model, call.context.digits.n_classes)
        np.copyto(net.top_bias, top_biases(net, train.images))
        return WakeSleepTraining(net, train, settings, rng, valid)

    return call.perform("directed", "finetune-ws", Use.DIRECTED, lineage, learner)


def directed_from_random(
    context: Context,
    path: Path,
    split_name: str,
    settings: DirectedSettings,
    layers: tuple[int, ...],
    recipe: str = "custom",
    seed: int = 0,
) -> Result:
    """Plain wake-sleep from small random weights, on one split's training cases.

    Source: "we can learn both sets of weights by starting with small random values and alternating
    between two phases of learning".
    """
    call = _Call(context, path, settings, recipe, seed).told_apart()
    digits = call.context.digits
    with naming(path):
        lineage = Lineage(
            **call.own(), role=VALIDATED, split=split_name,
            split_sha256=split_of(digits, split_name).sha256, layers=layers, random_start=True,
        )  # fmt: skip
        cases.rows_learned(digits, lineage)
    sizes = (digits.n_pixels, *layers)
    return call.perform(
        "directed", "finetune-ws", Use.DIRECTED_RANDOM, lineage,
        lambda train, valid, rng, _masks: WakeSleepTraining(
            DirectedNet.random(sizes, digits.n_classes, settings.initial_sd, rng),
            train, settings, rng, valid,
        ),
    )  # fmt: skip


# -- five strategies -----------------------------------------------------------------------------


def strategies(
    context: Context,
    path: Path,
    split_name: str,
    settings: StrategySettings,
    recipe: str = "custom",
    seed: int = 0,
) -> tuple[Checkpoint, bool]:
    """Measure five strategies beside each other: the finished file, and whether it was before.

    A row of its history is a measurement of `study.Study`; its model are the same rows. Rates are
    chosen by the validation cases of the split. Source: "Five strategies for learning multilayer
    networks".
    """
    digits = context.digits
    # What is recorded is what was measured: images have no more pixels than they have.
    settings = replace(settings, side=min(settings.side, max(digits.shape)))
    call = _Call(context, path, settings, recipe, seed)
    with naming(path):
        split = split_of(digits, split_name)
    lineage = Lineage(
        **call.own(), role=VALIDATED, split=split_name, split_sha256=split.sha256
    )  # fmt: skip
    run = Run(path, "strategies", recipe, settings, lineage, "strategies", context.save_every_s)
    with run.begun(context.force, context.progress) as found:
        if found:
            return found, True
        with context.computing():
            images, test = (
                averaged(own, digits.shape, settings.side)
                for own in (digits.train_images, digits.test_images)
            )
            study = Study(
                Labelled(images[split.train], digits.train_classes[split.train]),
                Labelled(images[split.valid], digits.train_classes[split.valid]),
                Labelled(test, digits.test_classes),
                digits.n_classes,
                settings,
                seed,
            )
            run.train(study, context.progress)
        reason = study.finished() or ""
        return run.finish({"rows": study.state()["rows"]}, {"reason": reason}), False


# -- pairs ---------------------------------------------------------------------------------------


def finetune_pairs(
    context: Context,
    path: Path,
    images: Path,
    second: Path,
    settings: PairSettings,
    recipe: str = "custom",
    seed: int = 0,
    second_digits: Digits | None = None,
) -> Result:
    """Learn pairs of an image and a case of a second pathway, from a stack of each.

    The two lowest layers of both stacks, of the same split and classes, meet in a memory that is
    learned greedily; then all is fine-tuned by contrastive wake-sleep. `second_digits` are the
    second stack's data, by default those that it was made with. No test case takes part, nor one
    that the split holds out of either set. Source: "the 'labels' are replaced by a multilayer
    pathway", "Using contrastive wake-sleep for generative fine-tuning".
    """
    files = [load(own).of_kind("stack") for own in (images, second)]
    digits, other = context.digits, second_digits or second_of(files[1], None)
    pathways = []
    for file, own in zip(files, (digits, other), strict=True):
        file.check_pixels(own)
        with naming(file.path):
            try:
                pathways.append(Pathway.untied(file.model))
            except ValueError as error:
                raise RunError(str(error)) from None
    with naming(second):
        lineages = [file.lineage for file in files]
        if lineages[0].split != lineages[1].split:
            raise RunError(f"was learned on another split than {images}")
        if other.classes != digits.classes:
            classes = f"its classes are {shown_classes(other.classes)}"
            raise RunError(f"{classes}, but those of {digits.name} {shown_classes(digits.classes)}")
        theirs = replace(lineages[1], data=other.sha256)
        rest = cases_learned(other, theirs), cases_held_out(other, theirs)
    call = _Call(context, path, settings, recipe, seed)
    for file, own, learned in zip(files, (digits, other), (lineages[0], theirs), strict=True):
        with naming(file.path):
            _check_every_class(own, learned)
            file.child(PRETRAINED, seed=seed)
    folder = None if other.folder is None else str(other.folder.resolve())
    lineage = files[0].child(
        PRETRAINED, **call.own(), parents=[file.digest for file in files],
        split_sha256=split_recorded(digits, lineages[0]).sha256,
        second=other.sha256, second_folder=folder, second_cases=theirs.cases,
        second_translations=theirs.translations, second_images=theirs.images,
    )  # fmt: skip
    place = SPLITS.index(str(lineage.split))

    def learner(
        train: Cases, valid: Cases | None, rng: np.random.Generator, _masks: Any
    ) -> PairLearner:
        assert valid is not None
        n_pen = sum(pathway.n_pen for pathway in pathways)
        memory = Rbm.random(n_pen, settings.features, settings.initial_sd, rng)
        return PairLearner(
            PairNet(pathways[0], pathways[1], memory), train, rest[0], settings, rng,
            lambda epoch: stream(seed, Use.PAIRING, place, epoch), (valid, rest[1]),
        )  # fmt: skip

    return call.perform("pairs", "finetune-pairs", Use.PAIRS, lineage, learner)


def _check_every_class(digits: Digits, lineage: Lineage) -> None:
    """One that none learns has no partners, and no features to be recognised by."""
    learned = digits.train_classes[cases.rows_learned(digits, lineage)]
    for place in np.setdiff1d(np.arange(digits.n_classes), learned):
        label = digits.classes[place]
        raise RunError(f"split {lineage.split} of {digits.name} has no training case of {label}")
