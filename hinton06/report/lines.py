"""What a table finds in one folder, line by line, so that `replicas` can compare many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hinton06.loading import RunFile
from hinton06.records import Tree
from hinton06.report.files import Folder, Note
from hinton06.report.table import Column


@dataclass(frozen=True)
class Line:
    """One line of a table in one folder.

    The same lines of several folders have the same `key`, which puts them in order; `names` are
    what they are called, `files` what they are measured from, `printed` the numbers in print beside
    those that were `measured`, by the same names (None where there is none). Lines that are not
    `shown` are for CSV and JSON.
    """

    key: tuple[Any, ...]
    names: Tree
    measured: Mapping[str, float | None]
    printed: Mapping[str, float | None] = field(default_factory=dict)
    made_with: str | None = None
    shown: bool = True
    files: Sequence[RunFile] = ()


@dataclass(frozen=True)
class Found:
    """What a table takes from one folder: files by what they are, lines, remarks; or nothing."""

    files: Mapping[str, RunFile] = field(default_factory=dict)
    lines: Sequence[Line] = ()
    notes: Sequence[Note] = ()


@dataclass(frozen=True)
class Replicated:
    """How a table is made over several seeds: what is `found` in a folder, which `holds` such.

    `columns` are those of a line's names; `shown` the measures of validation and of test cases that
    have columns, with so many `digits`; `whose` the numbers in print are, if there are any, and
    their `source` a sentence. `sections` as of a `Table`. What a line is of,
    each seed may have `chosen` for itself.
    """

    name: str
    title: str
    holds: str
    found: Callable[[Folder], Found]
    columns: tuple[Column, ...]
    shown: tuple[str, str]
    digits: int
    whose: str = ""
    source: str = ""
    sections: bool = False
    chosen: bool = False


def measured_mean(lines: Sequence[Tree], name: str) -> float | None:
    """Of one column of some lines, if all have it; of a single line as it is."""
    numbers = [value for line in lines if (value := line.get(name)) is not None]
    if len(numbers) < len(lines):
        return None
    return float(np.mean(numbers)) if len(numbers) > 1 else numbers[0]
