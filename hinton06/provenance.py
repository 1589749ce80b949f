"""What a result should not depend on, but might: versions and the machine."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from hinton06 import native


def describe() -> dict[str, Any]:
    """The package and library versions, the BLAS, the git revision if there is one, the machine."""
    return {
        "hinton06": version(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("numpy", "scipy", "h5py")},
        "loops": native.KIND,
        "blas": sorted({_blas_name(info) for info in threadpool_info()}),
        "git": git_revision(),
        "machine": machine(),
    }


@cache
def version() -> str:
    """The version of this package."""
    try:
        return metadata.version("hinton06")
    except metadata.PackageNotFoundError:
        return "not installed"


def _blas_name(info: dict[str, Any]) -> str:
    return f"{info['internal_api']} {info['version']} {info.get('architecture', '')}".strip()


@cache
def git_revision() -> str | None:
    """The revision of the checkout that the code runs from, ``-dirty`` if it was changed."""
    top = Path(__file__).resolve().parents[1]
    command = ["git", "-C", str(top), "describe", "--always", "--abbrev=12", "--dirty"]
    with suppress(OSError, subprocess.SubprocessError):
        if (top / ".git").exists():
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
            return done.stdout.strip() or None
    return None


@cache
def machine() -> str:
    """The processor and the number of cores, in words."""
    model = platform.processor() or platform.machine()
    with suppress(OSError):  # not Linux: the general name has to do
        about = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        if found := re.search(r"^model name.*?:(.*)", about, re.MULTILINE):
            model = found[1].strip()
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"
