"""The metrics that come with skineval."""

from __future__ import annotations

import numpy as np

from skineval.catalog.catalog import load_catalog
from skineval.catalog.loading import load_plugins
from skineval.measure.names import METRICS, OF_REJECTION


def test_metrics_are_those_of_the_measure_floor():
    shelf = load_catalog(load_plugins([])).metrics
    assert list(shelf.entries) == [metric.name for metric in (*METRICS, *OF_REJECTION)]
    targets = np.array([0, 1, 1, 2])
    probabilities = np.eye(3)[[0, 1, 2, 2]] * 0.8 + 0.2 / 3
    weights = np.ones((1, 4))
    for metric in METRICS:
        if metric.view == "malignancy":
            continue
        np.testing.assert_array_equal(
            shelf[metric.name].compute(targets, probabilities, weights, ("a", "b", "c")),
            metric.compute(targets, probabilities, weights, ("a", "b", "c")),
        )
