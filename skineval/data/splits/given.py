"""Splits made elsewhere: files, as skineval writes them and as others do, and the parts that a data set has itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skineval.base.errors import DataError
from skineval.base.terms import LESION, OVERSAMPLE_FIRST, PARTS, UNUSED
from skineval.data import tables
from skineval.data.findings import UNPARTED
from skineval.data.spellings import PART_COLUMNS, as_known, first_column, image_id, part_name
from skineval.data.splits.split import COLUMNS, Split, with_sources
from skineval.values.lesion_table import LesionTable
from skineval.values.task import Task

if TYPE_CHECKING:
    import pandas as pd

_WANTED = "A split is a CSV file with the columns image_id and part, and fold where there are several."
_OF_THIS = "Use the split that was made of this data, for the same --task, --limit and --quarantine."
_ONCE = f"Every fold 0, 1, ... holds each image once; only --protocol {OVERSAMPLE_FIRST} has copies."
_PURPOSE = ("networks are trained on it", "the epoch that is kept is chosen on it", "every figure is measured on it")


def read_split(path: Path, table: LesionTable, *, protocol: str = LESION, repeats: int | None = None) -> Split:
    """Read a split made of `table`, whether split.csv or another file; see `assemble`.

    Images may bear a path or a suffix, and parts any name of `skineval.data.spellings`. Raises DataError, naming
    the file, for what cannot be read or does not fit.
    """
    given = tables.read_file(path, _WANTED).lowered().identified()
    given = given.having(given.frame.rename(columns={first_column(given.columns, PART_COLUMNS): "part"}))
    given.require("part")
    ids = {image_id(id_): id_ for id_ in table.frame["image_id"]}  # those of a plugin's data may end like a file
    frame = given.frame.assign(image_id=given.frame["image_id"].map(as_known(ids)))
    unknown = ~frame["image_id"].isin(ids)
    given.refuse(unknown, lambda row: f"{frame['image_id'].iloc[row]} is not in {table.name}", _OF_THIS)
    parts = frame["part"].map(part_name)
    known = (*PARTS, UNUSED)
    given.refuse(~parts.isin(known), lambda row: f"{parts.iloc[row]!r} is no part", f"Parts are: {', '.join(known)}.")
    folds = given.numbers("fold") if "fold" in frame else np.zeros(1)
    if folds.min(initial=np.inf) > 0 or not len(frame):
        raise DataError(f"{path} has no row of fold 0.", "Folds are counted from 0: 0, 1, ...")
    frame = frame.assign(image_id=frame["image_id"].map(ids), part=parts)
    if protocol != OVERSAMPLE_FIRST:
        keys = frame[[column for column in ("image_id", "fold") if column in frame]]
        given.having(frame).refuse_repeats(list(keys.itertuples(index=False, name=None)), _ONCE, " in its fold")
    try:
        return assemble(frame, table, protocol=protocol, repeats=repeats)
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error


def official_split(table: LesionTable, *, protocol: str = LESION) -> Split:
    """The data set's own parts as a split of one fold.

    Raises DataError where it has none or lacks one of the three, and under the lesion protocol where a group is in two
    of them.
    """
    if table.official is None:
        told = "".join(f": {note}" for note in table.notes if UNPARTED.says in note)
        raise DataError(f"{table.name} has no parts of its own{told}.", "Leave --split out, or give a file.")
    absent = [part for part in PARTS if part not in table.official]
    if absent:
        raise DataError(
            f"The {absent[0]} part of {table.name} is not there.",
            "Put it beside the others, if such a part is published, or leave --split out.",
        )
    frame = table.frame[["image_id"]].assign(part=list(table.official))
    return assemble(frame, table, protocol=protocol)


def has_split(table: LesionTable) -> bool:
    """Whether the data set's own parts can be a split: train and test are there, and a validation part can be had."""
    return table.official is not None and {"train", "test"} <= set(table.official)


def assemble(frame: pd.DataFrame, table: LesionTable, *, protocol: str = LESION, repeats: int | None = None) -> Split:
    """A split from a frame of images of `table`, in any order of rows.

    `image_id` and `part` are there; `fold` is 0 where it is missing, `lesion_id` and `group` come from `table`
    where they are missing and must agree with it where not; further columns are ignored. `repeats` says how often
    the folds go round; by default that is found out.

    Raises DataError unless `frame` holds every image of `table` once in each fold 0, 1, ..., and each image is
    tested once a repetition where that has several folds; under the lesion protocol also where a group is in two
    parts. Under `oversample-first` that is asked of every copy, and classes that differ in size must have copies.
    """
    import pandas as pd

    if "fold" not in frame.columns:
        frame = frame.assign(fold=0)
    fold = pd.to_numeric(frame["fold"], errors="coerce")
    if fold.isna().any() or (fold % 1 != 0).any():
        bad = frame["fold"][fold.isna() | (fold % 1 != 0)].iloc[0]
        raise DataError(f"The split has the fold {bad!r}.", "Folds are counted 0, 1, 2, ...")
    position = pd.Series(np.arange(len(table)), index=table.frame["image_id"])
    given = frame.assign(fold=fold.astype(np.int64), _row=frame["image_id"].map(position))
    given = given.sort_values(["fold", "_row"], kind="stable").reset_index(drop=True)
    folds = _count_folds(given, table, protocol)
    for column in ("lesion_id", "group"):
        expected = table.frame[column].to_numpy(dtype=object)[given["_row"].to_numpy(dtype=np.int64)]
        if column not in given.columns:
            given[column] = expected
        wrong = np.flatnonzero(given[column].to_numpy(dtype=object) != expected)
        if len(wrong):
            raise DataError(
                f"The split says {column} {given[column].iloc[wrong[0]]!r} of {given['image_id'].iloc[wrong[0]]}, "
                f"where the data says {expected[wrong[0]]!r} ({len(wrong)} such rows).",
                _OF_THIS,
            )
    made = with_sources(given[list(COLUMNS)], table)
    return Split(made, protocol, folds, _repetitions(given, folds) if repeats is None else repeats)


def check_parts(made: Split, table: LesionTable, task: Task) -> None:
    """Every part of every fold has images of every class of the task, as in what `split` deals out.

    Raises DataError, naming fold, part and class, where one has none: before anything is trained for nothing.
    """
    targets, classes = task.targets(table.frame["dx"]), task.classes
    for fold in range(made.folds):
        parts = made.parts(fold)
        for rows, part, purpose in zip((parts.train, parts.validation, parts.test), PARTS, _PURPOSE, strict=True):
            if not len(rows):
                raise DataError(
                    f"Fold {fold} of the split has no {part} image; {purpose}.",
                    f"Give each fold a {part} part, or leave --split out.",
                )
            absent = np.flatnonzero(np.bincount(targets[rows], minlength=len(classes)) == 0)
            if len(absent):
                n = int((targets == absent[0]).sum())
                raise DataError(
                    f"Fold {fold} of the split has none of the {n} images of class {classes[absent[0]]!r} in its "
                    f"{part} part; {purpose}.",
                    f"{'Put some there' if n else 'Use more data'}, or take the task that joins classes: malignant.",
                )


def _count_folds(given: pd.DataFrame, table: LesionTable, protocol: str) -> int:
    """How many folds a split has that is sorted by fold and table row.

    DataError unless each holds each image once, or as often as the others where there are copies.
    """
    n, folds = len(table), max(int(given["fold"].max()) + 1, 1) if len(given) else 0
    length = len(given) // folds if folds else 0
    rows, dealt = given["_row"].to_numpy(), given["_row"].to_numpy()[:length]
    complete = bool(
        length * folds == len(given)
        and np.array_equal(np.unique(dealt), np.arange(n))
        and (given["fold"].to_numpy() == np.repeat(np.arange(folds), length)).all()
        and (rows == np.tile(dealt, folds)).all()
    )
    if protocol != OVERSAMPLE_FIRST and not (complete and length == n):
        raise DataError(
            f"The split has {len(given)} rows for {n} images: an image is missing from a fold, or in it twice.",
            _ONCE,
        )
    if not complete:
        raise DataError(
            f"The split has {len(given)} rows for {n} images: an image is missing from a fold, or has more copies in "
            "one fold than in another.",
            "Every fold 0, 1, ... holds the same rows: each image, with the same number of copies.",
        )
    if protocol == OVERSAMPLE_FIRST and length == n and len(set(Counter(table.frame["dx"]).values())) > 1:
        raise DataError(
            f"The split holds each of {n} images once: nothing was oversampled.",
            f"Leave --split out, or --protocol {OVERSAMPLE_FIRST}.",
        )
    return folds


def _repetitions(frame: pd.DataFrame, folds: int) -> int:
    """How often the folds go round: as often as each row is tested, where that is the same for all; else once.

    Hold-outs, of which each is a repetition, are not found out: they would excuse any folds that are wrong.
    """
    tests = (frame["part"] == "test").groupby(frame["image_id"].to_numpy())
    times = np.unique(tests.sum() * folds / tests.size())
    return int(times[0]) if len(times) == 1 and 1 <= times[0] < folds and folds % times[0] == 0 else 1
