"""Digits with the free energies of a net's labels as bars, on a terminal and as a picture.

"The label that gives the lowest free-energy is the network's guess": "Using contrastive wake-sleep
for generative fine-tuning".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hinton06.numerics import Array, Labels
from hinton06.report import curves, grids
from hinton06.report.bars import bars


@dataclass(frozen=True, eq=False)
class Shown:
    """A test case, by its place: its class, why it is shown, and the (n_labels,) `above`.

    That is by how many nats the free energy with each label is above the lowest one. `classes` are
    the data's own labels, where they are not 0, 1, 2 and so on.
    """

    test_case: int
    label: int
    why: str
    above: NDArray[np.float64]
    classes: tuple[int, ...] = ()

    @property
    def guess(self) -> int:
        """The class of the lowest free energy."""
        return int(self.above.argmin())

    @property
    def title(self) -> str:
        """What it is, in words."""
        names = self.names
        taken = "" if self.guess == self.label else f", taken for {names[self.guess]}"
        return f"{self.why}: test case {self.test_case}, label {names[self.label]}{taken}"

    @property
    def names(self) -> list[str]:
        """Each label, in words."""
        return [str(label) for label in self.classes or range(len(self.above))]


def choose(energies: Array, labels: Labels, classes: tuple[int, ...] = ()) -> list[Shown]:
    """The case of (n, n_labels) `energies` that is right most surely, the least, and most wrong.

    Sure by the lead of the lowest over the second lowest energy; the last only if one is wrong, the
    others only if one is right. (n,) `labels` are places among the `classes`.
    """
    above = energies.astype(np.float64)
    above -= above.min(axis=1, keepdims=True)
    lead = np.sort(above, axis=1)[:, 1] if above.shape[1] > 1 else np.zeros(len(above))
    right = above.argmin(axis=1) == labels
    chosen = []
    for cases, sign, why in (
        (right, 1, "The surest of the right guesses"),
        (right, -1, "The least sure of the right guesses"),
        (~right, 1, "The surest of the wrong guesses"),
    ):
        places = np.flatnonzero(cases)
        if len(places):
            place = int(places[(sign * lead[places]).argmax()])
            chosen.append(Shown(place, int(labels[place]), why, above[place], classes))
    return chosen


def text(case: Shown, image: NDArray[Any], console: Console) -> Table:
    """A case for a terminal: its image, (rows, columns) in [0, 1], beside a bar for each label."""
    digit = Text("\n").join(grids.preview_lines(image[np.newaxis], [""], console))
    width = console.measure(digit).maximum
    notes = ["" for _ in case.above]
    notes[case.label] = " its label"
    notes[case.guess] = " the guess" + (" and its label" if case.guess == case.label else "")
    texts = [f"{value:.2f}{note}" for value, note in zip(case.above, notes, strict=True)]
    rows = list(zip(case.names, case.above, texts, strict=True))
    beside = Table.grid(padding=(0, 2, 0, 0))
    room = min(console.width, 80) - width - 2
    beside.add_row(digit, Text("\n").join(bars(rows, room, console)))
    return beside


@curves.own_style()
def picture(cases: Sequence[Shown], images: NDArray[Any]) -> bytes:
    """The cases, and their (n, rows, columns) images in [0, 1], in a PNG file."""
    figure = Figure(figsize=(3.4 * len(cases), 4.6), layout="constrained")
    axes = figure.subplots(2, len(cases), squeeze=False, height_ratios=(1, 1.4))
    for column, (case, image) in enumerate(zip(cases, images, strict=True)):
        digit, energies = axes[:, column]
        digit.imshow(grids.ink(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        digit.set_axis_off()
        digit.set_title(case.title.replace(": ", "\n"), fontsize=10)
        names = case.names
        names[case.guess] = f"guess {names[case.guess]}"
        energies.barh(range(len(names)), case.above)
        energies.set_yticks(range(len(names)), names)
        energies.invert_yaxis()
        energies.set_xlabel("free energy above the lowest (nats)")
        energies.set_ylabel("label")
    return curves.saved(figure, "png")
