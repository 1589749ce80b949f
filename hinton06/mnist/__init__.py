"""The images: MNIST and the spoken digits that ship inside, any other IDX set, and the splits.

The MNIST database of handwritten digits is by Yann LeCun, Corinna Cortes and Christopher J.C.
Burges, made from NIST's Special Databases 1 and 3, and available under the Creative Commons
Attribution-Share Alike 3.0 licence. The four gzipped files beside this module are theirs,
unchanged.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hinton06 import streams
from hinton06.mnist import sources
from hinton06.mnist.sources import Arrays
from hinton06.mnist.sources import DataError as DataError  # where the others look for it

SPLITS = ("a", "b", "c")
"""Names of the three splits of the training set, as in Table 1's "Neta, Netb and Netc"."""

MAX_TRANSLATION = 8
"""Pixels by which images can be translated; each is then there 145 times."""

# Of the unpacked files that ship with the package, in the order of `sources.FILES`.
_SHIPPED = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
SHA256 = "b2d8f5bf39174ee5ffeefa97e42d673c35432b411bb5d1f74fbbeddae7f1690a"
"""The identity of the data that ship with the package: `Digits.sha256`."""

SPOKEN = Path(__file__).parents[1] / "spoken"
"""The folder of the spoken digits that ship with the package too: spectrograms."""
SPOKEN_SHA256 = "9d1fc2fa4c7d0c918f94ed79faf22aac37c9bf0902f1bbb685239c19266cfbcf"
"""Their identity."""
SHIPPED = {SHA256: "MNIST", SPOKEN_SHA256: "spoken"}
"""What the data inside the package are called, by their identity."""

# A class's share in one part that no set should have: so many times that in the other, and in
# fewer than so many of the orders that chance makes.
_TIMES, _ORDERS = 2, 1e-3
_FEW = math.log(_ORDERS / (2 * 3))  # of two parts of three splits


@dataclass(frozen=True, eq=False)
class Digits:
    """A labelled training set and a labelled test set of images, (n, n_pixels) and (n,) bytes.

    `shape` is (rows, columns) of an image; `sha256` that of the four unpacked files together, the
    identity of the data; `name` is ``"MNIST"``, or the `folder` that was read; `shuffled` whether
    the training cases are in another order than in their file. Of labels told apart by a net
    `told_apart` are those, ascending; by default those that occur in training.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    shape: tuple[int, int]
    sha256: str
    name: str
    folder: Path | None = None
    shuffled: bool = False
    told_apart: tuple[int, ...] | None = None

    @property
    def n_pixels(self) -> int:
        """Pixels of an image."""
        return int(self.train_images.shape[1])

    @property
    def n_classes(self) -> int:
        """Classes: different labels."""
        return len(self.classes)

    @cached_property
    def classes(self) -> tuple[int, ...]:
        """The label of each class, ascending."""
        return self.told_apart or tuple(np.unique(self.train_labels).tolist())

    @property
    def odd_classes(self) -> tuple[int, ...]:
        """The `classes` where they are not 0, 1, 2 and so on; else none."""
        return () if self.classes == tuple(range(self.n_classes)) else self.classes

    @cached_property
    def train_classes(self) -> NDArray[np.uint8]:
        """The class of each training case, from 0: its label's place among the `classes`."""
        return self._classes_of(self.train_labels)

    @cached_property
    def test_classes(self) -> NDArray[np.uint8]:
        """The class of each test case, from 0."""
        return self._classes_of(self.test_labels)

    @property
    def noun(self) -> str:
        """What an image is called in texts: a digit is one of MNIST."""
        return "digit" if self.sha256 == SHA256 else "image"

    def _classes_of(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if not self.odd_classes:
            return labels
        return np.searchsorted(self.classes, labels).astype(np.uint8)


def shown_classes(classes: Sequence[int]) -> str:
    """Labels in words: ``"0 to 9"``, or ``"0, 5, 200"``."""
    first, last = classes[0], classes[-1]
    if len(classes) > 2 and last - first == len(classes) - 1:
        return f"{first} to {last}"
    return ", ".join(map(str, classes))


@dataclass(frozen=True, eq=False)
class Split:
    """Which training cases are trained on and which are held out: sorted, disjoint case numbers."""

    name: str
    train: NDArray[np.intp]
    valid: NDArray[np.intp]

    @property
    def sha256(self) -> str:
        """Of the validation case numbers as little-endian 64-bit integers."""
        return hashlib.sha256(self.valid.astype("<i8").tobytes()).hexdigest()


def split(n_cases: int, name: str) -> Split:
    """One of three splits whose validation sets, a sixth of the cases each, are disjoint.

    A validation set is a run of successive cases, the last sixth for ``"a"``, the one before it for
    ``"b"``: the files of MNIST keep the digits of one writer together, and so a run of cases is to
    the rest what the test set is to all. "50,000 training examples and 10,000 validation examples",
    disjoint by the caption of Table 1; which, is assumed, see docs/assumptions.md. ValueError if
    there is no such split, or too few cases.
    """
    if name not in SPLITS:
        raise ValueError(f"a split is one of {', '.join(SPLITS)}, not {name!r}")
    size = n_cases // 6
    if size < 1:
        raise ValueError(f"{n_cases} training cases are too few to hold out a sixth")
    end = n_cases - SPLITS.index(name) * size
    every, valid = np.arange(n_cases), np.arange(end - size, end)
    return Split(name, np.delete(every, valid), valid)


def shifts(distance: int) -> list[tuple[int, int]]:
    """All translations (down, right) by up to so many pixels in all, none first.

    "translations of up to 2 pixels are used to create 12 extra versions of each training image",
    "Using geometric prior knowledge"; which 12 they are is assumed, see docs/assumptions.md: the
    eight neighbours and two pixels to each side.
    """
    every = product(range(-distance, distance + 1), repeat=2)
    near = [(abs(down) + abs(right), (down, right)) for down, right in every]
    return [shift for pixels, shift in sorted(near) if pixels <= distance]


def translated(
    images: NDArray[np.uint8], shape: tuple[int, int], distance: int
) -> NDArray[np.uint8]:
    """Every image in every one of the `shifts`: what moves out is lost, what moves in is 0.

    (n * n_shifts, rows * columns) bytes: first all images as they are, then all in the next shift,
    and so on. ValueError if an image could leave its frame altogether.
    """
    if not 0 <= distance < min(shape):
        size, by = f"{shape[0]} x {shape[1]}", f"translations of up to {distance} pixels"
        raise ValueError(f"{by} leave nothing of images of {size}")
    every = shifts(distance)
    moved = np.zeros((len(every), len(images), *shape), np.uint8)
    square = images.reshape(len(images), *shape)
    for version, (down, right) in zip(moved, every, strict=True):
        (to_row, from_row), (to_column, from_column) = _overlap(down), _overlap(right)
        version[:, to_row, to_column] = square[:, from_row, from_column]
    return moved.reshape(-1, images.shape[1])


def _overlap(shift: int) -> tuple[slice, slice]:
    """Where the rows or columns that stay in the frame go to, and where they come from."""
    without_first, without_last = slice(abs(shift), None), slice(None, -abs(shift) or None)
    return (without_first, without_last) if shift > 0 else (without_last, without_first)


def _read_shipped() -> Arrays:
    arrays, names = [], []
    for file, known in zip(sources.FILES, _SHIPPED, strict=True):
        name, n_dimensions = file + ".gz", 3 if "images" in file else 1
        try:
            with resources.as_file(resources.files(__name__).joinpath(name)) as path:
                content = sources.read_path(path, name, n_dimensions)
        except OSError as error:
            reason = f"{error.strerror or error}; install the package anew"
            raise DataError(f"{name}: {reason}") from None
        if hashlib.sha256(content).hexdigest() != known:
            raise DataError(f"{name}: not the MNIST file that this package ships (SHA-256 differs)")
        arrays.append(sources.parse_idx(content, name, n_dimensions))
        names.append(name)
    return Arrays(arrays, names)


def read(place: Path | None = None, transposed: bool = False, known: Container[str] = ()) -> Digits:
    """MNIST, or another set: a folder of IDX files, gzipped or not, or an ``.npz`` file.

    `transposed` images, as EMNIST's, are turned upright. Cases are in the order of the files, but
    training cases whose classes are not mixed are shuffled, always in the same way (`shuffled`).
    Data of a `known` SHA-256, with which a file was made, are read as they were then. DataError if
    a file is missing, damaged, truncated, or does not fit the others; or if a shipped file is not
    the known one.
    """
    found = sources.read_from(place) if place else _read_shipped()
    _check_parts_fit(found)
    digits = _digits(found, place, transposed)
    if known and digits.sha256 not in known:
        for turned, as_before in product((False, True), repeat=2):
            other = _digits(found, place, turned, as_before)
            if other.sha256 in known:
                return other
    return digits


def load(place: str | Path | None = None, transposed: bool = False) -> Digits:
    """`read`, of a path that may be given as a str: MNIST inside the package if none is."""
    return read(None if place is None else Path(place), transposed)


def _digits(found: Arrays, place: Path | None, transposed: bool, as_before: bool = False) -> Digits:
    """The arrays as they are learned; `as_before`: shuffled only if nearly sorted, or of wide gaps.

    Shuffled or not, where that has changed the data are others than those of older files.
    """
    arrays = [_upright(a) if transposed and a.ndim > 1 else a for a in found.arrays]
    train, labels, test, test_labels = arrays
    sorted_now = np.count_nonzero(np.diff(labels)) < len(np.unique(labels))
    shuffled = _shuffled_before(labels) if as_before else bool(sorted_now) or _unmixed(labels)
    order = _order(len(labels), shuffled)
    n, *shape = train.shape
    ordered = train.reshape(n, -1)[order], labels[order], test.reshape(len(test), -1), test_labels
    for array in ordered:
        array.flags.writeable = False  # they are what the identity says
    return Digits(
        *ordered,
        (shape[0], shape[1]),
        _identity(arrays, shuffled),
        "MNIST" if place is None else "spoken" if place == SPOKEN else str(place),
        None if place == SPOKEN else place,
        shuffled,
    )


def _order(n: int, shuffled: bool) -> NDArray[np.intp]:
    """Which of the file's n training cases stands where."""
    return streams.shuffle().permutation(n) if shuffled else np.arange(n)


def _shuffled_before(labels: NDArray[np.uint8]) -> bool:
    """Whether labels, in their file's order, were shuffled before there was a closer look."""
    return bool(np.count_nonzero(np.diff(labels)) <= labels.max())


def _identity(arrays: Sequence[NDArray[np.uint8]], shuffled: bool) -> str:
    """The SHA-256 of the four unpacked files, and of what is done with them if that is new."""
    summed = hashlib.sha256()
    for array in arrays:
        summed.update(sources.idx_header(array))
        summed.update(np.ascontiguousarray(array).data)
    if shuffled != _shuffled_before(arrays[1]):
        summed.update(b"shuffled" if shuffled else b"in order")
    return summed.hexdigest()


def as_they_are(digits: Digits) -> Digits:
    """The same; with an identity of their own if the arrays are not those that were read."""
    back = np.argsort(_order(len(digits.train_labels), digits.shuffled))
    images = (a.reshape(-1, *digits.shape) for a in (digits.train_images[back], digits.test_images))
    train, test = images
    arrays = train, digits.train_labels[back], test, digits.test_labels
    own = _identity(arrays, digits.shuffled)
    if own == digits.sha256:
        return digits
    return replace(digits, sha256=own, name="the data given", folder=None)


def _upright(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(images.transpose(0, 2, 1))


def _unmixed(labels: NDArray[np.uint8]) -> bool:
    """Whether the validation cases of a split are of other classes than its training cases.

    A class is `_TIMES` as frequent in one part, and chance makes no such order: it draws n
    validation cases without putting any back, so that a share q of a class of share p has at most
    probability exp(-n KL(q, p)) (Hoeffding 1963), and one of all these shares at most `_ORDERS`.
    """
    size, (_, classes) = len(labels) // 6, np.unique(labels, return_inverse=True)
    if not size:
        return False
    every = np.bincount(classes)
    needed = -math.log(_ORDERS / (2 * len(SPLITS) * len(every))) / size
    for name in SPLITS:
        held_out = np.bincount(classes[split(len(labels), name).valid], minlength=len(every))
        q, p = held_out / size, every / len(labels)
        rest = (every - held_out) / (len(labels) - size)
        unequal = (q > _TIMES * rest) | (rest > _TIMES * q)
        if (unequal & (_divergence(q, p) > needed)).any():
            return True
        if any(_log_chance_of_so_few(part, every) < _FEW for part in (held_out, every - held_out)):
            return True
    return False


def _log_chance_of_so_few(part: NDArray[np.int64], every: NDArray[np.int64]) -> float:
    """At most so much is the log probability that a part has cases of as few classes as this.

    Of many small classes none alone is in an order that chance does not make. All cases of a part
    are of d classes with at most the probability that they are of the d largest ones, as often as
    d classes can be chosen.
    """
    n, size, d = int(every.sum()), int(part.sum()), int(np.count_nonzero(part))
    choices = _log_choices(len(every), d)
    largest = int(np.sort(every)[-d:].sum())
    return choices + _log_choices(largest, size) - _log_choices(n, size)


def _log_choices(n: int, k: int) -> float:
    """The log of n over k."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _divergence(q: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """KL(q, p) of two coins, in nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        on, off = q * np.log(q / p), (1 - q) * np.log((1 - q) / (1 - p))
    return np.nan_to_num(on) + np.nan_to_num(off)


def _check_parts_fit(found: Arrays) -> None:
    (train, labels, test, test_labels), (_, labels_file, test_file, test_labels_file) = found
    for name, images, own in ((labels_file, train, labels), (test_labels_file, test, test_labels)):
        if len(images) != len(own):
            raise DataError(f"{name}: {len(own):,} labels for {len(images):,} images")
    if train.shape[1:] != test.shape[1:]:
        here, there = test.shape[1:], train.shape[1:]
        raise DataError(f"{test_file}: images of {here} pixels, the training images have {there}")
    unknown = np.setdiff1d(test_labels, labels)
    if unknown.size:
        raise DataError(f"{test_labels_file}: class {unknown[0]} is not in the training set")
    if labels.min() == labels.max():
        raise DataError(f"{labels_file}: fewer than two classes")
