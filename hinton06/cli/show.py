"""``hinton06 show``."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06 import records
from hinton06.cli.options import EXISTING_FILE, json_option, print_json
from hinton06.report import contents


@click.command()
@click.argument("path", metavar="CHECKPOINT", type=EXISTING_FILE)
@json_option
def show(path: Path, as_json: bool) -> None:
    """What a file holds: stage, shapes, recipe, seed, split, history, versions.

    Also reads the unfinished files that end in .part.
    """
    found = records.load(path)
    if as_json:
        print_json(contents.values(found))
    else:
        contents.show(path, found)
