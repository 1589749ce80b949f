"""``hinton06 replicas``: Table 1, and every other table, of several seeds."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from test_cli import BACKPROP, PRETRAIN, fails_in_one_line, maker, on_a_terminal, run

from hinton06 import checkpoint, mnist
from hinton06.checkpoint import Checkpoint
from hinton06.cli import tables as cli_tables
from hinton06.loading import typed
from hinton06.recipes import RECIPES
from hinton06.records import to_tree
from hinton06.report import error_rates, replicas
from hinton06.report.files import Folder
from hinton06.report.lines import measured_mean
from hinton06.report.replicas import QUANTILES, TABLES, statistics

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


@pytest.fixture(autouse=True)
def of_these_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes have the small nets' layers here, as if these were the chapter's."""
    for name in ("tr2006", "quick"):
        recipe = RECIPES[name].with_values({"pretrain.layers": (12, 10, 14)})
        monkeypatch.setitem(RECIPES, name, recipe)


def as_of_the_chapter(found: Checkpoint, *kept: str) -> None:
    """Give it the recipe of that name, and all settings but those."""
    file = typed(Path("net.h5"), found)
    settings = RECIPES["tr2006"].settings(file.kind.part, file.conditions)
    own = {name: found.settings[name] for name in kept}
    found.recipe, found.settings = "tr2006", to_tree(settings) | own


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
                found.lineage |= {"seed": seed, "split": split, "data": data}
                as_of_the_chapter(found)
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
    row = rows_of(*three)["Neta", 50_000]
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
    means = rows["mean of three", 50_000]["test_errors"]
    assert means["by_seed"] == pytest.approx({"0": 362 / 3, "3": 122, "10": 120})
    assert means["chapter"] == pytest.approx(362 / 3)
    assert means["at_or_below_chapter"] == 2
    assert means["sd"] == pytest.approx(float(np.std([362 / 3, 122, 120], ddof=1)), rel=1e-12)
    extended = rows["mean of three", 60_000]["test_errors"]
    assert extended["mean"] == pytest.approx(means["mean"] - 8, rel=1e-12)
    assert extended["chapter"] == pytest.approx(337 / 3)


def test_a_net_that_is_missing_is_left_out_of_its_own_lines_alone(
    replica: Callable[..., Path],
) -> None:
    folders = [replica(0, ERRORS[0]), replica(3, {"a": 130, "b": 115})]
    document = json.loads(run("replicas", *folders, "--json").stdout)
    rows = {(row["network"], row["cases"]): row for row in document["rows"]}
    assert rows["Netb", 50_000]["test_errors"]["replicas"] == 2
    alone = rows["Netc", 50_000]["test_errors"]
    assert (alone["mean"], alone["sd"], alone["mean_95_interval"]) == (124, None, None)
    assert list(rows["mean of three", 50_000]["test_errors"]["by_seed"]) == ["0"]
    assert ("not pre-trained", 60_000) not in rows
    assert document["notes"] == [
        "missing: the not pre-trained net (both folders); validated Netc, extended Netc (seed 3)"
    ]


def test_replicas_that_are_not_of_one_recipe_are_named(replica: Callable[..., Path]) -> None:
    folders = [replica(0, ERRORS[0]), replica(3, ERRORS[3], rate=0.7)]
    notes = json.loads(run("replicas", *folders, "--json").stdout)["notes"]
    assert notes[-1] == "the replicas differ in rate: 0.2 (seed 0), 0.7 (seed 3)"
    for name, settings in (("bp-a", {"all_cases_rate": 0.9}), ("bp-a-extended", {"rate": 0.9})):
        found = checkpoint.load(folders[0] / f"{name}.h5")
        found.settings |= settings  # of which the run before, or after, would have made use
        checkpoint.save(folders[0] / f"{name}.h5", found)
    assert json.loads(run("replicas", *folders, "--json").stdout)["notes"] == notes


def test_a_note_of_several_folders_stands_once(replica: Callable[..., Path]) -> None:
    folders = [replica(seed, {"a": 120 + seed}) for seed in range(20)]
    notes = json.loads(run("replicas", *folders, "--json").stdout)["notes"]
    lacking = "validated Netc, extended Netc, the not pre-trained net"
    others = "validated Netb, extended Netb"
    assert notes == [
        "missing: validated Netb, validated Netc, extended Netb, extended Netc, the not "
        "pre-trained net (all 20 folders)"
    ]
    folders = [*folders[:2], replica(20, {"b": 100})]
    notes = json.loads(run("replicas", *folders, "--json").stdout)["notes"]
    assert notes == [
        f"missing: {others} (seeds 0, 1); {lacking} (all 3 folders); validated Neta, extended Neta "
        "(seed 20)"
    ]


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
    made = "recipe quick; patience 10, max epochs 300; data clothes, 10,000 test cases"
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
        if (row["network"], row["cases"], row["measure"]) == ("Netb", "60000", "test_errors")
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
    assert rows["Neta", 50_000]["test_cost"]["mean"] == pytest.approx(6.01445, rel=1e-12)
    means = rows["mean of three", 50_000]["test_cost"]
    assert means["by_seed"] == pytest.approx({"0": 18.014 / 3, "3": 6.0149}, rel=1e-12)
    assert means["chapter"] == pytest.approx((6.22 + 6.21 + 6.73) / 3, rel=1e-12)
    text = run("replicas", *folders, "--format", "csv").stdout
    (record,) = (
        row
        for row in csv.DictReader(io.StringIO(text))
        if (row["network"], row["cases"], row["measure"]) == ("Neta", "50000", "test_cost")
    )
    assert (record["seed_0"], record["seed_3"]) == ("6.014", "6.0149")


# -- distributions -------------------------------------------------------------------------------


def test_the_printed_number_lies_where_students_t_says(three: list[Path]) -> None:
    """Of 120, 130 and 122; with 2 degrees of freedom the t distribution has a closed form."""
    errors = rows_of(*three)["Neta", 50_000]["test_errors"]

    def below(t: float) -> float:
        return 0.5 + t / (2 * (2 + t * t) ** 0.5)

    assert errors["draw_at_or_below_chapter"] == pytest.approx(
        below(-2 / (28 * 4 / 3) ** 0.5), rel=1e-12
    )
    assert errors["mean_at_or_below_chapter"] == pytest.approx(
        below(-2 / (28 / 3) ** 0.5), rel=1e-12
    )
    # A replica in the mean on each side of the median alone.
    assert errors["median"] == 122
    ends = [errors[f"quantile_{share}"] for share in ("05", "25", "75", "95")]
    assert ends == [None] * 4


@pytest.mark.parametrize(
    ("n", "wanted"),
    [
        (3, [None, None, 101, None, None]),
        (4, [None, 100.75, 101.5, 102.25, None]),
        (19, [None, 104.5, 109, 113.5, None]),
        (20, [100.95, 104.75, 109.5, 114.25, 118.05]),
        (21, [101, 105, 110, 115, 119]),
    ],
)
def test_quantiles_are_there_when_a_replica_lies_beyond_them(
    n: int, wanted: list[float | None]
) -> None:
    """Errors 100, 101 and so on, in another order."""
    by_seed = {str(seed): 100 + (7 * seed + 3) % n if n % 7 else 100 + seed for seed in range(n)}
    assert sorted(by_seed.values()) == list(range(100, 100 + n))
    found = statistics(by_seed, 110.0, "printed")
    values = [found[name] for name in QUANTILES]
    assert [value is None for value in values] == [value is None for value in wanted]
    for value, expected in zip(values, wanted, strict=True):
        assert value is None or value == pytest.approx(expected, rel=1e-12)
    assert found["at_or_below_printed"] == min(n, 11)


def test_replicas_that_are_all_the_same_have_no_probabilities() -> None:
    third = 1 / 3
    for value in (120, 360 * third, 0.1 + 0.2):
        found = statistics(dict.fromkeys("0123456", value), 121.0, "chapter")
        assert found["at_or_below_chapter"] == 7
        assert found["draw_at_or_below_chapter"] is found["mean_at_or_below_chapter"] is None


def test_quantiles_and_probabilities_stand_below_the_table(replica: Callable[..., Path]) -> None:
    """Of 100, 120 and so on to 480, in another order: of mean 290 and variance 14,000."""
    folders = [replica(seed, {"a": 100 + 20 * (7 * seed % 20)}) for seed in range(20)]
    lines = on_a_terminal(80, "replicas", *folders)
    assert max(map(len, lines)) <= 80
    below = lines[lines.index("Quantiles of test errors") :]
    heads = "network cases chapter 5 % 25 % 50 % 75 % 95 % P draw P mean"
    assert below[1].split() == heads.split()
    cells = ["Neta", "50,000", "122", "119.0", "195.0", "290.0", "385.0", "461.0", "0.09", "<0.01"]
    assert below[2].split() == cells
    assert scipy.stats.t.cdf(-168 / (14_000 * 1.05) ** 0.5, 19) == pytest.approx(0.09, abs=0.005)
    assert scipy.stats.t.cdf(-168 / 700**0.5, 19) < 0.01
    text = run("replicas", *folders, "--format", "markdown").stdout
    assert f"| {' | '.join(cells)} |" in text


# -- tables that were saved ----------------------------------------------------------------------


def saved_of(*folders: Path, to: str, table: str = "table1") -> Path:
    """The JSON file of a table over these folders."""
    place = folders[0].parent / to
    run("replicas", *folders, "--table", table, "--save", place)
    (path,) = place.glob("*.json")
    return path


def test_saved_tables_stand_for_the_folders_that_they_are_of(three: list[Path]) -> None:
    ten, zero, third = three
    whole = json.loads(run("replicas", *three, "--json").stdout)
    assert whole.pop("notes") == ["missing: the not pre-trained net (all 3 folders)"]
    one, two = saved_of(ten, to="one"), saved_of(zero, third, to="two")
    for parts in ((one, zero, third), (two, ten), (one, two), (third, one, zero)):
        found = json.loads(run("replicas", *parts, "--json").stdout)
        notes = found.pop("notes")
        assert found == whole
        assert all("missing: the not pre-trained net" in note for note in notes)
        for path in parts:
            told = [note for note in notes if note.startswith(f"{path}: ")]
            assert len(told) == (path.suffix == ".json")
    again = saved_of(two, ten, to="three")
    assert json.loads(again.read_text(encoding="utf-8"))["rows"] == whole["rows"]
    lines, others = (run("replicas", *p).stdout.splitlines() for p in ([again], three))
    assert [x for x in lines if "ote: " not in x] == [x for x in others if "ote: " not in x]


def test_lines_of_a_saved_table_alone_stand_in_their_place(
    replica: Callable[..., Path], three: list[Path]
) -> None:
    part = replica(5, {"a": 120, "c": 124})
    saved = saved_of(*three, to="saved")
    rows = json.loads(run("replicas", part, saved, "--json").stdout)["rows"]
    assert [(row["network"], row["cases"]) for row in rows] == list(rows_of(*three))
    assert list(rows[1]["test_errors"]["by_seed"]) == ["0", "3", "10"]


def test_what_a_saved_table_was_made_with_and_its_notes_are_said(
    replica: Callable[..., Path],
) -> None:
    odd = replica(1, {"a": 120, "b": 118}, data="f" * 64)
    saved = saved_of(odd, to="odd")
    document = json.loads(run("replicas", saved, replica(0, ERRORS[0]), "--json").stdout)
    assert "data digits" in document["rows"][0]["made_with"]
    assert document["rows"][0]["test_errors"]["chapter"] is None
    assert any(str(saved) in note and "missing" in note for note in document["notes"])


@pytest.mark.parametrize(
    "text", ["", "[1]", "{}", '{"rows": [], "table": "others", "sha256_by_seed": {}}',
             '{"rows": [{"a": {}}], "notes": [], "sha256_by_seed": {"0": {}}}',
             '{"rows": [3], "notes": [], "sha256_by_seed": {"0": {}}}',
             '{"rows": [], "notes": [], "sha256_by_seed": {"one": {}}}', "[" * 100_000],
    ids=range(8),
)  # fmt: skip
def test_a_file_that_is_no_saved_table_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(text, encoding="utf-8")
    fails_in_one_line(run("replicas", path), 1, f"{path}: not a folder of runs, or the JSON file")


def _set(row: Any, *place: str, value: Any) -> None:
    *way, last = place
    for name in way:
        row = row[name]
    row[last] = value


@pytest.mark.parametrize(
    "harm",
    [
        lambda d: _set(d["rows"][0], "test_errors", "by_seed", "0", value="x"),
        lambda d: _set(d["rows"][0], "test_errors", "by_seed", "0", value=None),
        lambda d: _set(d["rows"][0], "network", value=["a"]),
        lambda d: _set(d["rows"][0], "valid_cost", value=None),
        lambda d: _set(d, "sha256_by_seed", "0", value=None),
        lambda d: _set(d, "made", value=[{}]),
        lambda d: [row.pop("network") for row in d["rows"]],
        lambda d: d.pop("notes"),
    ],
    ids=range(8),
)
def test_a_damaged_table_is_one_line(three: list[Path], harm: Callable[[Any], Any]) -> None:
    saved = saved_of(*three, to="saved")
    document = json.loads(saved.read_text(encoding="utf-8"))
    harm(document)
    saved.write_text(json.dumps(document), encoding="utf-8")
    fails_in_one_line(run("replicas", saved), 1, f"{saved}: not a folder of runs, or the JSON file")


def test_saved_nets_that_were_made_otherwise_are_named(replica: Callable[..., Path]) -> None:
    one, other = replica(0, ERRORS[0]), replica(3, ERRORS[3], rate=0.35)
    (note,) = (n for n in json.loads(run("replicas", one, other, "--json").stdout)["notes"]
               if "differ" in n)  # fmt: skip
    assert "rate" in note
    saved = saved_of(one, to="saved")
    assert note in json.loads(run("replicas", saved, other, "--json").stdout)["notes"]
    document = json.loads(saved.read_text(encoding="utf-8"))
    del document["made"]  # as of earlier versions
    saved.write_text(json.dumps(document), encoding="utf-8")
    notes = json.loads(run("replicas", saved, other, "--json").stdout)["notes"]
    assert f"{saved}: settings are not compared" in notes
    assert note not in notes


def test_a_saved_table_of_the_same_seed_or_of_few_labels_is_refused(
    three: list[Path], of_all: Callable[..., Path]
) -> None:
    saved = saved_of(*three, to="saved")
    fails_in_one_line(run("replicas", three[0], saved), 1, f"{saved}: of seed 10, as {three[0]}")
    few = saved_of(of_all(0, {"bp-labelled a": 600}), to="few", table="unlabelled")
    fails_in_one_line(run("replicas", few), 1, f"{few}: few labels do not say what each seed")


# -- every table ---------------------------------------------------------------------------------

OLD = Path(__file__).parent / "data" / "version-1"
KINDS = {
    "pretrain-labels": 50_000, "cws": 50_000, "cws-extended": 60_000, "hybrid": 50_000,
    "bp-translated": 13 * 50_000, "bp-translated-extended": 13 * 60_000,
    "bp-labelled": 1000, "bp-images": 1000, "bp": 50_000, "bp-dropout": 50_000,
    "bp-elastic": 50_000,
}  # fmt: skip
"""What the folders of all tables may have, and the training cases of it."""
_EXPERIMENTS = {"dropout", "elastic", "generative", "bp_weight", "search_bp_weight"}
"""Settings that tell these apart."""
SOURCES = {
    "cws-extended": "cws-a-extended", "bp-labelled": "bp-a-50-labelled",
    "bp-images": "bp-50-images-a", "bp-translated-extended": "bp-translated-a",
    "bp-dropout": "bp-a", "bp-elastic": "bp-a",
}  # fmt: skip


@pytest.fixture
def of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a folder of a seed: test errors by kind and split, as ``{"cws a": 135}``."""
    older = RECIPES["tr2006"].with_values({"pretrain.layers": (12, 12, 20)})
    monkeypatch.setitem(RECIPES, "tr2006", older)

    def make(seed: int, errors: Mapping[str, int], name: str = "", **outcome: Any) -> Path:
        folder = tmp_path / (name or f"all-{seed}")
        folder.mkdir(exist_ok=True)
        for place, count in errors.items():
            kind, split = place.split()
            found = checkpoint.load(OLD / f"{SOURCES.get(kind, f'{kind}-a')}.h5")
            if "dropout" in kind:
                found.settings["dropout"] = True
            found.lineage |= {"seed": seed, "split": split, "data": mnist.SHA256}
            if "translated" in kind:
                found.lineage["translations"] = 2
            if kind.endswith("extended"):
                found.lineage["role"] = "extended"
            found.outcome["train"] |= {"cases": KINDS[kind]}
            found.outcome["test"] |= {"cases": 10_000, "errors": count}
            if "valid" in found.outcome:
                found.outcome["valid"] |= {"cases": 10_000, "errors": count + 10}
            if kind == "bp-elastic":
                found.settings["elastic"] = 1.5
            as_of_the_chapter(found, *(_EXPERIMENTS & found.settings.keys()))
            if "capped" in found.outcome:
                found.outcome |= {"capped": False} | outcome
            checkpoint.save(folder / f"{kind}-{split}.h5", found)
        return folder

    return make


def table_of(name: str, *folders: Path) -> Any:
    return json.loads(run("replicas", *folders, "--table", name, "--json").stdout)


def test_the_generative_half_is_tabulated_over_seeds(of_all: Callable[..., Path]) -> None:
    errors = {0: (130, 95), 1: (140, 97), 2: (135, 93)}
    folders = [
        of_all(seed, {"pretrain-labels a": 250, "cws a": cws, "hybrid a": mixed})
        for seed, (cws, mixed) in errors.items()
    ]
    document = table_of("generative", *folders)
    rows = {(row["experiment"], row["net"]): row for row in document["rows"]}
    assert list(rows) == [
        ("greedy pretraining with labels", "a"), ("contrastive wake-sleep, 50,000", "a"),
        ("mixed gradient, 50,000", "a"),
    ]  # fmt: skip
    rate = rows["contrastive wake-sleep, 50,000", "a"]["test_percent"]
    assert rate["by_seed"] == {"0": 1.3, "1": 1.4, "2": 1.35}
    assert rate["printed"] == 1.39
    assert rate["mean"] == pytest.approx(1.35, rel=1e-12)
    assert rate["sd"] == pytest.approx(0.05, rel=1e-12)
    assert rate["mean_95_interval"] == pytest.approx(4.302653 * 0.05 / 3**0.5, rel=2e-7)
    assert rate["at_or_below_printed"] == 2
    t = 0.04 / (0.05 * (4 / 3) ** 0.5)
    assert rate["draw_at_or_below_printed"] == pytest.approx(
        0.5 + t / (2 * (2 + t * t) ** 0.5), rel=1e-9
    )
    mixed = rows["mixed gradient, 50,000", "a"]
    assert mixed["test_percent"]["printed"] is None
    assert mixed["test_errors"]["mean"] == 95
    assert mixed["bp_weight"]["replicas"] == 3
    assert set(document["sha256_by_seed"]["1"]) == {
        "pretrained a", "wake-sleep validated a", "mixed validated a",
    }  # fmt: skip
    assert document["notes"] == [
        "missing: contrastive wake-sleep continued on all training cases, mixed gradient "
        "continued on all training cases, BP with the pretraining's gradient (all 3 folders)"
    ]
    text = run("replicas", *folders, "--format", "markdown").stdout
    assert (
        "| contrastive wake-sleep, 50,000 | a | 1.450 ± 0.124 | 1.39 | 1.350 ± 0.124 | 0.050 "
        "| 1.3-1.4 | 2/3 |"
    ) in text


def test_an_average_in_print_stands_beside_the_averages_of_the_seeds(
    of_all: Callable[..., Path],
) -> None:
    folders = []
    for seed in (0, 6):
        errors = {f"bp-translated-extended {s}": 60 + seed + n for n, s in enumerate("abc")}
        folders.append(of_all(seed, errors))
    document = table_of("translated", *folders)
    rows = {row["net"]: row for row in document["rows"]}
    assert list(rows) == ["a", "b", "c", "mean", "product"]
    means = rows["mean"]["test_percent"]
    assert means["by_seed"] == pytest.approx({"0": 0.61, "6": 0.67}, rel=1e-12)
    assert (means["printed"], means["at_or_below_printed"]) == (0.65, 1)
    assert rows["a"]["test_percent"]["printed"] is None


def test_few_labels_over_seeds_are_what_validation_chose_in_each(
    of_all: Callable[..., Path],
) -> None:
    folders = []
    for seed, fewest in ((0, 0.2), (1, 0.05), (2, 0.05)):
        folder = of_all(seed, {"bp-labelled a": 600 + seed})
        found = checkpoint.load(folder / "bp-labelled-a.h5")
        found.settings["rate"] = 0.3 - fewest if fewest == 0.2 else 0.2
        found.outcome["valid"]["errors"] += 50
        found.outcome["test"]["errors"] = 900
        checkpoint.save(folder / "other.h5", found)
        better = checkpoint.load(folder / "bp-labelled-a.h5")
        better.settings["rate"] = fewest
        checkpoint.save(folder / "bp-labelled-a.h5", better)
        folders.append(folder)
    document = table_of("unlabelled", *folders)
    chosen, *each = document["rows"]
    assert chosen["fewest_validation_errors"] is True
    assert chosen["test_percent"]["by_seed"] == {"0": 6.0, "1": 6.01, "2": 6.02}
    assert chosen["rate"] == "0.2, 0.05"
    assert [(row["rate"], list(row["test_percent"]["by_seed"])) for row in each] == [
        (0.05, ["1", "2"]), (pytest.approx(0.1), ["0"]), (0.2, ["0", "1", "2"]),
    ]  # fmt: skip
    shown = run("replicas", *folders, "--format", "markdown").stdout
    (line,) = (line for line in shown.splitlines() if "± " in line)
    assert line.startswith(
        "| 1,000 | all images | 12-12-20 | 0.2, 0.05 | 6.11 ± 0.02 | 6.01 ± 0.02 "
    )


def test_each_table_that_the_folders_allow_is_printed_and_saved(
    of_all: Callable[..., Path], tmp_path: Path
) -> None:
    kinds = {f"{kind} a": 100 for kind in KINDS}
    folders = [of_all(seed, {kind: n + seed for kind, n in kinds.items()}) for seed in range(2)]
    out = tmp_path / "out"
    lines = on_a_terminal(80, "replicas", *folders, "--save", out)
    assert max(map(len, lines)) <= 80
    titles = [line for line in lines if line.endswith(" over 2 seeds")]
    assert titles == [f"{table.title} over 2 seeds" for table in TABLES.values()]
    names = ["replicas", *(f"replicas-{name}" for name in list(TABLES)[1:])]
    assert {path.name for path in out.iterdir()} == {
        f"{name}.{suffix}" for name in names for suffix in ("md", "csv", "json", "png")
    }
    # Documents for programs hold one table.
    for form in ("csv", "json"):
        first = run("replicas", *folders, "--format", form)
        assert first.stdout == (out / f"replicas.{form}").read_text()
        others = ", ".join(list(TABLES)[1:])
        assert first.stderr == f"hinton06: {form} of table1 alone; --table for {others}\n"
        for name in list(TABLES)[1:]:
            one = run("replicas", *folders, "--format", form, "--table", name)
            assert one.stdout == (out / f"replicas-{name}.{form}").read_text()
            assert one.stderr == ""


def test_an_experiment_that_is_added_to_a_study_is_tabulated_over_seeds_too(
    of_all: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [of_all(seed, {"cws a": 100 + seed}) for seed in range(2)]
    added = {"wake-sleep validated": ("a new one, {}", 1.01)}
    study = dataclasses.replace(error_rates.GENERATIVE, experiments=added)
    monkeypatch.setitem(TABLES, "generative", error_rates.replicated(study))  # type: ignore[misc]
    (row,) = table_of("generative", *folders)["rows"]
    assert row["experiment"] == "a new one, 50,000"
    assert (row["test_percent"]["printed"], row["test_percent"]["mean"]) == (1.01, 1.005)


def test_every_table_of_a_folder_is_one_over_seeds_too() -> None:
    over_epochs = {"wake-sleep"}  # its lines are the epochs of one net
    commands = {command.name for command in cli_tables.COMMANDS} - {"replicas"} - over_epochs
    assert commands == set(TABLES), "an entry of TABLES in report/replicas.py for each table"


def test_files_of_table_1_alone_make_no_table_of_few_labels(
    three: list[Path], of_all: Callable[..., Path]
) -> None:
    """It would take those that validation stopped, too."""
    assert run("replicas", *three, "--json").stderr == ""
    assert table_of("unlabelled", *three)["rows"]
    few = of_all(0, {"bp-labelled a": 600}, name="few")
    result = run("replicas", *three, few, "--json")
    fails_in_one_line(result, 1, "of seed 0, as")  # few labels of seed 0 in two folders


def test_a_folder_that_lacks_a_table_is_named_by_its_seed(of_all: Callable[..., Path]) -> None:
    folders = [of_all(seed, {"bp a": 120, "cws a": 130}) for seed in range(4)]
    folders += [of_all(seed, {"bp a": 120}) for seed in (5, 6, 7, 9)]
    document = table_of("generative", *folders[:1])
    assert document["rows"][0]["test_percent"]["replicas"] == 1
    saved = json.loads(run("replicas", *folders, "--json").stdout)
    assert saved["notes"][0].endswith("the not pre-trained net (all 8 folders)")
    text = run("replicas", *folders, "--format", "markdown").stdout
    assert "all files (seeds 5-7, 9)" in text
    fails_in_one_line(
        run("replicas", *folders, "--table", "generative"), 1, "there are no generative nets in it"
    )
    result = run("replicas", *folders[4:], "--table", "generative", "--table", "translated")
    fails_in_one_line(result, 1, "there are no finished generative nets in")
    result = run("replicas", *folders[:4], "--table", "generative", "--table", "translated")
    fails_in_one_line(result, 1, "there are no finished classifiers of translated images in")
    assert run("replicas", *folders, "--table", "table2").exit_code == 2


def test_equal_errors_have_no_interval() -> None:
    """Draws that are all the same say nothing of how far others would be."""
    for n in (2, 3):
        found = statistics({str(seed): 7 for seed in range(n)}, 7, "chapter")
        assert (found["mean"], found["sd"], found["mean_95_interval"]) == (7, 0, None)
    rounded = statistics({str(seed): 0.1 for seed in range(3)}, None, "chapter")
    assert np.std([0.1] * 3, ddof=1) > 0
    assert (rounded["sd"], rounded["mean_95_interval"]) == (0, None)


def test_what_files_are_for_one_line_is_said_once_for_all_tables(
    of_all: Callable[..., Path],
) -> None:
    folders = [of_all(seed, {"bp a": 120, "bp b": 130}) for seed in range(2)]
    for folder in folders:
        shutil.copy(folder / "bp-a.h5", folder / "copy.h5")
    (said,) = [note for note in json.loads(run("replicas", *folders, "--json").stdout)["notes"]
               if "copy.h5" in note]  # fmt: skip
    assert said == "left out, several for one line: bp-a.h5 and copy.h5 (both folders)"
    for folder in folders:
        (folder / "bp-b.h5").unlink()  # nothing is left
    result = run("replicas", *folders, "--json")
    fails_in_one_line(result, 1, "bp-a.h5 and copy.h5 are for one line, left out")


def test_what_would_stop_a_further_table_is_a_note_below_the_first(
    of_all: Callable[..., Path],
) -> None:
    folders = [of_all(seed, {"bp a": 120, "cws a": 130}) for seed in range(2)]
    shutil.copy(folders[1] / "cws-a.h5", folders[1] / "cws-other.h5")
    why = f"{folders[1]}: cws-a.h5 and cws-other.h5 are for one line, left out"
    result = run("replicas", *folders, "--json")
    document = json.loads(result.stdout)
    assert (document["table"], result.stderr) == ("table1", "")
    assert document["rows"][0]["test_errors"]["replicas"] == 2
    assert document["notes"][-1] == f"The generative half: {why}"
    fails_in_one_line(run("replicas", *folders, "--table", "generative"), 1, why)
    for folder in folders:
        (folder / "bp-a.h5").unlink()
    fails_in_one_line(run("replicas", *folders), 1, why)


def test_one_line_a_kind_of_note_however_many_seeds(of_all: Callable[..., Path]) -> None:
    folders = []
    for seed in range(20):
        capped = {"capped": True, "reason": "stopped by the cap"} if seed in (0, 1, 2, 4, 7) else {}
        folders.append(of_all(seed, {"bp a": 120, "bp b": 121}, **capped))
    for seed in (3, 18, 19):
        (folders[seed] / "bp-c.h5").write_bytes(b"no net")
        shutil.copy(OLD / "bp-a-again.h5.part", folders[seed])
        found = checkpoint.load(folders[seed] / "bp-b.h5")
        found.settings |= {"rate": 0.5 + seed, "patience": 3}
        checkpoint.save(folders[seed] / "bp-b.h5", found)
    notes = json.loads(run("replicas", *folders, "--json").stdout)["notes"]
    unread = [note for note in notes if note.startswith("cannot be read: bp-c.h5 (")]
    kinds = [note.partition(":")[0] for note in notes]
    assert len(kinds) == len(set(kinds)) == 5
    assert unread[0].endswith(" (seeds 3, 18, 19)")
    assert "not finished: bp-a-again.h5.part after 2 epochs (seeds 3, 18, 19)" in notes
    assert (
        "stopped by the cap, before its stopping rule was met: validated Neta, validated Netb "
        "(seeds 0-2, 4, 7)"
    ) in notes
    assert notes[-1] == (
        "the replicas differ in rate: 0.2 (seeds 0-2, 4-17), 18.5 (seed 18), 19.5 (seed 19), 3.5 "
        "(seed 3); in patience: 10 (seeds 0-2, 4-17), 3 (seeds 3, 18, 19)"
    )


def test_a_mean_and_a_product_are_of_the_files_of_all_their_nets(
    replica: Callable[..., Path],
) -> None:
    found = TABLES["table1"].found(Folder(replica(0, ERRORS[0])))
    files = {tuple(line.names.values()): [f.path.name for f in line.files] for line in found.lines}
    for cases, ending in ((50_000, ""), (60_000, "-extended")):
        every = [f"bp-{split}{ending}.h5" for split in "abc"]
        assert files["mean of three", cases] == files["Combined", cases] == every
        assert files["Netb", cases] == every[1:2]


def test_a_mean_is_of_all_lines_or_there_is_none() -> None:
    lines: list[dict[str, Any]] = [{"errors": 1, "cost": 0.0}, {"errors": 4, "cost": None}]
    assert measured_mean(lines, "errors") == 2.5
    assert measured_mean(lines, "cost") is None
    assert measured_mean(lines, "none such") is None
    assert measured_mean(lines[:1], "cost") == 0.0
    assert isinstance(measured_mean(lines[:1], "errors"), int)  # as it is


def test_three_seeds_that_follow_one_another_are_a_range_and_two_are_not() -> None:
    listed = {(0,): "0", (1, 0): "0, 1", (2, 0, 1): "0-2", (0, 1, 2, 3, 5, 7, 8): "0-3, 5, 7, 8"}
    for seeds, words in listed.items():
        assert replicas._listed(seeds) == words


def test_what_the_files_of_some_seeds_alone_have_is_a_difference() -> None:
    def of(seed: int, **how: str) -> replicas._Replica:
        made = {"net": replicas._Made(Path("net.h5"), "", "", how)}
        return replicas._Replica(Path("runs"), seed, (), (), made)

    every = {0: of(0, rate="0.1", translations="1"), 1: of(1, rate="0.1"), 2: of(2, rate="0.1")}
    (note,) = replicas._differences(every)
    assert note == "the replicas differ in translations: 1 (seed 0), none (seeds 1, 2)"
