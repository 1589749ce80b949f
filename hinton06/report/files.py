"""The files that a report writes: there is always the whole old one or the whole new one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class ReportError(Exception):
    """A report that cannot be made; the message is one line."""


def save(path: Path, content: bytes | str) -> None:
    """Write a file, a str as UTF-8; its folder is made if need be.

    Raises `ReportError` if that fails; what was at `path` is then untouched.
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
