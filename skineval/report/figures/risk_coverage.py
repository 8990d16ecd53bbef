"""Risk-coverage curves: how much is wrong of what is kept, by how much that is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure as Canvas

from skineval.base.scheme import MUTED
from skineval.base.svg import shortened
from skineval.measure.abstention import risk_coverage
from skineval.report.bench.systems import System
from skineval.report.document import formatting
from skineval.report.figures import style
from skineval.report.figures.scene import Scene
from skineval.report.figures.style import SQUARE, Drawn, Page

NAMED = 4  #: systems whose curves can be told apart
_LEAST = 20  #: images below which the share of errors among what is kept says nothing


def draw(scene: Scene) -> Drawn:
    """The curves of the best systems in one panel, the others grey."""
    left = len(scene.systems) - NAMED
    return style.drawn(
        "risk-coverage",
        "What is wrong of what is kept",
        "Images are kept from the surest on (by their largest probability): the share of errors among them, over the "
        f"test images of all folds and seeds, from {_LEAST} images on. All are kept at the right end."
        + (f" Grey: {formatting.plural(left, 'other system')}." if left > 0 else ""),
        f"Risk-coverage curves of {formatting.plural(len(scene.systems), 'system')}.",
        partial(_paint, scene, scene.systems[:NAMED]),
        pages=(SQUARE,),
    )


def _paint(scene: Scene, named: Sequence[System], page: Page) -> Canvas:
    legend = len(named) * page.letters * 1.5 / 72
    figure = style.canvas(page, 3.6 + legend, "What is wrong of what is kept", scene.board.stamps)
    panel = figure.subplots()
    highest = 0.0
    for system in reversed(scene.systems):
        coverage, risk = risk_coverage(system.test)
        enough = coverage * len(system.test) >= min(_LEAST, len(system.test))
        highest = max(highest, float(risk[enough].max()))
        look = scene.looks[system.name]
        if system in named:
            marks = {"linewidth": 1.3, "markevery": 0.2, "markersize": 4.5} | look.point | look.line
        else:
            marks = {"color": MUTED, "alpha": 0.4, "linewidth": 0.8}
        panel.plot(coverage[enough], risk[enough], **marks)
    panel.set(
        xlim=(0, 1.01), ylim=(0, min(1.0, 1.1 * highest + 0.01)), xlabel="share kept", ylabel="share wrong of these"
    )
    style.round_ticks(panel.yaxis)
    letters = style.fitting(page.width - 0.8, page.letters)
    panel.legend(
        [style.handle(scene.looks[one.name]) for one in named],
        [shortened(style.drawable(one.name), letters) for one in named],
        loc="upper left",
        bbox_to_anchor=(0, -0.16),
        handlelength=2.6,
    )
    return figure
