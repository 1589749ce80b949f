"""Writing the files of a report: each appears under its name only when it is whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

FORMATS = ("terminal", "markdown", "csv", "json")
"""How a table can be printed."""


class ReportError(Exception):
    """A report that cannot be made; the message is one line."""


def save(path: Path, content: bytes | str) -> None:
    """Write a file so that at `path` there is always the whole old file or the whole new one.

    Parameters
    ----------
    path : Path
        Its folder is made if need be.
    content : bytes, or str to be written as UTF-8

    Raises
    ------
    ReportError
        If it cannot be written; what was at `path` is then untouched.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ReportError(f"{path}: cannot be written: {error.strerror}") from None
