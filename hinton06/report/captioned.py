"""Digits side by side, each with a line or two above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from hinton06.report import curves, grids

if TYPE_CHECKING:  # else by `curves`, which says what is wrong with it
    from matplotlib.figure import Figure

_WIDE, _HIGH, _GAP, _INSIDE = 1.1, 1.4, 0.1, 0.03  # inches


@curves.own_style()
def draw(
    images: Sequence[NDArray[Any] | None],
    captions: Sequence[Sequence[str]],
    columns: int = 10,
    forms: Sequence[str] = ("png",),
) -> dict[str, bytes]:
    """Files by their endings: (rows, columns) images in [0, 1] as ink, in scan order.

    So many `columns` at most; a place stays empty for None. A caption is two lines of 15 characters
    at most.
    """
    figure = _figure(images, captions, columns)
    return {f".{form}": curves.saved(figure, form) for form in forms}


def _figure(
    images: Sequence[NDArray[Any] | None], captions: Sequence[Sequence[str]], columns: int
) -> Figure:
    """Each in a frame of its own, so that no caption is taken for that of the digit above."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    width, height = _WIDE * columns + _GAP, _HIGH * rows + _GAP
    figure = curves.blank(width, height)
    for number, (image, lines) in enumerate(zip(images, captions, strict=True)):
        if image is None:
            continue
        row, column = divmod(number, columns)
        left, bottom, side = _WIDE * column + _GAP, height - _HIGH * (row + 1), _WIDE - _GAP
        curves.frame(figure, left, bottom, side, _HIGH - _GAP)
        left, bottom, side = left + _INSIDE, bottom + _INSIDE, side - 2 * _INSIDE
        axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
        axes.set_axis_off()
        axes.imshow(grids.ink(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title("\n".join(lines), fontsize=8, pad=1)
    return figure
