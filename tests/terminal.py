"""A command on a terminal of its own: a size, keys that are pressed, and what is on the screen."""

from __future__ import annotations

import codecs
import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyte

_LONGEST_S = 300


class Terminal:
    """``hinton06 ARGUMENTS`` in a folder, on a terminal of so many columns and lines.

    `printed` is all that it wrote; `screen` shows what of it is there now.
    """

    def __init__(
        self,
        *arguments: object,
        folder: Path,
        columns: int = 80,
        lines: int = 24,
        **environment: str,
    ) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.settings = termios.tcgetattr(self._ours)
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.printed, self._decoded = "", codecs.getincrementaldecoder("utf-8")("replace")
        kept = {n: v for n, v in os.environ.items() if n not in ("NO_COLOR", "COLUMNS", "LINES")}
        colours = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hinton06", *map(str, arguments)], cwd=folder, stdin=theirs,
            stdout=theirs, stderr=theirs, start_new_session=True, env=kept | colours | environment,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # no threads
        )  # fmt: skip
        os.close(theirs)

    @property
    def rows(self) -> list[str]:
        """What is on the screen."""
        return [row.rstrip() for row in self.screen.display]

    def until(self, seen: Callable[[], Any]) -> None:
        """Read until something is so; fails if the command ends before, or takes too long."""
        end = time.monotonic() + _LONGEST_S
        while not seen():
            assert time.monotonic() < end, self.printed[-2000:]
            assert self._read(), self.printed[-2000:]

    def shows(self, text: str, times: int = 1) -> None:
        """Read until a text was printed so many times."""
        self.until(lambda: self.printed.count(text) >= times)

    def asks(self, text: str, times: int = 1) -> None:
        """As `shows`, and until a single key is read."""
        self.until(lambda: self.printed.count(text) >= times and not self.left_as_it_was())

    def press(self, keys: str) -> None:
        """Press some keys."""
        os.write(self._ours, keys.encode())

    def code(self) -> int:
        """Read to the end, and give the exit code."""
        end = time.monotonic() + _LONGEST_S
        while self._read():
            assert time.monotonic() < end, self.printed[-2000:]
        return self.process.wait(_LONGEST_S)

    def left_as_it_was(self) -> bool:
        """Whether the terminal's settings are those from before the command."""
        return termios.tcgetattr(self._ours) == self.settings

    def close(self) -> None:
        """End the command, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)

    def _read(self) -> bool:
        """Read what there is, for a while; False if the command has ended."""
        if not select.select([self._ours], [], [], 0.2)[0]:
            return self.process.poll() is None
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:  # the other end is closed
            return False
        self._stream.feed(data)
        self.printed += self._decoded.decode(data)
        return bool(data)
