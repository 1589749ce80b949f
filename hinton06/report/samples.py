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
    columns = _columns(samples)
    return [
        grids.tile(grids.ink(samples.images[:, number]), columns, INK_GAP)
        for number in range(samples.images.shape[1])
    ]


def _columns(samples: Samples) -> int:
    rows = samples.clamped is not None and len(samples.clamped) > 1 and samples.chains > 1
    return samples.chains if rows else grids.columns_for(len(samples.images))


def picture(samples: Samples) -> Grey:
    """The `grid`, enlarged, with its labels: of each row if clamped, else above each sample."""
    n_chains, n_samples, *shape = samples.images.shape
    labels = samples.fantasies.labels
    if labels is None:
        return grids.enlarged(grid(samples))
    if samples.clamped is not None and n_samples > 1:
        names = [str(label) for label in labels[:, 0]]
        return grids.with_row_names(grids.enlarged(grid(samples)), names)
    columns = n_samples if n_samples > 1 else _columns(samples)
    pictures = grids.ink(samples.images).reshape(n_chains * n_samples, *shape)
    return grids.with_names(pictures, columns, INK_GAP, [str(label) for label in labels.flat])


def animation(samples: Samples, gibbs: int) -> list[Grey]:
    """The `frames`, enlarged, each with the labels of its samples and the rounds until then."""
    columns, labels, drawn = _columns(samples), samples.fantasies.labels, []
    for number, frame in enumerate(frames(samples)):
        if labels is None:
            shown = grids.enlarged(frame)
        else:
            names = [str(label) for label in labels[:, number]]
            ink = grids.ink(samples.images[:, number])
            shown = grids.with_names(ink, columns, INK_GAP, names)
        counted_in = "dream" if samples.ancestral else "round"
        rounds = grids.line(f"{counted_in} {(1 if samples.ancestral else gibbs) * (number + 1):,}")
        drawn.append(grids.above_each_other([shown, rounds]))
    return _of_one_size(drawn)


def _of_one_size(pictures: list[Grey]) -> list[Grey]:
    """Each as wide as the widest: the counter of rounds grows."""
    width = max(picture.shape[1] for picture in pictures)
    blank = np.full((0, width), 255, np.uint8)
    return [grids.above_each_other([picture, blank]) for picture in pictures]


def save(samples: Samples, path: Path, form: str, title: str, gibbs: int) -> None:
    """Write the samples, `gibbs` rounds apart, in one of `FORMATS`, or raise `ReportError`."""
    if form == "gif":
        content = grids.gif(animation(samples, gibbs))
    else:
        drawn = picture(samples)
        content = grids.svg(drawn, title) if form == "svg" else grids.png(drawn)
    files.save(path, content)


def describe(samples: Samples, options: SamplingOptions) -> str:
    """What was sampled, in a line."""
    n_chains, n_samples = samples.images.shape[:2]
    if samples.clamped is not None:
        word = "label" if len(samples.clamped) == 1 else "labels"
        labels = f", {word} {', '.join(map(str, samples.clamped))} clamped"
    else:
        labels = "" if samples.fantasies.labels is None else ", labels free"
    if samples.ancestral:
        anew = "each anew from the top"
        return f"{counted(n_chains, 'row')} of {counted(n_samples, 'dream')}, {anew}{labels}"
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
        "gibbs": None if samples.ancestral else options.gibbs,
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
