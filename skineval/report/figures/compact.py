"""What matplotlib draws as SVG, in half of the letters: a page holds dozens of figures."""

from __future__ import annotations

import re
from functools import cache

_PLACES = 2  #: decimals of a point, which is a seventy-second of an inch, or of what is scaled down still further
_LONG = 8  #: more straight lines than these are a curve, of whose points one decimal is written
_SMALLEST = 1  #: what is less is a factor, and stays as it is
_LONGER = re.compile(r"-?\d+\.\d{3,}")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_PLACED = re.compile(r'(?<= )(x|y|width|height|transform)="([^"]*)"')
_PATH = re.compile(r'(?<= )d="([^"]*)"')
_STYLE = re.compile(r'(?<= )style="[^"]*"')
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_LINKS = re.compile(r'xmlns:xlink="[^"]*" |(?<= )xlink:(?=href=")')  # SVG 2 has links of its own
_GROUP = re.compile(r'(?<=<g) id="[A-Za-z.\d]+_\d+"')  # which nothing refers to
_GLYPH = re.compile(r'(?<=["#])DejaVuSans(?:-([A-Z])[A-Za-z]*)?-(?=[0-9a-f]+")')
_OUTLINE = re.compile(r'(?<= )d="([^"]*)" transform="scale\(0\.015625\)"')  # of a glyph: 6400 units are its font's size
_COARSER = 16  #: of these units are one of those that are written
_MOVED = re.compile(r'transform="translate\((-?[\d.]+)[ ,](-?[\d.]+)\)"(?=/>)')  # a glyph in its word
_QUOTED = re.compile(r"""="([^"'<>]*)"(?=[ />])""")


def compact(svg: str) -> str:
    """The same drawing without metadata, names of groups and needless spaces, rounded, its glyphs renamed.

    Coordinates are rounded to a hundredth of a point, those of curves of many points to a tenth, places of letters in
    their word to a hundredth of their size, and outlines to a quarter of that. Comments stay: what is drawn as outlines
    stands there in words, stamps among them. Commas stand where spaces did, and apostrophes where quotes did, which a
    data URI in a list of sources would have to escape.
    """
    for what in (_METADATA, _LINKS, _GROUP):
        svg = what.sub("", svg)
    svg = _PATH.sub(_drawn, _OUTLINE.sub(_outlined, svg))
    svg = _PLACED.sub(_shortened, svg)
    svg = _STYLE.sub(lambda found: re.sub(r"(?<=[:;]) ", "", found[0]), svg)
    svg = _GLYPH.sub(lambda found: f"{found[1] or ''}g", _MOVED.sub(_at, svg))
    return _QUOTED.sub(r"='\1'", _ungrouped(re.sub(r">\s+<", "><", svg)))


def _ungrouped(svg: str) -> str:
    """Without groups that say nothing of what is in them, or hold nothing."""
    kept, groups = [], []
    for piece in re.split(r"(<g(?: [^>]*)?>|</g>)", svg.replace("<g/>", "")):
        if piece.startswith("<g"):
            groups.append(piece)
        if (groups.pop() if piece == "</g>" else piece) != "<g>":
            kept.append(piece)
    return "".join(kept)


def _at(found: re.Match[str]) -> str:
    x, y = (round(float(value)) for value in found.groups())
    return f'x="{x}"' + (f' y="{y}"' if y else "")


def _drawn(found: re.Match[str]) -> str:
    return f'd="{_path(found[1], 1 if found[1].count("L") > _LONG else _PLACES)}"'


def _outlined(found: re.Match[str]) -> str:
    return f'd="{_outline(found[1])}" transform="scale({_COARSER / 64:g})"'


@cache
def _outline(path: str) -> str:
    return _path(path, 0, _COARSER)


def _path(path: str, places: int, unit: float = 1) -> str:
    """`path`, each point from where the pen was, in `unit`s with so many decimals: errors do not add up.

    What has steps already stays as it is.
    """
    if re.search("[a-df-y]", path):
        return path
    factor = 10**places / unit
    written = []
    pen = start = (0, 0)
    for command, numbers in re.findall(r"([A-Z]|z)([^A-Zz]*)", path):
        values = [round(float(number) * factor) for number in _NUMBER.findall(numbers)]
        points = list(zip(values[::2], values[1::2], strict=True))
        steps = [(x - pen[0], y - pen[1]) for x, y in points]
        pen = points[-1] if points else start
        start = pen if command == "M" else start
        across_and_down = [_written(value / 10**places, places) for step in steps for value in step]
        if command == "L" and not all(steps[0]):
            written += [f"{way}{far}" for way, far in zip("hv", across_and_down, strict=True) if far != "0"]
        else:
            written.append(command.lower() + ",".join(across_and_down).replace(",-", "-"))
    return "".join(written)


def _written(value: float, places: int) -> str:
    """With so many decimals at most, in as few letters as say it."""
    text = f"{value:.{places}f}"
    text = text.rstrip("0").rstrip(".") if places else text
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _shortened(found: re.Match[str]) -> str:
    name, value = found[1], _LONGER.sub(_rounded, found[2].strip())
    if name == "transform":
        value = re.sub(r"(?<=\d)\s+(?=[-\d])", ",", value).replace(") ", "),")
    return f'{name}="{value}"'


def _rounded(found: re.Match[str]) -> str:
    value = float(found[0])
    return found[0] if abs(value) < _SMALLEST else _written(value, _PLACES)
