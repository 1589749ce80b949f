"""Learning from Python makes the files of the commands, to the bit, and says nothing."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from commands import run

import hinton06
from hinton06 import checkpoint, learning, mnist, native
from hinton06.net import Net
from hinton06.recipes import RECIPES, conditions, implied

QUICK: dict[str, Any] = {"recipe": "quick", "threads": 1}
SMALL: dict[str, Any] = {**QUICK, "layers": (12, 10, 14), "passes": 2}
TYPED = ["--recipe", "quick", "--threads", "1", "--layers", "12-10-14", "--passes", "2"]


def by_command(*arguments: object) -> None:
    done = run(*arguments)
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """A folder with a stack, one with labels, a classifier and a generative net, by commands."""
    folder = tmp_path_factory.mktemp("starts")
    for name, more in (("stack", []), ("labels", ["--labels"])):
        by_command("pretrain", "--split", "a", "--data", digits_dir, *TYPED, "--seed", 3,
                   "--out", folder / f"{name}.h5", *more)  # fmt: skip
    by_command("finetune-bp", folder / "stack.h5", "--out", folder / "bp.h5")
    by_command("finetune-cws", folder / "labels.h5", "--out", folder / "cws.h5")
    by_command(
        "finetune-cws", folder / "labels.h5", "--out", folder / "hybrid.h5", "--bp-weight", 0.5
    )
    return folder


CALLS: dict[str, tuple[Callable[[Path, Path, Path], Net], list[str]]] = {
    "stack": (
        lambda _, out, data: hinton06.pretrain(str(out), "b", data=str(data), seed=7, **SMALL),
        ["pretrain", "--split", "b", "--data", "DATA", "--seed", "7", *TYPED],
    ),
    "stack of some images": (
        lambda _, out, data: hinton06.pretrain(
            out, labelled=100, data=mnist.load(data), **{**QUICK, "layers": [12, 10]}
        ),
        ["pretrain", "--split", "a", "--labelled", "100", "--data", "DATA", "--layers", "12-10",
         *TYPED[:4]],
    ),
    "passes of some images": (
        lambda _, out, data: hinton06.pretrain(out, labelled=100, data=data, **SMALL),
        ["pretrain", "--split", "a", "--labelled", "100", "--data", "DATA", *TYPED],
    ),
    "stack on a stack": (
        lambda folder, out, _: hinton06.pretrain(
            out, labels=True, on=hinton06.load(folder / "stack.h5"), layers="12-10-14", passes=1
        ),
        ["pretrain", "--split", "a", "--labels", "--on", "FOLDER/stack.h5", *TYPED[4:6],
         "--passes", "1"],
    ),
    "translations": (
        lambda _, out, data: hinton06.pretrain(out, translations=1, data=data, **SMALL),
        ["pretrain", "--split", "a", "--translations", "1", "--data", "DATA", *TYPED],
    ),
    "classifier": (
        lambda folder, out, _: hinton06.finetune_bp(str(folder / "stack.h5"), out, max_epochs=2),
        ["finetune-bp", "FOLDER/stack.h5", "--max-epochs", "2"],
    ),
    "few labels": (
        lambda folder, out, _: hinton06.finetune_bp(folder / "stack.h5", out, labelled=50),
        ["finetune-bp", "FOLDER/stack.h5", "--labelled", "50"],
    ),
    "generative": (
        lambda folder, out, _: hinton06.finetune_cws(folder / "labels.h5", out, gibbs=(2, 3)),
        ["finetune-cws", "FOLDER/labels.h5", "--gibbs", "2-3"],
    ),
    "mixed": (
        lambda folder, out, _: hinton06.finetune_cws(folder / "cws.h5", out, bp_weight=0.5),
        ["finetune-cws", "FOLDER/cws.h5", "--bp-weight", "0.5"],
    ),
    "searched": (
        lambda folder, out, _: hinton06.finetune_cws(
            folder / "cws.h5", out, search_bp_weight=True, bp_weights=[0.5, 0.9]
        ),
        ["finetune-cws", "FOLDER/cws.h5", "--search-bp-weight", "--bp-weights", "0.5,0.9"],
    ),
    "extended classifier": (
        lambda folder, out, _: hinton06.extend(folder / "bp.h5", out, all_cases_rate=0.05),
        ["finetune-bp", "--extend", "FOLDER/bp.h5", "--all-cases-rate", "0.05"],
    ),
    "extended generative": (
        lambda folder, out, _: hinton06.extend(folder / "cws.h5", out),
        ["finetune-cws", "--extend", "FOLDER/cws.h5"],
    ),
    "extended mixed": (
        lambda folder, out, _: hinton06.extend(folder / "hybrid.h5", out),
        ["finetune-cws", "--extend", "FOLDER/hybrid.h5"],
    ),
    "from random on a split": (
        lambda _, out, data: hinton06.finetune_from_random(
            out, "c", layers=[9], labelled=60, data=data, **QUICK
        ),
        ["finetune-bp", "--no-pretraining", "--split", "c", "--layers", "9", "--labelled", "60",
         "--data", "DATA", *TYPED[:4]],
    ),
    "from random by criteria": (
        lambda folder, out, _: hinton06.finetune_from_random(out, criteria=[folder / "bp.h5"]),
        ["finetune-bp", "--no-pretraining", "FOLDER/bp.h5"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_call_makes_the_file_of_its_command(
    name: str, starts: Path, tmp_path: Path, digits_dir: Path, assert_same: Any, capfd: Any
) -> None:
    call, command = CALLS[name]
    made = call(starts, tmp_path / "called" / "net.h5", digits_dir)
    assert capfd.readouterr() == ("", "")
    assert isinstance(made, Net)
    assert made.path == str(tmp_path / "called" / "net.h5")
    words = [w.replace("FOLDER", str(starts)).replace("DATA", str(digits_dir)) for w in command]
    by_command(*words, "--out", tmp_path / "net.h5", "--quiet")
    called, typed = (checkpoint.load(tmp_path / path) for path in ("called/net.h5", "net.h5"))
    for part in ("kind", "recipe", "settings", "lineage", "model", "outcome"):
        assert_same(getattr(called, part), getattr(typed, part))
    assert made.record.sha256 == typed.digest()


def test_a_call_starts_from_a_net_that_was_made_and_finds_a_finished_file(
    tmp_path: Path, digits_dir: Path, progress: Any
) -> None:
    stack = hinton06.pretrain(tmp_path / "p.h5", data=digits_dir, seed=5, **SMALL)
    tuned = hinton06.finetune_bp(stack, tmp_path / "bp.h5", progress=progress)
    assert tuned.record.lineage.parents == (stack.record.sha256,)
    assert (tuned.record.recipe, tuned.record.seed) == ("quick", 5)
    epochs = len(progress.rows)
    assert epochs > 0
    again = hinton06.finetune_bp(stack, tmp_path / "bp.h5", progress=progress)
    assert again.record.sha256 == tuned.record.sha256
    assert len(progress.rows) == epochs
    with pytest.raises(hinton06.RunError, match="max epochs was 8, now 2"):
        hinton06.finetune_bp(stack, tmp_path / "bp.h5", max_epochs=2)
    forced = hinton06.finetune_bp(stack, tmp_path / "bp.h5", max_epochs=2, force=True)
    assert forced.record.epochs in ("1", "2")


def test_progress_is_shown_if_it_is_asked_for(tmp_path: Path, digits_dir: Path, capfd: Any) -> None:
    hinton06.pretrain(tmp_path / "p.h5", data=digits_dir, progress=True, **SMALL)
    out, err = capfd.readouterr()
    assert out == ""
    assert len(re.findall(r"^pretrain a layer \d epoch \d: recon\. error", err, re.M)) == 6


def test_a_net_is_learned_in_any_thread(tmp_path: Path, digits_dir: Path) -> None:
    """Signals are the main thread's alone; elsewhere a run does without them."""
    made: list[Net] = []
    thread = threading.Thread(
        target=lambda: made.append(
            hinton06.pretrain(tmp_path / "thread.h5", data=digits_dir, **SMALL)
        )
    )
    thread.start()
    thread.join()
    wanted = hinton06.pretrain(tmp_path / "main.h5", data=digits_dir, **SMALL)
    assert [net.record.sha256 for net in made] == [wanted.record.sha256]


@pytest.mark.parametrize(
    ("sent", "raised", "words"),
    [(signal.SIGINT, KeyboardInterrupt, "^$"), (signal.SIGTERM, SystemExit, "^143$")],
)
def test_a_signal_saves_the_epoch_and_is_python_s_own_exception(
    tmp_path: Path,
    digits_dir: Path,
    make_progress: Any,
    sent: signal.Signals,
    raised: type[BaseException],
    words: str,
) -> None:
    def press(epochs: int) -> None:
        if epochs == 2:
            os.kill(os.getpid(), sent)

    progress = make_progress(at_epoch=press)
    with pytest.raises(raised, match=words):
        hinton06.pretrain(tmp_path / "p.h5", data=digits_dir, progress=progress, **SMALL)
    kept = checkpoint.load(tmp_path / "p.h5.part")
    assert len(kept.history["recon_error"]) in (2, 3)
    went_on = make_progress()
    made = hinton06.pretrain(tmp_path / "p.h5", data=digits_dir, progress=went_on, **SMALL)
    assert len(went_on.rows) == 6 - len(kept.history["recon_error"])
    alone = hinton06.pretrain(tmp_path / "alone.h5", data=digits_dir, **SMALL)
    assert made.record.sha256 == alone.record.sha256


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda _, o: hinton06.pretrain(o, epochs=3), TypeError, "'epochs' is none of recipe"),
        (lambda _, o: hinton06.pretrain(o, rate="fast"), TypeError, "rate is of type float"),
        (lambda _, o: hinton06.pretrain(o, passes=2.5), TypeError, "passes is of type int"),
        (lambda _, o: hinton06.pretrain(o, passes=True), TypeError, "passes is of type int"),
        (lambda _, o: hinton06.pretrain(o, balanced=1), TypeError, "balanced is of type bool"),
        (lambda _, o: hinton06.pretrain(o, passes=0), ValueError, "passes lies between 1 and"),
        (
            lambda _, o: hinton06.pretrain(o, persistent=True, recon_states="all"), TypeError,
            "recon_states changes nothing here",
        ),
        (lambda _, o: hinton06.pretrain(o, layers="5,5"), ValueError, "500-500-2000"),
        (lambda _, o: hinton06.pretrain(o, recipe="tr2007"), ValueError, "recipe is one of tr2006"),
        (lambda _, o: hinton06.pretrain(o, "d"), hinton06.RunError, "one of a, b, c, not 'd'"),
        (lambda _, o: hinton06.pretrain(o, data="nowhere"), hinton06.DataError, "nowhere"),
        (
            lambda f, o: hinton06.finetune_bp(f / "bp.h5", o), hinton06.RunError,
            "a pretrained stack of RBMs is needed",
        ),
        (
            lambda f, o: hinton06.finetune_bp(f / "stack.h5", o, all_cases_rate=0.1), TypeError,
            "all_cases_rate is for",
        ),
        (
            lambda f, o: hinton06.finetune_bp(f / "nothing.h5", o), hinton06.CheckpointError,
            "no such file",
        ),
        (
            lambda f, o: hinton06.finetune_cws(f / "stack.h5", o), hinton06.RunError,
            "without labels",
        ),
        (lambda f, o: hinton06.extend(f / "bp.h5", o, rate=0.1), TypeError, "is all_cases_rate"),
        *(
            (lambda f, o, n=n: hinton06.extend(f / "bp.h5", o, **{n: 3}), TypeError,
             f"{n} changes nothing here")
            for n in ("patience", "valid_every", "initial_scale", "epochs")
        ),
        (
            lambda f, o: hinton06.finetune_bp(f / "stack.h5", o, initial_scale=3.0), TypeError,
            "initial_scale changes nothing here",
        ),
        (
            lambda f, o: hinton06.finetune_from_random(
                o, criteria=[f / "bp.h5"], extension_epochs=3
            ),
            TypeError, "extension_epochs changes nothing here",
        ),
        (
            lambda f, o: hinton06.extend(f / "cws.h5", o, bp_weight=0.5), TypeError,
            "no bp_weight",
        ),
        (
            lambda f, o: hinton06.extend(f / "cws.h5", o, bp_rate=0.1), TypeError,
            "its net's coefficient, 0: no bp_rate",
        ),
        (lambda f, o: hinton06.extend(f / "stack.h5", o), hinton06.RunError, "is needed"),
        (lambda _, o: hinton06.finetune_from_random(o), TypeError, "either a split, or nets"),
        (
            lambda f, o: hinton06.finetune_from_random(o, "a", [f / "bp.h5"]), TypeError,
            "either a split, or nets",
        ),
        (
            lambda f, o: hinton06.finetune_from_random(o, criteria=[f / "bp.h5"], labelled=10),
            TypeError, "labelled goes with a split",
        ),
        (
            lambda f, o: hinton06.finetune_from_random(o, criteria=[f / "stack.h5"]),
            hinton06.RunError, "classifier is needed",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_one_line_and_makes_no_file(
    call: Any, error: type[Exception], words: str, starts: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=re.escape(words)) as caught:
        call(starts, tmp_path / "net.h5")
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


# -- what is handed over -------------------------------------------------------------------------


def test_other_arrays_are_other_data(tmp_path: Path, digits_dir: Path) -> None:
    digits = mnist.load(digits_dir)
    for array in (digits.train_images, digits.train_labels, digits.test_images, digits.test_labels):
        with pytest.raises(ValueError, match="read-only"):
            array[:1] = 0
    same = dataclasses.replace(digits, train_images=digits.train_images.copy())
    assert mnist.as_they_are(same) is same
    other = dataclasses.replace(digits, test_images=255 - digits.test_images)
    nets = {
        name: hinton06.pretrain(tmp_path / f"{name}.h5", data=data, **SMALL)
        for name, data in (("same", same), ("other", other))
    }
    identities = {name: net.record.lineage.data for name, net in nets.items()}
    assert identities["same"] == digits.sha256 != identities["other"]
    with pytest.raises(hinton06.RunError, match=r"does not say where its images are"):
        hinton06.finetune_bp(nets["other"], tmp_path / "bp.h5", max_epochs=1)
    tuned = hinton06.finetune_bp(nets["other"], tmp_path / "bp.h5", max_epochs=1, data=other)
    assert tuned.record.lineage.data == identities["other"]


def test_shuffled_data_are_known_again(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(10, dtype=np.uint8), 6)
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 5), np.uint8)
    arrays = dict(zip(("x_train", "y_train", "x_test", "y_test"),
                      (images, labels, images[::6], labels[::6]), strict=True))  # fmt: skip
    np.savez(tmp_path / "x.npz", **arrays)
    digits = mnist.load(tmp_path / "x.npz")
    assert digits.shuffled
    assert mnist.as_they_are(digits) is digits
    turned = dataclasses.replace(digits, train_labels=digits.train_labels[::-1].copy())
    assert mnist.as_they_are(turned).sha256 != digits.sha256


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"seed": "a"}, TypeError, "seed is of type int, not 'a'"),
        ({"seed": 1.5}, TypeError, "seed is of type int, not 1.5"),
        ({"seed": True}, TypeError, "seed is of type int, not True"),
        ({"seed": -1}, ValueError, "seed is 0 or more, not -1"),
        ({"seed": 2**63}, ValueError, "seed is at most 9223372036854775807"),
        ({"threads": 1.5}, TypeError, "threads is of type int, not 1.5"),
        ({"threads": 0}, ValueError, "threads is 1 or more, not 0"),
        ({"layers": 10}, TypeError, "layers is of type tuple, not 10"),
        ({"layers": (10.5, 4)}, TypeError, "layers is of type int, not 10.5"),
        ({"labelled": -5}, ValueError, "labelled is 0 or more, not -5"),
        ({"translations": 9}, ValueError, "translations is at most 8, not 9"),
        ({"passes": 1.5}, TypeError, "passes is of type int, not 1.5"),
    ],
)
def test_what_is_no_such_number_is_named(
    tmp_path: Path, given: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        hinton06.pretrain(tmp_path / "net.h5", **{**SMALL, **given})
    assert not list(tmp_path.iterdir())


def test_what_is_remarkable_of_images_is_said_to_who_watches(
    tmp_path: Path, tiny_digits: mnist.Digits, progress: Any
) -> None:
    dark = dataclasses.replace(
        tiny_digits, train_images=255 - tiny_digits.train_images,
        test_images=255 - tiny_digits.test_images,
    )  # fmt: skip
    hinton06.pretrain(tmp_path / "x.h5", data=dark, progress=progress, **SMALL)
    (note,) = progress.notes
    assert "its images are dark on a light ground" in note


@pytest.mark.parametrize("out", ["", ".", Path()])
def test_a_file_to_make_has_a_name(out: Any) -> None:
    with pytest.raises(ValueError, match="out is the path of a file to make, not"):
        hinton06.pretrain(out, **SMALL)


def test_numbers_may_be_numpy_s(tmp_path: Path, digits_dir: Path) -> None:
    given = {"seed": np.int64(3), "layers": np.array([12, 10]), "passes": np.uint8(1)}
    more = {"threads": np.int32(1), "labelled": np.int64(50), "translations": np.int8(1)}
    made = hinton06.pretrain(tmp_path / "net.h5", data=digits_dir, recipe="quick", **given, **more)
    lineage = hinton06.load(made.path).record.lineage
    assert (lineage.seed, lineage.images, lineage.translations) == (3, 50, 1)


def test_a_net_of_more_threads_than_there_are_goes_on_with_those(
    starts: Path, tmp_path: Path, digits_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checkpoint.load(starts / "stack.h5")
    found.lineage["threads"] = 3
    checkpoint.save(tmp_path / "stack.h5", found)
    for usable, used in ((2, 2), (8, 3)):
        monkeypatch.setattr(native, "usable_threads", lambda n=usable: n)
        run_ = learning._Run.of("backprop", {"data": digits_dir}, [tmp_path / "stack.h5"])
        assert run_.common["threads"] == used


def test_limits_are_numbers_that_can_be_given() -> None:
    assert [learning._whole("translations", n, 0, 8) for n in (0, 8)] == [0, 8]


def test_dropout_is_gone_on_with_unless_something_else_is_said() -> None:
    recipe = RECIPES["tr2006"]

    def start(recipe: str = "tr2006", **own: Any) -> Any:
        settings = RECIPES[recipe].settings_with("backprop", own)
        under = conditions(**implied(settings))
        return SimpleNamespace(
            kind=SimpleNamespace(part="backprop"), settings=settings, conditions=under,
            recipe=recipe,
        )  # fmt: skip

    def carried(start: Any, extends: bool = False, part: str = "backprop", **given: Any) -> Any:
        return learning.carried_by(start, part, given, recipe, extends)

    plain, changed = start(), start(rate=0.7, decay=0.1, patience=3)
    assert carried(plain, True) == {}
    assert carried(changed) == {}
    assert carried(changed, True) == {"decay": 0.1}  # the others are of a first run alone
    assert carried(changed, True, "wakesleep") == {}
    dropout = start(dropout=True, pixel_dropout=0.05, epochs=7, extension_epochs=3)
    own = {"dropout": True, "pixel_dropout": 0.05}
    assert carried(dropout) == own
    assert carried(dropout, True) == own | {"extension_epochs": 3}
    assert carried(dropout, rate=0.1, dropout=None) == own
    for given in (True, False):  # who says so says all of it
        assert carried(dropout, dropout=given) == {}
    moved = start(dropout=True, adversarial=0.5, virtual=0.7, neighbours=3, neighbour_away=1.0)
    all_ways = {"dropout": True, "adversarial": 0.5, "virtual": 0.7, "neighbours": 3,
                "neighbour_away": 1.0}  # fmt: skip
    assert carried(moved) == carried(moved, True) == all_ways
    # Of a recipe that is not known here all is carried that the run's own has otherwise.
    custom = start(decay=0.1, dropout=True)
    custom.recipe = "custom"
    assert carried(custom, True) == {"decay": 0.1, "dropout": True}
    # What the recipe has by itself need not be carried.
    recipe = RECIPES["neighbours"]
    assert carried(start("neighbours")) == {}
    assert carried(start("neighbours", neighbour_away=1.0)) == {"neighbour_away": 1.0}
