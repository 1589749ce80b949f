"""What --watch draws on a terminal while a net is learned."""

from __future__ import annotations

import dataclasses
import io
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyte
import pytest
from commands import run
from rich.console import Console
from terminal import Terminal

from hinton06 import checkpoint, experiments
from hinton06.cli import watch
from hinton06.cli.display import Display
from hinton06.cli.watch import Watch
from hinton06.loading import Context
from hinton06.mnist import Digits
from hinton06.recipes import RECIPES, PretrainSettings
from hinton06.report import grids
from hinton06.training import Watcher

DIGITS = Path(__file__).parent / "data" / "version-1" / "digits"
TINY = ["--recipe", "quick", "--layers", "12-12-20", "--passes", "3", "--threads", "1"]


class Screen:
    """A console whose frames can be looked at, one by one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, width: int = 80, height: int = 24) -> None:
        self.written = io.StringIO()
        colours: dict[str, Any] = {"force_terminal": True, "color_system": "truecolor"}
        console = Console(file=self.written, width=width, height=height, _environ={}, **colours)
        monkeypatch.setattr(watch, "_console", lambda: console)
        monkeypatch.setattr(watch, "_PAUSE_S", 0.0)
        monkeypatch.setattr(watch, "_SHARE", 1e9)

    def frame(self) -> list[str]:
        """What was drawn since the last call, without styles."""
        text = self.written.getvalue()
        self.written.seek(0)
        self.written.truncate()
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "").split("\n")

    def seen(self) -> pyte.Screen:
        """A terminal that was sent all that was drawn."""
        terminal = pyte.Screen(80, 24)
        pyte.Stream(terminal).feed(self.written.getvalue().replace("\n", "\r\n"))
        return terminal

    def greys(self) -> list[int]:
        """The grey levels of half blocks that were drawn since the last call."""
        found = re.findall(r"38;2;(\d+);\d+;\d+;48;2;(\d+)", self.written.getvalue())
        return [int(level) for pair in found for level in pair]


@pytest.fixture
def weights() -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).normal(size=(784, 30)).astype(np.float32)


def row(epoch: int, **more: float) -> dict[str, float]:
    return {"valid_errors": 300.0 - epoch, "valid_cost": 9.0 - epoch / 10, **more}


def watched(weights: Any, shape: tuple[int, int] = (28, 28)) -> Watch:
    drawn = Watch()
    drawn.watch(lambda: weights, shape)
    drawn.begin("finetune-bp a", 0, 100)
    return drawn


# -- on a screen -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [(80, 24), (44, 16), (79, 24), (20, 6), (200, 60), (80, 10), (16, 40)]
)
@pytest.mark.parametrize("shape", [(28, 28), (16, 49), (112, 7)])
def test_a_frame_is_no_larger_than_the_terminal(
    size: tuple[int, int], shape: tuple[int, int], weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(monkeypatch, *size)
    drawn = watched(weights, shape)
    for epoch in range(1, 6):
        drawn.epoch(f"epoch {epoch}", row(epoch), 20 * epoch, 100)
        screen.frame()
    drawn.tick(1)
    frame = screen.frame()
    assert len(frame) <= size[1]
    if size[1] >= 10 and shape == (28, 28):
        assert "..." not in frame[-1]  # what rich puts where a frame is cut off
    least = 15 if shape != (112, 7) else 1  # one picture is as wide as it is
    assert max(map(len, frame)) <= max(size[0], least)
    drawn.end()


def test_features_are_drawn_as_they_are_now(weights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    weights[:] = 0
    drawn = watched(weights)
    assert set(screen.greys()) == {128}
    screen.frame()
    weights[:392] = 1  # the upper half of every image
    drawn.tick(1)
    assert set(screen.greys()) == {128, 255}
    screen.frame()
    weights[392:] = -2
    drawn.tick(1)
    assert set(screen.greys()) == {191, 0}
    assert "10 first-layer features; 2 is white, -2 black" in screen.frame()[1]
    weights[:] = np.nan
    drawn.tick(1)
    assert set(screen.greys()) == {128}
    drawn.end()


@pytest.mark.parametrize("height", [24, 30, 31, 40, 60])
def test_curves_go_from_the_first_epoch_to_the_last(
    height: int, weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(monkeypatch, height=height)
    drawn = watched(weights)
    drawn.epoch("epoch 1", row(1), 20, 100)
    assert not any("errors, " in line for line in screen.frame()[2:])
    for epoch in (2, 3):
        drawn.epoch(f"epoch {epoch}", row(epoch), 20 * epoch, 100)
    frame = screen.frame()[-6:]
    assert "validation errors, 3 epochs" in frame[0]
    assert "validation cost, 3 epochs" in frame[0]
    left = [line[: len(line) // 2] for line in frame]
    assert re.search(r"[▀▄▌▐▖▗▘▝▚▞█▙▛▜▟]", left[2])
    drawn.end()


def test_every_layer_of_a_stack_has_a_curve_of_its_own(
    weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(monkeypatch)
    drawn = watched(weights)
    for epoch in range(1, 4):
        drawn.epoch(f"layer 1 epoch {epoch}", {"layer": 1, "recon_error": 9.0 - epoch}, epoch, 9)
    assert "reconstruction error, 3 epochs" in "".join(screen.frame())
    drawn.epoch("layer 2 epoch 1", {"layer": 2, "recon_error": 9.0}, 4, 9)
    assert "reconstruction error" not in "".join(screen.frame())
    drawn.end()


def test_without_uniplot_a_line_says_how_to_get_curves(
    weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uniplot", None)
    screen = Screen(monkeypatch)
    drawn = watched(weights)
    drawn.epoch("epoch 1", row(1), 20, 100)
    drawn.epoch("epoch 2", row(2), 40, 100)
    assert screen.frame()[-1] == "curves are drawn by uniplot: pip install 'hinton06[watch]'"
    drawn.end()


def test_the_bar_says_where_the_run_is_and_what_matters_most(
    weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(monkeypatch, width=100)
    drawn = watched(weights)
    drawn.epoch("epoch 7", row(7), 40, 160)
    text = " ".join(screen.frame())
    assert "finetune-bp a epoch 7: valid. 8.30, 293 errors" in text
    assert "25%" in text
    drawn.tick(40)
    assert "50%" in " ".join(screen.frame())
    drawn.note("something to know")
    assert screen.frame()[0] == "hinton06: something to know"
    drawn.end()


def test_a_bar_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """One might be refused, which tqdm would say with a line of source code."""
    from tqdm import tqdm  # noqa: PLC0415

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(tqdm, "monitor_interval", 10)
    before, display = set(threading.enumerate()), Display()
    display.begin("pretrain a", 0, 10)
    assert set(threading.enumerate()) <= before
    display.end()


def test_several_runs_share_the_bar(weights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    drawn = Watch(parts=4)
    drawn.watch(lambda: weights, (28, 28))
    drawn.skip()
    drawn.begin("pretrain b", 0, 100)
    assert "25%" in " ".join(screen.frame())
    drawn.epoch("layer 1 epoch 1", {"layer": 1, "recon_error": 9.0}, 50, 100)
    assert "38%" in " ".join(screen.frame())
    drawn.end()


def test_drawing_takes_a_small_share_of_the_time(
    weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock of its own: a frame takes a second, a tick a hundredth."""
    screen, clock, frames = Screen(monkeypatch), [0.0], [0]
    monkeypatch.setattr(watch, "_SHARE", 0.05)
    monkeypatch.setattr("hinton06.cli.watch.time.monotonic", lambda: clock[0])

    def refresh(_live: Any) -> None:
        clock[0] += 1
        frames[0] += 1

    monkeypatch.setattr(watch.Live, "refresh", refresh)
    drawn = watched(weights)
    started, before = clock[0], frames[0]
    for _ in range(10_000):
        clock[0] += 0.01
        drawn.tick(0.01)
    made, passed = frames[0] - before, clock[0] - started
    assert 4 <= made <= 0.05 * passed
    assert screen is not None
    drawn.end()


@pytest.mark.parametrize("keep", [True, False])
def test_the_last_frame_stays_if_it_is_to(
    keep: bool, weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(monkeypatch)
    drawn = Watch(keep=keep)
    drawn.watch(lambda: weights, (28, 28))
    drawn.begin("pretrain a", 0, 100)
    drawn.epoch("layer 1 epoch 1", {"layer": 1, "recon_error": 9.0}, 50, 100)
    seen = screen.seen()
    assert any("▀" in line for line in seen.display)
    assert not seen.cursor.hidden  # so that nothing is left hidden by a process that is killed
    drawn.end()
    seen = screen.seen()
    assert any("▀" in line for line in seen.display) == keep
    assert any(line.strip() for line in seen.display) == keep
    assert not seen.cursor.hidden


# -- of a run --------------------------------------------------------------------------------


class Looking:
    """A `Watcher` that looks at each tick."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray[Any, Any]] = []
        self.shape = (0, 0)
        self.told = ""

    def watch(self, weights: Callable[[], Any], shape: tuple[int, int]) -> None:
        self.weights, self.shape = weights, shape
        self.told += "watch "

    def begin(self, *_: Any) -> None:
        self.told += "begin "

    def tick(self, _: float) -> None:
        self.seen.append(self.weights().copy())

    def epoch(self, *_: Any) -> None:
        pass

    def note(self, _: str) -> None:
        pass

    def end(self) -> None:
        self.told += "end"


def test_a_watcher_sees_the_first_features_of_whatever_is_learned(
    tmp_path: Path, tiny_digits: Digits, tiny_pretrain: PretrainSettings
) -> None:
    looking = Looking()
    assert isinstance(looking, Watcher)
    context = Context(tiny_digits, looking)
    stack, labels, bp, cws = (tmp_path / f"{name}.h5" for name in ("s", "labels", "bp", "cws"))
    experiments.pretrain(context, stack, "a", tiny_pretrain)
    assert looking.told == "watch begin end"
    assert looking.shape == (28, 28)
    made = checkpoint.load(stack).model["rbm1"]["weights"]
    changed = [
        not np.array_equal(a, b) for a, b in zip(looking.seen, looking.seen[1:], strict=False)
    ]
    batches = -(-500 // tiny_pretrain.batch)
    assert changed[: 2 * batches - 1] == [True] * (2 * batches - 1)  # two passes of the first layer
    assert not any(changed[2 * batches :])
    np.testing.assert_array_equal(looking.seen[-1], made)
    looking.seen.clear()
    backprop = dataclasses.replace(RECIPES["quick"].backprop, max_epochs=1)
    experiments.finetune(context, bp, stack, backprop)
    assert looking.seen[0].shape == made.shape
    assert not np.array_equal(looking.seen[0], looking.seen[-1])
    looking.seen.clear()
    experiments.pretrain(context, labels, "a", tiny_pretrain, labels=True, lower=stack)
    np.testing.assert_array_equal(looking.seen[-1], made)
    looking.seen.clear()
    settings = dataclasses.replace(RECIPES["quick"].wakesleep, epochs=1)
    experiments.finetune_generative(context, cws, labels, settings)
    assert looking.seen[0].shape == made.shape
    assert not np.array_equal(looking.seen[0], looking.seen[-1])


# -- the option ------------------------------------------------------------------------------


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: object, **more: Any) -> Terminal:
        opened.append(Terminal(*arguments, folder=tmp_path, **more))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def pretrained(path: Path, *more: str) -> Any:
    words = ["pretrain", "--split", "a", "--data", str(DIGITS), "--out", str(path), *TINY, *more]
    return run(*words)


def test_what_is_watched_comes_out_the_same(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    words = ["pretrain", "--split", "a", "--data", DIGITS, "--out", "watched.h5", *TINY, "--watch"]
    watching = terminal(*words)
    assert watching.code() == 0, watching.printed
    assert "▀" in watching.printed
    assert any("reconstruction error, 3 epochs" in line for line in watching.rows)  # it stays
    assert watching.left_as_it_was()
    assert not watching.screen.cursor.hidden
    assert pretrained(tmp_path / "plain.h5").exit_code == 0
    one, other = (checkpoint.load(tmp_path / f"{name}.h5") for name in ("watched", "plain"))
    assert one.digest() == other.digest()


def test_where_standard_error_is_no_terminal_a_line_says_so(tmp_path: Path) -> None:
    result = pretrained(tmp_path / "a.h5", "--watch")
    assert result.exit_code == 0
    first, *others = result.stderr.splitlines()
    assert first.startswith("hinton06: --watch draws where standard error is a terminal")
    assert len(others) == 9
    assert all(line.startswith("pretrain a layer ") for line in others)


def test_a_terminal_that_cannot_be_drawn_on_gets_lines(terminal: Callable[..., Terminal]) -> None:
    words = ["pretrain", "--split", "a", "--data", DIGITS, *TINY, "--watch"]
    dumb = terminal(*words, TERM="dumb")
    assert dumb.code() == 0
    assert "--watch draws where" in dumb.printed
    assert "▀" not in dumb.printed


@pytest.mark.parametrize("other", ["--quiet", "--plain"])
@pytest.mark.parametrize("command", ["pretrain", "finetune-bp", "finetune-cws"])
def test_watching_quietly_is_a_mistake(command: str, other: str) -> None:
    start = ["--split", "a"] if command == "pretrain" else [__file__]
    result = run(command, *start, "--watch", other)
    assert result.exit_code == 2
    assert "--watch goes without --quiet and --plain" in result.stderr


# -- receptive fields in text ----------------------------------------------------------------


def test_fields_in_plain_characters_are_blank_at_zero() -> None:
    fields = np.zeros((16, 2))
    fields[:4, 0], fields[12:, 0] = 1, -1
    fields[:, 1] = np.repeat([0.5, -0.5, 0.5, -0.5], 4)
    plain = Console(file=io.StringIO(), width=80)
    lines, white = grids.field_lines(fields, (4, 4), plain)
    assert white == 1
    # Two rows of pixels are a line: the mean of 1 and 0, and of 0.5 and -0.5.
    assert [line.plain for line in lines] == ["++++", "----"]


def test_fields_stand_in_rows_with_an_empty_line_between() -> None:
    plain = Console(file=io.StringIO(), width=20)
    lines, _ = grids.field_lines(np.ones((24, 7)), (4, 6), plain)
    across, high = grids.preview_size((4, 6), plain)
    assert (across, high) == (3, 2)
    shown = [line.plain for line in lines]
    assert [len(line) for line in shown] == [20, 20, 0, 20, 20, 0, 6, 6]
    assert set("".join(shown)) == {"#", " "}
