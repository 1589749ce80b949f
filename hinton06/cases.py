"""Which cases a run learns and which validate it: splits, few labels; and its random numbers.

Labels are classes from here on: places among `Digits.classes`.

"Details of the discriminative fine-tuning procedure" for the splits, "Using extra unlabeled data"
for few labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinton06 import mnist
from hinton06.lineage import EXTENDED, NOT_PRETRAINED, Lineage
from hinton06.mnist import Digits, Split
from hinton06.recognition import Cases
from hinton06.streams import Use, stream
from hinton06.training import RunError, UnfitDataError


def random_stream(
    seed: int, use: Use, split_name: str | None, start: str = ""
) -> np.random.Generator:
    """Independent random numbers for each seed, use, split, and digest of a start if it is told."""
    return stream(seed, use, place_of(split_name), *words_of(start))


def words_of(digest: str) -> list[int]:
    """A digest's hexadecimal digits as numbers of 32 bits."""
    return [int(digest[at : at + 8], 16) for at in range(0, len(digest), 8)]


def place_of(split_name: str | None) -> int:
    """A split's number for random numbers, or that of all cases."""
    return 3 if split_name is None else mnist.SPLITS.index(split_name)


def split_of(digits: Digits, name: str | None) -> Split:
    """One of the three splits; `UnfitDataError` if there is none of that name or too few cases."""
    try:
        return mnist.split(len(digits.train_labels), str(name))
    except ValueError as error:
        raise UnfitDataError(f"{digits.name}: {error}") from None


def split_recorded(digits: Digits, lineage: Lineage) -> Split:
    """The split that a result was made with, to go on with or to measure it by.

    Raises `RunError` if a split of that name had other validation cases of the same data then:
    those of now may be among the cases that were learned.
    """
    split = split_of(digits, lineage.split)
    if lineage.data == digits.sha256 and lineage.split_sha256 not in (None, split.sha256):
        raise RunError(
            f"was made with other validation cases than split {split.name} has now, by another "
            "version of this program; make it anew"
        )
    return split


def rows_learned(digits: Digits, lineage: Lineage) -> NDArray[np.intp] | slice:
    """Rows of the training images that a result has learned, or will, in ascending order.

    Of a stack those whose images, of a net above one those whose labels as well. Not all of a
    split's: the first of each class (`cases`: Hinton, Osindero and Teh 2006, who had 44,000), or
    as many of each, drawn at random by the seed (`images`, `labelled`). More of these are the same
    ones and others, and a stack of images alone has those whose labels a net of as many learns.
    Raises `UnfitDataError` if there are not so many.
    """
    if lineage.role in (EXTENDED, NOT_PRETRAINED):
        return slice(None)
    split = split_recorded(digits, lineage)
    rows = split.train
    if lineage.cases:
        rows = _equally(digits, split, rows, lineage.cases)
    if lineage.n_drawn:
        drawn = random_stream(lineage.seed, Use.LABELLED, split.name).permutation(rows)
        rows = _equally(digits, split, drawn, lineage.n_drawn)
    return rows


def _equally(digits: Digits, split: Split, rows: Any, n_cases: int) -> NDArray[np.intp]:
    """The first of these rows, equally many of each class, so many together."""
    labels, (each, rest) = digits.train_classes[rows], divmod(n_cases, digits.n_classes)
    n, fewest = digits.n_classes, int(np.bincount(labels, minlength=digits.n_classes).min())
    if rest or fewest < each:
        lacks = f"{digits.name}: split {split.name} does not have {n_cases} training cases"
        has = f"it has multiples of {n}, up to {n * fewest}"
        raise UnfitDataError(f"{lacks}, equally many of each of {n} classes; {has}")
    own = [np.flatnonzero(labels == label)[:each] for label in range(n)]
    chosen: NDArray[np.intp] = np.sort(rows[np.concatenate(own)])
    return chosen


def cases_at(digits: Digits, rows: Any = slice(None), translations: int = 0) -> Cases:
    """These training cases, each also in all translations by up to so many pixels.

    Raises `UnfitDataError` if images could leave their frame. See `mnist.translated`.
    """
    images, labels = digits.train_images[rows], digits.train_classes[rows]
    numbers = np.arange(len(digits.train_labels))[rows]
    if not translations:
        return Cases(images, labels, numbers)
    try:
        moved = mnist.translated(images, digits.shape, translations)
    except ValueError as error:
        raise UnfitDataError(f"{digits.name}: {error}") from None
    n_shifts = len(moved) // len(images)
    return Cases(moved, np.tile(labels, n_shifts), np.tile(numbers, n_shifts))


def cases_learned(digits: Digits, lineage: Lineage) -> Cases:
    """`rows_learned` as cases, translated as they were or will be."""
    return cases_at(digits, rows_learned(digits, lineage), lineage.translations)


def cases_held_out(digits: Digits, lineage: Lineage) -> Cases:
    """The validation cases of a result that did not learn them."""
    return cases_at(digits, split_recorded(digits, lineage).valid)
