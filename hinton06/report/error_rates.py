"""Error rates that the chapter's text prints, beside measured: one line a net of an experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hinton06.lineage import EXTENDED, PRETRAINED, VALIDATED
from hinton06.loading import RunFile
from hinton06.recognition import Score
from hinton06.records import Tree
from hinton06.report.runs import Selection, capped_notes, each_run, file_values, put
from hinton06.report.scores import OF_TEST_CASES, coefficient_curve, interval, score_of_product
from hinton06.report.table import Column, Row, Table


@dataclass(frozen=True)
class Study:
    """Experiments that are tabulated together, from a folder that `holds` the files of selections.

    Each has a name and, perhaps, a test error rate in print, in per cent; `key` says to which a
    file belongs. `averaged`: what is printed is the mean of an experiment's nets, which then has a
    line. `mixed`: there is a column for backpropagation's coefficient.
    """

    name: str
    holds: str
    experiments: Mapping[str, tuple[str, float | None]]
    selections: tuple[Selection, ...]
    key: Callable[[RunFile], str]
    legend: str
    averaged: bool = False
    mixed: bool = True


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
        f"wake-sleep {VALIDATED}": ("contrastive wake-sleep, 50,000", 1.39),
        f"wake-sleep {EXTENDED}": ("contrastive wake-sleep, 60,000", 1.25),
        f"mixed {VALIDATED}": ("mixed gradient, 50,000", None),
        f"mixed {EXTENDED}": ("mixed gradient, 60,000", 0.97),
        f"pretraining {VALIDATED}": ("BP with the pretraining's gradient", None),
    },
    (
        Selection("stack", (PRETRAINED,), frozenset({"labels", "cases"}), frozenset({"labels"})),
        Selection("generative", (VALIDATED, EXTENDED), frozenset({"cases"})),
    ),
    _gradient_and_role,
    f"Free-energy recognition; BP is backpropagation's coefficient; {OF_TEST_CASES} Printed: "
    "greedy pretraining and 50,000 cases, Hinton, Osindero and Teh (2006), who had 44,000; the "
    "others, the chapter.",
)
# "Using geometric prior knowledge".
_TRANSLATIONS = frozenset({"translations"})
TRANSLATED = Study(
    "translated",
    "classifiers of translated images",
    {
        VALIDATED: ("translated images, 50,000", None),
        EXTENDED: ("translated images, 60,000", 0.65),
    },
    (Selection("classifier", (VALIDATED, EXTENDED), _TRANSLATIONS | {"cases"}, _TRANSLATIONS),),
    lambda file: file.lineage.role,
    f"Training cases are counted before they are translated; {OF_TEST_CASES} Printed: the "
    "chapter's average.",
    averaged=True,
    mixed=False,
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
    for key, (name, printed) in study.experiments.items():
        nets = {split: files[place] for place in sorted(files) for split in place[1:]
                if place[0] == key}  # fmt: skip
        if not nets:
            notes.append(f"missing: {name}")
        own = [_net_row(split, net) for split, net in nets.items()]
        own += _rows_together(study, list(nets.values()))
        rows += [{"experiment": name} | row | {"printed_test_percent": printed} for row in own]
    made = [file_values(f) | {"coefficients": coefficient_curve(f.history)} for f in files.values()]
    return Table(
        _columns(study), rows, name=study.name, legend=[study.legend], notes=notes, sections=True,
        extra={"files": made},
    )  # fmt: skip


def _net_row(split: str, file: RunFile) -> Tree:
    outcome, pretrained = file.outcome, file.lineage.role == PRETRAINED
    epochs = str(vars(file.settings)["passes"]) if pretrained else outcome.epochs_text
    return _row(split, outcome.scores, epochs, outcome.bp_weight or None)


def _rows_together(study: Study, nets: Sequence[RunFile]) -> list[Tree]:
    """The mean of an experiment's nets where that is printed, and the product of several."""
    rows = []
    if study.averaged and nets:
        rates = [net.outcome.scores["test"].error_rate for net in nets]
        rows.append(_row("mean", {}) | {"test_percent": sum(rates) / len(rates)})
    if len(nets) > 1:
        rows.append(_row("product", {"test": score_of_product(nets)}))
    return rows


def _row(
    net: str, scores: Mapping[str, Score], epochs: str = "", coefficient: float | None = None
) -> Tree:
    """One net, or the mean or the product of several."""
    row: Tree = {"net": net, "epochs": epochs, "bp_weight": coefficient}
    row["printed_test_percent"] = None
    for part in ("train", "valid", "test"):
        found = scores.get(part)
        row[f"{part}_errors"] = found and found.errors
        row[f"{part}_percent"] = found and found.error_rate
        row[f"{part}_cost_per_100"] = found and found.cost_per_100
    test = scores.get("test")
    return row | {"test_errors_95_interval": test and interval(test.errors, test.cases)}


def _columns(study: Study) -> list[Column]:
    printed = Column("printed", "{printed_test_percent:.2f} %")

    def printed_text(row: Row) -> str:
        """What is printed is of single nets, or of their mean."""
        is_of_it = row["net"] == "mean" if study.averaged else row["net"] != "product"
        return printed.text(row) if is_of_it else ""

    return [
        Column("experiment", "{experiment}", left=True),
        Column("net", "{net}", left=True),
        Column("epochs", "{epochs}"),
        *([Column("BP", "{bp_weight:g}")] if study.mixed else []),
        Column("train", "{train_percent:.2f} %"),
        Column("valid.", "{valid_percent:.2f} %"),
        Column("test errs", "{test_errors} ± {test_errors_95_interval}"),
        Column("test", "{test_percent:.2f} %"),
        Column("printed", printed_text),
    ]
