"""One net asked for labels in several ways: library call, command and report."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from commands import run
from test_cli import on_a_terminal

from hinton06 import checkpoint, evaluation, mnist, recognition
from hinton06.annealing import sample
from hinton06.cases import cases_at
from hinton06.checkpoint import Checkpoint
from hinton06.evaluation import CaseSelection, Method
from hinton06.lineage import Lineage
from hinton06.loading import Context
from hinton06.mnist import Digits
from hinton06.models import Classifier, DeepBeliefNet, Rbm
from hinton06.recipes import RECIPES
from hinton06.records import to_tree
from hinton06.report import scores as report
from hinton06.streams import Use, stream
from hinton06.training import RunError

SAMPLING = Method("sampling", passes=3, temperatures=1, seed=4)


def some_net() -> DeepBeliefNet:
    """For images of 7 x 5 pixels and 4 classes."""
    rng = np.random.default_rng(3)
    sizes, labels = ((35, 6), (6, 5)), 4
    stack = [Rbm.random(*size, initial_sd=0.5, rng=rng) for size in sizes]
    return DeepBeliefNet.untied([*stack, Rbm.random(5 + labels, 7, 1.0, rng, labels)])


def record(kind: str, model: dict[str, Any], role: str, data: str) -> Checkpoint:
    """A finished file, with all that one records."""
    score = {"cases": 2, "errors": 1, "cost_per_100": 50.0}
    part = {"generative": "wakesleep", "classifier": "backprop"}[kind]
    return Checkpoint(
        kind, True, "tiny", to_tree(RECIPES["quick"].settings(part)),
        to_tree(Lineage(data, seed=0, threads=1, role=role, split="a")),
        {"seconds": 1.0},
        model,
        history={name: np.ones(1) for name in ("valid_cost", "valid_errors", "train_cost")},
        outcome={
            "reason": "made by hand", "capped": False, "epochs": 1,
            "epochs_before": 0, "train": score, "valid": score, "test": score,
            "test_log_probs": np.log(np.full((2, 4), 0.25)),
            "test_labels": np.zeros(2, np.uint8),
        },
    )  # fmt: skip


@pytest.fixture
def nets(tmp_path: Path, idx_folder: Path) -> dict[str, Path]:
    """Files of a validated and an extended generative net and of a classifier."""
    rng, data = np.random.default_rng(5), mnist.read(idx_folder).sha256
    classifier = Classifier.random((35, 6, 4), 1.0, rng).arrays()
    made = {
        "validated": ("generative", some_net().arrays(), "validated"),
        "extended": ("generative", some_net().arrays(), "extended"),
        "classifier": ("classifier", classifier, "validated"),
    }
    paths = {}
    for name, (kind, model, role) in made.items():
        paths[name] = tmp_path / f"{name}.h5"
        checkpoint.save(paths[name], record(kind, model, role, data))
    return paths


@pytest.fixture
def context(idx_folder: Path, progress: Any) -> Context:
    return Context(mnist.read(idx_folder), progress)


def fails(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.output
    assert code == 2 or len(result.stderr.strip().splitlines()) == 1


# -- the library call ------------------------------------------------------------------------


def on_test(use: Use) -> np.random.Generator:
    """The random numbers of seed 4 for the test cases."""
    return stream(4, use, evaluation.PARTS.index("test"))


def test_each_method_is_its_own_function_with_its_own_values(
    nets: dict[str, Path], context: Context
) -> None:
    net, images, labels = some_net(), context.digits.test_images, context.digits.test_labels
    expected = {
        Method("free-energy"): recognition.label_log_probs(net, images),
        Method("stochastic", seed=4):
            recognition.stochastic_label_log_probs(net, images, on_test(Use.STOCHASTIC)),
        Method("stochastic-mean", passes=3, seed=4):
            recognition.stochastic_label_log_probs(net, images, on_test(Use.STOCHASTIC_MEAN), 3),
        Method("label-gibbs", rounds=5, seed=4):
            recognition.gibbs_label_log_probs(net, images, on_test(Use.LABEL_GIBBS), 5),
        SAMPLING: sample(net, images, on_test(Use.SAMPLING), 3, 1).log_probs(),
    }  # fmt: skip
    assert {method.name for method in expected} == set(evaluation.METHODS)
    found = evaluation.evaluate(
        context, nets["validated"], list(expected), CaseSelection(("test",))
    )
    assert [e.method for e in found] == list(expected)
    for each, log_probs in zip(found, expected.values(), strict=True):
        assert each.score == recognition.score(log_probs, labels)
    assert len({e.score.cost_per_100 for e in found}) == len(found)


def test_only_weighted_samples_have_a_spread(nets: dict[str, Path], context: Context) -> None:
    plain, sampled = evaluation.evaluate(
        context, nets["validated"], [Method(), SAMPLING], CaseSelection(("test",))
    )
    assert plain.spread is None
    images = context.digits.test_images
    assert sampled.spread == sample(some_net(), images, on_test(Use.SAMPLING), 3, 1).spread()
    assert sampled.sha256 == checkpoint.load(nets["validated"]).digest()


@pytest.mark.parametrize("methods", [[], [SAMPLING], [Method(), SAMPLING]])
def test_progress_ends_with_all_cases(
    nets: dict[str, Path], context: Context, progress: Any, methods: Sequence[Method]
) -> None:
    evaluation.evaluate(context, nets["validated"], methods)
    n_methods = max(1, len(methods))
    assert progress.work == [(0, 160)] * n_methods
    assert progress.ticked == pytest.approx(160 * n_methods)


def test_parts_are_those_that_were_chosen_in_their_own_order(
    nets: dict[str, Path], context: Context
) -> None:
    chosen = CaseSelection(("test", "validation"))
    found = evaluation.evaluate(context, nets["validated"], selection=chosen)
    assert [(e.part, e.score.cases) for e in found] == [("validation", 20), ("test", 40)]


def test_chosen_cases_are_the_same_for_every_method_and_of_the_part(
    nets: dict[str, Path], context: Context
) -> None:
    digits, chosen = context.digits, CaseSelection(cases=30, seed=2)
    first, again = evaluation.evaluate(context, nets["extended"], [Method(), Method()],
                                   CaseSelection(("train",), 30, 2))  # fmt: skip
    assert first.score.cases == 30
    assert first.score == again.score
    cases = recognition.Cases(digits.train_images, np.arange(len(digits.train_labels)))
    drawn = chosen.draw(cases, "train").labels
    assert len(set(drawn.tolist())) == 30
    assert sorted(drawn) == list(drawn)
    other = CaseSelection(cases=30, seed=3).draw(cases, "train").labels
    assert set(other.tolist()) != set(drawn.tolist())
    assert set(chosen.draw(cases, "test").labels.tolist()) != set(drawn.tolist())
    np.testing.assert_array_equal(chosen.draw(cases, "train").images, digits.train_images[drawn])
    assert CaseSelection(cases=len(cases)).draw(cases, "train") is cases
    assert CaseSelection(cases=1000).draw(cases, "train") is cases


def test_everything_is_refused_before_anything_is_measured(
    nets: dict[str, Path], context: Context, progress: Any
) -> None:
    for bad, methods, chosen, words in (
        ("classifier", [Method()], CaseSelection(), "softmax alone"),
        ("extended", [], CaseSelection(("validation",)), "no validation cases"),
    ):
        with pytest.raises(RunError, match=words) as caught:
            evaluation.evaluate(context, [nets["validated"], nets[bad]], methods, chosen)
        assert str(caught.value).startswith(f"{nets[bad]}: ")
    assert progress.calls == []


# -- the command -----------------------------------------------------------------------------


def test_all_methods_of_one_net_in_a_table(nets: dict[str, Path], idx_folder: Path) -> None:
    command = ["evaluate", nets["validated"], "--method", "all", "--data", idx_folder, "--passes",
               "3", "--temperatures", "1", "--rounds", "4", "--cases", "10", "--seed", "2",
               "--quiet"]  # fmt: skip
    made = run(*command)
    assert made.exit_code == 0, made.output
    text = " ".join(made.stdout.split())
    for name in evaluation.METHODS:
        assert f" {name} " in text
    assert "the 3 weighted passes are worth" in text
    assert "At most 10 cases of each part, drawn with seed 2." in text
    assert max(map(len, on_a_terminal(80, *command))) <= 80


def test_json_says_how_each_number_was_measured(nets: dict[str, Path], idx_folder: Path) -> None:
    made = run("evaluate", nets["validated"], "--method", "sampling", "--method", "free-energy",
               "--passes", "2", "--temperatures", "1", "--part", "test", "--data", idx_folder,
               "--quiet", "--json")  # fmt: skip
    sampled, plain = json.loads(made.stdout)
    assert sampled["method"] == {"name": "sampling", "passes": 2, "temperatures": 1, "seed": 0}
    assert plain["method"] == {"name": "free-energy"}
    assert sampled["weights"]["passes"] == 2
    assert 1 <= sampled["weights"]["effective_size"] <= 2
    assert "weights" not in plain
    assert "drawn_with_seed" not in plain
    assert sampled["seconds"] > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--passes", "3"], ["--passes", "stochastic-mean or sampling"]),
        (["--passes", "20"], ["--passes"]),  # the default, but given
        (["--method", "stochastic", "--passes", "3"], ["--passes"]),
        (["--method", "sampling", "--rounds", "3"], ["--rounds", "label-gibbs"]),
        (["--method", "stochastic-mean", "--temperatures", "3"], ["--temperatures", "sampling"]),
        (["--seed", "1"], ["--seed", "--cases"]),
        (["--method", "free-energy", "--seed", "1"], ["--seed"]),
        (["--part", "valid"], ["--part", "validation"]),
        (["--cases", "0"], ["--cases"]),
        (["--method", "sampling", "--temperatures", "-1"], ["--temperatures"]),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    nets: dict[str, Path], options: list[str], words: list[str]
) -> None:
    fails(run("evaluate", nets["validated"], *options), 2, *words)


@pytest.mark.parametrize("method", evaluation.METHODS)
def test_a_classifier_is_asked_in_no_other_way(
    nets: dict[str, Path], idx_folder: Path, method: str
) -> None:
    made = run("evaluate", nets["classifier"], "--method", method, "--data", idx_folder)
    fails(made, 1, "classifier.h5: is a classifier", "softmax alone")


def test_a_classifier_without_methods_is_measured_as_before(
    nets: dict[str, Path], idx_folder: Path
) -> None:
    made = run("evaluate", nets["classifier"], "--data", idx_folder, "--part", "test",
               "--cases", "5", "--seed", "1", "--json")  # fmt: skip
    (found,) = json.loads(made.stdout)
    assert (found["cases"], found["drawn_with_seed"]) == (5, 1)
    assert "method" not in found


# -- the report ------------------------------------------------------------------------------


def test_saved_files_hold_what_was_measured(
    nets: dict[str, Path], idx_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "methods"
    made = run("evaluate", nets["validated"], "--method", "all", "--passes", "2",
               "--temperatures", "1", "--data", idx_folder, "--threads", "1", "--save", folder,
               "--json", "--quiet")  # fmt: skip
    assert made.exit_code == 0, made.output
    printed = json.loads(made.stdout)
    document = json.loads((folder / "methods.json").read_text())
    assert document["threads"] == 1
    assert "numpy" in document["provenance"]
    records = list(csv.DictReader(io.StringIO((folder / "methods.csv").read_text())))
    table = (folder / "methods.md").read_text().splitlines()[2:]
    assert len(printed) == len(records) == len(document["rows"]) == 15
    for entry, row, record, line in zip(printed, document["rows"], records, table, strict=False):
        assert {key: row[key] for key in entry} == entry
        assert row["sha256"] == checkpoint.load(nets["validated"]).digest()
        assert record["method"] == entry["method"]["name"]
        assert int(record["errors"]) == entry["errors"]
        low, high = entry["errors_95_low"], entry["errors_95_high"]
        assert f"| {entry['errors']} ({low:.0f}-{high:.0f}) | " in line
    assert "sampling (2 passes, 1 temperature)" in "\n".join(table)


def test_every_case_is_saved_with_its_number_guess_and_probabilities(
    nets: dict[str, Path], idx_folder: Path, tmp_path: Path
) -> None:
    digits, ways = mnist.read(idx_folder), ["free-energy", "stochastic"]
    made = run("evaluate", nets["validated"], nets["extended"], *(f"--method={w}" for w in ways),
               "--data", idx_folder, "--save", tmp_path, "--cases", "15", "--quiet")  # fmt: skip
    assert made.exit_code == 0, made.output
    with np.load(tmp_path / "cases.npz") as opened:
        cases = dict(opened)
    records = list(csv.DictReader(io.StringIO((tmp_path / "cases.csv").read_text())))
    assert len(records) == len(cases["case"]) == 2 * 15 * (3 + 2)  # validated has validation cases
    held_out = mnist.split(len(digits.train_labels), "a").valid
    assert np.isin(cases["case"][cases["part"] == "validation"], held_out).all()
    plain = np.flatnonzero(cases["method"] == "free-energy")
    for row, record in enumerate(records):
        part, number = str(cases["part"][row]), int(cases["case"][row])
        of_test = part == "test"
        labels = digits.test_labels if of_test else digits.train_labels
        assert cases["label"][row] == labels[number]
        probs = cases["probabilities"][row]
        np.testing.assert_array_equal(probs, np.exp(cases["log_probabilities"][row]))
        assert cases["guess"][row] == probs.argmax()
        named = {name: str(cases[name][row]) for name in ("net", "method", "part", "case", "label")}
        assert {name: record[name] for name in named} == named
        written = [record[f"p{label}"] for label in range(len(probs))]
        np.testing.assert_array_equal(np.array(written, probs.dtype), probs)
        if row in plain:
            images = digits.test_images if of_test else digits.train_images
            wanted = recognition.label_log_probs(some_net(), images[number : number + 1])[0]
            # float32 sums of a few dozen terms of order 1.
            np.testing.assert_allclose(cases["log_probabilities"][row], wanted, atol=1e-4)


def test_every_case_of_a_classifier_is_saved_too(
    nets: dict[str, Path], idx_folder: Path, tmp_path: Path
) -> None:
    made = run("evaluate", nets["classifier"], "--data", idx_folder, "--save", tmp_path, "--json")
    (*_, test) = json.loads(made.stdout)
    with np.load(tmp_path / "cases.npz") as cases:
        of_test = cases["part"] == "test"
        assert set(cases["method"]) == {"softmax"}
        assert cases["case"][of_test].tolist() == list(range(test["cases"]))
        assert (cases["guess"] != cases["label"])[of_test].sum() == test["errors"]
        costs = -cases["log_probabilities"][of_test][range(test["cases"]), cases["label"][of_test]]
    assert 100 * costs.mean(dtype=float) == pytest.approx(test["cost_per_100"], rel=1e-12)


def test_translated_cases_keep_the_numbers_of_theirs(tiny_digits: Digits) -> None:
    found = cases_at(tiny_digits, slice(10, 14), translations=1)
    assert found.numbers is not None
    assert found.numbers.tolist() == [10, 11, 12, 13] * 5
    np.testing.assert_array_equal(found.labels, tiny_digits.train_labels[found.numbers])


def test_published_figures_stand_beside_test_errors_of_mnist_and_wake_sleep_alone(
    nets: dict[str, Path], context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = [Method(name, 1, 1, 0) for name in evaluation.METHODS]
    selection = CaseSelection(cases=3)

    def lines_of(name: str) -> tuple[list[Any], list[str]]:
        found = evaluation.evaluate(context, nets[name], methods, selection, as_they_can=True)
        table = report.methods_table(found, selection, threads=1)
        return found, table.markdown().splitlines()[2:]

    assert set(report.PUBLISHED) == set(evaluation.METHODS)
    _, others = lines_of("validated")
    monkeypatch.setattr(mnist, "SHA256", context.digits.sha256)
    mixed = checkpoint.load(nets["validated"])
    mixed.outcome["bp_weight"] = 0.5
    nets["mixed"] = nets["validated"].with_name("mixed.h5")
    checkpoint.save(nets["mixed"], mixed)
    _, of_mixed = lines_of("mixed")
    assert not any("1.25 %" in line for line in [*others, *of_mixed])
    found, lines = lines_of("validated")
    titles = {str(report._confusion_table(each).title) for each in found}
    assert len(titles) == len(found)  # a matrix says what it is of
    for each, line in zip(found, lines, strict=False):
        assert each.method is not None
        published = report.PUBLISHED[each.method.name]
        assert line.endswith(f"| {published} |") == (each.part == "test")


def test_a_folder_that_cannot_be_made_is_one_line(
    nets: dict[str, Path], idx_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    made = run("evaluate", nets["validated"], "--data", idx_folder, "--quiet", "--save",
               tmp_path / "file" / "new")  # fmt: skip
    fails(made, 1, "cannot be written")


def test_a_record_that_cannot_be_written_leaves_the_old_one(
    nets: dict[str, Path], idx_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "methods.md").write_text("old\n")
    (tmp_path / "methods.md.tmp").mkdir()  # in the way of the new file
    made = run("evaluate", nets["validated"], "--data", idx_folder, "--quiet", "--save", tmp_path)
    fails(made, 1, "methods.md", "cannot be written")
    assert (tmp_path / "methods.md").read_text() == "old\n"


def test_cases_of_nets_of_other_classes_have_a_column_for_each_class() -> None:
    shares = np.array([[0.75, 0.25], [0.125, 0.875]])
    nets = [
        evaluation.Evaluation(
            f"{name}.h5", "test", recognition.Score(2, 1, 1.0), np.eye(2, dtype=np.int64),
            log_probs=np.log(shares), labels=np.array([0, 0]), numbers=np.array([4, 9]),
            classes=classes,
        )
        for name, classes in (("one", (3, 7)), ("other", (5, 7)))
    ]  # fmt: skip
    cases = report._cases(nets)
    assert cases["classes"].tolist() == [3, 5, 7]
    assert cases["label"].tolist() == [3, 3, 5, 5]
    assert cases["guess"].tolist() == [3, 7, 5, 7]
    # What a net does not know has no probability, and the logarithm of none.
    nothing = np.zeros(2)
    wanted = [np.stack([shares[:, 0], nothing, shares[:, 1]], axis=1),
              np.stack([nothing, *shares.T], axis=1)]  # fmt: skip
    np.testing.assert_allclose(cases["probabilities"], np.vstack(wanted), rtol=1e-15)
    assert np.isneginf(cases["log_probabilities"]).sum() == 4


def test_two_methods_are_told_apart_by_name_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (
        evaluation.Evaluation(
            "net.h5", "test", recognition.Score(200, 7, 1.0), np.eye(2), Method(name), seconds
        )
        for name, seconds in (("free-energy", 1.5), ("label-gibbs", 12.0))
    )
    report.show([one, other], False, [])
    head, net, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert (head[0], head[-1], net) == ("method", "seconds", ["net.h5"])
    assert [(row[0], row[-1]) for row in rows] == [("free-energy", "1.5"), ("label-gibbs", "12.0")]
    report.show([one], False, [])
    assert "method" not in capsys.readouterr().out


def test_an_error_rate_and_its_interval_are_of_the_cases_that_were_asked() -> None:
    found = evaluation.Evaluation("net.h5", "test", recognition.Score(400, 8, 1.0), np.eye(2))
    low, high = (end / 4 for end in report.interval(8, 400))
    shown = report.methods_table([found], evaluation.EVERY_CASE, threads=1).markdown()
    assert f"| 2.00 ({low:.2f}-{high:.2f}) % |" in shown
