"""Make a folder of images in which a split's validation cases stand where the test cases are.

    python experiments/search/held_out.py a runs/held-out/data-a
    hinton06 pretrain --split a --data runs/held-out/data-a --out runs/held-out/pretrain-a.h5

What a net does after it has learned its validation cases too, in the extension to all cases, no
validation case can say. In this folder the 50,000 training cases of a split are all cases, and the
10,000 that it holds out are called test: choices about the extension are made on them, and the test
cases of MNIST take no part.

    python experiments/search/held_out.py shuffled runs/shuffled/data-3 --seed 3
    hinton06 replicate --seeds 0-3 --data runs/shuffled/data-3 --out runs/shuffled/3

So the validation cases of each split are drawn at random: all of MNIST, its training cases in a
random order.
"""

from __future__ import annotations

import argparse
import struct
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import mnist
from hinton06.console import stopped_in_a_line


def write_idx(path: Path, array: Any) -> None:
    """An array of bytes, with its sizes before it."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes())


def main() -> None:
    """Four files in a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("split", choices=[*mnist.SPLITS, "shuffled"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the random order")
    given = parser.parse_args()
    digits = mnist.read()
    train, n_cases = (digits.train_images, digits.train_labels), len(digits.train_labels)
    if given.split == "shuffled":
        order = np.random.default_rng(given.seed).permutation(n_cases)
        test = digits.test_images, digits.test_labels
    else:
        split = mnist.split(n_cases, given.split)
        order, test = split.train, tuple(array[split.valid] for array in train)
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, (images, labels) in (("train", [a[order] for a in train]), ("t10k", test)):
        shaped = images.reshape(-1, *digits.shape)
        write_idx(given.folder / f"{name}-images-idx3-ubyte", shaped)
        write_idx(given.folder / f"{name}-labels-idx1-ubyte", labels)


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
