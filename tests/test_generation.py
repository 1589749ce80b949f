"""Chains leave the model's exact distribution as it is; dreams are drawn where they should be."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import reference
import reference_generative as slow
from numpy.typing import NDArray
from reference import Floats, Machine
from reference_generative import Net, scripted

from hinton06 import generation
from hinton06.generation import AlternatingGibbs, Generator, fantasies, start, top_down_pass
from hinton06.models import DeepBeliefNet, Rbm

# Fewer than 100 roundings of numbers below 10 lie between a state and a probability, on each side.
ROUNDING = reference.rounding(200, 10.0)
N_LABELS = 3
# Chains that a distribution is measured with.
N_CHAINS = 4000


def package_net(net: Net, dtype: Any = np.float64) -> DeepBeliefNet:
    arrays = {name: array.astype(dtype) for name, array in net._asdict().items()}
    return DeepBeliefNet.from_arrays({**arrays, "n_labels": net.n_labels})


def random_stack(seed: int = 0, n_labels: int = 2, dtype: Any = np.float64) -> list[Rbm]:
    """Three RBMs on five pixels: 4, 3 and 2 features."""
    sizes = [(5, 4), (4, 3), (3 + n_labels, 2)]
    machines = [reference.random_machine(seed + i, *size) for i, size in enumerate(sizes)]
    labels = [0, 0, n_labels]
    return [
        Rbm(*(array.astype(dtype) for array in m), n) for m, n in zip(machines, labels, strict=True)
    ]


def memory(seed: int) -> Machine:
    """Two binary and three label units, three features."""
    return slow.random_net(seed).memory


# -- one round, unit by unit -----------------------------------------------------------------


@pytest.mark.parametrize("labels", [None, [2, 0, 1]])
@pytest.mark.parametrize("seed", range(5))
def test_each_round_draws_every_unit_from_its_own_probability(
    seed: int, labels: list[int] | None
) -> None:
    """The scripted draws lie next to the exact probabilities, so any other one shows."""
    m, n, rounds = memory(seed), 3, 4
    states = slow.labelled_states(m, N_LABELS)
    at = states[np.random.default_rng(seed).integers(len(states), size=n)].copy()
    if labels is not None:
        at[:, -N_LABELS:] = np.eye(N_LABELS)[labels]
    chains = AlternatingGibbs(
        Rbm(*m, N_LABELS), at, None if labels is None else np.array(labels)
    )  # fmt: skip
    for number in range(rounds):
        probs, made = np.empty_like(at), []
        for row in range(n):
            draws = slow.Draws((seed, number, row))
            top = draws.states(slow.layer(at[row], m.weights, m.hidden_bias))
            units, lab = slow.memory_visible(m, top, N_LABELS)
            pen, label = draws.states(units), draws.label(lab)
            if labels is not None:
                label = np.eye(N_LABELS)[labels[row]]
            at[row], probs[row] = np.append(pen, label), np.append(units, lab)
            made.append(draws.made)
        tops, pens, ends = (np.array([each[k] for each in made]) for k in range(3))
        chains.run(1, scripted(tops, np.hstack([pens, np.full((n, N_LABELS), 0.5)]), ends))
        np.testing.assert_array_equal(chains.v_states, at)
        np.testing.assert_allclose(chains.v_probs, probs, rtol=0, atol=ROUNDING)
        np.testing.assert_array_equal(chains.labels(), at[:, -N_LABELS:].argmax(axis=1))


# -- stationarity ----------------------------------------------------------------------------


def conditional_round(m: Machine, label: int) -> tuple[Floats, Floats]:
    """Transitions between pen states with a label clamped, and p(pen | label); both exact."""
    joint = slow.labelled_joint(m, N_LABELS).reshape(4, N_LABELS, 8)
    up = joint[:, label] / joint[:, label].sum(axis=1, keepdims=True)
    down = (joint.sum(axis=1) / joint.sum(axis=(0, 1))).T
    equilibrium = joint[:, label].sum(axis=1) / joint[:, label].sum()
    return up @ down, equilibrium


@pytest.mark.parametrize("label", range(N_LABELS))
def test_a_round_with_a_clamped_label_keeps_the_exact_conditional_distribution(label: int) -> None:
    """From each pen state the chains go where the exact transitions lead, and those keep it."""
    m, rng = memory(6), np.random.default_rng(1)
    transitions, equilibrium = conditional_round(m, label)
    np.testing.assert_allclose(equilibrium @ transitions, equilibrium, rtol=0, atol=ROUNDING)
    pens = reference.binary_states(2)
    for pen, chances in zip(pens, transitions, strict=True):
        at = np.tile(np.append(pen, np.eye(N_LABELS)[label]), (N_CHAINS, 1))
        chains = AlternatingGibbs(Rbm(*m, N_LABELS), at, np.full(N_CHAINS, label))
        chains.run(1, rng)
        rates = [(chains.v_states[:, :2] == state).all(axis=1).mean() for state in pens]
        tolerance = reference.sampling_error(chances * (1 - chances), N_CHAINS, 4 * 4 * N_LABELS)
        assert (abs(rates - chances) <= tolerance).all()


@pytest.mark.parametrize("label", [None, 0, 1, 2])
def test_chains_in_equilibrium_stay_there(label: int | None) -> None:
    m, rng = memory(7), np.random.default_rng(2)
    states = slow.labelled_states(m, N_LABELS)
    exact = slow.labelled_joint(m, N_LABELS).sum(axis=1)
    if label is not None:
        exact = np.where(states[:, 2 + label] == 1, exact, 0)
        exact /= exact.sum()
    at = states[rng.choice(len(states), N_CHAINS, p=exact)]
    clamped = None if label is None else np.full(N_CHAINS, label)
    chains = AlternatingGibbs(Rbm(*m, N_LABELS), at, clamped)
    for _ in range(3):
        chains.run(2, rng)
        rates = [(chains.v_states == state).all(axis=1).mean() for state in states]
        tolerance = reference.sampling_error(exact * (1 - exact), N_CHAINS, 4 * 3 * len(states))
        assert (abs(rates - exact) <= tolerance).all()


def test_a_single_rbm_from_random_images_settles_in_its_exact_distribution() -> None:
    m, rng = reference.random_machine(8), np.random.default_rng(3)
    states, transitions = reference.binary_states(4), reference.transitions(m)
    exact = reference.joint_distribution(m).sum(axis=1)
    rounds = 40
    # What is left of the start, known exactly.
    after = np.full(16, 1 / 16) @ np.linalg.matrix_power(transitions, rounds)
    assert (abs(after - exact) < 0.001).all()
    generator = Generator(Rbm(*m))
    chains = start(generator, N_CHAINS, rng)
    chains.run(rounds, rng)
    rates = [(chains.v_states == state).all(axis=1).mean() for state in states]
    tolerance = reference.sampling_error(after * (1 - after), N_CHAINS, 16)
    assert (abs(rates - after) <= tolerance).all()


# -- clamped and free labels -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clamped_labels_stay_clamped_and_free_ones_have_one_unit_on(dtype: Any) -> None:
    rbm = Rbm(*(array.astype(dtype) for array in memory(9)), N_LABELS)
    rng, labels = np.random.default_rng(4), np.arange(30) % N_LABELS
    clamped = start(Generator(rbm), 30, rng, labels)
    free = start(Generator(rbm), 30, rng)
    seen = set()
    for _ in range(20):
        clamped.run(1, rng)
        free.run(1, rng)
        np.testing.assert_array_equal(clamped.v_states[:, 2:], np.eye(N_LABELS)[labels])
        np.testing.assert_array_equal(clamped.labels(), labels)
        assert set(map(tuple, free.v_states[:, 2:])) <= set(map(tuple, np.eye(N_LABELS)))
        assert clamped.v_states.dtype == free.v_states.dtype == dtype
        seen |= set(free.labels())
    assert seen == set(range(N_LABELS))


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_outside_the_net_s_is_refused(label: int) -> None:
    rbm = Rbm(*memory(1), N_LABELS)
    with pytest.raises(ValueError, match=f"label {label} among 3"):
        AlternatingGibbs(rbm, np.zeros((1, 5)), np.array([label]))


def test_an_rbm_without_labels_has_none_to_clamp_or_to_tell() -> None:
    rbm = Rbm(*reference.random_machine(1))
    with pytest.raises(ValueError, match="label 0 among 0"):
        start(Generator(rbm), 1, np.random.default_rng(1), np.array([0]))
    with pytest.raises(ValueError, match="empty"):
        AlternatingGibbs(rbm, np.zeros((1, 4))).labels()


def test_the_states_that_chains_start_from_are_copied() -> None:
    at = np.zeros((2, 5))
    AlternatingGibbs(Rbm(*memory(1), N_LABELS), at, np.array([0, 1])).run(
        3, np.random.default_rng(1)
    )
    assert not at.any()


# -- the start, and the way down -------------------------------------------------------------


@pytest.mark.parametrize("labels", [None, [2, 0, 1]])
def test_chains_start_from_the_states_of_an_up_pass_of_random_images(
    labels: list[int] | None,
) -> None:
    net, n = slow.random_net(10), 3
    expected, made = [], []
    for row in range(n):
        draws = slow.Draws(row)
        image = draws.states(np.full(4, 0.5))
        hid = draws.states(slow.layer(image, net.vishid, net.hid_rec_bias))
        pen = draws.states(slow.layer(hid, net.hidpen, net.pen_rec_bias))
        label = draws.label(np.full(3, 1 / 3))
        if labels is not None:
            label = np.eye(3)[labels[row]]
        expected.append(np.append(pen, label))
        made.append(draws.made)
    uniforms = [np.array([each[k] for each in made]) for k in range(4)]
    rng = scripted(*(uniforms if labels is None else uniforms[:3]))
    given = None if labels is None else np.array(labels)
    chains = start(Generator.of_net(package_net(net)), n, rng, given)
    np.testing.assert_array_equal(chains.v_states, expected)
    np.testing.assert_array_equal(chains.v_probs, expected)
    assert not rng.arrays


@pytest.mark.parametrize("seed", range(5))
def test_a_dream_samples_hid_and_leaves_pixels_as_probabilities(seed: int) -> None:
    net = slow.random_net(seed)
    pens = reference.binary_states(2)
    expected, made = [], []
    for row, pen in enumerate(pens):
        draws = slow.Draws((seed, row))
        hid = draws.states(slow.layer(pen, net.penhid, net.hid_gen_bias))
        expected.append(slow.layer(hid, net.hidvis, net.vis_gen_bias))
        made.append(draws.made[0])
    rng = scripted(np.array(made))
    found = top_down_pass(Generator.of_net(package_net(net)).down, pens, rng)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)
    assert not rng.arrays


def test_images_of_a_net_come_from_the_pen_states_of_its_memory() -> None:
    net = package_net(slow.random_net(11))
    generator, rng = Generator.of_net(net), np.random.default_rng(5)
    chains = start(generator, 50, rng, np.arange(50) % 3)
    chains.run(3, rng)
    found = generation.images(generator, chains, np.random.default_rng(6))
    expected = top_down_pass(generator.down, chains.v_states[:, :2], np.random.default_rng(6))
    np.testing.assert_array_equal(found, expected)
    assert found.shape == (50, 4)


def test_images_of_an_rbm_on_the_pixels_are_the_last_round_s_probabilities() -> None:
    rbm = Rbm(*memory(12), N_LABELS)
    generator, rng = Generator(rbm), np.random.default_rng(7)
    chains = start(generator, 20, rng)
    chains.run(2, rng)
    found = generation.images(generator, chains, scripted())
    np.testing.assert_array_equal(found, chains.v_probs[:, :2])
    assert ((found > 0) & (found < 1)).all()
    chains.run(1, rng)
    assert (found != chains.v_probs[:, :2]).any()


# -- what is sampled -------------------------------------------------------------------------


def test_a_layer_of_a_stack_is_sampled_with_the_weights_below_it_in_both_directions() -> None:
    stack = random_stack()
    assert [Generator.of_layer(stack, layer).n_pixels for layer in (1, 2, 3)] == [5, 5, 5]
    for layer in (1, 2, 3):
        generator = Generator.of_layer(stack, layer)
        assert generator.rbm is stack[layer - 1]
        assert len(generator.up) == len(generator.down) == layer - 1
        for number in range(layer - 1):
            assert generator.up[number][0] is stack[number].weights
            assert generator.up[number][1] is stack[number].hidden_bias
            weights, bias = generator.down[layer - 2 - number]
            np.testing.assert_array_equal(weights, stack[number].weights.T)
            assert bias is stack[number].visible_bias
    with pytest.raises(ValueError, match="layer 4 of a stack of 3"):
        Generator.of_layer(stack, 4)
    with pytest.raises(ValueError, match="layer 0 of a stack of 3"):
        Generator.of_layer(stack, 0)


def test_a_pass_down_goes_through_all_layers_in_their_order() -> None:
    sizes, rng = (6, 5, 4, 3, 2), np.random.default_rng(3)
    stack = [Rbm.random(low, high, 1.0, rng) for low, high in itertools.pairwise(sizes)]
    for rbm in stack:  # so sure of every unit that no draw decides
        rbm.weights[...] = 0
        rbm.visible_bias[...] = 200 * (np.arange(rbm.n_visible) % 2) - 100
    found = top_down_pass(Generator.of_layer(stack, 4).down, np.ones((1, 3), np.float32), rng)
    np.testing.assert_array_equal(found.round(), [[0, 1, 0, 1, 0, 1]])


@pytest.mark.parametrize("n_labels", [0, 2])
def test_a_whole_stack_generates_what_the_net_untied_from_it_does(n_labels: int) -> None:
    stack = random_stack(3, n_labels)
    made = []
    for generator in (
        Generator.of_layer(stack, 3), Generator.of_net(DeepBeliefNet.untied(stack)),
    ):  # fmt: skip
        rng = np.random.default_rng(8)
        assert generator.n_labels == n_labels
        made.append(fantasies(generator, start(generator, 6, rng), 4, 3, rng))
    np.testing.assert_allclose(made[0].images, made[1].images, rtol=0, atol=ROUNDING)
    if n_labels:
        assert made[0].labels is not None
        np.testing.assert_array_equal(made[0].labels, made[1].labels)
    else:
        assert made[0].labels is made[1].labels is None


@pytest.mark.parametrize("rounds", [1, 7, 120])
def test_samples_of_a_chain_are_so_many_rounds_apart_and_from_its_start(rounds: int) -> None:
    stack, ticks = random_stack(4, dtype=np.float32), [0.0]
    generator = Generator.of_layer(stack, 3)
    rng = np.random.default_rng(9)
    chains = start(generator, 5, rng, np.array([0, 1, 0, 1, 1]))
    found = fantasies(generator, chains, 3, rounds, rng, ticks.append)
    again = np.random.default_rng(9)
    chains = start(generator, 5, again, np.array([0, 1, 0, 1, 1]))
    for sample in range(3):
        for _ in range(rounds):
            chains.run(1, again)
        expected = generation.images(generator, chains, again)
        np.testing.assert_array_equal(found.images[:, sample], expected)
    assert sum(ticks) == 3 * rounds
    assert found.images.shape == (5, 3, 5)
    labels: NDArray[np.intp] | None = found.labels
    assert labels is not None
    np.testing.assert_array_equal(labels, np.tile([[0], [1], [0], [1], [1]], (1, 3)))


def test_equal_seeds_give_equal_samples_and_others_do_not() -> None:
    generator = Generator.of_layer(random_stack(5, dtype=np.float32), 3)

    def sampled(seed: int) -> Floats:
        rng = np.random.default_rng(seed)
        return fantasies(generator, start(generator, 4, rng), 3, 5, rng).images

    np.testing.assert_array_equal(sampled(1), sampled(1))
    assert (sampled(1) != sampled(2)).any()
