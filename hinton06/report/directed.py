"""Plain wake-sleep epoch by epoch, from a stack and from random weights: bound and errors.

"the performance of both backpropagation ... and the 'wake-sleep' algorithm (strategy five) can be
greatly improved by using a 'pre-training' phase", "Five strategies for learning multilayer
networks".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hinton06.lineage import EXTENDED, VALIDATED
from hinton06.loading import RunFile
from hinton06.records import Tree
from hinton06.report.files import (
    Folder,
    Note,
    Selection,
    conditions,
    each_run,
    file_values,
    in_lines,
    with_made,
)
from hinton06.report.scores import ENDS, OF_TEST_CASES, interval
from hinton06.report.table import Column, Row, Table

_DIRECTED = Selection("directed", (VALIDATED,), frozenset({"random_start", "cases"}))
_CONTRASTIVE = Selection("generative", (VALIDATED, EXTENDED), frozenset({"cases"}))
_STACK, _RANDOM = "from a greedy stack", "from small random weights"  # as they are sorted
_SHORT = {_STACK: "stack", _RANDOM: "random"}
_BESIDE = "contrastive wake-sleep"
_SHOWN = (1, 2, 5)  # epochs, and these times powers of ten


def table(folder: Path) -> Table:
    """What each directed net of a folder was after some epochs; CSV and JSON hold every epoch.

    Beside them the nets of contrastive wake-sleep, of whose log p `likelihood` says more. Raises
    `ReportError` if there is no directed net, or no line with one file.
    """
    notes: list[Note] = []
    here = Folder.at(folder)
    taken = each_run(here, "nets of plain wake-sleep", notes, _DIRECTED)
    files = in_lines(((_line(file), file) for file in taken), notes)
    others: list[RunFile] = []
    if files:
        others = list(_contrastive(here))
    nets = sorted(files.items())
    every = [(row, file) for (start, _), file in nets for row in _epochs(here, start, file)]
    every += [
        (_kept(here, _BESIDE, file) | {"epochs": file.outcome.epochs_text}, file) for file in others
    ]
    shown = [(row, file) for row, file in every if _is_shown(row, file)]
    return Table(
        _COLUMNS,
        [row for row, _ in shown],
        name="wake-sleep",
        legend=[
            "log p: mean variational bounds on that of an image and its label, nats, of at most "
            "10,000 cases, their pixels drawn as binary. Errors of labels that the top generates "
            f"after a deterministic up-pass. {OF_TEST_CASES}"
        ],
        notes=notes,
        sections=True,
        records=[row for row, _ in every],
        extra={"files": [file_values(file) for _, file in nets] + list(map(file_values, others))},
        beside={"learning-curves.png": lambda: _learning_curves(nets)} if files else {},
        sources=[[file] for _, file in shown],
    )


def _line(file: RunFile) -> tuple[str, str]:
    """Its start and split."""
    return (_RANDOM if file.lineage.random_start else _STACK), str(file.lineage.split)


def _contrastive(here: Folder) -> Iterator[RunFile]:
    """The nets of contrastive wake-sleep alone, each before its extension."""
    held = [file for _, file in here.held if isinstance(file, RunFile) and file.complete]
    fitting = filter(_CONTRASTIVE.fits, held)
    for file in sorted(fitting, key=lambda f: (str(f.lineage.split), f.lineage.role == EXTENDED)):
        mixed = {"mixed gradient", "pretraining's gradient"}.intersection(file.conditions)
        if not mixed and conditions(file) <= _CONTRASTIVE.knows:
            yield file


def _epochs(here: Folder, start: str, file: RunFile) -> Iterator[Tree]:
    """The start, and every epoch; of the one that was kept, test errors too."""
    history = file.history
    row = _row(here, start, file) | {"epochs": 0, "valid_log_p": float(history["start_log_p"][0])}
    yield row | {"valid_errors": int(history["start_errors"][0])}
    for number in range(file.epochs_done):
        kept = number + 1 == file.outcome.epochs
        row = _kept(here, start, file) if kept else _row(here, start, file)
        row |= {"epochs": number + 1, "valid_errors": int(history["valid_errors"][number])}
        yield row | {n: float(history[n][number]) for n in ("train_log_p", "valid_log_p")}


def _row(here: Folder, start: str, file: RunFile) -> Tree:
    names = ("epochs", "train_log_p", "valid_log_p", "valid_errors", "test_errors")
    row: Tree = {"start": start, "net": file.lineage.split or "all"} | dict.fromkeys(names)
    row |= {f"test_errors_95_{end}": None for end in ENDS}
    return row | {"made_with": here.made_with(file)}


def _kept(here: Folder, start: str, file: RunFile) -> Tree:
    """The net that a file holds."""
    scores, row = file.outcome.scores, _row(here, start, file)
    ends = interval(scores["test"].errors, scores["test"].cases)
    row |= {f"test_errors_95_{end}": value for end, value in zip(ENDS, ends, strict=True)}
    valid = scores.get("valid")
    row |= {"epochs": file.outcome.epochs, "test_errors": scores["test"].errors}
    return row | {"valid_errors": valid and valid.errors}


def _is_shown(row: Row, file: RunFile) -> bool:
    """The start, the end, what was kept, and ever fewer epochs between."""
    epoch = row["epochs"]
    return (
        row["test_errors"] is not None
        or epoch in (0, file.epochs_done)
        or int(str(epoch).rstrip("0")) in _SHOWN
    )


_COLUMNS = (
    Column("start", "{start}", left=True),
    Column("net", lambda row: with_made(row["net"], row), left=True),
    Column("epochs", "{epochs}"),
    Column("log p, training", "{train_log_p:.1f}"),
    Column("log p, validation", "{valid_log_p:.1f}"),
    Column("valid. errs", "{valid_errors:,}"),
    Column("test errs", "{test_errors:,} ({test_errors_95_low:,.0f}-{test_errors_95_high:,.0f})"),
)


def _learning_curves(nets: Sequence[tuple[tuple[str, str], RunFile]]) -> bytes:
    from hinton06.report import curves  # noqa: PLC0415  # Matplotlib is slow to import

    drawn = [
        curves.Curve(f"{split}, {_SHORT[start]}", f"C{number % 10}", file)
        for number, ((start, split), file) in enumerate(nets)
    ]
    return curves.draw(drawn, curves.DIRECTED)
