"""Images moved along the way to near ones: ``neighbours.Neighbours`` of many nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from hinton06.many.place import Draws, Place
from hinton06.many.sampling import Samplers
from hinton06.neighbours import nearest


class Near:
    """Moves the batch of each net in place; what is near is found once for each set of cases.

    `settings`, of as many neighbours all, say how far; `rows` are (nets, n_cases) of the images, in
    as many `versions` one after the other, of which the first says which are near.
    """

    def __init__(
        self,
        place: Place,
        draws: Draws,
        settings: Sequence[Any],
        images: Tensor,
        labels: Tensor,
        rows: Tensor,
        versions: int,
    ) -> None:
        self.place, self.draws, self._images = place, draws, images
        (count,) = {s.neighbours for s in settings}
        self._n = rows.shape[1] // versions
        found: dict[bytes, Any] = {}
        keys = []
        for own in rows[:, : self._n]:
            keys.append(own.cpu().numpy().tobytes())
            if keys[-1] not in found:
                known = images[own].cpu().numpy(), labels[own].cpu().numpy()
                found[keys[-1]] = nearest(*known, count)
        tables, among = zip(*(found[key] for key in keys), strict=True)
        self._nearest = place.put(np.stack(tables).astype(np.int32))
        self._among = place.put(np.stack(among))
        ends = [(-s.neighbour_away, s.neighbour_towards) for s in settings]
        self._ends = place.put(np.array(ends, np.float32))

    @classmethod
    def of(
        cls, place: Place, draws: Draws | None, settings: Sequence[Any], *more: Any
    ) -> Near | None:
        """What settings ask for, if they do; ValueError if there are no draws for it then."""
        if not any(s.neighbours for s in settings):
            return None
        if draws is None:
            raise ValueError("neighbours are drawn")
        return cls(place, draws, settings, *more)

    def move(self, data: Tensor, samplers: Samplers) -> None:
        """Of (nets, n, n_pixels) numbers in [0, 1], the images of the batch of `samplers`."""
        loops, count = self.place.loops, self._nearest.shape[2]
        drawn = loops.uniforms(self.draws, data.shape[1], 2)
        case = samplers.cases % self._n
        among = self._among.gather(1, case)
        which = (drawn[:, :, 0] * among).long().minimum(among - 1)  # a product may round up
        near = self._nearest.gather(1, case[:, :, None].expand(-1, -1, count))
        near = near.gather(2, which[:, :, None])[:, :, 0].long()
        others = self.place.empty(*data.shape)
        rows = samplers.all_rows.gather(1, samplers.cases - case + near)
        loops.take(self._images, rows, others)
        low, high = self._ends[:, None, :1], self._ends[:, None, 1:]
        share = low + drawn[:, :, 1:] * (high - low)
        for values in (data, others):  # bytes again, exactly
            values.mul_(255).round_()
        data.add_(others.sub_(data).mul_(share)).round_().clamp_(0, 255).mul_(1 / 255)
        self.draws.tick()

    def keep(self, places: Sequence[int]) -> None:
        """Go on with some of the nets."""
        chosen = self.place.put(np.array(places))
        self.draws.keep(places)
        self._nearest, self._among = self._nearest[chosen], self._among[chosen]
        self._ends = self._ends[chosen]

    def states(self) -> list[dict[str, Any]]:
        """Of each net, what `restore` needs."""
        return [{"moves": state} for state in self.draws.states()]

    def restore(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from states of one epoch."""
        self.draws.restore([state["moves"] for state in states])
