"""The metrics: each computed for all weightings of the images, that is all bootstrap replicates, at once.

A metric is a function `compute(targets, probabilities, weights, classes)` of targets (N,) int64, probabilities (N, C)
float64, weights (B, N) float64 and the C class names, which returns (B,) float64, or (B, C) where it is per class; see
`skineval.catalog.specs.Metric`. Three conventions hold throughout:

- The predicted class is the one of largest probability. An exact tie for the largest is undecided and counts as wrong,
  whatever the tied classes (the rule of ISIC 2018 Task 3): a miss for its own class, a false alarm for none.
- 0/0 is undefined, hence NaN: the recall of a class without images, the precision of a class never predicted, the F1 of
  a class that is neither. An average over classes is taken over those where the figure is defined, which for balanced
  accuracy and macro F1 is what scikit-learn does.
- Figures that need probabilities (`nll`, `brier`, `ece`) are NaN for scores that do not sum to 1 in every row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from skineval.catalog.specs import Metric, ShareOf, View
from skineval.measure.once import once
from skineval.values.predictions import sum_to_one

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

ECE_BINS = 15  #: as in Guo et al. 2017, section 5
#: Probabilities below it count as it in `nll`, which is therefore at most 36.04 for an image, as in scikit-learn.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


def predicted(probabilities: Floats) -> Integers:
    """(N,) int64: the index of the largest of each row of `probabilities` (N, C), or C where it is tied: undecided."""
    largest = probabilities.max(axis=1, keepdims=True)
    undecided = (probabilities == largest).sum(axis=1) > 1
    classes: Integers = probabilities.argmax(axis=1).astype(np.int64)
    classes[undecided] = probabilities.shape[1]
    return classes


def bins_of(probabilities: Floats, bins: int = ECE_BINS) -> Integers:
    """int64 of the same shape: which of `bins` equal-width bins, ((m - 1)/bins, m/bins], each probability lies in."""
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]
    found: Integers = np.searchsorted(inner_edges, probabilities, side="left").astype(np.int64)
    return found


def confidence_bins(probabilities: Floats, bins: int = ECE_BINS) -> Integers:
    """(N,) int64: the bin of the largest probability of each image; see `bins_of`."""
    return bins_of(probabilities.max(axis=1), bins)


@once
def confusion(targets: Integers, probabilities: Floats, weights: Floats) -> Floats:
    """(B, C, C + 1): the weight of images of each class (row) by predicted class, undecided in the last column."""
    n_classes = probabilities.shape[1]
    cells = targets * (n_classes + 1) + predicted(probabilities)
    return sums(weights, cells, n_classes * (n_classes + 1)).reshape(-1, n_classes, n_classes + 1)


def recall(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B, C): the share of the images of a class that are predicted as it (sensitivity)."""
    matrix = confusion(targets, probabilities, weights)
    return ratio(_hits(matrix), matrix.sum(axis=2))


def specificity(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B, C): the share of the images of other classes that are not predicted as the class."""
    matrix = confusion(targets, probabilities, weights)
    others = matrix.sum(axis=(1, 2))[:, None] - matrix.sum(axis=2)
    false_alarms = matrix[:, :, :-1].sum(axis=1) - _hits(matrix)
    return ratio(others - false_alarms, others)


def precision(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B, C): the share of the images predicted as a class that are of it (positive predictive value)."""
    matrix = confusion(targets, probabilities, weights)
    return ratio(_hits(matrix), matrix[:, :, :-1].sum(axis=1))


def npv(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B, C): the share of the images that are not predicted as a class that are of others (negative predictive value).

    An undecided image is predicted as no class.
    """
    matrix = confusion(targets, probabilities, weights)
    not_taken = matrix.sum(axis=(1, 2))[:, None] - matrix[:, :, :-1].sum(axis=1)
    missed = matrix.sum(axis=2) - _hits(matrix)
    return ratio(not_taken - missed, not_taken)


def f1(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B, C): the harmonic mean of precision and recall; 0 for a class that is there and never predicted."""
    matrix = confusion(targets, probabilities, weights)
    return ratio(2 * _hits(matrix), matrix.sum(axis=2) + matrix[:, :, :-1].sum(axis=1))


def balanced_accuracy(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the mean recall over the classes that occur; over all of them it is the metric of ISIC 2018 Task 3."""
    return mean_where_defined(recall(targets, probabilities, weights, classes))


def accuracy(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the share of images whose class is predicted."""
    return ratio(_hits(confusion(targets, probabilities, weights)).sum(axis=1), total(weights))


def top2_accuracy(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the share of images whose class is among the two of largest probability.

    Where a tie leaves open which two these are, a class that is in it is not among them. NaN for fewer than three
    classes, of which it says nothing.
    """
    if len(classes) < 3:
        return np.full(len(weights), np.nan)
    of_target = probabilities[np.arange(len(targets)), targets]
    as_probable = (probabilities >= of_target[:, None]).sum(axis=1)  # the class itself among them
    return _weighted_mean((as_probable <= 2).astype(np.float64), weights)


def macro_f1(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the mean F1 over classes that occur or are predicted."""
    return mean_where_defined(f1(targets, probabilities, weights, classes))


def weighted_f1(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the mean F1 over classes, each weighted by its number of images."""
    support = sums(weights, targets, len(classes))
    of_class = f1(targets, probabilities, weights, classes)
    return ratio((np.where(support > 0, of_class, 0) * support).sum(axis=1), support.sum(axis=1))


def mcc(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): Matthews' correlation coefficient for several classes, R_K, from -1 to 1.

    Gorodkin, Computational Biology and Chemistry 28:367 (2004), equation 8; undecided is a prediction of its own.
    0 where all predictions are the same, as in scikit-learn; NaN where all images are of one class.
    """
    matrix = confusion(targets, probabilities, weights)
    of_class, as_class, total = matrix.sum(axis=2), matrix.sum(axis=1), matrix.sum(axis=(1, 2))
    covariance = _hits(matrix).sum(axis=1) * total - (of_class * as_class[:, :-1]).sum(axis=1)
    variances = (total**2 - (of_class**2).sum(axis=1)) * (total**2 - (as_class**2).sum(axis=1))
    constant = (as_class == total[:, None]).any(axis=1) & (of_class < total[:, None]).all(axis=1)
    return np.where(constant, 0.0, ratio(covariance, np.sqrt(variances)))


def kappa(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): agreement beyond chance, at most 1 (Cohen, Educational and Psychological Measurement 20:37, 1960)."""
    matrix = confusion(targets, probabilities, weights)
    total = matrix.sum(axis=(1, 2))
    by_chance = (matrix.sum(axis=2) * matrix[:, :, :-1].sum(axis=1)).sum(axis=1)
    return ratio(_hits(matrix).sum(axis=1) * total - by_chance, total**2 - by_chance)


def nll(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): mean of -ln of the true class's probability, in nats; probabilities below 2.2e-16 count as that."""
    return _weighted_mean(log_loss(targets, probabilities), weights)


def log_loss(targets: Integers, probabilities: Floats) -> Floats:
    """(N,): -ln of the true class's probability, in nats; NaN where probabilities do not sum to 1."""
    if not sum_to_one(probabilities):
        return np.full(len(targets), np.nan)
    of_target = probabilities[np.arange(len(targets)), targets]
    losses: Floats = -np.log(np.clip(of_target, SMALLEST_PROBABILITY, 1))
    return losses


def brier(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): mean squared distance of the probabilities from one-hot, summed over classes: 0 to 2, two classes or more.

    Brier, Monthly Weather Review 78:1 (1950), equation 2.
    """
    if not sum_to_one(probabilities):
        return np.full(len(weights), np.nan)
    distances = ((probabilities - np.eye(len(classes))[targets]) ** 2).sum(axis=1)
    return _weighted_mean(distances, weights)


def ece(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): expected calibration error of the predicted class, 0 to 1: mean gap of confidence and accuracy in 15 bins.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3. It overstates the error of a well
    calibrated model, the more so the fewer the images: read `nll` and `brier` first.
    """
    if not sum_to_one(probabilities):
        return np.full(len(weights), np.nan)
    gaps = (predicted(probabilities) == targets) - probabilities.max(axis=1)
    in_bins = sums(weights, confidence_bins(probabilities), ECE_BINS, values=gaps)
    return ratio(np.abs(in_bins).sum(axis=1), total(weights))


def undecided(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the share of images whose largest probability is tied, which counts as wrong."""
    return ratio(confusion(targets, probabilities, weights)[:, :, -1].sum(axis=1), total(weights))


def any_image(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N,): every image."""
    return np.ones(len(targets), dtype=np.bool_)


def of_class(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N, C): the images of each class."""
    mask: Mask = targets[:, None] == np.arange(len(classes))
    return mask


def of_other_classes(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N, C): the images that are not of each class."""
    return ~of_class(targets, probabilities, classes)


def taken_for_class(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N, C): the images that are predicted as each class."""
    return of_class(predicted(probabilities), probabilities, classes)


def not_taken_for_class(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N, C): the images that are not predicted as each class."""
    return ~taken_for_class(targets, probabilities, classes)


def of_class_or_taken_for_it(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N, C): the images of each class, and those predicted as it."""
    return of_class(targets, probabilities, classes) | taken_for_class(targets, probabilities, classes)


def from_plain(
    function: Callable[[Integers, Floats, Sequence[str]], Any],
    *,
    name: str,
    summary: str,
    per_class: bool = False,
    higher_is_better: bool = True,
    tasks: tuple[str, ...] = (),
    exchange: Literal["answers", "ranks"] = "answers",
    view: View = "classes",
    share_of: ShareOf | None = None,
) -> Metric:
    """Makes a metric of `function(targets, probabilities, classes)`, which returns a number, or C of them if per class.

    The function is called once a bootstrap replicate, on targets (n,) int64 and probabilities (n, C) float64 with the
    rows of an image repeated as often as it was drawn; it should return NaN where it is undefined. A replicate
    without images is NaN without a call. Raises ValueError where weights are not whole numbers.
    """

    def compute(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
        times = weights.astype(np.int64)
        if (times != weights).any():
            raise ValueError(f"{name} takes whole weights only")
        values = np.full((len(weights), len(classes)) if per_class else len(weights), np.nan)
        for replicate, repeats in enumerate(times):
            rows = np.repeat(np.arange(len(targets)), repeats)
            if len(rows):
                values[replicate] = function(targets[rows], probabilities[rows], classes)
        return values

    return Metric(name, compute, summary, per_class, higher_is_better, tasks, exchange, view, share_of)


def sums(
    weights: Floats, bins: Integers, n_bins: int, *, images: Integers | None = None, values: Floats | None = None
) -> Floats:
    """(B, n_bins): what entry k, of image `images[k]`, adds to bin `bins[k]`: the weight of the image × `values[k]`.

    `images` ascend: weights are read once, in order. By default there is one entry for each image, and values are 1.
    """
    values = np.ones(len(bins)) if values is None else values
    if len(weights) == 1:
        each = weights[0] if images is None else weights[0, images]
        return np.bincount(bins, each * values, n_bins)[None].astype(np.float64)  # of no entry it makes whole numbers
    from scipy import sparse  # without replicates there is no need of it, which takes a fifth of a second to import

    n_images = weights.shape[1]
    starts = np.arange(n_images + 1)
    if images is not None:
        starts[1:] = np.cumsum(np.bincount(images, minlength=n_images))
    matrix = sparse.csc_array((values, bins, starts), shape=(n_bins, n_images))
    sums: Floats = (matrix @ weights.T).T
    return sums


def cumulated(values: Floats) -> Floats:
    """(B, L): the sums of `values` (B, L) up to each place, which is `np.cumsum(values, axis=1)`."""
    return cumulate(values.T.copy().T)


def cumulate(values: Floats) -> Floats:
    """The same in place of `values`, which `sums` has returned.

    Whole columns are added, block by block, for `sums` lays columns out as rows in memory: a third of the time.
    """
    totals = values.T
    assert totals.flags.c_contiguous  # else its blocks would be copies
    width = max(1, math.isqrt(len(totals)))
    whole = len(totals) // width * width
    blocks = totals[:whole].reshape(-1, width, totals.shape[1])
    for place in range(1, width):
        blocks[:, place] += blocks[:, place - 1]
    for place in range(1, len(blocks)):
        blocks[place] += blocks[place - 1, -1]
    for place in range(max(whole, 1), len(totals)):
        totals[place] += totals[place - 1]
    return totals.T


def mean_where_defined(values: Floats) -> Floats:
    """(B,): the mean over classes of values (B, C), leaving NaN out."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1))


def _hits(matrix: Floats) -> Floats:
    """(B, C): the diagonal of a confusion matrix (B, C, C + 1)."""
    return np.diagonal(matrix, axis1=1, axis2=2)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Their quotient, NaN where the denominator is 0."""
    quotient: Floats = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient


@once
def total(weights: Floats) -> Floats:
    """(B,): the weight of all images."""
    everything: Floats = weights.sum(axis=1)
    return everything


def _weighted_mean(values: Floats, weights: Floats) -> Floats:
    """(B,): the mean of `values` (N,) under each row of `weights` (B, N)."""
    return ratio(weights @ values, total(weights))
