"""Tables over several replicas: how far their numbers move with the draws of a seed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.special import stdtr, stdtrit

from hinton06 import mnist
from hinton06.loading import RunFile
from hinton06.recipes import counted, show_value
from hinton06.records import Tree
from hinton06.report import baselines, error_rates, table1
from hinton06.report.files import (
    SEVERAL,
    Folder,
    NoRunsError,
    Note,
    ReportError,
    SeveralError,
    device_of,
    idle,
)
from hinton06.report.lines import Line, Replicated
from hinton06.report.table import Column, Row, Table

TABLES: Mapping[str, Replicated] = {
    table.name: table
    for table in (
        table1.REPLICATED,
        *map(error_rates.replicated, error_rates.STUDIES),
        error_rates.FEW_LABELS,
        baselines.REPLICATED,
    )
}
"""What can be tabulated over seeds."""

QUANTILES = {
    "quantile_05": 0.05, "quantile_25": 0.25, "median": 0.5, "quantile_75": 0.75,
    "quantile_95": 0.95,
}  # fmt: skip
"""Those of a measure, by their names."""


@dataclass(frozen=True)
class _Replica:
    """What a table has of one folder; without the models, of which there may be hundreds.

    Or of one seed of a table that was saved, as the file `folder`: `digests` are then of its nets,
    whose data, if `of_chapter`, are the chapter's; nothing else may be known of them.
    """

    folder: Path
    seed: int | None
    lines: Sequence[Line]
    notes: Sequence[Note]
    made: Mapping[str, _Made]
    digests: Mapping[str, str] = field(default_factory=dict)
    of_chapter: bool = True
    said: Sequence[str] = ()


@dataclass(frozen=True)
class _Made:
    """A file: how it was made, in words, by what of it."""

    path: Path
    data: str
    digest: str
    how: Mapping[str, str]


def table(folders: Sequence[Path], name: str = "table1") -> Table:
    """One of `TABLES` over what `tables` takes, and raises."""
    return tables(folders, [name])[0]


def tables(folders: Sequence[Path], names: Sequence[str] = ()) -> list[Table]:
    """Tables over folders of one seed each: those of the names, or all that the folders allow.

    Instead of a folder there may be the JSON file of such a table that was saved, with all its
    seeds. Not named, a table is left out if every file that it takes stands in one before it, or,
    with a note below the first, for what is an error else. CSV and JSON have all measures. Raises
    `ReportError` if a folder holds nothing for these tables, or files of several seeds, or no line
    with one; if two folders are of the same seed; if none has a finished net; or if a file is no
    saved table.
    """
    wanted = [TABLES[name] for name in dict.fromkeys(names)] or list(TABLES.values())
    every, errors = _read(folders, wanted)
    kept, told, notes = list[Replicated](), set[Path](), list[str]()
    for table in wanted:
        if table.name in errors and (names or not kept):
            raise errors[table.name]
        if table.name in errors:
            if not _is_told(errors[table.name], kept, every):
                notes.append(f"{table.title}: {errors[table.name]}")
            continue
        lined = [r for r in every[table.name] if r.lines]
        files = {m.path for r in lined for m in r.made.values()}
        files |= {r.folder for r in lined if r.digests}
        if files and (names or files - told):
            kept.append(table)
            told |= files
    try:
        _check_kept(folders, kept, wanted if names else [], every)
    except NoRunsError as nothing:  # perhaps for a folder's files cannot be tabulated
        raise next(iter(errors.values()), nothing) from None
    folders_read = [r for found in every.values() for r in found if not r.digests]
    seeds = {r.folder: r.seed for r in folders_read if r.seed is not None}
    made = [_table(table, every[table.name], seeds) for table in kept]
    return [replace(made[0], notes=[*made[0].notes, *notes]), *made[1:]]


def _is_told(
    error: ReportError, kept: Sequence[Replicated], every: Mapping[str, Sequence[_Replica]]
) -> bool:
    """Whether an error only says that files are for one line, as notes of tables before it do."""
    notes = [note for table in kept for r in every[table.name] for note in r.notes]
    said = {item for note in notes if note.kind == SEVERAL for item in note.items}
    return isinstance(error, SeveralError) and said.issuperset(error.claims)


def _read(
    folders: Sequence[Path], wanted: Sequence[Replicated]
) -> tuple[dict[str, list[_Replica]], dict[str, ReportError]]:
    """What each table has of each folder, and why a table cannot be made; one folder at a time."""
    every: dict[str, list[_Replica]] = {table.name: [] for table in wanted}
    errors: dict[str, ReportError] = {}
    for path in folders:
        found = _of_folder(path) if path.is_dir() else _of_saved(path)
        for table in wanted:
            try:
                every[table.name] += found(table)
                _by_seed(every[table.name])
            except ReportError as error:
                errors.setdefault(table.name, error)
    return every, errors


def _check_kept(
    folders: Sequence[Path],
    kept: Sequence[Replicated],
    named: Sequence[Replicated],
    every: Mapping[str, Sequence[_Replica]],
) -> None:
    """`NoRunsError` if there is nothing for a table that was named, or for any, or in a folder."""
    listed = ", ".join(map(str, folders))
    for table in named:
        if table not in kept:
            raise NoRunsError(f"there are no finished {table.holds} in {listed}")
    if not kept:
        raise NoRunsError(f"no finished net in {listed}")
    holds = " or ".join(table.holds for table in named) or "nets of a table"
    for path in folders:
        own = [r for table in kept for r in every[table.name] if r.folder == path]
        if not any(map(_says_something, own)):
            raise NoRunsError(f"{path}: there are no {holds} in it")


def _says_something(replica: _Replica) -> bool:
    return bool(replica.made or replica.digests or replica.notes)


def _of_folder(path: Path) -> Callable[[Replicated], list[_Replica]]:
    folder = Folder(path)
    return lambda table: [_replica(table, folder)]


def _of_saved(path: Path) -> Callable[[Replicated], list[_Replica]]:
    """What tables have of a JSON file that was saved: a replica for each seed of one of them."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        name, rows = document.get("table", table1.REPLICATED.name), document["rows"]
        digests, saved = document["sha256_by_seed"], TABLES[name]
        made = document.get("made", [])
        found = [_saved(path, seed, rows, saved, own, made) for seed, own in digests.items()]
        of_itself = _table(saved, found, {})
        of_itself.markdown()
        of_itself.csv()
        notes = [_of_file(path, str(note)) for note in document["notes"]]
        notes += [f"{path}: settings are not compared"] if len(made) < 1 else []
        found = [replace(found[0], said=notes), *found[1:]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        wanted = "a folder of runs, or the JSON file of a table over seeds"
        raise ReportError(f"{path}: not {wanted}") from None
    if saved.chosen:
        raise ReportError(f"{path}: {saved.title.lower()} do not say what each seed had chosen")
    return lambda table: found if table is saved else [_Replica(path, None, (), (), {})]


def _of_file(path: Path, note: str) -> str:
    """A note of a saved table; of one that this had been made of, as it is."""
    return note if re.match(r"\S+\.json: ", note) else f"{path}: {note}"


def _saved(
    path: Path, key: str, rows: Sequence[Tree], table: Replicated, digests: Mapping[str, str],
    made: Sequence[Tree],
) -> _Replica:  # fmt: skip
    """One seed of a table that was saved."""
    lines, whose, printed = [], table.whose or "printed", False
    for row in rows:
        measures = {n: v for n, v in row.items() if isinstance(v, dict)}
        for measure in measures.values():
            if not all(isinstance(x, int | float) for x in measure["by_seed"].values()):
                raise TypeError(measure)
        names = {n: v for n, v in row.items() if n not in measures and n != "made_with"}
        own = {n: v["by_seed"].get(key) for n, v in measures.items()}
        numbers = {n: v[whose] for n, v in measures.items()}
        printed |= any(number is not None for number in numbers.values())
        if any(value is not None for value in own.values()):
            lines.append(Line((), names, own, numbers, row.get("made_with")))
    known = {
        one["file"]: _Made(path, one["data"], digests[one["file"]], one["settings"])
        for one in made
        if int(key) in one["seeds"]
    }
    return _Replica(path, int(key), lines, (), known, dict(digests), bool(known) or printed)


def _replica(table: Replicated, folder: Folder) -> _Replica:
    found = table.found(folder)
    seeds = sorted({file.lineage.seed for file in found.files.values()})
    if len(seeds) > 1:
        listed = ", ".join(map(str, seeds))
        raise ReportError(f"{folder.path}: its files have the seeds {listed}, not one")
    made = {place: _made(file) for place, file in found.files.items()}
    notes = found.notes if found.files or found.notes else folder.unreadable()
    lines = [replace(line, files=list(map(_light, line.files))) for line in found.lines]
    return _Replica(folder.path, seeds[0] if seeds else None, lines, notes, made)


def _light(file: RunFile) -> RunFile:
    """A file without its model."""
    return replace(file, held=replace(file.held, model={}))


def _made(file: RunFile) -> _Made:
    """The coefficient of an extension is no setting: the search before it found it."""
    settings = {name: v for name, v in vars(file.settings).items() if name not in idle(file)}
    how = {name: show_value(value) for name, value in settings.items()}
    how |= {name: show_value(value) for name, value in file.lineage.conditions().items()}
    how |= {"recipe": file.recipe, "data": file.lineage.data[:8], "device": device_of(file)}
    return _Made(file.path, file.lineage.data, file.digest, how)


def _table(table: Replicated, every: Sequence[_Replica], seeds: Mapping[Path, int]) -> Table:
    by_seed = _by_seed(every)
    rows = _rows(table, by_seed)
    digests = {
        str(seed): {place: made.digest for place, made in replica.made.items()}
        | dict(replica.digests)
        for seed, replica in by_seed.items()
    }
    values = [{n: v for n, v in row.items() if n not in ("shown", "files")} for row in rows]
    measures = dict.fromkeys(name for row in rows for name in row if isinstance(row[name], dict))
    records = [
        {name: value for name, value in row.items() if not isinstance(value, dict)}
        | {"measure": measure}
        | {name: value for name, value in row[measure].items() if name != "by_seed"}
        | {f"seed_{seed}": row[measure]["by_seed"].get(str(seed)) for seed in by_seed}
        for row in values
        for measure in measures
        if measure in row
    ]
    shown = [row for row in rows if row["shown"]]
    name = "replicas" if table is table1.REPLICATED else f"replicas-{table.name}"
    drawn = len(by_seed) > 1 and any(table.shown[1] in row for row in shown)
    return Table(
        _columns(table),
        shown,
        name=name,
        title=f"{table.title} over {counted(len(by_seed), 'seed')}",
        legend=[_legend(table, _seeds(by_seed))],
        notes=[
            *_gathered([r for r in every if not r.digests], seeds),
            *(note for replica in every for note in replica.said),
            *_differences(by_seed),
        ],
        sections=table.sections,
        records=records,
        json_rows=values,
        extra={"table": table.name, "sha256_by_seed": digests, "made": _made_by(by_seed)},
        beside={f"{name}.png": lambda: _spread(table, shown)} if drawn else {},
        figures=[(f"{table.title}, seed by seed", f"{name}.png", _SPREAD)] if drawn else [],
        sources=[row["files"] for row in shown],
        further=_distributions(table, shown),
    )


_SPREAD = (
    "Test errors of every seed as dots, their mean with its 95 % interval, and the printed numbers."
)


def _spread(table: Replicated, rows: Sequence[Row]) -> bytes:
    """The picture of the rows that have test errors, as a PNG file."""
    from hinton06.report import spread  # noqa: PLC0415  # Matplotlib is slow to import

    test, measured = table.shown[1], [row for row in rows if table.shown[1] in row]
    found = [
        spread.Spread(
            ", ".join(filter(None, (column.text(row) for column in table.columns))),
            list(row[test]["by_seed"].values()),
            row[test]["mean_95_interval"],
            row[test].get(table.whose or "printed"),
        )
        for row in measured
    ]
    measure = "test errors" if _counts(table) else "test errors (%)"
    return spread.drawn(found, measure, _printed(table) if table.whose else "printed")


def _made_by(by_seed: Mapping[int, _Replica]) -> list[Tree]:
    """How each file was made, once for all seeds of which it was made alike."""
    found: list[Tree] = []
    for seed, replica in by_seed.items():
        for place, made in replica.made.items():
            own: Tree = {"file": place, "data": made.data, "settings": dict(made.how)}
            for one in found:
                if {**one, "seeds": ()} == {**own, "seeds": ()}:
                    one["seeds"].append(seed)
                    break
            else:
                found.append({"file": place, "seeds": [seed]} | own)
    return found


def _by_seed(every: Sequence[_Replica]) -> dict[int, _Replica]:
    """Those that have a line, in ascending order of their seeds."""
    found: dict[int, _Replica] = {}
    for replica in every:
        if not replica.lines:
            continue
        assert replica.seed is not None  # a line is of a seed
        if replica.seed in found:
            other = found[replica.seed].folder
            raise ReportError(f"{replica.folder}: of seed {replica.seed}, as {other}")
        found[replica.seed] = replica
    return dict(sorted(found.items()))


# -- numbers -------------------------------------------------------------------------------------


def _rows(table: Replicated, by_seed: Mapping[int, _Replica]) -> list[Tree]:
    """A row for each line that some replica has; numbers in print are for the chapter's data.

    In the order of their keys; what saved tables alone have stands where it stood there.
    """
    place = _places(by_seed)
    lines: dict[tuple[object, ...], dict[int, Line]] = {}
    for seed, replica in by_seed.items():
        for line in replica.lines:
            lines.setdefault(place(line), {})[seed] = line
    every = [made for replica in by_seed.values() for made in replica.made.values()]
    of_chapter = all(made.data == mnist.SHA256 for made in every)
    of_chapter &= all(replica.of_chapter for replica in by_seed.values())
    order = sorted({line.key for r in by_seed.values() for line in r.lines if line.key})
    for replica in by_seed.values():
        after = 0
        for key in map(place, replica.lines):
            if key not in order:
                order.insert(after, key)
            after = order.index(key) + 1
    return [_row(table, lines[key], of_chapter) for key in order]


def _places(by_seed: Mapping[int, _Replica]) -> Callable[[Line], tuple[object, ...]]:
    """Of a line its key; of one that was saved, without, that of the line of the same names."""
    every = [line for replica in by_seed.values() for line in replica.lines]
    keys = {tuple(line.names.values()): line.key for line in every if line.key}

    def place(line: Line) -> tuple[object, ...]:
        names = tuple(line.names.values())
        return line.key or keys.get(names, names)

    return place


def _row(table: Replicated, lines: Mapping[int, Line], of_chapter: bool) -> Tree:
    """The names of one line, and the statistics of each measure that some replica has of it."""
    one = next(iter(lines.values()))
    made = "; ".join(dict.fromkeys(line.made_with for line in lines.values() if line.made_with))
    row: Tree = {name: _common([line.names[name] for line in lines.values()]) for name in one.names}
    row |= {"made_with": made or None, "shown": one.shown}
    row["files"] = [file for line in lines.values() for file in line.files]
    for name in dict.fromkeys(name for line in lines.values() for name in line.measured):
        of_seeds = {str(seed): line.measured.get(name) for seed, line in lines.items()}
        values = {seed: value for seed, value in of_seeds.items() if value is not None}
        if values:
            numbers = [line.printed.get(name) for line in lines.values()]
            printed = next((n for n in numbers if n is not None), None) if of_chapter else None
            row[name] = statistics(values, printed, table.whose or "printed")
    return row


def _common(values: Sequence[object]) -> object:
    """What is the same in all, or all of it."""
    different = dict.fromkeys(values)
    return values[0] if len(different) == 1 else ", ".join(map(show_value, different))


def statistics(by_seed: Mapping[str, float], printed: float | None, whose: str) -> Tree:
    """Of one number in every replica that has it, beside the one that is printed.

    ``sd`` is of one replica, estimated from all; ``mean_95_interval`` is half of one on the mean,
    by Student's t, and none of draws that are all the same. A quantile is interpolated between
    replicas, and there is none unless at least one replica in the mean lies on each side of it.
    ``draw_at_or_below_…`` is the probability that one replica more has no more than is printed, by
    the predictive t distribution for normal draws, ``mean_at_or_below_…`` that the mean of ever
    more has, by Student's t. The share of replicas, ``at_or_below_…``, could say nothing between 0
    and one replica. None where there are none.
    """
    values, n = list(by_seed.values()), len(by_seed)
    mean = float(np.mean(values))
    sd = float(np.std(values, ddof=1)) if n > 1 else None
    sd = 0.0 if n > 1 and min(values) == max(values) else sd  # their mean may be rounded
    found = {
        whose: printed,
        "replicas": n,
        "mean": mean,
        "sd": sd,
        "mean_95_interval": float(stdtrit(n - 1, 0.975)) * sd / n**0.5 if sd else None,
        "fewest": min(values),
        "most": max(values),
        f"at_or_below_{whose}": None if printed is None else sum(v <= printed for v in values),
    }
    for name, variance in (("draw", 1 + 1 / n), ("mean", 1 / n)):
        share = None
        if printed is not None and sd and min(values) < max(values):
            _, share = at_or_below(printed, mean, sd, n, variance)
        found[f"{name}_at_or_below_{whose}"] = share
    for name, below in QUANTILES.items():
        enough = n * min(below, 1 - below) >= 1 - 1e-9  # 1 - 0.95 is rounded
        found[name] = float(np.quantile(values, below)) if enough else None
    return found | {"by_seed": dict(by_seed)}


def at_or_below(
    number: float, mean: float, sd: float, n: int, variance: float
) -> tuple[float, float]:
    """Student's t of a number beside n draws, and the probability of no more than it.

    In units of ``sd**2`` the `variance` of the difference is 1 + 1/n for one more draw, and 1/n for
    the mean of ever more.
    """
    t = (number - mean) / (sd * variance**0.5)
    return t, float(stdtr(n - 1, t))


# -- remarks -------------------------------------------------------------------------------------


def _listed(seeds: Iterable[int]) -> str:
    """``"0-4, 7"``; of two that follow one another, ``"0, 1"``."""
    parts: list[list[int]] = []
    for seed in sorted(seeds):
        if parts and parts[-1][-1] == seed - 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ", ".join(
        f"{part[0]}-{part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in parts
    )


def _seeds(seeds: Collection[int]) -> str:
    return f"{'seeds' if len(seeds) > 1 else 'seed'} {_listed(seeds)}"


def _whose(places: Sequence[Path], every: Sequence[Path], seeds: Mapping[Path, int]) -> str:
    """Folders by their seeds, where they have any."""
    if len(places) == len(every):
        return f"all {len(every)} folders" if len(every) > 2 else "both folders"
    known = [seeds[place] for place in places if place in seeds]
    named = [_seeds(known)] if known else []
    return ", ".join([*named, *(str(place) for place in places if place not in seeds)])


def _gathered(every: Sequence[_Replica], seeds: Mapping[Path, int]) -> list[str]:
    """The notes of all folders, one for each kind."""
    said: dict[str, dict[str, list[Path]]] = {}
    for replica in every:
        notes = replica.notes
        if not _says_something(replica):
            notes = [Note.listing("missing", "all files")]
        for note in notes:
            for item in note.items:
                places = said.setdefault(note.kind, {}).setdefault(item, [])
                places += [replica.folder] if replica.folder not in places else []
    folders = [replica.folder for replica in every]
    if len(folders) == 1:
        return [f"{kind}: {', '.join(items)}" for kind, items in said.items()]
    return [
        f"{kind}: {_joined({i: _whose(p, folders, seeds) for i, p in items.items()})}"
        for kind, items in said.items()
    ]


def _joined(whose: Mapping[str, str]) -> str:
    """Things and, in brackets, whose they are, once for those that follow one another."""
    groups: dict[str, list[str]] = {}
    for thing, owners in whose.items():
        groups.setdefault(owners, []).append(thing)
    return "; ".join(f"{', '.join(things)} ({owners})" for owners, things in groups.items())


def _differences(by_seed: Mapping[int, _Replica]) -> list[str]:
    """Settings, data and the like that are not the same in all replicas, of one file or more."""
    found: dict[str, dict[str, dict[int, None]]] = {}
    for place in dict.fromkeys(place for replica in by_seed.values() for place in replica.made):
        made = {seed: r.made[place].how for seed, r in by_seed.items() if place in r.made}
        for name in dict.fromkeys(name for how in made.values() for name in how):
            values = {seed: how.get(name, "none") for seed, how in made.items()}
            if len(set(values.values())) > 1:
                for seed, value in values.items():
                    found.setdefault(name, {}).setdefault(value, {})[seed] = None
    parts = [
        f"{name}: {', '.join(f'{value} ({_seeds(values[value])})' for value in sorted(values))}"
        for name, values in found.items()
    ]
    return [f"the replicas differ in {'; in '.join(parts)}"] if parts else []


# -- columns -------------------------------------------------------------------------------------


def _legend(table: Replicated, seeds: str) -> str:
    """What the cells are."""
    counts = f"; at or below: replicas with no more test errors than {_printed(table)}"
    return (
        f"{'Errors' if _counts(table) else 'Error rates in per cent'}: means over the replicas of "
        f"{seeds}, and 95 % intervals for what the draws of so many do to a mean; sd is of one "
        f"replica{counts if table.whose else ''}. All are tested on the same cases: the sampling "
        f"of these (brackets in {'Table 1' if _counts(table) else 'the table of one seed'}) comes "
        f"on top. {table.source}"
    ).strip()


def _printed(table: Replicated) -> str:
    return "the chapter" if table.whose == "chapter" else table.whose


def _counts(table: Replicated) -> bool:
    """Whether errors are shown, and not their rates."""
    return table.shown[1].endswith("errors")


def _columns(table: Replicated) -> list[Column]:
    valid, test = table.shown
    digits, ending = table.digits, " errs" if _counts(table) else ""
    at_or_below = f"{{{test}[at_or_below_{table.whose}]}}/{{{test}[replicas]}}"
    return [
        *table.columns,
        Column(f"valid.{ending}", _mean(valid, digits)),
        *_printed_column(table),
        Column(f"test{ending}", _mean(test, digits)),
        Column("sd", lambda row: _short(row, test, "sd", digits)),
        Column("range", f"{{{test}[fewest]:.4g}}-{{{test}[most]:.4g}}"),
        *([Column("at or below", at_or_below)] if table.whose else []),
    ]


def _printed_column(table: Replicated) -> list[Column]:
    return [Column(table.whose, f"{{{table.shown[1]}[{table.whose}]:.4g}}")] if table.whose else []


def _distributions(table: Replicated, rows: Sequence[Row]) -> list[Table]:
    """Quantiles of test errors as far as there are any, and where the printed numbers lie."""
    test, whose = table.shown[1], table.whose
    rows = [row for row in rows if row.get(test, {}).get("median") is not None]
    names = [name for name in QUANTILES if any(row[test][name] is not None for row in rows)]
    columns = [
        *table.columns,
        *_printed_column(table),
        *(
            Column(f"{100 * QUANTILES[name]:g} %", f"{{{test}[{name}]:.{table.digits}f}}")
            for name in names
        ),
    ]
    legend = []
    if whose:
        columns += [
            Column("P draw", _probability(test, f"draw_at_or_below_{whose}")),
            Column("P mean", _probability(test, f"mean_at_or_below_{whose}")),
        ]
        legend.append(
            "Probabilities by Student's t, draws taken as normal: P draw, that one more replica "
            f"has no more test errors than {_printed(table)}; P mean, that ever more replicas have "
            "no more in the mean."
        )
    title = f"Quantiles of test {'errors' if _counts(table) else 'error rates'}"
    return (
        [Table(columns, rows, title=title, legend=legend, sections=table.sections)] if rows else []
    )


def _short(row: Row, measure: str, name: str, digits: int) -> str:
    """A spread in a narrow column: of two replicas that differ much, without tenths."""
    spread = row.get(measure, {}).get(name)
    if spread is None:
        return ""
    return f"{spread:.{digits}f}" if spread < 100 else f"{spread:.0f}"


def _mean(measure: str, digits: int) -> Callable[[Row], str]:
    """The mean of a measure with its interval, where there are any."""

    def text(row: Row) -> str:
        if measure not in row:
            return ""
        half = _short(row, measure, "mean_95_interval", digits)
        return f"{row[measure]['mean']:.{digits}f}" + (f" ± {half}" if half else "")

    return text


def _probability(measure: str, name: str) -> Callable[[Row], str]:
    """With two digits, and as less or more than what would be 0 or 1."""

    def text(row: Row) -> str:
        value = row.get(measure, {}).get(name)
        if value is None:
            return ""
        return "<0.01" if value < 0.01 else ">0.99" if value > 0.99 else f"{value:.2f}"

    return text
