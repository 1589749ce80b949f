"""What a set of images is read from: IDX files under the names they go by, or an ``.npz`` file.

Not in the chapter. Files come from strangers: what one declares is held against limits before
memory is taken for it, and no more than it declares is ever unpacked.
"""

from __future__ import annotations

import gzip
import itertools
import math
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hinton06.files import open_plain, printable

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""MNIST's names of the four files of a set: training images, their labels, test images, labels."""

_NPZ = ("x_train", "y_train", "x_test", "y_test")
"""The same as arrays in one file, as Keras calls them."""

# More than any digit set needs.
_MAX_BYTES = 1 << 30
_MAX_PIXELS = 1 << 18
# Digits pack to a fifth. A small file that declares to unpack to much more than this is a bomb.
_MAX_RATIO = 100
_RATIO_FROM = 1 << 20
_CHUNK = 1 << 20

_TYPES = {
    8: "unsigned bytes", 9: "signed bytes", 11: "16-bit integers", 12: "32-bit integers",
    13: "32-bit floats", 14: "64-bit floats",
}  # fmt: skip
# What else lies under such a name now and then, by how it begins (in small letters).
_OTHERS = {
    b"<!doctype html": "an HTML page, as a server sends in place of a file",
    b"<html": "an HTML page, as a server sends in place of a file",
    b"<!--": "an HTML page, as a server sends in place of a file",
    b"<?xml": "an XML page, as a server sends in place of a file",
    b"version https://git-lfs": "a pointer of Git LFS, and not the file itself",
    b"pk\x03\x04": "a zip archive",
    b"\x1f\x8b": "packed twice by gzip",
    b"bzh": "packed by bzip2",
    b"\xfd7zxz": "packed by xz",
    b"\x93numpy": "an array of NumPy's",
    b"\x89hdf": "an HDF5 file",
    b"\x89png": "a PNG picture",
    b"matlab": "a file of Matlab's",
}
_ENOUGH = 1024
_DEEPEST = 3  # folders of pictures: of a part, of a class


class DataError(Exception):
    """A data file that cannot be used; the message is one line and names the file."""


class Arrays(NamedTuple):
    """The four arrays of a set, in the order of `FILES`, and for messages where each was found."""

    arrays: list[NDArray[np.uint8]]
    names: list[str]


def read_from(place: Path) -> Arrays:
    """What a folder of IDX files holds, or an ``.npz`` file; of several sets in a folder one.

    That is ``folder/emnist-letters`` where its files have names that begin with these words.
    """
    try:
        if place.is_file():
            return _read_npz(place)
        folder, prefix = (place, _prefix_in(place)) if place.is_dir() else _with_prefix(place)
        found = [_read_one(folder, prefix, file) for file in FILES]
    except OSError as error:
        raise DataError(f"{place}: {error.strerror or error}") from None
    return Arrays([array for array, _ in found], [name for _, name in found])


# -- names ---------------------------------------------------------------------------------------


def _prefixes(folder: Path) -> list[str]:
    """What stands before the names of training images in a folder: nothing, or a set's own name."""
    matches = (re.fullmatch(r"(.*?)train-images[-.]idx3-ubyte(\.gz)?", n) for n in _listed(folder))
    return sorted({match[1] for match in matches if match})


def _listed(folder: Path) -> list[str]:
    with suppress(OSError):  # one that may be entered but not listed
        return os.listdir(folder)
    return []


def _prefix_in(folder: Path) -> str:
    found = _prefixes(folder)
    if not found or "" in found:
        return ""
    if len(found) > 1:
        sets = ", ".join(prefix.rstrip("-_.") for prefix in found)
        one = folder / found[0].rstrip("-_.")
        raise DataError(f"{folder}: holds several sets ({sets}); name one of them: {one}")
    return found[0]


def _with_prefix(place: Path) -> tuple[Path, str]:
    """The folder and the beginning of the names where a path is both together."""
    for prefix in _prefixes(place.parent):
        if place.name in (prefix, prefix.rstrip("-_.")):
            return place.parent, prefix
    if place.exists():
        raise DataError(f"{place}: is neither a folder nor a plain file")
    raise DataError(f"{place}: there is no such folder or file")


def _spellings(prefix: str, file: str) -> Iterator[Path]:
    """Where one of the four files may lie: Kaggle puts each into a folder of its own name."""
    stems = (file, file.replace("t10k", "test")) if file.startswith("t10k") else (file,)
    for stem in stems:
        pointed = stem.replace("-idx", ".idx")
        names = [prefix + name for name in (stem, f"{stem}.gz", pointed, f"{pointed}.gz")]
        for name in names:
            yield Path(name)
            yield Path(name, name)
        for folder, name in itertools.permutations(names, 2):
            yield Path(folder, name)


def _read_one(folder: Path, prefix: str, file: str) -> tuple[NDArray[np.uint8], str]:
    """One of the four arrays, and the path it was read from."""
    n_dimensions, folders = 3 if "images" in file else 1, []
    for name in _spellings(prefix, file):
        path = folder / name
        try:
            content = read_path(path, str(path), n_dimensions)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except IsADirectoryError:
            folders.append(path)
            continue
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from None
        return parse_idx(content, str(path), n_dimensions), str(path)
    if folders:
        raise DataError(f"{folders[0]}: is a folder, and no file of that name is in it")
    raise DataError(
        f"{folder}: there is no {prefix}{file} or {prefix}{file}.gz in it{_hint(folder)}"
    )


def _hint(folder: Path) -> str:
    """What may be meant by a folder that has no such files."""
    packed = next((name for name in sorted(_listed(folder)) if _is_set(folder / name)), None)
    if packed:
        return f"; name the file itself: {folder / packed}"
    with suppress(OSError):
        places = (folder.glob("*/" * depth + "*.png") for depth in range(_DEEPEST))
        if any(next(found, None) for found in places):
            return "; its pictures are to be written as one set, which docs/data.md shows"
    return ""


def _is_set(path: Path) -> bool:
    """Whether a path is of an ``.npz`` file of images: what the commands save is none."""
    if path.suffix != ".npz":
        return False
    try:
        with open_plain(path) as opened, zipfile.ZipFile(opened) as archive:
            return f"{_NPZ[0]}.npy" in archive.namelist()
    except Exception:  # whatever a library may raise on the file of a stranger
        return False


# -- IDX files -----------------------------------------------------------------------------------


def read_path(path: Path, name: str, n_dimensions: int) -> bytes:
    """The unpacked bytes of an IDX file, no more of them than its own header declares."""
    with open_plain(path) as opened:
        packed = opened.read(2) == b"\x1f\x8b"
        opened.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=opened)) if packed else opened
        try:
            content = bytearray(stream.read(4 + 4 * n_dimensions))
            if content[:4] != _magic(n_dimensions):
                content += stream.read(_ENOUGH)
            size = len(content) + math.prod(_sizes(content, name, n_dimensions))
            _check_size(name, size, os.fstat(opened.fileno()).st_size if packed else size)
            # A byte more would show that it is too long.
            while chunk := stream.read(min(_CHUNK, size + 1 - len(content))):
                content += chunk
        except (OSError, EOFError, zlib.error) as error:
            what = "damaged or truncated gzip file" if packed else "cannot be read"
            raise DataError(f"{name}: {what} ({printable(str(error))})") from None
    return bytes(content)


def _check_size(name: str, size: int, n_packed: int, plain: str = "unpack it") -> None:
    if size > _MAX_BYTES:
        most = f"more than {_MAX_BYTES >> 20} MiB"
        raise DataError(f"{name}: declares {size:,} bytes, which is {most}")
    if size > max(_RATIO_FROM, _MAX_RATIO * n_packed):
        times = f"unpacks to more than {_MAX_RATIO} times its size"
        hint = f"if it is meant so, {plain}, and it is read"
        raise DataError(f"{name}: {times}: {n_packed:,} bytes, {size:,} declared; {hint}")


def _magic(n_dimensions: int) -> bytes:
    return bytes([0, 0, 8, n_dimensions])


def _sizes(content: bytes | bytearray, name: str, n_dimensions: int) -> list[int]:
    """The dimensions that an IDX file's header declares."""
    kind = "images" if n_dimensions == 3 else "labels"
    header = 4 + 4 * n_dimensions
    if len(content) < header or content[:4] != _magic(n_dimensions):
        needed = f"not an IDX file of {kind} (unsigned bytes, {n_dimensions}-d)"
        raise DataError(f"{name}: {needed}{_what_else(bytes(content))}")
    sizes: list[int] = np.frombuffer(content[4:header], ">u4").tolist()
    if math.prod(sizes) == 0:
        raise DataError(f"{name}: holds no {kind}")
    _check_pixels(name, sizes)
    return sizes


def _check_pixels(name: str, sizes: Any) -> None:
    if sizes[0] * _MAX_PIXELS < math.prod(sizes):
        shape, most = " x ".join(map(str, sizes[1:])), f"more than {_MAX_PIXELS:,}"
        raise DataError(f"{name}: declares images of {shape} pixels, which is {most}")


def _what_else(content: bytes) -> str:
    """What a file that begins like this is, as far as can be told, as the end of a sentence."""
    if not content:
        return ", but empty"
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = content.decode("utf-16", "ignore").encode()
    begins = content.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, what in _OTHERS.items():
        if begins.startswith(start):
            return f", but {what}"
    if content[:2] == b"\0\0" and len(content) >= 4 and content[2] in _TYPES:
        cut = ", cut off" if len(content) < 4 + 4 * content[3] else ""
        return f", but one of {_TYPES[content[2]]}, {content[3]}-d{cut}"
    return ""


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


def idx_header(array: NDArray[np.uint8]) -> bytes:
    """What stands before the bytes of an array in an IDX file."""
    return _magic(array.ndim) + np.array(array.shape, ">u4").tobytes()


# -- npz files -----------------------------------------------------------------------------------


def _read_npz(path: Path) -> Arrays:
    """The arrays of a file like Keras's ``mnist.npz``: images and labels are whole numbers."""
    with open_plain(path) as opened:
        if not zipfile.is_zipfile(opened):
            opened.seek(0)
            what = _what_else(opened.read(_ENOUGH))
            raise DataError(f"{path}: is neither a folder of IDX files nor an .npz file{what}")
        arrays = []
        for name in _NPZ:
            label = f"{path}, {name}"
            try:
                with zipfile.ZipFile(opened) as archive:
                    array = _member(archive, name, label)
            except DataError:
                raise
            except KeyError:
                raise DataError(f"{path}: there is no {name} in it") from None
            except Exception as error:  # whatever a library may raise on the file of a stranger
                raise DataError(f"{label}: damaged ({printable(str(error))})") from None
            arrays.append(_as_bytes(array, label, 3 if name.startswith("x") else 1))
    return Arrays(arrays, [f"{path}, {name}" for name in _NPZ])


def _member(archive: zipfile.ZipFile, name: str, label: str) -> NDArray[Any]:
    """One array of an archive, with no more memory than it declares."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{label}: is packed in another way than NumPy packs")
    _check_size(label, info.file_size, info.compress_size, "write it by numpy.savez, unpacked")
    with archive.open(info) as stream:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_header(stream)
        if dtype.kind not in "ui":
            of_shares = dtype.kind == "f" and name.startswith("x")
            hint = "; of shares up to 1, (255 * x).round().astype('uint8')" if of_shares else ""
            wanted = "whole numbers from 0 to 255 are needed"
            raise DataError(f"{label}: holds {dtype}, and {wanted}{hint}")
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=1) < 0 or size > info.file_size:
            raise DataError(f"{label}: declares more than it holds")
        array = np.frombuffer(stream.read(size), dtype)
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _as_bytes(array: NDArray[Any], label: str, n_dimensions: int) -> NDArray[np.uint8]:
    """Images as (n, rows, columns), labels as (n,) bytes; a last axis of one channel is dropped."""
    if array.ndim == n_dimensions + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    kind = "images" if n_dimensions == 3 else "labels"
    if array.ndim != n_dimensions:
        raise DataError(f"{label}: of shape {array.shape}, and {kind} are {n_dimensions}-d")
    if not array.size:
        raise DataError(f"{label}: holds no {kind}")
    _check_pixels(label, array.shape)
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 255:
        raise DataError(f"{label}: holds {kind} from {low} to {high}; 0 to 255 are possible")
    return np.ascontiguousarray(array, np.uint8)
