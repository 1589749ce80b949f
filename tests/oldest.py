"""Prints the oldest versions that ``pyproject.toml`` allows, as constraints for pip."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def oldest() -> list[str]:
    """``name==version`` of each dependency, those of the optional groups too."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    bounds = (re.fullmatch(r"([\w.-]+)>=([\w.]+)", one) for group in groups for one in group)
    return [f"{bound[1]}=={bound[2]}" for bound in bounds if bound]


if __name__ == "__main__":
    print(*oldest(), sep="\n")
