"""Error rates that the chapter's text prints, beside measured: one line a net of an experiment."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from hinton06.checkpoint import Checkpoint, Tree
from hinton06.recipes import CHAPTER, HOT06
from hinton06.recognition import Score, product_of_nets, score
from hinton06.report.files import ReportError, Tabulated, each_checkpoint
from hinton06.report.scores import coefficient_curve, interval, recorded_score


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Parameters
    ----------
    name : str
    key : str
        What the study's `key` says of the files that belong to it.
    printed_percent : float or None
        The test error rate in print; None where there is none.
    source : str
        Where it is printed.
    """

    name: str
    key: str
    printed_percent: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Study:
    """Experiments that are tabulated together.

    Parameters
    ----------
    name : str
        Of the files that `save` writes.
    holds : str
        What the folder should hold, in words.
    experiments : tuple of Experiment
    key : function of a Checkpoint
        Which experiment it belongs to; None for none of them.
    legend : str
    averaged : bool
        Whether what is printed is the mean of an experiment's nets, which then has a line.
    mixed : bool
        Whether there is a column for backpropagation's coefficient.
    """

    name: str
    holds: str
    experiments: tuple[Experiment, ...]
    key: Callable[[Checkpoint], str | None]
    legend: str
    averaged: bool = False
    mixed: bool = True


def _generative_key(found: Checkpoint) -> str | None:
    if found.arguments.get("translations"):
        return None
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
    return name + (" extended" if found.arguments.get("role") == "extended" else "")


def _translated_key(found: Checkpoint) -> str | None:
    if found.stage != "classifier" or not found.arguments.get("translations"):
        return None
    if found.arguments.get("labelled"):
        return None
    return str(found.arguments.get("role"))


_INTERVAL = "± is a 95 % interval for the sampling of the test cases."

# Test error rates in print: the chapter's section "Using contrastive wake-sleep for generative
# fine-tuning", and Hinton, Osindero and Teh (2006).
_GENERATIVE = (
    Experiment("greedy pretraining with labels", "stack", 2.49, HOT06),
    Experiment("contrastive wake-sleep, 50,000", "cws", 1.39, HOT06),
    Experiment("contrastive wake-sleep, 60,000", "cws extended", 1.25, CHAPTER),
    Experiment("mixed gradient, 50,000", "hybrid"),
    Experiment("mixed gradient, 60,000", "hybrid extended", 0.97, CHAPTER),
    Experiment("BP with the pretraining's gradient", "pretraining"),
)
# "Using geometric prior knowledge".
_TRANSLATED = (
    Experiment("translated images, 50,000", "validated"),
    Experiment("translated images, 60,000", "extended", 0.65, CHAPTER),
)

GENERATIVE = Study(
    "generative",
    "generative nets",
    _GENERATIVE,
    _generative_key,
    "Free-energy recognition; BP is backpropagation's coefficient; " + _INTERVAL + " Printed: "
    "greedy pretraining and 50,000 cases, Hinton, Osindero and Teh (2006), who had 44,000; the "
    "others, the chapter.",
)
TRANSLATED = Study(
    "translated",
    "classifiers of translated images",
    _TRANSLATED,
    _translated_key,
    "Training cases are counted before they are translated; " + _INTERVAL + " Printed: the "
    "chapter's average.",
    averaged=True,
    mixed=False,
)


@dataclass(frozen=True)
class Line:
    """One net, or the mean or the product of an experiment's nets.

    Parameters
    ----------
    experiment : Experiment
    net : str
        The split, ``"mean"`` or ``"product"``.
    epochs : str
        ``"40"`` or ``"40+12"``.
    coefficient : float or None
        Of backpropagation.
    train, valid, test : Score or None
    mean_percent : float or None
        Of the nets' test error rates, in the line of the mean.
    """

    experiment: Experiment
    net: str
    epochs: str = ""
    coefficient: float | None = None
    train: Score | None = None
    valid: Score | None = None
    test: Score | None = None
    mean_percent: float | None = None


@dataclass
class ErrorRates:
    """What the files of one folder hold.

    Parameters
    ----------
    study : Study
    lines : list of Line
    notes : list of str
        What is missing, unfinished or capped.
    files : dict from (experiment's key, split) to (file name, Checkpoint)
    """

    study: Study
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: dict[tuple[str, str], tuple[str, Checkpoint]] = field(default_factory=dict)


def read_runs(folder: Path, study: Study) -> ErrorRates:
    """Gather the experiments of a study from the files of a folder, whatever their names are.

    Parameters
    ----------
    folder : Path
    study : Study

    Returns
    -------
    ErrorRates

    Raises
    ------
    ReportError
        If there is no net of the study in the folder, or two for the same line.
    """
    table = ErrorRates(study)
    for path, found in each_checkpoint(folder, table.notes):
        _place(table, path, found)
    if not (table.files or table.notes):
        raise ReportError(f"{folder}: there are no {study.holds} in it")
    for experiment in study.experiments:
        own = {split: found for (key, split), (_, found) in sorted(table.files.items())
               if key == experiment.key}  # fmt: skip
        table.lines += [_net_line(experiment, split, found) for split, found in own.items()]
        if own:
            table.lines += _lines_together(study, experiment, list(own.values()))
        else:
            table.notes.append(f"missing: {experiment.name}")
    return table


def _place(table: ErrorRates, path: Path, found: Checkpoint) -> None:
    key = table.study.key(found)
    if key is None:
        return
    if not found.complete:
        epochs = max((len(column) for column in found.history.values()), default=0)
        table.notes.append(f"{path.name}: not finished, {epochs} epochs done")
        return
    place = (key, str(found.arguments.get("split")))
    if place in table.files:
        raise ReportError(f"{path}: a second file beside {table.files[place][0]}")
    table.files[place] = (path.name, found)
    if found.outcome.get("capped"):
        table.notes.append(f"{path.name}: {found.outcome['reason']}, before its rule was met")


def _net_line(experiment: Experiment, split: str, found: Checkpoint) -> Line:
    outcome = found.outcome
    before = outcome.get("epochs_before")
    epochs = outcome.get("epochs", found.arguments["settings"].get("passes", ""))
    train, valid, test = (
        recorded_score(outcome[part]) if outcome.get(part) else None
        for part in ("train", "valid", "test")
    )
    epochs = f"{before}+{epochs}" if before else str(epochs)
    return Line(experiment, split, epochs, outcome.get("bp_weight") or None, train, valid, test)


def _lines_together(study: Study, experiment: Experiment, nets: Sequence[Checkpoint]) -> list[Line]:
    """The mean of an experiment's nets where that is printed, and the product of several."""
    lines = []
    if study.averaged:
        rates = [net.outcome["test"]["errors"] / net.outcome["test"]["cases"] for net in nets]
        lines.append(Line(experiment, "mean", mean_percent=100 * sum(rates) / len(rates)))
    if len(nets) > 1:
        labels = nets[0].outcome["test_labels"]
        product = product_of_nets([net.outcome["test_log_probs"] for net in nets])
        lines.append(Line(experiment, "product", test=score(product, labels)))
    return lines


# -- printing ------------------------------------------------------------------------------------


def _rate(measured: Score | None) -> str:
    return "" if measured is None else f"{measured.error_rate:.2f} %"


def _cells(study: Study, line: Line) -> list[str]:
    """What `_heads` names."""
    half = interval(line.test.errors, line.test.cases) if line.test else 0
    printed = line.experiment.printed_percent
    has_print = line.net == "mean" if study.averaged else line.net != "product"
    coefficient = "" if line.coefficient is None else f"{line.coefficient:g}"
    return [
        line.net,
        line.epochs,
        *([coefficient] if study.mixed else []),
        _rate(line.train),
        _rate(line.valid),
        f"{line.test.errors} ± {half}" if line.test else "",
        _rate(line.test) if line.mean_percent is None else f"{line.mean_percent:.2f} %",
        f"{printed:.2f} %" if printed is not None and has_print else "",
    ]


def _heads(study: Study) -> list[str]:
    return [head for head in _WIDTHS if study.mixed or head != "BP"]


_WIDTHS = {
    "net": 9, "epochs": 6, "BP": 5, "train": 7, "valid.": 7, "test errs": 9, "test": 7,
    "printed": 8,
}  # fmt: skip


def tabulated(table: ErrorRates) -> Tabulated[ErrorRates]:
    """The table, to be printed or saved."""
    return Tabulated(table.study.name, table, _terminal, markdown, comma_separated, as_json)


def _terminal(table: ErrorRates) -> None:
    console, study = Console(highlight=False), table.study
    console.print(_same_widths(study, [_heads(study)], "bold"))
    for experiment in study.experiments:
        own = [_cells(study, line) for line in table.lines if line.experiment is experiment]
        if own:
            console.print(experiment.name, style="bold")
            console.print(_same_widths(study, own))
    console.print(study.legend)
    for note in table.notes:
        console.print(f"Note: {note}", markup=False)


def _same_widths(study: Study, rows: Sequence[Sequence[str]], style: str = "") -> Table:
    """Rows whose columns stand under those of the other experiments."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False, style=style)
    for head in _heads(study):
        justify: Literal["left", "right"] = "left" if head == "net" else "right"
        shown.add_column(justify=justify, width=_WIDTHS[head], no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    return shown


def markdown(table: ErrorRates) -> str:
    """The table in Markdown."""
    heads = _heads(table.study)
    lines = [
        "| experiment | " + " | ".join(heads) + " |",
        "|---|---|" + "---:|" * (len(heads) - 1),
        *(
            f"| {line.experiment.name} | " + " | ".join(_cells(table.study, line)) + " |"
            for line in table.lines
        ),
        "",
        table.study.legend,
        *(f"\nNote: {note}" for note in table.notes),
    ]
    return "\n".join(lines)


def comma_separated(table: ErrorRates) -> str:
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
    if line.mean_percent is not None:
        values["test_percent"] = round(line.mean_percent, 3)
    return values


def as_json(table: ErrorRates) -> str:
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
