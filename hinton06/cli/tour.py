"""``hinton06 tour``: the chapter's story on a terminal, a key to go on."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType

from hinton06 import tour as story
from hinton06.cli import options as shared
from hinton06.cli import watch
from hinton06.cli.display import Display, duration
from hinton06.report.files import check_folder
from hinton06.tour import STAGES, Tour
from hinton06.training import Interrupted, Progress

_WIDTH = 80
_PROMPT = "a key goes on, q ends the tour"


class _Left(Exception):  # noqa: N818  # no error: enough was seen
    """The key that ends the tour was pressed."""


@click.command()
@click.option(
    "--out", metavar="DIR", type=shared.FOLDER, default="tour",
    show_default=True, help="Folder for the nets and pictures, to go on with.",
)  # fmt: skip
@click.option("--no-pause", is_flag=True, help="Wait for no key: for scripts.")
@click.option("--force", is_flag=True, help="Learn anew what is there already.")
@shared.tour_options
def tour(out: Path, no_pause: bool, force: bool, **options: Any) -> None:
    """See in five minutes what the chapter is about.

    A small net learns before your eyes, dreams before and after it has learned labels, and
    recognises digits by their free energies; then backpropagation is put to the test. Each stage
    begins with a sentence of the chapter. Everything that is shown is computed while you watch,
    with fixed seeds.

    A key goes on, q ends the tour. Where the output is no terminal it is plain text, and nothing
    waits. Stopped, it goes on with what it had learned when it is started again.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, _WIDTH)
    waits = not no_pause and console.is_terminal and sys.stdin.isatty()
    displays = {learning: _display(options["quiet"], learning) for learning in (True, False)}
    check_folder(out)
    taken = Tour(
        out, console, options["data_dir"], options["threads"], force, options["transposed"],
        display=displays.__getitem__,
        pause=(lambda: _pause(console)) if waits else (lambda: None),
    )  # fmt: skip
    try:
        _take(taken)
    except _Left:
        console.print(f"What was made lies in {out}; started again, the tour goes on with it.")
    except KeyboardInterrupt:
        raise Interrupted(signal.SIGINT) from None


def _take(taken: Tour) -> None:
    console, started = taken.console, time.process_time()
    console.print(story.ABOUT)
    taken.pause()
    for number, stage in enumerate(STAGES, 1):
        console.print(f"\n{number} of {len(STAGES)}: {stage.title}", style="bold")
        console.print(f'"{stage.sentence}"', style="italic")
        console.print(f"    the chapter, {stage.section}", style="dim")
        for step in stage.steps:
            if step.show is not None:
                console.print(f"\n{step.words}")
                step.show(taken)
                if step.after:
                    console.print(step.after)
                _print_commands(console, step.typed(taken))
                taken.pause()
    console.print("\nTo go on with what was made:")
    for step in (step for stage in STAGES for step in stage.steps if step.show is None):
        _print_commands(console, step.typed(taken))
    console.print(f"The tour took {duration(time.process_time() - started)} of a processor.")


def _print_commands(console: Console, commands: Sequence[str]) -> None:
    for command in commands:
        console.print(f"$ {command}", style="cyan", soft_wrap=True)


def _pause(console: Console) -> None:
    """Wait for a key, whatever was typed before; raises `_Left` for the one that ends the tour."""
    console.print(_PROMPT, style="reverse", end="")
    try:
        with _raising():
            key = click.getchar()  # forgets what was typed before
    except EOFError:
        key = ""
    finally:
        erase = (ControlType.ERASE_IN_LINE, 2)
        console.control(Control(ControlType.CARRIAGE_RETURN, erase))
    if key.lower() in ("", "q"):
        raise _Left


@contextmanager
def _raising() -> Iterator[None]:
    """Let signals raise, so that the terminal, from which single keys come, is left as it was."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _display(quiet: bool, learning: bool) -> Progress:
    if learning and not quiet and watch.possible():
        return watch.Watch(None, keep=False)
    return Display(quiet, parts=None, keep=False)
