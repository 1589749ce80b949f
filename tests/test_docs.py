"""The pages say what the code does: values, commands, tables, promises, layouts."""

from __future__ import annotations

import csv
import dataclasses
import doctest
import importlib
import importlib.util
import inspect
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
import pytest
from commands import run

from hinton06 import checkpoint, mnist, nets
from hinton06.cli import main
from hinton06.lineage import Lineage
from hinton06.recipes import RECIPES, show_value
from hinton06.tour import STAGES

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "experiments"
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [*GUIDES, *sorted(EXPERIMENTS.rglob("*.md")), *sorted((ROOT / "tests").rglob("*.md"))]
TABLES = {
    "README.md": ["table1/table1"],
    "docs/results.md": [
        "table1/replicas",
        "replicas/replicas",
        "replicas/chances",
        "translated/translated",
        "compare/baselines",
        "sharing/sharing",
        "unlabelled/unlabelled",
        "generative/generative",
        "generative/methods/methods",
        "likelihood/rbms/likelihood",
        "likelihood/layers/likelihood",
        "heard/heard",
        "wake-sleep/small/wake-sleep",
        "strategies/strategies",
        "depth/depth",
        "landscape/landscape",
        "layers/layers",
        "fields/fields",
        "sparse/trials",
    ],
}


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def between(page: str, name: str) -> str:
    _, opening, rest = read(page).partition(f"<!-- {name} -->")
    inside, closing, _ = rest.partition(f"<!-- /{name} -->")
    assert opening, f"{page} has no {name}"
    assert closing, f"{page} has no end of {name}"
    return inside.strip()


def rows(markdown: str) -> list[dict[str, str]]:
    """The rows of the first table in Markdown, by the names of its columns."""
    lines = takewhile(
        lambda line: line.startswith("|"), markdown[markdown.index("|") :].splitlines()
    )
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def record(name: str) -> list[dict[str, str]]:
    return rows((EXPERIMENTS / f"{name}.md").read_text(encoding="utf-8"))


def fenced(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", read(page), re.M | re.S)


def code(page: str) -> list[str]:
    """Lines of the page's commands, and what stands in its text as code."""
    text = read(page)
    lines = [line.partition("#")[0] for block in fenced(page, "sh") for line in block.splitlines()]
    spans = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return [" ".join(piece.split()) for piece in [*lines, *spans]]


# -- the first page ------------------------------------------------------------------------------


def test_readme_is_short_and_starts_with_its_commands() -> None:
    too_many = len(read("README.md").encode()) - 12_000
    assert too_many <= 0, f"{too_many} bytes: less elsewhere, or in experiments/README.md alone"
    top = "\n".join(read("README.md").splitlines()[:40])
    assert "pip install" in top
    assert "![" in top
    first, second = re.findall(r"```sh\n(hinton06 .*)\n```\n\n```text\n(?:.*\n)+?```", top)
    assert first.startswith("hinton06 pretrain ")
    assert second.startswith("hinton06 finetune-bp ")


@pytest.mark.parametrize(
    ("page", "name"), [(page, name) for page, names in TABLES.items() for name in names]
)
def test_tables_are_the_recorded_ones(page: str, name: str) -> None:
    recorded = (EXPERIMENTS / f"{name}.md").read_text(encoding="utf-8")
    several = ("replicas/", "likelihood/")
    marker = name if name.startswith(several) else Path(name).name
    assert between(page, marker) == recorded.strip()


PAIRS = ("heard of an image", "seen of a recording", "blend, told apart")


def numbers() -> dict[str, tuple[str, str]]:
    """What README says of each experiment, printed and measured, from the records."""
    replicas, many, chances = (
        {(row["network"], row["cases"]): row for row in record(name)}
        for name in ("table1/replicas", "replicas/replicas", "replicas/chances")
    )
    few, generative = record("unlabelled/unlabelled"), record("generative/generative")
    translated = {(r["experiment"], r["net"]): r for r in record("translated/translated")}
    methods = {
        row["method"].partition(" (")[0]: row for row in record("generative/methods/methods")
    }

    def mean_of_three(cases: str) -> tuple[str, str]:
        row = replicas["mean of three", cases]
        return row["chapter"], row["test errs"]

    def of_many(records: Any, column: str) -> str:
        return ", ".join(records["mean of three", n][column] for n in ("50,000", "60,000"))

    def products(name: str) -> str:
        of = [
            row["test errs"].strip("*").partition(" ")[0]
            for before, row in zip(record(name), record(name)[1:], strict=False)
            if before["network"] == "Combined"
        ]
        return " and ".join(of)

    def nets(experiment: str) -> tuple[str, str]:
        found = [r for r in generative if r["experiment"] == experiment and r["net"] != "product"]
        measured = ", ".join(row["test"].removesuffix(" %") for row in found)
        return found[0]["printed"], f"{measured} %"

    def rates(column: list[str]) -> str:
        return ", ".join(cell.partition(" ")[0] for cell in column) + " %"

    def log_ps(name: str) -> str:
        found = [
            row for row in record(f"{name}/likelihood")
            if row["log p of"] == "images" and row["net"] not in ("random", "transpose", "gentle")
        ]  # fmt: skip
        return ", ".join(f"{float(row['test'].partition(' ')[0]):.1f}" for row in found)

    wake_sleep = log_ps("likelihood/wake-sleep").partition(", ")
    (tuned,) = (
        row for row in record("likelihood/wake-sleep/likelihood")
        if (row["net"], row["log p of"]) == ("digits", "images")
    )  # fmt: skip
    least = float(tuned["test"].partition(" ")[0]) - float(tuned["gap"])

    of_first = " become ".join(r["fingerprints"] for r in record("sparse/first-layer/fingerprints"))
    strategies = json.loads((EXPERIMENTS / "strategies" / "strategies.json").read_text("utf-8"))
    powers = ", ".join(f"{fit['slope']:.3f}" for fit in strategies["fits"])

    starts = {row["start"]: row["8 layers"].partition(" ")[0] for row in record("depth/depth")}
    deep = ", ".join(starts[name] for name in (*(f"random, {s}" for s in (1, 30, 3)), "a stack"))

    def compared(*lines: tuple[str, str, str], source: str = "") -> tuple[str, str]:
        found = {
            (row["method"], row["layers"], row["images"]): row
            for row in record("compare/baselines")
            if (row["layers"], row["cases"]) != ("500-500-2000", "60,000")
        }
        printed, ours = (
            "; ".join(filter(None, (found[line][column] for line in lines)))
            for column in ("printed", "test")
        )
        return printed + source, ours

    random, pretrained = "backpropagation", "pretraining, backpropagation"
    plain, moved = "as they are", ("affine 1.5 pixels", "elastic 1.5 pixels")

    with (EXPERIMENTS / "search" / "more.csv").open(encoding="utf-8") as file:
        (own_rule,) = (
            row["test_errors"]
            for row in csv.DictReader(file)
            if row["file"] == "plain-rule/cws-a.h5"
        )
    of_layers = json.loads((EXPERIMENTS / "layers" / "layers.json").read_text("utf-8"))["chosen"]
    by_layer = ", ".join(
        f"{row['test']['mean'] / 100:.2f}" for row in of_layers if row["learned"] == "softmax alone"
    )
    landscape = json.loads((EXPERIMENTS / "landscape" / "landscape.json").read_text("utf-8"))
    staying = ", ".join(
        f"{100 * rows[-1]['same'] / landscape['chains']:.1f}"
        for rows in landscape["stays"].values()
    )
    apart = json.loads((EXPERIMENTS / "fields" / "fields.json").read_text("utf-8"))["nets"][0]
    rows_apart = ", ".join(f"{cosine:.2f}" for cosine in apart["rows_apart"][18:20])
    beyond = {
        row["name"]: f"{row['mean']:.2f}"
        + ("" if row["interval"] is None else f" ± {row['interval']:.2f}")
        for row in json.loads((EXPERIMENTS / "beyond" / "beyond.json").read_text("utf-8"))["rows"]
    }
    of_rates = [row for row in record("sharing/sharing") if row["images"] == "as they are"]
    shared = min(of_rates, key=lambda row: float(row["mean"]))
    free, once, gibbs = (methods[name] for name in ("free-energy", "stochastic", "label-gibbs"))
    words = [once["published, test"], gibbs["published, test"]]
    assert words == ["about 0.5 points more", "almost 1 point more"]
    average = translated["translated images, 60,000", "mean"]
    greedy, pretraining = (
        nets("greedy pretraining with labels"), nets("BP with the pretraining's gradient")
    )  # fmt: skip
    return {
        "Table 1 over five seeds": mean_of_three("50,000"),
        "the same, 60,000 cases": mean_of_three("60,000"),
        "Table 1 over 33 seeds": (
            of_many(many, "chapter"),
            f"{of_many(many, 'test errs')}; {of_many(chances, 'at or below')}",
        ),
        "conjugate gradient": (
            '"similar results"',
            f"{products('table1/conjugate-gradient/table1')}, with momentum "
            f"{products('table1/conjugate-gradient/momentum')}",
        ),
        "12 translations of each image": (average["printed"], average["test"]),
        "what the chapter compares with": compared(
            ("support vectors", "", plain),
            ("virtual support vectors", "", "as they are, 13 versions"),
            ("virtual support vectors", "", "deslanted, 13 versions"),
            (random, "800", plain),
        ),
        "affine, elastic distortions": compared(
            *((random, "800", how) for how in moved), source=" (Simard et al. 2003)"
        ),
        "500-500-2000 not pretrained": compared(
            *((random, "500-500-2000", how) for how in (plain, "13 versions", *moved))
        ),
        "the same pretrained": compared(
            *((pretrained, "500-500-2000", how) for how in (plain, *moved))
        ),
        "weight-sharing": (
            '"about the same amount"',
            f"{float(shared['mean of these']) / 100:.2f} %",
        ),
        "1,000 labels": (
            '"helps a lot"',
            rates([row["test"] for row in few if row["labels"] == "1,000"]),
        ),
        "greedy pretraining with labels": (f"{greedy[0]} (2006 paper)", greedy[1]),
        "contrastive wake-sleep": nets("contrastive wake-sleep, 60,000"),
        "the mixed gradient": nets("mixed gradient, 60,000"),
        "backpropagation with the pretraining's gradient": (
            '"does not perform as well"',
            pretraining[1],
        ),
        "ways of asking for the label": (
            f"{free['published, test']}, about 0.5 and almost 1 point more",
            rates([row["error rate"] for row in (free, once, gibbs)]),
        ),
        "digits heard and seen": (
            '"learns to generate pairs"',
            rates([row["%"] for row in record("heard/heard")[-10:] if row["asked"] in PAIRS]),
        ),
        "log p of test images": (
            '"guaranteed to raise a lower bound"',
            f"{log_ps('likelihood/layers')}; {wake_sleep[0]}, {least:.1f} to {wake_sleep[2]} nats",
        ),
        "plain wake-sleep": ('"greatly improved"', f"{log_ps('wake-sleep/net-a')} nats"),
        "five strategies": ('"by a factor of the number"', f"its powers {powers}"),
        "the chapter's own rule": ("1.39 % (2006 paper)", f"{int(own_rule) / 100:.2f} %"),
        "the same over four seeds": (
            "1.25 %",
            f"{beyond['contrastive wake-sleep, 60,000, mean']} %",
        ),
        **{
            name: ("", f"{', '.join(beyond[f'{key}, {net}'] for net in nets)} %")
            for name, key, *nets in (
                ("dropout", "dropout, 60,000", "mean", "product"),
                ("adversarial training", "adversarial, 60,000", "mean", "product"),
                ("between neighbours", "adversarial and neighbours, 60,000", "mean", "product"),
                (
                    "distorted images",
                    "dropout, affine and elastic distortions, 60,000",
                    "mean",
                    "product",
                ),
                (
                    "dropout with translated images",
                    "dropout, translated images, 60,000",
                    "mean",
                    "product",
                ),
            )
        },
        "virtual adversarial training": (
            "",
            ", ".join(beyond[f"virtual adversarial, {n} labels, mean"] for n in ("100", "1,000"))
            + " %",
        ),
        "initial weights and depth": ('"very difficult", "trapped"', f"{deep} %"),
        "the energy landscape": ('"tends to stay in the same valley"', f"{staying} %"),
        "the features of Figure 3": (
            '"more than 20 rows above or below it cannot be on"',
            rows_apart,
        ),
        "features by layer": ('"much more useful"', f"{by_layer} %"),
        "features that rarely turn on": ('"can be eliminated"', f"{of_first} of 500"),
    }


def test_readme_s_numbers_are_the_recorded_ones() -> None:
    stated = {}
    for row in rows(between("README.md", "numbers")):
        name = re.sub(r"\[([^]]+)\]\([^)]+\).*", r"\1", row["experiment"])
        stated[name] = (row["chapter"], row["ours"])
    assert stated == numbers(), "what README says is made from the records by numbers()"


def test_readme_s_times_are_the_recorded_ones() -> None:
    def minutes(record: str, *files: str) -> int:
        found = json.loads((EXPERIMENTS / f"{record}.json").read_text("utf-8"))["files"]
        seconds = {one["file"]: one["provenance"]["cpu_seconds"] for one in found}
        return round(sum(seconds[file] for file in files or seconds) / 60)

    wake_sleep = ("pretrain-labels-a.h5", "cws-a.h5", "cws-a-extended.h5")
    mixed = ("hybrid-a.h5", "hybrid-a-extended.h5")
    said = re.search(
        r"Table 1 took (\d+) minutes of a processor, that of contrastive wake-sleep (\d+) more for "
        r"net a, and the mixed gradient (\d+) after it",
        " ".join(read("README.md").split()),
    )
    assert said is not None
    assert [int(number) for number in said.groups()] == [
        minutes("table1/table1"),
        minutes("generative/generative", *wake_sleep),
        minutes("generative/generative", *mixed),
    ]


# -- commands ------------------------------------------------------------------------------------


def options(name: str) -> set[str]:
    parameters = main.commands[name].params
    both = {option for p in parameters for option in [*p.opts, *p.secondary_opts]}
    return both | {"--help"}


def mentioned(page: str) -> list[tuple[str, str]]:
    """Each command on a page, and what follows it."""
    found = [
        re.fullmatch(r"(?:.*\| )?hinton06 ([a-z][a-z0-9-]*)(.*)", piece) for piece in code(page)
    ]
    return [(m[1], m[2]) for m in found if m is not None and m[0] != checkpoint.FORMAT]


@pytest.mark.parametrize("page", GUIDES, ids=lambda path: path.name)
def test_every_command_and_option_that_a_page_mentions_exists(page: Path) -> None:
    name = str(page.relative_to(ROOT))
    for command, rest in mentioned(name):
        assert isinstance(main.commands.get(command), click.Command), command
        given = {word for word in rest.partition("|")[0].split() if re.match("--?[a-z]", word)}
        assert given <= options(command), command
    of_any = set().union(*(options(command) for command in main.commands))
    loose = [piece for piece in code(name) if piece.startswith("--")]
    assert {piece.partition(" ")[0] for piece in loose} <= of_any


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the tour's commands were run, as written, on a tiny set of images."""
    digits = ROOT / "tests" / "data" / "version-1" / "digits"
    folder = tmp_path_factory.mktemp("tour")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        first, *blocks = fenced("docs/tour.md", "sh")
        assert first == "hinton06 tour\n"  # which has tests of its own
        commands = [line for block in blocks for line in block.splitlines()]
        for number, command in enumerate(commands):
            words = shlex.split(command.partition("|")[0])[1:]
            if number == 0:
                words += ["--data", str(digits), "--threads", "1"]
            result = run(*words)
            assert result.exit_code == 0, f"{command}: {result.output}"
        yield folder


def test_the_tour_runs_as_written_and_carries_on_what_its_first_command_says(toured: Path) -> None:
    made = {path.name: checkpoint.load(path) for path in (toured / "tour").glob("*.h5")}
    assert set(made) == {
        "pretrain-a.h5", "pretrain-labels-a.h5", "cws-a.h5", "bp-a.h5", "bp-not-pretrained.h5",
    }  # fmt: skip
    assert {found.recipe for found in made.values()} == {"quick"}
    assert len({found.lineage["data"] for found in made.values()}) == 1
    shown = re.findall(r"!\[[^]]*\]\(tour/([^)]+)\)", read("docs/tour.md"))
    assert shown
    for picture in shown:
        assert list(toured.rglob(picture)) or picture == "energies.png", picture


def refresh() -> Any:
    spec = importlib.util.spec_from_file_location("refresh", ROOT / "docs" / "refresh.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tour_s_page_is_made_of_its_stages() -> None:
    page = between("docs/tour.md", "stages")
    printed = re.compile(r"(?<=```text\n)([^`]+)(?=```)")
    assert printed.sub("", page) == refresh().stages().strip()
    every = [step for stage in STAGES for step in stage.steps]
    assert len(printed.findall(page)) == len(every)
    for step in every:
        if not step.commands:  # what the tour itself prints
            assert step.show is not None


def test_the_citation_is_that_of_readme_and_of_the_package() -> None:
    """Of a file that is YAML, read as lines: no other reader of it is needed."""
    lines = [line.strip(" -") for line in read("CITATION.cff").splitlines()]
    cited = [line.partition(": ") for line in lines]
    values: dict[str, list[str]] = {}
    for name, _, value in cited:
        values.setdefault(name, []).append(value.strip('"'))
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert values["version"] == [project["version"]]
    assert values["name"][0] == re.search(r"Copyright \(c\) \d+ (.*)", read("LICENSE"))[1]  # type: ignore[index]
    bibtex = dict(re.findall(r"^  (\w+) *= \{?(.*?)\}?,?$", fenced("README.md", "bibtex")[0], re.M))
    assert values["title"][1] == bibtex["title"]
    assert f"{values['given-names'][0]} {values['family-names'][0]}" == bibtex["author"]
    assert values["name"][1] == bibtex["institution"]
    assert values["number"] == [bibtex["number"]]
    assert values["year"] == [bibtex["year"]]
    assert (values["month"], bibtex["month"]) == (["10"], "oct")
    assert values["type"] == ["software", "report"]


def test_a_file_is_read_by_plain_h5py_as_described(
    toured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (toured / "runs").symlink_to(toured / "tour")
    monkeypatch.chdir(toured)
    names: dict[str, Any] = {}
    exec(fenced("docs/files.md", "python")[0], names)
    assert names["weights"].shape == (49, 200)
    assert capsys.readouterr().out.startswith("classifier a (49, 200)")


def test_every_block_of_the_page_on_python_gives_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = str(ROOT / "docs" / "python.md")
    failed, tried = doctest.testfile(page, module_relative=False, raise_on_error=False)
    assert failed == 0
    assert tried > 40
    shown = [line for block in fenced("docs/python.md", "pycon") for line in block.splitlines()]
    assert tried == sum(line.startswith(">>> ") for line in shown)


def test_commands_has_every_net_inside() -> None:
    stated = [row["name"].strip("`") for row in rows(between("docs/commands.md", "nets"))]
    assert sorted(stated) == list(nets.names())


def test_commands_has_every_command_recipe_and_method() -> None:
    named = {command for command, _ in mentioned("docs/commands.md")}
    assert named == set(main.commands), "a row of docs/commands.md for each command"
    spans = set(code("docs/commands.md"))
    assert set(RECIPES) <= spans
    (method,) = (p for p in main.commands["evaluate"].params if "--method" in p.opts)
    assert set(method.to_info_dict()["type"]["choices"]) <= spans


@pytest.mark.parametrize("page", GUIDES, ids=lambda path: path.name)
def test_what_is_made_by_make_is_in_the_makefile(page: Path) -> None:
    rules = sorted(ROOT.glob("experiments/*/rules.mk"))
    makefile = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "Makefile", *rules))
    for piece in code(str(page.relative_to(ROOT))):
        if not piece.startswith("make "):
            continue
        for word in shlex.split(piece)[1:]:
            variable = re.match(r"([A-Z][A-Z0-9]*)=", word)
            if variable:
                assert re.search(rf"^{variable[1]} *\?=", makefile, re.M), word
            elif re.fullmatch(r"[a-z][a-z0-9]*", word):
                assert re.search(rf"^{word}:", makefile, re.M), word


# -- assumptions and promises --------------------------------------------------------------------


def test_settings_whose_test_errors_had_been_seen_are_those_of_the_record() -> None:
    record = (ROOT / "experiments" / "search" / "README.md").read_text(encoding="utf-8")
    told = record.partition("## Test errors that had been seen")[2].partition("\n## ")[0]
    recorded = set()
    for bullet in re.findall(r"^- (.*?):", told, re.MULTILINE):
        part = ""
        for name in re.findall(r"`(.*?)`", bullet):
            part = name.partition(".")[0] if "." in name else part
            recorded.add(name if "." in name else f"{part}.{name}")
    words = (ROOT / "docs" / "assumptions.md").read_text(encoding="utf-8")
    stated = words.partition("before a value was set: those of")[2].partition(";")[0]
    assert recorded
    assert set(re.findall(r"`(.*?)`", stated)) == recorded


def test_assumptions_list_every_setting_as_the_recipe_has_it() -> None:
    written = between("docs/assumptions.md", "assumptions").strip()
    assert written == refresh().settings().strip(), "python docs/refresh.py docs/assumptions.md"


def test_assumptions_list_what_validation_chooses_of() -> None:
    stated = {
        row["setting"].strip("`"): row["values"]
        for row in rows(between("docs/assumptions.md", "searches"))
    }
    assert stated == {
        name: ", ".join(f"{v:,}" if isinstance(v, int) else show_value(v) for v in values)
        for name, values in RECIPES["tr2006"].searches.items()
    }


def test_every_promise_is_held_by_a_test_that_exists() -> None:
    promises = rows(between("docs/promises.md", "promises"))
    assert len(promises) > 5
    for row in promises:
        file, _, test = row["test"].strip("`").partition("::")
        content = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert f"def {test}(" in content if test else content


# -- files, data, code ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("stack", "pretrain-labels-a.h5"),
        ("classifier", "bp-a.h5"),
        ("generative", "cws-a.h5"),
    ],
)
def test_the_layout_of_each_kind_of_file_is_as_described(kind: str, file: str) -> None:
    """Of the chapter's nets 784-500-500-2000 and 10 labels, and of the stored one's sizes."""
    stated: dict[str, tuple[int, ...]] = {}
    for row in rows(between("docs/files.md", kind)):
        names = re.findall(r"`([^`]+)`", row["dataset"])
        for name, shape in zip(names, row["shape"].split(", "), strict=True):
            stated[name] = tuple(int(size) for size in shape.split(" x "))
    stored: dict[str, tuple[int, ...]] = {}
    with h5py.File(ROOT / "tests" / "data" / "version-1" / file) as opened:

        def note(name: str, member: Any) -> None:
            if isinstance(member, h5py.Dataset):
                assert member.dtype == np.float32
                stored[name] = member.shape

        opened["model"].visititems(note)
    assert set(stated) == set(stored)
    chapter = {49: 784, 12: 500, 20: 2000, 10: 10, 22: 510}
    for name, shape in stored.items():
        sizes = [chapter[size] for size in shape]
        if kind == "stack" and name.startswith("rbm3/"):  # described without labels
            sizes = [500 if size == 510 else size for size in sizes]
        assert stated[name] == tuple(sizes), name


def test_every_field_of_the_lineage_is_described() -> None:
    column = " ".join(row["of the lineage"] for row in rows(between("docs/files.md", "lineage")))
    stated = re.findall(r"`([^`]+)`", column)
    assert sorted(stated) == sorted(field.name for field in dataclasses.fields(Lineage))


def test_a_digest_is_computed_as_described() -> None:
    names: dict[str, Any] = {}
    exec(fenced("docs/files.md", "python")[1], names)
    for path in (ROOT / "tests" / "data" / "version-1").glob("*.h5"):
        assert names["digest"](path) == checkpoint.load(path).digest()


def test_the_version_that_is_written_is_described() -> None:
    versions = [row["version"] for row in rows(read("docs/files.md").partition("## Versions")[2])]
    assert versions == [str(number) for number in range(checkpoint.VERSION, 0, -1)]


def test_a_set_that_is_written_as_the_page_says_is_read(tmp_path: Path) -> None:
    (snippet,) = fenced("docs/data.md", "python")
    names: dict[str, Any] = {}
    exec(snippet, names)
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 256, (n, 5, 4), np.uint8) for n in (30, 12))
    labels, test_labels = (np.arange(n) * 7 % 3 for n in (30, 12))
    names["write_set"](tmp_path / "own", train, labels, test, test_labels)
    digits = mnist.read(tmp_path / "own")
    np.testing.assert_array_equal(digits.train_images, train.reshape(30, -1))
    np.testing.assert_array_equal(digits.train_labels, labels)
    np.testing.assert_array_equal(digits.test_images, test.reshape(12, -1))
    np.testing.assert_array_equal(digits.test_labels, test_labels)
    assert digits.shape == (5, 4)


def test_functions_of_the_chapter_are_where_the_page_says_and_name_their_equation() -> None:
    functions = rows(between("docs/reading.md", "functions"))
    assert len(functions) > 15
    for row in functions:
        for dotted in re.findall(r"`([^`]+)`", row["the function"]):
            module, *names = dotted.split(".")
            found: Any = importlib.import_module(f"hinton06.{module}")
            for name in names:
                found = getattr(found, name)
            equation = re.match(r"Eq\. (\d)", row["the chapter"])
            if equation:
                assert re.search(rf"Eqs?\.? [^\n]*\b{equation[1]}\b", inspect.getsource(found)), (
                    dotted
                )


def test_every_module_is_on_the_page_that_explains_the_code() -> None:
    linked = set(re.findall(r"\]\(\.\./hinton06/([^)/]+)", read("docs/reading.md")))
    present = {
        path.name
        for path in (ROOT / "hinton06").iterdir()
        if path.suffix in {".py", ".c"} or (path / "__init__.py").exists()
    }
    small = {"__init__.py", "__main__.py", "files.py", "provenance.py"}
    assert linked == present - small, "a row of docs/reading.md for each module"


# -- links ---------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    plain = (re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not heading or heading in anchors(file), target


def test_code_sends_its_readers_to_pages_that_exist() -> None:
    for source in [*(ROOT / "hinton06").rglob("*.py"), *EXPERIMENTS.rglob("*.py")]:
        for page in re.findall(r"docs/[a-z]+\.md", source.read_text(encoding="utf-8")):
            assert (ROOT / page).exists(), f"{source}: {page}"
