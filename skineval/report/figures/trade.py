"""What imbalance strategies trade: the recall of rare classes against calibration, a panel for each model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from skineval.base.scheme import MUTED, PAPER
from skineval.base.svg import shortened
from skineval.base.terms import UNCHANGED
from skineval.measure.rarity import TAIL_RECALL
from skineval.report.bench.ladders import Ladder
from skineval.report.document import formatting
from skineval.report.figures import style
from skineval.report.figures.scene import Scene, grid
from skineval.report.figures.style import NARROW, Drawn, Page
from skineval.values.measures import Estimate

_FEW = 6  #: strategies of a model that have their names beside their points; of more, each has a number
_HEIGHT = 3.6  # inches of a panel
_RINGS = 3  # of places for a name around its point
_SIDES = (
    (1, 1),
    (-1, 1),
    (1, -1),
    (-1, -1),
    (1, 0),
    (-1, 0),
    (0, 1),
    (0, -1),
    (1, 0.5),
    (-1, 0.5),
    (0.5, 1),
    (-0.5, 1),
)
_POINT = 4.0  # points from the middle of a marker to its edge
#: How much worse a place is that is outside its panel, covers a point or a name, is a ring further or on an interval.
_OUTSIDE, _COVERED, _RING, _CROSSED = 1000, 40, 4, 1
_DASHES = (0, (4, 2))


class _Box(NamedTuple):
    """A rectangle, in points of the page."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )


def draw(scene: Scene, ladders: Sequence[Ladder]) -> Drawn:
    """A panel for each model with the strategies that have both figures; `none` is where two dashed lines meet."""
    numbered = _numbers(ladders)
    named = " A number stands for the strategy that it has above the panels." if numbered else ""
    n = sum(len(one.order) for one in ladders)
    return style.drawn(
        "trade",
        "What strategies trade",
        "Mean recall of the rare classes against the expected calibration error, both with 95 % intervals, of every "
        f"strategy of a model; dashed: what {UNCHANGED} has. What lies higher finds more of the rare classes; the "
        f"probabilities of what lies further to the left can rather be taken at their word.{named}",
        f"Mean recall of the rare classes by expected calibration error: {formatting.plural(n, 'system')} of "
        f"{formatting.plural(len(ladders), 'model')}, a point each.",
        partial(_paint, scene, ladders, numbered),
    )


def _numbers(ladders: Sequence[Ladder]) -> dict[str, int]:
    """The number of each strategy where they are too many for names: the same for all models; `none` keeps its own."""
    strategies = dict.fromkeys(name for ladder in ladders for name in ladder.order if name != UNCHANGED)
    return {name: at for at, name in enumerate(strategies, 1)} if len(strategies) >= _FEW else {}


def _paint(scene: Scene, ladders: Sequence[Ladder], numbered: Mapping[str, int], page: Page) -> Canvas:
    lines, columns = grid(len(ladders), 1 if page is NARROW else 2)
    titles = {one.model: style.name_lines(one.model, 2 * page.name // columns) for one in ladders}
    panes = lines * (_HEIGHT + style.further_lines(titles.values(), page.letters + 0.5))
    words = 2 if page is NARROW else 3
    legend = math.ceil(len(numbered) / words) * page.letters * 1.4 / 72 + 0.1
    gap = 0.12  # above the stamps, for which subfigures leave none
    figure = style.canvas(page, legend + panes + gap, "What strategies trade", scene.board.stamps)
    stacked: Any = figure.subfigures(3, 1, height_ratios=[legend, panes, gap])
    if numbered:
        letters = style.fitting(page.width / words - 0.4, page.letters)
        names = [f"{n}  {shortened(style.drawable(name), letters)}" for name, n in numbered.items()]
        stacked[0].legend(
            [_mark(scene, ladders, name) for name in numbered],
            names,
            ncols=words,
            handlelength=1 if len(ladders) == 1 else 0,
            handletextpad=0.4 if len(ladders) == 1 else 0,
            loc="center left",
            bbox_to_anchor=(0.01, 0.5),
        )
    axes = stacked[1].subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    points = {one.model: _points(scene, one) for one in ladders}
    every = [point for of_model in points.values() for point in of_model.values()]
    for place_, (panel, ladder) in enumerate(style.filled(axes, ladders)):
        _panel(panel, scene, ladder, points[ladder.model])
        panel.set_title(titles[ladder.model])
        panel.tick_params(labelbottom=True)
        panel.set_xlabel("expected calibration error")
        if place_ % columns == 0:
            panel.set_ylabel("mean recall of rare classes")
    for axis, estimates in zip("xy", zip(*every, strict=True), strict=True):
        _limit(axes[0, 0], axis, estimates)
    style.lay_out(figure)  # where names have room is known only then
    for panel, ladder in style.filled(axes, ladders):
        _name(panel, points[ladder.model], numbered, page.letters)
    return figure


def _mark(scene: Scene, ladders: Sequence[Ladder], strategy: str) -> Line2D:
    """What stands for a strategy in the legend: its look, which it has where there is a single model."""
    look = scene.looks.get(ladders[0].system(strategy)) if len(ladders) == 1 else None
    return Line2D([], [], markersize=5, linestyle="none", **(look.point if look else {}))


def _points(scene: Scene, ladder: Ladder) -> dict[str, tuple[Estimate, Estimate]]:
    """Where each strategy stands, of those that have both figures."""
    errors, recalls = scene.board.figures("ece"), scene.board.figures(TAIL_RECALL)
    found: dict[str, tuple[Estimate, Estimate]] = {}
    for name in ladder.order:
        system = ladder.system(name)
        if system in errors and system in recalls and not math.isnan(errors[system].value + recalls[system].value):
            found[name] = errors[system], recalls[system]
    return found


def _panel(panel: Axes, scene: Scene, ladder: Ladder, points: Mapping[str, tuple[Estimate, Estimate]]) -> None:
    for name, (error, recall) in reversed(list(points.items())):
        look, (x, y) = scene.looks[ladder.system(name)], (error.value, recall.value)
        if name == UNCHANGED:
            panel.axvline(x, color=MUTED, linewidth=1, linestyle=_DASHES)
            panel.axhline(y, color=MUTED, linewidth=1, linestyle=_DASHES)
        panel.plot([error.low, error.high], [y, y], color=look.color, linewidth=0.9, alpha=0.4)
        panel.plot([x, x], [recall.low, recall.high], color=look.color, linewidth=0.9, alpha=0.4)
        panel.plot(x, y, markersize=5.5, linestyle="none", **look.point)


def _limit(panel: Axes, axis: str, estimates: Sequence[Estimate]) -> None:
    """Round ends that hold every interval."""
    known = [end for one in estimates for end in (one.value, one.low, one.high) if not math.isnan(end)]
    low, high = style.round_limits(min(known, default=0), max(known, default=1))
    margin = 0.02 * (high - low)
    panel.set(**{f"{axis}lim": (low - margin, high + margin)})
    style.round_ticks(getattr(panel, f"{axis}axis"))


def _name(
    panel: Axes, points: Mapping[str, tuple[Estimate, Estimate]], numbered: Mapping[str, int], letters: float
) -> None:
    """Put a name, or number, beside each point, where it covers no point, no other name and few intervals."""
    figure = panel.get_figure(root=True)
    assert figure is not None
    scale = 72 / figure.dpi

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = panel.transData.transform((x, y)) * scale
        return float(across), float(up)

    left, bottom, right, top = np.multiply(panel.get_window_extent().extents, scale)
    middles = {name: at(error.value, recall.value) for name, (error, recall) in points.items()}
    taken = [_around(middle, 2 * _POINT, 2 * _POINT) for middle in middles.values()]
    bars = [
        bar
        for error, recall in points.values()
        for bar in (
            _Box(*at(error.low, recall.value), *at(error.high, recall.value)),
            _Box(*at(error.value, recall.low), *at(error.value, recall.high)),
        )
    ]
    for name, (x, y) in middles.items():
        words = style.drawable(str(numbered.get(name, name)))
        size = 0.6 * letters * len(words), 1.1 * letters

        def cost(place: tuple[int, _Box]) -> int:
            ring, box = place
            outside = bool(box.left < left or box.right > right or box.bottom < bottom or box.top > top)
            covered, crossed = (sum(map(box.meets, others)) for others in (taken, bars))
            return _OUTSIDE * outside + _COVERED * covered + _RING * ring + _CROSSED * crossed

        ring, box = min(_places((x, y), *size), key=cost)
        taken.append(box)
        drawn = panel.annotate(
            words,
            (points[name][0].value, points[name][1].value),
            xytext=((box.left + box.right) / 2 - x, (box.bottom + box.top) / 2 - y),
            textcoords="offset points",
            ha="center",
            va="center",
            fontweight="bold" if name == UNCHANGED else "normal",
            bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
            if ring
            else None,
        )
        drawn.set_in_layout(False)  # inside the panel, whose size must not depend on it


def _places(point: tuple[float, float], width: float, height: float) -> Iterator[tuple[int, _Box]]:
    """Where a name of this size may stand, each with the number of its ring around the point."""
    for ring, (across, up) in product(range(_RINGS), _SIDES):
        gap = _POINT + 0.5 + 10 * ring
        middle = point[0] + across * (gap + width / 2), point[1] + up * (gap + height / 2)
        yield ring, _around(middle, width, height)


def _around(middle: tuple[float, float], width: float, height: float) -> _Box:
    x, y = middle
    return _Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
