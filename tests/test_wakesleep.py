from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
import reference
import reference_generative as slow
from numpy.typing import NDArray
from reference import Floats
from reference_generative import Draws, Dream, Net, scripted

from hinton06 import numerics
from hinton06.hybrid import LabelBackpropagation, PretrainingGradient
from hinton06.models import DeepBeliefNet, Rbm
from hinton06.neighbours import Neighbours
from hinton06.numerics import epoch_order, one_hot_targets, take_batch
from hinton06.recipes import WakeSleepSettings
from hinton06.recognition import Cases, label_log_probs, mean_free_energy, score
from hinton06.updates import Step
from hinton06.wakesleep import (
    ContrastiveWakeSleep,
    GenerativeFineTuning,
    bp_weight_at,
    gibbs_steps_at,
    reconstruction_cost,
    steps_at,
    work_of_case,
)

# A probability, a product of two or a mean of a few takes fewer than 100 roundings, of numbers
# below 10.
ROUNDING = reference.rounding(100, size=10)
PLAIN = Step(rate=1.0)
# Pixels are real-valued: some certain, some not.
IMAGES = np.array([[0.0, 1.0, 0.3, 0.8], [1.0, 0.6, 0.0, 0.1], [0.2, 0.4, 1.0, 0.9]])
TARGETS = np.eye(3)[[1, 0, 2]]

SETTINGS = WakeSleepSettings(
    epochs=6, batch=4, rate=0.3, recognition_share=1.0, final_share=0.5, momentum=0.5,
    decay=0.001, averaging=0.0,
    gibbs=(1, 2, 3), sampled_labels=False, persistent_share=0.0, persistent_rounds=1,
    balanced=False, generative="wake-sleep", bp_weight=0.0,
    search_bp_weight=False, bp_weights=(0.25, 0.5, 1.0), bp_rate=0.2, bp_momentum=0.8,
    recon_states="labels",
)  # fmt: skip


def settings(**changes: Any) -> WakeSleepSettings:
    return WakeSleepSettings(**(vars(SETTINGS) | changes))


def package_net(net: Net, dtype: Any = np.float64) -> DeepBeliefNet:
    arrays = {name: array.astype(dtype) for name, array in net._asdict().items()}
    return DeepBeliefNet.from_arrays({**arrays, "n_labels": net.n_labels})


def numbers(net: DeepBeliefNet) -> Net:
    """Copies of a net's arrays."""
    arrays = net.copy().arrays()
    assert arrays.pop("n_labels") == net.n_labels
    return Net(**arrays)


def dreams(
    net: Net, gibbs_steps: int, sampled_labels: bool, seed: int = 3, n: int = 3
) -> tuple[list[Dream], list[Floats]]:
    """The passes of n cases by loops, and the draws of the batch."""
    draws = [Draws((seed, case)) for case in range(n)]
    made = [
        slow.dream(net, image, target, gibbs_steps, sampled_labels, draw)
        for image, target, draw in zip(IMAGES, TARGETS, draws, strict=False)
    ]
    return made, [np.array(rows) for rows in zip(*(d.made for d in draws), strict=True)]


def change(
    net: Net, images: Floats, targets: Floats, draws: list[Floats], sampled: bool = False
) -> Net:
    """What one batch of one Gibbs round adds to a net at rest, at rate 1."""
    learner = ContrastiveWakeSleep(package_net(net), len(images), sampled)
    learner.data_buffer(len(images))[:] = images
    learner.learn(targets, 1, scripted(*draws), PLAIN)
    return Net(*(a - b for a, b in zip(numbers(learner.net), net, strict=True)))


# -- which quantity is what ------------------------------------------------------------------


@pytest.mark.parametrize("gibbs_steps", [1, 3])
@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_quantity_of_a_pass_is_the_state_or_probability_of_the_plain_loops(
    gibbs_steps: int, sampled: bool, seed: int
) -> None:
    net = slow.random_net(seed)
    expected, draws = dreams(net, gibbs_steps, sampled, seed)
    learner = ContrastiveWakeSleep(package_net(net), 3, sampled)
    learner.data_buffer(3)[:] = IMAGES
    rng = scripted(*draws)
    wake, sleep = learner.run(TARGETS, gibbs_steps, rng)
    found = {
        "wake_hid_states": wake["hid"],
        "wake_pen_states": wake["pen"],
        "wake_top_states": wake["top"],
        "confab_pen_states": sleep["pen"],
        "confab_lab_probs": sleep["visible"][:, -TARGETS.shape[1] :],
        "confab_top_states": sleep["top"],
        "sleep_hid_states": sleep["hid"],
        "sleep_vis_probs": sleep["vis_probs"],
        "vis_prediction": wake["vis_probs"],
        "hid_prediction": wake["hid_probs"],
        "pen_prediction": sleep["pen_prediction"],
        "sleep_hid_prediction": sleep["hid_prediction"],
    }
    assert not rng.arrays
    for name in Dream._fields:
        values = np.array([getattr(case, name) for case in expected])
        certain = name.endswith("states") or (sampled and name == "confab_lab_probs")
        np.testing.assert_allclose(
            found[name], values, rtol=0, atol=0 if certain else ROUNDING, err_msg=name
        )
    np.testing.assert_array_equal(learner.data_buffer(3), IMAGES)
    for mine, start in zip(numbers(learner.net), net, strict=True):
        np.testing.assert_array_equal(mine, start)


@pytest.mark.parametrize("gibbs_steps", [1, 3])
@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.25, 0.0])
def test_two_updates_change_all_eleven_arrays_as_the_plain_loops_do(
    gibbs_steps: int, sampled: bool, share: float
) -> None:
    """A batch of three, then one of two; the velocity runs on and only weights decay."""
    net, rate, momentum, decay = slow.random_net(4), 0.3, 0.5, 0.01
    learner = ContrastiveWakeSleep(package_net(net), 3, sampled, recognition_share=share)
    velocity = slow.zeros_like(net)
    for n in (3, 2):
        expected, draws = dreams(net, gibbs_steps, sampled, seed=n, n=n)
        learner.data_buffer(n)[:] = IMAGES[:n]
        cost = learner.learn(
            TARGETS[:n], gibbs_steps, scripted(*draws), Step(rate, momentum, decay)
        )
        cases = list(zip(IMAGES, TARGETS, expected, strict=False))
        own_cost = -sum(slow.log_chance(d.vis_prediction, image) for image, _, d in cases)
        assert cost == pytest.approx(own_cost, rel=0, abs=10 * ROUNDING)
        gradients = [slow.wake_sleep_gradient(*case) for case in cases]
        net, velocity = slow.updated(net, velocity, gradients, rate, momentum, decay, share)
        for name, mine in numbers(learner.net)._asdict().items():
            np.testing.assert_allclose(
                mine, getattr(net, name), rtol=0, atol=2 * ROUNDING, err_msg=name
            )
    for name, array in velocity._asdict().items():
        np.testing.assert_allclose(
            learner.momenta[name].velocity, array, rtol=0, atol=2 * ROUNDING, err_msg=name
        )


@pytest.mark.parametrize("rounds", [1, 3])
def test_chains_go_on_from_batch_to_batch_and_take_the_place_of_the_first_confabulations(
    rounds: int,
) -> None:
    """In Eq. 4 alone: what is dreamt comes from the confabulations still. Batches of 3, 2, 3."""
    net = slow.random_net(6)
    learner = ContrastiveWakeSleep(package_net(net), 3, False, 2 / 3, rounds)
    velocity = slow.zeros_like(net)
    tops = list(np.zeros((2, len(net.memory_hidden_bias))))
    for batch, (n, n_chains) in enumerate(((3, 2), (2, 1), (3, 2))):
        expected, draws = dreams(net, 1, False, seed=batch, n=n)
        chain_draws = [Draws((7, batch, chain)) for chain in range(n_chains)]
        made = [
            slow.fantasy(net, *z) for z in zip(tops, [rounds] * n_chains, chain_draws, strict=False)
        ]
        tops[:n_chains] = [fantasy.top_states for fantasy in made]
        draws += [np.array(rows) for rows in zip(*(d.made for d in chain_draws), strict=True)]
        learner.data_buffer(n)[:] = IMAGES[:n]
        rng = scripted(*draws)
        learner.learn(TARGETS[:n], 1, rng, PLAIN)
        assert not rng.arrays
        np.testing.assert_array_equal(learner.chains, tops)
        cases = itertools.zip_longest(IMAGES[:n], TARGETS[:n], expected, made)
        gradients = [slow.wake_sleep_gradient(*case) for case in cases]
        net, velocity = slow.updated(net, velocity, gradients, 1.0, 0.0, 0.0)
        for name, mine in numbers(learner.net)._asdict().items():
            np.testing.assert_allclose(
                mine, getattr(net, name), rtol=0, atol=3 * ROUNDING, err_msg=name
            )


def test_a_net_without_labels_learns_as_the_plain_loops_do() -> None:
    net = slow.random_net(5, n_labels=0)
    draws = Draws(1)
    # Without labels the softmax of nothing is nothing.
    made = slow.dream(net, IMAGES[0], np.empty(0), 1, False, draws)
    found = change(net, IMAGES[:1], np.empty((1, 0)), [row[np.newaxis] for row in draws.made])
    expected = slow.wake_sleep_gradient(IMAGES[0], np.empty(0), made)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=ROUNDING)


def test_chains_of_a_net_without_labels_go_on() -> None:
    net = slow.random_net(5, n_labels=0)
    learner = ContrastiveWakeSleep(package_net(net), 3, False, 1.0, 1)
    learner.data_buffer(3)[:] = IMAGES
    learner.learn(np.empty((3, 0)), 1, np.random.default_rng(1), Step(rate=0.0))
    assert learner.chains.any()


def test_a_share_of_chains_that_a_product_rounds_down_has_all_its_chains() -> None:
    """0.29 of 100 is less than 29 in floating point."""
    learner = ContrastiveWakeSleep(package_net(slow.random_net(1)), 100, persistent_share=0.29)
    assert len(learner.chains) == 29
    learner.chains[...] = 7  # no state, to be seen
    learner.data_buffer(100)[...] = 0.5
    learner.learn(np.eye(3)[np.arange(100) % 3], 1, np.random.default_rng(1), Step(rate=0.0))
    assert set(learner.chains.flat) == {0, 1}


def test_reconstruction_cost_of_certain_but_wrong_pixels_is_large_and_finite() -> None:
    cost = reconstruction_cost(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    assert cost == pytest.approx(-2 * math.log(np.finfo(np.float64).tiny), rel=1e-15)
    assert reconstruction_cost(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]])) == 0


# -- what the updates are the gradients of ---------------------------------------------------


def test_the_expected_wake_update_is_minus_the_gradient_of_the_variational_free_energy() -> None:
    net, image, target = slow.random_net(6, n_labels=2, n_top=2), IMAGES[0], np.array([0.0, 1.0])
    q = slow.recognition_states(net, image)
    names = ("hidvis", "vis_gen_bias", "penhid", "hid_gen_bias")
    expected = {name: np.zeros_like(getattr(net, name)) for name in names}
    for chance, hid, pen in q:
        rest = [np.full((1, size), 0.5) for size in (2, 2, 2, 3)]
        draws = [slow.forcing(hid)[np.newaxis], slow.forcing(pen)[np.newaxis], *rest]
        found = change(net, image[np.newaxis], target[np.newaxis], draws)
        for name in names:
            expected[name] += chance * getattr(found, name)
    for name in names:
        gradient, error = reference.central_differences(
            lambda: slow.variational_free_energy(net, image, target, q), getattr(net, name)
        )
        assert (abs(expected[name] + gradient) <= error + ROUNDING).all(), name


def test_the_sleep_update_is_the_gradient_of_log_q_of_the_dream() -> None:
    net = slow.random_net(7)
    made, draws = dreams(net, 1, False)
    found = change(net, IMAGES, TARGETS, draws)

    def minus_log_q() -> float:
        total = 0.0
        for d in made:
            pen = slow.layer(d.sleep_hid_states, net.hidpen, net.pen_rec_bias)
            hid = slow.layer(d.sleep_vis_probs, net.vishid, net.hid_rec_bias)
            total -= slow.log_chance(pen, d.confab_pen_states)
            total -= slow.log_chance(hid, d.sleep_hid_states)
        return total / len(made)

    for name in ("vishid", "hid_rec_bias", "hidpen", "pen_rec_bias"):
        gradient, error = reference.central_differences(minus_log_q, getattr(net, name))
        assert (abs(getattr(found, name) + gradient) <= error + ROUNDING).all(), name


def expected_memory_change(net: Net, start: int) -> list[Floats]:
    """The mean memory update from one (pen, lab) state, over all draws of one Gibbs round."""
    visible, tops = slow.memory_states(net), reference.binary_states(2)
    n_pen = len(net.pen_rec_bias)
    up, down = slow.labelled_conditionals(net.memory, net.n_labels)
    total = [np.zeros_like(array) for array in net.memory]
    for first, middle, last in itertools.product(
        range(len(tops)), range(len(visible)), range(len(tops))
    ):
        chance = up[start, first] * down[first, middle] * up[middle, last]
        pen, lab = visible[middle][:n_pen], visible[middle][n_pen:]
        label = int(lab.argmax())
        lab_probs = slow.memory_visible(net.memory, tops[first], net.n_labels)[1]
        in_between = lab_probs[:label].sum() + lab_probs[label] / 2
        rows = [
            np.full(3, 0.5), slow.forcing(visible[start][:n_pen]), slow.forcing(tops[first]),
            slow.forcing(pen), np.array([in_between]), slow.forcing(tops[last]), np.full(3, 0.5),
        ]  # fmt: skip
        draws = [row[np.newaxis] for row in rows]
        found = change(net, IMAGES[:1], visible[start][np.newaxis, n_pen:], draws, sampled=True)
        for k, name in enumerate(("memory_weights", "memory_visible_bias", "memory_hidden_bias")):
            total[k] += chance * getattr(found, name)
    return total


def test_the_expected_memory_update_is_the_data_s_statistics_minus_those_of_a_gibbs_round() -> None:
    """And a memory whose cases come from its own distribution is not changed on average."""
    net = slow.random_net(8, n_labels=2, n_top=2)
    visible, tops = slow.memory_states(net), reference.binary_states(2)
    up, down = slow.labelled_conditionals(net.memory, 2)
    equilibrium = slow.labelled_joint(net.memory, 2).sum(axis=1)
    drift = [np.zeros_like(array) for array in net.memory]
    for start in range(len(visible)):
        change_of_start = expected_memory_change(net, start)
        later = up[start] @ down
        weights = np.outer(visible[start], up[start] @ tops) - visible.T @ (
            later[:, np.newaxis] * (up @ tops)
        )
        expected = (
            weights, visible[start] - later @ visible, up[start] @ tops - later @ up @ tops
        )  # fmt: skip
        for k in range(3):
            # Up to 128 changes, each with a chance that is a quotient of sums of 32.
            np.testing.assert_allclose(change_of_start[k], expected[k], rtol=0, atol=2 * ROUNDING)
            drift[k] += equilibrium[start] * change_of_start[k]
    for array in drift:
        np.testing.assert_allclose(array, 0, rtol=0, atol=2 * ROUNDING)


# -- schedules -------------------------------------------------------------------------------


def test_three_hundred_epochs_have_a_hundred_each_of_3_6_and_10_gibbs_rounds() -> None:
    published = settings(epochs=300, gibbs=(3, 6, 10))
    rounds = [gibbs_steps_at(published, epoch) for epoch in range(300)]
    assert rounds == [3] * 100 + [6] * 100 + [10] * 100
    assert [gibbs_steps_at(published, epoch) for epoch in (300, 5000)] == [10, 10]


@pytest.mark.parametrize(
    ("epochs", "gibbs", "expected"),
    [
        (7, (3, 6, 10), [3, 3, 3, 6, 6, 10, 10]),
        (2, (3, 6, 10), [3, 6]),
        (1, (3, 6, 10), [3]),
        (4, (5,), [5, 5, 5, 5]),
        (4, (1, 2), [1, 1, 2, 2]),
    ],
)
def test_gibbs_stages_divide_any_number_of_epochs(
    epochs: int, gibbs: tuple[int, ...], expected: list[int]
) -> None:
    short = settings(epochs=epochs, gibbs=gibbs)
    assert [gibbs_steps_at(short, epoch) for epoch in range(epochs)] == expected


def test_rate_falls_linearly_from_the_first_epoch_to_the_last_and_stays() -> None:
    five = settings(epochs=5, rate=0.1, final_share=0.2)
    steps = [steps_at(five, epoch)[0] for epoch in (0, 1, 2, 3, 4, 5, 99)]
    expected = [0.1, 0.08, 0.06, 0.04, 0.02, 0.02, 0.02]
    assert [s.rate for s in steps] == pytest.approx(expected, rel=reference.rounding(10))
    assert {(s.momentum, s.decay) for s in steps} == {(SETTINGS.momentum, SETTINGS.decay)}


def test_the_gradients_weigh_one_together_and_both_rates_fall() -> None:
    mixed = settings(epochs=3, rate=0.1, bp_rate=0.4, bp_weight=0.75, final_share=0.5)
    steps = [steps_at(mixed, epoch) for epoch in range(3)]
    shares, few = [1, 0.75, 0.5], reference.rounding(10)
    assert [g.rate for g, _ in steps] == pytest.approx([0.025 * s for s in shares], rel=few)
    assert [b.rate for _, b in steps] == pytest.approx([0.3 * s for s in shares], rel=few)
    assert {(b.momentum, b.decay) for _, b in steps} == {(SETTINGS.bp_momentum, 0)}


def test_without_backpropagation_the_generative_gradient_has_its_whole_rate() -> None:
    generative, backprop = steps_at(settings(rate=0.1), 0)
    assert (generative.rate, backprop.rate) == (0.1, 0)


def test_a_search_raises_the_coefficient_in_stages_of_equal_length() -> None:
    search = settings(epochs=7, search_bp_weight=True, bp_weights=(0.2, 0.6, 1.0), bp_weight=0.9)
    found = [bp_weight_at(search, epoch) for epoch in (*range(7), 7, 100)]
    assert found == [0.2, 0.2, 0.2, 0.6, 0.6, 1.0, 1.0, 1.0, 1.0]
    assert bp_weight_at(settings(bp_weight=0.9), 3) == 0.9


def test_a_single_epoch_uses_the_first_rate() -> None:
    assert steps_at(settings(epochs=1, rate=0.1, final_share=0.2), 0)[0].rate == 0.1


# -- a net taken apart and put together ------------------------------------------------------


def test_a_net_taken_apart_and_put_together_is_the_same() -> None:
    net = package_net(slow.random_net(9))
    arrays = net.arrays()
    again = DeepBeliefNet.from_arrays(arrays).arrays()
    assert list(arrays) == [*Net._fields, "n_labels"]
    assert arrays.pop("n_labels") == again.pop("n_labels") == 3
    assert all(again[name] is array for name, array in arrays.items())


def test_copied_arrays_of_a_net_are_its_own_no_more() -> None:
    net = package_net(slow.random_net(9))
    for name, array in net.copy().arrays().items():
        if name != "n_labels":
            np.testing.assert_array_equal(array, net.arrays()[name])
            assert not np.shares_memory(array, net.arrays()[name]), name


def test_an_incomplete_net_is_not_put_together() -> None:
    arrays = package_net(slow.random_net(9)).arrays()
    for name in arrays:
        with pytest.raises(KeyError):
            DeepBeliefNet.from_arrays({k: v for k, v in arrays.items() if k != name})
    with pytest.raises(ValueError, match="penultimate"):
        DeepBeliefNet.from_arrays(arrays | {"n_labels": 2})


def test_a_net_is_copied_into_another_s_arrays() -> None:
    source, target = (package_net(slow.random_net(seed)) for seed in (1, 2))
    before = target.arrays()
    target.copy_from(source)
    for mine, theirs, old in zip(numbers(target), numbers(source), before.values(), strict=False):
        np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(old, theirs)
    assert not np.shares_memory(source.vishid, target.vishid)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [({"n_vis": 5}, "vishid"), ({"n_top": 2}, "memory_weights"), ({"n_labels": 2}, "memory|2")],
)
def test_a_net_of_other_shapes_is_not_copied(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        package_net(slow.random_net(1)).copy_from(package_net(slow.random_net(1, **sizes)))


def test_a_net_with_another_split_of_pen_and_labels_is_not_copied() -> None:
    """Five visible units of the memory either way."""
    other = package_net(slow.random_net(1, n_pen=3, n_labels=2))
    with pytest.raises(ValueError, match=r"do(es)? not fit"):
        package_net(slow.random_net(1)).copy_from(other)


def test_one_hot_targets_have_a_single_1_at_the_label() -> None:
    targets = one_hot_targets(np.array([2, 0], np.uint8), 3)
    assert targets.dtype == np.float32
    assert targets.tolist() == [[0, 0, 1], [1, 0, 0]]


# -- fine-tuning -----------------------------------------------------------------------------


def cases(n: int, seed: int) -> Cases:
    """Four pixels; each of three classes has a bright one of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images: NDArray[np.uint8] = rng.integers(0, 120, (n, 4), np.uint8)
    images[np.arange(n), labels] += 120
    return Cases(images, labels)


TRAIN, VALID = cases(10, 1), cases(6, 2)


def tuning(seed: int = 1, n_start: int = 10, **arguments: Any) -> GenerativeFineTuning:
    given = {"train": TRAIN, "settings": SETTINGS} | arguments
    if not {"valid", "target"} & given.keys():
        given["valid"] = VALID
    net = package_net(slow.random_net(n_start), np.float32)
    return GenerativeFineTuning(net, rng=np.random.default_rng(seed), **given)


def run(learner: GenerativeFineTuning, n_epochs: int) -> list[dict[str, float]]:
    return [learner.run_epoch(lambda _: None) for _ in range(n_epochs)]


def assert_equal(left: Net, right: Net) -> None:
    for mine, theirs in zip(left, right, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_an_epoch_learns_every_case_once_with_its_label_and_a_smaller_last_batch() -> None:
    learner, ticks = tuning(), []
    run(learner, 3)
    net = learner.net.copy()
    rng = np.random.default_rng()
    rng.bit_generator.state = learner.state()["rng"]
    own = ContrastiveWakeSleep(net, 4)
    for name, velocity in copy.deepcopy(learner.state()["velocity"]["generative"]).items():
        own.momenta[name].restore(velocity)
    order, cost = rng.permutation(10), 0.0
    for rows in (order[:4], order[4:8], order[8:]):
        take_batch(TRAIN.images, rows, own.data_buffer(len(rows)))
        targets = np.eye(3, dtype=np.float32)[TRAIN.labels[rows]]
        cost += own.learn(targets, 2, rng, steps_at(SETTINGS, 3)[0])
    row = learner.run_epoch(ticks.append)
    assert_equal(numbers(learner.net), numbers(net))
    assert row["recon_cost"] == cost / 10
    assert (row["gibbs_steps"], row["rate"]) == (2, steps_at(SETTINGS, 3)[0].rate)
    assert [tick / ticks[0] for tick in ticks] == pytest.approx([1, 1, 0.5], rel=1e-15)


def test_labels_are_sampled_where_the_settings_say_so() -> None:
    learner = tuning(settings=settings(sampled_labels=True, batch=10))
    net = learner.net.copy()
    rng = np.random.default_rng(1)
    own, order = ContrastiveWakeSleep(net, 10, sampled_labels=True), rng.permutation(10)
    take_batch(TRAIN.images, order, own.data_buffer(10))
    own.learn(one_hot_targets(TRAIN.labels[order], 3), 1, rng, steps_at(SETTINGS, 0)[0])
    run(learner, 1)
    assert_equal(numbers(learner.net), numbers(net))


def test_chains_are_as_many_and_go_on_as_long_as_the_settings_say() -> None:
    chained = settings(persistent_share=0.5, persistent_rounds=3, batch=10)
    learner = tuning(settings=chained)
    net = learner.net.copy()
    rng = np.random.default_rng(1)
    own, order = ContrastiveWakeSleep(net, 10, False, 0.5, 3), rng.permutation(10)
    assert len(own.chains) == 5
    take_batch(TRAIN.images, order, own.data_buffer(10))
    own.learn(one_hot_targets(TRAIN.labels[order], 3), 1, rng, steps_at(SETTINGS, 0)[0])
    run(learner, 1)
    assert_equal(numbers(learner.net), numbers(net))
    np.testing.assert_array_equal(learner.state()["chains"], own.chains)


def test_recognition_weights_learn_at_the_share_of_the_settings() -> None:
    """Their first move is in proportion to it; what the others learn does not depend on it."""
    start = numbers(tuning().net)
    moves = []
    for share in (1.0, 0.25):
        learner = tuning(settings=settings(recognition_share=share, batch=10, decay=0.0))
        run(learner, 1)
        moves.append([a - b for a, b in zip(numbers(learner.net), start, strict=True)])
    # In float32: sums over ten cases of terms below 1, added to parameters below 8.
    limit = reference.rounding(20, dtype=np.float32) + reference.rounding(4, 8, np.float32)
    for name, whole, quarter in zip(Net._fields, *moves, strict=True):
        if name in slow.RECOGNITION:
            assert np.abs(whole).max() > 100 * limit
            np.testing.assert_allclose(quarter, whole / 4, rtol=0, atol=limit, err_msg=name)
        else:
            np.testing.assert_array_equal(quarter, whole, err_msg=name)


MIXED = settings(bp_weight=0.25, batch=10, momentum=0.0)


@pytest.mark.parametrize("generative", ["wake-sleep", "pretraining"])
def test_a_mixed_update_is_the_weighted_average_of_both_gradients(generative: str) -> None:
    """Each half learns alone from the same start and draws; their moves add up."""
    mixed = dataclasses.replace(MIXED, generative=generative)
    learner = tuning(settings=mixed)
    start = numbers(learner.net)
    run(learner, 1)
    rng = np.random.default_rng(1)
    order = rng.permutation(10)
    nets = [package_net(start, np.float32) for _ in range(2)]
    half: ContrastiveWakeSleep | PretrainingGradient = ContrastiveWakeSleep(nets[0], 10)
    if generative == "pretraining":
        half = PretrainingGradient(nets[0], 10, "labels")
    labels = LabelBackpropagation(nets[1], 10)
    images = take_batch(TRAIN.images, order, half.data_buffer(10)).copy()
    targets = one_hot_targets(TRAIN.labels[order], 3)
    half.learn(targets, 1, rng, Step(0.75 * 0.3, 0, SETTINGS.decay))
    labels.gather(images, TRAIN.labels[order], Step(0.25 * 0.2))
    labels.apply(Step(0.25 * 0.2))
    sums = [a + b - c for a, b, c in zip(*map(numbers, nets), start, strict=True)]
    # Fewer than 10 float32 roundings of numbers below 10 lie between the two ways of adding up.
    tolerance = reference.rounding(10, size=10, dtype=np.float32)
    for name, mine, whole in zip(Net._fields, numbers(learner.net), sums, strict=True):
        if generative == "pretraining" and name in ("hidvis", "penhid"):
            continue  # tied below
        np.testing.assert_allclose(mine, whole, rtol=0, atol=tolerance, err_msg=name)
    tied = np.array_equal(learner.net.hidvis, learner.net.vishid.T)
    assert tied == (generative == "pretraining")


class Inverted(Neighbours):
    """Moves each image to its negative, and knows of which epochs."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def begin(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def __call__(self, images: Any, rows: Any) -> Any:
        return 255 - images[rows]


@pytest.mark.parametrize("generative", ["wake-sleep", "pretraining"])
def test_only_what_is_recognised_is_moved(generative: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The generative half learns images as they are."""
    move, seen = Inverted(), []
    train = dataclasses.replace(TRAIN, neighbours=move)
    how = dataclasses.replace(MIXED, generative=generative, batch=4, dropout=True)
    masks = np.random.default_rng(3)
    learner = tuning(settings=how, train=train, masks=masks)
    gather, learn = LabelBackpropagation.gather, type(learner._generative).learn

    def gathered(own: Any, data: Any, labels: Any, step: Any) -> Any:
        seen.append((data.copy(), np.asarray(labels)))
        return gather(own, data, labels, step)

    def learned(own: Any, targets: Any, *rest: Any) -> Any:
        seen.append((own.data_buffer(len(targets)).copy(), targets.argmax(axis=1)))
        return learn(own, targets, *rest)

    monkeypatch.setattr(LabelBackpropagation, "gather", gathered)
    monkeypatch.setattr(type(learner._generative), "learn", learned)
    run(learner, 2)
    assert move.epochs == [0, 1]
    assert len(seen) == 2 * 2 * 3  # two halves, two epochs of 4, 4 and 2 cases
    for (moved, labels), (data, targets) in zip(seen[::2], seen[1::2], strict=True):
        np.testing.assert_allclose(
            moved, 1 - data, rtol=0, atol=reference.rounding(2, dtype=np.float32)
        )
        np.testing.assert_array_equal(labels, targets)


def test_a_mixed_epoch_reports_its_coefficient_and_the_labels_cost() -> None:
    learner = tuning(
        settings=dataclasses.replace(MIXED, search_bp_weight=True, rate=0.0, bp_rate=0.0)
    )
    before = score(label_log_probs(learner.net, TRAIN.images), TRAIN.labels).cost_per_100
    rows = run(learner, 6)
    assert [row["bp_weight"] for row in rows] == [0.25, 0.25, 0.5, 0.5, 1.0, 1.0]
    # Both are sums of costs below 100 nats in float32.
    tolerance = reference.rounding(100, size=100, dtype=np.float32)
    for row in rows:  # nothing is learned, so an epoch's cost is the net's own
        assert row["label_cost"] == pytest.approx(before, rel=0, abs=tolerance)


def test_after_a_search_the_coefficient_is_that_of_the_epoch_that_was_kept() -> None:
    """Of the first, as nothing is learned."""
    learner = tuning(settings=settings(epochs=3, search_bp_weight=True, rate=0.0, bp_rate=0.0))
    run(learner, 3)
    assert learner.selected.epoch == 1
    assert learner.bp_weight == 0.25


def test_the_pretraining_s_gradient_reports_a_squared_error() -> None:
    (row,) = run(tuning(settings=settings(generative="pretraining")), 1)
    assert "recon_error" in row
    assert not {"recon_cost", "bp_weight", "label_cost"} & row.keys()


@pytest.mark.parametrize("generative", ["wake-sleep", "pretraining"])
def test_with_averaging_the_mean_of_the_learning_nets_is_measured_and_kept(
    monkeypatch: pytest.MonkeyPatch, generative: str
) -> None:
    """With batches of 5, two an epoch; each epoch's first update takes part in the mean."""
    monkeypatch.setattr(GenerativeFineTuning, "ask", ScriptedScores(VALID, [3, 2, 1, 4, 5, 5]))
    learner = tuning(settings=settings(batch=5, averaging=10.0, generative=generative))
    nets: list[Net] = []
    half = type(learner._generative)
    learn = half.learn

    def noted(self: Any, *arguments: Any) -> float:
        cost = learn(self, *arguments)
        nets.append(numbers(learner.net))
        return cost

    monkeypatch.setattr(half, "learn", noted)
    run(learner, 6)
    assert len(nets) == 12
    first_ones = nets[0:6:2]  # the window of 2 values is full with the second epoch
    mean = [(a + b) / 4 + c / 2 for a, b, c in zip(*first_ones, strict=True)]
    tolerance = reference.rounding(10, size=10, dtype=np.float32)
    for name, kept, expected in zip(Net._fields, numbers(learner.result()), mean, strict=True):
        if generative == "pretraining" and name in ("hidvis", "penhid"):
            continue  # tied below
        np.testing.assert_allclose(kept, expected, rtol=0, atol=tolerance, err_msg=name)
    result = learner.result()
    assert np.array_equal(result.hidvis, result.vishid.T) == (generative == "pretraining")
    assert learner.selected.train == score(label_log_probs(result, TRAIN.images), TRAIN.labels)


def test_balanced_epochs_take_their_cases_in_an_order_that_spreads_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def remembered(n: int, rng: np.random.Generator, classes: Any = None) -> Any:
        asked.append(classes)
        return epoch_order(n, rng, classes)

    monkeypatch.setattr(numerics, "epoch_order", remembered)
    run(tuning(settings=settings(balanced=True)), 1)
    run(tuning(), 1)
    assert asked[0] is TRAIN.labels
    assert asked[1] is None


class ScriptedScores:
    """Stands in for `label_log_probs`: so many errors each time that these cases are asked for."""

    def __init__(self, asked_for: Cases, errors: list[int]) -> None:
        self._cases, self._errors = asked_for, list(errors)

    def __call__(self, net: DeepBeliefNet, images: NDArray[Any]) -> Floats:
        if images is not self._cases.images:
            return label_log_probs(net, images)
        guesses = self._cases.labels.copy()
        guesses[: self._errors.pop(0)] += 1
        return np.log(0.01 + 0.97 * np.eye(3)[guesses % 3])


@pytest.mark.parametrize(
    ("errors", "best"), [([5, 3, 4, 2, 2, 6], 4), ([0, 1, 1, 1, 1, 1], 1), ([6, 5, 4, 3, 2, 1], 6)]
)
def test_the_net_of_the_first_epoch_of_fewest_validation_errors_is_kept_and_all_epochs_are_run(
    monkeypatch: pytest.MonkeyPatch, errors: list[int], best: int
) -> None:
    monkeypatch.setattr(GenerativeFineTuning, "ask", ScriptedScores(VALID, errors))
    learner, nets, rows = tuning(), [], []
    while learner.finished() is None:
        assert learner.where() == f"epoch {len(nets) + 1}"
        rows += run(learner, 1)
        nets.append(numbers(learner.net))
    assert [row["valid_errors"] for row in rows] == learner.valid_errors == errors
    assert learner.finished() == "the schedule's 6 epochs"
    assert not learner.capped
    assert_equal(numbers(learner.result()), nets[best - 1])
    assert learner.selected.epoch == best
    assert learner.selected.train == score(
        label_log_probs(learner.result(), TRAIN.images), TRAIN.labels
    )
    assert [("train_errors" in row) for row in rows] == [
        all(errors[n] < e for e in errors[:n]) for n in range(6)
    ]


def test_learning_stops_at_the_epoch_that_meets_the_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GenerativeFineTuning, "ask", ScriptedScores(TRAIN, [4, 5, 2]))
    learner = tuning(target=20.0)
    for _ in range(2):
        rows = run(learner, 1)
        assert learner.finished() is None
        assert not learner.capped
    run(learner, 1)
    assert learner.finished() == "training error rate down to 20.000 %"
    assert not learner.capped
    assert (learner.selected.epoch, learner.selected.train.errors) == (3, 2)
    assert_equal(numbers(learner.result()), numbers(learner.net))
    assert "valid_errors" not in rows[0]
    assert rows[0]["train_errors"] == 5


def test_a_schedule_goes_on_from_the_epochs_behind_it() -> None:
    learner = tuning(target=0.0, schedule_done=4,
                     settings=settings(search_bp_weight=True))  # fmt: skip
    work = [learner._epoch_work(epoch) for epoch in range(6)]
    rows = run(learner, 6)
    late = [
        steps_at(settings(search_bp_weight=True), epoch)[0].rate for epoch in (4, 5, 5, 5, 5, 5)
    ]
    assert [row["rate"] for row in rows] == late
    assert [row["gibbs_steps"] for row in rows] == [3] * 6
    assert [row["bp_weight"] for row in rows] == [1.0] * 6
    assert len(set(work)) == 1
    assert learner.finished() == "the schedule's 6 epochs"


def test_learning_that_misses_its_target_is_capped_and_ends_with_the_last_net(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GenerativeFineTuning, "ask", ScriptedScores(TRAIN, [3, 3, 4, 3, 5, 4]))
    learner = tuning(target=20.0)
    run(learner, 6)
    assert learner.finished() == "the schedule's 6 epochs"
    assert learner.capped
    assert learner.selected.epoch == 6
    assert_equal(numbers(learner.result()), numbers(learner.net))


def test_measurements_are_of_the_net_after_the_epoch() -> None:
    learner = tuning()
    (row,) = run(learner, 1)
    net, n = Net(*(array.astype(np.float64) for array in numbers(learner.net))), len(VALID)
    means, log_probs = [], []
    for part in (VALID, TRAIN):
        energies = []
        for image, label in zip(part.images[:n], part.labels[:n], strict=True):
            hid = slow.layer(image / 255, net.vishid, net.hid_rec_bias)
            pen = slow.layer(hid, net.hidpen, net.pen_rec_bias)
            energies.append(reference.free_energy(net.memory, np.append(pen, np.eye(3)[label])))
            if part is VALID:
                log_probs.append(np.log(slow.label_probs(net.memory, pen, 3)))
        means.append(sum(energies) / n)
    # Fewer than 100 roundings of numbers below 10 lie on a path from a pixel to a free energy.
    tolerance = reference.rounding(100, size=10, dtype=np.float32)
    assert row["free_energy_gap"] == pytest.approx(means[0] - means[1], rel=0, abs=2 * tolerance)
    expected = score(np.array(log_probs), VALID.labels)
    assert row["valid_errors"] == expected.errors
    assert row["valid_cost"] == pytest.approx(expected.cost_per_100, rel=0, abs=200 * tolerance)


def test_with_averaging_the_gap_between_free_energies_is_of_the_mean_net() -> None:
    learner = tuning(settings=settings(batch=5, averaging=10.0))
    row, n = run(learner, 3)[-1], len(VALID)
    valid, train = (
        mean_free_energy(learner.measured, part.images[:n], part.labels[:n])
        for part in (VALID, TRAIN)
    )
    assert row["free_energy_gap"] == valid - train


def test_the_gap_is_of_as_many_validation_cases_where_training_cases_are_fewer() -> None:
    few = Cases(TRAIN.images[:2], TRAIN.labels[:2])
    learner = tuning(train=few, settings=settings(batch=2))
    (row,) = run(learner, 1)
    valid, train = (
        mean_free_energy(learner.measured, part.images[:2], part.labels[:2])
        for part in (VALID, few)
    )
    assert row["free_energy_gap"] == valid - train


@pytest.mark.parametrize("generative", ["wake-sleep", "pretraining"])
def test_backpropagation_adds_three_multiply_adds_for_each_weight(generative: str) -> None:
    plain, mixed = (settings(generative=generative, bp_weight=weight) for weight in (0.0, 0.5))
    assert work_of_case(mixed, 0, 7, 11) - work_of_case(plain, 0, 7, 11) == 3 * (7 + 11)


def test_work_done_is_what_was_ticked_and_ends_at_what_was_expected() -> None:
    learner, ticks = tuning(), [0.0]
    expected = learner.work()[1]
    for _ in range(6):
        assert learner.work() == pytest.approx((sum(ticks), expected), rel=reference.rounding(100))
        learner.run_epoch(ticks.append)
    done, whole = learner.work()
    assert done == whole == pytest.approx(sum(ticks), rel=reference.rounding(100))


def test_parameters_are_the_arrays_that_learn() -> None:
    learner = tuning()
    arrays = learner.net.arrays()
    del arrays["n_labels"]
    named = learner.parameters()
    assert named.keys() == arrays.keys()
    assert all(named[name] is array for name, array in arrays.items())


@pytest.mark.parametrize("n_before", range(7))
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"target": 0.0, "settings": settings(sampled_labels=True)},
        {"settings": settings(search_bp_weight=True, balanced=True)},
        {"settings": settings(bp_weight=0.5, generative="pretraining")},
        {"settings": settings(averaging=2.0)},
        {"settings": settings(persistent_share=0.5, persistent_rounds=2)},
    ],
    ids=["validation", "target", "search", "pretraining", "averaging", "chains"],
)
def test_a_restored_fine_tuning_goes_on_bit_for_bit_from_every_epoch(
    n_before: int, arguments: dict[str, Any], assert_same: Any
) -> None:
    whole = tuning(**arguments)
    run(whole, n_before)
    restored = tuning(seed=99, n_start=11, **arguments)
    restored.restore(copy.deepcopy(whole.state()))
    assert_same(whole.state(), restored.state())
    assert restored.where() == whole.where()
    assert run(whole, 6 - n_before) == run(restored, 6 - n_before)
    assert_same(whole.state(), restored.state())
    assert whole.finished() == restored.finished()
    assert whole.capped == restored.capped
    assert_equal(numbers(whole.result()), numbers(restored.result()))


@pytest.mark.parametrize("sizes", [{"n_vis": 5}, {"n_top": 4}, {"n_labels": 4}])
def test_the_state_of_another_net_is_not_restored(sizes: dict[str, int]) -> None:
    state = tuning().state()
    other = package_net(slow.random_net(1, **sizes), np.float32).arrays()
    with pytest.raises(ValueError, match="not fit"):
        tuning().restore(state | {"net": other})
    with pytest.raises(KeyError):
        tuning().restore(state | {"velocity": {}})
    with pytest.raises(ValueError, match="chains of shape"):
        tuning(settings=settings(persistent_share=0.5)).restore(state)


@pytest.mark.parametrize("arguments", [{"valid": None}, {"valid": VALID, "target": 1.0}])
def test_either_validation_cases_or_a_target_must_be_given(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either"):
        tuning(**arguments)


def test_a_net_without_labels_is_not_fine_tuned() -> None:
    net = package_net(slow.random_net(1, n_labels=0))
    with pytest.raises(ValueError, match="without labels"):
        GenerativeFineTuning(net, TRAIN, SETTINGS, np.random.default_rng(1), VALID)


def test_directions_go_apart_by_learning() -> None:
    """Both start equal; each then changes, and not as the other's transpose."""
    rng = np.random.default_rng(1)
    stack = [Rbm.random(4, 3, 1.0, rng), Rbm.random(3, 2, 1.0, rng), Rbm.random(5, 3, 1.0, rng, 3)]
    learner = GenerativeFineTuning(DeepBeliefNet.untied(stack), TRAIN, SETTINGS, rng, VALID)
    start = numbers(learner.net)
    run(learner, 1)
    net = learner.net
    for name, before in start._asdict().items():
        assert (getattr(numbers(net), name) != before).any(), name
    assert (net.vishid != net.hidvis.T).all()
    assert (net.hidpen != net.penhid.T).all()
    assert stack[0].visible_bias.tolist() == [0, 0, 0, 0]
    np.testing.assert_array_equal(stack[0].weights, start.vishid)
    np.testing.assert_array_equal(stack[2].weights, start.memory_weights)
