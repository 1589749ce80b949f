"""Random numbers: each use has a stream of its own, and nothing makes numbers in another way."""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import BACKPROP, PRETRAIN, maker
from test_strategies import OPTIONS as STRATEGIES

import hinton06
from hinton06 import cases, evaluation, net, streams
from hinton06.sklearn import RBM, DeepBeliefClassifier
from hinton06.streams import Use

CWS = ["--epochs", "2", "--recipe", "quick", "--threads", "1", "--rate", "0.05"]
PAIRS = ["--passes", "1", "--epochs", "1", "--features", "5", "--threads", "1"]
SOURCES = sorted(Path(hinton06.__file__).parent.rglob("*.py"))
# What makes random numbers, of NumPy and of Python, or makes new ones from those that are there.
MAKERS = re.compile(
    r"SeedSequence|SFC64|PCG64|Philox\(|MT19937|RandomState\(|default_rng|Generator\(np\."
    r"|np\.random\.(?!Generator\b)|\.spawn\(|\.jumped\(|\.advance\("
    r"|torch\.(?:rand|bernoulli|multinomial|normal|Generator|manual_seed)|\.(?:bernoulli|normal)_\("
    r"|tl\.(?:philox|rand)|urandom"
    r"|^\s*import (?:random|secrets|uuid)\b|^\s*from (?:random|secrets|uuid) import",
    re.MULTILINE,
)

Key = tuple[int, ...]


class Recorder:
    """The streams that are opened, by what is being done: seed, use and place of each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = ""
        self.opened: dict[str, Counter[Key]] = defaultdict(Counter)
        self.first: dict[Key, int] = {}
        own = streams.stream

        def recorded(seed: int, use: Use, *place: int) -> np.random.Generator:
            key = (seed, use, *place)
            self.opened[self.now][key] += 1
            self.first[key] = int(own(seed, use, *place).bit_generator.random_raw())
            return own(seed, use, *place)

        for name, module in list(sys.modules.items()):
            if name.startswith("hinton06") and getattr(module, "stream", None) is own:
                monkeypatch.setattr(module, "stream", recorded)


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Any:
    """Every command and call that takes a seed, one after the other, all of seed 0."""
    folder, make = tmp_path_factory.mktemp("runs"), maker(digits_dir)
    runs: dict[str, tuple[object, ...]] = {
        "stack": ("pretrain", "--split", "a", "--runs", folder, "--track", "1",
                  *PRETRAIN),
        "labels": ("pretrain", "--labels", "--split", "a", "--runs", folder,
                   "--on", folder / "pretrain-a.h5", *PRETRAIN),
        "bp": ("finetune-bp", folder / "pretrain-a.h5", "--elastic", "1", "--out",
               folder / "bp-a.h5", *BACKPROP),
        "bp-extended": ("finetune-bp", "--extend", folder / "bp-a.h5", *BACKPROP),
        "dropout": ("finetune-bp", "--dropout", "--neighbours", "3", folder / "pretrain-a.h5",
                    "--out", folder / "bp-dropout-a.h5", *BACKPROP),
        "dropout-extended": ("finetune-bp", "--extend", folder / "bp-dropout-a.h5", *BACKPROP),
        "few": ("pretrain", "--labelled", "100", "--split", "a", "--affine", "1", "--runs", folder,
                *PRETRAIN),
        "random": ("finetune-bp", "--no-pretraining", folder / "bp-a.h5", *BACKPROP),
        "random-of-split": ("finetune-bp", "--no-pretraining", "--split", "a", "--labelled", "100",
                            "--out", folder / "random-a.h5", *BACKPROP),
        "cws": ("finetune-cws", folder / "pretrain-labels-a.h5", *CWS),
        "cws-extended": ("finetune-cws", "--extend", folder / "cws-a.h5", *CWS),
        "hybrid": ("finetune-cws", folder / "cws-a.h5", "--search-bp-weight", "--bp-weights",
                   "0.5,0.9", *CWS),
        "hybrid-dropout": ("finetune-cws", folder / "cws-a.h5", "--bp-weight", "0.5", "--dropout",
                           "--neighbours", "3", "--out", folder / "hybrid-dropout.h5", *CWS),
        "dropout-again": ("finetune-cws", folder / "hybrid-dropout.h5", "--bp-weight", "0.5",
                          "--dropout", "--neighbours", "3", "--out",
                          folder / "dropout-again.h5", *CWS),
        "pairs": ("finetune-pairs", folder / "pretrain-a.h5", folder / "pretrain-a.h5", *PAIRS),
        "ws": ("finetune-ws", folder / "pretrain-a.h5", *CWS),
        "ws-random": ("finetune-ws", "--no-pretraining", "--split", "a", "--layers", "5-4",
                      "--out", folder / "ws-random-a.h5", *CWS),
        "again": ("finetune-cws", folder / "hybrid-a.h5", "--out", folder / "again.h5", *CWS),
    }  # fmt: skip
    methods = [word for name in evaluation.METHODS for word in ("--method", name)]
    looks: dict[str, tuple[object, ...]] = {
        "evaluate": ("evaluate", folder / "cws-a.h5", *methods, "--passes", "2", "--rounds", "2",
                     "--temperatures", "2", "--cases", "20"),
        "sample": ("sample", folder / "cws-a.h5", "--gibbs", "2", "--out", folder / "dreams.png"),
        "likelihood": ("likelihood", folder / "cws-a.h5", "--chains", "2", "--temperatures", "2",
                       "--rounds", "2"),
        "heard": ("heard", folder / "pairs-a.h5", "--dreams", "1", "--dream-rounds", "2",
                  "--out", folder / "figures"),
        "figures": ("figures", folder / "cws-a.h5", "--gibbs", "2", "--out", folder / "figures"),
        "strategies": ("strategies", "--out", folder / "strategies.h5", *STRATEGIES),
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as monkeypatch:
        recorder = Recorder(monkeypatch)
        for recorder.now, arguments in (runs | looks).items():
            make(*arguments)
        recorder.now = "dream"
        net.load(folder / "cws-a.h5").sample(label=1, rounds=2)
        images, labels = np.random.default_rng(1).random((40, 6)), np.arange(40) % 2
        recorder.now = "estimator"
        rbm = RBM(3, n_iter=1, random_state=0).fit(images)
        recorder.now = "estimator's dreams"
        rbm.sample(rounds=2, random_state=0)
        recorder.now = "classifier"
        small = {"pretrain_iter": 1, "max_iter": 1, "random_state": 0}
        DeepBeliefClassifier((3,), dropout=0.5, neighbours=2, **small).fit(images, labels)
        yield recorder


REPEATED = {
    Use.LABELLED, Use.TRACKING, Use.BINARY_PIXELS, Use.UP_PASSES,
    Use.DIRECTED_TRAIN, Use.DIRECTED_VALID,
}  # fmt: skip
"""Of which one run draws the same numbers more than once, on purpose."""


def test_each_use_is_opened_and_no_stream_for_two_runs_of_one_seed(recorder: Recorder) -> None:
    """But where it is said to be the same: runs of other settings, and what is drawn."""
    same = {
        Use.PRETRAINING: {"stack", "few"},
        Use.BACKPROP: {"bp", "dropout"},
        Use.WAKE_SLEEP_AGAIN: {"hybrid", "hybrid-dropout"},
        Use.BACKPROP_ON_ALL: {"bp-extended", "dropout-extended"},
        Use.LABELLED: {"few", "random-of-split"},
        Use.DIRECTED_TRAIN: {"ws", "ws-random"},
        Use.DIRECTED_VALID: {"ws", "ws-random"},
        Use.DREAMS: {"sample", "dream", "figures"},
    }
    users = defaultdict(set)
    for name, opened in recorder.opened.items():
        for key, times in opened.items():
            users[key].add(name)
            assert times == 1 or key[1] in REPEATED, name
    unopened = [use.name for use in set(Use) - {key[1] for key in users}]
    assert not unopened, "a run of the recorder's for each use"
    for key, names in users.items():
        known = same.get(Use(key[1]), set())
        assert names == known if names & known else len(names) == 1, names


def test_no_two_streams_have_the_same_numbers(recorder: Recorder) -> None:
    assert len(set(recorder.first.values())) == len(recorder.first)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_random_numbers_come_from_the_registry_alone(source: Path) -> None:
    found = MAKERS.findall(source.read_text())
    if source.name == "fused.py":  # a card computes draws, of keys that are the registry's
        assert found == ["tl.philox"]
    else:
        assert bool(found) == (source.name == "streams.py"), found


def test_few_labels_are_drawn_as_ever() -> None:
    """Or a net would get labels of other cases than an older stack has the images of."""
    drawn = cases.random_stream(0, Use.LABELLED, "a").permutation(10)
    assert drawn.tolist() == [3, 9, 5, 2, 0, 1, 6, 8, 4, 7]


def test_data_that_come_class_by_class_are_shuffled_as_ever() -> None:
    """Or what an older file held out would be among what it learned."""
    assert streams.shuffle().permutation(10).tolist() == [7, 5, 3, 1, 4, 9, 0, 2, 6, 8]


def test_a_digest_that_differs_anywhere_gives_other_numbers() -> None:
    digest = "0" * 64
    seen = {
        cases.random_stream(0, Use.WAKE_SLEEP_AGAIN, "a", start).bit_generator.random_raw()
        for start in (digest, "1" + digest[1:], digest[:-1] + "1", "")
    }
    assert len(seen) == 4
