"""Stacks of RBMs, a group at once: ``rbm.ContrastiveDivergence`` and ``stacking.GreedyStack``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinton06.many.place import Draws, Place, Updates
from hinton06.many.sampling import Samplers
from hinton06.models import Rbm, Stack
from hinton06.numerics import batches
from hinton06.rbm import NEARLY_ON, OFFSET_SHARE
from hinton06.recipes import PretrainSettings
from hinton06.stacking import OFFSETS, products_of, step_at
from hinton06.updates import Step

PARTS = ("weights", "visible_bias", "hidden_bias")
_CHUNK = 1000
"""Cases of each net whose features are computed at a time."""
_ALWAYS = 60.0
"""Log odds with which a unit is on, whatever is drawn."""


def move(parameter: Tensor, velocity: Tensor, gradient: Tensor, n: int, step: Tensor) -> None:
    """``updates.Momentum`` of biases: (nets, units), by gradients summed over n cases."""
    new = step[:, 1:2] * velocity + step[:, :1] / n * gradient
    parameter.add_(new)
    velocity.copy_(torch.where(step[:, 1:2] > 0, new, 0))  # without momentum none is left for later


def steps_of(place: Place, steps: Sequence[Step]) -> Tensor:
    """(nets, 3): rate, momentum, and rate times decay."""
    rows = [(step.rate, step.momentum, step.rate * step.decay) for step in steps]
    return place.put(np.array(rows, np.float32))


def draw_labels(place: Place, draws: Draws, inputs: Tensor) -> Tensor:
    """One label unit on in each (nets, n) row, with the probability of a softmax of its inputs.

    Each in its turn, given that none before it is: only independent units are drawn so.
    """
    later = torch.logcumsumexp(inputs.flip(2), 2).flip(2)[:, :, 1:]
    odds = torch.cat([inputs[:, :, :-1] - later, torch.full_like(inputs[:, :, :1], _ALWAYS)], 2)
    states = torch.empty_like(odds)
    place.loops.fire(odds, place.zeros(len(odds), odds.shape[2]), draws, states)
    draws.tick()
    return states * (states.cumsum(2) == 1)


class Rbms:
    """One RBM of each net, learned as by ``rbm.ContrastiveDivergence``: Eqs 4, 5 and 6.

    In batches of at most `batch` cases, by CD of so many `rounds`, with `persistent` chains, with a
    `sparsity` target and cost, by the `centred` gradient. The last `n_labels` visible units are a
    softmax group, which is drawn in rounds of Gibbs sampling, but never in a reconstruction.
    """

    def __init__(
        self, place: Place, draws: Draws, weights: Tensor, batch: int, recon_states: bool = False,
        n_labels: int = 0, rounds: int = 1, persistent: bool = False,
        sparsity: tuple[float, float] = (0.5, 0.0), centred: bool = False,
    ) -> None:  # fmt: skip
        n_nets, n_visible, n_hidden = weights.shape
        self.n_labels, self._rounds = n_labels, rounds
        self._target, self._cost = sparsity
        biases = (place.zeros(n_nets, size) for size in (n_visible, n_hidden))
        self.arrays = dict(zip(PARTS, (weights, *biases), strict=True))
        self.velocities = {name: torch.zeros_like(array) for name, array in self.arrays.items()}
        self.errors = place.zeros(n_nets, n_visible)
        self._place, self._draws, self._recon_states = place, draws, recon_states
        self._visible = place.zeros(n_nets, 2 * batch, n_visible)
        self._hidden = place.zeros(n_nets, 2 * batch, n_hidden)
        self._states = place.zeros(n_nets, batch, n_hidden)
        drawn = persistent or rounds > 1 or centred
        self._v_states = place.zeros(n_nets, batch if drawn else 0, n_visible)
        self.chains = place.zeros(n_nets, batch if persistent else 0, n_hidden)
        self.offsets: dict[str, Tensor] = {}
        if centred:
            sizes = zip(OFFSETS, (n_visible, n_hidden), strict=True)
            self.offsets = {name: place.zeros(n_nets, size) for name, size in sizes}
            # The first batch's means are the first offsets.
            self.offset_share = place.zeros(1) + 1

    def keep(self, chosen: Tensor) -> None:
        """Go on with some of the nets."""
        self.arrays, self.velocities = (
            _chosen(arrays, chosen) for arrays in (self.arrays, self.velocities)
        )
        self.offsets = _chosen(self.offsets, chosen)
        for name in ("errors", "_visible", "_hidden", "_states", "_v_states", "chains"):
            setattr(self, name, getattr(self, name)[chosen].contiguous())

    def data_buffer(self, n: int) -> Tensor:
        """(nets, n, n_visible), to write a batch into."""
        return self._visible[:, :n]

    def learn(self, n: int, step: Tensor) -> None:
        """One update from the n cases in `data_buffer`; `step` is (nets, 3)."""
        loops, speed, states = self._place.loops, self.velocities, self._states[:, :n]
        weights, visible_bias, hidden_bias = self.arrays.values()
        visible, hidden = self._visible[:, : 2 * n], self._hidden[:, : 2 * n]
        torch.bmm(visible[:, :n], weights, out=hidden[:, :n])
        loops.fire(hidden[:, :n], hidden_bias, self._draws, states)
        if self._cost:
            self._lessen(hidden[:, :n])
        if self.chains.shape[1]:
            self._learn_beside_chains(visible, hidden, step)
            return
        for _ in range(self._rounds - 1):
            self._round(states, visible[:, n:], hidden[:, n:])
        if self.offsets:
            self._learn_centred(visible, hidden, step)
            return
        torch.bmm(states, weights.mT, out=visible[:, n:])
        before = self._of_labels(visible[:, n:]) if self.n_labels else []
        loops.visible(
            visible, visible_bias, speed["visible_bias"], step, self.errors,
            self._draws if self._recon_states else None,
        )  # fmt: skip
        if self.n_labels:
            self._reconstruct_labels(visible, before, step)
        torch.bmm(visible[:, n:], weights, out=hidden[:, n:])
        loops.hidden(hidden, hidden_bias, speed["hidden_bias"], step)
        loops.grow(visible, hidden, n, weights, speed["weights"], step)
        self._draws.tick()

    def _learn_beside_chains(self, visible: Tensor, hidden: Tensor, step: Tensor) -> None:
        """The rest of an update: reconstructions are measured, chains give the correlations."""
        n = visible.shape[1] // 2
        self._measure(visible)
        chains, recon = self.chains[:, :n], visible[:, n:]
        for _ in range(self._rounds):
            self._round(chains, recon, hidden[:, n:])
        recon.copy_(self._v_states[:, :n])
        hidden[:, n:].neg_()
        self._move(visible, hidden, step)

    def _learn_centred(self, visible: Tensor, hidden: Tensor, step: Tensor) -> None:
        """The rest of an update: reconstruct, and move by the centred gradient."""
        n, loops = visible.shape[1] // 2, self._place.loops
        weights, visible_bias, hidden_bias = self.arrays.values()
        recon, v_states = visible[:, n:], self._v_states[:, :n]
        recon.copy_(self._measure(visible))
        if self._recon_states:
            self._draws.tick()
            inputs = torch.bmm(self._states[:, :n], weights.mT)
            loops.fire(inputs, visible_bias, self._draws, v_states)
            n_units = recon.shape[2] - self.n_labels
            recon[:, :, :n_units] = v_states[:, :, :n_units]
        torch.bmm(recon, weights, out=hidden[:, n:])
        loops.squash(hidden[:, n:], hidden_bias)
        hidden[:, n:].neg_()
        self._move(visible, hidden, step)

    def _measure(self, visible: Tensor) -> Tensor:
        """The probabilities of a reconstruction by `_states`, whose errors are added up."""
        n, weights = visible.shape[1] // 2, self.arrays["weights"]
        inputs = torch.bmm(self._states[:, :n], weights.mT) + self.arrays["visible_bias"][:, None]
        probs = torch.sigmoid(inputs)
        if self.n_labels:
            probs[:, :, -self.n_labels :] = torch.softmax(inputs[:, :, -self.n_labels :], 2)
        self.errors += (visible[:, :n] - probs).square().sum(1)
        return probs

    def _move(self, visible: Tensor, hidden: Tensor, step: Tensor) -> None:
        """By Eq. 4 of both halves, the second hidden one with its sign; centred if it is to be."""
        n = visible.shape[1] // 2
        of_visible, of_hidden = visible[:, :n].sum(1) - visible[:, n:].sum(1), hidden.sum(1)
        if self.offsets:
            means = visible[:, :n].mean(1), hidden[:, :n].mean(1)
            for offset, mean in zip(self.offsets.values(), means, strict=True):
                offset.add_((mean - offset) * self.offset_share)
            self.offset_share.fill_(OFFSET_SHARE)
            m, h = (offset[:, :, None] for offset in self.offsets.values())
            visible = visible - m.mT
            hidden = torch.cat([hidden[:, :n] - h.mT, hidden[:, n:] + h.mT], 1)
            with self._place.exactly():  # differences of large sums
                of_visible = of_visible - torch.bmm(visible.mT, torch.bmm(hidden, h))[:, :, 0]
                of_hidden = of_hidden - torch.bmm(hidden.mT, torch.bmm(visible, m))[:, :, 0]
        for name, missed in (("visible_bias", of_visible), ("hidden_bias", of_hidden)):
            move(self.arrays[name], self.velocities[name], missed, n, step)
        weights, velocity = self.arrays["weights"], self.velocities["weights"]
        self._place.loops.grow(visible, hidden, n, weights, velocity, step)
        self._draws.tick()

    def _round(self, states: Tensor, visible: Tensor, hidden: Tensor) -> None:
        """``rbm.gibbs_round``: states in place, with their probabilities in `hidden`.

        The visible states are in `_v_states`; `visible` is overwritten.
        """
        loops, draws, v_states = self._place.loops, self._draws, self._v_states[:, : len(states[0])]
        weights, visible_bias, hidden_bias = self.arrays.values()
        draws.tick()
        torch.bmm(states, weights.mT, out=visible)
        inputs = visible[:, :, visible.shape[2] - self.n_labels :]
        of_labels = inputs + visible_bias[:, None, -self.n_labels :] if self.n_labels else None
        loops.fire(visible, visible_bias, draws, v_states)
        draws.tick()
        if of_labels is not None:
            v_states[:, :, -self.n_labels :] = draw_labels(self._place, draws, of_labels)
        torch.bmm(v_states, weights, out=hidden)
        loops.fire(hidden, hidden_bias, draws, states)
        draws.tick()

    def _lessen(self, h_probs: Tensor) -> None:
        """``rbm.ContrastiveDivergence._lessen``: the slope of the sparsity cost is taken off."""
        smallest, q = torch.finfo(h_probs.dtype), h_probs.mean(1)
        off = 1 - q
        off = torch.where(off < NEARLY_ON * smallest.eps, (1 - h_probs).mean(1), off)
        variance = (q * off).clamp_(min=smallest.tiny / smallest.eps)
        shares = (self._cost * (q - self._target) / variance)[:, None]
        h_probs -= shares * h_probs * (1 - h_probs)

    def _of_labels(self, inputs: Tensor) -> list[Tensor]:
        """Biases, velocities, errors and inputs of the label units, as they are now."""
        arrays = self.arrays["visible_bias"], self.velocities["visible_bias"], self.errors
        return [array[..., -self.n_labels :].clone() for array in (*arrays, inputs)]

    def _reconstruct_labels(self, visible: Tensor, before: list[Tensor], step: Tensor) -> None:
        """Probabilities of a softmax group, where the label units were taken for any others."""
        n = visible.shape[1] // 2
        *kept, inputs = before
        bias, velocity, errors = kept
        data, recon = (half[:, :, -self.n_labels :] for half in visible.split(n, 1))
        recon.copy_(torch.softmax(inputs + bias[:, None], 2))
        missed = data - recon
        errors += missed.square().sum(1)
        move(bias, velocity, missed.sum(1), n, step)
        own = self.arrays["visible_bias"], self.velocities["visible_bias"], self.errors
        for array, labels in zip(own, kept, strict=True):
            array[:, -self.n_labels :] = labels


class Stacks:
    """A stack of each net, of one shape and schedule: `passes` epochs of CD-1 on each layer.

    `settings` are each net's, of each layer; `rows` the (nets, n_cases) images that each learns.
    Learning starts above the `lower` layers of each net; the top one also learns `n_labels` labels.
    """

    def __init__(
        self,
        place: Place,
        draws: Draws,
        settings: Sequence[Sequence[PretrainSettings]],
        images: Tensor,
        labels: Tensor,
        rows: Tensor,
        lower: Sequence[Sequence[Rbm]] = (),
        n_labels: int = 0,
    ) -> None:
        self.place, self.draws, self.settings = place, draws, settings
        self._images, self._rows, first = images, rows, settings[0][0]
        self.sizes: tuple[int, ...] = (int(images.shape[1]), *first.layers)
        n_lower = len(lower[0]) if lower else 0
        self.passes = [0] * n_lower + [own.passes for own in settings[0][n_lower:]]
        self._labels, self.n_labels = labels, n_labels
        self.batch = min(first.batch, rows.shape[1])
        self.samplers = Samplers(place, draws, rows, labels, self.batch, balanced=first.balanced)
        self.epoch = 0
        self.learned: list[dict[str, Tensor]] = []
        self._step = place.zeros(rows.shape[0], 3)
        self._data: Tensor | None = None
        for layer in zip(*lower, strict=True):
            self._put_layer(self._stacked([rbm.parameters() for rbm in layer]))
        self._begin_layer()

    @property
    def n_nets(self) -> int:
        """How many nets."""
        return len(self.settings)

    @property
    def n_layers(self) -> int:
        """Of each stack."""
        return len(self.sizes) - 1

    def _begin_layer(self) -> None:
        """Learn the layer above those that are learned, of random weights."""
        layer = len(self.learned)
        n_visible, n_hidden = self.sizes[layer : layer + 2]
        n_labels = self.n_labels if layer + 1 == self.n_layers else 0
        n_visible += n_labels
        own = [settings[layer] for settings in self.settings]

        def weights(net: int) -> Any:
            rng = self.draws.rngs[net]
            return Rbm.random(n_visible, n_hidden, own[net].initial_sd, rng).weights

        states = own[0].recon_states == "all"
        drawn = self.place.stacked(weights, self.n_nets)
        states |= own[0].recon_states == "labels" and n_labels > 0
        first = own[0]
        self.rbms = Rbms(
            self.place, self.draws, drawn, self.batch, states, n_labels, first.cd,
            first.persistent, (first.sparsity_target, first.sparsity_cost), first.centred,
        )  # fmt: skip
        biases = np.array([[one.hidden_bias] for one in own], np.float32)
        self.rbms.arrays["hidden_bias"] += self.place.put(biases)
        self._update = Updates(self.place, self._learn, self.batch)

    def _learn(self, n: int) -> None:
        """One update of every net."""
        self.samplers.draw(n)
        source, rows = self._images, self.samplers.rows
        if self._data is not None:
            source, rows = self._data, self.samplers.cases
        self.place.loops.take(source, rows, self.rbms.data_buffer(n))
        self.rbms.learn(n, self._step)

    def _end_layer(self) -> None:
        """Keep the layer, and compute what the next one learns from."""
        learned = self.rbms.arrays
        del self.rbms, self._update
        self.place.release()
        self._put_layer(learned)
        if not self.finished():
            self._begin_layer()

    def _put_layer(self, arrays: dict[str, Tensor]) -> None:
        """One that is learned, and what the next one learns from."""
        self.learned.append(arrays)
        if not self.finished():
            self._data = self._features(self._data, arrays)

    def _features(self, data: Tensor | None, rbm: Mapping[str, Tensor]) -> Tensor:
        """(nets, cases, features): probabilities, as ``stacking.features``; labels beside them."""
        n_nets, n_cases = self._rows.shape
        n_units = rbm["hidden_bias"].shape[1]
        n_labels = self.n_labels if len(self.learned) + 1 == self.n_layers else 0
        found = self.place.empty(n_nets, n_cases, n_units + n_labels)
        if n_labels:
            found[:, :, n_units:] = one_hot(self._labels[self._rows], n_labels)
        for some in batches(n_cases, _CHUNK):
            below = torch.empty(0) if data is None else data[:, some]
            if data is None:
                rows = self._rows[:, some]
                below = self.place.empty(*rows.shape, self.sizes[0])
                self.place.loops.take(self._images, rows, below)
            part = found[:, some, :n_units]
            inputs = torch.bmm(below, rbm["weights"])
            self.place.loops.squash(inputs, rbm["hidden_bias"])
            part.copy_(inputs)
        return found

    def work_left(self) -> float:
        """Multiply-adds."""
        layer, epoch = self.where()
        sizes = [self._size(number) for number in range(self.n_layers)]
        left = [size * n for size, n in zip(sizes, self.passes, strict=True)][layer:]
        done = sizes[layer] * epoch if left else 0
        n_rows = int(self._rows.numel())
        return self._products() * n_rows * (sum(left) - done)

    def _products(self) -> float:
        """Multiply-adds of a case and an update over those of a product, as of `GreedyStack`."""
        return products_of(self.settings[0][0])

    def done(self) -> list[int]:
        """All of them are at once."""
        return list(range(self.n_nets)) if self.finished() else []

    def keep(self, places: Sequence[int]) -> None:
        """Go on with some, where others went astray."""
        chosen = self.place.put(np.array(places))
        self.settings = [self.settings[place] for place in places]
        self.draws.keep(places)
        self.samplers.keep(places)
        self._rows, self._step = self._rows[chosen].contiguous(), self._step[chosen].contiguous()
        if self._data is not None:
            self._data = self._data[chosen].contiguous()
        self.learned = [_chosen(arrays, chosen) for arrays in self.learned]
        self.rbms.keep(chosen)
        self._update = Updates(self.place, self._learn, self.batch)

    def finished(self) -> bool:
        """Whether all layers are learned."""
        return len(self.learned) == self.n_layers

    def where(self) -> tuple[int, int]:
        """The layer that is being learned, and its epochs that are done."""
        layer = len(self.learned)
        return layer, self.epoch - sum(self.passes[:layer])

    def work_of_epoch(self) -> float:
        """Multiply-adds of the next epoch, of all nets."""
        layer, _ = self.where()
        n_rows = int(self._rows.numel())
        return self._products() * self._size(layer) * n_rows

    def _size(self, layer: int) -> int:
        """Weights of a layer."""
        n_labels = self.n_labels if layer + 1 == self.n_layers else 0
        return (self.sizes[layer] + n_labels) * self.sizes[layer + 1]

    def run_epoch(self, tick: Callable[[float], None]) -> list[dict[str, float]]:
        """One epoch of all nets; a row of measurements of each, as ``GreedyStack.run_epoch``."""
        layer, epoch = self.where()
        steps = [step_at(settings[layer], epoch) for settings in self.settings]
        self._step.copy_(steps_of(self.place, steps))
        self.rbms.errors.zero_()
        self.samplers.begin_epoch()
        n_cases, work = self._rows.shape[1], self.work_of_epoch()
        for batch in batches(n_cases, self.batch):
            self._update(batch.stop - batch.start)
            tick(work * (batch.stop - batch.start) / n_cases)
        errors = (self.rbms.errors.sum(1, dtype=torch.float64) / n_cases).tolist()
        self.epoch += 1
        own = {"layer": layer + 1, "layer_epoch": epoch + 1}
        rows = [
            own | {"rate": step.rate, "recon_error": error}
            for step, error in zip(steps, errors, strict=True)
        ]
        if self.epoch == sum(self.passes[: layer + 1]):
            self._end_layer()
        return rows

    def finite(self) -> list[bool]:
        """Of each net: whether what is being learned, or was last, has finite numbers alone."""
        arrays = self.learned[-1] if self.finished() else self.rbms.arrays
        sums = [array.flatten(1).sum(1) for array in arrays.values()]
        return torch.isfinite(torch.stack(sums)).all(0).tolist()  # type: ignore[no-any-return]

    def models(self) -> list[Stack]:
        """Each net's stack, when all layers are learned."""
        layers = [{n: a.cpu().numpy() for n, a in rbm.items()} for rbm in self.learned]
        return [
            Stack.from_arrays({f"rbm{i}": self._own(i, a, net) for i, a in enumerate(layers, 1)})
            for net in range(self.n_nets)
        ]

    def _own(self, number: int, arrays: Mapping[str, Any], net: int) -> dict[str, Any]:
        """One net's layer, from 1, as ``Stack.arrays`` has it."""
        top = self.n_labels and number == self.n_layers
        return _of(arrays, net) | ({"n_labels": self.n_labels} if top else {})

    def states(self) -> list[dict[str, Any]]:
        """Of each net, what `restore` needs."""
        trees = [_host(arrays) for arrays in self.learned]
        now, chains = {}, {}
        if not self.finished():
            trees.append(_host(self.rbms.arrays))
            now = _host(self.rbms.velocities)
            chains = _host(self.rbms.offsets) if self.where()[1] else {}  # none before a batch
            if self.rbms.chains.shape[1]:
                chains |= _host({"chains": self.rbms.chains})
        draws, samplers = self.draws.states(), self.samplers.states()
        return [
            {
                "epoch": self.epoch, "draws": draws[net], "sampler": samplers[net],
                "stack": {f"rbm{i}": self._own(i, tree, net) for i, tree in enumerate(trees, 1)},
                "velocity": _of(now, net), **_of(chains, net),
            }
            for net in range(self.n_nets)
        ]  # fmt: skip

    def restore(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from states of one epoch."""
        self.epoch = int(states[0]["epoch"])
        ends = np.cumsum(self.passes)
        n_learned = int(np.searchsorted(ends, self.epoch, side="right"))
        stacks = [state["stack"] for state in states]
        self.learned, self._data = [], None
        for layer in range(n_learned):
            self._put_layer(self._stacked([stack[f"rbm{layer + 1}"] for stack in stacks]))
        if not self.finished():
            self._begin_layer()
            _copy(self.rbms.arrays, self._stacked([s[f"rbm{n_learned + 1}"] for s in stacks]))
            _copy(self.rbms.velocities, self._stacked([state["velocity"] for state in states]))
            if self.rbms.chains.shape[1]:
                saved = np.stack([state["chains"] for state in states])
                self.rbms.chains.copy_(self.place.put(saved))
            for name, offset in self.rbms.offsets.items():
                if name in states[0]:
                    offset.copy_(self.place.put(np.stack([state[name] for state in states])))
                    self.rbms.offset_share.fill_(OFFSET_SHARE)
        self.draws.restore([state["draws"] for state in states])
        self.samplers.restore([state["sampler"] for state in states])

    def _stacked(self, trees: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        return {n: self.place.put(np.stack([tree[n] for tree in trees])) for n in PARTS}


def one_hot(labels: Tensor, n_labels: int) -> Tensor:
    """Labels of any shape with a last axis of units, one of them on."""
    shape = (*labels.shape, n_labels)
    blank = torch.zeros(shape, dtype=torch.float32, device=labels.device)
    return blank.scatter_(-1, labels[..., None], 1.0)


def _host(arrays: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: array.cpu().numpy() for name, array in arrays.items()}


def _of(arrays: Mapping[str, Any], net: int) -> dict[str, Any]:
    return {name: array[net].copy() for name, array in arrays.items()}


def _copy(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    for name, array in theirs.items():
        mine[name].copy_(array)


def _chosen(arrays: Mapping[str, Tensor], chosen: Tensor) -> dict[str, Tensor]:
    return {name: array[chosen].contiguous() for name, array in arrays.items()}
