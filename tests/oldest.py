"""Prints the oldest versions that ``pyproject.toml`` allows, as constraints for pip.

Not of the tools of development. Nothing on a newer Python than the oldest that it allows, as those
versions may not be made for it.
"""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def oldest() -> list[str]:
    """``name==version`` of each dependency, those of the optional groups too."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    if project["requires-python"] != f">={sys.version_info.major}.{sys.version_info.minor}":
        return []
    groups = project["optional-dependencies"]
    needed = [project["dependencies"], *(groups[name] for name in groups if name != "dev")]
    bounds = (re.fullmatch(r"([\w.-]+)>=([\w.]+)", one) for group in needed for one in group)
    return [f"{bound[1]}=={bound[2]}" for bound in bounds if bound]


if __name__ == "__main__":
    print(*oldest(), sep="\n")
