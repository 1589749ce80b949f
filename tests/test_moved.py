"""What experiments/beyond/moved.py asks of nets."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from commands import run

from hinton06 import loading, mnist
from hinton06.mnist import Digits

FOLDER = Path(__file__).parents[1] / "experiments" / "beyond"


def test_the_answers_to_all_translations_are_multiplied(
    tmp_path: Path, tiny_digits: Digits, digits_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    moved = importlib.import_module("moved")
    for command in (
        [
            "pretrain",
            "--split",
            "b",
            "--data",
            digits_dir,
            "--layers",
            "50-50-100",
            "--passes",
            "20",
        ],
        ["finetune-bp", tmp_path / "pretrain-b.h5", "--max-epochs", "60", "--rate", "0.3"],
    ):
        more = ["--runs", tmp_path] if command[0] == "pretrain" else []
        made = run(*command, *more, "--recipe", "quick", "--threads", "1", "--quiet")
        assert made.exit_code == 0, made.output
    path = tmp_path / "bp-b.h5"
    rows = list(moved.asked(path, tiny_digits))
    assert [row["versions"] for row in rows] == [1, 5, 13]
    assert {(row["seed"], row["net"]) for row in rows} == {(0, "b")}
    net, held_out = loading.load(path), mnist.split(600, "b").valid
    assert rows[0]["valid_errors"] == net.outcome.valid.errors
    images, labels = tiny_digits.train_images[held_out], tiny_digits.train_labels[held_out]
    probs = np.ones((len(labels), 10))
    for down, right in [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]:
        framed = np.pad(images.reshape(-1, 28, 28), ((0, 0), (1, 1), (1, 1)))
        cut = framed[:, 1 - down : 29 - down, 1 - right : 29 - right]
        probs *= np.exp(net.recogniser().log_probs(cut.reshape(-1, 784)).astype(float))
    assert rows[1]["valid_errors"] == (probs.argmax(axis=1) != labels).sum()
    assert rows[1]["valid_errors"] != rows[0]["valid_errors"]
