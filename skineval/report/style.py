"""How figures look: palette, type, layout, and how they become bytes that are the same every time."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import matplotlib.font_manager
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from skineval.report import text
from skineval.report.document import Figure

FOLDER = "figures"  #: where figures lie in the bench folder

INK = "#1f2933"
MUTED = "#6b7785"
FAINT = "#d9dee4"
WARNING = "#a8231b"
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
#: Okabe and Ito's colours, without the yellow that is lost on white; told apart by all common kinds of colour vision.
PALETTE = (BLUE, VERMILLION, GREEN, "#CC79A7", "#E69F00", "#56B4E9")
#: Beside the colour, so that lines can be told apart in print.
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1.2)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (9, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)
MARKERS = "osD^vP"

_FONT = "DejaVu Sans"  # comes with matplotlib
_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "font.family": _FONT,
    "font.size": 8.5,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "savefig.dpi": 110,
    "svg.fonttype": "path",
    "svg.hashsalt": "skineval",
    "text.color": INK,
    # A name may hold a dollar sign.
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}
_NAME_WIDTH = 26
_TITLE_LETTER, _NOTE_LETTER = 0.112, 0.075  # inches a letter takes, on average and with some to spare
_METADATA: dict[str, dict[str, str | None]] = {"svg": {"Date": None, "Creator": "skineval"}, "png": {"Software": None}}


@dataclass(frozen=True)
class Drawn:
    """A figure with the content of its file."""

    figure: Figure
    data: bytes


@dataclass(frozen=True)
class Look:
    """What tells one line from the others: colour, dashes and marker."""

    color: str
    dashes: Any
    marker: str


def looks(n: int) -> list[Look]:
    """Looks for `n` lines, at most as many as can be told apart."""
    return [Look(*parts) for parts in zip(PALETTE[:n], DASHES[:n], MARKERS[:n], strict=True)]


@contextmanager
def styled() -> Iterator[None]:
    """Figures made inside look like ours, whatever the user's matplotlibrc says; nothing outside is changed."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def canvas(width: float, height: float, title: str, stamps: Sequence[str]) -> Canvas:
    """An empty figure in inches, with its title, and with the stamps in red above and below."""
    figure = Canvas(figsize=(width, height))
    marks = "".join(f" [{text.stamp_word(stamp)}]" for stamp in stamps)
    figure.suptitle(
        textwrap.fill(drawable(f"{title}{marks}"), int(width / _TITLE_LETTER)),
        x=0.01,
        ha="left",
        color=WARNING if marks else INK,
    )
    if stamps:
        meaning = "; ".join(text.stamp_meaning(stamp) for stamp in stamps)
        words = textwrap.fill(drawable(meaning), int(width / _NOTE_LETTER))
        figure.supxlabel(words, color=WARNING, fontsize=8, x=0.01, ha="left")
    return figure


def filled(axes: Any, items: Sequence[Any]) -> Iterator[tuple[Axes, Any]]:
    """Panels with what they show; those left over are hidden."""
    panels = axes.ravel().tolist()
    for panel in panels[len(items) :]:
        panel.set_visible(False)
    yield from zip(panels, items, strict=False)


def encoded(figure: Canvas, format: Literal["svg", "png"]) -> bytes:
    """The figure as a file: the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=format, metadata=_METADATA[format], facecolor="white")
    return buffer.getvalue()


def drawable(value: object) -> str:
    """`value` as one line that the font has letters for; matplotlib warns of others, and hides labels that begin _."""
    known = _letters()
    shown = "".join(letter if ord(letter) in known else "?" for letter in text.plain(value))
    return f" {shown}" if shown.startswith("_") else shown


def name_lines(system: str) -> str:
    """A system's name on one or two short lines: the model above its strategy, each shortened where it must be."""
    name = drawable(system)
    if len(name) <= _NAME_WIDTH:
        return name
    model, slash, imbalance = name.partition("/")
    return "\n".join(shortened(part) for part in (model + slash, imbalance) if part)


def shortened(name: str, width: int = _NAME_WIDTH) -> str:
    """`name` with its middle left out where it is too long: its parameters stand at its end."""
    if len(name) <= width:
        return name
    half = (width - 1) // 2
    return f"{name[: width - 1 - half]}…{name[-half:]}"


def framed(axes: Axes, color: str) -> None:
    """Make a picture's frame speak: all four sides in one colour, no ticks."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=color, linewidth=2.2)


@cache
def _letters() -> frozenset[int]:
    font = matplotlib.font_manager.get_font(matplotlib.font_manager.findfont(_FONT))
    return frozenset(font.get_charmap())
