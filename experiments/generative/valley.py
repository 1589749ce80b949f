"""Where the chains of a memory go, from digits and from noise.

    python experiments/generative/valley.py runs/table1/cws-a.h5 ... --judge runs/table1/bp-a.h5 \
        --record experiments/generative

Chains with clamped labels run from the first training digits, and as many from random images as
`hinton06 sample` takes them. After more and more rounds of alternating Gibbs sampling: the median
free energy of the memory, in nats, and the share of chains whose image has less ink (the sum of its
pixels' probabilities) than 99 % of the digits; with a judge, a net that classifies, also the share
of images that it takes for the clamped digit. Writes valley.json and valley.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

from hinton06 import mnist
from hinton06.console import stopped_in_a_line
from hinton06.generation import AlternatingGibbs, Generator, images, start
from hinton06.loading import load
from hinton06.models import Classifier
from hinton06.numerics import Array, firing_states
from hinton06.rbm import free_energy, parts
from hinton06.recognition import log_probs

ROUNDS = (0, 10, 100, 1000, 3000)


def start_from_images(
    generator: Generator, pixels: Array, labels: Any, rng: np.random.Generator
) -> AlternatingGibbs:
    """Chains that start from a stochastic up-pass of the images."""
    for weights, bias in generator.up:
        out = np.empty((len(pixels), len(bias)), bias.dtype)
        pixels = firing_states(pixels, weights, bias, rng, out)
    visible = np.zeros((len(pixels), generator.rbm.n_visible), pixels.dtype)
    parts(generator.rbm, visible)[0][...] = pixels
    return AlternatingGibbs(generator.rbm, visible, labels)


def follow(
    generator: Generator,
    chains: AlternatingGibbs,
    labels: Any,
    faint: float,
    rng: np.random.Generator,
    judge: Classifier | None,
) -> list[dict[str, float]]:
    """Free energy, ink and the judge's verdict at each of ROUNDS."""
    rows, done = [], 0
    for rounds in ROUNDS:
        chains.run(rounds - done, rng)
        done = rounds
        made = images(generator, chains, rng)
        energy = free_energy(generator.rbm, chains.v_states)
        row = {
            "rounds": rounds,
            "free_energy_median": round(float(np.median(energy)), 1),
            "faint_percent": round(100 * float((made.sum(axis=1) < faint).mean()), 1),
        }
        if judge:
            read = log_probs(judge, made).argmax(axis=1) == labels
            row["read_as_clamped_percent"] = round(100 * float(read.mean()), 1)
        rows.append(row)
    return rows


def measure(
    path: Path, digits: mnist.Digits, n_chains: int, seed: int, judge: Classifier | None
) -> dict[str, Any]:
    """Both kinds of chains of one file's memory."""
    file = load(path)
    generator = file.generator()
    file.check_pixels(digits)
    rng = np.random.default_rng(seed)
    pixels = digits.train_images[:n_chains].reshape(n_chains, -1).astype(np.float32) / 255
    labels = digits.train_labels[:n_chains].astype(np.intp)
    faint = float(np.percentile(pixels.sum(axis=1), 1))
    found: dict[str, Any] = {"file": str(path), "faint_ink": round(faint, 1)}
    chains = start_from_images(generator, pixels, labels, rng)
    found["digits"] = follow(generator, chains, labels, faint, rng, judge)
    chains = start(generator, n_chains, rng, labels)
    found["noise"] = follow(generator, chains, labels, faint, rng, judge)
    return found


def cell(row: dict[str, float]) -> str:
    """A free energy, a share of faint images, and what the judge said."""
    words = f"{row['free_energy_median']}, {row['faint_percent']} %"
    read = row.get("read_as_clamped_percent")
    return words if read is None else f"{words}, {read} %"


def markdown(
    found: list[dict[str, Any]], n_chains: int, seed: int, judge: Path | None = None
) -> str:
    """One line a file and start."""
    lines = [
        "| file | from | " + " | ".join(f"{rounds} rounds" for rounds in ROUNDS) + " |",
        "|---|---|" + "---:|" * len(ROUNDS),
    ]
    for one in found:
        for origin in ("digits", "noise"):
            cells = [cell(row) for row in one[origin]]
            lines.append(f"| {one['file']} | {origin} | " + " | ".join(cells) + " |")
    verdict = f"; last, the share that {judge} takes for the clamped digit" if judge else ""
    lines += [
        "",
        f"Median free energy of the memory in nats, and the share of {n_chains} chains with less "
        f"ink than 99 % of the digits ({found[0]['faint_ink']} of full pixels){verdict}; labels "
        f"clamped, seed {seed}.",
    ]
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--chains", default=200, help="Chains of each kind.")
@click.option("--seed", default=0)
@click.option("--judge", type=click.Path(exists=True, path_type=Path), help="A classifier.")
@click.option("--record", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(files: tuple[Path, ...], chains: int, seed: int, judge: Path | None, record: Path) -> None:
    """Follow the chains of each file, and write what was found."""
    digits = mnist.read()
    judging = load(judge).of_kind("classifier").model if judge else None
    with threadpool_limits(1):
        found = [measure(path, digits, chains, seed, judging) for path in files]
    record.mkdir(parents=True, exist_ok=True)
    (record / "valley.json").write_text(json.dumps(found, indent=1) + "\n")
    text = markdown(found, chains, seed, judge)
    (record / "valley.md").write_text(text)
    click.echo(text)


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
