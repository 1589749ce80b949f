"""The five strategies measured beside each other: gradients, and errors by cost, net after net.

Of the chapter's section "Five strategies for learning multilayer networks". Nets have one layer of
features, on images that are averaged down to so few pixels that small nets can be made too. A
learner whose epochs are single measurements, so that the epoch loop saves them and goes on.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hinton06 import jitter, numerics
from hinton06.models import Classifier
from hinton06.numerics import Array, Labels
from hinton06.recipes import StrategySettings
from hinton06.recognition import log_probs, score
from hinton06.records import Tree
from hinton06.strategies import STRATEGIES, Calculus, Start, Strategy
from hinton06.streams import Use, stream

GRADIENTS, TRIALS, LEARNING, SUPPORT = range(4)
"""What a row of the history measures: gradients of a net, one of the rates that are tried, errors
by cost at the chosen one, a support vector machine."""

NAMES = tuple(STRATEGIES)
"""The strategies, as a row of the history numbers them."""

TRIED_AT = 0.1
"""Share of the whole cost after which validation errors choose a rate."""

_POINTS = np.logspace(-3, 0, 7)  # shares of the whole cost at which errors are measured
_NONE = -1.0  # in a saved column where a row has no value: all values are at least 0
# For the bar alone, in multiply-adds: what an update takes beside its products, an estimate of a
# gradient, and each pair of cases that a support vector machine compares, for each pixel.
_UPDATE_WORK, _ESTIMATE_WORK, _KERNEL_WORK = 1e6, 3e6, 10.0


def averaged(images: NDArray[Any], shape: tuple[int, int], side: int) -> Array:
    """(n, n_pixels) bytes averaged in blocks to at most `side` rows and columns: float32, 0 to 1.

    Where a side of the images is no multiple of it blocks differ by one row or column.
    """
    blocks = images.reshape(len(images), *shape)
    for axis, length in enumerate(shape, 1):
        edges = np.linspace(0, length, min(side, length) + 1).astype(np.intp)
        sums = np.add.reduceat(blocks, edges[:-1], axis=axis, dtype=np.float64)
        blocks = sums / np.diff(edges).reshape([-1 if a == axis else 1 for a in range(3)])
    return np.ascontiguousarray(blocks.reshape(len(images), -1) / 255, np.float32)


def has_support_vectors() -> bool:
    """Whether scikit-learn is installed."""
    return importlib.util.find_spec("sklearn") is not None


class Labelled(NamedTuple):
    """(n, n_pixels) float32 images in [0, 1] and their (n,) classes, from 0."""

    images: Array
    labels: Labels


@dataclass(frozen=True)
class Place:
    """One measurement: what is measured, of which size, rate and draw, and at which cost.

    `size` are features, or the training cases of a support vector machine; `rate` its C; `passes`
    what a run has cost, in forward passes, of the `whole`, and `last` whether it ends there.
    """

    part: int
    size: int
    draw: int
    strategy: int = -1
    rate: float = 0.0
    passes: float = 0.0
    whole: float = 0.0

    @property
    def last(self) -> bool:
        """Whether nothing of its run is left."""
        return self.passes == self.whole

    def row(self) -> dict[str, float]:
        """Its columns of the history."""
        row: dict[str, float] = {"part": self.part, "size": self.size, "draw": self.draw}
        if self.part != GRADIENTS:
            row |= {"strategy": self.strategy, "rate": self.rate}
        return {name: float(value) for name, value in row.items()}

    def words(self) -> str:
        """For people."""
        draw = f"draw {self.draw + 1}"
        if self.part == GRADIENTS:
            return f"gradients, {self.size:,} features, {draw}"
        if self.part == SUPPORT:
            return f"support vectors, {self.size:,} cases, C {self.rate:g}, {draw}"
        run = f"{NAMES[self.strategy]}, {self.size:,} features, rate {self.rate:g}, {draw}"
        return f"{run}, {self.passes:,.0f} passes"


class Study:
    """Measures gradients, tries rates, learns at those that validation chose, asks a kernel.

    Of training, validation and test cases of so many classes. Each run has random numbers of its
    own, of the `seed`. Source: "Compared with random jittering of the weights
    or feature activations, backpropagation is more efficient by a factor of the number of weights
    or features in the network".
    """

    def __init__(
        self, train: Labelled, valid: Labelled, test: Labelled, n_classes: int,
        settings: StrategySettings, seed: int,
    ) -> None:  # fmt: skip
        self.settings, self._seed, self._n_classes = settings, seed, n_classes
        self._train, self._valid, self._test = train, valid, test
        self.rows: list[dict[str, float]] = []
        self._learner: Strategy | None = None
        self._spent, self._diverged = 0.0, False

    # -- what is measured, in its order ----------------------------------------------------------

    @cached_property
    def _before_learning(self) -> list[Place]:
        """All that does not depend on what is measured."""
        s = self.settings
        places = [Place(GRADIENTS, n, d) for n in s.features for d in range(s.draws)]
        short = s.budget * TRIED_AT
        return places + [
            Place(TRIALS, n, d, number, rate, short, short)
            for n in s.learned for number in range(len(NAMES)) for rate in s.rates
            for d in range(s.draws)
        ]  # fmt: skip

    @cached_property
    def _support(self) -> list[Place]:
        s = self.settings
        if not has_support_vectors():
            return []
        return [
            Place(SUPPORT, n, d, rate=c)
            for n in s.support_cases if n <= len(self._train.labels) for c in s.support_c
            for d in range(s.draws)
        ]  # fmt: skip

    def _place(self, number: int) -> Place | None:
        """The measurement of that number, None behind the last one."""
        s, first = self.settings, self._before_learning
        if number < len(first):
            return first[number]
        number -= len(first)
        costs = (s.budget * _POINTS).tolist()
        runs = [(n, name, d) for n in s.learned for name in range(len(NAMES))
                for d in range(s.draws)]  # fmt: skip
        run, point = divmod(number, len(costs))
        if run < len(runs):
            size, strategy, draw = runs[run]
            rate = chosen_rate(self.rows, size, strategy)
            return Place(LEARNING, size, draw, strategy, rate, costs[point], costs[-1])
        number -= len(runs) * len(costs)
        return self._support[number] if number < len(self._support) else None

    def _expected(self) -> Iterator[float]:
        """Multiply-adds of each measurement, about."""
        s, n_pixels = self.settings, self._train.images.shape[1]
        measured = len(self._valid.labels) + len(self._test.labels)

        def learned(size: int, passes: float, cases: int) -> float:
            weights = float((n_pixels + self._n_classes) * size)
            return weights * (passes + cases) + _UPDATE_WORK * passes / (2 * s.batch)

        for place in self._before_learning:
            if place.part == TRIALS:
                yield learned(place.size, place.passes, measured)
            else:
                an_estimate = _ESTIMATE_WORK + learned(place.size, 0, 60)
                taught = learned(place.size, 2 * s.taught, 3 * len(self._train.labels))
                yield s.estimates * an_estimate + taught
        for size in s.learned:
            for passes in np.diff(s.budget * _POINTS, prepend=0).tolist() * len(NAMES) * s.draws:
                yield learned(size, passes, measured)
        for place in self._support:
            yield _KERNEL_WORK * n_pixels * place.size * (place.size + measured / 3)

    @cached_property
    def _work(self) -> NDArray[np.float64]:
        return np.cumsum([0.0, *self._expected()])

    # -- as a learner ----------------------------------------------------------------------------

    def finished(self) -> str | None:
        """Why all is measured, or None."""
        if self._place(len(self.rows)) is not None:
            return None
        left_out = "" if has_support_vectors() else ", without support vectors"
        return f"{len(self.rows)} measurements{left_out}"

    def where(self) -> str:
        """What is measured next."""
        place = self._place(len(self.rows))
        return "" if place is None else place.words()

    def work(self) -> tuple[float, float]:
        """Multiply-adds done so far and expected in all."""
        return float(self._work[len(self.rows)]), float(self._work[-1])

    def run_epoch(self, tick: Callable[[float], None]) -> dict[str, float]:
        """One measurement: a row of the history, of the columns that its part has."""
        place = self._place(len(self.rows))
        assert place is not None
        if place.part == GRADIENTS:
            measured = self._gradients(place)
        elif place.part == SUPPORT:
            measured = self._support_vectors(place)
        else:
            measured = self._learn(place)
        row = place.row() | measured
        tick(float(np.diff(self._work)[len(self.rows)]))
        self.rows.append(row)
        return row

    def parameters(self) -> dict[str, Array]:
        """None: a run whose numbers overflow is a measurement too, see `_learn`."""
        return {}

    def state(self) -> Tree:
        """Everything that `restore` needs to go on exactly from here."""
        names = sorted({name for row in self.rows for name in row})
        columns = {n: np.array([row.get(n, _NONE) for row in self.rows]) for n in names}
        state: Tree = {"rows": columns}
        if self._learner is not None:
            state["rng"] = self._learner.rng.bit_generator.state
            state["arrays"] = {n: a.copy() for n, a in self._learner.arrays().items()}
            state |= {"spent": self._spent, "diverged": self._diverged}
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; ValueError or KeyError if it is not one of such a study."""
        columns = state["rows"]
        every = range(max(map(len, columns.values()), default=0))
        self.rows = [
            {name: float(c[i]) for name, c in columns.items() if c[i] != _NONE} for i in every
        ]
        for i, row in enumerate(self.rows):
            place = self._place(i)
            if place is None or any(row.get(n, _NONE) != v for n, v in place.row().items()):
                raise ValueError(f"measurement {i + 1} is not the one of these settings")
        self._learner = None
        if "arrays" not in state:
            return
        place = self._place(len(self.rows))
        if place is None:
            raise ValueError("it goes on behind the last measurement")
        self._learner = self._started(place)
        self._learner.restore(state["arrays"])
        self._learner.rng.bit_generator.state = state["rng"]
        self._spent, self._diverged = float(state["spent"]), bool(state["diverged"])

    # -- the measurements ------------------------------------------------------------------------

    def _sizes(self, n_features: int) -> tuple[int, int, int]:
        return self._train.images.shape[1], n_features, self._n_classes

    def _rng(self, place: Place) -> np.random.Generator:
        ladder = {TRIALS: self.settings.rates, SUPPORT: self.settings.support_c}
        rate = ladder[place.part].index(place.rate) if place.part in ladder else 0
        at = (place.part, max(place.strategy, 0), place.size, rate, place.draw)
        return stream(self._seed, Use.STRATEGIES, *at)

    def _gradients(self, place: Place) -> dict[str, float]:
        """Of one net: |g|^2 of the training set's gradient, and how far estimates are from it.

        The net has begun to learn: at its start the features have no gradient, for the weights
        above them are 0. Each estimate is from one case drawn at random, and one jitter: columns
        ``calculus``, ``weights`` of all parameters; ``hidden_calculus`` and
        ``activities`` of those to the features alone. Means of squared distances.
        """
        rng, images = self._rng(place), self._train.images.astype(np.float64)
        net = self._taught(place.size, rng)
        labels, size = self._train.labels, self.settings.jitter
        exact = {name: np.zeros_like(p) for name, p in net.parameters().items()}
        for rows in numerics.batches(len(images), 1000):
            share = jitter.by_calculus(net, images[rows], labels[rows])
            for name, gradient in share.items():
                exact[name] += gradient * (len(images[rows]) / len(images))
        hidden = {name: array for name, array in exact.items() if name.startswith("layer 1 ")}
        sums: dict[str, float] = defaultdict(float)
        for case in rng.integers(len(images), size=self.settings.estimates):
            pair = images[case : case + 1], labels[case : case + 1]
            true = jitter.by_calculus(net, *pair)
            found = {
                "calculus": true,
                "weights": jitter.by_weights(net, *pair, jitter.of_all_weights(net, rng), size),
            }
            of_features = jitter.of_activities(net, 1, rng)
            by_activities = jitter.by_activities(net, *pair, of_features, size)
            for name, estimate in found.items():
                sums[name] += jitter.squared_distance(exact, estimate)
            for name, estimate in (("hidden_calculus", true), ("activities", by_activities)):
                sums[name] += jitter.squared_distance(hidden, estimate)
        zero = {name: np.zeros(1) for name in exact}
        return {
            "n_weights": float(jitter.number_of_weights(net)),
            "squared": jitter.squared_distance(exact, zero),
            "hidden_squared": jitter.squared_distance(hidden, zero),
            **{name: total / self.settings.estimates for name, total in sums.items()},
        }

    def _taught(self, n_features: int, rng: np.random.Generator) -> Classifier:
        """A net that backpropagation has begun to teach, in float64."""
        learner = Calculus(self._start(n_features, self.settings.taught_rate), rng)
        for _ in range(self.settings.taught // self.settings.batch):
            self._update(learner, 0)
        weights, biases = (
            tuple(array.astype(np.float64) for array in arrays)
            for arrays in (learner.net.weights, learner.net.biases)
        )
        return Classifier(weights, biases)

    def _start(self, n_features: int, rate: float) -> Start:
        s = self.settings
        return Start(
            self._sizes(n_features), s.batch, rate, s.jitter, s.scale, s.small_sd,
            s.feature_share, s.feature_rate,
        )  # fmt: skip

    def _started(self, place: Place) -> Strategy:
        make = STRATEGIES[NAMES[place.strategy]]
        return make(self._start(place.size, place.rate), self._rng(place))

    def _update(self, learner: Strategy, spent: float) -> None:
        """From a batch of cases drawn at random, once a share of the whole cost is spent."""
        rows = learner.rng.integers(len(self._train.labels), size=self.settings.batch)
        learner.update(self._train.images[rows], self._train.labels[rows], spent)

    def _learn(self, place: Place) -> dict[str, float]:
        """A run up to a cost, and its errors there. Where its numbers overflow, all are errors."""
        if self._learner is None:
            self._learner, self._spent, self._diverged = self._started(place), 0.0, False
        learner, forward = self._learner, self._learner.lower + self._learner.top
        while self._spent < place.passes * (1 - 1e-9) and not self._diverged:
            share = self._spent / place.whole
            work = learner.case_work(share)
            self._update(learner, share)
            self._spent += self.settings.batch * work / forward
            self._diverged = not all(np.isfinite(a).all() for a in learner.arrays().values())
        if self._diverged:
            for array in learner.arrays().values():  # a file holds none that is not finite
                array[...] = 0
        errors = {"passes": self._spent}
        for part, cases in (("valid", self._valid), ("test", self._test)):
            found = score(log_probs(learner.net, cases.images), cases.labels)
            errors[f"{part}_errors"] = float(len(cases.labels) if self._diverged else found.errors)
        if place.last:
            self._learner = None
        return errors

    def _support_vectors(self, place: Place) -> dict[str, float]:
        """A machine with a radial kernel on so many training cases; every pair of them is compared.

        "a fixed, non-adaptive recipe for converting a whole training image into a feature and a
        clever optimization technique".
        """
        rows = self._rng(place).permutation(len(self._train.labels))[: place.size]
        images, labels = self._train.images[rows], self._train.labels[rows]
        n_pixels = images.shape[1]
        guess: Any = None
        if len(np.unique(labels)) < 2:  # which no machine tells apart
            guess, vectors = (lambda images: np.full(len(images), labels[0])), 0
        else:
            svm: Any = importlib.import_module("sklearn.svm")  # optional
            machine = svm.SVC(C=place.rate, gamma="scale", cache_size=500)
            machine.fit(images, labels)
            guess, vectors = machine.predict, len(machine.support_)
        row = {"vectors": float(vectors), "multiply_adds": float(n_pixels * place.size**2)}
        for part, cases in (("valid", self._valid), ("test", self._test)):
            row[f"{part}_errors"] = float((guess(cases.images) != cases.labels).sum())
        return row


def chosen_rate(rows: Sequence[Mapping[str, float]], size: int, strategy: int) -> float:
    """The rate of the fewest validation errors of all draws together; of several the lowest."""
    errors: dict[float, float] = {}
    for row in rows:
        if row["part"] == TRIALS and (row["size"], row["strategy"]) == (size, strategy):
            errors[row["rate"]] = errors.get(row["rate"], 0.0) + row["valid_errors"]
    return min(errors, key=lambda rate: (errors[rate], rate))
