"""Options that several commands share, each defined once."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from hinton06 import loading, mnist, native, nets
from hinton06.checkpoint import CheckpointError
from hinton06.cli import watch
from hinton06.cli.display import Display, duration
from hinton06.console import tell
from hinton06.experiments import Result
from hinton06.files import one_line
from hinton06.learning import carried_by
from hinton06.loading import Context, RunFile
from hinton06.mnist import Digits
from hinton06.recipes import (
    PARTS,
    RECIPES,
    GoesWithError,
    Recipe,
    conditions,
    counted,
    implied,
    parse_layers,
    says_something,
    show_value,
)
from hinton06.records import Tree, to_tree
from hinton06.report.files import check_folder
from hinton06.report.scores import coefficient_curve, scores_line, show_curve

if TYPE_CHECKING:  # generic in newer versions of Click alone
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType

Command = TypeVar("Command", bound=Callable[..., Any])
T = TypeVar("T")


class OneLine(click.ClickException):
    """A failed run: one line on stderr, exit code 1."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: D102  # as Click's
        click.echo(f"hinton06: {one_line(self.message)}", file=file or sys.stderr)


class _NoSuchNet(OneLine):
    exit_code = 2


class _NetFile(click.Path):
    """A file that exists, or the name of a net inside the package; as the path that was typed."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        path = Path(value)
        try:
            inside = os.sep not in str(value) and nets.located(path) != path
        except CheckpointError as error:
            raise _NoSuchNet(str(error)) from None
        return path if inside else super().convert(value, param, ctx)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """Files, and names of nets that begin so."""
        names = [name for name in nets.names() if incomplete and name.startswith(incomplete)]
        return [*super().shell_complete(ctx, param, incomplete), *map(CompletionItem, names)]


EXISTING_FILE = _NetFile(exists=True, dir_okay=False, path_type=Path)


class _Place(click.Path):
    """A path; an empty one, of a shell's variable that is not set, is not the working folder."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if os.fsdecode(value) == "":
            self.fail("is empty: a name is needed, or . for this folder", param, ctx)
        return super().convert(value, param, ctx)


FILE = _Place(dir_okay=False, path_type=Path)
"""A file to make."""
FOLDER = _Place(file_okay=False, path_type=Path)
"""A folder to write into."""


class _Parsed(_ParamType):
    """Several numbers in one word."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Number(click.FloatRange):
    """A number in a range; NaN, which is neither below nor above any, is none."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


def _parse_numbers(text: str, words: tuple[str, ...] = ()) -> tuple[int, ...] | str:
    """``"1,7-9"`` as ``(1, 7, 8, 9)``, or one of the words as it is."""
    if text in words:
        return text
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", part.strip())
        if found is None or int(found[2] or found[1]) < int(found[1]):
            example = " or ".join(["numbers and ranges such as 1,5,7-9", *words])
            raise ValueError(f"{text!r} is not {example}")
        numbers += range(int(found[1]), int(found[2] or found[1]) + 1)
    return tuple(numbers)


LAYERS = _Parsed("N-N-N", parse_layers)
NUMBERS = _Parsed("N,N-N", _parse_numbers)
NUMBERS_OR_FREE = _Parsed("N,N-N", lambda text: _parse_numbers(text, ("free",)))


def _together(*parameters: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """One decorator for several, the first on top."""
    return lambda command: reduce(lambda made, add: add(made), reversed(parameters), command)


SEED = click.IntRange(0, 2**63 - 1)


class _DataPlace(_Place):
    """The word ``mnist``, or a path."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return loading.data_place(os.fsdecode(super().convert(value, param, ctx)))


def _with_data(_: click.Context, __: click.Parameter, transposed: bool) -> bool:
    given = click.get_current_context().params.get("data_dir")
    if transposed and (given is None or given is loading.MNIST):
        raise click.UsageError("--transposed goes with --data DIR")
    return transposed


data_option = _together(
    click.option(
        "--data", "data_dir", metavar="DIR", type=_DataPlace(), is_eager=True,
        help="Folder of four IDX files under MNIST's or EMNIST's names, gzipped or not, or an .npz "
        "file; mnist or spoken for those that ship with this package. Default: those that the "
        "file to start from was made with, or mnist.",
    ),
    click.option("--transposed", is_flag=True, callback=_with_data,
                 help="The images of --data have rows and columns exchanged, as EMNIST's."),
)  # fmt: skip
second_option = click.option(
    "--second", "second_dir", metavar="DIR", type=_DataPlace(),
    help="Where the second pathway's data are, as --data. Default: where its file says.",
)  # fmt: skip
_threads_option = click.option(
    "--threads", type=click.IntRange(1, 1024),
    help="Threads that compute; runs of equally many are bit-identical. Default: as many as the "
    "file to train from was made with, or this process may use.",
)  # fmt: skip
_quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")


def saving_option(more: str = "") -> Callable[[Command], Command]:
    """``--save DIR``, which writes a table and perhaps `more`."""
    return click.option(
        "--save", metavar="DIR", type=FOLDER,
        help=f"Also write the table there, as Markdown, CSV and JSON{more}.",
    )  # fmt: skip


save_option = saving_option()


def page_option(default: str) -> Callable[[Command], Command]:
    """``--out FILE``, a page; one that cannot be written is refused before work is done for it."""

    def checked(_context: click.Context, _option: click.Parameter, out: Path) -> Path:
        if out.suffix.lower() not in (".html", ".htm"):
            raise click.UsageError(f"--out {out}: a page ends in .html")
        check_folder(out.parent, out)
        return out

    return click.option(
        "--out", "-o", metavar="FILE", default=default, show_default=True, callback=checked,
        type=FILE, help="The page to make, ending in .html.",
    )  # fmt: skip


long_run_options = _together(
    click.option("--out", type=FILE,
                 help="The file to make."),
    data_option,
    click.option("--seed", type=SEED, help="Seed of every random number of this run. Default: "
                 "that of the file to start from, or 0."),
    _threads_option,
    click.option("--force", is_flag=True, help="Start anew and replace the file that is there."),
    click.option("--plain", is_flag=True,
                 help="A line an epoch instead of a bar, on a terminal too."),
    click.option("--watch", is_flag=True,
                 help="On a terminal: draw features and curves while they are learned."),
    _quiet_option,
    json_option,
)  # fmt: skip
"""What every training command takes."""

looking_options = _together(data_option, _threads_option, _quiet_option, json_option)
"""What a command that looks at finished files takes."""

tour_options = _together(data_option, _threads_option, _quiet_option)
"""What the tour takes."""

measuring_options = _together(
    click.argument("checkpoints", nargs=-1, required=True, type=EXISTING_FILE),
    click.option("--confusion", is_flag=True, help="Also print which classes are taken for which."),
    looking_options,
)
"""What a command that measures finished nets takes, and their files."""

_about = "Seed of every random number of this run."
drawing_options = _together(
    click.option("--seed", type=SEED, default=0, show_default=True, help=_about), looking_options
)
"""What a command that draws random pictures takes."""


def recipe_options(part: str) -> Callable[[Command], Command]:
    """``--recipe NAME`` and one option for each setting of that part of a recipe."""
    default = RECIPES["tr2006"].settings(part)
    choices = "; ".join(f"{r.name}: {r.about}" for r in RECIPES.values())
    recipe = click.option(
        "--recipe", type=click.Choice(list(RECIPES)),
        help=f"Named set of values for the options below. {choices}. Default: that of the file "
        "to start from, or tr2006.",
    )  # fmt: skip
    own = [_setting_option(f, getattr(default, f.name)) for f in dataclasses.fields(default)]
    return _together(recipe, *own)


def _setting_option(item: dataclasses.Field[Any], default: Any) -> Callable[[Command], Command]:
    name = item.name.replace("_", "-")
    help_text = f"{item.metadata['help']} [tr2006: {show_value(default)}]"
    if isinstance(default, bool):
        return click.option(f"--{name}/--no-{name}", item.name, default=None, help=help_text)
    return click.option(f"--{name}", item.name, type=_setting_type(item, default), help=help_text)


def _setting_type(item: dataclasses.Field[Any], default: Any) -> _ParamType:
    limits = item.metadata
    kind: _ParamType
    if isinstance(default, bool):
        kind = click.BOOL
    elif isinstance(default, tuple):
        parse = limits["parse"]
        kind = LAYERS if parse is parse_layers else _Parsed("W,W,W", parse)
    elif limits["choices"]:
        kind = click.Choice(limits["choices"])
    elif isinstance(default, int):
        kind = click.IntRange(limits["low"], limits["high"])
    else:
        kind = _Number(limits["low"], limits["high"])
    return kind


class _SettingOfPart(_ParamType):
    """``backprop.rate=0.1``, of some parts of a recipe: its name and value."""

    name = "PART.SETTING=VALUE"

    def __init__(self, parts: Sequence[str]) -> None:
        recipe = RECIPES["tr2006"]
        self._kinds = {
            f"{part}.{item.name}": _setting_type(item, getattr(recipe.settings(part), item.name))
            for part in parts
            for item in dataclasses.fields(PARTS[part])
        }

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        name, equals, text = str(value).partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            self.fail(f"{value!r} is not like backprop.rate=0.1", param, ctx)
        if name not in self._kinds:
            near = difflib.get_close_matches(name, self._kinds, 1)
            self.fail("; ".join([f"no setting {name}", *(f"{n}?" for n in near)]), param, ctx)
        try:
            return name, self._kinds[name].convert(text.strip(), param, ctx)
        except click.BadParameter as error:
            self.fail(f"{name}: {error.message}", param, ctx)


SETTINGS = _SettingOfPart(("pretrain", "backprop", "wakesleep"))
"""One of a recipe's settings for learning, and its value."""


@dataclass(frozen=True)
class Setup:
    """What a training command starts with; `start` is the file that it starts from, if any."""

    context: Context
    display: Display
    recipe: Recipe
    seed: int
    start: RunFile | None

    def settings(
        self, part: str, options: dict[str, Any], extends: Any = False, **known: Any
    ) -> Any:
        """The recipe's settings with the options that were given, of what descends from the start.

        `known` is what is new, not None or 0, as `recipes.conditions` takes it. What `extends` the
        start goes on with its settings.
        """
        learned = self.start.lineage.conditions() if self.start else {}
        known = learned | {name: value for name, value in known.items() if value}
        carried = carried_by(self.start, part, options, self.recipe, bool(extends))
        with as_usage():
            settings = self.recipe.settings_with(part, options, carried, **known)
        under = conditions(**{**implied(settings), **known})
        said = [
            name.replace("_", " ") + ("" if value is True else f" {show_value(value)}")
            for name, value in carried.items()
            if options.get(name) is None
            and getattr(settings, name) == value
            and says_something(settings, name, under)
        ]
        if said and self.start:
            self.display.say(f"with {', '.join(said)}, as {self.start.path.name}")
        return settings

    def say_idle(self, options: Mapping[str, Any], idle: Iterable[str]) -> None:
        """Say of settings that were given that they make no difference.

        It is no mistake: scripts have one list of options for all modes.
        """
        for name in idle:
            if options[name] is not None:
                self.display.say(f"--{name.replace('_', '-')} changes nothing here")


def _typed(setting: str) -> str:
    """``optimiser=cg`` as ``--optimiser cg``, ``search=no`` as ``--no-search``."""
    name, equals, value = setting.partition("=")
    option = name.replace("_", "-")
    if value == "no":
        return f"--no-{option}"
    return f"--{option} {value}" if equals else f"--{option}"


@contextmanager
def as_usage() -> Iterator[None]:
    """Settings that do not go together are a mistake of usage."""
    try:
        yield
    except GoesWithError as error:
        others = " or ".join(map(_typed, error.others))
        raise click.UsageError(f"{_typed(error.name)} goes with {others}") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def training_setup(options: dict[str, Any], starts: Sequence[Path] = (), runs: int = 1) -> Setup:
    """Data, recipe, seed and threads of so many runs: as given, else those of their start.

    What is taken from that file is said in the first line. Raises `RunError` where its data are not
    to be found again and none are given.
    """
    display = _display(options, runs)
    files = [loading.load(path) for path in starts]
    start = files[0] if files else None
    digits, usable = _digits(options, files), native.usable_threads()
    values: dict[str, Any] = {"seed": 0, "recipe": "tr2006", "threads": usable}
    given = {name: options[name] for name in values if options[name] is not None}
    if start is not None:
        values |= {"seed": start.lineage.seed, "threads": min(start.lineage.threads, usable)}
        values |= {"recipe": start.recipe} if start.recipe in RECIPES else {}
        fewer = "threads" not in given and start.lineage.threads > usable
        other = {"threads"} if fewer else set()
        other |= {"recipe"} if start.recipe not in RECIPES else set()
        own = [name for name in values if name not in {*given, *other}]
        taken = [f"{name} {values[name]}" for name in own]
        if options["data_dir"] is None:
            known = mnist.SHIPPED.get(start.lineage.data, "MNIST")
            taken.append(f"the data of {start.lineage.data_folder or known}")
        if taken:
            listed = " and ".join(filter(None, [", ".join(taken[:-1]), taken[-1]]))
            display.say(f"with {listed}, as {start.path.name}")
        if "recipe" in other - given.keys():
            display.say(f"with recipe {values['recipe']}; {start.path.name} has one of its own")
        if fewer:
            theirs = f"{start.path.name} was made with {start.lineage.threads}"
            display.say(f"with threads {usable}, all that this process may use; {theirs}")
        _say_other_data(display, "learns from", digits, files)
    say_remarks(display, options, digits)
    values |= given
    context = Context(digits, display, values["threads"], options["force"])
    return Setup(context, display, RECIPES[values["recipe"]], values["seed"], start)


def _display(options: dict[str, Any], runs: int) -> Display:
    quiet, plain = options["quiet"], options["plain"]
    if not options["watch"]:
        return Display(quiet, plain, runs)
    if quiet or plain:
        raise click.UsageError("--watch goes without --quiet and --plain")
    if watch.possible():
        return watch.Watch(runs)
    display = Display(parts=runs)
    display.say("--watch draws where standard error is a terminal: a line an epoch instead")
    return display


def _digits(options: dict[str, Any], files: Sequence[RunFile]) -> Digits:
    return loading.digits_of(files, options["data_dir"], options["transposed"])


def say_remarks(display: Display, options: dict[str, Any], digits: Digits) -> None:
    """What is to be known of the images, before they are learned."""
    if options["data_dir"] is loading.MNIST and Path(loading.MNIST).is_dir():
        display.say("--data mnist is the MNIST inside this package; ./mnist names the folder")
    if options["data_dir"] == mnist.SPOKEN and Path(mnist.SPOKEN.name).is_dir():
        display.say("--data spoken is that inside this package; ./spoken names the folder")
    for remark in loading.remarks(digits):
        display.say(remark, to_the_quiet=True)


def _say_other_data(display: Display, does: str, digits: Any, files: Sequence[RunFile]) -> None:
    others = [file.path.name for file in files if file.lineage.data != digits.sha256]
    if others:
        words = f"{does} {digits.name}, and not the data of {', '.join(others)}"
        display.say(words, to_the_quiet=True)


def measuring_context(
    options: dict[str, Any], paths: Sequence[Path], runs: int | None = 1
) -> Context:
    """What commands that look at files share: the data of the files unless others are given."""
    display = Display(options["quiet"], parts=runs, keep=False)
    files = [loading.load(path) for path in paths]
    digits = _digits(options, files)
    _say_other_data(display, "uses", digits, files)
    say_remarks(display, options, digits)
    return Context(digits, display, options["threads"] or native.usable_threads())


def settings_for(part: str, options: dict[str, Any], paths: Sequence[Path]) -> Any:
    """A recipe's settings with the options that were given: the first file's recipe by default."""
    own = loading.load(paths[0]).recipe
    name = options["recipe"] or (own if own in RECIPES else "tr2006")
    with as_usage():
        return RECIPES[name].settings_with(part, options)


def values_for(kind: type[T], options: dict[str, Any]) -> T:
    """A dataclass of the options of the same names."""
    return kind(**{f.name: options[f.name] for f in dataclasses.fields(kind)})  # type: ignore[arg-type]  # of a dataclass


def print_json(value: Any) -> None:
    """Print a JSON document on standard output; of a stranger's array, its shape."""

    def shape(array: Any) -> str:
        return f"array of shape {getattr(array, 'shape', '?')}"

    click.echo(json.dumps(value, indent=2, allow_nan=False, default=shape))


def print_result(result: Result, as_json: bool) -> None:
    """Print what a fine-tuning command made, on standard output."""
    file = result.file
    curve = coefficient_curve(file.history)
    if as_json:
        made = {"outcome": file.outcome.values(), "coefficients": curve}
        print_json(result_values(result) | made)
        return
    tell(
        f"{file.path}: {counted(file.outcome.epochs_text, 'epoch')}, {state_text(result)}: "
        f"{file.outcome.reason}\n{scores_line(file.outcome)}"
    )
    if len(curve) > 1:
        show_curve(curve)


def state_text(result: Result) -> str:
    """Whether a file had been finished before, or in which time it was."""
    if result.already:
        return "already finished"
    return f"finished in {duration(result.file.provenance['seconds'])}"


def result_values(result: Result) -> Tree:
    """What a command made, as JSON values."""
    file = result.file
    return {
        "path": str(file.path),
        "already_finished": result.already,
        "recipe": file.recipe,
        "settings": to_tree(file.settings),
        "lineage": to_tree(file.lineage),
        "seconds": file.provenance["seconds"],
        "sha256": file.digest,
    }
