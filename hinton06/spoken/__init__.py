"""Spectrograms of spoken digits, as IDX files beside this module; LICENSE says whose and how made.

Not in the chapter, which names such data: "spectrograms from multiple different speakers saying
isolated digits". `hinton06.mnist` reads them, as it reads any set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinton06.mnist import sources

_FILES = "train-speakers-idx1-ubyte.gz", "t10k-speakers-idx1-ubyte.gz"


def speakers(test: bool) -> NDArray[np.uint8]:
    """Who speaks each recording of the training or the test part: (n,), from 0.

    Raises `DataError` if the file cannot be read.
    """
    name = _FILES[test]
    found: NDArray[Any] = sources.parse_idx(
        sources.read_path(Path(__file__).with_name(name), name, 1), name, 1
    )
    return found
