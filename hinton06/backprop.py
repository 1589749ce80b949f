"""Gentle backpropagation with importance sampling and the chapter's stopping rules.

The chapter's sections "Using backpropagation for discriminative fine-tuning" and "Details of
the discriminative fine-tuning procedure".
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hinton06 import numerics
from hinton06.dropout import Dropout
from hinton06.finetuning import FineTuning
from hinton06.models import Classifier
from hinton06.numerics import Array, Labels, batches, label_errors, product, take_batch, times_slope
from hinton06.recipes import BackpropSettings, counted
from hinton06.recognition import case_costs, log_probs, up_pass
from hinton06.updates import Momentum, Step, conjugate_gradient, rate_share_at

VIRTUAL_PASSES = 6
"""As `BackpropSettings.passes`, of an image without a label: up, along, down, and three."""


class Backpropagation:
    """The gradient of the log probability of the labels, and momentum updates of `net` along it.

    In batches of at most `batch_size`. "Five strategies for learning multilayer networks", no. 4.
    With `dropout`, of the units that are kept; incoming weights of hidden units are then at most
    `max_norm` long, if that is not 0. With `adversarial` above 0, of images that were moved so far,
    in Euclidean length, along the gradient of their costs by their pixels in the whole net: where,
    to first order, they cost most. Not in the chapter: I. J. Goodfellow, J. Shlens and C. Szegedy,
    "Explaining and harnessing adversarial examples", ICLR 2015; the length, T. Miyato, S. Maeda, M.
    Koyama, K. Nakae and S. Ishii, "Distributional smoothing with virtual adversarial training",
    ICLR 2016. With `virtual` above 0, that training of images without labels, beside each batch, at
    most `n_virtual` at a time, along random directions of `rng`.
    """

    def __init__(
        self,
        net: Classifier,
        batch_size: int,
        dropout: Dropout | None = None,
        max_norm: float = 0.0,
        adversarial: float = 0.0,
        virtual: float = 0.0,
        n_virtual: int = 0,
        rng: Generator | None = None,
    ) -> None:
        self.net, self._dropout, self._max_norm = net, dropout, max_norm
        self._virtual, self._rng = virtual, rng
        self._whole = (1.0,) * len(net.weights)
        self._keep, self._adversarial = dropout.keep if dropout else self._whole, adversarial
        dtype = net.weights[0].dtype
        self.weights = [Momentum(w) for w in net.weights]
        self.biases = [Momentum(b) for b in net.biases]
        self._nothing = np.empty((0, net.sizes[0]), dtype)
        most = batch_size + (n_virtual if virtual else 0)
        self._layers = [np.empty((most, size), dtype) for size in net.sizes]
        self._deltas = [np.empty((most, size), dtype) for size in net.sizes[1:]]

    def forward(
        self,
        images: NDArray[Any],
        rows: Any,
        labels: Labels,
        case_weights: Array,
        beside: tuple[NDArray[Any], Any] | None = None,
    ) -> Array:
        """The up-pass of one batch; leaves the weighted top gradient ready for `backward`.

        The batch are these (n,) `rows` of (n_cases, n_pixels) `images`, with their labels; (n,)
        `case_weights` are the factors of their gradients: 1, or 10 for a selected easy case.
        Returns each case's cross-entropy in nats, not weighted. `beside` are images and rows of
        (m,) more, without labels, that follow the batch in `backward`: their gradient is that of
        the mean of minus KL(answer as it was || answer where they were moved to), times n.
        """
        n = len(labels)
        moved, answers = self._move_virtually(*beside) if beside else (self._nothing,) * 2
        layers = [buffer[: n + len(moved)] for buffer in self._layers]
        batch = [units[:n] for units in layers]
        take_batch(images, rows, batch[0])
        if self._adversarial:
            self._move(batch, labels)
        layers[0][n:] = moved
        up = self._dropout.up_pass if self._dropout else up_pass
        log_probs, errors = up(self.net, layers), self._deltas[-1][: n + len(moved)]
        if beside:
            np.subtract(answers, np.exp(log_probs[n:]), out=errors[n:])
            errors[n:] *= n / len(moved)
        return label_errors(log_probs[:n], labels, case_weights, errors[:n])

    def _move_virtually(self, images: NDArray[Any], rows: Any) -> tuple[Array, Array]:
        """(m, n_pixels) images where the net's answers change most, and these as they are.

        Most for so short a way, to second order: that is along H times a random direction, once a
        round of the power method, H being the second derivatives of KL(answer || answer of the
        moved) by the pixels, J^T F J, with the J by which the inputs to the class units change.
        """
        assert self._rng is not None
        net, n = self.net, _length(images, rows)
        layers = [buffer[:n] for buffer in self._layers]
        changes = [buffer[:n] for buffer in self._deltas]
        images = take_batch(images, rows, layers[0])
        log_probs = up_pass(net, layers)
        change = self._rng.standard_normal(images.shape, images.dtype.type)
        for weights, units, above in zip(net.weights, layers[1:], changes, strict=True):
            change = product(change, weights, above)
            if above is not changes[-1]:
                times_slope(change, units.copy())
        numerics.answer_directions(log_probs, change)
        answers = np.exp(log_probs)
        numerics.step_along(images, self._downhill(n), self._virtual)
        return images.copy(), answers

    def _downhill(self, n: int) -> Array:
        """The top gradient of n cases sent down to their pixels, in the whole net."""
        for _, _, delta in self.backward(n, keep=self._whole):
            lowest = delta
        return product(lowest, self.net.weights[0].T)

    def _move(self, layers: Sequence[Array], labels: Labels) -> None:
        """Move the images in the lowest layer to where they cost most: adversarial training."""
        n = len(labels)
        numerics.label_directions(up_pass(self.net, layers), labels, self._deltas[-1][:n])
        uphill = self._downhill(n)  # on the log probability of the label
        numerics.step_along(layers[0], uphill, -self._adversarial)

    def backward(
        self, n: int, lowest: int = 0, keep: Sequence[float] | None = None
    ) -> Iterator[tuple[int, Array, Array]]:
        """Send the top gradient of n cases down: each layer's two factors, from the top.

        The layer's number, its (n_in, n) data transposed and its (n, n_out) delta: the summed
        weight gradient is the product of the two, the bias gradient the sum of delta over cases;
        uphill on the log probability of the labels. The layer's parameters may change then; layers
        below `lowest` are left out; units were kept with the chances `keep`, if not those of the
        dropout. Source: "starts at the output layer and proceeds backwards
        through the network one layer at a time", "Five strategies".
        """
        for number in range(len(self.weights) - 1, lowest - 1, -1):
            below, delta = self._layers[number][:n], self._deltas[number][:n]
            if number > lowest:
                delta_below = self._deltas[number - 1][:n]
                product(delta, self.net.weights[number].T, delta_below)
            yield number, below.T, delta
            if number > lowest:
                times_slope(delta_below, below, (keep or self._keep)[number])

    def learn(
        self,
        images: NDArray[Any],
        rows: Any,
        labels: Labels,
        case_weights: Array,
        step: Step,
        lowest: int = 0,
        beside: tuple[NDArray[Any], Any] | None = None,
    ) -> Array:
        """One `step` by a batch's mean weighted gradient, from `lowest` up; otherwise `forward`."""
        costs = self.forward(images, rows, labels, case_weights, beside)
        n = len(labels) + (_length(*beside) if beside else 0)
        for number, data, delta in self.backward(n, lowest):
            self.weights[number].step_product(data, delta, 1 / len(labels), step)
            self.biases[number].step_sum(delta, 1 / len(labels), step)
            if number < len(self.weights) - 1:
                self.weights[number].limit(self._max_norm)
        return costs


def _length(images: NDArray[Any], rows: Any) -> int:
    """How many images such rows are, all if they are a slice."""
    return len(images) if isinstance(rows, slice) else len(rows)


class CaseSampler:
    """Which of `n_cases` the next batch is made of: importance sampling of the easy ones.

    Sweep after sweep through the shuffled training set, every hard case is selected and every easy
    one with probability `easy_probability`; a selected easy case's gradient is multiplied by 1 /
    `easy_probability`, so the expected gradient of a sweep is that of the whole set. A case is easy
    while its cross-entropy, when last computed, was below `easy_cost`; hard until it was seen:
    assumed, see docs/assumptions.md. Source: "Details of the discriminative fine-tuning procedure".
    """

    def __init__(self, n_cases: int, settings: BackpropSettings, rng: Generator) -> None:
        self._settings, self._rng = settings, rng
        self.easy = np.zeros(n_cases, np.bool_)
        self.queue = np.empty(0, np.int64)
        self.queue_weights = np.empty(0, np.float32)

    def sweep(self) -> tuple[NDArray[np.int64], Array]:
        """One sweep's (n_selected,) rows in random order, and case weights, 1 for hard cases."""
        order = self._rng.permutation(len(self.easy))
        if not self._settings.importance_sampling:
            return order, np.ones(len(order), np.float32)
        probability = self._settings.easy_probability
        chances = np.where(self.easy[order], probability, 1.0)
        order = order[self._rng.random(len(order)) < chances]
        return order, np.where(self.easy[order], 1 / probability, 1.0).astype(np.float32)

    def batch(self, size: int) -> tuple[NDArray[np.int64], Array]:
        """Rows and case weights of the next `size` cases, from as many sweeps as that takes."""
        while len(self.queue) < size:
            rows, weights = self.sweep()
            self.queue = np.concatenate([self.queue, rows])
            self.queue_weights = np.concatenate([self.queue_weights, weights])
        rows, self.queue = self.queue[:size], self.queue[size:]
        weights, self.queue_weights = self.queue_weights[:size], self.queue_weights[size:]
        return rows, weights

    def go_on(self, queue: NDArray[np.int64], weights: Array) -> None:
        """With a queue that was saved; ValueError if it is not one of so many cases."""
        numbers = np.issubdtype(queue.dtype, np.integer) and queue.shape == weights.shape
        if not numbers or not ((queue >= 0) & (queue < len(self.easy))).all():
            raise ValueError("the saved queue of cases does not fit the training set")
        self.queue, self.queue_weights = queue, weights

    def note(self, rows: NDArray[np.int64] | slice, costs: Array) -> None:
        """Remember which of these (n,) rows are easy by their (n,) costs in nats, just computed."""
        self.easy[rows] = costs < self._settings.easy_cost


def should_stop(
    valid_costs: Sequence[float],
    valid_errors: Sequence[int],
    patience: int,
    epochs: Sequence[int] | None = None,
) -> bool:
    """Whether, after the last of these measurements, both of the chapter's conditions are met.

    On the validation set "the learning must have already gone past the minimum of the
    cross-entropy", and of errors "the minimum value observed so far should have occurred at least
    10 epochs ago", here `patience`. They were made after these `epochs`, or after each.
    """
    if not valid_costs:
        return False
    last, fewest = len(valid_costs) - 1, int(np.argmin(valid_errors))
    waited = last - fewest if epochs is None else epochs[last] - epochs[fewest]
    return bool(np.argmin(valid_costs) < last and waited >= patience)


class DiscriminativeFineTuning(FineTuning[Classifier, BackpropSettings]):
    """The learner of the discriminative half: epochs of backpropagation until a rule says stop.

    With `valid` cases, learning stops by `should_stop`; without, once the cost on the training
    cases, in nats per 100, has fallen to `target`, and it learns at `all_cases_rate`. Exactly
    one of both is given, or it raises ValueError. `max_epochs` ends either. Each epoch gives
    ``sampled_cost`` (nats per 100 sampled cases, weighted to be unbiased) and ``easy_share`` beside
    what `FineTuning` measures. Source: "Details of the discriminative fine-tuning procedure".

    With `epochs` the rate falls, in so many, to `final_share` of itself, where it stays, and no
    rule stops learning before: falling, it takes errors and costs along. So there is no `target` to
    reach: without `valid` cases it ends then. Each epoch gives its ``rate`` as well. With dropout
    all that is measured is of the whole net, of which nothing is left out; only ``sampled_cost`` is
    that of what learns, of the labelled cases.
    """

    ask = staticmethod(log_probs)
    algorithm = Backpropagation

    def _prepare(self) -> None:
        net, n = self.net, len(self._train)
        self._dropout = Dropout.of(self.settings, len(net.weights) - 1, self._masks)
        used, size = self.settings, min(self.settings.batch, n)
        # A class's neighbours are not theirs, whose labels are not looked at.
        self._unlabelled = self._train.unlabelled or replace(self._train, neighbours=None)
        self._n_others = min(used.virtual_batch, len(self._unlabelled)) if used.virtual else 0
        more = used.max_norm, used.adversarial, used.virtual, self._n_others, self._masks
        self._backprop = self.algorithm(net, size, self._dropout, *more)
        parts = {"weights": self._backprop.weights, "biases": self._backprop.biases}
        self.momenta = {f"{part}{i}": m for part, ms in parts.items() for i, m in enumerate(ms, 1)}
        self._sampler = CaseSampler(n, used, self._rng)
        evenly = replace(used, importance_sampling=False)
        self._others = CaseSampler(len(self._unlabelled), evenly, self._rng)

    def validates(self) -> bool:
        """Every `valid_every` epochs, where the rate has fallen, and where the cap ends it all."""
        return self._validates_after(self.epoch)

    def _validates_after(self, epoch: int) -> bool:
        settings = self.settings
        ends = (settings.epochs, settings.max_epochs)
        return epoch % settings.valid_every == 0 or epoch in ends

    def rule_met(self) -> str | None:
        """The stopping rule that is met, in words, or None."""
        if self.epoch < self.settings.epochs:
            return None
        if self._target is not None:
            if self.settings.epochs:
                return "the rate has fallen"
            met = self.selected.train.cost_per_100 <= self._target
            return f"training cost down to {self._target:.4g} per 100" if met else None
        patience = self.settings.patience
        waited = f"no fewer validation errors for {counted(patience, 'epoch')}"
        if not self.validates():
            return None
        measured = [n for n in range(1, self.epoch + 1) if self._validates_after(n)]
        met = should_stop(self.valid_costs, self.valid_errors, patience, measured)
        return f"past the minimum of the validation cost, and {waited}" if met else None

    def cap(self) -> tuple[int, str]:
        """The most epochs, and what is said of a run that they end."""
        most = self.settings.max_epochs
        return most, f"stopped by the cap of {counted(most, 'epoch')}"

    def work(self) -> tuple[float, float]:
        """Multiply-adds done, and expected: see `expected_epochs`."""
        per_epoch = sum(self._work(size) for size in self._sizes())
        expected = self.epoch if self.finished() else self.expected_epochs()
        return per_epoch * self.epoch, per_epoch * expected

    def _sizes(self) -> list[int]:
        """Labelled cases of each update of an epoch: a sweep of them, or longer, of the others."""
        n, batch = len(self._train), self.settings.batch
        own = [some.stop - some.start for some in batches(n, batch)]
        if not self._n_others:
            return own
        others = -(-len(self._unlabelled) // self._n_others)
        return [min(batch, n)] * max(others, len(own))

    def _work(self, n_cases: int) -> float:
        """Multiply-adds of an update from so many."""
        passes = self.settings.passes * n_cases + VIRTUAL_PASSES * self._n_others
        return float(passes * sum(w.size for w in self.net.weights))

    def expected_epochs(self) -> int:
        """When learning will end, as far as can be told now, and at `max_epochs` at the latest.

        With validation, if errors fall no further; without, if the cost falls on at its mean rate.
        """
        falling = self.settings.epochs
        if self._target is None:
            expected = self.selected.epoch + self.settings.patience
        else:
            expected = falling or _reaches(self.train_costs, self._target)
        soonest = max(self.epoch + 1, falling)
        return min(max(expected, soonest), self.settings.max_epochs)

    def learn_epoch(self, tick: Callable[[float], None]) -> dict[str, float]:
        """As many sampled cases as the training set has, or as are beside a sweep of the others."""
        n, by_momentum = len(self._train), self.settings.optimiser == "momentum"
        top_only = self.epoch < self.settings.top_only_epochs
        lowest = len(self.net.weights) - 1 if top_only else 0
        order = None if by_momentum else self._rng.permutation(n)
        self._train.begin(self.epoch)
        total = weight = 0.0
        for number, size in enumerate(self._sizes()):
            if order is None:
                cost, cases = self._learn_by_momentum(size, lowest)
            else:
                batch = self.settings.batch
                cost, cases = self._learn_by_cg(order[number * batch :][:batch], lowest)
            total, weight = total + cost, weight + cases
            tick(self._work(size))
        easy_share = float(self._sampler.easy.mean())
        row = {"sampled_cost": 100 * (total / weight), "easy_share": easy_share}
        falls = self._dropout or self.settings.epochs
        return row | {"rate": self.rate()} if falls else row

    def rate(self) -> float:
        """Of the present epoch."""
        settings = self.settings
        rate = settings.rate if self._target is None else settings.all_cases_rate
        return rate * rate_share_at(self.epoch, settings.epochs, settings.final_share)

    def _learn_by_momentum(self, size: int, lowest: int) -> tuple[float, float]:
        """The weighted cost of so many cases, and their weight."""
        step = Step(self.rate(), self.settings.momentum, self.settings.decay)
        rows, weights = self._sampler.batch(size)
        labels, beside = self._train.labels[rows], None
        if self._n_others:
            others, _ = self._others.batch(self._n_others)
            beside = self._unlabelled.learned(others)
        learned = self._train.learned(rows)
        costs = self._backprop.learn(*learned, labels, weights, step, lowest, beside)
        self._sampler.note(rows, costs)
        return float(costs @ weights), float(weights.sum())

    def _learn_by_cg(self, rows: NDArray[np.intp], lowest: int) -> tuple[float, float]:
        """The summed cost of these cases, and how many they are."""
        n, labels, images = len(rows), self._train.labels[rows], self._train.learned(rows)
        ones = np.ones(n, self.net.weights[0].dtype)

        def cost_and_gradient() -> tuple[float, list[Array]]:
            """Mean cost in nats, and its downhill-is-negative gradient, weights first."""
            costs = self._backprop.forward(*images, labels, ones)
            weights: list[Array] = []
            biases: list[Array] = []
            for _, data, delta in self._backprop.backward(n, lowest):
                weights.insert(0, data @ delta / -n)
                biases.insert(0, delta.sum(axis=0) / -n)
            return float(costs.mean(dtype=np.float64)), weights + biases

        parameters = [*self.net.weights[lowest:], *self.net.biases[lowest:]]
        cost = conjugate_gradient(parameters, cost_and_gradient, self.settings.line_searches)
        return n * cost, n

    def train_measured(self, log_probs: Array) -> None:
        """A measurement of all cases tells which are easy."""
        self._sampler.note(slice(None), case_costs(log_probs, self._train.labels))

    def own_state(self) -> dict[str, Any]:
        """Which cases are easy, and which are selected already."""
        sampler = self._sampler
        easy = sampler.easy.astype(np.uint8)
        state = {"easy": easy, "queue": sampler.queue, "queue_weights": sampler.queue_weights}
        return state | ({"unlabelled": self._others.queue} if self.settings.virtual else {})

    def restore_own(self, state: Mapping[str, Any]) -> None:
        """Go on from an `own_state`; ValueError if it is not one of so many cases."""
        self._sampler.go_on(state["queue"], state["queue_weights"])
        np.copyto(self._sampler.easy, state["easy"].astype(np.bool_))
        if self.settings.virtual:
            others = state["unlabelled"]
            self._others.go_on(others, np.ones(len(others), np.float32))


def _reaches(costs: Sequence[float], target: float) -> int:
    """The epoch at which costs that fall geometrically reach a target; huge if they do not."""
    if len(costs) < 2 or not 0 < costs[-1] < costs[0] or target <= 0:
        return sys.maxsize
    decline = math.log(costs[0] / costs[-1]) / (len(costs) - 1)
    return len(costs) + math.ceil(math.log(costs[-1] / target) / decline)
