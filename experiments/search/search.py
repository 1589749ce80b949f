"""Choose what the chapter leaves open, by validation errors of all three splits together.

    python experiments/search/search.py runs/search

Each variant is the tr2006 recipe at PASSES passes a layer with a few options changed, trained with
the hinton06 command on splits a, b and c. Finished files are kept, so it can be stopped and started
again. Writes results.csv beside this file. The test set is not looked at.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from hinton06 import checkpoint

PASSES = 10
SEED = 1
PROCESSES = 2

PRETRAIN = {
    "base": [],
    "decay-0.001": ["--decay", "0.001"],
    "annealed": ["--final-share", "0.02"],
    "rate-0.05": ["--rate", "0.05"],
}
BACKPROP = {
    "base": ["--rate", "0.1"],
    "rate-0.03": ["--rate", "0.03"],
    "momentum-0.5": ["--rate", "0.1", "--momentum", "0.5"],
    "easy-0.02": ["--rate", "0.1", "--easy-cost", "0.02"],
    "top-first": ["--rate", "0.1", "--top-only-epochs", "2"],
}
# The variants of one half are compared on the base of the other.
PAIRS = [
    ("base", "base"),
    ("base", "rate-0.03"),
    ("decay-0.001", "base"),
    ("annealed", "base"),
    ("base", "easy-0.02"),
    ("base", "momentum-0.5"),
    ("rate-0.05", "base"),
    ("base", "top-first"),
]


def hinton06(*arguments: object) -> None:
    """Run one command, with one thread."""
    command = [sys.executable, "-m", "hinton06", *map(str, arguments)]
    common = ["--threads", "1", "--seed", str(SEED), "--quiet"]
    subprocess.run([*command, *common], check=True, stdout=subprocess.DEVNULL)


def train(runs: Path, pretrain: str, backprop: str, split: str) -> Path:
    """One net; the stack is shared by all variants of the fine-tuning."""
    stack = runs / f"pretrain-{pretrain}-{split}.h5"
    net = runs / f"bp-{pretrain}-{backprop}-{split}.h5"
    if not stack.exists():
        options = ["--passes", PASSES, *PRETRAIN[pretrain]]
        hinton06("pretrain", "--split", split, "--out", stack, *options)
    if not net.exists():
        hinton06("finetune-bp", stack, "--out", net, *BACKPROP[backprop])
    return net


def record(pretrain: str, backprop: str, nets: list[Path]) -> dict[str, object]:
    """What validation says of one variant, summed or averaged over the three splits."""
    found = [checkpoint.load(net) for net in nets]
    histories = [f.history for f in found]
    after = [h["valid_errors"][-10:].mean() for h in histories]
    return {
        "pretrain": " ".join([f"--passes {PASSES}", *PRETRAIN[pretrain]]),
        "finetune-bp": " ".join(BACKPROP[backprop]),
        "seed": SEED,
        "valid_errors_a": int(found[0].outcome["valid"]["errors"]),
        "valid_errors_b": int(found[1].outcome["valid"]["errors"]),
        "valid_errors_c": int(found[2].outcome["valid"]["errors"]),
        "valid_errors_sum": sum(int(f.outcome["valid"]["errors"]) for f in found),
        "mean_of_last_10_epochs_sum": round(float(np.sum(after)), 1),
        "lowest_valid_cost": round(float(np.mean([h["valid_cost"].min() for h in histories])), 3),
        "epochs": "/".join(str(f.outcome["epochs"]) for f in found),
        "seconds": round(sum(float(f.provenance["seconds"]) for f in found)),
    }


def write(rows: list[dict[str, object]]) -> None:
    """The record so far."""
    with Path(__file__).with_name("results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Train every variant, in order, and keep the record."""
    runs = Path(sys.argv[1])
    rows: list[dict[str, object]] = []
    with ThreadPoolExecutor(PROCESSES) as pool:
        # The base stacks come first: most variants start from them.
        list(pool.map(lambda split: train(runs, "base", "base", split), "abc"))
        jobs = {pair: [pool.submit(train, runs, *pair, split) for split in "abc"] for pair in PAIRS}
        for pair, nets in jobs.items():
            rows.append(record(*pair, [job.result() for job in nets]))
            write(rows)


if __name__ == "__main__":
    main()
