"""The probability of malignancy from which an image counts as suspicious: chosen on validation images, judged on
others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from skineval.measure.intervals import REPLICATES, estimate
from skineval.measure.names import METRICS
from skineval.values.measures import Score
from skineval.values.predictions import Predictions

SENSITIVITY = 0.9  #: of malignant validation images, the share that is to be found: a miss is worse than a false alarm
_ROUNDING = 1e-9  # of a number of images: 0.9 times 70 may be a little more than 63


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, and what it does to images that it was not chosen on."""

    threshold: float  #: the least probability of malignancy of what counts as suspicious
    sensitivity: Score  #: the share of malignant images that do
    specificity: Score  #: the share of benign images that do not


def choose_threshold(validation: Predictions, sensitivity: float = SENSITIVITY) -> float | None:
    """The largest threshold at which at least this share of the malignant validation images is found.

    None where there is no malignant image, or no other.
    """
    seen = validation.malignancy()
    malignant = np.sort(seen.probabilities[seen.targets == 1, 1])[::-1]
    if len(malignant) in (0, len(seen)):
        return None
    return float(malignant[max(math.ceil(sensitivity * len(malignant) - _ROUNDING), 1) - 1])


def operating_point(
    threshold: float, test: Predictions, *, replicates: int = REPLICATES, seed: int = 0
) -> OperatingPoint:
    """What `threshold` does to the images of `test`: two recalls, with the intervals of `skineval.measure.intervals`.

    Raises DataError where there is no image.
    """
    seen = test.malignancy()
    suspicious = seen.probabilities[:, 1] >= threshold
    decided = replace(seen, probabilities=np.stack([~suspicious, suspicious], axis=1).astype(np.float64))
    recall = [metric for metric in METRICS if metric.name == "recall"]
    specificity, sensitivity = estimate([decided], recall, replicates=replicates, seed=seed)
    return OperatingPoint(threshold, sensitivity, specificity)
