"""Weight-sharing, which the chapter compares pretraining with: a net of convolutions.

``sharing.py --out FOLDER`` learns the net of Simard, Steinkraus and Platt (2003), 5 and 50 maps
of features with 5 x 5 weights every second pixel, then 100 features, from random weights, by the
recipe's rules of backpropagation: images as they are at each of ``--rates``, and distorted ones at
the rate of the fewest validation errors of all ``--splits``. ``FOLDER/sharing.csv`` gets a line for
each net when it is finished, and what is there is not learned again; ``sharing.md`` has a line for
the nets of a rate.

"The greedy pretraining improves the error rate of backpropagation by about the same amount as
methods that make use of prior knowledge about the geometry of images, such as weight-sharing".
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hinton06 import mnist, native, numerics, provenance
from hinton06.backprop import Backpropagation, DiscriminativeFineTuning
from hinton06.cases import place_of, random_stream
from hinton06.console import stopped_in_a_line
from hinton06.distortion import Distorter
from hinton06.mnist import DataError, Digits
from hinton06.models import Classifier
from hinton06.numerics import Array, Labels
from hinton06.recipes import RECIPES
from hinton06.recognition import Cases, score
from hinton06.report import files
from hinton06.report.table import Column, Table
from hinton06.streams import Use, stream
from hinton06.training import RunError

SIDES = 28, 13, 5
"""Places along a side of the image, and of the maps of the two convolutions."""
KERNEL, STRIDE = 5, 2
MAPS, FEATURES = (5, 50), 100
RATES = 0.05, 0.1, 0.2
PLAIN = "as they are"
IMAGES: dict[str, dict[str, float]] = {
    PLAIN: {}, "affine 1.5 pixels": {"affine": 1.5}, "elastic 1.5 pixels": {"elastic": 1.5}
}  # fmt: skip


# -- the net -------------------------------------------------------------------------------------


class SharedNet(Classifier):
    """Two layers of convolutions, one of features, a softmax; logistic units.

    Weights of a convolution are (5 * 5 * n_maps_below, n_maps): those of one place, which all
    places have. A layer is (n, places * n_maps), the maps of one place side by side.
    """

    def __post_init__(self) -> None:
        below, places = 1, [side**2 for side in SIDES]
        for number, weights in enumerate(self.weights):
            window = KERNEL**2 * below if number < 2 else below
            if weights.shape[0] != window or self.biases[number].shape != weights.shape[1:]:
                raise ValueError(f"weights {number + 1} have shape {weights.shape}")
            below = weights.shape[1] * (places[2] if number == 1 else 1)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of units of each layer, pixels first and classes last."""
        widths = [w.shape[1] for w in self.weights]
        return (SIDES[0] ** 2, *(SIDES[i + 1] ** 2 * widths[i] for i in (0, 1)), *widths[2:])

    @classmethod
    def shared(cls, n_classes: int, scale: float, rng: np.random.Generator) -> SharedNet:
        """A random start as `Classifier.random`'s: by the number of weights into one unit."""
        widths = (*MAPS, FEATURES, n_classes)
        inputs = (KERNEL**2, KERNEL**2 * MAPS[0], SIDES[2] ** 2 * MAPS[1], FEATURES)
        weights = [
            rng.standard_normal(shape, np.float32) for shape in zip(inputs, widths, strict=True)
        ]
        for layer in weights[:-1]:
            np.multiply(layer, np.float32(scale / len(layer) ** 0.5), out=layer)
        weights[-1][:] = 0
        return cls(tuple(weights), tuple(np.zeros(n, np.float32) for n in widths))


def windows(layer: Array, side: int) -> Array:
    """(n * places, 25 * n_maps): what each place of the maps above sees of (n, side^2 * n_maps)."""
    images = layer.reshape(len(layer), side, side, -1)
    if side == SIDES[0]:  # an odd number of pixels, so that the windows end with the image
        images = np.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)))
    seen = sliding_window_view(images, (KERNEL, KERNEL), (1, 2))[:, ::STRIDE, ::STRIDE]
    return seen.transpose(0, 1, 2, 4, 5, 3).reshape(-1, KERNEL**2 * images.shape[3])


def summed(seen: Array, side: int, out: Array) -> Array:
    """The reverse: what windows of maps of this side say, added up unit by unit, into out."""
    n, above = len(out), (side - KERNEL) // STRIDE + 1
    maps = out.reshape(n, side, side, -1)
    parts = seen.reshape(n, above, above, KERNEL, KERNEL, -1)
    maps[:] = 0
    end = STRIDE * above
    for down in range(KERNEL):
        for right in range(KERNEL):
            places = maps[:, down : down + end : STRIDE, right : right + end : STRIDE]
            places += parts[:, :, :, down, right]
    return out


def up_pass(net: Classifier, layers: list[Array], seen: list[Array]) -> Array:
    """As `recognition.up_pass`; `seen` gets what the convolutions have seen."""
    for number in (0, 1):
        seen.append(windows(layers[number], SIDES[number]))
        above = layers[number + 1].reshape(len(seen[number]), -1)
        numerics.firing_probs(seen[number], net.weights[number], net.biases[number], above)
    numerics.firing_probs(layers[2], net.weights[2], net.biases[2], layers[3])
    return numerics.log_softmax(
        numerics.product(layers[3], net.weights[3], layers[4]), net.biases[3]
    )


def log_probs(net: Classifier, images: NDArray[Any]) -> Array:
    """Log p(class | image): (n, n_classes), in nats."""
    dtype, found = (
        net.weights[0].dtype,
        np.empty((len(images), net.n_classes), net.weights[0].dtype),
    )
    for rows, data in numerics.batches_taken(images, 200, dtype):
        layers = [data, *(np.empty((len(data), size), dtype) for size in net.sizes[1:])]
        found[rows] = up_pass(net, layers, [])
    return found


class SharedBackpropagation(Backpropagation):
    """A place of a map is a case of its own to the weights that all places share."""

    net: SharedNet

    def forward(
        self, images: NDArray[Any], rows: Any, labels: Labels, case_weights: Array,
        _beside: Any = None,
    ) -> Array:  # fmt: skip
        """As `Backpropagation`, of cases with labels alone."""
        layers = [buffer[: len(labels)] for buffer in self._layers]
        numerics.take_batch(images, rows, layers[0])
        self._seen: list[Array] = []
        found = up_pass(self.net, layers, self._seen)
        return numerics.label_errors(found, labels, case_weights, self._deltas[-1][: len(labels)])

    def backward(self, n: int, lowest: int = 0) -> Iterator[tuple[int, Array, Array]]:
        """As `Backpropagation`; of a convolution (25 * n_maps_below, n * places) and deltas."""
        for number in range(len(self.weights) - 1, lowest - 1, -1):
            below, delta = self._layers[number][:n], self._deltas[number][:n]
            weights = self.net.weights[number]
            delta = delta.reshape(-1, weights.shape[1])
            if number > lowest:
                above = self._deltas[number - 1][:n]
                if number == 1:
                    summed(numerics.product(delta, weights.T), SIDES[1], above)
                else:
                    numerics.product(delta, weights.T, above)
            yield number, (self._seen[number] if number < 2 else below).T, delta
            if number > lowest:
                numerics.times_slope(above, below)


class SharedFineTuning(DiscriminativeFineTuning):
    """The discriminative half's rules, of a net that shares weights."""

    ask = staticmethod(log_probs)
    algorithm = SharedBackpropagation


# -- the nets ------------------------------------------------------------------------------------


def learned(
    digits: Digits, images: str, rate: float, cap: int, split: str, seed: int
) -> dict[str, Any]:
    """One net: its line."""
    settings = dataclasses.replace(RECIPES["tr2006"].settings("backprop"), rate=rate)
    settings = dataclasses.replace(settings, **IMAGES[images])
    settings = dataclasses.replace(settings, max_epochs=cap or settings.max_epochs)
    own = mnist.split(len(digits.train_labels), split)
    train, valid = (
        Cases(digits.train_images[rows], digits.train_classes[rows])
        for rows in (own.train, own.valid)
    )
    if settings.distortions:
        drawn = seed, Use.DISTORTIONS, Use.BACKPROP, place_of(split)
        distorter = Distorter(
            digits.shape, **settings.distortions, stream_of=lambda epoch: stream(*drawn, epoch)
        )
        train = dataclasses.replace(train, distorter=distorter)
    start = random_stream(seed, Use.RANDOM_NET_OF_SPLIT, split)
    net = SharedNet.shared(digits.n_classes, settings.initial_scale, start)
    began = time.process_time()
    rng = random_stream(seed, Use.BACKPROP, split)
    learner = SharedFineTuning(net, train, settings, rng, valid)
    while not learner.finished():
        learner.run_epoch(lambda _: None)
    test = Cases(digits.test_images, digits.test_classes)
    errors = {
        f"{part}_errors": score(log_probs(learner.best, cases.images), cases.labels).errors
        for part, cases in zip(("train", "valid", "test"), (train, valid, test), strict=True)
    }
    about: dict[str, Any] = {
        "images": images,
        "rate": rate,
        "split": split,
        "epochs": learner.selected.epoch,
    }
    about |= {"capped": learner.capped} | errors
    about["lowest_valid_cost"] = f"{min(learner.valid_costs):.3f}"
    spent = round(time.process_time() - began)
    size, git = sum(w.size for w in net.weights), provenance.describe()["git"]
    about |= {"weights": size, "cpu_seconds": spent, "git": git}
    return about | {"seed": seed, "data": digits.sha256[:12]}


def of_rates(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line for each rate that some images were learned at: what the nets of all splits have."""
    found = []
    for images, rate in dict.fromkeys((row["images"], float(row["rate"])) for row in rows):
        own = [row for row in rows if (row["images"], float(row["rate"])) == (images, rate)]
        line: dict[str, Any] = {"images": images, "rate": rate}
        line["splits"] = ", ".join(row["split"] for row in own)
        for name in ("epochs", "valid_errors", "test_errors"):
            line[name] = ", ".join(str(row[name]) for row in own)
        for name in ("valid_errors", "test_errors"):
            line[f"mean_{name}"] = statistics.mean(int(row[name]) for row in own)
        found.append(line)
    return found


COLUMNS = (
    Column("images", "{images}", left=True),
    Column("rate", "{rate:g}"),
    Column("splits", "{splits}", left=True),
    Column("epochs", "{epochs}"),
    Column("valid. errs", "{valid_errors}"),
    Column("mean", "{mean_valid_errors:.1f}"),
    Column("test errs", "{test_errors}"),
    Column("mean of these", "{mean_test_errors:.1f}"),
)


def saved(folder: Path, rows: list[dict[str, Any]]) -> None:
    """The nets' lines as CSV, and what is to be seen of them as Markdown."""
    plain = Table([Column(name, "") for name in rows[0]], rows)
    files.save(folder / "sharing.csv", plain.csv() + "\n")
    files.save(folder / "sharing.md", Table(COLUMNS, of_rates(rows)).markdown() + "\n")


def learned_before(folder: Path, seed: int, digits: Digits) -> list[dict[str, Any]]:
    """The lines that are there; SystemExit if some are of another seed or of other data."""
    table, own = folder / "sharing.csv", {"seed": str(seed), "data": digits.sha256[:12]}
    if not table.exists():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for name, value in own.items():
            if row[name] != value:
                raise SystemExit(
                    f"{table}: {name} {row[name]}, and not {value}; give another --out"
                )
    return rows


def main() -> None:
    """Learn what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="a folder of other IDX files of 28 x 28 pixels")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--splits", nargs="+", choices=mnist.SPLITS, default=mnist.SPLITS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-epochs", type=int, default=0)
    given = parser.parse_args()
    said = "{images}, rate {rate:g}, {split}: {epochs} epochs, {valid_errors} validation errors"

    def learn(images: str, rate: float) -> None:
        there = {(row["images"], float(row["rate"]), row["split"]) for row in rows}
        for split in given.splits:
            if (images, rate, split) not in there:
                rows.append(learned(digits, images, rate, given.max_epochs, split, given.seed))
                saved(given.out, rows)
                print(said.format(**rows[-1]), flush=True)

    try:
        digits = mnist.read(given.data)
        if digits.shape != (SIDES[0], SIDES[0]):
            raise SystemExit(f"{digits.name}: images of {SIDES[0]} x {SIDES[0]} pixels are wanted")
        rows = learned_before(given.out, given.seed, digits)
        with threadpool_limits(1), native.threads(1), np.errstate(all="ignore"):
            for rate in given.rates:
                learn(PLAIN, rate)
            asked = [
                row for row in rows
                if row["images"] == PLAIN and float(row["rate"]) in given.rates
                and row["split"] in given.splits  # the same ones at each rate
            ]  # fmt: skip
            best = min(of_rates(asked), key=lambda row: row["mean_valid_errors"])
            for images in IMAGES:
                learn(images, best["rate"])
    except (RunError, DataError) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
