"""What maps depend on: entropies and similarities worked out otherwise, and what cannot depend on anything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skineval.explain.sanity import complexity, complexity_rise, other_classes, similarity
from skineval.explain.scores import noise, uniform

SIDE = 12
MAPS = arrays(np.float64, (2, SIDE, SIDE), elements=st.integers(0, 9).map(float)).filter(
    lambda maps: maps.any(axis=(1, 2)).all()
)


@settings(deadline=None, max_examples=25)
@given(MAPS)
def test_complexity_is_the_entropy_of_how_often_each_value_occurs(maps):
    """Ten values lie in ten of a hundred bins."""
    for values, found in zip(maps, complexity(maps), strict=True):
        _, counts = np.unique(values, return_counts=True)
        shares = counts / counts.sum()
        assert found == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-9)


def test_a_map_is_the_more_complex_the_more_values_it_has():
    assert complexity(uniform(1, 32))[0] == 0
    assert complexity(noise(np.arange(1), 64, seed=0))[0] == pytest.approx(np.log(100), abs=0.03)
    assert np.isnan(complexity(np.zeros((1, 8, 8)))[0])


def test_the_rise_is_a_share_of_what_was():
    found = complexity_rise(np.array([2.0, 2.0, 0.0, np.nan]), np.array([3.0, 1.0, 1.0, 1.0]))
    assert found[:2].tolist() == [0.5, -0.5]
    assert np.isnan(found[2:]).all()


def plain_ssim(a, b):
    """Wang et al. 2004, pixel by pixel, in a window of 11 x 11 that mirrors at the border."""
    along = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(along, along) / np.outer(along, along).sum()
    a, b = (np.pad(one / one.max(), 5, mode="symmetric") for one in (a, b))
    values = []
    for row in range(SIDE):
        for column in range(SIDE):
            x, y = (one[row : row + 11, column : column + 11] for one in (a, b))
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            covariance = np.cov(x.ravel(), y.ravel(), aweights=window.ravel(), ddof=0)
            above = (2 * mean_x * mean_y + 0.0001) * (2 * covariance[0, 1] + 0.0009)
            values.append(above / ((mean_x**2 + mean_y**2 + 0.0001) * (np.trace(covariance) + 0.0009)))
    return np.mean(values)


@settings(deadline=None, max_examples=10)
@given(MAPS, MAPS)
def test_similarity_is_that_of_a_plain_loop_over_windows(maps, others):
    expected = [plain_ssim(one, other) for one, other in zip(maps, others, strict=True)]
    assert similarity(maps, others) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(MAPS, MAPS, st.floats(0.01, 100))
def test_scale_does_not_matter_and_scores_have_their_ranges(maps, others, factor):
    found = similarity(maps, others)
    assert similarity(factor * maps, others) == pytest.approx(found)
    assert similarity(maps, factor * others) == pytest.approx(found)
    assert (np.abs(found) <= 1 + 1e-12).all()
    assert similarity(maps, factor * maps) == pytest.approx(1)
    assert (complexity(maps) <= np.log(100)).all()
    assert complexity(4 * maps) == pytest.approx(complexity(maps))


def test_a_map_of_nothing_is_like_no_other():
    nothing, something = np.zeros((1, SIDE, SIDE)), noise(np.arange(1), SIDE, seed=0)
    assert np.isnan(similarity(nothing, something)[0])
    assert similarity(something, nothing)[0] < 0.1


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.integers(0, 3), st.integers(0, 5))
def test_another_class_is_none_that_it_must_not_be(targets, against, seed):
    targets, places = np.array(targets), np.arange(len(targets))
    labels = [label for label in range(4) if label != against]
    drawn = other_classes(places, targets, labels, seed)
    assert (drawn != targets).all()
    assert (drawn != against).all()
    assert other_classes(places[-1:], targets[-1:], labels, seed)[0] == drawn[-1]


def test_other_classes_are_drawn_alike_and_where_there_is_none_it_is_the_target():
    places, targets = np.arange(3000), np.zeros(3000, dtype=np.int64)
    counts = np.bincount(other_classes(places, targets, range(4), seed=0), minlength=4)
    assert counts[0] == 0
    assert counts[1:] == pytest.approx([1000] * 3, abs=100)
    assert other_classes(places[:2], targets[:2], [0], seed=0).tolist() == [0, 0]
