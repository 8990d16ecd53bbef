"""CSV and JSON files of a bench: written for people and programs, read with the name of what is damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from skineval.base.errors import DataError
from skineval.base.files import atomic_write


def csv_text(frame: pd.DataFrame) -> str:
    """A CSV file: \\n, floats in the shortest form that reads back to the same value."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV file in UTF-8."""
    atomic_write(path, csv_text(frame))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file that a person can read."""
    atomic_write(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raises DataError naming a file that is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Run the bench again to restore it.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} does not hold a JSON object.", "Run the bench again to restore it.")
    return value


def read_frame(path: Path, text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV file: the columns `text` as they are written, the others as numbers, NaN where empty.

    Raises DataError naming a file that is missing, damaged, or holds words where numbers are expected.
    """
    try:
        # Everything as text first: a lesion may be called "NA".
        frame = pd.read_csv(path, dtype="str", keep_default_na=False)
        numbers = [column for column in frame.columns if column not in text]
        return frame.assign(**{column: _numeric(frame[column]) for column in numbers})
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Run the bench again to restore it.") from error


def _numeric(column: pd.Series[str]) -> pd.Series[float]:
    return pd.to_numeric(column.where(column != "", None))
