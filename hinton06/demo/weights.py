"""A net in few bytes, as the page holds it: weights rounded to a byte each, then packed.

Not in the chapter.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinton06.models import DeepBeliefNet
from hinton06.numerics import Array

STEPS = (1 / 16, 1 / 8, 1 / 4)
"""How fine the weights are kept, in their own standard deviations; coarser where there are many."""

_LARGEST = 127
_BIASES = (
    "hid_rec_bias", "pen_rec_bias", "hid_gen_bias", "vis_gen_bias",
    "memory_visible_bias", "memory_hidden_bias",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Rounded:
    """A matrix of weights as bytes: each weight is its code times the step of its column.

    `codes` are (n_from, n_to), `steps` (n_to,), one for each unit that the weights lead to.
    """

    codes: NDArray[np.int8]
    steps: NDArray[np.float32]

    @property
    def weights(self) -> NDArray[np.float32]:
        """(n_from, n_to), each within half a step of what it was."""
        return self.codes * self.steps


def rounded(weights: Array, step: float) -> Rounded:
    """Weights rounded to multiples of `step` standard deviations, of a byte at most.

    So the step is a longer one where a unit's largest weight is more than 127 of these. Many small
    weights then have the same few codes, and pack to less than a byte.
    """
    least = max(step * float(weights.std()), float(np.finfo(np.float32).tiny))
    steps = np.maximum(abs(weights).max(axis=0) / _LARGEST, least).astype(np.float32)
    codes = np.clip(np.rint(weights / steps), -_LARGEST, _LARGEST).astype(np.int8)
    return Rounded(codes, steps)


@dataclass(frozen=True, eq=False)
class RoundedNet:
    """A net whose weights are rounded; `net` has those of `matrices`, and the biases it had.

    A net is `tied` where its generative weights are its recognition weights, the other way round,
    as greedy learning leaves them; they are then held once.
    """

    net: DeepBeliefNet
    matrices: dict[str, Rounded]
    tied: bool

    @classmethod
    def of(cls, net: DeepBeliefNet, step: float) -> RoundedNet:
        """The net with weights of `step` standard deviations."""
        tied = np.array_equal(net.vishid, net.hidvis.T) and np.array_equal(net.hidpen, net.penhid.T)
        names = ("vishid", "hidpen") if tied else ("vishid", "hidpen", "penhid", "hidvis")
        matrices = {name: rounded(getattr(net, name), step) for name in names}
        matrices["memory_weights"] = rounded(net.memory.weights, step)
        arrays = net.arrays() | {name: matrix.weights for name, matrix in matrices.items()}
        if tied:
            arrays["penhid"] = np.ascontiguousarray(arrays["hidpen"].T)
            arrays["hidvis"] = np.ascontiguousarray(arrays["vishid"].T)
        return cls(DeepBeliefNet.from_arrays(arrays), matrices, tied)

    @property
    def sizes(self) -> list[int]:
        """Units of vis, hid, pen, top and lab."""
        net, memory = self.net, self.net.memory
        return [net.n_pixels, net.vishid.shape[1], net.n_pen, memory.n_hidden, net.n_labels]

    def text(self) -> str:
        """Steps of every matrix and biases as little-endian float32, then the codes; `packed`."""
        arrays = self.net.parameters()
        floats = [matrix.steps for matrix in self.matrices.values()]
        floats += [arrays[name] for name in _BIASES]
        numbers = b"".join(array.astype("<f4").tobytes() for array in floats)
        return packed(numbers + b"".join(m.codes.tobytes() for m in self.matrices.values()))


def packed(content: bytes) -> str:
    """Bytes as text that a browser unpacks by itself: deflated (zlib), then base64."""
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")
