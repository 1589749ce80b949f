"""Images distorted anew each time that they are learned: ``distortion.Distorter`` of many nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinton06.distortion import affine_basis, blur
from hinton06.many.place import Draws, Place

_AFFINE = 6
"""Random numbers of an affine field: a matrix and a shift."""
_HALF_STEP = 2.0**-25
"""Half the spacing of the uniform numbers that are drawn, so that none is 0."""


class Distorted:
    """Distorts the batch of each net in place; `settings` say how far, each net's its own.

    `shape` is (rows, columns) of the images. A field is (nets, n, 2, rows, columns).
    """

    def __init__(
        self, place: Place, draws: Draws, settings: Sequence[Any], shape: tuple[int, int]
    ) -> None:
        self.place, self.draws, self.shape = place, draws, shape
        self._basis = place.put(affine_basis(shape))
        lengths = [(s.affine, s.elastic) for s in settings]
        self._lengths = place.put(np.array(lengths, np.float32))
        blurs = [np.stack([blur(size, s.smoothing) for s in settings]) for size in shape]
        self._down, self._right = map(place.put, blurs)

    @classmethod
    def of(
        cls, place: Place, draws: Draws | None, settings: Sequence[Any], shape: tuple[int, int]
    ) -> Distorted | None:
        """What settings ask for, if they do; ValueError if there are no draws for it then."""
        if not any(s.distortions for s in settings):
            return None
        if draws is None:
            raise ValueError("distortions are drawn")
        return cls(place, draws, settings, shape)

    def distort(self, data: Tensor) -> None:
        """(nets, n, n_pixels) numbers in [0, 1]; they are bytes, over 255, before and after."""
        n, n_pixels = data.shape[1:]
        drawn = self.place.loops.uniforms(self.draws, n, _AFFINE + 2 * n_pixels)
        self._resample(data, self._field(drawn))
        self.draws.tick()

    def _field(self, drawn: Tensor) -> Tensor:
        """Of (nets, n, 6 and 2 n_pixels) numbers in [0, 1)."""
        with self.place.exactly():
            affine = self._affine(drawn[:, :, :_AFFINE])
            elastic = self._elastic(drawn[:, :, _AFFINE:])
        for field, pixels in zip((affine, elastic), self._lengths.unbind(1), strict=True):
            length = field.square().sum(2).sqrt_().mean((2, 3))
            field.mul_((pixels[:, None] / length.clamp_(min=1e-30))[:, :, None, None, None])
        return affine.add_(elastic)

    def _affine(self, drawn: Tensor) -> Tensor:
        """``distortion.affine_fields``."""
        n_nets, n = drawn.shape[:2]
        normal = torch.special.ndtri(drawn.double() + _HALF_STEP).float()
        return (normal.reshape(n_nets, 2 * n, 3) @ self._basis).view(n_nets, n, 2, *self.shape)

    def _elastic(self, drawn: Tensor) -> Tensor:
        """``distortion.elastic_fields``."""
        n_nets, n = drawn.shape[:2]
        rows, columns = self.shape
        field = (drawn * 2 - 1).reshape(n_nets, 2 * n * rows, columns)
        across = torch.bmm(field, self._right.mT).view(n_nets, 2 * n, rows, columns)
        turned = across.mT.reshape(n_nets, 2 * n * columns, rows)
        smooth = torch.bmm(turned, self._down.mT).view(n_nets, n, 2, columns, rows)
        return smooth.mT.contiguous()

    def _resample(self, data: Tensor, field: Tensor) -> None:
        """``distortion.resampled``: the same numbers, since all are whole."""
        n_nets, n, n_pixels = data.shape
        rows, columns = self.shape
        framed = self.place.zeros(n_nets * n, rows + 3, columns + 3)
        images = data.reshape(n_nets * n, rows, columns)
        framed[:, 1:-2, 1:-2] = (images * 255).round_()
        down, right = (field[:, :, axis].reshape(n_nets * n, rows, columns) for axis in (0, 1))
        y = _places(down, torch.arange(rows, device=data.device)[:, None], rows)
        x = _places(right, torch.arange(columns, device=data.device), columns)
        corner = ((y >> 8) + 1) * (columns + 3) + (x >> 8) + 1
        y, x, pixels = y & 255, x & 255, framed.flatten(1)
        total = torch.full_like(data, 1 << 15)  # whole numbers below 2 ** 24 are exact
        for below, share in ((0, 256 - y), (1, y)):
            for beside, of_row in ((0, 256 - x), (1, x)):
                there = pixels.gather(1, (corner + below * (columns + 3) + beside).flatten(1))
                total += (there * (share * of_row).flatten(1)).view(n_nets, n, n_pixels)
        data.copy_(total.mul_(2.0**-16).floor_().mul_(1 / 255))

    def keep(self, places: Sequence[int]) -> None:
        """Go on with some of the nets."""
        chosen = self.place.put(np.array(places))
        self.draws.keep(places)
        self._lengths = self._lengths[chosen]
        self._down, self._right = self._down[chosen], self._right[chosen]

    def states(self) -> list[dict[str, Any]]:
        """Of each net, what `restore` needs."""
        return [{"distortions": state} for state in self.draws.states()]

    def restore(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from states of one epoch."""
        self.draws.restore([state["distortions"] for state in states])


def _places(moved: Tensor, own: Tensor, size: int) -> Tensor:
    """Where pixels are taken from along an axis, in 1/256 of a pixel, no farther than the frame."""
    limit = 256 * (size + 1)
    away = (moved * 256 + 0.5).floor_().clamp_(-limit, limit).long()
    return (away + 256 * own).clamp_(-256, 256 * size)
