"""Faithfulness of maps: plain loops over pixels, every order there is, and the paper's equations, solved by others."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, sparse

from skineval.explain import faithfulness
from skineval.explain.asked import gaussian_noise
from skineval.explain.faithfulness import BLUR, SHARES, STEPS, blur, deletion_and_insertion, imputed, ranks, road
from skineval.explain.scores import centre, noise, uniform

N, SIDE = 3, 6
PLACES = np.arange(N)
TARGETS = torch.tensor([0, 1, 1])


def linear(side=SIDE, seed=0, scale=0.02):
    """How probable one of two classes is to a network of one linear layer, and what it makes of each pixel."""
    weights = torch.from_numpy(np.random.default_rng(seed).normal(0, scale, (2, 3 * side * side))).float()

    def probability(pixels, targets):
        logits = pixels.flatten(1).contiguous() @ weights.T
        return torch.softmax(logits.double(), dim=1).gather(1, targets.view(-1, 1))[:, 0].numpy()

    return probability, weights.view(2, 3, side, side)


def pictures(n=N, side=SIDE, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (n, 3, side, side))).float()


def scored(maps, side=SIDE, n=N):
    """All three scores of maps of `pictures`, (3, n)."""
    probability, _ = linear(side)
    about = probability, pictures(n, side), TARGETS.repeat(n)[:n]
    ties = noise(np.arange(n), side, seed=0)
    both = deletion_and_insertion(*about, ranks(maps, ties))
    return np.stack([*both, road(*about, maps, ties, gaussian_noise(np.arange(n), side, 1))])


MAPS = arrays(np.float32, (N, SIDE, SIDE), elements=st.integers(0, 3).map(float))


@settings(deadline=None, max_examples=20)
@given(MAPS, MAPS)
def test_of_equal_pixels_the_one_with_the_larger_tie_comes_first(maps, ties):
    found = ranks(maps, ties)
    for values, other, ranked in zip(maps.reshape(N, -1), ties.reshape(N, -1), found, strict=True):
        expected = sorted(range(SIDE**2), key=lambda place: (-values[place], -other[place], place))
        assert np.argsort(ranked).tolist() == expected


@settings(deadline=None, max_examples=10)
@given(MAPS)
def test_curves_are_those_of_a_plain_loop_over_pixels(maps):
    probability, _ = linear()
    images, ranked = pictures(), ranks(maps, noise(PLACES, SIDE, seed=0))
    found = deletion_and_insertion(probability, images, TARGETS, ranked)
    spread = BLUR * SIDE
    blurred = ndimage.gaussian_filter(images.double().numpy(), (0, 0, spread, spread), mode="reflect")
    for start, end, areas in ((images.numpy(), blurred, found[0]), (blurred, images.numpy(), found[1])):
        for k in range(N):
            points = []
            for step in range(STEPS + 1):
                image = start[k].copy()
                for place in np.argsort(ranked[k]).tolist():
                    if ranked[k, place] / SIDE**2 < step / STEPS:
                        row, column = divmod(place, SIDE)
                        image[:, row, column] = end[k, :, row, column]
                points.append(probability(torch.from_numpy(image).float()[None], TARGETS[k : k + 1])[0])
            assert areas[k] == pytest.approx(np.trapezoid(points, dx=1 / STEPS), abs=1e-5)


def test_no_order_is_better_than_what_a_linear_network_goes_by(monkeypatch):
    monkeypatch.setattr(faithfulness, "BLUR", 0.3)
    side = 2
    probability, weights = linear(side, scale=0.004)
    image, target = pictures(1, side), torch.tensor([0])
    gap = image - blur(image, 0.3 * side)
    truth = ((weights[0] - weights[1]) * gap).sum(dim=1)[0].numpy()
    orders = np.array(list(permutations(range(4)))).reshape(-1, side, side).astype(np.float32)
    ranked = ranks(orders, np.zeros_like(orders))
    n = len(orders)
    areas = deletion_and_insertion(probability, image.repeat(n, 1, 1, 1), target.repeat(n), ranked)
    best = deletion_and_insertion(probability, image, target, ranks(truth[None], truth[None]))
    assert best[0] == pytest.approx(areas[0].min())
    assert best[1] == pytest.approx(areas[1].max())
    assert np.ptp(areas[0]) > 0.001
    assert np.ptp(areas[1]) > 0.001


def equations(mask, image):
    """The image (C, H, W) where `mask` is True, elsewhere imputed: each equation written out, then solved sparsely."""
    weight = {(0, 1): 1 / 6, (1, 0): 1 / 6, (0, -1): 1 / 6, (-1, 0): 1 / 6}
    weight |= {(a, b): 1 / 12 for a in (-1, 1) for b in (-1, 1)}
    unknown = {place: k for k, place in enumerate(zip(*np.nonzero(~mask), strict=True))}
    system = sparse.lil_matrix((len(unknown), len(unknown)))
    right = np.zeros((len(unknown), len(image)))
    for (row, column), k in unknown.items():
        for (down, across), share in weight.items():
            at = row + down, column + across
            if not (0 <= at[0] < mask.shape[0] and 0 <= at[1] < mask.shape[1]):
                continue
            system[k, k] += share
            if at in unknown:
                system[k, unknown[at]] -= share
            else:
                right[k] += share * image[:, at[0], at[1]]
    filled = image.copy()
    solved = sparse.linalg.spsolve(system.tocsc(), right)
    filled[:, ~mask] = solved.reshape(len(unknown), -1).T
    return filled


@settings(deadline=None, max_examples=25)
@given(
    st.permutations(range(SIDE**2)),
    st.lists(st.integers(1, SIDE**2 - 1), min_size=1, max_size=3),
    arrays(np.float64, (2, SIDE, SIDE), elements=st.floats(0, 1)),
)
def test_what_is_imputed_solves_the_equations_of_the_paper(order, counts, image):
    found = imputed(image.reshape(2, -1), np.array(order), counts)
    for filled, count in zip(found, counts, strict=True):
        mask = ~np.isin(np.arange(SIDE**2), order[:count]).reshape(SIDE, SIDE)
        assert filled.reshape(2, SIDE, SIDE) == pytest.approx(equations(mask, image), abs=1e-5)


@pytest.mark.parametrize("side", [6, 40], ids=["pixels", "cells"])
def test_road_is_a_plain_mean_over_shares_of_what_is_removed(side):
    probability, _ = linear(side, scale=0.002)
    images, ties = pictures(side=side), noise(PLACES, side, seed=0)
    added = gaussian_noise(PLACES, side, 1)
    maps = np.random.default_rng(5).random((N, side, side), np.float32)
    found = road(probability, images, TARGETS, maps, ties, added)
    grid = min(side, 32)
    cells = F.adaptive_avg_pool2d(images.double(), grid).numpy()
    relevance = F.adaptive_avg_pool2d(torch.from_numpy(maps).double(), grid).flatten(1).numpy()
    of_cell = np.arange(side) * grid // side
    for k in range(N):
        gaps = []
        for share in SHARES:
            kept = []
            for sign in (1, -1):  # the least relevant first, the most
                gone = np.argsort(sign * relevance[k])[: round(share * grid**2)]
                mask = ~np.isin(np.arange(grid**2), gone).reshape(grid, grid)
                small = torch.from_numpy(equations(mask, cells[k])).float()[None]
                large = F.interpolate(small, size=(side, side), mode="bilinear")[0].numpy() + 2.55 * added[k]
                image = np.where(mask[np.ix_(of_cell, of_cell)], images[k].numpy(), large)
                kept.append(probability(torch.from_numpy(image).float()[None], TARGETS[k : k + 1])[0])
            gaps.append(kept[0] - kept[1])
        assert found[k] == pytest.approx(np.mean(gaps), abs=1e-5)


@settings(deadline=None, max_examples=10)
@given(MAPS, st.integers(1, 9))
def test_only_the_order_matters_and_scores_have_their_ranges(maps, factor):
    found = scored(maps)
    assert np.array_equal(scored(maps * factor), found)
    assert ((found[:2] >= 0) & (found[:2] <= 1)).all()
    assert (np.abs(found[2]) <= 1).all()


@pytest.mark.parametrize("side", [6, 40], ids=["pixels", "cells"])
@pytest.mark.parametrize("level", [0, 1, 0.3])
def test_a_map_that_is_the_same_everywhere_scores_as_the_random_control(side, level):
    assert np.array_equal(scored(level * uniform(N, side), side), scored(noise(PLACES, side, seed=0), side))
    assert not np.array_equal(scored(centre(N, side), side), scored(noise(PLACES, side, seed=0), side))


def test_an_image_has_the_same_scores_whatever_stands_beside_it():
    maps = np.random.default_rng(2).random((N, SIDE, SIDE), np.float32)
    assert scored(maps)[:, :1] == pytest.approx(scored(maps[:1], n=1), abs=1e-6)
    assert np.array_equal(gaussian_noise(PLACES, SIDE, 1)[2:], gaussian_noise(PLACES[2:], SIDE, 1))
    assert np.array_equal(scored(maps), scored(maps))


def test_blur_is_that_of_scipy():
    images = pictures(side=16)
    expected = ndimage.gaussian_filter(images.numpy(), (0, 0, 1.6, 1.6), mode="reflect")
    assert blur(images, 1.6).numpy() == pytest.approx(expected, abs=1e-3)
