"""Ranks over resamples: against scikit-learn on the very same draws, whatever the order of systems."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import studentized_range
from sklearn.metrics import balanced_accuracy_score

from skineval.base.errors import DataError
from skineval.measure import replicates as replicating
from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from skineval.measure.ranks import Place, lags, places, simultaneous_p
from skineval.measure.replicates import Kept
from skineval.measure.resampling import resample
from tests.measure.samples import classifier

SYSTEMS = {name: [classifier(40, seed=seed, skill=1.2)] for seed, name in enumerate("abcd")}


def by_hand(systems, n, seed=0):
    """The rank of each system, and how often each has that over the draws."""
    (first, *_), *_ = systems.values()
    drawn = np.vstack(list(resample([first], n, seed).weights(first.groups)))

    def ranks(weights):
        scores = {
            name: balanced_accuracy_score(one.targets, one.probabilities.argmax(axis=1), sample_weight=weights)
            for name, (one,) in systems.items()
        }
        return {name: 1 + sum(other > score + 1e-12 for other in scores.values()) for name, score in scores.items()}

    own, each = ranks(np.ones(len(first))), [ranks(weights) for weights in drawn]
    return own, {name: np.mean([found[name] == rank for found in each]) for name, rank in own.items()}


def test_every_rank_is_kept_as_often_as_counted_by_hand():
    found = places(SYSTEMS, replicates=100)
    ranks, shares = by_hand(SYSTEMS, 100)
    assert {one.system: one.rank for one in found} == ranks
    assert {one.system: one.kept for one in found} == pytest.approx(shares)
    assert [one.rank for one in found] == sorted(one.rank for one in found)
    assert 0 < found[0].kept < 1


def test_the_order_of_systems_does_not_matter():
    assert places(dict(reversed(SYSTEMS.items())), replicates=100) == places(SYSTEMS, replicates=100)


def test_what_scores_the_same_shares_a_rank_and_what_is_far_ahead_keeps_it():
    twins = {"x": SYSTEMS["a"], "y": SYSTEMS["a"], "sure": [classifier(40, seed=9, skill=9)]}
    assert places(twins, replicates=100) == (Place("sure", 1, 1.0), Place("x", 2, 1.0), Place("y", 2, 1.0))


def test_of_losses_the_lowest_is_first():
    loss = next(metric for metric in METRICS if metric.name == "nll")
    better = {"good": [classifier(40, seed=1, skill=4)], "bad": [classifier(40, seed=1, skill=0)]}
    assert [one.system for one in places(better, loss, replicates=50)] == ["good", "bad"]


def test_replicates_that_are_there_are_not_made_again(monkeypatch):
    kept = Kept()
    for cells in SYSTEMS.values():
        estimate(cells, METRICS[:1], replicates=100, kept=kept)
    made = []
    monkeypatch.setattr(replicating, "bootstrap", lambda *arguments: made.append(arguments))
    assert places(SYSTEMS, replicates=100, kept=kept) == places(SYSTEMS, replicates=100, kept=kept)
    assert made == []


def test_a_system_without_a_figure_has_no_rank_and_other_classes_are_refused():
    nothing = [SYSTEMS["a"][0].take(np.zeros(len(SYSTEMS["a"][0]), dtype=bool))]
    assert [one.system for one in places({"a": SYSTEMS["a"], "none": nothing}, replicates=20)] == ["a"]
    others = [SYSTEMS["b"][0].with_classes(SYSTEMS["b"][0].classes[::-1])]
    with pytest.raises(DataError, match="classes"):
        places({"a": SYSTEMS["a"], "b": others}, replicates=20)


@pytest.mark.parametrize("n", [2, 5, 20])
def test_the_p_of_independent_systems_is_that_of_the_studentised_range(n):
    values = np.linspace(0, 0.06, n)
    replicates = values + np.random.default_rng(0).normal(0, 0.01, (40_000, n))
    found = simultaneous_p(values, replicates)
    wanted = studentized_range.sf((values[-1] - values) / 0.01, n, np.inf)
    np.testing.assert_allclose(found[-1, :-1], wanted[:-1], atol=0.015)
    np.testing.assert_array_equal(found, found.T)


def test_whichever_is_the_best_of_equals_is_rarely_told_apart_from_any():
    """Nor is it often enough where systems share most of their errors, as those of one network do."""
    rng, told = np.random.default_rng(1), 0
    spread = np.diag(np.linspace(0.005, 0.02, 12) ** 2) + 0.01**2
    for _ in range(400):
        values = rng.multivariate_normal(np.zeros(12), spread)
        replicates = values + rng.multivariate_normal(np.zeros(12), spread, 500)
        told += (simultaneous_p(values, replicates)[values.argmax()] < 0.05).any()
    assert 0.02 <= told / 400 <= 0.08


@given(st.integers(0, 1000), st.integers(2, 6))
def test_a_p_depends_neither_on_order_nor_on_units_and_is_no_smaller_than_replicates_can_say(seed, n):
    rng = np.random.default_rng(seed)
    values, replicates = rng.normal(size=n), rng.normal(size=(50, n))
    found, order = simultaneous_p(values, values + replicates), rng.permutation(n)
    np.testing.assert_allclose(simultaneous_p(values[order], (values + replicates)[:, order]), found[order][:, order])
    np.testing.assert_allclose(simultaneous_p(3 * values + 1, 3 * (values + replicates) + 1), found)
    assert (found >= 1 / 51).all()
    assert (found.diagonal() == 1).all()


def test_of_what_no_replicate_moves_nothing_is_told_apart():
    values = np.array([0.5, 0.5, 0.7])
    assert (simultaneous_p(values, np.tile(values, (20, 1))) == 1).all()
    assert np.isnan(simultaneous_p(values, np.empty((0, 3)))).all()


def test_the_lag_of_the_best_is_none_and_that_of_what_guesses_is_sure():
    systems = SYSTEMS | {"sure": [classifier(40, seed=9, skill=9)]}
    found = lags(systems, replicates=200)
    assert found["sure"] == 1
    assert all(found[name] == 1 / 201 for name in "abcd")
    assert lags(dict(reversed(systems.items())), replicates=200) == found
