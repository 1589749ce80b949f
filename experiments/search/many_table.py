"""What the tables of plans.py, or of half.py, say of each recipe, in Markdown.

    python experiments/search/many_table.py experiments/search/many/*.csv

A recipe's figure is a sum over the three splits, one from each draw: its mean over the draws, with
the standard error of that mean.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from hinton06.mnist import SPLITS

Nets = dict[str, dict[str, str]]
"""A draw's nets by their split."""


def read(paths: Iterable[Path]) -> dict[tuple[str, str], list[Nets]]:
    """Each recipe's complete draws, in the order of the files."""
    draws: dict[tuple[str, str], dict[tuple[Path, str], Nets]] = {}
    for path in paths:
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                one, other, *_ = row.values()
                recipe = draws.setdefault((one, other), {})
                recipe.setdefault((path, row["seed"]), {})[row["split"]] = row
    whole = {
        recipe: [nets for nets in found.values() if sorted(nets) == sorted(SPLITS)]
        for recipe, found in draws.items()
    }
    return {recipe: found for recipe, found in whole.items() if found}


def sums(draws: Sequence[Nets], name: str) -> list[float]:
    """A figure of each draw, summed over its nets."""
    return [sum(float(net[name]) for net in nets.values()) for nets in draws]


def with_error(values: Sequence[float]) -> str:
    """The mean and its standard error."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.1f} ± {error:.1f}"


def line(recipe: tuple[str, str], draws: Sequence[Nets]) -> str:
    """One recipe's."""
    options = [f"`{text}`" if text else "the recipe" for text in recipe]
    errors, late = (
        with_error(sums(draws, name))
        for name in ("fewest_valid_errors", "valid_errors_last_10_epochs")
    )
    cost = statistics.mean(sums(draws, "lowest_valid_cost")) / len(SPLITS)
    return f"| {options[0]} | {options[1]} | {len(draws)} | {errors} | {late} | {cost:.3f} |"


def main() -> None:
    """All recipes of the files that are named."""
    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        one, other, *_ = next(csv.reader(file))
    print(f"| {one} | {other} | draws | validation errors | last ten epochs | lowest cost |")
    print("|---|---|---:|---:|---:|---:|")
    for recipe, draws in read(map(Path, sys.argv[1:])).items():
        print(line(recipe, draws))


if __name__ == "__main__":
    main()
