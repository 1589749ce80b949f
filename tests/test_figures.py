"""Pictures and their numbers: grey levels, grids, files that can be read back, chosen cases."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pyte
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from rich.console import Console

from hinton06.checkpoint import Checkpoint
from hinton06.generation import Fantasies
from hinton06.kinds import KINDS
from hinton06.lineage import EXTENDED, PRETRAINED, VALIDATED, Lineage
from hinton06.loading import Outcome, RunFile
from hinton06.mnist import Digits
from hinton06.models import Classifier
from hinton06.recipes import RECIPES
from hinton06.recognition import Score
from hinton06.report import captioned, curves, figures, files, grids, samples
from hinton06.report.curves import Curve, Panel
from hinton06.report.figures import HardCase, hard_cases, mistakes
from hinton06.report.files import ReportError
from hinton06.sampling import Samples, SamplingOptions


def opened(content: bytes) -> Any:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def pixels(content: bytes) -> Any:
    return np.asarray(opened(content).convert("L"))


# -- grey levels -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "level"),
    [(3, 255), (3.01, 255), (100, 255), (-3, 0), (-3.01, 0), (-100, 0), (0, 128), (1.5, 191),
     (-1.5, 64), (2.99, 255), (2.98, 254), (-2.98, 1)],
)  # fmt: skip
def test_receptive_fields_are_white_at_3_and_black_at_minus_3(weight: float, level: int) -> None:
    assert grids.receptive_fields(np.array([weight], np.float32))[0] == level


@pytest.mark.parametrize(("pixel", "level"), [(0, 255), (1, 0), (0.2, 204), (-0.1, 255), (1.1, 0)])
def test_ink_is_black_on_white(pixel: float, level: int) -> None:
    assert grids.ink(np.array([pixel]))[0] == level


# -- grids -----------------------------------------------------------------------------------


def test_pictures_lie_in_scan_order_with_lines_around_them() -> None:
    pictures = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
    found = grids.tile(pictures, 2, 200)
    assert found.shape == (3 * 3 + 1, 2 * 4 + 1)
    covered = np.zeros(found.shape, bool)
    for number in range(6):
        top, left = 3 * (number // 2) + 1, 4 * (number % 2) + 1
        place = found[top : top + 2, left : left + 3]
        covered[top : top + 2, left : left + 3] = True
        np.testing.assert_array_equal(place, pictures[number] if number < 5 else 255)
    assert (found[~covered] == 200).all()


@pytest.mark.parametrize(
    ("n", "columns"),
    [(1, 1), (2, 2), (3, 3), (4, 2), (7, 3), (10, 5), (49, 7), (50, 10), (100, 10)],
)
def test_grids_are_near_squares_with_full_rows_where_they_can_be(n: int, columns: int) -> None:
    assert grids.columns_for(n) == columns


@pytest.mark.parametrize(("width", "scale"), [(10, 4), (291, 3), (500, 2), (501, 1), (3000, 1)])
def test_small_pictures_are_enlarged_by_whole_pixels(width: int, scale: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (3, width), np.uint8)
    np.testing.assert_array_equal(
        grids.enlarged(picture), np.kron(picture, np.ones((scale, scale), np.uint8))
    )


# -- files -----------------------------------------------------------------------------------


def test_a_png_file_holds_the_picture() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (7, 9), np.uint8)
    np.testing.assert_array_equal(pixels(grids.png(picture)), picture)


def test_an_svg_file_holds_the_picture_itself_and_its_title() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (7, 9), np.uint8)
    root = ET.fromstring(grids.svg(picture, "a & b <c>"))
    space = "{http://www.w3.org/2000/svg}"
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("9", "7", "0 0 9 7")
    title, image = root.find(f"{space}title"), root.find(f"{space}image")
    assert title is not None and title.text == "a & b <c>"  # noqa: PT018
    assert image is not None
    reference = image.get("{http://www.w3.org/1999/xlink}href") or ""
    head, _, data = reference.partition(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(pixels(base64.b64decode(data)), picture)


def test_a_gif_file_holds_every_frame_in_order_and_starts_anew() -> None:
    frames = list(np.random.default_rng(4).integers(0, 256, (5, 7, 9), np.uint8))
    image = opened(grids.gif(frames))
    assert (image.n_frames, image.size, image.info["loop"]) == (5, (9, 7), 0)
    for number, frame in enumerate(frames):
        image.seek(number)
        np.testing.assert_array_equal(np.asarray(image.convert("L")), frame)
        assert image.info["duration"] == 120


def test_a_file_that_cannot_be_replaced_stays_and_nothing_half_is_left(tmp_path: Path) -> None:
    files.save(tmp_path / "new" / "a.txt", "ä")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "ä".encode()
    files.save(tmp_path / "new" / "a.txt", b"b")
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"b"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").write_text("kept")
    with pytest.raises(ReportError, match=r"folder: cannot be written: .*irectory"):
        files.save(tmp_path / "folder", b"c")
    with pytest.raises(ReportError, match=r"b\.png: cannot be written"):
        files.save(tmp_path / "new" / "a.txt" / "b.png", b"d")
    found = sorted(path.name for path in tmp_path.rglob("*"))
    assert found == ["a.txt", "folder", "kept", "new"]


# -- the terminal ----------------------------------------------------------------------------


def printed(images: Any, titles: list[str], **terminal: Any) -> list[str]:
    screen = io.StringIO()
    grids.preview(images, titles, Console(file=screen, **terminal))
    return screen.getvalue().splitlines()


def test_without_a_terminal_the_preview_is_plain_characters_within_80_columns() -> None:
    images = np.zeros((11, 28, 28))
    images[3] = 1
    images[7, :, 14:] = 1
    lines = printed(images, [str(n) for n in range(11)], width=200)
    assert max(map(len, lines)) <= 80
    assert all(line.isascii() for line in lines)
    assert [line.split() for line in lines[::8]] == [list("01234"), list("56789"), ["10"]]
    for line in lines[1:8]:
        assert line == " " * 45 + "@" * 14
    for line in lines[9:16]:
        assert line == " " * 37 + "@" * 7


def test_on_a_terminal_of_many_colours_the_preview_is_half_blocks_in_grey() -> None:
    image = np.zeros((4, 3))
    image[0], image[3, 2] = 1, 0.2
    terminal = {"force_terminal": True, "color_system": "truecolor", "width": 80}
    lines = printed(image[None], [""], **terminal)
    assert len(lines) == 2
    cells = [re.findall(r"\x1b\[38;2;(\d+);\d+;\d+;48;2;(\d+);\d+;\d+m(▀+)", line)
             for line in lines]  # fmt: skip
    assert cells[0][0] == ("255", "0", "▀▀▀") or [c[:2] for c in cells[0][:3]] == [("255", "0")] * 3
    assert ("0", "51") in [cell[:2] for cell in cells[1]]


@pytest.mark.parametrize(
    "terminal",
    [{"color_system": None}, {"color_system": "standard"},
     {"color_system": "truecolor", "no_color": True}],
)  # fmt: skip
def test_a_terminal_of_few_colours_gets_plain_characters(terminal: dict[str, Any]) -> None:
    lines = printed(np.ones((1, 4, 3)), ["7"], force_terminal=True, width=80, **terminal)
    assert [line.rstrip() for line in lines] == ["7", "@@@", "@@@"]


def test_chains_are_played_sample_after_sample_and_leave_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = np.zeros((2, 3, 8))
    for number in range(3):
        images[:, number, number] = 1
    labels = np.array([[4, 5, 6], [7, 8, 9]])
    screen, seen, slept = io.StringIO(), [], []
    console = Console(file=screen, force_terminal=True, color_system=None, width=30, height=10)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        terminal = pyte.Screen(30, 10)
        pyte.Stream(terminal).feed(screen.getvalue().replace("\n", "\r\n"))
        seen.append([line.rstrip() for line in terminal.display[:2]])
        assert not terminal.cursor.hidden

    monkeypatch.setattr("hinton06.report.samples.time.sleep", sleep)
    samples.play(Samples(Fantasies(images, labels), None, 2, (2, 4)), console)
    assert seen == [
        ["4    7", "=    ="], ["5    8", " =    ="], ["6    9", "  =    ="],
    ]  # fmt: skip
    assert slept == [grids.FRAME_MS / 1000] * 3
    terminal = pyte.Screen(30, 10)
    pyte.Stream(terminal).feed(screen.getvalue().replace("\n", "\r\n"))
    assert not any(line.strip() for line in terminal.display)


@pytest.mark.parametrize("width", [10, 30, 79, 80, 300])
def test_the_preview_is_no_wider_than_the_terminal(width: int) -> None:
    lines = printed(np.ones((6, 28, 28)), ["1"] * 6, width=width)
    assert max(map(len, lines)) <= max(14, min(width, 80))
    assert sum(line.count("1") for line in lines) == 6


# -- samples ---------------------------------------------------------------------------------


def made_samples(
    clamped: tuple[int, ...] | None, chains: int, n_samples: int, labels: bool = True
) -> Samples:
    n_chains = chains * (len(clamped) if clamped else 1)
    images = np.random.default_rng(5).random((n_chains, n_samples, 6))
    on = np.zeros((n_chains, n_samples), np.intp) if labels else None
    return Samples(Fantasies(images, on), clamped, chains, (2, 3))


def test_a_row_of_the_grid_is_a_chain_from_its_first_sample_to_its_last() -> None:
    made = made_samples((4, 9), 2, 3)
    found = samples.grid(made)
    assert found.shape == (4 * 3 + 1, 3 * 4 + 1)
    for chain in range(4):
        for sample in range(3):
            place = found[3 * chain + 1 : 3 * chain + 3, 4 * sample + 1 : 4 * sample + 4]
            np.testing.assert_array_equal(place, grids.ink(made.images[chain, sample]))


@pytest.mark.parametrize(
    ("clamped", "chains", "shape"),
    [((0, 1, 2), 4, (3, 4)), (tuple(range(10)), 1, (2, 5)), (None, 10, (2, 5)), ((7,), 4, (2, 2))],
)
def test_a_frame_shows_one_sample_of_every_chain(
    clamped: tuple[int, ...] | None, chains: int, shape: tuple[int, int]
) -> None:
    made = made_samples(clamped, chains, 3)
    frames = samples.frames(made)
    assert len(frames) == 3
    for sample, frame in enumerate(frames):
        assert frame.shape == (shape[0] * 3 + 1, shape[1] * 4 + 1)
        expected = grids.tile(grids.ink(made.images[:, sample]), shape[1], grids.INK_GAP)
        np.testing.assert_array_equal(frame, expected)
    single = made_samples(clamped, chains, 1)
    np.testing.assert_array_equal(samples.grid(single), samples.frames(single)[0])


def test_samples_are_saved_as_the_grid_or_as_frames(tmp_path: Path) -> None:
    made = made_samples((0, 1), 1, 5)
    for form in samples.FORMATS:
        samples.save(made, tmp_path / f"x.{form}", form, "two rows", 10)
    np.testing.assert_array_equal(pixels((tmp_path / "x.png").read_bytes()), samples.picture(made))
    assert b"<title>two rows</title>" in (tmp_path / "x.svg").read_bytes()
    image = opened((tmp_path / "x.gif").read_bytes())
    assert image.n_frames == 5
    for number, frame in enumerate(samples.animation(made, 10)):
        image.seek(number)
        np.testing.assert_array_equal(np.asarray(image.convert("L")), frame)


class Writing(list[tuple[str, int, int]]):
    """Every text that was written into a picture, and the column and the row of its middle."""


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch) -> Writing:
    """What is written from now on."""
    noted, real = Writing(), grids._written

    def note(shape: tuple[int, int], texts: Any) -> Any:
        noted.extend((text, round(x), round(y)) for x, y, text in texts)
        paper = real(shape, texts)
        assert (paper < 128).any() or not any(text.strip() for _, _, text in texts)
        assert [paper[[0, -1]].min(), paper[:, [0, -1]].min()] == [255, 255]  # nothing is cut
        return paper

    monkeypatch.setattr(grids, "_written", note)
    return noted


def test_each_row_of_clamped_samples_has_its_label_on_its_left(writing: Writing) -> None:
    made = made_samples((4, 9), 2, 3)
    made.fantasies.labels[...] = np.array([4, 4, 9, 9])[:, None]  # type: ignore[index]
    found, plain = samples.picture(made), grids.enlarged(samples.grid(made))
    margin = found.shape[1] - plain.shape[1]
    np.testing.assert_array_equal(found[:, margin:], plain)
    step = len(plain) / 4
    for number, (text, x, y) in enumerate(writing):
        assert (text, x) == ("4499"[number], margin // 2)
        assert step * number < y < step * (number + 1)
    assert len(writing) == 4


@pytest.mark.parametrize("clamped", [None, (3, 5)])
def test_each_sample_whose_row_is_not_of_one_label_has_its_label_above_it(
    clamped: tuple[int, ...] | None, writing: Writing
) -> None:
    made = made_samples(clamped, 2 if clamped else 4, 1 if clamped else 3)
    labels = made.fantasies.labels
    assert labels is not None
    labels[...] = np.arange(labels.size).reshape(labels.shape)
    found = samples.picture(made)
    assert [text for text, _, _ in writing] == [str(n) for n in range(labels.size)]
    rows, columns = (2, 2) if clamped else (4, 3)
    high, wide = found.shape[0] / rows, found.shape[1] / columns
    scale = 4
    for number, (_, x, _) in enumerate(writing):
        row, column = divmod(number, columns)
        assert wide * column < x < wide * (column + 1)
        picture = grids.ink(made.images.reshape(-1, 2, 3)[number])
        top, left = round(high * (row + 1)) - 3 * scale, 1 + column * 4
        place = found[top : top + 2 * scale : scale, left * scale : (left + 3) * scale : scale]
        np.testing.assert_array_equal(place, picture)


def test_without_labels_nothing_is_written(writing: Writing) -> None:
    made = made_samples(None, 3, 4, labels=False)
    np.testing.assert_array_equal(samples.picture(made), grids.enlarged(samples.grid(made)))
    assert writing == []
    assert [text for text, _, _ in (samples.animation(made, 7), writing)[1]] == [
        "round 7", "round 14", "round 21", "round 28"
    ]  # fmt: skip


def test_frames_carry_their_labels_and_the_rounds_until_then(writing: Writing) -> None:
    made = made_samples(None, 3, 2)
    labels = made.fantasies.labels
    assert labels is not None
    labels[...] = [[1, 2], [3, 4], [5, 6]]
    first, second = samples.animation(made, 5000)
    assert first.shape == second.shape  # though 10,000 is longer
    assert [text for text, _, _ in writing] == [
        "1", "3", "5", "round 5,000", "2", "4", "6", "round 10,000"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("clamped", "labels", "words"),
    [
        ((1, 2), True, ", labels 1, 2 clamped"),
        ((7,), True, ", label 7 clamped"),
        (None, True, ", labels free"),
        (None, False, ""),
    ],
)
def test_a_line_says_what_was_sampled(
    clamped: tuple[int, ...] | None, labels: bool, words: str
) -> None:
    made = made_samples(clamped, 1, 5, labels)
    n_chains = "2 chains" if clamped == (1, 2) else "1 chain"
    assert samples.describe(made, SamplingOptions(gibbs=1)) == (
        f"{n_chains} of 5 samples, 1 Gibbs round before each{words}"
    )


# -- Figure 2 --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5, 40, 1000])
def test_hard_cases_are_the_right_ones_with_the_least_lead_in_the_order_of_their_classes(
    n: int,
) -> None:
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 4, 200).astype(np.uint8)
    inputs = rng.normal(size=(200, 4)) + 1.5 * np.eye(4)[labels]
    inputs[50:60], labels[50:60] = inputs[60:70], labels[60:70]  # equal leads
    probs = np.exp(inputs) / np.exp(inputs).sum(axis=1, keepdims=True)
    leads = []
    for case in range(200):
        order = sorted(range(4), key=lambda k: -probs[case, k])
        if order[0] == labels[case]:
            lead = probs[case, order[0]] - probs[case, order[1]]
            leads.append((lead, case, order[1]))
    chosen = sorted(leads)[:n]
    expected = sorted((int(labels[case]), case, second) for _, case, second in chosen)
    found = hard_cases(np.log(probs), labels, n)
    assert [(c.label, c.test_case, c.second) for c in found] == expected
    for case in found:
        # Rounding of exp and log of numbers up to 1.
        assert case.probability == pytest.approx(probs[case.test_case, case.label], abs=1e-14)
        assert case.second_probability == pytest.approx(
            probs[case.test_case, case.second], abs=1e-14
        )
        assert case.margin == case.probability - case.second_probability >= 0


@pytest.mark.parametrize("n", [1, 5, 9])
def test_a_digit_and_its_guesses_are_in_one_frame_apart_from_all_others(n: int) -> None:
    rng = np.random.default_rng(9)
    images = rng.integers(0, 256, (n, 28 * 28), np.uint8)
    cases = [HardCase(number, 9, 8, 0.61, 0.39) for number in range(n)]
    shown = [image.reshape(28, 28) / 255 for image in images]
    figure = captioned._figure(shown, figures._guesses(cases), grids.columns_for(n))
    frames = [artist.get_window_extent() for artist in figure.get_children()
              if isinstance(artist, Rectangle) and artist is not figure.patch]  # fmt: skip
    assert len(frames) == len(figure.axes) == n
    for number, (axes, frame) in enumerate(zip(figure.axes, frames, strict=True)):
        assert axes.get_title() == "9: 0.61\n8: 0.39"
        for part in (axes.get_window_extent(), axes.title.get_window_extent()):
            assert frame.x0 <= part.x0 < part.x1 <= frame.x1
            assert frame.y0 <= part.y0 < part.y1 <= frame.y1
        assert not any(frame.overlaps(other) for other in frames[number + 1 :])


def test_a_net_that_gets_nothing_right_has_no_hard_cases() -> None:
    logs = np.log(np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert hard_cases(logs, np.array([1, 0]), 5) == []


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_fields_of_higher_features_are_seen_through_the_layers_below(layer: int) -> None:
    rng = np.random.default_rng(8)
    sizes = (6, 5, 4, 3)
    weights = [rng.normal(size=shape) for shape in pairwise(sizes)]
    net = Classifier((*weights, np.zeros((3, 2))), tuple(np.zeros(n) for n in (5, 4, 3, 2)))
    chosen = np.array([2, 0])
    found = KINDS["classifier"].fields(net, layer, chosen)
    # A feature's input, if all below is linear, by one pixel after the other.
    for pixel in range(6):
        signal = np.eye(6)[pixel]
        for matrix in weights[:layer]:
            signal = np.array([sum(signal[i] * matrix[i, j] for i in range(len(matrix)))
                               for j in range(matrix.shape[1])])  # fmt: skip
        np.testing.assert_allclose(found[pixel], signal[chosen], rtol=1e-12)


def test_the_key_of_figure_3_goes_from_black_to_white(writing: Writing) -> None:
    key = grids.key("-3", "+3")
    assert [text for text, _, _ in writing] == ["-3", "+3"]
    middle = key[len(key) // 2]
    bar = middle[np.argmin(middle) :]
    # Of the levels of weights between -3 and +3, each once at least in so long a bar.
    levels = grids.receptive_fields(np.linspace(-3, 3, 128)[None])[0]
    assert (np.abs(bar[1:129].astype(int) - levels) <= 1).all()


# -- errors ----------------------------------------------------------------------------------


def test_mistakes_are_sorted_by_how_sure_the_net_is_with_guess_and_truth() -> None:
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 4, 200).astype(np.uint8)
    inputs = rng.normal(size=(200, 4)) + np.eye(4)[labels]
    inputs[50:60], labels[50:60] = inputs[60:70], labels[60:70]  # as sure
    probs = np.exp(inputs) / np.exp(inputs).sum(axis=1, keepdims=True)
    expected = []
    for case in range(200):
        guess = max(range(4), key=lambda k: probs[case, k])
        if guess != labels[case]:
            expected.append((-probs[case, guess], case, guess, int(labels[case])))
    found = mistakes(np.log(probs), labels)
    assert len(found) > 20
    assert [(m.test_case, m.guess, m.label) for m in found] == [e[1:] for e in sorted(expected)]
    for each in found:
        # Rounding of exp and log of numbers up to 1.
        assert each.probability == pytest.approx(probs[each.test_case, each.guess], abs=1e-14)
        assert each.label_probability == pytest.approx(probs[each.test_case, each.label], abs=1e-14)


def test_a_net_that_gets_everything_right_has_no_mistakes() -> None:
    logs = np.log(np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert mistakes(logs, np.array([0, 1])) == []


@pytest.mark.parametrize(("n", "shape"), [(1, (150, 120)), (10, (150, 1110)), (11, (290, 1110))])
def test_digits_with_captions_lie_ten_in_a_row(n: int, shape: tuple[int, int]) -> None:
    images, captions = [np.full((4, 4), 1.0)] * n, [[""]] * n
    found = pixels(captioned.draw(images, captions)[".png"])
    assert found.shape == shape
    assert n * 93 * 93 <= (found < 128).sum() <= n * 95 * 95  # an edge may cut through pixels


# -- learning curves -------------------------------------------------------------------------


def run_file(
    kind: str,
    history: dict[str, list[float]],
    role: str = PRETRAINED,
    complete: bool = True,
    outcome: Outcome | None = None,
    **targets: float,
) -> RunFile:
    """A file with this history."""
    columns = {name: np.array(column, float) for name, column in history.items()}
    lineage = Lineage("none", seed=0, threads=1, role=role, split="a", **targets)  # type: ignore[arg-type]
    held = Checkpoint(kind, complete, "quick", {}, {}, {}, history=columns)
    settings = RECIPES["quick"].settings(KINDS[kind].part)
    return RunFile(Path("x.h5"), KINDS[kind], settings, lineage, outcome or Outcome(), held)


def ended(epochs: int, cases: int = 0, errors: int = 0) -> Outcome:
    return Outcome(epochs=epochs, train=Score(cases, errors, 0.0) if cases else None)


NAN = float("nan")
CWS = run_file(
    "generative",
    {"valid_errors": [9, 5, 7], "train_errors": [40, 20, NAN], "recon_cost": [80, 70, 60]},
    VALIDATED, outcome=ended(2, 200, 20),
)  # fmt: skip
CWS_EXTENDED = run_file("generative", {"train_errors": [30, 25]}, EXTENDED,
                        outcome=ended(2, 300, 25), target_error_rate=10.0)  # fmt: skip
STACK = run_file("stack", {"recon_error": [9, 8, 7, 6]})
TRACKED = run_file("stack", {"valid_log_p": [np.nan, -9, np.nan, -8], "log_z_gap": [np.nan, 1] * 2})
NET = run_file("classifier", {"valid_cost": [9.0], "train_cost": [1.0]}, VALIDATED,
               outcome=ended(1))  # fmt: skip
X = run_file("classifier", {"train_cost": [3, 2]}, EXTENDED, outcome=ended(2), target_cost=2.5)
EVERYTHING = {
    "cws": CWS,
    "cws-extended": CWS_EXTENDED,
    "stack": STACK,
    "tracked": TRACKED,
    "bp": NET,
    "x": X,
}


def panel(column: str, kind: str) -> Panel:
    panels = (*curves.DISCRIMINATIVE, *curves.GENERATIVE, *curves.TRACKED)
    return next(p for p in panels if (p.column, p.kind) == (column, kind))


@pytest.mark.parametrize(
    ("column", "kind_of_file", "shown"),
    [("recon_error", "stack", {"stack"}), ("valid_log_p", "stack", {"tracked"}),
     ("log_z_gap", "stack", {"tracked"}), ("valid_cost", "classifier", {"bp"}),
     ("train_cost", "classifier", {"x"}), ("valid_errors", "classifier", set()),
     ("valid_errors", "generative", {"cws"}),
     ("train_errors", "generative", {"cws", "cws-extended"}),
     ("recon_cost", "generative", {"cws"}), ("free_energy_gap", "generative", set())],
)  # fmt: skip
def test_each_panel_shows_the_files_that_have_something_to_show_in_it(
    column: str, kind_of_file: str, shown: set[str]
) -> None:
    assert {n for n, f in EVERYTHING.items() if panel(column, kind_of_file).shows(f)} == shown


def lines_of(panel: Panel, found: RunFile) -> list[tuple[list[float], list[float], str]]:
    axes = Figure().subplots()
    curves._draw_panel(axes, panel, [Curve("name", "C0", found)])
    assert axes.get_legend() is not None
    return [
        (np.asarray(line.get_xdata(), float).tolist(), np.asarray(line.get_ydata()).tolist(),
         str(line.get_marker()))
        for line in axes.get_lines()
    ]  # fmt: skip


def test_a_dot_marks_the_weights_that_were_kept() -> None:
    assert lines_of(panel("valid_errors", "generative"), CWS) == [
        ([1, 2, 3], [9, 5, 7], ""), ([2], [5], "o"),
    ]  # fmt: skip


def test_epochs_that_measured_nothing_are_left_out() -> None:
    assert lines_of(panel("valid_log_p", "stack"), TRACKED) == [([2, 4], [-9, -8], ".")]
    assert lines_of(panel("train_errors", "generative"), CWS)[0] == ([1, 2], [40, 20], ".")


def test_a_line_marks_the_criterion_in_the_panel_s_own_unit() -> None:
    errors = lines_of(panel("train_errors", "generative"), CWS_EXTENDED)
    assert [y for _, y, _ in errors] == [[30, 25], [30, 30]]  # 10 % of 300
    cost = lines_of(panel("train_cost", "classifier"), X)
    assert [y for _, y, _ in cost] == [[3, 2], [2.5, 2.5]]


@pytest.mark.parametrize(("epochs", "kept"), [(0, None), (1, 1), (7, 7)])
def test_the_start_that_was_not_improved_on_has_no_dot(epochs: int, kept: int | None) -> None:
    found = run_file("generative", {"valid_errors": [9, 8]}, VALIDATED, outcome=ended(epochs))
    assert curves.kept_epoch(found) == kept
    assert len(lines_of(panel("valid_errors", "generative"), found)) == (2 if kept == 1 else 1)


def test_an_unfinished_file_has_curves_but_no_dot() -> None:
    found = run_file("classifier", {"valid_cost": [3, 2]}, VALIDATED, complete=False)
    assert lines_of(panel("valid_cost", "classifier"), found) == [([1, 2], [3, 2], "")]


@pytest.mark.parametrize(
    ("column", "kind_of_file", "files", "title"),
    [("valid_cost", "classifier", [NET], "fine-tuning; dots: the weights that were kept"),
     ("recon_error", "stack", [STACK], "greedy pretraining"),
     ("train_errors", "generative", [CWS], "wake-sleep; dots: the weights that were kept"),
     ("train_errors", "generative", [CWS_EXTENDED], "wake-sleep; dotted: the criteria"),
     ("train_errors", "generative", [CWS, CWS_EXTENDED],
      "wake-sleep; dots: the weights that were kept; dotted: the criteria"),
     ("train_cost", "classifier", [X], "all training cases; dotted: the criteria"),
     ("train_cost", "classifier",
      [run_file("classifier", {"train_cost": [3, 2]}, EXTENDED, complete=False)],
      "all training cases")],
)  # fmt: skip
def test_a_panel_explains_the_marks_that_are_in_it_and_no_others(
    column: str, kind_of_file: str, files: list[RunFile], title: str
) -> None:
    axes = Figure().subplots()
    curves._draw_panel(axes, panel(column, kind_of_file), [Curve("x", "C0", f) for f in files])
    assert " ".join(axes.get_title().split()) == title
    assert max(map(len, axes.get_title().splitlines())) <= 50


@pytest.mark.filterwarnings("error")
def test_every_curve_has_its_name_and_a_log_axis_room_for_0() -> None:
    axes = Figure().subplots()
    drawn = [Curve("_under", "C0", NET), Curve("bp", "C1", NET)]
    curves._draw_panel(axes, panel("valid_cost", "classifier"), drawn)
    assert [text.get_text().strip() for text in axes.get_legend().get_texts()] == ["_under", "bp"]
    for least, scale in ((0, "symlog"), (1, "log")):
        made = run_file("directed", {"valid_errors": [30, 4, least]})
        axes = (figure := Figure()).subplots()
        errors = dataclasses.replace(
            panel("valid_cost", "classifier"), column="valid_errors", log=True
        )
        curves._draw_panel(axes, errors, [Curve("ws", "C0", made)])
        figure.savefig(io.BytesIO())
        low, high = axes.get_ylim()
        assert axes.get_yscale() == scale
        assert low <= least
        assert high >= 30


def test_curves_are_drawn_alike_each_time_as_png_and_svg() -> None:
    drawn = [Curve(name, "C1", found) for name, found in EVERYTHING.items()]
    panels = (*curves.DISCRIMINATIVE, *curves.GENERATIVE[:1])
    png = curves.draw(drawn, panels)
    assert opened(png).size == (1100, 3 * 375)
    svg = curves.draw(drawn, panels, "svg")
    assert ET.fromstring(svg).tag.endswith("svg")
    assert curves.draw(drawn, panels, "svg") == svg


@pytest.mark.parametrize("name", ["bp-{}", "bp-not-pretrained-a-1000-labelled-{} (not finished)"])
@pytest.mark.parametrize(
    "own", [*curves.DISCRIMINATIVE, *curves.GENERATIVE], ids=lambda p: p.column
)
def test_a_panel_that_stands_alone_has_all_its_words_in_the_picture(own: Panel, name: str) -> None:
    history = {own.column: [float(n) for n in range(1, 40)]}
    found = run_file(own.kind, history, own.roles[0])
    drawn = [Curve(name.format(n), f"C{n}", found) for n in range(10)]
    figure = curves._alone(drawn, own)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0, box
    assert ET.fromstring(curves.panel(drawn, own)).tag.endswith("svg")


def test_epochs_on_an_axis_are_whole_even_where_there_is_one() -> None:
    axes = Figure().subplots()
    curves._draw_panel(axes, panel("valid_cost", "classifier"), [Curve("bp", "C0", NET)])
    assert [n for n in axes.get_xticks() if n != int(n)] == []


@pytest.mark.parametrize(
    "own",
    [
        {"text.usetex": True},
        {"font.family": ["No Such Sans"], "font.size": 30.0, "axes.grid": True},
        {"savefig.bbox": "tight", "figure.dpi": 30.0, "svg.fonttype": "none"},
    ],
)
def test_a_user_s_settings_of_matplotlib_change_no_figure(own: dict[str, Any]) -> None:
    images = np.arange(70, dtype=np.uint8).reshape(2, 35)
    digits = Digits(images, images[:, 0], images, images[:, 0], (7, 5), "none", "none")
    cases = [figures.HardCase(place, place, 0, 0.6, 0.4) for place in (0, 1)]
    drawn = [Curve(name, "C1", found) for name, found in EVERYTHING.items()]

    def everything() -> list[Any]:
        curved = [curves.draw(drawn, curves.DISCRIMINATIVE, form) for form in ("png", "svg")]
        return [*curved, figures._test_digits(digits, cases, 2, figures._guesses(cases))]

    expected = everything()
    with matplotlib.rc_context(own):
        assert everything() == expected
        assert all(matplotlib.rcParams[name] == value for name, value in own.items())


def test_settings_of_matplotlib_that_cannot_be_read_change_no_figure(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hinton06", "figures", "table1-a", "--only", "3", "-q"]
    drawn = []
    for name, text, backend in (
        ("none", None, "agg"), ("latin", b"font.family: caf\xe9\n", "agg"), ("back", b"", "none"),
    ):  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        if text is not None:
            (folder / "matplotlibrc").write_bytes(text)
        environment = os.environ | {"MPLBACKEND": backend, "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            command, cwd=folder, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        drawn.append({p.name: p.read_bytes() for p in folder.rglob("*.*") if p.is_file()})
    assert drawn[0]
    assert drawn == [drawn[0]] * 3


def test_histories_as_csv_have_a_record_for_each_epoch_of_each_file() -> None:
    drawn = [Curve(name, "C1", EVERYTHING[name]) for name in ("cws", "x")]
    records = list(csv.DictReader(io.StringIO(curves.comma_separated(drawn))))
    assert [(r["name"], r["epoch"], r["kept"]) for r in records] == [
        ("cws", "1", "0"), ("cws", "2", "1"), ("cws", "3", "0"), ("x", "1", "0"), ("x", "2", "0"),
    ]  # fmt: skip
    assert [r["train_errors"] for r in records] == ["40.0", "20.0", "", "", ""]
    assert [r["train_cost"] for r in records] == ["", "", "", "3.0", "2.0"]
