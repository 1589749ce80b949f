"""Table 1 of the chapter, printed beside measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hinton06.lineage import EXTENDED, NOT_PRETRAINED, PRETRAINED, VALIDATED
from hinton06.loading import RunFile
from hinton06.recipes import counted
from hinton06.records import Tree
from hinton06.report.files import (
    Folder,
    Note,
    Selection,
    conditions,
    differences,
    each_run,
    ended_early,
    file_values,
    in_lines,
    stranger_notes,
    with_made,
)
from hinton06.report.lines import Found, Line, Replicated, measured_mean
from hinton06.report.scores import OF_TEST_CASES, interval, score_of_product
from hinton06.report.table import Column, Row, Table

# The columns of Table 1; costs are nats per 100 cases, a training cost that is a bound is text.
_MEASURES = [f"{part}_{what}" for part in ("train", "valid", "test") for what in ("cost", "errors")]
_NAMES = ("network", "cases", "epochs", *_MEASURES)


def _row(test_cases: int = 10_000, **numbers: Any) -> Tree:
    """One line of Table 1, with the test errors' interval and rate; None where it is empty."""
    errors = numbers["test_errors"]
    row = dict.fromkeys((*_NAMES, "made_with")) | numbers | {"test_cases": test_cases}
    low, high = interval(errors, test_cases)
    row |= {"test_errors_95_low": low, "test_errors_95_high": high}
    return row | {"test_error_rate_percent": 100 * errors / test_cases}


# The chapter's own numbers: Table 1 of UTML TR 2006-004.
PRINTED = tuple(
    _row(**Tree(zip(_NAMES, line, strict=True)))
    for line in (
        ("Neta", 50_000, "33", 0.12, 1, 6.49, 129, 6.22, 122),
        ("Netb", 50_000, "56", 0.04, 0, 7.81, 118, 6.21, 116),
        ("Netc", 50_000, "63", 0.03, 0, 8.12, 118, 6.73, 124),
        ("Combined", None, None, None, None, None, None, 5.75, 110),
        ("Neta", 60_000, "33+16", "<0.12", 1, None, None, 5.81, 113),
        ("Netb", 60_000, "56+28", "<0.04", 0, None, None, 5.90, 106),
        ("Netc", 60_000, "63+31", "<0.03", 0, None, None, 5.93, 118),
        ("Combined", None, None, None, None, None, None, 5.40, 106),
        ("not pre-trained", 60_000, "119", "<0.063", 0, None, None, 18.43, 227),
    )
)

_COMBINED = "abc"
# Where each line's numbers come from: the net of a role and a split, or of three splits.
_SOURCES: tuple[tuple[str, str | None], ...] = (
    *((role, split) for role in (VALIDATED, EXTENDED) for split in ("a", "b", "c", _COMBINED)),
    (NOT_PRETRAINED, None),
)
_KNOWS = frozenset({"cases"})
_NETS = Selection("classifier", (VALIDATED, EXTENDED, NOT_PRETRAINED), _KNOWS)
_SELECTIONS = (Selection("stack", (PRETRAINED,), _KNOWS), _NETS)


@dataclass
class Table1:
    """What a folder holds: files by role and split, and rows as `PRINTED`, empty if missing."""

    here: Folder
    files: dict[tuple[str, str | None], RunFile] = field(default_factory=dict)
    measured: list[Tree] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def nets_of(self, line: int) -> list[RunFile]:
        """The nets of one line: a single one, or those of a product; none if not all are there."""
        role, splits = _SOURCES[line]
        nets = [net for s in splits or [None] if (net := self.files.get((role, s)))]
        return nets if len(nets) == len(splits or [None]) else []

    @property
    def nets(self) -> dict[tuple[str, str | None], RunFile]:
        """The files but for the stacks."""
        return {place: file for place, file in self.files.items() if place[0] != PRETRAINED}


def read_runs(folder: Path | Folder) -> Table1:
    """Gather Table 1 from the finished files of a folder, whatever their names are.

    Raises `ReportError` if there is none in it, or no line with one.
    """
    found = Table1(Folder.at(folder))
    taken = each_run(found.here, "nets of Table 1", found.notes, *_SELECTIONS)
    places = (((file.lineage.role, file.lineage.split), file) for file in taken)
    found.files = in_lines(places, found.notes)
    found.measured = [
        _measured_row(found.here, found.nets_of(line), line) for line in range(len(PRINTED))
    ]
    if not found.nets:
        found.notes += _nets_of_other_tables(found.here)
    found.notes += _notes(found)
    return found


def _nets_of_other_tables(folder: Folder) -> list[Note]:
    """What sets the nets of a folder apart that Table 1 passes over, where it takes none."""
    files = [file for _, file in folder.held if isinstance(file, RunFile) and file.complete]
    apart = [conditions(file) - _KNOWS for file in files if _NETS.fits(file)]
    if not apart:
        return []
    names = " and ".join(sorted(set().union(*apart)))
    return [Note(f"{counted(len(apart), 'net')} here, of another table: {names}", "elsewhere")]


def _measured_row(here: Folder, nets: list[RunFile], line: int) -> Tree:
    """Of one net, or of the product of three, in a folder; empty without any."""
    if not nets:
        return {}
    name, numbers, scores = PRINTED[line]["network"], Tree(), nets[0].outcome.scores
    numbers["made_with"] = here.made_with(*nets)
    if len(nets) > 1:
        scores = {"test": score_of_product(nets)}
    else:
        numbers |= {"cases": scores["train"].cases, "epochs": nets[0].outcome.epochs_text}
    for part, score in scores.items():
        numbers |= {f"{part}_cost": score.cost_per_100, f"{part}_errors": score.errors}
    return _row(scores["test"].cases, network=name, **numbers)


def _notes(found: Table1) -> list[Note]:
    """Which nets are missing or ended at a cap, and what the files do not have in common."""
    lacking = [
        f"{role} Net{split}" if split else "the not pre-trained net"
        for role, split in _SOURCES
        if split != _COMBINED and (role, split) not in found.files
    ]
    notes = [Note.listing("missing", *lacking)] if lacking else []
    for (role, split), file in found.files.items():
        if file.outcome.capped:
            name = f"Net{split}" if split else "net"
            notes.append(ended_early(file, f"{role} {name}", "its stopping rule"))
    first = [net for split in "abc" if (net := found.files.get((VALIDATED, split)))]
    starts = [(net, [n for n in first if n.lineage.split == split])
              for (role, split), net in found.files.items() if role == EXTENDED]  # fmt: skip
    if (last := found.files.get((NOT_PRETRAINED, None))) and len(first) == len("abc"):
        starts.append((last, first))
    notes += stranger_notes(starts)
    return notes + differences(found.files.values(), "recipes", "seeds", "data sets")


def _train_cost(row: Row) -> str:
    """Ours is rounded; the chapter's is as printed."""
    cost = row.get("train_cost")
    if cost is None:
        return ""
    return f"{cost:.3f}" if row["source"] == "measured" else str(cost)


_WHOSE = {"chapter": "chapter", "measured": "ours"}
_TEST_ERRORS = Column("", "{test_errors} ({test_errors_95_low:.0f}-{test_errors_95_high:.0f})")
_COLUMNS = (
    Column("network", lambda row: row["network"] if row["source"] == "chapter" else "", left=True),
    Column("", lambda row: with_made(_WHOSE[row["source"]], row), left=True),
    Column("backprop training set size", "{cases:,}", short="cases"),
    Column("train epochs", "{epochs}", short="epochs"),
    Column("train cost per 100", _train_cost, short="train cost"),
    Column("train errs", "{train_errors}", short="errs"),
    Column("valid. cost per 100", "{valid_cost:.2f}", short="valid. cost"),
    Column("valid. errs", "{valid_errors}", short="errs"),
    Column("test cost per 100", "{test_cost:.2f}", short="test cost"),
    Column("test errs", lambda row: _TEST_ERRORS.text(row) or "missing", short="errs"),
)


def table(folder: Path) -> Table:
    """Two rows for each line of the chapter's table: its own and ours. Raises as `read_runs`."""
    found = read_runs(folder)
    pairs = [
        ({"source": "chapter"} | printed, {"source": "measured"} | measured)
        for printed, measured in zip(PRINTED, found.measured, strict=True)
    ]
    rows = [row for pair in pairs for row in pair]
    files = {" ".join(filter(None, place)): file for place, file in found.files.items()}
    seconds = sum(float(file.provenance["cpu_seconds"]) for file in files.values())
    made = [{"net": name, **file_values(file)} for name, file in files.items()]
    return Table(
        _COLUMNS,
        rows,
        name="table1",
        title="Table 1: the chapter's numbers, and ours below them",
        legend=[f"Costs in nats per 100 cases. {OF_TEST_CASES}"],
        notes=found.notes,
        strong=lambda row: row["source"] == "measured",
        records=[row for row in rows if "network" in row],
        json_rows=[
            {"printed": chapter, "measured": ours if "network" in ours else None}
            for chapter, ours in pairs
        ],
        extra={"cpu_seconds_of_all_files": seconds, "files": made},
        beside={"learning-curves.png": lambda: _learning_curves(found)},
        sources=[nets for line in range(len(pairs)) for nets in ([], found.nets_of(line))],
    )


_COLOURS = {"a": "tab:blue", "b": "tab:orange", "c": "tab:green", None: "tab:red"}


def _learning_curves(found: Table1) -> bytes:
    from hinton06.report import curves  # noqa: PLC0415  # Matplotlib is slow to import

    drawn = []
    for (role, split), file in sorted(found.files.items(), key=str):
        name = f"Net{split}" if split else "not pre-trained"
        name += " extended" if role == EXTENDED else ""
        drawn.append(curves.Curve(name, _COLOURS[split], file))
    return curves.draw(drawn, curves.DISCRIMINATIVE)


# -- over several seeds --------------------------------------------------------------------------


def _found(folder: Folder) -> Found:
    """The lines of Table 1; the mean of three nets stands before their product."""
    if not folder.holds(_SELECTIONS[1]):  # stacks alone make no line
        return Found()
    found = read_runs(folder)
    lines: list[Line | None] = []
    for number, printed in enumerate(PRINTED):
        one, three = slice(number, number + 1), slice(number - 3, number)
        if printed["network"] == "Combined":  # of the three nets above it
            lines.append(_line("mean of three", (number, 0), three, three, found))
            lines.append(_line("Combined", (number, 1), one, three, found))
        else:
            lines.append(_line(printed["network"], (number, 0), one, one, found))
    files = {" ".join(filter(None, place)): file for place, file in found.files.items()}
    return Found(files, [line for line in lines if line], found.notes)


def _line(
    network: str, key: tuple[int, int], place: slice, nets: slice, found: Table1
) -> Line | None:
    """One line, or the mean of several; `nets`: the lines of what was trained for it."""
    of_nets = found.measured[nets]
    if not all(found.measured[place]):
        return None
    made = "; ".join(dict.fromkeys(line["made_with"] for line in of_nets if line["made_with"]))
    counts = list(dict.fromkeys(line["cases"] for line in of_nets))
    cases = counts[0] if len(counts) == 1 else ", ".join(f"{count:,}" for count in counts)
    return Line(
        key,
        {"network": network, "cases": cases},
        {name: measured_mean(found.measured[place], name) for name in _COMPARED},
        {name: measured_mean(PRINTED[place], name) for name in _COMPARED},
        made or None,
        files=[net for line in range(place.start, place.stop) for net in found.nets_of(line)],
    )


def _shown(cases: int | str) -> str:
    """The number that each net of a line has learned, or their different numbers."""
    return f"{cases:,}" if isinstance(cases, int) else cases


_COMPARED = ("valid_cost", "valid_errors", "test_cost", "test_errors")

REPLICATED = Replicated(
    "table1",
    "Table 1",
    "nets of Table 1",
    _found,
    (
        Column("network", lambda row: with_made(row["network"], row), left=True),
        Column("cases", lambda row: _shown(row["cases"])),
    ),
    ("valid_errors", "test_errors"),
    digits=1,
    whose="chapter",
)
