"""What is chosen of logits on the validation part, and the shares of the classes in a set without labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.metrics import balanced_accuracy_score, log_loss

from skineval.train.offsets import choose_offsets
from skineval.train.prior import with_estimated_prior

SEEDS = st.integers(0, 2**31)


def drawn(seed, n=120, classes=3, sharpness=1.5):
    """Logits that mean something, of classes that are not equally frequent, and the targets."""
    generator = np.random.default_rng(seed)
    shares = np.arange(classes, 0, -1) ** 2.0
    targets = np.concatenate([np.arange(classes), generator.choice(classes, n - classes, p=shares / shares.sum())])
    return generator.normal(size=(n, classes)) + sharpness * np.eye(classes)[targets] + np.log(shares), targets


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_offsets_are_as_good_as_any_on_a_grid(seed):
    logits, targets = drawn(seed)
    chosen = balanced_accuracy_score(targets, (logits + choose_offsets(logits, targets)).argmax(axis=1))
    grid = np.array([(0, *pair) for pair in itertools.product(np.linspace(-4, 4, 41), repeat=2)])
    right = (logits + grid[:, None]).argmax(axis=2) == targets
    best = np.mean([right[:, targets == code].mean(axis=1) for code in range(3)], axis=0).max()
    # A maximum among neighbours; that among all lies hardly above it.
    assert chosen >= best - 0.02


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(2, 7))
def test_offsets_never_make_it_worse_and_do_not_depend_on_what_all_logits_share(seed, classes):
    logits, targets = drawn(seed, classes=classes)
    offsets = choose_offsets(logits, targets)
    before, after = (balanced_accuracy_score(targets, one.argmax(axis=1)) for one in (logits, logits + offsets))
    assert after >= before
    assert offsets.mean() == pytest.approx(0, abs=1e-9)
    moved = choose_offsets(logits + np.random.default_rng(seed).normal(size=(len(logits), 1)), targets)
    assert balanced_accuracy_score(targets, (logits + moved).argmax(axis=1)) == pytest.approx(after, abs=0.02)


def test_a_class_without_a_target_gets_no_offset_of_its_own():
    logits, targets = drawn(0)
    with_another = np.column_stack([logits, np.full(len(logits), -1e4)])
    offsets = choose_offsets(with_another, targets)
    np.testing.assert_allclose(offsets[:3], choose_offsets(logits, targets))
    assert (with_another + offsets).argmax(axis=1).max() == 2


def mixture(shares, seed, n=4000):
    """Images of three classes with known densities: their classes, and posteriors under the training `prior`."""
    generator = np.random.default_rng(seed)
    targets = generator.choice(3, n, p=shares)
    places = generator.normal(size=n) + 1.5 * targets
    densities = np.exp(-((places[:, None] - 1.5 * np.arange(3)) ** 2) / 2)
    return targets, densities


PRIOR = np.array([0.7, 0.2, 0.1])


@pytest.mark.parametrize("shares", [(0.7, 0.2, 0.1), (0.2, 0.3, 0.5), (0.05, 0.9, 0.05)])
def test_the_shares_of_a_set_are_found_without_its_labels(shares):
    targets, densities = mixture(shares, seed=3)
    posterior = densities * PRIOR
    posterior /= posterior.sum(axis=1, keepdims=True)
    adapted = with_estimated_prior(posterior, PRIOR)
    assert adapted.doubt("abc") == ""
    np.testing.assert_allclose(adapted.shares, adapted.probabilities.mean(axis=0), atol=1e-6)
    found = adapted.probabilities
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found.mean(axis=0), shares, atol=0.03)

    # The maximum of the likelihood of the mixture, by another optimiser.
    def surprise(free):
        weights = np.exp([0.0, *free])
        return -np.log(densities @ (weights / weights.sum())).mean()

    weights = np.exp([0.0, *minimize(surprise, [0.0, 0.0]).x])
    np.testing.assert_allclose(found.mean(axis=0), weights / weights.sum(), atol=1e-3)
    true = densities * shares
    true /= true.sum(axis=1, keepdims=True)
    assert log_loss(targets, found) == pytest.approx(log_loss(targets, true), abs=0.01)


def test_a_set_without_images_has_no_shares():
    found = with_estimated_prior(np.empty((0, 3)), PRIOR)
    assert found.probabilities.shape == (0, 3)
    assert found.doubt("abc") == ""


def test_a_class_that_the_network_never_met_is_never_meant():
    found = with_estimated_prior(np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]), np.array([0.6, 0.4, 0.0])).probabilities
    np.testing.assert_array_equal(found[:, 2], 0)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("sure", "doubt"),
    [
        # With the same answer for all images, the odds of the shares are multiplied by those of the answer each round.
        (0.6, "went nearly all to a: a 100 %, b 0 %"),
        (0.5001, "had not settled after 1,000 rounds: a 60 %, b 40 %"),
        (0.5012, "went nearly all to a and had not settled after 1,000 rounds: a 99 %, b 1 %"),
    ],
)
def test_an_estimate_that_ends_in_one_class_or_does_not_end_is_doubted(sure, doubt):
    found = with_estimated_prior(np.tile([sure, 1 - sure], (20, 1)), np.array([0.5, 0.5]))
    odds = (sure / (1 - sure)) ** 1000
    assert found.shares[0] == pytest.approx(odds / (1 + odds), abs=1e-5)
    assert found.doubt(("a", "b")) == doubt
