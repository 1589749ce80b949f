"""Finished stacks and generative nets asked how probable they think images are.

log p of an RBM, and the variational bound of the nets above it, layer by layer: see
`hinton06.likelihood`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hinton06 import directed, likelihood, numerics
from hinton06.directed import Dreamer
from hinton06.evaluation import EVERY_CASE, PARTS, CaseSelection, parts_of
from hinton06.generation import Generator
from hinton06.likelihood import LogZ, Tick
from hinton06.loading import Context, RunFile, load
from hinton06.recipes import LikelihoodSettings
from hinton06.recognition import Cases
from hinton06.streams import Use, stream
from hinton06.training import RunError

_BASE_CASES = 10_000
"""Training cases, at most, that base rates are of."""

_BLOCK = 10_000  # images made binary at a time


@dataclass(frozen=True)
class LogP:
    """Mean log p of so many images, or a bound on it, and its standard error: nats an image."""

    cases: int
    mean: float
    standard_error: float


@dataclass(frozen=True, eq=False)
class Likelihood:
    """What the lowest `layer` RBMs of a stack, or a whole net (None), think of images.

    `log_ps` by part: exact but for log Z with one layer, else the variational bound; `labelled`: of
    an image together with its label. `seconds` is wall time, `file` what was loaded.
    """

    file: RunFile
    layer: int | None
    labelled: bool
    log_z: LogZ
    log_ps: Mapping[str, LogP]
    seconds: float


def estimate(
    context: Context,
    paths: Sequence[Path],
    settings: LikelihoodSettings,
    layers: Sequence[int] = (),
    selection: CaseSelection = EVERY_CASE,
    seed: int = 0,
) -> list[Likelihood]:
    """Estimate log Z and log p of images: layer by layer of stacks, or some `layers`; of nets.

    An RBM with label units gives two results: of images, and of images with their labels. Every
    model is asked about the same binary images. Raises `CheckpointError` or `RunError`, before
    anything is estimated, if a file generates nothing, has no such layer, does not fit the data or
    lacks a chosen part of the cases. Source: Salakhutdinov and Murray (2008).
    """
    plans = []
    for path in paths:
        file = load(path).finished()
        generators = {layer: file.generator(layer) for layer in _layers(file, layers)}
        digits = file.fitted(context.digits)
        parts_of(file, digits, selection)
        plans.append((file, generators, digits))
    if layers and not any(file.kind.name == "stack" for file, *_ in plans):
        raise RunError(f"{paths[0]}: only a stack has layers to choose from")
    found = []
    for file, generators, digits in plans:
        every = parts_of(file, digits, EVERY_CASE)
        parts = parts_of(file, digits, selection)
        learned = every.get("train", every["test"])  # of other data nobody can say
        for layer, generator in generators.items():
            title = f"likelihood {file.path.name}" + (f" layer {layer}" if layer else "")
            started = time.perf_counter()
            with context.shown(title, 1.0) as tick:
                log_z, log_ps = _estimated(generator, learned, parts, settings, seed, tick)
            seconds = time.perf_counter() - started
            for labelled, own in log_ps.items():
                found.append(Likelihood(file, layer, labelled, log_z, own, seconds))
                _check_finite(found[-1])
    return found


def _layers(file: RunFile, wanted: Sequence[int]) -> Sequence[int | None]:
    """The layers of a stack that are asked, from 1, or None for a net that is asked as a whole."""
    if file.kind.name != "stack":
        return [None]
    return list(dict.fromkeys(wanted)) or range(1, len(file.model) + 1)


def _estimated(
    generator: Generator | Dreamer,
    learned: Cases,
    parts: Mapping[str, Cases],
    settings: LikelihoodSettings,
    seed: int,
    tick: Tick,
) -> tuple[LogZ, dict[bool, dict[str, LogP]]]:
    """Log Z, and log p of each part's images: alone and, where there are labels, with them."""
    log_z, annealing, asked = LogZ(exact=0.0), 0.0, 1.0  # a directed net is normalised
    if isinstance(generator, Generator):
        weights = generator.rbm.weights.size
        annealing = 4.0 * settings.chains * settings.temperatures * weights
        asked = sum(2.0 * layer[0].size for layer in generator.up) + weights
    whole = annealing + asked * sum(map(len, parts.values()))
    if isinstance(generator, Generator):
        log_z = _log_z(
            generator, learned, settings, seed, lambda share: tick(share * annealing / whole)
        )
    ways = (False, True) if generator.n_labels else (False,)
    found: dict[bool, dict[str, LogP]] = {labelled: {} for labelled in ways}
    for part, cases in parts.items():
        place = seed, PARTS.index(part)
        for labelled, values in found.items():
            logs = _log_weights(generator, cases, labelled, settings.binary, place)
            error = float(logs.std(ddof=1)) / math.sqrt(len(logs)) if len(logs) > 1 else 0.0
            values[part] = LogP(len(logs), float(logs.mean()) - log_z.value, error)
        tick(asked * len(cases) / whole)
    return log_z, found


def _log_z(
    generator: Generator, learned: Cases, settings: LikelihoodSettings, seed: int, tick: Tick
) -> LogZ:
    """Log Z of a generator's RBM, its base rates those of training cases."""
    rng = stream(seed, Use.LOG_Z)
    rows = rng.permutation(len(learned))[:_BASE_CASES]
    images = likelihood.binarised(learned.images[rows], rng, settings.binary)
    labels = learned.labels[rows] if generator.n_labels else None
    states = likelihood.visible_states(generator, images, rng, labels)
    return likelihood.estimate_log_z(
        generator.rbm, states, rng, settings.chains, settings.temperatures, settings.rounds, tick
    )


def _log_weights(
    generator: Generator | Dreamer, cases: Cases, labelled: bool, binary: str,
    place: tuple[int, int],
) -> likelihood.Floats:  # fmt: skip
    """`likelihood.log_weights` of a part's images, the same binary ones for every model."""
    pixels, up = (stream(place[0], use, place[1]) for use in (Use.BINARY_PIXELS, Use.UP_PASSES))
    logs = np.empty(len(cases))
    for rows in numerics.batches(len(cases), _BLOCK):
        images = likelihood.binarised(cases.images[rows], pixels, binary)
        labels = cases.labels[rows] if labelled else None
        if isinstance(generator, Dreamer):
            logs[rows] = directed.log_weights(generator.net, images, up, labels)
        else:
            logs[rows] = likelihood.log_weights(generator, images, up, labels)
    return logs


def _check_finite(found: Likelihood) -> None:
    values = [found.log_z.value, *(each.mean for each in found.log_ps.values())]
    if not all(map(math.isfinite, [*values, found.log_z.gap or 0.0])):
        raise RunError(f"{found.file.path}: weights so large that log p is not a finite number")
