"""Learning from Python: the learning commands as functions, silent unless they are asked not to be.

Each makes one file, or finds it finished, or goes on with it where it was stopped, exactly as the
command does; and returns the `Net` in it. Paths may be a str. All take, beside their own arguments:

recipe, seed, threads
    As the options of these names; not given, those of the file that it starts from, else
    ``"tr2006"``, 0 and as many as this process may use.
data : str, Path or Digits, optional
    A folder of IDX files, or what `mnist.load` gave, or the same with other arrays, which are other
    data; not given, the data of the file that it starts from, else MNIST.
force : bool
    Start anew and replace the file that is there.
progress : bool or Progress
    True shows what the commands show, on standard error; or an object that is told of each epoch,
    and that sees the features while they are learned if it is a `training.Watcher`.

and every setting of its part of the recipe by its name (docs/assumptions.md): ``passes=5``,
``layers=(200, 200, 500)``. They raise `RunError`, `CheckpointError` or `DataError` with one line
that says what is wrong; ValueError for a value out of range, TypeError for a name that is none.
Ctrl-C saves the epoch it comes in, and raises KeyboardInterrupt; so do SIGTERM and what else ends a
command, which raise SystemExit.
"""

from __future__ import annotations

import dataclasses
import numbers
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hinton06 import experiments, loading, mnist, native
from hinton06.experiments import Result
from hinton06.loading import Context, RunFile
from hinton06.mnist import MAX_TRANSLATION, Digits
from hinton06.net import Net
from hinton06.recipes import (
    DISTORTIONS,
    MOVED,
    PARTS,
    RECIPES,
    BackpropSettings,
    PretrainSettings,
    Recipe,
    left_with_dropout,
    of_dropout,
)
from hinton06.training import Interrupted, Progress

Start = str | Path | Net
"""A file, the name of a net inside the package, or a net that was loaded or made."""

_LARGEST_SEED = 2**63 - 1  # that a file can hold
_COMMON = ("recipe", "seed", "threads", "data", "force", "progress")


class Silent:
    """A `Progress` that shows nothing."""

    def begin(self, title: str, done: float, expected: float) -> None:
        """Nothing."""

    def tick(self, amount: float) -> None:
        """Nothing."""

    def epoch(self, where: str, row: Mapping[str, float], done: float, expected: float) -> None:
        """Nothing."""

    def note(self, message: str) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


def carried_by(
    start: RunFile | None, part: str, given: Mapping[str, Any], recipe: Recipe,
    extends: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Settings of a start that a run by `recipe` goes on with, where nothing else was `given`.

    An extension with all that are not its start's recipe's, or `recipe`'s if that is not known
    here. What learns anew as its start did, with its distortions and its dropout alone: units are
    left out and images are moved as they were, but for the schedule.
    """
    if start is None or start.kind.part != part:
        return {}
    own, known = vars(start.settings), RECIPES.get(start.recipe)
    found = (known or recipe).carried(start.settings, part, start.conditions)
    if not extends:
        taken = of_dropout(part) if own.get("dropout") else set()
        taken -= {"extension_epochs", "final_share"}
        found = {name: value for name, value in found.items() if name in taken | {*DISTORTIONS}}
    if not _has_backpropagation(start, given, recipe, extends):
        return {name: value for name, value in found.items() if name not in of_dropout(part)}
    if given.get("dropout") is not None:  # who says so says all of it
        leaves = own.get("dropout") and not given["dropout"]
        gone = left_with_dropout(part) if leaves else ()
        kept = {name for name in found if extends or name in DISTORTIONS} - {*gone}
        return {name: value for name, value in found.items() if name in kept}
    if own.get("dropout"):
        usual = vars(recipe.settings(part))
        learned = {name: own.get(name) for name in ("dropout", *MOVED)}
        found |= {name: value for name, value in learned.items() if value and value != usual[name]}
    return found


def _has_backpropagation(
    start: RunFile, given: Mapping[str, Any], recipe: Recipe, extends: bool
) -> bool:
    """Whether a run from this start learns by it, alone or mixed with another gradient."""
    if start.kind.part != "wakesleep":
        return True
    if extends:
        return start.outcome.bp_weight > 0
    usual = vars(recipe.wakesleep)
    said = {name: usual[name] if given.get(name) is None else given[name]
            for name in ("search_bp_weight", "bp_weight")}  # fmt: skip
    return any(said.values())


def idle_in_pretraining(settings: PretrainSettings, on_stack: bool) -> Iterator[str]:
    """Settings of pretraining, of a new top `on_stack` or of all layers, that make no difference.

    Persistent chains are of states in all units; a layer that starts as a transpose has its
    weights and biases from below.
    """
    if settings.persistent:
        yield "recon_states"
    if settings.start == "transpose" and on_stack:
        yield from ("initial_sd", "hidden_bias")


def idle_settings(
    settings: BackpropSettings, validated: bool, extends: bool, random: bool
) -> Iterator[str]:
    """Settings of backpropagation that a run makes no use of."""
    falls = settings.extension_epochs if extends else settings.epochs
    if not validated:
        yield from ("patience", "valid_every")
    if extends:
        yield "epochs"
    elif not validated:  # by whose costs it stops, and which is never extended
        yield "extension_epochs"
    else:  # an extension of it will have the same share
        falls = falls or settings.extension_epochs
    if not falls:
        yield "final_share"
    if not random:
        yield "initial_scale"


@dataclasses.dataclass(frozen=True)
class _Run:
    """What a function starts with: its options sorted, and what its starts say where they do not.

    `files` are those that it starts from.
    """

    part: str
    common: Mapping[str, Any]
    given: Mapping[str, Any]
    files: Sequence[RunFile]

    @classmethod
    def of(cls, part: str, options: Mapping[str, Any], starts: Sequence[Start] = ()) -> _Run:
        names = [item.name for item in dataclasses.fields(PARTS[part])]
        for name in options:
            if name not in (*_COMMON, *names):
                raise TypeError(
                    f"{name!r} is none of {', '.join(_COMMON)}, nor a setting: {', '.join(names)}"
                )
        files = [loading.load(_path(start)) for start in starts]
        common = {name: options.get(name) for name in _COMMON}
        usable = native.usable_threads()
        own: dict[str, Any] = {"seed": 0, "recipe": "tr2006", "threads": usable}
        if files:
            first = files[0].lineage
            own |= {"seed": first.seed, "threads": min(first.threads, usable)}
            own |= {"recipe": files[0].recipe} if files[0].recipe in RECIPES else {}
        common |= {name: own[name] for name in own if common[name] is None}
        common["seed"] = _whole("seed", common["seed"], 0, _LARGEST_SEED)
        common["threads"] = _whole("threads", common["threads"], 1)
        if common["recipe"] not in RECIPES:
            raise ValueError(f"recipe is one of {', '.join(RECIPES)}, not {common['recipe']!r}")
        given = {name: _typed(part, name, options[name]) for name in names if name in options}
        return cls(part, common, given, files)

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.common["recipe"]]

    def settings(self, extends: bool = False, **known: Any) -> Any:
        """Of what descends from the start, if there is one; `known` is what is new."""
        start = self.files[0] if self.files else None
        learned = start.lineage.conditions() if start else {}
        carried = carried_by(start, self.part, self.given, self.recipe, extends)
        return self.recipe.settings_with(self.part, self.given, carried, **learned | known)

    def check_used(self, idle: Iterable[str]) -> None:
        """TypeError for one of these settings that was given."""
        for name in idle:
            if name in self.given:
                raise TypeError(f"{name} changes nothing here")

    def make(self, call: Callable[..., Result], out: str | Path, *arguments: Any) -> Net:
        """The net of an experiment; its settings, recipe and seed are its last arguments."""
        if not Path(out).name:
            raise ValueError(f"out is the path of a file to make, not {str(out)!r}")
        digits, progress = self._digits(), self._progress()
        for remark in loading.remarks(digits):
            progress.note(remark)
        context = Context(digits, progress, self.common["threads"], bool(self.common["force"]))
        try:
            return Net(call(context, Path(out), *arguments).file)
        except Interrupted as stop:
            if stop.signal_number == signal.SIGINT:
                raise KeyboardInterrupt from stop
            raise SystemExit(128 + stop.signal_number) from stop

    def _digits(self) -> Digits:
        data = self.common["data"]
        if isinstance(data, Digits):
            return mnist.as_they_are(data)
        return loading.digits_of(self.files, loading.data_place(data))

    def _progress(self) -> Progress:
        wanted = self.common["progress"]
        if wanted is True:
            from hinton06.cli.display import Display  # noqa: PLC0415  # of the command line

            return Display()
        return wanted or Silent()


def _path(start: Start) -> Path:
    return Path(start.path if isinstance(start, Net) else start)


def _typed(part: str, name: str, value: Any) -> Any:
    """A setting's value of its own type; tuples may be lists, or what is typed after an option.

    TypeError if it is of another type.
    """
    default = getattr(RECIPES["tr2006"].settings(part), name)
    if isinstance(default, tuple):
        limits = PARTS[part].__dataclass_fields__[name].metadata
        if isinstance(value, str):
            return limits["parse"](value)
        whole = all(isinstance(item, int) for item in default)
        return tuple(_whole(name, item) if whole else float(item) for item in _items(name, value))
    if isinstance(default, int) and not isinstance(default, bool):
        return _whole(name, value)
    wanted: Any = {bool: bool, float: numbers.Real, str: str}[type(default)]
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise TypeError(f"{name} is of type {type(default).__name__}, not {value!r}")
    return type(default)(value)


def _items(name: str, value: Any) -> list[Any]:
    try:
        return list(value)
    except TypeError:
        raise TypeError(f"{name} is of type tuple, not {value!r}") from None


def _whole(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """An int, of NumPy's kinds too; TypeError if it is none, ValueError beyond the limits."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is of type int, not {value!r}")
    found = int(value)
    if low is not None and found < low:
        raise ValueError(f"{name} is {low} or more, not {found}")
    if high is not None and found > high:
        raise ValueError(f"{name} is at most {high}, not {found}")
    return found


def _cases_asked(labelled: int, translations: int = 0) -> tuple[int, int]:
    """Both checked; 0 for none."""
    moved = _whole("translations", translations, 0, MAX_TRANSLATION)
    return _whole("labelled", labelled, 0), moved


def pretrain(
    out: str | Path,
    split: str = "a",
    labels: bool = False,
    on: Start | None = None,
    translations: int = 0,
    labelled: int = 0,
    **options: Any,
) -> Net:
    """``hinton06 pretrain``: a stack, learned greedily on the training cases of a split.

    `labels`: the top RBM learns them too; `on`: a stack of the same split whose layers below the
    top are taken as they are; `translations` of each image by up to so many pixels; the images of
    so many `labelled` cases alone. The other `options` are those of this module.
    """
    labelled, translations = _cases_asked(labelled, translations)
    run = _Run.of("pretrain", options, [] if on is None else [on])
    if "passes" in run.given and "updates" not in run.given:
        run = dataclasses.replace(run, given={**run.given, "updates": 0})
    settings = run.recipe.settings_with(
        "pretrain", run.given, labels=labels, translations=translations, images=labelled
    )
    run.check_used(idle_in_pretraining(settings, on is not None))
    return run.make(
        experiments.pretrain, out, split, settings, run.recipe.name, run.common["seed"], labels,
        None if on is None else _path(on), translations, labelled,
    )  # fmt: skip


def finetune_bp(start: Start, out: str | Path, labelled: int = 0, **options: Any) -> Net:
    """``hinton06 finetune-bp``: a classifier from a stack, by backpropagation.

    Stopped by the validation cases of the stack's split; with the labels of so many `labelled`
    cases, 0 for all. The other `options` are those of this module.
    """
    labelled, _ = _cases_asked(labelled)
    run = _Run.of("backprop", options, [start])
    if "all_cases_rate" in run.given:
        raise TypeError("all_cases_rate is for what learns all cases, or from a random start")
    settings = run.settings(**_told(labelled=labelled))
    run.check_used(idle_settings(settings, validated=True, extends=False, random=False))
    return run.make(
        experiments.finetune, out, _path(start), settings, run.recipe.name, run.common["seed"],
        labelled,
    )  # fmt: skip


def finetune_cws(start: Start, out: str | Path, **options: Any) -> Net:
    """``hinton06 finetune-cws``: a generative net from a stack with labels, by wake-sleep.

    With backpropagation beside it where `bp_weight` or `search_bp_weight` say so. The other
    `options` are those of this module.
    """
    run = _Run.of("wakesleep", options, [start])
    return run.make(
        experiments.finetune_generative, out, _path(start), run.settings(), run.recipe.name,
        run.common["seed"],
    )  # fmt: skip


def finetune_ws(start: Start, out: str | Path, **options: Any) -> Net:
    """``hinton06 finetune-ws``: a directed net from a stack, by plain wake-sleep.

    On the cases of the stack's split, with their labels. The other `options` are those of this
    module.
    """
    run = _Run.of("directed", options, [start])
    if "initial_sd" in run.given:
        raise TypeError("initial_sd is for what starts from random weights")
    return run.make(
        experiments.finetune_directed, out, _path(start), run.settings(), run.recipe.name,
        run.common["seed"],
    )  # fmt: skip


def wake_sleep_from_random(
    out: str | Path, split: str = "a", layers: Sequence[int] | str | None = None, **options: Any
) -> Net:
    """``hinton06 finetune-ws --no-pretraining``: a directed net from small random weights.

    On the training cases of a split. `layers`: hidden units, as the recipe's stacks have them if
    not given. The other `options` are those of this module.
    """
    run = _Run.of("directed", options)
    sizes = run.recipe.pretrain.layers if layers is None else _typed("pretrain", "layers", layers)
    settings = run.settings(random_start=True)
    return run.make(
        experiments.directed_from_random, out, split, settings, sizes, run.recipe.name,
        run.common["seed"],
    )  # fmt: skip


def extend(start: Start, out: str | Path, **options: Any) -> Net:
    """``--extend`` of either command: a fine-tuned net learns the validation cases as well.

    Down to the cost, or the error rate, that it had on the training cases. The other `options` are
    those of this module.
    """
    file = loading.load(_path(start))
    if file.kind.name == "generative":
        run = _Run.of("wakesleep", options, [start])
        for name in ("bp_weight", "search_bp_weight", "bp_weights"):
            if name in run.given:
                raise TypeError(f"an extension goes on with its net's coefficient: no {name}")
        mixed = file.outcome.bp_weight > 0
        for name in ("bp_rate", "bp_momentum"):
            if name in run.given and not mixed:
                raise TypeError(f"an extension goes on with its net's coefficient, 0: no {name}")
        settings = run.settings(extends=True, **_told(mixed=mixed))
        call: Callable[..., Result] = experiments.extend_generative
    else:
        run = _Run.of("backprop", options, [start])
        settings, call = run.settings(extends=True), experiments.extend
        run.check_used(idle_settings(settings, validated=False, extends=True, random=False))
        _check_rate(run)
    return run.make(call, out, _path(start), settings, run.recipe.name, run.common["seed"])


def finetune_from_random(
    out: str | Path,
    split: str | None = None,
    criteria: Sequence[Start] = (),
    layers: Sequence[int] | str | None = None,
    labelled: int = 0,
    translations: int = 0,
    **options: Any,
) -> Net:
    """``hinton06 finetune-bp --no-pretraining``: a classifier from random weights.

    Either on the training cases of a `split`, stopped by its validation cases, with the labels of
    so many `labelled` ones, in all `translations` by up to so many pixels; or on all cases, down to
    the mean of the training costs of the nets that are the `criteria`. `layers`: hidden units, as
    in the first of these, or the recipe. The other `options` are those of this module.
    """
    if (split is None) == (not criteria):
        raise TypeError("give either a split, or nets whose costs are the criterion")
    labelled, translations = _cases_asked(labelled, translations)
    for name, given in (("labelled", labelled), ("translations", translations)):
        if given and split is None:
            raise TypeError(f"{name} goes with a split")
    run = _Run.of("backprop", options, list(criteria))
    _check_rate(run)
    settings = run.settings(**_told(labelled=labelled, translations=translations))
    validated = split is not None
    run.check_used(idle_settings(settings, validated, extends=False, random=True))
    last = run.recipe.name, run.common["seed"]
    sizes = None if layers is None else _typed("pretrain", "layers", layers)
    if split is not None:
        sizes = sizes or run.recipe.pretrain.layers
        return run.make(
            experiments.finetune_from_random_on_split, out, split, settings, sizes, *last, labelled,
            translations,
        )  # fmt: skip
    sizes = sizes or run.files[0].of_kind("classifier").model.sizes[1:-1]
    paths = [_path(start) for start in criteria]
    return run.make(experiments.finetune_from_random, out, paths, settings, sizes, *last)


def _told(**known: Any) -> dict[str, Any]:
    """What is not the chapter's own."""
    return {name: value for name, value in known.items() if value}


def _check_rate(run: _Run) -> None:
    """A rate that would not be used is a mistake."""
    if "rate" in run.given:
        raise TypeError("on all cases, and from a random start, the rate is all_cases_rate")
