"""Products and what comes after them in one Triton kernel: sums never leave the registers.

Each program has all cases of a batch and some units of one net. What `fused` does between the
products of cuBLAS is done here to the sums at hand, so that they are neither written nor read.
"""

# ruff: noqa: PLR0912, PLR0915, SIM108

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from hinton06.many.fused import (
    _FIRE,
    _RECON,
    _logistic,
    _move_bias,
    _padded,
    _precision,
    _uniform,
    _words,
)  # fmt: skip

SQUASH, FIRE, HIDDEN, VISIBLE, SLOPE = range(5)
MOST_CASES = 128
"""Of a batch."""
TILES = {mode: (64, 32, 8 if mode == FIRE else 4, 3, False) for mode in range(5)}
"""Units, products of a step, warps, stages of loading, whether the product is of transposes."""


@triton.jit
def _product_kernel(
    left, left_net, weights, bias, out, out_net, other, other_net, velocity, step, errors, keys,
    clock, n: tl.constexpr, n_from: tl.constexpr, n_to: tl.constexpr, MODE: tl.constexpr,
    DOWN: tl.constexpr, DRAWN: tl.constexpr, USE: tl.constexpr, ROWS: tl.constexpr,
    COLUMNS: tl.constexpr, INNER: tl.constexpr, SWAP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    net = tl.program_id(1).to(tl.int64)
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    rows = tl.arange(0, ROWS)
    real_columns, real_rows = columns < n_to, rows < n
    own_weights = weights + net * n_from * n_to
    own_left = left + net * left_net
    if SWAP:
        sums = tl.zeros((COLUMNS, ROWS), tl.float32)
    else:
        sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for begin in range(0, n_from, INNER):
        inner = begin + tl.arange(0, INNER)
        there = inner < n_from
        data = tl.load(
            own_left + rows[:, None] * n_from + inner[None, :],
            mask=real_rows[:, None] & there[None, :], other=0.0,
        )  # fmt: skip
        if DOWN:  # weights are (to, from)
            values = tl.load(
                own_weights + columns[:, None] * n_from + inner[None, :],
                mask=real_columns[:, None] & there[None, :], other=0.0,
            )  # fmt: skip
            if SWAP:
                sums = tl.dot(values, tl.trans(data), sums, input_precision=PRECISION)
            else:
                sums = tl.dot(data, tl.trans(values), sums, input_precision=PRECISION)
        else:
            values = tl.load(
                own_weights + inner[:, None] * n_to + columns[None, :],
                mask=there[:, None] & real_columns[None, :], other=0.0,
            )  # fmt: skip
            if SWAP:
                sums = tl.dot(tl.trans(values), tl.trans(data), sums, input_precision=PRECISION)
            else:
                sums = tl.dot(data, values, sums, input_precision=PRECISION)
    if SWAP:
        sums = tl.trans(sums)
    place = rows[:, None] * n_to + columns[None, :]
    own = real_rows[:, None] & real_columns[None, :]
    units = net * n_to + columns
    at = out + net * out_net + place
    beside = other + net * other_net + place
    if MODE == 4:  # through a logistic, backwards; `other` are its probabilities
        on = tl.load(beside, mask=own, other=0.0)
        down = sums * on * (1.0 - on)
        tl.store(at, down, mask=own)
        total = tl.sum(down, 0)
        _move_bias(bias, velocity, step, net, units, total, n, real_columns)
    else:
        own_bias = tl.load(bias + units, mask=real_columns, other=0.0)
        probs = _logistic(sums + own_bias[None, :])
        if MODE == 0:
            tl.store(at, probs, mask=own)
        if MODE == 1:  # `other` are states
            tl.store(at, probs, mask=own)
            word, _, _, _ = _words(tl.load(keys + net), tl.load(clock), USE, place)
            tl.store(beside, (_uniform(word) < probs).to(tl.float32), mask=own)
        if MODE == 2:  # `other` are the probabilities given the data
            data_probs = tl.load(beside, mask=own, other=0.0)
            tl.store(at, -probs, mask=own)
            total = tl.sum(tl.where(own, data_probs - probs, 0.0), 0)
            _move_bias(bias, velocity, step, net, units, total, n, real_columns)
        if MODE == 3:  # `other` are the data
            given = tl.load(beside, mask=own, other=0.0)
            missed = tl.where(own, given - probs, 0.0)
            before = tl.load(errors + units, mask=real_columns, other=0.0)
            tl.store(errors + units, before + tl.sum(missed * missed, 0), mask=real_columns)
            if DRAWN:
                word, _, _, _ = _words(tl.load(keys + net), tl.load(clock), USE, place)
                probs = (_uniform(word) < probs).to(tl.float32)
                missed = tl.where(own, given - probs, 0.0)
            tl.store(at, probs, mask=own)
            _move_bias(bias, velocity, step, net, units, tl.sum(missed, 0), n, real_columns)


def product(
    mode: int, left: Tensor, weights: Tensor, bias: Tensor, out: Tensor, other: Any = None,
    velocity: Any = None, step: Any = None, errors: Any = None, draws: Any = None,
    down: bool = False,
) -> None:  # fmt: skip
    """One of the modes, of a batch of at most `MOST_CASES`; `down` by the transposed weights."""
    n_nets, n, n_from = left.shape
    n_to = out.shape[2]
    units, inner, warps, stages, swap = TILES[mode]
    other = out if other is None else other
    keys, clock = (bias, bias) if draws is None else (draws.keys, draws.clock)
    _product_kernel[triton.cdiv(n_to, units), n_nets](
        left, left.stride(0), weights, bias, out, out.stride(0), other, other.stride(0),
        bias if velocity is None else velocity, bias if step is None else step,
        bias if errors is None else errors, keys, clock, n, n_from, n_to, MODE=mode, DOWN=down,
        DRAWN=draws is not None, USE=_FIRE if mode == FIRE else _RECON, ROWS=_padded(n),
        COLUMNS=units, INNER=inner, SWAP=swap, PRECISION=_precision(), num_warps=warps,
        num_stages=stages,
    )  # fmt: skip
