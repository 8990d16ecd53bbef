"""Parts that differ in train alone, so that protocols are compared on the same images.

Test images are those of protocol `image`, which deals out single images: of some, others of their lesion are elsewhere.
Validation images are dealt out of the rest in the same way, but none of a lesion that is tested. What sets protocols
apart is the train part:

- `image` trains on all others, siblings of test images included.
- `lesion` trains on those of lesions of which no image is tested or validates, so that no lesion is parted.
- `oversample-first` trains on all others and on copies. These are made and dealt out as that protocol does it by
  itself, of any image: those that fall to train are there, the others in no part, so that every image is tested once.

Train parts differ in size. What that alone does is seen on test images that have nothing of their own in any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skineval.base.errors import DataError, UsageError, hint_for
from skineval.base.terms import IMAGE, LESION, OVERSAMPLE_FIRST, PROTOCOLS, UNUSED
from skineval.data.splits.dealing import split
from skineval.data.splits.given import check_parts
from skineval.data.splits.split import Split
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DX7, Task

if TYPE_CHECKING:
    import pandas as pd

_TOO_FEW = (
    "Where a class has few lesions, all of them may be tested or validate: use more data, or join the class to another "
    "one by a file for --task."
)


def shared_split(
    table: LesionTable, *, protocol: str, folds: int = 1, repeats: int = 1, seed: int = 0, task: Task = DX7
) -> Split:
    """The parts of one protocol, with test and validation images that are the same for all of them.

    Raises what `split` raises, and DataError where a part of a fold has no image of a class.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"There is no protocol {protocol!r}.", hint_for(protocol, PROTOCOLS))
    dealt = split(table, protocol=IMAGE, folds=folds, repeats=repeats, seed=seed, task=task, apart=True)
    frame = dealt.frame
    if protocol == LESION:
        frame = _without_siblings(frame)
    elif protocol == OVERSAMPLE_FIRST:
        copied = split(table, protocol=OVERSAMPLE_FIRST, folds=folds, repeats=repeats, seed=seed, task=task)
        frame = _with_copies(frame, copied.frame)
    made = Split(frame, protocol, dealt.folds, dealt.repeats)
    try:
        check_parts(made, table, task)
    except DataError as error:
        raise DataError(error.message, _TOO_FEW) from error
    return made


def _without_siblings(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a split, of which those that train leave it where another of their group is tested or validates."""
    import pandas as pd

    of = pd.MultiIndex.from_frame(frame[["fold", "group"]])
    trains = (frame["part"] == "train").to_numpy()
    return frame.assign(part=frame["part"].mask(trains & of.isin(of[~trains]), UNUSED))


def _with_copies(frame: pd.DataFrame, copied: pd.DataFrame) -> pd.DataFrame:
    """The rows of a split, and those copies of images that are in the train part of another one, which has copies."""
    first = ~copied.duplicated(["fold", "image_id"]).to_numpy()
    part = copied["part"].where(copied["part"] == "train", UNUSED).to_numpy(copy=True)
    part[first] = frame["part"].to_numpy()  # both are sorted by fold and row of the table
    return copied.assign(part=part)
