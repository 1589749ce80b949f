"""The energy landscape of an associative memory: how high it is where, and where chains stay in it.

``landscape.py [NET [JUDGE]] --out RECORD`` takes a net of contrastive wake-sleep and one that reads
images, by default those inside the package. Written are ``landscape.json``, ``landscape.md`` and
``landscape.png``:

- free energies, in nats, of test images with the right label and with a wrong one, and of random
  states, by the memory and by one before any learning;
- by how much a label unit that is turned on lowers or raises the free energy of the images of each
  class, where none was on;
- in what share of chains of alternating Gibbs sampling, from test images, the image is still read
  as the digit that it began as, with the label clamped and free; and how varied the images of a
  class are, as a share of the variance of test images.

"At the start of learning, all configurations of this top-level associative memory have roughly
equal energy. ... Valleys in the high-dimensional energy-landscape represent digit classes. ...
Turning on one of the 10 label units lowers one whole valley and raises the other valleys."
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator as Rng
from threadpoolctl import threadpool_limits

from hinton06 import generation, native, numerics
from hinton06.checkpoint import CheckpointError
from hinton06.console import stopped_in_a_line
from hinton06.generation import AlternatingGibbs, Generator
from hinton06.loading import digits_of, load
from hinton06.mnist import DataError
from hinton06.models import Classifier, DeepBeliefNet, Rbm
from hinton06.numerics import Array, Labels
from hinton06.rbm import free_energy, parts
from hinton06.recipes import RECIPES, counted
from hinton06.recognition import label_free_energies, log_probs, pen_probs
from hinton06.report import curves, files
from hinton06.report.scores import interval
from hinton06.report.table import Column, Table
from hinton06.training import RunError

ROUNDS = 0, 1, 10, 100, 1000, 3000
CHAINS, SEED = 1000, 0
CONFIGURATIONS = "images, right label", "images, a wrong label", "random states"
MEMORIES = "before learning", "after"
CLAMPED, FREE = "label clamped", "label free"


# -- how high ------------------------------------------------------------------------------------


def before_learning(memory: Rbm, rng: Rng) -> Rbm:
    """An RBM of the same units as the recipe's pretraining begins with."""
    sd = RECIPES["tr2006"].settings("pretrain", ("labels",)).initial_sd
    return Rbm.random(memory.n_visible, memory.n_hidden, sd, rng, memory.n_labels)


def random_states(memory: Rbm, pen: Array, labels: Labels, rng: Rng) -> Array:
    """As many visible states, each feature as often on as in images, with these labels."""
    states = np.zeros((len(pen), memory.n_visible), pen.dtype)
    features, label_units = parts(memory, states)
    features[...] = rng.random(pen.shape) < pen.mean(axis=0)
    label_units[np.arange(len(labels)), labels] = 1
    return states


def heights(memory: Rbm, pen: Array, labels: Labels, rng: Rng) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of the free energies of each of CONFIGURATIONS, in nats.

    Images are binary states that are drawn from their features' probabilities, as random ones are.
    """
    energies = label_free_energies(memory, (rng.random(pen.shape) < pen).astype(pen.dtype))
    rows = np.arange(len(labels))
    wrong = (labels + rng.integers(1, memory.n_labels, len(labels))) % memory.n_labels
    of_random = free_energy(memory, random_states(memory, pen, labels, rng))
    found = energies[rows, labels], energies[rows, wrong], of_random
    return {
        name: {"mean": float(np.mean(values, dtype=np.float64)), "sd": float(np.std(values))}
        for name, values in zip(CONFIGURATIONS, found, strict=True)
    }


def tilts(memory: Rbm, pen: Array, labels: Labels) -> list[list[float]]:
    """Of each class and label unit the mean free energy with it, less that with none turned on."""
    energies = label_free_energies(memory, pen).astype(np.float64)
    without = np.hstack([pen, np.zeros((len(pen), memory.n_labels), pen.dtype)])
    energies -= free_energy(memory, without)[:, np.newaxis]
    return [
        [float(x) for x in energies[labels == label].mean(axis=0)]
        for label in range(memory.n_labels)
    ]


# -- where chains stay ---------------------------------------------------------------------------


def from_images(
    generator: Generator, images: Array, labels: Labels, clamped: bool, rng: Rng
) -> AlternatingGibbs:
    """Chains that start from a stochastic up-pass of images, with their labels on."""
    memory = generator.rbm
    states = np.zeros((len(images), memory.n_visible), images.dtype)
    features, label_units = parts(memory, states)
    features[...] = numerics.stochastic_pass(images, generator.up, rng)
    label_units[np.arange(len(labels)), labels] = 1
    return AlternatingGibbs(memory, states, labels if clamped else None)


def variety(images: Array, labels: Labels) -> float:
    """The variance of pixels within classes, summed over pixels; mean over classes."""
    own = [images[labels == label] for label in np.unique(labels)]
    return float(np.mean([np.var(each, axis=0, dtype=np.float64).sum() for each in own]))


def stays(
    generator: Generator, judge: Classifier, images: Array, labels: Labels, clamped: bool, rng: Rng
) -> list[dict[str, float]]:
    """After each of ROUNDS how many images are read as the class of the start, and their variety.

    Variety is a share of that of the images that the chains start from.
    """
    chains, rows, done = from_images(generator, images, labels, clamped, rng), [], 0
    for rounds in ROUNDS:
        chains.run(rounds - done, rng)
        done = rounds
        made = generation.images(generator, chains, rng)
        read = log_probs(judge, made).argmax(axis=1)
        same = int((read == labels).sum())
        low, high = interval(same, len(labels))
        rows.append({
            "rounds": rounds, "same": same, "same_95_low": low, "same_95_high": high,
            "variety": variety(made, read) / variety(images, labels),
        })  # fmt: skip
    return rows


# -- the record ----------------------------------------------------------------------------------


def measured(net: DeepBeliefNet, judge: Classifier, digits: Any) -> dict[str, Any]:
    """Everything, of test images."""
    rng = np.random.default_rng(SEED)
    labels: Labels = digits.test_classes
    pen, memory = pen_probs(net, digits.test_images), net.memory
    both = dict(zip(MEMORIES, (before_learning(memory, rng), memory), strict=True))
    few, of_few = digits.test_images[:CHAINS].astype(np.float32) / 255, labels[:CHAINS]
    generator = Generator.of_net(net)
    return {
        "heights": {name: heights(each, pen, labels, rng) for name, each in both.items()},
        "tilts": tilts(memory, pen, labels),
        "chains": len(few),
        "stays": {
            name: stays(generator, judge, few, of_few, name == CLAMPED, rng)
            for name in (CLAMPED, FREE)
        },
    }


def tabulated(found: dict[str, Any]) -> str:
    """Two tables in Markdown: heights, and shares of chains."""
    columns = [Column("free energy, nats", "{memory}", left=True)]
    columns += [Column(name, f"{{{name}}}") for name in CONFIGURATIONS]
    rows = [
        {"memory": memory}
        | {name: f"{row['mean']:.1f} ± {row['sd']:.1f}" for name, row in of_memory.items()}
        for memory, of_memory in found["heights"].items()
    ]
    share = [Column("still the same digit", "{chains}", left=True)]
    share += [Column(counted(f"{rounds:,}", "round"), f"{{after {rounds}}}") for rounds in ROUNDS]
    kept = [
        {"chains": name}
        | {
            f"after {row['rounds']}": f"{100 * row['same'] / found['chains']:.1f} %"
            for row in of_name
        }
        for name, of_name in found["stays"].items()
    ]
    return "\n\n".join(Table(*each).markdown() for each in ((columns, rows), (share, kept)))


@curves.own_style()
def draw(found: dict[str, Any]) -> bytes:
    """How each label unit tilts the landscape, and where chains stay."""
    figure = curves.blank(11, 4)
    figure.set_layout_engine("constrained")
    left, right = figure.subplots(1, 2)
    tilt = np.array(found["tilts"])
    most = float(np.abs(tilt).max())
    shown = left.imshow(tilt, cmap="RdBu_r", vmin=-most, vmax=most)
    figure.colorbar(shown, ax=left, label="nats")
    ticks: Sequence[int] = range(len(tilt))
    left.set(xticks=ticks, yticks=ticks, xlabel="label unit that is turned on",
             ylabel="digit of the image")  # fmt: skip
    left.set_title("Free energy with a label unit, less that with none")
    for name, rows in found["stays"].items():
        at = [max(row["rounds"], 0.5) for row in rows]
        shares = [[100 * row[key] / found["chains"] for row in rows]
                  for key in ("same", "same_95_low", "same_95_high")]  # fmt: skip
        (line,) = right.plot(at, shares[0], marker=".", label=name)
        right.fill_between(at, *shares[1:], color=line.get_color(), alpha=0.2, linewidth=0)
    right.set(xscale="log", ylim=(0, 101), xlabel="rounds of alternating Gibbs sampling",
              ylabel="still read as the first digit, %")  # fmt: skip
    right.set_xticks([0.5, *ROUNDS[1:]], [f"{rounds:,}" for rounds in ROUNDS])
    right.minorticks_off()
    right.set_title("Chains from test images")
    right.legend()
    return curves.saved(figure, "png")


def main() -> None:
    """Parse, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("net", type=Path, nargs="?", default=Path("digits"))
    parser.add_argument("judge", type=Path, nargs="?", default=Path("table1-a"))
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        net, judge = (
            load(path).finished().of_kind(kind)
            for path, kind in ((given.net, "generative"), (given.judge, "classifier"))
        )
        digits = digits_of([net, judge], None)
    except (RunError, CheckpointError, DataError) as error:
        raise SystemExit(str(error)) from None
    with threadpool_limits(1), native.threads(1), np.errstate(all="ignore"):
        found = measured(net.model, judge.model, digits)
    document = {"net": files.file_values(net), "judge": files.file_values(judge)} | found
    files.save(given.out / "landscape.json", json.dumps(document, indent=2) + "\n")
    files.save(given.out / "landscape.md", tabulated(found) + "\n")
    files.save(given.out / "landscape.png", draw(found))


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
