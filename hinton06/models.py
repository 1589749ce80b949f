"""The parameters that the chapter learns: an `Rbm`, a `Classifier`, a `DeepBeliefNet`.

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
    n_labels : int
        How many of the visible units, the last ones, are the label units of Figure 4: a softmax
        group, of which exactly one is on.

    Raises
    ------
    ValueError
        If shapes or dtypes disagree, or a number is not finite.

    Source
    ------
    "Learning one layer of feature detectors"; the labels, "Using contrastive wake-sleep for
    generative fine-tuning".
    """

    weights: Array
    visible_bias: Array
    hidden_bias: Array
    n_labels: int = 0

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or 0 in self.weights.shape:
            raise ValueError(f"weights have shape {self.weights.shape}, expected a matrix")
        if not 0 <= self.n_labels < self.weights.shape[0]:
            raise ValueError(f"{self.n_labels} labels among {self.weights.shape[0]} visible units")
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
        cls,
        n_visible: int,
        n_hidden: int,
        initial_sd: float,
        rng: np.random.Generator,
        n_labels: int = 0,
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
        n_labels : int
            As in `Rbm`; counted in `n_visible`.

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
        return cls(
            weights, np.zeros(n_visible, np.float32), np.zeros(n_hidden, np.float32), n_labels
        )


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
            With copies of the stack's weights and hidden biases; label units are left out.

        Source
        ------
        "Using backpropagation for discriminative fine-tuning"; that the softmax starts from
        zero is assumed, see README, Assumptions.
        """
        dtype = stack[-1].weights.dtype
        return cls(
            (
                *(r.weights[: r.n_visible - r.n_labels].copy() for r in stack),
                np.zeros((stack[-1].n_hidden, n_classes), dtype),
            ),
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


@dataclass(frozen=True, eq=False)
class DeepBeliefNet:
    """The generative model of Figure 4: layers vis, hid, pen, top and lab.

    Bottom-up recognition and top-down generative parameters are different arrays; pen, lab and
    top form an associative memory with symmetric weights.

    Parameters
    ----------
    vishid : (n_vis, n_hid) array
        Recognition weights, from pixels to the first features.
    hid_rec_bias : (n_hid,) array
    hidpen : (n_hid, n_pen) array
        Recognition weights, from the first to the penultimate features.
    pen_rec_bias : (n_pen,) array
    penhid : (n_pen, n_hid) array
        Generative weights.
    hid_gen_bias : (n_hid,) array
    hidvis : (n_hid, n_vis) array
        Generative weights.
    vis_gen_bias : (n_vis,) array
    memory : Rbm
        Visible units are pen, then lab (`n_labels` of them, 0 without labels); hidden are top.

    Raises
    ------
    ValueError
        If shapes or dtypes disagree, or a number is not finite.

    Source
    ------
    Figure 4, and "Using contrastive wake-sleep for generative fine-tuning".
    """

    vishid: Array
    hid_rec_bias: Array
    hidpen: Array
    pen_rec_bias: Array
    penhid: Array
    hid_gen_bias: Array
    hidvis: Array
    vis_gen_bias: Array
    memory: Rbm

    def __post_init__(self) -> None:
        if self.vishid.ndim != 2 or self.hidpen.ndim != 2:
            raise ValueError("vishid and hidpen are not matrices")
        (n_vis, n_hid), n_pen = self.vishid.shape, self.hidpen.shape[1]
        dtype = self.memory.weights.dtype
        for name, array, shape in (
            ("vishid", self.vishid, (n_vis, n_hid)),
            ("hid_rec_bias", self.hid_rec_bias, (n_hid,)),
            ("hidpen", self.hidpen, (n_hid, n_pen)),
            ("pen_rec_bias", self.pen_rec_bias, (n_pen,)),
            ("penhid", self.penhid, (n_pen, n_hid)),
            ("hid_gen_bias", self.hid_gen_bias, (n_hid,)),
            ("hidvis", self.hidvis, (n_hid, n_vis)),
            ("vis_gen_bias", self.vis_gen_bias, (n_vis,)),
        ):
            _check(name, array, shape, dtype)
        if self.memory.n_visible != n_pen + self.memory.n_labels:
            raise ValueError(
                f"a memory of {self.memory.n_visible} visible units on {n_pen} penultimate "
                f"features and {self.memory.n_labels} labels"
            )

    @property
    def n_pen(self) -> int:
        """The number of penultimate features."""
        return int(self.hidpen.shape[1])

    @property
    def n_labels(self) -> int:
        """The number of label units."""
        return self.memory.n_labels

    @property
    def pentop(self) -> Array:
        """The memory's weights between pen and top: (n_pen, n_top), a view."""
        return self.memory.weights[: self.n_pen]

    @property
    def labtop(self) -> Array:
        """The memory's weights between lab and top: (n_labels, n_top), a view."""
        return self.memory.weights[self.n_pen :]

    @property
    def pen_gen_bias(self) -> Array:
        """The memory's biases of pen: (n_pen,), a view."""
        return self.memory.visible_bias[: self.n_pen]

    @property
    def lab_gen_bias(self) -> Array:
        """The memory's biases of lab: (n_labels,), a view."""
        return self.memory.visible_bias[self.n_pen :]

    @property
    def top_bias(self) -> Array:
        """The memory's biases of top: (n_top,)."""
        return self.memory.hidden_bias

    @classmethod
    def untied(cls, stack: Sequence[Rbm]) -> DeepBeliefNet:
        """A pretrained stack seen as one generative model, its directions from now on apart.

        Parameters
        ----------
        stack : sequence of three Rbm, bottom to top

        Returns
        -------
        DeepBeliefNet
            Recognition and generative weights are equal, but copies.

        Raises
        ------
        ValueError
            If there are not three RBMs, or one below the top has labels.

        Source
        ------
        "It is possible, however, to take a very different view of exactly the same system".
        """
        if len(stack) != 3:
            raise ValueError(f"a stack of {len(stack)} RBMs, the net of Figure 4 has three")
        low, middle, top = stack
        if low.n_labels or middle.n_labels:
            raise ValueError("labels below the top layer")
        return cls(
            vishid=low.weights.copy(),
            hid_rec_bias=low.hidden_bias.copy(),
            hidpen=middle.weights.copy(),
            pen_rec_bias=middle.hidden_bias.copy(),
            penhid=np.ascontiguousarray(middle.weights.T),
            hid_gen_bias=middle.visible_bias.copy(),
            hidvis=np.ascontiguousarray(low.weights.T),
            vis_gen_bias=low.visible_bias.copy(),
            memory=Rbm(
                top.weights.copy(), top.visible_bias.copy(), top.hidden_bias.copy(), top.n_labels
            ),
        )
