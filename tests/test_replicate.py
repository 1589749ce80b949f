"""``hinton06 replicate``: Table 1 of several seeds at once; only where PyTorch is."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import reference
from commands import run

from hinton06 import cases, evaluation, experiments, many
from hinton06.lineage import EXTENDED, NOT_PRETRAINED, VALIDATED
from hinton06.loading import Context, load
from hinton06.mnist import SPLITS, Digits
from hinton06.recipes import RECIPES, Recipe, conditions
from hinton06.report import error_rates, table1
from hinton06.report import replicas as over_seeds
from hinton06.report.files import conditions as conditions_of
from hinton06.streams import Use
from hinton06.training import Interrupted, RunError

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
from hinton06.many import generative, groups, replicas  # noqa: E402
from hinton06.many.classifiers import Classifiers  # noqa: E402
from hinton06.many.place import Place  # noqa: E402
from hinton06.many.rbms import Rbms, Stacks  # noqa: E402
from hinton06.many.wakesleep import GenerativeNets  # noqa: E402

NAMES = [
    *(f"pretrain-{split}.h5" for split in SPLITS),
    *(f"bp-{split}.h5" for split in SPLITS),
    *(f"bp-{split}-extended.h5" for split in SPLITS),
    "bp-not-pretrained.h5",
]
MOVED = [
    *(f"pretrain-translated-{split}.h5" for split in SPLITS),
    *(f"bp-translated-{split}{more}.h5" for split in SPLITS for more in ("", "-extended")),
]


def tiny(**more: Any) -> Recipe:
    """A recipe of few units and epochs."""
    values = {
        "pretrain.layers": (7, 6), "pretrain.passes": 2, "pretrain.batch": 16,
        "backprop.batch": 16, "backprop.patience": 1, "backprop.max_epochs": 6,
        "backprop.easy_cost": 0.3, **{name.replace("_", ".", 1): v for name, v in more.items()},
    }  # fmt: skip
    own = {name: (value, "test") for name, value in values.items()}
    recipe = RECIPES["tr2006"]
    return dataclasses.replace(recipe, name="tiny", values=recipe.values | own)


def three_chances() -> Recipe:
    """Of dropout, in nets of two layers."""
    values = RECIPES["tr2006"].variants["dropout"]
    own = values | {"backprop.feature_dropout": ((0.1, 0.2, 0.3), "test")}
    return dataclasses.replace(tiny(backprop_dropout=True), variants={"dropout": own})


@pytest.fixture(scope="module")
def digits() -> Digits:
    """120 images of nine pixels, of three classes that can be told apart."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 200, (150, 9), np.uint8)
    labels = rng.integers(0, 3, 150).astype(np.uint8)
    images[np.arange(150), labels] = 255
    train, test = (images[:120], labels[:120]), (images[120:], labels[120:])
    return Digits(*train, *test, (3, 3), "d" * 64, "nine pixels")


def context(digits: Digits, progress: Any, **more: Any) -> Context:
    return Context(digits, progress, **more)


def learn(
    digits: Digits, progress: Any, out: Path, seeds: Any = (0, 1), device: str = "cpu", **more: Any
) -> Any:
    recipe = more.pop("recipe", None) or tiny()
    together = more.pop("together", None)
    given = context(digits, progress, **more)
    return replicas.replicate(given, Place(device), out, recipe, seeds, together)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, digits: Digits, make_progress: Any) -> Path:
    """The files of seeds 0 and 1."""
    out = tmp_path_factory.mktemp("replicas")
    learn(digits, make_progress(), out, together=6)
    return out


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): load(p).digest for p in sorted(folder.glob("*/*.h5"))}


# Products of other numbers of nets may be rounded otherwise: in fewer than 200 updates in a row,
# each of which carries on what the others moved at most tenfold (a momentum of 0.9).
ROUNDED = reference.rounding(200 * 10, size=10, dtype=np.float32)


def apart(one: Any, other: Any) -> float:
    """The largest difference between the parameters of two models."""
    return max(float(np.abs(array - other[name]).max()) for name, array in one.items())


def same_but_for_companions(mine: Path, other: Path) -> None:
    """The same files; the same bits but of nets, or of parents, that learned in other groups.

    What was not saved yet is learned anew, by then with fewer nets beside it.
    """
    here, there = (
        {str(path.relative_to(folder)): load(path) for path in folder.glob("*/*.h5")}
        for folder in (mine, other)
    )
    assert here.keys() == there.keys()
    assert all(here[name].complete and there[name].complete for name in here)
    others = {file.digest for name, file in here.items() if file.digest != there[name].digest}
    for name, file in here.items():
        if file.digest in others and not others & set(file.lineage.parents or ()):
            companions = [one.provenance["together"] for one in (file, there[name])]
            assert companions[0] != companions[1], name


def test_every_file_of_table_1_is_there_for_every_seed(made: Path) -> None:
    for seed in (0, 1):
        folder = made / f"seed-{seed}"
        assert sorted(p.name for p in folder.iterdir()) == sorted(NAMES)
        for name in NAMES:
            file = load(folder / name)
            assert file.complete
            assert (file.lineage.seed, file.lineage.device) == (seed, "cpu")
            assert file.provenance["torch"] == torch.__version__
            assert file.provenance["products"] == "float32"


def test_labels_that_are_no_places_are_told_apart_by_their_own_names(
    made: Path, digits: Digits, make_progress: Any, tmp_path: Path
) -> None:
    """The same nets from labels 1, 3 and 5 as from 0, 1 and 2."""
    train, test = 2 * digits.train_labels + 1, 2 * digits.test_labels + 1
    odd = dataclasses.replace(digits, train_labels=train, test_labels=test)
    learn(odd, make_progress(), tmp_path, together=6)
    assert digests(tmp_path) == digests(made)
    for name in NAMES:
        file = load(tmp_path / "seed-0" / name)
        assert file.lineage.classes == (() if file.kind.name == "stack" else (1, 3, 5))
    np.testing.assert_array_equal(file.outcome.test_labels, digits.test_labels)


def test_the_tables_read_them(made: Path) -> None:
    folders = [made / "seed-0", made / "seed-1"]
    found = table1.read_runs(folders[0])
    assert all(found.measured)
    assert not any("device" in note for note in found.notes)
    rows = over_seeds.table(folders).rows
    assert len(rows) == 11
    assert all(row["test_errors"]["replicas"] == 2 for row in rows)


def test_lineages_are_those_of_the_other_commands(
    made: Path, digits: Digits, progress: Any, tmp_path: Path
) -> None:
    recipe, given = tiny(), context(digits, progress)
    experiments.pretrain(given, tmp_path / "p.h5", "b", recipe.pretrain, "tiny", 1)
    experiments.finetune(given, tmp_path / "n.h5", tmp_path / "p.h5", recipe.backprop, "tiny", 1)
    experiments.extend(given, tmp_path / "x.h5", tmp_path / "n.h5", recipe.backprop, "tiny", 1)
    folder = made / "seed-1"
    for name, mine in (("pretrain-b", "p"), ("bp-b", "n"), ("bp-b-extended", "x")):
        theirs, ours = load(folder / f"{name}.h5"), load(tmp_path / f"{mine}.h5")
        assert theirs.settings == ours.settings
        expected = dataclasses.replace(
            ours.lineage, device="cpu", parents=theirs.lineage.parents,
            target_cost=theirs.lineage.target_cost,
            below=() if mine == "p" else ("device",),
        )  # fmt: skip
        assert theirs.lineage == expected
        assert sorted(theirs.history) == sorted(ours.history)
    for split in SPLITS:
        net, more = load(folder / f"bp-{split}.h5"), load(folder / f"bp-{split}-extended.h5")
        assert net.lineage.parents == (load(folder / f"pretrain-{split}.h5").digest,)
        assert more.lineage.parents == (net.digest,)
        assert more.lineage.target_cost == net.outcome.train.cost_per_100  # type: ignore[union-attr]
        assert more.outcome.epochs_before == net.outcome.epochs


def test_outcomes_are_what_evaluate_measures(made: Path, digits: Digits, progress: Any) -> None:
    given = context(digits, progress)
    for path in sorted(made.glob("*/bp*.h5")):
        file = load(path)
        found = {e.part: e.score for e in evaluation.evaluate(given, path)}
        names = {"train": "train", "validation": "valid", "test": "test"}
        assert set(found) == {n for n, own in names.items() if own in file.outcome.scores}
        for part, score in found.items():
            mine = file.outcome.scores[names[part]]
            assert (mine.cases, mine.errors) == (score.cases, score.errors)
            assert mine.cost_per_100 == pytest.approx(score.cost_per_100, rel=1e-4)


def test_every_net_stopped_by_its_own_rule(made: Path) -> None:
    epochs = set()
    for path in sorted(made.glob("*/bp*.h5")):
        file, outcome = load(path), load(path).outcome
        epochs.add(outcome.epochs_run)
        assert outcome.epochs_run == file.epochs_done
        assert outcome.capped == (outcome.reason == "stopped by the cap of 6 epochs")
        if file.lineage.role == VALIDATED:
            errors = file.history["valid_errors"]
            assert outcome.epochs == int(np.argmin(errors)) + 1
            assert outcome.valid.errors == errors.min()  # type: ignore[union-attr]
            costs = file.history["valid_cost"]
            stopped = len(errors) - outcome.epochs >= 1 and np.argmin(costs) < len(costs) - 1
            assert stopped or outcome.capped
        else:
            costs, target = file.history["train_cost"], float(file.lineage.target_cost or 0)
            assert (costs[:-1] > target).all()
            assert costs[-1] <= target or outcome.capped
            assert file.lineage.role in (EXTENDED, NOT_PRETRAINED)
    assert len(epochs) > 1


def test_the_criterion_without_pretraining_is_the_mean_of_the_three(made: Path) -> None:
    nets = [load(made / "seed-0" / f"bp-{split}.h5") for split in SPLITS]
    file = load(made / "seed-0" / "bp-not-pretrained.h5")
    costs = [net.outcome.scores["train"].cost_per_100 for net in nets]
    assert file.lineage.target_cost == pytest.approx(np.mean(costs))
    assert file.lineage.parents == tuple(net.digest for net in nets)


def test_a_seeds_nets_do_not_depend_on_the_others(
    made: Path, digits: Digits, progress: Any, tmp_path: Path
) -> None:
    learn(digits, progress, tmp_path, [1], together=2)
    for name in NAMES:
        alone, beside, other = (
            load(folder / name).learned.parameters()
            for folder in (tmp_path / "seed-1", made / "seed-1", made / "seed-0")
        )
        assert apart(alone, beside) < ROUNDED, name
        assert apart(alone, other) > 10 * ROUNDED, name


def test_what_is_finished_is_left_as_it_is(
    made: Path, digits: Digits, progress: Any, tmp_path: Path
) -> None:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    for name in ("bp-b.h5", "bp-not-pretrained.h5"):
        (tmp_path / "seed-1" / name).unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*.h5")}
    learn(digits, progress, tmp_path)
    same_but_for_companions(tmp_path, made)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


class Stop(BaseException):
    """As a process that is killed."""


@pytest.mark.parametrize("after", [1, 3, 5, 8, 11])
def test_a_run_that_was_killed_goes_on_to_the_same_nets(
    made: Path, digits: Digits, make_progress: Any, tmp_path: Path, after: int
) -> None:
    def killed(epochs: int) -> None:
        if epochs == after:
            raise Stop

    with pytest.raises(Stop):
        learn(digits, make_progress(killed), tmp_path, together=6, save_every_s=0.0)
    again = make_progress()
    learn(digits, again, tmp_path, together=6)
    same_but_for_companions(tmp_path, made)
    assert len(again.rows) < 20
    assert not list(tmp_path.glob("*/*.part"))
    assert not list(tmp_path.glob("*/*.lock"))


@pytest.mark.parametrize("after", [2, 6])
def test_a_signal_saves_the_epoch_it_comes_in(
    made: Path, digits: Digits, make_progress: Any, tmp_path: Path, after: int
) -> None:
    import os  # noqa: PLC0415
    import signal  # noqa: PLC0415

    def asked(epochs: int) -> None:
        if epochs == after:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        learn(digits, make_progress(asked), tmp_path, together=6)
    done = [load(path).epochs_done for path in tmp_path.glob("*/*.part")]
    assert done
    assert set(done) == {after if after < 5 else after - 4}
    learn(digits, make_progress(), tmp_path, together=6)
    same_but_for_companions(tmp_path, made)


def test_what_goes_on_with_other_threads_is_said_once(
    digits: Digits, make_progress: Any, tmp_path: Path
) -> None:
    def killed(epochs: int) -> None:
        if epochs == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(digits, make_progress(killed), tmp_path, together=6, save_every_s=0.0)
    again = make_progress()
    learn(digits, again, tmp_path, together=6, threads=2)
    (note,) = [note for note in again.notes if "threads" in note]
    assert "pretrain-a.h5: goes on with threads 2 after 1" in note
    assert note.endswith("(5 others as well)")
    stack, net = (load(tmp_path / "seed-1" / f"{name}-b.h5") for name in ("pretrain", "bp"))
    assert (stack.lineage.threads_before, net.lineage.threads_before) == ((1,), ())


def test_too_little_memory_makes_smaller_groups(
    made: Path, digits: Digits, progress: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    start = Rbms.__init__

    def limited(self: Any, place: Any, draws: Any, weights: Any, *more: Any) -> None:
        sizes.append(len(weights))
        if len(weights) > 3:
            raise torch.OutOfMemoryError
        start(self, place, draws, weights, *more)

    monkeypatch.setattr(Rbms, "__init__", limited)
    learn(digits, progress, tmp_path, together=6)
    assert sizes[:2] == [6, 3]
    assert any("not enough memory; 3 nets at a time" in note for note in progress.notes)
    same_but_for_companions(tmp_path, made)


def test_what_was_finished_before_memory_ran_out_is_not_learned_again(
    made: Path, digits: Digits, progress: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch, refused = groups._epoch, []

    def limited(stage: Any, learner: Any, members: Any, *more: Any) -> None:
        if stage.title == "nets" and len(members) < 6 and not refused:
            refused.append(len(members))
            raise torch.OutOfMemoryError
        epoch(stage, learner, members, *more)

    monkeypatch.setattr(groups, "_epoch", limited)
    learn(digits, progress, tmp_path, together=6, save_every_s=0.0)
    assert 0 < refused[0] < 6
    assert any("not enough memory" in note for note in progress.notes)
    for path in tmp_path.glob("seed-*/bp-?.h5"):
        net = load(path)
        assert len(net.history["valid_errors"]) == net.epochs_done == net.outcome.epochs_run
    same_but_for_companions(tmp_path, made)


def test_no_memory_for_one_net_is_one_line(
    digits: Digits, progress: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Rbms, "__init__", none)
    with pytest.raises(RunError, match="not enough memory for a single net"):
        learn(digits, progress, tmp_path)


def test_a_net_that_goes_astray_leaves_the_others_alone(
    made: Path, digits: Digits, progress: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_epoch = Stacks.run_epoch

    def broken(self: Stacks, tick: Callable[[float], None]) -> Any:
        rows = run_epoch(self, tick)
        if self.epoch == 1:
            self.rbms.arrays["weights"][4, 0, 0] = float("nan")
        return rows

    monkeypatch.setattr(Stacks, "run_epoch", broken)
    with pytest.raises(RunError, match=r"pretrain-b\.h5: its numbers are no longer finite"):
        learn(digits, progress, tmp_path, together=6)
    expected = {n for n in digests(made) if "/pretrain" in n} - {"seed-1/pretrain-b.h5"}
    assert set(digests(tmp_path)) == expected
    for name in expected:  # from then on with a companion less
        models = (load(folder / name).learned.parameters() for folder in (tmp_path, made))
        assert apart(*models) < ROUNDED


def test_other_arguments_are_refused_before_anything_is_learned(
    made: Path, digits: Digits, progress: Any, tmp_path: Path
) -> None:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with pytest.raises(RunError, match=r"pretrain-a\.h5: made with other arguments: passes was 2"):
        learn(digits, progress, tmp_path, recipe=tiny(pretrain_passes=3))
    assert not progress.rows


def test_files_of_other_learners_are_not_mixed_up(
    made: Path, digits: Digits, progress: Any, tmp_path: Path
) -> None:
    recipe, given = tiny(), context(digits, progress)
    folder = tmp_path / "seed-0"
    shutil.copytree(made / "seed-0", folder)
    (folder / "pretrain-a.h5").unlink()
    experiments.pretrain(given, folder / "pretrain-a.h5", "a", recipe.pretrain, "tiny", 0)
    with pytest.raises(RunError, match="other arguments: device was nothing, now cpu"):
        learn(digits, progress, tmp_path, [0])
    notes = table1.read_runs(folder).notes
    assert any("from different devices: cpu, this package's own" in note for note in notes)


def test_a_net_above_a_stack_of_a_card_is_told_from_others(
    made: Path, digits: Digits, progress: Any, tmp_path: Path
) -> None:
    given, stack = context(digits, progress), made / "seed-0" / "pretrain-a.h5"
    experiments.finetune(given, tmp_path / "bp.h5", stack, tiny().backprop, "tiny", 0)
    lineage = load(tmp_path / "bp.h5").lineage
    assert (lineage.device, lineage.below) == ("", ("device",))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no graphics card")
def test_a_card_makes_such_files(digits: Digits, make_progress: Any, tmp_path: Path) -> None:
    def killed(epochs: int) -> None:
        if epochs in (3, 9):
            raise Stop

    for _ in range(2):  # in the stacks, then in the nets or beyond
        with pytest.raises(Stop):
            learn(digits, make_progress(killed), tmp_path, device="cuda", save_every_s=0.0)
    learn(digits, make_progress(), tmp_path, device="cuda")
    assert all(table1.read_runs(tmp_path / "seed-1").measured)
    given = context(digits, make_progress())
    for path in sorted(tmp_path.glob("*/bp*.h5")):
        file = load(path)
        assert file.lineage.device == torch.cuda.get_device_name()
        assert file.provenance["products"] == "TF32"
        for found in evaluation.evaluate(given, path):
            mine = file.outcome.scores[found.part.replace("validation", "valid")]
            assert abs(mine.errors - found.score.errors) <= 1  # of a tie, within rounding
            assert mine.cost_per_100 == pytest.approx(found.score.cost_per_100, rel=1e-4)


def test_a_recipe_with_dropout_makes_nets_of_a_table_of_their_own(
    digits: Digits, make_progress: Any, tmp_path: Path
) -> None:
    learn(digits, make_progress(), tmp_path / "dropout", recipe=tiny(backprop_dropout=True))
    for folder in (tmp_path / "dropout" / "seed-0", tmp_path / "dropout" / "seed-1"):
        for name in NAMES:
            file = load(folder / name)
            assert file.complete
            if file.kind.name == "classifier":
                assert conditions_of(file) == {"dropout"}
                assert file.settings.pixel_dropout == 0.3
                assert len(file.history["rate"]) == file.outcome.epochs_run
        assert not any(table1.read_runs(folder).measured)
    folders = [tmp_path / "dropout" / f"seed-{seed}" for seed in (0, 1)]
    rows = over_seeds.table(folders, "dropout").rows
    assert [(row["experiment"], row["net"]) for row in rows][:2] == [
        ("dropout, 100", "a"), ("dropout, 100", "b"),
    ]  # fmt: skip
    assert all(row["test_errors"]["replicas"] == 2 for row in rows if row["net"] != "mean")
    assert {row["net"] for row in rows} == {*SPLITS, "mean", "product", "all"}


def test_a_recipe_with_adversarial_training_has_its_own_conditions_and_lines(
    digits: Digits, progress: Any, tmp_path: Path
) -> None:
    recipe = tiny(backprop_dropout=True, backprop_adversarial=0.5)
    learn(digits, progress, tmp_path, [0], recipe=recipe)
    own = RECIPES["tr2006"].settings("backprop", ("dropout", "adversarial"))
    for name in NAMES:
        file = load(tmp_path / "seed-0" / name)
        if file.kind.name == "classifier":
            assert conditions_of(file) == {"dropout", "adversarial"}
            assert file.settings.pixel_dropout == own.pixel_dropout
            assert file.settings.epochs == own.epochs
    rows = error_rates.table(tmp_path / "seed-0", error_rates.DROPOUT).rows
    assert {row["experiment"] for row in rows} == {
        "adversarial, 100", "adversarial, 120", "adversarial, not pretrained, 120 at once",
    }  # fmt: skip


@pytest.mark.parametrize("translations", [0, 1])
def test_nets_that_learn_between_neighbours_are_killed_and_go_on_to_the_same(
    digits: Digits, make_progress: Any, tmp_path: Path, translations: int
) -> None:
    under = {"backprop.epochs": (2, "test"), "backprop.extension_epochs": (1, "test")}
    ways = {"backprop_adversarial": 0.5, "backprop_neighbours": 3, "backprop_elastic": 1.0}
    moved = tiny(backprop_dropout=True, **ways)
    short = dict.fromkeys(("distortions and dropout", "translations and dropout"), under)
    recipe = dataclasses.replace(moved, variants=RECIPES["tr2006"].variants | short)

    def made(folder: Path, progress: Any) -> None:
        given = context(digits, progress, save_every_s=0.0)
        replicas.replicate(
            given, Place("cpu"), folder, recipe, [0], 3, replicas.TRANSLATED, translations
        )

    def killed(epochs: int) -> None:
        if epochs == 4:
            raise Stop

    with pytest.raises(Stop):
        made(tmp_path / "killed", make_progress(killed))
    for name in ("killed", "whole"):
        made(tmp_path / name, make_progress())
    names = MOVED if translations else NAMES[:-1]
    for name in names:
        whole, gone_on = (load(tmp_path / f / "seed-0" / name) for f in ("whole", "killed"))
        assert whole.digest == gone_on.digest
        if whole.kind.name == "classifier":
            assert conditions_of(whole) - {"translations"} == {
                "dropout",
                "adversarial",
                "neighbours",
                "elastic",
            }
            assert whole.settings.epochs == 2
    rows = error_rates.table(tmp_path / "whole" / "seed-0", error_rates.DROPOUT).rows
    moved_too = "elastic distortions, "
    moved_too += "images translated by 1 pixel, " if translations else ""
    assert {row["experiment"].rpartition(",")[0] + ", " for row in rows} == {
        f"adversarial and neighbours, {moved_too}"
    }


def test_extensions_with_dropout_have_a_schedule_and_draws_of_their_own(
    digits: Digits, progress: Any, tmp_path: Path
) -> None:
    own = RECIPES["tr2006"].variants["dropout"] | {
        "backprop.epochs": (4, "test"), "backprop.extension_epochs": (2, "test"),
        "backprop.final_share": (0.25, "test"),
    }  # fmt: skip
    recipe = dataclasses.replace(tiny(backprop_dropout=True), variants={"dropout": own})
    learn(digits, progress, tmp_path, [0], recipe=recipe)
    for name, shares in (("bp-a", (1, 0.75, 0.5, 0.25)), ("bp-a-extended", (1, 0.25))):
        rates = load(tmp_path / "seed-0" / f"{name}.h5").history["rate"]
        assert rates[: len(shares)] / rates[0] == pytest.approx(shares)
        assert (rates[len(shares) :] == rates[len(shares) - 1]).all()
    used: Any = SimpleNamespace(draws=lambda _members, use, masks: (use, masks))
    for role, masks in ((EXTENDED, Use.DROPOUT_ON_ALL), (VALIDATED, Use.DROPOUT)):
        member: Any = SimpleNamespace(run=SimpleNamespace(lineage=SimpleNamespace(role=role)))
        for dropout in (False, True):
            found = replicas.Table.masks(
                used, [member], Use.RANDOM_NET, SimpleNamespace(dropout=dropout)
            )
            assert found == ((Use.RANDOM_NET, masks) if dropout else None)


@pytest.mark.parametrize("dropout", [False, True])
def test_few_labels_are_learned_as_by_the_other_commands(
    digits: Digits, progress: Any, tmp_path: Path, dropout: bool
) -> None:
    quick = RECIPES["quick"]
    recipe = dataclasses.replace(
        tiny(backprop_dropout=dropout), variants=quick.variants,
        searches={**quick.searches, "labelled": (9, 30)},
    )  # fmt: skip
    given, place, parts = context(digits, progress), Place("cpu"), replicas.labelled(recipe)
    replicas.replicate(given, place, tmp_path, recipe, [0, 1], None, parts)
    kinds = "pretrain-{}.h5", "bp-{}-9-labelled.h5", "bp-{}-30-labelled.h5"
    names = [kind.format(split) for split in SPLITS for kind in kinds]
    folders = [tmp_path / f"seed-{seed}" for seed in (0, 1)]
    for folder in folders:
        assert sorted(p.name for p in folder.iterdir()) == sorted(names)
    done, expected = progress.work[-1]
    assert done == pytest.approx(expected)
    for n in (9, 30):
        settings = recipe.settings("backprop", conditions(labelled=n, dropout=dropout))
        path, stack = tmp_path / f"n-{n}.h5", folders[1] / "pretrain-b.h5"
        experiments.finetune(given, path, stack, settings, "tiny", 1, n)
        theirs, ours = load(folders[1] / f"bp-b-{n}-labelled.h5"), load(path)
        assert theirs.settings == ours.settings
        assert theirs.lineage == dataclasses.replace(
            ours.lineage, device="cpu", parents=theirs.lineage.parents
        )
        assert theirs.outcome.train is not None
        assert theirs.outcome.train.cases == n


def test_few_labels_that_there_are_not_are_one_line(
    digits: Digits, progress: Any, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(tiny(), searches={"labelled": (10,)})
    parts = replicas.labelled(recipe)
    with pytest.raises(RunError, match="does not have 10 training cases, equally many of each"):
        replicas.replicate(
            context(digits, progress), Place("cpu"), tmp_path, recipe, [0], None, parts
        )
    assert not progress.rows
    assert not list(tmp_path.iterdir())


def test_stacks_by_chains_have_the_values_of_their_condition(
    digits: Digits, progress: Any, tmp_path: Path
) -> None:
    recipe = tiny(pretrain_persistent=True, pretrain_sparsity_cost=0.2)
    learn(digits, progress, tmp_path, [0], recipe=recipe)
    under = conditions(persistent=True, sparsity_cost=0.2)
    for name in NAMES:
        file = load(tmp_path / "seed-0" / name)
        assert conditions_of(file) == {"persistent", "sparsity_cost"}, name
        if file.kind.name == "stack":
            assert file.settings == recipe.settings("pretrain", under)
            assert file.settings.recon_states == "all"
    assert not any(table1.read_runs(tmp_path / "seed-0").measured)
    done, expected = progress.work[-1]
    assert done == pytest.approx(expected)


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (three_chances(), "3 chances of dropout for 2 layers"),
        (tiny(backprop_optimiser="cg"), "learn by momentum alone"),
        (tiny(backprop_top_only_epochs=1), "learn by momentum alone"),
        (tiny(pretrain_updates=5), "learn by passes"),
        (tiny(pretrain_start="transpose", pretrain_layers=(7, 9)), "learn without start"),
        (tiny(backprop_affine=1.0, pretrain_elastic=1.0), "learn without elastic"),
        (tiny(pretrain_track=3), "learn without track"),
    ],
)
def test_what_is_for_single_nets_is_refused(
    digits: Digits, progress: Any, tmp_path: Path, recipe: Recipe, reason: str
) -> None:
    with pytest.raises(RunError, match=reason):
        learn(digits, progress, tmp_path, recipe=recipe)


@pytest.mark.parametrize("dropout", [False, True])
def test_translated_images_are_learned_as_by_the_other_commands(
    digits: Digits, progress: Any, tmp_path: Path, dropout: bool
) -> None:
    recipe = tiny(backprop_dropout=dropout, backprop_max_epochs=2)
    recipe = dataclasses.replace(recipe, variants=RECIPES["quick"].variants)
    given = context(digits, progress)
    moved, place = replicas.TRANSLATED, Place("cpu")
    replicas.replicate(given, place, tmp_path, recipe, [0, 1], None, moved, 2)
    folders = [tmp_path / f"seed-{seed}" for seed in (0, 1)]
    for folder in folders:
        assert sorted(p.name for p in folder.iterdir()) == sorted(MOVED)
    done, expected = progress.work[-1]
    assert done == pytest.approx(expected)

    under = conditions(translations=2, dropout=dropout)
    pretrain, backprop = (recipe.settings(part, under) for part in ("pretrain", "backprop"))
    own = tmp_path / "p.h5", tmp_path / "n.h5", tmp_path / "x.h5"
    experiments.pretrain(given, own[0], "b", pretrain, "tiny", 1, translations=2)
    experiments.finetune(given, own[1], own[0], backprop, "tiny", 1)
    experiments.extend(given, own[2], own[1], backprop, "tiny", 1)
    table = replicas.Table(given, place, tmp_path, recipe, [1], 2)
    for name, path in zip(("pretrain-", "bp-", "bp-"), own, strict=True):
        end = "b-extended" if path == own[2] else "b"
        theirs, ours = load(folders[1] / f"{name}translated-{end}.h5"), load(path)
        assert theirs.settings == ours.settings
        assert theirs.lineage.translations == ours.lineage.translations == 2
        assert theirs.lineage.role == ours.lineage.role
        member = groups.Member(replicas.Run(path, "", "", None, ours.lineage, ""), 1, "b")
        rows, learned = table.rows([member])[0], cases.cases_learned(digits, ours.lineage)
        np.testing.assert_array_equal(table.images[rows], learned.images)
        np.testing.assert_array_equal(table.labels[rows], learned.labels)
    rows = over_seeds.table(folders, "dropout" if dropout else "translated").rows
    nets = {row["net"] for row in rows if "translat" in row["experiment"]}
    assert nets == {*SPLITS, "mean", "product"}


def test_progress_reaches_its_end(digits: Digits, progress: Any, tmp_path: Path) -> None:
    learn(digits, progress, tmp_path, [3])
    done, expected = progress.work[-1]
    assert done == pytest.approx(expected)
    assert progress.ticked == pytest.approx(done)
    shares = [done / expected for done, expected in progress.work]
    assert all(0 <= share <= 1 + 1e-9 for share in shares)
    assert progress.calls == ["begin replicate", "end"]


def test_the_epochs_of_what_is_left_are_expected_as_those_before(
    digits: Digits, progress: Any, tmp_path: Path
) -> None:
    stage = replicas._NetStage(
        replicas.Table(context(digits, progress), Place("cpu"), tmp_path, tiny(), [0])
    )
    before = stage.work(VALIDATED)
    stage.epochs_seen += [2, 4]
    assert stage.work(VALIDATED) == before * 3 / 6  # its first guess is beyond the cap of 6


def test_the_command_line_makes_them(
    digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hinton06.mnist.read", lambda *_: digits)
    monkeypatch.setitem(RECIPES, "quick", tiny())  # type: ignore[index]
    out = tmp_path / "out"
    command = ["replicate", "--seeds", "3,1", "--device", "cpu", "--recipe", "quick", "--plain",
               "--threads", "1"]  # fmt: skip
    done = run(*command, "--out", str(out))
    assert done.exit_code == 0, done.output
    assert f"{out}/seed-1: 10 files of Table 1" in done.stdout
    assert "replicate stacks epoch 1, 3 nets" in done.stderr
    found = run(*command, "--out", str(out), "--json", "--quiet")
    assert sorted(json.loads(found.stdout)["seeds"]) == ["1", "3"]
    assert not found.stderr
    quick = dataclasses.replace(tiny(backprop_max_epochs=1), variants=RECIPES["quick"].variants)
    monkeypatch.setitem(RECIPES, "quick", quick)  # type: ignore[index]
    done = run(*command, "--out", str(out), "--each", "translated")
    assert done.exit_code == 0, done.output
    assert f"{out}/seed-1: 9 files of translated images" in done.stdout
    assert load(out / "seed-1" / "bp-translated-a.h5").lineage.translations == 2


def test_without_pytorch_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "find_spec", lambda _: None)
    done = run("replicate", "--seeds", "0")
    assert done.exit_code == 1
    assert done.stderr == (
        "hinton06: many nets at once need PyTorch: pip install 'hinton06[gpu]'\n"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a graphics card")
def test_without_a_card_there_is_one_line() -> None:
    done = run("replicate", "--seeds", "0")
    assert done.exit_code == 1
    assert "PyTorch finds no graphics card here; --device cpu does without" in done.stderr


def test_groups_know_their_learners() -> None:
    for learner in (Stacks, Classifiers, GenerativeNets):
        for name in vars(groups.Learner):
            if not name.startswith("_"):
                assert hasattr(learner, name)


# -- the generative half -------------------------------------------------------------------------


HALF = [
    *(f"pretrain-{split}.h5" for split in SPLITS),
    *(f"pretrain-labels-{split}.h5" for split in SPLITS),
    *(f"{kind}-{split}{more}.h5" for kind in ("cws", "hybrid") for split in SPLITS
      for more in ("", "-extended")),
]  # fmt: skip


def generative_recipe(**more: Any) -> Recipe:
    """Of three small layers, few epochs and rounds of Gibbs sampling that rise."""
    own = {
        "pretrain_layers": (7, 6, 8), "wakesleep_epochs": 4, "wakesleep_batch": 16,
        "wakesleep_rate": 0.3, "wakesleep_gibbs": (1, 2),
    }  # fmt: skip
    changes = {name.replace("_", ".", 1): value for name, value in (own | more).items()}
    return tiny().with_values(changes | {"pretrain.passes": 2})


def learn_half(digits: Digits, progress: Any, out: Path, **more: Any) -> Any:
    recipe = more.pop("recipe", None) or generative_recipe()
    given, seeds = context(digits, progress, **more), more.pop("seeds", [0])
    return replicas.replicate(given, Place("cpu"), out, recipe, seeds, 3, generative.HYBRID)


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory, digits: Digits, make_progress: Any) -> Any:
    """Folder and progress of the generative half of seed 0."""
    out, progress = tmp_path_factory.mktemp("half"), make_progress()
    learn_half(digits, progress, out)
    return out, progress


def test_every_file_of_the_generative_half_is_there(half: Any) -> None:
    folder = half[0] / "seed-0"
    assert sorted(p.name for p in folder.iterdir()) == sorted(HALF)
    table = error_rates.table(folder, error_rates.GENERATIVE)
    assert len(table.rows) > 12
    assert not [note for note in table.notes if "device" in note]
    for name in HALF:
        file = load(folder / name)
        assert file.complete
        assert file.lineage.device == "cpu"
        kind = "stack" if "pretrain" in name else "generative"
        assert file.kind.name == kind


@pytest.mark.parametrize(
    ("name", "also"), [("dropout", []), ("adversarial", []), ("neighbours", ["adversarial"])]
)
def test_mixed_gradients_with_dropout_make_files_of_a_table_of_their_own(
    digits: Digits, progress: Any, tmp_path: Path, name: str, also: list[str]
) -> None:
    recipe, own = generative_recipe(), RECIPES[name].variants["mixed gradient"]
    variants = {"mixed gradient": own}
    recipe = dataclasses.replace(recipe, variants=dict(recipe.variants) | variants)
    learn_half(digits, progress, tmp_path, recipe=recipe)
    expected = {"dropout", name, *also}
    for path in HALF:
        file = load(tmp_path / "seed-0" / path)
        dropped = path.startswith("hybrid")
        found = conditions_of(file) & {"dropout", "adversarial", "neighbours"}
        assert found == (expected if dropped else set())
        assert not dropped or file.settings.pixel_dropout == own["wakesleep.pixel_dropout"][0]
    rows = error_rates.table(tmp_path / "seed-0", error_rates.DROPOUT).rows
    shown = {row["experiment"] for row in rows}
    line = " and ".join([*also, name]) + ", mixed gradient"
    assert any(one.startswith(line) for one in shown), shown


def test_progress_of_the_generative_half_reaches_its_end(half: Any) -> None:
    done, expected = half[1].work[-1]
    assert done == pytest.approx(expected)
    assert half[1].ticked == pytest.approx(done)


def test_outcomes_of_the_generative_half_are_what_evaluate_measures(
    half: Any, digits: Digits, progress: Any
) -> None:
    given = context(digits, progress)
    for name in HALF[3:]:
        path = half[0] / "seed-0" / name
        file = load(path)
        found = {e.part: e.score for e in evaluation.evaluate(given, path)}
        names = {"train": "train", "validation": "valid", "test": "test"}
        assert set(found) == {n for n, own in names.items() if own in file.outcome.scores}
        for part, score in found.items():
            mine = file.outcome.scores[names[part]]
            assert (mine.cases, mine.errors) == (score.cases, score.errors)
            assert mine.cost_per_100 == pytest.approx(score.cost_per_100, rel=1e-4)


def test_lineages_of_the_generative_half_are_those_of_the_other_commands(
    half: Any, digits: Digits, progress: Any, tmp_path: Path
) -> None:
    recipe, given = generative_recipe(), context(digits, progress)
    folder, top = half[0] / "seed-0", recipe.settings("pretrain", conditions(labels=True))
    plain, mixed = (
        recipe.settings("wakesleep", conditions(labels=True, mixed=mixed))
        for mixed in (False, True)
    )
    searched = dataclasses.replace(mixed, search_bp_weight=True)
    name = ("tiny", 0)
    made = {n: tmp_path / f"{n}.h5" for n in ("top", "cws", "more", "mixed", "more-mixed")}
    stack = folder / "pretrain-b.h5"
    experiments.pretrain(given, made["top"], "b", top, *name, labels=True, lower=stack)
    cws = folder / "cws-b.h5"
    labels = folder / "pretrain-labels-b.h5"
    experiments.finetune_generative(given, made["cws"], labels, plain, *name)
    experiments.extend_generative(given, made["more"], cws, plain, *name)
    experiments.finetune_generative(given, made["mixed"], cws, searched, *name)
    experiments.extend_generative(given, made["more-mixed"], folder / "hybrid-b.h5", mixed, *name)
    for mine, theirs in (
        ("top", "pretrain-labels-b"), ("cws", "cws-b"), ("more", "cws-b-extended"),
        ("mixed", "hybrid-b"), ("more-mixed", "hybrid-b-extended"),
    ):  # fmt: skip
        ours, many_made = load(made[mine]), load(folder / f"{theirs}.h5")
        assert many_made.settings == ours.settings
        assert many_made.lineage == dataclasses.replace(ours.lineage, device="cpu")
        assert sorted(many_made.history) == sorted(ours.history)
        assert many_made.outcome.tree().keys() == ours.outcome.tree().keys()
        assert many_made.outcome.epochs_before == ours.outcome.epochs_before


@pytest.mark.parametrize("after", [3, 6, 10, 14, 18])
def test_the_generative_half_goes_on_to_the_same_nets(
    half: Any, digits: Digits, make_progress: Any, tmp_path: Path, after: int
) -> None:
    def killed(epochs: int) -> None:
        if epochs == after:
            raise Stop

    with pytest.raises(Stop):
        learn_half(digits, make_progress(killed), tmp_path, save_every_s=0.0)
    learn_half(digits, make_progress(), tmp_path)
    same_but_for_companions(tmp_path, half[0])


def test_too_little_memory_makes_smaller_groups_of_generative_nets(
    half: Any, digits: Digits, progress: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = GenerativeNets.__init__

    def limited(self: Any, place: Any, draws: Any, settings: Any, *more: Any) -> None:
        if len(settings) > 1:
            raise torch.OutOfMemoryError
        start(self, place, draws, settings, *more)

    monkeypatch.setattr(GenerativeNets, "__init__", limited)
    learn_half(digits, progress, tmp_path)
    assert any("not enough memory; 1 net at a time" in note for note in progress.notes)
    same_but_for_companions(tmp_path, half[0])


def test_what_backpropagation_would_do_is_no_matter_of_wake_sleep(
    digits: Digits, progress: Any, tmp_path: Path
) -> None:
    recipe = generative_recipe(backprop_optimiser="cg")
    given = context(digits, progress)
    made = replicas.replicate(given, Place("cpu"), tmp_path, recipe, [0], 3, generative.CWS[:1])
    assert len(made[0]) == 3
    with pytest.raises(RunError, match="by momentum alone"):
        learn(digits, progress, tmp_path / "nets", recipe=recipe)


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (generative_recipe(wakesleep_generative="pretraining"), "contrastive wake-sleep alone"),
        (generative_recipe(pretrain_layers=(7, 6)), "three layers"),
    ],
)
def test_what_many_generative_nets_cannot_learn_is_refused(
    digits: Digits, progress: Any, tmp_path: Path, recipe: Recipe, reason: str
) -> None:
    with pytest.raises(RunError, match=reason):
        learn_half(digits, progress, tmp_path, recipe=recipe)
    assert not progress.rows


# -- alternatives of a recipe --------------------------------------------------------------------


def test_settings_that_are_set_are_in_the_files(
    digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hinton06.mnist.read", lambda *_: digits)
    monkeypatch.setitem(RECIPES, "quick", tiny())  # type: ignore[index]
    out = tmp_path / "out"
    changes = ["--set", "pretrain.decay=0.001", "--set", "backprop.importance-sampling=no"]
    command = ["replicate", "--seeds", "3", "--device", "cpu", "--recipe", "quick", "--quiet"]
    done = run(*command, *changes, "--out", str(out))
    assert done.exit_code == 0, done.output
    stack, net = (load(out / "seed-3" / f"{name}-a.h5") for name in ("pretrain", "bp"))
    assert stack.settings == dataclasses.replace(tiny().pretrain, decay=0.001)
    assert net.settings == dataclasses.replace(tiny().backprop, importance_sampling=False)


def test_what_is_set_goes_before_what_holds_under_conditions() -> None:
    recipe = RECIPES["tr2006"].with_values({"pretrain.passes": 7})
    assert recipe.settings("pretrain", conditions(labels=True)).passes == 7
    assert recipe.settings("pretrain", conditions(labels=True)).initial_sd == 0.01
    assert RECIPES["tr2006"].pretrain.passes == 100


def test_what_goes_with_dropout_is_set_where_the_recipe_has_it() -> None:
    recipe = RECIPES["dropout"].with_values({"wakesleep.pixel_dropout": 0.1})
    assert recipe.settings("wakesleep", conditions(labels=True)).pixel_dropout == 0
    mixed = recipe.settings("wakesleep", conditions(labels=True, mixed=True))
    assert (mixed.dropout, mixed.pixel_dropout, mixed.feature_dropout) == (True, 0.1, (0.2,))
    for key in ("wakesleep.pixel_dropout", "backprop.pixel_dropout"):
        with pytest.raises(ValueError, match="pixel_dropout goes with dropout alone"):
            RECIPES["tr2006"].with_values({key: 0.1})
    with pytest.raises(ValueError, match="pixel_dropout lies between"):
        RECIPES["dropout"].with_values({"wakesleep.pixel_dropout": 3.0})
    recipe = RECIPES["dropout"].with_values({"wakesleep.dropout": False})
    mixed = recipe.settings("wakesleep", conditions(labels=True, mixed=True))
    assert (mixed.dropout, mixed.pixel_dropout) == (False, 0.0)
    recipe = RECIPES["dropout"].with_values({"backprop.pixel_dropout": 0.1})
    for under in (conditions(dropout=True), conditions(dropout=True, translations=2)):
        assert recipe.settings("backprop", under).pixel_dropout == 0.1


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("pretrain.rat=1", "no setting pretrain.rat; pretrain.rate?"),
        ("rate", "'rate' is not like backprop.rate=0.1"),
        ("backprop.rate=-1", "backprop.rate: -1.0 is not in the range 0<=x<=1000."),
        ("likelihood.chains=3", "no setting likelihood.chains"),
    ],
)
def test_a_setting_that_is_none_is_one_line(word: str, message: str) -> None:
    done = run("replicate", "--seeds", "0", "--set", word)
    assert done.exit_code == 2
    assert message in done.stderr
