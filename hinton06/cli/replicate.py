"""``hinton06 replicate``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from hinton06 import loading, many, native
from hinton06.cli import options
from hinton06.cli.display import Display, duration
from hinton06.console import tell
from hinton06.learning import idle_in_pretraining
from hinton06.loading import Context
from hinton06.recipes import (
    RECIPES,
    GoesWithError,
    Recipe,
    check_given,
    conditions,
    counted,
    implied,
)
from hinton06.records import Tree

_EACH = {
    "nets": "Table 1", "translated": "translated images", "labelled": "few labels",
    "cws": "the generative half", "hybrid": "the generative half",
}  # fmt: skip
_PIXELS = 2
"""Of translations, as in the chapter and in ``make translated``."""
_LEARNS = {
    "nets": ("pretrain", "backprop"), "translated": ("pretrain", "backprop"),
    "labelled": ("pretrain", "backprop"), "cws": ("pretrain", "wakesleep"),
    "hybrid": ("pretrain", "wakesleep"),
}  # fmt: skip
"""The parts of a recipe that each of these asks."""
_IDLE = {
    "labelled": ("backprop.all_cases_rate", "backprop.extension_epochs", "backprop.initial_scale"),
    "translated": ("backprop.initial_scale",),
}
"""Settings of these parts that none of its files makes use of."""
_KNOWN: dict[str, tuple[dict[str, Any], ...]] = {
    "nets": ({},), "translated": ({"translations": _PIXELS},),
    "labelled": ({}, {"labelled": 100}, {"labelled": 10_000}),
    "cws": ({}, {"labels": True}), "hybrid": ({}, {"labels": True}),
}  # fmt: skip
"""What is known of the files of each, as `conditions` takes it."""


@click.command()
@click.option("--seeds", type=options.NUMBERS, required=True,
              help="Seeds of the replicas, as 0-32 or 1,5,7-9.")  # fmt: skip
@click.option(
    "--each", type=click.Choice(list(_EACH)), default="nets", show_default=True,
    help="What is learned of each seed, as by make: the nets of Table 1; of translated images; of "
    "100, 1,000 and 10,000 labels; contrastive wake-sleep of all three splits, with its "
    "extensions; or the mixed gradient after it as well.",
)  # fmt: skip
@click.option(
    "--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True,
    help="Learn on the first graphics card, or on the processor.",
)  # fmt: skip
@click.option(
    "--out", type=options.FOLDER, default="runs/replicas",
    show_default=True, help="Folder for the folders seed-0, seed-1 and so on.",
)  # fmt: skip
@click.option(
    "--recipe", type=click.Choice(list(RECIPES)), default="tr2006", show_default=True,
    help="Named set of values: see `hinton06 pretrain --help`.",
)  # fmt: skip
@click.option(
    "--set", "changes", type=options.SETTINGS, multiple=True, metavar="PART.SETTING=VALUE",
    help="Another value than the recipe's, as `hinton06 show` names it: pretrain.rate=0.05, "
    "backprop.momentum=0.95, wakesleep.epochs=66. Can be given again.",
)  # fmt: skip
@click.option(
    "--together", type=click.IntRange(1, 10_000),
    help="Nets that learn at a time, at most. Default: as the card's memory holds; on the "
    "processor those of one seed.",
)  # fmt: skip
@options.data_option
@click.option("--threads", type=click.IntRange(1, 1024),
              help="Threads that compute on the processor. Default: as many as this process may "
              "use.")  # fmt: skip
@click.option("--force", is_flag=True, help="Start anew and replace the files that are there.")
@click.option("--plain", is_flag=True,
              help="A line an epoch instead of a bar, on a terminal too.")  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
@options.json_option
def replicate(
    seeds: tuple[int, ...], each: str, device: str, out: Path, recipe: str,
    changes: tuple[tuple[str, Any], ...], together: int | None, threads: int | None, force: bool,
    plain: bool, quiet: bool, as_json: bool, **data: Any,
) -> None:  # fmt: skip
    """Learn all nets of Table 1, or of another experiment, of many seeds at once, on a card.

    Makes the ten files of `make table1`, the nine of `make translated`, stacks and nine nets of few
    labels, the twelve files of `make cws` or the eighteen of `make hybrid` in a folder for each
    seed, for `hinton06 replicas`. Takes PyTorch: pip install 'hinton06[gpu]'.
    """
    try:
        used = RECIPES[recipe].with_values(dict(changes))
        _check_used(used, dict(changes), each)
    except ValueError as error:
        raise click.UsageError(f"--set: {error}") from None
    many.check_installed()
    from hinton06.many import generative, replicas  # noqa: PLC0415  # PyTorch is optional
    from hinton06.many.place import Place  # noqa: PLC0415

    began = time.monotonic()
    display = Display(quiet, plain)
    digits = loading.digits_of([], data["data_dir"], data["transposed"])
    options.say_remarks(display, data, digits)
    context = Context(digits, display, threads or native.usable_threads(), force)
    parts = {
        "nets": replicas.NETS, "translated": replicas.TRANSLATED,
        "labelled": replicas.labelled(used), "cws": generative.CWS, "hybrid": generative.HYBRID,
    }[each]  # fmt: skip
    moved = _PIXELS if each == "translated" else 0
    place, chosen = Place(device, context.threads), sorted(set(seeds))
    made = replicas.replicate(context, place, out, used, chosen, together, parts, moved)
    took = time.monotonic() - began
    if as_json:
        files: Tree = {
            str(seed): [{"path": str(f.path), "sha256": f.digest} for f in found]
            for seed, found in made.items()
        }
        options.print_json({"seconds": took, "seeds": files})
        return
    for found in made.values():
        tell(f"{found[0].path.parent}: {counted(len(found), 'file')} of {_EACH[each]}")
    tell(f"finished in {duration(took)}; hinton06 replicas {out}/seed-* tabulates them")


def _check_used(recipe: Recipe, changes: dict[str, Any], each: str) -> None:
    """ValueError for a value that says nothing in any file of what is learned."""
    for key in changes:
        part, _, name = key.partition(".")
        if part not in _LEARNS[each]:
            raise ValueError(f"{part} says nothing with --each {each}")
        if key in _IDLE.get(each, ()):
            raise ValueError(f"{key} says nothing with --each {each}")
        if key.removeprefix("pretrain.") in idle_in_pretraining(recipe.pretrain, on_stack=False):
            raise ValueError(f"{key} says nothing with pretrain.persistent")
        given: list[dict[str, Any]] = [{}]
        given += [{"search_bp_weight": True}] if (part, each) == ("wakesleep", "hybrid") else []
        refused = [
            error
            for known in _KNOWN[each]
            for own in given
            for error in _refusals(recipe.settings_with(part, own, **known), name, known)
        ]
        if len(refused) == len(_KNOWN[each]) * len(given):
            raise refused[0]


def _refusals(settings: Any, name: str, known: dict[str, Any]) -> list[GoesWithError]:
    """Why a setting says nothing by the others, if it does not."""
    try:
        check_given(settings, [name], conditions(**known, **implied(settings)))
    except GoesWithError as error:
        return [error]
    return []
