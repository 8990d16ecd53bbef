"""How far probabilities are off, in bins; computed as `skineval.measure.metrics` says.

All are NaN for scores that do not sum to 1. Calibration errors and `brier_reliability` are what noise can only raise,
the more so the fewer images a bin has, and `brier_resolution` rises with the latter: see
`skineval.measure.intervals.PIVOTAL`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skineval.measure.metrics import (
    ECE_BINS,
    Floats,
    Integers,
    bins_of,
    brier,
    cumulate,
    predicted,
    ratio,
    sums,
    total,
)
from skineval.measure.once import once
from skineval.values.predictions import sum_to_one


def classwise_ece(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the mean over all classes of the gap between a class's probability and its frequency in 15 bins, 0 to 1.

    Kull et al., "Beyond temperature scaling", NeurIPS 2019, equation 3; Nixon et al., "Measuring Calibration in Deep
    Learning", CVPR Workshops 2019, as static calibration error. The bins have equal width. A class that is rare and
    never probable is calibrated well, so that this is far lower than `ece` where there are many classes.
    """
    if not sum_to_one(probabilities):
        return np.full(len(weights), np.nan)
    gaps, _ = _in_bins(targets, probabilities, weights)
    return ratio(np.abs(gaps).sum(axis=(1, 2)) / len(classes), total(weights))


def adaptive_ece(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): expected calibration error of the predicted class, 0 to 1, as `ece` in 15 bins of equal weight.

    Equal masses are those of Nixon et al., CVPR Workshops 2019, who take them class by class; here they are of the
    largest probability alone, as in Mukhoti et al., "Calibrating Deep Neural Networks using Focal Loss", NeurIPS 2020.
    In each replicate an image lies in bin floor(15 × the share of the images that are less sure); images that are
    equally sure share a bin, so that bins are as equal as ties allow.
    """
    if not sum_to_one(probabilities) or not len(targets):
        return np.full(len(weights), np.nan)
    confidence = probabilities.max(axis=1)
    levels, level = np.unique(confidence, return_inverse=True)
    gaps = (predicted(probabilities) == targets) - confidence
    reached = cumulate(sums(weights, level, len(levels)))
    gaps_so_far = cumulate(sums(weights, level, len(levels), values=gaps))
    ends = _bin_ends(reached)
    in_bins = np.diff(np.take_along_axis(gaps_so_far, ends, axis=1), axis=1, prepend=0)
    return ratio(np.abs(in_bins).sum(axis=1), total(weights))


def brier_reliability(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the part of `brier` that calibration would remove, 0 or more; lower is better.

    Murphy, Journal of Applied Meteorology 12:595 (1973): the mean squared gap between a class's probability and its
    frequency, summed over classes as `brier` is, here in the 15 bins of `classwise_ece`. Of two figures that are alike
    in all but the number of bins, the one with more has the higher reliability term.
    """
    if not sum_to_one(probabilities):
        return np.full(len(weights), np.nan)
    gaps, counts = _in_bins(targets, probabilities, weights)
    squares = np.where(counts > 0, gaps**2 / np.where(counts > 0, counts, 1), 0)
    return ratio(squares.sum(axis=(1, 2)), total(weights))


def brier_resolution(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the part of `brier_uncertainty` that the probabilities resolve; higher is better.

    It is the generalised resolution of Stephenson, Coelho and Jolliffe, Weather and Forecasting 23:752 (2008):
    Murphy's, with the variance and covariance within bins, which his leaves out and which are 0 only where all
    probabilities of a bin are equal. So `brier` = `brier_reliability` - `brier_resolution` + `brier_uncertainty`,
    exactly, in whatever bins. It may be negative.
    """
    arguments = targets, probabilities, weights, classes
    return brier_reliability(*arguments) + brier_uncertainty(*arguments) - brier(*arguments)


def brier_uncertainty(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the Brier score of the frequencies of the classes among these images: no merit of any classifier, 0 to 1.

    The sum over classes of share × (1 - share), which is 1 minus the sum of their squares.
    """
    if not sum_to_one(probabilities):
        return np.full(len(weights), np.nan)
    shares = ratio(sums(weights, targets, len(classes)), total(weights)[:, None])
    uncertainty: Floats = (shares * (1 - shares)).sum(axis=1)
    return uncertainty


def _bin_ends(reached: Floats) -> Integers:
    """(B, 15): the level in which each bin of equal weight ends, of cumulated weights `reached` (B, L).

    It is the first one in which the share of the bin and of those before it is reached, found by bisection of all rows
    at once. Whole weights are compared exactly.
    """
    wanted = np.arange(1, ECE_BINS + 1) * reached[:, -1:]
    first, last = np.zeros(wanted.shape, np.int64), np.full(wanted.shape, reached.shape[1] - 1)
    while (first < last).any():
        middle = (first + last) // 2
        enough = ECE_BINS * np.take_along_axis(reached, middle, axis=1) >= wanted
        first, last = np.where(enough, first, middle + 1), np.where(enough, middle, last)
    return first


@once
def _in_bins(targets: Integers, probabilities: Floats, weights: Floats) -> Floats:
    """(2, B, C, 15), over images whose probability of a class is in each bin: sums of gaps, and how many they are.

    A gap is 1 for the class of an image and 0 for others, less their probabilities. Most classes are improbable in most
    images: the fullest bin of each class is what the others leave of its sum.
    """
    n_classes = probabilities.shape[1]
    bins = bins_of(probabilities)
    counts = np.stack([np.bincount(column, minlength=ECE_BINS) for column in bins.T])
    fullest = counts.argmax(axis=1)
    images, columns = np.nonzero(bins != fullest)
    cells = columns * ECE_BINS + bins[images, columns]
    found = []
    for values in (np.eye(n_classes)[targets] - probabilities, np.ones_like(probabilities)):
        of_bins = sums(weights, cells, n_classes * ECE_BINS, images=images, values=values[images, columns])
        of_bins = of_bins.reshape(-1, n_classes, ECE_BINS)
        of_bins[:, np.arange(n_classes), fullest] = weights @ values - of_bins.sum(axis=2)
        found.append(of_bins)
    return np.stack(found)
