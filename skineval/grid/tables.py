"""CSV files of a bench: written for people and programs, read with the name of what is damaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from skineval.base.codec import RESTORE
from skineval.base.errors import DataError
from skineval.base.files import atomic_write
from skineval.data.tables import GivenTable
from skineval.measure.predictions import read_predictions
from skineval.values.predictions import Predictions


def csv_text(frame: pd.DataFrame) -> str:
    """A CSV file: \\n, floats in the shortest form that reads back to the same value."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV file in UTF-8."""
    atomic_write(path, csv_text(frame))


def read_frame(path: Path, text: Sequence[str] = (), perhaps: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV file: the columns `text`, which must be there, and `perhaps`, which may, as written.

    Others are numbers, NaN where empty.

    Raises DataError naming a file that is missing, damaged, or holds words where numbers are expected.
    """
    try:
        # Everything as text first: a lesion may be called "NA".
        frame = pd.read_csv(path, dtype="str", keep_default_na=False)
        if lacking := [column for column in text if column not in frame]:
            raise ValueError(f"it lacks the columns {', '.join(lacking)}")
        known = frame.where(frame != "", None)
        numbers = [name for name in frame.columns if name not in (*text, *perhaps)]
        return frame.assign(**{name: pd.to_numeric(known[name]) for name in numbers})
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.", RESTORE) from error


def read_groups(path: Path) -> dict[str, str]:
    """The group of each lesion id that split.csv, or images.csv of an external test, names."""
    frame = read_frame(path, ("image_id", "lesion_id", "group", "part" if path.stem == "split" else "excluded"))
    return dict(zip(frame["lesion_id"], frame["group"], strict=True))


def read_cell_predictions(
    path: Path,
    classes: Sequence[str],
    groups: Mapping[str, str] | None = None,
    *,
    copies: bool = False,
    outside: bool = False,
) -> Predictions:
    """Predictions of one cell, as `read_predictions`; raises DataError where they are damaged, or those of several."""
    frame = read_frame(path, ("image_id", "lesion_id", "part", "target"))
    table = GivenTable(frame, str(path))
    found = read_predictions(table, classes=classes, groups=groups, copies=copies, outside=outside)
    if len(found) != 1:
        raise DataError(f"{path} holds predictions of {len(found)} folds and seeds, not of one.", RESTORE)
    return found[0]
