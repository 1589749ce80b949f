"""What one file holds, for a person or as JSON values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from hinton06.checkpoint import history_rows
from hinton06.console import tell
from hinton06.lineage import PRETRAINED
from hinton06.loading import RunFile
from hinton06.recipes import RECIPES, show_value
from hinton06.records import Tree, to_tree
from hinton06.report.scores import scores_line
from hinton06.report.table import Column, Row, Table


def values(file: RunFile) -> Tree:
    """Everything but the numbers of the arrays, as JSON values."""
    return {
        "kind": file.kind.name,
        "complete": file.complete,
        "recipe": file.recipe,
        "settings": to_tree(file.settings),
        "lineage": to_tree(file.lineage),
        "provenance": file.provenance,
        "arrays": {name: list(array.shape) for name, array in _arrays(file)},
        "sha256": file.digest,
        "history": history_rows(file.history),
        "outcome": file.outcome.values(),
    }


def show(file: RunFile) -> None:
    """Print what a file holds on standard output."""
    state = "finished" if file.complete else "not finished: start its command again to go on"
    tell(f"{file.path}: {file.kind.about}, {state}")
    if file.complete and file.lineage.role != PRETRAINED:
        tell(f"{file.lineage.role}: {file.outcome.reason}")
        tell(scores_line(file.outcome).strip())
    if file.complete:
        tell(f"model SHA-256 {file.digest}")
    if file.lineage.rounded_from:
        tell(
            f"rounded to {file.lineage.bits} significant bits from the model "
            f"{file.lineage.rounded_from}, whose scores these are"
        )
    for table in (_settings(file), _model(file), _history(file), _made_by(file)):
        tell("")
        table.show()


def _texts(*headings: str) -> list[Column]:
    """Columns of text, each of the value that its heading names."""
    return [Column(heading, f"{{{heading}}}", left=True) for heading in headings]


def shown(value: Any) -> str:
    """A value of a lineage or a provenance, as it is shown."""
    if value is None:
        return "not recorded"
    words = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    return ", ".join(value) if words else show_value(value)


def _measured(value: Any) -> str:
    """As `shown`, seconds without the digits that no clock has."""
    return f"{value:.1f}" if isinstance(value, float) else shown(value)


def settings(file: RunFile) -> list[tuple[str, str, str]]:
    """Name, value and source of each setting of a file, as they are shown."""
    recipe, part = RECIPES.get(file.recipe), file.kind.part
    found = []
    for name, value in vars(file.settings).items():
        source = recipe.source(part, name, value, file.conditions) if recipe else "option"
        found.append((name, show_value(value), source))
    return found


def _settings(file: RunFile) -> Table:
    """What determined the result, and where the value of each setting comes from."""
    descent = [("recipe", file.recipe), *file.lineage.rows()]
    rows = [(name, shown(value), "") for name, value in descent] + settings(file)
    names = ("argument", "value", "source")
    return Table(_texts(*names), [dict(zip(names, row, strict=True)) for row in rows])


def _arrays(file: RunFile) -> Iterator[tuple[str, Any]]:
    """The arrays of the model, or of the learner while the file is not finished."""
    return _walk("", file.held.model if file.complete else file.held.state)


def _walk(prefix: str, tree: Tree) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _walk(f"{prefix}{name}/", value)
        elif isinstance(value, np.ndarray):
            yield f"{prefix}{name}", value


def _model(file: RunFile) -> Table:
    rows = []
    for name, array in _arrays(file):
        extent = f"{array.min():.4g} to {array.max():.4g}" if array.size else ""
        shape = " x ".join(map(str, array.shape))
        rows.append({"array": name, "shape": shape, "type": str(array.dtype), "range": extent})
    return Table(_texts("array", "shape", "type", "range"), rows)


def _history(file: RunFile) -> Table:
    """The last five epochs, and of each what it measured."""
    rows = [{"epoch": n, **row} for n, row in enumerate(history_rows(file.history), 1)]
    shown = rows[-5:]
    names = [name for name in file.history if any(name in row for row in shown)]
    measured = [Column(name.replace("_", " "), partial(_number, name)) for name in names]
    return Table([Column("epoch", "{epoch}"), *measured], shown)


def _number(name: str, row: Row) -> str:
    """Counts whole, what was measured to four digits."""
    value = row.get(name)
    if value is None:
        return ""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"


def _made_by(file: RunFile) -> Table:
    rows = [{"made by": name, "value": _measured(v)} for name, v in file.provenance.items()]
    return Table([*_texts("made by"), Column("", "{value}", left=True)], rows)
