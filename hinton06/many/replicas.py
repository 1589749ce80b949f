"""Table 1 of several seeds at once: every net of it, in files like those of the other commands.

The stages of ``make table1``, each of all seeds: stacks, the nets above them, their extensions, and
the nets without pretraining.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinton06 import cases
from hinton06.dropout import UnfitDropoutError, chances
from hinton06.lineage import EXTENDED, NOT_PRETRAINED, VALIDATED, Lineage
from hinton06.loading import Context, Outcome, RunFile, typed
from hinton06.many.classifiers import Classifiers, Nets, gathered, log_probs, scores
from hinton06.many.groups import Member, Result, Work, make
from hinton06.many.place import Draws, Place
from hinton06.many.rbms import Stacks
from hinton06.mnist import SPLITS
from hinton06.models import Classifier
from hinton06.recipes import BackpropSettings, PretrainSettings, Recipe, conditions
from hinton06.recognition import Score
from hinton06.streams import Use
from hinton06.training import Run, RunError

_MEMORY = 0.7
"""The share of free memory that is counted on."""


@dataclass
class _Table1:
    """What all stages share."""

    context: Context
    place: Place
    out: Path
    recipe: Recipe
    seeds: Sequence[int]
    pretrain: PretrainSettings = field(init=False)
    backprop: BackpropSettings = field(init=False)

    def __post_init__(self) -> None:
        digits, place = self.context.digits, self.place
        dropout = self.recipe.backprop.dropout
        self.pretrain = self.recipe.pretrain
        self.backprop = self.recipe.settings("backprop", conditions(dropout=dropout))
        self._check()
        self.images = place.put(digits.train_images)
        self.n_pixels = digits.n_pixels
        self.labels = place.put(digits.train_classes.astype(np.int64))
        self.test_images = place.put(digits.test_images)
        self.test_labels = place.put(digits.test_classes.astype(np.int64))
        self.nets = [(seed, split) for seed in self.seeds for split in SPLITS]

    def _check(self) -> None:
        """RunError for what only the learners of single nets do."""
        if self.backprop.optimiser != "momentum" or self.backprop.top_only_epochs:
            raise RunError(f"recipe {self.recipe.name}: many nets at once learn by momentum alone")
        try:
            chances(self.backprop, len(self.pretrain.layers))
        except UnfitDropoutError as error:
            raise RunError(f"recipe {self.recipe.name}: {error}") from None
        if self.pretrain.updates:
            raise RunError(f"recipe {self.recipe.name}: many nets at once learn by passes")

    def own(self, seed: int) -> dict[str, Any]:
        """What every lineage says of the run itself."""
        digits = self.context.digits
        folder = None if digits.folder is None else str(digits.folder.resolve())
        return {
            "data": digits.sha256, "data_folder": folder, "seed": seed,
            "threads": self.context.threads, "device": self.place.name,
            "classes": digits.odd_classes,
        }  # fmt: skip

    def member(
        self, seed: int, name: str, kind: str, settings: Any, lineage: Lineage, title: str
    ) -> Member:
        """One file."""
        path = self.out / f"seed-{seed}" / f"{name}.h5"
        every = self.context.save_every_s
        run = Run(path, kind, self.recipe.name, settings, lineage, title, every, typed)
        return Member(run, seed, lineage.split)

    def rows(self, members: Sequence[Member]) -> Tensor:
        """(nets, n_cases) images that each learns."""
        n_all = len(self.labels)
        own = []
        for member in members:
            found = cases.rows_learned(self.context.digits, member.run.lineage)
            own.append(np.arange(n_all) if isinstance(found, slice) else found)
        return self.place.put(np.stack(own).astype(np.int64))

    def draws(self, members: Sequence[Member], use: Use) -> Draws:
        """Random numbers of a `use`."""
        return Draws(self.place, [(m.seed, use, m.run.lineage.split) for m in members])


@dataclass
class _StackStage:
    table: _Table1
    title: str = "stacks"

    def members(self) -> list[Member]:
        """A stack for each split of each seed, as ``experiments.pretrain``."""
        table, digits = self.table, self.table.context.digits
        found = []
        for seed, name in table.nets:
            split = cases.split_of(digits, name)
            lineage = Lineage(
                **(table.own(seed) | {"classes": ()}),
                split=name,
                split_sha256=split.sha256,
                cases=table.pretrain.cases,
            )
            cases.rows_learned(digits, lineage)
            more = "stack", table.pretrain, lineage, f"pretrain {name}"
            found.append(table.member(seed, f"pretrain-{name}", *more))
        return found

    def start(self, members: Sequence[Member]) -> Stacks:
        """As `Stage`."""
        table, settings = self.table, self.table.pretrain
        return Stacks(
            table.place, table.draws(members, Use.PRETRAINING),
            [[settings] * len(settings.layers)] * len(members),
            table.images, table.labels, table.rows(members),
        )  # fmt: skip

    def results(self, learner: Stacks, places: Sequence[int], _: Sequence[Member]) -> list[Result]:
        """As `Stage`."""
        models, outcome = learner.models(), Outcome(f"{self.table.pretrain.passes} passes a layer")
        return [Result(models[place].arrays(), outcome) for place in places]

    def guess(self, _: Member) -> float:
        """As `Stage`."""
        sizes = (self.table.n_pixels, *self.table.pretrain.layers)
        n_cases = self.table.pretrain.cases or len(self.table.labels) * 5 // 6
        return 5.0 * sum(a * b for a, b in pairwise(sizes)) * n_cases * self.table.pretrain.passes

    def memory(self) -> int:
        """Bytes for one stack: what a layer learns from and what the next one will."""
        sizes = (0, *self.table.pretrain.layers[:-1])
        features = max(a + b for a, b in pairwise(sizes)) if len(sizes) > 1 else 0
        n_cases = self.table.pretrain.cases or len(self.table.labels) * 5 // 6
        layers = (self.table.n_pixels, *self.table.pretrain.layers)
        weights = sum(a * b for a, b in pairwise(layers))
        buffers = 5 * self.table.pretrain.batch + 2000
        return 4 * (n_cases * (features + 8) + 3 * weights + buffers * max(layers))


@dataclass
class _NetStage:
    """What the stages of classifiers share; each says which files there are and where they start.

    `starts` are the models that they start from, by the place of the member's run.
    """

    table: _Table1
    title: str = ""
    use: Use = Use.RANDOM_NET
    before: Mapping[int, int] = field(default_factory=dict)
    starts: dict[int, Any] = field(default_factory=dict)
    epochs_seen: list[int] = field(default_factory=list)
    first_guess: float = 30.0

    def start(self, members: Sequence[Member]) -> Classifiers:
        """As `Stage`."""
        table, settings = self.table, self.table.backprop
        draws, mask_use = table.draws(members, self.use), Use.DROPOUT
        if members[0].run.lineage.role == EXTENDED:
            settings = replace(settings, epochs=settings.extension_epochs)
            mask_use = Use.DROPOUT_ON_ALL
        masks = table.draws(members, mask_use) if settings.dropout else None
        lineages = [member.run.lineage for member in members]
        valid = targets = None
        if lineages[0].role == VALIDATED:
            digits = table.context.digits
            own = [cases.split_recorded(digits, lineage).valid for lineage in lineages]
            valid = table.place.put(np.stack(own).astype(np.int64))
        else:
            targets = [float(lineage.target_cost or 0) for lineage in lineages]
        return Classifiers(
            table.place, draws, [settings] * len(members), self.nets(members, draws),
            table.images, table.labels, table.rows(members), valid, targets, masks=masks,
        )  # fmt: skip

    def nets(self, members: Sequence[Member], _: Draws) -> Nets:
        """Where learning starts."""
        return gathered(self.table.place, [self.starts[id(m.run)] for m in members])

    def results(
        self, learner: Classifiers, places: Sequence[int], members: Sequence[Member]
    ) -> list[Result]:
        """As `Stage`."""
        table, nets = self.table, learner.results(places)
        every = torch.arange(len(table.test_labels), device=table.place.device)
        asked = log_probs(table.place, nets, table.test_images, every.expand(len(places), -1))
        tests = scores(asked, table.test_labels.expand(len(places), -1))
        validated = members[0].run.lineage.role == VALIDATED
        valids: Sequence[Score | None] = [None] * len(places)
        if validated:
            valids = learner.valid_scores(nets, places)
        answers, found = asked.cpu().numpy(), []
        for number, (place, model) in enumerate(zip(places, nets.models(), strict=True)):
            course, member = learner.courses[place], members[number]
            self.epochs_seen.append(course.epoch)
            outcome = Outcome(
                reason=course.finished() or "", valid=valids[number], test=tests[number],
                test_log_probs=answers[number].copy(),
                test_labels=table.context.digits.test_classes, **course.measured_outcome(),
                epochs_before=self.before.get(id(member.run), 0),
            )  # fmt: skip
            if outcome.capped:
                note = f"{member.run.path}: {outcome.reason}, before its stopping rule was met"
                table.context.progress.note(note)
            found.append(Result(model.arrays(), outcome))
        return found

    def guess(self, member: Member) -> float:
        """As `Stage`; epochs as others had, or as the recipe lets expect."""
        return self.work(member.run.lineage.role)

    def work(self, role: str) -> float:
        """Multiply-adds that a net is expected to take."""
        table, n_cases = self.table, len(self.table.labels)
        falling = table.backprop.extension_epochs if role == EXTENDED else table.backprop.epochs
        epochs = max(self.first_guess, falling)
        if self.epochs_seen:
            epochs = float(np.mean(self.epochs_seen))
        sizes = (table.n_pixels, *table.pretrain.layers, table.context.digits.n_classes)
        share = 5 / 6 if role == VALIDATED else 1.0
        epochs = min(epochs, table.backprop.max_epochs)
        return 3.0 * sum(a * b for a, b in pairwise(sizes)) * n_cases * share * epochs


class _FineTuned(_NetStage):
    def members(self, stacks: Sequence[RunFile]) -> list[Member]:
        """A net on each stack, as ``experiments.finetune``."""
        table, found = self.table, []
        self.title, self.use = "nets", Use.BACKPROP
        for (seed, name), stack in zip(table.nets, stacks, strict=True):
            digest = cases.split_recorded(table.context.digits, stack.lineage).sha256
            lineage = stack.child(VALIDATED, **table.own(seed), labelled=0, split_sha256=digest)
            more = "classifier", table.backprop, lineage, f"finetune-bp {name}"
            found.append(table.member(seed, f"bp-{name}", *more))
            model = Classifier.on_stack(stack.model, table.context.digits.n_classes)
            self.starts[id(found[-1].run)] = model
        return found


class _Extended(_NetStage):
    def members(self, nets: Sequence[RunFile]) -> list[Member]:
        """Each net on all cases, as ``experiments.extend``."""
        table, found, before = self.table, [], {}
        self.title, self.use = "extensions", Use.BACKPROP_ON_ALL
        for (seed, name), net in zip(table.nets, nets, strict=True):
            assert net.outcome.train is not None
            target = net.outcome.train.cost_per_100
            lineage = net.child(EXTENDED, **table.own(seed), target_cost=target)
            more = "classifier", table.backprop, lineage, f"extend {name}"
            found.append(table.member(seed, f"bp-{name}-extended", *more))
            self.starts[id(found[-1].run)] = net.model
            before[id(found[-1].run)] = net.outcome.epochs
        self.before = before
        return found


class _Random(_NetStage):
    def members(self, nets: Sequence[RunFile]) -> list[Member]:
        """A net without pretraining for each seed, as ``experiments.finetune_from_random``."""
        table, found = self.table, []
        self.title, self.use = "nets without pretraining", Use.RANDOM_NET
        for number, seed in enumerate(table.seeds):
            three = nets[3 * number : 3 * number + 3]
            costs = [net.outcome.train.cost_per_100 for net in three if net.outcome.train]
            lineage = three[0].child(
                NOT_PRETRAINED, parents=[net.digest for net in three], **table.own(seed),
                layers=table.pretrain.layers, random_start=False,
                target_cost=float(np.mean(costs)),
            )  # fmt: skip
            more = "classifier", table.backprop, lineage, "not pretrained"
            found.append(table.member(seed, "bp-not-pretrained", *more))
        return found

    def nets(self, members: Sequence[Member], draws: Draws) -> Nets:
        """Of random weights, each by its own draws."""
        table = self.table
        sizes = (table.n_pixels, *table.pretrain.layers, table.context.digits.n_classes)
        scale = table.backprop.initial_scale
        made = [Classifier.random(sizes, scale, draws.rngs[net]) for net in range(len(members))]
        return gathered(table.place, made)


def replicate(
    context: Context,
    place: Place,
    out: Path,
    recipe: Recipe,
    seeds: Sequence[int],
    together: int | None = None,
) -> dict[int, list[RunFile]]:
    """Every file of Table 1 of these seeds, in folders of their own below `out`.

    At most so many nets learn `together`: on a card as many as its memory holds, else those of one
    seed. What is finished already is left as it is, what is not goes on where it was. Raises as
    the calls of `hinton06.experiments`.
    """
    with place.used(), context.computing():
        whole = _Table1(context, place, out, recipe, seeds)
        most = together or _fitting(whole)
        size = max(1, most // len(SPLITS))
        groups = [seeds[first : first + size] for first in range(0, len(seeds), size)]
        made: dict[int, list[RunFile]] = {}
        later = [0.0]
        work = Work(context, lambda: later[0])
        one_seed = sum(stage_work for stage_work in _expected(whole))
        total = one_seed * len(seeds)
        context.progress.begin("replicate", 0, total)
        try:
            for number, own in enumerate(groups):
                table = _Table1(context, place, out, recipe, own)
                rest = one_seed * sum(map(len, groups[number + 1 :]))
                made |= _one_group(table, work, most, later, rest)
        finally:
            context.progress.end()
    return made


def _fitting(table: _Table1) -> int:
    """How many nets at a time."""
    if not table.place.on_card:
        return len(SPLITS)
    fit = int(_MEMORY * table.place.memory()) // _StackStage(table).memory()
    return max(1, min(fit, len(table.nets)))


def _expected(table: _Table1) -> list[float]:
    """Multiply-adds of each stage of one seed, before anything is known."""
    stack = _StackStage(table)
    member = partial(next, iter(stack.members()))
    nets = 3 * _FineTuned(table).work(VALIDATED), 3 * _Extended(table).work(EXTENDED)
    return [3 * stack.guess(member()), *nets, _Random(table).work(NOT_PRETRAINED)]


def _one_group(
    table: _Table1, work: Work, most: int, later: list[float], rest: float
) -> dict[int, list[RunFile]]:
    """All stages of some seeds; `later` is the work of what comes after the present one."""
    stages = _StackStage(table), _FineTuned(table), _Extended(table), _Random(table)
    left = [each * len(table.seeds) for each in _expected(table)]

    def made(stage: Any, members: Sequence[Member], number: int) -> list[RunFile]:
        later[0] = rest + sum(left[number + 1 :])
        return make(stage, members, table.place, table.context, work, most)

    stacks = made(stages[0], stages[0].members(), 0)
    nets = made(stages[1], stages[1].members(stacks), 1)
    extended = made(stages[2], stages[2].members(nets), 2)
    others = made(stages[3], stages[3].members(nets), 3)
    found: dict[int, list[RunFile]] = {}
    for number, seed in enumerate(table.seeds):
        three = slice(3 * number, 3 * number + 3)
        found[seed] = [*stacks[three], *nets[three], *extended[three], others[number]]
    assert all(math.isfinite(w) for w in left)
    return found
