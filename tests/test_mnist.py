from __future__ import annotations

import gzip
import hashlib
import itertools
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
    pairs = [
        sorted((image.tobytes(), int(label)) for image, label in
               zip(digits.train_images, digits.train_labels, strict=True))
        for digits in (as_it_is, shuffled)
    ]  # fmt: skip
    assert pairs[0] == pairs[1]


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
    refused(tmp_path / "none", str(tmp_path / "none"))
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file", str(tmp_path / "file"))


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


@pytest.mark.parametrize("name", [TEST_IMAGES, TEST_LABELS])
def test_a_file_that_is_too_long_is_named(name, idx_folder):
    (idx_folder / name).write_bytes((idx_folder / name).read_bytes() + b"\0")
    refused(idx_folder, name, "too long")


@pytest.mark.parametrize("magic", [b"\0\0\x08\x02", b"\0\0\x0d\x03", b"\1\0\x08\x03", b"\x89PNG"])
def test_a_wrong_magic_number_is_named(magic, idx_folder):
    content = (idx_folder / TEST_IMAGES).read_bytes()
    (idx_folder / TEST_IMAGES).write_bytes(magic + content[4:])
    refused(idx_folder, TEST_IMAGES, "not an IDX file of images")


def test_labels_in_the_place_of_images_are_named(idx_folder):
    (idx_folder / TEST_IMAGES).write_bytes((idx_folder / TEST_LABELS).read_bytes())
    refused(idx_folder, TEST_IMAGES, "not an IDX file of images")


def test_a_size_that_no_memory_holds_is_named_and_not_allocated(idx_folder):
    (idx_folder / TEST_IMAGES).write_bytes(b"\0\0\x08\x03" + b"\xff" * 12 + bytes(100))
    refused(idx_folder, TEST_IMAGES, "declares images of 4294967295 x 4294967295 pixels")


def test_a_file_that_declares_too_much_is_named(idx_folder, monkeypatch):
    monkeypatch.setattr(mnist, "_MAX_BYTES", 1 << 10)
    refused(idx_folder, f"{TRAIN_IMAGES}.gz", "declares 4,216 bytes, which is more")


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
    refused(idx_folder, TEST_LABELS, "39 labels for 40 images")


def test_test_images_of_another_size_are_named(idx_folder, idx_arrays, to_idx):
    # 5 x 7 has as many pixels as 7 x 5, and is still another size
    for other in (idx_arrays[TEST_IMAGES][:, :6], idx_arrays[TEST_IMAGES].reshape(40, 5, 7)):
        (idx_folder / TEST_IMAGES).write_bytes(to_idx(other))
        refused(idx_folder, TEST_IMAGES, "(7, 5)")


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
    refused(idx_folder, TRAIN_LABELS, "fewer than two classes")


@pytest.mark.parametrize("shape", [(0, 7, 5), (40, 0, 5), (40, 7, 0)])
def test_a_file_of_no_images_or_no_pixels_is_named(shape, idx_folder, to_idx):
    (idx_folder / TEST_IMAGES).write_bytes(to_idx(np.zeros(shape)))
    refused(idx_folder, TEST_IMAGES, "holds no images")


def test_a_file_of_no_labels_is_named(idx_folder, to_idx):
    (idx_folder / TEST_LABELS).write_bytes(to_idx(np.zeros(0)))
    refused(idx_folder, TEST_LABELS, "holds no labels")
