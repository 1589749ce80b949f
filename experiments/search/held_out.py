"""Make a folder of images in which a split's validation cases stand where the test cases are.

    python experiments/search/held_out.py a runs/held-out/data-a
    hinton06 pretrain --split a --data runs/held-out/data-a --out runs/held-out/pretrain-a.h5

What a net does after it has learned its validation cases too, in the extension to all cases, no
validation case can say. In this folder the 50,000 training cases of a split are all cases, and the
10,000 that it holds out are called test: choices about the extension are made on them, and the test
cases of MNIST take no part.
"""

from __future__ import annotations

import argparse
import struct
from pathlib import Path
from typing import Any

from hinton06 import mnist


def write_idx(path: Path, array: Any) -> None:
    """An array of bytes, with its sizes before it."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes())


def main() -> None:
    """Four files in a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("split", choices=mnist.SPLITS)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    digits = mnist.read()
    split = mnist.split(len(digits.train_labels), given.split)
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", split.train), ("t10k", split.valid)):
        images = digits.train_images[rows].reshape(-1, *digits.shape)
        write_idx(given.folder / f"{name}-images-idx3-ubyte", images)
        write_idx(given.folder / f"{name}-labels-idx1-ubyte", digits.train_labels[rows])


if __name__ == "__main__":
    main()
