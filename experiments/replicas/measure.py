"""How near the learners of many nets come to what memory allows, on a graphics card.

    python experiments/replicas/measure.py --nets 3,33,99 --out speed.json

What bounds them is reading and writing the weights. The floor of an update is the least traffic of
these over the rate at which the card copies: contrastive divergence reads weights in each of its
three products, and reads and writes them and their velocities once to move them (7 passes);
backpropagation reads them on the way up and, above the first layer, on the way down (5 and 6).
Data, states and probabilities come on top, and are not counted.
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

from hinton06.many import products
from hinton06.many.classifiers import Classifiers, gathered
from hinton06.many.place import Draws, Place, Updates
from hinton06.many.rbms import Rbms, steps_of
from hinton06.models import Classifier
from hinton06.recipes import RECIPES
from hinton06.updates import Step

BATCH = 100
CASES = 10_000
STEP = Step(0.1, 0.9, 0.0002)


def microseconds(place: Place, work: Callable[[], object], repeats: int) -> float:
    """Of one call, in the middle of many."""
    for _ in range(3):
        work()
    if place.device.type != "cuda":
        began = time.perf_counter()
        for _ in range(repeats):
            work()
        return 1e6 * (time.perf_counter() - began) / repeats
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    for _ in range(repeats):
        work()
    end.record()
    torch.cuda.synchronize()
    return float(1000 * begin.elapsed_time(end) / repeats)


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
    upper, lower = slice(None, BATCH), slice(BATCH, None)

    def learn(n: int) -> None:
        loops.take(data, rows, rbms.data_buffer(n))
        rbms.learn(n, step)

    update = Updates(place, learn, BATCH)
    first, second = visible[:, upper], visible[:, lower]
    parts: dict[str, Callable[[], object]] = {
        "update": lambda: update(BATCH),
        "take": lambda: loops.take(data, rows, rbms.data_buffer(BATCH)),
        "bmm up": lambda: torch.bmm(first, own, out=hidden[:, upper]),
        "bmm down": lambda: torch.bmm(states, own.mT, out=second),
        "fire": lambda: products.fire(
            loops, first, own, hidden_bias, hidden[:, upper], draws, states
        ),
        "reconstruct": lambda: products.reconstruct(
            loops,
            states,
            own,
            visible,
            visible_bias,
            speed["visible_bias"],
            step,
            rbms.errors,
            None,
        ),
        "hide": lambda: products.hide(
            loops, second, own, hidden, hidden_bias, speed["hidden_bias"], step
        ),
        "grow": lambda: loops.grow(visible, hidden, BATCH, own, speed["weights"], step),
    }
    found = {name: microseconds(place, part, repeats) for name, part in parts.items()}
    if place.device.type == "cuda":
        found |= ways(place, parts, visible, hidden, speed["weights"], repeats)
    return found


def ways(
    place: Place, parts: Any, visible: Any, hidden: Any, velocity: Any, repeats: int
) -> dict[str, float]:  # fmt: skip
    """Other ways of doing the parts."""
    from hinton06.many import whole  # noqa: PLC0415  # of Triton

    def tried(name: str, work: Callable[[], object]) -> None:
        try:
            found[name] = microseconds(place, work, repeats)
        except Exception as error:  # a tile that does not fit there
            print(name, repr(error)[:200])

    found: dict[str, float] = {}
    tried("baddbmm", lambda: velocity.baddbmm_(visible.mT, hidden, beta=0.9, alpha=0.001))
    for tile in TILES:
        place.loops.TILE, before = tile, place.loops.TILE
        tried(f"grow {tile}", parts["grow"])
        place.loops.TILE = before
    modes = {"fire": whole.FIRE, "reconstruct": whole.VISIBLE, "hide": whole.HIDDEN}
    own, usual = set(products.OWN), dict(whole.TILES)
    for name, mode in modes.items():
        products.OWN.discard(name)
        tried(f"{name} in two", parts[name])
        products.OWN.add(name)
        for tile in WHOLE_TILES:
            whole.TILES[mode] = tile
            tried(f"{name} {tile}", parts[name])
    products.OWN.clear()
    products.OWN.update(own)
    whole.TILES.update(usual)
    return found


TILES = [(64, 64, 32, 4, 3), (64, 128, 32, 8, 3), (128, 128, 32, 8, 3)]
WHOLE_TILES = [(64, 32, 4, 3, False), (64, 32, 8, 3, True), (128, 32, 8, 3, False)]


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
    return microseconds(place, lambda: group._update(BATCH), repeats)


def of_backpropagation(
    place: Place, n_nets: int, sizes: tuple[int, ...], repeats: int
) -> dict[str, float]:
    """In the usual way and, on a card, with all products in kernels of their own, and with none."""
    found, own = {"update": of_classifiers(place, n_nets, sizes, repeats)}, set(products.OWN)
    if place.device.type == "cuda":
        for name, used in (("cuBLAS", ()), ("own up", ("up",)), ("own up, back", ("up", "back"))):
            products.OWN.clear()
            products.OWN.update(used)
            place.release()
            found[name] = of_classifiers(place, n_nets, sizes, repeats)
        products.OWN.clear()
        products.OWN.update(own)
    return found


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
    parser.add_argument("--only", default="1,2,3,0", help="layers to measure, 0: backpropagation")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--out", type=Path, help="a JSON file of all numbers")
    given = parser.parse_args()
    place = Place(given.device)
    only = set(map(int, given.only.split(",")))
    sizes = tuple(map(int, given.layers.split("-")))
    weights = [a * b for a, b in pairwise(sizes)]
    found: dict[str, Any] = {"place": place.described(), "batch": BATCH, "layers": sizes}
    with place.used():
        rate = copying(place, 1 << (31 if place.device.type == "cuda" else 24))
        found["copied_bytes_per_us"] = rate
        print(f"{place.name}: copies {rate / 1e6:.2f} TB/s")
        for n_nets in map(int, given.nets.split(",")):
            for layer, pair in enumerate(pairwise(sizes[:-1]), 1):
                if layer not in only:
                    continue
                took = of_rbms(place, n_nets, pair, given.repeats)
                floor = 7 * 4 * n_nets * weights[layer - 1] / rate
                name = f"{n_nets} nets, {pair[0]}-{pair[1]}"
                found[name] = took | {"floor": floor}
                show(name, took, floor)
                place.release()
            if 0 not in only:
                continue
            took = of_backpropagation(place, n_nets, sizes, given.repeats)
            passes = 5 * weights[0] + 6 * sum(weights[1:])
            floor = 4 * n_nets * passes / rate
            found[f"{n_nets} nets, backpropagation"] = took | {"floor": floor}
            show(f"{n_nets} nets, backpropagation", took, floor)
            place.release()
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
