"""Who trains, who validates, who tests: images dealt out to parts, a lesion never to two of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.base.terms import IMAGE, LESION, OVERSAMPLE_FIRST, PARTS
from skineval.values.lesion_table import LesionTable, labels

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("image_id", "lesion_id", "group", "fold", "part")

TRAIN, VALIDATION, TEST = range(3)
_PURPOSE = ("networks are trained on it", "the epoch that is kept is chosen on it", "every figure is measured on it")


@dataclass(frozen=True, eq=False)
class Parts:
    """The rows of the lesion table that belong to each part of one fold, sorted, (n,) int64 each.

    Only where images are copied first (`oversample-first`) is a row in a part twice, or in several parts.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of every fold, checked on construction: under the lesion protocol no group is in two parts of a fold.

    `frame` is split.csv: the columns `COLUMNS`, one row an image and fold, sorted by fold and then as the lesion table.
    Under `oversample-first` an image has a row for each of its copies, the same in every fold, in the same order.
    Repetitions follow one another: with five folds and two repeats, folds 5 to 9 are the second repetition.
    """

    frame: pd.DataFrame
    protocol: str  #: one of `PROTOCOLS`
    folds: int  #: in all, over every repetition
    repeats: int = 1

    def __post_init__(self) -> None:
        _check_frame(self.frame, self.folds, self.repeats)
        if self.protocol == LESION:
            _check_groups(self.frame)

    @property
    def leaky(self) -> bool:
        """Whether images of one lesion may lie in different parts."""
        return self.protocol != LESION

    def stamps(self, table: LesionTable) -> tuple[str, ...]:
        """What every table, figure and file says of results on these parts of `table`."""
        return (
            *(("SYNTHETIC",) if table.synthetic else ()),
            *(("LEAKY",) if self.leaky else ()),
            *(("NOT COMPARABLE",) if table.sampled else ()),
        )

    @property
    def fingerprint(self) -> str:
        """A hash of the protocol and of every row, whatever their order."""
        rows = sorted("\t".join(map(str, row)) for row in self.frame[list(COLUMNS)].itertuples(index=False))
        return hashlib.sha256("\n".join([self.protocol, *rows]).encode()).hexdigest()

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The row of the lesion table that each row of a fold is of, (m,), ascending; twice where it is copied."""
        import pandas as pd

        row_of, _ = pd.factorize(self.frame["image_id"].to_numpy()[: len(self.frame) // self.folds])
        return row_of.astype(np.int64)

    def parts(self, fold: int) -> Parts:
        """The parts of one fold, as rows of the lesion table. Raises IndexError for a fold that is not there."""
        if not 0 <= fold < self.folds:
            raise IndexError(f"fold {fold} of {self.folds}")
        part = self.frame["part"].to_numpy()[self.frame["fold"].to_numpy() == fold]
        return Parts(*(self.rows[part == name] for name in PARTS))

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, table: LesionTable, *, protocol: str = LESION, repeats: int | None = None
    ) -> Split:
        """A split made elsewhere, or read from split.csv, in any order of rows.

        `image_id` and `part` are needed; `fold` is 0 where it is missing, `lesion_id` and `group` come from `table`
        where they are missing and must agree with it where not; further columns are ignored. `repeats` says how often
        the folds go round; by default that is found out.

        Raises DataError unless `frame` holds every image of `table` once in each fold 0, 1, ..., and each image is
        tested once a repetition where that has several folds; under the lesion protocol also where a group is in two
        parts. Under `oversample-first` that is asked of every copy, and classes that differ in size must have copies.
        """
        import pandas as pd

        missing = [column for column in ("image_id", "part") if column not in frame.columns]
        if missing:
            raise DataError(
                f"The split lacks the column {missing[0]!r} (it has {', '.join(map(str, frame.columns))}).",
                "It needs image_id and part, and fold where there are several.",
            )
        if "fold" not in frame.columns:
            frame = frame.assign(fold=0)
        fold = pd.to_numeric(frame["fold"], errors="coerce")
        if fold.isna().any() or (fold % 1 != 0).any():
            bad = frame["fold"][fold.isna() | (fold % 1 != 0)].iloc[0]
            raise DataError(f"The split has the fold {bad!r}.", "Folds are counted 0, 1, 2, ...")
        position = pd.Series(np.arange(len(table)), index=table.frame["image_id"])
        given = frame.assign(fold=fold.astype(np.int64), _row=frame["image_id"].map(position))
        unknown = given["_row"].isna()
        if unknown.any():
            raise DataError(
                f"The split names {int(unknown.sum())} images that are not in {table.name}, "
                f"such as {frame['image_id'][unknown].iloc[0]!r}.",
                "Use the split that was made of this data.",
            )
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
                    "Use the split that was made of this data.",
                )
        return cls(given[list(COLUMNS)], protocol, folds, _repetitions(given, folds) if repeats is None else repeats)


def official_split(table: LesionTable, *, protocol: str = LESION) -> Split:
    """The data set's own parts as a split of one fold.

    Raises DataError where it has none or lacks one of the three, and under the lesion protocol where a group is in two
    of them.
    """
    if table.official is None:
        raise DataError(f"{table.name} has no parts of its own.", "Leave --split out, or give a file.")
    absent = [part for part in PARTS if part not in table.official]
    if absent:
        raise DataError(
            f"The {absent[0]} part of {table.name} is not there.", "Put it beside the others, or leave --split out."
        )
    frame = table.frame[["image_id"]].assign(part=list(table.official))
    return Split.from_frame(frame, table, protocol=protocol)


def check_parts(made: Split, table: LesionTable, task: str) -> None:
    """Every part of every fold has images of every class of the task, as in what `split` deals out.

    Raises DataError, naming fold, part and class, where one has none: before anything is trained for nothing.
    """
    targets, classes = labels(table, task)
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
            f"Every fold 0, 1, ... holds each image once; only --protocol {OVERSAMPLE_FIRST} has copies.",
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


def _check_frame(frame: pd.DataFrame, folds: int, repeats: int) -> None:
    """Parts have their names, and each image (or copy) is tested once a repetition where that has several folds."""
    strange = sorted(set(frame["part"]) - set(PARTS))
    if strange:
        raise DataError(f"The split has the part {strange[0]!r}.", f"Parts are: {', '.join(PARTS)}.")
    if folds % repeats:
        raise DataError(
            f"The split has {folds} folds, which are not {repeats} equal repetitions.", "Correct --repeats."
        )
    if folds == repeats:  # hold-outs, which may overlap
        return
    repetition = frame["fold"].to_numpy() // (folds // repeats)
    tests = (frame["part"] == "test").groupby([repetition, frame["image_id"].to_numpy()])
    times = tests.sum()
    wrong = times[times * (folds // repeats) != tests.size()]
    if len(wrong):
        raise DataError(
            f"{len(wrong)} images are not tested exactly once, such as {wrong.index[0][1]} ({wrong.iloc[0]} times).",
            "The test parts of the folds hold each image once; repeated hold-outs need --repeats.",
        )


def _check_groups(frame: pd.DataFrame) -> None:
    """No group is in two parts of a fold: the safety check behind every figure."""
    n_parts = frame.groupby(["fold", "group"])["part"].nunique()
    leaking = n_parts[n_parts > 1]
    if len(leaking):
        fold, group = leaking.index[0]
        raise DataError(
            f"{len(leaking)} lesions are in several parts of a fold, such as {group} in fold {fold}: it leaks.",
            "Keep the images of a lesion, and of other lesion ids that are known to be of it, in one part.",
        )


def _check_classes(
    table: LesionTable,
    dealt: NDArray[np.int64],
    parts: NDArray[np.int64],
    names: Sequence[str],
    protocol: str,
    task: str,
) -> None:
    """Every class of the task is in every part of every fold: otherwise its figures mean nothing."""
    targets, classes = labels(table, task)
    for target, name in enumerate(classes):
        rows = np.flatnonzero(targets[dealt] == target)
        n_units = len({names[int(row)] for row in rows})
        absent = np.argwhere([[not (fold[rows] == part).any() for part in range(len(PARTS))] for fold in parts])
        if len(absent):
            fold, part = absent[0]
            remedies = ["use fewer folds"] if n_units and len(parts) > 1 else []
            remedies += ["use the task that joins classes, --task malignant,"] if task != "malignant" else []
            text = " or ".join([*remedies, "add images of this class"])
            unit = {LESION: "lesions", IMAGE: "images", OVERSAMPLE_FIRST: "images with copies"}[protocol]
            raise DataError(
                f"Class {name!r} has {n_units} {unit} in {table.name}, too few for {len(parts)} fold(s): "
                f"fold {fold} has none to put into {PARTS[part]}.",
                f"{text[:1].upper()}{text[1:]}.",
            )
