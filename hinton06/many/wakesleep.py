"""Generative nets, a group at once: ``wakesleep.GenerativeFineTuning``, each net to its own end.

Which numbers are states and which probabilities is said in `hinton06.wakesleep`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from hinton06.dropout import chances
from hinton06.finetuning import Selected
from hinton06.hybrid import _SATURATED
from hinton06.many.classifiers import scores
from hinton06.many.near import Near
from hinton06.many.place import Draws, Place, Updates, label_directions, step_along
from hinton06.many.rbms import draw_labels, move, one_hot, steps_of
from hinton06.many.sampling import Samplers
from hinton06.models import DeepBeliefNet
from hinton06.numerics import batches
from hinton06.recipes import WakeSleepSettings
from hinton06.recognition import Score
from hinton06.updates import Step
from hinton06.wakesleep import (
    AVERAGED_EVERY,
    GenerativeFineTuning,
    bp_weight_at,
    gibbs_steps_at,
    steps_at,
    work_of_case,
)

_CHUNK = 1000
"""Cases of each net that are measured at a time."""
EXTENSION = 0.3
"""Of a schedule, as long as an extension is expected to take: as in experiments/generative."""

Arrays = dict[str, Tensor]
"""Those of a `DeepBeliefNet` by their names, the nets as their first axis."""


class Course(GenerativeFineTuning):
    """What one net's epochs have measured, and the rules that say when it is done; no net."""

    def __init__(
        self, n_cases: int, settings: WakeSleepSettings, target: float | None, schedule_done: int
    ) -> None:
        self.epoch, self.settings, self._target = 0, settings, target
        self._schedule_done = schedule_done
        self.selected = Selected(0, Score(n_cases, n_cases, float("inf")))
        self.valid_costs, self.valid_errors, self.train_costs = [], [], []

    @property
    def place(self) -> int:
        """Epochs of the schedule that are behind."""
        return self._schedule_done + self.epoch

    def expected_epochs(self) -> int:
        """Before it is done, those behind among them."""
        if self._target is None:
            return self.settings.epochs
        usual = max(round(EXTENSION * self.settings.epochs), self.epoch + 1)
        return min(self.settings.epochs, usual)


# -- nets of a group -----------------------------------------------------------------------------


def gathered(place: Place, models: Sequence[DeepBeliefNet]) -> Arrays:
    """Nets of equal sizes as one group."""
    trees = [model.parameters() for model in models]
    return {name: place.put(np.stack([tree[name] for tree in trees])) for name in trees[0]}


def _chosen(arrays: Mapping[str, Tensor], places: Tensor) -> Arrays:
    return {name: array[places].contiguous() for name, array in arrays.items()}


def _trees(arrays: Mapping[str, Tensor], more: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each net's arrays, as ``DeepBeliefNet.arrays`` has them."""
    there = {name: array.cpu().numpy() for name, array in arrays.items()}
    n_nets = len(next(iter(there.values())))
    return [{n: a[net].copy() for n, a in there.items()} | dict(more) for net in range(n_nets)]


def models_of(arrays: Arrays, n_labels: int) -> list[DeepBeliefNet]:
    """Each of them."""
    return [DeepBeliefNet.from_arrays(tree) for tree in _trees(arrays, {"n_labels": n_labels})]


def _pen_probs(place: Place, nets: Arrays, images: Tensor, rows: Tensor) -> Tensor:
    """(nets, n, n_pen) features of some rows of the images: ``recognition.pen_probs``."""
    data = place.empty(*rows.shape, images.shape[1])
    place.loops.take(images, rows.contiguous(), data)
    for weights, bias in (("vishid", "hid_rec_bias"), ("hidpen", "pen_rec_bias")):
        data = torch.bmm(data, nets[weights])
        place.loops.squash(data, nets[bias])
    return data


def log_probs(place: Place, nets: Arrays, images: Tensor, rows: Tensor, n_labels: int) -> Tensor:
    """Log p(label | image) of (nets, n) rows, by free energy: ``recognition.label_log_probs``."""
    weights, visible_bias = nets["memory_weights"], nets["memory_visible_bias"]
    n_pen = weights.shape[1] - n_labels
    found = place.empty(*rows.shape, n_labels)
    with place.exactly():
        for some in batches(rows.shape[1], _CHUNK):
            pen = _pen_probs(place, nets, images, rows[:, some])
            inputs = torch.bmm(pen, weights[:, :n_pen]) + nets["memory_hidden_bias"][:, None]
            for label in range(n_labels):
                found[:, some, label] = softplus(inputs + weights[:, n_pen + label, None]).sum(2)
        found += visible_bias[:, None, n_pen:]
    return torch.log_softmax(found, 2)


def mean_free_energies(
    place: Place, nets: Arrays, images: Tensor, rows: Tensor, labels: Tensor, n_labels: int
) -> list[float]:
    """Of each net, with each image's label: ``recognition.mean_free_energy``."""
    weights, visible_bias = nets["memory_weights"], nets["memory_visible_bias"]
    total = place.zeros(len(rows), dtype=torch.float64)
    with place.exactly():
        for some in batches(rows.shape[1], _CHUNK):
            pen = _pen_probs(place, nets, images, rows[:, some])
            visible = torch.cat([pen, one_hot(labels[:, some], n_labels)], 2)
            inputs = torch.bmm(visible, weights) + nets["memory_hidden_bias"][:, None]
            energies = torch.bmm(visible, visible_bias[:, :, None])[:, :, 0] + softplus(inputs).sum(
                2
            )
            total -= energies.sum(1, dtype=torch.float64)
    return (total / rows.shape[1]).tolist()  # type: ignore[no-any-return]


# -- gradients -----------------------------------------------------------------------------------


class WakeSleep:
    """``wakesleep.ContrastiveWakeSleep`` of every net: at most `batch` cases of each at a time.

    The nets' `arrays` are changed in place. `settings` say how; rates are given with each update.
    """

    def __init__(
        self, place: Place, draws: Draws, arrays: Arrays, n_labels: int, batch: int,
        settings: WakeSleepSettings,
    ) -> None:  # fmt: skip
        self.place, self.draws, self.arrays, self.n_labels = place, draws, arrays, n_labels
        self.settings = settings
        self.velocities = {name: torch.zeros_like(array) for name, array in arrays.items()}
        n_nets, n_vis, n_hid = arrays["vishid"].shape
        n_visible, n_top = arrays["memory_weights"].shape[1:]
        self.n_pen = n_visible - n_labels
        one = {"data": n_vis, "pen_prediction": self.n_pen, "hid_prediction": n_hid,
               "top_probs": n_top, "down": n_visible, "pen_probs": self.n_pen,
               "pen_states": self.n_pen}  # fmt: skip
        both = {"pen": self.n_pen, "hid": n_hid, "hid_probs": n_hid, "vis_probs": n_vis,
                "visible": n_visible, "top": n_top}  # fmt: skip
        self._one = {name: place.zeros(n_nets, batch, size) for name, size in one.items()}
        self._both = {name: place.zeros(n_nets, 2 * batch, size) for name, size in both.items()}
        self.chains = place.zeros(n_nets, round(settings.persistent_share * batch), n_top)

    def every(self) -> tuple[Arrays, ...]:
        """Arrays of each net beside the parameters and the chains."""
        return self.velocities, self._one, self._both

    def data_buffer(self, n: int) -> Tensor:
        """(nets, n, n_vis), to write a batch into."""
        return self._one["data"][:, :n]

    def _fire(self, inputs: Tensor, bias: Tensor, states: Tensor) -> None:
        """Probabilities in place, and states by draws that no other units have."""
        self.place.loops.fire(inputs, bias, self.draws, states)
        self.draws.tick()

    def _gibbs(self, rounds: int, top_states: Tensor, rows: slice, sampled: bool) -> None:
        """Alternating Gibbs sampling of the memory from top states; leaves its states in rows."""
        weights, bias = self.arrays["memory_weights"], self.arrays["memory_visible_bias"]
        pen_bias, label_bias = bias[:, : self.n_pen].contiguous(), bias[:, None, self.n_pen :]
        n = rows.stop - rows.start
        down, probs, states, top_probs = (
            self._one[name][:, :n] for name in ("down", "pen_probs", "pen_states", "top_probs")
        )
        visible, top = self._both["visible"][:, rows], self._both["top"][:, rows]
        for _ in range(rounds):
            torch.bmm(top_states, weights.mT, out=down)
            probs.copy_(down[:, :, : self.n_pen])
            self._fire(probs, pen_bias, states)
            visible[:, :, : self.n_pen] = states
            inputs = down[:, :, self.n_pen :] + label_bias
            visible[:, :, self.n_pen :] = (
                draw_labels(self.place, self.draws, inputs) if sampled else torch.softmax(inputs, 2)
            )
            torch.bmm(visible, weights, out=top_probs)
            self._fire(top_probs, self.arrays["memory_hidden_bias"], top)
            top_states = top

    def run(self, targets: Tensor, gibbs_steps: int) -> tuple[Arrays, Arrays]:
        """The stochastic passes of the batch in `data_buffer`: ``ContrastiveWakeSleep.run``."""
        n, data, nets, loops = targets.shape[1], self._one["data"], self.arrays, self.place.loops
        data = data[:, :n]
        both = {name: array[:, : 2 * n] for name, array in self._both.items()}
        wake = {name: array[:, :n] for name, array in both.items()}
        sleep = {name: array[:, n:] for name, array in both.items()}
        pen, hid, top = (
            self._one[name][:, :n] for name in ("pen_prediction", "hid_prediction", "top_probs")
        )
        torch.bmm(data, nets["vishid"], out=hid)
        self._fire(hid, nets["hid_rec_bias"], wake["hid"])
        torch.bmm(wake["hid"], nets["hidpen"], out=pen)
        self._fire(pen, nets["pen_rec_bias"], wake["pen"])
        wake["visible"][:, :, : self.n_pen] = wake["pen"]
        wake["visible"][:, :, self.n_pen :] = targets
        torch.bmm(wake["visible"], nets["memory_weights"], out=top)
        self._fire(top, nets["memory_hidden_bias"], wake["top"])

        self._gibbs(gibbs_steps, wake["top"], slice(n, 2 * n), self.settings.sampled_labels)
        sleep["pen"].copy_(sleep["visible"][:, :, : self.n_pen])

        torch.bmm(both["pen"], nets["penhid"], out=both["hid_probs"])
        loops.squash(wake["hid_probs"], nets["hid_gen_bias"])
        self._fire(sleep["hid_probs"], nets["hid_gen_bias"], sleep["hid"])
        torch.bmm(both["hid"], nets["hidvis"], out=both["vis_probs"])
        loops.squash(both["vis_probs"], nets["vis_gen_bias"])

        torch.bmm(sleep["hid"], nets["hidpen"], out=pen)
        loops.squash(pen, nets["pen_rec_bias"])
        torch.bmm(sleep["vis_probs"], nets["vishid"], out=hid)
        loops.squash(hid, nets["hid_rec_bias"])
        return wake, sleep | {"pen_prediction": pen, "hid_prediction": hid}

    def learn(self, targets: Tensor, gibbs_steps: int, down: Tensor, up: Tensor) -> Tensor:
        """One update: Eqs 2, 3 and 4; `down` and `up` are (nets, 3) steps.

        `up` is that of Eq. 3. Returns each net's cross-entropy of the data, in nats, summed.
        """
        n, loops, nets, speed = targets.shape[1], self.place.loops, self.arrays, self.velocities
        wake, sleep = self.run(targets, gibbs_steps)
        data = self.data_buffer(n)
        costs = reconstruction_costs(data, wake["vis_probs"])
        hid, sleep_hid = wake["hid"], sleep["hid"]
        for weights, bias, driving, states, prediction, step in (
            ("hidvis", "vis_gen_bias", hid, data, wake["vis_probs"], down),
            ("penhid", "hid_gen_bias", wake["pen"], hid, wake["hid_probs"], down),
            ("hidpen", "pen_rec_bias", sleep_hid, sleep["pen"], sleep["pen_prediction"], up),
            ("vishid", "hid_rec_bias", sleep["vis_probs"], sleep_hid, sleep["hid_prediction"], up),
        ):
            missed = prediction.neg_().add_(states)
            loops.grow(driving, missed, n, nets[weights], speed[weights], step)
            move(nets[bias], speed[bias], missed.sum(1), n, step)

        n_chains = round(self.settings.persistent_share * n)
        if n_chains:
            rows, chains = slice(n, n + n_chains), self.chains[:, :n_chains]
            self._gibbs(self.settings.persistent_rounds, chains, rows, True)
            chains.copy_(self._both["top"][:, rows])
        visible, top = self._both["visible"][:, : 2 * n], self._both["top"][:, : 2 * n]
        top[:, n:].neg_()
        name = "memory_weights"
        loops.grow(visible, top, n, nets[name], speed[name], down)
        difference = visible[:, :n].sum(1) - visible[:, n:].sum(1)
        for name, gradient in (
            ("memory_visible_bias", difference), ("memory_hidden_bias", top.sum(1)),
        ):  # fmt: skip
            move(nets[name], speed[name], gradient, n, down)
        return costs


def reconstruction_costs(data: Tensor, probs: Tensor) -> Tensor:
    """Of each net, in nats, summed over pixels and cases: ``wakesleep.reconstruction_cost``."""
    tiny = torch.finfo(probs.dtype).tiny
    on, off = probs.clamp(min=tiny).log(), (1 - probs).clamp(min=tiny).log()
    return -(data * on + (1 - data) * off).sum((1, 2))


class LabelGradients:
    """``hybrid.LabelBackpropagation`` of every net.

    With `masks`, dropout; `keep` are (4, nets) chances of pixels, hid, pen and top to be kept. Each
    net's images are moved by its one of the (nets,) `lengths`, if there are any.
    """

    NAMES = (
        "vishid", "hid_rec_bias", "hidpen", "pen_rec_bias", "memory_weights",
        "memory_visible_bias", "memory_hidden_bias",
    )  # fmt: skip

    def __init__(
        self, place: Place, arrays: Arrays, n_labels: int, keep: Tensor | None = None,
        masks: Draws | None = None, lengths: Tensor | None = None,
    ) -> None:  # fmt: skip
        self.place, self.arrays, self.n_labels = place, arrays, n_labels
        self.keep, self.masks, self.lengths = keep, masks, lengths
        self.velocities = {name: torch.zeros_like(arrays[name]) for name in self.NAMES}

    def leave(self, places: Sequence[int], chosen: Tensor) -> None:
        """Go on with dropout in some of the nets."""
        if self.masks and self.keep is not None:
            self.masks.keep(places)
            self.keep = self.keep[:, chosen].contiguous()
        if self.lengths is not None:
            self.lengths = self.lengths[chosen].contiguous()

    def _drop(self, layer: int, values: Tensor) -> Tensor:
        if self.masks:
            assert self.keep is not None
            self.place.loops.drop(values, self.keep[layer], self.masks, layer)
        return values

    def gather(self, data: Tensor, targets: Tensor, step: Tensor) -> Tensor:
        """Renew the velocities with a batch's mean gradient; each net's summed cost in nats."""
        nets, moved = self.arrays, self.lengths is not None
        if self.masks or moved:  # the generative half has the same data, as they are
            data = data.clone(memory_format=torch.contiguous_format)
        if moved:
            self._move(data, targets)
        dropped = self.masks is not None
        if dropped:
            self._drop(0, data)
        below, log_probabilities, errors, slopes = self._up(data, targets, dropped)
        pen, gradients = below[-1], {}
        by_label = errors.mT[:, :, None]  # (nets, n_labels, 1, n)
        labtop = torch.matmul(by_label, slopes)[:, :, 0]
        delta = (slopes * errors.mT[:, :, :, None]).sum(1)
        memory = torch.cat([torch.bmm(pen.mT, delta), labtop], 1)
        gradients["memory_weights"], gradients["memory_hidden_bias"] = memory, delta.sum(1)
        blank = torch.zeros_like(nets["memory_visible_bias"][:, : pen.shape[2]])
        gradients["memory_visible_bias"] = torch.cat([blank, errors.sum(1)], 1)
        for name, bias, driving, by_inputs in self._down(below, delta, self.keep):
            gradients[name] = torch.bmm(driving.mT, by_inputs)
            gradients[bias] = by_inputs.sum(1)
        for name, gradient in gradients.items():
            shape = (-1, *[1] * (gradient.ndim - 1))
            velocity = self.velocities[name]
            velocity.mul_(step[:, 1].view(shape)).addcmul_(gradient, step[:, 0].view(shape))
        if self.masks:
            self.masks.tick()
        return -(log_probabilities * targets).sum((1, 2))

    def _move(self, data: Tensor, targets: Tensor) -> None:
        """``hybrid.LabelBackpropagation._move``."""
        assert self.lengths is not None
        below, log_probabilities, _, slopes = self._up(data, targets, False)
        directions = label_directions(log_probabilities, targets.argmax(2))
        delta = (slopes * directions.mT[:, :, :, None]).sum(1)
        for _, _, _, by_inputs in self._down(below, delta, None):
            lowest = by_inputs
        step_along(data, torch.bmm(lowest, self.arrays["vishid"].mT), -self.lengths)

    def _up(
        self, data: Tensor, targets: Tensor, dropped: bool
    ) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
        """Pixels, hid and pen; log p(label | image); mean gradients; slopes of the top units."""
        nets, loops = self.arrays, self.place.loops
        below = [data]
        for number, (name, bias) in enumerate(
            (("vishid", "hid_rec_bias"), ("hidpen", "pen_rec_bias")), 1
        ):
            below.append(torch.bmm(below[-1], nets[name]))
            loops.squash(below[-1], nets[bias])
            if dropped:
                self._drop(number, below[-1])
        pen = below[-1]
        n_pen, weights = pen.shape[2], nets["memory_weights"]
        inputs = torch.bmm(pen, weights[:, :n_pen]) + nets["memory_hidden_bias"][:, None]
        inputs.clamp_(-_SATURATED, _SATURATED)
        with_label = inputs[:, None] + weights[:, n_pen:, None]  # (nets, n_labels, n, n_top)
        factors = self._drop(3, torch.ones_like(inputs))[:, None] if dropped else None
        parts = softplus(with_label)
        if factors is not None:
            parts *= factors
        minus_energies = parts.sum(3).mT + nets["memory_visible_bias"][:, None, n_pen:]
        log_probabilities = torch.log_softmax(minus_energies, 2)
        errors = (targets - log_probabilities.exp()) / data.shape[1]
        slopes = with_label.sigmoid_()
        if factors is not None:
            slopes *= factors
        return below, log_probabilities, errors, slopes

    def _down(
        self, below: Sequence[Tensor], delta: Tensor, keep: Tensor | None
    ) -> Iterator[tuple[str, str, Tensor, Tensor]]:
        """From the top units' gradient down: lower layers' names and factors of their gradients."""
        above = self.arrays["memory_weights"][:, : below[-1].shape[2]]
        for number, name, bias in ((2, "hidpen", "pen_rec_bias"), (1, "vishid", "hid_rec_bias")):
            probs = below[number]
            whole = probs if keep is None else keep[number, :, None, None] * probs
            delta = torch.bmm(delta, above.mT) * probs * (1 - whole)
            yield name, bias, below[number - 1], delta
            above = self.arrays[name]

    def apply(self) -> None:
        """Move every parameter by its velocity."""
        for name, velocity in self.velocities.items():
            self.arrays[name].add_(velocity)


class RunningMeans:
    """``updates.RunningMean`` of every net's arrays."""

    def __init__(self, arrays: Mapping[str, Tensor], window: float) -> None:
        self.arrays, self.window, self.count = arrays, window, 0
        self.means = {name: array.clone() for name, array in arrays.items()}

    def add(self) -> None:
        """Let the present values take part."""
        self.count += 1
        share = 1 / min(self.count, self.window)
        for name, mean in self.means.items():
            mean.lerp_(self.arrays[name], share)


# -- the learner ---------------------------------------------------------------------------------


class GenerativeNets:
    """A group that learns until each net's rule stops it; those that are done leave by `keep`.

    `settings` differ in coefficients of backpropagation at most. `rows` are (nets, n_cases) images
    to learn, `valid` those that validate; without, each net has an error rate in `targets` to
    reach. `schedule_done` epochs of the schedule are behind each net; where the rounds of Gibbs
    sampling depend on it, all have as many. `masks` draw what dropout leaves out, if it is there,
    `moves` where images go that are moved to near ones.
    """

    def __init__(
        self,
        place: Place,
        draws: Draws,
        settings: Sequence[WakeSleepSettings],
        nets: Arrays,
        n_labels: int,
        images: Tensor,
        labels: Tensor,
        rows: Tensor,
        valid: Tensor | None = None,
        targets: Sequence[float] | None = None,
        schedule_done: Sequence[int] | None = None,
        masks: Draws | None = None,
        moves: Draws | None = None,
    ) -> None:
        n_nets, n_cases = rows.shape
        self._near = Near.of(place, moves, settings, images, labels, rows, 1)
        self.place, self.draws, self.arrays, self.n_labels = place, draws, nets, n_labels
        self.settings = settings[0]
        self._images, self._labels, self._valid = images, labels, valid
        wanted: Sequence[float | None] = targets or [None] * n_nets
        done = schedule_done or [0] * n_nets
        own = zip(settings, wanted, done, strict=True)
        self.courses = [Course(n_cases, *each) for each in own]
        self.batch = min(self.settings.batch, n_cases)
        self.samplers = Samplers(
            place, draws, rows, labels, self.batch, balanced=self.settings.balanced
        )
        self.best = {name: array.clone() for name, array in nets.items()}
        self.wake_sleep = WakeSleep(place, draws, nets, n_labels, self.batch, self.settings)
        self.label_gradients: LabelGradients | None = None
        if self.settings.mixed:
            keep = None
            if masks:
                own_chances = [chances(s, 3) for s in settings]
                keep = place.put(np.array(own_chances, np.float32)).T.contiguous()
            lengths = None
            if any(s.adversarial for s in settings):
                lengths = place.put(np.array([s.adversarial for s in settings], np.float32))
            more = keep, masks, lengths
            self.label_gradients = LabelGradients(place, nets, n_labels, *more)
        self._mean: RunningMeans | None = None
        if self.settings.averaging:
            updates = -(-n_cases // self.batch)
            window = max(1.0, self.settings.averaging * updates / AVERAGED_EVERY)
            self._mean = RunningMeans(nets, window)
        self._make_buffers()

    @property
    def n_nets(self) -> int:
        """How many nets are learning."""
        return len(self.courses)

    @property
    def _masks(self) -> Draws | None:
        return self.label_gradients.masks if self.label_gradients else None

    @property
    def measured(self) -> Arrays:
        """The nets that are measured and kept: running means where there are any."""
        return self._mean.means if self._mean else self.arrays

    def _make_buffers(self) -> None:
        place, n_nets = self.place, self.n_nets
        self._down, self._up, self._bp = (place.zeros(n_nets, 3) for _ in range(3))
        self._costs = place.zeros(n_nets, 2, dtype=torch.float64)
        self._rounds, self._update = 0, Updates(place, self.learn, self.batch)

    def _set_steps(self) -> list[tuple[Step, Step]]:
        """Those of this epoch; what is recorded has its rounds of Gibbs sampling."""
        steps = [steps_at(course.settings, course.place) for course in self.courses]
        share, place = self.settings.recognition_share, self.place
        self._down.copy_(steps_of(place, [step for step, _ in steps]))
        ups = [replace(step, rate=step.rate * share) for step, _ in steps]
        self._up.copy_(steps_of(place, ups))
        self._bp.copy_(steps_of(place, [step for _, step in steps]))
        rounds = {gibbs_steps_at(self.settings, course.place) for course in self.courses}
        assert len(rounds) == 1
        if self._rounds not in rounds:
            self._rounds, self._update = rounds.pop(), Updates(place, self.learn, self.batch)
        return steps

    def learn(self, n: int) -> None:
        """One update of each net; both gradients are of the same parameters and the same cases."""
        self.samplers.draw(n)
        data = self.wake_sleep.data_buffer(n)
        self.place.loops.take(self._images, self.samplers.rows, data)
        targets = one_hot(self.samplers.labels, self.n_labels)
        if self.label_gradients:
            recognised = data
            if self._near:
                recognised = data.clone(memory_format=torch.contiguous_format)
                self._near.move(recognised, self.samplers)
            self._costs[:, 1] += self.label_gradients.gather(recognised, targets, self._bp)
        self._costs[:, 0] += self.wake_sleep.learn(targets, self._rounds, self._down, self._up)
        if self.label_gradients:
            self.label_gradients.apply()
        self.draws.tick()

    def _work(self, course: Course, epoch: int) -> float:
        """Multiply-adds of an epoch of one net."""
        sizes = [self.arrays[name][0].numel() for name in ("vishid", "hidpen", "memory_weights")]
        n_cases = self.samplers.all_rows.shape[1]
        return float(n_cases * work_of_case(course.settings, epoch, sizes[0] + sizes[1], sizes[2]))

    def work_left(self) -> float:
        """Multiply-adds that are expected until every net is done."""
        return sum(
            self._work(course, course.place + later)
            for course in self.courses
            if not course.finished()
            for later in range(course.expected_epochs() - course.epoch)
        )

    def run_epoch(self, tick: Callable[[float], None]) -> list[dict[str, float]]:
        """One epoch of all nets, then the measurements: ``FineTuning.run_epoch`` of each."""
        n_cases, steps = self.samplers.all_rows.shape[1], self._set_steps()
        work = sum(self._work(course, course.place) for course in self.courses)
        self._costs.zero_()
        self.samplers.begin_epoch()
        for number, batch in enumerate(batches(n_cases, self.batch)):
            self._update(batch.stop - batch.start)
            if self._mean and number % AVERAGED_EVERY == 0:
                self._mean.add()
            tick(work * (batch.stop - batch.start) / n_cases)
        rows = []
        for course, (step, _), costs in zip(
            self.courses, steps, (self._costs / n_cases).tolist(), strict=True
        ):
            rows.append({"rate": step.rate, "gibbs_steps": float(self._rounds)})
            rows[-1]["recon_cost"] = costs[0]
            if self.label_gradients:
                weight = bp_weight_at(course.settings, course.place)
                rows[-1] |= {"bp_weight": weight, "label_cost": 100 * costs[1]}
            course.epoch += 1
        better = list(range(self.n_nets))
        if self._valid is not None:
            better = self._validate(rows)
        if better:
            self._measure(better, rows)
        return rows

    def _validate(self, rows: list[dict[str, float]]) -> list[int]:
        """What validation says; the nets that never made so few errors."""
        assert self._valid is not None
        found = self.valid_scores(self.measured, range(self.n_nets))
        own = self.samplers.all_rows
        n = min(self._valid.shape[1], own.shape[1])
        valid, train = (
            mean_free_energies(
                self.place, self.measured, self._images, some, self._labels[some], self.n_labels
            )
            for some in (self._valid[:, :n], own[:, :n])
        )
        gaps = [{"free_energy_gap": a - b} for a, b in zip(valid, train, strict=True)]
        return [
            net
            for net, course in enumerate(self.courses)
            if course.validated(found[net], gaps[net], rows[net])
        ]

    def _measure(self, better: Sequence[int], rows: list[dict[str, float]]) -> None:
        """Some nets on the cases that they learn; they are selected."""
        chosen = self.place.put(np.array(better))
        nets, own = _chosen(self.measured, chosen), self.samplers.all_rows[chosen]
        found = scores(self._log_probs(nets, own), self._labels[own])
        for net, train in zip(better, found, strict=True):
            self.courses[net].select(train, rows[net])
        for name, array in nets.items():
            self.best[name][chosen] = array

    def _log_probs(self, nets: Arrays, rows: Tensor) -> Tensor:
        return log_probs(self.place, nets, self._images, rows, self.n_labels)

    def finite(self) -> list[bool]:
        """Of each net: whether its numbers are finite."""
        sums = [array.flatten(1).sum(1) for array in self.arrays.values()]
        return torch.isfinite(torch.stack(sums)).all(0).tolist()  # type: ignore[no-any-return]

    def done(self) -> list[int]:
        """The places of the nets whose learning is over."""
        return [net for net, course in enumerate(self.courses) if course.finished()]

    def results(self, places: Sequence[int]) -> Arrays:
        """What these nets end with: of the fewest validation errors, or the last ones."""
        return _chosen(self.best, self.place.put(np.array(places)))

    def valid_scores(self, nets: Arrays, places: Sequence[int]) -> list[Score]:
        """Of these nets, on the validation cases of those places."""
        assert self._valid is not None
        rows = self._valid[self.place.put(np.array(list(places)))]
        return scores(self._log_probs(nets, rows), self._labels[rows])

    def keep(self, places: Sequence[int]) -> None:
        """Go on with some of the nets."""
        chosen = self.place.put(np.array(places))
        self.courses = [self.courses[place] for place in places]
        self.draws.keep(places)
        self.samplers.keep(places)
        if self._valid is not None:
            self._valid = self._valid[chosen].contiguous()
        for own in (self.arrays, self.best, *self.wake_sleep.every(), *self._more().values()):
            own.update(_chosen(own, chosen))  # in place, for they are shared
        self.wake_sleep.chains = self.wake_sleep.chains[chosen].contiguous()
        if self.label_gradients:
            self.label_gradients.leave(places, chosen)
        if self._near:
            self._near.keep(places)
        self._make_buffers()

    def _more(self) -> dict[str, Arrays]:
        """What there is only with backpropagation, and with running means."""
        labels, mean = self.label_gradients, self._mean
        return ({"labels": labels.velocities} if labels else {}) | (
            {"mean": mean.means} if mean else {}
        )

    def states(self) -> list[dict[str, Any]]:
        """Of each net, what `restore` needs."""
        more = {"n_labels": self.n_labels}
        nets, best = _trees(self.arrays, more), _trees(self.best, more)
        generative = _trees(self.wake_sleep.velocities, {})
        others = {name: _trees(arrays, {}) for name, arrays in self._more().items()}
        chains = self.wake_sleep.chains.cpu().numpy()
        draws, samplers = self.draws.states(), self.samplers.states()
        masks = self._masks.states() if self._masks else []
        near = self._near.states() if self._near else [{}] * self.n_nets
        states = []
        for net, course in enumerate(self.courses):
            state = course.course() | {"draws": draws[net], "sampler": samplers[net]}
            state |= {"net": nets[net], "best": best[net], "chains": chains[net].copy()}
            state["velocity"] = {"generative": generative[net]}
            if self.label_gradients:
                state["velocity"]["labels"] = others["labels"][net]
            if masks:
                state["masks"] = masks[net]
            state |= near[net]
            if self._mean:
                state |= {"mean": others["mean"][net] | more, "mean_count": self._mean.count}
            states.append(state)
        return states

    def restore(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from states of one epoch."""
        self._take(self.arrays, [state["net"] for state in states])
        self._take(self.best, [state["best"] for state in states])
        moving = [state["velocity"] for state in states]
        self._take(self.wake_sleep.velocities, [state["generative"] for state in moving])
        if self.label_gradients:
            self._take(self.label_gradients.velocities, [state["labels"] for state in moving])
        if self._mean:
            self._take(self._mean.means, [state["mean"] for state in states])
            self._mean.count = int(states[0]["mean_count"])
        self.wake_sleep.chains.copy_(self.place.put(np.stack([s["chains"] for s in states])))
        self.draws.restore([state["draws"] for state in states])
        self.samplers.restore([state["sampler"] for state in states])
        if self._masks:
            self._masks.restore([state["masks"] for state in states])
        if self._near:
            self._near.restore(states)
        for course, state in zip(self.courses, states, strict=True):
            course.restore_course(state)

    def _take(self, mine: Arrays, trees: Sequence[Mapping[str, Any]]) -> None:
        for name, array in mine.items():
            array.copy_(self.place.put(np.stack([tree[name] for tree in trees])))
