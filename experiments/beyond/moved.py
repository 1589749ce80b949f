"""Nets asked of every translation of an image too, and what the product of their answers is worth.

    python experiments/beyond/moved.py runs/table1*/bp-dropout-translated-?.h5 > moved.csv

Validation errors of nets that validation stopped, by how many pixels images are moved at most; 0 is
as they are. A net that has learned translations could be surer of an image in some of them.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hinton06 import loading, mnist
from hinton06.cases import cases_held_out
from hinton06.console import stopped_in_a_line
from hinton06.mnist import Digits

DISTANCES = 0, 1, 2


def asked(path: Path, digits: Digits) -> Iterator[dict[str, Any]]:
    """A row for each distance."""
    file = loading.load(path).of_kind("classifier")
    held_out, recogniser = cases_held_out(digits, file.lineage), file.recogniser()
    for distance in DISTANCES:
        moved = mnist.translated(held_out.images, digits.shape, distance)
        versions = moved.reshape(-1, *held_out.images.shape)
        product = sum(recogniser.log_probs(images) for images in versions)
        errors = int((product.argmax(axis=1) != held_out.labels).sum())
        yield {"seed": file.lineage.seed, "net": file.lineage.split, "pixels": distance,
               "versions": len(versions), "valid_errors": errors}  # fmt: skip


def main() -> None:
    """A table as CSV."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    digits, paths = mnist.read(), parser.parse_args().files
    rows = [row for path in paths for row in asked(path, digits)]
    table = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
