"""The chapter's Figures 2, 3 and 5 and learning curves, drawn from finished files.

Reads files and trains nothing. Beside each picture lie the numbers it was drawn from.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hinton06 import measuring, opening, records, samples
from hinton06.checkpoint import Checkpoint, Tree
from hinton06.mnist import Digits
from hinton06.numerics import Array
from hinton06.opening import Context
from hinton06.report import curves, grids
from hinton06.report import samples as sample_report
from hinton06.report.files import ReportError
from hinton06.report.files import save as save_file

FIGURES = ("2", "3", "5", "curves")

_COLOURS = [f"C{number}" for number in range(10)]
_UNSURE = 0.3


@dataclass(frozen=True)
class Choice:
    """Which figures, and what is in them.

    Parameters
    ----------
    only : tuple of str
        Of `FIGURES`; all that the files can give when empty.
    cases : int
        Digits in Figure 2.
    features : tuple of int, optional
        The feature detectors of Figure 3, from 1; drawn at random when not given.
    random_features : int
        How many, at random, or all if there are fewer.
    gibbs : int
        Rounds between the samples of Figure 5.
    seed : int
        Of the features and of the samples.
    """

    only: tuple[str, ...] = ()
    cases: int = 49
    features: tuple[int, ...] | None = None
    random_features: int = 100
    gibbs: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn.

    Parameters
    ----------
    figure : str
        One of `FIGURES`.
    about : str
        What it shows, in words.
    files : tuple of Path
    """

    figure: str
    about: str
    files: tuple[Path, ...]


def draw(context: Context, paths: Sequence[Path], folder: Path, choice: Choice) -> list[Drawn]:
    """Draw what each file can give, and the learning curves of all of them together.

    Parameters
    ----------
    context : Context
    paths : sequence of Path
        Classifiers, generative nets and stacks. Of a file that is not finished only the
        learning curves are drawn.
    folder : Path
        Made if need be. The files of Figure 2 from ``bp-a.h5`` are ``figure2-bp-a.png``,
        ``.svg`` and ``.json``; the curves are ``learning-curves.png``, ``.svg`` and ``.csv``.
    choice : Choice

    Returns
    -------
    list of Drawn

    Raises
    ------
    CheckpointError, RunError, ReportError
        If a file cannot be read or written, does not fit the data, lacks a chosen feature, or
        if there is nothing to draw.
    """
    names = [path.stem.removesuffix(".h5") for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise ReportError(f"two files are named {name}, and their figures would be too")
    loaded = [records.load(path) for path in paths]
    wanted = choice.only or FIGURES
    # Figure 3 first: it takes no time, and looks whether the chosen features exist.
    jobs: list[tuple[Callable[[_Source], Drawn], _Source]] = []
    for number, make in (("3", _figure3), ("2", _figure2), ("5", _figure5)):
        for path, name, found in zip(paths, names, loaded, strict=True):
            why_not = _lacks(found, number)
            if number in wanted and not why_not:
                target = folder / f"figure{number}-{name}"
                jobs.append((make, _Source(context, path, found, target, choice)))
            elif number in choice.only:
                context.progress.note(f"{path}: gives no Figure {number}: {why_not}")
    drawn = sorted((make(source) for make, source in jobs), key=lambda each: each.figure)
    if "curves" in wanted:
        drawn += _learning_curves(dict(zip(names, loaded, strict=True)), folder)
    if not drawn:
        raise ReportError("these files give none of the chosen figures")
    return drawn


@dataclass(frozen=True, eq=False)
class _Source:
    """What a figure is drawn from, and the name of its files without their endings."""

    context: Context
    path: Path
    found: Checkpoint
    target: Path
    choice: Choice

    def save(self, figure: str, about: str, png: bytes, svg: bytes, numbers: Tree) -> Drawn:
        """Write the picture in both formats, and its numbers."""
        document = {
            "figure": figure,
            "about": about,
            "checkpoint": str(self.path),
            "sha256": self.found.digest(),
            "data": self.context.digits.sha256,
            **numbers,
        }
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        contents: dict[str, bytes | str] = {".png": png, ".svg": svg, ".json": text}
        made = []
        for ending, content in contents.items():
            made.append(self.target.with_name(self.target.name + ending))
            save_file(made[-1], content)
        return Drawn(figure, about, tuple(made))


def _lacks(found: Checkpoint, number: str) -> str:
    """Why a file cannot give a figure, in words; empty if it can."""
    if not found.complete:
        return "it is not finished"
    if number == "3" or (number == "2" and found.stage == "classifier"):
        return ""
    if found.stage == "classifier":
        return "a classifier generates nothing"
    top = found.model if found.stage == "generative" else found.model.get(f"rbm{len(found.model)}")
    if not isinstance(top, dict) or not top.get("n_labels"):
        return "it was learned without labels"
    if number == "2" and found.stage == "stack" and len(found.model) != 3:
        return "only stacks of three layers recognise"
    return ""


# -- Figure 2 ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HardCase:
    """A test digit that a net gets right without being sure.

    Parameters
    ----------
    test_case : int
        Its place in the test set, from 0.
    label, second : int
        Its class, and the net's second guess.
    probability, second_probability : float
        That the net gives to them.
    """

    test_case: int
    label: int
    second: int
    probability: float
    second_probability: float

    @property
    def margin(self) -> float:
        """By how much the right guess leads the second."""
        return self.probability - self.second_probability


def hard_cases(
    log_probabilities: Array, labels: NDArray[np.integer[Any]], n: int
) -> list[HardCase]:
    """The cases that are recognised, but with the least lead over the second guess.

    Parameters
    ----------
    log_probabilities : (n_cases, n_classes) array, in nats
    labels : (n_cases,) integers in [0, n_classes)
    n : int
        At most so many; of equal leads the earlier case counts as harder.

    Returns
    -------
    list of HardCase
        In the order of their classes, and in each class in the order of the cases.

    Source
    ------
    "gets all of these examples right ... not confident about its classification for any of
    these examples. The true classes are arranged in standard scan order", Figure 2. The lead
    over the second guess is the measure of Hinton, Osindero and Teh (2006), who show the cases
    with less than 0.3.
    """
    probs = np.exp(log_probabilities.astype(np.float64))
    right = np.flatnonzero(log_probabilities.argmax(axis=1) == labels)
    others = probs[right].copy()
    others[np.arange(len(right)), labels[right]] = -1
    second = others.argmax(axis=1)
    best = probs[right, labels[right]]
    margins = best - others[np.arange(len(right)), second]
    hardest = np.argsort(margins, kind="stable")[:n]
    hardest = hardest[np.lexsort((right[hardest], labels[right[hardest]]))]
    return [
        HardCase(
            int(right[i]), int(labels[right[i]]), int(second[i]), float(best[i]),
            float(probs[right[i], second[i]]),
        )
        for i in hardest
    ]  # fmt: skip


def _figure2(source: _Source) -> Drawn:
    digits = source.context.digits
    logs = measuring.recognise_test_cases(source.context, source.path)
    cases = hard_cases(logs, digits.test_labels, source.choice.cases)
    if not cases:
        raise ReportError(f"{source.path}: gets no test case right")
    columns = grids.columns_for(len(cases))
    figure = _digits_with_guesses(cases, columns, digits)
    right = logs.argmax(axis=1) == digits.test_labels
    everyone = hard_cases(logs, digits.test_labels, len(logs))
    about = (
        f"{len(cases)} of the {int(right.sum()):,} test digits that {source.path.name} gets right, "
        f"those it is least sure of; its guess and its second guess"
    )
    numbers = {
        "right": int(right.sum()),
        "errors": int(len(right) - right.sum()),
        f"right_with_lead_below_{_UNSURE}": sum(case.margin < _UNSURE for case in everyone),
        "cases": [
            {
                "row": number // columns + 1,
                "column": number % columns + 1,
                **dataclasses.asdict(case),
                "lead": case.margin,
                "probabilities": np.exp(logs[case.test_case].astype(np.float64)).tolist(),
            }
            for number, case in enumerate(cases)
        ],
    }
    png, svg = curves.saved(figure, "png"), curves.saved(figure, "svg")
    return source.save("2", about, png, svg, numbers)


def _digits_with_guesses(cases: Sequence[HardCase], columns: int, digits: Digits) -> Figure:
    """Each digit with its class, the second guess, and the probabilities of both above it."""
    wide, high, gap = 1.05, 1.3, 0.05  # inches
    rows = -(-len(cases) // columns)
    width, height = wide * columns + gap, high * rows + gap
    figure = Figure(figsize=(width, height))
    for number, case in enumerate(cases):
        row, column = divmod(number, columns)
        left, bottom, side = wide * column + gap, height - high * (row + 1), wide - gap
        place = (left / width, bottom / height, side / width, side / height)
        axes = figure.add_axes(place)
        axes.set_axis_off()
        image = digits.test_images[case.test_case].reshape(digits.shape) / 255
        axes.imshow(grids.ink(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(
            f"{case.label}: {case.probability:.2f}\n{case.second}: {case.second_probability:.2f}",
            fontsize=8, pad=1,
        )  # fmt: skip
    return figure


# -- Figure 3 ------------------------------------------------------------------------------------


def _figure3(source: _Source) -> Drawn:
    weights = _pixel_weights(source)
    chosen = _chosen_features(source, weights.shape[1])
    shape = source.context.digits.shape
    fields = weights[:, chosen].T
    columns = grids.columns_for(len(chosen))
    pictures = grids.receptive_fields(fields).reshape(-1, *shape)
    picture = grids.enlarged(grids.tile(pictures, columns, grids.FIELD_GAP))
    about = (
        f"receptive fields of {len(chosen)} of the {weights.shape[1]} first-layer features of "
        f"{source.path.name}; white: weights of 3 and more, black: of -3 and less"
    )
    numbers = {
        "seed": None if source.choice.features else source.choice.seed,
        "white": 3,
        "black": -3,
        "features": [
            {
                "row": number // columns + 1,
                "column": number % columns + 1,
                "feature": int(feature) + 1,
                "smallest_weight": float(field.min()),
                "largest_weight": float(field.max()),
            }
            for number, (feature, field) in enumerate(zip(chosen, fields, strict=True))
        ],
    }
    return source.save("3", about, grids.png(picture), grids.svg(picture, about), numbers)


def _pixel_weights(source: _Source) -> Array:
    """The incoming weights of the first feature detectors from all pixels: (pixels, features)."""
    digits = source.context.digits
    if source.found.stage == "classifier":
        weights = opening.load_net(source.path, source.found).weights[0]
        if len(weights) != digits.n_pixels:
            raise ReportError(
                f"{source.path}: has {len(weights)} inputs, but images of {digits.name} have "
                f"{digits.n_pixels} pixels"
            )
        return weights
    generator = opening.load_generator(source.path, digits)
    return generator.up[0][0] if generator.up else generator.rbm.weights[: generator.n_pixels]


def _chosen_features(source: _Source, n: int) -> NDArray[np.intp]:
    chosen = source.choice.features
    if chosen is None:
        rng = np.random.default_rng(source.choice.seed)
        count = min(source.choice.random_features, n)
        return np.sort(rng.choice(n, count, replace=False)).astype(np.intp)
    outside = [feature for feature in chosen if not 1 <= feature <= n]
    if outside:
        raise ReportError(f"{source.path}: has first-layer features 1 to {n}, not {outside[0]}")
    return np.array(chosen, np.intp) - 1


# -- Figure 5 ------------------------------------------------------------------------------------


def _figure5(source: _Source) -> Drawn:
    how = samples.Sampling(gibbs=source.choice.gibbs, seed=source.choice.seed)
    made = samples.sample(source.context, source.path, how)
    about = f"{source.path.name}: {sample_report.describe(made, how)}; a row for each label"
    picture = grids.enlarged(sample_report.grid(made))
    numbers = {
        "gibbs": how.gibbs,
        "seed": how.seed,
        "threads": source.context.threads,
        "labels_of_rows": None if made.clamped is None else list(made.clamped),
        "samples_in_a_row": how.samples,
        "image_shape": list(made.shape),
    }
    return source.save("5", about, grids.png(picture), grids.svg(picture, about), numbers)


# -- learning curves -----------------------------------------------------------------------------


def _learning_curves(named: dict[str, Checkpoint], folder: Path) -> list[Drawn]:
    drawn = [
        curves.Curve(name, _COLOURS[number % len(_COLOURS)], found)
        for number, (name, found) in enumerate(named.items())
    ]
    panels = [
        panel for panel in (*curves.DISCRIMINATIVE, *curves.GENERATIVE)
        if any(panel.shows(found) for found in named.values())
    ]  # fmt: skip
    if not panels:
        return []
    contents: dict[str, bytes | str] = {
        "learning-curves.png": curves.draw(drawn, panels, "png"),
        "learning-curves.svg": curves.draw(drawn, panels, "svg"),
        "learning-curves.csv": curves.comma_separated(drawn),
    }
    for name, content in contents.items():
        save_file(folder / name, content)
    about = f"learning curves of {', '.join(named)}"
    return [Drawn("curves", about, tuple(folder / name for name in contents))]


def values(drawn: Sequence[Drawn]) -> list[Tree]:
    """What was drawn, as JSON values."""
    return [
        {"figure": each.figure, "about": each.about, "files": [str(file) for file in each.files]}
        for each in drawn
    ]
