"""Classifiers, a group at once: ``backprop.DiscriminativeFineTuning``, each net to its own end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinton06.backprop import DiscriminativeFineTuning
from hinton06.dropout import chances
from hinton06.finetuning import Selected
from hinton06.many.distorted import Distorted
from hinton06.many.near import Near
from hinton06.many.place import Draws, Place, Updates, label_directions, step_along
from hinton06.many.rbms import steps_of
from hinton06.many.sampling import Samplers
from hinton06.models import Classifier
from hinton06.numerics import batches
from hinton06.recipes import BackpropSettings
from hinton06.recognition import Score
from hinton06.updates import Step

_CHUNK = 1000
"""Cases of each net that are measured at a time."""


class Course(DiscriminativeFineTuning):
    """What one net's epochs have measured, and the rules that say when it is done; no net."""

    def __init__(self, n_cases: int, settings: BackpropSettings, target: float | None) -> None:
        self.epoch, self.settings, self._target = 0, settings, target
        self.selected = Selected(0, Score(n_cases, n_cases, float("inf")))
        self.valid_costs, self.valid_errors, self.train_costs = [], [], []


@dataclass
class Nets:
    """Weights (nets, n_in, n_out) and biases (nets, n_out) of each layer, bottom to top."""

    weights: list[Tensor]
    biases: list[Tensor]

    def of(self, places: Tensor) -> Nets:
        """Copies of some of them."""
        chosen = ([a[places].contiguous() for a in own] for own in (self.weights, self.biases))
        return Nets(*chosen)

    def arrays(self) -> dict[str, Tensor]:
        """By the names of a `Classifier`."""
        parts = {"weights": self.weights, "biases": self.biases}
        return {f"{part}{i}": a for part, own in parts.items() for i, a in enumerate(own, 1)}

    def models(self) -> list[Classifier]:
        """Each of them."""
        weights, biases = ([a.cpu().numpy() for a in own] for own in (self.weights, self.biases))
        return [
            Classifier(tuple(w[net].copy() for w in weights), tuple(b[net].copy() for b in biases))
            for net in range(len(weights[0]))
        ]


def gathered(place: Place, models: Sequence[Classifier]) -> Nets:
    """Classifiers of equal sizes as one group."""
    parts = [[m.weights for m in models], [m.biases for m in models]]
    return Nets(*([place.put(np.stack(layer)) for layer in zip(*p, strict=True)] for p in parts))


def log_probs(place: Place, nets: Nets, images: Tensor, rows: Tensor) -> Tensor:
    """Log p(class | image) of (nets, n) rows of the images, in nats, products in float32."""
    n_nets, n_cases = rows.shape
    found = place.empty(n_nets, n_cases, nets.weights[-1].shape[2])
    with place.exactly():
        for some in batches(n_cases, _CHUNK):
            own = rows[:, some].contiguous()
            data = place.empty(*own.shape, images.shape[1])
            place.loops.take(images, own, data)
            for weights, bias in zip(nets.weights[:-1], nets.biases[:-1], strict=True):
                data = torch.bmm(data, weights)
                place.loops.squash(data, bias)
            inputs = torch.bmm(data, nets.weights[-1]) + nets.biases[-1][:, None]
            found[:, some] = torch.log_softmax(inputs, 2)
    return found


def case_costs(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """(nets, n), in nats: as ``recognition.case_costs``."""
    return -log_probabilities.gather(2, labels.long()[:, :, None])[:, :, 0]


def scores(log_probabilities: Tensor, labels: Tensor) -> list[Score]:
    """Of each net: as ``recognition.score``."""
    costs = case_costs(log_probabilities, labels).mean(1, dtype=torch.float64)
    errors = (log_probabilities.argmax(2) != labels).sum(1)
    pairs = zip(errors.tolist(), costs.tolist(), strict=True)
    return [Score(labels.shape[1], count, 100 * cost) for count, cost in pairs]


class Classifiers:
    """A group that learns until each net's rule stops it; those that are done leave by `keep`.

    `rows` are (nets, n_cases) images to learn, `valid` those that validate; without, each net has a
    cost in `targets` to reach. `rate_shares` are (nets, layers) factors of the rate; `masks` draw
    what dropout leaves out, `moves` where images go that are moved to near ones, in all nets if in
    one; `rows` are in so many `versions` then, one after the other; `distortions` draw how images
    of a `shape` are distorted.
    """

    def __init__(
        self,
        place: Place,
        draws: Draws,
        settings: Sequence[BackpropSettings],
        nets: Nets,
        images: Tensor,
        labels: Tensor,
        rows: Tensor,
        valid: Tensor | None = None,
        targets: Sequence[float] | None = None,
        rate_shares: Any = None,
        masks: Draws | None = None,
        moves: Draws | None = None,
        versions: int = 1,
        distortions: Draws | None = None,
        shape: tuple[int, int] = (1, 1),
    ) -> None:
        n_nets, n_cases = rows.shape
        self.place, self.draws, self.nets = place, draws, nets
        self._near = Near.of(place, moves, settings, images, labels, rows, versions)
        self._distorted = Distorted.of(place, distortions, settings, shape)
        self._images, self._labels, self._valid = images, labels, valid
        wanted: Sequence[float | None] = targets or [None] * n_nets
        self.courses = [Course(n_cases, *own) for own in zip(settings, wanted, strict=True)]
        self.batch = min(settings[0].batch, n_cases)
        self.samplers = Samplers(place, draws, rows, labels, self.batch, settings)
        self.velocities = Nets(
            [torch.zeros_like(w) for w in nets.weights], [torch.zeros_like(b) for b in nets.biases]
        )
        self.best = nets.of(torch.arange(n_nets, device=place.device))
        self._shares = np.ones((n_nets, len(nets.weights))) if rate_shares is None else rate_shares
        self._steps = [place.zeros(n_nets, 3) for _ in nets.weights]
        self.masks = masks if any(s.dropout for s in settings) else None
        kept = [chances(s, len(nets.weights) - 1) for s in settings]
        self._keep = place.put(np.array(kept, np.float32)).T.contiguous()  # (layers, nets)
        self._max_norm = place.put(np.array([s.max_norm for s in settings], np.float32))
        self._limited = any(s.max_norm for s in settings)
        self._set_steps()
        self._lengths = place.put(np.array([s.adversarial for s in settings], np.float32))
        self._moves = any(s.adversarial for s in settings)
        self._make_buffers()

    def _set_steps(self) -> None:
        """Those of the next epoch."""
        for layer, step in enumerate(self._steps):
            own = [
                Step(course.rate() * float(share), course.settings.momentum, course.settings.decay)
                for course, share in zip(self.courses, self._shares[:, layer], strict=True)
            ]
            step.copy_(steps_of(self.place, own))

    @property
    def n_nets(self) -> int:
        """How many nets are learning."""
        return len(self.courses)

    def _make_buffers(self) -> None:
        place, shape = self.place, (self.n_nets, self.batch)
        sizes = [w.shape[1] for w in self.nets.weights] + [self.nets.weights[-1].shape[2]]
        self._layers = [place.zeros(*shape, size) for size in sizes[:-1]]
        self._deltas = [place.zeros(*shape, size) for size in sizes[1:]]
        self._costs, self._sums = place.zeros(*shape), place.zeros(self.n_nets, 2)
        self._update = Updates(place, self.learn, self.batch)

    def learn(self, n: int) -> None:
        """One update of each net from n sampled cases: ``Backpropagation.learn``."""
        loops, nets, speed, steps = self.place.loops, self.nets, self.velocities, self._steps
        samplers, top = self.samplers, len(nets.weights) - 1
        layers = [buffer[:, :n] for buffer in self._layers]
        deltas = [buffer[:, :n] for buffer in self._deltas]
        samplers.draw(n)
        loops.take(self._images, samplers.rows, layers[0])
        if self._near:
            self._near.move(layers[0], samplers)
        if self._distorted:
            self._distorted.distort(layers[0])
        if self._moves:
            self._move(layers[0])
        self._drop(0, layers[0])
        for number in range(top):
            torch.bmm(layers[number], nets.weights[number], out=layers[number + 1])
            loops.squash(layers[number + 1], nets.biases[number])
            self._drop(number + 1, layers[number + 1])
        torch.bmm(layers[top], nets.weights[top], out=deltas[top])
        loops.label_errors(
            deltas[top], nets.biases[top], speed.biases[top], steps[top], samplers,
            self._costs[:, :n], self._sums,
        )  # fmt: skip
        samplers.note(self._costs[:, :n])
        for number in range(top, -1, -1):
            weights, velocity = nets.weights[number], speed.weights[number]
            if number:
                torch.bmm(deltas[number], weights.mT, out=deltas[number - 1])
                loops.slope(
                    deltas[number - 1], layers[number], nets.biases[number - 1],
                    speed.biases[number - 1], steps[number - 1],
                    self._keep[number] if self.masks else None,
                )  # fmt: skip
            loops.grow(layers[number], deltas[number], n, weights, velocity, steps[number])
            if self._limited and number < top:
                loops.limit(weights, self._max_norm)
        self.draws.tick()
        if self.masks:
            self.masks.tick()

    def _move(self, images: Tensor) -> None:
        """``Backpropagation._move``: adversarial training."""
        nets, loops, units = self.nets, self.place.loops, [images]
        for weights, bias in zip(nets.weights[:-1], nets.biases[:-1], strict=True):
            units.append(torch.bmm(units[-1], weights))
            loops.squash(units[-1], bias)
        inputs = torch.baddbmm(nets.biases[-1][:, None], units[-1], nets.weights[-1])
        delta = label_directions(inputs, self.samplers.labels)
        for number in range(len(nets.weights) - 1, -1, -1):
            delta = torch.bmm(delta, nets.weights[number].mT)
            if number:
                delta.mul_(units[number]).mul_(1 - units[number])
        step_along(images, delta, -self._lengths)

    def _drop(self, layer: int, values: Tensor) -> None:
        if self.masks:
            self.place.loops.drop(values, self._keep[layer], self.masks, layer)

    def work_of_epoch(self) -> float:
        """Multiply-adds of an epoch, of all nets, as ``DiscriminativeFineTuning`` counts them."""
        rows = self.samplers.all_rows
        passes = max(course.settings.passes for course in self.courses)
        return float(passes) * sum(int(w[0].numel()) for w in self.nets.weights) * int(rows.numel())

    def work_left(self) -> float:
        """Multiply-adds that are expected: see ``DiscriminativeFineTuning.expected_epochs``."""
        left = [c.expected_epochs() - c.epoch for c in self.courses if not c.finished()]
        return self.work_of_epoch() / max(1, self.n_nets) * sum(left)

    def run_epoch(self, tick: Callable[[float], None]) -> list[dict[str, float]]:
        """One epoch of all nets, then the measurements: ``FineTuning.run_epoch`` of each."""
        n_cases, work = self.samplers.all_rows.shape[1], self.work_of_epoch()
        self._sums.zero_()
        self._set_steps()
        for batch in batches(n_cases, self.batch):
            self._update(batch.stop - batch.start)
            tick(work * (batch.stop - batch.start) / n_cases)
        sums, shares = self._sums.tolist(), self.samplers.easy_shares()
        rows = [
            {"sampled_cost": 100 * total / weight, "easy_share": share}
            for (total, weight), share in zip(sums, shares, strict=True)
        ]
        for course, row in zip(self.courses, rows, strict=True):
            if course.settings.dropout or course.settings.epochs:
                row["rate"] = course.rate()
            course.epoch += 1
        better = list(range(self.n_nets))
        if self._valid is not None:
            better = self._validate(rows)
        if better:
            self._measure(better, rows)
        return rows

    def _validate(self, rows: list[dict[str, float]]) -> list[int]:
        """What validation says of nets whose turn it is; those that never made so few errors."""
        assert self._valid is not None
        asked = [net for net, course in enumerate(self.courses) if course.validates()]
        if not asked:
            return []
        found = self.valid_scores(self._some(asked), asked)
        return [
            net
            for net, valid in zip(asked, found, strict=True)
            if self.courses[net].validated(valid, {}, rows[net])
        ]

    def _measure(self, better: Sequence[int], rows: list[dict[str, float]]) -> None:
        """Some nets on the cases that they learn; they are selected."""
        chosen = self.place.put(np.array(better))
        nets, own = self._some(better), self.samplers.all_rows[chosen]
        asked = self._log_probs(nets, own)
        labels = self._labels[own]
        self.samplers.note_all(better, case_costs(asked, labels))
        for net, train in zip(better, scores(asked, labels), strict=True):
            self.courses[net].select(train, rows[net])
        for mine, theirs in zip(_each(self.best), _each(nets), strict=True):
            mine[chosen] = theirs

    def _some(self, places: Sequence[int]) -> Nets:
        """Nets at these places; those that learn themselves, if all of them."""
        if len(places) == self.n_nets:
            return self.nets
        return self.nets.of(self.place.put(np.array(places, np.int64)))

    def _log_probs(self, nets: Nets, rows: Tensor) -> Tensor:
        return log_probs(self.place, nets, self._images, rows)

    def finite(self) -> list[bool]:
        """Of each net: whether its numbers are finite."""
        sums = [array.flatten(1).sum(1) for array in _each(self.nets)]
        return torch.isfinite(torch.stack(sums)).all(0).tolist()  # type: ignore[no-any-return]

    def done(self) -> list[int]:
        """The places of the nets whose learning is over."""
        return [net for net, course in enumerate(self.courses) if course.finished()]

    def results(self, places: Sequence[int]) -> Nets:
        """What these nets end with: of the fewest validation errors, or the last ones."""
        chosen = self.place.put(np.array(places))
        return self.best.of(chosen)

    def valid_scores(self, nets: Nets, places: Sequence[int]) -> list[Score]:
        """Of results, on the validation cases."""
        assert self._valid is not None
        rows = self._valid[self.place.put(np.array(places))]
        return scores(self._log_probs(nets, rows), self._labels[rows])

    def keep(self, places: Sequence[int]) -> None:
        """Go on with some of the nets."""
        chosen = self.place.put(np.array(places))
        self.courses = [self.courses[place] for place in places]
        self.draws.keep(places)
        self.samplers.keep(places)
        self.nets, self.best = self.nets.of(chosen), self.best.of(chosen)
        self.velocities = self.velocities.of(chosen)
        self._steps = [step[chosen].contiguous() for step in self._steps]
        self._shares = self._shares[list(places)]
        self._keep = self._keep[:, chosen].contiguous()
        self._max_norm = self._max_norm[chosen].contiguous()
        self._lengths = self._lengths[chosen].contiguous()
        for more in (self.masks, self._near, self._distorted):
            if more:
                more.keep(places)
        if self._valid is not None:
            self._valid = self._valid[chosen].contiguous()
        self._make_buffers()

    def states(self) -> list[dict[str, Any]]:
        """Of each net, what `restore` needs."""
        trees = {
            name: {n: a.cpu().numpy() for n, a in nets.arrays().items()}
            for name, nets in (
                ("net", self.nets), ("best", self.best), ("velocity", self.velocities)
            )
        }  # fmt: skip
        draws, samplers = self.draws.states(), self.samplers.states()
        masks = self.masks.states() if self.masks else []
        found = [
            {name: {n: a[net].copy() for n, a in tree.items()} for name, tree in trees.items()}
            | {"draws": draws[net], "sampler": samplers[net], **self.courses[net].course()}
            | ({"masks": masks[net]} if masks else {})
            for net in range(self.n_nets)
        ]
        for more in (self._near, self._distorted):
            states = more.states() if more else [{}] * self.n_nets
            found = [own | state for own, state in zip(found, states, strict=True)]
        return found

    def restore(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from states of one epoch."""
        for name, nets in (
            ("net", self.nets), ("best", self.best), ("velocity", self.velocities)
        ):  # fmt: skip
            for key, array in nets.arrays().items():
                array.copy_(self.place.put(np.stack([state[name][key] for state in states])))
        self.draws.restore([state["draws"] for state in states])
        self.samplers.restore([state["sampler"] for state in states])
        if self.masks:
            self.masks.restore([state["masks"] for state in states])
        for more in (self._near, self._distorted):
            if more:
                more.restore(states)
        for course, state in zip(self.courses, states, strict=True):
            course.restore_course(state)


def _each(nets: Nets) -> list[Tensor]:
    return [*nets.weights, *nets.biases]
