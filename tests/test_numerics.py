from __future__ import annotations

import itertools
import math
from typing import Any, cast

import numpy as np
import pytest
import reference
from numpy.typing import NDArray

from hinton06.numerics import (
    affine,
    bernoulli,
    epoch_order,
    logistic,
    product,
    softplus,
    step_by_product,
    take_batch,
)

DTYPES = [np.float32, np.float64]


class FixedUniforms:
    """Stands in for a generator whose every draw is the same number."""

    def __init__(self, uniform: float) -> None:
        self.uniform = uniform

    def random(self, dtype: Any, out: NDArray[Any]) -> NDArray[Any]:
        out[...] = dtype(self.uniform)
        return out


def normal(shape: tuple[int, ...], dtype: Any, seed: int = 1) -> NDArray[Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def as_transpose(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers, laid out as the transpose of a C-contiguous array."""
    return np.ascontiguousarray(array.T).T


def assert_product_is_right(
    left: NDArray[Any], right: NDArray[Any], held: NDArray[Any], scale: float, keep: float
) -> None:
    out = held.copy()
    returned = product(left, right, out, scale=scale, keep=keep)
    wide_left, wide_right = left.astype(np.float64), right.astype(np.float64)
    expected = scale * (wide_left @ wide_right) + keep * held.astype(np.float64)
    # A dot product of k terms rounds 2k times, scaling and adding three times more; each time
    # by at most eps of the sum of the terms' sizes.
    size = abs(scale) * (abs(wide_left) @ abs(wide_right)) + abs(keep * held.astype(np.float64))
    bound = reference.rounding(2 * left.shape[1] + 3, dtype=out.dtype.type) * size
    assert returned is out
    assert (abs(out - expected) <= bound).all()


LAYOUT_PAIRS: list[Any] = list(itertools.product([np.ascontiguousarray, as_transpose], repeat=2))


# -- product and affine ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("left_layout", "right_layout"), LAYOUT_PAIRS)
@pytest.mark.parametrize(("scale", "keep"), [(1.0, 0.0), (-0.3, 0.0), (1.0, 1.0), (-0.3, 0.9)])
def test_product_equals_numpy_for_every_layout_scale_and_keep(
    dtype: Any, left_layout: Any, right_layout: Any, scale: float, keep: float
) -> None:
    left, right = left_layout(normal((3, 5), dtype)), right_layout(normal((5, 4), dtype))
    assert_product_is_right(left, right, normal((3, 4), dtype, seed=2), scale, keep)


@pytest.mark.parametrize("shape", [(1, 5, 4), (3, 1, 4), (3, 5, 1), (1, 1, 1), (1, 1, 4)])
def test_product_of_single_rows_and_columns_equals_numpy(shape: tuple[int, int, int]) -> None:
    m, k, n = shape  # such arrays are C- and Fortran-contiguous at once
    left, right, held = normal((m, k), np.float64), normal((k, n), np.float64), np.ones((m, n))
    for left_layout, right_layout in LAYOUT_PAIRS:
        assert_product_is_right(left_layout(left), right_layout(right), held, 0.5, 2.0)


def test_product_takes_arrays_with_gaps() -> None:
    left, right = normal((6, 10), np.float32)[::2, ::2], normal((10, 8), np.float32)[::2, ::2]
    assert_product_is_right(left, right, np.zeros((3, 4), np.float32), 1.0, 0.0)


def test_product_without_keep_does_not_read_the_output() -> None:
    left, right = normal((3, 5), np.float32), normal((5, 4), np.float32)
    out = np.full((3, 4), np.nan, np.float32)
    assert np.isfinite(product(left, right, out)).all()


def test_product_writes_only_into_the_output() -> None:
    wider = np.full((5, 4), 7.0)
    left, right = normal((3, 5), np.float64), normal((5, 4), np.float64)
    before = left.copy(), right.copy()
    product(left, right, wider[1:4])
    assert (wider[[0, 4]] == 7).all()
    np.testing.assert_array_equal(left, before[0])
    np.testing.assert_array_equal(right, before[1])


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((4, 3)),
        np.zeros((3, 3)),
        np.zeros((4, 3)).T,
        np.zeros((3, 8))[:, ::2],
        np.zeros((3, 4), np.float32),
    ],
    ids=["transposed shape", "too narrow", "Fortran order", "gaps", "another dtype"],
)
def test_product_refuses_an_output_it_cannot_fill(out: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot multiply|C-contiguous"):
        product(np.ones((3, 5)), np.ones((5, 4)), out)
    assert not out.any()


def test_a_step_by_a_product_refuses_what_the_product_refuses() -> None:
    velocity, parameter = np.zeros((3, 4)), np.zeros((3, 4))
    with pytest.raises(ValueError, match="cannot multiply"):
        step_by_product(np.ones((3, 5)), np.ones((4, 4)), (velocity, parameter), 1, 0.9, 0)
    with pytest.raises(ValueError, match="one dtype"):
        step_by_product(
            np.ones((3, 5)), np.ones((5, 4), np.float32), (velocity, parameter), 1, 0.9, 0
        )
    assert not velocity.any()
    assert not parameter.any()


def test_product_refuses_factors_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="cannot multiply"):
        product(np.ones((3, 5)), np.ones((4, 4)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="one dtype"):
        product(np.ones((3, 5), np.float32), np.ones((5, 4)), np.zeros((3, 4)))


@pytest.mark.parametrize("layout", [np.ascontiguousarray, as_transpose])
def test_affine_is_the_total_input_to_every_unit(layout: Any) -> None:
    data, weights, bias = normal((2, 4), float), layout(normal((4, 3), float)), normal((3,), float)
    inputs = affine(data, weights, bias, np.empty((2, 3)))
    for n, j in np.ndindex(2, 3):
        total = bias[j] + sum(data[n, i] * weights[i, j] for i in range(4))
        assert inputs[n, j] == pytest.approx(total, rel=0, abs=reference.rounding(20, size=5))


# -- logistic, softplus ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_logistic_equals_the_formula(dtype: Any) -> None:
    inputs = np.linspace(-80, 80, 1001).astype(dtype)
    expected = [reference.logistic(float(x)) for x in inputs]
    # exp, a sum and a quotient, each right to a few units in the last place.
    np.testing.assert_allclose(logistic(inputs), expected, rtol=reference.rounding(8, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_logistic_of_huge_inputs_is_exactly_zero_or_one(dtype: Any) -> None:
    inputs = np.array([-1000, -np.inf, 1000, np.inf, 0], dtype)
    assert logistic(inputs).tolist() == [0, 0, 1, 1, 0.5]


@pytest.mark.parametrize("dtype", DTYPES)
def test_logistic_works_in_place_in_its_own_dtype(dtype: Any) -> None:
    inputs = normal((3, 2), dtype)
    assert logistic(inputs) is inputs
    assert inputs.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_softplus_equals_the_formula(dtype: Any) -> None:
    inputs = np.append(np.linspace(-90, 90, 1001), [79.9, 80.1, 500]).astype(dtype)
    expected = [max(x, 0.0) + math.log1p(math.exp(-abs(x))) for x in inputs.astype(float)]
    result = softplus(inputs)
    assert result.dtype == dtype
    rounding = reference.rounding(8, dtype=dtype)  # of 1 + exp(-|x|), a number of order 1
    np.testing.assert_allclose(result, expected, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softplus_of_huge_inputs_neither_overflows_nor_changes_them(dtype: Any) -> None:
    inputs = np.array([-1000, 0, 1000], dtype)
    result = softplus(inputs)
    assert result.tolist() == [0, pytest.approx(math.log(2), rel=1e-6), 1000]
    assert inputs.tolist() == [-1000, 0, 1000]


# -- draws -----------------------------------------------------------------------------------


@pytest.mark.parametrize("uniform", [0.0, 1 - 2.0**-53], ids=["lowest", "highest"])
def test_bernoulli_of_certain_probabilities_is_exact_for_every_draw(uniform: float) -> None:
    rng = cast(np.random.Generator, FixedUniforms(uniform))
    probs = np.array([0.0, 1.0, 0.0, 1.0])
    assert bernoulli(probs, rng, np.empty_like(probs)).tolist() == [0, 1, 0, 1]


@pytest.mark.usefixtures("kind")
def test_a_float32_unit_that_is_not_a_number_gets_some_state() -> None:
    probs = np.full(1000, np.nan, np.float32)
    states = bernoulli(probs, np.random.default_rng(1), np.empty_like(probs))
    assert set(states.tolist()) <= {0, 1}


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("dtype", DTYPES)
def test_bernoulli_frequencies_are_the_probabilities_and_units_are_independent(dtype: Any) -> None:
    n = 50_000
    probs = np.array([0.001, 0.1, 0.5, 0.5, 0.93], dtype)
    rng = np.random.default_rng(3)
    states = bernoulli(np.tile(probs, (n, 1)), rng, np.empty((n, 5), dtype))
    assert set(np.unique(states)) == {0, 1}
    together = states.T.astype(np.float64) @ states / n
    expected = np.outer(probs, probs).astype(np.float64)
    np.fill_diagonal(expected, probs)
    # A draw has at least 24 bits, which moves a probability by less than 2^-23.
    allowed = reference.sampling_error(expected * (1 - expected), n, n_claims=15) + 2.0**-23
    assert (abs(together - expected) <= allowed).all()


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("dtype", DTYPES)
def test_bernoulli_fills_columns_as_it_fills_an_array_of_its_own(dtype: Any) -> None:
    probs = np.random.default_rng(2).random((300, 500)).astype(dtype)
    wider = np.full((300, 510), 7, dtype)
    bernoulli(probs, np.random.default_rng(4), wider[:, :500])
    alone = bernoulli(probs, np.random.default_rng(4), np.empty_like(probs))
    np.testing.assert_array_equal(wider[:, :500], alone)
    assert (wider[:, 500:] == 7).all()


def test_bernoulli_refuses_to_overwrite_the_probabilities() -> None:
    probs = np.full((3, 4), 0.5, np.float32)
    with pytest.raises(ValueError, match="where their probabilities are"):
        bernoulli(probs[:, :2], np.random.default_rng(1), probs[:, :2])


def test_bernoulli_leaves_the_probabilities_and_returns_the_output() -> None:
    probs = np.linspace(0, 1, 6)
    before, out = probs.copy(), np.empty(6)
    assert bernoulli(probs, np.random.default_rng(5), out) is out
    np.testing.assert_array_equal(probs, before)


# -- batches ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_take_batch_turns_every_pixel_value_into_its_255th(dtype: Any) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(64, 4)
    out = take_batch(pixels, slice(0, 64), np.empty((64, 4), dtype))
    expected = np.arange(256).reshape(64, 4) / 255
    # 1/255 is rounded once, the product once more.
    np.testing.assert_allclose(out, expected, rtol=reference.rounding(2, dtype=dtype))
    assert out[0, 0] == 0
    assert out[-1, -1] == 1


@pytest.mark.parametrize("rows", [np.array([4, 0, 4]), slice(2, 5)], ids=["numbers", "slice"])
def test_take_batch_copies_the_chosen_probabilities(rows: Any) -> None:
    cases = np.random.default_rng(6).random((6, 4)).astype(np.float32)
    before, out = cases.copy(), np.empty((3, 4), np.float32)
    assert take_batch(cases, rows, out) is out
    np.testing.assert_array_equal(out, cases[rows])
    out += 1
    np.testing.assert_array_equal(cases, before)


# -- the order of an epoch -------------------------------------------------------------------


def test_an_epoch_has_every_case_once_in_the_generator_s_order() -> None:
    order = epoch_order(7, np.random.default_rng(3))
    np.testing.assert_array_equal(order, np.random.default_rng(3).permutation(7))


def test_batches_of_equally_many_classes_are_balanced_and_shuffled() -> None:
    classes = np.random.default_rng(1).permutation(np.repeat(np.arange(3), 20))
    order = epoch_order(60, np.random.default_rng(2), classes)
    assert sorted(order) == list(range(60))
    for first in range(0, 60, 6):
        assert np.bincount(classes[order[first : first + 6]]).tolist() == [2, 2, 2]
    other = epoch_order(60, np.random.default_rng(3), classes)
    assert (order != other).any()
    own = order[classes[order] == 0]
    assert (np.diff(own) < 0).any()  # a class's own cases are shuffled


def test_unequal_classes_are_spread_over_the_epoch() -> None:
    """Among the first n cases of the order each class has its share, up to one case."""
    classes = np.repeat(np.arange(3), [30, 10, 5])
    order = epoch_order(45, np.random.default_rng(2), classes)
    for n in range(1, 46):
        counts = np.bincount(classes[order[:n]], minlength=3)
        assert (np.abs(counts - n * np.array([30, 10, 5]) / 45) <= 1).all()


def test_the_only_case_of_a_class_is_in_the_middle_of_the_epoch() -> None:
    classes = np.array([0] * 8 + [1])
    order = epoch_order(9, np.random.default_rng(1), classes)
    assert classes[order].tolist() == [0] * 4 + [1] + [0] * 4
