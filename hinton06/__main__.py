"""``python -m hinton06``, and the installed ``hinton06``."""

from __future__ import annotations

import signal


def start() -> None:
    """Import everything, then run the command; Ctrl-C meanwhile ends it without a traceback."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from hinton06.cli import main  # noqa: PLC0415  # takes a while: what Ctrl-C may come into

    signal.signal(signal.SIGINT, before)
    main(prog_name="hinton06")


if __name__ == "__main__":
    start()
