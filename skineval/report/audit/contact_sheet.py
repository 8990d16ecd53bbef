"""Pairs of photographs side by side, for a person to judge at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skineval.base.scheme import MUTED
from skineval.base.svg import LINE, document, photograph, shortened, words

SIDE = 224  #: pixels of one photograph
COLUMNS = 3  #: of a wide page; a narrow one has a single column
GAP, MARGIN = 4, 14
WIDTH, HEIGHT = 2 * SIDE + GAP + 2 * MARGIN, SIDE + 2 * LINE + 2 * MARGIN  #: of a pair
_OF_ONE, _OF_BOTH = 32, 66  # letters that fit below one photograph, and below both


@dataclass(frozen=True)
class Pictured:
    """Two photographs (h, w, 3) RGB with what is written above each of them, and below both."""

    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    names: tuple[str, str]
    words: str


def contact_sheet(title: str, pairs: Sequence[Pictured], columns: int = COLUMNS) -> bytes:
    """An SVG with all pairs, numbered, from left to right and then from top to bottom."""
    columns = min(columns, len(pairs))
    parts = (
        part
        for place, pair in enumerate(pairs)
        for part in _pair(pair, place + 1, place % columns * WIDTH + MARGIN, place // columns * HEIGHT + MARGIN + LINE)
    )
    return document(title, columns * WIDTH, -(-len(pairs) // columns) * HEIGHT, parts)


def _pair(pair: Pictured, number: int, left: int, top: int) -> Iterator[str]:
    for place, (picture, name) in enumerate(zip(pair.pictures, pair.names, strict=True)):
        x = left + place * (SIDE + GAP)
        yield words(x, top - 5, shortened(name, _OF_ONE))
        yield photograph(x, top, SIDE, Image.fromarray(picture))
    yield words(left, top + SIDE + LINE - 3, shortened(f"{number}.  {pair.words}", _OF_BOTH), MUTED)
