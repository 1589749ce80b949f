"""A group of files at once: their epochs, what is saved on the way, memory, signals.

What `hinton06.training` does for one file. Each file is one of its `Run`s, held by this process
until it is finished; unfinished ones have a state of their own, so that a group may be made up
anew at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from hinton06.loading import Context, Outcome, RunFile, typed
from hinton06.many.place import Place
from hinton06.recipes import counted
from hinton06.records import Tree
from hinton06.training import Interrupt, Interrupted, Run, RunError, caught_signals

_WRITERS = 8
_SAVING = 0.1
"""The share of time, at most, in which unfinished files are being written."""


@dataclass
class Member:
    """One file of a group, and what its epochs have given."""

    run: Run
    seed: int
    split: str | None
    state: Tree = field(default_factory=dict)
    saving: Future[None] | None = None

    def open(self, place: Place) -> str:
        """Take over what an unfinished file has; a line if it goes on in another way."""
        self.run.history = []
        self.state, note = self.run.saved()
        self.run.provenance |= place.described()
        return "" if place.on_card else note  # a card's bits are of no threads

    @property
    def epoch(self) -> int:
        """Epochs that its state has."""
        return int(self.state.get("epoch", 0))


@dataclass
class Result:
    """What a file is finished with."""

    model: Tree
    outcome: Outcome


class Learner(Protocol):
    """What `Group` asks of the learner of a group; lists have an entry for each net."""

    def run_epoch(self, tick: Callable[[float], None]) -> list[dict[str, float]]:
        """One epoch of all; a history row of each."""

    def finite(self) -> list[bool]:
        """Whether each one's numbers are finite."""

    def done(self) -> list[int]:
        """The places of those that are finished."""

    def keep(self, places: Sequence[int]) -> None:
        """Go on with some."""

    def work_left(self) -> float:
        """Multiply-adds that are expected still."""

    def states(self) -> list[dict[str, Any]]:
        """What each needs to go on."""

    def restore(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from states."""


class Stage(Protocol):
    """One step of an experiment, which makes a file for each net."""

    title: str

    def start(self, members: Sequence[Member]) -> Learner:
        """A learner of these."""

    def results(
        self, learner: Any, places: Sequence[int], members: Sequence[Member]
    ) -> list[Result]:
        """What those at some places, `members`, end with."""

    def alike(self, member: Member) -> object:
        """What is the same in those that can learn together, if they are equally far."""

    def guess(self, member: Member) -> float:
        """Multiply-adds that one not yet begun is expected to take."""


class Work:
    """What is done and what is left of a whole command, told to a `Progress`."""

    def __init__(self, context: Context, later: Callable[[], float]) -> None:
        self.progress, self._later = context.progress, later
        self.done = 0.0
        self.now = 0.0
        self.waiting = 0.0

    def tick(self, amount: float) -> None:
        """Some work was done."""
        self.done += amount
        self.progress.tick(amount)

    def expected(self) -> float:
        """In all."""
        return self.done + self.now + self.waiting + self._later()


class Writers:
    """Threads that write files while learning goes on."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_WRITERS)
        self._saving: list[Future[None]] = []
        self._saved_at, self._took = time.monotonic(), 0.0

    def finish(self, member: Member, result: Result) -> Future[RunFile]:
        """The finished file, when it is written."""
        return self._pool.submit(_finish, member, result)

    def due(self, every_s: float) -> bool:
        """Whether unfinished files should be saved, and can be."""
        waited = time.monotonic() - self._saved_at
        idle = all(saving.done() for saving in self._saving)
        return idle and waited >= max(every_s, self._took / _SAVING)

    def save(self, members: Sequence[Member], states: Sequence[Tree], wait: bool) -> None:
        """Write unfinished files; `wait` until they are."""
        self.wait()
        began = time.monotonic()
        self._saved_at = began
        ends: list[float] = []

        def write(run: Run, state: Tree, provenance: Tree, epochs: int) -> None:
            run.save(state, provenance, epochs)
            ends.append(time.monotonic())
            self._took = max(ends) - began

        for member, state in zip(members, states, strict=True):
            run = member.run
            now = state, dict(run.provenance), len(run.history)  # before it learns on
            member.saving = self._pool.submit(write, run, *now)
            self._saving.append(member.saving)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until what is being saved is saved; raises what went wrong."""
        for saving in self._saving:
            saving.result()
        self._saving = []

    def close(self) -> None:
        """Until everything is written."""
        self._pool.shutdown()


def _finish(member: Member, result: Result) -> RunFile:
    run = member.run
    if member.saving is not None:  # which was submitted earlier, to the same threads
        member.saving.result()
    made = typed(run.path, run.finish(result.model, result.outcome.tree()))
    assert made.digest  # computed here, in a thread
    return made


@contextmanager
def held(members: Sequence[Member], context: Context) -> Iterator[dict[int, RunFile]]:
    """Hold the files while a block makes them; gives those finished before, by their places."""
    found: dict[int, RunFile] = {}
    with ExitStack() as stack:
        for number, member in enumerate(members):
            finished = stack.enter_context(member.run.begun(context.force, context.progress))
            if finished:
                found[number] = typed(member.run.path, finished)
        yield found


def make(
    stage: Stage, members: Sequence[Member], place: Place, context: Context, work: Work,
    together: int,
) -> list[RunFile]:  # fmt: skip
    """All files of a stage, in groups of at most `together` that are equally far.

    Raises `Interrupted` after a signal, `RunError` where numbers are no longer finite, when the
    other files are made, or where there is no memory for a single net.
    """
    writers = Writers()
    with held(members, context) as found, caught_signals(context.progress) as interrupt:
        files: dict[int, Any] = dict(found)
        places = {id(member): number for number, member in enumerate(members)}
        queue = [member for number, member in enumerate(members) if number not in found]
        lost: list[str] = []
        try:
            notes = [note for note in [member.open(place) for member in queue] if note]
            if notes:  # one of a kind
                more = f" ({len(notes) - 1} others as well)" if notes[1:] else ""
                context.progress.note(notes[0] + more)
            while queue:
                queue.sort(key=lambda member: -member.epoch)
                now = queue[0].epoch, stage.alike(queue[0])
                group = [m for m in queue if (m.epoch, stage.alike(m)) == now][:together]
                rest = [member for member in queue if member not in group]
                work.waiting = sum(stage.guess(member) for member in rest)
                made: list[tuple[Member, Future[RunFile]]] = []
                try:
                    _learn(stage, group, writers, context, work, interrupt, lost, made)
                except torch.OutOfMemoryError:
                    together = len(group) // 2
                files |= {places[id(member)]: file for member, file in made}
                queue = group + rest
                if group:  # what is left of it
                    place.release()
                    if not together:
                        raise RunError("not enough memory for a single net") from None
                    context.progress.note(
                        f"not enough memory; {counted(together, 'net')} at a time"
                    )
                    writers.wait()
                    for member in group:
                        member.open(place)
            done = {
                number: file.result() if isinstance(file, Future) else file
                for number, file in files.items()
            }
        finally:
            writers.close()
        if lost:
            raise RunError("; ".join(lost))
    return [done[number] for number in range(len(members))]


def _learn(
    stage: Stage, members: list[Member], writers: Writers, context: Context, work: Work,
    interrupt: Interrupt, lost: list[str], made: list[tuple[Member, Future[RunFile]]],
) -> None:  # fmt: skip
    """One group, each net to its end: of its members it keeps those that have not come to it.

    To `made` are added the files that will be, to `lost` what is to be said of the others.
    """
    learner = stage.start(members)
    if members[0].state:
        learner.restore([member.state for member in members])
    for member in members:
        member.state = {}

    def tick(amount: float) -> None:
        work.tick(amount)
        interrupt.announce()

    while True:
        done = learner.done()
        if done:  # also at once, of a state that is finished
            results = stage.results(learner, done, [members[place] for place in done])
            pairs = zip(done, results, strict=True)
            made += [(members[p], writers.finish(members[p], result)) for p, result in pairs]
        going = [place for place in range(len(members)) if place not in done]
        if going and not interrupt.signal_number:
            finite = learner.finite()
            for place in [place for place in going if not finite[place]]:
                going.remove(place)
                lost.append(f"{members[place].run.name}: its numbers are no longer finite")
        if len(going) < len(members):
            members[:] = [members[place] for place in going]
            if going:
                learner.keep(going)
        if not members:
            return
        if interrupt.signal_number or writers.due(context.save_every_s):
            writers.save(members, learner.states(), wait=bool(interrupt.signal_number))
        if interrupt.signal_number:
            raise Interrupted(interrupt.signal_number)
        _epoch(stage, learner, members, work, tick)


def _epoch(
    stage: Stage, learner: Learner, members: Sequence[Member], work: Work,
    tick: Callable[[float], None],
) -> None:  # fmt: skip
    """One epoch of a group; histories and times are those of a net's share."""
    began, cpu = time.monotonic(), time.process_time()
    rows = learner.run_epoch(tick)
    n_nets = len(members)
    seconds = (time.monotonic() - began) / n_nets
    for member, row in zip(members, rows, strict=True):
        run = member.run
        run.history.append(row | {"seconds": seconds})
        run.provenance["seconds"] += seconds
        run.provenance["cpu_seconds"] += (time.process_time() - cpu) / n_nets
        run.provenance["together"] = max(n_nets, int(run.provenance.get("together", 0)))
    work.now = learner.work_left()
    means = {name: float(np.mean([row[name] for row in rows if name in row])) for name in rows[0]}
    where = f"{stage.title} epoch {len(members[0].run.history)}, {counted(n_nets, 'net')}"
    work.progress.epoch(where, means, work.done, work.expected())
