"""Samples from a net as files, as JSON values and on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hinton06.recipes import counted
from hinton06.records import Tree
from hinton06.report import files, grids
from hinton06.report.grids import INK_GAP, Grey
from hinton06.sampling import Samples, SamplingOptions

FORMATS = ("png", "svg", "gif")
"""A grid as a bitmap or a vector file, and an animation of the chains."""

_MAX_PREVIEWS = 20


def grid(samples: Samples) -> Grey:
    """All samples in one picture: a row for each chain, from its first sample to its last.

    One sample of each chain is laid out like a frame of the animation. The chapter's Figure 5.
    """
    n_chains, n_samples, *shape = samples.images.shape
    if n_samples == 1:
        return frames(samples)[0]
    pictures = grids.ink(samples.images).reshape(n_chains * n_samples, *shape)
    return grids.tile(pictures, n_samples, INK_GAP)


def frames(samples: Samples) -> list[Grey]:
    """One picture for each step of the chains, side by side: a row for each clamped label.

    Where there is one chain for each label, or no label is clamped, in a near-square grid.
    """
    rows = samples.clamped is not None and len(samples.clamped) > 1 and samples.chains > 1
    columns = samples.chains if rows else grids.columns_for(len(samples.images))
    return [
        grids.tile(grids.ink(samples.images[:, number]), columns, INK_GAP)
        for number in range(samples.images.shape[1])
    ]


def save(samples: Samples, path: Path, form: str, title: str) -> None:
    """Write the samples, in one of `FORMATS`, to a file, or raise `ReportError`."""
    if form == "gif":
        content = grids.gif([grids.enlarged(frame) for frame in frames(samples)])
    else:
        picture = grids.enlarged(grid(samples))
        content = grids.svg(picture, title) if form == "svg" else grids.png(picture)
    files.save(path, content)


def describe(samples: Samples, options: SamplingOptions) -> str:
    """What was sampled, in a line."""
    n_chains, n_samples = samples.images.shape[:2]
    if samples.clamped is not None:
        labels = f", labels {', '.join(map(str, samples.clamped))} clamped"
    else:
        labels = "" if samples.fantasies.labels is None else ", labels free"
    return (
        f"{counted(n_chains, 'chain')} of {counted(n_samples, 'sample')}, "
        f"{counted(options.gibbs, 'Gibbs round')} before each{labels}"
    )


def values(samples: Samples, options: SamplingOptions, path: Path, made: Sequence[Path]) -> Tree:
    """What was sampled and which files show it, as JSON values."""
    n_chains, n_samples = samples.images.shape[:2]
    labels = samples.fantasies.labels
    return {
        "checkpoint": str(path),
        "files": [str(file) for file in made],
        "layer": options.layer,
        "clamped_labels": None if samples.clamped is None else list(samples.clamped),
        "chains": n_chains,
        "samples": n_samples,
        "gibbs": options.gibbs,
        "seed": options.seed,
        "image_shape": list(samples.shape),
        "labels": None if labels is None else labels.tolist(),
    }


def preview(samples: Samples) -> None:
    """Print the last sample of each of the first chains, small, on standard output."""
    last, labels = samples.images[:_MAX_PREVIEWS, -1], samples.fantasies.labels
    titles = [""] * len(last) if labels is None else [str(label) for label in labels[:, -1]]
    grids.preview(last, titles[: len(last)], Console(highlight=False))
