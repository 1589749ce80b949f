"""The arithmetic that everything above is written in: products, units, sums, updates.

All of it works in place or into a caller's array, in the dtype it is given: float32 in training,
float64 in the tests that compare with exact enumeration.

NumPy goes several times over the arrays for most of what stands beside a matrix product, which
takes up to a quarter of a learner's time. So for float32 the loops in C (`hinton06.native`) do it
at once where they can, and NumPy everything else. Both are exact to the digits of their dtype, but
their last digits and their random draws differ: runs are bit-identical with one or the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike, NDArray
from scipy.linalg import blas

from hinton06 import native

Array: TypeAlias = NDArray[np.floating[Any]]
Labels: TypeAlias = NDArray[np.integer[Any]]

_FLOAT32 = np.dtype(np.float32)
_BELOW_65536 = np.nextafter(np.float32(65536), np.float32(0))
_GEMM = {_FLOAT32: blas.sgemm, np.dtype(np.float64): blas.dgemm}
_AXPY = {_FLOAT32: blas.saxpy, np.dtype(np.float64): blas.daxpy}


def product(
    left: Array, right: Array, out: Array | None = None, scale: float = 1.0, keep: float = 0.0
) -> Array:
    """``out = scale * left @ right + keep * out`` in one go, without a temporary; returns out.

    (m, k) and (k, n) matrices of one dtype, float32 or float64, each C-contiguous or the transpose
    of such a one (others are copied), into a C-contiguous one, which is not read when ``keep`` is
    0, or a new one. ValueError where shapes or dtypes do not agree.
    """
    if out is None:
        out = np.empty((len(left), right.shape[1]), left.dtype)
    _check_product(left, right, out)
    if not out.size or native.multiply(left, right, out, scale, keep):
        return out
    # As in `native.multiply`, NumPy's BLAS where it does not have to accumulate.
    if scale == 1.0 and keep == 0.0 and right.flags.c_contiguous:
        return np.matmul(left, right, out=out)
    # SciPy's is called on transposes, for its arrays are column-major.
    right_t, right_trans = (right.T, 0) if right.flags.c_contiguous else (right, 1)
    left_t, left_trans = (left.T, 0) if left.flags.c_contiguous else (left, 1)
    gemm = _GEMM[out.dtype]
    gemm(scale, right_t, left_t, keep, out.T, right_trans, left_trans, overwrite_c=1)
    return out


def _check_product(left: Array, right: Array, out: Array) -> None:
    if left.shape[1] != right.shape[0] or out.shape != (left.shape[0], right.shape[1]):
        raise ValueError(f"cannot multiply {left.shape} by {right.shape} into {out.shape}")
    if not out.flags.c_contiguous or not left.dtype == right.dtype == out.dtype:
        raise ValueError("the product needs one dtype and a C-contiguous output")


def step_by_product(
    left: Array, right: Array, pair: tuple[Array, Array], scale: float, keep: float, shrink: float
) -> None:
    """Eq. 4 with momentum: `product` into the pair's velocity, then `move` of its parameter."""
    velocity, parameter = pair
    _check_product(left, right, velocity)
    if not native.multiply(left, right, velocity, scale, keep, parameter, shrink):
        move(parameter, product(left, right, velocity, scale, keep), shrink)


def affine(data: Array, weights: Array, bias: Array, out: Array | None = None) -> Array:
    """``out = data @ weights + bias``: the total input to every unit, the exponent of Eq. 1."""
    out = product(data, weights, out)
    out += bias
    return out


def logistic(inputs: Array) -> Array:
    """``1 / (1 + exp(-x))`` of each element of an array of any shape, in place."""
    return logistic_of_minus(np.negative(inputs, out=inputs))


def logistic_of_minus(inputs: Array, sign: float = 1) -> Array:
    """``sign / (1 + exp(x))`` of each element, in place, in NumPy."""
    with np.errstate(over="ignore"):  # exp(+big) = inf, and 1 / inf is the 0 that is meant
        np.exp(inputs, out=inputs)
    inputs += 1
    return np.divide(sign, inputs, out=inputs)


def squash(inputs: Array, bias: Array, sign: float = 1) -> Array:
    """``sign / (1 + exp(-(inputs + bias)))``, in place: (n, n_units) probabilities from inputs."""
    if native.over_rows("probs", inputs, bias, sign):
        return inputs
    # The sign is changed as the bias is added, not afterwards.
    return logistic_of_minus(np.subtract(-bias, inputs, out=inputs), sign)


def fire(inputs: Array, bias: Array, rng: Generator) -> Array:
    """1 with the probability ``1 / (1 + exp(-(inputs + bias)))``, else 0, in place."""
    if native.fire(inputs, bias, rng):
        return inputs
    return choose(squash(inputs.copy(), bias), rng, inputs)


def squash_and_fire(inputs: Array, bias: Array, rng: Generator, states: Array) -> Array:
    """`squash` in place, and from the probabilities, into other memory, the states of `choose`."""
    if native.squash_and_fire(inputs, bias, rng, states):
        return states
    return choose(squash(inputs, bias), rng, states)


def choose(probs: Array, rng: Generator, out: Array) -> Array:
    """1 with each probability, else 0, into an array like it, of other memory.

    A unit compares its probability with a uniform draw, of 53 bits in float64 and of 48 in C. In
    float32 and NumPy, for speed, 16 bits, and 53 more in the one case in 65,536 that these leave
    open. So how often it fires is right to that many bits, however small its probability.
    """
    if native.choose(probs, rng, out):
        return out
    if probs.dtype != _FLOAT32:
        uniforms = rng.random(dtype=probs.dtype.type, out=np.empty_like(probs))
        # A draw is in [0, 1): a probability of 1 always fires, a probability of 0 never does.
        return np.less(uniforms, probs, out=out, casting="unsafe")
    return _sixteen_bits(probs, rng, out)


def _sixteen_bits(probs: Array, rng: Generator, out: Array) -> Array:
    """`choose` by comparing integers: a unit fires if its 16 bits are below 65,536 p.

    With ``65,536 p = level + rest``, 16 bits equal to the level leave it open, and a uniform
    draw below the rest decides. Together that is p.
    """
    # A factor just below 65,536, for the level of p = 1 to be one of 16 bits; its rest is 1.
    np.multiply(probs, _BELOW_65536, out=out)
    with np.errstate(invalid="ignore"):  # not a number: some state, and the epoch's check says so
        levels = out.astype(np.uint16)
    words = rng.bit_generator.random_raw(-(-probs.size // 4))
    bits = words.view(np.uint16)[: probs.size].reshape(probs.shape)
    np.less(bits, levels, out=out, casting="unsafe")
    open_ones = np.flatnonzero(bits == levels)
    rests = probs.take(open_ones) * np.float32(65536) - levels.take(open_ones)
    np.put(out, open_ones, rng.random(len(open_ones)) < rests)
    return out


def drop(values: Array, keep: float, rng: Generator) -> Array:
    """Each number is kept with a probability, and then divided by it, else 0; in place.

    Nothing is drawn where all are kept. Dropout: Srivastava and others (2014), section 10.
    """
    if keep == 1 or native.drop(values, keep, rng):
        return values
    kept = choose(np.full(values.shape, keep, values.dtype), rng, np.empty_like(values))
    values *= np.multiply(kept, 1 / values.dtype.type(keep), out=kept)
    return values


def bernoulli(probs: Array, rng: Generator, out: Array | None = None) -> Array:
    """`choose`, into out or a new array; ValueError if out may share memory with `probs`."""
    if out is None:
        out = np.empty_like(probs)
    elif np.may_share_memory(probs, out):
        raise ValueError("the states cannot lie where their probabilities are")
    return choose(probs, rng, out)


def firing_probs(
    data: Array, weights: Array, bias: Array, out: Array | None = None, sign: float = 1
) -> Array:
    """Eq. 1, ``sign * logistic(data @ weights + bias)``: with what probability units turn on.

    (n, n_in) by (n_in, n_out), into (n, n_out), all as in `product`. Also Eqs 5 and 6, of an RBM.
    """
    return squash(product(data, weights, out), bias, sign)


def firing_states(data: Array, weights: Array, bias: Array, rng: Generator, out: Array) -> Array:
    """Binary states of a layer's units, each 1 with its probability of `firing_probs`, into out."""
    return fire(product(data, weights, out), bias, rng)


def stochastic_pass(states: Array, layers: Iterable[tuple[Array, Array]], rng: Generator) -> Array:
    """Binary states of one layer after another, from those of the one before: weights, biases."""
    for weights, bias in layers:
        states = bernoulli(firing_probs(states, weights, bias), rng)
    return states


def softplus(inputs: Array) -> Array:
    """``log(1 + exp(x))`` of each element, in a new array, without overflow."""
    # Rounded like a number of order 1, and so many times faster than `numpy.logaddexp`.
    result = np.minimum(inputs, inputs.dtype.type(80))  # exp(89) is beyond float32
    np.exp(result, out=result)
    result += 1
    np.log(result, out=result)
    return np.maximum(result, inputs, out=result)  # which it is, to the last digit, from 80 on


def log_sums(factors: Array, others: Array, slopes: Array | None = None) -> Array:
    """``sum_j log(1 + factors_nj * others_kj)`` for every n and k: (n, k).

    A share of a free energy: one exponential serves all labels. `slopes`, (k, n, n_units), its last
    two axes contiguous, are overwritten with ``x / (1 + x)`` of every product ``x``.
    """
    sums = np.empty((len(factors), len(others)), factors.dtype)
    if native.log_sums(factors, others, sums, slopes):
        return sums
    buffer = np.empty_like(factors)
    for label, row in enumerate(others):
        terms = np.multiply(factors, row, out=buffer if slopes is None else slopes[label])
        one_more = np.add(terms, 1, out=buffer)
        if slopes is not None:
            terms /= one_more
        sums[:, label] = np.log(one_more, out=one_more).sum(axis=1)
    return sums


def softmax(inputs: Array, bias: Array) -> Array:
    """``exp(x_k) / sum_l exp(x_l)`` of ``x = inputs + bias`` in each row, in place."""
    if native.over_rows("softmax", inputs, bias):
        return inputs
    inputs += bias
    inputs -= inputs.max(axis=-1, keepdims=True)
    np.exp(inputs, out=inputs)
    inputs /= inputs.sum(axis=-1, keepdims=True)
    return inputs


def log_softmax(inputs: Array, bias: Array | None = None) -> Array:
    """``log(exp(x_k) / sum_l exp(x_l))`` of ``x = inputs + bias`` in each row, in place: nats."""
    if native.over_rows("log_softmax", inputs, bias):
        return inputs
    if bias is not None:
        inputs += bias
    inputs -= inputs.max(axis=-1, keepdims=True)
    inputs -= np.log(np.exp(inputs).sum(axis=-1, keepdims=True))
    return inputs


def label_errors(log_probs: Array, labels: Labels, case_weights: Array, out: Array) -> Array:
    """Target minus probability, times each case's weight, into out, which is other memory.

    The gradient of log p(label) by the input of every class unit: (n, n_classes). Returns the (n,)
    cross-entropies in nats, not weighted; IndexError if a label is none of the classes.
    """
    costs = np.empty(len(labels), log_probs.dtype)
    if native.label_errors(log_probs, labels, case_weights, out, costs):
        return costs
    places = np.arange(len(labels)), labels
    np.negative(log_probs[places], out=costs)
    np.negative(np.exp(log_probs, out=out), out=out)
    out[places] += 1
    out *= case_weights[:, np.newaxis]
    return costs


def label_directions(log_probs: Array, labels: Labels, out: Array) -> None:
    """Multiples of `label_errors`, case by case, without a weight, into out, which is other memory.

    Right however sure the net is: of 1 - p(label), the sum of what it gives the other classes,
    nothing is left where p rounds to 1. Each row is divided by the largest of these.
    """
    places = np.arange(len(labels)), labels
    np.copyto(out, log_probs)
    out[places] = -np.inf
    out -= out.max(axis=1, keepdims=True)
    np.negative(np.exp(out, out=out), out=out)
    out[places] = -out.sum(axis=1)


def answer_directions(log_probs: Array, changes: Array) -> None:
    """How the answers turn under `changes` of the inputs to the class units, (n, n_classes).

    In place, multiples of F times each row, F = diag(p) - p p^T: the gradient, by these inputs, of
    KL(p || p of the changed ones), to first order. Right however sure the net is, as
    `label_directions` is: of the most probable class it is minus the sum of the others'.
    """
    places = np.arange(len(changes)), log_probs.argmax(axis=1)
    changes -= (np.exp(log_probs) * changes).sum(axis=1, keepdims=True)
    shares = log_probs.copy()
    shares[places] = -np.inf
    shares -= shares.max(axis=1, keepdims=True)
    changes *= np.exp(shares, out=shares)
    changes[places] = -changes.sum(axis=1)


def one_hot_targets(labels: Labels, n_labels: int, dtype: DTypeLike = np.float32) -> Array:
    """(n,) labels as (n, n_labels) rows with a single 1; ValueError if there is no such label.

    "The value of the correct label was set to 1 and the remainder were set to 0."
    """
    outside = labels[(labels < 0) | (labels >= n_labels)]
    if len(outside):
        raise ValueError(f"label {outside[0]} among {n_labels} labels")
    targets: Array = np.zeros((len(labels), n_labels), dtype)
    targets[np.arange(len(labels)), labels] = 1
    return targets


def one_hot(probs: Array, rng: Generator) -> Array:
    """One unit on in each row, chosen with its probability; rows sum to 1, up to rounding."""
    ends = np.cumsum(probs, axis=1)
    draws = rng.random((len(probs), 1)) * ends[:, -1:]  # sums to 1 only up to rounding
    chosen = np.minimum((draws >= ends).sum(axis=1), probs.shape[1] - 1)
    states = np.zeros_like(probs)
    states[np.arange(len(probs)), chosen] = 1
    return states


def times_slope(delta: Array, probs: Array, keep: float = 1.0) -> Array:
    """``delta *= probs * (1 - keep * probs)``: through a logistic, backwards; `probs` are spent.

    And through `drop`, where `probs` went through it: of the kept units they are divided by `keep`,
    of the others, which have no part in the slope, 0.
    """
    if native.over_both("slope", delta, probs, keep):
        return delta
    delta *= probs
    if keep != 1:
        probs *= probs.dtype.type(keep)
    delta *= np.subtract(1, probs, out=probs)
    return delta


def lessen(probs: Array, shares: Array) -> Array:
    """``probs -= shares * probs * (1 - probs)``, in place: (n, n_units), and (n_units,) shares."""
    if native.over_rows("lessen", probs, shares):
        return probs
    slopes = np.subtract(1, probs)
    slopes *= probs
    slopes *= shares
    return np.subtract(probs, slopes, out=probs)


def limit_norms(weights: Array, longest: float) -> None:
    """Columns of (n_in, n_out) weights that are longer become so long; the others stay."""
    if native.limit(weights, longest):
        return
    norms = np.sqrt(np.einsum("ij,ij->j", weights, weights))
    long_ones = np.flatnonzero(norms > longest)
    if len(long_ones):
        weights[:, long_ones] *= longest / norms[long_ones]


def step_along(cases: Array, directions: Array, length: float) -> None:
    """Move each (n, n_units) case so far, in Euclidean length, along its direction; in place.

    Directions are spent, however long; a case of which it is 0 stays.
    """
    largest = abs(directions).max(axis=1, keepdims=True)  # first, for no square to vanish
    largest[largest < np.finfo(cases.dtype).tiny] = np.inf
    directions /= largest
    lengths = np.sqrt(np.einsum("ij,ij->i", directions, directions))  # 1 and more, or 0
    directions *= (length / np.maximum(lengths, 1))[:, np.newaxis]
    cases += directions


def add_sums(
    deltas: Array, velocity: Array, scale: float, keep: float, parameter: Array | None = None
) -> None:
    """``velocity = keep * velocity + scale * (sum over rows)``; then ``parameter += velocity``.

    `deltas` are (n, n_units), the others (n_units,); a velocity is not read when ``keep`` is 0.
    """
    if native.add_sums(deltas, velocity, scale, keep, parameter):
        return
    sums = scale * deltas.sum(axis=0)
    velocity[...] = keep * velocity + sums if keep else sums
    if parameter is not None:
        parameter += velocity


def add_differences(
    data: Array, recon: Array, velocity: Array, scale: float, keep: float, parameter: Array
) -> float:
    """`add_sums` of ``data - recon``, which is not kept; returns the sum of its squares."""
    squares = native.add_differences(data, recon, velocity, scale, keep, parameter)
    if squares is not False:
        return float(squares)
    missed = data - recon
    add_sums(missed, velocity, scale, keep, parameter)
    return float(np.vdot(missed, missed))


def move(parameter: Array, velocity: Array, shrink: float) -> None:
    """``velocity -= shrink * parameter``, then ``parameter += velocity``; both C-contiguous."""
    if native.over_both("move", parameter, velocity, shrink):
        return
    if shrink:
        _AXPY[velocity.dtype](parameter.reshape(-1), velocity.reshape(-1), a=-shrink)
    parameter += velocity


def blend(mean: Array, values: Array, share: float) -> None:
    """``mean += share * (values - mean)``, of C-contiguous arrays of one shape and dtype."""
    if native.over_both("blend", mean, values, share):
        return
    np.multiply(mean, 1 - share, out=mean)
    _AXPY[mean.dtype](values.reshape(-1), mean.reshape(-1), a=share)


def take_batch(cases: NDArray[Any], rows: NDArray[np.intp] | slice, out: Array) -> Array:
    """The chosen cases as (n, n_units) numbers in [0, 1], into out; uint8 divided by 255."""
    if not isinstance(rows, slice) and native.take(cases, rows, out):
        return out
    if cases.dtype == out.dtype and not isinstance(rows, slice):
        # No copy in between; `clip` is what lets NumPy write into an array at once.
        return np.take(cases, rows, axis=0, out=out, mode="clip")
    np.copyto(out, cases[rows])
    if cases.dtype == np.uint8:
        out *= out.dtype.type(1 / 255)
    return out


def batches(n_cases: int, size: int) -> Iterator[slice]:
    """All cases in their order, so many at a time."""
    for first in range(0, n_cases, size):
        yield slice(first, min(first + size, n_cases))


def batches_taken(
    cases: NDArray[Any], size: int, dtype: DTypeLike
) -> Iterator[tuple[slice, Array]]:
    """All cases in their order, so many at a time, each time in the same buffer: `take_batch`."""
    buffer = np.empty((min(size, len(cases)), cases.shape[1]), dtype)
    for rows in batches(len(cases), size):
        yield rows, take_batch(cases, rows, buffer[: rows.stop - rows.start])


def epoch_order(n_cases: int, rng: Generator, classes: Labels | None = None) -> NDArray[np.int64]:
    """Every case once, in random order; each class spread evenly over the epoch if they are given.

    With equally many cases of each of k classes, every k successive cases are of k classes, so that
    a batch whose size is a multiple of k is balanced, as in Hinton, Osindero and Teh (2006).
    """
    order = rng.permutation(n_cases)
    if classes is None:
        return order
    places = np.empty(n_cases)
    for label in np.unique(classes):
        own = classes[order] == label
        n_own = np.count_nonzero(own)
        places[own] = (np.arange(n_own) + 0.5) / n_own
    return order[np.argsort(places, kind="stable")]
