"""Kill every long command at random and at chosen moments; compare what it makes in the end.

Each command is run undisturbed once. Then it is run again in a folder of its own, killed,
started again, killed again, until it is let go, and its finished file is compared bit for bit
with the undisturbed one: every array, every measurement of the history and the outcome; of the
file only the times and the count of resumptions may differ. After each kill every file that is
there must be whole, and hold no fewer epochs than before.

The moments are random points of processor time, at which the kernel sends the signal, and
random occurrences of chosen calls: half a file written, before and after the file is synced and
renamed, between two layers, in a measurement, in the middle of going on.

    python experiments/faults/torture.py FOLDER --kills 210
"""

from __future__ import annotations

import argparse
import builtins
import csv
import ctypes
import functools
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hinton06.__main__
import hinton06.cli
from hinton06 import checkpoint, loading, mnist, provenance, training
from hinton06.cli import options
from hinton06.console import stopped_in_a_line
from hinton06.stacking import GreedyStack

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
RECORDED = Path(__file__).parent
LONGEST_S = 600
THREADS = "2"
_CLOCK_PROCESS_CPU = 2

PRETRAIN = ["--runs", ".", "--layers", "12-10-14", "--passes", "3", "--batch", "25"]
BACKPROP = ["--max-epochs", "5", "--patience", "1", "--batch", "25"]
WAKESLEEP = ["--epochs", "4", "--batch", "25"]


@dataclass(frozen=True)
class Command:
    """A long command: its name here, what it needs, what it makes."""

    name: str
    needs: tuple[str, ...]
    arguments: tuple[str, ...]
    makes: str


COMMANDS = (
    Command("pretrain", (), ("pretrain", "--split", "a", *PRETRAIN), "pretrain-a.h5"),
    Command(
        "pretrain --persistent", (),
        ("pretrain", "--split", "a", *PRETRAIN, "--layers", "12-784-12", "--persistent",
         "--cd", "2", "--start", "transpose", "--track", "2", "--out", "persistent-a.h5"),
        "persistent-a.h5",
    ),
    Command(
        "pretrain --labels", (), ("pretrain", "--labels", "--split", "a", *PRETRAIN),
        "pretrain-labels-a.h5",
    ),
    Command(
        "finetune-bp", ("pretrain-a.h5",), ("finetune-bp", "pretrain-a.h5", *BACKPROP), "bp-a.h5"
    ),
    Command(
        "finetune-bp --extend", ("bp-a.h5",), ("finetune-bp", "--extend", "bp-a.h5", *BACKPROP),
        "bp-a-extended.h5",
    ),
    Command(
        "finetune-bp --no-pretraining", ("bp-a.h5",),
        ("finetune-bp", "--no-pretraining", "bp-a.h5", *BACKPROP), "bp-not-pretrained.h5",
    ),
    Command(
        "finetune-bp, conjugate gradient", ("pretrain-a.h5",),
        ("finetune-bp", "pretrain-a.h5", "--recipe", "science06", "--max-epochs", "3",
         "--top-only-epochs", "1", "--batch", "100", "--out", "bp-cg.h5"), "bp-cg.h5",
    ),
    Command(
        "finetune-bp --dropout --labelled", ("pretrain-a.h5",),
        ("finetune-bp", "pretrain-a.h5", "--dropout", "--labelled", "50", "--epochs", "6",
         "--max-epochs", "9", "--valid-every", "2", "--batch", "25", "--out", "bp-dropout.h5"),
        "bp-dropout.h5",
    ),
    Command(
        "finetune-bp --elastic", ("pretrain-a.h5",),
        ("finetune-bp", "pretrain-a.h5", "--elastic", "1", "--affine", "0.5", *BACKPROP,
         "--out", "bp-elastic.h5"), "bp-elastic.h5",
    ),
    Command(
        "finetune-cws", ("pretrain-labels-a.h5",),
        ("finetune-cws", "pretrain-labels-a.h5", *WAKESLEEP), "cws-a.h5",
    ),
    Command(
        "finetune-cws --extend", ("cws-a.h5",),
        ("finetune-cws", "--extend", "cws-a.h5", *WAKESLEEP), "cws-a-extended.h5",
    ),
    Command(
        "finetune-cws --bp-weight", ("cws-a.h5",),
        ("finetune-cws", "cws-a.h5", "--bp-weight", "0.5", "--out", "mixed-a.h5", *WAKESLEEP),
        "mixed-a.h5",
    ),
    Command(
        "finetune-cws --search-bp-weight", ("cws-a.h5",),
        ("finetune-cws", "cws-a.h5", "--search-bp-weight", *WAKESLEEP), "hybrid-a.h5",
    ),
    Command(
        "finetune-ws", ("pretrain-a.h5",), ("finetune-ws", "pretrain-a.h5", *WAKESLEEP), "ws-a.h5"
    ),
    Command(
        "finetune-ws --no-pretraining", (),
        ("finetune-ws", "--no-pretraining", "--split", "a", "--layers", "12-10-14",
         "--out", "ws-random-a.h5", *WAKESLEEP), "ws-random-a.h5",
    ),
    Command(
        "finetune-pairs", ("pretrain-a.h5",),
        ("finetune-pairs", "pretrain-a.h5", "pretrain-a.h5", "--features", "12", "--passes", "2",
         "--epochs", "3", "--batch", "25", "--out", "pairs-a.h5"), "pairs-a.h5",
    ),
    Command(
        "strategies", (),
        ("strategies", "--recipe", "quick", "--split", "a", "--features", "2-4", "--learned", "2",
         "--draws", "1", "--estimates", "100", "--taught", "100", "--budget", "20000",
         "--support-cases", "100", "--out", "strategies.h5"), "strategies.h5",
    ),
)  # fmt: skip


# -- where a process can be killed ---------------------------------------------------------------

POINTS = (
    "random", "half-written", "before sync", "before rename", "after rename", "between layers",
    "between training and finishing", "going on", "in an epoch",
)  # fmt: skip
_LAST_OCCURRENCE = {
    "in an epoch": 25, "between layers": 3, "between training and finishing": 1, "going on": 1,
}  # fmt: skip


def arm(point: str, number: int, signal_number: int, seconds: float) -> None:
    """Have a signal sent to this process at the `number`-th occurrence of a point."""
    seen = 0

    def here() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal_number)

    def around(holder: Any, name: str, after: bool = False) -> None:
        call = getattr(holder, name)

        @functools.wraps(call)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not after:
                here()
            result = call(*args, **kwargs)
            if after:
                here()
            return result

        setattr(holder, name, wrapped)

    places: dict[str, Callable[[], None]] = {
        "random": lambda: after_processor_time(seconds, signal_number),
        "half-written": lambda: write_by_halves(here),
        "before sync": lambda: around(os, "fsync"),
        "before rename": lambda: around(os, "replace"),
        "after rename": lambda: around(os, "replace", after=True),
        "between layers": lambda: around(GreedyStack, "_learn_above"),
        "between training and finishing": lambda: around(training.Run, "finish"),
        "going on": lambda: around(checkpoint, "history_rows"),
        "in an epoch": lambda: around(training.Interrupt, "announce"),
    }
    places[point]()


def write_by_halves(here: Callable[[], None]) -> None:
    """Make every file that is written half, and flushed, before `here` and then whole."""
    opened = Path.open

    def halves(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = opened(path, mode, *args, **kwargs)
        return HalfWriter(file, here) if mode == "xb" else file

    Path.open = halves


class HalfWriter:
    """A file that stops in the middle of each write."""

    def __init__(self, file: Any, here: Callable[[], None]) -> None:
        self._file, self._here = file, here

    def __enter__(self) -> HalfWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, content: bytes) -> None:
        """Half of it, then perhaps a signal, then the rest."""
        half = len(content) // 2
        self._file.write(content[:half])
        self._file.flush()
        self._here()
        self._file.write(content[half:])


def after_processor_time(seconds: float, signal_number: int) -> None:
    """Have the kernel send a signal once this process has used so much processor time."""
    libc = ctypes.CDLL(None, use_errno=True)
    event = (ctypes.c_char * 64)()
    ctypes.c_int.from_buffer(event, 8).value = signal_number
    timer = ctypes.c_void_p()
    when = (ctypes.c_long * 4)(0, 0, int(seconds), max(1, int(seconds % 1 * 1e9)))
    made = libc.timer_create(_CLOCK_PROCESS_CPU, ctypes.byref(event), ctypes.byref(timer))
    if made or libc.timer_settime(timer, 0, ctypes.byref(when), None):
        raise OSError(ctypes.get_errno(), "no timer")


# -- running a command ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code (minus the signal if it died of one), stderr, time."""

    code: int
    stderr: str
    cpu_seconds: float


def start(
    folder: Path, arguments: Sequence[str], kill: tuple[str, int, int, float] | None
) -> Ended:
    """Run one command to its end in a process of its own, a copy of this one."""
    said = folder / "stderr.txt"
    child = os.fork()
    if child == 0:
        try:
            os.chdir(folder)
            signal.signal(signal.SIGINT, hinton06.__main__.stop)
            descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            signal.alarm(LONGEST_S)
            # Saved after every epoch: more to hit, and more to go on from.
            options.Context = functools.partial(loading.Context, save_every_s=0.0)
            if kill is not None:
                arm(*kill)
            # What starts from a file takes data and threads from it.
            own = ["--data", "../digits", "--threads", THREADS] if "--split" in arguments else []
            hinton06.cli.main([*arguments, "--plain", *own])
        except SystemExit as end:
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        os._exit(99)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, said.read_text(errors="replace"), used.ru_utime + used.ru_stime)


def make_digits(folder: Path) -> None:
    """A few hundred of MNIST's digits as four IDX files."""
    shipped = mnist.read()
    folder.mkdir(parents=True)
    for name, images, labels, n in (
        ("train", shipped.train_images, shipped.train_labels, 300),
        ("t10k", shipped.test_images, shipped.test_labels, 100),
    ):
        for kind, array in (
            ("images-idx3", images[:n].reshape(n, *shipped.shape)), ("labels-idx1", labels[:n]),
        ):  # fmt: skip
            header = bytes([0, 0, 8, array.ndim])
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / f"{name}-{kind}-ubyte").write_bytes(header + sizes + array.tobytes())


# -- what must be the same -----------------------------------------------------------------------


def content(path: Path) -> dict[str, Any]:
    """All that a file holds, as bytes and texts, but the times and the count of resumptions."""
    found = checkpoint.load(path)
    history = {name: column for name, column in found.history.items() if name != "seconds"}
    tree = {
        "kind": found.kind, "complete": found.complete, "recipe": found.recipe,
        "settings": found.settings, "lineage": found.lineage, "model": found.model,
        "history": history, "outcome": found.outcome,
    }  # fmt: skip
    return dict(_leaves("", tree))


def _leaves(prefix: str, tree: dict[str, Any]) -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            leaves += _leaves(f"{prefix}/{name}", value)
        elif isinstance(value, np.ndarray):
            leaves.append((f"{prefix}/{name}", (value.dtype.str, value.shape, value.tobytes())))
        else:
            leaves.append((f"{prefix}/{name}", repr(value)))
    return leaves


def epochs_kept(path: Path) -> int:
    """Epochs in the file, finished or not; 0 without one. Half a file is an error."""
    for candidate in (path, path.with_name(path.name + ".part")):
        if candidate.exists():
            columns = checkpoint.load(candidate).history.values()
            return max((len(column) for column in columns), default=0)
    return 0


# -- the torture ---------------------------------------------------------------------------------


@dataclass
class Result:
    """One trial: a command from its first start to its finished file."""

    command: str
    seed: int
    kills: list[tuple[str, str, int]]
    starts: int
    different: list[str]
    lost: list[str]


def trial(
    folder: Path, command: Command, expected: dict[str, Any], cpu_seconds: float,
    rng: random.Random, seed: int, n_kills: int, points: Sequence[str],
) -> Result:  # fmt: skip
    """Kill a command `n_kills` times at most, let it finish, compare."""
    made = folder / command.makes
    result = Result(command.name, seed, [], 0, [], [])
    kept = 0
    for attempt in range(n_kills + 1):
        point = points[attempt % len(points)] if attempt < n_kills else None
        signal_number = rng.choice(SIGNALS)
        kill = None
        if point is not None:
            number = rng.randint(1, _LAST_OCCURRENCE.get(point, 4))
            kill = (point, number, int(signal_number), rng.uniform(0, 0.8 * cpu_seconds))
        ended = start(folder, command.arguments, kill)
        result.starts += 1
        killed = ended.code in (-signal_number, 128 + signal_number)
        if killed and point is not None:
            result.kills.append((point, signal_number.name, ended.code))
        elif ended.code != 0:
            result.lost.append(f"{point}: exit {ended.code}: {ended.stderr[-300:]}")
        if "Traceback" in ended.stderr:
            result.lost.append(f"{point}: {ended.stderr[-300:]}")
        before, kept = kept, epochs_kept(made)
        if kept < before:
            result.lost.append(f"{point}: {before} epochs became {kept}")
        if ended.code == 0:
            break
    here = content(made) if made.exists() else {}
    result.different = [
        name for name in {**expected, **here} if here.get(name) != expected.get(name)
    ]
    left = {path.name for path in folder.iterdir()} - {command.makes, "stderr.txt", *command.needs}
    if left:
        result.lost.append(f"left behind: {sorted(left)}")
    return result


def undisturbed(top: Path) -> dict[str, tuple[dict[str, Any], float]]:
    """What each command makes when it is left alone, and the processor time that takes."""
    folder = top / "undisturbed"
    folder.mkdir()
    found = {}
    for command in COMMANDS:
        ended = start(folder, command.arguments, None)
        if ended.code != 0:
            raise SystemExit(f"{command.name}: {ended.stderr}")
        found[command.name] = content(folder / command.makes), ended.cpu_seconds
    return found


def torture(
    top: Path, kills: int, seed: int, commands: Sequence[Command],
    log: Callable[[str], None], save: Callable[[list[Result]], None],
) -> list[Result]:  # fmt: skip
    """Trials over these commands in turn until that many kills have hit."""
    provenance.describe()  # asks for what it then remembers, in the copies of this process too
    make_digits(top / "digits")
    expected = undisturbed(top)
    results: list[Result] = []
    hit = 0
    while hit < kills:
        command = commands[len(results) % len(commands)]
        rng = random.Random(f"{seed} {len(results)}")
        points = [p for p in POINTS if p != "between layers" or command.arguments[0] == "pretrain"]
        points += ["random"] * 3
        rng.shuffle(points)
        # There is nothing to go on from at first, and nothing to hit after the last epoch.
        points.sort(key=lambda point: point == "between training and finishing")
        points.sort(key=lambda point: point != "half-written")
        folder = top / f"trial{len(results)}"
        folder.mkdir()
        for name in command.needs:
            shutil.copy(top / "undisturbed" / name, folder)
        result = trial(folder, command, *expected[command.name], rng, len(results), 6, points)
        results.append(result)
        hit += len(result.kills)
        shutil.rmtree(folder)
        save(results)
        log(
            f"{hit} kills; {command.name}: {len(result.kills)} kills in {result.starts} starts, "
            f"{len(result.different)} differences, {result.lost or 'nothing lost'}"
        )
    return results


def summary(results: Sequence[Result], seed: int, wall_seconds: float) -> dict[str, Any]:
    """The record of a torture, as JSON values."""
    kills = [(result.command, *kill) for result in results for kill in result.kills]
    return {
        "commit": provenance.git_revision(),
        "machine": provenance.machine(),
        "seed": seed,
        "trials": len(results),
        "starts": sum(result.starts for result in results),
        "kills": len(kills),
        "differences": sum(len(result.different) for result in results),
        "faults": [fault for result in results for fault in result.lost],
        "kills_by_signal": dict(Counter(kill[2] for kill in kills)),
        "kills_by_command": dict(Counter(kill[0] for kill in kills)),
        "kills_by_moment": dict(Counter(kill[1] for kill in kills)),
        "wall_seconds": round(wall_seconds),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where to work; must not exist")
    parser.add_argument("--kills", type=int, default=210)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="commands whose name holds this")
    parser.add_argument("--record", type=Path, help="folder for torture-seedN.json and .csv")
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    top, started = given.folder.resolve(), time.monotonic()

    def save(results: list[Result]) -> None:
        values = summary(results, given.seed, time.monotonic() - started)
        target = given.record or given.folder
        target.mkdir(parents=True, exist_ok=True)
        (target / f"torture-seed{given.seed}.json").write_text(json.dumps(values, indent=2) + "\n")
        with builtins.open(target / f"torture-seed{given.seed}.csv", "w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["trial", "command", "moment", "signal", "exit code", "differences"])
            for number, result in enumerate(results):
                rows.writerows(
                    [number, result.command, *kill, len(result.different)] for kill in result.kills
                )

    commands = [command for command in COMMANDS if given.only in command.name]
    if not commands:
        parser.error(f"no command's name holds {given.only!r}")

    def log(line: str) -> None:
        print(line, flush=True)

    results = torture(top, given.kills, given.seed, commands, log, save)
    bad = [result for result in results if result.different or result.lost]
    print(
        f"{sum(len(r.kills) for r in results)} kills, {len(bad)} trials with a difference or loss"
    )
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
