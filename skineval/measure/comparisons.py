"""Comparisons: the difference of two systems on the same images, its interval, its p-value, and their correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import UsageError
from skineval.base.terms import UNCHANGED
from skineval.catalog.specs import Metric
from skineval.measure.checks import check_p
from skineval.measure.counting import count_distinct
from skineval.measure.exchange import says_the_same, shuffled_gaps
from skineval.measure.intervals import (
    MOST_UNDEFINED,
    REPLICATES,
    check,
    distinct,
    has_few,
    percentile_interval,
    same_classes,
    share_intervals,
    stretched,
    with_parts,
)
from skineval.measure.metrics import Floats
from skineval.measure.names import METRICS
from skineval.measure.pairs import paired
from skineval.measure.replicates import Kept, by_metric, figures, mean_where
from skineval.measure.resampling import UnitCounts
from skineval.measure.shares import reach_of_difference
from skineval.values.measures import Difference
from skineval.values.predictions import EVERY_FOLD, Predictions

#: Figures and differences closer than this are equal: the same images summed in another order differ by rounding.
_ROUNDING = 1e-12
_PLACES = 12


def differences(
    a: Sequence[Predictions],
    b: Sequence[Predictions],
    metrics: Sequence[Metric],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    kept: Kept | None = None,
) -> list[Difference]:
    """The differences a - b of two systems, one for each metric, on the images that both predict in the same fold.

    A difference is the mean over the pairs of cells of each fold of the metric of a's cell minus that of b's, and then
    over folds: where both have the same folds, and all seeds of a fold the same images, it is the difference of the
    figures that `estimate` gives them. Cells of a fold pair by seed where both systems have the same seeds there, and
    each with each where they do not, which is the difference of the means over seeds; the mean over the networks of all
    folds pairs with each fold. A pair where it is undefined is left out. Metrics per class cannot be compared here.

    The interval is a paired bootstrap: each replicate draws the same lesions for both systems (see `intervals`). Where
    figures are shares, or means of shares, the replicates give their correlations only (see `shares`). The p-value is
    two-sided, of a randomisation test (Ernst, Statistical Science 19:676, 2004): if the systems are equally good,
    nothing changes when their answers to a lesion change places, so for each lesion a coin decides; p = (1 + the number
    of shuffles that differ more, and half of those that differ as much) / (1 + shuffles) (Phipson and Smyth,
    Statistical Applications in Genetics and Molecular Biology 9:39, 2010). It is 1/(1 + replicates) at least. Ties
    count half, as in the mid-P of McNemar's test, since figures that count images have many: with all of them 3 % of
    equal systems are called different at 5 %, and not 4 to 5 % (up to 8 where one knows that 16 lesions differ;
    Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91, 2013; benchmarks/statistics). What changes
    places is what the metric says: for areas under curves the mid-ranks among the system's own answers (Venkatraman and
    Begg, Biometrika 83:835, 1996), in which each lesion counts alike, since systems whose scores differ in scale would
    lose the order of their images with the scores.

    Raises DataError where there is no common image, classes differ or an image has two targets, UsageError for a
    metric per class, PluginError for a metric that returns the wrong shape.
    """
    for metric in metrics:
        if metric.per_class:
            raise UsageError(f"{metric.name} is a metric per class", "Compare systems by an overall metric.")
    pairs = paired(a, b)
    ours, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    kept = kept or Kept()
    drawn = kept.drawn(ours, replicates, seed)
    swapped = UnitCounts(drawn.units, coins(replicates, len(drawn.units), seed), drawn.strata)

    every, classes = with_parts(metrics), pairs[0][0].classes
    folds = [other.fold if one.fold == EVERY_FOLD else one.fold for one, other in pairs]
    plain = [np.vstack([figures(cell, every, np.ones((1, len(cell)))) for cell in cells]) for cells in (ours, theirs)]
    used = ~np.isnan(plain[0] + plain[1])
    is_used = by_metric(every, classes, used)
    a_is, b_is = (
        _System(
            cells,
            by_metric(every, classes, values),
            by_metric(every, classes, mean_where(used, values, folds)),
            kept.replicates(cells, every, is_used, folds, drawn),
        )
        for cells, values in zip((ours, theirs), plain, strict=True)
    )

    n_images, n_lesions = count_distinct(ours)
    found = []
    for metric in metrics:
        observed = float((a_is.values[metric.name] - b_is.values[metric.name])[0])
        shuffled = mean_where(
            is_used[metric.name], (shuffled_gaps(one, other, metric, swapped) for one, other in pairs), folds
        )
        interval = _interval(a_is, b_is, metric, is_used, folds, drawn)
        gaps = a_is.of_cells[metric.name][:, 0] - b_is.of_cells[metric.name][:, 0]
        difference = Difference(
            observed,
            *interval,
            metric=metric.name,
            p=p_value(observed, shuffled[:, 0]),
            check_p=check_p(metric, pairs, gaps, folds),
            n_images=n_images,
            n_lesions=n_lesions,
        )
        found.append(difference)
    return found


def against_best(
    systems: Mapping[str, Sequence[Predictions]],
    metrics: Sequence[Metric],
    *,
    primary: Metric = METRICS[0],
    replicates: int = REPLICATES,
    seed: int = 0,
    kept: Kept | None = None,
) -> list[Difference]:
    """Compares the best of several systems with each other one: by metric, then in the order of `systems`.

    The best is the one with the best figure of `primary` (see `estimate`), of equal ones the first by name
    (`best_first`); leave baselines out. One that lacks a fold (`missing_folds`) cannot be the best, for its figure is
    of other images: it is compared on the folds that it has. Where each lacks one, there is no best and no comparison.

    What `kept` holds of other comparisons of the same metrics is not made again.

    The best was chosen on these very images, so its lead is flattered a little: read the p-values as what does not
    differ, and confirm a winner on further images.

    Raises what `differences` raises.
    """
    best = best_of(systems, primary)
    return against(best, systems, metrics, replicates=replicates, seed=seed, kept=kept) if best else []


def best_of(systems: Mapping[str, Sequence[Predictions]], primary: Metric) -> str:
    """The system with the best figure of `primary`, of equal ones the first by name; "" where each lacks a fold."""
    missing = missing_folds(systems)
    ranked = {name: _figure(cells, primary) for name, cells in systems.items() if name not in missing}
    return next(iter(best_first(ranked, higher_is_better=primary.higher_is_better)), "")


def against(
    best: str,
    systems: Mapping[str, Sequence[Predictions]],
    metrics: Sequence[Metric],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    kept: Kept | None = None,
) -> list[Difference]:
    """Compares the system `best` with each other one: by metric, then in the order of `systems`.

    Holm's correction is over the comparisons of one metric. Raises what `differences` raises.
    """
    others = [name for name in systems if name != best]
    kept = kept or Kept()
    found = [
        differences(systems[best], systems[name], metrics, replicates=replicates, seed=seed, kept=kept)
        for name in others
    ]
    comparisons = []
    for k in range(len(metrics)):
        of_metric = [rows[k] for rows in found]
        corrected = holm([row.p for row in of_metric])
        comparisons += [
            replace(row, a=best, b=name, p_holm=float(p))
            for name, row, p in zip(others, of_metric, corrected, strict=True)
        ]
    return comparisons


def best_first(figures: Mapping[str, float], *, higher_is_better: bool = True) -> list[str]:
    """The systems by their figures, the best one first; undefined ones (NaN) last.

    Of equal ones those without a remedy come first, since a remedy that gains nothing is none, and then the first in
    the alphabet. The order of `figures` does not matter: who asks twice is told the same best system.
    """

    def key(name: str) -> tuple[bool, float, bool, str]:
        figure = figures[name]
        undefined = bool(np.isnan(figure))
        place = 0.0 if undefined else round(-figure if higher_is_better else figure, _PLACES)
        return undefined, place, not name.endswith(f"/{UNCHANGED}"), name

    return sorted(figures, key=key)


def missing_folds(systems: Mapping[str, Sequence[Predictions]]) -> dict[str, tuple[int, ...]]:
    """The systems that have no image of a fold of which another one has some, each with the folds that it lacks.

    The mean over the networks of all folds lacks none.
    """
    tested = {name: {cell.fold for cell in cells if len(cell)} for name, cells in systems.items()}
    every = {fold for folds in tested.values() for fold in folds} - {EVERY_FOLD}
    missing = {name: every - folds for name, folds in tested.items() if EVERY_FOLD not in folds}
    return {name: tuple(sorted(folds)) for name, folds in missing.items() if folds}


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """p-values corrected for their number, (m,) float64 in the same order; NaN stays NaN and is not counted.

    The step-down procedure of Holm, Scandinavian Journal of Statistics 6:65 (1979): it bounds the chance of any false
    discovery, whatever the dependence between the tests.
    """
    p = np.asarray(p_values, dtype=np.float64)
    corrected = np.full(p.shape, np.nan)
    ranked = np.argsort(p, kind="stable")[: int((~np.isnan(p)).sum())]  # NaN sorts last
    steps = p[ranked] * np.arange(len(ranked), 0, -1)
    corrected[ranked] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected


@dataclass(frozen=True, eq=False)
class _System:
    """One side of a comparison on the common images: its figures and their replicates, by metric."""

    cells: Sequence[Predictions]
    of_cells: Mapping[str, Floats]  #: (cells, K) each
    values: Mapping[str, Floats]  #: (K,) each
    replicates: Mapping[str, Floats]  #: (B, K) each


def _interval(
    a: _System,
    b: _System,
    metric: Metric,
    is_used: Mapping[str, NDArray[np.bool_]],
    folds: Sequence[int],
    drawn: UnitCounts,
) -> tuple[float, float]:
    """Of the difference a - b: that of a difference of shares where both figures are made of such, else percentiles.

    It is 0 where no replicate tells the systems apart and they say the same of every image. Where they only score the
    same on these images, such as none of a class, they may differ on others.
    """
    gaps = (a.replicates[metric.name] - b.replicates[metric.name])[:, 0]
    unmoved = (np.abs(gaps[~np.isnan(gaps)]) <= _ROUNDING).all() and not np.isnan(gaps).all()
    if unmoved and all(says_the_same(*pair, metric) for pair in zip(a.cells, b.cells, strict=True)):
        return 0.0, 0.0
    if has_few(metric, a.cells):
        return np.nan, np.nan
    part = metric.mean_of or metric
    difference = float((a.values[metric.name] - b.values[metric.name])[0])
    if part.share_of is None or not same_classes(is_used[part.name]):
        return stretched(difference, *percentile_interval(gaps))
    ours, theirs = (
        share_intervals(one.cells, folds, drawn, part, one.values[part.name], one.replicates[part.name])
        for one in (a, b)
    )
    below, above = reach_of_difference(distinct(part, ours), distinct(part, theirs))
    return difference - below, difference + above


def coins(replicates: int, units: int, seed: int) -> NDArray[np.int8]:
    """(B, G): 0 or 1, apart from what `resample` draws with the same seed."""
    return np.random.default_rng([seed, 1]).integers(2, size=(replicates, units), dtype=np.int32).astype(np.int8)


def p_value(observed: float, shuffled: Floats) -> float:
    """Two-sided, of a randomisation test: see `differences`; NaN where too many of `shuffled` (B,) are."""
    defined = shuffled[~np.isnan(shuffled)]
    if np.isnan(observed) or len(defined) < (1 - MOST_UNDEFINED) * len(shuffled):
        return np.nan
    beyond = np.abs(defined) - abs(observed)
    ties = int((np.abs(beyond) <= _ROUNDING).sum())
    # Where systems score the same, a shuffle that does so ties with both signs of their difference.
    as_far = int((beyond > _ROUNDING).sum()) + (ties / 2 if abs(observed) > _ROUNDING else ties)
    return (1 + as_far) / (1 + len(defined))


def _figure(cells: Sequence[Predictions], metric: Metric) -> float:
    """The figure that `estimate` gives a system, without its interval."""
    check(cells)
    values = np.vstack([figures(cell, [metric], np.ones((1, len(cell)))) for cell in cells])
    return float(mean_where(~np.isnan(values), values, [cell.fold for cell in cells])[0])
