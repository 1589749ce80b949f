"""Virtual adversarial training: where images without labels move to, and what is learned there."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import reference
from reference import Floats
from test_backprop import (
    ALL,
    CASE_WEIGHTS,
    LABELS,
    ROUNDING,
    SIZES,
    TRAIN,
    VALID,
    assert_nets_equal,
    cases,
    images,
    random_net,
    run,
)
from test_dropout import KEEP, factors_of_kept, generator, learner, log_probs_of_kept, settings

from hinton06 import numerics
from hinton06.backprop import Backpropagation, DiscriminativeFineTuning
from hinton06.dropout import Dropout
from hinton06.models import Classifier
from hinton06.recognition import Cases, log_probs
from hinton06.updates import Step

LENGTH, N_OTHERS = 0.8, 7
WHOLE = [np.float64(1.0)] * 3
OTHERS = generator(5).random((9, 5))
ROWS = np.array([8, 3, 3, 0, 5, 1, 2])
BESIDE = OTHERS, ROWS


def direction_of(net: Classifier, data: Floats, along: Floats) -> Floats:
    """The mean over answers of a log probability's slopes times how it changes `along` some way.

    That is Fisher's information by the pixels, times the way. A log probability at a pixel plus i h
    has, to rounding, h times the slope as its imaginary part.
    """
    slopes = np.empty((*data.shape, SIZES[-1]))
    for pixel in range(data.shape[1]):
        at = data.astype(complex)
        at[:, pixel] += 1e-100j
        slopes[:, pixel] = log_probs_of_kept_complex(net, at).imag / 1e-100
    probs = np.exp(log_probs(net, data))
    changes = np.einsum("npc,np->nc", slopes, along)
    return np.einsum("nc,npc,nc->np", probs, slopes, changes)


def log_probs_of_kept_complex(net: Classifier, data: Any) -> Any:
    """`test_dropout.log_probs_of_kept` of the whole net, of complex pixels too."""
    units = data
    for number, (weights, bias) in enumerate(zip(net.weights, net.biases, strict=True), 1):
        inputs = units @ weights + bias
        if number < len(net.weights):
            units = 1 / (1 + np.exp(-inputs))
    return inputs - np.log(np.exp(inputs).sum(axis=1, keepdims=True))


def moved(net: Classifier) -> tuple[Floats, float]:
    """Where the first batch of others moves to, and the rounding of each number."""
    data = OTHERS[ROWS]
    found = direction_of(net, data, generator(7).standard_normal(data.shape))
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    # Up and down again, each path's weights times slopes of at most a quarter.
    paths = abs(net.weights[0]) / 4 @ abs(net.weights[1]) / 4 @ abs(net.weights[2])
    size = 4 * (paths @ paths.T).sum(axis=1).max()  # for normal numbers below 4
    bound = 2 * LENGTH * float(reference.rounding(400, size=size)) / lengths.min()
    return data + LENGTH * found / lengths, bound


def divergences(net: Classifier, data: Floats, answers: Floats, factors: Any = WHOLE) -> Floats:
    """Each case's KL(answer || the net's), in nats."""
    found = log_probs_of_kept(net, data, factors)
    return np.asarray((answers * (np.log(answers) - found)).sum(axis=1))


def trained(net: Classifier, dropout: Dropout | None = None) -> Backpropagation:
    return Backpropagation(
        net, 5, dropout, virtual=LENGTH, n_virtual=N_OTHERS + 1, rng=generator(7)
    )


# -- where images move to ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sure", [0.0, 5.0, 20.0, 100.0, 1000.0])
def test_the_turn_of_the_answers_is_right_however_sure_a_net_is(dtype: Any, sure: float) -> None:
    inputs = generator(1).normal(size=(6, 4)).astype(dtype)
    inputs[np.arange(6), [0, 1, 2, 3, 0, 2]] += dtype(sure)
    changes = generator(2).normal(size=(6, 4)).astype(dtype)
    found, given = changes.copy(), numerics.log_softmax(inputs.copy())
    before = given.copy()
    numerics.answer_directions(given, found)
    np.testing.assert_array_equal(given, before)
    for row, change, own in zip(inputs.astype(float), changes.astype(float), found, strict=True):
        probs = np.exp(row - row.max())
        scale = np.sort(probs)[-2]  # of the answer after the most probable one
        probs /= probs.sum()
        shares = np.exp(row - row.max()) / scale if sure < 600 else None
        if shares is None:  # what is left of the others, to their largest
            others = np.delete(row, row.argmax())
            shares = np.insert(np.exp(others - others.max()), row.argmax(), 0.0)
        expected = shares * (change - probs @ change)
        top = row.argmax()
        expected[top] = -np.delete(expected, top).sum()
        # Exponentials of log probabilities, each rounded at its size, times changes below 5.
        bound = reference.rounding(20, size=10 * (sure + 10), dtype=dtype)
        np.testing.assert_allclose(own, expected, rtol=0, atol=bound)


def test_the_sum_of_the_turn_over_answers_is_none_and_equal_changes_turn_none() -> None:
    given = numerics.log_softmax(generator(1).normal(size=(6, 4)))
    found = np.full((6, 4), 3.7)
    numerics.answer_directions(given, found)
    assert abs(found).max() <= reference.rounding(20, size=4)


def test_images_move_along_fisher_s_information_times_a_random_direction() -> None:
    net = random_net()
    found, answers = trained(net)._move_virtually(*BESIDE)
    expected, bound = moved(net)
    assert bound < 1e-6
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
    np.testing.assert_allclose(np.linalg.norm(found - OTHERS[ROWS], axis=1), LENGTH)
    np.testing.assert_allclose(answers, np.exp(log_probs(net, OTHERS[ROWS])), rtol=0, atol=ROUNDING)


def test_so_short_a_way_changes_answers_more_than_the_random_direction_does() -> None:
    net, data, length = random_net(), OTHERS[ROWS], 1e-3
    learner = Backpropagation(net, 5, virtual=length, n_virtual=7, rng=generator(7))
    ends, answers = learner._move_virtually(*BESIDE)
    along = generator(7).standard_normal(data.shape)
    along *= length / np.linalg.norm(along, axis=1, keepdims=True)
    found, random = (divergences(net, at, answers) for at in (ends, data + along))
    # A round of the power method lowers no Rayleigh quotient. Beyond second order a cubed length
    # comes, times third derivatives that are below the product of the weights' sums, cubed.
    assert (found > random).all()
    assert (found > 1.2 * random).any()


@pytest.mark.parametrize("seed", [2, 3])
def test_sure_answers_move_images_in_single_precision_as_in_double(seed: int) -> None:
    nets, ends = (random_net(seed=seed), random_net(dtype=np.float32, seed=seed)), []
    for own in nets:
        own.weights[-1][...] *= 80
        learner = trained(own)
        learner._rng = Same()
        ends.append(learner._move_virtually(OTHERS.astype(own.weights[0].dtype), ROWS)[0])
    sure = np.exp(log_probs(nets[0], OTHERS[ROWS])).max(axis=1)
    assert (sure.astype(np.float32) == 1).any(), "of some, the most probable answer's p rounds to 1"
    # Of three sums of products, whose roundings a class's exponential takes over as its share.
    largest = abs(nets[0].weights[-1]).sum(axis=0).max()
    bound = 4 * LENGTH * reference.rounding(20, size=largest, dtype=np.float32)
    assert bound < 0.05
    np.testing.assert_allclose(ends[1], ends[0], rtol=0, atol=bound)


class Same:
    """Draws the same normal numbers in either precision."""

    def standard_normal(self, shape: Any, dtype: Any) -> Any:
        return generator(7).standard_normal(shape).astype(dtype)


# -- what is learned -----------------------------------------------------------------------------


@pytest.mark.parametrize("dropped", [False, True])
def test_every_step_is_minus_the_central_difference_of_costs_and_divergences(
    dropped: bool,
) -> None:
    net = random_net()
    n = 5 + N_OTHERS
    factors = factors_of_kept(KEEP, SIZES[:-1], n) if dropped else [np.ones((n, 1))] * 3
    ends, bound = moved(net)  # in the whole net, dropout or not
    answers = np.exp(log_probs(net, OTHERS[ROWS]))  # which stay what they were
    after = net.copy()
    own = trained(after, Dropout(KEEP, generator()) if dropped else None)
    costs = own.learn(images(), ALL, LABELS, CASE_WEIGHTS, Step(1.0), beside=BESIDE)
    first, rest = [f[:5] for f in factors], [f[5:] for f in factors]

    def case_costs() -> Floats:
        return -log_probs_of_kept(net, images(), first)[ALL, LABELS]

    def cost() -> float:
        labelled = float((CASE_WEIGHTS * case_costs()).mean())
        return labelled + float(divergences(net, ends, answers, rest).mean())

    np.testing.assert_allclose(costs, case_costs(), rtol=0, atol=ROUNDING)
    # What a gradient changes by if a pixel does: by products of weights, times what they meet.
    steepest = 10 * np.prod([1 + abs(w).sum() for w in net.weights]) / np.prod(KEEP)
    for parameter, now in zip(net.weights + net.biases, after.weights + after.biases, strict=True):
        slope, error = reference.central_differences(cost, parameter)
        allowed = error + 3 * ROUNDING + steepest * bound
        assert (abs(now - parameter + slope) <= allowed).all()
        assert abs(slope).max() > 100 * allowed.max()


def test_images_without_labels_stay_as_they_are_in_memory_and_bytes_are_255ths() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (9, 5), np.uint8)
    before, nets = pixels.copy(), (random_net(), random_net())
    for net, (data, rows) in zip(
        nets, ((pixels, ROWS), (pixels[ROWS] / 255, slice(None))), strict=True
    ):
        trained(net).learn(images(), ALL, LABELS, CASE_WEIGHTS, Step(1.0), beside=(data, rows))
    np.testing.assert_array_equal(pixels, before)
    for a, b in zip(nets[0].weights, nets[1].weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e4 * ROUNDING)


def test_without_others_learning_is_as_it_is() -> None:
    nets = random_net(dtype=np.float32), random_net(dtype=np.float32)
    given = images(), ALL, LABELS, CASE_WEIGHTS.astype(np.float32), Step(0.3, 0.5)
    Backpropagation(nets[0], 5).learn(*given)
    trained(nets[1]).learn(*given)
    assert_nets_equal(*nets)


# -- learners ------------------------------------------------------------------------------------

MORE = cases(30, 17)


def tuning(
    seed: int = 9, more: Cases | None = MORE, masks: int = 9, **changes: Any
) -> DiscriminativeFineTuning:
    own = settings(**{"virtual": LENGTH, "virtual_batch": 8} | changes)
    train = dataclasses.replace(TRAIN, unlabelled=more)
    net, rng = random_net(dtype=np.float32, seed=seed), np.random.default_rng(seed)
    return DiscriminativeFineTuning(net, train, own, rng, VALID, masks=generator(masks))


def test_the_learner_takes_as_many_others_as_its_settings_say_sweep_after_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = []
    own = Backpropagation.learn

    def noted(self: Any, *given: Any) -> Any:
        taken.append(given[-1])
        return own(self, *given)

    monkeypatch.setattr(Backpropagation, "learn", noted)
    run(tuning(), 5)  # of 6 updates: of 21 cases, 4 at a time
    assert {len(rows) for _, rows in taken} == {8}
    assert all(shown is MORE.images for shown, _ in taken)
    rows = np.concatenate([rows for _, rows in taken])
    for sweep in range(8):
        np.testing.assert_array_equal(np.sort(rows[30 * sweep : 30 * (sweep + 1)]), np.arange(30))


@pytest.mark.parametrize(("n_others", "updates"), [(8, 6), (20, 6), (2, 15)])
def test_an_epoch_is_the_longer_sweep(
    monkeypatch: pytest.MonkeyPatch, n_others: int, updates: int
) -> None:
    taken = []
    own = Backpropagation.learn

    def noted(self: Any, *given: Any) -> Any:
        taken.append((len(given[2]), len(given[-1][1])))
        return own(self, *given)

    monkeypatch.setattr(Backpropagation, "learn", noted)
    run(tuning(virtual_batch=n_others), 1)  # 30 others, and 21 cases, 4 at a time
    assert taken == [(4, n_others)] * updates


def test_a_batch_is_no_larger_than_there_are_cases() -> None:
    small, whole = tuning(batch=50, virtual_batch=1000), tuning(batch=21, virtual_batch=30)
    assert run(small, 2) == run(whole, 2)
    assert small.work() == whole.work()
    assert len(small._backprop._layers[0]) == 21 + 30


def test_directions_come_from_the_numbers_that_draw_masks() -> None:
    nets = []
    for masks in (1, 2):
        own = tuning(masks=masks, pixel_dropout=0.0, feature_dropout=(0.0,))
        run(own, 1)
        nets.append(own.net.weights[0])
    assert (nets[0] != nets[1]).any()


def test_labels_of_the_others_are_not_looked_at() -> None:
    nets = []
    for labels in (MORE.labels, MORE.labels[::-1]):
        own = tuning(more=dataclasses.replace(MORE, labels=labels))
        run(own, 2)
        nets.append(own.net)
    assert_nets_equal(*nets)
    other = tuning(more=cases(30, 18))
    run(other, 2)
    assert (other.net.weights[0] != nets[0].weights[0]).any()


def test_where_there_are_no_others_they_are_the_cases_that_are_learned() -> None:
    nets = []
    for more in (None, TRAIN):
        own = tuning(more=more)
        run(own, 2)
        nets.append(own.net)
    assert_nets_equal(*nets)
    plain = learner()
    run(plain, 2)
    assert (plain.net.weights[0] != nets[0].weights[0]).any()


def test_restored_learning_goes_on_with_the_same_others() -> None:
    whole = tuning()
    run(whole, 3)
    saved = copy.deepcopy(whole.state())
    assert len(saved["unlabelled"]) not in (0, 30)
    restored = tuning(seed=99)
    restored.restore(saved)
    assert run(restored, 3) == run(whole, 3)
    assert_nets_equal(restored.net, whole.net)
    with pytest.raises(ValueError, match="does not fit"):
        tuning().restore(saved | {"unlabelled": np.array([30])})


def test_others_take_six_passes_through_all_weights() -> None:
    plain, virtual = learner(), tuning()
    for own in (plain, virtual):
        run(own, 1)
    n_weights = sum(w.size for w in plain.net.weights)
    assert plain.work()[0] == 3 * 21 * n_weights
    assert virtual.work()[0] == 6 * (3 * 4 + 6 * 8) * n_weights
    ticks: list[float] = []
    virtual.run_epoch(ticks.append)
    assert sum(ticks) == virtual.work()[0] / 2
