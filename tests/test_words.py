"""What commands say on a terminal, when they are stopped and when they cannot write."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_cli import fails_in_one_line, on_a_terminal, run

from hinton06 import checkpoint, evaluation, loading
from hinton06.cli.display import Display

OLD = Path(__file__).parent / "data" / "version-1"
DATA = ["--data", OLD / "digits", "--quiet", "--threads", "1"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """The lines that stay: each has what was written last, after a carriage return."""
        lines = (line.rpartition("\r")[2] for line in self.getvalue().split("\n"))
        return [text for line in lines if (text := re.sub(r"\x1b\[[0-9;]*[A-Z]", "", line).strip())]


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error, from now on."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    return made


# -- bars ------------------------------------------------------------------------------------


def go(display: Display, title: str, share: float = 1.0) -> None:
    display.begin(title, 0, 10)
    for _ in range(3):
        display.tick(10 / 3 * share)
    display.end()


@pytest.mark.parametrize(("keep", "left"), [(True, 1), (False, 0)])
def test_parts_that_share_a_bar_leave_no_bar_of_each(
    keep: bool, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = terminal_of(monkeypatch)
    display = Display(parts=3, keep=keep)
    for title in ("one", "two", "three"):
        go(display, title)
    assert [line.split()[0] for line in terminal.screen()] == ["three"][:left]
    assert left == 0 or "100%" in terminal.screen()[0]


def test_a_bar_stays_where_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    display = Display(parts=3, keep=False)
    go(display, "one")
    go(display, "two", 0.5)
    (line,) = terminal.screen()
    assert line.startswith("two")
    assert "50%" in line


def test_evaluating_several_nets_leaves_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    context = loading.Context(loading.mnist.read(OLD / "digits"), Display(parts=2, keep=False))
    evaluation.evaluate(context, [OLD / "bp-a.h5", OLD / "bp-a-extended.h5"])
    assert "evaluate bp-a.h5" in terminal.getvalue()
    assert terminal.screen() == []


# -- stopped ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"),
    [("pretrain", "start again to go on"), ("finetune-cws", "start again to go on"),
     ("sample", "started again, it starts over"), ("evaluate", "started again, it starts over")],
)  # fmt: skip
def test_only_what_goes_on_is_said_to_go_on(command: str, words: str) -> None:
    program = (
        "import signal\n"
        "import hinton06.__main__, hinton06.cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "hinton06.cli.main = lambda **_: signal.raise_signal(signal.SIGINT)\n"
        "hinton06.__main__.start()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, command], capture_output=True, text=True,
                           timeout=60, check=False)  # fmt: skip
    assert ended.returncode == 130
    assert ended.stderr.strip() == f"hinton06: stopped; {words}"


# -- what cannot be written ------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("work was done")

    for place in ("evaluation.evaluate", "sampling.sample", "demo.make", "report.figures.draw"):
        monkeypatch.setattr(f"hinton06.{place}", never)
    inside = tmp_path / "file" / "inside"
    net = OLD / "cws-a.h5"
    for command in (
        ["evaluate", net, "--save", inside],
        ["sample", net, "--out", inside / "x.png"],
        ["figures", net, "--out", inside],
        ["demo", net, "-o", inside / "x.html"],
    ):
        fails_in_one_line(run(*command, *DATA), 1, f"{command[-1]}: cannot be written")


@pytest.mark.parametrize(
    "command", [["evaluate", OLD / "bp-a.h5", *DATA], ["table1", OLD], ["generative", OLD]]
)
def test_what_was_measured_is_printed_though_it_cannot_be_saved(
    command: list[object], tmp_path: Path
) -> None:
    """A folder stands where a file has to."""
    name = {"evaluate": "methods"}.get(str(command[0]), str(command[0]))
    (tmp_path / f"{name}.md").mkdir()
    result = run(*command, "--save", tmp_path)
    fails_in_one_line(result, 1, f"{name}.md", "cannot be written")
    assert result.stdout == run(*command).stdout != ""


# -- show ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["show"], ["table1"], ["generative"]])
@pytest.mark.parametrize("width", [40, 80, 200, None])
def test_no_line_ends_with_spaces(command: list[object], width: int | None) -> None:
    command = [*command, OLD / "bp-a-extended.h5" if command == ["show"] else OLD]
    lines = on_a_terminal(width, *command) if width else run(*command).stdout.splitlines()
    assert len(lines) > 5
    assert [line for line in lines if line != line.rstrip()] == []


def test_seconds_are_shown_to_a_tenth_and_kept_whole() -> None:
    file = OLD / "bp-a-extended.h5"
    seconds = checkpoint.load(file).provenance["seconds"]
    shown = dict(
        line.split(None, 1) for line in run("show", file).stdout.splitlines() if " " in line
    )
    assert shown["seconds"] == f"{seconds:.1f}"
    assert f'"seconds": {seconds!r}' in run("show", file, "--json").stdout


# -- depth -----------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", ["6-5", "6", "6-5-4-3"])
def test_a_stack_of_labels_that_nothing_could_fine_tune_is_refused_at_once(
    layers: str, tmp_path: Path
) -> None:
    made = run(
        "pretrain", "--split", "a", "--labels", "--layers", layers, "--runs", tmp_path, *DATA
    )
    fails_in_one_line(made, 1, "three layers (Figure 4)", f"not {layers}")
    assert not list(tmp_path.iterdir())
