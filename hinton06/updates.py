"""Momentum, decay, running means, conjugate gradient: the only code that changes a weight."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hinton06 import numerics
from hinton06.numerics import Array


@dataclass(frozen=True)
class Step:
    """The three numbers of one update.

    `rate`, epsilon of Eq. 4, is applied to the *mean* gradient of a batch; `momentum`, in [0, 1),
    is the share of the last change that is repeated; `decay` (L2) multiplies the weight.
    """

    rate: float
    momentum: float = 0.0
    decay: float = 0.0


def rate_share_at(epoch: int, epochs: int, final_share: float) -> float:
    """What is left of a rate after so many epochs, falling linearly to its share in the last.

    With 0 `epochs` it does not fall.
    """
    if not epochs:
        return 1.0
    return 1 + (final_share - 1) * min(epoch / max(1, epochs - 1), 1.0)


class Momentum:
    """One parameter array, changed in place by its velocity: assumed, see docs/assumptions.md.

    The rule is ``velocity = momentum * velocity + rate * (gradient - decay * parameter)``, then
    ``parameter += velocity``, where the gradient points *uphill* on what is to be increased.
    Gradients of weights are products of (m, k) and (k, n) arrays, those of biases sums over the
    rows of (n, n_units) ones; `share` is the factor of either, usually 1 / batch size.
    A step without momentum leaves no velocity to a later step that has some: weights, whose product
    then goes into the parameter at once, and biases alike.
    """

    def __init__(self, parameter: Array) -> None:
        self.parameter = parameter
        self.velocity: Array = np.zeros_like(parameter)
        self._moving = False  # whether the velocity may be other than 0

    def restore(self, velocity: Array) -> None:
        """Go on with a copy of a saved velocity; ValueError if it has another shape."""
        if velocity.shape != self.velocity.shape:
            raise ValueError(f"velocity {velocity.shape} for parameters {self.velocity.shape}")
        np.copyto(self.velocity, velocity)
        self._moving = True

    def gather_product(self, left: Array, right: Array, share: float, step: Step) -> None:
        """Renew the velocity by Eq. 4, its gradient never formed; `apply` moves the parameter."""
        self._moving = True
        numerics.product(left, right, self.velocity, scale=step.rate * share, keep=step.momentum)

    def gather(self, gradient: Array, step: Step) -> None:
        """Renew the velocity with a gradient of the parameter's own shape, left as it is."""
        self._moving = True
        self.velocity *= step.momentum
        self.velocity += step.rate * gradient

    def apply(self, step: Step) -> None:
        """Move the parameter by the velocity, after its decay: with the step of `gather`."""
        numerics.move(self.parameter, self.velocity, step.rate * step.decay)
        self._rest_without_momentum(step)

    def _rest_without_momentum(self, step: Step) -> None:
        if self._moving and not step.momentum:
            self.velocity.fill(0)
            self._moving = False

    def step_product(self, left: Array, right: Array, share: float, step: Step) -> None:
        """`gather_product`, then `apply`; in one go if there is no momentum."""
        scale, shrink = step.rate * share, step.rate * step.decay
        if step.momentum:
            self._moving = True
            pair = self.velocity, self.parameter
            numerics.step_by_product(left, right, pair, scale, step.momentum, shrink)
            return
        numerics.product(left, right, self.parameter, scale=scale, keep=1 - shrink)
        self._rest_without_momentum(step)

    def gather_sum(self, deltas: Array, share: float, step: Step) -> None:
        """Renew the velocity with the gradient of biases: weights from a unit that is always on."""
        self._moving = True
        numerics.add_sums(deltas, self.velocity, step.rate * share, step.momentum)

    def step_sum(self, deltas: Array, share: float, step: Step) -> None:
        """`gather_sum`, then `apply` without decay, which biases never have."""
        self._moving = True
        numerics.add_sums(deltas, self.velocity, step.rate * share, step.momentum, self.parameter)
        self._rest_without_momentum(step)

    def limit(self, longest: float) -> None:
        """Each unit's incoming weights, a column, at most so long; 0: as they are.

        Max-norm regularisation: Srivastava and others (2014), section 5.1.
        """
        if longest:
            numerics.limit_norms(self.parameter, longest)

    def step_difference(self, data: Array, recon: Array, share: float, step: Step) -> float:
        """`step_sum` of ``data - recon``; returns the sum of its squares."""
        scale, keep, self._moving = step.rate * share, step.momentum, True
        squares = numerics.add_differences(data, recon, self.velocity, scale, keep, self.parameter)
        self._rest_without_momentum(step)
        return squares


class RunningMean:
    """The mean of arrays that change, over the recent past: without the noise of single updates.

    Up to `window` values it is their plain mean; from there on each new value takes part with a
    share of 1 / window. `means` are overwritten by the first `add`. Assumed, see
    docs/assumptions.md; Polyak and Juditsky (1992).
    """

    def __init__(
        self, arrays: Mapping[str, Array], means: Mapping[str, Array], window: float
    ) -> None:
        self._arrays, self._means, self._window = arrays, means, window
        self.count = 0

    def add(self) -> None:
        """Let the arrays' present values take part in the mean."""
        self.count += 1
        for name, mean in self._means.items():
            if self.count == 1:
                np.copyto(mean, self._arrays[name])
            else:
                numerics.blend(mean, self._arrays[name], 1 / min(self.count, self._window))


MOST_EVALUATIONS = 20
"""Of the cost in one line search: public Matlab code of Hinton and Salakhutdinov (2006)."""


class _GivenUpError(Exception):
    """A line search took too many evaluations."""


def conjugate_gradient(
    parameters: Sequence[Array],
    cost_and_gradient: Callable[[], tuple[float, list[Array]]],
    line_searches: int,
) -> float:
    """Lower a cost by a few line searches along conjugate directions; returns the cost before them.

    The parameters are left at the best point that was found; the gradient points uphill. A line
    search that takes more than `MOST_EVALUATIONS` ends them all: where the cost falls by less than
    its rounding, it would go on for long. "Details of the discriminative fine-tuning procedure".
    """
    ends = np.cumsum([p.size for p in parameters])[:-1]
    start = np.concatenate([p.ravel() for p in parameters]).astype(np.float64)
    costs: list[float] = []
    best: Array = start
    tried = -1  # the first evaluation is of the start

    def put(point: Array) -> None:
        for parameter, part in zip(parameters, np.split(point, ends), strict=True):
            np.copyto(parameter, part.reshape(parameter.shape), casting="same_kind")

    def at(point: Array) -> tuple[float, Array]:
        nonlocal best, tried
        if tried == MOST_EVALUATIONS:
            raise _GivenUpError
        tried += 1
        put(point)
        cost, gradient = cost_and_gradient()
        if costs and cost < min(costs):
            best = point.copy()
        costs.append(cost)
        return cost, np.concatenate([g.ravel() for g in gradient]).astype(np.float64)

    def next_search(xk: object) -> None:  # noqa: ARG001
        nonlocal tried
        tried = 0

    from scipy import optimize  # noqa: PLC0415  # slow to import

    with contextlib.suppress(_GivenUpError):
        found = optimize.minimize(
            at, start, jac=True, method="CG", callback=next_search,
            options={"maxiter": line_searches, "gtol": 0.0},
        )  # fmt: skip
        best = found.x
    put(best)
    return costs[0]
