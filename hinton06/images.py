"""Images that somebody hands over, checked and brought into the form that nets take.

Not in the chapter. A net is silent about an image that is upside down in grey, or a hundred times
too bright: it guesses all the same. So what cannot be meant is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LIGHT_FRAME = 0.7


def as_cases(images: ArrayLike, shape: tuple[int, int], dark_ground: bool = True) -> NDArray[Any]:
    """Images of any of these shapes and types as the (n, n_pixels) array of bytes or float32.

    Parameters
    ----------
    images : array
        (n, rows, columns), (n, n_pixels), or a single image as (rows, columns) or (n_pixels,).
        Integers are grey levels from 0 to 255; floats lie between 0 and 1; booleans are 0 and 1.
    shape : (rows, columns)
    dark_ground : bool
        Whether to refuse images whose outermost pixels are light: those of MNIST are dark.

    Raises
    ------
    TypeError
        If they are no real numbers.
    ValueError
        If their shape does not fit, a number is out of range or none, integers are only 0 and 1,
        or the ground is light.
    """
    given = np.asarray(images)
    if given.dtype.kind not in "buif":
        raise TypeError(f"images are arrays of numbers, not of {given.dtype}")
    n_pixels = shape[0] * shape[1]
    if given.shape in (shape, (n_pixels,)):
        given = given[np.newaxis]
    if given.shape[1:] not in (shape, (n_pixels,)):
        one = f"{shape[0]}, {shape[1]}"
        raise ValueError(
            f"images have shape {given.shape}, but ({one}), (n, {one}) or (n, {n_pixels}) is needed"
        )
    cases = _in_range(given.reshape(len(given), n_pixels))
    if dark_ground:
        _check_ground(cases, shape)
    return cases


def _in_range(given: NDArray[Any]) -> NDArray[Any]:
    if given.dtype.kind == "b" or not given.size:
        return given.astype(np.float32)
    lowest, highest = given.min(), given.max()
    if given.dtype.kind == "f":
        if not np.isfinite(lowest + highest):
            raise ValueError("an image holds a number that is not finite")
        if lowest < 0 or highest > 1:
            raise ValueError(
                f"images of floats lie between 0 and 1, and these between {lowest:g} and "
                f"{highest:g}; divide grey levels by 255"
            )
        return np.ascontiguousarray(given, np.float32)
    if lowest < 0 or highest > 255:
        raise ValueError(
            f"images of integers lie between 0 and 255, and these between {lowest} and {highest}"
        )
    if highest == 1:
        raise ValueError(
            "images of integers are grey levels from 0 to 255, and these are only 0 and 1: all "
            "but black; give them as floats or booleans"
        )
    return np.ascontiguousarray(given, np.uint8)


def _check_ground(cases: NDArray[Any], shape: tuple[int, int]) -> None:
    frame = np.ones(shape, np.bool_)
    frame[1:-1, 1:-1] = False
    top = 255 if cases.dtype == np.uint8 else 1
    light = cases[:, frame.ravel()].mean(axis=1, dtype=np.float64) > _LIGHT_FRAME * top
    if light.any():
        raise ValueError(
            f"image {int(light.argmax())} is dark on a light ground, and the net has learned "
            f"light digits on a dark one; give {top} - images"
        )
