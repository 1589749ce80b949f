"""How near the learners of many nets come to what memory allows, on a graphics card.

    python experiments/replicas/measure.py --nets 3,33,99 --out speed.json

What bounds them is reading and writing the weights. The floor of an update is the least traffic of
these over the rate at which the card copies: contrastive divergence reads weights in each of its
three products, and reads and writes them and their velocities once to move them (7 passes);
backpropagation reads them on the way up and, above the first layer, on the way down (5 and 6).
Data, states, probabilities and gradients come on top, and are not counted. Parts are timed as an
update is: recorded once, then replayed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hinton06.console import stopped_in_a_line
from hinton06.many.classifiers import Classifiers, gathered
from hinton06.many.place import Draws, Place
from hinton06.many.rbms import Rbms, steps_of
from hinton06.models import Classifier
from hinton06.recipes import RECIPES
from hinton06.updates import Step

BATCH = 100
CASES = 10_000
STEP = Step(0.1, 0.9, 0.0002)
IN_A_ROW = 4


def microseconds(place: Place, work: Callable[[], object], repeats: int) -> float:
    """Of one call, in the middle of many; on a card, recorded several times in a row."""
    for _ in range(3):
        work()
    if not place.on_card:
        began = time.perf_counter()
        for _ in range(repeats):
            work()
        return 1e6 * (time.perf_counter() - began) / repeats
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    graph = torch.cuda.CUDAGraph()
    graph.capture_begin(capture_error_mode="thread_local")
    for _ in range(IN_A_ROW):
        work()
    graph.capture_end()
    graph.replay()
    torch.cuda.synchronize()
    begin.record()
    for _ in range(repeats):
        graph.replay()
    end.record()
    torch.cuda.synchronize()
    return float(1000 * begin.elapsed_time(end) / repeats / IN_A_ROW)


def copying(place: Place, size: int) -> float:
    """Bytes read and written in a microsecond."""
    source, target = (place.zeros(size // 4) for _ in range(2))
    return 2 * size / microseconds(place, lambda: target.copy_(source), 20)


def of_rbms(place: Place, n_nets: int, sizes: tuple[int, int], repeats: int) -> dict[str, float]:
    """An update of contrastive divergence of one layer, and each of its parts."""
    n_visible, n_hidden = sizes
    draws = Draws(place, [(seed, 0, "a") for seed in range(n_nets)])
    rng = np.random.default_rng(0)
    weights = place.put(rng.normal(size=(n_visible, n_hidden)).astype(np.float32) * 0.1)
    rbms = Rbms(place, draws, weights.expand(n_nets, -1, -1).clone(), BATCH)
    data = place.put(rng.random((CASES, n_visible), np.float32)).expand(n_nets, -1, -1).clone()
    rows = place.put(rng.integers(0, CASES, (n_nets, BATCH)))
    step, loops, speed = steps_of(place, [STEP] * n_nets), place.loops, rbms.velocities
    own, visible_bias, hidden_bias = rbms.arrays.values()
    visible, hidden, states = rbms._visible, rbms._hidden, rbms._states
    given, recon = visible[:, :BATCH], visible[:, BATCH:]
    above, again = hidden[:, :BATCH], hidden[:, BATCH:]

    def update() -> None:
        loops.take(data, rows, rbms.data_buffer(BATCH))
        rbms.learn(BATCH, step)

    parts: dict[str, Callable[[], object]] = {
        "update": update,
        "take": lambda: loops.take(data, rows, given),
        "up": lambda: torch.bmm(given, own, out=above),
        "fire": lambda: loops.fire(above, hidden_bias, draws, states),
        "down": lambda: torch.bmm(states, own.mT, out=recon),
        "visible": lambda: loops.visible(
            visible, visible_bias, speed["visible_bias"], step, rbms.errors, None
        ),
        "up again": lambda: torch.bmm(recon, own, out=again),
        "hidden": lambda: loops.hidden(hidden, hidden_bias, speed["hidden_bias"], step),
        "gradients": lambda: torch.bmm(visible.mT, hidden),
        "grow": lambda: loops.grow(visible, hidden, BATCH, own, speed["weights"], step),
    }
    return {name: microseconds(place, part, repeats) for name, part in parts.items()}


def of_classifiers(place: Place, n_nets: int, sizes: tuple[int, ...], repeats: int) -> float:
    """An update of backpropagation."""
    rng = np.random.default_rng(0)
    net = Classifier.random(sizes, 3.0, rng)
    images = place.put(rng.integers(0, 256, (CASES, sizes[0]), np.uint8))
    labels = place.put(rng.integers(0, sizes[-1], CASES))
    rows = place.put(np.tile(np.arange(CASES), (n_nets, 1)))
    draws = Draws(place, [(seed, 1, "a") for seed in range(n_nets)])
    nets = gathered(place, [net] * n_nets)
    settings = [RECIPES["tr2006"].backprop] * n_nets
    group = Classifiers(place, draws, settings, nets, images, labels, rows, targets=[0.1] * n_nets)
    return microseconds(place, lambda: group.learn(BATCH), repeats)


def show(name: str, took: dict[str, float], floor: float) -> None:
    """A line."""
    share = f"{took['update']:.0f} us, floor {floor:.0f}, {floor / took['update']:.2f}"
    parts = ", ".join(f"{part} {us:.0f}" for part, us in took.items())
    print(f"{name}: {share} ({parts})", flush=True)


def main() -> None:
    """Print a table, and write all numbers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--nets", default="3,33,99")
    parser.add_argument("--layers", default="784-500-500-2000-10")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path, help="a JSON file of all numbers")
    given = parser.parse_args()
    place = Place(given.device)
    sizes = tuple(map(int, given.layers.split("-")))
    weights = [a * b for a, b in pairwise(sizes)]
    found: dict[str, Any] = {"place": place.described(), "batch": BATCH, "layers": sizes}
    with place.used():
        rate = copying(place, 1 << (31 if place.device.type == "cuda" else 24))
        found["copied_bytes_per_us"] = rate
        print(f"{place.name}: copies {rate / 1e6:.2f} TB/s")
        for n_nets in map(int, given.nets.split(",")):
            for layer, pair in enumerate(pairwise(sizes[:-1])):
                took = of_rbms(place, n_nets, pair, given.repeats)
                floor = 7 * 4 * n_nets * weights[layer] / rate
                name = f"{n_nets} nets, {pair[0]}-{pair[1]}"
                found[name] = took | {"floor": floor}
                show(name, took, floor)
                place.release()
            took = {"update": of_classifiers(place, n_nets, sizes, given.repeats)}
            passes = 5 * weights[0] + 6 * sum(weights[1:])
            floor = 4 * n_nets * passes / rate
            found[f"{n_nets} nets, backpropagation"] = took | {"floor": floor}
            show(f"{n_nets} nets, backpropagation", took, floor)
            place.release()
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
