"""The report: what the page holds, where its numbers come from, and how it looks in a Chromium.

Tests in the browser are skipped where there is none.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import NARROW, WIDE, Browser
from numpy.typing import NDArray
from PIL import Image
from test_cli import fails_in_one_line, run

from hinton06 import checkpoint, loading, mnist
from hinton06.recipes import RECIPES
from hinton06.report import page, plates, strategies
from hinton06.report.chapter import SECTIONS
from hinton06.report.figures import hard_cases
from hinton06.report.files import made_with
from hinton06.report.page import PageOptions
from hinton06.report.table import Column, Table
from hinton06.report.tables import TABLES, Report

ROOT = Path(__file__).parents[1]
OLD = ROOT / "tests" / "data" / "version-1"
DATA = OLD / "digits"
OPTIONS = PageOptions(gibbs=3, data_dir=DATA)


class Page(HTMLParser):
    """Tables as lists of rows of texts by their element's id, links, pictures, ids, all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.links: list[str] = []
        self.pictures: list[dict[str, str]] = []
        self.ids: list[str] = []
        self.headings: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self._block = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
            self._block = given["id"] if tag == "div" else self._block
        if tag == "table":
            self.tables.setdefault(self._block, [])
        elif tag == "tr":
            self.tables[self._block].append([])
        elif tag in ("td", "th"):
            self.tables[self._block][-1].append("")
        elif tag == "a":
            self.links.append(given["href"])
        elif tag == "img":
            self.pictures.append(given)
        elif tag in ("h2", "h3"):
            self.headings.append((tag, ""))
        self._open += [tag] if tag not in ("meta", "img", "br") else []

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.tables[self._block][-1][-1] += data
        if self._open and self._open[-1] in ("h2", "h3"):
            self.headings[-1] = (self.headings[-1][0], self.headings[-1][1] + data)


def made(*folders: Path, progress: Any, **options: Any) -> Page:
    return Page(page.make(folders, progress, dataclasses.replace(OPTIONS, **options)).html)


def few(folder: Path, *names: str) -> Path:
    """A folder with these old files."""
    folder.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(OLD / name, folder)
    return folder


def words(page: Page) -> str:
    return " ".join(page.text.split())


def pixels(url: str) -> NDArray[np.uint8]:
    head, _, content = url.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("L"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Old runs of every kind, with damaged files among them and a folder of runs below."""
    folder = tmp_path_factory.mktemp("page") / "runs <b>&"
    folder.mkdir()
    for path in OLD.glob("*.h5*"):
        shutil.copy(path, folder)
    (folder / "empty.h5").touch()
    (folder / "torn.h5").write_bytes((OLD / "bp-a.h5").read_bytes()[:5000])
    (folder / "below").mkdir()
    shutil.copy(OLD / "bp-a.h5", folder / "below")
    return folder


@pytest.fixture(scope="module")
def written(runs: Path) -> Path:
    """The page of these runs, as the command writes it."""
    out = runs.parent / "report.html"
    result = run("report", runs, "-o", out, "--data", DATA, "--gibbs", 3, "-q", "--threads", 1)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def whole(written: Path) -> Page:
    return Page(written.read_text(encoding="utf-8"))


# -- tables ----------------------------------------------------------------------------------------


OF_CHAPTER = [report for report in TABLES if report.section]
OF_FILES = [r for r in OF_CHAPTER if r.command and r.command != "wake-sleep"]
"""The tables that are measured from files of runs, each by its command.

No earlier version made what plain wake-sleep's is of: `test_cli_directed` asks the same of it.
"""


@pytest.mark.parametrize("report", [r for r in OF_FILES if not r.several], ids=lambda r: r.command)
def test_a_table_has_every_cell_that_its_command_prints(report: Report, whole: Page) -> None:
    has_every_cell(report.make(OLD), OLD, whole)


def has_every_cell(table: Table, folder: Path, whole: Page) -> None:
    """A page of a folder has every cell of a table of it, and what is said below."""
    shown = [rows for name, rows in whole.tables.items() if "-table-" in name]
    columns = table.columns[1:] if table.sections else table.columns
    cells = [[column.text(row) for column in columns] for row in table.rows]
    headings = [[*(column.heading for column in columns), "from"]]
    (own,) = [rows for rows in shown if rows[:1] == headings]
    assert [row[:-1] for row in own[1:] if len(row) > 1] == cells
    sections = [row[0] for row in own[1:] if len(row) == 1]
    texts = [table.columns[0].text(row) for row in table.rows] if table.sections else []
    assert sections == list(dict.fromkeys(texts))
    for paragraph in [*table.legend, *table.notes]:
        assert " ".join(paragraph.replace(str(folder), "").split()) in words(whole)


@pytest.mark.parametrize("report", OF_FILES, ids=lambda report: report.command)
def test_a_row_is_measured_from_the_files_that_it_names(report: Report) -> None:
    names_its_files(report.make([OLD] if report.several else OLD))


def names_its_files(table: Table) -> None:
    """Each row's numbers are those of the files that it names."""
    assert table.sources is not None
    assert len(table.sources) == len(table.rows)
    for row, files in zip(table.rows, table.sources, strict=True):
        errors = row.get("test_errors")
        if row.get("source") == "chapter":
            assert files == []
        elif isinstance(errors, dict):
            assert errors["by_seed"] == {"0": files[0].outcome.test.errors}
        elif len(files) == 1 and row.get("net") != "mean" and errors is not None:
            test = files[0].outcome.test
            assert int(errors) == test.errors
            assert row.get("test_cost_per_100", row.get("test_cost", test.cost_per_100)) == (
                test.cost_per_100
            )
    measured = [files for files in table.sources if files]
    assert len(measured) > 1


def test_likelihoods_that_were_saved_in_the_runs_are_there(tmp_path: Path, progress: Any) -> None:
    runs = few(tmp_path / "runs", "pretrain-a.h5")
    recorded = ROOT / "experiments" / "likelihood" / "layers"
    shutil.copytree(recorded, runs / "likelihood" / "layers")
    found = made(runs, progress=progress)
    table = next(t for name, t in found.tables.items() if "-table-" in name and "log Z" in t[0])
    printed = [
        re.split(r" *\| *", line)[1:-1]
        for line in (recorded / "likelihood.md").read_text("utf-8").splitlines()
        if line.startswith("| ")
    ]
    assert table == printed
    assert "Log-likelihoods and the bound" in words(found)


def test_strategies_that_were_saved_in_the_runs_are_there_with_their_figures(
    tmp_path: Path, progress: Any
) -> None:
    runs = few(tmp_path / "runs", "pretrain-a.h5")
    recorded = ROOT / "experiments" / "strategies"
    shutil.copytree(recorded, runs / "strategies")
    found = made(runs, progress=progress)
    assert "to the power of 1.011" in words(found)
    headings = [text for _, text in found.headings]
    first = headings.index("Errors by the cost of learning")
    assert headings[first + 1 : first + 3] == ["Estimates of the gradient", "Five strategies"]
    strategies.saved(recorded).save(tmp_path / "drawn")  # as this version of matplotlib draws
    for name in ("gradients.png", "errors.png"):
        drawn = np.asarray(Image.open(tmp_path / "drawn" / name).convert("L"))
        assert any(
            np.array_equal(pixels(picture["src"]), drawn)
            for picture in found.pictures
            if picture["src"].startswith("data:image/png;")
        )


@pytest.mark.parametrize("text", ["", "[]", '{"rows": [{}], "seed": 0}', '{"rows": 3}'])
def test_likelihoods_that_are_none_are_named(text: str, tmp_path: Path, progress: Any) -> None:
    runs = few(tmp_path / "runs", "pretrain-a.h5")
    (runs / "likelihood.json").write_text(text)
    found = made(runs, progress=progress)
    assert "runs/likelihood.json: not a table of likelihoods" in words(found)


def test_a_number_leads_to_its_file_and_to_how_that_was_made(whole: Page, runs: Path) -> None:
    paths = [p for p in sorted([*runs.glob("*.h5"), *runs.glob("*.h5.part")])
             if p.name not in ("empty.h5", "torn.h5")]  # fmt: skip
    files = next(rows for name, rows in whole.tables.items() if rows[0][1:2] == ["file"])
    firsts, abouts = files[1::2], files[2::2]
    assert [row[1] for row in firsts] == [path.name for path in paths]
    numbers = {row[1]: row[0] for row in firsts}
    table1 = next(rows for rows in whole.tables.values() if rows[0][:1] == ["network"])
    ours = [row for row in table1[1:] if row[1].startswith("ours: recipe quick; ")]
    measured = {(row[2], row[-1]) for row in ours if row[2]}
    assert measured == {
        ("250", numbers["bp-a.h5"]),
        ("300", numbers["bp-a-extended.h5"]),
        ("300", numbers["bp-not-pretrained.h5"]),
    }
    for row, about, path in zip(firsts, abouts, paths, strict=True):
        file = loading.load(path)
        assert row[2:5] == [file.recipe, str(file.lineage.seed), file.lineage.split or ""]
        assert row[7] == str(file.epochs_done)
        assert (file.digest in about[1]) == file.complete
        assert ("not finished" in about[1]) == (not file.complete)
        settings = whole.tables[f"settings-{row[-2]}"][1:]
        recipe = RECIPES[file.recipe]
        for (name, value), shown in zip(vars(file.settings).items(), settings, strict=True):
            assert shown[0] == name
            assert shown[2] == recipe.source(file.kind.part, name, value, file.conditions)
        versions = dict(whole.tables[f"versions-{row[-1]}"])
        assert versions["numpy"] == file.provenance["numpy"]
        assert versions["machine"] == file.provenance["machine"]
        assert "seconds" not in versions
    parents = {row[1]: row[6] for row in firsts}
    assert parents["bp-a.h5"] == numbers["pretrain-a.h5"]
    assert parents["pretrain-a.h5"] == ""


def test_every_link_leads_somewhere_on_the_page_and_every_id_is_one(whole: Page) -> None:
    assert len(set(whole.ids)) == len(whole.ids)
    assert len(whole.links) > 50
    assert {link.removeprefix("#") for link in whole.links} <= set(whole.ids)


def test_a_table_that_is_added_to_the_registry_appears_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: Any
) -> None:
    def make(folder: Path) -> Table:
        file = loading.load(folder / "bp-a.h5")
        columns = [Column("net", "{net}", left=True), Column("nats", "{nats:.2f}")]
        return Table(columns, [{"net": "of mine", "nats": -84.5}], sources=[[file]])

    added = Report("likelihoods", make, "Log probabilities", "About.")
    monkeypatch.setattr(page, "TABLES", [*TABLES, added])
    runs = few(tmp_path, "bp-a.h5", "pretrain-a.h5")
    found = made(runs, progress=progress)
    number = [row[0] for row in found.tables["files"] if row[1] == "bp-a.h5"][:1]
    assert [["net", "nats", "from"], ["of mine", "-84.50", *number]] in found.tables.values()
    titles = [text for level, text in found.headings if level == "h2"]
    assert titles[-3:] == ["Beyond the chapter", "Where each number comes from", "What is missing"]
    monkeypatch.setattr(page, "TABLES", [dataclasses.replace(added, section=SECTIONS[1].title)])
    headings = [text for _, text in made(runs, progress=progress).headings]
    assert headings.index("Log probabilities") == headings.index(SECTIONS[1].title) + 1
    assert "Beyond the chapter" not in headings


def test_sections_are_the_chapter_s_in_its_order_and_tables_and_figures_stand_in_theirs(
    whole: Page,
) -> None:
    titles = [text for level, text in whole.headings if level == "h2"]
    assert titles == [*(s.title for s in SECTIONS), "Where each number comes from",
                      "What is missing"]  # fmt: skip
    assert {report.section for report in OF_CHAPTER} <= set(titles)
    assert {name for s in SECTIONS for name in s.figures} == set(plates.DRAWN)
    found = [text for _, text in whole.headings]
    assert found[: found.index("Files")] == [
        SECTIONS[0].title,
        SECTIONS[1].title, "Figure 2", "Figure 3",
        SECTIONS[2].title, "Learning curves",
        SECTIONS[3].title, "What the chapter compares with",
        SECTIONS[4].title, "Table 1", "Errors", "Learning curves",
        SECTIONS[5].title, "Error rates with few labels", "Learning curves",
        SECTIONS[6].title, "Error rates with translated images", "Learning curves",
        SECTIONS[7].title, "Error rates of the generative half", "Figure 5", "Errors",
        "Learning curves", "Where each number comes from",
    ]  # fmt: skip


def test_what_was_learned_with_dropout_stands_beyond_the_chapter(
    tmp_path: Path, progress: Any
) -> None:
    runs = few(tmp_path, "bp-a.h5")
    held = checkpoint.load(OLD / "bp-a.h5")
    held.settings["dropout"] = True
    checkpoint.save(runs / "bp-dropout-a.h5", held)
    found = made(runs, progress=progress)
    headings = [text for _, text in found.headings]
    beyond = headings.index("Beyond the chapter")
    assert headings[beyond + 1] == "Error rates with dropout"
    (own,) = [rows for rows in found.tables.values() if rows[0][-2:-1] == ["printed"]]
    row = next(row for row in own if row[0].startswith("a:"))
    assert any(cell.startswith(f"{held.outcome['test']['errors']} (") for cell in row)
    assert "a fine-tuned classifier, stopped by validation, dropout" in words(found)
    (table1,) = [rows for rows in found.tables.values() if rows[0][:1] == ["network"]]
    (number,) = [r[0] for r in found.tables["files"] if r[1:2] == ["bp-dropout-a.h5"]]
    assert not any(number in r[-1].split(", ") for r in table1[1:])


def test_a_random_start_with_all_labels_is_of_no_few_labels(tmp_path: Path, progress: Any) -> None:
    runs = few(tmp_path)
    held = checkpoint.load(OLD / "bp-not-pretrained-a-50-labelled.h5")
    few(runs, "bp-not-pretrained-a-50-labelled.h5")
    titles = [text for _, text in made(runs, progress=progress).headings]
    assert "Error rates with few labels" in titles
    (runs / "bp-not-pretrained-a-50-labelled.h5").unlink()
    held.lineage["labelled"] = 0
    checkpoint.save(runs / "bp-random.h5", held)
    titles = [text for _, text in made(runs, progress=progress).headings]
    assert "Error rates with few labels" not in titles


def test_several_folders_have_a_table_each_and_one_of_all_seeds(
    tmp_path: Path, progress: Any
) -> None:
    folders = [tmp_path / "one", tmp_path / "one" / "other"]
    for folder in folders:
        few(folder, "bp-a.h5", "bp-a-extended.h5", "bp-not-pretrained.h5", "pretrain-a.h5")
    for path in folders[1].iterdir():
        held = checkpoint.load(path)
        held.lineage["seed"] = 1
        checkpoint.save(path, held)
    found = made(*folders, tmp_path / "one", progress=progress)
    titles = [text for _, text in found.headings]
    assert [t for t in titles if "Table 1" in t] == [
        f"Table 1, {folders[0]}", f"Table 1, {folders[1]}", "Table 1 over several seeds",
        "Table 1, seed by seed",
    ]  # fmt: skip
    assert {t for t in titles if "Learning curves" in t} == {
        f"Learning curves, {folder}" for folder in folders
    }
    assert f"Figure 3, {folders[0]}" in titles
    assert "Figure 3" in [text for _, text in made(folders[1], progress=progress).headings]
    rows = next(rows for rows in found.tables.values() if "at or below" in rows[0])
    assert [row[-1] for row in rows[1:]] == ["2 6", "1 5", "3 7"]
    assert "Not given" not in words(found)


# -- figures ---------------------------------------------------------------------------------------


def test_errors_are_every_wrong_case_the_surest_first() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.full(4, 0.5), 60)
    probs[::3] = [0.1, 0.6, 0.2, 0.1]
    labels = rng.integers(0, 4, 60).astype(np.uint8)
    labels[::3] = 3
    expected = []
    for case, (row, label) in enumerate(zip(probs, labels, strict=True)):
        guess = int(np.argmax(row))
        if guess != label:
            expected.append((-row[guess], case, int(label), guess))
    expected.sort()
    assert len(expected) > 20
    found = plates.mistakes(np.log(probs).astype(np.float32), labels)
    assert [(c.test_case, c.label, c.guess) for c in found] == [line[1:] for line in expected]
    # Of float32 logarithms, which are right to 2^-24 of themselves.
    told = [(case.probability, case.label_probability) for case in found]
    both = [(-line[0], probs[line[1], line[2]]) for line in expected]
    most = abs(np.log(both)).max()
    np.testing.assert_allclose(told, both, rtol=most * 2.0**-24)


def test_digits_are_those_of_the_data_and_the_words_below_them_are_the_nets(
    written: Path,
) -> None:
    digits = mnist.read(DATA)
    html = written.read_text(encoding="utf-8")
    lists = re.findall(r'<ul class="digits">(.*?)</ul>', html, re.S)
    nets = ("cws-a.h5", "bp-a.h5", "cws-a.h5")
    for number, (name, block) in enumerate(zip(nets, lists, strict=True)):
        file = loading.load(OLD / name)
        logs, labels = file.outcome.test_log_probs, file.outcome.test_labels
        assert logs is not None
        assert labels is not None
        if number == 0:
            cases: Any = hard_cases(logs, labels, 49)
            told = [f"{c.label}: {c.probability:.2f} {c.second}: {c.second_probability:.2f}"
                    for c in cases]  # fmt: skip
        else:
            cases = plates.mistakes(logs, labels)
            assert len(cases) == file.outcome.scores["test"].errors
            told = [f"{c.label} as {c.guess} {c.probability:.2f}" for c in cases]
        items = re.findall(
            r'<img src="([^"]+)" alt="test case ([\d,]+), of class (\d+)">(.*?)</li>', block
        )
        assert [int(item[1]) - 1 for item in items] == [case.test_case for case in cases]
        assert [int(item[2]) for item in items] == [labels[case.test_case] for case in cases]
        assert [" ".join(re.findall(r"<span>(.*?)</span>", item[3])) for item in items] == told
        for item in items:
            image = digits.test_images[int(item[1]) - 1].reshape(digits.shape)
            np.testing.assert_array_equal(pixels(item[0]), 255 - image)


def test_figures_3_and_5_are_those_that_the_command_draws(whole: Page, tmp_path: Path) -> None:
    for name, figure in (("pretrain-a.h5", "3"), ("cws-a.h5", "5")):
        options = ("--only", figure, "--out", tmp_path, "--data", DATA, "--threads", 1, "-q")
        result = run("figures", OLD / name, *options, "--gibbs", 3)
        assert result.exit_code == 0, result.output
        drawn = (tmp_path / f"figure{figure}-{Path(name).stem}.png").read_bytes()
        url = f"data:image/png;base64,{base64.b64encode(drawn).decode()}"
        assert [p["src"] for p in whole.pictures].count(url) == 1
        about = json.loads((tmp_path / f"figure{figure}-{Path(name).stem}.json").read_text())
        assert about["about"][1:] in words(whole)
        assert f"{name[0].upper()}{name[1:]}" not in words(whole)


def test_curves_are_told_to_who_cannot_see_them(whole: Page) -> None:
    told = [p["alt"] for p in whole.pictures if p["src"].startswith("data:image/svg")]
    history = loading.load(OLD / "pretrain-a.h5").history["recon_error"]
    assert history[-1] != history[0]
    ends = f"pretrain-a from {history[0]:.4g} to {history[-1]:.4g} in {len(history)} epochs"
    assert any(alt.startswith("reconstruction error") and ends in alt for alt in told)
    assert any("bp-b (not finished) from" in alt for alt in told)
    assert all(picture["alt"] for picture in whole.pictures)


def test_a_net_without_errors_has_no_picture_of_them_and_one_without_a_right_case_no_figure_2(
    tmp_path: Path, progress: Any
) -> None:
    for right in (True, False):
        held = checkpoint.load(OLD / "bp-a.h5")
        labels = held.outcome["test_labels"]
        logs = np.full((len(labels), 10), -3, np.float32)
        logs[np.arange(len(labels)), labels] = -1 if right else -4
        held.outcome["test_log_probs"] = logs
        checkpoint.save(tmp_path / "bp-a.h5", held)
        headings = [text for _, text in made(tmp_path, progress=progress).headings]
        assert ("Errors" in headings, "Figure 2" in headings) == (not right, right)


def test_the_digits_that_three_nets_get_wrong_are_those_of_their_product(
    tmp_path: Path, progress: Any
) -> None:
    wrong = []
    for split in "abc":
        held = checkpoint.load(OLD / "bp-a.h5")
        held.lineage["split"] = split
        rng = np.random.default_rng(ord(split))
        labels = held.outcome["test_labels"]
        logs = np.log(rng.dirichlet(np.ones(10), len(labels))).astype(np.float32)
        held.outcome["test_log_probs"] = logs
        wrong.append(logs.astype(np.float64))
        checkpoint.save(tmp_path / f"bp-{split}.h5", held)
    guesses = sum(wrong).argmax(axis=1)
    count = int(np.count_nonzero(guesses != labels))
    found = made(tmp_path, progress=progress)
    assert (
        f"The product of bp-a.h5, bp-b.h5, bp-c.h5 gets {count} of 60 test images wrong. Shown are "
        "all, the surest first;"
    ) in words(found)


def test_many_errors_and_many_curves_are_cut_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: Any
) -> None:
    few(tmp_path, "bp-a.h5")
    for n in range(plates.MOST_CURVES):
        shutil.copy(OLD / "bp-b.h5.part", tmp_path / f"bp-{n}.h5.part")
    monkeypatch.setattr(plates, "_MOST_WRONG", 7)
    found = made(tmp_path, progress=progress)
    assert "50 of 60 test images wrong. Shown are the 7 of them that it is surest of" in words(
        found
    )
    most = plates.MOST_CURVES
    assert f"The first {most} of {most + 1} files are shown." in words(found)


# -- what is missing ------------------------------------------------------------------------------


def test_what_is_missing_is_named_and_stops_nothing(runs: Path, written: Path, whole: Page) -> None:
    result = run("report", runs, "-o", written, "--data", DATA, "--gibbs", 3, "--json", "-q",
                 "--threads", 1)  # fmt: skip
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["path"] == str(written)
    assert told["bytes"] == written.stat().st_size
    assert told["tables"] == [
        "What the chapter compares with", "Table 1", "Error rates with few labels",
        "Error rates with translated images", "Error rates of the generative half",
    ]  # fmt: skip
    assert {"Figure 2", "Figure 3", "Figure 5", "Errors"} <= set(told["figures"])
    missing = told["missing"]
    for start, *parts in (
        ("Not readable", "empty.h5", "damaged"),
        ("Not readable", "torn.h5", "damaged"),
        ("Not finished", "bp-b.h5.part", "2 epochs done"),
        ("Not in these runs", "Table 1 over several seeds", "make replicas"),
        ("Not given, though they hold runs", "below"),
    ):
        (line,) = [m for m in missing if m.startswith(start) and parts[0] in m]
        assert all(part in line for part in parts)
        what, _, rest = line.partition(": ")
        assert what in words(whole)
        assert " ".join(rest.split()) in words(whole)
    assert words(whole).count("torn.h5") == 1, "not below every table as well"
    assert "16 finished, 5 not finished, 2 not readable" in words(whole)


def test_where_there_are_only_unfinished_files_each_section_says_what_would_make_it(
    tmp_path: Path, progress: Any
) -> None:
    shutil.copy(OLD / "bp-b.h5.part", tmp_path)
    found = made(tmp_path, progress=progress)
    for report in OF_CHAPTER:
        assert f"{report.title}: nothing of it is in these runs" in words(found)
        assert f"make {report.target}" in words(found)
    assert "Of this section these runs show nothing." in words(found)
    assert [text for _, text in found.headings].count("Learning curves") == 1


def test_figures_need_the_images_that_the_files_were_made_with(
    tmp_path: Path, progress: Any
) -> None:
    runs = few(tmp_path, "bp-a.h5", "cws-a.h5")
    for folder, why in ((None, "give --data"), (loading.MNIST, "other images than MNIST")):
        found = made(runs, progress=progress, data_dir=folder)
        assert why in words(found)
        assert "Learning curves" in [text for _, text in found.headings]
        assert "Figure 3" not in [text for _, text in found.headings]
        assert "Printed numbers are of MNIST; these runs are of other images" in words(found)


def test_some_files_of_other_images_are_said_to_be_some(
    tmp_path: Path, progress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = few(tmp_path, "bp-a.h5")
    own = checkpoint.load(OLD / "bp-a.h5").lineage["data"]
    monkeypatch.setattr(page.mnist, "SHA256", own)
    monkeypatch.setattr(page.mnist, "SHIPPED", {own: "MNIST", mnist.SPOKEN_SHA256: "spoken"})
    assert "other images" not in words(made(runs, progress=progress))
    other = checkpoint.load(OLD / "pretrain-a.h5")
    other.lineage["data"] = mnist.SPOKEN_SHA256
    checkpoint.save(runs / "pretrain-spoken-a.h5", other)
    said = words(made(runs, progress=progress))
    assert "of MNIST; some of these runs are of other images: spoken." in said


def test_the_page_says_that_cases_were_shuffled(
    tmp_path: Path, progress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, found = few(tmp_path, "bp-a.h5"), page.digits_of
    said = "classes come one after the other in the training file; its cases are shuffled"
    assert said not in words(made(runs, progress=progress))
    monkeypatch.setattr(
        page, "digits_of", lambda *given: dataclasses.replace(found(*given), shuffled=True)
    )
    assert said in words(made(runs, progress=progress))


def test_a_net_that_was_tested_on_other_cases_has_no_digits(tmp_path: Path, progress: Any) -> None:
    held = checkpoint.load(OLD / "bp-a.h5")
    labels = held.outcome["test_labels"]
    held.outcome |= {"test_labels": np.append(labels, labels[:1]),
                     "test_log_probs": np.zeros((61, 10), np.float32)}  # fmt: skip
    checkpoint.save(tmp_path / "bp-a.h5", held)
    found = made(tmp_path, progress=progress)
    assert "was tested on other cases than those of" in words(found)
    assert "Table 1" in [text for _, text in found.headings]


def test_a_table_that_cannot_be_made_is_named_and_the_rest_is_there(
    tmp_path: Path, progress: Any
) -> None:
    for name in ("bp-a.h5", "again.h5"):
        shutil.copy(OLD / "bp-a.h5", tmp_path / name)
    shutil.copy(OLD / "cws-a.h5", tmp_path)
    found = made(tmp_path, progress=progress)
    headings = [text for _, text in found.headings]
    assert "again.h5 and bp-a.h5 are for one line, left out" in words(found)
    assert "Table 1" not in headings
    assert "Error rates of the generative half" in headings


def test_without_matplotlib_there_is_a_page_without_figures(
    monkeypatch: pytest.MonkeyPatch, progress: Any
) -> None:
    for name in ("plates", "figures", "captioned", "curves"):
        monkeypatch.delitem(sys.modules, f"hinton06.report.{name}", raising=False)
        monkeypatch.delattr(f"hinton06.report.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = page.make([OLD], progress, OPTIONS)
    assert result.figures == ()
    assert len(result.tables) == 5
    (line,) = [line for line in result.missing if "Matplotlib" in line]
    assert "\n" not in line


def test_the_page_is_the_same_for_the_same_files(tmp_path: Path, progress: Any) -> None:
    runs = few(tmp_path, "bp-a.h5", "cws-a.h5", "pretrain-a.h5")
    first, second = (page.make([runs], progress, OPTIONS).html for _ in range(2))
    assert first == second


def test_a_file_that_is_finished_while_the_page_is_made_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: Any
) -> None:
    few(tmp_path, "bp-a.h5")

    def make(folder: Path) -> Table:
        few(folder, "bp-a-extended.h5")
        return table1.make(folder)

    table1 = TABLES[0]
    monkeypatch.setattr(page, "TABLES", [dataclasses.replace(table1, make=make)])
    found = made(tmp_path, progress=progress)
    (rows,) = [rows for rows in found.tables.values() if rows[0][:1] == ["network"]]
    ours = f"ours: {made_with(loading.load(tmp_path / 'bp-a.h5'))}"
    assert [row[-1] for row in rows if row[1] == ours and row[2]] == ["1", ""]


def test_names_that_are_no_text_and_formulas_are_shown(tmp_path: Path, progress: Any) -> None:
    folder = tmp_path / os.fsdecode(b"runs-\xfe")
    folder.mkdir()
    for own, name in (("bp-a", os.fsdecode(b"bp-\xff")), ("pretrain-a", r"$\frac$")):
        shutil.copy(OLD / f"{own}.h5", folder / f"{name}.h5")
    result = page.make([folder], progress, OPTIONS)
    assert {"Learning curves", "Errors"} <= set(result.figures)
    assert r"bp-\udcff.h5" in words(Page(result.html))
    assert r"runs-\udcfe" in words(Page(result.html))
    (folder / os.fsdecode(b"\xfd.h5")).touch()
    TABLES[0].make(folder).save(tmp_path)
    assert r"\udcfd.h5" in (tmp_path / "table1.md").read_text(encoding="utf-8")


def test_names_are_no_markup(whole: Page, runs: Path) -> None:
    assert str(runs) in whole.text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none"], 1, ["none: there are no runs in it"]),
        (["above"], 1, ["above: there are no runs in it; but in above/runs"]),
        (["bad"], 1, ["bad/bp-a.h5", "damaged"]),
        (["above/runs", "--data", "none"], 1, ["none: there is no train-images-idx3-ubyte"]),
        (["above/runs", "-o", "bad/bp-a.h5/page.html", "--data", str(DATA)], 1,
         ["bad/bp-a.h5/page.html: cannot be written"]),
        (["nowhere"], 2, ["nowhere"]),
        (["bad/bp-a.h5"], 2, ["is a file"]),
        ([], 2, ["RUNS"]),
        (["above/runs", "-o", "page.pdf"], 2, ["--out page.pdf: a page ends in .html"]),
        (["above/runs", "--gibbs", "0"], 2, ["--gibbs"]),
    ],
)  # fmt: skip
def test_what_makes_no_page_has_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int,
    words: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for folder in ("none", "bad", "above/runs"):
        Path(folder).mkdir(parents=True)
    Path("bad/bp-a.h5").write_bytes(b"nothing")
    shutil.copy(OLD / "pretrain-a.h5", "above/runs")
    fails_in_one_line(run("report", *arguments, "-q"), code, *words)
    assert not list(tmp_path.rglob("*.html"))


# -- how the page looks ------------------------------------------------------------------------


@pytest.fixture
def opened(chromium: Browser, written: Path) -> Callable[..., Browser]:
    """Opens the page, and says so where anything went wrong in it."""

    def open_page(size: tuple[int, int] = WIDE, **view: Any) -> Browser:
        chromium.view(size, **view)
        chromium.open(written, "document.readyState === 'complete'")
        assert chromium.errors == []
        return chromium

    return open_page


def test_the_page_asks_for_nothing_and_every_picture_is_whole(
    opened: Callable[..., Browser], written: Path
) -> None:
    browser = opened()
    asked = [url for url in browser.requests if not url.startswith("data:")]
    assert asked == [written.resolve().as_uri()]
    sizes = browser.run("""Promise.all([...document.images].map((image) =>
        image.decode().then(() => [image.naturalWidth, image.width], () => [0, 0])))""")
    assert len(sizes) > 100
    assert all(natural > 0 and width > 20 for natural, width in sizes)


@pytest.mark.parametrize("size", [NARROW, (768, 1024), WIDE, (2400, 1200)])
def test_nothing_is_wider_than_the_window_and_wide_tables_scroll(
    opened: Callable[..., Browser], size: tuple[int, int]
) -> None:
    browser = opened(size)
    assert browser.outside(".scroll") == []
    assert browser.run("document.documentElement.scrollWidth") == size[0]
    boxes = browser.run("""[...document.querySelectorAll(".scroll")].map((box) => {
        box.scrollLeft = 1e6;
        const { right } = box.firstElementChild.getBoundingClientRect();
        return [box.tabIndex, box.ariaLabel, right - box.getBoundingClientRect().right,
                box.scrollLeft > 0];
    })""")
    assert len(boxes) > 8
    for tab_index, label, beyond, _ in boxes:
        assert tab_index == 0
        assert label
        assert beyond < 1, "scrolled to its end, a table is seen to its end"
    assert any(scrolled for *_, scrolled in boxes) == (size[0] < 1400)


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out(opened: Callable[..., Browser], dark: bool) -> None:
    """WCAG 2.1, level AA: 4.5 to 1."""
    browser = opened(dark=dark)
    found = browser.contrasts()
    assert len(found) > 500
    assert [each for each in found if each[0] < 4.5] == []
    background = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background))) < 384) == dark


@pytest.mark.parametrize("dark", [False, True])
def test_on_paper_everything_is_within_the_margins_and_dark_on_white(
    opened: Callable[..., Browser], dark: bool
) -> None:
    """On A4, 210 mm wide, less the margins of 14 mm: at 96 pixels an inch."""
    browser = opened((round((210 - 2 * 14) / 25.4 * 96), 1000), dark=dark, media="print")
    assert browser.outside() == []
    shown = browser.run("[...document.querySelectorAll('.scroll')].map((box) =>"
                        " getComputedStyle(box).overflowX)")  # fmt: skip
    assert set(shown) == {"visible"}
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert [each for each in browser.contrasts() if each[0] < 4.5] == []
    printed = browser.call("Page.printToPDF", preferCSSPageSize=True)["data"]
    assert base64.b64decode(printed)[:5] == b"%PDF-"
