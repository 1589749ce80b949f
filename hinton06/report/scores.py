"""Scores of nets: intervals, lines of text, JSON values, and tables of evaluations.

Beside what Hinton, Osindero and Teh (2006) tell of nets asked for labels in several ways: the
chapter's "There are several different ways of using the generative model for discrimination".
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from hinton06 import provenance
from hinton06.evaluation import EVERY_CASE, CaseSelection, Evaluation
from hinton06.loading import Outcome, RunFile
from hinton06.recipes import counted
from hinton06.recognition import Score, product_of_nets, score
from hinton06.records import Tree
from hinton06.report.files import ReportError
from hinton06.report.table import Column, Row, Table

Z_95 = 1.959964
"""Standard errors on each side of a 95 % interval."""

ENDS = ("low", "high")
"""Of an interval, as the names of columns end."""

OF_TEST_CASES = "In brackets: 95 % intervals for the sampling of the test cases."

# Test errors of the published net, continued on all 60,000 training cases.
PUBLISHED = {
    "free-energy": "1.25 %",
    "stochastic": "about 0.5 points more",
    "stochastic-mean": "about as free-energy",
    "label-gibbs": "almost 1 point more",
    "sampling": "not given",
}


def interval(errors: float, cases: int) -> tuple[float, float]:
    """From where to where a 95 % interval on a count of errors goes, for the sampling of the cases.

    Wilson's (1927), in errors: it lies within the cases, and has a width without any error too.
    `errors` may be a mean of several nets.
    """
    square, share = Z_95**2, errors / cases
    middle = errors + square / 2
    half = Z_95 * math.sqrt(errors * (1 - share) + square / 4)
    low, high = ((middle + side) / (1 + square / cases) for side in (-half, half))
    return max(0.0, min(low, errors)), min(float(cases), max(high, errors))  # rounding apart


def score_of_product(nets: Sequence[RunFile]) -> Score:
    """What the product of finished nets scores on the test cases; `ReportError` if these differ."""
    labels: list[Any] = [net.outcome.test_labels for net in nets]
    logs: list[Any] = [net.outcome.test_log_probs for net in nets]
    for net, own in zip(nets, labels, strict=True):
        if not np.array_equal(own, labels[0]):
            raise ReportError(f"{net.path}: was tested on other cases than {nets[0].path}")
    return score(product_of_nets(logs), labels[0])


def scores_line(outcome: Outcome) -> str:
    """Train, validation and test scores of an outcome in one line."""
    parts = []
    for part, found in outcome.scores.items():
        name = part.replace("valid", "validation")
        errors = counted(found.errors, "error")
        parts.append(f"{name} {found.cost_per_100:.3g} per 100, {errors}")
    return "  " + "; ".join(parts)


def coefficient_curve(history: Mapping[str, NDArray[np.float64]]) -> list[dict[str, float]]:
    """What validation says of each coefficient of backpropagation that a search went through.

    One dict a coefficient, in order; its cost is in nats per 100 cases. Empty for a history
    without backpropagation or validation.
    """
    if "bp_weight" not in history or "valid_errors" not in history:
        return []
    weights = history["bp_weight"]
    starts = [0, *(np.flatnonzero(np.diff(weights)) + 1)]
    rows = []
    for first, end in zip(starts, [*starts[1:], len(weights)], strict=True):
        errors = history["valid_errors"][first:end]
        rows.append({
            "bp_weight": float(weights[first]),
            "first_epoch": int(first) + 1,
            "last_epoch": int(end),
            "fewest_valid_errors": int(errors.min()),
            "mean_valid_errors": float(errors.mean()),
            "lowest_valid_cost": float(history["valid_cost"][first:end].min()),
        })  # fmt: skip
    return rows


def show_curve(rows: Sequence[Mapping[str, float]]) -> None:
    """Print a `coefficient_curve` on standard output, the chosen coefficient marked."""
    chosen = min(rows, key=lambda row: row["fewest_valid_errors"])
    columns = (
        Column("coefficient", "{bp_weight:g}"),
        Column("epochs", "{first_epoch}-{last_epoch}"),
        Column("fewest validation errors", "{fewest_valid_errors}"),
        Column("mean", "{mean_valid_errors:.1f}"),
        Column("lowest cost per 100", "{lowest_valid_cost:.2f}"),
        Column("", lambda row: "chosen" if row is chosen else ""),
    )
    Table(columns, rows).show()


def show(
    evaluations: Sequence[Evaluation],
    as_json: bool,
    confusions: Sequence[Evaluation],
    selection: CaseSelection = EVERY_CASE,
) -> None:
    """Print scores on the cases of a selection, as a table or as JSON.

    And the confusion matrices of those evaluations of which they are wanted.
    """
    if as_json:
        values = [evaluation_values(evaluation, selection) for evaluation in evaluations]
        for evaluation in confusions:
            values[evaluations.index(evaluation)] |= _confusion_values(evaluation)
        click.echo(json.dumps(values, indent=2, allow_nan=False))
        return
    _scores_table(evaluations, selection).show()
    for evaluation in confusions:
        click.echo()
        _confusion_table(evaluation).show()


def evaluation_values(evaluation: Evaluation, selection: CaseSelection = EVERY_CASE) -> Tree:
    """An evaluation on the cases of a selection as JSON values."""
    measured, method, spread = evaluation.score, evaluation.method, evaluation.spread
    values: Tree = {
        "net": evaluation.name,
        "part": evaluation.part,
        **dataclasses.asdict(measured),
        "error_rate_percent": measured.error_rate,
    }
    values["errors_95_low"], values["errors_95_high"] = interval(measured.errors, measured.cases)
    if evaluation.seconds is not None:
        values["seconds"] = evaluation.seconds
    if method is not None:
        values["method"] = {"name": method.name, **method.settings()}
    if spread is not None:
        values["weights"] = dataclasses.asdict(spread)
    if selection.cases is not None:
        values["drawn_with_seed"] = selection.seed
    return values


def _row(evaluation: Evaluation) -> Tree:
    """An evaluation, the values of its method, and what is published of it."""
    name, spread = evaluation.method.name if evaluation.method else "softmax", evaluation.spread
    settings = evaluation.method.settings() if evaluation.method else {}
    used = ", ".join(counted(n, key[:-1]) for key, n in settings.items() if key != "seed")
    values, of_test = evaluation_values(evaluation), evaluation.part == "test"
    own = {
        "stem": Path(evaluation.name).stem,
        "method": name,
        "named": f"{name} ({used})" if used else name,
        **{f"percent_95_{end}": 100 * values[f"errors_95_{end}"] / values["cases"] for end in ENDS},
        "effective_size": spread and spread.effective_size,
        "log_weight_sd": spread and spread.log_weight_sd,
        "published": PUBLISHED.get(name) if evaluation.comparable and of_test else None,
    }
    return values | settings | own


def _scores_table(evaluations: Sequence[Evaluation], selection: CaseSelection) -> Table:
    """Scores, with methods and times where there are several."""
    methods = {e.method for e in evaluations if e.method}
    several = len(methods) > 1 or any(e.spread for e in evaluations)
    columns = [
        Column("net", "{net}", left=True),
        *([Column("method", "{method}", left=True)] if several else []),
        Column("part", "{part}", left=True),
        Column("cases", "{cases:,}"),
        Column("cost per 100", "{cost_per_100:.3f}"),
        Column("errors", "{errors}"),
        Column("95 %", "{errors_95_low:.0f}-{errors_95_high:.0f}"),
        Column("rate", "{error_rate_percent:.2f} %"),
        *([Column("seconds", "{seconds:.1f}")] if several else []),
    ]
    rows, said = list(map(_row, evaluations)), _remarks(evaluations, selection)
    return Table(columns, rows, legend=said, sections=several)


def _remarks(evaluations: Sequence[Evaluation], selection: CaseSelection) -> list[str]:
    """What a reader of the scores should know: which cases, and how far weights are apart."""
    found = []
    for each, spread in [(each, each.spread) for each in evaluations if each.spread]:
        apart = ""
        if spread.log_weight_sd is not None:
            apart = f"; the log weights of an image vary by {spread.log_weight_sd:.2f} nats"
        found.append(
            f"{each.name}, {each.part}: the {counted(spread.passes, 'weighted pass')} "
            f"{'is' if spread.passes == 1 else 'are'} worth {spread.effective_size:.1f} equal "
            f"ones{apart}; {spread.dominated:,} of {counted(f'{each.score.cases:,}', 'case')} hang "
            "on a single pass."
        )
    if selection.cases is not None:
        drawn = counted(f"{selection.cases:,}", "case")
        found.append(f"At most {drawn} of each part, drawn with seed {selection.seed}.")
    return found


def _confusion_values(evaluation: Evaluation) -> Tree:
    return {"classes": list(evaluation.classes), "confusion": evaluation.confusion.tolist()}


def _confusion_table(evaluation: Evaluation) -> Table:
    """How often each class was taken for each other."""

    def guessed(place: int) -> Callable[[Row], str]:
        return lambda row: str(row["counts"][place] or ".")

    labels = evaluation.classes or range(len(evaluation.confusion))
    columns = [Column(str(label), guessed(n)) for n, label in enumerate(labels)]
    columns = [Column("label", "{label}"), *columns]
    counted = zip(labels, evaluation.confusion, strict=True)
    rows = [{"label": label, "counts": counts} for label, counts in counted]
    named = [evaluation.name, *([evaluation.method.name] if evaluation.method else [])]
    title = f"{', '.join([*named, evaluation.part])}: row the label, column the guess"
    return Table(columns, rows, title=title)


_METHODS_COLUMNS = (
    Column("net", "{stem}", left=True),
    Column("method", "{named}", left=True),
    Column("part", "{part}", left=True),
    Column("cases", "{cases:,}"),
    Column("cost per 100", "{cost_per_100:.3f}"),
    Column("errors", "{errors} ({errors_95_low:.0f}-{errors_95_high:.0f})"),
    Column("error rate", "{error_rate_percent:.2f} ({percent_95_low:.2f}-{percent_95_high:.2f}) %"),
    Column("seconds", "{seconds:.1f}"),
    Column("published, test", "{published}", left=True),
)
_METHODS_WRITTEN = (
    "method", "passes", "rounds", "temperatures", "seed", "part", "cases", "cost_per_100",
    "errors", "errors_95_low", "errors_95_high", "seconds", "effective_size", "log_weight_sd",
    "published",
)  # fmt: skip


def methods_table(
    evaluations: Sequence[Evaluation],
    selection: CaseSelection,
    threads: int,
    confusions: Sequence[Evaluation] = (),
) -> Table:
    """Scores on the cases of a selection, measured with so many threads, beside published ones.

    And the confusion matrices of those evaluations of which they are wanted.
    """
    rows = list(map(_row, evaluations))
    json_rows = []
    for evaluation, row in zip(evaluations, rows, strict=True):
        json_rows.append(evaluation_values(evaluation, selection) | {"sha256": evaluation.sha256})
        if row["published"]:
            json_rows[-1]["published_test_errors"] = row["published"]
        if any(evaluation is each for each in confusions):
            json_rows[-1] |= _confusion_values(evaluation)
    return Table(
        _METHODS_COLUMNS,
        rows,
        name="methods",
        legend=[
            "Costs in nats per 100 cases. In brackets: 95 % intervals for the sampling of the "
            "cases. Published: Hinton, Osindero and Teh (2006), a net of theirs trained on 60,000 "
            "cases.",
            *_remarks(evaluations, selection),
        ],
        records=[{"net": r["stem"]} | {n: r.get(n) for n in _METHODS_WRITTEN} for r in rows],
        json_rows=json_rows,
        extra={"threads": threads, "provenance": provenance.describe()},
        beside={
            "cases.csv": lambda: _cases_csv(evaluations),
            "cases.npz": lambda: _cases_npz(evaluations),
        },
        further=list(map(_confusion_table, confusions)),
    )


def _cases(evaluations: Sequence[Evaluation]) -> dict[str, NDArray[Any]]:
    """What was said of every case, a row for each: columns by name, docs/commands.md."""
    columns: dict[str, list[Any]] = {}
    measured = [each for each in evaluations if each.log_probs is not None]  # not of a product
    classes = np.unique([label for each in measured for label in each.classes])
    for each in measured:
        method = each.method.name if each.method else "softmax"
        same = {"net": each.name, "method": method, "part": each.part}
        own = {name: np.full(each.score.cases, value) for name, value in same.items()}
        known, logs = np.array(each.classes), np.asarray(each.log_probs)
        own |= {"case": each.numbers, "label": known[each.labels], "guess": known[logs.argmax(1)]}
        own["log_probabilities"] = np.full((len(logs), len(classes)), -np.inf, logs.dtype)
        own["log_probabilities"][:, np.searchsorted(classes, known)] = logs
        for name, column in own.items():
            columns.setdefault(name, []).append(column)
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    return whole | {"probabilities": np.exp(whole["log_probabilities"]), "classes": classes}


def _cases_npz(evaluations: Sequence[Evaluation]) -> bytes:
    written, columns = io.BytesIO(), _cases(evaluations)
    np.savez_compressed(written, **columns)  # type: ignore[arg-type]  # of names and arrays
    return written.getvalue()


def _cases_csv(evaluations: Sequence[Evaluation]) -> str:
    """With the probabilities in a column for each class, in as many digits as tell them apart."""
    columns = _cases(evaluations)
    del columns["log_probabilities"]
    probs, classes, written = columns.pop("probabilities"), columns.pop("classes"), io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([*columns, *(f"p{label}" for label in classes)])
    lists = [column.tolist() for column in columns.values()]
    writer.writerows((*row, *p) for *row, p in zip(*lists, probs.astype(str).tolist(), strict=True))
    return written.getvalue()
