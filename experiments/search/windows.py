"""Contrastive wake-sleep with running means of several windows of one and the same net that learns.

    python experiments/search/windows.py b runs/table1/pretrain-labels-b.h5

Trains a net of a split from a stack with labels by the recipe, one thread, and measures after every
epoch, on the split's validation cases, the net that learns and its running means; appends to
windows.csv beside this script. Nothing is saved that a run could go on from: it takes about twenty
minutes.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from hinton06 import mnist, native
from hinton06.cases import cases_at, split_recorded
from hinton06.console import stopped_in_a_line
from hinton06.loading import load, naming
from hinton06.models import DeepBeliefNet
from hinton06.recipes import RECIPES
from hinton06.recognition import Cases, label_log_probs, score
from hinton06.updates import RunningMean
from hinton06.wakesleep import GenerativeFineTuning

WINDOWS = (2, 6, 12, 24)  # in epochs; the first is the recipe's
EVERY = 10  # updates between two that take part, as in the recipe


class Means:
    """Running means of a net's parameters, all fed at the same updates."""

    def __init__(self, net: DeepBeliefNet, updates_per_epoch: float) -> None:
        self.nets = {w: net.copy() for w in WINDOWS}
        self._means = [
            RunningMean(net.parameters(), mean.parameters(), window * updates_per_epoch / EVERY)
            for window, mean in self.nets.items()
        ]
        self._updates = 0

    def tick(self, _work: float) -> None:
        """Called after every update."""
        if self._updates % EVERY == 0:
            for mean in self._means:
                mean.add()
        self._updates += 1


def measured(net: DeepBeliefNet, cases: Cases) -> tuple[int, float]:
    """Errors, and nats per 100."""
    found = score(label_log_probs(net, cases.images), cases.labels)
    return found.errors, round(found.cost_per_100, 4)


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("split", choices=("a", "b", "c"))
    parser.add_argument("stack", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    digits = mnist.read()
    found = load(given.stack).of_kind("stack")
    net = found.recogniser().net
    with naming(given.stack):
        split = split_recorded(digits, found.lineage)
    valid, train = cases_at(digits, split.valid), cases_at(digits, split.train)
    settings = RECIPES["tr2006"].wakesleep
    learner = GenerativeFineTuning(
        net, train, settings, np.random.default_rng(given.seed), valid=valid
    )
    means = Means(net, len(train) / settings.batch)
    path = Path(__file__).with_name("windows.csv")
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file, native.threads(1):
        rows = csv.writer(file, lineterminator="\n")
        if new:
            rows.writerow(["split", "epoch", "window", "valid_errors", "valid_cost"])
        for epoch in range(1, settings.epochs + 1):
            learner.run_epoch(means.tick)
            for window, each in {**means.nets, 0: net}.items():
                rows.writerow([given.split, epoch, window, *measured(each, valid)])
            file.flush()


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
