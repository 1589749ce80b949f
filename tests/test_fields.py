"""What experiments/fields measures of receptive fields, on fields of which it is known."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hinton06
from hinton06 import fingerprints
from hinton06.mnist import Digits

FOLDER = Path(__file__).parents[1] / "experiments" / "fields"
SHAPE = (12, 10)
ROWS, COLUMNS = np.indices(SHAPE).reshape(2, -1)


@pytest.fixture
def fields(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "fields", raising=False)
    return importlib.import_module("fields")


def test_an_image_is_as_tall_as_from_its_first_row_with_ink_to_its_last(fields: Any) -> None:
    images = np.zeros((4, 5, 3), np.uint8)
    images[1, 2, 1] = 9
    images[2, [0, 4], [2, 0]] = 1
    images[3, [0, 3]] = 200
    assert fields.heights(images.reshape(4, -1), (5, 3)) == [1, 1, 0, 0, 1, 1]


def test_half_of_the_variance_is_below_the_middle_frequency(fields: Any) -> None:
    """Two waves with random signs, of which the higher has more of the variance, then less."""
    rng = np.random.default_rng(0)
    low = np.cos(2 * np.pi * 2 * ROWS / 12)
    high = np.cos(2 * np.pi * (3 * ROWS / 12 + 4 * COLUMNS / 10))
    signs = rng.choice([-1, 1], (2, 4000, 1))
    for share, frequency in ((1.2, 5.0), (0.8, 2.0)):
        images = 1 + signs[0] * low + share * signs[1] * high
        assert fields.middle_frequency(images, SHAPE) == frequency


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_component_is_found_with_its_share_whatever_its_phase(fields: Any, noise: float) -> None:
    rng = np.random.default_rng(1)
    variances = rng.random(len(ROWS))
    waves, frequencies = [], []
    for down, right, phase in ((2.5, 1.0, 0.3), (0.0, 3.5, 2.0), (4.0, -2.0, -1.1)):
        angle = 2 * np.pi * (down * ROWS / 12 + right * COLUMNS / 10) + phase
        waves.append(0.7 + 3 * np.cos(angle))
        frequencies.append(np.hypot(down, right))
    clean = np.array(waves).T
    noisy = clean + noise * rng.normal(size=clean.shape)
    shares, found = fields.components(noisy, variances, SHAPE)
    np.testing.assert_allclose(found, frequencies)
    if not noise:
        np.testing.assert_allclose(shares, 1)
        return
    weights = variances / variances.sum()
    for wave, share, (down, right) in zip(
        noisy.T, shares, ((2.5, 1.0), (0.0, 3.5), (4.0, -2.0)), strict=True
    ):
        angle = 2 * np.pi * (down * ROWS / 12 + right * COLUMNS / 10)
        design = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)
        fit = np.linalg.lstsq(design * np.sqrt(weights)[:, None], wave * np.sqrt(weights))[0]
        left = weights @ (wave - design @ fit) ** 2
        whole = weights @ (wave - weights @ wave) ** 2
        assert share == pytest.approx(1 - left / whole)


def test_no_component_has_more_than_the_whole_power(fields: Any) -> None:
    noise = np.random.default_rng(7).normal(size=(len(ROWS), 200))
    shares, frequencies = fields.components(noise, np.ones(len(ROWS)), SHAPE)
    assert ((shares > 0) & (shares < 1)).all()
    assert frequencies.max() <= np.hypot(6, 5)


def test_a_field_without_power_has_no_component(fields: Any) -> None:
    shares, _ = fields.components(np.full((len(ROWS), 1), 2.5), np.ones(len(ROWS)), SHAPE)
    assert shares[0] < 1e-9


def test_a_field_of_zeros_has_no_component_at_all(fields: Any) -> None:
    shares, frequencies = fields.components(np.zeros((len(ROWS), 1)), np.ones(len(ROWS)), SHAPE)
    assert (shares.tolist(), frequencies.tolist()) == ([0.0], [0.0])


def test_weights_by_distance_are_those_around_the_strongest_pixel_that_varies(fields: Any) -> None:
    variances = np.ones(len(ROWS))
    variances[0] = 1e-6  # the weight here is the largest, and hardly seen
    variances[1] = 0
    field = np.where(ROWS < 2, 0.25, -0.5)
    at = np.flatnonzero((ROWS == 5) & (COLUMNS == 5))[0]
    field[[0, 1, at]] = 50, 1000, -4
    positive, means = fields.around(np.stack([field, -field], axis=1), variances, SHAPE)
    assert positive.tolist() == [False, True]
    np.testing.assert_array_equal(means[0], means[1])
    distances = np.rint(np.hypot(ROWS - 5, COLUMNS - 5)).astype(int)
    for distance in range(fields.FARTHEST + 1):
        which = (distances == distance) & (variances > 0)
        if which.any():
            assert means[0, distance] == pytest.approx(-field[which].mean())
        else:
            assert np.isnan(means[0, distance])


def test_rows_that_exclude_each_other_have_a_negative_cosine_and_columns_have_not(
    fields: Any,
) -> None:
    """Features with a line in one row and an opposite one seven rows below."""
    upper = np.array([0, 2, 4])
    patterns = np.where(ROWS[:, None] == upper, 1.0, 0) - np.where(ROWS[:, None] == upper + 7, 1, 0)
    ones = np.ones(len(ROWS))
    cosines = fields.alike(fields.row_means(patterns, ones, SHAPE))
    # One product of -1 a feature; of the upper rows 3 have a line, and of the lower ones 3.
    assert cosines[6] == pytest.approx(-1)
    assert [cosines[apart - 1] for apart in (1, 2, 3, 6, 8, 11)] == [0] * 6
    across = fields.turned(patterns, SHAPE)
    columns = fields.row_means(across, ones, SHAPE[::-1])
    assert columns.shape == (10, 3)
    assert fields.alike(columns) == [0] * 9  # every line is as much of each column


def test_row_means_are_of_the_pixels_that_vary(fields: Any) -> None:
    rng = np.random.default_rng(4)
    weights, variances = rng.normal(size=(len(ROWS), 2)), (rng.random(len(ROWS)) < 0.5) * 1.0
    variances[ROWS == 3] = 0
    found = fields.row_means(weights, variances, SHAPE)
    for row in range(12):
        which = (row == ROWS) & (variances > 0)
        expected = weights[which].mean(axis=0) if row != 3 else 0
        np.testing.assert_allclose(found[row], expected)


def test_the_features_with_opposite_lines_come_first(fields: Any) -> None:
    rng = np.random.default_rng(5)
    patterns = 0.1 * rng.normal(size=(len(ROWS), 6))
    patterns[:, 4] += (ROWS == 1) * 1.0 - (ROWS == 9) * 1.0
    patterns[:, 2] += (ROWS == 1) * 1.0 + (ROWS == 9) * 1.0
    means = fields.row_means(patterns, np.ones(len(ROWS)), SHAPE)
    order = fields.opposite(means, patterns, 8).tolist()
    assert (order[0], order[-1]) == (4, 2)
    patterns[:, 0] = 10 * (rng.normal(size=len(ROWS)) + (ROWS == 1) * 1.0 - (ROWS == 9) * 1.0)
    means = fields.row_means(patterns, np.ones(len(ROWS)), SHAPE)
    assert fields.opposite(means, patterns, 8).tolist()[:2] == [4, 0]  # less of its power


def test_groups_are_of_the_features_that_they_are_called(fields: Any) -> None:
    rng = np.random.default_rng(6)
    weights, variances = rng.normal(size=(len(ROWS), 7)), rng.random(len(ROWS)) + 0.1
    printed = np.arange(7) < 2
    found = fields.measured(weights, variances, SHAPE, printed, 8)
    shares, frequencies = fields.components(weights, variances, SHAPE)
    spreads = fingerprints.spread(weights, variances)
    for name, which in ((fields.FINGERPRINTS, printed), (fields.OTHERS, ~printed)):
        assert found[name]["features"] == which.sum()
        assert found[name]["extent"] == np.median(spreads[which])
        assert found[name]["share"] == np.median(shares[which])
        assert found[name]["frequency"] == np.median(frequencies[which])
    positive, means = fields.around(weights, variances, SHAPE)
    across = weights.reshape(*SHAPE, 7).mean(axis=0)
    assert found["columns_apart"] == pytest.approx(fields.alike(across))
    assert found["rows_apart"] == pytest.approx(fields.alike(weights.reshape(*SHAPE, 7).mean(1)))
    assert found["localised"] == (spreads < 0.5).sum()
    for name, which in (("on", positive), ("off", ~positive)):
        of_sign = found["around"][name]
        assert of_sign["features"] == which.sum()
        np.testing.assert_allclose(of_sign["mean"][:3], means[which][:, :3].mean(axis=0))
        np.testing.assert_allclose(
            of_sign["error"][:3], means[which][:, :3].std(axis=0) / np.sqrt(which.sum())
        )


@pytest.mark.parametrize(
    ("given", "words"),
    [("none.h5", "no such file"), ("digits", "a pretrained stack of RBMs is needed")],
)
def test_what_is_no_stack_is_said_in_a_line(
    fields: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, words: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["fields.py", given, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as said:
        fields.main()
    assert words in str(said.value)
    assert "\n" not in str(said.value)


def test_a_tiny_stack_makes_a_record(
    fields: Any,
    digits_dir: Path,
    tiny_digits: Digits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack = hinton06.pretrain(
        tmp_path / "pretrain.h5", "b", layers=(8, 6), recipe="quick", data=digits_dir,
        threads=1, progress=False,
    )  # fmt: skip
    out = tmp_path / "record"
    monkeypatch.setattr(sys, "argv", ["fields.py", str(stack.path), "--out", str(out)])
    fields.main()
    assert (out / "fields.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((out / "fields.json").read_text())
    (of_net,) = found["nets"]
    assert sum(found["tall"]) == len(tiny_digits.train_images)
    groups = of_net[fields.FINGERPRINTS]["features"], of_net[fields.OTHERS]["features"]
    assert sum(groups) == 8
    assert of_net[fields.BEFORE]["features"] == 8
    text = (out / "fields.md").read_text()
    others = of_net[fields.OTHERS]
    assert f"| others | {others['features']} | {others['extent']:.2f} |" in text
