from __future__ import annotations

import dataclasses
import os
import signal

import h5py
import numpy as np
import pytest

from hinton06 import checkpoint, training
from hinton06.checkpoint import CheckpointError
from hinton06.lineage import Lineage
from hinton06.recipes import RECIPES
from hinton06.training import Interrupted, Run, RunError, check_finite


class Walk:
    """A learner whose weights walk at random: any lost or repeated draw shows in them."""

    def __init__(self, epochs=6, size=3, in_epoch=lambda _number: None):
        self.weights = np.zeros(size)
        self.rng = np.random.Generator(np.random.SFC64(5))
        self.epoch = 0
        self.epochs = epochs
        self.in_epoch = in_epoch

    def finished(self):
        return "walked enough" if self.epoch >= self.epochs else None

    def where(self):
        return f"epoch {self.epoch + 1}"

    def work(self):
        return float(self.epoch), float(self.epochs)

    def run_epoch(self, tick):
        self.weights += self.rng.standard_normal(len(self.weights))
        tick(0.5)
        self.in_epoch(self.epoch + 1)
        tick(0.5)
        self.epoch += 1
        row = {"length": float(np.linalg.norm(self.weights))}
        return row | {"even": 1.0} if self.epoch % 2 == 0 else row

    def parameters(self):
        return {"layer 1 weights": self.weights}

    def state(self):
        return {
            "epoch": self.epoch,
            "weights": self.weights,
            "rng": self.rng.bit_generator.state,
        }

    def restore(self, state):
        np.copyto(self.weights, state["weights"])
        self.epoch = int(state["epoch"])
        self.rng.bit_generator.state = state["rng"]


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def process_time(self):
        return 2 * self.now


@pytest.fixture
def make_run(tmp_path):
    """A run as a command begins it anew: the same file, the same arguments."""

    def make(save_every_s=0.0, kind="stack", recipe="tiny", settings=None, **more):
        settings = dataclasses.replace(RECIPES["tr2006"].pretrain, **settings or {})
        lineage = Lineage(**{"data": "0" * 64, "seed": 1, "threads": 1} | more)
        path = tmp_path / "walk.h5"
        return Run(path, kind, recipe, settings, lineage, "walk", save_every_s)

    return make


def complete(run, learner, progress):
    run.train(learner, progress)
    return run.finish({"weights": learner.weights}, {"reason": learner.finished()})


SAVING = [
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU,
]  # fmt: skip


def handlers():
    return [signal.getsignal(number) for number in SAVING]


def columns_but_seconds(found):
    return {name: column for name, column in found.history.items() if name != "seconds"}


# -- an undisturbed run --------------------------------------------------------------------------


def test_each_epoch_leaves_a_row_with_its_seconds(make_run, progress, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(training, "time", clock)

    def takes_as_many_seconds_as_its_number(number):
        clock.now += number

    run = make_run()
    made = complete(run, Walk(4, in_epoch=takes_as_many_seconds_as_its_number), progress)
    assert list(made.history) == ["length", "seconds", "even"]
    assert made.history["seconds"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(made.history["even"], [np.nan, 1, np.nan, 1])
    assert made.provenance["seconds"] == 10
    assert made.provenance["cpu_seconds"] == 20
    assert made.provenance["resumed"] == 0


def test_progress_hears_of_the_beginning_every_tick_every_epoch_and_the_end(make_run, progress):
    make_run().train(Walk(3), progress)
    assert progress.calls == ["begin walk", "end"]
    assert progress.work == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert progress.ticked == 3
    assert progress.places == ["epoch 1", "epoch 2", "epoch 3"]
    assert all("seconds" not in row for row in progress.rows)


def test_the_finished_file_takes_the_place_of_the_unfinished_one(make_run, progress, assert_same):
    run, learner = make_run(), Walk()
    run.train(learner, progress)
    assert not run.path.exists()
    assert not checkpoint.load(run.partial_path).complete
    made = run.finish({"weights": learner.weights}, {"reason": "x"})
    assert list(run.path.parent.iterdir()) == [run.path]
    found = checkpoint.load(run.path)
    assert found.complete
    assert found.state == {}
    assert_same(vars(found), vars(made))


def test_a_finished_file_that_cannot_be_written_leaves_the_unfinished_one(make_run, progress):
    run, learner = make_run(), Walk()
    run.train(learner, progress)
    run.path.mkdir()
    with pytest.raises(CheckpointError, match=f"^{run.path}: cannot be written"):
        run.finish({"weights": learner.weights}, {})
    kept = checkpoint.load(run.partial_path)
    assert kept.complete
    run.path.rmdir()
    assert make_run().finished_before(force=False).digest() == kept.digest()
    assert list(run.path.parent.iterdir()) == [run.path]


@pytest.mark.parametrize(
    ("seconds_an_epoch", "epochs_saved"),
    [(6, [3, 6, 9, 10]), (5, [3, 6, 9, 10]), (20, list(range(1, 11))), (1, [10])],
)
def test_epochs_are_saved_every_save_every_s_and_at_the_end(
    seconds_an_epoch, epochs_saved, make_run, progress, monkeypatch
):
    clock, saved = Clock(), []
    save = checkpoint.save

    def recorded(path, held):
        saved.append(held.state["epoch"])
        save(path, held)

    def takes_a_while(_):
        clock.now += seconds_an_epoch

    monkeypatch.setattr(training, "time", clock)
    monkeypatch.setattr(checkpoint, "save", recorded)
    make_run(save_every_s=15).train(Walk(10, in_epoch=takes_a_while), progress)
    assert saved == epochs_saved


# -- what there is already -----------------------------------------------------------------------


def test_a_file_of_the_same_arguments_is_returned(make_run, progress, assert_same):
    assert make_run().finished_before(force=False) is None
    made = complete(make_run(), Walk(), progress)
    assert_same(vars(make_run().finished_before(force=False)), vars(made))


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [
        ({"seed": 2}, "seed was 1, now 2"),
        ({"settings": {"rate": 0.2}}, "rate was 0.1, now 0.2"),
        ({"settings": {"layers": (9, 10)}}, "layers was 500-500-2000, now 9-10"),
        ({"split": "a"}, "split was nothing, now a"),
        ({"recipe": "other"}, "recipe was tiny, now other"),
        ({"kind": "classifier"}, "kind was stack, now classifier"),
    ],
)
def test_a_file_of_other_arguments_is_kept_and_the_difference_named(
    arguments, difference, make_run, progress
):
    complete(make_run(), Walk(), progress)
    other = make_run(**arguments)
    before = other.path.read_bytes()
    with pytest.raises(RunError) as caught:
        other.finished_before(force=False)
    message = str(caught.value)
    assert message.startswith(f"{other.path}: made with other arguments: ")
    assert difference in message
    assert "--force" in message
    assert len(message.splitlines()) == 1
    assert other.path.read_bytes() == before


@pytest.mark.usefixtures("stopped")
def test_force_goes_on_with_an_unfinished_file_of_the_same_arguments(make_run, progress):
    run = make_run()
    assert run.finished_before(force=True) is None
    assert run.partial_path.exists()
    before = len(progress.rows)
    run.train(Walk(), progress)
    assert 0 < len(progress.rows) - before < len(run.history)


def test_force_forgets_what_there_is_but_keeps_the_file_until_the_new_one(make_run, progress):
    complete(make_run(), Walk(), progress)
    other = make_run(seed=2)
    other.partial_path.write_bytes(b"damaged")
    assert other.finished_before(force=True) is None
    assert not other.partial_path.exists()
    assert checkpoint.load(other.path).lineage["seed"] == 1
    complete(other, Walk(), progress)
    assert checkpoint.load(other.path).lineage["seed"] == 2


def test_a_damaged_finished_file_is_named(make_run):
    run = make_run()
    run.path.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=f"^{run.path}: not a readable HDF5 file"):
        run.finished_before(force=False)


# -- stopping and going on -----------------------------------------------------------------------


@pytest.mark.parametrize("number", SAVING)
@pytest.mark.parametrize("deliver", [signal.raise_signal, lambda n: os.kill(os.getpid(), n)])
@pytest.mark.parametrize("epoch", [1, 3, 6])
def test_a_signal_saves_the_whole_epoch_it_came_in(number, deliver, epoch, make_run, progress):
    before = handlers()
    run = make_run(save_every_s=1e9)
    learner = Walk(in_epoch=lambda now: deliver(number) if now == epoch else None)
    with pytest.raises(Interrupted) as caught:
        run.train(learner, progress)
    assert caught.value.signal_number == number
    assert str(caught.value) == number.name
    assert handlers() == before
    assert progress.calls == ["begin walk", "end"]
    assert len(progress.notes) == 1
    found = checkpoint.load(run.partial_path)
    assert found.state["epoch"] == epoch
    assert len(found.history["length"]) == epoch
    assert not run.path.exists()


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_a_signal_while_a_state_is_copied_saves_the_epoch_too(epoch, make_run, progress):
    """The moment between the question whether to save and the next: nothing may fall into it."""
    run, learner = make_run(save_every_s=1e9), Walk()
    taken, signals = learner.state, [signal.SIGTERM]

    def state():
        if learner.epoch == epoch and signals:
            signal.raise_signal(signals.pop())
        return taken()

    learner.state = state
    with pytest.raises(Interrupted):
        run.train(learner, progress)
    found = checkpoint.load(run.partial_path)
    assert found.state["epoch"] == epoch
    assert len(found.history["length"]) == epoch


@pytest.mark.parametrize("epoch", range(1, 7))
def test_an_interrupted_run_goes_on_to_the_same_bits(epoch, make_run, make_progress, assert_same):
    undisturbed = Walk()
    expected = complete(make_run(), undisturbed, make_progress())
    expected_history = columns_but_seconds(expected)
    make_run().path.unlink()

    stopped = Walk(in_epoch=lambda n: signal.raise_signal(signal.SIGTERM) if n == epoch else None)
    with pytest.raises(Interrupted):
        make_run().train(stopped, make_progress())
    resumed, progress = make_run(), make_progress()
    found = complete(resumed, Walk(), progress)
    assert progress.work[0] == (epoch, 6)
    assert found.digest() == expected.digest()
    assert_same(columns_but_seconds(found), expected_history)
    assert len(found.history["seconds"]) == 6
    assert found.outcome == expected.outcome
    assert found.provenance["resumed"] == 1


def test_every_resumption_is_counted_and_the_seconds_add_up(make_run, make_progress):
    for epoch in range(1, 6):
        stopped = Walk(in_epoch=lambda n, e=epoch: signal.raise_signal(2) if n == e else None)
        with pytest.raises(Interrupted):
            make_run().train(stopped, make_progress())
    found = complete(make_run(), Walk(), make_progress())
    assert found.provenance["resumed"] == 5
    # the same six numbers summed in the same order, read back exactly
    assert found.provenance["seconds"] == sum(found.history["seconds"].tolist())


def test_a_second_signal_stops_at_once_back_at_the_last_save(make_run, progress):
    before = handlers()
    reached = []

    def twice(epoch):
        if epoch == 3:
            signal.raise_signal(signal.SIGTERM)
            reached.append("after the first")
            signal.raise_signal(signal.SIGTERM)
            reached.append("after the second")

    run, learner = make_run(), Walk(in_epoch=twice)
    with pytest.raises(Interrupted):
        run.train(learner, progress)
    assert reached == ["after the first"]
    assert learner.epoch == 2
    assert checkpoint.load(run.partial_path).state["epoch"] == 2
    assert handlers() == before
    assert progress.calls == ["begin walk", "end"]


@pytest.mark.parametrize("first", SAVING[2:])
@pytest.mark.parametrize("second", SAVING)
def test_a_warning_and_what_follows_it_save_the_epoch(first, second, make_run, progress):
    # A shell and the kernel both send SIGHUP; after a warning a scheduler sends SIGTERM.
    def warned(epoch):
        if epoch == 3:
            signal.raise_signal(first)
            signal.raise_signal(second)

    run = make_run(save_every_s=1e9)
    with pytest.raises(Interrupted) as caught:
        run.train(Walk(in_epoch=warned), progress)
    assert caught.value.signal_number == first
    assert checkpoint.load(run.partial_path).state["epoch"] == 3


def test_after_a_warning_a_second_order_stops_at_once(make_run, progress):
    def warned(epoch):
        if epoch == 3:
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)

    run = make_run()
    with pytest.raises(Interrupted):
        run.train(Walk(in_epoch=warned), progress)
    assert checkpoint.load(run.partial_path).state["epoch"] == 2


@pytest.mark.parametrize("number", SAVING[2:])
def test_what_is_ignored_stays_ignored(number, make_run, progress):
    """As after `nohup`: a lost connection then ends nothing."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        learner = Walk(in_epoch=lambda epoch: signal.raise_signal(number) if epoch == 2 else None)
        run = make_run()
        complete(run, learner, progress)
        assert (learner.epoch, progress.notes) == (6, [])
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


# -- other threads -------------------------------------------------------------------------------


def begun(make_run, progress, epoch, threads):
    """The lineage of an unfinished file after so many epochs, the last with these threads."""
    stopped = Walk(in_epoch=lambda n: signal.raise_signal(signal.SIGTERM) if n == epoch else None)
    run = make_run(threads=threads)
    with pytest.raises(Interrupted):
        run.train(stopped, progress)
    return checkpoint.load(run.partial_path).lineage


def test_a_run_goes_on_with_other_threads_says_so_and_records_both(make_run, make_progress):
    path = make_run().path
    quiet = make_progress()
    assert begun(make_run, quiet, 1, 4)["threads_before"] == []
    assert begun(make_run, quiet, 2, 4)["threads_before"] == []
    said = make_progress()
    lineage = begun(make_run, said, 3, 2)
    assert (lineage["threads"], lineage["threads_before"]) == (2, [4])
    note = f"{path}: goes on with threads 2 after 4: its bits will be those of neither"
    assert said.notes[0] == note
    again = make_progress()
    lineage = begun(make_run, again, 4, 2)
    assert (lineage["threads"], lineage["threads_before"]) == (2, [4])
    run, back = make_run(threads=4), make_progress()
    found = complete(run, Walk(), back)
    assert (found.lineage["threads"], found.lineage["threads_before"]) == (4, [4, 2])
    assert back.notes == [note.replace("threads 2 after 4", "threads 4 after 2")]
    for recorded in (quiet, again):  # but that a signal had come
        assert all("stopping after this epoch" in line for line in recorded.notes)


def test_a_finished_file_of_other_threads_is_found(make_run, progress):
    complete(make_run(threads=4), Walk(), progress)
    assert make_run(threads=2).finished_before(force=False).lineage["threads"] == 4


def test_a_signal_during_the_last_save_ends_the_run_too(make_run, progress, monkeypatch):
    run = make_run(save_every_s=1e9)
    save = checkpoint.save

    def interrupted_save(path, held):
        signal.raise_signal(signal.SIGINT)
        save(path, held)

    monkeypatch.setattr(checkpoint, "save", interrupted_save)
    with pytest.raises(Interrupted):
        run.train(Walk(), progress)
    assert checkpoint.load(run.partial_path).state["epoch"] == 6


@pytest.mark.parametrize("raised", [RuntimeError("other"), MemoryError(), KeyboardInterrupt()])
def test_handlers_and_display_are_restored_whatever_happens(raised, make_run, progress):
    before = handlers()

    def fails(_):
        raise raised

    with pytest.raises(type(raised)):
        make_run().train(Walk(in_epoch=fails), progress)
    assert handlers() == before
    assert progress.calls == ["begin walk", "end"]


# -- an unfinished file that cannot be continued -------------------------------------------------


@pytest.fixture
def stopped(make_run, make_progress):
    """The unfinished file of a run that was stopped in its third epoch."""
    learner = Walk(in_epoch=lambda n: signal.raise_signal(signal.SIGTERM) if n == 3 else None)
    run = make_run()
    with pytest.raises(Interrupted):
        run.train(learner, make_progress())
    return run.partial_path


def refused(error, run, learner, progress, *words):
    with pytest.raises(error) as caught:
        run.train(learner, progress)
    message = str(caught.value)
    assert message.startswith(f"{run.partial_path}: ")
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message


def test_a_damaged_unfinished_file_is_named(stopped, make_run, progress):
    stopped.write_bytes(stopped.read_bytes()[:2000])
    refused(CheckpointError, make_run(), Walk(), progress, "damaged")


def test_an_unfinished_file_of_other_arguments_is_kept(stopped, make_run, progress):
    before = stopped.read_bytes()
    refused(RunError, make_run(seed=2), Walk(), progress, "seed was 1, now 2", "--force")
    refused(RunError, make_run(kind="classifier"), Walk(), progress, "stack")
    assert stopped.read_bytes() == before


def test_an_unfinished_file_of_other_shapes_is_named(stopped, make_run, progress):
    refused(CheckpointError, make_run(), Walk(size=4), progress, "cannot be continued", "remove it")
    assert stopped.exists()


@pytest.mark.parametrize("name", ["epoch", "weights", "rng"])
def test_an_unfinished_file_that_lacks_some_of_its_state_is_named(
    name, stopped, make_run, progress
):
    found = checkpoint.load(stopped)
    del found.state[name]
    checkpoint.save(stopped, found)
    refused(CheckpointError, make_run(), Walk(), progress, "cannot be continued", name)


@pytest.mark.parametrize("value", [None, "many", [1], float("nan"), float("inf")])
def test_an_unfinished_file_with_a_wrong_epoch_is_named(value, stopped, make_run, progress):
    found = checkpoint.load(stopped)
    found.state["epoch"] = value
    checkpoint.save(stopped, found)
    refused(CheckpointError, make_run(), Walk(), progress, "cannot be continued")


@pytest.mark.parametrize("number", [np.nan, -np.inf])
@pytest.mark.parametrize("place", ["weights", "velocity/down"])
def test_an_unfinished_file_that_holds_a_number_not_finite_is_named_before_an_epoch_is_spent(
    place, number, stopped, make_run, progress
):
    found = checkpoint.load(stopped)
    found.state["velocity"] = {"down": np.zeros(3)}
    group, _, name = place.rpartition("/")
    (found.state[group] if group else found.state)[name][1] = number
    checkpoint.save(stopped, found)
    walk = Walk(in_epoch=lambda _: pytest.fail("an epoch was spent on it"))
    refused(
        CheckpointError, make_run(), walk, progress,
        f"{stopped}: cannot be continued", f"its state/{place} holds a number that is not finite",
    )  # fmt: skip


def test_a_run_that_overflows_after_it_was_resumed_names_the_file_that_it_went_on_from(
    stopped, make_run, progress
):
    found = checkpoint.load(stopped)
    found.state["weights"][1] = 1e308  # finite, but not for long

    def grow(_):
        with np.errstate(over="ignore"):
            walk.weights *= 10

    walk = Walk(in_epoch=grow)
    checkpoint.save(stopped, found)
    run = make_run()
    named = rf"^{run.path} \(continued from {stopped}\): epoch \d: layer 1 weights no longer finite"
    with pytest.raises(RunError, match=named):
        run.train(walk, progress)


@pytest.mark.parametrize(
    "damage", [{}, {"started": "now", "seconds": 1.0, "cpu_seconds": 1.0, "resumed": "once"}]
)
def test_an_unfinished_file_with_damaged_provenance_is_named(damage, stopped, make_run, progress):
    found = checkpoint.load(stopped)
    found.provenance = damage
    checkpoint.save(stopped, found)
    refused(CheckpointError, make_run(), Walk(), progress, "cannot be continued")


def test_an_unfinished_file_with_a_link_is_named(stopped, make_run, progress, edited):
    with edited(stopped) as file:
        file.move("state/weights", "weights")
        file["state/weights"] = h5py.SoftLink("/weights")
    refused(CheckpointError, make_run(), Walk(), progress, "/state/weights")


def test_a_finished_file_is_checked_before_it_gets_its_name(make_run, make_progress):
    def check(path, found):
        raise CheckpointError(f"{path}: {found.outcome['reason']}, it says")

    made = complete(make_run(), Walk(), make_progress())
    run = make_run()
    run.path.rename(run.partial_path)
    run.check = check
    with pytest.raises(CheckpointError, match=f"^{run.partial_path}: {made.outcome['reason']}"):
        run.finished_before(force=False)
    assert run.partial_path.exists()
    assert not run.path.exists()


# -- numbers that are not finite -----------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_parameter_that_overflows_ends_the_run_and_keeps_the_last_good_file(
    bad, make_run, progress
):
    run = make_run()
    learner = Walk(in_epoch=lambda n: learner.weights.__setitem__(1, bad) if n == 3 else None)
    with pytest.raises(RunError, match=f"^{run.path}: epoch 3: layer 1 weights no longer finite"):
        run.train(learner, progress)
    found = checkpoint.load(run.partial_path)
    assert found.state["epoch"] == 2
    assert np.isfinite(found.state["weights"]).all()
    assert len(found.history["length"]) == 2


def test_a_measurement_that_overflows_ends_the_run_and_keeps_the_last_good_file(make_run, progress):
    class Overflows(Walk):
        def run_epoch(self, tick):
            row = super().run_epoch(tick)
            return row | {"train_cost": float("nan")} if self.epoch == 5 else row

    run = make_run()
    with pytest.raises(
        RunError, match=f"^{run.path}: epoch 5: train cost no longer finite"
    ) as caught:
        run.train(Overflows(), progress)
    assert len(str(caught.value).splitlines()) == 1
    assert checkpoint.load(run.partial_path).state["epoch"] == 4


def test_check_finite_accepts_what_is_finite_and_names_the_first_that_is_not():
    largest = np.array([np.finfo(np.float32).max], np.float32)
    check_finite("epoch 1", {"cost": 1e308}, {"a": largest, "b": np.zeros(2)})
    broken = np.array([0, np.nan])
    with pytest.raises(RunError, match=r"^epoch 1: b no longer"):
        check_finite("epoch 1", {"cost": np.inf}, {"a": largest, "b": broken, "c": broken})


def test_signals_are_only_noted_until_the_epoch_ends(progress):
    with training.caught_signals(progress) as interrupt:
        assert interrupt.signal_number is None
        signal.raise_signal(signal.SIGINT)
        assert interrupt.signal_number == signal.SIGINT
        assert progress.notes == []  # it may have come in the middle of a print
        interrupt.announce()
        interrupt.announce()
        assert len(progress.notes) == 1
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
