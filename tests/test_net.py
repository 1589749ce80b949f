"""A net in Python says what its file says, whatever it holds."""

from __future__ import annotations

import dataclasses
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from numpy.typing import NDArray

import hinton06
from hinton06 import checkpoint, loading, mnist, sampling
from hinton06.loading import Context
from hinton06.mnist import Digits
from hinton06.net import Net, load
from hinton06.sampling import SamplingOptions
from hinton06.training import RunError

OLD = Path(__file__).parent / "data" / "version-1"
RECOGNISING = ["bp-a.h5", "cws-a.h5", "pretrain-labels-a.h5"]
Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def digits() -> Digits:
    return mnist.read(OLD / "digits")


@pytest.fixture(scope="module")
def images(digits: Digits) -> Floats:
    """Twenty test images in float64."""
    return digits.test_images[:20] / 255


def net(name: str) -> Net:
    return load(OLD / f"{name}.h5", threads=1)


@pytest.fixture
def louder(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a file with three times the weights, so that labels have something to say."""

    def make(name: str) -> Path:
        held, path = checkpoint.load(OLD / f"{name}.h5"), tmp_path / f"{name}.h5"
        checkpoint.save(path, dataclasses.replace(held, model=_times(held.model, 3)))
        return path

    return make


def _times(tree: dict[str, Any], factor: float) -> dict[str, Any]:
    return {
        name: _times(value, factor) if isinstance(value, dict)
        else value * np.float32(factor) if isinstance(value, np.ndarray)
        else value
        for name, value in tree.items()
    }  # fmt: skip


def near(found: Any, wanted: Any, operations: int = 200, size: float = 1.0) -> None:
    """Equal up to what so many operations of float32 on numbers of that size can round."""
    np.testing.assert_allclose(
        found, wanted, rtol=0, atol=reference.rounding(operations, size, np.float32)
    )


def logistic(inputs: Floats) -> Floats:
    return 1 / (1 + np.exp(-inputs))


def softplus(inputs: Floats) -> Floats:
    return np.logaddexp(0, inputs)


# -- recognising ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECOGNISING)
def test_probabilities_are_those_that_the_file_recorded(name: str, digits: Digits) -> None:
    found = load(str(OLD / name))
    recorded = loading.load(OLD / name).outcome
    assert recorded.test is not None
    near(found.predict_log_proba(digits.test_images), recorded.test_log_probs, size=10)
    near(found.predict_proba(digits.test_images).sum(axis=1), 1)
    errors = np.count_nonzero(found.predict(digits.test_images) != digits.test_labels)
    assert errors == recorded.test.errors


@pytest.mark.parametrize("name", RECOGNISING)
def test_bytes_floats_squares_and_single_images_are_the_same(name: str, digits: Digits) -> None:
    found = load(OLD / name)
    cases = digits.test_images[:10]
    wanted = found.predict_proba(cases)
    near(found.predict_proba(cases / 255), wanted)
    np.testing.assert_array_equal(found.predict_proba(cases.reshape(-1, 7, 7)), wanted)
    near(found.predict_proba(cases[3].reshape(7, 7)), wanted[3:4])


# -- features, free energies, reconstructions ----------------------------------------------------


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("pretrain-a", ["rbm1", "rbm2", "rbm3"]),
        ("pretrain-labels-a", ["rbm1", "rbm2", "rbm3"]),
        ("bp-a", ["1", "2", "3"]),
        ("cws-a", ["hid", "pen", "memory"]),
    ],
)
def test_features_are_those_of_an_up_pass(name: str, layers: list[str], images: Floats) -> None:
    found, units = net(name), images
    arrays = found.arrays
    directed = {"hid": ("vishid", "hid_rec_bias"), "pen": ("hidpen", "pen_rec_bias")}
    for number, layer in enumerate(layers, 1):
        weights, bias = (
            {
                "rbm": (f"{layer}/weights", f"{layer}/hidden_bias"),
                "mem": ("memory_weights", "memory_hidden_bias"),
            }.get(layer[:3])
            or directed.get(layer)
            or (f"weights{layer}", f"biases{layer}")
        )
        units = logistic(units @ arrays[weights][: units.shape[1]] + arrays[bias])
        near(found.features(images, number), units)
    near(found.features(images), units)
    assert found.n_layers == len(layers)


@pytest.mark.parametrize("layer", [1, 2, 3, None])
def test_free_energies_of_a_stack_are_those_of_its_rbms(layer: int | None, images: Floats) -> None:
    found = net("pretrain-a")
    units = images
    for number in range(1, layer or 3):
        units = found.features(images, number).astype(np.float64)
    rbm = loading.load(OLD / "pretrain-a.h5").model[(layer or 3) - 1]
    inputs = units @ rbm.weights + rbm.hidden_bias
    wanted = -(units @ rbm.visible_bias) - softplus(inputs).sum(axis=1)
    near(found.free_energy(images, layer), wanted, size=float(abs(wanted).max()))


@pytest.mark.parametrize("name", ["cws-a", "pretrain-labels-a"])
def test_the_softmax_of_minus_free_energies_is_what_a_net_predicts(
    name: str, images: Floats
) -> None:
    found = net(name)
    energies = found.free_energy(images).astype(np.float64)
    assert energies.shape == (20, 10)
    probs = np.exp(energies.min(axis=1, keepdims=True) - energies)
    near(found.predict_proba(images), probs / probs.sum(axis=1, keepdims=True), size=50)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("pretrain-a", 1), ("pretrain-a", 3), ("pretrain-labels-a", 2), ("pretrain-labels-a", None),
     ("cws-a", None)],
)  # fmt: skip
def test_reconstructions_go_up_and_down_by_probabilities(
    name: str, layer: int | None, images: Floats, louder: Callable[[str], Path]
) -> None:
    path = louder(name)
    found, file = load(path), loading.load(path)
    if name == "cws-a":
        rbm, down = file.model.memory, file.model.generative
        units = found.features(images, 2).astype(np.float64)
    else:
        number = layer or 3
        rbm = file.model[number - 1]
        down = [(below.weights.T, below.visible_bias) for below in file.model[: number - 1][::-1]]
        units = images if number == 1 else found.features(images, number - 1).astype(np.float64)
    n_units = units.shape[1]
    if rbm.n_labels:
        units = np.hstack([units, found.predict_proba(images)])
    hidden = logistic(units @ rbm.weights + rbm.hidden_bias)
    units = logistic((hidden @ rbm.weights.T + rbm.visible_bias)[:, :n_units])
    for weights, bias in down:
        units = logistic(units @ weights + bias)
    near(found.reconstruct(images, layer), units.reshape(-1, 7, 7), operations=1000)


# -- dreaming ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "label", "layer"),
    [("cws-a", 3, None), ("cws-a", None, None), ("pretrain-a", None, 1), ("pretrain-a", None, None),
     ("pretrain-labels-a", 0, None)],
)  # fmt: skip
def test_samples_are_the_first_of_the_command_to_the_bit(
    name: str, label: int | None, layer: int | None, digits: Digits, progress: Any
) -> None:
    options = SamplingOptions(
        labels="free" if label is None and name == "cws-a" else None if label is None else (label,),
        chains=4, samples=1, gibbs=30, layer=layer, seed=5,
    )  # fmt: skip
    wanted = sampling.sample(Context(digits, progress), OLD / f"{name}.h5", options)
    found = net(name).sample(label, n=4, rounds=30, seed=5, layer=layer)
    np.testing.assert_array_equal(found, wanted.images[:, 0])
    other = net(name).sample(label, n=4, rounds=30, seed=6, layer=layer)
    assert not np.array_equal(found, other)


# -- what it is ----------------------------------------------------------------------------------


def test_the_record_is_that_of_the_file(digits: Digits) -> None:
    found, file = net("bp-a").record, loading.load(OLD / "bp-a.h5")
    assert (found.kind, found.recipe, found.seed) == ("classifier", "quick", 0)
    assert found.settings == file.settings
    assert found.lineage == file.lineage
    assert found.lineage.data == digits.sha256
    assert found.scores == file.outcome.scores
    assert set(found.scores) == {"train", "valid", "test"}
    np.testing.assert_equal(found.history, file.history)
    assert (found.epochs, found.reason) == (file.outcome.epochs_text, file.outcome.reason)
    assert found.sha256 == file.digest
    assert found.provenance["seconds"] == file.provenance["seconds"]


def test_arrays_are_those_of_the_file_and_cannot_be_written_to() -> None:
    for name in ("pretrain-labels-a", "bp-a", "cws-a"):
        found = net(name)
        assert found.weights.keys() | found.biases.keys() == found.arrays.keys()
        assert not found.weights.keys() & found.biases.keys()
        for array in found.arrays.values():
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
    assert net("pretrain-a").weights["rbm1/weights"].shape == (49, 12)
    assert net("cws-a").biases["memory_visible_bias"].shape == (22,)


def test_a_net_says_what_it_is() -> None:
    assert repr(net("bp-a")) == f"<{OLD}/bp-a.h5: a fine-tuned classifier, 49-12-12-20, 10 labels>"
    assert "49-12-12-20>" in repr(net("pretrain-a"))
    found = net("cws-a")
    assert (found.kind, found.n_pixels, found.n_classes, found.shape) == (
        "generative", 49, 10, (7, 7),
    )  # fmt: skip


def test_the_shape_is_that_of_the_data(tmp_path: Path, idx_folder: Path) -> None:
    small = {"recipe": "quick", "layers": (4,), "passes": 1, "threads": 1}
    made = hinton06.pretrain(tmp_path / "p.h5", data=str(idx_folder), **small)
    assert made.shape == (7, 5)
    assert made.sample(rounds=2).shape == (1, 7, 5)
    light = np.full((7, 5), 255, np.uint8)  # of other data nobody knows what is ground
    assert load(tmp_path / "p.h5").features(light).shape == (1, 4)
    shutil.rmtree(idx_folder)
    assert load(tmp_path / "p.h5").shape == (1, 35)


@pytest.mark.parametrize(
    ("name", "ask", "words"),
    [
        ("bp-a", lambda n, _: n.sample(), "generates nothing"),
        ("bp-a", lambda n, x: n.reconstruct(x), "generates nothing"),
        ("bp-a", lambda n, x: n.free_energy(x), "generates nothing"),
        ("bp-a", lambda n, x: n.features(x, 4), "layers 1 to 3, not 4"),
        ("bp-a", lambda n, x: n.features(x, 0), "layers 1 to 3, not 0"),
        ("pretrain-a", lambda n, x: n.predict(x), "without labels"),
        ("pretrain-a", lambda n, _: n.sample(3), "no labels"),
        ("pretrain-a", lambda n, x: n.free_energy(x, 4), "layers 1 to 3, not 4"),
        ("pretrain-labels-a", lambda n, _: n.sample(3, layer=1), "no labels"),
        ("cws-a", lambda n, _: n.sample(10), "labels 0 to 9, not 10"),
        ("cws-a", lambda n, _: n.sample(-1), "labels 0 to 9, not -1"),
        ("cws-a", lambda n, x: n.reconstruct(x, 1), "no RBMs any more"),
    ],
)
def test_what_a_net_cannot_do_is_said(name: str, ask: Any, words: str, images: Floats) -> None:
    with pytest.raises(RunError, match=re.escape(words)) as caught:
        ask(net(name), images)
    assert str(caught.value).startswith(str(OLD / name))


@pytest.mark.parametrize("options", [{"n": 0}, {"rounds": 0}])
def test_no_image_and_no_round_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        net("cws-a").sample(3, **options)


def test_a_label_is_a_whole_number() -> None:
    label: Any = "3"
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        net("cws-a").sample(label, rounds=1)


def test_a_file_that_is_not_finished_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not finished"):
        load(OLD / "bp-b.h5.part")
    with pytest.raises(hinton06.CheckpointError, match="no such file"):
        load(tmp_path / "nothing.h5")


@pytest.mark.parametrize("name", ["table1-a", "digits"])
def test_a_net_goes_through_a_pickle(name: str, shipped: Digits) -> None:
    net = load(name, threads=1)
    images = shipped.test_images[:20]
    again = pickle.loads(pickle.dumps(net))
    assert repr(again) == repr(net)
    np.testing.assert_array_equal(again.predict_log_proba(images), net.predict_log_proba(images))
    np.testing.assert_array_equal(again.features(images), net.features(images))


@pytest.mark.parametrize("name", ["table1-a", "digits"])
def test_no_images_give_no_answers(name: str, shipped: Digits) -> None:
    net, none = load(name, threads=1), shipped.test_images[:0]
    assert net.predict(none).shape == (0,)
    assert net.features(none).shape == (0, 2000)
    if name == "digits":
        assert net.reconstruct(none).shape == (0, 28, 28)


@pytest.mark.parametrize("threads", [0, -1, 1.0])
def test_a_number_of_threads_that_is_none_is_refused(threads: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=f"threads is .*, not {threads}"):
        load("digits", threads=threads)


# -- the package ---------------------------------------------------------------------------------


def python(code: str, **environment: str) -> str:
    """What a new process prints."""
    clean = {k: v for k, v in os.environ.items() if k != "OPENBLAS_THREAD_TIMEOUT"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout


def test_importing_the_package_imports_nothing_and_sets_the_timeout_of_idle_threads() -> None:
    code = (
        "import sys, os; before = set(sys.modules); import hinton06; "
        "new = {m.partition('.')[0] for m in set(sys.modules) - before}; "
        "print(new - set(sys.stdlib_module_names), os.environ['OPENBLAS_THREAD_TIMEOUT'])"
    )
    assert python(code) == "{'hinton06'} 4\n"
    assert python(code, OPENBLAS_THREAD_TIMEOUT="9") == "{'hinton06'} 9\n"


def test_commands_start_without_what_is_slow_to_import() -> None:
    slow = "matplotlib", "onnx", "scipy.io", "scipy.optimize", "scipy.stats", "sklearn", "torch"
    there = python(
        f"import sys, hinton06.cli; print(*{{*{slow}, 'scipy.linalg'}} & {{*sys.modules}})"
    )
    # A BLAS that is loaded later would take no notice of --threads.
    assert there == "scipy.linalg\n"


def test_all_that_the_package_names_is_there() -> None:
    for name in hinton06.__all__:
        assert getattr(hinton06, name) is not None
        assert name in dir(hinton06)
    assert hinton06.Net is Net
    assert hinton06.mnist is mnist
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = hinton06.nothing


def test_mnist_is_loaded_by_a_path_of_any_kind(idx_folder: Path, shipped: Digits) -> None:
    assert mnist.load().sha256 == shipped.sha256
    assert mnist.load(str(idx_folder)).sha256 == mnist.load(idx_folder).sha256
