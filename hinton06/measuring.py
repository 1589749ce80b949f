"""Finished nets asked for the labels of digits: evaluated, combined, their answers scored.

The columns of Table 1, and "There are several different ways of using the generative model for
discrimination" in "Using contrastive wake-sleep for generative fine-tuning".
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hinton06.annealing import Spread, sample
from hinton06.checkpoint import Checkpoint
from hinton06.mnist import Digits
from hinton06.models import Classifier, DeepBeliefNet
from hinton06.numerics import Array
from hinton06.opening import (
    Context,
    cases_at,
    check_net,
    learned_rows,
    load_recogniser,
    split_recorded,
    translations_of,
)
from hinton06.recognition import (
    Cases,
    Score,
    confusion,
    gibbs_label_log_probs,
    label_log_probs,
    log_probs,
    product_of_nets,
    score,
    stochastic_label_log_probs,
)
from hinton06.training import RunError

METHODS = {
    "free-energy": (),
    "stochastic": ("seed",),
    "stochastic-mean": ("passes", "seed"),
    "label-gibbs": ("rounds", "seed"),
    "sampling": ("passes", "temperatures", "seed"),
}
"""How a generative net can be asked for the label of an image, and what of `Method` each uses."""


@dataclass(frozen=True)
class Method:
    """How a generative net is asked for the label of an image.

    Parameters
    ----------
    name : str
        One of `METHODS`.
    passes : int
        Stochastic up-passes an image of ``"stochastic-mean"`` and ``"sampling"``.
    rounds : int
        Rounds of ``"label-gibbs"``.
    temperatures : int
        Distributions between recognition and generation in ``"sampling"``.
    seed : int
        Of every method that samples.

    Source
    ------
    "There are several different ways of using the generative model for discrimination."
    """

    name: str = "free-energy"
    passes: int = 20
    rounds: int = 200
    temperatures: int = 10
    seed: int = 0

    def settings(self) -> dict[str, int]:
        """The values that the method makes use of."""
        return {name: getattr(self, name) for name in METHODS[self.name]}


PARTS = ("train", "validation", "test")
"""The sets of cases that a net can be measured on."""


@dataclass(frozen=True)
class Chosen:
    """Which cases are measured.

    Parameters
    ----------
    parts : sequence of str
        Of `PARTS`; all that the net has when empty.
    cases : int, optional
        No more than so many cases of each part, drawn at random.
    seed : int
        Draws them: the same ones for every net of the same split and for every method.
    """

    parts: Sequence[str] = ()
    cases: int | None = None
    seed: int = 0

    def draw(self, cases: Cases) -> Cases:
        """The cases of one part that are measured, in their order."""
        if self.cases is None or self.cases >= len(cases):
            return cases
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(6,)))
        rows = np.sort(rng.choice(len(cases), self.cases, replace=False))
        return Cases(cases.images[rows], cases.labels[rows])


EVERY_CASE = Chosen()


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One net, or several combined, on one set of cases.

    Parameters
    ----------
    name : str
        The file, or ``"product"``.
    part : str
        One of `PARTS`.
    score : Score
    confusion : (n_classes, n_classes) integer array
        Row the true class, column the guess.
    method : Method or None
        How a generative net was asked; None for the softmax of a classifier, and for products.
    seconds : float or None
        Wall time that it took, where it was measured.
    spread : Spread or None
        Of the weights of the method ``"sampling"``.
    sha256 : str
        Digest of the net's parameters.
    """

    name: str
    part: str
    score: Score
    confusion: Any
    method: Method | None = None
    seconds: float | None = None
    spread: Spread | None = None
    sha256: str = ""


def evaluate(
    context: Context,
    paths: Path | Sequence[Path],
    methods: Sequence[Method] = (),
    chosen: Chosen = EVERY_CASE,
) -> list[Evaluation]:
    """Measure nets on training, validation and test cases, in one or several ways.

    Parameters
    ----------
    context : Context
    paths : Path or sequence of Path
        Classifiers, generative nets, or stacks that learned labels.
    methods : sequence of Method
        How generative nets are asked, one after the other; by free energy when empty. A
        classifier has its softmax alone.
    chosen : Chosen
        Which cases.

    Returns
    -------
    list of Evaluation
        Method by method for each net, part by part for each method. Without validation for a
        net that was trained on all cases.

    Raises
    ------
    CheckpointError, RunError
        Before anything is measured, if a file holds nothing that can be asked, in this way, for
        labels, does not fit the data, or lacks a part that was chosen.

    Source
    ------
    The columns of Table 1; "There are several different ways of using the generative model for
    discrimination".
    """
    every = [paths] if isinstance(paths, Path) else list(paths)
    asked = [_Asked(context, path, methods, chosen) for path in every]
    return [found for each in asked for found in each.answers(context)]


class _Asked:
    """A net, its cases, and the methods by which it is to be asked for their labels."""

    def __init__(
        self, context: Context, path: Path, methods: Sequence[Method], chosen: Chosen
    ) -> None:
        found, self._net = load_recogniser(path)
        check_net(path, self._net, context.digits)
        if isinstance(self._net, Classifier) and methods:
            raise RunError(
                f"{path}: is a classifier and has its softmax alone; methods are for generative "
                "nets and stacks with labels"
            )
        self._path, self._sha256 = path, found.digest()
        self._methods: Sequence[Method | None] = methods or [
            None if isinstance(self._net, Classifier) else Method()
        ]
        parts = _parts(path, found, context.digits)
        for name in chosen.parts:
            if name not in parts:
                raise RunError(f"{path}: was trained on all cases and has no {name} cases")
        self._parts = {
            name: chosen.draw(cases)
            for name, cases in parts.items()
            if not chosen.parts or name in chosen.parts
        }

    def answers(self, context: Context) -> list[Evaluation]:
        """The evaluations, method by method."""
        results = []
        for method in self._methods:
            title = f"evaluate {self._path.name}" + (f" {method.name}" if method else "")
            context.progress.begin(title, 0, sum(len(cases) for cases in self._parts.values()))
            try:
                with context.computing():
                    for part, cases in self._parts.items():
                        results.append(self._answer(context, method, part, cases))
            finally:
                context.progress.end()
        return results

    def _answer(
        self, context: Context, method: Method | None, part: str, cases: Cases
    ) -> Evaluation:
        started = time.perf_counter()

        def tick(share: float) -> None:
            context.progress.tick(share * len(cases))

        output, spread = _ask(self._net, cases.images, method, tick)
        seconds = time.perf_counter() - started
        made = _evaluation(str(self._path), part, output, cases.labels)
        return dataclasses.replace(
            made, method=method, seconds=seconds, spread=spread, sha256=self._sha256
        )


def _parts(path: Path, found: Checkpoint, digits: Digits) -> dict[str, Cases]:
    """The cases that a net was trained on, those that validated it, if any, and the test cases."""
    test = Cases(digits.test_images, digits.test_labels)
    translations = translations_of(path, found.arguments)
    if found.stage != "stack" and found.outcome.get("role") != "validated":
        return {"train": cases_at(digits, translations=translations), "test": test}
    split = split_recorded(path, digits, found)
    rows = learned_rows(path, digits, split, found.arguments)
    return {
        "train": cases_at(digits, rows, translations),
        "validation": cases_at(digits, split.valid),
        "test": test,
    }


def combine(context: Context, paths: Sequence[Path]) -> list[Evaluation]:
    """The product of several nets on the test set, and each net beside it.

    Parameters
    ----------
    context : Context
    paths : sequence of Path
        Two classifiers or more.

    Returns
    -------
    list of Evaluation
        One a net, then ``"product"`` (the nets' geometric mean, renormalised) and ``"product,
        no root"`` (renormalised without taking the root).

    Raises
    ------
    CheckpointError, RunError
        If the files cannot be combined.

    Source
    ------
    "Combined" in Table 1.
    """
    digits = context.digits
    nets = [load_recogniser(path)[1] for path in paths]
    for path, net in zip(paths, nets, strict=True):
        check_net(path, net, digits)
    outputs = _outputs(context, "combine", [(net, digits.test_images) for net in nets])
    named = [
        *((str(path), array) for path, array in zip(paths, outputs, strict=True)),
        ("product", product_of_nets(outputs)),
        ("product, no root", product_of_nets(outputs, geometric=False)),
    ]
    return [_evaluation(name, "test", array, digits.test_labels) for name, array in named]


def recognise_test_cases(context: Context, path: Path) -> Array:
    """What a net says of each test case.

    Parameters
    ----------
    context : Context
    path : Path
        A classifier, a generative net, or a stack that learned labels.

    Returns
    -------
    (n_test, n_classes) array of log p(class | image), in nats

    Raises
    ------
    CheckpointError, RunError
        As `evaluate`.
    """
    net = load_recogniser(path)[1]
    check_net(path, net, context.digits)
    return _outputs(context, f"recognise {path.name}", [(net, context.digits.test_images)])[0]


def _outputs(
    context: Context, title: str, work: Sequence[tuple[Classifier | DeepBeliefNet, Any]]
) -> list[Array]:
    """Each net's log p(class | image) for its images."""
    context.progress.begin(title, 0, len(work))
    outputs = []
    try:
        with context.computing():
            for net, images in work:
                outputs.append(recognise(net, images))
                context.progress.tick(1)
    finally:
        context.progress.end()
    return outputs


def recognise(net: Classifier | DeepBeliefNet, images: Any) -> Array:
    """Each class's log probability, from softmax outputs or free energies.

    Parameters
    ----------
    net : Classifier or DeepBeliefNet
    images : (n, n_pixels) array

    Returns
    -------
    (n, n_classes) array, in nats
    """
    return log_probs(net, images) if isinstance(net, Classifier) else label_log_probs(net, images)


def _ask(
    net: Classifier | DeepBeliefNet,
    images: Any,
    method: Method | None,
    tick: Callable[[float], None],
) -> tuple[Array, Spread | None]:
    """Each class's log probability, and how far weights are apart where there are any."""
    if isinstance(net, DeepBeliefNet) and method is not None and method.name == "sampling":
        rng = np.random.default_rng(method.seed)
        samples = sample(net, images, rng, method.passes, method.temperatures, tick)
        return samples.log_probs(), samples.spread()
    output = _asked_at_once(net, images, method)
    tick(1.0)
    return output, None


def _asked_at_once(net: Classifier | DeepBeliefNet, images: Any, method: Method | None) -> Array:
    if isinstance(net, Classifier) or method is None or method.name == "free-energy":
        return recognise(net, images)
    rng = np.random.default_rng(method.seed)
    if method.name == "label-gibbs":
        return gibbs_label_log_probs(net, images, rng, method.rounds)
    passes = method.passes if method.name == "stochastic-mean" else 1
    return stochastic_label_log_probs(net, images, rng, passes)


def _evaluation(name: str, part: str, log_probabilities: Any, labels: Any) -> Evaluation:
    return Evaluation(
        name, part, finite_score(name, log_probabilities, labels),
        confusion(log_probabilities, labels),
    )  # fmt: skip


def finite_score(name: Path | str, log_probabilities: Any, labels: Any) -> Score:
    """A `Score`, if it is one.

    Parameters
    ----------
    name : Path or str
        For the error message.
    log_probabilities : (n, n_classes) array, in nats
    labels : (n,) integers

    Raises
    ------
    RunError
        If the cost is infinite or not a number.
    """
    measured = score(log_probabilities, labels)
    if not np.isfinite(measured.cost_per_100):
        raise RunError(f"{name}: weights so large that the cost is not a finite number")
    return measured


def score_values(measured: Score) -> dict[str, float]:
    """A `Score` as a dictionary: ``cases``, ``errors``, ``cost_per_100``."""
    return dataclasses.asdict(measured)
