from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import reference
from numpy.typing import NDArray
from scipy import stats
from threadpoolctl import threadpool_info, threadpool_limits

from hinton06 import native, numerics
from hinton06.native import take
from hinton06.numerics import (
    add_differences,
    add_sums,
    blend,
    choose,
    fire,
    label_errors,
    lessen,
    log_softmax,
    log_sums,
    move,
    softmax,
    squash,
    squash_and_fire,
    times_slope,
)

# Narrower than the 32 generators of the loops in C, as wide, and wider, and the chapter's widths.
WIDTHS = [1, 31, 32, 33, 510, 784]


class EveryBits:
    """Stands in for a generator: its words hold all 16-bit numbers, its draws are one number."""

    def __init__(self, uniform: float) -> None:
        self.bit_generator = self
        self.uniform = uniform

    def random_raw(self, size: int) -> NDArray[np.uint64]:
        words = np.arange(65536, dtype=np.uint16).view(np.uint64)
        assert len(words) == size
        return words

    def random(self, size: int) -> NDArray[np.float64]:
        return np.full(size, self.uniform)


def normal(shape: tuple[int, ...], seed: int = 1, sd: float = 1.0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, sd, shape).astype(np.float32)


def bits_of(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


# -- which of the two ----------------------------------------------------------------------------


def test_the_loops_are_compiled_where_there_is_a_compiler() -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    assert native.KIND == "C"


@pytest.mark.parametrize("content", [b"no library", None], ids=["damaged", "missing"])
def test_numpy_does_it_where_there_is_no_library(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    if content is not None:
        (tmp_path / f"_native{native.EXTENSION_SUFFIXES[0]}").write_bytes(content)
    assert native._compiled() is None


def test_loops_in_c_that_lack_a_function_are_of_another_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(native._SIGNATURES, "of_the_future", ())
    assert native._compiled() is None


# -- probabilities -------------------------------------------------------------------------------


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("width", WIDTHS)
def test_probabilities_equal_the_formula_in_whatever_columns_they_lie(width: int) -> None:
    wider = normal((5, width + 3), sd=20)
    bias = normal((width,), seed=2)
    before = wider.copy()
    returned = squash(wider[:, :width], bias)
    assert np.shares_memory(returned, wider)
    wide = before[:, :width].astype(np.float64) + bias
    expected = 1 / (1 + np.exp(-wide))
    # The sum is rounded, by as much as the numbers in it are large, and moves the result by its
    # own share of itself; then an exp, a sum and a quotient.
    rounding = reference.rounding(1, dtype=np.float32)
    share = rounding * (abs(before[:, :width]) + abs(bias)) + 8 * rounding
    assert (abs(wider[:, :width] - expected) <= share * expected).all()
    np.testing.assert_array_equal(wider[:, width:], before[:, width:])


@pytest.mark.usefixtures("kind")
def test_probabilities_of_huge_inputs_are_certain_and_of_no_number_no_number() -> None:
    inputs = np.array([[1e4, -1e4, np.inf, -np.inf, np.nan, 0]], np.float32)
    squash(inputs, np.zeros(6, np.float32))
    assert inputs[0, [0, 2, 5]].tolist() == [1, 1, 0.5]
    assert (inputs[0, [1, 3]] <= np.float32(2e-38)).all()
    assert np.isnan(inputs[0, 4])


@pytest.mark.usefixtures("kind")
def test_minus_the_probabilities_are_their_negative() -> None:
    inputs, bias = normal((5, 70), sd=3), normal((70,), seed=2)
    expected = -squash(inputs.copy(), bias)
    np.testing.assert_array_equal(squash(inputs, bias, sign=-1), expected)


# -- states --------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_states_are_the_probabilities_compared_with_the_draws(kind: str, width: int) -> None:
    inputs, bias = normal((40, width), sd=3), normal((width,), seed=2)
    probs = squash(inputs.copy(), bias)
    draws = reference.layer_draws(kind, bits_of(3), probs.shape)
    # What 16 bits leave open in NumPy is left out here, and exact in a test of its own.
    certain = abs(draws - probs) > (0.5 / 65536 if kind == "NumPy" else 0)
    assert certain.mean() > 0.99
    expected = (draws < probs)[certain]
    for made in (
        fire(inputs.copy(), bias, bits_of(3)), choose(probs, bits_of(3), np.empty_like(probs)),
    ):  # fmt: skip
        np.testing.assert_array_equal(made[certain], expected)
        assert set(np.unique(made)) <= {0, 1}


def test_the_bits_of_a_draw_in_c_decide_between_neighbouring_probabilities(kind: str) -> None:
    """Small ones have digits far below the first 24 bits."""
    if kind == "NumPy":
        pytest.skip("has an exact test of its own")
    draws = reference.layer_draws(kind, bits_of(3), (40, 784))
    near = draws.astype(np.float32)
    above = np.where(near > draws, near, np.nextafter(near, np.float32(2)))
    below = np.where(near > draws, np.nextafter(near, np.float32(0)), near)
    undecided = (below > np.floor(draws * 2**24) / 2**24) & (below > 0)
    assert undecided.sum() > 1000
    assert choose(above, bits_of(3), np.empty_like(above)).all()
    assert not choose(below, bits_of(3), np.empty_like(below)).any()


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("width", WIDTHS)
def test_probabilities_and_states_in_one_go_are_those_of_two(width: int) -> None:
    inputs, bias = normal((40, width + 2), sd=3)[:, :width], normal((width,), seed=2)
    probs = squash(inputs.copy(), bias)
    expected = choose(probs, bits_of(3), np.empty_like(probs))
    states = np.full((40, width + 4), 7, np.float32)
    returned = squash_and_fire(inputs, bias, bits_of(3), states[:, 1 : width + 1])
    assert np.shares_memory(returned, states)
    np.testing.assert_array_equal(inputs, probs)
    np.testing.assert_array_equal(states[:, 1 : width + 1], expected)
    assert (states[:, [0, *range(width + 1, width + 4)]] == 7).all()


@pytest.mark.usefixtures("kind")
def test_states_lie_in_whatever_columns_they_are_wanted() -> None:
    inputs, bias = normal((7, 70)), normal((70,), seed=2)
    alone = fire(inputs.copy(), bias, bits_of(3))
    wider = np.full((7, 80), 7, np.float32)
    wider[:, 5:75] = inputs
    returned = fire(wider[:, 5:75], bias, bits_of(3))
    assert np.shares_memory(returned, wider)
    np.testing.assert_array_equal(wider[:, 5:75], alone)
    assert (wider[:, :5] == 7).all()
    assert (wider[:, 75:] == 7).all()


@pytest.mark.usefixtures("kind")
def test_units_fire_as_often_as_their_probability_says_and_independently() -> None:
    """Within a row, from row to row, and from call to call."""
    n_calls, rows, width = 400, 20, 40
    rng = bits_of(4)
    bias = np.linspace(-4, 4, width).astype(np.float32)
    probs = 1 / (1 + np.exp(-bias.astype(np.float64)))
    calls = np.stack([fire(np.zeros((rows, width), np.float32), bias, rng) for _ in range(n_calls)])
    spread = probs * (1 - probs)
    allowed = reference.sampling_error(spread, n_calls * rows, n_claims=width)
    assert (abs(calls.mean(axis=(0, 1)) - probs) <= allowed).all()
    deviations = (calls - probs) / np.sqrt(spread)
    largest = float((np.maximum(probs, 1 - probs) / np.sqrt(spread)).max()) ** 2
    neighbours = {
        "unit": (2, deviations[:, :, 1:] * deviations[:, :, :-1]),
        "half a row": (2, deviations[:, :, 20:] * deviations[:, :, :20]),
        "row": (1, deviations[:, 1:] * deviations[:, :-1]),
        "call": (0, deviations[1:] * deviations[:-1]),
    }
    for name, (axis, every) in neighbours.items():
        # Every second one: two products with a unit in common are not independent.
        along = np.moveaxis(every, axis, 0)
        for products in (along[::2], along[1::2]):
            allowed = reference.sampling_error(1.0, products.size, 2 * len(neighbours), largest)
            assert abs(products.mean()) <= allowed, name


@pytest.mark.parametrize(
    "prob",
    [0.0, 2.0**-40, 1e-6, 0.1, 1 / 3, 0.5, 0.5 - 2.0**-20, 0.5 + 2.0**-20, 40000 / 65536, 0.99999,
     1 - 2.0**-16, 1 - 2.0**-24, 1.0],
)  # fmt: skip
def test_in_numpy_a_float32_unit_fires_with_exactly_its_probability(
    prob: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over all 65,536 values of the 16 bits, and over the draws where these leave it open."""
    monkeypatch.setattr(native, "_C", None)
    p = np.float32(prob)
    certain = fired_of_all_bits(p, 1 - 2.0**-53)
    rest = float(p) * 65536 - certain
    # The rest is what a uniform draw in the one open case has to be below.
    assert 0 <= rest < 1
    assert fired_of_all_bits(p, rest) == certain
    if rest:
        assert fired_of_all_bits(p, np.nextafter(rest, 0)) == certain + 1


@pytest.mark.parametrize(
    ("prob", "draws"),
    [(1e-8, 10**9), (1e-7, 10**8), (1e-6, 10**8), (1 - 1e-6, 10**8)],
)
def test_units_fire_as_rarely_and_fail_to_as_rarely_as_their_probability_says(
    kind: str, prob: float, draws: int
) -> None:
    if kind == "NumPy":
        draws = min(draws, 3 * 10**8)
    probs = np.full((100, 1000), prob, np.float32)
    states, rng, fired = np.empty_like(probs), bits_of(6), 0
    for _ in range(draws // probs.size):
        fired += np.count_nonzero(choose(probs, rng, states))
    low, high = stats.binom.interval(1 - 1e-6, draws, float(probs[0, 0]))
    assert low <= fired <= high


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("lacking", [["avx512bw"], ["avx512bw", "avx2"]])
def test_states_are_the_same_bits_on_every_generation_of_processors(
    lacking: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if native.KIND != "C":
        pytest.skip("installed without a C compiler")
    probs = np.random.default_rng(5).random((200, 510), np.float32) ** 8
    expected = choose(probs, bits_of(3), np.empty_like(probs))
    source = Path(native.__file__).with_name("native.c").read_text()
    for feature in lacking:
        source = source.replace(f'__builtin_cpu_supports("{feature}")', "0")
    (tmp_path / "native.c").write_text(source)
    library = tmp_path / f"_native{native.EXTENSION_SUFFIXES[0]}"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O3", "-fno-math-errno", "-fno-trapping-math", "-pthread",
         str(tmp_path / "native.c"), "-o", str(library), "-lm"],
        check=True, timeout=120,
    )  # fmt: skip
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    monkeypatch.setattr(native, "_C", native._compiled())
    assert native._C is not None
    np.testing.assert_array_equal(choose(probs, bits_of(3), np.empty_like(probs)), expected)


def fired_of_all_bits(prob: np.float32, uniform: float) -> int:
    """How many of 65,536 units with one of all 16-bit draws each turn on."""
    probs = np.full((256, 256), prob)
    rng = cast(np.random.Generator, EveryBits(uniform))
    return int(choose(probs, rng, np.empty_like(probs)).sum())


# -- updates -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("shrink", [0.3, 0.0])
@pytest.mark.parametrize("shape", [(1,), (33, 70), (1000,)])
def test_a_move_is_the_velocity_less_the_decay(shape: tuple[int, ...], shrink: float) -> None:
    parameter, velocity = normal(shape), normal(shape, seed=2)
    before = parameter.astype(np.float64), velocity.astype(np.float64)
    move(parameter, velocity, shrink)
    # The factor, the product and the sums are each rounded once.
    bound = reference.rounding(4, dtype=np.float32) * (2 * abs(before[0]) + abs(before[1]))
    assert (abs(velocity - (before[1] - shrink * before[0])) <= bound).all()
    assert (abs(parameter - ((1 - shrink) * before[0] + before[1])) <= bound).all()


@pytest.mark.usefixtures("kind")
def test_a_blend_lies_between() -> None:
    mean, values = normal((33, 70)), normal((33, 70), seed=2)
    expected = 0.9 * mean.astype(np.float64) + 0.1 * values.astype(np.float64)
    bound = reference.rounding(4, dtype=np.float32) * (abs(mean) + abs(values))
    before = values.copy()
    blend(mean, values, 0.1)
    assert (abs(mean - expected) <= bound).all()
    np.testing.assert_array_equal(values, before)


@pytest.mark.usefixtures("kind")
def test_the_slope_of_the_logistic_takes_part_in_delta() -> None:
    delta, probs = normal((33, 70)), abs(normal((33, 70), seed=2)) % 1
    wide = probs.astype(np.float64)
    expected = delta.astype(np.float64) * wide * (1 - wide)
    bound = reference.rounding(4, dtype=np.float32) * abs(delta)
    returned = times_slope(delta, probs)
    assert returned is delta
    assert (abs(delta - expected) <= bound).all()


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("width", WIDTHS)
def test_probabilities_are_lessened_by_shares_of_their_slopes(width: int) -> None:
    around = abs(normal((7, width + 5))) % 1
    probs, shares = around[:, 2 : width + 2], normal((width,), seed=2, sd=3)
    wide, untouched = probs.astype(np.float64), around[:, [0, 1, -3, -2, -1]]
    slopes = shares * wide * (1 - wide)
    bound = reference.rounding(4, dtype=np.float32) * (wide + abs(slopes))
    assert lessen(probs, shares) is probs
    assert (abs(probs - (wide - slopes)) <= bound).all()
    np.testing.assert_array_equal(around[:, [0, 1, -3, -2, -1]], untouched)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("rows", [1, 4, 11])
@pytest.mark.parametrize("width", [*WIDTHS, 1300])
def test_sums_over_cases_move_the_velocity_and_it_the_parameter(rows: int, width: int) -> None:
    deltas = normal((rows, width + 3))[:, :width]
    wide = deltas.astype(np.float64)
    start, velocity = normal((width,), seed=2), normal((width,), seed=3)
    for keep, parameter in ((0.9, start.copy()), (0.9, None), (0.0, start.copy())):
        now = np.full_like(velocity, np.nan) if keep == 0 else velocity.copy()
        add_sums(deltas, now, 0.1, keep, parameter)
        expected = 0.1 * wide.sum(axis=0) + keep * velocity
        size = 0.1 * abs(wide).sum(axis=0) + keep * abs(velocity)
        bound = reference.rounding(rows + 3, dtype=np.float32) * size
        assert (abs(now - expected) <= bound).all()
        if parameter is not None:
            np.testing.assert_array_equal(parameter, start + now)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("rows", [1, 4, 11])
@pytest.mark.parametrize("width", [*WIDTHS, 1300])
def test_sums_of_differences_are_those_of_the_arrays(rows: int, width: int) -> None:
    data, recon = normal((rows, width + 3))[:, :width], normal((rows, width), seed=4)
    before = data.copy(), recon.copy()
    missed = (data - recon).astype(np.float64)
    start, velocity = normal((width,), seed=2), normal((width,), seed=3)
    for keep in (0.9, 0.0):
        now = np.full_like(velocity, np.nan) if keep == 0 else velocity.copy()
        parameter = start.copy()
        squares = add_differences(data, recon, now, 0.1, keep, parameter)
        expected = 0.1 * missed.sum(axis=0) + keep * velocity
        size = 0.1 * abs(missed).sum(axis=0) + keep * abs(velocity)
        bound = reference.rounding(rows + 3, dtype=np.float32) * size
        assert (abs(now - expected) <= bound).all()
        np.testing.assert_array_equal(parameter, start + now)
        bound = reference.rounding(data.size + 1, dtype=np.float32) * (missed**2).sum()
        assert abs(squares - (missed**2).sum()) <= bound
    np.testing.assert_array_equal(data, before[0])
    np.testing.assert_array_equal(recon, before[1])


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("cases", [1, 2, 7])
@pytest.mark.parametrize("width", [*WIDTHS, 2000, 5000])
def test_sums_of_logs_and_their_slopes_equal_the_formula(cases: int, width: int) -> None:
    factors = np.exp(normal((cases, width + 3), sd=8))[:, :width]
    others = np.exp(normal((3, width + 1), seed=2, sd=3))[:, :width]
    wider = np.full((3, cases + 2, width), 7, np.float32)
    slopes = wider[:, :cases]
    sums = log_sums(factors, others, slopes)
    np.testing.assert_array_equal(log_sums(factors, others), sums)
    odds = factors.astype(np.float64) * others[:, np.newaxis].astype(np.float64)
    terms = np.log1p(odds)
    # In C the product, its sum with one and the product of mantissas are rounded, each moving the
    # sum of logs by as much; in NumPy each log and, pairwise, at most 32 sums of logs.
    error = reference.rounding(3, dtype=np.float32) * width
    error = error + reference.rounding(33, dtype=np.float32) * terms.sum(axis=2)
    assert (abs(sums.T - terms.sum(axis=2)) <= error).all()
    bound = reference.rounding(4, dtype=np.float32)
    assert (abs(slopes - odds / (1 + odds)) <= bound * odds / (1 + odds)).all()
    assert (wider[:, cases:] == 7).all()


@pytest.mark.usefixtures("kind")
def test_sums_of_logs_of_the_largest_numbers_and_of_no_number() -> None:
    factors = np.full((4, 200), np.float32(3e38))
    factors[1, 150] = np.inf
    factors[2, 7] = np.nan
    factors[3] = 0
    (first,), (second,), (third,), (fourth,) = log_sums(factors, np.ones((1, 200), np.float32))
    # As above; the sums are so large that the roundings of logs and their sums are all that counts.
    share = reference.rounding(36, dtype=np.float32)
    largest = np.log(np.float64(factors[0, 0]))
    assert abs(first - 200 * largest) <= share * 200 * largest
    below_two = np.full((1, 9000), np.float32(0.9999))  # the product is beyond any float
    expected = 9000 * np.log1p(np.float64(below_two[0, 0]))
    assert abs(log_sums(below_two, np.ones_like(below_two))[0, 0] - expected) <= share * expected
    assert np.isposinf(second)
    assert np.isnan(third)
    assert fourth == 0


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_chosen_cases_are_taken_from_wherever_they_lie(dtype: Any, count: int) -> None:
    in_c()
    cases = np.arange(256 * 70).reshape(256, 70).astype(dtype)
    rows = np.random.default_rng(1).integers(0, 256, 300)
    out = np.full((300, 73), 7, np.float32)
    with native.threads(count):
        assert take(cases, rows, out[:, :70])
    scale = np.float32(1 / 255) if dtype == np.uint8 else np.float32(1)
    np.testing.assert_array_equal(out[:, :70], cases[rows] * scale)
    assert (out[:, 70:] == 7).all()


def test_where_an_array_begins_is_what_numpy_says() -> None:
    array = normal((5, 4))
    fixed = array.view()
    fixed.flags.writeable = False
    for other in (array, array.T, fixed, array[1:], array[:, 1:], array[3], array[2:2]):
        assert native._address(other) == other.ctypes.data


def test_cases_that_lie_otherwise_are_left_to_numpy() -> None:
    in_c()
    cases, rows, out = normal((9, 5)), np.arange(3), np.zeros((3, 5), np.float32)
    assert take(cases, rows, out)
    for other in (
        (cases, rows[:0], out[:0]), (cases, rows[::2], out[:2]), (cases, rows, out[:2]),
        (cases, rows, out[:, :4]), (cases, rows.astype(np.int32), out),
        (cases.astype(np.float64), rows, out),
        (cases, rows, out.astype(np.float64)), (cases, rows, out[:, ::2]),
        (np.asfortranarray(cases), rows, out), (cases[:, :4], rows, out),
        (cases, rows + 7, out), (cases, rows - 1, out),
    ):  # fmt: skip
        assert not take(*other)


# -- how many threads ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "cores", "expected"),
    [
        ({}, 6, 6),
        ({"SLURM_CPUS_PER_TASK": "4"}, 6, 4),
        ({"SLURM_CPUS_PER_TASK": "8"}, 6, 6),
        ({"OMP_NUM_THREADS": "2", "SLURM_CPUS_PER_TASK": "4"}, 6, 2),
        ({"OMP_NUM_THREADS": "3,1"}, 6, 3),
        ({"OMP_NUM_THREADS": " 3 "}, 6, 3),
        ({"OMP_NUM_THREADS": "0", "SLURM_CPUS_PER_TASK": "many"}, 6, 6),
        ({"OMP_NUM_THREADS": "", "SLURM_CPUS_PER_TASK": "-1"}, 6, 6),
    ],
)
def test_threads_are_by_default_as_many_as_the_process_may_use(
    environment: dict[str, str], cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(native.os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(native.os, "cpu_count", lambda: 64)
    assert native.usable_threads() == expected


def test_where_a_system_does_not_say_which_cores_all_of_them_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delattr(native.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(native.os, "cpu_count", lambda: 64)
    assert native.usable_threads() == 64


# -- several threads, and products ---------------------------------------------------------------

LAYOUTS = {
    "up": ((100, 300), (300, 70), ""),
    "down": ((100, 70), (300, 70), "right"),
    "gradient": ((60, 300), (60, 90), "left"),
    "both turned": ((60, 100), (90, 60), "left right"),
    "many rows": ((500, 30), (30, 40), ""),
    "fewer columns than threads": ((400, 200), (200, 3), ""),
}


def factors(layout: str) -> list[NDArray[np.float32]]:
    """Two matrices, each the first columns of a wider one, as the layout says transposed."""
    *shapes, turned = LAYOUTS[layout]
    made = [normal((m, n + 5), seed)[:, :n] for seed, (m, n) in enumerate(shapes)]
    return [x.T if side in turned else x for x, side in zip(made, ("left", "right"), strict=True)]


def in_c() -> None:
    if native.KIND != "C":
        pytest.skip("installed without a C compiler")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_product_is_the_same_whoever_computes_which_part(layout: str, count: int) -> None:
    in_c()
    left, right = factors(layout)
    before = normal((left.shape[0], right.shape[1]), seed=3)
    wide_left, wide_right = left.astype(np.float64), right.astype(np.float64)
    for scale, keep in ((1.0, 0.0), (0.01, 0.9)):
        out = np.full_like(before, np.nan) if keep == 0 else before.copy()
        with native.threads(count):
            done = native.multiply(left, right, out, scale, keep)
        alone = scale == 1 or "right" in LAYOUTS[layout][2]  # NumPy or SciPy is as fast
        assert done == (native._SHARES and not (count == 1 and alone))
        if not done:
            continue
        expected = scale * (wide_left @ wide_right) + keep * before
        # k products and as many sums, in whatever order.
        size = abs(scale) * (abs(wide_left) @ abs(wide_right)) + keep * abs(before)
        bound = reference.rounding(left.shape[1] + 3, dtype=np.float32) * size
        assert (abs(out - expected) <= bound).all()


@pytest.mark.parametrize("shrink", [0.0, 0.3])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_product_moves_a_parameter_as_a_move_after_it(
    layout: str, count: int, shrink: float
) -> None:
    in_c()
    left, right = factors(layout)
    shape = left.shape[0], right.shape[1]
    out, parameter = normal(shape, seed=3), normal(shape, seed=4)
    velocity, expected = out.copy(), parameter.copy()
    with native.threads(count):
        done = native.multiply(left, right, velocity, 0.01, 0.9)
        assert native.multiply(left, right, out, 0.01, 0.9, parameter, shrink) == done
        if not done:
            np.testing.assert_array_equal(out, normal(shape, seed=3))
            np.testing.assert_array_equal(parameter, normal(shape, seed=4))
            return
        move(expected, velocity, shrink)
    np.testing.assert_array_equal(out, velocity)
    np.testing.assert_array_equal(parameter, expected)


@pytest.mark.parametrize(
    "parameter",
    [np.ones((60, 300), np.float32)[:, :90], np.ones((60, 90)), np.ones((90, 60), np.float32)],
    ids=["gaps", "float64", "another shape"],
)
def test_no_product_is_made_for_a_parameter_that_cannot_be_moved(
    parameter: NDArray[Any],
) -> None:
    in_c()
    left, right = normal((300, 60)).T, normal((300, 90))
    out = normal((60, 90))
    with native.threads(2):
        assert not native.multiply(left, right, out, 0.01, 0.9, parameter, 0.0)
    np.testing.assert_array_equal(out, normal((60, 90)))
    assert (parameter == 1).all()


def test_equal_numbers_of_threads_give_equal_bits_every_time() -> None:
    in_c()
    left, right, inputs, bias = (*factors("up"), normal((50, 500)), normal((500,)))

    def bits() -> tuple[bytes, bytes]:
        out = np.empty((100, 70), np.float32)
        native.multiply(left, right, out, 0.5, 0.0)
        return out.tobytes(), fire(inputs.copy(), bias, bits_of(7)).tobytes()

    with native.threads(3):
        first = bits()
        assert {bits() for _ in range(200)} == {first}


def test_callers_that_come_at_once_have_threads_of_their_own_number() -> None:
    in_c()
    left, right, inputs, bias = (*factors("up"), normal((50, 500)), normal((500,)))

    def bits() -> tuple[bytes, bytes]:
        out = np.empty((100, 70), np.float32)
        numerics.product(left, right, out, 0.5)
        return out.tobytes(), fire(inputs.copy(), bias, bits_of(7)).tobytes()

    counts, expected, wrong = (1, 2, 3, 3), {}, []
    for count in set(counts):
        with native.threads(count):
            expected[count] = bits()
    assert len(set(expected.values())) == len(expected)  # the draws are others

    def call(count: int) -> None:
        for _ in range(60):
            with native.threads(count):
                if any(bits() != expected[count] for _ in range(5)):
                    wrong.append(count)

    callers = [threading.Thread(target=call, args=(count,)) for count in counts]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong
    assert native._team.size == 1


def test_blas_has_its_own_number_again_when_the_last_caller_has_left() -> None:
    in_c()

    def numbers() -> set[int]:
        return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}

    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with native.threads(1):
            entered.set()
            leave.wait(60)

    caller = threading.Thread(target=other)
    with threadpool_limits(3, user_api="blas"):
        before = numbers()
        with native.threads(2):
            caller.start()
            assert entered.wait(60)
        assert numbers() == {1}
        leave.set()
        caller.join()
        assert numbers() == before


@pytest.mark.parametrize(
    ("count", "error", "words"),
    [
        (2.0, TypeError, "threads is an integer, not 2.0"),
        ("2", TypeError, "threads is an integer, not '2'"),
        (0, ValueError, "threads is 1 or more, not 0"),
        (-1, ValueError, "threads is 1 or more, not -1"),
    ],
)
def test_a_wrong_number_of_threads_changes_nothing(
    count: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words), native.threads(count):
        raise AssertionError
    assert native._team.size == 1
    with native.threads(np.int64(2)):
        squash(normal((20, 300)), np.zeros(300, np.float32))


def test_a_forked_process_computes_without_the_threads_it_does_not_have() -> None:
    in_c()
    script = """
import os, sys, warnings
os.environ["OPENBLAS_NUM_THREADS"] = "1"
warnings.simplefilter("ignore")
import numpy as np
from hinton06 import native, numerics
x, bias = np.random.default_rng(0).normal(size=(20, 300)).astype("f"), np.zeros(300, "f")
with native.threads(3):
    expected = numerics.squash(x.copy(), bias)
    child = os.fork()
    same = np.array_equal(numerics.squash(x.copy(), bias), expected)
    with native.threads(2):  # threads of its own
        same &= np.array_equal(numerics.squash(x.copy(), bias), expected)
        if sys.platform == "linux" and not child:
            same &= len(os.listdir("/proc/self/task")) == 2
    if not child:
        os._exit(0 if same else 1)
    assert same and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_forked_process_waits_for_no_thread_that_it_does_not_have() -> None:
    in_c()
    script = """
import os, signal, threading
import numpy as np
from hinton06 import native, numerics
entered, leave = threading.Event(), threading.Event()
def other():
    with native.threads(2), native._Blas.lock:
        entered.set()
        leave.wait(60)
threading.Thread(target=other).start()
assert entered.wait(60)
child = os.fork()
if not child:
    signal.alarm(30)
    with native.threads(2):
        numerics.squash(np.ones((20, 300), "f"), np.zeros(300, "f"))
    os._exit(native._Blas.blocks)
leave.set()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    warnings = {"PYTHONWARNINGS": "ignore"}  # of forks with several threads, from Python 3.12 on
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | warnings, check=False, timeout=90
    )
    assert done.returncode == 0


def test_threads_sleep_when_there_is_nothing_to_do() -> None:
    in_c()
    with native.threads(3):
        squash(normal((20, 300)), np.zeros(300, np.float32))
        time.sleep(0.1)
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.25  # one that is awake would take 0.5 s


def test_the_number_of_threads_is_that_of_the_innermost_block() -> None:
    seen = []
    with native.threads(2):
        seen.append(native._team.size)
        with native.threads(1000):
            seen.append(native._team.size)
        seen.append(native._team.size)
    seen.append(native._team.size)
    assert seen == ([2, 64, 2, 1] if native._SHARES else [1, 1, 1, 1])


def test_where_no_blas_is_found_it_multiplies_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert native.find_sgemm("of_no_such_module") is None
    assert native.find_sgemm("json.decoder") is None  # no library
    assert native.find_sgemm("math") is None  # linked to none
    monkeypatch.setattr(native, "_SHARES", False)
    left, right = factors("gradient")
    with native.threads(2):
        assert native._team.size == 1
        assert not native.multiply(left, right, np.empty((300, 90), np.float32), 1, 0)


# -- a softmax group -----------------------------------------------------------------------------

DTYPES = [np.float32, np.float64]


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [1, 4, 10])
def test_softmax_equals_the_formula_in_whatever_columns_it_lies(width: int, dtype: Any) -> None:
    wider = (3 * normal((5, width + 3))).astype(dtype)
    bias = normal((width,), seed=2).astype(dtype)
    before = wider.copy()
    inputs = wider[:, 2 : width + 2]
    assert softmax(inputs, bias) is inputs
    wide = before[:, 2 : width + 2].astype(np.float64) + bias.astype(np.float64)
    odds = np.exp(wide)
    expected = odds / odds.sum(axis=1, keepdims=True)
    # Inputs up to 30 are rounded by a sum and a difference, which moves each exponential by so
    # much of itself; then an exponential, sums of `width` and a quotient.
    share = reference.rounding(2, size=30, dtype=dtype) + reference.rounding(width + 8, dtype=dtype)
    assert (abs(inputs - expected) <= 2 * share * expected).all()
    np.testing.assert_array_equal(wider[:, :2], before[:, :2])
    np.testing.assert_array_equal(wider[:, width + 2 :], before[:, width + 2 :])


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [1, 4, 10])
def test_log_softmax_equals_the_formula(width: int, dtype: Any) -> None:
    wider = (3 * normal((5, width + 3))).astype(dtype)
    before = wider.copy()
    inputs = wider[:, 2 : width + 2]
    wide = inputs.astype(np.float64)
    expected = [[x - math.log(sum(math.exp(y) for y in row)) for x in row] for row in wide]
    bias = normal((width,), seed=2).astype(dtype)
    biased = inputs - bias
    assert log_softmax(inputs) is inputs
    log_softmax(biased, bias)
    # Numbers up to about 30 are rounded by two subtractions, an exp, a sum and a log; with a bias
    # by two sums more.
    atol = reference.rounding(width + 6, size=30, dtype=dtype)
    np.testing.assert_allclose(inputs, expected, rtol=0, atol=atol)
    atol = reference.rounding(width + 8, size=30, dtype=dtype)
    np.testing.assert_allclose(biased, expected, rtol=0, atol=atol)
    np.testing.assert_array_equal(wider[:, :2], before[:, :2])
    np.testing.assert_array_equal(wider[:, width + 2 :], before[:, width + 2 :])


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_of_huge_inputs_is_finite_and_of_no_number_no_number(dtype: Any) -> None:
    huge = [[1000, -1000, 0], [-1000, -1000, -1000], [0, np.nan, 0], [np.nan, 0, 0]]
    logs, probs = np.array(huge, dtype), np.array(huge, dtype)
    log_softmax(logs)
    softmax(probs, np.zeros(3, dtype))
    assert logs[0].tolist() == [0, -2000, -1000]
    assert logs[1].tolist() == [pytest.approx(-math.log(3), rel=1e-6)] * 3
    assert probs[0, 0] == 1
    assert (abs(probs[0, 1:]) <= 2e-38).all()
    assert probs[1].tolist() == [pytest.approx(1 / 3, rel=1e-6)] * 3
    assert np.isnan(logs[2:]).all()
    assert np.isnan(probs[2:]).all()


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("label_dtype", [np.uint8, np.int64])
def test_errors_of_labels_are_weighted_targets_minus_probabilities(
    dtype: Any, label_dtype: Any
) -> None:
    log_probs = log_softmax(normal((4, 3), sd=3).astype(dtype))
    labels = np.array([2, 0, 0, 1], label_dtype)
    weights = np.array([1, 10, 0.5, 3], dtype)
    before, wider = log_probs.copy(), np.full((4, 5), 7, dtype)
    costs = label_errors(log_probs, labels, weights, wider[:, 1:4])
    np.testing.assert_array_equal(costs, [-before[i, label] for i, label in enumerate(labels)])
    targets = np.array([[0, 0, 1], [1, 0, 0], [1, 0, 0], [0, 1, 0]])
    expected = weights[:, np.newaxis] * (targets - np.exp(before.astype(np.float64)))
    # An exponential, a difference of numbers up to 1 and a product.
    bound = reference.rounding(8, dtype=dtype) * weights[:, np.newaxis]
    assert (abs(wider[:, 1:4] - expected) <= bound).all()
    assert (wider[:, [0, 4]] == 7).all()
    np.testing.assert_array_equal(log_probs, before)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("label_dtype", [np.uint8, np.int64])
def test_a_label_that_is_no_class_is_refused(label_dtype: Any) -> None:
    log_probs = log_softmax(normal((2, 3)))
    with pytest.raises(IndexError):
        label_errors(log_probs, np.array([0, 3], label_dtype), np.ones(2, np.float32),
                     np.empty_like(log_probs))  # fmt: skip


# -- arrays that loops in C cannot take ----------------------------------------------------------


def same_in_numpy(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit what NumPy alone does."""
    mine = work()
    with monkeypatch.context() as patched:
        patched.setattr(native, "_C", None)
        np.testing.assert_array_equal(mine, work())


@pytest.mark.parametrize(
    "make",
    [
        lambda: normal((4, 6)).astype(np.float64),
        lambda: normal((6, 4)).T,
        lambda: normal((4, 12))[:, ::2],
        lambda: normal((4, 6))[:, ::-1],
        lambda: normal((0, 6)),
    ],
    ids=["float64", "transposed", "gaps", "backwards", "empty"],
)
def test_what_is_not_rows_of_float32_is_left_to_numpy(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bias = np.ones(6, make().dtype)

    def work() -> list[NDArray[Any]]:
        made = [squash(make(), bias), fire(make(), bias, bits_of(1))]
        made += [softmax(make(), bias), log_softmax(make())]
        probs = numerics.logistic_of_minus(make())
        made += [choose(probs, bits_of(1), np.empty(probs.shape, probs.dtype))]
        return [*made, choose(probs.copy("C"), bits_of(1), make())]

    same_in_numpy(work, monkeypatch)


STRANGE = {
    "gaps": normal((12,))[::2],
    "one for all": np.ones(1, np.float32),
    "rows": np.ones((4, 6), np.float32),
    "float64": np.full(6, 1 / 3),
    "int32": np.arange(6, dtype=np.int32),
}


@pytest.mark.parametrize("bias", STRANGE.values(), ids=STRANGE)
def test_a_strange_bias_is_left_to_numpy(
    bias: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    same_in_numpy(lambda: [squash(normal((4, 6)), bias)], monkeypatch)
    same_in_numpy(lambda: [softmax(normal((4, 6)), bias)], monkeypatch)
    same_in_numpy(lambda: [log_softmax(normal((4, 6)), bias)], monkeypatch)
    chosen = choose(squash(normal((4, 6)), bias), bits_of(1), np.empty((4, 6), np.float32))
    np.testing.assert_array_equal(fire(normal((4, 6)), bias, bits_of(1)), chosen)
    states = np.empty((4, 6), np.float32)
    squash_and_fire(normal((4, 6)), bias, bits_of(1), states)
    np.testing.assert_array_equal(states, chosen)


@pytest.mark.parametrize("gaps", ["velocity", "parameter", None])
def test_biases_with_gaps_and_a_case_for_all_are_left_to_numpy(gaps: str | None) -> None:
    velocity, parameter = (
        normal((12,), seed)[::2] if name == gaps else normal((6,), seed)
        for name, seed in (("velocity", 2), ("parameter", 3))
    )
    recon = normal((4 if gaps else 1, 6), seed=5)
    before = velocity.astype(np.float64), parameter.astype(np.float64)
    add_sums(normal((4, 6)), velocity, 0.5, 0.9, parameter)
    error = add_differences(normal((4, 6)), recon, velocity, 0.5, 0.9, parameter)

    first = 0.9 * before[0] + 0.5 * normal((4, 6)).sum(axis=0, dtype=np.float64)
    missed = normal((4, 6)).astype(np.float64) - recon
    second = 0.9 * first + 0.5 * missed.sum(axis=0)
    # Some ten roundings of numbers below 16, and one of each of 24 squares.
    bound = 10 * 16 * 2.0**-24
    np.testing.assert_allclose(velocity, second, rtol=0, atol=bound)
    np.testing.assert_allclose(parameter, before[1] + first + second, rtol=0, atol=2 * bound)
    assert abs(error - (missed**2).sum()) < 24 * 2.0**-24 * (missed**2).sum()


@pytest.mark.usefixtures("kind")
def test_states_of_another_shape_than_their_units_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        squash_and_fire(normal((4, 6)), normal((6,)), bits_of(1), np.empty((3, 6), np.float32))


def test_updates_of_what_is_not_flat_float32_are_left_to_numpy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = (normal((4, 6), seed).astype(np.float64) for seed in (1, 2))

    def work() -> list[NDArray[Any]]:
        arrays = [one.copy(), other.copy()]
        move(*arrays, 0.1)
        blend(*arrays, 0.1)
        times_slope(*arrays)
        return arrays

    same_in_numpy(work, monkeypatch)
