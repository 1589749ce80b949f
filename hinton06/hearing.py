"""Finished nets of pairs: what an image lets them hear, and a recording see; what they recognise.

"The network then learns to generate pairs that consist of an image and a spectrogram of the same
digit class", "Using contrastive wake-sleep for generative fine-tuning". The second pathway's data
are called recordings here, whatever they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hinton06 import numerics, spoken
from hinton06.cases import cases_held_out, cases_learned
from hinton06.evaluation import PARTS, CaseSelection
from hinton06.generation import top_down_pass
from hinton06.loading import Context, RunFile, load, naming
from hinton06.mnist import SPOKEN_SHA256, Digits
from hinton06.models import PairNet
from hinton06.numerics import Array, Labels
from hinton06.pairing import first_of_each, halves, of_noise, partners, recognised, settle
from hinton06.recipes import counted
from hinton06.recognition import Cases, pen_probs
from hinton06.streams import Use, stream
from hinton06.training import RunError

Reads = Callable[[NDArray[Any]], Array]
_SHOWN = 3  # of what is heard and seen, for each class
_BLENDS = 5


@dataclass(frozen=True)
class HearingOptions:
    """What a net of pairs is asked.

    `part` is the cases that it is asked about, no more than so many `cases` of each pathway, drawn
    by the seed; the memory settles for `rounds` of Gibbs sampling, for `dream_rounds` before one of
    the `dreams`; what is recognised is held against the mean of so many learned `references` of
    each class. Source of the rounds: Kaganov, Osindero and Hinton (2006).
    """

    part: str = "test"
    rounds: int = 10
    cases: int = 1000
    references: int = 200
    dreams: int = 100
    dream_rounds: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Count:
    """How many of so many cases came out right, by what was asked."""

    measure: str
    cases: int
    right: int


@dataclass(frozen=True, eq=False)
class Picture:
    """(rows, columns) of an image or a recording, in [0, 1], and a line about it."""

    image: Array
    caption: str


@dataclass(frozen=True, eq=False)
class Heard:
    """What was asked of one `file`, and of its data; `by_speaker` of recordings alone.

    Of some class there were `fewer_references` than asked for.
    `pairs` are rows of pictures, one a class: an image and what is heard of it, a recording and
    what is seen of it, a dream; `blends` rows of ambiguous images, each with two recordings.
    """

    file: RunFile
    counts: list[Count]
    by_speaker: list[Count]
    pairs: list[list[Picture]]
    blends: list[list[Picture]]
    options: HearingOptions
    readers: Mapping[str, str] = field(default_factory=dict)
    fewer_references: bool = False


def hear(
    context: Context,
    path: Path,
    second: Digits,
    readers: tuple[Path | None, Path | None] = (None, None),
    options: HearingOptions = HearingOptions(),
) -> Heard:
    """Ask a net of pairs, with `readers` for its images and for what it hears.

    What no reader reads is drawn and not counted. Raises `CheckpointError` or `RunError` if a file
    cannot be read, is none, or does not fit the data.
    """
    file = load(path).of_kind("pairs")
    file.check_pixels(context.digits)
    if second.n_pixels != file.model.second.n_pixels:
        images = f"images of {second.name} have {second.n_pixels} pixels"
        raise RunError(f"{path}: its second pathway has {file.model.second.n_pixels}, but {images}")
    if second.classes != context.digits.classes:
        raise RunError(f"{path}: the classes of its pathways' data are no longer the same")
    both = (context.digits, second)
    names = [None if own is None else load(own) for own in readers]
    reads = [_reader(own, digits) for own, digits in zip(names, both, strict=True)]
    with naming(path):
        asked, learned, speakers = _cases(file, both, options)
        _check_pairs(asked, second, options)
    asking = _Asking(file.model, both, asked, learned, (reads[0], reads[1]), options)
    with context.shown(f"heard {path.name}", 1.0) as tick:
        alone = asking.recognition(tick)
        asking.generation(tick)
        asking.ambiguity(tick)
        asking.dreams(tick)
    by_speaker = [
        Count(f"speaker {one}", int((speakers == one).sum()), int(alone[speakers == one].sum()))
        for one in (np.unique(speakers) if speakers is not None else ())
    ]
    named = {
        word: f"{own.path.name}"
        for word, own in zip(("image", "second"), names, strict=True)
        if own
    }
    fewest = min(np.unique(own.labels, return_counts=True)[1].min() for own in learned)
    return Heard(
        file, asking.counts, by_speaker, asking.pairs, asking.blends, options, named,
        bool(fewest < options.references),
    )  # fmt: skip


def _reader(file: RunFile | None, digits: Digits) -> Reads | None:
    if file is None:
        return None
    if file.fitted(digits).classes != digits.classes:
        raise RunError(f"{file.path}: knows other classes than {digits.name}")
    return file.recogniser().log_probs


def _cases(
    file: RunFile, both: tuple[Digits, Digits], options: HearingOptions
) -> tuple[tuple[Cases, Cases], tuple[Cases, Cases], NDArray[Any] | None]:
    """Of both pathways the cases that are asked about, those learned, and who speaks the former."""
    asked, learned, speakers = [], [], None
    selection = CaseSelection(cases=options.cases, seed=options.seed)
    for number, digits in enumerate(both):
        lineage = file.lineage.of_second() if number else file.lineage
        if options.part == "test":
            every = np.arange(len(digits.test_classes))
            own = Cases(digits.test_images, digits.test_classes, every)
        else:
            own = cases_held_out(digits, lineage)
        asked.append(selection.draw(own, options.part))
        learned.append(cases_learned(digits, lineage))
        if number and digits.sha256 == SPOKEN_SHA256:
            speakers = spoken.speakers(options.part == "test")[asked[1].numbers]
    return (asked[0], asked[1]), (learned[0], learned[1]), speakers


def _check_pairs(asked: tuple[Cases, Cases], second: Digits, options: HearingOptions) -> None:
    """Raise `RunError` unless each image that is asked about has a recording of its class."""
    for place in np.setdiff1d(asked[0].labels, asked[1].labels):
        cases = f"{counted(len(asked[1]), f'{options.part} case')} of {second.name}"
        more = "; raise --cases" if len(asked[1]) == options.cases else ""
        raise RunError(f"there is none of class {second.classes[place]} among {cases}{more}")


class _Asking:
    """Counts, and pictures, of one net."""

    def __init__(
        self,
        net: PairNet,
        both: tuple[Digits, Digits],
        asked: tuple[Cases, Cases],
        learned: tuple[Cases, Cases],
        reads: tuple[Reads | None, Reads | None],
        options: HearingOptions,
    ) -> None:
        self.net, self.digits, self.cases, self.learned = net, both, asked, learned
        self.reads, self.options = reads, options
        self.rng: Generator = stream(options.seed, Use.HEARD, PARTS.index(options.part))
        self.pathways = (net.image, net.second)
        self.counts: list[Count] = []
        self.pairs: list[list[Picture]] = [[] for _ in both[0].classes]
        self.blends: list[list[Picture]] = []

    def recognition(self, tick: Callable[[float], None]) -> NDArray[np.bool_]:
        """Either alone and both together; returns which recordings alone are recognised."""
        (images, second), options = self.cases, self.options
        learned = [first_of_each(own, options.references) for own in self.learned]
        logs = recognised(self.net, self.cases, (learned[0], learned[1]), self.digits[0].n_classes)
        right = [own.argmax(1) == c.labels for own, c in zip(logs, self.cases, strict=True)]
        self._count("image alone", right[0])
        self._count("recording alone", right[1])
        pairs = partners(images.labels, second.labels, self.rng)
        # Given the class an image and a recording are independent.
        together = (logs[0] + logs[1][pairs]).argmax(1) == images.labels
        self._count("both together", together)
        tick(0.4)
        for read, own, name in zip(self.reads, self.cases, ("image", "recording"), strict=True):
            if read:
                self._count(f"{name}, by its reader", read(own.images).argmax(1) == own.labels)
        return np.asarray(right[1])

    def generation(self, tick: Callable[[float], None]) -> None:
        """What is heard of each image, and seen of each recording."""
        for given, name in enumerate(("heard of an image", "seen of a recording")):
            own, wanted = self.cases[given], 1 - given
            shown = self._other(given, own.images)
            read = self.reads[wanted]
            if read:
                self._count(name, read(shown).argmax(1) == own.labels)
            tick(0.15)
            self._show_given(given)

    def _show_given(self, given: int) -> None:
        """A case of each class, and some of what the other pathway makes of it."""
        own, words = self.cases[given], (("", "hears"), ("says ", "sees"))[given]
        for place, label in enumerate(self.digits[0].classes):
            rows = np.flatnonzero(own.labels == place)[:1]
            if not len(rows):
                continue
            image = own.images[np.repeat(rows, _SHOWN)]
            self.pairs[place].append(self._picture(given, image[0] / 255, f"{words[0]}{label}"))
            self._show(self.pairs[place], 1 - given, self._other(given, image), words[1])

    def _show(self, row: list[Picture], pathway: int, shown: Array, word: str) -> None:
        """Pictures of what was generated, each with what it is read as."""
        read = self.reads[pathway]
        said = [""] * len(shown)
        if read:
            classes = self.digits[pathway].classes
            said = [f": {classes[guess]}" for guess in read(shown).argmax(1)]
        row += [
            self._picture(pathway, image, word + guess)
            for image, guess in zip(shown, said, strict=True)
        ]

    def _picture(self, pathway: int, image: Array, caption: str) -> Picture:
        return Picture(image.reshape(self.digits[pathway].shape), caption)

    def _other(self, given: int, images: NDArray[Any]) -> Array:
        """What the other pathway generates once the memory has settled, the given one clamped."""
        columns, wanted = halves(self.net), 1 - given
        visible = np.empty((len(images), self.net.memory.n_visible), self.net.memory.weights.dtype)
        visible[:, columns[given]] = pen_probs(self.pathways[given], images)
        visible[:, columns[wanted]] = of_noise(self.pathways[wanted], len(images), self.rng)
        return self._settled(visible, columns[given], wanted, self.options.rounds)

    def _settled(self, visible: Array, clamped: slice, wanted: int, rounds: int) -> Array:
        settle(self.net, visible, clamped, rounds, self.rng)
        return self._down(visible, wanted)

    def _down(self, visible: Array, wanted: int) -> Array:
        pen = np.ascontiguousarray(visible[:, halves(self.net)[wanted]])
        return top_down_pass(self.pathways[wanted].generative, pen, self.rng)

    def ambiguity(self, tick: Callable[[float], None]) -> None:
        """Means of two images of different classes, each heard with a recording of either."""
        images, second = self.cases
        order = self.rng.permutation(len(images))
        one, other = order[: len(order) // 2], order[len(order) // 2 :][: len(order) // 2]
        differ = images.labels[one] != images.labels[other]
        one, other = one[differ], other[differ]
        pixels = images.images.astype(np.float32) / 255
        blends = (pixels[one] + pixels[other]) / 2
        hits, settled, recordings = [], [], []
        read = self.reads[0]
        for own in (one, other):
            heard = partners(images.labels[own], second.labels, self.rng)
            seen = self._told_apart(blends, second.images[heard])
            settled.append(seen)
            recordings.append(heard)
            if read:
                hits.append((read(seen).argmax(1), read(blends).argmax(1), images.labels[own]))
        if read:
            wanted = np.concatenate([labels for *_, labels in hits])
            self._count("blend, before", np.concatenate([b for _, b, _ in hits]) == wanted)
            self._count("blend, told apart", np.concatenate([s for s, *_ in hits]) == wanted)
        tick(0.1)
        classes = self.digits[0].classes
        for place in range(min(_BLENDS, len(blends))):
            both = [classes[images.labels[own[place]]] for own in (one, other)]
            row = [self._picture(0, blends[place], f"{both[0]} and {both[1]}")]
            for label, seen, heard in zip(both, settled, recordings, strict=True):
                recording = second.images[heard[place]] / 255
                row.append(self._picture(1, recording, f"says {label}"))
                self._show(row, 0, seen[place : place + 1], "sees")
            self.blends.append(row)

    def _told_apart(self, blends: Array, recordings: NDArray[Any]) -> Array:
        """What becomes of images while recordings are heard: the memory starts from both."""
        left, right = halves(self.net)
        visible = np.empty((len(blends), self.net.memory.n_visible), self.net.memory.weights.dtype)
        visible[:, left] = pen_probs(self.net.image, blends)
        visible[:, right] = pen_probs(self.net.second, recordings)
        return self._settled(visible, right, 0, self.options.rounds)

    def dreams(self, tick: Callable[[float], None]) -> None:
        """Pairs that the memory settles to with nothing given: read as the same class, or not."""
        n = max(self.options.dreams, len(self.pairs))
        visible = np.hstack([of_noise(own, n, self.rng) for own in self.pathways])
        for rounds in numerics.batches(self.options.dream_rounds, 50):
            settle(self.net, visible, slice(0, 0), rounds.stop - rounds.start, self.rng)
            tick(0.2 * (rounds.stop - rounds.start) / self.options.dream_rounds)
        dreamt = [self._down(visible, pathway) for pathway in (0, 1)]
        if self.reads[0] and self.reads[1]:
            seen, heard = self.reads[0](dreamt[0]), self.reads[1](dreamt[1])
            alike = seen.argmax(1) == heard.argmax(1)
            self._count("dreamt pair, read alike", alike[: self.options.dreams])
        for place, row in enumerate(self.pairs):
            for pathway, word in ((0, "dreams"), (1, "with")):
                self._show(row, pathway, dreamt[pathway][place : place + 1], word)

    def _count(self, measure: str, right: Labels | NDArray[np.bool_]) -> None:
        self.counts.append(Count(measure, len(right), int(np.count_nonzero(right))))
