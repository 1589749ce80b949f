"""A finished net in Python: one kind of object for every kind of file.

What it says and does is what the commands print and draw, to the bit: it asks the same functions.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hinton06 import loading, mnist, native
from hinton06.directed import Dreamer, NoDreamError
from hinton06.images import as_cases
from hinton06.lineage import Lineage
from hinton06.loading import RunFile
from hinton06.mnist import DataError
from hinton06.models import Layer
from hinton06.numerics import Array, batches_taken, firing_probs
from hinton06.rbm import free_energy, hidden_probs, parts, visible_probs
from hinton06.recipes import Settings, counted
from hinton06.recognition import Score, label_free_energies
from hinton06.streams import Use, stream
from hinton06.training import RunError

_BATCH = 1000


@dataclass(frozen=True, eq=False)
class Record:
    """How a net was made, and what was measured.

    `scores` are by part (``"train"``, ``"valid"``, ``"test"``); `history` has an array for each
    measurement, a number for each epoch, NaN where there was none; `settings` and `lineage` are
    what determined the net; `reason` says why learning ended; `sha256` is the digest of its arrays.
    """

    kind: str
    recipe: str
    settings: Settings
    lineage: Lineage
    scores: Mapping[str, Score]
    history: Mapping[str, NDArray[np.float64]]
    epochs: str
    reason: str
    provenance: Mapping[str, Any]
    sha256: str

    @property
    def seed(self) -> int:
        """The seed of every random number."""
        return self.lineage.seed


class Net:
    """A stack, a classifier or a generative net from a finished file.

    Images are (n, 784), (n, 28, 28) or a single (28, 28), of bytes, or of floats between 0 and 1;
    see `hinton06.images.as_cases` for what is refused. Where a net cannot do what is asked of it
    (a classifier dreams nothing), `RunError` says so.

    Parameters
    ----------
    file : RunFile
        A file that was loaded; `load` does it.
    threads : int, optional
        Threads that compute; if not given, as many as this process may use.
    polarity : bool
        Whether a net that has learned MNIST refuses images that are dark on light.
    """

    def __init__(self, file: RunFile, threads: int | None = None, polarity: bool = True) -> None:
        self._file = file.finished()
        self._model = file.model
        usable = native.usable_threads()
        self._threads = usable if threads is None else native.checked_threads(threads)
        self._dark_ground = polarity and file.lineage.data == mnist.SHA256

    def __repr__(self) -> str:
        sizes = "-".join(map(str, (self.n_pixels, *(len(bias) for _, bias in self._up))))
        labels = f", {counted(self.n_classes, 'label')}" if self.n_classes else ""
        return f"<{self.path}: {self._file.kind.about}, {sizes}{labels}>"

    @property
    def path(self) -> str:
        """The file, or the name, that it was loaded from."""
        return str(self._file.path)

    @property
    def kind(self) -> str:
        """``"stack"``, ``"classifier"``, ``"generative"``, ``"directed"`` or ``"pairs"``."""
        return self._file.kind.name

    @property
    def n_pixels(self) -> int:
        """Pixels of an image."""
        return int(self._model.n_pixels)

    @property
    def n_classes(self) -> int:
        """Labels that it knows, 0 if none."""
        return int(self._model.n_classes)

    @property
    def classes(self) -> tuple[int, ...]:
        """The labels that it knows, in the order of the columns of `predict_proba`."""
        return self._file.classes

    @property
    def n_layers(self) -> int:
        """Layers of features."""
        return len(self._up)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of an image, as in the data that it has learned.

        Where these are no longer there, a square if there is one of so many pixels, else one row.
        """
        if self._file.lineage.data == mnist.SHA256:
            return 28, 28
        try:
            return loading.digits_of([self._file], None).shape
        except (RunError, DataError):
            side = math.isqrt(self.n_pixels)
            return (side, side) if side * side == self.n_pixels else (1, self.n_pixels)

    @cached_property
    def record(self) -> Record:
        """How it was made, and what was measured."""
        file, outcome = self._file, self._file.outcome
        return Record(
            file.kind.name, file.recipe, file.settings, file.lineage, outcome.scores, file.history,
            outcome.epochs_text, outcome.reason, file.provenance, file.digest,
        )  # fmt: skip

    @property
    def arrays(self) -> dict[str, Array]:
        """Every array by its name in the file (docs/files.md), read-only."""
        views = {name: array.view() for name, array in self._file.arrays().items()}
        for view in views.values():
            view.flags.writeable = False
        return views

    @property
    def weights(self) -> dict[str, Array]:
        """The weight matrices, (units from, units to), by their names in the file; read-only."""
        return {name: array for name, array in self.arrays.items() if array.ndim == 2}

    @property
    def biases(self) -> dict[str, Array]:
        """The biases by their names in the file, read-only."""
        return {name: array for name, array in self.arrays.items() if array.ndim == 1}

    # -- recognising -----------------------------------------------------------------------------

    def predict_log_proba(self, images: ArrayLike) -> Array:
        """Log p(label | image): (n, n_classes), in nats.

        The softmax of a classifier; of a directed net what the top generates after an up-pass; else
        by the free energies of the memory with each label.
        """
        recogniser, cases = self._file.recogniser(), self._cases(images)
        with native.threads(self._threads):
            return recogniser.log_probs(cases)

    def predict_proba(self, images: ArrayLike) -> Array:
        """The probability of each label: (n, n_classes)."""
        return np.exp(self.predict_log_proba(images))

    def predict(self, images: ArrayLike) -> NDArray[np.intp]:
        """The most probable label of each image: (n,)."""
        found = self.predict_log_proba(images).argmax(axis=1)
        labels: NDArray[np.intp] = np.array(self.classes, np.intp)[found]
        return labels

    def free_energy(self, images: ArrayLike, layer: int | None = None) -> Array:
        """Free energies in nats, exact: the lower, the better the net likes what it sees.

        Of the RBM `layer` of a stack, 1 on the pixels, the top one if not given, on the features
        below it: (n,). With labels, of the memory with each label in turn: (n, n_classes).
        Source: "the free energy of the associative memory", and `hinton06.rbm.free_energy`.
        """
        generator, cases = self._file.generator(layer), self._cases(images)
        if isinstance(generator, Dreamer):
            raise RunError(f"{self.path}: a directed net has no memory, and so no free energy")
        with native.threads(self._threads):
            units = _passed(cases, generator.up, generator.rbm.weights.dtype)
            if generator.n_labels:
                return label_free_energies(generator.rbm, units)
            return free_energy(generator.rbm, units)

    # -- features --------------------------------------------------------------------------------

    def features(self, images: ArrayLike, layer: int | None = None) -> Array:
        """Activation probabilities of a layer's features, 1 at the bottom: (n, n_features).

        By the deterministic up-pass; the top layer if none is given. Of the memory of a net with
        labels with no label on.
        """
        number = self.n_layers if layer is None else operator.index(layer)
        if not 1 <= number <= self.n_layers:
            raise RunError(f"{self.path}: has layers 1 to {self.n_layers}, not {number}")
        cases = self._cases(images)
        with native.threads(self._threads):
            return _passed(cases, self._up[:number], self._up[0][0].dtype)

    def reconstruct(self, images: ArrayLike, layer: int | None = None) -> Array:
        """What the net makes of images: up to an RBM, once through it, and down again.

        All units as probabilities, so that nothing is random; the memory of a net with labels is
        given the labels' probabilities. `layer`: the RBM of a stack, the top one if not given.
        (n, rows, columns) in [0, 1].
        """
        generator, cases = self._file.generator(layer), self._cases(images)
        if isinstance(generator, Dreamer):
            with native.threads(self._threads):
                there_and_back = (*self._up, *generator.net.down)
                units = _passed(cases, there_and_back, self._up[0][0].dtype)
            return units.reshape(-1, *self.shape)
        rbm = generator.rbm
        with native.threads(self._threads):
            units = _passed(cases, generator.up, rbm.weights.dtype)
            if generator.n_labels:
                labels = np.exp(self._file.recogniser().log_probs(cases))
                units = np.hstack([units, labels.astype(units.dtype)])
            units, _ = parts(rbm, visible_probs(rbm, hidden_probs(rbm, units)))
            units = _passed(np.ascontiguousarray(units), generator.down, rbm.weights.dtype)
        return units.reshape(-1, *self.shape)

    # -- dreaming --------------------------------------------------------------------------------

    def sample(
        self,
        label: int | None = None,
        n: int = 1,
        rounds: int = 1000,
        seed: int = 0,
        layer: int | None = None,
    ) -> Array:
        """Images that the net dreams, each from a chain of its own: (n, rows, columns) in [0, 1].

        Alternating Gibbs sampling, so many `rounds` from a random image, with a `label` clamped or
        none; of a directed net from the top, without any rounds; `layer` is the RBM of a stack that
        is sampled, the top one if not given. The first sample of each chain of ``hinton06 sample
        --labels LABEL --chains N --gibbs ROUNDS``.
        """
        generator = self._file.generator(layer)
        clamped = None
        if label is not None:
            if not generator.n_labels:
                raise RunError(f"{self.path}: has no labels")
            if operator.index(label) not in self.classes:
                known = f"labels {mnist.shown_classes(self.classes)}, not {label}"
                raise RunError(f"{self.path}: has {known}")
        if operator.index(n) < 1 or operator.index(rounds) < 1:
            raise ValueError(f"at least one image and one round, not {n} and {rounds}")
        if label is not None:
            clamped = np.full(n, self.classes.index(label))
        rng = stream(seed, Use.DREAMS)
        with native.threads(self._threads):
            try:
                made = generator.dream(n, 1, rounds, rng, clamped)
            except NoDreamError as error:
                dreamt = f"none of {error.dreams:,} dreams has the label {label}"
                raise RunError(f"{self.path}: {dreamt}") from None
        return made.images.reshape(n, *self.shape)

    # -- the rest --------------------------------------------------------------------------------

    def export(self, path: str | Path, to: str | None = None) -> None:
        """Write the net for other programs: by the ending, or in one of `hinton06.export.FORMATS`.

        Raises `ReportError` if the file cannot be written or a library is missing, ValueError if
        there is no such format.
        """
        from hinton06.export import export, form_of  # noqa: PLC0415  # its libraries are optional

        export(self._file, Path(path), to or form_of(Path(path)))

    @cached_property
    def _up(self) -> tuple[Layer, ...]:
        return self._file.kind.up(self._model)

    def _cases(self, images: ArrayLike) -> NDArray[Any]:
        return as_cases(images, self.shape, self._dark_ground)


def load(path: str | Path, threads: int | None = None, polarity: bool = True) -> Net:
    """A finished net from a file, or one of those inside the package by its name.

    `threads` and `polarity` as for `Net`. Raises `CheckpointError` if there is no such file or it
    cannot be read, `RunError` if it is not finished.
    """
    return Net(loading.load(Path(path)), threads, polarity)


def _passed(cases: NDArray[Any], layers: tuple[Layer, ...], dtype: Any) -> Array:
    """Cases through directed layers, all units as probabilities: (n, units of the last one)."""
    size = len(layers[-1][1]) if layers else cases.shape[1]
    passed = np.empty((len(cases), size), dtype)
    for rows, units in batches_taken(cases, _BATCH, dtype):
        for weights, bias in layers:
            units = firing_probs(units, weights, bias)  # noqa: PLW2901
        passed[rows] = units
    return passed
