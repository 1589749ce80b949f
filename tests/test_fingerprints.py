"""Features that rarely turn on: fingerprints counted, and what a price of theirs sets apart."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from test_cli import BACKPROP, PRETRAIN, fails_in_one_line, maker, on_a_terminal, run

from hinton06 import checkpoint, fingerprints, loading
from hinton06.cases import cases_learned
from hinton06.fingerprints import Features, spread
from hinton06.kinds import KINDS
from hinton06.learning import Silent
from hinton06.loading import Context
from hinton06.recipes import LEAST, RECIPES, PretrainSettings

ROUNDING = reference.rounding(1000)


# -- how far a receptive field is spread ------------------------------------------------------


@pytest.mark.parametrize("n_weights", [1, 5, 8])
def test_equal_weights_are_spread_over_their_share_of_what_pixels_tell(n_weights: int) -> None:
    variances = np.array([0.1, 0.5, 0.2, 0.2, 0.3, 0.0, 0.4, 0.3])
    fields = np.zeros((8, 2))
    fields[:n_weights, 0] = -3 * (-1.0) ** np.arange(n_weights)
    share = variances[:n_weights].sum() / variances.sum()
    np.testing.assert_allclose(spread(fields, variances), [share, 0], rtol=0, atol=ROUNDING)


def test_a_wave_over_the_image_is_spread_and_one_over_half_of_it_is_not() -> None:
    phases = 2 * math.pi * (np.arange(1000) + 0.5) / 1000
    whole = np.sin(7 * phases)
    half = np.where(np.arange(1000) < 500, whole, 0)
    noise = np.random.default_rng(1).standard_normal(1000)
    found = spread(np.stack([whole, half, noise], axis=1), np.ones(1000))
    # A mean over 1000 / 7 points a period: its error is of second order.
    assert found[0] == pytest.approx(8 / math.pi**2, rel=0, abs=(math.pi * 7 / 1000) ** 2)
    assert found[1] == pytest.approx(4 / math.pi**2, rel=0, abs=(math.pi * 7 / 1000) ** 2)
    # Relative errors of both means, 0.76 and 1.4 over the root of 1000, the first twice; five of
    # their sum.
    assert found[2] == pytest.approx(2 / math.pi, abs=5 * (2 * 0.76 + 1.4) / math.sqrt(1000))
    assert (found >= fingerprints.SPREAD).tolist() == [True, False, True]


def test_a_spread_is_of_weights_whatever_their_unit_and_no_more_than_1() -> None:
    rng = np.random.default_rng(2)
    fields, variances = rng.standard_normal((30, 50)), rng.random(30)
    found = spread(fields, variances)
    np.testing.assert_allclose(spread(-8 * fields, variances / 4), found, rtol=0, atol=ROUNDING)
    assert ((found > 0) & (found < 1)).all()


def test_fingerprints_are_on_half_the_time_and_spread() -> None:
    low, high = fingerprints.HALF
    activities = np.array([low, high, 0.5, 0.2499, 0.7501, 0.5])
    spreads = np.array([0.5, 0.8, 0.4999, 0.9, 0.9, 0.5])
    found = Features(loading.load(Path("table1-a")), 1, "train", 1, activities, spreads)
    assert found.half.tolist() == [True, True, True, False, False, True]
    assert found.spread.tolist() == [True, True, False, True, True, True]
    assert found.fingerprints.tolist() == [True, True, False, False, False, True]


# -- measured of files ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """A plain stack and a sparse one, and what is fine-tuned from it."""
    folder, make = tmp_path_factory.mktemp("sparse"), maker(digits_dir)
    make("pretrain", "--split", "a", "--out", folder / "plain.h5", *PRETRAIN)
    make("pretrain", "--split", "a", "--out", folder / "sparse.h5", *PRETRAIN,
         "--sparsity-cost", "2")  # fmt: skip
    make("finetune-bp", folder / "sparse.h5", "--out", folder / "bp-sparse.h5", *BACKPROP)
    return folder


def _context(path: Path) -> Context:
    return Context(loading.digits_of([loading.load(path)], None), Silent())


@pytest.mark.parametrize("name", ["plain.h5", "bp-sparse.h5"])
def test_activities_and_spreads_are_those_of_every_training_image(runs: Path, name: str) -> None:
    context, file = _context(runs / name), loading.load(runs / name)
    images = cases_learned(context.digits, file.lineage).images / 255
    below, variances, through = images, images.var(axis=0), np.eye(images.shape[1])
    error, single = 0.0, np.float32
    found = fingerprints.measure(context, [runs / name], (1, 2))
    for each, (weights, bias) in zip(found, file.kind.up(file.model), strict=False):
        # An input is a sum of so many products; the logistic's slope is at most 1/4.
        largest, n = float(np.abs(weights).sum(axis=0).max() + np.abs(bias).max()), len(weights)
        error = (error * largest + reference.rounding(n + 10, largest, single)) / 4
        error += reference.rounding(10, dtype=single)
        below = 1 / (1 + np.exp(-(below @ weights.astype(float) + bias)))
        of_fields = reference.rounding(n, float((abs(through) @ abs(weights)).max()), single)
        through = through @ weights.astype(float)
        mean_size = float((variances @ abs(through)).min() / variances.sum())
        assert (each.part, each.cases) == ("train", len(images))
        np.testing.assert_allclose(each.activities, below.mean(axis=0), rtol=0, atol=error)
        # Twice the relative error of each of the two means.
        allowed = 4 * of_fields / mean_size + reference.rounding(40, dtype=single)
        np.testing.assert_allclose(each.spreads, spread(through, variances), rtol=0, atol=allowed)


def test_a_sparsity_cost_brings_features_nearer_to_their_target(runs: Path) -> None:
    context = _context(runs / "plain.h5")
    plain, sparse = fingerprints.measure(context, [runs / "plain.h5", runs / "sparse.h5"])
    away = [abs(each.activities - 0.1).mean() for each in (plain, sparse)]
    assert away[1] < away[0] / 2


def test_fingerprints_are_printed_and_saved_with_every_feature(runs: Path, tmp_path: Path) -> None:
    paths = [runs / "plain.h5", runs / "sparse.h5"]
    made = run("fingerprints", *paths, "--layer", 1, "--layer", 3, "--save", tmp_path, "--json")
    assert made.exit_code == 0, made.output
    document = json.loads(made.stdout)
    assert json.loads((tmp_path / "fingerprints.json").read_text()) == document
    rows = document["rows"]
    assert [(row["net"], row["layer"], row["features"], row["sparsity"]) for row in rows] == [
        ("plain", 1, 12, "none"), ("plain", 3, 14, "none"),
        ("sparse", 1, 12, "0.1, 2"), ("sparse", 3, 14, "0.1, 2"),
    ]  # fmt: skip
    with (tmp_path / "features.csv").open() as file:
        features = list(csv.DictReader(file))
    assert len(features) == 2 * (12 + 14)
    for row in rows:
        own = [f for f in features if (f["net"], int(f["layer"])) == (row["net"], row["layer"])]
        both = [int(f["feature"]) for f in own if f["fingerprint"] == "1"]
        assert both == row["fingerprint_features"]
        assert len(both) == row["fingerprints"] == round(row["percent"] / 100 * len(own))
        # Printed with six digits.
        mean = np.mean([float(f["on"]) for f in own])
        assert 100 * mean == pytest.approx(row["percent_on"], rel=1e-5)
    lines = on_a_terminal(80, "fingerprints", *paths, "--quiet")
    assert max(map(len, lines)) <= 80
    assert ["plain", "none", "1", "12"] in [line.split()[:4] for line in lines]
    piped = run("fingerprints", runs / "bp-sparse.h5").stdout.splitlines()
    assert piped[1].split()[:2] == ["bp-sparse", "before"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--sparsity-target", "0.1"), "goes with --sparsity-cost"),
        (("--sparsity-target", "0.1", "--sparsity-cost", "0"), "goes with --sparsity-cost"),
        (("--sparsity-cost", "-1"), "--sparsity-cost"),
        (("--sparsity-cost", "1001"), "--sparsity-cost"),
        (("--sparsity-cost", "nan"), "--sparsity-cost"),
        (("--sparsity-target", "0", "--sparsity-cost", "1"), "--sparsity-target"),
        (("--sparsity-target", "1", "--sparsity-cost", "1"), "--sparsity-target"),
        (("--sparsity", "1"), "--sparsity"),
    ],
)
def test_a_sparsity_that_is_none_is_refused(
    options: tuple[str, ...], word: str, tmp_path: Path
) -> None:
    fails_in_one_line(run("pretrain", "--split", "a", "--runs", tmp_path, *options), 2, word)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_measured_is_one_line(runs: Path, digits_dir: Path, tmp_path: Path) -> None:
    plain = runs / "plain.h5"
    fails_in_one_line(run("fingerprints", plain, "--layer", 4), 1, "layers 1 to 3, not 4")
    fails_in_one_line(run("fingerprints", plain, "--layer", 0), 2, "--layer")
    fails_in_one_line(run("fingerprints"), 2, "CHECKPOINTS")
    fails_in_one_line(
        run("fingerprints", plain, "--save", digits_dir / "train-labels-idx1-ubyte"), 2
    )
    fails_in_one_line(run("fingerprints", tmp_path / "none.h5"), 2, "none.h5")


def test_other_images_are_said_and_measured_on_test_cases(runs: Path) -> None:
    other = run("fingerprints", runs / "plain.h5", "--data", "mnist")
    assert other.exit_code == 0, other.output
    assert "not the data of plain.h5" in other.stderr
    assert "over test cases" in other.stdout


def test_a_stack_that_is_not_finished_is_measured_as_it_is(runs: Path, tmp_path: Path) -> None:
    held = checkpoint.load(runs / "plain.h5")
    state = {"stack": held.model, "epoch": 6}
    part = dataclasses.replace(held, complete=False, model={}, state=state, outcome={})
    checkpoint.save(tmp_path / "plain.h5.part", part)
    found = run("fingerprints", tmp_path / "plain.h5.part", "--json")
    assert found.exit_code == 0, found.output
    whole = json.loads(run("fingerprints", runs / "plain.h5", "--json").stdout)["rows"][0]
    (row,) = json.loads(found.stdout)["rows"]
    assert row["sha256"] is None
    assert row["percent_on"] == whole["percent_on"]


# -- what sparsity sets apart ------------------------------------------------------------------


def test_a_sparse_stack_comes_into_no_table_unsaid(runs: Path, tmp_path: Path) -> None:
    net = loading.load(runs / "bp-sparse.h5")
    assert net.lineage.below == ("sparsity_cost",)
    assert not loading.load(runs / "plain.h5").settings.apart()
    shutil.copy(runs / "bp-sparse.h5", tmp_path / "bp-a.h5")
    table = run("table1", tmp_path)
    assert "left out: bp-a.h5 (sparsity_cost)" in " ".join(table.output.split())
    likely = run("likelihood", runs / "sparse.h5", "--layer", 1, "--temperatures", 2, "--json")
    assert json.loads(likely.stdout)["rows"][0]["learned_by"] == "CD-1, sparse"
    rule, settings = KINDS["stack"].rule, loading.load(runs / "sparse.h5").settings
    more = {"persistent": True, "centred": True, "cd": 2}
    assert rule(dataclasses.replace(settings, **more)) == "persistent centred CD-2, sparse"
    more = {"sampled_data": True, "real_features": True}
    said = rule(dataclasses.replace(RECIPES["tr2006"].pretrain, **more))
    assert said == "CD-1, data as states, features as probabilities"


@pytest.mark.parametrize(
    "item",
    [f for f in dataclasses.fields(PretrainSettings)
     if f.metadata["apart"] and f.default is not dataclasses.MISSING],
    ids=lambda item: item.name,
)  # fmt: skip
def test_what_sets_a_stack_apart_is_in_the_words_for_how_it_was_learned(item: Any) -> None:
    plain, choices = RECIPES["tr2006"].pretrain, item.metadata["choices"]
    other = choices[-1] if choices else type(item.default)(item.default + 1)
    own = dataclasses.replace(plain, **{item.name: other})
    assert own.apart() == {item.name}
    rule = KINDS["stack"].rule
    assert (rule(own) == rule(plain)) == (item.name in {"start", "affine", "elastic"})


def test_the_source_of_a_cost_is_that_of_its_experiment(runs: Path) -> None:
    recipe = RECIPES["tr2006"]
    own = recipe.settings("pretrain", ("sparse features",))
    assert recipe.pretrain.sparsity_cost == 0
    under = ("sparse features",)
    assert recipe.source("pretrain", "sparsity_cost", own.sparsity_cost, under) == LEAST
    assert recipe.source("pretrain", "sparsity_cost", 2.0, under) == "option"
    assert loading.load(runs / "sparse.h5").conditions == under
    shown = run("show", runs / "sparse.h5").stdout
    assert re.search(r"sparsity.cost +2 +option", shown)
    assert re.search(r"sparsity.cost", run("show", runs / "bp-sparse.h5").stdout)
