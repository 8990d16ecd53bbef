"""ROC curves of each class: the best few systems by their looks, the others grey."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from skineval.base.scheme import FAINT, MUTED
from skineval.base.svg import shortened
from skineval.measure import curves
from skineval.report.bench.systems import System
from skineval.report.document import formatting
from skineval.report.figures import style
from skineval.report.figures.scene import Scene, grid
from skineval.report.figures.style import NARROW, Drawn, Page
from skineval.values.measures import Estimate
from skineval.values.predictions import Predictions

NAMED = 4  #: systems whose curves can be told apart in a panel
_MACRO = "macro"

_Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def draw(scene: Scene) -> Drawn:
    """A panel for each class against the rest, and one for their mean."""
    # With two classes the curve of one is that of the other, seen from the corner opposite.
    of_all = scene.board.shown
    shown = list(of_all.classes if len(of_all.everything) > 2 else of_all.classes[-1:])
    panels = [*shown, *([_MACRO] if len(shown) > 1 else [])]
    others = len(scene.systems) - NAMED
    named = f" Coloured: the {NAMED} best in balanced accuracy; the areas of the others are in the tables."
    lines = [_curves(system.test, shown) for system in scene.systems]
    return style.drawn(
        "roc",
        "ROC curves",
        "Curves over the test images of all folds and seeds; areas under them as in the tables, the mean over cells, "
        "with 95 % intervals. The marker on a curve: where sensitivity and specificity have the largest sum."
        f"{named * (others > 0)}{f' {of_all.words} Macro is the mean of all.' * bool(of_all.others)}",
        f"ROC curves of {formatting.plural(len(scene.systems), 'system')}, in "
        f"{formatting.plural(len(panels), 'panel')}: {formatting.listed(map(formatting.plain, panels))}.",
        partial(_paint, scene, panels, lines),
    )


def _paint(scene: Scene, panels: Sequence[str], lines: Sequence[Sequence[_Curve]], page: Page) -> Canvas:
    named = scene.systems[:NAMED]
    rows_, columns = grid(len(panels), 2 if page is NARROW else 4)
    side = min(3.4, (page.width - 0.5) / columns - 0.12)
    areas = (len(named) + 1) * page.letters * 1.45 / 72
    legend = math.ceil((len(named) + (len(scene.systems) > NAMED)) / _columns(page)) * page.letters * 1.5 / 72 + 0.1
    titles = [style.class_lines(label, 0.95 * side, page.letters + 0.5) for label in panels]
    panes = rows_ * (side + 0.8 + areas + style.further_lines(titles, page.letters + 0.5))
    gap = 0.12  # above the stamps, for which subfigures leave none
    figure = style.canvas(page, legend + panes + gap, "ROC curves, one class against the rest", scene.board.stamps)
    stacked: Any = figure.subfigures(3, 1, height_ratios=[legend, panes, gap])
    top, bottom, _ = stacked
    axes = bottom.subplots(rows_, columns, sharex=True, sharey=True, squeeze=False)
    for place, (panel, label) in enumerate(style.filled(axes, panels)):
        panel.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
        for curve in lines[NAMED:]:
            panel.plot(*curve[place], color=MUTED, alpha=0.4, linewidth=0.8)
        # The best one last, on top of the others.
        for system, curve in reversed(list(zip(named, lines, strict=False))):
            false, true = curve[place]
            look, best = scene.looks[system.name], [int(np.argmax(true - false))]
            panel.plot(false, true, linewidth=1.3, markevery=best, markersize=4.5, **(look.point | look.line))
        of_all = label == _MACRO and len(panels) > 1
        metric, name = (("macro_auc", ""), "Macro AUC") if of_all else (("auc", label), "AUC")
        _name_areas(panel, scene, named, scene.board.figures(*metric), page, name)
        panel.set(title=titles[place], aspect="equal", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        panel.tick_params(labelbottom=True)
        style.unit_axis(panel.xaxis)
        style.unit_axis(panel.yaxis)
        panel.set_xlabel("1 − specificity")
        if place % columns == 0:
            panel.set_ylabel("sensitivity")
    letters = style.fitting(page.width / _columns(page) - 0.6, page.letters)
    handles = [style.handle(scene.looks[system.name]) for system in named]
    names = [shortened(style.drawable(system.name), letters) for system in named]
    if len(scene.systems) > NAMED:
        handles.append(Line2D([], [], color=MUTED, alpha=0.4))
        names.append(formatting.plural(len(scene.systems) - NAMED, "other system"))
    top.legend(handles, names, loc="center left", bbox_to_anchor=(0.01, 0.5), ncols=_columns(page), handlelength=2.6)
    return figure


def _columns(page: Page) -> int:
    """Of the legend."""
    return 1 if page is NARROW else 2


def _name_areas(
    panel: Axes, scene: Scene, named: Sequence[System], areas: Mapping[str, Estimate], page: Page, name: str
) -> None:
    """The area, which is called `name`, of each named system with its interval, below the axis and its title."""
    figure = panel.get_figure(root=True)
    assert figure is not None
    below = ScaledTranslation(0, -(2.7 * page.letters + 9) / 72, figure.dpi_scale_trans)
    panel.legend(
        [style.handle(scene.looks[system.name]) for system in named],
        [
            formatting.format_estimate(areas[system.name]) if system.name in areas else formatting.MISSING
            for system in named
        ],
        title=name,
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(-0.05, 0),
        bbox_transform=panel.transAxes + below,
        handlelength=1.8,
    )


def _curves(test: Predictions, shown: Sequence[str]) -> list[_Curve]:
    """False and true positive rates of each class `shown` against the rest, and of the mean of all if it is several."""
    places = {label: place for place, label in enumerate(test.classes) if len(shown) > 1 or label in shown}
    found = {label: curves.roc(test.targets == place, test.probabilities[:, place]) for label, place in places.items()}
    drawn = [found[label] for label in shown]
    defined = [curve for curve in found.values() if not np.isnan(curve).any()]
    if len(shown) > 1:
        rates = np.linspace(0, 1, 201)
        mean = np.mean([np.interp(rates, *curve) for curve in defined], axis=0) if defined else np.full(201, np.nan)
        drawn.append((np.append(0, rates), np.append(0, mean)))
    return drawn
