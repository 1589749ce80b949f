"""The net of convolutions of experiments/sharing, and its record."""

from __future__ import annotations

import csv
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinton06 import mnist
from hinton06.mnist import Digits
from hinton06.streams import Use

FOLDER = Path(__file__).parents[1] / "experiments" / "sharing"


@pytest.fixture
def sharing(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "sharing", raising=False)
    return importlib.import_module("sharing")


@pytest.fixture
def net(sharing: Any) -> Any:
    """In float64, of 2 and 3 maps and 4 features; its weights are large enough to be curved."""
    rng = np.random.default_rng(5)
    shapes = (25, 2), (50, 3), (75, 4), (4, 10)
    return sharing.SharedNet(
        tuple(rng.standard_normal(shape) * 0.5 for shape in shapes),
        tuple(rng.standard_normal(shape[1]) * 0.5 for shape in shapes),
    )


def logistic(inputs: Any) -> Any:
    return 1 / (1 + np.exp(-inputs))


def test_every_place_of_a_map_has_the_same_weights(sharing: Any, net: Any, shipped: Digits) -> None:
    found = np.exp(sharing.log_probs(net, shipped.train_images[:3]))
    for image, probs in zip(shipped.train_images[:3], found, strict=True):
        maps = np.zeros((29, 29, 1))
        maps[:28, :28, 0] = image.reshape(28, 28) / 255
        for weights, biases, side in zip(net.weights[:2], net.biases[:2], (13, 5), strict=True):
            above = np.empty((side, side, len(biases)))
            for down, right, k in np.ndindex(above.shape):
                seen = maps[2 * down : 2 * down + 5, 2 * right : 2 * right + 5]
                above[down, right, k] = (seen.ravel() * weights[:, k]).sum() + biases[k]
            maps = logistic(above)
        features = logistic(maps.ravel() @ net.weights[2] + net.biases[2])
        expected = np.exp(features @ net.weights[3] + net.biases[3])
        np.testing.assert_allclose(probs, expected / expected.sum(), rtol=1e-10)


def test_the_gradient_of_shared_weights_is_the_sum_over_places(
    sharing: Any, net: Any, shipped: Digits
) -> None:
    images, labels = shipped.train_images[:4], shipped.train_classes[:4]
    weights = np.array([1.0, 10.0, 1.0, 10.0])
    learner = sharing.SharedBackpropagation(net, 4)
    learner.forward(images, slice(None), labels, weights)
    gradients = {n: (data @ delta, delta.sum(axis=0)) for n, data, delta in learner.backward(4)}

    def cost() -> float:
        return -float(weights @ sharing.log_probs(net, images)[np.arange(4), labels])

    assert len(gradients) == 4
    for number, found in gradients.items():
        parameters = net.weights[number], net.biases[number]
        for parameter, gradient in zip(parameters, found, strict=True):
            assert gradient.shape == parameter.shape
            rng = np.random.default_rng(number)
            for place in {tuple(rng.integers(0, parameter.shape)) for _ in range(8)}:
                before, costs = parameter[place], []
                for step in (1e-5, -1e-5):
                    parameter[place] = before + step
                    costs.append(cost())
                parameter[place] = before
                # Costs of 10 to 100 nats are rounded by 1e-14: over the step, 1e-9.
                slope = (costs[0] - costs[1]) / 2e-5
                assert gradient[place] == pytest.approx(-slope, rel=1e-6, abs=1e-8)


def test_a_random_start_is_sized_by_what_a_unit_sees(sharing: Any) -> None:
    net = sharing.SharedNet.shared(10, 3.0, np.random.default_rng(0))
    assert net.sizes == (784, 845, 1250, 100, 10)
    for weights in net.weights[:-1]:
        expected = 3 / len(weights) ** 0.5
        # The standard error of a standard deviation of n numbers is its 1 / sqrt(2 n).
        error = expected / (2 * weights.size) ** 0.5
        assert abs(weights.std() - expected) < 4 * error
    assert not net.weights[-1].any()
    wrong = [np.zeros((24, 5)), *net.weights[1:]]
    with pytest.raises(ValueError, match=r"weights 1 have shape \(24, 5\)"):
        sharing.SharedNet(tuple(wrong), net.biases)


def test_distorted_images_are_learned_at_the_rate_that_validation_chose(
    sharing: Any,
    digits_dir: Path,
    idx_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def now(*more: str) -> list[dict[str, str]]:
        words = ["--out", tmp_path, "--data", digits_dir, "--max-epochs", "12", *more]
        monkeypatch.setattr(sys, "argv", ["sharing.py", *map(str, words)])
        sharing.main()
        with (tmp_path / "sharing.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    rates = "--rates", "0.00001", "0.02"
    rows = now(*rates, "--splits", "a")
    errors = [int(row["valid_errors"]) for row in rows[:2]]
    assert errors[1] < errors[0]
    assert [(row["images"], row["rate"], row["split"]) for row in rows] == [
        ("as they are", "1e-05", "a"), ("as they are", "0.02", "a"),
        ("affine 1.5 pixels", "0.02", "a"), ("elastic 1.5 pixels", "0.02", "a"),
    ]  # fmt: skip
    more = now(*rates, "--splits", "a", "c")
    assert more[:4] == rows
    assert [row["split"] for row in more[4:]] == ["c"] * 4
    assert len({row["lowest_valid_cost"] for row in more}) == len(more)
    *_, elastic = (tmp_path / "sharing.md").read_text("utf-8").splitlines()
    own = [int(row["valid_errors"]) for row in more if row["images"].startswith("elastic")]
    assert f"| {own[0]}, {own[1]} | {sum(own) / 2:.1f} |" in elastic

    with pytest.raises(SystemExit, match="seed 0, and not 1"):
        now("--seed", "1")
    with pytest.raises(SystemExit, match="images of 28 x 28 pixels are wanted"):
        now("--data", str(idx_folder))
    text = (tmp_path / "sharing.csv").read_text("utf-8")
    (tmp_path / "sharing.csv").write_text(text.replace(rows[0]["data"], "0" * 12), "utf-8")
    with pytest.raises(SystemExit, match="data 000000000000, and not"):
        now()
    (tmp_path / "sharing.csv").write_text(text, "utf-8")

    def learned_again(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(sharing, "learned", learned_again)
    assert now(*rates, "--splits", "c", "a") == more


def test_the_rate_of_distorted_images_has_the_fewest_validation_errors_in_the_mean(
    sharing: Any, digits_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By the test errors, or by the median, it would be the other one.
    errors = {0.05: ((0, 10, 11), (9, 9, 9)), 0.1: ((8, 8, 8), (1, 1, 1))}

    def learned(
        digits: Digits, images: str, rate: float, _cap: int, split: str, seed: int
    ) -> dict[str, Any]:
        valid, test = (own["abc".index(split)] for own in errors[rate])
        about = {"images": images, "rate": rate, "split": split, "epochs": 1}
        about |= {"valid_errors": valid, "test_errors": test}
        return about | {"seed": seed, "data": digits.sha256[:12]}

    monkeypatch.setattr(sharing, "learned", learned)
    words = ["--out", str(tmp_path), "--data", str(digits_dir), "--rates", "0.05", "0.1"]
    monkeypatch.setattr(sys, "argv", ["sharing.py", *words])
    sharing.main()
    with (tmp_path / "sharing.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["rate"] for row in rows if row["images"] != sharing.PLAIN} == {"0.05"}
    assert len(rows) == 2 * 3 + 2 * 3
    assert "| 0, 10, 11 | 7.0 | 9, 9, 9 | 9.0 |" in (tmp_path / "sharing.md").read_text("utf-8")


def test_rates_are_compared_on_the_splits_and_among_the_rates_that_are_asked_for(
    sharing: Any, digits_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Split a is easy: a rate that was tried on it alone has the fewest in the mean.
    errors = {0.05: (10, 30, 31), 0.1: (20, 29, 30), 0.3: (15, 90, 90)}

    def learned(
        digits: Digits, images: str, rate: float, _cap: int, split: str, seed: int
    ) -> dict[str, Any]:
        valid = errors[rate]["abc".index(split)]
        about = {"images": images, "rate": rate, "split": split, "epochs": 1}
        about |= {"valid_errors": valid, "test_errors": valid}
        return about | {"seed": seed, "data": digits.sha256[:12]}

    monkeypatch.setattr(sharing, "learned", learned)

    def now(*more: str) -> set[str]:
        words = ["--out", str(tmp_path), "--data", str(digits_dir), *more]
        monkeypatch.setattr(sys, "argv", ["sharing.py", *words])
        sharing.main()
        with (tmp_path / "sharing.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {row["rate"] for row in rows if row["images"] != sharing.PLAIN}

    assert now("--rates", "0.3", "--splits", "a") == {"0.3"}
    assert now("--rates", "0.05", "0.1") == {"0.3", "0.05"}
    assert now("--rates", "0.1", "0.05", "--splits", "b", "c") == {"0.3", "0.05", "0.1"}


def test_the_best_net_is_measured_and_its_draws_are_those_of_the_seed_and_the_split(
    sharing: Any, digits_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, list[Any]] = {"random_stream": [], "stream": [], "log_probs": []}
    learners: list[Any] = []

    def kept(name: str, call: Any) -> Any:
        def spy(*words: Any) -> Any:
            asked[name].append(words)
            return call(*words)

        return spy

    class Kept(sharing.SharedFineTuning):  # type: ignore[name-defined,misc]
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            learners.append(self)

    for name in asked:
        monkeypatch.setattr(sharing, name, kept(name, getattr(sharing, name)))
    monkeypatch.setattr(sharing, "SharedFineTuning", Kept)
    digits = mnist.read(digits_dir)
    sharing.learned(digits, "affine 1.5 pixels", 0.1, 1, "b", 7)
    assert asked["random_stream"] == [
        (7, Use.RANDOM_NET_OF_SPLIT, "b"), (7, Use.BACKPROP, "b")
    ]  # fmt: skip
    assert asked["stream"] == [(7, Use.DISTORTIONS, Use.BACKPROP, 1, 0)]
    (learner,) = learners
    assert learner.best is not learner.net
    assert all(net is learner.best for net, _ in asked["log_probs"])
    sizes = [len(images) for _, images in asked["log_probs"]]
    assert sizes == [500, 100, len(digits.test_labels)]
