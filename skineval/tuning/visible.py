"""What a search may see of a fold: its train and validation parts, in which nothing leads to the test part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.grid.workspace import Rows


@dataclass(frozen=True, eq=False)
class Visible:
    """One fold without its test part."""

    rows: NDArray[np.int64]  #: (m,) of the store: the train part, then the validation part
    targets: NDArray[np.int64]  #: (m,) of these rows
    parts: Rows  #: places in `rows`; the test part is empty


def without_test(targets: NDArray[np.int64], parts: Rows) -> Visible:
    """The fold whose `parts` are rows of `targets` (N,), without its test part; the order within a part is kept."""
    rows = np.concatenate([parts.train, parts.validation])
    train, validation = np.split(np.arange(len(rows)), [len(parts.train)])
    return Visible(rows, targets[rows], Rows(train, validation, np.empty(0, dtype=np.int64)))
