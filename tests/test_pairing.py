"""Pairs: the joint memory against enumeration, both pathways' passes and updates, the learner."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import reference
from reference import Floats
from test_cli import PRETRAIN, fails_in_one_line, maker, run

from hinton06 import experiments, hearing, mnist, pairing, spoken
from hinton06.cases import cases_learned
from hinton06.hearing import HearingOptions, _Asking
from hinton06.loading import Context, load
from hinton06.mnist import Digits
from hinton06.models import DIRECTED, PairNet, Pathway, Rbm
from hinton06.numerics import logistic
from hinton06.pairing import (
    PairLearner,
    _Memory,
    _WakeSleep,
    class_log_probs,
    confabulate,
    first_of_each,
    free_energies,
    halves,
    partners,
    recognised,
    settle,
)
from hinton06.recipes import RECIPES, PairSettings
from hinton06.recognition import Cases
from hinton06.streams import Use, stream
from hinton06.training import RunError
from hinton06.updates import Step

ROUNDING = reference.rounding(200, size=10)
N_PEN, N_TOP = (2, 2), 3
# One number from each of the sums of a few products of states and of probabilities.
PLAIN = Step(rate=1.0)
QUICK = dataclasses.replace(
    RECIPES["quick"].pairs,
    features=6, batch=10, passes=2, epochs=2, rate=0.05, momentum=0.5, averaging=0.5, gibbs=(1, 2),
)  # fmt: skip


def pathway(seed: int, n_vis: int, n_pen: int = 2, dtype: Any = np.float64) -> Pathway:
    draw, n_hid = np.random.default_rng(seed).standard_normal, 3
    shapes = (
        (n_vis, n_hid), (n_hid,), (n_hid, n_pen), (n_pen,),
        (n_pen, n_hid), (n_hid,), (n_hid, n_vis), (n_vis,),
    )  # fmt: skip
    return Pathway(*(draw(shape).astype(dtype) for shape in shapes))


def pair_net(seed: int, dtype: Any = np.float64, sizes: tuple[int, int] = (4, 5)) -> PairNet:
    machine = reference.random_machine(seed, sum(N_PEN), N_TOP)
    memory = Rbm(*(array.astype(dtype) for array in machine[:3]))
    image, second = (pathway(seed + i, n, dtype=dtype) for i, n in enumerate(sizes, 1))
    return PairNet(image, second, memory)


def machine_of(net: PairNet) -> reference.Machine:
    return reference.Machine(*(a.copy() for a in net.memory.parameters().values()))


def rounds_from(m: reference.Machine, held: dict[int, float], start: Floats, n: int) -> Floats:
    """Where n rounds lead to from a visible vector: the probability of each, some units held."""
    every = reference.binary_states(len(m.visible_bias))
    chances = (every == start).all(axis=1).astype(float)
    for _ in range(n):
        after = np.zeros(len(every))
        for chance, v in zip(chances, every, strict=True):
            hidden = reference.hidden_probs(m, v)
            for h in reference.binary_states(len(hidden)) if chance else ():
                probs = reference.visible_probs(m, h).copy()
                for unit, value in held.items():
                    probs[unit] = value
                own = [reference.state_probability(probs, state) for state in every]
                after += chance * reference.state_probability(hidden, h) * np.array(own)
        chances = after
    return chances


# -- the memory ----------------------------------------------------------------------------------


def test_a_free_energy_of_a_pair_sums_over_all_top_states() -> None:
    net, rng = pair_net(3), np.random.default_rng(0)
    images, second = rng.random((4, 2)), rng.random((3, 2))
    found = free_energies(net, images, second)
    for (i, one), (j, other) in itertools.product(enumerate(images), enumerate(second)):
        expected = reference.free_energy(machine_of(net), np.concatenate([one, other]))
        np.testing.assert_allclose(found[i, j], expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("clamped", [0, 1])
def test_settling_leads_where_enumeration_says_with_one_pathway_held(clamped: int) -> None:
    """And in the end to the memory's conditional distribution, which it leaves as it is."""
    net, n, rounds = pair_net(5), 40_000, 2
    own = halves(net)[clamped]
    machine, start = machine_of(net), np.array([1.0, 0, 0, 1])
    held = {unit: start[unit] for unit in range(own.start, own.stop)}
    expected = rounds_from(machine, held, start, rounds)
    visible = settle(net, np.tile(start, (n, 1)), own, rounds, stream(1, Use.HEARD))
    every = reference.binary_states(4)
    found = np.array([(visible == state).all(axis=1).mean() for state in every])
    bound = reference.sampling_error(expected * (1 - expected), n, 2 * len(every))
    assert (abs(found - expected) <= bound).all()
    weights = np.exp([-reference.free_energy(machine, state) for state in every])
    weights *= [all(state[u] == v for u, v in held.items()) for state in every]
    conditional = weights / weights.sum()
    after = sum(
        chance * rounds_from(machine, held, state, 1)
        for chance, state in zip(conditional, every, strict=True)
        if chance
    )
    np.testing.assert_allclose(after, conditional, rtol=0, atol=ROUNDING)


def test_confabulations_hold_one_half_and_start_from_the_next_pairs_other_one() -> None:
    net = pair_net(6)
    left, right = halves(net)
    visible = np.array([[0.0, 1, 0, 1], [1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 1, 0], [1, 0, 0, 0]])
    before = visible.copy()
    confabulate(net, visible, np.empty((5, N_TOP)), 0.8, 0, stream(0, Use.HEARD))
    expected = before.copy()
    expected[:2, right], expected[2:4, left] = before[1:3, right], before[3:5, left]
    np.testing.assert_array_equal(visible, expected)
    confabulate(net, visible, np.empty((5, N_TOP)), 0.8, 3, stream(0, Use.HEARD))
    np.testing.assert_array_equal(visible[:2, left], before[:2, left])
    np.testing.assert_array_equal(visible[2:4, right], before[2:4, right])


def test_the_mean_update_of_the_memory_is_that_of_enumeration() -> None:
    """Positive statistics exact, those of the confabulations of each case over all that come."""
    start, n_updates = pair_net(8), 4000
    machine, batch = machine_of(start), np.array([[0.0, 1, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0]])
    share, every = 2 / 3, reference.binary_states(4)
    begins = [np.array([0.0, 1, 0, 0]), np.array([1.0, 0, 0, 0]), batch[2]]
    held = [{0: 0.0, 1: 1.0}, {2: 0.0, 3: 0.0}, {}]

    def outer(v: Floats) -> Floats:
        return np.outer(v, reference.hidden_probs(machine, v))

    expected, variance = np.zeros((4, N_TOP)), np.zeros((4, N_TOP))
    for case, begin, own in zip(batch, begins, held, strict=True):
        chances = rounds_from(machine, own, begin, 1)
        outers = np.array([outer(v) for v in every])
        mean = np.tensordot(chances, outers, 1)
        expected += (outer(case) - mean) / len(batch)
        variance += (np.tensordot(chances, outers**2, 1) - mean**2) / len(batch) ** 2
    rng, total = stream(2, Use.PAIRS), np.zeros((4, N_TOP))
    for _ in range(n_updates):
        net = start.copy()
        learner = _Memory(net, 3, share)
        learner.data_buffer(3)[:] = batch
        learner.learn(3, rng, PLAIN)
        total += net.memory.weights - start.memory.weights
    bound = reference.sampling_error(variance, n_updates, expected.size)
    assert (abs(total / n_updates - expected) <= bound).all()


# -- the passes ----------------------------------------------------------------------------------


def squashed(inputs: Floats) -> Floats:
    return logistic(inputs.copy())


def test_predictions_and_updates_of_both_pathways_are_those_of_the_equations() -> None:
    """Wake: Eq. 2 from states above; sleep: Eq. 3 from the dream, its pixels probabilities."""
    net, rng = pair_net(9), np.random.default_rng(4)
    before, data = net.copy(), [rng.random((3, 4)), rng.random((3, 5))]
    share, step, none = 0.25, Step(rate=0.5), np.empty((3, 0))
    learner = _WakeSleep(net, 3, recognition_share=share)
    learner.exchanged_share = 2 / 3
    passes = []
    for number in (0, 1):
        for place, own in enumerate(data):
            learner.data_buffer(3, place)[:] = own
        found = learner.run(none, 2, stream(0, Use.PAIRS), number)
        passes.append([{k: v.copy() for k, v in half.items()} for half in found])
    for place, own in enumerate(data):
        learner.data_buffer(3, place)[:] = own
    learner.learn(none, 2, stream(0, Use.PAIRS), step)
    for prefix, half, (wake, sleep), own in zip(
        before.pathways, halves(net), passes, data, strict=True
    ):
        old, new = before.pathways[prefix], net.pathways[prefix]
        np.testing.assert_array_equal(wake["visible"][:, half], wake["pen"])
        np.testing.assert_array_equal(sleep["visible"][:, half], sleep["pen"])
        for states in (wake["hid"], wake["pen"], sleep["hid"], sleep["pen"], wake["top"]):
            assert set(np.unique(states)) <= {0, 1}
        predictions = {
            "hidvis": (wake["hid"], own, old.vis_gen_bias, 1.0),
            "penhid": (wake["pen"], wake["hid"], old.hid_gen_bias, 1.0),
            "hidpen": (sleep["hid"], sleep["pen"], old.pen_rec_bias, share),
            "vishid": (sleep["vis_probs"], sleep["hid"], old.hid_rec_bias, share),
        }
        dreamt = squashed(sleep["hid"] @ old.hidvis + old.vis_gen_bias)
        np.testing.assert_allclose(sleep["vis_probs"], dreamt, rtol=0, atol=ROUNDING)
        for name, (driving, target, bias, rate) in predictions.items():
            missed = target - squashed(driving @ getattr(old, name) + bias)
            change = step.rate * rate * driving.T @ missed / 3
            found = getattr(new, name) - getattr(old, name)
            np.testing.assert_allclose(found, change, rtol=0, atol=ROUNDING, err_msg=name)
    wake, sleep = passes[0]
    change = (wake["visible"].T @ wake["top"] - sleep["visible"].T @ sleep["top"]) / 3
    moved = net.memory.weights - before.memory.weights
    np.testing.assert_allclose(moved, step.rate * change, rtol=0, atol=ROUNDING)


# -- cases ---------------------------------------------------------------------------------------


def test_partners_are_of_the_same_class_and_each_as_likely() -> None:
    labels, others = np.array([0, 1, 2, 1] * 3000), np.array([2, 1, 0, 1, 1, 2])
    found = partners(labels, others, stream(0, Use.PAIRING))
    np.testing.assert_array_equal(others[found], labels)
    ones = found[labels == 1]
    for place in (1, 3, 4):
        bound = reference.sampling_error(2 / 9, len(ones), 3)
        assert abs((ones == place).mean() - 1 / 3) <= bound
    with pytest.raises(ValueError, match="class 3"):
        partners(np.array([0, 3]), others, stream(0, Use.PAIRING))


def test_a_class_is_told_by_the_lowest_free_energy_beside_what_its_features_give_anyway() -> None:
    energies, among = np.array([[3.0, 1.0], [0.0, 5.0]]), np.array([[2.0, -4.0], [4.0, 0.0]])
    logs = class_log_probs(energies, among)
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, atol=ROUNDING)
    # 3 below what is usual against 3 below; 3 below against 7 above.
    np.testing.assert_allclose(logs[:, 0] - logs[:, 1], [3.0, 10.0], atol=ROUNDING)


def test_either_pathway_is_recognised_through_the_others_mean_features() -> None:
    net = pair_net(2)
    rng = np.random.default_rng(1)
    both = tuple(
        Cases(rng.integers(0, 256, (8, n)).astype(np.uint8), np.arange(8) % 2) for n in (4, 5)
    )
    images, second = recognised(net, (both[0], both[1]), (both[0], both[1]), 2)
    pens = []
    for own, cases in zip(net.pathways.values(), both, strict=True):
        hid = squashed(cases.images / 255 @ own.vishid + own.hid_rec_bias)
        pens.append(squashed(hid @ own.hidpen + own.pen_rec_bias))
    means = [np.stack([p[c::2].mean(axis=0) for c in range(2)]) for p in pens]
    for found, energies in (
        (images, free_energies(net, pens[0], means[1])),
        (second, free_energies(net, means[0], pens[1]).T),
    ):
        expected = class_log_probs(energies, energies)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


# -- the learner ---------------------------------------------------------------------------------


def cases(seed: int, n: int, n_pixels: int) -> Cases:
    rng = np.random.default_rng(seed)
    return Cases(rng.integers(0, 256, (n, n_pixels)).astype(np.uint8), np.arange(n) % 3)


def learner(settings: PairSettings = QUICK) -> PairLearner:
    rng = stream(0, Use.PAIRS)
    memory = Rbm.random(sum(N_PEN), settings.features, 0.1, rng)
    net = PairNet(pathway(1, 4, dtype=np.float32), pathway(2, 5, dtype=np.float32), memory)
    return PairLearner(
        net, cases(1, 25, 4), cases(2, 9, 5), settings, rng,
        lambda epoch: stream(0, Use.PAIRING, 0, epoch), (cases(3, 6, 4), cases(4, 6, 5)),
    )  # fmt: skip


@pytest.mark.parametrize("stopped", range(5))
def test_a_run_that_goes_on_from_any_epoch_ends_with_the_same_bits(
    stopped: int, assert_same: Any
) -> None:
    alone, first, second = learner(), learner(), learner()
    rows = []
    while not alone.finished():
        rows.append(alone.run_epoch(lambda _work: None))
    for _ in range(stopped):
        first.run_epoch(lambda _work: None)
    second.restore(copy.deepcopy(first.state()))
    while not second.finished():
        assert second.run_epoch(lambda _work: None) == rows[second.epoch - 1]
    assert_same(second.result().arrays(), alone.result().arrays())
    assert_same(second.state(), alone.state())


def test_the_memory_learns_alone_before_everything_does() -> None:
    one = learner()
    start = one.net.copy()
    for _ in range(2):
        one.run_epoch(lambda _work: None)
        for name in DIRECTED:
            np.testing.assert_array_equal(getattr(one.net.image, name), getattr(start.image, name))
    one.run_epoch(lambda _work: None)
    for prefix, own in one.net.pathways.items():
        for name in DIRECTED:
            assert (getattr(own, name) != getattr(start.pathways[prefix], name)).any(), name
    work = one.work()
    assert one.epoch == 3
    assert 0 < work[0] < work[1]


def test_each_stage_s_rate_falls_from_its_own_first_epoch() -> None:
    own = dataclasses.replace(
        QUICK, passes=2, memory_share=0.5, epochs=3, wake_rate=0.2, final_share=0.25
    )
    one, rates = learner(own), []
    while not one.finished():
        rates.append(one.run_epoch(lambda _work: None)["rate"])
    assert rates == pytest.approx([0.05, 0.025, 0.2, 0.125, 0.05])


def test_error_rates_are_those_of_the_running_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    one = learner()
    asked: list[Any] = []

    def noted(net: PairNet, *more: Any) -> Any:
        asked.append(net)
        return recognised(net, *more)

    monkeypatch.setattr(pairing, "recognised", noted)
    while not one.finished():
        one.run_epoch(lambda _work: None)
    assert asked[-1] is one.result()
    assert (one.net.memory.weights != one.result().memory.weights).any()


def test_work_is_what_is_ticked() -> None:
    one, ticked = learner(), []
    while not one.finished():
        one.run_epoch(ticked.append)
    assert one.work() == pytest.approx((sum(ticked), sum(ticked)))


# -- what a finished net is asked ----------------------------------------------------------------


def asking(read: Any = None) -> _Asking:
    """A net of nothing, asked about 40 images and 30 recordings of 3 classes by their pixels.

    All pixels of an image are 0.2 in class 0, then 0.4 and 0.6; of a recording 1, 2 and 3.
    """
    rng = np.random.default_rng(0)
    labels, others = rng.integers(3, size=40), rng.integers(3, size=30)
    images, recordings = (
        Cases(np.repeat(step * (own + 1)[:, np.newaxis], 4, axis=1).astype(np.uint8), own)
        for step, own in ((51, labels), (1, others))
    )
    digits: Any = SimpleNamespace(classes=(0, 1, 2), n_classes=3, shape=(2, 2))
    net: Any = SimpleNamespace(image=None, second=None)
    both = images, recordings
    return _Asking(net, (digits, digits), both, both, (read, None), HearingOptions())


def test_a_blend_is_the_mean_of_two_images_and_heard_with_a_recording_of_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is seen of a blend is here what is heard with it."""
    own = asking(lambda images: np.eye(3)[np.rint(5 * images[:, 0] - 1).astype(int)])
    heard: list[tuple[Any, Any]] = []

    def told_apart(blends: Any, recordings: Any) -> Any:
        heard.append((blends, recordings))
        return recordings / np.float32(5)

    monkeypatch.setattr(own, "_told_apart", told_apart)
    own.ambiguity(lambda _work: None)
    (blends, one), (again, other) = heard
    np.testing.assert_array_equal(blends, again)
    assert (one != other).all()
    # Pixels of float32 below 1: two quotients, their sum and its half.
    tolerance = reference.rounding(5, dtype=np.float32)
    np.testing.assert_allclose(blends, (one.astype(float) + other) / 10, rtol=0, atol=tolerance)
    counts = {count.measure: count for count in own.counts}
    assert counts["blend, told apart"].right == counts["blend, told apart"].cases == 2 * len(blends)


def test_an_image_and_a_recording_together_are_of_one_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Images alone say nothing, and recordings everything."""
    own = asking()
    logs = np.zeros((40, 3)), np.eye(3)[own.cases[1].labels]
    monkeypatch.setattr(hearing, "recognised", lambda *_: logs)
    assert own.recognition(lambda _work: None).all()
    right = {count.measure: (count.right, count.cases) for count in own.counts}
    assert right["both together"] == (40, 40)
    assert right["recording alone"] == (30, 30)
    assert right["image alone"] == (int((own.cases[0].labels == 0).sum()), 40)


# -- the data, the commands ----------------------------------------------------------------------


def test_the_spoken_digits_are_those_that_are_known_each_by_its_speaker() -> None:
    digits = mnist.read(mnist.SPOKEN)
    assert digits.sha256 == mnist.SPOKEN_SHA256
    assert not digits.shuffled
    assert (digits.name, digits.folder, digits.shape) == ("spoken", None, (40, 40))
    for test, labels in ((False, digits.train_labels), (True, digits.test_labels)):
        both = np.stack([labels, spoken.speakers(test)])
        counts = np.unique(both, axis=1, return_counts=True)[1]
        assert counts.tolist() == [5 if test else 45] * 60
    part = mnist.split(len(digits.train_labels), "a").valid
    held_out = np.stack([digits.train_labels, spoken.speakers(False)])[:, part]
    assert len(np.unique(held_out, axis=1).T) == 60  # each digit by each speaker


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """Stacks of two sets, and pairs of them."""
    folder, make = tmp_path_factory.mktemp("pairs"), maker(digits_dir)
    make("pretrain", "--split", "a", "--runs", folder, *PRETRAIN)
    make("finetune-bp", folder / "pretrain-a.h5", "--max-epochs", "1", "--threads", "1")
    make(*pairs(folder))
    return folder


def pairs(folder: Path, *more: object) -> tuple[object, ...]:
    stack = folder / "pretrain-a.h5"
    small = ("--features", "7", "--passes", "1", "--epochs", "1", "--threads", "1")
    return ("finetune-pairs", stack, stack, *small, *more)


def test_a_command_learns_pairs_another_says_what_is_heard_and_seen(
    runs: Path, tmp_path: Path, digits_dir: Path
) -> None:
    held = load(runs / "pairs-a.h5")
    digits = mnist.read(digits_dir)
    assert held.lineage.second == held.lineage.data == digits.sha256
    assert held.lineage.parents == (load(runs / "pretrain-a.h5").digest,) * 2
    assert run(*pairs(runs), "--quiet").stdout.endswith("already finished\n")
    reader = runs / "bp-a.h5"
    result = run(
        "heard", runs / "pairs-a.h5", "--reader", reader, "--second-reader", reader, "--cases", 40,
        "--dreams", 12, "--dream-rounds", 3, "--rounds", 2, "--out", tmp_path, "--save", tmp_path,
        "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    for name in ("heard.md", "heard.csv", "heard.json", "pairs-pairs-a.png", "blends-pairs-a.png"):
        assert (tmp_path / name).stat().st_size > 100
    for words in ("image alone", "both together", "heard of an image", "seen of a recording"):
        assert words in result.stdout
    few = run(
        "heard", runs / "pairs-a.h5", "--reader", reader, "--second-reader", reader, "--cases", 40,
        "--dreams", 1, "--dream-rounds", 1, "--rounds", 1, "--out", tmp_path, "--json", "--quiet",
    )  # fmt: skip
    for dreams, made in ((12, json.loads((tmp_path / "heard.json").read_text())["rows"]),
                         (1, json.loads(few.stdout)["rows"])):  # fmt: skip
        (alike,) = [row for row in made if row["measure"].startswith("dreamt pair")]
        assert alike["cases"] == dreams
    alone = run("heard", runs / "pairs-a.h5", "--cases", 40, "--dreams", 1, "--dream-rounds", 1,
                "--out", tmp_path, "--quiet")  # fmt: skip
    assert "no reader of the image pathway" in alone.stdout
    assert "of at most 200 training cases, have" in alone.stdout
    one = run("heard", runs / "pairs-a.h5", "--cases", 40, "--dreams", 1, "--dream-rounds", 1,
              "--out", tmp_path, "--references", 1, "--quiet")  # fmt: skip
    assert "of 1 training case, have" in one.stdout


def test_nets_of_one_name_are_told_apart_in_rows_and_pictures(runs: Path, tmp_path: Path) -> None:
    first, second = (tmp_path / name / "pairs-a.h5" for name in ("seed0", "seed1"))
    first.parent.mkdir()
    shutil.copy(runs / "pairs-a.h5", first)
    assert run(*pairs(runs, "--seed", 1, "--out", second, "--quiet")).exit_code == 0
    short = ("--cases", 40, "--dreams", 1, "--dream-rounds", 1, "--rounds", 1, "--quiet")
    drawn = ("--reader", runs / "bp-a.h5", "--out", tmp_path)
    result = run("heard", first, second, *short, *drawn)
    assert result.exit_code == 0, result.output
    assert "takes the place" not in result.output
    for name in ("seed0", "seed1"):
        assert f"{name}/pairs-a " in result.stdout
        for kind in ("pairs", "blends"):
            assert (tmp_path / f"{kind}-{name}-pairs-a.png").exists()


@pytest.mark.parametrize("command", ["heard", "likelihood", "fingerprints"])
def test_what_was_measured_is_printed_where_it_cannot_be_saved(
    runs: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / f"{command}.md").mkdir()
    more = {
        "heard": ("--cases", 40, "--dreams", 1, "--dream-rounds", 1, "--out", tmp_path),
        "likelihood": ("--recipe", "quick", "--layer", 1, "--chains", 5, "--cases", 5),
        "fingerprints": (),
    }
    net = runs / ("pairs-a.h5" if command == "heard" else "pretrain-a.h5")
    result = run(command, net, *more[command], "--save", tmp_path, "--quiet")
    fails_in_one_line(result, 1, f"{command}.md", "cannot be written")
    assert net.stem in result.stdout


def test_a_net_of_pairs_learns_something(runs: Path, tmp_path: Path) -> None:
    nothing = ("--passes", "0", "--epochs", "0", "--out", tmp_path / "pairs.h5")
    fails_in_one_line(run(*pairs(runs), *nothing), 2, "passes and epochs are both 0")


def test_spectrograms_and_digits_meet(tmp_path: Path, runs: Path) -> None:
    """With the data inside the package, which a file finds again without being told."""
    stack, made = tmp_path / "pretrain-spoken-a.h5", tmp_path / "pairs.h5"
    some = ("--split", "a", "--recipe", "quick", "--layers", "5-10", "--passes", "1")
    assert run("pretrain", *some, "--data", "spoken", "--out", stack, "--quiet").exit_code == 0
    assert load(stack).lineage.data_folder is None
    small = ("--features", "5", "--passes", "1", "--epochs", "0", "--out", made, "--quiet")
    result = run("finetune-pairs", runs / "pretrain-a.h5", stack, *small)
    assert result.exit_code == 0, result.output
    result = run("heard", made, "--cases", 60, "--dreams", 1, "--dream-rounds", 1, "--part",
                 "validation", "--out", tmp_path, "--json", "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert '"speaker 5"' in result.stdout


def test_what_does_not_go_together_is_one_line(
    runs: Path, tmp_path: Path, idx_folder: Path, digits_dir: Path
) -> None:
    stack = runs / "pretrain-a.h5"
    for split, name in (("b", "other"), ("a", "labels")):
        more = ("--labels",) if name == "labels" else ()
        layers = ("--layers", "12-10-14")
        made = run("pretrain", "--split", split, *more, *layers, "--passes", 1, "--data",
                   digits_dir, "--out", tmp_path / f"{name}.h5", "--quiet")  # fmt: skip
        assert made.exit_code == 0
    four = tmp_path / "four.h5"
    made = run("pretrain", "--split", "a", "--layers", "6-5", "--passes", 1, "--data", idx_folder,
               "--out", four, "--quiet")  # fmt: skip
    assert made.exit_code == 0
    one_layer = tmp_path / "one.h5"
    run("pretrain", "--split", "a", "--layers", "6", "--passes", 1, "--data", digits_dir, "--out",
        one_layer, "--quiet")  # fmt: skip

    def fails(other: Path, *words: str, more: tuple[object, ...] = ()) -> None:
        result = run("finetune-pairs", stack, other, "--out", tmp_path / "no.h5", "--quiet", *more)
        fails_in_one_line(result, 1, *words)

    fails(tmp_path / "other.h5", "other.h5", "another split")
    fails(four, "four.h5", "classes")
    fails(one_layer, "one.h5", "two layers")
    fails(runs / "bp-a.h5", "bp-a.h5", "stack")
    fails(stack, "35 pixels", more=("--second", idx_folder))
    fails_in_one_line(run("heard", stack, "--out", tmp_path, "--quiet"), 1, "net of pairs")
    fails_in_one_line(run("evaluate", runs / "pairs-a.h5", "--quiet"), 1, "hinton06 heard")
    fails_in_one_line(run("sample", runs / "pairs-a.h5", "--quiet"), 1, "hinton06 heard")
    fails_in_one_line(run("finetune-pairs", stack, tmp_path / "none.h5"), 2, "none.h5")
    assert not (tmp_path / "no.h5").exists()


@pytest.fixture(scope="module")
def few(runs: Path, digits_dir: Path) -> Path:
    """A stack of some images of the split alone."""
    stack = runs / "pretrain-few-a.h5"
    some = ("--split", "a", "--labelled", "100", "--seed", "3", "--data", digits_dir)
    done = run("pretrain", *some, *PRETRAIN, "--out", stack, "--quiet")
    assert done.exit_code == 0, done.output
    return stack


def test_each_pathway_learns_what_its_own_stack_did_and_that_is_what_is_asked(
    runs: Path, few: Path, tmp_path: Path, digits_dir: Path, progress: Any
) -> None:
    digits, every = mnist.read(digits_dir), runs / "pretrain-a.h5"
    learned = cases_learned(digits, load(few).lineage).numbers
    assert len(learned) == 100
    for number, stacks in enumerate([(few, every), (every, few)]):
        made = experiments.finetune_pairs(
            Context(digits, progress, 1), tmp_path / f"{number}.h5", *stacks, QUICK, seed=3,
            second_digits=digits,
        ).file  # fmt: skip
        _, references, _ = hearing._cases(made, (digits, digits), HearingOptions())
        assert len(references[1 - number]) == 500
        np.testing.assert_array_equal(references[number].numbers, learned)


@pytest.mark.parametrize("place", [0, 1])
def test_images_that_were_drawn_with_another_seed_are_refused(
    runs: Path, few: Path, tmp_path: Path, place: int
) -> None:
    stacks = [runs / "pretrain-a.h5", runs / "pretrain-a.h5"]
    stacks[place] = few
    asked = ("finetune-pairs", *stacks, "--seed", 4, "--out", tmp_path / "no.h5", "--quiet")
    fails_in_one_line(run(*asked), 1, f"{few}: its images were drawn with --seed 3")


@pytest.mark.parametrize("lacking", [0, 1])
def test_a_class_that_is_only_held_out_is_named(
    runs: Path, tmp_path: Path, digits_dir: Path, progress: Any, lacking: int
) -> None:
    both = [mnist.read(digits_dir) for _ in range(2)]
    labels, rows = both[lacking].train_labels.copy(), mnist.split(600, "a").train
    labels[rows[labels[rows] == 9]] = 4
    assert (labels == 9).any()
    both[lacking] = dataclasses.replace(both[lacking], train_labels=labels)
    context, stack = Context(both[0], progress, 1), runs / "pretrain-a.h5"
    with pytest.raises(RunError, match="has no training case of 9") as error:
        experiments.finetune_pairs(
            context, tmp_path / "no.h5", stack, stack, QUICK, second_digits=both[1]
        )
    assert str(error.value).startswith(f"{stack}: split a of ")


def test_a_killed_run_of_pairs_ends_with_the_same_bits(
    runs: Path, tmp_path: Path, digits_dir: Path, make_progress: Any
) -> None:
    digits: Digits = mnist.read(digits_dir)
    stack, settings = runs / "pretrain-a.h5", dataclasses.replace(QUICK, batch=100)

    class StopError(Exception):
        pass

    def stop(done: int) -> None:
        if done == 3:
            raise StopError

    def make(name: str, progress: Any) -> str:
        context = Context(digits, progress, 1, save_every_s=0.0)
        path = tmp_path / name
        result = experiments.finetune_pairs(context, path, stack, stack, settings)
        return result.file.digest

    whole = make("whole.h5", make_progress())
    with pytest.raises(StopError):
        make("stopped.h5", make_progress(at_epoch=stop))
    assert (tmp_path / "stopped.h5.part").exists()
    assert make("stopped.h5", make_progress()) == whole


def test_no_case_that_is_held_out_is_paired_in_learning(
    runs: Path, tmp_path: Path, digits_dir: Path, progress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits, seen, streams = mnist.read(digits_dir), [], []

    class Recorded(PairLearner):
        def __init__(self, net: Any, images: Cases, second: Cases, *more: Any) -> None:
            seen.extend([images, second, *more[-1]])
            streams.append(more[2])
            super().__init__(net, images, second, *more)

    monkeypatch.setattr(experiments, "PairLearner", Recorded)
    stack = runs / "pretrain-a.h5"
    path = tmp_path / "pairs.h5"
    experiments.finetune_pairs(Context(digits, progress, 1), path, stack, stack, QUICK)
    split = mnist.split(len(digits.train_labels), "a")
    for own, rows in zip(seen, (split.train, split.train, split.valid, split.valid), strict=True):
        np.testing.assert_array_equal(own.images, digits.train_images[rows])
    for epoch in range(2):  # each with partners of its own
        found, wanted = streams[0](epoch), stream(0, Use.PAIRING, 0, epoch)
        assert found.bit_generator.random_raw() == wanted.bit_generator.random_raw()


def test_the_first_of_each_class_come_together() -> None:
    own = first_of_each(
        Cases(np.arange(7)[:, None].astype(np.uint8), np.array([1, 0, 1, 2, 0, 1, 1])), 2
    )
    assert own.images.ravel().tolist() == [1, 4, 0, 2, 3]
