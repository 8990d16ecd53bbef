"""Intervals of shares, and of means and differences of shares: with width, however alike all replicates are.

A percentile interval of a share has no width where all lesions are classified alike, and little where nearly all are
or where a class has a handful of lesions. A Wilson interval knows how many lesions there are: 0 of 33 is 0 to .104.
Images of one lesion are not so many observations: the share counts as one of so many independent images as would have
the variance of the replicates, its design effect (Kish, "Survey Sampling", 1965, section 8.2). Where all replicates
agree this cannot be estimated, and each lesion counts as one; of few lesions it is estimated badly, and mixed with that
as if `DOUBT` more of them had been alike. A mean over folds weighs the lesions of a small fold more, and one that is
alone of its class in a fold is in every replicate: it is taken to vary as the others do.

Intervals of shares are combined to those of their means and differences by MOVER, the method of variance estimates
recovery, with the correlations of the replicates: Zou, Huang and Zhang, Computational Statistics and Data Analysis
53:1080 (2009); Newcombe, Statistics in Medicine 17:873 (1998), for the difference of two paired shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skineval.measure.metrics import Floats

CONFIDENCE = 0.95  #: of every interval
REACH = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)  #: standard errors that it reaches where errors are normal: 1.96
#: Replicates differ by rounding where they agree.
_ROUNDING = 1e-12
#: As how many lesions the belief counts that the images of a lesion are alike. With 3, 95 % intervals held the true
#: share of 3 to 80 simulated lesions in 96 % of samples and in 93 % at least, whatever the share and however many
#: images lesions had; with none in 89 to 96 % and in 81 % at least (`python -m benchmarks.statistics`).
DOUBT = 3


@dataclass(frozen=True, eq=False)
class Behind:
    """What is behind shares (K,): each is a weighted mean of images, whose weights have the sum 1."""

    images: Floats  #: (K,) how many images of the same weight would average as well: 1 / sum of squares (Kish)
    lesions: Floats  #: (K,) the same of lesions; NaN where a share has none
    drawn: Floats  #: (K,) the part of `lesions`' sum of squares that replicates vary, 0 to 1
    freedom: Floats  #: (K,) lesions that replicates vary, less one for each of their strata


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares with their intervals; NaN where undefined."""

    values: Floats  #: (K,)
    lows: Floats  #: (K,)
    highs: Floats  #: (K,)
    replicates: Floats  #: (B, K), for their correlations


def effective_size(shares: Floats, variances: Floats, behind: Behind, *, of_ranks: bool) -> Floats:
    """(K,): how many independent images `shares` (K,) behave as if they came from; `variances` (K,) of the replicates.

    At most the images there are; the lesions where the share is 0 or 1 or the replicates agree. Elsewhere variances are
    mixed with those that as many images as there are lesions would have, the more so the fewer lesions vary, or the
    more one of them, such as a patient of many images, weighs; in areas `of_ranks` that is left to their quantiles.
    """
    spread = shares * (1 - shares)
    known = (spread > _ROUNDING) & (variances > _ROUNDING**2) & (behind.drawn > 0)
    all_lesions = variances / np.where(known, behind.drawn, 1)
    sizes = np.where(known, np.minimum(spread / np.where(known, all_lesions, 1), behind.images), behind.lesions)
    if of_ranks:
        return sizes
    say = np.minimum(behind.freedom, np.nan_to_num(behind.lesions))
    mixed: Floats = (say + DOUBT) / (say / sizes + DOUBT / behind.lesions)
    return mixed


def wilson(shares: Floats, sizes: Floats, quantiles: Floats) -> tuple[Floats, Floats]:
    """(K,), (K,): Wilson's intervals of `shares` (K,) of `sizes` (K,) images, with `quantiles` (K,) standard errors.

    Wilson, Journal of the American Statistical Association 22:209 (1927). NaN where a share is, or its size is 0.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shrink = quantiles**2 / sizes
        centre = shares + shrink / 2
        half = quantiles * np.sqrt(shares * (1 - shares) / sizes + shrink / (4 * sizes))
        low, high = (centre - half) / (1 + shrink), (centre + half) / (1 + shrink)
    # At 0 and 1 a rounding error would leave the share outside.
    return np.clip(np.minimum(low, shares), 0, 1), np.clip(np.maximum(high, shares), 0, 1)


def quantiles(freedom: Floats, *, of_ranks: bool) -> Floats:
    """(K,): how many standard errors an interval reaches.

    The normal distribution's for plain shares. For areas under curves, whose variance a handful of lesions estimates
    badly, Student's with the degrees of `freedom` of the smaller side; NaN where there is none, and nothing is known.
    """
    if not of_ranks:
        return np.full(freedom.shape, REACH)
    return student(np.where(freedom >= 1, freedom, np.nan))


def student(freedom: ArrayLike) -> Floats:
    """As `REACH`, where the standard error was estimated with so many degrees of freedom."""
    from scipy.special import stdtrit  # which takes long to import

    reach: Floats = stdtrit(freedom, (1 + CONFIDENCE) / 2)
    return reach


def reach_of_mean(shares: Shares) -> tuple[float, float]:
    """How far below and above the mean of the defined shares its interval reaches."""
    return _reach(shares, _weights(~np.isnan(shares.values)))


def reach_of_difference(ours: Shares, theirs: Shares, factors: Floats | None = None) -> tuple[float, float]:
    """The same for the mean of our shares minus that of theirs, over those that both have.

    With `factors` (K,) for the sum of these times the differences; NaN where none of them counts.
    """
    defined = ~np.isnan(ours.values + theirs.values)
    weights = _weights(defined) if factors is None else np.where(defined, factors, 0)
    both = zip(vars(ours).values(), vars(theirs).values(), strict=True)
    return _reach(Shares(*(np.concatenate(pair, axis=-1) for pair in both)), np.concatenate([weights, -weights]))


def _weights(defined: NDArray[np.bool_]) -> Floats:
    """(K,): the same for each defined share, 0 for others, 1 in sum."""
    weights: Floats = defined / max(1, defined.sum())
    return weights


def _reach(shares: Shares, weights: Floats) -> tuple[float, float]:
    """How far the interval of the sum of `weights` (K,) × shares reaches below and above it; NaN where none counts."""
    there = weights != 0
    if not there.any():
        return np.nan, np.nan
    weight, value, low, high = weights[there], shares.values[there], shares.lows[there], shares.highs[there]
    correlation = _correlation(shares.replicates[:, there])
    below = weight * np.where(weight > 0, value - low, high - value)
    above = weight * np.where(weight > 0, high - value, value - low)
    squares = below @ correlation @ below, above @ correlation @ above
    below_it, above_it = np.sqrt(np.maximum(0, squares))  # a correlation may be off by a rounding; NaN stays NaN
    return float(below_it), float(above_it)


def centred(replicates: Floats) -> Floats:
    """(B, K): how far replicates (B, K) are from their mean, 0 where undefined."""
    defined = ~np.isnan(replicates)
    means = np.where(defined, replicates, 0).sum(axis=0) / np.maximum(defined.sum(axis=0), 1)
    deviations: Floats = np.where(defined, replicates - means, 0)
    return deviations


def _correlation(replicates: Floats) -> Floats:
    """(K, K): of the columns of `replicates` (B, K), NaN taken for their mean; a constant column has none."""
    deviations = centred(replicates)
    lengths = np.sqrt((deviations**2).sum(axis=0))
    varies = lengths > _ROUNDING * np.sqrt(len(replicates))
    unit = np.where(varies, deviations / np.where(varies, lengths, 1), 0)
    correlation: Floats = unit.T @ unit
    np.fill_diagonal(correlation, 1)
    return correlation
