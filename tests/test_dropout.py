"""Dropout: what is left out, what is learned by the rest, and when; and that no table mixes it up."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import reference
import reference_generative as slow
from numpy.typing import NDArray
from reference import Floats
from test_backprop import (
    ALL,
    CASE_WEIGHTS,
    LABELS,
    SIZES,
    TRAIN,
    VALID,
    assert_nets_equal,
    images,
    random_net,
    run,
    script_validation,
)
from test_hybrid import IMAGES, package_net
from test_hybrid import LABELS as HYBRID_LABELS

from hinton06 import numerics
from hinton06.backprop import Backpropagation, DiscriminativeFineTuning
from hinton06.dropout import Dropout, UnfitDropoutError
from hinton06.hybrid import LabelBackpropagation
from hinton06.models import Classifier
from hinton06.numerics import Array
from hinton06.recipes import RECIPES, BackpropSettings, conditions
from hinton06.recognition import log_probs, score
from hinton06.updates import Momentum, Step, rate_share_at
from hinton06.wakesleep import GenerativeFineTuning

KEEP = (0.7, 0.6, 0.8)
# A path from a pixel to a gradient has fewer than 400 sums, products, quotients and exponentials,
# of numbers up to 20: the largest case weight over the smallest chance to be kept.
ROUNDING = reference.rounding(400, size=20)


def generator(seed: int = 4) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


def masks(keep: Sequence[float], sizes: Sequence[int], n: int) -> list[Floats]:
    """1 for each unit that is kept, by the draws that a learner's first batch makes, bottom up."""
    rng = generator()
    return [
        (rng.random((n, size)) < chance).astype(float)
        for chance, size in zip(keep, sizes, strict=True)
    ]


def log_probs_of_kept(net: Classifier, data: Floats, kept: Sequence[Floats]) -> Floats:
    """Of each case, in a net of the units that are kept, each divided by its chance to be."""
    units = data * kept[0] / KEEP[0]
    for number, (weights, bias) in enumerate(zip(net.weights, net.biases, strict=True), 1):
        inputs = units @ weights + bias
        if number < len(net.weights):
            units = kept[number] / KEEP[number] / (1 + np.exp(-inputs))
    return np.asarray(inputs - np.log(np.exp(inputs).sum(axis=1, keepdims=True)))


# -- what is left out ----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 31, 32, 70])
def test_a_number_is_kept_where_its_draw_is_below_the_chance_and_divided_by_it(
    kind: str, width: int
) -> None:
    wider = generator(1).normal(size=(9, width + 3)).astype(np.float32)
    before = wider.copy()
    draws = reference.layer_draws(kind, generator(), (9, width))
    returned = numerics.drop(wider[:, :width], 0.7, generator())
    assert np.shares_memory(returned, wider)
    kept = draws < np.float32(0.7)
    assert (wider[:, :width][~kept] == 0).all()
    expected = before[:, :width][kept] / 0.7
    bound = reference.rounding(3, dtype=np.float32) * abs(expected)
    assert (abs(wider[:, :width][kept] - expected) <= bound).all()
    np.testing.assert_array_equal(wider[:, width:], before[:, width:])


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_the_mean_over_masks_is_the_number_itself(dtype: Any, keep: float) -> None:
    n_draws, values = 20_000, np.array([0.25, 1.0, -3.0], dtype)
    found = numerics.drop(np.tile(values, (n_draws, 1)), keep, generator())
    variance = values.astype(float) ** 2 * (1 - keep) / keep
    errors = reference.sampling_error(variance, n_draws, 3, largest=3 / keep)
    assert (abs(found.mean(axis=0, dtype=float) - values) <= errors).all()
    # Units of a case, and cases, are left out by themselves.
    off = found == 0
    for one, other in ((off[:, 0], off[:, 1]), (off[:-1, 0], off[1:, 0])):
        both = keep_of_both = (1 - keep) ** 2
        error = reference.sampling_error(both * (1 - both), len(one) // 2, 2)
        assert abs((one & other)[::2].mean() - keep_of_both) <= error


def test_where_all_is_kept_nothing_is_drawn_or_changed() -> None:
    rng, values = generator(), generator(2).random((4, 5))
    before = values.copy()
    numerics.drop(values, 1.0, rng)
    np.testing.assert_array_equal(values, before)
    assert rng.random() == generator().random()


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_slope_is_that_of_the_logistic_function_where_its_unit_was_kept(dtype: Any) -> None:
    delta = generator(1).normal(size=(33, 70)).astype(dtype)
    probs = generator(2).random((33, 70)).astype(dtype)
    kept = generator(3).random((33, 70)) < 0.7
    expected = delta.astype(float) * probs * (1 - probs.astype(float)) * kept / 0.7
    bound = reference.rounding(8, dtype=dtype) * abs(delta) / 0.7
    dropped = (probs * kept / dtype(0.7)).astype(dtype)
    numerics.times_slope(delta, dropped, 0.7)
    assert (abs(delta - expected) <= bound).all()


# -- max-norm ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 3), (7, 33), (12, 1100)])
def test_incoming_weights_that_are_too_long_are_shortened_and_others_stay(
    shape: tuple[int, int], dtype: Any
) -> None:
    weights = generator(1).normal(size=shape).astype(dtype)
    weights *= np.geomspace(0.01, 100, shape[1]).astype(dtype)
    before = weights.astype(float)
    lengths = np.sqrt((before**2).sum(axis=0))
    longest = float(np.median(lengths)) * 1.001  # of no column
    Momentum(weights).limit(longest)
    longer = lengths > longest
    assert 0 < longer.sum() < len(longer)
    np.testing.assert_array_equal(weights[:, ~longer], before[:, ~longer])
    expected = before[:, longer] * longest / lengths[longer]
    bound = reference.rounding(2 * shape[0] + 6, dtype=dtype) * abs(expected)
    assert (abs(weights[:, longer] - expected) <= bound).all()


def test_a_length_of_0_limits_nothing() -> None:
    weights = generator(1).normal(size=(4, 3))
    before = weights.copy()
    Momentum(weights).limit(0.0)
    np.testing.assert_array_equal(weights, before)


def test_a_step_leaves_no_hidden_unit_with_longer_incoming_weights() -> None:
    net, free = random_net(), random_net()
    given = images(), ALL, LABELS, CASE_WEIGHTS, Step(1.0)
    Backpropagation(net, 5, Dropout(KEEP, generator()), max_norm=0.9).learn(*given)
    Backpropagation(free, 5, Dropout(KEEP, generator())).learn(*given)
    for weights, others in zip(net.weights[:-1], free.weights[:-1], strict=True):
        lengths = np.linalg.norm(others, axis=0)
        assert (lengths > 0.9).any()
        expected = others * np.minimum(1, 0.9 / lengths)
        np.testing.assert_allclose(weights, expected, rtol=reference.rounding(20))
    np.testing.assert_array_equal(net.weights[-1], free.weights[-1])  # the classes' may be longer


# -- the gradient --------------------------------------------------------------------------------


def test_with_fixed_masks_every_step_is_minus_the_central_difference_of_the_cost() -> None:
    net = random_net()
    kept = masks(KEEP, SIZES[:-1], 5)
    assert all(0 < mask.mean() < 1 for mask in kept)
    after = net.copy()
    learner = Backpropagation(after, 5, Dropout(KEEP, generator()))
    costs = learner.learn(images(), ALL, LABELS, CASE_WEIGHTS, Step(1.0))

    def case_costs() -> Floats:
        return -log_probs_of_kept(net, images(), kept)[np.arange(5), LABELS]

    np.testing.assert_allclose(costs, case_costs(), rtol=0, atol=ROUNDING)
    for parameter, moved in zip(
        net.weights + net.biases, after.weights + after.biases, strict=True
    ):
        slope, error = reference.central_differences(
            lambda: float((CASE_WEIGHTS * case_costs()).mean()), parameter
        )
        assert (abs(moved - parameter + slope) <= error + ROUNDING).all()
        assert abs(slope).max() > 1000 * error.max()


def test_the_next_batch_leaves_out_other_units() -> None:
    net = random_net()
    learner = Backpropagation(net, 5, Dropout(KEEP, generator()))
    first, second = (learner.learn(images(), ALL, LABELS, CASE_WEIGHTS, Step(0.0)) for _ in "12")
    assert not np.isclose(first, second).any()


def test_where_all_units_are_kept_learning_is_that_without_dropout() -> None:
    nets = random_net(dtype=np.float32), random_net(dtype=np.float32)
    given = images(), ALL, LABELS, CASE_WEIGHTS.astype(np.float32), Step(0.3, 0.5)
    learners = (
        Backpropagation(nets[0], 5),
        Backpropagation(nets[1], 5, Dropout((1.0,) * 3, generator())),
    )
    for learner in learners:
        learner.learn(*given)
        learner.learn(*given)
    assert_nets_equal(*nets)


@pytest.mark.parametrize("seed", [1, 2])
def test_with_fixed_masks_the_mixed_gradient_s_half_equals_central_differences(seed: int) -> None:
    net = slow.random_net(seed)
    found = package_net(net)
    before = {name: np.copy(array) for name, array in found.arrays().items()}
    keep, n = (*KEEP, 0.5), len(IMAGES)
    sizes = (found.n_pixels, *found.hidpen.shape, found.memory.n_hidden)
    kept = masks(keep, sizes, n)
    learner = LabelBackpropagation(found, n + 2, Dropout(keep, generator()))
    data = IMAGES.copy()
    costs = learner.gather(data, HYBRID_LABELS, Step(1.0))
    learner.apply(Step(1.0))
    np.testing.assert_array_equal(data, IMAGES)  # which the generative half has too

    def log_prob() -> Floats:
        """Of each case's label, by free energies of the top units that are kept."""
        units = IMAGES * kept[0] / keep[0]
        layers = ((net.vishid, net.hid_rec_bias), (net.hidpen, net.pen_rec_bias))
        for number, (weights, bias) in enumerate(layers, 1):
            units = kept[number] / keep[number] / (1 + np.exp(-units @ weights - bias))
        n_pen = found.n_pen
        pentop, labtop = net.memory_weights[:n_pen], net.memory_weights[n_pen:]
        top = (units @ pentop + net.memory_hidden_bias)[:, None] + labtop
        shares = (kept[3] / keep[3])[:, None] * np.log1p(np.exp(top))
        minus = shares.sum(axis=2) + net.memory_visible_bias[n_pen:]
        chosen = minus[np.arange(n), HYBRID_LABELS]
        return np.asarray(chosen - np.log(np.exp(minus).sum(axis=1)))

    np.testing.assert_allclose(costs, -log_prob(), rtol=0, atol=ROUNDING)
    after = found.arrays()
    for name, array in net._asdict().items():
        slope, error = reference.central_differences(lambda: float(log_prob().mean()), array)
        assert (abs(after[name] - before[name] - slope) <= error + ROUNDING).all(), name
