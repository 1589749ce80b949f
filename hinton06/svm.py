"""Support vector machines, which the chapter compares with: "the current version of denial".

One machine for each pair of classes, by scikit-learn (an optional dependency). Virtual support
vectors: Decoste and Schoelkopf (2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinton06 import mnist, numerics
from hinton06.distortion import resampled
from hinton06.numerics import Labels
from hinton06.recipes import SvmSettings
from hinton06.training import RunError

_CACHE = 500  # MB, of kernel values
_BATCH = 1000


@dataclass(frozen=True, eq=False)
class Pair:
    """The machine that tells two classes apart, its sum being positive for the second.

    The (n,) places of its support vectors among the learned images, all of them in one translation
    after the other; their (n,) coefficients; and what is added.
    """

    places: NDArray[np.int64]
    coefficients: NDArray[np.float64]
    intercept: float


def check_installed() -> None:
    """Raise `RunError` without scikit-learn."""
    try:
        import sklearn.svm  # noqa: F401, PLC0415  # optional
    except ImportError:
        needed = "support vectors need scikit-learn 1.6 or newer"
        raise RunError(f"{needed}: pip install 'hinton06[sklearn]'") from None


def class_pairs(n_classes: int) -> list[tuple[int, int]]:
    """Every two classes, in the order of their machines."""
    return list(combinations(range(n_classes), 2))


def deslanted(images: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """(n, n_pixels) images sheared along their rows until their main axis is upright.

    So that the ink's columns do not depend on its rows, in the mean, about its centre of mass.
    """
    square = images.reshape(-1, *shape)
    rows, columns = np.arange(shape[0])[:, np.newaxis], np.arange(shape[1])
    field = np.zeros((len(square), 2, *shape), np.float32)
    for image, own in zip(square, field, strict=True):
        ink = image / max(1.0, float(image.sum()))
        centre = float((ink * rows).sum())
        spread = float((ink * (rows - centre) ** 2).sum())
        lean = float((ink * (rows - centre) * columns).sum())
        own[1] = (rows - centre) * (lean / spread if spread else 0.0)
    return resampled(square, field).reshape(images.shape)


def _unit(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, n_pixels) images as vectors of length 1."""
    vectors = images.astype(np.float32)
    lengths = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    vectors /= np.maximum(lengths, 1)
    return vectors


def kernel(
    one: NDArray[np.float32], other: NDArray[np.float32], degree: int
) -> NDArray[np.float64]:
    """((1 + u·v) / 2)^degree of every two vectors of length 1: 1 of a vector with itself."""
    found = np.empty((len(one), len(other)))
    for rows in numerics.batches(len(one), _BATCH):
        base = (one[rows] @ other.T + np.float32(1)) / np.float32(2)
        found[rows] = _power(base, degree)
    return found


def _power(base: NDArray[Any], degree: int) -> NDArray[Any]:
    """By squaring: NumPy's own takes a logarithm of each number."""
    if degree == 1:
        return base
    half = _power(base * base, degree // 2)
    return half * base if degree % 2 else half


@dataclass(frozen=True, eq=False)
class Machines:
    """One machine for each pair of classes, of (n, n_pixels) images with (n,) classes.

    Virtual support vectors: those that `before` had found are learned again in every translation
    by up to so many pixels, "to create 12 extra versions", each machine its own.
    """

    images: NDArray[np.uint8]
    labels: Labels
    shape: tuple[int, int]
    settings: SvmSettings
    translations: int = 0
    before: Sequence[Pair] = ()

    def learn(self, number: int, classes: tuple[int, int]) -> Pair:
        """The machine of two classes, the so manieth pair."""
        from sklearn.svm import SVC  # noqa: PLC0415  # optional, and slow to import

        n = len(self.images)
        if self.before:
            places = self.before[number].places
            every = np.arange(len(mnist.shifts(self.translations)))[:, np.newaxis]
            places = (every * n + places).ravel()
        else:
            places = np.flatnonzero(np.isin(self.labels, classes)).astype(np.int64)
        second = self.labels[places % n] == classes[1]
        if second.all() or not second.any():
            return Pair(places[:0], np.empty(0), 1.0 if second.any() else -1.0)
        vectors = _unit(self._images_at(places))
        machine = SVC(C=self.settings.penalty, kernel="precomputed", cache_size=_CACHE)
        machine.fit(kernel(vectors, vectors, self.settings.degree), second)
        chosen = places[machine.support_]
        return Pair(chosen, machine.dual_coef_[0].copy(), float(machine.intercept_[0]))

    def _images_at(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The learned images at such places, translated."""
        n = len(self.images)
        rows, at = np.unique(places % n, return_inverse=True)
        moved = mnist.translated(self.images[rows], self.shape, self.translations)
        chosen: NDArray[np.uint8] = moved[places // n * len(rows) + at]
        return chosen

    def guesses(
        self, images: NDArray[np.uint8], pairs: Sequence[Pair], n_classes: int
    ) -> NDArray[np.int64]:
        """The (n,) classes with most of the pairs' votes; of several that with the largest sums."""
        places = support_places(pairs)
        vectors = _unit(self._images_at(places))
        coefficients = np.zeros((len(places), len(pairs)))
        for column, pair in enumerate(pairs):
            coefficients[np.searchsorted(places, pair.places), column] = pair.coefficients
        intercepts = np.array([pair.intercept for pair in pairs])
        found = np.empty(len(images), np.int64)
        for batch in numerics.batches(len(images), _BATCH):
            values = kernel(_unit(images[batch]), vectors, self.settings.degree)
            found[batch] = _elected(values @ coefficients + intercepts, n_classes)
        return found


def support_places(pairs: Sequence[Pair]) -> NDArray[np.int64]:
    """The places of all images that are a support vector of some pair, ascending."""
    return np.unique(np.concatenate([pair.places for pair in pairs]))


def _elected(sums: NDArray[np.float64], n_classes: int) -> NDArray[np.int64]:
    """The (n,) classes that (n, n_pairs) sums vote for; a class's sums count less than a vote."""
    scores = np.zeros((len(sums), n_classes))
    for column, (first, second) in enumerate(class_pairs(n_classes)):
        own = sums[:, column]
        for place, towards in ((first, -own), (second, own)):
            scores[:, place] += (towards > 0) + towards / (1 + abs(own)) / (2 * n_classes)
    elected: NDArray[np.int64] = scores.argmax(axis=1)
    return elected
