"""How figures look: type, marks, layout, and how they become bytes that are the same every time."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib.font_manager
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from skineval.base.scheme import FAINT, INK, MUTED, PALETTE, PAPER, WARNING, dark_rules
from skineval.base.svg import shortened
from skineval.grid.folder import FIGURES
from skineval.report.document import formatting, layout
from skineval.report.document.blocks import Figure, Topic
from skineval.report.figures.compact import compact

#: Beside the colour, so that lines can be told apart in print.
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1.2)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (9, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)
_MARKERS = "osD^vPX<p>h8"

_FONT = "DejaVu Sans"  # comes with matplotlib
_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "figure.facecolor": PAPER,
    "figure.titleweight": "bold",
    "font.family": _FONT,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "image.composite_image": False,
    "legend.borderaxespad": 0,
    "legend.borderpad": 0,
    "legend.frameon": False,
    "legend.labelspacing": 0.3,
    "lines.linewidth": 1.5,
    "savefig.facecolor": PAPER,
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
_LETTER, _BOLD = 0.0083, 0.0115  # inches a letter of one point takes, on average and with some to spare
_LINE = 1.25 / 72  # inches a line of one point takes
_EDGE = 0.01  # of the width of a figure, that stays free at either side
_CLIP = rb'(?<=[#"])p[0-9a-f]{10}(?=[)"])'
_QUALITY = 88  # of the JPEG that photographs become


@dataclass(frozen=True)
class Page:
    """What a figure is drawn for. Letters are smallest in the figure, and never below 9 CSS pixels on the screen."""

    width: float  #: inches of the figure, each 96 CSS pixels
    letters: float  #: points of nearly all text
    name: int  #: letters of a system's name on one line


WIDE = Page(9.0, 9.3, 26)  #: shown in full from 900 pixels on, and down to 700 pixels with letters that can be read
NARROW = Page(3.75, 7.2, 18)  #: for a window of 400 pixels
SQUARE = Page(5.0, 9.5, 26)  #: for what need not be wide, and serves both


@dataclass(frozen=True)
class Drawn:
    """A figure with the content of its files."""

    figure: Figure
    files: Mapping[str, bytes]  #: by path below the bench folder


@dataclass(frozen=True)
class Look:
    """What tells one system from the others, in every figure: colour, dashes and marker."""

    color: str
    dashes: Any
    marker: str
    hollow: bool = False

    @property
    def line(self) -> dict[str, Any]:
        """How its lines are drawn."""
        return {"color": self.color, "linestyle": self.dashes}

    @property
    def point(self) -> dict[str, Any]:
        """How its points are drawn."""
        filling = PAPER if self.hollow else self.color
        return {"color": self.color, "marker": self.marker, "markerfacecolor": filling, "markeredgecolor": self.color}


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A look for each system; the first 24 have no marker in common, filled and hollow ones taken as two."""
    n, m = len(PALETTE), len(_MARKERS)
    return {
        name: Look(PALETTE[k % n], DASHES[(k + k // n) % len(DASHES)], _MARKERS[k % m], k // m % 2 == 1)
        for k, name in enumerate(names)
    }


@contextmanager
def styled(page: Page = WIDE) -> Iterator[None]:
    """Figures made inside look like ours, whatever the user's matplotlibrc says; nothing outside is changed."""
    size = page.letters
    sizes = {
        "font.size": size,
        "axes.labelsize": size,
        "axes.titlesize": size + 0.5,
        "figure.titlesize": size + 1.7,
        "legend.fontsize": size,
        "legend.title_fontsize": size,
        "xtick.labelsize": size,
        "ytick.labelsize": size,
    }
    with matplotlib.style.context(["default", _STYLE | sizes]):
        yield


def drawn(
    topic: Topic,
    title: str,
    caption: str,
    alt: str,
    paint: Callable[[Page], Canvas],
    system: str = "",
    pages: Sequence[Page] = (WIDE, NARROW),
) -> Drawn:
    """The figure of a topic, or of one system in it, on each of one or two pages, the narrow one last."""
    stem = f"{FIGURES}/{topic}{_file_name(system)}"
    names = [f"{stem}{'-narrow' * (page is NARROW)}.svg" for page in pages]
    files = {}
    for name, page in zip(names, pages, strict=True):
        with styled(page):
            files[name] = encoded(paint(page))
    return Drawn(Figure(names[0], title, caption, alt, topic, system, narrow="".join(names[1:])), files)


def _file_name(system: str) -> str:
    """What the files of a system are called by; a hash keeps apart names that differ only in what none can hold."""
    digest = hashlib.sha256(system.encode()).hexdigest()[:6]
    return f"-{re.sub(r'[^a-z0-9._]+', '-', system.lower()).strip('-.')[:60]}-{digest}" if system else ""


def canvas(page: Page, height: float, title: str, stamps: Sequence[str]) -> Canvas:
    """An empty figure with its title, and with the stamps in red above and below; both add to its height in inches."""
    marks = "".join(f" [{formatting.stamp_word(stamp)}]" for stamp in stamps)
    heading = wrapped(f"{title}{marks}", page.width, page.letters + 1.7, bold=True)
    meaning = wrapped("; ".join(formatting.stamp_meaning(stamp) for stamp in stamps), page.width, page.letters)
    lines = len(heading.splitlines()) * (page.letters + 1.7) + len(meaning.splitlines()) * page.letters
    figure = Canvas(figsize=(page.width, height + 0.1 + lines * _LINE))
    figure.suptitle(heading, x=_EDGE, ha="left", color=WARNING if marks else INK)
    if stamps:
        figure.supxlabel(meaning, color=WARNING, fontsize=page.letters, x=_EDGE, ha="left")
    return figure


def wrapped(words: str, width: float, size: float, *, bold: bool = False) -> str:
    """Words in lines that fit into `width` inches at `size` points."""
    return textwrap.fill(drawable(words), fitting(width, size, bold=bold))


def class_lines(label: str, width: float, size: float) -> str:
    """The name of a class on lines that fit into `width` inches at `size` points, broken where its parts meet.

    One that would take more than about four lines is shortened. Such names have small letters, which are narrow enough
    for that in bold, too.
    """
    letters = fitting(width, size)
    return layout.wrapped(shortened(drawable(label), 4 * letters - 8), letters)


def further_lines(names: Iterable[str], size: float) -> float:
    """Inches that the tallest of these names adds to one line of `size` points."""
    return max((name.count("\n") for name in names), default=0) * size * _LINE


def fitting(width: float, size: float, *, bold: bool = False) -> int:
    """How many letters of `size` points fit into `width` inches."""
    return max(8, int(width / (size * (_BOLD if bold else _LETTER))))


def filled(axes: Any, items: Sequence[Any]) -> Iterator[tuple[Axes, Any]]:
    """Panels with what they show; those left over are hidden."""
    panels = axes.ravel().tolist()
    for panel in panels[len(items) :]:
        panel.set_visible(False)
    yield from zip(panels, items, strict=False)


def unit_axis(axis: Any) -> None:
    """Ticks at 0, 0.5 and 1: short, so that those of neighbouring panels do not meet."""
    axis.set_ticks([0, 0.5, 1], ["0", "0.5", "1"])


def round_ticks(axis: Any, n: int = 5) -> None:
    """About `n` ticks at round values, written without needless digits."""
    axis.set_major_locator(MaxNLocator(n, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(value, 6):g}"))


def round_limits(low: float, high: float, n: int = 5, least: float = 0.0) -> tuple[float, float]:
    """The round values that enclose both, no lower than `least` and no higher than 1."""
    ticks = MaxNLocator(n, steps=[1, 2, 5, 10]).tick_values(low, high)
    return max(least, float(ticks[0])), min(1.0, float(ticks[-1]))


def handle(look: Look) -> Line2D:
    """What stands for a system in a legend."""
    return Line2D([], [], markersize=5, **(look.point | look.line))


def star(size: float) -> dict[str, Any]:
    """What marks the best of several points."""
    return {"marker": "*", "markersize": size, "color": INK, "markeredgecolor": PAPER, "linestyle": "none"}


def encoded(figure: Canvas) -> bytes:
    """The figure as SVG that follows its reader's preference for dark pages: the same figure gives the same bytes."""
    lay_out(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "skineval"})
    svg = re.sub(rb"data:image/png;base64,\s*([\w+/=\s]+)", _as_jpeg, buffer.getvalue())
    # The last bits of a layout depend on where things lie in memory: drawings are rounded, but clips are named by them.
    clips: dict[bytes, bytes] = {}
    svg = re.sub(_CLIP, lambda found: clips.setdefault(found[0], b"clip%d" % len(clips)), svg)
    svg = svg.replace(b"</defs>", dark_rules().encode() + b"</defs>", 1)
    return compact(svg.decode()).encode()


def lay_out(figure: Canvas) -> None:
    """Make room for all words: a figure with an engine of its own would be laid out twice, and drawn once for it."""
    ConstrainedLayoutEngine(rect=(_EDGE / 2, 0, 1 - _EDGE, 1)).execute(figure)  # it adds as much of its own


def drawable(value: object) -> str:
    """`value` as one line that the font has letters for; matplotlib warns of others, and hides labels that begin _."""
    known = _letters()
    shown = "".join(letter if ord(letter) in known else "?" for letter in formatting.plain(value))
    return f" {shown}" if shown.startswith("_") else shown


def name_lines(system: str, width: int = WIDE.name) -> str:
    """A system's name on short lines: the model above its strategy, broken where they must be.

    What tells two apart may stand anywhere in their names: they are shortened only where they need over three lines.
    """
    name = drawable(system)
    if len(name) <= width:
        return name
    model, slash, imbalance = name.rpartition("/")
    parts = filter(None, (model + slash, imbalance))
    return "\n".join(layout.wrapped(shortened(part, 3 * width - 8), width) for part in parts)


def photograph(axes: Axes, picture: Any, color: str, width: float) -> None:
    """A picture (h, w, 3) uint8 as it is, in a frame of one colour, `width` points on all sides."""
    axes.imshow(picture, interpolation="none")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=color, linewidth=width)


def _as_jpeg(found: re.Match[bytes]) -> bytes:
    # matplotlib embeds pictures as PNG, in which photographs are ten times as large.
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as image:
        image.convert("RGB").save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return b"data:image/jpeg;base64," + base64.b64encode(buffer.getvalue())


@cache
def _letters() -> frozenset[int]:
    font = matplotlib.font_manager.get_font(matplotlib.font_manager.findfont(_FONT))
    return frozenset(font.get_charmap())
