"""The bridge to the loops in C (``native.c``), and to BLAS called by several threads at once.

The loops are compiled when the package is installed, if there is a C compiler; `KIND` says whether
they are there, and is in every file. A function here does what the one of its name in
`hinton06.numerics` says, or changes nothing and returns False (or None): for numbers other than
float32, for arrays that lie otherwise, and where nothing was compiled.

With several threads (`threads`) the loops share each array, and each product of some size too
(`multiply`): BLAS has threads of its own, but while these multiply nobody else computes, and
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
from threadpoolctl import threadpool_limits

_Array: TypeAlias = NDArray[Any]
_FLOAT32 = np.dtype(np.float32)
_SEED_WORDS = 48
"""64-bit words that seed the 32 generators of ``native.c``, of 96 bits each."""
_LARGEST_TEAM = 64  # as in ``native.c``
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
        path = Path(__file__).with_name("_native" + suffix)
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
"""What computes beside the matrix products in this installation."""


# -- threads, and products -----------------------------------------------------------------------


def find_sgemm(module: str) -> tuple[int, bool] | None:
    """The ``cblas_sgemm`` that a module is linked to, and whether its integers have 64 bits."""
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
    """So many threads, at most 64, for loops and products within a ``with`` block.

    Results are bit-identical for equal counts. Where there are no loops in C, or BLAS cannot be
    called from them, NumPy takes one thread, and the products BLAS's own.
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
    left: _Array,
    right: _Array,
    out: _Array,
    scale: float,
    keep: float,
    parameter: _Array | None = None,
    shrink: float = 0.0,
) -> bool:
    """`product` into a C-contiguous array, then `move` of a parameter by it if one is given.

    False also for small products, and with one thread for those at which NumPy or SciPy is as fast.
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


# -- where arrays lie ----------------------------------------------------------------------------


def _address(array: Any) -> int:
    """Where an array begins: a third of the time of ``array.ctypes.data``, where there is a way."""
    try:
        return _ADDRESSOF(_BYTE(array))
    except (TypeError, ValueError):  # it has gaps, is read-only, or empty
        address: int = array.ctypes.data
        return address


def _start(rows: _Array, without_gaps: bool) -> int:
    return _address(rows) if without_gaps else rows.ctypes.data


def _lies(matrix: _Array) -> tuple[int, int, int] | None:
    """Where a float32 matrix begins, whether it is transposed, and the step from row to row."""
    (down, across), (rows, columns) = matrix.strides, matrix.shape
    if across == 4 and down % 4 == 0 and down >= 4 * columns:
        return _start(matrix, down == 4 * columns), 0, down // 4
    if down == 4 and across % 4 == 0 and across >= 4 * rows:
        return _start(matrix.T, across == 4 * rows), 1, across // 4
    return None


def _rows(array: _Array) -> tuple[int, int, int, int] | None:
    """Where rows begin, how many, of what length and step, if loops in C can go over them."""
    if _C is None or array.dtype != _FLOAT32 or array.ndim != 2:
        return None
    (step, within), (rows, columns) = array.strides, array.shape
    if within != 4 or step % 4 or step < 4 * columns or not rows * columns:
        return None
    return _start(array, step == 4 * columns), rows, columns, step // 4


def _row(array: _Array, columns: int) -> int | None:
    """Where one row of biases begins, if loops in C can go over it."""
    if array.dtype != _FLOAT32 or array.shape != (columns,) or array.strides != (4,):
        return None
    return _address(array)


def _flat(one: _Array, other: _Array) -> bool:
    return (
        one.dtype == other.dtype == _FLOAT32
        and one.shape == other.shape
        and one.flags.c_contiguous
        and other.flags.c_contiguous
    )


def _seed(rng: np.random.Generator) -> _Array:
    """For the generators of each thread. Whoever asks keeps it until they have begun."""
    seed: _Array = rng.bit_generator.random_raw(_team * _SEED_WORDS)
    return seed


# -- a layer -------------------------------------------------------------------------------------


def squash(inputs: _Array, bias: _Array, sign: float) -> bool:
    """Probabilities from total inputs, in place."""
    rows = _rows(inputs)
    biases = rows and _row(bias, rows[2])
    if not (_C and rows and biases):
        return False
    _C.probs(biases, *rows, sign)
    return True


def fire(inputs: _Array, bias: _Array, rng: np.random.Generator) -> bool:
    """States from total inputs, in place."""
    rows = _rows(inputs)
    biases = rows and _row(bias, rows[2])
    if not (_C and rows and biases):
        return False
    seed = _seed(rng)
    _C.states(biases, *rows, _address(seed))
    return True


def squash_and_fire(inputs: _Array, bias: _Array, rng: np.random.Generator, states: _Array) -> bool:
    """Probabilities in place, and states."""
    rows, state_rows = _rows(inputs), _rows(states)
    biases = rows and _row(bias, rows[2])
    if not (_C and rows and state_rows and biases and inputs.shape == states.shape):
        return False
    seed = _seed(rng)
    _C.both(biases, *rows, state_rows[0], state_rows[3], _address(seed))
    return True


def choose(probs: _Array, rng: np.random.Generator, out: _Array) -> bool:
    """States from probabilities, by a uniform draw for each unit."""
    rows, out_rows = _rows(probs), _rows(out)
    if not (_C and rows and out_rows and probs.shape == out.shape):
        return False
    seed = _seed(rng)
    _C.choose(*rows, out_rows[0], out_rows[3], _address(seed))
    return True


def take(cases: _Array, rows: _Array, out: _Array) -> bool:
    """``out = cases[rows]``, bytes divided by 255; False also if a row is not one of the cases."""
    place = _rows(out)
    if (
        not _C or not place or place[1:3] != (len(rows), *cases.shape[1:])
        or cases.dtype not in (np.uint8, _FLOAT32) or not cases.flags.c_contiguous
        or rows.dtype != np.int64 or not rows.flags.c_contiguous
    ):  # fmt: skip
        return False
    done: int = _C.take(_address(cases), cases.itemsize, len(cases), _address(rows), *place)
    return bool(done)


def log_sums(factors: _Array, others: _Array, sums: _Array, slopes: _Array | None) -> bool:
    """Mantissas are multiplied and exponents added, for one logarithm of many terms."""
    rows, other_rows = _rows(factors), _rows(others)
    if not (_C and rows and other_rows and (slopes is None or slopes[0].flags.c_contiguous)):
        return False
    place = (None, 0) if slopes is None else (_address(slopes), slopes.strides[0] // 4)
    _C.log_sums(*rows, other_rows[0], other_rows[1], other_rows[3], _address(sums), *place)
    return True


# -- a softmax group -----------------------------------------------------------------------------


def softmax(inputs: _Array, bias: _Array) -> bool:
    """Probabilities from total inputs, in place."""
    rows = _rows(inputs)
    biases = rows and _row(bias, rows[2])
    if not (_C and rows and biases):
        return False
    _C.softmax(biases, *rows)
    return True


def log_softmax(inputs: _Array, bias: _Array | None) -> bool:
    """Log probabilities from total inputs, in place."""
    rows = _rows(inputs)
    biases = rows and bias is not None and _row(bias, rows[2])
    if not (_C and rows and (biases or bias is None)):
        return False
    _C.log_softmax(biases or None, *rows)
    return True


def label_errors(
    log_probs: _Array, labels: _Array, case_weights: _Array, out: _Array, costs: _Array
) -> bool:
    """Weighted gradients and each case's cost; False also if a label is none of the classes."""
    rows, out_rows = _rows(log_probs), _rows(out)
    if not (
        _C and rows and out_rows and log_probs.shape == out.shape and rows[1] == len(labels)
        and labels.dtype == np.uint8 and labels.flags.c_contiguous
    ):  # fmt: skip
        return False
    weights = _row(case_weights, rows[1])
    return bool(weights) and bool(
        _C.label_errors(*rows, _address(labels), weights, out_rows[0], out_rows[3], _address(costs))
    )


# -- updates -------------------------------------------------------------------------------------


def times_slope(delta: _Array, probs: _Array) -> bool:
    """Through a logistic, backwards, in place."""
    if not (_C and _flat(delta, probs)):
        return False
    _C.slope(_address(delta), _address(probs), delta.size)
    return True


def add_sums(
    deltas: _Array, velocity: _Array, scale: float, keep: float, parameter: _Array | None
) -> bool:
    """Sums over rows into a velocity, and it into a parameter."""
    rows = _rows(deltas)
    speeds = rows and _row(velocity, rows[2])
    place = rows and parameter is not None and _row(parameter, rows[2])
    if not (_C and rows and speeds and (place or parameter is None)):
        return False
    _C.sums(*rows, speeds, place or None, scale, keep)
    return True


def add_differences(
    data: _Array, recon: _Array, velocity: _Array, scale: float, keep: float, parameter: _Array
) -> float | None:
    """`add_sums` of differences; returns the sum of their squares."""
    rows, recon_rows = _rows(data), _rows(recon)
    speeds, place = rows and _row(velocity, rows[2]), rows and _row(parameter, rows[2])
    if not (_C and rows and recon_rows and speeds and place and data.shape == recon.shape):
        return None
    recon_place, recon_step = recon_rows[0], recon_rows[3]
    squares: float = _C.differences(*rows, recon_place, recon_step, speeds, place, scale, keep)
    return squares


def move(parameter: _Array, velocity: _Array, shrink: float) -> bool:
    """A parameter by its velocity less the decay."""
    if not (_C and _flat(parameter, velocity)):
        return False
    _C.move(_address(parameter), _address(velocity), shrink, parameter.size)
    return True


def blend(mean: _Array, values: _Array, share: float) -> bool:
    """A running mean towards new values."""
    if not (_C and _flat(mean, values)):
        return False
    _C.blend(_address(mean), _address(values), share, mean.size)
    return True
