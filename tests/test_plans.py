"""Search plans: recipes beside each other on several seeds; only where PyTorch is."""

from __future__ import annotations

import csv
import dataclasses
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinton06 import checkpoint, mnist
from hinton06.loading import Context, load
from hinton06.mnist import SPLITS, Digits
from hinton06.recipes import RECIPES
from hinton06.streams import Use
from hinton06.updates import RunningMean

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
from hinton06.many import generative, replicas  # noqa: E402
from hinton06.many.place import Place  # noqa: E402

SEARCH = Path(__file__).parents[1] / "experiments" / "search"
SHORT = "--layers 6-5 --passes 2 --batch 16"
BACKPROP = "--batch 16 --patience 1 --max-epochs 6 --easy-cost 0.3"
PLAN = [f"{SHORT} | {BACKPROP}", f"{SHORT} | {BACKPROP} --rate 0.4"]
NETS = [(seed, split) for seed in (0, 1) for split in SPLITS]


@pytest.fixture(scope="module")
def plans() -> Any:
    """The script."""
    sys.path.insert(0, str(SEARCH))
    with torch.inference_mode():
        yield importlib.import_module("plans")
    sys.path.remove(str(SEARCH))


@pytest.fixture(scope="module")
def digits() -> Digits:
    """Ninety images of nine pixels, of three classes."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (90, 9), np.uint8)
    labels = rng.integers(0, 3, 90).astype(np.uint8)
    images[np.arange(90), labels] = 255
    return Digits(images, labels, images[:6], labels[:6], (3, 3), "d" * 64, "nine pixels")


@pytest.fixture
def run(plans: Any, digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the script on the tiny digits, and reads its table."""
    monkeypatch.setattr(mnist, "read", lambda *_: digits)
    plan, out = tmp_path / "plan.txt", tmp_path / "plans.csv"
    plan.write_text("# two recipes, one stack\n" + "\n".join(PLAN))

    def now(*options: str) -> list[dict[str, str]]:
        words = ["plans.py", str(plan), str(out), "--seeds", "0-1", "--device", "cpu", *options]
        monkeypatch.setattr(sys, "argv", words)
        plans.main()
        with out.open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return now


def recipe_of(plans: Any, text: str) -> Any:
    return plans.line_of(text, RECIPES["tr2006"])


def test_a_plans_nets_are_those_of_replicate(
    run: Any, plans: Any, digits: Digits, progress: Any, tmp_path: Path
) -> None:
    rows = run()
    assert len(rows) == 2 * 2 * 3
    line, recipe = recipe_of(plans, PLAN[1]), RECIPES["tr2006"]
    given = {
        f"{part}.{item.name}": getattr(settings, item.name)
        for part, settings in (("pretrain", line.layers[0]), ("backprop", line.backprop))
        for item in dataclasses.fields(settings)
    }
    out = tmp_path / "nets"
    context = Context(digits, progress)
    replicas.replicate(context, Place("cpu"), out, recipe.with_values(given), [0, 1], 6)
    found = {(r["seed"], r["split"]): r for r in rows if "--rate 0.4" in r["finetune-bp"]}
    for seed, split in NETS:
        file, row = load(out / f"seed-{seed}" / f"bp-{split}.h5"), found[str(seed), split]
        errors = [int(e) for e in file.history["valid_errors"]]
        assert row["valid_errors_by_epoch"] == " ".join(map(str, errors))
        assert int(row["kept_epoch"]) == file.outcome.epochs
        assert file.outcome.valid is not None
        assert int(row["fewest_valid_errors"]) == file.outcome.valid.errors
        assert float(row["lowest_valid_cost"]) == pytest.approx(
            min(file.history["valid_cost"]), abs=6e-4
        )


def test_every_net_stops_by_the_rules(run: Any) -> None:
    rows = run()
    for row in rows:
        errors = [int(e) for e in row["valid_errors_by_epoch"].split()]
        assert len(errors) == int(row["epochs"]) >= 2
        assert int(row["fewest_valid_errors"]) == min(errors)
        assert errors.index(min(errors)) + 1 == int(row["kept_epoch"])
        if len(errors) < 6:
            costs = [float(row["lowest_valid_cost"]), float(row["last_valid_cost"])]
            assert costs[1] >= costs[0]
            assert len(errors) - int(row["kept_epoch"]) >= 1
    assert len({row["epochs"] for row in rows}) > 1


def test_what_is_there_is_not_learned_again(
    run: Any, plans: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("--together", "3")
    table = tmp_path / "plans.csv"
    written = table.read_text(encoding="utf-8").splitlines()
    # A run that was killed in the middle of its sixth line.
    table.write_text("\n".join([*written[:6], written[6][:30]]), encoding="utf-8")
    learned: list[Any] = []
    finetuned = plans.Search.finetuned

    def spy(self: Any, line: Any, nets: Any, stacks: Any) -> Any:
        learned.extend(nets)
        return finetuned(self, line, nets, stacks)

    monkeypatch.setattr(plans.Search, "finetuned", spy)
    again = run("--together", "3")
    assert len(learned) == len(whole) - 5
    key = plans.NAMES[:4]
    assert sorted(again, key=lambda r: [r[k] for k in key]) == sorted(
        whole, key=lambda r: [r[k] for k in key]
    )


def test_for_what_is_all_there_no_stack_is_learned(
    run: Any, plans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run()
    monkeypatch.delattr(plans.Search, "stacks")
    assert run() == whole


def test_a_net_whose_numbers_overflow_learns_no_longer(
    run: Any, plans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans.Classifiers, "finite", lambda own: [False] * len(own.courses))
    assert {row["epochs"] for row in run()} == {"1"}


def learner(plans: Any, digits: Digits, text: str) -> Any:
    """Stacks of a line, before anything is learned."""
    place, line = Place("cpu"), recipe_of(plans, text)
    search = plans.Search(place, digits)
    rows = search._rows(NETS[:3], "train")
    draws = search._draws(NETS[:3], 0)
    args = ([line.layers] * 3, search.images, search.labels, rows)
    return plans.Alternatives(line, place, draws, *args)


def test_biases_start_where_the_plan_says(plans: Any, digits: Digits) -> None:
    text = "--layers 6-5 --passes 1 --rate 0 --hidden-bias -4,-2 --visible-bias log-odds |"
    stacks = learner(plans, digits, text)
    while not stacks.finished():
        stacks.run_epoch(lambda _: None)
    for split, (low, high) in zip(SPLITS, stacks.models(), strict=True):
        means = digits.train_images[mnist.split(90, split).train].mean(0) / 255
        np.testing.assert_allclose(low.visible_bias, np.log(means / (1 - means)), rtol=1e-4)
        assert (low.hidden_bias == -4).all()
        assert (high.hidden_bias == -2).all()
        assert not high.visible_bias.any()
    plain = learner(plans, digits, "--layers 6-5 |").rbms.arrays
    assert not plain["visible_bias"].any()
    assert not plain["hidden_bias"].any()


def test_layers_have_settings_of_their_own(plans: Any) -> None:
    line = recipe_of(plans, "--passes 1,2,3 --decay 0.1,0,0.2 --rate 0.3 | --momentum 0.5")
    assert [settings.passes for settings in line.layers] == [1, 2, 3]
    assert [settings.decay for settings in line.layers] == [0.1, 0.0, 0.2]
    assert [settings.rate for settings in line.layers] == [0.3] * 3
    assert line.backprop == dataclasses.replace(RECIPES["tr2006"].backprop, momentum=0.5)
    assert not recipe_of(plans, "| --no-importance-sampling").backprop.importance_sampling
    for text, expected in (("--persistent |", True), ("--no-persistent |", False)):
        layers = recipe_of(plans, text).layers
        assert [settings.persistent for settings in layers] == [expected] * 3


def test_dropout_brings_its_own_values(plans: Any) -> None:
    text = "| --dropout --feature-dropout 0.1,0.2,0.3"
    values = RECIPES["tr2006"].settings("backprop", ("dropout",))
    expected = dataclasses.replace(values, feature_dropout=(0.1, 0.2, 0.3))
    assert recipe_of(plans, text).backprop == expected
    assert expected.epochs != RECIPES["tr2006"].backprop.epochs


def test_nets_with_dropout_are_not_stopped_before_the_rate_has_fallen(
    run: Any, tmp_path: Path
) -> None:
    dropped = f"{SHORT} | --dropout --batch 16 --epochs 6 --patience 1 --max-epochs 8"
    (tmp_path / "plan.txt").write_text(f"{dropped}\n{dropped} --pixel-dropout 0\n")
    rows = run()
    assert {row["epochs"] for row in rows} <= {"6", "7", "8"}
    costs = {(r["finetune-bp"], r["seed"], r["split"]): r["lowest_valid_cost"] for r in rows}
    assert len(set(costs.values())) == len(costs) == 12


def test_a_stack_ends_with_running_means(
    plans: Any, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what was there after every update, by the package's own running mean."""
    monkeypatch.setattr(plans, "AVERAGED_EVERY", 1)
    averaged = learner(plans, digits, "--layers 6 --passes 3 --batch 25 --averaging 2 |")
    plain = learner(plans, digits, "--layers 6 --passes 3 --batch 25 |")
    now = {name: array[1].numpy().copy() for name, array in plain.rbms.arrays.items()}
    means = {name: array.copy() for name, array in now.items()}
    mean = RunningMean(now, means, 6.0)  # three updates a pass

    def add(_: float) -> None:
        for name, array in plain.rbms.arrays.items():
            now[name][...] = array[1].numpy()
        mean.add()

    for _ in range(3):
        averaged.run_epoch(lambda _: None)
        plain.run_epoch(add)
    ended = averaged.models()[1][0].parameters()
    for name, array in means.items():
        np.testing.assert_allclose(ended[name], array, atol=1e-6)
    assert np.abs(ended["weights"] - plain.models()[1][0].weights).max() > 1e-3


def test_layers_can_have_rates_of_their_own(
    plans: Any, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers of no rate stay as they were."""
    learners = []

    class Kept(plans.Classifiers):  # type: ignore[name-defined,misc]
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            learners.append(self)

    monkeypatch.setattr(plans, "Classifiers", Kept)
    place = Place("cpu")
    line = recipe_of(plans, f"{SHORT} | {BACKPROP} --layer-rates 0,1,1 --max-epochs 1")
    with place.used():
        search = plans.Search(place, digits)
        stacks = search.stacks(line, NETS)
        assert len(list(search.finetuned(line, NETS, stacks))) == 6
    nets = learners[0].nets.models()
    for stack, net in zip(stacks, nets, strict=True):
        np.testing.assert_array_equal(net.weights[0], stack[0].weights)
        assert (net.weights[1] != stack[1].weights).any()
        assert net.weights[2].any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--rates 3 |", "no setting --rates"),
        ("| --optimiser cg", "no setting --optimiser"),
        ("--rate 3", "a line of the plan is"),
        ("--rate x |", "--rate: no value that it can have"),
        ("--rate |", "--rate: no value that it can have"),
        ("--rate -1 |", "rate lies between 0 and 1000"),
        ("| --rate x", "'x' is not a valid"),
        ("| --momentum 2", "2.0 is not in the range"),
        ("| --dropout --max-norm -1", "-1.0 is not in the range"),
        ("--passes 1,2 |", "passes: 2 values for 3 layers"),
        ("| --layer-rates 1,1", "layer_rates: 2 values for 4 layers"),
    ],
)
def test_a_wrong_option_is_one_line(plans: Any, text: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        recipe_of(plans, text)


def test_draws_are_summed_over_their_nets(plans: Any, tmp_path: Path) -> None:
    assert plans
    table = importlib.import_module("many_table")
    names = ["fewest_valid_errors", "valid_errors_last_10_epochs", "lowest_valid_cost"]
    lines = [",".join(["pretrain", "finetune-bp", "seed", "split", *names])]
    for seed, errors in ((0, (1, 2, 3)), (1, (4, 5, 6)), (2, (7, 8))):  # the last one: no net c
        for split, count in zip("abc", errors, strict=False):
            lines.append(f"--rate 0.3,,{seed},{split},{count},{count}.5,{count / 2}")
    path = tmp_path / "many.csv"
    path.write_text("\n".join(lines))
    for seed, errors in ((1, (5, 5, 9)), (0, (1, 1, 3)), (3, (9, 9, 9))):
        for split, count in zip("abc", errors, strict=True):
            lines.append(f",--rate 2,{seed},{split},{count},{count},{count}")
    path = tmp_path / "many.csv"
    path.write_text("\n".join(lines))
    found = table.read([path])
    first, other = found
    expected = "| `--rate 0.3` | the recipe | 2 | 10.5 ± 4.5 |  | 12.0 ± 4.5 | 1.750 |"
    assert table.line(found, first) == expected
    # 19 less 15, and 5 less 6; of the last seed the first recipe has no whole draw.
    assert table.apart(found, other, table.ERRORS) == [4, -1]
    assert "| 3 | 17.0 ± 6.4 | +1.5 ± 2.5 |" in table.line(found, other)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_recorded_plans_are_of_the_recorded_recipes(plans: Any, number: int) -> None:
    plan = plans.read_plan(SEARCH / "many" / f"{number}.txt", RECIPES["tr2006"])
    with (SEARCH / "many" / f"{number}.csv").open(encoding="utf-8") as file:
        recorded = {(row["pretrain"], row["finetune-bp"]) for row in csv.DictReader(file)}
    assert {line.texts for line in plan} == recorded


def test_the_plan_of_dropout_is_read(plans: Any) -> None:
    lines = plans.read_plan(SEARCH.parent / "beyond" / "plan.txt", RECIPES["tr2006"])
    assert all(line.backprop.dropout for line in lines)
    assert len({line.texts for line in lines}) == len(lines) > 2


# -- the generative half -------------------------------------------------------------------------

HALF = [
    "recipe", "recipe | --epochs 3", "--cd 2 --rate 0.1 > recipe", "--rate 0.2",
    "recipe | --dropout --pixel-dropout 0.1 --feature-dropout 0",
]  # fmt: skip


@pytest.fixture
def half(plans: Any) -> Any:
    """The script."""
    assert plans
    return importlib.import_module("half")


@pytest.fixture
def half_run(half: Any, digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs it on the tiny digits by a tiny recipe, and reads its table."""
    tiny = {
        "pretrain.layers": (7, 6, 8), "pretrain.passes": 2, "pretrain.batch": 16,
        "wakesleep.epochs": 4, "wakesleep.batch": 16, "wakesleep.rate": 0.3,
    }  # fmt: skip
    recipe = RECIPES["tr2006"].with_values(tiny)
    monkeypatch.setitem(RECIPES, "quick", recipe)  # type: ignore[index]
    monkeypatch.setattr(mnist, "read", lambda *_: digits)
    plan, out = tmp_path / "half.txt", tmp_path / "half.csv"
    plan.write_text("# wake-sleep, and after it\n\n" + "\n".join(HALF), encoding="utf-8")

    def now(*options: str) -> list[dict[str, str]]:
        words = ["half.py", str(plan), str(out), "--seeds", "0-1", "--device", "cpu", *options]
        monkeypatch.setattr(sys, "argv", [*words, "--recipe", "quick"])
        half.main()
        with out.open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return now


def test_nets_of_wake_sleep_are_those_of_replicate(
    half_run: Any, digits: Digits, progress: Any, tmp_path: Path
) -> None:
    rows = half_run()
    assert {(row["finetune-cws"], row["mixed"]) for row in rows} == {
        ("", ""), ("", "| --epochs 3"), ("--rate 0.2", ""), ("--cd 2 --rate 0.1 >", ""),
        ("", "| --dropout --pixel-dropout 0.1 --feature-dropout 0"),
    }  # fmt: skip
    assert len(rows) == 5 * 2 * 3
    for row in rows:
        errors = [int(e) for e in row["valid_errors_by_epoch"].split()]
        assert len(errors) == int(row["epochs"]) == (3 if "--epochs" in row["mixed"] else 4)
        assert errors.index(min(errors)) + 1 == int(row["kept_epoch"])
    given, recipe = Context(digits, progress), RECIPES["quick"].with_values({"wakesleep.rate": 0.2})
    out, parts = tmp_path / "nets", generative.CWS[:-1]
    replicas.replicate(given, Place("cpu"), out, recipe, [0, 1], 6, parts)
    for row in (row for row in rows if row["finetune-cws"] == "--rate 0.2"):
        file = load(out / f"seed-{row['seed']}" / f"cws-{row['split']}.h5")
        errors = [int(e) for e in file.history["valid_errors"]]
        assert row["valid_errors_by_epoch"] == " ".join(map(str, errors))


def test_lines_of_a_half_that_are_there_are_not_learned_again(
    half_run: Any, half: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = half_run()
    table = tmp_path / "half.csv"
    written = table.read_text(encoding="utf-8").splitlines()
    ends = [i for i, line in enumerate(written) if line.startswith("--rate")]
    table.write_text("\n".join(written[: ends[0] + 2]), encoding="utf-8")
    asked: list[Any] = []
    learned = half.Half.learned

    def spy(self: Any, settings: Any, *more: Any) -> Any:
        asked.append(settings)
        return learned(self, settings, *more)

    monkeypatch.setattr(half.Half, "learned", spy)
    again = half_run()
    assert [settings.rate for settings in asked] == [0.2]
    key = half.COLUMNS[:4]
    assert sorted(again, key=lambda r: [r[k] for k in key]) == sorted(
        whole, key=lambda r: [r[k] for k in key]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipe | --bp-weight 0", "--bp-weight 0: of the mixed gradient alone"),
        ("--bp-weight 0.5", "--bp-weight 0.5: of wake-sleep alone"),
        ("--dropout", "--dropout: dropout goes with bp_weight"),
        ("recipe | --generative pretraining", "of the mixed gradient alone"),
        ("--rate fast", "not a valid float"),
        ("--cd x > recipe", "not a valid integer"),
        ("--layers 3-3-3 > recipe", "the layers are the recipe's"),
        ("--affine 1 > recipe", "no setting --affine"),
        ("--cases 100 > recipe", "no setting --cases"),
        ("--pixel-dropout 0.1", "goes with"),
    ],
)
def test_a_wrong_line_of_a_half_is_one_line(
    half: Any, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "plan.txt").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=message):
        half.read_plan(tmp_path / "plan.txt", RECIPES["tr2006"])


@pytest.mark.parametrize("name", ["plans", "half"])
def test_a_kill_before_the_first_row_leaves_those_that_are_there(
    plans: Any, half: Any, run: Any, half_run: Any, name: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    script, go = (plans, run) if name == "plans" else (half, half_run)
    go()
    table = tmp_path / f"{name}.csv"
    written = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(written[:4]), encoding="utf-8")

    def killed(*_: Any) -> Any:
        assert table.read_text(encoding="utf-8") == "".join(written[:4])
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "learn", killed)
    with pytest.raises(KeyboardInterrupt):
        go()
    assert table.read_text(encoding="utf-8") == "".join(written[:4])
    assert [path.name for path in tmp_path.glob("*.new")] == []


@pytest.mark.parametrize("name", ["plans", "half"])
def test_a_table_of_other_columns_is_left_as_it_is(
    plans: Any, run: Any, half_run: Any, name: str, tmp_path: Path
) -> None:
    assert plans
    table = tmp_path / f"{name}.csv"
    table.write_text("line,seed\n1,2\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="a table of other columns"):
        (run if name == "plans" else half_run)()
    assert table.read_text(encoding="utf-8") == "line,seed\n1,2\n"


def test_equal_lines_of_a_plan_are_one(plans: Any, half: Any, tmp_path: Path) -> None:
    plan, recipe = tmp_path / "plan.txt", RECIPES["tr2006"]
    plan.write_text("recipe --epochs 2\n--epochs 2\nrecipe\nrecipe |\nrecipe |\n", "utf-8")
    texts = [("--epochs 2", ""), ("", ""), ("", "|")]
    assert [line.texts for line in half.read_plan(plan, recipe)] == texts
    plan.write_text("| --rate 0.1\n | --rate 0.1\n", "utf-8")
    assert len(plans.read_plan(plan, recipe)) == 1


def test_the_plan_of_the_half_is_read(half: Any) -> None:
    lines = half.read_plan(SEARCH.parent / "beyond" / "half.txt", RECIPES["tr2006"])
    assert len({line.texts for line in lines}) == len(lines) > 2
    assert {line.mixed.dropout for line in lines if line.mixed} == {True, False}


# -- other folders of images ---------------------------------------------------------------------


@pytest.fixture
def made(plans: Any, digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a folder, and reads it."""
    assert plans
    script, read = importlib.import_module("held_out"), mnist.read
    monkeypatch.setattr(mnist, "read", lambda *_: digits)

    def now(*words: str) -> Digits:
        monkeypatch.setattr(sys, "argv", ["held_out.py", *words[:1], str(tmp_path), *words[1:]])
        script.main()
        return read(tmp_path)

    return now


def test_a_splits_validation_cases_stand_for_the_test_cases(made: Any, digits: Digits) -> None:
    found, split = made("b"), mnist.split(90, "b")
    np.testing.assert_array_equal(found.test_images, digits.train_images[split.valid])
    np.testing.assert_array_equal(found.test_labels, digits.train_labels[split.valid])
    np.testing.assert_array_equal(found.train_images, digits.train_images[split.train])


def test_splits_can_be_drawn_at_random(made: Any, digits: Digits) -> None:
    found, other = made("shuffled", "--seed", "1"), made("shuffled", "--seed", "2")
    for one in (found, other):
        pairs = [
            sorted((bytes(image), label) for image, label in zip(*own, strict=True))
            for own in ((d.train_images, d.train_labels) for d in (one, digits))
        ]
        assert pairs[0] == pairs[1]
        np.testing.assert_array_equal(one.test_images, digits.test_images)
        assert (one.train_images != digits.train_images).any()
    assert (found.train_images != other.train_images).any()


# -- single runs ---------------------------------------------------------------------------------


def test_lines_of_single_runs_stay_where_others_are_added(
    plans: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plans
    trials, table = importlib.import_module("trials"), tmp_path / "kept.csv"
    finished = Path(__file__).parent / "data" / "version-1"

    def keep(*names: str) -> list[dict[str, str]]:
        words = ["trials.py", "--out", str(table), *(str(finished / name) for name in names)]
        monkeypatch.setattr(sys, "argv", words)
        trials.main()
        with table.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    (first,) = keep("bp-a.h5")
    assert (first["file"], first["command"]) == ("version-1/bp-a.h5", "finetune-bp")
    text = table.read_text("utf-8").replace(f",{first['test_errors']},", ",-1,")
    table.write_text(text, "utf-8")
    one, extended = keep("bp-a-extended.h5")
    assert one["test_errors"] == "-1"
    assert extended["train_errors_by_epoch"]
    assert extended["options"] == first["options"]
    again, same = keep("bp-a.h5")
    assert again == first | {"train_errors_by_epoch": ""}
    assert same == extended


def test_a_line_of_a_single_run_says_what_its_history_says(plans: Any, tmp_path: Path) -> None:
    """Of 14 epochs, one of which was not measured: 28 and nine after it have a mean of 23.4."""
    assert plans
    found = checkpoint.load(Path(__file__).parent / "data" / "version-1" / "bp-a.h5")
    errors = np.array([90, 30, 29, 28, 27, np.nan, 25, 24, 23, 22, 21, 20, 19, 25])
    costs = np.array([9, 8, 7, 7, 7, np.nan, 6, 5, 4, 3.5, 3, 3.25, 4, 4.5])
    more = {name: np.resize(column, 14) for name, column in found.history.items()}
    found.history = more | {"valid_errors": errors, "valid_cost": costs}
    checkpoint.save(tmp_path / "net.h5", found)
    row = importlib.import_module("trials").line(tmp_path / "net.h5")
    assert row["valid_errors_last_10_epochs"] == 23.4
    assert (row["lowest_valid_cost"], row["last_valid_cost"]) == (3.0, 4.5)
    assert len(row["valid_errors_by_epoch"].split()) == 13


def test_a_line_of_a_single_run_has_the_options_as_typed(plans: Any, tmp_path: Path) -> None:
    assert plans
    trials, folder = importlib.import_module("trials"), Path(__file__).parent / "data" / "version-1"

    def words(name: str) -> list[str]:
        return trials.options(load(folder / f"{name}.h5")).split()  # type: ignore[no-any-return]

    # What starts from a stack has its images, and of few images as many labels, without an option.
    for name, option in (("50-images-a", "--labelled"), ("translated-a", "--translations")):
        assert option in words(f"pretrain-{name}")
        assert option not in words(f"bp-{name}")
    assert words("bp-a-50-labelled")[:2] == ["--labelled", "50"]
    assert "--search-bp-weight" in words("hybrid-a")
    found = checkpoint.load(folder / "bp-a.h5")
    found.settings["importance_sampling"] = not found.settings["importance_sampling"]
    checkpoint.save(tmp_path / "bp-a.h5", found)
    option = "" if found.settings["importance_sampling"] else "no-"
    assert f"--{option}importance-sampling" in trials.options(load(tmp_path / "bp-a.h5"))


def test_the_mixed_gradient_of_a_half_has_draws_of_its_own(
    half_run: Any, half: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half.txt").write_text(
        "recipe | --epochs 2 --dropout --neighbours 2\n", encoding="utf-8"
    )
    uses, draws = [], half.Half._draws

    def spy(self: Any, nets: Any, use: Use) -> Any:
        uses.append(use)
        return draws(self, nets, use)

    monkeypatch.setattr(half.Half, "_draws", spy)
    half_run()
    assert sorted(uses) == sorted([
        Use.PRETRAINING, Use.PRETRAINING_ON_STACK, Use.WAKE_SLEEP, Use.WAKE_SLEEP_AGAIN,
        Use.DROPOUT, Use.NEIGHBOURS,
    ])  # fmt: skip
