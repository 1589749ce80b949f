"""Choose what the chapter leaves open, by validation errors of all three splits together.

    python experiments/search/search.py runs/table1 runs/search

Each variant is the tr2006 recipe with a few options changed, trained with the hinton06 command on
splits a, b and c. Variants of the fine-tuning start from the stacks of runs/table1, which
`make table1` learned; variants of the pretraining are compared at 10 passes a layer. Finished files
are kept, so the search can be stopped and started again. Writes results.csv, and labels.csv for
tops with labels, beside this file. No choice looks at the test set.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from hinton06 import checkpoint

# Variants at 100 passes have the seed of the table that they are compared with.
SEEDS = {"table1": 0, "short": 1}
PROCESSES = 2
SHORT = ["--passes", "10"]

PRETRAIN = {
    "table1": None,  # 100 passes, learned by make table1
    "short": SHORT,
    "short-decay-0.001": [*SHORT, "--decay", "0.001"],
}
BACKPROP = {
    "base": ["--rate", "0.2"],  # the recipe's, so that of make table1
    "rate-0.1": ["--rate", "0.1"],
    "rate-0.05": ["--rate", "0.05"],
}
VARIANTS = [
    ("table1", "base"),
    ("table1", "rate-0.1"),
    ("table1", "rate-0.05"),
    ("short", "base"),
    ("short-decay-0.001", "base"),
]
# New tops with labels on the stacks of table1.
LABELS = {
    "labels-states": SHORT,
    "labels-probabilities": [*SHORT, "--recon-states", "none"],
}


def hinton06(seed: int, *arguments: object) -> None:
    """Run one command, with one thread."""
    command = [sys.executable, "-m", "hinton06", *map(str, arguments)]
    common = ["--threads", "1", "--seed", str(seed), "--quiet"]
    subprocess.run([*command, *common], check=True, stdout=subprocess.DEVNULL)


def train(table1: Path, runs: Path, pretrain: str, backprop: str, split: str) -> Path:
    """One net; a stack is shared by all variants of the fine-tuning."""
    options, seed = PRETRAIN[pretrain], SEEDS[pretrain.partition("-")[0]]
    if options is None and backprop == "base":
        return table1 / f"bp-{split}.h5"
    stack = runs / f"pretrain-{pretrain}-{split}.h5"
    if options is None:
        stack = table1 / f"pretrain-{split}.h5"
    elif not stack.exists():
        hinton06(seed, "pretrain", "--split", split, "--out", stack, *options)
    net = runs / f"bp-{pretrain}-{backprop}-{split}.h5"
    if not net.exists():
        hinton06(seed, "finetune-bp", stack, "--out", net, *BACKPROP[backprop])
    return net


def train_labels(table1: Path, runs: Path, variant: str, split: str) -> Path:
    """One top RBM with labels, on the layers that make table1 learned."""
    net = runs / f"pretrain-{variant}-{split}.h5"
    if not net.exists():
        below = table1 / f"pretrain-{split}.h5"
        options = ["--labels", "--split", split, "--on", below, "--out", net, *LABELS[variant]]
        hinton06(0, "pretrain", *options)
    return net


def record_labels(variant: str, nets: list[Path]) -> dict[str, object]:
    """What free-energy recognition of the validation cases says of one variant."""
    found = [checkpoint.load(net).outcome["valid"] for net in nets]
    errors = [int(f["errors"]) for f in found]
    return {
        "pretrain": " ".join(["--labels", *LABELS[variant]]),
        "seed": 0,
        "valid_errors_a_b_c": " ".join(map(str, errors)),
        "valid_errors_sum": sum(errors),
        "valid_cost_mean": round(float(np.mean([f["cost_per_100"] for f in found])), 3),
    }


def record(pretrain: str, backprop: str, nets: list[Path]) -> dict[str, object]:
    """What validation says of one variant, summed or averaged over the three splits."""
    found = [checkpoint.load(net) for net in nets]
    histories = [f.history for f in found]
    errors = [int(f.outcome["valid"]["errors"]) for f in found]
    late = [h["valid_errors"][-10:].mean() for h in histories]
    return {
        "pretrain": " ".join(PRETRAIN[pretrain] or ["--passes", "100"]),
        "finetune-bp": " ".join(BACKPROP[backprop]),
        "seed": found[0].arguments["seed"],
        "valid_errors_a_b_c": " ".join(map(str, errors)),
        "valid_errors_sum": sum(errors),
        "valid_errors_sum_last_10_epochs": round(float(np.sum(late)), 1),
        "lowest_valid_cost_mean": round(
            float(np.mean([h["valid_cost"].min() for h in histories])), 3
        ),
        "epochs_a_b_c": " ".join(str(f.outcome["epochs"]) for f in found),
        "epochs_run_a_b_c": " ".join(str(f.outcome["epochs_run"]) for f in found),
    }


def write(rows: list[dict[str, object]], name: str) -> None:
    """The record so far."""
    with Path(__file__).with_name(name).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Train every variant, in order, and keep the record."""
    table1, runs = map(Path, sys.argv[1:])
    rows: list[dict[str, object]] = []
    label_rows: list[dict[str, object]] = []
    with ThreadPoolExecutor(PROCESSES) as pool:
        labels = {
            variant: [pool.submit(train_labels, table1, runs, variant, split) for split in "abc"]
            for variant in LABELS
        }
        jobs = {
            variant: [pool.submit(train, table1, runs, *variant, split) for split in "abc"]
            for variant in VARIANTS
        }
        for label_variant, nets in labels.items():
            label_rows.append(record_labels(label_variant, [job.result() for job in nets]))
            write(label_rows, "labels.csv")
        for variant, nets in jobs.items():
            rows.append(record(*variant, [job.result() for job in nets]))
            write(rows, "results.csv")


if __name__ == "__main__":
    main()
