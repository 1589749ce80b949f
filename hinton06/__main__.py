"""``python -m hinton06``, and the installed ``hinton06``."""

from __future__ import annotations

import _thread
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

from hinton06 import console

_FEW_THREADS = (
    "no more threads can be started here, and OpenBLAS needs some (ulimit -u, or -v, allows too "
    "few); set OPENBLAS_NUM_THREADS=1"
)


def stop(signal_number: int, _: FrameType | None) -> None:
    """End at once. Outside the epoch loop, which catches the signal itself, nothing is lost by it.

    An exception in its place could come into code that swallows exceptions, and be ignored. Where
    OpenBLAS cannot start its threads it sends SIGINT itself.
    """
    few = signal_number == signal.SIGINT and not _may_start_a_thread()
    message = _FEW_THREADS if few else f"stopped; {_then()}"
    with suppress(OSError):
        os.write(2, f"\nhinton06: {message}\n".encode())
    os._exit(1 if few else 128 + signal_number)


def _then() -> str:
    arguments = sys.argv[1:]
    return console.then(console.goes_on(arguments), arguments)


def _may_start_a_thread() -> bool:
    try:
        _thread.start_new_thread(int, ())
    except RuntimeError:
        return False
    return True


def start() -> None:
    """Import everything, which takes a while, then run the command."""
    if "_HINTON06_COMPLETE" in os.environ:  # a shell asks, and Click answers in bytes
        from hinton06.cli import main  # noqa: PLC0415

        main(prog_name="hinton06")
    out, errors = console.guard()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
    os.environ["MPLBACKEND"] = "agg"  # nothing is shown; one that is not there would be an error
    from hinton06.cli import main  # noqa: PLC0415  # the handler comes first

    code: Any = 0
    try:
        main(prog_name="hinton06")
    except SystemExit as end:
        code = end.code
    if out.failure:
        kept = "what was made is kept"
        errors.write(f"hinton06: standard output cannot be written to: {out.failure}; {kept}\n")
    sys.exit(code or int(bool(out.failure or errors.failure)))


if __name__ == "__main__":
    start()
