"""What lies between the products, in Triton: one kernel for what `plain` does in several steps.

What bounds many nets on a card is memory, so the arrays are gone over as seldom as can be: draws
are computed where they are compared, biases learn in the kernel that has their units' numbers at
hand, and weights move (`grow`) in one pass. Products are those of cuBLAS: kernels that did a
product and what follows it took longer, as did gradients of a few nets at a time. Draws are those
of Philox (Salmon et al., 2011), of each net's key, the update, the use and the place.
"""

# ruff: noqa: D103  # as Triton's users write constants

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_FIRE, _RECON, _SELECT, _ORDER, _DROP = 0, 1, 2, 3, 4
"""Uses of draws; each layer's units are dropped by a use of their own, from the last one on."""
_UNIFORM = 0
"""The one use of draws that `uniforms` takes."""
_ROWS, _COLUMNS = 128, 32
"""Of a tile that is summed over its cases."""


def _padded(size: int, least: int = 16) -> int:
    return max(least, int(triton.next_power_of_2(size)))


# -- draws ---------------------------------------------------------------------------------------


@triton.jit
def _words(key, time, use, place):
    """Four random words for each of some places."""
    zero = place * 0
    return tl.philox(key, place, zero + time.to(tl.int32), zero + use, zero)


@triton.jit
def _uniform(words):
    """[0, 1), of 24 bits."""
    return (words.to(tl.uint32) >> 8).to(tl.float32) * (1.0 / 16777216.0)


@triton.jit
def _logistic(inputs):
    return 1.0 / (1.0 + tl.exp(-inputs))


# -- elements ------------------------------------------------------------------------------------


@triton.jit
def _take_kernel(
    source, source_net, rows, rows_net, out, out_net, width: tl.constexpr,
    BYTES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    case = tl.program_id(0).to(tl.int64)
    net = tl.program_id(1).to(tl.int64)
    row = tl.load(rows + net * rows_net + case).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    own = columns < width
    values = tl.load(source + net * source_net + row * width + columns, mask=own)
    if BYTES:
        values = values.to(tl.float32) * (1.0 / 255.0)
    tl.store(out + net * out_net + case * width + columns, values, mask=own)


def take(source: Tensor, rows: Tensor, out: Tensor) -> None:
    n_nets, n, width = out.shape
    of_bytes = source.dtype == torch.uint8
    _take_kernel[n, n_nets](
        source, 0 if of_bytes else source.stride(0), rows, rows.stride(0), out, out.stride(0),
        width, BYTES=of_bytes, BLOCK=_padded(width), num_warps=4,
    )  # fmt: skip


@triton.jit
def _squash_kernel(inputs, inputs_net, bias, n_units: tl.constexpr, size, BLOCK: tl.constexpr):
    net = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    own = place < size
    at = inputs + net * inputs_net + place
    total = tl.load(at, mask=own) + tl.load(bias + net * n_units + place % n_units, mask=own)
    tl.store(at, _logistic(total), mask=own)


def squash(inputs: Tensor, bias: Tensor) -> None:
    n_nets, n, n_units = inputs.shape
    size, block = n * n_units, 2048
    grid = triton.cdiv(size, block), n_nets
    _squash_kernel[grid](inputs, inputs.stride(0), bias, n_units, size, BLOCK=block, num_warps=8)


@triton.jit
def _fire_kernel(
    inputs, inputs_net, bias, states, states_net, keys, clock, n_units: tl.constexpr, size,
    USE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    net = tl.program_id(1).to(tl.int64)
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    first, second, third, fourth = _words(tl.load(keys + net), tl.load(clock), USE, lane)
    begin = tl.program_id(0) * (4 * BLOCK) + tl.arange(0, BLOCK)
    for part in tl.static_range(4):
        place = begin + part * BLOCK
        own = place < size
        at = inputs + net * inputs_net + place
        total = tl.load(at, mask=own) + tl.load(bias + net * n_units + place % n_units, mask=own)
        probs = _logistic(total)
        tl.store(at, probs, mask=own)
        words = first
        if part == 1:
            words = second
        if part == 2:
            words = third
        if part == 3:
            words = fourth
        fires = (_uniform(words) < probs).to(tl.float32)
        tl.store(states + net * states_net + place, fires, mask=own)


def fire(inputs: Tensor, bias: Tensor, draws: Any, states: Tensor) -> None:
    n_nets, n, n_units = inputs.shape
    size, block = n * n_units, 512
    grid = triton.cdiv(size, 4 * block), n_nets
    _fire_kernel[grid](
        inputs, inputs.stride(0), bias, states, states.stride(0), draws.keys, draws.clock, n_units,
        size, USE=_FIRE, BLOCK=block, num_warps=4,
    )  # fmt: skip


# -- tiles of units, summed over cases -----------------------------------------------------------


@triton.jit
def _move_bias(bias, velocity, step, net, at, total, n, own):
    """``updates.Momentum`` of biases."""
    rate, momentum = tl.load(step + net * 3) / n, tl.load(step + net * 3 + 1)
    new = momentum * tl.load(velocity + at, mask=own, other=0.0) + rate * total
    tl.store(velocity + at, tl.where(momentum > 0, new, 0.0), mask=own)
    tl.store(bias + at, tl.load(bias + at, mask=own, other=0.0) + new, mask=own)


@triton.jit
def _visible_kernel(
    both, both_net, bias, velocity, step, errors, keys, clock, n: tl.constexpr, width: tl.constexpr,
    STATES: tl.constexpr, USE: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    net = tl.program_id(1).to(tl.int64)
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    real = columns < width
    units = net * width + columns
    own_bias = tl.load(bias + units, mask=real, other=0.0)
    total = tl.zeros((COLUMNS,), tl.float32)
    squares = tl.zeros((COLUMNS,), tl.float32)
    for begin in range(0, n, ROWS):
        rows = begin + tl.arange(0, ROWS)
        place = rows[:, None] * width + columns[None, :]
        own = (rows < n)[:, None] & real[None, :]
        at = both + net * both_net + place
        data = tl.load(at, mask=own, other=0.0)
        probs = _logistic(tl.load(at + n * width, mask=own, other=0.0) + own_bias[None, :])
        missed = tl.where(own, data - probs, 0.0)
        squares += tl.sum(missed * missed, 0)
        if STATES:
            first, _, _, _ = _words(tl.load(keys + net), tl.load(clock), USE, place)
            probs = (_uniform(first) < probs).to(tl.float32)
            missed = tl.where(own, data - probs, 0.0)
        total += tl.sum(missed, 0)
        tl.store(at + n * width, probs, mask=own)
    before = tl.load(errors + units, mask=real, other=0.0)
    tl.store(errors + units, before + squares, mask=real)
    _move_bias(bias, velocity, step, net, units, total, n, real)


def visible(
    both: Tensor, bias: Tensor, velocity: Tensor, step: Tensor, errors: Tensor, draws: Any
) -> None:
    n_nets, n, width = both.shape
    drawn = draws is not None
    keys, clock = (draws.keys, draws.clock) if drawn else (step, step)
    _visible_kernel[triton.cdiv(width, _COLUMNS), n_nets](
        both, both.stride(0), bias, velocity, step, errors, keys, clock, n // 2, width,
        STATES=drawn, USE=_RECON, ROWS=_ROWS, COLUMNS=_COLUMNS, num_warps=4,
    )  # fmt: skip


@triton.jit
def _hidden_kernel(
    both, both_net, bias, velocity, step, n: tl.constexpr, width: tl.constexpr, ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):  # fmt: skip
    net = tl.program_id(1).to(tl.int64)
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    real = columns < width
    units = net * width + columns
    own_bias = tl.load(bias + units, mask=real, other=0.0)
    total = tl.zeros((COLUMNS,), tl.float32)
    for begin in range(0, n, ROWS):
        rows = begin + tl.arange(0, ROWS)
        own = (rows < n)[:, None] & real[None, :]
        at = both + net * both_net + rows[:, None] * width + columns[None, :]
        data = tl.load(at, mask=own, other=0.0)
        probs = _logistic(tl.load(at + n * width, mask=own, other=0.0) + own_bias[None, :])
        total += tl.sum(tl.where(own, data - probs, 0.0), 0)
        tl.store(at + n * width, -probs, mask=own)
    _move_bias(bias, velocity, step, net, units, total, n, real)


def hidden(both: Tensor, bias: Tensor, velocity: Tensor, step: Tensor) -> None:
    n_nets, n, width = both.shape
    _hidden_kernel[triton.cdiv(width, _COLUMNS), n_nets](
        both, both.stride(0), bias, velocity, step, n // 2, width, ROWS=_ROWS, COLUMNS=_COLUMNS,
        num_warps=4,
    )  # fmt: skip


@triton.jit
def _slope_kernel(
    delta, delta_net, probs, probs_net, bias, velocity, step, keep, n: tl.constexpr,
    width: tl.constexpr, DROPPED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    net = tl.program_id(1).to(tl.int64)
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    real = columns < width
    total = tl.zeros((COLUMNS,), tl.float32)
    for begin in range(0, n, ROWS):
        rows = begin + tl.arange(0, ROWS)
        place = rows[:, None] * width + columns[None, :]
        own = (rows < n)[:, None] & real[None, :]
        on = tl.load(probs + net * probs_net + place, mask=own, other=0.0)
        off = 1.0 - on
        if DROPPED:
            off = 1.0 - tl.load(keep + net) * on
        down = tl.load(delta + net * delta_net + place, mask=own, other=0.0) * on * off
        tl.store(delta + net * delta_net + place, down, mask=own)
        total += tl.sum(down, 0)
    _move_bias(bias, velocity, step, net, net * width + columns, total, n, real)


def slope(
    delta: Tensor, probs: Tensor, bias: Tensor, velocity: Tensor, step: Tensor,
    keep: Tensor | None = None,
) -> None:  # fmt: skip
    n_nets, n, width = delta.shape
    _slope_kernel[triton.cdiv(width, _COLUMNS), n_nets](
        delta, delta.stride(0), probs, probs.stride(0), bias, velocity, step,
        step if keep is None else keep, n, width, DROPPED=keep is not None, ROWS=_ROWS,
        COLUMNS=_COLUMNS, num_warps=4,
    )  # fmt: skip


@triton.jit
def _label_kernel(
    inputs, inputs_net, bias, velocity, step, labels, factors, batch_net, costs, costs_net, sums,
    easy, easy_net, cases, limits, n: tl.constexpr, n_classes: tl.constexpr,
    SAMPLED: tl.constexpr, ROWS: tl.constexpr, CLASSES: tl.constexpr,
):  # fmt: skip
    net = tl.program_id(0).to(tl.int64)
    classes = tl.arange(0, CLASSES)
    real = classes < n_classes
    own_bias = tl.load(bias + net * n_classes + classes, mask=real, other=0.0)
    total = tl.zeros((CLASSES,), tl.float32)
    cost_sum = 0.0
    weight_sum = 0.0
    for begin in range(0, n, ROWS):
        rows = begin + tl.arange(0, ROWS)
        real_rows = rows < n
        own = real_rows[:, None] & real[None, :]
        at = inputs + net * inputs_net + rows[:, None] * n_classes + classes[None, :]
        values = tl.load(at, mask=own, other=0.0) + own_bias[None, :]
        values = tl.where(real[None, :], values, float("-inf"))
        values = values - tl.max(values, 1)[:, None]
        log_probs = values - tl.log(tl.sum(tl.exp(values), 1))[:, None]
        label = tl.load(labels + net * batch_net + rows, mask=real_rows, other=0)
        is_label = label[:, None] == classes[None, :]
        cost = -tl.sum(tl.where(is_label, log_probs, 0.0), 1)
        factor = tl.load(factors + net * batch_net + rows, mask=real_rows, other=0.0)
        error = (is_label.to(tl.float32) - tl.exp(log_probs)) * factor[:, None]
        error = tl.where(own, error, 0.0)
        tl.store(at, error, mask=own)
        tl.store(costs + net * costs_net + rows, cost, mask=real_rows)
        total += tl.sum(error, 0)
        cost_sum += tl.sum(tl.where(real_rows, cost * factor, 0.0), 0)
        weight_sum += tl.sum(factor, 0)
        if SAMPLED:
            case = tl.load(cases + net * batch_net + rows, mask=real_rows, other=0)
            is_easy = (cost < tl.load(limits + net * 2)).to(tl.uint8)
            tl.store(easy + net * easy_net + case, is_easy, mask=real_rows)
    tl.store(sums + net * 2, tl.load(sums + net * 2) + cost_sum)
    tl.store(sums + net * 2 + 1, tl.load(sums + net * 2 + 1) + weight_sum)
    _move_bias(bias, velocity, step, net, net * n_classes + classes, total, n, real)


def label_errors(
    inputs: Tensor, bias: Tensor, velocity: Tensor, step: Tensor, batch: Any, costs: Tensor,
    sums: Tensor,
) -> None:  # fmt: skip
    n_nets, n, n_classes = inputs.shape
    _label_kernel[n_nets,](
        inputs, inputs.stride(0), bias, velocity, step, batch.labels, batch.factors,
        batch.labels.stride(0), costs, costs.stride(0), sums, batch.easy, batch.easy.stride(0),
        batch.cases, batch.limits, n, n_classes, SAMPLED=batch.sampled, ROWS=_ROWS,
        CLASSES=_padded(n_classes), num_warps=4,
    )  # fmt: skip


# -- dropout -------------------------------------------------------------------------------------


@triton.jit
def _drop_kernel(
    values, values_net, keep, keys, clock, use, size, BLOCK: tl.constexpr,
):  # fmt: skip
    net = tl.program_id(1).to(tl.int64)
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    first, second, third, fourth = _words(tl.load(keys + net), tl.load(clock), use, lane)
    chance = tl.load(keep + net)
    begin = tl.program_id(0) * (4 * BLOCK) + tl.arange(0, BLOCK)
    for part in tl.static_range(4):
        place = begin + part * BLOCK
        own = place < size
        at = values + net * values_net + place
        words = first
        if part == 1:
            words = second
        if part == 2:
            words = third
        if part == 3:
            words = fourth
        kept = tl.where(_uniform(words) < chance, 1.0 / chance, 0.0)
        tl.store(at, tl.load(at, mask=own) * kept, mask=own)


def drop(values: Tensor, keep: Tensor, draws: Any, layer: int) -> None:
    n_nets, n, n_units = values.shape
    size, block = n * n_units, 512
    _drop_kernel[triton.cdiv(size, 4 * block), n_nets](
        values, values.stride(0), keep, draws.keys, draws.clock, _DROP + layer, size, BLOCK=block,
        num_warps=4,
    )  # fmt: skip


@triton.jit
def _uniforms_kernel(out, keys, clock, size, USE: tl.constexpr, BLOCK: tl.constexpr):
    net = tl.program_id(1).to(tl.int64)
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    first, second, third, fourth = _words(tl.load(keys + net), tl.load(clock), USE, lane)
    begin = tl.program_id(0) * (4 * BLOCK) + tl.arange(0, BLOCK)
    for part in tl.static_range(4):
        place = begin + part * BLOCK
        words = first
        if part == 1:
            words = second
        if part == 2:
            words = third
        if part == 3:
            words = fourth
        tl.store(out + net * size + place, _uniform(words), mask=place < size)


def uniforms(draws: Any, n: int, n_units: int) -> Tensor:
    n_nets, size, block = len(draws.rngs), n * n_units, 512
    found = torch.empty((n_nets, n, n_units), dtype=torch.float32, device=draws.keys.device)
    _uniforms_kernel[triton.cdiv(size, 4 * block), n_nets](
        found, draws.keys, draws.clock, size, USE=_UNIFORM, BLOCK=block, num_warps=4
    )
    return found


@triton.jit
def _limit_kernel(
    weights, longest, n_in, width: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    net = tl.program_id(1).to(tl.int64)
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    real = columns < width
    bound = tl.load(longest + net)
    begin = weights + net * n_in * width
    squares = tl.zeros((COLUMNS,), tl.float32)
    for first in range(0, n_in, ROWS):
        rows = first + tl.arange(0, ROWS)
        own = (rows < n_in)[:, None] & real[None, :]
        part = tl.load(begin + rows[:, None] * width + columns[None, :], mask=own, other=0.0)
        squares += tl.sum(part * part, 0)
    longer = squares > tl.where(bound > 0, bound * bound, float("inf"))
    factor = tl.where(longer, bound / tl.sqrt(tl.where(longer, squares, 1.0)), 1.0)
    if tl.sum(longer.to(tl.int32), 0) > 0:
        for first in range(0, n_in, ROWS):
            rows = first + tl.arange(0, ROWS)
            own = (rows < n_in)[:, None] & real[None, :]
            at = begin + rows[:, None] * width + columns[None, :]
            tl.store(at, tl.load(at, mask=own, other=0.0) * factor[None, :], mask=own)


def limit(weights: Tensor, longest: Tensor) -> None:
    n_nets, n_in, n_out = weights.shape
    _limit_kernel[triton.cdiv(n_out, _COLUMNS), n_nets](
        weights, longest, n_in, n_out, ROWS=_ROWS, COLUMNS=_COLUMNS, num_warps=4
    )


# -- Eq. 4 ---------------------------------------------------------------------------------------


@triton.jit
def _move_kernel(gradient, weights, velocity, step, n, size, BLOCK: tl.constexpr):
    net = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    own = place < size
    at = net * size + place
    rate, momentum = tl.load(step + net * 3) / n, tl.load(step + net * 3 + 1)
    shrink = tl.load(step + net * 3 + 2)
    by = tl.load(gradient + at, mask=own)
    # Not to drive gradients that were just computed out of the cache.
    now = tl.load(weights + at, mask=own, eviction_policy="evict_first")
    before = tl.load(velocity + at, mask=own, eviction_policy="evict_first")
    new = momentum * before + rate * by - shrink * now
    tl.store(weights + at, now + new, mask=own, eviction_policy="evict_first")
    still = tl.where(momentum > 0, new, 0.0)
    tl.store(velocity + at, still, mask=own, eviction_policy="evict_first")


def grow(
    left: Tensor, right: Tensor, n: int, weights: Tensor, velocity: Tensor, step: Tensor
) -> None:
    n_nets, n_in, n_out = weights.shape
    size, block = n_in * n_out, 2048
    gradient = torch.bmm(left.mT, right)
    _move_kernel[triton.cdiv(size, block), n_nets](
        gradient, weights, velocity, step, n, size, BLOCK=block, num_warps=8
    )


# -- importance sampling -------------------------------------------------------------------------


@triton.jit
def _mixed(words):
    """A hash of 32 bits."""
    words ^= words >> 16
    words *= 0x7FEB352D
    words ^= words >> 15
    words *= 0x846CA68B
    return words ^ (words >> 16)


@triton.jit
def _permuted(place, one, two, three, four, HALF: tl.constexpr):
    """A permutation of the numbers of 2 HALF bits that four random words choose: Luby and Rackoff.

    Eight rounds of their network, each with a hash of one half and a word.
    """
    low: tl.constexpr = (1 << HALF) - 1
    upper, lower = (place >> HALF).to(tl.uint32), (place & low).to(tl.uint32)
    for number in tl.static_range(8):
        word = one
        if number % 4 == 1:
            word = two
        if number % 4 == 2:
            word = three
        if number % 4 == 3:
            word = four
        upper, lower = lower, upper ^ (_mixed(_mixed(lower + word) + word + number) & low)
    return ((upper << HALF) | lower).to(tl.int32)


@triton.jit
def _sweep_kernel(
    easy, queue, factors, ends, limits, keys, n_cases, capacity, size, HALF: tl.constexpr,
    FRONT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    net = tl.program_id(0).to(tl.int64)
    begin, end = tl.load(ends + net * 3), tl.load(ends + net * 3 + 1)
    left = end - begin
    if left < size:
        # What is left of the last sweep comes first.
        queue += net * capacity
        factors += net * capacity
        front = tl.arange(0, FRONT)
        kept = tl.load(queue + begin + front, mask=front < left)
        kept_factors = tl.load(factors + begin + front, mask=front < left)
        tl.debug_barrier()
        tl.store(queue + front, kept, mask=front < left)
        tl.store(factors + front, kept_factors, mask=front < left)
        key, chance = tl.load(keys + net), tl.load(limits + net * 2 + 1)
        sweeps = tl.load(ends + net * 3 + 2)
        total = left
        while total < size:
            one, two, three, four = _words(key, sweeps, 3, tl.arange(0, 1))
            one, two = tl.sum(one.to(tl.int64), 0), tl.sum(two.to(tl.int64), 0)
            three, four = tl.sum(three.to(tl.int64), 0), tl.sum(four.to(tl.int64), 0)
            one, two = one.to(tl.uint32), two.to(tl.uint32)
            three, four = three.to(tl.uint32), four.to(tl.uint32)
            for start in range(0, 1 << (2 * HALF), BLOCK):
                place = start + tl.arange(0, BLOCK)
                case = _permuted(place, one, two, three, four, HALF)
                real = case < n_cases
                is_easy = tl.load(easy + net * n_cases + case, mask=real, other=0) != 0
                drawn, _, _, _ = _words(key, sweeps, 2, place)
                chosen = real & ((is_easy == 0) | (_uniform(drawn) < chance))
                ones = chosen.to(tl.int32)
                at = total + tl.cumsum(ones, 0) - ones
                tl.store(queue + at, case, mask=chosen)
                tl.store(factors + at, tl.where(is_easy, 1.0 / chance, 1.0), mask=chosen)
                total += tl.sum(ones, 0)
            sweeps += 1
        tl.store(ends + net * 3, 0)
        tl.store(ends + net * 3 + 1, total)
        tl.store(ends + net * 3 + 2, sweeps)


def sweep(samplers: Any, size: int) -> None:
    """As many sweeps as it takes until each net's queue has so many cases."""
    n_nets, n_cases = samplers.easy.shape
    half = (max(2, (n_cases - 1).bit_length()) + 1) // 2
    block = min(4096, 1 << (2 * half))
    _sweep_kernel[n_nets,](
        samplers.easy, samplers.queue, samplers.queue_factors, samplers.ends, samplers.limits,
        samplers.keys, n_cases, samplers.queue.shape[1], size, HALF=half,
        FRONT=_padded(size), BLOCK=block, num_warps=max(1, min(8, block // 64)),
    )  # fmt: skip


@triton.jit
def _batch_kernel(
    queue, queue_factors, capacity, ends, all_rows, n_cases, image_labels, cases, rows, labels,
    factors, batch_net, size, BLOCK: tl.constexpr,
):  # fmt: skip
    net = tl.program_id(0).to(tl.int64)
    place = tl.arange(0, BLOCK)
    own = place < size
    begin = tl.load(ends + net * 3)
    tl.debug_barrier()  # before a thread moves it on
    case = tl.load(queue + net * capacity + begin + place, mask=own, other=0).to(tl.int64)
    row = tl.load(all_rows + net * n_cases + case, mask=own, other=0)
    at = net * batch_net + place
    tl.store(cases + at, case, mask=own)
    tl.store(rows + at, row, mask=own)
    tl.store(labels + at, tl.load(image_labels + row, mask=own, other=0), mask=own)
    factor = tl.load(queue_factors + net * capacity + begin + place, mask=own, other=0.0)
    tl.store(factors + at, factor, mask=own)
    tl.store(ends + net * 3, begin + size)


def batch(samplers: Any, size: int) -> None:
    """The next cases of each net's queue."""
    n_nets, n_cases = samplers.all_rows.shape
    _batch_kernel[n_nets,](
        samplers.queue, samplers.queue_factors, samplers.queue.shape[1], samplers.ends,
        samplers.all_rows, n_cases, samplers.image_labels, samplers.cases, samplers.rows,
        samplers.labels, samplers.factors, samplers.cases.stride(0), size, BLOCK=_padded(size),
        num_warps=4,
    )  # fmt: skip
