"""Files of earlier versions serve: they are read, continued, extended, measured and tabulated."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commands import run

from hinton06 import checkpoint, evaluation, experiments, loading, recipes
from hinton06.lineage import EXTENDED, NOT_PRETRAINED, PRETRAINED, VALIDATED
from hinton06.loading import Context, Outcome, RunFile, load
from hinton06.mnist import Digits, read
from hinton06.recipes import RECIPES, PretrainSettings
from hinton06.report.files import Selection, each_run
from hinton06.training import RunError

OLD = Path(__file__).parent / "data" / "version-1"
FINISHED = sorted(path.name for path in OLD.glob("*.h5"))
PARTIAL = sorted(path.name for path in OLD.glob("*.part"))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the old files, to be written beside."""
    return Path(shutil.copytree(OLD, tmp_path / "old"))


@pytest.fixture(scope="module")
def digits() -> Digits:
    return read(OLD / "digits")


def test_the_old_files_are_what_this_test_is_about() -> None:
    kinds_held = {load(OLD / name).kind.name for name in FINISHED}
    assert kinds_held == {"stack", "classifier", "generative"}  # there were no others then
    assert len(FINISHED) >= 15
    assert len(PARTIAL) >= 5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pretrain-a.h5", {"role": PRETRAINED, "split": "a"}),
        ("bp-a.h5", {"role": VALIDATED, "split": "a"}),
        ("bp-a-extended.h5", {"role": EXTENDED, "split": "a"}),
        ("bp-not-pretrained.h5", {"role": NOT_PRETRAINED, "layers": (12, 12, 20)}),
        ("pretrain-labels-a.h5", {"role": PRETRAINED, "labels": 10}),
        ("cws-a.h5", {"role": VALIDATED}),
        ("hybrid-a.h5", {"role": VALIDATED}),
        ("cws-a-extended.h5", {"role": EXTENDED, "schedule_done": 1}),
        ("pretrain-translated-a.h5", {"translations": 1}),
        ("bp-translated-a.h5", {"translations": 1, "role": VALIDATED}),
        ("bp-a-50-labelled.h5", {"labelled": 50, "images": 0}),
        ("pretrain-50-images-a.h5", {"labelled": 0, "images": 50}),
        ("bp-50-images-a.h5", {"labelled": 50, "images": 50}),
        ("bp-not-pretrained-a-50-labelled.h5", {"labelled": 50, "random_start": True}),
    ],
)
def test_arguments_became_a_lineage(name: str, expected: dict[str, Any], digits: Digits) -> None:
    lineage = load(OLD / name).lineage
    assert (lineage.data, lineage.seed, lineage.threads) == (digits.sha256, 0, 1)
    if name == "cws-a-extended.h5":
        expected = {**expected, "schedule_done": load(OLD / "cws-a.h5").outcome.epochs}
    assert {field: getattr(lineage, field) for field in expected} == expected


def test_what_was_recorded_as_the_start_is_the_parent_s_digest() -> None:
    pairs = {
        "bp-a": "pretrain-a", "bp-a-extended": "bp-a", "cws-a": "pretrain-labels-a",
        "pretrain-labels-a": "pretrain-a", "hybrid-a": "cws-a",
    }  # fmt: skip
    for child, parent in pairs.items():
        digest = load(OLD / f"{parent}.h5").digest
        assert load(OLD / f"{child}.h5").lineage.parents == (digest,)
    assert load(OLD / "bp-not-pretrained.h5").lineage.parents is None  # was not recorded


@pytest.mark.parametrize("name", FINISHED)
def test_finished_files_are_measured_as_they_were(name: str, digits: Digits, progress: Any) -> None:
    file = load(OLD / name)
    if file.outcome.test is None:
        assert file.kind.name == "stack"
        return
    found = {e.part: e.score for e in evaluation.evaluate(Context(digits, progress), OLD / name)}
    for part, score in file.outcome.scores.items():
        again = found["validation" if part == "valid" else part]
        assert (again.cases, again.errors) == (score.cases, score.errors)
        # The machine that wrote them may have summed in another order: float32, some 100 terms.
        assert again.cost_per_100 == pytest.approx(score.cost_per_100, rel=1e-4)


@pytest.mark.parametrize("name", [name.removesuffix(".part") for name in PARTIAL])
def test_stopped_runs_go_on_from_the_epoch_of_their_last_save(
    name: str, old: Path, digits: Digits, make_progress: Any
) -> None:
    part = load(old / f"{name}.part")
    before = part.epochs_done
    progress = make_progress()
    context = Context(digits, progress)
    again = (part.recipe, part.lineage.seed)
    settings: Any = part.settings
    calls = {
        "pretrain-c.h5": lambda p: experiments.pretrain(context, p, "c", settings, *again),
        "bp-b.h5": lambda p: experiments.finetune(
            context, p, old / "pretrain-b.h5", settings, *again
        ),
        "bp-a-again.h5": lambda p: experiments.extend(
            context, p, old / "bp-a.h5", settings, *again
        ),
        "cws-b.h5": lambda p: experiments.finetune_generative(
            context, p, old / "pretrain-labels-b.h5", settings, *again
        ),
        "hybrid-a-extended.h5": lambda p: experiments.extend_generative(
            context, p, old / "hybrid-a.h5", settings, *again
        ),
    }
    file = calls[name](old / name).file
    assert before >= 1
    assert file.epochs_done == before + len(progress.rows)
    assert file.provenance["resumed"] == 1
    assert file.held.digest() == file.digest
    assert checkpoint.load(old / name).complete


def test_finished_files_are_found_finished_by_the_same_command(old: Path) -> None:
    for arguments in (
        ("finetune-bp", old / "pretrain-a.h5", "--batch", 20, "--max-epochs", 6, "--patience", 1),
        ("finetune-bp", "--extend", old / "bp-a.h5", "--batch", 20, "--max-epochs", 6,
         "--patience", 1),
        ("finetune-bp", "--no-pretraining", old / "bp-a.h5", "--batch", 20, "--max-epochs", 6,
         "--patience", 1),
        ("finetune-cws", old / "pretrain-labels-a.h5", "--batch", 20, "--epochs", 4),
        ("pretrain", "--labels", "--split", "a", "--on", old / "pretrain-a.h5", "--batch", 20,
         "--passes", 3, "--initial-sd", 0.1, "--layers", "12-12-20",
         "--out", old / "pretrain-labels-a.h5"),
    ):  # fmt: skip
        result = run(*arguments, "--data", old / "digits", "--quiet")
        assert result.exit_code == 0, result.output
        assert "already finished" in result.stdout


def test_files_that_do_not_say_where_their_data_are_ask_for_them(old: Path) -> None:
    result = run("finetune-bp", old / "pretrain-b.h5", "--out", old / "new.h5")
    assert result.exit_code == 1
    assert "give --data" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("table1", ["Neta", "not pre-trained"]),
        ("generative", ["contrastive wake-sleep", "mixed gradient"]),
        ("translated", ["translated images"]),
        ("unlabelled", ["labelled images", "nothing"]),
        ("replicas", ["Neta"]),
    ],
)
def test_old_files_are_tabulated(table: str, words: list[str], old: Path) -> None:
    result = run(table, old, "--format", "markdown")
    assert result.exit_code == 0, result.output
    for word in words:
        assert word in result.stdout


@pytest.mark.parametrize("name", [*FINISHED, *PARTIAL])
def test_old_files_are_shown(name: str) -> None:
    result = run("show", OLD / name)
    assert result.exit_code == 0, result.output
    assert (
        "12-12-20" in result.stdout
        or "classifier" in result.stdout
        or "generative" in result.stdout
    )


# -- what is added later -------------------------------------------------------------------------


@dataclass(frozen=True)
class LaterPretrainSettings(PretrainSettings):
    """With a setting that was added, at what held before."""

    sparsity: float = recipes._setting("Share of features that are on.", 0, 1, before=0.0)


@dataclass(frozen=True, eq=False)
class LaterOutcome(Outcome):
    """With a measurement that was added."""

    log_likelihood: float | None = None


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The running package with a setting and an outcome more."""
    monkeypatch.setattr(recipes, "PARTS", {**recipes.PARTS, "pretrain": LaterPretrainSettings})
    monkeypatch.setattr(loading, "PARTS", recipes.PARTS)
    monkeypatch.setattr(loading, "Outcome", LaterOutcome)
    monkeypatch.setattr(experiments, "Outcome", LaterOutcome)


def later_settings(file: RunFile, **changes: Any) -> Any:
    return dataclasses.replace(file.settings, **changes)  # type: ignore[type-var]


@pytest.mark.usefixtures("later")
def test_a_setting_and_an_outcome_that_are_added_leave_old_files_as_they_were(
    old: Path, digits: Digits, progress: Any
) -> None:
    stack, part = load(old / "pretrain-a.h5"), load(old / "pretrain-c.h5.part")
    assert later_settings(stack) == stack.settings
    assert stack.settings.sparsity == 0  # type: ignore[union-attr]
    context = Context(digits, progress)
    made = experiments.pretrain(context, stack.path, "a", later_settings(stack), "quick", 0)
    assert made.already
    assert not progress.rows
    went_on = experiments.pretrain(
        context, old / "pretrain-c.h5", "c", later_settings(part), "quick", 0
    )
    assert len(progress.rows) == went_on.file.epochs_done - part.epochs_done
    net = load(old / "bp-a.h5")
    assert net.outcome.log_likelihood is None  # type: ignore[attr-defined]
    settings: Any = net.settings
    extended = experiments.extend(context, old / "more.h5", net.path, settings, "quick", 0)
    assert isinstance(load(extended.file.path).outcome, LaterOutcome)


@pytest.mark.usefixtures("later")
def test_another_value_of_the_setting_is_another_run(
    old: Path, digits: Digits, progress: Any
) -> None:
    stack = load(old / "pretrain-a.h5")
    sparse = later_settings(stack, sparsity=0.1)
    with pytest.raises(RunError, match=r"sparsity was 0\.0, now 0\.1"):
        experiments.pretrain(Context(digits, progress), stack.path, "a", sparse, "quick", 0)


@pytest.mark.usefixtures("later")
def test_what_is_learned_above_such_a_stack_is_known_and_in_no_table_that_does_not_know_it(
    old: Path, digits: Digits, progress: Any
) -> None:
    """Not even two files further: a table of nets knows the settings of nets alone."""
    context, folder = Context(digits, progress), old / "sparse"
    sparse = later_settings(load(old / "pretrain-a.h5"), sparsity=0.1)
    backprop: Any = load(old / "bp-a.h5").settings
    experiments.pretrain(context, folder / "stack.h5", "a", sparse, "quick", 0)
    experiments.finetune(context, folder / "net.h5", folder / "stack.h5", backprop, "quick", 0)
    experiments.extend(context, folder / "more.h5", folder / "net.h5", backprop, "quick", 0)
    experiments.pretrain(
        context, folder / "labels.h5", "a", load(old / "pretrain-a.h5").settings, "quick", 0,
        labels=True, lower=folder / "stack.h5",
    )  # fmt: skip
    for name in ("net", "more", "labels"):
        assert load(folder / f"{name}.h5").lineage.below == ("sparsity",)
    notes: list[str] = []
    nets = Selection("classifier", (VALIDATED, EXTENDED), frozenset())
    assert list(each_run(folder, "nets", notes, nets)) == []
    assert notes == ["left out: more.h5 (sparsity), net.h5 (sparsity)"]


def test_a_file_of_a_later_version_with_an_unknown_setting_is_refused_in_one_line(
    old: Path,
) -> None:
    held = checkpoint.load(old / "pretrain-a.h5")
    held.settings["sparsity"] = 0.1
    checkpoint.save(old / "newer.h5", held)
    with pytest.raises(checkpoint.CheckpointError, match="sparsity, which only a newer version"):
        load(old / "newer.h5")
    held.settings.pop("sparsity")
    held.outcome["log_likelihood"] = -86.3  # does no harm
    checkpoint.save(old / "newer.h5", held)
    assert load(old / "newer.h5").complete


def test_one_epoch_of_an_old_reason_is_one(old: Path) -> None:
    held = checkpoint.load(old / "bp-a.h5")
    assert held.outcome["reason"].endswith("no fewer validation errors for 1 epoch")


def test_opening_a_file_for_writing_does_not_damage_it(
    old: Path,
) -> None:
    import h5py  # noqa: PLC0415  # as another program would

    path = old / "copy.h5"
    checkpoint.save(path, checkpoint.load(old / "bp-a.h5"))
    h5py.File(path, "a").close()
    assert load(path).digest == load(old / "bp-a.h5").digest
    with h5py.File(path, "a"):
        assert load(path).digest == load(old / "bp-a.h5").digest


@pytest.mark.parametrize("version", [1, checkpoint.VERSION])
def test_a_program_that_is_killed_with_a_file_open_does_not_damage_it(
    version: int, old: Path
) -> None:
    path = old / "bp-a.h5"
    whole = load(path).digest
    if version > 1:
        checkpoint.save(path, checkpoint.load(path))
    before = path.read_bytes()
    killed = "import h5py, os, sys; file = h5py.File(sys.argv[1], 'a'); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", killed, path], check=False).returncode == 9
    assert path.read_bytes() != before  # what HDF5 leaves behind
    assert load(path).digest == whole


def test_a_file_of_version_1_that_says_it_was_sealed_is_refused_without_its_seal(old: Path) -> None:
    import h5py  # noqa: PLC0415  # as another program would

    path = old / "bp-a.h5"
    whole, content = load(path).digest, path.read_bytes()
    path.write_bytes(content[: -len(b"hinton06 sha256\0") - 32])
    with pytest.raises(checkpoint.CheckpointError, match=r"bp-a\.h5: damaged: truncated"):
        load(path)
    with h5py.File(path, "a") as file:  # as the first files were, before there was a seal
        del file.attrs["sealed"]
    assert load(path).digest == whole


def test_every_quick_recipe_has_the_settings_of_version_1() -> None:
    for name in FINISHED:
        file = load(OLD / name)
        mine = {item.name for item in dataclasses.fields(RECIPES["quick"].settings(file.kind.part))}
        assert set(checkpoint.load(OLD / name).settings) <= mine
