"""Tables: what they hold, how they are rendered, and which files they take."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console
from scipy.stats import binomtest
from test_cli import fails_in_one_line, on_a_terminal, run

from hinton06 import checkpoint, loading, mnist
from hinton06.evaluation import EVERY_CASE, Evaluation
from hinton06.lineage import EXTENDED, VALIDATED, Lineage
from hinton06.recipes import PARTS, RECIPES, counted
from hinton06.recognition import Score
from hinton06.records import to_tree
from hinton06.report import (
    baselines,
    contents,
    curves,
    directed,
    error_rates,
    files,
    scores,
    table1,
)
from hinton06.report.files import ReportError
from hinton06.report.table import Column, Table

OLD = Path(__file__).parent / "data" / "version-1"

TABLE = Table(
    [
        Column("experiment", "{experiment}", left=True),
        Column("net", "{net}", left=True),
        Column("mean test errors", "{errors:.1f} ± {half:.1f}"),
        Column("training cost per 100", "{cost:.3f}", short="cost"),
        Column("made from", "{parent}", left=True),
    ],
    [
        {"experiment": "first one", "net": "a", "errors": 1234.567, "half": 12.34, "cost": 0.00449,
         "parent": "a stack of three layers"},
        {"experiment": "first one", "net": "bb", "errors": 7, "half": None, "cost": 235.81,
         "parent": "runs/some-folder/pretrain-labels-b.h5"},
        {"experiment": "another", "net": "a", "errors": 99.96, "half": 0.04, "cost": None,
         "parent": None},
    ],
    name="table",
    legend=["What it all means, in a sentence that is longer than a line of a terminal is wide."],
    notes=["something is missing"],
)  # fmt: skip
SECTIONS = dataclasses.replace(TABLE, sections=True)


def printed(table: Table, width: int | None, **more: Any) -> list[str]:
    """Its lines on a terminal so wide, or where there is none."""
    screen = io.StringIO()
    terminal = width is not None
    table.print(Console(file=screen, force_terminal=terminal, width=width, color_system=None,
                        highlight=False, markup=False, emoji=False, **more))  # fmt: skip
    return [line.rstrip() for line in screen.getvalue().splitlines()]


# -- cells and formats -----------------------------------------------------------------------


def test_a_cell_rounds_what_the_row_holds_and_is_empty_where_a_value_is_missing() -> None:
    cells = [[column.text(row) for column in TABLE.columns[2:4]] for row in TABLE.rows]
    assert cells == [["1234.6 ± 12.3", "0.004"], ["", "235.810"], ["100.0 ± 0.0", ""]]
    nested = Column("", "{draws[mean]:.1f}")
    rows: list[Mapping[str, Any]] = [{"draws": {"mean": 2.25}}, {"draws": {"mean": None}}, {}]
    assert [nested.text(row) for row in rows] == ["2.2", "", ""]
    assert Column("", lambda row: row["net"] * 2).text(TABLE.rows[1]) == "bbbb"


def test_markdown_has_every_column_and_says_what_is_a_note() -> None:
    assert TABLE.markdown().splitlines() == [
        "| experiment | net | mean test errors | training cost per 100 | made from |",
        "|---|---|---:|---:|---|",
        "| first one | a | 1234.6 ± 12.3 | 0.004 | a stack of three layers |",
        "| first one | bb |  | 235.810 | runs/some-folder/pretrain-labels-b.h5 |",
        "| another | a | 100.0 ± 0.0 |  |  |",
        "",
        "What it all means, in a sentence that is longer than a line of a terminal is wide.",
        "",
        "Note: something is missing",
    ]
    strong = dataclasses.replace(TABLE, strong=lambda row: row["net"] == "bb")
    assert strong.markdown().splitlines()[3] == (
        "| first one | bb |  | **235.810** | **runs/some-folder/pretrain-labels-b.h5** |"
    )
    assert SECTIONS.markdown() == TABLE.markdown()


def test_a_bar_in_a_name_does_not_end_a_cell() -> None:
    table = Table([Column("net", "{net}", left=True)], [{"net": "a|b"}])
    assert table.markdown().splitlines()[-1] == "| a\\|b |"


def test_csv_and_json_hold_the_numbers_as_they_are() -> None:
    records = list(csv.DictReader(io.StringIO(TABLE.csv())))
    assert [record["errors"] for record in records] == ["1234.567", "7", "99.96"]
    assert records[1]["half"] == ""
    document = json.loads(dataclasses.replace(TABLE, extra={"files": [1]}).json())
    assert document == {"rows": TABLE.rows, "notes": ["something is missing"], "files": [1]}
    other = dataclasses.replace(TABLE, records=[{"x": 1}], json_rows=[[1, 2]])
    assert other.csv() == "x\n1"
    assert json.loads(other.json())["rows"] == [[1, 2]]


def test_what_is_saved_is_what_is_printed(tmp_path: Path, capsys: Any) -> None:
    table = dataclasses.replace(TABLE, beside={"x.png": lambda: b"a picture"})
    table.save(tmp_path / "new")
    for form, suffix in (("markdown", "md"), ("csv", "csv"), ("json", "json")):
        table.show(form)
        saved = (tmp_path / "new" / f"table.{suffix}").read_text(encoding="utf-8")
        assert capsys.readouterr().out == saved
    assert (tmp_path / "new" / "x.png").read_bytes() == b"a picture"
    with pytest.raises(ReportError, match=r"table\.md: cannot be written"):
        table.save(tmp_path / "new" / "x.png")


# -- a terminal ------------------------------------------------------------------------------


def test_where_there_is_no_terminal_nothing_wraps() -> None:
    assert printed(TABLE, None) == [
        "experiment  net  mean test errors     cost  made from",
        "first one   a       1234.6 ± 12.3    0.004  a stack of three layers",
        "first one   bb                     235.810  runs/some-folder/pretrain-labels-b.h5",
        "another     a         100.0 ± 0.0",
        "What it all means, in a sentence that is longer than a line of a terminal is wide.",
        "Note: something is missing",
    ]


def test_a_terminal_that_is_wide_enough_shows_the_same_table_and_wraps_prose_at_80() -> None:
    wide = printed(TABLE, 200)
    assert wide[:4] == printed(TABLE, None)[:4]
    assert max(map(len, wide[4:])) <= 80
    assert " ".join(wide[4:]) == " ".join(printed(TABLE, None)[4:])


def test_headings_fold_first_then_text() -> None:
    assert printed(TABLE, 78)[:5] == [
        "                     mean test",
        "experiment  net         errors     cost  made from",
        "first one   a    1234.6 ± 12.3    0.004  a stack of three layers",
        "first one   bb                  235.810  runs/some-folder/pretrain-labels-b.h5",
        "another     a      100.0 ± 0.0",
    ]
    assert printed(TABLE, 60)[:6] == [
        "                   mean test",
        "experiment net        errors    cost made from",
        "first one  a   1234.6 ± 12.3   0.004 a stack of three layers",
        "first one  bb                235.810 runs/some-folder/pretra",
        "                                     in-labels-b.h5",
        "another    a     100.0 ± 0.0",
    ]


def test_a_terminal_too_narrow_for_that_gets_a_record_a_row() -> None:
    assert printed(TABLE, 40)[:16] == [
        "experiment: first one", "net: a", "mean test errors: 1234.6 ± 12.3",
        "training cost per 100: 0.004", "made from: a stack of three layers", "",
        "experiment: first one", "net: bb", "training cost per 100: 235.810",
        "made from:", "runs/some-folder/pretrain-labels-b.h5", "",
        "experiment: another", "net: a", "mean test errors: 100.0 ± 0.0", "",
    ]  # fmt: skip


def test_columns_that_are_empty_in_every_row_go_before_rows_become_records() -> None:
    never = Column("nothing", "{never}")
    table = dataclasses.replace(TABLE, columns=[*TABLE.columns[:2], never, *TABLE.columns[2:]])
    assert printed(table, 90)[0].split()[2] == "nothing"
    assert printed(table, 60) == printed(TABLE, 60)
    assert printed(table, 40) == printed(TABLE, 40)


def test_a_section_stands_once_above_its_rows() -> None:
    assert printed(SECTIONS, None)[:6] == [
        "net  mean test errors     cost  made from",
        "first one",
        "a       1234.6 ± 12.3    0.004  a stack of three layers",
        "bb                     235.810  runs/some-folder/pretrain-labels-b.h5",
        "another",
        "a         100.0 ± 0.0",
    ]
    assert printed(SECTIONS, 40)[:3] == ["first one", "net: a", "mean test errors: 1234.6 ± 12.3"]


@pytest.mark.parametrize("table", [TABLE, SECTIONS], ids=["plain", "sections"])
@pytest.mark.parametrize("width", [20, 30, 37, 38, 45, 55, 60, 70, 75, 80, 81, 90, 100, 120])
def test_no_number_and_no_name_loses_anything_at_any_width(table: Table, width: int) -> None:
    lines = printed(table, width)
    assert max(map(len, lines)) <= width
    words = " ".join(" ".join(lines).split())
    for row in table.rows:
        for column in table.columns:
            if not column.left:
                assert column.text(row) in words
    everything = "".join(words.split())
    assert "…" not in everything
    for row in table.rows:
        assert row["net"] in words
        assert row["experiment"] in words or "".join(row["experiment"].split()) in everything
    # A name may be folded, between other columns' lines: each of its characters is there.
    assert everything.count("/") >= 2
    assert everything.count("-") >= 3


def test_wide_characters_take_two_columns() -> None:
    rows = [{"net": "网络" * 12, "errors": 12}, {"net": "x", "errors": 345}]
    table = Table([Column("net", "{net}", left=True), Column("errors", "{errors}")], rows)
    for width in (20, 30, 60):
        lines = printed(table, width)
        assert max(map(cell_len, lines)) <= width
        assert "".join(lines).count("网") == 12
        assert "345" in "".join(lines)


def test_names_are_no_markup() -> None:
    table = Table([Column("net", "{net}", left=True)], [{"net": "[bold]x[/bold] :dog:"}],
                  title="[red]:cat:", notes=["[dim]"])  # fmt: skip
    assert printed(table, None) == ["[red]:cat:", "net", "[bold]x[/bold] :dog:", "Note: [dim]"]


def test_rows_that_do_not_stand_out_are_dim_on_a_terminal() -> None:
    screen = io.StringIO()
    strong = dataclasses.replace(TABLE, strong=lambda row: row["net"] == "bb")
    strong.print(Console(file=screen, force_terminal=True, width=200, color_system="standard"))
    styled = [line.startswith("\x1b[2m") for line in screen.getvalue().splitlines()[1:4]]
    assert styled == [True, False, True]


def test_a_confusion_matrix_of_many_classes_keeps_its_numbers_and_labels() -> None:
    n = 47
    counts = np.zeros((n, n), np.int64)
    counts[np.arange(n), np.arange(n)] = 1000 + np.arange(n)
    counts[3, 46] = 12345
    evaluation = Evaluation("net.h5", "test", Score(60000, 12345, 1.0), counts)
    table = scores._confusion_table(evaluation)
    head, *rows = [line.split() for line in printed(table, None)[1:]]
    assert head == ["label", *map(str, range(n))]
    assert [row[0] for row in rows] == [str(label) for label in range(n)]
    found = [[0 if cell == "." else int(cell) for cell in row[1:]] for row in rows]
    assert found == counts.tolist()
    lines = printed(table, 60)
    assert max(map(len, lines)) <= 60
    start = lines.index("label: 3")
    assert lines[start : start + 4] == ["label: 3", "3: 1003", "46: 12345", ""]
    assert sum(line.startswith("label: ") for line in lines) == n


# -- intervals and counts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "cases"),
    [(0, 1), (1, 1), (0, 7), (7, 7), (1, 10_000), (122, 10_000), (65, 200), (9_999, 10_000)],
)
def test_intervals_are_wilson_s_and_never_without_a_width(errors: int, cases: int) -> None:
    found = scores.interval(errors, cases)
    expected = binomtest(errors, cases).proportion_ci(method="wilson")
    # The normal quantile has seven digits.
    np.testing.assert_allclose(found, [cases * expected.low, cases * expected.high],
                               rtol=1e-6, atol=1e-9)  # fmt: skip
    assert 0 <= found[0] <= errors <= found[1] <= cases
    assert round(found[1]) > round(found[0])


def test_a_net_without_any_error_is_not_said_to_be_exact(capsys: Any) -> None:
    for errors, told in ((0, "0-4"), (7, "3-14"), (10_000, "9996-10000")):
        found = Evaluation("net.h5", "test", Score(10_000, errors, 1.0), np.eye(2))
        scores.show([found], False, [])
        assert capsys.readouterr().out.splitlines()[-1].split()[4:6] == [str(errors), told]
        assert f"| {errors} ({told}) | " in scores.methods_table(
            [found], EVERY_CASE, threads=1
        ).markdown()  # fmt: skip


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [(1, "epoch", "1 epoch"), (0, "epoch", "0 epochs"), ("33+16", "epoch", "33+16 epochs"),
     ("1", "epoch", "1 epoch"), (1, "pass", "1 pass"), (2, "pass", "2 passes"),
     ("1,000", "case", "1,000 cases")],
)  # fmt: skip
def test_one_of_a_thing_is_no_plural(number: int | str, noun: str, words: str) -> None:
    assert counted(number, noun) == words


# -- the tables of files ---------------------------------------------------------------------


def test_a_row_says_which_recipe_and_data_it_was_made_with(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(OLD, tmp_path / "runs"))
    for command in ("table1", "generative", "translated", "unlabelled"):
        lines = run(command, folder, "--format", "markdown").stdout.splitlines()
        rows = [line for line in lines[2:] if line[:1] == "|" and "| chapter |" not in line]
        rows = [line for line in rows if "missing" not in line]
        assert rows
        assert all(": recipe quick; " in line for line in rows)
        assert all("; data a3e3e6d5, 60 test cases |" in line for line in rows)
        assert not any("0,000" in line for line in rows)
    for path in folder.glob("*.h5"):
        found = checkpoint.load(path)
        found.recipe = "tr2006"
        found.lineage |= {"data": mnist.SHA256}
        checkpoint.save(path, found)
    for command in ("table1", "generative", "translated", "unlabelled"):
        shown = run(command, folder, "--format", "markdown").stdout
        assert "recipe quick" not in shown
        assert "data a3e3" not in shown


@pytest.mark.parametrize("command", ["table1", "generative", "translated", "unlabelled"])
@pytest.mark.parametrize("width", [30, 50, 60, 72])
def test_tables_of_files_are_whole_on_a_narrow_terminal(command: str, width: int) -> None:
    wide = run(command, OLD).stdout
    numbers = {word for word in wide.split() if word[:1].isdigit()}
    lines = on_a_terminal(width, command, OLD)
    assert max(map(len, lines)) <= width
    assert numbers <= set(" ".join(lines).split()) | {word + ":" for word in numbers}


def test_show_fits_a_terminal_and_is_whole_elsewhere() -> None:
    file = OLD / "bp-a.h5"
    digest = loading.load(file).lineage.data
    assert digest in run("show", file).stdout
    lists = on_a_terminal(60, "show", file)
    lists = lists[lists.index("") :]
    assert max(map(len, lists)) <= 60


def test_show_names_the_source_of_each_setting_under_the_experiment_s_conditions(
    capsys: Any,
) -> None:
    file = loading.load(OLD / "hybrid-a.h5")
    held = dataclasses.replace(file.held, recipe="tr2006")
    contents.show(dataclasses.replace(file, held=held))
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["recipe"].split() == ["recipe", "tr2006"]
    assert "Hinton, Osindero and Teh (2006)" in lines["sampled_labels"]
    assert lines["generative"].split()[-2:] == ["the", "chapter"]
    assert lines["bp_weights"].split()[-1] == "option"
    # In the recipe's variant for mixed gradients; without one it is 10.
    changed = dataclasses.replace(file.settings, gibbs=(3,))  # type: ignore[type-var]
    contents.show(dataclasses.replace(file, held=held, settings=changed))
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert "validation" in lines["gibbs"]


def test_json_says_how_each_file_was_made() -> None:
    for command in ("table1", "generative", "translated", "unlabelled"):
        for made in json.loads(run(command, OLD, "--json").stdout)["files"]:
            file = loading.load(OLD / made["file"])
            assert made["kind"] == file.kind.name
            assert made["sha256"] == file.digest
            assert made["recipe"] == "quick"
            assert made["settings"]["batch"] == vars(file.settings)["batch"]
            assert made["lineage"]["role"] == file.lineage.role
            assert made["provenance"] == file.provenance
            assert made["reason"] == file.outcome.reason


# -- which files a table takes ---------------------------------------------------------------

TAKEN = {
    "table1": "bp-a.h5",
    "replicas": "bp-a-extended.h5",
    "generative": "hybrid-a.h5",
    "translated": "bp-translated-a.h5",
    "unlabelled": "bp-50-images-a.h5",
}
"""A file that each table takes."""


@dataclass(frozen=True)
class LaterLineage(Lineage):
    """With a condition that no table knows."""

    noise: float = 0.0


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The running package with a condition of lineage and a setting of every kind more."""
    monkeypatch.setattr(loading, "Lineage", LaterLineage)
    added = dataclasses.field(
        default=0.0,
        metadata={
            "choices": (),
            "low": 0,
            "high": 1,
            "apart": True,
            "goes": (),
            "first": False,
        },
    )
    monkeypatch.setattr(
        loading,
        "PARTS",
        {
            name: dataclasses.make_dataclass("Later", [("sparsity", float, added)], bases=(kind,),
                                             frozen=True)
            for name, kind in PARTS.items()
        },
    )  # fmt: skip


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("command", TAKEN)
@pytest.mark.parametrize(
    ("part", "name"), [("lineage", "noise"), ("settings", "sparsity")], ids=["lineage", "setting"]
)
def test_a_file_of_an_unknown_condition_is_left_out_of_each_table_and_named(
    command: str, part: str, name: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(OLD, tmp_path / "runs"))
    path = folder / TAKEN[command]
    before = json.loads(run(command, folder, "--json").stdout)
    for value, taken in ((0.0, True), (0.5, False)):
        found = checkpoint.load(path)
        getattr(found, part)[name] = value
        checkpoint.save(path, found)
        after = json.loads(run(command, folder, "--json").stdout)
        assert (after["rows"] == before["rows"]) == taken
        notes = [note for note in after["notes"] if "left out" in note]
        assert [note.removeprefix(f"{folder}: ") for note in notes] == (
            [] if taken else [f"left out: {path.name} ({name})"]
        )
        files = [made["file"] for made in after.get("files", [])]
        assert command == "replicas" or (path.name in files) == taken


@pytest.mark.parametrize("below", [(), ("device",)])
@pytest.mark.parametrize("command", TAKEN)
def test_a_file_of_a_card_is_taken_and_told_from_others(
    command: str, below: tuple[str, ...], tmp_path: Path
) -> None:
    """And what was learned from it, by the package itself, is taken."""
    folder = Path(shutil.copytree(OLD, tmp_path / "runs"))
    path = folder / TAKEN[command]
    before = json.loads(run(command, folder, "--json").stdout)
    found = checkpoint.load(path)
    found.lineage |= {"below": below} if below else {"device": "H100"}
    checkpoint.save(path, found)
    after = json.loads(run(command, folder, "--json").stdout)
    assert after["rows"] == before["rows"]
    more = [note for note in after["notes"] if note not in before["notes"]]
    alone = command == "translated"  # there is no other file to mix it with
    assert bool(more) == (not below and not alone)
    assert all("different devices: H100, this package's own" in note for note in more[:1])
    assert all("the replicas differ in device" in note for note in more[1:])


def test_what_tables_know_together_is_what_their_selections_know() -> None:
    studies = (error_rates.GENERATIVE, error_rates.TRANSLATED, error_rates.DROPOUT)
    selections = [one for study in studies for one in study.selections]
    selections += [*table1._SELECTIONS, baselines._SELECTION, error_rates._SELECTION]
    selections += [directed._DIRECTED, directed._CONTRASTIVE]
    for one in selections:
        tables = [taken for _, taken, kinds in files.TAKEN if one.kind in kinds]
        assert not tables or any(one.knows <= taken for taken in tables)
    for needs, knows, kinds in files.TAKEN:
        own = {one.kind for one in selections if (one.needs, one.knows) == (needs, knows)}
        assert own
        assert own <= kinds <= own | {"stack"}  # the stacks of nets


def test_a_file_that_no_table_takes_is_named_though_each_condition_is_known_to_some(
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(OLD, tmp_path / "runs"))
    found = checkpoint.load(folder / "bp-translated-a.h5")
    found.lineage["labelled"] = 20
    checkpoint.save(folder / "odd.h5", found)
    for command in ("table1", "translated", "unlabelled"):
        notes = json.loads(run(command, folder, "--json").stdout)["notes"]
        assert any("left out: odd.h5 (" in note for note in notes), command


@pytest.mark.usefixtures("later")
def test_a_file_of_another_table_is_passed_over_whatever_else_it_is(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(OLD, tmp_path / "runs"))
    found = checkpoint.load(folder / "bp-translated-a.h5")
    found.lineage["noise"] = 0.5
    checkpoint.save(folder / "bp-translated-a.h5", found)
    for command in TAKEN:
        text = run(command, folder, "--format", "markdown").stdout
        assert ("left out: bp-translated-a.h5 (noise)" in text) == (command == "translated")


def test_every_old_file_has_the_conditions_of_its_experiment() -> None:
    found = {
        path.name: files.conditions(loading.load(path)) for path in sorted(OLD.glob("*.h5"))
    }  # fmt: skip
    assert {name: names for name, names in found.items() if names} == {
        "bp-50-images-a.h5": {"images", "labelled"},
        "bp-a-50-labelled.h5": {"labelled"},
        "bp-not-pretrained-a-50-labelled.h5": {"labelled", "random_start"},
        "bp-translated-a.h5": {"translations"},
        "pretrain-50-images-a.h5": {"images"},
        "pretrain-labels-a.h5": {"labels"},
        "pretrain-labels-b.h5": {"labels"},
        "pretrain-translated-a.h5": {"translations"},
    }


def test_nets_that_were_tested_on_different_cases_are_not_multiplied(tmp_path: Path) -> None:
    for split in "abc":
        found = checkpoint.load(OLD / "bp-a.h5")
        found.lineage["split"] = split
        if split == "c":
            found.outcome["test_labels"] = found.outcome["test_labels"][::-1].copy()
        checkpoint.save(tmp_path / f"{split}.h5", found)
    fails_in_one_line(run("table1", tmp_path), 1, "c.h5: was tested on other cases than", "a.h5")


@pytest.mark.parametrize("own", ["mnist.h5", "z-mnist.h5"])  # before the other file, and after
def test_mnist_goes_before_other_data_of_the_same_line_and_both_are_named(
    own: str, tmp_path: Path
) -> None:
    """As where a folder also holds the pathway of the sounds of `finetune-pairs`."""
    for command, name in TAKEN.items():
        folder = tmp_path / command
        folder.mkdir()
        for copy, data in ((own, mnist.SHA256), ("other.h5", mnist.SPOKEN_SHA256)):
            found = checkpoint.load(OLD / name)
            found.lineage["data"] = data
            checkpoint.save(folder / copy, found)
        result = run(command, folder)
        assert result.exit_code == 0, result.output
        words = " ".join(result.stdout.split())
        each = rf"other\.h5: .*data .*, left out beside {own}"
        briefly = "left out, of other data: other.h5"  # one line a kind, of many folders
        assert re.search(briefly if command == "replicas" else each, words), words


def test_two_files_for_one_line_are_named_and_left_out_beside_the_others(tmp_path: Path) -> None:
    for command, name in TAKEN.items():
        folder = tmp_path / command
        folder.mkdir()
        for copy in ("one.h5", "two.h5"):
            shutil.copy(OLD / name, folder / copy)
        why = "one.h5 and two.h5 are for one line, left out"
        fails_in_one_line(run(command, folder), 1, why)  # nothing is left
        held = checkpoint.load(OLD / name)
        held.lineage["split"] = "b"
        checkpoint.save(folder / "three.h5", held)
        result = run(command, folder)
        assert result.exit_code == 0, result.output
        briefly = "left out, several for one line: one.h5 and two.h5"  # of many folders
        words = " ".join(result.stdout.split())
        assert (briefly if command == "replicas" else why) in words, words
        rows = json.loads(run(command, folder, "--json").stdout)["rows"]
        shown = [row.get("measured", row) or {} for row in rows]
        assert any(row.get("test_errors") is not None for row in shown), command


def test_two_files_are_named_where_nothing_else_is_left_to_compare(tmp_path: Path) -> None:
    for name, copy in (("bp-translated-a.h5", "one.h5"), ("bp-translated-a.h5", "two.h5"),
                       ("bp-a-extended.h5", "bp-a-extended.h5")):  # fmt: skip
        shutil.copy(OLD / name, tmp_path / copy)
    why = "one.h5 and two.h5 are for one line, left out"
    fails_in_one_line(run("baselines", tmp_path), 1, why)


def test_where_no_line_is_left_all_files_are_named(tmp_path: Path) -> None:
    for name in ("bp-a.h5", "bp-a-extended.h5"):
        for copy in ("one", "two"):
            shutil.copy(OLD / name, tmp_path / f"{copy}-{name}")
    named = "one-bp-a-extended.h5 and two-bp-a-extended.h5; one-bp-a.h5 and two-bp-a.h5"
    fails_in_one_line(run("table1", tmp_path), 1, f"no line has one file alone: {named}")
    # They are no lines of what the chapter compares with.
    fails_in_one_line(run("baselines", tmp_path), 1, "there are no nets or support vector machines")


def test_a_row_says_what_settings_are_not_the_recipe_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the chapter's recipe: a net, and the stack below it."""
    small = RECIPES["tr2006"].with_values({"pretrain.layers": (12, 12, 20)})
    monkeypatch.setitem(RECIPES, "tr2006", small)
    for name in ("pretrain-a", "bp-a"):
        held = checkpoint.load(OLD / f"{name}.h5")
        held.lineage["data"], held.recipe = mnist.SHA256, "tr2006"
        own = RECIPES["tr2006"].settings(loading.typed(tmp_path, held).kind.part)
        held.settings = to_tree(own)
        checkpoint.save(tmp_path / f"{name}.h5", held)

    def said() -> str | None:
        rows = json.loads(run("table1", tmp_path, "--json").stdout)["rows"]
        return next(r["measured"] for r in rows if r["measured"])["made_with"]

    def change(name: str, **settings: Any) -> None:
        held = checkpoint.load(tmp_path / f"{name}.h5")
        held.settings |= settings
        checkpoint.save(tmp_path / f"{name}.h5", held)

    assert said() is None
    change("bp-a", valid_every=5)  # sets nothing apart
    assert said() is None
    change("bp-a", line_searches=7)  # says nothing without cg
    assert said() is None
    change("bp-a", all_cases_rate=0.3)  # nor before an extension
    assert said() is None
    extended = dataclasses.replace(
        loading.load(tmp_path / "bp-a.h5").lineage, role=EXTENDED, split="a"
    )
    file = loading.load(tmp_path / "bp-a.h5")
    assert files.made_with(dataclasses.replace(file, lineage=extended)) == "all cases rate 0.3"
    first = dataclasses.replace(file.settings, rate=0.7, patience=3, all_cases_rate=0.1)  # type: ignore[type-var]
    file = dataclasses.replace(file, settings=first)
    assert files.made_with(file) == "rate 0.7, patience 3"
    file = dataclasses.replace(file, lineage=extended)
    assert files.made_with(file) is None  # which are of the first run alone
    most = dataclasses.replace(file.settings, max_epochs=2)  # type: ignore[type-var]
    assert files.made_with(dataclasses.replace(file, settings=most)) == "max epochs 2"
    change("bp-a", all_cases_rate=0.1)
    random = dataclasses.replace(file.lineage, role=VALIDATED, random_start=True, layers=(9,))
    idle = files.idle(dataclasses.replace(file, lineage=random))
    assert idle == {"final_share"}  # it has learned by the rest
    change("pretrain-a", hidden_bias=-4.0)
    assert said() == "hidden bias -4"
    change("pretrain-a", hidden_bias=0.0)
    change("bp-a", max_epochs=1)
    assert said() == "max epochs 1"
    change("pretrain-a", passes=2, layers=[10, 10])
    assert said() == "layers 10-10, passes 2, max epochs 1"
    assert "ours: layers 10-10, passes 2, max epochs 1" in run("table1", tmp_path).stdout
    change("bp-a", patience=3)
    assert said() == "4 settings not the recipe's"
    (tmp_path / "pretrain-a.h5").unlink()
    monkeypatch.undo()  # a net has layers of its own
    assert said() == "layers 12-12-20, patience 3, max epochs 1"


def test_a_row_says_what_the_files_below_its_net_were_made_with(tmp_path: Path) -> None:
    """In every table, by whom a net descends from; not of nets that it takes only a cost of."""
    for path in OLD.glob("*.h5"):
        held = checkpoint.load(path)
        held.lineage["data"], held.recipe = mnist.SHA256, "tr2006"
        own = loading.typed(tmp_path, held)
        held.settings = to_tree(RECIPES["tr2006"].settings(own.kind.part, own.conditions))
        checkpoint.save(tmp_path / path.name, held)

    def change(name: str, **settings: Any) -> None:
        held = checkpoint.load(tmp_path / f"{name}.h5")
        held.settings |= settings
        checkpoint.save(tmp_path / f"{name}.h5", held)

    def said(table: str) -> dict[str, str | None]:
        found = json.loads(run(table, tmp_path, "--json").stdout)["rows"]
        rows = [row.get("measured", row) for row in found]

        def name(row: dict[str, Any]) -> str:
            return f"{row.get('network') or row['experiment']} {row.get('cases') or row['net']}"

        return {name(row): row["made_with"] for row in rows if row}

    def rows_with(words: str, table: str) -> set[str]:
        return {name for name, made in said(table).items() if words in (made or "")}

    held = checkpoint.load(tmp_path / "bp-not-pretrained.h5")
    held.lineage["parents"] = [loading.load(tmp_path / "bp-a.h5").digest]  # it ends at its cost
    checkpoint.save(tmp_path / "bp-not-pretrained.h5", held)
    before = {table: said(table) for table in ("table1", "generative")}
    assert not any("hidden bias" in str(made) for of in before.values() for made in of.values())
    change("pretrain-a", hidden_bias=-4.0)
    above = {
        file.path.name
        for file in map(loading.load, sorted(tmp_path.glob("*.h5")))
        if loading.load(tmp_path / "pretrain-a.h5").digest in (file.lineage.parents or ())
    }
    assert {"bp-a.h5", "pretrain-labels-a.h5"} <= above
    of_net_a = {name for name in before["table1"] if name.startswith("Neta")}
    assert len(of_net_a) == 2  # and its extension
    assert rows_with("hidden bias -4", "table1") == of_net_a
    others = {name for name in before["generative"] if name.endswith(" b")}
    assert rows_with("hidden bias -4", "generative") == set(before["generative"]) - others
    change("bp-a", patience=3)
    assert rows_with("patience 3", "table1") == of_net_a
    # Of bp-a it has nothing else.
    assert any(name.startswith("not pre-trained") for name in before["table1"])


def test_a_net_that_has_its_parents_weights_is_no_end_of_its_own(tmp_path: Path) -> None:
    """An extension that learned nothing: both have one digest."""
    for name in ("bp-a", "bp-a-extended"):
        shutil.copy(OLD / f"{name}.h5", tmp_path)
    held = checkpoint.load(tmp_path / "bp-a-extended.h5")
    held.model = checkpoint.load(tmp_path / "bp-a.h5").model
    held.lineage["parents"] = [loading.load(tmp_path / "bp-a.h5").digest]
    checkpoint.save(tmp_path / "bp-a-extended.h5", held)
    again = loading.load(tmp_path / "bp-a-extended.h5")
    assert again.digest == again.lineage.parents[0]  # type: ignore[index]
    assert files.Folder(tmp_path).below([again]) == []
    assert run("table1", tmp_path).exit_code == 0


def test_data_inside_the_package_go_by_their_name() -> None:
    file = loading.load(OLD / "bp-a.h5")
    lineage = dataclasses.replace(file.lineage, data=mnist.SPOKEN_SHA256, data_folder=None)
    made = files.made_with(dataclasses.replace(file, lineage=lineage))
    own = "4 settings not the recipe's"
    assert made == f"recipe quick; {own}; data spoken, 60 test cases"


def test_a_curve_of_one_epoch_is_described_in_words_of_one() -> None:
    file = loading.load(OLD / "bp-a.h5")
    history = {name: column[:1] for name, column in file.history.items()}
    panel = next(panel for panel in curves.DISCRIMINATIVE if panel.shows(file))
    held = dataclasses.replace(file.held, history=history)
    one = curves.Curve("bp-a", "C0", dataclasses.replace(file, held=held))
    assert curves.described([one], panel).endswith(" in 1 epoch.")


def test_of_three_files_for_one_line_none_has_it(tmp_path: Path) -> None:
    for copy in ("one.h5", "two.h5", "three.h5"):
        shutil.copy(OLD / "bp-a.h5", tmp_path / copy)
    why = "one.h5, three.h5 and two.h5 are for one line, left out"
    fails_in_one_line(run("table1", tmp_path), 1, why)


def test_the_printed_numbers_are_those_of_the_chapter() -> None:
    """Its Table 1, and what its text says of the test errors there."""
    lines = """
        Neta 50000 33 0.12 1 6.49 129 6.22 122
        Netb 50000 56 0.04 0 7.81 118 6.21 116
        Netc 50000 63 0.03 0 8.12 118 6.73 124
        Combined - - - - - - 5.75 110
        Neta 60000 33+16 <0.12 1 - - 5.81 113
        Netb 60000 56+28 <0.04 0 - - 5.90 106
        Netc 60000 63+31 <0.03 0 - - 5.93 118
        Combined - - - - - - 5.40 106
        not-pre-trained 60000 119 <0.063 0 - - 18.43 227
    """
    names = table1._NAMES
    for line, row in zip(lines.strip().splitlines(), table1.PRINTED, strict=True):
        cells = dict(zip(names, line.split(), strict=True))
        assert row["network"].replace(" ", "-") == cells.pop("network")
        for name, cell in cells.items():
            value = row[name]
            assert (value is None) == (cell == "-"), (line, name)
            number = isinstance(value, float | int)
            assert value is None or (float(cell) == value if number else cell == value)
    rates = [row["test_error_rate_percent"] for row in table1.PRINTED]
    assert rates[:4] == [1.22, 1.16, 1.24, 1.10]
    assert round(sum(rates[4:7]) / 3, 2) == 1.12
    assert rates[8] == 2.27


def test_an_interval_is_for_as_many_test_cases_as_there_are(tmp_path: Path) -> None:
    shutil.copy(OLD / "bp-a.h5", tmp_path)
    (row,) = (row for row in table1.read_runs(tmp_path).measured if row)
    test = loading.load(OLD / "bp-a.h5").outcome.scores["test"]
    assert test.cases < 10_000
    ends = row["test_errors_95_low"], row["test_errors_95_high"]
    assert ends == scores.interval(test.errors, test.cases)
    assert row["test_error_rate_percent"] == 100 * test.errors / test.cases


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({}, ""),
        ({"recipe": "tr2006"}, "recipes: quick, tr2006"),
        ({"seed": 7}, "seeds: 0, 7"),
        ({"data": "f" * 64}, "data sets: "),
    ],
)
def test_nets_of_table_1_that_have_not_all_in_common_are_named(
    change: dict[str, Any], note: str, tmp_path: Path
) -> None:
    shutil.copy(OLD / "bp-a.h5", tmp_path)
    found = checkpoint.load(OLD / "bp-a-extended.h5")
    found.recipe = change.get("recipe", found.recipe)
    found.lineage |= {name: value for name, value in change.items() if name != "recipe"}
    checkpoint.save(tmp_path / "other.h5", found)
    said = [n for n in table1.read_runs(tmp_path).notes if "come from different" in n]
    assert len(said) == bool(note)
    assert all(n.startswith(f"the files come from different {note}") for n in said)


# -- nothing under a name that it does not have ---------------------------------------------------


def made_of(name: str, folder: Path, copy: str = "", **changes: Any) -> Path:
    """A file of a version with other settings, and another lineage where its fields are named."""
    folder.mkdir(exist_ok=True)
    held = checkpoint.load(OLD / f"{name}.h5")
    of_lineage = {field.name for field in dataclasses.fields(Lineage)}
    for key, value in changes.items():
        (held.lineage if key in of_lineage else held.settings)[key] = value
    path = folder / f"{copy or name}.h5"
    checkpoint.save(path, held)
    return path


def told(command: str, folder: Path) -> tuple[set[str], list[str]]:
    """The experiments of a table, and its notes."""
    document = json.loads(run(command, folder, "--json").stdout)
    return {row.get("experiment", "") for row in document["rows"]}, document["notes"]


def test_of_nets_with_dropout_the_table_says_what_they_learned(tmp_path: Path) -> None:
    cases = {"dropout": True, "parents": []}
    made_of("hybrid-a", tmp_path, generative="pretraining", **cases)
    random = {**cases, "random_start": True, "layers": [12]}
    made_of("bp-a", tmp_path, "moved", translations=2, **random)
    made_of("bp-a", tmp_path, "plain", split="b", **random)
    made_of("bp-50-images-a", tmp_path, translations=1, **cases)
    found, notes = told("dropout", tmp_path)
    assert {name.rsplit(",", 1)[0] for name in found} == {
        "dropout, not pretrained, translated images", "dropout, not pretrained"
    }  # fmt: skip
    left_out = next(note for note in notes if note.startswith("left out"))
    assert "hybrid-a.h5 (pretraining's gradient validated)" in left_out
    assert "bp-50-images-a.h5 (translated by 1 images 50 validated)" in left_out


def test_translations_by_other_pixels_are_other_experiments(tmp_path: Path) -> None:
    for pixels, split in ((1, "a"), (2, "b"), (2, "c")):
        made_of("bp-translated-a", tmp_path, split, translations=pixels, split=split)
    document = json.loads(run("translated", tmp_path, "--json").stdout)
    found: dict[str, list[str]] = {}
    for row in document["rows"]:
        found.setdefault(row["experiment"].rsplit(",", 1)[0], []).append(row["net"])
    assert found == {
        "translated images": ["b", "c", "mean", "product"],
        "images translated by 1 pixel": ["a", "mean"],
    }
    assert [note for note in document["notes"] if note.startswith("missing")] == [
        "missing: translated images, continued on all training cases"
    ]


@pytest.mark.parametrize(
    ("command", "name"),
    [("generative", "cws-a"), ("translated", "bp-translated-a"), ("unlabelled", "bp-a-50-labelled"),
     ("dropout", "bp-a")],
)  # fmt: skip
def test_nets_of_several_seeds_in_one_table_are_told(
    tmp_path: Path, command: str, name: str
) -> None:
    more = {"dropout": True} if command == "dropout" else {}
    for seed, split in ((0, "a"), (3, "b")):
        made_of(name, tmp_path, split, seed=seed, split=split, **more)
        _, notes = told(command, tmp_path)
        assert ("the files come from different seeds: 0, 3" in notes) == (split == "b")


@pytest.mark.parametrize(
    ("command", "name", "more"),
    [("table1", "bp-a", {}), ("generative", "cws-a", {}), ("dropout", "bp-a", {"dropout": True})],
)
def test_an_extension_of_another_net_than_that_beside_it_is_told(
    tmp_path: Path, command: str, name: str, more: dict[str, Any]
) -> None:
    net = loading.load(made_of(name, tmp_path, **more))
    said = f"{name}-extended.h5 starts from other nets than those beside it"
    for parent, strange in ((net.digest, False), ("0" * 64, True)):
        made_of(f"{name}-extended", tmp_path, parents=[parent], split="a", **more)
        assert (said in told(command, tmp_path)[1]) == strange
    (tmp_path / f"{name}.h5").unlink()
    assert said not in told(command, tmp_path)[1]


def test_a_net_that_stops_by_others_than_those_of_the_table_is_told(tmp_path: Path) -> None:
    nets = [made_of("bp-a", tmp_path, f"bp-{s}", split=s, rate=0.1) for s in "abc"]
    parents = [loading.load(path).digest for path in nets]
    for n, own in enumerate((parents, [*parents[:2], "0" * 64])):
        made_of("bp-not-pretrained", tmp_path, parents=own)
        said = "bp-not-pretrained.h5 starts from other nets than those beside it"
        assert (said in told("table1", tmp_path)[1]) == bool(n)


@pytest.mark.parametrize(("command", "name"), [("generative", "cws-a"), ("dropout", "hybrid-a")])
def test_generative_nets_that_no_table_takes_are_named(
    tmp_path: Path, command: str, name: str
) -> None:
    more = {"dropout": True} if command == "dropout" else {}
    made_of(name, tmp_path, **more)
    path = made_of(name, tmp_path, "moved", translations=1, split="b", **more)
    _, notes = told(command, tmp_path)
    assert f"left out: {path.name} (translations)" in notes


def test_a_setting_that_a_first_run_makes_no_use_of_is_not_said(tmp_path: Path) -> None:
    path = made_of("bp-a", tmp_path, initial_scale=7.0, all_cases_rate=7.0)
    without = {"initial_scale", "all_cases_rate", "extension_epochs"}
    assert files.idle(loading.load(path)) == without | {"final_share"}
    falling = made_of("bp-a", tmp_path, "falling", epochs=3)
    assert files.idle(loading.load(falling)) == without
    extended = made_of("bp-a-extended", tmp_path, "on", epochs=3, final_share=0.5)
    assert "final_share" in files.idle(loading.load(extended))
    extended = made_of("bp-a-extended", tmp_path, "on", extension_epochs=3, final_share=0.5)
    assert "final_share" not in files.idle(loading.load(extended))
    assert "initial scale" not in str(files.made_with(loading.load(path), varied=["layers"]))
