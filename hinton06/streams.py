"""Random numbers: a stream of its own for each use, and none is made anywhere else.

Not in the chapter. Streams of one seed are independent of each other where their use differs, or
the place. Two results of one use and place, by other settings, have the same numbers, and so differ
by the settings alone; of the runs that one result descends from, no two have.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.random import Generator


class Use(IntEnum):
    """What random numbers are for. A number that is given is never changed, or given again."""

    PRETRAINING = 0
    BACKPROP = 1
    BACKPROP_ON_ALL = 2
    RANDOM_NET = 3
    WAKE_SLEEP = 4
    WAKE_SLEEP_ON_ALL = 5
    RANDOM_NET_OF_SPLIT = 6
    LABELLED = 7  # which few cases: a stack and the net on it draw them alike
    PRETRAINING_ON_STACK = 8  # of a new top
    WAKE_SLEEP_AGAIN = 9  # from a net, by its digest: it may descend from one that was begun so
    CASES_MEASURED = 10
    STOCHASTIC = 11  # this and the next three: ways of asking for labels
    STOCHASTIC_MEAN = 12
    LABEL_GIBBS = 13
    SAMPLING = 14
    DREAMS = 15
    FEATURES_SHOWN = 16
    RBM_ESTIMATOR = 17
    RBM_ESTIMATOR_DREAMS = 18
    CLASSIFIER_ESTIMATOR = 19
    TRACKING = 20
    LOG_Z = 21
    BINARY_PIXELS = 22  # the same for every model
    UP_PASSES = 23
    DROPOUT = 24  # which units are left out; which cases, as without
    DROPOUT_ON_ALL = 25
    CLASSIFIER_ESTIMATOR_DROPOUT = 26  # and directions in which cases without labels are moved
    CLASSIFIER_ESTIMATOR_NEIGHBOURS = 27
    DISTORTIONS = 30  # of each epoch of a run of some use
    STRATEGIES = 31  # and which measurement
    NEIGHBOURS = 32  # of each epoch of a run of some use
    DIRECTED = 40  # plain wake-sleep from a stack, and from small random weights
    DIRECTED_RANDOM = 41
    DIRECTED_TRAIN = 42  # bounds after each epoch: of training cases, of validation cases
    DIRECTED_VALID = 43
    PAIRING = 50  # which recording an image is paired with, epoch by epoch
    PAIRS = 51
    HEARD = 52  # what is measured of such pairs, by part


def stream(seed: int, use: Use, *place: int) -> Generator:
    """The random numbers of a use, and of a place: which split, which part of the cases."""
    return Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(use, *place))))


def shuffle() -> Generator:
    """Of data that come one class after the other: ever the same, for it decides what validates.

    The seed is the chapter's year, the generator no seed's of the user.
    """
    return np.random.default_rng(2006)
