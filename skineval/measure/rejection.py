"""Rejection: whether a classifier is less sure of images that are of none of its classes.

The confidence in an image is its largest probability, the baseline of Hendrycks and Gimpel, "A Baseline for Detecting
Misclassified and Out-of-Distribution Examples in Neural Networks", ICLR 2017: the maximum softmax probability. Images
of the classes are the positive ones, and an image is kept where its confidence is at least a threshold. Both figures
depend on the order of the images alone.

The interval of the false positive rate is that of an area under a curve, a Wilson interval with Student's quantiles: it
held the true rate in 93 to 97 % of 600 simulated samples, from 60 lesions against 15 to 600 against 200, rates of 3 to
62 %. Percentile intervals held one of 3 % in 89 %, and plain Wilson intervals that of 15 lesions in 90 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skineval.measure.metrics import Floats, Integers, Mask, ratio
from skineval.measure.ranking import areas, dropped, rarer_side, tail
from skineval.values.predictions import Predictions
from skineval.values.task import OUTSIDE

SIDES = ("outside", "inside")  #: of the task
_KEPT = (19, 20)  # 95 % of the images inside


def rejection(answers: Predictions) -> Predictions:
    """What answers to images of the classes and to others, whose target is `OUTSIDE`, say of being inside: `SIDES`.

    The probability of inside is the confidence, and all images are of one part.
    """
    confidence = answers.probabilities.max(axis=1)
    return replace(
        answers,
        classes=SIDES,
        parts=np.full(len(answers), "rejection"),
        targets=(answers.targets != OUTSIDE).astype(np.int64),
        probabilities=np.stack([1 - confidence, confidence], axis=1),
        malignant=None,
    )


def reject_auroc(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): area under the ROC curve of inside (class 1) against outside, a tie counting one half.

    The chance that an image of the classes has more confidence than one of none: .5 where confidence says nothing.
    """
    return areas(targets == 1, probabilities[:, 1], weights)[0]


def reject_fpr95(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): the share of the images outside that are kept at the threshold where 95 % of those inside are.

    The false positive rate at a true positive rate of 95 % (Liang, Li and Srikant, "Enhancing the Reliability of
    Out-of-distribution Image Detection in Neural Networks", ICLR 2018): that of the first point of the ROC curve whose
    true positive rate is 95 % or more. The threshold is taken on the images inside, in each replicate anew: the highest
    one that keeps 95 % of them. It is the confidence of one of them, and what ties with it is kept, on either side.
    Nothing is interpolated; who does, or lets the threshold keep less, finds other rates where images are few. NaN
    where either side has no weight.
    """
    least, of = _KEPT
    inside = tail(targets == 1, probabilities[:, 1], weights, (of - least, of))
    return ratio(inside.others - dropped(inside, _KEPT), inside.others)


def outside(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N,): the images outside."""
    mask: Mask = targets == 0
    return mask


def smaller_side(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    """(N,): the images inside, or those outside where these are fewer."""
    return rarer_side(targets, probabilities, classes)[:, 1]
