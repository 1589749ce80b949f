"""Table 1 of several seeds at once: every net of it, in files like those of the other commands.

The stages of ``make table1``, each of all seeds: stacks, the nets above them, their extensions, and
the nets without pretraining; or of ``make translated``, or nets of few labels. Those of the
generative half are in `hinton06.many.generative`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from hinton06 import cases
from hinton06.dropout import UnfitDropoutError, chances
from hinton06.lineage import EXTENDED, NOT_PRETRAINED, VALIDATED, Lineage
from hinton06.loading import Context, Outcome, RunFile, typed
from hinton06.many.classifiers import Classifiers, Nets, gathered, log_probs, scores
from hinton06.many.groups import Member, Result, Stage, Work, make
from hinton06.many.place import Draws, Place
from hinton06.many.rbms import Stacks
from hinton06.mnist import SPLITS
from hinton06.models import Classifier
from hinton06.recipes import (
    BackpropSettings,
    PretrainSettings,
    Recipe,
    conditions,
    counted,
    implied,
)
from hinton06.recognition import Score
from hinton06.stacking import products_of
from hinton06.streams import Use
from hinton06.training import Run, RunError

Made = Mapping[str, Sequence[RunFile]]
"""The files of the stages before, by the keys of these; in the order of `Table.nets`."""

_OF_STACKS = {"cd", "persistent", "sparsity_cost", "centred"}
_OF_NETS = {"dropout", "adversarial", "neighbours", "affine", "elastic"}
"""Settings that set an experiment apart, and that many nets at once have all the same."""
_MEMORY = 0.7
"""The share of free memory that is counted on."""


@dataclass
class Table:
    """What all stages share; images are learned in all `translations` by up to so many pixels."""

    context: Context
    place: Place
    out: Path
    recipe: Recipe
    seeds: Sequence[int]
    translations: int = 0
    pretrain: PretrainSettings = field(init=False)
    backprop: BackpropSettings = field(init=False)

    def __post_init__(self) -> None:
        digits, place = self.context.digits, self.place
        moved = self.translations
        self.pretrain = self.recipe.settings("pretrain", self.pretrained(translations=moved))
        under = conditions(translations=moved, **implied(self.recipe.backprop))
        self.backprop = self.recipe.settings("backprop", under)
        self._check()
        every = cases.cases_at(digits, translations=moved)
        self.n_shifts = len(every) // len(digits.train_labels)
        self.images, self.n_pixels = place.put(every.images), digits.n_pixels
        self.labels = place.put(every.labels.astype(np.int64))
        self.test_images = place.put(digits.test_images)
        self.test_labels = place.put(digits.test_classes.astype(np.int64))
        self.nets = [(seed, split) for seed in self.seeds for split in SPLITS]

    def _check(self) -> None:
        """RunError for what only the learner of a single stack does."""
        if self.pretrain.updates:
            raise RunError(f"recipe {self.recipe.name}: many nets at once learn by passes")
        apart = self.pretrain.apart() | ({"track"} if self.pretrain.track else set())
        self._check_apart(apart - _OF_STACKS)

    def check_backprop(self) -> None:
        """RunError for what only the learner of a single classifier does."""
        if self.backprop.optimiser != "momentum" or self.backprop.top_only_epochs:
            raise RunError(f"recipe {self.recipe.name}: many nets at once learn by momentum alone")
        try:
            chances(self.backprop, len(self.pretrain.layers))
        except UnfitDropoutError as error:
            raise RunError(f"recipe {self.recipe.name}: {error}") from None
        self._check_apart(self.backprop.apart() - _OF_NETS)

    def _check_apart(self, more: set[str]) -> None:
        if more:
            listed = ", ".join(sorted(more))
            raise RunError(f"recipe {self.recipe.name}: many nets at once learn without {listed}")

    def pretrained(self, **lineage: Any) -> tuple[str, ...]:
        """Conditions of a stack."""
        asked = self.recipe.pretrain
        return conditions(
            cd=asked.cd, persistent=asked.persistent, sparsity_cost=asked.sparsity_cost, **lineage
        )

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
        """(nets, n_cases) images that each learns, in the order of `cases.cases_learned`."""
        n_all = len(self.context.digits.train_labels)
        starts = np.arange(self.n_shifts)[:, np.newaxis] * n_all
        own = []
        for member in members:
            found = cases.rows_learned(self.context.digits, member.run.lineage)
            rows = np.arange(n_all) if isinstance(found, slice) else found
            own.append((starts + rows).ravel())
        return self.place.put(np.stack(own).astype(np.int64))

    def n_learned(self, cases_asked: int = 0) -> int:
        """Cases that a net of a split learns; those asked for, or five sixths of all."""
        n_all = len(self.context.digits.train_labels)
        return self.n_shifts * (cases_asked or n_all * 5 // 6)

    def called(self, kind: str, split: str) -> str:
        """The name of a file without its end, as the Makefile has it."""
        return f"{kind}-translated-{split}" if self.translations else f"{kind}-{split}"

    def valid_rows(self, members: Sequence[Member]) -> Tensor:
        """(nets, n_cases) images that validate each."""
        digits = self.context.digits
        own = [cases.split_recorded(digits, member.run.lineage).valid for member in members]
        return self.place.put(np.stack(own).astype(np.int64))

    def draws(self, members: Sequence[Member], use: Use, masks: Use | None = None) -> Draws:
        """Random numbers of a `use`, and of a net that is gone on with in the same way.

        With `masks`, those for the dropout beside them.
        """
        own = masks or use
        return Draws(
            self.place, [(m.seed, own, m.run.lineage.split, again(m, use)) for m in members]
        )

    def moves(self, members: Sequence[Member], use: Use, settings: Any) -> Draws | None:
        """For images that are moved to near ones beside such draws, where settings say so."""
        return self._beside(members, use, Use.NEIGHBOURS) if settings.neighbours else None

    def distortions(self, members: Sequence[Member], use: Use, settings: Any) -> Draws | None:
        """For images that are distorted beside such draws, where settings say so."""
        return self._beside(members, use, Use.DISTORTIONS) if settings.distortions else None

    def _beside(self, members: Sequence[Member], use: Use, purpose: Use) -> Draws:
        streams = [
            (m.seed, purpose, m.run.lineage.split, f"{use:08x}{again(m, use)}") for m in members
        ]
        return Draws(self.place, streams)

    def masks(self, members: Sequence[Member], use: Use, settings: Any) -> Draws | None:
        """For dropout beside such draws, where settings say so."""
        on_all = members[0].run.lineage.role == EXTENDED
        masks = Use.DROPOUT_ON_ALL if on_all else Use.DROPOUT
        return self.draws(members, use, masks) if settings.dropout else None


def again(member: Member, use: Use) -> str:
    """The digest of the net that is gone on with in the same way, or nothing."""
    parents = member.run.lineage.parents
    return parents[0] if use == Use.WAKE_SLEEP_AGAIN and parents else ""


class Part(Stage, Protocol):
    """A stage of these experiments: `key` names its files for the stages after it."""

    key: str

    def members(self, made: Made) -> list[Member]:
        """Its files, from those of the stages before it."""

    def expected(self) -> float:
        """Multiply-adds of one seed, before anything is known."""

    def memory(self) -> int:
        """Bytes that one net takes, about."""


@dataclass
class StackStage:
    """A stack for each net."""

    table: Table
    key: str = "stacks"
    title: str = "stacks"

    def members(self, _: Made) -> list[Member]:
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
                translations=table.translations,
            )
            cases.rows_learned(digits, lineage)
            more = "stack", table.pretrain, lineage, f"pretrain {name}"
            found.append(table.member(seed, table.called("pretrain", name), *more))
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
        passes = counted(self.table.pretrain.passes, "pass")
        models, outcome = learner.models(), Outcome(f"{passes} a layer")
        return [Result(models[place].arrays(), outcome) for place in places]

    def alike(self, _: Member) -> object:
        """As `Stage`."""
        return None

    def guess(self, _: Member) -> float:
        """As `Stage`."""
        return self.expected() / len(SPLITS)

    def expected(self) -> float:
        """As `Part`."""
        sizes = (self.table.n_pixels, *self.table.pretrain.layers)
        n_cases = self.table.n_learned(self.table.pretrain.cases)
        weights = len(SPLITS) * sum(a * b for a, b in pairwise(sizes))
        settings = self.table.pretrain
        return products_of(settings) * weights * n_cases * settings.passes

    def memory(self) -> int:
        """As `Part`: what a layer learns from and what the next one will."""
        sizes = (0, *self.table.pretrain.layers[:-1])
        features = max(a + b for a, b in pairwise(sizes)) if len(sizes) > 1 else 0
        n_cases = self.table.n_learned(self.table.pretrain.cases)
        layers = (self.table.n_pixels, *self.table.pretrain.layers)
        weights = sum(a * b for a, b in pairwise(layers))
        buffers = 5 * self.table.pretrain.batch + 2000
        return 4 * (n_cases * (features + 8) + 3 * weights + buffers * max(layers))


@dataclass
class _NetStage:
    """What the stages of classifiers share; each says which files there are and where they start.

    `starts` are the models that they start from, by the place of the member's run.
    """

    table: Table
    key: str = ""
    title: str = ""
    use: Use = Use.RANDOM_NET
    before: Mapping[int, int] = field(default_factory=dict)
    starts: dict[int, Any] = field(default_factory=dict)
    epochs_seen: list[int] = field(default_factory=list)
    first_guess: float = 30.0

    @property
    def settings(self) -> BackpropSettings:
        """How they learn."""
        return self.table.backprop

    def start(self, members: Sequence[Member]) -> Classifiers:
        """As `Stage`."""
        table, settings = self.table, self.settings
        draws, masks = table.draws(members, self.use), table.masks(members, self.use, settings)
        if members[0].run.lineage.role == EXTENDED:
            settings = replace(settings, epochs=settings.extension_epochs)
        lineages = [member.run.lineage for member in members]
        valid = targets = None
        if lineages[0].role == VALIDATED:
            valid = table.valid_rows(members)
        else:
            targets = [float(lineage.target_cost or 0) for lineage in lineages]
        return Classifiers(
            table.place, draws, [settings] * len(members), self.nets(members, draws),
            table.images, table.labels, table.rows(members), valid, targets, masks=masks,
            moves=table.moves(members, self.use, settings), versions=table.n_shifts,
            distortions=table.distortions(members, self.use, settings),
            shape=table.context.digits.shape,
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
        validated = members[0].run.lineage.role == VALIDATED
        valids = learner.valid_scores(nets, places) if validated else [None] * len(places)
        found = outcomes(self, learner, places, members, asked, valids)
        return [
            Result(model.arrays(), outcome)
            for model, outcome in zip(nets.models(), found, strict=True)
        ]

    def alike(self, _: Member) -> object:
        """As `Stage`."""
        return None

    def memory(self) -> int:
        """As `Part`; less than its stack took."""
        return 0

    def guess(self, member: Member) -> float:
        """As `Stage`; epochs as others had, or as the recipe lets expect."""
        return self.work(member.run.lineage.role)

    def expected(self) -> float:
        """As `Part`."""
        n_nets = 1 if self.use == Use.RANDOM_NET else len(SPLITS)
        return n_nets * self.work(VALIDATED if self.use == Use.BACKPROP else EXTENDED)

    def work(self, role: str) -> float:
        """Multiply-adds that a net is expected to take."""
        table, settings = self.table, self.settings
        falling = settings.extension_epochs if role == EXTENDED else settings.epochs
        epochs = max(self.first_guess, falling)
        if self.epochs_seen:
            epochs = float(np.mean(self.epochs_seen))
        sizes = (table.n_pixels, *table.pretrain.layers, table.context.digits.n_classes)
        epochs = min(epochs, settings.max_epochs)
        weights = sum(a * b for a, b in pairwise(sizes))
        return float(settings.passes * weights) * self.n_cases(role) * epochs

    def n_cases(self, role: str) -> float:
        """Cases that a net learns."""
        return self.table.n_learned() if role == VALIDATED else len(self.table.labels)


@dataclass
class _FineTuned(_NetStage):
    key: str = "nets"
    title: str = "nets"
    use: Use = Use.BACKPROP
    labelled: int = 0

    def members(self, made: Made) -> list[Member]:
        """A net on each stack, as ``experiments.finetune``."""
        table, found = self.table, []
        end = f"-{self.labelled}-labelled" if self.labelled else ""
        for (seed, name), stack in zip(table.nets, made["stacks"], strict=True):
            digest = cases.split_recorded(table.context.digits, stack.lineage).sha256
            own = table.own(seed) | {"labelled": self.labelled, "split_sha256": digest}
            lineage = stack.child(VALIDATED, **own)
            more = "classifier", self.settings, lineage, f"finetune-bp {name}{end}"
            found.append(table.member(seed, table.called("bp", name) + end, *more))
            model = Classifier.on_stack(stack.model, table.context.digits.n_classes)
            self.starts[id(found[-1].run)] = model
        return found


@dataclass
class _FewLabels(_FineTuned):
    """Nets that learn the labels of so many cases, `labelled`."""

    def __post_init__(self) -> None:
        self.key = self.title = f"nets of {self.labelled} labels"
        digits = self.table.context.digits
        for seed, name in self.table.nets:  # refused before anything is learned
            own = self.table.own(seed) | {"labelled": self.labelled, "role": VALIDATED}
            cases.rows_learned(digits, Lineage(**own, split=name))

    @property
    def settings(self) -> BackpropSettings:
        """Those of few labels."""
        recipe, asked = self.table.recipe, self.table.backprop
        under = conditions(labelled=self.labelled, **implied(asked))
        found: BackpropSettings = recipe.settings("backprop", under)
        return found

    def n_cases(self, role: str) -> float:  # noqa: ARG002
        """Cases that a net learns."""
        return self.labelled


@dataclass
class _Extended(_NetStage):
    key: str = "extensions"
    title: str = "extensions"
    use: Use = Use.BACKPROP_ON_ALL

    def members(self, made: Made) -> list[Member]:
        """Each net on all cases, as ``experiments.extend``."""
        table, found, before = self.table, [], {}
        for (seed, name), net in zip(table.nets, made["nets"], strict=True):
            assert net.outcome.train is not None
            target = net.outcome.train.cost_per_100
            lineage = net.child(EXTENDED, **table.own(seed), target_cost=target)
            more = "classifier", table.backprop, lineage, f"extend {name}"
            found.append(table.member(seed, f"{table.called('bp', name)}-extended", *more))
            self.starts[id(found[-1].run)] = net.model
            before[id(found[-1].run)] = net.outcome.epochs
        self.before = before
        return found


@dataclass
class _Random(_NetStage):
    key: str = "not pretrained"
    title: str = "nets without pretraining"

    def members(self, made: Made) -> list[Member]:
        """A net without pretraining for each seed, as ``experiments.finetune_from_random``."""
        table, found = self.table, []
        for number, seed in enumerate(table.seeds):
            three = made["nets"][3 * number : 3 * number + 3]
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


NETS: Sequence[Callable[[Table], Part]] = (StackStage, _FineTuned, _Extended, _Random)
"""All that ``make table1`` makes."""
TRANSLATED = NETS[:-1]
"""All that ``make translated`` makes."""


def labelled(recipe: Recipe) -> Sequence[Callable[[Table], Part]]:
    """Stacks of all images, and nets on them of the few labels that a recipe compares."""
    few = [partial(_FewLabels, labelled=n) for n in recipe.searches["labelled"]]
    return [StackStage, *few]


def outcomes(
    stage: Any, learner: Any, places: Sequence[int], members: Sequence[Member], asked: Tensor,
    valids: Sequence[Score | None],
) -> list[Outcome]:  # fmt: skip
    """Of the nets at some places, what is measured of them, from what they say of the test cases.

    How far they went is noted in the stage's `epochs_seen`.
    """
    table, found = stage.table, []
    tests = scores(asked, table.test_labels.expand(len(places), -1))
    answers = asked.cpu().numpy()
    for number, (place, member) in enumerate(zip(places, members, strict=True)):
        course = learner.courses[place]
        stage.epochs_seen.append(course.epoch)
        outcome = Outcome(
            reason=course.finished() or "", valid=valids[number], test=tests[number],
            test_log_probs=answers[number].copy(),
            test_labels=table.context.digits.test_classes, **course.measured_outcome(),
            epochs_before=stage.before.get(id(member.run), 0),
        )  # fmt: skip
        if outcome.capped:
            note = f"{member.run.path}: {outcome.reason}, before its stopping rule was met"
            table.context.progress.note(note)
        found.append(outcome)
    return found


def replicate(
    context: Context,
    place: Place,
    out: Path,
    recipe: Recipe,
    seeds: Sequence[int],
    together: int | None = None,
    parts: Sequence[Callable[[Table], Part]] = NETS,
    translations: int = 0,
) -> dict[int, list[RunFile]]:
    """Every file of Table 1, or of other `parts`, of these seeds, in folders of their own in `out`.

    Images are learned in all `translations` by up to so many pixels (not in the generative half).
    At most so many nets learn `together`: on a card as many as its memory holds, else those of one
    seed. What is finished already is left as it is, what is not goes on where it was. Raises as
    the calls of `hinton06.experiments`.
    """
    with place.used(), context.computing():
        whole = Table(context, place, out, recipe, seeds, translations)
        every = [part(whole) for part in parts]
        if any(isinstance(part, _NetStage) for part in every):
            whole.check_backprop()
        most = together or _fitting(whole, every)
        size = max(1, most // len(SPLITS))
        groups = [seeds[first : first + size] for first in range(0, len(seeds), size)]
        made: dict[int, list[RunFile]] = {}
        later = [0.0]
        work = Work(context, lambda: later[0])
        one_seed = sum(part.expected() for part in every)
        context.progress.begin("replicate", 0, one_seed * len(seeds))
        try:
            for number, own in enumerate(groups):
                table = Table(context, place, out, recipe, own, translations)
                rest = one_seed * sum(map(len, groups[number + 1 :]))
                made |= _one_group(table, [part(table) for part in parts], work, most, later, rest)
        finally:
            context.progress.end()
    return made


def _fitting(table: Table, parts: Sequence[Part]) -> int:
    """How many nets at a time."""
    if not table.place.on_card:
        return len(SPLITS)
    fit = int(_MEMORY * table.place.memory()) // max(part.memory() for part in parts)
    return max(1, min(fit, len(table.nets)))


def _one_group(
    table: Table, parts: Sequence[Part], work: Work, most: int, later: list[float], rest: float
) -> dict[int, list[RunFile]]:
    """All parts for some seeds; `later` is the work of what comes after the present one."""
    left = [part.expected() * len(table.seeds) for part in parts]
    made: dict[str, list[RunFile]] = {}
    for number, part in enumerate(parts):
        later[0] = rest + sum(left[number + 1 :])
        made[part.key] = make(part, part.members(made), table.place, table.context, work, most)
    every = [file for files in made.values() for file in files]
    return {seed: [f for f in every if f.lineage.seed == seed] for seed in table.seeds}
