"""Runs the commands of pages and writes what they print, and the pictures they make, into them.

    python docs/refresh.py README.md docs/tour.md

Each page's commands run in order in an empty folder of their own. A block of ``sh`` that a block
of ``text`` follows is run, and what it prints on standard output replaces the text. Pictures that
the page shows from a folder of the page's name are taken from what the commands made. Between its
marks the tour's page is first made anew from the stages of ``hinton06 tour``; where a stage has no
command, the text is what the tour prints. The table of settings is made of the recipe ``tr2006``:

    python docs/refresh.py docs/assumptions.md
"""

from __future__ import annotations

import dataclasses
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from rich.console import Console

from hinton06.recipes import PARTS, RECIPES, show_value
from hinton06.tour import ABOUT, STAGES, Step, Tour

RUN = re.compile(r"```sh\n(?P<commands>[^`]*?)```(?P<between>\s*)```text\n(?P<output>[^`]*?)```")
PICTURE = re.compile(r"!\[[^]]*\]\((?P<path>[^)]+)\)")
STAGED = re.compile(r"(?<=<!-- stages -->\n).*?(?=<!-- /stages -->)", re.S)
SETTINGS = re.compile(r"(?<=<!-- assumptions -->\n).*?(?=<!-- /assumptions -->)", re.S)
SHOWN = re.compile(r"<!-- (?P<number>\d+) -->\n```text\n[^`]*?```")

# What brings each condition of a recipe's variants.
CONDITIONS = {
    "labels": "With `pretrain --labels`",
    "translations": "With `pretrain --translations`, and of what is fine-tuned from it",
    "distortions": "With `--affine` or `--elastic`",
    "few images": "With `pretrain --labelled`",
    "more Gibbs sampling": "With `--cd` above 1, or `--persistent`",
    "sparse features": "With `--sparsity-cost` above 0, [tried](../experiments/sparse/README.md)",
    "mixed gradient": "With `--search-bp-weight` or `--bp-weight`",
    "pretraining's gradient": "With `--generative pretraining`",
    "few labels": "With `--labelled`, or of a stack of few images",
    "some labels": "With more than 1,000 of them",
    "dropout": "With `--dropout`",
    "adversarial": "With `--adversarial`",
    "adversarial and neighbours": "With `--neighbours` and `--adversarial`",
    "virtual": "With `--virtual`",
    "few images and virtual": "With `--virtual`, of a stack of few images",
    "translations and virtual": "With `--virtual` of translated images",
    "distortions and dropout": "With `--dropout` and `--affine` or `--elastic`",
    "translations and dropout": "With `--dropout` of translated images",
    "few labels and dropout": "With `--dropout` and few labels",
    "some labels and dropout": "With `--dropout` and more than 1,000 of them",
}


def settings() -> str:
    """The table of all settings of ``tr2006``: value, source without what it points at, meaning."""
    recipe = RECIPES["tr2006"]
    lines = ["| setting | tr2006 | source | |", "|---|---|---|---|"]

    def add(name: str, value: Any, source: str, words: str) -> None:
        words = re.sub(r"(?<!`)--[a-z-]+", r"`\g<0>`", words) if "`" not in words else words
        cells = name, show_value(value), source.partition(";")[0], words
        lines.append(f"| {' | '.join(cells)} |")

    for part, kind in PARTS.items():
        for item in dataclasses.fields(kind):
            key = f"{part}.{item.name}"
            add(f"`{key}`", *recipe.values[key], item.metadata["help"].rstrip("."))
            for condition, values in recipe.variants.items():
                if key in values:
                    add(f"`{key}`, {condition}", *values[key], CONDITIONS[condition])
    return "\n".join(lines) + "\n"


def stages() -> str:
    """The tour's stages for its page; what commands print is still to come."""
    parts, number = [_wrapped(ABOUT)], 0
    for stage in STAGES:
        quoted = f'"{stage.sentence}" ({stage.section})'
        parts += [f"## {stage.title}", textwrap.indent(_wrapped(quoted), "> ")]
        for step in stage.steps:
            number += 1
            commands = "\n".join(step.commands)
            shown = f"```sh\n{commands}\n```\n\n" if commands else f"<!-- {number} -->\n"
            parts += [_wrapped(step.words), f"{shown}```text\n```"]
            about, picture = step.picture
            parts += [f"![{about}](tour/{picture})"] if picture else []
            parts += [_wrapped(step.after)] if step.after else []
    return "\n" + "\n\n".join(parts) + "\n\n"


def _wrapped(words: str) -> str:
    linked = words.replace("Table 1", "[Table 1](../README.md#table-1)")
    return textwrap.fill(linked, 120, break_long_words=False, break_on_hyphens=False)


def _step(number: int) -> Step:
    return [step for stage in STAGES for step in stage.steps][number - 1]


def refresh(page: Path) -> None:
    """Run one page's commands and rewrite it."""
    with tempfile.TemporaryDirectory() as scratch:

        def run(found: re.Match[str]) -> str:
            print(found["commands"], end="", flush=True)
            done = subprocess.run(
                ["bash", "-ec", found["commands"]], cwd=scratch, env=_environment(), check=True,
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            return (
                f"```sh\n{found['commands']}```{found['between']}```text\n{_lines(done.stdout)}```"
            )

        def show(found: re.Match[str]) -> str:
            printed, show = io.StringIO(), _step(int(found["number"])).show
            assert show is not None
            os.chdir(scratch)
            show(Tour(Path("tour"), Console(file=printed, width=80)))
            os.chdir(here)
            number = found["number"]
            return f"<!-- {number} -->\n```text\n{_lines(printed.getvalue())}```"

        here, written = Path.cwd(), page.read_text(encoding="utf-8")
        written = SETTINGS.sub(lambda _: settings(), STAGED.sub(lambda _: stages(), written))
        written = RUN.sub(run, written)
        written = SHOWN.sub(show, written)
        page.write_text(written, encoding="utf-8")
        for found in PICTURE.finditer(written):
            target = page.parent / found["path"]
            if target.parent == page.with_suffix(""):
                target.parent.mkdir(exist_ok=True)
                (made,) = Path(scratch).rglob(target.name)
                shutil.copyfile(made, target)


def _lines(printed: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in printed.splitlines())


def _environment() -> dict[str, str]:
    """Commands of this interpreter first, and tables as wide as a page."""
    beside = str(Path(sys.executable).parent)
    return os.environ | {"PATH": f"{beside}:{os.environ['PATH']}", "COLUMNS": "100"}


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        refresh(Path(argument).resolve())
