"""Whether maps stay what they are where the image hardly changes, or changes in a way that a map should follow."""

from __future__ import annotations

import numpy as np

from skineval.explain.scores import Maps, Scores

NOISE = 2.0  #: standard deviation of what is added to pixels of 0..255: nobody sees it, and JPEG leaves no less


def rank_correlation(maps: Maps, others: Maps) -> Scores:
    """Spearman's rank correlation of maps (N, S, S) with other ones, pixel by pixel: (N,), -1..1.

    1: pixels are in the same order. Of maps of noisy images it is the measure of Ghorbani, Abid, Zou (AAAI 2019), of
    maps of mirrored ones, mirrored back, one of the equivariance of explanations (Crabbé, van der Schaar, NeurIPS 2023,
    arXiv 2304.06715). NaN where one of the two maps is the same everywhere.
    """
    from scipy.stats import rankdata

    a, b = (rankdata(one.reshape(len(one), -1), axis=1) for one in (maps, others))
    a, b = (one - one.mean(axis=1, keepdims=True) for one in (a, b))
    spread = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.where(spread > 0, (a * b).sum(axis=1) / np.where(spread > 0, spread, 1), np.nan)
