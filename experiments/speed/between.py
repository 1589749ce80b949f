"""What stands between a layer of binary units and its matrix product, and what would be faster.

A layer of 100 cases takes its product, then adds biases, takes the logistic and chooses states.
The passes of the package are timed one by one, behind the product each time, so that their data
lie where they lie in training; then the same passes by three alternatives that the package does
not use: numexpr (several passes as one expression), numba (a loop in Python, compiled when it is
first called) and a C function of thirty lines (compiled here with `cc`). What is not installed is
left out.

    pip install numexpr numba
    python experiments/speed/between.py --record experiments/speed
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from hinton06 import provenance
from hinton06.numerics import bernoulli, firing_probs

CASES, N_BELOW = 100, 500
WIDTHS = (500, 2000)
# A logistic from a polynomial for 2^x, and draws of 32 xorshift generators side by side, so that
# the compiler can put all of it into vector instructions.
C_SOURCE = r"""
#include <stdint.h>
#include <string.h>
#include <math.h>
#define LANES 32
void fire(float *restrict x, const float *restrict bias, uint32_t *restrict s,
          long n, long width) {
  for (long i = 0; i < n; i++) for (long j0 = 0; j0 < width; j0 += LANES) {
    long end = width - j0 < LANES ? width - j0 : LANES;
    for (long k = 0; k < end; k++) {
      float *at = x + i * width + j0 + k;
      float t = -(*at + bias[j0 + k]) * 1.44269504f;
      t = t > 126 ? 126 : t < -126 ? -126 : t;
      float whole = floorf(t), f = t - whole;
      float power = 1 + f * (0.69314718f + f * (0.24022651f + f * (0.05550411f
                    + f * (0.00961813f + f * (0.00133336f + f * 0.00015469f)))));
      int32_t exponent = ((int32_t)whole + 127) << 23;
      float scale; memcpy(&scale, &exponent, 4);
      uint32_t r = s[k]; r ^= r << 13; r ^= r >> 17; r ^= r << 5; s[k] = r;
      *at = (r >> 8) * 5.9604645e-8f * (1 + power * scale) < 1;
    }
  }
}
"""


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
    """Data, weights and room of one layer."""
    rng = np.random.default_rng(1)
    return {
        "data": rng.random((CASES, N_BELOW), dtype=np.float32),
        "weights": rng.normal(0, 0.05, (N_BELOW, width)).astype(np.float32),
        "bias": rng.normal(-1, 1, width).astype(np.float32),
        "probs": np.empty((CASES, width), np.float32),
        "states": np.empty((CASES, width), np.float32),
        "rng": rng,
    }


def package(at: dict[str, Any]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The product alone, and all of a layer."""
    inputs = (at["data"], at["weights"])
    return (
        lambda: np.matmul(*inputs, out=at["probs"]),
        lambda: bernoulli(firing_probs(*inputs, at["bias"], at["probs"]), at["rng"], at["states"]),
    )


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


def by_c(at: dict[str, Any], folder: Path) -> Callable[[], Any]:
    """A C function with draws of its own; it leaves the states where the inputs were."""
    source, library = folder / "fire.c", folder / "fire.so"
    source.write_text(C_SOURCE)
    subprocess.run(
        ["cc", "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-o", library, source],
        check=True,
    )
    fire = ctypes.CDLL(str(library)).fire
    state = at["rng"].integers(1, 2**32, 32, np.uint32)
    arrays = [a.ctypes.data_as(ctypes.c_void_p) for a in (at["probs"], at["bias"], state)]
    sizes = [ctypes.c_long(n) for n in at["probs"].shape]

    def rest() -> None:
        fire(*arrays, *sizes)

    rest.keep = state  # the memory that C writes to
    return rest


def alternatives(at: dict[str, Any], folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Those that can be made here; each is everything but the product."""
    for name, make in (
        ("numexpr", by_numexpr), ("numba", by_numba), ("C", lambda at: by_c(at, folder))
    ):  # fmt: skip
        try:
            yield name, make(at)
        except (ImportError, OSError, subprocess.CalledProcessError) as error:
            Console(stderr=True).print(f"{name} is left out: {error}", highlight=False)


def measured(width: int, repeats: int, folder: Path) -> list[dict[str, Any]]:
    """One row for the package and for each alternative, at one width."""
    at = layer(width)
    product, whole = package(at)
    alone = seconds(product, lambda: None, repeats)
    rows = [{"width": width, "by": "NumPy, as the package", "product": alone,
             "rest": seconds(whole, lambda: None, repeats) - alone}]  # fmt: skip
    for name, rest in alternatives(at, folder):
        product()
        rest()
        rows.append(
            {"width": width, "by": name, "product": alone, "rest": seconds(rest, product, repeats)}
        )
        check(name, at, product, rest)
    return rows


def check(name: str, at: dict[str, Any], product: Callable[[], Any], rest: Any) -> None:
    """Each alternative's units turn on as often as their probabilities say."""
    fired, n = 0.0, 200
    for _ in range(n):
        product()
        rest()
        fired += float((at["probs"] if name == "C" else at["states"]).mean())
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


def main() -> None:
    """Measure, print, and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--record", type=Path, help="folder for between.json and between.md")
    given = parser.parse_args()
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        rows = [row for w in WIDTHS for row in measured(w, given.repeats, Path(folder))]
    text = markdown(rows)
    table = Table(box=box.SIMPLE, title="A layer of 100 cases from 500 units, one thread")
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()]
    for head in cells[0]:
        table.add_column(head, justify="left" if head == "by" else "right")
    for row in cells[2:]:
        table.add_row(*row)
    Console().print(table)
    if given.record:
        record = {"rows": rows, "repeats": given.repeats, "made_by": provenance.describe()}
        (given.record / "between.json").write_text(json.dumps(record, indent=2) + "\n")
        (given.record / "between.md").write_text(text)


if __name__ == "__main__":
    main()
