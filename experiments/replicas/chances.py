"""How probable the chapter's numbers are under the recipe, and where the time of the replicas went.

    python experiments/replicas/chances.py

Of the records beside it: chances.json, and chances.md for test errors. A number of the chapter is
one draw; how probable one of the recipe is, is computed as `hinton06 replicas` does. Shares of an
update are `floor` of measure.py over what it took, and that with the gradients' way to memory and
back.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from hinton06.console import stopped_in_a_line
from hinton06.report.replicas import at_or_below

HERE = Path(__file__).parent
QUANTILES = (5, 25, 50, 75, 95)
PRODUCTS = ("up", "down", "up again")
BETWEEN = ("take", "fire", "visible", "hidden")
WITH_GRADIENTS = 9 / 7
"""Passes of an update of contrastive divergence with those over its gradients, and without."""


def read(path: Path) -> Any:
    """Of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def chance(found: dict[str, Any]) -> dict[str, Any]:
    """Of a draw at or below the chapter's number, and of one as far from the mean."""
    n, draws = found["replicas"], list(found["by_seed"].values())
    t, below = at_or_below(found["chapter"], found["mean"], found["sd"], n, 1 + 1 / n)
    quantiles = map(float, np.percentile(draws, QUANTILES))
    return {
        **{name: value for name, value in found.items() if name != "by_seed"},
        "quantiles": dict(zip(map(str, QUANTILES), quantiles, strict=True)),
        "t": t,
        "chance_at_or_below": below,
        "chance_as_far": float(2 * stats.t.sf(abs(t), n - 1)),
    }  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """Each number that the chapter has, beside the replicas'."""
    return [
        {"network": row["network"], "cases": row["cases"], "measure": measure, **chance(found)}
        for row in read(HERE / "replicas.json")["rows"]
        for measure, found in row.items()
        if isinstance(found, dict) and found["chapter"] is not None and found["replicas"] > 1
    ]


def beside_own() -> list[dict[str, Any]]:
    """Test errors beside those of the package's own learners, by Welch's t test."""
    found = []
    own_rows = read(HERE.parent / "table1" / "replicas.json")["rows"]
    for row, own in zip(read(HERE / "replicas.json")["rows"], own_rows, strict=True):
        assert (row["network"], row["cases"]) == (own["network"], own["cases"])
        here, there = (list(r["test_errors"]["by_seed"].values()) for r in (row, own))
        test = stats.ttest_ind(here, there, equal_var=False)
        means = {"mean": float(np.mean(here)), "own_mean": float(np.mean(there))}
        name = {"network": row["network"], "cases": row["cases"]}
        found.append({**name, **means, "t": float(test.statistic), "p": float(test.pvalue)})
    return found


def stages() -> dict[str, float]:
    """Seconds of the card by what was learned; each file's is its share of the group's."""
    seconds: Counter[str] = Counter()
    with (HERE / "files.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            extended = row["file"].endswith("-extended.h5")
            kind = "extensions" if extended else "stacks" if "pretrain-" in row["file"] else "nets"
            kind = "not pretrained" if "not-pretrained" in row["file"] else kind
            seconds[kind] += float(row["seconds"])
    return {kind: round(value, 1) for kind, value in seconds.items()}


def updates() -> dict[str, dict[str, float]]:
    """What an update takes, in microseconds, and shares of it."""
    found = {}
    for name, took in read(HERE / "speed.json").items():
        if isinstance(took, dict) and "update" in took:
            us, floor = took["update"], took["floor"]
            found[name] = {"update_us": us, "floor_us": floor, "share": floor / us}
            if "grow" in took:
                found[name] |= {
                    "share_with_gradients": WITH_GRADIENTS * floor / us,
                    "products_us": sum(took[part] for part in PRODUCTS),
                    "between_us": sum(took[part] for part in BETWEEN),
                    "grow_us": took["grow"],
                }
    return found


def per_cent(probability: float) -> str:
    """Of a decimal, within 0.1 and 99.9."""
    bound = "< 0.1" if probability < 0.001 else "> 99.9" if probability > 0.999 else ""
    return f"{bound or format(100 * probability, '.1f')} %"


def table(found: list[dict[str, Any]]) -> str:
    """Of test errors, in Markdown."""
    quantiles = "5, 50, 95 % of them"
    lines = [
        f"| network | cases | chapter | mean | sd | {quantiles} | at or below | as far |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in found:
        if row["measure"] == "test_errors":
            cells = [
                row["network"], f"{row['cases']:,}", f"{row['chapter']:.1f}".removesuffix(".0"),
                f"{row['mean']:.1f}", f"{row['sd']:.1f}",
                ", ".join(f"{row['quantiles'][q]:.0f}" for q in ("5", "50", "95")),
                per_cent(row["chance_at_or_below"]), per_cent(row["chance_as_far"]),
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def rounded(value: Any) -> Any:
    """To six digits."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def summary() -> dict[str, Any]:
    """All of it."""
    with (HERE / "times.csv").open(encoding="utf-8") as file:
        took = {row["seeds"]: int(row["seconds"]) for row in csv.DictReader(file)}
    found = {
        "seconds": took, "seconds_by_stage": stages(), "updates": updates(),
        "beside_own": beside_own(), "rows": rows(),
    }  # fmt: skip
    return {name: rounded(value) for name, value in found.items()}


def main() -> None:
    """Write both files."""
    found = summary()
    (HERE / "chances.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (HERE / "chances.md").write_text(table(found["rows"]), encoding="utf-8")


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
