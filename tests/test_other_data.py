"""Sets of images as strangers have them, through every command: names, labels, order."""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import fails_in_one_line, run

import hinton06
from hinton06 import experiments, mnist, native
from hinton06.learning import Silent
from hinton06.loading import Context, load
from hinton06.recipes import RECIPES
from hinton06.training import Interrupted

NAMES = (3, 5, 7, 200)
QUICK = ["--threads", "1", "--recipe", "quick", "--quiet"]
SMALL = ["--layers", "9-8-7", "--passes", "2", *QUICK]


def must(*arguments: object) -> Any:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def images() -> dict[str, Any]:
    """Images of 7 x 5 pixels, and labels 0 to 3, each with a bright row of its own."""
    rng, arrays = np.random.default_rng(7), {}
    for part, n in (("train", 240), ("t10k", 60)):
        labels = rng.permutation(np.arange(n) % 4)
        pixels = rng.integers(0, 100, (n, 7, 5))
        pixels[np.arange(n), labels] += 150
        arrays[f"{part}-images-idx3-ubyte"] = pixels
        arrays[f"{part}-labels-idx1-ubyte"] = labels
    return arrays


@pytest.fixture(scope="module")
def top(
    tmp_path_factory: pytest.TempPathFactory, images: dict[str, Any],
    to_idx: Callable[[Any], bytes],
) -> Path:  # fmt: skip
    """Folders `plain`, as MNIST is, and `odd`: transposed, packed, labelled by `NAMES`."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("plain", "odd"):
        (folder / name).mkdir()
    for name, array in images.items():
        (folder / "plain" / name).write_bytes(to_idx(array))
        other = np.array(NAMES)[array] if array.ndim == 1 else array.transpose(0, 2, 1)
        spelt = f"emnist-some-{name.replace('t10k', 'test')}.gz"
        (folder / "odd" / spelt).write_bytes(gzip.compress(to_idx(other)))
    return folder


COMMANDS = {
    "pretrain-a": ["pretrain", "--split", "a", *SMALL],
    "few": ["pretrain", "--split", "a", "--labelled", "40", *SMALL],
    "balanced": ["pretrain", "--split", "b", "--cases", "80", "--balanced", *SMALL],
    "labels": ["pretrain", "--split", "a", "--labels", *SMALL],
    "bp-a": ["finetune-bp", "pretrain-a.h5", "--max-epochs", "3", "-q"],
    "bp-few": ["finetune-bp", "pretrain-a.h5", "--max-epochs", "3", "--labelled", "40", "-q"],
    "bp-a-extended": ["finetune-bp", "--extend", "bp-a.h5", "--max-epochs", "2", "-q"],
    "random": ["finetune-bp", "--no-pretraining", "bp-a.h5", "--max-epochs", "2", "-q"],
    "cws-a": ["finetune-cws", "labels.h5", "--gibbs", "1-2", "-q"],
    "cws-a-extended": ["finetune-cws", "--extend", "cws-a.h5", "-q"],
}
"""A file of every sort, in an order in which they can be made; the data are named once."""


@pytest.fixture(scope="module")
def made(top: Path) -> Path:
    """The same files of both sets, in `plain-runs` and in `odd-runs`."""
    for name, data in (("plain", [top / "plain"]), ("odd", [top / "odd", "--transposed"])):
        runs = top / f"{name}-runs"
        runs.mkdir()
        for file, (command, *words) in COMMANDS.items():
            paths = [runs / word if word.endswith(".h5") else word for word in words]
            given = ["--data", *data] if command == "pretrain" else []
            must(command, *paths, *given, "--out", runs / f"{file}.h5")
    return top


@pytest.fixture
def odd(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the odd set's files, where commands run."""
    runs = Path(shutil.copytree(made / "odd-runs", tmp_path / "runs"))
    monkeypatch.chdir(runs)
    return runs


# -- labels of any names -------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_what_labels_are_called_changes_nothing_that_is_learned(name: str, made: Path) -> None:
    plain, named = (load(made / f"{data}-runs" / f"{name}.h5") for data in ("plain", "odd"))
    assert named.digest == plain.digest
    assert named.outcome.scores == plain.outcome.scores
    told = named.model.n_classes > 0
    assert (plain.lineage.classes, named.lineage.classes) == ((), NAMES if told else ())
    assert named.lineage.data_folder == str((made / "odd").resolve())


@pytest.mark.usefixtures("odd")
def test_tables_show_labels_by_their_names() -> None:
    for nets in (["bp-a.h5"], ["cws-a.h5"]):
        result = must("evaluate", *nets, "--confusion", "--part", "test")
        block = result.stdout.partition("row the label, column the guess")[2]
        heads, *rows = [line.split() for line in block.strip().splitlines()]
        assert heads == ["label", *map(str, NAMES)]
        assert [row[0] for row in rows] == list(map(str, NAMES))
        (found,) = json.loads(must("evaluate", *nets, "--confusion", "--part", "test",
                                   "--json").stdout)  # fmt: skip
        assert found["classes"] == list(NAMES)
        assert np.sum(found["confusion"]) == 60
    combined = must("combine", "bp-a.h5", "bp-a-extended.h5", "--confusion")
    assert combined.stdout.count("200") >= 2
    shown = must("show", "bp-a.h5").stdout
    assert re.search(r"^classes +3, 5, 7, 200 *$", shown, re.MULTILINE)


def test_samples_are_of_the_labels_that_occur(odd: Path) -> None:
    short = ["--gibbs", "2", "--samples", "2", "--threads", "1", "-q"]
    lines = must("sample", "cws-a.h5", *short).stdout.splitlines()
    assert lines[0].split() == list(map(str, NAMES))
    assert "4 chains of 2 samples" in lines[-1]
    assert lines[-1].endswith("labels 3, 5, 7, 200 clamped")
    one = must("sample", "cws-a.h5", *short, "--labels", "200,5", "--json", "--out", "two.png")
    document = json.loads(one.stdout)
    assert document["clamped_labels"] == [200, 5]
    assert document["labels"] == [[200, 200], [5, 5]]
    free = must("sample", "cws-a.h5", *short, "--labels", "free", "--json", "--out", "free.png")
    assert set(np.ravel(json.loads(free.stdout)["labels"])) <= set(NAMES)
    refused = run("sample", "cws-a.h5", *short, "--labels", "4")
    fails_in_one_line(refused, 1, "cws-a.h5: has labels 3, 5, 7, 200, not 4")
    # The chains themselves are those of labels 0 to 3.
    net, plain = hinton06.load(odd / "cws-a.h5"), load_plain(odd)
    np.testing.assert_array_equal(net.sample(7, 2, 5, seed=3), plain.sample(2, 2, 5, seed=3))


def load_plain(odd: Path) -> Any:
    digits = load(odd / "cws-a.h5").lineage.data_folder
    assert digits is not None
    return hinton06.load(Path(digits).parent / "plain-runs" / "cws-a.h5")


def test_figures_have_the_names(odd: Path) -> None:
    must("figures", "cws-a.h5", "--gibbs", "2", "--only", "2", "--only", "5", "-q")
    second = json.loads((odd / "figures" / "figure2-cws-a.json").read_text())
    assert second["classes"] == list(NAMES)
    digits = mnist.read(Path(str(load(odd / "cws-a.h5").lineage.data_folder)), transposed=True)
    for case in second["cases"]:
        assert case["label"] == digits.test_labels[case["test_case"]]
        order = np.argsort(case["probabilities"])[::-1]
        assert [case["label"], case["second"]] == [NAMES[place] for place in order[:2]]
    fifth = json.loads((odd / "figures" / "figure5-cws-a.json").read_text())
    assert fifth["labels_of_rows"] == list(NAMES)
    svg = (odd / "figures" / "figure5-cws-a.svg").read_text()
    assert "labels 3, 5, 7, 200 clamped" in svg


def test_errors_and_what_is_said_of_each_case_have_the_names(odd: Path) -> None:
    must("figures", "bp-a.h5", "--only", "errors", "-q")
    errors = json.loads((odd / "figures" / "errors-bp-a.json").read_text())
    net = hinton06.load(odd / "bp-a.h5")
    digits = mnist.read(Path(str(load(odd / "bp-a.h5").lineage.data_folder)), transposed=True)
    guesses, labels = net.predict(digits.test_images), digits.test_labels
    assert {(case["test_case"], case["guess"], case["label"]) for case in errors["cases"]} == {
        (case, guesses[case], labels[case]) for case in np.flatnonzero(guesses != labels)
    }
    must("evaluate", "bp-a.h5", "--part", "test", "--save", "cases", "-q")
    with np.load(odd / "cases" / "cases.npz") as cases:
        assert cases["classes"].tolist() == list(NAMES)
        np.testing.assert_array_equal(cases["label"], labels)
        np.testing.assert_array_equal(cases["guess"], guesses)
    first = (odd / "cases" / "cases.csv").read_text().partition("\n")[0]
    assert first.endswith("guess,p3,p5,p7,p200")
    compared = must("compare", "bp-a.h5", "cws-a.h5", "--save", "compared", "--json", "-q")
    other, rows = hinton06.load(odd / "cws-a.h5"), json.loads(compared.stdout)["rows"]
    assert {(r["case"], r["label"], r["first"], r["second"]) for r in rows} == {
        (case, labels[case], guesses[case], guess)
        for case, guess in enumerate(other.predict(digits.test_images))
        if guess != guesses[case]
    }
    np.save("own.npy", digits.test_images[:9].reshape(-1, 7, 5))
    found = json.loads(must("recognise", "own.npy", "--net", "bp-a.h5", "--json").stdout)
    assert [digit["guess"] for digit in found] == guesses[:9].tolist()
    heads = must("recognise", "own.npy", "--net", "bp-a.h5").stdout.splitlines()[0].split()
    assert heads[-4:] == list(map(str, NAMES))


def test_the_page_of_all_files_has_the_names(odd: Path) -> None:
    few = odd / "few"
    few.mkdir()
    shutil.copy(odd / "cws-a.h5", few)
    must("report", "few", "--gibbs", "2", "-q")
    html = (odd / "report.html").read_text(encoding="utf-8")
    digits = mnist.read(Path(str(load(odd / "cws-a.h5").lineage.data_folder)), transposed=True)
    guesses = hinton06.load(odd / "cws-a.h5").predict(digits.test_images)
    shown = re.findall(r"test case (\d+), of class (\d+)\"><span>(\d+)( as (\d+)|: )", html)
    assert len(shown) > 20
    for case, named, first, _, guess in shown:
        label = digits.test_labels[int(case) - 1]
        assert (int(named), int(first)) == (label, label)
        assert int(guess or first) == guesses[int(case) - 1]


def test_the_page_and_what_is_exported_know_the_names(odd: Path) -> None:
    must("demo", "cws-a.h5", "labels.h5", "-o", "page.html", "-q")
    html = (odd / "page.html").read_text(encoding="utf-8")
    said = re.search(r'id="about">(.+?)</script>', html)
    assert said is not None
    about = json.loads(said[1])
    assert (about["classes"], about["names"]) == (4, list(NAMES))
    must("export", "bp-a.h5", "--to", "npz")
    record = json.loads(str(np.load(odd / "bp-a.npz")["record"]))
    assert record["classes"] == record["lineage"]["classes"] == list(NAMES)


@pytest.mark.parametrize("name", ["bp-a", "cws-a", "labels"])
def test_in_python_a_net_answers_with_the_names(name: str, made: Path) -> None:
    net, plain = (hinton06.load(made / f"{d}-runs" / f"{name}.h5") for d in ("odd", "plain"))
    digits = mnist.read(made / "odd", transposed=True)
    assert (net.classes, net.n_classes, plain.classes) == (NAMES, 4, (0, 1, 2, 3))
    guesses = net.predict(digits.test_images)
    assert net.shape == (7, 5)
    np.testing.assert_array_equal(guesses, np.array(NAMES)[plain.predict(digits.test_images)])
    errors = np.count_nonzero(guesses != digits.test_labels)
    assert errors == net.record.scores["test"].errors
    if name != "bp-a":
        with pytest.raises(hinton06.RunError, match="has labels 3, 5, 7, 200, not 1"):
            net.sample(1)


def test_nets_and_images_of_other_classes_do_not_mix(made: Path, odd: Path) -> None:
    other = ["--data", made / "plain", "-q"]
    for command in (
        ["evaluate", "bp-a.h5"], ["finetune-bp", "--extend", "bp-a.h5", "--out", "new.h5"],
        ["finetune-cws", "cws-a.h5", "--out", "new.h5"], ["demo", "cws-a.h5", "-o", "new.html"],
    ):  # fmt: skip
        words = ("knows the classes 3, 5, 7, 200, but", "plain has 0 to 3")
        last = run(*command, *other).stderr.strip().splitlines()[-1]
        assert all(word in last for word in words), last
    assert not list(odd.glob("new*"))


@pytest.mark.usefixtures("odd")
def test_data_are_found_again_transposed_or_not(made: Path) -> None:
    given = ["--data", made / "odd", "-q"]  # --transposed is not said again
    again = must("finetune-bp", "pretrain-a.h5", "--max-epochs", "3", *given, "--out", "bp-a.h5")
    assert "already finished" in again.stdout
    assert "and not the data of" not in again.stderr
    for words in (["--transposed"], ["--transposed", "--data", "mnist"]):
        mistaken = run("evaluate", "bp-a.h5", *words)
        fails_in_one_line(mistaken, 2, "--transposed goes with --data DIR")


# -- files of before -----------------------------------------------------------------------------


def test_older_files_of_such_labels_are_gone_on_with(
    made: Path, odd: Path, make_progress: Any, tmp_path: Path
) -> None:
    """They know all labels from 0 to the largest, most of which nobody has."""
    counted = dataclasses.replace(
        mnist.read(made / "odd", transposed=True), told_apart=tuple(range(201))
    )
    before = Context(counted, make_progress())
    now = Context(mnist.read(made / "odd", transposed=True), make_progress())
    recipe = RECIPES["quick"]
    settings = dataclasses.replace(recipe.backprop, max_epochs=3)
    stack, older = odd / "pretrain-a.h5", tmp_path / "older.h5"

    def tuned(context: Context, path: Path, start: Path = stack) -> Any:
        return experiments.finetune(context, path, start, settings, "quick")

    file = tuned(before, older).file
    assert (file.lineage.classes, file.model.n_classes) == ((), 201)
    assert tuned(now, older).already
    stopped = make_progress(lambda done: signal.raise_signal(signal.SIGTERM) if done == 2 else None)
    with pytest.raises(Interrupted):
        tuned(dataclasses.replace(before, progress=stopped), tmp_path / "stopped.h5")
    assert tuned(now, tmp_path / "stopped.h5").file.digest == file.digest
    extended = experiments.extend(now, tmp_path / "extended.h5", older, settings, "quick").file
    assert extended.model.n_classes == 201
    table = must("evaluate", older, "--part", "test", "--json").stdout
    assert json.loads(table)[0]["errors"] == file.outcome.test.errors
    assert set(hinton06.load(older).predict(counted.test_images)) <= set(range(201))
    new = tuned(now, tmp_path / "new.h5").file
    assert new.lineage.classes == NAMES
    mixed = run("combine", older, tmp_path / "new.h5")
    fails_in_one_line(mixed, 1, "does not know the same classes as")


# -- order ---------------------------------------------------------------------------------------


def test_a_set_that_is_shuffled_is_said_to_be(
    tmp_path: Path, images: dict[str, Any], to_idx: Callable[[Any], bytes]
) -> None:
    order = np.argsort(images["train-labels-idx1-ubyte"], kind="stable")
    order[[1, -2]] = order[[-2, 1]]
    for name, array in images.items():
        ordered = array[order] if name.startswith("train") else array
        (tmp_path / name).write_bytes(to_idx(ordered))
    loud = [word for word in SMALL if word != "--quiet"]
    stack = ["pretrain", "--split", "a", *loud, "--data", tmp_path, "--out", tmp_path / "s.h5"]
    said = f"hinton06: {tmp_path}: classes come one after the other in the training file; its"
    assert [said in line for line in must(*stack).stderr.splitlines()[:2]] == [True, False]
    tuned = must("finetune-bp", tmp_path / "s.h5", "--max-epochs", "1")
    assert tuned.stderr.count(said) == 1
    assert "none learned" not in tuned.stderr
    net: Any = []
    hinton06.pretrain(
        tmp_path / "again.h5", recipe="quick", layers=(9, 8, 7), passes=2, threads=1,
        data=tmp_path, progress=_Notes(net),
    )  # fmt: skip
    assert any("its cases are shuffled" in line for line in net)
    assert load(tmp_path / "again.h5").digest == load(tmp_path / "s.h5").digest


class _Notes(Silent):
    def __init__(self, heard: list[str]) -> None:
        self.heard = heard

    def note(self, message: str) -> None:
        self.heard.append(message)


def test_a_class_that_training_lacks_is_told(
    images: dict[str, Any], make_progress: Any, tmp_path: Path
) -> None:
    n, progress = 240, make_progress()
    labels = images["train-labels-idx1-ubyte"].astype(np.uint8).copy()
    labels[-3:] = 200  # of the validation cases of split a, and of no others
    pixels = images["train-images-idx3-ubyte"].astype(np.uint8).reshape(n, 35)
    digits = mnist.Digits(pixels, labels, pixels[:9], labels[:9], (7, 5), "none", "rare")
    small = dataclasses.replace(RECIPES["quick"].pretrain, layers=(5,), passes=1)
    path = tmp_path / "stack.h5"
    experiments.pretrain(Context(digits, progress), path, "a", small)
    assert progress.notes == [f"{path}: 3 validation cases of class 200, none learned"]
    experiments.pretrain(Context(digits, other := make_progress()), tmp_path / "b", "b", small)
    assert other.notes == []
    labels[-1:] = 201
    one = dataclasses.replace(digits, train_labels=np.where(labels == 200, labels[0], labels))
    experiments.pretrain(Context(one, other := make_progress()), path.with_name("1"), "a", small)
    assert other.notes == [f"{tmp_path / '1'}: 1 validation case of class 201, none learned"]
    labels[-12:] = np.arange(200, 212)
    many = dataclasses.replace(digits, train_labels=labels)
    experiments.pretrain(Context(many, other := make_progress()), path.with_name("m"), "a", small)
    ten = ", ".join(map(str, range(200, 210)))
    assert other.notes == [
        f"{tmp_path / 'm'}: 12 validation cases of classes {ten}, 2 more, none learned"
    ]


# -- the word mnist ------------------------------------------------------------------------------


def test_the_word_mnist_names_the_images_inside_and_a_path_a_folder(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "plain", tmp_path / "mnist")
    loud = [word for word in SMALL if word != "--quiet"]
    command = ["pretrain", "--split", "a", "--cases", "80", *loud]
    for name in ("./mnist", "mnist/", tmp_path / "mnist"):
        must(*command, "--data", name, "--out", "new.h5", "--force")
        assert load(Path("new.h5")).lineage.data_folder == str(tmp_path / "mnist")
    inside = ["--layers", "2", "--passes", "1", "--out", "inside.h5", "--data", "mnist"]
    said = must(*command, *inside).stderr
    assert "mnist is the MNIST inside this package; ./mnist names the folder" in said
    assert load(Path("inside.h5")).lineage.data == mnist.SHA256
    small: dict[str, Any] = {"recipe": "quick", "layers": (2,), "passes": 1, "threads": 1}
    assert hinton06.pretrain("one.h5", data="mnist", cases=80, **small).n_pixels == 784
    assert hinton06.pretrain("two.h5", data="./mnist", **small).n_pixels == 35
    assert hinton06.pretrain("three.h5", data=Path("mnist"), **small).n_pixels == 35


# -- pictures ------------------------------------------------------------------------------------


def test_no_picture_takes_the_place_of_another_in_silence(odd: Path) -> None:
    short = ["--gibbs", "2", "--samples", "2", "--threads", "1", "-q"]
    assert must("sample", "pretrain-a.h5", *short).stderr == ""
    assert must("sample", "pretrain-a.h5", *short, "--layer", "1").stderr == ""
    assert must("sample", "pretrain-a.h5", *short, "--layer", "1").stderr == ""  # the same one
    assert sorted(path.name for path in odd.glob("*.png")) == [
        "samples-pretrain-a-layer1.png", "samples-pretrain-a.png",
    ]  # fmt: skip
    other = must("sample", "pretrain-a.h5", *short, "--seed", "1")
    assert other.stderr == (
        "hinton06: samples-pretrain-a.png: takes the place of another picture\n"
    )
    fields = ["figures", "pretrain-a.h5", "--only", "3", "-q", "--features"]
    assert must(*fields, "1").stderr == ""
    replaced = must(*fields, "2").stderr.splitlines()
    assert replaced == [
        f"hinton06: figures/figure3-pretrain-a{e}: takes the place of another picture"
        for e in (".png", ".svg")
    ]


# -- threads and the compiler --------------------------------------------------------------------


@pytest.mark.usefixtures("odd")
def test_no_more_threads_than_may_be_used_unless_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tune = ["finetune-bp", "pretrain-a.h5", "--max-epochs", "1"]
    monkeypatch.setattr(native, "usable_threads", lambda: 3)
    assert "threads 1" in must(*tune, "--out", "as-the-file.h5").stderr  # where more may be used
    must(*tune, "--threads", "3", "--out", "three.h5", "-q")
    assert load(Path("three.h5")).lineage.threads == 3
    monkeypatch.setattr(native, "usable_threads", lambda: 2)
    going_on = ["finetune-bp", "--extend", "three.h5", "--max-epochs", "1"]
    said = must(*going_on, "--out", "two.h5").stderr
    assert "with threads 2, all that this process may use; three.h5 was made with 3" in said
    assert "threads 3" not in said
    assert load(Path("two.h5")).lineage.threads == 2
    again = must(*going_on, "--out", "two.h5", "--threads", "3")
    note = "hinton06: two.h5: was made with threads 2, and not 3 (--force makes it anew)\n"
    assert ("already finished" in again.stdout, again.stderr) == (True, note)
    net = hinton06.finetune_bp("pretrain-a.h5", "python.h5", max_epochs=1)
    assert net.record.lineage.threads == 1
    assert hinton06.extend("three.h5", "four.h5", max_epochs=1).record.lineage.threads == 2


@pytest.mark.usefixtures("odd")
def test_an_installation_without_loops_in_c_says_so_once(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "_C", None)
    monkeypatch.setattr(native, "KIND", "NumPy")
    said = "this installation has no loops in C, for lack of a compiler"
    loud = [word for word in SMALL if word != "--quiet"]
    three = must("pretrain", "--split", "all", *loud, "--runs", "new", "--data", made / "plain")
    assert three.stderr.count(said) == 1
    assert said in must("sample", "cws-a.h5", "--gibbs", "2", "--samples", "1").stderr
    heard: list[str] = []
    hinton06.finetune_bp("pretrain-a.h5", "p.h5", max_epochs=1, progress=_Notes(heard))
    assert sum(said in line for line in heard) == 1


# -- grey levels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pixels: 255 - pixels, "its images are dark on a light ground; 255 - images"),
        (lambda pixels: pixels // 128, "no training image has a pixel above 1 of 255"),
        (lambda pixels: pixels, ""),
    ],
)
def test_levels_that_are_hardly_meant_so_are_a_line(
    change: Any, words: str, images: dict[str, Any], tmp_path: Path
) -> None:
    arrays = {
        f"{axis}_{part}": change(images[f"{file}-{kind}"])
        if axis == "x"
        else images[f"{file}-{kind}"]
        for part, file in (("train", "train"), ("test", "t10k"))
        for axis, kind in (("x", "images-idx3-ubyte"), ("y", "labels-idx1-ubyte"))
    }
    np.savez(tmp_path / "own.npz", **arrays)
    command = ["pretrain", "--split", "a", "--data", tmp_path / "own.npz", "--recipe", "quick"]
    result = must(*command, "--layers", "4", "--passes", "1", "--out", tmp_path / "net.h5")
    assert (words in result.stderr) if words else ("own.npz" not in result.stderr)


def test_a_folder_of_what_was_saved_names_no_set_of_images(tmp_path: Path) -> None:
    """Only an .npz file of images is one to be named in its place."""
    np.savez(tmp_path / "cases.npz", case=np.zeros(3))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    result = run("pretrain", "--split", "a", "--data", tmp_path)
    fails_in_one_line(result, 1, "there is no train-images-idx3-ubyte")
    assert "npz" not in result.stderr
    np.savez(tmp_path / "own.npz", x_train=np.zeros(3))
    result = run("pretrain", "--split", "a", "--data", tmp_path)
    fails_in_one_line(result, 1, f"name the file itself: {tmp_path / 'own.npz'}")
