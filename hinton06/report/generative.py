"""The generative half's error rates, printed beside measured: one line an experiment."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console
from rich.table import Table

from hinton06 import records
from hinton06.checkpoint import Checkpoint, CheckpointError, Tree
from hinton06.recipes import CHAPTER, HOT06
from hinton06.recognition import Score, product_of_nets, score
from hinton06.report.files import ReportError
from hinton06.report.scores import coefficient_curve, interval

FORMATS = ("terminal", "markdown", "csv", "json")


@dataclass(frozen=True)
class Experiment:
    """One experiment of the generative half.

    Parameters
    ----------
    name : str
    key : str
        What `_key` says of the files that belong to it.
    printed_percent : float or None
        The test error rate in print; None where there is none.
    source : str
        Where it is printed.
    """

    name: str
    key: str
    printed_percent: float | None = None
    source: str = ""


# Test error rates in print: the chapter's section "Using contrastive wake-sleep for generative
# fine-tuning", and Hinton, Osindero and Teh (2006).
EXPERIMENTS = (
    Experiment("greedy pretraining with labels", "stack", 2.49, HOT06),
    Experiment("contrastive wake-sleep, 50,000", "cws", 1.39, HOT06),
    Experiment("contrastive wake-sleep, 60,000", "cws extended", 1.25, CHAPTER),
    Experiment("mixed gradient, 50,000", "hybrid"),
    Experiment("mixed gradient, 60,000", "hybrid extended", 0.97, CHAPTER),
    Experiment("BP with the pretraining's gradient", "pretraining"),
)


@dataclass(frozen=True)
class Line:
    """One net, or the product of an experiment's nets.

    Parameters
    ----------
    experiment : Experiment
    net : str
        The split, or ``"product"``.
    epochs : str
        ``"40"`` or ``"40+12"``.
    coefficient : float or None
        Of backpropagation.
    train, valid, test : Score or None
    """

    experiment: Experiment
    net: str
    epochs: str = ""
    coefficient: float | None = None
    train: Score | None = None
    valid: Score | None = None
    test: Score | None = None


@dataclass
class GenerativeTable:
    """What the files of one folder hold.

    Parameters
    ----------
    lines : list of Line
    notes : list of str
        What is missing, unfinished or capped.
    files : dict from (experiment's key, split) to (file name, Checkpoint)
    """

    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: dict[tuple[str, str], tuple[str, Checkpoint]] = field(default_factory=dict)


def read_runs(folder: Path) -> GenerativeTable:
    """Gather the generative experiments from the files of a folder, whatever their names are.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    GenerativeTable

    Raises
    ------
    ReportError
        If there is no generative net in the folder, or two for the same line.
    """
    table = GenerativeTable()
    for path in sorted([*folder.glob("*.h5"), *folder.glob("*.h5.part")]):
        try:
            _place(table, path, records.load(path))
        except CheckpointError as error:
            table.notes.append(str(error))
    if not (table.files or table.notes):
        raise ReportError(f"{folder}: there are no generative nets in it")
    for experiment in EXPERIMENTS:
        own = {split: found for (key, split), (_, found) in sorted(table.files.items())
               if key == experiment.key}  # fmt: skip
        table.lines += [_net_line(experiment, split, found) for split, found in own.items()]
        if len(own) > 1:
            table.lines.append(_product_line(experiment, list(own.values())))
        if not own:
            table.notes.append(f"missing: {experiment.name}")
    return table


def _key(found: Checkpoint) -> str | None:
    """Which experiment a file belongs to."""
    if found.stage == "stack":
        return "stack" if found.arguments.get("labels") else None
    if found.stage != "generative":
        return None
    settings = found.arguments["settings"]
    if settings.get("generative") == "pretraining":
        name = "pretraining"
    else:
        mixed = settings.get("search_bp_weight") or settings.get("bp_weight", 0) > 0
        name = "hybrid" if mixed else "cws"
    return name + (" extended" if found.arguments["role"] == "extended" else "")


def _place(table: GenerativeTable, path: Path, found: Checkpoint) -> None:
    key = _key(found)
    if key is None:
        return
    if not found.complete:
        epochs = max((len(column) for column in found.history.values()), default=0)
        table.notes.append(f"{path.name}: not finished, {epochs} epochs done")
        return
    place = (key, str(found.arguments["split"]))
    if place in table.files:
        raise ReportError(f"{path}: a second file beside {table.files[place][0]}")
    table.files[place] = (path.name, found)
    if found.outcome.get("capped"):
        table.notes.append(f"{path.name}: {found.outcome['reason']}, before its rule was met")


def _score(values: Mapping[str, Any] | None) -> Score | None:
    if values is None:
        return None
    return Score(int(values["cases"]), int(values["errors"]), float(values["cost_per_100"]))


def _net_line(experiment: Experiment, split: str, found: Checkpoint) -> Line:
    outcome = found.outcome
    before = outcome.get("epochs_before")
    epochs = outcome.get("epochs", found.arguments["settings"].get("passes", ""))
    return Line(
        experiment, split,
        f"{before}+{epochs}" if before else str(epochs),
        outcome.get("bp_weight") or None,
        *(_score(outcome.get(part)) for part in ("train", "valid", "test")),
    )  # fmt: skip


def _product_line(experiment: Experiment, nets: Sequence[Checkpoint]) -> Line:
    labels = nets[0].outcome["test_labels"]
    product = product_of_nets([net.outcome["test_log_probs"] for net in nets])
    return Line(experiment, "product", test=score(product, labels))


# -- printing ------------------------------------------------------------------------------------


def _rate(measured: Score | None) -> str:
    return "" if measured is None else f"{measured.error_rate:.2f} %"


def _cells(line: Line) -> list[str]:
    """Net, epochs, coefficient, rates on training and validation cases, errors, rate, printed."""
    half = interval(line.test.errors, line.test.cases) if line.test else 0
    printed = line.experiment.printed_percent
    return [
        line.net,
        line.epochs,
        "" if line.coefficient is None else f"{line.coefficient:g}",
        _rate(line.train),
        _rate(line.valid),
        f"{line.test.errors} ± {half}" if line.test else "",
        _rate(line.test),
        "" if printed is None or line.net == "product" else f"{printed:.2f} %",
    ]


_HEADS = ("net", "epochs", "BP", "train", "valid.", "test errs", "test", "printed")
_WIDTHS = (9, 6, 5, 7, 7, 9, 7, 8)
_LEGEND = (
    "Free-energy recognition; BP is backpropagation's coefficient; ± is a 95 % interval for the "
    "sampling of the test cases. Printed: greedy pretraining and 50,000 cases, Hinton, Osindero "
    "and Teh (2006), who had 44,000; the others, the chapter."
)


def show(table: GenerativeTable, form: str) -> None:
    """Print the table on standard output in one of `FORMATS`."""
    if form != "terminal":
        click.echo({"markdown": markdown, "csv": comma_separated, "json": as_json}[form](table))
        return
    console = Console(highlight=False)
    console.print(_same_widths([_HEADS], "bold"))
    for experiment in EXPERIMENTS:
        own = [_cells(line) for line in table.lines if line.experiment is experiment]
        if own:
            console.print(experiment.name, style="bold")
            console.print(_same_widths(own))
    console.print(_LEGEND)
    for note in table.notes:
        console.print(f"Note: {note}", markup=False)


def _same_widths(rows: Sequence[Sequence[str]], style: str = "") -> Table:
    """Rows whose columns stand under those of the other experiments."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False, style=style)
    for number, width in enumerate(_WIDTHS):
        justify: Literal["left", "right"] = "left" if number == 0 else "right"
        shown.add_column(justify=justify, width=width, no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    return shown


def markdown(table: GenerativeTable) -> str:
    """The table in Markdown."""
    lines = [
        "| experiment | " + " | ".join(_HEADS) + " |",
        "|---|---|" + "---:|" * (len(_HEADS) - 1),
        *(f"| {line.experiment.name} | " + " | ".join(_cells(line)) + " |" for line in table.lines),
        "",
        _LEGEND,
        *(f"\nNote: {note}" for note in table.notes),
    ]
    return "\n".join(lines)


def comma_separated(table: GenerativeTable) -> str:
    """The table as CSV, one record a line."""
    written = io.StringIO()
    writer = csv.DictWriter(written, _values(table.lines[0]) if table.lines else ["experiment"],
                            lineterminator="\n")  # fmt: skip
    writer.writeheader()
    writer.writerows(_values(line) for line in table.lines)
    return written.getvalue().rstrip("\n")


def _values(line: Line) -> Tree:
    values: Tree = {
        "experiment": line.experiment.name,
        "net": line.net,
        "epochs": line.epochs,
        "bp_weight": line.coefficient,
        "printed_test_percent": line.experiment.printed_percent,
    }
    for part in ("train", "valid", "test"):
        measured: Score | None = getattr(line, part)
        values[f"{part}_errors"] = measured and measured.errors
        values[f"{part}_percent"] = measured and round(measured.error_rate, 3)
        values[f"{part}_cost_per_100"] = measured and round(measured.cost_per_100, 4)
    values["test_errors_95_interval"] = line.test and interval(line.test.errors, line.test.cases)
    return values


def as_json(table: GenerativeTable) -> str:
    """The table as JSON, with how each file was made and what each search found."""
    files = [
        {
            "file": name,
            "stage": found.stage,
            "sha256": found.digest(),
            "arguments": found.arguments,
            "provenance": found.provenance,
            "reason": found.outcome.get("reason"),
            "coefficients": coefficient_curve(found.history),
        }
        for name, found in table.files.values()
    ]
    rows = [_values(line) for line in table.lines]
    return json.dumps({"rows": rows, "notes": table.notes, "files": files}, indent=2)


def save(table: GenerativeTable, folder: Path) -> None:
    """Write the table as generative.md, .csv and .json into a folder.

    Parameters
    ----------
    table : GenerativeTable
    folder : Path
        Made if need be.

    Raises
    ------
    ReportError
        If a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, text in (("md", markdown), ("csv", comma_separated), ("json", as_json)):
            (folder / f"generative.{suffix}").write_text(text(table) + "\n", encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{error.filename}: cannot be written: {error.strerror}") from None
