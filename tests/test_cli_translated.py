"""``hinton06 translated``, and the commands that make what it tabulates."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from test_cli import BACKPROP, PRETRAIN, fails_in_one_line, maker, on_a_terminal, run

from hinton06 import checkpoint
from hinton06.recognition import product_of_nets, score


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """Translated images of two splits and plain ones of another, by the commands of README."""
    folder, make = tmp_path_factory.mktemp("runs"), maker(digits_dir)
    for split in "ab":
        make("pretrain", "--split", split, "--translations", "2", "--runs", folder, *PRETRAIN)
        make("finetune-bp", folder / f"pretrain-translated-{split}.h5", *BACKPROP)
    make("finetune-bp", "--extend", folder / "bp-translated-b.h5", *BACKPROP)
    make("pretrain", "--split", "a", "--runs", folder, *PRETRAIN)
    make("finetune-bp", folder / "pretrain-a.h5", *BACKPROP)
    return folder


def test_the_table_has_the_nets_their_mean_and_their_product(runs: Path) -> None:
    rows = json.loads(run("translated", runs, "--json").stdout)["rows"]
    lines = [(row["experiment"], row["net"]) for row in rows]
    assert lines == [  # counted before they are translated
        *(("translated images, 500", net) for net in ("a", "b", "mean", "product")),
        *(("translated images, 600", net) for net in ("b", "mean")),
    ]
    outcomes = [checkpoint.load(runs / f"bp-translated-{split}.h5").outcome for split in "ab"]
    for row, outcome in zip(rows, outcomes, strict=False):
        assert row["test_errors"] == outcome["test"]["errors"]
        assert row["valid_errors"] == outcome["valid"]["errors"]
    errors = [outcome["test"]["errors"] for outcome in outcomes]
    assert rows[2]["test_percent"] == pytest.approx(100 * sum(errors) / (2 * 200))
    product = product_of_nets([outcome["test_log_probs"] for outcome in outcomes])
    assert rows[3]["test_errors"] == score(product, outcomes[0]["test_labels"]).errors


def test_the_printed_average_stands_beside_the_mean(runs: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        found = checkpoint.load(runs / "bp-translated-b-extended.h5")
        found.lineage["split"] = {"one": "a", "two": "b"}[name]
        found.outcome["test"]["errors"] = {"one": 3, "two": 6}[name]
        checkpoint.save(tmp_path / f"{name}.h5", found)
    shown = run("translated", tmp_path, "--format", "markdown").stdout
    cells = [line.strip("| ").split(" | ") for line in shown.splitlines() if "images, 600" in line]
    assert [row[-1].strip("| ") for row in cells[:3]] == ["1.50 %", "3.00 %", "0.65 %"]
    assert cells[2][-2] == "2.25 %"
    assert "missing: translated images, stopped by validation" in shown


def test_the_table_is_printed_in_80_columns_and_saved_in_every_format(
    runs: Path, tmp_path: Path
) -> None:
    made = run("translated", runs, "--save", tmp_path)
    assert made.exit_code == 0, made.output
    assert max(map(len, on_a_terminal(80, "translated", runs))) <= 80
    assert {path.name for path in tmp_path.iterdir()} == {
        f"translated.{suffix}" for suffix in ("md", "csv", "json")
    }
    saved = list(csv.DictReader(io.StringIO((tmp_path / "translated.csv").read_text())))
    assert [row["net"] for row in saved] == ["a", "b", "mean", "product", "b", "mean"]


def test_table_1_holds_no_net_of_translated_images(runs: Path) -> None:
    document = json.loads(run("table1", runs, "--json").stdout)
    plain = checkpoint.load(runs / "bp-a.h5").outcome
    assert document["rows"][0]["measured"]["test_errors"] == plain["test"]["errors"]
    assert [row["measured"] for row in document["rows"][1:]] == [None] * 8


def test_a_net_of_few_labels_has_no_line_and_learns_every_version_of_its_cases(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    for name in ("pretrain-translated-a", "bp-translated-a"):
        (tmp_path / f"{name}.h5").write_bytes((runs / f"{name}.h5").read_bytes())
    made = run("finetune-bp", tmp_path / "pretrain-translated-a.h5", "--labelled", "100",
               "--data", digits_dir, "--quiet", *BACKPROP)  # fmt: skip
    assert made.exit_code == 0, made.output
    few = checkpoint.load(tmp_path / "bp-translated-a-100-labelled.h5")
    assert few.outcome["train"]["cases"] == 13 * 100
    rows = json.loads(run("translated", tmp_path, "--json").stdout)["rows"]
    whole = checkpoint.load(runs / "bp-translated-a.h5").outcome
    assert [(row["net"], row["test_errors"]) for row in rows][:1] == [
        ("a", whole["test"]["errors"])
    ]


def test_a_translated_net_learned_every_version(runs: Path) -> None:
    stack = checkpoint.load(runs / "pretrain-translated-a.h5")
    assert stack.lineage["translations"] == 2
    net = checkpoint.load(runs / "bp-translated-a.h5")
    assert net.outcome["train"]["cases"] == 13 * 500
    assert not np.isnan(net.history["valid_cost"]).any()


def test_mistakes_are_named(runs: Path, tmp_path: Path) -> None:
    for distance in ("-1", "9", "two"):
        result = run("pretrain", "--split", "a", "--translations", distance)
        fails_in_one_line(result, 2, "--translations")
    fails_in_one_line(run("translated", tmp_path), 1, str(tmp_path), "no classifiers")
    (tmp_path / "one.h5").write_bytes((runs / "bp-translated-a.h5").read_bytes())
    fails_in_one_line(run("table1", tmp_path), 1, str(tmp_path), "no nets of Table 1")
    saved = run("translated", runs, "--save", tmp_path / "one.h5" / "in")
    fails_in_one_line(saved, 1, "translated.md", "cannot be written")
    (tmp_path / "two.h5").write_bytes((runs / "bp-translated-a.h5").read_bytes())
    fails_in_one_line(run("translated", tmp_path), 1, "two.h5", "one.h5")
