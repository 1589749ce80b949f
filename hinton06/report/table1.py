"""Table 1 of the chapter, printed beside measured."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from hinton06.checkpoint import Checkpoint, Tree
from hinton06.recognition import product_of_nets, score
from hinton06.report.files import ReportError, Tabulated, each_checkpoint
from hinton06.report.scores import interval


@dataclass(frozen=True)
class Row:
    """One line of Table 1; None where the chapter's table is empty or nothing is measured.

    Parameters
    ----------
    network : str
    cases : str
        Training cases.
    epochs : str
        As the chapter writes them, ``"33"`` or ``"33+16"``.
    train_cost, valid_cost, test_cost : str
        Nats per 100 cases.
    train_errors, valid_errors, test_errors : int
    test_cases : int
        Cases that `test_errors` were counted on.
    """

    network: str
    cases: str | None = None
    epochs: str | None = None
    train_cost: str | None = None
    train_errors: int | None = None
    valid_cost: str | None = None
    valid_errors: int | None = None
    test_cost: str | None = None
    test_errors: int | None = None
    test_cases: int = 10_000


# The chapter's own numbers: Table 1 of UTML TR 2006-004.
PRINTED = (
    Row("Neta", "50,000", "33", "0.12", 1, "6.49", 129, "6.22", 122),
    Row("Netb", "50,000", "56", "0.04", 0, "7.81", 118, "6.21", 116),
    Row("Netc", "50,000", "63", "0.03", 0, "8.12", 118, "6.73", 124),
    Row("Combined", test_cost="5.75", test_errors=110),
    Row("Neta", "60,000", "33+16", "<0.12", 1, test_cost="5.81", test_errors=113),
    Row("Netb", "60,000", "56+28", "<0.04", 0, test_cost="5.90", test_errors=106),
    Row("Netc", "60,000", "63+31", "<0.03", 0, test_cost="5.93", test_errors=118),
    Row("Combined", test_cost="5.40", test_errors=106),
    Row("not pre-trained", "60,000", "119", "<0.063", 0, test_cost="18.43", test_errors=227),
)

# Where each line's numbers come from: (role, split), or the role of three nets combined.
_SOURCES: tuple[tuple[str, str | None], ...] = (
    ("validated", "a"),
    ("validated", "b"),
    ("validated", "c"),
    ("validated", None),
    ("extended", "a"),
    ("extended", "b"),
    ("extended", "c"),
    ("extended", None),
    ("not pretrained", None),
)

_COLUMNS = {
    "network": "network",
    "cases": "backprop training set size",
    "epochs": "train epochs",
    "train_cost": "train cost per 100",
    "train_errors": "train errs",
    "valid_cost": "valid. cost per 100",
    "valid_errors": "valid. errs",
    "test_cost": "test cost per 100",
    "test_errors": "test errs",
}


@dataclass
class Table1:
    """What the files of one folder hold, in the order of `PRINTED`.

    Parameters
    ----------
    measured : list of Row or None
        None where the files for a line are missing.
    notes : list of str
        What is missing, unfinished, capped or does not belong together.
    nets : dict from (role, split) to Checkpoint
    pretrained : dict from split to Checkpoint
    """

    measured: list[Row | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    nets: dict[tuple[str, str | None], Checkpoint] = field(default_factory=dict)
    pretrained: dict[str, Checkpoint] = field(default_factory=dict)


# -- reading -------------------------------------------------------------------------------------


def read_runs(folder: Path) -> Table1:
    """Gather Table 1 from the finished files of a folder, whatever their names are.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Table1

    Raises
    ------
    ReportError
        If there is no file of this package in the folder, or two for the same line.

    Source
    ------
    Table 1.
    """
    table = Table1()
    for path, found in each_checkpoint(folder, table.notes):
        _place(table, path, found)
    if not (table.nets or table.pretrained or table.notes):
        raise ReportError(f"{folder}: there are no nets of Table 1 in it")
    table.measured = [_measured_row(table, *source) for source in _SOURCES]
    table.notes += _missing(table) + _capped(table) + _mixed(table)
    return table


def _place(table: Table1, path: Path, found: Checkpoint) -> None:
    others = ("labels", "translations", "labelled", "random_start")
    if found.stage == "generative" or any(found.arguments.get(name) for name in others):
        return  # not of Table 1
    if not found.complete or path.suffix == ".part":
        epochs = max((len(column) for column in found.history.values()), default=0)
        table.notes.append(f"{path.name}: not finished, {epochs} epochs done")
        return
    if found.stage == "stack":
        place: Any = found.arguments["split"]
        there: dict[Any, Checkpoint] = table.pretrained
    else:
        place, there = (found.outcome["role"], found.outcome["split"]), table.nets
    if place in there:
        raise ReportError(f"{path}: a second file for the same line of Table 1")
    there[place] = found


def _measured_row(table: Table1, role: str, split: str | None) -> Row | None:
    if role != "not pretrained" and split is None:
        return _combined_row([table.nets.get((role, name)) for name in ("a", "b", "c")])
    net = table.nets.get((role, split))
    return None if net is None else _net_row(net.outcome)


def _net_row(outcome: Tree) -> Row:
    train, test, valid = outcome["train"], outcome["test"], outcome.get("valid")
    split, before = outcome["split"], outcome["epochs_before"]
    return Row(
        network=f"Net{split}" if split else "not pre-trained",
        cases=f"{train['cases']:,}",
        epochs=f"{before}+{outcome['epochs']}" if before else str(outcome["epochs"]),
        train_cost=f"{train['cost_per_100']:.3f}",
        train_errors=train["errors"],
        valid_cost=None if valid is None else f"{valid['cost_per_100']:.2f}",
        valid_errors=None if valid is None else valid["errors"],
        test_cost=f"{test['cost_per_100']:.2f}",
        test_errors=test["errors"],
        test_cases=test["cases"],
    )


def _combined_row(nets: Sequence[Checkpoint | None]) -> Row | None:
    outcomes = [net.outcome for net in nets if net is not None]
    if len(outcomes) < len(nets):
        return None
    labels = outcomes[0]["test_labels"]
    if any(not np.array_equal(outcome["test_labels"], labels) for outcome in outcomes):
        raise ReportError("the three nets were tested on different cases")
    product = product_of_nets([outcome["test_log_probs"] for outcome in outcomes])
    measured = score(product, labels)
    return Row(
        "Combined",
        test_cost=f"{measured.cost_per_100:.2f}",
        test_errors=measured.errors,
        test_cases=measured.cases,
    )


def _missing(table: Table1) -> list[str]:
    lacking = [
        "the not pre-trained net" if role == "not pretrained" else f"{role} Net{split}"
        for role, split in _SOURCES
        if (role, split) not in table.nets and (split or role == "not pretrained")
    ]
    return [f"missing: {', '.join(lacking)}"] if lacking else []


def _capped(table: Table1) -> list[str]:
    return [
        f"{role} {'net' if split is None else 'Net' + split}: {net.outcome['reason']}, before "
        "its stopping rule was met"
        for (role, split), net in table.nets.items()
        if net.outcome["capped"]
    ]


def _mixed(table: Table1) -> list[str]:
    files = [*table.nets.values(), *table.pretrained.values()]
    notes = []
    for key, name in (("recipe", "recipes"), ("seed", "seeds"), ("data", "data sets")):
        values = {str(found.arguments[key]) for found in files}
        if len(values) > 1:
            notes.append(f"the files come from different {name}: {', '.join(sorted(values))}")
    return notes


# -- printing ------------------------------------------------------------------------------------


def tabulated(table: Table1) -> Tabulated[Table1]:
    """The table, to be printed or saved."""
    return Tabulated(
        "table1",
        table,
        _terminal,
        markdown,
        comma_separated,
        as_json,
        {"learning-curves.png": _learning_curves},
    )


def _pairs(table: Table1) -> list[tuple[Row, Row | None]]:
    return list(zip(PRINTED, table.measured, strict=True))


def _errors_with_interval(row: Row) -> str:
    if row.test_errors is None:
        return ""
    return f"{row.test_errors} ± {interval(row.test_errors, row.test_cases)}"


def _cells(row: Row | None) -> list[str]:
    if row is None:
        return ["", "", "", "", "", "", "", "missing"]
    values = [getattr(row, name) for name in list(_COLUMNS)[1:-1]]
    return ["" if value is None else str(value) for value in values] + [_errors_with_interval(row)]


def _terminal(table: Table1) -> None:
    shown = Table(
        title="Table 1: the chapter's numbers, and ours below them",
        title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0),
        header_style="bold",
    )  # fmt: skip
    shown.add_column("network\n", no_wrap=True)
    shown.add_column("\n", no_wrap=True)
    headings = ("cases", "epochs", "train\ncost", "\nerrs", "valid.\ncost", "\nerrs",
                "test\ncost", "\nerrs")  # fmt: skip
    for heading in headings:
        shown.add_column(heading, justify="right", no_wrap=True)
    for printed, measured in _pairs(table):
        shown.add_row(printed.network, "chapter", *_cells(printed), style="dim")
        shown.add_row("", "ours", *_cells(measured))
    console = Console(highlight=False)
    console.print(shown)
    console.print(
        "Costs in nats per 100 cases; ± is a 95 % interval for the sampling of the test cases."
    )
    for note in table.notes:
        console.print(f"Note: {note}", markup=False)


def markdown(table: Table1) -> str:
    """The table in Markdown, two lines for each line of the chapter's."""
    lines = [
        "| network | | " + " | ".join(list(_COLUMNS.values())[1:]) + " |",
        "|---|---|" + "---:|" * (len(_COLUMNS) - 1),
    ]
    for printed, measured in _pairs(table):
        lines.append(f"| {printed.network} | chapter | " + " | ".join(_cells(printed)) + " |")
        ours = [f"**{cell}**" if cell else "" for cell in _cells(measured)]
        lines.append("| | ours | " + " | ".join(ours) + " |")
    lines += [
        "",
        "Costs in nats per 100 cases; ± is a 95 % interval for the sampling of the test cases.",
        *(f"\nNote: {note}" for note in table.notes),
    ]
    return "\n".join(lines)


def comma_separated(table: Table1) -> str:
    """The table as CSV, one record for each line and source."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["source", *_COLUMNS, "test_cases", "test_errors_95_interval"])
    for printed, measured in _pairs(table):
        for source, row in (("chapter", printed), ("measured", measured)):
            if row is not None:
                values = ["" if (v := getattr(row, c)) is None else v for c in _COLUMNS]
                half = interval(row.test_errors or 0, row.test_cases)
                writer.writerow([source, *values, row.test_cases, half])
    return written.getvalue().rstrip("\n")


def as_json(table: Table1) -> str:
    """The table as JSON, with how each file was made."""
    rows = [
        {"printed": _row_values(printed), "measured": _row_values(measured)}
        for printed, measured in _pairs(table)
    ]
    files = [*table.pretrained.items(), *table.nets.items()]
    made = [
        {
            "net": key if isinstance(key, str) else " ".join(part for part in key if part),
            "stage": found.stage,
            "sha256": found.digest(),
            "arguments": found.arguments,
            "provenance": found.provenance,
            "reason": found.outcome.get("reason"),
        }
        for key, found in files
    ]
    seconds = sum(float(found.provenance["cpu_seconds"]) for _, found in files)
    document = {
        "rows": rows,
        "notes": table.notes,
        "cpu_seconds_of_all_files": round(seconds, 1),
        "files": made,
    }
    return json.dumps(document, indent=2)


def _row_values(row: Row | None) -> Tree | None:
    if row is None:
        return None
    values = {name: getattr(row, name) for name in _COLUMNS}
    if row.test_errors is not None:
        values["test_error_rate_percent"] = round(100 * row.test_errors / row.test_cases, 3)
        values["test_errors_95_interval"] = interval(row.test_errors, row.test_cases)
    return values


_COLOURS = {"a": "tab:blue", "b": "tab:orange", "c": "tab:green", None: "tab:red"}


def _learning_curves(table: Table1) -> bytes:
    from hinton06.report import curves  # noqa: PLC0415  # Matplotlib is slow to import

    drawn = [
        curves.Curve(f"Net{split}", _COLOURS[split], found)
        for split, found in sorted(table.pretrained.items())
    ]
    for (role, split), found in sorted(table.nets.items(), key=str):
        name = f"Net{split}" if split else "not pre-trained"
        name += " extended" if role == "extended" else ""
        drawn.append(curves.Curve(name, _COLOURS[split], found))
    return curves.draw(drawn, curves.DISCRIMINATIVE)
