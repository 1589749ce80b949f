"""Log Z, log p and the bound, against full enumeration of models of a few units."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import reference
import reference_generative as slow
from reference import Floats, Machine
from reference_generative import BasePath, Net

from hinton06 import likelihood, native, numerics
from hinton06.generation import Generator
from hinton06.likelihood import (
    Estimate,
    LogZ,
    RbmChains,
    base_biases,
    binarised,
    can_enumerate,
    estimate_log_z,
    exact_log_z,
    from_above,
    from_below,
    log_weights,
    temperatures,
    turned_over,
    visible_states,
)
from hinton06.models import DeepBeliefNet, Rbm, Stack
from hinton06.rbm import ContrastiveDivergence
from hinton06.stacking import features
from hinton06.updates import Step

# Fewer than 400 roundings of numbers below 20 lie on a path to a log probability.
ROUNDING = reference.rounding(400, size=20.0)
BETAS = [0.0, 0.4, 1.0]


def package_rbm(m: Machine, n_labels: int = 0, dtype: Any = np.float64) -> Rbm:
    return Rbm(*(array.astype(dtype) for array in m), n_labels=n_labels)


def visible(m: Machine, n_labels: int = 0) -> Floats:
    if n_labels:
        return slow.labelled_states(m, n_labels)
    return reference.binary_states(len(m.visible_bias))


def slow_log_z(m: Machine, n_labels: int = 0) -> float:
    energies = [reference.free_energy(m, v) for v in visible(m, n_labels)]
    return math.log(sum(math.exp(-e) for e in energies))


def base_of(seed: int, n_visible: int = 4) -> Floats:
    return np.random.default_rng(seed).standard_normal(n_visible)


# -- enumeration -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n_visible", "n_hidden"), [(4, 3), (3, 4), (4, 4), (1, 12), (11, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_z_by_the_smaller_side_is_that_of_all_states(
    n_visible: int, n_hidden: int, dtype: Any
) -> None:
    m = reference.random_machine(1, n_visible, n_hidden)
    m = Machine(*(a.astype(dtype).astype(np.float64) for a in m))
    assert exact_log_z(package_rbm(m, dtype=dtype)) == pytest.approx(
        slow_log_z(m), rel=0, abs=ROUNDING
    )


@pytest.mark.parametrize("n_hidden", [3, 7])
@pytest.mark.parametrize("n_labels", [1, 2, 3])
def test_label_units_are_one_group_of_which_one_is_on(n_hidden: int, n_labels: int) -> None:
    m = reference.random_machine(2, 3 + n_labels, n_hidden)
    exact = exact_log_z(package_rbm(m, n_labels))
    assert exact == pytest.approx(slow_log_z(m, n_labels), rel=0, abs=ROUNDING)


def test_more_states_than_are_visited_at_once() -> None:
    """13 units without weights: log Z is a sum over units."""
    biases = np.random.default_rng(3).standard_normal((2, 13))
    rbm = Rbm(np.zeros((13, 13)), *biases)
    expected = np.logaddexp(0, biases).sum()
    assert exact_log_z(rbm) == pytest.approx(expected, rel=0, abs=ROUNDING)


def test_only_small_sides_are_enumerated() -> None:
    assert can_enumerate(Rbm(np.zeros((21, 20)), np.zeros(21), np.zeros(20)))
    assert can_enumerate(Rbm(np.zeros((20, 21)), np.zeros(20), np.zeros(21)))
    large = Rbm(np.zeros((21, 21)), np.zeros(21), np.zeros(21))
    assert not can_enumerate(large)
    with pytest.raises(ValueError, match=r"2\^21 states"):
        exact_log_z(large)


def test_label_units_do_not_count_among_those_of_a_small_side() -> None:
    """Only one of them is on."""
    small, large = (Rbm(np.zeros((n, 21)), np.zeros(n), np.zeros(21), 3) for n in (23, 24))
    assert can_enumerate(small)
    assert not can_enumerate(large)


# -- the distributions in between ------------------------------------------------------------


def test_temperatures_are_as_published() -> None:
    steps = np.diff(temperatures(14_500))
    counts = [500, 4000, 10_000]
    expected = np.repeat([0.5 / 500, 0.4 / 4000, 0.1 / 10_000], counts)
    np.testing.assert_allclose(steps, expected, rtol=0, atol=reference.rounding(10))
    for n in (1, 2, 7, 1000):
        found = temperatures(n)
        assert (len(found), found[0], found[-1]) == (n + 1, 0, 1)
        assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("n_labels", [0, 2])
@pytest.mark.parametrize(("before", "after"), [*itertools.permutations([0.0, 0.3, 1.0], 2)])
def test_log_ratio_of_every_state_is_that_of_the_formula(
    n_labels: int, before: float, after: float, kind: str
) -> None:
    m, base = reference.random_machine(4, 5), base_of(4, 5)
    path = BasePath(m, base, n_labels)
    expected = np.log(path.density(after) / path.density(before))
    for dtype, size in (
        (np.float64, ROUNDING),
        (np.float32, reference.rounding(400, 20.0, np.float32)),
    ):
        chains = RbmChains(package_rbm(m, n_labels, dtype), base.astype(dtype), path.states)
        found = chains.log_ratio(before, after)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=0, atol=size, err_msg=kind)


def test_log_ratio_of_inputs_beyond_every_exponential_is_finite_and_linear(kind: str) -> None:
    """Features that are on, or off, for sure: the log of the factor of the first is its input."""
    for dtype in (np.float32, np.float64):
        weights = np.array([[5000.0, -5000.0]], dtype)
        rbm = Rbm(weights, np.zeros(1, dtype), np.zeros(2, dtype))
        chains = RbmChains(rbm, np.zeros(1, dtype), np.ones((1, 1)))
        found = chains.log_ratio(0.25, 0.75), chains.log_ratio(0.75, 0.25)
        np.testing.assert_array_equal(found, [[2500], [-2500]], err_msg=kind)
        # From 0, where either feature is a coin.
        found = chains.log_ratio(0.0, 1.0)
        tolerance = reference.rounding(9, 2, dtype) + reference.rounding(9, 5e3)
        assert found == pytest.approx(5000 - 2 * math.log(2), abs=tolerance)


def test_small_steps_add_up_to_a_large_one_in_float32() -> None:
    m, base = reference.random_machine(5, 6, 50), base_of(5, 6)
    rbm, states = package_rbm(m, dtype=np.float32), reference.binary_states(6)
    chains = RbmChains(rbm, base.astype(np.float32), states)
    steps = temperatures(1000)
    total = sum(chains.log_ratio(a, b) for a, b in itertools.pairwise(steps.tolist()))
    # Of 50 features in 1000 steps: each a number of order 1, rounded fewer than 5 times.
    tolerance = reference.rounding(5 * 50 * 1000, dtype=np.float32)
    np.testing.assert_allclose(total, chains.log_ratio(0.0, 1.0), rtol=0, atol=tolerance)


def test_rounding_does_not_add_up_in_one_direction_over_thousands_of_small_steps() -> None:
    """Of features without weights each factor is known."""
    biases = np.random.default_rng(6).normal(0, 2, 500).astype(np.float32)
    rbm = Rbm(np.zeros((1, 500), np.float32), np.zeros(1, np.float32), biases)
    chains = RbmChains(rbm, np.zeros(1, np.float32), np.ones((1, 1)))
    steps = itertools.pairwise(temperatures(14_500).tolist())
    (total,) = sum(chains.log_ratio(*step) for step in steps)
    exact = float(np.logaddexp(0, biases.astype(np.float64)).sum()) - 500 * math.log(2)
    # What is rounded of a feature is, of all steps together, below log 2; by fewer than 12 digits,
    # and, for its temperature is, by as many as its input is large.
    digits = 12 + math.ceil(abs(biases).max())
    assert total == pytest.approx(exact, abs=reference.rounding(digits, 350.0, np.float32))


@pytest.mark.parametrize("n_labels", [0, 3])
def test_chains_at_the_base_are_drawn_from_it_and_its_sum_is_known(n_labels: int) -> None:
    n, m, base = 20_000, reference.random_machine(6, 5), base_of(6, 5)
    path, rbm = BasePath(m, base, n_labels), package_rbm(m, n_labels)
    density = path.density(0.0)
    chains = RbmChains.at_base(rbm, base, n, np.random.default_rng(1))
    assert chains.log_z_at_base() == pytest.approx(math.log(density.sum()), rel=0, abs=ROUNDING)
    assert_distributed(chains.v_states, path, density / density.sum())


def assert_distributed(found: Floats, path: BasePath, expected: Floats) -> None:
    """The states have these frequencies, within what sampling allows."""
    places = 2 ** np.arange(path.states.shape[1])
    n, order = len(found), {int(s @ places): i for i, s in enumerate(path.states)}
    counts = np.bincount([order[int(v @ places)] for v in found], minlength=len(expected))
    allowed = reference.sampling_error(expected * (1 - expected), n, len(expected))
    assert (abs(counts / n - expected) <= allowed).all()


@pytest.mark.parametrize("n_labels", [0, 2])
@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_a_move_has_the_exact_chances_from_every_state(
    n_labels: int, beta: float, kind: str
) -> None:
    n, m, base = 2000, reference.random_machine(7), base_of(7)
    m = Machine(*(a.astype(np.float32).astype(np.float64) for a in m))
    path, rng = BasePath(m, base, n_labels), np.random.default_rng(2)
    rbm = package_rbm(m, n_labels, np.float32)
    for state, expected in zip(path.states, path.kernel(beta), strict=True):
        chains = RbmChains(rbm, base.astype(np.float32), np.tile(state, (n, 1)))
        chains.move(beta, rng)
        assert_distributed(chains.v_states, path, expected)
        fresh = RbmChains(rbm, base.astype(np.float32), chains.v_states)
        np.testing.assert_array_equal(chains.log_ratio(0, 1), fresh.log_ratio(0, 1), err_msg=kind)


@pytest.mark.parametrize("n_labels", [0, 2])
def test_the_kernels_of_the_reference_keep_their_distributions(n_labels: int) -> None:
    path = BasePath(reference.random_machine(8), base_of(8), n_labels)
    for beta in BETAS:
        probs = path.density(beta) / path.density(beta).sum()
        np.testing.assert_allclose(probs @ path.kernel(beta), probs, rtol=0, atol=ROUNDING)


# -- the weights -----------------------------------------------------------------------------


def ratio(path: BasePath) -> float:
    return float(path.density(1.0).sum() / path.density(0.0).sum())


@pytest.mark.parametrize("n_labels", [0, 2])
def test_expected_weights_there_and_back_are_ratios_of_sums(n_labels: int) -> None:
    path = BasePath(reference.random_machine(9), base_of(9), n_labels)
    for betas in ([0.0, 1.0], BETAS, [0.0, 0.2, 0.6, 1.0]):
        assert path.moments(betas, [1])[0][0] == pytest.approx(ratio(path), rel=ROUNDING)
        assert path.moments(betas[::-1], [1])[0][0] == pytest.approx(1 / ratio(path), rel=ROUNDING)


def weights_of(path: BasePath, betas: Sequence[float], n: int, seed: int) -> Floats:
    """The package's weights of n chains, those of the way back from samples of the RBM."""
    rbm, rng = package_rbm(path.m, path.n_labels), np.random.default_rng(seed)
    density = path.density(betas[0])
    start = path.states[rng.choice(len(density), n, p=density / density.sum())]
    chains = RbmChains(rbm, path.base, start)
    if betas[0] == 0:
        chains = RbmChains.at_base(rbm, path.base, n, rng)
    return np.exp(likelihood.anneal(chains, betas, rng))


@pytest.mark.parametrize("n_labels", [0, 2])
@pytest.mark.parametrize("betas", [[0.0, 1.0], BETAS, BETAS[::-1], [0.0, 0.2, 0.6, 1.0]])
def test_sampled_weights_have_the_exact_mean_and_mean_square(
    n_labels: int, betas: list[float]
) -> None:
    n, path = 5000, BasePath(reference.random_machine(10), base_of(10), n_labels)
    (mean, square, fourth), largest = path.moments(betas, [1, 2, 4])
    found = weights_of(path, betas, n, 3)
    allowed = reference.sampling_error(square - mean**2, n, 2, largest)
    assert abs(found.mean() - mean) <= allowed
    # Their squares too: any temperatures have the same expectation, but not the same spread.
    allowed = reference.sampling_error(fourth - square**2, n, 2, largest**2)
    assert abs((found**2).mean() - square) <= allowed


def test_the_log_is_below_in_expectation_there_and_above_on_the_way_back() -> None:
    """Of single chains: both exactly, and as far apart as the package finds them."""
    n, path = 20_000, BasePath(reference.random_machine(11), base_of(11))
    truth = math.log(ratio(path))
    for betas, sign in ((BETAS, 1), (BETAS[::-1], -1)):
        expected, width = path.expected_log(betas)
        # Its variance is at most a quarter of the square of its width.
        allowed = reference.sampling_error(width**2 / 4, n, 2, width)
        found = float(np.log(weights_of(path, betas, n, 4)).mean())
        assert abs(found - expected) <= allowed
        assert sign * (truth - sign * expected) > 0
        assert allowed < abs(truth - sign * expected)  # so that the package's is apart as well


def test_estimates_of_a_tiny_rbm_have_log_z_between_them_and_in_their_intervals() -> None:
    """Of 1000 chains; an interval of three standard errors misses in 3 of 1000 cases."""
    for seed in range(12, 16):
        m = reference.random_machine(seed)
        rbm, rng = package_rbm(m, dtype=np.float32), np.random.default_rng(seed)
        exact = exact_log_z(rbm)
        probs = reference.joint_distribution(m).sum(axis=1)
        samples = visible(m)[rng.choice(16, 1000, p=probs)]
        base, betas = base_biases(rbm, samples.astype(np.float32)), temperatures(50).tolist()
        below = from_below(rbm, base, 1000, betas, rng)
        above = from_above(rbm, base, samples, betas, rng)
        for found in (below, above):
            assert found.low is not None
            assert found.high is not None
            assert found.low <= exact <= found.high
            assert found.low < found.log_z < found.high


def test_an_estimate_and_its_interval_worked_by_hand() -> None:
    logs = np.log([1.0, 3.0, 2.0, 2.0])  # mean 2, variance 2/3 over 3, standard error sqrt(1/6)
    error = 3 * math.sqrt(2 / 3) / 2
    there = Estimate.of(logs, 10.0, 1)
    assert there.log_z == pytest.approx(10 + math.log(2), abs=ROUNDING)
    assert there.low == pytest.approx(10 + math.log(2 - error), abs=ROUNDING)
    assert there.high == pytest.approx(10 + math.log(2 + error), abs=ROUNDING)
    assert there.effective_size == pytest.approx(64 / 18, rel=ROUNDING)
    assert there.log_weight_sd == pytest.approx(float(logs.std(ddof=1)), rel=ROUNDING)
    back = Estimate.of(logs, 10.0, -1)
    assert back.log_z == pytest.approx(10 - math.log(2), abs=ROUNDING)
    assert back.low == pytest.approx(10 - math.log(2 + error), abs=ROUNDING)
    assert back.high == pytest.approx(10 - math.log(2 - error), abs=ROUNDING)


@pytest.mark.parametrize("shift", [-2000.0, 0.0, 2000.0])
def test_one_chain_that_speaks_for_all_leaves_one_end_of_the_interval_open(shift: float) -> None:
    logs = np.array([shift, shift - 50, shift - 50, shift - 50])
    there, back = Estimate.of(logs, 0.0, 1), Estimate.of(logs, 0.0, -1)
    assert there.low is None
    assert back.high is None
    # A quarter of one weight, and three standard errors of it: mean + 3/4 of the largest.
    tolerance = reference.rounding(20, 2000)
    assert there.high == pytest.approx(shift, abs=tolerance)
    assert back.low == pytest.approx(-shift, abs=tolerance)
    assert there.effective_size == pytest.approx(1, rel=1e-12)


# -- log Z as a whole ------------------------------------------------------------------------


def test_log_z_is_exact_where_that_can_be() -> None:
    m = reference.random_machine(17)
    ticks: list[float] = []
    found = estimate_log_z(
        package_rbm(m), visible(m), np.random.default_rng(6), 2, 1, 0, ticks.append
    )
    assert found == LogZ(exact=exact_log_z(package_rbm(m)))
    assert (found.value, found.gap, ticks) == (found.exact, 0, [1.0])


@pytest.mark.parametrize("n_labels", [0, 2])
def test_estimates_of_both_sides_are_those_of_the_enumerated(
    n_labels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = reference.random_machine(18, 6, 5)
    rbm, exact = package_rbm(m, n_labels, np.float32), slow_log_z(m, n_labels)
    monkeypatch.setattr(likelihood, "MOST_ENUMERATED", 3)
    ticks: list[float] = []
    states = visible(m, n_labels).astype(np.float32)
    # From every state by so many rounds that they are samples of the RBM.
    found = estimate_log_z(rbm, states, np.random.default_rng(7), 2000, 50, 200, ticks.append)
    assert found.exact is None
    for side in (found.below, found.above):
        assert side is not None
        assert side.low is not None
        assert side.high is not None
        assert side.low <= exact <= side.high
    assert found.below is not None
    assert found.above is not None
    assert found.value == found.below.log_z
    assert found.gap == found.above.log_z - found.below.log_z
    assert sum(ticks) == pytest.approx(1, rel=reference.rounding(200))
    alone = estimate_log_z(rbm, states, np.random.default_rng(7), 2000, 50)
    assert (alone.below, alone.above, alone.gap) == (found.below, None, None)


def test_an_rbm_turned_over_has_the_same_states_at_the_same_chance_and_sum() -> None:
    m = reference.random_machine(18, 6, 5)
    rbm = package_rbm(m)
    over = turned_over(rbm)
    turned = reference.Machine(m.weights.T, m.hidden_bias, m.visible_bias)
    np.testing.assert_array_equal(over.weights, turned.weights)
    np.testing.assert_allclose(
        reference.joint_distribution(turned), reference.joint_distribution(m).T,
        rtol=reference.rounding(100),
    )  # fmt: skip
    assert exact_log_z(over) == pytest.approx(exact_log_z(rbm), rel=reference.rounding(100))
    np.testing.assert_array_equal(over.visible_bias, turned.visible_bias)
    np.testing.assert_array_equal(over.hidden_bias, turned.hidden_bias)
    with pytest.raises(ValueError, match="label units"):
        turned_over(package_rbm(m, 2))


def one_cause(n: int = 12) -> Rbm:
    """A feature that is on in 5 of 8 cases, and then every visible unit in 19 of 20, else in 1."""
    strength = math.log(19)
    bias = n * (math.log1p(1 / 19) - math.log1p(19)) + math.log(5 / 3)  # less what the units add
    weights = np.full((n, 1), 2 * strength, np.float32)
    return Rbm(weights, np.full(n, -strength, np.float32), np.float32([bias]))


@pytest.mark.parametrize("rounds", [None, 20])
def test_chains_start_from_the_side_whose_base_rates_lead_nearer(
    rounds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the visible units, each on in half of all cases, chains must find that all go along."""
    rbm = one_cause()
    exact, rng = exact_log_z(rbm), np.random.default_rng(8)
    cause = np.repeat(np.float32([[0], [1]]), [300, 500], axis=0)
    states = visible_states(Generator.of_layer([turned_over(rbm)], 1), cause, rng)
    over = numerics.stochastic_pass(cause, [(rbm.weights.T, rbm.visible_bias)], rng)
    monkeypatch.setattr(likelihood, "MOST_ENUMERATED", 0)
    for model, given, turned in ((rbm, over, True), (turned_over(rbm), states, False)):
        ticks: list[float] = []
        found = estimate_log_z(
            model, given, np.random.default_rng(9), 800, 20, rounds, ticks.append
        )
        assert found.turned is turned
        assert sum(ticks) == pytest.approx(1, rel=reference.rounding(200))
        for side in (found.below, found.above) if rounds else (found.below,):
            assert side is not None
            assert side.low is not None
            assert side.high is not None
            assert side.low <= exact <= side.high
    base = base_biases(rbm, over)
    worse = from_below(rbm, base, 800, temperatures(20).tolist(), np.random.default_rng(9))
    assert found.below is not None
    assert worse.log_weight_sd > 2 * found.below.log_weight_sd


def test_the_side_is_chosen_by_trials_whose_estimates_are_thrown_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []
    annealed = likelihood.anneal

    def told(chains: RbmChains, betas: Sequence[float], *more: Any) -> Floats:
        asked.append((chains.rbm.n_visible, len(betas) - 1))
        weights = annealed(chains, betas, *more)
        wanted = 10.0 * chains.rbm.n_hidden
        return weights - weights.mean() + wanted - chains.log_z_at_base()

    monkeypatch.setattr(likelihood, "MOST_ENUMERATED", 3)
    monkeypatch.setattr(likelihood, "anneal", told)
    for n_visible, n_hidden in ((6, 5), (5, 6)):
        m, ticks = reference.random_machine(18, n_visible, n_hidden), list[float]()
        rng, states = np.random.default_rng(1), visible(m).astype(np.float32)
        rbm = package_rbm(m, dtype=np.float32)
        found = estimate_log_z(rbm, states, rng, 4, 50, tick=ticks.append)
        assert asked == [(n_visible, 5), (n_hidden, 5), (5, 50)]
        assert found.turned is (n_visible == 6)
        assert sum(ticks) == pytest.approx(1, rel=reference.rounding(200))
        asked.clear()


@pytest.mark.parametrize("rounds", [0, 200])
def test_the_way_back_starts_where_so_many_rounds_from_the_images_lead(
    rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    m, started = reference.random_machine(19), []

    def back(rbm: Rbm, base: Floats, v_states: Floats, *more: Any) -> Estimate:
        started.append(v_states.copy())
        return from_above(rbm, base, v_states, *more)

    monkeypatch.setattr(likelihood, "_nearer", lambda starts, *_: starts[0])

    monkeypatch.setattr(likelihood, "MOST_ENUMERATED", 2)
    monkeypatch.setattr(likelihood, "from_above", back)
    images = np.array([[0, 0, 0, 1], [0, 1, 1, 0], [1, 1, 1, 1]], np.float32)
    n, rbm = 2000, package_rbm(m, dtype=np.float32)
    estimate_log_z(rbm, images, np.random.default_rng(7), n, 2, rounds)
    if not rounds:
        np.testing.assert_array_equal(started[0], images[np.arange(n) % 3])
        return
    probs = reference.joint_distribution(m).sum(axis=1)
    assert_distributed(started[0], BasePath(m, m.visible_bias), probs)
    # Turned over: by the features of these.
    monkeypatch.setattr(likelihood, "_nearer", lambda starts, *_: starts[1])
    estimate_log_z(rbm, images, np.random.default_rng(7), n, 2, rounds)
    turned = reference.Machine(m.weights.T, m.hidden_bias, m.visible_bias)
    probs = reference.joint_distribution(m).sum(axis=0)
    assert_distributed(started[1], BasePath(turned, m.hidden_bias), probs)


def test_base_rates_count_one_more_on_and_off() -> None:
    rbm = Rbm(np.zeros((4, 2), np.float32), np.zeros(4, np.float32), np.zeros(2, np.float32), 2)
    states = np.array([[1, 0, 0, 1], [1, 0, 1, 0], [1, 0, 0, 1]], np.float32)
    found = base_biases(rbm, states)
    assert found.dtype == np.float32
    on = np.array([4 / 5, 1 / 5])
    expected = [*np.log(on / (1 - on)), math.log(2 / 5), math.log(3 / 5)]
    tolerance = reference.rounding(5, dtype=np.float32)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


# -- images ----------------------------------------------------------------------------------


def test_pixels_are_drawn_with_their_values_as_probabilities(kind: str) -> None:
    n = 20_000
    grey: Any = np.tile(np.array([0, 51, 128, 254, 255], np.uint8), (n, 1))
    found = binarised(grey, np.random.default_rng(8))
    assert found.dtype == np.float32
    assert set(found.flat) == {0.0, 1.0}
    probs = grey[0] / 255
    allowed = reference.sampling_error(probs * (1 - probs), n, 5)
    assert (abs(found.mean(axis=0) - probs) <= allowed * (probs % 1 > 0)).all()
    again = binarised(grey / 255, np.random.default_rng(8))
    np.testing.assert_array_equal(found, again, err_msg=kind)


def test_drawn_pixels_do_not_depend_on_how_many_are_drawn_at_once_nor_on_threads() -> None:
    grey: Any = np.random.default_rng(9).integers(0, 256, (50, 7), np.uint8)
    whole = binarised(grey, np.random.default_rng(10))
    with native.threads(2):
        rng = np.random.default_rng(10)
        parts = [binarised(grey[rows], rng) for rows in numerics.batches(50, 12)]
    np.testing.assert_array_equal(whole, np.vstack(parts))


def test_the_threshold_is_one_half() -> None:
    grey: Any = np.array([[0, 127, 128, 255]], np.uint8)
    rng = np.random.default_rng(11)
    assert binarised(grey, rng, "threshold").tolist() == [[0, 0, 1, 1]]
    halves = binarised(np.array([[0.49, 0.5]], np.float32), rng, "threshold")
    assert halves.tolist() == [[0, 1]]


def test_an_rbm_on_the_pixels_has_its_exact_log_probability() -> None:
    m = reference.random_machine(20)
    rbm, rng = package_rbm(m), np.random.default_rng(12)
    found = log_weights(Generator(rbm), visible(m), rng) - exact_log_z(rbm)
    expected = np.log(reference.joint_distribution(m).sum(axis=1))
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


def test_label_units_are_summed_over_or_given() -> None:
    m, rng = reference.random_machine(21, 5), np.random.default_rng(13)
    rbm, states = package_rbm(m, 2), slow.labelled_states(m, 2)
    pixels, labels = states[:, :3], states[:, 3:].argmax(axis=1)
    joint = slow.labelled_joint(m, 2).sum(axis=1)
    given = log_weights(Generator(rbm), pixels, rng, labels) - exact_log_z(rbm)
    np.testing.assert_allclose(given, np.log(joint), rtol=0, atol=ROUNDING)
    summed = log_weights(Generator(rbm), pixels[::2], rng) - exact_log_z(rbm)
    expected = np.log(joint.reshape(-1, 2).sum(axis=1))
    np.testing.assert_allclose(summed, expected, rtol=0, atol=ROUNDING)


def test_visible_states_are_an_up_pass_with_the_given_labels() -> None:
    net = slow.random_net(22)
    sure = net._replace(  # inputs of 50 and more in size
        vishid=100 * np.sign(net.vishid), hid_rec_bias=0 * net.hid_rec_bias + 50,
        hidpen=100 * np.sign(net.hidpen), pen_rec_bias=0 * net.pen_rec_bias + 50,
    )  # fmt: skip
    images, labels = reference.binary_states(4), np.arange(16) % 3
    found = visible_states(
        Generator.of_net(package_net(sure)), images, np.random.default_rng(14), labels
    )
    hid = (images @ sure.vishid + 50 > 0).astype(float)
    pen = (hid @ sure.hidpen + 50 > 0).astype(float)
    np.testing.assert_array_equal(found, np.hstack([pen, np.eye(3)[labels]]))


# -- the bound -------------------------------------------------------------------------------


def package_net(net: Net, dtype: Any = np.float64) -> DeepBeliefNet:
    arrays = {name: array.astype(dtype) for name, array in net._asdict().items()}
    return DeepBeliefNet.from_arrays({**arrays, "n_labels": net.n_labels})


def values_of(net: Net, image: Floats, label: int | None) -> tuple[Floats, Floats]:
    """Chance and log weight of every pair of states that the up-pass can lead to."""
    chances, values = [], []
    for chance, hid, pen in slow.recognition_states(net, image):
        labels = range(net.n_labels) if label is None else [label]
        down = np.logaddexp.reduce(
            [slow.log_generated(net, image, hid, pen, lab) for lab in labels]
        )
        chances.append(chance)
        values.append(down - math.log(chance))
    return np.array(chances), np.array(values)


@pytest.mark.parametrize("label", [None, 1])
def test_log_weights_of_a_net_are_those_of_the_states_that_were_drawn(label: int | None) -> None:
    """Each is one of the 32 that there are, as often as the up-pass leads there."""
    n, net = 20_000, slow.random_net(23)
    image = np.array([1.0, 0.0, 1.0, 1.0])
    chances, values = values_of(net, image, label)
    labels = None if label is None else np.full(n, label)
    generator = Generator.of_net(package_net(net))
    found = log_weights(generator, np.tile(image, (n, 1)), np.random.default_rng(15), labels)
    nearest = abs(found[:, np.newaxis] - values).argmin(axis=1)
    np.testing.assert_allclose(found, values[nearest], rtol=0, atol=ROUNDING)
    frequencies = np.bincount(nearest, minlength=len(values)) / n
    allowed = reference.sampling_error(chances * (1 - chances), n, len(chances))
    assert (abs(frequencies - chances) <= allowed).all()


def test_the_bound_of_a_net_is_minus_its_variational_free_energy_and_below_log_p() -> None:
    n, net = 20_000, slow.random_net(24)
    memory = package_net(net).memory
    log_z = slow_log_z(net.memory, net.n_labels)
    assert exact_log_z(memory) == pytest.approx(log_z, rel=0, abs=ROUNDING)
    generator = Generator.of_net(package_net(net))
    for image in reference.binary_states(4)[::5]:
        joint = slow.joint_probs(net, image) / math.exp(log_z)
        for label in (None, 0):
            q = slow.recognition_states(net, image)
            chances, values = values_of(net, image, label)
            bound = float(chances @ values) - log_z
            if label is not None:
                energy = slow.variational_free_energy(net, image, slow.one_hots(3)[label], q)
                assert bound == pytest.approx(-energy, rel=0, abs=ROUNDING)
            truth = math.log(joint.sum() if label is None else joint[label])
            assert bound < truth
            labels = None if label is None else np.full(n, label)
            rng = np.random.default_rng(16)
            found = log_weights(generator, np.tile(image, (n, 1)), rng, labels) - log_z
            spread = float(chances @ values**2) - float(chances @ values) ** 2
            allowed = reference.sampling_error(spread, n, 8, float(np.ptp(values)))
            assert abs(found.mean() - bound) <= allowed


def two_layers(seed: int) -> tuple[Stack, Machine, Machine]:
    low, high = reference.random_machine(seed), reference.random_machine(seed + 1, 3, 5)
    return Stack((package_rbm(low), package_rbm(high))), low, high


def exact_bound(low: Machine, high: Machine, image: Floats) -> tuple[float, float, Floats, Floats]:
    """The bound on log p(image) of two RBMs, and log p itself, by enumeration.

    And the chance of each state of h, and the log weight that the bound is the mean of.
    """
    log_z = slow_log_z(high)
    probs, total = reference.hidden_probs(low, image), 0.0
    chances, values = [], []
    for h in reference.binary_states(len(low.hidden_bias)):
        chances.append(reference.state_probability(probs, h))
        down = slow.log_chance(reference.visible_probs(low, h), image)
        joint = down - reference.free_energy(high, h) - log_z
        values.append(joint - math.log(chances[-1]))
        total += math.exp(joint)
    return float(np.dot(chances, values)), math.log(total), np.array(chances), np.array(values)


def test_the_bound_of_two_layers_is_below_their_exact_log_probability() -> None:
    n = 20_000
    stack, low, high = two_layers(25)
    generator, log_z = Generator.of_layer(stack, 2), exact_log_z(stack[1])
    for image in reference.binary_states(4)[::3]:
        bound, truth, chances, values = exact_bound(low, high, image)
        assert bound < truth
        found = log_weights(generator, np.tile(image, (n, 1)), np.random.default_rng(17)) - log_z
        spread = float(chances @ (values - bound) ** 2)
        allowed = reference.sampling_error(spread, n, 6, float(np.ptp(values)))
        assert abs(found.mean() - bound) <= allowed


def test_a_layer_that_mirrors_the_one_below_leaves_the_bound_where_it_was_exactly() -> None:
    """For every draw of the up-pass, and not only on average; one more and two more layers."""
    low = package_rbm(reference.random_machine(27))
    second = Rbm.mirrored(low)
    stack = Stack((low, second, Rbm.mirrored(second)))
    images = reference.binary_states(4)
    alone = log_weights(Generator.of_layer(stack, 1), images, np.random.default_rng(18))
    for layer in (2, 3):
        found = log_weights(Generator.of_layer(stack, layer), images, np.random.default_rng(19))
        np.testing.assert_allclose(found, alone, rtol=0, atol=ROUNDING)
        assert exact_log_z(stack[layer - 1]) == pytest.approx(exact_log_z(low), rel=0, abs=ROUNDING)


def test_label_units_above_a_mirror_change_nothing_of_the_images() -> None:
    low = package_rbm(reference.random_machine(28))
    stack = Stack((low, Rbm.mirrored(low, 3)))
    assert stack[1].n_labels == 3
    images = reference.binary_states(4)
    alone = log_weights(Generator.of_layer(stack, 1), images, np.random.default_rng(20))
    found = log_weights(Generator.of_layer(stack, 2), images, np.random.default_rng(21))
    shift = exact_log_z(stack[1]) - exact_log_z(low)
    assert shift == pytest.approx(math.log(3), rel=0, abs=ROUNDING)
    np.testing.assert_allclose(found - shift, alone, rtol=0, atol=ROUNDING)
    with pytest.raises(ValueError, match="labels below"):
        Rbm.mirrored(stack[1])


@pytest.mark.parametrize("rounds", [1, 20])
def test_contrastive_divergence_from_the_mirror_raises_the_bound(rounds: int) -> None:
    """The mean over the training images, enumerated before and after."""
    low = reference.random_machine(29)
    rbm = Rbm.mirrored(package_rbm(low))
    images = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0]])

    def mean_bound() -> float:
        high = Machine(rbm.weights, rbm.visible_bias, rbm.hidden_bias)
        return float(np.mean([exact_bound(low, high, image)[0] for image in images]))

    started, rng = mean_bound(), np.random.default_rng(22)
    log_ps = np.log(reference.joint_distribution(low).sum(axis=1))
    exact = [log_ps[int(image @ [8, 4, 2, 1])] for image in images]
    assert started == pytest.approx(float(np.mean(exact)), rel=0, abs=ROUNDING)
    data = np.tile(features(package_rbm(low), images), (250, 1))
    divergence = ContrastiveDivergence(rbm, len(data), True, rounds)
    bounds = [started]
    for _ in range(10):
        divergence.data_buffer(len(data))[:] = data
        divergence.learn(len(data), rng, Step(0.1))
        bounds.append(mean_bound())
    assert (np.diff(bounds) > 0).all()
