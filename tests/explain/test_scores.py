"""Scores of maps against masks: other implementations, every order of what is level, and what a map of nothing has."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from skineval.explain.scores import SCORES, area_under_curve, centre, excess, noise, pointing, rank_accuracy, uniform

SIDE = 3
MAPS = arrays(np.float64, (SIDE, SIDE), elements=st.integers(0, 3).map(float))
MASKS = arrays(np.bool_, (SIDE, SIDE))


def one(score, values, mask):
    return float(score(values[None], mask[None])[0])


@settings(deadline=None)
@given(MAPS, MASKS)
def test_the_area_is_that_of_scikit_learn(values, mask):
    found = one(area_under_curve, values, mask)
    if values.any() and mask.any() and not mask.all():
        assert found == pytest.approx(roc_auc_score(mask.ravel(), values.ravel()))
    else:
        assert np.isnan(found)


@settings(deadline=None, max_examples=20)
@given(
    arrays(np.float64, (2, 3), elements=st.integers(0, 2).map(float)).filter(np.any),
    arrays(np.bool_, (2, 3)).filter(lambda mask: mask.any() and not mask.all()),
)
def test_what_is_level_counts_as_on_average_over_all_orders(values, mask):
    flat, inside = values.ravel(), mask.ravel()
    shares, hits = [], []
    for order in permutations(range(6)):
        ordered = sorted(order, key=lambda place: -flat[place])  # a stable sort: what is level stays in this order
        shares.append(inside[ordered[: inside.sum()]].mean())
        hits.append(inside[ordered[0]])
    assert one(rank_accuracy, values, mask) == pytest.approx(np.mean(shares))
    assert one(pointing, values, mask) == pytest.approx(np.mean(hits))


@settings(deadline=None)
@given(MAPS.filter(np.any), MASKS.filter(lambda mask: mask.any() and not mask.all()), st.floats(0.1, 100))
def test_neither_scale_nor_mirror_matters(values, mask, factor):
    for score in SCORES.values():
        expected = one(score, values, mask)
        assert one(score, values * factor, mask) == pytest.approx(expected)
        assert one(score, values[:, ::-1], mask[:, ::-1]) == pytest.approx(expected)


def test_a_map_of_the_mask_itself_is_the_best_and_a_uniform_one_says_nothing():
    mask = np.zeros((1, 10, 10), dtype=bool)
    mask[0, 2:6, 3:8] = True
    assert [float(score(mask.astype(float), mask)[0]) for score in SCORES.values()] == [0.8, 1, 1, 1]
    nothing = [float(score(uniform(1, 10), mask)[0]) for score in SCORES.values()]
    assert nothing == pytest.approx([0, 0.2, 0.2, 0.5])
    assert float(excess(np.where(mask, 0.0, 1.0), mask)[0]) == -0.2


def test_controls_know_the_middle_or_nothing():
    masks = np.zeros((40, 32, 32), dtype=bool)
    masks[:, 10:22, 8:20] = True
    assert float(area_under_curve(centre(40, 32), masks)[0]) > 0.9
    places = np.arange(40)
    assert area_under_curve(noise(places, 32, seed=1), masks).mean() == pytest.approx(0.5, abs=0.02)
    assert np.array_equal(noise(places, 8, seed=1)[7:9], noise(places[7:9], 8, seed=1))
    assert not np.array_equal(noise(places[:1], 8, seed=1), noise(places[1:2], 8, seed=1))
