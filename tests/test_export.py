"""What is written for other programs is read back by them, and says the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import reference
from commands import run
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file
from scipy.io import loadmat

from hinton06 import loading, mnist
from hinton06.export import FORMATS
from hinton06.mnist import Digits
from hinton06.net import Net, load
from hinton06.report.files import ReportError

OLD = Path(__file__).parent / "data" / "version-1"
KINDS = ["pretrain-a", "pretrain-labels-a", "bp-a", "cws-a"]
Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def images() -> NDArray[np.float32]:
    digits = mnist.read(OLD / "digits")
    return (digits.test_images / 255).astype(np.float32)


def exported(name: str, to: str, folder: Path) -> Path:
    """A file made by the command."""
    path = folder / f"{name}.{to}"
    done = run("export", OLD / f"{name}.h5", "--to", to, "--out", path)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{path}: {FORMATS[to].about}\n"
    return path


def check_record(text: str, name: str) -> None:
    file = loading.load(OLD / f"{name}.h5")
    record = json.loads(text)
    assert record["sha256"] == file.digest
    assert record["kind"] == file.kind.name
    assert record["lineage"]["split"] == "a"
    assert record["settings"]["batch"] == file.settings.batch
    assert record["outcome"]["epochs"] == file.outcome.epochs


def same_arrays(found: Arrays, name: str) -> None:
    wanted = loading.load(OLD / f"{name}.h5").arrays()
    assert found.keys() == wanted.keys()
    for key, array in wanted.items():
        assert found[key].dtype == np.float32
        np.testing.assert_array_equal(found[key], array)


# -- NumPy and safetensors -----------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_npz_holds_the_arrays_of_the_file(name: str, tmp_path: Path) -> None:
    with np.load(exported(name, "npz", tmp_path), allow_pickle=False) as found:
        arrays = dict(found)
    check_record(str(arrays.pop("record")), name)
    same_arrays(arrays, name)


@pytest.mark.parametrize("name", KINDS)
def test_safetensors_hold_the_arrays_of_the_file(name: str, tmp_path: Path) -> None:
    with safe_open(exported(name, "safetensors", tmp_path), "numpy") as found:
        same_arrays({key: found.get_tensor(key) for key in found.keys()}, name)  # noqa: SIM118
        check_record(found.metadata()["record"], name)


# -- ONNX ----------------------------------------------------------------------------------------


def by_onnxruntime(path: Path, images: NDArray[np.float32]) -> Arrays:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": images}), strict=True))


def agrees(found: Arrays, net: Net, images: NDArray[np.float32]) -> None:
    """Each output is what the net says, up to the roundings of two sums of so many terms."""
    units = max(max(weights.shape) for weights in net.weights.values())
    for name, array in found.items():
        if name.startswith("features"):
            wanted, size = net.features(images, int(name.removeprefix("features"))), 1.0
        elif name == "free_energies":
            wanted = net.free_energy(images)
            size = float(abs(wanted).max())
        else:
            wanted = net.predict_log_proba(images)
            size = float(abs(wanted).max())
            if "free_energies" in found:  # whose difference they are
                size = max(size, float(abs(net.free_energy(images)).max()))
        assert array.dtype == np.float32
        tolerance = reference.rounding(2 * units, size, np.float32)
        np.testing.assert_allclose(array, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("pretrain-a", ["features1", "features2", "features3"]),
        ("pretrain-labels-a", ["features1", "features2", "free_energies", "log_probabilities"]),
        ("bp-a", ["features1", "features2", "features3", "log_probabilities"]),
        ("cws-a", ["features1", "features2", "free_energies", "log_probabilities"]),
    ],
)
def test_onnxruntime_says_what_the_net_says(
    name: str, outputs: list[str], tmp_path: Path, images: NDArray[np.float32]
) -> None:
    path = exported(name, "onnx", tmp_path)
    found = by_onnxruntime(path, images)
    assert sorted(found) == sorted(outputs)
    agrees(found, load(OLD / f"{name}.h5"), images)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    check_record(session.get_modelmeta().custom_metadata_map["record"], name)


def test_a_net_inside_makes_its_guesses_in_onnxruntime(
    tmp_path: Path, shipped: Digits, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("export", "table1-a", "--to", "onnx").exit_code == 0
    cases = (shipped.test_images[:1000] / 255).astype(np.float32)
    net, found = load("table1-a"), by_onnxruntime(tmp_path / "table1-a.onnx", cases)
    agrees(found, net, cases)
    np.testing.assert_array_equal(found["log_probabilities"].argmax(axis=1), net.predict(cases))


# -- Matlab --------------------------------------------------------------------------------------


def matlab(name: str, folder: Path) -> Arrays:
    """What Matlab would load, without what is not the net's."""
    found = loadmat(exported(name, "mat", folder))
    check_record(str(found.pop("record")[0]), name)
    return {key: value for key, value in found.items() if not key.startswith("__")}


def logistic(inputs: NDArray[Any]) -> NDArray[Any]:
    return 1 / (1 + np.exp(-inputs))


def close(found: Any, wanted: Any, size: float = 1.0) -> None:
    np.testing.assert_allclose(
        found, wanted, rtol=0, atol=reference.rounding(200, size, np.float32)
    )


def test_matlab_s_classifier_is_used_as_the_public_code_does(
    tmp_path: Path, images: NDArray[np.float32]
) -> None:
    """``w1probs = 1./(1 + exp(-data*w1)); w1probs = [w1probs ones(N,1)];`` and so on."""
    found = matlab("bp-a", tmp_path)
    assert {name: array.shape for name, array in found.items()} == {
        "w1": (50, 12), "w2": (13, 12), "w3": (13, 20), "w_class": (21, 10),
    }  # fmt: skip
    ones = np.ones((len(images), 1))
    data = np.hstack([images, ones])
    for layer in ("w1", "w2", "w3"):
        data = np.hstack([logistic(data @ found[layer]), ones])
    targetout = np.exp(data @ found["w_class"])
    targetout /= targetout.sum(axis=1, keepdims=True)
    close(load(OLD / "bp-a.h5").predict_proba(images), targetout)


def test_matlab_s_stack_has_the_names_of_the_public_code(
    tmp_path: Path, images: NDArray[np.float32]
) -> None:
    found, net = matlab("pretrain-a", tmp_path), load(OLD / "pretrain-a.h5")
    assert {name: array.shape for name, array in found.items()} == {
        "vishid": (49, 12), "hidrecbiases": (1, 12), "visbiases": (1, 49),
        "hidpen": (12, 12), "penrecbiases": (1, 12), "hidgenbiases": (1, 12),
        "hidpen2": (12, 20), "penrecbiases2": (1, 20), "hidgenbiases2": (1, 12),
    }  # fmt: skip
    up = images
    for weights, bias in (
        ("vishid", "hidrecbiases"), ("hidpen", "penrecbiases"), ("hidpen2", "penrecbiases2"),
    ):  # fmt: skip
        up = logistic(up @ found[weights] + found[bias])
    close(net.features(images), up)
    for weights, bias in (
        ("hidpen2", "hidgenbiases2"), ("hidpen", "hidgenbiases"), ("vishid", "visbiases"),
    ):  # fmt: skip
        up = logistic(up @ found[weights].T + found[bias])
    close(net.reconstruct(images).reshape(-1, 49), up)


@pytest.mark.parametrize("name", ["cws-a", "pretrain-labels-a"])
def test_matlab_s_memory_has_the_names_of_the_up_down_algorithm(
    name: str, tmp_path: Path, images: NDArray[np.float32]
) -> None:
    found, net = matlab(name, tmp_path), load(OLD / f"{name}.h5")
    hid = logistic(images @ found["vishid"] + found["hidrecbiases"])
    pen = logistic(hid @ found["hidpen"] + found["penrecbiases"])
    energies = []
    for label in range(10):
        inputs = pen @ found["pentop"] + found["labtop"][label] + found["topbiases"]
        energies.append(
            -np.logaddexp(0, inputs).sum(axis=1)
            - pen @ found["pengenbiases"][0]
            - found["labgenbiases"][0, label]
        )
    wanted = np.stack(energies, axis=1)
    close(net.free_energy(images), wanted, size=float(abs(wanted).max()))
    if name == "cws-a":
        assert {key: found[key].shape for key in ("penhid", "hidgenbiases", "hidvis")} == {
            "penhid": (12, 12), "hidgenbiases": (1, 12), "hidvis": (12, 49),
        }  # fmt: skip
        (_, (weights, bias)) = loading.load(OLD / "cws-a.h5").model.generative
        np.testing.assert_array_equal(found["hidvis"], weights)
        np.testing.assert_array_equal(found["visgenbiases"], bias[np.newaxis])
    else:
        assert found["visbiases"].shape == (1, 49)
        assert found["hidgenbiases"].shape == (1, 12)


# -- a net of pairs ------------------------------------------------------------------------------


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    stack, path = OLD / "pretrain-a.h5", tmp_path / "pairs-a.h5"
    small = ("--recipe", "quick", "--features", 5, "--passes", 1, "--epochs", 1)
    data = ("--data", OLD / "digits", "--second", OLD / "digits")
    done = run("finetune-pairs", stack, stack, *data, *small, "--out", path, "--quiet")
    assert done.exit_code == 0, done.output
    return path


@pytest.mark.parametrize("to", ["npz", "safetensors", "mat"])
def test_a_net_of_pairs_is_written_whole(pairs: Path, to: str) -> None:
    path = pairs.with_suffix(f".{to}")
    load(pairs).export(path)
    read = {"npz": np.load, "safetensors": load_file, "mat": loadmat}[to]
    found = {k: a for k, a in read(path).items() if k != "record" and not k.startswith("__")}
    wanted = loading.load(pairs).arrays()
    assert found.keys() == wanted.keys()
    for key, array in wanted.items():
        np.testing.assert_array_equal(np.atleast_2d(found[key]), np.atleast_2d(array))


def test_a_net_of_pairs_has_no_one_up_pass(pairs: Path) -> None:
    done = run("export", pairs, "--to", "onnx")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "a net of pairs has no one up-pass for onnx, but npz, safetensors, mat" in done.stderr


# -- where and whether ---------------------------------------------------------------------------


@pytest.mark.parametrize("to", FORMATS)
def test_the_file_lies_beside_the_net_unless_it_is_named(to: str, tmp_path: Path) -> None:
    net = tmp_path / "bp-a.h5"
    net.write_bytes((OLD / "bp-a.h5").read_bytes())
    assert run("export", net, "--to", to).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"bp-a.h5", f"bp-a.{to}"}
    load(net).export(str(tmp_path / "deeper" / f"other.{to}"))
    assert (tmp_path / "deeper" / f"other.{to}").exists()


def test_a_file_with_another_ending_is_refused(tmp_path: Path) -> None:
    done = run("export", OLD / "bp-a.h5", "--to", "npz", "--out", tmp_path / "bp-a.h5")
    assert done.exit_code == 2
    assert "ends in .npz" in done.stderr
    with pytest.raises(ValueError, match=r"ends in \.npz, \.safetensors, \.onnx, \.mat"):
        load(OLD / "bp-a.h5").export(tmp_path / "bp-a.h5")
    with pytest.raises(ValueError, match="a format is one of npz"):
        load(OLD / "bp-a.h5").export(tmp_path / "bp-a.pt", to="pt")
    assert not list(tmp_path.iterdir())


def test_an_unfinished_net_is_refused(tmp_path: Path) -> None:
    done = run("export", OLD / "bp-b.h5.part", "--to", "npz", "--out", tmp_path / "x.npz")
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert "is not finished" in done.stderr


@pytest.mark.parametrize("library", ["onnx", "safetensors"])
def test_a_library_that_is_not_installed_is_named_with_its_group(
    library: str, tmp_path: Path, monkeypatch: Any
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    done = run("export", OLD / "bp-a.h5", "--to", library, "--out", tmp_path / f"x.{library}")
    assert (done.exit_code, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line == (
        f"hinton06: {library} needs the library {library}: pip install 'hinton06[{library}]'"
    )
    with pytest.raises(ReportError, match=library):
        load(OLD / "bp-a.h5").export(tmp_path / f"x.{library}")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("export", OLD / "bp-a.h5", "--to", "npz", "--out", tmp_path / "file" / "x.npz")
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert "cannot be written" in done.stderr
