"""Whether maps depend on what a network has learnt, and on the class they are asked about.

Maps are (N, S, S) >= 0, scores (N,) float64: NaN for a map that is zero everywhere. The scale of a map does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skineval.explain.scores import Maps, Scores

BINS = 100  #: of the histogram of a map, as in the authors' implementation of the efficient test

#: Of structural similarity, as in Wang et al. 2004, section III.C: standard deviation of the window in pixels, how far
#: it reaches in these, and what keeps its fractions from being 0/0 where maps are 0..1.
_WINDOW, _REACH, _LEAST = 1.5, 3.5, (0.01**2, 0.03**2)


def complexity(maps: Maps) -> Scores:
    """The entropy in nats of the values of each map, in `BINS` equal bins from its least to its largest value."""
    from scipy.stats import entropy

    counts = [np.histogram(one, bins=BINS)[0] for one in _scaled(maps)]
    return _where_any(entropy(np.array(counts), axis=1), maps)


def complexity_rise(trained: Scores, untrained: Scores) -> Scores:
    """How much more complex maps are once a network has forgotten everything, as a share: > 0 is to be expected.

    Efficient model parameter randomisation test (Hedström et al., arXiv 2405.02383): the complexities of the maps of a
    network, and of those of the same with all parameters drawn anew. Layer by layer, as in Adebayo et al. 2018, nothing
    has to be randomised, and no measure of similarity is needed, each of which has a bias of its own. NaN where maps of
    the trained network have a single value.
    """
    defined = trained > 0
    return np.where(defined, (untrained - trained) / np.where(defined, trained, 1), np.nan)


def similarity(maps: Maps, others: Maps) -> Scores:
    """Structural similarity of each map to the other one, each scaled to a maximum of 1: -1..1, 1 if they are alike.

    SSIM (Wang et al., IEEE Transactions on Image Processing 13, 2004, equation 13), the mean over all pixels. Between
    the maps of the target and of another class it is the random logit test (Sixt, Granz, Landgraf, ICML 2020).
    """
    a, b = _scaled(maps), _scaled(others)
    mean_a, mean_b = _windowed(a), _windowed(b)
    of_means, both = mean_a**2 + mean_b**2, mean_a * mean_b
    variances = _windowed(a**2) + _windowed(b**2) - of_means
    covariance = _windowed(a * b) - both
    local = (2 * both + _LEAST[0]) * (2 * covariance + _LEAST[1])
    local /= (of_means + _LEAST[0]) * (variances + _LEAST[1])
    return _where_any(local.mean(axis=(1, 2)), maps)


def other_classes(
    places: NDArray[np.int64], targets: NDArray[np.int64], labels: Sequence[int], seed: int
) -> NDArray[np.int64]:
    """One of `labels` other than the target of each image, (n,), drawn by its place and `seed` alone.

    The target itself where there is no other.
    """
    drawn = targets.copy()
    for k, (place, target) in enumerate(zip(places.tolist(), targets.tolist(), strict=True)):
        others = [label for label in labels if label != target]
        if others:
            drawn[k] = others[np.random.default_rng([seed, place]).integers(len(others))]
    return drawn


def _scaled(maps: Maps) -> NDArray[np.float64]:
    peaks = maps.max(axis=(1, 2), keepdims=True).astype(np.float64)
    return maps / np.where(peaks > 0, peaks, 1)


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    found: NDArray[np.float64] = gaussian_filter(values, (0, _WINDOW, _WINDOW), truncate=_REACH)
    return found


def _where_any(scores: Scores, maps: Maps) -> Scores:
    return np.where(maps.any(axis=(1, 2)), scores, np.nan)
