"""Reliability diagrams: how often predictions are right, by how confident they are, and how many those are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from skineval.base.scheme import MUTED, PAPER
from skineval.measure.curves import reliability
from skineval.report.bench.systems import System
from skineval.report.document import formatting
from skineval.report.figures import style
from skineval.report.figures.scene import Scene, grid
from skineval.report.figures.style import NARROW, Drawn, Page

SHOWN = 6  #: systems; each takes much room, and the tables have the figures of all
FEW = 10  #: predictions below which the share of a bin says little


def draw(scene: Scene) -> Drawn:
    """A diagram for each of the best systems."""
    shown = scene.systems[:SHOWN]
    left = len(scene.systems) - len(shown)
    return style.drawn(
        "reliability",
        "Reliability of the probabilities",
        "How often a prediction is right, by how confident it is (its largest probability); on the dashed line, "
        "probabilities can be taken at their word. Below: how many predictions have such a confidence, an image "
        f"counting once for each seed. Hollow points: fewer than {FEW} predictions."
        + (f" The best {SHOWN} systems; ECE and NLL of the others are in the table." if left else ""),
        f"Reliability diagrams of {formatting.plural(len(shown), 'system')}.",
        partial(_paint, scene, shown),
    )


def _paint(scene: Scene, shown: Sequence[System], page: Page) -> Canvas:
    lines, columns = grid(len(shown), 1 if page is NARROW else 3)
    height = 0.1 + lines * (3.3 if page is NARROW else 4.0)
    figure = style.canvas(page, height, "Reliability of the probabilities", scene.board.stamps)
    axes = figure.subplots(2 * lines, 3 if page is not NARROW else 1, squeeze=False, height_ratios=[2, 1] * lines)
    for panel in axes.ravel():
        panel.set_visible(False)
    for place, system in enumerate(shown):
        line, column = divmod(place, columns)
        upper, lower = axes[2 * line, column], axes[2 * line + 1, column]
        _diagram(upper, lower, scene, system, page)
        if column == 0:
            upper.set_ylabel("share right")
            lower.set_ylabel("predictions")
    return figure


def _diagram(upper: Axes, lower: Axes, scene: Scene, system: System, page: Page) -> None:
    look, test = scene.looks[system.name], system.test
    curve = reliability(test.targets, test.probabilities)
    used, many = curve.count > 0, curve.count >= FEW
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
    upper.plot(curve.confidence[used], curve.accuracy[used], color=look.color, linewidth=1.2)
    for which, filling in ((many, look.color), (used & ~many, PAPER)):
        point = look.point | {"markerfacecolor": filling, "linestyle": "none", "clip_on": False}
        if which.any():  # an empty line that is not clipped has an extent all the same
            upper.plot(curve.confidence[which], curve.accuracy[which], markersize=4.5, **point)
    upper.set(xlim=(0, 1), ylim=(0, 1.02), visible=True)
    style.unit_axis(upper.xaxis)
    style.unit_axis(upper.yaxis)
    figures = [
        f"{name} {formatting.decimal(found[system.name].value)}"
        for name, found in (("ECE", scene.board.figures("ece")), ("NLL", scene.board.figures("nll")))
        if system.name in found
    ]
    letters = style.fitting(page.width / (1 if page is NARROW else 3) - 0.5, page.letters + 0.5, bold=True)
    upper.set_title("\n".join([style.name_lines(system.name, letters), ", ".join(figures)]))
    bins = np.linspace(0, 1, len(used) + 1)
    lower.bar(bins[:-1], curve.count, width=np.diff(bins), align="edge", color=look.color, alpha=0.55)
    for place in np.flatnonzero(used):
        centre, n = (bins[place] + bins[place + 1]) / 2, int(curve.count[place])
        words = lower.annotate(
            formatting.count(n),
            (centre, n),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90,
        )
        words.set_in_layout(False)  # inside the panel, whose size must not depend on it
    lower.set(xlim=(0, 1), ylim=(0, 1.7 * max(curve.count)), xlabel="confidence", yticks=[], visible=True)
    lower.grid(False)
    style.unit_axis(lower.xaxis)
