"""Ranks over resamples: against scikit-learn on the very same draws, whatever the order of systems."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from skineval.base.errors import DataError
from skineval.measure import replicates as replicating
from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from skineval.measure.ranks import Place, places
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
