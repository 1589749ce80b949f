"""``hinton06 replicas``: Table 1 of several seeds."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import BACKPROP, PRETRAIN, fails_in_one_line, maker, on_a_terminal, run

from hinton06 import checkpoint, mnist

ERRORS = {
    0: {"a": 120, "b": 118, "c": 124},
    3: {"a": 130, "b": 115, "c": 121},
    10: {"a": 122, "b": 112, "c": 126},
}
"""Test errors that the replicas are given."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """A stack and the nets of split a, by the commands."""
    folder, make = tmp_path_factory.mktemp("made"), maker(digits_dir)
    make("pretrain", "--split", "a", "--runs", folder, *PRETRAIN)
    make("finetune-bp", folder / "pretrain-a.h5", *BACKPROP)
    make("finetune-bp", "--extend", folder / "bp-a.h5", *BACKPROP)
    return folder


@pytest.fixture
def replica(made: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of a seed whose nets, of MNIST unless told otherwise, have these errors."""

    def make(
        seed: int, errors: Mapping[str, int], data: str = mnist.SHA256, **settings: Any
    ) -> Path:
        folder = tmp_path / f"seed-{seed}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for split, count in errors.items():
            for name, fewer in (("bp-a", 0), ("bp-a-extended", 8)):
                found = checkpoint.load(made / f"{name}.h5")
                found.recipe = "tr2006"
                found.lineage |= {"seed": seed, "split": split, "data": data}
                found.outcome["train"] |= {"cases": 60_000 if fewer else 50_000}
                found.settings |= settings
                found.outcome |= {"capped": False}
                found.outcome["test"] |= {"cases": 10_000, "errors": count - fewer}
                if not fewer:
                    found.outcome["valid"] |= {"cases": 10_000, "errors": count + 20}
                checkpoint.save(folder / f"{name.replace('a', split, 1)}.h5", found)
        return folder

    return make


@pytest.fixture
def three(replica: Callable[..., Path]) -> list[Path]:
    """Folders of the seeds of `ERRORS`, not in their order."""
    return [replica(seed, ERRORS[seed]) for seed in (10, 0, 3)]


def rows_of(*folders: Path) -> dict[tuple[str, str], Any]:
    document = json.loads(run("replicas", *folders, "--json").stdout)
    return {(row["network"], row["cases"]): row for row in document["rows"]}


def test_each_number_has_its_mean_spread_and_interval(three: list[Path]) -> None:
    row = rows_of(*three)["Neta", "50,000"]
    errors = row["test_errors"]
    assert errors["by_seed"] == {"0": 120, "3": 130, "10": 122}
    assert errors["chapter"] == 122
    assert errors["replicas"] == 3
    assert errors["mean"] == 124
    # Deviations -4, 6 and -2: a variance of 56 / 2; Student's t of 2 degrees of freedom, 4.303.
    assert errors["sd"] == pytest.approx(28**0.5, rel=1e-12)
    assert errors["mean_95_interval"] == pytest.approx(4.302653 * (28 / 3) ** 0.5, rel=2e-7)
    assert (errors["fewest"], errors["most"]) == (120, 130)
    assert errors["at_or_below_chapter"] == 2
    assert row["valid_errors"]["mean"] == 144
    assert row["valid_errors"]["at_or_below_chapter"] == 0


def test_the_mean_of_three_nets_is_taken_in_each_replica(three: list[Path]) -> None:
    rows = rows_of(*three)
    means = rows["mean of three", "50,000"]["test_errors"]
    assert means["by_seed"] == pytest.approx({"0": 362 / 3, "3": 122, "10": 120})
    assert means["chapter"] == pytest.approx(362 / 3)
    assert means["at_or_below_chapter"] == 2
    assert means["sd"] == pytest.approx(float(np.std([362 / 3, 122, 120], ddof=1)), rel=1e-12)
    extended = rows["mean of three", "60,000"]["test_errors"]
    assert extended["mean"] == pytest.approx(means["mean"] - 8, rel=1e-12)
    assert extended["chapter"] == pytest.approx(337 / 3)


def test_a_net_that_is_missing_is_left_out_of_its_own_lines_alone(
    replica: Callable[..., Path],
) -> None:
    folders = [replica(0, ERRORS[0]), replica(3, {"a": 130, "b": 115})]
    document = json.loads(run("replicas", *folders, "--json").stdout)
    rows = {(row["network"], row["cases"]): row for row in document["rows"]}
    assert rows["Netb", "50,000"]["test_errors"]["replicas"] == 2
    alone = rows["Netc", "50,000"]["test_errors"]
    assert (alone["mean"], alone["sd"], alone["mean_95_interval"]) == (124, None, None)
    assert list(rows["mean of three", "50,000"]["test_errors"]["by_seed"]) == ["0"]
    assert ("not pre-trained", "60,000") not in rows
    assert document["notes"][:2] == [
        f"{folders[0]}: missing: the not pre-trained net",
        f"{folders[1]}: missing: validated Netc, extended Netc, the not pre-trained net",
    ]


def test_replicas_that_are_not_of_one_recipe_are_named(replica: Callable[..., Path]) -> None:
    folders = [replica(0, ERRORS[0]), replica(3, ERRORS[3], rate=0.7)]
    notes = json.loads(run("replicas", *folders, "--json").stdout)["notes"]
    assert notes[-1] == "the replicas differ in rate: 0.2, 0.7"


def test_a_note_of_several_folders_stands_once(replica: Callable[..., Path]) -> None:
    folders = [replica(seed, {"a": 120 + seed}) for seed in range(20)]
    notes = json.loads(run("replicas", *folders, "--json").stdout)["notes"]
    lacking = "missing: validated Netb, validated Netc, extended Netb, extended Netc"
    assert notes == [f"all 20 folders: {lacking}, the not pre-trained net"]
    folders = [*folders[:2], replica(20, {"b": 100})]
    notes = json.loads(run("replicas", *folders, "--json").stdout)["notes"]
    assert notes[0] == f"{folders[0]}, {folders[1]}: {lacking}, the not pre-trained net"
    assert len(notes) == 2


def test_other_data_have_their_own_counts_and_nothing_of_the_chapter_beside_them(
    replica: Callable[..., Path],
) -> None:
    folders = [replica(seed, ERRORS[seed], data="f" * 64) for seed in (0, 3)]
    for folder in folders:
        for path in folder.glob("*.h5"):
            found = checkpoint.load(path)
            found.outcome["train"] |= {"cases": 2600}
            found.lineage["data_folder"] = "/data/clothes"
            found.recipe = "quick"
            checkpoint.save(path, found)
    shown = run("replicas", *folders, "--format", "markdown").stdout
    assert "0,000" not in shown.replace("10,000 test cases", "")
    rows = [line.strip("| ").split(" | ") for line in shown.splitlines()[2:] if line[:1] == "|"]
    made = "recipe quick; data clothes, 10,000 test cases"
    assert [row[:2] for row in rows[:4]] == [
        [f"{name}: {made}", "2,600"] for name in ("Neta", "Netb", "Netc", "mean of three")
    ]
    document = json.loads(run("replicas", *folders, "--json").stdout)
    for row in document["rows"]:
        assert row["test_errors"]["chapter"] is row["test_errors"]["at_or_below_chapter"] is None


def test_one_folder_has_no_spread(replica: Callable[..., Path]) -> None:
    shown = run("replicas", replica(0, ERRORS[0]), "--format", "markdown")
    assert "| Neta | 50,000 | 140.0 | 122 | 120.0 |  | 120-120 | 1/1 |" in shown.stdout


def test_replicas_that_differ_much_fit_80_columns_too(replica: Callable[..., Path]) -> None:
    folders = [replica(seed, dict.fromkeys("abc", count)) for seed, count in ((0, 100), (1, 400))]
    lines = on_a_terminal(80, "replicas", *folders)
    assert max(map(len, lines)) <= 80
    shown = " ".join(" ".join(lines).split())
    assert "250.0 ± 1906 212" in shown  # 12.706 times 300 / 2; 300 over the root of 2


def test_what_cannot_be_a_replica_is_refused(
    made: Path, replica: Callable[..., Path], tmp_path: Path
) -> None:
    first, second = replica(3, ERRORS[3]), replica(3, ERRORS[0])
    fails_in_one_line(run("replicas", first, second), 1, str(second), f"of seed 3, as {first}")
    found = checkpoint.load(first / "bp-b.h5")
    found.lineage["seed"] = 4
    checkpoint.save(first / "bp-b.h5", found)
    fails_in_one_line(run("replicas", first), 1, str(first), "the seeds 3, 4, not one")
    stack = tmp_path / "stack"
    stack.mkdir()
    (stack / "pretrain-a.h5").write_bytes((made / "pretrain-a.h5").read_bytes())
    fails_in_one_line(run("replicas", stack), 1, f"no finished net in {stack}")
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    fails_in_one_line(run("replicas", second, nothing), 1, f"{nothing}: there are no nets")
    assert run("replicas").exit_code == 2
    assert run("replicas", tmp_path / "missing").exit_code == 2


def test_the_table_fits_80_columns_and_is_saved_in_every_format(
    three: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "results"
    shown = run("replicas", *three, "--save", out)
    assert shown.exit_code == 0, shown.output
    assert max(map(len, on_a_terminal(80, "replicas", *three))) <= 80
    for form, suffix in (("markdown", "md"), ("csv", "csv"), ("json", "json")):
        printed = run("replicas", *three, "--format", form).stdout
        assert printed == (out / f"replicas.{suffix}").read_text()
    text = (out / "replicas.md").read_text()
    assert "| Neta | 50,000 | 144.0 ± 13.1 | 122 | 124.0 ± 13.1 | 5.3 | 120-130 | 2/3 |" in text
    assert "seeds 0, 3, 10" in text
    records = list(csv.DictReader(io.StringIO((out / "replicas.csv").read_text())))
    (record,) = (
        row
        for row in records
        if (row["network"], row["cases"], row["measure"]) == ("Netb", "60,000", "test_errors")
    )
    assert [record[f"seed_{seed}"] for seed in (0, 3, 10)] == ["110", "107", "104"]
    assert record["at_or_below_chapter"] == "1"
    digests = json.loads((out / "replicas.json").read_text())["sha256_by_seed"]
    assert sorted(digests) == ["0", "10", "3"]
    assert digests["3"]["validated a"] == checkpoint.load(three[2] / "bp-a.h5").digest()


def test_costs_are_averaged_before_they_are_rounded(
    replica: Callable[..., Path],
) -> None:
    """Table 1 shows them with two digits."""
    costs = {0: (6.014, 6.004, 5.996), 3: (6.0149, 6.0149, 6.0149)}
    folders = []
    for seed, of_splits in costs.items():
        folders.append(replica(seed, ERRORS[seed]))
        for split, cost in zip("abc", of_splits, strict=True):
            found = checkpoint.load(folders[-1] / f"bp-{split}.h5")
            found.outcome["test"] |= {"cost_per_100": cost}
            checkpoint.save(folders[-1] / f"bp-{split}.h5", found)
    rows = rows_of(*folders)
    assert rows["Neta", "50,000"]["test_cost"]["mean"] == pytest.approx(6.01445, rel=1e-12)
    means = rows["mean of three", "50,000"]["test_cost"]
    assert means["by_seed"] == pytest.approx({"0": 18.014 / 3, "3": 6.0149}, rel=1e-12)
    assert means["chapter"] == pytest.approx((6.22 + 6.21 + 6.73) / 3, rel=1e-12)
    text = run("replicas", *folders, "--format", "csv").stdout
    (record,) = (
        row
        for row in csv.DictReader(io.StringIO(text))
        if (row["network"], row["cases"], row["measure"]) == ("Neta", "50,000", "test_cost")
    )
    assert (record["seed_0"], record["seed_3"]) == ("6.014", "6.0149")
