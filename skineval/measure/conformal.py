"""Sets of classes that hold the right one as often as was promised, class by class.

A set holds each class whose probability is not unusually low for images of it: not among the lowest tenth of those of
its validation images. With images that are exchangeable it then holds the right one in 90 % of the images of every
class, however wrong the probabilities are (Vovk, "Conditional Validity of Inductive Conformal Predictors", Machine
Learning 92:349, 2013, section 4: label-conditional; Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers
with Bounded Error Levels", Journal of the American Statistical Association 114:223, 2019). What a bad network pays is
the size of its sets. Several images of one lesion among the validation images make the promise a little less exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skineval.catalog.specs import Metric
from skineval.measure.abstention import right_where
from skineval.measure.metrics import Floats, Integers, ratio, total
from skineval.values.predictions import Predictions

COVERAGE = 0.9  #: of the images of a class, the share whose set is to hold it
_ROUNDING = 1e-9  # of a number of images: a tenth of 20 may be a little less than 2


def least_probabilities(validation: Predictions, coverage: float = COVERAGE) -> Floats:
    """(C,): the least probability of each class with which it is in a set.

    With n validation images of a class it is the k-th lowest of their probabilities of it, k the whole part of
    (1 - coverage)(n + 1). 0 for a class of which they are too few to leave anything out, so that it is in every set.
    """
    return np.array([_kth(validation, place, 1 - coverage) for place in range(len(validation.classes))])


def _kth(validation: Predictions, place: int, alpha: float) -> float:
    own = np.sort(validation.probabilities[validation.targets == place, place])
    k = math.floor(alpha * (len(own) + 1) + _ROUNDING)
    return float(own[k - 1]) if k else 0.0


def sets(test: Predictions, least: Floats) -> NDArray[np.bool_]:
    """(N, C): which classes the set of each image holds; `least` (C,) is from `least_probabilities`."""
    held: NDArray[np.bool_] = test.probabilities >= least
    return held


def as_answers(test: Predictions, held: NDArray[np.bool_]) -> Predictions:
    """Answers that are right where the sets `held` (N, C) hold the right class, and undecided elsewhere.

    The recall of a class is then the coverage of its sets.
    """
    return right_where(test, held[np.arange(len(test)), test.targets])


def as_sizes(test: Predictions, held: NDArray[np.bool_]) -> Predictions:
    """The sets `held` (N, C) in the place of probabilities, as the metrics here read them."""
    return replace(test, probabilities=held.astype(np.float64))


def _set_size(targets: Integers, held: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    return ratio(weights @ held.sum(axis=1), total(weights))


def _set_size_of_class(targets: Integers, held: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    of_class = targets[:, None] == np.arange(len(classes))
    return ratio(weights @ (of_class * held.sum(axis=1, keepdims=True)), weights @ of_class)


def _single(targets: Integers, held: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    return ratio(weights @ (held.sum(axis=1) == 1), total(weights))


def _any_image(targets: Integers, held: Floats, classes: Sequence[str]) -> NDArray[np.bool_]:
    return np.ones(len(targets), dtype=np.bool_)


#: Of `as_sizes`.
SIZES = (
    Metric("set_size", _set_size, "mean number of classes in a set", higher_is_better=False),
    Metric(
        "class_set_size",
        _set_size_of_class,
        "the same of the images of a class",
        per_class=True,
        higher_is_better=False,
    ),
    Metric("single", _single, "share of the images whose set holds one class", share_of=_any_image),
)
