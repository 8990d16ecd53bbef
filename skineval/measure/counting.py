"""How many images and units there are behind figures: names by number, and sums over what belongs together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skineval.measure.metrics import Floats
from skineval.measure.once import once
from skineval.values.predictions import Predictions


def summed(values: Floats, places: NDArray[np.int64], n: int) -> Floats:
    """(n, K): the sum of the rows of `values` (N, K) that belong to each of `n` places."""
    return np.stack([np.bincount(places, column, minlength=n) for column in values.T], axis=1)


@once
def places_of(units: NDArray[np.str_], *groups: NDArray[np.str_]) -> NDArray[np.int64]:
    """Where in the sorted names `units` (G,) the groups of all cells stand, one after the other."""
    return np.searchsorted(units, np.concatenate(groups))


@once
def numbers_of(*names: NDArray[np.str_]) -> NDArray[np.int64]:
    """The names of all cells by number, one after the other."""
    _, numbers = np.unique(np.concatenate(names), return_inverse=True)
    return numbers


def numbered(names: Sequence[NDArray[np.str_]]) -> list[NDArray[np.int64]]:
    """The names of all cells by number, those of each cell (N,)."""
    return np.split(numbers_of(*names), np.cumsum([len(one) for one in names])[:-1])


def distinct_where(numbers: Sequence[NDArray[np.int64]], masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """(K,): how many distinct numbers there are where `masks` (N, K) are True, over all cells."""
    seen = np.zeros((max(int(one.max(initial=-1)) for one in numbers) + 1, masks[0].shape[1]), dtype=np.bool_)
    for of_cell, mask in zip(numbers, masks, strict=True):
        rows, columns = np.nonzero(mask)
        seen[of_cell[rows], columns] = True
    many: NDArray[np.int64] = seen.sum(axis=0)
    return many


def count_distinct(cells: Sequence[Predictions]) -> tuple[int, int]:
    """How many distinct images and units the cells hold."""
    images, units = ([getattr(cell, name) for cell in cells] for name in ("image_ids", "groups"))
    return len(np.unique(np.concatenate(images))), len(np.unique(np.concatenate(units)))
