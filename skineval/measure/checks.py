"""A second opinion on a difference, by a test of another kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skineval.catalog.specs import Metric
from skineval.measure.delong import delong
from skineval.measure.metrics import Floats
from skineval.measure.pairs import Pair
from skineval.measure.replicates import viewed
from skineval.measure.resampled_t import resampled_t


def check_p(metric: Metric, pairs: Sequence[Pair], gaps: Floats, folds: Sequence[int]) -> float:
    """The two-sided p of the difference in `metric` of two systems; NaN where there is no test for it.

    Over several folds it is that of the corrected resampled t-test of `gaps` (P,), the differences of the pairs, which
    also varies the train part: all images that are not tested, those on which networks are chosen among them, since
    these make a system, too. Of one fold, for the area under the curve of malignancy, that of DeLong's test, which
    takes images for independent.
    """
    if len(set(folds)) > 1:
        of_folds = [float(np.mean(gaps[np.equal(folds, fold)])) for fold in sorted(set(folds))]
        everything = len(np.unique(np.concatenate([one.image_ids for one, _ in pairs])))
        test = float(np.mean([len(one) for one, _ in pairs]))
        return resampled_t(of_folds, train=everything - test, test=test).p if everything > test else np.nan
    if metric.name != "malignancy_auc" or len(pairs) > 1:
        return np.nan
    one, other = (viewed(metric, side) for side in pairs[0])
    return delong(one.targets == 1, one.probabilities[:, 1], other.probabilities[:, 1]).p
