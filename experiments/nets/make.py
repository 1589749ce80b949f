"""Makes the nets inside the package from finished files, and records what the rounding did.

    python experiments/nets/make.py --record experiments/nets table1-a=runs/table1/bp-a.h5

Each is rounded to as many significant bits of a float16 as fit into 4 MB, and measured beside the
exact one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import checkpoint, mnist, nets
from hinton06.cases import cases_held_out
from hinton06.console import stopped_in_a_line
from hinton06.lineage import PRETRAINED, VALIDATED
from hinton06.loading import RunFile, load, typed
from hinton06.mnist import Digits
from hinton06.recognition import Cases, score
from hinton06.report.files import file_values
from hinton06.report.table import Column, Table

MOST_BYTES = 4_000_000
MOST_MOVED = 2


def make(name: str, exact: RunFile, folder: Path) -> RunFile:
    """The net inside of a name, with as many bits as fit."""
    path = folder / f"{name}{nets.ENDING}"
    for bits in range(nets.MOST_BITS, 0, -1):
        checkpoint.save(path, nets.rounded(exact.held, bits))
        if path.stat().st_size <= MOST_BYTES:
            return typed(path, checkpoint.load(path))
    raise SystemExit(f"{exact.path}: does not fit into {MOST_BYTES:,} bytes")


def compare(name: str, exact: RunFile, near: RunFile, digits: Digits) -> dict[str, Any]:
    """How many cases a net and the one inside get wrong, and how many they differ in."""
    row: dict[str, Any] = {
        "name": name,
        "file": exact.path.name,
        "bits": near.lineage.bits,
        "bytes": near.path.stat().st_size,
    }
    parts = {"test": Cases(digits.test_images, digits.test_labels)}
    if exact.lineage.role in (PRETRAINED, VALIDATED):
        parts = {"validation": cases_held_out(digits, exact.lineage)} | parts
    for part, cases in parts.items():
        asked = [file.recogniser().log_probs(cases.images) for file in (exact, near)]
        before, after = (score(logs, cases.labels) for logs in asked)
        guesses = [logs.argmax(axis=1) for logs in asked]
        row |= {
            f"{part} errors": before.errors,
            f"{part} errors inside": after.errors,
            f"{part} guesses that differ": int(np.count_nonzero(guesses[0] != guesses[1])),
            f"{part} cost": before.cost_per_100,
            f"{part} cost inside": after.cost_per_100,
        }
    return row


def table(rows: list[dict[str, Any]], files: list[RunFile]) -> Table:
    """What the rounding did, a line for each net."""
    columns = [
        Column("net", "{name}", left=True),
        Column("of", "{file}", left=True),
        Column("significant bits", "{bits}"),
        Column("MB", lambda row: f"{row['bytes'] / 1e6:.2f}"),
    ]
    for part, short in (("validation", "valid."), ("test", "test")):
        for what in ("errors", "cost"):
            form = ":.4f" if what == "cost" else ""
            cell = f"{{{part} {what}{form}}}", f"{{{part} {what} inside{form}}}"
            columns += [Column(f"{short} {what}", cell[0]), Column("rounded", cell[1])]
        columns.append(Column("guesses that differ", f"{{{part} guesses that differ}}"))
    legend = ["Of 10,000 cases each; costs in nats per 100 cases."]
    extra = {"files": [file_values(file) for file in files]}
    return Table(columns, rows, name="nets", legend=legend, extra=extra)


def main() -> None:
    """Make the nets that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--out", type=Path, default=nets.FOLDER, help="another folder")
    parser.add_argument("--record", type=Path, metavar="DIR", help="save the table there")
    given = parser.parse_args()
    rows, files, digits = [], [], mnist.read()
    for argument in given.nets:
        name, _, path = argument.partition("=")
        exact = load(Path(path)).finished()
        near = make(name, exact, given.out)
        files.append(near)
        rows.append(compare(name, exact, near, digits))
        moved = abs(rows[-1]["test errors inside"] - rows[-1]["test errors"])
        if moved > MOST_MOVED:
            sys.exit(f"{near.path}: {moved} test errors more or fewer than {path}")
    made = table(rows, files)
    made.show()
    if given.record is not None:
        made.save(given.record)


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
