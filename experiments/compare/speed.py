"""How much longer an epoch of backpropagation takes with distorted images: speed.json.

    python experiments/compare/speed.py [FOLDER]

Processor seconds of 50,000 cases of Table 1's net, from those of 5,000, by one thread; the least of
three.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from hinton06 import mnist, native, provenance
from hinton06.backprop import DiscriminativeFineTuning
from hinton06.console import stopped_in_a_line
from hinton06.distortion import Distorter
from hinton06.models import Classifier
from hinton06.recipes import RECIPES
from hinton06.recognition import Cases
from hinton06.report.files import save
from hinton06.streams import Use, stream

CASES, PIXELS, SMOOTHING = 5000, 1.5, 4.0
KINDS = {"as they are": (0.0, 0.0), "affine": (PIXELS, 0.0), "elastic": (0.0, PIXELS)}


def learner(digits: mnist.Digits, affine: float, elastic: float) -> DiscriminativeFineTuning:
    """Of the first cases, none of them ever left out."""
    settings = replace(RECIPES["tr2006"].backprop, importance_sampling=False)
    distorter = None
    if affine or elastic:
        distorter = Distorter(
            digits.shape, affine, elastic, SMOOTHING,
            lambda epoch: stream(0, Use.DISTORTIONS, epoch),
        )  # fmt: skip
    sizes = (digits.n_pixels, *RECIPES["tr2006"].pretrain.layers, digits.n_classes)
    net = Classifier.random(sizes, settings.initial_scale, stream(0, Use.RANDOM_NET))
    train = Cases(digits.train_images[:CASES], digits.train_classes[:CASES], distorter=distorter)
    valid = Cases(digits.test_images[:100], digits.test_classes[:100])
    return DiscriminativeFineTuning(net, train, settings, stream(0, Use.BACKPROP), valid)


def seconds(digits: mnist.Digits) -> dict[str, float]:
    """Of an epoch, by what is done to the images."""
    found: dict[str, list[float]] = {name: [] for name in KINDS}
    with native.threads(1):
        for _ in range(3):
            for name, own in KINDS.items():
                made, started = learner(digits, *own), time.process_time()
                made.learn_epoch(lambda _: None)
                found[name].append((time.process_time() - started) * 50_000 / CASES)
    return {name: min(times) for name, times in found.items()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    folder = parser.parse_args().folder
    document: dict[str, Any] = {"cpu_seconds": seconds(mnist.read())}
    document["provenance"] = provenance.describe()
    save(folder / "speed.json", json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
