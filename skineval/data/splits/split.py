"""Who trains, who validates, who tests: images dealt out to parts, a lesion never to two of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skineval.base.codec import Listed
from skineval.base.errors import DataError, plural
from skineval.base.terms import LEAKY, LESION, NOT_COMPARABLE, PARTS, SYNTHETIC, UNUSED
from skineval.values.lesion_table import SOURCE, LesionTable

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("image_id", "lesion_id", "group", "fold", "part")

TRAIN, VALIDATION, TEST = range(3)

Rows: TypeAlias = Annotated[NDArray[np.int64], Listed("int64")]


@dataclass(frozen=True, eq=False)
class Parts:
    """The rows of the lesion table that belong to each part of one fold, sorted, (n,) int64 each.

    Only where images are copied first (`oversample-first`) is a row in a part twice, or in several parts.
    """

    train: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of every fold, checked on construction: under the lesion protocol no group is in two parts of a fold.

    `frame` is split.csv: the columns `COLUMNS`, one row an image and fold, sorted by fold and then as the lesion table;
    where several data sets are one, the column `SOURCE` behind them. What is `UNUSED` in a fold is in no part of it.
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
            *((SYNTHETIC,) if table.synthetic else ()),
            *((LEAKY,) if self.leaky else ()),
            *((NOT_COMPARABLE,) if table.sampled else ()),
        )

    @property
    def fingerprint(self) -> str:
        """A hash of the protocol and of every row, whatever their order."""
        return fingerprint(self.frame, self.protocol)

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


def used(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a split that are in a part."""
    return frame[frame["part"] != UNUSED]


def with_sources(frame: pd.DataFrame, table: LesionTable) -> pd.DataFrame:
    """The rows of a split, with the data set of each image where several are one."""
    if not table.sources:
        return frame
    return frame.assign(**{SOURCE: frame["image_id"].map(table.frame.set_index("image_id")[SOURCE])})


def fingerprint(frame: pd.DataFrame, protocol: str) -> str:
    """That of a split which has these rows and this protocol."""
    rows = sorted("\t".join(map(str, row)) for row in frame[list(COLUMNS)].itertuples(index=False))
    return hashlib.sha256("\n".join([protocol, *rows]).encode()).hexdigest()


def _check_frame(frame: pd.DataFrame, folds: int, repeats: int) -> None:
    """Parts have their names, and each image is tested once a repetition where that has several folds.

    Of an image with copies each of them is; one alone where the split leaves some of them out of every part.
    """
    strange = sorted(set(frame["part"]) - {*PARTS, UNUSED})
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
    leaves_out = bool((frame["part"] == UNUSED).any())
    wrong = times[(times * (folds // repeats) != tests.size()) & ~(leaves_out & (times == 1))]
    if len(wrong):
        raise DataError(
            f"{plural(len(wrong), 'image is', 'images are')} not tested exactly once, such as {wrong.index[0][1]} "
            f"({wrong.iloc[0]} times).",
            "The test parts of the folds hold each image once; repeated hold-outs need --repeats.",
        )


def _check_groups(frame: pd.DataFrame) -> None:
    """No group is in two parts of a fold: the safety check behind every figure."""
    n_parts = used(frame).groupby(["fold", "group"])["part"].nunique()
    leaking = n_parts[n_parts > 1]
    if len(leaking):
        fold, group = leaking.index[0]
        raise DataError(
            f"{plural(len(leaking), 'lesion or patient is', 'lesions or patients are')} in several parts of a fold, "
            f"such as {group} in fold {fold}: it leaks.",
            "Keep in one part the images of a lesion, of other lesion ids known to be of it, and of a patient.",
        )
