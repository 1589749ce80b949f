"""Error rates of experiments that the chapter tells of in its text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from hinton06 import mnist
from hinton06.lineage import EXTENDED, NOT_PRETRAINED, PRETRAINED, ROLES, VALIDATED
from hinton06.loading import RunFile
from hinton06.recipes import MOVED, counted, show_value
from hinton06.recognition import Score
from hinton06.records import Tree
from hinton06.report.files import (
    DISTORTED,
    LEFT_OUT,
    Folder,
    Note,
    Selection,
    capped_notes,
    conditions,
    differences,
    each_run,
    file_values,
    in_lines,
    stranger_notes,
    training_cases,
    with_made,
)
from hinton06.report.lines import Found, Line, Replicated
from hinton06.report.scores import (
    ENDS,
    OF_TEST_CASES,
    coefficient_curve,
    interval,
    score_of_product,
)
from hinton06.report.table import Column, Row, Table


@dataclass(frozen=True)
class Study:
    """Experiments that are tabulated together, from a folder that `holds` the files of selections.

    Each has a name, with a place for how many cases were learned, and, perhaps, a test error rate
    in print, in per cent; `key`, which ends in a role, says to which a file belongs. `averaged`:
    what is printed is the mean of an experiment's nets, which then has a line; else there is a
    column for backpropagation's coefficient. What is said below the table is `about` its cells, and
    the `source` of what is printed. Of a `whole` study it is said what is missing, but for what is
    `optional`; experiments that are `together` have a product of all their nets, too.
    """

    name: str
    title: str
    holds: str
    experiments: Mapping[str, tuple[str, float | None]]
    selections: tuple[Selection, ...]
    key: Callable[[RunFile], str]
    about: str
    source: str
    averaged: bool = False
    whole: bool = True
    optional: frozenset[str] = frozenset()
    together: tuple[tuple[str, ...], ...] = ()


def _gradient_and_role(file: RunFile) -> str:
    named = {"pretraining's gradient": "pretraining", "mixed gradient": "mixed"}
    gradient = next((named[name] for name in file.conditions if name in named), "wake-sleep")
    return f"{gradient} {file.lineage.role}" if file.lineage.role != PRETRAINED else PRETRAINED


# Printed in "Using contrastive wake-sleep for generative fine-tuning", and (the first two) in
# Hinton, Osindero and Teh (2006).
GENERATIVE = Study(
    "generative",
    "The generative half",
    "generative nets",
    {
        PRETRAINED: ("greedy pretraining with labels", 2.49),
        f"wake-sleep {VALIDATED}": ("contrastive wake-sleep, {}", 1.39),
        f"wake-sleep {EXTENDED}": ("contrastive wake-sleep, {}", 1.25),
        f"mixed {VALIDATED}": ("mixed gradient, {}", None),
        f"mixed {EXTENDED}": ("mixed gradient, {}", 0.97),
        f"pretraining {VALIDATED}": ("BP with the pretraining's gradient", None),
    },
    (
        Selection("stack", (PRETRAINED,), frozenset({"labels", "cases"}), frozenset({"labels"})),
        Selection("generative", (VALIDATED, EXTENDED), frozenset({"cases"})),
    ),
    _gradient_and_role,
    "Free-energy recognition; BP is backpropagation's coefficient.",
    "Printed: greedy pretraining and 50,000 cases, Hinton, Osindero and Teh (2006), who had "
    "44,000; the others, the chapter.",
)
# "Using geometric prior knowledge".
_TRANSLATIONS = frozenset({"translations"})
_OTHER_SHIFTS = sorted({*range(1, mnist.MAX_TRANSLATION + 1)} - {2})
"""Pixels of translations that are not the chapter's."""


def _by_pixels(n: int) -> dict[str, str]:
    """Keys and names of nets of images that are translated by up to so many pixels."""
    name = f"images translated by {counted(n, 'pixel')}, {{}}"
    return {f"translated by {n} {role}": name for role in (VALIDATED, EXTENDED)}


TRANSLATED = Study(
    "translated",
    "Translated images",
    "classifiers of translated images",
    {
        f"translated {VALIDATED}": ("translated images, {}", None),
        f"translated {EXTENDED}": ("translated images, {}", 0.65),
        **{key: (name, None) for n in _OTHER_SHIFTS for key, name in _by_pixels(n).items()},
    },
    (Selection("classifier", (VALIDATED, EXTENDED), _TRANSLATIONS | {"cases"}, _TRANSLATIONS),),
    lambda file: f"{_translated(file)} {file.lineage.role}",
    "Training cases are counted before they are translated.",
    "Printed: the chapter's average.",
    averaged=True,
    optional=frozenset(key for n in _OTHER_SHIFTS for key in _by_pixels(n)),
)


def _translated(file: RunFile) -> str:
    """How the images were, that it learned; "translated" alone is as in the chapter."""
    pixels = file.lineage.translations
    return f"translated by {pixels}" if pixels in _OTHER_SHIFTS else "translated" * bool(pixels)


def _experiment_and_role(file: RunFile) -> str:
    lineage, role = file.lineage, file.lineage.role
    labelled = lineage.labelled or lineage.images
    what = str(labelled or "")
    if file.kind.name == "generative":
        what = _gradient(file)
    if lineage.images:  # the stack has not met the others either
        told = "" if labelled == lineage.images else f" {labelled} labels"
        what = f"images {lineage.images}{told}"
    random = lineage.random_start or role == NOT_PRETRAINED
    words = ["random" * random, _translated(file), what]
    moved = [word for word in MOVED if word in conditions(file)]
    distorted = [name for name in _DISTORTED if file.settings.distortions.get(name)]
    return " ".join([*moved, *distorted, *(filter(None, words)), role])


def _gradient(file: RunFile) -> str:
    if "pretraining's gradient" in file.conditions:
        return "pretraining's gradient"
    return "mixed" if file.outcome.bp_weight else "wake-sleep"


_FEW = ("100", "1000", "10000")
_WHOLE = "all"
"""Stands for the split of a net that learned all cases at once."""
_WITH_DROPOUT = frozenset({"dropout"})
_APART = _WITH_DROPOUT | set(MOVED)
_DISTORTED = tuple(sorted(DISTORTED))
_BEYOND = {
    VALIDATED: "{}",
    EXTENDED: "{}",
    f"mixed {VALIDATED}": "mixed gradient, {}",
    f"mixed {EXTENDED}": "mixed gradient, {}",
    f"translated {VALIDATED}": "translated images, {}",
    f"translated {EXTENDED}": "translated images, {}",
    **{key: name for n in _OTHER_SHIFTS for key, name in _by_pixels(n).items()},
    f"random {VALIDATED}": "not pretrained, {}",
    f"random {EXTENDED}": "not pretrained, {}",
    f"random {NOT_PRETRAINED}": "not pretrained, {} at once",
    f"random translated {VALIDATED}": "not pretrained, translated images, {}",
    f"random translated {EXTENDED}": "not pretrained, translated images, {}",
    f"random translated {NOT_PRETRAINED}": "not pretrained, translated images, {} at once",
    **{f"{n} {VALIDATED}": "{} labels" for n in _FEW},
    **{f"images {n} {VALIDATED}": "{} labelled images alone" for n in _FEW},
    **{f"random {n} {VALIDATED}": "not pretrained, {} labels" for n in _FEW},
}
"""What is learned with dropout, and in adversarial training as well."""
_BEYOND |= {
    f"{' '.join(words)} {key}": f"{' and '.join(words)} distortions, {name}"
    for words in (_DISTORTED, *((word,) for word in _DISTORTED))
    for key, name in _BEYOND.items()
    if not key.startswith("mixed")
}
_WORDS = {"virtual": "virtual adversarial"}
_PRINTED = {EXTENDED: 0.92}
_GRADIENTS = "generative", "bp_weight", "search_bp_weight"
"""What tells the experiments of the generative half apart."""


def _moved() -> Iterator[tuple[str, str]]:
    """How images are moved, as `_experiment_and_role` and as a table says it."""
    for count in range(1, len(MOVED) + 1):
        for words in combinations(MOVED, count):
            alone = _WORDS.get(words[0], words[0])
            yield " ".join(words), alone if count == 1 else " and ".join(words)


DROPOUT = Study(
    "dropout",
    "With dropout",
    "nets learned with dropout",
    {
        **{key: (f"dropout, {name}", _PRINTED.get(key)) for key, name in _BEYOND.items()},
        **{
            f"{moved} {key}": (f"{said}, {name}", None)
            for moved, said in _moved()
            for key, name in _BEYOND.items()
        },
    },
    (
        Selection(
            "classifier",
            (VALIDATED, EXTENDED, NOT_PRETRAINED),
            _APART | DISTORTED | {"cases", "translations", "labelled", "images", "random_start"},
            _WITH_DROPOUT,
        ),
        Selection("generative", (VALIDATED, EXTENDED), _APART | {"cases"}, _WITH_DROPOUT),
    ),
    _experiment_and_role,
    "None of this is in the chapter. Training cases are counted before they are translated.",
    "Printed: Srivastava and others (2014), dropout after pretraining.",
    averaged=True,
    whole=False,
    together=tuple(
        (f"{which}{EXTENDED}", f"{which}mixed {EXTENDED}")
        for which in ("", "adversarial ", "neighbours ", "adversarial neighbours ")
    ),
)
STUDIES = (GENERATIVE, TRANSLATED, DROPOUT)


def table(folder: Path, study: Study) -> Table:
    """The experiments of a study from the files of a folder, whatever their names are.

    Raises `ReportError` if there is no net of the study in the folder, or no line with one.
    """
    files, rows, notes = _read(folder, study)
    made = [file_values(f) | {"coefficients": coefficient_curve(f.history)} for f in files.values()]
    return Table(
        _columns(study), [row for _, row, _ in rows], name=study.name,
        legend=[f"{study.about} {OF_TEST_CASES} {study.source}"],
        notes=notes, sections=True, extra={"files": made},
        sources=[of for _, _, of in rows],
    )  # fmt: skip


def _read(
    folder: Path | Folder, study: Study
) -> tuple[dict[tuple[str, str], RunFile], list[tuple[int, Tree, list[RunFile]]], list[Note]]:
    """A study's files, its rows with their experiments' numbers and their files, and notes."""
    notes: list[Note] = []
    here = Folder.at(folder)
    taken = each_run(here, study.holds, notes, *study.selections)
    files = in_lines(
        (((_key(study, here, file), file.lineage.split or _WHOLE), file) for file in taken), notes
    )
    notes += [note for file in files.values() for note in capped_notes(file)]
    notes += differences(files.values(), "seeds")
    notes += stranger_notes(
        (file, [net] if (net := files.get((_first_run(key), split))) else [])
        for (key, split), file in files.items()
        if file.lineage.role == EXTENDED
    )
    rows: list[tuple[int, Tree, list[RunFile]]] = []
    lacking = []
    for number, (key, (name, printed)) in enumerate(study.experiments.items()):
        nets = {split: files[k, split] for k, split in sorted(files) if k == key}
        if not nets:
            needed = study.whole and key not in study.optional
            lacking += [name.format(ROLES[key.split()[-1]])] if needed else []
            continue
        of_net = {split: f"{training_cases(net):,}" for split, net in nets.items()}
        of_all = ", ".join(dict.fromkeys(of_net.values()))
        for row, of in _rows(study, here, nets):
            named = {"experiment": name.format(of_net.get(row["net"], of_all))}
            rows.append((number, named | row | {"printed_test_percent": printed}, of))
    for number, keys in enumerate(study.together, len(study.experiments)):
        if together := _together(study, keys, here, files):
            rows.append((number, *together))
    unknown = [f"{f.path.name} ({key})" for (key, _), f in files.items()
               if key not in study.experiments]  # fmt: skip
    notes += (
        [Note(LEFT_OUT + ", ".join(unknown), LEFT_OUT.removesuffix(": "), *unknown)]
        if unknown
        else []
    )
    notes += [Note(f"missing: {name}", "missing", name.replace(",", "")) for name in lacking]
    return files, rows, notes


def _key(study: Study, here: Folder, file: RunFile) -> str:
    """No experiment has a stack of distorted images, so that a net of one is left out by name."""
    return f"distorted stack, {study.key(file)}" if here.distorted_stack(file) else study.key(file)


def _first_run(key: str) -> str:
    """The key of what an extension extends."""
    return key.removesuffix(EXTENDED) + VALIDATED


def _together(
    study: Study, keys: Sequence[str], here: Folder, files: Mapping[tuple[str, str], RunFile]
) -> tuple[Tree, list[RunFile]] | None:
    """The product of the nets of several experiments, if all of these have some."""
    found = {key: [f for (k, _), f in sorted(files.items()) if k == key] for key in keys}
    nets = [file for of_key in found.values() for file in of_key]
    if not found or not all(found.values()):
        return None
    of_all = ", ".join(dict.fromkeys(f"{training_cases(net):,}" for net in nets))
    names = [study.experiments[key][0].format(of_all) for key in keys]
    row = _row("product", {"test": score_of_product(nets)})
    return {"experiment": " and ".join(names)} | row | {
        "made_with": here.made_with(*nets, varied=_GRADIENTS)
    }, nets


def _rows(
    study: Study, here: Folder, by_split: Mapping[str, RunFile]
) -> list[tuple[Tree, list[RunFile]]]:
    """An experiment's nets, their mean where that is printed, and the product of several.

    Each row with the files that it is of.
    """
    nets = list(by_split.values())
    rows: list[tuple[Tree, list[RunFile]]] = []
    for split, net in by_split.items():
        pretrained, outcome = net.lineage.role == PRETRAINED, net.outcome
        epochs = str(vars(net.settings)["passes"]) if pretrained else outcome.epochs_text
        own = {"epochs": epochs, "bp_weight": outcome.bp_weight or None}
        rows.append((_row(split, outcome.scores) | own, [net]))
    if study.averaged:
        rows.append((_row("mean", {}) | {"test_percent": _mean_rate(nets, "test")}, nets))
    if len(nets) > 1:
        rows.append((_row("product", {"test": score_of_product(nets)}), nets))
    return [(row | {"made_with": here.made_with(*of, varied=_GRADIENTS)}, of) for row, of in rows]


def _mean_rate(nets: Sequence[RunFile], part: str) -> float:
    """Error rate, in per cent."""
    return sum(net.outcome.scores[part].error_rate for net in nets) / len(nets)


def _row(net: str, scores: Mapping[str, Score]) -> Tree:
    """One net, or the mean or the product of several."""
    row: Tree = {"net": net, "epochs": "", "bp_weight": None, "printed_test_percent": None}
    for part in ("train", "valid", "test"):
        found = scores.get(part)
        row[f"{part}_errors"] = found and found.errors
        row[f"{part}_percent"] = found and found.error_rate
        row[f"{part}_cost_per_100"] = found and found.cost_per_100
    test = scores.get("test")
    ends = interval(test.errors, test.cases) if test else (None, None)
    return row | {f"test_errors_95_{end}": value for end, value in zip(ENDS, ends, strict=True)}


def _columns(study: Study) -> list[Column]:
    printed = Column("printed", "{printed_test_percent:.2f} %")
    return [
        Column("experiment", "{experiment}", left=True),
        Column("net", lambda row: with_made(row["net"], row), left=True),
        Column("epochs", "{epochs}"),
        *([Column("BP", "{bp_weight:g}")] if not study.averaged else []),
        Column("train", "{train_percent:.2f} %"),
        Column("valid.", "{valid_percent:.2f} %"),
        Column("test errs", "{test_errors} ({test_errors_95_low:.0f}-{test_errors_95_high:.0f})"),
        Column("test", "{test_percent:.2f} %"),
        Column("printed", lambda row: printed.text(row) if _is_of_printed(study, row) else ""),
    ]


def _is_of_printed(study: Study, row: Row) -> bool:
    """Whether what is printed is of such a row: of single nets, or of their mean."""
    net: str = row["net"]
    return net == "mean" if study.averaged else net != "product"


_MEASURED = tuple(
    f"{part}_{what}"
    for part in ("train", "valid", "test")
    for what in ("cost_per_100", "errors", "percent")
)


def replicated(study: Study) -> Replicated:
    """How a study is tabulated over several seeds."""

    def found(folder: Folder) -> Found:
        if not any(map(folder.holds, study.selections)):
            return Found()
        files, rows, notes = _read(folder, study)
        lines = [_line(study, *row) for row in rows]
        return Found({" ".join(place): file for place, file in files.items()}, lines, notes)

    return Replicated(
        study.name, study.title, study.holds, found, _REPLICA_COLUMNS,
        ("valid_percent", "test_percent"), digits=3, whose="printed", source=study.source,
        sections=True,
    )  # fmt: skip


_REPLICA_COLUMNS = (
    Column("experiment", "{experiment}", left=True),
    Column("net", lambda row: with_made(row["net"], row), left=True),
)


def _line(study: Study, number: int, row: Tree, files: Sequence[RunFile]) -> Line:
    """A row of so manieth an experiment of a study."""
    printed = row["printed_test_percent"] if _is_of_printed(study, row) else None
    return Line(
        (number, row["net"]),  # their names' order is that of the rows
        {name: row[name] for name in ("experiment", "net")},
        {name: row[name] for name in (*_MEASURED, "bp_weight")},
        {"test_percent": printed},
        row["made_with"],
        files=files,
    )


_KNOWS = frozenset({"labelled", "images", "random_start", "cases"})
_SELECTION = Selection("classifier", (VALIDATED,), _KNOWS)
_FEW_HOLDS = "classifiers that validation stopped"


class Variant(NamedTuple):
    """What the nets of one line have in common: validation chooses among layers and rates."""

    labelled: int
    pretrained_on: str
    layers: tuple[int, ...]
    rate: float


Lines = dict[Variant, list[RunFile]]
"""The nets of each line."""


@dataclass(frozen=True)
class _Few:
    """The nets of few labels in a folder: those of each line, and which of these are the best."""

    here: Folder
    lines: Lines
    best: set[Variant]
    notes: list[Note]

    @property
    def rows(self) -> list[tuple[Variant, Tree]]:
        """Of all lines."""
        return [(v, _few_row(self.here, v, nets, v in self.best)) for v, nets in self.lines.items()]


def few_labels(folder: Path) -> Table:
    """The classifiers of a folder that validation stopped: "Using extra unlabeled data".

    Of several layers and rates those that validation chose are shown; CSV and JSON hold all.
    Raises `ReportError` if there are none, or no line and split with one.
    """
    found = _read_few(folder)
    records = [row for _, row in found.rows]
    every = [file for nets in found.lines.values() for file in nets]
    return Table(
        _FEW_COLUMNS,
        [row for row in records if row["fewest_validation_errors"]],
        name="unlabelled",
        legend=[
            "Mean error rates of the nets; of several layers and rates those with the fewest "
            f"validation errors. {OF_TEST_CASES} {_FEW_SOURCE}"
        ],
        notes=found.notes,
        records=records,
        extra={"files": list(map(file_values, every))},
        sources=[nets for variant, nets in found.lines.items() if variant in found.best],
    )


_VARIED = "layers", "backprop.rate", "backprop.all_cases_rate"
_FEW_SOURCE = "Printed: only that pretraining on unlabeled data helps a lot."


def _read_few(folder: Path | Folder) -> _Few:
    notes: list[Note] = []
    here = Folder.at(folder)
    taken = each_run(here, _FEW_HOLDS, notes, _SELECTION)
    places = in_lines((((_variant(file), file.lineage.split), file) for file in taken), notes)
    lines: Lines = {}
    for (variant, _), file in sorted(places.items(), key=lambda item: item[0][0]):
        lines.setdefault(variant, []).append(file)
    best = _best(lines, notes)
    chosen = [file for variant in lines if variant in best for file in lines[variant]]
    notes += [note for file in chosen for note in capped_notes(file)]
    every = [file for nets in lines.values() for file in nets]
    notes += differences(every, "seeds")
    others = sum(file.outcome.capped for file in every if file not in chosen)
    if others:
        text = f"of the nets that validation did not choose, {others} ended at a cap"
        kind = "nets that validation did not choose, and that ended at a cap"
        notes.append(Note(text, kind, str(others)))
    return _Few(here, lines, best, notes)


def _variant(file: RunFile) -> Variant:
    lineage, labelled = file.lineage, file.outcome.scores["train"].cases
    images = lineage.images or lineage.cases
    if lineage.random_start:
        pretrained_on = "nothing"
    elif not images:
        pretrained_on = "all images"
    else:
        pretrained_on = "labelled images" if images == labelled else f"{images:,} images"
    rate = vars(file.settings)["all_cases_rate" if lineage.random_start else "rate"]
    return Variant(labelled, pretrained_on, file.model.sizes[1:-1], rate)


def _best(lines: Lines, notes: list[Note]) -> set[Variant]:
    """Those of the fewest validation errors among layers and rates for which all nets are there."""
    best = set()
    for labelled, pretrained_on in dict.fromkeys(variant[:2] for variant in lines):
        own = {v: nets for v, nets in lines.items() if v[:2] == (labelled, pretrained_on)}
        most = max(map(len, own.values()))
        whole = [variant for variant, nets in own.items() if len(nets) == most]
        best.add(min(whole, key=lambda variant: _mean_rate(own[variant], "valid")))
        if len(whole) < len(own):
            which = f"{labelled:,} labels, pretrained on {pretrained_on}"
            fewer = f"{which}: {len(own) - len(whole)} of {len(own)}"
            text = f"{fewer} choices have fewer than {most} nets and are left out"
            notes.append(Note(text, "choices that lack nets and are left out", fewer))
    return best


def _few_row(here: Folder, variant: Variant, nets: Sequence[RunFile], best: bool) -> Tree:
    """What a line's nets have in common, their errors, and means."""
    row = variant._asdict() | {
        "layers": show_value(variant.layers),
        "made_with": here.made_with(*nets, varied=_VARIED),
    }
    row["splits"] = " ".join(str(file.lineage.split) for file in nets)
    for part in ("valid", "test"):
        scores = [file.outcome.scores[part] for file in nets]
        row[f"{part}_errors"] = " ".join(str(score.errors) for score in scores)
        row[f"{part}_percent"] = _mean_rate(nets, part)
    cases = scores[0].cases
    ends = interval(row["test_percent"] / 100 * cases, cases)
    for end, errors in zip(ENDS, ends, strict=True):
        row[f"test_percent_95_{end}"] = 100 * errors / cases
    return row | {"fewest_validation_errors": best}


_FEW_COLUMNS = (
    Column("labels", "{labelled:,}"),
    Column("pretrained on", "{pretrained_on}", left=True),
    Column("layers", "{layers}", left=True),
    Column("rate", "{rate:g}"),
    Column("nets", lambda row: with_made(row["splits"], row), left=True),
    Column("valid.", "{valid_percent:.2f} %"),
    Column("test", "{test_percent:.2f} ({test_percent_95_low:.2f}-{test_percent_95_high:.2f}) %"),
)


def _found_few(folder: Folder) -> Found:
    """What validation chose in a folder, whatever it was, and for CSV and JSON every choice."""
    if not folder.holds(_SELECTION):
        return Found()
    found = _read_few(folder)
    files = {
        " ".join(map(show_value, (*variant, file.lineage.split))): file
        for variant, nets in found.lines.items()
        for file in nets
    }
    lines = []
    for variant, row in found.rows:
        for shown in [True, False] if variant in found.best else [False]:
            names = {n: row[n] for n in ("labelled", "pretrained_on", "layers", "rate")}
            key = variant[:2] if shown else variant
            measured = {name: row[name] for name in ("valid_percent", "test_percent")}
            names["fewest_validation_errors"] = shown
            nets = found.lines[variant]
            lines.append(Line(key, names, measured, {}, row["made_with"], shown, nets))
    return Found(files, lines, found.notes)


FEW_LABELS = Replicated(
    "unlabelled",
    "Few labels",
    _FEW_HOLDS,
    _found_few,
    (
        Column("labels", "{labelled:,}"),
        Column("pretrained on", lambda row: with_made(row["pretrained_on"], row), left=True),
        Column("layers", "{layers}", left=True),
        Column("rate", "{rate}"),
    ),
    ("valid_percent", "test_percent"),
    digits=2,
    source="Of several layers and rates each seed has those with the fewest validation errors. "
    + _FEW_SOURCE,
    chosen=True,
)
