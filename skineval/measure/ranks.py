"""Ranks: what of the order of several systems is more than this sample's, had its lesions been others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.catalog.specs import Metric
from skineval.measure.intervals import MOST_UNDEFINED, REPLICATES, check
from skineval.measure.metrics import Floats
from skineval.measure.names import METRICS
from skineval.measure.replicates import Kept, figures, mean_where
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

    See `simultaneous_p`, of the same replicates as `places`. NaN where too many of them say nothing; a system whose
    figure is undefined is left out. Raises what `places` raises.
    """
    names, observed, drawn_again = _figures(systems, metric, replicates, seed, kept or Kept())
    if not names:
        return {}
    best = int((observed if metric.higher_is_better else -observed).argmax())
    return dict(zip(names, simultaneous_p(observed, drawn_again)[best].tolist(), strict=True))


def simultaneous_p(values: Floats, replicates: Floats) -> Floats:
    """(S, S): the p of the difference of every two of S `values` (S,), corrected for all of these differences at once.

    A difference is as rare as the share of the `replicates` (B, S) in which the largest of all differences is at least
    as large, each of them around what was found and over its own standard error: single-step maxT, whatever the
    dependence between systems (Westfall and Young, "Resampling-Based Multiple Testing", 1993, section 2.3; Romano and
    Wolf, Journal of the American Statistical Association 100:94, 2005). So whichever two one picks after having seen
    all, such as the best and another one, chance alone sets any pair apart at 5 % in one of twenty samples. p is
    1/(B + 1) at least, however many systems there are. It is 1 where no replicate moves a difference, and NaN without
    replicates.
    """
    if not len(replicates):
        return np.full((len(values), len(values)), np.nan)
    largest = np.zeros(len(replicates))
    found = np.zeros((len(values), len(values)))
    for place in range(len(values)):  # at a time, which is much less to hold than all pairs
        gaps = replicates - replicates[:, [place]]
        error = gaps.std(axis=0)
        error[error < _ROUNDING] = np.inf
        found[place] = np.abs(values - values[place]) / error
        largest = np.maximum(largest, (np.abs(gaps - (values - values[place])) / error).max(axis=1))
    rarer = len(largest) - np.searchsorted(np.sort(largest), found - _ROUNDING)
    p: Floats = np.where(found > 0, (1 + rarer) / (1 + len(largest)), 1.0)
    return p


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
