"""The final experiment: the gradient of the labels' probability beside a generative gradient.

The last paragraph of the chapter's section "Using contrastive wake-sleep for generative
fine-tuning": "a weighted average of the gradients computed by backpropagation and by contrastive
wake-sleep", and "the gradient from backpropagation with the gradient computed by the pretraining".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import Generator

from hinton06 import numerics
from hinton06.dropout import Dropout
from hinton06.models import DeepBeliefNet, Rbm
from hinton06.numerics import Array, Labels
from hinton06.rbm import ContrastiveDivergence, hidden_probs, parts, reconstructs_states
from hinton06.updates import Momentum, Step

# Half the exponent at which float32 overflows, less what the labels' weights can add.
_SATURATED = 60.0
_WHOLE = (1.0,) * 4
"""Chances of pixels, hid, pen and top to be kept where nothing is left out."""


class LabelBackpropagation:
    """The gradient of log p(label | image), by free energy, through memory and recognition weights.

    Of a net with labels, else ValueError, in batches of at most `batch_size`. After a deterministic
    up-pass to pen, p(label | image) is the softmax over labels of minus the memory's free energy F,
    and each top unit j contributes ``softplus(top input_j + labtop_kj)`` to ``-F_k``. With ``s_kj``
    the logistic of the same input, the gradient of the log probability of the correct label on the
    way into top unit j is ``sum_k (target_k - p_k) s_kj``, from where it runs down as in any
    feedforward net. Generative parameters below the memory take no part in recognition.

    With `dropout`, of pixels, hid, pen and top: a top unit that is left out has no part in F, and
    what the others have is divided by their chance to be kept. With `adversarial` above 0, of
    images that were moved so far: as `backprop.Backpropagation`.
    """

    def __init__(
        self,
        net: DeepBeliefNet,
        batch_size: int,
        dropout: Dropout | None = None,
        adversarial: float = 0.0,
    ) -> None:
        if not net.n_labels:
            raise ValueError("a net without labels gives them no probability")
        self.net, self._dropout, self._adversarial = net, dropout, adversarial
        self._keep = dropout.keep if dropout else _WHOLE
        names = "vishid hid_rec_bias hidpen pen_rec_bias pentop labtop lab_gen_bias top_bias"
        self.momenta = {name: Momentum(getattr(net, name)) for name in names.split()}
        dtype, n_top = net.vishid.dtype, net.memory.n_hidden
        n_hid, n_pen = net.hidpen.shape
        copied = net.n_pixels if dropout or adversarial else 0
        sizes = {"vis": copied, "hid": n_hid, "pen": n_pen, "top": n_top,
                 "hid_delta": n_hid, "pen_delta": n_pen}  # fmt: skip
        self._buffers = {name: np.empty((batch_size, size), dtype) for name, size in sizes.items()}
        self._slopes = np.empty((net.n_labels, batch_size, n_top), dtype)

    def gather(self, data: Array, labels: Labels, step: Step) -> Array:
        """Renew the velocities with a batch's mean gradient; returns each case's cost in nats."""
        buffer = {name: array[: len(data)] for name, array in self._buffers.items()}
        if self._dropout or self._adversarial:  # the generative half has the same data, as they are
            np.copyto(buffer["vis"], data)
            data = buffer["vis"]
        if self._adversarial:
            self._move(data, labels, buffer)
        if self._dropout:
            self._dropout.drop(0, data)
        log_probs = self._up(data, buffer, self._dropout)
        errors, shares = np.empty_like(log_probs), np.full(len(data), 1 / len(data), data.dtype)
        costs = numerics.label_errors(log_probs, labels, shares, errors)
        momenta, keep_top = self.momenta, self._keep[3]
        momenta["lab_gen_bias"].gather_sum(errors, 1.0, step)
        if self._dropout:
            errors = errors / errors.dtype.type(keep_top)
        slopes = self._slopes[:, : len(data)]
        momenta["labtop"].gather(np.matmul(errors.T[:, np.newaxis], slopes)[:, 0], step)
        for weights, bias, below, delta in self._down(data, errors, buffer, self._keep):
            momenta[weights].gather_product(below.T, delta, 1.0, step)
            momenta[bias].gather_sum(delta, 1.0, step)
        return costs

    def _move(self, data: Array, labels: Labels, buffer: dict[str, Array]) -> None:
        """Move images, in place, to where they cost most: adversarial training."""
        log_probs = self._up(data, buffer, None)
        directions = np.empty_like(log_probs)
        numerics.label_directions(log_probs, labels, directions)
        for _, _, _, delta in self._down(data, directions, buffer, _WHOLE):
            lowest = delta
        uphill = numerics.product(lowest, self.net.vishid.T)  # on log p(label | image)
        numerics.step_along(data, uphill, -self._adversarial)

    def _up(self, data: Array, buffer: dict[str, Array], dropout: Dropout | None) -> Array:
        """The pass to log p(label | image); leaves what the way down takes in the buffers."""
        net, slopes = self.net, self._slopes[:, : len(data)]  # of every label, case and top unit
        keep_top = dropout.keep[3] if dropout else 1.0
        hid = numerics.firing_probs(data, net.vishid, net.hid_rec_bias, buffer["hid"])
        if dropout:
            dropout.drop(1, hid)
        pen = numerics.firing_probs(hid, net.hidpen, net.pen_rec_bias, buffer["pen"])
        if dropout:
            dropout.drop(2, pen)
        inputs = numerics.affine(pen, net.pentop, net.top_bias, buffer["top"])
        # Beyond the limit a unit is off or on with every label, and softplus grows alike for all:
        # no probability changes.
        exp_inputs = np.exp(np.clip(inputs, -_SATURATED, _SATURATED, out=inputs), out=inputs)
        if dropout:  # a factor of 0 leaves a unit out of sums and slopes
            dropout.drop(3, exp_inputs)
            exp_inputs *= exp_inputs.dtype.type(keep_top)
        minus_energies = numerics.log_sums(exp_inputs, np.exp(net.labtop), slopes)
        if dropout:
            minus_energies /= minus_energies.dtype.type(keep_top)
        minus_energies += net.lab_gen_bias  # the term of pen's biases is the same for all labels
        return numerics.log_softmax(minus_energies)

    def apply(self, step: Step) -> None:
        """Move every parameter by its velocity, with the step of `gather`; only weights decay."""
        for momentum in self.momenta.values():
            weights = momentum.parameter.ndim == 2
            momentum.apply(step if weights else Step(step.rate, step.momentum))

    def _down(
        self, data: Array, errors: Array, buffer: dict[str, Array], keep: Sequence[float]
    ) -> Iterator[tuple[str, str, Array, Array]]:
        """Send (n, n_labels) gradients by minus the free energies down, from the top units.

        Each layer's weights and biases, by name, and the two factors of their gradient: as
        ``Backpropagation.backward``.
        """
        slopes = self._slopes[:, : len(data)]
        delta = np.matmul(errors[:, np.newaxis], slopes.transpose(1, 0, 2))[:, 0]
        for weights, bias, below, below_delta, kept in (
            ("pentop", "top_bias", buffer["pen"], buffer["pen_delta"], keep[2]),
            ("hidpen", "pen_rec_bias", buffer["hid"], buffer["hid_delta"], keep[1]),
        ):
            yield weights, bias, below, delta
            numerics.product(delta, getattr(self.net, weights).T, below_delta)
            delta = numerics.times_slope(below_delta, below, kept)
        yield "vishid", "hid_rec_bias", data, delta


class PretrainingGradient:
    """The generative half at less cost: what the pretraining computes, for all three RBMs at once.

    Each RBM takes a CD-1 step on the activation probabilities that the RBMs below give it now, the
    top one with the labels. Reconstructions are of binary states in the RBMs that `recon_states`
    says, as in the pretraining: none, that with labels or all. Generative weights stay the
    recognition weights' transposes, as in `DeepBeliefNet.untied`: the function `tie` brings them up
    to date. "This is much less computational effort than using contrastive wake-sleep".
    """

    def __init__(self, net: DeepBeliefNet, batch_size: int, recon_states: str) -> None:
        self.net = net
        low = Rbm(net.vishid, net.vis_gen_bias, net.hid_rec_bias)
        middle = Rbm(net.hidpen, net.hid_gen_bias, net.pen_rec_bias)
        self._divergences = [
            ContrastiveDivergence(rbm, batch_size, reconstructs_states(rbm, recon_states))
            for rbm in (low, middle, net.memory)
        ]
        names = ("vishid", "vis_gen_bias", "hid_rec_bias", "hidpen", "hid_gen_bias", "pen_rec_bias",
                 "memory_weights", "memory_visible_bias", "memory_hidden_bias")  # fmt: skip
        momenta = [m for divergence in self._divergences for m in divergence.momenta.values()]
        self.momenta = dict(zip(names, momenta, strict=True))

    def data_buffer(self, n: int) -> Array:
        """The (n, n_vis) array that a batch of n cases is to be written into."""
        return self._divergences[0].data_buffer(n)

    def learn(self, targets: Array, _gibbs_steps: int, rng: Generator, step: Step) -> float:
        """Eq. 4: a CD-1 update of every RBM at once; returns the pixels' squared error, summed."""
        n = len(targets)
        low, middle, memory = self._divergences
        hidden_probs(low.rbm, low.data_buffer(n), out=middle.data_buffer(n))
        units, labels = parts(memory.rbm, memory.data_buffer(n))
        units[...] = hidden_probs(middle.rbm, middle.data_buffer(n))
        labels[...] = targets
        errors = [divergence.learn(n, rng, step) for divergence in self._divergences]
        return errors[0]


def tie(net: DeepBeliefNet) -> None:
    """Make the generative weights the transposes of the recognition weights again, in place."""
    net.hidvis[...] = net.vishid.T
    net.penhid[...] = net.hidpen.T
