"""The report: one page of everything that the files in some folders tell, offline and printable.

In the order of the chapter's sections: tables and figures, printed numbers beside measured ones,
then where each number comes from, and what is missing. Nothing is trained. The template is
`page.html`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from hinton06 import mnist, pages, provenance
from hinton06.checkpoint import CheckpointError
from hinton06.loading import Context, RunFile, digits_of, shuffled
from hinton06.mnist import DataError, Digits
from hinton06.recipes import RECIPES, counted
from hinton06.records import Tree
from hinton06.report.chapter import SECTIONS, Section
from hinton06.report.files import LEFT_OUT, NoRunsError, ReportError, conditions
from hinton06.report.origins import Origins
from hinton06.report.table import Table
from hinton06.report.tables import TABLES, Report
from hinton06.training import Progress, RunError

_BEYOND = Section("Beyond the chapter", "")


@dataclass(frozen=True)
class PageOptions:
    """How the figures are drawn: rounds of Gibbs sampling before each sample of Figure 5, a seed.

    The images are those that the files were made with, or those in `data_dir`, there `transposed`
    or not.
    """

    gibbs: int = 1000
    seed: int = 0
    threads: int = 1
    data_dir: Path | None = None
    transposed: bool = False


@dataclass(frozen=True)
class Page:
    """A report: the page, the titles of its tables and figures, and what is missing, in lines."""

    html: str
    tables: tuple[str, ...]
    figures: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of the page."""
        return len(self.html.encode())


@dataclass
class _Part:
    """What a section of the page has: (report, where, table), figures, and tables that lack."""

    section: Section
    tables: list[tuple[Report, str, Table]] = field(default_factory=list)
    plates: list[Any] = field(default_factory=list)
    lacking: list[Report] = field(default_factory=list)


def make(folders: Sequence[Path], progress: Progress, options: PageOptions = PageOptions()) -> Page:
    """The page of all files in some folders. The same for the same files and options.

    A file that cannot be read or drawn is named on the page. Raises `ReportError` if none of the
    folders holds one that can be read, `DataError` if there are no images where the options say.
    """
    origins = Origins.read(folders)
    troubles: list[str] = []
    parts = {section.title: _Part(section) for section in (*SECTIONS, _BEYOND)}
    for report in TABLES:
        part = parts.get(report.section, parts[_BEYOND.title])
        made = list(_tables(report, origins, troubles))
        part.tables += made
        if not made:
            part.lacking.append(report)
    images = _draw(parts, origins, progress, options, troubles)
    if not parts[_BEYOND.title].tables:
        del parts[_BEYOND.title]
    lacking = [report for part in parts.values() for report in part.lacking]
    missing = _missing(origins, lacking, troubles)
    html = pages.rendered(
        __package__,
        version=provenance.version(),
        folders=list(map(str, origins.folders)),
        facts=_facts(origins),
        cautions=_cautions(origins, images),
        parts=[_part(number, part, origins) for number, part in enumerate(parts.values(), 1)],
        files=origins.described(),
        origins=origins,
        missing=missing,
    )
    return Page(
        html,
        tuple(title for part in parts.values() for title in _titles(part)),
        tuple(plate.title for part in parts.values() for plate in part.plates),
        tuple(f"{what}: {line}" for what, lines in missing.items() for line in lines),
    )


# -- tables ----------------------------------------------------------------------------------------


def _tables(
    report: Report, origins: Origins, troubles: list[str]
) -> Iterator[tuple[Report, str, Table]]:
    """The tables that the folders give, with the name of the folder where there are several."""
    found = []
    for folder in origins.folders:
        table = _table(report, [folder] if report.several else folder, troubles)
        if table is not None:
            found.append((folder, table))
    if not report.several:
        several = len(origins.folders) > 1
        yield from ((report, str(folder) if several else "", table) for folder, table in found)
    elif len(found) > 1:
        whole = _table(report, [folder for folder, _ in found], troubles)
        yield from [(report, "", whole)] if whole is not None else []


def _table(report: Report, folders: Any, troubles: list[str]) -> Table | None:
    """A table with something measured in it, or None; what is wrong with it is a trouble."""
    try:
        table = report.make(folders)
    except NoRunsError:
        return None
    except (ReportError, CheckpointError, RunError) as error:
        troubles.append(f"{report.title}: {error}")
        return None
    files = [file for own in table.sources or () for file in own]
    if table.measured and (not report.of or any(conditions(file) & report.of for file in files)):
        return table
    troubles += [f"{report.title}: {note}" for note in table.notes if note.startswith(LEFT_OUT)]
    return None


def _titles(part: _Part) -> list[str]:
    return [report.title + (f" ({where})" if where else "") for report, where, _ in part.tables]


# -- figures ---------------------------------------------------------------------------------------


def _draw(
    parts: Mapping[str, _Part], origins: Origins, progress: Progress, options: PageOptions,
    troubles: list[str],
) -> list[Digits]:  # fmt: skip
    """Give each section its figures, of each set of images, and learning curves of each folder.

    Returns the images that are there.
    """
    try:
        from hinton06.report import plates  # noqa: PLC0415  # Matplotlib is slow to import
        from hinton06.report.figures import FigureOptions  # noqa: PLC0415
    except (ImportError, ReportError) as error:
        troubles.append(f"figures, drawn by Matplotlib: {error}")
        return []
    wanted = FigureOptions(gibbs=options.gibbs, seed=options.seed)
    shelves = [
        plates.Shelf(files, Context(digits, progress, options.threads), wanted)
        for files, digits in _by_images(origins, options, troubles)
    ]
    for part in parts.values():
        for _, _, table in part.tables:
            part.plates += plates.of_table(table)
        for name in part.section.figures:
            for shelf in shelves:
                try:
                    plate = plates.DRAWN[name](shelf)
                except (CheckpointError, RunError, ReportError) as error:
                    troubles.append(str(error))
                    continue
                if plate is not None:
                    part.plates.append(plate)
        learned = [file for file in origins.files if part.section.learned(file)]
        for _, own in groupby(learned, key=lambda file: file.path.parent):
            curves = plates.learning_curves(list(own))
            part.plates += [curves] if curves is not None else []
    return [shelf.context.digits for shelf in shelves]


def _by_images(
    origins: Origins, options: PageOptions, troubles: list[str]
) -> Iterator[tuple[list[RunFile], Digits]]:
    """Files by the images that they were made with, where these are to be found."""
    by_data: dict[str, list[RunFile]] = {}
    for file in origins.files:
        by_data.setdefault(file.lineage.data, []).append(file)
    known, given = None, options.data_dir
    if given is not None:
        known = digits_of(origins.files, given, options.transposed)
    for data, files in by_data.items():
        try:
            digits = known or digits_of(files[:1], None)
        except (DataError, RunError) as error:
            troubles.append(f"figures of images: {error}")
            continue
        if digits.sha256 == data:
            yield files, digits
        else:
            others = f"made with other images than {digits.name}"
            names = origins.name(files[0])
            names += f" and {len(files) - 1} more" if len(files) > 1 else ""
            troubles.append(f"figures of images of {names}: {others}")


# -- what the template shows -----------------------------------------------------------------------


def _part(number: int, part: _Part, origins: Origins) -> Tree:
    """A section as values."""
    return {
        "id": f"section-{number}",
        "title": part.section.title,
        "claim": part.section.claim,
        "about": part.section.about,
        "lacking": part.lacking,
        "tables": [
            _cells(f"section-{number}-table-{n}", report, where, table, origins)
            for n, (report, where, table) in enumerate(part.tables, 1)
        ],
        "plates": [
            {**vars(plate), "id": f"section-{number}-figure-{n}",
             "where": _where(plate, origins), "sources": origins.numbers(plate.files)}
            for n, plate in enumerate(part.plates, 1)
        ],
    }  # fmt: skip


def _where(plate: Any, origins: Origins) -> str:
    """The folders that a figure is of, where there are several."""
    folders = dict.fromkeys(str(file.path.parent) for file in plate.files)
    return ", ".join(folders) if len(origins.folders) > 1 else ""


def _cells(name: str, report: Report, where: str, table: Table, origins: Origins) -> Tree:
    """A table as values: the sections of its rows, each cell a text, each row with its files."""
    columns = table.columns[1:] if table.sections else table.columns
    sources = table.sources or [()] * len(table.rows)
    rows = []
    for row, files in zip(table.rows, sources, strict=True):
        rows.append({
            "section": table.columns[0].text(row) if table.sections else "",
            "cells": [column.text(row) for column in columns],
            "strong": table.strong is not None and table.strong(row),
            "files": origins.numbers(files),
        })  # fmt: skip
    return {
        "id": name,
        "title": report.title,
        "where": where,
        "columns": columns,
        "sourced": table.sources is not None,
        "groups": [(title, list(own)) for title, own in groupby(rows, lambda row: row["section"])],
        "legend": table.legend,
        "notes": [note for note in table.notes if note not in origins.unreadable],
    }


def _facts(origins: Origins) -> list[tuple[str, str]]:
    """What all that is on the page is of, by name."""
    files = origins.files
    recipes = dict.fromkeys(file.recipe for file in files)
    minutes = sum(file.provenance.get("cpu_seconds", 0) for file in files) / 60
    return [
        ("Runs", ", ".join(map(str, origins.folders))),
        ("Files", _counted(origins)),
        ("Images", ", ".join(dict.fromkeys(_images(file) for file in files))),
        ("Recipes", "; ".join(f"{name}: {_recipe(name)}" for name in recipes)),
        ("Seeds", ", ".join(map(str, sorted({file.lineage.seed for file in files})))),
        ("Time", f"{minutes:,.0f} minutes of a processor, for all files together"),
        ("Machines", "; ".join(dict.fromkeys(each.about for each in origins.versions))),
    ]


def _counted(origins: Origins) -> str:
    finished = sum(file.complete for file in origins.files)
    others = {
        "not finished": len(origins.files) - finished,
        "not readable": len(origins.unreadable),
    }
    more = [f"{count} {what}" for what, count in others.items() if count]
    return ", ".join([f"{finished} finished", *more])


def _recipe(name: str) -> str:
    return RECIPES[name].about if name in RECIPES else "a recipe that is not this package's"


def _images(file: RunFile) -> str:
    if file.lineage.data in mnist.SHIPPED:
        return mnist.SHIPPED[file.lineage.data]
    folder = file.lineage.data_folder
    return f"{Path(folder).name if folder else 'others'} ({file.lineage.data[:12]})"


def _cautions(origins: Origins, images: Sequence[Digits]) -> list[str]:
    """Why measured numbers may not be what the printed ones are of."""
    found = []
    others = dict.fromkeys(_images(f) for f in origins.files if f.lineage.data != mnist.SHA256)
    if others:
        some = "some of " if any(f.lineage.data == mnist.SHA256 for f in origins.files) else ""
        which = f"{some}these runs are of other images: {', '.join(others)}"
        found.append(f"Printed numbers are of MNIST; {which}.")
    if any(file.recipe == "quick" for file in origins.files):
        found.append(f"Recipe quick is {RECIPES['quick'].about}.")
    return found + [f"{line}." for digits in images for line in shuffled(digits)]


def _made_by(report: Report) -> str:
    return f" (make {report.target})" if report.target else ""


def _missing(
    origins: Origins, lacking: Sequence[Report], troubles: Sequence[str]
) -> dict[str, list[str]]:
    """What is missing on the page, by what is wrong."""
    unfinished = [
        f"{origins.name(file)}: {counted(file.epochs_done, 'epoch')} done; "
        "the command that makes it goes on"
        for file in origins.files
        if not file.complete
    ]
    found = {
        "Not readable": list(origins.unreadable),
        "Not finished": unfinished,
        "Not in these runs": [report.title + _made_by(report) for report in lacking],
        "Not shown": list(dict.fromkeys(troubles)),
        "Not given, though they hold runs": list(map(str, origins.elsewhere)),
    }
    return {what: lines for what, lines in found.items() if lines}
