"""The generative half for several seeds at once, in files like those of the other commands.

The stages of ``make cws`` and ``make hybrid``, after the stacks of Table 1: new tops that learn the
labels too, contrastive wake-sleep, its extensions, the mixed gradient, and its extensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinton06 import cases
from hinton06.dropout import UnfitDropoutError, chances
from hinton06.lineage import EXTENDED, PRETRAINED, VALIDATED
from hinton06.loading import Outcome, RunFile
from hinton06.many.classifiers import scores
from hinton06.many.groups import Member, Result
from hinton06.many.rbms import Stacks
from hinton06.many.replicas import Made, StackStage, Table, outcomes
from hinton06.many.wakesleep import EXTENSION, GenerativeNets, gathered, log_probs, models_of
from hinton06.mnist import SPLITS
from hinton06.models import DeepBeliefNet
from hinton06.recipes import PretrainSettings, WakeSleepSettings, conditions, counted, show_value
from hinton06.stacking import products_of
from hinton06.streams import Use
from hinton06.training import RunError
from hinton06.wakesleep import work_of_case


def _every_test(table: Table, nets: Mapping[str, Tensor], n_nets: int) -> Tensor:
    """What nets say of the test cases: (nets, n_test, n_labels)."""
    rows = torch.arange(len(table.test_labels), device=table.place.device).expand(n_nets, -1)
    return log_probs(
        table.place, dict(nets), table.test_images, rows, table.context.digits.n_classes
    )


@dataclass
class _Tops:
    """On each stack a new top that learns the labels too, as ``pretrain --labels --on``."""

    table: Table
    key: str = "tops"
    title: str = "tops with labels"
    lower: dict[int, Any] = field(default_factory=dict)
    settings: PretrainSettings = field(init=False)

    def __post_init__(self) -> None:
        under = self.table.pretrained(labels=True)
        self.settings = self.table.recipe.settings("pretrain", under)
        layers = self.settings.layers
        if len(layers) != 3:
            shown = show_value(layers)
            raise RunError(f"a net with labels has three layers (Figure 4), not {shown}")
        if layers[:-1] != self.table.pretrain.layers[:-1]:
            raise RunError("below the labels there are the layers of the stack without them")

    def members(self, made: Made) -> list[Member]:
        """As ``experiments.pretrain`` with labels."""
        table, found = self.table, []
        digits = table.context.digits
        for (seed, name), stack in zip(table.nets, made["stacks"], strict=True):
            lineage = stack.child(
                PRETRAINED, **table.own(seed), labels=digits.n_classes, cases=self.settings.cases
            )
            more = "stack", self.settings, lineage, f"pretrain {name}"
            found.append(table.member(seed, f"pretrain-labels-{name}", *more))
            self.lower[id(found[-1].run)] = stack.model[:-1]
        return found

    def start(self, members: Sequence[Member]) -> Stacks:
        """As `Stage`."""
        table, n_layers = self.table, len(self.settings.layers)
        return Stacks(
            table.place, table.draws(members, Use.PRETRAINING_ON_STACK),
            [[self.settings] * n_layers] * len(members), table.images, table.labels,
            table.rows(members), [self.lower[id(m.run)] for m in members],
            table.context.digits.n_classes,
        )  # fmt: skip

    def results(
        self, learner: Stacks, places: Sequence[int], members: Sequence[Member]
    ) -> list[Result]:
        """As `Stage`: also asked for labels."""
        table, every = self.table, learner.models()
        models = [every[place] for place in places]
        nets = gathered(table.place, [DeepBeliefNet.untied(model) for model in models])
        asked = _every_test(table, nets, len(places))
        own = {"train": table.rows(members), "valid": table.valid_rows(members)}
        found: dict[str, Any] = {
            part: scores(
                log_probs(table.place, nets, table.images, rows, table.context.digits.n_classes),
                table.labels[rows],
            )
            for part, rows in own.items()
        }
        found["test"] = scores(asked, table.test_labels.expand(len(places), -1))
        answers, labels = asked.cpu().numpy(), table.context.digits.test_classes
        reason = f"{counted(self.settings.passes, 'pass')} a layer"
        return [
            Result(
                model.arrays(),
                Outcome(
                    reason=reason, test_log_probs=answers[net].copy(), test_labels=labels,
                    **{part: own[net] for part, own in found.items()},
                ),
            )
            for net, model in enumerate(models)
        ]  # fmt: skip

    def alike(self, _: Member) -> object:
        """As `Stage`."""
        return None

    def guess(self, _: Member) -> float:
        """As `Stage`."""
        return self.expected() / len(SPLITS)

    def expected(self) -> float:
        """As `Part`."""
        *_, below, above = self.settings.layers
        n_cases = self.settings.cases or len(self.table.labels) * 5 // 6
        weights = len(SPLITS) * (below + self.table.context.digits.n_classes) * above
        return products_of(self.settings) * weights * n_cases * self.settings.passes

    def memory(self) -> int:
        """As `Part`: no more than the whole stack's."""
        return 0


@dataclass
class _Learned:
    """What the stages of generative nets share; each says which files there are, and their starts.

    `starts` are the nets that they start from, by the place of the member's run.
    """

    table: Table
    key: str = ""
    title: str = ""
    use: Use = Use.WAKE_SLEEP
    mixed: bool = False
    before: dict[int, int] = field(default_factory=dict)
    starts: dict[int, DeepBeliefNet] = field(default_factory=dict)
    epochs_seen: list[int] = field(default_factory=list)
    settings: WakeSleepSettings = field(init=False)

    def __post_init__(self) -> None:
        asked = self.table.recipe.wakesleep
        pretrain = self.table.recipe.settings("pretrain", self.table.pretrained(labels=True))
        under = conditions(
            labels=True, cases=pretrain.cases, mixed=self.mixed or asked.mixed,
            generative=asked.generative,
        )  # fmt: skip
        self.settings = self.table.recipe.settings("wakesleep", under)
        if self.settings.generative != "wake-sleep":
            raise RunError("many nets at once learn by contrastive wake-sleep alone")
        if own := sorted(self.settings.apart() - {"dropout", "adversarial", "neighbours"}):
            raise RunError(f"many nets at once learn without {', '.join(own)}")
        try:
            chances(self.settings, 3)
        except UnfitDropoutError as error:
            raise RunError(str(error)) from None

    def started(self, seed: int, name: str, settings: Any, lineage: Any, command: str) -> Member:
        """One file."""
        title = f"{command} {lineage.split}"
        return self.table.member(seed, name, "generative", settings, lineage, title)

    def start(self, members: Sequence[Member]) -> GenerativeNets:
        """As `Stage`."""
        table, lineages = self.table, [member.run.lineage for member in members]
        valid = targets = None
        if lineages[0].role == VALIDATED:
            valid = table.valid_rows(members)
        else:
            targets = [float(lineage.target_error_rate or 0) for lineage in lineages]
        return GenerativeNets(
            table.place, table.draws(members, self.use), [m.run.settings for m in members],
            gathered(table.place, [self.starts[id(m.run)] for m in members]),
            table.context.digits.n_classes, table.images, table.labels, table.rows(members), valid,
            targets, [lineage.schedule_done for lineage in lineages],
            table.masks(members, self.use, self.settings),
            table.moves(members, self.use, self.settings),
        )  # fmt: skip

    def results(
        self, learner: GenerativeNets, places: Sequence[int], members: Sequence[Member]
    ) -> list[Result]:
        """As `Stage`."""
        nets = learner.results(places)
        asked = _every_test(self.table, nets, len(places))
        validated = members[0].run.lineage.role == VALIDATED
        valids = learner.valid_scores(nets, places) if validated else [None] * len(places)
        found = outcomes(self, learner, places, members, asked, valids)
        models = models_of(nets, learner.n_labels)
        pairs = zip(models, found, strict=True)
        return [Result(model.arrays(), outcome) for model, outcome in pairs]

    def alike(self, member: Member) -> object:
        """As `Stage`: where rounds of Gibbs sampling change in the schedule, its place."""
        settings: Any = member.run.settings
        return member.run.lineage.schedule_done if len(set(settings.gibbs)) > 1 else None

    def guess(self, member: Member) -> float:
        """As `Stage`."""
        return self._work(member.run.lineage.role == EXTENDED)

    def _work(self, extended: bool) -> float:
        """Multiply-adds of one net; an extension goes on as long as others did."""
        settings, table = self.settings, self.table
        epochs = settings.epochs
        if extended:
            epochs = round(EXTENSION * epochs)
            epochs = max(1, round(np.mean(self.epochs_seen)) if self.epochs_seen else epochs)
        n_hid, n_pen, n_top = table.pretrain.layers
        lower = table.n_pixels * n_hid + n_hid * n_pen
        memory = (n_pen + table.context.digits.n_classes) * n_top
        n_cases = len(table.labels)
        if not extended:
            n_cases = table.pretrain.cases or n_cases * 5 // 6
        done = settings.epochs if extended else 0
        every = (work_of_case(settings, done + e, lower, memory) for e in range(epochs))
        return n_cases * sum(every)

    def expected(self) -> float:
        """As `Part`."""
        return len(SPLITS) * self._work(self.use == Use.WAKE_SLEEP_ON_ALL)

    def memory(self) -> int:
        """As `Part`: parameters six times over, a batch's buffers, and a chunk that is measured."""
        n_hid, n_pen, n_top = self.table.pretrain.layers
        lower = 2 * (self.table.n_pixels * n_hid + n_hid * n_pen)
        memory = (n_pen + 10) * n_top
        units = 4 * (self.table.n_pixels + n_hid + 2 * n_pen + n_top)
        slopes = 3 * self.table.context.digits.n_classes * n_top if self.settings.mixed else 0
        return 4 * (6 * (lower + memory) + self.settings.batch * (units + slopes) + 4000 * n_top)


@dataclass
class _WakeSleep(_Learned):
    """Contrastive wake-sleep from the stacks with labels, as ``finetune-cws``."""

    key: str = "wake-sleep"
    title: str = "wake-sleep"

    def members(self, made: Made) -> list[Member]:
        """A net on each."""
        return self._validated(made["tops"], "cws", self.settings)

    def _validated(
        self, files: Sequence[RunFile], name: str, settings: WakeSleepSettings
    ) -> list[Member]:
        table, found = self.table, []
        for (seed, split), file in zip(table.nets, files, strict=True):
            digest = cases.split_recorded(table.context.digits, file.lineage).sha256
            lineage = file.child(VALIDATED, **table.own(seed), split_sha256=digest)
            member = self.started(seed, f"{name}-{split}", settings, lineage, "finetune-cws")
            self.starts[id(member.run)] = file.recogniser().net
            found.append(member)
        return found


@dataclass
class _Mixed(_WakeSleep):
    """The mixed gradient from the nets of wake-sleep, as ``finetune-cws --search-bp-weight``."""

    key: str = "mixed"
    title: str = "mixed gradients"
    use: Use = Use.WAKE_SLEEP_AGAIN
    mixed: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings = replace(self.settings, search_bp_weight=True)

    def members(self, made: Made) -> list[Member]:
        """A net from each."""
        return self._validated(made["wake-sleep"], "hybrid", self.settings)


@dataclass
class _Extended(_Learned):
    """The nets of wake-sleep on all cases, as ``finetune-cws --extend``."""

    key: str = "extended wake-sleep"
    title: str = "extensions"
    use: Use = Use.WAKE_SLEEP_ON_ALL
    of: str = "wake-sleep"
    name: str = "cws"

    def members(self, made: Made) -> list[Member]:
        """A net from each, as ``experiments.extend_generative``."""
        table, found = self.table, []
        for (seed, split), net in zip(table.nets, made[self.of], strict=True):
            assert net.outcome.train is not None
            epochs, weight = net.outcome.epochs, net.outcome.bp_weight
            settings = replace(self.settings, bp_weight=weight, search_bp_weight=False)
            lineage = net.child(
                EXTENDED, **table.own(seed), target_error_rate=net.outcome.train.error_rate,
                schedule_done=epochs,
            )  # fmt: skip
            name = f"{self.name}-{split}-extended"
            member = self.started(seed, name, settings, lineage, "extend")
            self.starts[id(member.run)], self.before[id(member.run)] = net.model, epochs
            found.append(member)
        return found


@dataclass
class _MixedExtended(_Extended):
    """The nets of the mixed gradient on all cases."""

    key: str = "extended mixed"
    title: str = "extensions of mixed gradients"
    mixed: bool = True
    of: str = "mixed"
    name: str = "hybrid"


CWS = (StackStage, _Tops, _WakeSleep, _Extended)
"""What ``make cws`` makes, of every split."""
HYBRID = (*CWS, _Mixed, _MixedExtended)
"""What ``make hybrid`` makes."""
