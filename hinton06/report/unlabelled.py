"""Error rates of nets that learned few labels: what the images without labels are worth.

The chapter's section "Using extra unlabeled data".
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hinton06.lineage import VALIDATED
from hinton06.loading import RunFile
from hinton06.recipes import show_value
from hinton06.recognition import Score
from hinton06.records import Tree
from hinton06.report.runs import Selection, capped_notes, each_run, file_values, put
from hinton06.report.scores import OF_TEST_CASES, interval
from hinton06.report.table import Column, Table

_KNOWS = frozenset({"labelled", "images", "random_start", "cases"})
_SELECTION = Selection("classifier", (VALIDATED,), _KNOWS)


class Variant(NamedTuple):
    """What the nets of one line have in common: validation chooses among layers and rates."""

    labelled: int
    pretrained_on: str
    layers: tuple[int, ...]
    rate: float


Lines = dict[Variant, dict[str | None, RunFile]]
"""The nets of each line, by split."""


def table(folder: Path) -> Table:
    """The classifiers of a folder that validation stopped, by what they learned.

    Of several layers and rates those that validation chose are shown; CSV and JSON hold all.
    Raises `ReportError` if there are none, or two for one line and split.
    """
    notes: list[str] = []
    lines: Lines = {}
    for file in each_run(folder, "classifiers that validation stopped", notes, _SELECTION):
        put(lines.setdefault(_variant(file), {}), file.lineage.split, file)
    lines = dict(sorted(lines.items()))
    best = _best(lines, notes)
    rows = {variant: _row(variant, nets.values(), variant in best)
            for variant, nets in lines.items()}  # fmt: skip
    capped = {v: [note for file in nets.values() for note in capped_notes(file)]
              for v, nets in lines.items()}  # fmt: skip
    notes += [note for variant in lines if variant in best for note in capped[variant]]
    others = sum(len(capped[variant]) for variant in lines if variant not in best)
    if others:
        notes.append(f"of the nets that validation did not choose, {others} ended at a cap")
    files = [file_values(file) for nets in lines.values() for file in nets.values()]
    return Table(
        _COLUMNS,
        [row for variant, row in rows.items() if variant in best],
        name="unlabelled",
        legend=[
            "Mean error rates of the nets; of several layers and rates those with the fewest "
            f"validation errors. {OF_TEST_CASES} Printed: only that pretraining on unlabeled data "
            "helps a lot."
        ],
        notes=notes,
        records=list(rows.values()),
        extra={"files": files},
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
        best.add(min(whole, key=lambda variant: _mean(_scores(own[variant].values(), "valid"))))
        if len(whole) < len(own):
            notes.append(
                f"{labelled:,} labels, pretrained on {pretrained_on}: {len(own) - len(whole)} of "
                f"{len(own)} choices have fewer than {most} nets and are left out"
            )
    return best


def _scores(nets: Iterable[RunFile], part: str) -> list[Score]:
    return [file.outcome.scores[part] for file in nets]


def _mean(scores: list[Score]) -> float:
    """Error rate, in per cent."""
    return sum(score.error_rate for score in scores) / len(scores)


def _row(variant: Variant, nets: Iterable[RunFile], best: bool) -> Tree:
    """What a line's nets have in common, their errors, and means."""
    row = variant._asdict() | {"layers": show_value(variant.layers)}
    row["splits"] = " ".join(str(file.lineage.split) for file in nets)
    for part in ("valid", "test"):
        scores = _scores(nets, part)
        row[f"{part}_errors"] = " ".join(str(score.errors) for score in scores)
        row[f"{part}_percent"] = _mean(scores)
    cases = scores[0].cases
    half = 100 * interval(round(row["test_percent"] / 100 * cases), cases) / cases
    return row | {"test_percent_95_interval": half, "fewest_validation_errors": best}


_COLUMNS = (
    Column("labels", "{labelled:,}"),
    Column("pretrained on", "{pretrained_on}", left=True),
    Column("layers", "{layers}", left=True),
    Column("rate", "{rate:g}"),
    Column("nets", "{splits}", left=True),
    Column("valid.", "{valid_percent:.2f} %"),
    Column("test", "{test_percent:.2f} ± {test_percent_95_interval:.2f} %"),
)
