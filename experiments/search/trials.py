"""Keep what validation said of single runs: a line a file, with its command's settings and seed.

    python experiments/search/trials.py runs/trials/*.h5
    python experiments/search/trials.py --out extension.csv runs/held-out/*.h5

Reads files of hinton06, finished or stopped (``.part``), and writes trials.csv, or another file,
beside this script (a path of its own if `--out` is absolute).
`options` are the settings that differ from those of the file's recipe as it is now; `start` is the
beginning of the `sha256` of the file that the run started from. Choices were made by the validation
columns; the test errors are what the commands print at their end.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

from hinton06.recipes import RECIPES, show_value
from hinton06.records import load

COMMANDS = {"stack": "pretrain", "classifier": "finetune-bp", "generative": "finetune-cws"}
PARTS = {"stack": "pretrain", "classifier": "backprop", "generative": "wakesleep"}


def options(stage: str, arguments: dict[str, Any]) -> str:
    """The settings that are not the recipe's, as they are typed."""
    recipe = getattr(RECIPES[arguments["recipe"]], PARTS[stage])
    words = []
    if stage == "stack" and arguments.get("translations"):  # what starts from it has no option
        words.append(f"--translations {arguments['translations']}")
    # What starts from a stack of few images has as many labels without the option.
    if arguments.get("labelled", 0) != arguments.get("images", 0):
        words.append(f"--labelled {arguments['labelled']}")
    for name, stored in arguments["settings"].items():
        value = tuple(stored) if isinstance(stored, list) else stored
        if value != getattr(recipe, name):
            option = name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{option}" if value else f"--no-{option}")
            else:
                words.append(f"--{option} {show_value(value)}")
    return " ".join(words)


def line(path: Path) -> dict[str, Any]:
    """One file."""
    found = load(path)
    arguments, history = found.arguments, found.history
    row: dict[str, Any] = {
        "file": "/".join(path.parts[-2:]),
        "command": COMMANDS[found.stage],
        "split": arguments.get("split", ""),  # none without pretraining
        "options": options(found.stage, arguments),
        "recipe": arguments["recipe"],
        "seed": arguments["seed"],
        "threads": arguments["threads"],
        "git": found.provenance.get("git", ""),
        "sha256": found.digest()[:12] if found.outcome else "",
        "start": str(arguments.get("start") or arguments.get("lower") or "")[:12],
        "kept_epoch": found.outcome.get("epochs", ""),
        "minutes": round(found.provenance["seconds"] / 60, 1),
    }
    for part in ("train", "valid", "test"):
        row[f"{part}_errors"] = found.outcome.get(part, {}).get("errors", "")
    if "valid_errors" in history:
        errors, costs = np.array(history["valid_errors"]), np.array(history["valid_cost"])
        row |= {
            "valid_errors_last_10_epochs": round(float(errors[-10:].mean()), 1),
            "lowest_valid_cost": round(float(costs.min()), 3),
            "last_valid_cost": round(float(costs[-1]), 3),
            "valid_errors_by_epoch": " ".join(f"{e:.0f}" for e in errors),
            "valid_costs_by_epoch": " ".join(f"{cost:.3f}" for cost in costs),
        }
    elif "train_errors" in history:  # an extension, which has no validation cases
        errors = np.array(history["train_errors"])
        row["train_errors_by_epoch"] = " ".join(f"{e:.0f}" for e in errors[np.isfinite(errors)])
    return row


def main() -> None:
    """All files that were named, in that order."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", default="trials.csv")
    given = parser.parse_args()
    rows = [line(path) for path in given.files]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (Path(__file__).parent / given.out).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
