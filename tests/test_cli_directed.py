"""Plain wake-sleep by the commands: learned, asked, sampled, weighed, tabulated and drawn."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_page
from PIL import Image
from scipy.io import loadmat
from test_cli import BACKPROP, PRETRAIN, fails_in_one_line, maker, on_a_terminal, run

import hinton06
from hinton06 import checkpoint, directed
from hinton06.loading import load
from hinton06.mnist import Digits
from hinton06.report.tables import TABLES

WS = ["--epochs", "3", "--recipe", "quick", "--threads", "1", "--rate", "0.05"]
QUIET = ["--threads", "1", "--quiet"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """A directed net from a stack, one from random weights, and a net of Figure 4."""
    folder, make = tmp_path_factory.mktemp("runs"), maker(digits_dir)
    make("pretrain", "--split", "a", "--runs", folder, *PRETRAIN)
    make("finetune-ws", folder / "pretrain-a.h5", *WS)
    make("finetune-ws", "--no-pretraining", "--split", "a", "--layers", "12-10-14",
         "--out", folder / "ws-not-pretrained-a.h5", *WS)  # fmt: skip
    make("pretrain", "--labels", "--split", "a", "--runs", folder, *PRETRAIN)
    make("finetune-cws", folder / "pretrain-labels-a.h5", *WS)
    make("finetune-bp", folder / "pretrain-a.h5", *BACKPROP)
    return folder


def test_a_file_says_what_it_descends_from_and_what_every_epoch_measured(runs: Path) -> None:
    stack, made = load(runs / "pretrain-a.h5"), load(runs / "ws-a.h5")
    assert (made.kind.name, made.lineage.role, made.lineage.parents) == (
        "directed", "validated", (stack.digest,)
    )  # fmt: skip
    assert made.outcome.reason == "the schedule's 3 epochs"
    for name in ("valid_log_p", "train_log_p", "valid_errors", "recon_cost"):
        assert np.isfinite(made.history[name]).all()
    kept = int(made.history["valid_log_p"].argmax())
    assert made.outcome.scores["valid"].errors == made.history["valid_errors"][kept]
    assert made.outcome.epochs == kept + 1
    other = load(runs / "ws-not-pretrained-a.h5").lineage
    assert (other.random_start, other.layers, other.parents) == (True, (12, 10, 14), ())


def test_the_file_s_scores_are_the_plain_answers_of_its_net(
    runs: Path, tiny_digits: Digits
) -> None:
    file = load(runs / "ws-a.h5")
    logs = directed.label_log_probs(file.model, tiny_digits.test_images)
    np.testing.assert_array_equal(file.outcome.test_log_probs, logs)
    assert file.outcome.scores["test"].errors == np.count_nonzero(
        logs.argmax(axis=1) != tiny_digits.test_classes
    )


def test_made_again_it_is_found_and_by_force_it_has_the_same_bits(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    again = run("finetune-ws", runs / "pretrain-a.h5", *WS, "--data", digits_dir)
    assert "already finished" in again.stdout
    other = tmp_path / "ws.h5"
    maker(digits_dir)("finetune-ws", runs / "pretrain-a.h5", "--out", other, *WS)
    assert load(other).digest == load(runs / "ws-a.h5").digest


def test_it_is_asked_by_an_up_pass_or_by_weighing_several(runs: Path, digits_dir: Path) -> None:
    asked = ["evaluate", runs / "ws-a.h5", "--data", digits_dir, "--part", "test", *QUIET]
    (plain,) = json.loads(run(*asked, "--json").stdout)
    assert plain["method"] == {"name": "up-pass"}
    every = json.loads(run(*asked, "--method", "all", "--passes", "3", "--json").stdout)
    assert [found["method"]["name"] for found in every] == ["sampling", "up-pass"]
    assert every[0]["method"] == {"name": "sampling", "passes": 3, "temperatures": 0, "seed": 0}
    assert every[0]["weights"]["passes"] == 3
    assert every[1]["errors"] == plain["errors"]
    fails_in_one_line(run(*asked, "--method", "label-gibbs"), 1, "up-pass or sampling")
    fails_in_one_line(
        run(*asked, "--method", "sampling", "--temperatures", "2"), 1, "--temperatures 0"
    )
    together = json.loads(
        run(*asked, runs / "cws-a.h5", runs / "bp-a.h5", "--method", "all", "--passes", "2",
            "--rounds", "2", "--temperatures", "0", "--json").stdout
    )  # fmt: skip
    names: dict[str, list[str | None]] = {}
    for net in together:
        names.setdefault(Path(net["net"]).stem, []).append(net.get("method", {}).get("name"))
    assert names["ws-a"] == ["sampling", "up-pass"]
    assert names["bp-a"] == [None]
    assert len(names["cws-a"]) == len(load(runs / "cws-a.h5").recogniser().methods)
    other = ["evaluate", runs / "cws-a.h5", "--data", digits_dir, *QUIET]
    fails_in_one_line(run(*other, "--method", "up-pass"), 1, "free-energy")


def test_its_layout_is_as_described(runs: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "files.md").read_text(encoding="utf-8")
    stated = {}
    for line in page.partition("<!-- directed -->")[2].partition("<!-- /")[0].splitlines()[3:]:
        names, shapes = line.split("|")[1:3]
        each = zip(re.findall(r"`([^`]+)`", names), shapes.split(","), strict=True)
        stated |= {name: tuple(map(int, shape.split("x"))) for name, shape in each}
    sizes = {12: 500, 10: 500, 14: 2000, 20: 510, 784: 784}
    held = load(runs / "ws-a.h5").held.model
    assert held.pop("n_labels") == 10
    assert stated == {name: tuple(sizes[n] for n in a.shape) for name, a in held.items()}


def test_its_bound_needs_no_log_z(runs: Path, digits_dir: Path) -> None:
    asked = ["likelihood", runs / "ws-a.h5", "--part", "test", "--data", digits_dir, *QUIET]
    printed = run(*asked).stdout
    assert "log Z: exact." in printed
    assert "annealed" not in printed
    made = run(*asked, "--json")
    assert made.exit_code == 0, made.output
    images, labelled = json.loads(made.stdout)["rows"]
    assert images["learned_by"] == "plain wake-sleep"
    assert (images["log_z"], images["exact"], images["bound"]) == (0.0, True, True)
    assert (images["of"], labelled["of"]) == ("images", "images with labels")
    assert labelled["test_log_p"] < images["test_log_p"] < 0


def test_samples_are_dreams_from_the_top_with_their_labels(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    sample = ["sample", runs / "ws-a.h5", "--data", digits_dir, *QUIET]
    made = run(*sample, "--labels", "3,7", "--samples", "4", "--out", tmp_path / "s.png")
    assert "2 rows of 4 dreams, each anew from the top, labels 3, 7 clamped" in made.stdout
    told = json.loads(
        run(*sample, "--labels", "free", "--out", tmp_path / "s.gif", "--json").stdout
    )
    assert told["gibbs"] is None
    assert np.array(told["labels"]).shape == (10, 10)
    with Image.open(tmp_path / "s.gif") as picture:
        assert picture.n_frames == 10
    fails_in_one_line(run(*sample, "--gibbs", "5"), 2, "anew")
    fails_in_one_line(run(*sample, "--layer", "1"), 1, "--layer")


def test_a_label_that_is_never_dreamt_is_one_line(
    runs: Path, digits_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = checkpoint.load(runs / "ws-a.h5")
    held.model["gen_biases3"][-1] = -1e6
    checkpoint.save(tmp_path / "ws.h5", held)
    monkeypatch.setattr(directed, "MOST_DREAMS", 2000)
    asked = ["sample", tmp_path / "ws.h5", "--labels", "9", "--data", digits_dir, *QUIET]
    fails_in_one_line(run(*asked), 1, "none of 2,000 dreams has the label 9")
    with pytest.raises(hinton06.RunError, match="has the label 9"):
        hinton06.load(tmp_path / "ws.h5").sample(label=9)


def rows(runs: Path, *options: object) -> list[dict[str, Any]]:
    made = run("wake-sleep", runs, *options, "--json")
    assert made.exit_code == 0, made.output
    found: list[dict[str, Any]] = json.loads(made.stdout)["rows"]
    return found


def test_the_table_has_every_epoch_of_both_starts_and_the_contrastive_net(
    runs: Path, tmp_path: Path
) -> None:
    found = rows(runs, "--save", tmp_path)
    starts = [(row["start"], row["epochs"]) for row in found]
    assert starts[:8] == [
        (start, epoch)
        for start in ("from a greedy stack", "from small random weights")
        for epoch in range(4)
    ]
    assert [start for start, _ in starts[8:]] == ["contrastive wake-sleep"]
    for stem, own in (("ws-a", found[:4]), ("ws-not-pretrained-a", found[4:8])):
        history, outcome = load(runs / f"{stem}.h5").history, load(runs / f"{stem}.h5").outcome
        assert own[0]["valid_log_p"] == history["start_log_p"][0]
        assert own[0]["valid_errors"] == history["start_errors"][0]
        for row, log_p, errors in zip(
            own[1:], history["valid_log_p"], history["valid_errors"], strict=True
        ):
            assert (row["valid_log_p"], row["valid_errors"]) == (log_p, errors)
        measured = {row["epochs"]: row["test_errors"] for row in own}
        assert measured.pop(outcome.epochs) == outcome.scores["test"].errors
        assert set(measured.values()) == {None}
    written = list(csv.DictReader(io.StringIO((tmp_path / "wake-sleep.csv").read_text())))
    assert len(written) == 9
    with Image.open(tmp_path / "learning-curves.png") as picture:
        assert picture.size == (1100, 375)


def test_nets_of_contrastive_wake_sleep_stand_before_their_extensions(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    for name in ("ws-a", "cws-a"):
        (tmp_path / f"{name}.h5").write_bytes((runs / f"{name}.h5").read_bytes())
    some = ("--data", digits_dir, "--threads", "1", "--quiet")
    # By its name it would come first.
    longer = tmp_path / "a.h5"
    made = run("finetune-cws", "--extend", tmp_path / "cws-a.h5", "--out", longer, *some)
    assert made.exit_code == 0, made.output
    rows = json.loads(run("wake-sleep", tmp_path, "--json").stdout)["rows"]
    epochs = [row["epochs"] for row in rows if row["start"] == "contrastive wake-sleep"]
    first, outcome = load(tmp_path / "cws-a.h5").outcome.epochs, load(longer).outcome
    assert epochs == [str(first), f"{first}+{outcome.epochs}"]


def test_the_table_fits_a_terminal_and_a_page(runs: Path) -> None:
    lines = on_a_terminal(80, "wake-sleep", runs)
    assert max(map(len, lines)) <= 80
    assert "from a greedy stack" in lines
    empty = run("wake-sleep", runs / "none")
    fails_in_one_line(empty, 2, "none")


def test_a_folder_without_directed_nets_is_one_line(tmp_path: Path) -> None:
    fails_in_one_line(run("wake-sleep", tmp_path), 1, "no nets of plain wake-sleep")


def test_long_runs_show_ever_fewer_epochs() -> None:
    from hinton06.report.directed import _is_shown  # noqa: PLC0415

    class File:
        epochs_done = 37

    shown = [n for n in range(38) if _is_shown({"epochs": n, "test_errors": None}, File())]  # type: ignore[arg-type]
    assert shown == [0, 1, 2, 5, 10, 20, 37]


def test_dreams_of_several_nets_lie_side_by_side(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    files = [runs / f"{name}.h5" for name in ("ws-a", "ws-not-pretrained-a", "cws-a", "bp-a")]
    again = tmp_path / "again.h5"  # the same net is drawn once
    again.write_bytes(files[0].read_bytes())
    files.append(again)
    draw = ["--out", tmp_path, "--gibbs", "2", "--data", digits_dir, *QUIET]
    made = run("figures", *files, "--only", "dreams", *draw)
    assert made.exit_code == 0, made.output
    told = json.loads((tmp_path / "dreams.json").read_text())
    nets = [Path(net["checkpoint"]).stem for net in told["nets"]]
    assert nets == ["ws-a", "ws-not-pretrained-a", "cws-a"]
    assert [net["gibbs"] for net in told["nets"]] == [None, None, 2]
    for net in told["nets"]:
        assert net["labels"] == [[label] * 8 for label in range(10)]
    with Image.open(tmp_path / "dreams.png") as picture:
        assert picture.width > 2 * picture.height
    alone = ("figures", runs / "cws-a.h5", "--only", "dreams")
    fails_in_one_line(run(*alone, *draw), 1, "none", "several nets", "finetune-ws")
    assert (
        "several nets that learned labels, one of them of finetune-ws"
        in run(*alone, *[word for word in draw if word not in QUIET]).stderr
    )


def test_learning_curves_have_the_bound_and_the_errors(runs: Path, tmp_path: Path) -> None:
    files = [runs / "ws-a.h5", runs / "ws-not-pretrained-a.h5"]
    made = run("figures", *files, "--only", "curves", "--out", tmp_path)
    assert made.exit_code == 0, made.output
    written = list(csv.DictReader(io.StringIO((tmp_path / "learning-curves.csv").read_text())))
    assert [row["epoch"] for row in written] == ["1", "2", "3"] * 2
    assert all(row["valid_log_p"] for row in written)


def test_a_page_tells_of_it_first(runs: Path, digits_dir: Path, tmp_path: Path) -> None:
    for name in ("ws-a.h5", "ws-not-pretrained-a.h5"):
        shutil.copy(runs / name, tmp_path)
    page, options = tmp_path / "report.html", ["--gibbs", "2", "--data", digits_dir, *QUIET]
    made = run("report", tmp_path, "--out", page, *options, "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["tables"][0] == "Plain wake-sleep"
    assert told["figures"][:2] == ["Dreams", "Learning curves"]
    html = page.read_text()
    assert "Five strategies for learning multilayer networks" in html
    (report,) = (report for report in TABLES if report.command == "wake-sleep")
    test_page.has_every_cell(report.make(tmp_path), tmp_path, test_page.Page(html))
    test_page.names_its_files(report.make(tmp_path))


def test_from_python_it_is_a_net_like_the_others(runs: Path, digits_dir: Path) -> None:
    net, images = hinton06.load(runs / "ws-a.h5"), np.zeros((3, 28, 28))
    assert (net.kind, net.n_classes, net.n_layers) == ("directed", 10, 3)
    np.testing.assert_allclose(net.predict_proba(images).sum(axis=1), 1, rtol=1e-5)
    assert net.features(images, 2).shape == (3, 10)
    assert net.reconstruct(images).shape == (3, 28, 28)
    assert net.sample(n=2).shape == (2, 28, 28)
    with pytest.raises(hinton06.RunError, match="no memory"):
        net.free_energy(images)
    made = hinton06.finetune_ws(
        runs / "pretrain-a.h5", runs / "ws-a.h5", recipe="quick", epochs=3, rate=0.05, threads=1,
        data=digits_dir,
    )  # fmt: skip
    assert made.record.sha256 == net.record.sha256
    other = hinton06.wake_sleep_from_random(
        runs / "ws-not-pretrained-a.h5", "a", (12, 10, 14), recipe="quick", epochs=3, rate=0.05,
        threads=1, data=digits_dir,
    )  # fmt: skip
    assert other.record.lineage.random_start
    with pytest.raises(TypeError, match="initial_sd"):
        hinton06.finetune_ws(runs / "pretrain-a.h5", runs / "other.h5", initial_sd=0.1)


def test_reconstruction_goes_up_and_down_as_probabilities(runs: Path) -> None:
    net, model = hinton06.load(runs / "ws-a.h5"), load(runs / "ws-a.h5").model
    image = np.random.default_rng(1).random((1, 28, 28)).astype(np.float32)
    units = image.reshape(1, -1).astype(np.float64)
    for weights, bias in (*model.recognition, *model.down):
        units = 1 / (1 + np.exp(-(units @ weights.astype(np.float64) + bias)))
    # Six layers of float32 products of at most 784 terms, each squashed to a slope of 1/4.
    allowed = 6 * 784 * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(net.reconstruct(image).reshape(1, -1), units, rtol=0, atol=allowed)


@pytest.mark.parametrize("form", ["npz", "mat"])
def test_it_is_exported_under_its_own_names(runs: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"ws.{form}"
    made = run("export", runs / "ws-a.h5", "--to", form, "--out", out)
    assert made.exit_code == 0, made.output
    if form == "npz":
        with np.load(out) as held:
            found = held["rec_weights3"]
    else:
        found = loadmat(out)["rec_weights3"]
    np.testing.assert_array_equal(found, load(runs / "ws-a.h5").model.rec_weights[2])


def test_mistakes_are_named(runs: Path, digits_dir: Path) -> None:
    stack, net, data = runs / "pretrain-a.h5", runs / "ws-a.h5", ["--data", digits_dir, "--quiet"]
    fails_in_one_line(run("finetune-ws"), 2, "START", "--no-pretraining")
    fails_in_one_line(run("finetune-ws", stack, "--no-pretraining", "--split", "a"), 2, "START")
    fails_in_one_line(run("finetune-ws", "--no-pretraining"), 2, "--split")
    fails_in_one_line(run("finetune-ws", stack, "--split", "a"), 2, "--split")
    fails_in_one_line(run("finetune-ws", stack, "--layers", "5-5"), 2, "--layers")
    fails_in_one_line(run("finetune-ws", stack, "--initial-sd", "1"), 2, "--initial-sd")
    fails_in_one_line(run("finetune-ws", stack, "--rate", "-1"), 2, "--rate")
    fails_in_one_line(run("finetune-ws", stack, "--epochs", "0"), 2, "--epochs")
    fails_in_one_line(
        run("finetune-ws", net, *data, "--out", runs / "x.h5"), 1, "a pretrained stack"
    )
    fails_in_one_line(
        run("finetune-cws", net, *data, "--out", runs / "x.h5"), 1, "pretrain --labels"
    )
    fails_in_one_line(
        run("finetune-bp", net, *data, "--out", runs / "x.h5"), 1, "a pretrained stack"
    )
    fails_in_one_line(run("demo", net, *data, "--out", runs / "x.html"), 1, "pretrain --labels")
