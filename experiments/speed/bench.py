"""How near to the bare matrix products each learner is, and PyTorch and scikit-learn beside it.

Five competitors, each in a process of its own with its own libraries, take turns: a few tenths of
a second of one, then of the next, all on the same learner, for several rounds. A ratio is taken
within a round, so that what slows the machine down for a while slows both of its times. What slows
one down more than the other lasts for minutes on a shared machine, so a learner's rounds are spread
over several sittings, all learners in each. One core can be slower than another for as long, so
all competitors compute on the same ones; with one thread, on another core in each sitting. Medians
and quartiles over all rounds are the result; the times themselves are the machine's.

    python experiments/speed/bench.py --record experiments/speed
    python experiments/speed/bench.py --only wake-sleep --threads 1 --rounds 3

The arithmetic that the limit consists of is in products.py, the peers are in peers.py.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import products
from products import BATCH, EVALUATION_BATCH, LAYERS, N_LABELS
from rich import box
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_info, threadpool_limits

from hinton06 import mnist, native, provenance
from hinton06.backprop import Backpropagation, CaseSampler
from hinton06.console import stopped_in_a_line
from hinton06.dropout import Dropout
from hinton06.hybrid import LabelBackpropagation
from hinton06.loading import load
from hinton06.models import Classifier, DeepBeliefNet, Rbm
from hinton06.numerics import epoch_order, one_hot_targets, take_batch
from hinton06.rbm import ContrastiveDivergence
from hinton06.recipes import RECIPES, BackpropSettings
from hinton06.recognition import Cases, label_log_probs
from hinton06.stacking import features
from hinton06.updates import Step
from hinton06.wakesleep import ContrastiveWakeSleep

RECIPE = RECIPES["tr2006"]
COMPETITORS = ("limit", "hinton06", "libraries", "torch", "sklearn")
NAMES = {"limit": "limit", "hinton06": "hinton06", "libraries": "NumPy and SciPy",
         "torch": "PyTorch", "sklearn": "scikit-learn"}  # fmt: skip
# What the ratio to the limit is to reach, by threads, and how much faster than the peers to be.
TARGETS = {1: 0.93, 2: 0.90}
TIMES_TORCH, TIMES_SKLEARN = 1.3, 1.5
# Of the cases, in the middle of a fine-tuning with importance sampling.
EASY_SHARE = 0.7
WARM_UP = 2
# A thread of the bare products that has less of a core than this shares it with something else.
QUIET = 0.9


@dataclass(frozen=True)
class Learner:
    """One thing to be timed; the targets are meant for it if it is `targeted`.

    `kind` is ``cd`` (of a `layer`, from 0), ``bp`` (with importance sampling if `sampled`), ``ws``,
    ``mixed`` (both with so many `rounds` of Gibbs sampling) or ``evaluation``; backpropagation is
    with dropout if it `drops`, where the products are the same; of images that are `moved`, if that
    is ``adversarial`` or ``virtual``.
    """

    name: str
    kind: str
    layer: int = 0
    rounds: int = 3
    sampled: bool = False
    drops: bool = False
    targeted: bool = True
    moved: str = ""

    @property
    def batch(self) -> int:
        """Cases that go through the products together."""
        return EVALUATION_BATCH if self.kind == "evaluation" else BATCH

    @property
    def competitors(self) -> tuple[str, ...]:
        """Those that can do it."""
        if self.moved or (self.drops and self.kind == "mixed"):
            return COMPETITORS[:3]
        plain = self.kind == "cd" or (self.kind == "bp" and not (self.sampled or self.drops))
        return COMPETITORS if plain else COMPETITORS[:-1]

    def steps(self, layers: Sequence[int] = LAYERS, n: int | None = None) -> list[products.Step]:
        """Its matrix products, for a net of these sizes and batches of n."""
        n = n or self.batch
        if self.kind == "cd":
            below, above = layers[self.layer : self.layer + 2]
            return products.contrastive_divergence(below, above, n, RECIPE.pretrain.momentum)
        if self.kind == "bp":
            sizes, asked = (*layers, N_LABELS), backprop_settings(self)
            others = asked.virtual_batch if asked.virtual else 0
            steps = products.backpropagation(sizes, n + others, asked.momentum)
            if others:
                return steps + products.moved(sizes, others, along=True)
            return steps + (products.moved(sizes, n) if asked.adversarial else [])
        if self.kind == "ws":
            return products.wake_sleep(layers, N_LABELS, n, self.rounds, wakesleep_keep())
        if self.kind == "mixed":
            keeps = wakesleep_keep(), RECIPE.wakesleep.bp_momentum
            return products.mixed_gradient(layers, N_LABELS, n, self.rounds, keeps)
        return products.free_energy(layers, n)


def wakesleep_keep() -> float:
    """What gradients of wake-sleep accumulate on: a velocity, or without momentum the weights."""
    recipe = RECIPE.wakesleep
    return recipe.momentum or 1 - recipe.rate * recipe.decay


LEARNERS = (
    Learner("CD-1 784-500", "cd", 0),
    Learner("CD-1 500-500", "cd", 1),
    Learner("CD-1 500-2000", "cd", 2),
    Learner("backpropagation", "bp"),
    Learner("backprop, importance", "bp", sampled=True),
    Learner("backprop, dropout", "bp", drops=True),
    Learner("backprop, adversarial", "bp", drops=True, targeted=False, moved="adversarial"),
    Learner("backprop, virtual", "bp", drops=True, targeted=False, moved="virtual"),
    Learner("wake-sleep, 3 rounds", "ws", rounds=3),
    Learner("wake-sleep, 10 rounds", "ws", rounds=10),
    Learner("mixed gradient", "mixed", rounds=3, targeted=False),
    Learner("mixed, dropout", "mixed", rounds=3, drops=True, targeted=False),
    Learner("free energies", "evaluation", targeted=False),
)


# -- what they are timed on ----------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """Training images, and a pretrained file; random weights when `stack` is empty."""

    cases: int
    stack: str = ""


class Material:
    """Images, labels and nets, equal for all competitors."""

    def __init__(self, settings: Settings) -> None:
        digits = mnist.read()
        self.images = digits.train_images[: settings.cases].copy()  # PyTorch wants to own them
        self.labels = digits.train_labels[: settings.cases]
        self.targets = one_hot_targets(self.labels, N_LABELS)
        rng = np.random.default_rng(0)
        self.stack = pretrained(Path(settings.stack)) if settings.stack else random_stack(rng)
        self.easy = rng.random(len(self.images)) < EASY_SHARE

    def cases_of_layer(self, layer: int) -> Any:
        """The data of one RBM: pixels, or features that the layers below make of them."""
        cases: Any = self.images
        for rbm in self.stack[:layer]:
            cases = features(rbm, cases)
        return cases

    def classifier(self) -> Classifier:
        """For backpropagation."""
        net = Classifier.on_stack(self.stack, N_LABELS)
        rng = np.random.default_rng(1)
        net.weights[-1][...] = 0.01 * rng.standard_normal(net.weights[-1].shape)
        return net

    def generative(self) -> DeepBeliefNet:
        """For contrastive wake-sleep: labels beside the features below the top."""
        *lower, top = self.stack
        rng = np.random.default_rng(2)
        labels = 0.05 * rng.standard_normal((N_LABELS, top.n_hidden))
        weights = np.vstack([top.weights, labels.astype(np.float32)])
        bias = np.append(top.visible_bias, np.zeros(N_LABELS, np.float32))
        memory = Rbm(weights, bias, top.hidden_bias.copy(), N_LABELS)
        return DeepBeliefNet.untied([*lower, memory])


def random_stack(rng: np.random.Generator) -> list[Rbm]:
    """Small weights and negative biases, so that a third of the features are active."""
    stack = []
    for below, above in pairwise(LAYERS):
        rbm = Rbm.random(below, above, 0.05, rng)
        rbm.hidden_bias[...] = -1
        rbm.visible_bias[...] = -1.5
        stack.append(rbm)
    return stack


def pretrained(path: Path) -> list[Rbm]:
    """The stack in a file of ``hinton06 pretrain``, without the labels it may have learned."""
    stack = load(path).of_kind("stack").model
    if (stack[0].n_visible, *(rbm.n_hidden for rbm in stack)) != LAYERS:
        raise SystemExit(f"{path}: not a stack of {'-'.join(map(str, LAYERS))}")
    return [
        Rbm(r.weights[: r.n_visible - r.n_labels].copy(),
            r.visible_bias[: r.n_visible - r.n_labels].copy(), r.hidden_bias)
        for r in stack
    ]  # fmt: skip


# -- hinton06 ------------------------------------------------------------------------------------


class Rows:
    """Batch after batch of epoch after epoch, as the learners draw them."""

    def __init__(self, n_cases: int, rng: np.random.Generator) -> None:
        self._n_cases, self._rng = n_cases, rng
        self._order = np.empty(0, np.int64)

    def __call__(self) -> Any:
        """The next batch."""
        if len(self._order) < BATCH:
            self._order = epoch_order(self._n_cases, self._rng)
        rows, self._order = self._order[:BATCH], self._order[BATCH:]
        return rows


class ToolDivergence:
    """What `GreedyStack` does with a batch."""

    def __init__(self, rbm: Rbm, cases: Any, step: Step) -> None:
        self._cases, self._step = cases, step
        self._rng = np.random.default_rng(3)
        self._rows = Rows(len(cases), self._rng)
        self._divergence = ContrastiveDivergence(rbm, BATCH)
        self.squared_error = 0.0

    def run(self, batches: int) -> None:
        """So many updates."""
        for _ in range(batches):
            take_batch(self._cases, self._rows(), self._divergence.data_buffer(BATCH))
            self.squared_error += self._divergence.learn(BATCH, self._rng, self._step)


class ToolBackpropagation:
    """What `DiscriminativeFineTuning` does with a batch."""

    def __init__(self, net: Classifier, train: Cases, settings: BackpropSettings, easy: Any):
        self._train, self._easy = train, easy
        self._step = Step(settings.rate, settings.momentum, settings.decay)
        self._sampler = CaseSampler(len(train), settings, np.random.default_rng(4))
        rng = np.random.default_rng(8)
        dropout = Dropout.of(settings, len(net.weights) - 1, rng)
        more = settings.max_norm, settings.adversarial, settings.virtual, settings.virtual_batch
        self._backprop = Backpropagation(net, BATCH, dropout, *more, rng)
        self._others = CaseSampler(len(train), settings, rng)
        self._n_others = settings.virtual_batch if settings.virtual else 0
        self.total = 0.0

    def reset(self) -> None:
        """The same cases are easy before every measurement."""
        np.copyto(self._sampler.easy, self._easy)

    def run(self, batches: int) -> None:
        """So many updates."""
        for _ in range(batches):
            rows, weights = self._sampler.batch(BATCH)
            labels, images, beside = self._train.labels[rows], self._train.images, None
            if self._n_others:
                beside = images, self._others.batch(self._n_others)[0]
            costs = self._backprop.learn(images, rows, labels, weights, self._step, 0, beside)
            self._sampler.note(rows, costs)
            self.total += float(costs @ weights)


class ToolWakeSleep:
    """What `GenerativeFineTuning` does with a batch."""

    def __init__(
        self, net: DeepBeliefNet, train: Cases, targets: Any, rounds: int, step: Step,
        label_step: Step | None = None, dropout: Dropout | None = None,
    ) -> None:  # fmt: skip
        self._train, self._targets = train, targets
        self._rounds, self._step, self._label_step = rounds, step, label_step
        self._rng = np.random.default_rng(5)
        self._rows = Rows(len(train), self._rng)
        self._generative = ContrastiveWakeSleep(net, BATCH)
        self._labels = LabelBackpropagation(net, BATCH, dropout) if label_step else None
        self.cost = 0.0

    def run(self, batches: int) -> None:
        """So many updates."""
        for _ in range(batches):
            rows = self._rows()
            data = self._generative.data_buffer(BATCH)
            take_batch(self._train.images, rows, data)
            if self._labels and self._label_step:
                costs = self._labels.gather(data, self._train.labels[rows], self._label_step)
                self.cost += float(costs.sum())
            self.cost += self._generative.learn(
                self._targets[rows], self._rounds, self._rng, self._step
            )
            if self._labels and self._label_step:
                self._labels.apply(self._label_step)


class ToolFreeEnergy:
    """Recognition of many images in one call, as all measurements do it."""

    def __init__(self, net: DeepBeliefNet, images: Any) -> None:
        self._net, self._images = net, images

    def run(self, batches: int) -> None:
        """So many batches of the size that it works in."""
        while batches > 0:
            n = min(batches, len(self._images) // EVALUATION_BATCH)
            label_log_probs(self._net, self._images[: n * EVALUATION_BATCH])
            batches -= n


# -- each competitor's way of doing a learner ----------------------------------------------------


def make_limit(learner: Learner, _: Material) -> Any:
    """The bare products."""
    return products.Limit(learner.steps(), np.random.default_rng(6))


def make_libraries(learner: Learner, _: Material) -> Any:
    """The bare products, by what NumPy and SciPy offer to Python programs."""
    return products.Limit(learner.steps(), np.random.default_rng(6), past_numpy=False)


def divergence_step() -> Step:
    """Of a pass with full momentum."""
    return Step(RECIPE.pretrain.rate, RECIPE.pretrain.momentum, RECIPE.pretrain.decay)


def backprop_settings(learner: Learner) -> BackpropSettings:
    """The recipe's, with or without importance sampling, or with dropout; of moved images."""
    given: dict[str, Any] = {"dropout": learner.drops}
    if learner.moved:
        given[learner.moved] = getattr(RECIPES[learner.moved].backprop, learner.moved)
    settings = RECIPE.settings_with("backprop", given)
    return dataclasses.replace(settings, importance_sampling=learner.sampled)


def wakesleep_steps(learner: Learner) -> tuple[Step, Step | None]:
    """The generative step, and the labels' in the mixed gradient: half of each."""
    recipe, half = RECIPE.wakesleep, 0.5 if learner.kind == "mixed" else 1.0
    label_step = Step(half * recipe.bp_rate, recipe.bp_momentum)
    generative = Step(half * recipe.rate, recipe.momentum, recipe.decay)
    return generative, label_step if learner.kind == "mixed" else None


def make_tool(learner: Learner, material: Material) -> Any:
    """hinton06 itself."""
    train = Cases(material.images, material.labels)
    if learner.kind == "cd":
        rbm, cases = material.stack[learner.layer], material.cases_of_layer(learner.layer)
        return ToolDivergence(rbm, cases, divergence_step())
    if learner.kind == "bp":
        settings = backprop_settings(learner)
        return ToolBackpropagation(material.classifier(), train, settings, material.easy)
    net = material.generative()
    if learner.kind == "evaluation":
        return ToolFreeEnergy(net, material.images)
    steps = wakesleep_steps(learner)
    dropout = None
    if learner.drops:
        settings = RECIPE.settings("wakesleep", ("mixed gradient", "dropout"))
        dropout = Dropout.of(settings, len(LAYERS) - 1, np.random.default_rng(8))
    return ToolWakeSleep(net, train, material.targets, learner.rounds, *steps, dropout)


def make_torch(learner: Learner, material: Material) -> Any:
    """PyTorch."""
    import peers  # noqa: PLC0415  # needs the bench group

    if learner.kind == "cd":
        rbm, cases = material.stack[learner.layer], material.cases_of_layer(learner.layer)
        return peers.TorchContrastiveDivergence(rbm, cases, divergence_step())
    if learner.kind == "bp":
        return peers.TorchBackpropagation(
            material.classifier(), material.images, material.labels,
            backprop_settings(learner), material.easy,
        )  # fmt: skip
    net = material.generative()
    if learner.kind == "evaluation":
        return peers.TorchFreeEnergy(net, material.images)
    steps = wakesleep_steps(learner)
    return peers.TorchWakeSleep(net, material.images, material.targets, learner.rounds, *steps)


def make_sklearn(learner: Learner, material: Material) -> Any:
    """scikit-learn."""
    import peers  # noqa: PLC0415  # needs the bench group

    rng = np.random.default_rng(7)
    if learner.kind == "cd":
        cases = material.cases_of_layer(learner.layer)
        rows, take = Rows(len(cases), rng), partial(take_batch, cases)
        return peers.SklearnRbm(material.stack[learner.layer], rows, take)
    rows, take = Rows(len(material.images), rng), partial(take_batch, material.images)
    sizes = (*LAYERS, N_LABELS)
    return peers.SklearnMlp(sizes, rows, take, material.labels, backprop_settings(learner))


MAKERS: Mapping[str, Callable[[Learner, Material], Any]] = {
    "limit": make_limit, "hinton06": make_tool, "libraries": make_libraries,
    "torch": make_torch, "sklearn": make_sklearn,
}  # fmt: skip


# -- a process for each competitor ---------------------------------------------------------------


class Worker:
    """One competitor's side of the pipe."""

    def __init__(self, competitor: str, settings: Settings) -> None:
        self._competitor = competitor
        self._material = Material(settings)
        self._learner: Any = None
        self._limits: Any = None
        self._threads = 1
        self._cores = usable_cores()

    def prepare(self, learner: Learner, threads: int, first_core: int) -> list[str]:
        """Make one learner new, with so many threads; what it chose, if it has choices."""
        self._learner, self._threads = None, threads
        cores = set(np.roll(self._cores, -first_core)[:threads].tolist())
        stay_on(cores)
        if self._competitor in ("torch", "sklearn"):
            import peers  # noqa: PLC0415  # needs the bench group

            peers.settle(threads)
        self._limits = threadpool_limits(threads)
        with threadpool_limits(threads):
            self._learner = MAKERS[self._competitor](learner, self._material)
        self._limits = threadpool_limits(threads)  # also of the libraries loaded just now
        stay_on(cores)  # also the threads that were started just now
        return self._learner.choices() if self._competitor in ("limit", "libraries") else []

    def run(self, batches: int) -> tuple[float, float]:
        """Wall and processor seconds of so many batches, after two to warm up."""
        if hasattr(self._learner, "reset"):
            self._learner.reset()
        own = self._competitor == "hinton06"
        with (
            native.threads(self._threads) if own else nullcontext(),
            np.errstate(all="ignore"),  # as in every run of the tool
        ):
            self._learner.run(WARM_UP)
            wall, processor = time.perf_counter(), time.process_time()
            self._learner.run(batches)
        return time.perf_counter() - wall, time.process_time() - processor

    def versions(self) -> dict[str, Any]:
        """What it computes with."""
        if self._competitor in ("torch", "sklearn"):
            import peers  # noqa: PLC0415  # needs the bench group

            return peers.versions()
        names = ("numpy", "scipy", "threadpoolctl")
        found = {name: metadata.version(name) for name in names}
        for info in threadpool_info():
            if info["user_api"] == "blas":
                owner = "scipy" if "scipy.libs" in info["filepath"] else "numpy"
                described = f"{info['internal_api']} {info['version']}"
                found[f"{owner} blas"] = f"{described} {info.get('architecture', '')}".strip()
        return found


def usable_cores() -> list[int]:
    """Their numbers, where a process can be told which of them to use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []


def stay_on(cores: set[int]) -> None:
    """All threads of this process, if there are cores to name."""
    for thread in os.listdir("/proc/self/task") if cores else ():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(int(thread), cores)


def serve(connection: Connection, competitor: str, settings: Settings) -> None:
    """Answer until there is nothing more to answer."""
    try:
        worker = Worker(competitor, settings)
        while True:
            name, arguments = connection.recv()
            connection.send((True, getattr(worker, name)(*arguments)))
    except EOFError:
        pass
    except ImportError as error:
        connection.send((False, f"{competitor}: {error} (pip install '.[bench]')"))
    except Exception:
        connection.send((False, f"{competitor}: {traceback.format_exc()}"))


class Competitor:
    """The other side: a process that runs what it is told, and sleeps otherwise."""

    def __init__(self, name: str, settings: Settings) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, name, settings), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call a method of its `Worker`."""
        try:
            self._pipe.send((name, arguments))
            good, answer = self._pipe.recv()
        except (EOFError, OSError):
            raise SystemExit(f"{self.name}: its process died") from None
        if not good:
            raise SystemExit(answer)
        return answer

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()


# -- measuring -----------------------------------------------------------------------------------


@dataclass
class Times:
    """What has been measured of one learner with so many threads: a value a round."""

    learner: Learner
    threads: int
    walls: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    processors: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    batches: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    choices: list[list[str]] = dataclasses.field(default_factory=list)

    def sit(
        self, competitors: Mapping[str, Competitor], rounds: int, seconds: float, first_core: int
    ) -> None:
        """So many rounds more: all competitors in turns, on the same cores."""
        names = [name for name in self.learner.competitors if name in competitors]
        for name in names:
            choices = competitors[name].ask("prepare", self.learner, self.threads, first_core)
            if name == "limit":
                self.choices.append(choices)
        batches = {name: calibrate(competitors[name], seconds) for name in names}
        for turn in range(rounds):
            shift = turn % len(names)  # so that nobody always follows the same one
            for name in names[shift:] + names[:shift]:
                wall, processor = competitors[name].ask("run", batches[name])
                self.walls.setdefault(name, []).append(wall / batches[name])
                self.processors.setdefault(name, []).append(processor / batches[name])
                self.batches.setdefault(name, []).append(batches[name])


def calibrate(competitor: Competitor, seconds: float) -> int:
    """How many batches take about so many seconds."""
    wall, _ = competitor.ask("run", 3)
    return max(3, round(3 * seconds / wall))


def summary(found: Times) -> dict[str, Any]:
    """Medians and quartiles of times and of the ratios within each round, as JSON values."""
    learner = found.learner
    per_1000 = products.flops(learner.steps()) * 1000 / learner.batch
    times = {name: np.array(wall) * 1000 / learner.batch for name, wall in found.walls.items()}
    busy = {
        name: np.sum(found.processors[name]) / np.sum(wall) for name, wall in found.walls.items()
    }
    ratios = {
        f"{above}/{below}": quartiles(times[above] / times[below])
        for above, below in (
            ("limit", "hinton06"), ("limit", "torch"), ("limit", "sklearn"),
            ("libraries", "hinton06"), ("torch", "hinton06"), ("sklearn", "hinton06"),
        )
        if above in times and below in times
    }  # fmt: skip
    return {
        "learner": learner.name,
        "threads": found.threads,
        "batch": learner.batch,
        "targeted": learner.targeted,
        "gflop_per_1000_cases": round(per_1000 / 1e9, 3),
        "seconds_per_1000_cases": {name: quartiles(seconds) for name, seconds in times.items()},
        "gflop_per_second": {
            name: round(per_1000 / 1e9 / float(np.median(seconds)), 1)
            for name, seconds in times.items()
        },
        "cores_busy": {name: round(float(share), 2) for name, share in busy.items()},
        "batches_a_round": found.batches,
        "ratios": ratios,
        "limit_by_hinton06_of_each_round": [
            float(f"{ratio:.4g}") for ratio in times["limit"] / times["hinton06"]
        ] if {"limit", "hinton06"} <= times.keys() else [],
        "products": found.choices,
    }  # fmt: skip


def quartiles(values: Any) -> dict[str, float]:
    """Median and quartiles, to five digits."""
    names = ("quarter", "median", "three_quarters")
    found = np.quantile(values, (0.25, 0.5, 0.75))
    return {name: float(f"{value:.5g}") for name, value in zip(names, found, strict=True)}


# -- reporting -----------------------------------------------------------------------------------

COLUMNS = ("limit/hinton06", "libraries/hinton06", "torch/hinton06", "sklearn/hinton06")
HEADINGS = ("limit", "NumPy,\nSciPy", "PyTorch", "sklearn")


def shown(ratio: Mapping[str, float] | None, spread: bool = True) -> str:
    """A ratio with half of its interquartile range."""
    if ratio is None:
        return ""
    half = (ratio["three_quarters"] - ratio["quarter"]) / 2
    return f"{ratio['median']:.2f}" + (f"±{half:.2f}" if spread else "")


def terminal_table(results: Sequence[Mapping[str, Any]], threads: int) -> Table:
    """One number of threads, within 80 columns."""
    plural = "s" if threads > 1 else ""
    table = Table(
        title=f"{threads} thread{plural}: ms for 1000 cases; medians of times over hinton06's",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("learner", no_wrap=True)
    for heading in ("limit,\nms", "ours,\nms", *HEADINGS):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        times = result["seconds_per_1000_cases"]
        table.add_row(
            result["learner"],
            *(f"{1000 * times[n]['median']:.1f}" if n in times else "" for n in COMPETITORS[:2]),
            *(shown(result["ratios"].get(column), spread=False) for column in COLUMNS),
        )
    return table


def markdown(record: Mapping[str, Any]) -> str:
    """The tables and the machine, for people."""
    lines = [machine_line(record), ""]
    for threads in sorted({result["threads"] for result in record["results"]}):
        target = TARGETS.get(threads)
        lines += [
            f"## {threads} thread{'s' if threads > 1 else ''}", "",
            "| learner | limit, GFLOP/s | limit, ms | hinton06, ms | limit / hinton06 "
            "| NumPy and SciPy / hinton06 | PyTorch / hinton06 | scikit-learn / hinton06 "
            "| cores busy |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]  # fmt: skip
        for result in (r for r in record["results"] if r["threads"] == threads):
            lines.append(markdown_row(result))
        lines.append("")
        if target:
            lines += [
                f"To be reached: {target:.2f} of the limit in CD-1, backpropagation and "
                f"contrastive wake-sleep, {TIMES_TORCH} times PyTorch, "
                f"{TIMES_SKLEARN} times scikit-learn.", "",
            ]  # fmt: skip
    return "\n".join(lines)


def markdown_row(result: Mapping[str, Any]) -> str:
    """One learner."""
    times, speeds = result["seconds_per_1000_cases"], result["gflop_per_second"]
    cells = [
        result["learner"],
        str(speeds.get("limit", "")),
        *(
            f"{1000 * times[name]['median']:.1f}" if name in times else ""
            for name in COMPETITORS[:2]
        ),
        *(shown(result["ratios"].get(column)) for column in COLUMNS),
        f"{result['cores_busy'].get('hinton06', 0):.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def machine_line(record: Mapping[str, Any]) -> str:
    """The machine, the libraries and the way of measuring, in one paragraph."""
    versions = ", ".join(f"{name} {value}" for name, value in record["versions"].items())
    settings = record["settings"]
    return (
        f"{record['machine']}; {versions}. {settings['sittings']} sittings of {settings['rounds']} "
        f"rounds of about {settings['seconds']} s each; "
        "times for 1000 cases; ratios of times within a round, median ± half the interquartile "
        "range; the cores that hinton06 keeps busy."
    )


def write_csv(record: Mapping[str, Any], path: Path) -> None:
    """A row for each learner, number of threads and competitor."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([
            "learner", "threads", "competitor", "seconds per 1000 cases", "quarter",
            "three quarters", "GFLOP/s", "cores busy",
        ])  # fmt: skip
        for result in record["results"]:
            for name, seconds in result["seconds_per_1000_cases"].items():
                rows.writerow([
                    result["learner"], result["threads"], name, seconds["median"],
                    seconds["quarter"], seconds["three_quarters"],
                    result["gflop_per_second"][name], result["cores_busy"][name],
                ])  # fmt: skip


def draw(record: Mapping[str, Any], path: Path) -> None:
    """How near to the limit everybody is: bars a learner, a panel a number of threads."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # only where it is wanted

    numbers = sorted({result["threads"] for result in record["results"]})
    figure = Figure(figsize=(11, 3.6 * len(numbers) + 0.6), layout="constrained")
    axes = figure.subplots(len(numbers), 1, squeeze=False, sharey=True)[:, 0]
    colours = {"hinton06": "#1b6ca8", "torch": "#e07b39", "sklearn": "#8a9a5b"}
    for ax, threads in zip(axes, numbers, strict=True):
        results = [r for r in record["results"] if r["threads"] == threads]
        for place, (name, colour) in enumerate(colours.items()):
            draw_bars(ax, results, name, colour, 0.27 * (place - 1))
        if threads in TARGETS:
            ax.axhline(TARGETS[threads], color="black", lw=0.8, ls="--")
            ax.text(len(results) - 0.5, TARGETS[threads], f" {TARGETS[threads]:.2f}", va="center")
        ax.axhline(1, color="black", lw=0.8)
        ax.set_xticks(range(len(results)), [r["learner"].replace(" ", "\n", 1) for r in results])
        ax.tick_params(axis="x", labelsize=8, length=0)
        ax.set_xlim(-0.5, len(results) - 0.5)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_title(f"{threads} thread{'s' if threads > 1 else ''}", loc="left")
        ax.set_ylabel("time of the bare products / time")
    axes[0].legend(ncols=3, frameon=False, loc="lower right", bbox_to_anchor=(1, 1))
    figure.savefig(path, dpi=130, metadata={"Software": None})


def draw_bars(ax: Any, results: Any, name: str, colour: str, offset: float) -> None:
    """One competitor's share of the limit, with its quartiles."""
    places, medians, spreads = [], [], []
    for place, result in enumerate(results):
        ratio = result["ratios"].get(f"limit/{name}")
        if ratio:
            places.append(place + offset)
            medians.append(ratio["median"])
            spreads.append((ratio["median"] - ratio["quarter"],
                            ratio["three_quarters"] - ratio["median"]))  # fmt: skip
    if places:
        ax.bar(places, medians, 0.25, color=colour, label=NAMES[name],
               yerr=np.transpose(spreads), error_kw={"lw": 0.8})  # fmt: skip


def write(record: Mapping[str, Any], folder: Path) -> None:
    """bench.json, bench.csv, bench.md and bench.png."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (folder / "bench.json").write_text(text + "\n", encoding="utf-8")
    (folder / "bench.md").write_text(markdown(record), encoding="utf-8")
    write_csv(record, folder / "bench.csv")
    draw(record, folder / "bench.png")


# -- the command line ----------------------------------------------------------------------------


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sittings", type=int, default=3, help="times that all take their turns")
    parser.add_argument("--rounds", type=int, default=7, help="of each learner in a sitting")
    parser.add_argument("--seconds", type=float, default=0.2, help="of each measurement")
    parser.add_argument("--threads", default="1,2", help="numbers of threads")
    parser.add_argument("--only", default="", help="learners whose name holds this")
    parser.add_argument("--competitors", default=",".join(COMPETITORS))
    parser.add_argument("--cases", type=int, default=50_000, help="training images")
    parser.add_argument("--stack", default="", help="a pretrained file; else random weights")
    parser.add_argument("--record", type=Path, help="folder for bench.json, .csv, .md and .png")
    given = parser.parse_args()
    given.threads = [int(number) for number in given.threads.split(",")]
    given.competitors = given.competitors.split(",")
    given.learners = [learner for learner in LEARNERS if given.only in learner.name]
    if not given.learners:
        parser.error(f"no learner's name holds {given.only!r}")
    if unknown := set(given.competitors) - set(COMPETITORS):
        parser.error(f"unknown competitors: {', '.join(sorted(unknown))}")
    if min(given.sittings, given.rounds, *given.threads) < 1:
        parser.error("sittings, rounds and threads are at least 1")
    if not EVALUATION_BATCH <= given.cases <= 60_000:
        parser.error("cases are between 1,000 and 60,000")
    return given


def main() -> None:
    """Measure everything that was asked for."""
    given = parsed()
    settings = Settings(given.cases, given.stack)
    competitors = {name: Competitor(name, settings) for name in given.competitors}
    # Most threads first: a library that looks at its first use how many cores it has sees them all.
    order = sorted(given.threads, reverse=True)
    times = [Times(learner, threads) for threads in order for learner in given.learners]
    for sitting in range(given.sittings):
        for found in times:
            print(f"sitting {sitting + 1}, {found.threads} thread(s): {found.learner.name}",
                  file=sys.stderr, flush=True)  # fmt: skip
            found.sit(competitors, given.rounds, given.seconds, sitting)
    results = [summary(found) for found in times]
    for threads in given.threads:
        here = [result for result in results if result["threads"] == threads]
        Console(width=80).print(terminal_table(here, threads))
    record = {
        "machine": provenance.machine(),
        "cores": os.cpu_count(),
        "commit": provenance.git_revision(),
        "versions": {
            name: value
            for competitor in competitors.values()
            for name, value in competitor.ask("versions").items()
        },
        "settings": {
            "sittings": given.sittings, "rounds": given.rounds, "seconds": given.seconds,
            "cases": given.cases,
            "weights": "pretrained" if given.stack else "random",
        },
        "results": results,
    }  # fmt: skip
    for competitor in competitors.values():
        competitor.close()
    print(machine_line(record))
    for result in results:
        busy = result["cores_busy"].get("limit", result["threads"])
        if busy < QUIET * result["threads"]:
            where = f"{result['learner']}, {result['threads']} thread(s)"
            print(f"not quiet: the limit of {where} had {busy} cores", file=sys.stderr)
    if given.record:
        write(record, given.record)


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
