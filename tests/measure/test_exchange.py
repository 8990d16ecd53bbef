"""Shuffled differences: the short way gives what any metric is computed for, shuffle by shuffle."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.measure.exchange import _NAMED, _by_weights, exchanged, shuffled_gaps
from skineval.measure.names import METRICS
from skineval.measure.resampling import UnitCounts
from skineval.values.task import DIAGNOSES
from tests.measure.samples import classifier

SHORT = [metric for metric in METRICS if metric.name in _NAMED]


def coins(cell, n=16, seed=0):
    units = np.unique(cell.groups)
    counts = np.random.default_rng(seed).integers(2, size=(n, len(units)), dtype=np.int32)
    counts[0], counts[1] = 0, 1
    return UnitCounts(units, counts, np.zeros(len(units), dtype=np.int64))


def rounded(cell, decimals):
    """Probabilities with ties, within an image and between images; they sum to 1 as far as rounding lets them."""
    return replace(cell, probabilities=np.round(cell.probabilities, decimals))


@pytest.mark.parametrize("metric", SHORT, ids=lambda metric: metric.name)
@settings(max_examples=25, deadline=None)
@given(
    lesions=st.integers(1, 30),
    seed=st.integers(0, 1000),
    classes=st.sampled_from([DIAGNOSES, ("benign", "malignant")]),
    decimals=st.sampled_from([2, 16]),
)
def test_gaps_are_those_of_the_shuffled_figures(metric, lesions, seed, classes, decimals):
    one, other = (
        rounded(classifier(lesions, seed=seed + k, truth_seed=seed, classes=classes), decimals) for k in (0, 1)
    )
    wanted = _by_weights(exchanged(one, metric), exchanged(other, metric), metric, coins(one))
    np.testing.assert_allclose(shuffled_gaps(one, other, metric, coins(one)), wanted, atol=1e-12)


def test_a_metric_by_another_name_takes_the_short_way_and_one_of_the_same_name_does_not():
    one, other = (classifier(10, seed=seed) for seed in (1, 2))
    (accuracy,) = (metric for metric in METRICS if metric.name == "accuracy")
    renamed = replace(accuracy, name="recall_mel")
    np.testing.assert_array_equal(*(shuffled_gaps(one, other, metric, coins(one)) for metric in (accuracy, renamed)))
    ours = replace(accuracy, compute=lambda targets, probabilities, weights, classes: weights.sum(axis=1))
    assert (shuffled_gaps(one, other, ours, coins(one))[0] == 0).all()
