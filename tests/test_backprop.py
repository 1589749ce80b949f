from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest
import reference
from numpy.typing import NDArray
from reference import Floats

from hinton06 import backprop, finetuning
from hinton06.backprop import (
    Backpropagation,
    CaseSampler,
    DiscriminativeFineTuning,
    should_stop,
)
from hinton06.models import Classifier
from hinton06.recipes import RECIPES, BackpropSettings
from hinton06.recognition import Cases, Score, case_costs, log_probs, score
from hinton06.updates import Step

Change = tuple[list[Floats], list[Floats]]

# A path from a pixel to a gradient has fewer than 400 sums, products and exponentials, of
# numbers up to 10: the largest case weight.
ROUNDING = reference.rounding(400, size=10)
LABELS = np.array([0, 2, 1, 1, 0])
CASE_WEIGHTS = np.array([1.0, 10.0, 1.0, 0.5, 10.0])
ALL = np.arange(5)
SIZES = (5, 4, 3, 3)


def images(n_cases: int = 5, n_pixels: int = 5) -> Floats:
    return np.random.default_rng(1).random((n_cases, n_pixels))


def random_net(sizes: Sequence[int] = SIZES, dtype: Any = np.float64, seed: int = 2) -> Classifier:
    rng = np.random.default_rng(seed)
    return Classifier(
        tuple(rng.standard_normal(s).astype(dtype) for s in pairwise(sizes)),
        tuple(rng.standard_normal(n).astype(dtype) for n in sizes[1:]),
    )


def change_of(net: Classifier, rows: NDArray[Any], factors: Floats, lowest: int = 0) -> Change:
    """What a step of rate 1 on these of the five cases adds to each array; the net stays."""
    moved = net.copy()
    Backpropagation(moved, 5).learn(images(), rows, LABELS[rows], factors, Step(1.0), lowest)
    return (
        [a - b for a, b in zip(moved.weights, net.weights, strict=True)],
        [a - b for a, b in zip(moved.biases, net.biases, strict=True)],
    )


def assert_nets_equal(left: Classifier, right: Classifier) -> None:
    for a, b in zip(left.weights + left.biases, right.weights + right.biases, strict=True):
        np.testing.assert_array_equal(a, b)


def nets_equal(left: Classifier, right: Classifier) -> bool:
    pairs = zip(left.weights + left.biases, right.weights + right.biases, strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


# -- the gradient ----------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(5, 3), (5, 4, 3), SIZES])
def test_every_step_is_minus_the_central_difference_of_the_weighted_cost(
    sizes: tuple[int, ...],
) -> None:
    net = random_net(sizes)
    weight_changes, bias_changes = change_of(net, ALL, CASE_WEIGHTS)

    def cost() -> float:
        parts = net.weights, net.biases, images(), LABELS.tolist(), CASE_WEIGHTS.tolist()
        return reference.mean_cross_entropy(*parts)

    for parameter, change in zip(
        net.weights + net.biases, weight_changes + bias_changes, strict=True
    ):
        slope, error = reference.central_differences(cost, parameter)
        assert (abs(change + slope) <= error + ROUNDING).all()
        assert abs(slope).max() > 1000 * error.max()


def test_learn_returns_the_unweighted_costs_before_the_step() -> None:
    net = random_net()
    expected = [
        -reference.net_log_probs(net.weights, net.biases, image)[label]
        for image, label in zip(images(), LABELS, strict=True)
    ]
    learner = Backpropagation(net, 5)
    costs = learner.learn(images(), ALL, LABELS, CASE_WEIGHTS, Step(1.0))
    np.testing.assert_allclose(costs, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("lowest", [0, 1, 2])
def test_layers_below_the_lowest_stay_and_the_others_get_the_same_gradient(lowest: int) -> None:
    net = random_net()
    for part, full in zip(
        change_of(net, ALL, CASE_WEIGHTS, lowest), change_of(net, ALL, CASE_WEIGHTS), strict=True
    ):
        assert not any(change.any() for change in part[:lowest])
        for change, expected in zip(part[lowest:], full[lowest:], strict=True):
            np.testing.assert_array_equal(change, expected)


def test_a_batch_is_its_rows_of_the_pixels_in_255ths() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (5, 5), np.uint8)
    rows = np.array([3, 1])
    chosen, converted = random_net(), random_net()
    Backpropagation(chosen, 2).learn(pixels, rows, LABELS[rows], np.ones(2), Step(1.0))
    Backpropagation(converted, 2).learn(
        pixels[rows] / 255, np.arange(2), LABELS[rows], np.ones(2), Step(1.0)
    )
    for a, b in zip(chosen.weights, converted.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=ROUNDING)


def test_a_batch_smaller_than_the_room_takes_the_mean_over_its_own_cases() -> None:
    rows = np.array([4, 2])
    net = random_net()
    learner = Backpropagation(net, 5)
    learner.learn(images(), ALL, LABELS, CASE_WEIGHTS, Step(0.0))  # leaves its traces in the room
    learner.learn(images(), rows, LABELS[rows], np.ones(2), Step(1.0))
    alone = random_net()
    Backpropagation(alone, 2).learn(images(), rows, LABELS[rows], np.ones(2), Step(1.0))
    for a, b in zip(net.weights + net.biases, alone.weights + alone.biases, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=ROUNDING)


def test_momentum_is_applied_to_all_and_decay_to_the_weights_only() -> None:
    net = random_net()
    learner = Backpropagation(net, 5)
    expected = [array.copy() for array in net.weights + net.biases]
    velocity = [np.zeros_like(array) for array in expected]
    for _ in range(2):
        now = Classifier(tuple(expected[:3]), tuple(expected[3:]))
        weight_changes, bias_changes = change_of(now, ALL, CASE_WEIGHTS)
        for k, gradient in enumerate(weight_changes + bias_changes):
            decay = 0.3 if k < 3 else 0.0
            velocity[k] = 0.7 * velocity[k] + 0.2 * (gradient - decay * expected[k])
        learner.learn(images(), ALL, LABELS, CASE_WEIGHTS, Step(0.2, 0.7, 0.3))
        expected = [array + v for array, v in zip(expected, velocity, strict=True)]
    for array, target in zip(net.weights + net.biases, expected, strict=True):
        np.testing.assert_allclose(array, target, rtol=0, atol=2 * ROUNDING)


def test_permuted_pixels_with_a_permuted_start_give_permuted_first_layer_weights() -> None:
    order = np.array([3, 0, 4, 1, 2])
    plain, permuted = random_net(), random_net()
    permuted.weights[0][...] = plain.weights[0][order]
    for net, data in ((plain, images()), (permuted, images()[:, order])):
        learner = Backpropagation(net, 5)
        for _ in range(10):
            learner.learn(data, ALL, LABELS, np.ones(5), Step(0.1))
    # Ten steps at rate 0.1 stretch a difference less than twofold each, as the second slopes of
    # the cost of a net of this size are below 10.
    tolerance = 10 * ROUNDING * 2.0**10
    np.testing.assert_allclose(permuted.weights[0], plain.weights[0][order], rtol=0, atol=tolerance)
    for a, b in zip(permuted.weights[1:], plain.weights[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


# -- importance sampling ---------------------------------------------------------------------


def settings(**changes: Any) -> BackpropSettings:
    fixed: dict[str, Any] = {
        "optimiser": "momentum", "batch": 4, "rate": 0.1, "all_cases_rate": 0.1,
        "momentum": 0.5, "decay": 0.001, "line_searches": 3, "top_only_epochs": 0,
        "importance_sampling": True, "easy_cost": 0.5,
        "easy_probability": 0.25, "patience": 2, "max_epochs": 50,
    }  # fmt: skip
    return dataclasses.replace(RECIPES["quick"].backprop, **(fixed | changes))


class ScriptedSweep:
    """Stands in for a generator: cases in backward order, and the given uniform draws."""

    def __init__(self, uniforms: Floats) -> None:
        self.uniforms = uniforms

    def permutation(self, n: int) -> NDArray[np.int64]:
        return np.arange(n)[::-1]

    def random(self, n: int) -> Floats:
        assert n == len(self.uniforms)
        return self.uniforms[::-1]  # so that draw k is that of case k


def sampler_of(easy: Sequence[bool], rng: Any = None, **changes: Any) -> CaseSampler:
    rng = np.random.default_rng(4) if rng is None else rng
    sampler = CaseSampler(len(easy), settings(**changes), cast(np.random.Generator, rng))
    sampler.note(slice(None), np.where(easy, 0.1, 2.0))
    return sampler


def test_expected_gradient_over_all_selections_is_that_of_the_whole_set() -> None:
    """Each of the 2^3 selections of the easy cases, with the draws that only just make it."""
    net = random_net()
    easy, p = np.array([True, False, True, True, False]), 0.25
    full = [5 * change for part in change_of(net, ALL, np.ones(5)) for change in part]
    mean = [np.zeros_like(array) for array in full]
    for selected in reference.binary_states(3):
        uniforms = np.full(5, np.nextafter(1, 0))
        uniforms[easy] = p * np.where(selected == 1, 1 - 1e-9, 1 + 1e-9)
        sampler = sampler_of(easy.tolist(), ScriptedSweep(uniforms), easy_probability=p)
        rows, factors = sampler.sweep()
        assert sorted(rows) == sorted([1, 4, *np.flatnonzero(easy)[selected == 1]])
        chance = reference.state_probability(np.full(3, p), selected)
        parts = change_of(net, rows, factors)
        for k, change in enumerate(parts[0] + parts[1]):
            mean[k] += chance * len(rows) * change
    for total, expected in zip(mean, full, strict=True):
        np.testing.assert_allclose(total, expected, rtol=0, atol=5 * ROUNDING)


def test_hard_cases_are_selected_once_a_sweep_and_easy_ones_with_their_probability() -> None:
    n = 200_000
    easy = np.arange(n) % 2 == 0
    rows, factors = sampler_of(easy.tolist(), easy_probability=0.1).sweep()
    counts = np.bincount(rows, minlength=n)
    assert (counts[~easy] == 1).all()
    assert counts.max() == 1
    allowed = reference.sampling_error(0.1 * 0.9, n // 2, n_claims=1)
    assert abs(counts[easy].mean() - 0.1) <= allowed
    np.testing.assert_array_equal(factors, np.where(easy[rows], np.float32(10), np.float32(1)))


def test_a_sweep_is_in_random_order() -> None:
    sampler = sampler_of([False] * 100)
    first, second = sampler.sweep()[0], sampler.sweep()[0]
    # One in 100! orders is sorted, and one in 100! equals the other.
    assert (np.diff(first) < 0).any()
    assert (first != second).any()


@pytest.mark.parametrize("size", [1, 3, 5, 12])
def test_batches_run_across_sweeps(size: int) -> None:
    sampler = sampler_of([False] * 5)
    drawn = np.concatenate([sampler.batch(size)[0] for _ in range(20)])
    assert len(drawn) == 20 * size
    whole = drawn[: len(drawn) // 5 * 5].reshape(-1, 5)
    np.testing.assert_array_equal(np.sort(whole, axis=1), np.tile(ALL, (len(whole), 1)))


def test_every_case_keeps_its_factor_when_batches_run_across_sweeps() -> None:
    easy = np.arange(30) % 3 == 0
    sampler = sampler_of(easy.tolist())
    for size in (7, 30, 1, 65):
        rows, factors = sampler.batch(size)
        assert len(rows) == len(factors) == size
        np.testing.assert_array_equal(factors, np.where(easy[rows], 4, 1))


def test_cases_are_hard_until_noted_and_easy_only_below_the_threshold() -> None:
    sampler = CaseSampler(4, settings(easy_cost=0.5), np.random.default_rng(5))
    assert not sampler.easy.any()
    sampler.note(np.array([3, 0, 1]), np.array([0.5, 0.49, 3.0]))
    assert sampler.easy.tolist() == [True, False, False, False]
    sampler.note(np.array([0, 3]), np.array([0.6, 0.0]))
    assert sampler.easy.tolist() == [False, False, False, True]


def test_switched_off_every_sweep_is_a_plain_permutation() -> None:
    sampler = sampler_of([True] * 50, np.random.default_rng(6), importance_sampling=False)
    plain = np.random.default_rng(6)
    for _ in range(3):
        rows, factors = sampler.sweep()
        np.testing.assert_array_equal(rows, plain.permutation(50))
        assert (factors == 1).all()


# -- the stopping rule -----------------------------------------------------------------------

RISING = [float(x) for x in range(1, 20)]


@pytest.mark.parametrize(
    ("costs", "errors", "patience", "expected"),
    [
        ([], [], 10, False),
        ([1.0], [5], 10, False),
        (RISING[:10], [1] + [2] * 9, 10, False),
        (RISING[:11], [1] + [2] * 10, 10, True),
        (RISING[10::-1], [1] + [2] * 10, 10, False),
        ([*RISING[10:0:-1], 2.5], [1] + [2] * 10, 10, True),
        ([1.0] * 11, [1] + [2] * 10, 10, True),
        (RISING[:11], [1] + [2] * 4 + [1] + [2] * 5, 10, True),
        (RISING[:11], [2] * 5 + [1] + [2] * 5, 10, False),
        (RISING[:16], [2] * 5 + [1] + [2] * 10, 10, True),
        ([1.0, 2.0], [3, 2], 0, True),
        ([2.0, 1.0], [3, 2], 0, False),
        ([1.0, 2.0], [3, 2], 1, False),
        ([1.0, 2.0], [2, 3], 1, True),
    ],
    ids=[
        "no epoch yet",
        "one epoch",
        "fewest errors 9 epochs ago",
        "fewest errors 10 epochs ago",
        "cost still falling",
        "lowest cost one epoch ago",
        "cost as low as before",
        "as few errors again later",
        "fewer errors later",
        "10 epochs after those",
        "no patience",
        "no patience but cost falling",
        "one epoch of patience not over",
        "one epoch of patience over",
    ],
)
def test_should_stop(costs: list[float], errors: list[int], patience: int, expected: bool) -> None:
    assert should_stop(costs, errors, patience) is expected


# -- fine-tuning -----------------------------------------------------------------------------

N_TRAIN, N_VALID = 21, 13


def cases(n_cases: int, seed: int) -> Cases:
    """Random pixels whose label is the brightest of the first three."""
    pixels = np.random.default_rng(seed).integers(0, 256, (n_cases, 5), np.uint8)
    return Cases(pixels, pixels[:, :3].argmax(axis=1).astype(np.uint8))


TRAIN, VALID = cases(N_TRAIN, 7), cases(N_VALID, 8)


def tuning(
    seed: int = 9, target_cost: float | None = None, train: Cases = TRAIN, **changes: Any
) -> DiscriminativeFineTuning:
    net = random_net(dtype=np.float32, seed=seed)
    valid = VALID if target_cost is None else None
    rng = np.random.default_rng(seed)
    return DiscriminativeFineTuning(net, train, settings(**changes), rng, valid, target_cost)


def run(learner: DiscriminativeFineTuning, n_epochs: int) -> list[dict[str, float]]:
    return [learner.run_epoch(lambda _: None) for _ in range(n_epochs)]


def run_until_finished(
    learner: DiscriminativeFineTuning,
) -> tuple[list[Classifier], list[dict[str, float]]]:
    """The net after each epoch, the start first, and what each epoch reported."""
    nets, rows = [learner.net.copy()], []
    while learner.finished() is None:
        rows += run(learner, 1)
        nets.append(learner.net.copy())
    return nets, rows


def script_validation(
    monkeypatch: pytest.MonkeyPatch, costs: Sequence[float], errors: Sequence[int]
) -> None:
    """Let the validation set say these, one an epoch; the training set is really measured."""
    script = list(zip(errors, costs, strict=True))

    def scripted(log_probabilities: Floats, labels: NDArray[Any]) -> Score:
        if len(labels) == N_VALID:
            return Score(N_VALID, *script.pop(0))
        return score(log_probabilities, labels)

    monkeypatch.setattr(finetuning, "score", scripted)


def test_fine_tuning_ends_with_the_weights_of_the_fewest_validation_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script_validation(monkeypatch, costs=[9, 8, 7, 8], errors=[5, 3, 3, 4])
    learner = tuning(patience=2)
    nets, rows = run_until_finished(learner)
    # The fewest errors were first seen after epoch 2; two epochs later the cost has risen too.
    assert learner.epoch == 4
    assert "no fewer validation errors for 2 epochs" in str(learner.finished())
    assert not learner.capped
    assert_nets_equal(learner.result(), nets[2])
    assert not nets_equal(nets[2], nets[3])
    measured = score(log_probs(nets[2], TRAIN.images), TRAIN.labels)
    assert (learner.selected.epoch, learner.selected.train) == (2, measured)
    assert [(r["valid_errors"], r["valid_cost"]) for r in rows] == [(5, 9), (3, 8), (3, 7), (4, 8)]
    assert ["train_cost" in row for row in rows] == [True, True, False, False]
    assert (rows[1]["train_cost"], rows[1]["train_errors"]) == (
        measured.cost_per_100,
        measured.errors,
    )


def test_fine_tuning_goes_on_while_the_validation_cost_falls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script_validation(monkeypatch, costs=[9, 8, 7, 6, 5, 6], errors=[1, 2, 2, 2, 2, 2])
    learner = tuning(patience=2)
    nets, _ = run_until_finished(learner)
    assert (learner.epoch, learner.selected.epoch) == (6, 1)
    assert_nets_equal(learner.result(), nets[1])


def test_validation_cases_are_measured_every_few_epochs_and_patience_still_is_in_epochs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script_validation(monkeypatch, costs=[9, 8, 9, 9, 9], errors=[5, 3, 3, 4, 4])
    learner = tuning(patience=5, valid_every=2)
    nets, rows = run_until_finished(learner)
    # The fewest errors were seen after epoch 4; the first measurement five or more epochs later
    # is that of epoch 10.
    assert learner.epoch == 10
    assert "no fewer validation errors for 5 epochs" in str(learner.finished())
    assert learner.selected.epoch == 4
    assert_nets_equal(learner.result(), nets[4])
    assert [n for n, row in enumerate(rows, 1) if "valid_errors" in row] == [2, 4, 6, 8, 10]
    assert [n for n, row in enumerate(rows, 1) if "train_cost" in row] == [2, 4]


def test_no_rule_stops_before_the_rate_has_fallen_with_dropout_or_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script_validation(monkeypatch, costs=[9, 8, 9, 9, 9, 9], errors=[5, 3, 3, 4, 4, 4])
    learner = tuning(patience=1, epochs=5, final_share=0.2, rate=0.5)
    _, rows = run_until_finished(learner)
    assert learner.epoch == 5
    assert [row["rate"] for row in rows] == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1])
    script_validation(monkeypatch, costs=[9, 8, 9, 9, 9, 9], errors=[5, 3, 3, 4, 4, 4])
    learner = tuning(patience=1)
    _, rows = run_until_finished(learner)
    assert learner.epoch == 3
    assert not any("rate" in row for row in rows)


def test_a_cap_between_two_measurements_is_no_rule_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifteen epochs without fewer errors are not the twenty that patience asks."""
    script_validation(monkeypatch, costs=[9, 10, 11], errors=[3, 4, 5])
    learner = tuning(patience=20, valid_every=10, max_epochs=25)
    _, rows = run_until_finished(learner)
    assert [n for n, row in enumerate(rows, 1) if "valid_errors" in row] == [10, 20, 25]
    assert learner.finished() == "stopped by the cap of 25 epochs"
    assert learner.capped


def test_the_end_of_a_schedule_is_measured_too(monkeypatch: pytest.MonkeyPatch) -> None:
    script_validation(monkeypatch, costs=[9, 10, 11], errors=[3, 4, 5])
    rates = settings(dropout=True, epochs=7, patience=2, valid_every=5)
    net, rng, masks = random_net(dtype=np.float32), *map(np.random.default_rng, (1, 2))
    learner = DiscriminativeFineTuning(net, TRAIN, rates, rng, VALID, masks=masks)
    _, rows = run_until_finished(learner)
    assert [n for n, row in enumerate(rows, 1) if "valid_errors" in row] == [5, 7]
    assert "no fewer validation errors for 2 epochs" in str(learner.finished())


def test_learning_itself_is_the_same_however_rarely_the_validation_cases_are_measured() -> None:
    often = tuning(patience=100, max_epochs=7, importance_sampling=False)
    rarely = tuning(patience=100, max_epochs=7, importance_sampling=False, valid_every=3)
    (nets, _), (others, rows) = run_until_finished(often), run_until_finished(rarely)
    for net, other in zip(nets, others, strict=True):
        assert_nets_equal(net, other)
    # Where the cap ends learning they are measured as well.
    assert [n for n, row in enumerate(rows, 1) if "valid_errors" in row] == [3, 6, 7]


def test_what_is_measured_on_the_validation_cases_is_their_own_score() -> None:
    learner = tuning()
    (row,) = run(learner, 1)
    measured = score(log_probs(learner.net, VALID.images), VALID.labels)
    assert (row["valid_errors"], row["valid_cost"]) == (measured.errors, measured.cost_per_100)


def test_fine_tuning_stops_once_the_training_cost_has_fallen_to_its_target() -> None:
    start = score(log_probs(tuning().net, TRAIN.images), TRAIN.labels).cost_per_100
    target = 0.9 * start
    learner = tuning(target_cost=target, max_epochs=1000, importance_sampling=False)
    nets, rows = run_until_finished(learner)
    costs = [score(log_probs(n, TRAIN.images), TRAIN.labels).cost_per_100 for n in nets]
    assert [row["train_cost"] for row in rows] == costs[1:]
    assert min(costs[:-1]) > target >= costs[-1]
    assert str(learner.finished()).startswith("training cost down to")
    assert not learner.capped
    assert learner.result() is learner.net
    assert learner.selected.epoch == learner.epoch


@pytest.mark.parametrize(("target_cost", "used"), [(None, "rate"), (0.0, "all_cases_rate")])
def test_with_all_training_cases_the_rate_is_another(target_cost: float | None, used: str) -> None:
    """One epoch with the one rate moves the net as far whatever the other one is."""
    changes: dict[str, float] = {"rate": 0.0, "all_cases_rate": 0.0}
    start = tuning().net.copy()
    still = tuning(target_cost=target_cost, **changes)
    run(still, 1)
    moved = tuning(target_cost=target_cost, **(changes | {used: 0.1}))
    run(moved, 1)
    both = tuning(target_cost=target_cost, rate=0.1, all_cases_rate=0.1)
    run(both, 1)
    assert_nets_equal(still.net, start)
    assert_nets_equal(moved.net, both.net)
    assert (moved.net.weights[0] != start.weights[0]).any()


@pytest.mark.parametrize("target_cost", [None, 0.0])
def test_the_cap_on_epochs_is_reported(target_cost: float | None) -> None:
    learner = tuning(target_cost=target_cost, max_epochs=3, patience=100)
    assert not learner.capped
    run_until_finished(learner)
    assert learner.epoch == 3
    assert learner.finished() == "stopped by the cap of 3 epochs"
    assert learner.capped


def test_a_rule_met_in_the_last_allowed_epoch_is_no_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    script_validation(monkeypatch, costs=[1, 2, 3], errors=[1, 2, 3])
    learner = tuning(patience=2, max_epochs=3)
    run_until_finished(learner)
    assert learner.epoch == 3
    assert not learner.capped


@pytest.mark.parametrize("optimiser", ["momentum", "cg"])
def test_first_epochs_change_only_the_top(optimiser: str) -> None:
    learner = tuning(optimiser=optimiser, top_only_epochs=2, patience=100)
    start = learner.net.copy()
    run(learner, 2)
    assert nets_equal(
        Classifier(learner.net.weights[:-1], learner.net.biases[:-1]),
        Classifier(start.weights[:-1], start.biases[:-1]),
    )
    assert (learner.net.weights[-1] != start.weights[-1]).any()
    assert (learner.net.biases[-1] != start.biases[-1]).any()
    run(learner, 1)
    for before, after in zip(start.weights, learner.net.weights, strict=True):
        assert (before != after).any()


def test_an_epoch_samples_every_case_with_a_smaller_last_batch() -> None:
    """At rate 0 the mean over an epoch's batches is the cost of the whole training set."""
    learner = tuning(all_cases_rate=0.0, importance_sampling=False, target_cost=0.0)
    ticks: list[float] = []
    row = learner.run_epoch(ticks.append)
    # 21 costs of order 1, summed and divided in float32.
    tolerance = reference.rounding(50, dtype=np.float32)
    assert row["sampled_cost"] == pytest.approx(row["train_cost"], rel=tolerance)
    work = 3.0 * (5 * 4 + 4 * 3 + 3 * 3)
    assert ticks == [work * n for n in (4, 4, 4, 4, 4, 1)]
    assert learner.work() == (sum(ticks), sum(ticks) * 50)


def test_with_importance_sampling_an_epoch_draws_as_many_cases_as_there_are() -> None:
    learner = tuning(easy_cost=1.0, patience=100)
    for _ in range(5):
        ticks: list[float] = []
        learner.run_epoch(ticks.append)
        assert sum(ticks) == 3.0 * (5 * 4 + 4 * 3 + 3 * 3) * N_TRAIN


def test_easy_share_is_the_share_of_cases_last_seen_below_the_threshold() -> None:
    every = tuning(easy_cost=1000.0, rate=0.0)
    none = tuning(easy_cost=0.0, rate=0.0)
    assert run(every, 1)[0]["easy_share"] == 1
    assert run(none, 1)[0]["easy_share"] == 0


def test_after_an_epoch_cases_are_easy_or_hard_by_what_they_cost_the_net_at_its_end() -> None:
    learner = tuning(easy_cost=1.0, patience=100)
    run(learner, 1)
    easy = case_costs(log_probs(learner.net, TRAIN.images), TRAIN.labels) < 1.0
    assert 0 < easy.sum() < N_TRAIN
    np.testing.assert_array_equal(learner.state()["easy"], easy)


def test_weighted_sampled_cost_counts_each_case_with_its_factor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def batch(_: CaseSampler, size: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        rows = np.arange(size)
        return rows, np.where(rows == 0, 10, 1).astype(np.float32)

    monkeypatch.setattr(CaseSampler, "batch", batch)
    learner = tuning(rate=0.0, batch=N_TRAIN)
    (row,) = run(learner, 1)
    probabilities = log_probs(learner.net, TRAIN.images).astype(np.float64)
    costs = -probabilities[np.arange(N_TRAIN), TRAIN.labels]
    expected = 100 * (costs.sum() + 9 * costs[0]) / (N_TRAIN + 9)
    tolerance = reference.rounding(50, dtype=np.float32)
    assert row["sampled_cost"] == pytest.approx(expected, rel=tolerance)


def test_fine_tuning_needs_either_validation_cases_or_a_target() -> None:
    net, rng = random_net(dtype=np.float32), np.random.default_rng(1)
    with pytest.raises(ValueError, match="either"):
        DiscriminativeFineTuning(net, TRAIN, settings(), rng)
    with pytest.raises(ValueError, match="either"):
        DiscriminativeFineTuning(net, TRAIN, settings(), rng, VALID, 1.0)


# -- conjugate gradient ----------------------------------------------------------------------


def test_conjugate_gradient_on_the_whole_set_lowers_its_cost_in_every_epoch() -> None:
    learner = tuning(optimiser="cg", batch=N_TRAIN, target_cost=0.0)
    start = score(log_probs(learner.net, TRAIN.images), TRAIN.labels).cost_per_100
    rows = run(learner, 4)
    costs = [start, *(row["train_cost"] for row in rows)]
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == 5
    # Each epoch reports the cost that it started from.
    tolerance = reference.rounding(50, dtype=np.float32)
    assert [r["sampled_cost"] for r in rows] == pytest.approx(costs[:-1], rel=tolerance)


@pytest.mark.parametrize("top_only_epochs", [0, 1])
def test_conjugate_gradient_is_given_the_central_differences_of_each_batchs_cost(
    monkeypatch: pytest.MonkeyPatch, top_only_epochs: int
) -> None:
    sizes, costs = [], []

    def check(
        parameters: Sequence[Floats],
        cost_and_gradient: Callable[[], tuple[float, list[Floats]]],
        line_searches: int,
    ) -> float:
        cost, gradients = cost_and_gradient()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            slope, error = reference.central_differences(lambda: cost_and_gradient()[0], parameter)
            assert (abs(gradient - slope) <= error + ROUNDING).all()
        assert line_searches == 3
        sizes.append([p.shape for p in parameters])
        costs.append(cost)
        return cost

    monkeypatch.setattr(backprop, "conjugate_gradient", check)
    net = random_net()
    tuned = settings(optimiser="cg", batch=8, top_only_epochs=top_only_epochs)
    learner = DiscriminativeFineTuning(net, TRAIN, tuned, np.random.default_rng(1), target=0.0)
    (row,) = run(learner, 1)
    top_only = [[(3, 3), (3,)]] * 3
    whole = [[(5, 4), (4, 3), (3, 3), (4,), (3,), (3,)]] * 3
    assert sizes == (top_only if top_only_epochs else whole)
    # Batches of 8, 8 and 5 cases cover the set once, and nothing was changed.
    mean = (8 * costs[0] + 8 * costs[1] + 5 * costs[2]) / 21
    assert row["sampled_cost"] == pytest.approx(100 * mean, rel=reference.rounding(10))
    assert row["train_cost"] == pytest.approx(100 * mean, rel=reference.rounding(1000))


# -- saving and going on ---------------------------------------------------------------------


@pytest.mark.parametrize("n_before", [0, 1, 4])
@pytest.mark.parametrize("optimiser", ["momentum", "cg"])
@pytest.mark.parametrize("target_cost", [None, 0.0])
def test_restored_fine_tuning_goes_on_bit_for_bit(
    n_before: int, optimiser: str, target_cost: float | None
) -> None:
    changes: Any = {"optimiser": optimiser, "easy_cost": 1.0, "top_only_epochs": 2}
    whole = tuning(target_cost=target_cost, **changes)
    run(whole, n_before)
    saved = copy.deepcopy(whole.state())
    restored = tuning(seed=99, target_cost=target_cost, **changes)
    restored.restore(saved)
    assert restored.where() == whole.where()
    assert restored.selected == whole.selected
    assert run(restored, 4) == run(whole, 4)
    assert_nets_equal(restored.net, whole.net)
    assert_nets_equal(restored.result(), whole.result())
    assert restored.selected == whole.selected
    assert (restored.epoch, restored.finished()) == (whole.epoch, whole.finished())


def test_saved_state_holds_cases_left_over_from_a_sweep() -> None:
    """What makes the test above mean something: epochs and sweeps do not end together."""
    learner = tuning(easy_cost=1.0, patience=100)
    left_over = []
    for _ in range(10):
        run(learner, 1)
        left_over.append(len(learner.state()["queue"]))
    assert any(left_over)


def test_the_best_net_is_saved_apart_from_the_present_one(monkeypatch: pytest.MonkeyPatch) -> None:
    script_validation(monkeypatch, costs=[1, 2], errors=[1, 2])
    learner = tuning(patience=100)
    nets, _ = [learner.net.copy()], run(learner, 1)
    nets.append(learner.net.copy())
    run(learner, 1)
    restored = tuning(seed=99, patience=100)
    restored.restore(copy.deepcopy(learner.state()))
    assert_nets_equal(restored.result(), nets[1])
    assert_nets_equal(restored.net, learner.net)


def test_a_state_that_does_not_fit_is_not_restored() -> None:
    saved = tuning().state()
    outside = {"queue": np.array([N_TRAIN]), "queue_weights": np.ones(1, np.float32)}
    with pytest.raises(ValueError, match="queue"):
        tuning().restore(saved | outside)
    with pytest.raises(ValueError, match="queue"):
        tuning().restore(saved | {"queue": np.array([0, 1])})
    with pytest.raises(ValueError, match="queue"):
        tuning().restore(saved | {"queue": saved["queue"].astype(np.float64)})
    with pytest.raises(ValueError, match="does not fit"):
        tuning().restore(saved | {"net": random_net((5, 3, 3), np.float32).arrays()})


def test_a_net_taken_apart_and_put_together_is_the_same() -> None:
    net = random_net()
    arrays = net.arrays()
    assert set(arrays) == {f"{part}{i}" for part in ("weights", "biases") for i in (1, 2, 3)}
    assert_nets_equal(Classifier.from_arrays(arrays), net)
    with pytest.raises(KeyError):
        Classifier.from_arrays({"weights2": net.weights[0], "biases2": net.biases[0]})


def test_a_net_is_copied_into_another_s_arrays_of_the_same_sizes() -> None:
    source, target = random_net(seed=10), random_net(seed=11)
    target.copy_from(source)
    assert_nets_equal(source, target)
    assert not any(
        np.shares_memory(a, b) for a, b in zip(source.weights, target.weights, strict=True)
    )
    with pytest.raises(ValueError, match="does not fit"):
        random_net((5, 4, 3)).copy_from(source)


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ([], 50),  # nothing known: the cap
        ([8.0], 50),
        ([8.0, 4.0], 5),  # halves an epoch: 4, 2, 1, and 0.5 after the fifth
        ([8.0, 6.0, 2.0], 5),
        ([8.0, 9.0], 50),  # does not fall
        ([8.0, 0.6], 3),  # at least one more
        ([8.0, 7.9], 50),  # too slow for the cap
    ],
)
def test_the_end_of_a_run_down_to_a_cost_is_told_from_how_the_cost_falls(
    costs: list[float], expected: int
) -> None:
    settings = dataclasses.replace(RECIPES["quick"].backprop, max_epochs=50)
    cases = Cases(np.zeros((4, 3), np.uint8), np.array([0, 1, 0, 1]))
    net = Classifier.random((3, 2, 2), 1.0, np.random.default_rng(1))
    learner = DiscriminativeFineTuning(net, cases, settings, np.random.default_rng(1), target=0.5)
    learner.train_costs = costs
    learner.epoch = len(costs)
    assert learner.expected_epochs() == expected
    again = DiscriminativeFineTuning(net, cases, settings, np.random.default_rng(1), target=0.5)
    again.restore(learner.state())
    assert again.expected_epochs() == expected


def test_a_run_with_validation_cases_has_at_least_an_epoch_to_go() -> None:
    learner = tuning(patience=2)
    learner.epoch = 7
    assert learner.expected_epochs() == 8
