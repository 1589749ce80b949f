"""Elementary numerics: logistic, log(1 + e^x), Bernoulli draws, accumulating products.

Everything works in place or into a caller's array, in the dtype it is given: float32 in
training, float64 in the tests that compare with exact enumeration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from hinton06 import passes
from hinton06.passes import Array

__all__ = [
    "Array", "affine", "bernoulli", "epoch_order", "firing_probs", "firing_states",
    "logistic", "one_hot", "product", "softplus", "step_by_product", "take_batch",
]  # fmt: skip

_GEMM = {np.dtype(np.float32): blas.sgemm, np.dtype(np.float64): blas.dgemm}


def product(left: Array, right: Array, out: Array, scale: float = 1.0, keep: float = 0.0) -> Array:
    """``out = scale * left @ right + keep * out`` in one pass of BLAS, without a temporary.

    Parameters
    ----------
    left : (m, k) float32 or float64 array
        C-contiguous, or the transpose of a C-contiguous array (anything else is copied).
    right : (k, n) array of the same dtype, contiguous likewise
    out : (m, n) C-contiguous array of the same dtype
        Overwritten; not read when ``keep`` is 0.
    scale, keep : float
        The factors of the product and of what ``out`` held.

    Returns
    -------
    out : the same array that was passed

    Raises
    ------
    ValueError
        If `out` is not C-contiguous, or shapes or dtypes do not agree.

    Source
    ------
    Not in the chapter: BLAS ``gemm``, by `passes.multiply` where that is faster; else SciPy's where
    it accumulates, called on transposes because its arrays are column-major.
    """
    _check_product(left, right, out)
    if passes.multiply(left, right, out, scale, keep):
        return out
    # As in `passes.multiply`.
    if scale == 1.0 and keep == 0.0 and right.flags.c_contiguous:
        return np.matmul(left, right, out=out)
    right_t, right_trans = (right.T, 0) if right.flags.c_contiguous else (right, 1)
    left_t, left_trans = (left.T, 0) if left.flags.c_contiguous else (left, 1)
    _GEMM[out.dtype](
        scale,
        right_t,
        left_t,
        beta=keep,
        c=out.T,
        trans_a=right_trans,
        trans_b=left_trans,
        overwrite_c=1,
    )
    return out


def _check_product(left: Array, right: Array, out: Array) -> None:
    if left.shape[1] != right.shape[0] or out.shape != (left.shape[0], right.shape[1]):
        raise ValueError(f"cannot multiply {left.shape} by {right.shape} into {out.shape}")
    if not out.flags.c_contiguous or not left.dtype == right.dtype == out.dtype:
        raise ValueError("the product needs one dtype and a C-contiguous output")


def step_by_product(
    left: Array,
    right: Array,
    velocity: Array,
    parameter: Array,
    scale: float,
    keep: float,
    shrink: float,
) -> None:
    """`product` into a velocity, then `passes.move` of its parameter; at once where C does it.

    Parameters
    ----------
    left, right, velocity, scale, keep
        As `product`, with the velocity as its output.
    parameter : C-contiguous array like `velocity`, changed in place
    shrink : float
        Rate times weight decay.

    Raises
    ------
    ValueError
        As `product`.

    Source
    ------
    Eq. 4 with momentum.
    """
    _check_product(left, right, velocity)
    if not passes.multiply(left, right, velocity, scale, keep, parameter, shrink):
        passes.move(parameter, product(left, right, velocity, scale, keep), shrink)


def affine(data: Array, weights: Array, bias: Array, out: Array) -> Array:
    """``out = data @ weights + bias``: the total input to every unit of a layer.

    Parameters
    ----------
    data : (n, n_in) array
    weights : (n_in, n_out) array, or the transpose of an (n_out, n_in) one
    bias : (n_out,) array
    out : (n, n_out) C-contiguous array, overwritten

    Returns
    -------
    out : the same array that was passed

    Raises
    ------
    ValueError
        As `product`.

    Source
    ------
    The exponent of Eqs 1, 5 and 6, without its sign.
    """
    product(data, weights, out)
    out += bias
    return out


def logistic(inputs: Array) -> Array:
    """``1 / (1 + exp(-x))`` of each element, in place.

    Parameters
    ----------
    inputs : array of any shape
        Total inputs; overwritten with the probabilities in [0, 1].

    Returns
    -------
    inputs : the same array that was passed

    Source
    ------
    Eqs 1, 5 and 6.
    """
    return passes.logistic_of_minus(np.negative(inputs, out=inputs))


def firing_probs(data: Array, weights: Array, bias: Array, out: Array, sign: float = 1) -> Array:
    """``logistic(data @ weights + bias)``: with which probability each unit of a layer turns on.

    Parameters
    ----------
    data, weights, bias, out
        As `affine`.
    sign : float
        1, or -1 for minus the probabilities.

    Returns
    -------
    out : the same array that was passed

    Raises
    ------
    ValueError
        As `product`.

    Source
    ------
    Eqs 1, 5 and 6.
    """
    return passes.squash(product(data, weights, out), bias, sign)


def firing_states(
    data: Array, weights: Array, bias: Array, rng: np.random.Generator, out: Array
) -> Array:
    """Binary states of a layer's units, each 1 with its probability of `firing_probs`.

    Parameters
    ----------
    data, weights, bias
        As `affine`.
    rng : numpy.random.Generator
    out : (n, n_out) C-contiguous array, overwritten with 0 and 1 in its own dtype

    Returns
    -------
    out : the same array that was passed

    Raises
    ------
    ValueError
        As `product`.

    Source
    ------
    Eqs 1, 5 and 6: "the binary state of each unit is set to be 1 with probability".
    """
    return passes.fire(product(data, weights, out), bias, rng)


def softplus(inputs: Array) -> Array:
    """``log(1 + exp(x))`` of each element, without overflow.

    Parameters
    ----------
    inputs : array of any shape

    Returns
    -------
    a new array of the same shape and dtype, in nats
        Rounded like a number of order 1: values far below 1 have no digits of their own, which
        sums of many do not miss, and which makes it many times faster than `numpy.logaddexp`.

    Source
    ------
    Each hidden unit's share of an RBM's free energy (Hinton, Osindero and Teh 2006).
    """
    result = np.minimum(inputs, inputs.dtype.type(80))  # exp(89) is beyond float32
    np.exp(result, out=result)
    result += 1
    np.log(result, out=result)
    return np.maximum(result, inputs, out=result)  # which it is, to the last digit, from 80 on


def bernoulli(probs: Array, rng: np.random.Generator, out: Array) -> Array:
    """Binary states, each 1 with its probability.

    Parameters
    ----------
    probs : array of any shape, in [0, 1]
    rng : numpy.random.Generator
    out : array of the same shape, overwritten with 0 and 1 in its own dtype

    Returns
    -------
    out : the same array that was passed

    Raises
    ------
    ValueError
        If `out` may share memory with `probs`.

    Source
    ------
    Eqs 1, 5 and 6: "the binary state of each unit is set to be 1 with probability".
    """
    if np.may_share_memory(probs, out):
        raise ValueError("the states cannot lie where their probabilities are")
    return passes.choose(probs, rng, out)


def one_hot(probs: Array, rng: np.random.Generator) -> Array:
    """One unit on in each row, chosen with its probability.

    Parameters
    ----------
    probs : (n, n_units) array
        Each row sums to 1, up to rounding.
    rng : numpy.random.Generator

    Returns
    -------
    (n, n_units) array of 0 and 1 of the same dtype, each row with a single 1

    Source
    ------
    A softmax group of label units: Hinton, Osindero and Teh (2006).
    """
    ends = np.cumsum(probs, axis=1)
    draws = rng.random((len(probs), 1)) * ends[:, -1:]  # sums to 1 only up to rounding
    chosen = np.minimum((draws >= ends).sum(axis=1), probs.shape[1] - 1)
    states = np.zeros_like(probs)
    states[np.arange(len(probs)), chosen] = 1
    return states


def take_batch(cases: NDArray[Any], rows: NDArray[np.intp] | slice, out: Array) -> Array:
    """The chosen cases as numbers in [0, 1].

    Parameters
    ----------
    cases : (n_cases, n_units) array
        uint8 pixels, 0 to 255, divided by 255 here, or floats in [0, 1], copied as they are.
    rows : (n,) integer array, or a slice of n rows
    out : (n, n_units) float array, overwritten

    Returns
    -------
    out : the same array that was passed

    Source
    ------
    Pixels as real-valued probabilities: "A greedy learning algorithm for multiple hidden
    layers".
    """
    if not isinstance(rows, slice) and passes.take(cases, rows, out):
        return out
    if cases.dtype == out.dtype and not isinstance(rows, slice):
        # No copy in between; `clip` is what lets NumPy write into an array at once.
        return np.take(cases, rows, axis=0, out=out, mode="clip")
    np.copyto(out, cases[rows])
    if cases.dtype == np.uint8:
        out *= out.dtype.type(1 / 255)
    return out


def epoch_order(
    n_cases: int, rng: np.random.Generator, classes: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.int64]:
    """Every case once, in random order; each class spread evenly over the epoch if they are given.

    Parameters
    ----------
    n_cases : int
    rng : numpy.random.Generator
    classes : (n_cases,) integer array, optional
        With equally many cases of each of k classes, every k successive cases are of k classes,
        so a batch whose size is a multiple of k is balanced.

    Returns
    -------
    (n_cases,) integer array

    Source
    ------
    Balanced batches, "10 examples of each digit class": Hinton, Osindero and Teh (2006).
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
