"""Runs the commands of pages and writes what they print, and the pictures they make, into them.

    python docs/refresh.py README.md docs/tour.md

Each page's commands run in order in an empty folder of their own. A block of ``sh`` that a block
of ``text`` follows is run, and what it prints on standard output replaces the text. Pictures that
the page shows from a folder of the page's name are taken from what the commands made.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RUN = re.compile(r"```sh\n(?P<commands>[^`]*?)```(?P<between>\s*)```text\n(?P<output>[^`]*?)```")
PICTURE = re.compile(r"!\[[^]]*\]\((?P<path>[^)]+)\)")


def refresh(page: Path) -> None:
    """Run one page's commands and rewrite it."""
    with tempfile.TemporaryDirectory() as scratch:

        def run(found: re.Match[str]) -> str:
            print(found["commands"], end="", flush=True)
            done = subprocess.run(
                ["bash", "-ec", found["commands"]], cwd=scratch, env=_environment(), check=True,
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            printed = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
            return f"```sh\n{found['commands']}```{found['between']}```text\n{printed}```"

        page.write_text(RUN.sub(run, page.read_text(encoding="utf-8")), encoding="utf-8")
        for found in PICTURE.finditer(page.read_text(encoding="utf-8")):
            target = page.parent / found["path"]
            if target.parent == page.with_suffix(""):
                target.parent.mkdir(exist_ok=True)
                (made,) = Path(scratch).rglob(target.name)
                shutil.copyfile(made, target)


def _environment() -> dict[str, str]:
    """Commands of this interpreter first, and tables as wide as a page."""
    beside = str(Path(sys.executable).parent)
    return os.environ | {"PATH": f"{beside}:{os.environ['PATH']}", "COLUMNS": "100"}


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        refresh(Path(argument))
