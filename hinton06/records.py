"""Typed values to and from the trees of names, numbers and words that a file holds.

A field with a default may be missing in a file: it was added after the file was written, and its
default is what held until then. Not in the chapter.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

import numpy as np

Tree = dict[str, Any]
"""Nested dictionaries whose leaves are arrays, numbers, strings, booleans, lists or None."""

_MOST = 1 << 63
T = TypeVar("T")


def to_tree(value: Any) -> Tree:
    """A dataclass as a tree: tuples become lists, what is None stays, arrays are not copied."""
    return {item.name: _leaf(getattr(value, item.name)) for item in dataclasses.fields(value)}


def _leaf(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_tree(value)
    return list(value) if isinstance(value, tuple) else value


def from_tree(kind: type[T], tree: Mapping[str, Any], what: str, strict: bool = True) -> T:
    """The dataclass that a tree records, whose fields are typed; `what` names its values.

    Raises ValueError naming the first value that is missing, of another type than its field, or, if
    `strict`, unknown to the dataclass, for it may change the meaning of the others.
    """
    hints, values = typing.get_type_hints(kind), {}
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]  # of a dataclass, see above
        if item.name in tree:
            try:
                values[item.name] = _typed(hints[item.name], tree[item.name])
            except ValueError as error:
                wrong = f"its {what} {item.name} is not what this package writes"
                raise ValueError(f"{wrong}: {error}" if str(error) else wrong) from None
        elif item.default is dataclasses.MISSING:
            raise ValueError(f"does not record its {what} {item.name}")
    unknown = [name for name in tree if name not in hints]
    if unknown and strict:
        raise ValueError(f"records the {what} {unknown[0]}, which only a newer version knows")
    return kind(**values)


def _typed(hint: Any, value: Any) -> Any:
    """The value, if it is of the type that a field is annotated with."""
    options = get_args(hint) if get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    if value is None and type(None) in options:
        return None
    (hint,) = [option for option in options if option is not type(None)]
    if get_origin(hint) is tuple and isinstance(value, list | tuple):
        return tuple(_typed(get_args(hint)[0], item) for item in value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return from_tree(hint, value, "value", strict=False)
    if hint is float and is_number(value):
        return float(value)
    is_count = hint is int and is_number(value) and value == int(value) and 0 <= value < _MOST
    is_array = _origin(hint) is np.ndarray and isinstance(value, np.ndarray)
    if not (is_count or is_array or (hint in (str, bool) and type(value) is hint)):
        raise ValueError
    return value


def _origin(hint: Any) -> Any:
    """As `get_origin`, of what an alias stands for: NumPy's NDArray is one from 2.5 on."""
    origin = get_origin(hint)
    return get_origin(getattr(origin, "__value__", None)) or origin


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, and no truth value."""
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)


def difference(old: Any, new: Any) -> str:
    """What differs first between two values of one dataclass, in words; empty if nothing does.

    Fields that are not compared, and what an older file did not record (None), are passed over.
    """
    for item in dataclasses.fields(new):
        before, now = getattr(old, item.name), getattr(new, item.name)
        unrecorded = before is None and item.metadata.get("unrecorded", False)
        if item.compare and before != now and not unrecorded:
            return f"{item.name.replace('_', ' ')} was {_short(before)}, now {_short(now)}"
    return ""


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return "-".join(str(item)[:12] for item in value) or "nothing"
    text = "nothing" if value in (None, "") else str(value)
    return text if len(text) <= 24 else text[:12] + "..."
