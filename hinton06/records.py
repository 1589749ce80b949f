"""What a file must record, beside arrays that fit, before anything is done with it.

`hinton06.checkpoint` reads trees and asks nothing of their content. Here the content is asked
for, so that whoever shows, tabulates or continues a file finds what it needs. Not in the
chapter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import checkpoint
from hinton06.checkpoint import Checkpoint, CheckpointError, Tree
from hinton06.mnist import SPLITS

Check = Callable[[Any], bool]


def load(path: Path) -> Checkpoint:
    """Read a file of this package, finished or not.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        If it cannot be read, or does not record what a file of its stage records.
    """
    return checked(path, checkpoint.load(path))


def checked(path: Path, found: Checkpoint) -> Checkpoint:
    """A file that was read, if it records what a file of its stage records.

    Parameters
    ----------
    path : Path
        For the error message.
    found : Checkpoint

    Returns
    -------
    Checkpoint
        The same.

    Raises
    ------
    CheckpointError
        Naming the first value that is missing or cannot be.
    """
    _require(path, found.arguments, _ARGUMENTS, "argument")
    _require(path, found.provenance, {"seconds": _number}, "provenance")
    if not all(_flat(value) for value in found.provenance.values()):
        raise CheckpointError(f"{path}: its provenance is not a list of names and values")
    for name, value in [*found.arguments.items(), *found.outcome.items()]:
        if not _finite(value):
            raise CheckpointError(f"{path}: its {name} holds a number that is not finite")
    for name, column in found.history.items():
        if np.isinf(column).any():  # NaN is an epoch that did not measure it
            raise CheckpointError(f"{path}: its history of {name} holds an infinity")
    if found.complete and found.stage == "stack":
        _require(path, found.arguments, {"split": _split}, "argument")
        _require(path, found.history, {"recon_error": _measured}, "history")
        if "test" in found.outcome:  # it learned labels
            _require(path, found.outcome, _RECOGNITION, "outcome")
            _require_fit(path, found.outcome)
    elif found.complete:
        _require(path, found.outcome, _OUTCOME, "outcome")
        _require_scores(path, found)
    return found


def _require(path: Path, tree: Mapping[str, Any], checks: Mapping[str, Check], what: str) -> None:
    for name, check in checks.items():
        if name not in tree:
            raise CheckpointError(f"{path}: does not record its {what} {name}")
        if not check(tree[name]):
            raise CheckpointError(f"{path}: its {what} {name} is not what this package writes")


def _require_scores(path: Path, found: Checkpoint) -> None:
    outcome, history = found.outcome, found.history
    for part in ("train", "test", "valid"):
        if part in outcome and not _score(outcome[part]):
            raise CheckpointError(f"{path}: its outcome {part} is not a score")
    if not _number(outcome.get("bp_weight", 0.0)):
        raise CheckpointError(f"{path}: its outcome bp_weight is not a number")
    _require_fit(path, outcome)
    validated = outcome["role"] == "validated"
    columns = ("valid_cost", "valid_errors") if validated else ("train_cost",)
    _require(path, history, dict.fromkeys(columns, _measured), "history")
    if validated:
        _require(path, outcome, {"valid": _score}, "outcome")
    elif found.stage == "classifier":
        _require(path, outcome, {"target_cost": _number}, "outcome")
    if not 0 <= outcome["epochs"] <= len(history[columns[0]]):
        raise CheckpointError(f"{path}: its outcome epochs is not in its history")


def _require_fit(path: Path, outcome: Tree) -> None:
    probabilities, labels = outcome["test_log_probs"], outcome["test_labels"]
    if len(probabilities) != len(labels) or labels.max() >= probabilities.shape[1]:
        raise CheckpointError(f"{path}: its outcome test_labels does not fit its test_log_probs")


def _number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _split(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value in SPLITS)


def _settings(value: Any) -> bool:
    return isinstance(value, dict) and all(
        all(_number(size) for size in item)
        if isinstance(item, list)
        else isinstance(item, str | bool) or _number(item)
        for item in value.values()
    )


def _flat(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return value is None or isinstance(value, str | bool) or _number(value)


def _finite(value: Any) -> bool:
    """Whether no number among nested values is NaN or infinite; arrays are not looked at."""
    if isinstance(value, dict):
        return all(_finite(inner) for inner in value.values())
    if isinstance(value, list):
        return all(_finite(inner) for inner in value)
    return not isinstance(value, float) or math.isfinite(value)


def _measured(column: Any) -> bool:
    return isinstance(column, np.ndarray) and column.dtype.kind == "f" and len(column) > 0


def _score(value: Any) -> bool:
    names = ("cases", "errors", "cost_per_100")
    if not isinstance(value, dict) or any(name not in value for name in names):
        return False
    cases, errors, cost = (value[name] for name in names)
    return _count(cases) and _count(errors) and errors <= cases > 0 and _number(cost)


def _probabilities(value: Any) -> bool:
    is_array = isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind == "f"
    return is_array and value.size > 0 and bool(np.isfinite(value).all())


def _labels(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype == np.uint8


_ARGUMENTS: Mapping[str, Check] = {
    "recipe": _text,
    "settings": _settings,
    "seed": _count,
    "threads": _count,
    "data": _text,
}
_OUTCOME: Tree = {
    "role": _text,
    "split": _split,
    "reason": _text,
    "capped": lambda value: isinstance(value, bool),
    "epochs": _count,
    "epochs_before": _count,
    "train": _score,
    "test": _score,
    "test_log_probs": _probabilities,
    "test_labels": _labels,
}
_RECOGNITION: Mapping[str, Check] = {
    "train": _score,
    "valid": _score,
    "test": _score,
    "test_log_probs": _probabilities,
    "test_labels": _labels,
}
