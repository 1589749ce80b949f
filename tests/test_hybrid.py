from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import reference_generative as slow
from reference import Floats
from reference_generative import Net

from hinton06.hybrid import LabelBackpropagation, PretrainingGradient, tie
from hinton06.models import DeepBeliefNet, Rbm
from hinton06.rbm import ContrastiveDivergence
from hinton06.recognition import label_log_probs
from hinton06.updates import Step

# Pixels are real-valued: some certain, some not.
IMAGES = np.array([[0.0, 1.0, 0.3, 0.8], [1.0, 0.6, 0.0, 0.1], [0.2, 0.4, 1.0, 0.9]])
LABELS = np.array([1, 0, 2])
TARGETS = np.eye(3)[LABELS]
PLAIN = Step(rate=1.0)
# A probability, a product of two or a mean of a few takes fewer than 100 roundings, of numbers
# below 10.
ROUNDING = reference.rounding(100, size=10)


def package_net(net: Net) -> DeepBeliefNet:
    arrays = {name: array.copy() for name, array in net._asdict().items()}
    return DeepBeliefNet.from_arrays({**arrays, "n_labels": net.n_labels})


def log_prob_of_labels(net: Net) -> float:
    """The mean log probability of the labels, by enumeration over the top states."""
    total = 0.0
    for image, label in zip(IMAGES, LABELS, strict=True):
        hid = slow.layer(image, net.vishid, net.hid_rec_bias)
        pen = slow.layer(hid, net.hidpen, net.pen_rec_bias)
        weights = [
            sum(
                np.exp(-reference.energy(net.memory, np.concatenate([pen, target]), np.array(top)))
                for top in np.ndindex(*(2,) * len(net.memory_hidden_bias))
            )
            for target in np.eye(net.n_labels)
        ]
        total += float(np.log(weights[label] / np.sum(weights)))
    return total / len(LABELS)


def moved(net: Net, step: Step = PLAIN, times: int = 1) -> tuple[DeepBeliefNet, Floats]:
    """The net after updates from all cases, and each case's cost in the last one."""
    found = package_net(net)
    learner = LabelBackpropagation(found, len(IMAGES) + 2)
    for _ in range(times):
        costs = learner.gather(IMAGES, LABELS, step)
        learner.apply(step)
    return found, costs


@pytest.mark.parametrize("seed", [1, 2])
def test_the_gradient_equals_central_differences_of_the_enumerated_label_probability(
    seed: int,
) -> None:
    net = slow.random_net(seed)
    after = moved(net)[0].arrays()
    for name, array in net._asdict().items():
        change = after[name] - array
        slope, error = reference.central_differences(lambda: log_prob_of_labels(net), array)
        assert (abs(change - slope) <= error + ROUNDING).all(), name


def test_costs_are_minus_the_log_probabilities_of_free_energy_recognition() -> None:
    net = slow.random_net(3)
    expected = label_log_probs(package_net(net), IMAGES)[np.arange(3), LABELS]
    learner = LabelBackpropagation(package_net(net), 3)
    found = learner.gather(IMAGES, LABELS, PLAIN)
    np.testing.assert_allclose(found, -expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("bias", [-300.0, -80.0, 80.0, 300.0])
def test_saturated_top_units_leave_costs_and_gradients_as_they_are(bias: float) -> None:
    """In float32, where exp(300) is infinite: as in float64 without any shortcut."""
    net = slow.random_net(3)
    net.memory_hidden_bias[0] = bias
    found = DeepBeliefNet.from_arrays(
        {n: a.astype(np.float32) for n, a in net._asdict().items()} | {"n_labels": 3}
    )
    learner = LabelBackpropagation(found, 3)
    costs = learner.gather(IMAGES.astype(np.float32), LABELS, PLAIN)
    learner.apply(PLAIN)
    expected = label_log_probs(package_net(net), IMAGES)[np.arange(3), LABELS]
    # Free energies hold the saturated unit's input, of order 300 here and at most 60 there.
    tolerance = reference.rounding(100, size=300, dtype=np.float32)
    np.testing.assert_allclose(costs, -expected, rtol=0, atol=tolerance)
    slopes = (label for label in (found.labtop - net.memory_weights[2:])[:, 0])
    assert sum(abs(s) for s in slopes) < tolerance or bias > 0


def test_gathering_moves_nothing_until_it_is_applied() -> None:
    net = slow.random_net(3)
    found = package_net(net)
    learner = LabelBackpropagation(found, 3)
    learner.gather(IMAGES, LABELS, PLAIN)
    for name, array in net._asdict().items():
        np.testing.assert_array_equal(found.arrays()[name], array, err_msg=name)
    learner.apply(PLAIN)
    assert (found.vishid != net.vishid).all()


def test_velocity_runs_on_and_only_weights_decay() -> None:
    net, step = slow.random_net(5), Step(rate=0.3, momentum=0.5, decay=0.1)
    start = package_net(net).arrays()
    gradients = []
    here = net
    velocity = slow.zeros_like(net)
    for _ in range(2):
        after = moved(here)[0].arrays()
        gradients = [after[name] - array for name, array in here._asdict().items()]
        parts = []
        for g, v, array in zip(gradients, velocity, here, strict=True):
            # Only parameters with a gradient belong to this learner: the generative ones rest.
            decay = step.decay * array if array.ndim == 2 and g.any() else 0.0
            parts.append(step.momentum * v + step.rate * (g - decay))
        velocity = Net(*parts)
        here = Net(*(a + v for a, v in zip(here, velocity, strict=True)))
    found = moved(net, step, times=2)[0].arrays()
    for name, array in here._asdict().items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=4 * ROUNDING, err_msg=name)
        rests = name in ("penhid", "hid_gen_bias", "hidvis", "vis_gen_bias")
        assert rests == np.array_equal(found[name], start[name]), name


def test_a_net_without_labels_is_refused() -> None:
    net = package_net(slow.random_net(1, n_labels=0))
    with pytest.raises(ValueError, match="without labels"):
        LabelBackpropagation(net, 3)


# -- the gradient of the pretraining -----------------------------------------------------------


def tied_net(seed: int) -> DeepBeliefNet:
    """A stack of RBMs with labels at the top, seen as one net."""
    draw = np.random.default_rng(seed).standard_normal
    return DeepBeliefNet.untied(
        [
            Rbm(draw((4, 3)), draw(4), draw(3)),
            Rbm(draw((3, 2)), draw(3), draw(2)),
            Rbm(draw((5, 3)), draw(5), draw(3), n_labels=3),
        ]
    )


def copy_of(net: DeepBeliefNet) -> DeepBeliefNet:
    return net.copy()


@pytest.mark.parametrize(
    ("which", "states"),
    [
        ("none", (False, False, False)),
        ("labels", (False, False, True)),
        ("all", (True, True, True)),
    ],
)
def test_pretraining_gradient_is_cd1_in_each_rbm_on_the_probabilities_below(
    which: str, states: tuple[bool, bool, bool]
) -> None:
    """With reconstructions, of states or probabilities, as the pretraining has them."""
    net, step = tied_net(1), Step(rate=0.3, momentum=0.5, decay=0.01)
    before = copy_of(net)
    learner = PretrainingGradient(net, 4, which)
    learner.data_buffer(3)[...] = IMAGES
    error = learner.learn(TARGETS, 1, np.random.default_rng(7), step)

    hid = np.array([slow.layer(v, before.vishid, before.hid_rec_bias) for v in IMAGES])
    pen = np.array([slow.layer(h, before.hidpen, before.pen_rec_bias) for h in hid])
    rng = np.random.default_rng(7)
    errors = []
    rbms = (
        (Rbm(before.vishid, before.vis_gen_bias, before.hid_rec_bias), IMAGES),
        (Rbm(before.hidpen, before.hid_gen_bias, before.pen_rec_bias), hid),
        (before.memory, np.hstack([pen, TARGETS])),
    )
    for (rbm, data), own in zip(rbms, states, strict=True):
        alone = ContrastiveDivergence(rbm, 3, recon_states=own)
        alone.data_buffer(3)[...] = data
        errors.append(alone.learn(3, rng, step))
    assert error == pytest.approx(errors[0], rel=0, abs=ROUNDING)
    for name, array in net.arrays().items():
        np.testing.assert_allclose(
            array, before.arrays()[name], rtol=0, atol=ROUNDING, err_msg=name
        )


def test_tie_makes_the_generative_weights_transposes_again() -> None:
    net: Any = tied_net(2)
    learner = PretrainingGradient(net, 3, "labels")
    learner.data_buffer(3)[...] = IMAGES
    learner.learn(TARGETS, 1, np.random.default_rng(1), PLAIN)
    assert (net.hidvis != net.vishid.T).any()
    tie(learner.net)
    np.testing.assert_array_equal(net.hidvis, net.vishid.T)
    np.testing.assert_array_equal(net.penhid, net.hidpen.T)


def test_momenta_are_named_after_the_net_s_arrays() -> None:
    net = tied_net(2)
    for learner in (PretrainingGradient(net, 3, "all"), LabelBackpropagation(net, 3)):
        for name, momentum in learner.momenta.items():
            array = net.arrays().get(name)
            array = getattr(net, name) if array is None else array
            assert np.shares_memory(momentum.parameter, array), name
