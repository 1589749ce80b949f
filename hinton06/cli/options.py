"""Options that several commands share, each defined once."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from hinton06 import mnist
from hinton06.cli.display import Display, duration
from hinton06.opening import Context
from hinton06.recipes import RECIPES, Settings, SettingsType, parse_layers, show_value
from hinton06.report.files import FORMATS, Tabulated
from hinton06.report.scores import (
    coefficient_curve,
    outcome_values,
    scores_line,
    show_curve,
)
from hinton06.stages import Made

Command = TypeVar("Command", bound=Callable[..., Any])

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Tuple(click.ParamType[tuple[Any, ...]]):
    """Several numbers in one word."""

    def __init__(self, name: str, parse: Callable[[str], tuple[Any, ...]]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Numbers(click.ParamType[tuple[int, ...]]):
    name = "N,N-N"

    def __init__(self, *words: str) -> None:
        self._words = words

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, tuple) or value in self._words:
            return value
        numbers: list[int] = []
        for part in value.split(","):
            found = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", part.strip())
            if found is None or int(found[2] or found[1]) < int(found[1]):
                example = " or ".join(["numbers and ranges such as 1,5,7-9", *self._words])
                self.fail(f"{value!r} is not {example}", param, ctx)
            numbers += range(int(found[1]), int(found[2] or found[1]) + 1)
        return tuple(numbers)


class _Number(click.FloatRange):
    """A number in a range; NaN, which is neither below nor above any, is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


LAYERS = _Tuple("N-N-N", parse_layers)
NUMBERS = _Numbers()
NUMBERS_OR_FREE = _Numbers("free")

data_option = click.option(
    "--data", "data_dir", metavar="DIR", type=click.Path(path_type=Path),
    help="Folder of four IDX files under MNIST's names, gzipped or not. Default: the MNIST "
    "files that ship with this package.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
threads_option = click.option(
    "--threads", type=click.IntRange(1, 1024), default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    help="Threads that compute. Runs of equal threads are bit-identical.",
)  # fmt: skip
plain_option = click.option(
    "--plain", is_flag=True, help="A line an epoch instead of a bar, on a terminal too."
)
force_option = click.option(
    "--force", is_flag=True, help="Start anew and replace the file that is there."
)
out_option = click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to make."
)
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True,
    help="Seed of every random number of this run.",
)  # fmt: skip


LONG_RUN_OPTIONS = (
    data_option,
    seed_option,
    threads_option,
    force_option,
    plain_option,
    quiet_option,
    json_option,
)


def long_run_options(command: Command) -> Command:
    """What every training command takes."""
    for option in reversed(LONG_RUN_OPTIONS):
        command = option(command)
    return command


MEASURING_OPTIONS = (
    click.option("--confusion", is_flag=True, help="Also print which classes are taken for which."),
    data_option,
    threads_option,
    quiet_option,
    json_option,
)


def measuring_options(command: Command) -> Command:
    """What a command that measures finished nets takes, and their files."""
    for option in reversed(MEASURING_OPTIONS):
        command = option(command)
    return click.argument("checkpoints", nargs=-1, required=True, type=EXISTING_FILE)(command)


def table_options(
    files: str, several: bool = False
) -> Callable[[Callable[..., Tabulated[Any]]], Callable[..., None]]:
    """A command that tabulates the files of a folder, which it takes: prints and saves the table.

    The function that is decorated makes a `Tabulated` from the folder.

    Parameters
    ----------
    files : str
        Names of those that ``--save`` writes, in words.
    several : bool
        Whether it takes more than one folder; they then are a tuple.
    """
    options = (
        click.option(
            "--format", "form", type=click.Choice(list(FORMATS)), default="terminal",
            show_default=True, help="How to print the table.",
        ),
        click.option("--json", "form", flag_value="json", help="Short for --format json."),
        click.option(
            "--save", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
            help=f"Also write {files} there.",
        ),
    )  # fmt: skip

    def decorate(make: Callable[..., Tabulated[Any]]) -> Callable[..., None]:
        @wraps(make)
        def command(runs: Any, form: str, save: Path | None) -> None:
            table = make(runs)
            if save is not None:
                table.save(save)
            table.show(form)

        kind = click.Path(exists=True, file_okay=False, path_type=Path)
        count = -1 if several else 1
        runs = click.argument("runs", type=kind, nargs=count, required=True)
        for parameter in (*reversed(options), runs):
            command = parameter(command)
        return command

    return decorate


def recipe_options(part: str) -> Callable[[Command], Command]:
    """``--recipe NAME`` and one option for each setting of that part of a recipe.

    Parameters
    ----------
    part : str
        ``"pretrain"``, ``"backprop"`` or ``"wakesleep"``.
    """
    default: Settings = getattr(RECIPES["tr2006"], part)

    def decorate(command: Command) -> Command:
        for item in reversed(dataclasses.fields(default)):
            command = _setting_option(item, getattr(default, item.name))(command)
        choices = "; ".join(f"{r.name}: {r.about}" for r in RECIPES.values())
        return click.option(
            "--recipe", type=click.Choice(list(RECIPES)), default="tr2006", show_default=True,
            help=f"Named set of values for the options below. {choices}.",
        )(command)  # fmt: skip

    return decorate


def _setting_option(item: dataclasses.Field[Any], default: Any) -> Callable[[Command], Command]:
    name, limits = item.name.replace("_", "-"), item.metadata
    help_text = f"{limits['help']} [tr2006: {show_value(default)}]"
    if isinstance(default, bool):
        return click.option(f"--{name}/--no-{name}", item.name, default=None, help=help_text)
    kind: click.ParamType[Any]
    if isinstance(default, tuple):
        is_layers = limits["parse"] is parse_layers
        kind = LAYERS if is_layers else _Tuple("W,W,W", limits["parse"])
    elif limits["choices"]:
        kind = click.Choice(limits["choices"])
    elif isinstance(default, int):
        kind = click.IntRange(limits["low"], limits["high"])
    else:
        kind = _Number(limits["low"], limits["high"])
    return click.option(f"--{name}", item.name, type=kind, help=help_text)


def chosen_settings(base: SettingsType, options: dict[str, Any]) -> SettingsType:
    """A recipe's settings with the options that were given in place of its own values."""
    given = {f.name: options[f.name] for f in dataclasses.fields(base)}
    return dataclasses.replace(base, **{k: v for k, v in given.items() if v is not None})


def make_context(options: dict[str, Any], display: Display) -> Context:
    """What the library calls share, from a command's options."""
    return Context(
        digits=mnist.read(options["data_dir"]),
        progress=display,
        threads=options["threads"],
        force=options.get("force", False),
    )


def print_json(value: Any) -> None:
    """Print a JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, allow_nan=False, default=_shape))


def _shape(value: Any) -> str:
    """What stands for an array among values that a stranger's file holds."""
    return f"array of shape {getattr(value, 'shape', '?')}"


def print_made(made: Made, as_json: bool) -> None:
    """Print what a fine-tuning command made, on standard output."""
    if as_json:
        print_json(_json(made))
    else:
        click.echo(_line(made))
        curve = coefficient_curve(made.checkpoint.history)
        if len(curve) > 1:
            show_curve(curve)


def _line(made: Made) -> str:
    outcome, seconds = made.checkpoint.outcome, made.checkpoint.provenance["seconds"]
    before = f"{outcome['epochs_before']}+" if outcome["epochs_before"] else ""
    state = "already finished" if made.already else f"finished in {duration(seconds)}"
    return (
        f"{made.path}: {before}{outcome['epochs']} epochs, {state}: {outcome['reason']}\n"
        f"{scores_line(outcome)}"
    )


def _json(made: Made) -> dict[str, Any]:
    return {
        "path": str(made.path),
        "already_finished": made.already,
        "arguments": made.checkpoint.arguments,
        "seconds": made.checkpoint.provenance["seconds"],
        "sha256": made.checkpoint.digest(),
        "outcome": outcome_values(made.checkpoint.outcome),
        "coefficients": coefficient_curve(made.checkpoint.history),
    }
