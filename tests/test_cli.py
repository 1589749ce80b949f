"""Every command: what it prints when it works, and the one line it prints when it cannot."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import Result
from commands import run

from hinton06 import checkpoint, loading
from hinton06.cli import main
from hinton06.recipes import RECIPES

COMMANDS = (
    "pretrain", "finetune-bp", "finetune-cws", "finetune-ws", "evaluate", "combine", "sample",
    "table1", "replicas", "translated", "wake-sleep", "unlabelled", "generative", "figures", "show",
    "demo", "likelihood", "fingerprints", "heard", "finetune-pairs", "report", "compare",
    "strategies", "recognise", "export", "tour", "help", "completion",
)  # fmt: skip
PRETRAIN = ["--layers", "12-10-14", "--passes", "2", "--recipe", "quick", "--threads", "1"]
BACKPROP = ["--max-epochs", "3", "--patience", "1", "--recipe", "quick", "--threads", "1"]


def on_a_terminal(width: int, *arguments: object) -> list[str]:
    """The lines that a command prints on a terminal so wide, without their styles."""
    result = run(*arguments, FORCE_COLOR="1", TERM="xterm", COLUMNS=str(width))
    assert result.exit_code == 0, result.output
    return re.sub(r"\x1b\[[0-9;]*m", "", result.stdout).splitlines()


def maker(digits_dir: Path) -> Callable[..., None]:
    """Runs commands that train on those digits and must succeed."""

    def make(*arguments: object) -> None:
        made = run(*arguments, "--data", digits_dir, "--quiet")
        assert made.exit_code == 0, made.output

    return make


def fails_in_one_line(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    lines = result.stderr.strip().splitlines()
    message = lines[-1] if code == 1 else result.stderr.partition("Error:")[2]
    for word in words:
        assert word in message
    assert "Traceback" not in result.output
    assert code == 2 or len(lines) == 1


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """All of Table 1 in a folder, by the commands that README gives."""
    folder, make = tmp_path_factory.mktemp("runs"), maker(digits_dir)
    make("pretrain", "--split", "all", "--runs", folder, *PRETRAIN)
    for split in "abc":
        make("finetune-bp", folder / f"pretrain-{split}.h5", *BACKPROP)
        make("finetune-bp", "--extend", folder / f"bp-{split}.h5", *BACKPROP)
    nets = [folder / f"bp-{split}.h5" for split in "abc"]
    make("finetune-bp", "--no-pretraining", *nets, *BACKPROP)
    return folder


# -- help and usage ------------------------------------------------------------------------------


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert command in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_fits_80_columns(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if re.search(r"\w-$", line)]  # no name is broken
    assert result.output == run("help", command).output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pretrain"], ["--split"]),
        (["pretrain", "--split", "d"], ["--split", "'d'"]),
        (["pretrain", "--split", "a", "--layers", "500,500"], ["--layers", "500-500-2000"]),
        (["pretrain", "--split", "a", "--passes", "0"], ["--passes"]),
        (["pretrain", "--split", "a", "--momentum", "1"], ["--momentum"]),
        (["pretrain", "--split", "a", "--rate", "fast"], ["--rate"]),
        (["pretrain", "--split", "a", "--recipe", "tr2007"], ["--recipe", "tr2006"]),
        (["pretrain", "--split", "a", "--threads", "0"], ["--threads"]),
        (["pretrain", "--split", "a", "--seed", "-1"], ["--seed"]),
        (["pretrain", "--split", "all", "--out", "x.h5"], ["--out", "--split all"]),
        (["pretrain", "--split", "a", "--sizes", "5"], ["--sizes"]),
        (["finetune-bp"], ["CHECKPOINT"]),
        (["finetune-bp", "missing.h5"], ["missing.h5"]),
        (["finetune-bp", "--no-pretraining"], ["--no-pretraining"]),
        (["finetune-bp", "--extend", "missing.h5"], ["missing.h5"]),
        (["finetune-cws"], ["START"]),
        (["finetune-cws", "missing.h5"], ["missing.h5"]),
        (["pretrain", "--split", "a", "--labels", "yes"], ["yes"]),
        (["evaluate"], ["CHECKPOINTS"]),
        (["evaluate", "--method", "guess", __file__], ["--method", "free-energy"]),
        (["combine", "missing.h5"], ["missing.h5"]),
        (["table1", "missing"], ["missing"]),
        (["show", "missing.h5"], ["missing.h5"]),
        (["tabel1"], ["tabel1"]),
    ],
)
def test_a_mistake_on_the_command_line_is_named_and_exits_2(
    arguments: list[str], words: list[str]
) -> None:
    fails_in_one_line(run(*arguments), 2, *words)


@pytest.mark.parametrize(
    "command",
    [["pretrain", "--split", "a"], ["finetune-bp", __file__], ["finetune-cws", __file__]],
    ids=lambda command: command[0],
)
def test_every_number_of_a_recipe_refuses_what_is_no_number(command: list[str]) -> None:
    """NaN is neither below nor above any limit."""
    parameters = main.commands[command[0]].params
    options = [p.opts[0] for p in parameters if isinstance(p.type, click.FloatRange)]
    assert len(options) >= 5
    for option in options:
        fails_in_one_line(run(*command, option, "nan"), 2, option)


def test_modes_of_finetune_bp_exclude_each_other(runs: Path) -> None:
    net, stack = runs / "bp-a.h5", runs / "pretrain-a.h5"
    fails_in_one_line(run("finetune-bp", stack, "--extend", net), 2, "--extend")
    fails_in_one_line(run("finetune-bp", "--extend", net, "--no-pretraining"), 2, "--extend")
    fails_in_one_line(run("finetune-bp", stack, stack), 2, "one pretrained")
    fails_in_one_line(run("finetune-bp", stack, "--layers", "5"), 2, "--layers")
    for mode in (["--extend", net], ["--no-pretraining", net]):
        fails_in_one_line(run("finetune-bp", *mode, "--rate", "0.1"), 2, "--all-cases-rate")
    fails_in_one_line(run("finetune-bp", stack, "--all-cases-rate", "0.1"), 2, "--extend")
    fails_in_one_line(run("combine", net), 2, "two")


def test_an_extension_goes_on_with_the_settings_of_its_net(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    """And not with those that end a first run, or that are given."""
    net, other = tmp_path / "bp.h5", tmp_path / "other.h5"
    own = ["--optimiser", "cg", "--line-searches", "2", "--batch", "50", "--max-epochs", "3"]
    common = ["--data", digits_dir]
    made = run("finetune-bp", runs / "pretrain-a.h5", *own, *common, "--out", net)
    assert made.exit_code == 0, made.output
    for out, given in ((tmp_path / "on.h5", []), (other, ["--optimiser", "momentum"])):
        made = run("finetune-bp", "--extend", net, *given, "--out", out, *common)
        assert made.exit_code == 0, made.output
    on, usual = loading.load(tmp_path / "on.h5").settings, RECIPES["quick"].backprop
    assert (on.optimiser, on.line_searches, on.batch) == ("cg", 2, 50)
    assert on.max_epochs == usual.max_epochs != 3
    assert loading.load(other).settings.optimiser == "momentum"


def test_a_setting_that_a_mode_makes_no_use_of_is_said_to_change_nothing(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    """A script's options are the same for all modes, so it is no mistake."""
    net, stack = runs / "bp-a.h5", runs / "pretrain-a.h5"
    given = [*BACKPROP, "--valid-every", "1", "--initial-scale", "3", "--data", digits_dir]
    idle = {"--patience", "--valid-every", "--initial-scale"}
    modes: list[tuple[list[object], set[str]]] = [
        ([stack], {"--initial-scale"}),
        (["--extend", net], idle),
        (["--no-pretraining", net], {"--patience", "--valid-every"}),
        (["--no-pretraining", "--split", "a"], set()),
    ]
    for number, (mode, unused) in enumerate(modes):
        made = run("finetune-bp", *mode, *given, "--out", tmp_path / f"{number}.h5")
        assert made.exit_code == 0, made.output
        said = re.findall(r"(--\S+) changes nothing here", made.stderr)
        assert (set(said), len(said)) == (unused, len(unused))


def test_a_setting_that_pretraining_makes_no_use_of_is_said_to_change_nothing(
    digits_dir: Path, tmp_path: Path
) -> None:
    def made(*given: object) -> tuple[set[str], str]:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.h5"
        result = run(
            "pretrain", "--split", "a", "--data", digits_dir, "--out", out, *PRETRAIN, *given
        )
        assert result.exit_code == 0, result.output
        return set(re.findall(r"(--\S+) changes nothing", result.stderr)), loading.load(out).digest

    square = ["--layers", "12-10-12"]
    stack = tmp_path / "stack.h5"
    assert run("pretrain", "--split", "a", "--data", digits_dir, "--out", stack, *PRETRAIN,
               *square).exit_code == 0  # fmt: skip
    ways = {
        "--recon-states": (["--persistent"], ["--recon-states", "all"]),
        "--initial-sd": ([*square, "--on", stack, "--start", "transpose"], ["--initial-sd", "5"]),
        "--hidden-bias": ([*square, "--on", stack, "--start", "transpose"], ["--hidden-bias", "4"]),
    }
    for name, (common, idle) in ways.items():
        (none, plain), (said, digest) = made(*common), made(*common, *idle)
        assert (none, said) == (set(), {name})
        assert digest == plain  # it is true
    assert made("--recon-states", "all", "--initial-sd", "0.2", "--hidden-bias", "-1")[0] == set()


# -- what works ----------------------------------------------------------------------------------


def test_pretrain_prints_a_line_a_net_and_says_when_it_was_finished_before(
    tmp_path: Path, digits_dir: Path
) -> None:
    command = ["pretrain", "--split", "b", "--out", tmp_path / "b.h5", *PRETRAIN,
               "--data", digits_dir]  # fmt: skip
    first = run(*command)
    assert first.exit_code == 0
    assert "12-10-14, 2 passes a layer, finished in" in first.stdout
    assert "pretrain b layer 3 epoch 2: recon. error" in first.stderr
    again = run(*command)
    assert again.exit_code == 0
    assert "already finished" in again.stdout
    assert again.stderr == ""


def test_pretrain_refuses_other_arguments_until_forced(tmp_path: Path, digits_dir: Path) -> None:
    command = ["pretrain", "--split", "a", "--out", tmp_path / "a.h5", *PRETRAIN, "--quiet",
               "--data", digits_dir]  # fmt: skip
    assert run(*command).exit_code == 0
    before = (tmp_path / "a.h5").read_bytes()
    refused = run(*command, "--rate", "0.05")
    fails_in_one_line(refused, 1, "a.h5", "rate was 0.1, now 0.05", "--force")
    assert (tmp_path / "a.h5").read_bytes() == before
    assert run(*command, "--rate", "0.05", "--force").exit_code == 0
    assert checkpoint.load(tmp_path / "a.h5").settings["rate"] == 0.05


def test_json_goes_to_standard_output_alone(tmp_path: Path, digits_dir: Path) -> None:
    made = run("pretrain", "--split", "a", "--runs", tmp_path, *PRETRAIN, "--data", digits_dir,
               "--json")  # fmt: skip
    document = json.loads(made.stdout)
    assert document[0]["path"] == str(tmp_path / "pretrain-a.h5")
    assert document[0]["sha256"] == checkpoint.load(tmp_path / "pretrain-a.h5").digest()
    tuned = run("finetune-bp", tmp_path / "pretrain-a.h5", *BACKPROP, "--data", digits_dir,
                "--json")  # fmt: skip
    assert json.loads(tuned.stdout)["lineage"]["role"] == "validated"


def test_json_of_a_tracked_stack_has_what_its_last_epoch_measured(
    tmp_path: Path, digits_dir: Path
) -> None:
    made = run("pretrain", "--split", "a", "--runs", tmp_path, *PRETRAIN, "--data", digits_dir,
               "--track", "2", "--passes", "3", "--json")  # fmt: skip
    last = json.loads(made.stdout)[0]["last_epoch"]
    assert list(last) == ["layer", "layer_epoch", "rate", "recon_error", "seconds"]
    history = checkpoint.load(tmp_path / "pretrain-a.h5").history
    for name in ("log_z", "log_z_gap", "train_log_p", "valid_log_p"):
        assert np.flatnonzero(np.isfinite(history[name])).tolist() == [1, 4, 7]
    assert np.flatnonzero(np.isfinite(history["start_log_p"])).tolist() == [0, 3, 6]
    assert "train log p" in made.stderr


def test_more_gibbs_sampling_has_values_of_its_own_unless_others_are_given(
    tmp_path: Path, digits_dir: Path
) -> None:
    command = ["pretrain", "--split", "a", *PRETRAIN, "--data", digits_dir]
    own = RECIPES["quick"].variants["more Gibbs sampling"]
    for number, more in enumerate(
        (["--cd", "2"], ["--persistent"], ["--persistent", "--rate", "0.07"])
    ):
        path = tmp_path / f"{number}.h5"
        made = run(*command, *more, "--out", path)
        assert made.exit_code == 0, made.output
        settings = checkpoint.load(path).settings
        for name, (value, _) in own.items():
            setting = name.partition(".")[2]
            given = 0.07 if "0.07" in more and setting == "rate" else value
            assert settings[setting] == given
        assert run("show", path).stdout.count("assumed; see docs/assumptions.md") >= 3


def test_a_transpose_of_another_size_is_refused_before_anything_is_made(
    tmp_path: Path, digits_dir: Path
) -> None:
    command = ["pretrain", "--split", "a", *PRETRAIN, "--data", digits_dir]
    command += ["--out", tmp_path / "pretrain-a.h5"]
    refused = run(*command, "--start", "transpose")
    fails_in_one_line(refused, 1, "pretrain-a.h5", "layer 2 needs", "784, not 10")
    assert not list(tmp_path.iterdir())
    refused = run(*command, "--start", "transpose", "--layers", "6")
    fails_in_one_line(refused, 1, "pretrain-a.h5", "only layer has none below")
    assert not list(tmp_path.iterdir())
    made = run(*command, "--start", "transpose", "--layers", "6-784", "--track", "2", "--runs", "x")
    assert "--runs changes nothing beside --out" in made.stderr
    assert made.exit_code == 0, made.output
    history = checkpoint.load(tmp_path / "pretrain-a.h5").history
    # Sums of float32 of several hundred nats, on either side.
    assert history["start_log_p"][2] == pytest.approx(history["train_log_p"][1], abs=0.01)
    learned = run(*command, "--start", "transpose", "--layers", "6-784-6", "--passes", "1", "--out",
                  tmp_path / "top.h5", "--on", tmp_path / "pretrain-a.h5")  # fmt: skip
    fails_in_one_line(learned, 1, "below its top")


def test_finetune_bp_says_that_the_cap_was_hit(
    runs: Path, tmp_path: Path, digits_dir: Path
) -> None:
    made = run("finetune-bp", runs / "pretrain-a.h5", "--out", tmp_path / "capped.h5", *BACKPROP,
               "--patience", "50", "--data", digits_dir, "--quiet")  # fmt: skip
    assert made.exit_code == 0
    assert "stopped by the cap of 3 epochs" in made.stdout
    assert "before its stopping rule was met" in made.stderr


def test_evaluate_prints_the_scores_that_the_file_recorded(runs: Path, digits_dir: Path) -> None:
    outcome = checkpoint.load(runs / "bp-a.h5").outcome
    made = run("evaluate", runs / "bp-a.h5", "--json", "--confusion", "--data", digits_dir,
               "--threads", "1")  # fmt: skip
    by_part = {entry["part"]: entry for entry in json.loads(made.stdout)}
    for part, key in (("train", "train"), ("validation", "valid"), ("test", "test")):
        assert by_part[part]["errors"] == outcome[key]["errors"]
        assert by_part[part]["cost_per_100"] == pytest.approx(outcome[key]["cost_per_100"], 1e-6)
    confusion = np.array(by_part["test"]["confusion"])
    assert confusion.sum() - np.trace(confusion) == outcome["test"]["errors"]
    text = run("evaluate", runs / "bp-a.h5", runs / "bp-a-extended.h5", "--confusion",
               "--data", digits_dir)  # fmt: skip
    assert text.exit_code == 0
    assert "validation" in text.stdout
    assert "row the label, column the guess" in " ".join(text.stdout.split())


def test_evaluate_saves_which_classes_are_taken_for_which(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    asked = ("evaluate", runs / "bp-a.h5", "--part", "test", "--part", "validation",
             "--data", digits_dir, "--save", tmp_path)  # fmt: skip
    run(*asked, "--confusion")
    document = json.loads((tmp_path / "methods.json").read_text())
    for row in document["rows"]:
        matrix = np.array(row["confusion"])
        assert matrix.sum() - np.trace(matrix) == row["errors"]
        assert len(row["classes"]) == len(matrix)
    written = (tmp_path / "methods.md").read_text()
    for part in ("test", "validation"):
        title = f"{runs / 'bp-a.h5'}, {part}: row the label, column the guess"
        assert title in written
    run(*asked)
    assert "row the label" not in (tmp_path / "methods.md").read_text()
    assert "confusion" not in (tmp_path / "methods.json").read_text()


def test_combine_prints_each_net_and_the_product(runs: Path, digits_dir: Path) -> None:
    nets = [runs / f"bp-{split}.h5" for split in "abc"]
    entries = json.loads(run("combine", *nets, "--data", digits_dir, "--json").stdout)
    assert [entry["net"] for entry in entries[-2:]] == ["product", "product, no root"]
    assert entries[-1]["errors"] == entries[-2]["errors"]
    assert "product" in run("combine", *nets, "--data", digits_dir, "--confusion").stdout


def test_the_generative_half_from_pretraining_to_the_product(
    tmp_path: Path, digits_dir: Path, runs: Path
) -> None:
    data = ["--data", digits_dir, "--quiet"]
    short = ["--recipe", "quick", "--threads", "1", "--epochs", "2", "--gibbs", "1-2"]
    made = run("pretrain", "--labels", "--split", "a", "--runs", tmp_path, *PRETRAIN, *data)
    assert made.exit_code == 0, made.output
    made = run("finetune-cws", tmp_path / "pretrain-labels-a.h5", *short, *data)
    assert "the schedule's 2 epochs" in made.stdout
    assert "validation" in made.stdout
    made = run("finetune-cws", "--extend", tmp_path / "cws-a.h5", *short, *data, "--json")
    assert json.loads(made.stdout)["lineage"]["role"] == "extended"
    made = run("evaluate", tmp_path / "cws-a.h5", "--method", "all", "--passes", "2", "--rounds",
               "4", "--temperatures", "1", "--cases", "50", *data)  # fmt: skip
    assert made.exit_code == 0, made.output
    made = run("combine", tmp_path / "cws-a.h5", runs / "bp-a.h5", *data)
    assert "product" in made.stdout
    made = run("show", tmp_path / "cws-a.h5")
    assert "generative net" in " ".join(made.stdout.split())


def test_json_beside_another_format_is_refused(runs: Path) -> None:
    fails_in_one_line(
        run("table1", runs, "--json", "--format", "csv"), 2, "--json and --format csv"
    )
    same = [run("table1", runs, *how) for how in (["--json"], ["--json", "--format", "json"])]
    assert same[0].exit_code == same[1].exit_code == 0
    assert same[0].stdout == same[1].stdout
    assert json.loads(same[0].stdout)["rows"]


def test_table1_in_every_format(runs: Path, tmp_path: Path) -> None:
    shown = run("table1", runs)
    assert shown.exit_code == 0
    assert shown.stdout.count("chapter ") == 9
    assert "not pre-trained" in shown.stdout
    assert max(map(len, on_a_terminal(80, "table1", runs))) <= 80
    document = json.loads(run("table1", runs, "--json").stdout)
    assert [row["printed"]["test_errors"] for row in document["rows"]] == [
        122, 116, 124, 110, 113, 106, 118, 106, 227,
    ]  # fmt: skip
    outcome = checkpoint.load(runs / "bp-b.h5").outcome
    assert document["rows"][1]["measured"]["test_errors"] == outcome["test"]["errors"]
    assert document["rows"][1]["measured"]["epochs"] == str(outcome["epochs"])
    nets = [runs / f"bp-{split}-extended.h5" for split in "abc"]
    logs = np.mean([checkpoint.load(net).outcome["test_log_probs"] for net in nets], axis=0)
    errors = int((logs.argmax(1) != outcome["test_labels"]).sum())
    assert document["rows"][7]["measured"]["test_errors"] == errors
    records = list(csv.DictReader(io.StringIO(run("table1", runs, "--format", "csv").stdout)))
    assert len(records) == 18
    assert records[0]["test_errors"] == "122"
    saved = run("table1", runs, "--format", "markdown", "--save", tmp_path / "results")
    assert saved.stdout == (tmp_path / "results" / "table1.md").read_text()
    assert (tmp_path / "results" / "learning-curves.png").read_bytes()[:4] == b"\x89PNG"


def test_table1_of_some_files_says_what_is_missing(runs: Path, tmp_path: Path) -> None:
    for name in ("bp-a.h5", "pretrain-b.h5"):
        (tmp_path / name).write_bytes((runs / name).read_bytes())
    (tmp_path / "bp-b.h5").write_text("not a checkpoint")
    shown = run("table1", tmp_path)
    assert shown.exit_code == 0
    text = " ".join(shown.stdout.split())
    assert "missing: validated Netb, validated Netc, extended Neta" in text
    assert "bp-b.h5: not a readable HDF5 file" in text
    assert run("table1", tmp_path, "--save", tmp_path / "saved").exit_code == 0


def test_show_has_counts_whole_and_measurements_to_four_digits() -> None:
    from hinton06.report.contents import _number  # noqa: PLC0415

    row = {"layer_epoch": 57664.0, "rate": 0.123456, "easy_share": None}
    assert [_number(name, row) for name in (*row, "none")] == ["57664", "0.1235", "", ""]


def test_show_tells_what_is_in_a_file(runs: Path) -> None:
    stack = " ".join(run("show", runs / "pretrain-a.h5").stdout.split())
    assert "a pretrained stack of RBMs, finished" in stack
    assert "784 x 12" in stack
    net = run("show", runs / "bp-a.h5").stdout
    assert "weights4 14 x 10 float32" in " ".join(net.split())
    assert "model SHA-256" in net
    document = json.loads(run("show", runs / "bp-a.h5", "--json").stdout)
    assert document["sha256"] == checkpoint.load(runs / "bp-a.h5").digest()
    assert document["recipe"] == "quick"
    assert document["settings"]["max_epochs"] == 3
    assert document["lineage"]["split"] == "a"
    assert document["arrays"]["weights4"] == [14, 10]


# -- what cannot work ----------------------------------------------------------------------------


def test_the_wrong_kind_of_file_is_refused(runs: Path, digits_dir: Path) -> None:
    stack, net = runs / "pretrain-a.h5", runs / "bp-a.h5"
    data = ["--data", digits_dir]
    fails_in_one_line(run("combine", stack, net, *data), 1, "pretrain-a.h5", "stack of RBMs")
    fails_in_one_line(run("evaluate", stack, *data), 1, "pretrain-a.h5", "without labels")
    fails_in_one_line(run("finetune-cws", stack, *data), 1, "pretrain-a.h5", "without labels")
    fails_in_one_line(run("finetune-cws", "--extend", net, *data), 1, "bp-a.h5", "generative net")
    fails_in_one_line(run("finetune-bp", net, *data), 1, "bp-a.h5", "stack of RBMs")
    fails_in_one_line(run("finetune-bp", "--extend", stack, *data), 1, "pretrain-a.h5")
    extended = runs / "bp-a-extended.h5"
    fails_in_one_line(run("finetune-bp", "--extend", extended, *data), 1, "validation")
    fails_in_one_line(run("finetune-bp", "--no-pretraining", extended, *data), 1, "criterion")


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    for command in ("show", "evaluate"):
        fails_in_one_line(run(command, tmp_path / "bad.h5"), 1, "bad.h5", "damaged")
    fails_in_one_line(run("finetune-bp", tmp_path / "bad.h5"), 1, "bad.h5", "damaged")


def test_a_damaged_data_file_is_one_line(digits_dir: Path, tmp_path: Path) -> None:
    for path in digits_dir.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    file = tmp_path / "t10k-labels-idx1-ubyte"
    file.write_bytes(file.read_bytes()[:-3])
    fails_in_one_line(run("pretrain", "--split", "a", "--data", tmp_path, "--runs", tmp_path),
                      1, "t10k-labels-idx1-ubyte", "truncated")  # fmt: skip
    file.unlink()
    fails_in_one_line(run("pretrain", "--split", "a", "--data", tmp_path, "--runs", tmp_path),
                      1, "t10k-labels-idx1-ubyte", "there is no")  # fmt: skip


def test_nets_that_do_not_fit_the_data_are_refused(runs: Path, idx_folder: Path) -> None:
    result = run("evaluate", runs / "bp-a.h5", "--data", idx_folder)
    fails_in_one_line(result, 1, "784 inputs", "35")
    result = run("finetune-bp", runs / "pretrain-a.h5", "--data", idx_folder)
    fails_in_one_line(result, 1, "784 inputs", "35")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, digits_dir: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("pretrain", "--split", "a", "--out", tmp_path / "file" / "a.h5", *PRETRAIN,
                 "--data", digits_dir, "--quiet")  # fmt: skip
    fails_in_one_line(result, 1, "a.h5", "cannot be written")


def test_a_rate_that_is_far_too_high_stops_with_the_epoch_and_layer(
    tmp_path: Path, digits_dir: Path
) -> None:
    with np.errstate(all="ignore"):
        result = run("pretrain", "--split", "a", "--out", tmp_path / "a.h5", *PRETRAIN, "--rate",
                     "1000", "--decay", "1", "--passes", "50", "--data", digits_dir,
                     "--quiet")  # fmt: skip
    fails_in_one_line(result, 1, "layer 1 epoch", "no longer finite")


# -- real processes ------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """For jobs in the background: a shell lets them, and what they start, ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
@pytest.mark.parametrize(
    "moment",
    ["signal.raise_signal(signal.SIGINT)",
     "class Thing: pass\n"
     "    thing = Thing()\n"
     "    watch = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))\n"
     "    del thing"],
    ids=["anywhere", "where exceptions are ignored"],
)  # fmt: skip
def test_ctrl_c_outside_the_epochs_is_one_line_and_130(moment: str) -> None:
    program = (
        f"import signal, weakref\n"
        f"import hinton06.__main__, hinton06.cli\n"
        f"def main(**_):\n    {moment}\n    print('went on')\n"
        f"hinton06.cli.main = main\n"
        f"hinton06.__main__.start()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.strip() == "hinton06: stopped; start again to go on"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_next_start_goes_on(
    tmp_path: Path, digits_dir: Path, sent: signal.Signals
) -> None:
    command = [sys.executable, "-m", "hinton06", "pretrain", "--split", "a", "--runs",
               str(tmp_path), *PRETRAIN, "--passes", "300", "--data",
               str(digits_dir)]  # fmt: skip
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert started.stderr is not None
    while "layer 1 epoch 20:" not in started.stderr.readline():
        assert started.poll() is None
    started.send_signal(sent)
    rest = started.communicate(timeout=60)[1]
    assert started.returncode == 128 + sent
    assert f"stopped by {sent.name}; start again to go on" in rest
    done = len(checkpoint.load(tmp_path / "pretrain-a.h5.part").history["recon_error"])
    assert done >= 20
    finished = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300,
                              check=True)  # fmt: skip
    assert f"layer 1 epoch {done}:" not in finished.stderr
    assert len(checkpoint.load(tmp_path / "pretrain-a.h5").history["recon_error"]) == 900
    assert not (tmp_path / "pretrain-a.h5.part").exists()


def test_show_passes_over_an_array_that_lies_among_values(runs: Path, tmp_path: Path) -> None:
    found = checkpoint.load(runs / "bp-a.h5")
    found.outcome["more"] = {"numbers": np.ones((2, 3))}
    checkpoint.save(tmp_path / "strange.h5", found)
    result = run("show", tmp_path / "strange.h5", "--json")
    assert result.exit_code == 0, result.output
    assert result.stdout == run("show", runs / "bp-a.h5", "--json").stdout
