"""Which cases the next batch of each net is made of: ``backprop.CaseSampler`` of many nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinton06.backprop import CaseSampler
from hinton06.many.place import Draws, Place
from hinton06.numerics import epoch_order
from hinton06.recipes import BackpropSettings


class Samplers:
    """A sampler for each net; `draw` leaves a batch in `cases`, `rows`, `labels` and `factors`.

    `cases` count a net's own cases, `rows` the images; `all_rows` are (nets, n_cases). Without
    `settings` each sweep has every case once, as in the pretraining; with `classes` these are
    spread evenly over it (`numerics.epoch_order`).
    """

    def __init__(
        self,
        place: Place,
        draws: Draws,
        all_rows: Tensor,
        image_labels: Tensor,
        batch: int,
        settings: Sequence[BackpropSettings] = (),
        balanced: bool = False,
    ) -> None:
        n_nets, n_cases = all_rows.shape
        self.place, self._draws, self.batch = place, draws, batch
        self.all_rows, self.image_labels = all_rows.contiguous(), image_labels
        self.settings, self.balanced = list(settings), balanced
        self.sampled = any(s.importance_sampling for s in settings)
        self.samplers: list[CaseSampler] = []
        if place.on_card:
            self._on_card(n_nets, n_cases)
        else:
            plain = BackpropSettings(**_PLAIN)
            own = self.settings or [plain] * n_nets
            self.samplers = [
                CaseSampler(n_cases, s, rng) for s, rng in zip(own, draws.rngs, strict=True)
            ]
        self._make_batch()

    def _on_card(self, n_nets: int, n_cases: int) -> None:
        place, byte = self.place, torch.uint8
        self.easy = place.zeros(n_nets, n_cases, dtype=byte)
        capacity = n_cases + self.batch
        self.queue = place.zeros(n_nets, capacity, dtype=torch.int32)
        self.queue_factors = place.zeros(n_nets, capacity)
        # Of each net: where its queue begins and ends, and how many sweeps there have been.
        self.ends = place.zeros(n_nets, 3, dtype=torch.int64)
        self._set_limits()

    keys = property(lambda self: self._draws.keys)

    def _set_limits(self) -> None:
        """(nets, 2): the cost below which a case is easy, and an easy case's chance."""
        limits = [
            (s.easy_cost if s.importance_sampling else -1.0, s.easy_probability)
            for s in self.settings or [BackpropSettings(**_PLAIN)] * len(self.all_rows)
        ]
        self.limits = self.place.put(np.array(limits, np.float32))

    def _make_batch(self) -> None:
        place, n_nets = self.place, len(self.all_rows)
        self._cases, self._rows, self._labels = (
            place.zeros(n_nets, self.batch, dtype=torch.int64) for _ in range(3)
        )
        self._factors = place.zeros(n_nets, self.batch)
        self._narrow(self.batch)

    def _narrow(self, size: int) -> None:
        self.cases, self.rows = self._cases[:, :size], self._rows[:, :size]
        self.labels, self.factors = self._labels[:, :size], self._factors[:, :size]

    def begin_epoch(self) -> None:
        """Balanced sweeps are of whole epochs; others need nothing."""
        if not self.balanced:
            return
        if not self.place.on_card:
            for net, sampler in enumerate(self.samplers):
                classes = self.image_labels[self.all_rows[net]].numpy()
                sampler.queue = epoch_order(len(classes), self._draws.rngs[net], classes)
                sampler.queue_weights = np.ones(len(classes), np.float32)
            return
        n_cases = self.all_rows.shape[1]
        self.place.loops.sweep(self, n_cases)  # all of one sweep, now put into another order
        order = self.queue[:, :n_cases].long()
        classes = self.image_labels[self.all_rows.gather(1, order)]
        places = self.place.zeros(*order.shape, dtype=torch.float64)
        for label in classes.unique().tolist():
            own = classes == label
            rank = own.cumsum(1) - 1
            places = torch.where(own, (rank + 0.5) / own.sum(1, keepdim=True), places)
        chosen = places.argsort(stable=True, dim=1)
        self.queue[:, :n_cases] = order.gather(1, chosen).int()

    def draw(self, size: int) -> None:
        """The next cases of each net, no more than `batch`."""
        self._narrow(size)
        if self.place.on_card:
            self.place.loops.sweep(self, size)
            self.place.loops.batch(self, size)
            return
        drawn = [sampler.batch(size) for sampler in self.samplers]
        self.cases.copy_(torch.from_numpy(np.stack([rows for rows, _ in drawn])))
        self.factors.copy_(torch.from_numpy(np.stack([factors for _, factors in drawn])))
        self.rows.copy_(self.all_rows.gather(1, self.cases))
        self.labels.copy_(self.image_labels[self.rows])

    def note(self, costs: Tensor) -> None:
        """The (nets, n) costs of the batch that was drawn: which cases are easy now.

        On a card the kernel of the costs has noted it.
        """
        if not self.sampled or self.place.on_card:
            return
        for net, sampler in enumerate(self.samplers):
            if sampler._settings.importance_sampling:
                sampler.note(self.cases[net].numpy(), costs[net].numpy())

    def note_all(self, nets: Sequence[int], costs: Tensor) -> None:
        """The costs of all cases of some nets."""
        if not self.sampled:
            return
        if self.place.on_card:
            chosen = self.place.put(np.array(nets))
            self.easy[chosen] = (costs < self.limits[chosen, :1]).to(torch.uint8)
            return
        for net, own in zip(nets, costs, strict=True):
            if self.samplers[net]._settings.importance_sampling:
                self.samplers[net].note(slice(None), own.numpy())

    def easy_shares(self) -> list[float]:
        """Of each net's cases."""
        if self.place.on_card:
            return (self.easy.sum(1) / self.easy.shape[1]).tolist()  # type: ignore[no-any-return]
        return [float(sampler.easy.mean()) for sampler in self.samplers]

    def keep(self, places: Sequence[int]) -> None:
        """Go on with some of the nets, whose draws are kept already."""
        chosen = self.place.put(np.array(places))
        self.all_rows = self.all_rows[chosen].contiguous()
        self.settings = [self.settings[place] for place in places if self.settings]
        if self.place.on_card:
            for name in ("easy", "queue", "queue_factors", "ends", "limits"):
                setattr(self, name, getattr(self, name)[chosen].contiguous())
        else:
            self.samplers = [self.samplers[place] for place in places]
        self._make_batch()

    def states(self) -> list[dict[str, Any]]:
        """Of each net: which cases are easy, and which are selected already."""
        if not self.place.on_card:
            return [
                {
                    "easy": s.easy.astype(np.uint8),
                    "queue": s.queue,
                    "queue_weights": s.queue_weights,
                }
                for s in self.samplers
            ]
        easy, queue, factors, ends = (
            array.cpu().numpy() for array in (self.easy, self.queue, self.queue_factors, self.ends)
        )
        return [
            {
                "easy": easy[net].copy(), "queue": queue[net, begin:end].astype(np.int64),
                "queue_weights": factors[net, begin:end].copy(), "sweeps": int(sweeps),
            }
            for net, (begin, end, sweeps) in enumerate(ends)
        ]  # fmt: skip

    def restore(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from `states`."""
        for net, state in enumerate(states):
            if not self.place.on_card:
                sampler = self.samplers[net]
                sampler.easy[...] = state["easy"].astype(np.bool_)
                sampler.queue, sampler.queue_weights = state["queue"], state["queue_weights"]
                continue
            length = len(state["queue"])
            self.easy[net] = self.place.put(state["easy"])
            self.queue[net, :length] = self.place.put(state["queue"].astype(np.int32))
            self.queue_factors[net, :length] = self.place.put(state["queue_weights"])
            self.ends[net] = torch.tensor([0, length, int(state["sweeps"])])


_PLAIN: dict[str, Any] = {
    "optimiser": "momentum", "batch": 1, "rate": 0.0, "all_cases_rate": 0.0, "momentum": 0.0,
    "decay": 0.0, "line_searches": 1, "top_only_epochs": 0, "importance_sampling": False,
    "easy_cost": 0.0, "easy_probability": 1.0, "patience": 0, "max_epochs": 1,
    "initial_scale": 0.0,
}  # fmt: skip
