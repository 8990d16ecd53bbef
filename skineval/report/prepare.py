"""A bench's document and pictures, made once and shared by all reporters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from skineval.measure.rarity import TAIL_RECALL
from skineval.report.bench.bench import build
from skineval.report.bench.ladders import ladders
from skineval.report.document import formatting
from skineval.report.document.blocks import Figure, LeftOut, Report
from skineval.report.figures import (
    confusion,
    decisions,
    embedding_space,
    forest,
    reliability,
    risk_coverage,
    roc,
    told_apart,
    trade,
    training,
)
from skineval.report.figures.galleries import photographs
from skineval.report.figures.scene import scene_of
from skineval.report.figures.style import Drawn
from skineval.values.result import BenchResult, CellResult


@dataclass(frozen=True, eq=False)
class Prepared:
    """The document of a bench, and the content of the figures that were drawn for it, by file."""

    report: Report
    drawn: Mapping[str, bytes]
    folder: Path

    def read(self, file: str) -> bytes:
        """The content of a picture of the document: drawn now, or found in the bench folder."""
        return self.drawn[file] if file in self.drawn else (self.folder / file).read_bytes()


# Drawing takes seconds, and a bench does not change; forgotten together with it.
_KNOWN: WeakKeyDictionary[BenchResult, Prepared] = WeakKeyDictionary()


def prepared(bench: BenchResult) -> Prepared:
    """The document of `bench`: made at the first call, the same value after it."""
    if bench not in _KNOWN:
        _KNOWN[bench] = _prepare(bench)
    return _KNOWN[bench]


def _prepare(bench: BenchResult) -> Prepared:
    items = list(draw(bench))
    figures = [item.figure if isinstance(item, Drawn) else item for item in items]
    panels = {cell.run_id: _panels(bench.folder, cell, bench.warnings) for cell in bench.finished}
    drawn = {file: data for item in items if isinstance(item, Drawn) for file, data in item.files.items()}
    return Prepared(build(bench, figures, panels), drawn, bench.folder)


def draw(bench: BenchResult) -> Iterator[Drawn | LeftOut]:
    """Every figure of the bench, in the order of the report; and what could not be drawn."""
    scene = scene_of(bench)
    if scene.board.systems:
        yield forest.overview(scene)
        found = ladders(bench, scene.board)
        if any(one.metric == TAIL_RECALL for one in bench.scores) and found:
            yield trade.draw(scene, found)
        yield from embedding_space.draw(scene)
        yield forest.recall(scene)
    if scene.systems:
        yield roc.draw(scene)
        yield reliability.draw(scene)
        acted = decisions.draw(scene, bench.choices, bench.recipe.replicates)
        yield from [acted] if acted else []
        yield risk_coverage.draw(scene)
    groups = told_apart.grouped(scene, bench)
    if groups is not None:
        yield told_apart.draw(scene, groups)
    for system in scene.systems:
        yield confusion.draw(system, scene)
    yield from training.curves(scene)
    if scene.systems:
        yield from photographs(scene, bench)


def _panels(folder: Path, cell: CellResult, stamps: Sequence[str]) -> list[Figure]:
    """The galleries of one cell's explanations, one a class."""
    marks = "".join(f" [{formatting.stamp_word(stamp)}]" for stamp in stamps)
    return [
        Figure(
            file.relative_to(folder).as_posix(),
            f"{explainer}: {file.stem}",
            f"{explainer}, test images of class {file.stem}{marks}",
            f"Images of class {file.stem}, their {explainer} heatmaps, and both laid over each other.",
            "explanation",
        )
        for explainer, place in cell.explanations.items()
        for file in sorted(place.glob("*.svg"))
    ]
