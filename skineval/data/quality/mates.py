"""How a set of images was dealt out, by itself: how many have another photograph of their lesion outside of it.

Of the N_c images of class c of a data set, n_c are in the set. If single images were dealt out, within classes as
`train_test_split(stratify=...)` does, each choice of these numbers would be as likely. A lesion with m images then has
k of them in the set with the probability C(m, k) C(N_c - m, n_c - k) / C(N_c, n_c); where k < m, k images have a mate
outside, where k = m, none has. Mean and variance of their number follow exactly, the latter from pairs of lesions of
one class. Where whole lesions are dealt out there are none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Counts = tuple[int, ...]  #: of each class


@dataclass(frozen=True)
class Mates:
    """Images of a set with another one of their lesion outside of it."""

    images: int  #: in the set
    found: int  #: of these, how many have one
    expected: float  #: on average, if single images had been dealt out
    deviation: float  #: the standard deviation of that


def mates(
    groups: Sequence[str] | NDArray[np.str_], labels: Sequence[str] | NDArray[np.str_], inside: NDArray[np.bool_]
) -> Mates:
    """Of a data set whose images (N,) are of these lesions and of these classes, those `inside` (N,) a set."""
    lesions, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    classes, label = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    of_each = np.zeros((len(lesions), len(classes)), dtype=np.int64)
    np.add.at(of_each, (group, label), 1)
    sizes, within = of_each.sum(axis=1), np.bincount(group[inside], minlength=len(lesions))
    kinds = Counter(map(tuple, of_each[sizes > 1].tolist()))
    drawn = np.bincount(label[inside], minlength=len(classes))
    mean, variance = _of_single_images(kinds, tuple(of_each.sum(axis=0).tolist()), tuple(drawn.tolist()))
    return Mates(int(inside.sum()), int(within[within < sizes].sum()), mean, variance**0.5)


def _of_single_images(kinds: Counter[Counts], there: Counts, drawn: Counts) -> tuple[float, float]:
    """Mean and variance of the number of images with a mate outside; `kinds` counts lesions by images of each class."""
    first = {kind: sum(sum(k) * _chance(there, drawn, (kind, k)) for k in _parts(kind)) for kind in kinds}
    second = {kind: sum(sum(k) ** 2 * _chance(there, drawn, (kind, k)) for k in _parts(kind)) for kind in kinds}
    variance = sum(n * (second[kind] - first[kind] ** 2) for kind, n in kinds.items())
    for one, other in product(kinds, repeat=2):
        pairs = kinds[one] * (kinds[other] - (one == other))
        if pairs and any(a and b for a, b in zip(one, other, strict=True)):
            both = sum(
                sum(j) * sum(k) * _chance(there, drawn, (one, j), (other, k))
                for j, k in product(_parts(one), _parts(other))
            )
            variance += pairs * (both - first[one] * first[other])
    return sum(n * first[kind] for kind, n in kinds.items()), max(variance, 0.0)


def _parts(kind: Counts) -> Iterator[Counts]:
    """How many images of each class of a lesion may be in the set, so that some are, and not all."""
    return (k for k in product(*(range(m + 1) for m in kind)) if 0 < sum(k) < sum(kind))


def _chance(there: Counts, drawn: Counts, *lesions: tuple[Counts, Counts]) -> float:
    """The probability that just these images of lesions (of each class, of them in the set) are among those drawn."""
    ways = 0.0
    for c, (total, n) in enumerate(zip(there, drawn, strict=True)):
        mine = [(kind[c], k[c]) for kind, k in lesions if kind[c]]
        if mine:
            rest, left = total - sum(m for m, _ in mine), n - sum(k for _, k in mine)
            if not 0 <= left <= rest:
                return 0.0
            ways += sum(_log_choose(m, k) for m, k in mine) + _log_choose(rest, left) - _log_choose(total, n)
    return math.exp(ways)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
