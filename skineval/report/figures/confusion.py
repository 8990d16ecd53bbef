"""Confusion matrices."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from skineval.base.scheme import INK, PAPER
from skineval.base.svg import shortened
from skineval.measure import curves
from skineval.report.bench.systems import System
from skineval.report.document import formatting
from skineval.report.figures import style
from skineval.report.figures.scene import Scene
from skineval.report.figures.style import SQUARE, Drawn, Page

_LARGEST = 0.95  # inches of a cell where classes are few
_DARK = 0.55  # share from which on a cell is too dark for dark letters


def draw(system: System, scene: Scene) -> Drawn:
    """Images of each class by the class that was predicted."""
    matrix = curves.confusion(system.test)
    shares = matrix[:, :-1] / np.maximum(matrix.sum(axis=1), 1)[:, None]
    right = [f"{style.drawable(label)} {100 * shares[i, i]:.0f} %" for i, label in enumerate(system.test.classes)]
    undecided = int(matrix[:, -1].sum())
    also = f" {formatting.plural(undecided, 'prediction')} undecided (tied) and in no column." if undecided else ""
    return style.drawn(
        "confusion",
        f"Confusion matrix: {formatting.plain(system.name)}",
        f"Test images of {system.made_of} by reference standard (rows) and prediction (columns); "
        f"shade and percentages are shares of a row.{also}",
        f"Confusion matrix of {formatting.plain(system.name)}. Shares called right: {', '.join(right)}.",
        partial(_paint, system, matrix, scene),
        system.name,
        (SQUARE,),
    )


def _paint(system: System, matrix: NDArray[np.int64], scene: Scene, page: Page) -> Canvas:
    counts, totals = matrix[:, :-1], matrix.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    n = len(totals)
    classes = [shortened(style.drawable(label), 10) for label in system.test.classes]
    cell = min(_LARGEST, (page.width - 1.2) / n)
    title = f"Confusion matrix: {shortened(style.drawable(system.name), 2 * page.name)}"
    figure = style.canvas(page, n * cell + 0.65, title, scene.board.stamps)
    axes = figure.subplots()
    for (row, column), share in np.ndenumerate(shares):
        # One ink, more or less of it: on dark paper it is light, and so is what stands on it.
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=INK, alpha=0.9 * share, linewidth=0))
        ink, weight = PAPER if share > _DARK else INK, "bold" if row == column else "normal"
        words: dict[str, Any] = {"ha": "center", "va": "center", "color": ink, "weight": weight}
        axes.text(column + 0.5, row + 0.35, formatting.count(float(counts[row, column])), **words)
        axes.text(column + 0.5, row + 0.7, f"{100 * share:.0f} %", **words)
    for line in range(n + 1):
        axes.plot([0, n], [line, line], color=PAPER, linewidth=1.5)
        axes.plot([line, line], [0, n], color=PAPER, linewidth=1.5)
    ticks = np.arange(n) + 0.5
    axes.set_xticks(ticks, classes)
    axes.set_yticks(ticks, [f"{label}\n({formatting.count(n)})" for label, n in zip(classes, totals, strict=True)])
    axes.set(xlabel="predicted", ylabel="reference standard (images)", xlim=(0, n), ylim=(n, 0), aspect="equal")
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure
