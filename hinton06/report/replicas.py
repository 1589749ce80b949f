"""Table 1 over several replicas: how far its numbers move with the draws of a seed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import stdtrit

from hinton06.checkpoint import Tree
from hinton06.recipes import show_value
from hinton06.report.files import ReportError, Tabulated
from hinton06.report.table1 import PRINTED, Row, Table1, read_runs

MEASURES = ("valid_cost", "valid_errors", "test_cost", "test_errors")
"""What is compared; costs in nats per 100 cases."""

_MEAN = "mean of three"


@dataclass(frozen=True)
class Draws:
    """One number of Table 1 in every replica that has it.

    Parameters
    ----------
    by_seed : mapping of int to float
        At least one.
    printed : float or None
        The chapter's.

    Source
    ------
    Not in the chapter.
    """

    by_seed: Mapping[int, float]
    printed: float | None

    @property
    def values(self) -> list[float]:
        """In the order of the seeds."""
        return list(self.by_seed.values())

    @property
    def mean(self) -> float:
        """Over the replicas."""
        return float(np.mean(self.values))

    @property
    def sd(self) -> float | None:
        """Standard deviation of one replica, estimated from all; None for a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    @property
    def interval(self) -> float | None:
        """Half of a 95 % interval on the mean, by Student's t; None for a single replica."""
        if self.sd is None:
            return None
        n = len(self.values)
        return float(stdtrit(n - 1, 0.975) * self.sd / np.sqrt(n))

    @property
    def at_or_below(self) -> int | None:
        """Replicas that are no worse than the chapter."""
        if self.printed is None:
            return None
        return sum(value <= self.printed for value in self.values)


@dataclass(frozen=True)
class Line:
    """One line of Table 1, or the mean of three.

    Parameters
    ----------
    network : str
    cases : str
        Training cases.
    draws : dict from one of `MEASURES` to Draws
        Those that some replica has.
    """

    network: str
    cases: str
    draws: dict[str, Draws]


@dataclass
class Replicas:
    """What several folders hold.

    Parameters
    ----------
    tables : dict from seed to Table1
    lines : list of Line
    notes : list of str
        What is missing in a folder, or is not the same in all.
    """

    tables: dict[int, Table1] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


# -- reading -------------------------------------------------------------------------------------


def read_replicas(folders: Sequence[Path]) -> Replicas:
    """Gather Table 1 from several folders, each of one seed.

    Parameters
    ----------
    folders : sequence of Path

    Returns
    -------
    Replicas
        Seeds in ascending order.

    Raises
    ------
    ReportError
        As `table1.read_runs`; if a folder holds files of several seeds, if two folders are of the
        same seed, or if no folder has a finished net.
    """
    replicas, where = Replicas(), dict[int, Path]()
    for folder in folders:
        table = read_runs(folder)
        replicas.notes += [
            note if note.startswith(str(folder)) else f"{folder}: {note}" for note in table.notes
        ]
        files = [*table.nets.values(), *table.pretrained.values()]
        seeds = sorted({int(found.arguments["seed"]) for found in files})
        if len(seeds) > 1:
            raise ReportError(f"{folder}: its files have the seeds {_listed(seeds)}, not one")
        if not table.nets:
            continue
        (seed,) = seeds
        if seed in where:
            raise ReportError(f"{folder}: of seed {seed}, as {where[seed]}")
        where[seed], replicas.tables[seed] = folder, table
    if not where:
        raise ReportError(f"no finished net in {_listed(folders)}")
    replicas.tables = dict(sorted(replicas.tables.items()))
    replicas.lines = [line for line in _lines(replicas.tables) if line.draws]
    replicas.notes += _differences(replicas.tables)
    return replicas


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def _lines(tables: Mapping[int, Table1]) -> Iterator[Line]:
    """The nine lines of Table 1; the mean of three nets stands before their product."""
    rows: Sequence[Row] = PRINTED

    def line(network: str, cases: str | None, place: slice) -> Line:
        measured = {seed: table.measured[place] for seed, table in tables.items()}
        return _line(network, cases or "", rows[place], measured)

    for number, printed in enumerate(rows):
        cases = printed.cases
        if printed.network == "Combined":  # of the three nets above it
            cases = rows[number - 1].cases
            yield line(_MEAN, cases, slice(number - 3, number))
        yield line(printed.network, cases, slice(number, number + 1))


def _line(
    network: str,
    cases: str,
    printed: Sequence[Row],
    measured: Mapping[int, Sequence[Row | None]],
) -> Line:
    draws = {}
    for name in MEASURES:
        found = {seed: _mean_of(rows, name) for seed, rows in measured.items()}
        by_seed = {seed: value for seed, value in found.items() if value is not None}
        if by_seed:
            draws[name] = Draws(by_seed, _mean_of(printed, name))
    return Line(network, cases, draws)


def _mean_of(rows: Sequence[Row | None], name: str) -> float | None:
    """Of one column of some lines, if all have it."""
    values = [None if row is None else getattr(row, name) for row in rows]
    numbers = [float(value) for value in values if value is not None]
    return float(np.mean(numbers)) if len(numbers) == len(rows) else None


def _differences(tables: Mapping[int, Table1]) -> list[str]:
    """Settings and data that are not the same in all replicas."""
    found: dict[str, set[str]] = {}
    for table in tables.values():
        for net in table.nets.values():
            arguments = {name: net.arguments[name] for name in ("recipe", "data")}
            for name, value in {**net.arguments["settings"], **arguments}.items():
                shown = show_value(tuple(value) if isinstance(value, list) else value)
                found.setdefault(name, set()).add(shown)
    return [
        f"the replicas differ in {name}: {_listed(sorted(values))}"
        for name, values in found.items()
        if len(values) > 1
    ]


# -- printing ------------------------------------------------------------------------------------

_HEADS = (
    "network", "cases", "valid. errs", "chapter", "test errs", "sd", "range", "at or below",
)  # fmt: skip


def _legend(replicas: Replicas) -> str:
    return (
        f"Errors: means over the replicas of seeds {_listed(list(replicas.tables))}, and 95 % "
        "intervals for what the draws of so many do to a mean; sd is of one replica; at or below: "
        "replicas with no more test errors than the chapter. All are tested on the same cases: "
        "the sampling of these (± in Table 1) comes on top."
    )


def _short(spread: float) -> str:
    """A spread in a narrow column: of two replicas that differ much, without tenths."""
    return f"{spread:.1f}" if spread < 100 else f"{spread:.0f}"


def _with_interval(draws: Draws | None) -> str:
    if draws is None:
        return ""
    half = "" if draws.interval is None else f" ± {_short(draws.interval)}"
    return f"{draws.mean:.1f}{half}"


def _cells(line: Line) -> list[str]:
    """What `_HEADS` names."""
    errors = line.draws.get("test_errors")
    cells = [line.network, line.cases, _with_interval(line.draws.get("valid_errors"))]
    if errors is None:
        return [*cells, "", "", "", "", ""]
    return [
        *cells,
        "" if errors.printed is None else f"{errors.printed:.4g}",
        _with_interval(errors),
        "" if errors.sd is None else _short(errors.sd),
        f"{min(errors.values):.4g}-{max(errors.values):.4g}",
        "" if errors.at_or_below is None else f"{errors.at_or_below}/{len(errors.values)}",
    ]


def tabulated(replicas: Replicas) -> Tabulated[Replicas]:
    """The table, to be printed or saved."""
    return Tabulated("replicas", replicas, _terminal, markdown, comma_separated, as_json)


def _terminal(replicas: Replicas) -> None:
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for number, head in enumerate(_HEADS):
        shown.add_column(
            head.replace("at or below", "at or\nbelow"),
            justify="left" if number == 0 else "right",
            no_wrap=True,
            vertical="bottom",
        )
    for line in replicas.lines:
        shown.add_row(*_cells(line))
    console = Console(highlight=False)
    console.print(shown)
    console.print(_legend(replicas))
    for note in replicas.notes:
        console.print(f"Note: {note}", markup=False)


def markdown(replicas: Replicas) -> str:
    """The table in Markdown."""
    lines = ["| " + " | ".join(_HEADS) + " |", "|---|" + "---:|" * (len(_HEADS) - 1)]
    lines += ["| " + " | ".join(_cells(line)) + " |" for line in replicas.lines]
    lines += ["", _legend(replicas), *(f"\nNote: {note}" for note in replicas.notes)]
    return "\n".join(lines)


def _values(draws: Draws) -> Tree:
    """A number's statistics; None where there are none."""
    return {
        "chapter": draws.printed,
        "replicas": len(draws.values),
        "mean": round(draws.mean, 3),
        "sd": None if draws.sd is None else round(draws.sd, 3),
        "mean_95_interval": None if draws.interval is None else round(draws.interval, 3),
        "fewest": min(draws.values),
        "most": max(draws.values),
        "at_or_below_chapter": draws.at_or_below,
    }


def comma_separated(replicas: Replicas) -> str:
    """The table as CSV, one record for each line and measure."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    seeds = list(replicas.tables)
    names = list(_values(Draws({0: 0.0}, None)))
    writer.writerow(["network", "cases", "measure", *names, *(f"seed_{seed}" for seed in seeds)])
    for line in replicas.lines:
        for measure, draws in line.draws.items():
            own = [draws.by_seed.get(seed) for seed in seeds]
            cells = [*_values(draws).values(), *own]
            shown = ["" if cell is None else f"{cell:g}" for cell in cells]
            writer.writerow([line.network, line.cases, measure, *shown])
    return written.getvalue().rstrip("\n")


def as_json(replicas: Replicas) -> str:
    """The table as JSON, with the digest of every net."""
    rows = [
        {"network": line.network, "cases": line.cases}
        | {
            measure: _values(draws) | {"by_seed": {str(s): v for s, v in draws.by_seed.items()}}
            for measure, draws in line.draws.items()
        }
        for line in replicas.lines
    ]
    nets = {
        str(seed): {
            " ".join(part for part in place if part): net.digest()
            for place, net in table.nets.items()
        }
        for seed, table in replicas.tables.items()
    }
    document = {"rows": rows, "notes": replicas.notes, "sha256_by_seed": nets}
    return json.dumps(document, indent=2, allow_nan=False)
