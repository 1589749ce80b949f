"""The evolutionary strategy: gradients found by jitter, of the weights or of the activities.

The chapter's section "Five strategies for learning multilayer networks", no. 2; beside it the
gradient that calculus finds, no. 4. A gradient is that of the mean log probability of the labels,
uphill, an array for each of `Classifier.parameters`. An estimate is a function of its jitter, whose
components are independent, of mean 0 and variance 1; so its mean over all draws of the jitter is
the gradient, up to terms of the order of ``size ** 2``.

For small sizes ``d = g . jitter`` is how much the log probability rises, and the estimate is
``d * jitter``. Of n signs its variance, summed over components, is ``(n - 1) |g|^2``, and as much
where one weight at a time is changed: "Changing many weights at the same time is no more efficient
because the changes in other weights create noise". Calculus gives all n components at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.random import Generator

from hinton06 import numerics
from hinton06.backprop import Backpropagation
from hinton06.models import Classifier
from hinton06.numerics import Array, Labels

Gradient: TypeAlias = dict[str, Array]
"""An array for each parameter of a net, under its name there."""


def signs(shape: tuple[int, ...], rng: Generator, dtype: np.dtype[np.generic]) -> Array:
    """-1 or 1, either with probability one half."""
    drawn: Array = rng.integers(0, 2, shape, dtype=np.int8).astype(dtype)
    drawn *= 2
    drawn -= 1
    return drawn


def of_all_weights(net: Classifier, rng: Generator) -> Gradient:
    """A jitter of every weight and bias at the same time: a random sign for each."""
    return {name: signs(p.shape, rng, p.dtype) for name, p in net.parameters().items()}


def of_activities(net: Classifier, n: int, rng: Generator) -> list[Array]:
    """A jitter of the features of every hidden layer for n cases: (n, n_hidden) random signs."""
    dtype = net.weights[0].dtype
    return [signs((n, size), rng, dtype) for size in net.sizes[1:-1]]


def number_of_weights(net: Classifier) -> int:
    """All weights and biases."""
    return sum(p.size for p in net.parameters().values())


# -- the passes ----------------------------------------------------------------------------------


def up_pass(
    net: Classifier, images: Array, jitter: Sequence[Array] = (), size: float = 0.0
) -> list[Array]:
    """Activities of every layer of (n, n_pixels) images in [0, 1], log probabilities last.

    Eq. 1 in the hidden layers, `size` times the jitter added to their total inputs.
    """
    layers = [images]
    *hidden, top = zip(net.weights, net.biases, strict=True)
    for number, (weights, bias) in enumerate(hidden):
        inputs = numerics.affine(layers[-1], weights, bias)
        if jitter:
            inputs += size * jitter[number]
        layers.append(numerics.logistic(inputs))
    layers.append(numerics.log_softmax(numerics.affine(layers[-1], *top)))
    return layers


def log_probs_of(log_probs: Array, labels: Labels) -> Array:
    """Of (n, n_classes) log probabilities those of the labels: (n,) nats."""
    chosen: Array = log_probs[np.arange(len(labels)), labels]
    return chosen


def jittered(net: Classifier, jitter: Mapping[str, Array], size: float) -> Classifier:
    """A copy of the net with `size` times the jitter added to its weights and biases."""
    moved = [p + p.dtype.type(size) * jitter[name] for name, p in net.parameters().items()]
    return Classifier(tuple(moved[::2]), tuple(moved[1::2]))


# -- the gradients -------------------------------------------------------------------------------


def by_calculus(net: Classifier, images: Array, labels: Labels) -> Gradient:
    """The gradient itself, by backpropagation: "The fourth strategy is to use calculus"."""
    n = len(images)
    found: Gradient = {}
    backprop = Backpropagation(net, n)
    backprop.forward(images, slice(None), labels, np.ones(n, images.dtype))
    for number, below, delta in backprop.backward(n):
        found[f"layer {number + 1} weights"] = below @ delta / n
        found[f"layer {number + 1} biases"] = delta.sum(axis=0) / n
    return {name: found[name] for name in net.parameters()}


def by_weights(
    net: Classifier, images: Array, labels: Labels, jitter: Mapping[str, Array], size: float
) -> Gradient:
    """An estimate from one jitter of the weights, the same for all of (n, n_pixels) images.

    "randomly jitter the weights and save the changes that cause the performance of the whole
    network to improve": each weight gets its own change times what all changes together have
    brought. After M. Jabri and B. Flower, "Weight perturbation", 1992.
    """
    before = log_probs_of(up_pass(net, images)[-1], labels).mean()
    after = log_probs_of(up_pass(jittered(net, jitter, size), images)[-1], labels).mean()
    return {name: (after - before) / size * array for name, array in jitter.items()}


def by_activities(
    net: Classifier, images: Array, labels: Labels, jitter: Sequence[Array], size: float
) -> Gradient:
    """An estimate from a jitter of the features, another one for each of (n, n_pixels) images.

    Of the total inputs, so that no slope of a unit is needed: the credit of a feature is its own
    jitter times what all of them together have brought in this case, and its incoming weights get
    it times the activity below. The weights to the class units, "whose desired states were known",
    have their exact gradient. Source: "applying the jitter to the activities of the feature
    detectors rather than to the weights"; as Mazzoni et al. (1991) and Seung (2003).
    """
    n, layers = len(images), up_pass(net, images)
    after = log_probs_of(up_pass(net, images, jitter, size)[-1], labels)
    gained = (after - log_probs_of(layers[-1], labels))[:, np.newaxis] / size
    credits_ = [gained * own for own in jitter]
    top = np.empty_like(layers[-1])
    numerics.label_errors(layers[-1], labels, np.ones(n, images.dtype), top)
    found: Gradient = {}
    for number, (below, credit) in enumerate(zip(layers, [*credits_, top], strict=False), 1):
        found[f"layer {number} weights"] = below.T @ credit / n
        found[f"layer {number} biases"] = credit.sum(axis=0) / n
    return found


def improves(net: Classifier, other: Classifier, images: Array, labels: Labels) -> bool:
    """Whether another net gives the labels a higher mean log probability than this one."""
    before, after = (
        log_probs_of(up_pass(each, images)[-1], labels).mean() for each in (net, other)
    )
    return bool(after > before)


def squared_distance(one: Mapping[str, Array], other: Mapping[str, Array]) -> float:
    """The sum of squared differences, over the parameters of the first, in float64."""
    return sum(
        float(np.square(array - other[name], dtype=np.float64).sum()) for name, array in one.items()
    )
