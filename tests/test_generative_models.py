from __future__ import annotations

import copy
import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import reference
import reference_generative as slow
from numpy.typing import NDArray
from reference import Floats, Machine, Update
from reference_generative import scripted

from hinton06.generation import AlternatingGibbs
from hinton06.models import Classifier, DeepBeliefNet, Rbm, Stack
from hinton06.numerics import one_hot
from hinton06.rbm import (
    ContrastiveDivergence,
    free_energy,
    parts,
    sample_visible,
    visible_probs,
)
from hinton06.recipes import PretrainSettings
from hinton06.stacking import GreedyStack
from hinton06.updates import Step

# Sums of fewer than 200 terms of order 1 on either side.
ROUNDING = reference.rounding(400)
N_LABELS = 2
N_TARGETS = 3


def machine(seed: int) -> Machine:
    """Two binary and two label units, three features."""
    return reference.random_machine(seed)


def gibbs_step(rbm: Rbm, v_states: Floats, rng: np.random.Generator) -> Floats:
    """The states that one round of alternating Gibbs sampling leads to."""
    chains = AlternatingGibbs(rbm, v_states)
    chains.run(1, rng)
    return chains.v_states


def arrays_of(rbm: Rbm) -> tuple[NDArray[Any], ...]:
    return rbm.weights, rbm.visible_bias, rbm.hidden_bias


# -- choosing one unit of a softmax group ----------------------------------------------------


@pytest.mark.parametrize(
    ("probs", "draw", "chosen"),
    [
        ([0.25, 0.5, 0.25], 0.0, 0),
        ([0.25, 0.5, 0.25], 0.2499, 0),
        ([0.25, 0.5, 0.25], 0.25, 1),
        ([0.25, 0.5, 0.25], 0.7499, 1),
        ([0.25, 0.5, 0.25], 0.75, 2),
        ([0.25, 0.5, 0.25], 1 - 2.0**-53, 2),
        ([0.0, 1.0, 0.0], 0.0, 1),
        ([0.0, 1.0, 0.0], 1 - 2.0**-53, 1),
        ([1.0, 0.0, 0.0], 1 - 2.0**-53, 0),
        ([0.0, 0.0, 1.0], 0.0, 2),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_hot_chooses_the_unit_in_whose_share_the_draw_lies(
    probs: list[float], draw: float, chosen: int, dtype: Any
) -> None:
    found = one_hot(np.array([probs], dtype), scripted(np.array([[draw]])))
    assert found.dtype == dtype
    assert found.tolist() == [np.eye(3)[chosen].tolist()]


@pytest.mark.parametrize("draw", [0.0, 0.5, 1 - 2.0**-53])
@pytest.mark.parametrize("n_units", [3, 10, 7, 49])
def test_one_hot_of_probabilities_that_do_not_quite_sum_to_1_has_one_unit_on(
    draw: float, n_units: int
) -> None:
    probs = np.full((1, n_units), 1 / n_units, np.float32)
    assert one_hot(probs, scripted(np.array([[draw]]))).sum() == 1


def test_one_hot_rows_have_draws_of_their_own_at_the_given_rates() -> None:
    probs, n = np.array([0.2, 0.0, 0.7, 0.1]), 20_000
    states = one_hot(np.tile(probs, (n, 1)), np.random.default_rng(1))
    assert (states.sum(axis=1) == 1).all()
    tolerance = reference.sampling_error(probs * (1 - probs), n, 4)
    assert (abs(states.mean(axis=0) - probs) <= tolerance).all()
    assert states[:, 1].sum() == 0


# -- an RBM with label units -----------------------------------------------------------------


def test_parts_are_views_of_the_binary_and_of_the_label_units() -> None:
    v = np.arange(8.0).reshape(2, 4)
    units, labels = parts(Rbm(*machine(1), 1), v)
    assert units.tolist() == [[0, 1, 2], [4, 5, 6]]
    assert labels.tolist() == [[3], [7]]
    assert np.shares_memory(units, v)
    assert np.shares_memory(labels, v)


@pytest.mark.parametrize("n_labels", [1, 2, 3])
def test_visible_probs_with_labels_equal_enumeration_over_one_hot_states(n_labels: int) -> None:
    m = machine(2)
    hidden = reference.binary_states(3)
    given_hidden = slow.labelled_conditionals(m, n_labels)[1]
    found = visible_probs(Rbm(*m, n_labels), hidden)
    expected = given_hidden @ slow.labelled_states(m, n_labels)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(found[:, 4 - n_labels :].sum(axis=1), 1, rtol=0, atol=ROUNDING)


def test_label_probabilities_of_huge_inputs_are_certain() -> None:
    weights = np.array([[0.0], [5000.0], [-5000.0]])
    rbm = Rbm(weights, np.zeros(3), np.zeros(1), N_LABELS)
    assert visible_probs(rbm, np.ones((1, 1))).tolist() == [[0.5, 1, 0]]


def test_sampled_visible_units_have_exactly_one_label_on() -> None:
    rbm, n = Rbm(*machine(3), N_LABELS), 20_000
    probs = np.tile([0.3, 0.9, 0.25, 0.75], (n, 1))
    before = probs.copy()
    states = sample_visible(rbm, probs, np.random.default_rng(1))
    np.testing.assert_array_equal(probs, before)
    assert set(np.unique(states)) == {0, 1}
    assert (states[:, 2:].sum(axis=1) == 1).all()
    tolerance = reference.sampling_error(probs[0] * (1 - probs[0]), n, 4)
    assert (abs(states.mean(axis=0) - probs[0]) <= tolerance).all()


def test_a_gibbs_round_with_labels_goes_where_enumeration_says() -> None:
    """From each state; and the distribution over (units, one label) stays what it is."""
    m, n = machine(4), 4000
    states = slow.labelled_states(m, N_LABELS)
    up, down = slow.labelled_conditionals(m, N_LABELS)
    equilibrium = slow.labelled_joint(m, N_LABELS).sum(axis=1)
    np.testing.assert_allclose(equilibrium @ up @ down, equilibrium, rtol=0, atol=ROUNDING)
    rng, rbm = np.random.default_rng(2), Rbm(*m, N_LABELS)
    for start, chances in zip(states, up @ down, strict=True):
        found = gibbs_step(rbm, np.tile(start, (n, 1)), rng)
        rates = [(found == state).all(axis=1).mean() for state in states]
        tolerance = reference.sampling_error(chances * (1 - chances), n, len(states) ** 2)
        assert (abs(rates - chances) <= tolerance).all()
        assert sum(rates) == pytest.approx(1, rel=0, abs=ROUNDING)


def test_free_energy_gives_the_distribution_over_states_with_one_label_on() -> None:
    m = machine(5)
    probs = np.exp(-free_energy(Rbm(*m, N_LABELS), slow.labelled_states(m, N_LABELS)))
    probs /= probs.sum()
    expected = slow.labelled_joint(m, N_LABELS).sum(axis=1)
    np.testing.assert_allclose(probs, expected, rtol=0, atol=ROUNDING)


def test_cd1_with_labels_reconstructs_them_as_a_softmax_group() -> None:
    m = machine(6)
    cases = np.array([[0.3, 0.8, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0], [0.5, 0.1, 0.0, 1.0]])
    for drawn in itertools.combinations(reference.binary_states(3), 3):
        rbm = Rbm(*(array.copy() for array in m), N_LABELS)
        divergence = ContrastiveDivergence(rbm, 3)
        divergence.data_buffer(3)[:] = cases
        error = divergence.learn(3, scripted(slow.forcing(np.array(drawn))), Step(1.0))
        each = [slow.labelled_cd1(m, v, h, N_LABELS) for v, h in zip(cases, drawn, strict=True)]
        for after, before, *gradients in zip(arrays_of(rbm), m, *each, strict=True):
            np.testing.assert_allclose(after - before, sum(gradients) / 3, rtol=0, atol=ROUNDING)
        squared = sum(float((g.visible_bias**2).sum()) for g in each)
        assert error == pytest.approx(squared, rel=0, abs=ROUNDING)


@pytest.mark.parametrize("n_labels", [-1, 4, 5])
def test_an_rbm_has_between_no_labels_and_all_but_one_unit(n_labels: int) -> None:
    with pytest.raises(ValueError, match="labels among 4 visible units"):
        Rbm(*machine(1), n_labels)


def test_random_rbms_count_their_labels_among_the_visible_units() -> None:
    rbm = Rbm.random(5, 4, 0.1, np.random.default_rng(1), 2)
    assert (rbm.n_visible, rbm.n_hidden, rbm.n_labels) == (5, 4, 2)
    plain = Rbm.random(5, 4, 0.1, np.random.default_rng(1))
    np.testing.assert_array_equal(rbm.weights, plain.weights)


# -- the net of Figure 4 ---------------------------------------------------------------------


def labelled_stack(seed: int = 7) -> list[Rbm]:
    low, middle = reference.random_machine(seed, 4, 3), reference.random_machine(seed + 1, 3, 2)
    return [Rbm(*low), Rbm(*middle), Rbm(*reference.random_machine(seed + 2, 5, 3), 3)]


def test_an_untied_stack_has_equal_directions_and_biases_where_they_belong() -> None:
    low, middle, top = labelled_stack()
    net = DeepBeliefNet.untied([low, middle, top])
    for mine, theirs in (
        (net.vishid, low.weights), (net.hidvis, low.weights.T),
        (net.hidpen, middle.weights), (net.penhid, middle.weights.T),
        (net.hid_rec_bias, low.hidden_bias), (net.pen_rec_bias, middle.hidden_bias),
        (net.vis_gen_bias, low.visible_bias), (net.hid_gen_bias, middle.visible_bias),
        (net.memory.weights, top.weights), (net.memory.visible_bias, top.visible_bias),
        (net.top_bias, top.hidden_bias), (net.pentop, top.weights[:2]),
        (net.labtop, top.weights[2:]), (net.pen_gen_bias, top.visible_bias[:2]),
        (net.lab_gen_bias, top.visible_bias[2:]),
    ):  # fmt: skip
        np.testing.assert_array_equal(mine, theirs)
    assert (net.n_pen, net.n_labels) == (2, 3)


def net_fields(net: DeepBeliefNet) -> dict[str, NDArray[Any]]:
    lower = {f.name: getattr(net, f.name) for f in dataclasses.fields(net) if f.name != "memory"}
    return lower | dict(zip(("memory weights", "pen", "top"), arrays_of(net.memory), strict=True))


def test_no_two_arrays_of_an_untied_net_or_of_its_stack_share_memory() -> None:
    stack = labelled_stack()
    fields = net_fields(DeepBeliefNet.untied(stack))
    assert len(fields) == 11
    arrays = [*fields.values(), *(array for rbm in stack for array in arrays_of(rbm))]
    for one, other in itertools.combinations(arrays, 2):
        assert not np.shares_memory(one, other)


def test_the_memory_s_parts_are_views() -> None:
    net = DeepBeliefNet.untied(labelled_stack())
    for view, whole in (
        (net.pentop, net.memory.weights), (net.labtop, net.memory.weights),
        (net.pen_gen_bias, net.memory.visible_bias), (net.lab_gen_bias, net.memory.visible_bias),
        (net.top_bias, net.memory.hidden_bias),
    ):  # fmt: skip
        assert np.shares_memory(view, whole)


def test_an_untied_net_s_memory_has_the_top_rbm_s_distribution_over_pen_and_label() -> None:
    stack = labelled_stack()
    m = Machine(*arrays_of(stack[2]))
    net = DeepBeliefNet.untied(stack)
    probs = np.exp(-free_energy(net.memory, slow.labelled_states(m, 3)))
    expected = slow.labelled_joint(m, 3).sum(axis=1)
    np.testing.assert_allclose(probs / probs.sum(), expected, rtol=0, atol=ROUNDING)


def test_an_untied_stack_of_mirrors_generates_the_first_rbm_s_distribution() -> None:
    """p(v) = sum over hid and pen of p(v | hid) p(hid | pen) p(pen), down the generative half."""
    m = reference.random_machine(8, 4, 3)
    mirror = Machine(np.ascontiguousarray(m.weights.T), m.hidden_bias, m.visible_bias)
    net = DeepBeliefNet.untied([Rbm(*m), Rbm(*mirror), Rbm(*m)])
    p_pen = np.exp(-free_energy(net.memory, reference.binary_states(4)))
    p_pen /= p_pen.sum()
    visible, hidden = reference.binary_states(4), reference.binary_states(3)
    p_hid = np.zeros(len(hidden))
    for chance, pen in zip(p_pen, reference.binary_states(4), strict=True):
        probs = slow.layer(pen, net.penhid, net.hid_gen_bias)
        p_hid += [chance * reference.state_probability(probs, h) for h in hidden]
    p_vis = np.zeros(len(visible))
    for chance, hid in zip(p_hid, hidden, strict=True):
        probs = slow.layer(hid, net.hidvis, net.vis_gen_bias)
        p_vis += [chance * reference.state_probability(probs, v) for v in visible]
    alone = reference.joint_distribution(m).sum(axis=1)
    np.testing.assert_allclose(p_vis, alone, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("n_rbms", [1, 2, 4])
def test_only_three_rbms_make_the_net_of_figure_4(n_rbms: int) -> None:
    with pytest.raises(ValueError, match="three"):
        DeepBeliefNet.untied((labelled_stack() * 2)[:n_rbms])


@pytest.mark.parametrize("name", slow.Net._fields)
def test_an_array_of_another_shape_is_refused(name: str) -> None:
    """A row more: no array can grow alone. (A wider `vishid` is one of another n_hid.)"""
    arrays = slow.random_net(1)._asdict()
    arrays[name] = np.concatenate([arrays[name], arrays[name][:1]])
    with pytest.raises(ValueError, match=r"shape|visible units"):
        DeepBeliefNet.from_arrays({**arrays, "n_labels": 3})


@pytest.mark.parametrize("name", slow.Net._fields)
@pytest.mark.parametrize("fault", ["dtype", "finite"])
def test_an_array_of_another_dtype_or_with_a_nan_is_refused(name: str, fault: str) -> None:
    arrays = slow.random_net(1)._asdict()
    arrays[name] = arrays[name].astype(np.float32) if fault == "dtype" else arrays[name] * np.nan
    with pytest.raises(ValueError, match=fault):
        DeepBeliefNet.from_arrays({**arrays, "n_labels": 3})


# -- greedy learning with labels -------------------------------------------------------------

SETTINGS = PretrainSettings(
    layers=(4, 3, 2), passes=2, batch=3, rate=0.1, final_share=0.5, decay=0.01,
    early_momentum=0.5, early_epochs=1, momentum=0.9, initial_sd=0.5, balanced=False, cases=0,
    recon_states="none",
)  # fmt: skip
TARGETS = np.eye(N_TARGETS, dtype=np.float32)[[0, 2, 1, 1, 0, 2, 0]]


def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (7, 5), np.uint8)


def learner(
    seed: int = 2,
    layers: tuple[int, ...] = (4, 3, 2),
    targets: NDArray[np.float32] = TARGETS,
) -> GreedyStack:
    chosen = dataclasses.replace(SETTINGS, layers=layers)
    return GreedyStack(pixels(), chosen, np.random.default_rng(seed), targets)


def run(stack: GreedyStack, n_epochs: int) -> list[dict[str, float]]:
    return [stack.run_epoch(lambda _: None) for _ in range(n_epochs)]


def slow_epoch(start: Machine, data: Floats, seed_state: Any, kind: str) -> Machine:
    """The first epoch of a labelled layer in loops, with the generator's own draws."""
    rng = np.random.default_rng()
    rng.bit_generator.state = seed_state
    order, m = rng.permutation(len(data)), start
    velocity = [np.zeros_like(array) for array in m]
    for first in range(0, len(order), SETTINGS.batch):
        batch = data[order[first : first + SETTINGS.batch]]
        uniforms = reference.layer_draws(kind, rng, (len(batch), len(m.hidden_bias)))
        each: list[Update] = []
        for v, draws in zip(batch, uniforms, strict=True):
            h_states = (draws < slow.layer(v, m.weights, m.hidden_bias)).astype(np.float64)
            each.append(slow.labelled_cd1(m, v, h_states, N_TARGETS))
        arrays = []
        for k, array in enumerate(m):
            mean = sum(update[k] for update in each) / len(each)
            pull = SETTINGS.decay * array if k == 0 else 0.0
            velocity[k] = SETTINGS.early_momentum * velocity[k] + SETTINGS.rate * (mean - pull)
            arrays.append(array + velocity[k])
        m = Machine(*arrays)
    return m


@pytest.mark.parametrize("layers", [(3,), (4, 3)])
def test_the_top_rbm_learns_features_and_one_hot_labels_together(
    layers: tuple[int, ...], kind: str
) -> None:
    """Of pixels in [0, 1] where it is the only one, of the lower RBM's probabilities elsewhere."""
    stack = learner(layers=layers)
    data = pixels() / 255
    for layer in range(len(layers) - 1):
        run(stack, SETTINGS.passes)
        lower = Machine(*(array.astype(np.float64) for array in arrays_of(stack.stack[layer])))
        data = np.array([slow.layer(v, lower.weights, lower.hidden_bias) for v in data])
    rng = np.random.default_rng()
    rng.bit_generator.state = stack.state()["rng"]
    if len(layers) == 1:
        top = stack.stack[0]
    else:  # a further layer's weights are drawn when its first epoch begins
        top = Rbm.random(data.shape[1] + N_TARGETS, layers[-1], 0.5, rng, N_TARGETS)
    start = Machine(*(array.astype(np.float64) for array in arrays_of(top)))
    visible = np.hstack([data, TARGETS])
    expected = slow_epoch(start, visible, rng.bit_generator.state, kind)
    run(stack, 1)
    assert stack.stack[-1].n_labels == N_TARGETS
    # Three updates (3 + 3 + 1 cases) of some 20 roundings, each stretched by the updates after it
    # less than fivefold. In NumPy the chance that 16 bits leave a state open is 21 / 65536, and
    # with these seeds none is.
    tolerance = reference.rounding(3 * 20 * 5, dtype=np.float32)
    for mine, theirs in zip(arrays_of(stack.stack[-1]), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)


def test_only_the_top_rbm_has_labels() -> None:
    stack = learner()
    run(stack, 6)
    shapes = [(r.n_visible, r.n_hidden, r.n_labels) for r in stack.stack]
    assert shapes == [(5, 4, 0), (4, 3, 0), (3 + N_TARGETS, 2, N_TARGETS)]


def test_labels_leave_the_layers_below_the_top_as_they_are_without() -> None:
    with_labels, without = learner(), GreedyStack(pixels(), SETTINGS, np.random.default_rng(2))
    run(with_labels, 4)
    run(without, 4)
    for mine, theirs in zip(with_labels.stack, without.stack, strict=True):
        for a, b in zip(arrays_of(mine), arrays_of(theirs), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layers", [(4, 3, 2), (3,)])
def test_a_restored_stack_with_labels_goes_on_bit_for_bit_from_every_epoch(
    layers: tuple[int, ...], assert_same: Any
) -> None:
    n_epochs = SETTINGS.passes * len(layers)
    for n_before in range(n_epochs + 1):
        whole = learner(layers=layers)
        run(whole, n_before)
        restored = learner(seed=99, layers=layers)
        restored.restore(copy.deepcopy(whole.state()))
        assert_same(whole.state(), restored.state())
        rest = n_epochs - n_before
        assert run(whole, rest) == run(restored, rest)
        assert_same(whole.state(), restored.state())


@pytest.mark.parametrize("n_epochs", [0, 2])
def test_a_stack_with_other_labels_is_not_restored(n_epochs: int) -> None:
    layers = (3,) if n_epochs == 0 else (4, 3)
    labelled = learner(layers=layers)
    plain = learner(layers=layers, targets=np.empty((7, 0), np.float32))
    for stack in (labelled, plain):
        run(stack, n_epochs + 1)
    for stack, other in ((labelled, plain), (plain, labelled)):
        with pytest.raises(ValueError, match="do not fit"):
            stack.restore(other.state())


def test_a_stack_taken_apart_and_put_together_keeps_its_labels() -> None:
    stack = labelled_stack()
    again = Stack.from_arrays(Stack(tuple(stack)).arrays())
    assert [rbm.n_labels for rbm in again] == [0, 0, 3]
    for mine, theirs in zip(stack, again, strict=True):
        assert all(a is b for a, b in zip(arrays_of(mine), arrays_of(theirs), strict=True))


def test_a_stack_with_labels_below_its_top_is_not_put_together() -> None:
    low = Rbm(*reference.random_machine(1, 5, 4), 1)
    with pytest.raises(ValueError, match="features below"):
        Stack((low, Rbm(*reference.random_machine(2, 4, 3))))


def test_a_classifier_on_a_labelled_stack_leaves_the_label_units_out() -> None:
    stack = labelled_stack()
    net = Classifier.on_stack(stack, 10)
    assert net.sizes == (4, 3, 2, 3, 10)
    np.testing.assert_array_equal(net.weights[2], stack[2].weights[:2])
    np.testing.assert_array_equal(net.biases[2], stack[2].hidden_bias)
    assert not np.shares_memory(net.weights[2], stack[2].weights)


def test_work_with_labels_is_what_was_ticked() -> None:
    stack, ticks = learner(layers=(3,)), [0.0]
    stack.run_epoch(ticks.append)
    run(stack, 1)
    assert stack.work()[0] == stack.work()[1] == 2 * sum(ticks)


def test_a_net_is_not_untied_from_a_stack_with_labels_below_the_top() -> None:
    rng = np.random.default_rng(3)
    stack = [
        Rbm.random(5, 4, 0.1, rng, n_labels=1),
        Rbm.random(4, 3, 0.1, rng),
        Rbm.random(5, 2, 0.1, rng, n_labels=2),
    ]
    with pytest.raises(ValueError, match="labels below the top"):
        DeepBeliefNet.untied(stack)
