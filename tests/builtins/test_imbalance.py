"""What skineval offers itself: remedies that do what their papers say, and metrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from skineval.base.errors import CellError
from skineval.builtins.imbalance import balanced_draws, class_weights, smote
from skineval.catalog.catalog import load_catalog
from skineval.catalog.loading import load_plugins
from skineval.measure.names import METRICS, OF_REJECTION


def counts(most=5):
    return st.lists(st.integers(0, 50), min_size=2, max_size=most).filter(lambda c: sum(c) > 0)


@given(counts())
def test_class_weights_are_those_of_scikit_learn(numbers):
    numbers = np.array(numbers)
    labels = np.repeat(np.arange(len(numbers)), numbers)
    loss = class_weights(numbers, power=1.0)
    logits = torch.zeros(len(numbers), len(numbers))
    found = loss(logits, torch.arange(len(numbers))).numpy() / np.log(len(numbers))
    present = numbers > 0
    expected = compute_class_weight("balanced", classes=np.flatnonzero(present), y=labels)
    # scikit-learn scales by the number of classes that are there, too.
    np.testing.assert_allclose(found[present], expected, rtol=1e-5)
    assert (found[~present] == 0).all()


@given(counts(), st.floats(0, 1))
def test_weights_average_to_one_over_the_train_part(numbers, power):
    numbers = np.array(numbers)
    labels = torch.from_numpy(np.repeat(np.arange(len(numbers)), numbers))
    loss = class_weights(numbers, power=power)(torch.zeros(len(labels), len(numbers)), labels)
    assert float(loss.mean()) == pytest.approx(np.log(len(numbers)), rel=1e-4)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_balanced_draws_give_every_class_the_same_share(labels):
    labels = np.array(labels)
    weights = balanced_draws(labels, power=1.0)
    shares = [weights[labels == label].sum() for label in np.unique(labels)]
    np.testing.assert_allclose(shares, shares[0])
    np.testing.assert_allclose(balanced_draws(labels, power=0.0), 1.0)


class TestSmote:
    labels = np.repeat([0, 1, 2], [40, 10, 3])
    embeddings = np.random.default_rng(0).normal(size=(53, 4)).astype(np.float32)

    def test_all_classes_are_equally_frequent_and_the_originals_are_kept(self):
        resampled, labels = smote(self.embeddings, self.labels, seed=1, k=5)
        assert list(np.bincount(labels)) == [40, 40, 40]
        np.testing.assert_array_equal(resampled[:53], self.embeddings)

    def test_new_points_lie_between_two_of_their_class(self):
        resampled, labels = smote(self.embeddings, self.labels, seed=1, k=2)
        members = self.embeddings[self.labels == 2]
        for point in resampled[53:][labels[53:] == 2]:
            assert min(_distance_to_segment(point, a, b) for a in members for b in members) < 1e-4

    def test_it_is_repeatable(self):
        one, two = (smote(self.embeddings, self.labels, seed=7, k=5)[0] for _ in range(2))
        np.testing.assert_array_equal(one, two)

    def test_a_class_of_one_image_is_an_error(self):
        with pytest.raises(CellError, match="single"):
            smote(self.embeddings[:41], self.labels[:41], seed=1, k=5)


def _distance_to_segment(point, a, b):
    length = ((b - a) ** 2).sum()
    share = 0.0 if length == 0 else np.clip(((point - a) * (b - a)).sum() / length, 0, 1)
    return float(np.linalg.norm(point - (a + share * (b - a))))


def test_metrics_are_those_of_the_measure_floor():
    shelf = load_catalog(load_plugins([])).metrics
    assert list(shelf.entries) == [metric.name for metric in (*METRICS, *OF_REJECTION)]
    targets = np.array([0, 1, 1, 2])
    probabilities = np.eye(3)[[0, 1, 2, 2]] * 0.8 + 0.2 / 3
    weights = np.ones((1, 4))
    for metric in METRICS:
        if metric.name == "malignancy_auc":
            continue
        np.testing.assert_array_equal(
            shelf[metric.name].compute(targets, probabilities, weights, ("a", "b", "c")),
            metric.compute(targets, probabilities, weights, ("a", "b", "c")),
        )
