"""The nearest class mean: the classifier of scikit-learn, as a linear head."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import log_loss
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler
from torch import nn

from skineval.train.class_means import fit_class_means
from skineval.train.embeddings import install_head
from skineval.train.predict import decide, softmax
from tests.train.toys import blobs, score

TRAIN, VALIDATION = blobs(), blobs(seed=1)
SEEDS = st.integers(0, 2**32 - 1)


def probabilities(head, embeddings):
    return softmax(embeddings @ head.weight.T + head.bias)


def squares(train, embeddings):
    """Squared distances (n, C) from the means that scikit-learn finds."""
    scaler = StandardScaler().fit(train[0])
    centroids = NearestCentroid().fit(scaler.transform(train[0]), train[1]).centroids_
    return cdist(scaler.transform(embeddings), centroids, "sqeuclidean")


def test_its_classes_are_those_of_the_nearest_centroid_of_standardised_embeddings():
    scaler = StandardScaler().fit(TRAIN[0])
    oracle = NearestCentroid().fit(scaler.transform(TRAIN[0]), TRAIN[1])
    head = fit_class_means(*TRAIN, VALIDATION, 3, score)
    found = probabilities(head, VALIDATION[0]).argmax(axis=1)
    np.testing.assert_array_equal(found, oracle.predict(scaler.transform(VALIDATION[0])))


def test_its_logits_are_squared_distances_over_twice_the_temperature():
    head = fit_class_means(*TRAIN, VALIDATION, 3, score)
    expected = softmax(-squares(TRAIN, VALIDATION[0]) / (2 * head.setting))
    np.testing.assert_allclose(probabilities(head, VALIDATION[0]), expected, atol=1e-5)


def test_the_temperature_is_the_likeliest_on_the_validation_part_and_one_embedding_of_any_class():
    head = fit_class_means(*TRAIN, VALIDATION, 3, score)
    distances = np.tile(squares(TRAIN, VALIDATION[0]), (4, 1))
    labels = np.concatenate([VALIDATION[1], *np.repeat([[0], [1], [2]], 300, axis=1)])
    weights = np.repeat([1, 1 / 900], [300, 900])

    def loss(temperature):
        return log_loss(labels, softmax(-distances / (2 * temperature)), sample_weight=weights)

    assert head.setting == pytest.approx(min(np.geomspace(0.2, 5, 81), key=loss), rel=0.03)


def test_the_score_is_that_of_the_head():
    head = fit_class_means(*TRAIN, VALIDATION, 3, score)
    assert head.score == score(VALIDATION[1], probabilities(head, VALIDATION[0]))


def test_where_the_validation_part_is_perfectly_separated_there_is_no_certainty():
    apart = TRAIN[0] + 1e4 * np.eye(3, 6, dtype=np.float32)[TRAIN[1]], TRAIN[1]
    head = fit_class_means(*apart, apart, 3, score)
    found = probabilities(head, apart[0])
    assert head.score == 1
    assert log_loss(apart[1], found) < 0.02
    assert found.min() > 1e-6


def test_where_the_validation_part_says_the_opposite_all_classes_are_alike():
    head = fit_class_means(*TRAIN, (TRAIN[0], (TRAIN[1] + 1) % 3), 3, score)
    np.testing.assert_allclose(probabilities(head, TRAIN[0]), 1 / 3, atol=0.01)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_units_of_a_dimension_change_nothing(seed):
    generator = np.random.default_rng(seed)
    factors, shifts = generator.choice([-1, 1], 6) * np.exp(generator.uniform(-3, 3, 6)), generator.normal(size=6)
    # As much of each as of its dimension, or float32 would lose what is added to.
    shifts *= TRAIN[0].std(axis=0) * factors

    def changed(embeddings):
        return (embeddings * factors + shifts).astype(np.float32)

    plain = fit_class_means(*TRAIN, VALIDATION, 3, score)
    again = fit_class_means(changed(TRAIN[0]), TRAIN[1], (changed(VALIDATION[0]), VALIDATION[1]), 3, score)
    assert again.setting == pytest.approx(plain.setting, rel=1e-3)
    expected = probabilities(plain, VALIDATION[0])
    np.testing.assert_allclose(probabilities(again, changed(VALIDATION[0])), expected, atol=1e-3)


def test_a_dimension_that_is_constant_in_the_train_part_does_not_count():
    def extended(embeddings, value):
        return np.column_stack([embeddings, np.full_like(embeddings[:, 0], value)])

    plain = fit_class_means(*TRAIN, VALIDATION, 3, score)
    head = fit_class_means(extended(TRAIN[0], 0.1), TRAIN[1], (extended(VALIDATION[0], 5), VALIDATION[1]), 3, score)
    np.testing.assert_array_equal(head.weight[:, 6], 0)
    np.testing.assert_allclose(head.weight[:, :6], plain.weight, rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_order_of_rows_changes_nothing(seed):
    generator = np.random.default_rng(seed)
    shares, order, other = generator.uniform(0.1, 3, 300), generator.permutation(300), generator.permutation(300)
    plain = fit_class_means(*TRAIN, VALIDATION, 3, score, shares)
    shuffled = VALIDATION[0][other], VALIDATION[1][other]
    again = fit_class_means(TRAIN[0][order], TRAIN[1][order], shuffled, 3, score, shares[order])
    np.testing.assert_allclose(again.weight, plain.weight, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(again.bias, plain.bias, rtol=1e-4, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.floats(0.01, 100))
def test_a_share_is_how_often_a_row_is_given(seed, factor):
    times = np.random.default_rng(seed).integers(0, 4, 300)
    shared = fit_class_means(*TRAIN, VALIDATION, 3, score, times * factor)
    given_so = fit_class_means(np.repeat(TRAIN[0], times, 0), np.repeat(TRAIN[1], times), VALIDATION, 3, score)
    np.testing.assert_allclose(shared.weight, given_so.weight, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(shared.bias, given_so.bias, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("why", ["no row", "no share"])
@pytest.mark.parametrize("validation", [VALIDATION, (TRAIN[0], 2 - TRAIN[1])], ids=["like it", "the opposite"])
def test_a_class_without_images_is_never_predicted(why, validation):
    """Not even far from all that is known."""
    embeddings, labels = TRAIN
    kept = labels != 1
    if why == "no row":
        head = fit_class_means(embeddings[kept], labels[kept], validation, 3, score)
    else:
        head = fit_class_means(embeddings, labels, validation, 3, score, kept * 1.0)
    far = np.concatenate([scale * blobs(seed=2)[0] for scale in (0, 1, -1000, 1000)])
    assert probabilities(head, far)[:, 1].max() == 0
    assert set(probabilities(head, far).argmax(axis=1)) == {0, 2}


@pytest.mark.parametrize(
    ("embeddings", "labels"),
    [
        (TRAIN[0], np.zeros(300, dtype=np.int64)),
        (TRAIN[0][:, :1], TRAIN[1]),
        (TRAIN[0][:1], TRAIN[1][:1]),
        (np.ones((300, 6), dtype=np.float32), TRAIN[1]),
    ],
    ids=["one class", "one dimension", "one row", "all alike"],
)
def test_little_to_go_by_is_enough(embeddings, labels):
    validation = VALIDATION[0][:, : embeddings.shape[1]], VALIDATION[1]
    head = fit_class_means(embeddings, labels, validation, 3, score)
    found = probabilities(head, validation[0])
    assert set(found.argmax(axis=1)) <= set(labels)
    assert np.isfinite(head.setting)
    assert head.setting > 0


def test_a_validation_part_of_other_classes_is_enough():
    kept = TRAIN[1] != 1
    others = VALIDATION[0], np.ones_like(VALIDATION[1])
    head = fit_class_means(TRAIN[0][kept], TRAIN[1][kept], others, 3, score)
    assert np.isfinite(head.weight).all()


def test_a_linear_layer_says_the_same():
    head = fit_class_means(*TRAIN, VALIDATION, 3, score)
    layer = nn.Linear(6, 3)
    install_head(layer, head.weight, head.bias)
    found = softmax(decide(layer, VALIDATION[0]))
    np.testing.assert_allclose(found, probabilities(head, VALIDATION[0]), atol=1e-4)
