"""Means of a value that each image has, such as how well a map agrees with a mask: measured by lesions, as figures are.

Every image counts alike, so that the mean is that of a data set with these shares of the classes. Images whose value is
NaN are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skineval.measure.comparisons import coins, p_value
from skineval.measure.intervals import behind_shares, percentile_interval, stretched
from skineval.measure.metrics import Floats, ratio
from skineval.measure.resampling import UnitCounts
from skineval.measure.shares import centred, effective_size, quantiles, wilson
from skineval.values.measures import Difference, Estimate, Score
from skineval.values.predictions import Predictions


def mean_score(metric: str, values: Floats, images: Predictions, drawn: UnitCounts, *, is_share: bool = False) -> Score:
    """The mean of `values` (N,) of these images, with the percentile interval of the replicates that were `drawn`.

    With `is_share` values say how often something is true of an image: a Wilson interval (`skineval.measure.shares`),
    which knows how few images there are where all of them agree.
    """
    sums, sizes = _by_unit(values, images, drawn)
    mean, replicates = float(ratio(sums.sum(), sizes.sum())), ratio(drawn.counts @ sums, drawn.counts @ sizes)
    if is_share and sizes.any():
        low, high = _share_interval(images, ~np.isnan(values), mean, replicates, drawn)
    else:
        low, high = stretched(mean, *percentile_interval(replicates))
    n_images, n_lesions = int(sizes.sum()), int(np.count_nonzero(sizes))
    return Score(mean, low, high, metric=metric, n_images=n_images, n_lesions=n_lesions, n_cells=1)


def mean_difference(
    metric: str, ours: Floats, theirs: Floats, images: Predictions, drawn: UnitCounts, seed: int = 0
) -> Difference:
    """How much larger the mean of `ours` (N,) is than that of `theirs`, on the images that both are defined on.

    The interval is a paired bootstrap over lesions. The p-value is two-sided, of a randomisation test: were both alike,
    nothing would change if their values of a lesion changed places, so a coin decides for each (see
    `skineval.measure.comparisons.differences`).
    """
    sums, sizes = _by_unit(ours - theirs, images, drawn)
    observed = float(ratio(sums.sum(), sizes.sum()))
    low, high = stretched(observed, *percentile_interval(ratio(drawn.counts @ sums, drawn.counts @ sizes)))
    signs = 1 - 2 * coins(len(drawn), len(drawn.units), seed)
    return Difference(
        observed,
        low,
        high,
        metric=metric,
        p=p_value(observed, ratio(signs @ sums, sizes.sum())),
        n_images=int(sizes.sum()),
        n_lesions=int(np.count_nonzero(sizes)),
    )


def mean_gap(values: Floats, ours: NDArray[np.bool_], images: Predictions, drawn: UnitCounts) -> Estimate:
    """How much larger the mean of `values` (N,) is over the images `ours` (N,) than over all others.

    NaN where either has none. The interval is the percentile interval of the replicates that were `drawn`.
    """
    sides = [_by_unit(np.where(side, values, np.nan), images, drawn) for side in (ours, ~ours)]
    (sums, sizes), (other_sums, other_sizes) = sides
    gaps = ratio(drawn.counts @ sums, drawn.counts @ sizes) - ratio(
        drawn.counts @ other_sums, drawn.counts @ other_sizes
    )
    gap = float(ratio(sums.sum(), sizes.sum()) - ratio(other_sums.sum(), other_sizes.sum()))
    return Estimate(gap, *stretched(gap, *percentile_interval(gaps)))


def _share_interval(
    images: Predictions, mask: NDArray[np.bool_], value: float, replicates: Floats, drawn: UnitCounts
) -> tuple[float, float]:
    """The Wilson interval of `value`, a share of the images of `mask` (N,), for which `replicates` (B,) stand."""
    behind = behind_shares([images], [images.fold], drawn, [mask[:, None]])
    values, variances = np.array([value]), (centred(replicates[:, None]) ** 2).mean(axis=0)
    sizes = effective_size(values, variances, behind, of_ranks=False)
    low, high = wilson(values, sizes, quantiles(behind.freedom, of_ranks=False))
    return low.item(), high.item()


def _by_unit(values: Floats, images: Predictions, drawn: UnitCounts) -> tuple[Floats, Floats]:
    """The sum of the values of each unit (G,), and of how many images."""
    defined = ~np.isnan(values)
    unit = np.searchsorted(drawn.units, images.groups)
    of = (np.where(defined, values, 0), defined.astype(np.float64))
    sums, sizes = (np.bincount(unit, column, minlength=len(drawn.units)).astype(np.float64) for column in of)
    return sums, sizes
