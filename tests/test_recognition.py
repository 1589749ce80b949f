from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import reference
from numpy.typing import NDArray
from reference import Floats

from hinton06.models import Classifier
from hinton06.recognition import (
    Score,
    case_costs,
    confusion,
    log_probs,
    product_of_nets,
    score,
    up_pass,
)

# Five cases of three classes. The guesses are 0, 1, 2, 0, 1.
PROBS = np.array(
    [[0.5, 0.3, 0.2], [0.25, 0.5, 0.25], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2], [0.1, 0.9, 0.0625]]
)
LABELS = np.array([0, 0, 2, 2, 1], np.uint8)


def random_net(sizes: Sequence[int], dtype: Any = np.float64, seed: int = 1) -> Classifier:
    rng = np.random.default_rng(seed)
    return Classifier(
        tuple(rng.standard_normal(s).astype(dtype) for s in pairwise(sizes)),
        tuple(rng.standard_normal(n).astype(dtype) for n in sizes[1:]),
    )


def random_log_probs(seed: int, shape: tuple[int, int] = (50, 4)) -> Floats:
    inputs = 3 * np.random.default_rng(seed).standard_normal(shape)
    inputs -= np.log(np.exp(inputs).sum(axis=1, keepdims=True))
    return inputs


# -- the up-pass -----------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(5, 3), (5, 4, 3), (5, 4, 2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_probs_equal_the_net_unit_by_unit(sizes: tuple[int, ...], dtype: Any) -> None:
    net = random_net(sizes, dtype)
    images = np.random.default_rng(2).integers(0, 256, (6, 5), np.uint8)
    expected = [reference.net_log_probs(net.weights, net.biases, image / 255) for image in images]
    result = log_probs(net, images)
    assert result.dtype == dtype
    # Fewer than 100 roundings of numbers below 10 lie on a path from a pixel to a class.
    tolerance = reference.rounding(100, size=10, dtype=dtype)
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("n_cases", [999, 1000, 2003])
def test_log_probs_of_many_images_are_those_of_each(n_cases: int) -> None:
    net = random_net((4, 3, 2))
    images = np.random.default_rng(3).random((n_cases, 4))
    expected = [reference.net_log_probs(net.weights, net.biases, image) for image in images]
    np.testing.assert_allclose(log_probs(net, images), expected, atol=reference.rounding(1000))


def test_log_probs_refuse_images_of_another_size() -> None:
    with pytest.raises(ValueError, match="6 pixels, the net has 5 inputs"):
        log_probs(random_net((5, 3)), np.zeros((2, 6), np.uint8))


def test_up_pass_leaves_the_activities_of_every_layer() -> None:
    net = random_net((4, 3, 2))
    image = np.random.default_rng(4).random(4)
    layers = [image[np.newaxis].copy(), np.empty((1, 3)), np.empty((1, 2))]
    assert up_pass(net, layers) is layers[-1]
    np.testing.assert_array_equal(layers[0][0], image)
    inputs = net.biases[0] + image @ net.weights[0]
    expected = [reference.logistic(x) for x in inputs]
    np.testing.assert_allclose(layers[1][0], expected, rtol=0, atol=reference.rounding(50))


# -- costs and errors ------------------------------------------------------------------------


def test_case_costs_are_minus_the_log_probability_of_the_label() -> None:
    expected = [-math.log(p) for p in (0.5, 0.25, 0.8, 0.2, 0.9)]
    np.testing.assert_allclose(
        case_costs(np.log(PROBS), LABELS), expected, rtol=reference.rounding(4)
    )


def test_score_worked_by_hand() -> None:
    result = score(np.log(PROBS), LABELS)
    # Wrong: case 2 (guess 1, label 0) and case 4 (guess 0, label 2).
    assert (result.cases, result.errors) == (5, 2)
    # The labels' probabilities are 1/2, 1/4, 4/5, 1/5 and 9/10; their product is 9/500.
    expected = 100 * math.log(500 / 9) / 5
    assert result.cost_per_100 == pytest.approx(expected, rel=reference.rounding(20))


def test_score_of_float32_costs_is_averaged_in_float64() -> None:
    log_probabilities = np.log(np.full((100_000, 2), 0.5, np.float32))
    result = score(log_probabilities, np.zeros(100_000, np.uint8))
    # Equal costs: only the one rounding to float32 remains, however many cases there are.
    expected = 100 * math.log(2)
    assert result.cost_per_100 == pytest.approx(
        expected, rel=reference.rounding(2, dtype=np.float32)
    )


def test_error_rate_and_standard_error_worked_by_hand() -> None:
    result = Score(cases=400, errors=40, cost_per_100=0.0)
    assert result.error_rate == 10
    # The square root of 400 * 0.1 * 0.9 = 36.
    assert result.standard_error == pytest.approx(6, rel=reference.rounding(4))
    assert Score(cases=10, errors=0, cost_per_100=0.0).standard_error == 0


def test_confusion_worked_by_hand() -> None:
    # Rows are the true classes: 0 was taken for 0 and 1, 1 for 1, 2 for 2 and 0.
    expected = [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert confusion(np.log(PROBS), LABELS).tolist() == expected


def test_confusion_counts_every_case_and_its_errors() -> None:
    labels = np.random.default_rng(5).integers(0, 4, 50).astype(np.uint8)
    log_probabilities = random_log_probs(6)
    table = confusion(log_probabilities, labels)
    assert table.sum(axis=1).tolist() == np.bincount(labels, minlength=4).tolist()
    assert table.sum() - np.trace(table) == score(log_probabilities, labels).errors


def test_confusion_has_room_for_classes_that_never_occur() -> None:
    # Cell 16 * 17 + 16 of the table lies beyond the 8 bits of the labels.
    table = confusion(np.eye(17)[[16, 16]], np.array([16, 0], np.uint8))
    assert table.shape == (17, 17)
    assert table[16, 16] == table[0, 16] == 1
    assert table.sum() == 2


# -- the product of nets ---------------------------------------------------------------------


def test_product_of_two_nets_worked_by_hand() -> None:
    one, two = np.log([[0.5, 0.25, 0.25]]), np.log([[0.2, 0.4, 0.4]])
    # The products are 0.1, 0.1 and 0.1; with 0.8, 0.1, 0.1 they are 0.4, 0.025, 0.025.
    assert np.exp(product_of_nets([one, two], geometric=False))[0].tolist() == pytest.approx(
        [1 / 3] * 3, rel=reference.rounding(20)
    )
    three = np.log([[0.8, 0.1, 0.1]])
    plain = np.exp(product_of_nets([one, three], geometric=False))[0]
    assert plain.tolist() == pytest.approx([16 / 18, 1 / 18, 1 / 18], rel=reference.rounding(20))
    # Square roots: 4 to 1 to 1.
    root = np.exp(product_of_nets([one, three]))[0]
    assert root.tolist() == pytest.approx([4 / 6, 1 / 6, 1 / 6], rel=reference.rounding(20))


@pytest.mark.parametrize("geometric", [True, False])
def test_product_of_one_net_is_that_net(geometric: bool) -> None:
    alone = random_log_probs(7)
    result = product_of_nets([alone], geometric)
    np.testing.assert_allclose(result, alone, rtol=0, atol=reference.rounding(10, size=30))


def test_geometric_product_of_a_net_with_itself_is_that_net() -> None:
    alone = random_log_probs(8)
    result = product_of_nets([alone] * 3)
    np.testing.assert_allclose(result, alone, rtol=0, atol=reference.rounding(20, size=60))


def test_geometric_and_plain_product_choose_the_same_classes() -> None:
    nets = [random_log_probs(seed) for seed in (9, 10, 11)]
    plain, root = product_of_nets(nets, geometric=False), product_of_nets(nets)
    np.testing.assert_array_equal(plain.argmax(axis=1), root.argmax(axis=1))
    np.testing.assert_array_equal(plain.argmax(axis=1), np.sum(nets, axis=0).argmax(axis=1))
    assert abs(plain - root).max() > 0.1


@pytest.mark.parametrize("geometric", [True, False])
def test_product_is_normalised_float64_and_leaves_the_nets(geometric: bool) -> None:
    nets: list[NDArray[Any]] = [random_log_probs(seed).astype(np.float32) for seed in (12, 13)]
    before = [net.copy() for net in nets]
    result = product_of_nets(nets, geometric)
    assert result.dtype == np.float64
    np.testing.assert_allclose(np.exp(result).sum(axis=1), 1, rtol=reference.rounding(20))
    for net, kept in zip(nets, before, strict=True):
        np.testing.assert_array_equal(net, kept)


@pytest.mark.parametrize("shapes", [[], [(5, 4), (6, 4)], [(5, 4), (5, 3)], [(5, 4), (1, 4)]])
def test_nets_that_do_not_agree_have_no_product(shapes: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="no product"):
        product_of_nets([np.zeros(shape) for shape in shapes])
