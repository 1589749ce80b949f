from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import itertools
import math
import os
import zipfile
from collections import Counter
from importlib import resources

import numpy as np
import pytest

from hinton06 import mnist
from hinton06.mnist import DataError

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

# As published with MNIST in many places, of the unpacked files.
MD5 = {
    TRAIN_IMAGES: "6bbc9ace898e44ae57da46a324031adb",
    TRAIN_LABELS: "a25bea736e30d166cdddb491f175f624",
    TEST_IMAGES: "2646ac647ad5339dbf082846283269ea",
    TEST_LABELS: "27ae3e4e09519cfbb04c329615203637",
}
VALIDATION_SHA256 = {
    "a": "ce9d2f664b42d0b753540fda8aa89d37a74ff044393b8fda5097f6c969b3b52a",
    "b": "f24ddb1d6fc91e214922492334d63277e2ba81167c771133c5d4336cc110c823",
    "c": "cd3dc9872ac384e17efbba319358f5e6cb222c3a689dd5876093a545c974362f",
}


def refused(folder, *words):
    """Reading raises DataError, of one line, that holds these words."""
    with pytest.raises(DataError) as caught:
        mnist.read(folder)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message
    return message


# -- the files that ship -------------------------------------------------------------------------


@pytest.mark.parametrize("name", MD5)
def test_shipped_files_are_the_canonical_ones(name):
    packed = resources.files("hinton06.mnist").joinpath(name + ".gz").read_bytes()
    assert hashlib.md5(gzip.decompress(packed)).hexdigest() == MD5[name]


def test_shipped_set_has_60000_and_10000_images_of_28_x_28_in_10_classes(shipped):
    assert shipped.train_images.shape == (60_000, 784)
    assert shipped.test_images.shape == (10_000, 784)
    assert shipped.train_labels.shape == (60_000,)
    assert shipped.test_labels.shape == (10_000,)
    assert {a.dtype for a in (shipped.train_images, shipped.test_labels)} == {np.dtype(np.uint8)}
    assert (shipped.shape, shipped.n_pixels, shipped.n_classes) == ((28, 28), 784, 10)
    assert (shipped.train_images.min(), shipped.train_images.max()) == (0, 255)
    assert shipped.train_labels[:5].tolist() == [5, 0, 4, 1, 9]  # the well-known first digits
    assert shipped.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert shipped.name == "MNIST"


@pytest.mark.parametrize("name", MD5)
def test_a_changed_shipped_file_is_refused(name, tmp_path, monkeypatch):
    for file in MD5:
        packed = resources.files("hinton06.mnist").joinpath(file + ".gz").read_bytes()
        if file == name:
            content = bytearray(gzip.decompress(packed))
            content[-1] ^= 1
            packed = gzip.compress(content, 1)
        (tmp_path / f"{file}.gz").write_bytes(packed)
    monkeypatch.setattr(mnist.resources, "files", lambda _: tmp_path)
    refused(None, f"{name}.gz", "SHA-256")


def test_a_missing_shipped_file_is_a_data_error(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist.resources, "files", lambda _: tmp_path)
    refused(None, f"{TRAIN_IMAGES}.gz")


# -- the three splits ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", mnist.SPLITS)
def test_a_split_holds_out_10000_cases_and_trains_on_exactly_the_others(name):
    split = mnist.split(60_000, name)
    assert len(split.valid) == 10_000
    assert np.array_equal(np.sort(np.concatenate([split.train, split.valid])), np.arange(60_000))
    assert (np.diff(split.train) > 0).all()
    assert (np.diff(split.valid) > 0).all()


@pytest.mark.parametrize("name", mnist.SPLITS)
def test_a_split_is_the_same_on_every_machine_and_day(name):
    split = mnist.split(60_000, name)
    digest = hashlib.sha256(split.valid.astype("<i8").tobytes()).hexdigest()
    assert digest == split.sha256 == VALIDATION_SHA256[name]


@pytest.mark.parametrize("n_cases", [6, 7, 600, 60_000])
def test_validation_sets_are_disjoint_and_a_sixth_each(n_cases):
    valid = [mnist.split(n_cases, name).valid for name in mnist.SPLITS]
    assert [len(v) for v in valid] == [n_cases // 6] * 3
    for one, other in itertools.combinations(valid, 2):
        assert not np.intersect1d(one, other).size


@pytest.mark.parametrize("n_cases", [6, 7, 600, 60_000])
def test_a_validation_set_is_a_run_of_successive_cases_from_the_end_backwards(n_cases):
    ends = [mnist.split(n_cases, name).valid[[0, -1]].tolist() for name in mnist.SPLITS]
    size = n_cases // 6
    assert ends == [[n_cases - (i + 1) * size, n_cases - i * size - 1] for i in range(3)]


def slants(images, labels):
    """How far each digit leans, in standard deviations of its class."""
    ink = images.reshape(-1, 28, 28) / np.float64(255)
    down, across = np.mgrid[:28, :28]
    total = ink.sum((1, 2))
    y, x = ((ink * place).sum((1, 2)) / total for place in (down, across))
    dy, dx = down - y[:, None, None], across - x[:, None, None]
    lean = (ink * dy * dx).sum((1, 2)) / (ink * dy * dy).sum((1, 2))
    for k in range(10):
        own = labels == k
        lean[own] = (lean[own] - lean[own].mean()) / lean[own].std()
    return lean


def test_pixels_that_are_more_than_20_rows_apart_are_never_both_on(shipped):
    """What the chapter says that sharp black lines in receptive fields capture."""
    for images in (shipped.train_images, shipped.test_images):
        rows = (images.reshape(-1, 28, 28) > 0).any(axis=2)
        heights = 28 - rows[:, ::-1].argmax(axis=1) - rows.argmax(axis=1)
        assert heights.max() == 20


def test_the_files_of_mnist_keep_the_digits_of_a_writer_together(shipped):
    # Why validation sets are runs of cases. The training file takes turns between two sources,
    # so it is the digits two apart that one writer wrote, and that lean alike.
    for part, apart in (("train", 2), ("test", 1)):
        images, labels = getattr(shipped, f"{part}_images"), getattr(shipped, f"{part}_labels")
        lean = slants(images, labels)
        chance = 1 / np.sqrt(len(lean))  # standard error of a correlation of unrelated digits
        assert np.mean(lean[:-apart] * lean[apart:]) > 20 * chance
        shuffled = np.random.default_rng(0).permutation(lean)
        assert abs(np.mean(shuffled[:-apart] * shuffled[apart:])) < 5 * chance


@pytest.mark.parametrize("n_cases", [0, 1, 5])
def test_too_few_cases_cannot_be_split(n_cases):
    with pytest.raises(ValueError, match=f"^{n_cases} training cases are too few"):
        mnist.split(n_cases, "a")


@pytest.mark.parametrize("name", ["d", "A", "", "ab"])
def test_there_are_three_splits_only(name):
    with pytest.raises(ValueError, match="one of a, b, c"):
        mnist.split(60_000, name)


# -- translations --------------------------------------------------------------------------------


def test_translations_of_up_to_2_pixels_make_12_extra_versions():
    around = {(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)}
    far = {(-2, 0), (2, 0), (0, -2), (0, 2)}
    assert mnist.shifts(2)[0] == (0, 0)
    assert len(mnist.shifts(2)) == 13
    assert set(mnist.shifts(2)) == {(0, 0)} | around | far
    assert mnist.shifts(0) == [(0, 0)]
    assert len(mnist.shifts(mnist.MAX_TRANSLATION)) == 145


def test_what_moves_out_is_lost_and_what_moves_in_is_blank():
    images = np.random.default_rng(3).integers(1, 256, (4, 7 * 5), dtype=np.uint8)
    expected = np.zeros((13, 4, 7, 5), np.uint8)
    for version, (down, right) in enumerate(mnist.shifts(2)):
        for n, row, column in itertools.product(range(4), range(7), range(5)):
            to_row, to_column = row + down, column + right
            if 0 <= to_row < 7 and 0 <= to_column < 5:
                expected[version, n, to_row, to_column] = images[n, 5 * row + column]
    moved = mnist.translated(images, (7, 5), 2)
    assert moved.dtype == np.uint8
    np.testing.assert_array_equal(moved, expected.reshape(13 * 4, 7 * 5))
    np.testing.assert_array_equal(mnist.translated(images, (7, 5), 0), images)


@pytest.mark.parametrize("distance", [-1, 5, 7])
def test_images_are_not_translated_out_of_their_frame(distance):
    with pytest.raises(ValueError, match="7 x 5"):
        mnist.translated(np.zeros((2, 35), np.uint8), (7, 5), distance)


# -- reading a folder ----------------------------------------------------------------------------


def test_a_folder_is_read_gzipped_or_not_with_any_image_size(idx_folder, idx_arrays):
    digits = mnist.read(idx_folder)
    assert (digits.shape, digits.n_pixels, digits.n_classes) == ((7, 5), 35, 4)
    assert np.array_equal(digits.train_images, idx_arrays[TRAIN_IMAGES].reshape(120, 35))
    assert np.array_equal(digits.train_labels, idx_arrays[TRAIN_LABELS])
    assert np.array_equal(digits.test_images, idx_arrays[TEST_IMAGES].reshape(40, 35))
    assert np.array_equal(digits.test_labels, idx_arrays[TEST_LABELS])
    assert digits.name == str(idx_folder)


def test_a_training_set_of_one_class_after_the_other_is_shuffled(idx_folder, idx_arrays, to_idx):
    # Else whole classes would be held out for validation.
    as_it_is = mnist.read(idx_folder)
    np.testing.assert_array_equal(as_it_is.train_labels, idx_arrays[TRAIN_LABELS])
    order = np.argsort(idx_arrays[TRAIN_LABELS], kind="stable")[::-1]
    for name in (TRAIN_IMAGES, TRAIN_LABELS):
        (idx_folder / name).unlink(missing_ok=True)
        (idx_folder / f"{name}.gz").unlink(missing_ok=True)
        (idx_folder / name).write_bytes(to_idx(idx_arrays[name][order]))
    shuffled, again = mnist.read(idx_folder), mnist.read(idx_folder)
    np.testing.assert_array_equal(shuffled.train_labels, again.train_labels)
    assert np.count_nonzero(np.diff(shuffled.train_labels)) >= as_it_is.n_classes
    assert (as_it_is.shuffled, shuffled.shuffled) == (False, True)
    assert pairs(as_it_is) == pairs(shuffled)


def pairs(digits):
    """Images with their labels, whatever their order."""
    return sorted(
        (image.tobytes(), int(label))
        for image, label in zip(digits.train_images, digits.train_labels, strict=True)
    )


def unmixed(kind, n=600, n_classes=10):
    """Labels of a training set whose classes come one after the other, more or less."""
    rng = np.random.default_rng(5)
    labels = np.sort(np.arange(n) % n_classes)
    if kind == "two cases swapped":
        labels[[3, -3]] = labels[[-3, 3]]
    elif kind == "sorted in each half":
        labels = np.concatenate([labels[::2], labels[1::2]])
    elif kind == "digits, then letters in their order":
        labels = np.concatenate([rng.permutation(labels), 10 + labels])
    elif kind == "one class at the end":
        labels = np.concatenate([rng.permutation(labels), np.full(n // 6, 10)])
    return labels.astype(np.uint8)


def write_training(folder, to_idx, labels, rng):
    """These labels, and images that tell them apart, in the place of the training files."""
    for name in (TRAIN_IMAGES, TRAIN_LABELS):
        for path in folder.glob(f"{name}*"):
            path.unlink()
    images = rng.integers(0, 256, (len(labels), 7, 5))
    (folder / TRAIN_IMAGES).write_bytes(to_idx(images))
    (folder / TRAIN_LABELS).write_bytes(to_idx(labels))
    return images


@pytest.mark.parametrize(
    "kind",
    ["two cases swapped", "sorted in each half", "digits, then letters in their order",
     "one class at the end"],
)  # fmt: skip
def test_a_set_whose_classes_are_not_mixed_is_shuffled(kind, idx_folder, to_idx):
    # Else nearly every validation case is of a class that training has never seen.
    labels = unmixed(kind)
    images = write_training(idx_folder, to_idx, labels, np.random.default_rng(2))
    digits, again = mnist.read(idx_folder), mnist.read(idx_folder)
    assert digits.shuffled
    for part in ("train_images", "train_labels"):
        np.testing.assert_array_equal(getattr(digits, part), getattr(again, part))
    as_written = dataclasses.replace(
        digits, train_images=images.astype(np.uint8).reshape(len(labels), 35), train_labels=labels
    )
    assert pairs(digits) == pairs(as_written)
    assert digits.sha256 != identity(idx_folder)  # not the data that were learned in their order
    for name in mnist.SPLITS:
        split = mnist.split(len(labels), name)
        assert set(digits.train_labels[split.valid]) <= set(digits.train_labels[split.train])


@pytest.mark.parametrize(
    ("kind", "n", "n_classes"),
    [("sorted in each half", 2000, 100), ("sorted in each half", 400, 10),
     ("sorted in each half", 200, 20), ("two cases swapped", 60, 10),
     ("two cases swapped", 2400, 200)],
)  # fmt: skip
def test_many_small_classes_that_are_not_mixed_are_shuffled(kind, n, n_classes, idx_folder, to_idx):
    # No class of so few cases says anything alone.
    labels = unmixed(kind, n, n_classes)
    write_training(idx_folder, to_idx, labels, np.random.default_rng(2))
    digits = mnist.read(idx_folder)
    assert digits.shuffled
    for name in mnist.SPLITS:
        split = mnist.split(len(labels), name)
        assert set(digits.train_labels[split.valid]) <= set(digits.train_labels[split.train])


@pytest.mark.parametrize(("sizes", "size"), [([3, 3, 3], 3), ([4, 2, 1, 1], 2), ([2, 2, 5], 4)])
def test_the_bound_on_few_classes_is_no_less_than_their_probability(sizes, size):
    """Of all ways to choose a part."""
    cases = [place for place, n in enumerate(sizes) for _ in range(n)]
    found = Counter(len(set(part)) for part in itertools.combinations(cases, size))
    for d in range(1, max(found) + 1):
        chance = sum(found[k] for k in range(d + 1)) / sum(found.values())
        part = np.array([1] * (d - 1) + [size - d + 1] + [0] * (len(sizes) - d))
        bound = math.exp(mnist._log_chance_of_so_few(part, np.array(sizes)))
        assert bound >= chance - 1e-12
        if sizes == [3, 3, 3] and d == 1:
            assert bound == pytest.approx(chance)


@pytest.mark.parametrize(("held_out", "expected"), [(250, True), (190, False)])
def test_a_class_twice_as_frequent_in_a_part_is_not_mixed(held_out, expected):
    """A tenth of the rest are of class 0: two and a half times as many, or not quite twice."""
    rng = np.random.default_rng(0)
    others = np.arange(1000 - held_out) % 9 + 1
    valid = np.concatenate([np.zeros(held_out, int), others])
    parts = rng.permutation(np.arange(5000) % 10), rng.permutation(valid)
    assert mnist._unmixed(np.concatenate(parts).astype(np.uint8)) == expected


@pytest.mark.parametrize("n_classes", [4, 10, 26])
def test_a_set_whose_classes_are_mixed_keeps_its_order(n_classes, idx_folder, to_idx):
    rng = np.random.default_rng(n_classes)
    by_turns = (np.arange(600) % n_classes).astype(np.uint8)
    writers = np.concatenate([np.sort(rng.integers(0, n_classes, 30)) for _ in range(20)])
    for labels in (by_turns, rng.permutation(by_turns), writers.astype(np.uint8)):
        write_training(idx_folder, to_idx, labels, rng)
        digits = mnist.read(idx_folder)
        assert not digits.shuffled
        np.testing.assert_array_equal(digits.train_labels, labels)
        assert digits.sha256 == identity(idx_folder)


def test_mnist_keeps_its_order(shipped):
    assert not shipped.shuffled
    assert shipped.sha256 == mnist.SHA256


def test_chance_makes_an_order_that_is_shuffled_in_fewer_than_a_thousandth():
    # The bound is a loose one: none in 1,000 orders of few cases, where chance is largest.
    rng = np.random.default_rng(1)
    for n_cases, n_classes in ((30, 3), (120, 10), (600, 26)):
        labels = np.arange(n_cases) % n_classes
        assert not any(mnist._unmixed(rng.permutation(labels)) for _ in range(1000))


def identity(folder):
    """The SHA-256 of the four unpacked files together."""
    summed = hashlib.sha256()
    for name in MD5:
        (path,) = folder.glob(f"{name}*")
        content = path.read_bytes()
        summed.update(gzip.decompress(content) if path.suffix == ".gz" else content)
    return summed.hexdigest()


def test_what_was_learned_in_the_order_of_the_file_is_read_in_it(idx_folder, to_idx):
    labels = unmixed("two cases swapped")
    write_training(idx_folder, to_idx, labels, np.random.default_rng(2))
    older = identity(idx_folder)  # in a file from before such sets were shuffled
    digits = mnist.read(idx_folder, known={older})
    np.testing.assert_array_equal(digits.train_labels, labels)
    assert (digits.sha256, digits.shuffled) == (older, False)
    assert mnist.read(idx_folder, known={"another"}).shuffled


def test_a_set_that_was_always_shuffled_keeps_its_hash(idx_folder, to_idx):
    # Sorted sets were shuffled from the first: files that were learned from them are still theirs.
    labels = np.sort(np.arange(600) % 10).astype(np.uint8)
    write_training(idx_folder, to_idx, labels, np.random.default_rng(2))
    digits = mnist.read(idx_folder)
    assert digits.shuffled
    assert digits.sha256 == identity(idx_folder)


# -- labels that do not start at 0, or have gaps --------------------------------------------------


def test_classes_are_the_labels_that_occur(idx_folder, idx_arrays, to_idx):
    names = np.array([0, 5, 7, 200], np.uint8)
    for name in (TRAIN_LABELS, TEST_LABELS):
        for path in idx_folder.glob(f"{name}*"):
            path.unlink()
        (idx_folder / name).write_bytes(to_idx(names[idx_arrays[name]]))
    digits = mnist.read(idx_folder)
    assert (digits.n_classes, digits.classes) == (4, (0, 5, 7, 200))
    np.testing.assert_array_equal(digits.test_labels, names[idx_arrays[TEST_LABELS]])
    for part, name in (("train", TRAIN_LABELS), ("test", TEST_LABELS)):
        places = getattr(digits, f"{part}_classes")
        assert places.dtype == np.uint8
        np.testing.assert_array_equal(places, idx_arrays[name])
    assert not digits.shuffled  # 119 changes of class are fewer than 200, and all there can be


def test_the_classes_of_mnist_are_its_labels(shipped):
    assert shipped.classes == tuple(range(10))
    assert shipped.train_classes is shipped.train_labels
    assert shipped.test_classes is shipped.test_labels


@pytest.mark.parametrize("stranger", [1, 3, 6, 201])
def test_a_test_class_that_training_lacks_is_refused_wherever_it_stands(
    stranger, idx_folder, idx_arrays, to_idx
):
    names = np.array([2, 5, 7, 200], np.uint8)
    for name in (TRAIN_LABELS, TEST_LABELS):
        labels = names[idx_arrays[name]]
        if name == TEST_LABELS:
            labels[3] = stranger
        for path in idx_folder.glob(f"{name}*"):
            path.unlink()
        (idx_folder / name).write_bytes(to_idx(labels))
    refused(idx_folder, str(idx_folder / TEST_LABELS), f"class {stranger} is not in")


# -- other names and other forms ------------------------------------------------------------------


def same_digits(one, other):
    for part in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))
    assert (one.sha256, one.shape) == (other.sha256, other.shape)


SPELLINGS = {
    "as MNIST": lambda name: name,
    "gzipped": lambda name: f"{name}.gz",
    "with a point": lambda name: name.replace("-idx", ".idx"),
    "with a point, gzipped": lambda name: name.replace("-idx", ".idx") + ".gz",
    "each in a folder": lambda name: f"{name}/{name}",
    "EMNIST": lambda name: f"emnist-letters-{name.replace('t10k', 'test')}.gz",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_names_that_the_files_go_by_are_found(
    spelling, idx_folder, idx_arrays, to_idx, tmp_path
):
    folder = tmp_path / "other"
    for name, array in idx_arrays.items():
        path = folder / SPELLINGS[spelling](name)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = to_idx(array)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    same_digits(mnist.read(folder), mnist.read(idx_folder))


def test_a_folder_under_the_name_of_a_file_is_passed_over(idx_folder):
    # Kaggle's archive has both train-images-idx3-ubyte/ and train-images.idx3-ubyte.
    before = mnist.read(idx_folder)
    (idx_folder / TEST_IMAGES).rename(idx_folder / "t10k-images.idx3-ubyte")
    (idx_folder / TEST_IMAGES).mkdir()
    same_digits(mnist.read(idx_folder), before)


def test_a_file_is_found_in_the_folder_of_another_of_its_names(idx_folder):
    before = mnist.read(idx_folder)
    for number, (folder, name) in enumerate(
        [(TEST_IMAGES, "t10k-images.idx3-ubyte"), ("t10k-images-idx3-ubyte.gz", TEST_IMAGES)]
    ):
        (idx_folder / TEST_IMAGES).rename(idx_folder / "moved")
        (idx_folder / folder).mkdir()
        (idx_folder / "moved").rename(idx_folder / folder / name)
        same_digits(mnist.read(idx_folder), before)
        if not number:
            (idx_folder / folder / name).rename(idx_folder / "moved")
            (idx_folder / folder).rmdir()
            (idx_folder / "moved").rename(idx_folder / TEST_IMAGES)


def test_of_several_sets_in_a_folder_one_is_named(idx_folder, idx_arrays, to_idx, tmp_path):
    folder = tmp_path / "gzip"
    folder.mkdir()
    for prefix in ("emnist-letters-", "emnist-digits-"):
        for name, array in idx_arrays.items():
            other = array if prefix == "emnist-letters-" or "labels" in name else 255 - array
            (folder / (prefix + name.replace("t10k", "test"))).write_bytes(to_idx(other))
    refused(folder, str(folder), "emnist-digits, emnist-letters", str(folder / "emnist-digits"))
    letters, before = mnist.read(folder / "emnist-letters"), mnist.read(idx_folder)
    same_digits(letters, before)
    assert letters.name == str(folder / "emnist-letters")
    assert mnist.read(folder / "emnist-letters-").sha256 == letters.sha256
    assert mnist.read(folder / "emnist-digits").sha256 != before.sha256
    refused(folder / "emnist-balanced", str(folder / "emnist-balanced"), "no such folder")


def test_of_a_set_of_mnist_s_own_names_and_others_it_is_read(idx_folder, idx_arrays, to_idx):
    before = mnist.read(idx_folder)
    for name, array in idx_arrays.items():
        other = array if array.ndim == 1 else 255 - array
        (idx_folder / f"emnist-digits-{name}").write_bytes(to_idx(other))
    same_digits(mnist.read(idx_folder), before)
    assert mnist.read(idx_folder / "emnist-digits").sha256 != before.sha256


def test_transposed_images_are_those_of_a_set_that_was_written_upright(
    idx_folder, idx_arrays, to_idx, tmp_path
):
    lying = tmp_path / "lying"
    lying.mkdir()
    for name, array in idx_arrays.items():
        turned = array.transpose(0, 2, 1) if array.ndim == 3 else array
        (lying / name).write_bytes(to_idx(turned))
    upright, as_it_lies = mnist.read(idx_folder), mnist.read(lying)
    same_digits(mnist.read(lying, transposed=True), upright)
    assert (as_it_lies.shape, upright.shape) == ((5, 7), (7, 5))
    # Of a file that learned them the folder alone is recorded, and the identity tells the rest.
    same_digits(mnist.read(lying, known={upright.sha256}), upright)
    same_digits(mnist.read(lying, True, known={as_it_lies.sha256}), as_it_lies)


def npz(path, arrays, **others):
    named = dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True))
    np.savez_compressed(path, **(named | others))
    return path


@pytest.mark.parametrize("form", ["bytes", "int64 labels", "a channel", "column order"])
def test_a_file_as_of_keras_is_read(form, idx_folder, idx_arrays, tmp_path):
    arrays = list(idx_arrays.values())
    if form == "int64 labels":
        arrays = [a.astype(np.int64) if a.ndim == 1 else a for a in arrays]
    if form == "a channel":
        arrays = [a[..., np.newaxis] for a in arrays]
    if form == "column order":
        arrays = [np.asfortranarray(a) for a in arrays]
    path = npz(tmp_path / "mnist.npz", arrays)
    same_digits(mnist.read(path), mnist.read(idx_folder))


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("x_train", None, "there is no x_train"),
        ("x_train", np.zeros((120, 7, 5), np.float32), "(255 * x).round().astype('uint8')"),
        ("y_train", np.zeros(120, np.float32), "whole numbers from 0 to 255 are needed"),
        ("y_train", np.array([{}] * 120), "holds object"),
        ("y_test", np.full(40, 256), "labels from 256 to 256"),
        ("y_test", np.full(40, -1), "labels from -1 to -1"),
        ("x_test", np.zeros((40, 35), np.uint8), "of shape (40, 35)"),
        ("x_test", np.zeros((40, 7, 5, 3), np.uint8), "of shape (40, 7, 5, 3), and images are 3-d"),
        ("y_test", np.zeros((40, 4), np.uint8), "of shape (40, 4), and labels are 1-d"),
        ("x_test", np.zeros((0, 7, 5), np.uint8), "holds no images"),
        ("x_test", np.zeros((1, 513, 512), np.uint8), "declares images of 513 x 512 pixels"),
        ("x_test", np.zeros((39, 7, 5), np.uint8), "40 labels for 39 images"),
    ],
)
def test_what_is_wrong_with_an_npz_file_is_named(name, array, words, idx_arrays, tmp_path):
    named = dict(zip(("x_train", "y_train", "x_test", "y_test"), idx_arrays.values(), strict=True))
    named[name] = array
    if array is None:
        del named[name]
    path = tmp_path / "own.npz"
    np.savez(path, **named)
    message = refused(path, str(path), words)
    assert ("astype" in message) == ("astype" in words)  # of images alone


@pytest.mark.parametrize("place", [".", "seven", "train/seven"])
def test_a_folder_of_pictures_says_what_to_do_with_them(place, tmp_path):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    with pytest.raises(DataError) as without:
        mnist.read(tmp_path)
    assert str(without.value).endswith("in it")
    (tmp_path / place / "1.png").touch()
    refused(tmp_path, "its pictures are to be written as one set, which docs/data.md shows")


def test_a_folder_of_an_npz_file_says_how_to_name_it(idx_arrays, tmp_path):
    np.savez(tmp_path / "cases.npz", log_probs=np.zeros((2, 10)))  # as the commands save
    path = npz(tmp_path / "own.npz", list(idx_arrays.values()))
    refused(tmp_path, f"name the file itself: {path}")


@pytest.mark.parametrize("shape", [(-1, 7, 5), (130, 7, 5)])
def test_an_npz_array_that_declares_more_than_it_holds_is_named(shape, idx_arrays, tmp_path):
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    stream.write(idx_arrays[TRAIN_IMAGES].tobytes())
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as archive:
        archive.writestr("x_train.npy", stream.getvalue())
    refused(tmp_path / "own.npz", "x_train: declares more than it holds")


def test_an_npz_file_packed_as_numpy_does_not_is_named(idx_arrays, tmp_path):
    stream = io.BytesIO()
    np.save(stream, idx_arrays[TRAIN_IMAGES])
    with zipfile.ZipFile(tmp_path / "own.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x_train.npy", stream.getvalue())
    refused(tmp_path / "own.npz", "x_train: is packed in another way than NumPy packs")


def test_arrays_of_numpy_s_later_formats_are_read(idx_folder, idx_arrays, tmp_path):
    names = ("x_train", "y_train", "x_test", "y_test")
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as archive:
        for name, array in zip(names, idx_arrays.values(), strict=True):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array, version=(2, 0))
    same_digits(mnist.read(tmp_path / "own.npz"), mnist.read(idx_folder))


def test_an_npz_file_that_unpacks_to_many_times_its_size_is_refused(idx_arrays, tmp_path):
    arrays = list(idx_arrays.values())
    arrays[0] = np.zeros((2000, 28, 28), np.uint8)
    refused(
        npz(tmp_path / "bomb.npz", arrays),
        "x_train",
        "more than 100 times its size",
        "write it by numpy.savez, unpacked, and it is read",
    )


def test_any_damage_of_an_npz_file_is_one_line_or_harmless(idx_arrays, tmp_path):
    path = npz(tmp_path / "own.npz", list(idx_arrays.values()))
    content, expected = path.read_bytes(), mnist.read(path).sha256
    refusals = []
    for position in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert mnist.read(path).sha256 == expected
        except DataError as error:
            refusals.append(str(error))
    assert all(len(message.splitlines()) == 1 for message in refusals)
    assert len(refusals) > len(content) // 14


def test_the_hash_tells_data_sets_apart_but_not_how_they_are_packed(idx_folder, idx_arrays, to_idx):
    before = mnist.read(idx_folder).sha256
    assert before == hashlib.sha256(b"".join(map(to_idx, idx_arrays.values()))).hexdigest()
    (idx_folder / f"{TRAIN_IMAGES}.gz").unlink()
    (idx_folder / TRAIN_IMAGES).write_bytes(to_idx(idx_arrays[TRAIN_IMAGES]))
    assert mnist.read(idx_folder).sha256 == before
    changed = idx_arrays[TEST_LABELS].copy()
    changed[0] = 3
    (idx_folder / TEST_LABELS).write_bytes(to_idx(changed))
    assert mnist.read(idx_folder).sha256 != before


def test_the_shipped_files_in_a_folder_are_the_shipped_set(tmp_path, shipped):
    for name in MD5:
        packed = resources.files("hinton06.mnist").joinpath(name + ".gz").read_bytes()
        (tmp_path / f"{name}.gz").write_bytes(packed)
    assert mnist.read(tmp_path).sha256 == shipped.sha256


def test_the_other_spelling_of_the_file_names_is_read(idx_folder):
    (idx_folder / TEST_IMAGES).rename(idx_folder / "t10k-images.idx3-ubyte")
    assert len(mnist.read(idx_folder).test_images) == 40


# -- files that cannot be used -------------------------------------------------------------------


@pytest.mark.parametrize("name", MD5)
def test_a_missing_file_is_named(name, idx_folder):
    next(idx_folder.glob(f"{name}*")).unlink()
    refused(idx_folder, str(idx_folder), name, "there is no")


def test_a_missing_folder_or_a_file_in_its_place_is_named(tmp_path):
    refused(tmp_path / "none", f"{tmp_path / 'none'}: there is no such folder")
    refused(tmp_path / "none" / "other", "there is no such folder")
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file", str(tmp_path / "file"), "neither a folder of IDX files nor an .npz")
    (tmp_path / "page.npz").write_bytes(b"<!DOCTYPE html>")
    refused(tmp_path / "page.npz", "nor an .npz file, but an HTML page")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", str(tmp_path / "pipe"), "neither a folder nor a plain file")


def test_a_folder_in_the_place_of_a_file_is_named(idx_folder):
    (idx_folder / TEST_LABELS).unlink()
    (idx_folder / TEST_LABELS).mkdir()
    refused(idx_folder, TEST_LABELS)


@pytest.mark.parametrize("name", [TEST_IMAGES, TEST_LABELS])
def test_a_truncated_file_is_named_at_every_length(name, idx_folder):
    content = (idx_folder / name).read_bytes()
    header = 16 if name == TEST_IMAGES else 8
    for length in [*range(header + 3), len(content) // 2, len(content) - 1]:
        (idx_folder / name).write_bytes(content[:length])
        refused(idx_folder, name, "not an IDX file" if length < header else "truncated")


def test_a_file_that_is_not_packed_is_truncated_however_little_of_it_is_there(idx_folder, to_idx):
    content = to_idx(np.zeros((2000, 28, 28)))
    (idx_folder / TEST_IMAGES).write_bytes(content[:100])
    refused(idx_folder, TEST_IMAGES, "truncated: 100 bytes, 1,568,016 declared")


@pytest.mark.parametrize("name", [TEST_IMAGES, TEST_LABELS])
def test_a_file_that_is_too_long_is_named(name, idx_folder):
    (idx_folder / name).write_bytes((idx_folder / name).read_bytes() + b"\0")
    refused(idx_folder, name, "too long")


@pytest.mark.parametrize("magic", [b"\0\0\x08\x02", b"\0\0\x0d\x03", b"\1\0\x08\x03", b"\x89PNG"])
def test_a_wrong_magic_number_is_named(magic, idx_folder):
    content = (idx_folder / TEST_IMAGES).read_bytes()
    (idx_folder / TEST_IMAGES).write_bytes(magic + content[4:])
    refused(idx_folder, TEST_IMAGES, "not an IDX file of images")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
        (b"\n <html>\n<head>", "an HTML page"),
        (b"\n" * 300 + b"<html>", "an HTML page"),
        (b"<!-- page --><html>", "an HTML page"),
        ("<!DOCTYPE html>".encode("utf-16"), "an HTML page"),
        ("\ufeff<!DOCTYPE html>".encode("utf-16-be"), "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"PK\x03\x04" + bytes(60), "a zip archive"),
        (b"\x93NUMPY\x01\x00", "an array of NumPy's"),
        (b"", "empty"),
        (b"\0\0\x0d\x03" + bytes(60), "one of 32-bit floats, 3-d"),
        (b"\0\0\x08\x01" + bytes(60), "one of unsigned bytes, 1-d"),
        (b"\0\0\x08\x03\0\0", "one of unsigned bytes, 3-d, cut off"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_lies_under_the_name_of_a_file_is_said_if_it_can_be_told(
    content, what, packed, idx_folder
):
    if packed:
        (idx_folder / TEST_IMAGES).unlink()
        (idx_folder / f"{TEST_IMAGES}.gz").write_bytes(gzip.compress(content))
    else:
        (idx_folder / TEST_IMAGES).write_bytes(content)
    refused(idx_folder, TEST_IMAGES, "not an IDX file of images", f"but {what}")


def test_a_file_packed_twice_is_named(idx_folder):
    path = idx_folder / f"{TRAIN_IMAGES}.gz"
    path.write_bytes(gzip.compress(path.read_bytes()))
    refused(idx_folder, TRAIN_IMAGES, "packed twice by gzip")


def test_a_packed_file_of_blank_images_is_refused_with_a_hint(idx_folder, to_idx):
    content = to_idx(np.zeros((3000, 28, 28)))
    (idx_folder / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(content))
    refused(idx_folder, TRAIN_IMAGES, "more than 100 times", "unpack it, and it is read")
    (idx_folder / TRAIN_IMAGES).write_bytes(content)
    refused(idx_folder, TRAIN_LABELS, "120 labels for 3,000 images")  # the next thing wrong


def test_a_packed_file_may_unpack_to_so_many_times_its_size_and_no_more(idx_folder, monkeypatch):
    n_packed = (idx_folder / f"{TRAIN_IMAGES}.gz").stat().st_size
    assert n_packed < 4216 <= 2 * n_packed
    monkeypatch.setattr(mnist.sources, "_RATIO_FROM", 128)  # the labels' bytes
    monkeypatch.setattr(mnist.sources, "_MAX_RATIO", 1)
    refused(idx_folder, TRAIN_IMAGES, f"1 times its size: {n_packed:,} bytes, 4,216 declared")
    monkeypatch.setattr(mnist.sources, "_MAX_RATIO", 2)
    assert len(mnist.read(idx_folder).train_images) == 120


def test_labels_in_the_place_of_images_are_named(idx_folder):
    (idx_folder / TEST_IMAGES).write_bytes((idx_folder / TEST_LABELS).read_bytes())
    refused(idx_folder, TEST_IMAGES, "not an IDX file of images")


def test_a_size_that_no_memory_holds_is_named_and_not_allocated(idx_folder):
    (idx_folder / TEST_IMAGES).write_bytes(b"\0\0\x08\x03" + b"\xff" * 12 + bytes(100))
    refused(idx_folder, TEST_IMAGES, "declares images of 4294967295 x 4294967295 pixels")


def test_a_file_that_declares_too_much_is_named(idx_folder, monkeypatch):
    before = mnist.read(idx_folder).sha256
    monkeypatch.setattr(mnist.sources, "_MAX_BYTES", 4215)
    refused(idx_folder, f"{TRAIN_IMAGES}.gz", "declares 4,216 bytes, which is more")
    monkeypatch.setattr(mnist.sources, "_MAX_BYTES", 4216)
    assert mnist.read(idx_folder).sha256 == before


def test_a_truncated_gzip_file_is_named_at_every_length(idx_folder):
    path = idx_folder / f"{TRAIN_LABELS}.gz"
    packed = path.read_bytes()
    for length in range(len(packed)):
        path.write_bytes(packed[:length])
        refused(idx_folder, TRAIN_LABELS)


def test_a_gzip_file_with_a_flipped_byte_is_named_or_unpacks_to_the_same(idx_folder):
    path = idx_folder / f"{TRAIN_LABELS}.gz"
    packed = path.read_bytes()
    expected = mnist.read(idx_folder).sha256
    harmless, refusals = 0, []
    for position, mask in itertools.product(range(len(packed)), (0x01, 0x80, 0xFF)):
        damaged = bytearray(packed)
        damaged[position] ^= mask
        path.write_bytes(damaged)
        try:
            assert mnist.read(idx_folder).sha256 == expected
            harmless += 1
        except DataError as error:
            refusals.append(str(error))
    assert all(TRAIN_LABELS in m and len(m.splitlines()) == 1 for m in refusals)
    # Bytes 3 to 9 of the header (flags, time, system) are all that a reader may overlook.
    assert harmless <= 3 * 7


def test_labels_that_are_not_as_many_as_the_images_are_named(idx_folder, idx_arrays, to_idx):
    (idx_folder / TEST_LABELS).write_bytes(to_idx(idx_arrays[TEST_LABELS][:-1]))
    refused(idx_folder, str(idx_folder / TEST_LABELS), "39 labels for 40 images")


def test_test_images_of_another_size_are_named(idx_folder, idx_arrays, to_idx):
    # 5 x 7 has as many pixels as 7 x 5, and is still another size
    for other in (idx_arrays[TEST_IMAGES][:, :6], idx_arrays[TEST_IMAGES].reshape(40, 5, 7)):
        (idx_folder / TEST_IMAGES).write_bytes(to_idx(other))
        refused(idx_folder, str(idx_folder / TEST_IMAGES), "(7, 5)")


def test_a_test_class_that_is_not_in_the_training_set_is_named(idx_folder, idx_arrays, to_idx):
    labels = idx_arrays[TEST_LABELS].copy()
    labels[3] = 4
    (idx_folder / TEST_LABELS).write_bytes(to_idx(labels))
    refused(idx_folder, TEST_LABELS, "class 4")


def test_a_single_class_is_refused(idx_folder, idx_arrays, to_idx):
    for name in (TRAIN_LABELS, TEST_LABELS):
        for path in idx_folder.glob(f"{name}*"):
            path.unlink()
        (idx_folder / name).write_bytes(to_idx(np.zeros_like(idx_arrays[name])))
    refused(idx_folder, str(idx_folder / TRAIN_LABELS), "fewer than two classes")


@pytest.mark.parametrize("shape", [(0, 7, 5), (40, 0, 5), (40, 7, 0)])
def test_a_file_of_no_images_or_no_pixels_is_named(shape, idx_folder, to_idx):
    (idx_folder / TEST_IMAGES).write_bytes(to_idx(np.zeros(shape)))
    refused(idx_folder, TEST_IMAGES, "holds no images")


def test_a_file_of_no_labels_is_named(idx_folder, to_idx):
    (idx_folder / TEST_LABELS).write_bytes(to_idx(np.zeros(0)))
    refused(idx_folder, TEST_LABELS, "holds no labels")
