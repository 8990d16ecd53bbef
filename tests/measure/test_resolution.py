"""What a test set can resolve: standard errors as the replicates have them, and the power that is promised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from skineval.measure.comparisons import differences
from skineval.measure.metrics import balanced_accuracy
from skineval.measure.names import METRICS
from skineval.measure.resampling import resample
from skineval.measure.resolution import STANDARD_ERRORS, resolution
from skineval.values.measures import Difference
from tests.measure.samples import classifier

PAIR = Difference(0.0, -0.0196, 0.0196, metric="balanced_accuracy", p=1.0, n_images=100, n_lesions=80)


def test_a_difference_of_that_size_is_found_in_four_of_five_test_sets():
    found = resolution([PAIR])
    assert found
    assert found.value == pytest.approx(0.028, abs=1e-4)
    z = norm.ppf(0.975)
    assert norm.sf(z - found.value / 0.01) + norm.cdf(-z - found.value / 0.01) == pytest.approx(0.8, abs=1e-4)


def test_standard_errors_are_those_of_the_paired_bootstrap():
    a, b = (classifier(400, seed=seed, classes=("nv", "mel")) for seed in (1, 2))
    found = resolution(differences([a], [b], METRICS[:1], replicates=1000))
    assert found
    weights = np.vstack(list(resample([a], 1000, 5).weights(a.groups)))
    gaps = [balanced_accuracy(one.targets, one.probabilities, weights, one.classes) for one in (a, b)]
    assert found.value == pytest.approx(STANDARD_ERRORS * np.std(gaps[0] - gaps[1]), rel=0.1)


def test_of_several_pairs_it_is_the_median_and_those_without_an_interval_do_not_count():
    wider = replace(PAIR, low=-0.0392, high=0.0392)
    widest = replace(PAIR, low=-0.4, high=0.4)
    same, unknown = replace(PAIR, low=0.0, high=0.0), replace(PAIR, low=np.nan, high=np.nan)
    found = resolution([PAIR, widest, same, unknown, wider])
    assert found
    assert (found.value, found.n_pairs) == (pytest.approx(0.056, abs=1e-4), 3)
    assert resolution([same, unknown]) is None
