from __future__ import annotations

import errno
import lzma
import os
import resource
import stat
import tracemalloc

import h5py
import numpy as np
import pytest

from hinton06 import checkpoint
from hinton06.checkpoint import Checkpoint, CheckpointError


def a_checkpoint(seed=0, complete=True):
    rng = np.random.default_rng(seed)
    return Checkpoint(
        kind="classifier",
        complete=complete,
        recipe="tr2006",
        settings={"rate": 0.1, "layers": [12, 10]},
        lineage={"seed": seed, "split": None, "nested": {"a": 1}},
        provenance={"started": "2006-10-26", "seconds": 1.5, "blas": ["x"], "git": None},
        model={
            "weights1": rng.standard_normal((3, 4), dtype=np.float32),
            "deeper": {"biases": rng.standard_normal(4), "empty": np.zeros((0, 4), np.float32)},
        },
        state={
            "epoch": 3,
            "where": "layer 1, épsilon",
            "nothing": None,
            "yes": True,
            "no": False,
            "tenth": 0.1,
            "huge": float("inf"),
            "rng": {
                "bit_generator": "SFC64",
                "state": {"state": rng.integers(0, 2**64, 4, np.uint64)},
            },
            "queue": rng.integers(-5, 5, 6),
            "easy": rng.integers(0, 2, 9).astype(np.uint8),
        },
        history={"cost": np.array([3.0, 2.0]), "errors": np.array([np.nan, 7.0])},
        outcome={"test": {"cases": 10, "cost_per_100": 0.25}, "empty": {}},
    )


def refused(path, *words):
    """Loading raises CheckpointError, of one line that begins with the path, and these words."""
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.h5"
    checkpoint.save(path, a_checkpoint())
    return path


# -- there and back ------------------------------------------------------------------------------


def test_a_checkpoint_comes_back_with_every_bit_dtype_and_type(saved, assert_same):
    assert_same(vars(checkpoint.load(saved)), vars(a_checkpoint()))


def test_every_dtype_that_a_state_uses_comes_back(tmp_path, assert_same):
    dtypes = (np.float32, np.float64, np.int64, np.uint8, np.uint64)
    tree = {np.dtype(d).name: np.array([[0, 1, 200]], d) for d in dtypes}
    tree["uint64"][0, 0] = 2**64 - 1  # lost if it went through a float or a signed integer
    held = a_checkpoint()
    held.model = tree
    checkpoint.save(tmp_path / "all.h5", held)
    assert_same(checkpoint.load(tmp_path / "all.h5").model, tree)


def test_half_precision_takes_half_the_bytes_and_comes_back_as_float32(tmp_path, assert_same):
    path, single = tmp_path / "half.h5", tmp_path / "single.h5"
    array = np.linspace(-3, 3, 20_000, dtype=np.float32).reshape(100, 200)
    half = a_checkpoint()
    half.model = {"w": array.astype(np.float16)}
    checkpoint.save(path, half)
    found = checkpoint.load(path)
    assert_same(found.model, {"w": array.astype(np.float16).astype(np.float32)})
    checkpoint.save(single, found)
    assert checkpoint.load(single).digest() == found.digest()
    assert 40_000 < path.stat().st_size < single.stat().st_size - 39_000


# -- packed --------------------------------------------------------------------------------------


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "net.h5.xz"
    checkpoint.save(path, a_checkpoint())
    return path


def test_a_packed_file_holds_the_same_and_is_smaller(packed, saved, assert_same):
    assert_same(vars(checkpoint.load(packed)), vars(checkpoint.load(saved)))
    assert packed.stat().st_size < saved.stat().st_size
    assert lzma.decompress(packed.read_bytes()) == saved.read_bytes()


def test_every_flipped_byte_of_a_packed_file_is_noticed(packed, tmp_path):
    content, path = packed.read_bytes(), tmp_path / "flipped.h5.xz"
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        refused(path)


def test_a_packed_file_that_is_cut_off_or_followed_is_refused(packed):
    content = packed.read_bytes()
    for damaged in (content[:-1], content[:-40], content[:20], content + b"\0", content * 2):
        packed.write_bytes(damaged)
        refused(packed, "damaged")


@pytest.mark.parametrize("n_bytes", [2 << 20, 64 << 20])
def test_a_packed_bomb_is_refused_and_takes_little_memory(n_bytes, tmp_path):
    path = tmp_path / "bomb.h5.xz"
    path.write_bytes(lzma.compress(bytes(n_bytes)))
    tracemalloc.start()
    try:
        refused(path, "unpacks to more than 4 times its size")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < checkpoint._UNPACKING_MEMORY + (2 << 20)  # the dictionary, and what came out


def test_a_packed_file_that_needs_much_memory_to_unpack_is_refused(saved, tmp_path):
    path = tmp_path / "wide.h5.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9}]  # a dictionary of 64 MiB
    path.write_bytes(lzma.compress(saved.read_bytes(), filters=filters))
    refused(path, "damaged: cannot be unpacked")


def test_numpy_numbers_come_back_as_plain_numbers(tmp_path):
    held = a_checkpoint()
    held.outcome = {"f": np.float64(0.1), "i": np.int64(3), "b": np.bool_(True)}
    checkpoint.save(tmp_path / "n.h5", held)
    assert checkpoint.load(tmp_path / "n.h5").outcome == {"f": 0.1, "i": 3, "b": True}


def test_an_array_that_is_not_contiguous_comes_back(tmp_path):
    held = a_checkpoint()
    held.model = {"w": np.arange(12.0).reshape(3, 4).T[::2]}
    checkpoint.save(tmp_path / "t.h5", held)
    assert np.array_equal(checkpoint.load(tmp_path / "t.h5").model["w"], held.model["w"])


def test_equal_models_have_equal_digests_whatever_else_differs(saved):
    other = a_checkpoint()
    other.lineage, other.history, other.state, other.provenance = {}, {}, {}, {}
    assert checkpoint.load(saved).digest() == other.digest() == a_checkpoint().digest()


def test_the_digest_sees_a_bit_a_shape_a_dtype_and_a_name():
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    nudged = weights.copy()
    nudged[0, 0] = np.nextafter(np.float32(0), np.float32(1))
    trees = [
        {"w": weights},
        {"w": nudged},
        {"w": weights.reshape(3, 2)},
        {"w": weights.view(np.int32)},
        {"v": weights},
        {"deeper": {"w": weights}},
        {"w": weights, "v": weights},
    ]
    digests = {Checkpoint("stack", True, "", {}, {}, {}, model=tree).digest() for tree in trees}
    assert len(digests) == len(trees)


def test_the_digest_does_not_depend_on_the_order_of_names_or_on_memory_layout():
    one, two = np.arange(6.0).reshape(2, 3), np.ones(2)
    forward = Checkpoint("stack", True, "", {}, {}, {}, model={"a": one, "b": two})
    backward = Checkpoint(
        "stack", True, "", {}, {}, {}, model={"b": two, "a": np.asfortranarray(one)}
    )
    assert forward.digest() == backward.digest()


def test_history_rows_and_columns_are_inverse_and_keep_missing_measurements():
    rows = [{"cost": 3.0, "errors": 5.0}, {"cost": 2.0}, {"cost": 1.0, "late": 9.0}]
    columns = checkpoint.history_columns(rows)
    assert list(columns) == ["cost", "errors", "late"]
    assert {c.dtype for c in columns.values()} == {np.dtype(np.float64)}
    np.testing.assert_array_equal(columns["errors"], [5.0, np.nan, np.nan])
    assert checkpoint.history_rows(columns) == rows


def test_an_empty_history_has_no_columns_and_no_rows():
    assert checkpoint.history_columns([]) == {}
    assert checkpoint.history_rows({}) == []


# -- saving is all or nothing --------------------------------------------------------------------


def fails(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fails_within_h5py(*_, **__):
    raise RuntimeError("Unable to flush file\n(disk full)")


class Killed(BaseException):
    """As a second signal ends a run: at once, wherever it is."""


@pytest.mark.parametrize(
    ("module", "name"),
    [(os, "replace"), (os, "fsync"), (checkpoint, "_write_tree"), (checkpoint.h5py, "File")],
)
@pytest.mark.parametrize("failure", [fails, fails_within_h5py])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    module, name, failure, saved, monkeypatch, assert_same
):
    with monkeypatch.context() as broken:
        broken.setattr(module, name, failure)
        with pytest.raises(CheckpointError) as caught:
            checkpoint.save(saved, a_checkpoint(1))
    assert str(caught.value).startswith(f"{saved}: cannot be written: ")
    assert len(str(caught.value).splitlines()) == 1
    assert list(saved.parent.iterdir()) == [saved]
    assert_same(vars(checkpoint.load(saved)), vars(a_checkpoint()))


def test_a_save_that_fails_in_its_middle_leaves_the_old_file(saved, monkeypatch, assert_same):
    groups = []
    write_tree = checkpoint._write_tree

    def fails_at_the_state(group, tree):
        groups.append(group.name)
        if group.name == "/state":
            fails()
        write_tree(group, tree)

    with monkeypatch.context() as broken:
        broken.setattr(checkpoint, "_write_tree", fails_at_the_state)
        with pytest.raises(CheckpointError, match="No space left"):
            checkpoint.save(saved, a_checkpoint(1))
    assert groups[0] == "/model"  # it had begun to write
    assert list(saved.parent.iterdir()) == [saved]
    assert_same(vars(checkpoint.load(saved)), vars(a_checkpoint()))


def test_a_full_disk_leaves_the_old_file(saved, assert_same):
    large = a_checkpoint(1)
    large.model["large"] = np.ones(1 << 16)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    try:
        with pytest.raises(CheckpointError) as caught:
            checkpoint.save(saved, large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value).startswith(f"{saved}: cannot be written: ")
    assert len(str(caught.value).splitlines()) == 1
    assert list(saved.parent.iterdir()) == [saved]
    assert_same(vars(checkpoint.load(saved)), vars(a_checkpoint()))
    checkpoint.save(saved, large)  # and with room again it is saved
    assert_same(vars(checkpoint.load(saved)), vars(large))


def test_a_save_is_either_reported_failed_or_done_if_the_folder_cannot_be_synced(
    saved, monkeypatch, assert_same
):
    """Some network file systems cannot sync a folder."""
    sync = os.fsync

    def fails_for_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    expected = a_checkpoint(1)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fails_for_folders)
        try:
            checkpoint.save(saved, a_checkpoint(1))
        except CheckpointError:
            expected = a_checkpoint()
    assert_same(vars(checkpoint.load(saved)), vars(expected))


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_a_save_that_is_killed_leaves_the_old_file_and_the_next_save_works(
    name, saved, monkeypatch, assert_same
):
    def killed(*_):
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(os, name, killed)
        with pytest.raises(Killed):
            checkpoint.save(saved, a_checkpoint(1))
    assert_same(vars(checkpoint.load(saved)), vars(a_checkpoint()))
    checkpoint.save(saved, a_checkpoint(1))
    assert list(saved.parent.iterdir()) == [saved]
    assert_same(vars(checkpoint.load(saved)), vars(a_checkpoint(1)))


def test_the_data_are_on_disk_before_the_name_changes(saved, monkeypatch):
    order = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("sync"), sync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), replace(a, b)))
    checkpoint.save(saved, a_checkpoint(1))
    assert order[:2] == ["sync", "replace"]


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file" / "net.h5", tmp_path / "file" / "deeper" / "net.h5"):
        with pytest.raises(CheckpointError) as caught:
            checkpoint.save(path, a_checkpoint())
        assert str(caught.value).startswith(f"{path}: cannot be written: ")
        assert len(str(caught.value).splitlines()) == 1
    assert (tmp_path / "file").read_text() == "in the way"


def test_missing_folders_are_made(tmp_path, assert_same):
    path = tmp_path / "some" / "folder" / "net.h5"
    checkpoint.save(path, a_checkpoint())
    assert_same(vars(checkpoint.load(path)), vars(a_checkpoint()))


# -- files that are not checkpoints --------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "none.h5", "there is no such file")


def test_a_folder_is_named(tmp_path):
    refused(tmp_path, "is a folder")


def test_a_path_through_a_file_is_named(saved):
    refused(saved / "net.h5")


@pytest.mark.parametrize("content", [b"", b"weights\n" * 400, b"\x89HDF\r\n\x1a\n" + bytes(900)])
def test_a_file_that_is_not_hdf5_is_named(content, tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes(content)
    refused(path, "not a readable HDF5 file, or damaged")


def test_a_truncated_file_is_named_at_every_length(saved):
    content = saved.read_bytes()
    for length in [*range(0, len(content), len(content) // 150), len(content) - 1]:
        saved.write_bytes(content[:length])
        refused(saved)


def test_flipped_bytes_are_named_or_harmless_but_never_a_crash(saved):
    content = saved.read_bytes()
    rng = np.random.default_rng(0)
    refusals = []
    for position in range(0, len(content), max(1, len(content) // 150)):
        damaged = bytearray(content)
        damaged[position] ^= int(rng.integers(1, 256))
        saved.write_bytes(damaged)
        try:
            checkpoint.load(saved)
        except CheckpointError as error:
            refusals.append(str(error))
    assert refusals
    assert all(message.startswith(f"{saved}: ") for message in refusals)
    assert all(len(message.splitlines()) == 1 for message in refusals)


# -- HDF5 files that this package never writes ---------------------------------------------------


def of_another_format(file):
    file.attrs["format"] = np.bytes_("another")


def without_a_format(file):
    del file.attrs["format"]


def with_a_format_of_another_type(file):
    file.attrs["format"] = 1


def without_a_version(file):
    del file.attrs["version"]


def with_a_version_of_another_type(file):
    file.attrs["version"] = np.array([1, 1])


def without_a_head(file):
    del file.attrs["head"]


def with_a_group_less(file):
    del file["history"]


def with_a_dataset_for_a_group(file):
    del file["state"]
    file["state"] = np.zeros(3)


def with_a_soft_link(file):
    file["model/link"] = h5py.SoftLink("/state/queue")


def with_a_dangling_soft_link(file):
    file["model/link"] = h5py.SoftLink("/nowhere")


def with_a_part_behind_a_soft_link(file):
    file.move("model", "state/model")
    file["model"] = h5py.SoftLink("/state/model")


def with_an_external_link(file):
    file["model/link"] = h5py.ExternalLink("other.h5", "/model/weights1")


def with_a_part_in_another_file(file):
    del file["model"]
    file["model"] = h5py.ExternalLink("other.h5", "/model")


def with_external_storage(file):
    file["model"].create_dataset("w", (4,), "f4", external=[("raw.bin", 0, 16)])


def with_a_virtual_dataset(file):
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "/model/weights1", (3, 4))
    file["model"].create_virtual_dataset("w", layout)


def with_compression(file):
    file["model"].create_dataset("w", data=np.zeros((8, 8), "f4"), compression="gzip")


def with_chunks(file):
    file["model"].create_dataset("w", data=np.zeros((8, 8), "f4"), chunks=(4, 4))


def with_text(file):
    file["model/w"] = "text"


def with_fixed_text(file):
    file["model/w"] = np.array([b"text"])


def with_an_object_reference(file):
    file["model"].create_dataset("w", data=[file.ref], dtype=h5py.ref_dtype)


def with_a_compound_type(file):
    file["model/w"] = np.zeros(3, [("a", "f4"), ("b", "i8")])


def with_complex_numbers(file):
    file["model/w"] = np.zeros(3, np.complex64)


def with_a_named_type(file):
    file["model/w"] = np.dtype("f4")


def with_big_endian_numbers(file):
    file["model"].create_dataset("w", data=np.zeros(3), dtype=">f4")


def with_no_data_space(file):
    file["model"].create_dataset("w", data=h5py.Empty("f4"))


def with_dimensions_without_storage(file):
    file["model"].create_dataset("w", (1 << 20, 1 << 20), "f8")


def with_dimensions_that_overflow(file):
    file["model"].create_dataset("w", (1 << 32, 1 << 32), "u1")


def with_a_little_data_that_is_not_stored(file):
    file["model"].create_dataset("w", (4,), "f4")


def with_a_cycle(file):
    file["model/self"] = file["model"]


def with_many_cycles(file):
    for number in range(20):
        file[f"model/self{number}"] = file["model"]


def with_a_name_that_is_not_text(file):
    h5py.h5g.create(file["model"].id, b"\xff\xfe")


def with_a_name_of_two_lines(file):
    file["model/two\nlines"] = np.zeros(3)


def with_two_names_for_one_array(file):
    file["model/again"] = file["model/weights1"]


def with_a_filter_that_nobody_has(file):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4,))
    properties.set_filter(32_123, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((16,))
    h5py.h5d.create(file["model"].id, b"w", h5py.h5t.IEEE_F32LE, space, properties)


def with_many_long_texts(file):
    texts = np.array(["x" * 50_000] * 100, dtype=object)
    del file["state"].attrs["values"]
    file["state"].attrs.create("values", texts, dtype=h5py.string_dtype())


def with_short_integers(file):
    file["model/w"] = np.zeros(3, np.int16)


def with_half_precision_of_the_other_byte_order(file):
    file["model/w"] = np.zeros(3, ">f2")


def with_too_many_levels(file):
    group = file["model"]
    for level in range(10):
        group = group.create_group(f"deeper{level}")
        group.attrs["values"] = np.bytes_("{}")


def with_histories_of_unequal_lengths(file):
    file["history/longer"] = np.zeros(3)


def with_a_history_of_two_dimensions(file):
    del file["history/cost"], file["history/errors"]
    file["history/cost"] = np.zeros((2, 2))


def with_a_number_for_a_history_column(file):
    file["history"].attrs["values"] = np.bytes_('{"more": 1}')


def with_a_group_for_a_history_column(file):
    file.create_group("history/deeper").attrs["values"] = np.bytes_("{}")


def without_values(file):
    del file["state"].attrs["values"]


def with_values_that_are_not_json(file):
    file["state"].attrs["values"] = np.bytes_('{"epoch": 3')


def with_values_that_are_a_list(file):
    file["state"].attrs["values"] = np.bytes_("[1]")


def with_values_of_another_type(file):
    file["state"].attrs["values"] = 3.0


def with_values_nested_without_end(file):
    file["state"].attrs["values"] = np.bytes_("[" * 20_000)


def with_a_number_of_5000_digits(file):
    file["state"].attrs["values"] = np.bytes_('{"epoch": ' + "9" * 5000 + "}")


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (of_another_format, "not a hinton06 checkpoint"),
        (without_a_format, "not a hinton06 checkpoint"),
        (with_a_format_of_another_type, "format"),
        (without_a_version, "version"),
        (with_a_version_of_another_type, "version"),
        (without_a_head, ""),
        (with_a_group_less, "/history"),
        (with_a_dataset_for_a_group, "/state"),
        (with_a_soft_link, "/model/link"),
        (with_a_dangling_soft_link, "/model/link"),
        (with_a_part_behind_a_soft_link, "/model"),
        (with_an_external_link, "/model/link"),
        (with_a_part_in_another_file, "/model"),
        (with_external_storage, "/model/w"),
        (with_a_virtual_dataset, "/model/w"),
        (with_compression, "/model/w"),
        (with_chunks, "/model/w"),
        (with_text, "/model/w"),
        (with_fixed_text, "/model/w"),
        (with_an_object_reference, "/model/w"),
        (with_a_compound_type, "/model/w"),
        (with_complex_numbers, "/model/w"),
        (with_a_named_type, "/model/w"),
        (with_big_endian_numbers, "/model/w"),
        (with_no_data_space, "/model/w"),
        (with_dimensions_without_storage, "/model/w declares more data"),
        (with_dimensions_that_overflow, "/model/w"),
        (with_a_little_data_that_is_not_stored, "/model/w declares more data"),
        (with_a_cycle, "/model/self"),
        (with_many_cycles, "/model/self"),
        (with_a_name_that_is_not_text, "control characters"),
        (with_a_name_of_two_lines, "control characters"),
        (with_two_names_for_one_array, "second name"),
        (with_a_filter_that_nobody_has, "/model/w"),
        (with_many_long_texts, "values is not text"),
        (with_short_integers, "/model/w"),
        (with_half_precision_of_the_other_byte_order, "/model/w"),
        (with_too_many_levels, "/model/deeper0"),
        (with_histories_of_unequal_lengths, "history"),
        (with_a_history_of_two_dimensions, "history"),
        (with_a_number_for_a_history_column, "history"),
        (with_a_group_for_a_history_column, "history"),
        (without_values, ""),
        (with_values_that_are_not_json, "values is damaged"),
        (with_values_that_are_a_list, "values is damaged"),
        (with_values_of_another_type, "values is not text"),
        (with_values_nested_without_end, "values is damaged"),
        (with_a_number_of_5000_digits, ""),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_file_is_refused(damage, word, saved, edited, monkeypatch):
    """The files that links point to exist, so only the refusal keeps them from being read."""
    checkpoint.save(saved.with_name("other.h5"), a_checkpoint(1))
    saved.with_name("raw.bin").write_bytes(bytes(64))
    monkeypatch.chdir(saved.parent)
    with edited(saved) as file:
        damage(file)
    refused(saved, word)


@pytest.mark.parametrize("version", [0, 3, 99])
def test_another_version_is_refused_with_both_versions_named(version, saved, edited):
    with edited(saved) as file:
        file.attrs["version"] = version
    refused(saved, f"version {version}", f"to {checkpoint.VERSION}")


@pytest.mark.parametrize(
    "head",
    [
        "", "{", "[]", "3", "null", "{}",
        '{"kind": "stack", "complete": true, "recipe": "x", "settings": {}, "lineage": {}}',
        '{"kind": ["x"], "complete": true, "recipe": "x", "settings": {}, "lineage": {}, '
        '"provenance": {}}',
        '{"kind": "stack", "complete": 1, "recipe": "x", "settings": {}, "lineage": {}, '
        '"provenance": {}}',
        '{"kind": "stack", "complete": true, "recipe": "x", "settings": [], "lineage": {}, '
        '"provenance": {}}',
        '{"kind": "stack", "complete": true, "recipe": "x", "settings": {}, "lineage": {}, '
        '"provenance": null}',
        '{"stage": "stack", "complete": true, "arguments": {}, "provenance": {}}',
    ],
)  # fmt: skip
def test_a_damaged_head_is_refused(head, saved, edited):
    with edited(saved) as file:
        file.attrs["head"] = np.bytes_(head) if head else np.bytes_(b" ")
    refused(saved)


@pytest.mark.parametrize("head", [7, np.arange(3), h5py.Empty("S1")])
def test_a_head_that_is_not_text_is_refused(head, saved, edited):
    with edited(saved) as file:
        file.attrs["head"] = head
    refused(saved)


def test_a_head_with_bytes_that_are_not_text_is_refused(saved, edited):
    with edited(saved) as file:
        file.attrs["head"] = np.void(b"\xff\xfe\0{")
    refused(saved)


def test_a_name_with_control_characters_is_refused_as_a_text_with_them_is(saved):
    for wrong in ({"a\x1b[2J": 1}, {"a": "\x1b[2J"}):
        found = a_checkpoint()
        found.settings = {"inner": [wrong]}
        checkpoint.save(saved, found)
        refused(saved, "holds control characters")
