"""What the chapter compares its nets with: other methods, and other versions of the images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hinton06 import mnist
from hinton06.lineage import EXTENDED, NOT_PRETRAINED, ROLES, VALIDATED
from hinton06.loading import RunFile
from hinton06.recipes import counted, show_value
from hinton06.records import Tree
from hinton06.report import support, table1
from hinton06.report.files import (
    DISTORTED,
    SEVERAL,
    Folder,
    NoRunsError,
    Note,
    Selection,
    SeveralError,
    capped_notes,
    conditions,
    each_run,
    file_values,
    in_lines,
    training_cases,
    with_made,
)
from hinton06.report.lines import Found, Line, Replicated
from hinton06.report.scores import ENDS, OF_TEST_CASES, interval
from hinton06.report.table import Column, Table

_OWN = DISTORTED | {"random_start", "translations"}
_SELECTION = Selection("classifier", (VALIDATED, EXTENDED, NOT_PRETRAINED), _OWN | {"cases"})
_HOLDS = "nets or support vector machines to compare"

_BP, _CG = "backpropagation", "conjugate gradient"
_PLAIN = "as they are"

# Test error rates in print, in per cent, by method, hidden layers, and what is done to the images.
_CHAPTER = {
    (support.PLAIN, "", _PLAIN): 1.4,
    (support.VIRTUAL, "", "translated"): 0.56,
    (f"pretraining, {_BP}", "500-500-2000", "translated"): 0.65,
}
_SIMARD03 = {(_BP, "800", ""): 1.6, (_BP, "800", "affine"): 1.1, (_BP, "800", "elastic"): 0.7}
_SOURCE = "Printed: the chapter; with 800 units Simard, Steinkraus and Platt (2003)."
_NETS = {VALIDATED: 0, EXTENDED: 4}  # the lines of Table 1 that the nets of the three splits begin


def table(folder: Path) -> Table:
    """Support vector machines, then nets from random starts, then pretrained ones.

    Raises `NoRunsError` if there is nothing that Table 1 does not have, `ReportError` if there is
    something in the folder that cannot be read, or no line with one net.
    """
    notes: list[Note] = []
    machines = support.saved(folder)
    try:
        nets = _read(folder, notes, bool(machines))
    except NoRunsError:
        if not machines:
            raise
        nets = []
    if not (machines or nets):
        raise NoRunsError(f"{folder}: there are no {_HOLDS} in it")
    return Table(
        _COLUMNS, [*map(_machine_row, machines), *(row for row, _ in nets)], name="baselines",
        legend=[f"{_ABOUT} {OF_TEST_CASES} {_SOURCE}"],
        notes=notes, sections=True, extra={"files": [file_values(file) for _, file in nets]},
        sources=[*([] for _ in machines), *([file] for _, file in nets)] if nets else None,
    )  # fmt: skip


def _read(
    folder: Path | Folder, notes: list[Note], machines: bool = False
) -> list[tuple[Tree, RunFile]]:
    """The rows of the nets in a folder, with their files, in order.

    None if Table 1 has them all, unless there are `machines` beside them.
    """
    here = Folder.at(folder)
    taken = list(each_run(here, _HOLDS, notes, _SELECTION))
    if not (machines or any(map(_is_more, taken))):
        return []
    files = in_lines(((_order(_net_row(here, file)), file) for file in taken), notes)
    if not (machines or any(map(_is_more, files.values()))):
        claims = [item for note in notes if note.kind == SEVERAL for item in note.items]
        raise SeveralError(here.path, claims)
    notes += [note for file in files.values() for note in capped_notes(file)]
    return [(_net_row(here, files[place]), files[place]) for place in sorted(files)]


_ABOUT = (
    "Images are distorted anew whenever they are learned, by so many pixels in the mean; "
    "translated ones, and virtual support vectors, are there in so many versions."
)
_COLUMNS = (
    Column("method", "{method}", left=True),
    Column("images", lambda row: with_made(row["images"], row), left=True),
    Column("layers", "{layers}", left=True),
    Column("cases", "{cases:,}"),
    Column("epochs", "{epochs}"),
    Column("valid.", "{valid_percent:.2f} %"),
    Column("test errs", "{test_errors} ({test_errors_95_low:.0f}-{test_errors_95_high:.0f})"),
    Column("test", "{test_percent:.2f} %"),
    Column("printed", "{printed_test_percent:.2f} %"),
)


def _is_more(file: RunFile) -> bool:
    """Whether it is none of Table 1's."""
    return bool(conditions(file) & _OWN) or _optimiser(file) == _CG


def _optimiser(file: RunFile) -> str:
    return _CG if vars(file.settings)["optimiser"] == "cg" else _BP


def _method(file: RunFile, here: Folder) -> str:
    """Of a random start the optimiser alone."""
    lineage, method = file.lineage, _optimiser(file)
    if lineage.random_start or lineage.role == NOT_PRETRAINED:
        return method
    stack = " of distorted images" if here.distorted_stack(file) else ""
    return f"pretraining{stack}, {method}"


def _versions(file: RunFile) -> Mapping[str, str]:
    """What is done to the images, by name, in words."""
    distortions, moved = file.settings.distortions, file.lineage.translations
    found = {
        name: f"{name} {counted(f'{distortions[name]:g}', 'pixel')}"
        for name in ("affine", "elastic")
        if distortions.get(name)
    }
    return ({"translated": f"{len(mnist.shifts(moved))} versions"} if moved else {}) | found


def _net_row(here: Folder, file: RunFile) -> Tree:
    lineage, method, versions = file.lineage, _method(file, here), _versions(file)
    layers, scores = show_value(file.model.sizes[1:-1]), file.outcome.scores
    return {
        "method": method,
        "images": ", ".join(versions.values()) or _PLAIN,
        "net": lineage.split,
        "role": ROLES[lineage.role],
        "layers": layers,
        "cases": training_cases(file),
        "epochs": file.outcome.epochs_text,
        **_measured(scores["test"].errors, scores["test"].cases),
        "valid_errors": scores["valid"].errors if "valid" in scores else None,
        "valid_percent": scores["valid"].error_rate if "valid" in scores else None,
        "printed_test_percent": _printed(file, method, layers, "+".join(versions)),
        "made_with": here.made_with(file, varied=("optimiser", "layers", *DISTORTED)),
        "cpu_seconds": float(file.provenance["cpu_seconds"]),
    }


def _printed(file: RunFile, method: str, layers: str, versions: str) -> float | None:
    lineage = file.lineage
    if lineage.data != mnist.SHA256:
        return None
    if not versions and layers == "500-500-2000" and lineage.role == NOT_PRETRAINED:
        return float(table1.PRINTED[-1]["test_error_rate_percent"])
    if not versions and layers == "500-500-2000" and method.startswith("pretraining, "):
        line = _NETS[lineage.role] + mnist.SPLITS.index(str(lineage.split))
        return float(table1.PRINTED[line]["test_error_rate_percent"])
    return (_CHAPTER | _SIMARD03).get((method, layers, versions))


def _machine_row(found: Tree) -> Tree:
    """Of what `support` saved, with the names of a net's."""
    moved = bool(found["translations"])
    # The printed machine without translations had no knowledge of geometry, so was not deslanted.
    printed = _CHAPTER.get((found["machine"], "", "translated" if moved else found["images"]))
    valid = found["valid_errors"]
    return {
        "method": found["machine"],
        "images": found["images"],
        "net": None,
        "role": None,
        "layers": "",
        "cases": found["cases"],
        "epochs": "",
        **_measured(found["test_errors"], found["test_cases"]),
        "valid_errors": valid,
        "valid_percent": None if valid is None else 100 * valid / found["valid_cases"],
        "printed_test_percent": printed if found["data"] == mnist.SHA256 else None,
        "made_with": None,
        "cpu_seconds": found["cpu_seconds"],
    }


def _measured(errors: int, cases: int) -> Tree:
    ends = zip(ENDS, interval(errors, cases), strict=True)
    found = {f"test_errors_95_{end}": value for end, value in ends}
    return {"test_errors": errors, "test_percent": 100 * errors / cases, **found}


def _order(row: Tree) -> tuple[object, ...]:
    """A line's place: random starts first; smaller nets, and images as they are."""
    return (
        row["method"].startswith("pretraining"), row["method"], len(row["layers"]), row["layers"],
        row["images"] != _PLAIN, row["images"], row["cases"], row["role"], row["net"] or "",
        row["made_with"] or "",
    )  # fmt: skip


_NAMES = ("method", "images", "layers", "cases", "net")


def _found(folder: Folder) -> Found:
    """Nets alone: nothing in a support vector machine is drawn."""
    if not folder.holds(_SELECTION):
        return Found()
    notes: list[Note] = []
    nets = _read(folder, notes)
    if not nets:
        return Found()
    lines = [
        Line(
            _order(row),
            {name: row[name] for name in _NAMES},
            {name: row[name] for name in ("valid_percent", "test_percent", "test_errors")},
            {"test_percent": row["printed_test_percent"]},
            row["made_with"],
            files=[file],
        )
        for row, file in nets
    ]
    return Found({" ".join(map(str, _order(row))): f for row, f in nets}, lines, notes)


REPLICATED = Replicated(
    "baselines",
    "What the chapter compares with",
    _HOLDS,
    _found,
    (
        Column("method", "{method}", left=True),
        Column("images", lambda row: with_made(row["images"], row), left=True),
        Column("layers", "{layers}", left=True),
        Column("cases", "{cases:,}"),
    ),
    ("valid_percent", "test_percent"),
    digits=2,
    whose="printed",
    source=_SOURCE,
    sections=True,
)
