"""Numbers as bars of characters."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

_LEAST = 5


def bars(rows: Sequence[tuple[str, float, str]], width: int, console: Console) -> list[Text]:
    """A line for each name, value from 0, and what stands behind its bar; all at most so wide.

    Blocks on a terminal, else plain characters. Where there is no room for bars there are none.
    """
    block = "█" if console.is_terminal and console.encoding == "utf-8" else "#"
    names, behind = max(len(row[0]) for row in rows), max(len(row[2]) for row in rows)
    room = width - names - behind - 2
    most = max(value for _, value, _ in rows) or 1
    lines = []
    for name, value, text in rows:
        bar = block * round(room * value / most) if room >= _LEAST else ""
        line = Text(f"{name:{names}} ", no_wrap=True, overflow="crop")
        lines.append(line.append(bar, "cyan").append(f" {text}" if bar else text))
    return lines
