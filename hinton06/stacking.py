"""The chapter's section "A greedy learning algorithm for multiple hidden layers", of RBMs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hinton06 import likelihood
from hinton06.distortion import Distorter
from hinton06.generation import Generator as Generative
from hinton06.models import Rbm, Stack
from hinton06.numerics import (
    Array,
    Labels,
    batches,
    batches_taken,
    bernoulli,
    epoch_order,
    take_batch,
)
from hinton06.rbm import ContrastiveDivergence, hidden_probs, parts, reconstructs_states
from hinton06.recipes import PretrainSettings, counted
from hinton06.streams import Use, stream
from hinton06.updates import Step, rate_share_at

_FEATURE_BATCH = 1000
_MAX_KEPT = 512 << 20  # bytes; 13 versions of 50,000 images have 1.3 GB of 500 features

TRACKED = 100, 1000, 100
"""Chains, temperatures and rounds of estimates while a stack is learned: fewer than afterwards."""
_TRACKED_CASES = 10_000
OFFSETS = "visible_offset", "hidden_offset"
"""What files call those of the centred gradient."""


def features(rbm: Rbm, cases: NDArray[Any]) -> Array:
    """The activation probabilities of one RBM's features for every case: (n_cases, n_hidden).

    "the binary states of feature detectors (or pixels) in the “data” layer are replaced by their
    real-valued probabilities of activation when learning the next layer".
    """
    probs = np.empty((len(cases), rbm.n_hidden), rbm.weights.dtype)
    for rows, batch in batches_taken(cases, _FEATURE_BATCH, probs.dtype):
        hidden_probs(rbm, batch, out=probs[rows])
    return probs


class LayerData:
    """The data of one RBM of a stack: the features below it and, in the top one, the labels.

    They are computed once and kept; those that would take more than half a GiB, or of images that
    a `distorter` makes others of each time, are computed for each batch anew. Targets are (n_cases,
    n_labels) one-hot labels, of no columns for none.
    """

    def __init__(
        self,
        cases: NDArray[Any], below: Sequence[Rbm], targets: NDArray[np.float32], batch: int,
        distorter: Distorter | None = None,
    ) -> None:  # fmt: skip
        sizes = [cases.shape[1], *(rbm.n_hidden for rbm in below)]
        self.n_visible = sizes[-1] + targets.shape[1]
        self._cases, self._below, self._targets = cases, list(below), targets
        self._distorter = distorter
        computed = [*sizes[1:], self.n_visible] if targets.shape[1] else sizes[1:]
        self._kept = not distorter and len(cases) * max(computed, default=0) * 4 <= _MAX_KEPT
        if not self._kept:
            dtype = below[0].weights.dtype if below else targets.dtype
            self._buffers = [np.empty((batch, size), dtype) for size in sizes]
            return
        for rbm in below:
            self._cases = features(rbm, self._cases)
        if targets.shape[1]:
            lower = take_batch(self._cases, slice(None), np.empty(self._cases.shape, np.float32))
            self._cases = np.hstack([lower, targets])

    def take(self, rows: NDArray[np.intp], out: Array) -> None:
        """Write the (n, n_visible) vectors of the chosen cases, no more than `batch`, into out."""
        if self._kept:
            take_batch(self._cases, rows, out)
            return
        buffers = [buffer[: len(rows)] for buffer in self._buffers]
        if self._distorter:
            take_batch(self._distorter(self._cases, rows), slice(None), buffers[0])
        else:
            take_batch(self._cases, rows, buffers[0])
        for rbm, (v, h) in zip(self._below, pairwise(buffers), strict=True):
            hidden_probs(rbm, v, out=h)
        n_units = buffers[-1].shape[1]
        out[:, :n_units], out[:, n_units:] = buffers[-1], self._targets[rows]


def step_at(settings: PretrainSettings, epoch: int) -> Step:
    """The rate, momentum and decay of a layer after so many epochs: see docs/assumptions.md."""
    rate = settings.rate * rate_share_at(epoch, settings.passes, settings.final_share)
    early = epoch < settings.early_epochs
    momentum = settings.early_momentum if early else settings.momentum
    return Step(rate, momentum, settings.decay)


def check_start(settings: PretrainSettings, n_pixels: int, n_lower: int = 0) -> None:
    """Raise ValueError unless every layer that starts as a transpose has the size of one.

    Those above `n_lower` learned layers, but for the first of all.
    """
    sizes = (n_pixels, *settings.layers)
    if settings.start == "transpose" and len(settings.layers) == 1:
        raise ValueError("the only layer has none below to start as a transpose of")
    for layer in range(max(2, n_lower + 1), len(sizes)):
        if settings.start == "transpose" and sizes[layer] != sizes[layer - 2]:
            needs = f"as many as layer {layer - 1} learns from: {sizes[layer - 2]}"
            raise ValueError(
                f"to start as a transpose layer {layer} needs {needs}, not {sizes[layer]}"
            )


def products_of(settings: PretrainSettings) -> float:
    """Multiply-adds that learning a case takes for each weight."""
    return 5.0 + 2 * (settings.cd - 1) + settings.persistent


class GreedyStack:
    """The learner of a whole stack: `passes` epochs of CD-k on each layer, bottom to top.

    `cases` are (n_cases, n_pixels), uint8 pixels or probabilities; the top RBM learns one-hot
    `targets`, (n_cases, n_labels), together with the features below it, Figure 4. Balanced batches
    need the (n_cases,) `classes`, else ValueError. Learning starts above the `lower` layers, bottom
    to top, that are learned already; ValueError if they do not fit the data and the layer sizes, or
    leave nothing to learn, or a layer is to start as the transpose of one of another size. With
    `track` the bound on log p is estimated, of (n, n_pixels) `valid` images too, by random numbers
    of its own. With a `distorter` cases are distorted when they are learned. Source: "A greedy
    learning algorithm for multiple hidden layers".
    """

    def __init__(
        self,
        cases: NDArray[Any],
        settings: PretrainSettings,
        rng: Generator,
        targets: NDArray[np.float32] | None = None,
        classes: Labels | None = None,
        lower: Sequence[Rbm] = (),
        valid: NDArray[Any] | None = None,
        distorter: Distorter | None = None,
    ) -> None:
        self.settings = settings
        self._valid, self._distorter = valid, distorter
        self._targets = np.empty((len(cases), 0), np.float32) if targets is None else targets
        self._rng, self._cases = rng, cases
        if settings.balanced and classes is None:
            raise ValueError("balanced batches need the cases' classes")
        self._classes = classes if settings.balanced else None
        self._check_fit(lower)
        if len(lower) >= len(settings.layers):
            raise ValueError(f"{len(lower)} learned layers leave none of the stack's to learn")
        check_start(settings, cases.shape[1], len(lower))
        self._n_lower = len(lower)
        self.epoch = 0
        self._learn_above(list(lower))

    def _learn_above(self, below: list[Rbm], rbm: Rbm | None = None) -> None:
        """Learn the layer above these: the given one, else a new one."""
        n_labels, settings = self._labels_of(len(below)), self.settings
        targets = self._targets[:, :n_labels]
        self._data = LayerData(self._cases, below, targets, settings.batch, self._distorter)
        if rbm is None and below and settings.start == "transpose":
            rbm = Rbm.mirrored(below[-1], n_labels)
        elif rbm is None:
            sizes = self._data.n_visible, settings.layers[len(below)]
            sd, bias = settings.initial_sd, settings.hidden_bias
            rbm = Rbm.random(*sizes, sd, self._rng, n_labels, bias)
        self.stack = [*below, rbm]
        states = reconstructs_states(rbm, settings.recon_states)
        self._divergence = ContrastiveDivergence(
            rbm, settings.batch, states, settings.cd, settings.persistent,
            (settings.sparsity_target, settings.sparsity_cost), settings.centred,
            settings.real_features, settings.state_correlations,
        )  # fmt: skip

    def _check_fit(self, stack: Sequence[Rbm]) -> None:
        sizes = (self._cases.shape[1], *self.settings.layers)
        shapes = [(rbm.n_visible - rbm.n_labels, rbm.n_hidden) for rbm in stack]
        labels = [self._labels_of(layer) for layer in range(len(stack))]
        fit = shapes == list(pairwise(sizes[: len(stack) + 1]))
        if not fit or labels != [rbm.n_labels for rbm in stack]:
            raise ValueError("the saved layers do not fit the data and the layer sizes")

    def _labels_of(self, layer: int) -> int:
        """How many label units a layer's visible vector ends with: the top layer's only."""
        return self._targets.shape[1] if layer == len(self.settings.layers) - 1 else 0

    def finished(self) -> str | None:
        """Why learning is over, or None."""
        done = self.epoch >= self.settings.passes * (len(self.settings.layers) - self._n_lower)
        return f"{counted(self.settings.passes, 'pass')} a layer" if done else None

    def where(self) -> str:
        """The place of the next epoch, in words."""
        layer, epoch = self._place()
        return f"layer {layer + 1} epoch {epoch + 1}"

    def _place(self) -> tuple[int, int]:
        """The layer that is being learned, and its epochs that are done."""
        layer, epoch = divmod(self.epoch, self.settings.passes)
        return self._n_lower + layer, epoch

    def work(self) -> tuple[float, float]:
        """Multiply-adds done so far and expected in all, to weigh one layer's epochs."""
        sizes = (self._cases.shape[1], *self.settings.layers)
        layer = [
            products_of(self.settings)
            * (n_below + self._labels_of(number))
            * n_above
            * len(self._cases)
            for number, (n_below, n_above) in enumerate(pairwise(sizes))
            if number >= self._n_lower
        ]
        passes = self.settings.passes
        done = np.clip(self.epoch - passes * np.arange(len(layer)), 0, passes)
        return float(np.dot(layer, done)), sum(layer) * passes

    def run_epoch(self, tick: Callable[[float], None]) -> dict[str, float]:
        """One epoch of CD-k over all cases; starts the next layer where one is due.

        `tick` is called after every batch with the multiply-adds it took. The row has ``layer``
        (from 1), ``layer_epoch`` (from 1), ``rate``, and ``recon_error``: squared error of the
        reconstruction, summed over units, mean over cases. Where it is tracked, also ``log_z``
        (from below), ``log_z_gap`` to that from above, ``train_log_p`` and ``valid_log_p`` (mean
        bounds on log p of an image, nats), and of the first epoch of a layer ``start_log_p``, that
        of the training cases before it.
        """
        layer, layer_epoch = self._place()
        if layer == len(self.stack):
            del self._data  # first, so that two layers' data are never there at once
            self._learn_above(self.stack)
        rbm, divergence = self.stack[-1], self._divergence
        track = self.settings.track
        starts = {}
        if track and layer_epoch == 0:
            starts["start_log_p"] = self._tracked()["train_log_p"]
        step = step_at(self.settings, layer_epoch)
        if self._distorter:
            self._distorter.begin(self.epoch)
        order = epoch_order(len(self._cases), self._rng, self._classes)
        squared_error = 0.0
        for batch in batches(len(order), self.settings.batch):
            rows = order[batch]
            self._take(rows, divergence.data_buffer(len(rows)))
            squared_error += divergence.learn(len(rows), self._rng, step)
            tick(products_of(self.settings) * rbm.weights.size * len(rows))
        self.epoch += 1
        row = {"layer": layer + 1, "layer_epoch": layer_epoch + 1, "rate": step.rate}
        row |= {"recon_error": squared_error / len(order)} | starts
        return row | self._tracked() if track and (layer_epoch + 1) % track == 0 else row

    def _take(self, rows: NDArray[np.intp], out: Array) -> None:
        """What the layer learns of the chosen cases: probabilities, or states drawn of them."""
        self._data.take(rows, out)
        if self.settings.sampled_data:
            units, _ = parts(self.stack[-1], out)
            units[...] = bernoulli(units, self._rng)

    def _tracked(self) -> dict[str, float]:
        """Log Z of the RBM on top, and mean bounds on log p: by the same random numbers always."""
        rng, generator = stream(0, Use.TRACKING), Generative.of_layer(self.stack, len(self.stack))
        rows = rng.permutation(len(self._cases))[:_TRACKED_CASES]
        images = {"train_log_p": likelihood.binarised(self._cases[rows], rng)}
        if self._valid is not None:
            images["valid_log_p"] = likelihood.binarised(self._valid, rng)
        labels = self._targets[rows].argmax(axis=1) if generator.rbm.n_labels else None
        states = likelihood.visible_states(generator, images["train_log_p"], rng, labels)
        log_z = likelihood.estimate_log_z(generator.rbm, states, rng, *TRACKED)
        row = {"log_z": log_z.value, "log_z_gap": log_z.gap or 0.0}
        for name, own in images.items():
            logs = likelihood.log_weights(generator, own, rng)
            row[name] = float(logs.mean()) - log_z.value
        return row

    def parameters(self) -> dict[str, Array]:
        """What is being learned now, by name, to be checked for numbers that are not finite."""
        now, every = f"layer {len(self.stack)} ", self.result().parameters()
        return {name: array for name, array in every.items() if name.startswith(now)}

    def measured_outcome(self) -> dict[str, Any]:
        """Nothing: labels are not asked for while a stack is learned."""
        return {}

    def result(self) -> Stack:
        """The layers that are learned, and the one that is being learned."""
        return Stack(tuple(self.stack))

    @property
    def net(self) -> Stack:
        """As `result`: what is being learned."""
        return self.result()

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on exactly from here."""
        return {
            "epoch": self.epoch,
            "rng": self._rng.bit_generator.state,
            "stack": self.result().arrays(),
            "velocity": {name: m.velocity for name, m in self._divergence.momenta.items()},
            **({"chains": self._divergence.chains} if self.settings.persistent else {}),
            **dict(zip(OFFSETS, self._divergence.offsets, strict=False)),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; ValueError or KeyError if it is of other shapes."""
        stack = list(Stack.from_arrays(state["stack"]))  # at least one RBM
        self._check_fit(stack)
        self._learn_above(stack[:-1], stack[-1])
        for name, momentum in self._divergence.momenta.items():
            momentum.restore(state["velocity"][name])
        if self.settings.persistent:
            self._divergence.restore_chains(state["chains"])
        self.epoch = int(state["epoch"])
        if self.settings.centred and self.epoch:
            self._divergence.restore_offsets(tuple(state[name] for name in OFFSETS))
        self._rng.bit_generator.state = state["rng"]
