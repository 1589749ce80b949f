from __future__ import annotations

import dataclasses
import functools
import signal
from types import SimpleNamespace

import numpy as np
import pytest

from hinton06 import checkpoint, evaluation, experiments, mnist
from hinton06.backprop import DiscriminativeFineTuning
from hinton06.cases import cases_at, random_stream, rows_learned
from hinton06.checkpoint import CheckpointError
from hinton06.directed import top_biases
from hinton06.kinds import KINDS
from hinton06.lineage import NOT_PRETRAINED, VALIDATED, Lineage
from hinton06.loading import Context, load
from hinton06.models import Classifier, Stack
from hinton06.recipes import RECIPES
from hinton06.recognition import Cases, score
from hinton06.stacking import GreedyStack
from hinton06.streams import Use
from hinton06.training import Interrupted, RunError, UnfitDataError


@pytest.fixture
def context(tiny_digits, progress):
    return Context(tiny_digits, progress)


@pytest.fixture(scope="module")
def settings(tiny_pretrain, tiny_backprop):
    """Settings of each kind; gentle and slow ones take the extensions several epochs.

    The net of the search learns its training cases better than others, so a slow one does not
    soon come down to that error rate on all of them.
    """
    wakesleep = dataclasses.replace(
        RECIPES["quick"].wakesleep, epochs=4, batch=32, momentum=0.5, decay=0.001, gibbs=(1, 2)
    )
    return SimpleNamespace(
        pretrain=tiny_pretrain,
        backprop=tiny_backprop,
        near=dataclasses.replace(
            tiny_backprop, dropout=True, feature_dropout=(0.2,), adversarial=0.5, neighbours=3
        ),
        gentle=dataclasses.replace(tiny_backprop, all_cases_rate=0.003, max_epochs=50),
        cg=dataclasses.replace(
            tiny_backprop, optimiser="cg", batch=250, line_searches=2, importance_sampling=False
        ),
        wakesleep=wakesleep,
        slow=dataclasses.replace(wakesleep, rate=1e-6, bp_rate=1e-6),
        search=dataclasses.replace(
            wakesleep, rate=1.0, bp_rate=1.0, search_bp_weight=True, bp_weights=(0.5, 0.9)
        ),
        cheap=dataclasses.replace(wakesleep, generative="pretraining", bp_weight=0.5),
        near_mixed=dataclasses.replace(
            wakesleep, bp_weight=0.5, dropout=True, feature_dropout=(0.2,), neighbours=3
        ),
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory, settings, tiny_digits, make_progress):
    """Everything for Table 1, made once without disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    names = ("stack_a", "stack_b", "net_a", "net_b", *COMMANDS)
    paths = {name: folder / f"{name}.h5" for name in names}
    files = SimpleNamespace(**paths)
    context = Context(tiny_digits, make_progress())
    for name in "ab":
        stack = paths[f"stack_{name}"]
        experiments.pretrain(context, stack, name, settings.pretrain, "tiny", seed=1)
        experiments.finetune(
            context, paths[f"net_{name}"], stack, settings.backprop, "tiny", seed=1
        )
    for command in list(COMMANDS)[2:]:
        COMMANDS[command](context, paths[command], files, settings)
    return files


COMMANDS = {
    "stack_a": lambda context, path, _, s: experiments.pretrain(
        context, path, "a", s.pretrain, "tiny", seed=1
    ),
    "net_a": lambda context, path, files, s: experiments.finetune(
        context, path, files.stack_a, s.backprop, "tiny", seed=1
    ),
    "cg": lambda context, path, files, s: experiments.finetune(
        context, path, files.stack_a, s.cg, "tiny", seed=1
    ),
    "extended": lambda context, path, files, s: experiments.extend(
        context, path, files.net_a, s.gentle, "tiny", seed=1
    ),
    "random": lambda context, path, files, s: experiments.finetune_from_random(
        context, path, [files.net_a, files.net_b], s.backprop, (12, 10, 14), "tiny", seed=1
    ),
    "labels": lambda context, path, _, s: experiments.pretrain(
        context, path, "a", s.pretrain, "tiny", seed=1, labels=True
    ),
    "generative": lambda context, path, files, s: experiments.finetune_generative(
        context, path, files.labels, s.wakesleep, "tiny", seed=1
    ),
    "labels_on": lambda context, path, files, s: experiments.pretrain(
        context, path, "a", s.pretrain, "tiny", seed=2, labels=True, lower=files.stack_a
    ),
    "search": lambda context, path, files, s: experiments.finetune_generative(
        context, path, files.generative, s.search, "tiny", seed=1
    ),
    "cheap": lambda context, path, files, s: experiments.finetune_generative(
        context, path, files.labels, s.cheap, "tiny", seed=1
    ),
    "generative_extended": lambda context, path, files, s: experiments.extend_generative(
        context, path, files.search, s.slow, "tiny", seed=1
    ),
    "moved_stack": lambda context, path, _, s: experiments.pretrain(
        context, path, "a", s.pretrain, "tiny", seed=1, translations=1
    ),
    "moved_net": lambda context, path, files, s: experiments.finetune(
        context, path, files.moved_stack, s.backprop, "tiny", seed=1
    ),
    "moved_extended": lambda context, path, files, s: experiments.extend(
        context, path, files.moved_net, s.gentle, "tiny", seed=1
    ),
    "near": lambda context, path, files, s: experiments.finetune(
        context, path, files.stack_a, s.near, "tiny", seed=1
    ),
    "near_mixed": lambda context, path, files, s: experiments.finetune_generative(
        context, path, files.labels, s.near_mixed, "tiny", seed=1
    ),
    "few": lambda context, path, files, s: experiments.finetune(
        context, path, files.stack_a, s.backprop, "tiny", seed=1, labelled=100
    ),
    "own_stack": lambda context, path, _, s: experiments.pretrain(
        context, path, "a", s.pretrain, "tiny", seed=1, labelled=100
    ),
    "own_net": lambda context, path, files, s: experiments.finetune(
        context, path, files.own_stack, s.backprop, "tiny", seed=1
    ),
    "few_random": lambda context, path, _, s: experiments.finetune_from_random_on_split(
        context, path, "a", s.backprop, (12, 10), "tiny", seed=1, labelled=100
    ),
    "split_random": lambda context, path, _, s: experiments.finetune_from_random_on_split(
        context, path, "b", s.backprop, (12, 10, 14), "tiny", seed=1
    ),
}


class Killed(BaseException):
    """The process is gone, whatever it was doing."""


def loaded(*paths):
    return [checkpoint.load(path) for path in paths]


def refused(error, call, path, *words):
    """The call raises this error, of one line that begins with the path and holds the words."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert type(caught.value) is error
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message


# -- disturbed runs end where undisturbed ones do ------------------------------------------------


@pytest.fixture(params=COMMANDS)
def command(request, files, settings, tiny_digits, tmp_path, assert_same):
    """One training command, its undisturbed result, and a check that a file equals it."""
    undisturbed = checkpoint.load(getattr(files, request.param))

    def run(path, progress, save_every_s):
        context = Context(tiny_digits, progress, save_every_s=save_every_s)
        return COMMANDS[request.param](context, path, files, settings)

    def check(path):
        found = checkpoint.load(path)
        assert found.complete
        assert found.digest() == undisturbed.digest()
        assert_same(found.lineage, undisturbed.lineage)
        assert_same(found.settings, undisturbed.settings)
        assert_same(found.outcome, undisturbed.outcome)
        assert len(found.history.pop("seconds")) == epochs
        expected = {k: v for k, v in undisturbed.history.items() if k != "seconds"}
        assert_same(found.history, expected)
        assert not path.with_name(path.name + ".part").exists()
        return found

    epochs = len(undisturbed.history["seconds"])
    assert epochs >= 2, "too short a run to be disturbed"
    return SimpleNamespace(run=run, check=check, epochs=epochs, folder=tmp_path)


def test_a_run_interrupted_after_any_epoch_ends_as_an_undisturbed_one(command, make_progress):
    for epoch in range(1, command.epochs + 1):
        path = command.folder / f"{epoch}.h5"
        interrupts = make_progress(
            lambda done, epoch=epoch: signal.raise_signal(signal.SIGTERM) if done == epoch else None
        )
        with pytest.raises(Interrupted):
            command.run(path, interrupts, save_every_s=1e9)
        assert not path.exists()
        assert len(interrupts.rows) == epoch
        progress = make_progress()
        made = command.run(path, progress, save_every_s=1e9)
        assert not made.already
        assert len(progress.rows) == command.epochs - epoch
        assert command.check(path).provenance["resumed"] == 1


def test_a_run_interrupted_after_every_epoch_ends_as_an_undisturbed_one(command, make_progress):
    path = command.folder / "often.h5"
    for _ in range(command.epochs):
        interrupts = make_progress(lambda _: signal.raise_signal(signal.SIGINT))
        with pytest.raises(Interrupted):
            command.run(path, interrupts, save_every_s=1e9)
    command.run(path, make_progress(), save_every_s=1e9)
    assert command.check(path).provenance["resumed"] == command.epochs


def test_a_run_killed_within_every_epoch_ends_as_an_undisturbed_one(command, make_progress):
    path = command.folder / "killed.h5"
    for saved in range(command.epochs):
        whole_epochs = min(saved, 1)  # what this attempt adds before it dies within the next

        def dies(done, ticks, whole_epochs=whole_epochs):
            if (done, ticks) == (whole_epochs, 2):
                raise Killed

        with pytest.raises(Killed):
            command.run(path, make_progress(at_tick=dies), save_every_s=0)
        partial = path.with_name("killed.h5.part")
        assert partial.exists() == (saved > 0)
        assert not saved or checkpoint.load(partial).state["epoch"] == saved
    progress = make_progress()
    command.run(path, progress, save_every_s=0)
    assert len(progress.rows) == 1
    assert command.check(path).provenance["resumed"] == command.epochs - 1


def test_a_run_killed_while_it_is_measured_ends_as_an_undisturbed_one(
    command, make_progress, monkeypatch
):
    def dies(*_):
        raise Killed

    path = command.folder / "measured.h5"
    with monkeypatch.context() as killed:
        killed.setattr(experiments.Run, "finish", dies)
        with pytest.raises(Killed):
            command.run(path, make_progress(), save_every_s=1e9)
    progress = make_progress()
    command.run(path, progress, save_every_s=1e9)
    assert progress.rows == []
    command.check(path)


def test_a_finished_command_is_not_run_again(command, make_progress):
    path = command.folder / "again.h5"
    assert not command.run(path, make_progress(), save_every_s=1e9).already
    before = path.read_bytes()
    progress = make_progress()
    made = command.run(path, progress, save_every_s=1e9)
    assert made.already
    assert (progress.calls, progress.rows) == ([], [])
    assert path.read_bytes() == before
    command.check(path)


# -- what determines a result --------------------------------------------------------------------


def test_another_seed_learns_another_model(files, settings, context, tmp_path):
    experiments.pretrain(context, tmp_path / "stack", "a", settings.pretrain, "tiny", seed=2)
    experiments.finetune(
        context, tmp_path / "net", files.stack_a, settings.backprop, "tiny", seed=2
    )
    experiments.extend(context, tmp_path / "more", files.net_a, settings.gentle, "tiny", seed=2)
    experiments.finetune_from_random(
        context, tmp_path / "random", [files.net_a, files.net_b], settings.backprop, (12, 10, 14),
        "tiny", seed=2,
    )  # fmt: skip
    pairs = {
        "stack": files.stack_a,
        "net": files.net_a,
        "more": files.extended,
        "random": files.random,
    }
    for name, path in pairs.items():
        one, other = loaded(tmp_path / name, path)
        assert one.digest() != other.digest(), name


def test_another_seed_does_not_take_the_place_of_a_file(files, settings, context):
    before = files.stack_a.read_bytes()
    refused(
        RunError,
        lambda: experiments.pretrain(
            context, files.stack_a, "a", settings.pretrain, "tiny", seed=2
        ),
        files.stack_a, "seed was 1, now 2",
    )  # fmt: skip
    assert files.stack_a.read_bytes() == before


@pytest.mark.parametrize("name", ["net_a", "extended"])
def test_a_file_made_from_another_start_is_not_taken_for_the_same(
    name, files, settings, context, tmp_path
):
    """As when the pretraining was repeated with another seed, and only then the fine-tuning."""
    start = "stack_a" if name == "net_a" else "net_a"
    found = checkpoint.load(getattr(files, start))
    (found.model["rbm1"]["hidden_bias"] if name == "net_a" else found.model["biases1"])[0] += 1
    checkpoint.save(tmp_path / "start.h5", found)
    others = SimpleNamespace(**{**vars(files), start: tmp_path / "start.h5"})
    path = getattr(files, name)
    refused(RunError, lambda: COMMANDS[name](context, path, others, settings), path, "parents was")


def test_force_makes_the_same_file_again(files, settings, tiny_digits, make_progress, tmp_path):
    path = tmp_path / "again.h5"
    path.write_bytes(files.stack_a.read_bytes())
    progress = make_progress()
    forced = Context(tiny_digits, progress, force=True)
    made = experiments.pretrain(forced, path, "a", settings.pretrain, "tiny", seed=1)
    assert not made.already
    assert len(progress.rows) == 6
    assert checkpoint.load(path).digest() == checkpoint.load(files.stack_a).digest()


def test_splits_differ_in_their_cases_and_their_stacks(files):
    a, b = loaded(files.stack_a, files.stack_b)
    assert a.lineage["split_sha256"] == mnist.split(600, "a").sha256
    assert b.lineage["split_sha256"] == mnist.split(600, "b").sha256
    assert a.lineage["split_sha256"] != b.lineage["split_sha256"]
    assert a.digest() != b.digest()


def test_a_stack_has_the_layers_that_were_asked_for_and_no_label_has_any_influence(
    files, settings, tiny_digits, progress, tmp_path
):
    model = checkpoint.load(files.stack_a).model
    assert [model[f"rbm{i}"]["weights"].shape for i in (1, 2, 3)] == [(784, 12), (12, 10), (10, 14)]
    mislabelled = dataclasses.replace(tiny_digits, train_labels=tiny_digits.train_labels[::-1])
    experiments.pretrain(
        Context(mislabelled, progress), tmp_path / "s", "a", settings.pretrain, "tiny", seed=1
    )
    assert checkpoint.load(tmp_path / "s").digest() == checkpoint.load(files.stack_a).digest()


def test_validation_cases_have_no_influence_on_pretraining(
    files, settings, tiny_digits, progress, tmp_path
):
    images = tiny_digits.train_images.copy()
    images[mnist.split(600, "a").valid] = 77
    changed = dataclasses.replace(tiny_digits, train_images=images)
    experiments.pretrain(
        Context(changed, progress), tmp_path / "s", "a", settings.pretrain, "tiny", seed=1
    )
    assert checkpoint.load(tmp_path / "s").digest() == checkpoint.load(files.stack_a).digest()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_test_set_has_no_influence_on_what_is_learned(
    name, files, settings, tiny_digits, progress, tmp_path
):
    changed = dataclasses.replace(
        tiny_digits,
        test_images=255 - tiny_digits.test_images[:150],
        test_labels=(tiny_digits.test_labels[:150] + 1) % 10,
    )
    COMMANDS[name](Context(changed, progress), tmp_path / "file", files, settings)
    found, undisturbed = loaded(tmp_path / "file", getattr(files, name))
    assert found.digest() == undisturbed.digest()
    for column in set(found.history) - {"seconds"}:
        np.testing.assert_array_equal(found.history[column], undisturbed.history[column])
    if name not in {
        "stack_a",
        "labels",
        "labels_on",
        "moved_stack",
        "own_stack",
    }:  # the change was one that measurements see
        assert found.outcome["test"] != undisturbed.outcome["test"]
        assert found.outcome["train"] == undisturbed.outcome["train"]


# -- what is recorded ----------------------------------------------------------------------------


def test_an_extension_aims_at_the_recorded_training_cost_and_reaches_it(files):
    net, extended = loaded(files.net_a, files.extended)
    assert extended.lineage["target_cost"] == net.outcome["train"]["cost_per_100"]
    assert extended.outcome["epochs_before"] == net.outcome["epochs"]
    assert not extended.outcome["capped"]
    costs = extended.history["train_cost"]
    assert costs[-1] <= extended.lineage["target_cost"]
    assert (costs[:-1] > extended.lineage["target_cost"]).all()  # it stopped as soon as it could
    assert extended.outcome["train"]["cases"] == 600


def test_the_net_that_is_not_pretrained_aims_at_the_mean_of_the_recorded_costs(files):
    a, b, random = loaded(files.net_a, files.net_b, files.random)
    costs = [net.outcome["train"]["cost_per_100"] for net in (a, b)]
    assert costs[0] != costs[1]
    # one addition and one exact halving: no rounding that could differ
    assert random.lineage["target_cost"] == sum(costs) / 2
    assert random.outcome["train"]["cases"] == 600


def test_a_net_of_all_cases_is_of_its_own_layers_whatever_its_criteria_started_from(
    files, settings, context, tmp_path
):
    short = dataclasses.replace(settings.backprop, max_epochs=1)
    criteria = [files.split_random, files.net_a]
    made = experiments.finetune_from_random(context, tmp_path / "new.h5", criteria, short, (7, 6))
    lineage = made.file.lineage
    assert (lineage.role, lineage.random_start, lineage.layers) == (NOT_PRETRAINED, False, (7, 6))
    assert lineage.parents == tuple(checkpoint.load(path).digest() for path in criteria)


def test_a_run_that_ends_at_its_cap_says_so(files, settings, context, tmp_path):
    once = dataclasses.replace(settings.backprop, max_epochs=1)
    made = experiments.finetune(context, tmp_path / "net", files.stack_a, once)
    assert made.file.outcome.capped
    assert "cap" in made.file.outcome.reason
    assert any(str(tmp_path / "net") in note for note in context.progress.notes)


@pytest.mark.parametrize("name", ["net_a", "net_b", "cg"])
def test_the_recorded_scores_are_what_evaluating_the_file_measures_again(name, files, context):
    path = getattr(files, name)
    found = checkpoint.load(path)
    evaluations = {e.part: e for e in evaluation.evaluate(context, path)}
    assert list(evaluations) == ["train", "validation", "test"]
    recorded = {"train": "train", "validation": "valid", "test": "test"}
    for part, key in recorded.items():
        assert dataclasses.asdict(evaluations[part].score) == found.outcome[key]
    assert [e.score.cases for e in evaluations.values()] == [500, 100, 200]
    digits = context.digits
    again = score(found.outcome["test_log_probs"], digits.test_labels)
    assert dataclasses.asdict(again) == found.outcome["test"]


@pytest.mark.parametrize("name", ["extended", "random"])
def test_a_net_trained_on_all_cases_is_evaluated_without_validation(name, files, context):
    found = checkpoint.load(getattr(files, name))
    train, test = evaluation.evaluate(context, getattr(files, name))
    assert (train.part, test.part) == ("train", "test")
    assert dataclasses.asdict(train.score) == found.outcome["train"]
    assert dataclasses.asdict(test.score) == found.outcome["test"]


def test_the_selected_net_is_that_of_the_fewest_validation_errors(files):
    for path in (files.net_a, files.net_b, files.cg):
        found = checkpoint.load(path)
        errors = found.history["valid_errors"]
        best = found.outcome["epochs"] - 1
        assert best == errors.argmin()
        assert found.outcome["valid"]["errors"] == errors[best]
        assert found.outcome["valid"]["cost_per_100"] == found.history["valid_cost"][best]
        assert found.outcome["train"]["cost_per_100"] == found.history["train_cost"][best]


def test_confusions_count_every_case_once_and_errors_off_the_diagonal(files, context):
    for found in evaluation.evaluate(context, files.net_a):
        assert found.confusion.sum() == found.score.cases
        off_diagonal = found.confusion.sum() - np.trace(found.confusion)
        assert off_diagonal == found.score.errors


def test_combining_shows_each_net_and_the_product_of_their_probabilities(files, context):
    first, second, product, no_root = evaluation.combine(context, [files.net_a, files.net_b])
    assert (first.name, second.name) == (str(files.net_a), str(files.net_b))
    for path, alone in ((files.net_a, first), (files.net_b, second)):
        recorded = checkpoint.load(path).outcome["test"]
        assert dataclasses.asdict(alone.score) == recorded
    digits = context.digits
    outputs = [net.outcome["test_log_probs"] for net in loaded(files.net_a, files.net_b)]
    joint = np.exp(np.sum(outputs, axis=0, dtype=np.float64))
    for found, power in ((product, 0.5), (no_root, 1)):
        shares = joint**power / (joint**power).sum(axis=1, keepdims=True)
        costs = -np.log(shares[np.arange(200), digits.test_labels])
        assert found.score.errors == (shares.argmax(axis=1) != digits.test_labels).sum()
        # both sides are float64 from the same float32 outputs; 1e-12 is thousands of roundings
        assert found.score.cost_per_100 == pytest.approx(100 * costs.mean(), rel=1e-12)
    assert product.score.errors == no_root.score.errors
    assert product.score.cost_per_100 != no_root.score.cost_per_100


def test_a_net_combined_with_itself_is_that_net(files, context):
    alone, _, product, _ = evaluation.combine(context, [files.net_a, files.net_a])
    assert product.score.errors == alone.score.errors
    # the product renormalises in float64 what the net normalised in float32: 10 classes of
    # relative error below 10 * 2**-23 each, at a cost of the order of one nat
    assert product.score.cost_per_100 == pytest.approx(alone.score.cost_per_100, rel=2**-19)


# -- files that do not fit -----------------------------------------------------------------------


def all_uses(context, files, settings, path, where):
    """Each command that reads a file, reading this one."""
    other = files.net_b
    return {
        "finetune": lambda: experiments.finetune(context, where, path, settings.backprop),
        "extend": lambda: experiments.extend(context, where, path, settings.backprop),
        "finetune_from_random": lambda: experiments.finetune_from_random(
            context, where, [other, path], settings.backprop, (12,)
        ),
        "evaluate": lambda: evaluation.evaluate(context, path),
        "combine": lambda: evaluation.combine(context, [other, path]),
    }


USES = ("finetune", "extend", "finetune_from_random", "evaluate", "combine")


@pytest.mark.parametrize("use", USES)
def test_a_file_of_the_wrong_kind_is_named(use, files, settings, context, tmp_path):
    path = files.net_a if use == "finetune" else files.stack_a
    call = all_uses(context, files, settings, path, tmp_path / "new")[use]
    wanted = "without labels" if use in {"evaluate", "combine"} else KINDS["classifier"].about
    refused(RunError, call, path, KINDS["stack"].about, wanted)
    assert list(tmp_path.iterdir()) == []


def test_a_generative_net_needs_a_stack_with_labels(files, settings, context, tmp_path):
    def finetune(path):
        experiments.finetune_generative(context, tmp_path / "new", path, settings.wakesleep)

    def extend(path):
        experiments.extend_generative(context, tmp_path / "new", path, settings.wakesleep)

    def finetune_cheaply(path):
        experiments.finetune_generative(context, tmp_path / "new", path, settings.cheap)

    refused(RunError, lambda: finetune(files.stack_a), files.stack_a, "without labels")
    all_cases = files.generative_extended
    refused(RunError, lambda: finetune(all_cases), all_cases, "none are left for validation")
    net = files.generative
    refused(RunError, lambda: finetune_cheaply(net), net, "pretraining's gradient")
    refused(RunError, lambda: finetune(files.net_a), files.net_a, KINDS["classifier"].about)
    refused(RunError, lambda: extend(files.net_a), files.net_a, KINDS["generative"].about)
    extended = files.generative_extended
    refused(RunError, lambda: extend(extended), extended, "stopped by validation")


def test_dropout_without_backpropagation_is_refused(files, settings, context, tmp_path):
    dropped = dataclasses.replace(settings.wakesleep, dropout=True)
    net = files.generative
    refused(
        RunError,
        lambda: experiments.finetune_generative(context, tmp_path / "new", net, dropped),
        net, "no dropout in this gradient",
    )  # fmt: skip


def test_generative_nets_and_stacks_with_labels_are_evaluated_and_combined(files, context):
    stack = evaluation.evaluate(context, files.labels)
    assert [e.part for e in stack] == ["train", "validation", "test"]
    outcome = checkpoint.load(files.generative).outcome
    for found, key in zip(
        evaluation.evaluate(context, files.generative), ("train", "valid", "test"), strict=True
    ):
        assert dataclasses.asdict(found.score) == outcome[key]
    for name in evaluation.METHODS:
        method = evaluation.Method(name, passes=2, rounds=4, temperatures=1, seed=3)
        first, again = (evaluation.evaluate(context, files.generative, [method]) for _ in range(2))
        assert [e.score for e in first] == [e.score for e in again]
    combined = evaluation.combine(context, [files.generative, files.net_a])
    assert combined[0].score == evaluation.evaluate(context, files.generative)[-1].score


# -- translated images ---------------------------------------------------------------------------


def test_a_translated_stack_is_one_that_learns_images_moved_by_hand(files, settings, context):
    """Bit for bit, with the draws of its seed and split."""
    square = context.digits.train_images[mnist.split(600, "a").train].reshape(-1, 28, 28)
    moved = [np.zeros_like(square) for _ in range(5)]
    moved[0][:] = square
    moved[1][:, :-1] = square[:, 1:]  # up
    moved[2][:, :, :-1] = square[:, :, 1:]  # left
    moved[3][:, :, 1:] = square[:, :, :-1]  # right
    moved[4][:, 1:] = square[:, :-1]  # down
    cases = np.concatenate(moved).reshape(-1, 784)
    learner = GreedyStack(cases, settings.pretrain, random_stream(1, 0, "a"))
    with context.computing():
        while not learner.finished():
            learner.run_epoch(lambda _: None)
    model = checkpoint.load(files.moved_stack).model
    for number, rbm in enumerate(learner.stack, 1):
        np.testing.assert_array_equal(model[f"rbm{number}"]["weights"], rbm.weights)


def test_every_version_of_an_image_keeps_its_label(tiny_digits):
    rows = np.array([5, 2, 77])
    cases = cases_at(tiny_digits, rows, 2)
    by_version = cases.images.reshape(13, 3, 784)
    np.testing.assert_array_equal(by_version[0], tiny_digits.train_images[rows])
    for labels in cases.labels.reshape(13, 3):
        np.testing.assert_array_equal(labels, tiny_digits.train_labels[rows])
    # Two pixels to one side lose no ink of a digit that is 20 pixels wide in 28.
    assert (by_version.sum(axis=2, dtype=int) == by_version[0].sum(axis=1, dtype=int)).all()


def test_translations_stay_with_what_is_fine_tuned_from_a_stack(files, context):
    for path, n_cases in ((files.moved_net, 5 * 500), (files.moved_extended, 5 * 600)):
        found = checkpoint.load(path)
        assert found.lineage["translations"] == 1
        assert found.outcome["train"]["cases"] == n_cases
        evaluations = {e.part: e.score for e in evaluation.evaluate(context, path)}
        assert dataclasses.asdict(evaluations["train"]) == found.outcome["train"]
        assert evaluations["test"].cases == 200
    assert loaded(files.moved_net)[0].outcome["valid"]["cases"] == 100
    assert loaded(files.net_a)[0].lineage["translations"] == 0


def test_a_random_start_learns_the_translations_of_the_nets_it_stops_at(
    files, settings, context, tmp_path
):
    def from_random(*criteria):
        return experiments.finetune_from_random(
            context, tmp_path / "new", criteria, settings.backprop, (12,)
        )

    refused(
        RunError, lambda: from_random(files.net_a, files.moved_net), files.moved_net,
        "translations", str(files.net_a),
    )  # fmt: skip
    made = from_random(files.moved_net)
    assert made.file.outcome.train.cases == 5 * 600


def test_generative_nets_learn_the_translations_of_their_stack(settings, context, tmp_path):
    paths = [tmp_path / name for name in ("labels", "cws", "extended")]
    experiments.pretrain(context, paths[0], "a", settings.pretrain, labels=True, translations=1)
    experiments.finetune_generative(context, paths[1], paths[0], settings.wakesleep)
    experiments.extend_generative(context, paths[2], paths[1], settings.wakesleep)
    cases = [found.outcome["train"]["cases"] for found in loaded(*paths)]
    assert cases == [5 * 500, 5 * 500, 5 * 600]


def test_a_top_is_learned_on_a_stack_of_the_same_translations_only(
    files, settings, context, tmp_path
):
    for lower, translations, words in (
        (files.stack_a, 1, "--translations 0, not 1"),
        (files.moved_stack, 0, "--translations 1, not 0"),
    ):
        refused(
            RunError,
            lambda lower=lower, translations=translations: experiments.pretrain(
                context, tmp_path / "new", "a", settings.pretrain, lower=lower,
                translations=translations,
            ),
            lower, words,
        )  # fmt: skip


def test_images_that_could_leave_their_frame_are_one_clear_line(settings, idx_folder, progress):
    small = Context(mnist.read(idx_folder), progress)  # 7 x 5 pixels
    refused(
        UnfitDataError,
        lambda: experiments.pretrain(
            small, idx_folder / "new", "a", settings.pretrain, translations=5
        ),
        idx_folder,
        "5 pixels leave nothing of images of 7 x 5",
    )


@pytest.mark.parametrize("value", [-1, 9, "one", 1.5])
def test_translations_that_cannot_be_are_named(value, files, context, tmp_path):
    found = checkpoint.load(files.moved_net)
    found.lineage["translations"] = value
    checkpoint.save(tmp_path / "strange.h5", found)
    refused(
        CheckpointError, lambda: evaluation.evaluate(context, tmp_path / "strange.h5"),
        tmp_path / "strange.h5", "its lineage translations",
    )  # fmt: skip


# -- stacks on others, cases of a part -----------------------------------------------------------


def drawn(digits, split, labelled, seed):
    """The rows that are labelled, written out: a shuffle, and of it the first of each class."""
    stream = np.random.SeedSequence(seed, spawn_key=(7, "abc".index(split)))
    rng = np.random.Generator(np.random.SFC64(stream))
    rows, left = [], dict.fromkeys(range(10), labelled // 10)
    for row in rng.permutation(mnist.split(600, split).train):
        if left[int(digits.train_labels[row])]:
            left[int(digits.train_labels[row])] -= 1
            rows.append(int(row))
    return sorted(rows)


def test_labels_are_drawn_equally_from_the_split_and_more_of_them_hold_fewer(tiny_digits):
    def rows(labelled, seed=1, name="a"):
        lineage = Lineage("tiny", seed, 1, VALIDATED, name, labelled=labelled)
        return rows_learned(tiny_digits, lineage).tolist()

    for name in "abc":
        assert rows(100, name=name) == drawn(tiny_digits, name, 100, 1)
        assert np.bincount(tiny_digits.train_labels[rows(100, name=name)]).tolist() == [10] * 10
        assert set(rows(100, name=name)) <= set(mnist.split(600, name).train.tolist())
    assert len(set(rows(100))) == 100
    assert set(rows(100)) < set(rows(300))
    assert rows(100) != rows(100, seed=2)


@pytest.mark.parametrize("name", ["few", "own_net", "few_random", "split_random"])
def test_a_net_learns_the_labels_of_its_cases_and_no_others(
    name, files, settings, tiny_digits, assert_same
):
    """It is, bit for bit, the net of a learner that is given these cases and nothing else."""
    split = mnist.split(600, "b" if name == "split_random" else "a")
    train = split.train if name == "split_random" else drawn(tiny_digits, "a", 100, 1)
    if name in ("few", "own_net"):
        below = files.stack_a if name == "few" else files.own_stack
        stack = Stack.from_arrays(checkpoint.load(below).model)
        net, stream, used = Classifier.on_stack(stack, 10), (1, 0), settings.backprop
    else:
        stream = (6, 1) if name == "split_random" else (6, 0)
        used = dataclasses.replace(settings.backprop, rate=settings.backprop.all_cases_rate)
        assert used != settings.backprop
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(1, spawn_key=stream)))
    if name not in ("few", "own_net"):
        hidden = (12, 10, 14) if name == "split_random" else (12, 10)
        net = Classifier.random((784, *hidden, 10), used.initial_scale, rng)
    cases = [
        Cases(tiny_digits.train_images[rows], tiny_digits.train_labels[rows])
        for rows in (train, split.valid)
    ]
    learner = DiscriminativeFineTuning(net, cases[0], used, rng, valid=cases[1])
    while not learner.finished():
        learner.run_epoch(lambda _: None)
    found = checkpoint.load(getattr(files, name))
    assert_same(found.model, learner.result().arrays())
    assert found.outcome["train"]["cases"] == len(train)


def test_a_stack_learns_the_labelled_images_and_no_others(files, settings, context, assert_same):
    """Bit for bit, with the draws of its seed and split."""
    images = context.digits.train_images[drawn(context.digits, "a", 100, 1)]
    learner = GreedyStack(images, settings.pretrain, random_stream(1, 0, "a"))
    with context.computing():
        while not learner.finished():
            learner.run_epoch(lambda _: None)
    assert_same(checkpoint.load(files.own_stack).model, learner.result().arrays())


def test_of_a_stack_s_images_fewer_can_be_labelled_but_no_others(
    files, settings, context, tmp_path
):
    assert checkpoint.load(files.own_net).lineage["images"] == 100
    assert checkpoint.load(files.few).lineage["images"] == 0

    def finetune(labelled, seed=1):
        return experiments.finetune(
            context, tmp_path / "new", files.own_stack, settings.backprop, "tiny", seed, labelled
        )

    found = finetune(50).file
    rows = rows_learned(context.digits, found.lineage)
    assert rows.tolist() == drawn(context.digits, "a", 50, 1)
    assert set(rows) < set(drawn(context.digits, "a", 100, 1))
    assert found.outcome.train.cases == 50
    assert (found.lineage.labelled, found.lineage.images) == (50, 100)
    words = "has learned 100 images, and 110 are to be labelled"
    refused(RunError, lambda: finetune(110), files.own_stack, words)
    refused(RunError, lambda: finetune(0, seed=2), files.own_stack, "drawn with --seed 1")


def test_a_stack_of_few_images_has_no_labels_and_no_layers_of_another(
    files, settings, context, tmp_path
):
    for more in ({"labels": True}, {"lower": files.stack_a}):
        with pytest.raises(ValueError, match="neither labels nor layers"):
            experiments.pretrain(
                context, tmp_path / "x", "a", settings.pretrain, labelled=100, **more
            )
    refused(
        RunError,
        lambda: experiments.pretrain(
            context, tmp_path / "x", "a", settings.pretrain, labels=True, lower=files.own_stack
        ),
        files.own_stack, "was learned with --labelled",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["few", "own_net", "few_random"])
def test_a_net_of_few_labels_is_evaluated_on_the_cases_that_it_learned(name, files, context):
    found = checkpoint.load(getattr(files, name))
    train, valid, test = evaluation.evaluate(context, getattr(files, name))
    assert [part.score.cases for part in (train, valid, test)] == [100, 100, 200]
    for part, key in ((train, "train"), (valid, "valid"), (test, "test")):
        assert dataclasses.asdict(part.score) == found.outcome[key]


def test_only_labels_that_the_stack_s_cases_have_are_drawn(settings, context, tmp_path):
    fewer = dataclasses.replace(settings.pretrain, cases=200)
    experiments.pretrain(context, tmp_path / "stack.h5", "a", fewer, "tiny", seed=1)
    path = tmp_path / "net.h5"
    experiments.finetune(context, path, tmp_path / "stack.h5", settings.backprop, "tiny", 1, 100)
    found = load(path)
    images = rows_learned(context.digits, load(tmp_path / "stack.h5").lineage)
    learned = rows_learned(context.digits, found.lineage)
    assert (len(images), found.lineage.cases) == (200, 200)
    assert set(learned) <= set(images)
    assert len(learned) == found.outcome.train.cases == 100
    with pytest.raises(RunError, match="does not have 300 training cases"):
        experiments.finetune(
            context, tmp_path / "more.h5", tmp_path / "stack.h5", settings.backprop, "tiny", 1, 300
        )


def test_a_net_of_few_labels_is_neither_extended_nor_a_criterion(
    files, settings, context, tmp_path
):
    for name in ("few", "own_net", "few_random"):
        few = getattr(files, name)
        refused(
            RunError,
            lambda few=few: experiments.extend(context, tmp_path / "x", few, settings.gentle),
            few, "learned 100 labels",
        )  # fmt: skip
        refused(
            RunError,
            lambda few=few: experiments.finetune_from_random(
                context, tmp_path / "x", [files.net_a, few], settings.backprop, (12, 10, 14)
            ),
            few, "learned 100 labels",
        )  # fmt: skip


def test_a_random_start_stays_known_when_the_net_is_extended(files, settings, context, tmp_path):
    experiments.extend(
        context, tmp_path / "more.h5", files.split_random, settings.gentle, "tiny", 1
    )
    assert checkpoint.load(tmp_path / "more.h5").lineage["random_start"] is True
    assert checkpoint.load(files.extended).lineage["random_start"] is False


@pytest.mark.parametrize("value", ["many", -10, 2.5])
def test_a_number_of_labels_that_is_none_is_named(value, files, settings, context, tmp_path):
    stack = checkpoint.load(files.own_stack)
    stack.lineage["images"] = value
    checkpoint.save(tmp_path / "stack.h5", stack)
    refused(
        CheckpointError,
        lambda: experiments.finetune(
            context, tmp_path / "x", tmp_path / "stack.h5", settings.backprop, "tiny", 1
        ),
        tmp_path / "stack.h5", "its lineage",
    )  # fmt: skip
    found = checkpoint.load(files.few)
    found.lineage["labelled"] = value
    checkpoint.save(tmp_path / "few.h5", found)
    refused(
        CheckpointError, lambda: evaluation.evaluate(context, tmp_path / "few.h5"),
        tmp_path / "few.h5", "its lineage",
    )  # fmt: skip


def test_a_stack_on_another_shares_its_lower_layers_and_names_it(files):
    below, stack = loaded(files.stack_a, files.labels_on)
    for name in ("rbm1", "rbm2"):
        for array, value in stack.model[name].items():
            np.testing.assert_array_equal(value, below.model[name][array])
    assert stack.model["rbm3"]["n_labels"] == 10
    assert stack.lineage["parents"] == [below.digest()]
    assert list(stack.history["layer"]) == [3, 3]


def test_a_stack_on_another_says_what_images_that_one_has_learned(
    files, settings, context, tmp_path
):
    held = checkpoint.load(files.stack_a)
    held.settings["affine"] = 1.0
    checkpoint.save(tmp_path / "distorted.h5", held)
    made = experiments.pretrain(
        context, tmp_path / "new.h5", "a", settings.pretrain, lower=tmp_path / "distorted.h5"
    )
    assert made.file.lineage.below == ("affine",)
    assert not made.file.settings.distortions


def test_lower_layers_of_another_split_or_size_are_refused(files, settings, context, tmp_path):
    def pretrain(split, chosen, lower):
        experiments.pretrain(context, tmp_path / "new", split, chosen, labels=True, lower=lower)

    refused(
        RunError, lambda: pretrain("b", settings.pretrain, files.stack_a), files.stack_a, "split"
    )
    other = dataclasses.replace(settings.pretrain, layers=(12, 11, 14))
    refused(
        RunError, lambda: pretrain("a", other, files.stack_a), files.stack_a, "12-10", "12-11-14"
    )
    refused(RunError, lambda: pretrain("a", other, files.net_a), files.net_a, "classifier")


@pytest.mark.parametrize("start", ["stack_a", "labels", "generative", "net_a"])
def test_files_with_other_validation_cases_under_the_same_name_are_refused(
    start, files, settings, context, tmp_path
):
    """As of an earlier version: validation cases may be among those that it was trained on."""
    found = checkpoint.load(getattr(files, start))
    path, new = tmp_path / "earlier.h5", tmp_path / "new.h5"
    other = {**found.lineage, "split_sha256": mnist.split(600, "b").sha256}
    checkpoint.save(path, dataclasses.replace(found, lineage=other))
    calls = {
        "stack_a": [
            lambda: experiments.finetune(context, new, path, settings.backprop),
            lambda: experiments.pretrain(
                context, new, "a", settings.pretrain, labels=True, lower=path
            ),
        ],
        "labels": [lambda: experiments.finetune_generative(context, new, path, settings.wakesleep)],
        "generative": [lambda: evaluation.evaluate(context, path)],
        "net_a": [lambda: evaluation.evaluate(context, path)],
    }[start]
    for call in calls:
        refused(RunError, call, path, "other validation cases than split a")
    # Of other data it says nothing: a net may be fine-tuned on another set than it learned from.
    elsewhere = dataclasses.replace(found, lineage={**other, "data": "another set"})
    checkpoint.save(path, elsewhere)
    for call in calls:
        call()
        new.unlink(missing_ok=True)


def test_balanced_cases_are_the_first_of_each_class_and_stay_with_the_net(
    settings, context, tmp_path, monkeypatch
):
    """Of 600 digits, 500 are training cases of split a, with at least 39 of each class."""
    seen = []
    chosen = dataclasses.replace(settings.pretrain, cases=390, balanced=True, passes=1, batch=39)
    experiments.pretrain(context, tmp_path / "s", "a", chosen, seed=1, labels=True)
    learner = experiments.GenerativeFineTuning

    def remembered(net, cases, *args, **kwargs):
        seen.append(cases.labels)
        return learner(net, cases, *args, **kwargs)

    monkeypatch.setattr(experiments, "GenerativeFineTuning", remembered)
    experiments.finetune_generative(context, tmp_path / "g", tmp_path / "s", settings.wakesleep)
    assert np.bincount(seen[0]).tolist() == [39] * 10
    evaluated = evaluation.evaluate(context, tmp_path / "g")
    assert [e.score.cases for e in evaluated] == [390, 100, 200]
    labels = context.digits.train_labels
    split = mnist.split(600, "a")
    firsts = [split.train[labels[split.train] == k][:39] for k in range(10)]
    np.testing.assert_array_equal(seen[0], labels[np.sort(np.concatenate(firsts))])


@pytest.mark.parametrize("n_cases", [405, 499, 5000])
def test_cases_that_cannot_be_balanced_are_refused(n_cases, settings, context, tmp_path):
    chosen = dataclasses.replace(settings.pretrain, cases=n_cases)
    path, images = tmp_path / "new", context.digits.name  # it is they that do not suffice
    with_so_many = functools.partial(experiments.pretrain, context, path, "a", chosen)
    refused(UnfitDataError, with_so_many, images, f"split a does not have {n_cases}")


def test_the_coefficient_of_the_selected_epoch_is_recorded_and_kept_by_the_extension(
    files, settings, context, tmp_path
):
    experiments.extend_generative(context, tmp_path / "new", files.search, settings.wakesleep)
    search, extended = loaded(files.search, tmp_path / "new")
    epoch = search.outcome["epochs"]
    assert search.outcome["bp_weight"] == search.history["bp_weight"][epoch - 1]
    assert set(extended.history["bp_weight"]) == {search.outcome["bp_weight"]}
    assert extended.outcome["bp_weight"] == search.outcome["bp_weight"]
    assert loaded(files.generative)[0].outcome["bp_weight"] == 0


def test_wake_sleep_from_a_net_has_other_random_numbers_than_from_its_stack(
    files, settings, context, tmp_path, monkeypatch
):
    asked = []

    def stopped(_seed, use, split, start=""):
        asked.append((use, split, start))
        raise Killed

    monkeypatch.setattr(experiments, "random_stream", stopped)
    for name in ("labels", "generative"):
        path = tmp_path / f"from-{name}.h5"
        with pytest.raises(Killed):
            experiments.finetune_generative(context, path, getattr(files, name), settings.wakesleep)
    digest = checkpoint.load(files.generative).digest()
    assert asked == [(Use.WAKE_SLEEP, "a", ""), (Use.WAKE_SLEEP_AGAIN, "a", digest)]


def test_an_extension_of_a_searched_net_searches_no_more(files, settings, context, tmp_path):
    again = dataclasses.replace(settings.search, rate=1e-6, bp_rate=1e-6, epochs=1)
    made = experiments.extend_generative(context, tmp_path / "new.h5", files.search, again).file
    assert not made.settings.search_bp_weight
    assert made.settings.bp_weight == checkpoint.load(files.search).outcome["bp_weight"]


def test_an_extension_with_dropout_has_masks_and_a_schedule_of_its_own(
    files, context, tmp_path, monkeypatch
):
    asked, own = [], experiments.random_stream

    def drawn_from(seed, use, *more):
        asked.append(use)
        return own(seed, use, *more)

    def stopped(_net, _train, used, *_more, masks):
        asked.append((used.epochs, masks is not None))
        raise Killed

    monkeypatch.setattr(experiments, "random_stream", drawn_from)
    monkeypatch.setattr(experiments, "DiscriminativeFineTuning", stopped)
    used = dataclasses.replace(
        RECIPES["quick"].settings("backprop", ("dropout",)), epochs=5, extension_epochs=3
    )
    for call, start in ((experiments.finetune, files.stack_a), (experiments.extend, files.net_a)):
        with pytest.raises(Killed):
            call(context, tmp_path / f"{call.__name__}.h5", start, used)
    assert asked == [
        Use.BACKPROP, Use.DROPOUT, (5, True), Use.BACKPROP_ON_ALL, Use.DROPOUT_ON_ALL, (3, True)
    ]  # fmt: skip


def test_chances_of_dropout_that_fit_no_layers_are_one_line(files, context, tmp_path):
    chances = RECIPES["quick"].settings("backprop", ("dropout",))
    chances = dataclasses.replace(chances, feature_dropout=(0.1, 0.2))

    def finetune():
        experiments.finetune(context, tmp_path / "new", files.stack_a, chances)

    refused(RunError, finetune, tmp_path / "new", "2 chances of dropout for 3 layers")


def test_plain_wake_sleep_starts_from_the_log_odds_of_the_top_features(
    files, context, tmp_path, monkeypatch
):
    started = []

    def stopped(net, train, *_):
        started.append((net, train))
        raise Killed

    monkeypatch.setattr(experiments, "WakeSleepTraining", stopped)
    with pytest.raises(Killed):
        experiments.finetune_directed(
            context, tmp_path / "new", files.stack_a, RECIPES["quick"].directed
        )
    ((net, train),) = started
    assert net.top_bias.any()
    np.testing.assert_array_equal(net.top_bias, top_biases(net, train.images))


def test_plain_wake_sleep_on_a_stack_of_few_images_has_their_labels(files, context, tmp_path):
    quick = dataclasses.replace(RECIPES["quick"].directed, epochs=1)

    def finetune(seed):
        return experiments.finetune_directed(
            context, tmp_path / "new.h5", files.own_stack, quick, "tiny", seed
        )

    refused(RunError, lambda: finetune(2), files.own_stack, "drawn with --seed 1")
    found = finetune(1).file
    assert (found.lineage.images, found.lineage.labelled) == (100, 100)
    assert found.outcome.train.cases == 100


def test_an_extended_generative_net_aims_at_the_recorded_error_rate(files):
    before, after = loaded(files.search, files.generative_extended)
    rate = 100 * before.outcome["train"]["errors"] / before.outcome["train"]["cases"]
    assert after.lineage["target_error_rate"] == pytest.approx(rate)
    reached = 100 * after.outcome["train"]["errors"] / after.outcome["train"]["cases"]
    assert after.outcome["capped"] == (reached > rate)


@pytest.mark.parametrize("use", USES)
def test_a_missing_or_damaged_file_is_named(use, files, settings, context, tmp_path):
    for path in (tmp_path / "missing.h5", tmp_path, tmp_path / "damaged.h5"):
        if path.name == "damaged.h5":
            path.write_bytes(files.net_a.read_bytes()[:3000])
        refused(
            CheckpointError, all_uses(context, files, settings, path, tmp_path / "new")[use], path
        )


@pytest.mark.parametrize("use", USES)
def test_an_unfinished_file_is_named(use, files, settings, context, tmp_path, make_progress):
    stage = "stack_a" if use == "finetune" else "net_a"
    interrupts = make_progress(lambda _: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted):
        COMMANDS[stage](Context(context.digits, interrupts), tmp_path / "net.h5", files, settings)
    path = tmp_path / "net.h5.part"
    call = all_uses(context, files, settings, path, tmp_path / "new")[use]
    refused(RunError, call, path, "is not finished")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("use", USES)
def test_a_file_without_a_whole_model_is_named(use, files, settings, context, tmp_path):
    found = checkpoint.load(files.stack_a if use == "finetune" else files.net_a)
    part = found.model["rbm2"] if use == "finetune" else found.model
    del part["weights" if use == "finetune" else "weights2"]
    path = tmp_path / "part.h5"
    checkpoint.save(path, found)
    call = all_uses(context, files, settings, path, tmp_path / "new")[use]
    if use == "finetune_from_random":  # needs no more than the recorded cost
        call()
    else:
        refused(CheckpointError, call, path, "whole model")


@pytest.mark.parametrize("use", ["extend", "finetune_from_random"])
@pytest.mark.parametrize("name", ["extended", "random"])
def test_a_net_that_validation_did_not_stop_has_no_criterion(
    use, name, files, settings, context, tmp_path
):
    path = getattr(files, name)
    refused(
        RunError, all_uses(context, files, settings, path, tmp_path / "new")[use], path, "validat"
    )


@pytest.fixture
def net_of_sizes(files, tmp_path):
    """Makes the file of a validated net that has other sizes."""

    def make(*sizes):
        found = checkpoint.load(files.net_a)
        found.model = Classifier.random(sizes, 1.0, np.random.default_rng(0)).arrays()
        checkpoint.save(tmp_path / "sizes.h5", found)
        return tmp_path / "sizes.h5"

    return make


@pytest.mark.parametrize("use", ["extend", "evaluate", "combine"])
def test_a_net_of_another_input_size_is_named(
    use, files, settings, context, net_of_sizes, tmp_path
):
    path = net_of_sizes(35, 6, 10)
    call = all_uses(context, files, settings, path, tmp_path / "new")[use]
    refused(RunError, call, path, "35 inputs", "784 pixels")


@pytest.mark.parametrize("use", ["extend", "evaluate", "combine"])
@pytest.mark.parametrize("n_classes", [4, 11])
def test_a_net_of_another_number_of_classes_is_named(
    use, n_classes, files, settings, context, net_of_sizes, tmp_path
):
    path = net_of_sizes(784, 6, n_classes)
    call = all_uses(context, files, settings, path, tmp_path / "new")[use]
    refused(RunError, call, path, f"{n_classes} classes", "10")


@pytest.mark.parametrize("use", ["finetune", "extend", "evaluate", "combine"])
def test_data_of_another_image_size_are_named(use, files, settings, idx_folder, progress, tmp_path):
    path = files.stack_a if use == "finetune" else files.net_b
    context = Context(mnist.read(idx_folder), progress)
    call = all_uses(context, files, settings, path, tmp_path / "new")[use]
    refused(RunError, call, path, "784 inputs", "35 pixels")


def test_too_few_training_cases_are_one_clear_line(settings, tiny_digits, progress, tmp_path):
    few = dataclasses.replace(
        tiny_digits,
        train_images=tiny_digits.train_images[:5],
        train_labels=tiny_digits.train_labels[:5],
    )
    new = functools.partial(
        experiments.pretrain, Context(few, progress), tmp_path / "s", "a", settings.pretrain
    )
    refused(UnfitDataError, new, few.name, "5 training cases are too few")


@pytest.mark.parametrize("lacking", ["cost_per_100", "train", "everything"])
def test_a_net_without_a_recorded_cost_is_named(lacking, files, settings, context, tmp_path):
    found = checkpoint.load(files.net_a)
    if lacking == "cost_per_100":
        del found.outcome["train"]["cost_per_100"]
    elif lacking == "train":
        del found.outcome["train"]
    else:
        found.outcome = {}
    path = tmp_path / "lacks.h5"
    checkpoint.save(path, found)
    uses = all_uses(context, files, settings, path, tmp_path / "new")
    for use in ("extend", "finetune_from_random"):
        with pytest.raises((RunError, CheckpointError), match=str(path)):
            uses[use]()


def test_a_stack_that_does_not_say_its_split_is_named(files, settings, context, tmp_path):
    found = checkpoint.load(files.stack_a)
    for split in (None, "d", 3):
        found.lineage["split"] = split
        checkpoint.save(tmp_path / "s.h5", found)
        with pytest.raises((RunError, CheckpointError), match=r"s\.h5: "):
            experiments.finetune(context, tmp_path / "new", tmp_path / "s.h5", settings.backprop)


# -- other data ----------------------------------------------------------------------------------


def test_other_images_of_other_classes_go_through_the_whole_of_table_1(
    idx_folder, settings, progress, tmp_path
):
    context = Context(mnist.read(idx_folder), progress)
    folder = tmp_path / "files"
    nets = []
    for name in "ab":
        stack, net = folder / f"stack-{name}", folder / f"net-{name}"
        experiments.pretrain(context, stack, name, settings.pretrain)
        experiments.finetune(context, net, stack, settings.backprop)
        nets.append(net)
    experiments.extend(context, folder / "extended", nets[0], settings.gentle)
    experiments.finetune_from_random(
        context, folder / "random", nets, settings.backprop, settings.pretrain.layers
    )
    for name in ("extended", "random"):
        assert load(folder / name).model.sizes == (35, 12, 10, 14, 4)
        assert [e.score.cases for e in evaluation.evaluate(context, folder / name)] == [120, 40]
    cases = [e.score.cases for e in evaluation.evaluate(context, nets[0])]
    assert cases == [100, 20, 40]
    assert [e.confusion.shape for e in evaluation.combine(context, nets)] == [(4, 4)] * 4
    assert not list(folder.glob("*.part"))


def test_a_loaded_net_is_the_net_that_was_saved(files):
    found = checkpoint.load(files.net_a)
    again = dataclasses.replace(found, model=load(files.net_a).model.arrays())
    assert again.digest() == found.digest()
