"""Puts what goes beyond the chapter, over seeds, into beyond.json and README's table.

    python experiments/beyond/record.py runs/table1 runs/table1-seed1 runs/table1-seed2
    python experiments/beyond/record.py TABLE.json COMMAND [TABLE.json COMMAND ...]

A folder is a seed's, as `make replicas EACH=beyond` makes them. A JSON file is a table that
`hinton06 replicas --save` made of such folders elsewhere, and the command is what made the nets
there. A row is a number that every seed has: its name, seeds, the mean over them with its 95 %
interval (Student's t; none of one seed), the numbers that it is the mean of, and the command that
makes the nets of a seed. A table without means of nets a, b and c has them here.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hinton06.console import stopped_in_a_line
from hinton06.mnist import SPLITS
from hinton06.recipes import RECIPES, show_value
from hinton06.report import replicas

HERE = Path(__file__).parent
MARKS = "<!-- beyond -->", "<!-- /beyond -->"
SHOWN = ("mean", "product")
STARTS = "greedy pretraining with labels"
"""What the generative half's nets start from."""
OTHERS = (
    ("dropout after pretraining", 0.92, "Srivastava and others (2014)"),
    ("the same of a deep Boltzmann machine", 0.79, "Srivastava and others (2014)"),
    ("the best public repeat, with conjugate gradient", 1.14, "melisgl/mgl"),
    ("the same with dropout", 1.04, "melisgl/mgl"),
)
"""Test errors in per cent that others have reported of such nets."""
MOVED = {
    "adversarial": ("adversarial",),
    "virtual adversarial": ("virtual",),
    "adversarial and virtual": ("virtual", "adversarial"),
    "adversarial and neighbours": ("neighbours", "adversarial"),
}
"""Settings of what a row begins with, the last one first."""


def command(experiment: str) -> str:
    """What makes the nets of a row, after `pretrain`."""
    words = {
        "mixed": "finetune-cws --search-bp-weight --dropout",
        "not pretrained": "finetune-bp --no-pretraining --dropout",
        "labels": "finetune-bp --dropout --labelled",
    }
    made = next((words[word] for word in words if word in experiment), "finetune-bp --dropout")
    which, _, _ = experiment.partition(",")
    for name in MOVED.get(which, ()):
        length = show_value(getattr(RECIPES[name].backprop, name))
        made = made.replace("--dropout", f"--dropout --{name} {length}")
    whole = experiment.endswith("60,000") and "not pretrained" not in experiment
    if "labels" in experiment and "--labelled" not in made:
        made += " --labelled"
    return f"hinton06 {made}" + (", then --extend" if whole else "")


MIXED = "finetune-cws --search-bp-weight"
"""In the place of finetune-bp."""


def rows(measured: Sequence[dict[str, Any]], made_by: str = "") -> list[dict[str, Any]]:
    """Means of nets and products of the table over seeds, in per cent of the test cases."""
    found = []
    seeds = max((len((row.get("test_percent") or {"by_seed": ()})["by_seed"]) for row in measured),
                default=0)  # fmt: skip
    for row in with_means(measured):
        test = row.get("test_percent")
        if row["net"] in SHOWN and test and len(test["by_seed"]) == seeds:
            found.append({
                "name": f"{row['experiment']}, {row['net']}",
                "seeds": sorted(map(int, test["by_seed"])),
                "mean": test["mean"],
                "interval": test["mean_95_interval"],
                "by_seed": test["by_seed"],
                "command": (made_by.replace("finetune-bp", MIXED) if "mixed" in row["experiment"]
                            else made_by) or command(row["experiment"]),
            })  # fmt: skip
    return found


def with_means(measured: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, and before the product of an experiment the mean of its nets if it is not there."""
    there = {row["experiment"] for row in measured if row["net"] == "mean"}
    found = []
    for row in measured:
        name = row["experiment"]
        nets = [
            r["test_percent"]["by_seed"] for r in measured
            if r["experiment"] == name and r["net"] in SPLITS and r.get("test_percent")
        ]  # fmt: skip
        if row["net"] == "product" and nets and name not in there | {STARTS}:
            seeds = [seed for seed in nets[0] if all(seed in net for net in nets)]
            means = {seed: statistics.mean(net[seed] for net in nets) for seed in seeds}
            test = replicas.statistics(means, None, "chapter")
            found.append({"experiment": name, "net": "mean", "test_percent": test})
        if name != STARTS:
            found.append(row)
    return found


def shown(document: dict[str, Any]) -> str:
    """The rows as README has them: of nets that were extended the extended ones."""
    if not document["rows"]:
        return f"{MARKS[0]}\nNo run of full size is recorded yet.\n{MARKS[1]}"
    lines = ["| learned | seeds | test errors, % |", "|---|---|---:|"]
    names = {row["name"] for row in document["rows"]}
    for row in document["rows"]:
        extended = row["name"].replace("50,000", "60,000")
        if extended != row["name"] and extended in names:
            continue
        interval = "" if row["interval"] is None else f" ± {row['interval']:.2f}"
        seeds = ", ".join(map(str, row["seeds"]))
        lines.append(f"| {row['name']} | {seeds} | {row['mean']:.2f}{interval} |")
    return "\n".join([MARKS[0], *lines, MARKS[1]])


def main(arguments: Sequence[str]) -> None:
    """Write both."""
    if not arguments or {"-h", "--help"} & {*arguments}:
        raise SystemExit(__doc__)
    found = []
    if arguments[0].endswith(".json"):
        for table, made_by in zip(arguments[::2], arguments[1::2], strict=True):
            found += rows(json.loads(Path(table).read_text("utf-8"))["rows"], made_by)
    else:
        found = rows(replicas.table([Path(folder) for folder in arguments], "dropout").rows)
    others = [dict(zip(("name", "percent", "source"), other, strict=True)) for other in OTHERS]
    document = {"rows": found, "others": others}
    (HERE / "beyond.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    page = (HERE / "README.md").read_text(encoding="utf-8")
    before, after = page.partition(MARKS[0])[0], page.partition(MARKS[1])[2]
    (HERE / "README.md").write_text(before + shown(document) + after, encoding="utf-8")


if __name__ == "__main__":
    with stopped_in_a_line():
        main(sys.argv[1:])
