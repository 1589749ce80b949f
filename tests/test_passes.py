from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import reference
from numpy.typing import NDArray

from hinton06 import passes
from hinton06.passes import blend, choose, fire, move, squash, times_slope

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

    def random(self, size: int, dtype: Any) -> NDArray[Any]:
        return np.full(size, self.uniform, dtype)


def normal(shape: tuple[int, ...], seed: int = 1, sd: float = 1.0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, sd, shape).astype(np.float32)


def bits_of(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


# -- which of the two ----------------------------------------------------------------------------


def test_the_loops_are_compiled_where_there_is_a_compiler() -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    assert passes.KIND == "C"


@pytest.mark.parametrize("content", [b"no library", None], ids=["damaged", "missing"])
def test_numpy_does_it_where_there_is_no_library(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "__file__", str(tmp_path / "passes.py"))
    if content is not None:
        (tmp_path / f"_passes{passes.EXTENSION_SUFFIXES[0]}").write_bytes(content)
    assert passes._compiled() is None


def test_loops_in_c_that_lack_a_function_are_of_another_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(passes._SIGNATURES, "of_the_future", ())
    assert passes._compiled() is None


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
    neighbours = {
        "unit": deviations[:, :, 1:] * deviations[:, :, :-1],
        "half a row": deviations[:, :, 20:] * deviations[:, :, :20],
        "row": deviations[:, 1:] * deviations[:, :-1],
        "call": deviations[1:] * deviations[:-1],
    }
    for name, products in neighbours.items():
        allowed = reference.sampling_error(1.0, products.size, n_claims=len(neighbours))
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
    monkeypatch.setattr(passes, "_C", None)
    p = np.float32(prob)
    certain = fired_of_all_bits(p, 1 - 2.0**-24)
    rest = float(p) * 65536 - certain
    # The rest is what a uniform draw in the one open case has to be below; where none is, it is
    # a rounding error of a probability in float32.
    assert 0 <= rest < 1
    if rest / 65536 > 2.0**-24:
        below, at = np.nextafter(np.float32(rest), np.float32(0)), np.float32(rest)
        assert fired_of_all_bits(p, below) == certain + 1
        assert fired_of_all_bits(p, at) == certain
    else:
        assert fired_of_all_bits(p, rest + 2.0**-7) == certain


def fired_of_all_bits(prob: np.float32, uniform: float) -> int:
    """How many of 65,536 units with one of all 16-bit draws each turn on."""
    probs = np.full((256, 256), prob)
    rng = cast(np.random.Generator, EveryBits(uniform))
    return int(choose(probs, rng, np.empty_like(probs)).sum())


# -- updates -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("shape", [(1,), (33, 70), (1000,)])
def test_a_move_is_the_velocity_less_the_decay(shape: tuple[int, ...]) -> None:
    parameter, velocity = normal(shape), normal(shape, seed=2)
    before = parameter.astype(np.float64), velocity.astype(np.float64)
    move(parameter, velocity, 0.3)
    # The factor, the product and the sums are each rounded once.
    bound = reference.rounding(4, dtype=np.float32) * (2 * abs(before[0]) + abs(before[1]))
    assert (abs(velocity - (before[1] - 0.3 * before[0])) <= bound).all()
    assert (abs(parameter - (0.7 * before[0] + before[1])) <= bound).all()


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


# -- arrays that loops in C cannot take ----------------------------------------------------------


def same_in_numpy(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit what NumPy alone does."""
    mine = work()
    monkeypatch.setattr(passes, "_C", None)
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
        probs = passes.logistic_of_minus(make())
        made += [choose(probs, bits_of(1), np.empty(probs.shape, probs.dtype))]
        return [*made, choose(probs.copy("C"), bits_of(1), make())]

    same_in_numpy(work, monkeypatch)


def test_a_strange_bias_is_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    for bias in (normal((12,))[::2], np.ones(1, np.float32), np.ones((4, 6), np.float32)):
        same_in_numpy(lambda bias=bias: squash(normal((4, 6)), bias), monkeypatch)


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
