"""Recipes beside each other, each on several seeds: many nets at once, by `hinton06.many`.

    python experiments/search/plans.py experiments/search/many/1.txt runs/1.csv --seeds 0-3
    python experiments/search/many_table.py runs/1.csv

A line of the plan is a recipe, ``pretrain options | finetune-bp options``, each as hinton06 spells
them; a value of pretrain with commas has a part for each layer. Lines of the same pretraining share
stacks.
Beside hinton06's there are ``--visible-bias log-odds`` (where these biases start), ``--averaging``
(passes over which a layer's parameters are averaged) and ``--layer-rates`` (shares of the rate of
backpropagation, bottom to top).

Each recipe's nets of all three splits are those that `hinton06 replicate --set` makes, by the same
draws; a line a net says what validation said, and test cases are not read. What a killed run has
written is not learned again. The records in many/ are of four draws (4: of eight) from before the
learners were in the package (``git show 69e9acf:experiments/search/many.py``): other draws than a
seed has now.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from hinton06 import cases, loading, mnist
from hinton06.cli.options import NUMBERS, recipe_options
from hinton06.console import stopped_in_a_line
from hinton06.many.classifiers import Classifiers, gathered
from hinton06.many.place import DEVICES, Draws, Place
from hinton06.many.rbms import Stacks
from hinton06.many.wakesleep import RunningMeans
from hinton06.mnist import SPLITS, Digits
from hinton06.models import Classifier
from hinton06.recipes import RECIPES, BackpropSettings, PretrainSettings, parse_layers
from hinton06.streams import Use
from hinton06.training import RunError

EXTRA: dict[str, Any] = {"visible_bias": "zero", "averaging": 0.0}
"""Options of pretraining in a plan that hinton06 does not have."""
SINGLE = {
    "optimiser", "line_searches", "top_only_epochs", "updates", "start", "track", "affine",
    "elastic", "smoothing", "cases",
}  # fmt: skip
"""Settings of hinton06 that only the learners of single nets have."""
DISTORTED = {"affine", "elastic", "smoothing"}
"""Those that only the learners of single stacks have."""
AVERAGED_EVERY = 25
"""Updates between two values of a running mean."""
NAMES = [
    "pretrain", "finetune-bp", "seed", "split", "kept_epoch", "epochs", "train_cost",
    "fewest_valid_errors", "valid_errors_last_10_epochs", "lowest_valid_cost", "last_valid_cost",
    "valid_errors_by_epoch",
]  # fmt: skip


# -- the plan ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One recipe: options as they are written, settings of each layer, and what is not in them."""

    texts: tuple[str, str]
    layers: list[PretrainSettings]
    backprop: BackpropSettings
    visible_bias: list[str]
    averaging: list[float]
    shares: list[float]


def parse(text: str, recipe: Any) -> dict[str, list[Any]]:
    """Options of pretraining: the values of each name, one for all layers or one for each."""
    defaults = dataclasses.asdict(recipe.pretrain) | EXTRA
    found: dict[str, list[Any]] = {}
    words = iter(shlex.split(text))
    for word in words:
        name = word.removeprefix("--").replace("-", "_")
        if name.startswith("no_") and isinstance(defaults.get(name[3:]), bool):
            found[name[3:]] = [False]
            continue
        if name not in defaults or name in SINGLE:
            raise SystemExit(f"no setting {word}")
        kind = type(defaults[name])
        try:
            if kind is bool:
                found[name] = [True]
            elif name == "layers":
                found[name] = [parse_layers(next(words))]
            else:
                found[name] = [kind(value) for value in next(words).split(",")]
        except (StopIteration, ValueError):
            raise SystemExit(f"{word}: no value that it can have") from None
    return found


def each(values: list[Any], name: str, n: int) -> list[Any]:
    """A value for each of n layers."""
    if len(values) not in (1, n):
        raise SystemExit(f"{name}: {len(values)} values for {n} layers")
    return values * n if len(values) == 1 else values


def settings_of(settings: Any, given: dict[str, list[Any]], n: int) -> list[Any]:
    """Those of each layer; options that are no settings are left out."""
    own = {name: each(values, name, n) for name, values in given.items() if hasattr(settings, name)}
    return [
        dataclasses.replace(settings, **{name: values[i] for name, values in own.items()})
        for i in range(n)
    ]


def backprop_of(text: str, recipe: Any, n_layers: int) -> tuple[BackpropSettings, list[float]]:
    """Settings of backpropagation, and each layer's share of the rate."""

    @click.command("finetune-bp")
    @recipe_options("backprop")
    @click.option("--layer-rates", default="1")
    def command(**given: Any) -> dict[str, Any]:
        return given

    try:
        given = command.main(shlex.split(text), command.name, standalone_mode=False)
        shares = [float(share) for share in given["layer_rates"].split(",")]
    except (click.ClickException, ValueError) as error:
        raise SystemExit(getattr(error, "message", str(error))) from None
    for name in SINGLE - DISTORTED:
        if given.get(name) is not None:
            raise SystemExit(f"no setting --{name.replace('_', '-')}")
    return recipe.settings_with("backprop", given), each(shares, "layer_rates", n_layers)


def line_of(text: str, recipe: Any) -> Line:
    """A line of the plan."""
    before, bar, after = (part.strip() for part in text.partition("|"))
    if not bar:
        raise SystemExit("a line of the plan is: pretrain options | finetune-bp options")
    pretrain = parse(before, recipe)
    n = len(pretrain.get("layers", [recipe.pretrain.layers])[0])
    visible, averaging = (
        each(pretrain.get(name, [default]), name, n) for name, default in EXTRA.items()
    )
    try:
        layers = settings_of(recipe.pretrain, pretrain, n)
        backprop, shares = backprop_of(after, recipe, n + 1)
    except ValueError as error:
        raise SystemExit(f"{text}: {error}") from None
    return Line((before, after), layers, backprop, visible, averaging, shares)


def read_plan(path: Path, recipe: Any) -> list[Line]:
    """Its lines, without comments."""
    lines = [line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines()]
    found = [line_of(line, recipe) for line in lines if line]
    return list({line.texts: line for line in found}.values())


# -- learning ------------------------------------------------------------------------------------


class Alternatives(Stacks):
    """Stacks whose biases start elsewhere, or that are averaged, as a line says."""

    def __init__(self, line: Line, place: Place, *more: Any) -> None:
        self.line = line
        super().__init__(place, *more)

    def _begin_layer(self) -> None:
        super()._begin_layer()
        layer, arrays = len(self.learned), self.rbms.arrays
        if layer == 0 and self.line.visible_bias[0] == "log-odds":
            for net, rows in enumerate(self._rows):
                means = self._images[rows].float().mean(0) / 255
                arrays["visible_bias"][net] = torch.logit(means, eps=1 / len(rows))
        self._mean: RunningMeans | None = None
        self._number = 0
        if passes := self.line.averaging[layer]:
            updates = -(-self._rows.shape[1] // self.batch)
            self._mean = RunningMeans(arrays, max(1.0, passes * updates / AVERAGED_EVERY))

    def run_epoch(self, tick: Callable[[float], None]) -> list[dict[str, float]]:
        """As `Stacks`, with means beside it."""

        def also(amount: float) -> None:
            if self._mean and self._number % AVERAGED_EVERY == 0:
                self._mean.add()
            self._number += 1
            tick(amount)

        return super().run_epoch(also)

    def _end_layer(self) -> None:
        if self._mean:
            for name, mean in self._mean.means.items():
                self.rbms.arrays[name].copy_(mean)
        super()._end_layer()


Net = tuple[int, str]
"""Its seed and split."""


@dataclass
class Search:
    """Images, and where many nets learn them."""

    place: Place
    digits: Digits

    def __post_init__(self) -> None:
        self.images = self.place.put(self.digits.train_images)
        self.labels = self.place.put(self.digits.train_classes.astype(np.int64))

    def _rows(self, nets: Sequence[Net], part: str) -> Any:
        own = [getattr(cases.split_of(self.digits, split), part) for _, split in nets]
        return self.place.put(np.stack(own).astype(np.int64))

    def _draws(self, nets: Sequence[Net], use: Use) -> Draws:
        return Draws(self.place, [(seed, use, split) for seed, split in nets])

    def stacks(self, line: Line, nets: Sequence[Net]) -> list[Any]:
        """Pretrained."""
        learner = Alternatives(
            line, self.place, self._draws(nets, Use.PRETRAINING), [line.layers] * len(nets),
            self.images, self.labels, self._rows(nets, "train"),
        )  # fmt: skip
        while not learner.finished():
            learner.run_epoch(lambda _: None)
        return learner.models()

    def finetuned(
        self, line: Line, nets: Sequence[Net], stacks: Sequence[Any]
    ) -> Iterator[tuple[Net, Any]]:
        """What validation said of each net, as they are done."""
        start = [Classifier.on_stack(stack, self.digits.n_classes) for stack in stacks]
        shares = np.tile(line.shares, (len(nets), 1))
        learner = Classifiers(
            self.place, self._draws(nets, Use.BACKPROP), [line.backprop] * len(nets),
            gathered(self.place, start), self.images, self.labels, self._rows(nets, "train"),
            self._rows(nets, "valid"), rate_shares=shares, masks=self._draws(nets, Use.DROPOUT),
            moves=self._draws(nets, Use.NEIGHBOURS),
            distortions=self._draws(nets, Use.DISTORTIONS), shape=self.digits.shape,
        )  # fmt: skip
        left = list(nets)
        while left:
            learner.run_epoch(lambda _: None)
            finite = learner.finite()
            done = {*learner.done(), *(place for place, right in enumerate(finite) if not right)}
            for place in sorted(done):
                yield left[place], learner.courses[place]
            going = [place for place in range(len(left)) if place not in done]
            left = [left[place] for place in going]
            if done and left:
                learner.keep(going)


def row_of(line: Line, net: Net, course: Any) -> dict[str, Any]:
    """One net, for the table."""
    errors, costs = np.array(course.valid_errors), np.array(course.valid_costs)
    values = [
        *line.texts, *net, int(errors.argmin()) + 1, len(errors),
        f"{course.selected.train.cost_per_100:.4g}", errors.min(),
        round(float(errors[-10:].mean()), 1), f"{costs.min():.3f}", f"{costs[-1]:.3f}",
        " ".join(map(str, errors)),
    ]  # fmt: skip
    return dict(zip(NAMES, values, strict=True))


def kept(path: Path, names: Sequence[str] = NAMES) -> list[dict[str, str]]:
    """Whole lines of a table that is there already, of these columns."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames not in (None, list(names)):
            raise SystemExit(f"{path}: a table of other columns; name another file")
        return [row for row in reader if None not in row.values()]


def going_on(path: Path, before: Sequence[dict[str, str]], names: Sequence[str] = NAMES) -> Any:
    """The table, opened to add rows to those from before; a kill at any time leaves these there."""
    whole = path.with_name(f"{path.name}.new")
    with whole.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        table.writerows(before)
    whole.replace(path)
    return path.open("a", newline="", encoding="utf-8")


def learn(
    search: Search, plan: Sequence[Line], nets: Sequence[Net], done: set[tuple[str, ...]]
) -> Iterator[dict[str, Any]]:
    """What is not done of these nets, line by line; stacks that several need are learned once."""
    by_stack: dict[str, list[Line]] = {}
    for line in plan:
        by_stack.setdefault(line.texts[0], []).append(line)
    for same in by_stack.values():
        wanted = {
            line.texts: [n for n in nets if (*line.texts, str(n[0]), n[1]) not in done]
            for line in same
        }
        needed = [net for net in nets if any(net in own for own in wanted.values())]
        stacks = dict(zip(needed, search.stacks(same[0], needed), strict=True)) if needed else {}
        for line in same:
            own = wanted[line.texts]
            print(f"{' | '.join(line.texts)}: {len(own)} nets", file=sys.stderr, flush=True)
            if own:
                for net, course in search.finetuned(line, own, [stacks[n] for n in own]):
                    yield row_of(line, net, course)


def main() -> None:
    """Learn what the plan says; one line a net."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("plan", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="0-3", help="as 0-3 or 1,5,7-9")
    parser.add_argument("--device", choices=DEVICES, default="cuda")
    parser.add_argument("--recipe", choices=RECIPES, default="tr2006")
    parser.add_argument("--data", type=Path, help="another folder of images than MNIST")
    parser.add_argument("--together", type=int, default=96, help="nets at a time")
    given = parser.parse_args()
    seeds = NUMBERS.convert(given.seeds, None, None)
    nets = [(seed, split) for seed in seeds for split in SPLITS]
    plan = read_plan(given.plan, RECIPES[given.recipe])
    before = kept(given.out)
    done = {tuple(row[name] for name in NAMES[:4]) for row in before}
    place, digits = Place(given.device), loading.digits_of([], given.data, False)
    with going_on(given.out, before) as file, place.used():
        table = csv.DictWriter(file, NAMES, lineterminator="\n")
        search = Search(place, digits)
        for first in range(0, len(nets), given.together):
            for row in learn(search, plan, nets[first : first + given.together], done):
                table.writerow(row)
                file.flush()


if __name__ == "__main__":
    try:
        with stopped_in_a_line():
            main()
    except (RunError, mnist.DataError) as error:
        sys.exit(str(error))
