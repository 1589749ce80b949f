"""Scores of nets, as lines, tables and JSON values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hinton06.checkpoint import Tree
from hinton06.recognition import Score
from hinton06.stages import Evaluation, score_values

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
    evaluations: Sequence[Evaluation], as_json: bool, confusions: Sequence[Evaluation]
) -> None:
    """Print scores on standard output, as a table or as JSON.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    as_json : bool
    confusions : sequence of Evaluation
        Those of `evaluations` whose confusion matrices are wanted too.
    """
    if as_json:
        values = [_evaluation_values(e, e in confusions) for e in evaluations]
        click.echo(json.dumps(values, indent=2, allow_nan=False))
        return
    _print_evaluations(evaluations)
    for evaluation in confusions:
        _print_confusion(evaluation)


def _evaluation_values(evaluation: Evaluation, with_confusion: bool) -> Tree:
    """An evaluation as JSON values."""
    measured = evaluation.score
    values: Tree = {
        "net": evaluation.name,
        "part": evaluation.part,
        **score_values(measured),
        "error_rate_percent": measured.error_rate,
        "interval_95_errors": interval(measured.errors, measured.cases),
    }
    if with_confusion:
        values["confusion"] = evaluation.confusion.tolist()
    return values


def _print_evaluations(evaluations: Sequence[Evaluation]) -> None:
    """A table of scores on standard output."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("net", overflow="fold")
    table.add_column("part")
    for name in ("cases", "cost per 100", "errors", "95 %", "rate"):
        table.add_column(name, justify="right", no_wrap=True)
    for evaluation in evaluations:
        measured = evaluation.score
        table.add_row(
            evaluation.name,
            evaluation.part,
            f"{measured.cases:,}",
            f"{measured.cost_per_100:.3f}",
            f"{measured.errors}",
            f"± {interval(measured.errors, measured.cases)}",
            f"{measured.error_rate:.2f} %",
        )
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
