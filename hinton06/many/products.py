"""The products of the learners with what comes after each, in whichever way is the fastest there.

A product of cuBLAS or of the processor's BLAS, then a loop of `plain` or `fused`; or, in the modes
that `OWN` names, on a card, both in one kernel of `whole`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

OWN: set[str] = set()
"""Functions of this module that `whole` does on a card."""


def _whole(name: str, loops: Any, left: Tensor) -> Any:
    """The module `whole`, where it is to be used."""
    if name not in OWN or not hasattr(loops, "sweep"):
        return None
    from hinton06.many import whole  # noqa: PLC0415  # of Triton

    return whole if left.shape[1] <= whole.MOST_CASES else None


def up(loops: Any, left: Tensor, weights: Tensor, bias: Tensor, out: Tensor) -> None:
    """Eq. 1: probabilities, into out."""
    if whole := _whole("up", loops, left):
        whole.product(whole.SQUASH, left, weights, bias, out)
        return
    torch.bmm(left, weights, out=out)
    loops.squash(out, bias)


def fire(
    loops: Any, left: Tensor, weights: Tensor, bias: Tensor, out: Tensor, draws: Any, states: Tensor
) -> None:
    """As `up`, and states."""
    if whole := _whole("fire", loops, left):
        whole.product(whole.FIRE, left, weights, bias, out, states, draws=draws)
        return
    torch.bmm(left, weights, out=out)
    loops.fire(out, bias, draws, states)


def reconstruct(
    loops: Any, states: Tensor, weights: Tensor, both: Tensor, bias: Tensor, velocity: Tensor,
    step: Tensor, errors: Tensor, draws: Any,
) -> None:  # fmt: skip
    """Eq. 6 of hidden states, into the lower half of both, and the visible biases' move."""
    n = states.shape[1]
    if whole := _whole("reconstruct", loops, states):
        whole.product(
            whole.VISIBLE, states, weights, bias, both[:, n:], both[:, :n], velocity, step, errors,
            draws, down=True,
        )  # fmt: skip
        return
    torch.bmm(states, weights.mT, out=both[:, n:])
    loops.visible(both, bias, velocity, step, errors, draws)


def hide(
    loops: Any, recon: Tensor, weights: Tensor, both: Tensor, bias: Tensor, velocity: Tensor,
    step: Tensor,
) -> None:  # fmt: skip
    """Minus Eq. 5 of a reconstruction, into the lower half of both, and the hidden biases' move."""
    n = recon.shape[1]
    if whole := _whole("hide", loops, recon):
        more = both[:, n:], both[:, :n], velocity, step
        whole.product(whole.HIDDEN, recon, weights, bias, *more)
        return
    torch.bmm(recon, weights, out=both[:, n:])
    loops.hidden(both, bias, velocity, step)


def back(
    loops: Any, delta: Tensor, weights: Tensor, probs: Tensor, out: Tensor, bias: Tensor,
    velocity: Tensor, step: Tensor,
) -> None:  # fmt: skip
    """Gradients of the layer below, into out, and its biases' move."""
    if whole := _whole("back", loops, delta):
        whole.product(whole.SLOPE, delta, weights, bias, out, probs, velocity, step, down=True)
        return
    torch.bmm(delta, weights.mT, out=out)
    loops.slope(out, probs, bias, velocity, step)
