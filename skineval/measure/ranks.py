"""Ranks: what of the order of several systems is more than this sample's, had its lesions been others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from skineval.catalog.specs import Metric
from skineval.measure.comparisons import best_first, differences, missing_folds
from skineval.measure.intervals import MOST_UNDEFINED, REPLICATES, check
from skineval.measure.metrics import Floats
from skineval.measure.names import METRICS
from skineval.measure.replicates import Kept, figures, mean_where
from skineval.measure.shares import REACH
from skineval.values.measures import Difference
from skineval.values.predictions import Predictions

RANK_KEPT = "rank_kept"  #: in results.csv: the share of resamples in which a system has the rank that it has
LAG_P = "lag_p"  #: in results.csv: the p of `lags`, among the strategies of a model
_PLACES = 12  #: decimals beyond which figures differ by rounding
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Place:
    """The rank of a system: 1 for the best; those that score the same share one."""

    system: str
    rank: int
    kept: float  #: share of the resamples in which it has that rank; NaN where too many of them say nothing


def complete(systems: Mapping[str, Sequence[Predictions]]) -> dict[str, Sequence[Predictions]]:
    """Those of `systems` that lack no fold which another one has, so that their figures are of the same images."""
    missing = missing_folds(systems)
    return {name: found for name, found in systems.items() if name not in missing}


def places(
    systems: Mapping[str, Sequence[Predictions]],
    metric: Metric = METRICS[0],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    kept: Kept | None = None,
) -> tuple[Place, ...]:
    """The ranks of `systems` by their figures of `metric`, and how often they keep them; the best one first.

    Each replicate draws the same lesions for all systems (see `intervals`), and ranks them by what they score on these:
    the bootstrap of ranks of Hall and Miller, Annals of Statistics 37:3929 (2009). A rank that is kept in 60 % of them
    is little more than this sample's. Systems should have images of the same folds (see `missing_folds`): leave others,
    and baselines, out. Where all have the same images, what `kept` holds of their replicates is not made again.

    One whose figure is undefined has none.

    Raises DataError for no image at all, several parts in a cell, or classes that differ or stand in another order.
    """
    names, observed, drawn_again = _figures(systems, metric, replicates, seed, kept or Kept())
    if not names:
        return ()
    (own,) = _ranks(observed[None], metric)
    shares = (_ranks(drawn_again, metric) == own).mean(axis=0) if len(drawn_again) else np.full(len(own), np.nan)
    found = (Place(*place) for place in zip(names, own.tolist(), shares.tolist(), strict=True))
    return tuple(sorted(found, key=lambda place: (place.rank, place.system)))


def lags(
    systems: Mapping[str, Sequence[Predictions]],
    metric: Metric = METRICS[0],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    kept: Kept | None = None,
) -> dict[str, float]:
    """The p of how far each of `systems` is behind the best one, which was picked on these very images.

    It is the share of samples in which the largest of all differences is as many standard errors as that one
    (`largest_gaps`): single-step maxT, whatever the dependence between systems (Westfall and Young, "Resampling-Based
    Multiple Testing", 1993, section 2.3; Romano and Wolf, Journal of the American Statistical Association 100:94,
    2005). So whichever two one picks after having seen all, such as the best and another one, chance alone sets any
    pair apart at 5 % in one of twenty samples. p is 1/(B + 1) at least, however many systems there are. The standard
    error is that of the interval of the difference (`skineval.measure.comparisons`), which knows how few lesions a
    class has where replicates do not; and nothing is rarer among all pairs than by its own interval and its own test.

    1 for the best, of equal ones that of `best_first`, and for what says the same; NaN where too many replicates say
    nothing. A system whose figure is undefined is left out. Raises what `places` raises.
    """
    kept = kept or Kept()
    names, observed, drawn_again = _figures(systems, metric, replicates, seed, kept)
    if not names:
        return {}
    of_names = dict(zip(names, observed.tolist(), strict=True))
    best, *_ = best_first(of_names, higher_is_better=metric.higher_is_better)
    gaps, found = largest_gaps(drawn_again), dict.fromkeys(names, 1.0)
    for name in names:
        if name != best:
            pair = systems[best], systems[name]
            (lead,) = differences(*pair, [metric], replicates=replicates, seed=seed, kept=kept)
            found[name] = _rarity(lead, gaps)
    return found


def largest_gaps(replicates: Floats) -> Floats:
    """(B,): the largest difference of any two of the S systems of `replicates` (B, S), in standard errors.

    Each difference is taken around its mean over the replicates, and over its standard deviation there; one that no
    replicate moves does not count.
    """
    largest = np.zeros(len(replicates))
    if not len(replicates):
        return largest
    deviations = replicates - replicates.mean(axis=0)
    for of_one in deviations.T:  # at a time, which is much less to hold than all pairs
        gaps = np.abs(deviations - of_one[:, None])
        error = np.sqrt((gaps**2).mean(axis=0))
        largest = np.maximum(largest, (gaps / np.where(error < _ROUNDING, np.inf, error)).max(axis=1))
    return largest


def _rarity(lead: Difference, gaps: Floats) -> float:
    """How often the largest of all differences is as many standard errors as `lead`, or it by itself."""
    toward_zero = lead.value - lead.low if lead.value > 0 else lead.high - lead.value
    if not len(gaps) or np.isnan(toward_zero):
        return float("nan")
    if abs(lead.value) < _ROUNDING:
        return 1.0
    errors = abs(lead.value) * REACH / max(toward_zero, _ROUNDING)
    among_all = (1 + int((gaps >= errors - _ROUNDING).sum())) / (1 + len(gaps))
    return max(among_all, lead.p, erfc(errors / sqrt(2)))


def _figures(
    systems: Mapping[str, Sequence[Predictions]], metric: Metric, replicates: int, seed: int, kept: Kept
) -> tuple[list[str], Floats, Floats]:
    """The systems that have a figure, their figures (S,), and those of the replicates that say something (B, S).

    No replicate where too many of them say nothing.
    """
    everyone = [cell for cells in systems.values() for cell in cells]
    check(everyone)
    drawn = kept.drawn(everyone, replicates, seed)
    observed, replicated = {}, {}
    for name, cells in systems.items():
        folds = [cell.fold for cell in cells]
        values = np.vstack([figures(cell, [metric], np.ones((1, len(cell)))) for cell in cells])
        used = ~np.isnan(values)
        if used.any():
            observed[name] = mean_where(used, values, folds)[0]
            replicated[name] = kept.replicates(cells, [metric], {metric.name: used}, folds, drawn)[metric.name][:, 0]
    if not observed:
        return [], np.empty(0), np.empty((0, 0))
    drawn_again = np.stack(list(replicated.values()), axis=1)
    defined = ~np.isnan(drawn_again).any(axis=1)
    enough = defined.mean() >= 1 - MOST_UNDEFINED
    return list(observed), np.array(list(observed.values())), drawn_again[defined & enough]


def _ranks(values: Floats, metric: Metric) -> NDArray[np.int64]:
    """(B, S): the rank of each of the `values` (B, S) in its row, 1 for the best; equal ones share one."""
    sign = -1 if metric.higher_is_better else 1
    from scipy.stats import rankdata  # which takes long to import

    ranks: NDArray[np.int64] = rankdata(np.round(sign * values, _PLACES), method="min", axis=1).astype(np.int64)
    return ranks
