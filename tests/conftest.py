"""What several test files need: a little data, tiny settings, a silent progress display."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import browser
import h5py
import numpy as np
import pytest
from browser import Browser
from threadpoolctl import threadpool_limits

from hinton06 import checkpoint, mnist, native
from hinton06.mnist import Digits
from hinton06.recipes import RECIPES, BackpropSettings, PretrainSettings

# What a test computes outside `native.threads` is of one thread, however many the machine has:
# with more, BLAS may add in another order, and bits differ.
threadpool_limits(1)


class RecordingProgress:
    """Shows nothing and remembers all; a hook may be called at each epoch's end or each tick."""

    def __init__(
        self,
        at_epoch: Callable[[int], None] = lambda _done: None,
        at_tick: Callable[[int, int], None] = lambda _epochs, _ticks: None,
    ) -> None:
        self.at_epoch = at_epoch
        self.at_tick = at_tick
        self.calls: list[str] = []
        self.notes: list[str] = []
        self.rows: list[dict[str, float]] = []
        self.places: list[str] = []
        self.work: list[tuple[float, float]] = []
        self.ticked = 0.0
        self.ticks = 0

    def begin(self, title: str, done: float, expected: float) -> None:
        self.calls.append(f"begin {title}")
        self.work.append((done, expected))

    def tick(self, amount: float) -> None:
        self.ticked += amount
        self.ticks += 1
        self.at_tick(len(self.rows), self.ticks)

    def epoch(self, where: str, row: Mapping[str, float], done: float, expected: float) -> None:
        self.rows.append(dict(row))
        self.places.append(where)
        self.work.append((done, expected))
        self.ticks = 0
        self.at_epoch(len(self.rows))

    def note(self, message: str) -> None:
        self.notes.append(message)

    def end(self) -> None:
        self.calls.append("end")


@pytest.fixture(scope="session", autouse=True)
def signals_are_heard() -> None:
    """Whoever runs the tests in the background has some ignored, and so would every command."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            default = signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)


@pytest.fixture(scope="session")
def make_progress() -> type[RecordingProgress]:
    """Makes a silent progress display that remembers what it was told."""
    return RecordingProgress


@pytest.fixture
def progress() -> RecordingProgress:
    """A silent progress display that remembers what it was told."""
    return RecordingProgress()


@pytest.fixture(scope="session")
def shipped() -> Digits:
    """The whole of MNIST as it ships."""
    return mnist.read()


@pytest.fixture(scope="session")
def tiny_digits(shipped: Digits) -> Digits:
    """The first 600 training and 200 test images of MNIST."""
    return dataclasses.replace(
        shipped,
        train_images=shipped.train_images[:600],
        train_labels=shipped.train_labels[:600],
        test_images=shipped.test_images[:200],
        test_labels=shipped.test_labels[:200],
        sha256="tiny",
        name="tiny MNIST",
    )


@pytest.fixture(scope="session")
def tiny_pretrain() -> PretrainSettings:
    """A small net, two passes a layer, with a rate and a momentum that change between them."""
    return dataclasses.replace(
        RECIPES["quick"].pretrain,
        layers=(12, 10, 14), passes=2, batch=32, rate=0.05, final_share=0.5, early_epochs=1,
        initial_sd=1.0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def tiny_backprop() -> BackpropSettings:
    """A few epochs in which many cases become easy, so that sweeps and epochs do not coincide."""
    return dataclasses.replace(
        RECIPES["quick"].backprop,
        batch=32, rate=0.9, momentum=0.5, decay=0.0001, top_only_epochs=1, easy_cost=1.6,
        easy_probability=0.25, patience=1, max_epochs=8,
    )  # fmt: skip


def idx_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """An IDX file of unsigned bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="session")
def to_idx() -> Callable[[np.ndarray[Any, Any]], bytes]:
    """The bytes of an IDX file that holds an array."""
    return idx_bytes


@pytest.fixture
def idx_arrays() -> dict[str, np.ndarray[Any, Any]]:
    """A digit set unlike MNIST: 7 x 5 pixels, 4 classes, each with a bright row of its own."""
    rng = np.random.default_rng(7)
    arrays = {}
    for part, n in (("train", 120), ("t10k", 40)):
        labels = np.arange(n) % 4
        images = rng.integers(0, 100, (n, 7, 5))
        images[np.arange(n), labels] += 150
        arrays[f"{part}-images-idx3-ubyte"] = images.astype(np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = labels.astype(np.uint8)
    return arrays


@pytest.fixture
def idx_folder(tmp_path: Path, idx_arrays: dict[str, np.ndarray[Any, Any]]) -> Path:
    """A folder of the four IDX files of `idx_arrays`, the training files gzipped."""
    folder = tmp_path / "digits"
    folder.mkdir()
    for name, array in idx_arrays.items():
        content = idx_bytes(array)
        if name.startswith("train"):
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium; what a page does in a browser is not tested without one."""
    executable = browser.found()
    if executable is None:
        pytest.skip("no Chromium here: what the page does in a browser is not tested")
    opened = Browser(executable)
    yield opened
    opened.close()


@contextlib.contextmanager
def _edited(path: Path) -> Iterator[h5py.File]:
    with h5py.File(path, "r+") as file:
        yield file
    path.write_bytes(checkpoint.sealed(path.read_bytes()))


@pytest.fixture(scope="session")
def edited() -> Callable[[Path], contextlib.AbstractContextManager[h5py.File]]:
    """Opens a checkpoint to be changed, as a stranger who also renews its seal would."""
    return _edited


@pytest.fixture(scope="session")
def assert_same() -> Callable[[Any, Any], None]:
    """Checks that two trees hold the same names, types and numbers, to the bit."""

    def check(one: Any, other: Any, place: str = "") -> None:
        assert type(one) is type(other), place
        if isinstance(one, dict):
            assert one.keys() == other.keys(), place
            for name in one:
                check(one[name], other[name], f"{place}/{name}")
        elif isinstance(one, np.ndarray):
            assert (one.dtype, one.shape) == (other.dtype, other.shape), place
            assert one.tobytes() == other.tobytes(), place
        else:
            assert one == other, place

    return check


@pytest.fixture(scope="session")
def digits_dir(tmp_path_factory: pytest.TempPathFactory, tiny_digits: Digits) -> Path:
    """A folder of IDX files of the tiny digits, the images gzipped."""
    folder = tmp_path_factory.mktemp("digits")
    for name, images, labels in (
        ("train", tiny_digits.train_images, tiny_digits.train_labels),
        ("t10k", tiny_digits.test_images, tiny_digits.test_labels),
    ):
        square = images.reshape(-1, *tiny_digits.shape)
        packed = gzip.compress(idx_bytes(square))
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(packed)
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return folder


@pytest.fixture(params=["C", "C by 3 threads", "NumPy"])
def kind(request, monkeypatch):
    """The loops over a layer in C, if they were compiled, and in NumPy."""
    if request.param == "NumPy":
        monkeypatch.setattr(native, "_C", None)
        monkeypatch.setattr(native, "KIND", "NumPy")
    elif native.KIND != "C":
        pytest.skip("installed without a C compiler")
    with native.threads(3 if "3" in request.param else 1):
        yield request.param
