"""What a file can hold: how each kind is loaded, asked for labels, sampled and drawn.

The registry that everything else looks things up in: a new kind of net is one entry here. Not in
the chapter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinton06 import annealing, directed
from hinton06.directed import Dreamer
from hinton06.generation import Generator
from hinton06.lineage import VALIDATED
from hinton06.models import Classifier, DeepBeliefNet, DirectedNet, Layer, PairNet, Stack
from hinton06.numerics import Array
from hinton06.recipes import PretrainSettings
from hinton06.recognition import label_log_probs, log_probs


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A net that can be asked for the labels of images.

    `log_probs` are the (n, n_classes) log p(class | image) of (n, n_pixels) images, in nats, and
    its plain answer; `methods` are the names of all ways to ask it, where it models images too, and
    `sample` is the way that samples, as `annealing.sample`, by so many `temperatures` if not told.
    """

    net: Any
    log_probs: Callable[[NDArray[Any]], Array]
    methods: tuple[str, ...] = ()
    sample: Callable[..., annealing.Samples] = annealing.sample
    temperatures: int = 10


@dataclass(frozen=True)
class Kind:
    """What there is to know of one kind of file.

    `part` of a recipe are its settings; `model` is the class of what it holds. `recogniser` and
    `generator`, of the model and a layer, raise ValueError with the reason where the model is not
    of that use; `up` are the layers of features, from the pixels up, of the model (label units are
    left out); `columns`, by role, those that the history of a finished file has; `rule` names, of
    the settings, what it learned by.
    """

    name: str
    about: str
    part: str
    model: Any
    recogniser: Callable[[Any], Recogniser]
    generator: Callable[[Any, int | None], Generator | Dreamer]
    up: Callable[[Any], tuple[Layer, ...]]
    columns: Callable[[str], tuple[str, ...]]
    rule: Callable[[Any], str]

    def fields(self, model: Any, layer: int, chosen: NDArray[np.intp]) -> Array:
        """The (n_pixels, n) receptive fields of chosen features of a layer, from 1.

        Their weights; those of higher layers times the weights of the layers below, one after the
        other: how much a pixel adds to a feature's input if the features between were linear.
        """
        *below, (weights, _) = self.up(model)[:layer]
        found = weights[:, chosen]
        for lower, _ in reversed(below):
            found = lower @ found
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by name."""
        return _named, (self.name,)


def _named(name: str) -> Kind:
    return KINDS[name]


def _stack_recogniser(stack: Stack) -> Recogniser:
    if not stack.n_classes:
        lacks = "it was learned without labels, and recognises nothing"
        raise ValueError(f"{lacks} (pretrain --labels learns them)")
    net = DeepBeliefNet.untied(stack)
    return _of_memory(net)


def _of_memory(net: DeepBeliefNet) -> Recogniser:
    methods = ("free-energy", "stochastic", "stochastic-mean", "label-gibbs", "sampling")
    return Recogniser(net, partial(label_log_probs, net), methods)


def _of_directed(net: DirectedNet) -> Recogniser:
    asked = partial(directed.label_log_probs, net)
    return Recogniser(net, asked, ("up-pass", "sampling"), directed.sample, temperatures=0)


def _stack_generator(stack: Stack, layer: int | None) -> Generator:
    if layer is not None and not 1 <= layer <= len(stack):
        raise ValueError(f"it has layers 1 to {len(stack)}, not {layer}")
    return Generator.of_layer(stack, layer or len(stack))


def _no_generator(_net: Classifier, _layer: int | None) -> Generator:
    raise ValueError("it generates nothing; a stack or a generative net is needed")


def _net_generator(net: DeepBeliefNet, layer: int | None) -> Generator:
    _check_whole(layer)
    return Generator.of_net(net)


def _dreamer(net: DirectedNet, layer: int | None) -> Dreamer:
    _check_whole(layer)
    return Dreamer(net)


def _check_whole(layer: int | None) -> None:
    if layer is not None:
        raise ValueError("its lower layers are no RBMs any more; --layer takes a stack")


def _of_pairs(_net: PairNet, *_layer: Any) -> Any:
    raise ValueError("what it sees and hears, `hinton06 heard` says")


_BEFORE_CD = "persistent", "centred"
_AFTER_CD = {
    "sparsity_cost": "sparse",
    "sampled_data": "data as states",
    "real_features": "features as probabilities",
    "state_correlations": "features as states",
}
_NO_RULE = "cd", "start", "affine", "elastic"
"""Said by a number, or not of what is learned but of the weights and images to begin with."""


def _divergence(settings: PretrainSettings) -> str:
    """Whatever sets the learning apart; what has no words here by its name."""
    apart = [item.name for item in fields(settings) if item.name in settings.apart()]
    before = [name for name in _BEFORE_CD if name in apart]
    after = [_AFTER_CD.get(name, name.replace("_", " ")) for name in apart
             if name not in (*_BEFORE_CD, *_NO_RULE)]  # fmt: skip
    return " ".join([*before, ", ".join([f"CD-{settings.cd}", *after])])


def _fine_tuned(role: str) -> tuple[str, ...]:
    return ("valid_cost", "valid_errors") if role == VALIDATED else ("train_cost",)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "stack", "a pretrained stack of RBMs", "pretrain", Stack,
            recogniser=_stack_recogniser,
            generator=_stack_generator,
            up=lambda stack: tuple(
                (rbm.weights[: rbm.n_visible - rbm.n_labels], rbm.hidden_bias) for rbm in stack
            ),
            columns=lambda _role: ("recon_error",),
            rule=_divergence,
        ),
        Kind(
            "classifier", "a fine-tuned classifier", "backprop", Classifier,
            recogniser=lambda net: Recogniser(net, partial(log_probs, net)),
            generator=_no_generator,
            up=lambda net: tuple(zip(net.weights[:-1], net.biases[:-1], strict=True)),
            columns=_fine_tuned,
            rule=lambda _settings: "backpropagation",
        ),
        Kind(
            "generative", "a fine-tuned generative net", "wakesleep", DeepBeliefNet,
            recogniser=_of_memory,
            generator=_net_generator,
            up=lambda net: (*net.recognition, (net.pentop, net.top_bias)),
            columns=_fine_tuned,
            rule=lambda _settings: "wake-sleep",
        ),
        Kind(
            "directed", "a directed net of wake-sleep", "directed", DirectedNet,
            recogniser=_of_directed,
            generator=_dreamer,
            up=lambda net: net.recognition,
            columns=lambda _role: ("valid_cost", "valid_errors", "valid_log_p"),
            rule=lambda _settings: "plain wake-sleep",
        ),
        Kind(
            "pairs", "a net of pairs", "pairs", PairNet,
            recogniser=_of_pairs,
            generator=_of_pairs,
            up=lambda net: net.image.recognition,
            columns=lambda _role: ("rate",),
            rule=lambda _settings: "wake-sleep",
        ),
    )
}  # fmt: skip
