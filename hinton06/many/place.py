"""Where a group of nets learns: a device, what is computed there between products, and draws.

Arrays of a group have the nets as their first axis.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinton06.cases import random_stream
from hinton06.many import plain
from hinton06.training import RunError

DEVICES = ("cuda", "cpu")
_WARM = 2
"""Updates before the work of one is recorded, to be replayed."""


class Place:
    """A device of PyTorch: ``"cuda"`` for the first graphics card, or ``"cpu"``.

    Products are TF32 on a card, but those of measurements (`exactly`); so many `threads` compute on
    the processor. RunError without a card.
    """

    def __init__(self, name: str, threads: int = 1) -> None:
        if name == "cuda" and not torch.cuda.is_available():
            raise RunError("PyTorch finds no graphics card here; --device cpu does without")
        self.on_card = self.records = name == "cuda"
        self.device, self._threads = torch.device(name), threads
        self.loops: Any = plain
        if self.on_card:
            from hinton06.many import fused  # noqa: PLC0415  # Triton is for cards alone

            self.loops = fused

    @property
    def name(self) -> str:
        """What a lineage calls it."""
        return torch.cuda.get_device_name(self.device) if self.on_card else "cpu"

    def described(self) -> dict[str, str]:
        """What a provenance adds."""
        products = "TF32" if self.on_card else "float32"
        return {"device": self.name, "torch": torch.__version__, "products": products}

    def memory(self) -> int:
        """Bytes that are free."""
        if self.on_card:
            return int(torch.cuda.mem_get_info(self.device)[0])
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")

    @contextmanager
    def used(self) -> Iterator[None]:
        """Compute in a block; PyTorch's own settings are as before after it."""
        with torch.inference_mode(), _products("high" if self.on_card else "highest"):
            if not self.records:
                before = torch.get_num_threads()
                torch.set_num_threads(self._threads)
                try:
                    yield
                finally:
                    torch.set_num_threads(before)
                return
            with torch.cuda.stream(torch.cuda.Stream(self.device)):  # one that can be recorded
                yield

    def exactly(self) -> AbstractContextManager[None]:
        """Products in float32 within a block."""
        return _products("highest")

    def put(self, array: Any, dtype: Any = None) -> Tensor:
        """An array there."""
        return torch.tensor(np.asarray(array), dtype=dtype, device=self.device)

    def zeros(self, *shape: int, dtype: Any = torch.float32) -> Tensor:
        """An array of zeros there."""
        return torch.zeros(shape, dtype=dtype, device=self.device)

    def empty(self, *shape: int, dtype: Any = torch.float32) -> Tensor:
        """An array there, of whatever was in its memory."""
        return torch.empty(shape, dtype=dtype, device=self.device)

    def stacked(self, make: Callable[[int], Any], n_nets: int) -> Tensor:
        """What is made for each net, side by side in threads, as one array there."""
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            parts = list(pool.map(make, range(n_nets)))
        together = self.empty(n_nets, *parts[0].shape)
        for net, part in enumerate(parts):
            together[net].copy_(torch.from_numpy(np.ascontiguousarray(part)))
        return together

    def release(self) -> None:
        """Give memory back that nobody uses."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


@contextmanager
def _products(precision: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def label_directions(inputs: Tensor, labels: Tensor) -> Tensor:
    """``numerics.label_directions`` of (nets, n, classes) log probabilities, or softmax inputs."""
    places = labels.long()[:, :, None]
    others = inputs.scatter(2, places, -float("inf"))
    directions = (others - others.amax(2, keepdim=True)).exp_().neg_()
    return directions.scatter_(2, places, -directions.sum(2, keepdim=True))


def step_along(cases: Tensor, directions: Tensor, lengths: Tensor) -> None:
    """``numerics.step_along`` of (nets, n, units) cases, in place, by each net's length."""
    largest = directions.abs().amax(2, keepdim=True)
    nothing = largest < torch.finfo(cases.dtype).tiny
    unit = directions / largest.masked_fill(nothing, float("inf"))
    lengths_now = unit.square().sum(2, keepdim=True).sqrt_().clamp_(min=1)
    cases.add_(unit.mul_(lengths[:, None, None]).div_(lengths_now))


class Updates:
    """Calls the same update again and again; on a card it is recorded once and then replayed."""

    def __init__(self, place: Place, update: Callable[[int], None], size: int) -> None:
        self._place, self._update, self._size = place, update, size
        self._graph: Any = None
        self._calls = 0

    def __call__(self, size: int) -> None:
        """One update from so many cases of each net."""
        if not self._place.records or size != self._size or self._calls < _WARM:
            self._calls += size == self._size
            self._update(size)
            return
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            self._graph.capture_begin(capture_error_mode="thread_local")
            self._update(size)
            self._graph.capture_end()
        self._graph.replay()


class Draws:
    """Random numbers of each net's own, whatever other nets learn beside it.

    On the processor `random_stream`'s generators, as the package's learners have; on a card a
    function of the net's key, the number of the update (`clock`), the use and the place. A stream
    is what `random_stream` takes.
    """

    def __init__(self, place: Place, streams: Sequence[tuple[Any, ...]]) -> None:
        self._place = place
        self.rngs = [random_stream(*stream) for stream in streams]
        self.clock = place.zeros(1, dtype=torch.int64)
        self.keys = self.clock
        if place.on_card:
            keys = [random_stream(*s).integers(1 << 63, dtype=np.int64) for s in streams]
            self.keys = place.put(np.array(keys))

    def tick(self) -> None:
        """An update ends."""
        self.clock.add_(1)

    def uniforms(self, n: int, n_units: int) -> Tensor:
        """(nets, n, n_units) numbers in [0, 1), on the processor."""
        parts = [rng.random((n, n_units), np.float32) for rng in self.rngs]
        return torch.from_numpy(np.stack(parts))

    def states(self) -> list[dict[str, Any]]:
        """Of each net, what `restore` needs."""
        time = int(self.clock)
        return [{"clock": time, "rng": rng.bit_generator.state} for rng in self.rngs]

    def restore(self, states: Sequence[dict[str, Any]]) -> None:
        """Go on from states of the same number of updates."""
        self.clock.fill_(int(states[0]["clock"]))
        for rng, state in zip(self.rngs, states, strict=True):
            rng.bit_generator.state = state["rng"]

    def keep(self, places: Sequence[int]) -> None:
        """Go on with some of the nets."""
        self.rngs = [self.rngs[place] for place in places]
        if self._place.on_card:
            self.keys = self.keys[self._place.put(np.array(places))].contiguous()
