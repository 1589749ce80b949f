"""What the fine-tuning learners share: keep the best net, stop, save, go on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hinton06.models import Model
from hinton06.numerics import Array
from hinton06.recognition import Cases, Score, score
from hinton06.updates import Momentum

Net = TypeVar("Net", bound=Model)
Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Selected:
    """The net that fine-tuning ends with: of this epoch (0: the start), so good in training."""

    epoch: int
    train: Score


class FineTuning(ABC, Generic[Net, Settings]):
    """A learner that measures its net after every epoch that `validates`, and keeps the best.

    With `valid` cases, the net of the fewest validation errors is kept, the first one of several,
    unless `better` says otherwise; without, learning stops at a `target`, and the last one is:
    exactly one of both is given, or it raises ValueError. `net` is the start, changed in place;
    `schedule_done` epochs of a schedule are behind it; `masks` draw what dropout leaves out, if it
    is asked for. Source: "Details of the discriminative fine-tuning procedure".
    """

    ask: Callable[[Any, NDArray[Any]], Array]
    """A net's (n, n_classes) log p(class | image) of (n, n_pixels) images, in nats."""
    momenta: Mapping[str, Any]
    """Each `Momentum` whose velocity is to be saved, by name, in a tree."""

    def __init__(
        self,
        net: Net,
        train: Cases,
        settings: Settings,
        rng: Generator,
        valid: Cases | None = None,
        target: float | None = None,
        schedule_done: int = 0,
        masks: Generator | None = None,
    ) -> None:
        if (valid is None) == (target is None):
            raise ValueError("fine-tuning needs either validation cases or a target")
        self.net, self.measured, self.best = net, net, net.copy()
        self.epoch = 0
        self.selected = Selected(0, Score(len(train), len(train), float("inf")))
        self.valid_costs: list[float] = []
        self.valid_errors: list[int] = []
        self.train_costs: list[float] = []
        self._train, self._valid, self._rng, self._target = train, valid, rng, target
        self.settings, self._schedule_done, self._masks = settings, schedule_done, masks
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Make what an epoch needs, and `momenta`."""

    @abstractmethod
    def learn_epoch(self, tick: Callable[[float], None]) -> dict[str, float]:
        """Change the net by one epoch; returns what was measured on the way."""

    @abstractmethod
    def rule_met(self) -> str | None:
        """The stopping rule that is met, in words, or None."""

    @abstractmethod
    def cap(self) -> tuple[int, str]:
        """Epochs that are never exceeded, and what is said of a run that they end."""

    def own_state(self) -> dict[str, Any]:
        """What else `restore_own` needs."""
        return {}

    def restore_own(self, state: Mapping[str, Any]) -> None:
        """Go on from an `own_state`."""

    def more_measured(self) -> dict[str, float]:
        """More to be measured where there are validation cases."""
        return {}

    def validates(self) -> bool:
        """Whether the epoch that just ended is one that the validation cases measure."""
        return True

    def better(self, valid: Score, _more: Mapping[str, float]) -> bool:
        """Whether the net is better than those before, by its validation score and `more_measured`.

        It has fewer errors.
        """
        return not self.valid_errors or valid.errors < min(self.valid_errors)

    def train_measured(self, log_probs: Array) -> None:
        """The (n_train, n_classes) log probabilities of a whole measurement."""

    @property
    def bp_weight(self) -> float:
        """The coefficient of backpropagation that the selected net was learned with, if mixed."""
        return 0.0

    def finished(self) -> str | None:
        """Why learning is over, or None."""
        most, reason = self.cap()
        return self.rule_met() or (reason if self.epoch >= most else None)

    @property
    def capped(self) -> bool:
        """Whether learning ended at its cap before its stopping rule was met."""
        return self.epoch >= self.cap()[0] and not self.rule_met()

    def where(self) -> str:
        """The place of the next epoch, in words."""
        return f"epoch {self.epoch + 1}"

    def run_epoch(self, tick: Callable[[float], None]) -> dict[str, float]:
        """One epoch, then the measurements; `tick` takes multiply-adds as they are done.

        Returns what `learn_epoch` and `more_measured` say; where it `validates` ``valid_cost`` and
        ``valid_errors``; in an epoch that is kept, else always, ``train_cost`` and
        ``train_errors``. Costs are nats per 100 cases.
        """
        row = self.learn_epoch(tick)
        self.epoch += 1
        if self._valid is not None:
            if not self.validates():
                return row
            valid = score(self._asked(self._valid), self._valid.labels)
            if not self.validated(valid, self.more_measured(), row):
                return row
        log_probs = self._asked(self._train)
        self.train_measured(log_probs)
        self.select(score(log_probs, self._train.labels), row)
        self.best.copy_from(self.measured)
        return row

    def validated(self, valid: Score, more: Mapping[str, float], row: dict[str, float]) -> bool:
        """Take down what validation says of the net, in a history row too; whether it is better."""
        better = self.better(valid, more)
        self.valid_costs.append(valid.cost_per_100)
        self.valid_errors.append(valid.errors)
        row |= {"valid_cost": valid.cost_per_100, "valid_errors": float(valid.errors), **more}
        return better

    def select(self, train: Score, row: dict[str, float]) -> None:
        """Take down how good the net that is kept is in training, in a history row too."""
        self.train_costs.append(train.cost_per_100)
        self.selected = Selected(self.epoch, train)
        row |= {"train_cost": train.cost_per_100, "train_errors": float(train.errors)}

    def _asked(self, cases: Cases) -> Array:
        return type(self).ask(self.measured, cases.images)

    def parameters(self) -> dict[str, Array]:
        """The net's arrays by name, to be checked for numbers that are not finite."""
        return self.net.parameters()

    def measured_outcome(self) -> dict[str, Any]:
        """Values of an outcome: the selected net, and how learning ended."""
        chosen = self.selected
        ended = {"capped": self.capped, "epochs_run": self.epoch, "bp_weight": self.bp_weight}
        return ended | {"epochs": chosen.epoch, "train": chosen.train}

    def result(self) -> Net:
        """The selected net: of the fewest validation errors, or the last one."""
        return self.measured if self._valid is None else self.best

    def course(self) -> dict[str, Any]:
        """What the epochs have measured, for `restore_course`."""
        train = self.selected.train
        errors = {"errors": train.errors, "cost_per_100": train.cost_per_100}
        return {
            "epoch": self.epoch,
            "selected": {"epoch": self.selected.epoch} | errors,
            "valid_costs": np.array(self.valid_costs, np.float64),
            "valid_errors": np.array(self.valid_errors, np.int64),
            "train_costs": np.array(self.train_costs, np.float64),
        }

    def restore_course(self, state: Mapping[str, Any]) -> None:
        """Go on from a `course`."""
        chosen, cases = state["selected"], self.selected.train.cases
        train = Score(cases, int(chosen["errors"]), float(chosen["cost_per_100"]))
        self.selected = Selected(int(chosen["epoch"]), train)
        self.valid_costs = [float(x) for x in state["valid_costs"]]
        self.valid_errors = [int(x) for x in state["valid_errors"]]
        self.train_costs = [float(x) for x in state.get("train_costs", ())]
        self.epoch = int(state["epoch"])

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on exactly from here."""
        return {
            **self.course(),
            "rng": self._rng.bit_generator.state,
            "net": self.net.arrays(),
            "best": self.best.arrays(),
            "velocity": _velocities(self.momenta),
            **({"masks": self._masks.bit_generator.state} if self._masks else {}),
            **self.own_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; ValueError or KeyError if it is not one of such a net."""
        for name, mine in (("net", self.net), ("best", self.best)):
            mine.copy_from(mine.from_arrays(state[name]))
        _restore_velocities(self.momenta, state["velocity"])
        self.restore_own(state)
        self.restore_course(state)
        self._rng.bit_generator.state = state["rng"]
        if self._masks:
            self._masks.bit_generator.state = state["masks"]


def _velocities(momenta: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: inner.velocity if isinstance(inner, Momentum) else _velocities(inner)
        for name, inner in momenta.items()
    }


def _restore_velocities(momenta: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    for name, inner in momenta.items():
        if isinstance(inner, Momentum):
            inner.restore(saved[name])
        else:
            _restore_velocities(inner, saved[name])
