"""Grids of small grey pictures, as PNG, SVG and GIF files and on a terminal."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

Grey: TypeAlias = NDArray[np.uint8]
"""Grey levels: 0 black, 255 white."""

INK_GAP, FIELD_GAP = 208, 255
"""Grey levels between pictures in ink, and between receptive fields."""

_WIDTH = 1000
_MAX_SCALE = 4
FRAME_MS = 120
"""For how long a frame of an animation is shown."""
_FONT = ImageFont.load_default(15)
_LINE = 22  # pixels that a line of text takes


def ink(images: NDArray[np.floating[Any]]) -> Grey:
    """Pixels in [0, 1] as ink on paper: 0 is white, 1 is black."""
    return np.asarray(np.rint(255 * (1 - np.clip(images, 0, 1))), np.uint8)


def receptive_fields(weights: NDArray[np.floating[Any]], white: float = 3) -> Grey:
    """Weights as grey levels: 255 for `white` and more, 0 for minus that and less, linear between.

    "Pure white means a positive weight of at least 3 and pure black means a negative weight of
    at least -3", Figure 3.
    """
    return np.asarray(np.rint(255 * np.clip((weights + white) / (2 * white), 0, 1)), np.uint8)


def columns_for(n: int) -> int:
    """How many columns a grid of n pictures has: near a square, with full rows if possible."""
    least = math.isqrt(n - 1) + 1
    return next((c for c in range(least, 2 * least + 1) if n % c == 0), least)


def tile(pictures: Grey, columns: int, gap: int) -> Grey:
    """(n, rows, columns) pictures in scan order, with a line of one pixel, grey `gap`, around each.

    So many `columns` in a row of the grid; places left over in the last row are white.
    """
    n, height, width = pictures.shape
    rows = -(-n // columns)
    grid = np.full((rows, height + 1, columns, width + 1), gap, np.uint8)
    places = np.full((rows * columns, height, width), 255, np.uint8)
    places[:n] = pictures
    grid[:, 1:, :, 1:] = places.reshape(rows, columns, height, width).transpose(0, 2, 1, 3)
    flat = grid.reshape(rows * (height + 1), columns * (width + 1))
    return np.pad(flat, ((0, 1), (0, 1)), constant_values=gap)


def enlarged(picture: Grey) -> Grey:
    """The picture with each pixel as a square of up to 4 x 4, about 1000 wide at most."""
    scale = min(_MAX_SCALE, max(1, _WIDTH // picture.shape[1]))
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def _written(shape: tuple[int, int], texts: Sequence[tuple[float, float, str]]) -> Grey:
    """White paper, (rows, columns), with texts that are centred at so many columns and rows."""
    paper = Image.new("L", (shape[1], shape[0]), 255)
    pen = ImageDraw.Draw(paper)
    for x, y, text in texts:
        pen.text((x, y), text, fill=0, font=_FONT, anchor="mm")
    return np.asarray(paper)


def _width(text: str) -> int:
    """Pixels that a text takes, with some room at its sides."""
    return math.ceil(_FONT.getlength(text)) + 12


def above_each_other(pictures: Sequence[Grey]) -> Grey:
    """Pictures from top to bottom; what is left over beside the narrower ones is white."""
    width = max(picture.shape[1] for picture in pictures)
    padded = (np.pad(p, ((0, 0), (0, width - p.shape[1])), constant_values=255) for p in pictures)
    return np.vstack(list(padded))


def beside_each_other(pictures: Sequence[Grey]) -> Grey:
    """Pictures from left to right, apart; what is left over below the shorter ones is white."""
    height = max(len(picture) for picture in pictures)
    apart = [np.pad(p, ((0, height - len(p)), (0, _LINE)), constant_values=255) for p in pictures]
    return np.hstack(apart)


def with_row_names(picture: Grey, names: Sequence[str]) -> Grey:
    """A picture of rows of equal height, each with its name on the left."""
    width, step = max(map(_width, names)), picture.shape[0] / len(names)
    texts = [(width / 2, step * (number + 0.5), name) for number, name in enumerate(names)]
    return np.hstack([_written((len(picture), width), texts), picture])


def with_names(pictures: Grey, columns: int, gap: int, names: Sequence[str]) -> Grey:
    """(n, rows, columns) pictures as an enlarged `tile`, each below its name."""
    rows = []
    for first in range(0, len(pictures), columns):
        own = slice(first, first + columns)
        row = np.full((columns, *pictures.shape[1:]), 255, np.uint8)
        row[: len(pictures[own])] = pictures[own]
        tiled = enlarged(tile(row, columns, gap))
        step = tiled.shape[1] / columns
        texts = [(step * (n + 0.5), _LINE / 2, name) for n, name in enumerate(names[own])]
        rows += [_written((_LINE, tiled.shape[1]), texts), tiled]
    return above_each_other(rows)


def line(text: str) -> Grey:
    """A line of text, to be put above or below a picture."""
    return _written((_LINE, _width(text)), [(_width(text) / 2, _LINE / 2, text)])


def key(black: str, white: str) -> Grey:
    """The grey levels from black to white between what they stand for, in a line."""
    bar = np.zeros((_LINE, 130), np.uint8)
    bar[1:-1, 1:-1] = np.linspace(0, 255, bar.shape[1] - 2)
    drawn = np.hstack([line(black), bar, line(white)])
    return np.pad(drawn, ((6, 4), (0, 0)), constant_values=255)


def png(picture: Grey) -> bytes:
    """A picture as the bytes of a PNG file."""
    written = io.BytesIO()
    Image.fromarray(picture).save(written, "PNG", optimize=True)
    return written.getvalue()


def svg(picture: Grey, title: str) -> bytes:
    """A picture as the bytes of an SVG file that holds the bitmap and needs nothing else."""
    height, width = picture.shape
    data = base64.b64encode(png(picture)).decode("ascii")
    escaped = title.replace("&", "&amp;").replace("<", "&lt;")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>{escaped}</title>"
        f'<image width="{width}" height="{height}" style="image-rendering:pixelated" '
        f'xlink:href="data:image/png;base64,{data}"/></svg>\n'
    ).encode()


def gif(frames: Sequence[Grey]) -> bytes:
    """Pictures of one size, one after the other, as the bytes of a GIF file that starts anew."""
    written = io.BytesIO()
    first, *others = (Image.fromarray(frame) for frame in frames)
    each = {"append_images": others, "duration": FRAME_MS, "loop": 0, "optimize": False}
    first.save(written, "GIF", save_all=True, **each)
    return written.getvalue()


_PREVIEW_WIDTH = 80
_PICTURE_WIDTH = 15
_SHADES = " .:-=+*#%@"
_SIGNED_SHADES = "=- +#"


def preview(images: NDArray[np.floating[Any]], titles: Sequence[str], console: Console) -> None:
    """Print small versions of (n, rows, columns) images in [0, 1], at most 80 characters wide.

    Side by side, each below its short title: half blocks in grey levels where the console is a
    terminal of many colours, else plain characters.
    """
    for line in preview_lines(images, titles, console):
        console.print(line, no_wrap=True, crop=True)


def preview_lines(
    images: NDArray[np.floating[Any]], titles: Sequence[str], console: Console,
    shades: str = _SHADES,
) -> list[Text]:  # fmt: skip
    """What `preview` prints; `shades` are the plain characters from 0 to 1."""
    many_colours = console.is_terminal and not console.no_color and console.encoding == "utf-8"
    blocks = many_colours and console.color_system in ("256", "truecolor")
    small = [_shrunk(image) for image in images]
    width = small[0].shape[1]
    room = max(width, min(_PREVIEW_WIDTH, console.width))
    across = (room + 1) // (width + 1)
    lines = []
    for first in range(0, len(small), across):
        row = small[first : first + across]
        heads = [title.ljust(width) for title in titles[first : first + across]]
        if any(head.strip() for head in heads):
            lines.append(Text(" ".join(heads).rstrip()))
        lines += _side_by_side(row, shades, blocks)
    return lines


def preview_size(shape: tuple[int, int], console: Console) -> tuple[int, int]:
    """How many images of a shape stand side by side in a preview, and the lines that they take."""
    small = _shrunk(np.zeros(shape))
    room = max(small.shape[1], min(_PREVIEW_WIDTH, console.width))
    return (room + 1) // (small.shape[1] + 1), len(small) // 2


def field_lines(
    weights: NDArray[np.floating[Any]], shape: tuple[int, int], console: Console
) -> tuple[list[Text], float]:
    """Receptive fields, (n_pixels, n) `weights`, as `preview_lines`, and the weight that is white.

    One of a hundred is larger, on the small pictures; black is as far below zero. In plain
    characters weights near zero are blank. A line is empty between two rows of pictures.
    """
    finite = np.nan_to_num(np.asarray(weights, np.float64).T, posinf=0, neginf=0)
    fields = np.stack([_shrunk(field) for field in finite.reshape(-1, *shape)])
    white = float(np.quantile(abs(fields), 0.99))
    shown = np.clip(fields / (2 * white or 1) + 0.5, 0, 1)
    across, _ = preview_size(shape, console)
    lines: list[Text] = []
    for first in range(0, len(shown), across):
        row = shown[first : first + across]
        lines += [Text()] if first else []
        lines += preview_lines(row, [""] * len(row), console, _SIGNED_SHADES)
    return lines, white


def _shrunk(image: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The image in blocks of k x k pixels, narrow enough, with an even number of rows."""
    rows, columns = image.shape
    k = -(-columns // _PICTURE_WIDTH)
    height = 2 * -(-rows // (2 * k))
    padded = np.zeros((height * k, -(-columns // k) * k))
    padded[:rows, :columns] = image
    return np.asarray(padded.reshape(height, k, -1, k).mean(axis=(1, 3)))


def _side_by_side(row: Sequence[NDArray[np.float64]], shades: str, blocks: bool) -> list[Text]:
    """One line of text for each two rows of pixels of some pictures, a column apart."""
    cells = [_blocks(picture) if blocks else _characters(picture, shades) for picture in row]
    lines = [Text(" ").join(parts) for parts in zip(*cells, strict=True)]
    if not blocks:
        for line in lines:
            line.rstrip()
    return lines


def _characters(picture: NDArray[np.float64], shades: str) -> list[Text]:
    shade = np.rint((picture[::2] + picture[1::2]) / 2 * (len(shades) - 1)).astype(int)
    return [Text("".join(shades[s] for s in row)) for row in shade]


def _blocks(picture: NDArray[np.float64]) -> list[Text]:
    lines = []
    for row in np.rint(255 * np.stack([picture[::2], picture[1::2]], axis=2)).astype(int).tolist():
        lines.append(Text.assemble(*(("▀", _half_block(*pair)) for pair in row)))
    return lines


@cache
def _half_block(upper: int, lower: int) -> Style:
    above, below = (Color.from_rgb(level, level, level) for level in (upper, lower))
    return Style(color=above, bgcolor=below)
