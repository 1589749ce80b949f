"""Scores of nets, as lines, tables and JSON values."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hinton06.annealing import Spread
from hinton06.checkpoint import Tree
from hinton06.measuring import EVERY_CASE, Chosen, Evaluation, score_values
from hinton06.recognition import Score

Z_95 = 1.959964
"""Standard errors on each side of a 95 % interval."""


def interval(errors: int, cases: int) -> int:
    """Half the width of a 95 % interval on a count of errors: sampling of the cases alone.

    Parameters
    ----------
    errors, cases : int

    Returns
    -------
    int
        1.96 binomial standard errors, rounded.
    """
    return round(Z_95 * Score(cases, errors, 0.0).standard_error)


def recorded_score(values: Mapping[str, Any]) -> Score:
    """A score as a file's outcome records it."""
    return Score(int(values["cases"]), int(values["errors"]), float(values["cost_per_100"]))


def outcome_values(outcome: Tree) -> Tree:
    """An outcome without its arrays, for JSON."""
    return {key: value for key, value in outcome.items() if not hasattr(value, "shape")}


def scores_line(outcome: Tree) -> str:
    """Train, validation and test scores of an outcome in one line."""
    parts = []
    for key, name in (("train", "train"), ("valid", "validation"), ("test", "test")):
        if key in outcome:
            measured = outcome[key]
            parts.append(
                f"{name} {measured['cost_per_100']:.3g} per 100, {measured['errors']} errors"
            )
    return "  " + "; ".join(parts)


def coefficient_curve(history: Mapping[str, NDArray[np.float64]]) -> list[dict[str, float]]:
    """What validation says of each coefficient of backpropagation that a search went through.

    Parameters
    ----------
    history : mapping from column to array, one number an epoch
        Of a generative fine-tuning.

    Returns
    -------
    list of dict
        One a coefficient, in order: ``bp_weight``, ``first_epoch``, ``last_epoch``,
        ``fewest_valid_errors``, ``mean_valid_errors``, ``lowest_valid_cost`` (nats per 100).
        Empty without backpropagation or validation.
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
    """Print a `coefficient_curve` on standard output, the chosen coefficient marked.

    Parameters
    ----------
    rows : sequence of mapping, as from `coefficient_curve`
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    heads = ("coefficient", "epochs", "fewest validation errors", "mean", "lowest cost per 100", "")
    for name in heads:
        table.add_column(name, justify="right")
    chosen = min(rows, key=lambda row: row["fewest_valid_errors"])
    for row in rows:
        table.add_row(
            f"{row['bp_weight']:g}",
            f"{row['first_epoch']:.0f}-{row['last_epoch']:.0f}",
            f"{row['fewest_valid_errors']:.0f}",
            f"{row['mean_valid_errors']:.1f}",
            f"{row['lowest_valid_cost']:.2f}",
            "chosen" if row is chosen else "",
        )
    Console().print(table)


def show(
    evaluations: Sequence[Evaluation],
    as_json: bool,
    confusions: Sequence[Evaluation],
    chosen: Chosen = EVERY_CASE,
) -> None:
    """Print scores on standard output, as a table or as JSON.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    as_json : bool
    confusions : sequence of Evaluation
        Those of `evaluations` whose confusion matrices are wanted too.
    chosen : Chosen
        Which cases they are of.
    """
    if as_json:
        values = [evaluation_values(e, chosen, e in confusions) for e in evaluations]
        click.echo(json.dumps(values, indent=2, allow_nan=False))
        return
    _print_evaluations(evaluations)
    for note in notes(evaluations, chosen):
        Console().print(note, markup=False, highlight=False)
    for evaluation in confusions:
        _print_confusion(evaluation)


def evaluation_values(
    evaluation: Evaluation, chosen: Chosen = EVERY_CASE, with_confusion: bool = False
) -> Tree:
    """An evaluation as JSON values.

    Parameters
    ----------
    evaluation : Evaluation
    chosen : Chosen
        Which cases it is of.
    with_confusion : bool

    Returns
    -------
    dict of JSON values
    """
    measured, method, spread = evaluation.score, evaluation.method, evaluation.spread
    values: Tree = {
        "net": evaluation.name,
        "part": evaluation.part,
        **score_values(measured),
        "error_rate_percent": measured.error_rate,
        "interval_95_errors": interval(measured.errors, measured.cases),
    }
    if evaluation.seconds is not None:
        values["seconds"] = evaluation.seconds
    if method is not None:
        values["method"] = {"name": method.name, **method.settings()}
    if spread is not None:
        values["weights"] = dataclasses.asdict(spread)
    if chosen.cases is not None:
        values["drawn_with_seed"] = chosen.seed
    if with_confusion:
        values["confusion"] = evaluation.confusion.tolist()
    return values


def notes(evaluations: Sequence[Evaluation], chosen: Chosen) -> list[str]:
    """What a reader of the scores should know: which cases, and how far weights are apart.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    chosen : Chosen

    Returns
    -------
    list of str, one sentence or two each
    """
    found = [
        f"{e.name}, {e.part}: {_spread(e.spread, e.score.cases)}"
        for e in evaluations
        if e.spread is not None
    ]
    if chosen.cases is not None:
        found.append(f"At most {chosen.cases:,} cases of each part, drawn with seed {chosen.seed}.")
    return found


def _spread(spread: Spread, cases: int) -> str:
    apart = ""
    if spread.log_weight_sd is not None:
        apart = f"; the log weights of an image vary by {spread.log_weight_sd:.2f} nats"
    return (
        f"the {spread.passes} weighted passes are worth {spread.effective_size:.1f} equal ones"
        f"{apart}; {spread.dominated:,} of {cases:,} cases hang on a single pass."
    )


def seconds_text(evaluation: Evaluation) -> str:
    """The seconds that an evaluation took; nothing where they were not measured."""
    return "" if evaluation.seconds is None else f"{evaluation.seconds:.1f}"


def _print_evaluations(evaluations: Sequence[Evaluation]) -> None:
    """A table of scores on standard output, with methods and times where there are several."""
    several = len({e.method for e in evaluations if e.method}) > 1 or any(
        e.spread for e in evaluations
    )
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("net", overflow="fold")
    if several:
        table.add_column("method", no_wrap=True)
    table.add_column("part", no_wrap=True)
    headings = ["cases", "cost per 100", "errors", "95 %", "rate"]
    for name in [*headings, *(["seconds"] if several else [])]:
        table.add_column(name, justify="right", no_wrap=name != "cost per 100")
    for evaluation in evaluations:
        measured, method = evaluation.score, evaluation.method
        cells = [
            evaluation.name,
            evaluation.part,
            f"{measured.cases:,}",
            f"{measured.cost_per_100:.3f}",
            f"{measured.errors}",
            f"± {interval(measured.errors, measured.cases)}",
            f"{measured.error_rate:.2f} %",
        ]
        if several:
            cells.insert(1, method.name if method else "softmax")
            cells.append(seconds_text(evaluation))
        table.add_row(*cells)
    Console().print(table)


def _print_confusion(evaluation: Evaluation) -> None:
    """A confusion matrix on standard output."""
    n_classes = len(evaluation.confusion)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right", style="bold")
    for guess in range(n_classes):
        table.add_column(str(guess), justify="right", no_wrap=True)
    for label, row in enumerate(evaluation.confusion):
        table.add_row(str(label), *(str(count) if count else "." for count in row))
    title = f"\n{evaluation.name}, {evaluation.part}: row the label, column the guess"
    Console().print(title, markup=False, highlight=False)
    Console().print(table)
