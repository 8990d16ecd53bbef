"""Classes evened out by copies before anything is dealt out: the leak that `oversample-first` shows.

What is expected of it is derived in `skineval.data.quality.leakage`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skineval.data.samples import draw


def oversample(names: Sequence[str], classes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The row that each row of the oversampled table shows, (m,) int64, ascending: every row, with its copies.

    `names` (n,) are unique, `classes` (n,) codes from 0. To each class that is there, copies of its rows, drawn with
    replacement, are added until it has as many rows as the largest, as imbalanced-learn's RandomOverSampler does. They
    depend on the seed and on which names a class holds, not on the order of rows.
    """
    largest = int(np.bincount(classes).max()) if len(classes) else 0
    rows = [np.arange(len(names), dtype=np.int64)]
    for code in np.unique(classes).tolist():
        members = sorted(np.flatnonzero(classes == code).tolist(), key=lambda row: names[row])
        places = [
            int.from_bytes(draw(seed, f"copy of class {code}", str(copy))) % len(members)
            for copy in range(largest - len(members))
        ]
        rows.append(np.array(members, dtype=np.int64)[places])
    return np.sort(np.concatenate(rows))


def occurrences(names: Sequence[object] | NDArray[np.generic]) -> NDArray[np.int64]:
    """How often each name has occurred before it, (n,): 0 for the first of its name, 1 for its first copy."""
    _, name_of = np.unique(np.asarray(names), return_inverse=True)
    order = np.argsort(name_of, kind="stable")
    starts = np.flatnonzero(np.diff(name_of[order], prepend=-1))
    places = np.arange(len(order))
    counted = np.empty(len(order), dtype=np.int64)
    counted[order] = places - np.repeat(starts, np.diff(starts, append=len(order)))
    return counted
