"""What is being learned, drawn on a terminal while it is: the first features, and curves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from hinton06.cli.display import Display, briefly
from hinton06.numerics import Array
from hinton06.recipes import counted
from hinton06.report import grids

_CURVES = {
    "recon_error": "reconstruction error",
    "valid_errors": "validation errors",
    "valid_cost": "validation cost",
    "train_errors": "training errors",
    "train_cost": "training cost",
}
_CURVE_HEIGHT, _CURVE_WIDTH, _NUMBERS_WIDTH = 6, 30, 10  # at least
_MOST_ROWS = 4
_SHARE = 0.05  # of the time, for drawing
_PAUSE_S = 0.1
NEEDED = "curves are drawn by uniplot: pip install 'hinton06[watch]'"


def possible() -> bool:
    """Whether standard error is a terminal that can be drawn on."""
    console = _console()
    return console.is_terminal and not console.is_dumb_terminal


def _console() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


class Watch(Display):
    """A `Display` that draws, and a `training.Watcher`."""

    def __init__(self, parts: int | None = 1, keep: bool = True) -> None:
        super().__init__(plain=True, parts=parts, keep=keep)
        self._console = _console()
        self._weights: Callable[[], Array] | None = None
        self._shape = (1, 1)
        self._rows: list[Mapping[str, float]] = []
        self._next = 0.0

    def watch(self, weights: Callable[[], Array], shape: tuple[int, int]) -> None:
        """As `training.Watcher`."""
        self._weights, self._shape = weights, shape

    def begin(self, title: str, done: float, expected: float) -> None:
        """As `Display`."""
        super().begin(title, done, expected)
        text = TextColumn("{task.description}", markup=False)
        columns = text, BarColumn(None), TaskProgressColumn(), TimeRemainingColumn()
        self._progress = Progress(*columns, console=self._console, auto_refresh=False, expand=True)
        self._task = self._progress.add_task(title, total=expected * self._parts)
        self._progress.update(self._task, completed=done + expected * self._part)
        self._rows.clear()
        self._live = Live(
            console=self._console, get_renderable=self._frame, auto_refresh=False,
            transient=not self._keep, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._live.start()
        self._console.show_cursor(True)  # whatever may end the process
        self._draw()

    def tick(self, amount: float) -> None:
        """As `Display`; draws anew, but not all the time."""
        self._progress.update(self._task, advance=amount)
        if time.monotonic() >= self._next:
            self._draw()

    def epoch(self, where: str, row: Mapping[str, float], done: float, expected: float) -> None:
        """As `Display`."""
        if self._rows and row.get("layer") != self._rows[-1].get("layer"):
            self._rows.clear()
        self._rows.append(dict(row))
        self._progress.update(
            self._task, description=f"{self._title} {where}: {briefly(row)}",
            completed=done + expected * self._part, total=expected * self._parts,
        )  # fmt: skip
        self._draw()

    def _tell(self, message: str) -> None:
        """Above what is drawn."""
        self._console.print(f"hinton06: {message}")

    def end(self) -> None:
        """As `Display`."""
        self._live.stop()

    def _draw(self) -> None:
        started = time.monotonic()
        self._live.refresh()
        ended = time.monotonic()
        self._next = ended + max(_PAUSE_S, (ended - started) / _SHARE)

    def _frame(self) -> RenderableType:
        """What fits on the terminal: a bar, rows of features, and curves."""
        room = self._console.height - 2
        parts: list[RenderableType] = [self._progress.get_renderable()]
        if self._weights is not None:
            across, high = grids.preview_size(self._shape, self._console)
            rows = max(1, min(_MOST_ROWS, (room - _CURVE_HEIGHT) // (high + 1)))
            weights = self._weights()[:, : across * rows]
            fields, white = grids.field_lines(weights, self._shape, self._console)
            colours = f"{white:.2g} is white, -{white:.2g} black"
            about = f"{weights.shape[1]} first-layer features; {colours}"
            parts += [Text(about, style="dim", no_wrap=True), *fields]
            room -= 1 + len(fields)
        if room >= _CURVE_HEIGHT:
            parts.append(self._curves())
        return Group(*parts)

    def _curves(self) -> RenderableType:
        width = min(self._console.width, 80)
        most = min(2, width // (_CURVE_WIDTH + _NUMBERS_WIDTH))
        names = [name for name in _CURVES if self._rows and name in self._rows[0]][:most]
        if not names or len(self._rows) < 2 or self._console.encoding != "utf-8":
            return Text()
        try:
            from uniplot import plot_to_string  # noqa: PLC0415  # optional
        except ImportError:
            return Text(NEEDED, style="dim")
        drawn = []
        for name in names:
            epochs = [n for n, row in enumerate(self._rows, 1) if name in row]
            values = [self._rows[epoch - 1][name] for epoch in epochs]
            drawn.append(
                plot_to_string(
                    values, epochs, lines=True, width=width // len(names) - _NUMBERS_WIDTH,
                    height=_CURVE_HEIGHT - 3, x_labels=False,
                    title=f"{_CURVES[name]}, {counted(len(self._rows), 'epoch')}",
                )
            )  # fmt: skip
        return Columns([Text(curve, no_wrap=True) for curve in drawn])
