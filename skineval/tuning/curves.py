"""How far a trial has come, in a form in which trials of different lengths can be set side by side."""

from __future__ import annotations

from collections.abc import Sequence

TENTHS = 10  #: points of a curve for each cell


def curve(scores: Sequence[Sequence[float]], ended: int, epochs: int, cells: int) -> tuple[float, ...]:
    """The height of a trial after each tenth of each of its cells.

    `scores` holds the validation score after every epoch of each cell that has begun, of which the first `ended` have
    ended; `epochs` is how long a cell may train, and `cells` how many a trial has. The height is the sum of the best
    scores so far over `cells`: it never falls, its end is the mean over the cells, and at one point all trials have the
    same cells in it. A cell that stopped early keeps its best score until its end.
    """
    heights: list[float] = []
    before = 0.0
    for place, history in enumerate(scores):
        best = 0.0
        for epoch, score in enumerate(history, start=1):
            best = max(best, score)
            reached = epoch * TENTHS // epochs
            heights += [(before + best) / cells] * (place * TENTHS + reached - len(heights))
        before += best
        if place < ended:
            heights += [before / cells] * ((place + 1) * TENTHS - len(heights))
    return tuple(heights)
