"""Images between one and a near one of its class, or beyond it: learned in its place.

Not in the chapter. T. DeVries and G. W. Taylor, "Dataset augmentation in feature space", ICLR 2017
workshop, interpolate and extrapolate features of a case and of near ones of its class; here it is
the pixels, of which nothing is assumed: in another order they would do as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hinton06.numerics import Labels, batches

Images = NDArray[Any]
Rows = NDArray[np.intp]

_BATCH = 500
_EXACT = 2**24  # whole numbers up to this size are exact in float32


class Neighbours:
    """Moves images along the way to one of the `count` nearest of their class, drawn anew.

    By a share of it that is drawn evenly from -`away`, the other way, to `towards`. Of (n_cases,
    n_pixels) `images`, bytes or float32 in [0, 1], the training set `versions` times over,
    translated, a version of an image moves by the same version of its neighbour; which are near the
    first version says. Moved ones stay in [0, 1], or in the images' own range if that is wider. The
    random numbers of an epoch are those of `stream_of` its number, so that a run can go on after
    any.
    """

    def __init__(
        self,
        images: Images,
        labels: Labels,
        count: int,
        away: float,
        towards: float,
        stream_of: Callable[[int], Generator],
        versions: int = 1,
    ) -> None:
        self._n = len(labels) // versions
        self._nearest, self._among = nearest(images[: self._n], labels[: self._n], count)
        self._few = bool((self._among < count).any())
        self._away, self._towards, self._stream_of = away, towards, stream_of
        self._range = min(0, images.min(initial=0)), max(1, images.max(initial=1))

    def begin(self, epoch: int) -> None:
        """Start an epoch, from 0."""
        self._rng = self._stream_of(epoch)

    def __call__(self, images: Images, rows: Rows) -> Images:
        """The chosen ones of (n_cases, n_pixels) images, moved; bytes to bytes by rounding."""
        version, case = np.divmod(rows, self._n)
        among = self._among[case] if self._few else self._nearest.shape[1]
        drawn = self._rng.integers(among, size=len(rows))
        others = images[version * self._n + self._nearest[case, drawn]]
        share = self._rng.uniform(-self._away, self._towards, (len(rows), 1)).astype(np.float32)
        own = images[rows].astype(np.float32)
        moved: Images = own + share * (others - own)
        if images.dtype != np.uint8:
            return np.clip(moved, *self._range)
        return np.clip(np.rint(moved), 0, 255).astype(np.uint8)


def nearest(images: Images, labels: Labels, count: int) -> tuple[Rows, Rows]:
    """(n, count) rows of the cases of the same class that are nearest to each of n, in any order.

    By Euclidean distance of (n, n_pixels) images, which is exact if these are bytes. Of a class
    with fewer others these come first, again and again: how many there are is the second, (n,). Of
    one with none a case is its own neighbour.
    """
    found, among = np.empty((len(labels), count), np.intp), np.ones(len(labels), np.intp)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        n_others = len(rows) - 1
        if not n_others:
            found[rows] = rows
            continue
        among[rows] = min(count, n_others)
        own = rows[_nearest(images[rows], min(count, n_others))]
        found[rows] = np.resize(own.T, (count, len(rows))).T
    return found, among


def _nearest(images: Images, count: int) -> Rows:
    """`nearest` among cases of one class, of which there are more than `count`."""
    # Products of bytes less 128 sum up to whole numbers that float32 has.
    of_bytes = images.dtype == np.uint8
    few = of_bytes and images.shape[1] * 128**2 < _EXACT
    centred: NDArray[Any] = images.astype(np.float32 if few else np.float64)
    if of_bytes:
        centred -= 128
    sums, furthest = (np.int64, np.iinfo(np.int64).max) if of_bytes else (np.float64, np.inf)
    squares = (centred.astype(sums) ** 2).sum(axis=1)
    found = np.empty((len(images), count), np.intp)
    for some in batches(len(images), _BATCH):
        products = (centred[some] @ centred.T).astype(sums)
        distances = squares - 2 * products  # less the square of its own length
        own = np.arange(some.start, some.stop)
        distances[own - some.start, own] = furthest
        found[some] = np.argpartition(distances, count - 1, axis=1)[:, :count]
    return found
