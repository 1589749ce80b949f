"""Five strategies for learning the features of a net with one hidden layer, an update at a time.

The chapter's section "Five strategies for learning multilayer networks": denial, jitter (of the
weights, kept where it improves or as a gradient; of the activities), procrastination, calculus and
wake-sleep. Each changes a `Classifier` that is asked for labels in the same way. Not in the
chapter: costs, in multiply-adds of the matrix products, a forward pass of one case being one of
each weight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from hinton06 import jitter, numerics
from hinton06.backprop import Backpropagation
from hinton06.models import Classifier, Rbm
from hinton06.numerics import Array, Labels
from hinton06.rbm import ContrastiveDivergence
from hinton06.updates import Momentum, Step


@dataclass(frozen=True)
class Start:
    """What every strategy starts from: sizes from pixels to classes, and how it is to learn.

    `rate` is of a batch's mean gradient, for evolution the size of a change; `jitter` that of the
    changes by which a gradient is found. Weights to features are N(0, scale^2 / n_pixels), those of
    features that model images N(0, small_sd^2); all else is zero. In the first `feature_share` of
    the whole cost features are learned without labels, at `feature_rate`, by procrastination.
    """

    sizes: tuple[int, int, int]
    batch: int
    rate: float
    jitter: float
    scale: float
    small_sd: float
    feature_share: float
    feature_rate: float


class Strategy(ABC):
    """A net, `Classifier`, and how it learns from batches of (n, n_pixels) images with labels."""

    def __init__(self, start: Start, rng: Generator) -> None:
        self.start, self.rng = start, rng
        self.net = Classifier.random(start.sizes, start.scale, rng)
        n_pixels, n_features, n_classes = start.sizes
        self.lower, self.top = float(n_pixels * n_features), float(n_features * n_classes)
        self.step = Step(start.rate)
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Make what an update needs."""

    @abstractmethod
    def case_work(self, spent: float) -> float:
        """Multiply-adds of a case, once a share of the whole cost is spent."""

    @abstractmethod
    def update(self, images: Array, labels: Labels, spent: float) -> None:
        """Learn from a batch."""

    def arrays(self) -> dict[str, Array]:
        """All that an update changes, by name."""
        return self.net.parameters()

    def restore(self, saved: Mapping[str, Array]) -> None:
        """Go on from saved `arrays`; ValueError or KeyError if they do not fit."""
        for name, mine in self.arrays().items():
            if saved[name].shape != mine.shape:
                raise ValueError(f"{name} of shape {saved[name].shape} does not fit {mine.shape}")
            np.copyto(mine, saved[name])


class Calculus(Strategy):
    """No. 4: backpropagation. Up, the deltas of the features, and every gradient."""

    lowest = 0

    def _prepare(self) -> None:
        self._backprop = Backpropagation(self.net, self.start.batch)
        self._ones = np.ones(self.start.batch, np.float32)

    def case_work(self, _spent: float) -> float:  # noqa: D102  # as of a Strategy
        return 2 * self.lower + 3 * self.top

    def update(self, images: Array, labels: Labels, _spent: float) -> None:  # noqa: D102
        rows = np.arange(len(images))
        ones = self._ones[: len(images)]
        self._backprop.learn(images, rows, labels, ones, self.step, self.lowest)


class Denial(Calculus):
    """No. 1: the features stay what they were at random; only the weights above them learn.

    "learning only occurred for the weights from the feature detectors to the final decision units".
    """

    lowest = 1

    def case_work(self, _spent: float) -> float:  # noqa: D102
        return self.lower + 2 * self.top


class Evolution(Strategy):
    """No. 2 to the letter: "save the changes that cause the performance ... to improve".

    All weights are changed at once, by `rate` up or down; kept if a batch is recognised better.
    """

    def _prepare(self) -> None:
        pass

    def case_work(self, _spent: float) -> float:  # noqa: D102
        return 2 * (self.lower + self.top)

    def update(self, images: Array, labels: Labels, _spent: float) -> None:  # noqa: D102
        changes = jitter.of_all_weights(self.net, self.rng)
        changed = jitter.jittered(self.net, changes, self.start.rate)
        if jitter.improves(self.net, changed, images, labels):
            self.net.copy_from(changed)


class _ByGradient(Strategy):
    """Steps along a gradient that is formed."""

    def _prepare(self) -> None:
        self._momenta = {name: Momentum(p) for name, p in self.net.parameters().items()}

    @abstractmethod
    def gradient(self, images: Array, labels: Labels) -> jitter.Gradient:
        """An estimate of the gradient, uphill."""

    def update(self, images: Array, labels: Labels, _spent: float) -> None:
        for name, gradient in self.gradient(images, labels).items():
            self._momenta[name].gather(gradient, self.step)
            self._momenta[name].apply(self.step)


class WeightJitter(_ByGradient):
    """No. 2 as a gradient: one jitter of all weights for a batch."""

    def case_work(self, _spent: float) -> float:  # noqa: D102
        return 2 * (self.lower + self.top)

    def gradient(self, images: Array, labels: Labels) -> jitter.Gradient:  # noqa: D102
        draw = jitter.of_all_weights(self.net, self.rng)
        return jitter.by_weights(self.net, images, labels, draw, self.start.jitter)


class ActivityJitter(_ByGradient):
    """No. 2, "significantly improved by applying the jitter to the activities": of each case."""

    def case_work(self, _spent: float) -> float:  # noqa: D102
        return 3 * (self.lower + self.top)

    def gradient(self, images: Array, labels: Labels) -> jitter.Gradient:  # noqa: D102
        draw = jitter.of_activities(self.net, len(images), self.rng)
        return jitter.by_activities(self.net, images, labels, draw, self.start.jitter)


class Procrastination(Denial):
    """No. 3: features learned without labels, by CD-1; then only the weights above them, with them.

    "put off the classification problem until later".
    """

    def _prepare(self) -> None:
        super()._prepare()
        n_pixels, n_features, _ = self.start.sizes
        self._rbm = Rbm.random(n_pixels, n_features, self.start.small_sd, self.rng)
        self._divergence = ContrastiveDivergence(self._rbm, self.start.batch)
        self._use_features()

    def _use_features(self) -> None:
        np.copyto(self.net.weights[0], self._rbm.weights)
        np.copyto(self.net.biases[0], self._rbm.hidden_bias)

    def case_work(self, spent: float) -> float:  # noqa: D102
        puts_off = spent < self.start.feature_share
        return 5 * self.lower if puts_off else super().case_work(spent)

    def update(self, images: Array, labels: Labels, spent: float) -> None:  # noqa: D102
        if spent >= self.start.feature_share:
            super().update(images, labels, spent)
            return
        self._divergence.data_buffer(len(images))[...] = images
        self._divergence.learn(len(images), self.rng, Step(self.start.feature_rate))
        self._use_features()

    def arrays(self) -> dict[str, Array]:  # noqa: D102
        return super().arrays() | self._rbm.parameters()


class WakeSleep(Strategy):
    """No. 5: a hidden layer that generates pixels and the label, recognised from the pixels alone.

    Wake: features driven by an image learn to generate it and its label. Sleep: features are drawn
    from their generative biases, and the recognition weights learn to find them in what they
    generate. Labels are a softmax group. The pixels of an image and of a dream are probabilities,
    as in `wakesleep.ContrastiveWakeSleep`; the features are binary states. An image is asked for
    its label by the probabilities of its features. From small random weights, Eqs 1 to 3.
    """

    def _prepare(self) -> None:
        n_pixels, n_features, n_classes = self.start.sizes
        weights, _ = self.net.weights
        weights *= np.float32(self.start.small_sd * np.sqrt(n_pixels) / self.start.scale)
        # To the pixels, and from a unit that is always on to pixels and features.
        self.hidvis = np.zeros((n_features, n_pixels), np.float32)
        self.vis_bias = np.zeros(n_pixels, np.float32)
        self.hid_gen_bias = np.zeros(n_features, np.float32)
        self._n_classes = n_classes
        self._momenta = {name: Momentum(array) for name, array in self.arrays().items()}

    def case_work(self, _spent: float) -> float:  # noqa: D102
        return 6 * self.lower + 2 * self.top

    def arrays(self) -> dict[str, Array]:  # noqa: D102
        generative = {"hidvis": self.hidvis, "vis_bias": self.vis_bias}
        return super().arrays() | generative | {"hid_gen_bias": self.hid_gen_bias}

    def update(self, images: Array, labels: Labels, _spent: float) -> None:  # noqa: D102
        n, (weights, _), (bias, _) = len(images), self.net.weights, self.net.biases
        h_states = np.empty((n, len(bias)), images.dtype)
        numerics.firing_states(images, weights, bias, self.rng, h_states)
        dreamt = np.tile(self.hid_gen_bias, (n, 1))
        numerics.fire(dreamt, np.zeros_like(bias), self.rng)
        self._follow(self.wake(images, labels, h_states))
        self._follow(self.sleep(dreamt))

    def wake(self, images: Array, labels: Labels, h_states: Array) -> jitter.Gradient:
        """Eq. 2, means over cases: what pixels, label and features were, less their prediction.

        The gradient of log p(image, label, h_states) by the generative parameters.
        """
        n, top, top_bias = len(images), self.net.weights[1], self.net.biases[1]
        vis = images - numerics.firing_probs(h_states, self.hidvis, self.vis_bias)
        targets = numerics.one_hot_targets(labels, self._n_classes, images.dtype)
        lab = targets - numerics.softmax(numerics.product(h_states, top), top_bias)
        hid = h_states - numerics.logistic(self.hid_gen_bias.copy())
        found = {"hidvis": h_states.T @ vis, "vis_bias": vis.sum(axis=0)}
        found |= {"layer 2 weights": h_states.T @ lab, "layer 2 biases": lab.sum(axis=0)}
        found["hid_gen_bias"] = hid.sum(axis=0)
        return {name: total / n for name, total in found.items()}

    def sleep(self, h_states: Array) -> jitter.Gradient:
        """Eq. 3, means over dreams: the features that dreamt, less what recognises them.

        The gradient of log q(h_states | dream) by the recognition parameters.
        """
        dream = numerics.firing_probs(h_states, self.hidvis, self.vis_bias)
        missed = h_states - numerics.firing_probs(dream, self.net.weights[0], self.net.biases[0])
        n = len(h_states)
        return {"layer 1 weights": dream.T @ missed / n, "layer 1 biases": missed.sum(axis=0) / n}

    def _follow(self, gradient: jitter.Gradient) -> None:
        for name, array in gradient.items():
            self._momenta[name].gather(array, self.step)
            self._momenta[name].apply(self.step)


STRATEGIES: Mapping[str, type[Strategy]] = {
    "denial": Denial,
    "evolution": Evolution,
    "weights": WeightJitter,
    "activities": ActivityJitter,
    "procrastination": Procrastination,
    "calculus": Calculus,
    "wake-sleep": WakeSleep,
}
"""Each strategy that learns a net; support vectors, also denial, have none."""
