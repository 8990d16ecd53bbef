"""The plane of the two principal axes: that of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skineval.train.principal_axes import principal_plane

SEEDS = st.integers(0, 2**32 - 1)


def embeddings(n, d, seed=0):
    draws = np.random.default_rng(seed)
    spread = draws.normal(size=(n, 3)) * [3, 2, 1] @ draws.normal(size=(3, d))
    return (5 + spread + draws.normal(size=(n, d)) * 0.3).astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(200, 12), (9, 40), (50, 2)])
def test_it_is_the_analysis_of_scikit_learn_on_standardised_embeddings(n, d):
    train, others = embeddings(n, d), embeddings(20, d, seed=1)
    scaler = StandardScaler().fit(train.astype(np.float64))
    oracle = PCA(2, svd_solver="full").fit(scaler.transform(train))
    plane = principal_plane(train)
    np.testing.assert_allclose(plane.shares, oracle.explained_variance_ratio_, rtol=1e-4)
    for rows in (train, others):
        expected = oracle.transform(scaler.transform(rows))
        signs = np.sign((expected * plane.project(rows)).sum(axis=0))
        np.testing.assert_allclose(plane.project(rows) * signs, expected, atol=2e-3 * np.abs(expected).max())


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_largest_number_of_each_axis_is_positive(seed):
    plane = principal_plane(embeddings(30, 6, seed))
    axes = plane.axes * embeddings(30, 6, seed).std(axis=0)
    assert (axes[[0, 1], np.abs(axes).argmax(axis=1)] > 0).all()


@given(SEEDS, st.integers(-60, 60))
@settings(max_examples=20, deadline=None)
def test_units_of_a_dimension_change_nothing(seed, exponent):
    train = embeddings(30, 6, seed)
    other = train * np.float32([2.0**exponent, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(principal_plane(other).project(other), principal_plane(train).project(train), atol=1e-9)


def test_a_dimension_that_is_constant_in_the_train_part_does_not_count():
    train = embeddings(60, 5)
    constant = np.column_stack([train, np.full(60, 7, dtype=np.float32)])
    other = np.column_stack([train, np.full(60, 1e9, dtype=np.float32)])
    found = principal_plane(constant)
    np.testing.assert_allclose(found.shares, principal_plane(train).shares, rtol=1e-6)
    np.testing.assert_allclose(found.project(other), principal_plane(train).project(train), atol=1e-4)


@pytest.mark.parametrize("d", [1, 3])
def test_there_is_no_plane_where_fewer_than_two_dimensions_differ(d):
    line = np.zeros((9, d), dtype=np.float32)
    line[:, 0] = np.arange(9)
    assert principal_plane(line) is None


def test_all_variance_on_one_axis_leaves_none_for_the_other():
    line = np.repeat(np.arange(9, dtype=np.float32)[:, None], 3, axis=1)
    assert principal_plane(line).shares == pytest.approx((1, 0), abs=1e-6)
