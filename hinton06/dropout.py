"""Dropout: each case is learned by a net of some of the units, drawn anew.

Not in the chapter, and a recipe of its own. N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever
and R. Salakhutdinov, "Dropout: a simple way to prevent neural networks from overfitting", Journal
of Machine Learning Research 15 (2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.random import Generator

from hinton06 import numerics
from hinton06.models import Classifier
from hinton06.numerics import Array
from hinton06.recipes import BackpropSettings, WakeSleepSettings


class UnfitDropoutError(ValueError):
    """There are not as many chances as hidden layers."""


def chances(settings: BackpropSettings | WakeSleepSettings, n_hidden: int) -> tuple[float, ...]:
    """To be kept: of pixels, and of features of each of so many hidden layers, bottom to top."""
    left_out = settings.feature_dropout
    if len(left_out) not in (1, n_hidden):
        layers = f"{n_hidden} layers of features"
        raise UnfitDropoutError(f"{len(left_out)} chances of dropout for {layers}")
    each = left_out * n_hidden if len(left_out) == 1 else left_out
    return tuple(1 - chance for chance in (settings.pixel_dropout, *each))


@dataclass(frozen=True, eq=False)
class Dropout:
    """With what chance pixels, and features of each hidden layer, are kept while a net learns.

    `keep`, in (0, 1], are those chances, bottom to top. What is kept is divided by its chance, so
    that the input to each unit above has the mean that it has where nothing is left out: then, and
    whenever a net is asked, its weights are used as they are. `rng` draws for each unit of each
    case by itself. Source: Srivastava and others (2014), sections 4 and 10.
    """

    keep: tuple[float, ...]
    rng: Generator

    @classmethod
    def of(
        cls, settings: BackpropSettings | WakeSleepSettings, n_hidden: int, rng: Generator | None
    ) -> Dropout | None:
        """What some settings ask for in a net of so many hidden layers, if they do.

        Raises `UnfitDropoutError` where they have neither one chance for all layers nor one for
        each; ValueError without random numbers.
        """
        if not settings.dropout:
            return None
        if rng is None:
            raise ValueError("dropout needs random numbers of its own")
        return cls(chances(settings, n_hidden), rng)

    def drop(self, layer: int, values: Array) -> Array:
        """Leave out some of a layer's (n, size) values, in place; layer 0 are the pixels."""
        return numerics.drop(values, self.keep[layer], self.rng)

    def up_pass(self, net: Classifier, layers: Sequence[Array]) -> Array:
        """As `recognition.up_pass`, of the units that are kept: the others are 0."""
        self.drop(0, layers[0])
        for number, (weights, bias) in enumerate(
            zip(net.weights[:-1], net.biases[:-1], strict=True), 1
        ):
            below, above = layers[number - 1 : number + 1]
            self.drop(number, numerics.firing_probs(below, weights, bias, above))
        below, above = layers[-2:]
        return numerics.log_softmax(numerics.product(below, net.weights[-1], above), net.biases[-1])
