"""Samples from a net as files, as JSON values and on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hinton06.checkpoint import Tree
from hinton06.report import grids
from hinton06.report.files import save as save_file
from hinton06.report.grids import INK_GAP, Grey
from hinton06.samples import Samples, Sampling

FORMATS = ("png", "svg", "gif")
"""A grid as a bitmap or a vector file, and an animation of the chains."""

_MAX_PREVIEWS = 20


def grid(made: Samples) -> Grey:
    """All samples in one picture: a row for each chain, from its first sample to its last.

    Parameters
    ----------
    made : Samples

    Returns
    -------
    uint8 matrix
        One sample of each chain is laid out like a frame of the animation.

    Source
    ------
    Figure 5.
    """
    n_chains, n_samples, *shape = made.images.shape
    if n_samples == 1:
        return frames(made)[0]
    pictures = grids.ink(made.images).reshape(n_chains * n_samples, *shape)
    return grids.tile(pictures, n_samples, INK_GAP)


def frames(made: Samples) -> list[Grey]:
    """One picture for each step of the chains, side by side: a row for each clamped label.

    Parameters
    ----------
    made : Samples

    Returns
    -------
    list of uint8 matrices, one for each sample of a chain
        Where there is one chain for each label, or no label is clamped, in a near-square grid.
    """
    rows = made.clamped is not None and len(made.clamped) > 1 and made.chains > 1
    columns = made.chains if rows else grids.columns_for(len(made.images))
    return [
        grids.tile(grids.ink(made.images[:, sample]), columns, INK_GAP)
        for sample in range(made.images.shape[1])
    ]


def save(made: Samples, path: Path, form: str, title: str) -> None:
    """Write the samples to a file.

    Parameters
    ----------
    made : Samples
    path : Path
    form : str
        One of `FORMATS`.
    title : str
        What the picture shows, in words.

    Raises
    ------
    ReportError
        If the file cannot be written.
    """
    if form == "gif":
        content = grids.gif([grids.enlarged(frame) for frame in frames(made)])
    elif form == "svg":
        content = grids.svg(grids.enlarged(grid(made)), title)
    else:
        content = grids.png(grids.enlarged(grid(made)))
    save_file(path, content)


def describe(made: Samples, how: Sampling) -> str:
    """What was sampled, in a line."""
    n_chains, n_samples = made.images.shape[:2]
    if made.clamped is not None:
        labels = f", labels {', '.join(map(str, made.clamped))} clamped"
    else:
        labels = "" if made.fantasies.labels is None else ", labels free"
    return (
        f"{_count(n_chains, 'chain')} of {_count(n_samples, 'sample')}, "
        f"{_count(how.gibbs, 'Gibbs round')} before each{labels}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def values(made: Samples, how: Sampling, path: Path, files: Sequence[Path]) -> Tree:
    """What was sampled and which files show it, as JSON values."""
    n_chains, n_samples = made.images.shape[:2]
    labels = made.fantasies.labels
    return {
        "checkpoint": str(path),
        "files": [str(file) for file in files],
        "layer": how.layer,
        "clamped_labels": None if made.clamped is None else list(made.clamped),
        "chains": n_chains,
        "samples": n_samples,
        "gibbs": how.gibbs,
        "seed": how.seed,
        "image_shape": list(made.shape),
        "labels": None if labels is None else labels.tolist(),
    }


def preview(made: Samples) -> None:
    """Print the last sample of each of the first chains, small, on standard output."""
    console = Console(highlight=False)
    last = made.images[:_MAX_PREVIEWS, -1]
    labels = made.fantasies.labels
    titles = [""] * len(last) if labels is None else [str(label) for label in labels[:, -1]]
    grids.preview(last, titles[: len(last)], console)
