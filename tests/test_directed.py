"""Plain wake-sleep: what its updates are the gradients of, its bound, its labels, its dreams."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import reference
import reference_directed as slow
from reference import Floats
from reference_directed import Directed, Hidden
from reference_generative import forcing, scripted

from hinton06 import directed, likelihood
from hinton06.directed import Dreamer, NoDreamError, WakeSleep, WakeSleepTraining, steps_at
from hinton06.models import DirectedNet, Rbm
from hinton06.recipes import RECIPES
from hinton06.recognition import Cases
from hinton06.updates import Step

# A chance or its log is a sum of a few products of numbers below 10: fewer than 200 roundings.
ROUNDING = reference.rounding(200, size=10)
PLAIN, STILL = Step(rate=1.0), Step(rate=0.0)
IMAGE, TARGET = np.array([1.0, 0.0, 1.0]), np.array([0.0, 1.0])
NETS = [((3, 2, 2), 2), ((3, 2), 2), ((3, 2, 2, 1), 3)]


def package_net(net: Directed, dtype: Any = np.float64) -> DirectedNet:
    arrays = {name: array.astype(dtype) for name, array in net.named().items()}
    return DirectedNet.from_arrays({**arrays, "n_labels": net.n_labels})


def change(
    net: Directed, image: Floats, target: Floats, draws: list[Floats], steps: tuple[Step, Step]
) -> dict[str, Floats]:
    """What one case adds to every array."""
    learner = WakeSleep(package_net(net), 1)
    learner.data_buffer(1)[:] = image
    rng = scripted(*(draw[np.newaxis] for draw in draws))
    learner.learn(target[np.newaxis], rng, *steps)
    assert not rng.arrays
    found = learner.net.parameters()
    return {name: found[name] - array for name, array in net.named().items()}


def wake_draws(hidden: Hidden) -> list[Floats]:
    return [forcing(states) for states in hidden]


def sleep_draws(net: Directed, image: Floats, target: Floats, hidden: Hidden) -> list[Floats]:
    """Of a dream, from the top; the label is drawn after the units beside it."""
    probs = slow.label_probs(net, hidden[-1])
    chosen = int(target.argmax())
    label = np.array([float(probs[:chosen].sum() + probs[chosen] / 2)])
    top, *others = [forcing(states) for states in (*hidden[::-1], image)]
    if net.n_labels:
        others.insert(1, label)
    return [top, *others]


def any_dream(net: Directed) -> list[Floats]:
    _, image, target, hidden = slow.dreams(net)[0]
    return sleep_draws(net, image, target, hidden)


# -- what the updates are the gradients of -------------------------------------------------------


@pytest.mark.parametrize(("sizes", "n_labels"), NETS[:2])
def test_the_expected_wake_update_is_minus_the_gradient_of_the_variational_free_energy(
    sizes: tuple[int, ...], n_labels: int
) -> None:
    net = slow.random_net(1, sizes, n_labels)
    q = slow.recognition(net, IMAGE)
    expected = {name: np.zeros_like(array) for name, array in net.named().items()}
    for k, hidden in enumerate(slow.hidden_states(net)):
        draws = wake_draws(hidden) + any_dream(net)
        found = change(net, IMAGE, TARGET, draws, (PLAIN, STILL))
        for name in expected:
            expected[name] += q[k] * found[name]
    for name, array in net.named().items():
        if name.startswith("rec"):
            assert not expected[name].any()
            continue
        slope, error = reference.central_differences(
            lambda: slow.free_energy(net, IMAGE, TARGET, q), array
        )
        np.testing.assert_allclose(expected[name], -slope, rtol=0, atol=error.max() + ROUNDING)


@pytest.mark.parametrize(("sizes", "n_labels"), NETS[:2])
def test_the_expected_sleep_update_is_the_gradient_of_the_log_chance_of_recognising_a_dream(
    sizes: tuple[int, ...], n_labels: int
) -> None:
    net = slow.random_net(2, sizes, n_labels)
    every = slow.dreams(net)
    assert sum(chance for chance, *_ in every) == pytest.approx(1, rel=0, abs=len(every) * ROUNDING)
    wake = wake_draws(slow.hidden_states(net)[0])
    expected = {name: np.zeros_like(array) for name, array in net.named().items()}
    for chance, *dream in every:
        draws = wake + sleep_draws(net, *dream)
        found = change(net, IMAGE, TARGET, draws, (STILL, PLAIN))
        for name in expected:
            expected[name] += chance * found[name]

    def recognised() -> float:
        return sum(chance * slow.log_q(net, image, hidden) for chance, image, _, hidden in every)

    for name, array in net.named().items():
        if not name.startswith("rec"):
            assert not expected[name].any()
            continue
        slope, error = reference.central_differences(recognised, array)
        np.testing.assert_allclose(expected[name], slope, rtol=0, atol=error.max() + ROUNDING)


def test_a_batch_moves_by_the_mean_of_its_cases_and_only_weights_decay() -> None:
    net, step = slow.random_net(3), Step(0.5, decay=0.1)
    hidden, (_, image, target, dream) = slow.hidden_states(net), slow.dreams(net)[37]
    draws = [[*wake_draws(hidden[k]), *sleep_draws(net, image, target, dream)] for k in (1, 6)]
    learner = WakeSleep(package_net(net), 3)
    learner.data_buffer(2)[:] = IMAGE, 1 - IMAGE
    rng = scripted(*(np.stack(pair) for pair in zip(*draws, strict=True)))
    learner.learn(np.stack([TARGET, 1 - TARGET]), rng, step, step)
    cases = zip((IMAGE, 1 - IMAGE), (TARGET, 1 - TARGET), draws, strict=True)
    alone = [change(net, *case, (PLAIN, PLAIN)) for case in cases]
    for name, array in net.named().items():
        pull = 0.1 * array if array.ndim == 2 else 0.0
        moved = array + 0.5 * ((alone[0][name] + alone[1][name]) / 2 - pull)
        np.testing.assert_allclose(learner.net.parameters()[name], moved, rtol=0, atol=ROUNDING)


# -- log p and labels ----------------------------------------------------------------------------


@pytest.mark.parametrize(("sizes", "n_labels"), NETS)
@pytest.mark.parametrize("labelled", [False, True])
def test_the_bound_is_minus_the_variational_free_energy_and_below_log_p(
    sizes: tuple[int, ...], n_labels: int, labelled: bool
) -> None:
    net, target = slow.random_net(4, sizes, n_labels), np.eye(n_labels)[1]
    q, total = slow.recognition(net, IMAGE), 0.0
    for k, hidden in enumerate(slow.hidden_states(net)):
        rng = scripted(*(draw[np.newaxis] for draw in wake_draws(hidden)))
        labels = np.array([1]) if labelled else None
        (found,) = directed.log_weights(package_net(net), IMAGE[np.newaxis], rng, labels)
        total += q[k] * found
    given = target if labelled else None
    bound = -slow.free_energy(net, IMAGE, given, q)
    assert total == pytest.approx(bound, rel=0, abs=ROUNDING)
    assert bound < math.log(slow.probability(net, IMAGE, given))


@pytest.mark.parametrize(("sizes", "n_labels"), NETS)
def test_the_weight_of_an_up_pass_is_the_probability_of_image_and_label_in_expectation(
    sizes: tuple[int, ...], n_labels: int
) -> None:
    net, joint, alone = slow.random_net(5, sizes, n_labels), np.zeros(n_labels), 0.0
    for k, hidden in enumerate(slow.hidden_states(net)):
        rng = scripted(*(draw[np.newaxis] for draw in wake_draws(hidden)))
        samples = directed.sample(package_net(net), IMAGE[np.newaxis], rng, passes=1)
        joint += slow.recognition(net, IMAGE)[k] * np.exp(samples.joint_log_probs()[0])
        alone += slow.recognition(net, IMAGE)[k] * math.exp(samples.log_weights[0, 0])
    exact = [slow.probability(net, IMAGE, target) for target in np.eye(n_labels)]
    np.testing.assert_allclose(joint, exact, rtol=0, atol=ROUNDING)
    assert alone == pytest.approx(slow.probability(net, IMAGE), rel=0, abs=ROUNDING)


def test_many_weighted_passes_find_the_exact_probabilities_of_the_labels() -> None:
    net, passes = slow.random_net(5), 20_000
    images = np.tile(IMAGE, (passes, 1))
    samples = directed.sample(package_net(net), images, np.random.default_rng(1), passes=1)
    weights = np.exp(samples.joint_log_probs())
    exact = np.array([slow.probability(net, IMAGE, target) for target in np.eye(2)])
    states = slow.hidden_states(net)
    logs = np.array([[slow.log_p(net, IMAGE, t, h) for t in np.eye(2)] for h in states])
    chances = np.array([slow.log_q(net, IMAGE, h) for h in states])[:, np.newaxis]
    variance = np.exp(2 * logs - chances).sum(axis=0) - exact**2
    largest = float(np.exp(logs - chances).max())
    allowed = reference.sampling_error(variance, passes, 2, largest)
    assert (abs(weights.mean(axis=0) - exact) < allowed).all()
    assert (allowed < exact / 3).all()


@pytest.mark.parametrize(("sizes", "n_labels"), NETS)
def test_a_label_is_what_the_top_generates_after_a_pass_of_probabilities(
    sizes: tuple[int, ...], n_labels: int
) -> None:
    net, images = slow.random_net(6, sizes, n_labels), np.array([[0.2, 0.0, 1.0], IMAGE])
    found = np.exp(directed.label_log_probs(package_net(net), images))
    expected = [slow.up_pass_label_probs(net, image) for image in images]
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


def test_it_is_the_exact_answer_where_recognition_is_sure_and_right() -> None:
    """Sure: units follow their inputs. Right: an image is generated from no other states."""
    net = slow.random_net(7, (2, 2, 2))
    for weights in (*net.rec_weights, *(w[:, :2] for w in net.gen_weights)):
        weights[...] = np.eye(2) * 30
    for bias in (*net.rec_biases, *(b[:2] for b in net.gen_biases)):
        bias[...] = -15
    image = np.array([1.0, 0.0])
    found = np.exp(directed.label_log_probs(package_net(net), image[np.newaxis]))[0]
    joint = np.array([slow.probability(net, image, target) for target in np.eye(2)])
    # Beside the right one, each of 15 other states lacks a factor of exp(15) at least; a top unit's
    # own bias may give a share back, and a pass of probabilities is as far from states.
    back = math.exp(float(abs(net.top_bias).sum())) + float(abs(net.gen_weights[-1][:, 2:]).sum())
    allowed = ROUNDING + 15 * math.exp(-15) * back
    np.testing.assert_allclose(found, joint / joint.sum(), rtol=0, atol=allowed)
    assert abs(found - 0.5).max() > 1000 * allowed


def test_images_that_do_not_fit_and_nets_without_labels_are_refused() -> None:
    net, images = package_net(slow.random_net(1)), np.zeros((1, 3))
    with pytest.raises(ValueError, match="3 inputs"):
        directed.label_log_probs(net, np.zeros((1, 4)))
    with pytest.raises(ValueError, match="temperatures 0"):
        directed.sample(net, images, np.random.default_rng(1), temperatures=3)
    blind = package_net(slow.random_net(1, n_labels=0))
    for ask in (directed.label_log_probs, directed.sample):
        with pytest.raises(ValueError, match="without labels"):
            ask(blind, images, *([np.random.default_rng(1)] if ask is directed.sample else []))


# -- dreams --------------------------------------------------------------------------------------


def test_dreams_of_a_label_come_as_often_as_they_are_probable_given_it() -> None:
    net, n = slow.random_net(8), 4000
    made = Dreamer(package_net(net)).dream(n, 1, 7, np.random.default_rng(1), np.full(n, 1))
    assert made.labels is not None
    assert (made.labels == 1).all()
    chances: Counter[tuple[float, ...]] = Counter()
    for chance, _, target, hidden in slow.dreams(net):
        if target[1]:
            pixels = slow.generated(net, 0, hidden[0])[0]
            chances[tuple(pixels.round(9))] += chance
    seen = Counter(map(tuple, made.images[:, 0].round(9).tolist()))
    assert set(seen) <= set(chances)
    whole = sum(chances.values())
    for pixels, chance in chances.items():
        p = chance / whole
        allowed = reference.sampling_error(p * (1 - p), n, len(chances))
        assert abs(seen[pixels] / n - p) < allowed, pixels


def test_each_row_of_dreams_has_its_label_and_free_ones_have_their_own() -> None:
    net, labels = package_net(slow.random_net(8, n_labels=3)), np.array([2, 0, 1, 2])
    ticks: list[float] = []
    rng = np.random.default_rng(1)
    made = Dreamer(net).dream(4, 5, 10, rng, labels, ticks.append)
    assert made.images.shape == (4, 5, 3)
    assert made.labels is not None
    assert made.labels.tolist() == [[label] * 5 for label in labels]
    assert sum(ticks) == pytest.approx(50)
    free = Dreamer(net).dream(4, 500, 10, rng)
    assert free.labels is not None
    share = np.bincount(free.labels.ravel(), minlength=3) / 2000
    exact = np.zeros(3)
    for chance, _, target, _ in slow.dreams(slow.random_net(8, n_labels=3)):
        exact += chance * target
    assert (abs(share - exact) < reference.sampling_error(exact * (1 - exact), 2000, 3)).all()
    blind = Dreamer(package_net(slow.random_net(8, n_labels=0)))
    assert blind.dream(2, 3, 1, rng).labels is None


def test_a_label_that_no_dream_has_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    net = slow.random_net(8)
    net.gen_biases[-1][-1] = -1e6
    monkeypatch.setattr(directed, "MOST_DREAMS", 3000)
    with pytest.raises(NoDreamError, match="none of 3000 dreams has label 1"):
        Dreamer(package_net(net)).dream(2, 1, 1, np.random.default_rng(1), np.array([0, 1]))


# -- starts --------------------------------------------------------------------------------------


def test_a_stack_begins_with_its_weights_both_ways_and_knows_no_label() -> None:
    rng = np.random.default_rng(1)
    stack = [Rbm.random(5, 4, 1.0, rng), Rbm.random(4 + 3, 6, 1.0, rng, n_labels=3)]
    for rbm in stack:
        rbm.visible_bias[:] = rng.standard_normal(rbm.n_visible)
        rbm.hidden_bias[:] = rng.standard_normal(rbm.n_hidden)
    net = DirectedNet.on_stack(stack, 2)
    np.testing.assert_array_equal(net.rec_weights[0], stack[0].weights)
    np.testing.assert_array_equal(net.gen_weights[0], stack[0].weights.T)
    np.testing.assert_array_equal(net.rec_weights[1], stack[1].weights[:4])
    np.testing.assert_array_equal(net.gen_weights[1][:, :4], stack[1].weights[:4].T)
    np.testing.assert_array_equal(net.gen_biases[1], [*stack[1].visible_bias[:4], 0, 0])
    np.testing.assert_array_equal(net.rec_biases[1], stack[1].hidden_bias)
    assert not net.to_labels[0].any()
    assert not any(
        np.may_share_memory(a, b.weights) for a in net.parameters().values() for b in stack
    )


def test_top_biases_are_the_log_odds_of_what_is_recognised() -> None:
    net = slow.random_net(9)
    images = np.array([IMAGE, 1 - IMAGE, IMAGE])
    probs = []
    for image in images:
        units = image
        for weights, bias in zip(net.rec_weights, net.rec_biases, strict=True):
            units = np.array([reference.logistic(float(x)) for x in units @ weights + bias])
        probs.append(units)
    share = (np.sum(probs, axis=0) + 1) / 5
    found = directed.top_biases(package_net(net), images)
    np.testing.assert_allclose(found, np.log(share / (1 - share)), rtol=0, atol=ROUNDING)


def test_random_nets_are_small_and_of_the_sizes_that_were_asked_for() -> None:
    net = DirectedNet.random((50, 40, 30), 10, 0.01, np.random.default_rng(1))
    assert [w.shape for w in net.rec_weights] == [(50, 40), (40, 30)]
    assert [w.shape for w in net.gen_weights] == [(40, 50), (30, 50)]
    for name, array in net.parameters().items():
        assert array.dtype == np.float32
        if array.ndim == 2:  # a variance of n draws has a relative deviation of sqrt(2 / n)
            assert abs(array.std() / 0.01 - 1) < 7 / math.sqrt(2 * array.size), name
        else:
            assert not array.any(), name


@pytest.mark.parametrize("name", ["rec_weights2", "gen_weights1", "gen_biases2", "top_bias"])
def test_arrays_that_do_not_fit_are_refused(name: str) -> None:
    tree = package_net(slow.random_net(1)).arrays()
    with pytest.raises(ValueError, match=name):
        DirectedNet.from_arrays(tree | {name: np.zeros((9,) * tree[name].ndim)})
    without = {other: array for other, array in tree.items() if other != name}
    with pytest.raises(KeyError):
        DirectedNet.from_arrays(without)


# -- the learner ---------------------------------------------------------------------------------

SETTINGS = dataclasses.replace(
    RECIPES["tr2006"].directed, epochs=3, batch=7, rate=0.2, final_share=0.5, momentum=0.5
)


def learner(seed: int = 1) -> WakeSleepTraining:
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (40, 6)).astype(np.uint8)
    labels = np.arange(40) % 2
    net = DirectedNet.random((6, 5, 4), 2, 0.1, rng)
    train, valid = Cases(images[:30], labels[:30]), Cases(images[30:], labels[30:])
    return WakeSleepTraining(net, train, SETTINGS, np.random.default_rng(seed), valid)


def untold(_work: float) -> None:
    pass


def test_going_on_from_a_saved_state_is_going_on() -> None:
    whole, first = learner(), learner()
    rows = [whole.run_epoch(untold) for _ in range(3)]
    first.run_epoch(untold)
    second = learner(seed=9)
    second.restore(first.state())
    assert [second.run_epoch(untold), second.run_epoch(untold)] == rows[1:]
    for name, array in second.result().parameters().items():
        np.testing.assert_array_equal(array, whole.result().parameters()[name])
    assert whole.finished() == "the schedule's 3 epochs"
    assert not whole.capped


def test_an_epoch_says_what_it_measured_and_the_first_where_it_began() -> None:
    run = learner()
    start = run.net.copy()
    first, second = run.run_epoch(untold), run.run_epoch(untold)
    measured = {"rate", "recon_cost", "valid_cost", "valid_errors", "train_log_p", "valid_log_p"}
    assert measured <= set(first)
    assert measured <= set(second)
    assert set(first) - set(second) >= {"start_errors", "start_log_p"}
    assert first["rate"] == 0.2
    valid = run._valid
    assert valid is not None
    drawn = directed.stream(0, directed.Use.DIRECTED_VALID)
    images = likelihood.binarised(valid.images, drawn)
    bound = directed.log_weights(start, images, drawn, valid.labels).mean()
    assert first["start_log_p"] == pytest.approx(float(bound), rel=1e-12)
    for name, own, use in (
        ("valid_log_p", valid, directed.Use.DIRECTED_VALID),
        ("train_log_p", run._train, directed.Use.DIRECTED_TRAIN),
    ):
        drawn = directed.stream(0, use)
        images = likelihood.binarised(own.images, drawn)
        bound = directed.log_weights(run.net, images, drawn, own.labels).mean()
        assert second[name] == pytest.approx(float(bound), rel=1e-12)


def test_the_net_of_the_highest_bound_is_kept_also_after_going_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of training and validation: those of training rise to the end.
    bounds = iter([-9.0, -9.0, -8.0, -5.0, -4.0, -7.0, -3.0, -6.0])
    first = learner()
    monkeypatch.setattr(WakeSleepTraining, "_start", lambda _self: {})
    monkeypatch.setattr(WakeSleepTraining, "_bound", lambda *_: next(bounds))
    first.run_epoch(untold)
    first.run_epoch(untold)
    best = first.net.copy()
    second = learner(seed=9)
    second.restore(first.state())
    second.run_epoch(untold)
    second.run_epoch(untold)
    assert second.selected.epoch == 2
    for name, array in second.result().parameters().items():
        np.testing.assert_array_equal(array, best.parameters()[name])
        if name != "top_bias":
            assert (array != second.net.parameters()[name]).any()


def test_rates_fall_linearly_and_recognition_has_a_share() -> None:
    settings = dataclasses.replace(SETTINGS, recognition_share=0.25, decay=0.01)
    steps = [steps_at(settings, epoch) for epoch in range(4)]
    assert [gen.rate for gen, _ in steps] == pytest.approx([0.2, 0.15, 0.1, 0.1])
    for gen, rec in steps:
        assert rec.rate == pytest.approx(gen.rate / 4)
        assert (gen.momentum, gen.decay) == (rec.momentum, rec.decay) == (0.5, 0.01)


def test_from_random_weights_it_learns_a_world_of_two_images() -> None:
    """The bound rises by more than a nat, and stays below minus the entropy of the data, log 2."""
    images = np.tile(np.array([[255, 255, 0, 0], [0, 0, 255, 255]], np.uint8), (50, 1))
    cases = Cases(images, np.arange(100) % 2)
    settings = dataclasses.replace(SETTINGS, epochs=60, batch=10, rate=0.5, momentum=0.0)
    rng = np.random.default_rng(3)
    run = WakeSleepTraining(DirectedNet.random((4, 3, 2), 2, 1.0, rng), cases, settings, rng, cases)
    rows = [run.run_epoch(untold) for _ in range(60)]
    assert rows[0]["start_log_p"] + 1 < rows[-1]["valid_log_p"] < -math.log(2)


def test_learning_without_labels_or_validation_is_refused() -> None:
    run, rng = learner(), np.random.default_rng(1)
    cases = Cases(np.zeros((4, 6), np.uint8), np.arange(4) % 2)
    with pytest.raises(ValueError, match="validation"):
        WakeSleepTraining(run.net, cases, SETTINGS, rng, None, target=1.0)
    blind = DirectedNet.random((6, 5, 4), 0, 0.1, rng)
    with pytest.raises(ValueError, match="labels"):
        WakeSleepTraining(blind, cases, SETTINGS, rng, cases)


def test_shapes_of_every_phase_are_those_of_the_layers() -> None:
    net = package_net(slow.random_net(1, (3, 2, 4, 2)))
    run = WakeSleep(net, 5)
    run.data_buffer(4)[:] = np.eye(4, 3)
    wake, sleep = run.run(np.eye(4, 2), np.random.default_rng(1))
    for phase in (wake, sleep):
        assert [a.shape for a in phase.states] == [(4, n) for n in (3, 2, 4, 2)]
        for array in itertools.chain(phase.states, [phase.labels]):
            assert set(np.unique(array)) <= {0.0, 1.0}
    assert (sleep.labels.sum(axis=1) == 1).all()
