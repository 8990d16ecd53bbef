"""What comes of acting on the probability of malignancy; computed as `skineval.measure.metrics` says.

Both figures depend on how frequent malignant images are among those that are measured: they do not carry over to a
clinic where these are rarer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from skineval.catalog.specs import Metric
from skineval.measure.metrics import Floats, Integers, predicted, ratio, total
from skineval.values.predictions import ROUNDING, sum_to_one

#: The probability of malignancy from which on an image is suspicious in `net_benefit`: 1 in 10 is malignant.
#: To biopsy ten lesions for one that is malignant is what dermatologists accept in practice.
THRESHOLD = 0.1


def net_benefit(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): net benefit at a threshold probability of 10 %: malignant images found, less a ninth of the false alarms.

    `benefit_at` of `THRESHOLD`.
    """
    return _benefit(THRESHOLD, targets, probabilities, weights, classes)


def benefit_at(threshold: float) -> Metric:
    """Net benefit at a threshold probability above 0 and below 1, a point of the decision curve.

    Malignant images found, less false alarms times the odds of the threshold, both as shares of all images (Vickers and
    Elkin, Medical Decision Making 26:565, 2006): suspicious is what has a probability of malignancy of `threshold` or
    more, and whoever acts from there on holds a false alarm to be worth its odds of a malignant image. At most the
    share of malignant images; 0 where nothing is suspicious. NaN for scores that are no probabilities.
    """
    name = f"net_benefit_at_{threshold:g}"
    return Metric(name, partial(_benefit, threshold), "a point of the decision curve", view="malignancy")


def benefit_of_all(threshold: Floats, prevalence: float) -> Floats:
    """The net benefit of calling every image suspicious, of which `prevalence` are malignant, at each threshold."""
    return prevalence - (1 - prevalence) * threshold / (1 - threshold)


def _benefit(
    threshold: float, targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]
) -> Floats:
    if not sum_to_one(probabilities):
        return np.full(len(weights), np.nan)
    suspicious = probabilities[:, 1] >= threshold - ROUNDING
    worth = np.where(targets == 1, 1, -threshold / (1 - threshold))
    return ratio(weights @ (suspicious * worth), total(weights))


def number_needed_to_biopsy(
    targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]
) -> Floats:
    """(B,): how many images are called malignant for each that is: 1 / precision of malignant, 1 or more.

    Called malignant is what is more probably malignant than benign: no threshold is chosen, and one that is chosen for
    a sensitivity has another number. NaN where no malignant image is called so.
    """
    called = predicted(probabilities) == 1
    return ratio(weights @ called, weights @ (called & (targets == 1)))
