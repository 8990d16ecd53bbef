"""What figures are summaries of: the confusion matrix and the ROC curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skineval.measure import metrics
from skineval.measure.metrics import Floats, Integers
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
    step, so that the trapezoidal area is `metrics.mann_whitney`. NaN where positives or negatives are missing.
    """
    levels, level = np.unique(-scores, return_inverse=True)
    is_positive = np.asarray(positive, dtype=bool)
    return _rates(level[~is_positive], len(levels)), _rates(level[is_positive], len(levels))


def _rates(levels: Integers, n_levels: int) -> Floats:
    """(n_levels + 1,): the share of `levels` (n,) below 0, at most 0, at most 1, and so on."""
    cumulated = np.concatenate([[0], np.cumsum(np.bincount(levels, minlength=n_levels))])
    return cumulated / (len(levels) if len(levels) else np.nan)
