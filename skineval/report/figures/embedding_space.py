"""Where the embeddings that strategies made lie among those of train and test images, a panel for each strategy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from skineval.base.scheme import MUTED, PALETTE
from skineval.base.svg import shortened
from skineval.grid.tables import read_frame
from skineval.measure.rarity import TAIL_RECALL, sides
from skineval.report.document import formatting
from skineval.report.figures import style
from skineval.report.figures.scene import Scene, grid
from skineval.report.figures.style import NARROW, SQUARE, WIDE, Drawn, Page
from skineval.values.embeddings import KINDS
from skineval.values.result import CellResult

_TRAIN, _SYNTHETIC, _TEST = KINDS
_POINTS = 2400  #: of a figure, which is then no larger than a third of a megabyte, and whose panels are not too full
_EACH = 30  #: of each class and kind
_OUTER = 0.02  # share of the points that may lie far from the others at each end of an axis
_BEYOND = 0.35  # share of the extent of these that is left for them
_FEW = 4  #: panels of which two, not three, stand side by side
#: How the points of each kind are drawn, those further behind first.
_MARKS: Mapping[str, dict[str, Any]] = {
    _TEST: {"marker": "o", "markersize": 7.5, "markeredgewidth": 0, "alpha": 0.34},
    _TRAIN: {"marker": "o", "markersize": 2.8, "markeredgewidth": 0},
    _SYNTHETIC: {"marker": "x", "markersize": 3.6, "markeredgewidth": 0.8},
}
_CALLED = {_TEST: "test image", _TRAIN: "train image", _SYNTHETIC: "made by the strategy"}


@dataclass(frozen=True, eq=False)
class _Space:
    """What is drawn of a model with the strategies that made embeddings, of one fold and seed."""

    points: Mapping[str, pd.DataFrame]  #: by strategy, as many as are drawn, of the classes that are shown
    classes: Sequence[str]  #: those that are shown, the largest first


def draw(scene: Scene) -> Iterator[Drawn]:
    """A figure for each model with such strategies, the best model first."""
    by_model: dict[str, list[CellResult]] = {}
    for cell in (cell for system in scene.systems for cell in system.cells if cell.embedding_space):
        by_model.setdefault(cell.model, []).append(cell)
    for model, cells in by_model.items():
        first = min(cells, key=lambda cell: (cell.seed, cell.fold))
        yield _draw(scene, model, [cell for cell in cells if (cell.seed, cell.fold) == (first.seed, first.fold)])


def _draw(scene: Scene, model: str, cells: Sequence[CellResult]) -> Drawn:
    space, everything = _space(cells, scene.board.classes)
    drawn, total = sum(map(len, space.points.values())), len(scene.board.classes)
    held = [sum(_shares(points)) for points in space.points.values()]
    percents = dict.fromkeys(formatting.percent(share, 0) for share in (min(held), max(held)))
    others = " A strategy that trains a network of its own has axes of its own." * (
        len({one.network for one in cells}) > 1
    )
    rarest = f" Of {total} classes, shown are the largest and the {len(space.classes) - 1} rarest."
    return style.drawn(
        "embedding-space",
        f"Embedding space of {formatting.plain(model)}",
        f"Fold {cells[0].fold}, seed {cells[0].seed}: where the embeddings that a strategy made (crosses) lie among "
        "those of train images (dots) and of test images (pale discs), which no strategy sees, in the colours of their "
        "classes. The axes are the first two principal ones of the train part, each dimension standardised. They hold "
        f"{' to '.join(percents)} of its variance: what lies together here may be far apart. Each has its own scale; "
        f"what lies far from all others is moved to its ends. Drawn at random are {drawn:,} of {everything:,} points, "
        f"at most {_each(len(cells), len(space.classes))} of each class and kind."
        f"{others}{rarest * (len(space.classes) < total)}",
        f"Train, synthetic and test embeddings of {formatting.plain(model)} in a plane: "
        f"{formatting.plural(drawn, 'point')} of {formatting.listed(map(formatting.plain, space.classes))}, in a panel "
        f"for {formatting.listed(map(formatting.plain, space.points))}.",
        partial(_paint, scene, space, model),
        model,
        (SQUARE,) if len(cells) == 1 else (WIDE, NARROW),
    )


def _space(cells: Sequence[CellResult], classes: Sequence[str]) -> tuple[_Space, int]:
    """What is drawn of these cells, and how many points there are of the classes that are shown."""
    shown = _shown({name: n for name, n in zip(classes, cells[0].train_counts, strict=True) if n})
    points, everything = {}, 0
    for cell in cells:
        assert cell.embedding_space is not None
        found = read_frame(cell.embedding_space, ("class", "kind"))
        groups = found[found["class"].isin(shown)].groupby(["class", "kind"], sort=False)
        points[cell.imbalance] = groups.head(_each(len(cells), len(shown)))
        everything += int(groups["of"].first().sum())
    return _Space(points, shown), everything


def _shown(counts: Mapping[str, int]) -> list[str]:
    """As many classes as there are colours: all, or the largest and the rarest of the tail; the largest first."""
    by_size = sorted(counts, key=lambda name: -counts[name])
    if len(by_size) <= len(PALETTE):
        return by_size
    tail = sides(by_size, [counts[name] for name in by_size]).get(TAIL_RECALL, ())
    return [by_size[0], *tail[1 - len(PALETTE) :]]


def _each(panels: int, classes: int) -> int:
    """How many points of each class and kind a panel shows at most: those in a file are a random sample of any size."""
    return max(1, min(_EACH, _POINTS // (panels * classes * len(KINDS))))


def _shares(points: pd.DataFrame) -> tuple[float, float]:
    return float(points["x_share"].iloc[0]), float(points["y_share"].iloc[0])


def _paint(scene: Scene, space: _Space, model: str, page: Page) -> Canvas:
    n = len(space.points)
    lines, columns = grid(n, 1 if page is NARROW else 2 if n <= _FEW else 3)
    side = min(3.9, 0.95 * page.width / columns - 0.3)
    titles = {name: style.name_lines(name, max(10, 2 * page.name // columns)) for name in space.points}
    panes = lines * (side + 0.55 + style.further_lines(titles.values(), page.letters + 0.5))
    colors = dict(zip(space.classes, PALETTE, strict=False))
    entries, words = _legend(colors, page)
    legend = len(entries) // words * page.letters * 1.5 / 72 + 0.1
    gap = 0.12  # above the stamps, for which subfigures leave none
    title = f"Embedding space of {shortened(style.drawable(model), 2 * page.name)}"
    figure = style.canvas(page, legend + panes + gap, title, scene.board.stamps)
    stacked: Any = figure.subfigures(3, 1, height_ratios=[legend, panes, gap])
    at = {"loc": "center left", "bbox_to_anchor": (0.01, 0.5)}
    stacked[0].legend(*zip(*entries, strict=True), ncols=words, handlelength=1, **at)
    axes = stacked[1].subplots(lines, columns, squeeze=False)
    for panel, (name, points) in style.filled(axes, list(space.points.items())):
        _panel(panel, points, colors)
        panel.set_title(titles[name])
    return figure


def _legend(colors: Mapping[str, str], page: Page) -> tuple[list[tuple[Line2D, str]], int]:
    """What the marks mean, in a column of its own, and whose the colours are; with the number of columns."""
    lines = len(_MARKS) if page is WIDE else max(len(_MARKS), len(colors))
    columns = 1 + -(-len(colors) // lines)
    letters = style.fitting(page.width / columns - 0.4, page.letters)
    blank = (Line2D([], [], linestyle="none"), "")
    kinds = [(Line2D([], [], color=MUTED, linestyle="none", **_MARKS[kind]), name) for kind, name in _CALLED.items()]
    square: dict[str, Any] = {"linestyle": "none", "marker": "s", "markersize": 6}
    classes = [
        (Line2D([], [], color=color, **square), shortened(style.drawable(name), letters))
        for name, color in colors.items()
    ]
    filled = [*kinds, *[blank] * (lines - len(kinds)), *classes]
    return [*filled, *[blank] * (columns * lines - len(filled))], columns


def _panel(panel: Axes, points: pd.DataFrame, colors: Mapping[str, str]) -> None:
    x, y = (_within(points, column) for column in "xy")
    for kind, mark in _MARKS.items():
        for name, color in colors.items():
            mine = (points["kind"] == kind) & (points["class"] == name)
            panel.plot(x[mine], y[mine], color=color, linestyle="none", **mark)
    first, second = (formatting.percent(share, 0) for share in _shares(points))
    panel.set(xlabel=f"first axis, {first}", ylabel=f"second axis, {second}")
    panel.margins(0.06)
    for axis in (panel.xaxis, panel.yaxis):
        style.round_ticks(axis, 4)


def _within(points: pd.DataFrame, column: str) -> pd.Series[float]:
    """Coordinates of which those that are far from all others are moved to the edge: the same for the same axes."""
    real = points.loc[points["kind"] != _SYNTHETIC, column]
    low, high = (float(real.quantile(share)) for share in (_OUTER, 1 - _OUTER))
    beyond = _BEYOND * (high - low)
    return points[column].clip(low - beyond, high + beyond)
