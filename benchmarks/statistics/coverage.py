"""How often 95 % intervals hold the true figure, by the way they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.statistics.world import (
    CLUSTERED,
    FEW,
    FOLDS,
    HOLD_OUT,
    PATIENTS,
    PLAIN,
    SMALL,
    WEIGHED,
    Size,
    World,
    answers,
    truth,
)
from skineval.measure.comparisons import differences
from skineval.measure.intervals import estimate, figures, percentile_interval
from skineval.measure.names import METRICS
from skineval.measure.resampling import UnitCounts, resample
from skineval.report.document.tables import Column, Row, Table
from skineval.values.predictions import Predictions

WORLDS = (HOLD_OUT, FEW, SMALL, FOLDS, PATIENTS, CLUSTERED)
OVERALL = ("balanced_accuracy", "macro_auc", "macro_f1", "malignancy_auc", "accuracy", "mcc", "nll", "brier")
OF_CLASS = ("recall", "precision", "auc")
RAREST = 3  #: place of dermatofibroma

Interval = tuple[float, float]


def _metrics(names: Sequence[str]) -> list:
    by_name = {metric.name: metric for metric in METRICS}
    return [by_name[name] for name in names]


def plain_draw(cell: Predictions, replicates: int, seed: int) -> UnitCounts:
    """Lesions of all classes drawn together, as most bootstraps do."""
    units = np.unique(cell.groups)
    counts = np.random.default_rng(seed).multinomial(len(units), np.full(len(units), 1 / len(units)), size=replicates)
    return UnitCounts(units, counts.astype(np.int32), np.zeros(len(units), dtype=np.int64))


def _percentiles(draw: Callable[[Predictions, int, int], UnitCounts]) -> Callable[..., list[NDArray]]:
    def intervals(cells: Sequence[Predictions], metrics: list, replicates: int) -> list[NDArray]:
        (cell,) = cells
        drawn = draw(cell, replicates, 0)
        columns = np.vstack([figures(cell, metrics, weights) for weights in drawn.weights(cell.groups)])
        ends = np.array([percentile_interval(column) for column in columns.T])
        widths = np.cumsum([len(cell.classes) if metric.per_class else 1 for metric in metrics])
        return np.split(ends, widths[:-1])

    return intervals


def _own(cells: Sequence[Predictions], metrics: list, replicates: int) -> list[NDArray]:
    rows = estimate(cells, metrics, replicates=replicates)
    return [np.array([(row.low, row.high) for row in rows if row.metric == metric.name]) for metric in metrics]


def _of_images(cells: Sequence[Predictions], metrics: list, replicates: int) -> list[NDArray]:
    """As if images of one lesion had nothing to do with each other."""
    return _percentiles(plain_draw)([replace(cell, groups=cell.image_ids) for cell in cells], metrics, replicates)


WAYS = {
    "all images together, percentiles": _of_images,
    "all lesions together, percentiles": _percentiles(plain_draw),
    "within classes, percentiles": _percentiles(lambda cell, replicates, seed: resample([cell], replicates, seed)),
    "skineval": _own,
}


def of_figures(world: World, size: Size) -> Table:
    """The share of samples whose interval holds the truth, and how wide intervals are."""
    metrics = _metrics((*OVERALL, *OF_CLASS))
    (true,) = truth(world, [PLAIN], metrics, size.per_class)
    held: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    for sample in range(size.samples):
        rng = np.random.default_rng([7, sample])
        (cell,) = answers(world, world.sample(rng), [PLAIN], rng)
        for way, intervals in (WAYS if world.folds == 1 else {"skineval": _own}).items():
            for metric, ends in zip(metrics, intervals(world.dealt(cell), metrics, size.replicates), strict=True):
                place = RAREST if metric.per_class else 0
                name = f"{metric.name} of {world.classes[RAREST]}" if metric.per_class else metric.name
                low, high = ends[place]
                value = true[metric.name][place]
                held.setdefault((name, way), []).append((bool(low <= value <= high), high - low))
    return _table(f"Coverage of 95 % intervals: {world.name}", held, size.samples)


def of_differences(world: World, size: Size) -> Table:
    """The same for paired differences of two systems, of which one finds more of the rare classes."""
    metrics = _metrics(OVERALL)
    ours, theirs = truth(world, [PLAIN, WEIGHED], metrics, size.per_class)
    held: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    for sample in range(size.samples):
        rng = np.random.default_rng([8, sample])
        a, b = answers(world, world.sample(rng), [PLAIN, WEIGHED], rng)
        drawn = plain_draw(a, size.replicates, 0)
        gaps = np.vstack([figures(a, metrics, w) - figures(b, metrics, w) for w in drawn.weights(a.groups)])
        found = differences(world.dealt(a), world.dealt(b), metrics, replicates=size.replicates)
        for k, (metric, row) in enumerate(zip(metrics, found, strict=True)):
            value = float((ours[metric.name] - theirs[metric.name])[0])
            ends = {"skineval": (row.low, row.high)}
            if world.folds == 1:
                ends = {"all lesions together, percentiles": percentile_interval(gaps[:, k])} | ends
            for way, (low, high) in ends.items():
                held.setdefault((metric.name, way), []).append((low <= value <= high, high - low))
    return _table(f"Coverage of 95 % intervals of paired differences: {world.name}", held, size.samples)


def _table(title: str, held: dict[tuple[str, str], list[tuple[bool, float]]], samples: int) -> Table:
    ways = list(dict.fromkeys(way for _, way in held))
    columns = (Column("figure", "Figure"), *(Column(way, way) for way in ways))
    rows = []
    for name in dict.fromkeys(name for name, _ in held):
        cells = []
        for way in ways:
            hits, widths = zip(*held[name, way], strict=True)
            # An interval that is undefined holds nothing.
            there = [width for width in widths if not np.isnan(width)]
            width = f"{np.mean(there):.3f}" if there else "undefined"
            cells.append(f"{100 * np.mean(hits):.1f} % (width {width})")
        rows.append(Row((name, *cells)))
    error = 100 * np.sqrt(0.95 * 0.05 / samples)
    return Table(title, columns, tuple(rows), (f"{samples} samples: Monte Carlo error {error:.1f} points at 95 %.",))
