"""``python -m hinton06``, and the installed ``hinton06``."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def stop(signal_number: int, _: FrameType | None) -> None:
    """End at once. Outside the epoch loop, which catches the signal itself, nothing is lost by it.

    An exception in its place could come into code that swallows exceptions, and be ignored.
    """
    command = (sys.argv[1:] or ["pretrain"])[0]
    goes_on = command == "pretrain" or command.startswith("finetune-")
    then = b"start again to go on" if goes_on else b"started again, it starts over"
    os.write(2, b"\nhinton06: stopped; " + then + b"\n")
    os._exit(128 + signal_number)


def start() -> None:
    """Import everything, which takes a while, then run the command."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
    from hinton06.cli import main  # noqa: PLC0415  # the handler comes first

    main(prog_name="hinton06")


if __name__ == "__main__":
    start()
