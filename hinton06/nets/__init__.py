"""Finished nets inside the package, which are opened by name wherever a file can be given.

``NAME.h5.xz`` beside this module are files like any other, their numbers rounded to 16 bits
(`rounded`) so that they are small; `make nets-inside` makes them from those of a run.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from hinton06.checkpoint import Checkpoint, CheckpointError
from hinton06.records import Tree

FOLDER = Path(__file__).parent
ENDING = ".h5.xz"

MOST_BITS = 11
"""The significant bits of a float16."""


def names() -> tuple[str, ...]:
    """The names of the nets inside."""
    return tuple(sorted(path.name.removesuffix(ENDING) for path in FOLDER.glob(f"*{ENDING}")))


def could_be_name(path: Path) -> bool:
    """Whether a path is a bare word, and of no file: a net of that name is meant, or none."""
    return path.name == str(path) and not path.suffix and not os.path.isfile(path)


def located(path: Path) -> Path:
    """Where the net of a name lies; of anything that is there, and of a path, the path itself.

    Raises `CheckpointError`, which lists the names, if a bare word is neither name nor file.
    """
    if could_be_name(path) and path.name in names():
        return FOLDER / f"{path}{ENDING}"
    if could_be_name(path) and not os.path.exists(path):
        raise CheckpointError(
            f"{path}: there is no such file, and no net of that name (there are "
            f"{', '.join(names())})"
        )
    return path


def rounded(exact: Checkpoint, bits: int = MOST_BITS) -> Checkpoint:
    """A finished file with the numbers of its model, and of its answers, as float16.

    To so many significant bits, at most `MOST_BITS`: fewer pack better. Settings, lineage, scores,
    history and provenance stay those of the exact one, and the lineage says so. Raises
    `CheckpointError` if a number is too large for a float16.
    """
    if not 1 <= bits <= MOST_BITS:
        raise ValueError(f"a float16 has 1 to {MOST_BITS} significant bits, not {bits}")
    lineage = exact.lineage | {"rounded_from": exact.digest(), "bits": bits}
    model, outcome = _halved(exact.model, bits), _halved(exact.outcome, bits)
    return dataclasses.replace(exact, lineage=lineage, model=model, outcome=outcome)


def _halved(tree: Tree, bits: int) -> Tree:
    return {
        name: _halved(value, bits) if isinstance(value, dict) else _half(name, value, bits)
        for name, value in tree.items()
    }


def _half(name: str, value: Any, bits: int) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        return value
    fractions, exponents = np.frexp(value)
    with np.errstate(over="ignore"):  # found out below
        near = np.ldexp(np.rint(np.ldexp(fractions, bits)), exponents - bits).astype(np.float16)
    if not np.isfinite(near).all():
        raise CheckpointError(f"{name} holds a number that is too large for a float16")
    return near
