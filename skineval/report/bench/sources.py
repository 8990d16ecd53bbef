"""The figures of a bench of several data sets, by the data set that test images are from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from skineval.report.bench import notes
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.bench.standings import names
from skineval.report.bench.systems import System, ranked
from skineval.report.document import formatting
from skineval.report.document.tables import Column, Row, Table
from skineval.values.lesion_table import SOURCE
from skineval.values.measures import Score
from skineval.values.result import BenchResult

_MEASURED = METRICS[:2]  #: balanced accuracy and macro AUC


def by_source(bench: BenchResult, board: Leaderboard) -> Table | None:
    """One row a system and data set, on the test images that are from it; None where there is a single data set."""
    if SOURCE not in bench.split:
        return None
    source_of = dict(zip(bench.split["image_id"], bench.split[SOURCE], strict=True))
    titles = names(board)
    columns = (
        Column("system", "System"),
        Column("source", "Data set"),
        *(Column(metric.name, titles[metric.name], "score") for metric in _MEASURED),
        Column("classes", "Classes", "count", "of which it has test images: its figures are means over these", 1),
        Column("n_images", "Images", "count", priority=1),
        Column("n_lesions", formatting.units(bench.unit).capitalize(), "count", priority=2),
    )
    rows = tuple(row for system in ranked(bench, board) for row in _rows(system, source_of, bench))
    scores = [cell for row in rows for cell in row.cells if isinstance(cell, Score)]
    once = "A picture of several data sets counts for the first of them."
    footnotes = (notes.of_interval(bench.unit), once, *notes.without_interval(scores, bench.unit))
    return Table(formatting.stamped("By data set", board.stamps), columns, rows, footnotes)


def _rows(system: System, source_of: Mapping[str, str], bench: BenchResult) -> Iterator[Row]:
    """The rows of one system, a data set without test images left out."""
    tested = [one.select("test") for one in system.predictions]
    for source in dict.fromkeys(source_of.values()):
        mine = [one.take(np.array([source_of[id_] == source for id_ in one.image_ids], dtype=bool)) for one in tested]
        if not any(map(len, mine)):
            continue
        scores = estimate(mine, _MEASURED, replicates=bench.recipe.replicates, seed=bench.recipe.split_seed)
        n_classes = len({int(target) for one in mine for target in one.targets})
        groups = scores[0].n_lesions if bench.unit != "image" else None
        yield Row((system.name, formatting.plain(source), *scores, n_classes, scores[0].n_images, groups))
