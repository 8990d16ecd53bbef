"""Intervals: what a figure could have been with other lesions.

Images of one lesion resemble each other, so lesions are drawn, not images: a nonparametric cluster bootstrap (Field and
Welsh, Journal of the Royal Statistical Society B 69:369, 2007). Lesions are drawn within their class: a replicate
without dermatofibromas would say nothing of their recall, and average the others' in its place. Training again, with
other seeds or other folds, is not part of it: an interval says how sure the figure of these trained models is on
lesions of these classes, not how far the next training run will land from it.

Shares, and means of shares, have Wilson intervals with the design effect of the replicates (`skineval.measure.shares`);
other figures percentile intervals (Efron, Annals of Statistics 7:1, 1979), but for `PIVOTAL`. They were chosen by
simulation: see benchmarks/statistics.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from skineval.errors import DataError, PluginError
from skineval.measure.metrics import Floats, Integers
from skineval.measure.predictions import Predictions
from skineval.measure.shares import Shares, centred, effective_size, quantiles, reach_of_mean, wilson
from skineval.specs import Metric

T = TypeVar("T", bound=np.generic)

REPLICATES = 2000
CONFIDENCE = 0.95
#: Where a larger share of the replicates is undefined, too many look like nothing at all to give an interval.
MOST_UNDEFINED = 0.05

#: Metrics that noise can only raise: each replicate adds to them what chance has added to the figure already, so that
#: percentile intervals lie too high. Of 300 / 1,000 / 4,000 simulated lesions they held the true calibration error in
#: 1 / 62 / 91 % of samples, pivotal intervals in 90 / 86 / 87 %.
PIVOTAL = frozenset({"ece"})

_CHUNK = 2**21  # weights in memory at a time: 16 MB; larger gains little, smaller costs time


@dataclass(frozen=True)
class Estimate:
    """One figure of a system. `class_` is "" for overall figures; `low` and `high` are NaN where there is no interval.

    `n_images` and `n_lesions` count the distinct images and resampling units behind it: in a row of a class those of
    the class, otherwise all. `n_cells` counts the cells it is the mean of, or
    those whose mean was measured.
    """

    metric: str
    class_: str
    value: float
    low: float
    high: float
    n_images: int
    n_lesions: int
    n_cells: int


@dataclass(frozen=True, eq=False)
class UnitCounts:
    """How often each unit counts in each replicate: `units` (G,) sorted names, `counts` (B, G) int32."""

    units: NDArray[np.str_]
    counts: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.counts)

    def weights(self, groups: NDArray[np.str_]) -> Iterator[Floats]:
        """Weights (b, N) of images whose units are `groups` (N,), for a few replicates at a time, in order."""
        unit = np.searchsorted(self.units, groups)
        size = max(1, _CHUNK // max(1, len(groups)))
        for start in range(0, len(self), size):
            # Gathered by whole rows of (G, b): an image is one contiguous copy.
            yield self.counts[start : start + size].T.astype(np.float64, order="C")[unit].T


def resample(cells: Sequence[Predictions], replicates: int, seed: int) -> UnitCounts:
    """Draws as many units of each class as it has, with replacement, `replicates` times.

    A unit whose images are of several classes counts for the first of them by name. The draw depends on the set of
    units, their classes, the number of replicates and the seed alone: neither on the order of images or cells nor on
    how often a unit occurs.
    """
    names = np.concatenate([np.array(cell.classes)[cell.targets] for cell in cells])
    order = np.argsort(names, kind="stable")
    units, first = np.unique(np.concatenate([cell.groups for cell in cells])[order], return_index=True)
    class_of = names[order][first]
    counts = np.empty((replicates, len(units)), dtype=np.int32)
    for name in np.unique(class_of):
        members = np.flatnonzero(class_of == name)
        rng = np.random.default_rng([seed, zlib.crc32(str(name).encode())])
        counts[:, members] = _draw(len(members), replicates, rng)
    return UnitCounts(units, counts)


def _draw(n: int, replicates: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """(replicates, n) int32: how often each of n units is drawn in n draws with replacement, a little unevenly.

    The variance of a mean of n plain draws is too small by (n - 1)/n, which matters for a class of three lesions. Rao
    and Wu (Journal of the American Statistical Association 83:231, 1988) draw n - 1 units and scale weights up; here,
    to keep weights whole and classes as large as they are, the last of the n draws repeats another one with the
    probability n/(2(n - 1)), which makes the variance of a mean exactly the unbiased one. A single unit always is.
    """
    if n == 1:
        return np.ones((replicates, 1), dtype=np.int32)
    counts = np.empty((replicates, n), dtype=np.int32)
    size = max(1, _CHUNK // n)
    for start in range(0, replicates, size):
        drawn = rng.integers(n, size=(min(size, replicates - start), n))
        repeats = np.flatnonzero(rng.random(len(drawn)) < n / (2 * (n - 1)))
        drawn[repeats, -1] = drawn[repeats, rng.integers(n - 1, size=len(repeats))]
        places = drawn + n * np.arange(len(drawn))[:, None]
        counts[start : start + size] = np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape)
    return counts


def estimate(
    cells: Sequence[Predictions],
    metrics: Sequence[Metric],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> list[Estimate]:
    """The figures of one system with their intervals: one row a metric, or one a class of it, in order.

    `cells` are the system's folds × seeds, each with the images of a single part. A figure is the mean over the seeds
    of each fold of the metric of each cell, and then over folds, so that a missing cell shifts no weight between folds.
    A replicate draws the same lesions for all cells: the interval reflects how many lesions there are, not how many
    cells. A cell where the figure is undefined is left out of it. Undefined replicates are left out of the interval;
    beyond `MOST_UNDEFINED` there is none.

    An answer that is the same for every image is a rule, whose recalls are known and not estimated: its intervals are
    the percentiles, which have no width.

    Raises DataError for no image at all, several parts in a cell or classes that differ between cells, PluginError
    for a metric that returns the wrong shape.
    """
    check(cells)
    classes = cells[0].classes
    every = with_parts(metrics)
    folds = [cell.fold for cell in cells]
    values = np.vstack([figures(cell, every, np.ones((1, len(cell)))) for cell in cells])
    used = ~np.isnan(values)
    drawn = resample(cells, replicates, seed)
    means = by_metric(every, classes, mean_where(used, values, folds))
    replicated = by_metric(every, classes, mean_where(used, (bootstrap(cell, every, drawn) for cell in cells), folds))
    is_used = by_metric(every, classes, used)
    by_rule = all(is_rule(cell) for cell in cells)

    def intervals(metric: Metric) -> tuple[Floats, Floats]:
        part, value = metric.mean_of, means[metric.name]
        if by_rule or (metric.share_of is None and part is None):
            return percentile_intervals(metric, value, replicated[metric.name], confidence)
        if part is None:
            shares = share_intervals(cells, metric, value, replicated[metric.name], confidence)
            return shares.lows, shares.highs
        below, above = reach_of_mean(share_intervals(cells, part, means[part.name], replicated[part.name], confidence))
        return value - below, value + above

    @cache
    def behind(class_: str, of_cells: tuple[bool, ...]) -> tuple[int, int]:
        return count_distinct([cell for cell, is_used in zip(cells, of_cells, strict=True) if is_used], class_)

    estimates = []
    for metric in metrics:
        lows, highs = intervals(metric)
        for k, class_ in enumerate(classes if metric.per_class else ("",)):
            of_cells = is_used[metric.name][:, k]
            n_images, n_lesions = behind(class_, tuple(of_cells.tolist()))
            n_cells = sum(cell.n_cells for cell, counts in zip(cells, of_cells, strict=True) if counts)
            interval = float(means[metric.name][k]), float(lows[k]), float(highs[k])
            estimates.append(Estimate(metric.name, class_, *interval, n_images, n_lesions, n_cells))
    return estimates


def with_parts(metrics: Sequence[Metric]) -> list[Metric]:
    """`metrics`, and those that they are means of."""
    parts = [metric.mean_of for metric in metrics if metric.mean_of]
    return list({metric.name: metric for metric in (*metrics, *parts)}.values())


def by_metric(metrics: Sequence[Metric], classes: Sequence[str], columns: NDArray[T]) -> dict[str, NDArray[T]]:
    """The columns (..., K) of `figures`, those (..., 1) or (..., C) of each metric by its name."""
    widths = [len(classes) if metric.per_class else 1 for metric in metrics]
    parts = np.split(columns, np.cumsum(widths)[:-1], axis=-1)
    return {metric.name: part for metric, part in zip(metrics, parts, strict=True)}


def bootstrap(cell: Predictions, metrics: Sequence[Metric], drawn: UnitCounts) -> Floats:
    """(B, K): the figures of a cell on the units of each replicate."""
    return np.vstack([figures(cell, metrics, weights) for weights in drawn.weights(cell.groups)])


def is_rule(cell: Predictions) -> bool:
    """Whether every image got the same answer."""
    return len(cell) == 0 or bool((cell.probabilities == cell.probabilities[0]).all())


def percentile_intervals(
    metric: Metric, values: Floats, replicates: Floats, confidence: float
) -> tuple[Floats, Floats]:
    """(K,), (K,): the ends of the percentile intervals of `values` (K,), for which `replicates` (B, K) stand."""
    ends = [percentile_interval(column, confidence) for column in replicates.T]
    if metric.name in PIVOTAL:
        ends = [pivoted(float(value), low, high) for value, (low, high) in zip(values, ends, strict=True)]
    low, high = np.array(ends).T
    return low, high


def share_intervals(
    cells: Sequence[Predictions], metric: Metric, values: Floats, replicates: Floats, confidence: float
) -> Shares:
    """The Wilson intervals of `values` (K,), shares that are means over `cells`; `replicates` (B, K) stand for them."""
    assert metric.share_of is not None
    of_ranks = metric.exchange != "answers"
    counted = [
        metric.share_of(cell.targets, cell.probabilities, cell.classes).reshape(len(cell), len(values))
        for cell in cells
    ]
    units, images = (
        np.array([_n_distinct(names, [mask[:, k] for mask in counted]) for k in range(len(values))], dtype=np.float64)
        for names in ([cell.groups for cell in cells], [cell.image_ids for cell in cells])
    )
    # An area is a share of pairs with images of the other side, too.
    most = np.full(len(values), _n_distinct([cell.image_ids for cell in cells])) if of_ranks else images
    sizes = effective_size(values, (centred(replicates) ** 2).mean(axis=0), units, most)
    lows, highs = wilson(values, sizes, quantiles(units, confidence, of_ranks=of_ranks))
    return Shares(values, lows, highs, replicates)


def _n_distinct(names: Sequence[NDArray[np.str_]], masks: Sequence[NDArray[np.bool_]] | None = None) -> int:
    """How many different names there are, where the masks of the same lengths are True."""
    chosen = names if masks is None else [one[mask] for one, mask in zip(names, masks, strict=True)]
    return len(np.unique(np.concatenate(chosen)))


def mean_where(used: NDArray[np.bool_], values: Iterable[Floats], folds: Sequence[int]) -> Floats:
    """(..., K): the mean of `values`, one array (..., K) a cell, over the cells of each fold and then over the folds.

    Only cells where `used` (cells, K) says so count; `folds` says which one each cell is of. A fold weighs the same
    however many of its seeds count. NaN where no cell is used, and where one that is used is NaN.
    """
    same_fold = np.equal.outer(folds, folds)
    n_beside = np.maximum(1, same_fold @ used.astype(np.int64))  # the used cells of the fold of each cell
    n_folds = sum(used[np.equal(folds, fold)].any(axis=0).astype(np.int64) for fold in set(folds))
    total = sum(np.where(of_cell, value, 0) / n for of_cell, value, n in zip(used, values, n_beside, strict=True))
    mean: Floats = total / np.where(n_folds > 0, n_folds, np.nan)
    return mean


def figures(cell: Predictions, metrics: Sequence[Metric], weights: Floats) -> Floats:
    """(B, K) float64: every metric of a cell under `weights` (B, N), one column a figure, C of them where per class.

    Raises PluginError for a metric that returns another shape.
    """
    return np.hstack([_columns(metric, cell.targets, cell.probabilities, weights, cell.classes) for metric in metrics])


def _columns(
    metric: Metric, targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]
) -> Floats:
    values = np.asarray(metric.compute(targets, probabilities, weights, classes), dtype=np.float64)
    expected = (len(weights), len(classes)) if metric.per_class else (len(weights),)
    if values.shape != expected:
        raise PluginError(
            f"metric {metric.name} returned an array of shape {values.shape}, not {expected}",
            "compute returns one value for each row of weights, or one for each row and class where per_class is set.",
        )
    return values.reshape(len(weights), -1)


def percentile_interval(replicates: Floats, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The middle `confidence` of `replicates` (B,), leaving NaN out; NaN where more than `MOST_UNDEFINED` are."""
    defined = replicates[~np.isnan(replicates)]
    if len(defined) < (1 - MOST_UNDEFINED) * len(replicates):
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def pivoted(value: float, low: float, high: float) -> tuple[float, float]:
    """A percentile interval of a figure >= 0 reflected at the figure, and stretched to hold it: a pivotal interval.

    Where replicates lie as far above the figure as the figure above the truth, this brings the interval back down
    (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 5.2: the basic interval).
    """
    reflected = np.array([value, 2 * value - low, 2 * value - high])
    return float(np.maximum(0, reflected.min())), float(reflected.max())  # NaN stays NaN


def count_distinct(cells: Sequence[Predictions], class_: str = "") -> tuple[int, int]:
    """How many distinct images and units the cells hold, of one class where it is named."""
    images: set[str] = set()
    units: set[str] = set()
    for cell in cells:
        counted = cell.targets == cell.classes.index(class_) if class_ else np.ones(len(cell), dtype=bool)
        images.update(cell.image_ids[counted].tolist())
        units.update(cell.groups[counted].tolist())
    return len(images), len(units)


def check(cells: Sequence[Predictions]) -> None:
    """Raises DataError unless the cells hold images, each of one part, and agree in their classes."""
    if not any(len(cell) for cell in cells):
        raise DataError("there are no predictions to measure", "Check that the part that was asked for has images.")
    for cell in cells:
        parts = np.unique(cell.parts)
        if len(parts) > 1:
            raise DataError(
                f"fold {cell.fold} seed {cell.seed} holds images of {', '.join(parts)}", "Measure one part at a time."
            )
        if cell.classes != cells[0].classes:
            raise DataError(
                f"fold {cell.fold} seed {cell.seed} has classes {', '.join(cell.classes)}; "
                f"fold {cells[0].fold} seed {cells[0].seed} has {', '.join(cells[0].classes)}",
                "Cells of one system have the same classes in the same order.",
            )
