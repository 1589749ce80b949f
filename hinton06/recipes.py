"""Named recipes: every number that the chapter leaves open, with the source of its value.

A setting's field carries its help text and the words that say which values it takes; the
command line makes its options from these, so that each setting is described once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

CHAPTER = "the chapter"
SCIENCE06 = "Hinton and Salakhutdinov (2006), public Matlab code"
HOT06 = "Hinton, Osindero and Teh (2006)"
ASSUMED = "assumed; see README, Assumptions"
VALIDATION = "chosen by validation errors; see experiments/search"
SHORT = "as short as still makes sense"


def parse_layers(text: str) -> tuple[int, ...]:
    """``"500-500-2000"`` as ``(500, 500, 2000)``.

    Raises
    ------
    ValueError
        If it is not one or more positive whole numbers joined by hyphens.
    """
    parts = text.split("-")
    sizes = tuple(int(part) for part in parts if part.isascii() and part.isdigit())
    if len(sizes) < len(parts) or min(sizes) < 1:
        raise ValueError(f"expected numbers joined by hyphens, like 500-500-2000, not {text!r}")
    return sizes


def parse_shares(text: str) -> tuple[float, ...]:
    """``"0.5,0.9"`` as ``(0.5, 0.9)``.

    Raises
    ------
    ValueError
        If it is not one or more numbers from 0 to 1 joined by commas.
    """
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if not shares or not all(0 <= share <= 1 for share in shares):
        raise ValueError(
            f"expected numbers from 0 to 1 joined by commas, like 0.5,0.9, not {text!r}"
        )
    return shares


def show_value(value: Any) -> str:
    """A setting's value as it is typed and printed."""
    if isinstance(value, tuple):
        if any(isinstance(item, float) for item in value):
            return ",".join(f"{item:g}" for item in value)
        return "-".join(str(size) for size in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _setting(
    help_text: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    parse: Callable[[str], tuple[Any, ...]] = parse_layers,
) -> Any:
    """A field whose metadata say how it is described, checked and, if a tuple, typed."""
    limits = {"low": low, "high": high, "choices": choices, "parse": parse}
    return field(metadata={"help": help_text, **limits})


class _Checked:
    """Settings that check their own ranges."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

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
class PretrainSettings(_Checked):
    """How a stack is learned. Rates apply to the mean of a batch.

    Raises
    ------
    ValueError
        If a value lies outside its range.

    Source
    ------
    Each recipe's `sources`.
    """

    layers: tuple[int, ...] = _setting("Feature detectors of each layer, bottom to top.")
    passes: int = _setting("Passes through the training set for each layer.", 1, 1_000_000)
    batch: int = _setting("Images between weight updates.", 1, 1_000_000)
    rate: float = _setting("Learning rate epsilon of Eq. 4, first pass.", 0, 1000)
    final_share: float = _setting(
        "Rate of the last pass as a share of the first's; linear between.", 0, 1
    )
    decay: float = _setting("L2 weight decay on weights, not biases.", 0, 1)
    early_momentum: float = _setting("Momentum in the first passes.", 0, 0.9999)
    balanced: bool = _setting("Batches of equally many cases of each class.")
    cases: int = _setting(
        "Training cases, as many of each class; 0: all of the split's.", 0, 1_000_000_000
    )
    early_epochs: int = _setting("How many passes use the early momentum.", 0, 1_000_000)
    momentum: float = _setting("Momentum after them.", 0, 0.9999)
    recon_states: str = _setting(
        "Which RBMs reconstruct binary states, and not probabilities: none, the one that learns "
        "labels, or all.",
        choices=("none", "labels", "all"),
    )
    initial_sd: float = _setting("Standard deviation of the initial weights.", 0, 1000)


@dataclass(frozen=True)
class BackpropSettings(_Checked):
    """How a classifier is fine-tuned. Rates apply to the mean of a batch.

    Raises
    ------
    ValueError
        If a value lies outside its range.

    Source
    ------
    Each recipe's `sources`.
    """

    optimiser: str = _setting(
        "Plain steps with momentum, or conjugate gradient.", choices=("momentum", "cg")
    )
    batch: int = _setting("Cases between weight updates.", 1, 1_000_000)
    rate: float = _setting(
        "Learning rate of a pretrained net that validation stops (momentum optimiser).", 0, 1000
    )
    all_cases_rate: float = _setting(
        "Learning rate with --extend and --no-pretraining (momentum optimiser).",
        0,
        1000,
    )
    momentum: float = _setting("Momentum.", 0, 0.9999)
    decay: float = _setting("L2 weight decay on weights, not biases.", 0, 1)
    line_searches: int = _setting("Line searches a batch (cg optimiser).", 1, 1000)
    top_only_epochs: int = _setting(
        "First epochs that change only the softmax weights.", 0, 1_000_000
    )
    importance_sampling: bool = _setting("Select easy cases rarely, weighted up.")
    easy_cost: float = _setting("A case with a lower cost, in nats, is easy.", 0, 1000)
    easy_probability: float = _setting("Chance that a sweep selects an easy case.", 1e-6, 1)
    patience: int = _setting("Epochs since the fewest validation errors.", 0, 1_000_000)
    max_epochs: int = _setting("Cap on epochs; reported when hit.", 1, 1_000_000)
    initial_scale: float = _setting(
        "Without pretraining: standard deviation of the initial hidden weights times the root of "
        "their fan-in.",
        0,
        1000,
    )


@dataclass(frozen=True)
class WakeSleepSettings(_Checked):
    """How a generative net is fine-tuned. Rates apply to the mean of a batch.

    Raises
    ------
    ValueError
        If a value lies outside its range.

    Source
    ------
    Each recipe's `sources`.
    """

    epochs: int = _setting("Epochs of the schedule.", 1, 1_000_000)
    batch: int = _setting("Cases between weight updates.", 1, 1_000_000)
    rate: float = _setting("Learning rate of Eqs 2 and 4, first epoch.", 0, 1000)
    recognition_share: float = _setting(
        "Learning rate of Eq. 3, the recognition weights', as a share of that of Eqs 2 and 4.",
        0,
        1000,
    )
    final_share: float = _setting(
        "Rate of the last epoch as a share of the first's; linear between.", 0, 1
    )
    momentum: float = _setting("Momentum.", 0, 0.9999)
    decay: float = _setting("L2 weight decay on weights, not biases.", 0, 1)
    averaging: float = _setting(
        "Epochs over which the net that is measured and kept averages the weights that learn; 0 "
        "to keep those themselves.",
        0,
        1000,
    )
    gibbs: tuple[int, ...] = _setting("Gibbs rounds in stages of equal length.")
    sampled_labels: bool = _setting("Sample the confabulated labels; else softmax probabilities.")
    persistent_share: float = _setting(
        "Share of a batch whose confabulations give way, in Eq. 4, to fantasies of chains that go "
        "on from batch to batch.",
        0,
        1,
    )
    persistent_rounds: int = _setting(
        "Gibbs rounds of these chains between two updates.", 1, 1_000_000
    )
    balanced: bool = _setting("Batches of equally many cases of each class.")
    generative: str = _setting(
        "The generative gradient: of contrastive wake-sleep, or of the pretraining's CD-1.",
        choices=("wake-sleep", "pretraining"),
    )
    bp_weight: float = _setting(
        "Coefficient of backpropagation in the weighted average of gradients; the generative "
        "gradient has the rest.",
        0,
        1,
    )
    search_bp_weight: bool = _setting(
        "Raise the coefficient through --bp-weights, in stages of equal length, and keep the net "
        "of the fewest validation errors."
    )
    bp_weights: tuple[float, ...] = _setting("Coefficients of that search.", parse=parse_shares)
    bp_rate: float = _setting("Learning rate of backpropagation, first epoch.", 0, 1000)
    bp_momentum: float = _setting("Momentum of backpropagation.", 0, 0.9999)


Settings = PretrainSettings | BackpropSettings | WakeSleepSettings
SettingsType = TypeVar("SettingsType", PretrainSettings, BackpropSettings, WakeSleepSettings)


@dataclass(frozen=True)
class Recipe:
    """All settings of one named recipe, and where each value comes from.

    Parameters
    ----------
    name : str
    about : str
        One line.
    pretrain : PretrainSettings
    backprop : BackpropSettings
    wakesleep : WakeSleepSettings
    sources : mapping from ``"pretrain.rate"`` and the like to str
    """

    name: str
    about: str
    pretrain: PretrainSettings
    backprop: BackpropSettings
    wakesleep: WakeSleepSettings
    sources: Mapping[str, str]


def _recipe(
    name: str,
    about: str,
    pretrain: Mapping[str, tuple[Any, str]],
    backprop: Mapping[str, tuple[Any, str]],
    wakesleep: Mapping[str, tuple[Any, str]],
    base: Recipe | None = None,
) -> Recipe:
    """A recipe from (value, source) pairs, on top of another recipe's values if one is given."""

    def build(kind: Callable[..., SettingsType], part: str, pairs: Any) -> SettingsType:
        values = dataclasses.asdict(getattr(base, part)) if base else {}
        return kind(**(values | {key: value for key, (value, _) in pairs.items()}))

    sources = dict(base.sources) if base else {}
    sources |= {f"pretrain.{key}": source for key, (_, source) in pretrain.items()}
    sources |= {f"backprop.{key}": source for key, (_, source) in backprop.items()}
    sources |= {f"wakesleep.{key}": source for key, (_, source) in wakesleep.items()}
    return Recipe(
        name,
        about,
        build(PretrainSettings, "pretrain", pretrain),
        build(BackpropSettings, "backprop", backprop),
        build(WakeSleepSettings, "wakesleep", wakesleep),
        sources,
    )


_TR2006 = _recipe(
    "tr2006",
    "this chapter",
    {
        "layers": ((500, 500, 2000), CHAPTER),
        "passes": (100, CHAPTER),
        "batch": (100, CHAPTER),
        "rate": (0.1, SCIENCE06),
        "final_share": (1.0, SCIENCE06),
        "decay": (0.0002, SCIENCE06),
        "balanced": (False, ASSUMED),
        "cases": (0, CHAPTER),
        "early_momentum": (0.5, SCIENCE06),
        "early_epochs": (5, SCIENCE06),
        "momentum": (0.9, SCIENCE06),
        "recon_states": ("labels", VALIDATION),
        "initial_sd": (0.1, SCIENCE06),
    },
    {
        "optimiser": ("momentum", CHAPTER),
        "batch": (100, ASSUMED),
        "rate": (0.2, VALIDATION),
        "all_cases_rate": (0.1, VALIDATION),
        "momentum": (0.9, VALIDATION),
        "decay": (0.0, ASSUMED),
        "line_searches": (3, SCIENCE06),
        "top_only_epochs": (0, ASSUMED),
        "importance_sampling": (True, CHAPTER),
        "easy_cost": (0.005, VALIDATION),
        "easy_probability": (0.1, CHAPTER),
        "patience": (10, CHAPTER),
        "max_epochs": (300, ASSUMED),
        "initial_scale": (3.0, ASSUMED),
    },
    {
        "epochs": (132, VALIDATION),
        "batch": (100, HOT06),
        "rate": (0.1, VALIDATION),
        "recognition_share": (0.1, VALIDATION),
        "final_share": (0.3, ASSUMED),
        "momentum": (0.0, ASSUMED),
        "decay": (0.0002, ASSUMED),
        "averaging": (2.0, VALIDATION),
        "gibbs": ((10,), VALIDATION),
        "sampled_labels": (False, HOT06),
        "persistent_share": (0.5, VALIDATION),
        "persistent_rounds": (2, ASSUMED),
        "balanced": (False, ASSUMED),
        "generative": ("wake-sleep", CHAPTER),
        "bp_weight": (0.0, CHAPTER),
        "search_bp_weight": (False, CHAPTER),
        "bp_weights": ((0.5, 0.8, 0.9, 0.95), ASSUMED),
        "bp_rate": (1.0, VALIDATION),
        "bp_momentum": (0.9, ASSUMED),
    },
)

_HOT06 = _recipe(
    "hot06",
    "Hinton, Osindero and Teh (2006), the schedule of contrastive wake-sleep",
    {
        "passes": (30, HOT06),
        "cases": (44000, HOT06),
        "balanced": (True, HOT06),
    },
    {},
    {
        "epochs": (300, HOT06),
        "rate": (0.02, ASSUMED),
        "recognition_share": (1.0, ASSUMED),
        "final_share": (0.1, ASSUMED),
        "averaging": (0.0, HOT06),
        "gibbs": ((3, 6, 10), HOT06),
        "persistent_share": (0.0, HOT06),
        "balanced": (True, HOT06),
    },
    base=_TR2006,
)

_SCIENCE06 = _recipe(
    "science06",
    "Hinton and Salakhutdinov (2006), their public Matlab code",
    {
        "passes": (50, SCIENCE06),
        "recon_states": ("none", SCIENCE06),
    },
    {
        "optimiser": ("cg", SCIENCE06),
        "batch": (1000, SCIENCE06),
        "top_only_epochs": (5, SCIENCE06),
        "importance_sampling": (False, SCIENCE06),
        "max_epochs": (200, SCIENCE06),
    },
    {},
    base=_TR2006,
)

_QUICK = _recipe(
    "quick",
    "the whole of Table 1 in minutes, to see that everything works; not its numbers",
    {
        "layers": ((200, 200, 500), SHORT),
        "passes": (5, SHORT),
        "early_epochs": (2, SHORT),
    },
    {
        "patience": (2, SHORT),
        "max_epochs": (8, SHORT),
    },
    {
        "epochs": (3, SHORT),
    },
    base=_TR2006,
)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe for recipe in (_TR2006, _HOT06, _SCIENCE06, _QUICK)
}
