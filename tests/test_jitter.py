"""Gradients found by jitter, held against all draws of it on nets of a few weights, in float64.

With a finite jitter an estimate has errors of even orders of its size alone, for every draw has an
opposite one. So where a mean over all draws is off by ``a size^2 + b size^4 + ...``, half the size
is off by a quarter of it, but for a share of the order of ``size^2``; at a size of 0.02 that is
0.0004, and a share of the size itself is allowed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from hinton06 import jitter
from hinton06.jitter import Gradient
from hinton06.models import Classifier

SIZE = 0.02


def net(*sizes: int) -> Classifier:
    rng = np.random.default_rng(3)
    weights = tuple(rng.normal(0, 1, pair) for pair in itertools.pairwise(sizes))
    return Classifier(weights, tuple(rng.normal(0, 1, n) for n in sizes[1:]))


def batch(n: int, n_pixels: int = 2) -> tuple[jitter.Array, jitter.Labels]:
    rng = np.random.default_rng(5)
    return rng.random((n, n_pixels)), np.arange(n) % 2


def flat(gradient: Gradient) -> jitter.Array:
    return np.concatenate([array.ravel() for array in gradient.values()])


def unflat(model: Classifier, values: jitter.Array) -> Gradient:
    parameters = model.parameters()
    parts = np.split(values, np.cumsum([p.size for p in parameters.values()])[:-1])
    return {
        name: part.reshape(p.shape)
        for (name, p), part in zip(parameters.items(), parts, strict=True)
    }


def all_signs(n: int) -> Iterator[jitter.Array]:
    return (np.array(each) for each in itertools.product((-1.0, 1.0), repeat=n))


def one_at_a_time(n: int) -> Iterator[jitter.Array]:
    """Of one weight of n, up or down; n times as far in the square, as it is n times as rare."""
    return (sign * np.sqrt(n) * row for sign in (-1, 1) for row in np.eye(n))


DRAWS = [all_signs, one_at_a_time]


def falls_with_the_square(off: Callable[[float], float]) -> None:
    large, small = off(SIZE), off(SIZE / 2)
    assert large > 1e-9  # or rounding is all that there is
    assert small == pytest.approx(large / 4, rel=SIZE)


def test_calculus_finds_the_central_differences_of_the_mean_log_probability() -> None:
    model, (images, labels) = net(3, 4, 2, 3), batch(5, 3)
    found = jitter.by_calculus(model, images, labels)
    assert list(found) == list(model.parameters())
    for name, array in model.parameters().items():
        for place in np.ndindex(array.shape):
            before, ends = array[place], []
            for step in (1e-5, -1e-5):
                array[place] = before + step
                logs = jitter.up_pass(model, images)[-1]
                ends.append(np.mean([logs[n, label] for n, label in enumerate(labels)]))
            array[place] = before
            # Rounding of a mean of order 1, over the step; the step's square is less.
            slope = (ends[0] - ends[1]) / 2e-5
            assert found[name][place] == pytest.approx(slope, abs=1e-9)


# -- of the weights ------------------------------------------------------------------------------


@pytest.mark.parametrize("draws", DRAWS)
def test_the_mean_over_all_jitters_of_weights_is_the_gradient_to_second_order(
    draws: Callable[[int], Iterator[jitter.Array]],
) -> None:
    model, (images, labels) = net(2, 1, 2), batch(3)
    exact = flat(jitter.by_calculus(model, images, labels))
    assert len(exact) == jitter.number_of_weights(model) == 7

    def off(size: float) -> float:
        estimates = [
            flat(jitter.by_weights(model, images, labels, unflat(model, draw), size))
            for draw in draws(7)
        ]
        return float(np.linalg.norm(np.mean(estimates, axis=0) - exact))

    falls_with_the_square(off)


@pytest.mark.parametrize("draws", DRAWS)
def test_many_weights_at_once_vary_as_much_as_one_at_a_time(
    draws: Callable[[int], Iterator[jitter.Array]],
) -> None:
    """(n - 1) |g|^2: "Changing many weights at the same time is no more efficient"."""
    model, (images, labels) = net(2, 1, 2), batch(3)
    exact = flat(jitter.by_calculus(model, images, labels))

    def off(size: float) -> float:
        squares = [
            np.square(
                flat(jitter.by_weights(model, images, labels, unflat(model, d), size)) - exact
            )
            for d in draws(7)
        ]
        return abs(float(np.mean(squares, axis=0).sum()) - 6 * float(exact @ exact))

    falls_with_the_square(off)


def test_a_jitter_of_weights_is_of_all_of_them_and_of_either_sign() -> None:
    model = net(20, 30, 10)
    draw = jitter.of_all_weights(model, np.random.default_rng(0))
    assert {name: a.shape for name, a in draw.items()} == {
        name: a.shape for name, a in model.parameters().items()
    }
    assert set(np.unique(flat(draw))) == {-1, 1}
    n = jitter.number_of_weights(model)
    assert abs(flat(draw).sum()) < 4 * np.sqrt(n)  # four standard deviations


# -- of the activities ---------------------------------------------------------------------------


def by_every_jitter_of_activities(
    model: Classifier, images: jitter.Array, labels: jitter.Labels, size: float
) -> list[Gradient]:
    shapes = [(len(images), n) for n in model.sizes[1:-1]]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    return [
        jitter.by_activities(
            model, images, labels,
            [part.reshape(shape) for part, shape in zip(np.split(d, ends), shapes, strict=False)],
            size,
        )
        for d in all_signs(int(ends[-1]))
    ]  # fmt: skip


def test_the_mean_over_all_jitters_of_activities_is_the_gradient_to_second_order() -> None:
    model, (images, labels) = net(2, 2, 2, 2), batch(2)
    exact = jitter.by_calculus(model, images, labels)

    def off(size: float) -> float:
        found = by_every_jitter_of_activities(model, images, labels, size)
        top = [name for name in exact if name.startswith("layer 3 ")]
        for name in top:  # "whose desired states were known"
            for estimate in found:
                assert estimate[name] == pytest.approx(exact[name], abs=1e-14)
        mean = np.mean([flat(estimate) for estimate in found], axis=0)
        return float(np.linalg.norm(mean - flat(exact)))

    falls_with_the_square(off)


def test_the_variance_of_activities_is_a_feature_s_less_for_each_case() -> None:
    """Of n cases and one layer of H features: (H - 1) / n^2 times the sum of their |g|^2."""
    model, (images, labels) = net(2, 3, 2), batch(2)
    hidden = [name for name in model.parameters() if name.startswith("layer 1 ")]
    exact = jitter.by_calculus(model, images, labels)
    alone = [jitter.by_calculus(model, images[n : n + 1], labels[n : n + 1]) for n in range(2)]
    squares = sum(float(np.square(g[name]).sum()) for g in alone for name in hidden)

    def off(size: float) -> float:
        found = by_every_jitter_of_activities(model, images, labels, size)
        distances = [
            sum(float(np.square(each[name] - exact[name]).sum()) for name in hidden)
            for each in found
        ]
        return abs(float(np.mean(distances)) - 2 / 4 * squares)

    falls_with_the_square(off)


# -- evolution -----------------------------------------------------------------------------------


def test_what_improves_gives_the_labels_a_higher_log_probability() -> None:
    model, (images, labels) = net(2, 3, 2), batch(4)
    gradient = jitter.by_calculus(model, images, labels)
    for size, better in ((0.01, True), (-0.01, False), (0.0, False)):
        other = jitter.jittered(model, gradient, size)
        assert jitter.improves(model, other, images, labels) == better


def test_a_distance_is_summed_over_the_parameters_of_the_first() -> None:
    one = {"a": np.array([1.0, 2.0])}
    assert jitter.squared_distance(one, {"a": np.array([0.0, 4.0]), "b": np.ones(3)}) == 5
