"""Many nets at once learn as the package's learners do, one by one; only where PyTorch is."""

from __future__ import annotations

import csv
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinton06 import mnist, numerics
from hinton06.backprop import Backpropagation, CaseSampler, should_stop
from hinton06.mnist import Digits
from hinton06.models import Classifier, Rbm
from hinton06.rbm import ContrastiveDivergence
from hinton06.recognition import log_probs, score
from hinton06.stacking import step_at
from hinton06.updates import Step

torch: Any = pytest.importorskip("torch")
SEARCH = Path(__file__).parents[1] / "experiments" / "search"
PLAN = [
    "--layers 6-5 --passes 2 | --batch 4",
    "--layers 6-5 --passes 2 --rate 0.3 --decay 0.01,0.02 --early-epochs 1 --final-share 0.5"
    " | --batch 4 --rate 0.5 --momentum 0.5 --decay 0.003",
]


@pytest.fixture(scope="module")
def many() -> Any:
    """The script."""
    sys.path.insert(0, str(SEARCH))
    with torch.inference_mode():
        yield importlib.import_module("many")
    sys.path.remove(str(SEARCH))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same draws in every run."""
    torch.manual_seed(0)


@pytest.fixture
def digits() -> Digits:
    """Ninety images of nine pixels, of three classes."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (90, 9), np.uint8)
    labels = rng.integers(0, 3, 90).astype(np.uint8)
    images[np.arange(90), labels] = 255
    return Digits(images, labels, images[:6], labels[:6], (3, 3), "", "nine pixels")


@pytest.fixture
def jobs(many: Any, digits: Digits) -> list[Any]:
    """Two recipes' nets of three splits."""
    found: list[Any] = many.make_jobs(PLAN, 1, len(digits.train_labels), False)
    return found


def half(probs: Any, out: Any) -> Any:
    """The draws of both sides, replaced by whether a probability is above a half."""
    return np.greater(probs, 0.5, out=out, casting="unsafe")


def test_a_layer_is_learned_as_by_contrastive_divergence(
    many: Any, jobs: list[Any], digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def squash_and_fire(inputs: Any, bias: Any, _rng: Any, states: Any) -> Any:
        return half(numerics.squash(inputs, bias), states)

    monkeypatch.setattr("hinton06.numerics.squash_and_fire", squash_and_fire)
    monkeypatch.setattr(torch, "rand_like", lambda like: torch.full_like(like, 0.5))
    orders = torch.stack([torch.from_numpy(np.random.default_rng(9).permutation(75))] * len(jobs))
    monkeypatch.setattr(many, "shuffles", lambda *_: orders)
    # Batches of 25, so that a pass is whole batches.
    for job in jobs:
        job.pretrain["batch"] = 25
    rbms = many.Rbms(jobs, 0, 9, 6)
    starts = [rbms.weights[i].numpy().copy() for i in range(len(jobs))]
    images = torch.from_numpy(digits.train_images)
    rows = torch.stack([torch.from_numpy(job.train) for job in jobs])
    many.learn_layer(rbms, images, rows, jobs, 0)
    for number, (job, start) in enumerate(zip(jobs, starts, strict=True)):
        rbm = Rbm(start, np.zeros(9, np.float32), np.zeros(6, np.float32))
        ours = ContrastiveDivergence(rbm, 25)
        first = {n: many.of_layer(job.pretrain[n], 0) for n in ("decay", "passes")}
        settings = many.RECIPE.pretrain.__class__(
            **{n: job.pretrain[n] for n in many.RECIPE.pretrain.__dataclass_fields__} | first
        )
        for epoch in range(2):
            for rows_now in orders[0].numpy().reshape(3, 25):
                ours.data_buffer(25)[...] = digits.train_images[job.train[rows_now]] / 255
                ours.learn(25, np.random.default_rng(), step_at(settings, epoch))
        np.testing.assert_allclose(rbms.weights[number], rbm.weights, atol=2e-6)
        np.testing.assert_allclose(rbms.visible_bias[number, 0], rbm.visible_bias, atol=2e-6)
        np.testing.assert_allclose(rbms.hidden_bias[number, 0], rbm.hidden_bias, atol=2e-6)


def random_nets(many: Any, jobs: list[Any], digits: Digits) -> tuple[Any, list[Classifier]]:
    """The same classifiers of random weights on both sides."""
    rng = np.random.default_rng(3)
    ours = [Classifier.random((9, 6, 5, 3), 2.0, rng) for _ in jobs]
    for net in ours:
        net.weights[-1][...] = rng.normal(size=(5, 3))
    weights = [torch.tensor(np.stack([net.weights[i] for net in ours])) for i in range(3)]
    biases = [torch.zeros((len(jobs), 1, size)) for size in (6, 5, 3)]
    theirs = many.Classifiers(
        [many.Progress(job) for job in jobs], weights, biases,
        torch.from_numpy(digits.train_images),
        torch.from_numpy(digits.train_labels.astype(np.int64)),
        many.rows_of(jobs, "train"), "rate",
    )  # fmt: skip
    return theirs, ours


def test_an_update_is_that_of_backpropagation(many: Any, jobs: list[Any], digits: Digits) -> None:
    theirs, ours = random_nets(many, jobs, digits)
    case_weights = np.array([1, 10, 1, 1], np.float32)
    learners = [Backpropagation(net, 4) for net in ours]
    for first in (0, 4, 8):
        cases = torch.arange(first, first + 4).expand(len(jobs), 4)
        theirs.learn(cases, torch.from_numpy(case_weights).expand(len(jobs), 4))
        for job, learner in zip(jobs, learners, strict=True):
            step = Step(*(job.backprop[n] for n in ("rate", "momentum", "decay")))
            rows = job.train[first : first + 4]
            labels = digits.train_labels[rows].astype(np.intp)
            learner.learn(digits.train_images, rows, labels, case_weights, step)
    for number, net in enumerate(ours):
        for layer in range(3):
            np.testing.assert_allclose(theirs.weights[layer][number], net.weights[layer], atol=1e-6)
            np.testing.assert_allclose(
                theirs.biases[layer][number, 0], net.biases[layer], atol=1e-6
            )


def test_a_case_is_easy_where_its_cost_before_the_update_is_low(
    many: Any, jobs: list[Any], digits: Digits
) -> None:
    theirs, _ = random_nets(many, jobs, digits)
    costs = []
    for probabilities, labels in theirs.log_probs(theirs._rows, range(len(jobs))):
        costs.append(-probabilities.gather(2, labels[:, :, None])[:, :, 0])
    cost = torch.cat(costs, 1)
    middle = float(cost.median())
    theirs._easy_cost = torch.full((len(jobs), 1), middle)
    cases = torch.arange(75).expand(len(jobs), 75)
    theirs.learn(cases, torch.ones((len(jobs), 75)))
    assert torch.equal(theirs._easy, cost < middle)
    assert 0 < int(theirs._easy.sum()) < theirs._easy.numel()


@pytest.mark.parametrize(("uniform", "selected"), [(0.0999, True), (0.1001, False)])
def test_a_sweep_selects_easy_cases_rarely(
    many: Any,
    jobs: list[Any],
    digits: Digits,
    monkeypatch: pytest.MonkeyPatch,
    uniform: float,
    selected: bool,
) -> None:
    theirs, _ = random_nets(many, jobs, digits)
    theirs._easy[:, :30] = True
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor(uniform))
    n = 75 if selected else 45
    cases, weights = theirs.draw(n)
    assert (theirs._ends - theirs._next == 0).all()
    sampler = CaseSampler(75, many.RECIPE.backprop, np.random.default_rng())
    sampler.easy[:30] = True
    monkeypatch.setattr(sampler, "_rng", Uniforms(uniform))
    for row, factors in zip(cases.numpy(), weights.numpy(), strict=True):
        assert sorted(row) == sorted(sampler.sweep()[0])
        np.testing.assert_array_equal(factors, np.where(row < 30, np.float32(10), 1))


class Uniforms:
    """A generator that always draws the same number."""

    def __init__(self, uniform: float) -> None:
        self._uniform = uniform

    def permutation(self, n: int) -> Any:
        return np.arange(n)

    def random(self, n: int) -> Any:
        return np.full(n, self._uniform)


def test_what_a_sweep_leaves_comes_before_the_next_one(
    many: Any, jobs: list[Any], digits: Digits
) -> None:
    theirs, _ = random_nets(many, jobs, digits)
    drawn = torch.cat([theirs.draw(4)[0] for _ in range(75)], 1)  # four sweeps of hard cases
    for row in drawn.reshape(len(jobs), 4, 75).numpy():
        for sweep in row:
            assert sorted(sweep) == list(range(75))


@pytest.fixture
def run(many: Any, digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the script on the tiny digits, and reads its table."""
    monkeypatch.setattr(mnist, "read", lambda: digits)
    plan, out = tmp_path / "plan.txt", tmp_path / "many.csv"
    short = "--patience 3 --easy-cost 0.2"
    plan.write_text("# two recipes, one stack\n" + "\n".join(f"{p} {short}" for p in PLAN[:1] * 2))

    def now(*options: str) -> list[dict[str, str]]:
        words = ["many.py", str(plan), str(out), "--seeds", "2", "--most-epochs", "30", *options]
        monkeypatch.setattr(sys, "argv", words)
        many.main()
        with out.open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return now


def test_every_net_stops_by_the_rules(run: Any) -> None:
    rows = run()
    assert len(rows) == 2 * 2 * 3
    assert {row["split"] for row in rows} == {"a", "b", "c"}
    for row in rows:
        errors = [int(e) for e in row["valid_errors_by_epoch"].split()]
        assert len(errors) == int(row["epochs"]) >= 4
        assert int(row["fewest_valid_errors"]) == min(errors)
        assert errors.index(min(errors)) + 1 == int(row["kept_epoch"])
        if len(errors) < 30:
            assert len(errors) - int(row["kept_epoch"]) >= 3
            assert float(row["last_valid_cost"]) >= float(row["lowest_valid_cost"])
    assert len({row["epochs"] for row in rows}) > 1


def test_the_rules_are_asked_with_what_was_measured(
    many: Any, jobs: list[Any], digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int, int]] = []

    def rule(costs: list[float], errors: list[int], patience: int) -> bool:
        asked.append((len(costs), len(errors), patience))
        return should_stop(costs, errors, patience)

    monkeypatch.setattr(many, "should_stop", rule)
    theirs, ours = random_nets(many, jobs, digits)
    stopped = theirs.validate(many.rows_of(jobs, "valid"))
    assert stopped == []
    assert asked == [(1, 1, 10)] * len(jobs)
    for job, net, found in zip(jobs, ours, theirs.progress, strict=True):
        valid, train = (
            score(log_probs(net, digits.train_images[rows]), digits.train_labels[rows])
            for rows in (job.valid, job.train)
        )
        assert found.valid_errors == [valid.errors]
        assert found.valid_costs == pytest.approx([valid.cost_per_100], rel=1e-5)
        assert found.train_cost == pytest.approx(train.cost_per_100, rel=1e-5)


def test_only_a_new_best_net_is_measured_on_its_training_cases(
    many: Any, jobs: list[Any], digits: Digits
) -> None:
    theirs, ours = random_nets(many, jobs, digits)
    theirs._easy_cost = torch.full((len(jobs), 1), 1.0)
    for found in theirs.progress[:2]:
        found.valid_errors, found.valid_costs = [0], [1.0]  # the others have no best net yet
    theirs.validate(many.rows_of(jobs, "valid"))
    for number, (job, net) in enumerate(zip(jobs, ours, strict=True)):
        truth = digits.train_labels[job.train]
        probabilities = log_probs(net, digits.train_images[job.train])
        costs = -probabilities[np.arange(len(truth)), truth]
        found = theirs.progress[number]
        if number < 2:
            assert found.train_cost == float("inf")
            assert not theirs._easy[number].any()
        else:
            assert found.train_cost == pytest.approx(100 * costs.mean(), rel=1e-5)
            np.testing.assert_array_equal(theirs._easy[number], costs < 1.0)


def test_layers_can_have_rates_of_their_own(many: Any, digits: Digits) -> None:
    jobs = many.make_jobs(["--layers 6-5 | --batch 4 --layer-rates 0,0.5,1"], 1, 90, False)
    theirs, ours = random_nets(many, jobs, digits)
    cases = torch.arange(4).expand(len(jobs), 4)
    theirs.learn(cases, torch.ones((len(jobs), 4)))
    rows = jobs[0].train[:4]
    labels = digits.train_labels[rows].astype(np.intp)
    before = ours[0].copy()
    step = Step(0.2, 0.9)
    Backpropagation(ours[0], 4).learn(
        digits.train_images, rows, labels, np.ones(4, np.float32), step
    )
    for layer, share in enumerate((0.0, 0.5, 1.0)):
        moved = before.weights[layer] + share * (ours[0].weights[layer] - before.weights[layer])
        np.testing.assert_allclose(theirs.weights[layer][0], moved, atol=1e-6)


def test_biases_start_where_the_plan_says(many: Any, digits: Digits) -> None:
    plan = ["--layers 6-5 --hidden-bias -4,-2 --visible-bias log-odds |", "--layers 6-5 |"]
    jobs = many.make_jobs(plan, 1, 90, False)
    rows = many.rows_of(jobs, "train")
    rbms = many.Rbms(jobs, 0, 9, 6)
    many.start_visible(rbms, jobs, torch.from_numpy(digits.train_images), rows)
    means = digits.train_images[jobs[0].train].mean(0) / 255
    np.testing.assert_allclose(rbms.visible_bias[0, 0], np.log(means / (1 - means)), rtol=1e-4)
    assert (rbms.hidden_bias[:3] == -4).all()
    assert (many.Rbms(jobs, 1, 6, 5).hidden_bias[:3] == -2).all()
    assert not rbms.visible_bias[3:].any()
    assert not rbms.hidden_bias[3:].any()


def test_a_running_mean_is_of_the_window_of_its_net(many: Any, digits: Digits) -> None:
    jobs = many.make_jobs(
        ["--layers 6-5 --averaging 2 |", "--layers 6-5 |"], 1, len(digits.train_labels), False
    )
    rbms = many.Rbms(jobs, 0, 9, 6)
    seen = []
    for value in (1.0, 2.0, 6.0):
        rbms.weights.fill_(value)
        rbms.average(1.0)
        seen.append(value)
    rbms.use_means()
    # Over two values: their plain mean 1.5, and then half of it and half of the third.
    assert torch.allclose(rbms.weights[:3], torch.tensor(0.5 * 1.5 + 0.5 * seen[-1]))
    assert torch.allclose(rbms.weights[3:], torch.tensor(seen[-1]))


def test_the_extension_learns_at_its_own_rate_until_the_recorded_cost(
    many: Any, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = ["--layers 6-5 --passes 1 | --batch 5 --all-cases-rate 0.3 --patience 1"]
    jobs = many.make_jobs(plan, 1, len(digits.train_labels), True)
    rates = []
    set_steps = many.Classifiers._set_steps

    def spy(self: Any) -> None:
        rates.append(self._rate)
        set_steps(self)

    monkeypatch.setattr(many.Classifiers, "_set_steps", spy)
    images = torch.from_numpy(digits.train_images)
    labels = torch.from_numpy(digits.train_labels.astype(np.int64))
    progress = many.finetune(jobs, many.learn_stacks(jobs, images), images, labels, 5)
    assert set(rates) == {"rate"}
    rates.clear()
    for found in progress:
        found.train_cost *= 0.9  # several epochs away
    many.extend(progress, images, labels, 300)
    assert set(rates) == {"all_cases_rate"}
    for found in progress:
        assert found.extended == len(found.extension_costs)
        assert all(cost > found.train_cost for cost in found.extension_costs[:-1])
        if found.extended < 300:
            assert found.extension_costs[-1] <= found.train_cost
    assert any(1 < found.extended < 300 for found in progress)


def test_held_out_cases_are_judged_before_and_after_the_extension(run: Any) -> None:
    rows = run("--held-out", "--together", "5")
    assert len(rows) == 2 * 2 * 9
    for row in rows:
        assert int(row["extension_epochs"]) >= 1
        assert 0 <= int(row["extended_held_out_errors"]) <= 15
    judged = [row for row in rows if row["product_held_out_errors"]]
    assert len(judged) == 2 * 2 * 3


def test_held_out_cases_take_no_part_in_learning(many: Any) -> None:
    for job in many.make_jobs(PLAN, 1, 90, True):
        every = np.concatenate([job.train, job.valid, job.held_out])
        assert sorted(every) == list(range(90))
        outer = mnist.split(90, job.name[0])
        np.testing.assert_array_equal(job.held_out, outer.valid)


def test_draws_are_summed_over_their_nets(many: Any, tmp_path: Path) -> None:
    assert many
    table = importlib.import_module("many_table")
    names = ["fewest_valid_errors", "valid_errors_last_10_epochs", "lowest_valid_cost"]
    lines = [",".join(["pretrain", "finetune-bp", "seed", "split", *names])]
    for seed, errors in ((0, (1, 2, 3)), (1, (4, 5, 6)), (2, (7, 8))):  # the last one: no net c
        for split, count in zip("abc", errors, strict=False):
            lines.append(f"--rate 0.3,,{seed},{split},{count},{count}.5,{count / 2}")
    path = tmp_path / "many.csv"
    path.write_text("\n".join(lines))
    ((recipe, draws),) = table.read([path]).items()
    expected = "| `--rate 0.3` | the recipe | 2 | 10.5 ± 4.5 | 12.0 ± 4.5 | 1.750 |"
    assert table.line(recipe, draws) == expected


def test_a_wrong_option_is_one_line(many: Any) -> None:
    with pytest.raises(SystemExit, match="no setting --rates"):
        many.parse("--rates 3", many.RECIPE.pretrain)
    with pytest.raises(SystemExit, match="no setting --optimiser"):
        many.parse("--optimiser cg", many.RECIPE.backprop)
    with pytest.raises(SystemExit, match="the same --layers"):
        many.make_jobs(["| --batch 4", "| --batch 5"], 1, 90, False)
