"""Samples from a net as files, as JSON values and on a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.live import Live

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
        f"{_count(n_chains, 'chain')} of {_count(n_samples, 'sample')}, "
        f"{_count(options.gibbs, 'Gibbs round')} before each{labels}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
    grids.preview(*_previewed(samples, -1), Console(highlight=False))


def _previewed(samples: Samples, number: int) -> tuple[NDArray[np.floating[Any]], list[str]]:
    """One sample of each of the first chains, and the labels that were on."""
    shown, labels = samples.images[:_MAX_PREVIEWS, number], samples.fantasies.labels
    titles = [""] * len(shown) if labels is None else [str(label) for label in labels[:, number]]
    return shown, titles[: len(shown)]


def play(samples: Samples, console: Console) -> None:
    """Show the chains' samples one after the other, small, in one place of a terminal."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        console.show_cursor(True)  # whatever may end the process
        for number in range(samples.images.shape[1]):
            lines = grids.preview_lines(*_previewed(samples, number), console)
            live.update(Group(*lines), refresh=True)
            time.sleep(grids.FRAME_MS / 1000)
