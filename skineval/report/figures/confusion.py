"""Confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from skineval.base.scheme import FAINT, INK, PAPER
from skineval.base.svg import shortened
from skineval.measure import curves
from skineval.report.bench.systems import System
from skineval.report.document import formatting, layout
from skineval.report.document.excerpt import Shown
from skineval.report.figures import style
from skineval.report.figures.scene import Scene
from skineval.report.figures.style import NARROW, SQUARE, WIDE, Drawn, Page
from skineval.values.predictions import Predictions

_LARGEST = 0.95  # inches of a cell where classes are few
_ROOMY = 0.4  # inches of a cell that has room for a count
_FEW = 8  # classes of which a matrix fits on a small page
_SHORT = 10  # letters of a name that does, too
_NAME = {False: 24, True: 14}  # letters of a line of a longer one, on wide and on narrow pages
_DARK = 0.55  # share from which on a cell is too dark for dark letters


@dataclass(frozen=True, eq=False)
class _Matrix:
    """Images of each class that is shown, and of all others together, by the class that was predicted."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]  #: (n, n + 1), the undecided in the last column
    others: str  #: what became of the images of the others, in words

    @property
    def large(self) -> bool:
        """Whether it needs a page of its own shape."""
        return len(self.labels) > _FEW or max(map(len, self.labels)) > _SHORT


def draw(system: System, scene: Scene) -> Drawn:
    """Images of each class by the class that was predicted."""
    found = _matrix(system.test, scene.board.shown)
    matrix = found.counts
    shares = matrix[:, :-1] / np.maximum(matrix.sum(axis=1), 1)[:, None]
    right = [f"{style.drawable(label)} {100 * shares[i, i]:.0f} %" for i, label in enumerate(scene.board.shown.classes)]
    undecided = int(matrix[:, -1].sum())
    also = f" {formatting.plural(undecided, 'prediction')} undecided (tied) and in no column." if undecided else ""
    return style.drawn(
        "confusion",
        f"Confusion matrix: {formatting.plain(system.name)}",
        f"Test images of {system.made_of} by reference standard (rows) and prediction (columns); "
        f"shade and percentages are shares of a row.{found.others}{also}",
        f"Confusion matrix of {formatting.plain(system.name)}. Shares called right: {', '.join(right)}.",
        partial(_paint_large if found.large else _paint, system, found, scene),
        system.name,
        (WIDE, NARROW) if found.large else (SQUARE,),
    )


def _matrix(test: Predictions, shown: Shown) -> _Matrix:
    everything = curves.confusion(test)
    if not shown.others:
        return _Matrix(test.classes, everything, "")
    place = [shown.classes.index(name) if name in shown.classes else len(shown.classes) for name in test.classes]
    joined = np.eye(len(shown.classes) + 1, dtype=np.int64)[place]  # (C, n): which row each class is part of
    counts = np.hstack([joined.T @ everything[:, :-1] @ joined, joined.T @ everything[:, -1:]])
    right = sum(int(everything[at, at]) for at, row in enumerate(place) if row == len(shown.classes))
    words = (
        f" {shown.words.removesuffix('.')} but for one row and one column: {formatting.count(right)} of their "
        f"{formatting.plural(int(counts[-1].sum()), 'image')} are called right, "
        f"{formatting.count(int(counts[-1, -2]) - right)} by another one of them."
    )
    return _Matrix((*shown.classes, formatting.plural(len(shown.others), "other")), counts, words)


def _paint_large(system: System, matrix: _Matrix, scene: Scene, page: Page) -> Canvas:
    """Of many classes, or of some with long names: where cells are small, without counts."""
    narrow, n = page is NARROW, len(matrix.labels)
    counts, totals = matrix.counts[:, :-1], matrix.counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    letters = min(_NAME[narrow], max(map(len, matrix.labels)) + 7)
    margin = 0.45 + letters * page.letters * 0.0083
    cell = min(_LARGEST, (page.width - margin) / n)
    named = [_name(label, letters, narrow) for label in matrix.labels]
    of_rows = (
        named
        if narrow
        else [
            _name(label, letters, narrow, f" ({formatting.count(total)})")
            for label, total in zip(matrix.labels, totals, strict=True)
        ]
    )
    page = replace(page, width=max(margin + n * cell, SQUARE.width)) if not narrow else page
    figure = style.canvas(page, n * cell + margin, _title(system, page), scene.board.stamps)
    axes = figure.subplots()
    _shade(axes, shares)
    for (row, column), share in np.ndenumerate(shares):
        if not counts[row, column]:
            continue
        words = _words(share, bold=row == column and matrix.labels[row] in scene.board.shown.classes)
        if cell < _ROOMY:
            axes.text(column + 0.5, row + 0.5, f"{100 * share:.0f}", **words)
        else:
            axes.text(column + 0.5, row + 0.33, formatting.count(float(counts[row, column])), **words)
            axes.text(column + 0.5, row + 0.7, f"{100 * share:.0f} %", **words)
    _frame(axes, named, of_rows, FAINT, 0.7)  # most cells are empty
    axes.tick_params(axis="x", labelrotation=90)
    axes.set_ylabel(f"reference standard ({'shares in %' if cell < _ROOMY else 'images'})")
    return figure


def _name(label: str, letters: int, narrow: bool, behind: str = "") -> str:
    """A name, and what stands behind it, on one line on narrow pages, else on three at most."""
    most = letters if narrow else 3 * letters - len(behind) - 12
    return layout.wrapped(shortened(style.drawable(label), most) + behind, letters)


def _title(system: System, page: Page) -> str:
    return f"Confusion matrix: {shortened(style.drawable(system.name), 2 * page.name)}"


def _words(share: float, *, bold: bool) -> dict[str, Any]:
    """How what stands in a cell is written."""
    color, weight = PAPER if share > _DARK else INK, "bold" if bold else "normal"
    return {"ha": "center", "va": "center", "color": color, "weight": weight}


def _shade(axes: Axes, shares: NDArray[np.float64]) -> None:
    for (row, column), share in np.ndenumerate(shares):
        # One ink, more or less of it: on dark paper it is light, and so is what stands on it.
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=INK, alpha=0.9 * share, linewidth=0))


def _frame(axes: Axes, columns: Sequence[str], rows: Sequence[str], color: str = PAPER, width: float = 1.5) -> None:
    n = len(rows)
    for line in range(n + 1):
        axes.plot([0, n], [line, line], color=color, linewidth=width)
        axes.plot([line, line], [0, n], color=color, linewidth=width)
    ticks = np.arange(n) + 0.5
    axes.set_xticks(ticks, columns)
    axes.set_yticks(ticks, rows)
    axes.set(xlabel="predicted", ylabel="reference standard (images)", xlim=(0, n), ylim=(n, 0), aspect="equal")
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _paint(system: System, matrix: _Matrix, scene: Scene, page: Page) -> Canvas:
    counts, totals = matrix.counts[:, :-1], matrix.counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    n = len(totals)
    classes = [style.drawable(label) for label in matrix.labels]
    cell = min(_LARGEST, (page.width - 1.2) / n)
    figure = style.canvas(page, n * cell + 0.65, _title(system, page), scene.board.stamps)
    axes = figure.subplots()
    _shade(axes, shares)
    for (row, column), share in np.ndenumerate(shares):
        words = _words(share, bold=row == column)
        axes.text(column + 0.5, row + 0.35, formatting.count(float(counts[row, column])), **words)
        axes.text(column + 0.5, row + 0.7, f"{100 * share:.0f} %", **words)
    rows = [f"{label}\n({formatting.count(total)})" for label, total in zip(classes, totals, strict=True)]
    _frame(axes, classes, rows)
    return figure
