"""The one epoch loop: progress, history, saving, resuming, signals.

It knows nothing of which algorithm it runs. A learner offers one epoch, its measurements and
its state, and the same loop trains a stack or a classifier.
"""

from __future__ import annotations

import copy
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from hinton06 import checkpoint, records
from hinton06.checkpoint import Checkpoint, CheckpointError
from hinton06.files import HeldError, Lock
from hinton06.lineage import Lineage
from hinton06.numerics import Array
from hinton06.provenance import describe
from hinton06.records import Tree

SAVE_EVERY_S = 15.0
"""Seconds of training between saves, at least; an epoch that takes longer is saved at its end."""


_ORDERS = (signal.SIGINT, signal.SIGTERM)
# A connection is lost; schedulers say that time runs out. They may come more than once.
_WARNINGS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)


class RunError(Exception):
    """A run that cannot start or go on; the message is one line."""


class UnfitDataError(RunError):
    """Images that a run cannot be made with; the message names them, and no other file."""


class Interrupted(Exception):  # noqa: N818  # not an error: the user asked for it
    """A signal ended the run; what it had is saved, if it `goes_on` when it is started again."""

    def __init__(self, signal_number: int, goes_on: bool = True) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number, self.goes_on = signal_number, goes_on


class Learner(Protocol):
    """What the loop asks of a learner."""

    def finished(self) -> str | None:
        """Why learning is over, or None."""

    def where(self) -> str:
        """The place of the next epoch, in words."""

    def work(self) -> tuple[float, float]:
        """Multiply-adds done so far, and expected in all."""

    def run_epoch(self, tick: Callable[[float], None]) -> dict[str, float]:
        """One epoch; `tick` takes multiply-adds as they are done. Returns a history row."""

    def parameters(self) -> dict[str, Array]:
        """What is being learned, by name."""

    def state(self) -> Tree:
        """Everything that `restore` needs."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on exactly from a `state`."""


class _Restored(Protocol):
    def restore(self, state: Mapping[str, Any]) -> None: ...


class _Kept:
    """Takes a state as it is."""

    def __init__(self) -> None:
        self.state: Tree = {}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.state = dict(state)


class Progress(Protocol):
    """Who is told how far a run is."""

    def begin(self, title: str, done: float, expected: float) -> None:
        """A run starts, or goes on with some of its work done."""

    def tick(self, amount: float) -> None:
        """Some work was done."""

    def epoch(self, where: str, row: Mapping[str, float], done: float, expected: float) -> None:
        """An epoch ended with these measurements."""

    def note(self, message: str) -> None:
        """Something that the user should know."""

    def end(self) -> None:
        """The run ended, one way or another."""


@runtime_checkable
class Watcher(Progress, Protocol):
    """A `Progress` that also looks at what is being learned."""

    def watch(self, weights: Callable[[], Array], shape: tuple[int, int]) -> None:
        """The (n_pixels, n_features) weights now, whenever it asks; images are of that shape.

        Told before the run begins.
        """


def partial_path(path: Path) -> Path:
    """Where a file is kept until it is finished."""
    return path.with_name(path.name + ".part")


class Interrupt:
    """Whether a signal has asked the run to end."""

    def __init__(self, on_request: Callable[[str], None]) -> None:
        self.signal_number: int | None = None
        self._on_request, self._announced, self._ordered = on_request, False, False

    def __call__(self, signal_number: int, _: FrameType | None) -> None:
        """The signal handler: end after this epoch; at the second SIGINT or SIGTERM, at once.

        It prints nothing, since it may have come in the middle of a print.
        """
        if signal_number in _ORDERS:
            if self._ordered:
                raise Interrupted(signal_number)
            self._ordered = True
        if self.signal_number is None:
            self.signal_number = signal_number

    def announce(self) -> None:
        """Say, once, that a signal has come; called between batches."""
        if self.signal_number is not None and not self._announced:
            self._announced = True
            again = "the same signal again" if self._ordered else "twice SIGTERM"
            at_once = f"{again}: stop at once, back at the last save"
            self._on_request(f"stopping after this epoch, to save it ({at_once})")


@contextmanager
def caught_signals(progress: Progress) -> Iterator[Interrupt]:
    """Turn signals into a request that the loop honours at the end of an epoch.

    Only the main thread can: elsewhere they are left as they are, as are warnings that are ignored
    (`nohup`).
    """
    interrupt = Interrupt(progress.note)
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    heard = [s for s in _WARNINGS if signal.getsignal(s) is not signal.SIG_IGN]
    before = {s: signal.signal(s, interrupt) for s in (*_ORDERS, *heard)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class Run:
    """One file that a command makes, from its first epoch to its last, and no other process.

    Until it is finished it is at `path` with ``.part`` behind the name. `settings` (under the name
    of a `recipe`) and `lineage` are everything that determines the result. `check`, of the path of
    a file that lies there and of what it holds, raises CheckpointError if that is not enough.
    """

    path: Path
    kind: str
    recipe: str
    settings: Any
    lineage: Lineage
    title: str
    save_every_s: float = SAVE_EVERY_S
    check: Callable[[Path, Checkpoint], object] = lambda *_: None
    history: list[dict[str, float]] = field(default_factory=list)
    provenance: Tree = field(default_factory=dict)
    _lock: Lock | None = None
    _good: tuple[Tree, Tree, int] | None = None

    @property
    def partial_path(self) -> Path:
        """Where the unfinished file is kept."""
        return partial_path(self.path)

    @property
    def name(self) -> str:
        """For messages: the file, and what its numbers may come from if an error is in them."""
        origin = f" (continued from {self.partial_path})" if self.provenance.get("resumed") else ""
        return f"{self.path}{origin}"

    @contextmanager
    def begun(self, force: bool, progress: Progress) -> Iterator[Checkpoint | None]:
        """Hold the file while a block makes it, which gets what `finished_before` says.

        A finished file is only read, and held by nobody. Raises `RunError` if another process is
        making it (which, where, since when), `CheckpointError` if nothing can be written there.
        """
        lock = Lock(self.path)
        finished = None if force else self._existing(self.path)
        if finished is not None:
            lock.sweep()
            yield finished
            return
        self._hold(lock.take)
        self._lock = lock
        try:
            if not lock.works:
                progress.note(f"{self.path}: this file system has no locks; start no second run")
            yield self.finished_before(force)
        finally:
            self._lock = None
            lock.release()

    def _hold(self, take: Callable[[], None]) -> None:
        """Take or keep the lock, with the errors of this module."""
        try:
            take()
        except HeldError as holder:
            raise RunError(f"{self.path}: is being made by {holder}") from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise CheckpointError(f"{self.path}: cannot be written: {reason}") from None

    def finished_before(self, force: bool) -> Checkpoint | None:
        """The file that the same settings and lineage made earlier; named, if it was not yet.

        With `force` a finished file is forgotten, and an unfinished one of others. Raises
        `RunError` if there is a file of others, `CheckpointError` if one cannot be read.
        """
        if force:  # a finished file stays until the new one takes its place
            try:
                self._existing(self.partial_path)
            except (RunError, CheckpointError):
                self.partial_path.unlink(missing_ok=True)
        elif finished := self._existing(self.path):
            return finished
        partial = self._existing(self.partial_path)
        if partial is None or not partial.complete:
            return None
        checkpoint.move(self.partial_path, self.path)
        return partial

    def _existing(self, path: Path) -> Checkpoint | None:
        if not os.path.exists(path):  # nor is one whose name is too long
            return None
        found = checkpoint.load(path)
        try:
            difference = self._difference_from(found)
        except ValueError as error:
            raise CheckpointError(f"{path}: {error}") from None
        if difference:
            raise RunError(f"{path}: made with other arguments: {difference} (--force replaces it)")
        self.check(path, found)
        return found

    def _difference_from(self, found: Checkpoint) -> str:
        """What differs first between how a file was made and this run, in words."""
        for name in ("kind", "recipe"):
            before, now = getattr(found, name), getattr(self, name)
            if before != now:
                return f"{name} was {before}, now {now}"
        settings = records.from_tree(type(self.settings), found.settings, "setting")
        lineage = records.from_tree(Lineage, found.lineage, "lineage")
        changed = records.difference
        return changed(settings, self.settings) or changed(lineage, self.lineage)

    def train(self, learner: Learner, progress: Progress) -> None:
        """Epoch after epoch until the learner is finished, going on from an unfinished file.

        Raises `Interrupted` after a signal, `RunError` if a number is no longer finite,
        both with the last good epoch saved; `RunError` if the unfinished file is of other
        arguments; `CheckpointError` if a file cannot be read or written.
        """
        self.provenance = _no_time() | describe()
        other_threads = self._go_on_from_file(learner)
        done, expected = learner.work()
        progress.begin(self.title, done, expected)
        if other_threads:
            progress.note(other_threads)
        try:
            # An overflow is no warning in passing: `check_finite` ends the run with its place.
            with caught_signals(progress) as interrupt, np.errstate(all="ignore"):
                self._epochs(learner, progress, interrupt)
            if interrupt.signal_number:
                raise Interrupted(interrupt.signal_number)
        except MemoryError:
            self._save_last_good()
            raise
        finally:
            progress.end()

    def _go_on_from_file(self, learner: _Restored) -> str:
        """A line if it goes on with other threads: a job may be given other cores than before."""
        partial = self._existing(self.partial_path)
        if partial is None:
            return ""
        try:
            learner.restore(partial.state)
            _check_restored(partial.state)
            self.history = checkpoint.history_rows(partial.history)
            before = partial.provenance
            self.provenance |= {n: float(before[n]) for n in ("seconds", "cpu_seconds")}
            self.provenance |= {"started": str(before["started"])}
            self.provenance |= {"resumed": int(before["resumed"]) + 1}
        except (LookupError, ValueError, TypeError, AttributeError, OverflowError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            why = f"cannot be continued: {reason} (remove it to start anew)"
            raise CheckpointError(f"{self.partial_path}: {why}") from None
        old, now = records.from_tree(Lineage, partial.lineage, "lineage"), self.lineage.threads
        other = () if old.threads == now else (old.threads,)
        self.lineage = replace(self.lineage, threads_before=old.threads_before + other)
        change = f"goes on with threads {now} after {old.threads}"
        return f"{self.path}: {change}: its bits will be those of neither" if other else ""

    def _epochs(self, learner: Learner, progress: Progress, interrupt: Interrupt) -> None:
        def tick(amount: float) -> None:
            progress.tick(amount)
            interrupt.announce()

        saved_at = time.monotonic()
        while learner.finished() is None:
            where, started, cpu_started = learner.where(), time.monotonic(), time.process_time()
            row = learner.run_epoch(tick)
            try:
                check_finite(where, row, learner.parameters())
            except RunError as error:
                self._save_last_good()
                raise RunError(f"{self.name}: {error}") from None
            seconds = time.monotonic() - started
            self.history.append({**row, "seconds": seconds})
            self.provenance["seconds"] += seconds
            self.provenance["cpu_seconds"] += time.process_time() - cpu_started
            progress.epoch(where, row, *learner.work())
            if interrupt.signal_number or time.monotonic() - saved_at >= self.save_every_s:
                self.save(learner.state(), self.provenance, len(self.history))
                saved_at = time.monotonic()
            else:
                state = copy.deepcopy(learner.state())
                self._good = state, dict(self.provenance), len(self.history)
            if interrupt.signal_number:
                break
        # A signal may have come after the question above whether to save; and the last
        # measurements may take a while, and may be interrupted.
        self._save_last_good()

    def saved(self) -> tuple[Tree, str]:
        """The state in an unfinished file, its history and times taken over; empty if none.

        And a line if it goes on with other threads.
        """
        self.provenance = _no_time() | describe()
        found = _Kept()
        other_threads = self._go_on_from_file(found)
        return found.state, other_threads

    def save(self, state: Tree, provenance: Tree, epochs: int) -> None:
        """Keep a state of so many epochs, to go on from it."""
        self._write(False, provenance, epochs, state=state)
        self._good = None

    def _write(self, complete: bool, provenance: Tree, epochs: int, **parts: Tree) -> Checkpoint:
        """What is there, with the history of so many epochs, at `partial_path`."""
        settings, lineage = records.to_tree(self.settings), records.to_tree(self.lineage)
        held = Checkpoint(self.kind, complete, self.recipe, settings, lineage, provenance, **parts)
        held.history = checkpoint.history_columns(self.history[:epochs])
        if self._lock is not None:
            self._hold(self._lock.keep)
        checkpoint.save(self.partial_path, held)
        return held

    def _save_last_good(self) -> None:
        """Save the epoch before the one that failed, if it is not saved yet."""
        if self._good is not None:
            self.save(*self._good)

    def finish(self, model: Tree, outcome: Tree) -> Checkpoint:
        """Write the finished file in place of the unfinished one, then give it its name.

        So there is one file at any time, and a process that is killed here has lost nothing.
        Raises `CheckpointError` if it cannot be written or named; the file with ``.part`` stays.
        """
        provenance = self.provenance | {"finished": _now()}
        n_epochs = len(self.history)
        finished = self._write(True, provenance, n_epochs, model=model, outcome=outcome)
        checkpoint.move(self.partial_path, self.path)
        return finished


def _check_restored(state: Mapping[str, Any], group: str = "state") -> None:
    """Before an epoch is spent on them, and then blamed on the rate."""
    for name, value in state.items():
        if isinstance(value, Mapping):
            _check_restored(value, f"{group}/{name}")
        elif isinstance(value, np.ndarray) and not np.isfinite(value).all():
            raise ValueError(f"its {group}/{name} holds a number that is not finite")


def check_finite(where: str, row: Mapping[str, float], parameters: Mapping[str, Array]) -> None:
    """Raise `RunError` where a number overflowed, in the epoch `where` it did.

    It names the first array, or measurement in `row`, that is not finite.
    """
    bad = [name for name, array in parameters.items() if not np.isfinite(array).all()]
    bad += [name.replace("_", " ") for name, value in row.items() if not math.isfinite(value)]
    if bad:
        kept = "what was good before is kept (a smaller rate?)"
        raise RunError(f"{where}: {bad[0]} no longer finite; {kept}")


def _no_time() -> Tree:
    return {"started": _now(), "seconds": 0.0, "cpu_seconds": 0.0, "resumed": 0}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
