"""The chapter's Figure 5 as a library call: samples from what a file holds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hinton06.directed import Dreamer, NoDreamError
from hinton06.generation import Fantasies
from hinton06.loading import Context, load
from hinton06.mnist import shown_classes
from hinton06.streams import Use, stream
from hinton06.training import RunError

MAX_SAMPLES = 100_000
"""Samples in one picture."""


@dataclass(frozen=True)
class SamplingOptions:
    """How to sample; the defaults are those of Figure 5.

    `labels`: those clamped, one a row, None for every label of a net that has labels, or ``"free"``
    for label units that are sampled too. `chains`: for each clamped label, or in all (by default 1
    for each label, else 10). `gibbs` rounds go before each of the `samples` of a chain. `layer`:
    the RBM of a stack, 1 at the bottom; the top one when not given.
    """

    labels: tuple[int, ...] | Literal["free"] | None = None
    chains: int | None = None
    samples: int = 10
    gibbs: int = 1000
    layer: int | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Samples:
    """What was sampled: chains in the order of the `clamped` labels, those of one together.

    Labels, those of the `fantasies` too, are the data's own.

    `chains` is their number for each clamped label, or in all; `shape` the rows and columns of an
    image; `ancestral`: every sample comes anew from the top of a directed net, without rounds.
    """

    fantasies: Fantasies
    clamped: tuple[int, ...] | None
    chains: int
    shape: tuple[int, int]
    ancestral: bool = False

    @property
    def images(self) -> NDArray[np.floating[Any]]:
        """Pixel probabilities: (n_chains, n_samples, rows, columns)."""
        return self.fantasies.images.reshape(*self.fantasies.images.shape[:2], *self.shape)


def sample(context: Context, path: Path, options: SamplingOptions = SamplingOptions()) -> Samples:
    """Let the net in a file generate images: the same for equal options and threads.

    Raises `CheckpointError` or `RunError` if the file cannot be read or generates nothing, if it
    has no such layer or labels, or if more than `MAX_SAMPLES` are asked for. Source: Figure 5, and
    "alternating Gibbs sampling" in "Learning one layer of feature detectors".
    """
    file = load(path)
    generator = file.generator(options.layer)
    file.check_pixels(context.digits)
    classes = file.classes if generator.n_labels else ()
    clamped = _clamped(path, classes, options)
    chains = options.chains or (10 if clamped is None else 1)
    n_chains = chains * (1 if clamped is None else len(clamped))
    if n_chains * options.samples > MAX_SAMPLES:
        raise RunError(f"{n_chains * options.samples:,} samples are more than {MAX_SAMPLES:,}")
    places = None if clamped is None else np.array([classes.index(c) for c in clamped], np.intp)
    labels = None if places is None else np.repeat(places, chains)
    rng = stream(options.seed, Use.DREAMS)
    with context.shown(f"sample {path.name}", options.samples * options.gibbs) as tick:
        try:
            made = generator.dream(n_chains, options.samples, options.gibbs, rng, labels, tick)
        except NoDreamError as error:
            dreamt = f"none of {error.dreams:,} dreams has the label {classes[error.label]}"
            raise RunError(f"{path}: {dreamt}") from None
    if made.labels is not None:
        made = dataclasses.replace(made, labels=np.array(classes, np.intp)[made.labels])
    ancestral = isinstance(generator, Dreamer)
    return Samples(made, clamped, chains, context.digits.shape, ancestral)


def _clamped(
    path: Path, classes: tuple[int, ...], options: SamplingOptions
) -> tuple[int, ...] | None:
    """The labels to clamp; None where they are free or there are none."""
    if options.labels is None:
        return classes or None
    if not classes:
        place = f"layer {options.layer} has" if options.layer else "has"
        raise RunError(f"{path}: {place} no label units (pretrain --labels learns them)")
    if options.labels == "free":
        return None
    outside = [label for label in options.labels if label not in classes]
    if outside:
        raise RunError(f"{path}: has labels {shown_classes(classes)}, not {outside[0]}")
    return options.labels
