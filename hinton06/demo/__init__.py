"""The demonstration: one page in which a net recognises and dreams, in any browser, offline.

"A demonstration that shows the network generating and recognizing digit images", "Using contrastive
wake-sleep for generative fine-tuning". The page is the template `page.html` with the style, the
programs, the nets and some test digits put in; it asks for nothing from anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hinton06 import pages, provenance
from hinton06.demo.weights import STEPS, RoundedNet, packed
from hinton06.evaluation import finite_score
from hinton06.lineage import ROLES
from hinton06.loading import WITH_LABELS, Context, RunFile, load
from hinton06.mnist import Digits
from hinton06.models import DeepBeliefNet
from hinton06.numerics import Array
from hinton06.recognition import Score, label_log_probs
from hinton06.records import Tree
from hinton06.training import RunError

MAX_BYTES = 4_000_000
"""No page is larger."""
MAX_NETS = 2

_DIGITS = 100
_HARD_SHARE = 0.2
# Ink, in full pixels, of all but so many per cent of the training images on either side: of 98 %,
# says the page.
_INK_PERCENT = 1.0
_PROGRAMS = ("net.js", "pictures.js", "pad.js", "page.js")


@dataclass(frozen=True, eq=False)
class PageNet:
    """A net as the page has it, and what the rounding of its weights does to the test cases.

    `score` is by free energy with the weights of the file, `rounded_score` with the rounded ones;
    of `changed` cases the two guess different labels.
    """

    file: RunFile
    held: RoundedNet
    score: Score
    rounded_score: Score
    changed: int


@dataclass(frozen=True, eq=False)
class Demonstration:
    """The page, its nets, and the `step` to which their weights are rounded, in deviations."""

    html: str
    nets: tuple[PageNet, ...]
    step: float

    @property
    def size(self) -> int:
        """Bytes of the page."""
        return len(self.html.encode())


def make(context: Context, paths: Sequence[Path]) -> Demonstration:
    """The page with the nets in one or two files; the first is the one that it opens with.

    Raises `CheckpointError` or `RunError` if a file cannot be read, holds no net that learned
    images with labels in three layers, does not fit the images, or if the page would be larger than
    `MAX_BYTES`.
    """
    if not 1 <= len(paths) <= MAX_NETS:
        raise RunError(f"the page has one net or two, not {len(paths)}")
    files = [load(path) for path in paths]
    nets = [_net(file) for file in files]
    digits, *others = [file.fitted(context.digits) for file in files]
    if any(other.classes != digits.classes for other in others):
        raise RunError(f"{paths[1]}: does not know the same classes as {paths[0]}")
    with context.shown("demo", 2 * len(nets)) as tick:
        logs = [_asked(net, digits, tick) for net in nets]
        chosen = choose_digits(logs[0], digits)
        for step in STEPS:
            held = [RoundedNet.of(net, step) for net in nets]
            measured = [
                _measured(*each, digits, _asked(each[1].net, digits, tick))
                for each in zip(files, held, logs, strict=True)
            ]
            texts = [_pixels(chosen, digits), *(each.text() for each in held)]
            made = Demonstration(
                _page(_about(measured, chosen, digits), texts), tuple(measured), step
            )
            if made.size <= MAX_BYTES:
                return made
    raise RunError(
        f"{' and '.join(map(str, paths))}: the page would have {made.size / 1e6:.1f} MB, more than "
        f"{MAX_BYTES / 1e6:g}"
    )


def _net(file: RunFile) -> DeepBeliefNet:
    file.generator()
    net: DeepBeliefNet = file.recogniser().net
    if not isinstance(net, DeepBeliefNet):
        raise RunError(f"{file.path}: holds {file.kind.about}, but {WITH_LABELS} is needed")
    return net


def _asked(net: DeepBeliefNet, digits: Digits, tick: Callable[[float], None]) -> Array:
    answer = label_log_probs(net, digits.test_images)
    tick(1)
    return answer


def _measured(
    file: RunFile, held: RoundedNet, log_probs: Array, digits: Digits, rounded: Array
) -> PageNet:
    """From (n_test, n_classes) log probabilities with the file's weights, and the rounded ones."""
    before, after = (
        finite_score(file.path, logs, digits.test_classes) for logs in (log_probs, rounded)
    )
    changed = np.count_nonzero(log_probs.argmax(axis=1) != rounded.argmax(axis=1))
    return PageNet(file, held, before, after, int(changed))


# -- the digits ----------------------------------------------------------------------------------


def choose_digits(log_probs: Array, digits: Digits, n: int = _DIGITS) -> NDArray[np.intp]:
    """Some n test cases, equally many of each class: the first ones, then hard ones.

    Of (n_test, n_classes) log probabilities; hard are those whose label leads the best other one
    least, or falls behind it most. A row of classes for each place in the choice: (n,).
    """
    each = max(1, n // digits.n_classes)
    labels = digits.test_classes
    own = np.arange(digits.n_classes) == labels[:, np.newaxis]
    other = np.where(own, -np.inf, log_probs).max(axis=1)
    leads = np.where(own, log_probs, -np.inf).max(axis=1) - other
    columns = []
    for label in range(digits.n_classes):
        cases = np.flatnonzero(labels == label)
        n_hard = int(_HARD_SHARE * min(each, len(cases)))
        easy = cases[: max(0, each - n_hard)]
        rest = np.setdiff1d(cases, easy)
        hardest = rest[np.argsort(leads[rest], kind="stable")[:n_hard]]
        columns.append(np.concatenate([easy, np.sort(hardest)]))
    longest = max(map(len, columns), default=0)
    return np.array(
        [column[place] for place in range(longest) for column in columns if place < len(column)],
        np.intp,
    )


def _pixels(chosen: NDArray[np.intp], digits: Digits) -> str:
    return packed(digits.test_images[chosen].tobytes())


# -- the page ------------------------------------------------------------------------------------


def _about(nets: Sequence[PageNet], chosen: NDArray[np.intp], digits: Digits) -> Tree:
    """What the page says in words and numbers, as JSON values."""
    ink = digits.train_images.sum(axis=1, dtype=np.float64) / 255
    names = _names([net.file for net in nets])
    return {
        "data": digits.name,
        "noun": digits.noun,
        "shape": list(digits.shape),
        "classes": digits.n_classes,
        "names": list(digits.classes),
        "cases": [int(case) for case in chosen],
        "labels": [int(digits.test_classes[case]) for case in chosen],
        "ink": np.percentile(ink, [_INK_PERCENT, 100 - _INK_PERCENT]).round(1).tolist(),
        "version": provenance.version(),
        "nets": [
            {
                "name": name,
                "about": net.file.kind.about,
                "role": ROLES[net.file.lineage.role],
                "sizes": net.held.sizes,
                "tied": net.held.tied,
                **values(net),
            }
            for name, net in zip(names, nets, strict=True)
        ],
    }


def _names(files: Sequence[RunFile]) -> list[str]:
    """Short names to tell the nets apart by."""
    names = ["greedy" if file.kind.name == "stack" else "fine-tuned" for file in files]
    return names if len(set(names)) == len(names) else [file.path.stem for file in files]


def values(net: PageNet) -> Tree:
    """Where a net comes from, and its errors, as JSON values."""
    return {
        "file": net.file.path.name,
        "recipe": net.file.recipe,
        "seed": net.file.lineage.seed,
        "sha256": net.file.digest,
        "cases": net.score.cases,
        "errors": net.score.errors,
        "rounded_errors": net.rounded_score.errors,
        "changed": net.changed,
    }


def _page(about: Tree, texts: Sequence[str]) -> str:
    """The template with everything in its place."""
    said = json.dumps(about, allow_nan=False).replace("<", "\\u003c")
    data = [f'<script type="application/json" id="about">{said}</script>']
    data += [
        f'<script type="text/plain" id="{name}">{text}</script>'
        for name, text in zip(("digits-data", "net-0", "net-1"), texts, strict=False)
    ]
    program = "\n".join(pages.text(__name__, name) for name in _PROGRAMS)
    noun = str(about["noun"])
    a_noun = f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
    return pages.rendered(
        __name__, data="\n".join(data), program=program, digit=noun, a_digit=a_noun
    )
