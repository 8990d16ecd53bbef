"""Predictions: the border between whatever made them and everything that is measured from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.values.task import BINARY, OUTSIDE

COLUMNS = ("image_id", "lesion_id", "fold", "seed", "part", "target")
#: How far from 1 the probabilities of an image may sum, whatever their rounding explains; see `sum_tolerance`.
SUM_TOLERANCE = 1e-3
#: The fold of predictions that are the mean over the networks of all folds.
EVERY_FOLD = -1
_DIGITS = 14  # of sums: .1 + .2 is .3 then
_POWERS = np.array([float(f"1e{power}") for power in range(309)])
ROUNDING = 1e-9  # of a sum of numbers that are exact as they are written


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one cell, or the mean of several, said of its images, beside what they are.

    `image_ids`, `lesion_ids`, `groups` and `parts` are (N,) text, `targets` (N,) int64 indices into `classes`, and
    `probabilities` (N, C) float64 with one column a class, in the order of `classes`. `groups` is the unit that is
    resampled: the lesion, or several lesions known to be one. An image has several rows only where copies were dealt
    out. Of images of no class, whose target is `OUTSIDE`, nothing but their rejection can be measured. Raises
    ValueError where the lengths disagree.
    """

    classes: tuple[str, ...]
    image_ids: NDArray[np.str_]
    lesion_ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    parts: NDArray[np.str_]
    targets: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    fold: int = 0
    seed: int = 0
    n_cells: int = 1  #: how many cells the probabilities are the mean of
    malignant: tuple[str, ...] | None = None  #: those of the classes that are; None: nobody says

    def __post_init__(self) -> None:
        n = len(self.image_ids)
        lengths = {len(column) for column in (self.lesion_ids, self.groups, self.parts, self.targets)}
        if lengths != {n} or self.probabilities.shape != (n, len(self.classes)):
            raise ValueError(f"{n} images, columns of {lengths} rows, probabilities {self.probabilities.shape}")

    def __len__(self) -> int:
        return len(self.image_ids)

    def __repr__(self) -> str:
        return f"<Predictions of {len(self)} images, {len(self.classes)} classes, fold {self.fold}, seed {self.seed}>"

    @property
    def normalised(self) -> bool:
        """Whether the probabilities of every image sum to 1; figures that need probabilities are NaN where not."""
        return sum_to_one(self.probabilities)

    @cached_property
    def malignancy(self) -> Predictions:
        """What the same answers say of malignancy: `BINARY` classes, whose probabilities are sums of those of classes.

        Equal sums are equal to the last bit.
        """
        chosen = np.isin(self.classes, self.malignant or ())
        sums = [summed(self.probabilities[:, one]) for one in (~chosen, chosen)]
        return replace(
            self,
            classes=BINARY,
            targets=chosen[self.targets].astype(np.int64),
            probabilities=np.stack(sums, axis=1),
            malignant=BINARY[1:],
        )

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Predictions:
        """The images at these positions, in this order, or where a mask (N,) is True."""
        return replace(
            self,
            image_ids=self.image_ids[rows],
            lesion_ids=self.lesion_ids[rows],
            groups=self.groups[rows],
            parts=self.parts[rows],
            targets=self.targets[rows],
            probabilities=self.probabilities[rows],
        )

    def select(self, part: str) -> Predictions:
        """The images of one part: "train", "validation", "test" or what the file calls it; may be none."""
        return self.take(self.parts == part)

    def with_classes(self, classes: tuple[str, ...]) -> Predictions:
        """The same predictions with the same classes in this order."""
        order = [self.classes.index(name) for name in classes]
        targets = np.append(np.argsort(order), OUTSIDE)[self.targets]  # which is -1, the last
        return replace(self, classes=classes, targets=targets, probabilities=self.probabilities[:, order])

    def merged(self, merges: Mapping[str, Sequence[str]]) -> Predictions:
        """The same predictions where several classes count as one, by its name, whose probabilities are sums of theirs.

        Whether one is malignant is known where all of its parts are, or none is.
        """
        of = {part: name for name, parts in merges.items() for part in parts}
        names = [of.get(name, name) for name in self.classes]
        classes = tuple(dict.fromkeys(names))
        places = np.array([classes.index(name) for name in names])
        sums = [summed(self.probabilities[:, places == place]) for place in range(len(classes))]
        bad = np.isin(self.classes, self.malignant or ())
        parts = [bad[places == place] for place in range(len(classes))]
        known = self.malignant is not None and all(part.all() or not part.any() for part in parts)
        return replace(
            self,
            classes=classes,
            targets=np.append(places, OUTSIDE)[self.targets],
            probabilities=np.stack(sums, axis=1),
            malignant=tuple(name for name, part in zip(classes, parts, strict=True) if part.any()) if known else None,
        )

    def to_frame(self) -> pd.DataFrame:
        """The rows of predictions.csv: `COLUMNS`, then one column a class in order; targets by name, or empty."""
        columns = {
            "image_id": self.image_ids,
            "lesion_id": self.lesion_ids,
            "fold": self.fold,
            "seed": self.seed,
            "part": self.parts,
            "target": np.array([*self.classes, ""])[self.targets],  # of `OUTSIDE` the last
        }
        return pd.DataFrame(columns).join(pd.DataFrame(self.probabilities, columns=list(self.classes)))


def summed(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,): the sum of the columns (N, k), in `_DIGITS` digits where there are several.

    Equal sums of decimals are equal to the last bit, to one another and to the same number written, and the order of
    columns changes nothing.
    """
    sums: NDArray[np.float64] = np.sort(columns, axis=1).sum(axis=1)
    if columns.shape[1] < 2:
        return sums
    size = np.where(np.isfinite(sums) & (sums != 0), np.abs(sums), 1)
    powers = _POWERS[np.clip(_DIGITS - 1 - np.floor(np.log10(size)), 0, len(_POWERS) - 1).astype(np.int64)]
    rounded: NDArray[np.float64] = np.round(sums * powers) / powers
    return rounded


def concatenated(many: Sequence[Predictions]) -> Predictions:
    """All images of these predictions, one after the other; everything else is that of the first."""
    return replace(
        many[0],
        image_ids=np.concatenate([one.image_ids for one in many]),
        lesion_ids=np.concatenate([one.lesion_ids for one in many]),
        groups=np.concatenate([one.groups for one in many]),
        parts=np.concatenate([one.parts for one in many]),
        targets=np.concatenate([one.targets for one in many]),
        probabilities=np.concatenate([one.probabilities for one in many]),
    )


def sum_tolerance(probabilities: NDArray[np.float64]) -> float:
    """How far from 1 the rows of `probabilities` (N, C) may sum: `SUM_TOLERANCE`, or more where rounding explains more.

    C numbers that were rounded to d decimals are off by C · 0.5 · 10^-d at most; d is the number of decimals, from two
    on, that writes all of them. Seven classes of two decimals may sum to 0.965 or to 1.035.
    """
    for decimals in (2, 3, 4):
        scaled = probabilities * 10**decimals
        if np.allclose(scaled, np.rint(scaled), rtol=0, atol=1e-4):
            return max(SUM_TOLERANCE, float(probabilities.shape[1] * 0.5 * 10.0**-decimals))
    return SUM_TOLERANCE


def sum_to_one(probabilities: NDArray[np.float64]) -> bool:
    """Whether every row of `probabilities` (N, C) sums to 1, within `sum_tolerance`."""
    worst = np.abs(probabilities.sum(axis=1) - 1).max(initial=0)
    return bool(worst <= SUM_TOLERANCE or worst <= sum_tolerance(probabilities) + ROUNDING)
