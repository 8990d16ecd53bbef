"""DeLong's test of two areas under ROC curves: a check of the bootstrap and the randomisation test, and no more.

It takes images for independent of each other. Where a lesion has several, its standard errors are too small: use
`skineval.measure.comparisons`, which draws lesions.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np

from skineval.measure.metrics import Floats, Mask
from skineval.measure.shares import REACH
from skineval.values.measures import Estimate


@dataclass(frozen=True, kw_only=True)
class AreaDifference(Estimate):
    """The area of one score minus that of another on the same images, with a normal interval; NaN where undefined."""

    z: float  #: in standard errors
    p: float  #: two-sided


def areas(positive: Mask, scores: Floats) -> tuple[Floats, Floats]:
    """(K,), (K, K): the areas under the ROC curves of K `scores` (K, N) and their covariance; `positive` is (N,).

    DeLong, DeLong and Clarke-Pearson, Biometrics 44:837 (1988), by the ranks of Sun and Xu, IEEE Signal Processing
    Letters 21:1389 (2014), in N log N; a tie counts one half. NaN where a side has no image, and the covariance where
    one has a single image.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    from scipy.stats import rankdata  # which takes long to import

    of_all = rankdata(scores, axis=1)
    # Of each positive image the share of negative ones below it, of each negative one that of positive ones above it.
    with np.errstate(divide="ignore", invalid="ignore"):
        of_positive = (of_all[:, positive] - rankdata(scores[:, positive], axis=1)) / n
        of_negative = 1 - (of_all[:, ~positive] - rankdata(scores[:, ~positive], axis=1)) / m
        found: Floats = of_positive.sum(axis=1) / m
        return found, _covariance(of_positive) / m + _covariance(of_negative) / n


def delong(positive: Mask, ours: Floats, theirs: Floats) -> AreaDifference:
    """The area of `ours` (N,) minus that of `theirs` (N,), and whether chance makes such a difference; see `areas`.

    Where both order the images alike nothing varies, and p is 1; where nothing varies but they differ, it is NaN.
    """
    found, covariance = areas(positive, np.stack([ours, theirs]))
    contrast = np.array([1, -1])
    difference, variance = float(contrast @ found), float(contrast @ covariance @ contrast)
    if variance <= 0:  # also by a rounding
        z = 0.0 if difference == 0 else np.nan
        return AreaDifference(difference, z=z, p=1.0 if z == 0 else np.nan)
    error = float(np.sqrt(variance))
    reach, z = REACH * error, difference / error
    return AreaDifference(difference, difference - reach, difference + reach, z=z, p=erfc(abs(z) / sqrt(2)))


def _covariance(placements: Floats) -> Floats:
    """(K, K): the unbiased covariance of the rows of `placements` (K, n)."""
    deviations = placements - placements.mean(axis=1, keepdims=True) if placements.size else placements
    return deviations @ deviations.T / np.float64(placements.shape[1] - 1)
