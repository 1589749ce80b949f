"""Two nets case by case: McNemar's test against enumeration, and the cases that they differ in."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_cli import fails_in_one_line, on_a_terminal, run
from test_docs import fenced

from hinton06 import checkpoint, mnist
from hinton06.evaluation import Comparison, mcnemar
from hinton06.mnist import Digits
from hinton06.report import comparison

OLD = Path(__file__).parent / "data" / "version-1"
A, B = OLD / "bp-a.h5", OLD / "hybrid-a.h5"
ON = ["--data", OLD / "digits", "--quiet"]


@pytest.mark.parametrize(("first", "second"), [*itertools.product(range(7), range(7))])
def test_mcnemar_s_test_counts_all_ways_in_which_coins_can_fall(first: int, second: int) -> None:
    """As unevenly or more: the share of all 2^n sequences whose difference is as large."""
    n, difference = first + second, abs(first - second)
    as_uneven = sum(
        abs(2 * sum(coins) - n) >= difference for coins in itertools.product((0, 1), repeat=n)
    )
    assert mcnemar(first, second) == pytest.approx(as_uneven / 2**n, rel=1e-12)


@pytest.fixture(scope="module")
def two() -> Comparison:
    """What two nets say of 300 cases of 4 classes, in which each is right in about two thirds."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    logs = []
    for _ in range(2):
        inputs = rng.normal(size=(300, 4)) + 2 * np.eye(4)[labels]
        logs.append(inputs - np.log(np.exp(inputs).sum(axis=1, keepdims=True)))
    return Comparison(("one", "other"), (logs[0], logs[1]), labels, (0, 1, 2, 3))


@pytest.fixture(scope="module")
def four_classes(two: Comparison) -> Digits:
    images = np.random.default_rng(1).integers(0, 256, (300, 9)).astype(np.uint8)
    labels = two.labels.astype(np.uint8)
    return Digits(images, labels, images, labels, (3, 3), "of four classes", "four")


def test_every_case_is_counted_once(two: Comparison) -> None:
    found = comparison.counts(two)
    counted = dict.fromkeys(["both", "first", "second", "neither", "different"], 0)
    for one, other, label in zip(*two.log_probs, two.labels, strict=True):
        guesses = int(np.argmax(one)), int(np.argmax(other))
        right = [guess == label for guess in guesses]
        name = {(True, True): "both", (True, False): "first", (False, True): "second"}
        counted[name.get((right[0], right[1]), "neither")] += 1
        counted["different"] += guesses[0] != guesses[1]
    assert min(counted.values()) > 5
    assert found == {
        "cases": 300,
        "first_errors": counted["second"] + counted["neither"],
        "second_errors": counted["first"] + counted["neither"],
        "both_right": counted["both"],
        "first_alone_right": counted["first"],
        "second_alone_right": counted["second"],
        "neither_right": counted["neither"],
        "different_guesses": counted["different"],
        "p_value": mcnemar(counted["first"], counted["second"]),
    }


def test_the_cases_are_those_that_differ_the_surest_error_first(
    two: Comparison, four_classes: Digits
) -> None:
    rows = comparison.table(two, four_classes, 10_000).rows
    probs = [np.exp(logs) for logs in two.log_probs]
    differing = np.flatnonzero(probs[0].argmax(axis=1) != probs[1].argmax(axis=1))
    assert sorted(row["case"] for row in rows) == differing.tolist()
    surest = []
    for row in rows:
        case, label = row["case"], two.labels[row["case"]]
        assert row["label"] == label
        wrong = []
        for name, own in zip(("first", "second"), probs, strict=True):
            assert row[name] == own[case].argmax()
            assert row[f"{name}_probability"] == own[case].max()
            assert row[f"{name}_probability_of_label"] == own[case, label]
            wrong += [own[case].max()] if row[name] != label else []
            assert (row["right"] == name) == (row[name] == label)
        assert (row["right"] == "neither") == (len(wrong) == 2)
        surest.append(max(wrong))
    assert surest == sorted(surest, reverse=True)
    few = comparison.table(two, four_classes, 7)
    assert list(few.rows) == list(rows[:7])
    assert list(few.records or []) == list(rows)


# -- the command ---------------------------------------------------------------------------------


def test_the_page_s_example_prints_what_the_page_shows() -> None:
    result = run("compare", "digits", "table1-a", "--cases", "3", "--quiet")
    assert result.exit_code == 0, result.output
    (shown,) = (t for t in fenced("docs/commands.md", "text") if t.startswith("right   case"))
    table = shown.partition("Of ")[0]
    assert result.stdout.startswith(table)

    def words(text: str) -> str:  # a case on the edge may be another's by another BLAS
        return re.sub(r"\d+", "0", " ".join(text.removeprefix(table).split()))

    assert words(result.stdout) == words(shown)


def test_files_say_what_their_nets_recorded() -> None:
    document = json.loads(run("compare", A, B, *ON, "--json").stdout)
    outcomes = [checkpoint.load(path).outcome for path in (A, B)]
    guesses = [outcome["test_log_probs"].argmax(axis=1) for outcome in outcomes]
    right = [own == outcomes[0]["test_labels"] for own in guesses]
    assert document["nets"] == [str(A), str(B)]
    assert document["data"] == mnist.read(OLD / "digits").sha256
    assert document["first_errors"] == outcomes[0]["test"]["errors"]
    assert document["second_errors"] == outcomes[1]["test"]["errors"]
    assert document["first_alone_right"] == (right[0] & ~right[1]).sum()
    assert (
        document["different_guesses"] == (guesses[0] != guesses[1]).sum() == len(document["rows"])
    )


def test_everything_is_saved_and_so_many_cases_are_shown(tmp_path: Path) -> None:
    command = ["compare", A, B, *ON, "--cases", "4"]
    result = run(*command, "--save", tmp_path / "new")
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"compare.md", "compare.csv", "compare.json", "compare.png"}
    document = json.loads((tmp_path / "new" / "compare.json").read_text())
    written = list(csv.DictReader(io.StringIO((tmp_path / "new" / "compare.csv").read_text())))
    assert len(written) == len(document["rows"]) == document["different_guesses"] > 4
    assert [int(row["case"]) for row in written] == [row["case"] for row in document["rows"]]
    with Image.open(tmp_path / "new" / "compare.png") as picture:
        assert picture.size == (4 * 110 + 10, 150)
    assert len((tmp_path / "new" / "compare.md").read_text().split("\n\n")[0].splitlines()) == 2 + 4
    assert "cases: here the first 4, in CSV and JSON all." in " ".join(result.stdout.split())
    assert max(map(len, on_a_terminal(80, *command))) <= 80


def test_a_net_does_not_differ_from_itself(tmp_path: Path) -> None:
    result = run("compare", A, A, *ON, "--save", tmp_path)
    assert result.exit_code == 0, result.output
    assert "The guesses differ in 0 cases." in " ".join(result.stdout.split())
    assert "p = 1," in result.stdout
    assert not (tmp_path / "compare.png").exists()
    assert json.loads((tmp_path / "compare.json").read_text())["rows"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, ["'A'"]),
        ([A], 2, ["'B'"]),
        ([A, B, A], 2, ["unexpected"]),
        ([A, "none.h5"], 2, ["none.h5"]),
        ([A, B, "--cases", "0"], 2, ["--cases"]),
        ([A, B, "--case", "x"], 2, ["--case"]),
        ([A, OLD / "pretrain-a.h5", *ON], 1, ["pretrain-a.h5", "without labels"]),
        ([A, OLD / "bp-b.h5.part", *ON], 1, ["bp-b.h5.part", "not finished"]),
        ([A, "table1-a"], 1, ["--data"]),
        ([A, "table1-a", *ON], 1, ["table1-a", "784 inputs", "49"]),
        ([A, Path(__file__)], 1, ["test_cli_compare.py", "HDF5"]),
        ([A, B, *ON, "--save", "/dev/null/x"], 1, ["cannot be written"]),
    ],
)
def test_a_mistake_is_named(arguments: list[Any], code: int, words: list[str]) -> None:
    fails_in_one_line(run("compare", *arguments), code, *words)
