"""Calibration: whether a confidence of 80 % is right in 80 % of the images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skineval.measure.metrics import ECE_BINS, Floats, Integers, confidence_bins, predicted


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """Bins of equal width over the largest probability, from 0 to 1.

    `confidence` (bins,) is the mean largest probability of the images of a bin and `accuracy` (bins,) the share of them
    that is predicted right, both NaN in an empty bin; `count` (bins,) int64 is how many there are.
    """

    confidence: Floats
    accuracy: Floats
    count: Integers


def reliability(targets: Integers, probabilities: Floats, bins: int = ECE_BINS) -> ReliabilityCurve:
    """The reliability diagram (Guo et al., ICML 2017, section 2) of targets (N,) and probabilities (N, C).

    The bins are those of `metrics.ece`, which is the mean of |accuracy - confidence| over them, weighted by `count`.
    """
    bin_of = confidence_bins(probabilities, bins)
    count = np.bincount(bin_of, minlength=bins)
    divisor = np.where(count > 0, count, np.nan)
    return ReliabilityCurve(
        np.bincount(bin_of, probabilities.max(axis=1), bins) / divisor,
        np.bincount(bin_of, predicted(probabilities) == targets, bins) / divisor,
        count.astype(np.int64),
    )
