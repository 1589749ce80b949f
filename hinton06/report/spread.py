"""A table over seeds as a picture: each seed a dot, beside the mean of all and the printed number.

Dots of nearly the same number stand above each other, so that their heap shows the distribution.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hinton06.numerics import Array
from hinton06.report import curves

_WIDTH, _ROW, _FRAME = 9.0, 0.55, 1.1  # inches: of all, of a row, above and below them
_NAME = 44  # letters in a line of a name
_ACROSS, _STEP = 90, 0.1  # dots that fit beside each other, and rows between two above each other
_HIGHEST = 0.3  # rows
_SEED, _MEAN = "one seed", "mean of all, with its 95 % interval"


@dataclass(frozen=True)
class Spread:
    """A row: its name, the numbers of all seeds, half an interval for their mean, what is in print.

    Without an interval for one seed, and without a number in print where there is none.
    """

    name: str
    numbers: Sequence[float]
    half: float | None
    printed: float | None


@curves.own_style()
def drawn(rows: Sequence[Spread], measure: str, whose: str) -> bytes:
    """The picture as the bytes of a PNG file, the same for the same numbers."""
    return curves.saved(figure(rows, measure, whose), "png")


def figure(rows: Sequence[Spread], measure: str, whose: str) -> curves.Figure:
    """Rows from top to bottom by a scale of the measure."""
    names = [textwrap.fill(row.name, _NAME) for row in rows]
    lines = sum(name.count("\n") for name in names)
    found = curves.blank(_WIDTH, _FRAME + _ROW * len(rows) + 0.15 * lines)
    found.set_layout_engine("constrained")
    axes = found.subplots()
    every = [x for row in rows for x in (*row.numbers, row.printed) if x is not None]
    apart = (max(every) - min(every) or 1) / _ACROSS
    for at, row in enumerate(rows):
        numbers = np.sort(np.asarray(row.numbers, dtype=float))
        dots: Any = {"ls": "", "marker": ".", "color": "tab:blue", "ms": 5, "alpha": 0.6}
        axes.plot(numbers, at - heaped(numbers, apart), label=_SEED, **dots)
        mean: Any = {"fmt": "D", "ms": 4, "color": "black", "capsize": 3, "zorder": 3}
        interval = None if row.half is None else [row.half]
        axes.errorbar([numbers.mean()], [at + 0.2], xerr=interval,
                      label=_MEAN, **mean)  # fmt: skip
        if row.printed is not None:
            mark: Any = {"ls": "", "marker": "v", "color": "tab:red", "ms": 8, "zorder": 4}
            axes.plot([row.printed], [at - 0.42], label=whose, **mark)
    axes.set(xlabel=measure, ylim=(len(rows) - 0.4, -0.7))
    axes.set_yticks(range(len(rows)), [name.replace("$", r"\$") for name in names])
    axes.grid(axis="x", alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    known = dict(zip(labels, handles, strict=True))
    once = {label: known[label] for label in (_SEED, _MEAN, whose) if label in known}
    found.legend(once.values(), once.keys(), loc="outside lower center", ncols=3, frameon=False)
    return found


def heaped(numbers: Array, apart: float) -> Array:
    """How high each number's dot lies: (n,) for numbers in ascending order.

    Each as low as it can without another one nearer than `apart` on its level; where a heap would
    be higher than its row, all of it is lower.
    """
    ends: list[float] = []
    levels = np.zeros(len(numbers))
    for n, number in enumerate(numbers):
        level = next((i for i, end in enumerate(ends) if number - end >= apart), len(ends))
        ends[level : level + 1] = [number]
        levels[n] = level
    return levels * min(_STEP, _HIGHEST / max(1, len(ends) - 1))
