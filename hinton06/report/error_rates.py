"""Error rates of experiments that the chapter tells of in its text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hinton06.lineage import EXTENDED, PRETRAINED, ROLES, VALIDATED
from hinton06.loading import RunFile
from hinton06.recipes import show_value
from hinton06.recognition import Score
from hinton06.records import Tree
from hinton06.report.files import (
    Selection,
    capped_notes,
    each_run,
    file_values,
    made_with,
    put,
    training_cases,
    with_made,
)
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
    column for backpropagation's coefficient.
    """

    name: str
    holds: str
    experiments: Mapping[str, tuple[str, float | None]]
    selections: tuple[Selection, ...]
    key: Callable[[RunFile], str]
    legend: str
    averaged: bool = False


def _gradient_and_role(file: RunFile) -> str:
    named = {"pretraining's gradient": "pretraining", "mixed gradient": "mixed"}
    gradient = next((named[name] for name in file.conditions if name in named), "wake-sleep")
    return f"{gradient} {file.lineage.role}" if file.lineage.role != PRETRAINED else PRETRAINED


# Printed in "Using contrastive wake-sleep for generative fine-tuning", and (the first two) in
# Hinton, Osindero and Teh (2006).
GENERATIVE = Study(
    "generative",
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
    f"Free-energy recognition; BP is backpropagation's coefficient. {OF_TEST_CASES} Printed: "
    "greedy pretraining and 50,000 cases, Hinton, Osindero and Teh (2006), who had 44,000; the "
    "others, the chapter.",
)
# "Using geometric prior knowledge".
_TRANSLATIONS = frozenset({"translations"})
TRANSLATED = Study(
    "translated",
    "classifiers of translated images",
    {
        VALIDATED: ("translated images, {}", None),
        EXTENDED: ("translated images, {}", 0.65),
    },
    (Selection("classifier", (VALIDATED, EXTENDED), _TRANSLATIONS | {"cases"}, _TRANSLATIONS),),
    lambda file: file.lineage.role,
    f"Training cases are counted before they are translated. {OF_TEST_CASES} Printed: the "
    "chapter's average.",
    averaged=True,
)


def table(folder: Path, study: Study) -> Table:
    """The experiments of a study from the files of a folder, whatever their names are.

    Raises `ReportError` if there is no net of the study in the folder, or two for one line.
    """
    files: dict[tuple[str, str], RunFile] = {}
    notes: list[str] = []
    for file in each_run(folder, study.holds, notes, *study.selections):
        put(files, (study.key(file), str(file.lineage.split)), file)
        notes += capped_notes(file)
    rows: list[Tree] = []
    sources: list[list[RunFile]] = []
    for key, (name, printed) in study.experiments.items():
        nets = {split: files[k, split] for k, split in sorted(files) if k == key}
        if not nets:
            notes.append(f"missing: {name.format(ROLES[key.split()[-1]])}")
            continue
        of_net = {split: f"{training_cases(net):,}" for split, net in nets.items()}
        of_all = ", ".join(dict.fromkeys(of_net.values()))
        for row, of in _rows(study, nets):
            named = {"experiment": name.format(of_net.get(row["net"], of_all))}
            rows.append(named | row | {"printed_test_percent": printed})
            sources.append(of)
    made = [file_values(f) | {"coefficients": coefficient_curve(f.history)} for f in files.values()]
    return Table(
        _columns(study), rows, name=study.name, legend=[study.legend], notes=notes, sections=True,
        extra={"files": made}, sources=sources,
    )  # fmt: skip


def _rows(study: Study, by_split: Mapping[str, RunFile]) -> list[tuple[Tree, list[RunFile]]]:
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
    return [(row | {"made_with": made_with(*of)}, of) for row, of in rows]


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

    def printed_text(row: Row) -> str:
        """What is printed is of single nets, or of their mean."""
        is_of_it = row["net"] == "mean" if study.averaged else row["net"] != "product"
        return printed.text(row) if is_of_it else ""

    return [
        Column("experiment", "{experiment}", left=True),
        Column("net", lambda row: with_made(row["net"], row), left=True),
        Column("epochs", "{epochs}"),
        *([Column("BP", "{bp_weight:g}")] if not study.averaged else []),
        Column("train", "{train_percent:.2f} %"),
        Column("valid.", "{valid_percent:.2f} %"),
        Column("test errs", "{test_errors} ({test_errors_95_low:.0f}-{test_errors_95_high:.0f})"),
        Column("test", "{test_percent:.2f} %"),
        Column("printed", printed_text),
    ]


_KNOWS = frozenset({"labelled", "images", "random_start", "cases"})
_SELECTION = Selection("classifier", (VALIDATED,), _KNOWS)


class Variant(NamedTuple):
    """What the nets of one line have in common: validation chooses among layers and rates."""

    labelled: int
    pretrained_on: str
    layers: tuple[int, ...]
    rate: float


Lines = dict[Variant, list[RunFile]]
"""The nets of each line."""


def few_labels(folder: Path) -> Table:
    """The classifiers of a folder that validation stopped: "Using extra unlabeled data".

    Of several layers and rates those that validation chose are shown; CSV and JSON hold all.
    Raises `ReportError` if there are none, or two for one line and split.
    """
    notes: list[str] = []
    places: dict[tuple[Variant, str | None], RunFile] = {}
    for file in each_run(folder, "classifiers that validation stopped", notes, _SELECTION):
        put(places, (_variant(file), file.lineage.split), file)
    lines: Lines = {}
    for (variant, _), file in sorted(places.items(), key=lambda item: item[0][0]):
        lines.setdefault(variant, []).append(file)
    best = _best(lines, notes)
    records = [_few_row(variant, nets, variant in best) for variant, nets in lines.items()]
    shown = [nets for variant, nets in lines.items() if variant in best]
    chosen = [file for nets in shown for file in nets]
    notes += [note for file in chosen for note in capped_notes(file)]
    every = [file for nets in lines.values() for file in nets]
    others = sum(file.outcome.capped for file in every if file not in chosen)
    if others:
        notes.append(f"of the nets that validation did not choose, {others} ended at a cap")
    return Table(
        _FEW_COLUMNS,
        [row for row in records if row["fewest_validation_errors"]],
        name="unlabelled",
        legend=[
            "Mean error rates of the nets; of several layers and rates those with the fewest "
            f"validation errors. {OF_TEST_CASES} Printed: only that pretraining on unlabeled data "
            "helps a lot."
        ],
        notes=notes,
        records=records,
        extra={"files": list(map(file_values, every))},
        sources=shown,
    )


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


def _best(lines: Lines, notes: list[str]) -> set[Variant]:
    """Those of the fewest validation errors among layers and rates for which all nets are there."""
    best = set()
    for labelled, pretrained_on in dict.fromkeys(variant[:2] for variant in lines):
        own = {v: nets for v, nets in lines.items() if v[:2] == (labelled, pretrained_on)}
        most = max(map(len, own.values()))
        whole = [variant for variant, nets in own.items() if len(nets) == most]
        best.add(min(whole, key=lambda variant: _mean_rate(own[variant], "valid")))
        if len(whole) < len(own):
            notes.append(
                f"{labelled:,} labels, pretrained on {pretrained_on}: {len(own) - len(whole)} of "
                f"{len(own)} choices have fewer than {most} nets and are left out"
            )
    return best


def _few_row(variant: Variant, nets: Sequence[RunFile], best: bool) -> Tree:
    """What a line's nets have in common, their errors, and means."""
    row = variant._asdict() | {"layers": show_value(variant.layers), "made_with": made_with(*nets)}
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
