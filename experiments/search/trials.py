"""Keep what validation said of single runs: a line a file, with its command's settings and seed.

    python experiments/search/trials.py runs/trials/*.h5
    python experiments/search/trials.py --out extension.csv runs/held-out/*.h5

Reads files of hinton06, finished or stopped (``.part``), and writes trials.csv, or another file,
beside this script (a path of its own if `--out` is absolute). Lines of other files stay in it.
`options` are the settings that differ from those of the file's recipe as it is now; `start` is the
beginning of the `sha256` of the file that the run started from. Choices were made by the validation
columns; the test errors are what the commands print at their end.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from hinton06.console import stopped_in_a_line
from hinton06.lineage import NOT_PRETRAINED
from hinton06.loading import RunFile, load
from hinton06.recipes import RECIPES, show_value

COMMANDS = {
    "stack": "pretrain", "classifier": "finetune-bp", "generative": "finetune-cws",
    "directed": "finetune-ws", "pairs": "finetune-pairs",
}  # fmt: skip


def options(found: RunFile) -> str:
    """The settings that are not the recipe's, as they are typed."""
    recipe = RECIPES[found.recipe].settings(found.kind.part, found.conditions)
    lineage, is_stack, words = found.lineage, found.kind.name == "stack", []
    if is_stack and lineage.translations:  # what starts from it has no option
        words.append(f"--translations {lineage.translations}")
    # What starts from a stack of few images has as many labels without the option.
    few = lineage.images if is_stack else lineage.labelled
    if few and (is_stack or few != lineage.images):
        words.append(f"--labelled {few}")
    for item in dataclasses.fields(recipe):
        value, option = getattr(found.settings, item.name), item.name.replace("_", "-")
        if value == getattr(recipe, item.name):
            continue
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words.append(f"--{option} {show_value(value)}")
    return " ".join(words)


def line(path: Path) -> dict[str, Any]:
    """One file."""
    found = load(path)
    lineage, history = found.lineage, found.history
    tuned, started = found.kind.name != "stack", lineage.role != NOT_PRETRAINED
    row: dict[str, Any] = {
        "file": "/".join(path.parts[-2:]),
        "command": COMMANDS[found.kind.name],
        "split": lineage.split or "",  # none without pretraining
        "options": options(found),
        "recipe": found.recipe,
        "seed": lineage.seed,
        "threads": lineage.threads,
        "git": found.provenance.get("git", ""),
        "sha256": found.digest[:12] if found.complete else "",
        "start": (lineage.parents or ("",))[0][:12] if started else "",
        "kept_epoch": found.outcome.epochs if found.complete and tuned else "",
        "minutes": round(found.provenance["seconds"] / 60, 1),
    }
    for part in ("train", "valid", "test"):
        score = found.outcome.scores.get(part)
        row[f"{part}_errors"] = score.errors if score else ""
    if "valid_errors" in history:
        measured = np.isfinite(history["valid_errors"])
        errors, costs = (history[name][measured] for name in ("valid_errors", "valid_cost"))
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
    """A line of each file that was named: a new one in place of its old one, or at the end."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", default="trials.csv")
    given = parser.parse_args()
    table = Path(__file__).parent / given.out
    rows: dict[str, dict[str, Any]] = {}
    if table.exists():
        with table.open(newline="", encoding="utf-8") as file:
            rows = {row["file"]: row for row in csv.DictReader(file)}
    for path in given.files:
        row = line(path)
        rows[row["file"]] = row
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
