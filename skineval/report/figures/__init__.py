"""Every figure of a report, drawn from a bench as SVG, the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterator

from skineval.report.document.blocks import LeftOut
from skineval.report.figures import confusion, forest, reliability, roc, training
from skineval.report.figures.galleries import photographs
from skineval.report.figures.scene import scene_of
from skineval.report.figures.style import Drawn
from skineval.values.result import BenchResult


def draw(bench: BenchResult) -> Iterator[Drawn | LeftOut]:
    """Every figure of the bench, in the order of the report; and what could not be drawn."""
    scene = scene_of(bench)
    if scene.board.systems:
        yield forest.overview(scene)
        yield forest.recall(scene)
    if scene.systems:
        yield roc.draw(scene)
        yield reliability.draw(scene)
    for system in scene.systems:
        yield confusion.draw(system, scene)
        if system.cells:
            yield training.draw(system, scene)
    if scene.systems:
        yield from photographs(scene.systems[0], bench)
