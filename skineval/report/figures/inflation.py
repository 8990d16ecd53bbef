"""By how much leaks raise balanced accuracy: of all test images, and apart for those with and without siblings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from skineval.base.scheme import INK, MUTED, PAPER, VERMILLION
from skineval.base.terms import LEAKY, LESION, PRIMARY
from skineval.grid.inflation import ALL, WITH, WITHOUT
from skineval.grid.leakage import Leakage
from skineval.report.document import formatting
from skineval.report.figures import forest, style
from skineval.report.figures.style import NARROW, Drawn, Page
from skineval.values.measures import Inflation

_TITLE = "What leaks add to balanced accuracy"
#: On which test images, with the colour, the marker and what fills it.
_LOOKS = MappingProxyType({ALL: (INK, "o", INK), WITH: (VERMILLION, "s", VERMILLION), WITHOUT: (MUTED, "D", PAPER)})
_APART = 0.24  #: of the room of a system, from one of its lines to the next


def draw(found: Leakage) -> Drawn | None:
    """The differences of leakage.csv in the primary metric, a panel for each leaky protocol; None without any."""
    mine = [row for row in found.inflations if row.metric == PRIMARY and not math.isnan(row.value)]
    if not mine:
        return None
    said = (
        f"{formatting.plain(row.system)} under {row.a} {formatting.format_estimate(row)}"
        for row in mine
        if row.images == ALL
    )
    return style.drawn(
        "inflation",
        _TITLE,
        f"The balanced accuracy of each system under a protocol that leaks minus the one under {LESION}, on the same "
        f"test images, with 95 % intervals: of all, and of those with siblings or copies in the leaky train part and "
        "those without, which leaks add nothing to.",
        f"Forest plot of differences: {'; '.join(said)}.",
        partial(_paint, found, mine),
    )


def _paint(found: Leakage, rows: Sequence[Inflation], page: Page) -> Canvas:
    protocols = list(dict.fromkeys(row.a for row in rows))
    systems = list(dict.fromkeys(row.system for row in rows))
    lines, columns = (len(protocols), 1) if page is NARROW else (1, len(protocols))
    inches = 0.75 + lines * (0.75 + 1.6 * forest.height(systems, page))
    figure = style.canvas(page, inches, _TITLE, found.stamps)
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False)
    for panel, protocol in style.filled(panels, protocols):
        mine = [row for row in rows if row.a == protocol]
        _lines(panel, systems, mine, page)
        panel.set_title(f"{protocol} ({LEAKY})")
        panel.set_xlabel(f"balanced accuracy, difference to {LESION}")
    shown = _shown(rows)
    handles = [Line2D([], [], **_point(images)) for images in shown]
    words = [f"{images} test images" if images == ALL else f"{images} in train" for images in shown]
    # Below what is written on the axis.
    panels[-1, 0].legend(handles, words, loc="upper left", bbox_to_anchor=(0, 0), borderaxespad=4.5)
    return figure


def _lines(panel: Axes, systems: Sequence[str], rows: Sequence[Inflation], page: Page) -> None:
    shown = _shown(rows)
    panel.axvline(0, color=MUTED, linewidth=1)
    for row in rows:
        place = systems.index(row.system) + _APART * (shown.index(row.images) - (len(shown) - 1) / 2)
        panel.plot([row.low, row.high], [place, place], color=_LOOKS[row.images][0], linewidth=2, solid_capstyle="butt")
        panel.plot(row.value, place, clip_on=False, **_point(row.images))
    known = [end for row in rows for end in (0, row.value, row.low, row.high) if not math.isnan(end)]
    panel.set_xlim(style.round_limits(min(known), max(known), 4, least=-1.0))
    style.round_ticks(panel.xaxis, 4)
    forest.lines(panel, systems, page)


def _shown(rows: Sequence[Inflation]) -> list[str]:
    return [images for images in _LOOKS if any(row.images == images for row in rows)]


def _point(images: str) -> dict[str, Any]:
    color, marker, filling = _LOOKS[images]
    return {"linestyle": "none", "marker": marker, "markersize": 4.8, "color": color, "markerfacecolor": filling}
