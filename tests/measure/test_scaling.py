"""What scales logits is the likeliest, by another optimiser, and changes what it may."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss

from skineval.measure.scaling import choose_temperature, choose_vectors, scaled
from tests.measure.samples import classifier

SEEDS = st.integers(0, 2**31)


def drawn(seed, n=120, classes=3):
    """Logits that mean something, of classes that are not equally frequent, and the targets."""
    generator = np.random.default_rng(seed)
    shares = np.arange(classes, 0, -1) ** 2.0
    targets = np.concatenate([np.arange(classes), generator.choice(classes, n - classes, p=shares / shares.sum())])
    return generator.normal(size=(n, classes)) + 1.5 * np.eye(classes)[targets] + np.log(shares), targets


def surprise(logits, targets):
    """With one image more, that is of all classes alike, spread over all."""
    n, classes = logits.shape
    return -((np.eye(classes)[targets] + 1 / (n * classes)) * log_softmax(logits, axis=1)).sum()


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.floats(0.2, 5))
def test_the_temperature_is_the_likeliest(seed, factor):
    logits, targets = drawn(seed)
    logits = logits * factor
    found = choose_temperature(logits, targets)
    expected = minimize(lambda exponent: surprise(logits / np.exp(exponent[0]), targets), [0.0], method="Nelder-Mead")
    assert np.log(found) == pytest.approx(expected.x[0], abs=1e-3)
    assert log_loss(targets, softmax(logits / found, axis=1)) <= log_loss(targets, softmax(logits, axis=1)) + 1e-3


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.floats(0.2, 5), st.integers(2, 4))
def test_vectors_are_the_likeliest(seed, factor, classes):
    logits, targets = drawn(seed, classes=classes)
    logits = logits * factor
    factors, offsets = choose_vectors(logits, targets)
    assert offsets.sum() == pytest.approx(0, abs=1e-9)
    found = surprise(logits * factors + offsets, targets)
    expected = minimize(
        lambda both: surprise(logits * both[:classes] + both[classes:], targets),
        np.concatenate([np.ones(classes), np.zeros(classes)]),
        method="BFGS",
    )
    assert found <= expected.fun + 1e-3
    assert found <= surprise(logits / choose_temperature(logits, targets), targets) + 1e-6


def test_what_is_right_already_stays():
    cell = classifier()
    np.testing.assert_allclose(scaled(cell, 1.0).probabilities, cell.probabilities, atol=1e-12)
    cooled = scaled(cell, 1 / 3.0).probabilities
    np.testing.assert_allclose(cooled, softmax(np.log(cell.probabilities) / 3, axis=1))
    np.testing.assert_array_equal(cooled.argmax(axis=1), cell.probabilities.argmax(axis=1))


def test_images_that_are_all_right_and_a_class_that_none_is_of_leave_everything_finite():
    logits, targets = 5.0 * np.eye(4)[[0, 1, 2, 0, 1, 2]], np.array([0, 1, 2, 0, 1, 2])
    for numbers in (choose_temperature(logits, targets), *choose_vectors(logits, targets)):
        assert np.isfinite(numbers).all()
