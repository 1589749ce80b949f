"""Contrastive wake-sleep: the generative fine-tuning of Figure 4.

The chapter's section "Using contrastive wake-sleep for generative fine-tuning", Eqs 2, 3 and 4.
Which quantities are binary states and which are probabilities is fixed by Hinton, Osindero and
Teh (2006), and each choice is named where it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hinton06 import numerics
from hinton06.dropout import Dropout
from hinton06.finetuning import FineTuning
from hinton06.hybrid import LabelBackpropagation, PretrainingGradient, tie
from hinton06.models import DIRECTED, DeepBeliefNet, PairNet
from hinton06.numerics import Array
from hinton06.rbm import hidden_states, parts, visible_states
from hinton06.recipes import WakeSleepSettings, counted
from hinton06.recognition import label_log_probs, mean_free_energy
from hinton06.updates import Momentum, RunningMean, Step, rate_share_at

Value = TypeVar("Value")

# Updates between two values of the running mean: neighbours hardly differ, and each value takes a
# pass over all weights.
AVERAGED_EVERY = 10


class _Pathway:
    """A pathway's share of the passes and of Eqs 2 and 3, in buffers made once.

    `net` has the eight arrays of directed layers; `wake` and `sleep` are views of the last batch.
    """

    def __init__(self, net: Any, batch_size: int) -> None:
        self.net = net
        self.momenta = {name: Momentum(getattr(net, name)) for name in DIRECTED}
        (n_vis, n_hid), n_pen, dtype = net.vishid.shape, net.n_pen, net.vishid.dtype
        single = {"data": n_vis, "pen_prediction": n_pen, "hid_prediction": n_hid}
        # Wake above sleep: what the generative weights are driven by and what they give.
        both = {"pen": n_pen, "hid": n_hid, "hid_probs": n_hid, "vis_probs": n_vis}
        self._single = {name: np.empty((batch_size, n), dtype) for name, n in single.items()}
        self._both = {name: np.empty((2 * batch_size, n), dtype) for name, n in both.items()}

    def data_buffer(self, n: int) -> Array:
        """The (n, n_vis) array that a batch of n cases is to be written into."""
        return self._single["data"][:n]

    def up(self, n: int, rng: Generator) -> Array:
        """Wake: states all the way up; returns those of pen."""
        net = self.net
        self.both = {name: array[: 2 * n] for name, array in self._both.items()}
        self.wake = {name: array[:n] for name, array in self.both.items()}
        self.sleep = {name: array[n:] for name, array in self.both.items()}
        self.sleep |= {n_: a[:n] for n_, a in self._single.items() if n_ != "data"}
        wake, data = self.wake, self.data_buffer(n)
        numerics.firing_states(data, net.vishid, net.hid_rec_bias, rng, wake["hid"])
        numerics.firing_states(wake["hid"], net.hidpen, net.pen_rec_bias, rng, wake["pen"])
        return wake["pen"]

    def down(self, pen_states: Array, rng: Generator) -> None:
        """Down from the wake states and from those of the confabulation, and what both predict."""
        net, both, sleep = self.net, self.both, self.sleep
        np.copyto(sleep["pen"], pen_states)
        # From both at once: what predicts the wake states is what a dream is drawn from. Its hidden
        # units are states, but its pixels stay probabilities.
        numerics.firing_probs(both["pen"], net.penhid, net.hid_gen_bias, both["hid_probs"])
        numerics.bernoulli(sleep["hid_probs"], rng, sleep["hid"])
        numerics.firing_probs(both["hid"], net.hidvis, net.vis_gen_bias, both["vis_probs"])

        pen, hid = sleep["pen_prediction"], sleep["hid_prediction"]
        numerics.firing_probs(sleep["hid"], net.hidpen, net.pen_rec_bias, pen)
        numerics.firing_probs(sleep["vis_probs"], net.vishid, net.hid_rec_bias, hid)

    def learn(self, n: int, up: Step, down: Step) -> float:
        """Eqs 2 and 3, by steps of recognition (`up`) and of generation; the cost of the data."""
        wake, sleep, momenta, data = self.wake, self.sleep, self.momenta, self.data_buffer(n)
        cost = reconstruction_cost(data, wake["vis_probs"])
        # The layer above, and the one below, times what it failed to predict.
        hid, sleep_hid = wake["hid"], sleep["hid"]
        for weights, bias, driving, states, prediction, own in (
            ("hidvis", "vis_gen_bias", hid, data, wake["vis_probs"], down),
            ("penhid", "hid_gen_bias", wake["pen"], hid, wake["hid_probs"], down),
            ("hidpen", "pen_rec_bias", sleep_hid, sleep["pen"], sleep["pen_prediction"], up),
            ("vishid", "hid_rec_bias", sleep["vis_probs"], sleep_hid, sleep["hid_prediction"], up),
        ):
            missed = np.subtract(states, prediction, out=prediction)
            momenta[weights].step_product(driving.T, missed, 1 / n, own)
            momenta[bias].step_sum(missed, 1 / n, own)
        return cost


@dataclass(eq=False)
class ContrastiveWakeSleep:
    """Wake, confabulate, sleep, and update, a batch of at most `batch_size` cases at a time.

    With `sampled_labels` the label units of the confabulation are sampled, else left as softmax
    probabilities. The confabulations of a `persistent_share` of a batch give way in Eq. 4 to
    fantasies: states of chains that go on from batch to batch, by `persistent_rounds` of
    alternating Gibbs sampling each time, and so come to valleys of the memory that no case leads to
    by brief sampling. `chains` are their (n_chains, n_top) features, off at first. The recognition
    weights learn at `recognition_share` of the rate of all others.

    Source: "Using contrastive wake-sleep for generative fine-tuning"; of a net whose labels are
    replaced by another pathway, below its Figure 4. Persistent chains are not in the chapter: T.
    Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood
    gradient", ICML 2008.
    """

    net: DeepBeliefNet | PairNet
    batch_size: int
    sampled_labels: bool = False
    persistent_share: float = 0.0
    persistent_rounds: int = 1
    recognition_share: float = 1.0

    def __post_init__(self) -> None:
        net, size, memory = self.net, self.batch_size, self.net.memory
        self._pathways = [_Pathway(own, size) for own in net.pathways.values()]
        self.momenta = {f"memory_{name}": Momentum(a) for name, a in memory.parameters().items()}
        for prefix, pathway in zip(net.pathways, self._pathways, strict=True):
            self.momenta |= {prefix + name: m for name, m in pathway.momenta.items()}
        # As in CD: wake above sleep.
        dtype = memory.weights.dtype
        self._visible = np.empty((2 * size, memory.n_visible), dtype)
        self._top = np.empty((2 * size, memory.n_hidden), dtype)
        self.chains = np.zeros((round(self.persistent_share * size), memory.n_hidden), dtype)

    def data_buffer(self, n: int, pathway: int = 0) -> Array:
        """The (n, n_vis) array that a batch of n cases of a pathway is to be written into."""
        return self._pathways[pathway].data_buffer(n)

    def run(
        self, targets: Array, gibbs_steps: int, rng: Generator, pathway: int = 0
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """The stochastic passes of the batch in `data_buffer`; changes no parameter.

        `targets` are its (n, n_labels) one-hot labels, of no columns for a net without labels;
        `gibbs_steps` rounds of alternating Gibbs sampling lie between wake state and confabulation.
        Returns the wake and the sleep pass, whose memory is the confabulation: arrays of n rows, as
        buffers that the next call overwrites. Of each pass ``hid``, ``pen``, ``top`` and the
        memory's ``visible`` units; ``hid_probs`` and ``vis_probs``, by which Eq. 2 predicts the
        wake states, and dreams are drawn; of sleep also the predictions of Eq. 3; what a net has
        more than once, of one `pathway`. Source: "use the
        bottom-up recognition connections to convert a image-label pair ... into a state of the
        associative memory and then to perform brief alternating Gibbs sampling".
        """
        memory, n = self.net.memory, len(targets)
        visible, top = self._visible[: 2 * n], self._top[: 2 * n]

        # Wake: states all the way up.
        units, labels = parts(memory, visible[:n])
        np.concatenate([own.up(n, rng) for own in self._pathways], axis=1, out=units)
        labels[...] = targets
        hidden_states(memory, visible[:n], rng, top[:n])

        # Confabulate: pen and top are states, the labels softmax probabilities.
        self._confabulate(n, gibbs_steps, rng)

        ends = np.cumsum([own.net.n_pen for own in self._pathways])[:-1]
        pens = np.split(parts(memory, visible[n:])[0], ends, axis=1)
        for own, pen in zip(self._pathways, pens, strict=True):
            own.down(pen, rng)
        asked = self._pathways[pathway]
        return (
            asked.wake | {"visible": visible[:n], "top": top[:n]},
            asked.sleep | {"visible": visible[n:], "top": top[n:]},
        )

    def _confabulate(self, n: int, rounds: int, rng: Generator) -> None:
        """From the wake state of n cases to their confabulations: brief alternating Gibbs."""
        self._gibbs(rounds, self._top[:n], slice(n, 2 * n), rng, self.sampled_labels)

    def _gibbs(
        self, rounds: int, top_states: Array, rows: slice, rng: Generator, sampled_labels: bool
    ) -> None:
        """Alternating Gibbs sampling of the memory from top states; leaves its states in rows."""
        memory, visible, top = self.net.memory, self._visible[rows], self._top[rows]
        labels = parts(memory, visible)[1]
        for _ in range(rounds):
            visible_states(memory, top_states, rng, visible)
            if sampled_labels and memory.n_labels:
                labels[...] = numerics.one_hot(labels, rng)
            top_states = hidden_states(memory, visible, rng, top)

    def learn(self, targets: Array, gibbs_steps: int, rng: Generator, step: Step) -> float:
        """One update from the batch in `data_buffer`: Eqs 2, 3 and 4.

        `step` is that of every parameter, but for the rate of the recognition weights and biases,
        which is `recognition_share` of it; its decay is for the weights alone. Returns the cross-
        entropy of the data as predicted by Eq. 2, in nats, summed over pixels and cases.
        """
        n, momenta = len(targets), self.momenta
        self.run(targets, gibbs_steps, rng)
        up = replace(step, rate=step.rate * self.recognition_share)
        cost = sum(own.learn(n, up, step) for own in self._pathways)

        # Eq. 4: lower the energy of the wake state, raise that of the confabulation, which gives
        # way to where the chains have gone on to.
        chains = self.chains[: round(self.persistent_share * n)]
        if len(chains):
            rows = slice(n, n + len(chains))
            self._gibbs(self.persistent_rounds, chains, rows, rng, True)
            np.copyto(chains, self._top[rows])
        visible, top = self._visible[: 2 * n], self._top[: 2 * n]
        np.negative(top[n:], out=top[n:])
        momenta["memory_weights"].step_product(visible.T, top, 1 / n, step)
        momenta["memory_visible_bias"].step_difference(visible[:n], visible[n:], 1 / n, step)
        momenta["memory_hidden_bias"].step_sum(top, 1 / n, step)
        return cost


def reconstruction_cost(data: Array, probs: Array) -> float:
    """Cross-entropy of (n, n_vis) pixels, in nats, summed over all: what Eq. 2 lowers."""
    tiny = np.finfo(probs.dtype).tiny
    on, off = np.log(np.maximum(probs, tiny)), np.log(np.maximum(1 - probs, tiny))
    return -float(np.vdot(data, on) + np.vdot(1 - data, off))


def stage_at(settings: WakeSleepSettings, epoch: int, values: Sequence[Value]) -> Value:
    """Of several values in equal stages of the schedule, the one that holds after some epochs."""
    stage = epoch * len(values) // settings.epochs
    return values[min(stage, len(values) - 1)]  # the last one also beyond the end


def gibbs_steps_at(settings: WakeSleepSettings, epoch: int) -> int:
    """Rounds of Gibbs sampling after so many epochs; 3, 6, 10: Hinton, Osindero and Teh (2006)."""
    return stage_at(settings, epoch, settings.gibbs)


def bp_weight_at(settings: WakeSleepSettings, epoch: int) -> float:
    """The coefficient of backpropagation after so many epochs; it "was gradually increased"."""
    weights = settings.bp_weights if settings.search_bp_weight else (settings.bp_weight,)
    return stage_at(settings, epoch, weights)


def steps_at(settings: WakeSleepSettings, epoch: int) -> tuple[Step, Step]:
    """The generative step and the step of backpropagation after so many epochs.

    Both rates fall linearly to `final_share` in the last epoch (assumed, see docs/assumptions.md),
    and are weighted by the coefficient of backpropagation: "a weighted average of the gradients
    computed by backpropagation and by contrastive wake-sleep".
    """
    share = rate_share_at(epoch, settings.epochs, settings.final_share)
    weight = bp_weight_at(settings, epoch)
    generative = Step(settings.rate * share * (1 - weight), settings.momentum, settings.decay)
    return generative, Step(settings.bp_rate * share * weight, settings.bp_momentum)


def work_of_case(settings: WakeSleepSettings, epoch: int, n_lower: int, n_memory: int) -> float:
    """Multiply-adds of an update for each case, of so many weights below and in the memory."""
    persistent = settings.persistent_share * settings.persistent_rounds
    lower, memory = 6.0, 3.0 + 2.0 * (gibbs_steps_at(settings, epoch) + persistent)
    if settings.generative != "wake-sleep":
        memory = 5.0
    if settings.mixed:
        passes = 5 if settings.adversarial else 3
        lower, memory = lower + passes, memory + passes
    return lower * n_lower + memory * n_memory


class GenerativeFineTuning(FineTuning[DeepBeliefNet, WakeSleepSettings]):
    """The learner of the generative half: epochs of contrastive wake-sleep, or of mixed gradients.

    With `averaging`, the net that is measured and kept is the running mean of the one that learns.
    With `valid` cases, all epochs of the schedule are run; without, learning stops once the error
    rate on the training cases, in per cent, has fallen to `target`, or at the schedule's
    end. Exactly one of both is given, and the net has labels, or it raises ValueError. Rates,
    rounds and coefficients go on from where `schedule_done` epochs of the schedule are behind.

    Each epoch gives ``rate``, ``gibbs_steps``, ``recon_cost`` (nats per case, of the pixels given
    the first hidden states; with the pretraining's gradient ``recon_error``, their squared error),
    with backpropagation ``bp_weight`` and ``label_cost`` (nats per 100, during the epoch), and with
    validation ``free_energy_gap`` (mean of the validation minus mean of as many training cases,
    nats), beside what `FineTuning` measures. Source: "Using contrastive wake-sleep for generative
    fine-tuning"; the continuation on all training cases, Hinton, Osindero and Teh (2006).
    """

    ask = staticmethod(label_log_probs)

    def _prepare(self) -> None:
        net, train, settings = self.net, self._train, self.settings
        if not net.n_labels:
            raise ValueError("a net without labels cannot be fine-tuned with them")
        self._targets = numerics.one_hot_targets(train.labels, net.n_labels)
        size = min(settings.batch, len(train))
        self._wake_sleep: ContrastiveWakeSleep | None = None
        if settings.generative == "wake-sleep":
            self._wake_sleep = ContrastiveWakeSleep(
                net, size, settings.sampled_labels,
                settings.persistent_share, settings.persistent_rounds, settings.recognition_share,
            )  # fmt: skip
        as_pretrained = settings.recon_states
        self._generative = self._wake_sleep or PretrainingGradient(net, size, as_pretrained)
        weighed = settings.search_bp_weight or settings.bp_weight > 0
        dropout = Dropout.of(settings, 3, self._masks)
        more = dropout, settings.adversarial
        self._labels = LabelBackpropagation(net, size, *more) if weighed else None
        moved = size if weighed and train.neighbours else 0
        self._moved = np.empty((moved, net.n_pixels), net.vishid.dtype)
        self.momenta = {"generative": self._generative.momenta}
        if self._labels:
            self.momenta["labels"] = self._labels.momenta
        self._mean: RunningMean | None = None
        if settings.averaging:
            self.measured = net.copy()
            updates = -(-len(train) // size)
            window = max(1.0, settings.averaging * updates / AVERAGED_EVERY)
            self._mean = RunningMean(net.parameters(), self.measured.parameters(), window)

    def rule_met(self) -> str | None:
        """The target that is met, in words, or None; with validation, the schedule's end."""
        if self._target is None:
            return self.cap()[1] if self.epoch >= self.settings.epochs else None
        met = self.selected.train.error_rate <= self._target
        return f"training error rate down to {self._target:.3f} %" if met else None

    def cap(self) -> tuple[int, str]:
        """The epochs of the schedule."""
        return self.settings.epochs, f"the schedule's {counted(self.settings.epochs, 'epoch')}"

    @property
    def bp_weight(self) -> float:
        """The coefficient of backpropagation that the selected net was learned with."""
        return bp_weight_at(self.settings, max(0, self.selected.epoch - 1))

    def work(self) -> tuple[float, float]:
        """Multiply-adds done so far and expected in all."""
        each = [self._epoch_work(epoch) for epoch in range(self.settings.epochs)]
        done = sum(each[: self.epoch])
        return done, done if self.finished() else sum(each)

    def _epoch_work(self, epoch: int) -> float:
        net, place = self.net, self._schedule_done + epoch
        sizes = net.vishid.size + net.hidpen.size, net.memory.weights.size
        return work_of_case(self.settings, place, *sizes) * len(self._train)

    def learn_epoch(self, tick: Callable[[float], None]) -> dict[str, float]:
        """Every training case once."""
        place = self._schedule_done + self.epoch
        gibbs_steps, steps = gibbs_steps_at(self.settings, place), steps_at(self.settings, place)
        work, size = self._epoch_work(self.epoch) / len(self._train), self.settings.batch
        classes = self._train.labels if self.settings.balanced else None
        order = numerics.epoch_order(len(self._train), self._rng, classes)
        self._train.begin(self.epoch)
        costs = np.zeros(2)
        for number, batch in enumerate(numerics.batches(len(order), size)):
            rows = order[batch]
            costs += self._learn(rows, gibbs_steps, *steps)
            if self._mean and number % AVERAGED_EVERY == 0:
                self._mean.add()
            tick(work * len(rows))
        if not self._wake_sleep:
            tie(self.net)
            tie(self.measured)
        cost, label_cost = costs / len(order)
        row = {"rate": steps[0].rate, "gibbs_steps": float(gibbs_steps)}
        row["recon_cost" if self._wake_sleep else "recon_error"] = cost
        if self._labels:
            row |= {"bp_weight": bp_weight_at(self.settings, place), "label_cost": 100 * label_cost}
        return row

    def _learn(
        self, rows: NDArray[np.int64], gibbs_steps: int, step: Step, bp_step: Step
    ) -> tuple[float, float]:
        """One update; both gradients are of the same parameters and the same cases.

        The generative one is of the images as they are, however the other's are moved.
        """
        data = self._generative.data_buffer(len(rows))
        numerics.take_batch(self._train.images, rows, data)
        label_cost = 0.0
        if self._labels:
            recognised = data
            if len(self._moved):
                recognised = self._moved[: len(rows)]
                numerics.take_batch(*self._train.learned(rows), recognised)
            labels = self._train.labels[rows]
            label_cost = float(self._labels.gather(recognised, labels, bp_step).sum())
        cost = self._generative.learn(self._targets[rows], gibbs_steps, self._rng, step)
        if self._labels:
            self._labels.apply(bp_step)
        return cost, label_cost

    def more_measured(self) -> dict[str, float]:
        """The gap between the free energies of validation and training cases."""
        assert self._valid is not None
        n, both = min(len(self._valid), len(self._train)), (self._valid, self._train)
        valid, train = (mean_free_energy(self.measured, c.images[:n], c.labels[:n]) for c in both)
        return {"free_energy_gap": valid - train}

    def own_state(self) -> dict[str, Any]:
        """The running mean and the persistent chains."""
        state: dict[str, Any] = {}
        if self._mean:
            state |= {"mean": self.measured.arrays(), "mean_count": self._mean.count}
        if self._wake_sleep:
            state["chains"] = self._wake_sleep.chains
        return state

    def restore_own(self, state: Mapping[str, Any]) -> None:
        """Go on from an `own_state`; ValueError if it is not one of such a net."""
        if self._mean:
            self.measured.copy_from(DeepBeliefNet.from_arrays(state["mean"]))
            self._mean.count = int(state["mean_count"])
        if self._wake_sleep:
            chains, saved = self._wake_sleep.chains, state["chains"]
            if saved.shape != chains.shape:
                raise ValueError(f"chains of shape {saved.shape} do not fit {chains.shape}")
            np.copyto(chains, saved)
