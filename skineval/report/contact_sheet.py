"""Pairs of photographs side by side, for a person to judge at a glance."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from skineval.report import text
from skineval.scheme import INK, MUTED

SIDE = 224  #: pixels of one photograph
COLUMNS = 3
GAP, MARGIN, LINE = 4, 14, 19
FONT_SIZE = 14


@dataclass(frozen=True)
class Pictured:
    """Two photographs (h, w, 3) RGB with what is written above each of them, and below both."""

    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    names: tuple[str, str]
    words: str


def contact_sheet(pairs: Sequence[Pictured]) -> bytes:
    """A JPEG file with all pairs, numbered, from left to right and then from top to bottom."""
    columns = min(COLUMNS, len(pairs))
    width, height = 2 * SIDE + GAP + 2 * MARGIN, SIDE + 2 * LINE + 2 * MARGIN
    sheet = Image.new("RGB", (columns * width, -(-len(pairs) // columns) * height), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=FONT_SIZE)
    for place, pair in enumerate(pairs):
        left, top = place % columns * width + MARGIN, place // columns * height + MARGIN
        for side, (picture, name) in enumerate(zip(pair.pictures, pair.names, strict=True)):
            x = left + side * (SIDE + GAP)
            shown = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            sheet.paste(shown, (x, top + LINE))
            draw.text((x, top), fitted(text.plain(name), lambda words: draw.textlength(words, font), SIDE), INK, font)
        words = fitted(
            f"{place + 1}.  {text.plain(pair.words)}", lambda words: draw.textlength(words, font), 2 * SIDE + GAP
        )
        draw.text((left, top + LINE + SIDE + 2), words, MUTED, font)
    buffer = io.BytesIO()
    sheet.save(buffer, format="JPEG", quality=88)
    return buffer.getvalue()


def fitted(words: str, length: Callable[[str], float], width: float) -> str:
    """`words`, with their middle left out where they are longer than `width`."""
    kept = len(words)
    shown = words
    while length(shown) > width and kept > 2:
        kept -= 1
        shown = f"{words[: (kept + 1) // 2]}...{words[len(words) - kept // 2 :]}"
    return shown
