"""The passes over arrays that stand beside the matrix products, each in one go.

NumPy needs several passes for each of these, which take up to a quarter of a learner's time. So
for float32 they are also there as loops in C (``passes.c``), compiled when the package is
installed if there is a C compiler; without one, and in float64, NumPy does them. Both are exact
to the digits of their dtype, but their last digits and their random draws differ: runs are
bit-identical with one or the other, and `KIND`, which says which, is in every file.

With several threads (`threads`) the loops in C share each pass, and each product of some size
too (`multiply`): BLAS has threads of its own, but while these multiply nobody else computes, and
between two products they sleep.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas
from threadpoolctl import threadpool_limits

Array: TypeAlias = NDArray[np.floating[Any]]

_FLOAT32 = np.dtype(np.float32)
_BELOW_65536 = np.nextafter(np.float32(65536), np.float32(0))
_AXPY = {np.dtype(np.float32): blas.saxpy, np.dtype(np.float64): blas.daxpy}
_SEED_WORDS = 48
"""64-bit words that seed the 32 generators of ``passes.c``, of 96 bits each."""
_LARGEST_TEAM = 64  # as in ``passes.c``
_WORTH_SHARING = 100_000
"""Multiply-adds of a product that takes longer than it takes to tell others of it."""

_POINTER, _LONG, _FLOAT, _INT = ctypes.c_void_p, ctypes.c_long, ctypes.c_float, ctypes.c_int
_ROWS = (_POINTER, _LONG, _LONG, _LONG)
"""Where they begin, how many, how long, and the step from one to the next."""
_SIGNATURES = {
    "probs": (_POINTER, *_ROWS, _FLOAT),
    "states": (_POINTER, *_ROWS, _POINTER),
    "both": (_POINTER, *_ROWS, _POINTER, _LONG, _POINTER),
    "choose": (*_ROWS, _POINTER, _LONG, _POINTER),
    "move": (_POINTER, _POINTER, _FLOAT, _LONG),
    "blend": (_POINTER, _POINTER, _FLOAT, _LONG),
    "slope": (_POINTER, _POINTER, _LONG),
    "sums": (*_ROWS, _POINTER, _POINTER, _FLOAT, _FLOAT),
    "differences": (*_ROWS, _POINTER, _LONG, _POINTER, _POINTER, _FLOAT, _FLOAT),
    "log_sums": (*_ROWS, _POINTER, _LONG, _LONG, _POINTER, _POINTER, _LONG),
    "softmax": (_POINTER, *_ROWS),
    "log_softmax": (_POINTER, *_ROWS),
    "label_errors": (*_ROWS, _POINTER, _POINTER, _POINTER, _LONG, _POINTER),
    "take": (_POINTER, _INT, _LONG, _POINTER, *_ROWS),
    "team": (_INT,),
    "multiply": (_POINTER, _INT, _POINTER, _INT, _INT, _POINTER, _INT, _INT, _POINTER, _INT, _INT,
                 _INT, _FLOAT, _FLOAT, _POINTER, _FLOAT),
}  # fmt: skip
_ADDRESSOF, _BYTE = ctypes.addressof, ctypes.c_char.from_buffer
_RESULTS = {"differences": ctypes.c_double, "label_errors": _INT, "take": _INT}


def _compiled() -> ctypes.CDLL | None:
    """The loops in C, if they were compiled."""
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name("_passes" + suffix)
        if path.exists():
            try:
                library = ctypes.CDLL(str(path))
                for name, types in _SIGNATURES.items():
                    function = getattr(library, name)
                    function.argtypes, function.restype = types, _RESULTS.get(name)
            except (OSError, AttributeError):  # of another system, or of another version
                continue
            return library
    return None


_C = _compiled()
KIND = "C" if _C else "NumPy"
"""Which of the two this installation has."""


def find_sgemm(module: str) -> tuple[int, bool] | None:
    """The address of the ``cblas_sgemm`` that an extension module was linked to, if it can be told.

    Parameters
    ----------
    module : str
        Its name.

    Returns
    -------
    address, and whether its integers have 64 bits; or None

    Source
    ------
    Not in the chapter.
    """
    try:
        found = find_spec(module)
        if not found or not found.origin:
            return None
        library = ctypes.CDLL(found.origin)
    except (ImportError, OSError):
        return None
    # Names are looked up in the module and in what it was linked to.
    for name in ("cblas_sgemm64_", "scipy_cblas_sgemm64_", "scipy_cblas_sgemm", "cblas_sgemm"):
        if hasattr(library, name):
            address = ctypes.cast(getattr(library, name), _POINTER).value
            return (address, "64_" in name) if address else None
    return None


NUMPYS = "numpy.linalg._umath_linalg"
"""The module that is linked to NumPy's BLAS."""
# Two libraries in general, of which neither is the faster one at all products.
_NUMPYS, _SCIPYS = find_sgemm(NUMPYS), find_sgemm("scipy.linalg.cython_blas")
_SHARES = _C is not None and _NUMPYS is not None and _SCIPYS is not None
_team = 1


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Passes and products by as many threads, within a ``with`` block.

    Results are bit-identical for equal counts. Where there are no loops in C, or BLAS cannot be
    called from them, passes take one thread, and the products BLAS's own.

    Parameters
    ----------
    count : int
        At least 1; more than 64 are as good as 64.

    Source
    ------
    Not in the chapter.
    """
    before = _team
    with threadpool_limits(1 if _SHARES else count):
        _enlist(count if _SHARES else 1)
        try:
            yield
        finally:
            _enlist(before)


def _enlist(count: int) -> None:
    global _team  # noqa: PLW0603  # of the process, as BLAS's own number of threads is
    _team = min(count, _LARGEST_TEAM)
    if _C:
        _C.team(_team)


def multiply(
    left: Array,
    right: Array,
    out: Array,
    scale: float,
    keep: float,
    parameter: Array | None = None,
    shrink: float = 0.0,
) -> bool:
    """``out = scale * left @ right + keep * out`` where the loops in C do it sooner.

    Parameters
    ----------
    left, right : (m, k) and (k, n) arrays
        Their rows, or their columns, without gaps between the numbers.
    out : (m, n) C-contiguous array of the same dtype
        Overwritten if the result is True; not read when ``keep`` is 0.
    scale, keep : float
    parameter : C-contiguous array like `out`, optional
        Then moved, ``move(parameter, out, shrink)``, if the result is True.
    shrink : float

    Returns
    -------
    bool
        False if nothing was done: for small products, in float64, for arrays that lie otherwise,
        and with one thread for those at which NumPy or SciPy is as fast.

    Source
    ------
    Not in the chapter: BLAS ``gemm``, each thread a part of the columns or rows of `out`.
    """
    # NumPy's BLAS is the faster one, SciPy's with a transposed matrix on the right; that NumPy
    # itself cannot accumulate is what there is to gain with one thread.
    if not _SHARES or (_team == 1 and scale == 1 and keep == 0):
        return False
    m, n = out.shape
    k = len(right)
    if m * n * k < _WORTH_SHARING or out.dtype != _FLOAT32:
        return False
    left_lies, right_lies = _lies(left), _lies(right)
    if left_lies is None or right_lies is None:
        return False
    transposed = right_lies[1] == 1
    if (_team == 1 and transposed) or (parameter is not None and not _flat(parameter, out)):
        return False
    gemm = _SCIPYS if transposed else _NUMPYS
    assert _C
    assert gemm
    moved = None if parameter is None else _address(parameter)
    _C.multiply(*gemm, *left_lies, *right_lies, _address(out), m, k, n, scale, keep, moved, shrink)
    return True


def _lies(matrix: Array) -> tuple[int, int, int] | None:
    """Where a float32 matrix begins, whether it is transposed, and the step from row to row."""
    (down, across), (rows, columns) = matrix.strides, matrix.shape
    if across == 4 and down % 4 == 0 and down >= 4 * columns:
        return _start(matrix, down == 4 * columns), 0, down // 4
    if down == 4 and across % 4 == 0 and across >= 4 * rows:
        return _start(matrix.T, across == 4 * rows), 1, across // 4
    return None


def _start(rows: Array, without_gaps: bool) -> int:
    return _address(rows) if without_gaps else rows.ctypes.data


def _address(array: Any) -> int:
    """Where an array begins: a third of the time of ``array.ctypes.data``, where there is a way."""
    try:
        return _ADDRESSOF(_BYTE(array))
    except (TypeError, ValueError):  # it has gaps, is read-only, or empty
        address: int = array.ctypes.data
        return address


def _rows(array: Array) -> tuple[int, int, int, int] | None:
    """Where rows begin, how many, of what length and step, if loops in C can go over them."""
    if _C is None or array.dtype != _FLOAT32 or array.ndim != 2:
        return None
    (step, within), (rows, columns) = array.strides, array.shape
    if within != 4 or step % 4 or step < 4 * columns or not rows * columns:
        return None
    return _start(array, step == 4 * columns), rows, columns, step // 4


def _row(array: Array, columns: int) -> int | None:
    """Where one row of biases begins, if loops in C can go over it."""
    if array.dtype != _FLOAT32 or array.shape != (columns,) or array.strides != (4,):
        return None
    return _address(array)


def squash(inputs: Array, bias: Array, sign: float = 1) -> Array:
    """``1 / (1 + exp(-(inputs + bias)))``, in place: probabilities from total inputs.

    Parameters
    ----------
    inputs : (n, n_units) array
        Overwritten.
    bias : (n_units,) array of the same dtype
    sign : float
        1, or -1 for minus the probabilities.

    Returns
    -------
    inputs : the same array that was passed

    Source
    ------
    Eqs 1, 5 and 6.
    """
    rows = _rows(inputs)
    biases = rows and _row(bias, rows[2])
    if _C and rows and biases:
        _C.probs(biases, *rows, sign)
        return inputs
    # Minus the total input in the pass that adds the bias, not in one of its own.
    return logistic_of_minus(np.subtract(-bias, inputs, out=inputs), sign)


def logistic_of_minus(inputs: Array, sign: float = 1) -> Array:
    """``sign / (1 + exp(x))`` of each element, in place, in NumPy."""
    with np.errstate(over="ignore"):  # exp(+big) = inf, and 1 / inf is the 0 that is meant
        np.exp(inputs, out=inputs)
    inputs += 1
    return np.divide(sign, inputs, out=inputs)


def fire(inputs: Array, bias: Array, rng: np.random.Generator) -> Array:
    """1 with the probability ``1 / (1 + exp(-(inputs + bias)))``, else 0, in place.

    Parameters
    ----------
    inputs : (n, n_units) array
        Overwritten with binary states in its own dtype.
    bias : (n_units,) array of the same dtype
    rng : numpy.random.Generator

    Returns
    -------
    inputs : the same array that was passed

    Source
    ------
    Eqs 1, 5 and 6.
    """
    rows = _rows(inputs)
    biases = rows and _row(bias, rows[2])
    if _C and rows and biases:
        seed = _seed(rng)
        _C.states(biases, *rows, _address(seed))
        return inputs
    probs = squash(inputs.copy(), bias)
    return choose(probs, rng, inputs)


def squash_and_fire(inputs: Array, bias: Array, rng: np.random.Generator, states: Array) -> Array:
    """`squash`, and from the probabilities the states that `choose` draws.

    Parameters
    ----------
    inputs, bias
        As `squash`.
    rng : numpy.random.Generator
    states : array of the inputs' shape and dtype, of other memory; overwritten

    Returns
    -------
    states : the same array that was passed

    Source
    ------
    Eqs 1, 5 and 6.
    """
    rows, state_rows = _rows(inputs), _rows(states)
    biases = rows and _row(bias, rows[2])
    if _C and rows and state_rows and biases and inputs.shape == states.shape:
        seed = _seed(rng)
        _C.both(biases, *rows, state_rows[0], state_rows[3], _address(seed))
        return states
    return choose(squash(inputs, bias), rng, states)


def choose(probs: Array, rng: np.random.Generator, out: Array) -> Array:
    """1 with each probability, else 0.

    In float64, and in C, a unit compares its probability with a uniform draw. In float32 and
    NumPy, where such draws would be most of what a layer takes beside its matrix product, it
    compares 16 bits, and a draw in the one case in 65,536 that these leave open.

    Parameters
    ----------
    probs : array, in [0, 1]
    rng : numpy.random.Generator
    out : array of the same shape and dtype, of other memory; overwritten

    Returns
    -------
    out : the same array that was passed

    Source
    ------
    Eqs 1, 5 and 6: "the binary state of each unit is set to be 1 with probability".
    """
    if probs.dtype != _FLOAT32:
        uniforms = rng.random(dtype=probs.dtype.type, out=np.empty_like(probs))
        # A draw is in [0, 1): a probability of 1 always fires, a probability of 0 never does.
        return np.less(uniforms, probs, out=out, casting="unsafe")
    rows, out_rows = _rows(probs), _rows(out)
    if _C and rows and out_rows and probs.shape == out.shape:
        seed = _seed(rng)
        _C.choose(*rows, out_rows[0], out_rows[3], _address(seed))
        return out
    return _sixteen_bits(probs, rng, out)


def _seed(rng: np.random.Generator) -> NDArray[np.uint64]:
    """For the generators of each thread. Whoever asks keeps it until they have begun."""
    seed: NDArray[np.uint64] = rng.bit_generator.random_raw(_team * _SEED_WORDS)
    return seed


def _sixteen_bits(probs: Array, rng: np.random.Generator, out: Array) -> Array:
    """`choose` by comparing integers: a unit fires if its 16 bits are below 65,536 p.

    With ``65,536 p = level + rest``, 16 bits equal to the level leave it open, and a uniform
    draw below the rest decides. Together that is p, to the digits of float32.
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
    np.put(out, open_ones, rng.random(len(open_ones), dtype=np.float32) < rests)
    return out


def times_slope(delta: Array, probs: Array) -> Array:
    """``delta *= probs * (1 - probs)``: through a logistic, backwards.

    Parameters
    ----------
    delta : C-contiguous array, changed in place
    probs : C-contiguous array of the same shape and dtype
        What the logistic gave; spent afterwards.

    Returns
    -------
    delta : the same array that was passed

    Source
    ------
    "Five strategies": backpropagation.
    """
    if _C and _flat(delta, probs):
        _C.slope(_address(delta), _address(probs), delta.size)
        return delta
    delta *= probs
    delta *= np.subtract(1, probs, out=probs)
    return delta


def add_sums(
    deltas: Array, velocity: Array, scale: float, keep: float, parameter: Array | None = None
) -> None:
    """``velocity = keep * velocity + scale * (sum over rows)``; then ``parameter += velocity``.

    Parameters
    ----------
    deltas : (n, n_units) array
    velocity : (n_units,) C-contiguous array of the same dtype, changed in place
        Not read when ``keep`` is 0.
    scale, keep : float
    parameter : array like `velocity`, optional
        Changed in place when given.

    Source
    ------
    "a similar learning rule can be used for the biases": a bias is the weight from a unit that is
    always on.
    """
    rows = _rows(deltas)
    speeds = rows and _row(velocity, rows[2])
    place = rows and parameter is not None and _row(parameter, rows[2])
    if _C and rows and speeds and (place or parameter is None):
        _C.sums(*rows, speeds, place or None, scale, keep)
        return
    sums = scale * deltas.sum(axis=0)
    velocity[...] = keep * velocity + sums if keep else sums
    if parameter is not None:
        parameter += velocity


def add_differences(
    data: Array, recon: Array, velocity: Array, scale: float, keep: float, parameter: Array
) -> float:
    """`add_sums` of ``data - recon``, which is not kept.

    Parameters
    ----------
    data, recon : (n, n_units) arrays of one dtype
    velocity, scale, keep, parameter
        As `add_sums`.

    Returns
    -------
    float
        The sum of the squares of ``data - recon``.

    Source
    ------
    Eq. 4 for the biases of visible units, and the error that learning curves show.
    """
    rows, recon_rows = _rows(data), _rows(recon)
    speeds, place = rows and _row(velocity, rows[2]), rows and _row(parameter, rows[2])
    if _C and rows and recon_rows and speeds and place and data.shape == recon.shape:
        squares: float = _C.differences(
            *rows, recon_rows[0], recon_rows[3], speeds, place, scale, keep
        )
        return squares
    missed = data - recon
    add_sums(missed, velocity, scale, keep, parameter)
    return float(np.vdot(missed, missed))


def log_sums(factors: Array, others: Array, slopes: Array | None = None) -> Array:
    """``sum_j log(1 + factors_nj * others_kj)`` for every n and k.

    In C without a logarithm of each term: their mantissas are multiplied, their exponents added.

    Parameters
    ----------
    factors : (n, n_units) array, at least 0
    others : (k, n_units) array of the same dtype, at least 0
    slopes : (k, n, n_units) array of the same dtype, its last two axes contiguous, optional
        Overwritten with ``x / (1 + x)`` of every product ``x``: the slopes of its logarithm, of
        ``log(1 + exp(input))``, by the input.

    Returns
    -------
    (n, k) array of the same dtype

    Source
    ------
    "Each of the top-level units contributes additively to this free energy": exp(x + y) is
    exp(x) exp(y), so that one exponential serves all labels.
    """
    sums = np.empty((len(factors), len(others)), factors.dtype)
    rows, other_rows = _rows(factors), _rows(others)
    if _C and rows and other_rows and (slopes is None or slopes[0].flags.c_contiguous):
        place = (None, 0) if slopes is None else (_address(slopes), slopes.strides[0] // 4)
        _C.log_sums(*rows, other_rows[0], other_rows[1], other_rows[3], _address(sums), *place)
        return sums
    room = np.empty_like(factors)
    for label, row in enumerate(others):
        terms = np.multiply(factors, row, out=room if slopes is None else slopes[label])
        one_more = np.add(terms, 1, out=room)
        if slopes is not None:
            terms /= one_more
        sums[:, label] = np.log(one_more, out=one_more).sum(axis=1)
    return sums


def softmax(inputs: Array, bias: Array) -> Array:
    """``exp(x_k) / sum_l exp(x_l)`` of ``x = inputs + bias`` in each row, in place.

    Parameters
    ----------
    inputs : (n, n_classes) array
        Total inputs without biases; overwritten with probabilities.
    bias : (n_classes,) array of the same dtype

    Returns
    -------
    inputs : the same array that was passed

    Source
    ------
    Label units: Hinton, Osindero and Teh (2006).
    """
    rows = _rows(inputs)
    biases = rows and _row(bias, rows[2])
    if _C and rows and biases:
        _C.softmax(biases, *rows)
        return inputs
    inputs += bias
    inputs -= inputs.max(axis=-1, keepdims=True)
    np.exp(inputs, out=inputs)
    inputs /= inputs.sum(axis=-1, keepdims=True)
    return inputs


def log_softmax(inputs: Array, bias: Array | None = None) -> Array:
    """``log(exp(x_k) / sum_l exp(x_l))`` of ``x = inputs + bias`` in each row, in place.

    Parameters
    ----------
    inputs : (n, n_classes) array
        Total inputs; overwritten with log probabilities, in nats, at most 0.
    bias : (n_classes,) array of the same dtype, optional

    Returns
    -------
    inputs : the same array that was passed

    Source
    ------
    "Five strategies": the outputs of the top-level units as class probabilities.
    """
    rows = _rows(inputs)
    biases = rows and bias is not None and _row(bias, rows[2])
    if _C and rows and (biases or bias is None):
        _C.log_softmax(biases or None, *rows)
        return inputs
    if bias is not None:
        inputs += bias
    inputs -= inputs.max(axis=-1, keepdims=True)
    inputs -= np.log(np.exp(inputs).sum(axis=-1, keepdims=True))
    return inputs


def label_errors(
    log_probs: Array, labels: NDArray[np.integer[Any]], case_weights: Array, out: Array
) -> Array:
    """The gradient of log p(label) by the input of every class unit: target minus probability.

    Parameters
    ----------
    log_probs : (n, n_classes) array, in nats
    labels : (n,) integers in [0, n_classes)
    case_weights : (n,) array of the same dtype
        The factor of each case's gradient.
    out : array like `log_probs`, of other memory; overwritten with the weighted gradients

    Returns
    -------
    (n,) array: each case's cross-entropy in nats, not weighted

    Raises
    ------
    IndexError
        If a label is none of the classes.

    Source
    ------
    "Five strategies": backpropagation "starts at the output layer".
    """
    costs = np.empty(len(labels), log_probs.dtype)
    rows, out_rows = _rows(log_probs), _rows(out)
    if (
        _C and rows and out_rows and log_probs.shape == out.shape and rows[1] == len(labels)
        and labels.dtype == np.uint8 and labels.flags.c_contiguous
    ):  # fmt: skip
        weights = _row(case_weights, rows[1])
        if weights and _C.label_errors(
            *rows, _address(labels), weights, out_rows[0], out_rows[3], _address(costs)
        ):
            return costs
    places = np.arange(len(labels)), labels
    np.negative(log_probs[places], out=costs)
    np.negative(np.exp(log_probs, out=out), out=out)
    out[places] += 1
    out *= case_weights[:, np.newaxis]
    return costs


def take(cases: NDArray[Any], rows: NDArray[np.intp], out: Array) -> bool:
    """``out = cases[rows]``, bytes divided by 255, where the loops in C do it.

    Parameters
    ----------
    cases : (n_cases, n_units) C-contiguous array of uint8 or float32
    rows : (n,) integer array
    out : (n, n_units) float32 array
        Overwritten if the result is True.

    Returns
    -------
    bool
        False if it was not done: for other dtypes and layouts, without the loops in C, and if a
        row is not one of the cases.

    Source
    ------
    Not in the chapter.
    """
    place = _rows(out)
    if (
        not _C or not place or place[1:3] != (len(rows), *cases.shape[1:])
        or cases.dtype not in (np.uint8, _FLOAT32) or not cases.flags.c_contiguous
        or rows.dtype != np.int64 or not rows.flags.c_contiguous
    ):  # fmt: skip
        return False
    done: int = _C.take(_address(cases), cases.itemsize, len(cases), _address(rows), *place)
    return bool(done)


def move(parameter: Array, velocity: Array, shrink: float) -> None:
    """``velocity -= shrink * parameter``, then ``parameter += velocity``.

    Parameters
    ----------
    parameter, velocity : C-contiguous arrays of one shape and dtype, changed in place
    shrink : float
        Rate times weight decay.

    Source
    ------
    Not in the chapter: assumed, see README, Assumptions.
    """
    if _C and _flat(parameter, velocity):
        _C.move(_address(parameter), _address(velocity), shrink, parameter.size)
        return
    if shrink:
        _AXPY[velocity.dtype](parameter.reshape(-1), velocity.reshape(-1), a=-shrink)
    parameter += velocity


def blend(mean: Array, values: Array, share: float) -> None:
    """``mean += share * (values - mean)``.

    Parameters
    ----------
    mean : C-contiguous array, changed in place
    values : C-contiguous array of the same shape and dtype
    share : float
        In [0, 1].

    Source
    ------
    Not in the chapter: assumed, see README, Assumptions.
    """
    if _C and _flat(mean, values):
        _C.blend(_address(mean), _address(values), share, mean.size)
        return
    np.multiply(mean, 1 - share, out=mean)
    _AXPY[mean.dtype](values.reshape(-1), mean.reshape(-1), a=share)


def _flat(one: Array, other: Array) -> bool:
    return (
        one.dtype == other.dtype == _FLOAT32
        and one.shape == other.shape
        and one.flags.c_contiguous
        and other.flags.c_contiguous
    )
