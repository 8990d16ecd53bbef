"""Ranks over resamples: against scikit-learn on the very same draws, whatever the order of systems."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import studentized_range
from sklearn.metrics import balanced_accuracy_score

from skineval.base.errors import DataError
from skineval.measure import replicates as replicating
from skineval.measure.comparisons import differences
from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from skineval.measure.ranks import Place, lags, largest_gaps, places
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
def test_the_largest_gap_of_independent_systems_is_that_of_the_studentised_range(n):
    gaps = largest_gaps(np.random.default_rng(0).normal(0, 0.01, (40_000, n)))
    for errors in (2.0, 2.5, 3.0, 3.5):
        wanted = studentized_range.sf(errors * np.sqrt(2), n, np.inf)
        assert (gaps >= errors).mean() == pytest.approx(wanted, abs=0.015)


def test_whichever_is_the_best_of_equals_is_rarely_told_apart_from_any():
    """Nor is it often enough where systems share most of their errors, as those of one network do."""
    rng, told = np.random.default_rng(1), 0
    spread = np.diag(np.linspace(0.005, 0.02, 12) ** 2) + 0.01**2
    errors = np.sqrt(np.add.outer(spread.diagonal(), spread.diagonal()) - 2 * spread)
    for _ in range(400):
        values = rng.multivariate_normal(np.zeros(12), spread)
        gaps = largest_gaps(values + rng.multivariate_normal(np.zeros(12), spread, 500))
        best, others = values.argmax(), np.arange(12) != values.argmax()
        lead = ((values[best] - values) / np.where(errors[best], errors[best], 1))[others].max()
        told += (gaps >= lead).mean() < 0.05
    assert 0.02 <= told / 400 <= 0.08


@given(st.integers(0, 1000), st.integers(2, 6))
def test_the_largest_gap_depends_neither_on_order_nor_on_units(seed, n):
    rng = np.random.default_rng(seed)
    replicates = rng.normal(size=(50, n))
    found = largest_gaps(replicates)
    np.testing.assert_allclose(largest_gaps(replicates[:, rng.permutation(n)]), found)
    np.testing.assert_allclose(largest_gaps(3 * replicates + rng.normal(size=n)), found)


def test_what_no_replicate_moves_does_not_count():
    still = np.tile([0.5, 0.5, 0.7], (20, 1))
    assert (largest_gaps(still) == 0).all()
    moved = np.column_stack([still, np.arange(20.0)])
    np.testing.assert_allclose(largest_gaps(moved), largest_gaps(moved[:, 2:]))
    assert len(largest_gaps(np.empty((0, 3)))) == 0


def test_what_is_not_told_apart_by_its_own_interval_is_not_by_all():
    """A class of one lesion is in every replicate, whose spread says nothing of it."""
    few = {name: [classifier(12, seed=seed, skill=1.5)] for seed, name in enumerate("abcdef")}
    found = lags(few, replicates=200)
    best = max(found, key=found.get)
    for name, p in found.items():
        if name != best:
            (lead,) = differences(few[best], few[name], METRICS[:1], replicates=200)
            assert lead.low > 0 or p >= 0.05, name


def test_the_lag_of_the_best_is_none_and_that_of_what_guesses_is_sure():
    systems = SYSTEMS | {"sure": [classifier(40, seed=9, skill=9)]}
    found = lags(systems, replicates=200)
    assert found["sure"] == 1
    assert all(1 / 201 <= found[name] < 0.05 for name in "abcd")
    assert lags(dict(reversed(systems.items())), replicates=200) == found


def test_of_two_best_ones_the_lag_is_behind_the_same_whichever_comes_first():
    """The two call as many images of each class right, but not the same ones."""
    first = classifier(40, seed=9, skill=2)
    places = np.arange(len(first))
    for label in np.unique(first.targets):
        places[first.targets == label] = places[first.targets == label][::-1]
    systems = {"m/b": [replace(first, probabilities=first.probabilities[places])], "m/none": [first], **SYSTEMS}
    found = lags(systems, replicates=100)
    assert found == lags(dict(reversed(systems.items())), replicates=100)
    assert found["m/none"] == 1.0
    without = {name: cells for name, cells in systems.items() if name != "m/none"}
    assert any(found[name] != p for name, p in lags(without, replicates=100).items())
