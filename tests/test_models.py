from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hinton06.models import Classifier, Rbm

Arrays = dict[str, NDArray[Any]]


def rbm_arrays(dtype: Any = np.float32) -> Arrays:
    return {
        "weights": np.ones((4, 3), dtype),
        "visible_bias": np.ones(4, dtype),
        "hidden_bias": np.ones(3, dtype),
    }


def net_arrays(dtype: Any = np.float32) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    weights = [np.ones((5, 4), dtype), np.ones((4, 3), dtype)]
    return weights, [np.ones(4, dtype), np.ones(3, dtype)]


def assert_variance(numbers: NDArray[Any], variance: float) -> None:
    """Squares of normal numbers have standard deviation sqrt(2) of their mean."""
    standard_error = variance * np.sqrt(2 / numbers.size)
    measured = np.mean(numbers.astype(np.float64) ** 2)
    # Seven standard errors of some 10^4 squares: exceeded by fewer than one seed in 10^9.
    assert abs(measured - variance) < 7 * standard_error


# -- Rbm -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rbm_keeps_its_arrays_and_knows_its_sizes(dtype: Any) -> None:
    arrays = rbm_arrays(dtype)
    rbm = Rbm(**arrays)
    assert (rbm.n_visible, rbm.n_hidden) == (4, 3)
    assert all(getattr(rbm, name) is array for name, array in arrays.items())


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("weights", np.ones(4, np.float32)),
        ("weights", np.ones((0, 3), np.float32)),
        ("weights", np.ones((4, 0), np.float32)),
        ("weights", np.ones((3, 4), np.float32).T),
        ("weights", np.full((4, 3), np.nan, np.float32)),
        ("weights", np.ones((4, 3), np.int64)),
        ("weights", np.ones((4, 3), np.float64)),
        ("visible_bias", np.ones(3, np.float32)),
        ("visible_bias", np.ones((4, 1), np.float32)),
        ("visible_bias", np.ones(8, np.float32)[::2]),
        ("visible_bias", np.array([0, 0, 0, np.inf], np.float32)),
        ("hidden_bias", np.ones(4, np.float32)),
        ("hidden_bias", np.ones(3, np.float64)),
        ("hidden_bias", np.array([0, 0, -np.inf], np.float32)),
    ],
)
def test_rbm_refuses_arrays_that_do_not_fit(name: str, array: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"shape|dtype|C-contiguous|not finite"):
        Rbm(**(rbm_arrays() | {name: array}))


def test_rbm_refuses_whole_numbers_throughout() -> None:
    with pytest.raises(ValueError, match="dtype"):
        Rbm(**rbm_arrays(np.int64))


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Rbm)])
def test_rbm_arrays_cannot_be_replaced(name: str) -> None:
    rbm = Rbm(**rbm_arrays())
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(rbm, name, getattr(rbm, name))


def test_random_rbm_has_weights_of_the_given_deviation_and_zero_biases() -> None:
    rbm = Rbm.random(150, 80, 0.1, np.random.default_rng(1))
    assert rbm.weights.shape == (150, 80)
    assert rbm.weights.dtype == np.float32
    assert_variance(rbm.weights, 0.1**2)
    assert not rbm.visible_bias.any()
    assert not rbm.hidden_bias.any()


def test_random_rbm_depends_on_the_generator_alone() -> None:
    one, same, other = (Rbm.random(4, 3, 1.0, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.weights, same.weights)
    assert (one.weights != other.weights).any()


# -- Classifier ------------------------------------------------------------------------------


def test_classifier_knows_its_sizes() -> None:
    weights, biases = net_arrays()
    net = Classifier(tuple(weights), tuple(biases))
    assert net.sizes == (5, 4, 3)
    assert net.n_classes == 3


@pytest.mark.parametrize(
    ("part", "number", "array"),
    [
        ("weights", 0, np.ones(5, np.float32)),
        ("weights", 0, np.ones((0, 4), np.float32)),
        ("weights", 0, np.ones((5, 4), np.float64)),
        ("weights", 0, np.full((5, 4), np.inf, np.float32)),
        ("weights", 1, np.ones((5, 3), np.float32)),
        ("weights", 1, np.ones((4, 0), np.float32)),
        ("weights", 1, np.ones((3, 4), np.float32).T),
        ("biases", 0, np.ones(5, np.float32)),
        ("biases", 1, np.ones(3, np.float64)),
        ("biases", 1, np.array([0, np.nan, 0], np.float32)),
    ],
)
def test_classifier_refuses_arrays_that_do_not_fit(
    part: str, number: int, array: NDArray[Any]
) -> None:
    weights, biases = net_arrays()
    (weights if part == "weights" else biases)[number] = array
    with pytest.raises(ValueError, match=r"shape|dtype|C-contiguous|not finite"):
        Classifier(tuple(weights), tuple(biases))


def test_classifier_refuses_no_layers_and_unequal_numbers_of_arrays() -> None:
    weights, biases = net_arrays()
    with pytest.raises(ValueError, match="0 weight matrices"):
        Classifier((), ())
    with pytest.raises(ValueError, match="2 weight matrices with 1"):
        Classifier(tuple(weights), tuple(biases[:1]))


def test_copy_of_a_classifier_is_equal_and_shares_nothing() -> None:
    net = Classifier.random((5, 4, 3), 1.0, np.random.default_rng(1))
    copy = net.copy()
    for mine, theirs in zip(net.weights + net.biases, copy.weights + copy.biases, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert not np.shares_memory(mine, theirs)


def test_classifier_on_a_stack_copies_it_and_starts_with_a_zero_softmax() -> None:
    rng = np.random.default_rng(1)
    stack = [
        Rbm(rng.random((5, 4)), rng.random(5), rng.random(4)),
        Rbm(rng.random((4, 3)), rng.random(4), rng.random(3)),
    ]
    net = Classifier.on_stack(stack, n_classes=2)
    assert net.sizes == (5, 4, 3, 2)
    for rbm, weights, bias in zip(stack, net.weights[:-1], net.biases[:-1], strict=True):
        np.testing.assert_array_equal(weights, rbm.weights)
        np.testing.assert_array_equal(bias, rbm.hidden_bias)
        assert not np.shares_memory(weights, rbm.weights)
        assert not np.shares_memory(bias, rbm.hidden_bias)
    assert not net.weights[-1].any()
    assert not net.biases[-1].any()


def test_random_classifier_scales_each_layer_by_the_root_of_its_fan_in() -> None:
    net = Classifier.random((400, 100, 200, 10), 0.5, np.random.default_rng(1))
    assert net.weights[0].dtype == np.float32
    assert_variance(net.weights[0], 0.5**2 / 400)
    assert_variance(net.weights[1], 0.5**2 / 100)
    assert not net.weights[2].any()
    assert not any(bias.any() for bias in net.biases)
