"""What is kept of one comparison for the next: it changes nothing, and is not made twice."""

from dataclasses import replace

import numpy as np
import pytest

from skineval.measure import replicates
from skineval.measure.comparisons import against
from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from skineval.measure.replicates import Kept
from tests.measure.samples import classifier

OVERALL = [metric for metric in METRICS if not metric.per_class]
SYSTEMS = {name: [classifier(40, seed=seed, skill=2)] for seed, name in enumerate("abc")}


def shuffled(cell):
    return cell.take(np.random.default_rng(0).permutation(len(cell)))


@pytest.fixture
def made(monkeypatch):
    """The cells that were bootstrapped and the draws that were made, in order."""
    calls = []
    for name in ("bootstrap", "resample"):
        function = getattr(replicates, name)

        def counted(*arguments, name=name, function=function):
            calls.append(name)
            return function(*arguments)

        monkeypatch.setattr(replicates, name, counted)
    return calls


def test_what_is_kept_changes_nothing():
    kept = Kept()
    first, again, alone = (against("a", SYSTEMS, OVERALL, replicates=50, kept=one) for one in (kept, kept, None))
    assert repr(first) == repr(again) == repr(alone)


def test_each_system_is_bootstrapped_once_for_its_figures_and_all_comparisons(made):
    kept = Kept()
    for cells in SYSTEMS.values():
        estimate(list(map(shuffled, cells)), METRICS, replicates=50, kept=kept)
    assert made == ["resample", *["bootstrap"] * 3]
    for name in "abc":
        against(name, SYSTEMS, OVERALL, replicates=50, kept=kept)
    assert len(made) == 4


def test_nothing_is_kept_of_other_predictions_draws_or_metrics(made):
    kept = Kept()
    (cell,) = SYSTEMS["a"]
    changes = [
        ({}, {}),
        ({"probabilities": cell.probabilities[:, ::-1].copy()}, {}),
        ({"groups": cell.image_ids}, {}),
        ({"malignant": ("nv",)}, {}),
        ({}, {"seed": 1}),
        ({}, {"replicates": 60}),
    ]
    for fields, keys in changes:
        mine = [replace(cell, **fields)]
        found = estimate(mine, OVERALL, **{"replicates": 50, **keys}, kept=kept)
        assert repr(found) == repr(estimate(mine, OVERALL, **{"replicates": 50, **keys}))
    assert made.count("bootstrap") == 2 * len(changes)
