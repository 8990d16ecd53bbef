"""What matplotlib draws as SVG, in three quarters of the letters: a page holds dozens of figures."""

from __future__ import annotations

import re

_PLACES = 2  #: decimals of a point, which is a seventy-second of an inch, or of what is scaled down still further
_SMALLEST = 1  #: what is less is a factor, or part of the outline of a mark, and stays as it is
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_PLACED = re.compile(r'(?<= )(d|x|y|width|height|transform)="([^"]*)"')
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_GLYPH = re.compile(r'(?<=["#])DejaVuSans(?:-([A-Z])[A-Za-z]*)?-(?=[0-9a-f]+")')


def compact(svg: str) -> str:
    """The same drawing without metadata and needless spaces, its coordinates rounded and its glyphs renamed.

    Comments stay: what is drawn as outlines of letters stands there in words, stamps among them. Commas stand where
    spaces did, which a data URI in a list of sources would have to escape.
    """
    placed = _PLACED.sub(_shortened, _METADATA.sub("", svg))
    return re.sub(r">\s+<", "><", _GLYPH.sub(lambda found: f"{found[1] or ''}g", placed))


def _shortened(found: re.Match[str]) -> str:
    name, value = found[1], _NUMBER.sub(_rounded, found[2])
    if name == "d":
        value = re.sub(r"\s*([A-Za-z])\s*", r"\1", value)
    if name in ("d", "transform"):
        value = re.sub(r"(?<=\d)\s+(?=[-\d])", ",", value).replace(") ", "),")
    return f'{name}="{value}"'


def _rounded(found: re.Match[str]) -> str:
    value = float(found[0])
    return found[0] if abs(value) < _SMALLEST else f"{value:.{_PLACES}f}".rstrip("0").rstrip(".")
