"""Digits of one's own, recognised: a table, JSON values, and the images as the net sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from hinton06.mnist import DataError
from hinton06.net import Net
from hinton06.numerics import Array
from hinton06.pictures import Found, find
from hinton06.records import Tree
from hinton06.report import grids
from hinton06.report.table import Column, Row, Table
from hinton06.training import RunError

FORMATS = ("png", "svg")
"""Of the picture of what the net sees."""

_LEAST_SIDE = 4
_ACROSS = 5  # images on a terminal of 80 columns
_COLUMNS = 10


@dataclass(frozen=True, eq=False)
class Recognised:
    """The digits of pictures, by name, and the (n, n_classes) probabilities that a net gives them.

    Digits are in the order of the pictures, in each in reading order. `failures` say, a line each,
    which pictures could not be read, or have no digit.
    """

    net: Net
    found: dict[str, Found]
    probs: Array
    failures: tuple[str, ...]

    @property
    def images(self) -> Array:
        """(n, rows, columns), as the net takes them."""
        return np.concatenate([found.images for found in self.found.values()])

    def rows(self) -> list[Tree]:
        """What there is to know of each digit."""
        places = [
            {"picture": name, "digit": number, "line": line + 1}
            for name, found in self.found.items()
            for number, line in enumerate(found.lines, 1)
        ]
        own = [
            {"guess": self.net.classes[p.argmax()], "probabilities": p.tolist()} for p in self.probs
        ]
        return [place | said for place, said in zip(places, own, strict=True)]


def recognise(net: Net, pictures: Sequence[Path], note: Callable[[str], None]) -> Recognised:
    """Ask a net for the digits in pictures; it is noted what of a picture was left out.

    Raises `RunError` if the net recognises nothing.
    """
    if min(net.shape) < _LEAST_SIDE:
        raise RunError(f"{net.path}: images of {net.shape} pixels have no room for a digit")
    # Of no image, so that a net without labels says so before any picture is read.
    probs = [net.predict_proba(np.zeros((0, *net.shape), np.float32))]
    found: dict[str, Found] = {}
    failures = []
    for picture in dict.fromkeys(pictures):
        try:
            own = find(picture, net.shape)
            probs.append(net.predict_proba(own.images))
        except DataError as error:
            failures.append(str(error))
            continue
        except ValueError as error:  # images already, but not as the net has learned them
            failures.append(f"{picture}: {error}")
            continue
        found[str(picture)] = own
        if own.specks:
            specks = "a speck" if own.specks == 1 else f"{own.specks} specks"
            note(f"{picture}: left out {specks}, small beside the digits")
        if own.several:
            note(f"{picture}: holds several pictures, of which the first was read")
    return Recognised(net, found, np.concatenate(probs), tuple(failures))


def table(recognised: Recognised) -> Table:
    """A row for each digit, and what pictures of several read."""
    rows, several = recognised.rows(), {n: f for n, f in recognised.found.items() if f.lines[1:]}

    def probability(place: int) -> Callable[[Row], str]:
        return lambda row: f"{row['probabilities'][place]:.2f}".replace("0.00", ".")

    columns = [
        Column("picture", "{picture}", left=True),
        *([Column("digit", "{digit}")] if several else []),
        Column("guess", "{guess}"),
        *(Column(str(label), probability(n)) for n, label in enumerate(recognised.net.classes)),
    ]
    legend = [f"{name} reads {_text(rows, name)}" for name in several]
    return Table(columns, rows, legend=legend)


def _text(rows: Sequence[Row], picture: str) -> str:
    """The guesses of a picture, line by line."""
    lines: dict[int, list[str]] = {}
    for row in rows:
        if row["picture"] == picture:
            lines.setdefault(row["line"], []).append(str(row["guess"]))
    return " / ".join("".join(guesses) for guesses in lines.values())


def preview(recognised: Recognised, again: Array | None) -> None:
    """Print each digit as the net sees it, and below it its reconstruction, if there are any."""
    console, guesses = Console(highlight=False), [str(row["guess"]) for row in recognised.rows()]
    for first in range(0, len(guesses), _ACROSS):
        few = slice(first, first + _ACROSS)
        grids.preview(recognised.images[few], guesses[few], console)
        if again is not None:
            grids.preview(again[few], ["reconstruction"] * len(guesses[few]), console)


def picture(recognised: Recognised, again: Array | None, form: str) -> bytes:
    """The same as one of `FORMATS`: rows of digits, each above a row of reconstructions."""
    from hinton06.report import captioned  # noqa: PLC0415  # Matplotlib is slow to import

    rows, images, captions = recognised.rows(), [], []
    columns = min(_COLUMNS, len(rows))
    for first in range(0, len(rows), columns):
        few = rows[first : first + columns]
        titles = [f"{row['guess']}: {max(row['probabilities']):.2f}" for row in few]
        both = [(recognised.images, titles)]
        both += [(again, ["reconstruction"] * len(few))] if again is not None else []
        for shown, words in both:
            rest = columns - len(few)
            images += [*shown[first : first + columns], *[None] * rest]
            captions += [[word] for word in words + [""] * rest]
    return captioned.draw(images, captions, columns, (form,))[f".{form}"]
