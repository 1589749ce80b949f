"""Named recipes: every number that the chapter leaves open, with the source of its value.

A setting's field carries its help text and the words that say which values it takes; the command
line makes its options from these, so that each setting is described once. A setting that is added
has a default: what held in files that were written before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from typing import Any

CHAPTER = "the chapter"
SCIENCE06 = "Hinton and Salakhutdinov (2006), public Matlab code"
HOT06 = "Hinton, Osindero and Teh (2006)"
DS02 = "Decoste and Schoelkopf (2002)"
SM08 = "Salakhutdinov and Murray (2008)"
GUIDE10 = "Hinton (2010), A Practical Guide to Training Restricted Boltzmann Machines"
SIMARD03 = "Simard, Steinkraus and Platt (2003)"
SRIVASTAVA14 = "Srivastava and others (2014)"
ASSUMED = "assumed; see docs/assumptions.md"
VALIDATION = "chosen by validation errors; see experiments/search"
BEYOND = "chosen by validation errors; see experiments/beyond"
ADVERSARIAL = "chosen by validation errors; see experiments/adversarial"
NEIGHBOURS = "chosen by validation errors; see experiments/neighbours"
VIRTUAL = "chosen by validation errors; see experiments/virtual"
LEAST = "the least that leaves hardly a fingerprint; see experiments/sparse"
SHORT = "as short as still makes sense"


def parse_layers(text: str) -> tuple[int, ...]:
    """``"500-500-2000"`` as ``(500, 500, 2000)``; a ValueError if it is nothing like it."""
    parts = text.split("-")
    sizes = tuple(int(part) for part in parts if part.isascii() and part.isdigit())
    if len(sizes) < len(parts) or min(sizes) < 1:
        wanted = "numbers joined by hyphens, each 1 or more, like 500-500-2000"
        raise ValueError(f"expected {wanted}, not {text!r}")
    return sizes


def parse_shares(text: str) -> tuple[float, ...]:
    """``"0.5,0.9"`` as ``(0.5, 0.9)``; a ValueError if they are no numbers from 0 to 1."""
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if not shares or not all(0 <= share <= 1 for share in shares):
        wanted = "numbers from 0 to 1 joined by commas, like 0.5,0.9"
        raise ValueError(f"expected {wanted}, not {text!r}")
    return shares


def parse_numbers(text: str) -> tuple[float, ...]:
    """``"0.03,1"`` as ``(0.03, 1.0)``; a ValueError unless they lie above 0, up to 1000."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(0 < number <= 1000 for number in numbers):
        wanted = "numbers above 0, up to 1000, joined by commas, like 0.03,1"
        raise ValueError(f"expected {wanted}, not {text!r}")
    return numbers


def parse_chances(text: str) -> tuple[float, ...]:
    """As `parse_shares`, below 1; a ValueError if they are not."""
    chances = parse_shares(text)
    if max(chances) >= 1:
        raise ValueError(f"expected chances below 1, like 0.2,0.2,0.5, not {text!r}")
    return chances


def show_value(value: Any) -> str:
    """A setting's value as it is typed and printed."""
    if isinstance(value, tuple):
        if any(isinstance(item, float) for item in value):
            return ",".join(f"{item:g}" for item in value)
        return "-".join(str(size) for size in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def counted(number: int | str, noun: str) -> str:
    """``"1 epoch"``, ``"2 epochs"``, ``"33+16 epochs"``, ``"2 passes"``."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {noun if str(number) == '1' else plural}"


def _setting(
    help_text: str, low: Any = None, high: Any = None, before: Any = MISSING, **more: Any
) -> Any:
    """A field whose metadata say how it is described, checked (`choices`) and `parse`d, if a tuple.

    `before`: the value that held in files that were written before there was such a setting;
    `first`: whether it is of a first run alone, so that an extension does not go on with it;
    `apart`: whether another one sets an experiment apart from the chapter's; `goes`: what must hold
    for it to say anything, all of it: settings that are not 0 or no, or have a value
    or one above a number (``optimiser=cg``, ``passes>1``), or names of conditions, ``|`` between
    alternatives; `left_with_dropout`: whether what leaves dropout, with which it may go, leaves it.
    """
    limits = {"low": low, "high": high, "choices": (), "parse": parse_layers, "apart": True}
    about = {"help": help_text, "goes": (), "first": False, "left_with_dropout": False}
    return field(default=before, metadata={**about, **limits, **more})


DISTORTIONS = {
    "affine": "Turn, scale, shear and shift each image at random whenever it is learned: by so "
    "many pixels in the mean; 0: never.",
    "elastic": "Distort each image elastically at random whenever it is learned: by so many "
    "pixels in the mean; 0: never.",
    "smoothing": "Standard deviation, in pixels, of the Gaussian that smooths elastic distortions.",
}
"""Settings of both learners that learn images: their help texts."""


def _distortion(name: str) -> Any:
    if name == "smoothing":
        return _setting(DISTORTIONS[name], 0.1, 1000, before=4.0, apart=False, goes=("elastic",))
    return _setting(DISTORTIONS[name], 0, 100, before=0.0)


_DROPOUT_ON = "dropout"


def _dropout(help_text: str, **more: Any) -> Any:
    return _setting(help_text, before=False, **more)


def _with_dropout(
    help_text: str, low: Any = None, high: Any = None, value: Any = 0.0, apart: Any = False,
    **more: Any,
) -> Any:  # fmt: skip
    """A setting that goes with `dropout` alone, which sets the experiment apart."""
    return _setting(
        f"With --dropout: {help_text[0].lower()}{help_text[1:]}",
        low,
        high,
        value,
        apart=apart,
        goes=(_DROPOUT_ON,),
        **more,
    )


class GoesWithError(ValueError):
    """A setting that says nothing without others: its name, and what it goes with (`others`)."""

    def __init__(self, name: str, others: Sequence[str]) -> None:
        super().__init__(f"{name} goes with {' or '.join(others)} alone")
        self.name, self.others = name, others


def _check_moved(settings: Any) -> None:
    if settings.neighbours and not settings.neighbour_towards and not settings.neighbour_away:
        raise ValueError("neighbours: neighbour_towards and neighbour_away are not both 0")


def _check_dropout(settings: Any, dropout: bool) -> None:
    for item in dataclasses.fields(settings):
        if (
            _DROPOUT_ON in item.metadata["goes"]
            and not dropout
            and getattr(settings, item.name) != item.default
        ):
            raise GoesWithError(item.name, (_DROPOUT_ON,))


def check_given(settings: Settings, given: Iterable[str], under: Iterable[str] = ()) -> None:
    """GoesWithError for a setting that was given and that, by the others, says nothing.

    `under` are the conditions of the experiment.
    """
    names, items = set(given), dataclasses.fields(settings)
    values = {item.name: getattr(settings, item.name) for item in items}

    def holds(wanted: str) -> bool:
        name, sign, value = _read_wanted(wanted)
        if name not in values:
            return name in under
        if sign == ">":
            return bool(values[name] > int(value))
        return show_value(values[name]) == value if sign else bool(values[name])

    for item in items:
        if item.name not in names or values[item.name] is False:
            continue
        for wanted in item.metadata["goes"]:
            others = wanted.split("|")
            if not any(map(holds, others)):
                own = [other for other in others if _read_wanted(other)[0] in values]
                raise GoesWithError(item.name, [_in_words(o, values.get(o, "")) for o in own])


def says_something(settings: Settings, name: str, under: Iterable[str] = ()) -> bool:
    """Whether a setting does by the others, in an experiment `under` conditions."""
    try:
        check_given(settings, [name], under)
    except GoesWithError:
        return False
    return True


def _read_wanted(wanted: str) -> tuple[str, str, str]:
    """The name in what must hold, the sign behind it if any, ``=`` or ``>``, and the value."""
    name, sign, value = wanted.partition(">")
    return (name, sign, value) if sign else wanted.partition("=")


def _in_words(wanted: str, value: Any) -> str:
    """What a setting goes with: ``dropout``, ``optimiser=cg``, ``sparsity_cost above 0``."""
    if ">" in wanted:
        return wanted.replace(">", " above ")
    return wanted if isinstance(value, (str, bool)) else f"{wanted} above 0"


@dataclass(frozen=True)
class Settings:
    """What the settings of every part of a recipe are; they check their own ranges."""

    def apart(self) -> set[str]:
        """Names of settings that were added later and set this experiment apart."""
        return {
            item.name
            for item in dataclasses.fields(self)
            if item.metadata["apart"] and item.default not in (MISSING, getattr(self, item.name))
        }

    @property
    def distortions(self) -> dict[str, float]:
        """How images are distorted when they are learned, by name; empty if they are not."""
        found = {name: getattr(self, name, 0.0) for name in DISTORTIONS}
        return found if found["affine"] or found["elastic"] else {}

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value, limits = getattr(self, item.name), item.metadata
            if limits["choices"] and value not in limits["choices"]:
                raise ValueError(f"{item.name} is one of {', '.join(limits['choices'])}")
            if isinstance(value, tuple):
                limits["parse"](show_value(value))
            elif limits["low"] is not None and not limits["low"] <= value <= limits["high"]:
                bounds = f"{limits['low']:g} and {limits['high']:g}"
                raise ValueError(f"{item.name} lies between {bounds}, not {value}")


@dataclass(frozen=True)
class PretrainSettings(Settings):
    """How a stack is learned; rates apply to the mean of a batch. ValueError out of range."""

    layers: tuple[int, ...] = _setting("Feature detectors of each layer, bottom to top.")
    passes: int = _setting(
        "Passes through the training set for each layer.", 1, 1_000_000, goes=("updates=0",)
    )
    batch: int = _setting("Images between weight updates.", 1, 1_000_000)
    rate: float = _setting("Learning rate epsilon of Eq. 4, first pass.", 0, 1000)
    final_share: float = _setting(
        "Rate of the last pass as a share of the first's; linear.", 0, 1, goes=("passes>1|updates",)
    )
    decay: float = _setting("L2 weight decay on weights, not biases.", 0, 1)
    early_momentum: float = _setting(
        "Momentum in the first passes.", 0, 0.9999, goes=("early_epochs",)
    )
    balanced: bool = _setting("Batches of equally many cases of each class.")
    cases: int = _setting("Training cases, as many of each class; 0: all of the split's.", 0, 10**9)
    early_epochs: int = _setting("How many passes use the early momentum.", 0, 1_000_000)
    momentum: float = _setting("Momentum after them.", 0, 0.9999)
    recon_states: str = _setting(
        "RBMs that reconstruct binary states, not probabilities: none, that with labels or all.",
        choices=("none", "labels", "all"),
    )
    initial_sd: float = _setting("Standard deviation of the initial weights.", 0, 1000)
    updates: int = _setting(
        "Updates of each layer, in place of --passes if not 0.", 0, 10**9, before=0, apart=False
    )
    cd: int = _setting("Rounds of Gibbs sampling in an update: k of CD-k.", 1, 1_000_000, before=1)
    persistent: bool = _setting(
        "Persistent CD: chains that go on from update to update, as many as a batch has cases.",
        before=False,
    )
    start: str = _setting(
        "Weights of the layers above the first: random, or the transpose of the layer below's.",
        choices=("random", "transpose"), before="random",
    )  # fmt: skip
    track: int = _setting(
        "Estimate log Z and the bound on log p after each so many passes; 0: never.",
        0, 1_000_000, before=0, apart=False,
    )  # fmt: skip
    sparsity_target: float = _setting(
        "Share of the images that a feature is to be on for, where --sparsity-cost is not 0.",
        0.0001, 0.9999, before=0.1, apart=False, goes=("sparsity_cost",),
    )  # fmt: skip
    sparsity_cost: float = _setting(
        "Price of the cross-entropy, in nats, between that share and a feature's own in a batch.",
        0, 1000, before=0.0,
    )  # fmt: skip
    affine: float = _distortion("affine")
    elastic: float = _distortion("elastic")
    smoothing: float = _distortion("smoothing")
    hidden_bias: float = _setting(
        "Bias of each feature before learning: below 0 they turn on rarely at first.",
        -1000, 1000, before=0.0, apart=False,
    )  # fmt: skip
    centred: bool = _setting(
        "Centred gradient: Eq. 4 of units less their mean in the data.", before=False
    )
    sampled_data: bool = _setting(
        "Learn binary states of the pixels, or the features below, drawn anew each time, and not "
        "their probabilities.", before=False,
    )  # fmt: skip
    real_features: bool = _setting(
        "Reconstruct from the features' probabilities, and not from binary states.",
        before=False, goes=("cd=1", "persistent=no"),
    )  # fmt: skip
    state_correlations: bool = _setting(
        "Correlations of Eq. 4 of the features' binary states, and not of their probabilities.",
        before=False, goes=("real_features=no", "sparsity_cost=0"),
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        check_given(self, ("real_features", "state_correlations"))  # chains are of states


def _schedule(help_text: str, high: Any, value: Any, **more: Any) -> Any:
    """A setting of a rate that falls: dropout has one of its own, which is left with it."""
    about = {"goes": _STEPS, "apart": False, "left_with_dropout": True}
    return _setting(help_text, 0, high, value, **about, **more)


_STEPS = ("optimiser=momentum",)


def _neighbours(help_text: str) -> Any:
    """How many; `_neighbour_share` says how far."""
    return _with_dropout(help_text, 0, 1000, value=0, apart=True)


def _neighbour_share(which: str, before: float) -> Any:
    text = f"With --neighbours: the largest share of {which}."
    return _setting(text, 0, 100, before=before, apart=False, goes=("neighbours",))


_EASY = (*_STEPS, "importance_sampling")


@dataclass(frozen=True)
class BackpropSettings(Settings):
    """How a classifier is fine-tuned; rates are of a batch's mean. ValueError out of range."""

    optimiser: str = _setting(
        "Plain steps with momentum, or conjugate gradient.", choices=("momentum", "cg")
    )
    batch: int = _setting("Cases between weight updates.", 1, 1_000_000)
    rate: float = _setting(
        "Learning rate after pretraining (momentum optimiser).", 0, 1000, goes=_STEPS, first=True
    )
    all_cases_rate: float = _setting(
        "Learning rate with --extend and --no-pretraining.", 0, 1000, goes=_STEPS
    )
    momentum: float = _setting("Momentum.", 0, 0.9999, goes=_STEPS)
    decay: float = _setting("L2 weight decay on weights, not biases.", 0, 1, goes=_STEPS)
    line_searches: int = _setting(
        "Line searches a batch (cg optimiser).", 1, 1000, goes=("optimiser=cg",)
    )
    top_only_epochs: int = _setting("First epochs that change only the softmax.", 0, 1_000_000)
    importance_sampling: bool = _setting("Select easy cases rarely, weighted up.", goes=_STEPS)
    easy_cost: float = _setting("A case with a lower cost, in nats, is easy.", 0, 1000, goes=_EASY)
    easy_probability: float = _setting(
        "Chance that a sweep selects an easy case.", 1e-6, 1, goes=_EASY
    )
    patience: int = _setting("Epochs since the fewest validation errors.", 0, 1_000_000, first=True)
    max_epochs: int = _setting("Cap on epochs; reported when hit.", 1, 1_000_000, first=True)
    initial_scale: float = _setting(
        "Standard deviation of random initial hidden weights times the root of fan-in.",
        0, 1000, first=True,
    )  # fmt: skip
    affine: float = _distortion("affine")
    elastic: float = _distortion("elastic")
    smoothing: float = _distortion("smoothing")
    dropout: bool = _dropout("Leave out pixels and features at random while learning.")
    pixel_dropout: float = _with_dropout("Chance of each pixel to be left out.", 0, 0.999)
    feature_dropout: tuple[float, ...] = _with_dropout(
        "The same of features: of all layers, or of each.", value=(0.0,), parse=parse_chances
    )
    epochs: int = _schedule(
        "Epochs in which the rate falls, linearly, before learning may stop; 0: it does not fall.",
        1_000_000, 0, first=True,
    )  # fmt: skip
    extension_epochs: int = _schedule(
        "The same with --extend, which then ends; 0: by its own rule.", 1_000_000, 0
    )
    final_share: float = _schedule("Rate after these as a share of the first's.", 1, 1.0)
    max_norm: float = _with_dropout(
        "Length of a feature's incoming weights, at most; 0: any.", 0, 1_000_000
    )
    adversarial: float = _with_dropout(
        "Learn each image moved so far, in Euclidean length, to where it costs most; 0: as it is.",
        0, 1000, apart=True,
    )  # fmt: skip
    valid_every: int = _setting(
        "Epochs from one measurement of the validation cases to the next.",
        1, 1_000_000, before=1, apart=False, first=True,
    )  # fmt: skip
    virtual: float = _with_dropout(
        "Learn images without their labels too: moved so far, in Euclidean length, to where the "
        "answer changes most, to be answered as before; 0: none.", 0, 1000, apart=True,
    )  # fmt: skip
    virtual_batch: int = _setting(
        "Images without their labels beside each batch.",
        1,
        1_000_000,
        before=400,
        apart=False,
        goes=("virtual",),
    )

    neighbours: int = _neighbours(
        "Learn each image moved along the way to one of its so many nearest neighbours of its "
        "class, drawn anew each time; 0: as it is."
    )
    neighbour_towards: float = _neighbour_share("that way", 0.5)
    neighbour_away: float = _neighbour_share("it the other way", 2.0)

    @property
    def passes(self) -> int:
        """Multiply-adds of an update by each weight: up, down, a gradient; to move images two more.

        Of each case.
        """
        return 5 if self.adversarial else 3

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_dropout(self, self.dropout)
        _check_moved(self)
        if self.dropout and self.optimiser != "momentum":
            raise ValueError("dropout goes with the optimiser momentum: no line is searched twice")
        for name in ("epochs", "extension_epochs"):
            if getattr(self, name) and self.optimiser != "momentum":
                raise GoesWithError(name, _STEPS)  # there is no rate to fall


_WAKE = ("generative=wake-sleep",)
_MIXED = ("bp_weight|search_bp_weight|mixed gradient",)


@dataclass(frozen=True)
class WakeSleepSettings(Settings):
    """How a generative net is fine-tuned; rates are of a batch's mean. ValueError out of range."""

    epochs: int = _setting("Epochs of the schedule.", 1, 1_000_000)
    batch: int = _setting("Cases between weight updates.", 1, 1_000_000)
    rate: float = _setting("Learning rate of Eqs 2 and 4, first epoch.", 0, 1000)
    recognition_share: float = _setting(
        "Rate of Eq. 3 as a share of that of Eqs 2 and 4.", 0, 1000, goes=_WAKE
    )
    final_share: float = _setting("Rate of the last epoch as a share of the first's; linear.", 0, 1)
    momentum: float = _setting("Momentum.", 0, 0.9999)
    decay: float = _setting("L2 weight decay on weights, not biases.", 0, 1)
    averaging: float = _setting(
        "Epochs over which the kept net averages the weights that learn; 0: it has those.", 0, 1000
    )
    gibbs: tuple[int, ...] = _setting("Gibbs rounds in stages of equal length.", goes=_WAKE)
    sampled_labels: bool = _setting(
        "Sample the confabulated labels; else softmax probabilities.", goes=_WAKE
    )
    persistent_share: float = _setting(
        "Share of a batch whose confabulations give way to fantasies of persistent chains.",
        0, 1, goes=_WAKE,
    )  # fmt: skip
    persistent_rounds: int = _setting(
        "Gibbs rounds of these chains an update.", 1, 1_000_000, goes=(*_WAKE, "persistent_share")
    )
    balanced: bool = _setting("Batches of equally many cases of each class.")
    generative: str = _setting(
        "The generative gradient: of contrastive wake-sleep, or of the pretraining's CD-1.",
        choices=("wake-sleep", "pretraining"),
    )
    bp_weight: float = _setting(
        "Coefficient of backpropagation; the generative gradient has the rest.",
        0, 1, goes=("search_bp_weight=no",), first=True,
    )  # fmt: skip
    search_bp_weight: bool = _setting(
        "Raise --bp-weight through --bp-weights, in stages; keep the fewest validation errors.",
        first=True,
    )
    bp_weights: tuple[float, ...] = _setting(
        "Coefficients of that search.", parse=parse_shares, goes=("search_bp_weight",), first=True
    )
    bp_rate: float = _setting(
        "Learning rate of backpropagation, first epoch.", 0, 1000, goes=_MIXED
    )
    bp_momentum: float = _setting("Momentum of backpropagation.", 0, 0.9999, goes=_MIXED)
    recon_states: str = _setting(
        "RBMs that reconstruct binary states with the pretraining's gradient: as of pretrain.",
        choices=("none", "labels", "all"), before="all", apart=False,
        goes=("generative=pretraining",),
    )  # fmt: skip
    dropout: bool = _dropout(
        "Dropout in the gradient of backpropagation, where that is mixed in.", goes=_MIXED
    )
    pixel_dropout: float = _with_dropout("Chance of each pixel to be left out of it.", 0, 0.999)
    feature_dropout: tuple[float, ...] = _with_dropout(
        "The same of features: of all layers, or of each.", value=(0.0,), parse=parse_chances
    )
    adversarial: float = _with_dropout(
        "Its images, moved so far, in Euclidean length, to where they cost most; 0: as they are.",
        0, 1000, apart=True,
    )  # fmt: skip
    neighbours: int = _neighbours(
        "Its images, moved along the way to one of their so many nearest neighbours of their "
        "class, drawn anew each time; 0: as they are."
    )
    neighbour_towards: float = _neighbour_share("that way", 0.5)
    neighbour_away: float = _neighbour_share("it the other way", 2.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_dropout(self, self.dropout)
        _check_moved(self)

    @property
    def mixed(self) -> bool:
        """Whether backpropagation's gradient is mixed in."""
        return self.search_bp_weight or self.bp_weight > 0


@dataclass(frozen=True)
class DirectedSettings(Settings):
    """How a directed net is learned by plain wake-sleep; rates are of a batch's mean.

    ValueError out of range.
    """

    epochs: int = _setting("Epochs of the schedule.", 1, 1_000_000)
    batch: int = _setting("Cases between weight updates.", 1, 1_000_000)
    rate: float = _setting("Learning rate epsilon of Eq. 2, first epoch.", 0, 1000)
    recognition_share: float = _setting("Rate of Eq. 3 as a share of that of Eq. 2.", 0, 1000)
    final_share: float = _setting(
        "Rate of the last epoch as a share of the first's; linear.", 0, 1, goes=("epochs>1",)
    )
    momentum: float = _setting("Momentum.", 0, 0.9999)
    decay: float = _setting("L2 weight decay on weights, not biases.", 0, 1)
    initial_sd: float = _setting("Standard deviation of random initial weights.", 0, 1000)


@dataclass(frozen=True)
class LikelihoodSettings(Settings):
    """How log Z and the log probability of images are estimated. ValueError out of range."""

    chains: int = _setting("Chains of annealed importance sampling.", 2, 100_000)
    temperatures: int = _setting(
        "Distributions that lead from base rates to the RBM's.", 1, 100_000_000
    )
    rounds: int = _setting(
        "Gibbs rounds from training images to where the reverse chains start.", 0, 100_000_000
    )
    binary: str = _setting(
        "How a grey pixel is made binary: drawn with its value as probability, or by a threshold "
        "of one half.",
        choices=("drawn", "threshold"),
    )  # fmt: skip


_GREEDY, _FINE = ("passes",), ("epochs",)


@dataclass(frozen=True)
class PairSettings(Settings):
    """How a memory of pairs is learned, and all below it fine-tuned. ValueError out of range."""

    features: int = _setting("Feature detectors of the memory.", 1, 1_000_000)
    batch: int = _setting("Pairs between weight updates.", 1, 1_000_000)
    decay: float = _setting("L2 weight decay on weights, not biases.", 0, 1)
    passes: int = _setting("Passes of greedy learning, of the memory alone.", 0, 1_000_000)
    rate: float = _setting(
        "Learning rate of Eq. 4 in the first of these passes.", 0, 1000, goes=_GREEDY
    )
    memory_share: float = _setting(
        "Rate of the last pass as a share of that; linear.", 0, 1, goes=("passes>1",)
    )
    momentum: float = _setting("Momentum in these passes.", 0, 0.9999, goes=_GREEDY)
    initial_sd: float = _setting("Standard deviation of the memory's first weights.", 0, 1000)
    exchanged_share: float = _setting(
        "Share of a batch whose confabulations start with another pair's half, one being held.",
        0,
        1,
    )
    epochs: int = _setting("Epochs of contrastive wake-sleep after the passes.", 0, 1_000_000)
    wake_rate: float = _setting(
        "Learning rate of Eqs 2 and 4 in the first of them.", 0, 1000, goes=_FINE
    )
    recognition_share: float = _setting(
        "Rate of Eq. 3 as a share of that of Eqs 2 and 4.", 0, 1000, goes=_FINE
    )
    final_share: float = _setting(
        "Rate of the last epoch as a share of the first's; linear.", 0, 1, goes=("epochs>1",)
    )
    averaging: float = _setting(
        "Epochs over which the kept net averages the weights that learn; 0: it has those.",
        0, 1000, goes=_FINE,
    )  # fmt: skip
    gibbs: tuple[int, ...] = _setting("Gibbs rounds in stages of equal length.", goes=_FINE)
    persistent_share: float = _setting(
        "Share of a batch whose confabulations give way to fantasies of persistent chains.",
        0, 1, goes=_FINE,
    )  # fmt: skip
    persistent_rounds: int = _setting(
        "Gibbs rounds of these chains an update.", 1, 1_000_000, goes=(*_FINE, "persistent_share")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.passes + self.epochs:
            raise ValueError("passes and epochs are both 0, and nothing would be learned")


@dataclass(frozen=True)
class StrategySettings(Settings):
    """How five strategies are measured beside each other. ValueError out of range."""

    side: int = _setting("Rows and columns that images are averaged down to.", 1, 1000)
    features: tuple[int, ...] = _setting("Features of each net whose gradients are measured.")
    learned: tuple[int, ...] = _setting("Features of each net that learns.")
    draws: int = _setting("Random nets and runs of each kind.", 1, 1000)
    estimates: int = _setting("Estimates of a gradient, of a case each.", 2, 100_000_000)
    taught: int = _setting(
        "Cases that backpropagation teaches a net before its gradients are measured.", 0, 10**9
    )
    taught_rate: float = _setting("Its learning rate.", 0, 1000, goes=("taught",))
    jitter: float = _setting("Size of the jitter that gradients are estimated by.", 1e-6, 1)
    budget: int = _setting("Forward passes that learning a net may cost.", 1000, 10**12)
    batch: int = _setting("Cases between weight updates.", 1, 1_000_000)
    rates: tuple[float, ...] = _setting(
        "Learning rates that are tried, of evolution sizes of its changes.", parse=parse_numbers
    )
    scale: float = _setting(
        "Standard deviation of random initial weights times the root of fan-in.", 1e-6, 1000
    )
    small_sd: float = _setting(
        "Standard deviation of the initial weights of features that model images.", 0, 1000
    )
    feature_share: float = _setting(
        "Share of the cost in which procrastination learns features, without labels.", 0, 1
    )
    feature_rate: float = _setting(
        "Learning rate of these features, by CD-1.", 0, 1000, goes=("feature_share",)
    )
    support_cases: tuple[int, ...] = _setting("Training cases of each support vector machine.")
    support_c: tuple[float, ...] = _setting(
        "Penalties C of support vector machines that are tried.", parse=parse_numbers
    )


@dataclass(frozen=True)
class SvmSettings(Settings):
    """How a support vector machine is learned. ValueError out of range."""

    degree: int = _setting("Degree of the polynomial kernel.", 1, 100)
    penalty: float = _setting("Penalty of a case on the wrong side of the margin: C.", 1e-6, 1e9)
    deslanted: bool = _setting("Shear each image until its main axis is upright.")


PARTS: Mapping[str, type[Settings]] = {
    "pretrain": PretrainSettings,
    "backprop": BackpropSettings,
    "wakesleep": WakeSleepSettings,
    "directed": DirectedSettings,
    "likelihood": LikelihoodSettings,
    "pairs": PairSettings,
    "strategies": StrategySettings,
    "svm": SvmSettings,
}
"""The parts of a recipe."""


def going_with_dropout(part: str) -> list[str]:
    """The settings of a part that go with dropout alone."""
    fields = dataclasses.fields(PARTS[part])
    return [item.name for item in fields if _DROPOUT_ON in item.metadata["goes"]]


def left_with_dropout(part: str) -> list[str]:
    """The same, and its schedule: those that what goes on without dropout does not have."""
    fields = dataclasses.fields(PARTS[part])
    more = [item.name for item in fields if item.metadata["left_with_dropout"]]
    return going_with_dropout(part) + more


def of_dropout(part: str) -> set[str]:
    """The same, itself, and the settings that go with these."""
    names = {"dropout", *left_with_dropout(part)}
    fields = dataclasses.fields(PARTS[part])
    return names | {item.name for item in fields if names & {*item.metadata["goes"]}}


Sourced = dict[str, tuple[Any, str]]
"""Value and source of each setting, by ``"pretrain.rate"`` and the like."""


@dataclass(frozen=True)
class Recipe:
    """All settings of one named recipe, and where each value comes from.

    `variants` take the place of some values under the conditions of an experiment that `conditions`
    names; of the values in `searches` validation chooses in `make unlabelled`.
    """

    name: str
    about: str
    values: Sourced
    variants: dict[str, Sourced]
    searches: Mapping[str, tuple[Any, ...]]

    def sourced(self, under: Iterable[str] = ()) -> Sourced:
        """Value and source of every setting under some conditions."""
        found = dict(self.values)
        for condition in under:
            found |= self.variants.get(condition, {})
        return found

    def settings(self, part: str, under: Iterable[str] = ()) -> Any:
        """The settings of a part, of its own class, under some conditions."""
        values = self.sourced(under)
        names = [item.name for item in dataclasses.fields(PARTS[part])]
        return PARTS[part](**{name: values[f"{part}.{name}"][0] for name in names})

    def settings_with(
        self, part: str, given: Mapping[str, Any], carried: Mapping[str, Any] | None = None,
        **known: Any,
    ) -> Any:  # fmt: skip
        """The settings of a part in an experiment, with the values that were given, not None.

        Those that are `carried` from the net that it goes on with hold where nothing is given.
        Under the conditions that these settings bring, and those of what is `known` of the
        experiment else, as `conditions` takes it. `GoesWithError` for a value that says nothing by
        the others.
        """
        said = {name: value for name, value in given.items() if value is not None}
        idle = going_with_dropout(part) if said.get("dropout") is False else ()
        values = {n: value for n, value in (carried or {}).items() if n not in idle}
        values |= said
        own, always = values.get("dropout"), self.values.get(f"{part}.dropout", (False,))[0]
        settings = self._with(part, values, conditions(dropout=always if own is None else own))
        for _ in range(2):  # what a condition sets may bring another one
            under = conditions(**{**implied(settings), **known})
            settings = self._with(part, values, under)
        check_given(settings, said, under)
        return settings

    def carried(self, net: Settings, part: str, under: Iterable[str]) -> dict[str, Any]:
        """Settings of a net that are not this recipe's, which an extension of it goes on with.

        `under` are the net's conditions; settings of a first run alone are left out.
        """
        usual = self.settings(part, under)
        values = {item.name: getattr(net, item.name) for item in dataclasses.fields(net)
                  if not item.metadata["first"]}  # fmt: skip
        return {name: v for name, v in values.items() if v != getattr(usual, name)}

    def _with(self, part: str, given: Mapping[str, Any], under: Iterable[str]) -> Any:
        base = self.settings(part, under)
        fields = {item.name: item for item in dataclasses.fields(base)}
        values = {name: given[name] for name in fields if given.get(name) is not None}
        if given.get("dropout") is False:  # nor what goes with it
            values = {n: fields[n].default for n in going_with_dropout(part)} | values
        return dataclasses.replace(base, **values)

    def source(self, part: str, name: str, value: Any, under: Iterable[str] = ()) -> str:
        """Where the value of a setting comes from; ``"option"`` if not from this recipe."""
        key = f"{part}.{name}"
        own, source = self.sourced(under).get(key, (None, ""))
        if own == value:
            return source
        return _SEARCHED if value in self.searches.get(key, ()) and _FEW in under else "option"

    def with_values(self, given: Mapping[str, Any]) -> Recipe:
        """Of the same name, with other values, whatever the conditions; KeyError for no setting.

        ValueError for a value out of range. What goes with dropout alone is for the conditions
        under which the recipe has dropout, if it has not always.
        """
        own = {key: (value, "option") for key, value in given.items()}
        if unknown := own.keys() - self.values.keys():
            raise KeyError(min(unknown))
        variants = {
            condition: {key: value for key, value in variant.items() if key not in own}
            for condition, variant in self.variants.items()
        }
        for part in PARTS:
            if own.get(f"{part}.dropout", (True,))[0] is False:  # nor what goes with it
                for variant in variants.values():
                    for name in going_with_dropout(part):
                        variant.pop(f"{part}.{name}", None)
        values, places = self.values | own, [(part, "") for part in PARTS]
        for key, value in own.items():
            for condition in self._with_dropout(key):
                variants[condition][key], values[key] = value, self.values[key]
                places.append((key.partition(".")[0], condition))
        made = dataclasses.replace(self, values=values, variants=variants)
        for part, condition in places:
            made.settings(part, (condition,))
        return made

    def _with_dropout(self, key: str) -> list[str]:
        """The conditions that bring dropout by themselves to a setting that goes with it alone."""
        part, _, name = key.partition(".")
        if name not in going_with_dropout(part) or self.values[f"{part}.dropout"][0]:
            return []
        return [
            condition
            for condition, variant in self.variants.items()
            if "dropout" not in condition and variant.get(f"{part}.dropout", (False,))[0]
        ]

    pretrain = property(lambda self: self.settings("pretrain"))
    backprop = property(lambda self: self.settings("backprop"))
    wakesleep = property(lambda self: self.settings("wakesleep"))
    directed = property(lambda self: self.settings("directed"))
    likelihood = property(lambda self: self.settings("likelihood"))
    pairs = property(lambda self: self.settings("pairs"))
    strategies = property(lambda self: self.settings("strategies"))
    svm = property(lambda self: self.settings("svm"))


_FEW = "few labels"
_SEARCHED = "of several, chosen by validation errors; see experiments/unlabelled"
FEW_LABELS = 1000
"""So many and fewer are the condition "few labels"; more, if not all, "some labels"."""


MOVED = ("adversarial", "virtual", "neighbours")
"""Settings by which images are learned elsewhere than where they are, beside dropout."""


def implied(settings: Settings) -> dict[str, Any]:
    """What settings say of an experiment's conditions, as `conditions` takes it."""
    names = ("mixed", "generative", "cd", "persistent", "sparsity_cost", "dropout", *MOVED)
    said = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
    return said | {"distorted": settings.distortions}


def conditions(
    mixed: Any = False,
    generative: Any = "",
    cd: Any = 1,
    persistent: Any = False,
    sparsity_cost: Any = 0,
    distorted: Any = False,
    dropout: Any = False,
    adversarial: Any = 0,
    virtual: Any = 0,
    neighbours: Any = 0,
    **lineage: Any,
) -> tuple[str, ...]:
    """The names of an experiment's conditions that recipes have variants for.

    Takes a `Lineage`'s conditions, and what is asked of the gradients: whether backpropagation's
    is mixed in, which generative one, and of an RBM rounds of Gibbs sampling or persistent chains,
    and a price of features that often turn on; whether images are distorted when they are learned,
    and whether with dropout, in adversarial training too, of images without labels, of images
    moved along the way to near ones.
    """
    fewest = lineage.get("labelled") or lineage.get("images") or 0
    named = {
        "labels": lineage.get("labels"),
        "translations": lineage.get("translations"),
        "distortions": distorted,
        "few images": lineage.get("images"),
        "more Gibbs sampling": persistent or (cd or 1) > 1,
        "sparse features": (sparsity_cost or 0) > 0,
        "mixed gradient": mixed and generative != "pretraining",
        "pretraining's gradient": generative == "pretraining",
        _FEW: fewest > 0,
        "some labels": fewest > FEW_LABELS,
        "dropout": dropout,
        "adversarial": adversarial,
        "adversarial and neighbours": adversarial and neighbours,
        "distortions and dropout": distorted and dropout,
        "translations and dropout": lineage.get("translations") and dropout,
        "few labels and dropout": fewest > 0 and dropout,
        "some labels and dropout": fewest > FEW_LABELS and dropout,
        "virtual": virtual,
        "few images and virtual": lineage.get("images") and virtual,
        "translations and virtual": lineage.get("translations") and virtual,
    }
    return tuple(name for name, holds in named.items() if holds)


_TR2006 = Recipe(
    "tr2006",
    "this chapter",
    {
        "pretrain.layers": ((500, 500, 2000), CHAPTER),
        "pretrain.passes": (100, CHAPTER),
        "pretrain.batch": (100, CHAPTER),
        "pretrain.rate": (0.1, SCIENCE06),
        "pretrain.final_share": (1.0, SCIENCE06),
        "pretrain.decay": (0.0002, SCIENCE06),
        "pretrain.balanced": (False, ASSUMED),
        "pretrain.cases": (0, CHAPTER),
        "pretrain.early_momentum": (0.5, SCIENCE06),
        "pretrain.early_epochs": (5, SCIENCE06),
        "pretrain.momentum": (0.9, SCIENCE06),
        "pretrain.recon_states": ("labels", VALIDATION),
        "pretrain.initial_sd": (0.1, SCIENCE06),
        "pretrain.updates": (0, CHAPTER),
        "pretrain.cd": (1, CHAPTER),
        "pretrain.persistent": (False, CHAPTER),
        "pretrain.start": ("random", SCIENCE06),
        "pretrain.track": (0, ASSUMED),
        "pretrain.sparsity_target": (0.1, GUIDE10),
        "pretrain.sparsity_cost": (0.0, CHAPTER),
        "pretrain.affine": (0.0, CHAPTER),
        "pretrain.elastic": (0.0, CHAPTER),
        "pretrain.smoothing": (4.0, SIMARD03),
        "pretrain.hidden_bias": (0.0, SCIENCE06),
        "pretrain.centred": (False, CHAPTER),
        "pretrain.sampled_data": (False, CHAPTER),
        "pretrain.real_features": (False, CHAPTER),
        "pretrain.state_correlations": (False, SCIENCE06),
        "backprop.optimiser": ("momentum", ASSUMED),
        "backprop.batch": (100, ASSUMED),
        "backprop.rate": (0.2, VALIDATION),
        "backprop.all_cases_rate": (0.1, VALIDATION),
        "backprop.momentum": (0.9, VALIDATION),
        "backprop.decay": (0.0, ASSUMED),
        "backprop.line_searches": (3, SCIENCE06),
        "backprop.top_only_epochs": (0, ASSUMED),
        "backprop.importance_sampling": (True, CHAPTER),
        "backprop.easy_cost": (0.005, VALIDATION),
        "backprop.easy_probability": (0.1, CHAPTER),
        "backprop.patience": (10, CHAPTER),
        "backprop.valid_every": (1, ASSUMED),
        "backprop.max_epochs": (300, ASSUMED),
        "backprop.initial_scale": (3.0, ASSUMED),
        "backprop.affine": (0.0, CHAPTER),
        "backprop.elastic": (0.0, CHAPTER),
        "backprop.smoothing": (4.0, SIMARD03),
        "backprop.dropout": (False, CHAPTER),
        "backprop.pixel_dropout": (0.0, CHAPTER),
        "backprop.feature_dropout": ((0.0,), CHAPTER),
        "backprop.epochs": (0, CHAPTER),
        "backprop.extension_epochs": (0, CHAPTER),
        "backprop.final_share": (1.0, CHAPTER),
        "backprop.max_norm": (0.0, CHAPTER),
        "backprop.adversarial": (0.0, CHAPTER),
        "backprop.virtual": (0.0, CHAPTER),
        "backprop.virtual_batch": (400, ASSUMED),
        "backprop.neighbours": (0, CHAPTER),
        "backprop.neighbour_towards": (0.5, ASSUMED),
        "backprop.neighbour_away": (2.0, NEIGHBOURS),
        "wakesleep.epochs": (132, VALIDATION),
        "wakesleep.batch": (100, HOT06),
        "wakesleep.rate": (0.1, VALIDATION),
        "wakesleep.recognition_share": (0.1, VALIDATION),
        "wakesleep.final_share": (0.3, ASSUMED),
        "wakesleep.momentum": (0.0, ASSUMED),
        "wakesleep.decay": (0.0002, ASSUMED),
        "wakesleep.averaging": (2.0, VALIDATION),
        "wakesleep.gibbs": ((10,), VALIDATION),
        "wakesleep.sampled_labels": (False, HOT06),
        "wakesleep.persistent_share": (0.5, VALIDATION),
        "wakesleep.persistent_rounds": (2, ASSUMED),
        "wakesleep.balanced": (False, ASSUMED),
        "wakesleep.generative": ("wake-sleep", CHAPTER),
        "wakesleep.bp_weight": (0.0, CHAPTER),
        "wakesleep.search_bp_weight": (False, CHAPTER),
        "wakesleep.bp_weights": ((0.5, 0.8, 0.9, 0.95), ASSUMED),
        "wakesleep.bp_rate": (1.0, VALIDATION),
        "wakesleep.bp_momentum": (0.9, ASSUMED),
        "wakesleep.recon_states": ("all", ASSUMED),
        "wakesleep.dropout": (False, CHAPTER),
        "wakesleep.pixel_dropout": (0.0, CHAPTER),
        "wakesleep.feature_dropout": ((0.0,), CHAPTER),
        "wakesleep.adversarial": (0.0, CHAPTER),
        "wakesleep.neighbours": (0, CHAPTER),
        "wakesleep.neighbour_towards": (0.5, ASSUMED),
        "wakesleep.neighbour_away": (2.0, ASSUMED),
        "directed.epochs": (25, ASSUMED),
        "directed.batch": (100, ASSUMED),
        "directed.rate": (0.1, ASSUMED),
        "directed.recognition_share": (1.0, CHAPTER),
        "directed.final_share": (0.1, ASSUMED),
        "directed.momentum": (0.0, CHAPTER),
        "directed.decay": (0.0, CHAPTER),
        "directed.initial_sd": (0.1, SCIENCE06),
        "likelihood.chains": (100, SM08),
        "likelihood.temperatures": (14_500, SM08),
        "likelihood.rounds": (1000, ASSUMED),
        "likelihood.binary": ("drawn", ASSUMED),
        "pairs.features": (2000, CHAPTER),
        "pairs.batch": (100, ASSUMED),
        "pairs.decay": (0.0002, ASSUMED),
        "pairs.passes": (5, ASSUMED),
        "pairs.rate": (0.1, ASSUMED),
        "pairs.memory_share": (0.1, ASSUMED),
        "pairs.momentum": (0.5, ASSUMED),
        "pairs.exchanged_share": (0.8, ASSUMED),
        "pairs.initial_sd": (0.01, ASSUMED),
        "pairs.epochs": (10, ASSUMED),
        "pairs.wake_rate": (0.1, ASSUMED),
        "pairs.recognition_share": (0.1, ASSUMED),
        "pairs.final_share": (0.3, ASSUMED),
        "pairs.averaging": (2.0, ASSUMED),
        "pairs.gibbs": ((3,), ASSUMED),
        "pairs.persistent_share": (0.5, ASSUMED),
        "pairs.persistent_rounds": (2, ASSUMED),
        "strategies.side": (7, ASSUMED),
        "strategies.features": ((2, 6, 20, 60, 200, 600, 2000), ASSUMED),
        "strategies.learned": ((2, 20, 200, 2000), ASSUMED),
        "strategies.draws": (3, ASSUMED),
        "strategies.estimates": (2000, ASSUMED),
        "strategies.taught": (20_000, ASSUMED),
        "strategies.taught_rate": (0.1, ASSUMED),
        "strategies.jitter": (0.001, ASSUMED),
        "strategies.budget": (300_000, ASSUMED),
        "strategies.batch": (20, ASSUMED),
        "strategies.rates": ((0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0), ASSUMED),
        "strategies.scale": (3.0, ASSUMED),
        "strategies.small_sd": (0.1, SCIENCE06),
        "strategies.feature_share": (0.3, ASSUMED),
        "strategies.feature_rate": (0.3, ASSUMED),
        "strategies.support_cases": ((100, 300, 1000, 3000, 10_000), ASSUMED),
        "strategies.support_c": ((1.0, 10.0, 100.0), ASSUMED),
        "svm.degree": (9, DS02),
        "svm.penalty": (10.0, ASSUMED),
        "svm.deslanted": (False, CHAPTER),
    },
    {
        "labels": {"pretrain.passes": (30, HOT06), "pretrain.initial_sd": (0.01, VALIDATION)},
        # Cases are met in ever new versions, and easy ones come back as hard ones, as above.
        "distortions": {
            "backprop.rate": (0.05, ASSUMED),
            "backprop.all_cases_rate": (0.05, ASSUMED),
        },
        # With 13 versions of each image, eight passes make as many updates as a hundred without;
        # an easy case is met again after 13 times as many: at the usual rates, as a shock.
        "translations": {
            "pretrain.passes": (8, ASSUMED),
            "pretrain.early_epochs": (1, ASSUMED),
            "backprop.rate": (0.05, VALIDATION),
            "backprop.all_cases_rate": (0.025, ASSUMED),
        },
        # Near the gradient of log p a rate that does not fall to nothing is what stands in the way.
        "more Gibbs sampling": {
            "pretrain.rate": (0.05, ASSUMED),
            "pretrain.final_share": (0.0, ASSUMED),
            "pretrain.momentum": (0.5, ASSUMED),
            "pretrain.recon_states": ("all", ASSUMED),
        },
        "sparse features": {"pretrain.sparsity_cost": (0.1, LEAST)},
        # Beside backpropagation fewer rounds of Gibbs sampling do as well, in less time.
        "mixed gradient": {
            "wakesleep.epochs": (60, VALIDATION),
            "wakesleep.gibbs": ((3,), VALIDATION),
        },
        "pretraining's gradient": {
            "wakesleep.epochs": (24, ASSUMED),
            "wakesleep.bp_weight": (0.9, ASSUMED),
            "wakesleep.recon_states": ("labels", ASSUMED),
        },
        "few images": {"pretrain.updates": (10_000, ASSUMED)},
        # An epoch of few cases is few updates: patience is longer, and it is short beside a
        # measurement of all validation cases.
        "few labels": {
            "backprop.patience": (100, ASSUMED),
            "backprop.max_epochs": (1000, ASSUMED),
            "backprop.valid_every": (10, ASSUMED),
        },
        "some labels": {
            "backprop.patience": (30, ASSUMED),
            "backprop.valid_every": (1, ASSUMED),
        },
        # Nothing is easy of which something else is left out each time.
        "dropout": {
            "backprop.dropout": (True, SRIVASTAVA14),
            "backprop.pixel_dropout": (0.3, BEYOND),
            "backprop.feature_dropout": ((0.2,), BEYOND),
            "backprop.rate": (0.4, BEYOND),
            "backprop.epochs": (160, BEYOND),
            "backprop.final_share": (0.05, BEYOND),
            "backprop.importance_sampling": (False, BEYOND),
            "backprop.all_cases_rate": (0.2, ASSUMED),
            "backprop.extension_epochs": (80, ASSUMED),
            "wakesleep.dropout": (True, SRIVASTAVA14),
            "wakesleep.pixel_dropout": (0.3, ASSUMED),
            "wakesleep.feature_dropout": ((0.2,), ASSUMED),
        },
        # Pixels are disturbed by what costs most, and need not be left out.
        "adversarial": {
            "backprop.pixel_dropout": (0.0, ADVERSARIAL),
            "backprop.epochs": (40, ADVERSARIAL),
            "backprop.extension_epochs": (20, ASSUMED),
            "wakesleep.pixel_dropout": (0.0, ASSUMED),
        },
        # Pixels change enough, and there is less to leave features out for.
        "distortions and dropout": {
            "backprop.pixel_dropout": (0.0, ASSUMED),
            "backprop.feature_dropout": ((0.1,), ASSUMED),
            "backprop.rate": (0.2, ASSUMED),
            "backprop.all_cases_rate": (0.1, ASSUMED),
            "backprop.epochs": (200, ASSUMED),
            "backprop.extension_epochs": (100, ASSUMED),
        },
        # Pixels change enough by being moved.
        "translations and dropout": {
            "backprop.pixel_dropout": (0.0, BEYOND),
            "backprop.rate": (0.2, BEYOND),
            "backprop.all_cases_rate": (0.1, ASSUMED),
            "backprop.epochs": (20, ASSUMED),
            "backprop.extension_epochs": (10, ASSUMED),
        },
        "few labels and dropout": {
            "backprop.pixel_dropout": (0.5, BEYOND),
            "backprop.epochs": (1000, ASSUMED),
            "backprop.max_epochs": (2000, ASSUMED),
        },
        "some labels and dropout": {
            "backprop.pixel_dropout": (0.3, ASSUMED),
            "backprop.epochs": (200, ASSUMED),
            "backprop.max_epochs": (1000, ASSUMED),
        },
        # An epoch is a sweep of all images or more, however few have labels.
        "virtual": {
            "backprop.pixel_dropout": (0.0, ASSUMED),
            "backprop.epochs": (50, VIRTUAL),
            "backprop.extension_epochs": (25, ASSUMED),
            "backprop.patience": (10, CHAPTER),
            "backprop.valid_every": (1, ASSUMED),
            "backprop.max_epochs": (300, ASSUMED),
        },
        # Then a sweep is no more than without, and has as many epochs.
        "few images and virtual": {
            "backprop.epochs": (1000, ASSUMED),
            "backprop.patience": (100, ASSUMED),
            "backprop.valid_every": (10, ASSUMED),
            "backprop.max_epochs": (2000, ASSUMED),
        },
        "translations and virtual": {
            "backprop.epochs": (20, ASSUMED),
            "backprop.extension_epochs": (10, ASSUMED),
        },
        "adversarial and neighbours": {
            "backprop.epochs": (60, ASSUMED),
            "backprop.extension_epochs": (30, ASSUMED),
        },
    },
    {
        "labelled": (100, 1000, 10_000),
        "pretrain.layers": ((50, 50, 200), (150, 150, 600), (500, 500, 2000)),
        "backprop.rate": (0.2, 0.05),
        "backprop.all_cases_rate": (0.1, 0.02),
    },
)


def _on_chapter(
    name: str, about: str, values: Sourced, variants: Any = None, searches: Any = None
) -> Recipe:
    """A recipe of other values here and there; variants and searches are on top of its own."""
    both = {key: own | (variants or {}).get(key, {}) for key, own in _TR2006.variants.items()}
    every = {**_TR2006.searches, **(searches or {})}
    return Recipe(name, about, _TR2006.values | values, both, every)


_HOT06 = _on_chapter(
    "hot06",
    "Hinton, Osindero and Teh (2006), the schedule of contrastive wake-sleep",
    {
        "pretrain.passes": (30, HOT06),
        "pretrain.cases": (44000, HOT06),
        "pretrain.balanced": (True, HOT06),
        "wakesleep.epochs": (300, HOT06),
        "wakesleep.rate": (0.02, ASSUMED),
        "wakesleep.recognition_share": (1.0, ASSUMED),
        "wakesleep.final_share": (0.1, ASSUMED),
        "wakesleep.averaging": (0.0, HOT06),
        "wakesleep.gibbs": ((3, 6, 10), HOT06),
        "wakesleep.persistent_share": (0.0, HOT06),
        "wakesleep.balanced": (True, HOT06),
    },
)

_SCIENCE06 = _on_chapter(
    "science06",
    "Hinton and Salakhutdinov (2006), their public Matlab code",
    {
        "pretrain.passes": (50, SCIENCE06),
        "pretrain.recon_states": ("none", SCIENCE06),
        "backprop.optimiser": ("cg", SCIENCE06),
        "backprop.batch": (1000, SCIENCE06),
        "backprop.top_only_epochs": (5, SCIENCE06),
        "backprop.importance_sampling": (False, SCIENCE06),
        "backprop.max_epochs": (200, SCIENCE06),
    },
    {"pretraining's gradient": {"wakesleep.recon_states": ("none", SCIENCE06)}},
)

_QUICK = _on_chapter(
    "quick",
    "the whole of Table 1 in minutes, to see that everything works; not its numbers",
    {
        "pretrain.layers": ((200, 200, 500), SHORT),
        "pretrain.passes": (5, SHORT),
        "pretrain.early_epochs": (2, SHORT),
        "backprop.patience": (2, SHORT),
        "backprop.max_epochs": (8, SHORT),
        "wakesleep.epochs": (3, SHORT),
        "directed.epochs": (3, SHORT),
        "likelihood.temperatures": (1000, SHORT),
        "likelihood.rounds": (100, SHORT),
        "pairs.features": (500, SHORT),
        "pairs.passes": (2, SHORT),
        "pairs.epochs": (2, SHORT),
        "strategies.features": ((2, 20, 200), SHORT),
        "strategies.learned": ((20, 200), SHORT),
        "strategies.draws": (2, SHORT),
        "strategies.estimates": (200, SHORT),
        "strategies.taught": (2000, SHORT),
        "strategies.budget": (30_000, SHORT),
        "strategies.rates": ((0.01, 0.1, 1.0), SHORT),
        "strategies.support_cases": ((100, 1000), SHORT),
        "strategies.support_c": ((10.0,), SHORT),
    },
    {
        "labels": {"pretrain.passes": (5, SHORT)},
        "translations": {"pretrain.passes": (1, SHORT)},
        "mixed gradient": {"wakesleep.epochs": (4, SHORT)},
        "pretraining's gradient": {"wakesleep.epochs": (3, SHORT)},
        "few images": {"pretrain.updates": (500, SHORT)},
        "few labels": {
            "backprop.patience": (4, SHORT),
            "backprop.max_epochs": (16, SHORT),
            "backprop.valid_every": (1, SHORT),
        },
        "some labels": {"backprop.patience": (2, SHORT)},
        "dropout": {"backprop.epochs": (4, SHORT), "backprop.extension_epochs": (2, SHORT)},
        "adversarial": {"backprop.epochs": (4, SHORT), "backprop.extension_epochs": (2, SHORT)},
        "virtual": {
            "backprop.epochs": (4, SHORT),
            "backprop.extension_epochs": (2, SHORT),
            "backprop.patience": (2, SHORT),
            "backprop.max_epochs": (8, SHORT),
        },
        "few images and virtual": {
            "backprop.epochs": (8, SHORT),
            "backprop.patience": (4, SHORT),
            "backprop.valid_every": (1, SHORT),
            "backprop.max_epochs": (16, SHORT),
        },
        "translations and virtual": {
            "backprop.epochs": (2, SHORT),
            "backprop.extension_epochs": (1, SHORT),
        },
        "adversarial and neighbours": {
            "backprop.epochs": (4, SHORT),
            "backprop.extension_epochs": (2, SHORT),
        },
        "distortions and dropout": {
            "backprop.epochs": (4, SHORT),
            "backprop.extension_epochs": (2, SHORT),
        },
        "translations and dropout": {
            "backprop.epochs": (2, SHORT),
            "backprop.extension_epochs": (1, SHORT),
        },
        "few labels and dropout": {
            "backprop.epochs": (8, SHORT),
            "backprop.max_epochs": (16, SHORT),
        },
        "some labels and dropout": {
            "backprop.epochs": (4, SHORT),
            "backprop.max_epochs": (8, SHORT),
        },
    },
    {"labelled": (100, 1000), "pretrain.layers": ((50, 50, 200),)},
)

_MIXED_DROPOUT: Sourced = {
    name: value
    for name, value in _TR2006.variants["dropout"].items()
    if name.startswith("wakesleep.")
}
# Of backpropagation all else are the values under the condition "dropout", which it always has.
_DROPOUT = _on_chapter(
    "dropout",
    "Srivastava and others (2014), dropout in fine-tuning; not the chapter's",
    {"backprop.dropout": (True, SRIVASTAVA14)},
    {"mixed gradient": _MIXED_DROPOUT, "pretraining's gradient": _MIXED_DROPOUT},
)

_LENGTH = (1.0, ADVERSARIAL)
_MIXED_ADVERSARIAL: Sourced = _MIXED_DROPOUT | {
    "wakesleep.pixel_dropout": _TR2006.variants["adversarial"]["wakesleep.pixel_dropout"],
    "wakesleep.adversarial": _LENGTH,
}
_ADVERSARIAL = _on_chapter(
    "adversarial",
    "Miyato and others (2016), adversarial training with dropout; not the chapter's",
    {"backprop.dropout": (True, SRIVASTAVA14), "backprop.adversarial": _LENGTH},
    {"mixed gradient": _MIXED_ADVERSARIAL, "pretraining's gradient": _MIXED_ADVERSARIAL},
)

_MIXED_NEIGHBOURS = _MIXED_ADVERSARIAL | {"wakesleep.neighbours": (10, ASSUMED)}
_NEIGHBOURS = _on_chapter(
    "neighbours",
    "DeVries and Taylor (2017), images between near ones, in adversarial training; not the "
    "chapter's",
    {
        "backprop.dropout": (True, SRIVASTAVA14),
        "backprop.adversarial": _LENGTH,
        "backprop.neighbours": (10, ASSUMED),
    },
    {"mixed gradient": _MIXED_NEIGHBOURS, "pretraining's gradient": _MIXED_NEIGHBOURS},
)

# The mixed gradient has dropout alone: it moves no images without labels.
_VIRTUAL = _on_chapter(
    "virtual",
    "Miyato and others (2016), virtual adversarial training with dropout; not the chapter's",
    {
        "backprop.dropout": (True, SRIVASTAVA14),
        "backprop.virtual": (2.0, VIRTUAL),
    },
    {"mixed gradient": _MIXED_DROPOUT, "pretraining's gradient": _MIXED_DROPOUT},
)

_ALL = (
    _TR2006, _HOT06, _SCIENCE06, _QUICK, _DROPOUT, _ADVERSARIAL, _VIRTUAL, _NEIGHBOURS,
)  # fmt: skip
RECIPES: Mapping[str, Recipe] = {r.name: r for r in _ALL}
