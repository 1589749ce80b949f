"""Annealed importance sampling, against full enumeration of a net of 3-3-3 units and 2 labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference
import reference_generative as slow
from numpy.typing import NDArray
from reference import Floats
from reference_generative import Net

from hinton06 import annealing
from hinton06.annealing import LEAST_CHANCE, Chains, Samples, anneal, log_sum, sample
from hinton06.models import DeepBeliefNet

# Fewer than 300 roundings of numbers below 20 lie on a path from a pixel to the log of f_b.
ROUNDING = reference.rounding(300, size=20.0)


def tiny_net(seed: int) -> Net:
    return slow.random_net(seed, n_vis=3, n_hid=3, n_pen=3, n_labels=2, n_top=3)


def package_net(net: Net, dtype: Any = np.float64) -> DeepBeliefNet:
    arrays = {name: array.astype(dtype) for name, array in net._asdict().items()}
    return DeepBeliefNet.from_arrays({**arrays, "n_labels": net.n_labels})


def image_of(seed: int) -> Floats:
    """Real-valued pixels."""
    return np.random.default_rng(seed).random(3)


def chains_at(net: Net, image: Floats, hid: Floats, pen: Floats) -> Chains:
    """Chains in these states, a row each, all of the same image."""
    rng = np.random.default_rng(0)
    chains = Chains(package_net(net), np.repeat(image[np.newaxis], len(hid), axis=0), rng)
    chains.hid_states[...], chains.pen_states[...] = hid, pen
    chains.refresh()
    return chains


def all_pairs(net: Net) -> tuple[Floats, Floats]:
    """Every state of hid and pen."""
    states = slow.generative_states(net)[:: net.n_labels]
    return np.array([hid for hid, _, _ in states]), np.array([pen for _, pen, _ in states])


def sure(net: Net, hid: Floats, pen: Floats) -> Net:
    """The net with recognition biases so large that every image has these states."""
    return net._replace(
        hid_rec_bias=np.where(hid == 1, 1000.0, -1000.0),
        hidpen=np.zeros_like(net.hidpen), pen_rec_bias=np.where(pen == 1, 1000.0, -1000.0),
    )  # fmt: skip


# -- the distributions in between ------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_log_density_of_every_state_is_that_of_the_formula(beta: float) -> None:
    net, image = tiny_net(1), image_of(1)
    hid, pen = all_pairs(net)
    expected = np.log(slow.Path(net, image, beta, LEAST_CHANCE).by_pair().sum(axis=1))
    found = chains_at(net, image, hid, pen).log_density(beta)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


def test_the_densities_sum_to_one_at_first_and_to_the_image_s_own_at_last() -> None:
    net, image = tiny_net(2), image_of(2)
    chains = chains_at(net, image, *all_pairs(net))
    assert np.exp(chains.log_density(0.0)).sum() == pytest.approx(1, rel=ROUNDING)
    expected = slow.joint_probs(net, image).sum()
    assert np.exp(chains.log_density(1.0)).sum() == pytest.approx(expected, rel=ROUNDING)


def test_label_energies_are_those_of_every_pen_state() -> None:
    net, image = tiny_net(3), image_of(3)
    hid, pen = all_pairs(net)
    expected = [
        [reference.free_energy(net.memory, np.append(p, lab)) for lab in np.eye(2)] for p in pen
    ]
    found = chains_at(net, image, hid, pen).label_energies
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


# -- a move ----------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_the_move_of_the_reference_leaves_each_distribution_exactly_as_it_is(beta: float) -> None:
    net, image = tiny_net(4), image_of(4)
    path = slow.Path(net, image, beta, LEAST_CHANCE)
    matrix = path.move_matrix()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=0, atol=ROUNDING)
    probs = path.density / path.density.sum()
    np.testing.assert_allclose(probs @ matrix, probs, rtol=0, atol=ROUNDING)
    assert abs(np.linalg.matrix_power(matrix, 200)[0] - probs).max() < 1e-3  # and leads there


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_a_move_is_that_of_the_reference_unit_by_unit(beta: float) -> None:
    """From every state, by draws within 1e-9 of the chances: on either side of each."""
    net, image = tiny_net(5), image_of(5)
    hid, pen = (np.tile(states, (4, 1)) for states in all_pairs(net))
    path = slow.Path(net, image, beta, LEAST_CHANCE)
    moved = [
        path.scripted_move(h, p, [5, i]) for i, (h, p) in enumerate(zip(hid, pen, strict=True))
    ]
    draws = (np.array([made[k] for _, made in moved]) for k in range(3))
    chains = chains_at(net, image, hid, pen)
    chains.move(beta, slow.scripted(*draws))
    np.testing.assert_array_equal(chains.hid_states, [state[0] for state, _ in moved])
    np.testing.assert_array_equal(chains.pen_states, [state[1] for state, _ in moved])
    assert (chains.pen_states != pen).any(axis=0).all()
    assert (chains.hid_states != hid).any(axis=0).all()


@pytest.mark.parametrize("on", [0.0, 1.0])
def test_a_unit_of_which_recognition_is_sure_is_still_offered_its_other_state(on: float) -> None:
    """As often as `LEAST_CHANCE`; what is generated has a use for it, and it is taken."""
    sign, n = 2 * on - 1, 2
    states, recognition = np.full((n, 1), on), np.full((n, 1), 800.0 * sign)
    support = np.full((n, 1), -300.0 * sign)
    draws = [np.array([[LEAST_CHANCE * 0.99], [LEAST_CHANCE * 1.01]])]
    annealing._offer(states, recognition, support, (), slow.scripted(*draws))
    np.testing.assert_array_equal(states[:, 0], [1 - on, on])


def test_after_a_move_everything_belongs_to_the_new_states() -> None:
    net, image = tiny_net(6), image_of(6)
    chains = chains_at(net, image, *all_pairs(net))
    chains.move(0.5, np.random.default_rng(1))
    fresh = chains_at(net, image, chains.hid_states, chains.pen_states)
    np.testing.assert_array_equal(chains.log_density(0.7), fresh.log_density(0.7))


def test_a_move_of_many_chains_keeps_a_distribution_within_its_sampling_error() -> None:
    net, image, beta, n = tiny_net(7), image_of(7), 0.6, 20_000
    hid, pen = all_pairs(net)
    probs = np.exp(chains_at(net, image, hid, pen).log_density(beta))
    probs /= probs.sum()
    rng = np.random.default_rng(2)
    start = rng.choice(len(probs), n, p=probs)
    chains = chains_at(net, image, hid[start], pen[start])
    chains.move(beta, rng)
    number = np.hstack([chains.hid_states, chains.pen_states]) @ 2 ** np.arange(5, -1, -1)
    found = np.bincount(number.astype(int), minlength=64) / n
    tolerance = reference.sampling_error(probs * (1 - probs), n, 64)
    assert (abs(found - probs) <= tolerance).all()


# -- the weights -----------------------------------------------------------------------------


@pytest.mark.parametrize("betas", [[0.0, 1.0], [0.0, 0.5, 1.0], [0.0, 0.2, 0.6, 1.0]])
def test_weights_times_label_probabilities_are_unbiased_whatever_the_temperatures(
    betas: list[float],
) -> None:
    net, image = tiny_net(8), image_of(8)
    (mean,), _ = slow.annealing_moments(net, image, betas, LEAST_CHANCE, [1])
    np.testing.assert_allclose(mean, slow.joint_probs(net, image), rtol=ROUNDING)


@pytest.mark.parametrize("temperatures", [0, 1, 2])
def test_sampled_weights_average_to_the_exact_probability_of_image_and_label(
    temperatures: int,
) -> None:
    net, image, passes = tiny_net(9), image_of(9), 5000
    betas = [float(beta) for beta in np.linspace(0, 1, temperatures + 2)]
    (mean, square, fourth), largest = slow.annealing_moments(
        net, image, betas, LEAST_CHANCE, [1, 2, 4]
    )
    rng = np.random.default_rng(3)
    found = sample(package_net(net), image[np.newaxis], rng, passes, temperatures)
    tolerance = reference.sampling_error(square - mean**2, passes, 2, largest)
    assert (abs(np.exp(found.joint_log_probs()[0]) - mean) <= tolerance).all()
    # Their squares too: any temperatures have the same expectation, but not the same spread.
    terms = np.exp(found.log_weights[0][:, np.newaxis] + found.label_log_probs[0])
    tolerance = reference.sampling_error(fourth - square**2, passes, 2, largest**2)
    assert (abs((terms**2).mean(axis=0) - square) <= tolerance).all()


def test_more_temperatures_bring_the_weights_together() -> None:
    net, image = tiny_net(10), image_of(10)
    squares = [
        slow.annealing_moments(
            net, image, [float(b) for b in np.linspace(0, 1, n + 2)], LEAST_CHANCE, [1, 2]
        )[0]
        for n in (0, 4)
    ]
    spreads = [(square - mean**2).sum() for mean, square in squares]
    assert spreads[1] < spreads[0] / 2  # by enumeration, so no chance is involved


def test_the_exact_posterior_of_the_labels_is_reproduced() -> None:
    net, image, passes = tiny_net(11), image_of(11), 5000
    joint = slow.joint_probs(net, image)
    exact = joint / joint.sum()
    found = sample(package_net(net), image[np.newaxis], np.random.default_rng(4), passes, 3)
    # The estimate is off by the mean of d = w (p - exact), divided by that of w. The expectation
    # of d is 0; d is a difference of w p (1 - exact) and of w (1 - p) exact, neither of which is
    # negative, so that the sum of their squares is at least that of d.
    (square,), largest = slow.annealing_moments(
        net, image, [0.0, 0.25, 0.5, 0.75, 1.0], LEAST_CHANCE, [2]
    )
    weights = np.exp(found.log_weights[0])
    off = (weights[:, np.newaxis] * (np.exp(found.label_log_probs[0]) - exact)).mean(axis=0)
    variance = (1 - exact) ** 2 * square + exact**2 * square[::-1]
    assert (abs(off) <= reference.sampling_error(variance, passes, 2, largest)).all()
    np.testing.assert_allclose(
        np.exp(found.log_probs()[0]) - exact, off / weights.mean(), rtol=0, atol=ROUNDING
    )


def test_without_temperatures_a_weight_is_the_ratio_of_generation_and_recognition() -> None:
    hid, pen = np.array([1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])
    net = sure(tiny_net(12), hid, pen)
    images = np.random.default_rng(5).random((700, 3))
    # 2100 chains: more than are run side by side, and their seams lie within an image's chains.
    found = sample(package_net(net), images, np.random.default_rng(6), 3, 0)
    assert found.log_weights.shape == (700, 3)
    for row, image in zip(found.log_weights, images, strict=True):
        terms = [slow.log_generated(net, image, hid, pen, label) for label in range(2)]
        expected = np.logaddexp(*terms)  # recognition is sure: log q = 0
        np.testing.assert_allclose(row, expected, rtol=0, atol=ROUNDING)
    probs = slow.label_probs(net.memory, pen, 2)
    np.testing.assert_allclose(found.log_probs(), np.log([probs] * 700), rtol=0, atol=ROUNDING)


def test_moved_chains_stay_with_their_images() -> None:
    """Bright and dark images of a net that can tell them apart: weights far from each other's."""
    net = tiny_net(13)._replace(vis_gen_bias=np.array([9.0, 9.0, 9.0]))
    dark_and_bright = np.array([[0.0] * 3, [1.0] * 3])
    images = dark_and_bright[np.arange(101) % 2]
    found = sample(package_net(net), images, np.random.default_rng(7), 13, 2)
    assert found.log_weights[0::2].max() < found.log_weights[1::2].min() - 5


def test_the_labels_share_their_chains() -> None:
    """Labels that nothing depends on: the weights differ, but the ratios are exact in each."""
    net = tiny_net(14)
    weights, bias = net.memory_weights.copy(), net.memory_visible_bias
    weights[3:] = 0
    net = net._replace(memory_weights=weights)
    found = sample(package_net(net), image_of(14)[np.newaxis], np.random.default_rng(8), 5, 2)
    assert found.log_weights.std() > 0.1
    expected = np.log(slow.softmax(bias[3:]))
    np.testing.assert_allclose(found.log_probs()[0], expected, rtol=0, atol=ROUNDING)


def test_a_single_pass_has_the_label_probabilities_of_one_pen_state() -> None:
    net = tiny_net(15)
    possible = np.array([slow.label_probs(net.memory, p, 2) for p in reference.binary_states(3)])
    images = np.random.default_rng(9).random((20, 3))
    found = sample(package_net(net), images, np.random.default_rng(10), 1, 2)
    for row in np.exp(found.log_probs()):
        assert abs(possible - row).max(axis=1).min() <= ROUNDING


# -- what surrounds them ---------------------------------------------------------------------


def test_uint8_pixels_are_shares_of_255_and_float32_is_close_to_float64() -> None:
    hid, pen = np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0])
    net = sure(tiny_net(16), hid, pen)
    bytes_: NDArray[np.uint8] = np.random.default_rng(11).integers(0, 256, (5, 3), np.uint8)
    exact = sample(package_net(net), bytes_ / 255, np.random.default_rng(12), 2, 0)
    for dtype in (np.float32, np.float64):
        found = sample(package_net(net, dtype), bytes_, np.random.default_rng(12), 2, 0)
        # The sure units' inputs are about 1000, and their log chances differences of such.
        tolerance = reference.rounding(300, size=1000.0, dtype=dtype)
        np.testing.assert_allclose(found.log_weights, exact.log_weights, rtol=0, atol=tolerance)


def test_the_same_seed_gives_the_same_numbers_and_another_one_others() -> None:
    net, images = package_net(tiny_net(17)), np.random.default_rng(13).random((4, 3))
    one, same, other = (
        sample(net, images, np.random.default_rng(seed), 3, 2).log_weights for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_ticks_add_up_to_the_whole_of_the_work() -> None:
    net, images = package_net(tiny_net(18)), np.zeros((600, 3))
    shares: list[float] = []
    sample(net, images, np.random.default_rng(14), 2, 3, shares.append)
    assert len(shares) == 8  # two lots of chains, four steps each
    assert sum(shares) == pytest.approx(1, rel=reference.rounding(20))


def test_annealing_stops_short_of_a_last_move() -> None:
    net, image = tiny_net(19), image_of(19)
    hid, pen = all_pairs(net)
    chains = chains_at(net, image, hid, pen)
    found = anneal(chains, [0.2, 0.9], np.random.default_rng(15))
    expected = chains_at(net, image, hid, pen)
    np.testing.assert_array_equal(chains.hid_states, hid)
    np.testing.assert_array_equal(found, expected.log_density(0.9) - expected.log_density(0.2))


def test_effective_sizes_worked_by_hand() -> None:
    weights = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 2.0, 0.0], [7.0, 0.0, 0.0, 0.0]])
    with np.errstate(divide="ignore"):
        samples = Samples(np.log(weights) - 2000, np.zeros((3, 4, 2)))
    # (1 + 1 + 2)^2 / (1 + 1 + 4) = 8 / 3.
    expected = [4, 8 / 3, 1]
    # Logs of about 4000, four of them summed.
    tolerance = reference.rounding(20, size=4000)
    np.testing.assert_allclose(samples.effective_sizes(), expected, rtol=tolerance)


def test_the_spread_worked_by_hand() -> None:
    samples = Samples(np.array([[0.0, 2.0], [5.0, 5.0]]), np.zeros((2, 2, 3)))
    spread = samples.spread()
    small = (1 + math.exp(2)) ** 2 / (1 + math.exp(4))
    assert (spread.passes, spread.dominated) == (2, 1)
    assert spread.effective_size == pytest.approx((small + 2) / 2, rel=reference.rounding(40))
    # Deviations from the mean 1 are 1 and 1: variance 2 over 1; then 0.
    assert spread.log_weight_sd == pytest.approx(math.sqrt(2) / 2, rel=reference.rounding(40))
    alone = Samples(np.zeros((2, 1)), np.zeros((2, 1, 3))).spread()
    assert (alone.effective_size, alone.dominated, alone.log_weight_sd) == (1, 2, None)


def test_joint_log_probs_average_weights_times_probabilities() -> None:
    logs = np.log(np.array([[[0.5, 0.5], [0.25, 0.75]]]))
    samples = Samples(np.log([[2.0, 4.0]]), logs)
    # (2/2 + 4/4) / 2 and (2/2 + 4 * 3/4) / 2.
    np.testing.assert_allclose(np.exp(samples.joint_log_probs()), [[1, 2]], rtol=1e-14)
    np.testing.assert_allclose(np.exp(samples.log_probs()), [[1 / 3, 2 / 3]], rtol=1e-14)


def test_log_sum_of_numbers_far_beyond_floats() -> None:
    terms = np.array([[1e5, 1e5], [-1e5, -1e5 - math.log(3)]])
    found = log_sum(terms, axis=1)
    expected = [1e5 + math.log(2), -1e5 + math.log(4 / 3)]
    np.testing.assert_allclose(found, expected, rtol=reference.rounding(10))


@pytest.mark.parametrize(
    ("n_labels", "n_pixels", "passes", "temperatures", "words"),
    [
        (0, 3, 1, 0, "without labels"),
        (2, 4, 1, 0, "4 pixels, the net has 3"),
        (2, 3, 0, 0, "0 passes"),
        (2, 3, 1, -1, "-1 temperatures"),
    ],
)
def test_what_cannot_be_sampled_is_refused(
    n_labels: int, n_pixels: int, passes: int, temperatures: int, words: str
) -> None:
    net = package_net(slow.random_net(1, n_vis=3, n_labels=n_labels))
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=words):
        sample(net, np.zeros((2, n_pixels)), rng, passes, temperatures)
