"""The commands of the generative half, from labels to the table of its experiments."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import PRETRAIN, fails_in_one_line, maker, on_a_terminal, run

import hinton06
from hinton06 import checkpoint
from hinton06.loading import load
from hinton06.mnist import load as load_digits
from hinton06.recognition import product_of_nets, score

CWS = ["--epochs", "4", "--recipe", "quick", "--threads", "1", "--rate", "0.05"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """All experiments of two splits in a folder, by the commands that README gives."""
    folder, make = tmp_path_factory.mktemp("runs"), maker(digits_dir)
    for split in "ab":
        make("pretrain", "--split", split, "--runs", folder, *PRETRAIN)
        on = folder / f"pretrain-{split}.h5"
        make("pretrain", "--labels", "--split", split, "--runs", folder, "--on", on, *PRETRAIN)
        make("finetune-cws", folder / f"pretrain-labels-{split}.h5", *CWS)
        make("finetune-cws", "--extend", folder / f"cws-{split}.h5", *CWS)
    mixed = ["--search-bp-weight", "--bp-weights", "0.5,0.9"]
    make("finetune-cws", folder / "cws-a.h5", *mixed, *CWS)
    make("finetune-cws", "--extend", folder / "hybrid-a.h5", *CWS)
    return folder


def table(runs: Path) -> dict[str, Any]:
    made = run("generative", runs, "--json")
    assert made.exit_code == 0, made.output
    document: dict[str, Any] = json.loads(made.stdout)
    return document


def test_the_table_has_a_line_for_every_net_and_product(runs: Path) -> None:
    lines = [(row["experiment"], row["net"]) for row in table(runs)["rows"]]
    both = ("a", "b", "product")
    expected = [
        *(("greedy pretraining with labels", net) for net in both),
        *(("contrastive wake-sleep, 500", net) for net in both),
        *(("contrastive wake-sleep, 600", net) for net in both),
        ("mixed gradient, 500", "a"),
        ("mixed gradient, 600", "a"),
    ]
    assert lines == expected


def test_the_table_s_numbers_are_those_of_the_files(runs: Path) -> None:
    rows = {(row["experiment"], row["net"]): row for row in table(runs)["rows"]}
    for experiment, stem in (
        ("greedy pretraining with labels", "pretrain-labels-a"),
        ("contrastive wake-sleep, 500", "cws-a"),
        ("mixed gradient, 600", "hybrid-a-extended"),
    ):
        outcome, row = checkpoint.load(runs / f"{stem}.h5").outcome, rows[experiment, "a"]
        for part in ("train", "test"):
            assert row[f"{part}_errors"] == outcome[part]["errors"]
    files = [checkpoint.load(runs / f"cws-{split}.h5").outcome for split in "ab"]
    product = product_of_nets([outcome["test_log_probs"] for outcome in files])
    expected = score(product, files[0]["test_labels"])
    assert rows["contrastive wake-sleep, 500", "product"]["test_errors"] == expected.errors
    assert rows["mixed gradient, 600", "a"]["printed_test_percent"] == 0.97


def test_what_is_missing_and_unfinished_is_said(runs: Path) -> None:
    notes = table(runs)["notes"]
    assert "missing: BP with the pretraining's gradient" in notes
    assert not any("mixed gradient" in note for note in notes)


def test_the_table_is_printed_in_80_columns_and_saved_in_every_format(
    runs: Path, tmp_path: Path
) -> None:
    made = run("generative", runs, "--save", tmp_path / "out")
    assert made.exit_code == 0, made.output
    assert max(map(len, on_a_terminal(80, "generative", runs))) <= 80
    assert "0.97 %" in made.stdout
    saved = {path.suffix: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert saved.keys() == {".md", ".csv", ".json"}
    assert len(list(csv.DictReader(io.StringIO(saved[".csv"])))) == len(table(runs)["rows"])
    assert json.loads(saved[".json"]) == table(runs)
    assert run("generative", runs, "--format", "markdown").stdout == saved[".md"]


def test_a_folder_without_generative_nets_is_named(tmp_path: Path) -> None:
    fails_in_one_line(run("generative", tmp_path), 1, str(tmp_path), "no generative nets")


def test_a_second_net_for_the_same_line_is_named(runs: Path, tmp_path: Path) -> None:
    for name in ("one.h5", "two.h5"):
        (tmp_path / name).write_bytes((runs / "cws-a.h5").read_bytes())
    fails_in_one_line(run("generative", tmp_path), 1, "two.h5", "one.h5")


# -- the search ----------------------------------------------------------------------------------


def test_a_search_prints_its_curve_and_marks_the_chosen_coefficient(
    runs: Path, digits_dir: Path
) -> None:
    again = run("finetune-cws", runs / "cws-a.h5", "--search-bp-weight", "--bp-weights", "0.5,0.9",
                *CWS, "--data", digits_dir)  # fmt: skip
    assert again.exit_code == 0, again.output
    assert "already finished" in again.stdout
    history = checkpoint.load(runs / "hybrid-a.h5").history
    fewest = [int(part.min()) for part in np.split(history["valid_errors"], 2)]
    curve = [line.split() for line in again.stdout.splitlines()[-2:]]
    assert [line[:3] for line in curve] == [
        ["0.5", "1-2", str(fewest[0])], ["0.9", "3-4", str(fewest[1])]
    ]  # fmt: skip
    assert [line[-1] == "chosen" for line in curve] == [
        fewest[0] <= fewest[1],
        fewest[0] > fewest[1],
    ]


def test_mistakes_of_the_generative_commands_are_named(runs: Path, digits_dir: Path) -> None:
    net, data = runs / "cws-a.h5", ["--data", digits_dir, "--quiet"]
    fails_in_one_line(run("finetune-cws"), 2, "START")
    fails_in_one_line(run("finetune-cws", net, "--extend", net), 2, "START")
    fails_in_one_line(run("finetune-cws", "--extend", net, "--bp-weight", "0.5"), 2, "--bp-weight")
    fails_in_one_line(
        run("finetune-cws", net, "--bp-weights", "0.5,2"), 2, "--bp-weights", "0 to 1"
    )
    fails_in_one_line(run("finetune-cws", net, "--bp-weight", "2"), 2, "--bp-weight")
    fails_in_one_line(run("finetune-cws", net, "--generative", "cd"), 2, "--generative")
    fails_in_one_line(run("finetune-cws", net, "--out", net), 2, "START")
    fails_in_one_line(run("finetune-cws", net), 2, "--out")
    stack = runs / "pretrain-a.h5"
    fails_in_one_line(run("finetune-cws", stack, *data), 1, "without labels")
    other = ["--on", stack, *PRETRAIN]
    fails_in_one_line(run("pretrain", "--split", "all", *other), 2, "--on")
    fails_in_one_line(run("pretrain", "--split", "b", *other, *data), 1, "split")


# -- extensions go on with what their nets were learned with -------------------------------------


@pytest.fixture(scope="module")
def by_pretraining(runs: Path, digits_dir: Path) -> Path:
    """A net by the pretraining's gradient with a schedule of its own, extended with no option."""
    own = ["--epochs", "4", "--rate", "0.05", "--averaging", "1", "--threads", "1"]
    own += ["--generative", "pretraining", "--bp-weight", "0.5", "--recipe", "quick"]
    folder, make = runs / "others", maker(digits_dir)
    net = folder / "pretraining-a.h5"
    make("finetune-cws", runs / "pretrain-labels-a.h5", *own, "--out", net)
    make("finetune-cws", "--extend", net)
    return folder


def test_an_extension_goes_on_with_the_settings_of_its_net(by_pretraining: Path) -> None:
    net, on = (load(by_pretraining / f"pretraining-a{end}.h5") for end in ("", "-extended"))
    assert on.settings == net.settings
    assert on.settings.generative == "pretraining"
    assert on.history["rate"][0] <= net.history["rate"][-1]  # down the same schedule


def test_an_extension_is_in_no_other_gradient_s_line(by_pretraining: Path) -> None:
    lines = {row["experiment"] for row in table(by_pretraining)["rows"]}
    assert lines == {"BP with the pretraining's gradient"}


def test_what_is_said_to_an_extension_holds_against_its_net(
    by_pretraining: Path, digits_dir: Path, tmp_path: Path
) -> None:
    start, out = by_pretraining / "pretraining-a.h5", tmp_path / "on.h5"
    made = run("finetune-cws", "--extend", start, "--rate", "0.02", "--data", digits_dir,
               "--out", out)  # fmt: skip
    assert made.exit_code == 0, made.output
    own = next(line for line in made.stderr.splitlines() if "generative pretraining" in line)
    assert own.startswith("hinton06: with ")
    assert "averaging 1" in own
    assert "rate" not in own
    assert load(out).settings.rate == 0.02
    again = tmp_path / "again.h5"
    hinton06.extend(start, again, rate=0.02, data=load_digits(digits_dir))
    assert load(again).digest == load(out).digest
