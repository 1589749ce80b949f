from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import reference
from numpy.typing import NDArray
from reference import Floats, Machine

from hinton06 import likelihood, stacking
from hinton06.generation import Generator
from hinton06.models import Rbm, Stack
from hinton06.numerics import epoch_order, take_batch
from hinton06.rbm import ContrastiveDivergence, free_energy, visible_probs
from hinton06.recipes import PretrainSettings
from hinton06.stacking import (
    TRACKED,
    GreedyStack,
    LayerData,
    check_start,
    features,
    step_at,
)
from hinton06.streams import Use, stream

SETTINGS = PretrainSettings(
    layers=(4, 3, 2),
    passes=3,
    batch=3,
    rate=0.1,
    final_share=0.5,
    decay=0.01,
    early_momentum=0.5,
    early_epochs=1,
    momentum=0.9,
    initial_sd=0.5,
    recon_states="none",
    balanced=False,
    cases=0,
)


def settings(**changes: Any) -> PretrainSettings:
    return PretrainSettings(**(vars(SETTINGS) | changes))


def pixels(n_cases: int = 7, n_pixels: int = 5, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n_cases, n_pixels), np.uint8)


def learner(seed: int = 2, **changes: Any) -> GreedyStack:
    return GreedyStack(pixels(), settings(**changes), np.random.default_rng(seed))


def float32_rbm(m: Machine) -> Rbm:
    return Rbm(*(array.astype(np.float32) for array in m))


def run(stack: GreedyStack, n_epochs: int) -> list[dict[str, float]]:
    return [stack.run_epoch(lambda _: None) for _ in range(n_epochs)]


def arrays_of(rbm: Rbm) -> tuple[NDArray[Any], ...]:
    return rbm.weights, rbm.visible_bias, rbm.hidden_bias


def assert_same(left: GreedyStack, right: GreedyStack) -> None:
    assert left.epoch == right.epoch
    for mine, theirs in zip(left.stack, right.stack, strict=True):
        for a, b in zip(arrays_of(mine), arrays_of(theirs), strict=True):
            np.testing.assert_array_equal(a, b)


# -- features --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_cases", [1, 1000, 2003])
def test_features_of_pixels_are_the_activation_probabilities_of_every_case(n_cases: int) -> None:
    m = reference.random_machine(1)
    rbm, images = float32_rbm(m), pixels(n_cases, 4)
    expected = np.empty((n_cases, 3))
    for n, image in enumerate(images):
        for j in range(3):
            total = sum(int(image[i]) / 255 * float(rbm.weights[i, j]) for i in range(4))
            expected[n, j] = reference.logistic(float(rbm.hidden_bias[j]) + total)
    probs = features(rbm, images)
    assert probs.dtype == np.float32
    # Ten roundings of an input below 10 in size, and the logistic's slope is at most 1/4.
    tolerance = reference.rounding(10, size=10, dtype=np.float32)
    np.testing.assert_allclose(probs, expected, rtol=0, atol=tolerance)


def test_features_of_probabilities_are_not_scaled_again() -> None:
    m = reference.random_machine(2)
    cases = np.random.default_rng(1).random((6, 4))
    expected = [reference.hidden_probs(m, v) for v in cases]
    np.testing.assert_allclose(
        features(Rbm(*m), cases), expected, rtol=0, atol=reference.rounding(200)
    )


# -- the deep model --------------------------------------------------------------------------


def test_a_second_rbm_that_mirrors_the_first_leaves_its_distribution_unchanged() -> None:
    """p(v) = sum_h p(v | h) p2(h), the claim behind "initialized correctly"."""
    m = reference.random_machine(3)
    first = Rbm(*m)
    second = Rbm(np.ascontiguousarray(m.weights.T), m.hidden_bias.copy(), m.visible_bias.copy())
    visible, hidden = reference.binary_states(4), reference.binary_states(3)
    p_hidden = np.exp(-free_energy(second, hidden))
    p_hidden /= p_hidden.sum()
    down = visible_probs(first, hidden)
    deep = [
        sum(p * reference.state_probability(d, v) for p, d in zip(p_hidden, down, strict=True))
        for v in visible
    ]
    alone = reference.joint_distribution(m).sum(axis=1)
    np.testing.assert_allclose(deep, alone, rtol=0, atol=reference.rounding(200))


# -- the schedule ----------------------------------------------------------------------------


def test_rate_falls_linearly_from_the_first_pass_to_the_last() -> None:
    five = settings(passes=5, rate=0.1, final_share=0.2)
    rates = [step_at(five, epoch).rate for epoch in range(5)]
    assert rates == pytest.approx([0.1, 0.08, 0.06, 0.04, 0.02], rel=reference.rounding(10))


def test_a_single_pass_uses_the_first_rate() -> None:
    assert step_at(settings(passes=1, rate=0.1, final_share=0.2), 0).rate == 0.1


def test_equal_rates_stay_exactly_constant() -> None:
    constant = settings(passes=7, rate=0.1, final_share=1.0)
    assert {step_at(constant, epoch).rate for epoch in range(7)} == {0.1}


def test_momentum_changes_after_the_early_epochs() -> None:
    five_early = settings(passes=8, early_epochs=5, early_momentum=0.5, momentum=0.9)
    momenta = [step_at(five_early, epoch).momentum for epoch in range(8)]
    assert momenta == [0.5] * 5 + [0.9] * 3
    assert step_at(settings(early_epochs=0, momentum=0.9), 0).momentum == 0.9


def test_decay_is_the_same_in_every_epoch() -> None:
    assert {step_at(SETTINGS, epoch).decay for epoch in range(3)} == {SETTINGS.decay}


# -- epochs ----------------------------------------------------------------------------------


def slow_epoch(
    start: Machine, images: NDArray[np.uint8], seed_state: Any, kind: str
) -> tuple[Machine, float]:
    """One epoch of CD-1 in loops, with the same draws as the package's generator makes."""
    rng = np.random.default_rng()
    rng.bit_generator.state = seed_state
    order = rng.permutation(len(images))
    batches, states = [], []
    machine, squared_error = start, 0.0
    for first in range(0, len(order), SETTINGS.batch):
        batch = images[order[first : first + SETTINGS.batch]] / 255
        batches.append(batch)
        uniforms = reference.layer_draws(kind, rng, (len(batch), len(start.hidden_bias)))
        probs = [reference.hidden_probs(machine, v) for v in batch]
        states.append((uniforms < probs).astype(np.float64))
        # From the start each time: the velocity runs on from batch to batch.
        machine, squared_error = reference.cd1_epoch(
            start, batches, states, SETTINGS.rate, SETTINGS.early_momentum, SETTINGS.decay
        )
    return machine, squared_error


def test_an_epoch_learns_every_case_once_with_a_smaller_last_batch(kind: str) -> None:
    stack = learner()
    start = Machine(*(a.astype(np.float64) for a in arrays_of(stack.stack[0])))
    before = stack.state()["rng"]
    ticks: list[float] = []
    row = stack.run_epoch(ticks.append)
    expected, squared_error = slow_epoch(start, pixels(), before, kind)
    # Three updates (3 + 3 + 1 cases) of some 20 roundings, each stretched by the updates after it
    # less than fivefold. In NumPy the chance that 16 bits leave a state open is 28 / 65536, and
    # with these seeds none is.
    tolerance = reference.rounding(3 * 20 * 5, dtype=np.float32)
    for mine, theirs in zip(arrays_of(stack.stack[0]), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)
    assert row["recon_error"] == pytest.approx(squared_error / 7, abs=5 * tolerance)
    assert ticks == [5.0 * 5 * 4 * n for n in (3, 3, 1)]


@pytest.mark.parametrize("labels", [False, True])
def test_sampled_data_are_states_of_pixels_and_features_drawn_anew_and_labels_as_they_are(
    labels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = 400
    cases: Any = np.repeat(np.array([[0, 255, 51, 204, 102]], np.uint8), n, axis=0)
    targets = np.eye(3, dtype=np.float32)[np.arange(n) % 3] if labels else None
    chosen = settings(layers=(4, 3), passes=2, batch=n, sampled_data=True)
    learned: list[Any] = []
    learn = ContrastiveDivergence.learn

    def seen(self: ContrastiveDivergence, n: int, *more: Any) -> float:
        learned.append(self.data_buffer(n).copy())
        return learn(self, n, *more)

    monkeypatch.setattr(ContrastiveDivergence, "learn", seen)
    stack = GreedyStack(cases, chosen, np.random.default_rng(5), targets)
    run(stack, 4)
    below = features(stack.stack[0], cases[:1])[0]
    for data, probs in zip(learned, [cases[0] / 255] * 2 + [below] * 2, strict=True):
        units, one_hot = data[:, : len(probs)], data[:, len(probs) :]
        assert set(np.unique(units)) <= {0, 1}
        allowed = reference.sampling_error(probs * (1 - probs), n, n_claims=18)
        assert (np.abs(units.mean(axis=0) - probs) <= allowed).all()
        if labels and len(probs) == 4:
            assert (one_hot.sum(axis=1) == 1).all()
            assert (one_hot.sum(axis=0) == targets.sum(axis=0)).all()  # type: ignore[union-attr]
    assert (learned[0] != learned[1]).any()
    learned.clear()
    run(GreedyStack(cases, settings(layers=(4,), passes=1, batch=n), np.random.default_rng(5)), 1)
    np.testing.assert_allclose(learned[0], cases / np.float32(255))


def test_each_layer_reconstructs_from_what_the_settings_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []
    start = ContrastiveDivergence.__init__

    def spied(self: Any, *arguments: Any, **more: Any) -> None:
        start(self, *arguments, **more)
        made.append((self._real, self._of_states))

    monkeypatch.setattr(ContrastiveDivergence, "__init__", spied)
    run(learner(real_features=True), 9)
    run(learner(state_correlations=True), 9)
    run(learner(), 9)
    assert made == [(True, False)] * 3 + [(False, True)] * 3 + [(False, False)] * 3


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("real_features", {"cd": 2}, "cd=1"),
        ("real_features", {"persistent": True}, "persistent=no"),
        ("state_correlations", {"real_features": True}, "real_features=no"),
        ("state_correlations", {"sparsity_cost": 0.5}, "sparsity_cost=0"),
    ],
)
def test_states_and_probabilities_of_features_do_not_go_together(
    name: str, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=f"{name} goes with {words} alone"):
        settings(**{name: True}, **more)


def test_layers_are_learned_bottom_to_top_and_then_left_alone() -> None:
    stack = learner()
    rows = run(stack, 3)
    first = [array.copy() for array in arrays_of(stack.stack[0])]
    rows += run(stack, 6)
    assert [(r["layer"], r["layer_epoch"]) for r in rows] == [
        (layer, epoch) for layer in (1, 2, 3) for epoch in (1, 2, 3)
    ]
    assert [r["rate"] for r in rows] == pytest.approx([0.1, 0.075, 0.05] * 3, rel=1e-15)
    assert [(r.n_visible, r.n_hidden) for r in stack.stack] == [(5, 4), (4, 3), (3, 2)]
    for before, after in zip(first, arrays_of(stack.stack[0]), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_second_layer_learns_from_the_first_ones_probabilities() -> None:
    """A stack and a one-layer learner of the features go the same way with the same draws."""
    stack = learner(layers=(4, 3))
    run(stack, 3)
    probs = features(stack.stack[0], pixels())
    rng = np.random.default_rng()
    rng.bit_generator.state = stack.state()["rng"]
    alone = GreedyStack(probs, settings(layers=(3,)), rng)
    rows, rows_alone = run(stack, 3), run(alone, 3)
    for mine, theirs in zip(arrays_of(stack.stack[1]), arrays_of(alone.stack[0]), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert [r["recon_error"] for r in rows] == [r["recon_error"] for r in rows_alone]


def test_learning_is_finished_after_all_passes_of_all_layers() -> None:
    stack = learner()
    for epoch in range(9):
        assert stack.finished() is None
        assert stack.where() == f"layer {epoch // 3 + 1} epoch {epoch % 3 + 1}"
        run(stack, 1)
    assert stack.finished() == "3 passes a layer"


def test_work_done_is_what_was_ticked_and_ends_at_what_was_expected() -> None:
    stack, ticks = learner(), [0.0]
    for _ in range(9):
        assert stack.work() == (sum(ticks), 5.0 * 7 * (5 * 4 + 4 * 3 + 3 * 2) * 3)
        stack.run_epoch(ticks.append)
    assert stack.work()[0] == stack.work()[1] == sum(ticks)


def test_parameters_are_those_of_the_layer_that_is_learning() -> None:
    stack = learner()
    run(stack, 4)
    named = stack.parameters()
    assert list(named) == ["layer 2 weights", "layer 2 visible biases", "layer 2 hidden biases"]
    assert all(a is b for a, b in zip(named.values(), arrays_of(stack.stack[1]), strict=True))


@pytest.mark.parametrize("n_below", [0, 1, 2])
@pytest.mark.parametrize("n_labels", [0, 2])
def test_data_computed_batch_by_batch_are_those_that_are_kept(
    n_below: int, n_labels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = [float32_rbm(reference.random_machine(3, 5, 4)),
             float32_rbm(reference.random_machine(4, 4, 3))][:n_below]  # fmt: skip
    targets = np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 1, 0, 0]][:, :n_labels]
    kept = LayerData(pixels(), below, targets, 3)
    monkeypatch.setattr(stacking, "_MAX_KEPT", 0)
    computed = LayerData(pixels(), below, targets, 3)
    assert kept.n_visible == computed.n_visible == (5, 4, 3)[n_below] + n_labels
    monkeypatch.setattr(stacking, "features", None)  # nothing may be computed for all cases now
    for rows in ([6, 0, 3], [2]):
        one, other = (np.full((len(rows), kept.n_visible), 7, np.float32) for _ in range(2))
        kept.take(np.array(rows), one)
        computed.take(np.array(rows), other)
        # At most two layers, each of 6 roundings of an input below 10 in size.
        tolerance = reference.rounding(2 * 6, size=10, dtype=np.float32)
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(other[:, other.shape[1] - n_labels :], targets[rows])


@pytest.mark.parametrize(("limit", "n_kept"), [(7 * 4 * 4, 1), (7 * 4 * 4 - 1, 0)])
def test_features_are_kept_up_to_a_number_of_bytes(
    limit: int, n_kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """7 cases of 4 features of 4 bytes."""
    calls: list[int] = []

    def counted(rbm: Rbm, cases: Any) -> Any:
        calls.append(len(cases))
        return features(rbm, cases)

    monkeypatch.setattr(stacking, "_MAX_KEPT", limit)
    monkeypatch.setattr(stacking, "features", counted)
    below = [float32_rbm(reference.random_machine(3, 5, 4))]
    LayerData(pixels(), below, np.empty((7, 0), np.float32), 3)
    assert calls == [7] * n_kept


# -- saving and going on ---------------------------------------------------------------------


@pytest.mark.parametrize("n_before", range(10))
def test_persistent_chains_go_on_bit_for_bit_from_every_epoch(n_before: int) -> None:
    changes = {
        "persistent": True, "cd": 2, "track": 2, "sparsity_cost": 0.5, "centred": True,
        "sampled_data": True,
    }  # fmt: skip
    whole = learner(**changes)
    run(whole, n_before)
    saved = copy.deepcopy(whole.state())
    assert saved["chains"].shape == (SETTINGS.batch, whole.stack[-1].n_hidden)
    restored = learner(seed=99, **changes)
    restored.restore(saved)
    assert run(whole, 9 - n_before) == run(restored, 9 - n_before)
    assert_same(whole, restored)
    np.testing.assert_array_equal(whole.state()["chains"], restored.state()["chains"])
    with pytest.raises(ValueError, match="chains of shape"):
        learner(**changes).restore(saved | {"chains": saved["chains"][:2]})
    with pytest.raises(KeyError):
        learner(**changes).restore({name: v for name, v in saved.items() if name != "chains"})
    if n_before:
        with pytest.raises(KeyError):
            learner(**changes).restore({n: v for n, v in saved.items() if n != "hidden_offset"})


def test_every_layer_has_chains_of_its_own_and_cd_none() -> None:
    stack = learner(persistent=True)
    run(stack, 4)
    assert stack.state()["chains"].shape == (3, 3)
    assert stack.state()["chains"].any()
    assert "chains" not in learner().state()


@pytest.mark.parametrize("n_before", range(10))
@pytest.mark.parametrize("max_kept", [0, 1 << 20])
def test_a_restored_stack_goes_on_bit_for_bit_from_every_epoch(
    n_before: int, max_kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacking, "_MAX_KEPT", max_kept)
    whole = learner()
    run(whole, n_before)
    saved = copy.deepcopy(whole.state())
    restored = learner(seed=99)
    restored.restore(saved)
    assert_same(whole, restored)
    assert restored.where() == whole.where()
    assert run(whole, 9 - n_before) == run(restored, 9 - n_before)
    assert_same(whole, restored)


def test_a_stack_of_other_sizes_is_not_restored() -> None:
    saved = learner().state()
    with pytest.raises(ValueError, match="do not fit"):
        learner(layers=(3, 3)).restore(saved)
    wider = GreedyStack(pixels(n_pixels=6), SETTINGS, np.random.default_rng(1))
    with pytest.raises(ValueError, match="do not fit"):
        wider.restore(saved)


@pytest.mark.parametrize(
    "change",
    [
        {"stack": {}},
        {"velocity": {}},
        {"velocity": {"weights": np.zeros((1, 1)), "visible_bias": [0], "hidden_bias": [0]}},
    ],
    ids=["no layer", "no velocity", "velocities of other shapes"],
)
def test_an_incomplete_state_is_not_restored(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        learner().restore(learner().state() | change)


def test_a_stack_taken_apart_and_put_together_is_the_same() -> None:
    machines = [reference.random_machine(4, 5, 4), reference.random_machine(5, 4, 3)]
    stack = Stack(tuple(Rbm(*m) for m in machines))
    arrays = stack.arrays()
    assert list(arrays) == ["rbm1", "rbm2"]
    for mine, theirs in zip(stack, Stack.from_arrays(arrays), strict=True):
        assert all(a is b for a, b in zip(arrays_of(mine), arrays_of(theirs), strict=True))


def test_layers_that_do_not_fit_on_each_other_are_refused() -> None:
    machines: list[Any] = [reference.random_machine(6, 5, 4), reference.random_machine(7, 3, 2)]
    with pytest.raises(ValueError, match="4 features below 3 visible units"):
        Stack(tuple(Rbm(*m) for m in machines))
    with pytest.raises(KeyError):
        Stack.from_arrays({"rbm2": machines[0]._asdict()})


def test_permuted_pixels_with_a_permuted_start_give_permuted_features() -> None:
    """The "permutation invariant" task: the learner knows nothing of the images' geometry."""
    order = np.array([2, 0, 4, 1, 3])
    images = pixels()
    plain = GreedyStack(images, settings(layers=(4,), passes=1), np.random.default_rng(3))
    permuted = GreedyStack(
        images[:, order], settings(layers=(4,), passes=1), np.random.default_rng(3)
    )
    permuted.stack[0].weights[...] = plain.stack[0].weights[order]
    run(plain, 1)
    run(permuted, 1)
    # As for an epoch in loops, twice: either learner rounds in its own order.
    tolerance = reference.rounding(2 * 3 * 20 * 5, dtype=np.float32)
    weights: Floats = permuted.stack[0].weights
    np.testing.assert_allclose(weights, plain.stack[0].weights[order], rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("which", "labels", "states"),
    [
        ("none", False, False), ("none", True, False),
        ("labels", False, False), ("labels", True, True),
        ("all", False, True), ("all", True, True),
    ],
)  # fmt: skip
def test_reconstructions_are_states_where_the_settings_say_so(
    which: str, labels: bool, states: bool
) -> None:
    chosen = settings(layers=(4,), passes=1, batch=7, recon_states=which)
    targets = np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 1, 0, 0]] if labels else None
    stack = GreedyStack(pixels(), chosen, np.random.default_rng(2), targets)
    rng = np.random.default_rng(2)
    rbm = Rbm.random(7 if labels else 5, 4, SETTINGS.initial_sd, rng, 2 if labels else 0)
    divergence, order = ContrastiveDivergence(rbm, 7, states), rng.permutation(7)
    buffer = divergence.data_buffer(7)
    buffer[:, :5] = pixels()[order] * np.float32(1 / 255)
    if targets is not None:
        buffer[:, 5:] = targets[order]
    divergence.learn(7, rng, step_at(chosen, 0))
    run(stack, 1)
    for a, b in zip(arrays_of(stack.stack[0]), arrays_of(rbm), strict=True):
        np.testing.assert_array_equal(a, b)


# -- layers learned before, and balanced batches ----------------------------------------------


def test_lower_layers_stay_and_only_the_layers_above_them_are_learned() -> None:
    lower = [float32_rbm(reference.random_machine(3, 5, 4))]
    kept = [array.copy() for array in arrays_of(lower[0])]
    stack = GreedyStack(pixels(), SETTINGS, np.random.default_rng(2), lower=lower)
    assert stack.where() == "layer 2 epoch 1"
    rng = np.random.default_rng(2)
    alone = GreedyStack(features(lower[0], pixels()), settings(layers=(3, 2)), rng)
    run(stack, 6)
    run(alone, 6)
    assert stack.finished() == "3 passes a layer"
    for before, after in zip(kept, arrays_of(stack.stack[0]), strict=True):
        np.testing.assert_array_equal(before, after)
    for mine, theirs in zip(stack.stack[1:], alone.stack, strict=True):
        for a, b in zip(arrays_of(mine), arrays_of(theirs), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n_before", range(6))
def test_a_stack_on_lower_layers_goes_on_bit_for_bit(n_before: int) -> None:
    lower = [float32_rbm(reference.random_machine(3, 5, 4))]
    whole = GreedyStack(pixels(), SETTINGS, np.random.default_rng(2), lower=lower)
    run(whole, n_before)
    restored = GreedyStack(pixels(), SETTINGS, np.random.default_rng(9), lower=lower)
    restored.restore(copy.deepcopy(whole.state()))
    assert run(whole, 6 - n_before) == run(restored, 6 - n_before)
    assert_same(whole, restored)


@pytest.mark.parametrize(("sizes", "message"), [((5, 3), "do not fit"), ((6, 4), "do not fit")])
def test_lower_layers_of_other_sizes_are_refused(sizes: tuple[int, int], message: str) -> None:
    lower = [float32_rbm(reference.random_machine(3, *sizes))]
    with pytest.raises(ValueError, match=message):
        GreedyStack(pixels(), SETTINGS, np.random.default_rng(2), lower=lower)


def test_lower_layers_must_leave_one_to_learn() -> None:
    lower = [float32_rbm(reference.random_machine(3, 5, 4))]
    with pytest.raises(ValueError, match="leave none"):
        GreedyStack(pixels(), settings(layers=(4,)), np.random.default_rng(2), lower=lower)


def test_balanced_batches_are_of_the_order_that_spreads_classes() -> None:
    """A balanced learner is one whose epochs run in the order of `epoch_order`."""
    classes = np.array([0, 1, 2, 0, 1, 2, 0])
    chosen = settings(layers=(4,), passes=1, balanced=True)
    balanced = GreedyStack(pixels(), chosen, np.random.default_rng(2), classes=classes)
    rng = np.random.default_rng(2)
    rbm = Rbm.random(5, 4, SETTINGS.initial_sd, rng)
    divergence = ContrastiveDivergence(rbm, 3)
    order = epoch_order(7, rng, classes)
    for rows in (order[:3], order[3:6], order[6:]):
        take_batch(pixels(), rows, divergence.data_buffer(len(rows)))
        divergence.learn(len(rows), rng, step_at(chosen, 0))
    run(balanced, 1)
    for a, b in zip(arrays_of(balanced.stack[0]), arrays_of(rbm), strict=True):
        np.testing.assert_array_equal(a, b)


def test_balanced_batches_need_classes() -> None:
    with pytest.raises(ValueError, match="classes"):
        GreedyStack(pixels(), settings(balanced=True), np.random.default_rng(2))


# -- more rounds, and persistent chains ------------------------------------------------------


@pytest.mark.parametrize(("cd", "persistent"), [(1, False), (3, False), (1, True), (3, True)])
def test_a_layer_learns_by_as_many_rounds_as_the_settings_say(cd: int, persistent: bool) -> None:
    chosen = settings(layers=(4,), passes=1, batch=7, cd=cd, persistent=persistent)
    stack = GreedyStack(pixels(), chosen, np.random.default_rng(2))
    rng = np.random.default_rng(2)
    rbm = Rbm.random(5, 4, SETTINGS.initial_sd, rng)
    divergence = ContrastiveDivergence(rbm, 7, False, cd, persistent)
    take_batch(pixels(), rng.permutation(7), divergence.data_buffer(7))
    divergence.learn(7, rng, step_at(chosen, 0))
    ticks: list[float] = []
    stack.run_epoch(ticks.append)
    for a, b in zip(arrays_of(stack.stack[0]), arrays_of(rbm), strict=True):
        np.testing.assert_array_equal(a, b)
    # Two products more for each round more, and one for the error beside persistent chains.
    each = 5 + 2 * (cd - 1) + persistent
    assert ticks == [each * 5.0 * 4 * 7]
    assert stack.work() == (sum(ticks), sum(ticks))


def test_settings_that_were_added_later_leave_the_learner_as_it_was() -> None:
    now = settings(
        cd=1, persistent=False, start="random", track=0, sparsity_target=0.1, sparsity_cost=0.0,
        hidden_bias=0.0, centred=False, sampled_data=False, real_features=False,
        state_correlations=False,
    )  # fmt: skip
    assert now == SETTINGS
    assert not now.apart()
    assert settings(track=5, sparsity_target=0.2).apart() == set()
    assert settings(sparsity_cost=0.1).apart() == {"sparsity_cost"}
    assert settings(sampled_data=True, real_features=True).apart() == {
        "sampled_data", "real_features",
    }  # fmt: skip
    assert settings(cd=2, persistent=True, start="transpose", centred=True).apart() == {
        "cd", "persistent", "start", "centred",
    }  # fmt: skip


def test_every_layer_has_the_sparsity_and_the_first_biases_that_the_settings_say() -> None:
    chosen = settings(sparsity_target=0.2, sparsity_cost=3.0, hidden_bias=-1.5, passes=1, batch=7)
    whole, rng = learner(**vars(chosen)), np.random.default_rng(2)
    cases: Any = pixels()
    for n_features in chosen.layers:
        rbm = Rbm.random(cases.shape[1], n_features, SETTINGS.initial_sd, rng)
        rbm.hidden_bias[...] = -1.5
        divergence = ContrastiveDivergence(rbm, 7, sparsity=(0.2, 3.0))
        take_batch(cases, rng.permutation(7), divergence.data_buffer(7))
        divergence.learn(7, rng, step_at(chosen, 0))
        run(whole, 1)
        for a, b in zip(arrays_of(whole.stack[-1]), arrays_of(rbm), strict=True):
            np.testing.assert_array_equal(a, b)
        cases = features(rbm, cases)


# -- layers that start as the transpose of the one below --------------------------------------


def test_a_layer_starts_as_the_transpose_of_the_one_below_it() -> None:
    stack = learner(layers=(4, 5, 4), start="transpose", rate=0.0)
    random = learner(layers=(4, 5, 4), rate=0.0)
    run(stack, 9)
    run(random, 3)
    low, middle, top = stack.stack
    assert_first = zip(arrays_of(low), arrays_of(random.stack[0]), strict=True)
    for mine, theirs in assert_first:  # the first one has nothing to start from
        np.testing.assert_array_equal(mine, theirs)
    for below, above in ((low, middle), (middle, top)):
        np.testing.assert_array_equal(above.weights, below.weights.T)
        np.testing.assert_array_equal(above.visible_bias, below.hidden_bias)
        np.testing.assert_array_equal(above.hidden_bias, below.visible_bias)


def test_the_transpose_has_no_weights_to_labels_and_is_learned() -> None:
    targets = np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 1, 0, 0]]
    chosen = settings(layers=(4, 5), start="transpose")
    stack = GreedyStack(pixels(), chosen, np.random.default_rng(2), targets)
    run(stack, 3)
    low = [array.copy() for array in arrays_of(stack.stack[0])]
    run(stack, 1)
    assert stack.stack[1].n_labels == 2
    assert stack.stack[1].weights[4:].any()
    assert (stack.stack[1].weights[:4] != low[0].T).any()
    for before, after in zip(low, arrays_of(stack.stack[0]), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("layers", "n_lower", "message"),
    [
        ((4, 3), 0, "layer 2 needs as many as layer 1 learns from: 5, not 3"),
        ((4, 5, 3), 0, "layer 3 needs as many as layer 2 learns from: 4, not 3"),
        ((4, 3, 2), 2, "layer 3 needs as many as layer 2 learns from: 4, not 2"),
    ],
)
def test_a_layer_of_another_size_cannot_start_so(
    layers: tuple[int, ...], n_lower: int, message: str
) -> None:
    chosen = settings(layers=layers, start="transpose")
    with pytest.raises(ValueError, match=message):
        check_start(chosen, 5, n_lower)
    if not n_lower:
        with pytest.raises(ValueError, match=message):
            GreedyStack(pixels(), chosen, np.random.default_rng(2))
    check_start(settings(layers=layers), 5, n_lower)
    check_start(settings(layers=(4, 3, 4), start="transpose"), 5, 2)  # the second is there


# -- the bound while it learns ---------------------------------------------------------------


def estimated(stack: GreedyStack, valid: NDArray[np.uint8]) -> dict[str, float]:
    """What is tracked now, step by step, by random numbers of the seed 0."""
    rng, generator = stream(0, Use.TRACKING), Generator.of_layer(stack.stack, len(stack.stack))
    binary = likelihood.binarised(pixels()[rng.permutation(7)], rng)
    others = likelihood.binarised(valid, rng)
    states = likelihood.visible_states(generator, binary, rng)
    log_z = likelihood.estimate_log_z(generator.rbm, states, rng, *TRACKED)
    train, valid_ = (likelihood.log_weights(generator, own, rng) for own in (binary, others))
    return {
        "log_z": log_z.value,
        "log_z_gap": log_z.gap or 0.0,
        "train_log_p": float(train.mean()) - log_z.value,
        "valid_log_p": float(valid_.mean()) - log_z.value,
    }


@pytest.mark.parametrize("most", [20, 1])
def test_the_bound_is_tracked_every_so_many_passes_of_each_layer(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an exact log Z where one side is small, else with a sampled one."""
    monkeypatch.setattr(likelihood, "MOST_ENUMERATED", most)
    valid = pixels(6, seed=3)
    stack = GreedyStack(pixels(), settings(track=2), np.random.default_rng(2), valid=valid)
    started = estimated(stack, valid)["train_log_p"]
    rows = run(stack, 2)
    assert rows[0]["start_log_p"] == started
    assert "log_z" not in rows[0]
    now = estimated(stack, valid)
    assert {name: rows[1][name] for name in now} == now
    if most == 20:
        assert now["log_z"] == likelihood.exact_log_z(stack.stack[0])
    rows += run(stack, 6)
    now = estimated(stack, valid)
    assert {name: rows[-1][name] for name in now} == now
    rows += run(stack, 1)
    assert ["train_log_p" in row for row in rows] == [False, True, False] * 3
    assert ["start_log_p" in row for row in rows] == [True, False, False] * 3


def test_tracking_changes_no_bit_of_what_is_learned() -> None:
    plain, tracked = learner(), learner(track=1)
    for row, more in zip(run(plain, 9), run(tracked, 9), strict=True):
        assert row == {name: more[name] for name in row}
    assert_same(plain, tracked)


def test_the_bound_is_tracked_of_images_with_their_own_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []
    visible_states = likelihood.visible_states

    def noted(generator: Any, binary: Any, rng: Any, labels: Any = None) -> Any:
        asked.append(labels)
        return visible_states(generator, binary, rng, labels)

    monkeypatch.setattr(likelihood, "visible_states", noted)
    classes = np.array([0, 1, 2, 0, 0, 1, 2])
    targets = np.eye(3, dtype=np.float32)[classes]
    chosen = settings(layers=(4,), track=1)
    run(GreedyStack(pixels(), chosen, np.random.default_rng(2), targets), 1)
    assert len(asked) == 2  # at the layer's start, and after its pass
    for labels in asked:  # in the order that `estimated` takes the images in
        np.testing.assert_array_equal(labels, classes[stream(0, Use.TRACKING).permutation(7)])


def test_what_starts_as_the_transpose_starts_at_the_bound_of_the_layer_below() -> None:
    """And what starts at random does not."""
    starts = {}
    for start in ("transpose", "random"):
        rows = run(learner(layers=(4, 5), start=start, track=3), 4)
        starts[start] = rows[3]["start_log_p"] - rows[2]["train_log_p"]
    # Sums of some 30 terms of float32, on either side.
    assert abs(starts["transpose"]) <= reference.rounding(100, 10.0, np.float32)
    assert abs(starts["random"]) > 1e-3
