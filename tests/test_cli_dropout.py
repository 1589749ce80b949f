"""``--dropout``, what goes on from it, and ``hinton06 dropout``, which alone tabulates it."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_cli import BACKPROP, PRETRAIN, fails_in_one_line, maker, on_a_terminal, run
from test_cli_generative import CWS

from hinton06 import backprop, cases, learning, mnist
from hinton06.loading import RunFile, load
from hinton06.recipes import RECIPES
from hinton06.recognition import product_of_nets, score
from hinton06.report.files import conditions, made_with

SCHEDULE = ["--epochs", "2", "--extension-epochs", "1"]
MIXED = ["--bp-weight", "0.9", "--dropout"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """Nets with dropout of each kind, and a plain one of each beside them."""
    folder, make = tmp_path_factory.mktemp("runs"), maker(digits_dir)
    dropout = ["--dropout", *SCHEDULE, *BACKPROP]
    for split in "ab":
        make("pretrain", "--split", split, "--runs", folder, *PRETRAIN)
        make("finetune-bp", folder / f"pretrain-{split}.h5", *dropout)
        make("finetune-bp", "--extend", folder / f"bp-dropout-{split}.h5", *BACKPROP, *SCHEDULE)
    adversarial = ["--adversarial", "0.5"]
    make("finetune-bp", folder / "pretrain-a.h5", *adversarial, *dropout)
    make("finetune-bp", "--extend", folder / "bp-adversarial-a.h5", *BACKPROP, *SCHEDULE)
    make("finetune-bp", folder / "pretrain-a.h5", "--labelled", "100", *dropout)
    virtual = ["--virtual", "0.7", "--virtual-batch", "30"]
    make("finetune-bp", folder / "pretrain-a.h5", *virtual, "--labelled", "100", *dropout)
    make("finetune-bp", folder / "pretrain-a.h5", *virtual, *adversarial, *dropout)
    make("finetune-bp", "--extend", folder / "bp-adversarial-virtual-a.h5", *BACKPROP, *SCHEDULE)
    make("finetune-bp", folder / "pretrain-a.h5", "--labelled", "200", *dropout)
    make("pretrain", "--split", "a", "--labelled", "100", "--runs", folder, *PRETRAIN)
    make("finetune-bp", folder / "pretrain-100-images-a.h5", *dropout)
    make("pretrain", "--split", "a", "--translations", "1", "--runs", folder, *PRETRAIN)
    make("finetune-bp", folder / "pretrain-translated-a.h5", *dropout)
    make("finetune-bp", "--no-pretraining", "--split", "b", "--labelled", "100", "--layers",
         "12-10", "--out", folder / "bp-dropout-random.h5", *dropout)  # fmt: skip
    make("pretrain", "--labels", "--split", "a", "--on", folder / "pretrain-a.h5", "--runs", folder,
         *PRETRAIN)  # fmt: skip
    make("finetune-cws", folder / "pretrain-labels-a.h5", *MIXED, *CWS)
    make("finetune-cws", "--extend", folder / "hybrid-dropout-a.h5", *CWS)
    make("finetune-cws", folder / "pretrain-labels-a.h5", *MIXED, *adversarial, *CWS)
    make("finetune-cws", "--extend", folder / "hybrid-adversarial-a.h5", *CWS)
    make("finetune-bp", folder / "pretrain-a.h5", *BACKPROP)
    make("finetune-bp", folder / "pretrain-a.h5", "--labelled", "100", *BACKPROP)
    return folder


def file(runs: Path, name: str) -> RunFile:
    return load(runs / f"{name}.h5")


def rows(folder: Path, table: str = "dropout") -> list[dict[str, Any]]:
    made = run(table, folder, "--json")
    assert made.exit_code == 0, made.output
    found: list[dict[str, Any]] = json.loads(made.stdout)["rows"]
    return found


def test_the_table_says_what_each_net_learned(runs: Path) -> None:
    assert [(row["experiment"], row["net"]) for row in rows(runs)] == [
        *(("dropout, 500", net) for net in ("a", "b", "mean", "product")),
        *(("dropout, 600", net) for net in ("a", "b", "mean", "product")),
        *(("dropout, mixed gradient, 500", net) for net in ("a", "mean")),
        *(("dropout, mixed gradient, 600", net) for net in ("a", "mean")),
        *(("dropout, images translated by 1 pixel, 500", net) for net in ("a", "mean")),
        *(("dropout, 100 labels", net) for net in ("a", "mean")),
        *(("dropout, 100 labelled images alone", net) for net in ("a", "mean")),
        *(("dropout, not pretrained, 100 labels", net) for net in ("b", "mean")),
        *(("adversarial, 500", net) for net in ("a", "mean")),
        *(("adversarial, 600", net) for net in ("a", "mean")),
        *(("adversarial, mixed gradient, 500", net) for net in ("a", "mean")),
        *(("adversarial, mixed gradient, 600", net) for net in ("a", "mean")),
        *(("virtual adversarial, 100 labels", net) for net in ("a", "mean")),
        *(("adversarial and virtual, 500", net) for net in ("a", "mean")),
        *(("adversarial and virtual, 600", net) for net in ("a", "mean")),
        ("dropout, 600 and dropout, mixed gradient, 600", "product"),
        ("adversarial, 600 and adversarial, mixed gradient, 600", "product"),
    ]


def test_its_numbers_are_those_of_the_files(runs: Path) -> None:
    found = {(row["experiment"], row["net"]): row for row in rows(runs)}
    names = ("bp-dropout-a-extended", "bp-dropout-b-extended", "hybrid-dropout-a-extended")
    outcomes = [file(runs, name).outcome for name in names]
    for net, outcome in zip("ab", outcomes, strict=False):
        assert outcome.test is not None
        assert found["dropout, 600", net]["test_errors"] == outcome.test.errors
    answers = [outcome.test_log_probs for outcome in outcomes if outcome.test_log_probs is not None]
    labels = outcomes[0].test_labels
    assert labels is not None
    together = "dropout, 600 and dropout, mixed gradient, 600"
    for key, some in ((("dropout, 600", "product"), answers[:2]), ((together, "product"), answers)):
        assert found[key]["test_errors"] == score(product_of_nets(some), labels).errors


@pytest.mark.parametrize(
    ("name", "of"), [("adversarial", "bp-adversarial-a"), ("virtual", "bp-virtual-a-100-labelled")]
)
def test_a_length_that_is_not_the_recipe_s_is_said(runs: Path, name: str, of: str) -> None:
    length = getattr(RECIPES[name].backprop, name)
    made = load(runs / f"{of}.h5")
    for own, said in ((0.5, True), (length, False)):
        given = {"dropout": True, name: own}
        settings = RECIPES["tr2006"].settings_with("backprop", given)
        of_chapter: Any = SimpleNamespace(
            recipe="tr2006", settings=settings, kind=made.kind, conditions=made.conditions,
            lineage=dataclasses.replace(made.lineage, data=mnist.SHA256), complete=False,
        )  # fmt: skip
        assert made_with(of_chapter) == (f"{name} {own:g}" if said else None)


def test_what_is_printed_is_of_dropout_alone(runs: Path) -> None:
    printed = {row["experiment"]: row["printed_test_percent"] for row in rows(runs)}
    assert printed.pop("dropout, 600") == 0.92
    assert set(printed.values()) == {None}
    assert "adversarial, 600" in printed


def test_there_is_no_product_of_two_experiments_where_one_has_no_net(
    runs: Path, tmp_path: Path
) -> None:
    for path in runs.glob("bp-dropout-[ab]*.h5"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    found = {row["experiment"] for row in rows(tmp_path)}
    assert "dropout, 600" in found
    assert not any("dropout and" in name or "600 and" in name for name in found)


def test_labels_that_have_no_line_are_named(runs: Path) -> None:
    shown = run("dropout", runs).output
    assert "left out: bp-dropout-a-200-labelled.h5 (200 validated)" in " ".join(shown.split())
    assert max(map(len, on_a_terminal(80, "dropout", runs))) <= 80


def test_distorted_images_are_an_experiment_of_their_own(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    make, both = maker(digits_dir), ["--dropout", "--elastic", "1", *SCHEDULE, *BACKPROP]
    make("finetune-bp", runs / "pretrain-a.h5", "--out", tmp_path / "net.h5", *both)
    make("finetune-bp", "--extend", tmp_path / "net.h5", *BACKPROP, *SCHEDULE)
    make("finetune-bp", runs / "pretrain-translated-a.h5", "--affine", "1", "--adversarial", "0.5",
         "--out", tmp_path / "moved.h5", *both)  # fmt: skip
    make("finetune-bp", runs / "pretrain-a.h5", "--labelled", "100", *both,
         "--out", tmp_path / "few.h5")  # fmt: skip
    make("finetune-bp", "--no-pretraining", tmp_path / "net.h5", *BACKPROP)
    (tmp_path / "plain.h5").write_bytes((runs / "bp-dropout-a.h5").read_bytes())
    found = {row["experiment"]: row for row in rows(tmp_path) if row["net"] != "product"}
    assert [*found] == [
        "dropout, 500",
        "dropout, elastic distortions, 500",
        "dropout, elastic distortions, 600",
        "dropout, elastic distortions, not pretrained, 600 at once",
        "dropout, elastic distortions, 100 labels",
        "adversarial, affine and elastic distortions, images translated by 1 pixel, 500",
    ]
    net = load(tmp_path / "net.h5")
    of_chapter: Any = SimpleNamespace(
        recipe="tr2006", kind=net.kind, conditions=("dropout", "distortions and dropout"),
        settings=RECIPES["tr2006"].settings_with(
            "backprop", {"dropout": True, "elastic": 1.0, "affine": 0.5}
        ),
        lineage=dataclasses.replace(net.lineage, data=mnist.SHA256), complete=False,
    )  # fmt: skip
    assert made_with(of_chapter) == "affine 0.5; elastic 1"
    moved = found["adversarial, affine and elastic distortions, images translated by 1 pixel, 500"]
    assert "; affine 1; elastic 1; " in moved["made_with"]
    fails_in_one_line(run("baselines", tmp_path), 1, "there are no nets")
    # A stack of distorted images is none of the other nets'.
    make("pretrain", "--split", "b", "--elastic", "1", "--runs", tmp_path, *PRETRAIN)
    make("finetune-bp", tmp_path / "pretrain-distorted-b.h5", *both, "--out", tmp_path / "b.h5")
    make("finetune-bp", "--extend", tmp_path / "b.h5", *BACKPROP, *SCHEDULE)
    shown = " ".join(run("dropout", tmp_path).output.split())
    for name, role in (("b", "validated"), ("b-extended", "extended")):
        assert f"{name}.h5 (distorted stack, elastic {role})" in shown


def test_no_other_table_has_a_net_of_it(runs: Path, tmp_path: Path) -> None:
    for path in runs.glob("*dropout*.h5"):
        assert "dropout" in conditions(load(path)), path
    document = json.loads(run("table1", runs, "--json").stdout)
    plain = file(runs, "bp-a").outcome
    assert plain.test is not None
    assert document["rows"][0]["measured"]["test_errors"] == plain.test.errors
    assert [row["measured"] for row in document["rows"][1:]] == [None] * 8
    few = json.loads(run("unlabelled", runs, "--json").stdout)["rows"]
    assert [(row["labelled"], row["splits"]) for row in few] == [(100, "a"), (500, "a")]
    assert {row["experiment"] for row in rows(runs, "generative")} == {
        "greedy pretraining with labels"
    }
    for name in ("bp-dropout-a", "bp-dropout-translated-a", "bp-dropout-a-extended"):
        (tmp_path / f"{name}.h5").write_bytes((runs / f"{name}.h5").read_bytes())
    fails_in_one_line(run("table1", tmp_path), 1, "no nets of Table 1")
    fails_in_one_line(run("translated", tmp_path), 1, "no classifiers of translated images")
    (tmp_path / "pretrain-a.h5").write_bytes((runs / "pretrain-a.h5").read_bytes())
    notes = json.loads(run("table1", tmp_path, "--json").stdout)["notes"]
    assert "3 nets here, of another table: dropout and translations" in notes
    for table in ("table1", "unlabelled", "generative"):
        said = json.loads(run(table, runs, "--json").stdout)["notes"]
        assert not any("adversarial" in note for note in said), said
    assert not any("another table" in note for note in document["notes"])


def test_what_goes_on_from_a_net_with_dropout_has_it_unless_it_is_told_otherwise(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    for name in ("bp-dropout-a-extended", "hybrid-dropout-a-extended"):
        assert vars(file(runs, name).settings)["dropout"] is True
    plain = tmp_path / "plain.h5"
    made = run("finetune-bp", "--extend", runs / "bp-dropout-a.h5", "--no-dropout", "--out", plain,
               "--quiet", "--data", digits_dir, *BACKPROP)  # fmt: skip
    assert made.exit_code == 0, made.output
    found = load(plain)
    assert vars(found.settings)["dropout"] is False
    assert found.lineage.below == ("dropout",)
    assert conditions(found) == {"dropout"}
    (row, _mean) = rows(tmp_path)
    assert row["made_with"].split("; ")[:2] == ["recipe quick", "dropout no"]
    # From Python as well.
    again = learning.extend(
        runs / "bp-dropout-a.h5", tmp_path / "again.h5", max_epochs=3, extension_epochs=1,
        data=digits_dir, threads=1,
    )  # fmt: skip
    assert load(Path(again.path)).digest == file(runs, "bp-dropout-a-extended").digest


def test_a_row_says_what_of_it_began_or_ended_with_an_extension(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    common = ["--quiet", "--data", digits_dir, "--max-epochs", "1"]
    ways = {
        "bp-a": (["--dropout", "--neighbours", "3"],
                 "dropout in the extension alone; neighbours in the extension alone"),
        "bp-adversarial-a": (["--adversarial", "0"], "adversarial 0"),
        "bp-adversarial-virtual-a": (["--virtual", "0"], "virtual 0"),
    }  # fmt: skip
    for name, (given, said) in ways.items():
        folder = tmp_path / name
        made = run("finetune-bp", "--extend", runs / f"{name}.h5", *given, *common,
                   "--out", folder / "net.h5")  # fmt: skip
        assert made.exit_code == 0, made.output
        assert said in rows(folder)[0]["made_with"], name
    for name in ("bp-dropout-a-extended", "bp-adversarial-virtual-a-extended"):
        said = (made_with(file(runs, name)) or "").split("; ")
        assert not [words for words in said if words.endswith((" alone", "dropout no", " 0"))]


def test_a_net_with_dropout_goes_on_by_wake_sleep_alone_without_it(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    start, common = runs / "hybrid-dropout-a.h5", ["--data", digits_dir, "--plain", "--epochs", "1"]
    made = run("finetune-cws", start, *common, "--out", tmp_path / "cws.h5")
    assert made.exit_code == 0, made.output
    assert vars(load(tmp_path / "cws.h5").settings)["dropout"] is False
    # Its gradient tells nothing of the one that it was mixed with before.
    assert load(tmp_path / "cws.h5").lineage.below == ("bp_weight", "dropout")
    made = run("finetune-cws", "--extend", tmp_path / "cws.h5", *common)
    assert made.exit_code == 0, made.output
    assert "bp_weight" in load(tmp_path / "cws-extended.h5").lineage.below
    fails = run("generative", tmp_path)
    assert "contrastive wake-sleep, 500" not in fails.output
    mixed = ["--bp-weight", "0.5", "--pixel-dropout", "0.05", "--neighbours", "2",
             "--neighbour-away", "0.7"]  # fmt: skip
    first, second = tmp_path / "first.h5", tmp_path / "second.h5"
    made = run("finetune-cws", start, *mixed, *common, "--out", first)
    assert made.exit_code == 0, made.output
    assert "with dropout, as hybrid-dropout-a.h5" in made.stderr
    made = run("finetune-cws", first, "--bp-weight", "0.5", *common, "--out", second)
    assert made.exit_code == 0, made.output
    carried = "pixel dropout 0.05, neighbours 2, neighbour away 0.7, dropout"
    assert f"with {carried}, as first.h5" in " ".join(made.stderr.split())
    names = carried.replace("0.05", "").replace("0.7", "").replace(" 2", "").split(", ")
    for name in (n.strip().replace(" ", "_") for n in names):
        ours, theirs = (vars(load(path).settings)[name] for path in (second, first))
        assert ours == theirs
    # A search that kept a coefficient of 0 has nothing to leave units out of either.
    none = tmp_path / "none.h5"
    made = run("finetune-cws", runs / "pretrain-labels-a.h5", "--search-bp-weight", "--bp-weights",
               "0,0", "--dropout", *common, "--out", none)  # fmt: skip
    assert made.exit_code == 0, made.output
    made = run("finetune-cws", "--extend", none, *common, "--out", tmp_path / "on.h5")
    assert made.exit_code == 0, made.output
    assert vars(load(tmp_path / "on.h5").settings)["dropout"] is False


def test_what_says_nothing_without_dropout_is_not_said_to_be_gone_on_with(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    common = ["--data", digits_dir, "--plain", "--max-epochs", "1"]
    first = tmp_path / "first.h5"
    made = run("finetune-bp", runs / "pretrain-a.h5", "--dropout", "--pixel-dropout", "0.05",
               "--neighbours", "2", "--neighbour-away", "0.7", "--epochs", "1",
               "--extension-epochs", "1", *common, "--out", first)  # fmt: skip
    assert made.exit_code == 0, made.output
    whole = "pixel dropout 0.05, extension epochs 1, neighbours 2, neighbour away 0.7, dropout"
    for number, (given, said) in enumerate([
        ([], f"with {whole}, as first.h5"),
        (["--no-dropout"], None),
        (["--neighbours", "0"], "with pixel dropout 0.05, extension epochs 1, dropout, as first"),
    ]):  # fmt: skip
        made = run("finetune-bp", "--extend", first, *given, *common,
                   "--out", tmp_path / f"{number}.h5")  # fmt: skip
        assert made.exit_code == 0, made.output
        shown = " ".join(made.stderr.split())
        assert said in shown if said else "dropout" not in shown, shown
    # Random weights that stop at its cost learn as it did, by a schedule of their own.
    other = tmp_path / "random.h5"
    made = run("finetune-bp", "--no-pretraining", first, "--epochs", "1", "--extension-epochs", "7",
               *common, "--out", other)  # fmt: skip
    assert made.exit_code == 0, made.output
    carried = whole.replace("extension epochs 1, ", "")
    assert f"with {carried}, as first.h5" in " ".join(made.stderr.split())
    assert "--extension-epochs changes nothing here" in made.stderr
    several = run("finetune-bp", "--no-pretraining", first, runs / "bp-dropout-a.h5", *common)
    fails_in_one_line(several, 1, "bp-dropout-a.h5: was not learned as", "neighbours")
    made = run(
        "finetune-bp", "--extend", first, "--epochs", "7", *common, "--out", other, "--force"
    )
    assert "--epochs changes nothing here" in made.stderr


def test_adversarial_training_is_no_dropout_alone_and_goes_on_in_an_extension(runs: Path) -> None:
    for kind in ("bp", "hybrid"):
        made = [file(runs, f"{kind}-{name}") for name in ("dropout-a", "adversarial-a")]
        dropout, adversarial = (vars(one.settings) for one in made)
        assert (dropout["adversarial"], adversarial["adversarial"]) == (0, 0.5)
        assert made[0].digest != made[1].digest
        extended = file(runs, f"{kind}-adversarial-a-extended")
        assert vars(extended.settings)["adversarial"] == 0.5
        assert conditions(extended) == {"dropout", "adversarial"}
    shown = run("show", runs / "bp-adversarial-a.h5").output
    assert "adversarial" in shown


def test_images_without_labels_are_all_that_the_split_trains_on(
    runs: Path, digits_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = []
    own = backprop.Backpropagation.learn

    def noted(self: Any, *given: Any) -> Any:
        beside.append(given[-1])
        return own(self, *given)

    monkeypatch.setattr(backprop.Backpropagation, "learn", noted)
    digits = mnist.load(digits_dir)
    expected = digits.train_images[mnist.split(len(digits.train_labels), "a").train]
    options = ["--dropout", "--virtual", "0.7", "--virtual-batch", "30", *SCHEDULE, *BACKPROP]
    for few in (["--labelled", "100"], []):
        beside.clear()
        made = run("finetune-bp", runs / "pretrain-a.h5", *few, *options, "--quiet", "--data",
                   digits_dir, "--out", tmp_path / f"net{len(few)}.h5")  # fmt: skip
        assert made.exit_code == 0, made.output
        assert beside
        for images, rows in beside:
            np.testing.assert_array_equal(images, expected)
            assert len(rows) == 30


def test_images_without_labels_are_those_of_the_stack_and_distorted_as_the_others(
    digits_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits, make, beside = mnist.load(digits_dir), maker(digits_dir), []
    make("pretrain", "--split", "a", "--labelled", "100", "--runs", tmp_path, *PRETRAIN)
    stack = tmp_path / "pretrain-100-images-a.h5"
    own = backprop.Backpropagation.learn

    def noted(self: Any, *given: Any) -> Any:
        beside.append(given[-1])
        return own(self, *given)

    monkeypatch.setattr(backprop.Backpropagation, "learn", noted)
    options = ["--dropout", "--virtual", "0.7", *SCHEDULE, *BACKPROP]
    make("finetune-bp", stack, *options)
    few = cases.cases_learned(digits, load(stack).lineage).images
    for images, rows in beside:
        np.testing.assert_array_equal(images, few)
        np.testing.assert_array_equal(np.sort(rows), np.arange(100))  # no more than there are
    beside.clear()
    make("finetune-bp", stack, "--elastic", "2", "--labelled", "50", *options)
    for images, rows in beside:
        assert rows == slice(None)
        assert len(images) == 100
        assert not {bytes(image) for image in images} & {bytes(image) for image in few}


def test_virtual_adversarial_training_goes_on_in_an_extension(runs: Path) -> None:
    for name in ("bp-adversarial-virtual-a", "bp-adversarial-virtual-a-extended"):
        found = file(runs, name)
        asked = vars(found.settings)
        assert (asked["adversarial"], asked["virtual"], asked["virtual_batch"]) == (0.5, 0.7, 30)
        assert conditions(found) == {"dropout", "adversarial", "virtual"}
    few = file(runs, "bp-virtual-a-100-labelled")
    assert (vars(few.settings)["adversarial"], few.lineage.labelled) == (0, 100)


def test_the_history_has_the_rate_and_learning_waits_for_it_to_fall(runs: Path) -> None:
    history = file(runs, "bp-dropout-a").history
    np.testing.assert_allclose(history["rate"][:2], [0.4, 0.02])
    assert len(history["rate"]) >= 2
    assert "rate" not in file(runs, "bp-a").history


def test_a_rate_that_falls_goes_with_an_extension_and_without_dropout(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    make, falls = maker(digits_dir), ["--final-share", "0.5", *SCHEDULE]
    make("finetune-bp", runs / "pretrain-a.h5", "--out", tmp_path / "net.h5", *falls, *BACKPROP)
    make("finetune-bp", "--extend", tmp_path / "net.h5", *BACKPROP)
    net, extended = (load(tmp_path / f"{name}.h5") for name in ("net", "net-extended"))
    assert conditions(net) == conditions(extended) == set()
    rates = net.history["rate"]
    np.testing.assert_allclose(rates[:2] / rates[0], [1, 0.5])
    assert len(extended.history["rate"]) == 1
    assert extended.outcome.reason == "the rate has fallen"
    assert vars(extended.settings)["final_share"] == 0.5
    settings = RECIPES["tr2006"].settings_with("backprop", {"epochs": 2, "final_share": 0.5})
    of_chapter: Any = SimpleNamespace(
        recipe="tr2006", kind=net.kind, conditions=(), settings=settings, complete=False,
        lineage=dataclasses.replace(net.lineage, data=mnist.SHA256),
    )  # fmt: skip
    assert made_with(of_chapter) == "epochs 2, final share 0.5"
    # What goes on without dropout leaves its schedule too, but only where it had dropout.
    for name, start, epochs in (("of-dropout", runs / "bp-dropout-a.h5", 0),
                                ("of-plain", tmp_path / "net.h5", 1)):  # fmt: skip
        made = run("finetune-bp", "--extend", start, "--no-dropout", "--out",
                   tmp_path / f"{name}.h5", "--data", digits_dir, *BACKPROP)  # fmt: skip
        assert made.exit_code == 0, made.output
        assert vars(load(tmp_path / f"{name}.h5").settings)["extension_epochs"] == epochs
        assert ("extension epochs 1" in made.stderr) == bool(epochs)
    refused = run("finetune-bp", "--extend", tmp_path / "net.h5", "--optimiser", "cg",
                  "--data", digits_dir)  # fmt: skip
    fails_in_one_line(refused, 2, "--extension-epochs goes with --optimiser momentum")


def test_a_share_without_epochs_makes_no_difference_and_is_said_to_make_none(
    runs: Path, digits_dir: Path, tmp_path: Path
) -> None:
    plain = load(runs / "bp-a.h5")
    for more, said in (
        (["--final-share", "0.01"], True),
        (["--extension-epochs", "1", "--final-share", "0.01"], False),  # for the extension
    ):
        made = run("finetune-bp", runs / "pretrain-a.h5", *more, "--out", tmp_path / "net.h5",
                   "--force", "--data", digits_dir, *BACKPROP)  # fmt: skip
        assert made.exit_code == 0, made.output
        assert load(tmp_path / "net.h5").digest == plain.digest
        assert ("--final-share changes nothing here" in made.stderr) == said
        assert "final share" not in str(made_with(load(tmp_path / "net.h5")))
    for more in ([], ["--epochs", "3"]):
        out = tmp_path / f"extended{len(more)}.h5"
        made = run("finetune-bp", "--extend", runs / "bp-a.h5", *more, "--final-share", "0.01",
                   "--out", out, "--data", digits_dir, *BACKPROP)  # fmt: skip
        assert made.exit_code == 0, made.output
        assert "--final-share changes nothing here" in made.stderr


def test_the_settings_have_their_sources(runs: Path) -> None:
    shown = run("show", runs / "bp-dropout-a.h5").output
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert "Srivastava and others (2014)" in lines["dropout"]
    assert "experiments/beyond" in lines["pixel_dropout"]
    assert lines["epochs"].endswith("option")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--pixel-dropout", "0.3"], 2, ["--pixel-dropout goes with --dropout"]),
        (["--optimiser", "cg", "--epochs", "3"], 2, ["--epochs goes with --optimiser momentum"]),
        (["--dropout", "--feature-dropout", "0.1,0.2"], 1, ["2 chances of dropout for 3 layers"]),
        (["--dropout", "--feature-dropout", "1"], 2, ["chances below 1"]),
        (["--dropout", "--feature-dropout", "some"], 2, ["from 0 to 1"]),
        (["--dropout", "--pixel-dropout", "1"], 2, ["--pixel-dropout"]),
        (["--dropout", "--optimiser", "cg"], 2, ["goes with the optimiser momentum"]),
        (["--dropout", "--max-norm", "-1"], 2, ["--max-norm"]),
        (["--adversarial", "1"], 2, ["--adversarial goes with --dropout"]),
        (["--dropout", "--adversarial", "-1"], 2, ["--adversarial"]),
        (["--virtual", "1"], 2, ["--virtual goes with --dropout"]),
        (["--dropout", "--virtual", "-1"], 2, ["--virtual"]),
        (["--dropout", "--virtual-batch", "5"], 2, ["--virtual-batch goes with --virtual"]),
        (["--dropout", "--virtual", "1", "--virtual-batch", "0"], 2, ["--virtual-batch"]),
    ],
)
def test_mistakes_are_named(
    runs: Path, digits_dir: Path, tmp_path: Path, options: list[str], code: int, words: list[str]
) -> None:
    out = tmp_path / "net.h5"
    result = run("finetune-bp", runs / "pretrain-a.h5", *options, "--out", out, "--quiet", "--data",
                 digits_dir)  # fmt: skip
    fails_in_one_line(result, code, *words)
    assert not out.exists()


def test_dropout_without_backpropagation_is_refused(runs: Path, digits_dir: Path) -> None:
    result = run("finetune-cws", runs / "pretrain-labels-a.h5", "--dropout", "--quiet", "--data",
                 digits_dir, *CWS)  # fmt: skip
    fails_in_one_line(result, 2, "--dropout goes with --bp-weight above 0 or --search-bp-weight")


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script that keeps the record."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "experiments" / "beyond")
    return importlib.import_module("record")


def test_the_record_has_means_over_seeds_with_their_commands(runs: Path, record: Any) -> None:
    table = record.replicas.table([runs], "dropout").rows
    found = {row["name"]: row for row in record.rows(table)}
    errors = [file(runs, f"bp-dropout-{split}-extended").outcome.scores["test"] for split in "ab"]
    row = found["dropout, 600, mean"]
    assert row["mean"] == pytest.approx(sum(score.error_rate for score in errors) / 2)
    assert (row["seeds"], row["interval"]) == ([0], None)
    commands = {row["command"] for row in found.values()}
    for words in ("--search-bp-weight --dropout", "--labelled", "--no-pretraining", "--dropout"):
        assert any(words in command for command in commands)
    page = record.shown({"rows": list(found.values())})
    assert f"| dropout, 600, mean | 0 | {row['mean']:.2f} |" in page
    assert "No run" in record.shown({"rows": []})
    # What an extension goes on from is in the record alone.
    rows = [row | {"name": f"dropout, {n},000, mean"} for n in (50, 60)]
    assert [f"{n},000" in record.shown({"rows": rows}) for n in (50, 60)] == [False, True]
    assert "50,000" in record.shown({"rows": rows[:1]})


def measured(record: Any, experiment: str, **nets: dict[str, float]) -> list[dict[str, Any]]:
    """Rows of the table over seeds: test errors in per cent of nets by seed."""
    return [
        {"experiment": experiment, "net": net, "test_percent": test}
        for net, by_seed in nets.items()
        for test in [record.replicas.statistics(by_seed, None, "chapter")]
    ]


def test_the_record_has_numbers_of_every_seed_alone(record: Any) -> None:
    one, other = {"0": 1.0, "1": 2.0}, {"0": 2.0, "1": 6.0}
    table = [
        *measured(record, "dropout, 50,000", a=one, b=other, product={"0": 1.0, "1": 1.5}),
        *measured(record, "dropout, 60,000", a=one, b={"0": 2.0}, product={"0": 1.0}),
        *measured(record, record.STARTS, a=one, b=other, product=one),
    ]
    mean, product = record.rows(table)
    assert (mean["name"], product["name"]) == ("dropout, 50,000, mean", "dropout, 50,000, product")
    # Means 1.5 and 4 of the nets of either seed: 2.75, and their half difference times Student's
    # t of one degree of freedom, which is the tangent of 0.475 pi.
    assert mean["by_seed"] == {"0": 1.5, "1": 4.0}
    assert mean["seeds"] == [0, 1]
    assert mean["mean"] == 2.75
    assert mean["interval"] == pytest.approx(1.25 * np.tan(0.475 * np.pi), rel=1e-9)
    assert product["mean"] == 1.25


def test_a_mean_that_the_table_has_is_not_made_again(record: Any) -> None:
    own = {"0": 5.0}
    table = measured(record, "dropout", a={"0": 1.0}, b={"0": 2.0}, mean=own, product={"0": 1.0})
    assert [row["mean"] for row in record.rows(table)] == [5.0, 1.0]


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ("dropout, 50,000", "finetune-bp --dropout"),
        ("dropout, 60,000", "finetune-bp --dropout, then --extend"),
        ("dropout, not pretrained, 60,000", "finetune-bp --no-pretraining --dropout"),
        ("dropout, 1,000 labels", "finetune-bp --dropout --labelled"),
        ("dropout, not pretrained, 1,000 labels",
         "finetune-bp --no-pretraining --dropout --labelled"),
        ("mixed gradient, dropout, 60,000",
         "finetune-cws --search-bp-weight --dropout, then --extend"),
        ("adversarial, 60,000", "finetune-bp --dropout --adversarial 1, then --extend"),
        ("adversarial, mixed gradient, 50,000",
         "finetune-cws --search-bp-weight --dropout --adversarial 1"),
        ("virtual adversarial, 1,000 labels", "finetune-bp --dropout --virtual 2 --labelled"),
        ("adversarial and virtual, 60,000",
         "finetune-bp --dropout --adversarial 1 --virtual 2, then --extend"),
    ],
)  # fmt: skip
def test_a_number_of_the_record_has_the_command_that_makes_its_nets(
    record: Any, experiment: str, words: str
) -> None:
    assert record.command(experiment) == f"hinton06 {words}"


def test_tables_that_were_made_elsewhere_have_their_own_commands_in_the_record(
    record: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "HERE", tmp_path)
    (tmp_path / "README.md").write_text(f"before{''.join(record.MARKS)}after", "utf-8")
    words = []
    for name, percent in (("one", 1.0), ("other", 2.0)):
        rows = measured(record, name, product={"3": percent, "4": percent + 1})
        (tmp_path / f"{name}.json").write_text(json.dumps({"rows": rows}), "utf-8")
        words += [str(tmp_path / f"{name}.json"), f"hinton06 makes {name}"]
    record.main(words)
    kept = json.loads((tmp_path / "beyond.json").read_text("utf-8"))["rows"]
    assert [row["command"] for row in kept] == words[1::2]
    # Student's t of one degree of freedom, 12.71, times half the difference of both seeds.
    page = (tmp_path / "README.md").read_text("utf-8")
    assert page.startswith("before")
    assert page.endswith("after")
    assert "| one, product | 3, 4 | 1.50 ± 6.35 |\n| other, product | 3, 4 | 2.50 ± 6.35 |" in page
