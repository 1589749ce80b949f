"""Standard output and error that are closed, full or know few characters; few processes."""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import io
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hinton06 import checkpoint, console
from hinton06.checkpoint import load

NET, DREAMER = "table1-a", "digits"
OLD = Path(__file__).parent / "data" / "version-1"
NEW = ["pretrain", "--split", "a", "--layers", "3", "--passes", "1", "--recipe", "quick",
       "--threads", "1", "--cases", "1000", "--out", "new.h5"]  # fmt: skip
KINDS = {
    "help": ["--help"],
    "learn": NEW,
    "sample": ["sample", DREAMER, "--gibbs", "1", "--samples", "1", "--out", "new.png"],
    "figures": ["figures", NET, "--only", "3", "--random-features", "4", "--out", "new"],
    "export": ["export", NET, "--to", "npz", "--out", "new.npz"],
    "show": ["show", NET, "--json"],
    "table": ["generative", "runs"],
}
"""A command of every kind, and what it makes."""
MAKES = {"learn": "new.h5", "sample": "new.png", "figures": "new/figure3-table1-a.png",
         "export": "new.npz"}  # fmt: skip


def command(folder: Path, arguments: list[str], redirected: str = "", **environment: str) -> Any:
    """A command in a shell, what it writes caught where it is not redirected."""
    script = f'exec "$0" -m hinton06 "$@" {redirected}'
    return subprocess.run(
        ["sh", "-c", script, sys.executable, *arguments], cwd=folder, check=False,
        capture_output=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environment,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a folder of runs in it, for tables."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "unreadable.h5").write_bytes(b"")  # a table notes it, and is empty
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_results_on_a_full_disk_are_one_line_and_what_was_made_is_kept(
    kind: str, folder: Path
) -> None:
    done = command(folder, KINDS[kind], ">/dev/full")
    assert done.returncode == 1
    lines = [
        line
        for line in done.stderr.decode().splitlines()
        if not line.startswith("pretrain a layer")
    ]
    assert lines == [
        "hinton06: standard output cannot be written to: No space left on device; what was made "
        "is kept"
    ]
    assert kind not in MAKES or (folder / MAKES[kind]).stat().st_size > 0
    if kind == "learn":
        assert load(folder / "new.h5").complete


@pytest.mark.parametrize(
    ("kind", "redirected"),
    [*((kind, "2>&-") for kind in KINDS), ("learn", "2>/dev/full"), ("sample", "2>/dev/full")],
)
def test_where_nothing_can_be_said_the_work_is_done_and_results_are_printed(
    kind: str, redirected: str, folder: Path
) -> None:
    done = command(folder, KINDS[kind], redirected)
    # Only a learning command has something to say, the progress of its epochs.
    assert (done.returncode, done.stderr) == (int(kind == "learn"), b"")
    assert done.stdout
    assert kind not in MAKES or (folder / MAKES[kind]).stat().st_size > 0
    if kind == "learn":
        assert load(folder / "new.h5").complete
        again = command(folder, [*NEW, "--force", "--quiet"], redirected)
        assert (again.returncode, again.stderr) == (0, b"")


@pytest.mark.parametrize(
    "redirected", [">&-", ">&- 2>&-", ">/dev/full 2>/dev/full", "<&- >&- 2>&-"]
)
def test_where_nothing_is_open_no_line_lands_in_a_file(redirected: str, folder: Path) -> None:
    done = command(folder, NEW, redirected)
    assert done.returncode == 1
    assert (b"it is closed" in done.stderr) == (redirected == ">&-")
    assert load(folder / "new.h5").complete  # whose seal vouches for every byte
    assert [path.name for path in folder.glob("new*")] == ["new.h5"]


def test_a_mistake_is_one_where_nothing_can_be_said(folder: Path) -> None:
    for redirected in ("2>&-", "2>/dev/full", ">&- 2>&-"):
        assert command(folder, ["nonsense"], redirected).returncode == 2


def test_who_reads_only_the_first_lines_is_left_alone(folder: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m hinton06 show table1-a; echo $? >&2', sys.executable],
        cwd=folder, check=True, stdout=_read_by_nobody(), stderr=subprocess.PIPE,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stderr == b"1\n"


def _read_by_nobody() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


# -- other encodings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "interval"),
    [("ascii", "51.0 +- 12.7"), ("latin-1", "51.0 ± 12.7"), ("utf-8", "51.0 ± 12.7")],
)
def test_a_table_is_printed_in_any_encoding(encoding: str, interval: str, folder: Path) -> None:
    for seed in (0, 1):
        net = checkpoint.load(OLD / "bp-a.h5")
        net.outcome["test"]["errors"] += 2 * seed
        again = dataclasses.replace(net, lineage={**net.lineage, "seed": seed})
        checkpoint.save(folder / f"seed-{seed}" / "bp-a.h5", again)
    for form in ([], ["--save", "table"]):
        replicas = ["replicas", "seed-0", "seed-1", *form]
        done = command(folder, replicas, PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, b"")
        _, heads, row, *_ = done.stdout.decode(encoding).splitlines()  # below the title
        end = heads.index("test errs") + len("test errs")
        assert row[:end].endswith(interval)  # still below their headings
    assert "51.0 ± 12.7" in (folder / "table" / "replicas.md").read_text("utf-8")


def test_characters_that_an_encoding_lacks_come_out_in_others() -> None:
    written = io.BytesIO()
    text = io.TextIOWrapper(written, "ascii", errors="hinton06.plainly")
    text.write("± 22 … é \udce9 ▀")
    text.flush()
    assert written.getvalue() == b"+- 22 ... \\xe9 \\udce9 #"
    assert console.plain("± é", "latin-1") == "± é"


def test_a_file_whose_name_is_no_text_can_be_spoken_of(folder: Path) -> None:
    shutil.copy(OLD / "bp-a.h5", folder / os.fsdecode(b"caf\xe9.h5"))
    (folder / os.fsdecode(b"th\xe9.h5")).write_bytes(b"nothing")
    for name, code, said in (
        (b"caf\xe9.h5", 0, b"caf\\udce9.h5: a fine-tuned classifier"),
        (b"th\xe9.h5", 1, b"hinton06: th\\udce9.h5: not a readable HDF5 file"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "hinton06", "show", name], cwd=folder, check=False,
            capture_output=True, env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
        )  # fmt: skip
        assert done.returncode == code
        assert (done.stdout or done.stderr).startswith(said)


# -- one stream alone ----------------------------------------------------------------------------


class _Full(io.StringIO):
    """Takes nothing; its file number is one that may be given to something else."""

    def __init__(self, number: int, error: int = errno.ENOSPC) -> None:
        super().__init__()
        self.number, self.error, self.tries = number, error, 0

    def write(self, _: str) -> int:
        self.tries += 1
        raise OSError(self.error, os.strerror(self.error))

    def fileno(self) -> int:
        return self.number


def test_a_stream_remembers_its_failure_and_takes_everything(tmp_path: Path) -> None:
    number = os.open(tmp_path / "disk", os.O_CREAT | os.O_WRONLY)
    try:
        full = _Full(number)
        guarded = console.Guarded(full, closed=False, wanted=True)
        assert guarded.write("") == 0
        assert (guarded.failure, full.tries) == ("", 0)
        assert guarded.write("results") == len("results")
        assert guarded.failure == "No space left on device"
        assert os.path.samestat(os.fstat(number), os.stat(os.devnull))
        ended = console.Guarded(_Full(number, errno.EPIPE), closed=False, wanted=True)
        with pytest.raises(BrokenPipeError):
            ended.write("results")
        unheard = console.Guarded(_Full(number, errno.EPIPE), closed=False, wanted=False)
        unheard.write("progress")
        assert (ended.failure, unheard.failure) == ("", "Broken pipe")
    finally:
        os.close(number)


# -- few processes -------------------------------------------------------------------------------


def may_have_so_few(processes: int) -> None:
    """Become a user who may have no more processes, but may read what root may."""
    libc = ctypes.CDLL(None)
    os.setgroups([])
    os.setresuid(65_534, 0, 0)  # the limit is the real user's
    overriding_of_files = 0b110
    drop_from_bounding_set = 24
    for capability in range(41):
        if not overriding_of_files >> capability & 1:
            libc.prctl(drop_from_bounding_set, capability, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="OpenBLAS needs no threads on one core")
@pytest.mark.parametrize("more", [0, 1])  # for NumPy's OpenBLAS, and none left for SciPy's
def test_too_few_processes_are_called_what_they_are(more: int, folder: Path) -> None:
    running = int(subprocess.check_output(["sh", "-c", "ps -u 65534 -L | tail -n +2 | wc -l"]))
    for threads, code in (("", 1), ("1", 0)):
        environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
        environment |= {"OPENBLAS_NUM_THREADS": threads} if threads else {}
        done = subprocess.run(
            [sys.executable, "-m", "hinton06", "show", NET], cwd=folder, check=False,
            capture_output=True, text=True, env=environment,
            preexec_fn=lambda: may_have_so_few(running + 1 + more),
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        if code:
            assert "pthread_create failed" in done.stderr  # OpenBLAS's own words
            last = done.stderr.splitlines()[-1]
            assert last.startswith("hinton06: no more threads can be started here")
            assert "OPENBLAS_NUM_THREADS=1" in last
            assert "start again" not in done.stderr


def test_lines_are_broken_between_words_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "a-long-name-of-a-file.h5: 4 epochs, finished in 5 s\n  train 0.1 per 100, 75 errors; test"
    )
    monkeypatch.setenv("COLUMNS", "30")
    console.tell(text)
    assert capsys.readouterr().out == text + "\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    console.tell(text, err=True)
    made = capsys.readouterr()
    assert (made.out, made.err.splitlines()) == ("", [
        "a-long-name-of-a-file.h5: 4",
        "  epochs, finished in 5 s",
        "  train 0.1 per 100, 75",
        "    errors; test",
    ])  # fmt: skip
    monkeypatch.setenv("COLUMNS", "0")
    console.tell(text)
    assert capsys.readouterr().out == text + "\n"
    monkeypatch.setenv("COLUMNS", "30")
    console.tell("/a/name/of/more/than/thirty-letters.h5: made")
    assert capsys.readouterr().out.split() == ["/a/name/of/more/than/thirty-letters.h5:", "made"]
