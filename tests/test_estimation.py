"""Files asked how probable they think images are: library call, command, table."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from test_cli import fails_in_one_line, on_a_terminal, run

from hinton06 import checkpoint, estimation, likelihood, mnist
from hinton06.cases import cases_held_out, cases_learned
from hinton06.estimation import Likelihood, LogP
from hinton06.evaluation import CaseSelection
from hinton06.generation import Generator
from hinton06.likelihood import Estimate, LogZ
from hinton06.loading import Context, load
from hinton06.mnist import Digits
from hinton06.models import Stack
from hinton06.rbm import free_energy
from hinton06.recipes import RECIPES, LikelihoodSettings
from hinton06.report import likelihoods
from hinton06.streams import Use, stream
from hinton06.training import RunError

OLD = Path(__file__).parent / "data" / "version-1"
SETTINGS = LikelihoodSettings(chains=20, temperatures=30, rounds=3, binary="drawn")
SHORT = ["--threads", "1", "--quiet", "--chains", "20", "--temperatures", "30", "--rounds", "3"]


@pytest.fixture(scope="module")
def digits() -> Digits:
    return mnist.read(OLD / "digits")


@pytest.fixture
def context(digits: Digits, progress: Any) -> Context:
    return Context(digits, progress)


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No RBM is small enough to be enumerated."""
    monkeypatch.setattr(likelihood, "MOST_ENUMERATED", 0)


def measured(context: Context, *names: str, **more: Any) -> list[Likelihood]:
    return estimation.estimate(context, [OLD / name for name in names], SETTINGS, **more)


# -- the library call ------------------------------------------------------------------------


def test_an_rbm_s_mean_log_p_is_that_of_its_free_energy_and_log_z(context: Context) -> None:
    (found,) = measured(context, "pretrain-a.h5", layers=[1], seed=5)
    file, digits = load(OLD / "pretrain-a.h5"), context.digits
    rbm = file.model[0]
    assert found.log_z.exact == likelihood.exact_log_z(rbm)
    parts = {
        "train": cases_learned(digits, file.lineage).images,
        "validation": cases_held_out(digits, file.lineage).images,
        "test": digits.test_images,
    }
    assert list(found.log_ps) == list(parts)
    for number, (part, images) in enumerate(parts.items()):
        rng = stream(5, Use.BINARY_PIXELS, number)
        logs = -free_energy(rbm, likelihood.binarised(images, rng)).astype(np.float64)
        own = found.log_ps[part]
        assert own.cases == len(images)
        # Free energies of float32, below 1000 in size.
        tolerance = 1000 * 100 * float(np.finfo(np.float32).eps)
        assert own.mean == pytest.approx(logs.mean() - found.log_z.value, abs=tolerance)
        assert own.standard_error == pytest.approx(
            float(logs.std(ddof=1)) / math.sqrt(len(logs)), abs=tolerance
        )


def test_each_kind_of_file_gives_a_result_for_each_thing_that_it_models(context: Context) -> None:
    found = measured(context, "pretrain-a.h5", "pretrain-labels-a.h5", "cws-a.h5")
    assert [(each.file.path.name, each.layer, each.labelled) for each in found] == [
        ("pretrain-a.h5", 1, False), ("pretrain-a.h5", 2, False), ("pretrain-a.h5", 3, False),
        ("pretrain-labels-a.h5", 1, False), ("pretrain-labels-a.h5", 2, False),
        ("pretrain-labels-a.h5", 3, False), ("pretrain-labels-a.h5", 3, True),
        ("cws-a.h5", None, False), ("cws-a.h5", None, True),
    ]  # fmt: skip
    for plain, labelled in itertools.pairwise(found):
        if labelled.labelled:  # a label is one of several
            assert labelled.log_z is plain.log_z
            for part, own in labelled.log_ps.items():
                assert own.mean < plain.log_ps[part].mean


def test_a_standard_error_is_that_of_a_sample(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: 1, 2 and 6 have the sample variance 7."""
    monkeypatch.setattr(estimation, "_log_weights", lambda *_: np.array([1.0, 2.0, 6.0]))
    found = measured(context, "pretrain-a.h5", layers=[1])[0].log_ps["test"]
    assert found.standard_error == pytest.approx(math.sqrt(7 / 3), rel=reference.rounding(10))


def test_every_model_is_asked_about_the_same_binary_images(context: Context) -> None:
    together = measured(context, "pretrain-b.h5", "pretrain-a.h5", seed=3)
    alone = measured(context, "pretrain-a.h5", layers=[2], seed=3)
    (same,) = [e for e in together if e.file.path.name == "pretrain-a.h5" and e.layer == 2]
    assert (alone[0].log_z, alone[0].log_ps) == (same.log_z, same.log_ps)
    other = measured(context, "pretrain-a.h5", layers=[2], seed=4)
    assert other[0].log_ps != same.log_ps
    assert other[0].log_z == same.log_z  # which is exact


def test_the_binary_images_of_a_part_do_not_depend_on_what_other_parts_there_are(
    context: Context,
) -> None:
    every = measured(context, "cws-a.h5", seed=3)[0]
    for part in ("train", "validation", "test"):
        alone = measured(context, "cws-a.h5", seed=3, selection=CaseSelection((part,)))[0]
        assert alone.log_ps[part] == every.log_ps[part]


def test_log_z_is_estimated_from_all_images_that_were_learned(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    estimate_log_z = likelihood.estimate_log_z

    def noted(rbm: Any, states: Any, *more: Any) -> LogZ:
        asked.append(states)
        return estimate_log_z(rbm, states, *more)

    monkeypatch.setattr(likelihood, "estimate_log_z", noted)
    measured(context, "pretrain-a.h5", layers=[1], seed=5)
    learned = cases_learned(context.digits, load(OLD / "pretrain-a.h5").lineage).images
    rng = stream(5, Use.LOG_Z)
    expected = likelihood.binarised(learned[rng.permutation(len(learned))], rng)
    np.testing.assert_array_equal(asked, [expected])


@pytest.mark.usefixtures("sampled")
def test_a_log_z_that_is_sampled_has_both_sides_and_depends_on_the_seed(context: Context) -> None:
    one, same, other = (
        measured(context, "pretrain-labels-a.h5", layers=[3], seed=seed)[0].log_z
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other
    assert one.exact is None
    assert one.below is not None
    assert one.above is not None
    assert one.value == one.below.log_z


def test_progress_is_told_of_each_model_and_ends_with_all_the_work(
    context: Context, progress: Any
) -> None:
    measured(context, "pretrain-a.h5", "cws-a.h5")
    begun = [call for call in progress.calls if call != "end"]
    assert begun == [
        *(f"begin likelihood pretrain-a.h5 layer {layer}" for layer in (1, 2, 3)),
        "begin likelihood cws-a.h5",
    ]
    assert progress.work == [(0, 1.0)] * 4
    assert progress.ticked == pytest.approx(4)


def test_parts_and_cases_are_those_of_evaluate(context: Context) -> None:
    chosen = CaseSelection(("test", "train"), 5, 2)
    (found,) = measured(context, "pretrain-a.h5", layers=[1], selection=chosen)
    assert {part: own.cases for part, own in found.log_ps.items()} == {"train": 5, "test": 5}
    (single,) = measured(
        context, "pretrain-a.h5", layers=[1], selection=CaseSelection(("test",), 1)
    )
    assert single.log_ps["test"].standard_error == 0
    extended = measured(context, "cws-a-extended.h5")[0]
    assert list(extended.log_ps) == ["train", "test"]
    with pytest.raises(RunError, match="has no validation cases"):
        measured(context, "cws-a-extended.h5", selection=CaseSelection(("validation",)))


@pytest.mark.parametrize(
    ("name", "layers", "message"),
    [
        ("bp-a.h5", [], "it generates nothing"),
        ("pretrain-a.h5", [4], "it has layers 1 to 3, not 4"),
        ("cws-a.h5", [1], "only a stack has layers to choose from"),
        ("pretrain-c.h5.part", [], "is not finished"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_estimated(
    name: str, layers: list[int], message: str, context: Context, progress: Any
) -> None:
    with pytest.raises(RunError, match=message) as error:
        measured(context, name, layers=layers)
    assert str(OLD / name) in str(error.value)
    assert progress.calls == []


def test_a_net_beside_a_stack_is_asked_as_a_whole(context: Context) -> None:
    found = measured(context, "cws-a.h5", "pretrain-a.h5", layers=[1, 1])
    assert [each.layer for each in found] == [None, None, 1]


def test_weights_that_are_too_large_are_named_and_no_number_is_made_up(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = checkpoint.load(OLD / "pretrain-a.h5")
    held.model["rbm1"]["weights"][...] = 3e38
    checkpoint.save(tmp_path / "large.h5", held)
    for most in (20, 0):
        monkeypatch.setattr(likelihood, "MOST_ENUMERATED", most)
        with pytest.raises(RunError, match=r"large\.h5: weights so large"):
            estimation.estimate(context, [tmp_path / "large.h5"], SETTINGS, [1])


# -- the command -----------------------------------------------------------------------------


def test_the_command_prints_and_saves_a_row_for_each_model(tmp_path: Path) -> None:
    names = ["pretrain-a.h5", "cws-a.h5"]
    for name in names:
        shutil.copy(OLD / name, tmp_path)
    paths, data = [tmp_path / name for name in names], ["--data", OLD / "digits"]
    result = run("likelihood", *paths, *data, *SHORT, "--save", tmp_path / "saved")
    assert result.exit_code == 0, result.output
    shown = result.stdout
    for words in ("49-12-12-20", "images with labels", "wake-sleep", "CD-1", "in brackets one"):
        assert words in shown
    for ending in ("md", "csv", "json"):
        assert (tmp_path / "saved" / f"likelihood.{ending}").stat().st_size
    rows = list(csv.DictReader((tmp_path / "saved" / "likelihood.csv").read_text().splitlines()))
    assert [(row["net"], row["layer"], row["bound"]) for row in rows] == [
        ("pretrain-a", "1", "False"), ("pretrain-a", "2", "True"), ("pretrain-a", "3", "True"),
        ("cws-a", "", "True"), ("cws-a", "", "True"),
    ]  # fmt: skip
    document = json.loads((tmp_path / "saved" / "likelihood.json").read_text())
    assert document["settings"] == dataclasses.asdict(SETTINGS)
    assert (document["seed"], document["threads"]) == (0, 1)
    assert document["rows"][0]["sha256"] == checkpoint.load(paths[0]).digest()
    printed = run("likelihood", *paths, *data, *SHORT, "--json")
    again = json.loads(printed.stdout)
    for one, other in zip(document["rows"], again["rows"], strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_the_recipe_is_that_of_the_first_file_unless_another_is_named() -> None:
    data = ["--data", OLD / "digits", "--layer", "1", "--threads", "1", "--quiet", "--json"]
    own = load(OLD / "pretrain-a.h5").recipe
    for more, name in (([], own), (["--recipe", "tr2006"], "tr2006"), (["--chains", "7"], own)):
        result = run("likelihood", OLD / "pretrain-a.h5", *data, *more)
        assert result.exit_code == 0, result.output
        expected = dataclasses.asdict(RECIPES.get(name, RECIPES["tr2006"]).settings("likelihood"))
        expected |= {"chains": 7} if "--chains" in more else {}
        assert json.loads(result.stdout)["settings"] == expected


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_no_line_is_wider_than_it(width: int) -> None:
    lines = on_a_terminal(
        width, "likelihood", OLD / "cws-a.h5", "--data", OLD / "digits", "--part", "test", *SHORT
    )
    assert max(map(len, lines)) <= width
    assert any("images with labels" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--layer", "0"], ["--layer"]),
        (["--chains", "1"], ["--chains"]),
        (["--temperatures", "0"], ["--temperatures"]),
        (["--rounds", "-1"], ["--rounds"]),
        (["--binary", "grey"], ["--binary", "threshold"]),
        (["--part", "tests"], ["--part", "test"]),
        (["--cases", "0"], ["--cases"]),
        (["--recipe", "quik"], ["--recipe", "quick"]),
        (["missing.h5"], ["missing.h5"]),
    ],
)
def test_a_mistake_is_named(arguments: list[str], words: list[str]) -> None:
    fails_in_one_line(run("likelihood", OLD / "pretrain-a.h5", *arguments), 2, *words)


def test_a_classifier_and_other_images_are_refused_in_one_line(idx_folder: Path) -> None:
    data = ["--data", OLD / "digits", "--quiet"]
    fails_in_one_line(run("likelihood", OLD / "bp-a.h5", *data), 1, "generates nothing")
    other = run("likelihood", OLD / "pretrain-a.h5", "--data", idx_folder, "--quiet")
    assert other.exit_code == 1
    assert "has 49 inputs" in other.stderr.splitlines()[-1]


# -- the table -------------------------------------------------------------------------------


def found_of(log_z: LogZ, **settings: Any) -> Likelihood:
    """The first RBM of a stack, as if it had been learned by other settings."""
    file = load(OLD / "pretrain-a.h5")
    changed = dataclasses.replace(file, settings=dataclasses.replace(file.settings, **settings))
    log_ps = {"test": LogP(40, -86.123, 0.256)}
    return Likelihood(changed, 1, False, log_z, log_ps, 1.0)


def cells(found: Likelihood) -> dict[str, str]:
    table = likelihoods.table([found], SETTINGS, CaseSelection(), 0, 1)
    return {column.heading: column.text(table.rows[0]) for column in table.columns}


def test_cells_have_intervals_of_two_ends_or_none() -> None:
    """One end of an estimate that hangs on a few chains says as little as the other."""
    below = Estimate(100.126, None, 100.5, 2.0, 3.0)
    above = Estimate(101.5, 101.25, None, 2.0, 3.0)
    found = cells(found_of(LogZ(below=below, above=above), persistent=True, cd=3))
    assert found == {
        "net": "pretrain-a", "units": "49-12", "learned by": "persistent CD-3",
        "log p of": "images", "log Z": "100.13 [?, ?]", "from above": "101.50 [?, ?]",
        "gap": "1.37", "test": "-86.12 (0.26)",
    }  # fmt: skip
    closed = cells(found_of(LogZ(below=Estimate(100.126, 99.9, 100.5, 1.0, 50.0))))
    assert (closed["log Z"], closed["from above"]) == ("100.13 [99.90, 100.50]", "")
    exact = cells(found_of(LogZ(exact=7.0)))
    assert (exact["log Z"], exact["from above"], exact["gap"]) == ("7.00", "", "0.00")


@pytest.mark.parametrize(
    ("width", "notes"),
    [
        (2.9, []),
        (3.1, ["the two estimates of log Z of pretrain-a, 49-12 are 3 nats apart; more "
               "--temperatures bring them together"]),
        (-2.9, []),
        (-3.1, ["log Z of pretrain-a, 49-12, is 3 nats more from below than on the way back from "
                "images: it has states that no image leads to"]),
    ],
)  # fmt: skip
def test_estimates_that_are_far_apart_get_a_note(width: float, notes: list[str]) -> None:
    sides = [Estimate(z, None, None, 1.0, 1.0) for z in (100.0, 100.0 + width)]
    found = found_of(LogZ(below=sides[0], above=sides[1]))
    assert likelihoods.table([found], SETTINGS, CaseSelection(), 0, 1).notes == notes


def test_the_published_number_stands_beside_an_rbm_like_the_published_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Learned by CD-25, 500 features, MNIST: here 12 features of other digits."""
    monkeypatch.setattr(likelihoods, "PUBLISHED_TEST", {("CD-25", 12): -86.34})
    like = found_of(LogZ(exact=0.0), cd=25)
    assert "published, test" not in cells(like)
    monkeypatch.setattr(mnist, "SHA256", like.file.lineage.data)
    assert cells(like)["published, test"] == "-86.34"
    for other in (found_of(LogZ(exact=0.0)),
                  found_of(LogZ(exact=0.0), cd=25, persistent=True)):  # fmt: skip
        assert "published, test" not in cells(other)
    of_few = dataclasses.replace(
        like.file, lineage=dataclasses.replace(like.file.lineage, images=9)
    )
    assert "published, test" not in cells(dataclasses.replace(like, file=of_few))
    assert likelihoods._row(like, "", "threshold")["published_test"] is None


def test_no_published_number_stands_beside_an_rbm_that_has_learned_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = load(OLD / "pretrain-labels-a.h5")
    top, settings = file.model[-1], dataclasses.replace(file.settings, cd=25)  # type: ignore[type-var]
    monkeypatch.setattr(likelihoods, "PUBLISHED_TEST", {("CD-25", top.n_hidden): -86.34})
    monkeypatch.setattr(mnist, "SHA256", file.lineage.data)
    published = []
    for labels in (top.n_labels, 0):
        rbm = dataclasses.replace(top, n_labels=labels)
        held = dataclasses.replace(file.held, model=Stack([rbm]).arrays())
        one = dataclasses.replace(file, held=held, settings=settings)
        log_ps = {"test": LogP(40, -86.1, 0.2)}
        found = Likelihood(one, None, False, LogZ(exact=0.0), log_ps, 1.0)
        published.append("published, test" in cells(found))
    assert published == [False, True]


def test_generators_of_layers_are_what_is_asked(context: Context) -> None:
    """The second layer's result is of both RBMs, with the first one's generative weights."""
    (found,) = measured(context, "pretrain-a.h5", layers=[2], seed=6)
    generator = Generator.of_layer(load(OLD / "pretrain-a.h5").model, 2)
    images = context.digits.test_images
    pixels, up = (stream(6, use, 2) for use in (Use.BINARY_PIXELS, Use.UP_PASSES))
    logs = likelihood.log_weights(generator, likelihood.binarised(images, pixels), up)
    expected = float(logs.mean()) - likelihood.exact_log_z(generator.rbm)
    assert found.log_ps["test"].mean == pytest.approx(expected, rel=1e-12)


# -- the figure of both starts ---------------------------------------------------------------


def test_both_starts_are_drawn_from_their_histories(tmp_path: Path) -> None:
    """`experiments/likelihood/starts.py`, of a layer that starts at random and as the transpose."""
    common = ["--split", "a", "--layers", "6-49", "--track", "2", "--passes", "4", "--quiet",
              "--data", OLD / "digits", "--threads", "1", "--recipe", "quick"]  # fmt: skip
    random, transpose = tmp_path / "random.h5", tmp_path / "transpose.h5"
    more = ["--start", "transpose", "--on", random]
    for path, own in ((random, []), (transpose, more)):
        assert run("pretrain", *common, *own, "--out", path).exit_code == 0
    script = Path(__file__).parents[1] / "experiments" / "likelihood" / "starts.py"
    command = [sys.executable, script, random, transpose, "--out", tmp_path]
    subprocess.run(command, check=True)
    assert (tmp_path / "starts.png").read_bytes().startswith(b"\x89PNG")
    one, other = json.loads((tmp_path / "starts.json").read_text())
    assert [one["start"], other["start"]] == ["random", "transpose"]
    assert [passes for passes, _ in one["bounds"]] == [0, 2, 4]
    history = checkpoint.load(random).history
    assert one["first_layer"] == history["train_log_p"][3]
    assert one["bounds"][0][1] == history["start_log_p"][4]
    assert one["bounds"][2][1] == history["train_log_p"][7]
    # Exact here, but for sums of float32 below 100 nats.
    assert other["bounds"][0][1] == pytest.approx(one["first_layer"], abs=1e-3)
    assert other["first_layer"] is None


def test_the_legend_says_how_the_numbers_were_measured() -> None:
    exact = found_of(LogZ(exact=7.0))
    both = Estimate(100.0, None, None, 1.0, 1.0)
    sampled = found_of(LogZ(below=both, above=both))
    whole = found_of(LogZ(below=Estimate(100.0, 99.0, 101.0, 1.0, 50.0)))

    def legend(*found: Likelihood, cases: int | None = None, **changed: Any) -> str:
        settings = dataclasses.replace(SETTINGS, **changed)
        return " ".join(likelihoods.table(found, settings, CaseSelection((), cases), 3, 1).legend)

    labelled = dataclasses.replace(exact, labelled=True)
    assert "one standard error, of the images alone; of" in legend(exact)
    assert "one standard error, of the images with their labels; of" in legend(labelled)
    assert "error, of the images alone, or with their labels; of" in legend(exact, labelled)
    assert "log Z: exact. " in legend(exact)
    assert "lower by the gap" not in legend(exact)
    for found in ([sampled], [exact, sampled]):
        assert "log Z: exact, or by annealed importance sampling (20 chains" in legend(*found)
        assert "it is lower by the gap" in legend(*found)
    assert "[?, ?]" in legend(sampled)
    assert "[?, ?]" not in legend(exact, whole)
    assert "drawn with their grey values as probabilities, by seed 3." in legend(exact)
    assert "on from a grey value of one half" in legend(exact, binary="threshold")
    assert "At most" not in legend(exact)
    assert "At most 15 cases of each part, drawn with seed 3." in legend(exact, cases=15)


def test_labels_are_of_the_top_layer_and_the_published_number_of_a_first_one_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    like = found_of(LogZ(exact=0.0), cd=25)
    monkeypatch.setattr(likelihoods, "PUBLISHED_TEST", {("CD-25", 12): -86.34})
    monkeypatch.setattr(mnist, "SHA256", like.file.lineage.data)
    deeper = dataclasses.replace(like, layer=2)
    assert "published, test" not in cells(deeper)
    labelled = load(OLD / "pretrain-labels-a.h5")
    n_classes = labelled.model.n_classes
    assert n_classes > 0
    for layer, n in ((1, 0), (2, 0), (3, n_classes)):
        row = likelihoods._row(dataclasses.replace(like, file=labelled, layer=layer), "", "drawn")
        assert row["label_units"] == n
