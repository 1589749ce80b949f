"""Targets and costs of sparsity tried in small: fingerprints left, and validation errors.

``trials.py RUNS --record FOLDER`` makes, or goes on with, first layers of 500 features that learn
30 passes of 10,000 images, and stacks with their fine-tuned nets of the recipe `quick` with 10
passes, on three splits; it writes ``trials.json``, ``.csv`` and ``.md``. No test case is counted.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from hinton06 import fingerprints, learning, loading
from hinton06.console import stopped_in_a_line
from hinton06.learning import Silent
from hinton06.loading import Context
from hinton06.report.table import Column, Table

FIRST = ((0.1, 0.0), (0.1, 0.01), (0.1, 0.03), (0.1, 0.1), (0.1, 0.3), (0.05, 0.03), (0.05, 0.1))
WHOLE = ((0.1, 0.0), (0.1, 0.03), (0.1, 0.1), (0.1, 0.3))
"""Targets and costs of first layers, and of whole nets."""
SPLITS = ("a", "b", "c")

_COLUMNS = (
    Column("features", "{features}"),
    Column("target", lambda row: f"{row['target']:g}" if row["cost"] else ""),
    Column("cost", "{cost:g}"),
    Column("on", "{percent_on:.1f} %"),
    Column("fingerprints", lambda row: ", ".join(map(str, row["fingerprints"]))),
    Column("validation errors", lambda row: ", ".join(map(str, row["valid_errors"] or ()))),
    Column("mean", "{mean:.0f}"),
    Column("cost per 100", "{valid_cost_per_100:.2f}"),
)


def first_layer(runs: Path, target: float, cost: float) -> dict[str, Any]:
    """What is measured of a first layer of the chapter's size."""
    path = runs / f"first-a-{target:g}-{cost:g}.h5"
    learning.pretrain(
        path, "a", layers=(500,), passes=30, cases=10_000, sparsity_target=target,
        sparsity_cost=cost, threads=1,
    )  # fmt: skip
    return _row(target, cost, [path])


def whole(runs: Path, target: float, cost: float) -> dict[str, Any]:
    """What is measured of the small nets of each split."""
    stacks, nets = [], []
    for split in SPLITS:
        name = f"{split}-{target:g}-{cost:g}.h5"
        stacks.append(runs / f"pretrain-{name}")
        learning.pretrain(
            stacks[-1], split, recipe="quick", passes=10, sparsity_target=target,
            sparsity_cost=cost, threads=1,
        )  # fmt: skip
        learning.finetune_bp(stacks[-1], runs / f"bp-{name}", threads=1)
        nets.append(runs / f"bp-{name}")
    return _row(target, cost, stacks, nets)


def _row(
    target: float, cost: float, stacks: list[Path], nets: list[Path] | None = None
) -> dict[str, Any]:
    context = Context(loading.digits_of([loading.load(stacks[0])], None), Silent())
    counted = fingerprints.measure(context, stacks)
    scores = [loading.load(net).outcome.scores["valid"] for net in nets or ()]
    return {
        "features": len(counted[0].activities),
        "target": target,
        "cost": cost,
        "percent_on": 100 * statistics.mean(float(each.activities.mean()) for each in counted),
        "fingerprints": [int(each.fingerprints.sum()) for each in counted],
        "valid_errors": [score.errors for score in scores] or None,
        "mean": statistics.mean(score.errors for score in scores) if scores else None,
        "valid_cost_per_100": (
            statistics.mean(score.cost_per_100 for score in scores) if scores else None
        ),
    }


def main() -> None:
    """Parse, learn, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--record", type=Path, required=True)
    given = parser.parse_args()
    rows = [first_layer(given.runs, *each) for each in FIRST]
    rows += [whole(given.runs, *each) for each in WHOLE]
    legend = [
        "First layers of 500 features, 30 passes of 10,000 images of split a; and nets "
        f"{', '.join(SPLITS)} of the recipe quick with 10 passes a layer."
    ]
    Table(_COLUMNS, rows, name="trials", legend=legend).save(given.record)


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
