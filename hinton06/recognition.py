"""What a net says of an image: class probabilities, their cost, their errors, their product.

The measuring half of "Details of the discriminative fine-tuning procedure".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinton06.models import Classifier
from hinton06.numerics import Array, affine, log_softmax, logistic, take_batch

_BATCH = 1000


@dataclass(frozen=True)
class Score:
    """How well a set of labelled cases is recognised.

    Parameters
    ----------
    cases : int
    errors : int
        Cases whose most probable class is not their label.
    cost_per_100 : float
        Cross-entropy: minus the mean log probability of the label, in nats per 100 cases.

    Source
    ------
    The columns "cost per 100" and "errs" of Table 1.
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
    """The deterministic pass from pixels to log class probabilities.

    Parameters
    ----------
    net : Classifier
    layers : sequence of (n, size) arrays, one a layer
        The first holds the data, in [0, 1], and is read; the others are overwritten with the
        activities of the hidden layers and, last, with the log probabilities.

    Returns
    -------
    (n, n_classes) array of log probabilities in nats: the last of `layers`

    Source
    ------
    Eq. 1 in every hidden layer, "five strategies" for the top.
    """
    top = len(net.weights) - 1
    for number, (weights, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        affine(layers[number], weights, bias, layers[number + 1])
        if number < top:
            logistic(layers[number + 1])
    return log_softmax(layers[-1])


def log_probs(net: Classifier, images: NDArray[Any]) -> Array:
    """Log p(class | image) for every image.

    Parameters
    ----------
    net : Classifier
    images : (n_cases, n_pixels) array
        uint8 pixels, or floats in [0, 1].

    Returns
    -------
    (n_cases, n_classes) array of the net's dtype, in nats

    Raises
    ------
    ValueError
        If the images have another number of pixels than the net has inputs.

    Source
    ------
    "Using backpropagation for discriminative fine-tuning".
    """
    if images.shape[1] != net.sizes[0]:
        raise ValueError(f"images have {images.shape[1]} pixels, the net has {net.sizes[0]} inputs")
    dtype = net.weights[0].dtype
    result = np.empty((len(images), net.n_classes), dtype)
    rooms = [np.empty((min(_BATCH, len(images)), size), dtype) for size in net.sizes]
    for first in range(0, len(images), _BATCH):
        rows = slice(first, min(first + _BATCH, len(images)))
        layers = [room[: rows.stop - rows.start] for room in rooms]
        take_batch(images, rows, layers[0])
        result[rows] = up_pass(net, layers)
    return result


def case_costs(log_probabilities: Array, labels: NDArray[np.integer[Any]]) -> Array:
    """Cross-entropy of each case: minus the log probability of its label.

    Parameters
    ----------
    log_probabilities : (n, n_classes) array, in nats
    labels : (n,) integers in [0, n_classes)

    Returns
    -------
    (n,) array of nats, at least 0

    Source
    ------
    "the cross-entropy which is the negative log probability that the network assigns to the
    correct class", "Five strategies".
    """
    costs: Array = -log_probabilities[np.arange(len(labels)), labels]
    return costs


def score(log_probabilities: Array, labels: NDArray[np.integer[Any]]) -> Score:
    """Count errors and average the cost.

    Parameters
    ----------
    log_probabilities : (n, n_classes) array, in nats
    labels : (n,) integers in [0, n_classes)

    Returns
    -------
    Score

    Source
    ------
    Table 1.
    """
    errors = int(np.count_nonzero(log_probabilities.argmax(axis=1) != labels))
    cost = float(case_costs(log_probabilities, labels).mean(dtype=np.float64))
    return Score(len(labels), errors, 100 * cost)


def confusion(log_probabilities: Array, labels: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """How often each class was taken for each other.

    Parameters
    ----------
    log_probabilities : (n, n_classes) array
    labels : (n,) integers in [0, n_classes)

    Returns
    -------
    (n_classes, n_classes) array: row the true class, column the guess

    Source
    ------
    Not in the chapter.
    """
    n_classes = log_probabilities.shape[1]
    guesses = log_probabilities.argmax(axis=1)
    pairs = labels.astype(np.int64) * n_classes + guesses
    return np.bincount(pairs, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


def product_of_nets(log_probabilities: Sequence[Array], geometric: bool = True) -> Array:
    """Multiply together the probabilities that several nets give to each class.

    Parameters
    ----------
    log_probabilities : sequence of (n, n_classes) arrays, one a net, in nats
    geometric : bool
        Whether to take the k-th root of the product of k nets before it is renormalised. The
        most probable class is the same; the cost is not, and the chapter's "Combined" costs fit
        the root (see README).

    Returns
    -------
    (n, n_classes) float64 array of renormalised log probabilities

    Raises
    ------
    ValueError
        If there is no net, or the nets do not agree on cases and classes.

    Source
    ------
    "multiplying together the three probabilities that the three nets predict for each digit
    class and picking the class with the maximum product".
    """
    if len({array.shape for array in log_probabilities}) != 1:
        raise ValueError("nets of different cases or classes have no product")
    total = np.sum([array.astype(np.float64) for array in log_probabilities], axis=0)
    if geometric:
        total /= len(log_probabilities)
    return log_softmax(total)
