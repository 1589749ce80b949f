"""Reruns the experiments of G. E. Hinton, "To Recognize Shapes, First Learn to Generate Images".

UTML TR 2006-004, University of Toronto, 26 October 2006. One module is one section of the
chapter; see README, "Reading the code with the chapter open". From Python (docs/python.md):

>>> import hinton06
>>> digits = hinton06.mnist.load()
>>> net = hinton06.load("table1-a")  # a file, or the name of a net inside the package
>>> guesses = net.predict(digits.test_images)
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# NumPy and SciPy bring an OpenBLAS each. Idle threads of one would spin for tens of milliseconds on
# the cores that the other needs, which makes two threads several times slower than one.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

if TYPE_CHECKING:
    from hinton06 import mnist, nets
    from hinton06.checkpoint import CheckpointError
    from hinton06.learning import (
        extend,
        finetune_bp,
        finetune_cws,
        finetune_from_random,
        finetune_ws,
        pretrain,
        wake_sleep_from_random,
    )
    from hinton06.mnist import DataError
    from hinton06.net import Net, load
    from hinton06.pictures import prepare
    from hinton06.report.files import ReportError
    from hinton06.training import RunError

# Found when they are first asked for: importing the package takes no time.
_MODULES = ("mnist", "nets", "sklearn")
_FROM = {
    "load": "net",
    "Net": "net",
    "prepare": "pictures",
    "pretrain": "learning",
    "finetune_bp": "learning",
    "finetune_cws": "learning",
    "finetune_from_random": "learning",
    "finetune_ws": "learning",
    "wake_sleep_from_random": "learning",
    "extend": "learning",
    "CheckpointError": "checkpoint",
    "DataError": "mnist",
    "ReportError": "report.files",
    "RunError": "training",
}

__all__ = [
    "CheckpointError",
    "DataError",
    "Net",
    "ReportError",
    "RunError",
    "extend",
    "finetune_bp",
    "finetune_cws",
    "finetune_from_random",
    "finetune_ws",
    "load",
    "mnist",
    "nets",
    "prepare",
    "pretrain",
    "wake_sleep_from_random",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _FROM:
        return getattr(import_module(f"{__name__}.{_FROM[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
