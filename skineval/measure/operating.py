"""The probability of malignancy from which an image counts as suspicious: chosen on validation images, judged on
others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from skineval.measure.intervals import REPLICATES, estimate
from skineval.measure.metrics import Floats, ratio
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
    seen = validation.malignancy
    malignant = np.sort(seen.probabilities[seen.targets == 1, 1])[::-1]
    if len(malignant) in (0, len(seen)):
        return None
    return float(malignant[max(math.ceil(sensitivity * len(malignant) - _ROUNDING), 1) - 1])


def decided(test: Predictions, threshold: float) -> Predictions:
    """Answers that are certain: malignant from `threshold` on, benign below."""
    seen = test.malignancy
    suspicious = seen.probabilities[:, 1] >= threshold
    return replace(seen, probabilities=np.stack([~suspicious, suspicious], axis=1).astype(np.float64))


def operating_point(
    threshold: float, test: Predictions, *, replicates: int = REPLICATES, seed: int = 0
) -> OperatingPoint:
    """What `threshold` does to the images of `test`: two recalls, with the intervals of `skineval.measure.intervals`.

    Raises DataError where there is no image.
    """
    recall = [metric for metric in METRICS if metric.name == "recall"]
    specificity, sensitivity = estimate([decided(test, threshold)], recall, replicates=replicates, seed=seed)
    return OperatingPoint(threshold, sensitivity, specificity)


def predictive_values(sensitivity: Floats, specificity: Floats, prevalence: Floats) -> tuple[Floats, Floats]:
    """How likely what is called malignant is so, and what is not called so is not, where `prevalence` of images are.

    By Bayes' rule, with sensitivity and specificity as they are: patients elsewhere may differ in more than how
    frequent malignancy is among them. NaN where nothing is called so, or all is.
    """
    found, alarms = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    missed, spared = (1 - sensitivity) * prevalence, specificity * (1 - prevalence)
    return ratio(found, found + alarms), ratio(spared, spared + missed)
