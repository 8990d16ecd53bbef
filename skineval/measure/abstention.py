"""Leaving images to somebody else that a system is not sure of: what it gets wrong of those that it keeps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skineval.measure.metrics import Floats, predicted
from skineval.values.predictions import Predictions

KEPT = 0.8  #: of validation images, the share that is kept
_ROUNDING = 1e-9  # of a number of images


def least_confidence(validation: Predictions, share: float = KEPT) -> float:
    """The largest threshold at which at least this share of the validation images is kept; 0 where there are none."""
    confidence = np.sort(validation.probabilities.max(axis=1))[::-1]
    return float(confidence[max(math.ceil(share * len(confidence) - _ROUNDING), 1) - 1]) if len(confidence) else 0.0


def kept(test: Predictions, least: float) -> NDArray[np.bool_]:
    """(N,): the images whose largest probability is at least this."""
    mask: NDArray[np.bool_] = test.probabilities.max(axis=1) >= least
    return mask


def right_where(test: Predictions, mask: NDArray[np.bool_]) -> Predictions:
    """Answers that are right where `mask` (N,) is True, and undecided elsewhere: their accuracy is its share."""
    answers = np.where(mask[:, None], np.eye(len(test.classes))[test.targets], 1 / len(test.classes))
    return replace(test, probabilities=answers)


def risk_coverage(test: Predictions) -> tuple[Floats, Floats]:
    """(T,), (T,): the share of images kept and the share of errors among these, from the surest image on.

    Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NIPS 2017, section 2. Images that are as
    sure are kept together. The area under it over all images is `aurc`.
    """
    levels, level = np.unique(-test.probabilities.max(axis=1), return_inverse=True)
    many = np.cumsum(np.bincount(level, minlength=len(levels)))
    wrong = np.cumsum(np.bincount(level, predicted(test.probabilities) != test.targets, len(levels)))
    return many / len(test), wrong / many
