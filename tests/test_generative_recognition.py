from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import reference_generative as slow
from numpy.typing import NDArray
from reference import Floats
from reference_generative import Net

from hinton06.models import DeepBeliefNet, Rbm
from hinton06.recognition import (
    gibbs_label_log_probs,
    label_free_energies,
    label_log_probs,
    mean_free_energy,
    pen_probs,
    stochastic_label_log_probs,
)

# Fewer than 100 roundings of numbers below 10 lie on a path from a pixel to a free energy; on
# the other side are sums over 8 top states, and their logarithms.
SIZE = {"operations": 200, "size": 10.0}
ROUNDING = reference.rounding(**SIZE)
# The chains and passes that one expectation is measured with.
N_COPIES = 2500


def package_net(net: Net, dtype: Any = np.float64) -> DeepBeliefNet:
    arrays = {name: array.astype(dtype) for name, array in net._asdict().items()}
    return DeepBeliefNet.from_arrays({**arrays, "n_labels": net.n_labels})


def pixels(n_cases: int, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n_cases, 4), np.uint8)


def slow_pen(net: Net, image: Floats) -> Floats:
    hid = slow.layer(image, net.vishid, net.hid_rec_bias)
    return slow.layer(hid, net.hidpen, net.pen_rec_bias)


# -- the deterministic up-pass, and the free energy of each label ----------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pen_probs_are_those_of_the_recognition_weights_unit_by_unit(dtype: Any) -> None:
    net, images = slow.random_net(1), pixels(5)
    found = pen_probs(package_net(net, dtype), images)
    assert found.dtype == dtype
    expected = [slow_pen(net, image / 255) for image in images]
    tolerance = reference.rounding(**SIZE, dtype=dtype)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("real_valued", [False, True])
def test_label_free_energies_equal_enumeration_over_the_top_states(real_valued: bool) -> None:
    m = slow.random_net(2).memory
    pens = reference.binary_states(2)
    if real_valued:
        pens = np.random.default_rng(1).random((5, 2))
    expected = [
        [reference.free_energy(m, np.append(pen, lab)) for lab in np.eye(3)] for pen in pens
    ]
    found = label_free_energies(Rbm(*m, 3), pens)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label_weight", [0.0, -15.0, 19.9, 25.0, -200.0])
@pytest.mark.parametrize("bias", [-300.0, -61.0, 59.0, 61.0, 90.0, 300.0])
def test_label_free_energies_of_saturated_top_units_are_linear(
    bias: float, label_weight: float, dtype: Any
) -> None:
    m = slow.random_net(4).memory
    m.hidden_bias[0], m.weights[-2, 0] = bias, label_weight
    pens = reference.binary_states(2)
    expected = np.array(
        [[reference.free_energy(m, np.append(pen, lab)) for lab in np.eye(3)] for pen in pens]
    )
    memory = Rbm(*(array.astype(dtype) for array in m), 3)
    found = label_free_energies(memory, pens.astype(dtype))
    tolerance = reference.rounding(20, size=600, dtype=dtype)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_free_energies_give_the_memory_s_own_label_probabilities_of_each_pen_state() -> None:
    m = slow.random_net(3).memory
    joint = slow.labelled_joint(m, 3).sum(axis=1).reshape(4, 3)
    energies = label_free_energies(Rbm(*m, 3), reference.binary_states(2))
    shares = np.exp(-energies)
    expected = joint / joint.sum(axis=1, keepdims=True)
    found = shares / shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_label_log_probs_equal_visiting_every_label_and_top_state(dtype: Any) -> None:
    net, images = slow.random_net(4), pixels(5)
    found = label_log_probs(package_net(net, dtype), images)
    expected = [
        np.log(slow.label_probs(net.memory, slow_pen(net, image / 255), 3)) for image in images
    ]
    assert found.dtype == dtype
    tolerance = 2 * reference.rounding(**SIZE, dtype=dtype)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("n_cases", [999, 1000, 2003])
def test_label_log_probs_of_many_images_are_those_of_each(n_cases: int) -> None:
    net = package_net(slow.random_net(5))
    images = pixels(17)
    few = label_log_probs(net, images)
    many = label_log_probs(net, images[np.arange(n_cases) % 17])
    np.testing.assert_allclose(many, few[np.arange(n_cases) % 17], rtol=0, atol=2 * ROUNDING)


def test_mean_free_energy_is_that_of_each_image_s_features_and_its_own_label() -> None:
    net, images, labels = slow.random_net(6), pixels(5), np.array([2, 0, 1, 1, 0])
    energies = []
    for image, label in zip(images, labels, strict=True):
        visible = np.append(slow_pen(net, image / 255), np.eye(3)[label])
        energies.append(reference.free_energy(net.memory, visible))
    found = mean_free_energy(package_net(net), images, labels)
    assert found == pytest.approx(sum(energies) / 5, rel=0, abs=ROUNDING)


def test_generative_weights_take_no_part_in_recognition() -> None:
    net, other = slow.random_net(7), slow.random_net(8)
    changed = net._replace(
        penhid=other.penhid, hid_gen_bias=other.hid_gen_bias, hidvis=other.hidvis,
        vis_gen_bias=other.vis_gen_bias,
    )  # fmt: skip
    left, right = package_net(net), package_net(changed)
    images, one, two = pixels(5), np.random.default_rng(1), np.random.default_rng(1)
    for measure in (
        lambda net, _: label_log_probs(net, images),
        lambda net, rng: stochastic_label_log_probs(net, images, rng),
        lambda net, rng: gibbs_label_log_probs(net, images, rng, 3),
    ):
        np.testing.assert_array_equal(measure(left, one), measure(right, two))


def test_a_net_without_labels_is_not_asked_for_them() -> None:
    net = package_net(slow.random_net(1, n_labels=0))
    with pytest.raises(ValueError, match="without labels"):
        label_log_probs(net, pixels(2))


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="5 pixels, the net has 4"):
        pen_probs(package_net(slow.random_net(1)), np.zeros((2, 5), np.uint8))


# -- the stochastic up-pass ------------------------------------------------------------------


def test_stochastic_passes_average_to_the_expectation_over_hid_and_pen_states() -> None:
    net, image = slow.random_net(9), pixels(1)
    mean, square = np.zeros(3), np.zeros(3)
    for chance, _, pen in slow.recognition_states(net, image[0] / 255):
        probs = slow.label_probs(net.memory, pen, 3)
        mean += chance * probs
        square += chance * probs**2
    copies = np.repeat(image, N_COPIES, axis=0)
    rng = np.random.default_rng(1)
    found = np.exp(stochastic_label_log_probs(package_net(net), copies, rng))
    tolerance = reference.sampling_error(square - mean**2, N_COPIES, 3)
    assert (abs(found.mean(axis=0) - mean) <= tolerance).all()


def test_a_stochastic_pass_gives_the_label_probabilities_of_one_pen_state() -> None:
    """Not those of features between 0 and 1, so the rows take few values."""
    net = slow.random_net(10)
    possible = [slow.label_probs(net.memory, pen, 3) for pen in reference.binary_states(2)]
    rng = np.random.default_rng(1)
    found = np.exp(stochastic_label_log_probs(package_net(net), pixels(50), rng))
    for row in found:
        assert min(abs(row - probs).max() for probs in possible) <= ROUNDING


def test_several_stochastic_passes_average_probabilities() -> None:
    net, images = package_net(slow.random_net(11)), pixels(5)
    together, apart = np.random.default_rng(2), np.random.default_rng(2)
    found = np.exp(stochastic_label_log_probs(net, images, together, passes=3))
    single = [np.exp(stochastic_label_log_probs(net, images, apart)) for _ in range(3)]
    np.testing.assert_allclose(found, sum(single) / 3, rtol=0, atol=reference.rounding(20))
    assert (single[0] != single[1]).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_labels_too_improbable_for_a_float_have_finite_costs(dtype: Any) -> None:
    """At -2000 nats a probability is 0; warnings are errors here, and JSON knows no infinity."""
    net = slow.random_net(16)
    bias = net.memory_visible_bias.copy()
    bias[-1] -= 2000
    sure = package_net(net._replace(memory_visible_bias=bias), dtype)
    for found in (
        stochastic_label_log_probs(sure, pixels(5), np.random.default_rng(1), passes=3),
        gibbs_label_log_probs(sure, pixels(5), np.random.default_rng(1), rounds=4),
    ):
        assert np.isfinite(found).all()
        assert (abs(found[:, -1] + 2000) < 50).all()


# -- Gibbs sampling of the labels ------------------------------------------------------------


def sure_of_pen(net: Net, pen: Floats) -> Net:
    """The net with recognition biases so large that every image has these pen states."""
    return net._replace(
        hidpen=np.zeros_like(net.hidpen), pen_rec_bias=np.where(pen == 1, 1000.0, -1000.0)
    )


@pytest.mark.parametrize("rounds", [1, 2, 5, 12])
@pytest.mark.parametrize("pen", [[0.0, 1.0], [1.0, 1.0]])
def test_gibbs_label_probs_are_means_over_the_second_half_of_the_rounds(
    rounds: int, pen: list[float]
) -> None:
    net = sure_of_pen(slow.random_net(12), np.array(pen))
    mean, variance = slow.gibbs_label_moments(net.memory, np.array(pen), 3, rounds)
    rng, copies = np.random.default_rng(3), np.zeros((N_COPIES, 4), np.uint8)
    found = np.exp(gibbs_label_log_probs(package_net(net), copies, rng, rounds))
    tolerance = reference.sampling_error(variance, N_COPIES, 3)
    assert (abs(found.mean(axis=0) - mean) <= tolerance).all()


def test_gibbs_label_probs_settle_at_those_by_free_energy_of_the_pen_states() -> None:
    pen, rounds = np.array([1.0, 0.0]), 60
    net = sure_of_pen(slow.random_net(13), pen)
    exact = np.exp(label_log_probs(package_net(net), np.zeros((1, 4), np.uint8)))[0]
    mean, variance = slow.gibbs_label_moments(net.memory, pen, 3, rounds)
    copies = np.zeros((200, 4), np.uint8)
    rng = np.random.default_rng(4)
    found = np.exp(gibbs_label_log_probs(package_net(net), copies, rng, rounds))
    # What is left of the start after 30 rounds, known exactly, and the draws.
    unsettled = abs(mean - exact)
    assert (unsettled < 0.001).all()
    tolerance = unsettled + reference.sampling_error(variance, 200, 3)
    assert (abs(found.mean(axis=0) - exact) <= tolerance).all()


def test_gibbs_sampling_starts_from_sampled_pen_states() -> None:
    """One round of it: the expectation runs over hid, pen, a label and the top states."""
    net, image = slow.random_net(14), pixels(1)
    mean, square = np.zeros(3), np.zeros(3)
    for chance, _, pen in slow.recognition_states(net, image[0] / 255):
        own, variance = slow.gibbs_label_moments(net.memory, pen, 3, 1)
        mean += chance * own
        square += chance * (variance + own**2)
    copies = np.repeat(image, N_COPIES, axis=0)
    found = np.exp(gibbs_label_log_probs(package_net(net), copies, np.random.default_rng(5), 1))
    tolerance = reference.sampling_error(square - mean**2, N_COPIES, 3)
    assert (abs(found.mean(axis=0) - mean) <= tolerance).all()
