"""Refitting the head: the classifier of scikit-learn, put into the network."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skineval.base.terms import FIRST_PENALTIES, PENALTIES
from skineval.builtins.imbalance import balanced_draws, class_weights
from skineval.catalog.networks import find_head
from skineval.train import embeddings as module
from skineval.train.embeddings import fit_head, install_head
from skineval.train.losses import cross_entropy
from skineval.train.predict import embed, predict_logits, softmax
from tests.train.toys import TOY, blobs, build, images, score, stage


@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_the_regression_of_scikit_learn_on_standardised_embeddings(classes):
    train, validation = blobs(classes=classes), blobs(classes=classes, seed=1)

    def first(targets, probabilities):
        return float(np.mean(probabilities.argmax(1) == targets))

    head = fit_head(*train, validation, classes, first)
    # With two classes scikit-learn keeps one row of weights, we two of half its size, whose squares weigh half as much.
    strength = head.setting * (2 if classes == 2 else 1)
    oracle = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000, tol=1e-8))
    oracle.fit(*train)
    ours = softmax(validation[0] @ head.weight.T + head.bias)
    np.testing.assert_allclose(ours, oracle.predict_proba(validation[0]), atol=1e-3)
    assert head.setting in PENALTIES


@pytest.mark.parametrize("penalty", PENALTIES)
def test_it_is_that_of_scikit_learn_whatever_the_penalty(monkeypatch, penalty):
    monkeypatch.setattr(module, "PENALTIES", (penalty,))
    monkeypatch.setattr(module, "FIRST_PENALTIES", (penalty,))
    embeddings, labels = blobs(n=240)
    labels = np.where(np.arange(240) % 5 == 0, (labels + 1) % 3, labels)  # what no line can part has a finite fit
    head = fit_head(embeddings, labels, (embeddings, labels), 3, score)
    oracle = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=20_000, tol=1e-8))
    oracle.fit(embeddings, labels)
    ours = softmax(embeddings @ head.weight.T + head.bias)
    np.testing.assert_allclose(ours, oracle.predict_proba(embeddings), atol=1e-3)


@pytest.mark.parametrize("means", ["loss", "shares"])
def test_a_class_counts_as_much_as_scikit_learn_makes_it(means):
    embeddings, labels = blobs(n=240)
    labels = np.where((labels == 2) & (np.arange(240) % 4 > 0), 0, labels)  # 100, 80 and 20 of each, or thereabouts
    counts = np.bincount(labels)
    how = {
        "loss": {"loss": class_weights(counts, power=1.0)},
        "shares": {"shares": balanced_draws(labels, power=1.0)},
    }
    head = fit_head(embeddings, labels, (embeddings, labels), 3, score, **how[means])
    oracle = make_pipeline(
        StandardScaler(), LogisticRegression(C=head.setting, class_weight="balanced", max_iter=5000, tol=1e-8)
    )
    oracle.fit(embeddings, labels)
    ours = softmax(embeddings @ head.weight.T + head.bias)
    np.testing.assert_allclose(ours, oracle.predict_proba(embeddings), atol=1e-3)


@pytest.mark.parametrize("exponents", [(-60, 10), (40, 60), (0, 66), (-100, 100)])
def test_units_of_a_dimension_change_nothing(exponents):
    """However far apart they are: one in thousandths beside one in millions is as good as any."""
    train, validation = blobs(), blobs(seed=1)
    factors = np.ldexp(np.float32(1), np.linspace(*exponents, train[0].shape[1]).astype(int))
    plain = fit_head(*train, validation, 3, score)
    again = fit_head(train[0] * factors, train[1], (validation[0] * factors, validation[1]), 3, score)
    np.testing.assert_array_equal(again.weight * factors, plain.weight)
    np.testing.assert_array_equal(again.bias, plain.bias)


def test_a_dimension_that_is_as_good_as_constant_does_not_count():
    def extended(embeddings):
        noise = np.random.default_rng(0).normal(1e6, 1e-2, len(embeddings)).astype(np.float32)
        return np.column_stack([embeddings, np.full_like(embeddings[:, 0], 7), noise])

    train, validation = blobs(), blobs(seed=1)
    plain = fit_head(*train, validation, 3, score)
    again = fit_head(extended(train[0]), train[1], (extended(validation[0]), validation[1]), 3, score)
    assert not again.weight[:, -2:].any()
    np.testing.assert_allclose(again.weight[:, :-2], plain.weight, rtol=1e-3, atol=1e-5)


def test_a_loss_that_is_not_told_apart_from_cross_entropy_gives_the_same_head():
    embeddings, labels = blobs()
    labels = np.where(labels == 1, 0, labels)  # one class has no image
    plain = fit_head(embeddings, labels, (embeddings, labels), 3, score)
    again = fit_head(embeddings, labels, (embeddings, labels), 3, score, lambda *both: cross_entropy(*both))
    np.testing.assert_allclose(again.weight, plain.weight, atol=1e-3 * np.abs(plain.weight).max())


def test_the_penalty_is_the_best_on_the_validation_part():
    train, validation = blobs(), blobs(seed=1)
    scores = []

    def record(targets, probabilities):
        value = score(targets, probabilities)
        scores.append(value)
        return value

    head = fit_head(*train, validation, 3, record)
    assert head.score == max(scores)
    assert len(scores) >= len(FIRST_PENALTIES)


def fit_only(monkeypatch, places):
    """Heads are not fitted; which would have been is told to `places`."""

    def fit(regression, penalty):
        places.append(penalty)
        return np.zeros((3, 6)), np.zeros(3)

    monkeypatch.setattr(module.Regression, "fit", fit)


@pytest.mark.parametrize(
    ("best", "tried"),
    [
        (3, [2, 3, 4]),  # in the middle: of those that are tried first nothing lies beyond
        (4, [2, 3, 4, 5]),
        (8, [2, 3, 4, 5, 6, 7, 8, 9]),
        (9, [2, 3, 4, 5, 6, 7, 8, 9]),
        (1, [2, 3, 4, 1, 0]),
        (0, [2, 3, 4, 1, 0]),
    ],
)
def test_no_penalty_at_an_end_of_those_tried_is_taken_for_the_best(monkeypatch, best, tried):
    places = []
    fit_only(monkeypatch, places)
    found = fit_head(*blobs(), blobs(), 3, lambda targets, probabilities: -abs(PENALTIES.index(places[-1]) - best))
    assert found.setting == PENALTIES[best]
    assert places == [PENALTIES[place] for place in tried]


@pytest.mark.parametrize("best", [None, 9])
def test_where_none_is_better_than_an_end_all_beyond_are_tried(monkeypatch, best):
    """As where the first heads all answer the largest class."""
    places = []
    fit_only(monkeypatch, places)
    found = fit_head(*blobs(), blobs(), 3, lambda targets, probabilities: float(places[-1] == PENALTIES[best or 0]))
    if best is None:
        assert (found.setting, sorted(places)) == (PENALTIES[0], list(PENALTIES[:5]))
    else:
        assert (found.setting, sorted(places)) == (PENALTIES[best], list(PENALTIES))


def test_a_class_without_images_is_never_predicted():
    embeddings, labels = blobs()
    head = fit_head(embeddings, np.where(labels == 1, 0, labels), (embeddings, labels), 3, score)
    assert 1 not in softmax(embeddings @ head.weight.T + head.bias).argmax(axis=1)


def test_an_installed_head_makes_the_network_say_the_same():
    store, labels = images()
    torch.manual_seed(0)
    model = build(3, weights=None).eval()
    layer = find_head(model, TOY, 3)
    rows = np.arange(len(store))
    embeddings = embed(model, layer, stage(store), rows)
    assert embeddings.shape == (90, 8)
    head = fit_head(embeddings, labels, (embeddings, labels), 3, score)
    install_head(layer, head.weight, head.bias)
    expected = embeddings @ head.weight.T + head.bias
    np.testing.assert_allclose(predict_logits(model, stage(store), rows), expected, rtol=1e-4, atol=1e-3)


def test_nothing_is_left_hooked():
    store, _ = images()
    model = build(3, weights=None)
    embed(model, model[8], stage(store), np.arange(4))
    assert not model[8]._forward_pre_hooks


def test_an_embedding_holds_no_more_memory_than_its_own():
    """What a head is given may be a view of something large: one token of all that a transformer has."""

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 3)

        def forward(self, pictures):
            return self.head(pictures.flatten(2).transpose(1, 2)[:, 0])

    kept = []
    model, (pictures, _) = Tokens(), images(6)
    with patch("skineval.train.predict.torch.cat", lambda parts: kept.extend(parts) or torch.concatenate(parts)):
        found = embed(model, model.head, stage(pictures), np.arange(6), batch_size=2)
    assert found.shape == (6, 3)
    assert len(kept) == 3
    assert all(part.untyped_storage().nbytes() == part.numel() * part.element_size() for part in kept)
