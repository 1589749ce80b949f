"""One RBM: energy, free energy, the conditionals, and learning by contrastive divergence.

The chapter's section "Learning one layer of feature detectors". Visible vectors `v` are (n,
n_visible), hidden ones `h` (n, n_hidden), of states or probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.random import Generator

from hinton06 import numerics
from hinton06.models import Rbm
from hinton06.numerics import Array
from hinton06.updates import Momentum, Step

NEARLY_ON = 64  # spacings of numbers, from a mean probability to 1
OFFSET_SHARE = 0.01
"""The part that a batch's means take in the offsets of the centred gradient."""


def energy(rbm: Rbm, v: Array, h: Array) -> Array:
    """``E(v, h) = -v . visible_bias - h . hidden_bias - v W h``: (n,) nats; p(v, h) ~ exp(-E)."""
    result: Array = -(
        v @ rbm.visible_bias + h @ rbm.hidden_bias + np.einsum("ni,nj,ij->n", v, h, rbm.weights)
    )
    return result


def free_energy(rbm: Rbm, v: Array) -> Array:
    """``F(v) = -v . visible_bias - sum_j log(1 + exp(hidden_bias_j + v . W_j))``: (n,), in nats.

    p(v) is proportional to exp(-F): "Each of the top-level units contributes additively to this
    free energy", "Using contrastive wake-sleep for generative fine-tuning".
    """
    inputs = v @ rbm.weights + rbm.hidden_bias
    result: Array = -(v @ rbm.visible_bias) - numerics.softplus(inputs).sum(axis=1)
    return result


def hidden_probs(rbm: Rbm, v: Array, out: Array | None = None) -> Array:
    """Eq. 5, ``p(h_j = 1 | v)`` of every feature detector: (n, n_hidden), into out if given."""
    return numerics.firing_probs(v, rbm.weights, rbm.hidden_bias, out)


def visible_probs(rbm: Rbm, h: Array, out: Array | None = None) -> Array:
    """Eq. 6, ``p(v_i = 1 | h)``, as `hidden_probs`; label units are a softmax group."""
    return _activate(rbm, numerics.product(h, rbm.weights.T, out), numerics.squash)


def _activate(rbm: Rbm, inputs: Array, units_by: Callable[[Array, Array], Array]) -> Array:
    """From total inputs without biases to binary units by a function, and label probabilities."""
    units, labels = parts(rbm, inputs)
    units_by(units, rbm.visible_bias[: units.shape[1]])
    if rbm.n_labels:
        numerics.softmax(labels, rbm.visible_bias[-rbm.n_labels :])
    return inputs


def hidden_states(rbm: Rbm, v: Array, rng: Generator, out: Array) -> Array:
    """Eq. 5: binary states of the feature detectors, into out."""
    return numerics.firing_states(v, rbm.weights, rbm.hidden_bias, rng, out)


def visible_states(rbm: Rbm, h: Array, rng: Generator, out: Array) -> Array:
    """Eq. 6: binary states of the visible units, but probabilities of the label units, into out."""
    return _activate(rbm, numerics.product(h, rbm.weights.T, out), partial(numerics.fire, rng=rng))


def parts(rbm: Rbm, v: Array) -> tuple[Array, Array]:
    """The binary units' and the label units' columns of visible vectors, as views."""
    n_units = rbm.n_visible - rbm.n_labels
    return v[:, :n_units], v[:, n_units:]


def sample_visible(rbm: Rbm, v_probs: Array, rng: Generator, out: Array | None = None) -> Array:
    """States from the probabilities of Eq. 6, one label unit on; `out` may not be `v_probs`."""
    v_states = numerics.bernoulli(v_probs, rng, out)
    if rbm.n_labels:
        parts(rbm, v_states)[1][...] = numerics.one_hot(parts(rbm, v_probs)[1], rng)
    return v_states


def reconstructs_states(rbm: Rbm, which: str) -> bool:
    """Whether an RBM reconstructs states, where none do, that with labels or all."""
    return which == "all" or (which == "labels" and rbm.n_labels > 0)


def gibbs_round(rbm: Rbm, h_states: Array, rng: Generator, out: Array) -> None:
    """One round of alternating Gibbs sampling, everything sampled: v into out, h in place."""
    visible_states(rbm, h_states, rng, out)
    _sample_labels(rbm, out, rng)
    hidden_states(rbm, out, rng, h_states)


def _sample_labels(rbm: Rbm, v: Array, rng: Generator) -> None:
    """One label unit on instead of their probabilities, in place."""
    if rbm.n_labels:
        labels = parts(rbm, v)[1]
        labels[...] = numerics.one_hot(labels, rng)


class ContrastiveDivergence:
    """Learning one RBM by CD-k, a batch of at most `batch_size` at a time, in buffers made once.

    The data half and the reconstruction half of a batch lie one above the other in the same array,
    so that both correlations of Eq. 4 and their difference are one matrix product. The
    reconstruction is that of the last of `rounds` of alternating Gibbs sampling from the data. With
    `recon_states` it is binary, but for the label units. With `persistent` it gives way to the
    states of chains that go on from batch to batch by so many rounds: `chains` are their
    (batch_size, n_hidden) features, off at first.

    `sparsity`, a target p in (0, 1) and a cost, lowers the cost times the sum over features of the
    cross-entropy ``-p log q - (1 - p) log(1 - q)``, in nats, beside contrastive divergence: q is
    the mean of a feature's probabilities over the batch. So "features ... only turn on rarely".

    With `real_features` the first reconstruction is from probabilities instead of states, which
    "limit the amount of information they can convey"; not for chains, nor more than one round.

    With `state_correlations` both correlations are of features' states, "the frequency with which
    pixel i and feature detector j are on together"; not with sparsity, nor with `real_features`. So
    learning can "start with zero weights": what features are drawn tells them apart.

    If `centred`, Eq. 4 has units less their `offsets` (visible, hidden), moving averages of a
    batch's means with the data (of features as sparsity leaves them), and biases move so that the
    RBM stays an ordinary one:
    ``dW = <(v - m)(h - l)>_data - <(v - m)(h - l)>_recon``, ``db = <v>_data - <v>_recon - dW l``,
    ``dc = <h>_data - <h>_recon - m dW``. So it does not matter which state of a unit is called on.

    Source: Eqs 4, 5 and 6. Data stay real-valued, and both correlations use hidden probabilities,
    as in the public Matlab code of Hinton and Salakhutdinov (2006), as are reconstructions there.
    Persistent chains: T. Tieleman, "Training restricted Boltzmann machines using approximations to
    the likelihood gradient", ICML 2008. Sparsity: G. E. Hinton, "A practical guide to training
    restricted Boltzmann machines", UTML TR 2010-003, section 11; see docs/assumptions.md. Centred:
    J. Melchior, A. Fischer and L. Wiskott, "How to center deep Boltzmann machines", Journal of
    Machine Learning Research 17 (2016).
    """

    def __init__(
        self, rbm: Rbm, batch_size: int, recon_states: bool = False, rounds: int = 1,
        persistent: bool = False, sparsity: tuple[float, float] = (0.5, 0.0),
        centred: bool = False, real_features: bool = False, state_correlations: bool = False,
    ) -> None:  # fmt: skip
        self.rbm, self._centred, self._real = rbm, centred, real_features
        self._of_states = state_correlations
        self._target, self._cost = sparsity
        self._recon_states, self._rounds = recon_states, rounds
        self.momenta = {name: Momentum(array) for name, array in rbm.parameters().items()}
        self.weights, self.visible_bias, self.hidden_bias = self.momenta.values()
        dtype = rbm.weights.dtype
        self._visible = np.empty((2 * batch_size, rbm.n_visible), dtype)
        self._hidden = np.empty((2 * batch_size, rbm.n_hidden), dtype)
        self._h_states = np.empty((batch_size, rbm.n_hidden), dtype)
        self._v_probs = np.empty((batch_size, rbm.n_visible), dtype)
        self.chains = np.zeros((batch_size if persistent else 0, rbm.n_hidden), dtype)
        self.offsets: tuple[Array, ...] = ()
        self._less_offsets = np.empty((2 * batch_size if centred else 0, rbm.n_visible), dtype)

    def data_buffer(self, n: int) -> Array:
        """The (n, n_visible) array to write a batch of n cases into; `learn` leaves it as it is."""
        return self._visible[:n]

    def learn(self, n: int, rng: Generator, step: Step) -> float:
        """Eq. 4: one update from the n cases in `data_buffer`.

        Returns the reconstruction's squared error, of probabilities, summed over pixels and cases:
        of the last round from the data, and of the first beside persistent chains.
        """
        data, recon = self._visible[:n], self._visible[n : 2 * n]
        h_data, h_recon = self._hidden[:n], self._hidden[n : 2 * n]

        rbm, h_states = self.rbm, self._h_states[:n]
        self._drive(data, rng, h_data, h_states)
        apart = len(self.chains) > 0 or self._recon_states
        if len(self.chains):
            v_probs = visible_probs(rbm, h_states, out=self._v_probs[:n])
            self._go_on(recon, h_recon, rng)
        else:
            for _ in range(self._rounds - 1):
                gibbs_round(rbm, h_states, rng, recon)
            v_probs = visible_probs(rbm, h_states, out=self._v_probs[:n] if apart else recon)
            if apart:
                (unit_probs, label_probs), (units, labels) = parts(rbm, v_probs), parts(rbm, recon)
                numerics.bernoulli(unit_probs, rng, units)
                labels[...] = label_probs
            # <s_i s_j>_data - <s_i s_j>_recon, with the minus sign carried by the hidden half.
            if self._of_states:
                np.negative(hidden_states(rbm, recon, rng, h_recon), out=h_recon)
            else:
                numerics.firing_probs(recon, rbm.weights, rbm.hidden_bias, h_recon, sign=-1)
        if self._centred:
            self._step_centred(n, step)
        else:
            self.weights.step_product(self._visible[: 2 * n].T, self._hidden[: 2 * n], 1 / n, step)
            squared_error = self.visible_bias.step_difference(data, recon, 1 / n, step)
            self.hidden_bias.step_sum(self._hidden[: 2 * n], 1 / n, step)
        if apart or self._centred:
            missed = np.subtract(data, v_probs, out=self._v_probs[:n])
            squared_error = float(np.vdot(missed, missed))
        return squared_error

    def _drive(self, data: Array, rng: Generator, h_data: Array, h_states: Array) -> None:
        """Eq. 5: what is reconstructed from, into h_states, and what Eq. 4 has, into h_data."""
        inputs = numerics.product(data, self.rbm.weights, h_data)
        if self._real:
            h_states[...] = numerics.squash(inputs, self.rbm.hidden_bias)
        else:
            numerics.squash_and_fire(inputs, self.rbm.hidden_bias, rng, h_states)
        if self._cost:
            self._lessen(h_data)
        if self._of_states:
            np.copyto(h_data, h_states)

    def _step_centred(self, n: int, step: Step) -> None:
        """The centred gradient of what both halves hold, the hidden ones with their sign."""
        data, recon = self._visible[:n], self._visible[n : 2 * n]
        hidden, visible = self._hidden[: 2 * n], self._less_offsets[: 2 * n]
        means = data.mean(axis=0), hidden[:n].mean(axis=0)
        for offset, mean in zip(self.offsets, means, strict=False):
            numerics.blend(offset, mean, OFFSET_SHARE)
        self.offsets = self.offsets or means
        of_visible, of_hidden = self.offsets
        visible_sum, hidden_sum = data.sum(axis=0) - recon.sum(axis=0), hidden.sum(axis=0)
        np.subtract(self._visible[: 2 * n], of_visible, out=visible)
        hidden[:n] -= of_hidden
        hidden[n:] += of_hidden
        visible_sum -= (hidden @ of_hidden) @ visible
        hidden_sum -= (visible @ of_visible) @ hidden
        self.weights.step_product(visible.T, hidden, 1 / n, step)
        self.visible_bias.step_sum(visible_sum[np.newaxis], 1 / n, step)
        self.hidden_bias.step_sum(hidden_sum[np.newaxis], 1 / n, step)

    def _lessen(self, h_probs: Array) -> None:
        """Take off the slope of the sparsity cost by each feature's input, times the cases.

        The correlations with the data then have its gradient, too, at no product more.
        """
        q, smallest = np.zeros(h_probs.shape[1], h_probs.dtype), np.finfo(h_probs.dtype)
        numerics.add_sums(h_probs, q, 1 / len(h_probs), 0)
        off = 1 - q
        # There little but rounding is left of it, while each case still tells.
        nearly_on = np.flatnonzero(off < NEARLY_ON * smallest.eps)
        off[nearly_on] = (1 - h_probs[:, nearly_on]).mean(axis=0)
        variance = np.maximum(q * off, smallest.tiny / smallest.eps)  # not to divide by 0
        numerics.lessen(h_probs, self._cost * (q - self._target) / variance)

    def _go_on(self, v_states: Array, minus_h: Array, rng: Generator) -> None:
        """Go on with as many chains as cases: states, and minus the features for Eq. 4."""
        rbm, chains = self.rbm, self.chains[: len(v_states)]
        for _ in range(self._rounds - 1):
            gibbs_round(rbm, chains, rng, v_states)
        visible_states(rbm, chains, rng, v_states)
        _sample_labels(rbm, v_states, rng)
        inputs = numerics.product(v_states, rbm.weights, minus_h)
        numerics.squash_and_fire(inputs, rbm.hidden_bias, rng, chains)
        np.negative(chains if self._of_states else minus_h, out=minus_h)

    def restore_chains(self, saved: Array) -> None:
        """Go on with a copy of saved chains; ValueError if they have another shape."""
        if saved.shape != self.chains.shape:
            raise ValueError(f"chains of shape {saved.shape} do not fit {self.chains.shape}")
        np.copyto(self.chains, saved)

    def restore_offsets(self, saved: tuple[Array, ...]) -> None:
        """Go on with copies of saved offsets, if any; ValueError if they have other shapes."""
        shapes = [(self.rbm.n_visible,), (self.rbm.n_hidden,)]
        if saved and [offset.shape for offset in saved] != shapes:
            raise ValueError(f"offsets do not fit {shapes}")
        self.offsets = tuple(offset.copy() for offset in saved)
