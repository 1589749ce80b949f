"""The sections of the chapter that numbers and figures belong to, in its order.

UTML TR 2006-004; quotations are its own words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hinton06.lineage import PRETRAINED
from hinton06.loading import RunFile
from hinton06.report.files import conditions

_FEW = {"labelled", "images"}


@dataclass(frozen=True)
class Section:
    """A section of the chapter: its title, and what it claims that a rerun can show.

    `figures` that are drawn in it are names of `plates.DRAWN`; `learned`: whether a file's learning
    curves belong here.
    """

    title: str
    claim: str
    figures: tuple[str, ...] = ()
    learned: Callable[[RunFile], bool] = lambda _file: False
    about: str = ""


def _classifier(file: RunFile) -> set[str] | None:
    """What sets a classifier apart from Table 1's; None for anything else."""
    return conditions(file) if file.kind.name == "classifier" else None


SECTIONS = (
    Section(
        "Five strategies for learning multilayer networks",
        "Compared with random jittering of the weights or feature activations, backpropagation is "
        "more efficient by a factor of the number of weights or features in the network. ... The "
        'performance of both backpropagation (strategy four) and the "wake-sleep" algorithm '
        '(strategy five) can be greatly improved by using a "pre-training" phase.',
        ("dreams",),
        lambda file: file.kind.name == "directed",
    ),
    Section(
        "Learning one layer of feature detectors",
        "Most of the feature detectors learn highly localized receptive fields.",
        ("2", "3"),
    ),
    Section(
        "A greedy learning algorithm for multiple hidden layers",
        "So after learning several layers there is good reason to believe that the feature "
        "detectors will have captured many of the statistical regularities in the set of training "
        "images and we can now test the hypothesis that these feature detectors will be useful for "
        "classification.",
        learned=lambda file: file.lineage.role == PRETRAINED,
    ),
    Section(
        "Using backpropagation for discriminative fine-tuning",
        "Table 1 shows that the error rate of backpropagation can be reduced to about 1.12% if it "
        "is only used for fine-tuning features that are originally discovered by layer-by-layer "
        "pretraining.",
        about="Table 1 stands in the next section, as in the chapter.",
    ),
    Section(
        "Details of the discriminative fine-tuning procedure",
        "As shown in table 1, this gave test error rates of 1.22% 1.16% and 1.24% on the three "
        "different splits.",
        ("errors of classifiers",),
        lambda file: (found := _classifier(file)) is not None and found <= {"cases"},
    ),
    Section(
        "Using extra unlabeled data",
        "Preliminary experiments confirm that pretraining on unlabeled data helps a lot, but for a "
        "proper comparison it will be necessary to use networks of the appropriate size.",
        learned=lambda file: bool((_classifier(file) or set()) & _FEW),
    ),
    Section(
        "Using geometric prior knowledge",
        "The average error rate of the pretrained neural net falls from 1.12% to 0.65%.",
        learned=lambda file: "translations" in (_classifier(file) or set()),
    ),
    Section(
        "Using contrastive wake-sleep for generative fine-tuning",
        "The fact that it can generate a wide variety of slightly implausible versions of each "
        "type of digit makes it very good at recognizing poorly written digits.",
        ("5", "errors of generative nets"),
        lambda file: file.kind.name == "generative",
    ),
)
