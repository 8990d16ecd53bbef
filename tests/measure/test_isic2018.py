"""The official figures of ISIC 2018, by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from skineval.base.errors import DataError
from skineval.measure.intervals import estimate
from skineval.measure.isic2018 import preset
from skineval.values.task import DIAGNOSES
from tests.measure.samples import classifier


def official(truth, scores):
    """What the scorer says of one class: a threshold of one half, and 1 where nothing is divided by nothing."""
    called = scores > 0.5
    found, alarms = (truth & called).sum(), (~truth & called).sum()
    missed, spared = (truth & ~called).sum(), (~truth & ~called).sum()

    def share(part, whole):
        return part / whole if whole else 1.0

    fpr, tpr, _ = sk.roc_curve(truth, scores, drop_intermediate=False)
    place = tpr.searchsorted(0.8)
    start = np.interp(0.8, tpr[place - 1 : place + 1], fpr[place - 1 : place + 1])
    return {
        "accuracy_at_half": share(found + spared, len(truth)),
        "sensitivity_at_half": share(found, found + missed),
        "specificity_at_half": share(spared, spared + alarms),
        "dice_at_half": share(2 * found, 2 * found + alarms + missed),
        "ppv_at_half": share(found, found + alarms),
        "npv_at_half": share(spared, spared + missed),
        "auc": sk.roc_auc_score(truth, scores),
        "auc_sens_80": sk.auc(np.insert(fpr[place:], 0, start), np.insert(tpr[place:], 0, 0.8)),
        "ap": sk.average_precision_score(truth, scores),
    }


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([0, 1, 2, None]))
def test_each_class_has_the_official_figures(seed, decimals):
    cell = classifier(40, seed=seed, skill=1.0, images_per_lesion=1, truth_seed=seed)
    scores = cell.probabilities if decimals is None else cell.probabilities.round(decimals)
    ones = np.ones((1, len(cell)))
    values = {m.name: m.compute(cell.targets, scores, ones, cell.classes)[0] for m in preset(cell.classes)}
    there = [k for k in range(7) if (cell.targets == k).any()]
    expected = {k: official(cell.targets == k, scores[:, k]) for k in there}
    for name in expected[there[0]]:
        assert values[name][there] == pytest.approx([expected[k][name] for k in there], abs=1e-9)
        if len(there) == 7:
            assert values[f"macro_{name}"] == pytest.approx(np.mean([expected[k][name] for k in there]), abs=1e-9)


def test_they_have_intervals_and_are_of_the_seven_classes():
    cell = classifier(100)
    scores = estimate([cell], preset(DIAGNOSES), replicates=200)
    assert all(one.low <= one.value <= one.high for one in scores if not np.isnan(one.low))
    assert len(scores) == 1 + 9 * (7 + 1)
    with pytest.raises(DataError, match="The preset isic2018 is of akiec"):
        preset(("benign", "malignant"))
