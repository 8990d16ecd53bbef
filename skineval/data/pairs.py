"""Pairs of images that a person confirmed to show one lesion."""

from __future__ import annotations

from pathlib import Path

from skineval.data import tables
from skineval.data.spellings import image_id

PAIR_COLUMNS = ("image_a", "image_b")
_AGAIN = "It is a CSV file with the columns image_a and image_b, such as pairs.csv of skineval data audit."


def read_pairs(path: Path) -> tuple[tuple[str, str], ...]:
    """Pairs of image ids in the table at `path`: its columns `PAIR_COLUMNS`; further ones are ignored.

    Raises DataError naming the row (the header is row 1) for a file that holds no such pairs.
    """
    table = tables.read_file(path, _AGAIN, pad=True).lowered()
    table.require(*PAIR_COLUMNS)
    table.refuse_denials(known=("folds_apart",))
    firsts, seconds = (table.frame[column].map(image_id) for column in PAIR_COLUMNS)
    hint = "Complete, correct or remove the row."
    table.refuse((firsts == "") | (seconds == ""), "fewer than two images are named", hint)
    table.refuse(firsts == seconds, lambda row: f"{firsts.iloc[row][:80]!r} is paired with itself", hint)
    return tuple(zip(firsts, seconds, strict=True))
