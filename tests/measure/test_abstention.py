"""What is kept, and what is wrong of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.measure.abstention import kept, least_confidence, right_where, risk_coverage
from skineval.measure.intervals import estimate
from skineval.measure.metrics import predicted
from skineval.measure.names import METRICS
from tests.measure.samples import classifier, compute, tied_cells

AURC = next(metric for metric in METRICS if metric.name == "aurc")


@settings(max_examples=30, deadline=None)
@given(tied_cells())
def test_the_area_under_the_curve_is_the_metric(drawn):
    cell, _ = drawn
    coverage, risk = risk_coverage(cell)
    assert coverage[-1] == 1
    assert risk[-1] == pytest.approx((predicted(cell.probabilities) != cell.targets).mean())
    (area,) = compute(AURC, cell, np.ones((1, len(cell))))
    assert (np.diff(coverage, prepend=0) * risk).sum() == pytest.approx(area)


@settings(max_examples=30, deadline=None)
@given(tied_cells(), st.sampled_from([0.1, 0.5, 0.8, 1.0]))
def test_as_many_images_are_kept_as_were_asked_for_and_no_more_than_ties_make(drawn, share):
    cell, _ = drawn
    least = least_confidence(cell, share)
    mask = kept(cell, least)
    assert mask.mean() >= share - 1e-9
    assert (cell.probabilities.max(axis=1) > least).mean() < share


def test_a_share_is_the_accuracy_of_its_answers():
    cell = classifier()
    mask = kept(cell, 0.6)
    (score,) = estimate([right_where(cell, mask)], [one for one in METRICS if one.name == "accuracy"])
    assert score.value == pytest.approx(mask.mean())
