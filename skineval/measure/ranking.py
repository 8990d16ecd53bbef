"""Figures that depend on the order of the images alone: by the score of a class, of malignancy, or by confidence.

They are computed as `skineval.measure.metrics` says. Images of one score are one level: a threshold has all of them on
the same side, so that no figure depends on the order in which images come.

Sensitivity and specificity are those of thresholds that occur: an image is suspicious where its probability of
malignancy lies above a threshold, or reaches it. Nothing is interpolated between two of them, whatever a share of the
images that no threshold meets would be; who does, finds other values where images are few.

The average precision has the interval of a share of the images of the class, as Boyd, Eng and Page advise ("Area under
the Precision-Recall Curve: Point Estimates and Confidence Intervals", ECML PKDD 2013). It held the true one of a class
in 88 to 98 % of 50 to 80 simulated samples of 1,000 and 4,000 images with the class frequencies of HAM10000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skineval.measure.metrics import (
    Floats,
    Integers,
    Mask,
    cumulate,
    cumulated,
    mean_where_defined,
    of_class,
    predicted,
    ratio,
    sums,
    total,
)
from skineval.measure.once import once

Part = tuple[int, int]  #: a share as a fraction: 0.95 times a sum of weights may be off by a rounding

_ABOVE = (4, 5)  #: the sensitivity above which `malignancy_pauc` is taken
_SPARE = 20  # levels beyond those that are expected to do
_NOTHING = 1e-300  # of which nothing is a share


def auc(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B, C): area under the ROC curve of each class against the rest, by its probability; see `areas`."""
    found: Floats = _areas_of_classes(targets, probabilities, weights)[0]
    return found


def macro_auc(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the mean over classes of the one-vs-rest area under the ROC curve."""
    return mean_where_defined(auc(targets, probabilities, weights, classes))


def ap(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B, C): average precision of each class against the rest, by its probability; see `areas`."""
    found: Floats = _areas_of_classes(targets, probabilities, weights)[1]
    return found


def macro_ap(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the mean over the classes that occur of their average precision."""
    return mean_where_defined(ap(targets, probabilities, weights, classes))


def malignancy_auc(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): area under the ROC curve of malignant (class 1) against benign, as `Predictions.malignancy` gives them."""
    return areas(targets == 1, probabilities[:, 1], weights)[0]


def areas(positive: Mask, scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """(B,), (B,): the area under the ROC curve and the average precision of `scores` (N,) under `weights` (B, N).

    The area is the probability that one of the `positive` (N,) images scores higher than another one, a tie counting
    one half (Hanley and McNeil, Radiology 143:29, 1982).

    The average precision is the mean over the positive images of the precision among all that score as high, or higher.
    It is a sum of steps and no area under a line between them, which would be too high (Davis and Goadrich, "The
    Relationship Between Precision-Recall and ROC Curves", ICML 2006). Where scores say nothing it is the share of
    positive images.

    Both are NaN where either side has no weight.
    """
    mine, others = np.flatnonzero(positive), np.flatnonzero(~positive)
    levels, level = np.unique(-scores[mine], return_inverse=True)
    at = sums(weights, level, len(levels), images=mine)
    steps = np.searchsorted(levels, -scores[others])  # behind the last level stand those that score lower than all
    ties = np.append(levels, np.nan)[steps] == -scores[others]
    tied = sums(weights, steps[ties], len(levels), images=others[ties])
    called = sums(weights, steps, len(levels) + 1, images=others)
    called[:, 0] += _NOTHING  # where nothing is called yet, nothing of it is found
    cumulate(called)
    all_others, called = np.where(called[:, -1] > _NOTHING, called[:, -1], 0), called[:, :-1]
    lost = _dot(at, called) - _dot(at, tied) / 2
    found = cumulated(at)
    all_positive = found[:, -1].copy() if len(levels) else np.zeros(len(weights))
    pairs = all_positive * all_others
    called += found
    found /= called
    return 1 - ratio(lost, pairs), ratio(_dot(at, found), np.where(pairs > 0, all_positive, 0))


@once
def _areas_of_classes(targets: Integers, probabilities: Floats, weights: Floats) -> Floats:
    """(2, B, C): the `areas` of each class against the rest, by its probability."""
    columns = [areas(targets == k, probabilities[:, k], weights) for k in range(probabilities.shape[1])]
    return np.stack(columns, axis=-1)


def _dot(a: Floats, b: Floats) -> Floats:
    """(B,): the sum of the products of `a` (B, L) and `b` (B, L) in each row."""
    products: Floats = np.einsum("bl,bl->b", a, b)
    return products


def malignancy_pauc(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): area between the ROC curve of malignant against benign and a sensitivity of 0.80: 0 to 0.2.

    The primary metric of the ISIC 2024 challenge (Kurtansky, "2024 ISIC Challenge primary prize scoring metric", Kaggle
    2024). That takes the partial area of benign against malignant up to a false positive rate of 0.2, in the scale of
    McClish (Medical Decision Making 9:190, 1989), and turns it back into an area: 0.02 where scores say nothing, 0.2
    where they tell all apart. The curve is a line between two thresholds, as for `malignancy_auc`, and is cut where it
    crosses 0.80.
    """
    least, of = _ABOVE
    malignant, scores = _malignant_tail(targets, probabilities, weights), probabilities[:, 1]
    tie = np.flatnonzero((targets != 1) & np.isin(scores, malignant.levels))
    tied = sums(weights, np.searchsorted(malignant.levels, scores[tie]), len(malignant.levels), images=tie)
    missed = malignant.reached - malignant.at
    width = np.clip(malignant.kept[:, None] * (of - least) / of - missed, 0, malignant.at)
    middle = width / np.where(malignant.at > 0, malignant.at, 1) / 2  # of the part of a level that is counted
    area = (width * (malignant.below + tied * middle)).sum(axis=1)
    return ratio(area, malignant.kept * malignant.others)


def sensitivity_at_90_specificity(
    targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]
) -> Floats:
    """(B,): see `_sensitivity_at`."""
    return _sensitivity_at((9, 10), targets, probabilities, weights)


def sensitivity_at_95_specificity(
    targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]
) -> Floats:
    """(B,): see `_sensitivity_at`."""
    return _sensitivity_at((19, 20), targets, probabilities, weights)


def specificity_at_90_sensitivity(
    targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]
) -> Floats:
    """(B,): see `_specificity_at`."""
    return _specificity_at((9, 10), targets, probabilities, weights)


def specificity_at_95_sensitivity(
    targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]
) -> Floats:
    """(B,): see `_specificity_at`."""
    return _specificity_at((19, 20), targets, probabilities, weights)


def aurc(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): area under the risk-coverage curve, 0 to 1: the mean error among the surest images, over all coverages.

    Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NIPS 2017, and as an area "Bias-Reduced
    Uncertainty Estimation for Deep Neural Classifiers", ICLR 2019: the mean over the images of the share of errors
    among all that are as sure, or surer. The confidence is the largest probability. It depends on the share of errors
    as well as on their order, so that of two systems the more accurate one often has the lower area.
    """
    levels, level = np.unique(-probabilities.max(axis=1), return_inverse=True)
    wrong = np.flatnonzero(predicted(probabilities) != targets)
    at = sums(weights, level, len(levels))
    # Errors are few: they add up over the levels that hold one, and stay as they are in the run up to the next.
    with_errors = np.unique(level[wrong])
    run = np.searchsorted(with_errors, np.arange(len(levels)), side="right")
    errors = cumulate(sums(weights, run[level[wrong]], len(with_errors) + 1, images=wrong))
    at[:, :1] += _NOTHING  # where nothing is reached yet, no error is either
    at /= cumulated(at)
    return ratio(_dot(sums(at, run, len(with_errors) + 1), errors), total(weights))


def rarer_side(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N, C): the images of each class, or those of all others where these are fewer."""
    positive = of_class(targets, probabilities, classes)
    rarer: Mask = np.where(2 * positive.sum(axis=0) <= len(positive), positive, ~positive)
    return rarer


def malignant_or_rarer(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N,): the malignant images, or the benign ones where these are fewer."""
    return rarer_side(targets, probabilities, classes)[:, 1]


def malignant(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N,): the malignant images."""
    mask: Mask = targets == 1
    return mask


def benign(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N,): the benign images."""
    mask: Mask = targets == 0
    return mask


class Tail(NamedTuple):
    """The lowest levels of the scores of images that are to be kept, in each replicate, and what lies below them."""

    levels: Floats  #: (L,) ascending
    at: Floats  #: (B, L) the weight of the images to be kept at each level
    reached: Floats  #: (B, L) the same up to each level
    below: Floats  #: (B, L) the weight of all others below each level
    kept: Floats  #: (B,) the weight of all that are to be kept
    others: Floats  #: (B,) the weight of all others


def tail(kept: Mask, scores: Floats, weights: Floats, part: Part) -> Tail:
    """As many of the lowest levels as hold more than `part` of what is to be kept in every replicate, or all there are.

    That is what figures of the lowest ones need, without the time that the others take.
    """
    mine, others, (least, of) = np.flatnonzero(kept), np.flatnonzero(~kept), part
    levels, level = np.unique(scores[mine], return_inverse=True)
    everything, all_others = (weights @ np.stack([kept, ~kept], axis=1).astype(np.float64)).T
    size = len(levels) * least // of + _SPARE
    while True:
        size = min(2 * size, len(levels))
        there = level < size
        at = sums(weights, level[there], size, images=mine[there])
        if size == len(levels) or (of * at.sum(axis=1) > least * everything).all():
            break
    steps = np.searchsorted(levels[:size], scores[others], side="right")
    there = steps < size
    below = cumulate(sums(weights, steps[there], size, images=others[there]))
    return Tail(levels[:size], at, cumulated(at), below, everything, all_others)


@once
def _malignant_tail(targets: Integers, probabilities: Floats, weights: Floats) -> Tail:
    """Of the malignant images by how malignant they look, as far down as a sensitivity of `_ABOVE`."""
    least, of = _ABOVE
    return tail(targets == 1, probabilities[:, 1], weights, (of - least, of))


@once
def _benign_tail(targets: Integers, probabilities: Floats, weights: Floats) -> Tail:
    """Of the benign images by how benign they look, as far down as a specificity of 90 %."""
    return tail(targets == 0, -probabilities[:, 1], weights, (1, 10))


def dropped(tail: Tail, part: Part) -> Floats:
    """(B,): the weight of the other images below the threshold that keeps `part` of those that are to be kept.

    The threshold is the highest one, in each replicate, that at least so many of them reach: the score of one of them.
    What ties with it reaches it, on either side. NaN where none is to be kept, or they have no weight.
    """
    least, of = part
    if not len(tail.levels):
        return np.full(len(tail.kept), np.nan)
    place = (tail.reached <= tail.kept[:, None] * (of - least) / of).sum(axis=1)  # levels below the threshold
    found = np.take_along_axis(tail.below, np.minimum(place, len(tail.levels) - 1)[:, None], axis=1)[:, 0]
    return np.where(tail.kept > 0, found, np.nan)


def _sensitivity_at(part: Part, targets: Integers, probabilities: Floats, weights: Floats) -> Floats:
    """(B,): the largest share of malignant images that are suspicious where at least `part` of the benign ones are not.

    Suspicious is what lies above a threshold, which is the score of a benign image: the lowest that will do. What ties
    with it is not suspicious, malignant or benign. 0 where all scores tie. NaN where either side has no weight.
    """
    benign = _benign_tail(targets, probabilities, weights)
    return ratio(dropped(benign, part), benign.others)


def _specificity_at(part: Part, targets: Integers, probabilities: Floats, weights: Floats) -> Floats:
    """(B,): the largest share of benign images that are not suspicious where at least `part` of the malignant ones are.

    Suspicious is what reaches a threshold, which is the score of a malignant image: the highest that will do. What ties
    with it is suspicious, malignant or benign. 0 where all scores tie. NaN where either side has no weight.
    """
    malignant = _malignant_tail(targets, probabilities, weights)
    return ratio(dropped(malignant, part), malignant.others)
