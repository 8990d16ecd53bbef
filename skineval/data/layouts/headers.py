"""How large images are and of which kind, known before anything is decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from skineval.base.errors import DataError
from skineval.values.lesion_table import Images


@dataclass(frozen=True, order=True)
class Header:
    """What one image says of itself."""

    width: int
    height: int
    mode: str  #: as Pillow calls it: RGB, L, CMYK, ...
    format: str  #: JPEG, PNG, ..., or array


@runtime_checkable
class Described(Protocol):
    """Images that have headers, and perhaps masks; safe to call from several threads."""

    def header(self, row: int) -> Header:
        """Raises DataError naming the file of an image of which the header cannot be read."""
        ...

    def count_masks(self) -> int:
        """How many images have a lesion mask."""
        ...


@dataclass(frozen=True)
class Headers:
    """The headers of all images."""

    counts: tuple[tuple[Header, int], ...]  #: the most frequent first
    unreadable: tuple[str, ...]  #: what is wrong with each image of which the header cannot be read
    masks: int


def read_headers(images: Images, n: int, progress: Callable[[int, int], None] | None = None) -> Headers | None:
    """The headers of `n` images; None where they have none, as with images that are painted at any size.

    `progress(done, total)` is called with numbers of images.
    """
    if not isinstance(images, Described):
        return None

    def read(row: int) -> Header | str:
        try:
            return images.header(row)
        except DataError as error:
            return error.message

    counts: Counter[Header] = Counter()
    unreadable: list[str] = []
    with ThreadPoolExecutor() as pool:
        for done, found in enumerate(pool.map(read, range(n)), start=1):
            if isinstance(found, Header):
                counts[found] += 1
            else:
                unreadable.append(found)
            if progress is not None:
                progress(done, n)
    return Headers(tuple(counts.most_common()), tuple(unreadable), images.count_masks())
