"""The bound on log p while a second layer is learned, from each of several starts, in one figure.

``starts.py FILE... --out FOLDER`` takes stacks of two layers that `pretrain --track` made on the
same first layer, and writes ``starts.png`` and, with the numbers, ``starts.json``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hinton06.checkpoint import history_rows
from hinton06.console import stopped_in_a_line
from hinton06.loading import load
from hinton06.report import curves, files

_ROOM = 5
"""Nats below the lowest bound that is drawn."""


def points(path: Path) -> dict[str, Any]:
    """Of a file its start, the bound of the first layer, and that by passes of the second."""
    file = load(path)
    rows = [row for row in history_rows(file.history) if row["layer"] == 2]
    begun = [(0, row["start_log_p"]) for row in rows if "start_log_p" in row]
    later = [(int(row["layer_epoch"]), row["train_log_p"]) for row in rows if "train_log_p" in row]
    lower = [
        row["train_log_p"]
        for row in history_rows(file.history)
        if row["layer"] == 1 and "train_log_p" in row
    ]
    gaps = [row["log_z_gap"] for row in rows if "log_z_gap" in row]
    return {
        "start": file.settings.start,
        "rate": file.settings.rate,
        "first_layer": lower[-1] if lower else None,
        "bounds": begun + later,
        "largest_gap": max(map(abs, gaps)),
        "made": files.file_values(file),
    }


def draw(found: list[dict[str, Any]]) -> Figure:
    """A curve for each file, and where the first layer alone is."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for each in found:
        first = each["bounds"][0][1]
        about = f"{each['start']} start, at {first:.0f}; rate {each['rate']:g}"
        axes.plot(*zip(*each["bounds"], strict=True), marker=".", label=about)
    # Where random weights start is far below everything that follows.
    axes.set_ylim(bottom=min(bound for each in found for _, bound in each["bounds"][1:]) - _ROOM)
    (level,) = {each["first_layer"] for each in found} - {None}
    axes.axhline(level, color="black", linestyle=":", linewidth=1, label="first layer alone")
    axes.set(xlabel="passes of the second layer", ylabel="bound on log p (nats, training images)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right")
    return figure


def main() -> None:
    """Parse, read, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path())
    given = parser.parse_args()
    found = [points(path) for path in given.files]
    files.save(given.out / "starts.png", curves.saved(draw(found), "png"))
    files.save(given.out / "starts.json", json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
