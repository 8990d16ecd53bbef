"""What figures are summaries of: the confusion matrix and the ROC curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.measure import metrics
from skineval.measure.metrics import ECE_BINS, Floats, Integers, confidence_bins, predicted
from skineval.values.predictions import Predictions


def confusion(predictions: Predictions) -> Integers:
    """(C, C + 1) int64: images of each class (row) by predicted class (column), in the order of their classes.

    The last column counts the undecided, whose largest probability is tied: a row sums to the images of the class.
    """
    everything = np.ones((1, len(predictions)))
    weight = metrics.confusion(predictions.targets, predictions.probabilities, everything)[0]
    counts: Integers = weight.astype(np.int64)
    return counts


def roc(positive: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """False and true positive rate at every distinct threshold, from (0, 0) to (1, 1), each (T,) float64.

    `positive` (N,) says which images are, `scores` (N,) is higher where they are thought to be. Tied scores are one
    step, so that the trapezoidal area is that of `ranking.areas`. NaN where positives or negatives are missing.
    """
    levels, level = np.unique(-scores, return_inverse=True)
    is_positive = np.asarray(positive, dtype=bool)
    return _rates(level[~is_positive], len(levels)), _rates(level[is_positive], len(levels))


def _rates(levels: Integers, n_levels: int) -> Floats:
    """(n_levels + 1,): the share of `levels` (n,) below 0, at most 0, at most 1, and so on."""
    cumulated = np.concatenate([[0], np.cumsum(np.bincount(levels, minlength=n_levels))])
    return cumulated / (len(levels) if len(levels) else np.nan)


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
