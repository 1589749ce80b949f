"""Images of people are brought into form, and what cannot be meant is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hinton06.images import as_cases
from hinton06.mnist import Digits

SHAPE = (28, 28)


@pytest.fixture(scope="module")
def digits(shipped: Digits) -> NDArray[np.uint8]:
    """Five test digits as squares."""
    return shipped.test_images[:5].reshape(-1, *SHAPE)


@pytest.mark.parametrize("one", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_every_shape_gives_the_same_rows(flat: bool, one: bool, digits: NDArray[np.uint8]) -> None:
    given = digits.reshape(5, 784) if flat else digits
    found = as_cases(given[0] if one else given, SHAPE)
    np.testing.assert_array_equal(found, digits[: 1 if one else 5].reshape(-1, 784))
    assert found.dtype == np.uint8


@pytest.mark.parametrize(
    ("of", "dtype"),
    [
        (lambda d: d.astype(np.int64), np.uint8),
        (lambda d: d.tolist(), np.uint8),
        (lambda d: d / 255, np.float32),
        (lambda d: (d / 255).astype(np.float16), np.float32),
        (lambda d: np.asfortranarray(d / np.float32(255)), np.float32),
        (lambda d: d > 127, np.float32),
    ],
)
def test_every_type_gives_bytes_or_float32_of_the_same_grey(
    of: Callable[[Any], Any], dtype: Any, digits: NDArray[np.uint8]
) -> None:
    found = as_cases(of(digits), SHAPE)
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    wanted = np.array(of(digits), np.float64).reshape(-1, 784)
    np.testing.assert_allclose(found, wanted, rtol=2**-24)


@pytest.mark.parametrize(
    ("of", "error", "words"),
    [
        (lambda d: d * 1.0, ValueError, "between 0 and 1, and these between 0 and 255"),
        (lambda d: d / 255 - 0.5, ValueError, "between -0.5"),
        (lambda d: np.where(d > 200, np.nan, 0), ValueError, "not finite"),
        (lambda d: np.where(d > 200, np.inf, 0), ValueError, "not finite"),
        (lambda d: d.astype(np.int16) * 2, ValueError, "between 0 and 255, and these"),
        (lambda d: d.astype(np.int16) - 1, ValueError, "between -1 and 254"),
        (lambda d: (d > 127).astype(np.uint8), ValueError, "only 0 and 1"),
        (lambda d: 255 - d, ValueError, "image 0 is dark on a light ground"),
        (lambda d: 1 - d / 255, ValueError, "give 1 - images"),
        (lambda d: np.stack([d[0], d[1], 255 - d[2]]), ValueError, "image 2 is dark"),
        (lambda d: d[:, :27], ValueError, "(5, 27, 28), but (28, 28), (n, 28, 28) or (n, 784)"),
        (lambda d: d.reshape(5, 14, 56), ValueError, "(5, 14, 56)"),
        (lambda d: d[0].reshape(14, 56), ValueError, "(14, 56)"),
        (lambda _: 3, ValueError, "shape ()"),
        (lambda d: d[np.newaxis], ValueError, "(1, 5, 28, 28)"),
        (lambda d: d.astype(str), TypeError, "numbers"),
        (lambda d: d.astype(complex), TypeError, "complex"),
        (lambda d: d.astype(object), TypeError, "object"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    of: Callable[[Any], Any], error: type[Exception], words: str, digits: NDArray[np.uint8]
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        as_cases(of(digits), SHAPE)


def test_any_ground_is_taken_if_it_is_asked_for(digits: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(
        as_cases(255 - digits, SHAPE, dark_ground=False), 255 - digits.reshape(5, -1)
    )


def test_no_digit_of_mnist_is_refused_and_every_negative_is(shipped: Digits) -> None:
    as_cases(shipped.train_images, SHAPE)
    as_cases(shipped.test_images, SHAPE)
    for image in 255 - shipped.test_images[:500]:
        with pytest.raises(ValueError, match="dark on a light ground"):
            as_cases(image, SHAPE)


def test_noise_and_blank_images_are_images() -> None:
    noise = np.random.default_rng(0).random((200, *SHAPE)) < 0.5
    assert len(as_cases(noise, SHAPE)) == 200
    assert not as_cases(np.zeros(SHAPE, np.uint8), SHAPE).any()
    assert as_cases(np.zeros((0, 784)), SHAPE).shape == (0, 784)


def test_every_side_of_an_image_is_its_ground() -> None:
    """Light on three sides of four it is refused, whichever of them is dark."""
    for side in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        image = np.ones(SHAPE, np.float32)
        image[side] = 0  # 28 of 108 pixels: 0.74 of them are light
        with pytest.raises(ValueError, match="image 0 is dark on a light ground"):
            as_cases(image, SHAPE)
