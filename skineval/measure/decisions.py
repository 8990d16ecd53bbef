"""What comes of acting on the probability of malignancy; computed as `skineval.measure.metrics` says.

Both figures depend on how frequent malignant images are among those that are measured: they do not carry over to a
clinic where these are rarer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skineval.measure.metrics import Floats, Integers, predicted, ratio
from skineval.values.predictions import ROUNDING, sum_to_one

#: The probability of malignancy from which on an image is suspicious in `net_benefit`, as odds: 1 in 10 is malignant.
#: To biopsy ten lesions for one that is malignant is what dermatologists accept in practice.
_MALIGNANT, _FALSE_ALARMS = 1, 9


def net_benefit(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B,): net benefit at a threshold probability of 10 %: malignant images found, less a ninth of the false alarms.

    Both as shares of all images (Vickers and Elkin, Medical Decision Making 26:565, 2006): suspicious is what has a
    probability of malignancy of 10 % or more, and a false alarm costs a ninth of what a malignant image is worth, the
    odds of 10 %. At most the share of malignant images; 0 where nothing is suspicious. NaN for scores that are no
    probabilities.
    """
    if not sum_to_one(probabilities):
        return np.full(len(weights), np.nan)
    suspicious = probabilities[:, 1] >= _MALIGNANT / (_MALIGNANT + _FALSE_ALARMS) - ROUNDING
    worth = np.where(targets == 1, 1, -_MALIGNANT / _FALSE_ALARMS)
    return ratio(weights @ (suspicious * worth), weights.sum(axis=1))


def number_needed_to_biopsy(
    targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]
) -> Floats:
    """(B,): how many images are called malignant for each that is: 1 / precision of malignant, 1 or more.

    Called malignant is what is more probably malignant than benign: no threshold is chosen, and one that is chosen for
    a sensitivity has another number. NaN where no malignant image is called so.
    """
    called = predicted(probabilities) == 1
    return ratio(weights @ called, weights @ (called & (targets == 1)))
