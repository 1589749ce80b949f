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

import click
import numpy as np
from numpy.typing import NDArray

from hinton06 import evaluation, sampling
from hinton06.loading import Context, RunFile, load
from hinton06.mnist import Digits
from hinton06.numerics import Array
from hinton06.recipes import counted
from hinton06.records import Tree
from hinton06.report import captioned, curves, files, grids
from hinton06.report import samples as samples_report
from hinton06.report.files import ReportError
from hinton06.streams import Use, stream
from hinton06.training import RunError

_Contents: TypeAlias = dict[str, bytes | str]
"""Of files that differ in their endings alone, by ending."""

_HARD_CASES, _MOST_ERRORS, _ERRORS_ACROSS, _DREAMS_ACROSS = 49, 200, 10, 8

_Made: TypeAlias = tuple[str, _Contents, Tree]
"""A figure: what it shows, its pictures, and the numbers that they are drawn from."""


@dataclass(frozen=True)
class FigureOptions:
    """Which figures (all that the files can give when none is named), and what is in them.

    `cases` digits in Figure 2 (49 if not given) and among the errors (at most 200); in Figure 3
    these feature detectors, from 1, or so many random ones, of a `layer`, from 1; `gibbs` rounds
    between the samples of Figure 5; a seed of the features and of the samples.
    """

    only: tuple[str, ...] = ()
    cases: int | None = None
    features: tuple[int, ...] | None = None
    random_features: int = 100
    layer: int = 1
    gibbs: int = 1000
    seed: int = 0


USED_IN = {
    "cases": ("2", "errors"),
    "features": ("3",),
    "random_features": ("3",),
    "layer": ("3",),
    "gibbs": ("5", "dreams"),
    "seed": ("3", "5", "dreams"),
}
"""The figures that each of the `FigureOptions` has a say in, but for `only`."""


class SavedFigure(NamedTuple):
    """A figure that was drawn: which, what it shows in words, and its files."""

    figure: str
    about: str
    files: tuple[str, ...]


def draw(
    context: Context, paths: Sequence[Path], folder: Path, options: FigureOptions
) -> list[SavedFigure]:
    """Draw what each file can give, and the learning curves of all of them together.

    Of a file that is not finished only Figure 3, as its features are now, and the learning curves.
    The files of Figure 2 from ``bp-a.h5`` are ``figure2-bp-a.png``, ``.svg`` and ``.json``; those
    of Figure 3 also name a higher layer, and the epoch of a file that is not finished; dreams of a
    directed net beside other nets are ``dreams.png`` and ``.json``; the curves are
    ``learning-curves.png``, ``.svg`` and ``.csv``. Raises `CheckpointError`, `RunError` or
    `ReportError` if a file cannot be read or written, does not fit the data, lacks a chosen
    feature, or if there is nothing to draw.
    """
    loaded, saved = _loaded(paths), []
    # Figure 3 first: it takes no time, and looks whether the chosen features exist.
    makers = {"3": _figure3, "2": _figure2, "errors": _errors, "5": _figure5}
    for number, make in makers.items():
        for name, file in loaded.items() if number in (options.only or makers) else ():
            try:
                _check(file, number)
                about, contents, numbers = make(context, file, options)
            except _NoFigure as why_not:
                if options.only or why_not.surprising:
                    named = "picture of errors" if number == "errors" else f"Figure {number}"
                    context.progress.note(f"{file.path}: gives no {named}: {why_not}")
                continue
            head: Tree = {"figure": number, "about": about, "checkpoint": str(file.path)}
            head["sha256"] = file.digest if file.complete else None
            head["data"] = context.digits.sha256
            contents[".json"] = json.dumps(head | numbers, indent=1, allow_nan=False) + "\n"
            stem = number if number == "errors" else f"figure{number}"
            target = folder / f"{stem}-{name}{_what_of(file, number, options)}"
            saved.append(_saved(number, about, target, contents))
    if "dreams" in (options.only or ("dreams",)):
        saved += _dreams(context, loaded, folder, options)
    if "curves" in (options.only or "curves"):
        saved += _curves(loaded, folder)
    needs = "dreams take several nets that learned labels, one of them of finetune-ws"
    return _some(saved, needs if "dreams" in options.only else "")


def draw_curves(paths: Sequence[Path], folder: Path) -> list[SavedFigure]:
    """Draw the learning curves alone, which takes no images. Raises as `draw`."""
    return _some(_curves(_loaded(paths), folder))


def _loaded(paths: Sequence[Path]) -> dict[str, RunFile]:
    """Files by the names that their figures have."""
    names = [path.stem.removesuffix(".h5") for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise ReportError(f"two files are named {name}, and their figures would be too")
    return dict(zip(names, map(load, paths), strict=True))


def _some(saved: list[SavedFigure], needs: str = "") -> list[SavedFigure]:
    if not saved:
        why = needs and f": {needs}"
        raise ReportError(f"these files give none of the chosen figures{why}")
    return sorted(saved, key=lambda figure: figure.figure)


def picture(
    context: Context, file: RunFile, number: str, options: FigureOptions
) -> tuple[str, bytes]:
    """What a file's Figure 3 or 5 shows, in words, and as a PNG file. Raises as `draw`."""
    about, contents, _ = {"3": _figure3, "5": _figure5}[number](context, file, options)
    content = contents[".png"]
    assert isinstance(content, bytes)
    return about, content


class _NoFigure(Exception):  # noqa: N818  # not an error: other figures are drawn
    """Why a file gives no figure, and whether nobody would have known it before."""

    def __init__(self, reason: str, surprising: bool = False) -> None:
        super().__init__(reason)
        self.surprising = surprising


def _check(file: RunFile, number: str) -> None:
    """Raise `_NoFigure` if what a file holds cannot give a figure."""
    if number == "3":  # of a file that is not finished as well
        return
    try:
        file.finished()
        if number in ("2", "errors"):
            file.recogniser()
        elif number == "5" and not file.generator().n_labels:
            raise _NoFigure("it was learned without labels")
    except RunError as error:
        raise _NoFigure(str(error).removeprefix(f"{file.path}: ")) from None


def _what_of(file: RunFile, number: str, options: FigureOptions) -> str:
    """What of a file a figure shows, for its name: Figure 3 can show several things."""
    layer = f"-layer{options.layer}" if options.layer > 1 else ""
    epoch = "" if file.complete else f"-epoch{file.epochs_done}"
    return layer + epoch if number == "3" else ""


def _saved(figure: str, about: str, target: Path, contents: _Contents) -> SavedFigure:
    for ending in (".png", ".svg"):
        older = target.with_name(target.name + ending)
        if ending not in contents and older.exists():
            click.echo(f"hinton06: {older}: an earlier picture, left as it is: {about}", err=True)
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
    logs, digits = evaluation.recognise_test_cases(context, file.path)
    everyone = hard_cases(logs, digits.test_classes, len(logs))
    if not everyone:
        raise _NoFigure("it gets no test case right", surprising=True)
    named = digits.classes
    cases = [
        dataclasses.replace(case, label=named[case.label], second=named[case.second])
        for case in hard_cases(logs, digits.test_classes, options.cases or _HARD_CASES)
    ]
    columns = grids.columns_for(len(cases))
    about = (
        f"{len(cases)} of the {len(everyone):,} test cases that {file.path.name} gets right, "
        "those it is least sure of; its guess and its second guess"
    )
    shown = []
    for number, case in enumerate(cases):
        values = _place(number, columns) | dataclasses.asdict(case) | {"lead": case.margin}
        probs = np.exp(logs[case.test_case].astype(np.float64)).tolist()
        shown.append(values | {"probabilities": probs})
    numbers: Tree = {"right": len(everyone), "errors": len(logs) - len(everyone)}
    numbers["classes"] = list(named)
    numbers["right_with_lead_below_0.3"] = sum(case.margin < 0.3 for case in everyone)
    numbers["cases"] = shown
    return about, _test_digits(digits, cases, columns, _guesses(cases)), numbers


def _place(number: int, columns: int) -> Tree:
    return {"row": number // columns + 1, "column": number % columns + 1}


def _guesses(cases: Sequence[HardCase]) -> list[tuple[str, str]]:
    """Each guess and second guess, with the probabilities."""
    return [
        (f"{case.label}: {case.probability:.2f}", f"{case.second}: {case.second_probability:.2f}")
        for case in cases
    ]


def _test_digits(
    digits: Digits, cases: Sequence[Any], columns: int, captions: Sequence[Sequence[str]]
) -> _Contents:
    """Test cases in scan order, each with its caption."""
    images = digits.test_images.reshape(-1, *digits.shape)
    shown = [images[case.test_case] / 255 for case in cases]
    return {**captioned.draw(shown, captions, columns, ("png", "svg"))}


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
    logs, digits = evaluation.recognise_test_cases(context, file.path)
    named = digits.classes
    everyone = [
        dataclasses.replace(case, label=named[case.label], guess=named[case.guess])
        for case in mistakes(logs, digits.test_classes)
    ]
    numbers: Tree = {"cases_in_all": len(logs), "errors": len(everyone), "cases": []}
    if not everyone:
        return f"{file.path.name} gets every test case right", {}, numbers
    cases = everyone[: options.cases or _MOST_ERRORS]
    columns = _ERRORS_ACROSS
    captions = [
        (f"{case.guess}: {case.probability:.2f}", f"is {case.label}: {case.label_probability:.2f}")
        for case in cases
    ]
    shown = "" if len(cases) == len(everyone) else f"{len(cases)} of "
    about = (
        f"{shown}the {len(everyone):,} test cases that {file.path.name} gets wrong, the "
        "surest first; its guess, and what it is"
    )
    numbers["cases"] = [
        (_place(number, columns) if number < len(cases) else {}) | dataclasses.asdict(case)
        for number, case in enumerate(everyone)
    ]
    return about, _test_digits(digits, cases, columns, captions), numbers


def _figure3(context: Context, file: RunFile, options: FigureOptions) -> _Made:
    file.check_pixels(context.digits)
    layer, layers = options.layer, file.kind.up(file.learned)
    if layer > len(layers):
        raise ReportError(f"{file.path}: has layers 1 to {len(layers)}, not {layer}")
    n_features = layers[layer - 1][0].shape[1]
    chosen = _chosen_features(file.path, options, n_features)
    fields = file.kind.fields(file.learned, layer, chosen).T
    columns = grids.columns_for(len(chosen))
    white = 3.0 if layer == 1 else _far(fields)
    pictures = grids.receptive_fields(fields, white).reshape(-1, *context.digits.shape)
    grid = grids.enlarged(grids.tile(pictures, columns, grids.FIELD_GAP))
    picture = grids.above_each_other([grid, grids.key(f"-{white:g}", f"+{white:g}")])
    so_far = "" if file.complete else f" after {counted(file.epochs_done, 'epoch')}"
    of_layer = "first-layer features" if layer == 1 else f"features of layer {layer}"
    through = "" if layer == 1 else ", through the layers below"
    about = (
        f"receptive fields of {len(chosen)} of the {n_features} {of_layer} of {file.path.name}"
        f"{so_far}{through}; white: weights of {white:g} and more, black: of -{white:g} and less"
    )
    features = []
    for number, (feature, field) in enumerate(zip(chosen, fields, strict=True)):
        extremes = {"smallest_weight": float(field.min()), "largest_weight": float(field.max())}
        features.append(_place(number, columns) | {"feature": int(feature) + 1} | extremes)
    numbers: Tree = {"seed": None if options.features else options.seed}
    numbers |= {"layer": layer, "epochs_done": file.epochs_done}
    numbers |= {"white": white, "black": -white, "features": features}
    return about, _grid(picture, about), numbers


def _far(fields: Array) -> float:
    """A weight, of two digits, that one in a hundred of these is beyond."""
    size = float(np.quantile(np.abs(fields), 0.99))
    return float(f"{size:.2g}") or 1.0


def _chosen_features(path: Path, options: FigureOptions, n: int) -> NDArray[np.intp]:
    chosen = options.features
    if chosen is None:
        rng = stream(options.seed, Use.FEATURES_SHOWN)
        drawn = rng.choice(n, min(options.random_features, n), replace=False)
        return np.sort(drawn).astype(np.intp)
    outside = [feature for feature in chosen if not 1 <= feature <= n]
    if outside:
        which = "first-layer" if options.layer == 1 else f"layer-{options.layer}"
        raise ReportError(f"{path}: has {which} features 1 to {n}, not {outside[0]}")
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
    return about, _grid(samples_report.picture(samples), about), numbers


def _dreams(
    context: Context, loaded: Mapping[str, RunFile], folder: Path, options: FigureOptions
) -> list[SavedFigure]:
    """What several nets dream, side by side, if any of them is a directed one."""
    nets = [file for file in loaded.values() if dreams_with_labels(file)]
    if len(nets) < 2 or not any(file.kind.name == "directed" for file in nets):
        return []
    about, png, numbers = side_by_side(context, nets, options)
    head: Tree = {"figure": "dreams", "about": about, "data": context.digits.sha256}
    contents: _Contents = {".png": png, ".json": json.dumps(head | numbers, indent=1) + "\n"}
    return [_saved("dreams", about, folder / "dreams", contents)]


def dreams_with_labels(file: RunFile) -> bool:
    """Whether a file holds a finished net that generates images with labels."""
    try:
        return file.complete and file.generator().n_labels > 0
    except RunError:
        return False


def side_by_side(
    context: Context, nets: Sequence[RunFile], options: FigureOptions
) -> tuple[str, bytes, Tree]:
    """Dreams of several nets, a row for each label: in words, as a PNG file, and as numbers."""
    wanted = sampling.SamplingOptions(
        samples=_DREAMS_ACROSS, gibbs=options.gibbs, seed=options.seed
    )
    digests = [net.digest for net in nets]
    nets = [net for place, net in enumerate(nets) if digests.index(net.digest) == place]
    made = [sampling.sample(context, net.path, wanted) for net in nets]
    names = files.names_apart([net.path for net in nets])
    drawn = [
        grids.above_each_other([grids.line(name), samples_report.picture(samples)])
        for name, samples in zip(names, made, strict=True)
    ]
    told = [
        f"{name}.h5, {samples_report.describe(samples, wanted)}"
        for name, samples in zip(names, made, strict=True)
    ]
    numbers: Tree = {"seed": options.seed, "threads": context.threads}
    numbers["nets"] = [
        {"checkpoint": str(net.path), "sha256": net.digest}
        | {name: samples_report.values(samples, wanted, net.path, ())[name]
           for name in ("clamped_labels", "samples", "gibbs", "labels")}
        for net, samples in zip(nets, made, strict=True)
    ]  # fmt: skip
    about = f"dreams with each label, from left to right: {'; '.join(told)}"
    return about, grids.png(grids.beside_each_other(drawn)), numbers


def _curves(files: Mapping[str, RunFile], folder: Path) -> list[SavedFigure]:
    """Of the panels that some file has something to show in; nothing if there are none."""
    drawn = [curves.Curve(name, f"C{n % 10}", file) for n, (name, file) in enumerate(files.items())]
    panels = [panel for panel in curves.PANELS if any(map(panel.shows, files.values()))]
    if not panels:
        return []
    contents: _Contents = {f".{form}": curves.draw(drawn, panels, form) for form in ("png", "svg")}
    contents[".csv"] = curves.comma_separated(drawn)
    about = f"learning curves of {', '.join(files)}"
    return [_saved("curves", about, folder / "learning-curves", contents)]
