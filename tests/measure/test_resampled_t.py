"""The corrected resampled t-test: by hand, against the plain test of scipy, and on folds that share train images."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from skineval.measure.resampled_t import resampled_t


def test_it_is_the_formula_on_worked_numbers():
    """Mean .02, variance .00025; sqrt((1/5 + 1/4) .00025) = .0106066; t(4) at .975 is 2.776445."""
    found = resampled_t([0.0, 0.01, 0.02, 0.03, 0.04], train=800, test=200)
    assert found.value == pytest.approx(0.02)
    assert found.t == pytest.approx(0.02 / 0.010606602, rel=1e-7)
    assert found.freedom == 4
    assert (found.low, found.high) == pytest.approx((0.02 - 2.776445 * 0.010606602, 0.02 + 2.776445 * 0.010606602))
    assert found.p == pytest.approx(2 * scipy.stats.t.sf(1.885618, 4), rel=1e-6)


def test_without_the_correction_it_is_the_paired_test():
    values = np.random.default_rng(0).normal(0.5, size=12)
    wanted = scipy.stats.ttest_1samp(values, 0)
    found = resampled_t(values, train=1, test=1e-15)
    assert (found.t, found.p) == pytest.approx((wanted.statistic, wanted.pvalue))
    assert (found.low, found.high) == pytest.approx(tuple(wanted.confidence_interval()))


def test_it_finds_seldom_what_is_not_there_and_the_plain_test_often():
    """Ten repeats of a hold-out of a tenth, whose differences correlate by that tenth, as Nadeau and Bengio take it."""
    rng = np.random.default_rng(1)
    shared, own = rng.normal(size=(400, 1)), rng.normal(size=(400, 10))
    many = np.sqrt(0.1) * shared + np.sqrt(0.9) * own
    corrected = np.mean([resampled_t(values, train=90, test=10).p < 0.05 for values in many])
    plain = np.mean([scipy.stats.ttest_1samp(values, 0).pvalue < 0.05 for values in many])
    assert corrected < 0.08
    assert plain > 0.1


@pytest.mark.parametrize("values", [[], [0.1], [0.1, 0.1, 0.1]])
def test_what_does_not_spread_says_nothing(values):
    found = resampled_t(values, train=4, test=1)
    assert np.isnan([found.p, found.t, found.low, found.high]).all()
    assert values == [] or found.value == pytest.approx(0.1)


def test_parts_without_images_are_refused():
    with pytest.raises(ValueError, match="test 0"):
        resampled_t([0.1, 0.2], train=10, test=0)
