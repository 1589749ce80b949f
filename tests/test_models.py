from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hinton06.models import Classifier, DeepBeliefNet, Model, Rbm, Stack

Arrays = dict[str, NDArray[Any]]


def rbm_arrays(dtype: Any = np.float32) -> Arrays:
    return {
        "weights": np.ones((4, 3), dtype),
        "visible_bias": np.ones(4, dtype),
        "hidden_bias": np.ones(3, dtype),
    }


def net_arrays(dtype: Any = np.float32) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    weights = [np.ones((5, 4), dtype), np.ones((4, 3), dtype)]
    return weights, [np.ones(4, dtype), np.ones(3, dtype)]


def assert_variance(numbers: NDArray[Any], variance: float) -> None:
    """Squares of normal numbers have standard deviation sqrt(2) of their mean."""
    standard_error = variance * np.sqrt(2 / numbers.size)
    measured = np.mean(numbers.astype(np.float64) ** 2)
    # Seven standard errors of some 10^4 squares: exceeded by fewer than one seed in 10^9.
    assert abs(measured - variance) < 7 * standard_error


# -- Rbm -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rbm_keeps_its_arrays_and_knows_its_sizes(dtype: Any) -> None:
    arrays = rbm_arrays(dtype)
    rbm = Rbm(**arrays)
    assert (rbm.n_visible, rbm.n_hidden) == (4, 3)
    assert all(getattr(rbm, name) is array for name, array in arrays.items())


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("weights", np.ones(4, np.float32)),
        ("weights", np.ones((0, 3), np.float32)),
        ("weights", np.ones((4, 0), np.float32)),
        ("weights", np.ones((3, 4), np.float32).T),
        ("weights", np.full((4, 3), np.nan, np.float32)),
        ("weights", np.ones((4, 3), np.int64)),
        ("weights", np.ones((4, 3), np.float64)),
        ("visible_bias", np.ones(3, np.float32)),
        ("visible_bias", np.ones((4, 1), np.float32)),
        ("visible_bias", np.ones(8, np.float32)[::2]),
        ("visible_bias", np.array([0, 0, 0, np.inf], np.float32)),
        ("hidden_bias", np.ones(4, np.float32)),
        ("hidden_bias", np.ones(3, np.float64)),
        ("hidden_bias", np.array([0, 0, -np.inf], np.float32)),
    ],
)
def test_rbm_refuses_arrays_that_do_not_fit(name: str, array: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"shape|dtype|C-contiguous|not finite"):
        Rbm(**(rbm_arrays() | {name: array}))


def test_rbm_refuses_whole_numbers_throughout() -> None:
    with pytest.raises(ValueError, match="dtype"):
        Rbm(**rbm_arrays(np.int64))


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Rbm)])
def test_rbm_arrays_cannot_be_replaced(name: str) -> None:
    rbm = Rbm(**rbm_arrays())
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(rbm, name, getattr(rbm, name))


def test_random_rbm_has_weights_of_the_given_deviation_and_zero_biases() -> None:
    rbm = Rbm.random(150, 80, 0.1, np.random.default_rng(1))
    assert rbm.weights.shape == (150, 80)
    assert rbm.weights.dtype == np.float32
    assert_variance(rbm.weights, 0.1**2)
    assert not rbm.visible_bias.any()
    assert not rbm.hidden_bias.any()


def test_random_rbm_depends_on_the_generator_alone() -> None:
    one, same, other = (Rbm.random(4, 3, 1.0, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.weights, same.weights)
    assert (one.weights != other.weights).any()


# -- Classifier ------------------------------------------------------------------------------


def test_classifier_knows_its_sizes() -> None:
    weights, biases = net_arrays()
    net = Classifier(tuple(weights), tuple(biases))
    assert net.sizes == (5, 4, 3)
    assert net.n_classes == 3


@pytest.mark.parametrize(
    ("part", "number", "array"),
    [
        ("weights", 0, np.ones(5, np.float32)),
        ("weights", 0, np.ones((0, 4), np.float32)),
        ("weights", 0, np.ones((5, 4), np.float64)),
        ("weights", 0, np.full((5, 4), np.inf, np.float32)),
        ("weights", 1, np.ones((5, 3), np.float32)),
        ("weights", 1, np.ones((4, 0), np.float32)),
        ("weights", 1, np.ones((3, 4), np.float32).T),
        ("biases", 0, np.ones(5, np.float32)),
        ("biases", 1, np.ones(3, np.float64)),
        ("biases", 1, np.array([0, np.nan, 0], np.float32)),
    ],
)
def test_classifier_refuses_arrays_that_do_not_fit(
    part: str, number: int, array: NDArray[Any]
) -> None:
    weights, biases = net_arrays()
    (weights if part == "weights" else biases)[number] = array
    with pytest.raises(ValueError, match=r"shape|dtype|C-contiguous|not finite"):
        Classifier(tuple(weights), tuple(biases))


def test_classifier_refuses_no_layers_and_unequal_numbers_of_arrays() -> None:
    weights, biases = net_arrays()
    with pytest.raises(ValueError, match="0 weight matrices"):
        Classifier((), ())
    with pytest.raises(ValueError, match="2 weight matrices with 1"):
        Classifier(tuple(weights), tuple(biases[:1]))


def test_copy_of_a_classifier_is_equal_and_shares_nothing() -> None:
    net = Classifier.random((5, 4, 3), 1.0, np.random.default_rng(1))
    copy = net.copy()
    for mine, theirs in zip(net.weights + net.biases, copy.weights + copy.biases, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert not np.shares_memory(mine, theirs)


def test_classifier_on_a_stack_copies_it_and_starts_with_a_zero_softmax() -> None:
    rng = np.random.default_rng(1)
    stack = [
        Rbm(rng.random((5, 4)), rng.random(5), rng.random(4)),
        Rbm(rng.random((4, 3)), rng.random(4), rng.random(3)),
    ]
    net = Classifier.on_stack(stack, n_classes=2)
    assert net.sizes == (5, 4, 3, 2)
    for rbm, weights, bias in zip(stack, net.weights[:-1], net.biases[:-1], strict=True):
        np.testing.assert_array_equal(weights, rbm.weights)
        np.testing.assert_array_equal(bias, rbm.hidden_bias)
        assert not np.shares_memory(weights, rbm.weights)
        assert not np.shares_memory(bias, rbm.hidden_bias)
    assert not net.weights[-1].any()
    assert not net.biases[-1].any()


def test_random_classifier_scales_each_layer_by_the_root_of_its_fan_in() -> None:
    net = Classifier.random((400, 100, 200, 10), 0.5, np.random.default_rng(1))
    assert net.weights[0].dtype == np.float32
    assert_variance(net.weights[0], 0.5**2 / 400)
    assert_variance(net.weights[1], 0.5**2 / 100)
    assert not net.weights[2].any()
    assert not any(bias.any() for bias in net.biases)


# -- Stack -----------------------------------------------------------------------------------


def stack_of(*sizes: int, n_labels: int = 0, seed: int = 1) -> Stack:
    """RBMs of random numbers on so many pixels, the top one with labels."""
    rng = np.random.default_rng(seed)
    shapes = list(itertools.pairwise(sizes))
    labels = [0] * (len(shapes) - 1) + [n_labels]
    return Stack(tuple(
        Rbm(rng.random((below + n, above)), rng.random(below + n), rng.random(above), n)
        for (below, above), n in zip(shapes, labels, strict=True)
    ))  # fmt: skip


def test_a_stack_is_a_sequence_of_its_rbms() -> None:
    rbms = tuple(stack_of(6, 5, 4, 3))
    stack = Stack(rbms)
    assert len(stack) == 3
    assert list(stack) == list(rbms)
    assert stack[-1] is rbms[2]
    assert stack[:-1] == rbms[:2]


@pytest.mark.parametrize("rbms", [(), (5, 4)], ids=["none", "another size"])
def test_a_stack_refuses_rbms_that_do_not_fit(rbms: tuple[int, ...]) -> None:
    made = tuple(stack_of(6, n)[0] for n in rbms)
    with pytest.raises(ValueError, match=r"no RBMs|5 features below 6 visible units"):
        Stack(made)


# -- what every model can --------------------------------------------------------------------

MODELS: dict[str, Any] = {
    "stack": lambda seed: stack_of(6, 5, 4, 3, seed=seed),
    "stack with labels": lambda seed: stack_of(6, 5, 4, 3, n_labels=2, seed=seed),
    "one layer with labels": lambda seed: stack_of(6, 5, n_labels=2, seed=seed),
    "classifier": lambda seed: Classifier.on_stack(stack_of(6, 5, 4, seed=seed), 2),
    "deep belief net": lambda seed: DeepBeliefNet.untied(
        stack_of(6, 5, 4, 3, n_labels=2, seed=seed)
    ),
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


@every_model
def test_a_model_put_together_from_its_arrays_has_the_very_arrays(
    make: Any, assert_same: Any
) -> None:
    model: Model = make(1)
    again = type(model).from_arrays(model.arrays())
    assert_same(again.arrays(), model.arrays())
    theirs = again.parameters()
    assert theirs.keys() == model.parameters().keys()
    assert all(theirs[name] is array for name, array in model.parameters().items())


@every_model
def test_a_copy_of_a_model_is_equal_and_shares_nothing(make: Any, assert_same: Any) -> None:
    model: Model = make(1)
    copied = model.copy()
    assert_same(copied.arrays(), model.arrays())
    for name, array in copied.parameters().items():
        assert not np.shares_memory(array, model.parameters()[name]), name


@every_model
def test_numbers_of_another_model_are_taken_over_in_place(make: Any, assert_same: Any) -> None:
    model, other = make(1), make(2)
    before = model.parameters()
    model.copy_from(other)
    assert_same(model.arrays(), other.arrays())
    assert all(array is before[name] for name, array in model.parameters().items())
    assert not any(np.shares_memory(a, other.parameters()[n]) for n, a in before.items())


@pytest.mark.parametrize(
    ("model", "other", "message"),
    [
        (stack_of(6, 5, 4), stack_of(6, 5), "rbm2"),
        (stack_of(6, 5, n_labels=2), stack_of(8, 5), "n_labels"),
        (stack_of(6, 5, 4), stack_of(6, 5, 3), "rbm2 weights of shape"),
        (stack_of(7, 5, n_labels=1), stack_of(6, 5, n_labels=2), "n_labels of 2"),
        (MODELS["classifier"](1), Classifier.random((6, 5, 4, 3), 1, np.random.default_rng()),
         "weights3 of shape"),
        (MODELS["classifier"](1), Classifier.random((6, 4, 2), 1, np.random.default_rng()),
         "biases3, weights3"),
    ],
)  # fmt: skip
def test_a_model_of_other_shapes_is_not_taken_over_in_any_part(
    model: Model, other: Any, message: str, assert_same: Any
) -> None:
    before = model.copy()
    with pytest.raises(ValueError, match=message):
        model.copy_from(other)
    assert_same(model.arrays(), before.arrays())


@pytest.mark.parametrize(
    ("name", "n_classes"),
    [("stack", 0), ("stack with labels", 2), ("one layer with labels", 2), ("classifier", 2),
     ("deep belief net", 2)],
)  # fmt: skip
def test_a_model_knows_its_pixels_and_classes(name: str, n_classes: int) -> None:
    model: Model = MODELS[name](1)
    assert (model.n_pixels, model.n_classes) == (6, n_classes)


def test_parameters_are_named_layer_by_layer() -> None:
    parts = ("weights", "visible biases", "hidden biases")
    assert list(stack_of(6, 5, 4).parameters()) == [f"layer {n} {p}" for n in (1, 2) for p in parts]
    assert list(MODELS["classifier"](1).parameters()) == [
        f"layer {n} {part}" for n in (1, 2, 3) for part in ("weights", "biases")
    ]
