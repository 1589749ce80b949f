"""The chapter's Figures 2, 3 and 5, errors and learning curves, drawn from finished files.

Reads files and trains nothing. Beside each picture lie the numbers it was drawn from.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hinton06 import evaluation, sampling
from hinton06.loading import Context, RunFile, load
from hinton06.mnist import Digits
from hinton06.numerics import Array
from hinton06.records import Tree
from hinton06.report import captioned, curves, files, grids
from hinton06.report import samples as samples_report
from hinton06.report.files import ReportError
from hinton06.training import RunError

_Contents: TypeAlias = dict[str, bytes | str]
"""Of files that differ in their endings alone, by ending."""

_HARD_CASES, _MOST_ERRORS, _ERRORS_ACROSS = 49, 200, 10

_Made: TypeAlias = tuple[str, _Contents, Tree]
"""A figure: what it shows, its pictures, and the numbers that they are drawn from."""


@dataclass(frozen=True)
class FigureOptions:
    """Which figures (all that the files can give when none is named), and what is in them.

    `cases` digits in Figure 2 (49 if not given) and among the errors (at most 200); in Figure 3
    these feature detectors, from 1, or so many random ones; `gibbs` rounds between the samples of
    Figure 5; a seed of the features and of the samples.
    """

    only: tuple[str, ...] = ()
    cases: int | None = None
    features: tuple[int, ...] | None = None
    random_features: int = 100
    gibbs: int = 1000
    seed: int = 0


class SavedFigure(NamedTuple):
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
    loaded = dict(zip(names, map(load, paths), strict=True))
    saved = []
    # Figure 3 first: it takes no time, and looks whether the chosen features exist.
    makers = {"3": _figure3, "2": _figure2, "errors": _errors, "5": _figure5}
    for number, make in makers.items():
        for name, file in loaded.items() if number in (options.only or makers) else ():
            why_not = _why_not(file, number)
            if not why_not:
                about, contents, numbers = make(context, file, options)
                head = {"figure": number, "about": about, "checkpoint": str(file.path)}
                head |= {"sha256": file.digest, "data": context.digits.sha256}
                contents[".json"] = json.dumps(head | numbers, indent=1, allow_nan=False) + "\n"
                stem = number if number == "errors" else f"figure{number}"
                saved.append(_saved(number, about, folder / f"{stem}-{name}", contents))
            elif options.only:
                named = "picture of errors" if number == "errors" else f"Figure {number}"
                context.progress.note(f"{file.path}: gives no {named}: {why_not}")
    contents = _learning_curves(loaded) if "curves" in (options.only or "curves") else {}
    if contents:
        about = f"learning curves of {', '.join(loaded)}"
        saved.append(_saved("curves", about, folder / "learning-curves", contents))
    if not saved:
        raise ReportError("these files give none of the chosen figures")
    return sorted(saved, key=lambda figure: figure.figure)


def _why_not(file: RunFile, number: str) -> str:
    """Why a file cannot give a figure, in words; empty if it can."""
    try:
        file.finished()
        if number in ("2", "errors"):
            file.recogniser()
        elif number == "5" and not file.generator().n_labels:
            return "it was learned without labels"
    except RunError as error:
        return str(error).removeprefix(f"{file.path}: ")
    return ""


def _saved(figure: str, about: str, target: Path, contents: _Contents) -> SavedFigure:
    for ending, content in contents.items():
        files.save(target.with_name(target.name + ending), content)
    return SavedFigure(figure, about, tuple(f"{target}{ending}" for ending in contents))


def _grid(picture: grids.Grey, about: str) -> _Contents:
    return {".png": grids.png(picture), ".svg": grids.svg(picture, about)}


@dataclass(frozen=True)
class HardCase:
    """A test case, by its place, that a net gets right without being sure; what it says of it."""

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
    classes. Of equal leads the earlier case counts as harder. Source: "gets all of these examples
    right ... not confident about its classification for any of these examples. The true classes
    are arranged in standard scan order", Figure 2. The lead over the second guess is the measure of
    Hinton, Osindero and Teh (2006), who show the cases with less than 0.3.
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
    columns = (right, labels[right], second, best, probs[right, second])
    return [HardCase(*(column[i].item() for column in columns)) for i in hardest]


def _figure2(context: Context, file: RunFile, options: FigureOptions) -> _Made:
    digits = context.digits
    logs = evaluation.recognise_test_cases(context, file.path)
    everyone = hard_cases(logs, digits.test_labels, len(logs))
    if not everyone:
        raise ReportError(f"{file.path}: gets no test case right")
    cases = hard_cases(logs, digits.test_labels, options.cases or _HARD_CASES)
    columns = grids.columns_for(len(cases))
    captions = [
        (f"{case.label}: {case.probability:.2f}", f"{case.second}: {case.second_probability:.2f}")
        for case in cases
    ]
    about = (
        f"{len(cases)} of the {len(everyone):,} test digits that {file.path.name} gets right, "
        "those it is least sure of; its guess and its second guess"
    )
    shown = []
    for number, case in enumerate(cases):
        values = _place(number, columns) | dataclasses.asdict(case) | {"lead": case.margin}
        probs = np.exp(logs[case.test_case].astype(np.float64)).tolist()
        shown.append(values | {"probabilities": probs})
    numbers: Tree = {"right": len(everyone), "errors": len(logs) - len(everyone)}
    numbers["right_with_lead_below_0.3"] = sum(case.margin < 0.3 for case in everyone)
    numbers["cases"] = shown
    return about, _test_digits(digits, cases, columns, captions), numbers


def _place(number: int, columns: int) -> Tree:
    return {"row": number // columns + 1, "column": number % columns + 1}


def _test_digits(
    digits: Digits, cases: Sequence[Any], columns: int, captions: Sequence[Sequence[str]]
) -> _Contents:
    """Test cases in scan order, each with its caption."""
    images = digits.test_images.reshape(-1, *digits.shape)
    figure = captioned.draw([images[c.test_case] / 255 for c in cases], captions, columns)
    return {f".{form}": curves.saved(figure, form) for form in ("png", "svg")}


@dataclass(frozen=True)
class Mistake:
    """A test case, by its place, that a net takes for another class; what it says of both."""

    test_case: int
    label: int
    guess: int
    probability: float
    label_probability: float


def mistakes(log_probabilities: Array, labels: NDArray[np.integer[Any]]) -> list[Mistake]:
    """The cases that are not recognised, the surest guess first; of equal ones the earlier case.

    Of an (n_cases, n_classes) array, in nats, and (n_cases,) labels. Not in the chapter.
    """
    probs = np.exp(log_probabilities.astype(np.float64))
    guesses = log_probabilities.argmax(axis=1)
    wrong = np.flatnonzero(guesses != labels)
    wrong = wrong[np.argsort(-probs[wrong, guesses[wrong]], kind="stable")]
    guess, label = guesses[wrong], labels[wrong]
    columns = (wrong, label, guess, probs[wrong, guess], probs[wrong, label])
    return [Mistake(*(column[i].item() for column in columns)) for i in range(len(wrong))]


def _errors(context: Context, file: RunFile, options: FigureOptions) -> _Made:
    digits = context.digits
    logs = evaluation.recognise_test_cases(context, file.path)
    everyone = mistakes(logs, digits.test_labels)
    numbers: Tree = {"cases_in_all": len(logs), "errors": len(everyone), "cases": []}
    if not everyone:
        return f"{file.path.name} gets every test digit right", {}, numbers
    cases = everyone[: options.cases or _MOST_ERRORS]
    columns = _ERRORS_ACROSS
    captions = [
        (f"{case.guess}: {case.probability:.2f}", f"is {case.label}: {case.label_probability:.2f}")
        for case in cases
    ]
    shown = "" if len(cases) == len(everyone) else f"{len(cases)} of "
    about = (
        f"{shown}the {len(everyone):,} test digits that {file.path.name} gets wrong, the "
        "surest first; its guess, and what it is"
    )
    numbers["cases"] = [
        (_place(number, columns) if number < len(cases) else {}) | dataclasses.asdict(case)
        for number, case in enumerate(everyone)
    ]
    return about, _test_digits(digits, cases, columns, captions), numbers


def _figure3(context: Context, file: RunFile, options: FigureOptions) -> _Made:
    file.check_pixels(context.digits)
    weights = file.kind.pixel_weights(file.model)
    chosen = _chosen_features(file.path, options, weights.shape[1])
    fields, columns = weights[:, chosen].T, grids.columns_for(len(chosen))
    pictures = grids.receptive_fields(fields).reshape(-1, *context.digits.shape)
    picture = grids.enlarged(grids.tile(pictures, columns, grids.FIELD_GAP))
    about = (
        f"receptive fields of {len(chosen)} of the {weights.shape[1]} first-layer features of "
        f"{file.path.name}; white: weights of 3 and more, black: of -3 and less"
    )
    features = []
    for number, (feature, field) in enumerate(zip(chosen, fields, strict=True)):
        extremes = {"smallest_weight": float(field.min()), "largest_weight": float(field.max())}
        features.append(_place(number, columns) | {"feature": int(feature) + 1} | extremes)
    seed = None if options.features else options.seed
    numbers = {"seed": seed, "white": 3, "black": -3, "features": features}
    return about, _grid(picture, about), numbers


def _chosen_features(path: Path, options: FigureOptions, n: int) -> NDArray[np.intp]:
    chosen = options.features
    if chosen is None:
        rng = np.random.default_rng(options.seed)
        drawn = rng.choice(n, min(options.random_features, n), replace=False)
        return np.sort(drawn).astype(np.intp)
    outside = [feature for feature in chosen if not 1 <= feature <= n]
    if outside:
        raise ReportError(f"{path}: has first-layer features 1 to {n}, not {outside[0]}")
    return np.array(chosen, np.intp) - 1


def _figure5(context: Context, file: RunFile, options: FigureOptions) -> _Made:
    wanted = sampling.SamplingOptions(gibbs=options.gibbs, seed=options.seed)
    samples = sampling.sample(context, file.path, wanted)
    described = samples_report.describe(samples, wanted)
    about = f"{file.path.name}: {described}; a row for each label"
    told = samples_report.values(samples, wanted, file.path, ())
    numbers = {name: told[name] for name in ("gibbs", "seed")} | {"threads": context.threads}
    numbers |= {"labels_of_rows": told["clamped_labels"], "samples_in_a_row": told["samples"]}
    numbers["image_shape"] = told["image_shape"]
    return about, _grid(grids.enlarged(samples_report.grid(samples)), about), numbers


def _learning_curves(files: Mapping[str, RunFile]) -> _Contents:
    """Of the panels that some file has something to show in; nothing if there are none."""
    drawn = [curves.Curve(name, f"C{n % 10}", file) for n, (name, file) in enumerate(files.items())]
    every = (*curves.DISCRIMINATIVE, *curves.GENERATIVE)
    panels = [panel for panel in every if any(map(panel.shows, files.values()))]
    if not panels:
        return {}
    pictures = {f".{form}": curves.draw(drawn, panels, form) for form in ("png", "svg")}
    return {**pictures, ".csv": curves.comma_separated(drawn)}
