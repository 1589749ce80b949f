"""``hinton06 unlabelled``, and the commands that make what it tabulates."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest
from test_cli import BACKPROP, PRETRAIN, fails_in_one_line, maker, on_a_terminal, run

from hinton06 import checkpoint


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """Nets of few labels and of all of two splits, pretrained and not, under the default names."""
    folder, make = tmp_path_factory.mktemp("runs"), maker(digits_dir)
    for split in "ab":
        make("pretrain", "--split", split, "--runs", folder, *PRETRAIN)
        stack = folder / f"pretrain-{split}.h5"
        make("finetune-bp", stack, *BACKPROP)
        make("finetune-bp", stack, "--labelled", "100", *BACKPROP)
        for layers in ("12-10", "14"):
            out = folder / f"random-{split}-{layers}.h5"
            make("finetune-bp", "--no-pretraining", "--split", split, "--layers", layers,
                 "--labelled", "100", "--out", out, *BACKPROP)  # fmt: skip
    make("finetune-bp", "--no-pretraining", "--split", "b", "--layers", "14", "--out",
         folder / "random-b.h5", *BACKPROP)  # fmt: skip
    return folder


def edited(runs: Path, folder: Path, name: str, valid: int, test: int, **more: Any) -> None:
    """A copy of a net's file with other numbers of errors."""
    found = checkpoint.load(runs / f"{name}.h5")
    found.outcome["valid"]["errors"], found.outcome["test"]["errors"] = valid, test
    found.outcome |= {"capped": False} | more
    checkpoint.save(folder / f"{name}.h5", found)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run("unlabelled", folder, "--json").stdout)["rows"]
    return rows


def test_a_line_for_each_number_of_labels_pretraining_and_layers(runs: Path) -> None:
    rows = rows_of(runs)
    kinds = [(row["labelled"], row["pretrained_on"], row["layers"], row["rate"]) for row in rows]
    assert kinds == [
        (100, "all images", "12-10-14", 0.2),
        (100, "nothing", "12-10", 0.1),
        (100, "nothing", "14", 0.1),
        (500, "all images", "12-10-14", 0.2),
        (500, "nothing", "14", 0.1),
    ]
    for row, name in zip(rows, ("bp-{}-100-labelled", "random-{}-12-10"), strict=False):
        found = [checkpoint.load(runs / f"{name.format(split)}.h5").outcome for split in "ab"]
        assert row["splits"] == "a b"
        for part in ("valid", "test"):
            errors = [outcome[part]["errors"] for outcome in found]
            assert row[f"{part}_errors"] == f"{errors[0]} {errors[1]}"
            cases = {"valid": 100, "test": 200}[part]
            assert row[f"{part}_percent"] == pytest.approx(100 * sum(errors) / (2 * cases))


def test_validation_chooses_among_layers_and_never_the_test_cases(
    runs: Path, tmp_path: Path
) -> None:
    edited(runs, tmp_path, "random-a-12-10", 40, 10)
    edited(runs, tmp_path, "random-b-12-10", 20, 12)
    edited(runs, tmp_path, "random-a-14", 25, 60)
    edited(runs, tmp_path, "random-b-14", 34, 70)
    rows = rows_of(tmp_path)
    assert [row["fewest_validation_errors"] for row in rows] == [False, True]
    assert [row["valid_percent"] for row in rows] == [30, 29.5]
    assert [row["test_percent"] for row in rows] == [5.5, 32.5]
    # Of 65 errors in 200 cases; SciPy's own.
    wilson = binomtest(65, 200).proportion_ci(method="wilson")
    assert rows[1]["test_percent_95_low"] == pytest.approx(100 * wilson.low, rel=1e-6)
    assert rows[1]["test_percent_95_high"] == pytest.approx(100 * wilson.high, rel=1e-6)
    shown = run("unlabelled", tmp_path, "--format", "markdown").stdout
    made = "a b: recipe quick; patience 1, max epochs 3; data"
    assert f"| 100 | nothing | 14 | 0.1 | {made} " in shown
    assert "200 test cases | 29.50 % | 32.50 (26.39-39.27) % |" in shown
    assert "12-10" not in shown


def test_a_choice_with_a_net_less_is_left_out_and_named(runs: Path, tmp_path: Path) -> None:
    edited(runs, tmp_path, "random-a-12-10", 40, 10)
    edited(runs, tmp_path, "random-b-12-10", 20, 12)
    edited(runs, tmp_path, "random-a-14", 1, 60, capped=True, reason="stopped by the cap")
    document = json.loads(run("unlabelled", tmp_path, "--json").stdout)
    assert [row["fewest_validation_errors"] for row in document["rows"]] == [True, False]
    assert document["notes"] == [
        "100 labels, pretrained on nothing: 1 of 2 choices have fewer than 2 nets and are left out",
        "of the nets that validation did not choose, 1 ended at a cap",
    ]
    edited(runs, tmp_path, "bp-a-100-labelled", 7, 8)
    found = checkpoint.load(runs / "bp-a-100-labelled.h5")
    found.settings["rate"] = 0.3
    for split in "bc":
        found.lineage["split"] = split
        checkpoint.save(tmp_path / f"faster-{split}.h5", found)
    notes = json.loads(run("unlabelled", tmp_path, "--json").stdout)["notes"]
    assert [note[:35] for note in notes[:2]] == [
        "100 labels, pretrained on all image", "100 labels, pretrained on nothing: ",
    ]  # fmt: skip
    edited(runs, tmp_path, "random-b-12-10", 20, 12, capped=True, reason="stopped by the cap")
    notes = json.loads(run("unlabelled", tmp_path, "--json").stdout)["notes"]
    assert "random-b-12-10.h5: stopped by the cap, before its rule was met" in notes


def test_pretraining_on_the_labelled_images_alone_is_another_line(
    digits_dir: Path, tmp_path: Path
) -> None:
    make = maker(digits_dir)
    make("pretrain", "--split", "a", "--labelled", "300", "--runs", tmp_path, *PRETRAIN)
    make("finetune-bp", tmp_path / "pretrain-300-images-a.h5", *BACKPROP)
    make("finetune-bp", tmp_path / "pretrain-300-images-a.h5", "--labelled", "100", *BACKPROP)
    assert {path.name for path in tmp_path.glob("bp-*.h5")} == {
        "bp-300-images-a.h5", "bp-300-images-a-100-labelled.h5",
    }  # fmt: skip
    kinds = [(row["labelled"], row["pretrained_on"]) for row in rows_of(tmp_path)]
    assert kinds == [(100, "300 images"), (300, "labelled images")]


def test_so_is_a_net_of_as_many_labels_as_the_stack_had_cases(runs: Path, tmp_path: Path) -> None:
    for name, cases in (("one", 100), ("two", 300)):
        found = checkpoint.load(runs / "bp-a-100-labelled.h5")
        found.lineage["cases"] = cases
        checkpoint.save(tmp_path / f"{name}.h5", found)
    assert [row["pretrained_on"] for row in rows_of(tmp_path)] == ["300 images", "labelled images"]


def test_few_images_are_learned_without_labels_and_without_layers_of_others(runs: Path) -> None:
    for options in (["--labels"], ["--on", runs / "pretrain-a.h5"]):
        result = run("pretrain", "--split", "a", "--labelled", "100", *options)
        fails_in_one_line(result, 2, "--labelled goes without --labels and --on")


def test_the_table_is_printed_in_80_columns_and_saved_in_every_format(
    runs: Path, tmp_path: Path
) -> None:
    made = run("unlabelled", runs, "--save", tmp_path)
    assert made.exit_code == 0, made.output
    assert max(map(len, on_a_terminal(80, "unlabelled", runs))) <= 80
    assert {path.name for path in tmp_path.iterdir()} == {
        f"unlabelled.{suffix}" for suffix in ("md", "csv", "json")
    }
    saved = list(csv.DictReader(io.StringIO((tmp_path / "unlabelled.csv").read_text())))
    assert [row["labelled"] for row in saved] == ["100", "100", "100", "500", "500"]


def test_table_1_holds_no_net_of_few_labels_or_of_a_random_start_on_a_split(runs: Path) -> None:
    document = json.loads(run("table1", runs, "--json").stdout)
    for row, split in zip(document["rows"], "ab", strict=False):
        whole = checkpoint.load(runs / f"bp-{split}.h5").outcome
        assert row["measured"]["test_errors"] == whole["test"]["errors"]
        assert row["measured"]["cases"] == 500
    assert [row["measured"] for row in document["rows"][2:]] == [None] * 7


def test_mistakes_are_named(runs: Path, tmp_path: Path) -> None:
    stack, net = runs / "pretrain-a.h5", runs / "bp-a.h5"
    for number in ("0", "-1", "some"):
        fails_in_one_line(run("finetune-bp", stack, "--labelled", number), 2, "--labelled")
    for arguments in (["--extend", net], ["--no-pretraining", net]):
        mixed = run("finetune-bp", *arguments, "--labelled", "100")
        fails_in_one_line(mixed, 2, "--labelled goes with a pretrained CHECKPOINT or with --split")
    for arguments in ([stack], ["--no-pretraining", net], []):
        mixed = run("finetune-bp", *arguments, "--split", "a")
        fails_in_one_line(mixed, 2, "--split goes with --no-pretraining and without CHECKPOINT")
    fails_in_one_line(run("finetune-bp", "--extend", net, "--split", "a"), 2, "no other mode")
    fails_in_one_line(run("finetune-bp", "--no-pretraining", "--split", "d"), 2, "--split")
    random = run("finetune-bp", "--no-pretraining", "--split", "a", "--rate", "0.1")
    fails_in_one_line(random, 2, "--all-cases-rate")
    for number in ("7", "60000"):
        few = run("finetune-bp", stack, "--labelled", number, "--quiet", "--out",
                  tmp_path / "new.h5")  # fmt: skip
        fails_in_one_line(few, 1, f"{number} training cases, equally many of each of 10 classes")
    fails_in_one_line(run("unlabelled", tmp_path), 1, str(tmp_path), "no classifiers")
    (tmp_path / "one.h5").write_bytes((runs / "bp-a-100-labelled.h5").read_bytes())
    saved = run("unlabelled", tmp_path, "--save", tmp_path / "one.h5" / "in")
    fails_in_one_line(saved, 1, "unlabelled.md", "cannot be written")
    (tmp_path / "two.h5").write_bytes((runs / "bp-a-100-labelled.h5").read_bytes())
    fails_in_one_line(run("unlabelled", tmp_path), 1, "two.h5", "one.h5")
