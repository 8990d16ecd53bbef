"""What changes places between two systems in a randomisation test, and the differences that come of it.

A shuffled system is a weighting, 0 or 1, of the answers of both stacked, so that any metric can be shuffled. Where a
metric is a mean over images, an image adds the same to it in every shuffle. An area under a curve counts pairs of a
positive and a negative answer: with weights w of the stacked answers, and K(i, j) 1 where i wins over j, it is w'Kw
over the number of pairs, and the other system, which has what is left, has (1 - w)'K(1 - w). Their difference, w'K1 +
1'Kw - 1'K1, has no products of two weights left. So in both cases the difference of shuffled figures is a sum of one
number a lesion with the sign of its coin: one product of matrices in place of thousands of figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skineval.catalog.specs import Metric
from skineval.measure.metrics import Floats, Mask, log_loss, predicted
from skineval.measure.names import METRICS
from skineval.measure.replicates import figures, viewed
from skineval.measure.resampling import UnitCounts
from skineval.values.predictions import Predictions, concatenated

_DIGITS = 9  # of a rank that are not rounding


def shuffled_gaps(one: Predictions, other: Predictions, metric: Metric, swapped: UnitCounts) -> Floats:
    """(B, 1): the difference of a metric when what it says may be exchanged changes places for the swapped lesions.

    Both hold the same images in the same order; `swapped` says for each lesion, 0 or 1, whether it changes places.
    """
    pulls = _PULLS.get(metric.compute)
    if pulls is None:
        return _by_weights(exchanged(one, metric), exchanged(other, metric), metric, swapped)
    lesions = np.searchsorted(swapped.units, one.groups)
    of_image = pulls(exchanged(one, metric), exchanged(other, metric))
    of_lesion = np.bincount(lesions, of_image, minlength=len(swapped.units))
    gaps: Floats = of_lesion.sum() - 2 * (swapped.counts @ of_lesion)
    return gaps[:, None]


def exchanged(system: Predictions, metric: Metric) -> Predictions:
    """The answers of a system as they change places with another's: see `Metric.exchange`.

    Ranks are the scale that two systems have in common. Each lesion counts alike in it, so that none with many images
    moves the ranks of all others, and with them what an exchange of these does.
    """
    if metric.exchange == "answers":
        return system
    seen = viewed(metric, system)
    _, lesions, sizes = np.unique(seen.groups, return_inverse=True, return_counts=True)
    return replace(seen, probabilities=np.apply_along_axis(_ranks, 0, seen.probabilities, 1 / sizes[lesions]))


def _ranks(scores: Floats, weights: Floats) -> Floats:
    """(N,): the weight of what scores lower, of what scores the same one half; ranks of `scores` (N,), but for .5."""
    levels, level = np.unique(scores, return_inverse=True)
    at = np.bincount(level, weights, len(levels))
    # Sums of the same weights in another order are the same number: ranks of two systems are compared.
    ranks: Floats = np.round(np.cumsum(at) - at / 2, _DIGITS)[level]
    return ranks


def says_the_same(one: Predictions, other: Predictions, metric: Metric) -> bool:
    """Whether all answers are the same as far as a metric looks at them: the classes, or the order of the images."""
    seen = predicted if metric.exchange == "answers" else (lambda probabilities: probabilities)
    ours, theirs = (seen(exchanged(system, metric).probabilities) for system in (one, other))
    return np.array_equal(ours, theirs)


def _by_weights(one: Predictions, other: Predictions, metric: Metric, swapped: UnitCounts) -> Floats:
    """(B, 1): the gaps of any metric, as it is computed for each shuffle."""
    both = concatenated([one, other])
    gaps = []
    for swap in swapped.weights(one.groups):
        kept = 1 - swap
        # Stacked image by image, as `weights` lays them out in memory.
        ours, theirs = np.vstack([kept.T, swap.T]).T, np.vstack([swap.T, kept.T]).T
        gaps.append(figures(both, [metric], ours) - figures(both, [metric], theirs))
    return np.vstack(gaps)


def _of_recalls(one: Predictions, other: Predictions) -> Floats:
    """(N,): what each image adds to the difference of mean recalls over the classes that are there."""
    counts = np.bincount(one.targets, minlength=len(one.classes))
    return (_hits(one) - _hits(other)) / counts[one.targets] / np.count_nonzero(counts)


def _of_accuracies(one: Predictions, other: Predictions) -> Floats:
    """(N,): what each image adds to the difference of the shares that are called right."""
    return (_hits(one) - _hits(other)) / len(one)


def _of_losses(one: Predictions, other: Predictions) -> Floats:
    """(N,): what each image adds to the difference of log losses."""
    return (log_loss(one.targets, one.probabilities) - log_loss(other.targets, other.probabilities)) / len(one)


def _of_areas(one: Predictions, other: Predictions) -> Floats:
    """(N,): what each image adds to the difference of mean areas over the classes that have two sides."""
    sides = [one.targets == place for place in range(len(one.classes))]
    there = [(place, side) for place, side in enumerate(sides) if side.any() and not side.all()]
    columns = [_of_area(side, *(cell.probabilities[:, place] for cell in (one, other))) for place, side in there]
    return np.mean(columns, axis=0) if columns else np.full(len(one), np.nan)


def _of_malignancy(one: Predictions, other: Predictions) -> Floats:
    """(N,): the same of the single area of malignant against benign."""
    positive = one.targets == 1
    if positive.all() or not positive.any():
        return np.full(len(one), np.nan)
    return _of_area(positive, one.probabilities[:, 1], other.probabilities[:, 1])


def _of_area(positive: Mask, ours: Floats, theirs: Floats) -> Floats:
    """(N,): half of how much more our ranks (N,) than theirs win against all answers of the other side, of either."""
    both = np.stack([ours, theirs])
    found = np.empty_like(both)
    rivals = np.sort(both[:, ~positive], axis=None)
    found[:, positive] = _below(rivals, both[:, positive])
    rivals = np.sort(both[:, positive], axis=None)
    found[:, ~positive] = len(rivals) - _below(rivals, both[:, ~positive])
    pairs = positive.sum() * (~positive).sum()
    pulls: Floats = (found[0] - found[1]) / 2 / pairs
    return pulls


def _below(ascending: Floats, values: Floats) -> Floats:
    """How many of `ascending` lie below each of `values`, a tie counting one half."""
    sides: tuple[NDArray[np.int64], NDArray[np.int64]] = (
        np.searchsorted(ascending, values, "left"),
        np.searchsorted(ascending, values, "right"),
    )
    return (sides[0] + sides[1]) / 2


def _hits(cell: Predictions) -> Floats:
    hits: Floats = (predicted(cell.probabilities) == cell.targets).astype(np.float64)
    return hits


_NAMED: Mapping[str, Callable[[Predictions, Predictions], Floats]] = {
    "balanced_accuracy": _of_recalls,
    "accuracy": _of_accuracies,
    "nll": _of_losses,
    "macro_auc": _of_areas,
    "malignancy_auc": _of_malignancy,
}
#: By what computes a metric, whatever it is called: of each image what it adds to the difference of two systems.
_PULLS = {metric.compute: _NAMED[metric.name] for metric in METRICS if metric.name in _NAMED}
