"""What a net thinks of images, in nats: log Z of an RBM, and a bound on log p of the nets above it.

"adding an extra layer is guaranteed to raise a lower bound on the log probability of the training
data", "A greedy learning algorithm for multiple hidden layers". The chapter measures neither; how
is due to R. Salakhutdinov and I. Murray, "On the quantitative analysis of deep belief networks",
ICML 2008, and R. M. Neal, "Annealed importance sampling", 2001.

With visible biases b, hidden biases c and base-rate biases a, chains of states v go through ::

    f_t(v) = exp(v . ((1 - t) a + t b)) product over j of (1 + exp(t (c_j + v W_j)))

from t = 0, whose sum is known and which is sampled exactly, to t = 1, whose sum is Z. The
expectation of a chain's weight is Z / Z_0; so the log of their mean is below log Z in expectation.
The way back, from samples of the RBM, has weights of expectation Z_0 / Z, and is above it. Which
side of an RBM is v is free: the one whose base rates lead nearer to log Z is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator as Rng
from numpy.typing import NDArray

from hinton06 import numerics
from hinton06.annealing import anneal, log_sum
from hinton06.generation import AlternatingGibbs, Generator
from hinton06.models import Rbm
from hinton06.numerics import Array, Labels
from hinton06.rbm import parts
from hinton06.recognition import label_free_energies

Floats = NDArray[np.float64]

MOST_ENUMERATED = 20
"""Units on one side of an RBM whose states are all visited, for an exact log Z."""

_KNOTS = (0, 500 / 14_500, 4500 / 14_500, 1), (0, 0.5, 0.9, 1)
"""Share of the temperatures, and where they are: Salakhutdinov and Murray (2008)."""

TRIED = 0.1
"""Share of the temperatures in a trial of where to start from."""

_BATCH = 1000
_STANDARD_ERRORS = 3  # on each side of an interval, as they have it


def temperatures(n: int) -> Floats:
    """So many steps from 0 to 1, the smaller the nearer to 1: Salakhutdinov and Murray (2008).

    Of 14,500 steps 500 lead to 0.5, 4,000 to 0.9 and 10,000 to 1.
    """
    steps: Floats = np.interp(np.arange(n + 1) / n, *_KNOTS)
    return steps


@dataclass(frozen=True)
class Estimate:
    """A sum's log in nats from weighted chains, and the logs at three standard errors on each side.

    `low`, or of a way back `high`, is None where these reach beyond 0. `log_weight_sd` is the
    deviation of the log weights, and `effective_size` how many equal ones they are worth:
    ``(sum w)^2 / sum w^2``.
    """

    log_z: float
    low: float | None
    high: float | None
    log_weight_sd: float
    effective_size: float

    @classmethod
    def of(cls, log_weights: Floats, log_z_start: float, sign: int) -> Estimate:
        """From the weights of chains to the RBM (`sign` 1) or back from it (-1)."""
        n, top = len(log_weights), float(log_weights.max())
        weights = np.exp(log_weights - top)
        mean = float(weights.mean())
        error = _STANDARD_ERRORS * float(weights.std(ddof=1)) / math.sqrt(n)

        def at(share: float) -> float:
            return log_z_start + sign * (math.log(share) + top)

        less = at(mean - error) if mean > error else None
        low, high = (less, at(mean + error)) if sign == 1 else (at(mean + error), less)
        size = float(weights.sum() ** 2 / (weights**2).sum())
        return cls(at(mean), low, high, float(log_weights.std(ddof=1)), size)


@dataclass(frozen=True)
class LogZ:
    """log Z of an RBM, in nats: exact, or from below and, if it was asked for, from above.

    `turned`: by base rates of the features, the RBM turned over, and not of the visible units.
    """

    exact: float | None = None
    below: Estimate | None = None
    above: Estimate | None = None
    turned: bool = False

    @property
    def value(self) -> float:
        """The exact one, or the estimate from below, which is what others publish."""
        if self.exact is not None:
            return self.exact
        assert self.below is not None
        return self.below.log_z

    @property
    def gap(self) -> float | None:
        """From the lower estimate to the upper one; 0 if it is exact, None without an upper one."""
        if self.exact is not None:
            return 0.0
        assert self.below is not None
        return None if self.above is None else self.above.log_z - self.below.log_z


# -- enumeration ---------------------------------------------------------------------------------


def can_enumerate(rbm: Rbm) -> bool:
    """Whether one side has at most `MOST_ENUMERATED` units, label units aside."""
    return min(rbm.n_visible - rbm.n_labels, rbm.n_hidden) <= MOST_ENUMERATED


def exact_log_z(rbm: Rbm) -> float:
    """Log Z by visiting every state of the smaller side, in float64; ValueError if it is large.

    Of label units only the states with one on.
    """
    n_units = rbm.n_visible - rbm.n_labels
    if not can_enumerate(rbm):
        raise ValueError(f"2^{min(n_units, rbm.n_hidden)} states are too many to visit")
    arrays = {name: array.astype(np.float64) for name, array in rbm.parameters().items()}
    exact = Rbm(**arrays, n_labels=rbm.n_labels)
    if rbm.n_hidden > n_units:
        return _log_of_all(n_units, partial(_log_p, exact, labels=None))

    def log_of(h_states: Floats) -> Floats:
        inputs = h_states @ exact.weights.T + exact.visible_bias
        sums: Floats = h_states @ exact.hidden_bias + _visible_sums(inputs, n_units)
        return sums

    return _log_of_all(rbm.n_hidden, log_of)


def _visible_sums(inputs: Floats, n_units: int) -> Floats:
    """Log of the sum over all visible states, of (n, n_visible) total inputs: (n,)."""
    sums: Floats = numerics.softplus(inputs[:, :n_units]).sum(axis=1)
    return sums + log_sum(inputs[:, n_units:], axis=1) if inputs.shape[1] > n_units else sums


def _log_of_all(n_units: int, log_of: Callable[[Floats], Floats]) -> float:
    """The log of the sum, over all states of some units, of what a function gives the logs of."""
    places, logs = np.arange(n_units), []
    for rows in numerics.batches(1 << n_units, _BATCH):
        numbers = np.arange(rows.start, rows.stop)[:, np.newaxis]
        logs.append(log_of(((numbers >> places) & 1).astype(np.float64)))
    return float(log_sum(np.concatenate(logs)[np.newaxis], axis=1)[0])


# -- annealing -----------------------------------------------------------------------------------


def base_biases(rbm: Rbm, v_states: Array) -> Array:
    """Biases of units that are on as often as in (n, n_visible) states, which decide nothing else.

    Counts are one more, for on and for off, so that no bias is infinite.
    """
    units, labels = parts(rbm, v_states)
    on = (units.sum(axis=0, dtype=np.float64) + 1) / (len(units) + 2)
    each = (labels.sum(axis=0, dtype=np.float64) + 1) / (len(labels) + max(1, rbm.n_labels))
    biases: Array = np.concatenate([np.log(on / (1 - on)), np.log(each)])
    return biases.astype(rbm.weights.dtype)


class RbmChains:
    """Visible states of chains, (n, n_visible) with one label on, between base rates and an RBM.

    Products are of the RBM's dtype, what they are summed to is float64.
    """

    def __init__(self, rbm: Rbm, base: Array, v_states: Array) -> None:
        self.rbm, self.base = rbm, base
        self.v_states = np.array(v_states, rbm.weights.dtype)
        self._n_units = rbm.n_visible - rbm.n_labels
        shape = (len(v_states), rbm.n_hidden)
        self._inputs, self._hidden, self._slopes = (
            np.empty(shape, rbm.weights.dtype) for _ in range(3)
        )
        self._zeros = np.zeros(rbm.n_hidden, rbm.weights.dtype)
        self._bias_change = rbm.visible_bias.astype(np.float64) - base
        self._refresh()

    def __len__(self) -> int:
        return len(self.v_states)

    def _refresh(self) -> None:
        """The total inputs of the features, which everything else is a function of."""
        numerics.affine(self.v_states, self.rbm.weights, self.rbm.hidden_bias, self._inputs)
        self._positive: Floats = np.maximum(self._inputs, 0, out=self._hidden).sum(
            axis=1, dtype=np.float64
        )
        self._linear: Floats = self.v_states.astype(np.float64) @ self._bias_change

    @classmethod
    def at_base(cls, rbm: Rbm, base: Array, n: int, rng: Rng) -> RbmChains:
        """So many chains that are drawn from f_0."""
        probs = np.tile(base, (n, 1))
        units, labels = parts(rbm, probs)
        numerics.squash(units, np.zeros(units.shape[1], base.dtype))
        v_states = numerics.bernoulli(probs, rng)
        if rbm.n_labels:
            shares = numerics.softmax(labels, np.zeros(rbm.n_labels, base.dtype))
            parts(rbm, v_states)[1][...] = numerics.one_hot(shares, rng)
        return cls(rbm, base, v_states)

    def log_z_at_base(self) -> float:
        """The log of the sum of f_0 over all states."""
        sums = _visible_sums(self.base.astype(np.float64)[np.newaxis], self._n_units)
        return float(sums[0]) + self.rbm.n_hidden * math.log(2)

    def log_ratio(self, before: float, after: float) -> Floats:
        """Log of f_after / f_before of each chain: (n,) nats.

        With u = |x| of a feature's input x and d = high - low, its share is d max(x, 0) +
        log(1 + (exp(-d u) - 1) / (1 + exp(low u))): without overflow, and each factor's logarithm
        in its own digits. Rounded like 1 they would all drift one way over thousands of steps.
        """
        low, high = min(before, after), max(before, after)
        sizes = np.abs(self._inputs, out=self._hidden)
        terms = np.multiply(sizes, -(high - low), out=self._slopes)
        np.expm1(terms, out=terms)
        with np.errstate(over="ignore"):  # its inverse is the 0 that is meant
            np.exp(np.multiply(sizes, low, out=sizes), out=sizes)
        sizes += 1
        terms /= sizes
        logs: Floats = np.log1p(terms, out=terms).sum(axis=1, dtype=np.float64)
        logs += (high - low) * (self._positive + self._linear)
        return logs if after >= before else -logs

    def move(self, beta: float, rng: Rng) -> None:
        """A round of Gibbs sampling, all features and then all visible units; keeps f_beta."""
        rbm = self.rbm
        h_states = np.multiply(self._inputs, beta, out=self._hidden)
        numerics.fire(h_states, self._zeros, rng)
        numerics.product(h_states, rbm.weights.T, self.v_states, scale=beta)
        bias = ((1 - beta) * self.base + beta * rbm.visible_bias).astype(self.base.dtype)
        units, labels = parts(rbm, self.v_states)
        numerics.fire(units, bias[: self._n_units], rng)
        if rbm.n_labels:
            numerics.softmax(labels, bias[self._n_units :])
            labels[...] = numerics.one_hot(labels, rng)
        self._refresh()


Tick = Callable[[float], None]


def _untold(_share: float) -> None:
    pass


def from_below(
    rbm: Rbm, base: Array, chains: int, betas: Sequence[float], rng: Rng, tick: Tick = _untold
) -> Estimate:
    """Log Z by chains from the base rates to the RBM, through increasing `betas` from 0 to 1.

    The estimate of Z is unbiased, and so that of log Z too low in expectation. `tick` is called
    with shares of the work.
    """
    started = RbmChains.at_base(rbm, base, chains, rng)
    weights = anneal(started, betas, rng, tick)
    return Estimate.of(weights, started.log_z_at_base(), 1)


def from_above(
    rbm: Rbm, base: Array, v_states: Array, betas: Sequence[float], rng: Rng, tick: Tick = _untold
) -> Estimate:
    """Log Z by chains back to the base rates, from (n, n_visible) states drawn from the RBM.

    Too high in expectation; as far as the states are samples of the RBM, and not of a part of it.
    """
    started = RbmChains(rbm, base, v_states)
    weights = anneal(started, [*betas[::-1]], rng, tick)
    return Estimate.of(weights, started.log_z_at_base(), -1)


def turned_over(rbm: Rbm) -> Rbm:
    """The RBM whose visible units are the features of this one: of one joint distribution, and Z.

    ValueError if it has label units.
    """
    if rbm.n_labels:
        raise ValueError("features are no label units")
    weights = np.ascontiguousarray(rbm.weights.T)
    return Rbm(weights, visible_bias=rbm.hidden_bias, hidden_bias=rbm.visible_bias)


def estimate_log_z(
    rbm: Rbm,
    v_states: Array,
    rng: Rng,
    chains: int,
    n_temperatures: int,
    rounds: int | None = None,
    tick: Tick = _untold,
) -> LogZ:
    """Log Z: by enumeration where that can be, else by annealing from both sides.

    (n, n_visible) states of training cases give the base rates, or what features these turn on the
    base rates of the RBM turned over; `rounds` of Gibbs sampling from them lead to where the
    reverse chains start, which there are none of without.
    """
    if can_enumerate(rbm):
        exact = exact_log_z(rbm)
        tick(1.0)
        return LogZ(exact=exact)
    starts = [(rbm, base_biases(rbm, v_states))]
    if not rbm.n_labels:
        over = turned_over(rbm)
        starts.append((over, base_biases(over, _features(rbm, v_states, rng))))
    ways, trials = 1 if rounds is None else 2, len(starts) if len(starts) > 1 else 0
    whole = ways + TRIED * trials

    def part(share: float) -> None:
        tick(share / whole)

    own, base = starts[0]
    if trials:
        own, base = _nearer(starts, chains, n_temperatures, rng, lambda share: part(share * TRIED))
    betas = temperatures(n_temperatures).tolist()
    below = from_below(own, base, chains, betas, rng, part)
    turned = own is not rbm
    if rounds is None:
        return LogZ(below=below, turned=turned)
    gibbs = AlternatingGibbs(rbm, v_states[np.arange(chains) % len(v_states)])
    gibbs.run(rounds, rng)
    samples = _features(rbm, gibbs.v_states, rng) if turned else gibbs.v_states
    above = from_above(own, base, samples, betas, rng, part)
    return LogZ(below=below, above=above, turned=turned)


def _nearer(
    starts: Sequence[tuple[Rbm, Array]], chains: int, n_temperatures: int, rng: Rng, tick: Tick
) -> tuple[Rbm, Array]:
    """The RBM and base rates whose short trial comes nearer, by the mean of its log weights.

    Its expectation is below log Z by what the way there costs, and no single chain decides it. From
    pixels, say, chains come to the digits of a first layer; from its features they do not.
    """
    betas = temperatures(max(1, round(TRIED * n_temperatures))).tolist()
    found = []
    for own, base in starts:
        started = RbmChains.at_base(own, base, chains, rng)
        found.append(anneal(started, betas, rng, tick).mean() + started.log_z_at_base())
    return starts[int(np.argmax(found))]


def _features(rbm: Rbm, v_states: Array, rng: Rng) -> Array:
    """(n, n_hidden) states that (n, n_visible) states turn on."""
    return numerics.stochastic_pass(v_states, [(rbm.weights, rbm.hidden_bias)], rng)


# -- images --------------------------------------------------------------------------------------


def binarised(images: NDArray[Any], rng: Rng, how: str = "drawn") -> Array:
    """Binary (n, n_pixels) float32 images of grey ones, uint8 or floats in [0, 1].

    ``"drawn"``: each pixel is on with its value as probability, the same for equal random numbers
    on every machine; ``"threshold"``: on from one half.
    """
    grey = np.empty(images.shape, np.float32)
    numerics.take_batch(images, slice(None), grey)
    if how == "threshold":
        return (grey >= 0.5).astype(np.float32)
    return (rng.random(grey.shape, np.float32) < grey).astype(np.float32)


def visible_states(
    generator: Generator, binary: Array, rng: Rng, labels: Labels | None = None
) -> Array:
    """Visible states of the generator's RBM above binary images: (n, n_visible).

    By a stochastic up-pass; label units are those of (n,) `labels`, which an RBM that has some
    needs.
    """
    rbm = generator.rbm
    states = np.empty((len(binary), rbm.n_visible), rbm.weights.dtype)
    units, label_states = parts(rbm, states)
    for rows in numerics.batches(len(binary), _BATCH):
        data = binary[rows].astype(states.dtype)
        units[rows] = numerics.stochastic_pass(data, generator.up, rng)
    if rbm.n_labels:
        assert labels is not None
        label_states[...] = numerics.one_hot_targets(labels, rbm.n_labels)
    return states


def log_weights(
    generator: Generator, binary: Array, rng: Rng, labels: Labels | None = None
) -> Floats:
    """``log p*(image, h) - log q(h | image)`` of binary images, h drawn by an up-pass: (n,) nats.

    Less log Z of the RBM on top, its expectation is the variational bound on log p(image): minus
    the entropy of the factorial posterior is that of log q. Of an RBM on the pixels it is exact. p*
    is summed over the top features and, without (n,) `labels`, over label units; with them it is of
    the image and its label. Where the layers above an RBM mirror it, it is as exact for every h.
    """
    rbm, dtype = generator.rbm, generator.rbm.weights.dtype
    down = generator.down[::-1]  # bottom first
    result = np.empty(len(binary))
    for rows in numerics.batches(len(binary), _BATCH):
        states = binary[rows].astype(dtype)
        total = np.zeros(len(states))
        for layer, back in zip(generator.up, down, strict=True):
            inputs = numerics.affine(states, *layer)
            above = numerics.bernoulli(numerics.logistic(inputs.copy()), rng)
            total -= log_chance(above, inputs)
            total += log_chance(states, numerics.affine(above, *back))
            states = above
        result[rows] = total + _log_p(rbm, states, None if labels is None else labels[rows])
    return result


def log_chance(states: Array, inputs: Array) -> Floats:
    """Log probability of states of logistic units, by their total inputs: (n,) nats."""
    sums: Floats = np.einsum("ij,ij->i", states, inputs, dtype=np.float64)
    sums -= numerics.softplus(inputs).sum(axis=1, dtype=np.float64)
    return sums


def _log_p(rbm: Rbm, units: Array, labels: Labels | None) -> Floats:
    """Minus the free energy of an RBM with these units, and a label or any: (n,) nats."""
    if rbm.n_labels:
        each = -label_free_energies(rbm, units).astype(np.float64)
        return log_sum(each, axis=1) if labels is None else each[np.arange(len(each)), labels]
    inputs = numerics.affine(units, rbm.weights, rbm.hidden_bias)
    sums: Floats = numerics.softplus(inputs).sum(axis=1, dtype=np.float64)
    sums += np.einsum("ij,j->i", units, rbm.visible_bias, dtype=np.float64)
    return sums
