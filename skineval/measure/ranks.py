"""Ranks: how often a system would keep its place among others, had the lesions of the test set been others."""

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
_PLACES = 12  #: decimals beyond which figures differ by rounding


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
    everyone = [cell for cells in systems.values() for cell in cells]
    check(everyone)
    kept = kept or Kept()
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
        return ()
    (own,) = _ranks(np.array([list(observed.values())]), metric)
    drawn_again = np.stack(list(replicated.values()), axis=1)
    defined = ~np.isnan(drawn_again).any(axis=1)
    enough = defined.mean() >= 1 - MOST_UNDEFINED
    shares = (_ranks(drawn_again[defined], metric) == own).mean(axis=0) if enough else np.full(len(own), np.nan)
    found = (Place(*place) for place in zip(observed, own.tolist(), shares.tolist(), strict=True))
    return tuple(sorted(found, key=lambda place: (place.rank, place.system)))


def _ranks(values: Floats, metric: Metric) -> NDArray[np.int64]:
    """(B, S): the rank of each of the `values` (B, S) in its row, 1 for the best; equal ones share one."""
    sign = -1 if metric.higher_is_better else 1
    from scipy.stats import rankdata  # which takes long to import

    ranks: NDArray[np.int64] = rankdata(np.round(sign * values, _PLACES), method="min", axis=1).astype(np.int64)
    return ranks
