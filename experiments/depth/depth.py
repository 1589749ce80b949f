"""Deep nets from random weights of several sizes, and from a stack: do they learn, and how well.

``depth.py FOLDER --out RECORD`` learns nets of 1 to 8 hidden layers from each start, at each rate,
three draws of each, into FOLDER, and goes on where it was stopped. ``depth.csv``: a line for each
net; ``depth.md`` and ``depth.json``: at the rate of the fewest validation errors; how gradients
shrink on their way down before anything is learned; ``depth.png``: both.

"If these values are small, it is very difficult to learn deep networks because the gradients
decrease multiplicatively as we backpropagate through each hidden layer. If the initial values are
large, we ... may well become trapped in a poor local optimum."
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

import hinton06
from hinton06 import loading, mnist
from hinton06.backprop import Backpropagation
from hinton06.cases import random_stream
from hinton06.console import stopped_in_a_line
from hinton06.mnist import Digits
from hinton06.models import Classifier
from hinton06.numerics import Array, logistic
from hinton06.recipes import counted
from hinton06.report import curves, files
from hinton06.report.table import Column, Table
from hinton06.streams import Use

DEPTHS = 1, 2, 4, 8
SCALES = 0.1, 0.3, 1.0, 3.0, 10.0, 30.0
RATES = 0.02, 0.1, 0.5
DRAWS = 0, 1, 2
UNITS, CASES, SPLIT = 100, 10_000, "a"
MEASURED_CASES = 1000
SHARES = 2, 5, 10, 20, 50, 90  # that the picture marks
STACK = "stack"
STARTS: tuple[float | str, ...] = (*SCALES, STACK)
SAME: dict[str, Any] = {"threads": 1, "progress": True}


# -- what is learned -----------------------------------------------------------------------------


def stack_path(folder: Path, depth: int, draw: int) -> Path:
    """Of a stack of the images that the nets learn."""
    return folder / f"pretrain-{depth}-{draw}.h5"


def net(folder: Path, depth: int, start: float | str, rate: float, draw: int) -> hinton06.Net:
    """One of the nets, made or found."""
    out, layers = folder / f"bp-{depth}-{start}-{rate}-{draw}.h5", (UNITS,) * depth
    own = {"patience": 30, "seed": draw} | SAME
    if start == STACK:
        path = stack_path(folder, depth, draw)
        stack = hinton06.pretrain(
            path, SPLIT, layers=layers, labelled=CASES, seed=draw, **SAME
        )  # fmt: skip
        return hinton06.finetune_bp(stack, out, rate=rate, **own)
    return hinton06.finetune_from_random(
        out, SPLIT, layers=layers, labelled=CASES, initial_scale=start, all_cases_rate=rate, **own
    )


def line(folder: Path, depth: int, start: float | str, rate: float, draw: int) -> dict[str, Any]:
    """How a net was made, and its errors after the epoch of the fewest validation errors."""
    record = net(folder, depth, start, rate, draw).record
    about = {"layers": depth, "start": start, "rate": rate, "draw": draw, "epochs": record.epochs}
    parts = {f"{part}_errors": score.errors for part, score in record.scores.items()}
    return about | {name: parts[name] for name in ("train_errors", "valid_errors", "test_errors")}


def chosen(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of a depth and a start, at the rate of the fewest validation errors of all draws."""

    def valid(rate: float) -> int:
        return sum(row["valid_errors"] for row in rows if row["rate"] == rate)

    rate = min(RATES, key=valid)
    best = [row for row in rows if row["rate"] == rate]
    found = {name: rows[0][name] for name in ("layers", "start")} | {"rate": rate}
    for part, cases in (("train", CASES), ("test", len(mnist.load().test_labels))):
        shares = [100 * row[f"{part}_errors"] / cases for row in best]
        found[part] = {"mean": statistics.mean(shares), "low": min(shares), "high": max(shares)}
    return found


# -- gradients before learning -------------------------------------------------------------------


def with_classes(net: Classifier, scale: float, rng: np.random.Generator) -> Classifier:
    """The same with random weights to the class units: from those at 0 no gradient comes down."""
    top = rng.standard_normal(net.weights[-1].shape, dtype=np.float32)
    top *= np.float32(scale / np.sqrt(len(top)))
    return Classifier((*net.weights[:-1], top), net.biases)


def gradients(net: Classifier, images: Array, labels: Any) -> list[float]:
    """Root mean square of the derivatives for the inputs of each hidden layer, the lowest first.

    Of single cases, over cases and units.
    """
    n = len(images)
    backprop = Backpropagation(net, n)
    backprop.forward(images, slice(None), labels, np.ones(n, np.float32))
    sizes = [float(np.sqrt(np.mean(np.square(d, dtype=np.float64))))
             for _, _, d in backprop.backward(n)]  # fmt: skip
    return sizes[:0:-1]


def factors(folder: Path, start: float | str, images: Array, digits: Digits) -> list[list[float]]:
    """Of each draw, by how much the deepest net's gradient shrinks from the layer above to each."""
    depth = max(DEPTHS)
    found = []
    for draw in DRAWS:
        rng = random_stream(draw, Use.RANDOM_NET_OF_SPLIT, SPLIT)  # the nets that are learned
        if start == STACK:
            stack = loading.load(stack_path(folder, depth, draw)).model
            begun = Classifier.on_stack(stack, digits.n_classes)
        else:
            sizes = digits.n_pixels, *(UNITS,) * depth, digits.n_classes
            begun = Classifier.random(sizes, float(start), rng)
        whole = with_classes(begun, 1 if start == STACK else float(start), rng)
        sizes_of = gradients(whole, images, digits.train_classes[:MEASURED_CASES])
        found.append([low / high for low, high in pairwise(sizes_of)])
    return found


def predicted(scale: float, images: Array) -> list[float]:
    """The same of infinitely wide layers, the lowest first: their inputs are normal variables.

    Of variance ``scale**2`` times the mean square of the layer below; a derivative is multiplied by
    the slope at such an input and by weights whose squares sum to ``scale**2``.
    """
    at = np.linspace(-8, 8, 2001)
    share = np.exp(-(at**2) / 2)
    share /= share.sum()
    squares = np.square(images, dtype=np.float64).mean(axis=1)  # of each case
    found = []
    for _ in range(max(DEPTHS)):
        on = logistic(scale * np.sqrt(squares)[:, None] * at)
        found.append(float(scale * np.sqrt((np.square(on * (1 - on)) @ share).mean())))
        squares = np.square(on) @ share
    return found[:-1]


# -- the record ----------------------------------------------------------------------------------


def name_of(start: float | str) -> str:
    """Of a start, for people."""
    return "a stack" if start == STACK else f"random, {start:g}"


def tabulated(best: list[dict[str, Any]]) -> Table:
    """Test and training errors by depth and start."""
    columns = [Column("start", "{start}", left=True)]
    columns += [Column(counted(d, "layer"), f"{{of {d}}}") for d in DEPTHS]
    cells = {(row["layers"], row["start"]): row for row in best}

    def cell(row: dict[str, Any]) -> str:
        low, high = (f"{row['test'][end]:.1f}" for end in ("low", "high"))
        return f"{row['test']['mean']:.1f} ({low}-{high}); {row['train']['mean']:.1f}"

    rows = [
        {"start": name_of(start)} | {f"of {d}": cell(cells[d, start]) for d in DEPTHS}
        for start in STARTS
    ]  # fmt: skip
    return Table(columns, rows)


@curves.own_style()
def draw(best: list[dict[str, Any]], shrink: dict[str, Any]) -> bytes:
    """Gradients by layer, and test errors by start."""
    figure = curves.blank(11, 4)
    figure.set_layout_engine("constrained")
    left, right = figure.subplots(1, 2)
    layers = range(1, max(DEPTHS) + 1)

    def down(steps: list[float]) -> Any:
        return np.cumprod([1.0, *steps[::-1]])[::-1]

    for number, start in enumerate(STARTS):
        found = shrink[name_of(start)]
        colour = f"C{number}"
        for one in found["measured"]:
            left.plot(layers, down(one), ".", color=colour)
        if found["predicted"]:
            left.plot(layers, down(found["predicted"]), color=colour, label=name_of(start))
        else:
            left.plot([], [], ".", color=colour, label=name_of(start))
    left.set(yscale="log", xticks=layers, xlabel="hidden layer")
    left.set_ylabel("gradient over that of the top layer")
    left.set_title("Before learning: three draws; lines: predicted")
    left.legend()
    for depth in DEPTHS:
        own = {row["start"]: row["test"] for row in best if row["layers"] == depth}
        means = [own[scale]["mean"] for scale in SCALES]
        (drawn,) = right.plot(SCALES, means, marker=".", label=counted(depth, "layer"))
        right.axhline(own[STACK]["mean"], color=drawn.get_color(), linestyle=":", linewidth=1)
        right.fill_between(
            SCALES, *([own[s][end] for s in SCALES] for end in ("low", "high")),
            color=drawn.get_color(), alpha=0.2, linewidth=0,
        )  # fmt: skip
    right.set(xscale="log", yscale="log", xlabel="size of the random weights",
              ylabel="test errors, %")  # fmt: skip
    right.set_xticks(SCALES, [f"{scale:g}" for scale in SCALES], minor=False)
    right.set_yticks(SHARES, [f"{share:g}" for share in SHARES])
    right.minorticks_off()
    right.set_title("After learning; dotted: from a stack")
    right.legend()
    return curves.saved(figure, "png")


def nets(draws: list[int]) -> Iterator[tuple[int, float | str, float, int]]:
    """Depth, start, rate and draw of each."""
    return ((d, start, rate, n) for n, d, start, rate in product(draws, DEPTHS, STARTS, RATES))


def main() -> None:
    """Parse, learn, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="where the record goes; without it, learn alone")
    parser.add_argument("--draws", type=int, nargs="+", default=list(DRAWS))
    given = parser.parse_args()
    rows = [line(given.folder, *each) for each in nets(given.draws)]
    if given.out is None:
        return
    best = [
        chosen([row for row in rows if (row["layers"], row["start"]) == each])
        for each in product(DEPTHS, STARTS)
    ]
    digits = mnist.load()
    images = digits.train_images[:MEASURED_CASES].astype(np.float32) / 255
    shrink = {
        name_of(start): {
            "measured": factors(given.folder, start, images, digits),
            "predicted": None if start == STACK else predicted(float(start), images),
        }
        for start in STARTS
    }
    table = Table([Column(name, "") for name in rows[0]], rows)
    files.save(given.out / "depth.csv", table.csv() + "\n")
    files.save(given.out / "depth.md", tabulated(best).markdown() + "\n")
    nets_made = [loading.load(path).provenance for path in sorted(given.folder.glob("bp-*.h5"))]
    made = {
        "git": sorted({p["git"] for p in nets_made}),
        "machine": sorted({p["machine"] for p in nets_made}),
        "cpu_seconds": sum(p["cpu_seconds"] for p in nets_made),
    }
    record = {"chosen": best, "gradients": shrink, "made": made}
    files.save(given.out / "depth.json", json.dumps(record, indent=2) + "\n")
    files.save(given.out / "depth.png", draw(best, shrink))


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
