"""Adversarial training: where images are moved to, and what is learned there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import reference
import reference_generative as slow
from reference import Floats
from test_backprop import (
    ALL,
    CASE_WEIGHTS,
    LABELS,
    ROUNDING,
    SIZES,
    TRAIN,
    assert_nets_equal,
    images,
    random_net,
    run,
)
from test_dropout import (
    KEEP,
    factors_of_kept,
    generator,
    label_log_probs_of_kept,
    learner,
    log_probs_of_kept,
)
from test_hybrid import IMAGES, package_net
from test_hybrid import LABELS as HYBRID_LABELS

from hinton06 import numerics, wakesleep
from hinton06.backprop import Backpropagation
from hinton06.dropout import Dropout
from hinton06.hybrid import LabelBackpropagation
from hinton06.models import Classifier
from hinton06.recipes import RECIPES
from hinton06.recognition import log_probs
from hinton06.updates import Step

LENGTH = 0.8


def costs_at(net: Classifier, data: Floats, factors: Sequence[Any] = (1.0,) * 3) -> Floats:
    """Each case's, with activities times `factors`."""
    return -log_probs_of_kept(net, data, factors)[ALL, LABELS]


def moved(data: Floats, costs: Callable[[Any], Any]) -> tuple[Floats, float]:
    """Images where the slopes of their costs lead, and the rounding of each number.

    A cost at a pixel plus i h has, to rounding, h times the slope as its imaginary part.
    """
    slopes = np.empty_like(data)
    for pixel in range(data.shape[1]):
        at = data.astype(complex)
        at[:, pixel] += 1e-100j
        slopes[:, pixel] = costs(at).imag / 1e-100
    lengths = np.linalg.norm(slopes, axis=1, keepdims=True)
    return data + LENGTH * slopes / lengths, float(2 * LENGTH * ROUNDING / lengths.min())


# -- a step --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_each_case_goes_so_far_along_its_direction_however_long_that_is(
    dtype: Any, size: float
) -> None:
    cases = generator(1).random((7, 30)).astype(dtype)
    directions = (generator(2).normal(size=(7, 30)) * size).astype(dtype)
    directions[3] = 0
    before, along = cases.astype(float), directions.astype(float)
    numerics.step_along(cases, directions, -LENGTH)
    others = np.arange(7) != 3
    unit = along[others] / np.linalg.norm(along[others], axis=1, keepdims=True)
    # A quotient, a sum of 30 squares, its root, and a few products, of numbers below 2.
    bound = reference.rounding(40, size=2, dtype=dtype)
    np.testing.assert_allclose(cases[others], before[others] - LENGTH * unit, rtol=0, atol=bound)
    np.testing.assert_array_equal(cases[3], before[3])


def test_a_direction_that_is_not_finite_leaves_no_finite_case() -> None:
    cases, directions = np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)
    directions[0, 1] = np.nan
    numerics.step_along(cases, directions, 1.0)
    assert np.isnan(cases[0]).all()
    assert np.isfinite(cases[1]).all()


@pytest.mark.parametrize("size", [1e-42, 1e-40])
def test_a_direction_whose_inverse_overflows_is_none(size: float) -> None:
    cases = np.ones((2, 3), np.float32)
    numerics.step_along(cases, np.full((2, 3), size, np.float32), 1.0)
    np.testing.assert_array_equal(cases, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sure", [0.0, 5.0, 20.0, 100.0, 1000.0])
def test_the_direction_by_class_is_right_however_sure_a_net_is(dtype: Any, sure: float) -> None:
    inputs = generator(1).normal(size=(6, 4)).astype(dtype)
    labels = np.array([0, 1, 2, 3, 0, 2])
    inputs[np.arange(6), labels] += dtype(sure)
    log_probs = numerics.log_softmax(inputs.copy())
    found = np.empty_like(inputs)
    before = log_probs.copy()
    numerics.label_directions(log_probs, labels, found)
    np.testing.assert_array_equal(log_probs, before)
    for row, label, own in zip(inputs.astype(float), labels, found, strict=True):
        others = np.delete(row, label)
        others = np.exp(others - others.max())
        expected = np.insert(-others, label, others.sum())
        # An exponential of a difference of log probabilities, each rounded at its size.
        bound = reference.rounding(8, size=2 * (sure + 10), dtype=dtype)
        np.testing.assert_allclose(own, expected, rtol=0, atol=bound)


def test_easy_images_move_in_single_precision_as_in_double() -> None:
    net, single = random_net(), random_net(dtype=np.float32)
    for own in (net, single):
        own.weights[-1][...] *= 80
    labels = log_probs(net, images()).argmax(axis=1)
    costs = -log_probs(net, images()).max(axis=1)
    assert (costs < 1e-8).any(), "of some, p(label) rounds to 1"
    ends = []
    for own in (net, single):
        learner = Backpropagation(own, 5, adversarial=LENGTH)
        layers = [buffer[:5] for buffer in learner._layers]
        layers[0][...] = images()
        learner._move(layers, labels)
        ends.append(layers[0].copy())
    step = np.linalg.norm(ends[0] - images(), axis=1)
    np.testing.assert_allclose(step, LENGTH)
    # Of three sums of products, whose roundings a class's exponential takes over as its share.
    largest = abs(net.weights[-1]).sum(axis=0).max()
    bound = 2 * LENGTH * reference.rounding(20, size=largest, dtype=np.float32)
    assert bound < 0.01
    np.testing.assert_allclose(ends[1], ends[0], rtol=0, atol=bound)


# -- a classifier --------------------------------------------------------------------------------


def test_costs_are_those_of_images_moved_along_the_slopes_by_their_pixels() -> None:
    net = random_net()
    learner = Backpropagation(net.copy(), 5, adversarial=LENGTH)
    found = learner.learn(images(), ALL, LABELS, CASE_WEIGHTS, Step(0.0))
    data, bound = moved(images(), lambda at: costs_at(net, at))
    np.testing.assert_allclose(np.linalg.norm(data - images(), axis=1), LENGTH)
    # The slope of a cost by a pixel is below the product of the weights' sums, twice.
    steepest = 2 * np.prod([abs(w).sum() for w in net.weights])
    allowed = ROUNDING + steepest * bound
    assert allowed < 1e-6
    np.testing.assert_allclose(found, costs_at(net, data), rtol=0, atol=allowed)
    assert (found > costs_at(net, images())).all()


@pytest.mark.parametrize("dropped", [False, True])
def test_every_step_is_minus_the_central_difference_of_the_cost_of_moved_images(
    dropped: bool,
) -> None:
    net = random_net()
    factors = factors_of_kept(KEEP, SIZES[:-1], 5) if dropped else [1.0] * 3
    data, bound = moved(images(), lambda at: costs_at(net, at))  # of the whole net, dropout or not
    after = net.copy()
    dropout = Dropout(KEEP, generator()) if dropped else None
    Backpropagation(after, 5, dropout, adversarial=LENGTH).learn(
        images(), ALL, LABELS, CASE_WEIGHTS, Step(1.0)
    )
    # What a gradient changes by if a pixel does: by products of weights, times what they meet.
    steepest = 10 * np.prod([1 + abs(w).sum() for w in net.weights]) / np.prod(KEEP)
    for parameter, now in zip(net.weights + net.biases, after.weights + after.biases, strict=True):
        slope, error = reference.central_differences(
            lambda: float((CASE_WEIGHTS * costs_at(net, data, factors)).mean()), parameter
        )
        allowed = error + 3 * ROUNDING + steepest * bound
        assert (abs(now - parameter + slope) <= allowed).all()
        assert abs(slope).max() > 100 * allowed.max()


def test_images_move_before_units_are_left_out_and_stay_as_they_are_in_memory() -> None:
    data, nets = images(), (random_net(), random_net())
    given = data, ALL, LABELS, CASE_WEIGHTS, Step(1.0)
    Backpropagation(nets[0], 5, adversarial=LENGTH).learn(*given)
    np.testing.assert_array_equal(data, images())
    Backpropagation(nets[1], 5, Dropout((1.0,) * 3, generator()), adversarial=LENGTH).learn(*given)
    assert_nets_equal(*nets)


def test_a_length_of_0_is_learning_as_it_is() -> None:
    nets = random_net(dtype=np.float32), random_net(dtype=np.float32)
    given = images(), ALL, LABELS, CASE_WEIGHTS.astype(np.float32), Step(0.3, 0.5)
    for net, more in zip(nets, ({}, {"adversarial": 0.0}), strict=True):
        Backpropagation(net, 5, **more).learn(*given)
    assert_nets_equal(*nets)


# -- the mixed gradient's half -------------------------------------------------------------------


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_mixed_gradient_s_half_is_that_of_images_moved_in_the_whole_net(
    seed: int, dropped: bool
) -> None:
    net, keep, ends = slow.random_net(seed), (*KEEP, 0.5), []
    whole = [1.0, 1.0, 1.0, np.ones((3, 1))]
    data, bound = moved(IMAGES, lambda at: -label_log_probs_of_kept(net, at, whole))
    for given, length in ((IMAGES, LENGTH), (data, 0.0), (IMAGES, 0.0)):
        own, asked = package_net(net), given.copy()
        dropout = Dropout(keep, generator()) if dropped else None
        learner = LabelBackpropagation(own, len(IMAGES) + 2, dropout, length)
        costs = learner.gather(asked, HYBRID_LABELS, Step(1.0))
        learner.apply(Step(1.0))
        np.testing.assert_array_equal(asked, given)  # which the generative half has too
        ends.append({"costs": costs, **own.arrays()})
    weights = net.vishid, net.hidpen, net.memory_weights
    steepest = 10 * np.prod([1 + abs(w).sum() for w in weights]) / np.prod(keep)
    allowed = ROUNDING + steepest * bound
    assert abs(ends[0]["costs"] - ends[2]["costs"]).max() > 1000 * allowed
    for name, array in ends[0].items():
        np.testing.assert_allclose(array, ends[1][name], rtol=0, atol=allowed, err_msg=name)


# -- learners ------------------------------------------------------------------------------------


def test_the_learner_moves_images_as_far_as_its_settings_say() -> None:
    one, other = (learner(adversarial=length) for length in (0.0, LENGTH))
    batches = []
    algorithm = one._backprop, other._backprop
    plain, moved_ = (own.learn for own in algorithm)
    given = TRAIN.images, np.arange(4), TRAIN.labels[:4], np.ones(4, np.float32), Step(0.0)
    for learn in (plain, moved_):
        batches.append(learn(*given))
    net = random_net(dtype=np.float32, seed=9)
    own = one.settings
    dropout = Dropout.of(own, 2, generator(9))
    expected = Backpropagation(net, 4, dropout, adversarial=LENGTH).learn(*given)
    np.testing.assert_array_equal(batches[1], expected)
    assert (batches[0] != batches[1]).all()


def test_moving_images_takes_two_more_passes_through_all_weights() -> None:
    plain, moved_ = (learner(adversarial=length) for length in (0.0, LENGTH))
    for own in (plain, moved_):
        run(own, 1)
    assert moved_.work()[0] * 3 == plain.work()[0] * 5
    mixed = RECIPES["adversarial"].settings_with("wakesleep", {"search_bp_weight": True})
    without = dataclasses.replace(mixed, adversarial=0.0)
    more, less = (wakesleep.work_of_case(own, 0, 100, 1000) for own in (mixed, without))
    assert more - less == 2 * 1100
