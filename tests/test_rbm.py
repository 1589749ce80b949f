from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
import reference
from numpy.typing import NDArray
from reference import Floats, Machine, Update

from hinton06 import numerics
from hinton06.generation import AlternatingGibbs
from hinton06.models import Rbm
from hinton06.rbm import (
    ContrastiveDivergence,
    energy,
    free_energy,
    hidden_probs,
    visible_probs,
)
from hinton06.updates import Momentum, Step

# Sums of fewer than 200 terms of order 1 on either side.
ROUNDING = reference.rounding(400)
PLAIN = Step(rate=1.0)
# Pixels are real-valued: some certain, some not.
CASES = np.array([[0.0, 1.0, 0.3, 0.8], [1.0, 0.6, 0.0, 0.1]])


class ScriptedUniforms:
    """Stands in for a generator; its draws are the given arrays, one after the other."""

    def __init__(self, *arrays: Floats) -> None:
        self.arrays = list(arrays)

    def random(self, dtype: Any, out: NDArray[Any]) -> NDArray[Any]:
        assert out.dtype == dtype
        out[...] = self.arrays.pop(0)
        return out


def scripted(*arrays: Floats) -> np.random.Generator:
    return cast(np.random.Generator, ScriptedUniforms(*arrays))


def draws_of(states: Floats, probs: Floats) -> Floats:
    """Uniform draws that make units of these probabilities take these states, but only just.

    They lie within 1e-9 of the probability, so that a unit that compares its draw with anything
    but its own probability ends up in the wrong state for one of the two.
    """
    return probs * np.where(states == 1, 1 - 1e-9, 1 + 1e-9)


def package_rbm(m: Machine, dtype: Any = np.float64) -> Rbm:
    return Rbm(*(array.astype(dtype) for array in m))


def gibbs_step(rbm: Rbm, v_states: Floats, rng: np.random.Generator) -> Floats:
    """The states that one round of alternating Gibbs sampling leads to."""
    chains = AlternatingGibbs(rbm, v_states)
    chains.run(1, rng)
    return chains.v_states


def distribution(rbm: Rbm) -> Floats:
    """p(v) of all visible states, by the package's free energy."""
    probs = np.exp(-free_energy(rbm, reference.binary_states(rbm.n_visible)))
    probs /= probs.sum()
    return probs


def learn_from(
    rbm: Rbm, cases: Floats, rng: np.random.Generator, step: Step = PLAIN,
    recon_states: bool = False, rounds: int = 1, **more: Any,
) -> Update:  # fmt: skip
    """The change that one batch makes to an RBM that was not learning before."""
    before = [array.copy() for array in (rbm.weights, rbm.visible_bias, rbm.hidden_bias)]
    divergence = ContrastiveDivergence(rbm, len(cases), recon_states, rounds, **more)
    divergence.data_buffer(len(cases))[:] = cases
    divergence.learn(len(cases), rng, step)
    after = (rbm.weights, rbm.visible_bias, rbm.hidden_bias)
    return Update(*(a - b for a, b in zip(after, before, strict=True)))


def assert_close(left: Sequence[Floats], right: Sequence[Floats], tolerance: float) -> None:
    for mine, theirs in zip(left, right, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)


# -- energy, free energy, log Z --------------------------------------------------------------


def test_energy_equals_the_sum_of_its_terms_for_every_state() -> None:
    m = reference.random_machine(1)
    for v in reference.binary_states(4):
        hidden = reference.binary_states(3)
        expected = [reference.energy(m, v, h) for h in hidden]
        measured = energy(package_rbm(m), np.tile(v, (8, 1)), hidden)
        np.testing.assert_allclose(measured, expected, rtol=0, atol=ROUNDING)


def test_free_energy_equals_enumeration_over_the_hidden_states() -> None:
    m = reference.random_machine(2)
    visible = np.vstack([reference.binary_states(4), CASES])
    expected = [reference.free_energy(m, v) for v in visible]
    np.testing.assert_allclose(free_energy(package_rbm(m), visible), expected, atol=ROUNDING)


def test_free_energy_of_huge_inputs_is_finite_and_linear() -> None:
    rbm = Rbm(np.full((1, 1), 1000.0), np.zeros(1), np.zeros(1))
    assert free_energy(rbm, np.array([[1.0], [-1.0]])).tolist() == [-1000, 0]


def test_log_z_over_the_visible_side_equals_log_z_over_the_hidden_side() -> None:
    m = reference.random_machine(3)
    mirrored = Rbm(np.ascontiguousarray(m.weights.T), m.hidden_bias, m.visible_bias)
    over_visible = np.exp(-free_energy(package_rbm(m), reference.binary_states(4))).sum()
    over_hidden = np.exp(-free_energy(mirrored, reference.binary_states(3))).sum()
    assert math.log(over_visible) == pytest.approx(math.log(over_hidden), rel=0, abs=ROUNDING)


def test_free_energy_gives_the_marginal_of_the_joint_distribution() -> None:
    m = reference.random_machine(4)
    expected = reference.joint_distribution(m).sum(axis=1)
    np.testing.assert_allclose(distribution(package_rbm(m)), expected, rtol=0, atol=ROUNDING)


def test_without_weights_the_rbm_factorises() -> None:
    m = reference.random_machine(5)._replace(weights=np.zeros((4, 3)))
    rbm = package_rbm(m)
    alone = np.array([reference.logistic(b) for b in m.visible_bias])
    expected = [reference.state_probability(alone, v) for v in reference.binary_states(4)]
    np.testing.assert_allclose(distribution(rbm), expected, rtol=0, atol=ROUNDING)
    hidden_alone = [reference.logistic(b) for b in m.hidden_bias]
    probs = hidden_probs(rbm, reference.binary_states(4))
    np.testing.assert_allclose(probs, np.tile(hidden_alone, (16, 1)), rtol=0, atol=ROUNDING)


# -- the conditionals ------------------------------------------------------------------------


def test_hidden_probs_equal_enumeration_for_states_and_probabilities() -> None:
    m = reference.random_machine(6)
    visible = np.vstack([reference.binary_states(4), CASES])
    expected = [reference.hidden_probs(m, v) for v in visible]
    probs = hidden_probs(package_rbm(m), visible)
    np.testing.assert_allclose(probs, expected, rtol=0, atol=ROUNDING)


def test_visible_probs_equal_enumeration_for_states() -> None:
    m = reference.random_machine(7)
    hidden = reference.binary_states(3)
    expected = [reference.visible_probs(m, h) for h in hidden]
    probs = visible_probs(package_rbm(m), hidden)
    np.testing.assert_allclose(probs, expected, rtol=0, atol=ROUNDING)


def test_conditionals_fill_the_buffer_they_are_given() -> None:
    rbm = package_rbm(reference.random_machine(8), np.float32)
    v, h = np.ones((2, 4), np.float32), np.ones((2, 3), np.float32)
    h_buffer, v_buffer = np.empty((2, 3), np.float32), np.empty((2, 4), np.float32)
    assert hidden_probs(rbm, v, out=h_buffer) is h_buffer
    assert visible_probs(rbm, h, out=v_buffer) is v_buffer
    np.testing.assert_array_equal(h_buffer, hidden_probs(rbm, v))
    np.testing.assert_array_equal(v_buffer, visible_probs(rbm, h))


# -- Gibbs sampling --------------------------------------------------------------------------


def test_gibbs_step_compares_each_draw_with_its_units_own_probability() -> None:
    """Every way v -> h -> v' can go, each with draws that only just take it there."""
    m = reference.random_machine(9)
    visible, hidden = reference.binary_states(4), reference.binary_states(3)
    starts = np.repeat(visible, 8 * 16, axis=0)
    between = np.tile(np.repeat(hidden, 16, axis=0), (16, 1))
    ends = np.tile(visible, (16 * 8, 1))
    up = np.array([reference.hidden_probs(m, v) for v in visible])
    down = np.array([reference.visible_probs(m, h) for h in hidden])
    h_draws = draws_of(between, np.repeat(up, 8 * 16, axis=0))
    v_draws = draws_of(ends, np.tile(np.repeat(down, 16, axis=0), (16, 1)))
    reached = gibbs_step(package_rbm(m), starts, scripted(h_draws, v_draws))
    np.testing.assert_array_equal(reached, ends)


def test_the_exact_gibbs_kernel_keeps_the_distribution() -> None:
    m = reference.random_machine(10)
    kernel = reference.transitions(m)
    before = distribution(package_rbm(m))
    np.testing.assert_allclose(kernel.sum(axis=1), 1, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(before @ kernel, before, rtol=0, atol=ROUNDING)


def test_sampled_transitions_have_the_exact_frequencies() -> None:
    n = 20_000
    m = reference.random_machine(11)
    rng = np.random.default_rng(1)
    kernel = reference.transitions(m)
    places = 2.0 ** np.arange(3, -1, -1)  # a state's row number is its bits read as a number
    for v, expected in zip(reference.binary_states(4), kernel, strict=True):
        reached = gibbs_step(package_rbm(m), np.tile(v, (n, 1)), rng)
        frequencies = np.bincount((reached @ places).astype(int), minlength=16) / n
        allowed = reference.sampling_error(expected * (1 - expected), n, n_claims=kernel.size)
        assert (abs(frequencies - expected) <= allowed).all()


def test_sampled_chains_that_start_in_equilibrium_stay_there() -> None:
    n = 50_000
    m = reference.random_machine(12)
    rng, rbm = np.random.default_rng(2), package_rbm(m)
    expected = reference.joint_distribution(m).sum(axis=1)
    states = reference.binary_states(4)[rng.choice(16, n, p=expected)]
    for _ in range(3):
        states = gibbs_step(rbm, states, rng)
    frequencies = np.bincount((states @ [8, 4, 2, 1]).astype(int), minlength=16) / n
    allowed = reference.sampling_error(expected * (1 - expected), n, n_claims=16)
    assert (abs(frequencies - expected) <= allowed).all()


# -- contrastive divergence ------------------------------------------------------------------


def test_cd1_update_for_every_hidden_state_is_data_minus_reconstruction() -> None:
    """Which numbers are states and which probabilities: exact for each draw, not on average."""
    m = reference.random_machine(13)
    for case in CASES:
        probs = reference.hidden_probs(m, case)
        for h in reference.binary_states(3):
            rng = scripted(draws_of(h, probs)[np.newaxis])
            change = learn_from(package_rbm(m), case[np.newaxis], rng)
            assert_close(change, reference.cd1_gradient(m, case, h), ROUNDING)


def test_cd1_update_with_a_reconstruction_of_states_is_exact_for_every_draw() -> None:
    m = reference.random_machine(13)
    case, states = CASES[0], reference.binary_states
    h_probs = reference.hidden_probs(m, case)
    for h in states(3):
        v_probs = reference.visible_probs(m, h)
        for v in states(4):
            rng = scripted(draws_of(h, h_probs)[np.newaxis], draws_of(v, v_probs)[np.newaxis])
            change = learn_from(package_rbm(m), case[np.newaxis], rng, recon_states=True)
            assert_close(change, reference.cd1_gradient(m, case, h, v), ROUNDING)


def test_a_reconstruction_of_states_leaves_labels_and_the_reported_error_as_they_are() -> None:
    """Labels stay softmax probabilities; the error is that of the probabilities."""
    m = reference.random_machine(21, n_visible=5)
    cases = np.array([[0.3, 1.0, 0.6, 0.0, 1.0], [0.9, 0.1, 0.0, 1.0, 0.0]])
    errors, labels = [], []
    for recon_states in (False, True):
        rbm = Rbm(*(array.copy() for array in m), n_labels=2)
        divergence = ContrastiveDivergence(rbm, 2, recon_states)
        divergence.data_buffer(2)[:] = cases
        errors.append(divergence.learn(2, np.random.default_rng(3), PLAIN))
        labels.append(rbm.visible_bias[3:])
    assert errors[0] == errors[1]
    np.testing.assert_array_equal(*labels)


def test_expected_cd1_update_of_a_batch_equals_enumeration() -> None:
    """All 4^3 joint hidden states of two cases, each weighted with its probability."""
    m = reference.random_machine(14)
    probs = np.array([reference.hidden_probs(m, v) for v in CASES])
    mean = Update(*(np.zeros_like(array) for array in m))
    for flat in reference.binary_states(6):
        h = flat.reshape(2, 3)
        change = learn_from(package_rbm(m), CASES, scripted(draws_of(h, probs)))
        for k, part in enumerate(change):
            mean[k][...] += reference.state_probability(probs, h) * part
    each = [reference.expected_cd1(m, v)[0] for v in CASES]
    assert_close(mean, [(a + b) / 2 for a, b in zip(*each, strict=True)], ROUNDING)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean_of_sampled_cd1_updates_converges_to_the_expected_one(dtype: Any) -> None:
    """A batch of n copies of a case is the mean of n independent draws of its update."""
    n = 20_000
    m = Machine(*(a.astype(dtype).astype(np.float64) for a in reference.random_machine(15)))
    case = CASES[0].astype(dtype).astype(np.float64)
    change = learn_from(package_rbm(m, dtype), np.tile(case, (n, 1)), np.random.default_rng(3))
    expected, variance = reference.expected_cd1(m, case)
    for measured, mean, spread in zip(change, expected, variance, strict=True):
        # 19 elements; each draw lies in [-1, 1] and so within 2 of its mean.
        allowed = reference.sampling_error(spread, n, n_claims=19, largest=2)
        # A sum of n terms below 1 rounds n times by at most half an eps of n, and is divided
        # by n; the other half is for the terms and for draws that are multiples of 2^-24.
        allowed += reference.rounding(n, dtype=dtype)
        assert (abs(measured - mean) <= allowed).all()


def test_permuted_pixels_with_a_permuted_start_are_learned_alike() -> None:
    """ "the performance of the learning algorithm will be unaffected", with the same draws."""
    rng = np.random.default_rng(11)
    order, start = rng.permutation(4), Rbm.random(4, 3, 0.5, rng)
    draws = [rng.random((2, 3)) for _ in range(5)]
    learned = []
    for columns in (np.arange(4), order):
        arrays = start.weights[columns], start.visible_bias[columns], start.hidden_bias
        rbm = Rbm(*(array.astype(np.float64) for array in arrays))
        learner = ContrastiveDivergence(rbm, 2)
        for draw in draws:
            learner.data_buffer(2)[...] = CASES[:, columns]
            learner.learn(2, scripted(draw), Step(0.1, 0.5, 0.01))
        learned.append(rbm)
    plain, permuted = learned
    # Five steps of rate 0.1 stretch a difference less than twofold each.
    tolerance = 5 * ROUNDING * 2.0**5
    for name, rows in (("weights", order), ("visible_bias", order), ("hidden_bias", slice(None))):
        np.testing.assert_allclose(
            getattr(permuted, name), getattr(plain, name)[rows], rtol=0, atol=tolerance
        )
    assert np.abs(plain.weights - start.weights).max() > 0.01


def test_an_update_of_two_rounds_is_exact_for_every_way_it_can_go() -> None:
    """h, v and h again are states, the last reconstruction probabilities, as with one round."""
    m, case = reference.random_machine(22), CASES[0]
    first = reference.hidden_probs(m, case)
    for h, v, h_last in itertools.product(*map(reference.binary_states, (3, 4, 3))):
        draws = draws_of(h, first), draws_of(v, reference.visible_probs(m, h))
        last = draws_of(h_last, reference.hidden_probs(m, v))
        rng = scripted(*(d[np.newaxis] for d in (*draws, last)))
        change = learn_from(package_rbm(m), case[np.newaxis], rng, rounds=2)
        assert_close(change, reference.cd1_gradient(m, case, h_last), ROUNDING)


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("recon_states", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean_of_sampled_cd_k_updates_converges_to_the_expected_one(
    rounds: int, recon_states: bool, dtype: Any
) -> None:
    n = 20_000
    m = Machine(*(a.astype(dtype).astype(np.float64) for a in reference.random_machine(23)))
    case = CASES[0].astype(dtype).astype(np.float64)
    cases, rng = np.tile(case, (n, 1)), np.random.default_rng(9)
    change = learn_from(package_rbm(m, dtype), cases, rng, PLAIN, recon_states, rounds)
    expected, variance = reference.expected_cd(m, case, rounds, recon_states)
    for measured, mean, spread in zip(change, expected, variance, strict=True):
        # As for CD-1.
        allowed = reference.sampling_error(spread, n, n_claims=19, largest=2)
        allowed += reference.rounding(n, dtype=dtype)
        assert (abs(measured - mean) <= allowed).all()


def test_one_two_and_three_rounds_differ_by_more_than_these_tests_allow() -> None:
    m = reference.random_machine(23)
    means = [reference.expected_cd(m, CASES[0], rounds)[0] for rounds in (1, 2, 3)]
    spread = reference.expected_cd(m, CASES[0], 1)[1]
    allowed = reference.sampling_error(spread.weights, 20_000, n_claims=19, largest=2)
    for one, other in itertools.pairwise(means):
        assert (abs(one.weights - other.weights) > 2 * allowed).any()


def test_rounds_without_end_and_states_lead_to_the_gradient_of_the_log_probability() -> None:
    m, case = reference.random_machine(24), np.array([1.0, 0.0, 1.0, 1.0])
    expected, _ = reference.expected_cd(m, case, 200, recon_states=True)

    def minus_log_p() -> float:
        energies = [reference.free_energy(m, v) for v in reference.binary_states(4)]
        return reference.free_energy(m, case) + math.log(sum(math.exp(-e) for e in energies))

    for parameter, found in zip(m, expected, strict=True):
        gradient, error = reference.central_differences(minus_log_p, parameter)
        assert (abs(found + gradient) <= error + ROUNDING).all()


@pytest.mark.parametrize("recon_states", [False, True])
@pytest.mark.parametrize("n_labels", [0, 2])
def test_one_round_is_to_the_bit_the_cd1_that_there_was_before_there_were_more(
    recon_states: bool, n_labels: int, kind: str
) -> None:
    """The same calls with the same draws, step by step, of float32 and with momentum."""
    m, step = reference.random_machine(29, n_visible=6), Step(0.1, 0.5, 0.01)
    rbm, other = (Rbm(*(a.astype(np.float32) for a in m), n_labels=n_labels) for _ in range(2))
    divergence = ContrastiveDivergence(rbm, 9, recon_states)
    momenta = [Momentum(array) for array in other.parameters().values()]
    both = np.random.default_rng(13), np.random.default_rng(13)
    cases = np.random.default_rng(14).random((3, 9, 6), np.float32)
    for data in cases:
        divergence.data_buffer(9)[:] = data
        error = divergence.learn(9, both[0], step)
        h_data, h_states = numerics.product(data, other.weights), np.empty((9, 3), np.float32)
        numerics.squash_and_fire(h_data, other.hidden_bias, both[1], h_states)
        v_probs = visible_probs(other, h_states)
        recon = v_probs.copy()
        if recon_states:
            units = np.empty((9, 6 - n_labels), np.float32)
            numerics.bernoulli(np.ascontiguousarray(v_probs[:, : 6 - n_labels]), both[1], units)
            recon[:, : 6 - n_labels] = units
        h_recon = numerics.firing_probs(recon, other.weights, other.hidden_bias, sign=-1)
        visible, hidden = np.vstack([data, recon]), np.vstack([h_data, h_recon])
        momenta[0].step_product(visible.T, hidden, 1 / 9, step)
        squares = momenta[1].step_difference(data, recon, 1 / 9, step)
        momenta[2].step_sum(hidden, 1 / 9, step)
        missed = data - v_probs
        assert error == (float(np.vdot(missed, missed)) if recon_states else squares), kind
        for mine, theirs in zip(
            rbm.parameters().values(), other.parameters().values(), strict=True
        ):  # fmt: skip
            np.testing.assert_array_equal(mine, theirs)


def test_real_valued_features_reconstruct_by_their_probabilities(kind: str) -> None:
    """No draw is made: Eq. 4 with the reconstruction of Eq. 6 from what Eq. 5 says."""
    m = reference.random_machine(28)
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state
    found = learn_from(package_rbm(m), CASES, rng, real_features=True)
    assert rng.bit_generator.state == before
    expected = [np.zeros_like(array) for array in m]
    for case in CASES:
        probs = reference.hidden_probs(m, case)
        recon = reference.visible_probs(m, probs)
        again = reference.hidden_probs(m, recon)
        expected[0] += np.outer(case, probs) - np.outer(recon, again)
        expected[1] += case - recon
        expected[2] += probs - again
    assert_close(found, [array / len(CASES) for array in expected], ROUNDING)
    states = learn_from(package_rbm(m), CASES, rng)
    assert np.abs(states.weights - found.weights).max() > 0.01, kind


@pytest.mark.parametrize("more", [{}, {"recon_states": True}, {"persistent": True}])
def test_correlations_of_states_are_exact_for_every_draw(more: dict[str, bool]) -> None:
    """Eq. 4 as it is written: units that are on together, with the data and reconstructed."""
    m, case, states = reference.random_machine(30), CASES[0], reference.binary_states
    h_probs = reference.hidden_probs(m, case)
    chains, apart = more.get("persistent", False), bool(more)
    for h, v, h_recon in itertools.product(states(3), states(4), states(3)):
        below = reference.visible_probs(m, np.zeros(3) if chains else h)  # chains are off at first
        recon = v if apart else below
        draws = [draws_of(h, h_probs), draws_of(h_recon, reference.hidden_probs(m, recon))]
        draws[1:1] = [draws_of(v, below)] if apart else []
        rng = scripted(*(d[np.newaxis] for d in draws))
        change = learn_from(package_rbm(m), case[np.newaxis], rng, state_correlations=True, **more)
        expected = np.outer(case, h) - np.outer(recon, h_recon), case - recon, h - h_recon
        assert_close(change, expected, ROUNDING)


def test_from_zero_weights_states_tell_features_apart_and_probabilities_do_not(kind: str) -> None:
    """ "We start with zero weights"."""
    n, spreads = 20, []
    for of_states in (True, False):
        rbm = Rbm.random(4, 3, 0.0, np.random.default_rng(0))
        divergence = ContrastiveDivergence(rbm, n, state_correlations=of_states)
        divergence.data_buffer(n)[:] = np.tile(CASES, (n // 2, 1))
        divergence.learn(n, np.random.default_rng(1), PLAIN)
        spreads.append(np.ptp(rbm.weights, axis=1).max())
    # All probabilities are 1/2: nothing but rounding differs from feature to feature.
    rounding = reference.rounding(2 * n, dtype=np.float32)
    assert spreads[1] <= rounding < spreads[0], kind


# -- persistent chains -----------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_persistent_update_goes_on_from_the_chain_and_not_from_the_case(rounds: int) -> None:
    m, case = reference.random_machine(25), CASES[0]
    start = np.array([1.0, 0.0, 1.0])
    for seed, (v, h) in enumerate(
        itertools.product(*map(reference.binary_states, (4, 3)))
    ):  # fmt: skip
        rbm = package_rbm(m)
        divergence = ContrastiveDivergence(rbm, 1, rounds=rounds, persistent=True)
        assert not divergence.chains.any()
        divergence.restore_chains(start[np.newaxis])
        coins = np.random.default_rng(seed)
        of_case = (coins.random(3) < 0.5).astype(float)
        draws, before = [draws_of(of_case, reference.hidden_probs(m, case))], start
        for last in [False] * (rounds - 1) + [True]:
            v_states = v if last else (coins.random(4) < 0.5).astype(float)
            h_states = h if last else (coins.random(3) < 0.5).astype(float)
            draws += [draws_of(v_states, reference.visible_probs(m, before)),
                      draws_of(h_states, reference.hidden_probs(m, v_states))]  # fmt: skip
            before = h_states
        divergence.data_buffer(1)[:] = case
        rng = scripted(*(d[np.newaxis] for d in draws))
        error = divergence.learn(1, rng, PLAIN)
        np.testing.assert_array_equal(divergence.chains, [h])
        expected = reference.cd1_gradient(m, case, h, v)
        change = [after - b for after, b in zip(rbm.parameters().values(), m, strict=True)]
        assert_close(change, expected, ROUNDING)
        recon = reference.visible_probs(m, of_case)
        assert error == pytest.approx(float(np.sum((case - recon) ** 2)), rel=0, abs=ROUNDING)


@pytest.mark.parametrize("rounds", [1, 3])
def test_chains_have_the_exact_distribution_after_every_update_that_changes_nothing(
    rounds: int, kind: str
) -> None:
    n, m = 4000, reference.random_machine(26)  # products too small to be made in C
    m = Machine(*(a.astype(np.float32).astype(np.float64) for a in m))
    rbm, rng = package_rbm(m, np.float32), np.random.default_rng(10)
    divergence = ContrastiveDivergence(rbm, n, rounds=rounds, persistent=True)
    expected = np.zeros(8)
    expected[0] = 1  # off at first
    for _ in range(3):
        divergence.data_buffer(n)[:] = CASES[0]
        divergence.learn(n, rng, Step(rate=0.0))
        expected = reference.features_after(m, expected, rounds)
        frequencies = np.bincount((divergence.chains @ [4, 2, 1]).astype(int), minlength=8) / n
        allowed = reference.sampling_error(expected * (1 - expected), n, n_claims=8)
        assert (abs(frequencies - expected) <= allowed).all(), kind


def test_a_smaller_batch_goes_on_with_as_many_chains_and_leaves_the_others() -> None:
    m = reference.random_machine(27)
    divergence = ContrastiveDivergence(package_rbm(m), 5, persistent=True)
    divergence.restore_chains(np.full((5, 3), 7.0))  # no state, to be seen
    divergence.data_buffer(2)[:] = CASES
    divergence.learn(2, np.random.default_rng(11), Step(rate=0.0))
    assert set(divergence.chains[:2].flat) <= {0.0, 1.0}
    assert (divergence.chains[2:] == 7).all()


@pytest.mark.parametrize(("rounds", "persistent"), [(2, False), (2, True), (1, True)])
def test_labels_on_the_way_are_states_of_a_softmax_group(rounds: int, persistent: bool) -> None:
    """Each of two features follows one of two labels: never both, if one label is on."""
    weights = np.zeros((5, 2))
    weights[3:] = 100 * np.eye(2)
    for seed in range(30):
        rbm = Rbm(weights.copy(), np.zeros(5), np.full(2, -50.0), n_labels=2)
        divergence = ContrastiveDivergence(rbm, 1, rounds=rounds, persistent=persistent)
        divergence.data_buffer(1)[:] = [[1, 0, 1, 0.5, 0.5]]
        divergence.learn(1, np.random.default_rng(seed), PLAIN)
        # Reconstructed from one feature, the label is sure: 0.5 less 0, and less 1.
        np.testing.assert_allclose(np.sort(rbm.visible_bias[3:]), [-0.5, 0.5], rtol=0, atol=1e-9)
        assert divergence.chains.sum() == persistent


def test_chains_of_another_shape_are_not_restored() -> None:
    divergence = ContrastiveDivergence(package_rbm(reference.random_machine(28)), 5)
    with pytest.raises(ValueError, match=r"chains of shape \(5, 3\)"):
        divergence.restore_chains(np.zeros((5, 3)))


# -- sparsity --------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"rounds": 2, "recon_states": True}, {"persistent": True}])
@pytest.mark.parametrize("target", [0.02, 0.3, 0.9])
def test_a_sparsity_cost_adds_minus_its_gradient_and_no_draw(
    target: float, more: dict[str, Any]
) -> None:
    m, cost = reference.random_machine(30), 0.7

    def sparsity_cost() -> float:
        q = np.mean([reference.hidden_probs(m, v) for v in CASES], axis=0)
        return cost * float(np.sum(-target * np.log(q) - (1 - target) * np.log(1 - q)))

    plain, sparse = (
        learn_from(package_rbm(m), CASES, np.random.default_rng(15), sparsity=sparsity, **more)
        for sparsity in ((target, 0.0), (target, cost))
    )
    for parameter, without, with_it in zip(m, plain, sparse, strict=True):
        gradient, error = reference.central_differences(sparsity_cost, parameter)
        assert (abs(with_it - without + gradient) <= error + ROUNDING).all()
    assert abs(sparse.weights - plain.weights).max() > 0.01


def test_in_equal_cases_a_sparsity_cost_moves_biases_by_how_far_a_feature_is_from_its_target() -> (
    None
):
    """The simple derivative of the Practical Guide: q - p."""
    m, cases = reference.random_machine(31), np.tile(CASES[0], (3, 1))
    plain, sparse = (
        learn_from(package_rbm(m), cases, np.random.default_rng(16), sparsity=(0.1, cost))
        for cost in (0.0, 1.0)
    )
    moved = sparse.hidden_bias - plain.hidden_bias
    away = 0.1 - reference.hidden_probs(m, CASES[0])
    np.testing.assert_allclose(moved, away, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_that_are_always_on_or_off_are_divided_by_no_zero(dtype: Any, kind: str) -> None:
    n = 40  # enough for the loops in C
    rbm = Rbm(np.zeros((4, 4), dtype), np.zeros(4, dtype), np.array([-800, -80, 80, 800], dtype))
    with np.errstate(all="raise", under="ignore"):
        change = learn_from(
            rbm, np.ones((n, 4), dtype), np.random.default_rng(17), sparsity=(0.1, 1000.0)
        )
    assert all(np.isfinite(part).all() for part in change), kind


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("least", [11.0, 13.0, 14.0, 16.5])
def test_a_mean_that_rounds_to_one_does_not_hide_how_far_each_case_is_from_it(
    dtype: Any, least: float, kind: str
) -> None:
    """A feature that is surely on in all cases but one; of so many cases the loops in C sum."""
    n, cost = 100, 0.3
    cases = np.ones((n, 1), dtype)
    cases[0] = 0
    changes = []
    for own in (0.0, cost):
        rbm = Rbm(np.full((1, 1), 20 - least, dtype), np.zeros(1, dtype), np.full(1, least, dtype))
        changes.append(learn_from(rbm, cases, np.random.default_rng(18), sparsity=(0.1, own)))
    inputs = np.where(cases[:, 0] == 1, 20.0, least)
    on, off = 1 / (1 + np.exp(-inputs)), 1 / (1 + np.exp(inputs))
    slope = cost * (on.mean() - 0.1) / (on.mean() * off.mean()) * (on * off).mean()
    moved = float(changes[1].hidden_bias[0] - changes[0].hidden_bias[0])
    # Each h, and near 1 its sum, is off by a few digits, which tell by what is left of 1 - h; what
    # moves is a bias below 20, in two runs.
    eps = float(np.finfo(dtype).eps)
    apart = (n if off.mean() > 64 * eps else 2 / n) * eps / off.mean()
    assert moved == pytest.approx(-slope, rel=apart + 2 * 20 * eps / slope), kind


# -- learning --------------------------------------------------------------------------------


# -- the centred gradient -------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [{}, {"rounds": 3}, {"recon_states": True}, {"persistent": True}, {"sparsity": (0.1, 0.4)}],
    ids=["CD-1", "CD-3", "states", "chains", "sparse"],
)
def test_a_centred_update_is_eq_4_less_what_the_means_explain(more: dict[str, Any]) -> None:
    m = reference.random_machine(31, n_visible=4)
    plain, centred = (
        learn_from(package_rbm(m), CASES, np.random.default_rng(5), **more, **how)
        for how in ({}, {"centred": True})
    )
    of_visible = CASES.mean(axis=0)
    of_hidden = hidden_probs(package_rbm(m), CASES)
    if "sparsity" in more:  # the offset is of what stands for the features
        target, cost = more["sparsity"]
        q = of_hidden.mean(axis=0)
        of_hidden = of_hidden - cost * (q - target) / (q * (1 - q)) * of_hidden * (1 - of_hidden)
    of_hidden = of_hidden.mean(axis=0)
    weights = plain.weights - np.outer(of_visible, plain.hidden_bias)
    weights -= np.outer(plain.visible_bias, of_hidden)
    expected = Update(
        weights, plain.visible_bias - weights @ of_hidden,
        plain.hidden_bias - of_visible @ weights,
    )  # fmt: skip
    assert np.abs(weights - plain.weights).max() > 0.01
    assert_close(centred, expected, ROUNDING)


@pytest.mark.parametrize("centred", [False, True])
def test_only_by_the_centred_gradient_it_does_not_matter_what_is_called_on(centred: bool) -> None:
    """Images whose first two pixels are inverted are learned by an equivalent RBM as before."""
    m, flipped = reference.random_machine(32, n_visible=5), np.array([1, 1, 0, 0, 0])
    sign = np.where(flipped, -1.0, 1.0)
    one, other = package_rbm(m), package_rbm(m)
    other.weights[...] *= sign[:, np.newaxis]
    other.visible_bias[...] *= sign
    other.hidden_bias[...] += flipped @ one.weights
    cases = np.random.default_rng(7).random((10, 6, 5))
    for rbm, data in ((one, cases), (other, flipped + sign * cases)):
        divergence = ContrastiveDivergence(rbm, 6, centred=centred)
        rng = np.random.default_rng(8)
        for batch in data:
            divergence.data_buffer(6)[:] = batch
            divergence.learn(6, rng, Step(0.3, 0.5))
    found = np.abs(other.weights - sign[:, np.newaxis] * one.weights).max()
    tolerance = reference.rounding(10 * 200) * 2.0**10  # as of permuted pixels, below
    assert (found <= tolerance) == centred
    if centred:
        np.testing.assert_allclose(other.visible_bias, sign * one.visible_bias, atol=tolerance)
        hidden_bias = one.hidden_bias + flipped @ one.weights
        np.testing.assert_allclose(other.hidden_bias, hidden_bias, atol=tolerance)


def test_offsets_are_moving_averages_of_the_batches_and_can_be_gone_on_with() -> None:
    rbm = package_rbm(reference.random_machine(33, n_visible=4))
    divergence, rng = ContrastiveDivergence(rbm, 2, centred=True), np.random.default_rng(0)
    divergence.data_buffer(2)[:] = CASES
    features = hidden_probs(rbm, CASES).mean(axis=0)
    divergence.learn(2, rng, Step(0.0))
    np.testing.assert_allclose(divergence.offsets[0], CASES.mean(axis=0))
    np.testing.assert_allclose(divergence.offsets[1], features)
    divergence.data_buffer(2)[:] = 1 - CASES
    divergence.learn(2, rng, Step(0.0))
    expected = 0.99 * CASES.mean(axis=0) + 0.01 * (1 - CASES.mean(axis=0))
    np.testing.assert_allclose(divergence.offsets[0], expected)
    other = ContrastiveDivergence(package_rbm(reference.random_machine(33, 4)), 2, centred=True)
    other.restore_offsets(divergence.offsets)
    assert other.offsets[0] is not divergence.offsets[0]
    np.testing.assert_array_equal(other.offsets[1], divergence.offsets[1])
    with pytest.raises(ValueError, match="offsets do not fit"):
        other.restore_offsets((np.zeros(3), np.zeros(rbm.n_hidden)))


def test_a_centred_update_reports_the_reconstruction_s_error_and_keeps_the_data() -> None:
    m = reference.random_machine(34, n_visible=4)
    errors = []
    for centred in (False, True):
        divergence = ContrastiveDivergence(package_rbm(m), 2, centred=centred)
        divergence.data_buffer(2)[:] = CASES
        errors.append(divergence.learn(2, np.random.default_rng(3), PLAIN))
        np.testing.assert_array_equal(divergence.data_buffer(2), CASES)
    assert errors[1] == pytest.approx(errors[0])


def test_cd1_learning_raises_the_probability_of_its_only_case() -> None:
    """The sign of the update, seen from outside: data energy goes down."""
    m = reference.random_machine(16)
    rbm, case = package_rbm(m), np.array([[1.0, 0.0, 1.0, 1.0]])
    divergence, rng = ContrastiveDivergence(rbm, 50), np.random.default_rng(4)
    before = distribution(rbm)[0b1011]
    for _ in range(200):
        divergence.data_buffer(50)[:] = case
        divergence.learn(50, rng, Step(0.1))
    assert distribution(rbm)[0b1011] > before


def test_cd1_returns_the_summed_squared_reconstruction_error_and_keeps_the_data() -> None:
    m = reference.random_machine(17)
    divergence = ContrastiveDivergence(package_rbm(m), 2)
    divergence.data_buffer(2)[:] = CASES
    h = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    probs = np.array([reference.hidden_probs(m, v) for v in CASES])
    error = divergence.learn(2, scripted(draws_of(h, probs)), PLAIN)
    recon = np.array([reference.visible_probs(m, states) for states in h])
    assert error == pytest.approx(float(np.sum((CASES - recon) ** 2)), rel=0, abs=ROUNDING)
    np.testing.assert_array_equal(divergence.data_buffer(2), CASES)


def test_cd1_applies_rate_and_momentum_to_all_and_decay_to_the_weights_only() -> None:
    m = reference.random_machine(18)
    rbm, h_states = package_rbm(m), np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    divergence, expected = ContrastiveDivergence(rbm, 2), m
    velocity = [np.zeros_like(array) for array in m]
    for _ in range(2):
        probs = np.array([reference.hidden_probs(expected, v) for v in CASES])
        divergence.data_buffer(2)[:] = CASES
        divergence.learn(2, scripted(draws_of(h_states, probs)), Step(0.2, 0.7, 0.3))
        each = [
            reference.cd1_gradient(expected, v, h) for v, h in zip(CASES, h_states, strict=True)
        ]
        for k, decay in enumerate((0.3, 0.0, 0.0)):
            mean = (each[0][k] + each[1][k]) / 2
            velocity[k] = 0.7 * velocity[k] + 0.2 * (mean - decay * expected[k])
        expected = Machine(*(a + v for a, v in zip(expected, velocity, strict=True)))
    assert_close((rbm.weights, rbm.visible_bias, rbm.hidden_bias), expected, 2 * ROUNDING)


@pytest.mark.parametrize("cost", [0.0, 0.5])
def test_a_batch_smaller_than_the_largest_is_learned_as_in_buffers_of_its_own_size(
    cost: float,
) -> None:
    m = reference.random_machine(19)
    rbm, rng = package_rbm(m), np.random.default_rng(5)
    divergence = ContrastiveDivergence(rbm, 7, sparsity=(0.1, cost))
    divergence.data_buffer(7)[:] = 1  # leaves its traces in all of the work arrays
    divergence.learn(7, rng, Step(rate=0.0))
    divergence.data_buffer(2)[:] = CASES
    divergence.learn(2, np.random.default_rng(6), PLAIN)
    alone = package_rbm(m)
    learn_from(alone, CASES, np.random.default_rng(6), sparsity=(0.1, cost))
    assert_close(
        (rbm.weights, rbm.visible_bias, rbm.hidden_bias),
        (alone.weights, alone.visible_bias, alone.hidden_bias),
        ROUNDING,
    )


def test_permuted_pixels_with_a_permuted_start_give_permuted_weights() -> None:
    m = reference.random_machine(20, n_visible=6)
    order = np.array([3, 5, 0, 1, 4, 2])
    plain = package_rbm(m)
    permuted = Rbm(m.weights[order], m.visible_bias[order], m.hidden_bias.copy())
    cases = np.random.default_rng(7).random((10, 5, 6))
    for rbm, data in ((plain, cases), (permuted, cases[:, :, order])):
        divergence, rng = ContrastiveDivergence(rbm, 5), np.random.default_rng(8)
        for batch in data:
            divergence.data_buffer(5)[:] = batch
            divergence.learn(5, rng, Step(0.1, 0.0, 0.001))
    # Each of ten updates rounds fewer than 100 times. At rate 0.1 it stretches the differences
    # so far less than twofold: the two statistics are products of probabilities, whose slopes in
    # the parameters, a quarter of the sum over the units that drive them, add up to about 6.
    tolerance = reference.rounding(10 * 100) * 2.0**10
    np.testing.assert_allclose(permuted.weights, plain.weights[order], rtol=0, atol=tolerance)
    np.testing.assert_allclose(
        permuted.visible_bias, plain.visible_bias[order], rtol=0, atol=tolerance
    )
    np.testing.assert_allclose(permuted.hidden_bias, plain.hidden_bias, rtol=0, atol=tolerance)
