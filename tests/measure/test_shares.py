"""Intervals of shares, and how they are put together."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from skineval.measure.shares import (
    DOUBT,
    Behind,
    Shares,
    effective_size,
    quantiles,
    reach_of_difference,
    reach_of_mean,
    wilson,
)


def alone(*numbers):
    return np.array(numbers, dtype=float)


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_is_that_of_scipy(n, part):
    hits = round(part * n)
    wanted = scipy.stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    reach = quantiles(alone(n), of_ranks=False)
    (low,), (high,) = wilson(alone(hits / n), alone(n), reach)
    assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    assert 0 <= low <= hits / n <= high <= 1


def test_the_design_effect_of_lesions_whose_images_agree():
    """40 lesions of 3 images each, alike: the variance of the share is that of 40 images, and so is its size."""
    share, variance = 0.3, 0.3 * 0.7 / 40
    behind = Behind(images=alone(120), lesions=alone(40), drawn=alone(1), freedom=alone(39))
    assert effective_size(alone(share), alone(variance), behind, of_ranks=False) == pytest.approx([40])
    # Lesions where nothing can be estimated.
    assert all(effective_size(alone(share), alone(0), behind, of_ranks=False) == 40 for share in (0, 1, 0.3))
    # Replicates that vary lesions with a half of the squared weights show a half of the variance.
    half = replace(behind, drawn=alone(0.5))
    assert effective_size(alone(share), alone(variance / 2), half, of_ranks=False) == pytest.approx([40])


def test_few_lesions_are_believed_less_when_their_images_differ():
    """The variance is the mean of the one that replicates have, once for each lesion, and of that of alike images."""
    share, lesions = 0.3, 40
    alike = 0.3 * 0.7 / lesions
    behind = Behind(images=alone(120), lesions=alone(lesions), drawn=alone(1), freedom=alone(36))
    assert effective_size(alone(share), alone(alike / 9), behind, of_ranks=True) == pytest.approx([120])
    for freedom in (1, 5, 36):
        found = effective_size(alone(share), alone(alike / 2), replace(behind, freedom=alone(freedom)), of_ranks=False)
        variance = np.average([alike / 2, alike], weights=[freedom, DOUBT])
        assert 0.3 * 0.7 / found == pytest.approx([variance])
    many = replace(behind, freedom=alone(1e9), lesions=alone(1e9))
    assert effective_size(alone(share), alone(alike / 9), many, of_ranks=False) == pytest.approx([120])


def test_areas_of_few_lesions_reach_further():
    none, few, many = quantiles(alone(0, 2, 999), of_ranks=True)
    assert np.isnan(none)
    assert few == pytest.approx(scipy.stats.t.ppf(0.975, 2))
    assert many == pytest.approx(1.96, abs=0.003)


def test_the_mean_of_independent_shares_is_as_sure_as_its_standard_error():
    rng = np.random.default_rng(0)
    values, errors = alone(0.4, 0.5, 0.6), alone(0.02, 0.03, 0.01)
    replicates = values + rng.normal(size=(40_000, 3)) * errors
    shares = Shares(values, values - 1.96 * errors, values + 1.96 * errors, replicates)
    wanted = 1.96 * np.sqrt((errors**2).sum()) / 3
    assert reach_of_mean(shares) == pytest.approx((wanted, wanted), rel=0.02)


def test_newcombe_difference_of_paired_shares():
    """Newcombe 1998 (Statistics in Medicine 17:2635), method 8, by its formula."""
    a, b = (0.8, 0.71, 0.87), (0.7, 0.6, 0.78)
    rng = np.random.default_rng(1)
    common = rng.normal(size=200_000)
    correlation = 0.5
    sides = [np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.normal(size=200_000) for _ in range(2)]
    ours, theirs = (
        Shares(*(alone(end) for end in (value, low, high)), side[:, None])
        for (value, low, high), side in zip((a, b), sides, strict=True)
    )
    down, up = a[0] - a[1], b[2] - b[0]
    below = np.sqrt(down**2 - 2 * correlation * down * up + up**2)
    assert reach_of_difference(ours, theirs)[0] == pytest.approx(below, rel=0.01)
    assert reach_of_difference(ours, theirs) == pytest.approx(reach_of_difference(theirs, ours)[::-1])


def test_undefined_shares_count_for_nothing():
    replicates = np.random.default_rng(0).normal(size=(50, 2))
    whole = Shares(alone(0.4, 0.5), alone(0.3, 0.4), alone(0.5, 0.6), replicates)
    nan = alone(np.nan)
    more = Shares(*(np.concatenate([of, nan]) for of in (whole.values, whole.lows, whole.highs)),
                  np.hstack([replicates, np.full((50, 1), np.nan)]))  # fmt: skip
    assert reach_of_mean(more) == reach_of_mean(whole)
    assert np.isnan(reach_of_mean(Shares(nan, nan, nan, np.full((50, 1), np.nan)))).all()


def test_a_share_that_hangs_on_one_unit_counts_as_few():
    """However many others vary beside it: a patient with two thirds of all images."""
    share, variance = alone(0.6), alone(0.003)
    behind = Behind(images=alone(400), lesions=alone(2.2), drawn=alone(1), freedom=alone(39))
    found = effective_size(share, variance, behind, of_ranks=False)
    assert 0.24 / found == pytest.approx(np.average([0.003, 0.24 / 2.2], weights=[2.2, DOUBT]))
    assert found < 4
