"""Images that are distorted when they are learned: the fields, the resampling, the learners."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import reference_distortion
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hinton06 import distortion, mnist, native
from hinton06.backprop import DiscriminativeFineTuning
from hinton06.distortion import (
    Distorter,
    affine_fields,
    blur,
    elastic_fields,
    of_mean_length,
    resampled,
)
from hinton06.models import Classifier
from hinton06.recipes import RECIPES
from hinton06.recognition import Cases, log_probs, score
from hinton06.stacking import GreedyStack, features

SHAPE, EPS = (6, 5), 2.0**-24


def random(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


def images(n: int = 7, shape: tuple[int, int] = SHAPE, seed: int = 2) -> NDArray[np.uint8]:
    return random(seed).integers(0, 256, (n, *shape), np.uint8)


def fields(n: int, shape: tuple[int, int], pixels: float) -> NDArray[np.float32]:
    return (random(3).standard_normal((n, 2, *shape)) * pixels).astype(np.float32)


# -- taking pixels from elsewhere ----------------------------------------------------------------


@pytest.mark.usefixtures("kind")
def test_no_displacement_leaves_an_image() -> None:
    assert np.array_equal(resampled(images(), fields(7, SHAPE, 0.0)), images())


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("distance", [1, 2])
def test_a_shift_by_whole_pixels_is_the_translation(distance: int) -> None:
    flat = images().reshape(7, -1)
    moved = mnist.translated(flat, SHAPE, distance).reshape(-1, 7, *SHAPE)
    for (down, right), expected in zip(mnist.shifts(distance), moved, strict=True):
        field = np.empty((7, 2, *SHAPE), np.float32)
        field[:, 0], field[:, 1] = -down, -right  # where a pixel is taken from
        assert np.array_equal(resampled(images(), field), expected)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("pixels", [0.3, 2.0, 50.0, 1e30])
@pytest.mark.parametrize("shape", [SHAPE, (1, 4), (3, 1)])
def test_pixels_are_interpolated_between_their_neighbours(
    pixels: float, shape: tuple[int, int]
) -> None:
    drawn, field = images(shape=shape), fields(7, shape, pixels)
    expected = [reference_distortion.resampled(*each) for each in zip(drawn, field, strict=True)]
    assert np.array_equal(resampled(drawn, field), expected)


@pytest.mark.usefixtures("kind")
def test_a_field_that_lies_otherwise_gives_the_same() -> None:
    field = fields(7, SHAPE, 1.0)
    turned = np.asfortranarray(field)
    assert np.array_equal(resampled(images(), turned), resampled(images(), field))


# -- fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "sd"), [((28, 28), 4.0), ((28, 28), 1.9), ((20, 9), 1.5), (SHAPE, 30.0)]
)
def test_elastic_fields_are_uniform_draws_smoothed_as_scipy_smooths(
    shape: tuple[int, int], sd: float
) -> None:
    found = elastic_fields(3, (blur(shape[0], sd), blur(shape[1], sd)), random(5))
    drawn = 2 * random(5).random((3, 2, *shape), np.float32).astype(np.float64) - 1
    expected = gaussian_filter(drawn, (0, 0, sd, sd), mode="constant")
    # Two sums of numbers whose sizes add up to 1 at most, and the roundings of factor and draw.
    assert abs(found - expected).max() <= (sum(shape) + 6) * EPS


def test_affine_fields_are_a_random_matrix_and_as_much_of_a_random_shift() -> None:
    shape = (7, 4)
    found = affine_fields(5, shape, random(6))
    drawn = random(6).standard_normal((10, 3), np.float32).astype(np.float64)
    down, right = np.mgrid[:7, :4] - np.array([3.0, 1.5])[:, np.newaxis, np.newaxis]
    radius = np.sqrt((down**2 + right**2).mean())
    basis = np.stack([down / radius, right / radius, np.ones(shape)])
    expected, sizes = (
        np.einsum("ij,jrc->irc", *pair) for pair in ((drawn, basis), (abs(drawn), abs(basis)))
    )
    assert (abs(found.reshape(10, *shape) - expected) <= 6 * EPS * sizes).all()
    assert (basis[:2] ** 2).sum(axis=0).mean() == pytest.approx((basis[2] ** 2).mean())


@pytest.mark.parametrize("pixels", [0.25, 1.5, 20.0])
def test_every_image_s_displacements_have_the_mean_that_is_asked_for(pixels: float) -> None:
    for field in (
        affine_fields(4, (28, 28), random()),
        elastic_fields(4, (blur(28, 4.0), blur(28, 4.0)), random()),
    ):
        found = of_mean_length(field, pixels).astype(np.float64)
        lengths = np.hypot(found[:, 0], found[:, 1]).mean(axis=(1, 2))
        assert lengths == pytest.approx(np.full(4, pixels), rel=28 * 28 * EPS)
    assert not of_mean_length(np.zeros((2, 2, 3, 3), np.float32), pixels).any()


def test_what_a_batch_is_distorted_by_is_both_fields_together(monkeypatch: Any) -> None:
    seen = []
    monkeypatch.setattr(
        distortion, "resampled", lambda image, field: [image, seen.append(field)][0]
    )
    for affine, elastic in ((1.0, 0.0), (0.0, 2.0), (1.0, 2.0)):
        distorter = Distorter((28, 28), affine, elastic, 4.0, random)
        distorter.begin(8)
        distorter(images(3, (28, 28)).reshape(3, -1), np.array([2, 0]))
    alone, other, both = seen
    rng = random(8)
    drawn = of_mean_length(affine_fields(2, (28, 28), rng), 1.0)
    assert np.array_equal(alone, drawn)
    blurs = blur(28, 4.0), blur(28, 4.0)
    assert np.array_equal(other, of_mean_length(elastic_fields(2, blurs, random(8)), 2.0))
    assert np.array_equal(both, drawn + of_mean_length(elastic_fields(2, blurs, rng), 2.0))


# -- learners ------------------------------------------------------------------------------------

CASES = images(23).reshape(23, -1)
LABELS = (np.arange(23) % 3).astype(np.uint8)


def distorter(elastic: float = 1.0) -> Distorter:
    return Distorter(SHAPE, 0.5, elastic, 1.0, lambda epoch: random(100 + epoch))


def tuning(seed: int = 1, optimiser: str = "momentum", **changes: Any) -> Any:
    settings = RECIPES["tr2006"].settings("backprop")
    settings = type(settings)(**vars(settings) | {"batch": 5, "optimiser": optimiser})
    net = Classifier.random((30, 4, 3), 1.0, random(seed))
    train = Cases(CASES, LABELS, distorter=changes.get("distorter", distorter()))
    return DiscriminativeFineTuning(net, train, settings, random(seed), Cases(CASES, LABELS))


def stack(seed: int = 1, **changes: Any) -> GreedyStack:
    settings = RECIPES["quick"].settings("pretrain")
    settings = type(settings)(**vars(settings) | {"layers": (4, 3), "passes": 3, "batch": 5})
    return GreedyStack(
        CASES, settings, random(seed), distorter=changes.get("distorter", distorter())
    )


def epochs(learner: Any, n: int) -> list[dict[str, float]]:
    return [learner.run_epoch(lambda _: None) for _ in range(n)]


def equal(one: Any, other: Any) -> bool:
    mine, theirs = one.parameters(), other.parameters()
    return all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("make", [tuning, lambda seed=1: tuning(seed, "cg"), stack])
@pytest.mark.parametrize("done", [1, 2, 4])
def test_a_learner_of_distorted_images_goes_on_bit_for_bit(make: Any, done: int) -> None:
    whole, part = make(), make()
    rows = epochs(whole, 5)
    assert epochs(part, done) == rows[:done]
    again = make(seed=2)
    again.restore(copy.deepcopy(part.state()))
    assert epochs(again, 5 - done) == rows[done:]
    assert equal(whole.result(), again.result())


@pytest.mark.parametrize("make", [tuning, stack])
def test_every_epoch_learns_other_versions(make: Any) -> None:
    """A run whose epochs all have the numbers of the first is another one from the second on."""
    same = Distorter(SHAPE, 0.5, 1.0, 1.0, lambda _epoch: random(100))
    one, other = make(), make(distorter=same)
    assert epochs(one, 1) == epochs(other, 1)
    assert epochs(one, 1) != epochs(other, 1)


@pytest.mark.parametrize("make", [tuning, stack])
def test_epochs_are_counted_through_all_layers(make: Any) -> None:
    begun: list[int] = []

    def stream_of(epoch: int) -> np.random.Generator:
        begun.append(epoch)
        return random(epoch)

    epochs(make(distorter=Distorter(SHAPE, 0.5, 1.0, 1.0, stream_of)), 5)
    assert begun == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("make", [tuning, stack])
def test_images_that_are_moved_by_nothing_to_speak_of_are_learned_as_they_are(make: Any) -> None:
    still = Distorter(SHAPE, 1e-6, 1e-6, 1.0, lambda _epoch: random())
    plain, distorted = make(distorter=None), make(distorter=still)
    assert epochs(plain, 4) == epochs(distorted, 4)
    assert equal(plain.result(), distorted.result())


def test_what_is_measured_is_not_distorted() -> None:
    learner = tuning()
    (row,) = epochs(learner, 1)
    found = score(log_probs(learner.net, CASES), LABELS)
    assert (row["valid_cost"], row["train_cost"]) == (found.cost_per_100, found.cost_per_100)


def test_higher_layers_learn_the_features_of_distorted_images(monkeypatch: Any) -> None:
    learner = stack()
    epochs(learner, 3)
    made: list[Any] = []
    own = Distorter.__call__

    def kept(self: Distorter, cases: Any, rows: Any) -> Any:
        made.append(own(self, cases, rows))
        return made[-1]

    monkeypatch.setattr(Distorter, "__call__", kept)
    seen: list[Any] = []
    epochs(learner, 1)  # the second layer's first; now a batch by hand
    out = np.empty((5, 4), np.float32)
    learner._data.take(np.arange(5), out)
    seen.append(out)
    assert np.array_equal(seen[0], features(learner.stack[0], made[-1]))
    assert not np.array_equal(made[-1], CASES[:5])


def test_the_loops_do_it_where_there_is_a_compiler() -> None:
    if native.KIND != "C":
        pytest.skip("installed without a C compiler")
    framed, out = np.zeros((1, 9, 8), np.uint8), np.empty((1, 6, 5), np.uint8)
    assert native.resample(framed, fields(1, SHAPE, 1.0), out)
