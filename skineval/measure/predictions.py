"""Predictions: the border between whatever made them and everything that is measured from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.data.spellings import class_name
from skineval.data.tables import GivenTable
from skineval.values.predictions import COLUMNS, ROUNDING, SUM_TOLERANCE, Predictions, sum_to_one, sum_tolerance
from skineval.values.task import OUTSIDE

_PERCENT = "They are percentages: divide them by 100, and write plain numbers."
SCALED = 0.05  #: of their mean: as far as sums of scores may differ that were rounded, as those of bytes are
ROUNDED = 1e-6  #: what is as little below 0 comes of rounding
_AVERAGE = (
    "Give each image once, and each model a file; average repeated predictions of one first, or tell them apart by "
    "fold and seed. Only images that were copied before the split (--protocol oversample-first) may be repeated."
)


def read_predictions(
    table: GivenTable,
    *,
    classes: Sequence[str] | None = None,
    groups: Mapping[str, str] | None = None,
    copies: bool = False,
    scores: bool = False,
    outside: bool = False,
) -> list[Predictions]:
    """Reads predictions of any number of folds and seeds, in their order, each into one value.

    The table has the columns `image_id`, `target` (the name of a class) and one of probabilities for each class. Where
    `lesion_id` is missing each image counts as a lesion of its own; `fold` and `seed` are 0 where missing, `part` is
    "test". `classes` sets the class columns and their order (default: all other columns, in the order of the file).
    `groups` maps those lesion ids that are known to be joined to their group. `copies` says that an image may be in a
    part several times, because images were copied before they were dealt out. `scores` of a class by itself, as the
    challenge of ISIC 2018 takes them, need not sum to 1: figures that need probabilities are NaN where they do not.
    `outside` says that the images are of no class, and every target empty.

    Raises DataError naming table and row: a missing column or value, an unknown target, a probability that is no number
    from 0 to 1, probabilities that do not sum to 1 within `sum_tolerance` (they are kept as written), an image twice in
    the same part, or with two lesions or targets in different ones.
    """
    if classes is None:
        classes = [column for column in table.columns if column not in COLUMNS]
    table = replace(table, hint="Give one column of probabilities a class.")
    table.require("image_id", *classes)
    if "target" not in table.columns:
        replace(table, hint=_without_target(table, classes)).require("target")
    if len(classes) < 2:
        named = f" ({', '.join(classes)})" * bool(classes)
        raise DataError(f"{table.name}: {len(classes)} class columns{named}", table.hint)
    image_ids = _text(table, "image_id")
    lesion_ids = _text(table, "lesion_id") if "lesion_id" in table.frame else image_ids
    parts = _text(table, "part") if "part" in table.frame else np.full(len(table.frame), "test")
    folds, seeds = (_integers(table, column) for column in ("fold", "seed"))
    targets = _indices(table, [""] if outside else classes)
    probabilities = _scores(table, classes)
    if not scores:
        _refuse_other_sums(table, probabilities, classes)
    _refuse_differing(table, image_ids, zip(lesion_ids, targets, strict=True))
    if not copies:
        keys = list(zip(image_ids, folds, seeds, parts, strict=True))
        table.refuse_repeats(keys, _AVERAGE, " in its part" if "part" in table.frame else "")

    everything = Predictions(
        tuple(classes),
        image_ids,
        lesion_ids,
        _joined(lesion_ids, groups),
        parts,
        np.full_like(targets, OUTSIDE) if outside else targets,
        probabilities,
    )
    return [
        replace(everything.take((folds == fold) & (seeds == seed)), fold=int(fold), seed=int(seed))
        for fold, seed in np.unique(np.stack([folds, seeds], axis=1), axis=0)
    ]


def _joined(lesion_ids: NDArray[np.str_], groups: Mapping[str, str] | None) -> NDArray[np.str_]:
    if not groups:
        return lesion_ids
    return np.array([groups.get(lesion, lesion) for lesion in lesion_ids.tolist()], dtype=str)


def _text(table: GivenTable, column: str) -> NDArray[np.str_]:
    cells = table.frame[column]
    table.refuse(cells.isna(), f"{column} is empty", f"Give every row its {column}.")
    return cells.astype(str).to_numpy(dtype=str)


def _integers(table: GivenTable, column: str) -> NDArray[np.int64]:
    if column not in table.frame:
        return np.zeros(len(table.frame), dtype=np.int64)
    cells = table.frame[column]
    values = table.numbers(column)
    table.refuse(
        ~(np.isfinite(values) & (values == np.floor(values))),
        lambda row: f"{column} is {_written(cells.iloc[row])}",
        f"Write {column} as a whole number, or leave the column out.",
    )
    return values.astype(np.int64)


def _indices(table: GivenTable, classes: Sequence[str]) -> NDArray[np.int64]:
    names = _text(table, "target")
    indices = pd.Index(classes).get_indexer(pd.Index(names)).astype(np.int64)
    hint = f"The classes are {', '.join(classes)}."
    table.refuse(indices < 0, lambda row: f"{str(names[row])[:80]!r} is not a class", hint)
    return indices


def _scores(table: GivenTable, classes: Sequence[str]) -> NDArray[np.float64]:
    scores = np.column_stack([table.numbers(name) for name in classes])
    # A float32 softmax written in full can exceed 1 by a rounding error.
    wrong: NDArray[np.bool_] = ~((scores >= 0) & (scores <= 1 + SUM_TOLERANCE))

    def describe(row: int) -> str:
        name = classes[int(wrong[row].argmax())]
        return f"{name} is {_written(table.frame[name].iloc[row])}, not a number from 0 to 1"

    advice = _advice(scores)
    if wrong.any() and any(table.frame[name].astype("str").str.endswith("%").any() for name in classes):
        advice = _PERCENT
    hint = f"These columns were taken for classes: {', '.join(classes)}. {advice}"
    table.refuse(wrong.any(axis=1), describe, hint)
    return scores


def _advice(scores: NDArray[np.float64]) -> str:
    """What scores outside of 0 to 1 are, and what to do about it."""
    known = scores[np.isfinite(scores).all(axis=1)]
    if ((known >= 0) & (known <= 1 + SUM_TOLERANCE)).all():
        return "Give each image a number from 0 to 1 for every class, and remove columns that are no class."
    if (known >= 0).all() and sum_to_one(known / 100):
        return _PERCENT
    sums = known.sum(axis=1)
    if len(known) and (known >= -ROUNDED).all() and np.abs(sums - 1).max() <= SCALED:
        return "They sum to 1 but for rounding: write 0 for what is below 0."
    if (known >= 0).all() and len(sums) > 1 and np.ptp(sums) <= SCALED * sums.mean():
        return f"Those of an image add up to about {sums.mean():.3g}: divide each by the sum of its image."
    return "Write probabilities; if these are logits, --logits takes their softmax."


def _without_target(table: GivenTable, classes: Sequence[str]) -> str:
    """What to do where no column is called target: another one may be meant."""
    for column in classes:
        cells = {class_name(str(cell)) or str(cell) for cell in table.frame[column].dropna().unique()}
        if cells <= {*classes} - {column}:
            return f"{column} holds names of classes: call it target, if it is the reference standard."
    return "Predictions without a target need a truth file: --truth."


def _refuse_other_sums(table: GivenTable, probabilities: NDArray[np.float64], classes: Sequence[str]) -> None:
    sums, tolerance = probabilities.sum(axis=1), sum_tolerance(probabilities)
    ids = table.frame["image_id"]
    table.refuse(
        np.abs(sums - 1) > tolerance + ROUNDING,
        lambda row: f"the probabilities of {ids.iloc[row]} sum to {sums[row]:.6g}, not 1 within {tolerance:.3g}",
        f"These columns were taken for classes: {', '.join(classes)}. Write probabilities with all their digits, or "
        "divide those of an image by their sum; scores of each class by itself are measured with a truth file, less "
        "what needs probabilities.",
    )


def _written(value: Any) -> str:
    return "empty" if value is None or value != value else " ".join(str(value).split()) or "empty"


def _refuse_differing(table: GivenTable, image_ids: NDArray[np.str_], known: Iterable[tuple[str, np.int64]]) -> None:
    firsts = table.first_rows(image_ids.tolist())
    of_row = dict(zip(table.rows, known, strict=True))
    table.refuse(
        [of_row[first] != one for first, one in zip(firsts, of_row.values(), strict=True)],
        lambda row: f"{image_ids[row]} has another lesion or target than in row {firsts[row]}",
        "An image has one lesion_id and one target, in whatever part, fold, seed or copy.",
    )
