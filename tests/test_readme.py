"""README says what the code does: its values, its commands, its table."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import click
import pytest

from hinton06.cli import main
from hinton06.recipes import RECIPES, show_value

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def between(name: str) -> str:
    return README.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0].strip()


def test_assumptions_list_every_setting_with_the_recipe_s_value_and_source() -> None:
    recipe = RECIPES["tr2006"]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in between("assumptions").splitlines()[2:]
    ]
    stated = {row[0].strip("`"): row[1:3] for row in rows}
    expected = {
        f"{part}.{item.name}": [
            show_value(getattr(getattr(recipe, part), item.name)),
            recipe.sources[f"{part}.{item.name}"].partition(";")[0],
        ]
        for part in ("pretrain", "backprop", "wakesleep")
        for item in dataclasses.fields(getattr(recipe, part))
    }
    assert stated == expected


def test_every_command_in_readme_exists_with_its_options() -> None:
    mentioned = re.findall(r"hinton06 ([a-z][a-z0-9-]+)((?: [^`|\n]*)?)", README)
    assert len(mentioned) >= 8
    for name, rest in mentioned:
        if not isinstance(main.commands.get(name), click.Command):
            continue  # prose: "hinton06 and"
        known = {option for p in main.commands[name].params for option in p.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known | {"--help"}
    assert {name for name, _ in mentioned} >= set(main.commands)


@pytest.mark.parametrize("name", ["table1", "replicas", "translated", "unlabelled", "generative"])
def test_readme_s_tables_are_the_recorded_ones(name: str) -> None:
    folder = "table1" if name == "replicas" else name
    recorded = (ROOT / "experiments" / folder / f"{name}.md").read_text(encoding="utf-8")
    assert between(name) == recorded.strip()


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *sorted((ROOT / "experiments").rglob("*.md"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_promise_is_held_by_a_test_that_exists() -> None:
    rows = between("promises").splitlines()[2:]
    assert len(rows) > 5
    for row in rows:
        file, _, test = row.rstrip("| ").rpartition("| ")[2].strip("`").partition("::")
        content = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert f"def {test}(" in content if test else content
