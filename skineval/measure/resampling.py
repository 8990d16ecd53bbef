"""Lesions drawn again and again, as if they had been others: within their class and fold, of which none gets lost."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.measure.metrics import Floats
from skineval.values.predictions import Predictions

_CHUNK = 2**21  # weights in memory at a time: 16 MB; larger gains little, smaller costs time
_IN_CACHES = 2**12  # draws to be counted at a time: half the time of many, and few calls where units are few
_FEWEST = 128  # replicates at a time: metrics sort images once for them, nearly half of the time where it is for 32


@dataclass(frozen=True, eq=False)
class UnitCounts:
    """How often each unit counts in each replicate."""

    units: NDArray[np.str_]  #: (G,) sorted names
    counts: NDArray[np.int8]  #: (B, G); that more than 127 of n draws are of one unit, chance never brings about
    strata: NDArray[np.int64]  #: (G,) among which units each was drawn

    def __len__(self) -> int:
        return len(self.counts)

    def weights(self, groups: NDArray[np.str_]) -> Iterator[Floats]:
        """Weights (b, N) of images whose units are `groups` (N,), for a few replicates at a time, in order."""
        unit = np.searchsorted(self.units, groups)
        size = max(_FEWEST, _CHUNK // max(1, len(groups)))
        for start in range(0, len(self), size):
            # Gathered by whole rows of (G, b): an image is one contiguous copy, and a byte each on its way.
            yield np.ascontiguousarray(self.counts[start : start + size].T)[unit].astype(np.float64).T


def resample(cells: Sequence[Predictions], replicates: int, seed: int) -> UnitCounts:
    """Draws as many units of each class and fold as there are, with replacement, `replicates` times.

    A unit whose images are of several classes, such as a patient, is drawn among those of the class that the fewest
    units have of these, since in strata of its very classes it would often be alone, and never vary; one that is tested
    in several folds, as in repeated ones, among those of the first. The draw depends on the set of units, their classes
    and folds, the number of replicates and the seed alone: neither on the order of images, cells or classes nor on how
    often a unit occurs.
    """
    names = sorted(cells[0].classes)
    units, unit = np.unique(np.concatenate([cell.groups for cell in cells]), return_inverse=True)
    stratum = np.zeros((len(units), 1 + len(names)), dtype=np.int64)
    stratum[:, 0] = np.iinfo(np.int64).max
    np.minimum.at(stratum[:, 0], unit, np.concatenate([np.full(len(cell), cell.fold) for cell in cells]))
    of_class = np.concatenate([np.array([names.index(name) for name in cell.classes])[cell.targets] for cell in cells])
    has = np.zeros((len(units), len(names)), dtype=np.bool_)
    has[unit, of_class] = True
    rarest_first = np.argsort(has.sum(axis=0), kind="stable")
    stratum[np.arange(len(units)), 1 + rarest_first[has[:, rarest_first].argmax(axis=1)]] = 1
    counts = np.empty((replicates, len(units)), dtype=np.int8)
    found, of_unit = np.unique(stratum, axis=0, return_inverse=True)
    strata = of_unit.reshape(len(units))
    for k, key in enumerate(found.tolist()):
        members = np.flatnonzero(strata == k)
        rng = np.random.default_rng([seed, zlib.crc32(repr(key).encode())])
        counts[:, members] = _draws(len(members), replicates, rng)
    return UnitCounts(units, counts, strata)


def _draws(n: int, replicates: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """(B, n): how often each of n units is drawn in n draws with replacement, a little unevenly.

    The variance of a mean of n plain draws is too small by (n - 1)/n, which matters for a class of three lesions. Rao
    and Wu (Journal of the American Statistical Association 83:231, 1988) draw n - 1 units and scale weights up; here,
    to keep weights whole and classes as large as they are, the last of the n draws repeats another one with the
    probability n/(2(n - 1)), which makes the variance of a mean exactly the unbiased one. A single unit always is.
    """
    counts = np.ones((replicates, n), dtype=np.int8)
    if n == 1:
        return counts
    size, few = (max(1, room // n) for room in (_CHUNK, _IN_CACHES))
    for start in range(0, replicates, size):
        drawn = rng.integers(n, size=(min(size, replicates - start), n))
        repeats = np.flatnonzero(rng.random(len(drawn)) < n / (2 * (n - 1)))
        drawn[repeats, -1] = drawn[repeats, rng.integers(n - 1, size=len(repeats))]
        drawn += n * (np.arange(len(drawn)) % few)[:, None]  # of each replicate in a row of its own
        for first in range(0, len(drawn), few):
            rows = drawn[first : first + few]
            counts[start + first :][: len(rows)] = np.bincount(rows.ravel(), minlength=rows.size).reshape(rows.shape)
    return counts
