"""Small random affine and elastic distortions, another one each time that an image is learned.

The chapter's "enlarging the training set by using small affine or elastic distortions of the
training images", as Simard, Steinkraus and Platt (2003) do it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hinton06 import native

_TRUNCATE = 4.0  # standard deviations, as SciPy's Gaussian filter

Field = NDArray[np.float32]
"""(n, 2, rows, columns): how far down and right of each pixel its value is taken from."""


class Distorter:
    """Distorts batches of images of one `shape`, (rows, columns), epoch by epoch.

    Every image moves by `affine` and by `elastic` pixels, in the mean over its pixels; `smoothing`
    is of `elastic_fields`. The random numbers of an epoch are those of `stream_of` its number, so
    that a run can go on after any of them.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        affine: float,
        elastic: float,
        smoothing: float,
        stream_of: Callable[[int], Generator],
    ) -> None:
        self._shape, self._affine, self._elastic = shape, affine, elastic
        self._smoothing, self._stream_of = smoothing, stream_of

    @cached_property
    def _blurs(self) -> tuple[Field, Field]:
        rows, columns = self._shape
        return blur(rows, self._smoothing), blur(columns, self._smoothing)

    def begin(self, epoch: int) -> None:
        """Start an epoch, from 0."""
        self._rng = self._stream_of(epoch)

    def __call__(self, images: NDArray[np.uint8], rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """The chosen ones of (n_cases, n_pixels) images, distorted."""
        chosen = images[rows].reshape(-1, *self._shape)
        field = np.zeros((len(chosen), 2, *self._shape), np.float32)
        if self._affine:
            field += of_mean_length(
                affine_fields(len(chosen), self._shape, self._rng), self._affine
            )
        if self._elastic:
            drawn = elastic_fields(len(chosen), self._blurs, self._rng)
            field += of_mean_length(drawn, self._elastic)
        return resampled(chosen, field).reshape(len(chosen), -1)


def blur(size: int, sd: float) -> Field:
    """(size, size): what a Gaussian of this standard deviation makes of numbers, times these.

    It ends where SciPy's `gaussian_filter` does; beyond the numbers there are zeros.
    """
    reach = int(_TRUNCATE * sd + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    kernel /= kernel.sum()
    away = np.arange(size)[:, np.newaxis] - np.arange(size)
    inside = np.abs(away) <= reach
    weights = np.where(inside, kernel[np.where(inside, away + reach, 0)], 0)
    return weights.astype(np.float32)


def elastic_fields(n: int, blurs: tuple[Field, Field], rng: Generator) -> Field:
    """Displacements drawn uniformly for each pixel alone, then smoothed by the blur of each axis.

    Source: Simard, Steinkraus and Platt (2003).
    """
    down, right = blurs
    drawn: Field = rng.random((n, 2, len(down), len(right)), dtype=np.float32)
    drawn *= 2
    drawn -= 1
    across = drawn.reshape(-1, len(right)) @ right.T
    turned = across.reshape(drawn.shape).swapaxes(2, 3).reshape(-1, len(down)) @ down.T
    smooth = turned.reshape(n, 2, len(right), len(down)).swapaxes(2, 3)
    return smooth.astype(np.float32, copy=False)


def affine_fields(n: int, shape: tuple[int, int], rng: Generator) -> Field:
    """Random turns, scalings and shears about the centre, and as much of random shifts."""
    drawn = rng.standard_normal((2 * n, 3), np.float32)
    return (drawn @ affine_basis(shape)).reshape(n, 2, *shape)


def affine_basis(shape: tuple[int, int]) -> Field:
    """(3, n_pixels): how far down and right of the centre each pixel is, over their mean, and 1."""
    rows, columns = (np.arange(size, dtype=np.float32) - (size - 1) / 2 for size in shape)
    places = np.stack(
        [*(axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))], dtype=np.float32
    )
    radius = max(np.sqrt((places**2).sum(axis=0).mean()), 1.0)
    return np.vstack([places / radius, np.ones((1, places.shape[1]))]).astype(np.float32)


def of_mean_length(field: Field, pixels: float) -> Field:
    """The same, each image's scaled so that its displacements are so long in the mean."""
    lengths = np.sqrt(field[:, 0] ** 2 + field[:, 1] ** 2).mean(axis=(1, 2))
    scales = np.float32(pixels) / np.maximum(lengths, np.float32(1e-30))
    scaled: Field = field * scales[:, np.newaxis, np.newaxis, np.newaxis]
    return scaled


def resampled(images: NDArray[np.uint8], field: Field) -> NDArray[np.uint8]:
    """(n, rows, columns) images whose pixels are taken from where a field says.

    Between pixels values are interpolated linearly, places being rounded to 1/256 of a pixel and
    values to bytes; outside the frame they are 0.
    """
    n, rows, columns = images.shape
    framed = np.zeros((n, rows + 3, columns + 3), np.uint8)  # so that each place has neighbours
    framed[:, 1:-2, 1:-2] = images
    out = np.empty_like(images)
    if not native.resample(framed, field, out):
        _resample(framed, field, out)
    return out


def _resample(framed: NDArray[np.uint8], field: Field, out: NDArray[np.uint8]) -> None:
    """As ``native.c``: the same numbers, since all are whole."""
    n, rows, columns = out.shape
    limits = np.float32(256 * (rows + 1)), np.float32(256 * (columns + 1))
    down, right = (
        np.clip(np.floor(field[:, axis] * np.float32(256) + np.float32(0.5)), -limit, limit)
        for axis, limit in enumerate(limits)
    )
    y = np.clip(down.astype(np.int32) + 256 * np.arange(rows)[:, np.newaxis], -256, 256 * rows)
    x = np.clip(right.astype(np.int32) + 256 * np.arange(columns), -256, 256 * columns)
    image, (top, left) = np.arange(n)[:, np.newaxis, np.newaxis], ((y >> 8) + 1, (x >> 8) + 1)
    y, x = y & 255, x & 255
    total = np.full(out.shape, 1 << 15, np.int64)
    for below, rows_share in ((0, 256 - y), (1, y)):
        for beside, columns_share in ((0, 256 - x), (1, x)):
            total += rows_share * columns_share * framed[image, top + below, left + beside]
    out[:] = total >> 16
