"""The tour: the chapter's story in stages, with nets small enough to learn while people watch.

One source of two things: ``hinton06 tour`` goes through the `STAGES` on a terminal, and
docs/tour.md has them with the commands that do the same, and what these print.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from hinton06 import learning, loading, mnist, native, sampling
from hinton06.evaluation import CaseSelection, Evaluation, evaluate
from hinton06.loading import Context
from hinton06.mnist import Digits
from hinton06.net import Net
from hinton06.recipes import counted
from hinton06.report import files, samples, scores
from hinton06.report.bars import bars
from hinton06.sampling import SamplingOptions
from hinton06.training import Progress

ABOUT = (
    "The chapter's story with nets small enough to learn while people watch. The recipe quick has "
    "layers of 200, 200 and 500 features and a few epochs where the chapter has 500, 500 and 2000 "
    "and a hundred; its numbers are not the chapter's, but everything that the chapter shows can "
    "be seen."
)


@dataclass
class Tour:
    """Where the tour is taken, and of what: nets and pictures are made in a `folder`.

    `data` are the place of other images, None for MNIST; `transposed` as for `mnist.read`.
    `display` makes what is told of progress, of learning or of something else. `pause` is called
    between what is shown.
    """

    folder: Path
    console: Console
    data: Path | None = None
    threads: int | None = None
    force: bool = False
    transposed: bool = False
    display: Callable[[bool], Progress] = lambda _learning: learning.Silent()
    pause: Callable[[], None] = lambda: None
    _how: dict[str, str] = field(default_factory=dict)

    @cached_property
    def digits(self) -> Digits:
        """The images."""
        return mnist.read(None if self.data is loading.MNIST else self.data, self.transposed)

    @property
    def context(self) -> Context:
        """For calls that look at files."""
        threads = min(self.stack.record.lineage.threads, native.usable_threads())
        return Context(self.digits, self.display(False), self.threads or threads)

    def _learned(self, name: str, call: Callable[..., Net], *start: Any, **more: Any) -> Net:
        path = self.folder / name
        already = path.exists() and not self.force
        net = call(
            *start, path, data=self.digits, threads=self.threads, force=self.force,
            progress=self.display(True), **more,
        )  # fmt: skip
        seconds = net.record.provenance["seconds"]
        self._how[net.path] = "already finished" if already else f"finished in {seconds:.0f} s"
        return net

    @cached_property
    def stack(self) -> Net:
        """Features that were learned without labels."""
        return self._learned("pretrain-a.h5", learning.pretrain, split="a", recipe="quick")

    @cached_property
    def memory(self) -> Net:
        """A memory of features and labels on the two lower layers of the stack."""
        more = {"split": "a", "labels": True, "on": self.stack}
        return self._learned("pretrain-labels-a.h5", learning.pretrain, **more)

    @cached_property
    def dreamer(self) -> Net:
        """The same, fine-tuned by contrastive wake-sleep."""
        return self._learned("cws-a.h5", learning.finetune_cws, self.memory)

    @cached_property
    def classifier(self) -> Net:
        """The stack, fine-tuned by backpropagation."""
        return self._learned("bp-a.h5", learning.finetune_bp, self.stack)

    @cached_property
    def from_random(self) -> Net:
        """A net of the same size, from random weights by backpropagation."""
        call, criteria = learning.finetune_from_random, [self.classifier]
        return self._learned("bp-not-pretrained.h5", call, criteria=criteria)

    def say(self, words: str) -> None:
        """Print a paragraph."""
        self.console.print(words)

    def tell(self, net: Net) -> None:
        """Say what was learned, and how well it recognises."""
        self.say(f"{repr(net)[1:-1]}; {net.record.reason}, {self._how[net.path]}")
        for part, score in net.record.scores.items():
            name = part.replace("valid", "validation")
            self.say(f"  {name}: {counted(f'{score.errors:,}', 'error')} of {score.cases:,}")

    def draw(self, net: Net, number: str) -> None:
        """Draw a figure of the chapter's from a net."""
        from hinton06.report import figures  # noqa: PLC0415  # Matplotlib is slow to import

        wanted = figures.FigureOptions(only=(number,))
        for drawn in figures.draw(self.context, [Path(net.path)], self.folder, wanted):
            self.say(f"{drawn.files[0]}: {drawn.about}")

    def dream(self, net: Net, name: str = "", form: str = "png", **options: Any) -> None:
        """Let a net generate images; the last of each chain is printed, and all are saved."""
        path, wanted = Path(net.path), SamplingOptions(**options)
        made = sampling.sample(self.context, path, wanted)
        about = samples.describe(made, wanted)
        picture = self.folder / f"{name or f'samples-{path.stem}'}.{form}"
        if form == "gif" and self.console.is_terminal:
            samples.play(made, self.console)
        samples.preview(made)
        samples.save(made, picture, form, f"{path.name}: {about}", wanted.gibbs)
        self.say(f"{picture}: {about}")


_FOLDER = re.compile(r"(?<= )tour(?=/| |$)")


@dataclass(frozen=True)
class Step:
    """Something to be seen: words, what the tour does, the commands that do the same, a picture.

    In the `commands` the folder is ``tour``. Without a `show` it stands on the page alone, for
    those who go on. `picture`: what it shows, and its file.
    """

    words: str = ""
    commands: tuple[str, ...] = ()
    show: Callable[[Tour], None] | None = None
    after: str = ""
    picture: tuple[str, str] = ("", "")

    def typed(self, tour: Tour) -> list[str]:
        """The commands as they are typed to do what a tour does."""
        name, given = shlex.quote(str(tour.folder)), ""
        if tour.data is not None:
            folder = tour.data == loading.MNIST and tour.data is not loading.MNIST
            given += f" --data {shlex.quote(f'./{tour.data}' if folder else str(tour.data))}"
        if tour.transposed:
            given += " --transposed"
        if tour.threads is not None:
            given += f" --threads {tour.threads}"
        typed = [_FOLDER.sub(lambda _: name, command) for command in self.commands]
        return [c + given if " --recipe " in c else c for c in typed]  # files carry them on


@dataclass(frozen=True)
class Stage:
    """A part of the story, which begins with a sentence of the chapter's and its section."""

    title: str
    sentence: str
    section: str
    steps: Sequence[Step]


def _learn(tour: Tour) -> None:
    tour.tell(tour.stack)


def _features(tour: Tour) -> None:
    from hinton06.report import grids  # noqa: PLC0415

    across, _ = grids.preview_size(tour.digits.shape, tour.console)
    weights = tour.stack.weights["rbm1/weights"][:, : 2 * across]
    lines, white = grids.field_lines(weights, tour.digits.shape, tour.console)
    for line in lines:
        tour.console.print(line, no_wrap=True, crop=True)
    tour.say(f"{weights.shape[1]} features; white: weights of {white:.2g} and more, black: of "
             f"-{white:.2g} and less")  # fmt: skip
    tour.pause()
    tour.draw(tour.stack, "3")


def _one_layer(tour: Tour) -> None:
    tour.dream(tour.stack, "one-layer", layer=1, chains=5, samples=5)


def _dream_without_labels(tour: Tour) -> None:
    tour.dream(tour.stack)


def _learn_labels(tour: Tour) -> None:
    tour.tell(tour.memory)
    tour.dream(tour.memory)


def _wake_and_sleep(tour: Tour) -> None:
    tour.tell(tour.dreamer)
    tour.dream(tour.dreamer)


def _wander(tour: Tour) -> None:
    tour.dream(tour.dreamer, "wander", "gif", gibbs=5, samples=40)


def _energies(tour: Tour) -> None:
    from hinton06.report import energies  # noqa: PLC0415  # Matplotlib is slow to import

    digits = tour.digits
    found = tour.dreamer.free_energy(digits.test_images)
    shown = energies.choose(found, digits.test_classes, digits.classes)
    images = digits.test_images[[case.test_case for case in shown]] / 255
    images = images.reshape(-1, *digits.shape)
    for case, image in zip(shown, images, strict=True):
        tour.say(case.title)
        tour.console.print(energies.text(case, image, tour.console))
        tour.pause()
    picture = tour.folder / "energies.png"
    files.save(picture, energies.picture(shown, images))
    tour.say(f"{picture}: these digits, and the free energy with each label above the lowest")


def _evaluate(tour: Tour, *nets: Net) -> list[Evaluation]:
    paths = [Path(net.path) for net in nets]
    found = evaluate(tour.context, paths, selection=CaseSelection(("test",)))
    scores.show(found, False, [])
    return found


def _recognise(tour: Tour) -> None:
    _evaluate(tour, tour.dreamer)


def _backpropagate(tour: Tour) -> None:
    tour.tell(tour.classifier)
    tour.tell(tour.from_random)


def _compare(tour: Tour) -> None:
    nets = {
        "features and labels, learned greedily": tour.memory,
        "fine-tuned by wake-sleep": tour.dreamer,
        "backpropagation from random weights": tour.from_random,
        "backpropagation after pretraining": tour.classifier,
    }
    found = _evaluate(tour, *nets.values())
    counts = [each.score.errors for each in found]
    errors = [(name, n, str(n)) for name, n in zip(nets, counts, strict=True)]
    tour.say("\nErrors on the test cases:")
    for line in bars(errors, min(tour.console.width, 80), tour.console):
        tour.console.print(line)


def _least_sure(tour: Tour) -> None:
    tour.draw(tour.classifier, "2")


_ONE = '"Learning one layer of feature detectors"'
_GREEDY = '"A greedy learning algorithm for multiple hidden layers"'
_BACKPROP = '"Using backpropagation for discriminative fine-tuning"'
_CWS = '"Using contrastive wake-sleep for generative fine-tuning"'

STAGES = (
    Stage(
        "Learn",
        "This greedy, layer-by-layer learning can be repeated as many times as desired.",
        _GREEDY,
        [
            Step(
                "A stack of three layers of feature detectors, each an RBM that learns to "
                "reconstruct the activities of the layer below by one-step contrastive divergence "
                "(Eqs 4 to 6). It sees the training images of split a, and no label.",
                ("hinton06 pretrain --split a --recipe quick --watch --runs tour",),
                _learn,
            )
        ],
    ),
    Stage(
        "Look",
        "Most of the feature detectors learn highly localized receptive fields.",
        f"{_ONE}, Figure 3",
        [
            Step(
                "What did the first layer learn? Each square shows the weights from all pixels to "
                "one feature detector; in the picture white is +3 and black -3, as in Figure 3.",
                ("hinton06 figures tour/pretrain-a.h5 --only 3 --out tour",),
                _features,
                'Localised spots and strokes, "fingerprints", and the sharp black lines of which '
                'the chapter says that they "capture the fact that if a pixel is on, pixels that '
                'are more than 20 rows above or below it cannot be on". No label told the '
                "features what to look for.",
                ("Receptive fields", "figure3-pretrain-a.png"),
            ),
        ],
    ),
    Stage(
        "Dream without labels",
        "This starts with a random image and then alternates between updating all of the features "
        "in parallel using Eq. 5 and updating all of the pixels in parallel using Eq. 6.",
        _ONE,
        [
            Step(
                "What does a single layer believe in? Chains of alternating Gibbs sampling that "
                "start from random images.",
                (
                    "hinton06 sample tour/pretrain-a.h5 --layer 1 --chains 5 --samples 5 "
                    "--out tour/one-layer.png",
                ),
                _one_layer,
            ),
            Step(
                "And the whole stack? The top RBM is sampled, and what it has in mind is sent down "
                "to the pixels. It cannot be asked for a digit: it was never told that there are "
                "any.",
                ("hinton06 sample tour/pretrain-a.h5",),
                _dream_without_labels,
            ),
        ],
    ),
    Stage(
        "Dream of a digit",
        "Turning on one of the 10 label units lowers one whole valley and raises the other "
        "valleys.",
        _CWS,
        [
            Step(
                "For a net that dreams on demand the top RBM learns features and labels together "
                "(Figure 4), on the two layers that are there already. Then each label is clamped "
                "in turn.",
                (
                    "hinton06 pretrain --labels --split a --on tour/pretrain-a.h5 --runs tour",
                    "hinton06 sample tour/pretrain-labels-a.h5",
                ),
                _learn_labels,
                "Learned greedily alone, the memory can settle in shapes that no digit led it to.",
            ),
            Step(
                "Contrastive wake-sleep (Eqs 2 to 4) fine-tunes the whole as one generative model. "
                "What does it now have in mind when it is told a digit? 1000 rounds of alternating "
                "Gibbs sampling before each image: Figure 5.",
                (
                    "hinton06 finetune-cws tour/pretrain-labels-a.h5",
                    "hinton06 sample tour/cws-a.h5",
                ),
                _wake_and_sleep,
                picture=("Samples with each label clamped", "samples-cws-a.png"),
            ),
            Step(
                "Let it wander, and watch: a frame for every five rounds.",
                ("hinton06 sample tour/cws-a.h5 --gibbs 5 --samples 40 --out tour/wander.gif",),
                _wander,
            ),
        ],
    ),
    Stage(
        "Recognise",
        "The label that gives the lowest free-energy is the network's guess.",
        _CWS,
        [
            Step(
                "The net that dreams also recognises. An image goes up to the memory, is paired "
                "with each label in turn, and the memory's free energy says how well they go "
                "together. How many test cases does it get wrong?",
                ("hinton06 evaluate tour/cws-a.h5 --part test",),
                _recognise,
            ),
            Step(
                "The labels compete: here is by how many nats the free energy with each is above "
                "the lowest one.",
                (),
                _energies,
                picture=("Test digits with their ten free energies", "energies.png"),
            ),
            Step(
                "There are other ways of asking, noisier or slower; here beside each other on 200 "
                "of the test cases ([what they are](commands.md#evaluate)).",
                ("hinton06 evaluate tour/cws-a.h5 --part test --method all --cases 200",),
            ),
        ],
    ),
    Stage(
        "Backpropagation",
        "This produced much better classification performance on test data than using "
        "backpropagation without the initial, unsupervised phase of learning.",
        _BACKPROP,
        [
            Step(
                "Where recognition is all that is wanted, backpropagation fine-tunes the stack "
                "that learned without labels. Beside it a net of the same size starts from random "
                "weights, and learns all training cases.",
                (
                    "hinton06 finetune-bp tour/pretrain-a.h5",
                    "hinton06 finetune-bp --no-pretraining tour/bp-a.h5",
                ),
                _backpropagate,
            ),
            Step(
                "What does it add? Each of the nets on the test cases.",
                (
                    "hinton06 evaluate tour/pretrain-labels-a.h5 tour/cws-a.h5 "
                    "tour/bp-not-pretrained.h5 tour/bp-a.h5 --part test",
                ),
                _compare,
                "Learning by backpropagation ends at the short recipe's cap of epochs. With the "
                "chapter's stopping rules the gap is that of the last rows of Table 1.",
            ),
            Step(
                "Which digits is the pretrained net least sure of, and what else does it take them "
                "for? The chapter's Figure 2.",
                ("hinton06 figures tour/bp-a.h5 --only 2 --out tour",),
                _least_sure,
                picture=("The test digits that the net is least sure of", "figure2-bp-a.png"),
            ),
            Step(
                "How was a file made? `show` says everything, with the source of each setting; "
                "here its first lines.",
                ("hinton06 show tour/bp-a.h5 | head -n 4",),
            ),
        ],
    ),
)
"""The whole tour, in order."""
