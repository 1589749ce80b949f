"""What the files of many replicas say, a line a file, for the record.

python experiments/replicas/files.py runs/replicas files.csv
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

from hinton06.checkpoint import CheckpointError
from hinton06.console import stopped_in_a_line
from hinton06.loading import RunFile, load

NAMES = [
    "seed", "file", "finished", "epochs", "epochs_run", "capped", "train_cost", "train_errors",
    "valid_cost", "valid_errors", "test_cost", "test_errors", "last_recon_error", "seconds",
    "together", "sha256",
]  # fmt: skip


def line(path: Path, file: RunFile) -> dict[str, Any]:
    """Of one file."""
    row: dict[str, Any] = {
        "seed": file.lineage.seed, "file": path.name, "finished": int(file.complete),
        "epochs": file.outcome.epochs_text, "epochs_run": file.epochs_done,
        "capped": int(file.outcome.capped), "seconds": f"{file.provenance['seconds']:.2f}",
        "together": file.provenance.get("together"),
        "sha256": file.digest[:16] if file.complete else "",
    }  # fmt: skip
    for part, score in file.outcome.scores.items():
        row[f"{part}_cost"] = f"{score.cost_per_100:.5f}"
        row[f"{part}_errors"] = score.errors
    if "recon_error" in file.history:
        row["last_recon_error"] = f"{file.history['recon_error'][-1]:.5f}"
    return row


def main() -> None:
    """Every file below a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    folder = given.folder
    with given.out.open("w", newline="", encoding="utf-8") as opened:
        table = csv.DictWriter(opened, NAMES, lineterminator="\n")
        table.writeheader()
        paths = [*folder.glob("seed-*/*.h5"), *folder.glob("seed-*/*.h5.part")]
        for path in sorted(paths, key=lambda p: (int(p.parent.name[5:]), p.name)):
            try:
                table.writerow(line(path, load(path)))
            except CheckpointError as error:
                print(error, file=sys.stderr)


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
