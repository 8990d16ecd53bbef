"""What the recalls of the classes come to, beside their mean; computed as `skineval.measure.metrics` says.

The interval of the smallest recall is that of a share of the images of its class, which is the worst on these images
and perhaps on no others. It held the true smallest recall in 98 to 100 % of 50 to 80 simulated samples of 1,000 and
4,000 images with the class frequencies of HAM10000; percentile intervals in 80 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skineval.measure.metrics import Floats, Integers, Mask, mean_where_defined, predicted, recall


def gmean(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the geometric mean of the recalls of the classes that occur; 0 where one of them is never found.

    Kubat and Matwin, "Addressing the Curse of Imbalanced Training Sets", ICML 1997, there of two classes.
    """
    recalls = recall(targets, probabilities, weights, classes)
    with np.errstate(divide="ignore"):
        logarithms = np.log(recalls)
    means: Floats = np.exp(mean_where_defined(logarithms))
    return means


def worst_recall(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the smallest recall of the classes that occur, whichever that is in each replicate.

    Noise can only lower it, the more so the fewer images classes have.
    """
    recalls = recall(targets, probabilities, weights, classes)
    smallest = np.fmin.reduce(recalls, axis=1)  # passes over NaN
    return np.asarray(smallest, dtype=np.float64)


def of_worst_class(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N,): the images of the class of the smallest recall, of several the first."""
    counts = np.bincount(targets, minlength=len(classes))
    hits = np.bincount(targets[predicted(probabilities) == targets], minlength=len(classes))
    recalls = np.where(counts > 0, hits / np.maximum(counts, 1), np.inf)
    mask: Mask = targets == recalls.argmin()
    return mask
