"""`recognise`: what it prints, draws and saves, and the lines when it cannot."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from drawn import enlarged
from PIL import Image
from test_cli import fails_in_one_line, on_a_terminal, run
from test_docs import fenced

import hinton06
from hinton06.mnist import Digits
from hinton06.report.recognised import recognise
from hinton06.training import RunError

ROOT = Path(__file__).parents[1]
OLD = ROOT / "tests" / "data" / "version-1"
ONLY_NOISE = "no digit in it stands out from its ground"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shipped: Digits) -> Path:
    """The working folder, with a picture of test digit 0 (a 7), one of 7, 2, 1 and one of none."""
    monkeypatch.chdir(tmp_path)
    digits = [255 - enlarged(x, 4) for x in shipped.test_images[:3].reshape(-1, 28, 28)]
    Image.fromarray(digits[0]).save("seven.png")
    Image.fromarray(np.hstack(digits)).save("three.jpg")
    Image.new("L", (60, 60), 99).save("blank.png")
    np.save("ready.npy", shipped.test_images[:2])
    return tmp_path


pytestmark = pytest.mark.usefixtures("folder")


def size(path: str | Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def recognised(*arguments: object) -> Any:
    result = run("recognise", *arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return json.loads(result.stdout)


def test_the_page_s_example_prints_and_draws_what_the_page_shows() -> None:
    shutil.copy(ROOT / "docs" / "commands" / "own.png", "own.png")
    result = run("recognise", "own.png", "--out", "seen.png")
    assert result.exit_code == 0, result.output
    assert result.stdout in fenced("docs/commands.md", "text")
    assert size("seen.png") == size(ROOT / "docs" / "commands" / "seen.png")


@pytest.mark.parametrize("net", [None, *hinton06.nets.names()])
def test_guesses_and_probabilities_are_the_net_s_own(net: str | None, shipped: Digits) -> None:
    """To float32's rounding of 800 additions: images are not rounded to bytes here."""
    found = recognised("seven.png", "ready.npy", *(["--net", net] if net else []))
    places = [(row["picture"], row["digit"], row["line"], row["guess"]) for row in found]
    assert places == [("seven.png", 1, 1, 7), ("ready.npy", 1, 1, 7), ("ready.npy", 2, 1, 2)]
    asked = hinton06.load(net or "digits")
    given = np.concatenate([hinton06.prepare("seven.png"), hinton06.prepare("ready.npy")])
    wanted = asked.predict_proba(given)
    np.testing.assert_allclose([row["probabilities"] for row in found], wanted, atol=1e-6)
    own = asked.predict_proba(shipped.test_images[:2])
    np.testing.assert_allclose(wanted[1:], own, atol=1e-4)


def test_pictures_of_several_digits_are_read_out() -> None:
    result = run("recognise", "three.jpg", "seven.png")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:5]] == [
        ["three.jpg", "1", "7"], ["three.jpg", "2", "2"], ["three.jpg", "3", "1"],
        ["seven.png", "1", "7"],
    ]  # fmt: skip
    assert lines[5:] == ["three.jpg reads 721"]
    with Image.open("three.jpg") as opened:
        sheet = np.vstack([np.asarray(opened)] * 2)
    Image.fromarray(sheet).save("six.png")
    assert run("recognise", "six.png").stdout.splitlines()[-1] == "six.png reads 721 / 721"
    assert [row["line"] for row in recognised("six.png")] == [1, 1, 1, 2, 2, 2]


def test_it_fits_a_terminal_of_80_columns() -> None:
    lines = on_a_terminal(80, "recognise", "three.jpg", "seven.png", "ready.npy", "--show")
    assert max(map(len, lines)) <= 80
    assert sum("reconstruction" in line for line in lines) == 2  # of five and of one


def test_show_prints_what_the_net_sees_and_its_reconstruction(shipped: Digits) -> None:
    shown = run("recognise", "seven.png", "--show").stdout.splitlines()
    assert shown[2] == "7"
    assert shown.index("reconstruction") == 2 + 1 + 7
    (row,) = recognised("seven.png", "--show")
    image = hinton06.prepare("seven.png")
    np.testing.assert_allclose(row["image"], image[0], atol=1e-6)
    again = hinton06.load("digits").reconstruct(image)[0]
    np.testing.assert_allclose(row["reconstruction"], again, atol=1e-5)
    assert np.corrcoef(np.ravel(row["image"]), shipped.test_images[0])[0, 1] > 0.99


@pytest.mark.parametrize("form", ["png", "svg"])
def test_what_is_seen_is_saved(form: str, folder: Path) -> None:
    result = run("recognise", "three.jpg", "-o", f"new/seen.{form}", "--net", "digits")
    assert result.exit_code == 0, result.output
    content = (folder / "new" / f"seen.{form}").read_bytes()
    assert content.startswith(b"\x89PNG" if form == "png" else b"<?xml")
    if form == "png":  # two rows of three
        assert size(folder / "new" / "seen.png") == (340, 290)


def test_a_classifier_has_no_reconstructions_and_says_so(folder: Path) -> None:
    result = run("recognise", "seven.png", "--net", "table1-a", "--show", "--out", "seen.png")
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "hinton06: table1-a: holds a fine-tuned classifier: it generates nothing"
    )
    assert "reconstruction" not in result.stdout
    assert size(folder / "seen.png") == (120, 150)


@pytest.mark.parametrize("name", ["bp-a.h5", "cws-a.h5", "pretrain-labels-a.h5"])
def test_every_file_that_knows_labels_recognises(name: str) -> None:
    """These take 7 x 7 pixels."""
    (row,) = recognised("seven.png", "--net", OLD / name)
    assert len(row["probabilities"]) == 10
    asked = hinton06.load(OLD / name)
    image = hinton06.prepare("seven.png", asked.shape)
    assert image.shape == (1, 7, 7)
    probs = asked.predict_proba(image)
    np.testing.assert_allclose(row["probabilities"], probs[0], atol=1e-6)


# -- what cannot be recognised -------------------------------------------------------------------


def test_a_picture_that_cannot_be_read_costs_no_other_its_answer() -> None:
    Path("text.png").write_text("hello")
    result = run("recognise", "blank.png", "seven.png", "text.png", "--json")
    assert result.exit_code == 1
    assert [row["picture"] for row in json.loads(result.stdout)] == ["seven.png"]
    assert result.stderr.splitlines() == [
        f"hinton06: blank.png: {ONLY_NOISE}",
        "hinton06: text.png: is no picture that Pillow can read, and no .npy file",
    ]
    fails_in_one_line(run("recognise", "blank.png"), 1, "blank.png", ONLY_NOISE)


def test_images_that_no_net_has_learned_are_one_line(shipped: Digits) -> None:
    np.save("light.npy", 255 - shipped.test_images[:2])
    fails_in_one_line(run("recognise", "light.npy"), 1, "light.npy", "dark on a light ground")
    np.save("bits.npy", (shipped.test_images[:2] > 99).astype(np.uint8))
    fails_in_one_line(run("recognise", "bits.npy"), 1, "bits.npy", "only 0 and 1")


def test_a_picture_that_is_read_is_not_replaced(shipped: Digits, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.png"
    Image.fromarray(shipped.test_images[0].reshape(28, 28)).save(drawn)
    before = drawn.read_bytes()
    told = run("recognise", drawn, "--out", tmp_path / "." / "drawn.png")
    assert told.exit_code == 2
    assert "is one of the pictures, and is not replaced" in told.stderr
    assert drawn.read_bytes() == before


def test_specks_are_a_note() -> None:
    with Image.open("seven.png") as opened:
        picture = np.array(opened)
    picture[:3, :3] = 0
    Image.fromarray(picture).save("specked.png")
    result = run("recognise", "specked.png")
    assert result.exit_code == 0
    assert result.stderr == "hinton06: specked.png: left out a speck, small beside the digits\n"


def test_that_a_file_holds_more_pictures_is_a_note() -> None:
    with Image.open("seven.png") as seven, Image.open("blank.png") as other:
        seven.save("both.gif", save_all=True, append_images=[other.resize(seven.size)])
    result = run("recognise", "both.gif")
    assert result.exit_code == 0
    assert (
        result.stderr == "hinton06: both.gif: holds several pictures, of which the first was read\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, ["PICTURE"]),
        (["none.png"], 2, ["none.png"]),
        (["."], 2, ["directory"]),
        (["seven.png", "--net", "none.h5"], 2, ["none.h5"]),
        (["seven.png", "--out", "seen.gif"], 2, ["seen.gif", ".png or .svg"]),
        (["seven.png", "--out", "seen"], 2, ["seen", ".png or .svg"]),
        (["seven.png", "--nett", "x"], 2, ["--nett"]),
        (["seven.png", "--net", OLD / "pretrain-a.h5"], 1, ["pretrain-a.h5", "without labels"]),
        (["seven.png", "--net", OLD / "bp-b.h5.part"], 1, ["bp-b.h5.part", "not finished"]),
        (["seven.png", "--net", "seven.png"], 1, ["seven.png", "HDF5"]),
        (["seven.png", "--out", "seven.png/x.png"], 1, ["x.png", "cannot be written"]),
    ],
)
def test_a_mistake_is_named(arguments: list[Any], code: int, words: list[str]) -> None:
    fails_in_one_line(run("recognise", *arguments), code, *words)


def test_a_misspelt_net_lists_the_names() -> None:
    result = run("recognise", "seven.png", "--net", "digit")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "digits, table1-a" in result.stderr


def test_a_net_whose_images_have_no_room_is_refused(
    tmp_path: Path, to_idx: Callable[[Any], bytes]
) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "flat").mkdir()
    for part, n in (("train", 60), ("t10k", 10)):
        for name, array in (("images-idx3", rng.integers(0, 256, (n, 2, 9))),
                            ("labels-idx1", np.arange(n) % 2)):  # fmt: skip
            (tmp_path / "flat" / f"{part}-{name}-ubyte").write_bytes(to_idx(array))
    hinton06.pretrain(
        "p.h5", data="flat", labels=True, recipe="quick", layers=(4, 4, 4), passes=1, threads=1,
        batch=5,
    )  # fmt: skip
    fails_in_one_line(run("recognise", "seven.png", "--net", "p.h5"), 1, "p.h5", "(2, 9)")


def test_four_pixels_are_room_for_a_digit_and_three_are_none() -> None:
    for shape, enough in (((4, 9), True), ((9, 4), True), ((3, 9), False), ((9, 3), False)):
        net: Any = SimpleNamespace(
            shape=shape, path="net.h5", predict_proba=lambda images: np.zeros((len(images), 2))
        )
        if enough:
            assert recognise(net, [], print).rows() == []
        else:
            with pytest.raises(RunError, match="have no room for a digit"):
                recognise(net, [], print)
