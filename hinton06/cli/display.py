"""How far a run is: a bar on a terminal, a line an epoch elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import click
from tqdm import tqdm

from hinton06.console import tell
from hinton06.files import one_line
from hinton06.recipes import counted

_FORMAT = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
_SHOWN = {
    "recon_error": "recon. error {:.3f}",
    "train_log_p": "train log p {:.2f}",
    "valid_log_p": "valid. log p {:.2f}",
    "recon_cost": "recon. cost {:.2f}",
    "sampled_cost": "sampled cost {:.3f}",
    "train_cost": "train cost {:.4f}",
    "train_errors": "train errors {:.0f}",
    "valid_cost": "valid. cost {:.2f}",
    "valid_errors": "valid. errors {:.0f}",
    "free_energy_gap": "free-energy gap {:.2f}",
}


class Display:
    """The `Progress` of the command line, on standard error.

    Quiet, it shows nothing but notes; plain, a line an epoch on a terminal too. `parts` runs of
    about equal work share a bar; None where that is not known, or they are unequal: each then has
    a bar of its own. The bar of the last one stays when it is full, if it is to be kept; others
    stay only where they were stopped.
    """

    def __init__(
        self, quiet: bool = False, plain: bool = False, parts: int | None = 1, keep: bool = True
    ) -> None:
        self._quiet, self._keep = quiet, keep
        self._bar_wanted = not quiet and not plain and sys.stderr.isatty()
        self._parts, self._apart = parts or 1, parts is None
        self._part = -1
        self._bar: tqdm[Any] | None = None
        self._title, self._started, self._fraction_before = "", 0.0, 0.0
        self._waiting: list[str] = []
        self._noted: set[str] = set()

    def begin(self, title: str, done: float, expected: float) -> None:
        """A run starts, or goes on with some of its work done."""
        for message in self._waiting:
            tell(f"hinton06: {one_line(message)}", err=True)
        self._waiting.clear()
        self._part = 0 if self._apart else self._part + 1
        self._title, self._started = title, time.monotonic()
        self._fraction_before = self._fraction(done, expected)
        if self._bar_wanted:
            tqdm.monitor_interval = 0  # a thread, which may be refused
            self._bar = tqdm(
                total=expected * self._parts, initial=done + expected * self._part, desc=title,
                bar_format=_FORMAT, smoothing=0.02, dynamic_ncols=True, file=sys.stderr,
            )  # fmt: skip

    def skip(self) -> None:
        """A run need not be made: it was finished before."""
        self._part += 1

    def tick(self, amount: float) -> None:
        """Some work was done."""
        if self._bar is not None:
            self._bar.update(amount)

    def epoch(self, where: str, row: Mapping[str, float], done: float, expected: float) -> None:
        """An epoch ended with these measurements."""
        if self._bar is not None:
            self._bar.total = expected * self._parts
            self._bar.n = done + expected * self._part
            self._bar.set_description(f"{self._title} {where}", refresh=False)
            if said := briefly(row):
                self._bar.set_postfix_str(said, refresh=False)
            self._bar.refresh()
        elif not self._quiet:
            shown = ", ".join(form.format(row[key]) for key, form in _SHOWN.items() if key in row)
            fraction = self._fraction(done, expected)
            made, left = fraction - self._fraction_before, "time left unknown"
            if made > 0:
                took = time.monotonic() - self._started
                left = f"{duration((1 - fraction) * took / made)} left"
            told = f"{self._title} {where}{': ' if shown else ''}{shown}"
            click.echo(f"{told} [{100 * fraction:.0f} %, {left}]", err=True)

    def say(self, message: str, to_the_quiet: bool = False) -> None:
        """A line before the first run starts: a command that none comes of says only why."""
        if to_the_quiet or not self._quiet:
            self._waiting.append(message)

    def note(self, message: str) -> None:
        """Something that the user should know, and is told once."""
        if message not in self._noted:
            self._noted.add(message)
            self._tell(message)

    def _tell(self, message: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        tell(f"hinton06: {one_line(message)}", err=True)

    def end(self) -> None:
        """The run ended, one way or another."""
        if self._bar is not None:
            expected = float(self._bar.total or 0)
            full = self._bar.n > 0.999 * expected * (self._part + 1) / self._parts
            self._bar.leave = not full or (self._keep and self._part == self._parts - 1)
            self._bar.close()
            self._bar = None

    def _fraction(self, done: float, expected: float) -> float:
        return (self._part + done / expected) / self._parts


def briefly(row: Mapping[str, float]) -> str:
    """The measurements that matter most, short enough for the end of a bar."""
    if "valid_cost" in row:
        return f"valid. {row['valid_cost']:.2f}, {counted(round(row['valid_errors']), 'error')}"
    if "train_cost" in row:
        return f"train {row['train_cost']:.4f}"
    if "valid_errors" in row:
        return f"valid. {counted(round(row['valid_errors']), 'error')}"
    recon = row.get("recon_error", row.get("recon_cost"))
    return "" if recon is None else f"recon. {recon:.2f}"


def duration(seconds: float) -> str:
    """Seconds in words: ``"48 s"``, ``"12 min"``, ``"3 h 05 min"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
