from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from numpy.typing import NDArray

from hinton06 import updates
from hinton06.updates import Momentum, RunningMean, Step, conjugate_gradient, rate_share_at


def take_step(momentum: Momentum, gradient: Any, step: Step) -> None:
    """One step along a gradient."""
    momentum.gather(gradient, step)
    momentum.apply(step)


def test_one_plain_step_worked_by_hand() -> None:
    weights = np.array([[1.0, -2.0]])
    take_step(Momentum(weights), np.array([[0.5, 4.0]]), Step(rate=0.25))
    # 1 + 0.25 * 0.5 and -2 + 0.25 * 4: uphill, so the step has the gradient's sign.
    assert weights.tolist() == [[1.125, -1.0]]


def test_two_steps_with_momentum_and_decay_worked_by_hand() -> None:
    weights = np.array([2.0])
    momentum, step = Momentum(weights), Step(rate=0.1, momentum=0.9, decay=0.5)
    take_step(momentum, np.array([3.0]), step)
    # velocity 0.9 * 0 + 0.1 * (3 - 0.5 * 2) = 0.2
    assert momentum.velocity[0] == pytest.approx(0.2, rel=reference.rounding(10))
    assert weights[0] == pytest.approx(2.2, rel=reference.rounding(10))
    take_step(momentum, np.array([-1.0]), step)
    # velocity 0.9 * 0.2 + 0.1 * (-1 - 0.5 * 2.2) = 0.18 - 0.21 = -0.03
    assert momentum.velocity[0] == pytest.approx(-0.03, abs=reference.rounding(10))
    assert weights[0] == pytest.approx(2.17, rel=reference.rounding(10))


def test_momentum_alone_goes_on_in_the_same_direction() -> None:
    weights = np.array([0.0])
    momentum = Momentum(weights)
    take_step(momentum, np.array([1.0]), Step(rate=1.0, momentum=0.5))
    for expected in (1.5, 1.75, 1.875):
        take_step(momentum, np.array([0.0]), Step(rate=1.0, momentum=0.5))
        assert weights[0] == expected


def test_a_step_leaves_its_gradient_as_it_is() -> None:
    gradient = np.array([1.0, 2.0])
    take_step(Momentum(np.array([3.0, 4.0])), gradient, Step(0.1, 0.9, 0.5))
    assert gradient.tolist() == [1, 2]


# The larger one is what the loops in C take in float32.
@pytest.mark.parametrize("sizes", [(4, 6, 3), (60, 50, 90)], ids=["small", "large"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_step_product_is_a_step_along_the_product(sizes: tuple[int, int, int], dtype: Any) -> None:
    rng = np.random.default_rng(1)
    m, k, n = sizes
    left, right, start = (rng.random(shape, dtype) for shape in ((k, m), (k, n), (m, n)))
    left = left.T
    fused, plain = Momentum(start.copy()), Momentum(start.copy())
    step = Step(rate=0.3, momentum=0.9, decay=0.2)
    for sign in (1, -1, 1):
        fused.step_product((sign * left.T).T, right, 1 / k, step)
        take_step(plain, sign * left @ right / k, step)
    # Three steps of sums of k products, all below 2 in size.
    tolerance = reference.rounding(3 * (3 * k + 2), size=2, dtype=dtype)
    np.testing.assert_allclose(fused.parameter, plain.parameter, rtol=0, atol=tolerance)
    np.testing.assert_allclose(fused.velocity, plain.velocity, rtol=0, atol=tolerance)


@pytest.mark.parametrize("momenta", [(0.0, 0.0, 0.0), (0.9, 0.0, 0.9)], ids=["never", "once"])
def test_step_product_without_momentum_leaves_no_velocity_behind(momenta: tuple[float]) -> None:
    rng = np.random.default_rng(3)
    left, right, start = rng.random((4, 6)), rng.random((6, 3)), rng.random((4, 3))
    fused, expected, velocity = Momentum(start.copy()), start.copy(), np.zeros((4, 3))
    for share in momenta:
        fused.step_product(left, right, 1 / 6, Step(rate=0.3, momentum=share, decay=0.2))
        change = share * velocity + 0.3 * (left @ right / 6 - 0.2 * expected)
        expected += change
        velocity = change if share else 0 * change
    # Three steps of sums of six products, all below 2 in size.
    tolerance = reference.rounding(3 * 20, size=2)
    np.testing.assert_allclose(fused.parameter, expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(fused.velocity, velocity, rtol=0, atol=tolerance)


def whole(shape: tuple[int, ...], seed: int, dtype: Any) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("width", [3, 1300], ids=["small", "large"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "momenta",
    [(0.0, 0.0), (0.0, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5)],
    ids=lambda momenta: f"{momenta}",
)
def test_biases_move_exactly_as_weights_from_a_unit_that_is_always_on(
    momenta: tuple[float, ...], dtype: Any, width: int
) -> None:
    """Also without momentum; all numbers have few digits, so that no sum of them is rounded."""
    start, always_on = whole((1, width), 1, dtype), np.ones((1, 4), dtype)
    names = "step_product", "gather_product", "gather", "step_sum", "gather_sum", "step_difference"
    ways = {
        name: Momentum(start.copy() if "product" in name or name == "gather" else start[0].copy())
        for name in names
    }
    for number, momentum in enumerate(momenta):
        deltas, step = whole((4, width), number + 2, dtype), Step(rate=0.5, momentum=momentum)
        ways["step_product"].step_product(always_on, deltas, 0.25, step)
        ways["gather_product"].gather_product(always_on, deltas, 0.25, step)
        ways["gather"].gather(0.25 * deltas.sum(axis=0, keepdims=True), step)
        ways["step_sum"].step_sum(deltas, 0.25, step)
        ways["gather_sum"].gather_sum(deltas, 0.25, step)
        ways["step_difference"].step_difference(deltas, np.zeros_like(deltas), 0.25, step)
        for name in ("gather_product", "gather", "gather_sum"):
            ways[name].apply(step)
        weights = ways["step_product"]
        for name, way in ways.items():
            for mine, theirs in (
                (way.parameter, weights.parameter), (way.velocity, weights.velocity),
            ):  # fmt: skip
                np.testing.assert_array_equal(mine.reshape(-1), theirs[0], err_msg=name)
            assert momentum or not way.velocity.any(), name


@pytest.mark.parametrize(
    "shape",
    [(700, 250), (2, 40_000), (80_000,), (131, 250), (1, 1)],
    ids=["matrix", "long rows", "vector", "small matrix", "one number"],
)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_updates_of_arrays_of_every_size_equal_the_plain_formula(
    shape: tuple[int, ...], decay: float
) -> None:
    rng = np.random.default_rng(2)
    start, first, second = (rng.standard_normal(shape) for _ in range(3))
    momentum, step = Momentum(start.copy()), Step(rate=0.1, momentum=0.9, decay=decay)
    take_step(momentum, first, step)
    take_step(momentum, second, step)
    velocity = 0.1 * (first - decay * start)
    after_one = start + velocity
    velocity = 0.9 * velocity + 0.1 * (second - decay * after_one)
    # Some ten roundings of numbers below 6, six standard deviations among a million.
    tolerance = reference.rounding(10, size=6)
    np.testing.assert_allclose(momentum.velocity, velocity, rtol=0, atol=tolerance)
    np.testing.assert_allclose(momentum.parameter, after_one + velocity, rtol=0, atol=tolerance)


def test_float32_parameters_are_updated_in_place_in_float32() -> None:
    weights = np.ones((3, 2), np.float32)
    momentum = Momentum(weights)
    momentum.step_product(np.ones((3, 4), np.float32), np.ones((4, 2), np.float32), 0.25, Step(0.5))
    assert momentum.parameter is weights
    assert momentum.velocity.dtype == np.float32
    assert (weights == 1.5).all()


def test_a_running_mean_is_plain_until_its_window_is_full_and_exponential_from_there() -> None:
    value = np.array([4.0])
    mean = np.array([100.0])  # what was there before has no share
    running = RunningMean({"x": value}, {"x": mean}, window=3)
    for number, expected in ((4.0, 4.0), (8.0, 6.0), (12.0, 8.0), (2.0, 6.0), (9.0, 7.0)):
        value[0] = number
        running.add()
        # Some ten roundings of numbers below 20.
        assert mean[0] == pytest.approx(expected, abs=reference.rounding(10, size=20))
    assert running.count == 5


# -- conjugate gradient ----------------------------------------------------------------------


class Bowl:
    """``sum_i curvature_i * (x_i - lowest_i)^2 / 2`` over a matrix and a vector."""

    def __init__(self, dtype: Any = np.float64) -> None:
        rng = np.random.default_rng(3)
        self.shapes = [(2, 3), (4,)]
        self.parameters = [rng.standard_normal(s).astype(dtype) for s in self.shapes]
        self.curvature = [1 + 9 * rng.random(s) for s in self.shapes]
        self.lowest = [rng.standard_normal(s) for s in self.shapes]

    def gradient(self) -> list[NDArray[Any]]:
        parts = zip(self.parameters, self.curvature, self.lowest, strict=True)
        return [c * (p - low) for p, c, low in parts]

    def __call__(self) -> tuple[float, list[NDArray[Any]]]:
        gradient = self.gradient()
        parts = zip(gradient, self.parameters, self.lowest, strict=True)
        return sum(float(np.sum(g * (p - low))) for g, p, low in parts) / 2, gradient


def test_conjugate_gradient_returns_the_first_cost_and_lowers_it_with_every_search() -> None:
    costs = [Bowl()()[0]]
    for line_searches in (1, 2, 3, 4):
        bowl = Bowl()
        assert conjugate_gradient(bowl.parameters, bowl, line_searches) == costs[0]
        costs.append(bowl()[0])
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == len(costs)


def test_the_first_line_search_goes_straight_down_the_gradient() -> None:
    bowl = Bowl()
    start, gradient = [p.copy() for p in bowl.parameters], bowl.gradient()
    conjugate_gradient(bowl.parameters, bowl, 1)
    moves = [p - s for p, s in zip(bowl.parameters, start, strict=True)]
    lengths = np.concatenate(
        [(m / -g).ravel() for m, g in zip(moves, gradient, strict=True)]
    )  # how far along minus the gradient each element went: all the same, and forwards
    assert (lengths > 0).all()
    # A move is the difference of two numbers of order 1; the smallest gradient magnifies it.
    smallest = min(float(abs(g).min()) for g in gradient)
    assert np.ptp(lengths) < reference.rounding(10, size=4) / smallest


def test_conjugate_gradient_changes_float32_parameters_in_place() -> None:
    bowl = Bowl(np.float32)
    before = bowl()[0]
    kept = list(bowl.parameters)
    conjugate_gradient(bowl.parameters, bowl, 2)
    assert all(p is k and p.dtype == np.float32 for p, k in zip(bowl.parameters, kept, strict=True))
    assert bowl()[0] < before


@pytest.mark.parametrize("scale", [1e-7, 1e-8])
def test_a_line_search_is_given_up_after_20_evaluations(scale: float) -> None:
    """As where a batch is learned, and the slope of its cost is lost in the cost's rounding."""
    bowl = Bowl()
    costs, points = [], []

    def rounded() -> tuple[float, list[NDArray[Any]]]:
        cost, gradient = bowl()
        costs.append(float(np.float32(1 + scale * cost)))
        points.append([p.copy() for p in bowl.parameters])
        return costs[-1], [scale * g for g in gradient]

    assert conjugate_gradient(bowl.parameters, rounded, 3) == costs[0]
    assert 3 < len(costs) <= 1 + 3 * 20
    best = points[costs.index(min(costs))]
    for parameter, lowest in zip(bowl.parameters, best, strict=True):
        np.testing.assert_array_equal(parameter, lowest)


def test_a_line_search_that_is_given_up_leaves_the_best_point_of_all() -> None:
    """Not one that was only better than the point before it."""
    points: list[NDArray[Any]] = []
    parameters = [np.zeros(3)]

    def cost_and_gradient() -> tuple[float, list[NDArray[Any]]]:
        """Too small a fall at the third evaluation, then other costs; the slope never changes."""
        points.append(parameters[0].copy())
        n = len(points)
        return {1: 1.0, 3: 1 - 1e-9}.get(n, 1.01 + n % 2 / 100), [np.ones(3)]

    assert conjugate_gradient(parameters, cost_and_gradient, 1) == 1.0
    assert len(points) == 1 + updates.MOST_EVALUATIONS
    assert points[2].any()
    np.testing.assert_array_equal(parameters[0], points[2])


def test_the_cost_that_is_returned_is_no_evaluation_of_the_first_line_search() -> None:
    seen: list[int] = []

    def flat() -> tuple[float, list[NDArray[Any]]]:
        """A slope that never lowers the cost: no search finds anything."""
        seen.append(1)
        return 1.0, [np.ones(3)]

    parameters = [np.zeros(3)]
    assert conjugate_gradient(parameters, flat, 3) == 1.0
    assert len(seen) == 1 + updates.MOST_EVALUATIONS
    np.testing.assert_array_equal(parameters[0], np.zeros(3))


def test_a_second_line_search_has_as_many_evaluations_as_the_first() -> None:
    bowl, costs = Bowl(), []

    def noted() -> tuple[float, list[NDArray[Any]]]:
        cost, gradient = bowl()
        costs.append(cost)
        return cost, gradient

    conjugate_gradient(bowl.parameters, noted, 1)
    first = len(costs)
    bowl, seen = Bowl(), []

    def then_stuck() -> tuple[float, list[NDArray[Any]]]:
        """After the first search every cost is higher than the one that it ended with."""
        seen.append(1)
        return bowl() if len(seen) <= first else (costs[-1] + 1, bowl.gradient())

    conjugate_gradient(bowl.parameters, then_stuck, 3)
    assert len(seen) == first + updates.MOST_EVALUATIONS


def test_line_searches_that_go_well_are_not_counted_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends = []
    for most in (updates.MOST_EVALUATIONS, 1_000_000):
        monkeypatch.setattr(updates, "MOST_EVALUATIONS", most)
        bowl, evaluations = Bowl(), []

        def counted(bowl: Bowl = bowl, seen: list[int] = evaluations) -> Any:
            seen.append(1)
            return bowl()

        conjugate_gradient(bowl.parameters, counted, 12)
        assert len(evaluations) > 1 + 20
        ends.append(bowl.parameters)
    for limited, unlimited in zip(*ends, strict=True):
        np.testing.assert_array_equal(limited, unlimited)


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_a_rate_without_epochs_to_fall_in_stays(epoch: int) -> None:
    assert rate_share_at(epoch, 0, 0.01) == 1
    assert rate_share_at(epoch, 3, 0.5) == max(0.5, 1 - 0.25 * epoch)
