"""The ratios as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes

from benchmarks.speed.rounds import Result, ratios
from skineval.base.scheme import BLUE, MUTED, VERMILLION
from skineval.report.figures import style

LIMIT = "bare step"


def draw(results: Sequence[Result]) -> bytes:
    """An SVG with a panel for each case: how many times as fast as each side skineval trains, median and range."""
    sides = max(len(result.sides) - 1 for result in results)
    with style.styled():
        height = 0.5 + (0.75 + 0.28 * sides) * len(results)
        figure = style.canvas(style.WIDE, height, "How many times as fast skineval trains", ())
        axes = figure.subplots(len(results), 1, sharex=True, squeeze=False)[:, 0]
        for panel, result in zip(axes, results, strict=True):
            _panel(panel, result)
        # Once for all panels, which share the axis: the first to be told its end would keep the others out.
        axes[0].set_xlim(0, 1.08 * max(farthest(result) for result in results))
        axes[-1].set_xlabel("images per second of skineval / of the side: median, min to max over the rounds")
        return style.encoded(figure)


def farthest(result: Result) -> float:
    """The largest ratio of a case."""
    return max(max(ratios(result.sides[-1], one)) for one in result.sides[:-1])


def _panel(panel: Axes, result: Result) -> None:
    ours, others = result.sides[-1], result.sides[:-1]
    names = []
    for place, one in enumerate(others):
        values = ratios(ours, one)
        middle = statistics.median(values)
        color = VERMILLION if one.side.name == LIMIT else BLUE
        panel.plot([min(values), max(values)], [place, place], color=color)
        panel.plot([middle], [place], "o", color=color, markersize=6)
        panel.annotate(f"{middle:.2f}", (max(values), place), xytext=(6, 0), textcoords="offset points", va="center")
        names.append(style.drawable(f"{one.side.name} ({one.side.precision.partition(',')[0]})"))
    panel.axvline(1, color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.5, -0.5)
    case, precision = result.case, ours.side.precision.partition(",")[0]
    panel.set_title(
        style.drawable(f"{case.model}, {case.image_size} px, augmentation {case.augment}; skineval in {precision}")
    )
