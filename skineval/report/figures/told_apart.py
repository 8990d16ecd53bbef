"""Which systems can be told apart: the best of them on a line, and bars that join those that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from skineval.base.scheme import INK, MUTED
from skineval.base.terms import PRIMARY
from skineval.grid.measuring import systems
from skineval.measure.names import METRICS
from skineval.measure.pairwise import alike, pairwise
from skineval.report.document import formatting
from skineval.report.figures import forest, style
from skineval.report.figures.scene import Scene
from skineval.report.figures.style import NARROW, Drawn, Page
from skineval.values.measures import SIGNIFICANT, Difference, system_name
from skineval.values.result import BenchResult

LEAST = 3  #: systems; of two the table of differences says it all
MOST = 6  #: systems of which every two are compared: 15 pairs; the 28 of eight took 21 seconds on 7,500 images
_TITLE = "Which systems can be told apart"


@dataclass(frozen=True, eq=False)
class Groups:
    """The best systems, how every two of them compare, and who cannot be told apart from whom."""

    order: Sequence[str]  #: the best first
    pairs: Sequence[Difference]
    groups: Sequence[tuple[str, ...]]


def grouped(scene: Scene, bench: BenchResult) -> Groups | None:
    """The best of the ranked systems, every two compared in the primary metric; None of fewer than three."""
    figures = scene.board.figures(PRIMARY)
    order = [name for name in scene.board.ranked if not isnan(figures[name].value)][:MOST]
    if len(order) < LEAST:
        return None
    named = {system_name(*names): found for names, found in systems(bench).items()}
    recipe, best = bench.recipe, {name: named[name] for name in order}
    pairs = pairwise(best, METRICS[0], replicates=recipe.replicates, seed=recipe.split_seed)
    return Groups(order, pairs, alike(order, pairs))


def draw(scene: Scene, found: Groups) -> Drawn:
    """One row a system, the best first; behind them a bar for each group of which no two can be told apart.

    It takes the place of a diagram of critical differences (Demšar, Journal of Machine Learning Research 7:1, 2006),
    which is of ranks on many data sets that have nothing in common. Folds of one data set share train images, so that
    ranks on them are no such sample.
    """
    n, one = len(found.order), found.pairs[0]
    which = f"the {n} best of {len(scene.board.ranked)} systems" if len(scene.board.ranked) > n else f"the {n} systems"
    sample = formatting.sample(one.n_images, one.n_lesions, scene.board.unit)
    told = (formatting.listed(map(formatting.plain, group)) for group in found.groups)
    return style.drawn(
        "told-apart",
        _TITLE,
        f"Balanced accuracy of {which}, with 95 % intervals. Dots on one bar are systems of which no two can be told "
        f"apart on the same images ({sample}): p of their difference is {SIGNIFICANT} or more, or its interval holds "
        f"0. Holm's correction is over all {len(found.pairs)} pairs, more than in the table, so that p is larger here. "
        "Not told apart is not shown to be equal. The bars are after Demšar (JMLR 7:1, 2006), the tests are not: his "
        "are of ranks on many data sets, and folds of one, which share train images, do not stand in for those. What "
        "other seeds would change is not in it.",
        f"Balanced accuracy of {which}. "
        + (" ".join(f"Not told apart: {group}." for group in told) or "Every two can be told apart."),
        partial(_paint, scene, found),
    )


def _paint(scene: Scene, found: Groups, page: Page) -> Canvas:
    shares = [1, min(1.0, 0.12 + 0.1 * len(found.groups))] if page is NARROW else [1, 0.08 + 0.05 * len(found.groups)]
    figure = style.canvas(page, 0.75 + forest.height(found.order, page), _TITLE, scene.board.stamps)
    figures, bars = figure.subplots(1, 2, sharey=True, width_ratios=shares)
    estimates = scene.board.figures(PRIMARY)
    forest.rows(figures, scene, found.order, estimates, page)
    mine = [estimates[name] for name in found.order]
    known = [end for one in mine for end in (one.value, one.low, one.high) if not isnan(end)]
    figures.set_xlim(style.round_limits(min(known), max(known), 4))
    style.round_ticks(figures.xaxis, 4)
    figures.set_xlabel("balanced accuracy")
    _bars(bars, found)
    return figure


def _bars(panel: Axes, found: Groups) -> None:
    """A bar for each group, with a dot for each member: what it passes without a dot is none."""
    for at, group in enumerate(found.groups):
        places = [found.order.index(name) for name in group]
        panel.plot([at, at], [places[0], places[-1]], color=MUTED, linewidth=1.8, solid_capstyle="butt")
        panel.plot([at] * len(places), places, linestyle="none", marker="o", markersize=5.5, color=INK)
    panel.set_xlim(-0.6, max(1, len(found.groups)) - 0.4)
    panel.set_xticks([])
    panel.grid(axis="x", visible=False)
    panel.set_xlabel("not told\napart" if found.groups else "all are\ntold\napart")
    for side in ("left", "bottom"):
        panel.spines[side].set_visible(False)
    panel.tick_params(axis="y", length=0)
