"""The threshold of malignancy: scikit-learn's ROC curve chooses the same, and recalls there are its recalls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import recall_score, roc_curve

from skineval.measure.decisions import benefit_at, benefit_of_all
from skineval.measure.operating import choose_threshold, operating_point, predictive_values
from skineval.values.predictions import Predictions
from tests.measure.samples import compute


def predictions(scores: list[float], malignant: list[bool]) -> Predictions:
    """Images of two classes, of which `mel` is malignant with these probabilities."""
    ids = np.array([f"I{place}" for place in range(len(scores))])
    share = np.array(scores)
    return Predictions(
        ("mel", "nv"),
        ids,
        ids,
        ids,
        np.full(len(ids), "test"),
        np.where(malignant, 0, 1).astype(np.int64),
        np.stack([share, 1 - share], axis=1),
        malignant=("mel",),
    )


SCORED = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), min_size=4, max_size=60).filter(
    lambda rows: len({malignant for _, malignant in rows}) == 2
)


@given(SCORED, st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_it_is_the_first_of_the_roc_curve_that_finds_enough(rows, sensitivity):
    scores, malignant = map(list, zip(*rows, strict=True))
    found = choose_threshold(predictions(scores, malignant), sensitivity)
    _, rates, thresholds = roc_curve(malignant, scores, drop_intermediate=False)
    assert found == pytest.approx(thresholds[np.flatnonzero(rates >= sensitivity - 1e-12)[0]])


@given(SCORED, st.integers(0, 20).map(lambda n: n / 20))
def test_sensitivity_and_specificity_are_recalls_of_what_is_called(rows, threshold):
    scores, malignant = map(list, zip(*rows, strict=True))
    point = operating_point(threshold, predictions(scores, malignant), replicates=20)
    called = np.array(scores) >= threshold
    assert point.sensitivity.value == pytest.approx(recall_score(malignant, called))
    assert point.specificity.value == pytest.approx(recall_score(malignant, called, pos_label=0))
    assert (point.sensitivity.n_images, point.specificity.n_images) == (sum(malignant), len(rows) - sum(malignant))


@pytest.mark.parametrize("malignant", [[True, True], [False, False]])
def test_of_one_kind_alone_nothing_is_chosen(malignant):
    assert choose_threshold(predictions([0.2, 0.7], malignant)) is None


@given(SCORED, st.sampled_from([0.05, 0.25, 0.5]))
def test_a_point_of_the_decision_curve_is_what_is_found_less_false_alarms_at_their_price(rows, threshold):
    scores, malignant = map(list, zip(*rows, strict=True))
    called, so = np.array(scores) >= threshold, np.array(malignant)
    expected = (called & so).mean() - (called & ~so).mean() * threshold / (1 - threshold)
    (found,) = compute(benefit_at(threshold), predictions(scores, malignant), np.ones((1, len(rows))))
    assert found == pytest.approx(expected)
    (of_all,) = compute(benefit_at(threshold), predictions([1.0] * len(rows), malignant), np.ones((1, len(rows))))
    assert of_all == pytest.approx(benefit_of_all(threshold, so.mean()))


@given(SCORED, st.integers(1, 19).map(lambda n: n / 20))
def test_predictive_values_are_those_of_the_images_where_malignancy_is_as_frequent_as_there(rows, threshold):
    scores, malignant = map(np.array, zip(*rows, strict=True))
    called = scores >= threshold
    sensitivity, specificity = called[malignant].mean(), (~called)[~malignant].mean()
    found = predictive_values(sensitivity, specificity, malignant.mean())
    for value, of in zip(found, (malignant[called], ~malignant[~called]), strict=True):
        assert value == pytest.approx(of.mean() if len(of) else np.nan, nan_ok=True)
    # A test with 90 % of both, where one in ten is ill: half of the alarms are false.
    np.testing.assert_allclose(predictive_values(0.9, 0.9, np.array([0.1, 0.5]))[0], [0.5, 0.9])
