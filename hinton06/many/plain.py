"""What lies between the products, in plain PyTorch: for the processor, and to hold `fused` against.

Buffers are (nets, rows, units); a batch of n cases takes the first rows. `step` is (nets, 3): rate,
momentum, and rate times decay, as `updates.Step` has them. Equations are named in `hinton06.rbm`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def take(source: Tensor, rows: Tensor, out: Tensor) -> None:
    """The chosen (nets, n) rows of images of all nets, bytes, or of arrays of each net's own."""
    if source.dtype == torch.uint8:
        out.copy_(source[rows])
        out.mul_(1 / 255)
    else:
        index = rows[:, :, None].expand(-1, -1, source.shape[2])
        out.copy_(torch.gather(source, 1, index))


def squash(inputs: Tensor, bias: Tensor) -> None:
    """Eq. 1, in place, from inputs without biases."""
    inputs.add_(bias[:, None]).sigmoid_()


def fire(inputs: Tensor, bias: Tensor, draws: Any, states: Tensor) -> None:
    """`squash`, and states that are drawn from the probabilities."""
    squash(inputs, bias)
    states.copy_(draws.uniforms(*inputs.shape[1:]) < inputs)


def _move(parameter: Tensor, velocity: Tensor, gradient: Tensor, n: int, step: Tensor) -> None:
    """``updates.Momentum`` of biases."""
    rate, momentum = step[:, :1] / n, step[:, 1:2]
    new = momentum * velocity + rate * gradient
    parameter.add_(new)
    velocity.copy_(torch.where(momentum > 0, new, 0))  # as in `grow`


def visible(
    both: Tensor, bias: Tensor, velocity: Tensor, step: Tensor, errors: Tensor, draws: Any
) -> None:
    """Eq. 6 in the lower half of (nets, 2 n, n_visible), drawn if there are draws; then the biases.

    The upper half are the data; squared errors of the probabilities are added to `errors`.
    """
    n = both.shape[1] // 2
    data, recon = both[:, :n], both[:, n:]
    squash(recon, bias)
    errors.add_((data - recon).square().sum(1))
    if draws is not None:
        recon.copy_(draws.uniforms(*recon.shape[1:]) < recon)
    _move(bias, velocity, (data - recon).sum(1), n, step)


def hidden(both: Tensor, bias: Tensor, velocity: Tensor, step: Tensor) -> None:
    """Eq. 5 with a minus sign in the lower half of (nets, 2 n, n_hidden); then the biases."""
    n = both.shape[1] // 2
    recon = both[:, n:]
    squash(recon, bias)
    recon.neg_()
    _move(bias, velocity, both.sum(1), n, step)


def grow(
    left: Tensor, right: Tensor, n: int, weights: Tensor, velocity: Tensor, step: Tensor
) -> None:
    """Eq. 4: the product of two factors over their rows, and the move of the weights by it."""
    rate, momentum, shrink = (step[:, i, None, None] for i in range(3))
    new = torch.baddbmm(momentum * velocity, left.mT, right * (rate / n))
    new.sub_(shrink * weights)
    weights.add_(new)
    # As in `updates.Momentum.step_product`: without momentum there is no velocity for later.
    velocity.copy_(torch.where(momentum > 0, new, 0))


def label_errors(
    inputs: Tensor, bias: Tensor, velocity: Tensor, step: Tensor, batch: Any, costs: Tensor,
    sums: Tensor,
) -> None:  # fmt: skip
    """From class units' inputs to their gradients, in place, and the biases; each case's cost.

    Weighted costs and weights are added to the (nets, 2) `sums`.
    """
    log_probs = torch.log_softmax(inputs + bias[:, None], 2)
    labels = batch.labels.long()[:, :, None]
    costs.copy_(-log_probs.gather(2, labels)[:, :, 0])
    inputs.copy_(log_probs.exp_().neg_())
    inputs.scatter_add_(2, labels, torch.ones_like(labels, dtype=inputs.dtype))
    inputs.mul_(batch.factors[:, :, None])
    sums.add_(torch.stack([(costs * batch.factors).sum(1), batch.factors.sum(1)], 1))
    _move(bias, velocity, inputs.sum(1), inputs.shape[1], step)


def slope(
    delta: Tensor, probs: Tensor, bias: Tensor, velocity: Tensor, step: Tensor,
    keep: Tensor | None = None,
) -> None:  # fmt: skip
    """Through a logistic, backwards, in place; then its layer's biases.

    With each net's chance to `keep` a unit, through `drop` as well: ``numerics.times_slope``.
    """
    delta.mul_(probs).mul_(1 - probs if keep is None else 1 - keep[:, None, None] * probs)
    _move(bias, velocity, delta.sum(1), delta.shape[1], step)


def uniforms(draws: Any, n: int, n_units: int) -> Tensor:
    """(nets, n, n_units) numbers in [0, 1)."""
    found: Tensor = draws.uniforms(n, n_units)
    return found


def drop(values: Tensor, keep: Tensor, draws: Any, layer: int) -> None:  # noqa: ARG001
    """``numerics.drop`` with each net's chance, in place; draws of a card differ by the layer."""
    chance = keep[:, None, None]
    values.mul_((draws.uniforms(*values.shape[1:]) < chance) / chance)


def limit(weights: Tensor, longest: Tensor) -> None:
    """``updates.Momentum.limit`` with each net's length, in place; 0: any."""
    lengths = weights.square().sum(1, keepdim=True).sqrt_()
    bound = longest[:, None, None]
    weights.mul_(torch.where((bound > 0) & (lengths > bound), bound / lengths, 1.0))
