"""Nets asked for labels in several ways, beside what Hinton, Osindero and Teh (2006) tell of them.

The chapter's section "Using contrastive wake-sleep for generative fine-tuning": "There are several
different ways of using the generative model for discrimination."
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from hinton06 import provenance
from hinton06.measuring import Chosen, Evaluation
from hinton06.report.files import save_table
from hinton06.report.scores import evaluation_values, interval, notes, seconds_text

# Test errors of the published net, continued on all 60,000 training cases.
PUBLISHED = {
    "free-energy": "1.25 %",
    "stochastic": "about 0.5 points more",
    "stochastic-mean": "about as free-energy",
    "label-gibbs": "almost 1 point more",
    "sampling": "not given",
}

_COLUMNS = ("net", "method", "part", "cases", "cost per 100", "errors", "error rate", "seconds")


def save(evaluations: Sequence[Evaluation], chosen: Chosen, threads: int, folder: Path) -> None:
    """Write scores by method as methods.md, methods.csv and methods.json into a folder.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    chosen : Chosen
        Which cases they are of.
    threads : int
        BLAS threads that they were measured with.
    folder : Path
        Made if need be.

    Raises
    ------
    ReportError
        If a file cannot be written; what was at its path is then untouched.
    """
    save_table(
        folder,
        "methods",
        markdown(evaluations, chosen),
        comma_separated(evaluations),
        as_json(evaluations, chosen, threads),
    )


def _name(evaluation: Evaluation) -> str:
    return evaluation.method.name if evaluation.method else "softmax"


def _named(evaluation: Evaluation) -> str:
    """The method with the values that it makes use of, but for the seed."""
    settings = evaluation.method.settings() if evaluation.method else {}
    values = ", ".join(f"{value} {key}" for key, value in settings.items() if key != "seed")
    return f"{_name(evaluation)} ({values})" if values else _name(evaluation)


def markdown(evaluations: Sequence[Evaluation], chosen: Chosen) -> str:
    """The scores as a table in Markdown, the published ones in the last column.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    chosen : Chosen

    Returns
    -------
    str
    """
    lines = [
        "| " + " | ".join([*_COLUMNS, "published, test"]) + " |",
        "|---|---|---|" + "---:|" * (len(_COLUMNS) - 3) + "---|",
    ]
    for found in evaluations:
        measured = found.score
        half = interval(measured.errors, measured.cases)
        cells = [
            Path(found.name).stem,
            _named(found),
            found.part,
            f"{measured.cases:,}",
            f"{measured.cost_per_100:.3f}",
            f"{measured.errors} ± {half}",
            f"{measured.error_rate:.2f} ± {100 * half / measured.cases:.2f} %",
            seconds_text(found),
            PUBLISHED.get(_name(found), "") if found.part == "test" else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "Costs in nats per 100 cases; ± is a 95 % interval for the sampling of the cases. "
        "Published: Hinton, Osindero and Teh (2006), a net of theirs trained on 60,000 cases.",
        *(f"\n{note}" for note in notes(evaluations, chosen)),
    ]
    return "\n".join(lines)


def comma_separated(evaluations: Sequence[Evaluation]) -> str:
    """The scores as CSV, one record a net, method and part.

    Parameters
    ----------
    evaluations : sequence of Evaluation

    Returns
    -------
    str
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    settings = ("passes", "rounds", "temperatures", "seed")
    writer.writerow([
        "net", "method", *settings, "part", "cases", "cost_per_100", "errors",
        "interval_95_errors", "seconds", "effective_size", "log_weight_sd", "published",
    ])  # fmt: skip
    for found in evaluations:
        measured, spread = found.score, found.spread
        used = found.method.settings() if found.method else {}
        writer.writerow([
            Path(found.name).stem, _name(found), *(used.get(key, "") for key in settings),
            found.part, measured.cases, measured.cost_per_100, measured.errors,
            interval(measured.errors, measured.cases), found.seconds,
            spread.effective_size if spread else "", spread.log_weight_sd if spread else "",
            PUBLISHED.get(_name(found), "") if found.part == "test" else "",
        ])  # fmt: skip
    return written.getvalue().rstrip("\n")


def as_json(evaluations: Sequence[Evaluation], chosen: Chosen, threads: int) -> str:
    """The scores as JSON, with the digests of the nets and the machine.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    chosen : Chosen
    threads : int

    Returns
    -------
    str
    """
    rows = []
    for found in evaluations:
        row = evaluation_values(found, chosen)
        row["sha256"] = found.sha256
        if found.part == "test" and _name(found) in PUBLISHED:
            row["published_test_errors"] = PUBLISHED[_name(found)]
        rows.append(row)
    document = {"rows": rows, "threads": threads, "provenance": provenance.describe()}
    return json.dumps(document, indent=2, allow_nan=False)
