"""The corrected resampled t-test: whether one way to train is better than another, over folds and repeats of a split.

A paired t-test over folds takes them for independent. They are not, since their train parts overlap, and it finds
differences that are none. Its other question is that of `comparisons`: there these trained models meet other lesions,
here other models are trained on other parts of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skineval.measure.shares import student
from skineval.values.measures import Estimate


@dataclass(frozen=True, kw_only=True)
class ResampledT(Estimate):
    """A mean difference over folds and repeats with its interval; NaN where undefined."""

    t: float
    freedom: int
    p: float  #: two-sided


def resampled_t(differences: Sequence[float], *, train: float, test: float) -> ResampledT:
    """Of `differences` (J,) of two ways to train, one for each fold of each repeat; `train` and `test` are the images.

    t = mean / sqrt((1/J + test/train) s²) with J - 1 degrees of freedom, s² the unbiased variance of `differences`:
    Nadeau and Bengio, Machine Learning 52:239 (2003); over folds and repeats Bouckaert and Frank, PAKDD 2004, LNCS
    3056:3, section 3. Of k folds test/train is 1/(k - 1). NaN, all but the mean, where there are fewer than two, or
    they all agree: nothing is known of how far they spread.

    Raises ValueError where `train` or `test` is not positive.
    """
    if not (train > 0 and test > 0):
        raise ValueError(f"train is {train} and test {test}: both are numbers of images, more than 0")
    values = np.asarray(differences, dtype=np.float64)
    mean = float(values.mean()) if len(values) else np.nan
    freedom = max(0, len(values) - 1)
    if freedom == 0 or np.ptp(values) == 0:
        return ResampledT(mean, t=np.nan, freedom=freedom, p=np.nan)
    from scipy.special import stdtr  # which takes long to import

    error = float(np.sqrt((1 / len(values) + test / train) * values.var(ddof=1)))
    reach = float(student(freedom)) * error
    statistic = mean / error
    p = float(2 * stdtr(freedom, -abs(statistic)))
    return ResampledT(mean, mean - reach, mean + reach, t=statistic, freedom=freedom, p=p)
