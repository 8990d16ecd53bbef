"""Heatmaps as a picture: original, heatmap and overlay of a few images, with all that one must know to read them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skineval.base.scheme import FAINT, INK, MUTED, WARNING
from skineval.base.svg import LETTERS, LINE, document, photograph, shortened, words
from skineval.catalog.specs import Grid

#: CSS pixels.
PANEL, GAP, MARGIN, TOP = 160, 10, 10, 22
WIDTH = 3 * PANEL + 2 * GAP + 2 * MARGIN
_LETTERS = 56  # of a bold line
_OPACITY = 0.45  # of the overlay where relevance is largest: the lesion stays visible
_FLAT = 1e-3  # of the maximum; what varies by less is rounding
_COARSE = 4  # positions a side up to which a map cannot follow a lesion's outline


@dataclass(frozen=True, eq=False)
class Example:
    """An image with what a network says of it, and why."""

    image_id: str
    predicted: str
    probability: float
    image: NDArray[np.uint8]  #: (H, W, 3) RGB, as the network sees it
    values: NDArray[np.float32]  #: (H, W), >= 0: the relevance of each pixel
    speaks_for: str  #: what its map is of, as in "nv" or "nv against mel"
    reference: str = ""  #: the class that it is of; "" where nobody knows
    reference_probability: float = math.nan
    mask: NDArray[np.bool_] | None = None  #: (M, M), True on the lesion; None where nobody has drawn it

    @property
    def wrong(self) -> bool:
        """Whether the prediction is another than the reference standard, as far as that is known."""
        return self.reference not in ("", self.predicted)

    @property
    def words(self) -> str:
        """What was predicted, and what it should have been."""
        said = f"predicted {self.predicted} {self.probability:.2f}"
        if self.wrong:
            return f"✗ wrong: {said}, reference {self.reference} {self.reference_probability:.2f}"
        return f"✓ right: {said}" if self.reference else said

    @property
    def silence(self) -> str:
        """Why the map has nothing to show; empty where it has."""
        return silence(self.values, self.speaks_for)


def silence(values: NDArray[np.float32], of: str) -> str:
    """Why a map (H, W) of the class `of` has nothing to show; empty where it has."""
    peak = float(values.max())
    if peak == 0:
        return f"The map is zero everywhere: nothing in it speaks for {of}."
    if peak - float(values.min()) <= _FLAT * peak:
        return "The map is the same everywhere: it does not say where the network looked."
    return ""


def gallery(
    title: str,
    groups: Mapping[str, Sequence[Example]],
    grid: Grid | None = None,
    stamps: Sequence[str] = (),
    *,
    of: str,
) -> bytes:
    """An SVG of one block an image, those of each group below what it is called: the same give the same bytes.

    `grid` are the positions of the maps before they were enlarged, None where they were not. `stamps` stand above, in
    red: a gallery says them wherever it is copied to. `of` says of what maps are, as in "for the predicted class".
    """
    examples = [one for group in groups.values() for one in group]
    parts: list[str] = []
    y = TOP
    for line, color, weight in _heading(title, examples, grid, stamps):
        parts.append(words(MARGIN, y, line, color, weight=weight))
        y += LINE
    for column, name in enumerate(("original", "heatmap", "overlay")):
        parts.append(words(_left(column) + PANEL / 2, y + 4, name, MUTED, anchor="middle"))
    y += 12
    for name, group in groups.items():
        if name:
            parts.append(words(MARGIN, y + LINE, name, MUTED))
            y += LINE + 10
        for example in group:
            parts += _block(example, y)
            y += PANEL + (1 + len(_lines(example.words))) * LINE + 18
    y += 6
    heat = any(not one.silence for one in examples)
    parts += _legend(y, f"relevance {of}:" if heat else "", any(one.mask is not None for one in examples))
    return document(title, WIDTH, y + 2 * LINE + 4, parts)


def _heading(
    title: str, examples: Sequence[Example], grid: Grid | None, stamps: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Lines above the images: text, colour, weight."""
    if stamps:
        yield " ".join(f"[{stamp}]" for stamp in stamps), WARNING, "bold"
    for line in _lines(title):
        yield line, INK, "bold"
    if grid is None or not examples:
        return
    for line in textwrap.wrap(enlargement(grid, examples[0].values), 74):
        yield line, MUTED, "normal"


def enlargement(grid: Grid, values: NDArray[np.float32]) -> str:
    """A sentence on how far maps of the positions `grid` were enlarged to `values` (H, W)."""
    if grid.rows == grid.columns == 1:
        return "The network's last map has a single position: it cannot say where it looked."
    height, width = values.shape
    coarse = ", too coarse to follow a lesion's outline" if min(grid.rows, grid.columns) <= _COARSE else ""
    where = f", {grid.where}" if grid.where else ""
    return f"Maps of {grid.rows} × {grid.columns} positions{where}, enlarged to {height} × {width} pixels{coarse}."


def _block(example: Example, y: int) -> Iterator[str]:
    """The panels of one image, and below them what was said of it."""
    original = f'<use href="#at{y}" x="{_left(2) - _left(0)}"/>'
    yield photograph(_left(0), y, PANEL, Image.fromarray(example.image), name=f"at{y}")
    if example.silence:
        yield f'<rect x="{_left(1)}" y="{y}" width="{PANEL}" height="{PANEL}" style="fill:none;stroke:{FAINT}"/>'
        lines = textwrap.wrap(example.silence, 20, break_long_words=True)
        top = y + (PANEL - LINE * len(lines)) / 2 + LETTERS
        for place, line in enumerate(lines):
            yield words(_left(1) + PANEL / 2, top + LINE * place, line, anchor="middle")
        yield original
    else:
        yield photograph(_left(1), y, PANEL, heat(example.values), "PNG")
        yield original
        yield photograph(_left(2), y, PANEL, heat(example.values, _OPACITY), "PNG")
    if example.mask is not None:
        outline = _outline(example.mask)
        for column in (2,) if example.silence else (1, 2):
            yield _line_of(f'transform="translate({_left(column)} {y})" d="{outline}"')
    color = WARNING if example.wrong else INK
    said = _lines(example.words)
    for place, line in enumerate(said):
        yield words(MARGIN, y + PANEL + (1 + place) * LINE, line, color, weight="bold")
    yield words(MARGIN, y + PANEL + (1 + len(said)) * LINE, shortened(example.image_id, 62), MUTED)


def _lines(text: str) -> list[str]:
    """Bold text on lines that fit; where one is not enough, the reference has its own."""
    parts = [text] if len(text) <= _LETTERS else text.replace(", reference", ",\nreference").split("\n")
    return [line for part in parts for line in textwrap.wrap(part, _LETTERS, break_on_hyphens=False)]


def _legend(y: int, relevance: str, outline: bool) -> Iterator[str]:
    """The colour bar, and what the line is."""
    if relevance:
        stops = "".join(
            f'<stop offset="{share}" stop-color="#{red:02x}{green:02x}{blue:02x}"/>'
            for share in np.linspace(0, 1, 9).round(3)
            for red, green, blue in [viridis()[int(255 * share)]]
        )
        yield f'<linearGradient id="heat">{stops}</linearGradient>'
        yield words(MARGIN, y, relevance, MUTED)
        yield words(_left(1) + 108, y, "none", MUTED, anchor="end")
        yield f'<rect x="{_left(1) + 114}" y="{y - 10}" width="86" height="11" fill="url(#heat)"/>'
        yield words(_left(2) + PANEL, y, "most in the image", MUTED, anchor="end")
    if outline:
        yield _line_of(f'd="M{MARGIN} {y + LINE - 4.5}h24"')
        yield words(MARGIN + 32, y + LINE, "outline of the lesion, from its mask", MUTED)


def heat(values: NDArray[np.float32], opacity: float | None = None) -> Image.Image:
    """A map in colours, scaled to its own maximum; with `opacity`, the less relevant the more transparent."""
    picture = Image.fromarray((values / values.max() * 255).astype(np.uint8)).convert("P", dither=Image.Dither.NONE)
    picture.putpalette(viridis().tobytes())
    if opacity is not None:
        picture.info["transparency"] = bytes(int(opacity * level) for level in range(256))
    return picture


@cache
def viridis() -> NDArray[np.uint8]:
    """(256, 3) RGB: even in lightness, safe for the colour-blind."""
    from matplotlib import colormaps  # a second to import, and cells without explainers need none

    table: NDArray[np.uint8] = (colormaps["viridis"](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8)
    return table


def _outline(mask: NDArray[np.bool_]) -> str:
    """The border of a mask as a path in pixels of a panel; closed at the border of the image."""
    from contourpy import contour_generator

    side = len(mask)
    lines = contour_generator(z=np.pad(mask, 1).astype(float)).lines(0.5)
    path = []
    for line in lines:
        points = np.clip(np.asarray(line) - 0.5, 0, side) * (PANEL / side)
        path.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
    return "".join(path)


def _line_of(path: str) -> str:
    """A line that is light on dark, so that it is seen on any skin and in any map."""
    both = ('stroke="#000000" stroke-opacity="0.6" stroke-width="3.2"', 'stroke="#ffffff" stroke-width="1.4"')
    return "".join(f'<path {path} fill="none" stroke-linejoin="round" {stroke}/>' for stroke in both)


def _left(column: int) -> int:
    return MARGIN + column * (PANEL + GAP)
