"""The figures of a page: which files are drawn, and how.

Digits with words below them are pictures of their own, and the words are the page's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from hinton06 import pages
from hinton06.lineage import VALIDATED
from hinton06.loading import Context, RunFile
from hinton06.mnist import Digits
from hinton06.numerics import Array
from hinton06.recognition import product_of_nets
from hinton06.report import curves, grids
from hinton06.report.curves import Curve
from hinton06.report.figures import (
    FigureOptions,
    dreams_with_labels,
    hard_cases,
    mistakes,
    picture,
    side_by_side,
)
from hinton06.report.files import ReportError, conditions
from hinton06.report.table import Table

MOST_CURVES = 10
"""Files in one picture of learning curves: there are so many colours."""

_HARD, _MOST_WRONG, _MOST_DREAMING = 49, 150, 4

Wish: TypeAlias = Callable[[RunFile], bool]


@dataclass(frozen=True)
class Picture:
    """A picture, as a URL that holds it; what it shows, for who cannot see it; words below it."""

    url: str
    alt: str
    words: Sequence[str] = ()


@dataclass(frozen=True)
class Plate:
    """A figure: its title, what it shows and of which files, and its pictures; or `digits`."""

    title: str
    about: str
    files: Sequence[RunFile]
    pictures: Sequence[Picture]
    digits: bool = False


@dataclass(frozen=True)
class Shelf:
    """Files of one set of images, and what is needed to draw them."""

    files: Sequence[RunFile]
    context: Context
    options: FigureOptions

    def best(self, *wishes: Wish) -> list[RunFile]:
        """The finished files that fit the first wish that any fits, the plainest first."""
        for wish in wishes:
            found = [file for file in self.files if file.complete and wish(file)]
            if found:
                return sorted(found, key=lambda file: len(conditions(file) - {"cases"}))
        return []


def _is(kind: str, role: str = "") -> Wish:
    return lambda file: file.kind.name == kind and file.lineage.role in (role or file.lineage.role)


def _knows_labels(file: RunFile) -> bool:
    return bool(file.kind.name == "stack" and file.lineage.labels)


_DREAMERS = (_is("generative", VALIDATED), _is("generative"), _knows_labels)


def _figure2(shelf: Shelf) -> Plate | None:
    """Of the net "described at the end of this chapter", if there is one."""
    found = shelf.best(*_DREAMERS[:2], _is("classifier", VALIDATED), _is("classifier"))
    if not found:
        return None
    file = found[0]
    logs, digits = _answers(file, shelf.context)
    labels, named = digits.test_classes, digits.classes
    cases = hard_cases(logs, labels, _HARD)
    if not cases:
        return None
    pictures = [
        _digit(digits, case.test_case, f"{named[case.label]}: {case.probability:.2f}",
               f"{named[case.second]}: {case.second_probability:.2f}")
        for case in cases
    ]  # fmt: skip
    about = (
        f"Of the {np.count_nonzero(logs.argmax(axis=1) == labels):,} test {digits.noun}s that "
        f"{file.path.name} gets right, the {len(cases)} that it is least sure of, in the order of "
        "their classes; below each its guess and its second guess, with their probabilities."
    )
    return Plate("Figure 2", about, [file], pictures, digits=True)


def _figure3(shelf: Shelf) -> Plate | None:
    found = shelf.best(_is("stack"), lambda _file: True)
    return _grid(shelf, "3", found, "A grid of square grey pictures, each the weights from all "
                 "pixels to one feature.")  # fmt: skip


def _figure5(shelf: Shelf) -> Plate | None:
    return _grid(shelf, "5", shelf.best(*_DREAMERS), "A grid of images that the net generated, "
                 "with a row for each label.")  # fmt: skip


def _grid(shelf: Shelf, number: str, found: Sequence[RunFile], alt: str) -> Plate | None:
    if not found:
        return None
    about, png = picture(shelf.context, found[0], number, shelf.options)
    url = pages.data_url(png, "image/png")
    if not about.startswith(found[0].path.name):
        about = about[0].upper() + about[1:]
    return Plate(f"Figure {number}", f"{about}.", found[:1], [Picture(url, alt)])


def _errors_of_classifiers(shelf: Shelf) -> Plate | None:
    """Of the product of the nets, one for each split, that are made as the plainest one is."""
    found = shelf.best(_is("classifier", VALIDATED), _is("classifier"))
    return _errors(shelf, [file for file in found if _made_as(file) == _made_as(found[0])])


def _made_as(file: RunFile) -> tuple[Any, ...]:
    """What nets have in common that a product is of."""
    lineage = file.lineage
    return file.path.parent, lineage.seed, lineage.role, lineage.conditions(), file.settings


def _errors_of_dreamers(shelf: Shelf) -> Plate | None:
    return _errors(shelf, shelf.best(*_DREAMERS)[:1])


def _errors(shelf: Shelf, nets: Sequence[RunFile]) -> Plate | None:
    """The digits that a net, or the product of several, gets wrong."""
    if not nets:
        return None
    answers = [_answers(net, shelf.context) for net in nets]
    logs, digits = answers[0]
    if len(answers) > 1:
        logs = product_of_nets([logs for logs, _ in answers])
    every, named = mistakes(logs, digits.test_classes), digits.classes
    if not every:
        return None
    cases = every[:_MOST_WRONG]
    pictures = [
        _digit(digits, case.test_case, f"{named[case.label]} as {named[case.guess]}",
               f"{case.probability:.2f}")
        for case in cases
    ]  # fmt: skip
    who = ", ".join(net.path.name for net in nets)
    who = who if len(nets) == 1 else f"The product of {who}"
    shown = f"the {len(cases)} of them that it is surest of" if every[len(cases) :] else "all"
    about = (
        f"{who} gets {len(every):,} of {len(logs):,} test {digits.noun}s wrong. Shown are {shown}, "
        "the surest first; below each its class, the one that it is taken for, and the probability "
        "of that."
    )
    return Plate("Errors", about, nets, pictures, digits=True)


def _dreams(shelf: Shelf) -> Plate | None:
    """Of directed nets, beside the plainest net of contrastive wake-sleep."""
    found = [*shelf.best(_is("directed")), *shelf.best(*_DREAMERS[:2])[:1]]
    nets = [file for file in found if dreams_with_labels(file)][:_MOST_DREAMING]
    if not any(file.kind.name == "directed" for file in nets):
        return None
    about, png, _ = side_by_side(shelf.context, nets, shelf.options)
    alt = "Grids of images that the nets generated, side by side, with a row for each label."
    words = f"{about[0].upper()}{about[1:]}."
    return Plate("Dreams", words, nets, [Picture(pages.data_url(png, "image/png"), alt)])


DRAWN: Mapping[str, Callable[[Shelf], Plate | None]] = {
    "2": _figure2,
    "3": _figure3,
    "5": _figure5,
    "dreams": _dreams,
    "errors of classifiers": _errors_of_classifiers,
    "errors of generative nets": _errors_of_dreamers,
}
"""How each figure is made; None where no file gives it."""


def _answers(file: RunFile, context: Context) -> tuple[Array, Digits]:
    """The recorded log probabilities of the test cases; the images, told apart as by the net."""
    logs, labels = file.outcome.test_log_probs, file.outcome.test_labels
    digits = file.fitted(context.digits)
    if logs is None or labels is None or not np.array_equal(labels, digits.test_classes):
        raise ReportError(f"{file.path}: was tested on other cases than those of {digits.name}")
    return logs, digits


def _digit(digits: Digits, case: int, *words: str) -> Picture:
    image = digits.test_images[case].reshape(digits.shape) / 255
    url = pages.data_url(grids.png(grids.ink(image)), "image/png")
    about = f"test case {case + 1:,}, of class {digits.test_labels[case]}"
    return Picture(url, about, words)


def of_table(table: Table) -> list[Plate]:
    """The figures that a table has beside it."""
    return [_beside(table, *each) for each in table.figures]


def _beside(table: Table, title: str, name: str, about: str) -> Plate:
    content = table.beside[name]()
    assert isinstance(content, bytes)
    return Plate(title, about, (), [Picture(pages.data_url(content, "image/png"), about)])


def learning_curves(files: Sequence[RunFile]) -> Plate | None:
    """The histories of files, finished or not, a picture for each thing that was measured."""
    drawn = files[:MOST_CURVES]
    named = [Curve(_name(file), f"C{n}", file) for n, file in enumerate(drawn)]
    pictures = []
    for panel in curves.PANELS:
        own = [curve for curve in named if panel.shows(curve.file)]
        if own:
            url = pages.data_url(curves.panel(own, panel), "image/svg+xml")
            pictures.append(Picture(url, curves.described(own, panel)))
    if not pictures:
        return None
    about = "What was measured in learning, epoch by epoch."
    if len(files) > len(drawn):
        about += f" The first {len(drawn)} of {len(files)} files are shown."
    return Plate("Learning curves", about, drawn, pictures)


def _name(file: RunFile) -> str:
    return file.path.name.removesuffix(".part").removesuffix(".h5") + (
        "" if file.complete else " (not finished)"
    )
