"""What people type, and where they point, by mistake: one line that says what to do, no harm."""

from __future__ import annotations

import errno
import importlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from test_cli import PRETRAIN, fails_in_one_line, run

import hinton06
from hinton06 import console, hearing
from hinton06.checkpoint import CheckpointError
from hinton06.cli import main
from hinton06.files import check_replaceable
from hinton06.loading import load
from hinton06.mnist import Digits
from hinton06.recipes import RECIPES, GoesWithError
from hinton06.recognition import Cases
from hinton06.report import curves, support
from hinton06.report.files import ReportError, save
from hinton06.stacking import GreedyStack
from hinton06.training import Interrupted, RunError

OLD = Path(__file__).parent / "data" / "version-1"
TOP = Path(__file__).parents[1]
LONG = "a" * 300
PATHS = [
    (name, option)
    for name, command in main.commands.items()
    for option in command.params
    if isinstance(option, click.Option) and isinstance(option.type, click.Path)
]
ARGUMENTS = [
    (name, argument)
    for name, command in main.commands.items()
    for argument in command.params
    if isinstance(argument, click.Argument) and isinstance(argument.type, click.Path)
]


def named(found: list[tuple[str, Any]]) -> list[str]:
    return [f"{name} {parameter.name}" for name, parameter in found]


# -- settings ------------------------------------------------------------------------------------


IDLE = [
    (("finetune-bp", "pretrain-a", "--line-searches", "4"), "--optimiser cg"),
    (("finetune-bp", "pretrain-a", "--optimiser", "cg", "--rate", "0.1"), "--optimiser momentum"),
    (("finetune-bp", "pretrain-a", "--optimiser", "cg", "--decay", "0.1"), "--optimiser momentum"),
    (("finetune-bp", "pretrain-a", "--no-importance-sampling", "--easy-probability", "1"),
     "--importance-sampling"),
    (("finetune-bp", "pretrain-a", "--dropout", "--easy-probability", "1"),
     "--importance-sampling"),
    (("finetune-bp", "pretrain-a", "--dropout", "--easy-cost", "1"), "--importance-sampling"),
    (("finetune-bp", "pretrain-a", "--smoothing", "3"), "--elastic"),
    (("finetune-bp", "pretrain-a", "--max-norm", "3"), "--dropout"),
    (("finetune-cws", "pretrain-labels-a", "--bp-rate", "1"),
     "--bp-weight above 0 or --search-bp-weight"),
    (("finetune-cws", "pretrain-labels-a", "--bp-weights", "0.1,0.2"), "--search-bp-weight"),
    (("finetune-cws", "pretrain-labels-a", "--search-bp-weight", "--bp-weight", "0.1"),
     "--no-search-bp-weight"),
    (("finetune-cws", "pretrain-labels-a", "--persistent-rounds", "3", "--persistent-share", "0"),
     "--persistent-share"),
    (("finetune-cws", "pretrain-labels-a", "--generative", "pretraining", "--gibbs", "3"),
     "--generative wake-sleep"),
    (("finetune-cws", "pretrain-labels-a", "--recon-states", "all"), "--generative pretraining"),
    (("pretrain", "--split", "a", "--sparsity-target", "0.2"), "--sparsity-cost above 0"),
    (("pretrain", "--split", "a", "--early-epochs", "0", "--early-momentum", "0.2"),
     "--early-epochs"),
    (("pretrain", "--split", "a", "--passes", "3", "--updates", "5"), "--updates 0"),
    (("finetune-pairs", "pretrain-a", "pretrain-a", "--passes", "0", "--rate", "1"), "--passes"),
    (("finetune-pairs", "pretrain-a", "pretrain-a", "--epochs", "0", "--gibbs", "3"), "--epochs"),
    (("strategies", "--taught", "0", "--taught-rate", "1"), "--taught"),
    (("replicate", "--seeds", "0", "--set", "backprop.line_searches=4"), "optimiser=cg"),
    (("replicate", "--seeds", "0", "--recipe", "dropout", "--set", "backprop.easy_probability=1"),
     "importance_sampling"),
    (("replicate", "--seeds", "0", "--set", "pretrain.sparsity_target=0.2"),
     "sparsity_cost above 0"),
    (("replicate", "--seeds", "0", "--each", "cws", "--set", "wakesleep.bp_rate=0.2"),
     "bp_weight above 0 or search_bp_weight"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "other"), IDLE, ids=[" ".join(typed) for typed, _ in IDLE])
def test_a_setting_that_says_nothing_by_the_others_is_a_mistake(
    typed: tuple[str, ...], other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = [OLD / f"{word}.h5" if (OLD / f"{word}.h5").exists() else word for word in typed]
    result = run(*files, "--data", OLD / "digits")
    assert result.exit_code == 2, result.output
    assert "goes with" in result.stderr
    assert other in result.stderr.partition("goes with")[2]
    assert result.stderr.count("Error:") == 1
    assert not list(tmp_path.iterdir())


def test_a_part_of_a_recipe_that_nothing_learned_asks_is_a_mistake() -> None:
    for each, name in (("cws", "backprop.rate=1"), ("nets", "wakesleep.rate=1")):
        result = run("replicate", "--seeds", "0", "--each", each, "--set", name)
        part = name.partition(".")[0]
        fails_in_one_line(result, 2, f"--set: {part} says nothing with --each {each}")
    for each, name in (("labelled", "all_cases_rate"), ("translated", "initial_scale")):
        result = run("replicate", "--seeds", "0", "--each", each, "--set", f"backprop.{name}=1")
        fails_in_one_line(result, 2, f"--set: backprop.{name} says nothing with --each {each}")
    chains = ["--set", "pretrain.persistent=yes", "--set", "pretrain.recon_states=all"]
    fails_in_one_line(run("replicate", "--seeds", "0", *chains), 2, "pretrain.recon_states says")


def test_what_is_learned_together_can_be_set() -> None:
    replicate = importlib.import_module("hinton06.cli.replicate")
    for each, changes in (
        ("hybrid", {"wakesleep.bp_weights": (0.5, 0.9), "wakesleep.bp_rate": 0.5}),
        ("cws", {"wakesleep.persistent_rounds": 3, "pretrain.initial_sd": 0.02}),
        ("nets", {"pretrain.sparsity_target": 0.2, "pretrain.sparsity_cost": 0.1}),
        ("labelled", {"backprop.valid_every": 5, "backprop.patience": 50}),
        ("translated", {"backprop.dropout": True, "backprop.max_norm": 3.0}),
    ):
        replicate._check_used(RECIPES["tr2006"].with_values(changes), changes, each)


def test_an_extension_without_mixed_gradients_has_no_rate_of_backpropagation() -> None:
    result = run("finetune-cws", "--extend", OLD / "cws-a.h5", "--bp-rate", "0.5",
                 "--data", OLD / "digits")  # fmt: skip
    fails_in_one_line(result, 2, "the net's own coefficient, which is 0, without --bp-rate")
    with pytest.raises(TypeError, match="0: no bp_rate"):
        hinton06.extend(OLD / "cws-a.h5", "more.h5", bp_rate=0.5)


def test_an_extension_of_mixed_gradients_has_a_rate_of_backpropagation(tmp_path: Path) -> None:
    """Its coefficient is the net's own, and no option's."""
    made = run("finetune-cws", "--extend", OLD / "hybrid-a.h5", "--data", OLD / "digits",
               "--epochs", "1", "--bp-rate", "0.01", "--out", tmp_path / "more.h5",
               "--quiet")  # fmt: skip
    assert made.exit_code == 0, made.output
    assert load(tmp_path / "more.h5").settings.bp_rate == 0.01


# -- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "option"), PATHS, ids=named(PATHS))
def test_an_empty_name_is_a_mistake_and_not_the_working_folder(
    command: str, option: click.Option, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(command, f"{option.opts[0]}=", *[OLD / "bp-a.h5"] * 2)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert "is empty" in result.stderr or "File '' does not exist" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "argument"), ARGUMENTS, ids=named(ARGUMENTS))
def test_a_name_that_is_too_long_is_one_of_nothing(command: str, argument: click.Argument) -> None:
    before = [OLD / "bp-a.h5"] * (argument.name == "other")
    after = [OLD / "bp-a.h5"] * (argument.name in ("one", "images"))
    form = ["--to", "npz"] if command == "export" else []
    for name in (LONG, f"{LONG}.h5"):
        result = run(command, *before, name, *after, *form)
        assert (result.exit_code, type(result.exception)) == (2, SystemExit), result.exception
        assert "there is no such file" in result.stderr or "does not exist" in result.stderr


def test_a_file_to_make_whose_name_is_too_long_is_refused_at_once(digits_dir: Path) -> None:
    command = ["pretrain", "--split", "a", "--data", digits_dir, "--recipe", "quick", "--quiet"]
    for force in ([], ["--force"]):
        result = run(*command, "--out", f"{LONG}.h5", *force)
        fails_in_one_line(result, 1, "cannot be written: File name too long")


# -- places that others use ----------------------------------------------------------------------


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    """A socket that somebody listens at: as little a plain file as ``/dev/null`` is."""
    place = tmp_path / "kept.html"
    with socket.socket(socket.AF_UNIX) as listening:
        before = os.getcwd()
        os.chdir(tmp_path)  # the name of a socket may not be long
        listening.bind(place.name)
        os.chdir(before)
        yield place


def test_what_is_no_plain_file_is_never_replaced(pipe: Path, digits_dir: Path) -> None:
    reason = "what is there is not a plain file"
    command = ["pretrain", "--split", "a", "--data", digits_dir, "--recipe", "quick", "--quiet"]
    result = run(*command, "--out", pipe, "--force")
    fails_in_one_line(result, 1, f"{pipe}: cannot be written: {reason}")
    for ending, made in (
        ("html", ["demo", OLD / "cws-a.h5"]),
        ("png", ["sample", OLD / "cws-a.h5", "--data", digits_dir]),
        ("npz", ["export", OLD / "bp-a.h5", "--to", "npz"]),
    ):
        place = pipe.rename(pipe.with_suffix(f".{ending}"))
        fails_in_one_line(run(*made, "--out", place), 1, f"cannot be written: {reason}")
        pipe = place
    assert pipe.is_socket()
    with pytest.raises(ReportError, match=reason):
        save(pipe, "a page")
    assert [path.name for path in pipe.parent.iterdir()] == [pipe.name]


def test_a_folder_in_the_place_of_a_net_is_said_before_anything_is_learned(
    tmp_path: Path, digits_dir: Path
) -> None:
    (tmp_path / "net.h5").mkdir()
    with pytest.raises(CheckpointError, match="cannot be written: Is a directory"):
        hinton06.pretrain(
            tmp_path / "net.h5", split="a", data=digits_dir, recipe="quick", layers=(3,), force=True
        )
    assert [path.name for path in tmp_path.iterdir()] == ["net.h5"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    check_replaceable(tmp_path / "link")
    check_replaceable(tmp_path / "nothing")
    with pytest.raises(OSError, match="Is a directory") as caught:
        check_replaceable(tmp_path)
    assert caught.value.errno == errno.EISDIR


def test_log_probabilities_are_not_estimated_for_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("hinton06.estimation.estimate", lambda *_: pytest.fail("too late"))
    result = run("likelihood", OLD / "pretrain-a.h5", "--save", tmp_path / "file" / "within")
    fails_in_one_line(result, 1, "cannot be written")


# -- what a stopped command says ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "goes_on"),
    [
        ("", True), ("pretrain --split a", True), ("replicate --seeds 0", True), ("tour", True),
        ("finetune-pairs a b", True), ("strategies", True), ("svm --save there", True),
        ("svm --save=there", True), ("svm --split a", False), ("likelihood a", False),
    ],
)  # fmt: skip
def test_a_command_that_is_stopped_says_whether_it_goes_on(typed: str, goes_on: bool) -> None:
    assert console.goes_on(typed.split()) == goes_on


@pytest.mark.parametrize(
    ("typed", "without"),
    [
        ("pretrain --split all --force", True), ("pretrain --force --split=all", True),
        ("tour --force", True), ("replicate --seeds 0,1 --force", True),
        ("pretrain --split a --force", False), ("pretrain --split all", False),
        ("finetune-bp a.h5 --force", False),
    ],
)  # fmt: skip
def test_what_was_finished_with_force_is_said_to_be_made_anew(typed: str, without: bool) -> None:
    said = console.then(True, typed.split())
    assert said.startswith("start again to go on")
    assert ("; --force makes the rest anew" in said) == without
    assert console.then(False, typed.split()) == "started again, it starts over"


def test_a_forced_command_of_several_nets_goes_on_as_its_last_line_says(
    tmp_path: Path, digits_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["pretrain", "--split", "all", "--runs", str(tmp_path), "--data", str(digits_dir),
             "--quiet", *PRETRAIN]  # fmt: skip
    learn, nets = GreedyStack.run_epoch, []

    def stopped(self: Any, tick: Any) -> Any:
        nets.append(self)
        if len({*map(id, nets)}) == 2:
            os.kill(os.getpid(), 15)
        return learn(self, tick)

    monkeypatch.setattr(GreedyStack, "run_epoch", stopped)
    monkeypatch.setattr(sys, "argv", ["hinton06", *typed, "--force"])
    result = run(*typed, "--force")
    assert result.exit_code == 128 + 15
    said = "start again to go on with what is not finished; --force makes the rest anew"
    assert said in result.stderr
    monkeypatch.setattr(GreedyStack, "run_epoch", learn)
    finished, unfinished = tmp_path / "pretrain-a.h5", tmp_path / "pretrain-b.h5.part"
    before = finished.stat().st_mtime_ns
    assert unfinished.exists()
    assert run(*typed, "--force").exit_code == 0
    assert finished.stat().st_mtime_ns > before
    assert not unfinished.exists()
    assert (tmp_path / "pretrain-c.h5").exists()


def test_a_script_that_is_stopped_says_so_in_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, console.stopped_in_a_line():
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capfd.readouterr().err == "stopped\n"


def test_every_script_that_has_a_main_is_stopped_in_a_line() -> None:
    scripts = [p.read_text("utf-8") for p in sorted(TOP.glob("experiments/*/*.py"))]
    ends = [text.partition('if __name__ == "__main__":')[2] for text in scripts]
    mains = [end for end in ends if "main(" in end and "COMMANDS" not in end]
    assert len(mains) > 20
    assert all("with stopped_in_a_line():" in end for end in mains)


@pytest.mark.parametrize("saved", [False, True])
def test_support_vectors_of_images_that_could_leave_their_frame_are_refused_first(
    saved: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr(support.Machines, "learn", lambda *_: pytest.fail("too late"))
    more = ["--save", tmp_path / "svm"] if saved else []
    narrow = tmp_path / "narrow"
    narrow.mkdir()
    for name, n in (("train", 60), ("t10k", 20)):
        images, labels = np.zeros((n, 1, 9), np.uint8), (np.arange(n) % 3).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            (narrow / f"{name}-{kind}-ubyte").write_bytes(
                bytes([0, 0, 8, array.ndim])
                + b"".join(size.to_bytes(4, "big") for size in array.shape)
                + array.tobytes()
            )
    result = run("svm", "--data", narrow, "--split", "a", "--translations", "1", *more)
    fails_in_one_line(result, 1, "translations of up to 1 pixels leave nothing")
    assert not (tmp_path / "svm").exists()


@pytest.mark.parametrize("option", ["--chains", "--temperatures", "--rounds"])
def test_what_an_exact_log_z_makes_no_use_of_is_said(
    option: str, tmp_path: Path, digits_dir: Path
) -> None:
    small = tmp_path / "small.h5"
    run("pretrain", "--split", "a", "--data", digits_dir, *PRETRAIN, "--layers", "6",
        "--out", small)  # fmt: skip
    for more, said in (([], True), (["--quiet"], False)):
        result = run("likelihood", small, option, "3", "--data", digits_dir, *more)
        assert result.exit_code == 0, result.output
        assert (f"hinton06: {option} changes nothing here" in result.stderr) == said
    assert "changes nothing" not in run("likelihood", small, "--data", digits_dir).stderr


@pytest.mark.parametrize(
    ("part", "given", "name", "others"),
    [
        ("pretrain", {"passes": 1, "final_share": 0.5}, "final_share", ["passes above 1"]),
        ("directed", {"epochs": 1, "final_share": 0.5}, "final_share", ["epochs above 1"]),
        ("pairs", {"passes": 1, "memory_share": 0.5}, "memory_share", ["passes above 1"]),
        ("pairs", {"epochs": 1, "final_share": 0.5}, "final_share", ["epochs above 1"]),
    ],
)
def test_a_share_of_the_last_rate_needs_a_last_one_that_is_not_the_first(
    part: str, given: dict[str, Any], name: str, others: list[str]
) -> None:
    with pytest.raises(GoesWithError) as refused:
        RECIPES["tr2006"].settings_with(part, given)
    assert (refused.value.name, list(refused.value.others)[:1]) == (name, others)
    longer = {key: 2 if value == 1 else value for key, value in given.items()}
    assert getattr(RECIPES["tr2006"].settings_with(part, longer), name) == 0.5
    if part == "pretrain":
        by_updates = {"updates": 50, "final_share": 0.5}
        assert RECIPES["tr2006"].settings_with(part, by_updates).final_share == 0.5


@pytest.mark.parametrize("kept", [False, True])
def test_support_vectors_that_are_kept_nowhere_are_not_gone_on_with(
    kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits_dir: Path
) -> None:
    pytest.importorskip("sklearn")
    learn = support.Machines.learn

    def stopped(self: Any, *arguments: Any) -> Any:
        os.kill(os.getpid(), 15)
        return learn(self, *arguments)

    monkeypatch.setattr(support.Machines, "learn", stopped)
    saved = ["--save", tmp_path / "svm"] if kept else []
    result = run("svm", "--data", digits_dir, "--split", "a", "--quiet", *saved)
    assert result.exit_code == 128 + 15
    then = "start again to go on" if kept else "started again, it starts over"
    assert result.stderr == f"hinton06: stopped by SIGTERM; {then}\n"
    assert Interrupted(15).goes_on


# -- too few cases --------------------------------------------------------------------------------


def test_recordings_that_lack_a_class_are_one_line() -> None:
    images, recordings = (
        Cases(np.zeros((len(labels), 4), np.uint8), np.array(labels, np.uint8))
        for labels in ([0, 2, 1], [2, 0, 0])
    )
    second: Any = type("Digits", (), {"classes": (3, 5, 7), "name": "there"})
    few = hearing.HearingOptions(cases=3)
    with pytest.raises(
        RunError, match="none of class 5 among 3 test cases of there; raise --cases"
    ):
        hearing._check_pairs((images, recordings), second, few)
    with pytest.raises(RunError, match=r"none of class 5 among 3 test cases of there$"):
        hearing._check_pairs((images, recordings), second, hearing.HearingOptions(cases=4))
    hearing._check_pairs((recordings, images), second, few)


# -- pictures of curves ----------------------------------------------------------------------------


def test_no_title_of_a_curve_is_cut_off() -> None:
    """Whatever its axis needs beside it: here the widest that the learning curves have."""
    figure = curves._alone([curves.Curve("bp-a", "C0", load(OLD / "bp-a.h5"))], curves.PANELS[2])
    axes, every = figure.axes[0], {panel.title: panel for panel in curves.PANELS}
    axes.set(ylabel=2 * "an axis of two lines\n", ylim=(-0.0123, 0.0123))
    for panel in every.values():
        for marks in ([curves._DOTS], [curves._DOTS, curves._DOTTED]):
            axes.set_title(curves.titled(panel, marks))
            figure.draw_without_rendering()
            box = axes.title.get_window_extent()
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, axes.get_title()


# -- what is there already -----------------------------------------------------------------------


def test_what_a_run_starts_from_is_not_replaced_by_it(tmp_path: Path, digits_dir: Path) -> None:
    stack, tiny = tmp_path / "stack.h5", ["--recipe", "quick", "--threads", 1]
    made = run("pretrain", "--split", "a", "--data", digits_dir, "--out", stack, *tiny,
               "--layers", "9-9", "--passes", 1)  # fmt: skip
    assert made.exit_code == 0, made.output
    before = stack.read_bytes()
    again = run("finetune-bp", stack, "--out", stack, "--force")
    fails_in_one_line(again, 1, "is what this starts from, and is not replaced")
    assert stack.read_bytes() == before
    for _ in range(2):  # what was made from it is
        made = run("finetune-bp", stack, "--out", tmp_path / "bp.h5", "--force", "--max-epochs", 1)
        assert made.exit_code == 0, made.output


def test_names_of_files_are_shown_in_one_line(tmp_path: Path) -> None:
    odd = tmp_path / "new\nline\x1b[31m.h5"
    odd.write_bytes(b"nothing")
    (tmp_path / "bp-a.h5").write_bytes((OLD / "bp-a.h5").read_bytes())
    shown = run("table1", tmp_path)
    assert shown.exit_code == 0, shown.output
    assert r"new\nline\x1b[31m.h5" in shown.stdout
    assert "\x1b" not in shown.stdout
    fails_in_one_line(run("show", odd), 1, r"new\nline\x1b[31m.h5")


def test_what_is_remarkable_of_images_is_said_to_the_quiet_too(
    tmp_path: Path, tiny_digits: Digits, to_idx: Any
) -> None:
    for part, images, labels in (
        ("train", tiny_digits.train_images, tiny_digits.train_labels),
        ("t10k", tiny_digits.test_images, tiny_digits.test_labels),
    ):
        dark = 255 - images.reshape(-1, *tiny_digits.shape)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(to_idx(dark))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(to_idx(labels))
    made = run("pretrain", "--split", "a", "--data", tmp_path, "--out", tmp_path / "x.h5", "-q",
               "--recipe", "quick", "--layers", "9", "--passes", 1, "--threads", 1)  # fmt: skip
    assert made.exit_code == 0, made.output
    assert "its images are dark on a light ground" in made.stderr
    assert "pass 1" not in made.stderr
