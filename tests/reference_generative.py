"""Slow exact oracles of the generative half: a deep belief net with labels, unit by unit.

In float64 and straight from the equations, as in `reference`; nothing here imports the package.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import reference
from reference import Floats, Machine, Update

JUST = 1e-9


class Net(NamedTuple):
    """The eleven arrays of a net; the memory's visible units are pen, then lab."""

    vishid: Floats
    hid_rec_bias: Floats
    hidpen: Floats
    pen_rec_bias: Floats
    penhid: Floats
    hid_gen_bias: Floats
    hidvis: Floats
    vis_gen_bias: Floats
    memory_weights: Floats
    memory_visible_bias: Floats
    memory_hidden_bias: Floats

    @property
    def memory(self) -> Machine:
        return Machine(self.memory_weights, self.memory_visible_bias, self.memory_hidden_bias)

    @property
    def n_labels(self) -> int:
        return len(self.memory_visible_bias) - len(self.pen_rec_bias)


def random_net(
    seed: int, n_vis: int = 4, n_hid: int = 3, n_pen: int = 2, n_labels: int = 3, n_top: int = 3
) -> Net:
    """All parameters from N(0, 1), recognition and generative ones apart."""
    draw = np.random.default_rng(seed).standard_normal
    return Net(
        draw((n_vis, n_hid)), draw(n_hid), draw((n_hid, n_pen)), draw(n_pen),
        draw((n_pen, n_hid)), draw(n_hid), draw((n_hid, n_vis)), draw(n_vis),
        draw((n_pen + n_labels, n_top)), draw(n_pen + n_labels), draw(n_top),
    )  # fmt: skip


def zeros_like(net: Net) -> Net:
    return Net(*(np.zeros_like(array) for array in net))


# -- units -----------------------------------------------------------------------------------


def inputs(below: Floats, weights: Floats, bias: Floats) -> Floats:
    """The total input to each unit, term by term."""
    totals = []
    for j in range(len(bias)):
        total = float(bias[j])
        for i in range(len(below)):
            total += float(below[i]) * float(weights[i, j])
        totals.append(total)
    return np.array(totals)


def layer(below: Floats, weights: Floats, bias: Floats) -> Floats:
    """The probability of each logistic unit."""
    return np.array([reference.logistic(x) for x in inputs(below, weights, bias)])


def softmax(totals: Floats) -> Floats:
    shares = np.array([math.exp(x) for x in totals])
    return shares / shares.sum()


def log_chance(probs: Floats, values: Floats) -> float:
    """``sum_i v_i log p_i + (1 - v_i) log(1 - p_i)``; the values may be real."""
    pairs = zip(probs, values, strict=True)
    return sum(float(v * math.log(p) + (1 - v) * math.log(1 - p)) for p, v in pairs)


def one_hots(n_labels: int) -> Floats:
    return np.eye(n_labels)


def memory_visible(m: Machine, top: Floats, n_labels: int) -> tuple[Floats, Floats]:
    """Probabilities of the binary and of the label units given the hidden states."""
    totals = inputs(top, m.weights.T, m.visible_bias)
    n_units = len(totals) - n_labels
    units = np.array([reference.logistic(x) for x in totals[:n_units]])
    return units, softmax(totals[n_units:])


# -- draws -----------------------------------------------------------------------------------


class ScriptedUniforms:
    """Stands in for a generator; its draws are the given arrays, one after the other."""

    def __init__(self, *arrays: Floats) -> None:
        self.arrays = list(arrays)

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Floats:
        draws = self.arrays.pop(0)
        if out is None:
            assert draws.shape == size
            return draws
        assert (out.shape, out.dtype) == (draws.shape, dtype)
        out[...] = draws
        return cast(Floats, out)


def scripted(*arrays: Floats) -> Any:
    return ScriptedUniforms(*arrays)


def forcing(states: Floats) -> Floats:
    """Draws that give units these states, whatever their probabilities are."""
    return np.where(states == 1, 0.0, 1 - 2.0**-53)


class Draws:
    """Chooses states by fair coins, and notes the draws by which they only just come out so.

    The draws lie within 1e-9 of the probability, so that a unit that compares its draw with
    anything but its own probability ends up in the wrong state for one of the two.
    """

    def __init__(self, seed: Any) -> None:
        self._coin = np.random.default_rng(seed)
        self.made: list[Floats] = []

    def states(self, probs: Floats) -> Floats:
        states = self._coin.integers(0, 2, len(probs)).astype(np.float64)
        self.made.append(probs * np.where(states == 1, 1 - JUST, 1 + JUST))
        return states

    def label(self, probs: Floats) -> Floats:
        chosen = int(self._coin.integers(len(probs)))
        low = sum(float(p) for p in probs[:chosen])
        if chosen and self._coin.integers(2):
            self.made.append(np.array([low * (1 + JUST)]))
        else:
            self.made.append(np.array([(low + float(probs[chosen])) * (1 - JUST)]))
        return one_hots(len(probs))[chosen]


# -- wake-sleep ------------------------------------------------------------------------------


class Dream(NamedTuple):
    """One case's states (0 or 1) and probabilities."""

    wake_hid_states: Floats
    wake_pen_states: Floats
    wake_top_states: Floats
    confab_pen_states: Floats
    confab_lab_probs: Floats
    confab_top_states: Floats
    sleep_hid_states: Floats
    sleep_vis_probs: Floats
    vis_prediction: Floats
    hid_prediction: Floats
    pen_prediction: Floats
    sleep_hid_prediction: Floats


def dream(
    net: Net, image: Floats, target: Floats, gibbs_steps: int, sampled_labels: bool, draws: Draws
) -> Dream:
    """Up, a few rounds of Gibbs sampling, and down again, for one case.

    States: hid, pen and top of the wake phase, pen and top of the memory, hid of the dream.
    Probabilities: the labels unless sampled, the pixels of the dream, all predictions.
    """
    m = net.memory
    wake_hid = draws.states(layer(image, net.vishid, net.hid_rec_bias))
    wake_pen = draws.states(layer(wake_hid, net.hidpen, net.pen_rec_bias))
    wake_top = draws.states(layer(np.append(wake_pen, target), m.weights, m.hidden_bias))
    top = wake_top
    for _ in range(gibbs_steps):
        pen_probs, lab = memory_visible(m, top, net.n_labels)
        pen = draws.states(pen_probs)
        if sampled_labels:
            lab = draws.label(lab)
        top = draws.states(layer(np.append(pen, lab), m.weights, m.hidden_bias))
    sleep_hid = draws.states(layer(pen, net.penhid, net.hid_gen_bias))
    sleep_vis = layer(sleep_hid, net.hidvis, net.vis_gen_bias)
    return Dream(
        wake_hid, wake_pen, wake_top, pen, lab, top, sleep_hid, sleep_vis,
        layer(wake_hid, net.hidvis, net.vis_gen_bias),
        layer(wake_pen, net.penhid, net.hid_gen_bias),
        layer(sleep_hid, net.hidpen, net.pen_rec_bias),
        layer(sleep_vis, net.vishid, net.hid_rec_bias),
    )  # fmt: skip


def _products(left: Floats, right: Floats) -> Floats:
    result = np.empty((len(left), len(right)))
    for i in range(len(left)):
        for j in range(len(right)):
            result[i, j] = left[i] * right[j]
    return result


class Fantasy(NamedTuple):
    """Where one persistent chain is: states of the memory, with one label on."""

    pen_states: Floats
    lab_states: Floats
    top_states: Floats


def fantasy(net: Net, top: Floats, rounds: int, draws: Draws) -> Fantasy:
    """So many more rounds of Gibbs sampling of a chain; everything is sampled."""
    m = net.memory
    for _ in range(rounds):
        pen_probs, lab = memory_visible(m, top, net.n_labels)
        pen, lab = draws.states(pen_probs), draws.label(lab)
        top = draws.states(layer(np.append(pen, lab), m.weights, m.hidden_bias))
    return Fantasy(pen, lab, top)


def wake_sleep_gradient(
    image: Floats, target: Floats, d: Dream, instead: Fantasy | None = None
) -> Net:
    """Eqs 2, 3 and 4 for one case; in Eq. 4 with a fantasy instead of the confabulation."""
    missed_vis = image - d.vis_prediction
    missed_hid = d.wake_hid_states - d.hid_prediction
    missed_pen = d.confab_pen_states - d.pen_prediction
    missed_dream = d.sleep_hid_states - d.sleep_hid_prediction
    wake = np.append(d.wake_pen_states, target)
    pen, lab, top = instead or (d.confab_pen_states, d.confab_lab_probs, d.confab_top_states)
    confab = np.append(pen, lab)
    return Net(
        vishid=_products(d.sleep_vis_probs, missed_dream),
        hid_rec_bias=missed_dream,
        hidpen=_products(d.sleep_hid_states, missed_pen),
        pen_rec_bias=missed_pen,
        penhid=_products(d.wake_pen_states, missed_hid),
        hid_gen_bias=missed_hid,
        hidvis=_products(d.wake_hid_states, missed_vis),
        vis_gen_bias=missed_vis,
        memory_weights=_products(wake, d.wake_top_states) - _products(confab, top),
        memory_visible_bias=wake - confab,
        memory_hidden_bias=d.wake_top_states - top,
    )


RECOGNITION = ("vishid", "hid_rec_bias", "hidpen", "pen_rec_bias")


def updated(
    net: Net,
    velocity: Net,
    gradients: Sequence[Net],
    learning_rate: float,
    momentum: float,
    decay: float,
    recognition_share: float = 1.0,
) -> tuple[Net, Net]:
    """The net and its velocity after one update by the mean gradient; biases do not decay."""
    new_net, new_velocity = [], []
    for k, array in enumerate(net):
        rate = learning_rate * (recognition_share if net._fields[k] in RECOGNITION else 1.0)
        mean = sum(g[k] for g in gradients) / len(gradients)
        pull = decay * array if array.ndim == 2 else 0.0
        speed = momentum * velocity[k] + rate * (mean - pull)
        new_net.append(array + speed)
        new_velocity.append(speed)
    return Net(*new_net), Net(*new_velocity)


def recognition_states(net: Net, image: Floats) -> list[tuple[float, Floats, Floats]]:
    """The chance q(hid, pen | image) of every pair of states, and the states."""
    found = []
    hid_probs = layer(image, net.vishid, net.hid_rec_bias)
    for hid in reference.binary_states(len(net.hid_rec_bias)):
        pen_probs = layer(hid, net.hidpen, net.pen_rec_bias)
        for pen in reference.binary_states(len(net.pen_rec_bias)):
            chance = reference.state_probability(hid_probs, hid)
            chance *= reference.state_probability(pen_probs, pen)
            found.append((chance, hid, pen))
    return found


def memory_states(net: Net) -> Floats:
    """All (pen, lab) states: pen binary, one label on."""
    pens, labs = reference.binary_states(len(net.pen_rec_bias)), one_hots(net.n_labels)
    return np.array([np.append(pen, lab) for pen, lab in itertools.product(pens, labs)])


def variational_free_energy(
    net: Net, image: Floats, target: Floats, q: list[tuple[float, Floats, Floats]]
) -> float:
    """``E_q[log q - log p(image | hid) - log p(hid | pen) - log p(pen, target)]``."""
    m = net.memory
    log_z = math.log(sum(math.exp(-reference.free_energy(m, v)) for v in memory_states(net)))
    total = 0.0
    for chance, hid, pen in q:
        image_given_hid = log_chance(layer(hid, net.hidvis, net.vis_gen_bias), image)
        hid_given_pen = log_chance(layer(pen, net.penhid, net.hid_gen_bias), hid)
        in_memory = -reference.free_energy(m, np.append(pen, target)) - log_z
        total += chance * (math.log(chance) - image_given_hid - hid_given_pen - in_memory)
    return total


# -- a memory, or any RBM with label units ---------------------------------------------------


def labelled_states(m: Machine, n_labels: int) -> Floats:
    """All visible states: binary units free, one label on."""
    units = reference.binary_states(len(m.visible_bias) - n_labels)
    pairs = itertools.product(units, one_hots(n_labels))
    return np.array([np.append(unit, label) for unit, label in pairs])


def labelled_joint(m: Machine, n_labels: int) -> Floats:
    """``p(v, h)``: rows visible states, columns hidden ones."""
    visible, hidden = labelled_states(m, n_labels), reference.binary_states(len(m.hidden_bias))
    joint: Floats = np.array(
        [[math.exp(-reference.energy(m, v, h)) for h in hidden] for v in visible]
    )
    joint /= joint.sum()
    return joint


def labelled_conditionals(m: Machine, n_labels: int) -> tuple[Floats, Floats]:
    """``p(h | v)``, rows v, and ``p(v | h)``, rows h, from the joint distribution."""
    joint = labelled_joint(m, n_labels)
    down = joint / joint.sum(axis=0)
    return joint / joint.sum(axis=1, keepdims=True), down.T.copy()


def labelled_cd1(m: Machine, v: Floats, h_states: Floats, n_labels: int) -> Update:
    """Eq. 4 for one case; the reconstruction is of probabilities, the labels a softmax group."""
    h_data = layer(v, m.weights, m.hidden_bias)
    recon = np.concatenate(memory_visible(m, h_states, n_labels))
    h_recon = layer(recon, m.weights, m.hidden_bias)
    return Update(_products(v, h_data) - _products(recon, h_recon), v - recon, h_data - h_recon)


def label_probs(m: Machine, pen: Floats, n_labels: int) -> Floats:
    """``p(label | pen)`` by visiting every label and top state; pen may be real-valued."""
    shares = []
    for label in one_hots(n_labels):
        v = np.append(pen, label)
        hidden = reference.binary_states(len(m.hidden_bias))
        shares.append(sum(math.exp(-reference.energy(m, v, h)) for h in hidden))
    return np.array(shares) / sum(shares)


def gibbs_label_moments(
    m: Machine, pen: Floats, n_labels: int, rounds: int
) -> tuple[Floats, Floats]:
    """Mean and variance of what one chain of so many rounds measures, pen clamped.

    It starts from a label drawn at random. A round draws top given the label, then takes the
    label probabilities given top, and then a label. What is measured is the mean of these
    probabilities over the rounds, without the first half.
    """
    tops = reference.binary_states(len(m.hidden_bias))
    up = np.array([
        [reference.state_probability(layer(np.append(pen, lab), m.weights, m.hidden_bias), top)
         for top in tops] for lab in one_hots(n_labels)
    ])  # fmt: skip
    down = np.array([memory_visible(m, top, n_labels)[1] for top in tops])
    round_trip = down @ up
    at = [np.full(n_labels, 1 / n_labels) @ up]
    for _ in range(rounds - 1):
        at.append(at[-1] @ round_trip)
    counted = range(rounds // 2, rounds)
    mean = sum(at[r] @ down for r in counted) / len(counted)
    square = np.zeros(n_labels)
    for r, s in itertools.product(counted, repeat=2):
        later = np.linalg.matrix_power(round_trip, abs(s - r)) @ down
        square += at[min(r, s)] @ (down * later)
    return mean, square / len(counted) ** 2 - mean**2


# -- from recognition to generation ----------------------------------------------------------


def generative_states(net: Net) -> list[tuple[Floats, Floats, int]]:
    """Every state of hid, pen and lab."""
    hids = reference.binary_states(len(net.hid_rec_bias))
    pens = reference.binary_states(len(net.pen_rec_bias))
    return list(itertools.product(hids, pens, range(net.n_labels)))


def log_recognised(net: Net, image: Floats, hid: Floats, pen: Floats) -> float:
    """``log q(hid | image) + log q(pen | hid)``."""
    hid_given_image = log_chance(layer(image, net.vishid, net.hid_rec_bias), hid)
    return hid_given_image + log_chance(layer(hid, net.hidpen, net.pen_rec_bias), pen)


def log_generated(net: Net, image: Floats, hid: Floats, pen: Floats, label: int) -> float:
    """``log p(image | hid) + log p(hid | pen) - F(pen, label)``: all but the memory's log Z."""
    image_given_hid = log_chance(layer(hid, net.hidvis, net.vis_gen_bias), image)
    hid_given_pen = log_chance(layer(pen, net.penhid, net.hid_gen_bias), hid)
    visible = np.append(pen, one_hots(net.n_labels)[label])
    return image_given_hid + hid_given_pen - reference.free_energy(net.memory, visible)


def joint_probs(net: Net, image: Floats) -> Floats:
    """``p*(image, label)`` of every label, by visiting every state of hid, pen and top."""
    shares = np.zeros(net.n_labels)
    for hid, pen, label in generative_states(net):
        shares[label] += math.exp(log_generated(net, image, hid, pen, label))
    return shares


State = tuple[Floats, Floats, int]


class Path:
    """``f_b(hid, pen, lab)`` of every state for one image, and the moves that keep it.

    A move draws the label anew; then each pen unit, and then each hid unit, is offered a state
    that is drawn from its recognition probability, kept at least `least` from 0 and 1, and is
    taken with the chance of Metropolis and Hastings.
    """

    def __init__(self, net: Net, image: Floats, beta: float, least: float) -> None:
        self.net, self.image, self.least = net, image, least
        self.states = generative_states(net)
        self.number = {self._key(state): i for i, state in enumerate(self.states)}
        self.density = np.empty(len(self.states))
        for i, (hid, pen, label) in enumerate(self.states):
            up = log_recognised(net, image, hid, pen) - math.log(net.n_labels)
            down = log_generated(net, image, hid, pen, label)
            self.density[i] = math.exp((1 - beta) * up + beta * down)

    @staticmethod
    def _key(state: State) -> tuple[float, ...]:
        hid, pen, label = state
        return (*hid, *pen, label)

    def by_pair(self) -> Floats:
        """Rows states of hid and pen, columns labels."""
        return self.density.reshape(-1, self.net.n_labels)

    def label_shares(self, hid: Floats, pen: Floats) -> Floats:
        """The label's distribution given hid and pen."""
        first = self.number[self._key((hid, pen, 0))]
        shares = self.density[first : first + self.net.n_labels]
        return cast(Floats, shares / shares.sum())

    def flip(self, state: State, where: str, unit: int) -> tuple[float, State]:
        """The chance that this unit of hid or pen changes, and the state that this leads to."""
        hid, pen, label = state
        other_hid, other_pen = hid.copy(), pen.copy()
        if where == "hid":
            on = layer(self.image, self.net.vishid, self.net.hid_rec_bias)[unit]
            own, other_hid[unit] = hid[unit], 1 - hid[unit]
        else:
            on = layer(hid, self.net.hidpen, self.net.pen_rec_bias)[unit]
            own, other_pen[unit] = pen[unit], 1 - pen[unit]
        on = min(max(float(on), self.least), 1 - self.least)
        offer, back = (1 - on, on) if own == 1 else (on, 1 - on)
        other = (other_hid, other_pen, label)
        here, there = (self.density[self.number[self._key(s)]] for s in (state, other))
        return offer * min(1.0, there * back / (here * offer)), other

    def move_matrix(self) -> Floats:
        """Chances of one move: row the state before, column the state after."""
        n, n_labels = len(self.states), self.net.n_labels
        matrix = np.zeros((n, n))
        for i, (hid, pen, _) in enumerate(self.states):
            first = i - i % n_labels
            matrix[i, first : first + n_labels] = self.label_shares(hid, pen)
        for where, unit in self._units():
            flips = np.zeros((n, n))
            for i, state in enumerate(self.states):
                chance, other = self.flip(state, where, unit)
                flips[i, self.number[self._key(other)]] = chance
                flips[i, i] = 1 - chance
            matrix = matrix @ flips
        return matrix

    def _units(self) -> list[tuple[str, int]]:
        sizes = (("pen", len(self.net.pen_rec_bias)), ("hid", len(self.net.hid_rec_bias)))
        return [(where, unit) for where, n_units in sizes for unit in range(n_units)]

    def scripted_move(self, hid: Floats, pen: Floats, seed: Any) -> tuple[State, list[Floats]]:
        """One move by fair coins: the state after it, and draws that only just bring it about.

        The draws are those of the label, of the pen units and of the hid units; see `Draws`.
        """
        draws, coin = Draws(seed), np.random.default_rng(seed)
        label = int(draws.label(self.label_shares(hid, pen)).argmax())
        state, made = (hid, pen, label), []
        for where, unit in self._units():
            chance, other = self.flip(state, where, unit)
            flips = coin.integers(2) == 1
            made.append(chance * (1 - JUST if flips else 1 + JUST))
            state = other if flips else state
        n_pen = len(pen)
        return state, [draws.made[0], np.array(made[:n_pen]), np.array(made[n_pen:])]


def annealing_moments(
    net: Net, image: Floats, betas: Sequence[float], least: float, powers: Sequence[int]
) -> tuple[list[Floats], float]:
    """Of ``weight * p(label | pen)`` of one chain: expected powers, and the largest weight.

    The expectations are over everything that can happen.
    """
    paths = {beta: Path(net, image, beta, least) for beta in betas}
    pairs = {beta: path.by_pair() for beta, path in paths.items()}
    shares = pairs[betas[-1]] / pairs[betas[-1]].sum(axis=1, keepdims=True)
    reached = [pairs[betas[0]].sum(axis=1) for _ in powers]
    largest = 1.0
    for before, beta in itertools.pairwise(betas):
        step = pairs[beta].sum(axis=1) / pairs[before].sum(axis=1)
        largest *= float(step.max())
        reached = [chances * step**k for chances, k in zip(reached, powers, strict=True)]
        if beta != betas[-1]:
            whole = paths[beta].move_matrix()
            # The label before a move has no influence on it, and the one after it is dropped.
            moved = whole[:: net.n_labels].reshape(len(step), -1, net.n_labels).sum(axis=2)
            reached = [chances @ moved for chances in reached]
    expected = [chances @ shares**k for chances, k in zip(reached, powers, strict=True)]
    return expected, largest


# -- from base rates to an RBM ---------------------------------------------------------------


class BasePath:
    """``f_b`` of every visible state, and the Gibbs rounds that keep it.

    The RBM at b has weights and hidden biases times b, and visible biases that are a mixture of the
    base rates' and its own.
    """

    def __init__(self, m: Machine, base: Floats, n_labels: int = 0) -> None:
        self.m, self.base, self.n_labels = m, base, n_labels
        self.states = labelled_states(m, n_labels) if n_labels else reference.binary_states(
            len(m.visible_bias)
        )  # fmt: skip

    def machine(self, beta: float) -> Machine:
        visible_bias = (1 - beta) * self.base + beta * self.m.visible_bias
        return Machine(beta * self.m.weights, visible_bias, beta * self.m.hidden_bias)

    def density(self, beta: float) -> Floats:
        tempered = self.machine(beta)
        return np.array([math.exp(-reference.free_energy(tempered, v)) for v in self.states])

    def kernel(self, beta: float) -> Floats:
        """Chances of one round: row the state before, column the state after."""
        tempered = self.machine(beta)
        if self.n_labels:
            up, down = labelled_conditionals(tempered, self.n_labels)
            return up @ down
        return reference.transitions(tempered)

    def moments(self, betas: Sequence[float], powers: Sequence[int]) -> tuple[list[float], float]:
        """Expected powers of the weight of one chain along these betas, and its largest value."""
        density = self.density(betas[0])
        reached = [density / density.sum() for _ in powers]
        largest = 1.0
        for before, beta in itertools.pairwise(betas):
            step = self.density(beta) / self.density(before)
            largest *= float(step.max())
            reached = [r * step**k for r, k in zip(reached, powers, strict=True)]
            if beta != betas[-1]:
                reached = [r @ self.kernel(beta) for r in reached]
        return [float(r.sum()) for r in reached], largest

    def expected_log(self, betas: Sequence[float]) -> tuple[float, float]:
        """The expected log of that weight, and by how much it can vary."""
        reached = self.density(betas[0])
        reached /= reached.sum()
        total = width = 0.0
        for before, beta in itertools.pairwise(betas):
            logs = np.log(self.density(beta) / self.density(before))
            total += float(reached @ logs)
            width += float(logs.max() - logs.min())
            if beta != betas[-1]:
                reached = reached @ self.kernel(beta)
        return total, width
