"""Which rate plain wake-sleep learns well with: the bound and the errors of validation cases.

``rates.py FOLDER --out RECORD`` learns small nets of all three splits with each of several rates,
from a stack and from random weights, into FOLDER, and goes on where it was stopped; and writes
``rates.csv``: a line for each net, with its last epoch's measurements.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import hinton06
from hinton06.console import stopped_in_a_line
from hinton06.report.table import Column, Table

RATES = 0.02, 0.05, 0.1, 0.2
EPOCHS = 3
LAYERS = 200, 200, 500
SAME = {"recipe": "quick", "threads": 1, "progress": True}


def net(folder: Path, split: str, start: str, rate: float) -> hinton06.Net:
    """One of the nets, made or found."""
    out, own = folder / f"ws-{start}-{split}-{rate:g}.h5", {"rate": rate, "epochs": EPOCHS} | SAME
    if start == "random":
        return hinton06.wake_sleep_from_random(out, split, LAYERS, **own)
    stack = hinton06.pretrain(folder / f"pretrain-{split}.h5", split, layers=LAYERS, **SAME)
    return hinton06.finetune_ws(stack, out, **own)


def line(split: str, start: str, rate: float, made: hinton06.Net) -> dict[str, Any]:
    """What was measured after the last epoch."""
    history = made.record.history
    measured = {name: float(history[name][-1]) for name in ("valid_log_p", "valid_errors")}
    about = {"start": start, "rate": rate, "split": split, "epochs": len(history["rate"])}
    return {**about, **measured}


def main() -> None:
    """Parse, learn, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path())
    given = parser.parse_args()
    every = product(("stack", "random"), RATES, "abc")
    rows = [line(split, start, rate, net(given.folder, split, start, rate))
            for start, rate, split in every]  # fmt: skip
    given.out.mkdir(parents=True, exist_ok=True)
    table = Table([Column(name, "") for name in rows[0]], rows)
    (given.out / "rates.csv").write_text(table.csv() + "\n", encoding="utf-8")


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
