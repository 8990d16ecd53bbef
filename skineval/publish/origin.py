"""Where a model comes from: the bench around it, and images on which answers are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import SkinevalError
from skineval.catalog.catalog import Catalog
from skineval.explain.asked import places_of_few
from skineval.grid.measuring import measured
from skineval.grid.sources import load_table, read_data
from skineval.grid.trained import Trained
from skineval.train.classifier import ModelCard
from skineval.values.lesion_table import LesionTable, fit_keyword
from skineval.values.predictions import Predictions
from skineval.values.result import BenchResult, CellResult, ExternalTest

PHOTOGRAPHS = 8  #: that are given to the graph larger than the network sees them
_TIMES = 3  #: how much larger


@dataclass(frozen=True, eq=False)
class Sample:
    """Images on which a network and its graph are compared."""

    words: str  #: which they are
    squares: NDArray[np.uint8]  #: (n, S, S, 3), as the network sees them
    photographs: NDArray[np.uint8]  #: (m, H, W, 3), larger and not square


def bench_of(trained: Trained, catalog: Catalog) -> BenchResult | None:
    """The bench around a trained cell, measured as if it had no other cell; None where there is none.

    Raises DataError where it is damaged.
    """
    around = trained.surroundings()
    return None if around is None else measured(_alone(around.bench, around.own), catalog.metrics)


def sample(about: ModelCard, bench: BenchResult | None, limit: int, catalog: Catalog) -> Sample:
    """`limit` test images of the bench, of each class its share; synthetic ones where these cannot be had."""
    if bench is None:
        return _synthetic(about, limit, "there is no bench around the model", catalog)
    try:
        table = read_data(bench.recipe, catalog).table
        if table.fingerprint != bench.environment.data.fingerprint:
            return _synthetic(about, limit, "the data of the bench have changed", catalog)
        test = bench.finished[0].predictions.select("test")
        chosen = test.image_ids[places_of_few(test, limit, about.run_id)].tolist()
        return _taken(table, table.rows_of(chosen), about, f"test images of {table.name}")
    except SkinevalError:
        return _synthetic(about, limit, "the data of the bench are not where they were", catalog)


def _alone(bench: BenchResult, cell: CellResult) -> BenchResult:
    def own(predictions: Mapping[str, Predictions]) -> dict[str, Predictions]:
        return {run_id: one for run_id, one in predictions.items() if run_id == cell.run_id}

    def of(test: ExternalTest) -> ExternalTest:
        outside = None if test.outside is None else own(test.outside)
        return replace(test, predictions=own(test.predictions), outside=outside, ensembles=())

    return replace(
        bench,
        finished=[cell],
        cells=bench.cells[bench.cells["run_id"] == cell.run_id],
        split=bench.split[bench.split["fold"] == cell.fold] if len(bench.split) else bench.split,
        ensembles=(),
        externals=[of(test) for test in bench.externals if cell.run_id in test.predictions],
    )


def _synthetic(about: ModelCard, limit: int, reason: str, catalog: Catalog) -> Sample:
    table, _ = load_table("synthetic", catalog)
    return _taken(table, range(min(limit, len(table))), about, f"synthetic images, since {reason}")


def _taken(table: LesionTable, rows: list[int] | range, about: ModelCard, words: str) -> Sample:
    keyword = fit_keyword(table.images.pixels, about.fit)
    side = about.image_size
    larger = table.images.pixels(rows[:PHOTOGRAPHS], _TIMES * side)
    return Sample(words, table.images.pixels(rows, side, **keyword), larger[:, : larger.shape[1] * 3 // 4])
