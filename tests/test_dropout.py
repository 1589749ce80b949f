"""Dropout: what is left out, what the rest learns, and when; and that no table mixes it up."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
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
from hinton06.dropout import Dropout, UnfitDropoutError, chances
from hinton06.hybrid import LabelBackpropagation
from hinton06.models import Classifier
from hinton06.recipes import RECIPES, BackpropSettings, conditions
from hinton06.recognition import log_probs, score
from hinton06.updates import Momentum, Step

KEEP = (0.7, 0.6, 0.8)
# A path from a pixel to a gradient has fewer than 400 sums, products, quotients and exponentials,
# of numbers up to 20: the largest case weight over the smallest chance to be kept.
ROUNDING = reference.rounding(400, size=20)


def generator(seed: int = 4) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


def factors_of_kept(keep: Sequence[float], sizes: Sequence[int], n: int) -> list[Floats]:
    """1 / chance of each unit that is kept, else 0, by the draws of a learner's first batch."""
    rng = generator()
    return [
        (rng.random((n, size)) < chance) / chance for chance, size in zip(keep, sizes, strict=True)
    ]


def log_probs_of_kept(net: Classifier, data: Floats, factors: Sequence[Floats]) -> Floats:
    """Of each case, with activities times `factors`: 1 / chance if they are kept, or 0."""
    units = data * factors[0]
    for number, (weights, bias) in enumerate(zip(net.weights, net.biases, strict=True), 1):
        inputs = units @ weights + bias
        if number < len(net.weights):
            units = factors[number] / (1 + np.exp(-inputs))
    return np.asarray(inputs - np.log(np.exp(inputs).sum(axis=1, keepdims=True)))


def label_log_probs_of_kept(net: slow.Net, data: Floats, factors: Sequence[Floats]) -> Floats:
    """Of each case's label, by free energies: activities times 1 / chance, if kept, or 0."""
    units = data * factors[0]
    layers = ((net.vishid, net.hid_rec_bias), (net.hidpen, net.pen_rec_bias))
    for number, (weights, bias) in enumerate(layers, 1):
        units = factors[number] / (1 + np.exp(-units @ weights - bias))
    n_pen = len(net.pen_rec_bias)
    pentop, labtop = net.memory_weights[:n_pen], net.memory_weights[n_pen:]
    top = (units @ pentop + net.memory_hidden_bias)[:, None] + labtop
    shares = factors[3][:, None] * np.log(1 + np.exp(top))
    minus = shares.sum(axis=2) + net.memory_visible_bias[n_pen:]
    chosen = minus[np.arange(len(data)), HYBRID_LABELS]
    return np.asarray(chosen - np.log(np.exp(minus).sum(axis=1)))


def test_each_layer_has_its_own_chance_bottom_to_top() -> None:
    own = settings(pixel_dropout=0.3, feature_dropout=(0.1, 0.2, 0.4))
    assert chances(own, 3) == pytest.approx((0.7, 0.9, 0.8, 0.6))
    assert chances(settings(pixel_dropout=0.3, feature_dropout=(0.2,)), 2) == (0.7, 0.8, 0.8)


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
    factors = factors_of_kept(KEEP, SIZES[:-1], 5)
    assert all(0 < (own > 0).mean() < 1 for own in factors)
    after = net.copy()
    learner = Backpropagation(after, 5, Dropout(KEEP, generator()))
    costs = learner.learn(images(), ALL, LABELS, CASE_WEIGHTS, Step(1.0))

    def case_costs() -> Floats:
        return -log_probs_of_kept(net, images(), factors)[np.arange(5), LABELS]

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
    factors = factors_of_kept(keep, sizes, n)
    learner = LabelBackpropagation(found, n + 2, Dropout(keep, generator()))
    data = IMAGES.copy()
    costs = learner.gather(data, HYBRID_LABELS, Step(1.0))
    learner.apply(Step(1.0))
    np.testing.assert_array_equal(data, IMAGES)  # which the generative half has too

    def log_prob() -> Floats:
        return label_log_probs_of_kept(net, IMAGES, factors)

    np.testing.assert_allclose(costs, -log_prob(), rtol=0, atol=ROUNDING)
    after = found.arrays()
    for name, array in net._asdict().items():
        slope, error = reference.central_differences(lambda: float(log_prob().mean()), array)
        assert (abs(after[name] - before[name] - slope) <= error + ROUNDING).all(), name


# -- learning ------------------------------------------------------------------------------------

VALUES: dict[str, Any] = {
    "batch": 4, "rate": 0.1, "all_cases_rate": 0.3, "patience": 2, "max_epochs": 50,
    "pixel_dropout": 0.2, "feature_dropout": (0.4, 0.3), "epochs": 4, "final_share": 0.1,
}  # fmt: skip


def settings(**changes: Any) -> BackpropSettings:
    recipe = RECIPES["tr2006"].settings("backprop", conditions(dropout=True))
    return dataclasses.replace(recipe, **(VALUES | changes))


def learner(seed: int = 9, target: float | None = None, **changes: Any) -> DiscriminativeFineTuning:
    net = random_net(dtype=np.float32, seed=seed)
    valid = VALID if target is None else None
    own = settings(**changes)
    return DiscriminativeFineTuning(
        net, TRAIN, own, np.random.default_rng(seed), valid, target, masks=generator(seed)
    )


def test_what_is_measured_is_the_whole_net_and_asking_it_draws_nothing() -> None:
    made = learner()
    (row,) = run(made, 1)
    for part, measured in (("valid", VALID), ("train", TRAIN)):
        whole = score(log_probs(made.net, measured.images), measured.labels)
        assert row[f"{part}_cost"] == whole.cost_per_100
        assert row[f"{part}_errors"] == whole.errors
    assert row["sampled_cost"] != pytest.approx(row["train_cost"], rel=1e-3)
    state = made._masks.bit_generator.state if made._masks else None
    first, second = (log_probs(made.net, VALID.images) for _ in "12")
    np.testing.assert_array_equal(first, second)
    assert made._masks is not None
    assert repr(made._masks.bit_generator.state) == repr(state)


@pytest.mark.parametrize("target", [None, 0.0])
def test_the_rate_falls_linearly_to_its_share_and_stays_there(target: float | None) -> None:
    rows = run(learner(target=target), 6)
    first = 0.1 if target is None else 0.3
    shares = [1, 0.7, 0.4, 0.1, 0.1, 0.1]
    assert [row["rate"] for row in rows] == pytest.approx([first * share for share in shares])


def test_each_update_takes_the_rate_of_its_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    own = Backpropagation.learn

    def noted(self: Any, *given: Any) -> Any:
        rates.append(given[4].rate)
        return own(self, *given)

    monkeypatch.setattr(Backpropagation, "learn", noted)
    run(learner(), 2)
    assert rates == pytest.approx([0.1] * 6 + [0.07] * 6)


def test_no_rule_stops_learning_before_the_rate_has_fallen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script_validation(monkeypatch, costs=[1, 2, 3, 4, 5], errors=[1, 2, 3, 4, 5])
    made = learner(epochs=5)  # both conditions hold after 3 epochs already
    while not made.finished():
        run(made, 1)
    assert (made.epoch, made.selected.epoch) == (5, 1)
    assert not made.capped


def test_after_that_the_chapter_s_rules_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    script_validation(monkeypatch, costs=[5, 4, 3, 2, 1, 2, 3], errors=[9, 9, 9, 5, 4, 4, 4])
    made = learner(epochs=3)
    while not made.finished():
        run(made, 1)
    assert (made.epoch, made.selected.epoch) == (7, 5)


@pytest.mark.parametrize("target", [0.0, 1e9])
def test_on_all_cases_learning_ends_when_the_rate_has_fallen(target: float) -> None:
    reached = learner(target=target, epochs=3)
    for epoch in range(3):
        assert not reached.finished()
        assert reached.expected_epochs() == 3
        run(reached, 1)
        assert reached.epoch == epoch + 1
    assert reached.finished() == "the rate has fallen"
    assert not reached.capped


def test_masks_have_draws_of_their_own_and_cases_come_as_without() -> None:
    seen: list[list[Any]] = []
    for dropout in (False, True):
        plain = dataclasses.replace(RECIPES["tr2006"].backprop, batch=4, importance_sampling=False)
        own = settings() if dropout else plain
        made = DiscriminativeFineTuning(
            random_net(dtype=np.float32), TRAIN, own, np.random.default_rng(1), VALID,
            masks=generator(),
        )  # fmt: skip
        run(made, 1)
        seen.append([made._sampler.batch(4)[0].tolist() for _ in range(9)])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("n_before", [0, 1, 5])
@pytest.mark.parametrize("target", [None, 0.0])
@pytest.mark.parametrize("importance_sampling", [False, True])
def test_learning_goes_on_bit_for_bit_from_what_was_saved(
    n_before: int, target: float | None, importance_sampling: bool
) -> None:
    more: Any = {"importance_sampling": importance_sampling, "easy_cost": 1.0, "max_norm": 2.0}
    whole = learner(target=target, **more)
    run(whole, n_before)
    saved = copy.deepcopy(whole.state())
    restored = learner(seed=99, target=target, **more)
    restored.restore(saved)
    assert run(restored, 3) == run(whole, 3)
    assert_nets_equal(restored.net, whole.net)


def test_without_draws_or_with_another_number_of_chances_nothing_is_begun() -> None:
    net, rng = random_net(), np.random.default_rng(1)
    with pytest.raises(ValueError, match="random numbers of its own"):
        DiscriminativeFineTuning(net, TRAIN, settings(), rng, VALID)
    with pytest.raises(UnfitDropoutError, match="3 chances of dropout for 2 layers"):
        learner(feature_dropout=(0.1, 0.2, 0.3))
    assert Dropout.of(settings(feature_dropout=(0.25,)), 3, rng).keep == (0.8, 0.75, 0.75, 0.75)  # type: ignore[union-attr]
    assert Dropout.of(RECIPES["tr2006"].backprop, 3, None) is None


# -- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"pixel_dropout": 0.1}, {"feature_dropout": (0.1,)}, {"max_norm": 1.0},
        {"adversarial": 1.0},
    ],
    ids=lambda values: next(iter(values)),
)  # fmt: skip
def test_what_goes_with_dropout_is_refused_without(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(values))} goes with dropout alone"):
        dataclasses.replace(RECIPES["tr2006"].backprop, **values)


def test_dropout_and_adversarial_training_set_apart_and_conjugate_gradient_has_none() -> None:
    assert settings().apart() == {"dropout"}
    assert settings(adversarial=0.1).apart() == {"dropout", "adversarial"}
    assert RECIPES["tr2006"].backprop.apart() == set()
    with pytest.raises(ValueError, match="goes with the optimiser momentum"):
        settings(optimiser="cg")
    with pytest.raises(ValueError, match="chances below 1"):
        settings(feature_dropout=(0.5, 1.0))


def test_the_quick_recipe_is_quick_in_adversarial_training_too() -> None:
    quick, length = RECIPES["quick"], 1.0
    own = quick.settings("backprop", conditions(dropout=True, adversarial=length))
    plain = quick.settings("backprop", conditions(dropout=True))
    assert own.epochs == plain.epochs < 10
    assert own.extension_epochs == plain.extension_epochs


@pytest.mark.parametrize("name", ["dropout", "adversarial"])
def test_a_recipe_of_its_own_has_the_values_of_its_conditions(name: str) -> None:
    chapter, own = RECIPES["tr2006"], RECIPES[name]
    length = own.backprop.adversarial
    assert (length > 0) == (name == "adversarial")
    given = {"dropout": True, "adversarial": length or None}
    under = conditions(dropout=True, adversarial=length)
    assert own.settings("backprop", under) == chapter.settings_with("backprop", given)
    assert own.settings_with("backprop", {}) == chapter.settings_with("backprop", given)
    assert own.pretrain == chapter.pretrain
    mixed = own.settings("wakesleep", conditions(mixed=True))
    asked = {"search_bp_weight": True, **given}
    assert own.settings_with("wakesleep", {"search_bp_weight": True}) == chapter.settings_with(
        "wakesleep", asked
    )
    assert mixed.dropout
    assert mixed.adversarial == length
    for said in ({}, {"dropout": True}):  # as an extension has it, by the net's coefficient
        assert own.settings_with("wakesleep", said, mixed=True) == dataclasses.replace(
            mixed, search_bp_weight=False
        )
    assert not own.wakesleep.dropout  # of wake-sleep alone there is nothing to drop
    assert not own.wakesleep.adversarial
