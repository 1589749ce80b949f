"""What experiments/layers learns on features that stay, and its record of tiny nets."""

from __future__ import annotations

import csv
import dataclasses
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hinton06
from hinton06.backprop import DiscriminativeFineTuning
from hinton06.cases import random_stream
from hinton06.mnist import load as load_digits
from hinton06.mnist import split as digits_split
from hinton06.models import Classifier, Rbm
from hinton06.recipes import RECIPES
from hinton06.recognition import Cases, log_probs, score
from hinton06.streams import Use

FOLDER = Path(__file__).parents[1] / "experiments" / "layers"
SAME: dict[str, Any] = {"threads": 1, "progress": False, "recipe": "quick"}


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "layers", raising=False)
    return importlib.import_module("layers")


def some_cases(n: int, seed: int) -> Cases:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    images = rng.integers(0, 120, (n, 12))
    images[np.arange(n), labels] += 120
    return Cases(images.astype(np.uint8), labels)


def test_a_softmax_on_features_is_the_top_of_a_net_of_which_nothing_else_learns(
    layers: Any,
) -> None:
    rng = np.random.default_rng(3)
    stack = [Rbm.random(12, 8, 1.0, rng), Rbm.random(8, 6, 1.0, rng)]
    parts = [some_cases(n, seed) for seed, n in enumerate((400, 200, 100))]
    settings = RECIPES["tr2006"].settings("backprop")
    whole = DiscriminativeFineTuning(
        Classifier.on_stack(stack, 3), parts[0],
        dataclasses.replace(settings, rate=0.1, top_only_epochs=settings.max_epochs),
        np.random.default_rng(7), parts[1],
    )  # fmt: skip
    while not whole.finished():
        whole.run_epoch(lambda _: None)
    of_features = parts
    for rbm in stack:
        of_features = layers.above(of_features, rbm)
    found = layers.softmax(of_features, 3, 0.1, np.random.default_rng(7))
    assert found["epochs"] == whole.selected.epoch > 1
    for part, cases in zip(layers.PARTS, parts, strict=True):
        expected = score(log_probs(whole.best, cases.images), cases.labels)
        assert found[f"{part}_errors"] == expected.errors
    lowest = int(np.argmin(whole.valid_costs))
    assert found["lowest_cost_epoch"] == lowest + 1
    assert found["valid_errors_then"] == whole.valid_errors[lowest]
    for image, features in zip(parts[2].images[:3], of_features[2].images[:3], strict=True):
        below = image / 255.0
        for rbm in stack:
            below = 1 / (1 + np.exp(-(below @ rbm.weights + rbm.hidden_bias)))
        np.testing.assert_allclose(features, below, rtol=1e-5)


def test_the_rate_is_that_of_the_fewest_validation_errors_of_all_splits(layers: Any) -> None:
    same = {"layers": 1, "learned": layers.SOFTMAX, "train_errors": 0}
    rows = [
        same | {"rate": rate, "split": split, "valid_errors": valid, "test_errors": test}
        for rate, split, valid, test in (
            (0.1, "a", 5, 9), (0.1, "b", 9, 7), (0.5, "a", 6, 1), (0.5, "b", 9, 1)
        )
    ]  # fmt: skip
    (found,) = layers.chosen(rows)
    assert (found["rate"], found["splits"]) == (0.1, "a b")
    assert found["test"] == {"mean": 8, "low": 7, "high": 9}


def test_a_rate_that_lacks_a_split_is_not_chosen(layers: Any) -> None:
    same = {"layers": 3, "learned": layers.PRETRAINED, "train_errors": 0, "test_errors": 1}
    rows = [
        same | {"rate": rate, "split": split, "valid_errors": valid}
        for rate, split, valid in ((0.2, "a", 103), (0.2, "b", 136), (0.02, "a", 150))
    ]
    (found,) = layers.chosen(rows)
    assert (found["rate"], found["splits"]) == (0.2, "a b")


def test_some_features_are_the_same_ones_of_all_cases(layers: Any) -> None:
    parts = [some_cases(n, seed) for seed, n in enumerate((5, 3))]
    few = layers.some_of(parts, 4)
    columns = [
        [(part.images == own.images[:, [k]]).all(axis=0).argmax() for k in range(4)]
        for part, own in zip(parts, few, strict=True)
    ]
    assert columns[0] == columns[1]
    assert len(set(columns[0])) == 4


@pytest.mark.parametrize(
    ("given", "words"),
    [(("digits",), "another kind"), (("table1-a",), "no stack is given"), (("none",), "no such")],
)
def test_files_that_do_not_fit_are_said_in_a_line(
    layers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str], words: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["layers.py", *given, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as said:
        layers.main()
    assert words in str(said.value)
    assert "\n" not in str(said.value)


def test_tiny_nets_make_a_record(
    layers: Any, digits_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "RATES", (0.1, 0.5))
    files: list[Path] = []
    for split in "ab":
        for sizes in ((6,), (6, 5)):
            name = f"{len(sizes)}-{split}.h5"
            own = SAME | {"layers": sizes, "data": digits_dir}
            stack = hinton06.pretrain(tmp_path / f"pretrain-{name}", split, **own)
            hinton06.finetune_bp(stack, tmp_path / f"bp-{name}", threads=1, progress=False)
            hinton06.finetune_from_random(tmp_path / f"random-{name}", split, **own)
            files += [tmp_path / f"bp-{name}", tmp_path / f"random-{name}"]
        files.append(tmp_path / f"pretrain-2-{split}.h5")
    monkeypatch.setattr(sys, "argv", ["layers.py", *map(str, files), "--out", str(tmp_path / "r")])
    layers.main()
    rows = list(csv.DictReader((tmp_path / "r" / "layers.csv").read_text().splitlines()))
    # Of two rates softmaxes on pixels, two layers, and a part of the wider one; nets of each size.
    assert len(rows) == 2 * (4 * 2 + 2 * 2)
    for learned, file in (("pretrained", "bp-1-b"), ("not pretrained", "random-1-b")):
        net = hinton06.load(tmp_path / f"{file}.h5").record
        (row,) = (r for r in rows if (r["layers"], r["learned"], r["split"]) == ("1", learned, "b"))
        history = net.history["valid_cost"]
        lowest = int(np.argmin(history))
        assert int(row["lowest_cost_epoch"]) == lowest + 1
        assert int(row["valid_errors_then"]) == net.history["valid_errors"][lowest]
        assert float(row["rate"]) == (0.2 if learned == "pretrained" else 0.1)
        assert int(row["valid_errors"]) == net.scores["valid"].errors
    outcome = hinton06.load(tmp_path / "bp-2-a.h5").record
    (row,) = (
        r for r in rows if (r["layers"], r["learned"], r["split"]) == ("2", "pretrained", "a")
    )
    assert int(row["test_errors"]) == outcome.scores["test"].errors
    assert row["epochs"] == outcome.epochs
    of_file = {
        kind: list(hinton06.load(tmp_path / f"{kind}-2-a.h5").weights.values())
        for kind in ("pretrain", "bp")
    }
    shares = [float(share) for share in row["moved"].split()]
    for share, before, after in zip(
        shares, of_file["pretrain"], of_file["bp"][:-1], strict=True
    ):  # fmt: skip
        expected = np.sqrt(((after - before) ** 2).sum() / (before**2).sum())
        assert share == pytest.approx(expected, abs=5e-4)
        assert share > 0
    digits = load_digits(digits_dir)
    held_out = digits_split(len(digits.train_labels), "b").valid
    learned = np.delete(np.arange(len(digits.train_labels)), held_out)
    expected = layers.softmax(
        [
            Cases(digits.train_images[learned], digits.train_labels[learned]),
            Cases(digits.train_images[held_out], digits.train_labels[held_out]),
            Cases(digits.test_images, digits.test_labels),
        ],
        10, 0.5, random_stream(0, Use.BACKPROP, "b"),
    )  # fmt: skip
    (of_pixels,) = (
        r for r in rows if (r["layers"], r["split"], r["rate"]) == ("0", "b", "0.5")
    )  # fmt: skip
    assert {name: of_pixels[name] for name in expected} == {n: str(v) for n, v in expected.items()}
    found = json.loads((tmp_path / "r" / "layers.json").read_text())
    assert {(r["layers"], r["learned"]) for r in found["chosen"]} == {
        (0, layers.SOFTMAX),
        (1, layers.FEW),
        *((n, how) for n in (1, 2) for how in (layers.SOFTMAX, layers.PRETRAINED, layers.RANDOM)),
    }
    for chosen in found["chosen"]:
        assert chosen["splits"] == "a b"
        own = [
            int(r["test_errors"]) for r in rows
            if (int(r["layers"]), r["learned"], float(r["rate"]))
            == (chosen["layers"], chosen["learned"], chosen["rate"])
        ]  # fmt: skip
        assert own
        assert chosen["test"] == {"mean": np.mean(own), "low": min(own), "high": max(own)}
    text = (tmp_path / "r" / "layers.md").read_text()
    assert text.count("|") > 5 * 4
    assert "| pixels |" in text
