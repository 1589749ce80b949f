"""Table 1 over several replicas: how far its numbers move with the draws of a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from hinton06 import mnist
from hinton06.loading import RunFile
from hinton06.recipes import show_value
from hinton06.records import Tree
from hinton06.report.files import NoRunsError, ReportError, device_of, with_made
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
        {name: row[name] for name in ("network", "cases", "made_with")}
        | {"measure": measure}
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
            "these (brackets in Table 1) comes on top."
        ],
        notes=[*notes, *_differences(tables)],
        records=records,
        json_rows=rows,
        extra={"sha256_by_seed": digests},
        sources=[nets for _, nets in lines],
    )


def _tables(folders: Sequence[Path], notes: list[str]) -> dict[int, Table1]:
    """The Table 1 of each seed, in ascending order."""
    where, tables, said = dict[int, Path](), dict[int, Table1](), dict[str, list[str]]()
    for folder in folders:
        found = read_runs(folder)
        for note in found.notes:
            of_one = note.startswith(str(folder))  # it names its file, and so the folder
            said.setdefault(note, []).extend([] if of_one else [str(folder)])
        seeds = sorted({file.lineage.seed for file in found.files.values()})
        if len(seeds) > 1:
            listed = ", ".join(map(str, seeds))
            raise ReportError(f"{folder}: its files have the seeds {listed}, not one")
        if not found.nets:
            continue
        if seeds[0] in where:
            raise ReportError(f"{folder}: of seed {seeds[0]}, as {where[seeds[0]]}")
        where[seeds[0]], tables[seeds[0]] = folder, found
    notes += [_note(text, where_said, len(folders)) for text, where_said in said.items()]
    if not tables:
        raise NoRunsError(f"no finished net in {', '.join(map(str, folders))}")
    return dict(sorted(tables.items()))


def _note(text: str, folders: Sequence[str], n_folders: int) -> str:
    """Once what is to be said of several folders."""
    every = len(folders) == n_folders > 1
    named = f"all {n_folders} folders" if every else ", ".join(folders)
    return f"{named}: {text}" if named else text


def _lines(tables: Mapping[int, Table1]) -> list[tuple[Tree, list[RunFile]]]:
    """The nine lines of Table 1, and their nets; the mean of three stands before the product."""
    lines = []
    every = [file for found in tables.values() for file in found.nets.values()]
    of_chapter = all(file.lineage.data == mnist.SHA256 for file in every)
    for number, printed in enumerate(PRINTED):
        one, three = slice(number, number + 1), slice(number - 3, number)
        if printed["network"] == "Combined":  # of the three nets above it
            lines.append((_row("mean of three", three, three, tables, of_chapter), three))
            lines.append((_row("Combined", one, three, tables, of_chapter), one))
        else:
            lines.append((_row(printed["network"], one, one, tables, of_chapter), one))
    measured = [(row, place) for row, place in lines if any(name in row for name in MEASURES)]
    return [(row, _nets(place, tables)) for row, place in measured]


def _nets(place: slice, tables: Mapping[int, Table1]) -> list[RunFile]:
    """What some lines are measured from, of the replicas that have all of it."""
    lines = range(place.start, place.stop)
    by_seed = [[found.nets_of(line) for line in lines] for found in tables.values()]
    return [net for nets in by_seed if all(nets) for line in nets for net in line]


def _row(
    network: str, place: slice, nets: slice, tables: Mapping[int, Table1], of_chapter: bool
) -> Tree:
    """Statistics of each measure that some replica has, of one line or the mean of several.

    `nets`: the lines of what was trained for it; `of_chapter`: that its data are the chapter's,
    whose numbers then stand beside ours.
    """
    lines = [line for found in tables.values() for line in found.measured[nets] if line]
    made = "; ".join(dict.fromkeys(line["made_with"] for line in lines if line["made_with"]))
    cases = ", ".join(dict.fromkeys(line["cases"] for line in lines))
    row: Tree = {"network": network, "cases": cases, "made_with": made or None}
    for name in MEASURES:
        means = {seed: _mean_of(found.measured[place], name) for seed, found in tables.items()}
        by_seed = {str(seed): value for seed, value in means.items() if value is not None}
        if by_seed:
            printed = _mean_of(PRINTED[place], name) if of_chapter else None
            row[name] = statistics(by_seed, printed)
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
    """Settings, data and devices that are not the same in all replicas."""
    found: dict[str, set[str]] = {}
    for table1 in tables.values():
        for net in table1.nets.values():
            common = {"recipe": net.recipe, "data": net.lineage.data, "device": device_of(net)}
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
    Column("network", lambda row: with_made(row["network"], row), left=True),
    Column("cases", "{cases}"),
    Column("valid. errs", lambda row: _mean(row, "valid_errors")),
    Column("chapter", "{test_errors[chapter]:.4g}"),
    Column("test errs", lambda row: _mean(row, "test_errors")),
    Column("sd", lambda row: _short(row, "test_errors", "sd")),
    Column("range", "{test_errors[fewest]:.4g}-{test_errors[most]:.4g}"),
    Column("at or below", "{test_errors[at_or_below_chapter]}/{test_errors[replicas]}"),
)
