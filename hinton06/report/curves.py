"""Learning curves from the histories in files, with the epochs at which learning stopped."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hinton06.checkpoint import history_rows
from hinton06.console import plain
from hinton06.lineage import EXTENDED, NOT_PRETRAINED, PRETRAINED, VALIDATED
from hinton06.loading import RunFile
from hinton06.recipes import counted
from hinton06.report.table import Column, Table

try:
    import matplotlib
except ValueError:  # of a matplotlibrc that is no text; where matplotlib's own lies, that is read
    for half in [name for name in sys.modules if name.startswith("matplotlib.")]:
        del sys.modules[half]
    place = importlib.util.find_spec("matplotlib")
    assert place is not None
    with contextlib.chdir(Path(str(place.origin)).with_name("mpl-data")):
        import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Figure  # noqa: PLC0414  # for others, as is
from matplotlib.patches import Rectangle as Rectangle  # noqa: PLC0414
from matplotlib.ticker import LogFormatter, MaxNLocator


class Curve(NamedTuple):
    """A file, finished or not, whose history is drawn; its name in the legend and its colour."""

    name: str
    colour: str
    file: RunFile


@dataclass(frozen=True)
class Panel:
    """What one panel shows: a column of the histories of files of a kind and of some roles."""

    title: str
    ylabel: str
    column: str
    kind: str
    roles: tuple[str, ...]
    log: bool = False
    xlabel: str = "epochs"

    def shows(self, file: RunFile) -> bool:
        """Whether a file belongs in this panel and has something to show in it."""
        belongs = file.kind.name == self.kind and file.lineage.role in self.roles
        column = file.history.get(self.column)
        return belongs and column is not None and bool(np.isfinite(column).any())


_NARROW, _LABEL_WIDTH = 24, 30  # letters of a name beside another, and of an axis
_TITLE = 44  # letters in a line above a panel
_DOTS, _DOTTED = "dots: the weights that were kept", "dotted: the criteria"
_NET, _BOTH, _ON_ALL = (VALIDATED,), (VALIDATED, EXTENDED), (EXTENDED, NOT_PRETRAINED)

# The quantities of "Details of the discriminative fine-tuning procedure".
DISCRIMINATIVE = (
    Panel("greedy pretraining", "reconstruction error (squared, per case)", "recon_error", "stack",
          (PRETRAINED,), log=True, xlabel="epochs, layer after layer"),
    Panel("fine-tuning", "validation cost (nats per 100)", "valid_cost", "classifier", _NET),
    Panel("fine-tuning", "validation errors", "valid_errors", "classifier", _NET),
    Panel("all training cases", "training cost (nats per 100)", "train_cost", "classifier", _ON_ALL,
          log=True),
)  # fmt: skip

# "Using contrastive wake-sleep for generative fine-tuning".
GENERATIVE = (
    Panel("wake-sleep", "validation errors", "valid_errors", "generative", _NET),
    Panel("wake-sleep", "training errors", "train_errors", "generative", _BOTH),
    Panel("wake-sleep", "reconstruction cost (nats per case)", "recon_cost", "generative", _BOTH),
    Panel("wake-sleep", "free energy, validation minus training (nats)", "free_energy_gap",
          "generative", _NET),
)  # fmt: skip


# "a lower bound on the log probability", with `pretrain --track`.
TRACKED = (
    Panel("greedy pretraining", "bound on log p (nats, validation images)", "valid_log_p", "stack",
          (PRETRAINED,), xlabel="epochs, layer after layer"),
    Panel("greedy pretraining", "log Z, from below to above (nats)", "log_z_gap", "stack",
          (PRETRAINED,), xlabel="epochs, layer after layer"),
)  # fmt: skip

# Plain wake-sleep: "Five strategies for learning multilayer networks".
DIRECTED = (
    Panel("plain wake-sleep", "bound on log p (nats, validation cases)", "valid_log_p", "directed",
          _NET),
    Panel("plain wake-sleep", "validation errors", "valid_errors", "directed", _NET, log=True),
)  # fmt: skip

PANELS = (*DISCRIMINATIVE, *GENERATIVE, *TRACKED, *DIRECTED)
"""All that can be drawn of histories."""


@contextmanager
def own_style() -> Iterator[None]:
    """Matplotlib's own settings, whatever a user's matplotlibrc says: figures are the same."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def blank(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    return Figure(figsize=(width, height))


@own_style()
def draw(curves: Sequence[Curve], panels: Sequence[Panel], form: str = "png") -> bytes:
    """Draw panels in two columns, as a PNG or SVG file: the same for the same histories.

    A panel that no curve belongs in stays empty.
    """
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(11, 3.75 * rows), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False).ravel()
    for panel, each in zip(panels, axes, strict=False):
        _draw_panel(each, panel, [curve for curve in curves if panel.shows(curve.file)])
    for each in axes[len(panels) :]:
        each.set_axis_off()
    return saved(figure, form)


@own_style()
def panel(curves: Sequence[Curve], panel: Panel) -> bytes:
    """One panel alone, narrow and with its legend below, as an SVG file."""
    return saved(_alone(curves, panel), "svg")


def _alone(curves: Sequence[Curve], panel: Panel) -> Figure:
    columns = 2 if max(len(curve.name) for curve in curves) <= _NARROW else 1
    figure = Figure(figsize=(5, 3.4 + 0.2 * -(-len(curves) // columns)), layout="constrained")
    axes = figure.subplots()
    _draw_curves(axes, panel, curves)
    axes.set_ylabel(textwrap.fill(panel.ylabel, _LABEL_WIDTH))
    figure.legend(loc="outside lower left", ncols=columns, frameon=False)
    return figure


def described(curves: Sequence[Curve], panel: Panel) -> str:
    """A panel in words, for who cannot see it: where each curve begins and ends."""
    told = []
    for name, _, file in curves:
        values = file.history[panel.column]
        ends = values[np.isfinite(values)][[0, -1]]
        told.append(
            f"{name} from {ends[0]:.4g} to {ends[1]:.4g} in {counted(len(values), 'epoch')}"
        )
    return f"{panel.ylabel} by {panel.xlabel}: {'; '.join(told)}."


def saved(figure: Figure, form: str) -> bytes:
    """A figure as the bytes of a PNG or SVG file: the same for the same figure."""
    written = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else None
    with matplotlib.rc_context({"svg.hashsalt": "hinton06"}):
        figure.savefig(written, format=form, dpi=100, metadata=metadata)
    return written.getvalue()


def _draw_panel(axes: Axes, panel: Panel, curves: Sequence[Curve]) -> None:
    _draw_curves(axes, panel, curves)
    if curves:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)  # beside the curves


def _draw_curves(axes: Axes, panel: Panel, curves: Sequence[Curve]) -> None:
    axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel)
    marks: set[str] = set()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if panel.log:
        none = any((curve.file.history[panel.column] <= 0).any() for curve in curves)
        axes.set_yscale("symlog", linthresh=1) if none else axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")  # numbers instead of powers of ten
        axes.yaxis.set_minor_formatter(LogFormatter())
    for name, colour, file in curves:
        values = file.history[panel.column]
        measured = np.flatnonzero(np.isfinite(values))
        # A column that is not measured in every epoch gets a point for each measurement.
        marker = "" if len(measured) == len(values) > 1 else "."
        axes.plot(measured + 1, values[measured], marker=marker, color=colour, label=_words(name))
        marks |= _mark_stop(axes, panel.column, colour, file)
    axes.set_title(titled(panel, marks))


def titled(panel: Panel, marks: Iterable[str]) -> str:
    """A panel's title, and what its marks mean, in lines that are no wider than it."""
    return textwrap.fill("; ".join([panel.title, *sorted(marks)]), _TITLE)


def _words(name: str) -> str:
    """A name that may be no text, and is no formula."""
    words = plain(name, "utf-8").replace("$", r"\$")
    return f" {words}" if words.startswith("_") else words  # Matplotlib hides such names


def _mark_stop(axes: Axes, column: str, colour: str, file: RunFile) -> set[str]:
    """A dot at the weights that validation chose, a dotted line at a criterion; what is drawn."""
    kept, values, drawn = kept_epoch(file), file.history[column], set()
    if kept is not None and kept <= len(values) and np.isfinite(values[kept - 1]):
        axes.plot(kept, values[kept - 1], "o", color=colour)
        drawn.add(_DOTS)
    rate, train = file.lineage.target_error_rate, file.outcome.train
    target = file.lineage.target_cost if column == "train_cost" else None
    if column == "train_errors" and rate is not None and train is not None:
        target = rate * train.cases / 100
    if target is not None:
        axes.axhline(target, color=colour, linestyle=":", linewidth=1)
        drawn.add(_DOTTED)
    return drawn


def kept_epoch(file: RunFile) -> int | None:
    """The epoch, from 1, whose weights validation chose; None where it did not choose one."""
    chosen = file.complete and file.lineage.role == VALIDATED
    return file.outcome.epochs or None if chosen else None  # 0: the start was not improved on


def comma_separated(curves: Sequence[Curve]) -> str:
    """The histories as CSV: one record an epoch of each file, empty where nothing was measured."""
    columns = list(dict.fromkeys(name for curve in curves for name in curve.file.history))
    records = []
    for curve in curves:
        kept = kept_epoch(curve.file)
        for epoch, row in enumerate(history_rows(curve.file.history), 1):
            record = {"name": curve.name, "epoch": epoch, "kept": int(epoch == kept)}
            records.append(record | {name: row.get(name) for name in columns})
    return Table([Column("name", "")], records).csv() + "\n"
