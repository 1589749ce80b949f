"""Support vector machines: the kernel, the pairs, virtual support vectors, and their command."""

from __future__ import annotations

import builtins
import dataclasses
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.svm import SVC
from test_cli import fails_in_one_line, on_a_terminal, run

from hinton06 import mnist, svm
from hinton06.loading import Context
from hinton06.mnist import Digits
from hinton06.recipes import RECIPES, SvmSettings
from hinton06.recognition import Cases
from hinton06.report import support
from hinton06.svm import Machines, Pair, class_pairs, deslanted, kernel, support_places
from hinton06.training import RunError

EPS = 2.0**-24
SETTINGS: SvmSettings = RECIPES["tr2006"].settings("svm")


def vectors(n: int, seed: int = 1) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).random((n, 12)).astype(np.float32)
    return drawn / np.sqrt((drawn**2).sum(axis=1, keepdims=True))


def learned(machines: Machines, n_classes: int) -> list[Pair]:
    return [machines.learn(number, pair) for number, pair in enumerate(class_pairs(n_classes))]


# -- the machine ---------------------------------------------------------------------------------


@pytest.mark.parametrize("degree", [1, 2, 3, 8, 9, 20])
def test_the_kernel_is_a_power_of_half_of_one_and_the_inner_product(degree: int) -> None:
    one, other = vectors(5), vectors(4, 2)
    expected = ((1 + one.astype(np.float64) @ other.T.astype(np.float64)) / 2) ** degree
    # A base's relative error is that of twelve products, a sum and vectors of length 1; it is
    # taken so many times, and each squaring rounds once more.
    assert abs(kernel(one, other, degree) / expected - 1).max() <= degree * 16 * EPS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(svm, "_BATCH", 2)
        assert abs(kernel(one, other, degree) / expected - 1).max() <= degree * 16 * EPS


def test_pairs_and_votes_are_those_of_scikit_learn(tiny_digits: Digits) -> None:
    images, labels = tiny_digits.train_images[:300], tiny_digits.train_classes[:300]
    machines = Machines(images, labels, tiny_digits.shape, SETTINGS)
    pairs = learned(machines, 10)
    unit = images / np.sqrt((images.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    tested = tiny_digits.test_images / np.sqrt(
        (tiny_digits.test_images.astype(np.float64) ** 2).sum(axis=1, keepdims=True)
    )
    whole = SVC(
        C=SETTINGS.penalty, kernel="poly", degree=9, gamma=0.5, coef0=0.5,
        decision_function_shape="ovr", break_ties=True,
    ).fit(unit, labels)  # fmt: skip
    assert support_places(pairs).tolist() == sorted(whole.support_)
    found = machines.guesses(tiny_digits.test_images, pairs, 10)
    assert np.array_equal(found, whole.predict(tested))


def test_ties_of_votes_go_to_the_largest_sums_which_outweigh_no_vote() -> None:
    # Of pairs 01, 02, 12: each class has one vote; class 2's sums are the largest.
    assert svm._elected(np.array([[-1.0, 9.0, -0.5]]), 3).tolist() == [2]
    # Class 0 has both its votes, if by a hair.
    assert svm._elected(np.array([[-1e-9, -1e-9, 1e9]]), 3).tolist() == [0]
    # And all three of 01, 02, 03; class 3 wins 13 and 23 by much.
    assert svm._elected(np.array([[-1e-9, -1e-9, -1e-9, -1.0, 1e9, 1e9]]), 4).tolist() == [0]


def test_virtual_support_vectors_are_a_pair_s_own_in_every_translation(
    tiny_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels, shape = (
        tiny_digits.train_images[:300], tiny_digits.train_classes[:300], tiny_digits.shape,
    )  # fmt: skip
    before = learned(Machines(images, labels, shape, SETTINGS), 10)
    machines = Machines(images, labels, shape, SETTINGS, 2, before)
    asked = []
    own = Machines._images_at

    def kept(self: Machines, places: Any) -> Any:
        asked.append(own(self, places))
        return asked[-1]

    monkeypatch.setattr(Machines, "_images_at", kept)
    pair = machines.learn(4, class_pairs(10)[4])
    rows = before[4].places
    assert np.array_equal(asked[0], mnist.translated(images[rows], shape, 2))
    every = mnist.translated(images, shape, 2)
    assert np.array_equal(own(machines, pair.places), every[pair.places])
    assert set(labels[pair.places % 300]) == {0, 5}
    assert set(pair.places % 300) <= set(rows)


def test_a_pair_of_which_one_class_has_no_case_votes_for_the_other(tiny_digits: Digits) -> None:
    images, labels = tiny_digits.train_images[:100], tiny_digits.train_classes[:100].copy()
    labels[labels == 3] = 4
    machines = Machines(images, labels, tiny_digits.shape, SETTINGS)
    assert 3 not in machines.guesses(images, learned(machines, 10), 10)


def test_deslanted_images_lean_to_no_side() -> None:
    def lean(image: NDArray[Any]) -> float:
        ink = image.reshape(28, 28) / image.sum()
        rows, columns = np.mgrid[:28, :28]
        down = rows - (ink * rows).sum()
        return float((ink * down * columns).sum() / (ink * down**2).sum())

    stroke = np.zeros((28, 28), np.uint8)
    for row in range(6, 22):  # two rows down, one column to the right
        stroke[row, 8 + row // 2 : 11 + row // 2] = 200
    upright = np.zeros((28, 28), np.uint8)
    upright[6:22, 12:15] = 200
    made = deslanted(np.stack([stroke.ravel(), upright.ravel(), 0 * upright.ravel()]), (28, 28))
    assert np.array_equal(made[1:], [upright.ravel(), 0 * upright.ravel()])
    # Rows are moved to within 1/512 of a pixel, which leans by 0.0004 at most; half a byte at the
    # four pixels of 16 rows that are no whole ones, of 48 times 200 in all, by 0.0013.
    assert abs(lean(stroke)) > 0.4
    assert abs(lean(made[0])) < 0.002


# -- the command ---------------------------------------------------------------------------------

ARGUMENTS = ("svm", "--split", "a", "--cases", "200", "--translations", "1", "--quiet")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp("svm")
    done = run(*ARGUMENTS, "--data", digits_dir, "--save", folder)
    assert done.exit_code == 0, done.output
    return folder


def rows_of(folder: Path) -> Any:
    rows = json.loads((folder / "svm.json").read_text())["rows"]
    return [{name: row[name] for name in row if name != "cpu_seconds"} for row in rows]


def test_both_machines_have_a_row_with_their_errors(made: Path, tiny_digits: Digits) -> None:
    plain, virtual = rows_of(made)
    assert (plain["machine"], virtual["machine"]) == ("support vectors", "virtual support vectors")
    assert [plain["cases"], plain["valid_cases"], plain["test_cases"]] == [200, 100, 200]
    split = mnist.split(600, "a")
    cases = np.concatenate(  # the first of each class
        [split.train[tiny_digits.train_classes[split.train] == label][:20] for label in range(10)]
    )
    rows = np.sort(cases)
    images, labels = tiny_digits.train_images[rows], tiny_digits.train_classes[rows]
    machines = Machines(images, labels, tiny_digits.shape, SETTINGS)
    pairs = learned(machines, 10)
    guesses = machines.guesses(tiny_digits.test_images, pairs, 10)
    assert plain["test_errors"] == (guesses != tiny_digits.test_classes).sum()
    assert plain["support_vectors"] == len(support_places(pairs))
    assert virtual["images"] == "as they are, 5 versions"
    assert sorted(path.name for path in made.iterdir()) == ["svm.csv", "svm.json", "svm.md"]


def test_it_goes_on_where_it_was_stopped_and_ends_with_the_same(
    made: Path, digits_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, calls = Machines.learn, []

    def stopped(self: Machines, number: int, classes: tuple[int, int]) -> Pair:
        calls.append(number)
        if len(calls) in (30, 60):  # in the first machine, and in the second
            os.kill(os.getpid(), signal.SIGINT)
        return own(self, number, classes)

    monkeypatch.setattr(Machines, "learn", stopped)
    command = (*ARGUMENTS, "--data", digits_dir, "--save", tmp_path)
    for done in (30, 60):
        result = run(*command)
        assert (result.exit_code, len(calls)) == (130, done), result.output
        assert "stopped by SIGINT; start again to go on" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["svm.part"]
    assert run(*command).exit_code == 0
    assert calls == [*range(45), *range(45)]
    assert rows_of(tmp_path) == rows_of(made)
    assert run(*command).exit_code == 0  # and is not made again
    assert len(calls) == 90


def test_what_was_made_with_other_arguments_is_replaced_only_by_force(
    made: Path, digits_dir: Path, tmp_path: Path
) -> None:
    for name in ("svm.json", "svm.md", "svm.csv"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    other = (*ARGUMENTS, "--degree", "2", "--data", digits_dir, "--save", tmp_path)
    fails_in_one_line(run(*other), 1, "svm.json", "made with other arguments: settings", "--force")
    assert run(*other, "--force").exit_code == 0
    assert rows_of(tmp_path)[0]["degree"] == 2


def test_mistakes_are_one_line(
    made: Path, digits_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (*ARGUMENTS, "--data", digits_dir, "--save", tmp_path)
    asked = json.loads((made / "svm.json").read_text())["asked"]
    fails_in_one_line(run("svm", "--cases", "20"), 2, "--cases goes with --split")
    fails_in_one_line(run("svm", "--force"), 2, "--force goes with --save")
    for option in (("--degree", "0"), ("--penalty", "nan"), ("--translations", "9"),
                   ("--split", "d"), ("--cases", "0")):  # fmt: skip
        fails_in_one_line(run(*command, *option), 2, option[0])
    fails_in_one_line(run(*command, "--cases", "100000"), 1, "does not have 100000")
    (tmp_path / "svm.part").write_bytes(b"nothing of the kind")
    fails_in_one_line(run(*command), 1, "svm.part", "cannot be continued", "--force")
    stranger = {"places": np.array([10**6]), "coefficients": np.ones(1), "intercept": 0.0}
    np.savez(
        tmp_path / "kept.npz", asked=json.dumps(asked), seconds=[1.0],
        **{f"0 {name}": value for name, value in stranger.items()},
    )  # fmt: skip
    (tmp_path / "kept.npz").rename(tmp_path / "svm.part")
    fails_in_one_line(run(*command), 1, "svm.part", "cannot be continued", "of these images")
    (tmp_path / "svm.json").write_text("{}")
    fails_in_one_line(run(*command), 1, "svm.json", "not a table of support vector machines")
    (tmp_path / "file").write_text("")
    in_file = run(*ARGUMENTS, "--data", digits_dir, "--save", tmp_path / "file" / "in")
    fails_in_one_line(in_file, 1, "cannot be written")
    own = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return own(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    fails_in_one_line(run(*command), 1, "scikit-learn", "pip install 'hinton06[sklearn]'")


def test_it_is_printed_in_80_columns_and_as_json(made: Path, digits_dir: Path) -> None:
    command = (*ARGUMENTS, "--data", digits_dir, "--save", made)
    assert max(map(len, on_a_terminal(80, *command))) <= 80
    assert json.loads(run(*command, "--json").stdout)["rows"][0]["degree"] == 9


def test_each_machine_is_measured_with_its_own_support_vectors(
    made: Path, tiny_digits: Digits
) -> None:
    rows, split = rows_of(made), mnist.split(600, "a")
    places = np.sort(np.concatenate(
        [split.train[tiny_digits.train_classes[split.train] == label][:20] for label in range(10)]
    ))  # fmt: skip
    images, labels = tiny_digits.train_images[places], tiny_digits.train_classes[places]
    before: list[Pair] = []
    tested = {
        "test": (tiny_digits.test_images, tiny_digits.test_classes),
        "valid": (tiny_digits.train_images[split.valid], tiny_digits.train_classes[split.valid]),
    }
    for row, translations in zip(rows, (0, 1), strict=True):
        machines = Machines(images, labels, tiny_digits.shape, SETTINGS, translations, before)
        before = learned(machines, 10)
        assert row["support_vectors"] == len(support_places(before))
        mean = sum(len(pair.places) for pair in before) / 45
        assert row["support_vectors_of_a_pair"] == pytest.approx(mean, rel=1e-12)
        for part, (own, wanted) in tested.items():
            guesses = machines.guesses(own, before, 10)
            assert row[f"{part}_errors"] == (guesses != wanted).sum()
        assert row["test_percent"] == 100 * row["test_errors"] / 200


def test_what_is_tested_is_deslanted_as_what_was_learned(
    tiny_digits: Digits, progress: Any
) -> None:
    settings, split = dataclasses.replace(SETTINGS, deslanted=True), mnist.split(600, "a")
    asked = support.Asked(tiny_digits.sha256, "a", 50, 0, settings)
    context, begun = Context(tiny_digits, progress), support._Begun(asked, None)
    (row,) = support._learned(context, begun)
    train, _ = support._cases(tiny_digits, asked)
    images = deslanted(train.images, tiny_digits.shape)
    machines = Machines(images, train.labels, tiny_digits.shape, settings)
    for part, own, wanted in (
        ("test", tiny_digits.test_images, tiny_digits.test_classes),
        ("valid", tiny_digits.train_images[split.valid], tiny_digits.train_classes[split.valid]),
    ):
        upright, as_it_is = (
            (machines.guesses(x, begun.pairs, 10) != wanted).sum()
            for x in (deslanted(own, tiny_digits.shape), own)
        )
        assert row[f"{part}_errors"] == upright != as_it_is


def test_pairs_that_are_kept_are_no_more_than_there_are_and_of_these_images() -> None:
    asked, right = support.Asked("", None, 0, 0, SETTINGS), Pair(np.arange(2), np.ones(2), 0.0)

    def check(*pairs: Pair, n_pairs: int = 2, n_places: int = 2) -> None:
        support._Begun(asked, Path("svm.part"), list(pairs)).check(n_pairs, n_places)

    check(right, right)
    places, ones = right.places, right.coefficients
    for wrong in (
        Pair(places - 1, ones, 0.0), Pair(places.astype(np.int32), ones, 0.0),
        Pair(places, np.array([1, np.nan]), 0.0), Pair(places, np.ones(3), 0.0),
        Pair(places, ones, np.inf), Pair(places, ones.astype(np.float32), 0.0),
        Pair(places[:, np.newaxis], ones[:, np.newaxis], 0.0),
    ):  # fmt: skip
        with pytest.raises(RunError, match=r"svm\.part: cannot be continued: it is not of these"):
            check(wrong)
    for limits in ({"n_pairs": 1}, {"n_places": 1}):
        with pytest.raises(RunError, match="not of these images"):
            check(right, right, **limits)


def test_the_seconds_of_a_machine_are_those_of_its_own_pairs(tiny_digits: Digits) -> None:
    begun = support._Begun(support.Asked("", None, 0, 1, SETTINGS), None, [], [1.0, 2.0, 4.0, 8.0])
    pairs = [Pair(np.arange(2), np.ones(2), 0.0)] * 2
    train = Cases(tiny_digits.train_images, tiny_digits.train_classes)
    seconds = [support._row(begun, n, n, train, pairs)["cpu_seconds"] for n in (0, 1)]
    assert seconds == [3.0, 12.0]
