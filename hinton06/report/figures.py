"""The chapter's Figures 2, 3 and 5 and learning curves, drawn from finished files.

Reads files and trains nothing. Beside each picture lie the numbers it was drawn from.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hinton06 import evaluation, sampling
from hinton06.loading import Context, RunFile, load
from hinton06.mnist import Digits
from hinton06.numerics import Array
from hinton06.records import Tree
from hinton06.report import curves, grids
from hinton06.report import samples as samples_report
from hinton06.report.files import ReportError
from hinton06.report.files import save as save_file
from hinton06.training import RunError

_COLOURS = [f"C{number}" for number in range(10)]
_FIGURES = ("2", "3", "5", "curves")
_UNSURE = 0.3


@dataclass(frozen=True)
class FigureOptions:
    """Which figures (all that the files can give when none is named), and what is in them.

    `cases` digits in Figure 2; in Figure 3 these feature detectors, from 1, or so many random
    ones; `gibbs` rounds between the samples of Figure 5; a seed of the features and of the samples.
    """

    only: tuple[str, ...] = ()
    cases: int = 49
    features: tuple[int, ...] | None = None
    random_features: int = 100
    gibbs: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class SavedFigure:
    """A figure that was drawn: which, what it shows in words, and its files."""

    figure: str
    about: str
    files: tuple[str, ...]


def draw(
    context: Context, paths: Sequence[Path], folder: Path, options: FigureOptions
) -> list[SavedFigure]:
    """Draw what each file can give, and the learning curves of all of them together.

    Of a file that is not finished only the learning curves. The files of Figure 2 from ``bp-a.h5``
    are ``figure2-bp-a.png``, ``.svg`` and ``.json``; the curves are ``learning-curves.png``,
    ``.svg`` and ``.csv``. Raises `CheckpointError`, `RunError` or `ReportError` if a file cannot be
    read or written, does not fit the data, lacks a chosen feature, or if there is nothing to draw.
    """
    names = [path.stem.removesuffix(".h5") for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise ReportError(f"two files are named {name}, and their figures would be too")
    files = dict(zip(names, map(load, paths), strict=True))
    # Figure 3 first: it takes no time, and looks whether the chosen features exist.
    jobs: list[tuple[Callable[[_Source], SavedFigure], _Source]] = []
    for number, make in (("3", _figure3), ("2", _figure2), ("5", _figure5)):
        for name, file in files.items():
            why_not = _why_not(file, number)
            if number not in (options.only or _FIGURES):
                continue
            if not why_not:
                target = folder / f"figure{number}-{name}"
                jobs.append((make, _Source(context, file, target, options)))
            elif options.only:
                context.progress.note(f"{file.path}: gives no Figure {number}: {why_not}")
    saved = sorted((make(source) for make, source in jobs), key=lambda each: each.figure)
    if "curves" in (options.only or _FIGURES):
        saved += _learning_curves(files, folder)
    if not saved:
        raise ReportError("these files give none of the chosen figures")
    return saved


@dataclass(frozen=True, eq=False)
class _Source:
    """What a figure is drawn from, and the name of its files without their endings."""

    context: Context
    file: RunFile
    target: Path
    options: FigureOptions

    def save(self, figure: str, about: str, png: bytes, svg: bytes, numbers: Tree) -> SavedFigure:
        """Write the picture in both formats, and its numbers."""
        document = {
            "figure": figure,
            "about": about,
            "checkpoint": str(self.file.path),
            "sha256": self.file.digest,
            "data": self.context.digits.sha256,
            **numbers,
        }
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        return _saved(figure, about, self.target, {".png": png, ".svg": svg, ".json": text})


def _saved(
    figure: str, about: str, target: Path, contents: Mapping[str, bytes | str]
) -> SavedFigure:
    """Write files that differ in their endings alone."""
    for ending, content in contents.items():
        save_file(target.with_name(target.name + ending), content)
    return SavedFigure(figure, about, tuple(f"{target}{ending}" for ending in contents))


def _why_not(file: RunFile, number: str) -> str:
    """Why a file cannot give a figure, in words; empty if it can."""
    try:
        file.finished()
        if number == "2":
            file.recogniser()
        elif number == "5" and not file.generator().n_labels:
            return "it was learned without labels"
    except RunError as error:
        return str(error).removeprefix(f"{file.path}: ")
    return ""


# -- Figure 2 ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HardCase:
    """A test digit that a net gets right without being sure, by its place in the test set.

    With its class, the second guess, and the probabilities that the net gives to them.
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
    """The n cases that are recognised, but with the least lead over the second guess.

    Of an (n_cases, n_classes) array, in nats, and (n_cases,) labels; in the order of their
    classes. Of equal leads the earlier case counts as harder.

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


def _figure2(source: _Source) -> SavedFigure:
    digits = source.context.digits
    logs = evaluation.recognise_test_cases(source.context, source.file.path)
    cases = hard_cases(logs, digits.test_labels, source.options.cases)
    if not cases:
        raise ReportError(f"{source.file.path}: gets no test case right")
    columns = grids.columns_for(len(cases))
    figure = _digits_with_guesses(cases, columns, digits)
    right = logs.argmax(axis=1) == digits.test_labels
    everyone = hard_cases(logs, digits.test_labels, len(logs))
    about = (
        f"{len(cases)} of the {right.sum():,} test digits that {source.file.path.name} gets right, "
        "those it is least sure of; its guess and its second guess"
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


def _figure3(source: _Source) -> SavedFigure:
    source.file.check_pixels(source.context.digits)
    weights = source.file.kind.pixel_weights(source.file.model)
    chosen = _chosen_features(source, weights.shape[1])
    shape = source.context.digits.shape
    fields = weights[:, chosen].T
    columns = grids.columns_for(len(chosen))
    pictures = grids.receptive_fields(fields).reshape(-1, *shape)
    picture = grids.enlarged(grids.tile(pictures, columns, grids.FIELD_GAP))
    about = (
        f"receptive fields of {len(chosen)} of the {weights.shape[1]} first-layer features of "
        f"{source.file.path.name}; white: weights of 3 and more, black: of -3 and less"
    )
    numbers = {
        "seed": None if source.options.features else source.options.seed,
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


def _chosen_features(source: _Source, n: int) -> NDArray[np.intp]:
    chosen = source.options.features
    if chosen is None:
        rng = np.random.default_rng(source.options.seed)
        count = min(source.options.random_features, n)
        return np.sort(rng.choice(n, count, replace=False)).astype(np.intp)
    outside = [feature for feature in chosen if not 1 <= feature <= n]
    if outside:
        raise ReportError(
            f"{source.file.path}: has first-layer features 1 to {n}, not {outside[0]}"
        )
    return np.array(chosen, np.intp) - 1


# -- Figure 5 ------------------------------------------------------------------------------------


def _figure5(source: _Source) -> SavedFigure:
    options = sampling.SamplingOptions(gibbs=source.options.gibbs, seed=source.options.seed)
    samples = sampling.sample(source.context, source.file.path, options)
    described = samples_report.describe(samples, options)
    about = f"{source.file.path.name}: {described}; a row for each label"
    picture = grids.enlarged(samples_report.grid(samples))
    numbers = {
        "gibbs": options.gibbs,
        "seed": options.seed,
        "threads": source.context.threads,
        "labels_of_rows": None if samples.clamped is None else list(samples.clamped),
        "samples_in_a_row": options.samples,
        "image_shape": list(samples.shape),
    }
    return source.save("5", about, grids.png(picture), grids.svg(picture, about), numbers)


# -- learning curves -----------------------------------------------------------------------------


def _learning_curves(files: Mapping[str, RunFile], folder: Path) -> list[SavedFigure]:
    drawn = [
        curves.Curve(name, _COLOURS[number % len(_COLOURS)], file)
        for number, (name, file) in enumerate(files.items())
    ]
    panels = [
        panel for panel in (*curves.DISCRIMINATIVE, *curves.GENERATIVE)
        if any(panel.shows(file) for file in files.values())
    ]  # fmt: skip
    if not panels:
        return []
    contents: dict[str, bytes | str] = {
        ".png": curves.draw(drawn, panels, "png"),
        ".svg": curves.draw(drawn, panels, "svg"),
        ".csv": curves.comma_separated(drawn),
    }
    about = f"learning curves of {', '.join(files)}"
    return [_saved("curves", about, folder / "learning-curves", contents)]


def values(saved: Sequence[SavedFigure]) -> list[Tree]:
    """What was drawn, as JSON values."""
    return [dataclasses.asdict(each) for each in saved]
