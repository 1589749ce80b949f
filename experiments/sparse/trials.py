"""Targets and costs of sparsity tried on small nets: fingerprints left, and validation errors.

``trials.py RUNS --record FOLDER`` makes, or goes on with, stacks and their fine-tuned nets of the
recipe `quick` with 10 passes, on three splits, and writes ``trials.json``, ``.csv`` and ``.md``. No
test case is counted.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from hinton06 import fingerprints, learning, loading
from hinton06.learning import Silent
from hinton06.loading import Context
from hinton06.report.table import Column, Table

TRIED = ((0.1, 0.0), (0.1, 0.03), (0.1, 0.1), (0.1, 0.3), (0.05, 0.1))
"""Targets and costs."""
SPLITS = ("a", "b", "c")

_COLUMNS = (
    Column("target", lambda row: f"{row['target']:g}" if row["cost"] else ""),
    Column("cost", "{cost:g}"),
    Column("on", "{percent_on:.1f} %"),
    Column("fingerprints", lambda row: ", ".join(map(str, row["fingerprints"]))),
    Column("of", "{features}"),
    Column("validation errors", lambda row: ", ".join(map(str, row["valid_errors"]))),
    Column("mean", "{mean:.0f}"),
    Column("cost per 100", "{valid_cost_per_100:.2f}"),
)


def trial(runs: Path, target: float, cost: float) -> dict[str, Any]:
    """What is measured of the nets of each split."""
    files, counted = [], []
    for split in SPLITS:
        name = f"{split}-{target:g}-{cost:g}.h5"
        stack = runs / f"pretrain-{name}"
        learning.pretrain(
            stack, split, recipe="quick", passes=10, sparsity_target=target, sparsity_cost=cost,
            threads=1,
        )  # fmt: skip
        learning.finetune_bp(stack, runs / f"bp-{name}", threads=1)
        files.append(loading.load(runs / f"bp-{name}"))
        context = Context(loading.digits_of(files[-1:], None), Silent())
        counted += fingerprints.measure(context, [stack])
    scores = [file.outcome.scores["valid"] for file in files]
    return {
        "target": target,
        "cost": cost,
        "percent_on": 100 * statistics.mean(float(each.activities.mean()) for each in counted),
        "fingerprints": [int(each.fingerprints.sum()) for each in counted],
        "features": len(counted[0].activities),
        "valid_errors": [score.errors for score in scores],
        "mean": statistics.mean(score.errors for score in scores),
        "valid_cost_per_100": statistics.mean(score.cost_per_100 for score in scores),
    }


def main() -> None:
    """Parse, learn, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--record", type=Path, required=True)
    given = parser.parse_args()
    rows = [trial(given.runs, *each) for each in TRIED]
    legend = [f"Nets {', '.join(SPLITS)} of the recipe quick with 10 passes a layer; first layer."]
    Table(_COLUMNS, rows, name="trials", legend=legend).save(given.record)


if __name__ == "__main__":
    main()
