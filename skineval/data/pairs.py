"""Pairs of images that a person confirmed to show one lesion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from skineval.data import tables
from skineval.data.spellings import image_id

PAIR_COLUMNS = ("image_a", "image_b")
_AGAIN = "It is a CSV file with the columns image_a and image_b, such as pairs.csv of skineval data audit."


def read_pairs(path: Path) -> tuple[tuple[str, str], ...]:
    """Pairs of image ids in the table at `path`: its columns `PAIR_COLUMNS`; further ones are ignored.

    Raises DataError naming the row (the header is row 1) for a file that holds no such pairs.
    """
    frame = tables.read_file(path, _AGAIN, pad=True).rename(columns=str.lower)
    tables.require(frame, PAIR_COLUMNS, str(path), _AGAIN)
    tables.refuse_denials(frame, str(path), known=("folds_apart",))
    firsts, seconds = (frame[column].map(image_id) for column in PAIR_COLUMNS)

    def refuse(bad: pd.Series[bool], describe: Callable[[int], str]) -> None:
        tables.refuse_rows(frame, bad.to_numpy(), str(path), describe, "Complete, correct or remove the row.")

    refuse((firsts == "") | (seconds == ""), lambda row: "fewer than two images are named")
    refuse(firsts == seconds, lambda row: f"{firsts.iloc[row][:80]!r} is paired with itself")
    return tuple(zip(firsts, seconds, strict=True))
