"""Files of splits, as skineval writes them and as others do."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skineval.base.errors import DataError
from skineval.base.terms import LESION, OVERSAMPLE_FIRST, PARTS
from skineval.data import tables
from skineval.data.spellings import PART_COLUMNS, first_column, image_id, part_name
from skineval.data.splits.split import Split
from skineval.values.lesion_table import LesionTable

_WANTED = "A split is a CSV file with the columns image_id and part, and fold where there are several."


def read_split(path: Path, table: LesionTable, *, protocol: str = LESION, repeats: int | None = None) -> Split:
    """Read a split made of `table`, whether split.csv or another file; see `Split.from_frame`.

    Images may bear a path or a suffix, and parts any of the names in `skineval.data.spellings.PARTS`. Raises DataError,
    naming the file, for what cannot be read or does not fit.
    """
    given = tables.read_file(path, _WANTED).lowered().identified()
    given = given.having(given.frame.rename(columns={first_column(given.columns, PART_COLUMNS): "part"}))
    given.require("part")
    frame = given.frame
    ids = {image_id(id_): id_ for id_ in table.frame["image_id"]}  # those of a plugin's data may end like a file
    what = f"is not in {table.name}"
    hint = "Use the split that was made of this data."
    given.refuse(~frame["image_id"].isin(ids), lambda row: f"{frame['image_id'].iloc[row]} {what}", hint)
    parts = frame["part"].map(part_name)
    given.refuse(~parts.isin(PARTS), lambda row: f"{parts.iloc[row]!r} is no part", f"Parts are: {', '.join(PARTS)}.")
    folds = given.numbers("fold") if "fold" in frame else np.zeros(1)
    if folds.min(initial=0) > 0 or not len(frame):
        raise DataError(f"{path} has no row of fold 0.", "Folds are counted from 0: 0, 1, ...")
    frame = frame.assign(image_id=frame["image_id"].map(ids), part=parts)
    if protocol != OVERSAMPLE_FIRST:
        keys = [tuple(key) for key in frame[["image_id", *(["fold"] if "fold" in frame else [])]].to_numpy()]
        hint = f"Every fold 0, 1, ... holds each image once; only --protocol {OVERSAMPLE_FIRST} has copies."
        given.having(frame).refuse_repeats(keys, hint, " in its fold")
    try:
        return Split.from_frame(frame, table, protocol=protocol, repeats=repeats)
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error
