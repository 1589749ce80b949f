"""From a file to what it holds, checked and typed, and to the images that it has learned.

Not in the chapter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hinton06 import checkpoint, mnist, native, nets, records
from hinton06.checkpoint import Checkpoint, CheckpointError
from hinton06.directed import Dreamer
from hinton06.generation import Generator
from hinton06.kinds import KINDS, Kind, Recogniser
from hinton06.lineage import PRETRAINED, VALIDATED, Lineage
from hinton06.mnist import DataError, Digits, shown_classes
from hinton06.numerics import Array
from hinton06.recipes import PARTS, Settings, conditions, implied
from hinton06.recognition import Score
from hinton06.training import SAVE_EVERY_S, Progress, RunError, UnfitDataError

_BRIGHT = 127

T = TypeVar("T")
MNIST = Path("mnist")
"""Among places of data this object: the MNIST files inside the package, and no folder."""


def data_place(given: str | Path | None) -> Path | None:
    """Where named data are: ``mnist`` and ``spoken`` name those inside, a path others."""
    if given is None or given == str(MNIST):
        return None if given is None else MNIST
    return mnist.SPOKEN if given == mnist.SPOKEN.name else Path(given)


WITH_LABELS = "a stack that learned labels (pretrain --labels), or a net fine-tuned from one,"


@dataclass(frozen=True)
class Context:
    """What every command shares: its images, who is told of progress, and how it runs.

    Results are bit-identical for equal numbers of `threads`; `force` starts anew and replaces what
    there is; `save_every_s` are seconds between saves.
    """

    digits: Digits
    progress: Progress
    threads: int = 1
    force: bool = False
    save_every_s: float = SAVE_EVERY_S

    @contextmanager
    def computing(self) -> Iterator[None]:
        """As many threads as `threads`, and no warning in passing where numbers overflow.

        They are found out by `training.check_finite` and where scores are made, which have a
        name for it.
        """
        with native.threads(self.threads), np.errstate(all="ignore"):
            yield

    @contextmanager
    def shown(self, title: str, expected: float) -> Iterator[Callable[[float], None]]:
        """As `computing`, with its progress shown; gives what is to be told of work done."""
        self.progress.begin(title, 0, expected)
        try:
            with self.computing():
                yield self.progress.tick
        finally:
            self.progress.end()


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was measured of the net that a run ended with; a later measurement has a default.

    `epochs` were trained until the weights that were kept, `epochs_run` in all, `epochs_before` in
    the run that this one extends; `capped` says whether learning ended at a cap before its stopping
    rule was met; `bp_weight` is the coefficient of backpropagation beside another gradient;
    `test_log_probs` is (n_test, n_classes), in nats, `test_labels` (n_test,) bytes.
    """

    reason: str = ""
    capped: bool = False
    epochs: int = 0
    epochs_run: int = 0
    epochs_before: int = 0
    bp_weight: float = 0.0
    train: Score | None = None
    valid: Score | None = None
    test: Score | None = None
    test_log_probs: NDArray[Any] | None = None
    test_labels: NDArray[Any] | None = None

    @property
    def scores(self) -> dict[str, Score]:
        """Those that were measured, by part: train, valid, test."""
        every = {"train": self.train, "valid": self.valid, "test": self.test}
        return {part: score for part, score in every.items() if score is not None}

    @property
    def epochs_text(self) -> str:
        """As the chapter writes them: ``"33"`` or ``"33+16"``."""
        return f"{self.epochs_before}+{self.epochs}" if self.epochs_before else str(self.epochs)

    def tree(self) -> records.Tree:
        """For a file: what was measured."""
        return {name: value for name, value in records.to_tree(self).items() if value is not None}

    def values(self) -> records.Tree:
        """For JSON: what was measured, without the arrays."""
        return {name: v for name, v in self.tree().items() if not isinstance(v, np.ndarray)}


@dataclass(frozen=True, eq=False)
class RunFile:
    """What a file holds, typed: what determined it, what came of it, and as what it was `held`."""

    path: Path
    kind: Kind
    settings: Settings
    lineage: Lineage
    outcome: Outcome
    held: Checkpoint

    recipe = property(lambda self: self.held.recipe)
    complete = property(lambda self: self.held.complete)
    history = property(lambda self: self.held.history)
    provenance = property(lambda self: self.held.provenance)

    @property
    def epochs_done(self) -> int:
        """Epochs in the history."""
        return max((len(column) for column in self.history.values()), default=0)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the model's arrays."""
        return self.held.digest()

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the recipe's variants that its settings come from."""
        return conditions(**self.lineage.conditions(), **implied(self.settings))

    @cached_property
    def model(self) -> Any:
        """The model, of the kind's own class; `CheckpointError` if it is not whole."""
        return self._model(self.held.model)

    @cached_property
    def learned(self) -> Any:
        """The model; of a file that is not finished, what is measured of it so far."""
        if self.complete:
            return self.model
        state = self.held.state
        return self._model(next((state[n] for n in ("stack", "mean", "net") if n in state), {}))

    def _model(self, arrays: records.Tree) -> Any:
        try:
            return self.kind.model.from_arrays(arrays)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{self.path}: does not hold a whole model: {error}") from None

    def arrays(self) -> dict[str, Array]:
        """The model's arrays by their names in the file, with a slash between group and array."""
        return dict(_named(self.model.arrays()))

    def child(self, role: str, **own: Any) -> Lineage:
        """The lineage of what is learned from this file: what `own` does not say is inherited.

        `RunError` if it is of some images alone and another seed, which would draw others.
        """
        drawn_with, seed = self.lineage.seed, own.get("seed", self.lineage.seed)
        if role in (PRETRAINED, VALIDATED) and self.lineage.images and seed != drawn_with:
            drawn = f"its images were drawn with --seed {drawn_with}"
            raise RunError(f"{drawn}, and with {seed} others would be")
        device = {"device"} if self.lineage.device else set()
        below = tuple(sorted({*self.lineage.below, *self.settings.apart(), *device}))
        return self.lineage.child(**({"parents": [self.digest], "below": below} | own), role=role)

    def finished(self) -> RunFile:
        """Itself; `RunError` if it is not finished."""
        if not self.complete:
            raise RunError(f"{self.path}: is not finished; run the command that makes it again")
        return self

    def of_kind(self, name: str) -> RunFile:
        """Itself; `RunError` if it holds something else, or is not finished."""
        if self.kind.name != name:
            about = f"holds {self.kind.about}, but {KINDS[name].about} is needed"
            raise RunError(f"{self.path}: {about}")
        return self.finished()

    def recogniser(self) -> Recogniser:
        """What can be asked for labels in it; `RunError` with the reason if nothing can."""
        return self._used(self.kind.recogniser)

    def generator(self, layer: int | None = None) -> Generator | Dreamer:
        """What generates images, an RBM of a stack if `layer` says so; else as `recogniser`."""
        return self._used(lambda model: self.kind.generator(model, layer))

    def _used(self, use: Callable[[Any], T]) -> T:
        try:
            return use(self.finished().model)
        except ValueError as error:
            raise RunError(f"{self.path}: holds {self.kind.about}: {error}") from None

    def check_pixels(self, digits: Digits) -> None:
        """Raise `RunError` unless the model has as many inputs as the images have pixels."""
        if self.learned.n_pixels != digits.n_pixels:
            images = f"images of {digits.name} have {digits.n_pixels} pixels"
            raise RunError(f"{self.path}: has {self.learned.n_pixels} inputs, but {images}")

    @property
    def classes(self) -> tuple[int, ...]:
        """The label of each class that the model knows, none of a stack without labels."""
        return self.lineage.classes or tuple(range(self.model.n_classes))

    def fitted(self, digits: Digits) -> Digits:
        """Images, their labels told apart as by this net, if it knows any.

        Raises `RunError` as `check_pixels`, and unless it knows the same labels. Older files know
        all from 0 to the largest.
        """
        self.check_pixels(digits)
        known, own = self.classes, digits.classes
        if not known or known == own:
            return digits
        if not self.lineage.classes and len(known) == own[-1] + 1:
            return dataclasses.replace(digits, told_apart=known)
        if len(known) != len(own):
            differ = f"knows {len(known)} classes, but {digits.name} has {len(own)}"
        else:
            differ = f"knows the classes {shown_classes(known)}, but {digits.name} has"
            differ += f" {shown_classes(own)}"
        raise RunError(f"{self.path}: {differ}")


def _named(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Array]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _named(value, f"{prefix}{name}/")
        elif isinstance(value, np.ndarray):
            yield prefix + name, value


def load(path: Path) -> RunFile:
    """Read a file of this package, finished or not, or one of the `nets` inside it by its name.

    Raises `CheckpointError` if it cannot be read, or does not record what a file of its kind does.
    """
    return typed(path, checkpoint.load(nets.located(path)))


def typed(path: Path, held: Checkpoint) -> RunFile:
    """What was read from a file, if it records what a file of its kind records."""
    kind = KINDS.get(held.kind)
    if kind is None and held.kind == "strategies":
        raise CheckpointError(f"{path}: holds measurements, which hinton06 strategies prints")
    if kind is None:
        raise CheckpointError(f"{path}: holds no kind of model that this version knows")
    try:
        settings = records.from_tree(PARTS[kind.part], held.settings, "setting")
        lineage = records.from_tree(Lineage, held.lineage, "lineage")
        outcome = records.from_tree(Outcome, held.outcome, "outcome", strict=False)
        found = RunFile(path, kind, settings, lineage, outcome, held)
        _check_provenance(held.provenance)
        _check_history(found)
        if held.complete:
            _check_outcome(found)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None
    return found


def _check_provenance(provenance: Mapping[str, Any]) -> None:
    if not records.is_number(provenance.get("seconds")):
        raise ValueError("does not record its provenance seconds")
    for value in provenance.values():
        inner = value if isinstance(value, list) else [value]
        if not all(v is None or isinstance(v, str | bool) or records.is_number(v) for v in inner):
            raise ValueError("its provenance is not a list of names and values")


def _check_history(found: RunFile) -> None:
    for name, column in found.history.items():
        if column.dtype.kind != "f" or np.isinf(column).any():  # NaN: an epoch without it
            raise ValueError(f"its history of {name} holds what is no measurement")
    for name in found.kind.columns(found.lineage.role) if found.complete else ():
        if not len(found.history.get(name, ())):
            raise ValueError(f"does not record its history {name}")


def _check_outcome(found: RunFile) -> None:
    outcome, lineage = found.outcome, found.lineage
    if lineage.role in (PRETRAINED, VALIDATED) and lineage.split not in mnist.SPLITS:
        raise ValueError("does not record its split")
    for part, score in outcome.scores.items():
        if not 0 <= score.errors <= score.cases or score.cases < 1:
            raise ValueError(f"its outcome {part} is not a score")
    if lineage.role == PRETRAINED and outcome.test is None:
        return  # it learned no labels
    validated = lineage.role in (PRETRAINED, VALIDATED)
    for part in ("train", "test", "valid") if validated else ("train", "test"):
        if part not in outcome.scores:
            raise ValueError(f"does not record its outcome {part}")
    if outcome.epochs > found.epochs_done:
        raise ValueError("its outcome epochs is not in its history")
    logs, labels = outcome.test_log_probs, outcome.test_labels
    if logs is None or logs.ndim != 2 or logs.dtype.kind != "f" or not np.isfinite(logs).all():
        raise ValueError("does not record its outcome test_log_probs")
    if labels is None or labels.dtype != np.uint8 or labels.shape != logs.shape[:1]:
        raise ValueError("does not record its outcome test_labels")
    if not logs.size or labels.max() >= logs.shape[1]:
        raise ValueError("its outcome test_labels does not fit its test_log_probs")


def shuffled(digits: Digits) -> list[str]:
    """That cases were shuffled, if they were."""
    why = "classes come one after the other in the training file"
    line = f"{digits.name}: {why}; its cases are shuffled, always in the same way"
    return [line] if digits.shuffled else []


def remarks(digits: Digits) -> list[str]:
    """What somebody who starts a run should know of the images, and of this installation."""
    found = shuffled(digits)
    if digits.sha256 not in mnist.SHIPPED:
        found += _odd_levels(digits)
    if native.KIND == "NumPy":
        found.append(
            "this installation has no loops in C, for lack of a compiler: NumPy does their work, "
            "slower and with other random numbers"
        )
    return found


def _odd_levels(digits: Digits) -> list[str]:
    """What of grey levels makes learning hard, and is a mistake more often than not."""
    images, paper = digits.train_images, "255 - images is light on dark, as MNIST's"
    if (brightest := int(images.max())) < _BRIGHT:
        return [f"{digits.name}: no training image has a pixel above {brightest} of 255"]
    if images.mean() > _BRIGHT:
        return [f"{digits.name}: its images are dark on a light ground; {paper}"]
    return []


# -- the images a file has learned ---------------------------------------------------------------


def digits_of(files: Sequence[RunFile], given: Path | None, transposed: bool = False) -> Digits:
    """The images that files were made with, or, if a place is given, those there; else MNIST.

    Read, `transposed` or not, in the way that the files' images were, if they are the same.
    Raises `RunError` if those of the files are not where they were, are not known, or differ from
    file to file: which are to be used must then be given. `DataError` if they cannot be read.
    """
    if given is not None or not files:
        known = {file.lineage.data for file in files}
        return mnist.read(None if given is MNIST else given, transposed, known)
    path, data = files[0].path, files[0].lineage.data
    for other in files:
        if other.lineage.data != data:
            which = "say with --data which are to be used"
            raise RunError(f"{other.path}: was not made with the images of {path}; {which}")
    with naming(path):
        return _found_again(data, files[0].lineage.data_folder, "--data")


def second_of(file: RunFile, given: Path | None) -> Digits:
    """The data of a net of pairs' second pathway, or of a stack that is to be it. As `digits_of`.

    Other data than the file's are refused: of a net of pairs, or of a stack, they are its own.
    """
    lineage = file.lineage
    data, folder = lineage.data, lineage.data_folder
    if lineage.second:
        data, folder = lineage.second, lineage.second_folder
    if given is None:
        with naming(file.path):
            return _found_again(data, folder, "--second")
    return mnist.read(None if given is MNIST else given, known={data})


def _found_again(data: str, folder: str | None, option: str) -> Digits:
    """The images of a SHA-256 that were in a folder; `RunError` if they are not there any more."""
    if data in mnist.SHIPPED:
        return mnist.read(None if data == mnist.SHA256 else mnist.SPOKEN)
    if folder is None:
        raise RunError(
            f"was not made with MNIST, and does not say where its images are; give {option}"
        )
    try:
        digits = mnist.read(Path(folder), known={data})
    except DataError as error:
        raise RunError(f"its images cannot be found again ({error}); give {option}") from None
    if digits.sha256 != data:
        which = f"say with {option} which are to be used"
        raise RunError(f"{folder} holds other images than it was made with; {which}")
    return digits


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put a path before the errors of what is done with its file, for `cases` knows none."""
    try:
        yield
    except UnfitDataError:
        raise
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
