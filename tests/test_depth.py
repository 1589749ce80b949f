"""What experiments/depth measures of gradients, what it predicts, and its record of tiny nets."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from hinton06 import jitter, mnist
from hinton06.models import Classifier

FOLDER = Path(__file__).parents[1] / "experiments" / "depth"


@pytest.fixture
def depth(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "depth", raising=False)
    return importlib.import_module("depth")


def random_net(*sizes: int, scale: float = 3.0) -> Classifier:
    rng = np.random.default_rng(5)
    weights = [rng.normal(0, scale / np.sqrt(n), (n, m)) for n, m in pairwise(sizes)]
    return Classifier(tuple(weights), tuple(np.zeros(n) for n in sizes[1:]))


def test_gradients_are_those_of_the_inputs_of_each_hidden_layer(depth: Any) -> None:
    """By central differences: an input of one unit moved up and down."""
    net, (n, size) = random_net(5, 4, 3, 2), (6, 1e-5)
    rng = np.random.default_rng(7)
    images, labels = rng.random((n, 5)), rng.integers(0, 2, n)
    expected = []
    for layer, units in enumerate(net.sizes[1:-1]):
        found = np.zeros((n, units))
        for unit in range(units):
            moved = [np.zeros((n, other)) for other in net.sizes[1:-1]]
            moved[layer][:, unit] = 1
            up, down = (
                jitter.log_probs_of(jitter.up_pass(net, images, moved, sign * size)[-1], labels)
                for sign in (1, -1)
            )
            found[:, unit] = (up - down) / (2 * size)
        expected.append(np.sqrt(np.mean(found**2)))
    assert depth.gradients(net, images, labels) == pytest.approx(expected, rel=1e-7)


def test_small_weights_shrink_gradients_by_a_quarter_of_their_size_in_each_layer(
    depth: Any,
) -> None:
    """Units that are on half of the time have the slope 1/4."""
    found = depth.predicted(1e-3, np.random.default_rng(1).random((3, 8)))
    assert len(found) == max(depth.DEPTHS) - 1
    assert found == pytest.approx([1e-3 / 4] * len(found), rel=1e-6)  # slopes are even: scale**2


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_what_is_predicted_of_wide_layers_is_an_integral(depth: Any, scale: float) -> None:
    image = np.full((1, 4), 0.5)
    first, second = depth.predicted(scale, image)[:2]

    def mean(function: Any, sd: float) -> float:
        density = lambda x: np.exp(-((x / sd) ** 2) / 2) / (sd * np.sqrt(2 * np.pi))  # noqa: E731
        found, _ = quad(lambda x: function(x) * density(x), -9 * sd, 9 * sd, limit=500, points=[0])
        return float(found)

    def on(x: float) -> float:
        return float(1 / (1 + np.exp(-x)))

    sd = scale * 0.5
    for factor in (first, second):
        slope = mean(lambda x: (on(x) * (1 - on(x))) ** 2, sd)
        assert factor == pytest.approx(scale * np.sqrt(slope), rel=1e-6)
        sd = scale * np.sqrt(mean(lambda x: on(x) ** 2, sd))


def test_weights_to_the_classes_are_drawn_anew_and_scaled_by_how_many_units_are_below(
    depth: Any,
) -> None:
    net = Classifier.random((6, 16, 3), 1.0, np.random.default_rng(0))
    found = depth.with_classes(net, 2.0, np.random.default_rng(1)).weights[-1]
    drawn = np.random.default_rng(1).standard_normal((16, 3), np.float32)
    np.testing.assert_array_equal(found, drawn * np.float32(0.5))  # 2 / sqrt(16)


def test_tiny_nets_make_a_record_and_are_learned_once(
    depth: Any, digits_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = mnist.load(digits_dir)
    monkeypatch.setattr(depth.mnist, "load", lambda: digits)
    few: dict[str, Any] = {
        "DEPTHS": (1, 3), "SCALES": (0.1, 3.0), "RATES": (0.1,), "DRAWS": (0, 1), "UNITS": 5,
        "CASES": 100, "STARTS": (0.1, 3.0, depth.STACK), "MEASURED_CASES": 50,
        "SAME": {"threads": 1, "progress": False, "recipe": "quick", "data": digits_dir},
    }  # fmt: skip
    for name, value in few.items():
        monkeypatch.setattr(depth, name, value)
    nets, record = tmp_path / "nets", tmp_path / "record"
    monkeypatch.setattr(sys, "argv", ["depth.py", str(nets), "--draws", "0"])
    depth.main()
    begun = {path: path.stat().st_mtime_ns for path in nets.glob("*.h5")}
    assert len(begun) == 2 * (3 + 1)  # of each depth nets of three starts, and the stack of one
    monkeypatch.setattr(sys, "argv", ["depth.py", str(nets), "--out", str(record)])
    depth.main()
    assert all(path.stat().st_mtime_ns == at for path, at in begun.items())
    assert (record / "depth.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((record / "depth.csv").read_text().splitlines()))
    assert len(rows) == 2 * 3 * 2
    found = json.loads((record / "depth.json").read_text())
    for row in found["chosen"]:
        own = [
            r for r in rows if (r["layers"], r["start"]) == (f"{row['layers']}", f"{row['start']}")
        ]
        errors = [100 * int(r["test_errors"]) / len(digits.test_labels) for r in own]
        assert row["test"] == {"mean": np.mean(errors), "low": min(errors), "high": max(errors)}
    for start, of_start in found["gradients"].items():
        assert [len(steps) for steps in of_start["measured"]] == [2, 2]
        assert (of_start["predicted"] is None) == (start == "a stack")
    assert "| random, 0.1 |" in (record / "depth.md").read_text()
