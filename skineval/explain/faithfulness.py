"""Whether a network goes by what a map calls relevant: pixels are taken away in that order, and it is asked again.

Maps are (N, S, S) >= 0; `pixels` of images (N, 3, S, S) float32, 0..255; scores (N,) float64. Only the order of pixels
counts. Those of equal relevance have none: `ties`, the noise of the random control, decides, so that a map that is the
same everywhere, be it zero, scores exactly what that control does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from skineval.explain.scores import Maps, Scores

#: Images of pixels (n, 3, S, S), classes (n,) -> how probable these are, (n,).
Probability: TypeAlias = Callable[[Tensor, Tensor], Scores]

#: Points of a curve beside its first one: areas of single images differ by .01 from those of 32 (by .02 with 8), and
#: have a correlation of .998 with them (EfficientNet-Lite0, HAM10000, 128 pixels).
STEPS = 16
#: Standard deviation of the blur that pixels are replaced by, of the side of an image: no structure of a lesion is
#: left. How probable the answer is after it hardly depends on it: .64 to .69 from .02 to .3, of .80 (the same network).
BLUR = 0.1
GRID = 32  #: cells a side that are removed at a time at most
SHARES = (0.2, 0.4, 0.6, 0.8)  #: of the cells, that are removed
NOISE = 2.55  #: standard deviation of the noise on what is imputed: .01 of the range of pixels, as in the paper


def ranks(maps: Maps, ties: Maps) -> NDArray[np.int64]:
    """(N, S * S): how many pixels of its map are more relevant than each; of equal ones, the larger of `ties` is."""
    flat, other = (one.reshape(len(one), -1).astype(np.float64) for one in (maps, ties))
    order = np.lexsort((-other, -flat), axis=-1)
    found = np.empty_like(order)
    np.put_along_axis(found, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), axis=1)
    return found


def deletion_and_insertion(
    probability: Probability, pixels: Tensor, targets: Tensor, ranked: NDArray[np.int64]
) -> tuple[Scores, Scores]:
    """Areas under the probability of the target over the share of pixels that are blurred, and that are not.

    Deletion and insertion (Petsiuk et al., RISE, BMVC 2018): the most relevant are blurred first, or put back first
    into the blurred image. Both are 0..1; the less after deletion and the more after insertion, the better.
    The paper deletes to grey, which no network was trained on: both go to the blurred image here. `ranked` (N, S * S)
    as `ranks` gives them. By the trapezoidal rule over `STEPS` equal steps: 2 * STEPS passes of the network.
    """
    blurred = blur(pixels, BLUR * pixels.shape[-1])
    place = torch.from_numpy(ranked).to(pixels.device).view(-1, 1, *pixels.shape[-2:])
    ends = probability(pixels, targets), probability(blurred, targets)
    between: list[list[Scores]] = [[], []]
    for step in range(1, STEPS):
        first = place * STEPS < step * ranked.shape[1]
        for curve, image in zip(between, ((blurred, pixels), (pixels, blurred)), strict=True):
            curve.append(probability(torch.where(first, *image), targets))
    deletion, insertion = ((np.mean(ends, axis=0) + np.sum(curve, axis=0)) / STEPS for curve in between)
    return deletion, insertion


def road(
    probability: Probability, pixels: Tensor, targets: Tensor, maps: Maps, ties: Maps, noise: NDArray[np.float32]
) -> Scores:
    """How much more probable the target is without the least relevant cells than without the most relevant ones: -1..1.

    ROAD (Rong et al., ICML 2022, arXiv 2202.00449): cells are removed, least or most relevant first (LeRF, MoRF), and
    filled by noisy linear imputation, which hides where something is missing; the mean over `SHARES` of what is
    removed. The more the better, and 0 for a random order. The paper counts right answers, which says little of a
    single image, and removes single pixels. Here they go in cells of a grid of at most `GRID` a side, whose relevance
    is the mean over their pixels: class activation maps have 7 to 16 positions a side, and a single pixel can be
    guessed from its neighbours. Of images no larger than that it is the paper's method. `noise` is (N, 3, S, S), of
    standard deviation 1. Takes 2 * len(SHARES) passes of the network.
    """
    side = pixels.shape[-1]
    grid = min(GRID, side)
    ranked = ranks(_pooled(maps, grid), _pooled(ties, grid))
    most_first = np.argsort(ranked, axis=1)
    cells = F.adaptive_avg_pool2d(pixels.double().cpu(), grid).flatten(2).numpy()
    counts = [round(share * grid * grid) for share in SHARES]
    added = NOISE * torch.from_numpy(noise).to(pixels)

    def after(order: NDArray[np.int64]) -> Scores:
        filled = np.stack([imputed(*one, counts) for one in zip(cells, order, strict=True)], axis=1)
        found = []
        for count, fill in zip(counts, filled, strict=True):
            gone = np.zeros((len(order), grid * grid), dtype=np.float32)
            np.put_along_axis(gone, order[:, :count], 1, axis=1)
            where = _enlarged(gone[:, None], side, "nearest").to(pixels.device) > 0
            large = _enlarged(fill, side, "bilinear").to(pixels)
            found.append(probability(torch.where(where, large + added, pixels), targets))
        mean: Scores = np.mean(found, axis=0)
        return mean

    return after(most_first[:, ::-1]) - after(most_first)


def imputed(cells: NDArray[np.float64], order: NDArray[np.int64], counts: Sequence[int]) -> NDArray[np.float64]:
    """An image (C, g * g) of which the first so many cells of `order` were guessed from their neighbours.

    For each of `counts`, which are < g * g: (len(counts), C, g * g). A cell that is gone is the weighed mean of those
    around it, gone or not: 1/6 for what is above, below and beside it, 1/12 for what is diagonal, over those that there
    are (Rong et al. 2022, linear imputation, and their implementation for borders). Line after line, cell by cell,
    these equations are symmetric and positive definite, and none reaches further than the next line: a band, which is
    solved in a small part of the time of the whole matrix.
    """
    from scipy.linalg import solveh_banded

    weights = _neighbours(round(cells.shape[1] ** 0.5))
    total = _around(np.ones(cells.shape[1]), weights)
    found = np.empty((len(counts), *cells.shape))
    for values, count in zip(found, counts, strict=True):
        gone = np.zeros(cells.shape[1], dtype=bool)
        gone[order[:count]] = True
        equations = np.zeros((max(weights) + 1, len(gone)))
        equations[0] = np.where(gone, total, 1)
        for distance, weight in weights.items():
            equations[distance, :-distance] = -weight * (gone[:-distance] & gone[distance:])
        known = np.where(gone, _around(np.where(gone, 0, cells), weights), cells)
        values[:] = solveh_banded(equations, known.T, lower=True, check_finite=False).T
    return found


def blur(pixels: Tensor, spread: float) -> Tensor:
    """Images (N, C, S, S) under a Gaussian of this standard deviation in pixels, mirrored at their borders."""
    along = torch.from_numpy(_gaussian(pixels.shape[-1], spread)).to(pixels)
    return along @ pixels @ along.T


@cache
def _gaussian(side: int, spread: float) -> NDArray[np.float64]:
    """(side, side): what blurs a column."""
    from scipy.ndimage import gaussian_filter1d

    found: NDArray[np.float64] = gaussian_filter1d(np.eye(side), spread, axis=0, mode="reflect")
    return found


@cache
def _neighbours(grid: int) -> Mapping[int, NDArray[np.float64]]:
    """How much cells count for those that come so many cells later, and these for them: 0 where they do not touch."""
    row, column = np.divmod(np.arange(grid * grid), grid)
    found = {}
    for distance in (1, grid - 1, grid, grid + 1):
        down, across = row[distance:] - row[:-distance], abs(column[distance:] - column[:-distance])
        found[distance] = np.where((down <= 1) & (across <= 1), (3 - down - across) / 12, 0)
    return found


def _around(values: NDArray[np.float64], weights: Mapping[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """What the neighbours of each cell add up to, (..., g * g)."""
    found = np.zeros_like(values)
    for distance, weight in weights.items():
        found[..., distance:] += weight * values[..., :-distance]
        found[..., :-distance] += weight * values[..., distance:]
    return found


def _enlarged(cells: NDArray[np.floating], side: int, mode: str) -> Tensor:
    """(N, C, side, side) of the cells of images (N, C, g * g)."""
    grid = round(cells.shape[-1] ** 0.5)
    small = torch.tensor(cells, dtype=torch.float32).view(*cells.shape[:2], grid, grid)
    return F.interpolate(small, size=(side, side), mode=mode)


def _pooled(maps: Maps, grid: int) -> NDArray[np.float64]:
    """Maps (N, S, S) as the means (N, grid, grid) of their cells, equal where the map is."""
    found: NDArray[np.float64] = F.adaptive_avg_pool2d(torch.tensor(maps, dtype=torch.float64), grid).numpy()
    return found
