"""Test digits drawn as people might have: large, in colours, on paper, by a pen. In plain NumPy."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Bytes: TypeAlias = NDArray[np.uint8]
Draw: TypeAlias = Callable[[Bytes, np.random.Generator], Any]


def enlarged(image: Bytes, times: int, smooth: bool = False) -> Bytes:
    """Each pixel as a square, or with smooth edges between."""
    if not smooth:
        return image.repeat(times, axis=0).repeat(times, axis=1)
    size = (image.shape[1] * times, image.shape[0] * times)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def in_colour(image: Bytes, rng: np.random.Generator) -> Bytes:
    """Ink and ground of random colours that differ by a third of black and white."""
    while True:
        ink, ground = rng.random((2, 3))
        if np.sqrt(np.mean((ink - ground) ** 2)) > 1 / 3:
            share = enlarged(image, 5)[:, :, np.newaxis] / 255
            return np.rint(255 * (share * ink + (1 - share) * ground)).astype(np.uint8)


def transparent(image: Bytes, rng: np.random.Generator) -> Bytes:
    """Ink of some colour, dark or light, on nothing."""
    colour = [(0, 0, 0), (255, 255, 255), (200, 30, 40), (250, 240, 60)][rng.integers(4)]
    opacity = enlarged(image, 5)
    return np.dstack([*(np.full_like(opacity, level) for level in colour), opacity])


def moved(image: Bytes, rng: np.random.Generator) -> Bytes:
    """Somewhere on a larger sheet, dark on light."""
    ink = enlarged(image, 4)
    return 255 - np.pad(ink, rng.integers(0, 150, (2, 2)))


def photographed(image: Bytes, rng: np.random.Generator) -> Bytes:
    """On paper that light falls on unevenly, with a soft shadow, noise, and JPEG's traces."""
    ink = np.pad(enlarged(image, 6, smooth=True) / 255, rng.integers(12, 100, (2, 2)))
    y, x = (np.linspace(-1, 1, size) for size in ink.shape)
    light = 0.9 - 0.1 * np.add.outer(rng.random() * y**2, rng.random() * x)
    turn = rng.uniform(0, 2 * np.pi)
    edge = np.add.outer(np.cos(turn) * y, np.sin(turn) * x) + rng.uniform(-0.5, 0.5)
    light -= 0.3 / (1 + np.exp(-8 * edge))
    levels = light[:, :, np.newaxis] * (1 - ink[:, :, np.newaxis] * [0.8, 0.75, 0.5])
    levels += rng.normal(0, 0.02, levels.shape)
    written = io.BytesIO()
    Image.fromarray(np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8)).save(
        written, "JPEG", quality=70
    )
    return np.asarray(Image.open(written))


def by_a_fine_pen(image: Bytes, _rng: np.random.Generator) -> Bytes:
    """A line of 3 pixels along the middle of the strokes, of 200 pixels for the digit."""
    line = thinned(enlarged(image, 10, smooth=True) > 110)
    return np.where(ndimage.binary_dilation(line, np.ones((3, 3))), 0, 255).astype(np.uint8)


def thinned(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Ink peeled off from all sides until lines are left: Zhang and Suen (1984)."""
    left = np.pad(ink, 1).astype(np.int8)
    while True:
        before = left.sum()
        for one, other in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            ring = [np.roll(left, step, (0, 1)) for step in _AROUND]
            count = sum(ring)
            rises = sum((1 - a) * b for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))
            ends = [ring[a] * ring[b] * ring[c] == 0 for a, b, c in (one, other)]
            left = left * ~((count >= 2) & (count <= 6) & (rises == 1) & ends[0] & ends[1])
        if left.sum() == before:
            return left[1:-1, 1:-1].astype(np.bool_)


_AROUND = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))

WAYS: Mapping[str, Draw] = {
    "as it is": lambda image, _rng: image,
    "5 times as large": lambda image, _rng: enlarged(image, 5),
    "the same, dark on light": lambda image, _rng: 255 - enlarged(image, 5),
    "somewhere on a larger sheet": moved,
    "in two colours": in_colour,
    "in one colour on a transparent ground": transparent,
    "5 times as large, with smooth edges": lambda image, _rng: enlarged(image, 5, smooth=True),
    "on paper, photographed": photographed,
    "by a pen of a 70th of its height": by_a_fine_pen,
}
"""Ways to draw a digit, as docs/commands.md names them."""
