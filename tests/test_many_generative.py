"""Many generative nets at once learn as the package's do, one by one; only where PyTorch is."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from hinton06.dropout import Dropout
from hinton06.hybrid import LabelBackpropagation
from hinton06.mnist import Digits
from hinton06.models import DeepBeliefNet, Rbm, Stack
from hinton06.recipes import RECIPES, WakeSleepSettings
from hinton06.recognition import Cases, label_log_probs, mean_free_energy
from hinton06.stacking import GreedyStack
from hinton06.streams import Use
from hinton06.updates import Step
from hinton06.wakesleep import ContrastiveWakeSleep, GenerativeFineTuning

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
from hinton06.many import wakesleep  # noqa: E402
from hinton06.many.place import Place  # noqa: E402
from hinton06.many.rbms import Stacks, draw_labels, one_hot, steps_of  # noqa: E402

from test_many_nets import (  # isort: skip  # noqa: E402
    digits, draws_of, on_host, place, rows_of, slow, striped, thresholds, ways,
    within_errors,
)  # fmt: skip

__all__ = ["digits", "place", "thresholds"]
N_NETS, N_LABELS = 3, 3
SETTINGS = dataclasses.replace(
    RECIPES["tr2006"].wakesleep, epochs=4, batch=16, gibbs=(2,), averaging=0.5, decay=0.01,
    rate=0.3,
)  # fmt: skip
MIXED = dataclasses.replace(
    SETTINGS,
    search_bp_weight=True,
    bp_weights=(0.5, 0.8),
    gibbs=(1, 3),
    momentum=0.5,
    balanced=True,
)
MIXED_DROPOUT = dataclasses.replace(
    MIXED,
    dropout=True,
    pixel_dropout=0.3,
    feature_dropout=(0.2, 0.1, 0.5),
    adversarial=0.7,
    neighbours=3,
)


def silent(_: float) -> None:
    """No progress."""


@pytest.fixture
def stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout leaves out each third unit on both sides."""

    def drop(values: Any, keep: Any, _draws: Any, layer: int) -> None:
        for net, chance in enumerate(keep.tolist()):
            striped(values[net], layer, chance)

    def of_one(self: Dropout, layer: int, values: Any) -> Any:
        striped(values, layer, self.keep[layer])
        return values

    monkeypatch.setattr("hinton06.many.plain.drop", drop)
    monkeypatch.setattr(Dropout, "drop", of_one)


def random_nets(scale: float = 1.0) -> list[DeepBeliefNet]:
    """Of 9, 6, 5 and 7 units with three labels; no two parameters are alike."""
    rng = np.random.default_rng(4)
    stacks = [
        [
            Rbm.random(9, 6, scale, rng),
            Rbm.random(6, 5, scale, rng),
            Rbm.random(8, 7, scale, rng, 3),
        ]
        for _ in range(N_NETS)
    ]
    nets = [DeepBeliefNet.untied(stack) for stack in stacks]
    for net in nets:
        for array in net.parameters().values():
            array[...] += rng.normal(scale=0.2 * scale, size=array.shape)
    return nets


# -- draws replaced by thresholds ----------------------------------------------------------------

SOME_SETTINGS = {
    "as recorded": SETTINGS,
    "no chains": dataclasses.replace(SETTINGS, persistent_share=0.0),
    "labels sampled": dataclasses.replace(SETTINGS, sampled_labels=True, persistent_rounds=1),
}


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("name", list(SOME_SETTINGS))
@pytest.mark.usefixtures("thresholds")
def test_weights_after_updates_are_those_of_contrastive_wake_sleep(
    digits: Digits, name: str, momentum: float
) -> None:
    settings, place = SOME_SETTINGS[name], Place("cpu")
    rates = [0.3, 0.1, 0.2]
    steps = [Step(rate, momentum, 0.01) for rate in rates]
    ups = [dataclasses.replace(step, rate=0.1 * step.rate) for step in steps]
    nets, rng = random_nets(), np.random.default_rng(0)
    with place.used():
        arrays = wakesleep.gathered(place, nets)
        theirs = wakesleep.WakeSleep(place, draws_of(place, 3), arrays, N_LABELS, 20, settings)
        ours = [
            ContrastiveWakeSleep(
                net, 20, settings.sampled_labels, settings.persistent_share,
                settings.persistent_rounds, 0.1,
            ) for net in nets
        ]  # fmt: skip
        for first in (0, 20, 40, 60):
            n = 20 if first < 60 else 11  # a last batch of fewer cases
            batch = digits.train_images[first : first + n] / np.float32(255)
            targets = np.eye(3, dtype=np.float32)[digits.train_labels[first : first + n]]
            theirs.data_buffer(n)[...] = place.put(batch)
            own = place.put(np.tile(targets, (N_NETS, 1, 1)))
            costs = theirs.learn(own, 2, steps_of(place, steps), steps_of(place, ups))
            for net, (learner, step) in enumerate(zip(ours, steps, strict=True)):
                learner.data_buffer(n)[...] = batch
                cost = learner.learn(targets, 2, rng, step)
                assert float(costs[net]) == pytest.approx(cost, rel=1e-5)
    # Four updates of sums of at most 40 terms of order 1, carried on by momentum by 5 at most.
    for name_, array in theirs.arrays.items():
        for net, one in enumerate(nets):
            np.testing.assert_allclose(
                array[net], one.parameters()[name_], atol=4 * 40 * 5 * 2.0**-24, err_msg=name_
            )
    for net, learner in enumerate(ours):
        np.testing.assert_array_equal(theirs.chains[net], learner.chains)
    assert settings.persistent_share == 0 or theirs.chains.any()


KEPT = [(0.8, 0.9, 0.5, 0.7), (1.0, 0.4, 1.0, 0.6), (0.3, 1.0, 0.9, 1.0)]


LENGTHS = (0.5, 0.0, 1.5)


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("lengths", [(0.0,) * 3, LENGTHS])
@pytest.mark.usefixtures("stripes")
def test_gradients_of_labels_are_those_of_a_single_net(
    digits: Digits, dropout: bool, lengths: tuple[float, ...]
) -> None:
    place, nets = Place("cpu"), random_nets()
    steps = [Step(0.3, 0.0), Step(0.1, 0.5), Step(0.2, 0.9)]
    with place.used():
        arrays, more = wakesleep.gathered(place, nets), dict[str, Any]()
        if dropout:
            masks = draws_of(place, N_NETS, Use.DROPOUT)
            before = int(masks.clock)
            more = {"keep": place.put(np.array(KEPT, np.float32).T), "masks": masks}
        if any(lengths):
            more["lengths"] = place.put(np.array(lengths, np.float32))
        theirs = wakesleep.LabelGradients(place, arrays, N_LABELS, **more)
        rng = np.random.default_rng(0)
        ours = [
            LabelBackpropagation(net, 20, Dropout(keep, rng) if dropout else None, length)
            for net, keep, length in zip(nets, KEPT, lengths, strict=True)
        ]
        for first in (0, 20, 40):
            batch = digits.train_images[first : first + 20] / np.float32(255)
            labels = digits.train_labels[first : first + 20].astype(np.intp)
            targets = place.put(np.tile(np.eye(3, dtype=np.float32)[labels], (N_NETS, 1, 1)))
            data = place.put(np.tile(batch, (N_NETS, 1, 1)))
            costs = theirs.gather(data, targets, steps_of(place, steps))
            np.testing.assert_array_equal(data, np.tile(batch, (N_NETS, 1, 1)))
            theirs.apply()
            for net, (learner, step) in enumerate(zip(ours, steps, strict=True)):
                cost = learner.gather(batch, labels, step).sum()
                learner.apply(step)
                assert float(costs[net]) == pytest.approx(float(cost), rel=1e-5)
    assert not dropout or int(masks.clock) == before + 3
    for name, array in theirs.arrays.items():
        for net, one in enumerate(nets):
            # Three updates of means of 20 products, carried on by momentum by 10 at most, and
            # divided by chances.
            atol = 3 * 20 * 10 * 2.0**-24 * (6 if dropout else 1)
            np.testing.assert_allclose(array[net], one.parameters()[name], atol=atol, err_msg=name)


def group(
    place: Place, digits: Digits, nets: list[DeepBeliefNet], settings: WakeSleepSettings,
    n: int = 50, **more: Any,
) -> wakesleep.GenerativeNets:  # fmt: skip
    """Nets that learn each its own images; few, where an interpreter runs the kernels."""
    n = 8 if slow(place) else n
    images, labels = place.put(digits.train_images), place.put(digits.train_labels.astype(np.int64))
    if "targets" not in more:
        more["valid"] = rows_of(place, len(nets), 90)[:, n : 2 * n if slow(place) else 90]
    if settings.dropout:
        more["masks"] = draws_of(place, len(nets), Use.DROPOUT)
    if settings.neighbours:
        more["moves"] = draws_of(place, len(nets), Use.NEIGHBOURS)
    return wakesleep.GenerativeNets(
        place, draws_of(place, len(nets)), [settings] * len(nets), wakesleep.gathered(place, nets),
        N_LABELS, images, labels, rows_of(place, len(nets), 90)[:, :n], **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    "settings", [SETTINGS, MIXED, MIXED_DROPOUT], ids=["wake-sleep", "mixed", "mixed, dropout"]
)
@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.usefixtures("thresholds", "stripes")
def test_epochs_are_those_of_the_package(
    digits: Digits, settings: WakeSleepSettings, extended: bool
) -> None:
    place, nets = Place("cpu"), random_nets()
    targets = {"targets": [20.0, 0.0, 30.0], "schedule_done": [1, 1, 1]} if extended else {}
    if extended and settings.mixed:
        settings = dataclasses.replace(settings, search_bp_weight=False, bp_weight=0.8)
    with place.used():
        theirs = group(place, digits, nets, settings, **targets)
        rows, every = on_host(theirs.samplers.all_rows), rows_of(place, 3, 90)[:, 50:]
        ours = []
        for net, one in enumerate(nets):
            cases, valid = (
                Cases(digits.train_images[own], digits.train_labels[own].astype(np.intp))
                for own in (rows[net], on_host(every)[net])
            )
            if settings.neighbours:
                near = ways(cases.images, cases.labels, settings)
                cases = dataclasses.replace(cases, neighbours=near)
            rng = draws_of(place, 3).rngs[net]
            more: Any = (None, targets["targets"][net], 1) if extended else (valid,)
            ours.append(GenerativeFineTuning(one, cases, settings, rng, *more, masks=rng))
        for _ in range(4):
            for mine, learner in zip(theirs.run_epoch(silent), ours, strict=True):
                row = learner.run_epoch(silent)
                assert mine.keys() == row.keys()
                assert mine == pytest.approx(row, rel=2e-4, abs=2e-4)
        for net, (course, learner) in enumerate(zip(theirs.courses, ours, strict=True)):
            assert course.finished() == learner.finished()
            outcome, expected = course.measured_outcome(), learner.measured_outcome()
            for name in ("epochs", "capped", "bp_weight"):
                assert outcome[name] == expected[name]
            model = wakesleep.models_of(theirs.results([net]), N_LABELS)[0]
            for name, array in learner.result().parameters().items():
                # 16 updates, of sums of up to 32 terms.
                np.testing.assert_allclose(
                    model.parameters()[name], array, atol=16 * 32 * 10 * 2.0**-24
                )


@pytest.mark.parametrize("recon_states", ["none", "labels", "all"])
@pytest.mark.usefixtures("thresholds")
def test_a_top_with_labels_is_learned_as_by_a_greedy_stack(
    digits: Digits, recon_states: str
) -> None:
    place, rng = Place("cpu"), np.random.default_rng(2)
    settings = dataclasses.replace(
        RECIPES["tr2006"].pretrain, layers=(6, 5, 7), passes=2, batch=25, early_epochs=1,
        recon_states=recon_states, initial_sd=0.3,
    )  # fmt: skip
    lower = [Stack([Rbm.random(9, 6, 1.0, rng), Rbm.random(6, 5, 1.0, rng)]) for _ in range(3)]
    rows = rows_of(place, 3, 60)
    with place.used():
        images, labels = place.put(digits.train_images), place.put(digits.train_labels).long()
        theirs = Stacks(
            place, draws_of(place, 3), [[settings] * 3] * 3, images, labels, rows, lower, 3
        )  # fmt: skip
        history = []
        while not theirs.finished():
            history.append(theirs.run_epoch(silent))
        stacks = theirs.models()
    for net in range(3):
        own = on_host(rows)[net]
        targets = np.eye(3, dtype=np.float32)[digits.train_labels[own]]
        one = GreedyStack(
            digits.train_images[own], settings, draws_of(place, 3).rngs[net], targets, None,
            lower[net],
        )  # fmt: skip
        for mine in history:
            row = one.run_epoch(silent)
            assert mine[net].keys() == row.keys()
            assert mine[net] == pytest.approx(row, rel=1e-4)
        assert one.finished()
        assert stacks[net].n_classes == 3
        for theirs_too, ours in zip(stacks[net], one.result(), strict=True):
            for name, array in ours.parameters().items():
                # Six updates of sums of up to 50 terms, carried on by momentum.
                np.testing.assert_allclose(
                    theirs_too.parameters()[name], array, atol=6 * 50 * 10 * 2.0**-24
                )


# -- with draws ----------------------------------------------------------------------------------


def test_labels_are_sampled_with_their_probabilities(place: Place) -> None:
    n, nets = (400 if slow(place) else 4000), random_nets()
    learner = wakesleep.WakeSleep(
        place, draws_of(place, 3), wakesleep.gathered(place, nets), N_LABELS, 4, SETTINGS
    )
    inputs = np.array([[0.5, -1.0, 0.2], [3.0, 0.0, -40.0], [-9.0, 1.0, 1.0]], np.float32)
    every = place.put(inputs)[:, None].expand(3, n, 3)
    states = on_host(draw_labels(place, learner.draws, every))
    assert (states.sum(2) == 1).all()
    expected = np.exp(inputs) / np.exp(inputs).sum(1, keepdims=True)
    errors = np.sqrt(expected * (1 - expected) / n)
    assert (np.abs(states.mean(1) - expected) <= 5 * errors + 1 / n).all()
    assert set(np.unique(states)) == {0.0, 1.0}


def test_layers_of_one_update_have_draws_of_their_own(place: Place) -> None:
    learner = wakesleep.WakeSleep(
        place, draws_of(place, 3), wakesleep.gathered(place, random_nets()), N_LABELS, 4, SETTINGS
    )
    made = []
    for _ in range(2):
        states = place.empty(3, 50, 40)
        learner._fire(place.zeros(3, 50, 40), place.zeros(3, 40), states)
        made.append(on_host(states))
    for one, other in zip(*made, strict=True):
        assert abs(np.mean(one == other) - 0.5) < 5 * 0.5 / np.sqrt(one.size)


@pytest.mark.parametrize(
    "settings", [SETTINGS, MIXED, MIXED_DROPOUT], ids=["wake-sleep", "mixed", "dropout"]
)
def test_nets_are_those_of_the_package_in_the_mean(
    place: Place, digits: Digits, settings: WakeSleepSettings
) -> None:
    if slow(place):
        pytest.skip("it would take minutes without a card")
    n_nets, few = 60, 48
    settings = dataclasses.replace(settings, epochs=2, gibbs=(2,), bp_weights=(0.5,))
    start = random_nets(0.5)[0]
    theirs = group(place, digits, [start] * n_nets, settings, few, targets=[0.0] * n_nets)
    rows = on_host(theirs.samplers.all_rows)
    names = ["recon_cost", "train_cost"] + (["label_cost"] if settings.mixed else [])
    costs = [[[row[n] for n in names] for row in theirs.run_epoch(silent)] for _ in range(2)]
    found = [net.memory.visible_bias for net in wakesleep.models_of(theirs.measured, N_LABELS)]
    ours, biases = [], []
    for net in range(60):  # the same images as theirs, other draws
        own = rows[net % n_nets]
        cases = Cases(digits.train_images[own], digits.train_labels[own].astype(np.intp))
        one = GenerativeFineTuning(
            start.copy(), cases, settings, np.random.default_rng(1000 + net), None, 0.0,
            masks=np.random.default_rng(2000 + net),
        )  # fmt: skip
        rows_of_one = [one.run_epoch(silent) for _ in range(2)]
        ours.append([[row[n] for n in names] for row in rows_of_one])
        biases.append(one.measured.memory.visible_bias.copy())
    within_errors(np.array(costs).transpose(1, 0, 2), np.array(ours))
    within_errors(np.array(found), np.array(biases))


# -- measurements, going on ----------------------------------------------------------------------


def test_nets_are_measured_as_one_by_one(place: Place, digits: Digits) -> None:
    nets, rows = random_nets(), rows_of(place, 3, 60)
    images, labels = place.put(digits.train_images), place.put(digits.train_labels.astype(np.int64))
    arrays = wakesleep.gathered(place, nets)
    asked = on_host(wakesleep.log_probs(place, arrays, images, rows, N_LABELS))
    energies = wakesleep.mean_free_energies(place, arrays, images, rows, labels[rows], N_LABELS)
    for net, one in enumerate(nets):
        own = on_host(rows)[net]
        some = digits.train_images[own]
        np.testing.assert_allclose(asked[net], label_log_probs(one, some), atol=2e-5)
        expected = mean_free_energy(one, some, digits.train_labels[own].astype(np.intp))
        assert energies[net] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mixed", [MIXED, MIXED_DROPOUT], ids=["mixed", "dropout"])
def test_nets_go_on_exactly_from_their_states(
    place: Place, digits: Digits, mixed: WakeSleepSettings
) -> None:
    settings = SETTINGS if slow(place) else mixed
    one, other = (group(place, digits, random_nets(), settings) for _ in range(2))
    one.run_epoch(silent)
    other.restore(one.states())
    assert one.run_epoch(silent) == other.run_epoch(silent)
    for mine, theirs in zip(one.states(), other.states(), strict=True):
        np.testing.assert_equal(mine, theirs)


@pytest.mark.parametrize("settings", [MIXED, MIXED_DROPOUT], ids=["mixed", "dropout"])
def test_nets_that_leave_do_not_disturb_the_others(
    place: Place, digits: Digits, settings: WakeSleepSettings
) -> None:
    if slow(place):
        pytest.skip("it would take long without a card")
    together, alone = (group(place, digits, random_nets(), settings) for _ in range(2))
    together.run_epoch(silent)
    alone.run_epoch(silent)
    alone.keep([0, 2])
    rows, fewer = together.run_epoch(silent), alone.run_epoch(silent)
    for mine, theirs in zip((rows[0], rows[2]), fewer, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-4)
    of_both = (alone.arrays, together.arrays), (alone.results([0, 1]), together.results([0, 2]))
    for number, (mine_too, theirs_too) in enumerate(of_both):
        for name, array in mine_too.items():
            expected = on_host(theirs_too[name])
            expected = expected if number else expected[[0, 2]]
            np.testing.assert_allclose(on_host(array), expected, atol=1e-5)


def test_work_that_is_left_is_what_epochs_then_do(digits: Digits) -> None:
    place = Place("cpu")
    with place.used():
        nets = group(place, digits, random_nets(), MIXED)
        left, did = nets.work_left(), list[float]()
        while not nets.courses[0].finished():
            nets.run_epoch(did.append)
        assert sum(did) == pytest.approx(left)
        assert nets.work_left() == 0


def test_labels_are_one_unit_on() -> None:
    labels = torch.tensor([[2, 0], [1, 1]])
    expected = np.eye(3)[labels.numpy()]
    np.testing.assert_array_equal(one_hot(labels, 3), expected)
