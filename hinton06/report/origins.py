"""Where the numbers on a page come from: the files of its folders, numbered, and how each was made.

What many files share, settings and versions, is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from hinton06.checkpoint import CheckpointError
from hinton06.lineage import PRETRAINED, ROLES
from hinton06.loading import RunFile, load
from hinton06.records import Tree
from hinton06.report.contents import settings, shown
from hinton06.report.files import ReportError, run_paths

# Of a run's provenance what is its own; the rest it shares with others.
_OWN = ("started", "finished", "seconds", "cpu_seconds", "resumed")

_Rows: TypeAlias = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Shared:
    """What some files have in common: its name, words of what it is, and rows; their numbers."""

    name: str
    about: str
    rows: _Rows
    numbers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Origins:
    """The readable files of some folders, finished or not; what is wrong with the others.

    `elsewhere` are folders below these that hold runs and were not given.
    """

    folders: Sequence[Path]
    files: Sequence[RunFile]
    unreadable: Sequence[str]
    elsewhere: Sequence[Path]

    @classmethod
    def read(cls, folders: Sequence[Path]) -> Origins:
        """Of the folders, each once. `ReportError` if there is no readable file in any."""
        given: dict[Path, Path] = {}
        for folder in folders:
            given.setdefault(folder.resolve(), folder)
        files, unreadable = list[RunFile](), list[str]()
        for path in (path for folder in given.values() for path in run_paths(folder)):
            try:
                files.append(load(path))
            except CheckpointError as error:
                unreadable.append(str(error))
        below = {path.parent for folder in given.values() for path in folder.glob("*/*.h5")}
        elsewhere = sorted(path for path in below if path.resolve() not in given)
        if not files:
            listed = ", ".join(map(str, given.values()))
            also = f"; but in {', '.join(map(str, elsewhere))}" if elsewhere else ""
            nothing = f"{listed}: there are no runs in it{also}"
            raise ReportError(unreadable[0] if unreadable else nothing)
        return cls(list(given.values()), files, unreadable, elsewhere)

    @cached_property
    def _numbers(self) -> dict[Path, int]:
        return {file.path: number for number, file in enumerate(self.files, 1)}

    def numbers(self, files: Sequence[RunFile]) -> list[int]:
        """The numbers of files on the page, from 1, each once, in order.

        One that was finished while the page was made has none.
        """
        return sorted({self._numbers[f.path] for f in files if f.path in self._numbers})

    def name(self, file: RunFile) -> str:
        """Its name, with its folder where there are several."""
        return file.path.name if len(self.folders) == 1 else str(file.path)

    @cached_property
    def settings(self) -> list[Shared]:
        """The settings that files were made with, each with its source."""
        return self._shared(
            lambda file: f"{file.kind.part}, recipe {file.recipe}",
            lambda file: tuple(settings(file)),
        )

    @cached_property
    def versions(self) -> list[Shared]:
        """The programs and machines that files were made with."""
        return self._shared(
            lambda file: str(file.provenance.get("machine", "a machine that is not recorded")),
            lambda file: tuple(
                (name, shown(value)) for name, value in file.provenance.items() if name not in _OWN
            ),
        )

    def _shared(
        self, about: Callable[[RunFile], str], rows: Callable[[RunFile], _Rows]
    ) -> list[Shared]:
        found: dict[tuple[str, _Rows], list[int]] = {}
        for number, file in enumerate(self.files, 1):
            found.setdefault((about(file), rows(file)), []).append(number)
        return [
            Shared(str(n), what, rows, tuple(numbers))
            for n, ((what, rows), numbers) in enumerate(found.items(), 1)
        ]

    def described(self) -> list[Tree]:
        """How each file was made, as values."""
        by_digest = {f.digest: self._numbers[f.path] for f in self.files if f.complete}
        return [
            {
                "number": number,
                "name": self.name(file),
                "about": _about(file),
                "recipe": file.recipe,
                "seed": file.lineage.seed,
                "split": file.lineage.split or "",
                "threads": file.lineage.threads,
                "parents": [by_digest[p] for p in file.lineage.parents or () if p in by_digest],
                "epochs": file.epochs_done,
                "minutes": file.provenance["seconds"] / 60,
                "cpu_minutes": file.provenance.get("cpu_seconds", 0) / 60,
                "finished": str(file.provenance.get("finished", ""))[:10],
                "settings": _holding(self.settings, number),
                "versions": _holding(self.versions, number),
                "digest": file.digest if file.complete else "",
            }
            for number, file in enumerate(self.files, 1)
        ]


def _holding(shared: Sequence[Shared], number: int) -> str:
    return next(each.name for each in shared if number in each.numbers)


def _about(file: RunFile) -> str:
    """What a file holds, in a few words."""
    conditions = [
        name.replace("_", " ") if value is True else f"{name.replace('_', ' ')} {shown(value)}"
        for name, value in file.lineage.conditions().items()
    ]
    conditions += sorted(name.replace("_", " ") for name in file.settings.apart())
    role = [ROLES[file.lineage.role]] if file.lineage.role != PRETRAINED else []
    state = [] if file.complete else ["not finished"]
    return ", ".join([file.kind.about, *role, *conditions, *state])
