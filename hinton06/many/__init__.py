"""Many nets at once, on a graphics card or on the processor, by PyTorch (``hinton06[gpu]``).

The package's learners once more, a group of nets to each operation, for a hundred replicas of a
recipe in the time that one takes. Their rules, settings, cases and files are the package's own.
Nothing of this is imported unless it is used. Not in the chapter.
"""

from __future__ import annotations

from importlib.util import find_spec

from hinton06.training import RunError


def check_installed() -> None:
    """Raise `RunError` where there is no PyTorch."""
    if find_spec("torch") is None:
        raise RunError("many nets at once need PyTorch: pip install 'hinton06[gpu]'")
