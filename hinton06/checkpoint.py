"""One HDF5 file between commands: atomic, sealed, versioned, checked on reading.

The only module that imports h5py. A file holds everything that is needed to show, use or
continue what it holds; a reader never sees half a file. What the names and numbers in it mean is
asked by `hinton06.loading`; files of earlier versions become those of this one in
`hinton06.migrations`. docs/files.md describes the layout.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hinton06 import migrations
from hinton06.files import open_plain, printable
from hinton06.records import Tree

FORMAT = "hinton06 checkpoint"
VERSION = 2

_HEAD = {"kind": str, "complete": bool, "recipe": str, "settings": dict, "lineage": dict,
         "provenance": dict}  # fmt: skip
_PARTS = ("model", "state", "history", "outcome")
_MAX_DEPTH = 6
_DTYPES = {np.dtype(kind) for kind in ("<f2", "<f4", "<f8", "<i8", "u1", "<u8")}
_HALF, _SINGLE = np.dtype("<f2"), np.dtype("<f4")

# A file holds a few times the numbers of a net: the chapter's take 20 to 60 MB.
_MAX_BYTES = 1 << 32
# What HDF5 can hold in the attributes that this package writes.
_MAX_TEXT = 1 << 16

# The attribute "seal": these words, then the SHA-256 of the file with zeros in its place. So every
# byte is vouched for before HDF5 sees one. In version 1 it stood behind the HDF5 data.
_SEAL = b"hinton06 sha256\0"
_SEAL_SIZE = len(_SEAL) + 32

# Of an HDF5 file whose superblock is of version 0, as is this format's: its start, and its flags.
_HDF5_0, _FLAGS, _OPEN = b"\x89HDF\r\n\x1a\n\0", slice(20, 24), b"\1\0\0\0"

# A packed file, of a name that ends in .xz: LZMA, which is told that numbers have two bytes. Such
# weights pack to three quarters, so what unpacks to many times its size is a bomb.
_XZ = b"\xfd7zXZ\0"
_PACKING = {"dict_size": 1 << 22, "lc": 0, "lp": 1, "pb": 1}
_MAX_UNPACKED, _UNPACKED_FROM = 4, 1 << 20
_UNPACKING_MEMORY = 1 << 24


class CheckpointError(Exception):
    """A file that cannot be read or written; the message is one line and names the file."""


@dataclass
class Checkpoint:
    """What one file holds, as trees.

    `kind` is of `hinton06.kinds`; until it is `complete`, `state` is where it goes on, and `model`
    and `outcome` are empty. Equal `settings` (under the name of a `recipe`) and `lineage` give
    equal results, whatever the `provenance` (versions, machine, times). A `history` column is
    (epochs,) float64, NaN where an epoch did not measure it.
    """

    kind: str
    complete: bool
    recipe: str
    settings: Tree
    lineage: Tree
    provenance: Tree
    model: Tree = field(default_factory=dict)
    state: Tree = field(default_factory=dict)
    history: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    outcome: Tree = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 of the model's arrays: equal for two runs that ended bit-identical."""
        summed = hashlib.sha256()
        for name, array in _arrays("", self.model):
            summed.update(f"{name} {array.shape} {array.dtype.str}".encode())
            summed.update(np.ascontiguousarray(array).tobytes())
        return summed.hexdigest()


def _arrays(prefix: str, tree: Tree) -> Iterator[tuple[str, NDArray[Any]]]:
    for name in sorted(tree):
        value = tree[name]
        if isinstance(value, Mapping):
            yield from _arrays(f"{prefix}/{name}", dict(value))
        elif isinstance(value, np.ndarray):
            yield f"{prefix}/{name}", value


def history_columns(rows: list[dict[str, float]]) -> dict[str, NDArray[np.float64]]:
    """One (len(rows),) float64 array a column, NaN where a row lacks it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {n: np.array([row.get(n, np.nan) for row in rows], np.float64) for n in names}


def history_rows(columns: Mapping[str, NDArray[np.float64]]) -> list[dict[str, float]]:
    """The inverse of `history_columns`."""
    length = max((len(column) for column in columns.values()), default=0)
    every = range(length)
    return [{n: float(c[i]) for n, c in columns.items() if not np.isnan(c[i])} for i in every]


# -- writing -------------------------------------------------------------------------------------


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a file so that at `path` there is always the whole old file or the whole new one.

    It is packed if its name ends in .xz. Its folder is made if need be. Raises `CheckpointError`
    if that fails, `path` then untouched.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        image = sealed(_image(checkpoint))
        if path.suffix == ".xz":
            image = _packed(image)
        if len(image) > _MAX_BYTES:
            raise OSError(errno.EFBIG, f"larger than {_MAX_BYTES >> 30} GiB")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:  # x: never through somebody's link
            file.write(image)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError | RuntimeError):
            raise _cannot_write(path, error) from None
        raise
    _sync_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Give a file another name in the same folder, or raise `CheckpointError` and do nothing."""
    try:
        os.replace(source, target)
    except OSError as error:
        raise _cannot_write(target, error) from None
    _sync_folder(target.parent)


def _cannot_write(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path}: cannot be written: {_reason(error)}")


def _reason(error: Exception) -> str:
    """One line that can be shown, whatever a library or a file says."""
    lines = str(error).splitlines() or [type(error).__name__]
    return printable(getattr(error, "strerror", None) or lines[0])


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system can sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _image(checkpoint: Checkpoint) -> bytes:
    """The bytes of the HDF5 file, made in memory: a full disk is then no matter of HDF5's."""
    name = f"image {threading.get_ident()}"  # HDF5 knows one file of a name
    with h5py.File(name, "w", driver="core", backing_store=False, block_size=1 << 20) as file:
        file.attrs["format"] = np.bytes_(FORMAT)
        file.attrs["version"] = VERSION
        file.attrs["seal"] = np.void(_SEAL + bytes(32))
        head = {name: getattr(checkpoint, name) for name in _HEAD}
        file.attrs["head"] = np.bytes_(json.dumps(head))
        for part in _PARTS:
            _write_tree(file.create_group(part), getattr(checkpoint, part))
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def sealed(image: bytes) -> bytes:
    """The bytes of an HDF5 file with their SHA-256 in the place of the seal."""
    start = image.find(_SEAL) + len(_SEAL)
    if start < len(_SEAL):
        raise CheckpointError("damaged: its SHA-256 is not where it belongs")
    blank = image[:start] + bytes(32) + image[start + 32 :]
    return image[:start] + hashlib.sha256(blank).digest() + image[start + 32 :]


def _write_tree(group: h5py.Group, tree: Tree) -> None:
    values: Tree = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            _write_tree(group.create_group(name), dict(value))
        elif isinstance(value, np.ndarray):
            group.create_dataset(name, data=value)
        else:
            values[name] = value.item() if isinstance(value, np.generic) else value
    group.attrs["values"] = np.bytes_(json.dumps(values))


# -- reading -------------------------------------------------------------------------------------


def load(path: Path) -> Checkpoint:
    """Read and check a file; of an earlier version, as one of this; float16 arrays as float32.

    Raises `CheckpointError` if there is none, or it is damaged or of a newer version, or has what
    this package never writes: links, data compressed by HDF5, one object under two names,
    declarations that are larger than the file.
    """
    try:
        image, vouched = _read_image(path)
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)  # in memory: nobody changes it meanwhile
        access.set_fapl_core(backing_store=False)
        access.set_file_image(image)
        name = f"image {threading.get_ident()}".encode()
        with h5py.File(h5py.h5f.open(name, h5py.h5f.ACC_RDONLY, fapl=access)) as file:
            return _read(file, len(image), vouched)
    except CheckpointError as error:
        reason = printable(str(error))
    except FileNotFoundError:
        reason = "there is no such file"
    except IsADirectoryError:
        reason = "is a folder, not a checkpoint"
    except PermissionError:
        reason = "may not be read"
    except MemoryError:
        reason = "takes more memory than there is"
    except Exception as error:  # whatever a library may raise on the file of a stranger
        reason = f"not a readable HDF5 file, or damaged: {_reason(error)}"
    raise CheckpointError(f"{path}: {reason}")


def _read_image(path: Path) -> tuple[bytes, bool]:
    """The HDF5 data, and whether a seal vouches for every byte of them."""
    with open_plain(path) as file:
        if os.fstat(file.fileno()).st_size > _MAX_BYTES:
            raise CheckpointError(f"larger than {_MAX_BYTES >> 30} GiB, as no checkpoint is")
        image = file.read()
    if image.startswith(_XZ):
        image = _unpacked(image)
    image = _closed(image)
    if image[-_SEAL_SIZE:].startswith(_SEAL):  # version 1
        image, seal = image[:-_SEAL_SIZE], image[-32:]
        vouched = seal == hashlib.sha256(image).digest()
    elif _SEAL in image:
        vouched = image == sealed(image)
    else:
        return image, False
    if not vouched:
        raise CheckpointError("damaged: its SHA-256 is not the recorded one")
    return image, True


def _closed(image: bytes) -> bytes:
    """The same as a program leaves it that has closed the file.

    While one has it open for writing, and for good where that was killed, HDF5 says so in the
    superblock (version 0, "File Consistency Flags"), and changes nothing else unless that writes.
    """
    if not (image.startswith(_HDF5_0) and image[_FLAGS] == _OPEN):
        return image
    return image[: _FLAGS.start] + bytes(len(_OPEN)) + image[_FLAGS.stop :]


def _packed(image: bytes) -> bytes:
    import lzma  # noqa: PLC0415  # some installations of Python have none, and seldom need it

    return lzma.compress(image, filters=[{"id": lzma.FILTER_LZMA2, **_PACKING}])


def _unpacked(packed: bytes) -> bytes:
    import lzma  # noqa: PLC0415  # as above

    most = max(_UNPACKED_FROM, _MAX_UNPACKED * len(packed))
    unpacking = lzma.LZMADecompressor(lzma.FORMAT_XZ, _UNPACKING_MEMORY)
    try:
        image = unpacking.decompress(packed, most)
    except lzma.LZMAError as error:
        raise CheckpointError(f"damaged: cannot be unpacked: {error}") from None
    if not unpacking.eof and len(image) == most:
        raise CheckpointError(f"unpacks to more than {_MAX_UNPACKED} times its size")
    if not unpacking.eof or unpacking.unused_data:
        raise CheckpointError("damaged: its packed data are cut off, or others follow them")
    return image


def _read(file: h5py.File, size: int, vouched: bool) -> Checkpoint:
    if _text(file, "format") != FORMAT:
        raise CheckpointError("not a hinton06 checkpoint")
    version = _attribute(file, "version", "iu")
    if version is None or not 1 <= version <= VERSION:
        reads = f"this hinton06 reads versions 1 to {VERSION}"
        raise CheckpointError(f"is of format version {version}; {reads}")
    if not vouched and (version > 1 or "sealed" in file.attrs):
        raise CheckpointError("damaged: truncated, or changed by another program")
    head, members = _json(file, "head"), _Members(size)
    parts = {part: members.tree(members.of(file, part)) for part in _PARTS}
    try:
        head, parts = migrations.migrated(int(version), head, parts)
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    for name, kind in _HEAD.items():
        if not isinstance(head.get(name), kind):
            raise CheckpointError(f"does not say its {name}")
    if not all(isinstance(column, np.ndarray) for column in parts["history"].values()):
        raise CheckpointError("its history has a column that is not an array")
    lengths = {column.shape for column in parts["history"].values()}
    if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
        raise CheckpointError("its history has columns of different lengths")
    return Checkpoint(**(head | parts))


def _attribute(group: h5py.Group, name: str, kinds: str) -> Any:
    """A single value of these kinds in an attribute, which is looked at before it is read."""
    if name not in group.attrs:
        return None
    attribute = group.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind not in kinds:
        return None
    if attribute.dtype.itemsize > _MAX_TEXT:
        raise CheckpointError(f"its {name} is too long")
    return group.attrs[name]


def _text(group: h5py.Group, name: str) -> str:
    if name not in group.attrs:
        raise CheckpointError("not a hinton06 checkpoint")
    value = _attribute(group, name, "SV")
    if not isinstance(value, bytes):
        raise CheckpointError(f"its {name} is not text")
    return value.decode("utf-8", "replace")


def _json(group: h5py.Group, name: str) -> Tree:
    try:
        value = json.loads(_text(group, name))
        shown = _all_printable(value)
    except (json.JSONDecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise CheckpointError(f"its {name} is damaged")
    if not shown:
        raise CheckpointError(f"its {name} holds control characters")
    return value


def _all_printable(value: Any) -> bool:
    """Whether every text in a JSON value can be shown on a terminal as it is."""
    if isinstance(value, dict):
        return all(key.isprintable() and _all_printable(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(_all_printable(inner) for inner in value)
    return not isinstance(value, str) or value.isprintable()


@dataclass
class _Members:
    """Reads the members of a file that holds so many bytes of arrays, and none of them twice."""

    n_bytes: int
    seen: set[int] = field(default_factory=set)

    def of(self, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
        """A member that is no link, and was not met under another name."""
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise CheckpointError(f"{group.name.rstrip('/')}/{name} is missing or a link")
        member = group[name]
        if not isinstance(member, h5py.Group | h5py.Dataset):
            raise CheckpointError(f"{member.name} is neither a group nor a dataset")
        address = h5py.h5o.get_info(member.id).addr
        if address in self.seen:
            raise CheckpointError(f"{member.name} is a second name of another member")
        self.seen.add(address)
        return member

    def tree(self, group: h5py.Group | h5py.Dataset, depth: int = 0) -> Tree:
        """What a group holds."""
        if not isinstance(group, h5py.Group) or depth > _MAX_DEPTH:
            raise CheckpointError(f"{group.name} is not a group of this format")
        tree = _json(group, "values")
        for name in group:
            if not isinstance(name, str) or not name.isprintable():  # bytes: no text at all
                wrong = "has a member whose name holds control characters"
                raise CheckpointError(f"{group.name} {wrong}")
            member = self.of(group, name)
            is_group = isinstance(member, h5py.Group)
            tree[name] = self.tree(member, depth + 1) if is_group else self.array(member)
        return tree

    def array(self, dataset: h5py.Dataset) -> NDArray[Any]:
        """A dataset as this format stores one, and no larger than the file can be."""
        layout = dataset.id.get_create_plist().get_layout()
        plain = layout in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT) and not dataset.external
        if not plain or dataset.shape is None or dataset.dtype not in _DTYPES:
            raise CheckpointError(f"{dataset.name} is not stored the way this format stores arrays")
        # A contiguous dataset lies in the file in full, and this format stores nothing twice, so
        # all of them together cannot be larger than the file.
        self.n_bytes -= dataset.nbytes
        if self.n_bytes < 0 or (dataset.nbytes and dataset.id.get_storage_size() == 0):
            raise CheckpointError(f"{dataset.name} declares more data than the file holds")
        array: NDArray[Any] = dataset[()]
        return array.astype(_SINGLE) if array.dtype == _HALF else array
