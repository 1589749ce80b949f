"""Slow exact oracles: loops and full enumeration in float64, straight from the equations.

Nothing here imports the package. Models are a few units wide, so every state can be visited.
The last section holds the tolerances of all tests: how far rounding and sampling may carry a
correct result, computed and not tried out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


class Machine(NamedTuple):
    """The numbers of an RBM, in the order in which the package's `Rbm` takes them."""

    weights: Floats
    visible_bias: Floats
    hidden_bias: Floats


class Update(NamedTuple):
    """A change of, or a gradient for, each array of a `Machine`."""

    weights: Floats
    visible_bias: Floats
    hidden_bias: Floats


def random_machine(seed: int, n_visible: int = 4, n_hidden: int = 3) -> Machine:
    """All parameters from N(0, 1): far from zero, far from saturation."""
    rng = np.random.default_rng(seed)
    return Machine(
        rng.standard_normal((n_visible, n_hidden)),
        rng.standard_normal(n_visible),
        rng.standard_normal(n_hidden),
    )


# -- one RBM ---------------------------------------------------------------------------------


def binary_states(n_units: int) -> Floats:
    """All 2^n states, one a row."""
    return np.array(list(itertools.product((0.0, 1.0), repeat=n_units)))


def logistic(x: float) -> float:
    """Eq. 1 for one unit."""
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def energy(m: Machine, v: Floats, h: Floats) -> float:
    """``E(v, h)``, term by term."""
    total = 0.0
    for i in range(len(v)):
        total -= v[i] * m.visible_bias[i]
        for j in range(len(h)):
            total -= v[i] * h[j] * m.weights[i, j]
    for j in range(len(h)):
        total -= h[j] * m.hidden_bias[j]
    return total


def free_energy(m: Machine, v: Floats) -> float:
    """``-log sum_h exp(-E(v, h))`` over every hidden state."""
    return -math.log(sum(math.exp(-energy(m, v, h)) for h in binary_states(len(m.hidden_bias))))


def joint_distribution(m: Machine) -> Floats:
    """``p(v, h)`` of every pair of states, rows v and columns h."""
    visible = binary_states(len(m.visible_bias))
    hidden = binary_states(len(m.hidden_bias))
    joint: Floats = np.array([[math.exp(-energy(m, v, h)) for h in hidden] for v in visible])
    joint /= joint.sum()
    return joint


def hidden_probs(m: Machine, v: Floats) -> Floats:
    """``p(h_j = 1 | v)`` by summing over all hidden states; v may be real-valued."""
    states = binary_states(len(m.hidden_bias))
    shares = np.array([math.exp(-energy(m, v, h)) for h in states])
    probs: Floats = shares @ states / shares.sum()
    return probs


def visible_probs(m: Machine, h: Floats) -> Floats:
    """``p(v_i = 1 | h)`` by summing over all visible states."""
    states = binary_states(len(m.visible_bias))
    shares = np.array([math.exp(-energy(m, v, h)) for v in states])
    probs: Floats = shares @ states / shares.sum()
    return probs


def state_probability(probs: Floats, states: Floats) -> float:
    """The probability of one binary state of independent units."""
    chance = 1.0
    for prob, state in zip(probs.flat, states.flat, strict=True):
        chance *= float(prob if state else 1 - prob)
    return chance


def transitions(m: Machine) -> Floats:
    """Chances of going from visible state (row) to visible state (column) in one Gibbs round."""
    visible = binary_states(len(m.visible_bias))
    hidden = binary_states(len(m.hidden_bias))
    matrix = np.zeros((len(visible), len(visible)))
    for row, v in enumerate(visible):
        up = hidden_probs(m, v)
        for h in hidden:
            down = visible_probs(m, h)
            for column, v_next in enumerate(visible):
                chance = state_probability(up, h) * state_probability(down, v_next)
                matrix[row, column] += chance
    return matrix


# -- contrastive divergence ------------------------------------------------------------------


def cd1_gradient(
    m: Machine, v: Floats, h_states: Floats, recon_states: Floats | None = None
) -> Update:
    """Eq. 4 for one case whose hidden states were drawn as `h_states`.

    Data: the case and its hidden probabilities. Reconstruction: visible probabilities driven
    by the binary states, or visible states, and hidden probabilities driven by those.
    """
    h_data = hidden_probs(m, v)
    recon = visible_probs(m, h_states) if recon_states is None else recon_states
    h_recon = hidden_probs(m, recon)
    weights = np.empty_like(m.weights)
    for i in range(len(v)):
        for j in range(len(h_data)):
            weights[i, j] = v[i] * h_data[j] - recon[i] * h_recon[j]
    return Update(weights, v - recon, h_data - h_recon)


def expected_cd1(m: Machine, v: Floats) -> tuple[Update, Update]:
    """Mean and variance of `cd1_gradient` over all hidden states that one case can draw."""
    probs = hidden_probs(m, v)
    mean = Update(*(np.zeros_like(array) for array in m))
    square = Update(*(np.zeros_like(array) for array in m))
    for h in binary_states(len(probs)):
        chance = state_probability(probs, h)
        for k, part in enumerate(cd1_gradient(m, v, h)):
            mean[k][...] += chance * part
            square[k][...] += chance * part**2
    return mean, Update(*(s - a**2 for s, a in zip(square, mean, strict=True)))


def features_after(m: Machine, start: Floats, rounds: int) -> Floats:
    """Chances of every hidden state after rounds of Gibbs sampling from such chances."""
    hidden, visible = binary_states(len(m.hidden_bias)), binary_states(len(m.visible_bias))
    down = np.array([[state_probability(visible_probs(m, h), v) for v in visible] for h in hidden])
    up = np.array([[state_probability(hidden_probs(m, v), h) for h in hidden] for v in visible])
    chances: Floats = start @ np.linalg.matrix_power(down @ up, rounds)
    return chances


def expected_cd(
    m: Machine, v: Floats, rounds: int, recon_states: bool = False
) -> tuple[Update, Update]:
    """Mean and variance of Eq. 4 after so many rounds of sampled states from one case.

    The last reconstruction is of probabilities, or of states.
    """
    hidden, visible = binary_states(len(m.hidden_bias)), binary_states(len(m.visible_bias))
    first = np.array([state_probability(hidden_probs(m, v), h) for h in hidden])
    mean = Update(*(np.zeros_like(array) for array in m))
    square = Update(*(np.zeros_like(array) for array in m))
    for chance, h in zip(features_after(m, first, rounds - 1), hidden, strict=True):
        ways = [(1.0, cd1_gradient(m, v, h))]
        if recon_states:
            probs = visible_probs(m, h)
            ways = [(state_probability(probs, r), cd1_gradient(m, v, h, r)) for r in visible]
        for share, update in ways:
            for k, part in enumerate(update):
                mean[k][...] += chance * share * part
                square[k][...] += chance * share * part**2
    return mean, Update(*(s - a**2 for s, a in zip(square, mean, strict=True)))


def cd1_epoch(
    m: Machine,
    batches: Sequence[Floats],
    h_states: Sequence[Floats],
    rate: float,
    momentum: float,
    decay: float,
) -> tuple[Machine, float]:
    """The machine after one CD-1 update a batch from rest, and the summed squared error."""
    m = Machine(*(array.copy() for array in m))
    velocity = Update(*(np.zeros_like(array) for array in m))
    squared_error = 0.0
    for cases, states in zip(batches, h_states, strict=True):
        gradients = [cd1_gradient(m, v, h) for v, h in zip(cases, states, strict=True)]
        squared_error += sum(float(np.sum(g.visible_bias**2)) for g in gradients)
        pull = Update(decay * m.weights, np.zeros_like(m[1]), np.zeros_like(m[2]))
        for k, parameter in enumerate(m):
            mean = sum(g[k] for g in gradients) / len(gradients)
            velocity[k][...] = momentum * velocity[k] + rate * (mean - pull[k])
            parameter[...] += velocity[k]
    return m, squared_error


# -- feedforward nets ------------------------------------------------------------------------


def net_log_probs(
    weights: Sequence[NDArray[Any]], biases: Sequence[NDArray[Any]], image: Floats
) -> Floats:
    """log p(class | image): logistic layers, then a softmax, unit by unit."""
    activities = [float(x) for x in image]
    for number, (layer, bias) in enumerate(zip(weights, biases, strict=True)):
        inputs = []
        for j in range(layer.shape[1]):
            total = float(bias[j])
            for i, activity in enumerate(activities):
                total += activity * float(layer[i, j])
            inputs.append(total)
        top = number == len(weights) - 1
        activities = inputs if top else [logistic(x) for x in inputs]
    largest = max(activities)
    log_sum = largest + math.log(sum(math.exp(x - largest) for x in activities))
    return np.array([x - log_sum for x in activities])


def mean_cross_entropy(
    weights: Sequence[NDArray[Any]],
    biases: Sequence[NDArray[Any]],
    images: Floats,
    labels: Sequence[int],
    case_weights: Sequence[float],
) -> float:
    """Mean over cases of the weighted negative log probability of the label, in nats."""
    total = 0.0
    for image, label, factor in zip(images, labels, case_weights, strict=True):
        total -= factor * net_log_probs(weights, biases, image)[label]
    return float(total / len(images))


def central_differences(cost: Callable[[], float], parameter: Floats) -> tuple[Floats, Floats]:
    """``d cost / d parameter`` of every element, and how far it may be off.

    The truncation error of a central difference grows as the square of its step, so the
    difference at twice the step is off by four times as much, and the two differ by three times
    the error of the first. To that comes the rounding of the costs, divided by the step.
    """
    step = 1e-4
    gradient = np.empty_like(parameter)
    error = np.empty_like(parameter)
    for index in np.ndindex(parameter.shape):
        start = parameter[index]
        slopes = []
        for width in (step, 2 * step):
            parameter[index] = start + width
            above = cost()
            parameter[index] = start - width
            below = cost()
            slopes.append((above - below) / (2 * width))
        parameter[index] = start
        gradient[index] = slopes[0]
        error[index] = abs(slopes[1] - slopes[0]) + rounding(1000, abs(above) + abs(below)) / step
    return gradient, error


# -- tolerances ------------------------------------------------------------------------------


def rounding(operations: int, size: float = 1.0, dtype: type[np.floating[Any]] = np.float64) -> Any:
    """The most that so many roundings of numbers up to `size` can add up to."""
    return operations * size * float(np.finfo(dtype).eps)


def sampling_error(variance: Any, n_draws: int, n_claims: int, largest: float = 1.0) -> Any:
    """How far the mean of `n_draws` independent draws may lie from its expectation.

    Bernstein's inequality for draws of this variance that lie within `largest` of their mean:
    exceeded with a probability below 1e-9 by any one of `n_claims` means together, whatever the
    seed. It is about seven standard errors, more where the normal approximation is too short in
    the tails.
    """
    log_chance = math.log(2 * n_claims / 1e-9)
    linear = largest * log_chance / (3 * n_draws)
    return linear + np.sqrt(linear**2 + 2 * np.asarray(variance) * log_chance / n_draws)


def layer_draws(kind: str, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """The uniform draws that float32 units of a layer are compared with, in C or in NumPy."""
    if kind == "NumPy":
        return sixteen_bit_draws(rng, shape)
    return sfc32_draws(rng, shape, n_parts=3 if kind == "C by 3 threads" else 1)


def sixteen_bit_draws(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """In NumPy: the middle of what 16 bits leave open."""
    size = shape[0] * shape[1]
    bits = rng.bit_generator.random_raw(-(-size // 4)).view(np.uint16)[:size]
    draws: Floats = (bits.reshape(shape) + 0.5) / 65536
    return draws


def sfc32_draws(rng: np.random.Generator, shape: tuple[int, int], n_parts: int = 1) -> Floats:
    """In C: 48 bits of 32 generators of the kind sfc32, which take turns over a row's columns.

    24 bits of a draw, and below them 24 of the first word that the next one is made from. Each
    thread has a part of the columns, from a multiple of 16 on, and generators of its own.
    """
    words = rng.bit_generator.random_raw(n_parts * 48).view(np.uint32).reshape(n_parts, 3, 32)
    rows, columns = shape
    starts = [min(-(-(columns * part // n_parts) // 16) * 16, columns) for part in range(n_parts)]
    draws = np.empty(shape)
    for seeds, start, end in zip(words.tolist(), starts, [*starts[1:], columns], strict=True):
        draws[:, start:end] = _part_draws(seeds, rows, end - start)
    return draws


def _part_draws(words: list[list[int]], rows: int, columns: int) -> Floats:
    lanes = [list(seed) for seed in zip(*words, strict=True)]
    for counter in range(1, 13):
        for lane in lanes:
            _sfc32(lane, counter)
    draws, counter = np.empty((rows, columns)), 13
    for row in draws:
        for first in range(0, columns, 32):
            width = min(32, columns - first)
            for column, lane in enumerate(lanes[:width], first):
                row[column] = (_sfc32(lane, counter) >> 8 << 24) + (lane[0] >> 8)
            counter += 1
    draws /= 2**48
    return draws


def _sfc32(state: list[int], counter: int) -> int:
    """One step of Doty-Humphrey's sfc32 (PractRand), in whole numbers."""
    a, b, c = state
    result = (a + b + counter) % 2**32
    state[0] = b ^ (b >> 9)
    state[1] = (c + (c << 3)) % 2**32
    state[2] = ((c << 21 | c >> 11) % 2**32 + result) % 2**32
    return result
