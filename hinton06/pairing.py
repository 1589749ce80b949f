"""Digits heard and seen: two pathways that meet in one associative memory, and learn pairs.

The chapter's section "Using contrastive wake-sleep for generative fine-tuning": "the same learning
algorithm can be used if the 'labels' are replaced by a multilayer pathway whose inputs are
spectrograms"; "The network then learns to generate pairs that consist of an image and a spectrogram
of the same digit class". Visible vectors of the memory are pen of an image, then pen of the second
pathway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hinton06 import numerics
from hinton06.models import PairNet, Pathway
from hinton06.numerics import Array, Labels
from hinton06.rbm import hidden_probs, hidden_states, visible_states
from hinton06.recipes import PairSettings, counted
from hinton06.recognition import Cases, pen_probs, score, summed_softplus
from hinton06.updates import Momentum, RunningMean, Step, rate_share_at
from hinton06.wakesleep import AVERAGED_EVERY, ContrastiveWakeSleep

_BATCH = 1000
_MEASURED = 500  # cases of each pathway after an epoch
_OF_EACH = 200  # learned cases of each class, for its mean pen


def partners(labels: Labels, others: Labels, rng: Generator) -> NDArray[np.intp]:
    """For each of (n,) labels a place among the others that has the same one, drawn at random.

    ValueError if some label is not among them.
    """
    _check_classes(labels, others)
    found = np.empty(len(labels), np.intp)
    for label in np.unique(labels):
        same, rows = np.flatnonzero(others == label), np.flatnonzero(labels == label)
        found[rows] = same[rng.integers(len(same), size=len(rows))]
    return found


def _check_classes(labels: Labels, others: Labels) -> None:
    for label in np.setdiff1d(labels, others):
        raise ValueError(f"the second pathway has no case of class {label}")


def first_of_each(cases: Cases, each: int) -> Cases:
    """The first cases of each class, so many or all that it has, one class after the other."""
    labels = cases.labels
    rows = np.concatenate([np.flatnonzero(labels == label)[:each] for label in np.unique(labels)])
    return Cases(cases.images[rows], labels[rows])


# -- what one pathway says of the other -----------------------------------------------------------


def halves(net: PairNet) -> tuple[slice, slice]:
    """The columns of both pathways among the memory's visible units."""
    n = net.image.n_pen
    return slice(0, n), slice(n, n + net.second.n_pen)


def free_energies(net: PairNet, image_pen: Array, second_pen: Array) -> Array:
    """Free energy of the memory with every pen of an image and of the second pathway together.

    (n, n_pen) and (m, n_pen) states or probabilities give (n, m), in nats: exact, over all top
    states.
    """
    memory, (left, right) = net.memory, halves(net)
    offsets = second_pen @ memory.weights[right]
    middle = offsets.mean(axis=0)  # which keeps the exponents of both near zero
    inputs = image_pen @ memory.weights[left]
    inputs += memory.hidden_bias + middle
    offsets -= middle
    result: Array = -(image_pen @ memory.visible_bias[left])[:, np.newaxis]
    result = result - second_pen @ memory.visible_bias[right]
    for rows in numerics.batches(len(inputs), _BATCH):
        result[rows] -= summed_softplus(inputs[rows], offsets)
    return result


def class_log_probs(energies: Array, among: Array) -> Array:
    """Log p(class | case), from free energies with the features of each class: (n, n_classes).

    `among`, (m, n_classes), are the same of cases of all classes, whose mean is what a class's
    features give anyway. "the label that gives the lowest free-energy", of classes that no label
    unit stands for.
    """
    logs: Array = among.mean(axis=0) - energies
    return numerics.log_softmax(logs)


def recognised(
    net: PairNet, asked: tuple[Cases, Cases], learned: tuple[Cases, Cases], n_classes: int
) -> tuple[Array, Array]:
    """Log p(class) of images, and of the second pathway's cases, each (n, n_classes), in nats.

    Either is held against the other pathway's mean pen of each class of the `learned` cases: where
    a label unit would be on.
    """
    ours, theirs = (_pens(net, both) for both in (asked, learned))
    images, second = (
        np.stack([pens[cases.labels == c].mean(axis=0) for c in range(n_classes)])
        for pens, cases in zip(theirs, learned, strict=True)
    )
    return (
        class_log_probs(free_energies(net, ours[0], second), free_energies(net, theirs[0], second)),
        class_log_probs(
            np.ascontiguousarray(free_energies(net, images, ours[1]).T),
            free_energies(net, images, theirs[1]).T,
        ),
    )


def _pens(net: PairNet, cases: tuple[Cases, Cases]) -> list[Array]:
    both = zip(net.pathways.values(), cases, strict=True)
    return [pen_probs(pathway, own.images) for pathway, own in both]


def settle(net: PairNet, visible: Array, clamped: slice, rounds: int, rng: Generator) -> Array:
    """Let the memory settle from (n, n_visible) states, in place; what is `clamped` stays.

    So many rounds of alternating Gibbs sampling; clamped units may be probabilities.
    """
    memory, held = net.memory, visible[:, clamped].copy()
    top = np.empty((len(visible), memory.n_hidden), visible.dtype)
    for _ in range(rounds):
        hidden_states(memory, visible, rng, top)
        visible_states(memory, top, rng, visible)
        # Given the features both pathways are independent: as with clamped labels.
        visible[:, clamped] = held
    return visible


def of_noise(pathway: Pathway, n: int, rng: Generator) -> Array:
    """(n, n_pen) states by an up-pass from random binary images, as where `generation` starts."""
    coin = np.full((n, pathway.n_pixels), 0.5, pathway.vishid.dtype)
    return numerics.stochastic_pass(numerics.bernoulli(coin, rng), pathway.recognition, rng)


# -- learning -------------------------------------------------------------------------------------


def confabulate(
    net: PairNet, visible: Array, top: Array, share: float, rounds: int, rng: Generator
) -> None:
    """From (n, n_visible) wake states to what the memory prefers to them, in place, and top states.

    By so many rounds of alternating Gibbs sampling. In a `share` of the cases one pathway is held
    meanwhile, the images' in one half of these, and the other one starts from the next case's: from
    what in general does not belong to it, and so what is unlearned is what is taken for belonging
    together. Not in the chapter, where all start as they are: assumed, see docs/assumptions.md.
    """
    memory, n = net.memory, len(visible)
    k = round(share * n / 2)
    (left, right), (first, rest) = halves(net), (slice(0, k), slice(k, 2 * k))
    pairs = (first, left, right), (rest, right, left)
    following = np.roll(visible, -1, axis=0)
    for rows, _, other in pairs:
        visible[rows, other] = following[rows, other]
    held = [visible[rows, own].copy() for rows, own, _ in pairs]
    for _ in range(rounds):
        hidden_states(memory, visible, rng, top)
        visible_states(memory, top, rng, visible)
        for (rows, own, _), values in zip(pairs, held, strict=True):
            visible[rows, own] = values


class _WakeSleep(ContrastiveWakeSleep):
    """Contrastive wake-sleep whose confabulations are those of pairs."""

    net: PairNet
    exchanged_share = 0.0

    def _confabulate(self, n: int, rounds: int, rng: Generator) -> None:
        visible, top = self._visible[n : 2 * n], self._top[n : 2 * n]
        np.copyto(visible, self._visible[:n])
        confabulate(self.net, visible, top, self.exchanged_share, rounds, rng)
        hidden_states(self.net.memory, visible, rng, top)


class _Memory:
    """Greedy learning of the memory: Eq. 4, of pairs and what `confabulate` makes of them."""

    def __init__(self, net: PairNet, batch_size: int, share: float) -> None:
        self._net, self._share, memory = net, share, net.memory
        self.momenta = {name: Momentum(array) for name, array in memory.parameters().items()}
        dtype = memory.weights.dtype
        self._visible = np.empty((2 * batch_size, memory.n_visible), dtype)
        self._top = np.empty((2 * batch_size, memory.n_hidden), dtype)

    def data_buffer(self, n: int) -> Array:
        """The (n, n_visible) array that n pairs of pen are to be written into."""
        return self._visible[:n]

    def learn(self, n: int, rng: Generator, step: Step) -> float:
        """One update from `data_buffer`; returns the squared error of the confabulations."""
        memory, visible, top = self._net.memory, self._visible[: 2 * n], self._top[: 2 * n]
        np.copyto(visible[n:], visible[:n])
        confabulate(self._net, visible[n:], top[n:], self._share, 1, rng)
        hidden_probs(memory, visible[:n], out=top[:n])
        numerics.firing_probs(visible[n:], memory.weights, memory.hidden_bias, top[n:], sign=-1)
        weights, visible_bias, hidden_bias = self.momenta.values()
        weights.step_product(visible.T, top, 1 / n, step)
        squared_error = visible_bias.step_difference(visible[:n], visible[n:], 1 / n, step)
        hidden_bias.step_sum(top, 1 / n, step)
        return squared_error


class PairLearner:
    """The learner of pairs: passes of CD-1 of the memory alone, then contrastive wake-sleep of all.

    Each epoch takes every one of the `images` once, with a case of the `second` pathway of the same
    class that `pairing`, of the epoch, draws anew. Labels say which go together, and take no other
    part. `valid`, of both pathways, is measured after each epoch: the percentage of images, and of
    the second pathway's cases, that are taken for another class. With `averaging`, the net that is
    measured and kept is the running mean of the one that learns by wake-sleep.

    Each epoch gives ``rate``, ``recon_error`` of the memory or ``recon_cost`` of both pathways'
    data (nats per pair), ``gibbs_steps``, and ``image_error_rate`` and ``second_error_rate``.
    """

    def __init__(
        self,
        net: PairNet,
        images: Cases,
        second: Cases,
        settings: PairSettings,
        rng: Generator,
        pairing: Callable[[int], Generator],
        valid: tuple[Cases, Cases],
    ) -> None:
        self.net, self.settings, self.epoch = net, settings, 0
        self._cases, self._rng, self._pairing = (images, second), rng, pairing
        _check_classes(images.labels, second.labels)
        self._n_classes = int(images.labels.max()) + 1
        first, other = (Cases(own.images[:_MEASURED], own.labels[:_MEASURED]) for own in valid)
        self._valid = first, other
        self._references = first_of_each(images, _OF_EACH), first_of_each(second, _OF_EACH)
        self._size = min(settings.batch, len(images))
        self._begin()

    def _begin(self) -> None:
        """What the present stage needs."""
        self.measured, self._mean = self.net, None
        if self._greedy:
            self._memory = _Memory(self.net, self._size, self.settings.exchanged_share)
            self._pens = _pens(self.net, self._cases)
            return
        self._pens = []
        own = self.settings
        self._wake_sleep = _WakeSleep(
            self.net, self._size, False, own.persistent_share, own.persistent_rounds,
            own.recognition_share,
        )  # fmt: skip
        self._wake_sleep.exchanged_share = own.exchanged_share
        if own.averaging:
            self.measured = self.net.copy()
            updates = -(-len(self._cases[0]) // self._size)
            window = max(1.0, own.averaging * updates / AVERAGED_EVERY)
            means = self.measured.parameters()
            self._mean = RunningMean(self.net.parameters(), means, window)

    @property
    def _greedy(self) -> bool:
        return self.epoch < self.settings.passes

    def finished(self) -> str | None:
        """Why learning is over, or None."""
        own = self.settings
        if self.epoch < own.passes + own.epochs:
            return None
        passes = counted(own.passes, "pass")
        return f"{passes} of the memory, {counted(own.epochs, 'epoch')} of wake-sleep"

    def where(self) -> str:
        """The place of the next epoch, in words."""
        if self._greedy:
            return f"memory epoch {self.epoch + 1}"
        return f"wake-sleep epoch {self.epoch + 1 - self.settings.passes}"

    def _gibbs_steps(self, epoch: int) -> int:
        stages = self.settings.gibbs
        return stages[min(epoch * len(stages) // max(1, self.settings.epochs), len(stages) - 1)]

    def _work_of(self, epoch: int) -> float:
        """Multiply-adds of a pair in an epoch."""
        net, own, memory = self.net, self.settings, self.net.memory.weights.size
        if epoch < own.passes:
            return 6.0 * memory
        persistent = own.persistent_share * own.persistent_rounds
        rounds = self._gibbs_steps(epoch - own.passes) + persistent
        lower = sum(p.vishid.size + p.hidpen.size for p in net.pathways.values())
        return 6.0 * lower + (3.0 + 2.0 * rounds) * memory

    def work(self) -> tuple[float, float]:
        """Multiply-adds done so far and expected in all."""
        n = len(self._cases[0])
        each = [self._work_of(e) * n for e in range(self.settings.passes + self.settings.epochs)]
        return sum(each[: self.epoch]), sum(each)

    def run_epoch(self, tick: Callable[[float], None]) -> dict[str, float]:
        """Every image once, with a partner; then the measurements."""
        own = self.settings
        if self.epoch == own.passes and self._pens:
            self._begin()
        images, second = self._cases
        pairs = partners(images.labels, second.labels, self._pairing(self.epoch))
        order, work = numerics.epoch_order(len(images), self._rng), self._work_of(self.epoch)
        step, total = self._step(), 0.0
        learn = self._learn_memory if self._greedy else self._learn_all
        row = {"rate": step.rate}
        for number, batch in enumerate(numerics.batches(len(order), self._size)):
            rows = order[batch]
            total += learn(rows, pairs[rows], step)
            if self._mean and number % AVERAGED_EVERY == 0:
                self._mean.add()
            tick(work * len(rows))
        row["recon_error" if self._greedy else "recon_cost"] = total / len(order)
        if not self._greedy:
            row["gibbs_steps"] = float(self._gibbs_steps(self.epoch - own.passes))
        self.epoch += 1
        return row | self._error_rates()

    def _step(self) -> Step:
        own = self.settings
        if self._greedy:
            share = rate_share_at(self.epoch, own.passes, own.memory_share)
            return Step(own.rate * share, own.momentum, own.decay)
        share = rate_share_at(self.epoch - own.passes, own.epochs, own.final_share)
        return Step(own.wake_rate * share, 0.0, own.decay)

    def _learn_memory(self, rows: NDArray[Any], others: NDArray[Any], step: Step) -> float:
        data = self._memory.data_buffer(len(rows))
        for half, pens, own in zip(halves(self.net), self._pens, (rows, others), strict=True):
            data[:, half] = pens[own]
        return self._memory.learn(len(rows), self._rng, step)

    def _learn_all(self, rows: NDArray[Any], others: NDArray[Any], step: Step) -> float:
        for number, own in enumerate((rows, others)):
            data = self._wake_sleep.data_buffer(len(rows), number)
            numerics.take_batch(self._cases[number].images, own, data)
        no_labels = np.empty((len(rows), 0), self.net.memory.weights.dtype)
        epoch = self.epoch - self.settings.passes
        return self._wake_sleep.learn(no_labels, self._gibbs_steps(epoch), self._rng, step)

    def _error_rates(self) -> dict[str, float]:
        names = ("image_error_rate", "second_error_rate")
        found = recognised(self.measured, self._valid, self._references, self._n_classes)
        return {
            name: score(logs, cases.labels).error_rate
            for name, cases, logs in zip(names, self._valid, found, strict=True)
        }

    def parameters(self) -> dict[str, Array]:
        """Every array by name, to be checked for numbers that are not finite."""
        return self.net.parameters()

    def measured_outcome(self) -> dict[str, Any]:
        """How many epochs were run."""
        return {"epochs": self.epoch, "epochs_run": self.epoch}

    def result(self) -> PairNet:
        """The net, or its running mean."""
        return self.measured

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on exactly from here."""
        state = {
            "epoch": self.epoch,
            "rng": self._rng.bit_generator.state,
            "net": self.net.arrays(),
        }
        if self._pens:
            momenta = self._memory.momenta
            return state | {"velocity": {name: m.velocity for name, m in momenta.items()}}
        state["chains"] = self._wake_sleep.chains
        if self._mean:
            state |= {"mean": self.measured.arrays(), "mean_count": self._mean.count}
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; ValueError or KeyError if it is not one of such a net."""
        self.net.copy_from(PairNet.from_arrays(state["net"]))
        self.epoch = int(state["epoch"])
        # A state of the last pass is one of the memory's learning, of the first stage.
        self._begin()
        if "velocity" in state and self._greedy:
            for name, momentum in self._memory.momenta.items():
                momentum.restore(state["velocity"][name])
        elif "chains" in state:
            if state["chains"].shape != self._wake_sleep.chains.shape:
                raise ValueError("its chains do not fit")
            np.copyto(self._wake_sleep.chains, state["chains"])
            if self._mean:
                self.measured.copy_from(PairNet.from_arrays(state["mean"]))
                self._mean.count = int(state["mean_count"])
        self._rng.bit_generator.state = state["rng"]
