"""The k nearest neighbours: the classifier of scikit-learn, as a module whose buffers are all there is to it."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neighbors import NearestNeighbors as Oracle

from skineval.train import neighbours
from skineval.train.neighbours import NUMBERS, TEMPERATURE, NearestNeighbours, fit_neighbours
from skineval.train.predict import decide, softmax
from tests.train.toys import blobs, score

SCALE = np.logspace(-2, 2, 6, dtype=np.float32)  #: without which most angles are too small for float32
TRAIN, VALIDATION = ((embeddings / SCALE, labels) for embeddings, labels in (blobs(), blobs(seed=1)))
FEW = VALIDATION[0][:20]
SEEDS = st.integers(0, 2**32 - 1)


def head_of(embeddings, labels, k, shares=None, num_classes=3):
    shares = np.ones(len(labels)) if shares is None else shares
    return NearestNeighbours(*map(torch.from_numpy, (embeddings, labels, shares)), num_classes, k)


def probabilities(head, embeddings):
    return softmax(decide(head, embeddings))


def shares_of(head, embeddings):
    """Class shares (N, C) among the neighbours: probabilities without the one that is of all classes alike."""
    k = int(head.k)
    return probabilities(head, embeddings) * (1 + 1 / k) - 1 / (k * head.num_classes)


def oracle(train, k, embeddings):
    """Class shares (N, 3) of scikit-learn."""
    classifier = KNeighborsClassifier(
        k, metric="cosine", algorithm="brute", weights=lambda distances: np.exp((1 - distances) / TEMPERATURE)
    )
    classifier.fit(train[0].astype(np.float64), train[1])
    found = np.zeros((len(embeddings), 3))
    found[:, classifier.classes_] = classifier.predict_proba(embeddings.astype(np.float64))
    return found


def tied(seed, n):
    """Embeddings (n, 3) of which many are the same, or as near."""
    return np.random.default_rng(seed).integers(-1, 2, (n, 3)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 5, 50, 300])
@pytest.mark.parametrize("absent", [None, 1, 2])
def test_its_probabilities_are_those_of_scikit_learn(k, absent):
    train = TRAIN[0], np.where(TRAIN[1] == absent, 0, TRAIN[1])
    found = shares_of(head_of(*train, k), VALIDATION[0])
    np.testing.assert_allclose(found, oracle(train, k, VALIDATION[0]), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([1, 5, 50, 300]), st.sampled_from([1e-20, 1, 1e20]))
def test_a_share_multiplies_what_a_neighbour_counts(seed, k, unit):
    shares = np.random.default_rng(seed).uniform(0.01, 10, 300) * unit
    distances, rows = Oracle(n_neighbors=k, metric="cosine").fit(TRAIN[0].astype(float)).kneighbors(FEW)
    votes = np.exp((1 - distances) / TEMPERATURE) * shares[rows]
    counted = np.stack([(votes * (TRAIN[1][rows] == code)).sum(axis=1) for code in range(3)], axis=1)
    found = shares_of(head_of(*TRAIN, k, shares), FEW)
    np.testing.assert_allclose(found, counted / counted.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("n", [300, 99])
def test_k_is_the_best_on_the_validation_part(n):
    train = TRAIN[0][:n], TRAIN[1][:n]
    scores = {k: score(VALIDATION[1], oracle(train, k, VALIDATION[0])) for k in NUMBERS if k <= n}
    assert len(set(scores.values())) > 1
    assert fit_neighbours(*train, VALIDATION, 3, score).k == max(scores, key=scores.__getitem__)


def test_of_numbers_that_are_as_good_the_smallest_is_chosen():
    assert fit_neighbours(*TRAIN, VALIDATION, 3, lambda targets, probabilities: 0.5).k == NUMBERS[0]


def test_a_fitted_head_counts_the_shares():
    shares = np.linspace(0.1, 2, 300)
    head = fit_neighbours(*TRAIN, VALIDATION, 3, score, shares)
    expected = probabilities(head_of(*TRAIN, int(head.k), shares), VALIDATION[0])
    np.testing.assert_array_equal(probabilities(head, VALIDATION[0]), expected)


@pytest.mark.parametrize(
    ("embeddings", "labels"),
    [
        (TRAIN[0], np.ones(300, dtype=np.int64)),
        (TRAIN[0][:, :1], TRAIN[1]),
        (TRAIN[0][:4], TRAIN[1][:4]),
        (TRAIN[0][:1], TRAIN[1][:1]),
    ],
    ids=["one class", "one dimension", "four rows", "one row"],
)
def test_little_to_go_by_is_enough(embeddings, labels):
    validation = VALIDATION[0][:, : embeddings.shape[1]], VALIDATION[1]
    head = fit_neighbours(embeddings, labels, validation, 3, score)
    assert head.k <= len(labels)
    found = probabilities(head, validation[0])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert set(found.argmax(axis=1)) <= set(labels)


def test_no_logit_is_infinite():
    train = TRAIN[0], np.zeros_like(TRAIN[1])
    logits = decide(head_of(*train, 5), VALIDATION[0])
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("of", ["train", "question"])
def test_an_embedding_of_zeros_has_neighbours_too(of):
    embeddings, questions = TRAIN[0].copy(), VALIDATION[0].copy()
    (embeddings if of == "train" else questions)[:3] = 0
    assert np.isfinite(decide(head_of(embeddings, TRAIN[1], 300), questions)).all()


def test_of_rows_that_are_as_near_the_first_ones_count():
    embeddings = np.outer([1, 2, 3, 0.1], np.ones(5)).astype(np.float32)
    found = shares_of(head_of(embeddings, np.array([2, 0, 1, 1]), 2), embeddings)
    np.testing.assert_allclose(found, [[0.5, 0, 0.5]] * 4, atol=1e-5)


def test_rows_are_as_near_whatever_the_order_in_which_their_products_are_added():
    generator = np.random.default_rng(0)
    row = generator.normal(1, 1, 700).astype(np.float32)
    embeddings = np.stack([generator.permutation(row) for _ in range(50)])
    found, rows = head_of(embeddings, np.zeros(50, dtype=np.int64), 50).find(torch.ones(3, 700), 50)
    assert found.unique().numel() == 1
    np.testing.assert_array_equal(rows, [range(50)] * 3)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 60))
def test_what_else_is_asked_changes_nothing(seed, k):
    """Not one bit, though many rows are as near."""
    generator = np.random.default_rng(seed)
    axes = generator.normal(size=(3, 700))
    embeddings, questions = ((tied(seed + i, n) @ axes).astype(np.float32) for i, n in enumerate((60, 10)))
    head = head_of(embeddings, generator.integers(0, 3, 60), k)
    together = decide(head, questions)
    np.testing.assert_array_equal(np.concatenate([decide(head, one[None]) for one in questions]), together)
    asked = torch.from_numpy(questions)
    alone = [torch.cat(each) for each in zip(*(head.find(one[None], k) for one in asked), strict=True)]
    assert all(map(torch.equal, alone, head.find(asked, k)))
    with patch.object(neighbours, "QUERIES", 3), patch.object(neighbours, "ROWS", 11):
        np.testing.assert_array_equal(decide(head, questions), together)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 300))
def test_the_order_of_rows_changes_nothing(seed, k):
    generator = np.random.default_rng(seed)
    shares, order = generator.uniform(0.1, 3, 300), generator.permutation(300)
    expected = decide(head_of(*TRAIN, k, shares), FEW)
    again = head_of(TRAIN[0][order], TRAIN[1][order], k, shares[order])
    np.testing.assert_array_equal(decide(again, FEW), expected)


@pytest.mark.parametrize("exponent", [-110, 100])
def test_near_is_a_matter_of_direction_however_long_rows_are(exponent):
    head, long = (head_of(np.ldexp(TRAIN[0], power), TRAIN[1], 20) for power in (0, exponent))
    np.testing.assert_array_equal(decide(long, np.ldexp(FEW, exponent)), decide(head, FEW))


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_a_row_with_a_share_of_two_is_a_row_given_twice(seed):
    times = np.random.default_rng(seed).integers(1, 4, 300)
    shared = head_of(*TRAIN, 300, times)
    given_so = head_of(np.repeat(TRAIN[0], times, 0), np.repeat(TRAIN[1], times), int(times.sum()))
    np.testing.assert_allclose(shares_of(shared, FEW), shares_of(given_so, FEW), atol=1e-6)


def test_a_state_dict_is_the_whole_head():
    head = fit_neighbours(*TRAIN, VALIDATION, 3, score, np.linspace(0.1, 2, 300))
    again = NearestNeighbours.of_shape(300, 6, 3)
    assert np.isfinite(decide(again, VALIDATION[0])).all()
    again.load_state_dict(load(save(head.state_dict())))
    np.testing.assert_array_equal(decide(again, VALIDATION[0]), decide(head, VALIDATION[0]))


def test_explanations_have_its_gradient():
    """That of the class shares among all rows, and of one row more that is of all classes alike, in plain words."""
    rows = torch.nn.functional.normalize(torch.from_numpy(TRAIN[0]).double())
    asked = torch.from_numpy(VALIDATION[0][:10]).double().requires_grad_()
    votes = (torch.nn.functional.normalize(asked) @ rows.T / TEMPERATURE).exp()
    shares = votes @ torch.nn.functional.one_hot(torch.from_numpy(TRAIN[1]), 3).double() / votes.sum(1, keepdim=True)
    (shares + 1 / (300 * 3)).log()[:, 1].sum().backward()
    ours = torch.from_numpy(VALIDATION[0][:10]).requires_grad_()
    head_of(*TRAIN, 300)(ours)[:, 1].sum().backward()
    np.testing.assert_allclose(ours.grad, asked.grad, rtol=0.01, atol=1e-4 * asked.grad.abs().max().item())
