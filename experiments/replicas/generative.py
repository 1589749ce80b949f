"""How long an update of contrastive wake-sleep, and of the mixed gradient, takes of many nets.

    python experiments/replicas/generative.py --nets 3,12 --out generative.json

Beside it the floor of `measure.py`: the least traffic of the weights over the rate of a copy. Each
product reads its weights once, and to move them they are read and written once: two products with
the recognition weights, one with the generative ones, and with the memory one on the way up and two
for each round of Gibbs sampling, of chains too as far as they have cases; backpropagation reads
recognition weights and memory twice, and reads and writes them and their velocities to move them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from measure import CASES, copying, microseconds, show

from hinton06.console import stopped_in_a_line
from hinton06.many.place import Draws, Place
from hinton06.many.wakesleep import GenerativeNets, gathered
from hinton06.models import DeepBeliefNet, Rbm
from hinton06.recipes import RECIPES, WakeSleepSettings, conditions


def learner(
    place: Place, n_nets: int, sizes: tuple[int, ...], settings: WakeSleepSettings
) -> GenerativeNets:
    """Nets of random weights on random images."""
    rng, (n_pixels, *layers, n_labels) = np.random.default_rng(0), sizes
    below = (n_pixels, *layers[:-2], layers[-2] + n_labels)
    labels = (0, 0, n_labels)
    stack = [
        Rbm.random(n_in, n_out, 0.1, rng, own)
        for n_in, n_out, own in zip(below, layers, labels, strict=True)
    ]
    nets = gathered(place, [DeepBeliefNet.untied(stack)] * n_nets)
    images = place.put(rng.integers(0, 256, (CASES, n_pixels), np.uint8))
    classes = place.put(rng.integers(0, n_labels, CASES))
    rows = place.put(np.tile(np.arange(CASES), (n_nets, 1)))
    draws = Draws(place, [(seed, 4, "a") for seed in range(n_nets)])
    made = GenerativeNets(
        place, draws, [settings] * n_nets, nets, n_labels, images, classes, rows,
        targets=[0.0] * n_nets,
    )  # fmt: skip
    made._set_steps()
    return made


def passes_over(settings: WakeSleepSettings) -> tuple[float, float, float]:
    """Over recognition weights, generative ones and the memory, in an update."""
    chains = settings.persistent_share * settings.persistent_rounds
    rounds = settings.gibbs[0] + chains
    momentum = 2 if settings.momentum else 0
    back = 6 if settings.mixed else 0
    moved = 2 + momentum
    return 2 + moved + back, 1 + moved, 1 + 2 * rounds + moved + back


def main() -> None:
    """Print a table, and write all numbers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--nets", default="3,9")
    parser.add_argument("--layers", default="784-500-500-2000-10")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--out", type=Path, help="a JSON file of all numbers")
    given = parser.parse_args()
    place, recipe = Place(given.device), RECIPES["tr2006"]
    sizes = tuple(map(int, given.layers.split("-")))
    n_vis, n_hid, n_pen, n_top, n_labels = sizes
    directed, memory = n_vis * n_hid + n_hid * n_pen, (n_pen + n_labels) * n_top
    mixed = replace(
        recipe.settings("wakesleep", conditions(labels=True, mixed=True)), search_bp_weight=True
    )
    found: dict[str, Any] = {"place": place.described(), "layers": sizes}
    with place.used():
        rate = copying(place, 1 << (31 if place.device.type == "cuda" else 24))
        found["copied_bytes_per_us"] = rate
        print(f"{place.name}: copies {rate / 1e6:.2f} TB/s")
        for n_nets in map(int, given.nets.split(",")):
            for name, settings in (("wake-sleep", recipe.wakesleep), ("mixed", mixed)):
                group = learner(place, n_nets, sizes, settings)
                batch = group.batch
                took = microseconds(place, lambda g=group, n=batch: g.learn(n), given.repeats)  # type: ignore[misc]
                up, down, above = passes_over(settings)
                floor = 4 * n_nets * ((up + down) * directed + above * memory) / rate
                found[f"{n_nets} nets, {name}"] = {"update": took, "floor": floor}
                show(f"{n_nets} nets, {name}", {"update": took}, floor)
                del group
                place.release()
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
