"""What a command takes from the file that it starts from, and what it says where it cannot."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import fails_in_one_line, run

from hinton06 import checkpoint, evaluation, mnist, stacking
from hinton06.evaluation import Evaluation
from hinton06.finetuning import FineTuning
from hinton06.loading import load
from hinton06.mnist import Digits

LAYERS = ["--layers", "6-5-7", "--passes", "1", "--batch", "50"]
SHORT = ["--max-epochs", "1", "--batch", "50"]
CWS = ["--epochs", "2", "--batch", "50"]
LOOK = {
    "evaluate": ["evaluate", "bp-a.h5"],
    "evaluate a generative net": ["evaluate", "cws-a.h5"],
    "combine": ["combine", "bp-a.h5", "bp-b.h5"],
    "compare": ["compare", "bp-a.h5", "cws-a.h5"],
    "sample": ["sample", "cws-a.h5", "--gibbs", "2", "--samples", "1"],
    "figures": ["figures", "cws-a.h5", "--gibbs", "2", "--out", "figures"],
}
LEARN = {
    "finetune-bp": ["finetune-bp", "pretrain-a.h5", *SHORT],
    "--extend": ["finetune-bp", "--extend", "bp-a.h5", *SHORT],
    "--on": ["pretrain", "--labels", "--split", "a", "--on", "pretrain-a.h5", *LAYERS],
    "--no-pretraining": ["finetune-bp", "--no-pretraining", "bp-a.h5", "bp-b.h5", *SHORT],
    "finetune-cws": ["finetune-cws", "pretrain-labels-a.h5", *CWS],
    "finetune-cws --extend": ["finetune-cws", "--extend", "cws-a.h5", *CWS],
}
"""Every way to start from a file, in the folder of the files."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, digits_dir: Path) -> Path:
    """Images in a folder of their own, and beside it a file of each sort that learned them."""
    top = tmp_path_factory.mktemp("made")
    shutil.copytree(digits_dir, top / "digits")
    runs, data = top / "runs", top / "digits"
    options = [*LAYERS, "--seed", 3, "--recipe", "quick", "--threads", 1, "--data", data, "-q"]
    for more in (["a"], ["b"], ["a", "--labels"]):
        must("pretrain", "--runs", runs, *options, "--split", *more)
    for split in "ab":
        must("finetune-bp", runs / f"pretrain-{split}.h5", *SHORT, "-q")
    must("finetune-cws", runs / "pretrain-labels-a.h5", *CWS, "-q")
    return top


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files, to be written beside; commands run where they are."""
    runs = Path(shutil.copytree(made / "runs", tmp_path / "runs"))
    monkeypatch.chdir(runs)
    return runs


@pytest.fixture
def moved(made: Path, folder: Path, tmp_path: Path) -> Path:
    """The images in another place, and none where they were."""
    for path in folder.glob("*.h5"):
        found = checkpoint.load(path)
        assert found.lineage["data_folder"] == str((made / "digits").resolve())
        found.lineage["data_folder"] = str(tmp_path / "gone")
        checkpoint.save(path, found)
    return Path(shutil.copytree(made / "digits", tmp_path / "elsewhere"))


@pytest.fixture
def reordered(
    tiny_digits: Digits, tmp_path: Path, to_idx: Callable[[Any], bytes]
) -> Path:  # fmt: skip
    """A folder of the same images in another order: other data."""
    target = tmp_path / "other"
    target.mkdir()
    for name, images, labels in (
        ("train", tiny_digits.train_images, tiny_digits.train_labels),
        ("t10k", tiny_digits.test_images, tiny_digits.test_labels),
    ):
        square = images[::-1].reshape(-1, *tiny_digits.shape)
        (target / f"{name}-images-idx3-ubyte").write_bytes(to_idx(square))
        (target / f"{name}-labels-idx1-ubyte").write_bytes(to_idx(labels[::-1]))
    return target


def must(*arguments: object) -> Any:
    """Run a command that must succeed."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


# -- seed, recipe, threads and data --------------------------------------------------------------


def test_a_chain_goes_on_with_the_seed_the_recipe_the_threads_and_the_data(
    tmp_path: Path, digits_dir: Path
) -> None:
    own = ["--seed", 3, "--recipe", "quick", "--threads", 1, "--data", digits_dir]
    must("pretrain", "--split", "a", "--runs", tmp_path, *LAYERS, *own, "--quiet")
    result = must("finetune-bp", tmp_path / "pretrain-a.h5")
    first = result.stderr.splitlines()[0]
    assert first == (
        f"hinton06: with seed 3, recipe quick, threads 1 and the data of {digits_dir.resolve()}, "
        "as pretrain-a.h5"
    )
    stack, net = load(tmp_path / "pretrain-a.h5"), load(tmp_path / "bp-a.h5")
    for file in (stack, net):
        assert file.recipe == "quick"
        assert (file.lineage.seed, file.lineage.threads) == (3, 1)
        assert file.lineage.data_folder == str(digits_dir.resolve())
    assert net.lineage.data == stack.lineage.data
    assert net.lineage.parents == (stack.digest,)
    assert result.stderr.count("as pretrain-a.h5") == 1
    again = must("finetune-bp", tmp_path / "pretrain-a.h5", *own)
    assert "already finished" in again.stdout  # the same as with all of them given


@pytest.mark.parametrize("how", LEARN)
def test_every_way_to_start_from_a_file_says_what_it_takes(
    how: str, made: Path, folder: Path
) -> None:
    start = next(word for word in LEARN[how] if word.endswith(".h5"))
    taken = f"the data of {(made / 'digits').resolve()}, as {start}"
    result = must(*LEARN[how], "--out", "new.h5")
    first = result.stderr.splitlines()[0]
    assert first == f"hinton06: with seed 3, recipe quick, threads 1 and {taken}"
    new, old = load(folder / "new.h5"), load(folder / start)
    assert new.recipe == old.recipe == "quick"
    for name in ("seed", "threads", "data", "data_folder"):
        assert getattr(new.lineage, name) == getattr(old.lineage, name)
    quiet = must(*LEARN[how], "--out", "quiet.h5", "--quiet")
    assert quiet.stderr == "" or "before its stopping rule was met" in quiet.stderr
    assert load(folder / "quiet.h5").digest == new.digest


@pytest.mark.usefixtures("folder")
def test_what_is_given_is_not_taken_from_the_file(made: Path) -> None:
    command = ["finetune-bp", "pretrain-a.h5", *SHORT]
    seeded = must(*command, "--seed", 4, "--out", "seed.h5")
    assert seeded.stderr.splitlines()[0].startswith("hinton06: with recipe quick, threads 1 and ")
    assert load(Path("seed.h5")).lineage.seed == 4
    data = ["--data", made / "digits"]
    most = must(*command, "--seed", 0, "--recipe", "tr2006", *data, "--out", "most.h5")
    assert most.stderr.splitlines()[0] == "hinton06: with threads 1, as pretrain-a.h5"
    assert (load(Path("most.h5")).recipe, load(Path("most.h5")).lineage.seed) == ("tr2006", 0)
    every = must(*command, "--seed", 0, "--recipe", "tr2006", "--threads", 1, *data, "--out",
                 "all.h5")  # fmt: skip
    assert "as pretrain-a.h5" not in every.stderr


@pytest.mark.usefixtures("folder")
def test_a_command_that_cannot_start_says_only_why() -> None:
    for command in (["finetune-bp", "bp-a.h5"], ["finetune-bp", "--extend", "pretrain-a.h5"],
                    ["finetune-cws", "pretrain-a.h5"], ["finetune-cws", "--extend", "bp-a.h5"],
                    ["pretrain", "--split", "b", "--on", "pretrain-a.h5", *LAYERS]):  # fmt: skip
        fails_in_one_line(run(*command), 1, command[-1] if "-a" in command[-1] else "pretrain-a.h5")


# -- images that are gone, or others -------------------------------------------------------------


@pytest.mark.usefixtures("moved")
@pytest.mark.parametrize("how", [*LEARN, *LOOK])
def test_images_that_are_gone_are_asked_for_in_one_line(how: str, folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    command = LEARN.get(how) or LOOK[how]
    start = next(word for word in command if word.endswith(".h5"))
    fails_in_one_line(run(*command), 1, f"{start}: its images cannot be found", "gone", "--data")
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("how", [*LEARN, *LOOK])
def test_a_folder_that_holds_other_images_now_is_noticed_in_one_line(
    how: str, folder: Path, moved: Path, reordered: Path
) -> None:
    reordered.rename(moved.with_name("gone"))
    before = sorted(path.name for path in folder.iterdir())
    command = LEARN.get(how) or LOOK[how]
    start = next(word for word in command if word.endswith(".h5"))
    fails_in_one_line(run(*command), 1, start, "other images than it was made with", "--data")
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("how", [*LEARN, *LOOK])
def test_images_that_were_moved_are_the_files_own_where_they_are_given(
    how: str, moved: Path
) -> None:
    more = ["--out", "new.h5"] if how in LEARN else []
    result = must(*(LEARN.get(how) or LOOK[how]), *more, "--data", moved)
    assert "not the data of" not in result.stderr
    if more:
        assert load(Path("new.h5")).lineage.data_folder == str(moved.resolve())


@pytest.mark.usefixtures("moved")
@pytest.mark.parametrize("how", LEARN)
def test_training_goes_on_with_other_images_where_they_are_given_and_says_so(
    how: str, reordered: Path
) -> None:
    result = must(*LEARN[how], "--out", "new.h5", "--data", reordered)
    starts = [word for word in LEARN[how] if word.endswith(".h5")]
    assert result.stderr.splitlines()[:2] == [
        f"hinton06: with seed 3, recipe quick and threads 1, as {starts[0]}",
        f"hinton06: learns from {reordered}, and not the data of {', '.join(starts)}",
    ]
    assert load(Path("new.h5")).lineage.data == mnist.read(reordered).sha256
    # They are what is learned, even where little is said.
    quiet = must(*LEARN[how], "--out", "quiet.h5", "--data", reordered, "--quiet")
    assert quiet.stderr.splitlines()[:1] == result.stderr.splitlines()[1:2]
    assert load(Path("quiet.h5")).digest == load(Path("new.h5")).digest


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("how", LOOK)
def test_looking_with_other_images_says_so_in_one_line(how: str, reordered: Path) -> None:
    result = must(*LOOK[how], "--data", reordered)
    files = [word for word in LOOK[how] if word.endswith(".h5")]
    said = f"hinton06: uses {reordered}, and not the data of {', '.join(files)}"
    assert result.stderr.splitlines() == [said]
    own = must(*LOOK[how])
    assert "not the data of" not in own.stderr


@pytest.mark.usefixtures("folder")
def test_evaluate_measures_other_images_on_their_test_cases_alone(reordered: Path) -> None:
    def parts(*more: object) -> list[str]:
        result = must("evaluate", "bp-a.h5", "cws-a.h5", "--json", *more)
        return [entry["part"] for entry in json.loads(result.stdout)]

    assert parts() == ["train", "validation", "test"] * 2
    assert parts("--data", reordered) == ["test"] * 2
    for part in ("train", "validation"):
        result = run("evaluate", "bp-a.h5", "--data", reordered, "--part", part)
        fails_in_one_line(result, 1, "bp-a.h5", f"has no {part} cases")


@pytest.mark.usefixtures("folder")
def test_files_of_different_images_are_combined_only_when_told_with_which(
    made: Path, reordered: Path
) -> None:
    must("finetune-bp", "pretrain-a.h5", *SHORT, "--data", reordered, "--out", "other.h5", "-q")
    for command in (["combine", "bp-a.h5", "other.h5"], ["evaluate", "bp-a.h5", "other.h5"],
                    ["compare", "bp-a.h5", "other.h5"],
                    ["figures", "bp-a.h5", "other.h5"],
                    ["finetune-bp", "--no-pretraining", "bp-a.h5", "other.h5"]):  # fmt: skip
        fails_in_one_line(run(*command), 1, "other.h5: was not made with the images of bp-a.h5",
                          "--data")  # fmt: skip
    result = must("combine", "bp-a.h5", "other.h5", "--data", reordered)
    assert result.stderr.splitlines() == [
        f"hinton06: uses {reordered}, and not the data of bp-a.h5"
    ]
    result = must("combine", "bp-a.h5", "other.h5", "--data", made / "digits")
    assert result.stderr.splitlines() == [
        f"hinton06: uses {made / 'digits'}, and not the data of other.h5"
    ]


def test_mnist_has_a_name(folder: Path) -> None:
    big = ["--layers", "2-2", "--passes", "1", "--batch", "1000", "--threads", "1", "-q"]
    must("pretrain", "--split", "a", *big, "--data", "mnist", "--out", "named.h5")
    lineage = load(folder / "named.h5").lineage
    assert (lineage.data, lineage.data_folder) == (mnist.SHA256, None)
    again = must("pretrain", "--split", "a", *big, "--out", "named.h5")
    assert "already finished" in again.stdout  # no --data is MNIST too
    result = must("sample", "named.h5", "--gibbs", "1", "--samples", "1", "--data", "mnist")
    assert result.stderr == ""
    result = must("evaluate", "bp-a.h5", "--data", "mnist", "--json")
    assert [(e["part"], e["cases"]) for e in json.loads(result.stdout)] == [("test", 10_000)]
    assert result.stderr.splitlines() == ["hinton06: uses MNIST, and not the data of bp-a.h5"]
    short = ["--max-epochs", "1", "--batch", "1000", "--out", "net.h5"]
    result = must("finetune-bp", "named.h5", *short)
    assert "threads 1 and the data of MNIST, as named.h5" in result.stderr.splitlines()[0]


# -- what was learned is never what validates ----------------------------------------------------


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The images that each learner is made with, and those that are measured, by part."""
    seen: dict[str, list[Any]] = {"learned": [], "train": [], "validation": [], "test": []}
    make_stack, make_tuning = stacking.GreedyStack.__init__, FineTuning.__init__
    measure = evaluation._asked

    def stack(self: Any, cases: Any, *more: Any, **others: Any) -> None:
        seen["learned"].append(cases)
        make_stack(self, cases, *more, **others)

    def tuning(self: Any, net: Any, train: Any, *more: Any, **others: Any) -> None:
        seen["learned"].append(train.images)
        make_tuning(self, net, train, *more, **others)

    def asked(context: Any, net: Any, method: Any, parts: Any) -> Iterator[Evaluation]:
        for part, cases in parts.items():
            seen[part].append(cases.images)
        return measure(context, net, method, parts)

    monkeypatch.setattr(stacking.GreedyStack, "__init__", stack)
    monkeypatch.setattr(FineTuning, "__init__", tuning)
    monkeypatch.setattr(evaluation, "_asked", asked)
    return seen


def as_set(arrays: list[Any]) -> set[bytes]:
    return {image.tobytes() for images in arrays for image in np.asarray(images)}


FAMILIES = {
    "plain": [
        ["pretrain", "--split", "b", *LAYERS],
        ["finetune-bp", 0, *SHORT],
        ["finetune-bp", "--extend", 1, *SHORT],
        ["finetune-bp", "--no-pretraining", 1, *SHORT],
    ],
    "labels": [
        ["pretrain", "--split", "b", *LAYERS],
        ["pretrain", "--labels", "--split", "b", "--on", 0, *LAYERS],
        ["finetune-cws", 1, *CWS],
        ["finetune-cws", 2, "--bp-weight", "0.5", *CWS],
        ["finetune-cws", "--extend", 3, *CWS],
    ],
    "translated": [
        ["pretrain", "--split", "c", "--translations", "1", *LAYERS],
        ["finetune-bp", 0, *SHORT],
        ["finetune-bp", "--extend", 1, *SHORT],
    ],
    "few labels": [
        ["pretrain", "--split", "a", *LAYERS],
        ["finetune-bp", 0, "--labelled", "50", *SHORT],
    ],
    "few images": [
        ["pretrain", "--split", "a", "--labelled", "50", *LAYERS],
        ["finetune-bp", 0, *SHORT],
    ],
    "fewer cases": [
        ["pretrain", "--split", "a", "--labels", "--cases", "200", *LAYERS],
        ["finetune-bp", 0, *SHORT],
        ["finetune-cws", 0, *CWS],
        ["finetune-cws", "--extend", 2, *CWS],
    ],
    "random start": [
        ["finetune-bp", "--no-pretraining", "--split", "a", "--labelled", "50", *SHORT,
         "--layers", "6-5"],
        ["finetune-bp", "--no-pretraining", "--split", "a", "--layers", "6-5", *SHORT],
        ["finetune-bp", "--extend", 1, *SHORT],
    ],
}  # fmt: skip
"""Chains of commands; a number stands for the file that the command of that number made."""


@pytest.mark.parametrize("family", FAMILIES)
def test_validation_never_includes_cases_that_a_file_was_trained_on(
    family: str, tmp_path: Path, digits_dir: Path, spied: dict[str, list[Any]]
) -> None:
    learned: list[set[bytes]] = []
    for number, words in enumerate(FAMILIES[family]):
        starts = [word for word in words if isinstance(word, int)]
        path, spied["learned"] = tmp_path / f"{number}.h5", []
        command = [tmp_path / f"{word}.h5" if isinstance(word, int) else word for word in words]
        data = [] if starts else ["--data", digits_dir, "--recipe", "quick", "--threads", 1]
        must(*command, "--out", path, "--quiet", *data)
        assert spied["learned"]
        own = as_set(spied["learned"])
        # A net that is not pretrained takes nothing but a cost from those that were.
        fresh = "--no-pretraining" in words
        learned.append(own.union(*([] if fresh else [learned[start] for start in starts])))
        file = load(path)
        if starts and file.lineage.role == "validated":  # on the cases that its start has learned
            assert own <= learned[starts[0]]
        if file.outcome.test is None:
            continue
        spied |= {"train": [], "validation": [], "test": []}
        must("evaluate", path, "--quiet")
        train, validation, test = (as_set(spied[p]) for p in ("train", "validation", "test"))
        assert train == own
        assert not validation & learned[-1]
        assert not test & learned[-1]
        if file.lineage.role in ("extended", "not pretrained"):
            assert not validation
        else:
            assert len(validation) == 100


@pytest.mark.parametrize("name", ["bp-a.h5", "cws-a.h5", "pretrain-labels-a.h5"])
@pytest.mark.usefixtures("folder")
def test_other_images_have_no_validation_although_some_of_them_were_learned(
    name: str, reordered: Path, spied: dict[str, list[Any]]
) -> None:
    must("evaluate", name, "--data", reordered, "--quiet")
    assert len(spied["test"]) == 1
    assert not spied["validation"]
    assert not spied["train"]
