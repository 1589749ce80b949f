"""The files of a report: those it reads, and its own, which appear only when they are whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import click

from hinton06 import records
from hinton06.checkpoint import Checkpoint, CheckpointError

FORMATS = ("terminal", "markdown", "csv", "json")
"""How a table can be printed."""


class ReportError(Exception):
    """A report that cannot be made; the message is one line."""


def each_checkpoint(folder: Path, notes: list[str]) -> Iterator[tuple[Path, Checkpoint]]:
    """The files of this package in a folder, finished or not, one after the other.

    Parameters
    ----------
    folder : Path
    notes : list of str
        A line is added for each file that cannot be read.

    Yields
    ------
    path, and what it holds
    """
    for path in sorted([*folder.glob("*.h5"), *folder.glob("*.h5.part")]):
        try:
            found = records.load(path)
        except CheckpointError as error:
            notes.append(str(error))
            continue
        yield path, found


def save(path: Path, content: bytes | str) -> None:
    """Write a file so that at `path` there is always the whole old file or the whole new one.

    Parameters
    ----------
    path : Path
        Its folder is made if need be.
    content : bytes, or str to be written as UTF-8

    Raises
    ------
    ReportError
        If it cannot be written; what was at `path` is then untouched.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ReportError(f"{path}: cannot be written: {error.strerror}") from None


def save_table(folder: Path, name: str, markdown: str, comma_separated: str, as_json: str) -> None:
    """Write a table into a folder as .md, .csv and .json.

    Parameters
    ----------
    folder : Path
        Made if need be.
    name : str
        Of the files, without what follows the dot.
    markdown, comma_separated, as_json : str
        The table in each format.

    Raises
    ------
    ReportError
        If a file cannot be written; what was at its path is then untouched.
    """
    for suffix, text in (("md", markdown), ("csv", comma_separated), ("json", as_json)):
        save(folder / f"{name}.{suffix}", text + "\n")


T = TypeVar("T")


@dataclass(frozen=True)
class Tabulated(Generic[T]):
    """A table that can be printed in each of `FORMATS` and saved.

    Parameters
    ----------
    name : str
        Of its files, without what follows the dot.
    table : object
        What the functions below take.
    terminal : function
        Prints it on standard output.
    markdown, comma_separated, as_json : function
        The table in each format.
    pictures : mapping of str to function, optional
        Other files that are saved with it, by name.
    """

    name: str
    table: T
    terminal: Callable[[T], None]
    markdown: Callable[[T], str]
    comma_separated: Callable[[T], str]
    as_json: Callable[[T], str]
    pictures: Mapping[str, Callable[[T], bytes]] = field(default_factory=dict)

    def show(self, form: str) -> None:
        """Print the table on standard output.

        Parameters
        ----------
        form : str
            One of `FORMATS`.
        """
        if form == "terminal":
            self.terminal(self.table)
            return
        texts = {"markdown": self.markdown, "csv": self.comma_separated, "json": self.as_json}
        click.echo(texts[form](self.table))

    def save(self, folder: Path) -> None:
        """Write the table into a folder as .md, .csv and .json, and its pictures.

        Parameters
        ----------
        folder : Path
            Made if need be.

        Raises
        ------
        ReportError
            As `save_table`.
        """
        texts = (form(self.table) for form in (self.markdown, self.comma_separated, self.as_json))
        save_table(folder, self.name, *texts)
        for name, draw in self.pictures.items():
            save(folder / name, draw(self.table))
