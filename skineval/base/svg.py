"""Photographs and words as an SVG that is read on light and on dark pages; figures with axes are matplotlib's."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from skineval.base.scheme import INK, PAPER, dark_rules

if TYPE_CHECKING:
    from PIL import Image

LETTERS = 13.5  #: pixels of a letter; shown at 0.7 of its size, on a page of 400 pixels, it has 9
LINE = 18  #: pixels of a line of text


def document(title: str, width: float, height: float, parts: Iterable[str]) -> bytes:
    """An SVG of so many CSS pixels: the same parts give the same bytes."""
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    letters = f'font-family="system-ui, sans-serif" font-size="{LETTERS}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {letters}>',
            f"<title>{plain(title)}</title>",
            dark_rules(),
            f'<rect width="{width:g}" height="{height:g}" style="fill:{PAPER}"/>',
            *parts,
            "</svg>\n",
        ]
    ).encode()


def words(x: float, y: float, text: str, color: str = INK, *, weight: str = "normal", anchor: str = "start") -> str:
    """One line of text, shown literally; `y` is that of its base line."""
    look = f'text-anchor="{anchor}" font-weight="{weight}" style="fill:{color}"'
    return f'<text x="{x}" y="{y}" {look}>{plain(text)}</text>'


def photograph(x: float, y: float, side: float, picture: Image.Image, kind: str = "JPEG", name: str = "") -> str:
    """A picture, stretched to a square; `name` is what `<use>` calls it by."""
    place = f'x="{x}" y="{y}" width="{side}" height="{side}"'
    called = f'id="{name}" ' if name else ""
    return f'<image {called}{place} preserveAspectRatio="none" href="{_embedded(picture, kind)}"/>'


def plain(text: str) -> str:
    """Text as XML that shows it literally, without control characters, which it cannot hold."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))


def shortened(text: str, most: int) -> str:
    """Text with its middle left out where there are too many letters."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - half]}…{text[-half:]}"


def _embedded(picture: Image.Image, kind: str) -> str:
    """A picture as a data URI."""
    buffer = io.BytesIO()
    options = {"quality": 90, "subsampling": 0} if kind == "JPEG" else {"optimize": True}
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
