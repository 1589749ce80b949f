"""What a net says of an image: class probabilities, their cost, their errors, their product.

Images are (n, n_pixels), of uint8 pixels or floats in [0, 1]; what is said of them is (n,
n_classes) log probabilities in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hinton06 import numerics
from hinton06.distortion import Distorter
from hinton06.models import Classifier, DeepBeliefNet, Model, Pathway, Rbm
from hinton06.neighbours import Neighbours
from hinton06.numerics import Array, Labels

_BATCH = 1000
_SMALL_BATCH = 100  # whose top units' numbers stay in a core's cache


@dataclass(frozen=True, eq=False)
class Cases:
    """Labelled images: (n, n_pixels) bytes and (n,) integers.

    `numbers`, (n,), are their places in the training or test set, from 0, where it matters. With a
    `distorter` the images are distorted whenever they are learned, and not when they are measured;
    with `neighbours` they have moved towards one or away from it before.
    `unlabelled` are more cases, learned beside these, whose labels are not looked at.
    """

    images: NDArray[np.uint8]
    labels: Labels
    numbers: NDArray[np.intp] | None = None
    distorter: Distorter | None = None
    neighbours: Neighbours | None = None
    unlabelled: Cases | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def begin(self, epoch: int) -> None:
        """Start an epoch of learning, from 0."""
        for change in (self.neighbours, self.distorter):
            if change:
                change.begin(epoch)

    def learned(self, rows: NDArray[np.intp]) -> tuple[NDArray[Any], Any]:
        """Images, and which of them are those of the chosen rows as they are learned now."""
        images: NDArray[Any] = self.images
        chosen: Any = rows
        for change in (self.neighbours, self.distorter):
            if change:
                images, chosen = change(images, chosen), slice(None)
        return images, chosen


@dataclass(frozen=True)
class Score:
    """How well a set of labelled cases is recognised: the columns of Table 1.

    An error is a case whose most probable class is not its label; the cost is the cross-entropy,
    minus the mean log probability of the label, in nats per 100 cases.
    """

    cases: int
    errors: int
    cost_per_100: float

    @property
    def error_rate(self) -> float:
        """Errors in per cent of the cases."""
        return 100 * self.errors / self.cases

    @property
    def standard_error(self) -> float:
        """Binomial standard error of `errors`, in cases."""
        return float(np.sqrt(self.errors * (1 - self.errors / self.cases)))


def up_pass(net: Classifier, layers: Sequence[Array]) -> Array:
    """The deterministic pass from pixels to log class probabilities: Eq. 1 in every hidden layer.

    The first of the (n, size) `layers` holds the data, in [0, 1]; the others are overwritten with
    the activities of the hidden layers and, last, with the log probabilities, which are returned.
    """
    *hidden, top = zip(net.weights, net.biases, layers[:-1], layers[1:], strict=True)
    for weights, bias, below, above in hidden:
        numerics.firing_probs(below, weights, bias, above)
    weights, bias, below, above = top
    return numerics.log_softmax(numerics.product(below, weights, above), bias)


def check_images(net: Model | Pathway, images: NDArray[Any]) -> None:
    """Raise ValueError if the images have another number of pixels than the net has inputs."""
    if images.shape[1] != net.n_pixels:
        raise ValueError(f"images have {images.shape[1]} pixels, the net has {net.n_pixels} inputs")


def log_probs(net: Classifier, images: NDArray[Any]) -> Array:
    """Log p(class | image): (n, n_classes), in nats; ValueError if images do not fit the net."""
    check_images(net, images)
    dtype = net.weights[0].dtype
    result = np.empty((len(images), net.n_classes), dtype)
    buffers = [np.empty((min(_BATCH, len(images)), size), dtype) for size in net.sizes[1:]]
    for rows, data in numerics.batches_taken(images, _BATCH, dtype):
        result[rows] = up_pass(net, [data, *(buffer[: len(data)] for buffer in buffers)])
    return result


def pen_probs(net: Pathway, images: NDArray[Any]) -> Array:
    """Activation probabilities of the penultimate features: (n, n_pen); raises as `log_probs`."""
    check_images(net, images)
    dtype = net.vishid.dtype
    result = np.empty((len(images), net.n_pen), dtype)
    buffer = np.empty((min(_BATCH, len(images)), len(net.hidpen)), dtype)
    for rows, data in numerics.batches_taken(images, _BATCH, dtype):
        hidden = numerics.firing_probs(data, net.vishid, net.hid_rec_bias, buffer[: len(data)])
        numerics.firing_probs(hidden, net.hidpen, net.pen_rec_bias, result[rows])
    return result


def label_free_energies(memory: Rbm, pen: Array) -> Array:
    """Free energy of the memory with pen and each label in turn: exact, over all top states.

    (n, n_labels), in nats; "the label that gives the lowest free-energy" is the guess. ValueError
    if the memory has no labels.
    """
    if not memory.n_labels:
        raise ValueError("a net without labels cannot be asked for them")
    n_pen = memory.n_visible - memory.n_labels
    result = np.empty((len(pen), memory.n_labels), pen.dtype)
    buffer = np.empty((min(_SMALL_BATCH, len(pen)), memory.n_hidden), pen.dtype)
    for rows in numerics.batches(len(pen), _SMALL_BATCH):
        batch, inputs = pen[rows], buffer[: rows.stop - rows.start]
        numerics.affine(batch, memory.weights[:n_pen], memory.hidden_bias, inputs)
        top = summed_softplus(inputs, memory.weights[n_pen:])
        pen_energy = -(batch @ memory.visible_bias[:n_pen])
        result[rows] = pen_energy[:, np.newaxis] - memory.visible_bias[n_pen:] - top
    return result


def summed_softplus(inputs: Array, offsets: Array) -> Array:
    """``sum_j log(1 + exp(input_nj + offset_kj))`` for every case n and label k; spends the inputs.

    From where a unit's softplus is linear, whatever the label, its excess is added as it is.
    """
    linear = 80 - abs(offsets).max(initial=0.0)  # exp(89) is beyond float32
    if linear < 60:  # with such offsets it may be neither below 80 nor linear
        return np.stack([numerics.softplus(inputs + row).sum(axis=1) for row in offsets], axis=1)
    excess = np.maximum(inputs - linear, 0).sum(axis=1)
    exp_inputs = np.exp(np.minimum(inputs, linear, out=inputs), out=inputs)
    sums = numerics.log_sums(exp_inputs, np.exp(offsets))
    sums += excess[:, np.newaxis]
    return sums


def label_log_probs(net: DeepBeliefNet, images: NDArray[Any]) -> Array:
    """The log of p(label | image): softmax over the labels of minus the memory's free energy."""
    return numerics.log_softmax(-label_free_energies(net.memory, pen_probs(net, images)))


def stochastic_label_log_probs(
    net: DeepBeliefNet, images: NDArray[Any], rng: Generator, passes: int = 1
) -> Array:
    """The log of p(label | image), by free energy after stochastic up-passes, averaged over them.

    "Using probabilities rather than stochastic binary states suppresses the noise due to sampling";
    the average over 20 up-passes, Hinton, Osindero and Teh (2006). (n, n_labels), float64.
    """
    total: NDArray[np.float64] = np.full((len(images), net.n_labels), -np.inf)
    for _ in range(passes):
        for rows, data in numerics.batches_taken(images, _BATCH, net.vishid.dtype):
            pen_states = numerics.stochastic_pass(data, net.recognition, rng)
            energies = label_free_energies(net.memory, pen_states)
            # As logs: a probability may be too small for a float.
            total[rows] = np.logaddexp(total[rows], numerics.log_softmax(-energies))
    total -= np.log(passes)
    return total


def gibbs_label_log_probs(
    net: DeepBeliefNet, images: NDArray[Any], rng: Generator, rounds: int = 200
) -> Array:
    """The log of p(label | image), by Gibbs sampling of the labels and top, pen clamped.

    After a stochastic up-pass, as in Hinton, Osindero and Teh (2006). The label probabilities of
    the second half of the rounds are averaged. (n, n_labels), float64.
    """
    total: NDArray[np.float64] = np.full((len(images), net.n_labels), -np.inf)
    for rows, data in numerics.batches_taken(images, _BATCH, net.vishid.dtype):
        from_pen = numerics.stochastic_pass(data, net.recognition, rng) @ net.pentop + net.top_bias
        probs = np.full((len(data), net.n_labels), 1 / net.n_labels, data.dtype)
        for number in range(rounds):
            top_probs = numerics.logistic(from_pen + numerics.one_hot(probs, rng) @ net.labtop)
            top_states = numerics.bernoulli(top_probs, rng)
            label_log_probs = numerics.log_softmax(top_states @ net.labtop.T + net.lab_gen_bias)
            probs = np.exp(label_log_probs)
            if number >= rounds // 2:
                np.logaddexp(total[rows], label_log_probs, out=total[rows])
    total -= np.log(rounds - rounds // 2)
    return total


def mean_free_energy(net: DeepBeliefNet, images: NDArray[Any], labels: Labels) -> float:
    """Mean free energy of the memory, in nats, with each image's pen features and its label.

    Lower for training than for validation cases where the net overfits: Hinton (2010), "A practical
    guide to training restricted Boltzmann machines".
    """
    pen = pen_probs(net, images)
    inputs = pen @ net.pentop
    inputs += net.labtop[labels]
    inputs += net.top_bias
    linear = pen @ net.pen_gen_bias + net.lab_gen_bias[labels]
    return -float(np.mean(linear + numerics.softplus(inputs).sum(axis=1), dtype=np.float64))


def case_costs(log_probabilities: Array, labels: Labels) -> Array:
    """Cross-entropy of each case, in nats: minus the log probability of its label."""
    costs: Array = -log_probabilities[np.arange(len(labels)), labels]
    return costs


def score(log_probabilities: Array, labels: Labels) -> Score:
    """Count errors and average the cost."""
    errors = int(np.count_nonzero(log_probabilities.argmax(axis=1) != labels))
    cost = float(case_costs(log_probabilities, labels).mean(dtype=np.float64))
    return Score(len(labels), errors, 100 * cost)


def confusion(log_probabilities: Array, labels: Labels) -> NDArray[np.int64]:
    """How often each class was taken for each other: row the true class, column the guess."""
    n_classes = log_probabilities.shape[1]
    guesses = log_probabilities.argmax(axis=1)
    pairs = labels.astype(np.int64) * n_classes + guesses
    return np.bincount(pairs, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


def product_of_nets(log_probabilities: Sequence[Array], geometric: bool = True) -> Array:
    """Multiply together the probabilities that several nets give to each class, and renormalise.

    (n, n_classes) log probabilities, float64; ValueError if there are none, or their shapes do not
    agree. `geometric` takes the k-th root of the product of k: assumed, see docs/assumptions.md.
    """
    if len({array.shape for array in log_probabilities}) != 1:
        raise ValueError("nets of different cases or classes have no product")
    total = np.sum([array.astype(np.float64) for array in log_probabilities], axis=0)
    if geometric:
        total /= len(log_probabilities)
    return numerics.log_softmax(total)
