"""What several metrics are made of is made once, and anew for anything else."""

from __future__ import annotations

import numpy as np
import pytest

from skineval.measure.metrics import confusion, kappa, mcc, recall
from skineval.measure.once import once

TARGETS, WEIGHTS = np.array([0, 1, 2, 1]), np.ones((3, 4))
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6], [0.6, 0.3, 0.1]])


def test_the_same_arrays_in_a_row_are_asked_for_once():
    asked = []
    double = once(lambda array: asked.append(array) or 2 * array)
    first, other = np.arange(3.0), np.arange(3.0)
    assert double(first) is double(first)
    assert double(other) is not double(first)  # equal, and yet another one
    assert len(asked) == 3
    with pytest.raises(ValueError, match="read-only"):
        double(first)[0] = 1


def test_what_came_in_the_place_of_an_array_that_is_gone_is_another_one():
    double = once(lambda array: 2 * array)
    for value in range(50):
        assert double(np.full(1000, value))[0] == 2 * value  # most of them where the one before was


def test_metrics_share_a_confusion_matrix_and_none_changes_it():
    matrix = confusion(TARGETS, PROBABILITIES, WEIGHTS)
    before = matrix.copy()
    for metric in (recall, mcc, kappa):
        metric(TARGETS, PROBABILITIES, WEIGHTS, ("a", "b", "c"))
    assert confusion(TARGETS, PROBABILITIES, WEIGHTS) is matrix
    np.testing.assert_array_equal(matrix, before)
