"""What experiments/landscape measures of a memory, against enumeration, and its record."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import hinton06
from hinton06.generation import Generator
from hinton06.models import DeepBeliefNet, Rbm
from hinton06.rbm import energy

FOLDER = Path(__file__).parents[1] / "experiments" / "landscape"


@pytest.fixture
def landscape(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "landscape", raising=False)
    return importlib.import_module("landscape")


def memory_of(n_pen: int = 4, n_top: int = 5, n_labels: int = 3) -> Rbm:
    rng = np.random.default_rng(2)
    rbm = Rbm.random(n_pen + n_labels, n_top, 1.0, rng, n_labels)
    rbm.visible_bias[...] = rng.normal(size=n_pen + n_labels)
    return rbm


def enumerated(memory: Rbm, visible: Any) -> Any:
    """Free energies by the sum over all states of the top."""
    tops = np.array(list(itertools.product((0.0, 1.0), repeat=memory.n_hidden)))
    weights = [np.exp(-energy(memory, np.repeat(v[None], len(tops), 0), tops)) for v in visible]
    return -np.log(np.sum(weights, axis=1))


def test_heights_are_free_energies_of_right_and_wrong_labels_and_of_random_states(
    landscape: Any,
) -> None:
    memory, rng = memory_of(), np.random.default_rng(4)
    pen, labels = rng.random((40, 4), np.float32), rng.integers(0, 3, 40)
    found = landscape.heights(memory, pen, labels, np.random.default_rng(9))
    again = np.random.default_rng(9)
    sampled = (again.random((40, 4)) < pen).astype(float)
    wrong = (labels + again.integers(1, 3, 40)) % 3
    assert not (wrong == labels).any()
    states = landscape.random_states(memory, pen, labels, again)
    assert set(np.unique(states)) == {0, 1}
    assert (states[:, 4:].argmax(axis=1) == labels).all()
    one_hot = np.eye(3)
    for name, visible in zip(
        landscape.CONFIGURATIONS,
        (np.hstack([sampled, one_hot[labels]]), np.hstack([sampled, one_hot[wrong]]), states),
        strict=True,
    ):  # fmt: skip
        expected = enumerated(memory, visible)
        assert found[name]["mean"] == pytest.approx(expected.mean(), rel=1e-5)
        assert found[name]["sd"] == pytest.approx(expected.std(), rel=1e-4)


def test_each_feature_of_random_states_is_on_as_often_as_in_images(landscape: Any) -> None:
    memory, rng = memory_of(n_pen=5), np.random.default_rng(1)
    rates = np.array([0.02, 0.1, 0.3, 0.6, 0.95], np.float32)
    pen = rates * np.ones((20_000, 5), np.float32)
    states = landscape.random_states(memory, pen, np.zeros(len(pen), int), rng)
    off = np.abs(states[:, :5].mean(axis=0) - rates)
    assert (off < 4.5 * np.sqrt(rates * (1 - rates) / len(pen))).all()


def test_a_tilt_is_what_a_label_adds_where_none_was_on(landscape: Any) -> None:
    memory, rng = memory_of(), np.random.default_rng(4)
    pen, labels = rng.random((30, 4), np.float32), np.arange(30) % 3
    without = enumerated(memory, np.hstack([pen, np.zeros((30, 3))]))
    energies = np.stack(
        [enumerated(memory, np.hstack([pen, np.eye(3)[[k] * 30]])) - without for k in range(3)],
        axis=1,
    )
    expected = [energies[labels == label].mean(axis=0) for label in range(3)]
    np.testing.assert_allclose(landscape.tilts(memory, pen, labels), expected, atol=1e-5)


def test_chains_are_read_after_so_many_rounds_in_all(
    landscape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for chains, of which one more leaves its class after every round."""
    made: list[Any] = []

    class Chains:
        rounds = 0

        def run(self, rounds: int, _rng: Any) -> None:
            self.rounds += rounds

    def from_images(_generator: Any, _images: Any, _labels: Any, clamped: bool, _rng: Any) -> Any:
        made.append(clamped)
        return Chains()

    def images(_generator: Any, chains: Any, _rng: Any) -> Any:
        left = np.arange(6) < chains.rounds
        return np.where(left, 3.0, 1.0)[:, None] * np.arange(6)[:, None]

    def log_probs(_judge: Any, shown: Any) -> Any:
        classes = np.where(shown[:, 0] == np.arange(6), 0, 1)
        return np.eye(2)[classes]

    monkeypatch.setattr(landscape, "from_images", from_images)
    monkeypatch.setattr(landscape.generation, "images", images)
    monkeypatch.setattr(landscape, "log_probs", log_probs)
    monkeypatch.setattr(landscape, "ROUNDS", (0, 2, 5))
    start = np.arange(6.0)[:, None]
    rows = landscape.stays(None, None, start, np.zeros(6, int), True, None)
    assert made == [True]
    assert [row["rounds"] for row in rows] == [0, 2, 5]
    # The first is at 0, which three times as much leaves where it is.
    assert [row["same"] for row in rows] == [6, 5, 2]
    assert rows[0]["variety"] == 1
    # By what is read: 0, 2, 3, 4 and 5, and 3 alone.
    assert rows[1]["variety"] == pytest.approx((np.var([0, 2, 3, 4, 5]) + 0) / 2 / np.var(start))


def test_each_measurement_is_of_what_it_is_called(
    landscape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(6)
    lower = [Rbm.random(6, 5, 0.5, rng), Rbm.random(5, 4, 0.5, rng)]
    net = DeepBeliefNet.untied([*lower, memory_of()])
    digits = SimpleNamespace(
        test_images=np.full((9, 6), 255, np.uint8), test_classes=np.arange(9) % 3
    )
    monkeypatch.setattr(landscape, "heights", lambda memory, *_: memory)
    monkeypatch.setattr(
        landscape, "stays", lambda _g, _j, images, _l, clamped, _r: (clamped, float(images.max()))
    )
    found = landscape.measured(net, None, digits)
    assert found["heights"]["after"] is net.memory
    assert not found["heights"]["before learning"].visible_bias.any()
    assert found["stays"] == {"label clamped": (True, 1.0), "label free": (False, 1.0)}
    assert found["chains"] == 9


def test_only_a_clamped_label_stays_as_it_is(landscape: Any) -> None:
    rng = np.random.default_rng(6)
    lower = [Rbm.random(6, 5, 0.5, rng), Rbm.random(5, 4, 0.5, rng)]
    generator = Generator.of_net(DeepBeliefNet.untied([*lower, memory_of()]))
    images, labels = rng.random((50, 6), np.float32), np.arange(50) % 3
    for clamped in (True, False):
        chains = landscape.from_images(generator, images, labels, clamped, rng)
        assert (chains.labels() == labels).all()
        assert set(np.unique(chains.v_states[:, :4])) == {0, 1}
        chains.run(5, rng)
        assert (chains.labels() == labels).all() == clamped


def test_variety_is_the_variance_within_classes(landscape: Any) -> None:
    images = np.array([[0.0, 1.0], [1.0, 1.0], [0.5, 0.0], [0.5, 0.5]])
    # A quarter in one pixel of the first class, a sixteenth in one of the second.
    assert landscape.variety(images, np.array([0, 0, 1, 1])) == pytest.approx((1 / 4 + 1 / 16) / 2)


def test_before_learning_is_the_recipes_start(landscape: Any) -> None:
    memory = memory_of(n_pen=300, n_top=200)
    start = landscape.before_learning(memory, np.random.default_rng(3))
    assert (start.n_labels, start.weights.shape) == (3, memory.weights.shape)
    assert not start.visible_bias.any()
    assert start.weights.std() == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize(("given", "words"), [("table1-a", "generative"), ("none", "no such file")])
def test_a_net_that_does_not_fit_is_said_in_a_line(
    landscape: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, words: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["landscape.py", given, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as said:
        landscape.main()
    assert words in str(said.value)
    assert "\n" not in str(said.value)


def test_a_tiny_net_makes_a_record(
    landscape: Any, digits_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: dict[str, Any] = {"threads": 1, "progress": False}
    stack = hinton06.pretrain(
        tmp_path / "pretrain.h5", "a", labels=True, layers=(8, 6, 10), recipe="quick",
        data=digits_dir, **own,
    )  # fmt: skip
    net = hinton06.finetune_cws(stack, tmp_path / "cws.h5", epochs=1, **own)
    judge = hinton06.finetune_from_random(
        tmp_path / "bp.h5", "a", layers=(8,), recipe="quick", data=digits_dir, **own
    )
    monkeypatch.setattr(landscape, "ROUNDS", (0, 2))
    monkeypatch.setattr(landscape, "CHAINS", 30)
    out = tmp_path / "record"
    monkeypatch.setattr(
        sys, "argv", ["landscape.py", str(net.path), str(judge.path), "--out", str(out)]
    )
    landscape.main()
    assert (out / "landscape.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((out / "landscape.json").read_text())
    assert found["chains"] == 30
    assert [row["rounds"] for row in found["stays"][landscape.FREE]] == [0, 2]
    text = (out / "landscape.md").read_text()
    same = found["stays"][landscape.CLAMPED][-1]["same"]
    assert f"{100 * same / 30:.1f} % |" in text
    high = found["heights"]["after"][landscape.CONFIGURATIONS[2]]
    assert f"| {high['mean']:.1f} ± {high['sd']:.1f} |" in text
