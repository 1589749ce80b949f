"""What experiments/speed counts and compares; PyTorch's part only where PyTorch is installed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinton06 import native, numerics

SPEED = Path(__file__).parents[1] / "experiments" / "speed"


@pytest.fixture(scope="module")
def scripts() -> Any:
    """A function that imports a script of the folder by name."""
    sys.path.insert(0, str(SPEED))
    yield importlib.import_module
    sys.path.remove(str(SPEED))


@pytest.fixture(scope="module")
def products(scripts: Any) -> Any:
    return scripts("products")


def sequences(products: Any, n: int = 1) -> dict[str, Any]:
    """Each learner on tiny nets: 4-3-2-5 units, 1 label."""
    sizes = (4, 3, 2, 5)
    return {
        "cd": products.contrastive_divergence(3, 2, n, 0.9),
        "bp": products.backpropagation(sizes[:3], n, 0.9),
        "ws": products.wake_sleep(sizes, 1, n, 1, 0.0),
        "ws 3 rounds": products.wake_sleep(sizes, 1, n, 3, 0.0),
        "labels": products.label_gradient(sizes, n, 0.9),
        "mixed": products.mixed_gradient(sizes, 1, n, 1, (0.0, 0.9)),
        "evaluation": products.free_energy(sizes, n),
    }


# Multiply-adds a case by hand. The net has 12, 6 and 10 weights, its memory (2 + 1) x 5 = 15.
BY_HAND = {
    "cd": 3 * 6 + 2 * 6,
    "bp": (12 + 6) + 6 + (12 + 6),
    "ws": (12 + 6 + 15) + 2 * 15 + (2 * 12 + 2 * 6 + 6 + 12) + 2 * (12 + 6) + 2 * 15,
    "ws 3 rounds": (12 + 6 + 15) + 6 * 15 + (2 * 12 + 2 * 6 + 6 + 12) + 2 * (12 + 6) + 2 * 15,
    "labels": (6 + 10) + (10 + 6) + (12 + 6 + 10),
    "mixed": 183 + 60,
    "evaluation": 12 + 6 + 10,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_arithmetic_is_counted_as_by_hand(products: Any, name: str) -> None:
    for n in (1, 7):
        assert products.flops(sequences(products, n)[name]) == 2 * n * BY_HAND[name]


@pytest.mark.parametrize("name", BY_HAND)
def test_all_ways_of_a_step_have_the_same_arithmetic(products: Any, name: str) -> None:
    for step in sequences(products, 7)[name]:
        assert len({sum(product.flops for product in way) for way in step}) == 1


@pytest.mark.parametrize("name", BY_HAND)
def test_the_limit_runs_the_counted_products_and_no_others(
    products: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    def counted(call: Any) -> Any:
        def multiply(left: Any, right: Any, out: Any, keep: float) -> None:
            done.append(2 * left.shape[0] * left.shape[1] * right.shape[1])
            call(left, right, out, keep)

        return multiply

    calls = {name: counted(call) for name, call in products.IMPLEMENTATIONS.items()}
    monkeypatch.setattr(products, "IMPLEMENTATIONS", calls)
    steps = sequences(products, 7)[name]
    limit = products.Limit(steps, np.random.default_rng(0))
    done.clear()
    limit.run(2)
    assert sum(done) == 2 * products.flops(steps)
    assert len(steps) <= len(limit.chosen) == len(done) / 2
    chosen = {product for product, _ in limit.chosen}
    assert chosen <= {product for step in steps for way in step for product in way}


@pytest.mark.parametrize("keep", [0.0, 0.9])
@pytest.mark.parametrize(("left", "right"), [("a", "b"), ("a.T", "b"), ("a", "b.T")])
def test_a_bound_product_is_that_product(products: Any, left: str, right: str, keep: float) -> None:
    product = products.Product(left, right, "c", 3, 4, 5, keep)
    arrays = products.arrays_for([((product,),)], np.random.default_rng(0))
    a = arrays["a"].T if left == "a.T" else arrays["a"]
    b = arrays["b"].T if right == "b.T" else arrays["b"]
    for name in products.implementations(product):
        before = arrays["c"].copy()
        products.bind(product, arrays, name)()
        scale = 1.0 if name == "numpy.matmul" else 1e-3
        np.testing.assert_allclose(arrays["c"], scale * (a @ b) + keep * before, atol=1e-6)


def test_the_chapters_net(scripts: Any, products: Any) -> None:
    bench = scripts("bench")
    found = {learner.name: products.flops(learner.steps()) for learner in bench.LEARNERS}
    w1, w2, w3, w4 = 784 * 500, 500 * 500, 500 * 2000, 2000 * 10
    assert found["CD-1 784-500"] == 2 * 100 * 5 * w1
    assert found["backpropagation"] == 2 * 100 * (3 * (w1 + w2 + w3 + w4) - w1)
    assert found["backprop, importance"] == found["backpropagation"]
    assert found["backprop, dropout"] == found["backpropagation"]
    assert found["backprop, adversarial"] == 2 * 100 * (5 * (w1 + w2 + w3 + w4) - w1)
    each = 3 * (w1 + w2 + w3 + w4) - w1
    assert found["backprop, virtual"] == 2 * (500 * each + 400 * 3 * (w1 + w2 + w3 + w4))
    assert found["mixed, dropout"] == found["mixed gradient"]
    rounds = found["wake-sleep, 10 rounds"] - found["wake-sleep, 3 rounds"]
    assert rounds == 7 * 2 * 2 * 100 * 510 * 2000
    assert found["free energies"] == 2 * 1000 * (w1 + w2 + w3)


def test_equal_quality_is_met_where_a_run_first_meets_it(scripts: Any) -> None:
    effects = scripts("effects")
    curves = {
        "with": {"valid_cost": np.array([16.0, 4, 1]), "seconds": [1.0, 2, 3]},
        "without": {"valid_cost": np.array([16.0, 8, 4, 5, 2]), "seconds": [1.0, 2, 3, 4, 5]},
    }
    rows = effects.equal_levels(curves, "valid_cost", 3)
    assert [row["level"] for row in rows] == [8, 4, 2]
    assert [row["epochs_with"] for row in rows] == [2, 2, 3]
    assert [row["epochs_without"] for row in rows] == [2, 3, 5]
    assert rows[-1]["times_faster"] == pytest.approx(5 / 3, abs=0.01)


@pytest.fixture
def peers(scripts: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The peers, all draws on both sides replaced by whether a probability is above a half."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    found = scripts("peers")

    def half(probs: Any, _rng: Any, out: Any) -> Any:
        return np.greater(probs, 0.5, out=out, casting="unsafe")

    def fire(inputs: Any, bias: Any, rng: Any) -> Any:
        return half(numerics.squash(inputs, bias), rng, inputs)

    def squash_and_fire(inputs: Any, bias: Any, rng: Any, states: Any) -> Any:
        return half(numerics.squash(inputs, bias), rng, states)

    monkeypatch.setattr("hinton06.numerics.choose", half)
    monkeypatch.setattr("hinton06.numerics.squash_and_fire", squash_and_fire)
    monkeypatch.setattr("hinton06.numerics.fire", fire)
    monkeypatch.setattr(
        found, "fire", lambda probs, _uniforms, out: torch.gt(probs, 0.5, out=out), raising=True
    )
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda buffer, *_, **__: buffer.fill_(0.5))
    with torch.no_grad():
        yield found


@pytest.mark.parametrize("name", ["backpropagation", "backprop, dropout"])
def test_the_peers_compute_the_same_backpropagation(
    scripts: Any, peers: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, torch = scripts("bench"), peers.torch
    (learner,) = [learner for learner in bench.LEARNERS if learner.name == name]
    material = bench.Material(bench.Settings(1000))
    net = material.classifier()
    theirs = bench.make_torch(learner, material)
    monkeypatch.setattr(material, "classifier", lambda: net)
    ours = bench.make_tool(learner, material)
    chances = []

    def kept(values: Any) -> Any:  # of three units one, another one in each case
        numbers = np.arange(values.shape[1])[None, :] + np.arange(len(values))[:, None]
        return (numbers % 3 > 0).astype(np.float32)

    def drop(values: Any, keep: float, _rng: Any) -> Any:
        chances.append(keep)
        values *= kept(values) / np.float32(keep)
        return values

    monkeypatch.setattr("hinton06.numerics.drop", drop)
    monkeypatch.setattr(
        peers, "drop", lambda values, p: values * torch.from_numpy(kept(values)) / (1 - p)
    )
    batches = [np.arange(first, first + 100) for first in (0, 300, 500)]
    ones = np.ones(100, np.float32)
    mine, given = iter(batches), iter(batches)
    monkeypatch.setattr(ours._sampler, "batch", lambda _n: (next(mine), ones))
    theirs._sampler.batch = lambda: (torch.from_numpy(next(given)), torch.from_numpy(ones))
    for side in (ours, theirs):
        side.run(3)
    assert chances == ([0.7, 0.8, 0.8, 0.8] * 3 if learner.drops else [])
    linear = [layer for layer in theirs.net if isinstance(layer, torch.nn.Linear)]
    start = bench.Material(bench.Settings(1000)).classifier()
    for number, layer in enumerate(linear):
        for here, other, before in (
            (net.weights[number], layer.weight.detach().numpy().T, start.weights[number]),
            (net.biases[number], layer.bias.detach().numpy(), start.biases[number]),
        ):
            change = here - before
            np.testing.assert_allclose(change, other - before, atol=1e-3 * np.abs(change).max())
            assert change.any()


@pytest.mark.parametrize("name", ["CD-1 784-500", "wake-sleep, 3 rounds", "mixed gradient"])
def test_the_peers_compute_the_same(scripts: Any, peers: Any, name: str) -> None:
    bench, torch = scripts("bench"), peers.torch
    (learner,) = [learner for learner in bench.LEARNERS if learner.name == name]
    material = bench.Material(bench.Settings(1000))
    theirs = bench.make_torch(learner, material)
    ours = bench.make_tool(learner, material)
    batches = [np.arange(first, first + 100) for first in (0, 300, 500)]
    for side, draw in ((ours, iter(batches).__next__), (theirs, iter(batches).__next__)):
        if side is ours:
            side._rows = draw
        else:
            side._cases.rows = lambda draw=draw: torch.from_numpy(draw())
        side.run(3)
    if learner.kind == "cd":
        pairs = [(material.stack[0].weights, theirs.weights)]
        pairs += [(material.stack[0].visible_bias, theirs.visible_bias)]
    else:
        net, arrays = ours._generative.net, theirs.arrays
        names = [name for name in arrays if not name.startswith("memory")]
        pairs = [(getattr(net, name), arrays[name]) for name in names]
        pairs += [(net.memory.weights, arrays["memory"])]
        pairs += [(net.memory.visible_bias, arrays["memory_bias"])]
    for mine, other in pairs:
        np.testing.assert_allclose(mine, other.numpy(), atol=1e-5)


def test_each_part_of_a_batch_of_cd_is_seen_by_a_clock(scripts: Any) -> None:
    if native.KIND != "C":
        pytest.skip("installed without a C compiler")
    between = scripts("between")
    library, step_by_product = native._C, numerics.step_by_product
    row = between.batch(784, 500, repeats=2, threads=1)
    parts = [row[name] for name in row if name not in ("rbm", "threads", "whole", "the rest")]
    assert len(parts) == 6
    assert all(part > 0 for part in parts)
    assert native._C is library
    assert numerics.step_by_product is step_by_product
