"""Where the fit of a head ends: at the minimum of scikit-learn, whatever it is given and however many compute."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from skineval.base.errors import CellError
from skineval.base.terms import PENALTIES
from skineval.train.losses import cross_entropy
from skineval.train.regression import Aim, Regression


def long_tailed(n=800, d=60, seed=0):
    """Embeddings (n, d) of strongly correlated dimensions, as those of networks, and labels of which 2 % are rare."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, n, p=[0.7, 0.28, 0.02])
    mixed = generator.normal(size=(d, d)) * np.logspace(0, -3, d)
    embeddings = (generator.normal(size=(n, d)) + generator.normal(size=(3, d))[labels] / 3) @ mixed.T
    return (embeddings - embeddings.mean(axis=0)) / embeddings.std(axis=0), labels


def lost(aim, embeddings, weight, bias, penalty):
    value, _ = aim(torch.from_numpy(embeddings @ weight.T + bias))
    return value.item() + (weight**2).sum() / (2 * penalty * len(embeddings))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_no_solver_of_scikit_learn_finds_less(penalty):
    embeddings, labels = long_tailed()
    aim = Aim.of(labels, 3, cross_entropy, None)
    ours = lost(aim, embeddings, *Regression(embeddings, aim).fit(penalty), penalty)
    oracle = LogisticRegression(C=penalty, solver="newton-cholesky", max_iter=1000, tol=1e-10).fit(embeddings, labels)
    assert ours == pytest.approx(lost(aim, embeddings, oracle.coef_, oracle.intercept_, penalty), rel=1e-3, abs=1e-4)


def test_the_number_of_threads_changes_no_digit_that_is_shown():
    """In float32, or stopped before it converges, folds of HAM10000 chose other penalties with one thread and two."""
    embeddings, labels = long_tailed(2000, 200)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            regression = Regression(embeddings, Aim.of(labels, 3, cross_entropy, None))
            found.append([np.column_stack(regression.fit(penalty)) for penalty in (1e-3, 1e-2, 1e-1)])
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            np.testing.assert_allclose(embeddings @ other[:, :-1].T, embeddings @ one[:, :-1].T, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1e-3, 1e-1, 1e1]))
def test_embeddings_that_are_turned_give_the_same_logits(seed, penalty):
    embeddings, labels = long_tailed(120, 8, seed)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(8, 8)))
    aim = Aim.of(labels, 3, cross_entropy, None)
    logits = []
    for given_ in (embeddings, embeddings @ turn):
        weight, bias = Regression(given_, aim).fit(penalty)
        logits.append(given_ @ weight.T + bias)
    np.testing.assert_allclose(logits[1] - logits[1][:, :1], logits[0] - logits[0][:, :1], atol=1e-5)


@pytest.mark.parametrize("loss", [cross_entropy, lambda logits, targets: cross_entropy(logits, targets) ** 2])
def test_the_gradient_is_that_of_finite_differences(loss):
    generator = np.random.default_rng(0)
    labels = np.array([0, 2, 2, 5])  # of classes 1, 3 and 4 there are none
    aim = Aim.of(labels, 6, loss, generator.random(4))
    logits = torch.from_numpy(generator.normal(size=(4, 3)))
    _, gradient = aim(logits.clone())
    step = 1e-3  # in float32, as losses are given logits
    for place in np.ndindex(4, 3):
        nudge = torch.zeros_like(logits)
        nudge[place] = step
        slope = (aim(logits + nudge)[0] - aim(logits - nudge)[0]) / (2 * step)
        assert gradient[place].item() == pytest.approx(slope.item(), rel=1e-3, abs=2e-4)


def test_more_dimensions_than_embeddings_are_fitted_too():
    embeddings, labels = long_tailed(60, 200)
    weight, bias = Regression(embeddings, Aim.of(labels, 3, cross_entropy, None)).fit(1e-3)
    oracle = LogisticRegression(C=1e-3, max_iter=5000, tol=1e-10).fit(embeddings, labels)
    ours = torch.softmax(torch.from_numpy(embeddings @ weight.T + bias), dim=1).numpy()[:, : len(oracle.classes_)]
    np.testing.assert_allclose(ours, oracle.predict_proba(embeddings), atol=1e-3)


def test_a_loss_that_is_not_finite_is_no_fit():
    embeddings, labels = long_tailed(60, 5)
    aim = Aim.of(labels, 3, lambda logits, targets: cross_entropy(logits, targets) / 0, None)
    with pytest.raises(CellError, match="nan or infinite"):
        Regression(embeddings, aim).fit(1e-2)
