"""The threshold of malignancy: scikit-learn's ROC curve chooses the same, and recalls there are its recalls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import recall_score, roc_curve

from skineval.measure.operating import choose_threshold, operating_point
from skineval.values.predictions import Predictions


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
