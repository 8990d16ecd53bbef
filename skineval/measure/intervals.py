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

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.catalog.specs import Metric
from skineval.measure.counting import count_distinct, distinct_where, numbered, numbers_of, places_of, summed
from skineval.measure.metrics import Floats
from skineval.measure.replicates import Kept, by_metric, cell_weights, figures, mean_where, viewed
from skineval.measure.resampling import UnitCounts
from skineval.measure.shares import (
    CONFIDENCE,
    Behind,
    Shares,
    centred,
    effective_size,
    quantiles,
    reach_of_mean,
    wilson,
)
from skineval.values.measures import Score
from skineval.values.predictions import Predictions

REPLICATES = 2000
#: Where a larger share of the replicates is undefined, too many look like nothing at all to give an interval.
MOST_UNDEFINED = 0.05

#: Metrics that noise can only raise: each replicate adds to them what chance has added to the figure already, so that
#: percentile intervals lie too high. Of 300 / 1,000 / 4,000 simulated lesions they held the true calibration error in
#: 1 / 62 / 91 % of samples, pivotal intervals in 90 / 86 / 87 %. For 1,000 simulated lesions, depending on how far
#: probabilities are off, percentile and pivotal intervals held the class-wise error in 0 to 26 and 90 to 91 %,
#: reliability in 0 and 97 %, resolution, which noise raises by as much, in 60 to 72 and 90 %; the error in bins of
#: equal weight in 92 to 96 and 83 to 93 % where it is large.
PIVOTAL = frozenset({"ece", "classwise_ece", "adaptive_ece", "brier_reliability", "brier_resolution"})
#: Metrics per class that are the same for either of two classes.
SYMMETRIC = frozenset({"auc"})

_ROUNDING = 1e-12  # by which figures differ that are equal
_TINY = 1e-300  # keeps a division by nothing from being one by zero


def estimate(
    cells: Sequence[Predictions],
    metrics: Sequence[Metric],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    kept: Kept | None = None,
) -> list[Score]:
    """The figures of one system with their intervals: one row a metric, or one a class of it, in order.

    `cells` are the system's folds × seeds, each with the images of a single part. A figure is the mean over the seeds
    of each fold of the metric of each cell, and then over folds, so that a missing cell shifts no weight between folds.
    A replicate draws the same lesions for all cells: the interval reflects how many lesions there are, not how many
    cells. A cell where the figure is undefined is left out of it. Undefined replicates are left out of the interval;
    beyond `MOST_UNDEFINED` there is none.

    An answer that is the same for every image is a rule, whose recalls are known and not estimated: their intervals
    have no width, as those of any figure of a rule that does not depend on how frequent classes are. Elsewhere
    replicates that all agree know nothing, and there is no interval.

    What `kept` holds of the same cells and metrics is not made again. With 0 `replicates` there are no intervals.

    Raises DataError for no image at all, several parts in a cell or classes that differ between cells, PluginError
    for a metric that returns the wrong shape.
    """
    check(cells)
    classes = cells[0].classes
    every = with_parts(metrics)
    folds = [cell.fold for cell in cells]
    values = np.vstack([figures(cell, every, np.ones((1, len(cell)))) for cell in cells])
    used = ~np.isnan(values)
    means = by_metric(every, classes, mean_where(used, values, folds))
    is_used = by_metric(every, classes, used)
    kept = kept or Kept()
    drawn = kept.drawn(cells, max(1, replicates), seed)
    replicated = kept.replicates(cells, every, is_used, folds, drawn) if replicates else {}
    exact = by_metric(every, classes, exact_of_rule(cells, every))

    def shares(metric: Metric) -> Shares:
        return share_intervals(cells, folds, drawn, metric, means[metric.name], replicated[metric.name])

    def intervals(metric: Metric) -> tuple[Floats, Floats]:
        part, value = metric.mean_of, means[metric.name]
        unknown = np.full_like(value, np.nan)
        if not replicates:
            return unknown, unknown
        if has_few(metric, cells):
            lows, highs = unknown, unknown
        elif metric.share_of is not None:
            found = shares(metric)
            lows, highs = found.lows, found.highs
        elif part is not None and same_classes(is_used[part.name]):
            below, above = reach_of_mean(distinct(part, shares(part)))
            lows, highs = value - below, value + above
        else:
            lows, highs = percentile_intervals(metric, value, replicated[metric.name])
        known = exact[metric.name]
        return np.where(known, value, lows), np.where(known, value, highs)

    images, units = (numbered([getattr(cell, name) for cell in cells]) for name in ("image_ids", "groups"))
    scores = []
    for metric in metrics:
        lows, highs = intervals(metric)
        counted = [mask & of for mask, of in zip(_masks(metric, cells), is_used[metric.name], strict=True)]
        n_images, n_lesions = distinct_where(images, counted), distinct_where(units, counted)
        for k, class_ in enumerate(classes if metric.per_class else ("",)):
            of_cells = is_used[metric.name][:, k]
            n_cells = sum(cell.n_cells for cell, counts in zip(cells, of_cells, strict=True) if counts)
            score = Score(
                float(means[metric.name][k]),
                float(lows[k]),
                float(highs[k]),
                metric=metric.name,
                class_=class_,
                n_images=int(n_images[k]),
                n_lesions=int(n_lesions[k]),
                n_cells=n_cells,
            )
            scores.append(score)
    return scores


def with_parts(metrics: Sequence[Metric]) -> list[Metric]:
    """`metrics`, and those that they are means of."""
    parts = [metric.mean_of for metric in metrics if metric.mean_of]
    return list({metric.name: metric for metric in (*metrics, *parts)}.values())


def has_few(metric: Metric, cells: Sequence[Predictions]) -> bool:
    """Whether a class that is tested has fewer than `Metric.least_lesions` lesions."""
    if not metric.least_lesions:
        return False
    seen = [viewed(metric, cell) for cell in cells]
    for label in range(len(seen[0].classes)):
        lesions = np.concatenate([cell.groups[cell.targets == label] for cell in seen])
        first = lesions[: 100 * metric.least_lesions]  # of many images, which hold enough of them as a rule
        if len(lesions) and all(len(np.unique(some)) < metric.least_lesions for some in (first, lesions)):
            return True
    return False


def exact_of_rule(cells: Sequence[Predictions], metrics: Sequence[Metric]) -> NDArray[np.bool_]:
    """(K,): the figures that are known, and not estimated: of a rule, and whatever the frequencies of classes are.

    A rule gives images of different classes the same answer: it was not told apart from one by a single image.
    """
    if not all(is_rule(cell) for cell in cells if len(cell)):
        return np.zeros(sum(len(cells[0].classes) if metric.per_class else 1 for metric in metrics), dtype=np.bool_)
    known: list[NDArray[np.bool_]] = []
    for cell in (cell for cell in cells if len(cell)):
        doubled = 1.0 + (cell.targets == np.unique(cell.targets)[:, None])
        changed, plain = figures(cell, metrics, doubled), figures(cell, metrics, np.ones((1, len(cell))))
        alike = np.isclose(changed, plain, rtol=0, atol=_ROUNDING, equal_nan=True)
        known.append(np.asarray(alike.all(axis=0), dtype=np.bool_))
    exact: NDArray[np.bool_] = np.all(known, axis=0)
    return exact


def is_rule(cell: Predictions) -> bool:
    """Whether images of different classes all got the same answer."""
    return len(np.unique(cell.targets)) > 1 and bool((cell.probabilities == cell.probabilities[0]).all())


def same_classes(used: NDArray[np.bool_]) -> bool:
    """Whether the cells (cells, K) have the same classes; where not, a mean over classes is not one of their means."""
    there = used[used.any(axis=1)]
    return bool((there == there[:1]).all())


def distinct(metric: Metric, shares: Shares) -> Shares:
    """`shares` of a metric, each counted once: of two classes there is one area under the curve, named twice."""
    if metric.name not in SYMMETRIC or len(shares.values) != 2:
        return shares
    return Shares(shares.values[:1], shares.lows[:1], shares.highs[:1], shares.replicates[:, :1])


def percentile_intervals(metric: Metric, values: Floats, replicates: Floats) -> tuple[Floats, Floats]:
    """(K,), (K,): the ends of the percentile intervals of `values` (K,), for which `replicates` (B, K) stand."""
    shape = pivoted if metric.name in PIVOTAL else stretched
    plain = (percentile_interval(column) for column in replicates.T)
    low, high = np.array([shape(float(value), *ends) for value, ends in zip(values, plain, strict=True)]).T
    return low, high


def share_intervals(
    cells: Sequence[Predictions],
    folds: Sequence[int],
    drawn: UnitCounts,
    metric: Metric,
    values: Floats,
    replicates: Floats,
) -> Shares:
    """The Wilson intervals of `values` (K,), shares that are means over `cells`; `replicates` (B, K) stand for them.

    What is known of a rule has no width.
    """
    of_ranks = metric.exchange != "answers"
    behind = behind_shares(cells, folds, drawn, [share_of(metric, cell) for cell in cells])
    if of_ranks:  # an area is a share of pairs with images of the other side, too
        behind = replace(behind, images=np.full(len(values), count_distinct(cells)[0], dtype=np.float64))
    sizes = effective_size(values, (centred(replicates) ** 2).mean(axis=0), behind, of_ranks=of_ranks)
    ends = wilson(values, sizes, quantiles(behind.freedom, of_ranks=of_ranks))
    exact = exact_of_rule(cells, [metric])
    lows, highs = (np.where(exact, values, end) for end in ends)
    return Shares(values, lows, highs, replicates)


def behind_shares(
    cells: Sequence[Predictions], folds: Sequence[int], drawn: UnitCounts, masks: Sequence[NDArray[np.bool_]]
) -> Behind:
    """What is behind means over cells of the shares of the images where `masks` (N, K), one a cell, are True."""
    counted = np.vstack([mask.sum(axis=0) for mask in masks])
    of_image = cell_weights(counted > 0, folds) / np.maximum(1, counted)
    weights = np.vstack([mask * of_cell for mask, of_cell in zip(masks, of_image, strict=True)])
    units = places_of(drawn.units, *(cell.groups for cell in cells))
    images = numbers_of(*(cell.image_ids for cell in cells))
    of_unit = summed(weights, units, len(drawn.units))
    squares, varies = of_unit**2, np.bincount(drawn.strata)[drawn.strata] > 1
    all_squares = np.where(of_unit.any(axis=0), squares.sum(axis=0), np.nan)
    there = (of_unit > 0) & varies[:, None]
    strata = summed(there.astype(np.float64), drawn.strata, int(drawn.strata.max()) + 1) > 0
    return Behind(
        images=1 / (summed(weights, images, int(images.max()) + 1) ** 2).sum(axis=0).clip(_TINY),
        lesions=1 / all_squares,
        drawn=np.nan_to_num(squares[varies].sum(axis=0) / all_squares),
        freedom=(there.sum(axis=0) - strata.sum(axis=0)).astype(np.float64),
    )


def share_of(metric: Metric, cell: Predictions) -> NDArray[np.bool_]:
    """(N, K): which images the figures of a metric are shares of."""
    assert metric.share_of is not None
    seen = viewed(metric, cell)
    mask = metric.share_of(seen.targets, seen.probabilities, seen.classes)
    return mask if mask.ndim > 1 else mask[:, None]


def percentile_interval(replicates: Floats) -> tuple[float, float]:
    """The middle of `replicates` (B,), leaving NaN out.

    NaN where more than `MOST_UNDEFINED` are NaN, or all agree: nothing is known of how far others would lie.
    """
    defined = replicates[~np.isnan(replicates)]
    if len(defined) < (1 - MOST_UNDEFINED) * len(replicates) or np.ptp(defined) <= _ROUNDING:
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def stretched(value: float, low: float, high: float) -> tuple[float, float]:
    """An interval with its figure in it, which of a handful of lesions all replicates but a few may lie beside."""
    return float(np.minimum(low, value)), float(np.maximum(high, value))  # NaN stays NaN


def pivoted(value: float, low: float, high: float) -> tuple[float, float]:
    """A percentile interval of a figure reflected at the figure, and stretched to hold it: a pivotal interval.

    It ends at 0, unless the figure lies below.

    Where replicates lie as far above the figure as the figure above the truth, this brings the interval back down
    (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 5.2: the basic interval).
    """
    reflected = np.array([value, 2 * value - low, 2 * value - high])
    return float(np.maximum(min(0, value), reflected.min())), float(reflected.max())  # NaN stays NaN


def _masks(metric: Metric, cells: Sequence[Predictions]) -> list[NDArray[np.bool_]]:
    """(N, K) for each cell: the images behind each figure of a metric: see `Score`."""
    if metric.share_of is not None and metric.exchange == "answers":
        return [share_of(metric, cell) for cell in cells]
    if metric.per_class:
        return [cell.targets[:, None] == np.arange(len(cell.classes)) for cell in cells]
    return [np.ones((len(cell), 1), dtype=np.bool_) for cell in cells]


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
