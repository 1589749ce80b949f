"""One HDF5 file between commands: atomic, versioned, checked on reading.

The only module that imports h5py. A file holds everything that is needed to show, use or
continue what it holds; a reader never sees half a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

FORMAT = "hinton06 checkpoint"
VERSION = 1
STAGES = {
    "stack": "a pretrained stack of RBMs",
    "classifier": "a fine-tuned classifier",
    "generative": "a fine-tuned generative net",
}

Tree = dict[str, Any]
"""Nested dictionaries whose leaves are arrays, numbers, strings, booleans or None."""

_PARTS = ("model", "state", "history", "outcome")
_MAX_DEPTH = 6
_KINDS = "fiu"


class CheckpointError(Exception):
    """A file that cannot be read or written; the message is one line and names the file."""


@dataclass
class Checkpoint:
    """What one file holds.

    Parameters
    ----------
    stage : str
        A key of `STAGES`.
    complete : bool
        Whether the command that writes it has ended; if not, `state` is where it goes on.
    arguments : dict
        Everything that determines the result: recipe values, seed, split, threads, the data's
        and the input files' hashes. Equal arguments give equal results.
    provenance : dict
        What the result should not depend on, but might: versions, machine, times.
    model : Tree
        The finished parameters; empty while not complete.
    state : Tree
        The learner's state; empty once complete.
    history : dict from column name to (epochs,) float64 array
        NaN where an epoch did not measure a column.
    outcome : Tree
        What was measured at the end; empty while not complete.
    """

    stage: str
    complete: bool
    arguments: Tree
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
    """One array a column from one dictionary an epoch.

    Parameters
    ----------
    rows : list of dict

    Returns
    -------
    dict from column name to (len(rows),) float64 array, NaN where a row lacks the column
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return {n: np.array([row.get(n, np.nan) for row in rows], np.float64) for n in names}


def history_rows(columns: Mapping[str, NDArray[np.float64]]) -> list[dict[str, float]]:
    """The inverse of `history_columns`."""
    length = max((len(column) for column in columns.values()), default=0)
    return [
        {n: float(c[i]) for n, c in columns.items() if not np.isnan(c[i])} for i in range(length)
    ]


# -- writing -------------------------------------------------------------------------------------


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a file so that at `path` there is always the whole old file or the whole new one.

    Parameters
    ----------
    path : Path
        Its folder is made if need be.
    checkpoint : Checkpoint

    Raises
    ------
    CheckpointError
        If the file cannot be written; what was at `path` is then untouched.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary, checkpoint)
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise CheckpointError(f"{path}: cannot be written: {reason}") from None
    with contextlib.suppress(OSError):  # not every file system can sync a folder
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, checkpoint: Checkpoint) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["format"] = np.bytes_(FORMAT)
        file.attrs["version"] = VERSION
        head = {
            "stage": checkpoint.stage,
            "complete": checkpoint.complete,
            "arguments": checkpoint.arguments,
            "provenance": checkpoint.provenance,
        }
        file.attrs["head"] = np.bytes_(json.dumps(head))
        for part in _PARTS:
            _write_tree(file.create_group(part), getattr(checkpoint, part))


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
    """Read and check a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        If there is no such file, or it is damaged, or not a checkpoint of this version. Links
        to other files, compressed or otherwise filtered data and oversized declarations are
        refused: this package never writes them.
    """
    try:
        with path.open("rb"):
            pass
        size = path.stat().st_size
        with h5py.File(path, "r") as file:
            return _read(file, size)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path}: is a folder, not a checkpoint") from None
    except PermissionError:
        raise CheckpointError(f"{path}: may not be read") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: not a readable HDF5 file, or damaged: {reason}") from None


def _read(file: h5py.File, size: int) -> Checkpoint:
    if _text(file, "format") != FORMAT:
        raise CheckpointError("not a hinton06 checkpoint")
    version = file.attrs.get("version")
    if not isinstance(version, np.integer) or int(version) != VERSION:
        raise CheckpointError(
            f"is of format version {version}; this hinton06 reads version {VERSION}"
        )
    head = _json(file, "head")
    if head.get("stage") not in STAGES or not isinstance(head.get("complete"), bool):
        raise CheckpointError("does not say what it holds")
    if not isinstance(head.get("arguments"), dict) or not isinstance(head.get("provenance"), dict):
        raise CheckpointError("does not say how it was made")
    parts = {part: _read_tree(_member(file, part), size, 0) for part in _PARTS}
    if not all(isinstance(column, np.ndarray) for column in parts["history"].values()):
        raise CheckpointError("its history has a column that is not an array")
    lengths = {column.shape for column in parts["history"].values()}
    if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
        raise CheckpointError("its history has columns of different lengths")
    return Checkpoint(
        stage=head["stage"],
        complete=head["complete"],
        arguments=head["arguments"],
        provenance=head["provenance"],
        **parts,
    )


def _text(group: h5py.Group, name: str) -> str:
    if name not in group.attrs:
        raise CheckpointError("not a hinton06 checkpoint")
    value = group.attrs[name]
    if not isinstance(value, bytes):
        raise CheckpointError(f"its {name} is not text")
    return value.decode("utf-8", "replace")


def _json(group: h5py.Group, name: str) -> Tree:
    try:
        value = json.loads(_text(group, name))
    except (json.JSONDecodeError, RecursionError):
        raise CheckpointError(f"its {name} is damaged") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"its {name} is damaged")
    return value


def _member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise CheckpointError(f"{group.name.rstrip('/')}/{name} is missing or a link")
    member = group[name]
    if not isinstance(member, h5py.Group | h5py.Dataset):
        raise CheckpointError(f"{member.name} is neither a group nor a dataset")
    return member


def _read_tree(group: h5py.Group | h5py.Dataset, size: int, depth: int) -> Tree:
    if not isinstance(group, h5py.Group) or depth > _MAX_DEPTH:
        raise CheckpointError(f"{group.name} is not a group of this format")
    tree = _json(group, "values")
    for name in group:
        member = _member(group, name)
        if isinstance(member, h5py.Group):
            tree[name] = _read_tree(member, size, depth + 1)
        else:
            tree[name] = _read_array(member, size)
    return tree


def _read_array(dataset: h5py.Dataset, size: int) -> NDArray[Any]:
    layout = dataset.id.get_create_plist().get_layout()
    plain = layout in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT) and not dataset.external
    plain = plain and dataset.shape is not None and dataset.dtype.byteorder != ">"
    if not plain or dataset.dtype.kind not in _KINDS:
        raise CheckpointError(f"{dataset.name} is not stored the way this format stores arrays")
    # A contiguous dataset lies in the file in full, so it cannot be larger than the file.
    if dataset.nbytes > size or (dataset.nbytes and dataset.id.get_storage_size() == 0):
        raise CheckpointError(f"{dataset.name} declares more data than the file holds")
    array: NDArray[Any] = dataset[()]
    return array
