"""Digits as they are, and distorted as `make compare` learns them: distorted.png beside this file.

python experiments/compare/picture.py [FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import mnist
from hinton06.console import stopped_in_a_line
from hinton06.distortion import Distorter
from hinton06.report import captioned
from hinton06.report.files import save
from hinton06.streams import Use, stream

PIXELS = 1.5
SMOOTHING = 4.0


def versions(digits: mnist.Digits) -> Iterator[tuple[str, Any]]:
    """The first case of each class: as it is, and twice by each kind of distortion."""
    first = np.array([np.flatnonzero(digits.train_classes == place)[0] for place in range(10)])
    yield "as it is", digits.train_images[first]
    for name, own in (("affine", (PIXELS, 0.0)), ("elastic", (0.0, PIXELS))):
        distorter = Distorter(
            digits.shape, *own, SMOOTHING, lambda epoch: stream(0, Use.DISTORTIONS, epoch)
        )
        for epoch in range(2):
            distorter.begin(epoch)
            yield name, distorter(digits.train_images, first)


def draw(digits: mnist.Digits) -> bytes:
    """The picture, a row for each version."""
    rows = list(versions(digits))
    images = [image.reshape(digits.shape) / 255 for _, row in rows for image in row]
    return captioned.draw(images, [(name,) for name, row in rows for _ in row])[".png"]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    folder = parser.parse_args().folder
    save(folder / "distorted.png", draw(mnist.read()))


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
