"""The trivial baselines that stand in every table: what can be had without looking at an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skineval.base.errors import DataError
from skineval.base.terms import MAJORITY, PRIOR
from skineval.measure.metrics import Integers
from skineval.values.predictions import Predictions


def baselines(train_counts: Integers | Sequence[int], predictions: Predictions) -> dict[str, Predictions]:
    """What "majority" and "prior" would have said of the images of `predictions`.

    `train_counts` (C,) counts the images of each class in the train part. "majority" is sure of the most frequent
    class, the first of them where several are; "prior" gives each class its share of the train part, and that first one
    the least bit more than others as frequent, since a tie would count as undecided. On all images of HAM10000 both
    have an accuracy of 66.95 % and a balanced accuracy of 1/7. Raises DataError for counts that do not fit the classes
    or are all 0.
    """
    counts = np.asarray(train_counts, dtype=np.float64)
    if counts.shape != (len(predictions.classes),) or counts.sum() <= 0:
        raise DataError(
            f"train counts {counts.tolist()} do not fit the classes {', '.join(predictions.classes)}",
            "Give the number of train images of each class.",
        )
    shares = counts / counts.sum()
    shares[counts.argmax()] = np.nextafter(shares.max(), 1)
    of_class = {MAJORITY: np.eye(len(counts))[counts.argmax()], PRIOR: shares}
    return {
        name: replace(predictions, probabilities=np.tile(row, (len(predictions), 1))) for name, row in of_class.items()
    }
