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
from skineval.values.predictions import Predictions
from skineval.values.task import DIAGNOSES
from tests.measure.samples import classifier

PAIR = Difference(0.0, -0.0196, 0.0196, metric="balanced_accuracy", p=1.0, n_images=100, n_lesions=80)


def test_it_is_larger_than_what_is_found_in_four_of_five_test_sets_were_errors_normal_and_known():
    found = resolution([PAIR])
    assert found
    z, errors = norm.ppf(0.975), found.value / 0.01 / 1.2
    assert norm.sf(z - errors) + norm.cdf(-z - errors) == pytest.approx(0.8, abs=1e-4)


def test_a_difference_of_that_size_is_found_in_four_of_five_test_sets():
    rng, targets = np.random.default_rng(4), np.repeat(np.arange(7), 20)

    def system(recall):
        right = rng.random(len(targets)) < recall
        answers = np.where(right, targets, (targets + rng.integers(1, 7, len(targets))) % 7)
        ids, parts = np.char.add("i", np.arange(len(targets)).astype(str)), np.full(len(targets), "test")
        return Predictions(DIAGNOSES, ids, ids, ids, parts, targets, 0.05 + 0.65 * np.eye(7)[answers])

    def gap(apart):
        (one,) = differences([system(0.6 + apart / 2)], [system(0.6 - apart / 2)], METRICS[:1], replicates=300)
        return one

    smallest = resolution([gap(0) for _ in range(15)])
    assert smallest
    found = [one.p < 0.05 and one.low > 0 for one in (gap(smallest.value) for _ in range(150))]
    assert np.mean(found) > 0.75  # 0.82 in benchmarks of 400; what normal errors would need was found in 0.69


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
    assert (found.value, found.n_pairs) == (pytest.approx(1.2 * 0.056, abs=2e-4), 3)
    assert resolution([same, unknown]) is None
