"""Tables of values that render themselves: for a terminal, in Markdown, as CSV and as JSON.

A row holds numbers as they were measured; they are rounded where they are shown, and only there.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from string import Formatter
from typing import Any, TypeAlias

import click
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment, Segments
from rich.table import Table as Grid
from rich.text import Text

from hinton06.console import plain
from hinton06.files import one_line
from hinton06.loading import RunFile
from hinton06.report.files import save

FORMATS = ("terminal", "markdown", "csv", "json")
"""How a table can be printed."""

FOR_PROGRAMS = FORMATS[2:]
"""Those of which a document is one table."""

Row: TypeAlias = Mapping[str, Any]
"""Values by name; None where there is none."""

_PROSE_WIDTH = 80
_TEXT_WIDTH = 16  # to which a column of text may be folded, or to its longest word


@dataclass(frozen=True)
class Column:
    """What a table shows of each row: a heading, and its cells.

    A cell is a format of the row's values, ``"{errors} ± {interval:.0f}"``, empty where one of
    them is None or missing; or a function of the row. `left`: text, which may be folded; else
    numbers, which never are. `short`: the heading on a terminal, if another.
    """

    heading: str
    cell: str | Callable[[Row], str]
    left: bool = False
    short: str = ""

    def text(self, row: Row) -> str:
        """The cell of a row."""
        if callable(self.cell):
            return self.cell(row)
        form = Formatter()
        names = [name for _, name, _, _ in form.parse(self.cell) if name]
        try:
            missing = any(form.get_field(name, (), row)[0] is None for name in names)
        except KeyError:
            missing = True
        return "" if missing else self.cell.format_map(row)


@dataclass(frozen=True)
class Table:
    """Columns and rows, and what is said below them: `legend` and `notes` are paragraphs.

    Its files have the `name`, its `title` stands above it on a terminal. `sections`: the first
    column's text stands, on a terminal, once above the rows that share it. `strong` rows are bold
    in Markdown; on a terminal the others are dim. As CSV the `records` are written, if not the
    rows; as JSON the `json_rows`, if not the records, and the `extra`: how the files were made.
    Files `beside` it are saved with the table: their content, by name. `figures` are pictures that
    a page has too, as PNG: title, name beside it, what it shows. `sources` are the files that each
    row is measured from, none for a row in print; None where the table does not say. `further`
    tables say more of the same records: they stand below, each under its title, on a terminal and
    in Markdown.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    name: str = ""
    title: str = ""
    legend: Sequence[str] = ()
    notes: Sequence[str] = ()
    sections: bool = False
    strong: Callable[[Row], bool] | None = None
    records: Sequence[Row] | None = None
    json_rows: Sequence[Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Callable[[], bytes | str]] = field(default_factory=dict)
    figures: Sequence[tuple[str, str, str]] = ()
    sources: Sequence[Sequence[RunFile]] | None = None
    further: Sequence[Table] = ()

    def show(self, form: str = "terminal") -> None:
        """Print the table on standard output, in one of `FORMATS`."""
        if form == "terminal":
            self.print(Console(highlight=False, markup=False, emoji=False))
        else:
            click.echo({"markdown": self.markdown, "csv": self.csv, "json": self.json}[form]())

    def save(self, folder: Path) -> None:
        """Write the table into a folder as .md, .csv and .json, and what is beside it.

        Raises `ReportError` if a file cannot be written; what was at its path is then untouched.
        """
        for suffix, text in (("md", self.markdown), ("csv", self.csv), ("json", self.json)):
            save(folder / f"{self.name}.{suffix}", text() + "\n")
        for name, content in self.beside.items():
            save(folder / name, content())

    def _paragraphs(self) -> list[str]:
        return [*self.legend, *(f"Note: {one_line(note)}" for note in self.notes)]

    @property
    def measured(self) -> bool:
        """Whether any row is more than what is in print."""
        return bool(self.rows) if self.sources is None else any(self.sources)

    @property
    def _records(self) -> Sequence[Row]:
        return self.rows if self.records is None else self.records

    def markdown(self) -> str:
        """The table and the paragraphs below it in Markdown."""
        names = next((n for n, column in enumerate(self.columns) if not column.left), 0)
        rules = ("---|" if column.left else "---:|" for column in self.columns)
        lines = [_line([column.heading for column in self.columns], names), "|" + "".join(rules)]
        for row in self.rows:
            cells = [column.text(row) for column in self.columns]
            if self.strong and self.strong(row):
                cells[names:] = [f"**{cell}**" if cell else "" for cell in cells[names:]]
            lines.append(_line(cells, names))
        below = [part for table in self.further for part in (table.title, table.markdown())]
        return "\n\n".join(["\n".join(lines), *self._paragraphs(), *below])

    def csv(self) -> str:
        """The records as CSV, empty where a value is None."""
        written = io.StringIO()
        names = list(self._records[0]) if self._records else [self.columns[0].heading]
        writer = csv.DictWriter(written, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._records)
        return written.getvalue().rstrip("\n")

    def json(self) -> str:
        """Rows, notes and how the files were made as JSON."""
        rows = self._records if self.json_rows is None else self.json_rows
        document = {"rows": rows, "notes": self.notes, **self.extra}
        return json.dumps(document, indent=2, allow_nan=False)

    def print(self, console: Console) -> None:
        """Print no wider than a terminal; as wide as it needs where there is none.

        First the headings fold, then the columns of text; then the columns go that are empty in
        every row; where that does not suffice each row becomes a record of "heading: value" lines.
        No number or name loses anything.
        """
        shown = self.columns[1:] if self.sections else self.columns
        room = console.width if console.is_terminal else None
        headings, cells = self._texts(shown, console.encoding)
        widths, gap = _widths(shown, headings, cells, room)
        if not widths:
            shown = [c for n, c in enumerate(shown) if any(texts[n] for texts in cells)]
            headings, cells = self._texts(shown, console.encoding)
            widths, gap = _widths(shown, headings, cells, room)
        if room is None:
            lines = [self.title, *self._paragraphs()]
            console.width = max(sum(widths) + gap * len(widths), *map(cell_len, lines), 1)
        if self.title:
            _print_lines(console, Text(self.title, "italic"))
        if widths:
            head = _grid(shown, widths, gap, "bottom")
            head.add_row(*_apart(headings), style="bold")
            _print_lines(console, head)
        for section, rows in groupby(zip(self.rows, cells, strict=True), self._section):
            if section:
                _print_lines(console, Text(section, "bold", overflow="fold"))
            grid = _grid(shown, widths, gap, "top")
            for row, texts in rows:
                style = "dim" if self.strong and not self.strong(row) else ""
                if widths:
                    grid.add_row(*_apart(texts), style=style)
                else:
                    _print_record(console, shown, texts, style)
            if widths:
                _print_lines(console, grid)
        for paragraph in self._paragraphs():
            _print_lines(console, Text(paragraph), _PROSE_WIDTH if room else None)
        for table in self.further:
            console.print()
            table.print(console)

    def _texts(self, shown: Sequence[Column], encoding: str) -> tuple[list[str], list[list[str]]]:
        """Headings of the columns, and the cells of each row, as a terminal can show them."""
        headings = [plain(column.short or column.heading, encoding) for column in shown]
        return headings, [[plain(c.text(row), encoding) for c in shown] for row in self.rows]

    def _section(self, row: tuple[Row, Any]) -> str:
        return self.columns[0].text(row[0]) if self.sections else ""


def _widths(
    columns: Sequence[Column], headings: list[str], cells: list[list[str]], room: int | None
) -> tuple[list[int], int]:
    """Widths of the columns and the gap between them; none if they cannot be side by side."""
    wanted, whole, folded = [], [], []
    for number, (column, heading) in enumerate(zip(columns, headings, strict=True)):
        content = max((cell_len(texts[number]) for texts in cells), default=0)
        word = max(map(cell_len, heading.split()), default=0)
        longest = max((cell_len(w) for texts in cells for w in texts[number].split()), default=0)
        wanted.append(max(content, cell_len(heading)))
        whole.append(max(content, word))
        folded.append(max(min(longest, _TEXT_WIDTH), word) if column.left else whole[-1])
    if room is None:
        return wanted, 2
    for most, least, gap in ((wanted, whole, 2), (wanted, whole, 1), (whole, folded, 1)):
        free = room - gap * (len(wanted) - 1)
        if sum(least) <= free:
            return _narrowed(most, least, free), gap
    return [], 0


def _grid(columns: Sequence[Column], widths: list[int], gap: int, vertical: Any) -> Grid:
    """Without rows; without columns, too, where there are no widths. `_apart` fills a row.

    Gaps are columns: how wide padding makes the last one differs among versions of rich.
    """
    grid = Grid(box=None, pad_edge=False, padding=0, show_header=False)
    for column, width in zip(columns, widths, strict=False):
        if grid.columns:
            grid.add_column(width=gap)
        side: Any = "left" if column.left else "right"
        grid.add_column(width=width, justify=side, overflow="fold", vertical=vertical)
    return grid


def _apart(texts: Sequence[str]) -> list[Text]:
    """The cells of a row, and an empty one for each gap."""
    return [cell for text in texts for cell in (Text(), Text(text))][1:]


def _print_lines(console: Console, what: Grid | Text, most: int | None = None) -> None:
    """Without the spaces that lines end with; no wider than the console, or than `most`."""
    options = console.options.update(width=min(console.width, most or console.width))
    for line in console.render_lines(what, options, pad=False):
        while line and not line[-1].text.strip():
            line.pop()
        if line:
            line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
        console.print(Segments([*line, Segment.line()]), end="")


def _print_record(console: Console, columns: Any, texts: list[str], style: str) -> None:
    """A line for each value that there is, and an empty line."""
    for column, text in zip(columns, texts, strict=True):
        if text not in ("", "."):
            line = f"{column.heading}: {text}" if column.heading else text
            _print_lines(console, Text(line, style, overflow="fold"))
    console.print()


def _line(cells: Sequence[str], names: int) -> str:
    """Of Markdown; an empty cell takes one space before the numbers, and two among them."""
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return "".join(f"| {c} " if c or n >= names else "| " for n, c in enumerate(escaped)) + "|"


def _narrowed(most: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths that fit: what has most to spare gives first."""
    widths = list(most)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda n: widths[n] - least[n])
        widths[widest] -= 1
    return widths
