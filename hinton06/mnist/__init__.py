"""The images: the MNIST files that ship inside, any other IDX set, and the three splits.

The MNIST database of handwritten digits is by Yann LeCun, Corinna Cortes and Christopher J.C.
Burges, made from NIST's Special Databases 1 and 3, and available under the Creative Commons
Attribution-Share Alike 3.0 licence. The four gzipped files beside this module are theirs,
unchanged.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from itertools import product
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from hinton06 import streams
from hinton06.files import open_plain, printable

SPLITS = ("a", "b", "c")
"""Names of the three splits of the training set, as in Table 1's "Neta, Netb and Netc"."""

MAX_TRANSLATION = 8
"""Pixels by which images can be translated; each is then there 145 times."""

# With the SHA-256 of the unpacked files that ship with the package.
_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
SHA256 = "b2d8f5bf39174ee5ffeefa97e42d673c35432b411bb5d1f74fbbeddae7f1690a"
"""The identity of the data that ship with the package: `Digits.sha256`."""

# More than any digit set needs. What a file declares is held against these before memory is
# taken for it, and no more than it declares is ever unpacked.
_MAX_BYTES = 1 << 30
_MAX_PIXELS = 1 << 18
# Digits pack to a fifth. A small file that declares to unpack to much more than this is a bomb.
_MAX_RATIO = 100
_RATIO_FROM = 1 << 20
_CHUNK = 1 << 20


class DataError(Exception):
    """A data file that cannot be used; the message is one line and names the file."""


@dataclass(frozen=True, eq=False)
class Digits:
    """A labelled training set and a labelled test set of images, (n, n_pixels) and (n,) bytes.

    `shape` is (rows, columns) of an image; `sha256` that of the four unpacked files together, the
    identity of the data; `name` is ``"MNIST"``, or the `folder` that was read.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    shape: tuple[int, int]
    sha256: str
    name: str
    folder: Path | None = None

    @property
    def n_pixels(self) -> int:
        """Pixels of an image."""
        return int(self.train_images.shape[1])

    @property
    def n_classes(self) -> int:
        """Classes: one more than the largest training label."""
        return int(self.train_labels.max()) + 1


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


def _read_path(path: Path, name: str, n_dimensions: int) -> bytes:
    """The unpacked bytes of an IDX file, no more of them than its own header declares."""
    with open_plain(path) as opened:
        packed = opened.read(2) == b"\x1f\x8b"
        opened.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=opened)) if packed else opened
        try:
            content = bytearray(stream.read(4 + 4 * n_dimensions))
            size = len(content) + math.prod(_sizes(content, name, n_dimensions))
            n_packed = os.fstat(opened.fileno()).st_size
            if size > _MAX_BYTES:
                most = f"more than {_MAX_BYTES >> 20} MiB"
                raise DataError(f"{name}: declares {size:,} bytes, which is {most}")
            if packed and size > max(_RATIO_FROM, _MAX_RATIO * n_packed):
                times = f"unpacks to more than {_MAX_RATIO} times its size"
                raise DataError(f"{name}: {times}: {n_packed:,} bytes, {size:,} declared")
            # A byte more would show that it is too long.
            while chunk := stream.read(min(_CHUNK, size + 1 - len(content))):
                content += chunk
        except (OSError, EOFError, zlib.error) as error:
            what = "damaged or truncated gzip file" if packed else "cannot be read"
            raise DataError(f"{name}: {what} ({printable(str(error))})") from None
    return bytes(content)


def _sizes(content: bytes | bytearray, name: str, n_dimensions: int) -> list[int]:
    """The dimensions that an IDX file's header declares."""
    kind = "images" if n_dimensions == 3 else "labels"
    header = 4 + 4 * n_dimensions
    if len(content) < header or content[:4] != bytes([0, 0, 8, n_dimensions]):
        raise DataError(f"{name}: not an IDX file of {kind} (unsigned bytes, {n_dimensions}-d)")
    sizes: list[int] = np.frombuffer(content[4:header], ">u4").tolist()
    if math.prod(sizes) == 0:
        raise DataError(f"{name}: holds no {kind}")
    if sizes[0] * _MAX_PIXELS < math.prod(sizes):
        shape, most = " x ".join(map(str, sizes[1:])), f"more than {_MAX_PIXELS:,}"
        raise DataError(f"{name}: declares images of {shape} pixels, which is {most}")
    return sizes


def parse_idx(content: bytes, name: str, n_dimensions: int) -> NDArray[np.uint8]:
    """The read-only array of an unpacked IDX file, of 3 or 1 dimensions; DataError if not one."""
    sizes, header = _sizes(content, name, n_dimensions), 4 + 4 * n_dimensions
    size = header + math.prod(sizes)
    if len(content) != size:
        shape = " x ".join(map(str, sizes))
        if len(content) > size:
            raise DataError(f"{name}: too long: more than the {size:,} bytes declared ({shape})")
        raise DataError(f"{name}: truncated: {len(content):,} bytes, {size:,} declared ({shape})")
    return np.frombuffer(content, np.uint8, offset=header).reshape(sizes)


def _read_shipped(file: str, n_dimensions: int) -> tuple[bytes, str]:
    name = file + ".gz"
    try:
        with resources.as_file(resources.files(__name__).joinpath(name)) as path:
            content = _read_path(path, name, n_dimensions)
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}; install the package anew") from None
    if hashlib.sha256(content).hexdigest() != _FILES[file]:
        raise DataError(f"{name}: not the MNIST file that this package ships (SHA-256 differs)")
    return content, name


def _read_from(folder: Path, file: str, n_dimensions: int) -> tuple[bytes, str]:
    for name in (file, file + ".gz", file.replace("-idx", ".idx")):
        path = folder / name
        try:
            return _read_path(path, str(path), n_dimensions), str(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from None
    raise DataError(f"{folder}: there is no {file} or {file}.gz in it")


def read(folder: Path | None = None) -> Digits:
    """MNIST, or the four IDX files under MNIST's names, gzipped or not, in another folder.

    Cases are in the order of the files; a training set that has one class after the other is
    shuffled, always in the same way. DataError if a file is missing, damaged, truncated, or does
    not fit the others; or if a shipped file is not the known one.
    """
    arrays, summed = [], hashlib.sha256()
    for file in _FILES:
        n_dimensions = 3 if "images" in file else 1
        read_one = partial(_read_from, folder) if folder else _read_shipped
        content, name = read_one(file, n_dimensions)
        summed.update(content)
        arrays.append(parse_idx(content, name, n_dimensions))
    _check_parts_fit(arrays)
    train, labels, test, test_labels = arrays
    order = np.arange(len(labels))
    if np.count_nonzero(np.diff(labels)) <= labels.max():  # one class after the other
        order = streams.shuffle().permutation(len(labels))
    n, *shape = train.shape
    name = "MNIST" if folder is None else str(folder)
    return Digits(
        train.reshape(n, -1)[order],
        labels[order],
        test.reshape(len(test), -1),
        test_labels,
        (shape[0], shape[1]),
        summed.hexdigest(),
        name,
        folder,
    )


def load(folder: str | Path | None = None) -> Digits:
    """`read`, of a folder that may be given as a str: MNIST inside the package if none is."""
    return read(None if folder is None else Path(folder))


def _check_parts_fit(arrays: Sequence[NDArray[np.uint8]]) -> None:
    train, labels, test, test_labels = arrays
    _, labels_file, test_file, test_labels_file = _FILES
    for name, images, own in ((labels_file, train, labels), (test_labels_file, test, test_labels)):
        if len(images) != len(own):
            raise DataError(f"{name}: {len(own):,} labels for {len(images):,} images")
    if train.shape[1:] != test.shape[1:]:
        here, there = test.shape[1:], train.shape[1:]
        raise DataError(f"{test_file}: images of {here} pixels, the training images have {there}")
    if test_labels.max() > labels.max():
        most = test_labels.max()
        raise DataError(f"{test_labels_file}: class {most} is not in the training set")
    if labels.max() < 1:
        raise DataError(f"{labels_file}: fewer than two classes")
