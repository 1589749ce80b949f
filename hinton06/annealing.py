"""The slow way to a label: measure how probable the net is to generate the image with each one.

The chapter's section "Using contrastive wake-sleep for generative fine-tuning": "it would be
possible to use sampling methods to measure the relative probabilities of generating each of the
ten image-label pairs". The method is annealed importance sampling (Neal, 2001).

The model of Figure 4 generates an image and a label with a probability proportional to ::

    p*(vis, lab) = sum over hid, pen, top of exp(-E(pen, lab, top)) p(hid | pen) p(vis | hid)

(the memory's normalisation is the same for all labels). A chain starts from the hid and pen states
of a stochastic up-pass, whose probability q(hid | vis) q(pen | hid) is known, and is led to the
model's own posterior through distributions in between: for b from 0 to 1, with F the free energy
of the memory, ::

    f_b(hid, pen, lab) = (q(hid | vis) q(pen | hid) / n_labels)^(1 - b)
                         * (exp(-F(pen, lab)) p(hid | pen) p(vis | hid))^b

Every chain ends with a weight, whose expectation is exactly p*(vis), and with pen states whose
p(lab | pen) is exact. The expectation of their product is p*(vis, lab): the ten pairs share each
chain, and the noise of its weight has no part in their ratios.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hinton06 import numerics
from hinton06.models import DeepBeliefNet
from hinton06.numerics import Array
from hinton06.recognition import check_images

LEAST_CHANCE = 0.02
"""Of proposing either state of a unit, however sure the recognition weights are of it."""

_CHAINS = 1000  # side by side


@dataclass(frozen=True, eq=False)
class Samples:
    """Weighted samples of what the model thinks of n images, several to each, in float64 nats.

    The expectation of a weight, of the (n, passes) logs, is p*(image); `label_log_probs`, (n,
    passes, n_labels), are log p(label | pen) of each chain's last pen states.
    """

    log_weights: NDArray[np.float64]
    label_log_probs: NDArray[np.float64]

    def joint_log_probs(self) -> NDArray[np.float64]:
        """Log of the unbiased estimate of p*(image, label), the first formula: (n, n_labels)."""
        terms = self.log_weights[:, :, np.newaxis] + self.label_log_probs
        means: NDArray[np.float64] = log_sum(terms, axis=1) - np.log(terms.shape[1])
        return means

    def log_probs(self) -> NDArray[np.float64]:
        """The log of p(label | image): (n, n_labels), in nats."""
        shares = self.joint_log_probs()
        numerics.log_softmax(shares)
        return shares

    def effective_sizes(self) -> NDArray[np.float64]:
        """How many equal weights are worth as much, ``(sum w)^2 / sum w^2`` (Neal, 2001): (n,)."""
        once, twice = log_sum(self.log_weights, axis=1), log_sum(2 * self.log_weights, axis=1)
        return np.exp(2 * once - twice)

    def spread(self) -> Spread:
        """How far the weights are apart."""
        passes, sizes = self.log_weights.shape[1], self.effective_sizes()
        dominated = int(np.count_nonzero(sizes < 2))
        sd = float(self.log_weights.std(axis=1, ddof=1).mean()) if passes > 1 else None
        return Spread(passes, float(sizes.mean()), dominated, sd)


@dataclass(frozen=True)
class Spread:
    """Whether the estimates of a set of images can be trusted (Salakhutdinov and Murray, 2008).

    The mean of `Samples.effective_sizes`, and of how many images it is below 2: one chain speaks
    for all; the mean deviation of an image's log weights, in nats, None of a single up-pass.
    """

    passes: int
    effective_size: float
    dominated: int
    log_weight_sd: float | None


def log_sum(terms: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """``log(sum(exp(terms)))`` of float64 numbers along an axis, without overflow."""
    highest = terms.max(axis=axis, keepdims=True)
    total: NDArray[np.float64] = np.log(np.exp(terms - highest).sum(axis=axis))
    total += highest.squeeze(axis)
    return total


def sample(
    net: DeepBeliefNet,
    images: NDArray[Any],
    rng: Generator,
    passes: int = 20,
    temperatures: int = 10,
    tick: Callable[[float], None] = lambda _share: None,
) -> Samples:
    """Weighted samples of the hid and pen states that generate each image, with any label.

    Images are (n, n_vis), uint8 pixels or floats in [0, 1]. Each has so many `passes`, chains from
    a stochastic up-pass of their own; `temperatures` are the distributions between that of the
    up-pass and the model's, of which 0 are plain importance sampling that moves no unit. `tick` is
    called with the share of the work that was done since. ValueError if the net has no labels.
    """
    if not net.n_labels:
        raise ValueError("a net without labels cannot be asked for them")
    check_images(net, images)
    if passes < 1 or temperatures < 0:
        raise ValueError(f"{passes} passes with {temperatures} temperatures are too few")
    betas = [number / (temperatures + 1) for number in range(temperatures + 2)]
    total = len(images) * passes
    log_weights, log_probs = np.empty(total), np.empty((total, net.n_labels))
    for rows in numerics.batches(total, _CHAINS):
        chosen = np.arange(rows.start, rows.stop)
        data = np.empty((len(chosen), net.n_pixels), net.vishid.dtype)
        chains = Chains(net, numerics.take_batch(images, chosen // passes, data), rng)
        log_weights[rows] = anneal(chains, betas, rng, tick, len(chosen) / total)
        log_probs[rows] = numerics.log_softmax(-chains.label_energies)
    shape = (len(images), passes)
    return Samples(log_weights.reshape(shape), log_probs.reshape(*shape, net.n_labels))


class Annealed(Protocol):
    """Chains that can be led through distributions f_b."""

    def __len__(self) -> int:
        """How many there are."""

    def log_ratio(self, before: float, after: float) -> NDArray[np.float64]:
        """Log of f_after / f_before of each chain: (n,) nats."""

    def move(self, beta: float, rng: Generator) -> None:
        """Change the states by chance; if they are distributed as f_b, they stay so."""


def anneal(
    chains: Annealed,
    betas: Sequence[float],
    rng: Generator,
    tick: Callable[[float], None] = lambda _share: None,
    work: float = 1.0,
) -> NDArray[np.float64]:
    """Lead chains from the first distribution towards the last, and weigh them: Neal (2001).

    They are distributed as f_b of the first of the monotonic `betas`, and moved at each but the
    first and the last. Returns (n,) log weights in nats, of expectation sum of the last f_b / sum
    of the first; weighted so, they are distributed as the last. `tick` gets shares of `work`.
    """
    log_weights = np.zeros(len(chains))
    for before, beta in pairwise(betas):
        log_weights += chains.log_ratio(before, beta)
        if beta != betas[-1]:
            chains.move(beta, rng)
        tick(work / (len(betas) - 1))
    return log_weights


class Chains:
    """Binary hid and pen states, one row a chain, and the total inputs that they cause.

    Drawn by a stochastic up-pass, from f_0, of (n, n_vis) data. Assumed, see docs/assumptions.md.
    """

    def __init__(self, net: DeepBeliefNet, data: Array, rng: Generator) -> None:
        self.net = net
        self._hid_rec = _layer(data, net.vishid, net.hid_rec_bias)
        self._vis_support = data @ net.hidvis.T
        self._vis_bias = (data @ net.vis_gen_bias).astype(np.float64)
        self.hid_states = numerics.bernoulli(numerics.logistic(self._hid_rec.inputs.copy()), rng)
        pen_inputs = numerics.affine(self.hid_states, net.hidpen, net.pen_rec_bias)
        self.pen_states = numerics.bernoulli(numerics.logistic(pen_inputs), rng)
        self.refresh()

    def __len__(self) -> int:
        return len(self.hid_states)

    def refresh(self) -> None:
        """Compute anew all that depends on the states: after they were set, or moved."""
        net = self.net
        self._vis_gen = _layer(self.hid_states, net.hidvis, net.vis_gen_bias)
        self._pen_rec = _layer(self.hid_states, net.hidpen, net.pen_rec_bias)
        self._hid_gen = _layer(self.pen_states, net.penhid, net.hid_gen_bias)
        self._top_inputs = numerics.affine(self.pen_states, net.pentop, net.top_bias)
        # Free energy of the memory with pen and each label: (n, n_labels), in nats.
        energies = -(self.pen_states @ net.pen_gen_bias)[:, np.newaxis] - net.lab_gen_bias
        self.label_energies = energies.astype(np.float64)
        for label, weights in enumerate(net.labtop):
            top = numerics.softplus(self._top_inputs + weights)
            self.label_energies[:, label] -= top.sum(axis=1)

    def log_density(self, beta: float) -> NDArray[np.float64]:
        """Log f_b of hid and pen, summed over lab: (n,) nats; grey pixels by cross-entropy."""
        up = self._hid_rec.log_chance(self.hid_states) + self._pen_rec.log_chance(self.pen_states)
        log_vis = _sums(self._vis_support, self.hid_states) + self._vis_bias - self._vis_gen.totals
        down = self._hid_gen.log_chance(self.hid_states) + log_vis
        memory = log_sum(-beta * self.label_energies, axis=1)
        density: NDArray[np.float64] = (1 - beta) * (up - math.log(self.net.n_labels))
        density += beta * down + memory
        return density

    def log_ratio(self, before: float, after: float) -> NDArray[np.float64]:
        """Log of f_after / f_before: (n,) nats."""
        return self.log_density(after) - self.log_density(before)

    def move(self, beta: float, rng: Generator) -> None:
        """Change the states by chance; if they are distributed as f_b, they stay so.

        Lab is drawn from f_b given pen, and top is summed over. Then each pen unit, and then each
        hid unit, is offered a state, and takes it with the probability of Metropolis and Hastings.
        No layer can be drawn at once: hid units that feed the same pixels depend on each other once
        these are seen ("explaining away"), and so do pen units.
        """
        net = self.net
        labels = numerics.one_hot(np.exp(numerics.log_softmax(-beta * self.label_energies)), rng)
        top = _Layer(self._top_inputs + labels.astype(net.labtop.dtype) @ net.labtop, net.pentop)
        generated = self.hid_states @ net.penhid.T + net.pen_gen_bias
        support = (1 - beta) * self._pen_rec.inputs + beta * generated
        around = [(beta, self._hid_gen), (-beta, top)]
        _offer(self.pen_states, self._pen_rec.inputs, support, around, rng)

        recognised = self._hid_rec.inputs + self.pen_states @ net.hidpen.T
        support = (1 - beta) * recognised + beta * (self._hid_gen.inputs + self._vis_support)
        around = [(1 - beta, self._pen_rec), (beta, self._vis_gen)]
        _offer(self.hid_states, self._hid_rec.inputs, support, around, rng)
        self.refresh()


class _Layer:
    """Logistic units, given the states of others: inputs, and `totals` of log(1 + exp(input))."""

    def __init__(self, inputs: Array, weights: Array) -> None:
        self.inputs, self.weights = inputs, weights
        self.totals: NDArray[np.float64] = numerics.softplus(inputs).sum(axis=1).astype(np.float64)

    def log_chance(self, states: Array) -> NDArray[np.float64]:
        """Log probability of the layer's own states: (n,), in nats."""
        return _sums(states, self.inputs) - self.totals


def _sums(left: Array, right: Array) -> NDArray[np.float64]:
    """The product of each row with the same row."""
    sums: NDArray[np.float64] = np.einsum("ij,ij->i", left, right, dtype=np.float64)
    return sums


def _layer(data: Array, weights: Array, bias: Array) -> _Layer:
    return _Layer(numerics.affine(data, weights, bias), weights)


def _offer(
    states: Array,
    recognition: Array,
    support: Array,
    layers: Sequence[tuple[float, _Layer]],
    rng: Generator,
) -> None:
    """Offer each unit in turn a state from its recognition probability, kept in `LEAST_CHANCE`.

    The log of the distribution to keep is linear in a unit's state, with the factor `support`,
    less the totals of the `layers` that the unit feeds, each times its factor. One draw decides:
    below the chance of the other state the unit is offered it, and if it is also below that
    chance times min(1, f(other) g(own) / f(own) g(other)), g an offer's chance, it takes it.
    """
    on_chances = np.clip(numerics.logistic(recognition.copy()), LEAST_CHANCE, 1 - LEAST_CHANCE)
    draws = rng.random(states.shape)
    for unit in range(states.shape[1]):
        own = np.where(states[:, unit] == 1, on_chances[:, unit], 1 - on_chances[:, unit])
        rows = np.flatnonzero(draws[:, unit] < 1 - own)
        if not len(rows):
            continue
        sign = 1 - 2 * states[rows, unit]
        gain = (sign * support[rows, unit]).astype(np.float64)
        offers = []
        for factor, layer in layers:
            inputs = layer.inputs[rows] + sign[:, np.newaxis] * layer.weights[unit]
            totals = numerics.softplus(inputs).sum(axis=1).astype(np.float64)
            gain -= factor * (totals - layer.totals[rows])
            offers.append((layer, inputs, totals))
        taken = draws[rows, unit] < own[rows] * np.exp(np.minimum(gain, 50.0))
        changed = rows[taken]
        states[changed, unit] += sign[taken]
        for layer, inputs, totals in offers:
            layer.inputs[changed], layer.totals[changed] = inputs[taken], totals[taken]
