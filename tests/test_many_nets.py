"""Many nets at once learn as the package's learners do, one by one; only where PyTorch is.

What lies between the products is there twice: in PyTorch for the processor, and in Triton's kernels
for cards, which are run here by Triton's interpreter where there is no card. Learners are held
against the package's, kernels against PyTorch.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import reference
from scipy import special

from hinton06 import distortion, numerics
from hinton06.backprop import Backpropagation, CaseSampler
from hinton06.dropout import Dropout
from hinton06.mnist import Digits
from hinton06.models import Classifier, Rbm
from hinton06.neighbours import Neighbours
from hinton06.numerics import epoch_order
from hinton06.rbm import ContrastiveDivergence
from hinton06.recipes import RECIPES, BackpropSettings, conditions
from hinton06.recognition import log_probs as one_nets_log_probs
from hinton06.recognition import score
from hinton06.stacking import GreedyStack, features, step_at
from hinton06.streams import Use
from hinton06.updates import Step, rate_share_at

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
CARD = torch.cuda.is_available()
if not CARD:  # before Triton's kernels are imported
    os.environ["TRITON_INTERPRET"] = "1"
from hinton06.many import place as places  # noqa: E402
from hinton06.many import plain  # noqa: E402
from hinton06.many.classifiers import Classifiers, gathered, log_probs, scores  # noqa: E402
from hinton06.many.distorted import Distorted  # noqa: E402
from hinton06.many.near import Near  # noqa: E402
from hinton06.many.place import Draws, Place  # noqa: E402
from hinton06.many.rbms import Rbms, Stacks, steps_of  # noqa: E402
from hinton06.many.sampling import Samplers  # noqa: E402

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed"
)
PRETRAIN = dataclasses.replace(RECIPES["tr2006"].pretrain, layers=(6, 5), passes=2, batch=25)
BACKPROP = dataclasses.replace(RECIPES["tr2006"].backprop, batch=4)
STEPS = [Step(0.1, 0.5, 0.002), Step(0.3, 0.0, 0.01), Step(0.2, 0.9)]
TF32 = 2.0**-10
"""The spacing of the numbers that a card multiplies: products in TF32 round both factors."""


class Pretended(Place):
    """A card that Triton's interpreter plays, or the card that there is, its work not recorded."""

    def __init__(self) -> None:
        from hinton06.many import fused  # noqa: PLC0415

        self.on_card, self.records, self.loops = True, False, fused
        self.device, self._threads = torch.device("cuda" if CARD else "cpu"), 1

    name = "pretended"


@pytest.fixture(params=["plain", pytest.param("fused", marks=needs_triton)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Either implementation."""
    made = Place("cpu") if request.param == "plain" else Pretended()
    with made.used(), made.exactly():
        yield made


@pytest.fixture
def card() -> Iterator[Place]:
    """The kernels' place."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed")
    made = Pretended()
    with made.used():
        yield made


@pytest.fixture
def digits() -> Digits:
    """Ninety images of nine pixels, of three classes."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (90, 9), np.uint8)
    labels = rng.integers(0, 3, 90).astype(np.uint8)
    images[np.arange(90), labels] = 255
    return Digits(images, labels, images[:6], labels[:6], (3, 3), "", "nine pixels")


def draws_of(place: Place, n_nets: int, use: int = 0) -> Draws:
    """Of seeds 0, 1 and so on."""
    return Draws(place, [(seed, use, "a") for seed in range(n_nets)])


def rows_of(place: Place, n_nets: int, n: int) -> Any:
    """Each net learns other images."""
    every = np.random.default_rng(1).permuted(np.tile(np.arange(90), (n_nets, 1)), axis=1)
    return place.put(np.sort(every[:, :n], axis=1))


def slow(place: Place) -> bool:
    """Whether an interpreter runs the kernels."""
    return place.on_card and not CARD


def on_host(array: Any) -> Any:
    return array.cpu().numpy().copy()


# -- learners, their draws replaced by thresholds ------------------------------------------------


def half(probs: Any, out: Any) -> Any:
    """The package's draws, replaced by whether a probability is above a half."""
    return np.greater(probs, 0.5, out=out, casting="unsafe")


def first_likely(probs: Any, _rng: Any) -> Any:
    """The package's draw of a label, replaced: the first that is likely if none before is on."""
    later = np.cumsum(probs[:, ::-1], 1)[:, ::-1]
    likely = probs > 0.5 * later
    likely[:, -1] = True
    return np.eye(probs.shape[1], dtype=probs.dtype)[likely.argmax(1)]


@pytest.fixture
def thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each unit of both sides fires if its probability is above a half."""

    def squash_and_fire(inputs: Any, bias: Any, _rng: Any, states: Any) -> Any:
        return half(numerics.squash(inputs, bias), states)

    def fire(inputs: Any, bias: Any, rng: Any) -> Any:  # noqa: ARG001
        return half(numerics.squash(inputs, bias), inputs)

    monkeypatch.setattr("hinton06.numerics.squash_and_fire", squash_and_fire)
    monkeypatch.setattr("hinton06.numerics.fire", fire)
    monkeypatch.setattr("hinton06.numerics.bernoulli", lambda probs, _rng, out: half(probs, out))
    monkeypatch.setattr("hinton06.numerics.one_hot", first_likely)
    ones = torch.full((), 0.5)
    monkeypatch.setattr(Draws, "uniforms", lambda _self, *shape: ones.expand(3, *shape))


KINDS = {
    "probabilities": {},
    "states": {"recon_states": True},
    "CD-3": {"rounds": 3},
    "CD-2 of states": {"rounds": 2, "recon_states": True},
    "chains": {"persistent": True},
    "two rounds of chains": {"persistent": True, "rounds": 2},
    "sparse": {"sparsity": (0.1, 0.5)},
    "sparse beside chains": {"persistent": True, "sparsity": (0.2, 0.1)},
    "centred": {"centred": True},
    "centred states": {"centred": True, "recon_states": True, "rounds": 2},
    "centred beside chains": {"centred": True, "persistent": True, "sparsity": (0.2, 0.1)},
}


@pytest.mark.parametrize("n_labels", [0, 3])
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.usefixtures("thresholds")
def test_weights_after_updates_are_those_of_contrastive_divergence(
    digits: Digits, kind: str, n_labels: int
) -> None:
    place, more = Place("cpu"), KINDS[kind]
    rng = np.random.default_rng(2)
    start = [Rbm.random(9, 6, 0.5, rng, n_labels) for _ in STEPS]
    with place.used():
        weights = place.put(np.stack([rbm.weights for rbm in start]))
        theirs = Rbms(place, draws_of(place, 3), weights, 25, n_labels=n_labels, **more)
        ours = [ContrastiveDivergence(rbm, 25, **more) for rbm in start]
        errors = np.zeros(3)
        for first in (0, 25, 50, 75):
            n = min(25, 90 - first)
            batch = digits.train_images[first : first + n] / np.float32(255)
            labels = digits.train_labels[first : first + n]
            if n_labels:
                batch[:, -3:] = np.eye(3)[labels]
            theirs.data_buffer(n)[...] = place.put(batch)
            theirs.learn(n, steps_of(place, STEPS))
            for net, (learner, step) in enumerate(zip(ours, STEPS, strict=True)):
                learner.data_buffer(n)[...] = batch
                errors[net] += learner.learn(n, rng, step)
    # Four updates, each of sums of at most 50 terms below 1 in size: 4 x 50 roundings of 2^-24,
    # carried on by the momentum by a factor of 10 at most.
    for net, learner in enumerate(ours):
        for name, array in learner.rbm.parameters().items():
            np.testing.assert_allclose(theirs.arrays[name][net], array, atol=2000 * 2.0**-24)
        for name, momentum in learner.momenta.items():
            mine = theirs.velocities[name][net]
            np.testing.assert_allclose(mine, momentum.velocity, atol=2000 * 2.0**-24)
    np.testing.assert_allclose(theirs.errors.sum(1), errors, rtol=1e-5)
    for net, learner in enumerate(ours):
        np.testing.assert_array_equal(theirs.chains[net], learner.chains)
    assert theirs.chains.any() == more.get("persistent", False)


@pytest.mark.parametrize("n_labels", [0, 3])
@pytest.mark.usefixtures("thresholds")
def test_updates_without_momentum_leave_no_velocity_to_those_with_some(n_labels: int) -> None:
    place, rng = Place("cpu"), np.random.default_rng(4)
    start = [Rbm.random(9 + n_labels, 6, 0.5, rng, n_labels) for _ in STEPS]
    batch = rng.random((25, 9 + n_labels), np.float32)
    with place.used():
        weights = place.put(np.stack([rbm.weights for rbm in start]))
        theirs = Rbms(place, draws_of(place, 3), weights, 25, n_labels=n_labels)
        ours = [ContrastiveDivergence(rbm, 25) for rbm in start]
        for momentum in (0.0, 0.9):
            step = Step(0.3, momentum, 0.01)
            theirs.data_buffer(25)[...] = place.put(batch)
            theirs.learn(25, steps_of(place, [step] * 3))
            for learner in ours:
                learner.data_buffer(25)[...] = batch
                learner.learn(25, rng, step)
    for net, learner in enumerate(ours):
        for name, array in learner.rbm.parameters().items():
            # Two updates, each of sums of at most 50 terms below 1 in size.
            np.testing.assert_allclose(theirs.arrays[name][net], array, atol=2 * 50 * 2.0**-24)


@pytest.mark.usefixtures("thresholds")
def test_a_stack_is_learned_layer_by_layer_as_a_greedy_one(digits: Digits) -> None:
    place, settings = Place("cpu"), dataclasses.replace(PRETRAIN, final_share=0.5, early_epochs=1)
    rows = rows_of(place, 3, 60)
    with place.used():
        images, labels = place.put(digits.train_images), place.put(digits.train_labels)
        theirs = Stacks(
            place, draws_of(place, 3), [[settings] * 2] * 3, images, labels.long(), rows
        )  # fmt: skip
        history = []
        while not theirs.finished():
            history.append(theirs.run_epoch(lambda _: None))
        stacks = theirs.models()
    for net in range(3):
        rng = draws_of(place, net + 1).rngs[net]
        one = GreedyStack(digits.train_images[on_host(rows)[net]], settings, rng)
        found = []
        while not one.finished():
            found.append(one.run_epoch(lambda _: None))
        for mine, row in zip(history, found, strict=True):
            assert mine[net].keys() == row.keys()
            assert mine[net] == pytest.approx(row, rel=1e-4)
        # 12 updates of sums of up to 50 terms, and features of these.
        for ours, theirs_too in zip(one.result(), stacks[net], strict=True):
            for name, array in ours.parameters().items():
                np.testing.assert_allclose(
                    theirs_too.parameters()[name], array, atol=12 * 500 * 2.0**-24
                )


def test_balanced_sweeps_are_those_of_an_epoch(place: Place, digits: Digits) -> None:
    rows, labels = rows_of(place, 2, 60), place.put(digits.train_labels.astype(np.int64))
    samplers = Samplers(place, draws_of(place, 2), rows, labels, 60, balanced=True)
    samplers.begin_epoch()
    samplers.draw(60)
    rng = np.random.default_rng()
    for net in range(2):
        assert sorted(on_host(samplers.cases)[net]) == list(range(60))
        own = digits.train_labels[on_host(rows)[net]]
        # Classes at equal places may come in any order.
        found, expected = on_host(samplers.labels)[net], own[epoch_order(60, rng, own)]
        np.testing.assert_array_equal(spread(found), spread(expected))


def spread(classes: Any) -> Any:
    """Where in its class, evenly spread, each case is."""
    places = np.empty(len(classes))
    for label in np.unique(classes):
        own = classes == label
        places[own] = (np.arange(own.sum()) + 0.5) / own.sum()
    return places


def random_nets() -> list[Classifier]:
    rng = np.random.default_rng(3)
    nets = [Classifier.random((9, 6, 5, 3), 2.0, rng) for _ in STEPS]
    for net in nets:
        net.weights[-1][...] = rng.normal(size=(5, 3))
    return nets


def settings_of(step: Step) -> BackpropSettings:
    values = {"rate": step.rate, "momentum": step.momentum, "decay": step.decay}
    return dataclasses.replace(BACKPROP, **values)


def classifiers(place: Place, digits: Digits, ours: list[Classifier], **more: Any) -> Classifiers:
    """The same nets, of three recipes, learning the same images."""
    images = place.put(digits.train_images)
    labels = place.put(digits.train_labels.astype(np.int64))
    rows = rows_of(place, 3, 12 if slow(place) and "settings" not in more else 60)
    settings = more.pop("settings", [settings_of(step) for step in STEPS])
    valid = more.pop("valid", rows_of(place, 3, 12))
    nets = gathered(place, ours)
    return Classifiers(
        place, draws_of(place, 3), settings, nets, images, labels, rows, valid, **more
    )  # fmt: skip


def test_weights_after_updates_are_those_of_backpropagation(place: Place, digits: Digits) -> None:
    ours = random_nets()
    theirs = classifiers(place, digits, ours)
    learners = [Backpropagation(net, 4) for net in ours]
    rows, sampler = on_host(theirs.samplers.all_rows), theirs.samplers
    factors = np.array([1, 10, 1, 1], np.float32)
    for first in (0, 4, 8):

        def draw(n: int, first: int = first) -> None:
            cases = torch.arange(first, first + n, device=place.device).expand(3, n)
            sampler.cases.copy_(cases)
            sampler.rows.copy_(sampler.all_rows.gather(1, cases))
            sampler.labels.copy_(theirs._labels[sampler.rows])
            sampler.factors.copy_(place.put(factors).expand(3, n))

        sampler.draw = draw
        theirs.learn(4)
        for net, (learner, step) in enumerate(zip(learners, STEPS, strict=True)):
            own = rows[net, first : first + 4]
            labels = digits.train_labels[own].astype(np.intp)
            learner.learn(digits.train_images, own, labels, factors, step)
    # Sums of at most 10 products of numbers below 10, in three layers and three updates.
    atol = 3 * 3 * 100 * 2.0**-22
    for net, one in enumerate(ours):
        for name, array in one.arrays().items():
            np.testing.assert_allclose(on_host(theirs.nets.arrays()[name][net]), array, atol=atol)


def test_layers_can_have_rates_of_their_own(digits: Digits) -> None:
    place, ours = Place("cpu"), random_nets()
    with place.used():
        shares = np.array([[0.0, 0.5, 1.0]] * 3)
        settings = [dataclasses.replace(BACKPROP, momentum=0.0)] * 3
        theirs = classifiers(place, digits, ours, settings=settings, rate_shares=shares)
        theirs.learn(4)
        rows = on_host(theirs.samplers.rows)
    for net, one in enumerate(ours):
        before = one.copy()
        labels = digits.train_labels[rows[net]].astype(np.intp)
        step = Step(BACKPROP.rate)
        Backpropagation(one, 4).learn(
            digits.train_images, rows[net], labels, np.ones(4, np.float32), step
        )
        for layer, share in enumerate((0.0, 0.5, 1.0)):
            moved = before.weights[layer] + share * (one.weights[layer] - before.weights[layer])
            np.testing.assert_allclose(theirs.nets.weights[layer][net], moved, atol=1e-6)


# -- importance sampling -------------------------------------------------------------------------


def test_a_case_is_easy_where_its_cost_before_the_update_is_low(
    place: Place, digits: Digits
) -> None:
    ours = random_nets()
    medians = [float(np.median(-one_nets_log_probs(net, digits.train_images))) for net in ours]
    settings = [dataclasses.replace(BACKPROP, batch=60, easy_cost=cost) for cost in medians]
    theirs = classifiers(place, digits, ours, settings=settings)
    theirs.learn(60)
    shares = theirs.samplers.easy_shares()
    states = theirs.samplers.states()
    for net, one in enumerate(ours):
        own = on_host(theirs.samplers.all_rows)[net]
        answers = one_nets_log_probs(one, digits.train_images[own])
        costs = -answers[np.arange(60), digits.train_labels[own]]
        clear = np.abs(costs - settings[net].easy_cost) > 10 * TF32
        easy = costs < settings[net].easy_cost
        np.testing.assert_array_equal(states[net]["easy"][clear], easy[clear])
        assert shares[net] == pytest.approx(states[net]["easy"].mean())
        assert 0 < easy.sum() < 60


def sampled(place: Place, easy: Any, chance: float = 0.1, n_nets: int = 2) -> Samplers:
    """Of nets with these cases easy."""
    n = len(easy)
    settings = [dataclasses.replace(BACKPROP, easy_probability=chance)] * n_nets
    rows = place.put(np.arange(n_nets * n).reshape(n_nets, n))
    labels = place.put(np.arange(n_nets * n) % 3)
    samplers = Samplers(place, draws_of(place, n_nets), rows, labels, 8, settings)
    for state in (states := samplers.states()):
        state["easy"][...] = easy
    samplers.restore(states)
    return samplers


def drawn(samplers: Samplers, n_batches: int) -> tuple[Any, Any]:
    """(nets, cases) and their factors, of several batches of eight."""
    cases, factors = [], []
    for _ in range(n_batches):
        samplers.draw(8)
        cases.append(on_host(samplers.cases))
        factors.append(on_host(samplers.factors))
    return np.concatenate(cases, 1), np.concatenate(factors, 1)


def test_every_sweep_has_each_hard_case_once(place: Place) -> None:
    cases, factors = drawn(sampled(place, np.zeros(20, bool)), 25)  # ten sweeps of 20
    for own in cases.reshape(2, 10, 20):
        for sweep in own:
            assert sorted(sweep) == list(range(20))
    assert len({tuple(sweep) for sweep in cases.reshape(20, 20)}) == 20
    assert (factors == 1).all()


def test_batches_name_the_images_and_labels_of_their_cases(place: Place) -> None:
    samplers = sampled(place, np.zeros(20, bool))
    for size in (8, 8, 5, 8):
        samplers.draw(size)
        rows = on_host(samplers.rows)
        np.testing.assert_array_equal(rows, on_host(samplers.cases) + np.array([[0], [20]]))
        np.testing.assert_array_equal(on_host(samplers.labels), rows % 3)


def test_easy_cases_are_selected_by_their_chance_and_weighted_up(place: Place) -> None:
    easy = np.arange(64) < 48
    cases, factors = drawn(sampled(place, easy, 0.25), 60 if slow(place) else 1000)
    assert (factors[cases < 48] == 4).all()
    assert (factors[cases >= 48] == 1).all()
    # Each sweep has the 16 hard cases, and of 48 easy ones 12 on average, with variance 9.
    n_sweeps = np.count_nonzero(cases >= 48, axis=1) / 16
    n_easy = np.count_nonzero(cases < 48, axis=1)
    errors = np.sqrt(9 * n_sweeps) + 12  # and a sweep that is cut off at the end
    assert (np.abs(n_easy - 12 * n_sweeps) < 5 * errors).all()
    # Of the easy cases, each alike: chi-square with 47 degrees of freedom.
    counts = np.bincount(cases[cases < 48], minlength=48)
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 47 + 5 * np.sqrt(2 * 47)


def test_few_hard_cases_take_several_sweeps_a_batch(place: Place) -> None:
    easy = np.arange(20) > 0
    samplers = sampled(place, easy, 1e-6)
    cases, _ = drawn(samplers, 2)
    assert (np.count_nonzero(cases == 0, axis=1) >= 15).all()


def test_the_order_of_a_sweep_is_random(place: Place) -> None:
    n, n_sweeps = 20, 60 if slow(place) else 2000
    cases, _ = drawn(sampled(place, np.zeros(n, bool), 0.1, 1), n * n_sweeps // 8)
    sweeps = cases.reshape(n_sweeps, n)
    at = np.argsort(sweeps, axis=1)
    # Where a case comes, and which one comes after it: chi-squares of uniform counts.
    counts, expected = np.bincount((np.arange(n) * n + at).ravel(), minlength=n * n), n_sweeps / n
    chi, free = ((counts - expected) ** 2 / expected).sum(), (n - 1) ** 2
    assert abs(chi - free) < 5 * np.sqrt(2 * free)
    pairs = np.bincount((sweeps[:, :-1] * n + sweeps[:, 1:]).ravel(), minlength=n * n)
    expected = n_sweeps * (n - 1) / (n * (n - 1))
    off = pairs.reshape(n, n)[~np.eye(n, dtype=bool)]
    chi = ((off - expected) ** 2 / expected).sum()
    assert abs(chi - n * (n - 1)) < 5 * np.sqrt(2 * n * (n - 1))


def test_a_nets_draws_do_not_depend_on_its_companions(place: Place) -> None:
    together = sampled(place, np.arange(20) < 10, 0.3, 3)
    alone = sampled(place, np.arange(20) < 10, 0.3, 3)
    alone._draws.keep([1])
    alone.keep([1])
    for _ in range(9):
        together.draw(8)
        alone.draw(8)
        np.testing.assert_array_equal(on_host(together.cases)[1], on_host(alone.cases)[0])
        np.testing.assert_array_equal(on_host(together.factors)[1], on_host(alone.factors)[0])


def test_samplers_go_on_from_their_states(place: Place) -> None:
    one = sampled(place, np.arange(20) < 10, 0.3, 2)
    drawn(one, 3)
    states, draws = one.states(), one._draws.states()
    other = sampled(place, np.zeros(20, bool), 0.3, 2)
    other._draws.restore(draws)
    other.restore(states)
    for mine, theirs in zip(drawn(one, 9), drawn(other, 9), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_sweep_is_that_of_the_packages_sampler() -> None:
    place = Place("cpu")
    samplers = sampled(place, np.arange(20) < 10, 0.3, 2)
    rng = draws_of(place, 2).rngs[1]
    one = CaseSampler(20, dataclasses.replace(BACKPROP, easy_probability=0.3), rng)
    one.easy[:10] = True
    cases, factors = drawn(samplers, 9)
    batches = [one.batch(8) for _ in range(9)]
    np.testing.assert_array_equal(cases[1], np.concatenate([rows for rows, _ in batches]))
    np.testing.assert_array_equal(factors[1], np.concatenate([f for _, f in batches]))


# -- kernels against plain PyTorch ---------------------------------------------------------------


def numbers(place: Place, *shape: int, seed: int = 0) -> tuple[Any, Any]:
    """The same random numbers on the processor and there."""
    made = np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)
    return torch.from_numpy(made), place.put(made)


def close(there: Any, here: Any, units: float = 64.0, size: float = 1.0) -> None:
    """Equal up to so many roundings of numbers of that size."""
    np.testing.assert_allclose(on_host(there), on_host(here), rtol=units * 2.0**-23,
                               atol=units * size * 2.0**-23)  # fmt: skip


def pairs(place: Place, **shapes: tuple[int, ...]) -> tuple[SimpleNamespace, SimpleNamespace]:
    """Arrays of these shapes, here and there."""
    made = {name: numbers(place, *shape, seed=len(name)) for name, shape in shapes.items()}
    here, there = ({n: pair[i] for n, pair in made.items()} for i in (0, 1))
    step = np.array([[0.1, 0.5, 0.01], [0.3, 0.0, 0.0], [0.2, 0.9, 0.02]], np.float32)
    return SimpleNamespace(**here, step=torch.from_numpy(step)), SimpleNamespace(
        **there, step=place.put(step)
    )


SIZES = [(4, 9), (100, 500), (130, 33)]
"""Cases and units of a batch, some beyond a tile."""


@pytest.mark.parametrize(("n", "units"), SIZES)
def test_kernels_take_squash_and_slope_as_pytorch_does(card: Place, n: int, units: int) -> None:
    loops = card.loops
    here, there = pairs(
        card, inputs=(3, n, units), bias=(3, units), probs=(3, n, units), velocity=(3, units),
        source=(3, 2 * n, units),
    )  # fmt: skip
    rows = np.random.default_rng(0).integers(0, 2 * n, (3, n))
    plain.take(here.source, torch.from_numpy(rows), here.inputs)
    loops.take(there.source, card.put(rows), there.inputs)
    np.testing.assert_array_equal(on_host(there.inputs), here.inputs)
    plain.squash(here.inputs, here.bias)
    loops.squash(there.inputs, there.bias)
    close(there.inputs, here.inputs)
    plain.slope(here.inputs, here.probs, here.bias, here.velocity, here.step)
    loops.slope(there.inputs, there.probs, there.bias, there.velocity, there.step)
    for name in ("inputs", "bias", "velocity"):
        close(getattr(there, name), getattr(here, name), n)
    images = np.random.default_rng(0).integers(0, 256, (2 * n, units), np.uint8)
    plain.take(torch.from_numpy(images), torch.from_numpy(rows), here.inputs)
    loops.take(card.put(images), card.put(rows), there.inputs)
    close(there.inputs, here.inputs, 2)


@pytest.mark.parametrize(("n", "units"), SIZES)
def test_kernels_reconstruct_as_pytorch_does(card: Place, n: int, units: int) -> None:
    here, there = pairs(
        card, both=(3, 2 * n, units), bias=(3, units), velocity=(3, units), errors=(3, units)
    )
    plain.visible(here.both, here.bias, here.velocity, here.step, here.errors, None)
    card.loops.visible(there.both, there.bias, there.velocity, there.step, there.errors, None)
    for name in ("both", "bias", "velocity", "errors"):
        close(getattr(there, name), getattr(here, name), n, 4)
    plain.hidden(here.both, here.bias, here.velocity, here.step)
    card.loops.hidden(there.both, there.bias, there.velocity, there.step)
    for name in ("both", "bias", "velocity"):
        close(getattr(there, name), getattr(here, name), n, 4)


@pytest.mark.parametrize(("n", "n_in", "n_out"), [(8, 9, 6), (200, 130, 70), (100, 64, 10)])
def test_kernels_move_weights_as_pytorch_does(card: Place, n: int, n_in: int, n_out: int) -> None:
    here, there = pairs(
        card, left=(3, n, n_in), right=(3, n, n_out), weights=(3, n_in, n_out),
        velocity=(3, n_in, n_out),
    )  # fmt: skip
    plain.grow(here.left, here.right, n, here.weights, here.velocity, here.step)
    card.loops.grow(there.left, there.right, n, there.weights, there.velocity, there.step)
    # The mean of n products whose factors of order 1 are rounded to TF32, and rate 0.3.
    atol = 0.3 * 2 * TF32 * 16 / np.sqrt(n) if CARD else 1e-5
    for name in ("weights", "velocity"):
        found, expected = on_host(getattr(there, name)), getattr(here, name)
        np.testing.assert_allclose(found, expected, atol=atol)
    assert (on_host(there.velocity)[1] == 0).all()  # without momentum


@pytest.mark.parametrize("n", [4, 100, 130])
def test_kernels_have_the_errors_of_labels_that_pytorch_has(card: Place, n: int) -> None:
    here, there = pairs(
        card, inputs=(3, n, 10), bias=(3, 10), velocity=(3, 10), costs=(3, n), sums=(3, 2)
    )
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, (3, n))
    cases = np.stack([rng.permutation(n) for _ in range(3)])
    factors = rng.choice(np.array([1, 10], np.float32), (3, n))
    limits = np.array([[2.0, 0.1], [1.0, 0.1], [-1.0, 1.0]], np.float32)
    batches = [
        SimpleNamespace(
            labels=put(labels), factors=put(factors), cases=put(cases), limits=put(limits),
            easy=put(np.full((3, n), 7, np.uint8)), sampled=True,
        )
        for put in (torch.from_numpy, card.put)
    ]  # fmt: skip
    plain.label_errors(
        here.inputs, here.bias, here.velocity, here.step, batches[0], here.costs, here.sums
    )
    card.loops.label_errors(
        there.inputs, there.bias, there.velocity, there.step, batches[1], there.costs, there.sums
    )
    for name in ("inputs", "bias", "velocity", "costs", "sums"):
        close(getattr(there, name), getattr(here, name), 2 * n, 10)
    easy, costs = on_host(batches[1].easy), here.costs.numpy()
    for net in range(3):
        clear = np.abs(costs[net] - limits[net, 0]) > 1e-4
        found = easy[net, cases[net]]
        np.testing.assert_array_equal(found[clear], (costs[net] < limits[net, 0])[clear])


# -- draws ---------------------------------------------------------------------------------------


def fired(place: Place, draws: Draws, level: float, n: int = 50, units: int = 40) -> Any:
    """States of units of equal probability, from the log odds of it."""
    inputs, bias = place.zeros(len(draws.rngs), n, units), place.zeros(len(draws.rngs), units)
    bias += level
    states = torch.full_like(inputs, 7.0)
    place.loops.fire(inputs, bias, draws, states)
    close(inputs, torch.full_like(inputs, 1 / (1 + np.exp(-level))))
    draws.tick()
    return on_host(states)


@pytest.mark.parametrize("level", [-40.0, -2.0, 0.0, 1.0, 40.0])
def test_units_fire_with_their_probability(place: Place, level: float) -> None:
    draws = draws_of(place, 3)
    states = np.stack([fired(place, draws, level) for _ in range(10)], 1)
    assert set(np.unique(states)) <= {0.0, 1.0}
    p = 1 / (1 + np.exp(-level))
    for own in states:
        assert abs(own.mean() - p) <= 5 * np.sqrt(p * (1 - p) / own.size)
    # Of every unit, of every case: none is drawn otherwise than the others.
    for axes in ((0, 1, 2), (0, 1, 3)):
        means = states.mean(axes)
        assert np.abs(means - p).max() <= 5.5 * np.sqrt(p * (1 - p) * means.size / states.size)


def test_draws_of_nets_updates_and_units_are_independent(place: Place) -> None:
    draws = draws_of(place, 2)
    first, second = fired(place, draws, 0.0), fired(place, draws, 0.0)
    n = first[0].size
    for one, other in (
        (first[0], first[1]), (first[0], second[0]), (first[0][1:], first[0][:-1]),
        (first[0][:, 1:], first[0][:, :-1]),
    ):  # fmt: skip
        assert abs(np.mean(one == other) - 0.5) < 5 * 0.5 / np.sqrt(n / 2)


def test_reconstructions_are_drawn_where_they_are_states(place: Place) -> None:
    draws = draws_of(place, 2)
    both, bias, velocity = place.zeros(2, 100, 40), place.zeros(2, 40), place.zeros(2, 40)
    bias += 1.0
    step, errors = steps_of(place, [Step(0.1)] * 2), place.zeros(2, 40)
    place.loops.visible(both, bias, velocity, step, errors, draws)
    states, p = on_host(both)[:, 50:], 1 / (1 + np.exp(-1.0))
    assert set(np.unique(states)) == {0.0, 1.0}
    assert abs(states.mean() - p) < 5 * np.sqrt(p * (1 - p) / states.size)
    close(errors, torch.full_like(errors, 50 * p**2), 64)  # of the probabilities
    # Of the biases, of order 1; without momentum no velocity is left.
    np.testing.assert_allclose(on_host(bias) - 1, -0.1 * states.mean(1), rtol=0, atol=2.0**-22)
    np.testing.assert_array_equal(on_host(velocity), 0)


def test_a_group_goes_on_with_the_draws_of_its_nets(place: Place) -> None:
    together, alone = draws_of(place, 3), draws_of(place, 3)
    alone.keep([2])
    for _ in range(2):
        np.testing.assert_array_equal(fired(place, together, 0.5)[2], fired(place, alone, 0.5)[0])
    again = draws_of(place, 3)
    again.restore(together.states())
    np.testing.assert_array_equal(fired(place, together, 0.5), fired(place, again, 0.5))


# -- with draws, over many nets ------------------------------------------------------------------


def within_errors(one: Any, other: Any, limit: float = 5.0) -> None:
    """Means over the first axis agree within their standard errors."""
    spread = np.sqrt(one.var(0, ddof=1) / len(one) + other.var(0, ddof=1) / len(other))
    assert (np.abs(one.mean(0) - other.mean(0)) <= limit * spread + 1e-6).all()


@pytest.mark.parametrize(
    "more",
    [{}, {"cd": 3}, {"persistent": True}, {"centred": True, "recon_states": "all"}],
    ids=["CD-1", "CD-3", "chains", "centred"],
)
def test_stacks_are_those_of_the_package_in_the_mean(
    place: Place, digits: Digits, more: dict[str, Any]
) -> None:
    if more and slow(place):
        pytest.skip("it would take long without a card")
    n_nets, settings = (
        12 if slow(place) else 48,
        dataclasses.replace(PRETRAIN, layers=(6,), passes=3, initial_sd=0.5, **more),
    )
    rows = np.tile(np.arange(90), (n_nets, 1))
    images, labels = place.put(digits.train_images), place.put(digits.train_labels)
    settings = dataclasses.replace(settings, early_epochs=1)
    theirs = Stacks(
        place, draws_of(place, n_nets), [[settings]] * n_nets, images, labels.long(),
        place.put(rows),
    )  # fmt: skip
    errors = [[row["recon_error"] for row in theirs.run_epoch(lambda _: None)] for _ in range(3)]
    found = [stack[0].visible_bias for stack in theirs.models()]
    ours, biases = [], []
    for seed in range(48):
        one = GreedyStack(digits.train_images, settings, np.random.default_rng(1000 + seed))
        ours.append([one.run_epoch(lambda _: None)["recon_error"] for _ in range(3)])
        biases.append(one.result()[0].visible_bias)
    within_errors(np.array(errors).T, np.array(ours))
    within_errors(np.array(found), np.array(biases))


# -- measurements, stopping, going on ------------------------------------------------------------


def test_nets_are_measured_as_one_by_one(place: Place, digits: Digits) -> None:
    ours = random_nets()
    rows = rows_of(place, 3, 60)
    images = place.put(digits.train_images)
    asked = log_probs(place, gathered(place, ours), images, rows)
    found = scores(asked, place.put(digits.train_labels.astype(np.int64))[rows])
    for net, one in enumerate(ours):
        own = on_host(rows)[net]
        expected = one_nets_log_probs(one, digits.train_images[own])
        np.testing.assert_allclose(on_host(asked)[net], expected, atol=2e-5)
        mine = score(expected, digits.train_labels[own])
        assert found[net].errors == mine.errors
        assert found[net].cost_per_100 == pytest.approx(mine.cost_per_100, rel=1e-5)


def test_nets_that_are_done_leave_and_the_others_learn_on_alike(
    place: Place, digits: Digits
) -> None:
    ours = random_nets()
    together, alone = (classifiers(place, digits, ours) for _ in range(2))
    silent: Callable[[float], None] = lambda _: None  # noqa: E731
    together.run_epoch(silent)
    alone.run_epoch(silent)
    alone.keep([0, 2])
    rows, fewer = together.run_epoch(silent), alone.run_epoch(silent)
    for mine, theirs in zip((rows[0], rows[2]), fewer, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4)
    for name, array in alone.nets.arrays().items():
        expected = on_host(together.nets.arrays()[name])[[0, 2]]
        np.testing.assert_allclose(on_host(array), expected, atol=1e-5)


def test_classifiers_go_on_exactly_from_their_states(place: Place, digits: Digits) -> None:
    ours = random_nets()
    one, other = (classifiers(place, digits, ours) for _ in range(2))
    silent: Callable[[float], None] = lambda _: None  # noqa: E731
    one.run_epoch(silent)
    other.restore(one.states())
    assert one.run_epoch(silent) == other.run_epoch(silent)
    for (name, mine), theirs in zip(
        one.best.arrays().items(), other.best.arrays().values(), strict=True
    ):
        np.testing.assert_array_equal(on_host(mine), on_host(theirs), err_msg=name)
    assert [course.course()["selected"] for course in one.courses] == [
        course.course()["selected"] for course in other.courses
    ]


CHAINS = {
    "persistent": True, "cd": 2, "sparsity_cost": 0.1, "hidden_bias": -1.0, "centred": True,
}  # fmt: skip


@pytest.mark.parametrize("more", [{}, CHAINS], ids=["CD-1", "chains"])
@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_stacks_go_on_exactly_from_their_states(
    place: Place, digits: Digits, epochs: int, more: dict[str, Any]
) -> None:
    used = dataclasses.replace(PRETRAIN, **more)

    def stacks() -> Stacks:
        images, labels = place.put(digits.train_images), place.put(digits.train_labels)
        rows, settings = rows_of(place, 3, 25 if slow(place) else 60), [[used] * 2] * 3
        return Stacks(place, draws_of(place, 3), settings, images, labels.long(), rows)

    silent: Callable[[float], None] = lambda _: None  # noqa: E731
    one, other = stacks(), stacks()
    for _ in range(epochs):
        one.run_epoch(silent)
    other.restore(one.states())
    while not one.finished():
        assert one.run_epoch(silent) == other.run_epoch(silent)
    for mine, theirs in zip(one.models(), other.models(), strict=True):
        for name, array in mine.parameters().items():
            np.testing.assert_array_equal(array, theirs.parameters()[name])
    assert features(one.models()[0][0], digits.train_images).shape == (90, 6)
    assert step_at(PRETRAIN, 0).rate == 0.1


def test_updates_are_recorded_on_a_card_alone() -> None:
    sizes: list[int] = []
    update = places.Updates(Place("cpu"), sizes.append, 4)
    for size in (4, 4, 4, 4, 2):
        update(size)
    assert sizes == [4, 4, 4, 4, 2]


# -- dropout -------------------------------------------------------------------------------------

DROPOUT = dataclasses.replace(
    RECIPES["tr2006"].settings("backprop", conditions(dropout=True)), batch=4, epochs=3
)


def test_kernels_drop_with_each_nets_chance_and_divide_by_it(card: Place) -> None:
    values = card.put(np.ones((3, 40, 130), np.float32))
    keep = card.put(np.array([0.8, 0.5, 1.0], np.float32))
    draws = Draws(card, [(seed, Use.DROPOUT, "a") for seed in range(3)])
    card.loops.drop(values, keep, draws, 1)
    found, n_draws = on_host(values), 40 * 130
    for net, chance in enumerate((0.8, 0.5, 1.0)):
        kept = found[net] != 0
        np.testing.assert_allclose(found[net][kept], 1 / chance, rtol=2.0**-23)
        error = reference.sampling_error(chance * (1 - chance), n_draws, 2)
        assert abs(kept.mean() - chance) <= error

    # Nets, layers and updates have draws of their own; the same of these the same.
    def masks(net: int, layer: int, ticks: int) -> Any:
        own = Draws(card, [(net, Use.DROPOUT, "a")])
        for _ in range(ticks):
            own.tick()
        units = card.put(np.ones((1, 40, 130), np.float32))
        card.loops.drop(units, keep[1:2], own, layer)
        return on_host(units)[0] != 0

    first = masks(1, 1, 0)
    np.testing.assert_array_equal(first, found[1] != 0)
    for other in (masks(2, 1, 0), masks(1, 2, 0), masks(1, 1, 1)):
        assert abs((first & other).mean() - 0.25) <= reference.sampling_error(0.1875, n_draws, 3)


def test_a_net_without_a_limit_stays_beside_one_that_has_one() -> None:
    rng = np.random.default_rng(12)
    weights = torch.from_numpy(rng.normal(size=(3, 5, 4)).astype(np.float32))
    before, lengths = weights.clone(), weights.norm(dim=1)
    longest = torch.tensor([0.0, float(lengths[1].median()), 1000.0])
    plain.limit(weights, longest)
    assert torch.equal(weights[0], before[0])
    assert torch.equal(weights[2], before[2])
    assert weights[1].norm(dim=0).max() == pytest.approx(float(longest[1]), rel=1e-6)
    assert not torch.equal(weights[1], before[1])


@pytest.mark.parametrize(("n", "units"), SIZES)
def test_kernels_take_the_slope_of_kept_units_and_limit_lengths_as_pytorch_does(
    card: Place, n: int, units: int
) -> None:
    here, there = pairs(
        card, delta=(3, n, units), probs=(3, n, units), bias=(3, units), velocity=(3, units),
        weights=(3, n, units),
    )  # fmt: skip
    keep = np.array([0.8, 0.5, 1.0], np.float32)
    plain.slope(here.delta, here.probs, here.bias, here.velocity, here.step, torch.from_numpy(keep))
    card.loops.slope(
        there.delta, there.probs, there.bias, there.velocity, there.step, card.put(keep)
    )
    for name in ("delta", "bias", "velocity"):
        close(getattr(there, name), getattr(here, name), n, 16)
    lengths = np.linalg.norm(here.weights.numpy(), axis=1)
    longest = np.array([np.median(lengths[0]) * 1.001, 0.0, lengths[2].max() * 1.01], np.float32)
    before = here.weights.clone()
    plain.limit(here.weights, torch.from_numpy(longest))
    card.loops.limit(there.weights, card.put(longest))
    close(there.weights, here.weights, n)
    assert torch.equal(here.weights[1:], before[1:])
    longer = torch.from_numpy(lengths[0] > longest[0])
    assert 0 < longer.sum() < units
    assert torch.equal(here.weights[0][:, ~longer], before[0][:, ~longer])
    np.testing.assert_allclose(
        np.linalg.norm(here.weights[0][:, longer].numpy(), axis=0), longest[0],
        rtol=(n + 5) * 2.0**-23,
    )  # fmt: skip


class Middle:
    """Draws that are all in the middle, as `halves` are."""

    def integers(self, high: Any, size: Any) -> Any:
        return np.broadcast_to(np.asarray(high) // 2, size)

    def uniform(self, low: float, high: float, size: Any) -> Any:
        return np.full(size, (low + high) / 2)


def halves(draws: Any, n: int, n_units: int) -> Any:
    """In place of a place's own."""
    return torch.full((len(draws.rngs), n, n_units), 0.5, device=draws.keys.device)


def ways(images: Any, labels: Any, settings: Any, versions: int = 1) -> Neighbours:
    """The package's, by such draws."""
    far = settings.neighbour_away, settings.neighbour_towards
    middle: Any = lambda _epoch: Middle()  # noqa: E731
    made = Neighbours(images, labels, settings.neighbours, *far, middle, versions)
    made.begin(0)
    return made


def striped(values: Any, layer: int, chance: float) -> None:
    """Keep all but each third unit, in place of draws."""
    values[..., layer % 3 :: 3] = 0
    values *= 1 / np.float32(chance)


def test_weights_after_updates_with_dropout_are_those_of_backpropagation(
    place: Place, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drop(values: Any, keep: Any, _draws: Any, layer: int) -> None:
        for net, chance in enumerate(keep.tolist()):
            striped(values[net], layer, chance)

    monkeypatch.setattr(place.loops, "drop", drop)
    monkeypatch.setattr(place.loops, "uniforms", halves)
    monkeypatch.setattr(
        Dropout, "drop", lambda self, layer, values: striped(values, layer, self.keep[layer])
    )
    ours, chances = random_nets(), [(0.2,), (0.5, 0.1), (0.0, 0.3)]
    settings = [
        dataclasses.replace(
            settings_of(step), dropout=True, pixel_dropout=0.1 * net, feature_dropout=chances[net],
            max_norm=1.5, adversarial=(0.0, 0.4, 1.2)[net],
            neighbours=3, neighbour_away=1.5 * net,
        )
        for net, step in enumerate(STEPS)
    ]  # fmt: skip
    masks, moves = draws_of(place, 3, Use.DROPOUT), draws_of(place, 3, Use.NEIGHBOURS)
    theirs = classifiers(place, digits, ours, settings=settings, masks=masks, moves=moves)
    every = on_host(theirs.samplers.all_rows)
    near = [
        ways(digits.train_images[all_rows], digits.train_labels[all_rows], own)
        for all_rows, own in zip(every, settings, strict=True)
    ]
    learners = [
        Backpropagation(net, 4, Dropout.of(own, 2, masks.rngs[0]), own.max_norm, own.adversarial)
        for net, own in zip(ours, settings, strict=True)
    ]
    clock = int(masks.clock)
    for _ in range(3):
        theirs.learn(4)
        own_cases, factors = on_host(theirs.samplers.cases), on_host(theirs.samplers.factors)
        for net, (learner, step) in enumerate(zip(learners, STEPS, strict=True)):
            labels = digits.train_labels[every[net][own_cases[net]]].astype(np.intp)
            moved = near[net](digits.train_images[every[net]], own_cases[net])
            learner.learn(moved, slice(None), labels, factors[net], step)
    assert int(masks.clock) == clock + 3
    atol = 3 * 3 * 100 * 2.0**-22
    for net, one in enumerate(ours):
        assert (np.linalg.norm(random_nets()[net].weights[0], axis=0) > 1.5).any()
        assert (np.linalg.norm(one.weights[0], axis=0) <= 1.5 * (1 + 1e-6)).all()
        for name, array in one.arrays().items():
            np.testing.assert_allclose(on_host(theirs.nets.arrays()[name][net]), array, atol=atol)
    before = [array.copy() for array in ours[2].weights]
    theirs.keep([2])
    theirs.learn(4)
    (own,), (factors,) = on_host(theirs.samplers.cases), on_host(theirs.samplers.factors)
    labels = digits.train_labels[every[2][own]].astype(np.intp)
    moved = near[2](digits.train_images[every[2]], own)
    learners[2].learn(moved, slice(None), labels, factors, STEPS[2])
    for array, now, one in zip(before, ours[2].weights, theirs.nets.weights, strict=True):
        np.testing.assert_allclose(on_host(one)[0], now, atol=4 * 3 * 100 * 2.0**-22)
        assert not np.allclose(array, now, atol=1e-3)


def near_of(
    place: Place, digits: Digits, versions: int = 1, count: int = 3
) -> tuple[Near, Samplers]:
    """Of two nets that learn other cases, in as many versions."""
    settings = [
        dataclasses.replace(DROPOUT, neighbours=count, neighbour_away=away) for away in (1, 2)
    ]
    rows = rows_of(place, 2, 40)
    rows = torch.cat([rows + 90 * version for version in range(versions)], 1)
    versions_of = [digits.train_images, 255 - digits.train_images][:versions]
    images = place.put(np.concatenate(versions_of))
    labels = place.put(np.tile(digits.train_labels.astype(np.int64), versions))
    draws = Draws(place, [(seed, Use.NEIGHBOURS, "a") for seed in range(2)])
    samplers = Samplers(place, draws_of(place, 2), rows, labels, 16)
    return Near(place, draws, settings, images, labels, rows, versions), samplers


def moved_by(near: Near, samplers: Samplers) -> Any:
    samplers.draw(16)
    data = near.place.empty(2, 16, 9)
    near.place.loops.take(near._images, samplers.rows, data)
    near.move(data, samplers)
    return on_host(data)


@pytest.mark.parametrize("count", [3, 30])  # a class has fewer others than these
@pytest.mark.parametrize("versions", [1, 2])
def test_images_move_as_the_package_s_do(
    place: Place, digits: Digits, versions: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.loops, "uniforms", halves)
    near, samplers = near_of(place, digits, versions, count)
    found = moved_by(near, samplers)
    rows, own_cases = on_host(samplers.all_rows), on_host(samplers.cases)
    images, labels = on_host(near._images), np.tile(digits.train_labels, versions)
    for net, away in enumerate((1, 2)):
        settings = dataclasses.replace(DROPOUT, neighbours=count, neighbour_away=away)
        own = images[rows[net]], labels[rows[net]]
        expected = ways(*own, settings, versions)(own[0], own_cases[net])
        np.testing.assert_array_equal(np.rint(found[net] * 255), expected)
        assert (expected != images[rows[net]][own_cases[net]]).any()


def test_ways_are_drawn_evenly_and_of_each_net_and_update_anew(place: Place) -> None:
    draws = Draws(place, [(seed, Use.NEIGHBOURS, "a") for seed in range(2)])
    parts = []
    for _ in range(2):
        parts.append(on_host(place.loops.uniforms(draws, 3000, 2)))
        draws.tick()
    found = np.stack(parts).transpose(0, 1, 3, 2).reshape(8, 3000)
    assert ((found >= 0) & (found < 1)).all()
    tenths = np.stack([np.histogram(some, 10, (0, 1))[0] for some in found]) / 3000
    assert np.abs(tenths - 0.1).max() <= reference.sampling_error(0.09, 3000, tenths.size)
    products = np.corrcoef(found)[~np.eye(8, dtype=bool)]
    assert np.abs(products).max() <= reference.sampling_error(1.0, 3000, products.size)


def test_nets_that_move_images_go_on_from_their_states_and_without_others(
    place: Place, digits: Digits
) -> None:
    (one, samplers), (other, others) = (near_of(place, digits) for _ in range(2))
    moved_by(one, samplers)
    other.restore(one.states())
    others.restore(samplers.states())
    others._draws.restore(samplers._draws.states())
    np.testing.assert_array_equal(moved_by(one, samplers), moved_by(other, others))
    for kept in (other, others._draws, others):
        kept.keep([1])
    both = moved_by(one, samplers)
    others.draw(16)
    data = place.empty(1, 16, 9)
    place.loops.take(other._images, others.rows, data)
    other.move(data, others)
    np.testing.assert_array_equal(on_host(data)[0], both[1])


# -- distorted images ----------------------------------------------------------------------------

SHAPE = (5, 4)
BENT = [
    dataclasses.replace(DROPOUT, affine=affine, elastic=elastic, smoothing=smoothing)
    for affine, elastic, smoothing in ((1.0, 0.0, 4.0), (0.0, 1.5, 1.0), (0.7, 1.2, 2.0))
]


class Given:
    """A generator that gives these (n, 6 and more) numbers: for affine fields, for elastic ones."""

    def __init__(self, numbers: Any) -> None:
        self._normal = special.ndtri(numbers[:, :6].astype(np.float64) + 2.0**-25)
        self._uniform = numbers[:, 6:]

    def standard_normal(self, shape: Any, dtype: Any) -> Any:
        return self._normal.reshape(shape).astype(dtype)

    def random(self, shape: Any, dtype: Any) -> Any:
        return self._uniform.reshape(shape).astype(dtype)


def distorted_of(place: Place) -> Distorted:
    draws = Draws(place, [(seed, Use.DISTORTIONS, "a") for seed in range(3)])
    return Distorted(place, draws, BENT, SHAPE)


def some_images(place: Place) -> Any:
    images = np.random.default_rng(9).integers(0, 256, (3, 6, 20), np.uint8)
    images[0, 0] = 255
    return place.put(images.astype(np.float32)) * (1 / 255)


def test_fields_are_those_of_the_package_for_the_same_draws(place: Place) -> None:
    drawn = np.random.default_rng(8).random((3, 6, 46), np.float32)
    drawn[0, 0, :6] = (0, 1 - 2.0**-24, 0.5, 0.25, 0.75, 2.0**-24)
    found = on_host(distorted_of(place)._field(place.put(drawn)))
    rows, columns = SHAPE
    for net, own in enumerate(BENT):
        rng: Any = Given(drawn[net])
        blurs = tuple(distortion.blur(size, own.smoothing) for size in SHAPE)
        expected = distortion.of_mean_length(
            distortion.affine_fields(6, SHAPE, rng), own.affine
        ) + distortion.of_mean_length(distortion.elastic_fields(6, blurs, rng), own.elastic)
        # Sums over an axis each, a mean over all pixels, and a few more roundings of each.
        rounded = (rows * columns + 2 * (rows + columns) + 20) * 2.0**-24
        assert np.abs(found[net] - expected).max() <= rounded * np.abs(expected).max()
        lengths = np.sqrt((found[net] ** 2).sum(1)).mean((1, 2))
        assert (lengths > 0.3).all()


def test_images_are_resampled_to_the_bytes_that_the_package_makes(place: Place) -> None:
    field = np.random.default_rng(7).normal(0, 3, (3, 6, 2, *SHAPE)).astype(np.float32)
    field[0, 0], field[0, 1], field[0, 2] = 0, 1e6, -1e6
    data = some_images(place)
    before = np.rint(on_host(data) * 255).astype(np.uint8)
    distorted_of(place)._resample(data, place.put(field))
    found = on_host(data) * 255
    for net in range(3):
        expected = distortion.resampled(before[net].reshape(6, *SHAPE), field[net])
        np.testing.assert_array_equal(np.rint(found[net]), expected.reshape(6, -1))
        assert np.abs(found[net] - np.rint(found[net])).max() <= 255 * 2.0**-22


def test_a_batch_is_distorted_by_fields_of_its_own(place: Place, monkeypatch: Any) -> None:
    numbers = np.random.default_rng(6).random((3, 6, 46), np.float32)
    monkeypatch.setattr(place.loops, "uniforms", lambda *_: place.put(numbers))
    made, data, by_hand = distorted_of(place), some_images(place), some_images(place)
    made.distort(data)
    assert int(made.draws.clock) == 1
    made._resample(by_hand, made._field(place.put(numbers)))
    np.testing.assert_array_equal(on_host(data), on_host(by_hand))
    assert (np.abs(on_host(data) - on_host(some_images(place))).max((1, 2)) > 0.1).all()


def test_nets_of_distorted_images_go_on_from_their_states_and_without_others(place: Place) -> None:
    one, other = distorted_of(place), distorted_of(place)
    first = some_images(place)
    one.distort(first)
    other.restore(one.states())
    second, same = some_images(place), some_images(place)
    one.distort(second)
    other.distort(same)
    np.testing.assert_array_equal(on_host(second), on_host(same))
    assert not np.array_equal(on_host(first), on_host(second))
    other.keep([2])
    third, alone = some_images(place), some_images(place)[2:].clone()
    one.distort(third)
    other.distort(alone)
    np.testing.assert_allclose(on_host(alone)[0], on_host(third)[2], atol=2.0**-20)


def test_learning_distorts_the_images_that_it_learns(
    place: Place, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [dataclasses.replace(DROPOUT, elastic=1.0)] * 3
    with pytest.raises(ValueError, match="distortions are drawn"):
        classifiers(place, digits, random_nets(), settings=settings)
    made = classifiers(
        place, digits, random_nets(), settings=settings, shape=(3, 3),
        masks=draws_of(place, 3, Use.DROPOUT), distortions=draws_of(place, 3, Use.DISTORTIONS),
    )  # fmt: skip
    seen: list[Any] = []
    monkeypatch.setattr(place.loops, "drop", lambda values, *_: seen.append(values.clone()))
    made.learn(4)
    as_they_are = digits.train_images[on_host(made.samplers.rows)] / 255
    learned = on_host(seen[0])  # the pixels, before any unit is left out
    assert (np.abs(learned - as_they_are).max((1, 2)) > 0.1).all()
    assert "distortions" in made.states()[0]


def test_neighbours_are_not_forgotten(digits: Digits) -> None:
    place = Place("cpu")
    settings = [dataclasses.replace(DROPOUT, neighbours=3)] * 3
    with place.used(), pytest.raises(ValueError, match="neighbours are drawn"):
        classifiers(place, digits, random_nets(), settings=settings)


def test_the_rate_falls_as_each_net_s_settings_say_and_saved_nets_go_on_alike(
    digits: Digits,
) -> None:
    place = Place("cpu")
    settings = [
        dataclasses.replace(
            DROPOUT, rate=0.1 * (net + 1), epochs=2 + net, max_epochs=3 + net, neighbours=2
        )
        for net in range(3)
    ]

    def begun() -> Classifiers:
        masks, moves = draws_of(place, 3, Use.DROPOUT), draws_of(place, 3, Use.NEIGHBOURS)
        more = {"masks": masks, "moves": moves}
        return classifiers(place, digits, random_nets(), settings=settings, **more)

    with place.used():
        whole, halved = begun(), begun()
        rows = [whole.run_epoch(lambda _: None) for _ in range(3)]
        for epoch, row in enumerate(rows):
            for net, own in enumerate(settings):
                share = rate_share_at(epoch, own.epochs, own.final_share)
                assert row[net]["rate"] == pytest.approx(own.rate * share)
        assert whole.done() == [0]  # the first net's cap; no rule stops others before their time
        halved.run_epoch(lambda _: None)
        saved = halved.states()
        gone_on = begun()
        gone_on.restore(saved)
        assert [gone_on.run_epoch(lambda _: None) for _ in range(2)] == rows[1:]
        whole.keep([1, 2])
        gone_on.keep([1, 2])
        assert whole.run_epoch(lambda _: None) == gone_on.run_epoch(lambda _: None)
        for one, other in zip(whole.nets.weights, gone_on.nets.weights, strict=True):
            assert torch.equal(one, other)


def test_what_is_measured_is_the_whole_net(digits: Digits) -> None:
    place = Place("cpu")
    with place.used():
        masks = draws_of(place, 3, Use.DROPOUT)
        theirs = classifiers(place, digits, random_nets(), settings=[DROPOUT] * 3, masks=masks)
        rows, valid = theirs.run_epoch(lambda _: None), on_host(theirs._valid)
    for net, one in enumerate(theirs.nets.models()):
        asked = one_nets_log_probs(one, digits.train_images[valid[net]])
        found = score(asked, digits.train_labels[valid[net]])
        assert rows[net]["valid_errors"] == found.errors
        assert rows[net]["valid_cost"] == pytest.approx(found.cost_per_100, rel=1e-5)


def test_each_net_measures_its_validation_cases_as_often_as_its_settings_say(
    digits: Digits,
) -> None:
    place = Place("cpu")
    settings = [
        dataclasses.replace(BACKPROP, valid_every=every, patience=2 * every, max_epochs=7)
        for every in (1, 2, 5)
    ]
    with place.used():
        theirs = classifiers(place, digits, random_nets(), settings=settings)
        measured: list[list[int]] = [[], [], []]
        for epoch in range(1, 6):
            rows, valid = theirs.run_epoch(lambda _: None), on_host(theirs._valid)
            for net, row in enumerate(rows):
                if "valid_errors" in row:
                    measured[net].append(epoch)
                    asked = one_nets_log_probs(
                        theirs.nets.models()[net], digits.train_images[valid[net]]
                    )
                    found = score(asked, digits.train_labels[valid[net]])
                    assert row["valid_errors"] == found.errors
                    assert row["valid_cost"] == pytest.approx(found.cost_per_100, rel=1e-5)
                else:
                    assert "train_errors" not in row
    assert measured == [[1, 2, 3, 4, 5], [2, 4], [5]]
    assert [len(course.valid_costs) for course in theirs.courses] == [5, 2, 1]
