"""How well maps agree with the outlines of lesions that a person has drawn, image by image.

All scores need maps (N, H, W) >= 0 and masks (N, H, W) bool, and return (N,) float64: NaN for an image whose mask is
empty or full, and for a map that is zero everywhere, which points nowhere. Positions of equal relevance have no order:
where one counts, what it would count on average over all orders is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Maps: TypeAlias = NDArray[np.floating]
Masks: TypeAlias = NDArray[np.bool_]
Scores: TypeAlias = NDArray[np.float64]

UNIFORM, CENTRE, NOISE = "uniform", "centre", "noise"  #: maps that have seen no network
CENTRE_SPREAD = 0.25  #: standard deviation of the map that knows where lesions lie as a rule, of the side of an image


def excess(maps: Maps, masks: Masks) -> Scores:
    """The share of the relevance that lies inside, less the share of the image that does: 0 for a uniform map.

    The share alone is relevance mass accuracy (Arras et al., Information Fusion 81, 2022, equation 2).
    """
    flat, inside = _flat(maps, masks)
    total = flat.sum(axis=1)
    share = (flat * inside).sum(axis=1) / np.where(total > 0, total, 1)
    return _where_defined(share - inside.mean(axis=1), flat, inside)


def rank_accuracy(maps: Maps, masks: Masks) -> Scores:
    """Of as many of the most relevant pixels as the lesion has, the share that is inside: its area for a uniform map.

    Relevance rank accuracy (Arras et al., Information Fusion 81, 2022, equation 3).
    """
    flat, inside = _flat(maps, masks)
    size = inside.sum(axis=1)
    ordered = np.sort(flat, axis=1)[:, ::-1]
    least = np.take_along_axis(ordered, np.maximum(size - 1, 0)[:, None], axis=1)
    above, level = flat > least, flat == least
    left = size - above.sum(axis=1)  # how many of those that are level count
    share = left / level.sum(axis=1)
    found = ((above & inside).sum(axis=1) + share * (level & inside).sum(axis=1)) / np.maximum(size, 1)
    return _where_defined(found, flat, inside)


def pointing(maps: Maps, masks: Masks) -> Scores:
    """Whether the most relevant pixel lies inside; of several, how many of them do.

    The pointing game (Zhang et al., International Journal of Computer Vision 126, 2018, section 4.1), without its
    tolerance.
    """
    flat, inside = _flat(maps, masks)
    most = flat == flat.max(axis=1, keepdims=True)
    return _where_defined((most & inside).sum(axis=1) / most.sum(axis=1), flat, inside)


def area_under_curve(maps: Maps, masks: Masks) -> Scores:
    """The probability that a pixel inside is more relevant than one outside: 0.5 for a uniform map."""
    from scipy.stats import rankdata

    flat, inside = _flat(maps, masks)
    n, m = inside.sum(axis=1), (~inside).sum(axis=1)
    ranks = (rankdata(flat, axis=1) * inside).sum(axis=1)
    found = (ranks - n * (n + 1) / 2) / np.maximum(n * m, 1)
    return _where_defined(found, flat, inside)


#: By the name of their column.
SCORES: Mapping[str, Callable[[Maps, Masks], Scores]] = MappingProxyType(
    {"excess": excess, "rank_accuracy": rank_accuracy, "pointing": pointing, "auc": area_under_curve}
)

SHARES = frozenset(("pointing",))  #: those that say of each image whether something is so
PRIMARY = "auc"  #: by which explainers and networks are compared, declared beforehand


def uniform(n: int, side: int) -> Maps:
    """Maps (n, side, side) that say nothing."""
    return np.ones((n, side, side), dtype=np.float32)


def centre(n: int, side: int) -> Maps:
    """Gaussian maps in the middle, where whoever takes a picture puts the lesion, whatever the network."""
    at = (np.arange(side) + 0.5) / side - 0.5
    along = np.exp(-(at**2) / (2 * CENTRE_SPREAD**2))
    return np.broadcast_to(np.outer(along, along).astype(np.float32), (n, side, side))


def noise(places: NDArray[np.int64], side: int, seed: int) -> Maps:
    """Random maps (n, side, side) of the images at `places`, each the same for the same seed."""
    return np.stack([np.random.default_rng([seed, place]).random((side, side), np.float32) for place in places])


def _flat(maps: Maps, masks: Masks) -> tuple[NDArray[np.float64], Masks]:
    return maps.reshape(len(maps), -1).astype(np.float64), masks.reshape(len(masks), -1)


def _where_defined(scores: Scores, flat: NDArray[np.float64], inside: Masks) -> Scores:
    defined = flat.any(axis=1) & inside.any(axis=1) & ~inside.all(axis=1)
    return np.where(defined, scores, np.nan)
