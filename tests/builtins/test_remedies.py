"""Remedies on samplers, batches and heads do what their papers say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import cross_entropy

from skineval.builtins.imbalance.batches import cmo, minority_augment, minority_partners, remix
from skineval.builtins.imbalance.drawing import progressive_draws, square_root_draws, undersampled
from skineval.builtins.imbalance.heads import nearest_means, rescaled, tau_normalised

LABELS = np.repeat([0, 1, 2], [64, 16, 4])
COUNTS = np.array([64, 16, 4])


def class_shares(weights):
    return np.bincount(LABELS, weights) / weights.sum()


def test_square_root_draws_classes_as_the_roots_of_their_counts():
    np.testing.assert_allclose(class_shares(square_root_draws(LABELS)), np.array([8, 4, 2]) / 14)


def test_progressive_draws_go_from_the_natural_to_the_balanced_distribution():
    """Kang et al. 2020, section 3: p = (1 - t / T) n_c / n + (t / T) / C."""
    for epoch in (1, 3, 4):
        t = epoch / 4
        expected = (1 - t) * COUNTS / 84 + t / 3
        np.testing.assert_allclose(class_shares(progressive_draws(LABELS, epoch=epoch, epochs=4)), expected)


@given(st.integers(0, 2**63 - 1))
def test_undersampling_takes_as_many_of_each_class_as_the_smallest_has_and_none_twice(seed):
    drawn = undersampled(LABELS, seed=seed)
    assert len(set(drawn.tolist())) == len(drawn)
    assert np.bincount(LABELS[drawn]).tolist() == [4, 4, 4]


IMAGES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([0, 0, 1, 1, 2, 2])
DRAWS = torch.rand(6, 8, generator=torch.Generator().manual_seed(1))


def test_only_images_of_rare_classes_are_varied_once_more():
    found = minority_augment(COUNTS, below=0.2, strength=1.0)(IMAGES, TARGETS, DRAWS)
    assert [bool((one == other).all()) for one, other in zip(found, IMAGES, strict=True)] == [True] * 4 + [False] * 2
    everyone = minority_augment(COUNTS, below=1.0, strength=1.0)(IMAGES, TARGETS, DRAWS)
    torch.testing.assert_close(everyone[4:], found[4:])
    assert not torch.equal(everyone[2], IMAGES[2])
    still = torch.tensor([[0.0, 1.0, 0.5, 0.5, 0.5, 0, 0, 0]]).repeat(6, 1)  # no turn, no mirror, no zoom, no shift
    torch.testing.assert_close(minority_augment(COUNTS, below=1.0, strength=1.0)(IMAGES, TARGETS, still), IMAGES)


def test_cmo_pastes_a_rectangle_of_its_partner_and_shares_the_label_by_area():
    black, white = torch.zeros(200, 3, 16, 16), torch.ones(200, 3, 16, 16)
    draws = torch.rand(200, 8, generator=torch.Generator().manual_seed(2))
    targets = torch.zeros(200, dtype=torch.int64)
    found, share = cmo(COUNTS, power=1.0, off=0.1, epoch=2, epochs=4)(black, targets, white, targets, draws)
    torch.testing.assert_close(share, 1 - found.mean(dim=(1, 2, 3)))
    for image in found:  # what is white is a rectangle
        rows, columns = image[0].amax(dim=1), image[0].amax(dim=0)
        torch.testing.assert_close(image[0], rows[:, None] * columns)
    assert 0.4 < float((share == 1).float().mean()) < 0.65  # nothing is pasted into about half of them


@pytest.mark.parametrize(("epoch", "active"), [(1, False), (2, True), (9, True), (10, False)])
def test_cmo_rests_at_both_ends(epoch, active):
    mix = cmo(COUNTS, power=1.0, off=0.1, epoch=epoch, epochs=10)
    _, share = mix(IMAGES, TARGETS, IMAGES.flip(0), TARGETS.flip(0), DRAWS)
    assert bool((share < 1).any()) == active


def test_partners_of_cmo_are_of_all_classes_alike():
    """Park et al. 2022, eq. 3, r = 1."""
    np.testing.assert_allclose(class_shares(minority_partners(LABELS, power=1.0, off=0.1, epoch=1, epochs=2)), 1 / 3)


@pytest.mark.parametrize(
    ("own", "other", "share", "label"),
    [
        (0, 2, 0.4, 0.0),  # 16 times as frequent, and below tau: the rare one alone
        (0, 2, 0.6, 0.6),
        (2, 0, 0.6, 1.0),
        (2, 0, 0.4, 0.4),
        (0, 0, 0.4, 0.4),
        (1, 2, 0.4, 0.0),  # 4 times
    ],
)
def test_remix_gives_the_label_to_the_rare_class(own, other, share, label):
    """Chou et al. 2020, eq. 5 and 6, kappa = 3, tau = 0.5."""
    draws = torch.full((1, 8), share)
    mixed, found = remix(COUNTS, kappa=3.0, tau=0.5)(
        IMAGES[:1], torch.tensor([own]), IMAGES[1:2], torch.tensor([other]), draws
    )
    assert float(found) == pytest.approx(label)
    torch.testing.assert_close(mixed, share * IMAGES[:1] + (1 - share) * IMAGES[1:2])


GENERATOR = np.random.default_rng(0)
EMBEDDINGS = (GENERATOR.normal(size=(84, 5)) + 1.5 * np.eye(3, 5)[LABELS]).astype(np.float32)
FITTED = LogisticRegression(C=0.5, max_iter=1000).fit(EMBEDDINGS, LABELS)
HEAD = FITTED.coef_.astype(np.float64), FITTED.intercept_.astype(np.float64)


def logits(head):
    return EMBEDDINGS @ head[0].T + head[1]


def test_with_tau_1_logits_are_distances_from_planes():
    """Kang et al. 2020, eq. 3: w / |w| ** tau."""
    weight, bias = tau_normalised(*HEAD, EMBEDDINGS, LABELS, tau=1.0)
    np.testing.assert_allclose(np.linalg.norm(weight, axis=1), 1)
    np.testing.assert_allclose(logits((weight, bias)), logits(HEAD) / np.linalg.norm(HEAD[0], axis=1))
    for part, given_part in zip(tau_normalised(*HEAD, EMBEDDINGS, LABELS, tau=0.0), HEAD, strict=True):
        np.testing.assert_array_equal(part, given_part)
    zero = np.zeros((3, 5)), np.array([0.0, -1e4, 1.0])
    np.testing.assert_array_equal(tau_normalised(*zero, EMBEDDINGS, LABELS, tau=1.0)[1], zero[1])


def test_the_nearest_mean_is_that_of_scikit_learn():
    standardised = StandardScaler().fit_transform(EMBEDDINGS)
    expected = NearestCentroid().fit(standardised, LABELS).predict(standardised)
    np.testing.assert_array_equal(logits(nearest_means(*HEAD, EMBEDDINGS, LABELS)).argmax(axis=1), expected)


def test_factors_of_logits_are_the_best_with_all_classes_alike():
    weight, bias = rescaled(*HEAD, EMBEDDINGS, LABELS)
    factors = bias / HEAD[1]
    np.testing.assert_allclose(weight, HEAD[0] * factors[:, None])

    def loss(factors):
        scaled = torch.from_numpy(logits(HEAD) * factors)
        return float(cross_entropy(scaled, torch.from_numpy(LABELS), weight=torch.from_numpy(1 / COUNTS)))

    np.testing.assert_allclose(approx_fprime(factors, loss), 0, atol=1e-4)
    assert loss(factors) < loss(np.ones(3)) - 0.01
