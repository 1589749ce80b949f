"""What one checkpoint holds, for a person or as JSON values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from hinton06.checkpoint import STAGES, Checkpoint, Tree, history_rows
from hinton06.recipes import RECIPES, show_value
from hinton06.report.scores import outcome_values, scores_line

_LAST_EPOCHS = 5


def values(found: Checkpoint) -> Tree:
    """Everything but the numbers of the arrays, as JSON values.

    Parameters
    ----------
    found : Checkpoint

    Returns
    -------
    dict
    """
    return {
        "stage": found.stage,
        "complete": found.complete,
        "arguments": found.arguments,
        "provenance": found.provenance,
        "arrays": {name: list(array.shape) for name, array in _arrays(found)},
        "sha256": found.digest(),
        "history": history_rows(found.history),
        "outcome": outcome_values(found.outcome),
    }


def _arrays(found: Checkpoint) -> list[tuple[str, Any]]:
    """The arrays of the model, or of the learner while the file is not finished."""

    def walk(prefix: str, tree: Tree) -> list[tuple[str, Any]]:
        rows: list[tuple[str, Any]] = []
        for name, value in tree.items():
            if isinstance(value, dict):
                rows += walk(f"{prefix}{name}/", value)
            elif isinstance(value, np.ndarray):
                rows.append((f"{prefix}{name}", value))
        return rows

    return walk("", found.model if found.complete else found.state)


def show(path: Path, found: Checkpoint) -> None:
    """Print what a file holds on standard output.

    Parameters
    ----------
    path : Path
    found : Checkpoint
    """
    console = Console(highlight=False, markup=False)
    state = "finished" if found.complete else "not finished: start its command again to go on"
    console.print(f"{path}: {STAGES[found.stage]}, {state}")
    if found.outcome.get("role"):
        console.print(f"{found.outcome['role']}: {found.outcome['reason']}")
        console.print(scores_line(found.outcome).strip())
    console.print(f"model SHA-256 {found.digest()}\n" if found.complete else "")
    console.print(_settings_table(found))
    console.print()
    console.print(_arrays_table(found))
    console.print()
    console.print(_history_table(found))
    console.print()
    console.print(_pairs_table("made by", found.provenance))


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _settings_table(found: Checkpoint) -> Table:
    """Each argument, and for a recipe's own values where they come from."""
    recipe = RECIPES.get(found.arguments["recipe"])
    part = {"stack": "pretrain", "classifier": "backprop", "generative": "wakesleep"}[found.stage]
    table = _table("argument", "value", "source")
    for name, value in found.arguments.items():
        if name != "settings":
            table.add_row(name, show_value(value))
    for name, raw in found.arguments["settings"].items():
        value = tuple(raw) if isinstance(raw, list) else raw
        source = "option"
        if recipe and getattr(getattr(recipe, part), name, None) == value:
            source = recipe.sources[f"{part}.{name}"]
        table.add_row(name, show_value(value), source)
    return table


def _arrays_table(found: Checkpoint) -> Table:
    table = _table("array", "shape", "type", "range")
    for name, array in _arrays(found):
        limits = f"{array.min():.4g} to {array.max():.4g}" if array.size else ""
        table.add_row(name, " x ".join(map(str, array.shape)), str(array.dtype), limits)
    return table


def _history_table(found: Checkpoint) -> Table:
    rows = history_rows(found.history)
    shown = rows[-_LAST_EPOCHS:]
    columns = [name for name in found.history if any(name in row for row in shown)]
    table = _table("epoch", *(name.replace("_", " ") for name in columns))
    for epoch, row in enumerate(shown, len(rows) - len(shown) + 1):
        table.add_row(str(epoch), *(f"{row[n]:.4g}" if n in row else "" for n in columns))
    return table


def _pairs_table(title: str, pairs: Tree) -> Table:
    table = _table(title, "")
    for name, value in pairs.items():
        table.add_row(name, ", ".join(value) if isinstance(value, list) else str(value))
    return table
