"""Kills, full disks, two at once, strange files, numbers that overflow, long runs: done to it.

The long versions are in experiments/faults; what they found is recorded there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import functools
import gc
import gzip
import hashlib
import importlib
import inspect
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import Result
from commands import run
from hypothesis import given, settings
from hypothesis import strategies as st

import hinton06
from hinton06 import checkpoint, experiments, loading, mnist, training
from hinton06.backprop import DiscriminativeFineTuning
from hinton06.checkpoint import Checkpoint, CheckpointError
from hinton06.cli import options
from hinton06.directed import WakeSleepTraining
from hinton06.files import HeldError, Lock, printable
from hinton06.lineage import Lineage
from hinton06.mnist import DataError, Digits
from hinton06.models import Classifier, DeepBeliefNet, DirectedNet, PairNet, Pathway, Rbm
from hinton06.numerics import one_hot_targets
from hinton06.pairing import PairLearner
from hinton06.recipes import RECIPES
from hinton06.recognition import Cases
from hinton06.stacking import GreedyStack
from hinton06.study import Study
from hinton06.training import Run, RunError
from hinton06.wakesleep import GenerativeFineTuning

FAULTS = Path(__file__).parents[1] / "experiments" / "faults"
OLD = Path(__file__).parent / "data" / "version-1"
PRETRAIN = ["--layers", "6-5-7", "--passes", "3", "--batch", "50", "--threads", "1", "--quiet"]


def one_line(text: str, *words: str) -> None:
    assert len(text.strip().splitlines()) == 1, text
    assert "Traceback" not in text
    for word in words:
        assert word in text


def pretrain(folder: Path, digits: Path, *more: str) -> Result:
    arguments = ["pretrain", "--split", "a", "--runs", folder, "--data", digits, *PRETRAIN, *more]
    return run(*arguments)


@pytest.fixture
def saves_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command saves after every epoch."""
    monkeypatch.setattr(options, "Context", functools.partial(loading.Context, save_every_s=0.0))


@pytest.fixture
def expected(tmp_path: Path, idx_folder: Path) -> str:
    """The digest of an undisturbed run."""
    assert pretrain(tmp_path / "undisturbed", idx_folder).exit_code == 0
    return checkpoint.load(tmp_path / "undisturbed" / "pretrain-a.h5").digest()


def run_harness(script: str, folder: Path, *arguments: str) -> None:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(FAULTS.parents[1])}
    command = [sys.executable, str(FAULTS / script), str(folder), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- kills ---------------------------------------------------------------------------------------


def test_killed_commands_go_on_to_the_same_bits(tmp_path: Path) -> None:
    run_harness("torture.py", tmp_path / "torture", "--kills", "60", "--seed", "1")
    found = json.loads((tmp_path / "torture" / "torture-seed1.json").read_text())
    assert found["kills"] >= 60
    assert (found["differences"], found["faults"]) == (0, [])


@pytest.mark.usefixtures("saves_often")
def test_a_process_that_dies_between_finishing_and_naming_leaves_the_finished_file(
    tmp_path: Path, idx_folder: Path, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(checkpoint, "move", dies)
        assert isinstance(pretrain(tmp_path / "runs", idx_folder).exception, OSError)
    part = tmp_path / "runs" / "pretrain-a.h5.part"
    assert checkpoint.load(part).complete
    result = pretrain(tmp_path / "runs", idx_folder)
    assert "already finished" in result.stdout
    assert [path.name for path in part.parent.iterdir()] == ["pretrain-a.h5"]
    assert checkpoint.load(tmp_path / "runs" / "pretrain-a.h5").digest() == expected


# -- disks ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("saves_often")
def test_a_disk_that_fills_up_costs_one_line_and_the_run_goes_on_when_it_is_freed(
    tmp_path: Path, idx_folder: Path, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    save = checkpoint.save
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fills_up(path: Path, held: Checkpoint) -> None:
        saved.append(1)
        if len(saved) == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        save(path, held)

    with monkeypatch.context() as full:
        full.setattr(checkpoint, "save", fills_up)
        try:
            result = pretrain(tmp_path / "runs", idx_folder)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.exit_code == 1
    one_line(result.stderr, "pretrain-a.h5.part: cannot be written: File too large")
    kept = tmp_path / "runs" / "pretrain-a.h5.part"
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    assert len(checkpoint.load(kept).history["layer"]) == 4
    assert pretrain(tmp_path / "runs", idx_folder).exit_code == 0
    assert checkpoint.load(tmp_path / "runs" / "pretrain-a.h5").digest() == expected


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.usefixtures("saves_often")
def test_a_full_disk_and_a_read_only_one(small_disk: Path, idx_folder: Path, expected: str) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(52 << 10))
    result = pretrain(small_disk, idx_folder)
    assert result.exit_code == 1
    one_line(result.stderr, "pretrain-a.h5", "cannot be written: No space left on device")
    remount = ["mount", "-o", "remount,size=64k,ro", str(small_disk)]
    subprocess.run(remount, check=True)
    result = pretrain(small_disk, idx_folder)
    assert result.exit_code == 1
    one_line(result.stderr, "pretrain-a.h5", "cannot be written: Read-only file system")
    subprocess.run([*remount[:2], "remount,size=64k,rw", str(small_disk)], check=True)
    filler.unlink()
    assert pretrain(small_disk, idx_folder).exit_code == 0
    assert checkpoint.load(small_disk / "pretrain-a.h5").digest() == expected
    subprocess.run(remount, check=True)  # what is finished needs no writing, and no lock
    result = pretrain(small_disk, idx_folder)
    subprocess.run([*remount[:2], "remount,size=64k,rw", str(small_disk)], check=True)
    assert "already finished" in result.stdout


@pytest.mark.usefixtures("saves_often")
def test_a_folder_removed_while_running_is_made_again(
    tmp_path: Path, idx_folder: Path, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    finish = training.Run.finish

    def without_its_folder(*arguments: Any) -> Checkpoint:
        shutil.rmtree(runs)
        return finish(*arguments)

    monkeypatch.setattr(training.Run, "finish", without_its_folder)
    assert pretrain(runs, idx_folder).exit_code == 0
    assert [path.name for path in runs.iterdir()] == ["pretrain-a.h5"]
    assert checkpoint.load(runs / "pretrain-a.h5").digest() == expected


@pytest.mark.usefixtures("saves_often")
def test_a_folder_that_cannot_be_made_again_costs_one_line(
    tmp_path: Path, idx_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    finish = training.Run.finish

    def with_a_file_in_its_place(*arguments: Any) -> Checkpoint:
        shutil.rmtree(runs)
        runs.write_text("in the way")
        return finish(*arguments)

    monkeypatch.setattr(training.Run, "finish", with_a_file_in_its_place)
    result = pretrain(runs, idx_folder)
    assert result.exit_code == 1
    one_line(result.stderr, str(runs), "cannot be written")
    assert runs.read_text() == "in the way"


def test_a_temporary_name_is_never_written_through_somebody_s_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "net.h5.tmp").symlink_to(victim)
    checkpoint.save(tmp_path / "net.h5", Checkpoint("stack", True, "quick", {}, {}, {}))
    assert victim.read_text() == "mine"


# -- two at once ---------------------------------------------------------------------------------


def test_the_second_of_two_commands_says_who_has_the_file(tmp_path: Path, idx_folder: Path) -> None:
    holder = Lock(tmp_path / "pretrain-a.h5")
    holder.take()
    for force in ([], ["--force"]):
        result = pretrain(tmp_path, idx_folder, *force)
        assert result.exit_code == 1
        who = f"process {os.getpid()} on {socket.gethostname()} since 2"
        one_line(result.stderr, f"{tmp_path / 'pretrain-a.h5'}: is being made by {who}")
    holder.release()
    assert pretrain(tmp_path, idx_folder).exit_code == 0
    assert not (tmp_path / "pretrain-a.h5.lock").exists()


def test_a_finished_file_can_be_read_while_it_is_being_replaced(
    tmp_path: Path, idx_folder: Path
) -> None:
    assert pretrain(tmp_path, idx_folder).exit_code == 0
    holder = Lock(tmp_path / "pretrain-a.h5")
    holder.take()
    assert "already finished" in pretrain(tmp_path, idx_folder).stdout
    assert loading.load(tmp_path / "pretrain-a.h5").complete
    holder.release()


def test_the_lock_of_a_dead_process_does_not_block(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time; from hinton06.files import Lock; "
        "lock = Lock(pathlib.Path(sys.argv[1])); lock.take(); print('held', flush=True); "
        "time.sleep(600)"
    )
    path = tmp_path / "net.h5"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, cwd=FAULTS.parents[1]
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        mine = Lock(path)
        with pytest.raises(HeldError, match=f"^process {other.pid} on "):
            mine.take()
        other.kill()
        other.wait()
    assert mine.path.exists()
    mine.take()
    assert mine.path.read_text().startswith(f"process {os.getpid()} ")
    mine.release()
    assert not mine.path.exists()


def test_what_a_dead_process_beside_its_finished_file_left_is_removed(
    tmp_path: Path, idx_folder: Path
) -> None:
    assert pretrain(tmp_path, idx_folder).exit_code == 0
    Lock(tmp_path / "pretrain-a.h5").path.write_text("process 1 on a since then")
    assert "already finished" in pretrain(tmp_path, idx_folder).stdout
    assert not Lock(tmp_path / "pretrain-a.h5").path.exists()


def test_a_lock_that_was_removed_is_taken_again_unless_another_has_it(tmp_path: Path) -> None:
    mine, other = Lock(tmp_path / "net.h5"), Lock(tmp_path / "net.h5")
    mine.take()
    mine.path.unlink()
    mine.keep()
    with pytest.raises(HeldError):
        other.take()
    mine.path.unlink()
    other.take()
    with pytest.raises(HeldError):
        mine.keep()
    mine.release()
    assert other.path.exists()  # it was not mine any more
    other.release()


def test_a_lock_file_that_its_last_holder_removes_meanwhile_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = Lock(tmp_path / "net.h5"), Lock(tmp_path / "net.h5")
    real, taken = fcntl.flock, []

    def after_it_is_gone(descriptor: int, how: int) -> None:
        if not taken:
            mine.path.unlink()
        taken.append(descriptor)
        real(descriptor, how)

    monkeypatch.setattr("hinton06.files.fcntl.flock", after_it_is_gone)
    mine.take()
    assert len(taken) == 2
    with pytest.raises(HeldError):
        other.take()
    mine.release()


def test_a_lock_file_that_is_a_link_or_a_pipe_is_refused_and_its_target_untouched(
    tmp_path: Path,
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    lock = Lock(tmp_path / "net.h5")
    lock.path.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        lock.take()
    lock.path.unlink()
    os.mkfifo(lock.path)
    with pytest.raises(OSError, match="not a plain file"):
        lock.take()
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOLCK, 524])  # the latter of NFS without lockd
def test_a_file_system_without_locks_costs_a_note(
    number: int, tmp_path: Path, idx_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("hinton06.files.fcntl.flock", none)
    result = pretrain(tmp_path, idx_folder)
    assert result.exit_code == 0
    one_line(result.stderr, "no locks")
    assert [p.name for p in tmp_path.glob("pretrain*")] == ["pretrain-a.h5"]


# -- strange files -------------------------------------------------------------------------------


def test_mutated_files_are_refused_in_one_line_or_harmless(tmp_path: Path) -> None:
    run_harness("fuzz.py", tmp_path / "fuzz", "--mutations", "60", "--seed", "1")
    found = json.loads((tmp_path / "fuzz" / "fuzz-seed1.json").read_text())
    assert found["mutations"] > 50
    assert found["refused"] > 30
    assert found["faults"] == []


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint."""
    path = tmp_path_factory.mktemp("stored") / "net.h5"
    model = {"weights": np.arange(12, dtype=np.float32).reshape(3, 4)}
    held = Checkpoint("stack", True, "quick", {}, {"seed": 1}, {"seconds": 1.0}, model)
    checkpoint.save(path, held)
    return path


@pytest.fixture(scope="module")
def stored_as_version_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint of version 1, whose seal is behind the HDF5 data."""
    return Path(shutil.copy(OLD / "pretrain-a.h5", tmp_path_factory.mktemp("stored")))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), max_size=8),
       length=st.integers(0, 1 << 20), sealed=st.booleans(), old=st.booleans())  # fmt: skip
def test_any_bytes_in_a_checkpoint_are_read_or_refused_in_one_line(
    changes: list[tuple[int, int]], length: int, sealed: bool, old: bool, stored: Path,
    stored_as_version_1: Path,
) -> None:  # fmt: skip
    whole = stored_as_version_1 if old else stored
    damaged = bytearray(whole.read_bytes())
    if sealed and old:
        damaged = damaged[: -checkpoint._SEAL_SIZE]
    for place, mask in changes:
        damaged[place % len(damaged)] ^= mask
    if length < len(damaged):
        damaged = damaged[:length]
    if sealed:  # by somebody who means it
        damaged = bytearray(resealed(bytes(damaged), old))
    path = stored.with_name("damaged.h5")
    path.write_bytes(damaged)
    try:
        found = checkpoint.load(path)
    except CheckpointError as error:
        one_line(str(error), str(path))
    else:
        assert sealed or found.digest() == checkpoint.load(whole).digest()


def resealed(image: bytes, old: bool) -> bytes:
    """With the SHA-256 that fits what is there now."""
    if old:
        return image + checkpoint._SEAL + hashlib.sha256(image).digest()
    with contextlib.suppress(CheckpointError):  # the words that announce it are damaged
        return checkpoint.sealed(image)
    return image


@settings(max_examples=60, deadline=None, derandomize=True)
@given(content=st.binary(max_size=64), header=st.booleans(), packed=st.booleans())
def test_any_bytes_in_an_idx_file_are_read_or_refused_in_one_line(
    content: bytes, header: bool, packed: bool, stored: Path
) -> None:
    content = b"\0\0\x08\x01" + content if header else content
    path = stored.with_name("labels")
    path.write_bytes(gzip.compress(content) if packed else content)
    with contextlib.suppress(DataError):
        try:
            raw = mnist.sources.read_path(path, str(path), 1)
            assert len(mnist.sources.parse_idx(raw, str(path), 1)) == len(content) - 8
        except DataError as error:
            one_line(str(error), str(path))
            raise


@pytest.mark.parametrize("old", [False, True], ids=["version 2", "version 1"])
def test_every_flipped_byte_of_a_checkpoint_is_noticed(
    old: bool, stored: Path, stored_as_version_1: Path
) -> None:
    """A weight that has changed is as bad as a file that cannot be read, and harder to see."""
    whole = stored_as_version_1 if old else stored
    content, path = whole.read_bytes(), Path(shutil.copy(whole, stored.with_name("flipped.h5")))
    with path.open("r+b", buffering=0) as file:
        for place, byte in enumerate(content):
            file.seek(place)
            file.write(bytes([byte ^ 1 << place % 8]))
            with pytest.raises(CheckpointError, match=r"flipped\.h5: damaged: "):
                checkpoint.load(path)
            file.seek(place)
            file.write(bytes([byte]))
    assert path.read_bytes() == content


def test_what_is_cut_off_or_added_is_noticed(stored: Path, stored_as_version_1: Path) -> None:
    path = stored.with_name("cut.h5")
    for whole in (stored, stored_as_version_1):
        content = whole.read_bytes()
        for damaged in (content[:-1], content[1:], content + b"\0", content[:-48], b"\0" + content):
            path.write_bytes(damaged)
            with pytest.raises(CheckpointError):
                checkpoint.load(path)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_file_that_another_program_has_opened_for_writing_is_whole(
    libver: str, tmp_path: Path, idx_folder: Path
) -> None:
    assert pretrain(tmp_path, idx_folder).exit_code == 0
    path = tmp_path / "pretrain-a.h5"
    digest = loading.load(path).digest
    h5py.File(path, "a", libver=libver).close()
    assert loading.load(path).digest == digest
    assert "already finished" in pretrain(tmp_path, idx_folder).stdout


@pytest.mark.parametrize("n", [10**5, 10**6, 2 * 10**6, 2**32 - 1])
def test_a_compressed_bomb_takes_no_memory(n: int, tmp_path: Path) -> None:
    header = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (n, 28, 28))
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(header + bytes(30 << 20), 9))
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            mnist.sources.read_path(path, str(path), 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    one_line(str(caught.value), str(path))
    assert peak < 4 << 20  # the buffers of gzip, far below the 30 MiB inside


def test_an_honest_header_is_unpacked_no_further_than_it_says(tmp_path: Path) -> None:
    header = b"\0\0\x08\x01" + (100).to_bytes(4, "big")
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(header + bytes(50 << 20), 9))
    tracemalloc.start()
    try:
        content = mnist.sources.read_path(path, str(path), 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(content) == 8 + 100 + 1
    assert peak < 4 << 20
    with pytest.raises(DataError, match="too long"):
        mnist.sources.parse_idx(content, str(path), 1)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, idx_folder: Path) -> None:
    pipe = tmp_path / "net.h5"
    os.mkfifo(pipe)
    (idx_folder / "t10k-labels-idx1-ubyte").unlink()
    os.mkfifo(idx_folder / "t10k-labels-idx1-ubyte")

    def waited(*_: object) -> None:
        raise TimeoutError("it waited for the pipe")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(20)
    try:
        with pytest.raises(CheckpointError, match="not a plain file"):
            checkpoint.load(pipe)
        with pytest.raises(DataError, match="not a plain file"):
            mnist.read(idx_folder)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_text_of_strangers_is_shown_without_control_characters() -> None:
    assert printable("a\nb\x1b[2J\ud800é") == "a\\nb\\x1b[2J\\ud800é"
    assert len(printable("x" * 10_000)) < 500


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "two\nlines", "\ud800"])
def test_a_text_with_control_characters_is_refused(text: str, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "net.h5", Checkpoint("stack", True, text, {}, {}, {}))
    with pytest.raises(CheckpointError, match="control characters") as caught:
        checkpoint.load(tmp_path / "net.h5")
    one_line(str(caught.value))


def _infinite_history(found: Checkpoint) -> None:
    found.history["recon_error"][0] = np.inf


def _infinite_lineage(found: Checkpoint) -> None:
    found.lineage["split_sha256"] = [{"deep": float("nan")}]


def _infinite_outcome(found: Checkpoint) -> None:
    found.outcome["bp_weight"] = float("inf")


def _infinite_setting(found: Checkpoint) -> None:
    found.settings["rate"] = float("inf")


def _no_recipe(found: Checkpoint) -> None:
    found.recipe = None  # type: ignore[assignment]


def _another_split(found: Checkpoint) -> None:
    found.lineage["split"] = ["a"]


def _unknown_split(found: Checkpoint) -> None:
    found.lineage["split"] = "d"


def _unknown_role(found: Checkpoint) -> None:
    found.lineage["role"] = "adopted"


def _text_for_seconds(found: Checkpoint) -> None:
    found.provenance["seconds"] = "long"


def _no_history(found: Checkpoint) -> None:
    found.history.clear()


@pytest.mark.parametrize(
    "change",
    [_infinite_history, _infinite_lineage, _infinite_outcome, _infinite_setting, _no_recipe,
     _another_split, _unknown_split, _unknown_role, _text_for_seconds, _no_history],
)  # fmt: skip
def test_a_whole_file_that_records_what_cannot_be_is_refused_in_one_line(
    change: Callable[[Checkpoint], None], tmp_path: Path, idx_folder: Path
) -> None:
    assert pretrain(tmp_path, idx_folder).exit_code == 0
    path = tmp_path / "pretrain-a.h5"
    found = checkpoint.load(path)
    change(found)
    checkpoint.save(path, found)
    for how in (["show"], ["show", "--json"], ["finetune-bp", "--data", str(idx_folder)]):
        result = run(*how, str(path))
        assert result.exit_code == 1
        one_line(result.stderr, str(path))
    result = run("table1", str(tmp_path))
    assert result.exit_code == 0
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("saves_often")
@pytest.mark.parametrize(
    "change",
    [_infinite_history, _infinite_lineage, _infinite_setting, _no_recipe, _unknown_role,
     _text_for_seconds],
)  # fmt: skip
def test_an_unfinished_file_that_records_what_cannot_be_is_refused_before_an_epoch_is_spent(
    change: Callable[[Checkpoint], None], tmp_path: Path, idx_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def stopped(*_: object) -> None:
        raise RunError("stopped")

    with monkeypatch.context() as before:
        before.setattr(experiments, "_outcome", stopped)
        assert pretrain(tmp_path, idx_folder).exit_code == 1
    part = tmp_path / "pretrain-a.h5.part"
    found = checkpoint.load(part)
    change(found)
    checkpoint.save(part, found)
    content = part.read_bytes()
    result = pretrain(tmp_path, idx_folder)
    assert result.exit_code == 1
    one_line(result.stderr, str(part))
    assert part.read_bytes() == content
    assert not (tmp_path / "pretrain-a.h5").exists()
    assert pretrain(tmp_path, idx_folder, "--force").exit_code == 0


def test_a_measurement_of_a_newer_version_does_no_harm_whatever_it_is(
    tmp_path: Path, idx_folder: Path
) -> None:
    assert pretrain(tmp_path, idx_folder).exit_code == 0
    path = tmp_path / "pretrain-a.h5"
    found = checkpoint.load(path)
    found.outcome |= {"more": float("inf"), "deep": {"numbers": np.array([np.nan])}}
    checkpoint.save(path, found)
    for how in (["show"], ["show", "--json"], ["finetune-bp", "--quiet"]):
        result = run(*how, str(path))
        assert result.exit_code == 0, result.output
        assert "Traceback" not in result.output


@pytest.mark.usefixtures("saves_often")
def test_weights_so_large_that_they_overflow_cost_one_line(
    tmp_path: Path, idx_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an unfinished file whose epochs are all done, so that only the scores are left to do."""
    assert pretrain(tmp_path, idx_folder).exit_code == 0
    command = ["finetune-bp", str(tmp_path / "pretrain-a.h5"), "--data", str(idx_folder),
               "--max-epochs", "2", "--threads", "1", "--quiet"]  # fmt: skip

    def stopped(*_: object) -> None:
        raise RunError("stopped")

    with monkeypatch.context() as before:
        before.setattr(experiments, "_outcome", stopped)
        assert run(*command).exit_code == 1
    part = tmp_path / "bp-a.h5.part"
    found = checkpoint.load(part)
    for name, array in found.state["best"].items():
        array[...] = 3e38 if name.startswith("weights") else 0
    checkpoint.save(part, found)
    result = run(*command)
    assert result.exit_code == 1
    one_line(result.stderr.splitlines()[-1], str(tmp_path / "bp-a.h5"), "not a finite number")


# -- numbers -------------------------------------------------------------------------------------


Make = Callable[[], Any]


@pytest.fixture
def learners(tiny_digits: Digits) -> dict[str, Make]:
    """Every learner, in every mode, on few cases; each of two epochs at least."""
    images, labels = tiny_digits.train_images[:90], tiny_digits.train_labels[:90]
    cases, valid = Cases(images[:60], labels[:60]), Cases(images[60:], labels[60:])
    quick = RECIPES["quick"]
    make = functools.partial
    pretrain = _with(quick.pretrain, layers=(6, 5, 7), passes=3, batch=20)
    backprop = _with(quick.backprop, batch=20, max_epochs=6, patience=6)
    conjugate = _with(backprop, optimiser="cg", importance_sampling=False)
    wakesleep = _with(quick.wakesleep, epochs=4, batch=20, gibbs=(1,))

    def rng() -> np.random.Generator:
        return np.random.Generator(np.random.SFC64(1))

    def stack(labelled: bool) -> GreedyStack:
        targets = one_hot_targets(cases.labels, 10) if labelled else None
        return GreedyStack(cases.images, pretrain, rng(), targets)

    def fine_tuning(settings: Any, **rule: Any) -> DiscriminativeFineTuning:
        net = Classifier.random((784, 6, 10), 1.0, rng())
        return DiscriminativeFineTuning(net, cases, settings, rng(), **rule)

    def generative(**rule: Any) -> GenerativeFineTuning:
        trained = stack(labelled=True)
        while trained.finished() is None:
            trained.run_epoch(lambda _: None)
        net = DeepBeliefNet.untied(trained.stack)
        return GenerativeFineTuning(net, cases, wakesleep, rng(), **rule)

    def directed() -> WakeSleepTraining:
        net = DirectedNet.random((784, 6, 5), 10, 0.1, rng())
        settings = _with(quick.directed, epochs=4, batch=20)
        return WakeSleepTraining(net, cases, settings, rng(), valid)

    def pairs() -> PairLearner:
        below = Rbm.random(784, 6, 0.1, rng()), Rbm.random(6, 5, 0.1, rng())
        image, second = Pathway.untied(below), Pathway.untied(below)
        net = PairNet(image, second, Rbm.random(10, 7, 0.1, rng()))
        settings = _with(quick.pairs, passes=2, epochs=2, batch=20)
        return PairLearner(net, cases, cases, settings, rng(), lambda _epoch: rng(), (valid, valid))

    return {
        "pretrain": make(stack, False),
        "pretrain --labels": make(stack, True),
        "finetune-bp": make(fine_tuning, backprop, valid=valid),
        "finetune-bp --extend": make(fine_tuning, backprop, target=1e-9),
        "finetune-bp, conjugate gradient": make(fine_tuning, conjugate, valid=valid),
        "finetune-cws": make(generative, valid=valid),
        "finetune-cws --extend": make(generative, target=-1.0),
        "finetune-pairs": pairs,
        "finetune-ws": directed,
    }


def _with(settings: Any, **values: Any) -> Any:
    return dataclasses.replace(settings, **values)


def a_run(path: Path, title: str, save_every_s: float) -> Run:
    settings, lineage = RECIPES["quick"].pretrain, Lineage("digits", seed=1, threads=1)
    return Run(path, "stack", "quick", settings, lineage, title, save_every_s)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("saved_often", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        "pretrain", "pretrain --labels", "finetune-bp", "finetune-bp --extend",
        "finetune-bp, conjugate gradient", "finetune-cws", "finetune-cws --extend",
        "finetune-pairs", "finetune-ws",
    ],
)  # fmt: skip
def test_a_number_that_is_none_is_noticed_in_its_epoch_in_every_learner(
    name: str, saved_often: bool, bad: float, learners: dict[str, Make], tmp_path: Path,
    make_progress: Any,
) -> None:  # fmt: skip
    learner = learners[name]()

    def poison(epochs: int, ticks: int) -> None:
        if (epochs, ticks) == (1, 1):
            next(iter(learner.parameters().values())).flat[0] = bad

    run = a_run(tmp_path / "net.h5", name, 0.0 if saved_often else 1e9)
    with pytest.raises(RunError, match=rf"^{run.path}: .*epoch 2: .* no longer") as caught:
        run.train(learner, make_progress(at_tick=poison))
    one_line(str(caught.value))
    kept = checkpoint.load(run.partial_path)
    assert len(next(iter(kept.history.values()))) == 1
    assert kept.state["epoch"] == 1
    fresh = learners[name]()
    fresh.restore(kept.state)  # whole, and of finite numbers
    assert all(np.isfinite(array).all() for array in fresh.parameters().values())


def test_every_learner_of_the_package_is_among_these(learners: dict[str, Make]) -> None:
    asked = {name for name in vars(training.Learner) if not name.startswith("_")}
    found = set()
    for path in Path(hinton06.__file__).parent.glob("*.py"):
        if re.search(r"def (run|learn)_epoch\(", path.read_text(encoding="utf-8")):
            module = importlib.import_module(f"hinton06.{path.stem}")
            classes = [c for _, c in inspect.getmembers(module, inspect.isclass)]
            found |= {c for c in classes if asked <= set(dir(c)) and not inspect.isabstract(c)}
    # A study has no parameters: a number that is none is one of its measurements.
    assert {type(make()) for make in learners.values()} == found - {training.Learner, Study}


def test_a_rate_that_is_far_too_high_ends_with_the_epoch_and_the_last_good_file(
    tmp_path: Path, idx_folder: Path
) -> None:
    """Each update multiplies the weights by 1 - rate x decay = -399."""
    too_high = ["--rate", "400", "--decay", "1", "--passes", "9"]
    result = pretrain(tmp_path, idx_folder, *too_high)
    assert result.exit_code == 1
    one_line(result.stderr, "pretrain-a.h5: layer 1 epoch ", "no longer finite", "smaller")
    found = checkpoint.load(tmp_path / "pretrain-a.h5.part")
    epochs = len(found.history["layer"])
    assert f"layer 1 epoch {epochs + 1}: " in result.stderr
    assert np.isfinite(found.state["stack"]["rbm1"]["weights"]).all()


# -- long runs -----------------------------------------------------------------------------------


def test_200_epochs_take_no_more_memory_or_work_each_than_20(
    tmp_path: Path, tiny_digits: Digits, make_progress: Any
) -> None:
    """Work is counted in calls, Python's and NumPy's, which no other process can disturb."""
    settings = _with(RECIPES["quick"].pretrain, layers=(4,), passes=200, batch=30)
    learner = GreedyStack(tiny_digits.train_images[:60], settings, np.random.default_rng(1))
    memory, calls, counted = [], [], [0]
    progress = make_progress()

    def count(*_: object) -> None:
        counted[0] += 1

    def at_epoch(_: int) -> None:
        progress.rows.clear()  # what a recording display remembers is no matter of the run's
        progress.places.clear()
        progress.work.clear()
        memory.append(tracemalloc.get_traced_memory()[0])
        calls.append(counted[0])

    progress.at_epoch = at_epoch
    run = a_run(tmp_path / "net.h5", "long", 1e9)
    gc.collect()
    gc.disable()  # others hear of each collection, by calls that are not the run's
    tracemalloc.start()
    sys.setprofile(count)
    try:
        run.train(learner, progress)
    finally:
        sys.setprofile(None)
        tracemalloc.stop()
        gc.enable()
    assert len(memory) == 200
    # One row of the history an epoch: a dictionary of 5 numbers, below 1 KiB.
    assert memory[-1] - memory[20] < 180 * 1024
    assert len(set(np.diff(calls)[20:].tolist())) == 1


def test_a_history_of_a_thousand_epochs_is_read_with_the_calls_of_ten(tmp_path: Path) -> None:
    calls = []
    for epochs in (10, 1000):
        rows = [{"cost": float(i), "errors": float(i), "seconds": 1.0} for i in range(epochs)]
        history = checkpoint.history_columns(rows)
        held = Checkpoint("stack", True, "quick", {}, {}, {}, history=history)
        path = tmp_path / f"{epochs}.h5"
        checkpoint.save(path, held)
        checkpoint.load(path)  # imports
        counted = [0]

        def count(*_: object, counted: list[int] = counted) -> None:
            counted[0] += 1

        gc.disable()
        sys.setprofile(count)
        try:
            found = checkpoint.load(path)
        finally:
            sys.setprofile(None)
            gc.enable()
        assert checkpoint.history_rows(found.history) == rows
        calls.append(counted[0])
    assert calls[0] == calls[1]
    # 990 more numbers of 8 bytes in each of three columns, and nothing else
    sizes = [(tmp_path / f"{n}.h5").stat().st_size for n in (10, 1000)]
    assert sizes[1] - sizes[0] <= 3 * 990 * 8 + 64
