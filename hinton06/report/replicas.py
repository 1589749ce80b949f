"""Table 1 over several replicas: how far its numbers move with the draws of a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from hinton06.loading import RunFile
from hinton06.recipes import show_value
from hinton06.records import Tree
from hinton06.report.files import NoRunsError, ReportError
from hinton06.report.table import Column, Row, Table
from hinton06.report.table1 import PRINTED, Table1, read_runs

MEASURES = ("valid_cost", "valid_errors", "test_cost", "test_errors")
"""What is compared; costs in nats per 100 cases."""


def table(folders: Sequence[Path]) -> Table:
    """A row for each line of Table 1, from several folders of one seed each.

    CSV and JSON have all measures. Raises `ReportError` as `table1.read_runs`; and if a folder
    holds files of several seeds, if two folders are of the same seed, or if no folder has a
    finished net.
    """
    notes: list[str] = []
    tables = _tables(folders, notes)
    lines = _lines(tables)
    rows = [row for row, _ in lines]
    seeds = ", ".join(map(str, tables))
    digests = {
        str(seed): {" ".join(filter(None, place)): net.digest for place, net in found.nets.items()}
        for seed, found in tables.items()
    }
    records = [
        {"network": row["network"], "cases": row["cases"], "measure": measure}
        | {name: value for name, value in row[measure].items() if name != "by_seed"}
        | {f"seed_{seed}": row[measure]["by_seed"].get(str(seed)) for seed in tables}
        for row in rows
        for measure in MEASURES
        if measure in row
    ]
    return Table(
        _COLUMNS,
        rows,
        name="replicas",
        legend=[
            f"Errors: means over the replicas of seeds {seeds}, and 95 % intervals for what the "
            "draws of so many do to a mean; sd is of one replica; at or below: replicas with no "
            "more test errors than the chapter. All are tested on the same cases: the sampling of "
            "these (± in Table 1) comes on top."
        ],
        notes=[*notes, *_differences(tables)],
        records=records,
        json_rows=rows,
        extra={"sha256_by_seed": digests},
        sources=[nets for _, nets in lines],
    )


def _tables(folders: Sequence[Path], notes: list[str]) -> dict[int, Table1]:
    """The Table 1 of each seed, in ascending order."""
    where, tables = dict[int, Path](), dict[int, Table1]()
    for folder in folders:
        found = read_runs(folder)
        for note in found.notes:
            notes.append(note if note.startswith(str(folder)) else f"{folder}: {note}")
        seeds = sorted({file.lineage.seed for file in found.files.values()})
        if len(seeds) > 1:
            listed = ", ".join(map(str, seeds))
            raise ReportError(f"{folder}: its files have the seeds {listed}, not one")
        if not found.nets:
            continue
        if seeds[0] in where:
            raise ReportError(f"{folder}: of seed {seeds[0]}, as {where[seeds[0]]}")
        where[seeds[0]], tables[seeds[0]] = folder, found
    if not tables:
        raise NoRunsError(f"no finished net in {', '.join(map(str, folders))}")
    return dict(sorted(tables.items()))


def _lines(tables: Mapping[int, Table1]) -> list[tuple[Tree, list[RunFile]]]:
    """The nine lines of Table 1, and their nets; the mean of three stands before the product."""
    lines = []
    for number, printed in enumerate(PRINTED):
        cases = printed["cases"]
        if printed["network"] == "Combined":  # of the three nets above it
            cases = PRINTED[number - 1]["cases"]
            lines.append(_line("mean of three", cases, range(number - 3, number), tables))
        lines.append(_line(printed["network"], cases, range(number, number + 1), tables))
    return [(row, nets) for row, nets in lines if any(measure in row for measure in MEASURES)]


def _line(
    network: str, cases: str, place: range, tables: Mapping[int, Table1]
) -> tuple[Tree, list[RunFile]]:
    row = _row(network, cases, slice(place.start, place.stop), tables)
    return row, [net for found in tables.values() for n in place for net in found.nets_of(n)]


def _row(network: str, cases: str, place: slice, tables: Mapping[int, Table1]) -> Tree:
    """Statistics of each measure that some replica has, of one line or the mean of several."""
    row: Tree = {"network": network, "cases": cases}
    for name in MEASURES:
        means = {seed: _mean_of(found.measured[place], name) for seed, found in tables.items()}
        by_seed = {str(seed): value for seed, value in means.items() if value is not None}
        if by_seed:
            row[name] = statistics(by_seed, _mean_of(PRINTED[place], name))
    return row


def _mean_of(lines: Sequence[Tree], name: str) -> float | None:
    """Of one column of some lines, if all have it; of a single line as it is."""
    numbers = [value for line in lines if (value := line.get(name)) is not None]
    if len(numbers) < len(lines):
        return None
    return float(np.mean(numbers)) if len(numbers) > 1 else numbers[0]


def statistics(by_seed: Mapping[str, float], printed: float | None) -> Tree:
    """Of one number in every replica that has it, beside the chapter's.

    ``sd`` is of one replica, estimated from all; ``mean_95_interval`` is half of one on the mean,
    by Student's t. None where there are none.
    """
    values, n = list(by_seed.values()), len(by_seed)
    sd = float(np.std(values, ddof=1)) if n > 1 else None
    return {
        "chapter": printed,
        "replicas": n,
        "mean": float(np.mean(values)),
        "sd": sd,
        "mean_95_interval": None if sd is None else float(stdtrit(n - 1, 0.975)) * sd / n**0.5,
        "fewest": min(values),
        "most": max(values),
        "at_or_below_chapter": None if printed is None else sum(v <= printed for v in values),
        "by_seed": dict(by_seed),
    }


def _differences(tables: Mapping[int, Table1]) -> list[str]:
    """Settings and data that are not the same in all replicas."""
    found: dict[str, set[str]] = {}
    for table1 in tables.values():
        for net in table1.nets.values():
            common = {"recipe": net.recipe, "data": net.lineage.data}
            for name, value in {**vars(net.settings), **common}.items():
                found.setdefault(name, set()).add(show_value(value))
    differing = [(name, ", ".join(sorted(found[name]))) for name in found if len(found[name]) > 1]
    return [f"the replicas differ in {name}: {values}" for name, values in differing]


def _short(row: Row, measure: str, name: str) -> str:
    """A spread in a narrow column: of two replicas that differ much, without tenths."""
    spread = row.get(measure, {}).get(name)
    if spread is None:
        return ""
    return f"{spread:.1f}" if spread < 100 else f"{spread:.0f}"


def _mean(row: Row, measure: str) -> str:
    """The mean of a measure with its interval, where there are any."""
    if measure not in row:
        return ""
    half = _short(row, measure, "mean_95_interval")
    return f"{row[measure]['mean']:.1f}" + (f" ± {half}" if half else "")


_COLUMNS = (
    Column("network", "{network}", left=True),
    Column("cases", "{cases}"),
    Column("valid. errs", lambda row: _mean(row, "valid_errors")),
    Column("chapter", "{test_errors[chapter]:.4g}"),
    Column("test errs", lambda row: _mean(row, "test_errors")),
    Column("sd", lambda row: _short(row, "test_errors", "sd")),
    Column("range", "{test_errors[fewest]:.4g}-{test_errors[most]:.4g}"),
    Column("at or below", "{test_errors[at_or_below_chapter]}/{test_errors[replicas]}"),
)
