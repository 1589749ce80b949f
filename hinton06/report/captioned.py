"""Digits side by side, each with a line or two above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from hinton06.report import grids

_WIDE, _HIGH, _GAP = 1.05, 1.3, 0.05  # inches


def draw(
    images: Sequence[NDArray[Any]], captions: Sequence[Sequence[str]], columns: int = 10
) -> Figure:
    """(rows, columns) images in [0, 1] as ink, in scan order, so many `columns` at most.

    A caption is two lines of 15 characters at most.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    width, height = _WIDE * columns + _GAP, _HIGH * rows + _GAP
    figure = Figure(figsize=(width, height))
    for number, (image, lines) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(number, columns)
        left, bottom, side = _WIDE * column + _GAP, height - _HIGH * (row + 1), _WIDE - _GAP
        axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
        axes.set_axis_off()
        axes.imshow(grids.ink(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title("\n".join(lines), fontsize=8, pad=1)
    return figure
