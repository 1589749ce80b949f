"""The five strategies, and the study that measures them: by equations, through kills, on a page."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from test_cli import fails_in_one_line, on_a_terminal, run

from hinton06 import checkpoint, experiments, jitter, mnist, study
from hinton06.checkpoint import history_rows
from hinton06.loading import Context
from hinton06.mnist import SHA256, Digits
from hinton06.models import Classifier
from hinton06.numerics import Array
from hinton06.recipes import RECIPES, StrategySettings
from hinton06.report import page
from hinton06.report import strategies as report
from hinton06.report.files import NoRunsError, ReportError
from hinton06.strategies import STRATEGIES, Calculus, Start, Strategy
from hinton06.study import (
    GRADIENTS,
    LEARNING,
    NAMES,
    SUPPORT,
    TRIALS,
    Labelled,
    Place,
    Study,
    averaged,
    chosen_rate,
)
from hinton06.training import Interrupted, RunError

ROOT = Path(__file__).parents[1]
START = Start((6, 4, 3), 5, 0.1, 0.01, 3.0, 0.1, 0.5, 0.2)
TINY = replace(
    RECIPES["quick"].strategies,
    side=4, features=(2, 3), learned=(2,), draws=2, estimates=4, taught=100, budget=1000,
    rates=(0.1, 1.0), support_cases=(20,), support_c=(1.0, 10.0),
)  # fmt: skip
OPTIONS = [
    "--recipe", "quick", "--side", "4", "--features", "2-3", "--learned", "2", "--draws", "2",
    "--estimates", "4", "--taught", "100", "--budget", "1000", "--rates", "0.1,1",
    "--support-cases", "20", "--support-c", "1,10", "--threads", "1",
]  # fmt: skip


def made(name: str, start: Start = START, seed: int = 0) -> Any:
    return STRATEGIES[name](start, np.random.default_rng(seed))


def batch(n: int = 5, seed: int = 1) -> tuple[Array, Any]:
    rng = np.random.default_rng(seed)
    return rng.random((n, 6), np.float32), rng.integers(3, size=n)


def copied(learner: Strategy) -> dict[str, Array]:
    return {name: array.copy() for name, array in learner.arrays().items()}


def taught(name: str, start: Start = START) -> Any:
    """Behind a few updates: the weights to the class units are no longer 0."""
    learner = made(name, start)
    for seed in range(5):
        learner.update(*batch(seed=seed), 0.9)
    return learner


# -- an update -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["denial", "procrastination"])
def test_denial_and_late_procrastination_learn_the_weights_above_the_features_alone(
    name: str,
) -> None:
    learner = taught(name)
    before = copied(learner)
    learner.update(*batch(), 0.5)
    changed = {n for n, array in learner.arrays().items() if not np.array_equal(array, before[n])}
    assert changed == {"layer 2 weights", "layer 2 biases"}


def test_early_procrastination_learns_features_without_labels() -> None:
    one, other = made("procrastination"), made("procrastination")
    images, labels = batch()
    before = copied(one)
    one.update(images, labels, 0.49)
    other.update(images, (labels + 1) % 3, 0.49)
    for name, array in one.arrays().items():
        assert np.array_equal(array, other.arrays()[name])
        of_features = name.startswith("layer 1 ") or not name.startswith("layer")
        assert np.array_equal(array, before[name]) != of_features
    assert np.array_equal(one.net.weights[0], one.arrays()["weights"])


@pytest.mark.parametrize("name", ["calculus", "weights", "activities"])
def test_a_step_is_the_rate_times_a_gradient(name: str) -> None:
    learner, twin = taught(name), taught(name)
    images, labels = batch()
    if name == "calculus":
        gradient = jitter.by_calculus(twin.net, images, labels)
    elif name == "weights":
        draw: Any = jitter.of_all_weights(twin.net, twin.rng)
        gradient = jitter.by_weights(twin.net, images, labels, draw, START.jitter)
    else:
        draw = jitter.of_activities(twin.net, 5, twin.rng)
        gradient = jitter.by_activities(twin.net, images, labels, draw, START.jitter)
    before = copied(learner)
    learner.update(images, labels, 0.0)
    for parameter, array in learner.arrays().items():
        # Two roundings of numbers below 4 in float32, and of a product.
        expected = before[parameter] + START.rate * gradient[parameter]
        assert array == pytest.approx(expected, abs=8 * 2.0**-23)
        assert np.abs(gradient[parameter]).max() > 1e-4


def test_evolution_keeps_what_improves_and_nothing_else() -> None:
    learner, (images, labels) = taught("evolution"), batch()
    kept = 0
    for _ in range(40):
        before = Classifier.from_arrays({n: a.copy() for n, a in learner.net.arrays().items()})
        learner.update(images, labels, 0.0)
        moved = [
            np.abs(after - array)
            for after, array in zip(learner.net.weights, before.weights, strict=True)
        ]
        if any(change.any() for change in moved):
            kept += 1
            assert jitter.improves(before, learner.net, images, labels)
            for change in moved:  # by the rate, up or down
                assert change == pytest.approx(START.rate, rel=1e-5)
    assert 0 < kept < 40


def test_features_that_model_images_start_small_whatever_the_other_weights_are() -> None:
    wide = replace(START, sizes=(50, 40, 3), small_sd=0.02)
    weights = [
        made("wake-sleep", replace(wide, scale=scale)).net.weights[0] for scale in (0.5, 3.0)
    ]
    np.testing.assert_allclose(weights[0], weights[1], rtol=4 * np.finfo(np.float32).eps)
    error = 0.02 / np.sqrt(2 * weights[0].size)  # of the standard deviation of so many
    assert abs(weights[0].std() - 0.02) < 4 * error


def test_wake_and_sleep_climb_the_log_probabilities_of_what_they_were_given() -> None:
    """Eq. 2: of image, label and features by the generative parameters; Eq. 3: of features."""
    learner = made("wake-sleep")
    rng = np.random.default_rng(2)
    for name, array in learner.arrays().items():  # in float64, far from 0
        assert array.dtype == np.float32, name
    sizes = START.sizes
    learner.net = Classifier(
        (rng.normal(size=sizes[:2]), rng.normal(size=sizes[1:])),
        (rng.normal(size=sizes[1]), rng.normal(size=sizes[2])),
    )
    learner.hidvis = rng.normal(size=(sizes[1], sizes[0]))
    learner.vis_bias, learner.hid_gen_bias = rng.normal(size=sizes[0]), rng.normal(size=sizes[1])
    images, labels = rng.integers(0, 2, (3, sizes[0])).astype(float), np.array([0, 2, 1])
    h_states = rng.integers(0, 2, (3, sizes[1])).astype(float)
    dream = 1 / (1 + np.exp(-(h_states @ learner.hidvis + learner.vis_bias)))

    def bernoulli(states: Array, inputs: Array) -> float:
        return float((states * inputs - np.log1p(np.exp(inputs))).sum())

    def generates() -> float:
        logits = h_states @ learner.net.weights[1] + learner.net.biases[1]
        total = (logits[range(3), labels] - np.log(np.exp(logits).sum(axis=1))).sum()
        total += bernoulli(images, h_states @ learner.hidvis + learner.vis_bias)
        return float(total + bernoulli(h_states, np.tile(learner.hid_gen_bias, (3, 1)))) / 3

    def recognises() -> float:
        inputs = dream @ learner.net.weights[0] + learner.net.biases[0]
        return bernoulli(h_states, inputs) / 3

    found = [(learner.wake(images, labels, h_states), generates)]
    found += [(learner.sleep(h_states), recognises)]
    assert {*found[0][0], *found[1][0]} == {*learner.arrays()}
    for gradient, log_p in found:
        for name, array in gradient.items():
            parameter = learner.arrays()[name]
            for place in np.ndindex(parameter.shape):
                before, ends = parameter[place], []
                for step in (1e-5, -1e-5):
                    parameter[place] = before + step
                    ends.append(log_p())
                parameter[place] = before
                # Rounding of a sum of order 10, over the step; the step's square is less.
                assert array[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)


def test_an_update_of_wake_sleep_is_both_of_its_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, followed = made("wake-sleep"), list[Any]()
    monkeypatch.setattr(learner, "wake", lambda images, labels, h: ("wake", images, labels, h))
    monkeypatch.setattr(learner, "sleep", lambda h: ("sleep", h))
    monkeypatch.setattr(learner, "_follow", followed.append)
    learner.hid_gen_bias[:] = [50, -50, 50, -50]
    learner.net.biases[0][:] = [-50, 50, -50, 50]
    images, labels = batch()
    learner.update(images, labels, 0.0)
    (_, *wake), (_, dreamt) = followed
    assert np.array_equal(wake[0], images)
    assert np.array_equal(wake[1], labels)
    assert np.array_equal(wake[2], np.tile([0, 1, 0, 1], (5, 1)))  # driven by the image
    assert np.array_equal(dreamt, np.tile([1, 0, 1, 0], (5, 1)))  # by its own biases


@pytest.mark.parametrize("name", NAMES)
def test_a_learner_goes_on_from_its_arrays_and_random_numbers(name: str) -> None:
    one, other = made(name), made(name, seed=7)
    for number in range(6):
        if number == 3:
            other.restore(copied(one))
            other.rng.bit_generator.state = one.rng.bit_generator.state
        for learner in (one, other) if number >= 3 else (one,):
            learner.update(*batch(seed=number), number / 6)
    for key, array in one.arrays().items():
        assert np.array_equal(array, other.arrays()[key])
    with pytest.raises(ValueError, match="does not fit"):
        other.restore({key: array[:1] for key, array in one.arrays().items()})


def test_costs_are_the_multiply_adds_of_the_products() -> None:
    """By hand, of 6 pixels, 4 features and 3 classes: 24 weights below and 12 above."""
    found = {name: made(name).case_work(0.9) for name in NAMES}
    assert found == {
        "denial": 24 + 12 + 12, "evolution": 2 * 36, "weights": 2 * 36, "activities": 3 * 36,
        "procrastination": 24 + 12 + 12, "calculus": 36 + 12 + 36, "wake-sleep": 6 * 24 + 2 * 12,
    }  # fmt: skip
    at = [made("procrastination").case_work(spent) for spent in (0.49, 0.5)]
    assert at == [5 * 24, 24 + 12 + 12]


# -- the study -----------------------------------------------------------------------------------


def test_images_are_averaged_in_blocks_that_cover_them() -> None:
    images = np.arange(2 * 4 * 6, dtype=np.uint8).reshape(2, 24)
    found = averaged(images, (4, 6), 2)
    square = images.reshape(2, 4, 6).astype(float) / 255
    blocks = [square[:, r : r + 2, c : c + 3].mean((1, 2)) for r in (0, 2) for c in (0, 3)]
    assert found == pytest.approx(np.stack(blocks, axis=1), rel=1e-6)
    uneven = averaged(images, (4, 6), 4)  # columns in blocks of 1, 2, 1 and 2
    assert uneven[0, :4] == pytest.approx(np.array([0, 1.5, 3, 4.5]) / 255, rel=1e-6)
    assert averaged(images, (4, 6), 9) == pytest.approx(images / 255, rel=1e-6)


def test_the_rate_of_the_fewest_validation_errors_of_all_draws_is_chosen() -> None:
    rows = [
        {"part": TRIALS, "size": 2, "strategy": 1, "rate": rate, "valid_errors": errors,
         "test_errors": -errors}
        for rate, errors in ((0.1, 5), (0.1, 9), (1.0, 9), (1.0, 4), (3.0, 8), (3.0, 5))
    ]  # fmt: skip
    others = [{**row, "size": 3, "rate": 7.0, "valid_errors": 0} for row in rows]
    assert chosen_rate([*others, *rows], 2, 1) == 1.0  # of two with 13, the lower
    assert chosen_rate([*others, *rows], 3, 1) == 7.0


def study_of(n: int) -> Study:
    """Of so many training cases of 4 pixels and 3 classes."""
    rng = np.random.default_rng(0)
    train, valid, test = (
        Labelled(rng.random((size, 4), np.float32), rng.integers(3, size=size))
        for size in (n, 9, 9)
    )
    return Study(train, valid, test, 3, TINY, 0)


def test_a_run_ends_with_the_update_that_reaches_its_cost_in_forward_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, seen = study_of(50), []
    update = own._update

    def noted(*given: Any) -> None:
        seen.append(1)
        update(*given)

    monkeypatch.setattr(own, "_update", noted)
    row = own._learn(Place(LEARNING, 2, 0, NAMES.index("calculus"), 0.1, 1000.0, 1000.0))
    # Of a case: features and classes forwards, both gradients, the way down to the features.
    of_a_batch = TINY.batch * (2 * 4 * 2 + 3 * 2 * 3) / (4 * 2 + 2 * 3)
    assert row["passes"] == pytest.approx(len(seen) * of_a_batch, rel=1e-9)
    assert row["passes"] - of_a_batch < 1000 <= row["passes"]


def test_the_gradient_is_the_mean_over_all_training_cases_in_however_many_parts() -> None:
    own, place = study_of(1500), Place(GRADIENTS, 2, 0)  # taken 1,000 at a time
    row = own._gradients(place)
    images, labels = own._train
    net = own._taught(2, own._rng(place))
    exact = jitter.by_calculus(net, images.astype(np.float64), labels)
    squared = sum(float((array**2).sum()) for array in exact.values())
    assert row["squared"] == pytest.approx(squared, rel=reference.rounding(10_000))


def test_rates_are_tried_up_to_a_tenth_of_the_cost() -> None:
    trials = [place for place in study_of(20)._before_learning if place.part == TRIALS]
    assert {(place.passes, place.whole) for place in trials} == {(100.0, 100.0)}  # of 1000


def test_support_vectors_are_of_no_more_cases_than_there_are() -> None:
    assert {place.size for place in study_of(20)._support} == {20}
    assert not study_of(19)._support


def test_every_measurement_has_random_numbers_of_its_own() -> None:
    own = study_of(20)
    places = [*own._before_learning, *own._support]
    places += [
        Place(LEARNING, 2, draw, strategy, 0.1, 1.0, 1.0)
        for draw in range(2)
        for strategy in range(len(NAMES))
    ]
    first = {int(own._rng(place).integers(2**62)) for place in places}
    assert len(first) == len(places)


class Stopping:
    """A progress that stops the process, as a scheduler would, in a measurement."""

    def __init__(self, at: int = -1) -> None:
        self.seen, self._at, self.notes = 0, at, list[str]()

    def begin(self, *_: Any) -> None:
        pass

    def tick(self, _amount: float) -> None:
        if self.seen == self._at:
            os.kill(os.getpid(), signal.SIGTERM)

    def epoch(self, *_: Any) -> None:
        self.seen += 1

    def note(self, message: str) -> None:
        self.notes.append(message)

    def end(self) -> None:
        pass


Measure = Callable[..., checkpoint.Checkpoint]


@pytest.fixture(scope="module")
def measure(tiny_digits: Digits) -> Measure:
    def measured(
        path: Path, settings: StrategySettings = TINY, at: int = -1, **more: Any
    ) -> checkpoint.Checkpoint:
        context = Context(more.pop("digits", tiny_digits), Stopping(at), **more)
        return experiments.strategies(context, path, "a", settings, "quick")[0]

    return measured


@pytest.fixture(scope="module")
def whole(measure: Measure, tmp_path_factory: pytest.TempPathFactory) -> checkpoint.Checkpoint:
    return measure(tmp_path_factory.mktemp("whole") / "measured.h5")


def rows_of(file: checkpoint.Checkpoint) -> list[dict[str, float]]:
    return [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in history_rows(file.history)
    ]


def test_everything_is_measured_once_at_the_rates_that_validation_chose(
    whole: checkpoint.Checkpoint,
) -> None:
    rows = rows_of(whole)
    counts = [len([row for row in rows if row["part"] == part]) for part in range(4)]
    assert counts == [2 * 2, 7 * 2 * 2, 7 * 2 * 7, 2 * 2]
    assert whole.outcome == {"reason": f"{sum(counts)} measurements"}
    for strategy in range(7):
        own = [row for row in rows if row.get("strategy") == strategy and row["part"] == LEARNING]
        assert {row["rate"] for row in own} == {chosen_rate(rows, 2, strategy)}
        passes = [row["passes"] for row in own]
        assert passes[:7] == passes[7:] == sorted(passes[:7])
        a_batch = passes[0]  # more than the first cost, by what an update takes
        for point, spent in zip(np.logspace(0, 3, 7), passes[:7], strict=True):
            assert point * (1 - 1e-9) <= spent < point + max(a_batch, 20 * 6)
    key = ("part", "size", "strategy", "rate", "draw")
    each = [tuple(row.get(name) for name in key) for row in rows if row["part"] != LEARNING]
    assert len(set(each)) == len(each)


@pytest.mark.parametrize("at", [2, 40, 100, 131])
def test_a_study_that_is_stopped_goes_on_to_the_same_bits(
    at: int, measure: Measure, whole: checkpoint.Checkpoint, tmp_path: Path
) -> None:
    """Among gradients, rates, within a run, and among support vectors."""
    path = tmp_path / "measured.h5"
    with pytest.raises(Interrupted):
        measure(path, at=at)
    left = checkpoint.load(path.with_name("measured.h5.part"))
    assert rows_of(left) == rows_of(whole)[: at + 1]
    again = measure(path)
    assert again.digest() == whole.digest()
    assert rows_of(again) == rows_of(whole)
    assert again.provenance["resumed"] == 1


def test_a_finished_study_is_found_and_another_one_refused(
    measure: Measure, whole: checkpoint.Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "measured.h5"
    checkpoint.save(path, whole)
    assert measure(path).digest() == whole.digest()
    with pytest.raises(RunError, match="draws was 2, now 1"):
        measure(path, replace(TINY, draws=1))
    few = replace(TINY, draws=1, features=(2,), support_cases=(5,))
    assert len(rows_of(measure(path, few, force=True))) == 1 + 14 + 49 + 2


def test_a_study_that_is_damaged_in_a_row_is_refused(measure: Measure, tmp_path: Path) -> None:
    path = tmp_path / "measured.h5"
    with pytest.raises(Interrupted):
        measure(path, at=40)
    part = path.with_name("measured.h5.part")
    held = checkpoint.load(part)
    del held.state["rows"]
    checkpoint.save(part, held)
    with pytest.raises(checkpoint.CheckpointError, match="cannot be continued"):
        measure(path)


@pytest.mark.parametrize(
    ("column", "row"), [("size", 1), ("draw", 3), ("strategy", 20), ("rate", 30), ("part", 38)]
)
def test_a_measurement_that_is_not_of_the_settings_is_refused(
    column: str, row: int, measure: Measure, tmp_path: Path
) -> None:
    path = tmp_path / "measured.h5"
    with pytest.raises(Interrupted):
        measure(path, at=40)
    part = path.with_name("measured.h5.part")
    held = checkpoint.load(part)
    held.state["rows"][column][row] += 1e6
    checkpoint.save(part, held)
    with pytest.raises(checkpoint.CheckpointError, match="cannot be continued"):
        measure(path)


@pytest.mark.parametrize("column", ["size", "strategy", "squared", "valid_errors"])
def test_a_finished_study_of_other_measurements_is_one_line(
    column: str, whole: checkpoint.Checkpoint, tiny_digits: Digits
) -> None:
    history = {name: array.copy() for name, array in whole.history.items()}
    if column in ("squared", "valid_errors"):
        del history[column]
    else:
        history[column] += 1e6
    other = replace(whole, history=history)
    with pytest.raises(checkpoint.CheckpointError, match=r"measured\.h5: its measurements are not"):
        report.table(Path("measured.h5"), other, tiny_digits)


@pytest.mark.parametrize("column", ["activities", "n_weights", "calculus"])
def test_measurements_of_no_finite_number_are_one_line(
    column: str, whole: checkpoint.Checkpoint, tiny_digits: Digits
) -> None:
    history = {name: array.copy() for name, array in whole.history.items()}
    history[column][:] = -1
    with pytest.raises(checkpoint.CheckpointError, match=r"measured\.h5: its measurements are not"):
        report.table(Path("measured.h5"), replace(whole, history=history), tiny_digits)


def test_a_run_whose_numbers_overflow_makes_every_case_an_error(
    measure: Measure, tiny_digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ends nothing: what is measured after it is as without it."""
    own, number = Calculus.update, NAMES.index("calculus")

    def update(learner: Calculus, images: Array, labels: Any, spent: float) -> None:
        own(learner, images, labels, spent)
        if learner.start.rate == 10 and spent > 0.5:
            learner.net.weights[0][0, 0] = np.inf

    monkeypatch.setattr(Calculus, "update", update)
    rates = replace(TINY, rates=(10.0,), draws=1)
    path = tmp_path / "measured.h5"
    file = measure(path, rates)
    rows = rows_of(file)
    trial, *run = [row for row in rows if row.get("strategy") == number]
    assert (trial["valid_errors"], trial["test_errors"]) == (100, 200)
    errors = [(row["valid_errors"], row["test_errors"]) for row in run]
    assert (100, 200) not in errors[:5]
    assert errors[-1] == (100, 200)
    assert run[-1]["passes"] < 1000  # none is spent on what is lost
    assert (200 - rows[-1]["test_errors"]) > 0
    assert rows[-1]["part"] == SUPPORT
    table = report.table(path, file, tiny_digits)
    (shown,) = [row for row in table.rows if row["strategy"] == "calculus"]
    assert (shown["last_test"], shown["last_test_low"]) == (100, 100)
    drawn: Any = table.beside["errors.png"]
    assert drawn().startswith(b"\x89PNG")


def test_without_scikit_learn_all_else_is_measured_and_a_note_says_so(
    measure: Measure, whole: checkpoint.Checkpoint, tmp_path: Path, tiny_digits: Digits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(study, "has_support_vectors", lambda: False)
    file = measure(tmp_path / "measured.h5")
    assert rows_of(file) == rows_of(whole)[:-4]
    assert file.outcome["reason"].endswith(", without support vectors")
    found = report.table(tmp_path, file, tiny_digits)
    assert [note for note in found.notes if "pip install 'hinton06[sklearn]'" in note]
    assert len(found.further) == 2


def test_support_vectors_of_one_class_alone_guess_it(
    measure: Measure, tmp_path: Path, tiny_digits: Digits
) -> None:
    one = replace(TINY, support_cases=(1,), draws=1)
    last = rows_of(measure(tmp_path / "measured.h5", one))[-1]
    assert last["vectors"] == 0
    ratio = np.bincount(tiny_digits.test_labels)
    assert 200 - last["test_errors"] in ratio


# -- tables and figures --------------------------------------------------------------------------


def test_a_factor_that_is_its_number_has_slope_and_level_one() -> None:
    numbers = (10, 100, 1000, 10_000)
    rows = [{"weights": n, "weights_factor": 2.0 * n} for n in numbers]
    found = report._fit("weights", rows)
    for key in ("slope", "slope_low", "slope_high"):
        assert found[key] == pytest.approx(1)
    for key in ("level", "level_low", "level_high"):
        assert found[key] == pytest.approx(2)
    steep = [{"weights": n, "weights_factor": float(n) ** 2} for n in numbers]
    assert report._fit("weights", steep)["slope"] == pytest.approx(2)
    assert report._fit("weights", rows[:2])["slope"] is None


def test_intervals_of_a_slope_are_student_s() -> None:
    """Of x = -1, 0, 1 and y = 0, 1, 0: slope 0, residuals 1/3, -2/3, 1/3 up to sign, t of 1 df."""
    rows = [
        {"weights": 10.0**x, "weights_factor": 10.0**y} for x, y in ((-1, 0.0), (0, 1.0), (1, 0.0))
    ]
    found = report._fit("weights", rows)
    error = np.sqrt((1 / 9 + 4 / 9 + 1 / 9) / 1 / 2)
    assert found["slope"] == pytest.approx(0, abs=1e-12)
    assert found["slope_high"] == pytest.approx(12.7062 * error, rel=1e-5)  # of Student's table
    assert found["slope_low"] == -found["slope_high"]
    assert found["intercept"] == pytest.approx(1 / 3)
    # Of y - x = 1, 1, -1: mean 1/3, standard deviation 2 / sqrt(3), t of 2 df.
    assert found["level"] == pytest.approx(10 ** (1 / 3))
    ends = [np.log10(found[f"level_{end}"]) for end in ("low", "high")]
    expected = [1 / 3 - 4.30265 * 2 / 3, 1 / 3 + 4.30265 * 2 / 3]
    assert ends == pytest.approx(expected, rel=1e-5)


def test_a_variance_is_over_the_square_of_the_gradient_that_it_is_of() -> None:
    """Of all weights, or of those to the features alone."""
    row = {
        "size": 3, "n_weights": 7, "draw": 1, "squared": 2.0, "hidden_squared": 4.0,
        "calculus": 6.0, "hidden_calculus": 20.0, "weights": 60.0, "activities": 100.0,
    }  # fmt: skip
    assert report._gradients(row) == {
        "features": 3, "weights": 7, "draw": 1, "calculus_variance": 3.0,
        "hidden_calculus_variance": 5.0, "weights_variance": 30.0, "weights_factor": 10.0,
        "activities_variance": 25.0, "activities_factor": 5.0,
    }  # fmt: skip


def test_variances_are_means_over_the_nets_of_a_size() -> None:
    rows = [
        {"features": size, "weights": 10 * size, "calculus_variance": variance}
        for size, variance in ((2, 1.0), (3, 5.0), (2, 4.0))
    ]
    assert report._mean_by_size(rows) == [
        {"features": 2, "weights": 20, "calculus_variance": 2.5},
        {"features": 3, "weights": 30, "calculus_variance": 5.0},
    ]


def test_support_vectors_are_those_of_the_fewest_validation_errors_of_all_draws() -> None:
    """Of several C the lowest; test errors decide nothing."""
    measured = {
        (20, 1.0): [(5, 1, 9), (4, 1, 9)],
        (20, 3.0): [(1, 40, 10), (6, 20, 14)],
        (20, 10.0): [(4, 2, 9), (3, 2, 9)],
        (50, 1.0): [(2, 3, 30), (2, 3, 30)],
    }
    rows = [
        {"part": SUPPORT, "size": size, "rate": c, "draw": draw, "valid_errors": valid,
         "test_errors": test, "vectors": vectors, "multiply_adds": 100.0 * size}
        for (size, c), draws in measured.items()
        for draw, (valid, test, vectors) in enumerate(draws)
    ]  # fmt: skip
    assert report._support(rows[::-1], {"test_cases": 200})[::-1] == [
        {"cases": 20, "c": 3.0, "test": 15.0, "test_low": 10.0, "test_high": 20.0,
         "multiply_adds": 2000.0, "vectors": 12.0},
        {"cases": 50, "c": 1.0, "test": 1.5, "test_low": 1.5, "test_high": 1.5,
         "multiply_adds": 5000.0, "vectors": 30.0},
    ]  # fmt: skip


def test_a_rate_at_either_end_of_those_that_were_tried_is_a_note(tiny_digits: Digits) -> None:
    chosen = dict.fromkeys(range(len(NAMES)), 1.0) | {0: 0.1, 4: 10.0}
    settings = replace(TINY, rates=(0.1, 1.0, 10.0), learned=(1000,))
    rows: list[dict[str, float]] = [{"part": SUPPORT}]
    rows += [
        {"part": TRIALS, "size": 1000, "strategy": strategy, "rate": rate, "draw": 0,
         "valid_errors": float(rate != chosen[strategy])}
        for strategy in chosen
        for rate in settings.rates
    ]  # fmt: skip
    digits = replace(tiny_digits, sha256=SHA256)
    names = "; ".join(f"{report.TITLES[NAMES[place]]} (1,000)" for place in (0, 4))
    about = "the chosen rate is the first or the last that was tried, with so many features"
    assert report._notes(rows, settings, digits) == [f"{about}: {names}"]
    assert report._notes(rows, replace(settings, rates=(0.1,)), digits) == []


def test_a_cell_has_the_errors_of_the_first_point_at_its_cost() -> None:
    """Costs are sums of roundings: what is less by one is reached."""
    passes = (9.0, 10 * (1 - 1e-12), 100.0, 999.0, 1000.0)
    curve = [
        {"passes": p, "test": 50.0 - n, "test_low": 0.0, "test_high": 60.0}
        for n, p in enumerate(passes)
    ]
    row = {"features": 2, "weights": 64, "strategy": "calculus", "name": "x", "rate": 0.1}
    settings = {"budget": 1000, "draws": 2, "rates": [0.1], "estimates": 4}
    empty: dict[str, Any] = {n: [] for n in ("notes", "gradients", "fits", "support_vectors")}
    made = report._table({"settings": settings, "rows": [row | {"curve": curve}], **empty})
    cells = [made.rows[0][f"{name}_test"] for name in ("first", "second", "last")]
    assert cells == [49.0, 48.0, 46.0]
    assert [column.text(made.rows[0]) for column in made.columns[3:5]] == ["49.0 %", "48.0 %"]


@pytest.fixture(scope="module")
def commanded(digits_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commanded")
    options = [*OPTIONS, "--data", digits_dir, "--out", folder / "measured.h5", "--save", folder]
    result = run("strategies", *options, "--quiet")
    assert result.exit_code == 0, result.output
    assert "jitter of activities" in result.stdout
    return folder


def test_images_are_measured_with_no_more_pixels_than_they_have_and_the_file_says_so(
    idx_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "measured.h5"
    asked = ["strategies", *OPTIONS, "--data", idx_folder, "--out", out, "--quiet"]
    made = run(*asked, "--side", "900")
    assert made.exit_code == 0, made.output
    side = max(mnist.read(idx_folder).shape)
    assert checkpoint.load(out).settings["side"] == side
    written = out.stat().st_mtime_ns
    again = run(*asked, "--side", str(side))
    assert again.exit_code == 0, again.output
    assert out.stat().st_mtime_ns == written


def test_the_command_saves_tables_and_a_figure_of_each_measurement(commanded: Path) -> None:
    document = json.loads((commanded / "strategies.json").read_text())
    assert [row["strategy"] for row in document["rows"]] == list(NAMES)
    assert all(len(row["curve"]) == 7 for row in document["rows"])
    assert document["settings"]["budget"] == 1000
    assert [row["cases"] for row in document["support_vectors"]] == [20]
    assert "of the images in digits0, not of MNIST" in document["notes"]
    lines = list(csv.DictReader(io.StringIO((commanded / "strategies.csv").read_text())))
    assert len(lines) == 4 + 28 + 98 + 4
    for name in ("gradients", "errors"):
        assert (commanded / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_errors_of_the_table_are_those_that_were_measured(commanded: Path) -> None:
    document = json.loads((commanded / "strategies.json").read_text())
    lines = list(csv.DictReader(io.StringIO((commanded / "strategies.csv").read_text())))
    for row in document["rows"]:
        own = [
            line for line in lines
            if (line["measured"], line["strategy"]) == ("learning", row["strategy"])
        ]  # fmt: skip
        assert {float(line["rate"]) for line in own} == {row["rate"]}
        last = [float(line["test_errors"]) / 2 for line in own]
        ends = [last[6], last[13]]
        point = row["curve"][-1]
        assert point["test"] == pytest.approx(np.mean(ends))
        assert row["weights"] == 17 * 2 + 3 * 10
        assert [point["test_low"], point["test_high"]] == sorted(ends)
    for line, row in zip(lines, document["gradients"], strict=False):
        factor = float(line["activities"]) / float(line["hidden_calculus"])
        assert row["activities_factor"] == pytest.approx(factor)
        assert row["weights"] == 17 * row["features"] + 10 * (row["features"] + 1)


def test_a_finished_study_is_printed_in_every_form_and_fits_80_columns(
    commanded: Path, digits_dir: Path
) -> None:
    options = [*OPTIONS, "--data", digits_dir, "--out", commanded / "measured.h5", "--quiet"]
    lines = on_a_terminal(80, "strategies", *options)
    assert max(map(len, lines)) <= 80
    assert json.loads(run("strategies", *options, "--json").stdout)["rows"]
    saved = (commanded / "strategies.md").read_text()
    assert run("strategies", *options, "--format", "markdown").stdout == saved
    (legend, *_), found = saved.partition("\n\nTest errors")[::2], report.saved(commanded)
    assert found.markdown().startswith(legend)
    powers = [line for line in found.legend if "to the power of" in line]
    assert len(powers) == 2
    assert powers[0].partition(" to the power")[0].endswith("number of weights")


def test_what_is_no_saved_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoRunsError, match=r"no strategies\.json"):
        report.saved(tmp_path)
    for text in ("{", "[]", '{"settings": {}}'):
        (tmp_path / "strategies.json").write_text(text)
        with pytest.raises(ReportError, match="not a table of strategies"):
            report.saved(tmp_path)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--rates", "0"], "--rates"), (["--rates", "0.1;1"], "0.03,1"),
        (["--rates", "1001"], "up to 1000"), (["--rates", "nan"], "--rates"),
        (["--features", "2,3"], "--features"),
        (["--split", "all"], "--split"), (["--budget", "999"], "--budget"),
        (["--estimates", "1"], "--estimates"), (["--feature-share", "2"], "--feature-share"),
        (["--support-c", "-1"], "--support-c"), (["--jitter", "0"], "--jitter"),
        (["--scale", "0"], "--scale"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(options: list[str], word: str) -> None:
    fails_in_one_line(run("strategies", *options), 2, word)


def test_a_file_and_a_folder_that_cannot_be_written_are_one_line(
    digits_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    options = [*OPTIONS, "--data", digits_dir, "--quiet"]
    inside = tmp_path / "file" / "measured.h5"
    fails_in_one_line(run("strategies", *options, "--out", inside), 1, "cannot be written")
    inside = tmp_path / "file" / "saved"
    fails_in_one_line(run("strategies", *options, "--save", inside), 1, "cannot be written")


def test_a_page_has_the_errors_of_what_was_saved_in_the_runs(
    commanded: Path, make_progress: Any
) -> None:
    runs = commanded.with_name("runs")
    runs.mkdir()
    shutil.copy(ROOT / "tests" / "data" / "version-1" / "bp-b.h5.part", runs)
    (runs / "strategies").symlink_to(commanded)
    html = page.make([runs], make_progress()).html
    assert "Errors by the cost of learning" in html
    assert "jitter of activities" in html


def test_a_study_is_no_net(commanded: Path) -> None:
    fails_in_one_line(run("show", commanded / "measured.h5"), 1, "hinton06 strategies")
