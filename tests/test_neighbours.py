"""Images moved along the way to near ones of their class: which are near, where they move to."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import BACKPROP, PRETRAIN, fails_in_one_line, maker, run

from hinton06 import checkpoint, mnist
from hinton06.loading import load
from hinton06.neighbours import Neighbours, nearest
from hinton06.recipes import MOVED, RECIPES, conditions
from hinton06.recognition import Cases
from hinton06.report.files import conditions as conditions_of

N, PIXELS = 60, 12
LABELS = np.arange(N) % 4


def images(seed: int = 0, n: int = N, n_pixels: int = PIXELS) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (n, n_pixels), dtype=np.uint8)


def distances(data: Any) -> Any:
    """Squared, in whole numbers of any size."""
    own = data.astype(object)
    return np.array([[((a - b) ** 2).sum() for b in own] for a in own])


@pytest.mark.parametrize("n_pixels", [PIXELS, 1200])  # sums of 1200 products need float64
@pytest.mark.parametrize("count", [1, 3, 14])
def test_those_of_the_class_are_nearest_that_no_other_is_nearer_than(
    n_pixels: int, count: int
) -> None:
    data = images(1, n_pixels=n_pixels)
    data[4:8] = np.random.default_rng(2).choice([0, 255], (4, n_pixels))  # as large as they get
    (found, among), away = nearest(data, LABELS, count), distances(data)
    assert found.shape == (N, count)
    assert (among == count).all()
    for case, rows in enumerate(found):
        others = [r for r in np.flatnonzero(LABELS[case] == LABELS) if r != case]
        assert len(set(rows)) == count
        assert set(rows) <= set(others)
        furthest = max(away[case, rows])
        assert all(away[case, other] >= furthest for other in set(others) - set(rows))


def test_of_few_others_each_is_there_and_alone_a_case_is_its_own_neighbour() -> None:
    labels = np.array([0, 0, 0, 1, 2, 2])
    found, among = nearest(images(3, 6), labels, 4)
    assert among.tolist() == [2, 2, 2, 1, 1, 1]
    assert sorted(found[0, :2]) == [1, 2]
    assert found[3].tolist() == [3] * 4
    assert found[4].tolist() == [5] * 4


def test_of_floats_those_are_nearest_that_no_other_is_nearer_than() -> None:
    data = np.random.default_rng(8).random((N, PIXELS), np.float32)
    (found, _), wide = nearest(data, LABELS, 3), data.astype(np.float64)
    for case, rows in enumerate(found):
        others = [r for r in np.flatnonzero(LABELS[case] == LABELS) if r != case]
        away = ((wide[others] - wide[case]) ** 2).sum(axis=1)
        assert set(rows) == {others[place] for place in np.argsort(away)[:3]}


def test_floats_move_unrounded_and_stay_between_0_and_1() -> None:
    data = np.array([[0.5, 0.25, 0.9], [0.75, 0.5, 0.1]], np.float32)
    moves = Neighbours(data, np.zeros(2, int), 1, 0.5, 0.25, drawn(6))
    moves.begin(0)
    made = moves(data, np.zeros(1000, np.intp))
    assert made.dtype == np.float32
    shares = (made[:, 0] - np.float32(0.5)) * 4
    np.testing.assert_allclose(made[:, 1], 0.25 + shares / 4, rtol=0, atol=2.0**-22)
    np.testing.assert_allclose(made[:, 2], np.clip(0.9 - 0.8 * shares, 0, 1), rtol=0, atol=2.0**-21)
    assert made.max() == 1
    assert len(set(shares)) > 900
    wide = Neighbours(4 * data - 2, np.zeros(2, int), 1, 0.5, 0.25, drawn(6))
    wide.begin(0)
    made = wide(4 * data - 2, np.zeros(1000, np.intp))
    assert made.max() == (4 * data - 2).max() > 1
    assert made.min() < -1


def drawn(seed: int) -> Any:
    return lambda epoch: np.random.default_rng([seed, epoch])


def test_images_lie_on_the_line_through_a_near_one_as_far_as_the_shares_say() -> None:
    """All of one image and of its one neighbour: how far is seen from each pixel."""
    data = np.array([[100] * 6 + [10], [180] * 6 + [250]], np.uint8)
    moves = Neighbours(data, np.zeros(2, int), 1, 0.5, 0.25, drawn(1))
    moves.begin(0)
    rows = np.zeros(4000, np.intp)
    made = moves(data, rows).astype(float)
    assert made.dtype == float
    shares = (made[:, 0] - 100) / 80
    # Bytes are rounded, by half of one at most.
    assert shares.min() >= -0.5 - 0.5 / 80
    assert shares.max() <= 0.25 + 0.5 / 80
    assert (made[:, 0] == made[:, 5]).all()
    clipped = np.clip(10 + 240 * shares, 0, 255)
    assert np.abs(made[:, 6] - clipped).max() <= 0.5 + 240 * 0.5 / 80
    assert (made[:, 6] == 0).any()
    # Even from -0.5 to 0.25: each of ten parts has a tenth, within five standard errors.
    counts, _ = np.histogram(shares, 10, (-0.5, 0.25))
    assert np.abs(counts - 400).max() < 5 * np.sqrt(4000 * 0.1 * 0.9)


@pytest.mark.parametrize("labels", [LABELS, np.where(np.arange(N) % 10 == 7, 9, LABELS)])
def test_each_neighbour_is_drawn_as_often(labels: Any) -> None:
    """Of as many as are asked for, and of the five others that a class of six has."""
    data, count = images(4), 5 if labels is LABELS else 8
    there = Neighbours(data, labels, count, -1.0, 1.0, drawn(2))  # from 1 to 1
    there.begin(0)
    made = there(data, np.repeat(np.intp(7), 5000))
    rows = np.unique(nearest(data, labels, count)[0][7])
    counts = [(made == data[row]).all(axis=1).sum() for row in rows]
    assert (len(counts), sum(counts)) == (5, 5000)
    assert np.abs(np.array(counts) - 1000).max() < 5 * np.sqrt(5000 * 0.2 * 0.8)


def test_a_share_of_1_alone_is_the_neighbour_and_of_0_the_image() -> None:
    data = images(5)
    near = nearest(data, LABELS, 1)[0][:, 0]
    rows = np.array([3, 59, 0, 3])
    same = Neighbours(data, LABELS, 1, 0.0, 0.0, drawn(3))
    same.begin(0)
    np.testing.assert_array_equal(same(data, rows), data[rows])
    there = Neighbours(data, LABELS, 1, -1.0, 1.0, drawn(3))  # from 1 to 1
    there.begin(0)
    np.testing.assert_array_equal(there(data, rows), data[near[rows]])


def test_a_version_of_an_image_moves_by_the_same_version_of_its_neighbour() -> None:
    data = images(6)
    moved = np.concatenate([data, 255 - data, np.roll(data, 1, axis=1)])
    labels = np.tile(LABELS, 3)
    near = nearest(data, LABELS, 1)[0][:, 0]
    there = Neighbours(moved, labels, 1, -1.0, 1.0, drawn(4), versions=3)
    there.begin(0)
    rows = np.array([8, N + 8, 2 * N + 8])
    wanted = moved[near[8] + N * np.arange(3)]
    np.testing.assert_array_equal(there(moved, rows), wanted)


def test_an_epoch_s_ways_are_those_of_its_number() -> None:
    data, rows = images(7), np.arange(N)
    moves = Neighbours(data, LABELS, 5, 0.5, 0.5, drawn(5))
    cases = Cases(data, LABELS, neighbours=moves)
    made = []
    for epoch in (0, 1, 0):
        cases.begin(epoch)
        moved, chosen = cases.learned(rows)
        made.append(moved[chosen])
    np.testing.assert_array_equal(made[0], made[2])
    assert (made[0] != made[1]).any()
    assert made[0].dtype == np.uint8
    np.testing.assert_array_equal(cases.images, data)


# -- the command -----------------------------------------------------------------------------------

MOVE = ["--dropout", "--adversarial", "1", "--neighbours", "3"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    folder, make = tmp_path_factory.mktemp("runs"), maker(digits_dir)
    make("pretrain", "--split", "a", "--out", folder / "pretrain-a.h5", *PRETRAIN)
    make("finetune-bp", folder / "pretrain-a.h5", *MOVE, *BACKPROP)
    make("finetune-bp", "--extend", folder / "bp-adversarial-neighbours-a.h5", *BACKPROP)
    make("finetune-bp", folder / "pretrain-a.h5", "--dropout", "--adversarial", "1", *BACKPROP)
    make("pretrain", "--labels", "--split", "a", "--runs", folder, *PRETRAIN)
    stack, mixed = folder / "pretrain-labels-a.h5", ["--bp-weight", "0.5", "--epochs", "1"]
    make("finetune-cws", stack, *MOVE, *mixed)
    make("finetune-cws", stack, "--dropout", "--adversarial", "1", *mixed)
    make("finetune-cws", "--extend", folder / "hybrid-adversarial-neighbours-a.h5", "--epochs", "1")
    return folder


def test_a_net_and_its_extension_learn_moved_images_with_a_schedule_of_their_own(
    runs: Path,
) -> None:
    plain = load(runs / "bp-adversarial-a.h5")
    first, further = (
        load(runs / f"bp-adversarial-neighbours-a{end}.h5") for end in ("", "-extended")
    )
    for file in (first, further):
        assert (file.settings.neighbours, file.settings.adversarial) == (3, 1.0)
        assert "neighbours" in conditions_of(file)
        assert "adversarial and neighbours" in file.conditions
    wanted = RECIPES["quick"].variants["adversarial and neighbours"]["backprop.epochs"]
    assert first.settings.epochs == wanted[0]
    weights = [file.model.weights[0] for file in (plain, first, further)]
    assert (weights[0] != weights[1]).any()
    assert (weights[1] != weights[2]).any()


def test_a_table_has_them_apart_from_what_was_learned_without(runs: Path) -> None:
    rows = json.loads(run("dropout", runs, "--json").stdout)["rows"]
    named = {row["experiment"].rpartition(",")[0] for row in rows if row["net"] == "a"}
    both = "adversarial", "adversarial and neighbours"
    assert named == {*both, *(f"{name}, mixed gradient" for name in both)}
    products = {row["experiment"] for row in rows if row["net"] == "product"}
    plain, mixed = (
        "adversarial and neighbours, 600",
        "adversarial and neighbours, mixed gradient, 600",
    )
    assert products == {f"{plain} and {mixed}"}


def test_a_mixed_net_and_its_extension_have_them_too(runs: Path) -> None:
    plain = load(runs / "hybrid-adversarial-a.h5")
    first, further = (
        load(runs / f"hybrid-adversarial-neighbours-a{end}.h5") for end in ("", "-extended")
    )
    for file in (first, further):
        assert (file.settings.neighbours, file.settings.adversarial) == (3, 1.0)
        assert "neighbours" in conditions_of(file)
    weights = [file.model.vishid for file in (plain, first, further)]
    assert (weights[0] != weights[1]).any()
    assert (weights[1] != weights[2]).any()


def test_their_recipe_is_that_of_adversarial_training_with_neighbours() -> None:
    recipe = RECIPES["neighbours"]
    under = conditions(dropout=True, adversarial=1, neighbours=10)
    own = recipe.settings("backprop", under)
    usual = RECIPES["adversarial"].settings_with("backprop", {})
    assert (own.neighbours, own.adversarial) == (10, usual.adversarial)
    alike = {"epochs": usual.epochs, "extension_epochs": usual.extension_epochs, "neighbours": 0}
    assert dataclasses.replace(own, **alike) == usual
    assert recipe.settings_with("backprop", {}) == own
    for known in ({"translations": 2}, {"labelled": 1000}, {"labelled": 10_000}):  # as without
        epochs = [RECIPES[name].settings_with("backprop", {}, **known).epochs
                  for name in ("adversarial", "neighbours")]  # fmt: skip
        assert epochs[0] == epochs[1] != own.epochs
    assert {name for name in MOVED if getattr(own, name)} == {"adversarial", "neighbours"}
    mixed = {name: RECIPES[name].settings_with("wakesleep", {"search_bp_weight": True})
             for name in ("adversarial", "neighbours")}  # fmt: skip
    assert mixed["neighbours"] == dataclasses.replace(mixed["adversarial"], neighbours=10)


def test_images_that_a_net_learns_are_those_of_its_split_alone(
    runs: Path, digits_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Any] = []

    class Seen(Neighbours):
        def __init__(self, data: Any, *rest: Any) -> None:
            seen.append(data)
            super().__init__(data, *rest)

    monkeypatch.setattr("hinton06.experiments.Neighbours", Seen)
    made = run("finetune-bp", runs / "pretrain-a.h5", *MOVE, *BACKPROP, "--data", digits_dir,
               "--out", tmp_path / "a.h5", "--quiet")  # fmt: skip
    assert made.exit_code == 0, made.output
    digits = mnist.read(digits_dir)
    train = mnist.split(len(digits.train_labels), "a").train
    np.testing.assert_array_equal(seen[0], digits.train_images[train].reshape(len(train), -1))
    np.testing.assert_array_equal(
        load(tmp_path / "a.h5").model.weights[0],
        load(runs / "bp-adversarial-neighbours-a.h5").model.weights[0],
    )


def test_images_whose_labels_are_not_looked_at_stay_where_they_are(
    runs: Path, digits_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sizes: set[int] = set()
    move = Neighbours.__call__

    def noted(own: Any, data: Any, rows: Any) -> Any:
        sizes.add(len(rows))
        return move(own, data, rows)

    monkeypatch.setattr(Neighbours, "__call__", noted)
    virtual = ["--virtual", "1", "--virtual-batch", "37", "--batch", "20", "--max-epochs", "1"]
    more = ["--epochs", "1", "--recipe", "quick", "--data", digits_dir, "-q"]
    out = ["--out", tmp_path / "a.h5"]
    made = run("finetune-bp", runs / "pretrain-a.h5", *MOVE, *virtual, *more, *out)
    assert made.exit_code == 0, made.output
    assert 20 in sizes
    assert 37 not in sizes


def test_a_row_tells_other_neighbours_than_the_recipe_s(runs: Path, tmp_path: Path) -> None:
    for number, name in ((3, "three"), (10, "ten")):
        found = checkpoint.load(runs / "bp-adversarial-neighbours-a.h5")
        recipe = RECIPES["neighbours"].settings_with("backprop", {})
        found.settings = dataclasses.asdict(dataclasses.replace(recipe, neighbours=number))
        found.recipe = "neighbours"
        (tmp_path / name).mkdir()
        checkpoint.save(tmp_path / name / "bp-a.h5", found)
    told = {
        name: json.loads(run("dropout", tmp_path / name, "--json").stdout)["rows"][0]["made_with"]
        for name in ("three", "ten")
    }
    assert "recipe neighbours; layers 12-10-14, neighbours 3; " in told["three"]
    assert "recipe neighbours; layers 12-10-14; data " in told["ten"]


def test_translated_images_move_too(digits_dir: Path, tmp_path: Path) -> None:
    make = maker(digits_dir)
    stack = tmp_path / "pretrain-translated-a.h5"
    make("pretrain", "--split", "a", "--translations", "1", "--out", stack, *PRETRAIN)
    make("finetune-bp", stack, *MOVE, "--epochs", "1", *BACKPROP)
    assert load(tmp_path / "bp-adversarial-neighbours-translated-a.h5").settings.neighbours == 3


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--neighbours", "3"], ["--neighbours", "dropout"]),
        (["--dropout", "--neighbour-away", "1"], ["--neighbour-away", "neighbours"]),
        (["--dropout", "--neighbours", "1001"], ["--neighbours", "1000"]),
        (["--dropout", "--neighbours", "2", "--neighbour-towards", "-1"], ["--neighbour-towards"]),
        (
            ["--dropout", "--neighbours", "2", "--neighbour-towards", "0", "--neighbour-away", "0"],
            ["neighbour_towards", "neighbour_away", "not both 0"],
        ),
    ],
)
def test_mistakes_are_named(
    runs: Path, digits_dir: Path, more: list[str], words: list[str]
) -> None:
    made = run("finetune-bp", runs / "pretrain-a.h5", *more, *BACKPROP, "--data", digits_dir)
    fails_in_one_line(made, 2, *words)
