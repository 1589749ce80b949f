"""What nets of pairs hear and see: a table, and two pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from hinton06 import provenance
from hinton06.hearing import Count, Heard, Picture
from hinton06.loading import RunFile
from hinton06.recipes import counted
from hinton06.records import Tree, to_tree
from hinton06.report import captioned, files
from hinton06.report.scores import interval
from hinton06.report.table import Column, Table

_COLUMNS = (
    Column("net", "{net}", left=True),
    Column("asked", "{measure}", left=True),
    Column("cases", "{cases:,}"),
    Column("wrong", "{errors:,}"),
    Column("%", "{percent:.1f} ({percent_95_low:.1f}-{percent_95_high:.1f})"),
)
_BY = "By speaker, of recordings alone:"


def table(found: Sequence[Heard], threads: int) -> Table:
    """A row for each count of each net; recordings by speaker below. Saved with the settings."""
    named = list(zip(found, files.names_apart([heard.file.path for heard in found]), strict=True))
    rows = [row for heard, name in named for row in _rows(heard, name, heard.counts)]
    speakers = [row for heard, name in named for row in _rows(heard, name, heard.by_speaker)]
    options = found[0].options
    unread = [word for word in ("image", "second") if word not in found[0].readers]
    notes = [
        f"no reader of the {word} pathway: what it generates is not counted" for word in unread
    ]
    made = {"options": dataclasses.asdict(options), "threads": threads}
    made |= {"readers": dict(found[0].readers), "by_speaker": speakers}
    made |= {"files": [_file(heard.file) for heard in found]}
    further = [Table(_COLUMNS, speakers, title=_BY)] if speakers else []
    return Table(
        _COLUMNS, rows, name="heard", legend=_legend(found[0]), notes=notes, further=further,
        extra=made | {"provenance": provenance.describe()},
    )  # fmt: skip


def _file(file: RunFile) -> Tree:
    own = file.provenance
    return {"file": file.path.name, "sha256": file.digest, "settings": to_tree(file.settings)} | {
        name: own.get(name) for name in ("cpu_seconds", "git")
    }


def _rows(heard: Heard, name: str, counts: Sequence[Count]) -> list[Tree]:
    rows = []
    for count in counts:
        errors = count.cases - count.right
        low, high = interval(errors, count.cases)
        row: Tree = {"net": name, "part": heard.options.part}
        row |= {"measure": count.measure, "cases": count.cases, "errors": errors}
        shares = zip(
            ("percent", "percent_95_low", "percent_95_high"), (errors, low, high), strict=True
        )
        rows.append(row | {name: 100 * share / count.cases for name, share in shares})
    return rows


def _legend(heard: Heard) -> list[str]:
    options, most = heard.options, "at most " if heard.fewer_references else ""
    return [
        f"Of {options.part} cases, none of which was learned; in brackets 95 % intervals for the "
        "sampling of the cases. Alone: the class whose mean features in the other pathway, of "
        f"{most}{counted(options.references, 'training case')}, have the lowest free energy with "
        "it; together: the product of both answers.",
        "Seen, heard, told apart and dreamt: wrong as its reader reads it "
        f"({' and '.join(heard.readers.values()) or 'none'}), after "
        f"{counted(options.rounds, 'round')} of Gibbs sampling, dreams after "
        f"{options.dream_rounds:,}. A blend is the mean of two images of different classes, and "
        "right is the class that is heard.",
    ]


def pictures(heard: Heard, form: str) -> dict[str, bytes]:
    """The picture of pairs, and that of ambiguous images, by what their names end with."""
    made = {"pairs": [row for row in heard.pairs if row], "blends": heard.blends}
    return {name: _drawn(rows, form) for name, rows in made.items() if rows}


def _drawn(rows: Sequence[Sequence[Picture]], form: str) -> bytes:
    """A row of pictures each, all as long as the longest."""
    columns = list(zip_longest(*rows))
    every = [picture for row in zip(*columns, strict=True) for picture in row]
    images = [None if picture is None else picture.image for picture in every]
    captions = [[""] if picture is None else [picture.caption] for picture in every]
    return captioned.draw(images, captions, len(columns), (form,))[f".{form}"]


def save(found: Sequence[Heard], folder: Path, form: str) -> Iterator[Path]:
    """Write the pictures into a folder, one by one; `ReportError` if one cannot be written."""
    names = files.names_apart([heard.file.path for heard in found])
    for heard, name in zip(found, names, strict=True):
        for kind, content in pictures(heard, form).items():
            path = folder / f"{kind}-{name.replace('/', '-')}.{form}"
            files.save(path, content)
            yield path
