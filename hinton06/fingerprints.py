"""Feature detectors that "look more like fingerprints", counted by what the chapter says of them.

They "encode the phase and amplitude of high-frequency fourier components of a large part of the
whole image", and "tend to turn on about half the time": "Learning one layer of feature detectors".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinton06 import numerics
from hinton06.evaluation import EVERY_CASE, parts_of
from hinton06.loading import Context, RunFile, load
from hinton06.numerics import Array
from hinton06.training import RunError

HALF = 1 / 4, 3 / 4
"""On for a share of the cases between these, a feature is nearer to half the time than to never, or
to always."""

SPREAD = 1 / 2
"""A `spread` from here on is that of equal weights on half of the image: "a large part"."""

_BATCH = 1000

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Features:
    """What was measured of each feature of a file's `layer`, from 1, on so many `cases` of a part.

    `activities` are mean probabilities of being on, `spreads` as of `spread`: (n_features,).
    """

    file: RunFile
    layer: int
    part: str
    cases: int
    activities: Floats
    spreads: Floats

    @property
    def half(self) -> NDArray[np.bool_]:
        """Which are on about half the time."""
        low, high = HALF
        return (low <= self.activities) & (self.activities <= high)

    @property
    def spread(self) -> NDArray[np.bool_]:
        """Which are spread over the image."""
        return self.spreads >= SPREAD

    @property
    def fingerprints(self) -> NDArray[np.bool_]:
        """Which are both."""
        return self.half & self.spread


def spread(fields: Array, variances: Array) -> Floats:
    """Over what share of the image receptive fields extend: (n_features,) numbers in [0, 1].

    `fields` are (n_pixels, n_features), `variances` those of the pixels over images, which weigh
    them: what never changes tells nothing. The squared mean of a weight's size over the mean of
    its square: of equal sizes on a share of the image, and 0 elsewhere, that share. Of a wave over
    the whole image it is 8 / pi^2, of independent normal weights 2 / pi. 0 where nothing weighs.

    Source: assumed, see docs/assumptions.md; the measure is that of E. T. Rolls and A. Treves, "The
    relative sparseness of neuronal encoding for multiple stimuli", Network 1, 1990.
    """
    sizes, weights = np.abs(fields, dtype=np.float64), np.asarray(variances, np.float64)
    squares = weights.sum() * (weights @ sizes**2)
    found = np.zeros(sizes.shape[1])
    np.divide((weights @ sizes) ** 2, squares, out=found, where=squares > 0)
    return found


def measure(
    context: Context, paths: Sequence[Path], layers: Sequence[int] = (1,)
) -> list[Features]:
    """Measure the features of some layers of nets, on their training cases, or on other images.

    Those of higher layers are seen through the layers below, as in Figure 3. Files that are not
    finished are measured as they are. Raises `CheckpointError` or `RunError`, before anything is
    measured, if a file cannot be read, does not fit the data or has no such layer.
    """
    files = [load(path) for path in paths]
    parts = []
    for file in files:
        file.check_pixels(context.digits)
        n_layers = len(file.kind.up(file.learned))
        for layer in layers:
            if layer > n_layers:
                raise RunError(f"{file.path}: has layers 1 to {n_layers}, not {layer}")
        every = parts_of(file, context.digits, EVERY_CASE)
        parts.append(next(iter(every.items())))  # of other data nobody can say what was learned
    found = []
    for file, (part, cases) in zip(files, parts, strict=True):
        up = file.kind.up(file.learned)[: max(layers)]
        with context.shown(f"fingerprints {file.path.name}", len(cases)) as tick:
            variances, means = _over(cases.images, up, tick)
        for layer in dict.fromkeys(layers):
            n = len(means[layer - 1])
            fields = file.kind.fields(file.learned, layer, np.arange(n))
            spreads = spread(fields, variances)
            found.append(Features(file, layer, part, len(cases), means[layer - 1], spreads))
            if not (np.isfinite(means[layer - 1]).all() and np.isfinite(spreads).all()):
                raise RunError(f"{file.path}: weights so large that activities are no numbers")
    return found


def _over(images: NDArray[Any], up: Sequence[Any], tick: Any) -> tuple[Floats, list[Floats]]:
    """Each pixel's variance over images, and the mean probabilities of each layer's features."""
    n, n_pixels = images.shape
    sums, squares = np.zeros(n_pixels), np.zeros(n_pixels)
    totals = [np.zeros(len(bias)) for _, bias in up]
    for rows, batch in numerics.batches_taken(images, _BATCH, np.float32):
        sums += batch.sum(axis=0, dtype=np.float64)
        squares += np.einsum("ni,ni->i", batch, batch, dtype=np.float64)
        probs = batch
        for number, (weights, bias) in enumerate(up):
            probs = numerics.firing_probs(probs, weights, bias)
            totals[number] += probs.sum(axis=0, dtype=np.float64)
        tick(float(rows.stop - rows.start))
    means = sums / n
    return np.maximum(squares / n - means**2, 0), [total / n for total in totals]
