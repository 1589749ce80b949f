"""The parameters that the chapter learns: an `Rbm`, and a `Classifier`.

A model's shapes are checked once, when it is made, and never change; its numbers are changed
in place by `hinton06.updates` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hinton06.numerics import Array


def _check(name: str, array: Array, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    if array.dtype != dtype or dtype.kind != "f":
        raise ValueError(f"{name} has dtype {array.dtype}, expected one floating dtype")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} is not C-contiguous")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a number that is not finite")


@dataclass(frozen=True, eq=False)
class Rbm:
    """A restricted Boltzmann machine with binary units.

    Parameters
    ----------
    weights : (n_visible, n_hidden) C-contiguous float array
    visible_bias : (n_visible,) array of the same dtype
    hidden_bias : (n_hidden,) array of the same dtype

    Raises
    ------
    ValueError
        If shapes or dtypes disagree, or a number is not finite.

    Source
    ------
    "Learning one layer of feature detectors".
    """

    weights: Array
    visible_bias: Array
    hidden_bias: Array

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or 0 in self.weights.shape:
            raise ValueError(f"weights have shape {self.weights.shape}, expected a matrix")
        dtype = self.weights.dtype
        _check("weights", self.weights, self.weights.shape, dtype)
        _check("visible_bias", self.visible_bias, self.weights.shape[:1], dtype)
        _check("hidden_bias", self.hidden_bias, self.weights.shape[1:], dtype)

    @property
    def n_visible(self) -> int:
        """The number of visible units."""
        return int(self.weights.shape[0])

    @property
    def n_hidden(self) -> int:
        """The number of feature detectors."""
        return int(self.weights.shape[1])

    @classmethod
    def random(
        cls, n_visible: int, n_hidden: int, initial_sd: float, rng: np.random.Generator
    ) -> Rbm:
        """A float32 RBM with weights from N(0, initial_sd^2) and zero biases.

        Parameters
        ----------
        n_visible, n_hidden : int
        initial_sd : float
            The chapter starts "with zero weights". With exact zeros and the hidden
            probabilities in the statistics every feature would stay the same as every other,
            so the start is small and random.
        rng : numpy.random.Generator

        Returns
        -------
        Rbm

        Source
        ------
        "Learning one layer of feature detectors"; the deviation from zero is assumed, see
        README, Assumptions.
        """
        weights = rng.standard_normal((n_visible, n_hidden), dtype=np.float32)
        weights *= np.float32(initial_sd)
        return cls(weights, np.zeros(n_visible, np.float32), np.zeros(n_hidden, np.float32))


@dataclass(frozen=True, eq=False)
class Classifier:
    """A feedforward net of logistic layers with a softmax on top.

    Parameters
    ----------
    weights : sequence of (n_in, n_out) arrays, bottom to top, the last to the class units
    biases : sequence of (n_out,) arrays, one a layer

    Raises
    ------
    ValueError
        If there is no layer, layers do not fit on each other, or a number is not finite.

    Source
    ------
    "Using backpropagation for discriminative fine-tuning".
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    def __post_init__(self) -> None:
        if not self.weights or len(self.weights) != len(self.biases):
            raise ValueError(
                f"{len(self.weights)} weight matrices with {len(self.biases)} bias vectors"
            )
        dtype = self.weights[0].dtype
        for number, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            if weights.ndim != 2 or 0 in weights.shape:
                raise ValueError(f"weights {number} have shape {weights.shape}, expected a matrix")
            n_in = weights.shape[0] if number == 1 else self.weights[number - 2].shape[1]
            _check(f"weights {number}", weights, (n_in, weights.shape[1]), dtype)
            _check(f"biases {number}", bias, weights.shape[1:], dtype)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of units of each layer, pixels first and classes last."""
        return (int(self.weights[0].shape[0]), *(int(w.shape[1]) for w in self.weights))

    @property
    def n_classes(self) -> int:
        """The number of class units."""
        return self.sizes[-1]

    def copy(self) -> Classifier:
        """A classifier with parameters of its own, equal to these."""
        return Classifier(
            tuple(w.copy() for w in self.weights), tuple(b.copy() for b in self.biases)
        )

    @classmethod
    def on_stack(cls, stack: Sequence[Rbm], n_classes: int) -> Classifier:
        """The recognition direction of a stack, with zero weights to the class units.

        Parameters
        ----------
        stack : sequence of Rbm, bottom to top
        n_classes : int

        Returns
        -------
        Classifier
            With copies of the stack's weights and hidden biases.

        Source
        ------
        "Using backpropagation for discriminative fine-tuning"; that the softmax starts from
        zero is assumed, see README, Assumptions.
        """
        dtype = stack[-1].weights.dtype
        return cls(
            (*(r.weights.copy() for r in stack), np.zeros((stack[-1].n_hidden, n_classes), dtype)),
            (*(r.hidden_bias.copy() for r in stack), np.zeros(n_classes, dtype)),
        )

    @classmethod
    def random(
        cls, sizes: Sequence[int], initial_scale: float, rng: np.random.Generator
    ) -> Classifier:
        """A float32 net from a random start: the net that is "not pre-trained".

        Parameters
        ----------
        sizes : sequence of int
            Units of each layer, pixels first, classes last.
        initial_scale : float
            Weights to hidden units are N(0, initial_scale^2 / n_in). Biases, and weights to the
            class units, are zero, as they are `on_stack`.
        rng : numpy.random.Generator

        Returns
        -------
        Classifier

        Source
        ------
        "small random values" in "Learning feature detectors with no supervision"; their size
        is assumed, see README, Assumptions.
        """
        weights = []
        for n_in, n_out in pairwise(sizes[:-1]):
            layer = rng.standard_normal((n_in, n_out), dtype=np.float32)
            layer *= np.float32(initial_scale / np.sqrt(n_in))
            weights.append(layer)
        weights.append(np.zeros((sizes[-2], sizes[-1]), np.float32))
        return cls(tuple(weights), tuple(np.zeros(n, np.float32) for n in sizes[1:]))
