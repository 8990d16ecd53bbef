"""Predictions: the border between whatever made them and everything that is measured from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.data.lesions import DIAGNOSES, MALIGNANT
from skineval.errors import DataError

COLUMNS = ("image_id", "lesion_id", "fold", "seed", "part", "target")
BINARY = ("benign", "malignant")

#: How far from 1 the probabilities of an image may sum: covers files written with three decimals and seven classes.
SUM_TOLERANCE = 1e-3
#: Left out of the official scoring of ISIC 2018 Task 3 (isic-challenge-scoring), where it may still be submitted.
ISIC_2018_EXCLUDED = "ISIC_0035068"

#: The fold of predictions that are the mean over the networks of all folds.
EVERY_FOLD = -1

_FIRST_ROW = 2  # of a CSV file: the header is row 1


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


def sum_to_one(probabilities: NDArray[np.float64]) -> bool:
    """Whether every row of `probabilities` (N, C) sums to 1, within `SUM_TOLERANCE`."""
    return bool(np.all(np.abs(probabilities.sum(axis=1) - 1) <= SUM_TOLERANCE))


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
) -> list[Predictions]:
    """Reads predictions of any number of folds and seeds, in their order, each into one value.

    `frame` has the columns `image_id`, `target` (the name of a class) and one of probabilities for each class. Where
    `lesion_id` is missing each image counts as a lesion of its own; `fold` and `seed` are 0 where missing, `part` is
    "test". `classes` sets the class columns and their order (default: all other columns, in the order of the file).
    `groups` maps those lesion ids that are known to be joined to their group. `copies` says that an image may be in a
    part several times, because images were copied before they were dealt out.

    Raises DataError naming `source` and the row (the header is row 1): a missing column or value, an unknown target,
    a probability that is no number from 0 to 1, probabilities that do not sum to 1 within `SUM_TOLERANCE` (they are
    kept as written), an image twice in the same part; of copies, those that differ in lesion or target.
    """
    if classes is None:
        classes = [str(column) for column in frame.columns if column not in COLUMNS]
    _require(frame, ("image_id", "target", *classes), source)
    if len(classes) < 2:
        raise DataError(
            f"{source}: {len(classes)} class columns ({', '.join(classes)})",
            "Give one column of probabilities a class.",
        )
    image_ids = _text(frame, "image_id", source)
    lesion_ids = _text(frame, "lesion_id", source) if "lesion_id" in frame else image_ids
    parts = _text(frame, "part", source) if "part" in frame else np.full(len(frame), "test")
    folds, seeds = (_integers(frame, column, source) for column in ("fold", "seed"))
    targets = _indices(_text(frame, "target", source), classes, source)
    probabilities = _scores(frame, classes, source)
    sums = probabilities.sum(axis=1)
    _refuse(
        np.abs(sums - 1) > SUM_TOLERANCE,
        source,
        lambda row: f"the probabilities of {image_ids[row]} sum to {sums[row]:.6g}, not 1",
        f"These columns were taken for classes: {', '.join(classes)}. Write their softmax, not logits.",
    )
    if copies:
        _refuse_differing(pd.DataFrame({"image": image_ids, "lesion": lesion_ids, "target": targets}), source)
    else:
        _refuse_twice(pd.DataFrame({"image": image_ids, "fold": folds, "seed": seeds, "part": parts}), source)

    everything = Predictions(
        tuple(classes), image_ids, lesion_ids, _joined(lesion_ids, groups), parts, targets, probabilities
    )
    return [
        replace(everything.take((folds == fold) & (seeds == seed)), fold=int(fold), seed=int(seed))
        for fold, seed in np.unique(np.stack([folds, seeds], axis=1), axis=0)
    ]


def from_submission(
    frame: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    source: str,
    truth_source: str,
    groups: Mapping[str, str] | None = None,
) -> Predictions:
    """Reads scores without targets in the format of ISIC 2018 Task 3, and joins them with the reference standard.

    `frame` has `image` (or `image_id`) and `MEL, NV, BCC, AKIEC, BKL, DF, VASC`, in any order and letter case, each
    from 0 to 1; they need not sum to 1 and are kept as written, so that figures which need probabilities are NaN
    where they do not. `truth` is one-hot in the same columns, or has `image_id`, `dx` and perhaps `lesion_id`, as the
    metadata of HAM10000. A one-hot ground truth lists what is to be scored and must be covered in full, as in the
    challenge; metadata lists what is known and may hold more. `groups` maps lesion ids to their group.

    Raises DataError naming the file and the row (the header is row 1) or the image: columns missing, a score outside
    0 to 1, an image twice, an image without reference standard, an image of the ground truth without scores.
    """
    frame = _isic_columns(frame)
    _require(frame, ("image_id", *DIAGNOSES), source)
    image_ids = _text(frame, "image_id", source)
    scores = _scores(frame, DIAGNOSES, source)
    _refuse_twice(pd.DataFrame({"image": image_ids}), source)

    known = _reference(_isic_columns(truth), truth_source)
    scored = image_ids != ISIC_2018_EXCLUDED
    rows = known.index.get_indexer(pd.Index(image_ids))
    _refuse(
        scored & (rows < 0),
        source,
        lambda row: f"{image_ids[row]} is not in {truth_source}",
        "Every image needs its reference standard: give the truth file that belongs to these predictions.",
    )
    must_have = known.index[known["required"]].drop(ISIC_2018_EXCLUDED, errors="ignore")
    absent = must_have.difference(pd.Index(image_ids))
    if len(absent):
        raise DataError(
            f"{source}: no scores for {absent[0]} ({len(absent)} of {len(must_have)} images of {truth_source} missing)",
            "Score every image of the ground truth, or give metadata (image_id, dx) as truth to score a selection.",
        )
    found = known.iloc[rows[scored]]
    lesion_ids = found["lesion_id"].to_numpy(dtype=str)
    return Predictions(
        DIAGNOSES,
        image_ids[scored],
        lesion_ids,
        _joined(lesion_ids, groups),
        np.full(len(found), "test"),
        found["target"].to_numpy(dtype=np.int64),
        scores[scored],
    )


def malignant(predictions: Predictions) -> Predictions:
    """The same predictions with the seven diagnoses collapsed to `BINARY` by `MALIGNANT`; binary ones unchanged.

    Raises DataError where a class is not one of `DIAGNOSES`.
    """
    if predictions.classes == BINARY:
        return predictions
    unknown = [name for name in predictions.classes if name not in DIAGNOSES]
    if unknown:
        raise DataError(
            f"cannot tell whether {unknown[0]!r} is malignant", f"Only these can be collapsed: {', '.join(DIAGNOSES)}."
        )
    collapse = np.array([[name not in MALIGNANT, name in MALIGNANT] for name in predictions.classes], dtype=np.float64)
    return replace(
        predictions,
        classes=BINARY,
        targets=collapse[predictions.targets, 1].astype(np.int64),
        probabilities=predictions.probabilities @ collapse,
    )


def _isic_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Class columns in lower case, and the image in `image_id`."""
    names = {column: str(column).lower() for column in frame.columns if str(column).lower() in DIAGNOSES}
    if "image_id" not in frame:
        names["image"] = "image_id"
    return frame.rename(columns=names)


def _reference(truth: pd.DataFrame, source: str) -> pd.DataFrame:
    """Columns `target`, `lesion_id` and `required`, indexed by image."""
    one_hot = "dx" not in truth
    _require(truth, ("image_id", *(DIAGNOSES if one_hot else ())), source)
    image_ids = _text(truth, "image_id", source)
    _refuse_twice(pd.DataFrame({"image": image_ids}), source)
    if one_hot:
        table = _scores(truth, DIAGNOSES, source)
        _refuse(
            ~(np.isin(table, (0, 1)).all(axis=1) & (table.sum(axis=1) == 1)),
            source,
            lambda row: f"{image_ids[row]} has not exactly one class",
            "A one-hot ground truth has a single 1 a row; otherwise give the columns image_id and dx.",
        )
        targets = table.argmax(axis=1)
    else:
        targets = _indices(_text(truth, "dx", source), DIAGNOSES, source)
    lesion_ids = _text(truth, "lesion_id", source) if "lesion_id" in truth else image_ids
    return pd.DataFrame({"target": targets, "lesion_id": lesion_ids, "required": one_hot}, index=pd.Index(image_ids))


def _joined(lesion_ids: NDArray[np.str_], groups: Mapping[str, str] | None) -> NDArray[np.str_]:
    if not groups:
        return lesion_ids
    return np.array([groups.get(lesion, lesion) for lesion in lesion_ids.tolist()], dtype=str)


def _require(frame: pd.DataFrame, columns: Sequence[str], source: str) -> None:
    missing = [column for column in columns if column not in frame]
    if missing:
        raise DataError(
            f"{source}: no column {', '.join(missing)}",
            f"It has {', '.join(map(str, frame.columns))}. Predictions without a target need a truth file.",
        )


def _text(frame: pd.DataFrame, column: str, source: str) -> NDArray[np.str_]:
    missing = frame[column].isna().to_numpy(dtype=bool)
    _refuse(missing, source, lambda row: f"{column} is empty", f"Give every row its {column}.")
    return frame[column].astype(str).to_numpy(dtype=str)


def _integers(frame: pd.DataFrame, column: str, source: str) -> NDArray[np.int64]:
    if column not in frame:
        return np.zeros(len(frame), dtype=np.int64)
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    _refuse(
        ~(np.isfinite(values) & (values == np.floor(values))),
        source,
        lambda row: f"{column} is {_written(frame[column].iloc[row])}",
        f"Write {column} as a whole number, or leave the column out.",
    )
    return values.astype(np.int64)


def _indices(names: NDArray[np.str_], classes: Sequence[str], source: str) -> NDArray[np.int64]:
    indices = pd.Index(classes).get_indexer(pd.Index(names)).astype(np.int64)
    _refuse(
        indices < 0, source, lambda row: f"{str(names[row])!r} is not a class", f"The classes are {', '.join(classes)}."
    )
    return indices


def _scores(frame: pd.DataFrame, classes: Sequence[str], source: str) -> NDArray[np.float64]:
    written = frame[list(classes)]
    numbers = written.apply(pd.to_numeric, errors="coerce")
    scores: NDArray[np.float64] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    # A float32 softmax written in full can exceed 1 by a rounding error.
    wrong: NDArray[np.bool_] = ~((scores >= 0) & (scores <= 1 + SUM_TOLERANCE))

    def describe(row: int) -> str:
        column = int(wrong[row].argmax())
        return f"{classes[column]} is {_written(written.iloc[row, column])}, not a number from 0 to 1"

    _refuse(
        np.asarray(wrong.any(axis=1)), source, describe, f"These columns were taken for classes: {', '.join(classes)}."
    )
    return scores


def _written(value: Any) -> str:
    return "empty" if pd.isna(value) else str(value)


def _refuse_twice(keys: pd.DataFrame, source: str) -> None:
    _refuse(
        keys.duplicated().to_numpy(dtype=bool),
        source,
        lambda row: f"{keys['image'].iloc[row]} is there a second time" + (" in its part" if "part" in keys else ""),
        "Give each image once: average repeated predictions first, or tell them apart by fold and seed. Only images "
        "that were copied before the split (--protocol oversample-first) may be repeated.",
    )


def _refuse_differing(rows: pd.DataFrame, source: str) -> None:
    differing = ~rows.duplicated() & rows.duplicated("image")
    _refuse(
        differing.to_numpy(dtype=bool),
        source,
        lambda row: f"{rows['image'].iloc[row]} has another lesion or target than in a row before",
        "Copies of an image have its lesion_id and its target.",
    )


def _refuse(bad: NDArray[np.bool_], source: str, describe: Callable[[int], str], hint: str) -> None:
    if bad.any():
        row = int(bad.argmax())
        more = f" ({bad.sum() - 1} more rows like it)" if bad.sum() > 1 else ""
        raise DataError(f"{source}, row {row + _FIRST_ROW}: {describe(row)}{more}", hint)
