"""Standard output and error of the commands, which may be closed, full, or know few characters.

Not in the chapter. A run that lasts hours does not end for a line that nobody can read: what
standard error cannot take is passed over, and only the exit code tells. Results that cannot be
printed are an error, once everything else is done.
"""

from __future__ import annotations

import codecs
import errno
import os
import signal
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

_STREAMS = ("stdin", "stdout", "stderr")
_PLAIN = {"±": "+-", "…": "...", "█": "#", "▀": "#"}


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """In other characters what an encoding lacks; of a name that is no text its bytes."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or ascii(c)[1:-1] for c in lacking), error.end


codecs.register_error("hinton06.plainly", _plainly)


_GOING_ON = ("pretrain", "replicate", "strategies", "tour")
_SEVERAL = ("replicate", "tour")
"""Commands that make several files; `pretrain` does with ``--split all``."""


def goes_on(arguments: Sequence[str]) -> bool:
    """Whether a command, stopped and started again, goes on with what it had."""
    command = next(iter(arguments), "pretrain")
    if command == "svm":
        return any(word.partition("=")[0] == "--save" for word in arguments)
    return command in _GOING_ON or command.startswith("finetune-")


def then(goes_on: bool, arguments: Sequence[str] = ()) -> str:
    """What becomes of a command that was stopped, for its last line.

    With --force what makes several files learns those anew that it had finished.
    """
    if not goes_on:
        return "started again, it starts over"
    several = next(iter(arguments), "") in _SEVERAL or {"all", "--split=all"} & {*arguments}
    anew = " with what is not finished; --force makes the rest anew"
    return "start again to go on" + (anew if several and "--force" in arguments else "")


def tell(text: str, err: bool = False) -> None:
    """Print lines on standard output or error; on a terminal broken between words, not in them."""
    import click  # noqa: PLC0415  # slow, and signals are to be caught before
    from rich.console import Console  # noqa: PLC0415

    console = Console(stderr=err)
    for line in text.split("\n"):
        room = console.width if console.is_terminal else 0
        click.echo(_broken(line, room) if room > 0 else line, err=err)


def _broken(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


@contextmanager
def stopped_in_a_line() -> Iterator[None]:
    """Of a script: Ctrl-C ends it with a line and not with a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None


def plain(text: str, encoding: str) -> str:
    """The text as it comes out in an encoding."""
    return text.encode(encoding, "hinton06.plainly").decode(encoding)


class Guarded:
    """A text stream that remembers a `failure` to write to it, and then takes everything.

    Only a pipe that nobody reads any more ends the command, if it is `wanted` that somebody does.
    """

    buffer = None  # Click would write to it where the encoding is ASCII

    def __init__(self, stream: TextIO, closed: bool, wanted: bool) -> None:
        self._stream, self._closed, self._wanted = stream, closed, wanted
        self.failure = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """The length of the text, whether or not it could be written."""
        if text == "":  # which a full disk refuses too
            return 0
        if text and self._closed:
            self.failure = "it is closed"
        try:
            return self._stream.write(text)
        except OSError as error:
            self._fail(error)
            return len(text)

    def flush(self) -> None:
        """What is left goes out, if it can."""
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        ended = self._wanted and error.errno == errno.EPIPE
        self.failure = "" if ended else error.strerror or type(error).__name__
        with open(os.devnull, "w", encoding="utf-8") as nothing:  # for what is still to come
            os.dup2(nothing.fileno(), self._stream.fileno())
        if ended:
            raise error


def guard() -> tuple[Guarded, Guarded]:
    """Guard standard output and standard error, and return both.

    Where one is closed nothing else gets its number: what is printed must not land in a file.
    """
    closed = []
    for number, name in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            closed.append(name)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        stream.reconfigure(errors="hinton06.plainly")
        setattr(sys, name, Guarded(stream, name in closed, name == "stdout"))
    assert isinstance(sys.stdout, Guarded)
    assert isinstance(sys.stderr, Guarded)
    return sys.stdout, sys.stderr
