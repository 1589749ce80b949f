"""What stands between a layer of binary units and its matrix product, and what would be faster.

A layer of 100 cases takes its product, then adds biases, takes the logistic and chooses states.
The rest is timed behind the product each time, so that its data lie where they lie in training:
as the package does it, with its loops in C; as it does it without a compiler, in NumPy; and by two
alternatives that it does not use, numexpr (several passes as one expression) and numba (a loop in
Python, compiled when it is first called). What is not installed is left out.

    pip install numexpr numba
    python experiments/speed/between.py --record experiments/speed

Further tables, for one and two threads, say what a whole batch of CD-1 spends beside its products.
Batches take turns: one as it is, one with a clock before every loop in C and every product; the
rest is what no clock saw. The weights move as soon as their gradient is there: both are one part.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from hinton06 import native, numerics, provenance
from hinton06.console import stopped_in_a_line
from hinton06.models import Rbm
from hinton06.numerics import firing_probs, take_batch
from hinton06.rbm import ContrastiveDivergence
from hinton06.updates import Step

CASES, N_BELOW = 100, 500
WIDTHS = (500, 2000)


def seconds(work: Callable[[], Any], before: Callable[[], Any], repeats: int) -> float:
    """The median time of one call, each made right after `before`."""
    times = []
    for _ in range(repeats):
        before()
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def layer(width: int) -> dict[str, Any]:
    """Data, weights and buffers of one layer."""
    rng = np.random.default_rng(1)
    return {
        "data": rng.random((CASES, N_BELOW), dtype=np.float32),
        "weights": rng.normal(0, 0.05, (N_BELOW, width)).astype(np.float32),
        "bias": rng.normal(-1, 1, width).astype(np.float32),
        "probs": np.empty((CASES, width), np.float32),
        "states": np.empty((CASES, width), np.float32),
        "rng": rng,
    }


def by_c(at: dict[str, Any]) -> Callable[[], Any]:
    """The package's, states in the place of the total inputs, as it uses it."""
    if native.KIND != "C":
        raise ImportError("the package was installed without a compiler")
    return lambda: numerics.fire(at["probs"], at["bias"], at["rng"])


def by_numpy(at: dict[str, Any]) -> Callable[[], Any]:
    """The package's, as if it had been installed without a compiler."""

    def rest() -> None:
        compiled, native._C = native._C, None
        try:
            numerics.fire(at["probs"], at["bias"], at["rng"])
        finally:
            native._C = compiled

    return rest


def by_numexpr(at: dict[str, Any]) -> Callable[[], Any]:
    """All passes as one expression, after uniform draws."""
    numexpr = importlib.import_module("numexpr")
    numexpr.set_num_threads(1)
    one, uniforms = np.float32(1), np.empty_like(at["probs"])

    def rest() -> None:
        at["rng"].random(dtype=np.float32, out=uniforms)
        names = {"x": at["probs"], "b": at["bias"], "u": uniforms, "one": one}
        numexpr.evaluate("u * (one + exp(-x - b)) < one", names, out=at["states"],
                         casting="unsafe")  # fmt: skip

    return rest


def by_numba(at: dict[str, Any]) -> Callable[[], Any]:
    """A loop over the units, after uniform draws."""
    numba = importlib.import_module("numba")

    @numba.njit(fastmath=True)
    def fire(x: Any, bias: Any, uniforms: Any, states: Any) -> None:
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                chance = np.float32(1) / (np.float32(1) + np.exp(-x[i, j] - bias[j]))
                states[i, j] = uniforms[i, j] < chance

    uniforms = np.empty_like(at["probs"])

    def rest() -> None:
        at["rng"].random(dtype=np.float32, out=uniforms)
        fire(at["probs"], at["bias"], uniforms, at["states"])

    return rest


PARTS = {
    "take": "gathering the cases", "both": "first logistic, and states", "probs": "other logistics",
    "sums": "biases", "differences": "biases",
}  # fmt: skip
PRODUCTS, GRADIENT = "products up and down", "gradient, and moving the weights"
THREADS = (1, 2)
RBMS = ((784, 500), (500, 500), (500, 2000))


class Clocked:
    """Stands before the loops in C, and adds up what each takes."""

    def __init__(self, library: Any, spent: dict[str, float]) -> None:
        self._library, self._spent = library, spent

    def __getattr__(self, name: str) -> Any:
        return clocked(getattr(self._library, name), self._spent, PARTS.get(name, "products, in C"))


def clocked(work: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    """The same function, its time added to a part."""

    def timed(*given: Any, **named: Any) -> Any:
        start = time.perf_counter()
        result = work(*given, **named)
        spent[part] += time.perf_counter() - start
        return result

    return timed


def batch(n_visible: int, n_hidden: int, repeats: int, threads: int) -> dict[str, Any]:
    """Where the time of a batch of CD-1 goes: medians over batches, in seconds."""
    with native.threads(threads):
        return {"threads": threads} | clocked_batch(n_visible, n_hidden, repeats)


def clocked_batch(n_visible: int, n_hidden: int, repeats: int) -> dict[str, Any]:
    """`batch` with the threads there are."""
    rng = np.random.default_rng(1)
    cases = rng.random((20_000, n_visible), dtype=np.float32)
    if n_visible == 784:
        cases = (255 * cases).astype(np.uint8)
    divergence = ContrastiveDivergence(Rbm.random(n_visible, n_hidden, 0.01, rng), CASES)
    step = Step(0.1, 0.9, 0.0002)

    def learn() -> None:
        rows = rng.integers(0, len(cases), CASES)
        start = time.perf_counter()
        take_batch(cases, rows, divergence.data_buffer(CASES))
        divergence.learn(CASES, rng, step)
        wholes.append(time.perf_counter() - start)

    wholes: list[float] = []
    parts: list[dict[str, float]] = []
    library, multiply, move = native._C, numerics.product, numerics.step_by_product
    for _ in range(repeats):
        learn()
        parts.append(defaultdict(float))
        native._C = Clocked(library, parts[-1])
        numerics.product = clocked(multiply, parts[-1], PRODUCTS)
        numerics.step_by_product = clocked(move, parts[-1], GRADIENT)
        try:
            learn()
        finally:
            native._C = library
            numerics.product, numerics.step_by_product = multiply, move
    whole = float(np.median(wholes[::2]))
    names = [PRODUCTS, GRADIENT, *dict.fromkeys(PARTS.values())]
    row = {name: float(np.median([spent[name] for spent in parts])) for name in names}
    return {"rbm": f"{n_visible}-{n_hidden}", "whole": whole, **row,
            "the rest": whole - sum(row.values())}  # fmt: skip


WAYS = {"C": by_c, "NumPy": by_numpy, "numexpr": by_numexpr, "numba": by_numba}
IN_PLACE = ("C", "NumPy")


def measured(width: int, repeats: int) -> list[dict[str, Any]]:
    """One row for each way, at one width."""
    at, rows = layer(width), []

    def product() -> None:
        np.matmul(at["data"], at["weights"], out=at["probs"])

    alone = seconds(product, lambda: None, repeats)
    for name, make in WAYS.items():
        try:
            rest = make(at)
        except ImportError as error:
            Console(stderr=True).print(f"{name} is left out: {error}", highlight=False)
            continue
        product()
        rest()
        took = seconds(rest, product, repeats)
        rows.append({"width": width, "by": name, "product": alone, "rest": took})
        check(name, at, product, rest)
    return rows


def check(name: str, at: dict[str, Any], product: Callable[[], Any], rest: Any) -> None:
    """In each way units turn on as often as their probabilities say."""
    fired, n = 0.0, 200
    for _ in range(n):
        product()
        rest()
        fired += float((at["probs"] if name in IN_PLACE else at["states"]).mean())
    expected = float(firing_probs(at["data"], at["weights"], at["bias"], at["probs"]).mean())
    if abs(fired / n - expected) > 0.001:
        raise SystemExit(f"{name} fires {fired / n:.4f} of the units instead of {expected:.4f}")


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table."""
    lines = [
        "| units | by | product, us | all else, us | product / all |",
        "|---:|---|---:|---:|---:|",
    ]
    for row in rows:
        share = row["product"] / (row["product"] + row["rest"])
        lines.append(
            f"| {row['width']} | {row['by']} | {1e6 * row['product']:.0f} "
            f"| {1e6 * row['rest']:.0f} | {share:.3f} |"
        )
    return "\n".join(lines) + "\n"


def batch_markdown(rows: list[dict[str, Any]]) -> str:
    """The batches with equally many threads as a table, an RBM a column."""
    threads = rows[0]["threads"]
    title = f"us a batch of CD-1, {threads} thread{'s' if threads > 1 else ''}"
    lines = [f"| {title} | " + " | ".join(row["rbm"] for row in rows) + " |",
             "|---|" + "---:|" * len(rows)]  # fmt: skip
    for name in [name for name in rows[0] if name not in ("rbm", "threads")]:
        lines.append(f"| {name} | " + " | ".join(f"{1e6 * row[name]:.0f}" for row in rows) + " |")
    return "\n".join(lines) + "\n"


def show(text: str, title: str) -> None:
    """A Markdown table on the terminal."""
    table = Table(box=box.SIMPLE, title=title)
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()]
    for number, head in enumerate(cells[0]):
        table.add_column(head, justify="left" if head == "by" or not number else "right")
    for row in cells[2:]:
        table.add_row(*row)
    Console().print(table)


def main() -> None:
    """Measure, print, and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--record", type=Path, help="folder for between.json and between.md")
    given = parser.parse_args()
    with native.threads(1):
        rows = [row for w in WIDTHS for row in measured(w, given.repeats)]
    text = markdown(rows)
    show(text, "A layer of 100 cases from 500 units, one thread")
    batches: list[dict[str, Any]] = []
    for threads in THREADS if native.KIND == "C" else ():
        here = [batch(*sizes, given.repeats, threads) for sizes in RBMS]
        show(batch_markdown(here), "A batch of 100 cases")
        text += "\n" + batch_markdown(here)
        batches += here
    if given.record:
        record = {"rows": rows, "batches": batches, "repeats": given.repeats,
                  "made_by": provenance.describe()}  # fmt: skip
        (given.record / "between.json").write_text(json.dumps(record, indent=2) + "\n")
        (given.record / "between.md").write_text(text)


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
