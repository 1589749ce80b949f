"""The parameters that the chapter learns, of each kind of net.

`Rbm`, `Stack`, `Classifier`, `DeepBeliefNet`, `PairNet` and `DirectedNet`.

A model's shapes are checked once, when it is made, and never change (ValueError if they disagree,
dtypes do, or a number is not finite); its numbers are changed in place, by `hinton06.updates` and
`Model.copy_from` alone.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.random import Generator

from hinton06.numerics import Array

Layer: TypeAlias = tuple[Array, Array]
"""Weights (n_from, n_to) and biases (n_to,) of one directed layer."""


def _check_matrix(name: str, array: Array) -> None:
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} have shape {array.shape}, expected a matrix")


def _check(name: str, array: Array, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    if array.dtype != dtype or dtype.kind != "f":
        raise ValueError(f"{name} has dtype {array.dtype}, expected one floating dtype")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} is not C-contiguous")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a number that is not finite")


class Model(ABC):
    """What has parameters, taken apart and put together as a tree: the one that files hold."""

    @abstractmethod
    def arrays(self) -> dict[str, Any]:
        """The parameters, not copied, and numbers of labels, in nested dictionaries."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, tree: Mapping[str, Any]) -> Self:
        """The model of these `arrays`; ValueError or KeyError if some are missing or do not fit."""

    @abstractmethod
    def parameters(self) -> dict[str, Array]:
        """Every array by a name for people, bottom to top."""

    @property
    @abstractmethod
    def n_pixels(self) -> int:
        """The number of pixels of an image."""

    @property
    @abstractmethod
    def n_classes(self) -> int:
        """The number of classes that it knows, 0 if it was learned without labels."""

    def copy(self) -> Self:
        """An equal model with parameters of its own."""
        return copy.deepcopy(self)

    def copy_from(self, other: Self) -> None:
        """Take over the numbers of another one; ValueError if it has other shapes."""
        mine, theirs = dict(_leaves(self.arrays())), dict(_leaves(other.arrays()))
        if mine.keys() != theirs.keys():
            some = ", ".join(sorted(mine.keys() ^ theirs.keys()))
            raise ValueError(f"a model with {some} does not fit one without")
        for name, value in theirs.items():
            if _size(value) != _size(mine[name]):
                raise ValueError(f"{name} of {_size(value)} does not fit {_size(mine[name])}")
        for name, value in theirs.items():
            if isinstance(value, np.ndarray):
                np.copyto(mine[name], value)


def _size(value: Any) -> str:
    return f"shape {value.shape}" if isinstance(value, np.ndarray) else f"{value}"


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name} ")
        else:
            yield prefix + name, value


_OF_RBM = ("weights", "visible_bias", "hidden_bias")


@dataclass(frozen=True, eq=False)
class Rbm:
    """A restricted Boltzmann machine with binary units: "Learning one layer of feature detectors".

    Arrays: (n_visible, n_hidden), (n_visible,) and (n_hidden,), C-contiguous, of one float dtype.
    The last `n_labels` visible units are the label units of Figure 4: a softmax group, one on.
    """

    weights: Array
    visible_bias: Array
    hidden_bias: Array
    n_labels: int = 0

    def __post_init__(self) -> None:
        _check_matrix("weights", self.weights)
        if not 0 <= self.n_labels < self.weights.shape[0]:
            raise ValueError(f"{self.n_labels} labels among {self.weights.shape[0]} visible units")
        shape = self.weights.shape
        for name, own in zip(_OF_RBM, (shape, shape[:1], shape[1:]), strict=True):
            _check(name, getattr(self, name), own, self.weights.dtype)

    @property
    def n_visible(self) -> int:
        """The number of visible units, labels included."""
        return int(self.weights.shape[0])

    @property
    def n_hidden(self) -> int:
        """The number of feature detectors."""
        return int(self.weights.shape[1])

    @classmethod
    def random(
        cls, n_visible: int, n_hidden: int, initial_sd: float, rng: Generator, n_labels: int = 0,
        hidden_bias: float = 0.0,
    ) -> Rbm:  # fmt: skip
        """A float32 RBM with weights from N(0, initial_sd^2) and zero biases, but of features.

        The chapter starts "with zero weights", but so, with hidden probabilities in the statistics,
        every feature would stay the same as every other: assumed, see docs/assumptions.md.
        """
        weights = rng.standard_normal((n_visible, n_hidden), dtype=np.float32)
        weights *= np.float32(initial_sd)
        biases = np.zeros(n_visible, np.float32), np.full(n_hidden, hidden_bias, np.float32)
        return cls(weights, *biases, n_labels)

    @classmethod
    def mirrored(cls, below: Rbm, n_labels: int = 0) -> Rbm:
        """The RBM above one without labels that leaves what both together generate as it was.

        Its features are the units below. With zero weights and biases to label units. ValueError if
        there are labels below. "their weights are initialized correctly", "A greedy learning
        algorithm for multiple hidden layers".
        """
        if below.n_labels:
            raise ValueError("labels below the top layer")
        blank = np.zeros((n_labels, below.n_visible), below.weights.dtype)
        weights = np.vstack([below.weights.T, blank])
        visible_bias = np.concatenate([below.hidden_bias, blank[:, 0]])
        return cls(weights, visible_bias, below.visible_bias.copy(), n_labels)

    def parameters(self) -> dict[str, Array]:
        """Every array by its name."""
        return {name: getattr(self, name) for name in _OF_RBM}


class Stack(tuple[Rbm, ...], Model):
    """RBMs on top of each other, each one's features the next one's data; bottom to top.

    At least one, and only the top one may have label units. "A greedy learning algorithm for
    multiple hidden layers".
    """

    def __new__(cls, rbms: Iterable[Rbm]) -> Self:
        """Check that they fit each other."""
        stack = super().__new__(cls, rbms)
        if not stack:
            raise ValueError("a stack of no RBMs")
        for below, above in pairwise(stack):
            n_units = above.n_visible - above.n_labels
            if below.n_hidden != n_units or below.n_labels:
                raise ValueError(f"{below.n_hidden} features below {n_units} visible units")
        return stack

    @property
    def n_pixels(self) -> int:
        """As `Model`."""
        return self[0].n_visible - self[0].n_labels

    @property
    def n_classes(self) -> int:
        """The number of label units, 0 if it was learned without labels."""
        return self[-1].n_labels

    def arrays(self) -> dict[str, Any]:
        """``rbm1`` at the bottom, of ``weights``, biases, and ``n_labels`` where there are some."""
        return {
            f"rbm{i}": rbm.parameters() | ({"n_labels": rbm.n_labels} if rbm.n_labels else {})
            for i, rbm in enumerate(self, 1)
        }

    @classmethod
    def from_arrays(cls, tree: Mapping[str, Any]) -> Self:
        """As `Model`."""
        return cls(Rbm(**tree[f"rbm{i}"]) for i in range(1, len(tree) + 1))

    def parameters(self) -> dict[str, Array]:
        """As `Model`."""
        return {
            f"layer {i} {name.replace('_bias', ' biases')}": array
            for i, rbm in enumerate(self, 1)
            for name, array in rbm.parameters().items()
        }


@dataclass(frozen=True, eq=False)
class Classifier(Model):
    """A feedforward net of logistic layers with a softmax on top.

    Weights are (n_in, n_out), biases (n_out,), bottom to top, the last those of the class units.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    def __post_init__(self) -> None:
        if not self.weights or len(self.weights) != len(self.biases):
            n_weights, n_biases = len(self.weights), len(self.biases)
            raise ValueError(f"{n_weights} weight matrices with {n_biases} bias vectors")
        dtype = self.weights[0].dtype
        for number, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            _check_matrix(f"weights {number}", weights)
            n_in = weights.shape[0] if number == 1 else self.weights[number - 2].shape[1]
            _check(f"weights {number}", weights, (n_in, weights.shape[1]), dtype)
            _check(f"biases {number}", bias, weights.shape[1:], dtype)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of units of each layer, pixels first and classes last."""
        return (int(self.weights[0].shape[0]), *(int(w.shape[1]) for w in self.weights))

    @property
    def n_pixels(self) -> int:
        """As `Model`."""
        return self.sizes[0]

    @property
    def n_classes(self) -> int:
        """The number of class units."""
        return self.sizes[-1]

    def arrays(self) -> dict[str, Any]:
        """``weights1`` and ``biases1`` at the bottom."""
        parts = {"weights": self.weights, "biases": self.biases}
        return {f"{part}{i}": a for part, own in parts.items() for i, a in enumerate(own, 1)}

    @classmethod
    def from_arrays(cls, tree: Mapping[str, Any]) -> Self:
        """As `Model`."""
        numbers = range(1, len(tree) // 2 + 1)
        weights, biases = ([tree[f"{part}{i}"] for i in numbers] for part in ("weights", "biases"))
        return cls(tuple(weights), tuple(biases))

    def parameters(self) -> dict[str, Array]:
        """As `Model`."""
        layers = enumerate(zip(self.weights, self.biases, strict=True), 1)
        named = {i: {"weights": weights, "biases": biases} for i, (weights, biases) in layers}
        return {f"layer {i} {part}": a for i, layer in named.items() for part, a in layer.items()}

    @classmethod
    def on_stack(cls, stack: Sequence[Rbm], n_classes: int) -> Classifier:
        """The recognition direction of a stack, copied, with zero weights to the class units.

        Without label units. That the softmax starts from zero is assumed: docs/assumptions.md.
        """
        dtype = stack[-1].weights.dtype
        weights = [rbm.weights[: rbm.n_visible - rbm.n_labels] for rbm in stack]
        weights.append(np.zeros((stack[-1].n_hidden, n_classes), dtype))
        biases = [rbm.hidden_bias for rbm in stack] + [np.zeros(n_classes, dtype)]
        return cls(tuple(weights), tuple(biases)).copy()

    @classmethod
    def random(cls, sizes: Sequence[int], initial_scale: float, rng: Generator) -> Classifier:
        """A float32 net from a random start: that of the chapter's last line of Table 1.

        Weights to hidden units are N(0, initial_scale^2 / n_in). The chapter has "small random
        values", of no size that it says: ours is assumed, see docs/assumptions.md. Biases, and
        weights to the class units, are zero, as they are `on_stack`.
        """
        weights = []
        for n_in, n_out in pairwise(sizes[:-1]):
            layer = rng.standard_normal((n_in, n_out), dtype=np.float32)
            layer *= np.float32(initial_scale / np.sqrt(n_in))
            weights.append(layer)
        weights.append(np.zeros((sizes[-2], sizes[-1]), np.float32))
        return cls(tuple(weights), tuple(np.zeros(n, np.float32) for n in sizes[1:]))


@dataclass(frozen=True, eq=False)
class Pathway:
    """Two directed layers between pixels and an associative memory, up and down: vis, hid, pen.

    Bottom-up recognition and top-down generative parameters are different arrays. A matrix is of
    the shape that its name says, `vishid` (n_vis, n_hid), and the biases are `hid_rec_bias`
    (n_hid,), and so on. Source: Figure 4.
    """

    vishid: Array
    hid_rec_bias: Array
    hidpen: Array
    pen_rec_bias: Array
    penhid: Array
    hid_gen_bias: Array
    hidvis: Array
    vis_gen_bias: Array

    def __post_init__(self) -> None:
        self.check_directed(self.vishid.dtype)

    def check_directed(self, dtype: np.dtype[np.generic]) -> None:
        """Raise ValueError unless the layers fit each other, all of one dtype."""
        _check_matrix("vishid", self.vishid)
        _check_matrix("hidpen", self.hidpen)
        (n_vis, n_hid), n_pen = self.vishid.shape, self.hidpen.shape[1]
        shapes: tuple[tuple[int, ...], ...] = (
            (n_vis, n_hid), (n_hid,), (n_hid, n_pen), (n_pen,),
            (n_pen, n_hid), (n_hid,), (n_hid, n_vis), (n_vis,),
        )  # fmt: skip
        for name, shape in zip(DIRECTED, shapes, strict=True):
            _check(name, getattr(self, name), shape, dtype)

    @property
    def n_pixels(self) -> int:
        """The number of pixels of an image."""
        return int(self.vishid.shape[0])

    @property
    def n_pen(self) -> int:
        """The number of penultimate features."""
        return int(self.hidpen.shape[1])

    @property
    def recognition(self) -> tuple[Layer, Layer]:
        """The bottom-up layers, from the pixels to pen."""
        return (self.vishid, self.hid_rec_bias), (self.hidpen, self.pen_rec_bias)

    @property
    def generative(self) -> tuple[Layer, Layer]:
        """The top-down layers, from pen to the pixels."""
        return (self.penhid, self.hid_gen_bias), (self.hidvis, self.vis_gen_bias)

    @classmethod
    def untied(cls, stack: Sequence[Rbm]) -> Pathway:
        """The two lowest RBMs of a stack, copied, their directions now apart.

        ValueError if there are not so many without labels.
        """
        if len(stack) < 2 or stack[0].n_labels or stack[1].n_labels:
            raise ValueError("a pathway takes two layers without labels")
        return copy.deepcopy(Pathway(**_apart(*stack[:2])))


@dataclass(frozen=True, eq=False)
class DeepBeliefNet(Pathway, Model):
    """The generative model of Figure 4: layers vis, hid, pen, top and lab.

    Bottom-up recognition and top-down generative parameters are different arrays; pen, lab and top
    form an associative memory with symmetric weights. A matrix is of the shape that its name says,
    `vishid` (n_vis, n_hid), and the biases are `hid_rec_bias` (n_hid,), and so on. Visible units of
    the memory are pen, then lab (`n_labels` of them, 0 without labels); hidden are top. Source:
    Figure 4, and "Using contrastive wake-sleep for generative fine-tuning".
    """

    memory: Rbm

    def __post_init__(self) -> None:
        self.check_directed(self.memory.weights.dtype)
        n_pen = self.n_pen
        if self.memory.n_visible != n_pen + self.n_labels:
            below = f"{n_pen} penultimate features and {self.n_labels} labels"
            raise ValueError(f"a memory of {self.memory.n_visible} visible units on {below}")

    @property
    def n_labels(self) -> int:
        """The number of label units."""
        return self.memory.n_labels

    n_classes = n_labels

    @property
    def pathways(self) -> dict[str, DeepBeliefNet]:
        """Itself, by what comes before the names of its arrays: it has one pathway."""
        return {"": self}

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

    def arrays(self) -> dict[str, Any]:
        """The directed arrays under their names, those of the ``memory_``, and ``n_labels``."""
        return {**self.parameters(), "n_labels": self.n_labels}

    @classmethod
    def from_arrays(cls, tree: Mapping[str, Any]) -> Self:
        """As `Model`."""
        parts = {part: tree[f"memory_{part}"] for part in _OF_RBM}
        memory = Rbm(**parts, n_labels=int(tree["n_labels"]))
        return cls(**{name: tree[name] for name in DIRECTED}, memory=memory)

    def parameters(self) -> dict[str, Array]:
        """Every array by its name."""
        memory = {f"memory_{part}": array for part, array in self.memory.parameters().items()}
        return {name: getattr(self, name) for name in DIRECTED} | memory

    @classmethod
    def untied(cls, stack: Sequence[Rbm]) -> DeepBeliefNet:
        """A pretrained stack of three seen as one generative model, its directions now apart.

        "It is possible, however, to take a very different view of exactly the same system". Weights
        are copies; ValueError if there are not three RBMs, or one below the top has labels.
        """
        if len(stack) != 3:
            raise ValueError(f"a stack of {len(stack)} RBMs, the net of Figure 4 has three")
        low, middle, top = stack
        if low.n_labels or middle.n_labels:
            raise ValueError("labels below the top layer")
        return cls(**_apart(low, middle), memory=top).copy()


def _apart(low: Rbm, middle: Rbm) -> dict[str, Array]:
    """The directed arrays of two RBMs; the generative weights are copies of the transposes."""
    up = low.weights, low.hidden_bias, middle.weights, middle.hidden_bias
    penhid, hidvis = (np.ascontiguousarray(rbm.weights.T) for rbm in (middle, low))
    down = penhid, middle.visible_bias, hidvis, low.visible_bias
    return dict(zip(DIRECTED, (*up, *down), strict=True))


@dataclass(frozen=True, eq=False)
class PairNet(Model):
    """Two pathways that meet in one associative memory: the net of pairs.

    Visible units of the memory are pen of the images, then pen of the second pathway; hidden are
    top. Source: "the same learning algorithm can be used if the 'labels' are replaced by a
    multilayer pathway", "Using contrastive wake-sleep for generative fine-tuning".
    """

    image: Pathway
    second: Pathway
    memory: Rbm

    def __post_init__(self) -> None:
        n_pen = self.image.n_pen + self.second.n_pen
        if self.memory.n_labels or self.memory.n_visible != n_pen:
            raise ValueError(f"a memory of {self.memory.n_visible} visible units on {n_pen}")
        for own in self.pathways.values():
            own.check_directed(self.memory.weights.dtype)

    @property
    def pathways(self) -> dict[str, Pathway]:
        """Both, by what comes before the names of their arrays."""
        return {"image_": self.image, "second_": self.second}

    @property
    def n_pixels(self) -> int:
        """As `Model`; those of an image, not of the second pathway's."""
        return self.image.n_pixels

    @property
    def n_classes(self) -> int:
        """None: it learns no labels."""
        return 0

    def arrays(self) -> dict[str, Any]:
        """As `parameters`."""
        return {**self.parameters()}

    @classmethod
    def from_arrays(cls, tree: Mapping[str, Any]) -> Self:
        """As `Model`."""
        image, second = (
            Pathway(**{name: tree[prefix + name] for name in DIRECTED})
            for prefix in ("image_", "second_")
        )
        return cls(image, second, Rbm(**{part: tree[f"memory_{part}"] for part in _OF_RBM}))

    def parameters(self) -> dict[str, Array]:
        """Every array by its name, those of a pathway with ``image_`` or ``second_`` before it."""
        found = {p + name: getattr(o, name) for p, o in self.pathways.items() for name in DIRECTED}
        return found | {f"memory_{part}": a for part, a in self.memory.parameters().items()}


@dataclass(frozen=True, eq=False)
class DirectedNet(Model):
    """The net of Figure 1: recognition and generative connections of their own, and no memory.

    Bottom to top, `rec_weights` are (n_below, n_above) with `rec_biases` (n_above,), and
    `gen_weights` (n_above, n_below) with `gen_biases` (n_below,). The top generates, behind the
    units below it, `n_labels` label units, a softmax group, one on; they recognise nothing. Top
    units are independent, "using only the generative bias of each top-level unit": `top_bias`
    (n_top,).
    """

    rec_weights: tuple[Array, ...]
    rec_biases: tuple[Array, ...]
    gen_weights: tuple[Array, ...]
    gen_biases: tuple[Array, ...]
    top_bias: Array
    n_labels: int = 0

    def __post_init__(self) -> None:
        n_layers = len(self.rec_weights)
        if not n_layers or {len(getattr(self, name)) for name in _OF_DIRECTED} != {n_layers}:
            raise ValueError("a directed net whose layers do not pair")
        if self.n_labels < 0:
            raise ValueError(f"{self.n_labels} labels")
        below = len(self.rec_weights[0])
        for number, weights in enumerate(self.rec_weights, 1):
            _check_matrix(f"rec_weights{number}", weights)
            above = weights.shape[1]
            generated = below + (self.n_labels if number == n_layers else 0)
            shapes = (below, above), (above,), (above, generated), (generated,)
            for name, shape in zip(_OF_DIRECTED, shapes, strict=True):
                array = getattr(self, name)[number - 1]
                _check(f"{name}{number}", array, shape, self.top_bias.dtype)
            below = above
        _check("top_bias", self.top_bias, (below,), self.top_bias.dtype)

    @property
    def n_pixels(self) -> int:
        """As `Model`."""
        return len(self.rec_weights[0])

    @property
    def n_classes(self) -> int:
        """The number of label units."""
        return self.n_labels

    @property
    def recognition(self) -> tuple[Layer, ...]:
        """The bottom-up layers, from the pixels."""
        return tuple(zip(self.rec_weights, self.rec_biases, strict=True))

    @property
    def down(self) -> tuple[Layer, ...]:
        """The top-down layers to the pixels, top first, without the labels."""
        n_units = len(self.rec_weights[-1])
        top = self.gen_weights[-1][:, :n_units], self.gen_biases[-1][:n_units]
        lower = zip(self.gen_weights[:-1], self.gen_biases[:-1], strict=True)
        return (*lower, top)[::-1]

    @property
    def to_labels(self) -> Layer:
        """The layer from the top to the labels, views."""
        n_units = len(self.rec_weights[-1])
        return self.gen_weights[-1][:, n_units:], self.gen_biases[-1][n_units:]

    def arrays(self) -> dict[str, Any]:
        """``rec_weights1`` at the bottom and the like, ``top_bias`` and ``n_labels``."""
        return {**self.parameters(), "n_labels": self.n_labels}

    @classmethod
    def from_arrays(cls, tree: Mapping[str, Any]) -> Self:
        """As `Model`."""
        counts = (sum(name.startswith(own) for name in tree) for own in _OF_DIRECTED)
        numbers = range(1, max(counts) + 1)
        own = {name: tuple(tree[f"{name}{i}"] for i in numbers) for name in _OF_DIRECTED}
        return cls(**own, top_bias=tree["top_bias"], n_labels=int(tree["n_labels"]))

    def parameters(self) -> dict[str, Array]:
        """Every array by its name."""
        named = {
            f"{name}{i}": array
            for name in _OF_DIRECTED
            for i, array in enumerate(getattr(self, name), 1)
        }
        return named | {"top_bias": self.top_bias}

    @classmethod
    def on_stack(cls, stack: Sequence[Rbm], n_labels: int) -> DirectedNet:
        """A pretrained stack with its directions apart, and independent units on top, biases 0.

        Each RBM's weights recognise and, transposed, generate; without its label units, and with
        zero weights to labels, as in `Classifier.on_stack`. All are copies.
        """
        units = [rbm.n_visible - rbm.n_labels for rbm in stack]
        up = [rbm.weights[:n] for rbm, n in zip(stack, units, strict=True)]
        down = [weights.T for weights in up]
        biases = [rbm.visible_bias[:n] for rbm, n in zip(stack, units, strict=True)]
        dtype, n_top = up[0].dtype, stack[-1].n_hidden
        down[-1] = np.hstack([down[-1], np.zeros((n_top, n_labels), dtype)])
        biases[-1] = np.concatenate([biases[-1], np.zeros(n_labels, dtype)])
        whole = tuple(map(np.ascontiguousarray, down))
        rec_biases = tuple(rbm.hidden_bias for rbm in stack)
        top_bias = np.zeros(n_top, dtype)
        return cls(tuple(up), rec_biases, whole, tuple(biases), top_bias, n_labels).copy()

    @classmethod
    def random(
        cls, sizes: Sequence[int], n_labels: int, initial_sd: float, rng: Generator
    ) -> DirectedNet:
        """A float32 net with weights from N(0, initial_sd^2) and zero biases.

        `sizes` are units of each layer, pixels first: "starting with small random values".
        """
        up = list(pairwise(sizes))
        down = [(above, below) for below, above in up]
        down[-1] = sizes[-1], sizes[-2] + n_labels
        weights = [rng.standard_normal(shape, dtype=np.float32) for shape in (*up, *down)]
        for array in weights:
            np.multiply(array, np.float32(initial_sd), out=array)
        biases = [np.zeros(array.shape[1], np.float32) for array in weights]
        n, top_bias = len(up), np.zeros(sizes[-1], np.float32)
        rec, gen = (tuple(weights[:n]), tuple(biases[:n])), (tuple(weights[n:]), tuple(biases[n:]))
        return cls(*rec, *gen, top_bias, n_labels)


DIRECTED = [field.name for field in fields(Pathway)]
"""The names of a pathway's arrays."""

_OF_DIRECTED = ("rec_weights", "rec_biases", "gen_weights", "gen_biases")
