"""The nets inside the package: small, as good as the exact ones, and opened by name."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run

import hinton06
from hinton06 import checkpoint, loading, nets
from hinton06.checkpoint import CheckpointError
from hinton06.lineage import VALIDATED
from hinton06.mnist import Digits
from hinton06.recognition import score

ROOT = Path(__file__).parents[1]
OLD = ROOT / "tests" / "data" / "version-1"
RECORD = ROOT / "experiments" / "nets"
NAMES = nets.names()


def recorded() -> dict[str, dict[str, str]]:
    lines = (RECORD / "nets.csv").read_text(encoding="utf-8").splitlines()
    return {row["name"]: row for row in csv.DictReader(lines)}


# -- what is inside ------------------------------------------------------------------------------


def test_the_classifier_is_inside() -> None:
    assert "table1-a" in NAMES
    printed = run("show", "table1-a").stdout
    assert re.search(r"rounded to 11 significant bits from the model [0-9a-f]{64}, whose", printed)


@pytest.mark.parametrize("name", NAMES)
def test_a_net_inside_is_small_and_makes_the_errors_of_the_exact_one(
    name: str, shipped: Digits
) -> None:
    """What the file records of the test cases was measured before the rounding."""
    path = nets.located(Path(name))
    assert path.stat().st_size <= 4_000_000
    file = loading.load(Path(name))
    exact, logs = file.outcome.test, file.outcome.test_log_probs
    assert exact is not None
    assert logs is not None
    assert exact.cases == 10_000
    now = score(file.recogniser().log_probs(shipped.test_images), shipped.test_labels)
    assert abs(now.errors - exact.errors) <= 2
    row = recorded()[name]
    assert int(row["test errors"]) == exact.errors
    assert abs(int(row["test errors inside"]) - exact.errors) <= 2
    assert (int(row["bytes"]), int(row["bits"])) == (path.stat().st_size, file.lineage.bits)


@pytest.mark.parametrize("name", NAMES)
def test_a_net_inside_keeps_the_record_of_its_run(name: str) -> None:
    file = loading.load(Path(name))
    assert file.complete
    assert file.recipe == "tr2006"
    assert file.lineage.split == "a"
    assert len(file.history["valid_errors"]) >= file.outcome.epochs > 0
    assert {"train", "valid", "test"} == set(file.outcome.scores)
    assert {array.dtype for array in file.arrays().values()} == {np.dtype(np.float32)}
    for array in file.arrays().values():
        np.testing.assert_array_equal(array, array.astype(np.float16))
    made = json.loads((RECORD / "nets.json").read_text(encoding="utf-8"))["files"]
    assert file.digest in [each["sha256"] for each in made]


def test_table1_a_is_the_recorded_net_of_table_1() -> None:
    text = (ROOT / "experiments" / "table1" / "table1.json").read_text(encoding="utf-8")
    file = loading.load(Path("table1-a"))
    assert file.lineage.rounded_from in [each["sha256"] for each in json.loads(text)["files"]]
    assert (file.kind.name, file.lineage.role) == ("classifier", VALIDATED)


# -- rounding ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [3, 8, 10, 11])
def test_rounding_is_to_the_nearest_number_of_so_many_bits(bits: int, tmp_path: Path) -> None:
    exact = checkpoint.load(OLD / "cws-a.h5")
    checkpoint.save(tmp_path / "near.h5.xz", nets.rounded(exact, bits))
    near = checkpoint.load(tmp_path / "near.h5.xz")
    for name, array in exact.model.items():
        if not isinstance(array, np.ndarray):
            assert near.model[name] == array
            continue
        found = near.model[name]
        assert found.dtype == np.float32
        # Half of the last bit; of what is below 2^-14, half of the float16's last one, 2^-24.
        step = 2.0 ** (np.floor(np.log2(np.maximum(abs(array), 2.0**-50))) - bits)
        assert (abs(found - array) <= np.maximum(step, 2.0**-25)).all()
        fractions, _ = np.frexp(found)
        np.testing.assert_array_equal(np.ldexp(fractions, bits) % 1, 0)


def test_rounding_keeps_all_but_the_numbers_and_says_so(assert_same: Any) -> None:
    exact = checkpoint.load(OLD / "bp-a.h5")
    near = nets.rounded(exact)
    assert near.lineage == exact.lineage | {"rounded_from": exact.digest(), "bits": 11}
    for part in ("kind", "complete", "recipe", "settings", "provenance", "history"):
        assert_same(getattr(near, part), getattr(exact, part))
    for part in ("train", "valid", "test", "epochs", "reason"):
        assert near.outcome[part] == exact.outcome[part]


def test_numbers_that_a_float16_does_not_hold_are_refused() -> None:
    exact = checkpoint.load(OLD / "bp-a.h5")
    exact.model["weights1"] = exact.model["weights1"] * np.float32(1e6)
    with pytest.raises(CheckpointError, match="weights1 holds a number that is too large"):
        nets.rounded(exact)
    with pytest.raises(ValueError, match="1 to 11 significant bits, not 12"):
        nets.rounded(exact, 12)


def test_a_rounded_net_is_none_of_a_table(tmp_path: Path) -> None:
    for name in ("bp-a", "bp-b"):
        shutil.copy(OLD / "bp-a.h5", tmp_path / f"{name}.h5")
    checkpoint.save(tmp_path / "bp-b.h5", nets.rounded(checkpoint.load(OLD / "bp-a.h5")))
    printed = run("table1", tmp_path).stdout
    assert "left out: bp-b.h5 (bits, rounded_from)" in printed


def test_what_is_made_from_a_rounded_net_is_not_rounded(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "bp-a.h5.xz", nets.rounded(checkpoint.load(OLD / "bp-a.h5")))
    start = loading.load(tmp_path / "bp-a.h5.xz")
    made = hinton06.extend(
        tmp_path / "bp-a.h5.xz", tmp_path / "extended.h5", data=OLD / "digits", max_epochs=2
    )
    assert made.record.lineage.parents == (start.digest,)
    assert (made.record.lineage.rounded_from, made.record.lineage.bits) == ("", 0)


# -- names ---------------------------------------------------------------------------------------


def test_a_name_is_taken_wherever_a_file_is(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert hinton06.load("table1-a").path == "table1-a"
    for command in (
        ["show", "table1-a"],
        ["evaluate", "table1-a", "--part", "test", "--cases", "50"],
        ["figures", "table1-a", "--only", "3"],
        ["export", "table1-a", "--to", "npz"],
    ):
        done = run(*command)
        assert done.exit_code == 0, done.output
        assert "table1-a" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"figures", "table1-a.npz"}
    refused = run("sample", "table1-a")
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (1, 1)
    assert refused.stderr.startswith("hinton06: table1-a: holds a fine-tuned classifier")


def test_a_file_of_that_name_goes_first_and_a_folder_does_not(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table1-a").mkdir()
    assert hinton06.load("table1-a").n_pixels == 784
    assert run("show", "table1-a").exit_code == 0
    (tmp_path / "table1-a").rmdir()
    shutil.copy(OLD / "cws-a.h5", tmp_path / "table1-a")
    assert hinton06.load("table1-a").kind == "generative"
    assert "a fine-tuned generative net" in run("show", "table1-a").stdout


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "tabel1-a"],
        ["combine", "table1-a", "tabel1-a"],
        ["compare", "table1-a", "tabel1-a"],
        ["recognise", __file__, "--net", "tabel1-a"],
        ["finetune-bp", "tabel1-a"],
        ["finetune-bp", "--extend", "tabel1-a"],
        ["pretrain", "--split", "a", "--on", "tabel1-a"],
    ],
)
def test_a_misspelt_name_is_one_line_that_lists_the_names(command: list[str]) -> None:
    done = run(*command)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line == (
        "hinton06: tabel1-a: there is no such file, and no net of that name (there are "
        f"{', '.join(NAMES)})"
    )
    with pytest.raises(CheckpointError, match="no net of that name"):
        hinton06.load("tabel1-a")


@pytest.mark.parametrize("given", ["table1-a.h5", "./table1-a", "runs/table1-a"])
def test_a_path_is_no_name(given: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("show", given)
    assert done.exit_code == 2
    assert f"'{given}' does not exist" in done.stderr


def test_a_folder_is_said_to_be_one(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(CheckpointError, match="is a folder"):
        hinton06.load("runs")
    assert "'runs' is a directory" in run("show", "runs").stderr
