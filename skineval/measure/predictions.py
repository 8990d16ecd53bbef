"""Predictions: the border between whatever made them and everything that is measured from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.data import tables
from skineval.errors import DataError

COLUMNS = ("image_id", "lesion_id", "fold", "seed", "part", "target")
BINARY = ("benign", "malignant")

#: How far from 1 the probabilities of an image may sum, whatever their rounding explains; see `sum_tolerance`.
SUM_TOLERANCE = 1e-3

#: The fold of predictions that are the mean over the networks of all folds.
EVERY_FOLD = -1

_AVERAGE = (
    "Give each image once: average repeated predictions first, or tell them apart by fold and seed. Only images that "
    "were copied before the split (--protocol oversample-first) may be repeated."
)
_ROUNDING = 1e-9  # of a sum of numbers that are exact as they are written


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one cell, or the mean of several, said of its images, beside what they are.

    `image_ids`, `lesion_ids`, `groups` and `parts` are (N,) text, `targets` (N,) int64 indices into `classes`, and
    `probabilities` (N, C) float64 with one column a class, in the order of `classes`. `groups` is the unit that is
    resampled: the lesion, or several lesions known to be one. An image has several rows only where copies were dealt
    out. Raises ValueError where the lengths disagree.
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

    def to_frame(self) -> pd.DataFrame:
        """The rows of predictions.csv: `COLUMNS`, then one column a class in order; the target by its name."""
        columns = {
            "image_id": self.image_ids,
            "lesion_id": self.lesion_ids,
            "fold": self.fold,
            "seed": self.seed,
            "part": self.parts,
            "target": np.array(self.classes)[self.targets],
        }
        return pd.DataFrame(columns).join(pd.DataFrame(self.probabilities, columns=list(self.classes)))


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
    return bool(worst <= SUM_TOLERANCE or worst <= sum_tolerance(probabilities) + _ROUNDING)


def from_frame(
    frame: pd.DataFrame,
    *,
    source: str,
    classes: Sequence[str] | None = None,
    groups: Mapping[str, str] | None = None,
    copies: bool = False,
) -> Predictions:
    """Reads the predictions of one fold and seed; see `several` for what is read and refused."""
    found = several(frame, source=source, classes=classes, groups=groups, copies=copies)
    if len(found) != 1:
        cells = ", ".join(f"fold {one.fold} seed {one.seed}" for one in found) or "no row at all"
        raise DataError(f"{source}: wanted one fold and seed, found {cells}", "Keep the rows of one fold and seed.")
    return found[0]


def several(
    frame: pd.DataFrame,
    *,
    source: str,
    classes: Sequence[str] | None = None,
    groups: Mapping[str, str] | None = None,
    copies: bool = False,
    scores: bool = False,
) -> list[Predictions]:
    """Reads predictions of any number of folds and seeds, in their order, each into one value.

    `frame` has the columns `image_id`, `target` (the name of a class) and one of probabilities for each class. Where
    `lesion_id` is missing each image counts as a lesion of its own; `fold` and `seed` are 0 where missing, `part` is
    "test". `classes` sets the class columns and their order (default: all other columns, in the order of the file).
    `groups` maps those lesion ids that are known to be joined to their group. `copies` says that an image may be in a
    part several times, because images were copied before they were dealt out. `scores` of a class by itself, as the
    challenge of ISIC 2018 takes them, need not sum to 1: figures that need probabilities are NaN where they do not.

    Raises DataError naming `source` and the row (see `skineval.data.tables.row_numbers`): a missing column or value, an
    unknown target, a probability that is no number from 0 to 1, probabilities that do not sum to 1 within
    `sum_tolerance` (they are kept as written), an image twice in the same part, or with two lesions or targets in
    different ones.
    """
    if classes is None:
        classes = [str(column) for column in frame.columns if column not in COLUMNS]
    tables.require(frame, ("image_id", *classes), source, "Give one column of probabilities a class.")
    tables.require(frame, ("target",), source, "Predictions without a target need a truth file: --truth.")
    if len(classes) < 2:
        raise DataError(
            f"{source}: {len(classes)} class columns" + f" ({', '.join(classes)})" * bool(classes),
            "Give one column of probabilities a class.",
        )
    image_ids = _text(frame, "image_id", source)
    lesion_ids = _text(frame, "lesion_id", source) if "lesion_id" in frame else image_ids
    parts = _text(frame, "part", source) if "part" in frame else np.full(len(frame), "test")
    folds, seeds = (_integers(frame, column, source) for column in ("fold", "seed"))
    targets = _indices(frame, classes, source)
    probabilities = _scores(frame, classes, source)
    if not scores:
        _refuse_other_sums(frame, probabilities, classes, source)
    _refuse_differing(frame, image_ids, zip(lesion_ids, targets, strict=True), source)
    if not copies:
        keys = list(zip(image_ids, folds, seeds, parts, strict=True))
        tables.refuse_repeats(frame, keys, source, _AVERAGE, " in its part" if "part" in frame else "")

    everything = Predictions(
        tuple(classes), image_ids, lesion_ids, _joined(lesion_ids, groups), parts, targets, probabilities
    )
    return [
        replace(everything.take((folds == fold) & (seeds == seed)), fold=int(fold), seed=int(seed))
        for fold, seed in np.unique(np.stack([folds, seeds], axis=1), axis=0)
    ]


def _joined(lesion_ids: NDArray[np.str_], groups: Mapping[str, str] | None) -> NDArray[np.str_]:
    if not groups:
        return lesion_ids
    return np.array([groups.get(lesion, lesion) for lesion in lesion_ids.tolist()], dtype=str)


def _text(frame: pd.DataFrame, column: str, source: str) -> NDArray[np.str_]:
    missing = frame[column].isna().to_numpy(dtype=bool)
    tables.refuse_rows(frame, missing, source, lambda row: f"{column} is empty", f"Give every row its {column}.")
    return frame[column].astype(str).to_numpy(dtype=str)


def _integers(frame: pd.DataFrame, column: str, source: str) -> NDArray[np.int64]:
    if column not in frame:
        return np.zeros(len(frame), dtype=np.int64)
    values = tables.numbers(frame[column])
    tables.refuse_rows(
        frame,
        ~(np.isfinite(values) & (values == np.floor(values))),
        source,
        lambda row: f"{column} is {_written(frame[column].iloc[row])}",
        f"Write {column} as a whole number, or leave the column out.",
    )
    return values.astype(np.int64)


def _indices(frame: pd.DataFrame, classes: Sequence[str], source: str) -> NDArray[np.int64]:
    names = _text(frame, "target", source)
    indices = pd.Index(classes).get_indexer(pd.Index(names)).astype(np.int64)
    hint = f"The classes are {', '.join(classes)}."
    tables.refuse_rows(frame, indices < 0, source, lambda row: f"{str(names[row])!r} is not a class", hint)
    return indices


def _scores(frame: pd.DataFrame, classes: Sequence[str], source: str) -> NDArray[np.float64]:
    scores = np.column_stack([tables.numbers(frame[name]) for name in classes])
    # A float32 softmax written in full can exceed 1 by a rounding error.
    wrong: NDArray[np.bool_] = ~((scores >= 0) & (scores <= 1 + SUM_TOLERANCE))

    def describe(row: int) -> str:
        name = classes[int(wrong[row].argmax())]
        return f"{name} is {_written(frame[name].iloc[row])}, not a number from 0 to 1"

    hint = f"These columns were taken for classes: {', '.join(classes)}. {_advice(scores)}"
    tables.refuse_rows(frame, np.asarray(wrong.any(axis=1)), source, describe, hint)
    return scores


def _advice(scores: NDArray[np.float64]) -> str:
    """What scores outside of 0 to 1 are, and what to do about it."""
    known = scores[np.isfinite(scores).all(axis=1)]
    if ((known >= 0) & (known <= 1 + SUM_TOLERANCE)).all():
        return "Give each image a number from 0 to 1 for every class, and remove columns that are no class."
    if (known >= 0).all() and sum_to_one(known / 100):
        return "They are percentages: divide them by 100."
    return "Write probabilities; if these are logits, their softmax."


def _refuse_other_sums(
    frame: pd.DataFrame, probabilities: NDArray[np.float64], classes: Sequence[str], source: str
) -> None:
    sums, tolerance = probabilities.sum(axis=1), sum_tolerance(probabilities)
    ids = frame["image_id"]
    tables.refuse_rows(
        frame,
        np.abs(sums - 1) > tolerance + _ROUNDING,
        source,
        lambda row: f"the probabilities of {ids.iloc[row]} sum to {sums[row]:.6g}, not 1 within {tolerance:.3g}",
        f"These columns were taken for classes: {', '.join(classes)}. Write their softmax; scores of each class by "
        "itself are measured with a truth file, less what needs probabilities.",
    )


def _written(value: Any) -> str:
    return "empty" if value is None or value != value else str(value) or "empty"


def _refuse_differing(
    frame: pd.DataFrame, image_ids: NDArray[np.str_], known: Iterable[tuple[str, np.int64]], source: str
) -> None:
    firsts = tables.first_rows(frame, image_ids.tolist())
    of_row = dict(zip(tables.row_numbers(frame), known, strict=True))
    differing = [of_row[first] != one for first, one in zip(firsts, of_row.values(), strict=True)]
    tables.refuse_rows(
        frame,
        np.array(differing, dtype=bool),
        source,
        lambda row: f"{image_ids[row]} has another lesion or target than in row {firsts[row]}",
        "An image has one lesion_id and one target, in whatever part, fold, seed or copy.",
    )
