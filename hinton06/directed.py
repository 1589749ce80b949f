"""Plain wake-sleep: the net of Figure 1, whose top units are independent.

The chapter's section "Five strategies for learning multilayer networks", Eqs 1 to 3, and G. E.
Hinton, P. Dayan, B. J. Frey and R. M. Neal, "The wake-sleep algorithm for unsupervised neural
networks", 1995. The chapter says only that performance "can be greatly improved by using a
pre-training phase"; how labels take part is assumed, see docs/assumptions.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator as Rng
from numpy.typing import NDArray

from hinton06 import annealing, likelihood, numerics
from hinton06.finetuning import FineTuning
from hinton06.generation import Fantasies
from hinton06.likelihood import Floats, log_chance
from hinton06.models import DirectedNet
from hinton06.numerics import Array, Labels
from hinton06.recipes import DirectedSettings, counted
from hinton06.recognition import Cases, Score, check_images, score
from hinton06.streams import Use, stream
from hinton06.updates import Momentum, Step, rate_share_at
from hinton06.wakesleep import reconstruction_cost

_BATCH = 1000
MOST_DREAMS = 1_000_000
"""Dreams, at most, among which those of a label are looked for."""


class NoDreamError(ValueError):
    """Among so many `dreams` there is none with a label, of this place."""

    def __init__(self, dreams: int, label: int) -> None:
        super().__init__(f"none of {dreams} dreams has label {label}")
        self.dreams, self.label = dreams, label


_MEASURED = 10_000  # cases, at most, of each part that a bound is measured on after each epoch


@dataclass(frozen=True, eq=False)
class Phase:
    """One phase: (n, n_units) binary states of every layer, and what they are predicted from.

    `states` are bottom to top; `predicted` the probabilities of the phase's own targets: in the
    wake phase of what lies below each layer of connections, the labels behind the units below the
    top layer, by Eq. 2; in the sleep phase of what lies above, by Eq. 3. `labels`, (n, n_labels),
    are one-hot.
    """

    states: list[Array]
    labels: Array
    predicted: list[Array]


class WakeSleep:
    """Wake, sleep and update, a batch of at most `batch_size` cases at a time.

    Every unit of either phase is a binary state: "The binary states of units in adjacent layers can
    then be used". So the expectation of Eq. 2 is minus the gradient of the variational free energy
    by the generative weights, and that of Eq. 3 the gradient of the log probability of a dream's
    hidden states by the recognition weights.

    Source: Eqs 2 and 3, and "chosen stochastically using only the generative bias of each top-level
    unit to influence its probability of being on".
    """

    def __init__(self, net: DirectedNet, batch_size: int) -> None:
        self.net = net
        self.momenta = {name: Momentum(array) for name, array in net.parameters().items()}
        gen, rec = net.gen_biases, net.rec_biases

        def buffers(*biases: Array) -> list[Array]:
            return [np.empty((batch_size, len(bias)), bias.dtype) for bias in biases]

        (self._data,) = buffers(np.empty(net.n_pixels, net.top_bias.dtype))
        self._wake, self._sleep, self._by_rec = buffers(*rec), buffers(*rec), buffers(*rec)
        self._by_gen, self._dreamt = buffers(*gen), buffers(*gen)
        (self._top_probs,) = buffers(net.top_bias)

    def data_buffer(self, n: int) -> Array:
        """The (n, n_pixels) array that a batch of n cases, 0 and 1, is to be written into."""
        return self._data[:n]

    def run(self, targets: Array, rng: Rng) -> tuple[Phase, Phase]:
        """Both phases of the batch in `data_buffer`; changes no parameter.

        `targets` are its (n, n_labels) one-hot labels. Returns wake and sleep, in buffers that the
        next call overwrites. Source: "the recognition weights are used to drive the units
        bottom-up", "the top-down generative connections are used to drive the network".
        """
        n = len(targets)
        return self._wake_phase(targets, rng), self._sleep_phase(n, rng)

    def _wake_phase(self, targets: Array, rng: Rng) -> Phase:
        net, n = self.net, len(targets)
        states = [self.data_buffer(n), *(array[:n] for array in self._wake)]
        for below, above, layer in zip(states, states[1:], net.recognition, strict=False):
            numerics.firing_states(below, *layer, rng, above)
        predicted = [array[:n] for array in self._by_gen]
        for number, out in enumerate(predicted):
            _generate(net, number, states[number + 1], out, numerics.squash)
        return Phase(states, targets, predicted)

    def _sleep_phase(self, n: int, rng: Rng) -> Phase:
        net, dreamt = self.net, [array[:n] for array in self._dreamt]
        states = [*(array[:n] for array in self._sleep)]
        states[-1].fill(0)
        numerics.fire(states[-1], net.top_bias, rng)
        labels = states[-1][:, :0]
        for number in reversed(range(len(dreamt))):
            fire = partial(numerics.fire, rng=rng)
            units, shares = _generate(net, number, states[number], dreamt[number], fire)
            if shares.shape[1]:
                labels = numerics.one_hot(shares, rng)
            if number:
                np.copyto(states[number - 1], units)
            else:
                states = [np.ascontiguousarray(units), *states]
        predicted = [array[:n] for array in self._by_rec]
        for below, layer, out in zip(states, net.recognition, predicted, strict=False):
            numerics.firing_probs(below, *layer, out)
        return Phase(states, labels, predicted)

    def learn(self, targets: Array, rng: Rng, step: Step, rec_step: Step) -> float:
        """One update from the batch in `data_buffer`: Eq. 2 by `step`, Eq. 3 by `rec_step`.

        Their decay is for the weights alone. Returns the cross-entropy of the data as predicted by
        Eq. 2, in nats, summed over pixels and cases.
        """
        n, net = len(targets), self.net
        wake, sleep = self.run(targets, rng)
        cost = reconstruction_cost(wake.states[0], _parts(net, 0, wake.predicted[0])[0])
        for number, predicted in enumerate(wake.predicted):
            units, labels = _parts(net, number, predicted)
            np.subtract(wake.states[number], units, out=units)
            if labels.shape[1]:
                np.subtract(targets, labels, out=labels)
            self._step("gen", number, wake.states[number + 1], predicted, step)
        top_probs = self._top_probs[:n]
        top_probs.fill(0)
        numerics.squash(top_probs, net.top_bias)
        missed = np.subtract(wake.states[-1], top_probs, out=top_probs)
        self.momenta["top_bias"].step_sum(missed, 1 / n, step)
        for number, predicted in enumerate(sleep.predicted):
            missed = np.subtract(sleep.states[number + 1], predicted, out=predicted)
            self._step("rec", number, sleep.states[number], missed, rec_step)
        return cost

    def _step(self, which: str, number: int, driving: Array, missed: Array, step: Step) -> None:
        """Weights by what drives them times what they failed to predict, and their biases."""
        n = len(driving)
        self.momenta[f"{which}_weights{number + 1}"].step_product(driving.T, missed, 1 / n, step)
        self.momenta[f"{which}_biases{number + 1}"].step_sum(missed, 1 / n, step)


def _parts(net: DirectedNet, number: int, below: Array) -> tuple[Array, Array]:
    """Columns of the units below so manieth a layer of connections, and of labels, as views."""
    n_units = len(net.rec_weights[number])
    return below[:, :n_units], below[:, n_units:]


def _generate(
    net: DirectedNet, number: int, above: Array, out: Array, units_by: Callable[..., Any]
) -> tuple[Array, Array]:
    """What states above a layer generate, into out: units by a function, label probabilities."""
    bias = net.gen_biases[number]
    units, labels = _parts(net, number, numerics.product(above, net.gen_weights[number], out))
    units_by(units, bias[: units.shape[1]])
    if labels.shape[1]:
        numerics.softmax(labels, bias[units.shape[1] :])
    return units, labels


# -- what a net thinks of images -----------------------------------------------------------------


def label_log_probs(net: DirectedNet, images: NDArray[Any]) -> Array:
    """The log of p(label | image), as the top generates it after a deterministic up-pass.

    (n, n_labels), in nats, of (n, n_pixels) images, uint8 or floats in [0, 1]; ValueError if they
    do not fit, or the net has no labels. Features are probabilities and not states, which
    "suppresses the noise due to sampling"; `sample` is exact in the limit. Assumed, see
    docs/assumptions.md.
    """
    _check_labels(net)
    check_images(net, images)
    dtype = net.top_bias.dtype
    result = np.empty((len(images), net.n_labels), dtype)
    for rows, data in numerics.batches_taken(images, _BATCH, dtype):
        units = data
        for layer in net.recognition:
            units = numerics.firing_probs(units, *layer)
        result[rows] = numerics.log_softmax(numerics.affine(units, *net.to_labels))
    return result


def _check_labels(net: DirectedNet) -> None:
    if not net.n_labels:
        raise ValueError("a net without labels cannot be asked for them")


def log_weights(net: DirectedNet, binary: Array, rng: Rng, labels: Labels | None = None) -> Floats:
    """``log p(image, h) - log q(h | image)`` of binary images: (n,) nats.

    h is drawn from the recognition connections, q. The expectation is the variational bound on log
    p(image), minus the free energy that the wake phase lowers; nothing is left to be normalised.
    With (n,) `labels` log p(label | top) is added, for a bound on log p(image, label).
    """
    dtype = net.top_bias.dtype
    result = np.empty(len(binary))
    for rows in numerics.batches(len(binary), _BATCH):
        top, logs = _recognised(net, binary[rows].astype(dtype), rng)
        result[rows] = logs
        if labels is not None:
            said = numerics.log_softmax(numerics.affine(top, *net.to_labels))
            result[rows] += said[np.arange(len(said)), labels[rows]]
    return result


def _recognised(net: DirectedNet, data: Array, rng: Rng) -> tuple[Array, Floats]:
    """Top states by a stochastic up-pass, and ``log p(image, h) - log q(h | image)``."""
    total = np.zeros(len(data))
    for layer, back in zip(net.recognition, net.down[::-1], strict=True):
        inputs = numerics.affine(data, *layer)
        above = numerics.bernoulli(numerics.logistic(inputs.copy()), rng)
        total += log_chance(data, numerics.affine(above, *back)) - log_chance(above, inputs)
        data = above
    return data, total + log_chance(data, np.broadcast_to(net.top_bias, data.shape))


def sample(
    net: DirectedNet,
    images: NDArray[Any],
    rng: Rng,
    passes: int = 20,
    temperatures: int = 0,
    tick: Callable[[float], None] = lambda _share: None,
) -> annealing.Samples:
    """Weighted stochastic up-passes of each image: importance sampling of p(image, label).

    As `annealing.sample`, but for `temperatures`, for nothing is moved: ValueError unless 0. The
    expectation of a pass's weight is p(image), and times its p(label | top) p(image, label).
    """
    if temperatures:
        raise ValueError("the passes of a directed net are weighed, not annealed: temperatures 0")
    _check_labels(net)
    check_images(net, images)
    log_weights = np.empty((len(images), passes))
    log_probs = np.empty((len(images), passes, net.n_labels))
    for rows, data in numerics.batches_taken(images, _BATCH, net.top_bias.dtype):
        for number in range(passes):
            top, log_weights[rows, number] = _recognised(net, data, rng)
            said = numerics.affine(top, *net.to_labels)
            log_probs[rows, number] = numerics.log_softmax(said)
        tick(len(data) / len(images))
    return annealing.Samples(log_weights, log_probs)


# -- dreams --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Dreamer:
    """The generative direction of a net, which dreams from the top: every dream anew."""

    net: DirectedNet

    @property
    def n_labels(self) -> int:
        """The number of label units, 0 where there are none."""
        return self.net.n_labels

    def dream(
        self,
        n_chains: int,
        n_samples: int,
        rounds: int,
        rng: Rng,
        labels: Labels | None = None,
        tick: Callable[[float], None] = lambda _rounds: None,
    ) -> Fantasies:
        """Ancestral dreams: rows of `n_samples`, each row's with one of (n_chains,) `labels`.

        As `Generator.dream`; but no dream comes from another one, and no `rounds` lie between:
        they only say in what `tick` is told. Those of a label are what is left when all others are
        thrown away, and so exact;
        `NoDreamError` if they are too few of one among `MOST_DREAMS`. Pixels are
        shown as probabilities. Source: "the network generates fantasies by starting with a pattern
        of activation of the top-level units".
        """
        net, n = self.net, n_chains * n_samples
        top = np.empty((n, len(net.top_bias)), net.top_bias.dtype)
        found = np.empty(n, np.intp)
        still = np.full(n, -1) if labels is None else np.repeat(labels, n_samples)
        missing = np.arange(n)
        for _ in range(0, MOST_DREAMS, _BATCH):
            drawn = np.zeros((_BATCH, top.shape[1]), top.dtype)
            numerics.fire(drawn, net.top_bias, rng)
            own = self._labels(drawn, rng)
            before = len(missing)
            for row, label in enumerate(own):
                fits = missing[(still[missing] == label) | (still[missing] < 0)][:1]
                top[fits], found[fits] = drawn[row], label
                missing = missing[missing != fits[0]] if len(fits) else missing
            tick(rounds * (before - len(missing)) / n_chains)
            if not len(missing):
                break
        else:
            raise NoDreamError(MOST_DREAMS, int(still[missing[0]]))
        units = numerics.stochastic_pass(top, net.down[:-1], rng)
        images = numerics.firing_probs(units, *net.down[-1]).reshape(n_chains, n_samples, -1)
        return Fantasies(images, found.reshape(n_chains, -1) if net.n_labels else None)

    def _labels(self, top: Array, rng: Rng) -> NDArray[np.intp]:
        """The label unit that top states turn on in each row; 0 without labels."""
        if not self.n_labels:
            return np.zeros(len(top), np.intp)
        weights, bias = self.net.to_labels
        shares = numerics.softmax(numerics.product(top, weights), bias)
        found: NDArray[np.intp] = numerics.one_hot(shares, rng).argmax(axis=1)
        return found


# -- learning ------------------------------------------------------------------------------------


def top_biases(net: DirectedNet, images: NDArray[Any]) -> Array:
    """Biases of top units that are on as often as they are recognised: (n_top,) log odds.

    On average over at most 10,000 images; the factorial distribution nearest to that, and what the
    wake phase would learn. Assumed.
    """
    n = min(_MEASURED, len(images))
    on = np.zeros(len(net.top_bias))
    for _, data in numerics.batches_taken(images[:n], _BATCH, net.top_bias.dtype):
        units = data
        for layer in net.recognition:
            units = numerics.firing_probs(units, *layer)
        on += units.sum(axis=0, dtype=np.float64)
    share = (on + 1) / (n + 2)
    bias: Array = np.log(share / (1 - share)).astype(net.top_bias.dtype)
    return bias


def steps_at(settings: DirectedSettings, epoch: int) -> tuple[Step, Step]:
    """The steps of Eq. 2 and of Eq. 3 after so many epochs; the rate falls linearly."""
    rate = settings.rate * rate_share_at(epoch, settings.epochs, settings.final_share)
    step = Step(rate, settings.momentum, settings.decay)
    return step, Step(rate * settings.recognition_share, settings.momentum, settings.decay)


class WakeSleepTraining(FineTuning[DirectedNet, DirectedSettings]):
    """The learner of a directed net: epochs of plain wake-sleep.

    Needs `valid` cases, and a net with labels, or raises ValueError. Grey pixels are drawn anew as
    binary ones whenever they are met. Each epoch gives ``rate`` and ``recon_cost`` (nats per case,
    of the pixels given the first hidden states), and ``train_log_p`` and ``valid_log_p``: mean
    bounds on log p(image, label), nats, of at most 10,000 cases, their pixels drawn alike after
    every epoch; the first also ``start_log_p`` and ``start_errors``, of the validation cases before
    it; beside what `FineTuning` measures. The net with the highest ``valid_log_p`` is kept: errors
    may rise while it does.
    """

    ask = staticmethod(label_log_probs)

    def _prepare(self) -> None:
        if not self.net.n_labels or self._valid is None:
            raise ValueError("wake-sleep with labels needs a net with some, and validation cases")
        self._targets = numerics.one_hot_targets(self._train.labels, self.net.n_labels)
        self._size = min(self.settings.batch, len(self._train))
        self._wake_sleep = WakeSleep(self.net, self._size)
        self.momenta = self._wake_sleep.momenta
        self._highest = -math.inf

    def rule_met(self) -> str | None:
        """The schedule's end, in words, or None."""
        return self.cap()[1] if self.epoch >= self.settings.epochs else None

    def cap(self) -> tuple[int, str]:
        """The epochs of the schedule."""
        return self.settings.epochs, f"the schedule's {counted(self.settings.epochs, 'epoch')}"

    @property
    def _work_each(self) -> float:
        """Multiply-adds of a case."""
        return 6.0 * sum(weights.size for weights in self.net.rec_weights)

    def work(self) -> tuple[float, float]:
        """Multiply-adds done so far and expected in all."""
        whole = self._work_each * len(self._train)
        return whole * self.epoch, whole * self.settings.epochs

    def learn_epoch(self, tick: Callable[[float], None]) -> dict[str, float]:
        """Every training case once."""
        start = self._start() if self.epoch == 0 else {}
        step, rec_step = steps_at(self.settings, self.epoch)
        order, cost = self._rng.permutation(len(self._train)), 0.0
        grey = np.empty((self._size, self.net.n_pixels), self.net.top_bias.dtype)
        for batch in numerics.batches(len(order), self._size):
            rows = order[batch]
            data = self._wake_sleep.data_buffer(len(rows))
            numerics.take_batch(self._train.images, rows, grey[: len(rows)])
            numerics.choose(grey[: len(rows)], self._rng, data)
            cost += self._wake_sleep.learn(self._targets[rows], self._rng, step, rec_step)
            tick(self._work_each * len(rows))
        return {"rate": step.rate, "recon_cost": cost / len(order)} | start

    def _start(self) -> dict[str, float]:
        """What the net knows of the validation cases before it has learned."""
        assert self._valid is not None
        errors = score(self._asked(self._valid), self._valid.labels).errors
        bound = self._bound(self._valid, Use.DIRECTED_VALID)
        return {"start_errors": float(errors), "start_log_p": bound}

    def more_measured(self) -> dict[str, float]:
        """The bounds on log p of training and of validation cases."""
        assert self._valid is not None
        train = self._bound(self._train, Use.DIRECTED_TRAIN)
        return {"train_log_p": train, "valid_log_p": self._bound(self._valid, Use.DIRECTED_VALID)}

    def better(self, _valid: Score, more: Mapping[str, float]) -> bool:
        """Whether the bound on log p of the validation cases is higher than ever."""
        before, self._highest = self._highest, max(self._highest, more["valid_log_p"])
        return self._highest > before

    def own_state(self) -> dict[str, Any]:
        """The highest bound."""
        return {"highest": self._highest}

    def restore_own(self, state: Mapping[str, Any]) -> None:
        """Go on from an `own_state`."""
        self._highest = float(state["highest"])

    def _bound(self, cases: Cases, use: Use) -> float:
        """The mean bound on log p(image, label), by the same random numbers always."""
        rng, n = stream(0, use), min(_MEASURED, len(cases))
        images = likelihood.binarised(cases.images[:n], rng)
        return float(log_weights(self.net, images, rng, cases.labels[:n]).mean())
