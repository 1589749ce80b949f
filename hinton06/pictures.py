"""Digits in pictures of one's own, brought into the form that MNIST's images have.

Not in the chapter, whose images are MNIST's, each "size normalized to fit in a 20x20 pixel box
while preserving their aspect ratio" and put into a 28 x 28 field by the centre of mass of its
pixels: the description by LeCun, Cortes and Burges of the database. How ink is told from its ground
is our own.
"""

from __future__ import annotations

import math
import struct
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from hinton06.files import open_plain, printable
from hinton06.images import as_cases
from hinton06.mnist import DataError

Floats: TypeAlias = NDArray[np.float32]

SHAPE = (28, 28)
"""Rows and columns of MNIST's images."""

_BOX = 20 / 28
_LONGEST_SIDE = 1600  # larger pictures are reduced: a digit needs no more pixels than that
_MOST_PIXELS = 100_000_000
_COARSE = 200  # pixels in which the ground is looked for
_EVEN = 1 / 255  # standard deviation of an even ground, at most
_NEIGHBOURHOOD = 6  # of which there are so many in each direction
_LEAST_CONTRAST = 0.1  # of black on white
_FAINT = 0.2  # of the strongest ink: what is fainter is none
_TOUCHING = 1 / 12  # of the largest digit: pieces nearer than that are one digit
_ABOVE = 1 / 4  # the same for a low piece above or below another
_SPECK = 1 / 6  # of the largest digit: what is smaller is none
_THIN, _WIDTH = 1.5 / 20, 2 / 20  # of the digit: thinner strokes are made that wide
_EYE = np.ones((3, 3), np.bool_)  # neighbours by an edge or a corner


@dataclass(frozen=True, eq=False)
class Found:
    """The digits of a picture in reading order: (n, rows, columns), as a net takes them.

    `lines` are those of the text that they stand in, from 0; so many `specks` were left out. Of a
    file of `several` pictures, as an animation, the first was read.
    """

    images: Floats
    lines: tuple[int, ...]
    specks: int = 0
    several: bool = False


def prepare(picture: str | Path | ArrayLike, shape: tuple[int, int] = SHAPE) -> Floats:
    """The digits in a picture as the images that MNIST would have had of them.

    Parameters
    ----------
    picture : path or array
        A file that Pillow reads (PNG, JPEG and others) or an ``.npy`` file; or an array, (rows,
        columns) of grey levels, or with 3 channels (colour), or 2 or 4 (and opacity) behind. Of any
        size; dark on light or light on dark, in any colours; with several digits if they stand
        apart. (n, `shape`) and (n, pixels) arrays are images already, and stay as they are, but for
        a square one, (pixels, pixels); (rows, columns, 1) is a picture for certain.
    shape : (rows, columns)
        Of the images; MNIST's if not given. `Net.shape` is what a net takes.

    Returns
    -------
    array
        (n, rows, columns) of float32 in [0, 1], the digits in reading order: the strongest ink of
        each is 1, its ground 0, its longer side 20 of 28 pixels, its centre of mass in the centre.

    Raises
    ------
    DataError
        If the file cannot be read, or if there is no digit in the picture.
    TypeError, ValueError
        If the array is no picture.
    """
    return find(picture, shape).images


def find(picture: str | Path | ArrayLike, shape: tuple[int, int] = SHAPE) -> Found:
    """As `prepare`, with the line that each digit stands in."""
    if not isinstance(picture, str | Path):
        return _found(np.asarray(picture), shape, "the picture")
    path = Path(picture)
    try:
        array, several = _read(path)
        if path.suffix.lower() != ".npy" and array.ndim == 2:
            array = array[:, :, np.newaxis]  # a picture, whatever its size
        return replace(_found(array, shape, str(path)), several=several)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: {printable(str(error))}") from None


# -- reading -------------------------------------------------------------------------------------


def _read(path: Path) -> tuple[NDArray[Any], bool]:
    """What a file holds as an array, and whether it is the first of several pictures."""
    try:
        with open_plain(path) as file:
            if path.suffix.lower() != ".npy":
                return _read_picture(file)
        return _read_array(path), False
    except UnidentifiedImageError:
        raise DataError(f"{path}: is no picture that Pillow can read, and no .npy file") from None
    except (OSError, SyntaxError, EOFError, struct.error) as error:  # as Pillow raises them
        said = getattr(error, "strerror", None) or str(error) or "it is damaged"
        raise DataError(f"{path}: cannot be read: {printable(said)}") from None


def _read_array(path: Path) -> NDArray[Any]:
    try:
        return np.lib.format.open_memmap(path, mode="r")  # takes no more than there is
    except ValueError as error:
        raise ValueError(f"is no .npy file of numbers: {error}") from None


def _read_picture(file: BinaryIO) -> tuple[NDArray[Any], bool]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of strange files; sizes are checked here
        too_large = ValueError(f"has more than {_MOST_PIXELS:,} pixels")
        try:
            image: Image.Image = Image.open(file)
        except Image.DecompressionBombError:
            raise too_large from None
        if math.prod(image.size) > _MOST_PIXELS:
            raise too_large
        # A camera's JPEG may hold another, smaller or from beside.
        several = image.format != "MPO" and bool(getattr(image, "is_animated", False))
        return _levels(ImageOps.exif_transpose(image)), several


def _levels(image: Image.Image) -> NDArray[Any]:
    if image.mode.startswith(("I", "F")):  # grey, of more than 8 bits
        return np.asarray(image)
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.BOX)
    return np.asarray(image) / np.float32(255)


# -- ink and ground ------------------------------------------------------------------------------


def _found(array: NDArray[Any], shape: tuple[int, int], name: str) -> Found:
    n_pixels = math.prod(shape)
    if array.shape[1:] in (shape, (n_pixels,)) and array.shape != (n_pixels, n_pixels):
        if not len(array):
            raise ValueError("holds no image")
        cases = as_cases(array, shape, dark_ground=False)
        images = cases.astype(np.float32).reshape(-1, *shape)
        images /= 255 if cases.dtype == np.uint8 else 1
        return Found(images, (0,) * len(cases))
    found = _digits(_ink(_colours(array)), shape)
    if not found.lines:
        raise DataError(f"{name}: no digit in it stands out from its ground")
    return found


def _colours(array: NDArray[Any]) -> NDArray[np.float64]:
    """A picture as (rows, columns, channels) of levels between 0 and 1, without opacity."""
    if array.dtype.kind not in "buif":
        raise TypeError(f"a picture is an array of numbers, not of {array.dtype}")
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4 or min(array.shape) < 1:
        raise ValueError(f"an array of shape {array.shape} is no picture, (rows, columns) is one")
    step = -(-max(array.shape[:2]) // _LONGEST_SIDE)
    levels = array[::step, ::step].astype(np.float64)
    lowest, highest = levels.min(), levels.max()
    if not np.isfinite(lowest + highest):
        raise ValueError("the picture holds a number that is not finite")
    if lowest < 0:
        levels -= lowest
    white = levels.max()
    levels /= 1 if white <= 1 else max(white, 255)
    if levels.shape[2] in (1, 3):
        return levels
    return _on_ground(levels[:, :, :-1], levels[:, :, -1:])


def _on_ground(levels: NDArray[np.float64], opacity: NDArray[np.float64]) -> NDArray[np.float64]:
    """A picture on a ground that shows its ink, dark or light.

    Where what is opaque is a drawing with a ground of its own, on that ground.
    """
    drawn = opacity[:, :, 0] > 0.5
    if not drawn.any():
        return np.zeros_like(levels)
    opaque = levels[drawn]
    ground = np.median(opaque, axis=0)
    if np.quantile(abs(opaque - ground).max(axis=1), 0.99) < 0.25:  # of one colour: all ink
        ground = np.rint(1 - ground.mean()) * np.ones(levels.shape[2])
    elif (
        drawn[ndimage.find_objects(drawn.astype(np.uint8))[0]].mean() < 0.5
    ):  # strokes, and not a card
        return opacity
    return levels * opacity + ground * (1 - opacity)


def _ink(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each pixel is from the ground, beyond what that varies: (rows, columns), from 0."""
    size, step = levels.shape[:2], max(levels.shape) // _COARSE + 1
    channels = list(np.moveaxis(_ground(levels[::step, ::step]), 2, 0))
    if step > 1:
        scaled: Any = {"output_shape": size, "order": 1, "mode": "nearest"}
        scale = np.diag((1 / step, 1 / step))  # of which older versions of SciPy warn if it is flat
        channels = [ndimage.affine_transform(each, scale, **scaled) for each in channels]
    off, spread = _distances(levels, np.dstack(channels))
    return np.maximum(off - 3 * spread, 0)


def _ground(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the picture would be without ink.

    Light falls unevenly: a smooth ground is found first, then one that follows shadows.
    """
    ground = np.median(levels[_frame(levels)], axis=0) * np.ones_like(levels)
    for fitted, reach in [(_quadratic, 3)] * 4 + [(_local, 5)] * 3:
        off, spread = _distances(levels, ground)
        if spread < _EVEN:
            break
        ground = fitted(levels, off <= reach * spread)
    return ground


def _frame(levels: NDArray[np.float64]) -> NDArray[np.bool_]:
    frame = np.ones(levels.shape[:2], np.bool_)
    frame[1:-1, 1:-1] = False
    return frame


def _distances(
    levels: NDArray[np.float64], ground: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Of each pixel from the ground, and their standard deviation in the frame, were it all so."""
    off = np.sqrt(np.mean((levels - ground) ** 2, axis=2))
    return off, 1.4826 * float(np.median(off[_frame(levels)]))


def _quadratic(levels: NDArray[np.float64], near: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The quadratic function of the place, in each channel, through the pixels near the ground."""
    size = near.shape
    y, x = np.ogrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    terms = (np.ones((1, 1)), x, y, x * y, x * x, y * y)
    chosen = np.nonzero(near)
    columns = np.stack([np.broadcast_to(term, size)[chosen] for term in terms], axis=1)
    fitted = np.linalg.lstsq(columns, levels[chosen], rcond=None)[0]
    ground = np.zeros_like(levels)
    for term, weights in zip(terms, fitted, strict=True):
        ground += term[:, :, np.newaxis] * weights
    return ground


def _local(levels: NDArray[np.float64], near: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The same, and the mean of what is left over in each pixel's neighbourhood."""
    smooth, weight = _quadratic(levels, near), near[:, :, np.newaxis].astype(np.float64)
    extent = (*(max(3, n // _NEIGHBOURHOOD) for n in near.shape), 1)
    sums, counts = (levels - smooth) * weight, weight
    for _ in range(2):
        sums, counts = (ndimage.uniform_filter(a, extent) for a in (sums, counts))
    known = counts > 1e-3
    rest: NDArray[np.float64] = np.where(known, sums / np.where(known, counts, 1), 0)
    return smooth + rest


# -- digits --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Group:
    """Pieces of ink that are one digit: where they are, and their box."""

    numbers: tuple[int, ...]
    box: tuple[int, int, int, int]

    @property
    def height(self) -> int:
        return self.box[2] - self.box[0]

    @property
    def extent(self) -> int:
        return max(self.height, self.box[3] - self.box[1])


def _digits(ink: NDArray[np.float64], shape: tuple[int, int]) -> Found:
    """The digits in ink, each a group of pieces, in reading order."""
    strongest = ink.max()
    if strongest < _LEAST_CONTRAST:
        return Found(np.empty((0, *shape), np.float32), ())
    mask = ink > _FAINT * strongest
    pieces = ndimage.find_objects(ndimage.label(mask, _EYE)[0])
    largest = max(max(side.stop - side.start for side in piece) for piece in pieces)
    # Each pixel of ink, and what is near it, with the number of its group.
    reach = max(1.5, largest * _TOUCHING / 2)
    regions, _ = ndimage.label(ndimage.distance_transform_edt(~mask) <= reach, _EYE)
    groups = [
        _Group((number,), (down.start, right.start, down.stop, right.stop))
        for number, (down, right) in enumerate(ndimage.find_objects(regions * mask), 1)
    ]
    large = [group for group in groups if group.extent >= _SPECK * largest]
    numbered = [(n, each) for n, line in enumerate(_lines(_together(large))) for each in line]
    images = np.stack([_normalised(_cut(ink, regions, each), shape) for _, each in numbered])
    return Found(images, tuple(n for n, _ in numbered), len(groups) - len(large))


def _together(groups: list[_Group]) -> list[_Group]:
    """Low pieces joined with what they are close above or below of, as the bar of a 5."""
    whole: list[_Group] = []
    for group in sorted(groups, key=lambda group: -group.height):
        for place, other in enumerate(whole):
            (top, left, bottom, right), (up, near, down, far) = group.box, other.box
            overlap = min(right, far) - max(left, near)
            gap = max(top, up) - min(bottom, down)
            low = 2 * group.height < other.height and gap <= _ABOVE * other.height
            if low and 2 * overlap >= right - left:
                box = min(top, up), min(left, near), max(bottom, down), max(right, far)
                whole[place] = _Group(other.numbers + group.numbers, box)
                break
        else:
            whole.append(group)
    return whole


def _lines(groups: list[_Group]) -> list[list[_Group]]:
    """Groups in reading order: lines from the top, each from the left."""
    lines: list[list[_Group]] = []
    for group in sorted(groups, key=lambda group: group.box[0] + group.box[2]):
        middle = (group.box[0] + group.box[2]) / 2
        if lines and middle < np.mean([other.box[2] for other in lines[-1]]):
            lines[-1].append(group)
        else:
            lines.append([group])
    return [sorted(line, key=lambda group: group.box[1] + group.box[3]) for line in lines]


def _cut(ink: NDArray[np.float64], regions: NDArray[Any], group: _Group) -> NDArray[np.float64]:
    """The ink of a group alone, in its box, the strongest 1."""
    top, left, bottom, right = group.box
    own = np.isin(regions[top:bottom, left:right], group.numbers)
    cut = np.where(own, ink[top:bottom, left:right], 0)
    return _widened(cut / cut.max())


def _widened(ink: NDArray[np.float64]) -> NDArray[np.float64]:
    """Strokes thinner than those of MNIST's digits made as wide as the thinnest of these."""
    mask, extent = np.pad(ink > _FAINT, 1), max(ink.shape)
    width = 4 * ndimage.distance_transform_edt(mask)[mask].mean() - 2
    if width >= _THIN * extent:
        return ink
    reach = math.ceil((_WIDTH * extent - width) / 2)
    padded = np.pad(ink, reach)
    wide = ndimage.distance_transform_edt(padded <= _FAINT) <= reach
    return np.asarray(np.maximum(padded, wide))


def _normalised(ink: NDArray[np.float64], shape: tuple[int, int]) -> Floats:
    """Ink scaled into a box, keeping its aspect, and put into a field by its centre of mass."""
    side = max(1, round(_BOX * min(shape)))
    height, width = (max(1, round(side * size / max(ink.shape))) for size in ink.shape)
    filter_ = Image.Resampling.BOX if side < max(ink.shape) else Image.Resampling.BICUBIC
    drawn = Image.fromarray(ink.astype(np.float32)).resize((width, height), filter_)
    small = np.clip(np.asarray(drawn), 0, None)
    small = small / small.max()
    field = np.zeros(shape, np.float32)
    middle = ndimage.center_of_mass(small)
    top, left = (
        min(max(0, round(size / 2 - place)), size - extent)
        for size, place, extent in zip(shape, middle, small.shape, strict=True)
    )
    field[top : top + height, left : left + width] = small
    return field
