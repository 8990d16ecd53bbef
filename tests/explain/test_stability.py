"""Rank correlation of maps: that of scipy, and what does not change it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from skineval.explain.stability import rank_correlation

MAPS = arrays(np.float64, (2, 4, 5), elements=st.integers(0, 3).map(float))


@settings(deadline=None)
@given(MAPS, MAPS, st.floats(0.1, 100))
def test_it_is_that_of_scipy_whatever_the_scale(maps, others, factor):
    found = rank_correlation(maps, others)
    for one, other, value in zip(maps, others, found, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a map is constant, and its correlation NaN
            expected = stats.spearmanr(one.ravel(), other.ravel()).statistic
        assert value == pytest.approx(expected, nan_ok=True)
    assert rank_correlation(factor * maps, others) == pytest.approx(found, nan_ok=True)


def test_the_same_order_has_1_and_the_opposite_one_minus_1():
    maps = np.random.default_rng(0).random((3, 6, 6))
    assert rank_correlation(maps, maps**3) == pytest.approx(1)
    assert rank_correlation(maps, 1 - maps) == pytest.approx(-1)
