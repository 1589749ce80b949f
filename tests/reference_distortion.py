"""Slow exact oracles of distorted images: loops over pixels, in whole numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def resampled(image: NDArray[Any], field: NDArray[Any]) -> NDArray[Any]:
    """Each pixel from where the field says, rounded to 1/256, by linear interpolation."""
    rows, columns = image.shape

    def pixel(row: int, column: int) -> int:
        inside = 0 <= row < rows and 0 <= column < columns
        return int(image[row, column]) if inside else 0

    found = np.empty_like(image)
    for row in range(rows):
        for column in range(columns):
            y = 256 * row + math.floor(256 * float(field[0, row, column]) + 0.5)
            x = 256 * column + math.floor(256 * float(field[1, row, column]) + 0.5)
            total = sum(
                (256 - abs(256 * r - y)) * (256 - abs(256 * c - x)) * pixel(r, c)
                for r in (y // 256, y // 256 + 1)
                for c in (x // 256, x // 256 + 1)
            )
            found[row, column] = (total + 32768) // 65536
    return found
