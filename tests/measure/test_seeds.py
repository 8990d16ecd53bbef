"""The noise of seeds: spreads, and what differences are no more than."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import balanced_accuracy_score

from skineval.measure.names import METRICS
from skineval.measure.seeds import SeedSpread, is_above, noise_floor, seed_figures, seed_spread
from tests.measure.samples import classifier


def test_the_figure_of_a_seed_is_the_mean_over_its_folds():
    cells = [classifier(20, seed=10 * fold + seed, fold=fold, train_seed=seed) for seed in (3, 4) for fold in (0, 1)]
    by_hand = [balanced_accuracy_score(one.targets, one.probabilities.argmax(axis=1)) for one in cells]
    assert seed_figures(cells, METRICS[0]) == pytest.approx([np.mean(by_hand[:2]), np.mean(by_hand[2:])])


def test_a_seed_that_lacks_a_fold_is_left_out():
    cells = [classifier(20, seed=seed, fold=fold, train_seed=seed) for seed, fold in ((0, 0), (0, 1), (1, 0))]
    assert seed_spread(seed_figures(cells, METRICS[0])).n_seeds == 1


def test_the_floor_is_what_a_t_test_of_two_samples_would_just_find():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.7, 0.01, 5), rng.normal(0.7, 0.02, 3)
    floor = noise_floor(seed_spread(one), seed_spread(other))
    interval = scipy.stats.ttest_ind(one, other).confidence_interval()
    assert floor == pytest.approx((interval.high - interval.low) / 2)
    gap = one.mean() - other.mean()
    assert scipy.stats.ttest_ind(one, other + gap + 1.001 * floor).pvalue < 0.05
    assert scipy.stats.ttest_ind(one, other + gap - 0.999 * floor).pvalue > 0.05
    assert is_above(-1.001 * floor, floor)
    assert not is_above(0.999 * floor, floor)


def test_one_seed_has_no_spread_and_no_difference_is_above_it():
    alone = seed_spread(np.array([0.5]))
    assert alone.n_seeds == 1
    floor = noise_floor(alone, SeedSpread(0.01, 3))
    assert np.isnan(floor)
    assert not is_above(0.3, floor)
