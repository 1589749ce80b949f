"""What every library call starts from: the digits, and files opened and checked against them.

Not in the chapter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import checkpoint, mnist, native, records
from hinton06.checkpoint import Checkpoint, CheckpointError
from hinton06.generation import Generator
from hinton06.mnist import Digits, Split
from hinton06.models import Classifier, DeepBeliefNet, Stack
from hinton06.recognition import Cases
from hinton06.training import SAVE_EVERY_S, Progress, RunError


@dataclass(frozen=True)
class Context:
    """What every command shares.

    Parameters
    ----------
    digits : Digits
    progress : Progress
    threads : int
        Of products and passes; results are bit-identical for equal numbers of threads.
    force : bool
        Start anew and replace what there is.
    save_every_s : float
        Seconds between saves.
    """

    digits: Digits
    progress: Progress
    threads: int = 1
    force: bool = False
    save_every_s: float = SAVE_EVERY_S

    @contextmanager
    def computing(self) -> Iterator[None]:
        """As many threads as `threads`, and no warning in passing where numbers overflow.

        They are found out by `training.check_finite` and where scores are made, which have a
        name for it.
        """
        with native.threads(self.threads), np.errstate(all="ignore"):
            yield


def load_stage(path: Path, stage: str) -> Checkpoint:
    """A finished file of one stage.

    Parameters
    ----------
    path : Path
    stage : str
        A key of `checkpoint.STAGES`.

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError, RunError
        If it cannot be read, is of another stage, or is not finished.
    """
    found = records.load(path)
    if found.stage != stage:
        held, wanted = checkpoint.STAGES[found.stage], checkpoint.STAGES[stage]
        raise RunError(f"{path}: holds {held}, but {wanted} is needed")
    if not found.complete:
        raise RunError(f"{path}: is not finished; run the command that makes it again")
    return found


def build_model(path: Path, build: Any, found: Checkpoint) -> Any:
    """The model in a file.

    Parameters
    ----------
    path : Path
        For the error message.
    build : function of a tree of arrays
        As `Stack.from_arrays`.
    found : Checkpoint

    Returns
    -------
    what `build` returns

    Raises
    ------
    CheckpointError
        If arrays are missing or do not fit on each other.
    """
    try:
        return build(found.model)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: does not hold a whole model: {error}") from None


def recorded(path: Path, tree: checkpoint.Tree, *names: str) -> Any:
    """What a file that this package made records under these nested names.

    Parameters
    ----------
    path : Path
        For the error message.
    tree : dict
        The file's arguments or outcome.
    names : str

    Raises
    ------
    CheckpointError
        If there is no such value.
    """
    value: Any = tree
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise CheckpointError(f"{path}: does not record its {' '.join(names)}")
        value = value[name]
    return value


def check_inputs(path: Path, n_inputs: int, digits: Digits) -> None:
    """Raise `RunError` unless a net with so many inputs fits the images."""
    if n_inputs != digits.n_pixels:
        raise RunError(
            f"{path}: has {n_inputs} inputs, but images of {digits.name} have "
            f"{digits.n_pixels} pixels"
        )


def check_sizes(path: Path, n_inputs: int, n_classes: int, digits: Digits) -> None:
    """Raise `RunError` unless a net of so many inputs and classes fits images and labels."""
    check_inputs(path, n_inputs, digits)
    if n_classes != digits.n_classes:
        raise RunError(
            f"{path}: knows {n_classes} classes, but {digits.name} has {digits.n_classes}"
        )


def check_net(path: Path, net: Classifier | DeepBeliefNet, digits: Digits) -> None:
    """Raise `RunError` unless a net that recognises fits images and labels."""
    if isinstance(net, Classifier):
        check_sizes(path, net.sizes[0], net.n_classes, digits)
    else:
        check_sizes(path, len(net.vishid), net.n_labels, digits)


def load_net(path: Path, found: Checkpoint | None = None) -> Classifier:
    """The classifier in a file.

    Parameters
    ----------
    path : Path
    found : Checkpoint, optional
        The file, if it was read already.

    Returns
    -------
    Classifier

    Raises
    ------
    CheckpointError, RunError
        If the file cannot be read, or holds something else.
    """
    found = load_stage(path, "classifier") if found is None else found
    net: Classifier = build_model(path, Classifier.from_arrays, found)
    return net


def load_generative(path: Path, stage: str) -> tuple[Checkpoint, DeepBeliefNet]:
    """A generative net, or a stack with labels seen as one.

    Parameters
    ----------
    path : Path
    stage : str
        ``"generative"`` or ``"stack"``.

    Returns
    -------
    the file, and the net

    Raises
    ------
    CheckpointError, RunError
        As `load_stage`; also if a stack has no labels, or is not of three RBMs.
    """
    found = load_stage(path, stage)
    if stage == "generative":
        return found, build_model(path, DeepBeliefNet.from_arrays, found)
    stack = build_model(path, Stack.from_arrays, found)
    if not stack[-1].n_labels:
        raise RunError(
            f"{path}: holds {checkpoint.STAGES['stack']} that was learned without labels, and "
            "recognises nothing (pretrain --labels learns them)"
        )
    try:
        return found, DeepBeliefNet.untied(stack)
    except ValueError as error:
        raise RunError(f"{path}: {error}") from None


def load_recogniser(path: Path) -> tuple[Checkpoint, Classifier | DeepBeliefNet]:
    """Whatever in a file can recognise digits.

    Parameters
    ----------
    path : Path
        A classifier, a generative net, or a stack that learned labels.

    Returns
    -------
    the file, and the net

    Raises
    ------
    CheckpointError, RunError
        If the file cannot be read, is not finished, or holds a stack without labels.
    """
    found = records.load(path)
    if found.stage == "classifier":
        found = load_stage(path, "classifier")
        return found, load_net(path, found)
    return load_generative(path, found.stage)


def load_generator(path: Path, digits: Digits, layer: int | None = None) -> Generator:
    """Whatever in a file can generate images.

    Parameters
    ----------
    path : Path
        A stack or a generative net.
    digits : Digits
        Whose images it has learned: they tell the shape of what it generates.
    layer : int, optional
        The RBM of a stack that is to be sampled, 1 at the bottom; the top one when not given.

    Returns
    -------
    Generator

    Raises
    ------
    CheckpointError, RunError
        If the file cannot be read, is not finished, holds a classifier, or has no such layer.

    Source
    ------
    The two views of a pretrained stack in "Using contrastive wake-sleep for generative
    fine-tuning".
    """
    found = records.load(path)
    if found.stage not in ("stack", "generative"):
        raise RunError(
            f"{path}: holds {checkpoint.STAGES[found.stage]}, which generates nothing; a stack "
            "or a generative net is needed"
        )
    if not found.complete:
        raise RunError(f"{path}: is not finished; run the command that makes it again")
    if found.stage == "generative":
        if layer is not None:
            raise RunError(
                f"{path}: holds {checkpoint.STAGES[found.stage]}, whose lower layers are no RBMs "
                "any more; --layer takes a stack"
            )
        generator = Generator.of_net(build_model(path, DeepBeliefNet.from_arrays, found))
    else:
        stack = build_model(path, Stack.from_arrays, found)
        if layer is not None and not 1 <= layer <= len(stack):
            raise RunError(f"{path}: has layers 1 to {len(stack)}, not {layer}")
        generator = Generator.of_layer(stack, layer or len(stack))
    check_inputs(path, generator.n_pixels, digits)
    return generator


def split_of(path: Path, digits: Digits, name: str) -> Split:
    """One of the three splits, as `mnist.split`; a `RunError` that names the file otherwise."""
    try:
        return mnist.split(len(digits.train_labels), name)
    except ValueError as error:
        raise RunError(f"{path}: {error}") from None


def split_recorded(path: Path, digits: Digits, found: Checkpoint) -> Split:
    """The split that a file was made with, to go on with or to measure it by.

    Parameters
    ----------
    path : Path
        For the error message.
    digits : Digits
    found : Checkpoint

    Raises
    ------
    CheckpointError
        If the file does not record its split.
    RunError
        If a split of that name had other validation cases of the same data when the file was made:
        those of now may be among the cases that it was trained on.
    """
    split = split_of(path, digits, recorded(path, found.arguments, "split"))
    then = found.arguments.get("split_sha256")
    if found.arguments.get("data") == digits.sha256 and then not in (None, split.sha256):
        raise RunError(
            f"{path}: was made with other validation cases than split {split.name} has now, by "
            "another version of this program; make it anew"
        )
    return split


def random_stream(seed: int, stage: int, split_name: str | None) -> np.random.Generator:
    """Independent random numbers for each seed, stage and split.

    Parameters
    ----------
    seed : int
    stage : int
        What they are for; a number of its own for each use.
    split_name : str or None
    """
    number = 3 if split_name is None else mnist.SPLITS.index(split_name)
    return np.random.Generator(
        np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(stage, number)))
    )


_LABELLED_STREAM = 7


def training_rows(path: Path, digits: Digits, split: Split, n_cases: int) -> Any:
    """A split's training cases, or so many of them, the first ones, equally many of each class.

    Parameters
    ----------
    path : Path
        For the error message.
    digits : Digits
    split : Split
    n_cases : int
        0 for all.

    Returns
    -------
    (n,) integer array of rows of the training images, in ascending order

    Raises
    ------
    RunError
        If there are not so many, or they cannot be shared equally.

    Source
    ------
    44,000 balanced cases: Hinton, Osindero and Teh (2006).
    """
    return _equally(path, digits, split, split.train, n_cases) if n_cases else split.train


def learned_rows(path: Path, digits: Digits, split: Split, arguments: Mapping[str, Any]) -> Any:
    """The training cases that a file with these arguments has learned, or will.

    Of a stack those whose images, of a net above one those whose labels as well: if not all, as
    many of each class, drawn at random by the seed. More of them are these and others, and a stack
    of labelled images alone has those whose labels a net of as many learns.

    Parameters
    ----------
    path : Path
        For the error message.
    digits : Digits
    split : Split
    arguments : mapping
        Of the file.

    Returns
    -------
    (n,) integer array of rows of the training images, in ascending order

    Raises
    ------
    CheckpointError
        If the number of them is not one.
    RunError
        If there are not so many, or they cannot be shared equally.
    """
    rows = training_rows(path, digits, split, cases_asked_for(path, arguments))
    labelled = labels_asked_for(path, arguments)
    if not labelled:
        return rows
    drawn = random_stream(arguments["seed"], _LABELLED_STREAM, split.name).permutation(rows)
    return _equally(path, digits, split, drawn, labelled)


def _equally(path: Path, digits: Digits, split: Split, rows: Any, n_cases: int) -> Any:
    """The first of these rows, equally many of each class, so many together."""
    labels, (each, rest) = digits.train_labels[rows], divmod(n_cases, digits.n_classes)
    own = [np.flatnonzero(labels == label)[:each] for label in range(digits.n_classes)]
    if rest or min(map(len, own)) < each:
        raise RunError(
            f"{path}: split {split.name} of {digits.name} does not have {n_cases} training cases, "
            f"equally many of each of {digits.n_classes} classes"
        )
    return np.sort(rows[np.concatenate(own)])


def cases_asked_for(path: Path, arguments: Mapping[str, Any]) -> int:
    """How many training cases a stack, or the one below a net, was asked to learn; 0 for all.

    Parameters
    ----------
    path : Path
        For the error message.
    arguments : mapping
        Of the file.

    Raises
    ------
    CheckpointError
        If that is not a number.
    """
    cases = arguments.get("cases", arguments.get("settings", {}).get("cases", 0))
    if not isinstance(cases, int):
        raise CheckpointError(f"{path}: does not record its number of training cases")
    return cases


def labels_asked_for(path: Path, arguments: Mapping[str, Any]) -> int:
    """Of how many cases a file was made as if the others had no labels; 0 for all.

    Parameters
    ----------
    path : Path
        For the error message.
    arguments : mapping
        Of the file.

    Raises
    ------
    CheckpointError
        If that is not a number.
    """
    labelled = arguments.get("labelled", 0)
    if not isinstance(labelled, int) or labelled < 0:
        raise CheckpointError(f"{path}: does not record its number of labels")
    return labelled


def translations_of(path: Path, arguments: Mapping[str, Any]) -> int:
    """By how many pixels the training images of a file were translated at most; 0 for not at all.

    Parameters
    ----------
    path : Path
        For the error message.
    arguments : mapping
        Of the file.

    Raises
    ------
    CheckpointError
        If that is not a number.
    """
    distance = arguments.get("translations", 0)
    if not isinstance(distance, int) or not 0 <= distance <= mnist.MAX_TRANSLATION:
        raise CheckpointError(f"{path}: does not record how far its images were translated")
    return distance


def cases_at(digits: Digits, rows: Any = slice(None), translations: int = 0) -> Cases:
    """So many of the training cases, all of them if no rows are given.

    Parameters
    ----------
    digits : Digits
    rows : integer array or slice
    translations : int
        Each of them also in all translations by up to so many pixels.

    Raises
    ------
    RunError
        If images could leave their frame.

    Source
    ------
    `mnist.translated`.
    """
    images, labels = digits.train_images[rows], digits.train_labels[rows]
    if not translations:
        return Cases(images, labels)
    try:
        moved = mnist.translated(images, digits.shape, translations)
    except ValueError as error:
        raise RunError(f"{digits.name}: {error}") from None
    return Cases(moved, np.tile(labels, len(moved) // len(images)))
