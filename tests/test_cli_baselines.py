"""``hinton06 baselines``, and the commands that learn distorted images for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import BACKPROP, PRETRAIN, fails_in_one_line, maker, on_a_terminal, run

import hinton06
from hinton06 import checkpoint, loading
from hinton06.lineage import EXTENDED, ROLES, VALIDATED
from hinton06.report import baselines, support, table1
from hinton06.report.files import conditions

SVM = ("svm", "--split", "a", "--cases", "100", "--translations", "1")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """Nets from a stack and from random starts, of images as they are, moved and distorted."""
    folder, make = tmp_path_factory.mktemp("runs"), maker(digits_dir)
    make("pretrain", "--split", "a", "--runs", folder, *PRETRAIN)
    make("pretrain", "--split", "a", "--affine", "1", "--runs", folder, *PRETRAIN)
    stack, random = folder / "pretrain-a.h5", ("--no-pretraining", "--split", "a", "--layers", "9")
    make("finetune-bp", stack, *BACKPROP)
    make("finetune-bp", stack, "--elastic", "1.5", *BACKPROP)
    make("finetune-bp", "--extend", folder / "bp-a-distorted.h5", *BACKPROP)
    make("finetune-bp", folder / "pretrain-distorted-a.h5", *BACKPROP)
    make("finetune-bp", *random, "--translations", "1", "--out", folder / "moved.h5", *BACKPROP)
    make("finetune-bp", *random, "--affine", "2", "--elastic", "1", "--out", folder / "both.h5",
         *BACKPROP)  # fmt: skip
    make("finetune-bp", "--no-pretraining", folder / "bp-a.h5", "--optimiser", "cg", *BACKPROP)
    make(*SVM, "--save", folder / "svm")
    return folder


def test_distorted_images_of_fewer_cases_have_a_row_too(tmp_path: Path, digits_dir: Path) -> None:
    make = maker(digits_dir)
    make("pretrain", "--split", "a", "--cases", "100", "--runs", tmp_path, *PRETRAIN)
    make("finetune-bp", tmp_path / "pretrain-a.h5", "--elastic", "1.5", *BACKPROP)
    (row,) = document(tmp_path)["rows"]
    assert (row["images"], row["cases"]) == ("elastic 1.5 pixels", 100)


def document(folder: Path) -> Any:
    made = run("baselines", folder, "--json")
    assert made.exit_code == 0, made.output
    return json.loads(made.stdout)


def test_every_method_has_a_row_with_its_images_and_errors(runs: Path) -> None:
    rows = document(runs)["rows"]
    bp, after = "backpropagation", "pretraining, backpropagation"
    assert [(row["method"], row["images"], row["layers"], row["cases"]) for row in rows] == [
        ("support vectors", "as they are", "", 100),
        ("virtual support vectors", "as they are, 5 versions", "", 100),
        (bp, "5 versions", "9", 500),
        (bp, "affine 2 pixels, elastic 1 pixel", "9", 500),
        ("conjugate gradient", "as they are", "12-10-14", 600),
        ("pretraining of distorted images, backpropagation", "as they are", "12-10-14", 500),
        (after, "as they are", "12-10-14", 500),
        (after, "elastic 1.5 pixels", "12-10-14", 500),
        (after, "elastic 1.5 pixels", "12-10-14", 600),
    ]
    machine = json.loads((runs / "svm" / "svm.json").read_text())["rows"]
    names = ("moved", "both", "bp-not-pretrained", "bp-distorted-a", "bp-a", "bp-a-distorted",
             "bp-a-distorted-extended")  # fmt: skip
    outcomes = [checkpoint.load(runs / f"{name}.h5").outcome for name in names]
    measured = [o["test"]["errors"] for o in outcomes]
    assert [row["test_errors"] for row in rows] == [
        *(row["test_errors"] for row in machine), *measured
    ]  # fmt: skip
    assert [row["test_percent"] for row in rows[2:]] == [100 * errors / 200 for errors in measured]
    assert rows[2]["valid_errors"] == outcomes[0]["valid"]["errors"]
    assert not any(row["printed_test_percent"] for row in rows)  # of other images


def test_rows_have_their_own_files_and_runs_that_a_cap_ended_are_named(runs: Path) -> None:
    table = baselines.table(runs)
    assert table.sources is not None
    assert [[file.path.stem for file in files] for files in table.sources] == [
        [], [], ["moved"], ["both"], ["bp-not-pretrained"], ["bp-distorted-a"], ["bp-a"],
        ["bp-a-distorted"], ["bp-a-distorted-extended"],
    ]  # fmt: skip
    capped = {f.path.name for files in table.sources for f in files if f.outcome.capped}
    assert capped
    assert {str(n).partition(": ")[0] for n in table.notes if "before its rule" in n} == capped


def test_the_table_is_printed_in_80_columns_and_saved(runs: Path, tmp_path: Path) -> None:
    assert run("baselines", runs, "--save", tmp_path).exit_code == 0
    assert max(map(len, on_a_terminal(80, "baselines", runs))) <= 80
    assert {p.name for p in tmp_path.iterdir()} == {f"baselines.{s}" for s in ("md", "csv", "json")}


def test_what_is_printed_stands_beside_the_same_method(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines.mnist, "SHA256", document(runs)["files"][0]["lineage"]["data"])
    found = [row["printed_test_percent"] for row in document(runs)["rows"]]
    assert found == [1.4, 0.56, *[None] * 7]
    machine = support.saved(runs)[0]
    assert baselines._machine_row(machine)["printed_test_percent"] == 1.4
    slanted = machine | {"images": "deslanted"}
    assert baselines._machine_row(slanted)["printed_test_percent"] is None
    file = loading.load(runs / "bp-a.h5")
    printed = [
        baselines._printed(file, "backpropagation", "800", ""),
        baselines._printed(file, "backpropagation", "800", "affine"),
        baselines._printed(file, "backpropagation", "800", "elastic"),
        baselines._printed(file, "pretraining, backpropagation", "500-500-2000", ""),
        baselines._printed(file, "backpropagation", "800", "affine+elastic"),
        baselines._printed(file, "backpropagation", "500-500-2000", ""),
    ]
    assert printed == [1.6, 1.1, 0.7, table1.PRINTED[0]["test_error_rate_percent"], None, None]
    extended = loading.load(runs / "bp-a-distorted-extended.h5")
    first = baselines._printed(extended, "pretraining, backpropagation", "500-500-2000", "")
    assert first == table1.PRINTED[4]["test_error_rate_percent"]
    assert (machine["valid_cases"], machine["test_cases"]) == (100, 200)
    assert baselines._machine_row(machine)["valid_percent"] == machine["valid_errors"]
    last = loading.load(runs / "bp-not-pretrained.h5")
    for method in ("backpropagation", "conjugate gradient"):
        assert baselines._printed(last, method, "500-500-2000", "") == 2.27


def test_support_vectors_alone_are_a_table_and_plain_nets_are_none(
    runs: Path, tmp_path: Path
) -> None:
    (tmp_path / "svm.json").write_bytes((runs / "svm" / "svm.json").read_bytes())
    assert len(document(tmp_path)["rows"]) == 2
    (tmp_path / "svm.json").unlink()
    for name in ("pretrain-a.h5", "bp-a.h5"):
        (tmp_path / name).write_bytes((runs / name).read_bytes())
    fails_in_one_line(run("baselines", tmp_path), 1, "there are no nets or support vector machines")
    (tmp_path / "svm.json").write_text("[]")
    fails_in_one_line(run("baselines", tmp_path), 1, "svm.json", "not a table of support vector")


def test_other_tables_pass_over_nets_of_distorted_images(runs: Path, tmp_path: Path) -> None:
    for name in ("pretrain-a", "bp-a", "bp-a-distorted", "bp-a-distorted-extended"):
        (tmp_path / f"{name}.h5").write_bytes((runs / f"{name}.h5").read_bytes())
    rows = json.loads(run("table1", tmp_path, "--json").stdout)["rows"]
    measured = checkpoint.load(runs / "bp-a.h5").outcome["test"]["errors"]
    assert rows[0]["measured"]["test_errors"] == measured
    assert not any(row["measured"] for row in rows[1:])
    assert "left out" not in run("table1", tmp_path).output


def test_an_extension_goes_on_with_the_distortions_of_its_net(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    for name in ("bp-a-distorted", "bp-a-distorted-extended"):
        assert loading.load(runs / f"{name}.h5").settings.distortions == {
            "affine": 0.0, "elastic": 1.5, "smoothing": 4.0
        }  # fmt: skip
    made = hinton06.extend(
        runs / "bp-a-distorted.h5", tmp_path / "again.h5", max_epochs=3, data=digits_dir
    )
    assert (
        loading.load(Path(made.path)).digest
        == loading.load(runs / "bp-a-distorted-extended.h5").digest
    )
    other = run("finetune-bp", "--extend", runs / "bp-a-distorted.h5", "--elastic", "0",
                "--out", tmp_path / "plain.h5", "--data", digits_dir, *BACKPROP)  # fmt: skip
    assert other.exit_code == 0, other.output
    assert not loading.load(tmp_path / "plain.h5").settings.distortions
    (tmp_path / "again.h5").unlink()
    (tmp_path / "net.h5").write_bytes((runs / "bp-a-distorted.h5").read_bytes())
    found = {row["role"]: row for row in document(tmp_path)["rows"]}
    net, extended = (found[role] for role in (ROLES[VALIDATED], ROLES[EXTENDED]))
    assert net["method"] == extended["method"] == "pretraining, backpropagation"
    assert "elastic 0" in extended["made_with"].split("; ")
    assert "elastic 0" not in net["made_with"]


def test_python_learns_the_same_nets(runs: Path, digits_dir: Path, tmp_path: Path) -> None:
    common: dict[str, Any] = {
        "recipe": "quick", "threads": 1, "max_epochs": 3, "patience": 1, "data": digits_dir,
    }  # fmt: skip
    random = dict(split="a", layers=(9,), **common)
    for name, own in (("moved", {"translations": 1}), ("both", {"affine": 2, "elastic": 1})):
        made = hinton06.finetune_from_random(tmp_path / f"{name}.h5", **random, **own)
        assert loading.load(Path(made.path)).digest == loading.load(runs / f"{name}.h5").digest
    with pytest.raises(TypeError, match="translations"):
        hinton06.finetune_from_random(
            tmp_path / "x.h5", criteria=[runs / "bp-a.h5"], translations=1
        )


def test_a_net_without_pretraining_learns_the_images_that_were_distorted_as_those_of_its_criteria(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    command = ("finetune-bp", "--no-pretraining", runs / "bp-a-distorted.h5", "--data", digits_dir,
               "--max-epochs", "1", "--quiet")  # fmt: skip
    for more, elastic in (([], 1.5), (["--elastic", "0"], 0.0), (["--no-dropout"], 1.5)):
        assert run(*command, *more, "--out", tmp_path / "net.h5", "--force").exit_code == 0
        assert vars(loading.load(tmp_path / "net.h5").settings)["elastic"] == elastic


def test_what_was_distorted_is_said_of_all_that_descends_from_it(runs: Path) -> None:
    assert conditions(loading.load(runs / "bp-distorted-a.h5")) == {"affine"}
    assert conditions(loading.load(runs / "both.h5")) == {"affine", "elastic", "random_start"}
    shown = run("show", runs / "bp-a-distorted.h5").stdout
    assert "Simard, Steinkraus and Platt (2003)" in shown


def test_a_seed_gives_the_same_versions_and_another_seed_others(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    again = ("finetune-bp", runs / "pretrain-a.h5", "--elastic", "1.5", "--data", digits_dir,
             *BACKPROP)  # fmt: skip
    assert run(*again, "--out", tmp_path / "same.h5").exit_code == 0
    assert run(*again, "--out", tmp_path / "other.h5", "--seed", "1").exit_code == 0
    first = loading.load(runs / "bp-a-distorted.h5")
    same, other = (loading.load(tmp_path / f"{name}.h5") for name in ("same", "other"))
    assert same.digest == first.digest
    assert not np.array_equal(other.history["sampled_cost"], first.history["sampled_cost"])


def test_mistakes_are_named(runs: Path, tmp_path: Path) -> None:
    for option in ("--affine", "--elastic", "--smoothing"):
        for value in ("-1", "nan", "much", "1e9"):
            command = run("finetune-bp", runs / "pretrain-a.h5", option, value)
            fails_in_one_line(command, 2, option)
    fails_in_one_line(
        run("finetune-bp", runs / "pretrain-a.h5", "--translations", "1"), 2, "--split"
    )
    for command in (("finetune-bp", runs / "pretrain-a.h5"), ("pretrain", "--split", "a")):
        alone = run(*command, "--smoothing", "2", "--affine", "1")
        fails_in_one_line(alone, 2, "--smoothing goes with --elastic")
    fails_in_one_line(run("baselines", tmp_path), 1, str(tmp_path), "there are no nets")
