"""The tour on a terminal and in a file: its keys, its end, and the commands that it names."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run
from rich.console import Console
from terminal import Terminal

from hinton06 import checkpoint, loading
from hinton06.report import energies
from hinton06.report.bars import bars
from hinton06.tour import STAGES, Step, Tour

DIGITS = Path(__file__).parent / "data" / "version-1" / "digits"
OPTIONS = ["--data", DIGITS, "--threads", 1]
PROMPT = "a key goes on"
MORE_STOPS = 1 + 1 + 3  # at the beginning, behind the features, and behind each of three digits
SHOWN = [step for stage in STAGES for step in stage.steps if step.show is not None]
MADE = {
    "pretrain-a.h5", "pretrain-labels-a.h5", "cws-a.h5", "bp-a.h5", "bp-not-pretrained.h5",
    "figure3-pretrain-a.png", "figure3-pretrain-a.svg", "figure3-pretrain-a.json",
    "figure2-bp-a.png", "figure2-bp-a.svg", "figure2-bp-a.json", "energies.png",
    "one-layer.png", "samples-pretrain-a.png", "samples-pretrain-labels-a.png",
    "samples-cws-a.png", "wander.gif",
}  # fmt: skip


def take(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The tour where nothing is a terminal."""
    command = [sys.executable, "-m", "hinton06", "tour", *map(str, [*OPTIONS, *arguments])]
    return subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the whole tour was taken, its output in a file; and that."""
    folder = tmp_path_factory.mktemp("taken")
    done = take(folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture
def again(taken: tuple[Path, str], tmp_path: Path) -> Path:
    """A folder with all that the tour learned."""
    (tmp_path / "tour").mkdir()
    for path in (taken[0] / "tour").glob("*.h5"):
        shutil.copy(path, tmp_path / "tour")
    return tmp_path


@pytest.fixture
def on_terminal() -> Iterator[Callable[..., Terminal]]:
    """Takes the tour on terminals."""
    opened: list[Terminal] = []

    def start(folder: Path, *arguments: object, **more: Any) -> Terminal:
        opened.append(Terminal("tour", *arguments, folder=folder, **more))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


# -- in a file -------------------------------------------------------------------------------


def test_in_a_file_the_whole_tour_is_plain_text_and_waits_for_nothing(
    taken: tuple[Path, str],
) -> None:
    folder, printed = taken
    assert printed.isascii()
    assert "\x1b" not in printed
    assert PROMPT not in printed
    assert {path.name for path in (folder / "tour").iterdir()} == MADE
    flowing = " ".join(printed.split())
    place = 0
    for stage in STAGES:
        for text in (stage.title, f'"{stage.sentence}"', f"the chapter, {stage.section}"):
            place = flowing.index(text, place)
        for step in stage.steps:
            assert (step.words in flowing) == (step.show is not None)
    for line in printed.splitlines():
        assert len(line) <= 80 or line.startswith("$ "), line


def test_numbers_that_the_tour_tells_are_those_of_its_files(taken: tuple[Path, str]) -> None:
    folder, printed = taken
    flowing = " ".join(printed.split())
    for name in ("pretrain-labels-a", "cws-a", "bp-a", "bp-not-pretrained"):
        outcome = checkpoint.load(folder / "tour" / f"{name}.h5").outcome
        assert f"test: {outcome['test']['errors']} errors of 60" in flowing
    compared = printed.partition("Errors on the test cases:\n")[2].splitlines()[:4]
    assert [int(line.split()[-1]) for line in compared] == [
        checkpoint.load(folder / "tour" / f"{name}.h5").outcome["test"]["errors"]
        for name in ("pretrain-labels-a", "cws-a", "bp-not-pretrained", "bp-a")
    ]


def test_the_commands_that_the_tour_names_do_what_it_did(
    taken: tuple[Path, str], again: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They find every net finished, with their own arguments, and make every picture again."""
    monkeypatch.chdir(again)
    learned = 0
    for command in re.findall(r"^\$ hinton06 (.*)$", taken[1].partition("To go on")[0], re.M):
        words = shlex.split(command)
        more = [] if "--threads" in words else ["--threads", "1"]
        result = run(*words, *more)
        assert result.exit_code == 0, f"{command}: {result.output}"
        if words[0] in ("pretrain", "finetune-bp", "finetune-cws"):
            assert "already finished" in result.stdout, command
            learned += 1
    assert learned == 5
    pictures = MADE - {"energies.png"}
    for name in sorted(pictures):
        theirs, ours = (taken[0] / "tour" / name).read_bytes(), (again / "tour" / name).read_bytes()
        assert theirs == ours, name


def test_commands_are_for_the_folder_and_the_data_that_were_given() -> None:
    commands = ("hinton06 figures tour/tour.h5 --only 3 --out tour", "x tour/a.h5 | head")
    step = Step(commands=(*commands, "hinton06 pretrain --recipe quick --runs tour"))
    console = Console(file=io.StringIO())
    assert step.typed(Tour(Path("tour"), console)) == list(step.commands)
    assert step.typed(Tour(Path("my tour/b"), console, Path("own data"), 3)) == [
        "hinton06 figures 'my tour/b'/tour.h5 --only 3 --out 'my tour/b'",
        "x 'my tour/b'/a.h5 | head",
        "hinton06 pretrain --recipe quick --runs 'my tour/b' --data 'own data' --threads 3",
    ]
    for data, given in ((loading.MNIST, "mnist"), (Path("mnist"), "./mnist")):
        tour = Tour(Path("tour"), console, data, transposed=True)
        assert step.typed(tour)[2].endswith(f"--runs tour --data {given} --transposed")


def test_what_is_there_is_learned_anew_if_forced(again: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (again / "tour").glob("*.h5")}
    done = take(again, "--force", "--quiet")
    assert done.returncode == 0
    assert all(line.startswith("hinton06: ") for line in done.stderr.splitlines())
    assert "already finished" not in done.stdout
    for path, time in before.items():
        assert path.stat().st_mtime_ns > time


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--data", "missing"], 1, "missing"),
        (["--out", __file__], 2, "--out"),
        (["--out", "file/tour"], 1, "cannot be written"),
        (["--threads", "0"], 2, "--threads"),
        (["--no-pauses"], 2, "--no-pause"),
        (["recognise"], 2, "recognise"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    given = arguments if "--data" in arguments else ["--data", str(DIGITS), *arguments]
    result = run("tour", *given)
    assert result.exit_code == code
    assert words in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output


def test_a_folder_of_other_nets_is_refused_in_one_line(again: Path) -> None:
    done = take(again, "--data", "mnist")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("hinton06: tour/pretrain-a.h5: made with other arguments: data was ")
    assert "--force" in line


def test_nets_that_were_made_with_other_threads_are_kept_and_told_once(again: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (again / "tour").iterdir()}
    done = take(again, "--threads", "2")
    assert done.returncode == 0
    told = [
        line for line in done.stderr.splitlines() if "was made with threads 1, and not 2" in line
    ]
    assert [line.split()[1] for line in told] == [
        f"tour/{name}.h5:"
        for name in ("pretrain-a", "pretrain-labels-a", "cws-a", "bp-a", "bp-not-pretrained")
    ]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_data_as_strangers_have_them(tmp_path: Path, to_idx: Callable[[Any], bytes]) -> None:
    """Transposed, with labels that leave gaps, one class after the other: which is said once."""
    names, rng = np.array([3, 5, 200]), np.random.default_rng(7)
    (tmp_path / "mnist").mkdir()  # no name of the data inside
    for part, n in (("train", 120), ("t10k", 30)):
        labels = np.sort(np.arange(n) % 3)
        pixels = rng.integers(0, 100, (n, 7, 5))
        pixels[np.arange(n), labels] += 150
        for kind, array in (
            ("images-idx3", pixels.transpose(0, 2, 1)), ("labels-idx1", names[labels])
        ):  # fmt: skip
            (tmp_path / "mnist" / f"{part}-{kind}-ubyte").write_bytes(to_idx(array))
    done = take(tmp_path, "--data", "./mnist", "--transposed")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("its cases are shuffled") == 1
    titles = re.findall(r"guesses: test case \d+, label (\d+)", done.stdout)
    assert titles
    assert set(map(int, titles)) <= set(names)
    for title in titles:
        (bars_below,) = re.findall(
            rf"guesses: test case \d+, label {title}\b.*\n((?:.*\n){{4}})", done.stdout
        )[:1]
        assert re.findall(r"(?:^|  )(3|5|200) ", bars_below, re.M) == ["3", "5", "200"]
    assert "--recipe quick --watch --runs tour --data ./mnist --transposed" in done.stdout
    assert checkpoint.load(tmp_path / "tour" / "bp-a.h5").lineage["classes"] == [3, 5, 200]


# -- on a terminal ---------------------------------------------------------------------------


def test_on_a_terminal_the_whole_tour_goes_on_key_by_key(
    tmp_path: Path, on_terminal: Callable[..., Terminal]
) -> None:
    terminal = on_terminal(tmp_path, *OPTIONS)
    terminal.asks(PROMPT)
    assert not (tmp_path / "tour").exists()
    assert STAGES[0].sentence not in terminal.printed
    for number in range(len(SHOWN) + MORE_STOPS):
        terminal.asks(PROMPT, number + 1)
        assert terminal.rows[terminal.screen.cursor.y].startswith(PROMPT)
        terminal.press(" ")
    assert terminal.code() == 0
    assert terminal.left_as_it_was()
    assert {path.name for path in (tmp_path / "tour").iterdir()} == MADE
    assert not any(PROMPT in row for row in terminal.rows)
    assert "first-layer features" in terminal.printed  # drawn while they were learned
    assert "▀" in terminal.printed
    assert "█" in terminal.printed


@pytest.mark.parametrize(
    ("columns", "lines", "more"), [(40, 10, []), (20, 6, ["--quiet"]), (200, 60, [])]
)
def test_the_tour_is_no_wider_than_the_terminal_and_learns_nothing_twice(
    columns: int, lines: int, more: list[str], again: Path, on_terminal: Callable[..., Terminal]
) -> None:
    """What is wrapped by the terminal itself, at 1000 columns, was too wide for the tour."""
    before = {path: path.stat().st_mtime_ns for path in (again / "tour").iterdir()}
    size = {"COLUMNS": str(columns), "LINES": str(lines)}
    arguments = [*OPTIONS, "--no-pause", *more]
    terminal = on_terminal(again, *arguments, columns=1000, lines=lines, **size)
    assert terminal.code() == 0, terminal.printed
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.printed)
    for line in re.split(r"[\r\n]+", plain):
        a_bar = "|" in line and "%" in line  # as wide as there is room
        assert len(line.rstrip()) <= min(columns, 80) or line.startswith("$ ") or a_bar, line
    assert "".join(plain.split()).count("alreadyfinished") == 5
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("stop", [1, 4])
def test_q_ends_the_tour_where_it_is(
    stop: int, again: Path, on_terminal: Callable[..., Terminal]
) -> None:
    terminal = on_terminal(again, *OPTIONS)
    for number in range(1, stop + 1):
        terminal.asks(PROMPT, number)
        terminal.press(" " if number < stop else "q")
    assert terminal.code() == 0
    assert terminal.printed.count(PROMPT) == stop
    assert terminal.rows[terminal.screen.cursor.y - 1].startswith("What was made lies in tour;")
    assert terminal.left_as_it_was()


def test_keys_that_were_pressed_too_early_skip_nothing(
    again: Path, on_terminal: Callable[..., Terminal]
) -> None:
    terminal = on_terminal(again, *OPTIONS)
    terminal.press("qqq")
    terminal.asks(PROMPT)
    terminal.press(" ")
    terminal.asks(PROMPT, 2)
    terminal.press("Q")
    assert terminal.code() == 0


@pytest.mark.parametrize(
    ("how", "code"),
    [("key", 130), (signal.SIGINT, 130), (signal.SIGTERM, 143)],
    ids=["Ctrl-C", "INT", "TERM"],
)
def test_stopped_at_a_prompt_it_leaves_the_terminal_as_it_was(
    how: Any, code: int, again: Path, on_terminal: Callable[..., Terminal]
) -> None:
    terminal = on_terminal(again, *OPTIONS)
    terminal.asks(PROMPT)
    if how == "key":
        terminal.press("\x03")
    else:
        terminal.process.send_signal(how)
    assert terminal.code() == code
    assert terminal.left_as_it_was()
    assert "start again to go on" in terminal.rows[terminal.screen.cursor.y - 1]
    assert "Traceback" not in terminal.printed


def test_the_end_of_input_at_a_prompt_ends_the_tour(
    again: Path, on_terminal: Callable[..., Terminal]
) -> None:
    terminal = on_terminal(again, *OPTIONS)
    terminal.asks(PROMPT)
    terminal.press("\x04")
    assert terminal.code() == 0
    assert terminal.left_as_it_was()


def test_stopped_while_a_net_is_learned_it_keeps_the_epoch(
    tmp_path: Path, on_terminal: Callable[..., Terminal]
) -> None:
    """All of MNIST, so that an epoch takes long enough to be stopped in."""
    terminal = on_terminal(tmp_path, "--no-pause")
    terminal.shows("first-layer features", 2)
    terminal.press("\x03")
    assert terminal.code() == 130
    assert terminal.left_as_it_was()
    assert "start again to go on" in terminal.rows[terminal.screen.cursor.y - 1]
    assert "Traceback" not in terminal.printed
    assert not terminal.screen.cursor.hidden
    partial = checkpoint.load(tmp_path / "tour" / "pretrain-a.h5.part")
    assert len(partial.history["recon_error"]) >= 1  # whole ones, when and as it was stopped


# -- what it draws ---------------------------------------------------------------------------


def test_bars_are_as_long_as_their_numbers_and_fit() -> None:
    rows = [("a", 0.0, "none"), ("bb", 5.0, "half"), ("c", 10.0, "all")]
    lines = [line.plain for line in bars(rows, 28, Console(file=io.StringIO()))]
    assert lines == ["a  none", f"bb {'#' * 10} half", f"c  {'#' * 20} all"]
    assert [len(line) for line in lines][2] == 27
    narrow = [line.plain for line in bars(rows, 12, Console(file=io.StringIO()))]
    assert narrow == ["a  none", "bb half", "c  all"]
    screen = Console(file=io.StringIO(), force_terminal=True)
    assert bars(rows, 28, screen)[2].plain == f"c  {'█' * 20} all"
    assert bars([("a", 0.0, "0")], 20, screen)[0].plain == "a 0"


def test_the_surest_and_least_sure_right_guesses_are_shown_and_the_surest_wrong_one() -> None:
    found = np.array([[5, 7, 9], [1, 9, 3], [4, 2, 2.5], [8, 3, 1], [8, 1, 9], [0, 6, 5]])
    labels = np.array([0, 0, 1, 2, 0, 2])
    # Leads 2, 2, 0.5, 2 are right, those of cases 4 and 5 are wrong: 7 and 5.
    right, close, wrong = energies.choose(found, labels)
    assert [case.test_case for case in (right, close, wrong)] == [0, 2, 4]
    np.testing.assert_array_equal(right.above, [0, 2, 4])
    np.testing.assert_array_equal(wrong.above, [7, 0, 8])
    assert (wrong.label, wrong.guess) == (0, 1)
    assert wrong.title == "The surest of the wrong guesses: test case 4, label 0, taken for 1"
    assert close.title == "The least sure of the right guesses: test case 2, label 1"
    assert [case.test_case for case in energies.choose(found[:4], labels[:4])] == [0, 2]
    assert [case.test_case for case in energies.choose(found[4:], labels[4:])] == [0]


def test_a_digit_stands_beside_the_bars_of_its_ten_energies() -> None:
    above = np.array([0.0, 10.0, 5.0])
    case = energies.Shown(7, 2, "Sure", above)
    printed = io.StringIO()
    console = Console(file=printed, width=60)
    console.print(energies.text(case, np.ones((4, 6)), console))
    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    assert [line[:6] for line in lines] == ["@@@@@@", "@@@@@@", "      "]
    assert lines[0].split()[1:] == ["0", "0.00", "the", "guess"]
    assert [line.count("#") for line in lines] == [0, 35, 18]
    assert lines[2].endswith("5.00 its label")


def test_nothing_is_drawn_of_the_energies_that_the_net_does_not_say(
    taken: tuple[Path, str],
) -> None:
    """The numbers beside the bars are the net's free energies above the lowest."""
    folder, printed = taken
    tour = Tour(folder / "tour", Console(file=io.StringIO()), DIGITS, 1)
    found = tour.dreamer.free_energy(tour.digits.test_images)
    cases = energies.choose(found, tour.digits.test_labels)
    for case in cases:
        block = printed.partition(case.title)[2].splitlines()[1 : 1 + found.shape[1]]
        shown = [float(re.search(r"\d+\.\d\d", line)[0]) for line in block]  # type: ignore[index]
        exact = found[case.test_case] - found[case.test_case].min()
        assert shown == [float(f"{value:.2f}") for value in exact.astype(np.float64)]
