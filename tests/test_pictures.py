"""Digits are found in pictures of any kind, and become what MNIST would have made of them."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import drawn
import numpy as np
import pytest
from drawn import enlarged
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from test_docs import between, rows

import hinton06
from hinton06 import pictures, prepare
from hinton06.mnist import DataError, Digits

Bytes = NDArray[np.uint8]
N = 100
NETS = hinton06.nets.names()


@pytest.fixture(scope="module")
def digits(shipped: Digits) -> Bytes:
    """The first hundred test digits."""
    return shipped.test_images[:N].reshape(-1, 28, 28)


@pytest.fixture(scope="module")
def nets() -> dict[str, Any]:
    return {name: hinton06.load(name, threads=1) for name in NETS}


def box(image: NDArray[Any], least: float = 0.0) -> Any:
    """What is above `least`: (top, left, bottom, right)."""
    down, right = np.nonzero(image > least)
    return down.min(), right.min(), down.max() + 1, right.max() + 1


def cut(image: Bytes, least: float = 0.0) -> Bytes:
    top, left, bottom, right = box(image, least)
    return image[top:bottom, left:right]


def the_one(picture: Any) -> NDArray[Any]:
    """The only digit of a picture."""
    (found,) = prepare(picture)
    return found


# -- as MNIST did it -----------------------------------------------------------------------------


def test_a_digit_of_mnist_comes_out_as_it_went_in(digits: Bytes) -> None:
    """But for its scale, which makes the strongest pixel 1, and the faintest pixels around it."""
    for image in digits:
        found, ink = the_one(image), image / image.max()
        top, left, bottom, right = box(ink, 0.2)
        near = ndimage.distance_transform_edt(ink <= 0.2) <= 1.5
        wanted = np.where(near, ink, 0)[top:bottom, left:right]
        # Where the centre of mass is between two pixels, these faint ones decide for one of them.
        tied = abs(abs(np.subtract(ndimage.center_of_mass(ink), 14)) - 0.5) < 0.02
        moved = np.subtract(box(found, 0.2)[:2], (top, left))
        assert (abs(moved) <= tied).all()
        down, right_by = moved
        placed = found[top + down : bottom + down, left + right_by : right + right_by]
        np.testing.assert_allclose(placed, wanted, atol=1e-6)
        assert np.count_nonzero(found) == np.count_nonzero(placed)


@pytest.mark.parametrize("shape", [(28, 28), (14, 14), (20, 40), (56, 56)])
def test_a_digit_fills_20_of_28_pixels_keeps_its_aspect_and_is_centred_by_mass(
    digits: Bytes, shape: tuple[int, int]
) -> None:
    side = round(20 / 28 * min(shape))
    for image in digits[:40]:
        large = enlarged(image, 12)
        (found,) = prepare(large, shape)
        assert found.shape == shape
        assert (found.dtype, found.min(), found.max()) == (np.float32, 0, 1)
        top, left, bottom, right = box(found)
        height, width = box(large, 51)[2] - box(large, 51)[0], box(large, 51)[3] - box(large, 51)[1]
        assert max(bottom - top, right - left) == side
        # Each side is a whole number of pixels.
        assert abs(bottom - top - side * height / max(height, width)) <= 0.5
        assert abs(right - left - side * width / max(height, width)) <= 0.5
        # By whole pixels too; the centre is where it is in MNIST's images, whatever moved them.
        for place, size in zip(ndimage.center_of_mass(found), shape, strict=True):
            assert abs(place - size / 2) <= 0.5 + 1e-6


def test_mnist_s_own_digits_are_centred_so(shipped: Digits) -> None:
    for image in shipped.test_images[:1000].reshape(-1, 28, 28):
        np.testing.assert_allclose(ndimage.center_of_mass(image), 14, atol=0.5 + 1e-6)
        top, left, bottom, right = box(image)
        assert max(bottom - top, right - left) == 20


@pytest.mark.parametrize("way", drawn.WAYS)
def test_a_net_says_of_a_drawing_what_it_says_of_the_digit(
    way: str, digits: Bytes, nets: dict[str, Any]
) -> None:
    """As docs/commands.md has it, of the first hundred test digits."""
    (stated,) = (row for row in rows(between("docs/commands.md", "drawn")) if row["drawn"] == way)
    found = []
    for number, image in enumerate(digits):
        made = prepare(drawn.WAYS[way](image, np.random.default_rng(number)))
        found.append(made[0] if len(made) == 1 else np.zeros((28, 28), np.float32))
    for name, net in nets.items():
        same = int((net.predict(found) == net.predict(digits)).sum())
        assert same >= int(stated[f"`{name}`"]), name


def test_every_way_of_drawing_is_on_the_page() -> None:
    assert [row["drawn"] for row in rows(between("docs/commands.md", "drawn"))] == list(drawn.WAYS)


# -- several digits ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_digits_that_stand_apart_are_found_in_reading_order(
    seed: int, digits: Bytes, nets: dict[str, Any]
) -> None:
    """Lines of digits of many widths, a quarter of their height apart, up and down in the line."""
    rng, times = np.random.default_rng(seed), 2 + seed % 4
    lines = [rng.integers(0, N, rng.integers(1, 7)) for _ in range(1 + seed % 3)]
    sheet = np.zeros((len(lines) * 27 * times, 6 * 26 * times), np.uint8)
    for number, line in enumerate(lines):
        place = times
        for case in line:
            ink = cut(enlarged(digits[case], times))
            top = number * 27 * times + rng.integers(0, 20 * times - len(ink) + 1)
            sheet[top : top + len(ink), place : place + ink.shape[1]] = ink
            place += ink.shape[1] + 5 * times
    found, every = pictures.find(255 - sheet), np.concatenate(lines)
    assert np.bincount(found.lines).tolist() == [len(line) for line in lines]
    assert found.specks == 0
    for net in nets.values():
        np.testing.assert_array_equal(net.predict(found.images), net.predict(digits[every]))


def strokes(*lines: list[tuple[float, float]], width: int = 6) -> Bytes:
    """Black lines on white, 400 x 240 pixels."""
    image = Image.new("L", (400, 240), 255)
    for line in lines:
        ImageDraw.Draw(image).line(line, fill=0, width=width)
    return np.asarray(image)


BODY = [(60, 80), (58, 130), (100, 128), (120, 170), (100, 220), (50, 225)]
BAR = [(66, 70), (130, 66)]


def test_the_bar_of_a_5_belongs_to_it_and_a_digit_below_does_not() -> None:
    five = strokes(BODY, BAR)
    assert len(prepare(five)) == 1
    top, _, bottom, _ = box(255 - five)
    assert len(prepare(strokes(BODY, [(x, y - 8) for x, y in BAR]))) == 1
    # More than a quarter of its height above, it is a stroke of its own.
    assert (bottom - top) / 4 < 50
    assert len(prepare(strokes(BODY, [(x, y - 50) for x, y in BAR]))) == 2
    below = np.vstack([five, five])
    assert pictures.find(below).lines == (0, 1)


@pytest.mark.parametrize(("gap", "n"), [(4, 1), (10, 1), (12, 1), (15, 2), (30, 2), (60, 2)])
def test_pieces_nearer_than_a_twelfth_of_the_height_are_one_digit(gap: int, n: int) -> None:
    height, half = 160, 3  # of the strokes, and of their width
    two = strokes(
        [(100, 40), (100, 200)], [(100 + 2 * half + gap, 40), (100 + 2 * half + gap, 200)]
    )
    assert (gap < height / 12) == (n == 1)
    assert len(prepare(two)) == n


def test_specks_are_left_out_and_counted() -> None:
    picture = strokes(BODY, BAR).copy()
    clean = the_one(picture)
    for row, column in ((20, 300), (200, 350), (120, 250)):
        picture[row : row + 5, column : column + 5] = 0
    found = pictures.find(picture)
    assert (found.lines, found.specks) == ((0,), 3)
    np.testing.assert_array_equal(found.images[0], clean)


@pytest.mark.parametrize(("share", "n"), [(8, 1), (5, 2)])
def test_what_is_a_sixth_as_large_as_the_largest_digit_is_one(share: int, n: int) -> None:
    five = strokes(BODY, BAR)
    top, left, bottom, right = box(255 - five)
    side = max(bottom - top, right - left) // share
    picture = np.hstack([five, np.full((len(five), 200), 255, np.uint8)])
    picture[100 : 100 + side, -100 : -100 + side] = 0
    found = pictures.find(picture)
    assert (len(found.lines), found.specks) == (n, 2 - n)


# -- strokes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 3, 5, 9])
def test_a_fine_stroke_is_made_as_wide_as_mnist_s_finest(width: int) -> None:
    picture = np.full((300, 300), 255, np.uint8)
    picture[50:250, 140 : 140 + width] = 0
    found = the_one(picture)
    rows_of_it = found[found.any(axis=1)]
    # A tenth of its height of about 200 is 2 pixels; the ends are rounded.
    assert np.median(rows_of_it.sum(axis=1)) == pytest.approx(2, abs=0.25)


def test_no_stroke_of_mnist_is_widened(digits: Bytes) -> None:
    for image in digits:
        for times in (1, 10):
            ink = cut(enlarged(image, times, smooth=True), 0.2 * image.max()) / 255
            assert pictures._widened(ink) is ink


# -- kinds of files ------------------------------------------------------------------------------


def saved(path: Path, image: Any, **how: Any) -> Path:
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **how)
    return path


@pytest.mark.parametrize(
    ("ending", "of"),
    [
        ("png", lambda x: x),
        ("bmp", lambda x: x),
        ("gif", lambda x: x),
        ("tiff", lambda x: x),
        ("png", lambda x: x.astype(np.uint16) * 257),
        ("tiff", lambda x: x.astype(np.float32) / 255),
        ("tiff", lambda x: x.astype(np.int32) * 100),
        ("png", lambda x: Image.fromarray(x).convert("P")),
        ("tiff", lambda x: Image.fromarray(x).convert("CMYK")),
        ("png", lambda x: np.dstack([np.zeros_like(x), x])),
        ("PNG", lambda x: np.dstack([255 - x] * 3)),
        ("npy", lambda x: x),
        ("npy", lambda x: x / 255),
        ("npy", lambda x: -x.astype(float)),
        ("npy", lambda x: x.astype(np.int16) * 8 - 2040),
        ("npy", lambda x: x.astype(np.uint16) * 16),
        ("npy", lambda x: x.astype(">u2") * 100),
        ("npy", lambda x: np.dstack([x, x, 255 - x])),
    ],
)
def test_every_kind_of_file_gives_the_same_digit(
    ending: str, of: Callable[[Bytes], Any], digits: Bytes, tmp_path: Path
) -> None:
    large, path = enlarged(digits[0], 5), tmp_path / f"x.{ending}"
    if ending == "npy":
        np.save(path, of(large))
    else:
        saved(path, of(large))
    # Levels are rounded to bytes.
    np.testing.assert_allclose(the_one(path), the_one(large), atol=1 / 255)
    np.testing.assert_array_equal(prepare(str(path)), prepare(path))


def test_a_jpeg_is_turned_as_its_camera_was(digits: Bytes, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by a quarter to the right
    turned = np.rot90(enlarged(digits[0], 8))
    path = saved(tmp_path / "x.jpg", turned, exif=exif, quality=95)
    found, upright = the_one(path), the_one(enlarged(digits[0], 8))
    assert np.corrcoef(found.ravel(), upright.ravel())[0, 1] > 0.99


def test_black_and_white_pixels_are_enough(digits: Bytes, tmp_path: Path) -> None:
    ink = enlarged(digits[0], 5, smooth=True) > 127
    path = saved(tmp_path / "x.png", Image.fromarray(ink))
    np.testing.assert_allclose(the_one(path), the_one(ink), atol=1e-6)
    np.testing.assert_allclose(the_one(ink.astype(np.uint8)), the_one(~ink), atol=1e-6)


def test_a_large_photograph_is_read_at_a_smaller_size(digits: Bytes, tmp_path: Path) -> None:
    large = enlarged(digits[0], 120)
    path = saved(tmp_path / "x.png", 255 - large)
    wanted = the_one(enlarged(digits[0], 5))
    assert np.corrcoef(the_one(path).ravel(), wanted.ravel())[0, 1] > 0.99
    assert np.corrcoef(the_one(large).ravel(), wanted.ravel())[0, 1] > 0.99


def test_a_drawing_on_a_card_that_lies_on_nothing_is_on_the_card(digits: Bytes) -> None:
    ink = np.pad(enlarged(digits[0], 5), 30)
    opacity = np.pad(np.full((180, 180), 255, np.uint8), 10)
    for levels in (ink, 255 - ink):
        found = the_one(np.dstack([*[levels] * 3, opacity]))
        np.testing.assert_allclose(found, the_one(ink), atol=1e-6)


@pytest.mark.parametrize("dark", [True, False])
def test_strokes_on_nothing_are_ink_whatever_colours_they_have(dark: bool, digits: Bytes) -> None:
    """As of a smooth drawing whose ground was cut out, or of digits in several colours."""
    strokes = [enlarged(image, 6, smooth=True) for image in digits[:3]]
    opacity = np.hstack([255 * (each > 110).astype(np.uint8) for each in strokes])
    cut_out = np.hstack(strokes)
    colours = np.hstack([np.full_like(each, 30 + 80 * n) for n, each in enumerate(strokes)])
    expected = prepare(opacity)
    assert len(expected) == 3
    for levels in (cut_out, colours):
        found = prepare(np.dstack([255 - levels if dark else levels, opacity]))
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 784)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.bool_])
def test_what_is_an_image_already_stays_as_it_is(
    digits: Bytes, shape: tuple[int, ...], dtype: Any, tmp_path: Path
) -> None:
    images = digits[:3] if dtype == np.uint8 else digits[:3] / 255
    images = images.astype(dtype).reshape(shape)
    np.save(tmp_path / "x.npy", images)
    for given in (images, tmp_path / "x.npy"):
        found = prepare(given)
        level = 255 if dtype == np.uint8 else 1
        wanted = images.astype(np.float32).reshape(3, 28, 28) / np.float32(level)
        np.testing.assert_array_equal(found, wanted)


def test_a_picture_as_wide_as_an_image_has_pixels_is_one_picture(
    digits: Bytes, tmp_path: Path
) -> None:
    large = np.kron(digits[0].reshape(28, 28), np.ones((28, 28), np.uint8))
    narrow = large[100:684]
    for name, picture in (("square.npy", large), ("I16.png", large), ("F.tif", narrow)):
        path = tmp_path / name
        if path.suffix == ".npy":
            np.save(path, picture)
            assert len(prepare(picture)) == 1
        else:
            wide = picture.astype(np.uint16) * 257 if name == "I16.png" else picture.astype("f")
            Image.fromarray(wide).save(path)
        assert prepare(path).shape == (1, 28, 28)
    assert large.max() == 255  # so that of 16 bits, 257 times as large, each is the same share
    np.testing.assert_array_equal(prepare(tmp_path / "I16.png"), prepare(large))
    assert prepare(narrow[:, :, np.newaxis]).shape == (1, 28, 28)


# -- what is refused -----------------------------------------------------------------------------


def png_of(width: int, height: int) -> bytes:
    """The head of a PNG file that declares this size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = (
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (head, data)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def npy_of(content: bytes, head: str) -> bytes:
    text = head.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def declared(shape: str, dtype: str = "|u1") -> bytes:
    """An .npy file of a hundred bytes that declares something."""
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    return npy_of(bytes(100), head)


WHOLE = declared("(10, 10)")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.png", b"", "is no picture that Pillow can read, and no .npy file"),
        ("x.png", b"hello", "is no picture that Pillow can read, and no .npy file"),
        ("x.png", png_of(10, 10)[:60], "cannot be read"),
        ("x.png", png_of(1000, 1000), "cannot be read"),
        ("x.png", png_of(50_000, 50_000), "has more than 100,000,000 pixels"),
        ("x.png", png_of(10_000, 10_001), "has more than 100,000,000 pixels"),
        ("x.png", png_of(10_000, 10_000), "cannot be read"),
        ("x.npy", b"", "is no .npy file"),
        ("x.npy", b"hello, hello", "is no .npy file"),
        ("x.npy", WHOLE[:-1], "is no .npy file"),
        ("x.npy", WHOLE[:40], "is no .npy file"),
        ("x.npy", declared("(10, 1000000000)"), "is no .npy file"),
        ("x.npy", declared("(10, 10)", "|O"), "is no .npy file"),
        ("x.npy", declared("(10, 10)", "|S1"), "is an array of numbers, not of"),
        ("x.npy", declared("(100,)"), "shape (100,) is no picture"),
        ("x.npy", declared("(2, 2, 25)"), "shape (2, 2, 25) is no picture"),
        ("x.npy", WHOLE, "no digit in it stands out from its ground"),
    ],
)
def test_a_file_that_is_no_picture_is_one_line(
    name: str, content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        prepare(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_jpeg_that_ends_too_soon_is_one_line(digits: Bytes, tmp_path: Path) -> None:
    path = saved(tmp_path / "x.jpg", enlarged(digits[0], 10))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"x\.jpg: cannot be read: .*truncated"):
        prepare(path)


def test_what_is_no_plain_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    os.mkfifo(tmp_path / "x.npy")
    for name, words in (
        ("x.png", "not a plain file"), ("x.npy", "not a plain file"), ("", "directory"),
        ("none.png", "No such file"), ("none.npy", "No such file"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=f"(?i){words}"):
            prepare(tmp_path / name)


@pytest.mark.parametrize(
    ("array", "error", "words"),
    [
        (np.zeros((5, 5)), DataError, "the picture: no digit"),
        (np.full((50, 50), 200, np.uint8), DataError, "no digit"),
        (np.full((50, 50, 4), 255, np.uint8), DataError, "no digit"),
        (np.zeros((50, 50, 4), np.uint8), DataError, "no digit"),
        (np.zeros((1, 1)), DataError, "no digit"),
        (np.zeros((1, 9)), DataError, "no digit"),
        (np.zeros((0, 9)), ValueError, "(0, 9, 1) is no picture"),
        (np.zeros(9), ValueError, "(9,) is no picture"),
        (np.zeros((9, 9, 5)), ValueError, "(9, 9, 5) is no picture"),
        (np.zeros((2, 9, 9, 3)), ValueError, "is no picture"),
        (np.full((9, 9), np.nan), ValueError, "not finite"),
        (np.full((9, 9), np.inf), ValueError, "not finite"),
        (np.zeros((9, 9), complex), TypeError, "not of complex"),
        ([["a"]], TypeError, "not of <U1"),
        (np.full((2, 784), 2.0), ValueError, "between 0 and 1"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(array: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=re.escape(words)):
        prepare(array)


def test_an_array_of_no_images_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", np.zeros((0, 28, 28)))
    with pytest.raises(DataError, match=r"none\.npy: holds no image"):
        prepare(tmp_path / "none.npy")


def test_of_an_animation_the_first_picture_is_read_and_that_is_known(
    digits: Bytes, tmp_path: Path
) -> None:
    frames = [Image.fromarray(255 - enlarged(image, 5)) for image in digits[:3]]
    for ending in ("gif", "tiff", "png", "webp"):
        path = tmp_path / f"moving.{ending}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert pictures.find(path).several
        frames[0].save(path)
        assert not pictures.find(path).several


def test_what_a_camera_puts_beside_its_picture_is_no_second_one(
    digits: Bytes, tmp_path: Path
) -> None:
    first, *rest = (Image.fromarray(255 - enlarged(image, 8)) for image in digits[:2])
    path = tmp_path / "x.jpg"
    first.save(path, format="MPO", save_all=True, append_images=rest, quality=95)
    with Image.open(path) as image:
        assert (image.format, image.is_animated) == ("MPO", True)  # type: ignore[attr-defined]
    found = pictures.find(path)
    assert not found.several
    expected = the_one(enlarged(digits[0], 8))
    assert np.corrcoef(found.images.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(("share", "n"), [(0.19, 1), (0.21, 2)])
def test_what_is_fainter_than_a_fifth_of_the_strongest_ink_is_none(share: float, n: int) -> None:
    picture = np.zeros((100, 160))
    picture[30:70, 20:30], picture[30:70, 100:110] = 1, share
    assert len(prepare(picture)) == n


def test_noise_alone_is_no_digit() -> None:
    """Of photographs of bare paper, whose light falls unevenly."""
    y, x = np.mgrid[-1:1:300j, -1:1:400j]
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(0, 0.01, (300, 400))
        with pytest.raises(DataError, match="no digit"):
            prepare(0.8 - 0.1 * x**2 + 0.1 * y + noise)


def test_grey_levels_are_of_255_however_few_of_them_a_picture_has() -> None:
    """Of a tenth of the whole range what stands out is ink, and of less it is none."""
    for levels, n in ((20, 0), (40, 1)):
        picture = (255 - strokes(BODY, BAR) > 127) * np.uint8(levels)
        if n:
            assert len(prepare(picture)) == n
        else:
            with pytest.raises(DataError, match="no digit"):
                prepare(picture)
