"""What a network is trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.train.augment import Transform
from skineval.train.remedy import Remedy


@dataclass(frozen=True)
class Objective:
    """What is trained on, what it is validated on, and how."""

    train: NDArray[np.int64]  #: rows of the store
    validation: NDArray[np.int64]
    targets: NDArray[np.int64]  #: of every row of the store
    remedy: Callable[[int], Remedy]  #: what the strategy does to an epoch, from 1
    transform: Transform
    score: Callable[[NDArray[np.int64], NDArray[np.float64]], float]  #: targets, probabilities -> validation score
    head: tuple[str, ...] | None = None  #: dotted paths of what is not backbone; needed where the two are told apart
