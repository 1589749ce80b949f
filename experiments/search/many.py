"""Many nets at once, to compare recipes on more draws than one machine's cores can train.

    python experiments/search/many.py plan.txt many.csv --seeds 4
    python experiments/search/many.py plan.txt held-out.csv --seeds 2 --held-out

Those in many/ (PyTorch 2.11, TF32): 1 and 2 with ``--seeds 4``, 3 with ``--first-draw 7`` beside
it, 4 with ``--seeds 8 --first-draw 11``; table.md is what many_table.py prints of them.

The learners of hinton06 once more, in PyTorch, a batch of nets to each operation: CD-1 stacks, then
backpropagation with importance sampling until the chapter's rules stop it. A line of the plan is a
recipe, ``pretrain options | finetune-bp options``, each as hinton06 spells them; an option with
commas has a value for each layer. Lines that learn the same stacks share them. Options that
hinton06 does not have: ``--hidden-bias`` and ``--visible-bias log-odds``, where the biases start,
``--averaging`` (passes over which the stack's weights are averaged) and ``--layer-rates`` (shares
of the rate of backpropagation, bottom to top).

Each recipe trains nets of all three splits, from as many draws as `--seeds` says, and one line a
net says what validation said; the test cases are not read. With `--held-out` the 10,000 cases of a
split stand for them: in the 50,000 others there are three splits again, whose nets learn on with
their validation cases, and the errors on the held-out cases are those of each net and of the
product of the three.

On a CUDA device if there is one. All draws come from one generator that the plan's order drives:
the same plan makes the same nets on the same card, not on others. Matrix products there are TF32
unless `--exact` is given.
"""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinton06 import mnist
from hinton06.backprop import should_stop
from hinton06.recipes import RECIPES, parse_layers

RECIPE = RECIPES["tr2006"]
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CHUNK = 1000
EXTRA = {"hidden_bias": 0.0, "visible_bias": "zero", "averaging": 0.0, "layer_rates": 1.0}
ABSENT = {
    "optimiser", "line_searches", "top_only_epochs", "initial_scale", "max_epochs", "balanced",
    "cases", "updates",
}  # fmt: skip
"""Settings of hinton06 that are not here."""


# -- recipes -------------------------------------------------------------------------------------


def parse(text: str, settings: Any) -> dict[str, Any]:
    """A command's options over a recipe's settings; options with commas become tuples."""
    values = {name: getattr(settings, name) for name in settings.__dataclass_fields__} | EXTRA
    words = iter(shlex.split(text))
    for word in words:
        name = word.removeprefix("--").replace("-", "_")
        if name.startswith("no_") and name[3:] in values:
            values[name[3:]] = False
            continue
        if name not in values or name in ABSENT:
            raise SystemExit(f"no setting {word}")
        kind, value = type(values[name]), next(words)
        if kind is str:
            values[name] = value
        elif name == "layers":
            values[name] = parse_layers(value)
        else:
            parts = tuple(float(part) for part in value.split(","))
            values[name] = parts if len(parts) > 1 else kind(parts[0])
    return values


def of_layer(value: Any, layer: int) -> Any:
    """A setting's value for one layer."""
    return value[layer] if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Job:
    """One net to be trained: its line of the plan, draw, and cases as rows of the training set."""

    line: int
    seed: int
    name: str
    pretrain: dict[str, Any]
    backprop: dict[str, Any]
    train: Any
    valid: Any
    held_out: Any = None


def column(jobs: Sequence[Job], part: str, setting: str, layer: int = 0) -> Tensor:
    """A setting of each net as (nets, 1, 1)."""
    values = [float(of_layer(getattr(job, part)[setting], layer)) for job in jobs]
    return torch.tensor(values, device=DEVICE)[:, None, None]


# -- arithmetic, a batch of nets at a time -------------------------------------------------------

_ON_GPU = DEVICE.type == "cuda"


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function, dynamic=True) if _ON_GPU else function


@_compiled
def move(parameter: Tensor, velocity: Tensor, gradient: Tensor, step: tuple[Tensor, ...]) -> None:
    """``updates.Momentum``: the step is rate / batch, momentum, and rate times decay."""
    share, momentum, shrink = step
    new = momentum * velocity + share * gradient - shrink * parameter
    velocity.copy_(new)
    parameter.add_(new)


@_compiled
def squash(inputs: Tensor, bias: Tensor) -> Tensor:
    """Firing probabilities."""
    return torch.sigmoid(inputs + bias)


@_compiled
def squash_and_fire(inputs: Tensor, bias: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Firing probabilities and states."""
    probs = torch.sigmoid(inputs + bias)
    return probs, (uniform < probs).to(probs.dtype)


@_compiled
def times_slope(delta: Tensor, probs: Tensor) -> Tensor:
    """The derivative of the logistic function."""
    return delta * probs * (1 - probs)


def pixels(images: Tensor, rows: Tensor) -> Tensor:
    """(nets, n) rows of uint8 images as (nets, n, pixels) in [0, 1]; other arrays a net each."""
    if images.dtype == torch.uint8:
        return images[rows].to(torch.float32).div_(255)
    return torch.gather(images, 1, rows[:, :, None].expand(-1, -1, images.shape[2]))


def shuffles(n_nets: int, n_cases: int) -> Tensor:
    """A random order for each net."""
    return torch.rand((n_nets, n_cases), device=DEVICE).argsort(1)


# -- contrastive divergence ----------------------------------------------------------------------


class Rbms:
    """``rbm.ContrastiveDivergence`` of one layer of all nets."""

    def __init__(self, jobs: Sequence[Job], layer: int, n_visible: int, n_hidden: int) -> None:
        n = len(jobs)
        self.weights = torch.randn((n, n_visible, n_hidden), device=DEVICE)
        self.weights *= column(jobs, "pretrain", "initial_sd", layer)
        self.visible_bias = torch.zeros((n, 1, n_visible), device=DEVICE)
        self.hidden_bias = torch.zeros((n, 1, n_hidden), device=DEVICE)
        self.hidden_bias += column(jobs, "pretrain", "hidden_bias", layer)
        self.velocities = [torch.zeros_like(p) for p in self.arrays()]
        self.recon_states = jobs[0].pretrain["recon_states"] == "all"
        self.averaging = column(jobs, "pretrain", "averaging", layer)
        self._means: list[Tensor] = []
        self._count = 0

    def arrays(self) -> list[Tensor]:
        """The parameters."""
        return [self.weights, self.visible_bias, self.hidden_bias]

    def learn(self, data: Tensor, step: tuple[Tensor, ...]) -> None:
        """One update; `step` as in `move`."""
        up = torch.bmm(data, self.weights)
        h_data, states = squash_and_fire(up, self.hidden_bias, torch.rand_like(up))
        recon = squash(torch.bmm(states, self.weights.mT), self.visible_bias)
        if self.recon_states:
            recon = (torch.rand_like(recon) < recon).to(recon.dtype)
        h_recon = squash(torch.bmm(recon, self.weights), self.hidden_bias)
        gradients = [
            torch.bmm(torch.cat([data, recon], 1).mT, torch.cat([h_data, -h_recon], 1)),
            (data - recon).sum(1, keepdim=True),
            (h_data - h_recon).sum(1, keepdim=True),
        ]
        share, momentum, shrink = step
        no_decay = torch.zeros_like(shrink)
        for number, (parameter, gradient) in enumerate(zip(self.arrays(), gradients, strict=True)):
            decay = no_decay if number else shrink
            move(parameter, self.velocities[number], gradient, (share, momentum, decay))

    def average(self, per_pass: float) -> None:
        """Let the present parameters take part in the running means."""
        self._count += 1
        if not self._means:
            self._means = [p.clone() for p in self.arrays()]
        share = 1 / (self.averaging * per_pass).clamp(min=1, max=self._count)
        for mean, parameter in zip(self._means, self.arrays(), strict=True):
            mean.add_(share * (parameter - mean))

    def use_means(self) -> None:
        """End with the means; they are the last parameters where there is no averaging."""
        for mean, parameter in zip(self._means, self.arrays(), strict=True):
            parameter.copy_(mean)


AVERAGED_EVERY = 25
"""Updates between two values of a running mean."""


def learn_layer(rbms: Rbms, data: Tensor, rows: Tensor, jobs: Sequence[Job], layer: int) -> None:
    """All passes of a layer; the last incomplete batch of a pass is left out."""
    settings = [job.pretrain for job in jobs]
    passes, batch = int(of_layer(settings[0]["passes"], layer)), int(settings[0]["batch"])
    averaged = any(of_layer(s["averaging"], layer) for s in settings)
    rate, decay = (column(jobs, "pretrain", name, layer) for name in ("rate", "decay"))
    final = column(jobs, "pretrain", "final_share", layer)
    early, late = (column(jobs, "pretrain", name) for name in ("early_momentum", "momentum"))
    early_epochs = column(jobs, "pretrain", "early_epochs")
    n_batches = rows.shape[1] // batch
    for epoch in range(passes):
        now = rate * (1 + (final - 1) * (epoch / max(1, passes - 1)))
        step = (now / batch, torch.where(epoch < early_epochs, early, late), now * decay)
        order = shuffles(*rows.shape)
        if data.dtype == torch.uint8:
            order = rows.gather(1, order)
        for first in range(0, n_batches * batch, batch):
            rbms.learn(pixels(data, order[:, first : first + batch]), step)
            if averaged and first // batch % AVERAGED_EVERY == 0:
                rbms.average(n_batches / AVERAGED_EVERY)
    if averaged:
        rbms.use_means()


def features(rbms: Rbms, data: Tensor, rows: Tensor) -> Tensor:
    """What the next layer learns from: (nets, cases, features)."""
    n_nets, n_cases = rows.shape
    found = torch.empty((n_nets, n_cases, rbms.hidden_bias.shape[2]), device=DEVICE)
    for first in range(0, n_cases, CHUNK):
        part = slice(first, first + CHUNK)
        below = pixels(data, rows[:, part]) if data.dtype == torch.uint8 else data[:, part]
        found[:, part] = squash(torch.bmm(below, rbms.weights), rbms.hidden_bias)
    return found


def learn_stacks(jobs: Sequence[Job], images: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Greedy learning: each layer's weights and hidden biases, all nets'."""
    rows = torch.stack([torch.as_tensor(job.train, device=DEVICE) for job in jobs])
    sizes = (images.shape[1], *jobs[0].pretrain["layers"])
    data, stack = images, []
    for layer, (n_visible, n_hidden) in enumerate(pairwise(sizes)):
        rbms = Rbms(jobs, layer, n_visible, n_hidden)
        if layer == 0:
            start_visible(rbms, jobs, images, rows)
        learn_layer(rbms, data, rows, jobs, layer)
        stack.append((rbms.weights, rbms.hidden_bias))
        if layer + 2 < len(sizes):
            data = features(rbms, data, rows)
    return stack


def start_visible(rbms: Rbms, jobs: Sequence[Job], images: Tensor, rows: Tensor) -> None:
    """Log odds of the pixels' means, where the recipe says so."""
    for number, job in enumerate(jobs):
        if job.pretrain["visible_bias"] == "log-odds":
            means = images[rows[number]].to(torch.float32).mean(0) / 255
            rbms.visible_bias[number, 0] = torch.logit(means, eps=1 / rows.shape[1])


# -- backpropagation -----------------------------------------------------------------------------


@dataclass
class Progress:
    """What one net's validation said after each epoch, and what it was then."""

    job: Job
    valid_errors: list[int] = field(default_factory=list)
    valid_costs: list[float] = field(default_factory=list)
    train_cost: float = float("inf")
    extended: int = 0
    extension_costs: list[float] = field(default_factory=list)
    held_out_errors: list[int] = field(default_factory=list)
    best: list[Tensor] = field(default_factory=list)
    log_probs: list[Tensor] = field(default_factory=list)

    @property
    def kept(self) -> int:
        """The epoch of the fewest errors, from 1."""
        return int(np.argmin(self.valid_errors)) + 1


def up_pass(weights: Sequence[Tensor], biases: Sequence[Tensor], data: Tensor) -> list[Tensor]:
    """Every layer, the data first, log probabilities last."""
    layers = [data]
    for layer_weights, bias in zip(weights[:-1], biases[:-1], strict=True):
        layers.append(squash(torch.bmm(layers[-1], layer_weights), bias))
    top = torch.baddbmm(biases[-1], layers[-1], weights[-1])
    return [*layers, torch.log_softmax(top, 2)]


class Classifiers:
    """``backprop.DiscriminativeFineTuning`` of many nets, each stopped by a rule of its own."""

    def __init__(
        self,
        progress: list[Progress],
        weights: list[Tensor],
        biases: list[Tensor],
        images: Tensor,
        labels: Tensor,
        rows: Tensor,
        rate: str,
    ) -> None:
        self.progress = progress
        self.weights, self.biases = weights, biases
        self._images, self._labels, self._rows, self._rate = images, labels, rows, rate
        self._velocities = [torch.zeros_like(p) for p in [*weights, *biases]]
        n_nets, n_cases = rows.shape
        self._easy = torch.zeros((n_nets, n_cases), dtype=torch.bool, device=DEVICE)
        most = n_cases + self._batch
        self._queue = torch.zeros((n_nets, most), dtype=torch.int64, device=DEVICE)
        self._queue_weights = torch.zeros((n_nets, most), device=DEVICE)
        self._ends = np.zeros(n_nets, np.int64)
        self._next = np.zeros(n_nets, np.int64)
        self._set_steps()

    @property
    def _batch(self) -> int:
        return int(self.progress[0].job.backprop["batch"])

    def _set_steps(self) -> None:
        jobs = [p.job for p in self.progress]
        rate, decay = (column(jobs, "backprop", name) for name in (self._rate, "decay"))
        momentum = column(jobs, "backprop", "momentum")
        self._steps = []
        for layer in range(len(self.weights)):
            now = rate * column(jobs, "backprop", "layer_rates", layer)
            self._steps.append((now / self._batch, momentum, now * decay))
        self._easy_cost = column(jobs, "backprop", "easy_cost")[:, 0]
        self._easy_probability = column(jobs, "backprop", "easy_probability")[:, 0, 0]
        self._sampled = [bool(job.backprop["importance_sampling"]) for job in jobs]

    def keep_only(self, places: Sequence[int]) -> None:
        """Go on with some of the nets."""
        chosen = torch.tensor(list(places), device=DEVICE)
        self.progress = [self.progress[i] for i in places]
        self._ends, self._next = self._ends[list(places)], self._next[list(places)]
        for name in ("_rows", "_easy", "_queue", "_queue_weights"):
            setattr(self, name, getattr(self, name)[chosen])
        for name in ("weights", "biases", "_velocities"):
            arrays = getattr(self, name)
            for number in range(len(arrays)):
                arrays[number] = arrays[number][chosen]
        self._set_steps()

    # -- importance sampling

    def _sweep(self, net: int) -> None:
        """``backprop.CaseSampler.sweep``, behind what is left of the last one."""
        order = torch.randperm(self._easy.shape[1], device=DEVICE)
        weights = torch.ones(len(order), device=DEVICE)
        if self._sampled[net]:
            easy, chance = self._easy[net, order], self._easy_probability[net]
            selected = ~easy | (torch.rand(len(order), device=DEVICE) < chance)
            order = order[selected]
            weights = torch.where(easy[selected], 1 / chance, weights[: len(order)])
        start, end = int(self._next[net]), int(self._ends[net])
        left, total = end - start, end - start + len(order)
        for queue, new in ((self._queue, order), (self._queue_weights, weights)):
            queue[net, :left] = queue[net, start:end].clone()
            queue[net, left:total] = new
        self._next[net], self._ends[net] = 0, total

    def draw(self, size: int) -> tuple[Tensor, Tensor]:
        """The next cases of each net, and their gradients' factors."""
        while len(short := np.flatnonzero(self._ends - self._next < size)):
            for net in short:
                self._sweep(int(net))
        starts = torch.as_tensor(self._next, device=DEVICE)[:, None]
        places = starts + torch.arange(size, device=DEVICE)
        self._next += size
        return self._queue.gather(1, places), self._queue_weights.gather(1, places)

    # -- learning

    def learn(self, cases: Tensor, case_weights: Tensor) -> None:
        """One update of each net, and which of its cases are easy."""
        rows = self._rows.gather(1, cases)
        targets = self._labels[rows][:, :, None]
        layers = up_pass(self.weights, self.biases, pixels(self._images, rows))
        costs = -layers[-1].gather(2, targets)[:, :, 0]
        delta = -layers[-1].exp()
        delta.scatter_add_(2, targets, torch.ones_like(costs)[:, :, None])
        delta *= case_weights[:, :, None]
        for number in range(len(self.weights) - 1, -1, -1):
            weights, bias, below = self.weights[number], self.biases[number], layers[number]
            delta_below = torch.bmm(delta, weights.mT) if number else delta
            share, momentum, shrink = self._steps[number]
            velocities = self._velocities[number], self._velocities[len(self.weights) + number]
            move(weights, velocities[0], torch.bmm(below.mT, delta), (share, momentum, shrink))
            step = (share, momentum, torch.zeros_like(shrink))
            move(bias, velocities[1], delta.sum(1, keepdim=True), step)
            delta = times_slope(delta_below, below) if number else delta
        self._easy.scatter_(1, cases, costs < self._easy_cost)

    def run_epoch(self) -> None:
        """As many sampled cases as each net has."""
        n_cases = self._rows.shape[1]
        for first in range(0, n_cases, self._batch):
            self.learn(*self.draw(min(self._batch, n_cases - first)))

    # -- measuring

    def measure(self, rows: Tensor, nets: Sequence[int], note: bool = False) -> tuple[Any, Any]:
        """Mean costs in nats per 100, and errors, of some of the nets on (nets, n) rows."""
        costs, errors, noted = [], [], []
        for log_probs, labels in self.log_probs(rows, nets):
            cost = -log_probs.gather(2, labels[:, :, None])[:, :, 0]
            noted.append(cost)
            costs.append(cost.sum(1, dtype=torch.float64))
            errors.append((log_probs.argmax(2) != labels).sum(1))
        if note:
            chosen = torch.tensor(list(nets), device=DEVICE)
            self._easy[chosen] = torch.cat(noted, 1) < self._easy_cost[chosen]
        total = 100 * torch.stack(costs).sum(0) / rows.shape[1]
        return total.tolist(), torch.stack(errors).sum(0).tolist()

    def log_probs(self, rows: Tensor, nets: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Some nets' log probabilities of some cases, and the labels, a chunk at a time."""
        chosen = torch.tensor(list(nets), device=DEVICE)
        every = len(nets) == len(self.progress)
        weights, biases = (
            arrays if every else [array[chosen] for array in arrays]
            for arrays in (self.weights, self.biases)
        )
        for first in range(0, rows.shape[1], CHUNK):
            some = rows[:, first : first + CHUNK]
            found = up_pass(weights, biases, pixels(self._images, some))[-1]
            yield found, self._labels[some]

    def validate(self, valid: Tensor) -> list[int]:
        """After an epoch: what validation says, new best nets; the places of nets to stop."""
        every = range(len(self.progress))
        costs, errors = self.measure(valid, every)
        fewest = []
        for net, (cost, count) in enumerate(zip(costs, errors, strict=True)):
            found = self.progress[net]
            if not found.valid_errors or count < min(found.valid_errors):
                fewest.append(net)
                found.best = [p[net].clone() for p in [*self.weights, *self.biases]]
            found.valid_costs.append(cost)
            found.valid_errors.append(count)
        if fewest:
            train_costs, _ = self.measure(self._rows[fewest], fewest, note=True)
            for net, cost in zip(fewest, train_costs, strict=True):
                self.progress[net].train_cost = cost
        return [
            net
            for net, p in enumerate(self.progress)
            if should_stop(p.valid_costs, p.valid_errors, int(p.job.backprop["patience"]))
            or not np.isfinite(p.valid_costs[-1])
        ]

    def continue_to_target(self) -> list[int]:
        """After an epoch on all cases: the places of nets whose cost is down to the recorded."""
        every = range(len(self.progress))
        costs, _ = self.measure(self._rows, every, note=True)
        for found, cost in zip(self.progress, costs, strict=True):
            found.extension_costs.append(cost)
        return [net for net, p in enumerate(self.progress) if costs[net] <= p.train_cost]


def rows_of(jobs: Sequence[Job], *parts: str) -> Tensor:
    """(nets, cases) of those parts of each job, in ascending order."""
    rows = [np.sort(np.concatenate([getattr(job, part) for part in parts])) for job in jobs]
    return torch.as_tensor(np.stack(rows), device=DEVICE)


def without(stopped: Sequence[int], n: int) -> list[int]:
    """The others' places."""
    return [net for net in range(n) if net not in stopped]


def finetune(
    jobs: Sequence[Job],
    stack: Sequence[tuple[Tensor, Tensor]],
    images: Tensor,
    labels: Tensor,
    most_epochs: int,
) -> list[Progress]:
    """Backpropagation of each net until its rule, or `most_epochs`, stops it."""
    n_classes = int(labels.max()) + 1
    top = torch.zeros((len(jobs), stack[-1][0].shape[2], n_classes), device=DEVICE)
    weights = [w.clone() for w, _ in stack] + [top]
    biases = [b.clone() for _, b in stack]
    biases.append(torch.zeros((len(jobs), 1, n_classes), device=DEVICE))
    progress, rows = [Progress(job) for job in jobs], rows_of(jobs, "train")
    nets = Classifiers(list(progress), weights, biases, images, labels, rows, "rate")
    valid = rows_of(jobs, "valid")
    for _ in range(most_epochs):
        nets.run_epoch()
        going = without(nets.validate(valid), len(nets.progress))
        if not going:
            break
        if len(going) < len(nets.progress):
            nets.keep_only(going)
            valid = valid[going]
    return progress


def extend(progress: list[Progress], images: Tensor, labels: Tensor, most_epochs: int) -> None:
    """``--extend``, then the errors on the held-out cases before and after."""
    jobs = [p.job for p in progress]
    n_layers = len(progress[0].best) // 2
    arrays = [torch.stack(parts) for parts in zip(*(p.best for p in progress), strict=True)]
    weights, biases = arrays[:n_layers], arrays[n_layers:]
    rows, held_out = rows_of(jobs, "train", "valid"), rows_of(jobs, "held_out")
    nets = Classifiers(list(progress), weights, biases, images, labels, rows, "all_cases_rate")

    def judge(places: Sequence[int], rows: Tensor) -> None:
        parts = [log_probs for log_probs, _ in nets.log_probs(rows, places)]
        found, truth = torch.cat(parts, 1), labels[rows]
        errors = (found.argmax(2) != truth).sum(1).tolist()
        for net, count, probs in zip(places, errors, found, strict=True):
            nets.progress[net].held_out_errors.append(count)
            nets.progress[net].log_probs.append(probs)

    judge(range(len(jobs)), held_out)
    for epoch in range(most_epochs):
        nets.run_epoch()
        stopped = nets.continue_to_target()
        if epoch + 1 == most_epochs:
            stopped = list(range(len(nets.progress)))
        if stopped:
            judge(stopped, held_out[stopped])
            for net in stopped:
                nets.progress[net].extended = epoch + 1
            going = without(stopped, len(nets.progress))
            if not going:
                return
            nets.keep_only(going)
            held_out = held_out[going]


# -- the plan ------------------------------------------------------------------------------------


def make_jobs(plan: Sequence[str], seeds: int, n_cases: int, held_out: bool) -> list[Job]:
    """Every line's nets: draws times splits, times held-out sets if there are such."""
    jobs = []
    splits = [mnist.split(n_cases, name) for name in mnist.SPLITS]
    for number, line in enumerate(plan):
        pretrain, _, backprop = line.partition("|")
        settings = parse(pretrain, RECIPE.pretrain), parse(backprop, RECIPE.backprop)
        for seed in range(seeds):
            for split in splits:
                if not held_out:
                    cases = split.train, split.valid
                    jobs.append(Job(number, seed, split.name, *settings, *cases))
                    continue
                for name in mnist.SPLITS:
                    inner = mnist.split(len(split.train), name)
                    cases = split.train[inner.train], split.train[inner.valid], split.valid
                    jobs.append(Job(number, seed, split.name + name, *settings, *cases))
    if len({(job.backprop["batch"], job.pretrain["layers"]) for job in jobs}) > 1:
        raise SystemExit("all lines of a plan have the same --layers and finetune-bp --batch")
    return jobs


def batches(jobs: Sequence[Job], together: int) -> Iterator[list[Job]]:
    """Jobs whose passes are of one length and kind, so many at a time."""

    def shape(job: Job) -> tuple[str, str, int]:
        return str(job.pretrain["passes"]), job.pretrain["recon_states"], job.pretrain["batch"]

    for kind in dict.fromkeys(map(shape, jobs)):
        same = [job for job in jobs if shape(job) == kind]
        for first in range(0, len(same), together):
            yield same[first : first + together]


NAMES = [
    "pretrain", "finetune-bp", "seed", "split", "kept_epoch", "epochs", "train_cost",
    "fewest_valid_errors", "valid_errors_last_10_epochs", "lowest_valid_cost", "last_valid_cost",
    "valid_errors_by_epoch", "extension_epochs", "held_out_errors", "extended_held_out_errors",
    "product_held_out_errors", "extended_product_held_out_errors",
]  # fmt: skip


def line_of(found: Progress, plan: Sequence[str]) -> dict[str, Any]:
    """One net, for the table."""
    pretrain, _, backprop = plan[found.job.line].partition("|")
    errors, costs = np.array(found.valid_errors), np.array(found.valid_costs)
    row = {
        "pretrain": pretrain.strip(),
        "finetune-bp": backprop.strip(),
        "seed": found.job.seed,
        "split": found.job.name,
        "kept_epoch": found.kept,
        "epochs": len(errors),
        "train_cost": f"{found.train_cost:.4g}",
        "fewest_valid_errors": errors.min(),
        "valid_errors_last_10_epochs": round(float(errors[-10:].mean()), 1),
        "lowest_valid_cost": f"{costs.min():.3f}",
        "last_valid_cost": f"{costs[-1]:.3f}",
        "valid_errors_by_epoch": " ".join(map(str, errors)),
    }
    if found.extended:
        row["extension_epochs"] = found.extended
        row["held_out_errors"], row["extended_held_out_errors"] = found.held_out_errors
    return row


def products(group: Sequence[Progress], labels: Tensor) -> list[int]:
    """Errors on the held-out cases of the product of three nets, before and after extension."""
    truth = labels[torch.as_tensor(group[0].job.held_out, device=DEVICE)]
    sums = [torch.stack([p.log_probs[when] for p in group]).sum(0) for when in (0, 1)]
    return [int((total.argmax(1) != truth).sum()) for total in sums]


def read_plan(path: Path) -> list[str]:
    """Its lines, without comments."""
    lines = [line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines()]
    found = [line for line in lines if line]
    if any("|" not in line for line in found):
        raise SystemExit("a line of the plan is: pretrain options | finetune-bp options")
    return found


def train(jobs: Sequence[Job], given: argparse.Namespace, digits: Any) -> Iterator[Progress]:
    """Stacks that several lines share are learned once; nets come as they are trained."""
    images = torch.tensor(digits.train_images, device=DEVICE)
    labels = torch.as_tensor(digits.train_labels.astype(np.int64), device=DEVICE)
    by_stack: dict[tuple[str, int, str], list[Job]] = {}
    for job in jobs:
        by_stack.setdefault((str(job.pretrain), job.seed, job.name), []).append(job)
    firsts = [shared[0] for shared in by_stack.values()]
    for batch in batches(firsts, given.together):
        began = time.time()
        stack = learn_stacks(batch, images)
        print(f"{len(batch)} stacks in {time.time() - began:.0f} s", file=sys.stderr, flush=True)
        wanted = [
            (place, job)
            for place, first in enumerate(batch)
            for job in by_stack[str(first.pretrain), first.seed, first.name]
        ]
        for start in range(0, len(wanted), given.together):
            some = wanted[start : start + given.together]
            places = torch.tensor([place for place, _ in some], device=DEVICE)
            began = time.time()
            part = [(w[places], b[places]) for w, b in stack]
            found = finetune([j for _, j in some], part, images, labels, given.most_epochs)
            if given.held_out:
                extend(found, images, labels, given.most_epochs)
            print(f"{len(some)} nets in {time.time() - began:.0f} s", file=sys.stderr, flush=True)
            yield from found


def main() -> None:
    """Train what the plan says; one line a net."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("plan", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--together", type=int, default=96, help="nets at a time")
    parser.add_argument("--most-epochs", type=int, default=100)
    parser.add_argument("--first-draw", type=int, default=0, help="seed of the generator")
    parser.add_argument("--exact", action="store_true", help="float32 products instead of TF32")
    given = parser.parse_args()
    torch.manual_seed(given.first_draw)
    torch.set_float32_matmul_precision("highest" if given.exact else "high")
    digits, plan = mnist.read(), read_plan(given.plan)
    jobs = make_jobs(plan, given.seeds, len(digits.train_labels), given.held_out)
    with given.out.open("w", newline="", encoding="utf-8") as file, torch.inference_mode():
        table = csv.DictWriter(file, NAMES, lineterminator="\n")
        table.writeheader()
        done: dict[tuple[int, int, str], list[Progress]] = {}
        for found in train(jobs, given, digits):
            row = line_of(found, plan)
            if given.held_out:
                group = done.setdefault((found.job.line, found.job.seed, found.job.name[0]), [])
                group.append(found)
                if len(group) == len(mnist.SPLITS):
                    labels = torch.as_tensor(digits.train_labels.astype(np.int64), device=DEVICE)
                    errors = products(group, labels)
                    row |= dict(zip(NAMES[-2:], errors, strict=True))
            table.writerow(row)
            file.flush()


if __name__ == "__main__":
    main()
