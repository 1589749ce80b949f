"""Slow exact oracles of plain wake-sleep: the directed net of Figure 1, state by state.

In float64 and straight from Eqs 1 to 3; nothing here imports the package.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import reference
from reference import Floats
from reference_generative import layer, log_chance, one_hots, softmax


class Directed(NamedTuple):
    """Weights and biases of each direction, bottom to top; the top generates labels last."""

    rec_weights: list[Floats]
    rec_biases: list[Floats]
    gen_weights: list[Floats]
    gen_biases: list[Floats]
    top_bias: Floats
    n_labels: int

    def named(self) -> dict[str, Floats]:
        """Every array by the name that it has in a file."""
        found = {"top_bias": self.top_bias}
        for name in ("rec_weights", "rec_biases", "gen_weights", "gen_biases"):
            found |= {f"{name}{i}": a for i, a in enumerate(getattr(self, name), 1)}
        return found


def random_net(seed: int, sizes: tuple[int, ...] = (3, 2, 2), n_labels: int = 2) -> Directed:
    """All parameters from N(0, 1)."""
    draw = np.random.default_rng(seed).standard_normal
    up = list(itertools.pairwise(sizes))
    below = [*sizes[:-2], sizes[-2] + n_labels]
    return Directed(
        [draw(shape) for shape in up], [draw(n) for n in sizes[1:]],
        [draw(shape) for shape in zip(sizes[1:], below, strict=True)], [draw(n) for n in below],
        draw(sizes[-1]), n_labels,
    )  # fmt: skip


Hidden = tuple[Floats, ...]
"""States of the hidden layers, bottom to top."""


def hidden_states(net: Directed) -> list[Hidden]:
    """All of them."""
    return [*itertools.product(*(reference.binary_states(len(b)) for b in net.rec_biases))]


def log_q(net: Directed, image: Floats, hidden: Hidden) -> float:
    """``log q(h | image)``, up the recognition connections."""
    total, below = 0.0, image
    for weights, bias, states in zip(net.rec_weights, net.rec_biases, hidden, strict=True):
        total += log_chance(layer(below, weights, bias), states)
        below = states
    return total


def generated(net: Directed, number: int, above: Floats) -> tuple[Floats, Floats]:
    """Probabilities of the units below a layer of connections, and of the labels."""
    n_units = len(net.rec_weights[number])
    weights, bias = net.gen_weights[number], net.gen_biases[number]
    units = layer(above, weights[:, :n_units], bias[:n_units])
    totals = above @ weights[:, n_units:] + bias[n_units:]
    return units, softmax(totals) if len(totals) else totals


def label_probs(net: Directed, top: Floats) -> Floats:
    """``p(label | top)``."""
    return generated(net, len(net.gen_weights) - 1, top)[1]


def log_p(net: Directed, image: Floats, target: Floats | None, hidden: Hidden) -> float:
    """``log p(image, target, h)``, down the generative connections; of any label without one."""
    top_probs = np.array([reference.logistic(float(b)) for b in net.top_bias])
    total = log_chance(top_probs, hidden[-1])
    for number, (below, above) in enumerate(itertools.pairwise((image, *hidden))):
        total += log_chance(generated(net, number, above)[0], below)
    if target is not None:
        total += math.log(float(label_probs(net, hidden[-1]) @ target))
    return total


def probability(net: Directed, image: Floats, target: Floats | None = None) -> float:
    """``p(image, target)``, or ``p(image)``: summed over all hidden states."""
    return sum(math.exp(log_p(net, image, target, hidden)) for hidden in hidden_states(net))


def free_energy(net: Directed, image: Floats, target: Floats | None, q: dict[int, float]) -> float:
    """``E_q[log q - log p(image, target, h)]`` for chances q of `hidden_states` in their order."""
    states = hidden_states(net)
    return sum(p * (math.log(p) - log_p(net, image, target, states[k])) for k, p in q.items())


def recognition(net: Directed, image: Floats) -> dict[int, float]:
    """The chance of each of the `hidden_states`."""
    return {k: math.exp(log_q(net, image, h)) for k, h in enumerate(hidden_states(net))}


def dreams(net: Directed) -> list[tuple[float, Floats, Floats, Hidden]]:
    """Every dream and its chance: pixels, label, hidden states."""
    found = []
    for image in reference.binary_states(len(net.rec_weights[0])):
        for target, hidden in itertools.product(one_hots(net.n_labels), hidden_states(net)):
            found.append((math.exp(log_p(net, image, target, hidden)), image, target, hidden))
    return found


def up_pass_label_probs(net: Directed, image: Floats) -> Floats:
    """What the top generates after a pass of probabilities."""
    units = image
    for weights, bias in zip(net.rec_weights, net.rec_biases, strict=True):
        units = layer(units, weights, bias)
    return label_probs(net, units)
