"""The bridge to the loops in C (``native.c``), and to BLAS called by several threads at once.

The loops are compiled when the package is installed, if there is a C compiler; `KIND` says whether
they are there, and is in every file. A function here does what the one of its name in
`hinton06.numerics` says, or changes nothing and returns False (or None): for numbers other than
float32, for arrays that lie otherwise, and where nothing was compiled.

With several threads (`threads`) the loops share each array, and each product of some size too
(`multiply`): BLAS has threads of its own, but while these multiply nobody else computes, and
between two products they sleep.
"""

# ruff: noqa: D103  # said in `hinton06.numerics`

from __future__ import annotations

import ctypes
import operator
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias

import numpy as np
import threadpoolctl
from numpy.random import Generator
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

_Array: TypeAlias = NDArray[Any]
_Given = ParamSpec("_Given")
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
    "slope": (_POINTER, _POINTER, _FLOAT, _LONG),
    "drop": (*_ROWS, _FLOAT, _POINTER),
    "limit": (*_ROWS, _FLOAT),
    "sums": (*_ROWS, _POINTER, _POINTER, _FLOAT, _FLOAT),
    "differences": (*_ROWS, _POINTER, _LONG, _POINTER, _POINTER, _FLOAT, _FLOAT),
    "log_sums": (*_ROWS, _POINTER, _LONG, _LONG, _POINTER, _POINTER, _LONG),
    "softmax": (_POINTER, *_ROWS),
    "log_softmax": (_POINTER, *_ROWS),
    "lessen": (_POINTER, *_ROWS),
    "label_errors": (*_ROWS, _POINTER, _POINTER, _POINTER, _LONG, _POINTER),
    "take": (_POINTER, _INT, _LONG, _POINTER, *_ROWS),
    "resample": (_POINTER, _POINTER, _POINTER, _LONG, _LONG, _LONG),
    "team": (_INT,),
    "multiply": (_POINTER, _INT, _POINTER, _INT, _INT, _POINTER, _INT, _INT, _POINTER, _INT, _INT,
                 _INT, _FLOAT, _FLOAT, _POINTER, _FLOAT),
}  # fmt: skip
_ADDRESSOF, _BYTE = ctypes.addressof, ctypes.c_char.from_buffer
_RESULTS = {"differences": ctypes.c_double, "label_errors": _INT, "take": _INT}


def _compiled() -> Any:
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


class _UnfitError(Exception):
    """Arrays that the loops cannot go over, or need not: they are left to NumPy."""


def _need(fits: bool) -> None:
    if not fits:
        raise _UnfitError


def _in_c(loop: Callable[_Given, object]) -> Callable[_Given, Any]:
    """What a loop returns, True if that is nothing, False where it raises `_UnfitError`."""

    @wraps(loop)
    def tried(*given: _Given.args, **named: _Given.kwargs) -> Any:
        try:
            result = loop(*given, **named)
        except _UnfitError:
            return False
        return True if result is None else result

    return tried


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


class _Team(threading.local):
    """How many threads the calling one computes with, in so many nested blocks."""

    size = 1
    blocks = 0


class _Blas:
    """BLAS's own number of threads, which all of a process share: one within any `blocks`."""

    lock = threading.Lock()
    blocks = 0
    limits: Any = None


_team = _Team()


def _forked() -> None:
    """Of a forked process: threads that held the lock, or computed, are not there any more."""
    _Blas.lock, _Blas.blocks = threading.Lock(), _team.blocks


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def usable_threads() -> int:
    """How many threads compute by default: as many as this process may use, not the machine has.

    The fewest of the cores that it may run on, those that Slurm has given each task, and
    ``OMP_NUM_THREADS``, as far as these are known.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    counts = [cores or 1]
    for name in ("SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS"):
        number = os.environ.get(name, "").partition(",")[0].strip()  # of nested teams the outermost
        counts += [int(number)] if re.fullmatch("0*[1-9][0-9]{0,5}", number) else []
    return min(counts)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads, at most 64, for loops and products within a ``with`` block.

    Those of the thread that enters it: others may compute with other numbers at the same time.
    Results are bit-identical for equal counts. Where there are no loops in C, or BLAS cannot be
    called from them, NumPy takes one thread, and the products BLAS's own, whose number is the whole
    process's. TypeError if it is no integer, ValueError if it is below 1.
    """
    count = checked_threads(count)
    before = _team.size
    with _one_thread_of_blas() if _SHARES else threadpool_limits(count):
        try:
            _enlist(count if _SHARES else 1)
            yield
        finally:
            _enlist(before)


def checked_threads(count: int) -> int:
    """The same number; TypeError if it is no integer, ValueError if it is below 1."""
    try:
        found = operator.index(count)
    except TypeError:
        raise TypeError(f"threads is an integer, not {count!r}") from None
    if found < 1:
        raise ValueError(f"threads is 1 or more, not {found}")
    return found


@contextmanager
def _one_thread_of_blas() -> Iterator[None]:
    """Until the last caller that is inside has left."""
    with _Blas.lock:
        if not _Blas.blocks:
            _let_any_thread_limit()
            _Blas.limits = threadpool_limits(1)
        _Blas.blocks += 1
        _team.blocks += 1
    try:
        yield
    finally:
        with _Blas.lock:
            _Blas.blocks -= 1
            _team.blocks -= 1
            if not _Blas.blocks:
                _let_any_thread_limit()
                _Blas.limits.restore_original_limits()
                _let_any_thread_limit()


def _let_any_thread_limit() -> None:
    """Since threadpoolctl 3.8 only the first one that did sets OpenBLAS's number of threads."""
    controller = getattr(threadpoolctl, "OpenBLASController", None)
    clear = getattr(controller, "clear_controlling_thread", None)
    if clear:
        clear(force=True)


def _enlist(count: int) -> None:
    size = min(count, _LARGEST_TEAM)
    if _C:
        _C.team(size)
    _team.size = size


@_in_c
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
    (m, n), k = out.shape, len(right)
    if not _SHARES or (_team.size == 1 and scale == 1 and keep == 0) or m * n * k < _WORTH_SHARING:
        return False
    left_lies, right_lies = _lies(left), _lies(right)
    transposed = right_lies[1]
    if out.dtype != _FLOAT32 or (_team.size == 1 and transposed):
        return False
    gemm: Any = _SCIPYS if transposed else _NUMPYS
    moved = None if parameter is None else _flat(parameter, out)[0]
    _C.multiply(*gemm, *left_lies, *right_lies, _address(out), m, k, n, scale, keep, moved, shrink)
    return True


def _address(array: Any) -> int:
    """Where an array begins: a third of the time of ``array.ctypes.data``, where there is a way."""
    try:
        return _ADDRESSOF(_BYTE(array))
    except (TypeError, ValueError):  # it has gaps, is read-only, or empty
        address: int = array.ctypes.data
        return address


def _step(matrix: _Array) -> int:
    """Numbers from the beginning of a float32 row to that of the next; 0 where there are gaps."""
    (step, within), columns = matrix.strides, matrix.shape[1]
    return step // 4 if within == 4 and step % 4 == 0 and step >= 4 * columns else 0


def _lies(matrix: _Array) -> tuple[int, int, int]:
    """Where a float32 matrix begins, whether it is transposed, and the step from row to row."""
    for transposed, rows in enumerate((matrix, matrix.T)):
        if step := _step(rows):
            return _address(rows), transposed, step
    raise _UnfitError


def _rows(array: _Array) -> tuple[int, int, int, int]:
    """Where rows begin, how many, of what length and step."""
    if _C is None or array.dtype != _FLOAT32 or array.ndim != 2 or not array.size:
        raise _UnfitError
    step = _step(array)
    _need(step > 0)
    return _address(array), *array.shape, step


def _beside(array: _Array, rows: tuple[int, int, int, int]) -> tuple[int, int]:
    """Where rows of the same number and length begin, and their step."""
    begin, *shape, step = _rows(array)
    _need(shape == [*rows[1:3]])
    return begin, step


def _row(array: _Array | None, columns: int) -> int | None:
    """Where one row of biases begins, if it is given."""
    if array is None:
        return None
    _need(array.dtype == _FLOAT32 and array.shape == (columns,) and array.strides == (4,))
    return _address(array)


def _flat(one: _Array, other: _Array) -> tuple[int, int]:
    """Where two arrays of one shape begin, both without gaps."""
    _need(_C is not None and one.dtype == other.dtype == _FLOAT32 and one.shape == other.shape)
    _need(one.flags.c_contiguous and other.flags.c_contiguous)
    return _address(one), _address(other)


def _seed(rng: Generator) -> Any:
    """A pointer to what seeds the generators of each thread; drawn when all else is checked."""
    words: Any = rng.bit_generator.random_raw(_team.size * _SEED_WORDS)
    return ctypes.byref(_BYTE(words))


@_in_c
def over_rows(loop: str, inputs: _Array, bias: _Array | None, *sign: float) -> None:
    """`squash`, `softmax`, `log_softmax` or `lessen`, by the name of the loop."""
    rows = _rows(inputs)
    getattr(_C, loop)(_row(bias, rows[2]), *rows, *sign)


@_in_c
def over_both(loop: str, one: _Array, other: _Array, *factor: float) -> None:
    """`times_slope`, `move` or `blend`, by the name of the loop."""
    places = _flat(one, other)
    getattr(_C, loop)(*places, *factor, one.size)


@_in_c
def fire(inputs: _Array, bias: _Array, rng: Generator) -> None:
    rows = _rows(inputs)
    _C.states(_row(bias, rows[2]), *rows, _seed(rng))


@_in_c
def squash_and_fire(inputs: _Array, bias: _Array, rng: Generator, states: _Array) -> None:
    rows = _rows(inputs)
    _C.both(_row(bias, rows[2]), *rows, *_beside(states, rows), _seed(rng))


@_in_c
def choose(probs: _Array, rng: Generator, out: _Array) -> None:
    rows = _rows(probs)
    _C.choose(*rows, *_beside(out, rows), _seed(rng))


@_in_c
def drop(values: _Array, keep: float, rng: Generator) -> None:
    rows = _rows(values)
    _C.drop(*rows, keep, _seed(rng))


@_in_c
def limit(weights: _Array, longest: float) -> None:
    rows = _rows(weights)
    _C.limit(*rows, longest)


@_in_c
def take(cases: _Array, rows: _Array, out: _Array) -> None:
    """``out = cases[rows]``, bytes divided by 255; left also if a row is not one of the cases."""
    place = _rows(out)
    _need(place[1:3] == (len(rows), *cases.shape[1:]) and cases.dtype in (np.uint8, _FLOAT32))
    _need(cases.flags.c_contiguous and rows.dtype == np.int64 and rows.flags.c_contiguous)
    _need(_C.take(_address(cases), cases.itemsize, len(cases), _address(rows), *place))


@_in_c
def resample(framed: _Array, field: _Array, out: _Array) -> None:
    """`distortion.resampled`, of images in their frame, into out."""
    _need(_C is not None and field.dtype == _FLOAT32 and field.flags.c_contiguous and out.size > 0)
    _C.resample(_address(framed), _address(field), _address(out), *out.shape)


@_in_c
def log_sums(factors: _Array, others: _Array, sums: _Array, slopes: _Array | None) -> None:
    """Mantissas are multiplied and exponents added, for one logarithm of many terms."""
    begin, count, _, step = _rows(others)
    _need(slopes is None or slopes[0].flags.c_contiguous)
    place = (None, 0) if slopes is None else (_address(slopes), slopes.strides[0] // 4)
    _C.log_sums(*_rows(factors), begin, count, step, _address(sums), *place)


@_in_c
def label_errors(
    log_probs: _Array, labels: _Array, case_weights: _Array, out: _Array, costs: _Array
) -> None:
    """Left to NumPy also if a label is none of the classes."""
    rows = _rows(log_probs)
    _need(labels.dtype == np.uint8 and labels.shape == rows[1:2] and labels.flags.c_contiguous)
    beside = _row(case_weights, rows[1]), *_beside(out, rows), _address(costs)
    _need(_C.label_errors(*rows, _address(labels), *beside))


@_in_c
def add_sums(
    deltas: _Array, velocity: _Array, scale: float, keep: float, parameter: _Array | None
) -> None:
    rows = _rows(deltas)
    _C.sums(*rows, _row(velocity, rows[2]), _row(parameter, rows[2]), scale, keep)


@_in_c
def add_differences(
    data: _Array, recon: _Array, velocity: _Array, scale: float, keep: float, parameter: _Array
) -> Any:
    rows = _rows(data)
    places = *_beside(recon, rows), _row(velocity, rows[2]), _row(parameter, rows[2])
    return _C.differences(*rows, *places, scale, keep)
