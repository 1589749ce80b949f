"""What the tables of plans.py, or of half.py, say of each recipe, in Markdown.

    python experiments/search/many_table.py experiments/search/many/*.csv

A recipe's figure is a sum over the three splits, one from each draw: its mean over the draws, with
the standard error of that mean. Recipes of a file share their draws, and many their stacks, so what
tells two apart is the difference draw by draw: from the recipe in the same file or, where no file
has it, from the first.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hinton06.console import stopped_in_a_line
from hinton06.mnist import SPLITS

USUAL = "", ""
ERRORS = "fewest_valid_errors"
Nets = dict[str, dict[str, str]]
"""A draw's nets by their split."""
Draws = dict[tuple[Path, str], Nets]
"""A recipe's, by file and seed."""


def read(paths: Iterable[Path]) -> dict[tuple[str, str], Draws]:
    """Each recipe's complete draws, in the order of the files."""
    draws: dict[tuple[str, str], Draws] = {}
    for path in paths:
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                one, other, *_ = row.values()
                recipe = draws.setdefault((one, other), {})
                recipe.setdefault((path, row["seed"]), {})[row["split"]] = row
    whole = {
        recipe: {draw: nets for draw, nets in found.items() if sorted(nets) == sorted(SPLITS)}
        for recipe, found in draws.items()
    }
    return {recipe: found for recipe, found in whole.items() if found}


def sums(draws: Iterable[Nets], name: str) -> list[float]:
    """A figure of each draw, summed over its nets."""
    return [sum(float(net[name]) for net in nets.values()) for nets in draws]


def apart(
    found: Mapping[tuple[str, str], Draws], recipe: tuple[str, str], name: str
) -> list[float]:
    """A figure of each draw less that of the same draw by the recipe, or by the first of all."""
    usual = USUAL if USUAL in found else next(iter(found))
    both = [draw for draw in found[recipe] if draw in found[usual] and recipe != usual]
    own, others = (sums([found[which][d] for d in both], name) for which in (recipe, usual))
    return [mine - theirs for mine, theirs in zip(own, others, strict=True)]


def with_error(values: Sequence[float], sign: str = "") -> str:
    """The mean and its standard error."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):{sign}.1f} ± {error:.1f}"


def line(found: Mapping[tuple[str, str], Draws], recipe: tuple[str, str]) -> str:
    """One recipe's."""
    draws = found[recipe].values()
    options = [f"`{text}`" if text else "the recipe" for text in recipe]
    errors, late = (
        with_error(sums(draws, name)) for name in (ERRORS, "valid_errors_last_10_epochs")
    )
    less = apart(found, recipe, ERRORS)
    paired = with_error(less, "+") if less else ""
    cost = statistics.mean(sums(draws, "lowest_valid_cost")) / len(SPLITS)
    cells = *options, str(len(draws)), errors, paired, late, f"{cost:.3f}"
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """All recipes of the files that are named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", nargs="+", type=Path)
    tables = parser.parse_args().tables
    with tables[0].open(encoding="utf-8") as file:
        one, other, *_ = next(csv.reader(file))
    columns = "draws", "validation errors", "draw by draw", "last ten epochs", "lowest cost"
    print("|", " | ".join([one, other, *columns]), "|")
    print("|---|---" + len(columns) * "|---:" + "|")
    found = read(tables)
    for recipe in found:
        print(line(found, recipe))


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
