"""Finished nets asked for the labels of digits: evaluated, combined, their answers scored.

The columns of Table 1, and "There are several different ways of using the generative model for
discrimination" in "Using contrastive wake-sleep for generative fine-tuning".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import mnist, recognition
from hinton06.annealing import Spread
from hinton06.cases import cases_held_out, cases_learned
from hinton06.kinds import Recogniser
from hinton06.lineage import PRETRAINED, VALIDATED
from hinton06.loading import Context, RunFile, load, naming
from hinton06.mnist import Digits
from hinton06.numerics import Array
from hinton06.recognition import Cases, Score
from hinton06.streams import Use, stream
from hinton06.training import RunError

METHODS: Mapping[str, tuple[str, ...]] = {
    "free-energy": (),
    "stochastic": ("seed",),
    "stochastic-mean": ("passes", "seed"),
    "label-gibbs": ("rounds", "seed"),
    "sampling": ("passes", "temperatures", "seed"),
}
"""How a net with a memory is asked for the label of an image, and what of `Method` each uses."""

EVERY_METHOD: Mapping[str, tuple[str, ...]] = {**METHODS, "up-pass": ()}
"""These, and the plain way of a directed net."""


@dataclass(frozen=True)
class Method:
    """How a generative net is asked for the label of an image: a name of `EVERY_METHOD`.

    `passes` are stochastic up-passes an image, `rounds` those of Gibbs sampling, `temperatures`
    distributions between recognition and generation, None for as many as are usual of the net: 0 of
    a directed one, whose passes are only weighed. Source: "There are several different ways of
    using the generative model for discrimination."
    """

    name: str = "free-energy"
    passes: int = 20
    rounds: int = 200
    temperatures: int | None = None
    seed: int = 0

    def settings(self) -> dict[str, int]:
        """The values that the method makes use of."""
        return {name: getattr(self, name) for name in EVERY_METHOD[self.name]}

    def ask(
        self, recogniser: Recogniser, images: Any, tick: Callable[[float], None], part: str
    ) -> tuple[Array, Spread | None]:
        """Each class's log probability, and how far weights are apart where there are any.

        Those of `part` are asked for with random numbers of its own.
        """
        if self.name in ("free-energy", "up-pass"):
            answer = recogniser.log_probs(images)
            tick(1.0)
            return answer, None
        use = Use[self.name.replace("-", "_").upper()]
        net, rng = recogniser.net, stream(self.seed, use, PARTS.index(part))
        if self.name == "sampling":
            samples = recogniser.sample(net, images, rng, self.passes, self.temperatures, tick)
            return samples.log_probs(), samples.spread()
        if self.name == "label-gibbs":
            answer = recognition.gibbs_label_log_probs(net, images, rng, self.rounds)
        else:
            passes = self.passes if self.name == "stochastic-mean" else 1
            answer = recognition.stochastic_label_log_probs(net, images, rng, passes)
        tick(1.0)
        return answer, None


PARTS = ("train", "validation", "test")
"""The sets of cases that a net can be measured on."""


@dataclass(frozen=True)
class CaseSelection:
    """Which cases are measured: these `parts`, or all that a net has when empty.

    No more than so many `cases` of each part, drawn at random by `seed`: the same ones for every
    net of the same split and for every method.
    """

    parts: Sequence[str] = ()
    cases: int | None = None
    seed: int = 0

    def draw(self, cases: Cases, part: str) -> Cases:
        """The cases of this part that are measured, in their order."""
        if self.cases is None or self.cases >= len(cases):
            return cases
        rng = stream(self.seed, Use.CASES_MEASURED, PARTS.index(part))
        rows = np.sort(rng.choice(len(cases), self.cases, replace=False))
        numbers = None if cases.numbers is None else cases.numbers[rows]
        return Cases(cases.images[rows], cases.labels[rows], numbers)


EVERY_CASE = CaseSelection()


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One net, or ``"product"`` of several, on one of `PARTS`.

    `confusion` has a row for each true class and a column for each guess; `method` is None for the
    softmax of a classifier, and for products; `seconds` is wall time, where it was measured;
    `spread` that of the weights of the method ``"sampling"``; `sha256` the digest of the model;
    `log_probs` are (n, n_classes), in nats, of the cases of these `numbers` and `labels`, places
    among the `classes`: the labels of their columns, and of the confusion's rows and columns.
    `comparable`: of a net like that of Hinton, Osindero and Teh (2006), of wake-sleep on MNIST.
    """

    name: str
    part: str
    score: Score
    confusion: Any
    method: Method | None = None
    seconds: float | None = None
    spread: Spread | None = None
    sha256: str = ""
    log_probs: Array | None = None
    labels: Any = None
    numbers: Any = None
    classes: tuple[int, ...] = ()
    comparable: bool = False


def evaluate(
    context: Context,
    paths: Path | Sequence[Path],
    methods: Sequence[Method] = (),
    selection: CaseSelection = EVERY_CASE,
    *,
    as_they_can: bool = False,
) -> list[Evaluation]:
    """Measure nets on training, validation and test cases, in one or several ways.

    Part by part of each method of each net, or `as_they_can` of those that it has: by free energy
    without `methods`; a classifier has its softmax alone, a net that learned all cases no
    validation, and one of other data test cases alone. Raises `CheckpointError` or `RunError`,
    before anything is measured, if a file cannot be asked in this way, does not fit the data, or
    lacks a chosen part. Source: columns of Table 1.
    """
    nets = []
    for path in [paths] if isinstance(paths, Path) else paths:
        net = file, recogniser, digits = _recogniser(context.digits, path)
        fitted = [
            _fitted(method, file, recogniser)
            for method in methods
            if not as_they_can or method.name in recogniser.methods
        ]
        every: Sequence[Method | None] = fitted or [Method(name) for name in recogniser.methods[:1]]
        every = every or [None]
        nets.append((net, every, parts_of(file, digits, selection)))
    return [
        evaluation
        for net, every, parts in nets
        for method in every
        for evaluation in _asked(context, net, method, parts)
    ]


def _fitted(method: Method, file: RunFile, recogniser: Recogniser) -> Method:
    """A method with the net's own temperatures; `RunError` if it is none for such a net."""
    if not recogniser.methods:
        alone = f"{file.path}: is a classifier and has its softmax alone"
        raise RunError(f"{alone}; methods are for generative nets and stacks with labels")
    if method.name not in recogniser.methods:
        known = " or ".join(recogniser.methods)
        raise RunError(f"{file.path}: {file.kind.about} is asked by {known}, not {method.name}")
    if method.name != "sampling":
        return method
    if method.temperatures is None:
        return replace(method, temperatures=recogniser.temperatures)
    if method.temperatures and not recogniser.temperatures:
        weighed = f"the passes of {file.kind.about} are only weighed"
        raise RunError(f"{file.path}: {weighed}, with --temperatures 0")
    return method


def _asked(
    context: Context, net: Any, method: Method | None, parts: Mapping[str, Cases]
) -> Iterator[Evaluation]:
    """The parts of one net, a file, its recogniser and the images, measured in one way."""
    file, recogniser, digits = net
    title = f"evaluate {file.path.name}" + (f" {method.name}" if method else "")
    with context.shown(title, sum(map(len, parts.values()))) as tick:
        for part, cases in parts.items():

            def told(share: float, n_cases: int = len(cases)) -> None:
                tick(share * n_cases)

            started = time.perf_counter()
            answer, spread = (method or Method()).ask(recogniser, cases.images, told, part)
            more = method, time.perf_counter() - started, spread, file.digest
            of_each = answer, cases.labels, cases.numbers
            found = _evaluation(digits, str(file.path), part, answer, cases.labels, *more, *of_each)
            yield replace(found, comparable=_is_like_the_published(file, digits))


def _is_like_the_published(file: RunFile, digits: Digits) -> bool:
    by_wake_sleep = file.kind.name == "generative" and not file.outcome.bp_weight
    return by_wake_sleep and {file.lineage.data, digits.sha256} == {mnist.SHA256}


def _recogniser(digits: Digits, path: Path) -> tuple[RunFile, Recogniser, Digits]:
    """What in a file can be asked for the labels of these digits, told apart as it does."""
    file = load(path)
    return file, file.recogniser(), file.fitted(digits)


def parts_of(file: RunFile, digits: Digits, selection: CaseSelection) -> dict[str, Cases]:
    """The chosen ones of training, validation and test cases, as far as a net has them.

    Of other data nobody can say which a net has learned.
    """
    every_test_case = np.arange(len(digits.test_labels))
    parts = {"test": Cases(digits.test_images, digits.test_classes, every_test_case)}
    with naming(file.path):
        if file.lineage.data == digits.sha256:
            if file.lineage.role in (PRETRAINED, VALIDATED):
                parts = {"validation": cases_held_out(digits, file.lineage), **parts}
            parts = {"train": cases_learned(digits, file.lineage), **parts}
        for name in selection.parts:
            if name not in parts:
                why = "all cases" if "train" in parts else "other data"
                raise RunError(f"was trained on {why} and has no {name} cases")
    wanted = selection.parts or parts
    return {name: selection.draw(cases, name) for name, cases in parts.items() if name in wanted}


def combine(context: Context, paths: Sequence[Path]) -> list[Evaluation]:
    """The product of several nets on the test set, and each net beside it: "Combined" in Table 1.

    ``"product"`` is the nets' geometric mean, renormalised; ``"product, no root"`` is renormalised
    without taking the root. Raises as `evaluate`.
    """
    answers, digits = _answers(context, "combine", paths)
    named = [
        *((str(path), array) for path, array in zip(paths, answers, strict=True)),
        ("product", recognition.product_of_nets(answers)),
        ("product, no root", recognition.product_of_nets(answers, geometric=False)),
    ]
    return [_evaluation(digits, name, "test", array, digits.test_classes) for name, array in named]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What two nets say of each test case: (n_test, n_classes) log probabilities, in nats.

    Of cases of these `labels`: places among the `classes`.
    """

    names: tuple[str, str]
    log_probs: tuple[Array, Array]
    labels: Any
    classes: tuple[int, ...]

    @property
    def guesses(self) -> tuple[Any, Any]:
        """(n_test,) of each."""
        one, other = (array.argmax(axis=1) for array in self.log_probs)
        return one, other

    @property
    def right(self) -> tuple[Any, Any]:
        """Whether each case is recognised by each: (n_test,)."""
        one, other = (guesses == self.labels for guesses in self.guesses)
        return one, other


def mcnemar(first_alone: int, second_alone: int) -> float:
    """McNemar's test, exact: how often chance parts as unevenly what one net alone gets right.

    The two-sided p-value of the binomial distribution with probability 1/2. Source: McNemar (1947),
    "Note on the sampling error of the difference between correlated proportions or percentages".
    """
    from scipy.stats import binomtest  # noqa: PLC0415  # slow to import

    either = first_alone + second_alone
    return float(binomtest(first_alone, either).pvalue) if either else 1.0


def compare(context: Context, one: Path, other: Path) -> Comparison:
    """Two nets on the same test cases; raises as `evaluate`."""
    (first, second), digits = _answers(context, "compare", [one, other])
    for path, array in ((one, first), (other, second)):
        finite_score(path, array, digits.test_classes)
    names = str(one), str(other)
    return Comparison(names, (first, second), digits.test_classes, digits.classes)


def recognise_test_cases(context: Context, path: Path) -> tuple[Array, Digits]:
    """What a net says of each test case: (n_test, n_classes) log p(class | image), in nats.

    And the images, their labels told apart as by the net.
    """
    (logs,), digits = _answers(context, f"recognise {path.name}", [path])
    return logs, digits


def _answers(context: Context, title: str, paths: Sequence[Path]) -> tuple[list[Array], Digits]:
    """Each net's log p(class | image) of the test cases, and the images; of one set of classes."""
    nets, answers = [_recogniser(context.digits, path) for path in paths], []
    digits = nets[0][2]
    for (_, _, own), path in zip(nets, paths, strict=True):
        if own.classes != digits.classes:
            raise RunError(f"{path}: does not know the same classes as {paths[0]}")
    with context.shown(title, len(nets)) as tick:
        for _, net, _ in nets:
            answers.append(net.log_probs(digits.test_images))
            tick(1)
    return answers, digits


def _evaluation(
    digits: Digits, name: str, part: str, answer: Any, labels: Any, *more: Any
) -> Evaluation:
    measured = finite_score(name, answer, labels)
    found = Evaluation(name, part, measured, recognition.confusion(answer, labels), *more)
    return replace(found, classes=digits.classes)


def finite_score(name: Path | str, log_probabilities: Any, labels: Any) -> Score:
    """A `Score`; `RunError`, which begins with `name`, if its cost is infinite or no number."""
    measured = recognition.score(log_probabilities, labels)
    if not np.isfinite(measured.cost_per_100):
        raise RunError(f"{name}: weights so large that the cost is not a finite number")
    return measured
