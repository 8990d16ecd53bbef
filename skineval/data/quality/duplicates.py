"""Images that are in a data set more than once: the same file, or the same pixels in another file."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skineval.data.copies import content
from skineval.values.lesion_table import LesionTable

COMPARED = 512  #: pixels a side at which images are compared that do not lie in files of their own


@dataclass(frozen=True)
class Copies:
    """Images with one content, by row of the lesion table."""

    rows: tuple[int, ...]
    image_ids: tuple[str, ...]
    lesion_ids: tuple[str, ...]
    groups: tuple[str, ...]
    dx: tuple[str, ...]
    same: Literal["bytes", "pixels"]  #: "bytes": the files are identical; "pixels": only the pictures in them
    lesions_known: bool = True  #: False where two lesions may be one that nobody knows of

    @property
    def where(self) -> str:
        """Whether they lie in one lesion, or how far apart."""
        if len(set(self.dx)) > 1:
            return "across classes"
        if len(set(self.groups)) > 1:
            return "across lesions" if self.lesions_known else "not known"
        return "inside one lesion, under several lesion ids" if len(set(self.lesion_ids)) > 1 else "inside one lesion"


def find_copies(table: LesionTable, pixels: NDArray[np.uint8]) -> tuple[Copies, ...]:
    """Every set of images with one content, in the order of the table; `pixels` are all images at any size.

    Images that agree there are read again: by the bytes of their files, and by their pixels at `COMPARED` pixels a
    side. Raises DataError naming a file that cannot be read.
    """
    found = [
        rows
        for suspects in _equal(range(len(table)), lambda row: digest(pixels[row]))
        for rows in _equal(suspects, lambda row: digest(table.images.pixels([row], COMPARED)))
    ]
    return tuple(_describe(table, rows) for rows in sorted(found))


def content_units(copies: Iterable[Copies], n: int) -> NDArray[np.int64]:
    """The content of each of `n` images, (n,), as the first row that has it."""
    units = np.arange(n)
    for one in copies:
        units[list(one.rows)] = one.rows[0]
    return units


def _describe(table: LesionTable, rows: Sequence[int]) -> Copies:
    image_ids, lesion_ids, groups, dx = (
        tuple(table.frame[column].iloc[list(rows)]) for column in ("image_id", "lesion_id", "group", "dx")
    )
    files = {content(table.images, row) for row in rows}
    same: Literal["bytes", "pixels"] = "bytes" if len(files) == 1 and None not in files else "pixels"
    return Copies(tuple(rows), image_ids, lesion_ids, groups, dx, same, table.unit != "image")


def digest(image: NDArray[np.uint8]) -> bytes:
    """What tells the pixels of one image, of any shape, from those of others."""
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def _equal(rows: Iterable[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    """The rows that share a key with others, by key."""
    by_key: dict[Hashable, list[int]] = defaultdict(list)
    for row in rows:
        by_key[key(row)].append(row)
    return [members for members in by_key.values() if len(members) > 1]
