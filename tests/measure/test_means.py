"""Means of a value of each image: scipy's bootstrap and permutation test of the same, and what copies change."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skineval.measure.means import mean_difference, mean_gap, mean_score
from skineval.measure.resampling import resample
from tests.measure.samples import classifier


def rated(seed=0, n=300):
    images = classifier(n, images_per_lesion=1)
    images = images.take(images.targets == images.targets[0])  # of one class, in which scipy draws as we do
    generator = np.random.default_rng(seed)
    ours = generator.normal(0.2, 1, len(images))
    return images, ours, ours + generator.normal(-0.1, 0.5, len(images))


def test_intervals_are_those_of_a_bootstrap():
    images, ours, _ = rated()
    found = mean_score("excess", ours, images, resample([images], 4000, 0))
    oracle = stats.bootstrap((ours,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert found.value == pytest.approx(ours.mean())
    width = oracle.high - oracle.low
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=0.05 * width)
    assert (found.n_images, found.n_lesions) == (len(images), len(images))


@pytest.mark.parametrize("hits", [0, 1, 60, None])
def test_how_often_something_is_true_has_a_wilson_interval(hits):
    images, *_ = rated()
    true = np.arange(len(images)) < (len(images) if hits is None else hits)
    found = mean_score("pointing", np.where(true, 1.0, 0.0), images, resample([images], 4000, 0), is_share=True)
    assert found.value == true.mean()
    low, high = stats.binomtest(int(true.sum()), len(true)).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.1, abs=0.002)


def test_p_is_that_of_a_permutation_test():
    images, ours, theirs = rated()
    found = mean_difference("excess", ours, theirs, images, resample([images], 4000, 0))
    oracle = stats.permutation_test(
        (ours, theirs),
        lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=4000,
        rng=1,
    )
    assert found.value == pytest.approx(oracle.statistic)
    assert found.p == pytest.approx(oracle.pvalue, abs=0.02)
    same = mean_difference("excess", ours, ours, images, resample([images], 1000, 0))
    assert (same.value, same.p) == (0, 1)


def test_lesions_are_drawn_not_images():
    """Ten copies of every image make nothing surer."""
    images, ours, theirs = rated()
    copies = images.take(np.repeat(np.arange(len(images)), 10))
    drawn = resample([images], 2000, 0)
    once = mean_difference("auc", ours, theirs, images, drawn)
    often = mean_difference("auc", np.repeat(ours, 10), np.repeat(theirs, 10), copies, drawn)
    assert (often.low, often.high, often.p) == pytest.approx((once.low, once.high, once.p))
    assert (often.n_images, often.n_lesions) == (10 * len(images), len(images))


def test_a_gap_is_between_the_means_of_two_kinds_of_images():
    images, values, _ = rated()
    ours = np.random.default_rng(3).random(len(images)) < 0.3
    found = mean_gap(values, ours, images, resample([images], 4000, 0))
    assert found.value == pytest.approx(values[ours].mean() - values[~ours].mean())
    oracle = stats.bootstrap(
        (values, ours),
        lambda v, o, axis: (v * o).sum(axis) / o.sum(axis) - (v * ~o).sum(axis) / (~o).sum(axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=1,
    ).confidence_interval
    width = oracle.high - oracle.low
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=0.05 * width)
    nobody = mean_gap(values, np.zeros(len(images), dtype=bool), images, resample([images], 1000, 0))
    assert np.isnan([nobody.value, nobody.low, nobody.high]).all()


def test_images_without_a_value_are_left_out():
    images, ours, theirs = rated()
    blank = np.arange(len(images)) % 3 == 0
    drawn = resample([images], 1000, 0)
    partly = mean_score("auc", np.where(blank, np.nan, ours), images, drawn)
    assert partly.value == pytest.approx(ours[~blank].mean())
    assert (partly.n_images, partly.n_lesions) == ((~blank).sum(), (~blank).sum())
    paired = mean_difference("auc", np.where(blank, np.nan, ours), theirs, images, drawn)
    assert paired.value == pytest.approx((ours - theirs)[~blank].mean())
    nothing = mean_score("auc", np.full(len(images), np.nan), images, drawn)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    assert nothing.n_images == 0
