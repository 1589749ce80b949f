"""Where the chains of a memory go, from digits and from noise.

    python experiments/generative/valley.py runs/table1/cws-a.h5 ... --record experiments/generative

Chains with clamped labels run from the first training digits, and as many from random images as
`hinton06 sample` takes them. After more and more rounds of alternating Gibbs sampling: the median
free energy of the memory, in nats, and the share of chains whose image has less ink (the sum of its
pixels' probabilities) than 99 % of the digits. Writes valley.json and valley.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

from hinton06 import mnist
from hinton06.generation import AlternatingGibbs, Generator, images, start
from hinton06.numerics import Array, firing_states
from hinton06.opening import load_generator
from hinton06.rbm import free_energy, parts

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
    generator: Generator, chains: AlternatingGibbs, faint: float, rng: np.random.Generator
) -> list[dict[str, float]]:
    """Free energy and ink at each of ROUNDS."""
    rows, done = [], 0
    for rounds in ROUNDS:
        chains.run(rounds - done, rng)
        done = rounds
        ink = images(generator, chains, rng).sum(axis=1)
        energy = free_energy(generator.rbm, chains.v_states)
        rows.append(
            {
                "rounds": rounds,
                "free_energy_median": round(float(np.median(energy)), 1),
                "faint_percent": round(100 * float((ink < faint).mean()), 1),
            }
        )
    return rows


def measure(path: Path, digits: mnist.Digits, n_chains: int, seed: int) -> dict[str, Any]:
    """Both kinds of chains of one file's memory."""
    generator = load_generator(path, digits)
    rng = np.random.default_rng(seed)
    pixels = digits.train_images[:n_chains].reshape(n_chains, -1).astype(np.float32) / 255
    labels = digits.train_labels[:n_chains].astype(np.intp)
    faint = float(np.percentile(pixels.sum(axis=1), 1))
    return {
        "file": str(path),
        "faint_ink": round(faint, 1),
        "digits": follow(generator, start_from_images(generator, pixels, labels, rng), faint, rng),
        "noise": follow(generator, start(generator, n_chains, rng, labels), faint, rng),
    }


def markdown(found: list[dict[str, Any]], n_chains: int, seed: int) -> str:
    """One line a file and start; each cell is a free energy and a share of faint images."""
    lines = [
        "| file | from | " + " | ".join(f"{rounds} rounds" for rounds in ROUNDS) + " |",
        "|---|---|" + "---:|" * len(ROUNDS),
    ]
    for one in found:
        for origin in ("digits", "noise"):
            cells = [f"{r['free_energy_median']}, {r['faint_percent']} %" for r in one[origin]]
            lines.append(f"| {one['file']} | {origin} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Median free energy of the memory in nats, and the share of {n_chains} chains with less "
        f"ink than 99 % of the digits ({found[0]['faint_ink']} of full pixels); labels clamped, "
        f"seed {seed}.",
    ]
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--chains", default=200, help="Chains of each kind.")
@click.option("--seed", default=0)
@click.option("--record", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(files: tuple[Path, ...], chains: int, seed: int, record: Path) -> None:
    """Follow the chains of each file, and write what was found."""
    digits = mnist.read()
    with threadpool_limits(1):
        found = [measure(path, digits, chains, seed) for path in files]
    record.mkdir(parents=True, exist_ok=True)
    (record / "valley.json").write_text(json.dumps(found, indent=1) + "\n")
    text = markdown(found, chains, seed)
    (record / "valley.md").write_text(text)
    click.echo(text)


if __name__ == "__main__":
    main()
