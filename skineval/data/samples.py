"""Whole groups, or single images, drawn by chance: a sample of a table; splits are dealt out by the same draw."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import UsageError
from skineval.values.lesion_table import LesionTable

#: Groups of a diagnosis that a sample keeps at least: enough for train, validation and test, or for five folds.
KEPT_GROUPS = 5


@dataclass(frozen=True, eq=False)
class Units:
    """What is kept whole when images are dealt out: patients, lesions, or single images."""

    names: tuple[str, ...]
    of: NDArray[np.int64]  #: (n,) the unit of each image
    counts: NDArray[np.int64]  #: (u, C) images of each unit, by diagnosis code
    sources: NDArray[np.int64]  #: (u,) the data set of each unit, where several are one, as a code

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(u,): images of each unit."""
        sizes: NDArray[np.int64] = self.counts.sum(axis=1)
        return sizes

    @cached_property
    def rarest_first(self) -> NDArray[np.int64]:
        """(C,): the codes of diagnoses, those of the fewest units first, of equally rare ones the smallest."""
        return np.argsort((self.counts > 0).sum(axis=0), kind="stable")

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """(u,): the rarest diagnosis of each unit, as a code."""
        rarest: NDArray[np.int64] = self.rarest_first[(self.counts[:, self.rarest_first] > 0).argmax(axis=1)]
        return rarest


def make_units(names: Sequence[str], diagnoses: NDArray[np.int64], sources: NDArray[np.int64]) -> Units:
    """Collect images into units by the name given for each, (n,) str, with the codes of diagnosis and source, (n,).

    The source of a unit is the last in which it has images.
    """
    unique, of = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    counts = np.zeros((len(unique), diagnoses.max(initial=0) + 1), dtype=np.int64)
    np.add.at(counts, (of, diagnoses), 1)
    last = np.zeros(len(unique), dtype=np.int64)
    np.maximum.at(last, of, sources)
    return Units(tuple(unique.tolist()), of.astype(np.int64), counts, last)


def draw(seed: int, purpose: str, name: str) -> bytes:
    """A random number for one named thing, as bytes to sort by.

    It depends on nothing else: not on what other things there are, nor on the version of a generator.
    """
    return hashlib.blake2b(f"{seed}/{purpose}/{name}".encode(), digest_size=16).digest()


def sample(table: LesionTable, limit: int, seed: int) -> LesionTable:
    """About `limit` images: whole groups drawn by chance within each diagnosis, in the proportions of `table`.

    Every diagnosis keeps at least `KEPT_GROUPS` groups where it has so many, so that it can still be split; a limit
    below what that takes is exceeded. A table that is no larger than the limit comes back as it is.
    Raises UsageError for a limit below 1.
    """
    if limit < 1:
        raise UsageError(f"A sample of {limit} images is none.", "Give a limit of 1 or more.")
    if limit >= len(table):
        return table
    units = make_units(table.frame["group"].tolist(), table.codes, table.source_codes)
    order = sorted(range(len(units.names)), key=lambda unit: draw(seed, "sample", units.names[unit]))
    by_class = [[unit for unit in order if units.classes[unit] == code] for code in range(len(table.labels))]
    present = [members for members in by_class if members]
    least = np.array([units.sizes[members[:KEPT_GROUPS]].sum() for members in present], dtype=np.int64)
    quotas = _quotas(np.array([units.sizes[members].sum() for members in present], dtype=np.int64), least, limit)
    kept = [
        unit for members, quota in zip(present, quotas, strict=True) for unit in _fill(members, units.sizes, int(quota))
    ]
    drawn = table.take(np.flatnonzero(np.isin(units.of, kept)))
    note = f"not comparable: a sample of {len(drawn)} of {len(table)} images"
    if least.sum() > limit:
        note += f"; {limit} were asked for, but {KEPT_GROUPS} lesions of each diagnosis are kept, to be split"
    return replace(drawn, sampled=True, notes=(*table.notes, note))


def _quotas(images: NDArray[np.int64], least: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Images to take of each class: in proportion, none below its least; those raised to it take from the others."""
    raised = np.zeros(len(images), dtype=bool)
    while True:
        rest = max(limit - least[raised].sum(), 0)
        quotas = np.where(raised, least, np.rint(rest * images / max(images[~raised].sum(), 1))).astype(np.int64)
        short = quotas < least
        if not short.any():
            return quotas
        raised |= short


def _fill(units: Sequence[int], sizes: NDArray[np.int64], quota: int) -> list[int]:
    """The first `KEPT_GROUPS` units, then each further one that still fits into `quota` images."""
    kept = list(units[:KEPT_GROUPS])
    filled = int(sizes[kept].sum())
    for unit in units[KEPT_GROUPS:]:
        if filled + sizes[unit] <= quota:
            kept.append(unit)
            filled += int(sizes[unit])
    return kept
