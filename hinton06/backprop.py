"""Gentle backpropagation with importance sampling and the chapter's stopping rules.

The chapter's sections "Using backpropagation for discriminative fine-tuning" and "Details of
the discriminative fine-tuning procedure".
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinton06.models import Classifier
from hinton06.numerics import Array, label_errors, product, take_batch, times_slope
from hinton06.recipes import BackpropSettings
from hinton06.recognition import Cases, Score, case_costs, log_probs, score, up_pass
from hinton06.updates import Momentum, Step, conjugate_gradient

Labels = NDArray[np.integer[Any]]


class Backpropagation:
    """The gradient of the log probability of the labels, and momentum updates along it.

    Parameters
    ----------
    net : Classifier
        Changed in place by `learn`.
    batch_size : int
        The largest batch.

    Source
    ------
    "Five strategies for learning multilayer networks", the fourth: calculus.
    """

    def __init__(self, net: Classifier, batch_size: int) -> None:
        self.net = net
        dtype = net.weights[0].dtype
        self.weights = [Momentum(w) for w in net.weights]
        self.biases = [Momentum(b) for b in net.biases]
        self._layers = [np.empty((batch_size, size), dtype) for size in net.sizes]
        self._deltas = [np.empty((batch_size, size), dtype) for size in net.sizes[1:]]

    def forward(
        self, images: NDArray[Any], rows: Any, labels: Labels, case_weights: Array
    ) -> Array:
        """The up-pass of one batch; leaves the weighted top gradient ready for `backward`.

        Parameters
        ----------
        images : (n_cases, n_pixels) array
        rows : (n,) integer array or slice
            The cases of the batch.
        labels : (n,) integers, the batch's labels
        case_weights : (n,) array
            The factor of each case's gradient: 1, or 10 for a selected easy case.

        Returns
        -------
        (n,) array: each case's cross-entropy in nats, not weighted
        """
        n = len(labels)
        layers = [room[:n] for room in self._layers]
        take_batch(images, rows, layers[0])
        log_probabilities = up_pass(self.net, layers)
        return label_errors(log_probabilities, labels, case_weights, self._deltas[-1][:n])

    def backward(self, n: int, use: Callable[[int, Array, Array], None], lowest: int = 0) -> None:
        """Send the top gradient down, handing each layer's two factors to `use` on the way.

        Parameters
        ----------
        n : int
            The batch that `forward` saw.
        use : function of (layer number, (n_in, n) data transposed, (n, n_out) delta)
            The layer's summed weight gradient is the product of the two, its bias gradient the
            sum of delta over cases; uphill on the log probability of the labels. `use` may
            change that layer's parameters.
        lowest : int
            The lowest layer whose gradient is wanted.

        Source
        ------
        "starts at the output layer and proceeds backwards through the network one layer at a
        time", "Five strategies".
        """
        for number in range(len(self.weights) - 1, lowest - 1, -1):
            below, delta = self._layers[number][:n], self._deltas[number][:n]
            if number > lowest:
                delta_below = self._deltas[number - 1][:n]
                product(delta, self.net.weights[number].T, delta_below)
            use(number, below.T, delta)
            if number > lowest:
                times_slope(delta_below, below)

    def learn(
        self,
        images: NDArray[Any],
        rows: NDArray[np.intp],
        labels: Labels,
        case_weights: Array,
        step: Step,
        lowest: int = 0,
    ) -> Array:
        """One update from one batch.

        Parameters
        ----------
        images, rows, labels, case_weights
            As `forward`.
        step : Step
            Applied to the mean over the batch of the weighted gradients.
        lowest : int
            Layers below this one stay as they are.

        Returns
        -------
        (n,) array: each case's cross-entropy in nats before the update

        Source
        ------
        "Details of the discriminative fine-tuning procedure".
        """
        costs = self.forward(images, rows, labels, case_weights)
        n = len(labels)

        def update(number: int, data: Array, delta: Array) -> None:
            self.weights[number].step_product(data, delta, 1 / n, step)
            self.biases[number].step_sum(delta, 1 / n, step)

        self.backward(n, update, lowest)
        return costs


class CaseSampler:
    """Which cases the next batch is made of: importance sampling of the easy ones.

    Sweep after sweep through the shuffled training set, every hard case is selected and every
    easy one with probability `easy_probability`; a selected easy case's gradient is multiplied
    by 1 / `easy_probability`, so the expected gradient of a sweep is that of the whole set.
    A case is easy while its cross-entropy, when it was last computed, was below `easy_cost`.

    Parameters
    ----------
    n_cases : int
    settings : BackpropSettings
    rng : numpy.random.Generator

    Source
    ------
    "Details of the discriminative fine-tuning procedure", on importance sampling. The threshold
    is chosen by validation errors; that a case counts as hard until it has been seen is assumed:
    see README.
    """

    def __init__(self, n_cases: int, settings: BackpropSettings, rng: np.random.Generator) -> None:
        self._settings = settings
        self._rng = rng
        self.easy = np.zeros(n_cases, np.bool_)
        self.queue = np.empty(0, np.int64)
        self.queue_weights = np.empty(0, np.float32)

    def sweep(self) -> tuple[NDArray[np.int64], Array]:
        """One sweep's selection.

        Returns
        -------
        rows : (n_selected,) integer array, in random order
        case_weights : (n_selected,) float32 array, 1 for hard cases
        """
        order = self._rng.permutation(len(self.easy))
        if not self._settings.importance_sampling:
            return order, np.ones(len(order), np.float32)
        probability = self._settings.easy_probability
        chances = np.where(self.easy[order], probability, 1.0)
        order = order[self._rng.random(len(order)) < chances]
        return order, np.where(self.easy[order], 1 / probability, 1.0).astype(np.float32)

    def batch(self, size: int) -> tuple[NDArray[np.int64], Array]:
        """The next `size` cases, from as many sweeps as that takes.

        Returns
        -------
        rows, case_weights : arrays of length `size`
        """
        while len(self.queue) < size:
            rows, weights = self.sweep()
            self.queue = np.concatenate([self.queue, rows])
            self.queue_weights = np.concatenate([self.queue_weights, weights])
        rows, self.queue = self.queue[:size], self.queue[size:]
        weights, self.queue_weights = self.queue_weights[:size], self.queue_weights[size:]
        return rows, weights

    def note(self, rows: NDArray[np.int64] | slice, costs: Array) -> None:
        """Remember which of these cases are easy.

        Parameters
        ----------
        rows : (n,) integer array, or a slice
        costs : (n,) array of nats, as just computed
        """
        self.easy[rows] = costs < self._settings.easy_cost


def should_stop(valid_costs: Sequence[float], valid_errors: Sequence[int], patience: int) -> bool:
    """Both of the chapter's conditions, after each epoch.

    Parameters
    ----------
    valid_costs : sequence of float
        Cross-entropy on the validation set after each epoch so far.
    valid_errors : sequence of int
        Errors on the validation set after each epoch so far.
    patience : int
        Epochs since the fewest errors; the chapter's is 10.

    Returns
    -------
    bool
        True if an earlier epoch had the lowest cross-entropy *and* the fewest errors so far
        were first seen at least `patience` epochs ago.

    Source
    ------
    "the learning must have already gone past the minimum of the cross-entropy on the validation
    set", and "the minimum value observed so far should have occurred at least 10 epochs ago".
    """
    if not valid_costs:
        return False
    last = len(valid_costs) - 1
    past_minimum = int(np.argmin(valid_costs)) < last
    waited = last - int(np.argmin(valid_errors)) >= patience
    return past_minimum and waited


@dataclass(frozen=True)
class Selected:
    """The net that fine-tuning ends with.

    Parameters
    ----------
    epoch : int
        Epochs trained until it was reached.
    train : Score
        On the cases that it was trained on.
    """

    epoch: int
    train: Score


class FineTuning:
    """The learner of the discriminative half: epochs of backpropagation until a rule says stop.

    With `valid`, learning stops by `should_stop` and the parameters go back to the epoch of the
    fewest validation errors; without, it stops once the cost on the training cases has fallen
    to `target_cost`, and learns at `all_cases_rate`. `max_epochs` ends either, and `finished`
    then says so.

    Parameters
    ----------
    net : Classifier
        The start; changed in place.
    train : Cases
    settings : BackpropSettings
    rng : numpy.random.Generator
    valid : Cases, optional
    target_cost : float, optional
        Nats per 100 training cases. Exactly one of `valid` and `target_cost` is given.

    Source
    ------
    "Details of the discriminative fine-tuning procedure".
    """

    def __init__(
        self,
        net: Classifier,
        train: Cases,
        settings: BackpropSettings,
        rng: np.random.Generator,
        valid: Cases | None = None,
        target_cost: float | None = None,
    ) -> None:
        if (valid is None) == (target_cost is None):
            raise ValueError("fine-tuning needs either validation cases or a target cost")
        self.net = net
        self.settings = settings
        self.epoch = 0
        self.best = net.copy()
        self.selected = Selected(0, Score(len(train), len(train), float("inf")))
        self.valid_costs: list[float] = []
        self.valid_errors: list[int] = []
        self.train_costs: list[float] = []
        self._train = train
        self._valid = valid
        self._target_cost = target_cost
        self._rng = rng
        self._backprop = Backpropagation(net, min(settings.batch, len(train)))
        self._sampler = CaseSampler(len(train), settings, rng)

    # -- what the epoch loop asks ------------------------------------------------------------

    def finished(self) -> str | None:
        """Why learning is over, or None."""
        if self._stopping_rule_met():
            if self._valid is not None:
                return (
                    f"past the minimum of the validation cost, and no fewer validation errors "
                    f"for {self.settings.patience} epochs"
                )
            return f"training cost down to {self._target_cost:.4g} per 100"
        if self.epoch >= self.settings.max_epochs:
            return f"stopped by the cap of {self.settings.max_epochs} epochs"
        return None

    @property
    def capped(self) -> bool:
        """Whether learning ended at `max_epochs` before its stopping rule was met."""
        return self.epoch >= self.settings.max_epochs and not self._stopping_rule_met()

    def _stopping_rule_met(self) -> bool:
        if self._valid is not None:
            return should_stop(self.valid_costs, self.valid_errors, self.settings.patience)
        assert self._target_cost is not None
        return self.selected.train.cost_per_100 <= self._target_cost

    def where(self) -> str:
        """The place of the next epoch, in words."""
        return f"epoch {self.epoch + 1}"

    def work(self) -> tuple[float, float]:
        """Multiply-adds done, and expected: see `expected_epochs`."""
        per_epoch = 3.0 * sum(w.size for w in self.net.weights) * len(self._train)
        expected = self.epoch if self.finished() else self.expected_epochs()
        return per_epoch * self.epoch, per_epoch * expected

    def expected_epochs(self) -> int:
        """When learning will end, as far as can be told now, and at `max_epochs` at the latest.

        Returns
        -------
        int
            With validation, the soonest possible end: if errors fall no further. Without, the
            epoch at which the training cost reaches the target if it goes on falling by the
            same factor an epoch as on average so far.
        """
        soonest = self.epoch + 1
        if self._valid is not None:
            expected = max(self.selected.epoch + self.settings.patience, soonest)
        else:
            expected = max(_reaches(self.train_costs, self._target_cost or 0.0), soonest)
        return min(expected, self.settings.max_epochs)

    def run_epoch(self, tick: Callable[[float], None]) -> dict[str, float]:
        """As many sampled cases as the training set has, then the measurements.

        Parameters
        ----------
        tick : function
            Called after every batch with the multiply-adds it took.

        Returns
        -------
        dict
            ``sampled_cost`` (nats per 100 of the sampled cases, weighted to be unbiased),
            ``easy_share``; with validation ``valid_cost``, ``valid_errors``, and in an epoch of
            fewest errors, else always, ``train_cost`` and ``train_errors``. Costs are nats per
            100 cases.
        """
        optimise = self._momentum_epoch if self.settings.optimiser == "momentum" else self._cg_epoch
        sampled_cost = optimise(tick)
        self.epoch += 1
        row = {"sampled_cost": 100 * sampled_cost, "easy_share": float(self._sampler.easy.mean())}
        if self._valid is None:
            train = self._measure_train()
            self.selected = Selected(self.epoch, train)
            self.train_costs.append(train.cost_per_100)
        else:
            valid = score(log_probs(self.net, self._valid.images), self._valid.labels)
            fewest = not self.valid_errors or valid.errors < min(self.valid_errors)
            self.valid_costs.append(valid.cost_per_100)
            self.valid_errors.append(valid.errors)
            row |= {"valid_cost": valid.cost_per_100, "valid_errors": float(valid.errors)}
            if not fewest:
                return row
            train = self._measure_train()
            self._keep(Selected(self.epoch, train))
        return row | {"train_cost": train.cost_per_100, "train_errors": float(train.errors)}

    def parameters(self) -> dict[str, Array]:
        """The net's arrays by name, to be checked for numbers that are not finite."""
        return self.net.parameters()

    def result(self) -> Classifier:
        """The selected net: of the fewest validation errors, or the last one."""
        return self.net if self._valid is None else self.best

    # -- one epoch ---------------------------------------------------------------------------

    def _lowest_layer(self) -> int:
        top_only = self.epoch < self.settings.top_only_epochs
        return len(self.net.weights) - 1 if top_only else 0

    def _momentum_epoch(self, tick: Callable[[float], None]) -> float:
        size = min(self.settings.batch, len(self._train))
        rate = self.settings.all_cases_rate if self._valid is None else self.settings.rate
        step = Step(rate, self.settings.momentum, self.settings.decay)
        work = 3.0 * sum(w.size for w in self.net.weights)
        total = cases = 0.0
        for first in range(0, len(self._train), size):
            rows, weights = self._sampler.batch(min(size, len(self._train) - first))
            costs = self._backprop.learn(
                self._train.images, rows, self._train.labels[rows], weights, step,
                self._lowest_layer(),
            )  # fmt: skip
            self._sampler.note(rows, costs)
            total += float(costs @ weights)
            cases += float(weights.sum())
            tick(work * len(rows))
        return total / cases

    def _cg_epoch(self, tick: Callable[[float], None]) -> float:
        size = min(self.settings.batch, len(self._train))
        lowest = self._lowest_layer()
        parameters = [*self.net.weights[lowest:], *self.net.biases[lowest:]]
        work = 3.0 * sum(w.size for w in self.net.weights)
        order = self._rng.permutation(len(self._train))
        total = 0.0
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            cost_and_gradient = partial(self._cost_and_gradient, rows, lowest)
            cost = conjugate_gradient(parameters, cost_and_gradient, self.settings.line_searches)
            total += len(rows) * cost
            tick(work * len(rows))
        return total / len(order)

    def _cost_and_gradient(self, rows: NDArray[np.intp], lowest: int) -> tuple[float, list[Array]]:
        """Mean cost of a batch in nats, and its downhill-is-negative gradient, weights first."""
        n = len(rows)
        labels = self._train.labels[rows]
        ones = np.ones(n, self.net.weights[0].dtype)
        costs = self._backprop.forward(self._train.images, rows, labels, ones)
        weights: list[Array] = []
        biases: list[Array] = []

        def collect(_: int, data: Array, delta: Array) -> None:
            weights.insert(0, data @ delta / -n)
            biases.insert(0, delta.sum(axis=0) / -n)

        self._backprop.backward(n, collect, lowest)
        return float(costs.mean(dtype=np.float64)), weights + biases

    # -- measuring and keeping ---------------------------------------------------------------

    def _measure_train(self) -> Score:
        probabilities = log_probs(self.net, self._train.images)
        self._sampler.note(slice(None), case_costs(probabilities, self._train.labels))
        return score(probabilities, self._train.labels)

    def _keep(self, selected: Selected) -> None:
        self.best.copy_from(self.net)
        self.selected = selected

    # -- saving and going on -----------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on exactly from here."""
        backprop, sampler = self._backprop, self._sampler
        return {
            "epoch": self.epoch,
            "rng": self._rng.bit_generator.state,
            "net": self.net.arrays(),
            "best": self.best.arrays(),
            "velocity": {
                **{f"weights{i}": m.velocity for i, m in enumerate(backprop.weights, 1)},
                **{f"biases{i}": m.velocity for i, m in enumerate(backprop.biases, 1)},
            },
            "selected": {
                "epoch": self.selected.epoch,
                "errors": self.selected.train.errors,
                "cost_per_100": self.selected.train.cost_per_100,
            },
            "valid_costs": np.array(self.valid_costs, np.float64),
            "valid_errors": np.array(self.valid_errors, np.int64),
            "train_costs": np.array(self.train_costs, np.float64),
            "easy": sampler.easy.astype(np.uint8),
            "queue": sampler.queue,
            "queue_weights": sampler.queue_weights,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`.

        Raises
        ------
        ValueError, KeyError
            If the state is not one of a net of these shapes.
        """
        for mine, saved in ((self.net, state["net"]), (self.best, state["best"])):
            mine.copy_from(Classifier.from_arrays(saved))
        for name, momenta in (
            ("weights", self._backprop.weights),
            ("biases", self._backprop.biases),
        ):
            for i, momentum in enumerate(momenta, 1):
                momentum.restore(state["velocity"][f"{name}{i}"])
        chosen = state["selected"]
        self.selected = Selected(
            int(chosen["epoch"]),
            Score(len(self._train), int(chosen["errors"]), float(chosen["cost_per_100"])),
        )
        self.valid_costs = [float(x) for x in state["valid_costs"]]
        self.valid_errors = [int(x) for x in state["valid_errors"]]
        self.train_costs = [float(x) for x in state["train_costs"]]
        queue, weights = state["queue"], state["queue_weights"]
        numbers = np.issubdtype(queue.dtype, np.integer) and queue.shape == weights.shape
        if not numbers or not ((queue >= 0) & (queue < len(self._train))).all():
            raise ValueError("the saved queue of cases does not fit the training set")
        np.copyto(self._sampler.easy, state["easy"].astype(np.bool_))
        self._sampler.queue, self._sampler.queue_weights = queue, weights
        self.epoch = int(state["epoch"])
        self._rng.bit_generator.state = state["rng"]


def _reaches(costs: Sequence[float], target: float) -> int:
    """The epoch at which costs that fall geometrically reach a target; huge if they do not."""
    if len(costs) < 2 or not 0 < costs[-1] < costs[0] or target <= 0:
        return sys.maxsize
    decline = math.log(costs[0] / costs[-1]) / (len(costs) - 1)
    return len(costs) + math.ceil(math.log(costs[-1] / target) / decline)
