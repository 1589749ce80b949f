"""Error rates of nets that learned few labels: what the images without labels are worth.

The chapter's section "Using extra unlabeled data".
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hinton06.checkpoint import Checkpoint, Tree
from hinton06.recipes import show_value
from hinton06.recognition import Score
from hinton06.report.files import ReportError, Tabulated, each_checkpoint
from hinton06.report.scores import interval, recorded_score

_NOTHING = "nothing"
_LEGEND = (
    "Mean error rates of the nets; of several layers and rates those with the fewest validation "
    "errors. ± is a 95 % interval for the sampling of the test cases. Printed: only that "
    "pretraining on unlabeled data helps a lot."
)


@dataclass(frozen=True, order=True)
class Kind:
    """What the nets of one line have in common.

    Parameters
    ----------
    labelled : int
        Labels that they learned.
    pretrained_on : str
        Which images, in words.
    layers : tuple of int
    rate : float
        Of backpropagation.
    """

    labelled: int
    pretrained_on: str
    layers: tuple[int, ...]
    rate: float


def mean_percent(scores: Mapping[str, Score]) -> float:
    """The mean error rate of several nets, in percent."""
    return sum(score.error_rate for score in scores.values()) / len(scores)


@dataclass
class Nets:
    """The nets of one kind, by split.

    Parameters
    ----------
    files : dict from split to Tree
        How each was made, for JSON.
    valid, test : dict from split to Score
    capped : list of str
        A line for each net that ended at its cap.
    best : bool
        Whether no other layers and rate have fewer validation errors, with as many labels and as
        much pretraining.
    """

    files: dict[str, Tree] = field(default_factory=dict)
    valid: dict[str, Score] = field(default_factory=dict)
    test: dict[str, Score] = field(default_factory=dict)
    capped: list[str] = field(default_factory=list)
    best: bool = False

    def half_width(self) -> float:
        """Half of the 95 % interval of the mean test error rate, in percentage points."""
        cases = next(iter(self.test.values())).cases
        errors = round(mean_percent(self.test) / 100 * cases)
        return 100 * interval(errors, cases) / cases


@dataclass
class FewLabels:
    """What the files of one folder hold.

    Parameters
    ----------
    lines : dict from Kind to Nets, in order
    notes : list of str
        What is unfinished, capped or missing.
    """

    lines: dict[Kind, Nets] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def best(self) -> list[tuple[Kind, Nets]]:
        """The lines that validation chose, one for each number of labels and pretraining."""
        return [(kind, nets) for kind, nets in self.lines.items() if nets.best]


# -- reading -------------------------------------------------------------------------------------


def read_runs(folder: Path) -> FewLabels:
    """Gather the classifiers that validation stopped from the files of a folder.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    FewLabels

    Raises
    ------
    ReportError
        If there are none, or two for the same line and split.
    """
    table = FewLabels()
    for path, found in each_checkpoint(folder, table.notes):
        _place(table, path, found)
    if not (table.lines or table.notes):
        raise ReportError(f"{folder}: there are no classifiers that validation stopped in it")
    table.lines = dict(sorted(table.lines.items()))
    _choose(table)
    table.notes += [note for _, nets in table.best() for note in nets.capped]
    others = sum(len(nets.capped) for nets in table.lines.values() if not nets.best)
    if others:
        table.notes.append(f"of the nets that validation did not choose, {others} ended at a cap")
    return table


def _place(table: FewLabels, path: Path, found: Checkpoint) -> None:
    if found.stage != "classifier" or found.arguments.get("role") != "validated":
        return
    if found.arguments.get("translations"):
        return
    if not found.complete:
        epochs = max((len(column) for column in found.history.values()), default=0)
        table.notes.append(f"{path.name}: not finished, {epochs} epochs done")
        return
    split, outcome = str(found.arguments.get("split")), found.outcome
    nets = table.lines.setdefault(_kind(found), Nets())
    if split in nets.files:
        raise ReportError(f"{path}: a second file beside {nets.files[split]['file']}")
    nets.files[split] = {
        "file": path.name,
        "sha256": found.digest(),
        "arguments": found.arguments,
        "provenance": found.provenance,
        "reason": outcome["reason"],
    }
    nets.valid[split] = recorded_score(outcome["valid"])
    nets.test[split] = recorded_score(outcome["test"])
    if outcome["capped"]:
        nets.capped.append(f"{path.name}: {outcome['reason']}, before its rule was met")


def _kind(found: Checkpoint) -> Kind:
    arguments, labelled = found.arguments, int(found.outcome["train"]["cases"])
    images = arguments.get("images", arguments.get("cases", 0))
    if arguments.get("random_start"):
        pretrained_on = _NOTHING
    elif not images:
        pretrained_on = "all images"
    else:
        pretrained_on = "labelled images" if images == labelled else f"{images:,} images"
    rate = "all_cases_rate" if arguments.get("random_start") else "rate"
    weights = [found.model[f"weights{n}"] for n in range(1, len(found.model) // 2 + 1)]
    layers = tuple(int(w.shape[1]) for w in weights[:-1])
    return Kind(labelled, pretrained_on, layers, float(arguments["settings"][rate]))


def _choose(table: FewLabels) -> None:
    """Mark the line of the fewest validation errors among those that differ in layers or rate."""
    for labelled, pretrained_on in dict.fromkeys(
        (k.labelled, k.pretrained_on) for k in table.lines
    ):
        own = [
            nets for kind, nets in table.lines.items()
            if (kind.labelled, kind.pretrained_on) == (labelled, pretrained_on)
        ]  # fmt: skip
        most = max(len(nets.files) for nets in own)
        complete = [nets for nets in own if len(nets.files) == most]
        min(complete, key=lambda nets: mean_percent(nets.valid)).best = True
        if len(complete) < len(own):
            table.notes.append(
                f"{labelled:,} labels, pretrained on {pretrained_on}: {len(own) - len(complete)} "
                f"of {len(own)} choices have fewer than {most} nets and are left out"
            )


# -- printing ------------------------------------------------------------------------------------

_HEADS = ("labels", "pretrained on", "layers", "rate", "nets", "valid.", "test")


def _cells(kind: Kind, nets: Nets) -> list[str]:
    return [
        f"{kind.labelled:,}",
        kind.pretrained_on,
        show_value(kind.layers),
        f"{kind.rate:g}",
        " ".join(nets.files),
        f"{mean_percent(nets.valid):.2f} %",
        f"{mean_percent(nets.test):.2f} ± {nets.half_width():.2f} %",
    ]


def tabulated(table: FewLabels) -> Tabulated[FewLabels]:
    """The table, to be printed or saved."""
    return Tabulated("unlabelled", table, _terminal, markdown, comma_separated, as_json)


def _terminal(table: FewLabels) -> None:
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in _HEADS:
        left = head in ("pretrained on", "layers", "nets")
        shown.add_column(head, justify="left" if left else "right", no_wrap=True)
    for kind, nets in table.best():
        shown.add_row(*_cells(kind, nets))
    console = Console(highlight=False)
    console.print(shown)
    console.print(_LEGEND)
    for note in table.notes:
        console.print(f"Note: {note}", markup=False)


def markdown(table: FewLabels) -> str:
    """The lines that validation chose, in Markdown."""
    lines = [
        "| " + " | ".join(_HEADS) + " |",
        "|---:|---|---|---:|---|---:|---:|",
        *("| " + " | ".join(_cells(*line)) + " |" for line in table.best()),
        "",
        _LEGEND,
        *(f"\nNote: {note}" for note in table.notes),
    ]
    return "\n".join(lines)


def _values(kind: Kind, nets: Nets) -> Tree:
    values: Tree = {
        "labelled": kind.labelled,
        "pretrained_on": kind.pretrained_on,
        "layers": show_value(kind.layers),
        "rate": kind.rate,
        "splits": " ".join(nets.files),
    }
    for part, scores in (("valid", nets.valid), ("test", nets.test)):
        values[f"{part}_errors"] = " ".join(str(score.errors) for score in scores.values())
        values[f"{part}_percent"] = round(mean_percent(scores), 3)
    return values | {
        "test_percent_95_interval": round(nets.half_width(), 3),
        "fewest_validation_errors": nets.best,
    }


def comma_separated(table: FewLabels) -> str:
    """All lines as CSV."""
    rows: Sequence[Tree] = [_values(*line) for line in table.lines.items()]
    written = io.StringIO()
    names = list(rows[0]) if rows else ["labelled"]
    writer = csv.DictWriter(written, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().rstrip("\n")


def as_json(table: FewLabels) -> str:
    """All lines as JSON, with how each file was made."""
    rows = [_values(*line) for line in table.lines.items()]
    files = [made for nets in table.lines.values() for made in nets.files.values()]
    return json.dumps({"rows": rows, "notes": table.notes, "files": files}, indent=2)
