"""`sample` and `figures`: what they print and write, and the one line when they cannot."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence
from test_cli import fails_in_one_line, run

from hinton06 import checkpoint, evaluation, mnist, sampling
from hinton06.loading import Context
from hinton06.models import DeepBeliefNet, Rbm, Stack
from hinton06.recognition import label_log_probs
from hinton06.report import grids
from hinton06.sampling import SamplingOptions

N_PIXELS, N_CLASSES = 35, 4
SHORT = ["--gibbs", "3", "--threads", "1", "--quiet"]


def stack_of(sizes: list[int], n_labels: int = 0) -> dict[str, Any]:
    rng, stack = np.random.default_rng(1), []
    for n_below, n_above in itertools.pairwise(sizes):
        labels = n_labels if len(stack) == len(sizes) - 2 else 0
        stack.append(Rbm.random(n_below + labels, n_above, 2.0, rng, labels))
    return Stack(tuple(stack)).arrays()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, to_idx: Callable[[Any], bytes]) -> Path:
    """Digits of 7 x 5 pixels in 4 classes, and nets made from them by the commands."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "digits").mkdir()
    rng = np.random.default_rng(7)
    for part, n in (("train", 120), ("t10k", 40)):
        labels = np.arange(n) % N_CLASSES
        images = rng.integers(0, 100, (n, 7, 5))
        images[np.arange(n), labels] += 150
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            (folder / "digits" / f"{part}-{name}-ubyte").write_bytes(to_idx(array))
    data = ["--data", folder / "digits", "--quiet", "--threads", "1", "--recipe", "quick"]
    pretrain = ["pretrain", "--split", "a", "--runs", folder, "--layers", "9-8-7", "--passes", "2"]
    for command in (
        pretrain,
        [*pretrain, "--labels"],
        ["finetune-bp", folder / "pretrain-a.h5", "--max-epochs", "3"],
        ["finetune-bp", "--extend", folder / "bp-a.h5", "--max-epochs", "3"],
        ["finetune-cws", folder / "pretrain-labels-a.h5", "--epochs", "3", "--gibbs", "1-2-3"],
    ):
        result = run(*command, *data)
        assert result.exit_code == 0, result.output
    found = checkpoint.load(folder / "pretrain-a.h5")
    for name, model in (
        ("one", stack_of([N_PIXELS, 6])),
        ("two-labels", stack_of([N_PIXELS, 6, 5], N_CLASSES)),
        ("four", stack_of([N_PIXELS, 6, 5, 4, 3])),
    ):
        checkpoint.save(
            folder / f"{name}.h5",
            dataclasses.replace(found, model=model, outcome={}),
        )
    found.complete, found.state, found.model = False, {"stack": found.model}, {}
    checkpoint.save(folder / "unfinished.h5", found)
    return folder


def sampled(made: Path, name: str, *options: object) -> Any:
    result = run("sample", made / f"{name}.h5", "--data", made / "digits", *SHORT, *options)
    assert result.exit_code == 0, result.output
    return result


def read(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


# -- sample ----------------------------------------------------------------------------------


def test_sample_makes_a_row_for_each_label_and_shows_the_last_ones(
    made: Path, tmp_path: Path
) -> None:
    result = sampled(made, "cws-a", "--out", tmp_path / "x.png", "--gibbs", "5")
    rows, columns = read(tmp_path / "x.png").shape
    margin = columns - 4 * (10 * 6 + 1)  # with the labels of the rows
    assert (rows, 10 < margin < 30) == (4 * (4 * 8 + 1), True)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["0", "1", "2", "3"]
    assert max(map(len, lines[:-1])) <= 4 * 6
    assert lines[-1] == (
        f"{tmp_path / 'x.png'}: 4 chains of 10 samples, 5 Gibbs rounds before each, "
        "labels 0, 1, 2, 3 clamped"
    )


def test_sample_writes_every_format_and_prints_json_alone(made: Path, tmp_path: Path) -> None:
    formats = ["--format", "png", "--format", "svg", "--format", "gif"]
    result = sampled(made, "cws-a", "--labels", "3,1", "--chains", "2", "--samples", "6",
                     "--out", tmp_path / "x", *formats, "--json")  # fmt: skip
    files = [str(tmp_path / f"x.{form}") for form in ("png", "svg", "gif")]
    assert json.loads(result.stdout) == {
        "checkpoint": str(made / "cws-a.h5"), "files": files, "layer": None,
        "clamped_labels": [3, 1], "chains": 4, "samples": 6, "gibbs": 3, "seed": 0,
        "image_shape": [7, 5], "labels": [[3] * 6, [3] * 6, [1] * 6, [1] * 6],
    }  # fmt: skip
    assert ET.parse(files[1]).getroot().get("height") == str(len(read(Path(files[0]))))
    with Image.open(files[2]) as image:
        sizes = [frame.size for frame in ImageSequence.Iterator(image)]
        # Two rows of 7 pixels, a line of labels above each, and the rounds below.
        high = 2 * (grids._LINE + 4 * (7 + 2)) + grids._LINE
        assert sizes == [(max(4 * 13, grids.line("round 18").shape[1]), high)] * 6


def test_sample_puts_its_file_beside_the_checkpoint_by_default(made: Path) -> None:
    assert not (made / "samples-one.svg").exists()
    sampled(made, "one", "--format", "svg")
    assert (made / "samples-one.svg").exists()
    assert not (made / "samples-one.png").exists()


def test_free_labels_are_told(made: Path, tmp_path: Path) -> None:
    result = sampled(made, "pretrain-labels-a", "--labels", "free", "--chains", "7", "--json",
                     "--out", tmp_path / "x.png")  # fmt: skip
    document = json.loads(result.stdout)
    assert document["clamped_labels"] is None
    assert np.array(document["labels"]).shape == (7, 10)
    assert len(np.unique(document["labels"])) > 1
    text = sampled(made, "cws-a", "--labels", "free", "--out", tmp_path / "x.png").stdout
    assert "10 chains of 10 samples" in text
    assert "labels free" in text


@pytest.mark.parametrize(
    ("name", "layers"),
    [("pretrain-a", [None, 1, 2, 3]), ("one", [None, 1]), ("four", [None, 1, 4]),
     ("two-labels", [1])],
)  # fmt: skip
def test_any_layer_of_any_stack_is_sampled(
    made: Path, tmp_path: Path, name: str, layers: list[int | None]
) -> None:
    pictures = []
    for layer in layers:
        options = [] if layer is None else ["--layer", layer]
        result = sampled(made, name, *options, "--out", tmp_path / "x.png", "--json")
        document = json.loads(result.stdout)
        assert (document["chains"], document["labels"], document["layer"]) == (10, None, layer)
        pictures.append((tmp_path / "x.png").read_bytes())
    # Without --layer it is the top one, and the others are other distributions.
    assert len(set(pictures)) == max(1, len(layers) - 1)
    assert layers[0] is not None or pictures[0] == pictures[-1]


def test_labels_of_a_stack_of_two_layers_are_clamped(made: Path, tmp_path: Path) -> None:
    result = sampled(made, "two-labels", "--json", "--out", tmp_path / "x.png")
    assert json.loads(result.stdout)["clamped_labels"] == [0, 1, 2, 3]


def test_equal_seeds_make_equal_files(made: Path, tmp_path: Path) -> None:
    for form in ("png", "svg", "gif"):
        contents = []
        for number, seed in enumerate((5, 5, 6)):
            path = tmp_path / f"{number}.{form}"
            sampled(made, "cws-a", "--seed", seed, "--out", path)
            contents.append(path.read_bytes())
        assert contents[0] == contents[1] != contents[2]


def test_sampling_shows_its_progress_to_the_end(made: Path, make_progress: Any) -> None:
    progress = make_progress()
    context = Context(mnist.read(made / "digits"), progress)
    sampling.sample(context, made / "cws-a.h5", SamplingOptions(gibbs=70, samples=3))
    assert progress.calls == ["begin sample cws-a.h5", "end"]
    assert progress.work == [(0, 210)]
    assert progress.ticked == 210


# -- what sample refuses ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("pretrain-a", ["--labels", "1"], ["pretrain-a.h5", "no label", "pretrain --labels"]),
        ("pretrain-a", ["--labels", "free"], ["no label units"]),
        ("pretrain-labels-a", ["--layer", "2", "--labels", "1"], ["layer 2 has no label units"]),
        ("cws-a", ["--labels", "1,4"], ["cws-a.h5", "labels 0 to 3", "not 4"]),
        ("cws-a", ["--layer", "1"], ["cws-a.h5", "--layer"]),
        ("pretrain-a", ["--layer", "4"], ["pretrain-a.h5", "layers 1 to 3, not 4"]),
        ("bp-a", [], ["bp-a.h5", "classifier", "generates nothing"]),
        ("unfinished", [], ["unfinished.h5", "not finished"]),
        ("cws-a", ["--chains", "1000", "--samples", "1000"], ["4,000,000", "100,000"]),
    ],
)
def test_what_cannot_be_sampled_is_one_line(
    made: Path, tmp_path: Path, name: str, options: list[str], words: list[str]
) -> None:
    result = run("sample", made / f"{name}.h5", "--data", made / "digits", *options,
                 "--out", tmp_path / "x.png")  # fmt: skip
    fails_in_one_line(result, 1, *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--labels", "one"], ["--labels", "'one'", "free"]),
        (["--labels", "3-1"], ["--labels", "'3-1'"]),
        (["--labels", "-1"], ["--labels", "'-1'"]),
        (["--labels", ""], ["--labels"]),
        (["--labels", "1,,2"], ["--labels"]),
        (["--layer", "0"], ["--layer"]),
        (["--gibbs", "0"], ["--gibbs"]),
        (["--chains", "0"], ["--chains"]),
        (["--samples", "0"], ["--samples"]),
        (["--format", "jpg"], ["--format", "png"]),
        (["--out", "x.jpg"], ["x.jpg", ".png, .svg or .gif"]),
        (["--out", "x.png", "--format", "gif"], ["--out", "--format"]),
    ],
)
def test_a_mistake_in_sample_s_options_is_named(
    made: Path, options: list[str], words: list[str]
) -> None:
    fails_in_one_line(run("sample", made / "cws-a.h5", *options), 2, *words)


def test_a_net_of_other_images_is_refused(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    result = run("sample", made / "cws-a.h5", "--data", "mnist", "--out", out)
    fails_in_one_line(result, 1, "cws-a.h5", "35 inputs", "784")
    assert not out.exists()


def test_a_picture_that_cannot_be_written_is_one_line(made: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("sample", made / "one.h5", "--data", made / "digits", *SHORT,
                 "--out", tmp_path / "file" / "x.png")  # fmt: skip
    fails_in_one_line(result, 1, "x.png", "cannot be written")


# -- figures ---------------------------------------------------------------------------------


def drawn(made: Path, folder: Path, *arguments: object) -> Any:
    paths = [made / f"{a}.h5" if (made / f"{a}.h5").exists() else a for a in arguments]
    result = run("figures", *paths, "--data", made / "digits", "--out", folder, *SHORT, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_each_file_gives_the_figures_that_it_can(made: Path, tmp_path: Path) -> None:
    names = ("bp-a", "cws-a", "pretrain-a", "pretrain-labels-a", "two-labels", "unfinished")
    document = drawn(made, tmp_path, *names)
    found = {Path(entry["files"][0]).stem for entry in document}
    assert found == {
        "figure2-bp-a", "figure2-cws-a", "figure2-pretrain-labels-a",
        *(f"figure3-{name}" for name in names[:-1]), "figure3-unfinished-epoch6",
        "figure5-cws-a", "figure5-pretrain-labels-a", "figure5-two-labels",
        "errors-bp-a", "errors-cws-a", "errors-pretrain-labels-a",
        "learning-curves",
    }  # fmt: skip
    assert [entry["figure"] for entry in document] == sorted(e["figure"] for e in document)
    for entry in document:
        for file in map(Path, entry["files"]):
            if file.suffix == ".png":
                assert read(file).size
            elif file.suffix == ".svg":
                assert ET.parse(file).getroot().tag.endswith("svg")
            elif file.suffix == ".json":
                assert json.loads(file.read_text())["figure"] == entry["figure"]
    assert len(list(tmp_path.iterdir())) == 3 * len(document)


def test_figure_2_s_numbers_are_the_net_s_own(made: Path, tmp_path: Path) -> None:
    drawn(made, tmp_path, "cws-a", "--only", "2", "--cases", "6")
    document = json.loads((tmp_path / "figure2-cws-a.json").read_text())
    digits = mnist.read(made / "digits")
    found = checkpoint.load(made / "cws-a.h5")
    assert (document["sha256"], document["data"]) == (found.digest(), digits.sha256)
    probs = np.exp(label_log_probs(DeepBeliefNet.from_arrays(found.model), digits.test_images))
    assert document["right"] + document["errors"] == 40
    assert document["right"] == (probs.argmax(axis=1) == digits.test_labels).sum()
    cases = document["cases"]
    assert len(cases) == min(6, document["right"])
    assert [case["label"] for case in cases] == sorted(case["label"] for case in cases)
    for case in cases:
        # Both are float32 sums of a few dozen terms of order 1.
        np.testing.assert_allclose(case["probabilities"], probs[case["test_case"]], atol=1e-4)
        assert case["label"] == digits.test_labels[case["test_case"]]
        assert case["probability"] == max(case["probabilities"])
        assert case["second_probability"] == sorted(case["probabilities"])[-2]


def test_errors_are_all_that_a_net_gets_wrong_the_surest_first(made: Path, tmp_path: Path) -> None:
    (entry,) = drawn(made, tmp_path, "cws-a", "--only", "errors", "--cases", "3")
    document = json.loads((tmp_path / "errors-cws-a.json").read_text())
    digits, found = mnist.read(made / "digits"), checkpoint.load(made / "cws-a.h5")
    probs = np.exp(label_log_probs(DeepBeliefNet.from_arrays(found.model), digits.test_images))
    wrong = set(np.flatnonzero(probs.argmax(axis=1) != digits.test_labels).tolist())
    assert len(wrong) > 3
    assert {case["test_case"] for case in document["cases"]} == wrong
    assert (document["errors"], document["cases_in_all"]) == (len(wrong), 40)
    assert entry["about"].startswith(f"3 of the {len(wrong)} test cases that cws-a.h5 gets wrong")
    assert ["row" in case for case in document["cases"]] == [True] * 3 + [False] * (len(wrong) - 3)
    # Three digits side by side, 1.1 inches each of 100 points, as Figure 2 has them.
    assert read(tmp_path / "errors-cws-a.png").shape == (150, 340)


def test_a_net_without_errors_says_so_and_the_other_figures_are_drawn(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure = np.log(np.eye(N_CLASSES)[np.arange(40) % N_CLASSES] * 0.8 + 0.05)
    monkeypatch.setattr(evaluation, "recognise_test_cases", lambda c, _path: (sure, c.digits))
    document = drawn(made, tmp_path, "bp-a")
    (errors,) = (entry for entry in document if entry["figure"] == "errors")
    assert errors["about"] == "bp-a.h5 gets every test case right"
    assert [Path(file).suffix for file in errors["files"]] == [".json"]
    assert {entry["figure"] for entry in document} == {"2", "3", "curves", "errors"}
    older = tmp_path / "errors-bp-a.png"
    older.write_bytes(b"of another net")
    result = run("figures", made / "bp-a.h5", "--only", "errors", "--out", tmp_path, "--data",
                 made / "digits")  # fmt: skip
    assert result.stderr.splitlines()[-1] == (
        f"hinton06: {older}: an earlier picture, left as it is: bp-a.h5 gets every test case right"
    )
    assert older.read_bytes() == b"of another net"


def test_figure_3_shows_the_chosen_features_incoming_weights(made: Path, tmp_path: Path) -> None:
    document = drawn(made, tmp_path, "one", "--only", "3", "--features", "6,2-3")
    assert "3 of the 6" in document[0]["about"]
    weights = checkpoint.load(made / "one.h5").model["rbm1"]["weights"]
    fields = grids.receptive_fields(weights[:, [5, 1, 2]].T).reshape(3, 7, 5)
    expected = grids.enlarged(grids.tile(fields, 3, grids.FIELD_GAP))
    found = read(tmp_path / "figure3-one.png")
    np.testing.assert_array_equal(found[: len(expected), : expected.shape[1]], expected)
    key = grids.key("-3", "+3")
    np.testing.assert_array_equal(found[len(expected) :, : key.shape[1]], key)
    features = json.loads((tmp_path / "figure3-one.json").read_text())["features"]
    assert [(f["row"], f["column"], f["feature"]) for f in features] == [
        (1, 1, 6), (1, 2, 2), (1, 3, 3),
    ]  # fmt: skip
    assert features[0]["largest_weight"] == weights[:, 5].max()


def test_figure_3_shows_a_higher_layer_under_a_name_and_a_scale_of_its_own(
    made: Path, tmp_path: Path
) -> None:
    for layer in ("1", "2", "3"):
        drawn(made, tmp_path, "pretrain-labels-a", "--only", "3", "--layer", layer)
    names = [f"figure3-pretrain-labels-a{end}" for end in ("", "-layer2", "-layer3")]
    assert sorted(p.stem for p in tmp_path.glob("*.png")) == names
    model = checkpoint.load(made / "pretrain-labels-a.h5").model
    fields: Any = np.eye(N_PIXELS)
    for number, name in enumerate(names, 1):
        fields = fields @ model[f"rbm{number}"]["weights"][: fields.shape[1]]
        document = json.loads((tmp_path / f"{name}.json").read_text())
        assert document["layer"] == number
        told = [feature["largest_weight"] for feature in document["features"]]
        # Float32 sums of up to nine products of numbers of order 1.
        np.testing.assert_allclose(told, fields.max(axis=0), rtol=1e-4, atol=1e-5)
        white = document["white"]
        if number == 1:
            assert white == 3
        else:
            assert f"white: weights of {white:g} and more" in document["about"]
            beyond = (abs(fields) > white).mean()
            assert 0 < beyond <= 0.05  # two digits are kept of the scale of one in a hundred
        assert document["black"] == -white
    result = run("figures", made / "pretrain-labels-a.h5", "--data", made / "digits", "--only", "3",
                 "--layer", "4", "--out", tmp_path / "new")  # fmt: skip
    fails_in_one_line(result, 1, "pretrain-labels-a.h5", "layers 1 to 3, not 4")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "part"),
    [("pretrain-c", "stack"), ("bp-b", "net"), ("cws-b", "mean"), ("hybrid-a-extended", "mean")],
)
def test_features_can_be_seen_while_they_are_learned(name: str, part: str, tmp_path: Path) -> None:
    old = Path(__file__).parent / "data" / "version-1"
    file = old / f"{name}.h5.part"
    found = checkpoint.load(file)
    state = found.state[part]
    first = {"stack": lambda: state["rbm1"]["weights"], "net": lambda: state["weights1"]}
    weights = first.get(part, lambda: state["vishid"])()
    result = run("figures", file, "--data", old / "digits", "--out", tmp_path, "--only", "3",
                 "--features", "1-3", "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.output
    done = len(next(iter(found.history.values())))
    assert f"{file.name} after {done} epoch" in result.stdout
    (png,) = tmp_path.glob("*.png")
    assert png.stem == f"figure3-{name}-epoch{done}"
    fields = grids.receptive_fields(weights[:, :3].T).reshape(3, 7, 7)
    expected = grids.enlarged(grids.tile(fields, 3, grids.FIELD_GAP))
    np.testing.assert_array_equal(read(png)[: len(expected), : expected.shape[1]], expected)
    assert json.loads(png.with_suffix(".json").read_text())["sha256"] is None


def test_a_net_that_gets_nothing_right_still_gives_its_other_figures(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guesses = (mnist.read(made / "digits").test_labels + 1) % N_CLASSES
    wrong = np.log(np.where(np.eye(N_CLASSES)[guesses] == 1, 0.7, 0.1))
    monkeypatch.setattr(evaluation, "recognise_test_cases", lambda c, _: (wrong, c.digits))
    command = ["figures", made / "bp-a.h5", "--data", made / "digits", *SHORT, "--out", tmp_path]
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert result.stderr.strip().endswith("bp-a.h5: gives no Figure 2: it gets no test case right")
    assert {path.stem for path in tmp_path.iterdir()} == {
        "errors-bp-a",
        "figure3-bp-a",
        "learning-curves",
    }
    alone = run(*command, "--only", "2")
    assert alone.exit_code == 1
    assert "none of the chosen figures" in alone.stderr


def test_learning_curves_need_no_images(made: Path, tmp_path: Path) -> None:
    result = run("figures", made / "bp-a.h5", "--data", tmp_path / "missing", "--only", "curves",
                 "--out", tmp_path / "new")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "new").iterdir())) == 3


def test_random_features_are_drawn_without_repetition_and_by_the_seed(
    made: Path, tmp_path: Path
) -> None:
    chosen = []
    for number, options in enumerate((["--seed", "1"], ["--seed", "1"], ["--seed", "2"])):
        drawn(made, tmp_path / str(number), "bp-a", "--only", "3", "--random-features", "5",
              *options)  # fmt: skip
        document = json.loads((tmp_path / str(number) / "figure3-bp-a.json").read_text())
        chosen.append([feature["feature"] for feature in document["features"]])
    assert chosen[0] == chosen[1] != chosen[2]
    assert len(set(chosen[0])) == 5
    assert set(chosen[0] + chosen[2]) <= set(range(1, 10))


def test_figure_5_is_what_sample_makes(made: Path, tmp_path: Path) -> None:
    drawn(made, tmp_path, "cws-a", "--only", "5", "--seed", "4")
    sampled(made, "cws-a", "--seed", "4", "--out", tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "figure5-cws-a.png").read_bytes()
    document = json.loads((tmp_path / "figure5-cws-a.json").read_text())
    assert (document["labels_of_rows"], document["gibbs"]) == ([0, 1, 2, 3], 3)


def test_learning_curves_come_with_their_numbers(made: Path, tmp_path: Path) -> None:
    drawn(made, tmp_path, "bp-a", "cws-a", "--only", "curves")
    records = list(csv.DictReader(io.StringIO((tmp_path / "learning-curves.csv").read_text())))
    for name in ("bp-a", "cws-a"):
        found = checkpoint.load(made / f"{name}.h5")
        mine = [record for record in records if record["name"] == name]
        errors = [float(record["valid_errors"]) for record in mine]
        assert errors == found.history["valid_errors"].tolist()
        kept = [int(record["epoch"]) for record in mine if record["kept"] == "1"]
        assert kept == ([found.outcome["epochs"]] if found.outcome["epochs"] else [])


# -- what figures refuses --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pretrain-a", "--only", "3", "--features", "10"], ["features 1 to 9, not 10"]),
        (["bp-a", "--only", "3", "--features", "0-2"], ["bp-a.h5", "1 to 9, not 0"]),
    ],
)
def test_features_outside_the_layer_are_refused(
    made: Path, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    name, *options = arguments
    result = run("figures", made / f"{name}.h5", "--data", made / "digits", *options,
                 "--out", tmp_path / "new")  # fmt: skip
    fails_in_one_line(result, 1, *words)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "figure", "reason"),
    [
        ("pretrain-a", "2", "learned without labels"),
        ("pretrain-a", "errors", "learned without labels"),
        ("pretrain-a", "5", "learned without labels"),
        ("bp-a", "5", "a fine-tuned classifier: it generates nothing"),
        ("two-labels", "2", "a stack of 2 RBMs, the net of Figure 4 has three"),
        ("unfinished", "2", "not finished"),
        ("unfinished", "5", "not finished"),
    ],
)
def test_a_chosen_figure_that_a_file_cannot_give_is_noted(
    made: Path, tmp_path: Path, name: str, figure: str, reason: str
) -> None:
    command = ["figures", made / f"{name}.h5", "--data", made / "digits", "--out", tmp_path]
    result = run(*command, "--only", figure)
    assert result.exit_code == 1
    note, last = result.stderr.strip().splitlines()
    named = "picture of errors" if figure == "errors" else f"Figure {figure}"
    assert f"{name}.h5: gives no {named}: " in note
    assert reason in note
    assert "none of the chosen figures" in last
    assert not list(tmp_path.iterdir())
    both = run(*command, "--only", figure, "--only", "curves")
    assert both.exit_code == 0, both.output
    assert reason in both.stderr


@pytest.mark.parametrize(
    ("name", "only", "idle"),
    [
        ("bp-a", ("2",), {"--features", "--layer", "--gibbs", "--seed"}),
        ("bp-a", ("3",), {"--cases", "--gibbs"}),
        ("bp-a", ("curves",), {"--cases", "--features", "--layer", "--gibbs", "--seed"}),
        ("cws-a", ("errors", "5"), {"--features", "--layer"}),
        ("cws-a", ("2", "3", "5"), set()),
    ],
)
def test_an_option_that_no_figure_makes_use_of_is_said_to_change_nothing(
    tmp_path: Path, name: str, only: tuple[str, ...], idle: set[str]
) -> None:
    """A script's options are the same for all files, so it is no mistake."""
    old = Path(__file__).parent / "data" / "version-1"
    given = ["--cases", "3", "--features", "1", "--layer", "1", "--gibbs", "2", "--seed", "0"]
    chosen = [word for one in only for word in ("--only", one)]
    common = ["--data", old / "digits", "--out", tmp_path]
    made = run("figures", old / f"{name}.h5", *chosen, *given, *common)
    assert made.exit_code == 0, made.output
    said = re.findall(r"(--\S+) changes nothing here", made.stderr)
    assert (set(said), len(said)) == (idle, len(idle))
    quiet = run("figures", old / f"{name}.h5", *chosen, *common)
    assert "changes nothing" not in quiet.stderr


def test_files_of_one_name_are_refused(made: Path, tmp_path: Path) -> None:
    (tmp_path / "bp-a.h5").write_bytes((made / "bp-a.h5").read_bytes())
    result = run("figures", made / "bp-a.h5", tmp_path / "bp-a.h5", "--data", made / "digits",
                 "--out", tmp_path / "new")  # fmt: skip
    fails_in_one_line(result, 1, "two files", "bp-a")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "4"], ["--only", "'4'"]),
        (["--features", "x"], ["--features", "'x'"]),
        (["--features", "free"], ["--features", "'free'"]),
        (["--features", "1", "--random-features", "5"], ["--random-features"]),
        (["--cases", "0"], ["--cases"]),
        (["--layer", "0"], ["--layer"]),
        (["--layer", "x"], ["--layer", "'x'"]),
    ],
)
def test_a_mistake_in_figures_options_is_named(
    made: Path, options: list[str], words: list[str]
) -> None:
    fails_in_one_line(run("figures", made / "bp-a.h5", *options), 2, *words)


def test_figures_of_other_images_are_refused(made: Path, tmp_path: Path) -> None:
    for name in ("bp-a", "cws-a", "pretrain-a"):
        result = run("figures", made / f"{name}.h5", "--data", "mnist", "--out", tmp_path)
        fails_in_one_line(result, 1, f"{name}.h5", "35 inputs", "784")
