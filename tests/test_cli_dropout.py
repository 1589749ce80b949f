"""``--dropout``, what goes on from it, and ``hinton06 dropout``, which alone tabulates it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import BACKPROP, PRETRAIN, fails_in_one_line, maker, on_a_terminal, run
from test_cli_generative import CWS

from hinton06 import learning
from hinton06.loading import RunFile, load
from hinton06.recognition import product_of_nets, score
from hinton06.report.files import conditions

SCHEDULE = ["--epochs", "2", "--extension-epochs", "1"]
MIXED = ["--bp-weight", "0.9", "--dropout"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """Nets with dropout of each kind, and a plain one of each beside them."""
    folder, make = tmp_path_factory.mktemp("runs"), maker(digits_dir)
    dropout = ["--dropout", *SCHEDULE, *BACKPROP]
    for split in "ab":
        make("pretrain", "--split", split, "--runs", folder, *PRETRAIN)
        make("finetune-bp", folder / f"pretrain-{split}.h5", *dropout)
        make("finetune-bp", "--extend", folder / f"bp-dropout-{split}.h5", *BACKPROP, *SCHEDULE)
    make("finetune-bp", folder / "pretrain-a.h5", "--labelled", "100", *dropout)
    make("finetune-bp", folder / "pretrain-a.h5", "--labelled", "200", *dropout)
    make("pretrain", "--split", "a", "--translations", "1", "--runs", folder, *PRETRAIN)
    make("finetune-bp", folder / "pretrain-translated-a.h5", *dropout)
    make("finetune-bp", "--no-pretraining", "--split", "b", "--labelled", "100", "--layers",
         "12-10", "--out", folder / "bp-dropout-random.h5", *dropout)  # fmt: skip
    make("pretrain", "--labels", "--split", "a", "--on", folder / "pretrain-a.h5", "--runs", folder,
         *PRETRAIN)  # fmt: skip
    make("finetune-cws", folder / "pretrain-labels-a.h5", *MIXED, *CWS)
    make("finetune-cws", "--extend", folder / "hybrid-dropout-a.h5", *CWS)
    make("finetune-bp", folder / "pretrain-a.h5", *BACKPROP)
    make("finetune-bp", folder / "pretrain-a.h5", "--labelled", "100", *BACKPROP)
    return folder


def file(runs: Path, name: str) -> RunFile:
    return load(runs / f"{name}.h5")


def rows(folder: Path, table: str = "dropout") -> list[dict[str, Any]]:
    made = run(table, folder, "--json")
    assert made.exit_code == 0, made.output
    found: list[dict[str, Any]] = json.loads(made.stdout)["rows"]
    return found


def test_the_table_says_what_each_net_learned(runs: Path) -> None:
    assert [(row["experiment"], row["net"]) for row in rows(runs)] == [
        *(("dropout, 500", net) for net in ("a", "b", "mean", "product")),
        *(("dropout, 600", net) for net in ("a", "b", "mean", "product")),
        *(("dropout, mixed gradient, 500", net) for net in ("a", "mean")),
        *(("dropout, mixed gradient, 600", net) for net in ("a", "mean")),
        *(("dropout, translated images, 500", net) for net in ("a", "mean")),
        *(("dropout, 100 labels", net) for net in ("a", "mean")),
        *(("dropout, not pretrained, 100 labels", net) for net in ("b", "mean")),
        ("dropout, 600 and dropout, mixed gradient, 600", "product"),
    ]


def test_its_numbers_are_those_of_the_files(runs: Path) -> None:
    found = {(row["experiment"], row["net"]): row for row in rows(runs)}
    names = ("bp-dropout-a-extended", "bp-dropout-b-extended", "hybrid-dropout-a-extended")
    outcomes = [file(runs, name).outcome for name in names]
    for net, outcome in zip("ab", outcomes, strict=False):
        assert outcome.test is not None
        assert found["dropout, 600", net]["test_errors"] == outcome.test.errors
    answers = [outcome.test_log_probs for outcome in outcomes if outcome.test_log_probs is not None]
    labels = outcomes[0].test_labels
    assert labels is not None
    together = "dropout, 600 and dropout, mixed gradient, 600"
    for key, some in ((("dropout, 600", "product"), answers[:2]), ((together, "product"), answers)):
        assert found[key]["test_errors"] == score(product_of_nets(some), labels).errors


def test_there_is_no_product_of_two_experiments_where_one_has_no_net(
    runs: Path, tmp_path: Path
) -> None:
    for path in runs.glob("bp-dropout-[ab]*.h5"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    found = {row["experiment"] for row in rows(tmp_path)}
    assert "dropout, 600" in found
    assert not any("dropout and" in name or "600 and" in name for name in found)


def test_labels_that_have_no_line_are_named(runs: Path) -> None:
    shown = run("dropout", runs).output
    assert "left out: bp-dropout-a-200-labelled.h5 (200 validated)" in " ".join(shown.split())
    assert max(map(len, on_a_terminal(80, "dropout", runs))) <= 80


def test_no_other_table_has_a_net_of_it(runs: Path, tmp_path: Path) -> None:
    for path in runs.glob("*dropout*.h5"):
        assert "dropout" in conditions(load(path)), path
    document = json.loads(run("table1", runs, "--json").stdout)
    plain = file(runs, "bp-a").outcome
    assert plain.test is not None
    assert document["rows"][0]["measured"]["test_errors"] == plain.test.errors
    assert [row["measured"] for row in document["rows"][1:]] == [None] * 8
    few = json.loads(run("unlabelled", runs, "--json").stdout)["rows"]
    assert [(row["labelled"], row["splits"]) for row in few] == [(100, "a"), (500, "a")]
    assert {row["experiment"] for row in rows(runs, "generative")} == {
        "greedy pretraining with labels"
    }
    for name in ("bp-dropout-a", "bp-dropout-translated-a", "bp-dropout-a-extended"):
        (tmp_path / f"{name}.h5").write_bytes((runs / f"{name}.h5").read_bytes())
    fails_in_one_line(run("table1", tmp_path), 1, "no nets of Table 1")
    fails_in_one_line(run("translated", tmp_path), 1, "no classifiers of translated images")
    (tmp_path / "pretrain-a.h5").write_bytes((runs / "pretrain-a.h5").read_bytes())
    notes = json.loads(run("table1", tmp_path, "--json").stdout)["notes"]
    assert "3 nets here, of another table: dropout and translations" in notes
    assert not any("another table" in note for note in document["notes"])


def test_what_goes_on_from_a_net_with_dropout_has_it_unless_it_is_told_otherwise(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    for name in ("bp-dropout-a-extended", "hybrid-dropout-a-extended"):
        assert vars(file(runs, name).settings)["dropout"] is True
    plain = tmp_path / "plain.h5"
    made = run("finetune-bp", "--extend", runs / "bp-dropout-a.h5", "--no-dropout", "--out", plain,
               "--quiet", "--data", digits_dir, *BACKPROP)  # fmt: skip
    assert made.exit_code == 0, made.output
    found = load(plain)
    assert vars(found.settings)["dropout"] is False
    assert found.lineage.below == ("dropout",)
    assert conditions(found) == {"dropout"}
    # From Python as well.
    again = learning.extend(
        runs / "bp-dropout-a.h5", tmp_path / "again.h5", max_epochs=3, patience=1, epochs=2,
        extension_epochs=1, data=digits_dir, threads=1,
    )  # fmt: skip
    assert load(Path(again.path)).digest == file(runs, "bp-dropout-a-extended").digest


def test_the_history_has_the_rate_and_learning_waits_for_it_to_fall(runs: Path) -> None:
    history = file(runs, "bp-dropout-a").history
    np.testing.assert_allclose(history["rate"][:2], [0.4, 0.02])
    assert len(history["rate"]) >= 2
    assert "rate" not in file(runs, "bp-a").history


def test_the_settings_have_their_sources(runs: Path) -> None:
    shown = run("show", runs / "bp-dropout-a.h5").output
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert "Srivastava and others (2014)" in lines["dropout"]
    assert "experiments/beyond" in lines["pixel_dropout"]
    assert lines["epochs"].endswith("option")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--pixel-dropout", "0.3"], 2, ["--pixel-dropout goes with --dropout"]),
        (["--dropout", "--feature-dropout", "0.1,0.2"], 1, ["2 chances of dropout for 3 layers"]),
        (["--dropout", "--feature-dropout", "1"], 2, ["chances below 1"]),
        (["--dropout", "--feature-dropout", "some"], 2, ["from 0 to 1"]),
        (["--dropout", "--pixel-dropout", "1"], 2, ["--pixel-dropout"]),
        (["--dropout", "--optimiser", "cg"], 2, ["goes with the optimiser momentum"]),
        (["--dropout", "--max-norm", "-1"], 2, ["--max-norm"]),
    ],
)
def test_mistakes_are_named(
    runs: Path, digits_dir: Path, tmp_path: Path, options: list[str], code: int, words: list[str]
) -> None:
    out = tmp_path / "net.h5"
    result = run("finetune-bp", runs / "pretrain-a.h5", *options, "--out", out, "--quiet", "--data",
                 digits_dir)  # fmt: skip
    fails_in_one_line(result, code, *words)
    assert not out.exists()


def test_dropout_without_backpropagation_is_refused(runs: Path, digits_dir: Path) -> None:
    result = run("finetune-cws", runs / "pretrain-labels-a.h5", "--dropout", "--quiet", "--data",
                 digits_dir, *CWS)  # fmt: skip
    fails_in_one_line(result, 1, "no dropout in this gradient", "--bp-weight")


def test_the_record_has_means_over_seeds_with_their_commands(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "experiments" / "beyond")
    record = importlib.import_module("record")
    measured = record.replicas.table([runs], "dropout").rows
    found = {row["name"]: row for row in record.rows(measured)}
    errors = [file(runs, f"bp-dropout-{split}-extended").outcome.scores["test"] for split in "ab"]
    row = found["dropout, 600, mean"]
    assert row["mean"] == pytest.approx(sum(score.error_rate for score in errors) / 2)
    assert (row["seeds"], row["interval"]) == ([0], None)
    commands = {row["command"] for row in found.values()}
    for words in ("--search-bp-weight --dropout", "--labelled", "--no-pretraining", "--dropout"):
        assert any(words in command for command in commands)
    page = record.shown({"rows": list(found.values())})
    assert f"| dropout, 600, mean | 0 | {row['mean']:.2f} |" in page
    assert "No run" in record.shown({"rows": []})
