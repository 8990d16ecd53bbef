"""Predictions: the border between whatever made them and everything that is measured from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.data import tables
from skineval.values.predictions import COLUMNS, ROUNDING, SUM_TOLERANCE, Predictions, sum_to_one, sum_tolerance

_AVERAGE = (
    "Give each image once: average repeated predictions first, or tell them apart by fold and seed. Only images that "
    "were copied before the split (--protocol oversample-first) may be repeated."
)


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
        np.abs(sums - 1) > tolerance + ROUNDING,
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
