"""What a net has in mind: alternating Gibbs sampling, with labels clamped or free, and dreams.

The chapter's text around Figures 4 and 5, "Using contrastive wake-sleep for generative
fine-tuning", and the end of "Learning one layer of feature detectors".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinton06 import numerics
from hinton06.models import DeepBeliefNet, Layer, Rbm
from hinton06.numerics import Array, Labels
from hinton06.rbm import hidden_probs, parts, sample_visible, visible_probs

_TICK = 50  # rounds between two calls of a `tick`


@dataclass(frozen=True, eq=False)
class Generator:
    """An RBM that is sampled, and the directed layers between it and the pixels.

    `up` are the recognition layers from the pixels to it, bottom first, which only the start of a
    chain uses; `down` the generative ones from its visible units to the pixels, top first.
    """

    rbm: Rbm
    up: tuple[Layer, ...] = ()
    down: tuple[Layer, ...] = ()

    @property
    def n_labels(self) -> int:
        """The number of label units, 0 where there are none."""
        return self.rbm.n_labels

    @property
    def n_pixels(self) -> int:
        """The number of pixels of an image."""
        return int(self.up[0][0].shape[0]) if self.up else self.rbm.n_visible - self.n_labels

    def dream(
        self,
        n_chains: int,
        n_samples: int,
        rounds: int,
        rng: np.random.Generator,
        labels: Labels | None = None,
        tick: Callable[[float], None] = lambda _rounds: None,
    ) -> Fantasies:
        """`fantasies` of so many chains from their `start`."""
        chains = start(self, n_chains, rng, labels)
        return fantasies(self, chains, n_samples, rounds, rng, tick)

    @classmethod
    def of_net(cls, net: DeepBeliefNet) -> Generator:
        """The generative model of Figure 4, which shares the net's arrays."""
        return cls(net.memory, net.recognition, net.generative)

    @classmethod
    def of_layer(cls, stack: Sequence[Rbm], layer: int) -> Generator:
        """One RBM of a stack, from 1 at the bottom, with the tied weights of those below it.

        "the weight between any two units in adjacent layers is the same in both directions". Shares
        the stack's arrays; ValueError if there is no such layer.
        """
        if not 1 <= layer <= len(stack):
            raise ValueError(f"layer {layer} of a stack of {len(stack)}")
        below = stack[: layer - 1]
        return cls(
            stack[layer - 1],
            tuple((rbm.weights, rbm.hidden_bias) for rbm in below),
            tuple((rbm.weights.T, rbm.visible_bias) for rbm in reversed(below)),
        )


class AlternatingGibbs:
    """Chains of alternating Gibbs sampling in one RBM, side by side, in buffers made once.

    `v_states`, (n, n_visible) of 0 and 1, is where the n chains start, copied; as an attribute,
    where they are. `v_probs` is what they were drawn from in the last round, clamped labels too. Of
    (n,) `labels` each is the label unit that is clamped on in its chain, all others off; ValueError
    if there is no such one. Without them the label units are sampled like the others, as a softmax
    group. Source: "alternating Gibbs sampling", "Learning one layer of feature detectors"; "with
    one of the label units clamped", "Using contrastive wake-sleep for generative fine-tuning".
    """

    def __init__(self, rbm: Rbm, v_states: Array, labels: Labels | None = None) -> None:
        self.rbm = rbm
        self._targets = None if labels is None else numerics.one_hot_targets(labels, rbm.n_labels)
        self.v_states = np.array(v_states, rbm.weights.dtype)
        self._clamp()
        self.v_probs = self.v_states.copy()
        shape = (len(v_states), rbm.n_hidden)
        self._h_probs, self._h_states = (np.empty(shape, rbm.weights.dtype) for _ in range(2))

    def run(self, rounds: int, rng: np.random.Generator) -> None:
        """So many rounds in every chain: all features by Eq. 5, then all visible units by Eq. 6."""
        for _ in range(rounds):
            hidden_probs(self.rbm, self.v_states, out=self._h_probs)
            numerics.bernoulli(self._h_probs, rng, self._h_states)
            visible_probs(self.rbm, self._h_states, out=self.v_probs)
            sample_visible(self.rbm, self.v_probs, rng, self.v_states)
            # Given the features the labels and the other units are independent, so putting the
            # clamped labels back leaves a draw of the others from their conditional distribution.
            self._clamp()

    def _clamp(self) -> None:
        if self._targets is not None:
            parts(self.rbm, self.v_states)[1][...] = self._targets

    def labels(self) -> NDArray[np.intp]:
        """The label unit that is on in each chain: (n,); ValueError if there are none."""
        on: NDArray[np.intp] = parts(self.rbm, self.v_states)[1].argmax(axis=1)
        return on


def start(
    generator: Generator, n_chains: int, rng: np.random.Generator, labels: Labels | None = None
) -> AlternatingGibbs:
    """Chains that start each from a random binary image, and labels where they are not clamped.

    "This starts with a random image". That pixels are on with probability 0.5, and that the memory
    starts from a stochastic up-pass of such an image, is as in Hinton, Osindero and Teh (2006).
    """
    rbm, dtype = generator.rbm, generator.rbm.weights.dtype
    coin: Array = np.full((n_chains, generator.n_pixels), 0.5, dtype)
    v_states = np.empty((n_chains, rbm.n_visible), dtype)
    unit_states, label_states = parts(rbm, v_states)
    unit_states[...] = numerics.stochastic_pass(numerics.bernoulli(coin, rng), generator.up, rng)
    if rbm.n_labels and labels is None:
        label_states[...] = numerics.one_hot(np.ones(label_states.shape) / rbm.n_labels, rng)
    return AlternatingGibbs(rbm, v_states, labels)


def top_down_pass(down: Sequence[Layer], states: Array, rng: np.random.Generator) -> Array:
    """From states above to (n, n_pixels) probabilities of the pixels; layers between are sampled.

    "the 500 hidden units that form part of the associative memory are used to stochastically
    activate some of the units in the layer below via the top-down, generative connections". That
    the pixels are shown as probabilities: Hinton, Osindero and Teh (2006).
    """
    return numerics.firing_probs(numerics.stochastic_pass(states, down[:-1], rng), *down[-1])


def images(generator: Generator, chains: AlternatingGibbs, rng: np.random.Generator) -> Array:
    """What the chains have in mind now, as (n, n_pixels) images in [0, 1], by a `top_down_pass`.

    Where the RBM lies on the pixels, their own probabilities in the last round.
    """
    if generator.down:
        return top_down_pass(generator.down, parts(generator.rbm, chains.v_states)[0], rng)
    return parts(generator.rbm, chains.v_probs)[0].copy()


@dataclass(frozen=True, eq=False)
class Fantasies:
    """Each chain's samples, in their order: (n_chains, n_samples, n_pixels) probabilities.

    `labels` are the (n_chains, n_samples) label units that were on, None where there are none.
    """

    images: Array
    labels: NDArray[np.intp] | None


def fantasies(
    generator: Generator,
    chains: AlternatingGibbs,
    n_samples: int,
    rounds: int,
    rng: np.random.Generator,
    tick: Callable[[float], None] = lambda _rounds: None,
) -> Fantasies:
    """Samples of every chain, so many rounds of Gibbs sampling before each, the first included.

    The chains go on from where they are; `tick` is called with the number of rounds that were made
    since the last call. "The top-level associative memory is run for 1000 iterations of alternating
    Gibbs sampling between samples", Figure 5.
    """
    seen, labels = [], []
    for _ in range(n_samples):
        for block in numerics.batches(rounds, _TICK):
            chains.run(block.stop - block.start, rng)
            tick(block.stop - block.start)
        seen.append(images(generator, chains, rng))
        if generator.rbm.n_labels:
            labels.append(chains.labels())
    return Fantasies(np.stack(seen, axis=1), np.stack(labels, axis=1) if labels else None)
