"""The same algorithms as a competent user would write them in PyTorch, and scikit-learn's own.

PyTorch: float32 on the CPU, the batch and the order of the arithmetic of hinton06, everything
preallocated that can be, momentum folded into ``addmm_`` by its ``beta``, both halves of a
contrastive batch one above the other so that one product serves both, no autograd where the
gradient is written by hand. Bernoulli draws are ``uniform_`` and a comparison, which is faster
than ``torch.bernoulli``; denormal numbers are flushed to zero. Backpropagation is autograd's, with
the fused SGD.

scikit-learn: `BernoulliRBM` does *persistent* CD, whose chains go on from the last batch's, without
momentum or decay, at the same number and shapes of matrix products; `MLPClassifier` is plain
backpropagation with momentum. Its checks of numbers and parameters are turned off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
import torch
from products import BATCH, EVALUATION_BATCH
from sklearn.neural_network import BernoulliRBM, MLPClassifier
from torch import Tensor, nn
from torch.nn import functional

from hinton06.dropout import chances
from hinton06.models import Classifier, DeepBeliefNet, Rbm
from hinton06.recipes import BackpropSettings
from hinton06.updates import Step

_SATURATED = 60.0


def tensor(array: Any) -> Tensor:
    """A tensor with numbers of its own."""
    return torch.from_numpy(np.array(array))


class TorchCases:
    """Random batches from uint8 images or float features, as floats in a buffer."""

    def __init__(self, cases: Any, seed: int) -> None:
        self.cases = torch.from_numpy(cases)
        self._generator = torch.Generator().manual_seed(seed)
        self._order = torch.empty(0, dtype=torch.int64)
        self._bytes = torch.empty((BATCH, cases.shape[1]), dtype=self.cases.dtype)

    def rows(self) -> Tensor:
        """The next batch of a random order."""
        if len(self._order) < BATCH:
            self._order = torch.randperm(len(self.cases), generator=self._generator)
        rows, self._order = self._order[:BATCH], self._order[BATCH:]
        return rows

    def take(self, rows: Tensor, out: Tensor) -> Tensor:
        """Those cases, in [0, 1]."""
        if self.cases.dtype != torch.uint8:
            return torch.index_select(self.cases, 0, rows, out=out)
        torch.index_select(self.cases, 0, rows, out=self._bytes)
        return torch.mul(self._bytes, 1 / 255, out=out)


def fire(probs: Tensor, uniforms: Tensor, out: Tensor) -> Tensor:
    """Binary states, each 1 with its probability."""
    return torch.lt(uniforms.uniform_(), probs, out=out)


def up(data: Tensor, weights: Tensor, bias: Tensor, out: Tensor) -> Tensor:
    """The logistic of the total inputs."""
    return torch.addmm(bias, data, weights, out=out).sigmoid_()


class TorchContrastiveDivergence:
    """CD-1 of one RBM, without reconstructed states, as the lower layers learn."""

    def __init__(self, rbm: Rbm, cases: Any, step: Step) -> None:
        self._cases = TorchCases(cases, 0)
        self._step = step
        self.weights, self.visible_bias, self.hidden_bias = (
            tensor(a) for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias)
        )
        self._velocity = torch.zeros_like(self.weights)
        self._visible_velocity = torch.zeros_like(self.visible_bias)
        self._hidden_velocity = torch.zeros_like(self.hidden_bias)
        self._visible = torch.empty((2 * BATCH, rbm.n_visible))
        self._hidden = torch.empty((2 * BATCH, rbm.n_hidden))
        self._states = torch.empty((BATCH, rbm.n_hidden))
        self._uniforms = torch.empty((BATCH, rbm.n_hidden))
        self._missed = torch.empty((BATCH, rbm.n_visible))
        self.squared_error = 0.0

    def run(self, batches: int) -> None:
        """So many updates."""
        for _ in range(batches):
            self._learn()

    def _learn(self) -> None:
        data, recon = self._visible[:BATCH], self._visible[BATCH:]
        h_data, h_recon = self._hidden[:BATCH], self._hidden[BATCH:]
        rate, momentum = self._step.rate, self._step.momentum
        self._cases.take(self._cases.rows(), data)
        up(data, self.weights, self.hidden_bias, h_data)
        fire(h_data, self._uniforms, self._states)
        up(self._states, self.weights.t(), self.visible_bias, recon)
        missed = torch.sub(data, recon, out=self._missed)
        flat = missed.view(-1)
        self.squared_error += torch.dot(flat, flat).item()
        up(recon, self.weights, self.hidden_bias, h_recon).neg_()
        self._velocity.addmm_(self._visible.t(), self._hidden, beta=momentum, alpha=rate / BATCH)
        if self._step.decay:
            self._velocity.add_(self.weights, alpha=-rate * self._step.decay)
        self.weights.add_(self._velocity)
        self._visible_velocity.mul_(momentum).add_(missed.sum(0), alpha=rate / BATCH)
        self.visible_bias.add_(self._visible_velocity)
        self._hidden_velocity.mul_(momentum).add_(self._hidden.sum(0), alpha=rate / BATCH)
        self.hidden_bias.add_(self._hidden_velocity)


class TorchSampler:
    """Importance sampling of easy cases: sweeps, a queue, and a note of what was easy."""

    def __init__(self, n_cases: int, settings: BackpropSettings) -> None:
        self._settings = settings
        self.easy = torch.zeros(n_cases, dtype=torch.bool)
        self._queue = torch.empty(0, dtype=torch.int64)
        self._weights = torch.empty(0)

    def batch(self) -> tuple[Tensor, Tensor]:
        """The next rows and the factors of their gradients."""
        while len(self._queue) < BATCH:
            rows, weights = self._sweep()
            self._queue = torch.cat([self._queue, rows])
            self._weights = torch.cat([self._weights, weights])
        rows, self._queue = self._queue[:BATCH], self._queue[BATCH:]
        weights, self._weights = self._weights[:BATCH], self._weights[BATCH:]
        return rows, weights

    def _sweep(self) -> tuple[Tensor, Tensor]:
        order = torch.randperm(len(self.easy))
        if not self._settings.importance_sampling:
            return order, torch.ones(len(order))
        chance = self._settings.easy_probability
        order = order[torch.rand(len(order)) < torch.where(self.easy[order], chance, 1.0)]
        return order, torch.where(self.easy[order], 1 / chance, 1.0)

    def note(self, rows: Tensor, costs: Tensor) -> None:
        """Remember which are easy now."""
        self.easy[rows] = costs < self._settings.easy_cost


class Drop(nn.Dropout):
    """PyTorch's own; what is left out is drawn by a function that can be replaced."""

    def forward(self, values: Tensor) -> Tensor:
        """With a share of these left out."""
        return drop(values, self.p)


def drop(values: Tensor, chance: float) -> Tensor:
    """Leave out each value with this chance, and divide the others by theirs to be kept."""
    return functional.dropout(values, chance)


class TorchBackpropagation:
    """Logistic layers, dropout, autograd, cross-entropy weighted by case, SGD with momentum."""

    def __init__(
        self, net: Classifier, images: Any, labels: Any, settings: BackpropSettings, easy: Any
    ) -> None:
        self._cases = TorchCases(images, 0)
        self._labels = torch.from_numpy(labels.astype(np.int64))
        self._sampler = TorchSampler(len(images), settings)
        self._easy = torch.from_numpy(easy)
        layers: list[nn.Module] = []
        n_hidden = len(net.weights) - 1
        left_out = [1 - keep for keep in chances(settings, n_hidden)] if settings.dropout else []
        for number, (weights, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
            layers += [Drop(left_out[number])] if left_out else []
            linear = nn.Linear(*weights.shape)
            linear.weight = nn.Parameter(tensor(weights.T).contiguous())
            linear.bias = nn.Parameter(tensor(bias))
            layers += [linear, nn.Sigmoid()]
        self.net = nn.Sequential(*layers[:-1])
        self._optimiser = torch.optim.SGD(
            self.net.parameters(), lr=settings.rate, momentum=settings.momentum, fused=True
        )
        self._data = torch.empty((BATCH, images.shape[1]))
        self._costs = nn.CrossEntropyLoss(reduction="none")
        self.total = 0.0

    def reset(self) -> None:
        """The same cases are easy before every measurement."""
        self._sampler.easy.copy_(self._easy)

    def run(self, batches: int) -> None:
        """So many updates."""
        with torch.enable_grad():
            for _ in range(batches):
                self._learn()

    def _learn(self) -> None:
        rows, weights = self._sampler.batch()
        self._cases.take(rows, self._data)
        self._optimiser.zero_grad()
        costs = self._costs(self.net(self._data), self._labels[rows])
        loss = torch.dot(costs, weights) / BATCH
        loss.backward()
        self._optimiser.step()
        self._sampler.note(rows, costs.detach())
        self.total += loss.item()


class TorchWakeSleep:
    """Contrastive wake-sleep without momentum, and, when asked, the label gradient beside it."""

    def __init__(
        self, net: DeepBeliefNet, images: Any, targets: Any, rounds: int, step: Step,
        label_step: Step | None = None,
    ) -> None:  # fmt: skip
        if step.momentum:
            raise ValueError("written for updates without momentum")
        self._cases = TorchCases(images, 0)
        self._targets = torch.from_numpy(targets)
        self._rounds, self._step, self._label_step = rounds, step, label_step
        names = (
            "vishid", "hid_rec_bias", "hidpen", "pen_rec_bias",
            "penhid", "hid_gen_bias", "hidvis", "vis_gen_bias",
        )  # fmt: skip
        self.arrays = {name: tensor(getattr(net, name)) for name in names}
        memory = net.memory
        self.arrays |= {
            "memory": tensor(memory.weights), "memory_bias": tensor(memory.visible_bias),
            "top_bias": tensor(memory.hidden_bias),
        }  # fmt: skip
        self._n_pen = net.n_pen
        self._make_buffers(*net.vishid.shape, net.n_pen, memory.n_visible, memory.n_hidden)
        if label_step is not None:
            self._labels = TorchLabelGradient(self.arrays, net.n_pen, net.n_labels, label_step)
        self.cost = 0.0

    def _make_buffers(self, vis: int, hid: int, pen: int, visible: int, top: int) -> None:
        def buffer(n: int, rows: int = BATCH) -> Tensor:
            return torch.empty((rows, n))

        self._data = buffer(vis)
        self._probs = {n: buffer(n) for n in {vis, hid, pen, top, visible}}
        self._uniforms = {n: buffer(n) for n in {hid, pen, top}}
        # Wake above sleep: the generative weights meet both at the same time.
        self._hid, self._pen = buffer(hid, 2 * BATCH), buffer(pen, 2 * BATCH)
        self._vis_predictions, self._hid_predictions = (
            buffer(vis, 2 * BATCH),
            buffer(hid, 2 * BATCH),
        )
        self._pen_prediction, self._sleep_hid_prediction = buffer(pen), buffer(hid)
        self._visible, self._top = buffer(visible, 2 * BATCH), buffer(top, 2 * BATCH)

    def run(self, batches: int) -> None:
        """So many updates."""
        for _ in range(batches):
            rows = self._cases.rows()
            self._cases.take(rows, self._data)
            targets = self._targets[rows]
            a, data = self.arrays, self._data
            wake_hid_probs = up(data, a["vishid"], a["hid_rec_bias"], self._probs[len(a["hidpen"])])
            if self._label_step is not None:
                self._labels.gather(data, wake_hid_probs, targets)
            self._learn(data, wake_hid_probs, targets)
            if self._label_step is not None:
                self._labels.apply()

    def _fire(self, data: Tensor, weights: Tensor, bias: Tensor, out: Tensor) -> Tensor:
        n = out.shape[1]
        return fire(up(data, weights, bias, self._probs[n]), self._uniforms[n], out)

    def _learn(self, data: Tensor, wake_hid_probs: Tensor, targets: Tensor) -> None:
        a, n, pen = self.arrays, BATCH, self._n_pen
        hid_states, pen_states = self._hid, self._pen
        wake_hid = fire(wake_hid_probs, self._uniforms[hid_states.shape[1]], hid_states[:n])
        wake_pen = self._fire(wake_hid, a["hidpen"], a["pen_rec_bias"], pen_states[:n])
        self._visible[:n, :pen] = wake_pen
        self._visible[:n, pen:] = targets
        self._fire(self._visible[:n], a["memory"], a["top_bias"], self._top[:n])
        self._confabulate()
        pen_states[n:] = self._visible[n:, :pen]

        # Both halves' predictions of hid; the sleep half's are what fires next.
        up(pen_states, a["penhid"], a["hid_gen_bias"], self._hid_predictions)
        fire(self._hid_predictions[n:], self._uniforms[hid_states.shape[1]], hid_states[n:])
        up(hid_states, a["hidvis"], a["vis_gen_bias"], self._vis_predictions)
        sleep_hid, sleep_vis = hid_states[n:], self._vis_predictions[n:]
        up(sleep_hid, a["hidpen"], a["pen_rec_bias"], self._pen_prediction)
        up(sleep_vis, a["vishid"], a["hid_rec_bias"], self._sleep_hid_prediction)

        vis_prediction = self._vis_predictions[:n]
        self.cost += functional.binary_cross_entropy(vis_prediction, data, reduction="sum").item()
        self._delta_rule("hidvis", "vis_gen_bias", wake_hid, data, vis_prediction)
        self._delta_rule("penhid", "hid_gen_bias", wake_pen, wake_hid, self._hid_predictions[:n])
        self._delta_rule("hidpen", "pen_rec_bias", sleep_hid, pen_states[n:], self._pen_prediction)
        self._delta_rule("vishid", "hid_rec_bias", sleep_vis, sleep_hid, self._sleep_hid_prediction)
        self._learn_memory()

    def _confabulate(self) -> None:
        a, n, pen = self.arrays, BATCH, self._n_pen
        visible, top_states = self._visible[n:], self._top[:n]
        for _ in range(self._rounds):
            inputs = torch.addmm(
                a["memory_bias"], top_states, a["memory"].t(), out=self._probs[visible.shape[1]]
            )
            pen_probs = inputs[:, :pen].sigmoid_()
            visible[:, :pen] = self._uniforms[pen].uniform_() < pen_probs
            visible[:, pen:] = torch.softmax(inputs[:, pen:], 1)
            top_states = self._fire(visible, a["memory"], a["top_bias"], self._top[n:])

    def _delta_rule(
        self, weights: str, bias: str, driving: Tensor, states: Tensor, prediction: Tensor
    ) -> None:
        # Without momentum the gradient goes straight into the weights, and their decay with it.
        missed = torch.sub(states, prediction, out=prediction)
        share, keep = self._step.rate / BATCH, 1 - self._step.rate * self._step.decay
        self.arrays[weights].addmm_(driving.t(), missed, beta=keep, alpha=share)
        self.arrays[bias].add_(missed.sum(0), alpha=share)

    def _learn_memory(self) -> None:
        a, n, share = self.arrays, BATCH, self._step.rate / BATCH
        self._top[n:].neg_()
        keep = 1 - self._step.rate * self._step.decay
        a["memory"].addmm_(self._visible.t(), self._top, beta=keep, alpha=share)
        a["memory_bias"].add_(self._visible[:n].sum(0) - self._visible[n:].sum(0), alpha=share)
        a["top_bias"].add_(self._top.sum(0), alpha=share)


class TorchLabelGradient:
    """The gradient of log p(label | image) by free energy, written by hand as in hinton06.

    One exponential serves all labels, and the data's way to hid is the wake pass's.
    """

    def __init__(self, arrays: dict[str, Tensor], n_pen: int, n_labels: int, step: Step) -> None:
        self._a, self._n_pen, self._step = arrays, n_pen, step
        names = ("vishid", "hid_rec_bias", "hidpen", "pen_rec_bias", "memory", "memory_bias",
                 "top_bias")  # fmt: skip
        self._velocity = {name: torch.zeros_like(arrays[name]) for name in names}
        hid, top = len(arrays["hidpen"]), arrays["memory"].shape[1]
        self._hid, self._hid_delta = torch.empty((BATCH, hid)), torch.empty((BATCH, hid))
        self._pen, self._pen_delta = torch.empty((BATCH, n_pen)), torch.empty((BATCH, n_pen))
        self._top = torch.empty((BATCH, top))
        self._slopes = torch.empty((n_labels, BATCH, top))
        self._one_more = torch.empty((n_labels, BATCH, top))
        self.cost = 0.0

    def gather(self, data: Tensor, wake_hid_probs: Tensor, targets: Tensor) -> None:
        """Renew the velocities; move nothing."""
        a, n_pen = self._a, self._n_pen
        hid = self._hid.copy_(wake_hid_probs)
        pen = up(hid, a["hidpen"], a["pen_rec_bias"], self._pen)
        exp_inputs = torch.addmm(a["top_bias"], pen, a["memory"][:n_pen], out=self._top)
        exp_inputs.clamp_(-_SATURATED, _SATURATED).exp_()
        exp_labels = a["memory"][n_pen:].exp()
        slopes = torch.mul(exp_inputs, exp_labels.unsqueeze(1), out=self._slopes)
        one_more = torch.add(slopes, 1, out=self._one_more)
        slopes.div_(one_more)
        energies = one_more.log_().sum(2).t() + a["memory_bias"][n_pen:]
        log_probs = torch.log_softmax(energies, 1)
        self.cost -= torch.sum(log_probs * targets).item()
        errors = (targets - log_probs.exp()) / BATCH
        self._down(data, hid, pen, slopes.mul_(errors.t().unsqueeze(2)), errors)

    def _down(
        self, data: Tensor, hid: Tensor, pen: Tensor, weighted: Tensor, errors: Tensor
    ) -> None:
        a, v, n_pen = self._a, self._velocity, self._n_pen
        self._renew(v["memory"][n_pen:], weighted.sum(1))
        self._renew(v["memory_bias"][n_pen:], errors.sum(0))
        delta = torch.sum(weighted, 0, out=self._top)
        self._renew_product(v["memory"][:n_pen], pen, delta)
        self._renew(v["top_bias"], delta.sum(0))
        delta = torch.mm(delta, a["memory"][:n_pen].t(), out=self._pen_delta)
        delta.mul_(pen).mul_(pen.neg_().add_(1))
        self._renew_product(v["hidpen"], hid, delta)
        self._renew(v["pen_rec_bias"], delta.sum(0))
        delta = torch.mm(delta, a["hidpen"].t(), out=self._hid_delta)
        delta.mul_(hid).mul_(hid.neg_().add_(1))
        self._renew_product(v["vishid"], data, delta)
        self._renew(v["hid_rec_bias"], delta.sum(0))

    def _renew(self, velocity: Tensor, gradient: Tensor) -> None:
        velocity.mul_(self._step.momentum).add_(gradient, alpha=self._step.rate)

    def _renew_product(self, velocity: Tensor, below: Tensor, delta: Tensor) -> None:
        velocity.addmm_(below.t(), delta, beta=self._step.momentum, alpha=self._step.rate)

    def apply(self) -> None:
        """Move every parameter by its velocity."""
        for name, velocity in self._velocity.items():
            self._a[name].add_(velocity)


class TorchFreeEnergy:
    """Log p(label | image) of one large batch after the other."""

    def __init__(self, net: DeepBeliefNet, images: Any) -> None:
        self._images = torch.from_numpy(images)
        self._first = 0
        self._n_pen = net.n_pen
        names = ("vishid", "hid_rec_bias", "hidpen", "pen_rec_bias")
        self._a = {name: tensor(getattr(net, name)) for name in names}
        self._memory, self._bias = tensor(net.memory.weights), tensor(net.memory.visible_bias)
        self._top_bias = tensor(net.memory.hidden_bias)
        n = EVALUATION_BATCH
        self._data = torch.empty((n, len(net.vishid)))
        self._hid, self._pen = torch.empty((n, len(net.hidpen))), torch.empty((n, net.n_pen))
        self._top, self._spare = (torch.empty((n, net.memory.n_hidden)) for _ in range(2))
        self.result = torch.empty((n, net.n_labels))

    def run(self, batches: int) -> None:
        """So many batches."""
        for _ in range(batches):
            if self._first + EVALUATION_BATCH > len(self._images):
                self._first = 0
            chosen = self._images[self._first : self._first + EVALUATION_BATCH]
            self._first += EVALUATION_BATCH
            self._evaluate(torch.mul(chosen, 1 / 255, out=self._data))

    def _evaluate(self, data: Tensor) -> None:
        a, n_pen = self._a, self._n_pen
        up(data, a["vishid"], a["hid_rec_bias"], self._hid)
        up(self._hid, a["hidpen"], a["pen_rec_bias"], self._pen)
        inputs = torch.addmm(self._top_bias, self._pen, self._memory[:n_pen], out=self._top)
        for label in range(self.result.shape[1]):
            total = torch.add(inputs, self._memory[n_pen + label], out=self._spare)
            self.result[:, label] = functional.softplus(total).sum(1) + self._bias[n_pen + label]
        torch.log_softmax(self.result, 1, out=self.result)


# -- scikit-learn --------------------------------------------------------------------------------


class SklearnRbm:
    """`BernoulliRBM`, a batch at a time; persistent CD."""

    def __init__(self, rbm: Rbm, rows: Callable[[], Any], take: Callable[..., Any]) -> None:
        self._rows, self._take = rows, take
        self._data = np.empty((BATCH, rbm.n_visible), np.float32)
        self.model = BernoulliRBM(
            n_components=rbm.n_hidden, learning_rate=0.01, batch_size=BATCH, random_state=0
        )
        # Only `fit` makes float32 weights of float32 data; `partial_fit` would make float64.
        self.model.set_params(n_iter=1).fit(self._take(self._rows(), self._data))
        assert self.model.components_.dtype == np.float32
        self.model.components_[...] = rbm.weights.T
        self.model.intercept_hidden_[...] = rbm.hidden_bias
        self.model.intercept_visible_[...] = rbm.visible_bias

    def run(self, batches: int) -> None:
        """So many updates."""
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            for _ in range(batches):
                self._take(self._rows(), self._data)
                self.model.partial_fit(self._data)


class SklearnMlp:
    """`MLPClassifier`: all batches of a measurement in one call, so that it checks once."""

    def __init__(
        self, sizes: tuple[int, ...], rows: Callable[[], Any], take: Callable[..., Any],
        labels: Any, settings: BackpropSettings,
    ) -> None:  # fmt: skip
        self._rows, self._take, self._labels = rows, take, labels
        self._n_pixels, self._classes = sizes[0], np.arange(sizes[-1])
        self.model = MLPClassifier(
            hidden_layer_sizes=sizes[1:-1], activation="logistic", solver="sgd", alpha=0.0,
            batch_size=BATCH, learning_rate_init=settings.rate, momentum=settings.momentum,
            nesterovs_momentum=False, random_state=0,
        )  # fmt: skip

    def run(self, batches: int) -> None:
        """So many updates."""
        rows = np.concatenate([self._rows() for _ in range(batches)])
        data = self._take(rows, np.empty((len(rows), self._n_pixels), np.float32))
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            self.model.partial_fit(data, self._labels[rows], classes=self._classes)


def settle(threads: int) -> None:
    """PyTorch's best settings for these measurements."""
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    torch.set_flush_denormal(True)


def versions() -> dict[str, str]:
    """Of both, and what PyTorch multiplies with."""
    found = [
        word for word in torch.__config__.show().replace(",", " ").split() if "BLAS_INFO" in word
    ]
    return {
        "torch": torch.__version__,
        "torch blas": " ".join(dict.fromkeys(found)).removeprefix("BLAS_INFO=") or "unknown",
        "scikit-learn": sklearn.__version__,
    }
