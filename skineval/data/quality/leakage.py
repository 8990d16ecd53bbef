"""Test rows with a mate in train: how many there are when single images, not lesions, are dealt out.

Mates are rows of one unit: images of one lesion, or copies of one image. The published ways to leak are one experiment:

1. Each class c has N_c images. Oversampling keeps them and appends D_c = T - N_c copies, each of an image drawn at
   random with replacement, so that every class has T rows, as many as the largest (imbalanced-learn's
   RandomOverSampler). Without oversampling D_c = 0.
2. Of the T_c = N_c + D_c rows of each class, t_c are drawn for the test without replacement; the rest is train. The
   t_c are those of scikit-learn's `train_test_split(stratify=...)`: in proportion, by largest remainder.

What is expected of it is known exactly. Let a unit have g images, and after step 1 K = g + X rows in class c, where
X is binomial: D_c draws, each one of the unit's with probability g / N_c. All K rows are tested with probability

    h(K) = C(T_c - K, t_c - K) / C(T_c, t_c) = product over j < K of (t_c - j) / (T_c - j).

So E[K h(K)] rows of the unit are tested while none is left for train, and the expected share of test rows without a
mate in train is the sum of that over units, divided by t_c. (For D_c = 0, where K = m: an image that is tested has no
sibling in train with probability C(N - m, t - m) / C(N - 1, t - 1).) A unit with rows in several classes also needs
those of the others to be tested, for which each has its own, independent E[h(K)].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from skineval.base.errors import UsageError

ALL = "all"
MINORITY = "minority classes"  #: all but the largest, which oversampling leaves as it is


@dataclass(frozen=True)
class Leak:
    """The test rows that have a mate in train, as shares of the test rows of a class, NaN where none is tested."""

    label: str  #: a diagnosis, `ALL`, or `MINORITY`
    n_images: int  #: of the class, before oversampling
    n_test: int  #: rows that are tested
    expected: float  #: over all possible splits, exactly
    mean: float  #: over the draws
    deviation: float  #: standard deviation over the draws; NaN for one draw
    drawn: float  #: in the first draw


@dataclass(frozen=True, eq=False)
class _Deal:
    """How many rows of each diagnosis there are and are tested, (c,) int64 each, by code."""

    images: NDArray[np.int64]
    rows: NDArray[np.int64]
    tested: NDArray[np.int64]


def leaks(
    classes: NDArray[np.int64],
    labels: Sequence[str],
    units: Sequence[object] | NDArray[np.generic],
    *,
    test: float = 0.2,
    draws: int = 50,
    seed: int = 0,
    oversample: bool = False,
) -> tuple[Leak, ...]:
    """Expected and drawn shares for all rows, then (oversampled) for the minority classes, then for each class.

    `classes` are positions in `labels`, (n,); `units` name the unit of each image, (n,). Raises UsageError for a
    test share outside 0 and 1, or less than one draw.
    """
    if not 0 < test < 1:
        raise UsageError(f"A test share of {test} is none.", "Give a share between 0 and 1, such as 0.2.")
    if draws < 1:
        raise UsageError(f"{draws} draws are none.", "Give 1 or more.")
    _, unit_of = np.unique(np.asarray(units), return_inverse=True)
    deal = _deal(classes, len(labels), test, oversample)
    expected = expected_mates(_counts(classes, len(labels), unit_of), deal.rows, deal.tested)
    drawn = np.array([_draw(classes, unit_of, deal, np.random.default_rng([seed, draw])) for draw in range(draws)])
    present = np.flatnonzero(deal.images)
    minority = present[deal.images[present] < deal.images.max()]
    rows = [(ALL, present)]
    if oversample and len(minority):
        rows.append((MINORITY, minority))
    rows += [(labels[int(code)], np.array([code])) for code in present]
    return tuple(_leak(label, members, deal, expected, drawn) for label, members in rows)


def expected_mates(
    counts: NDArray[np.int64], rows: NDArray[np.int64], tested: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The expected number of test rows of each class that have a mate in train, (c,).

    `counts` (u, c) are the images of each unit in each class, `rows` (c,) the rows of each class, copies included, of
    which `tested` (c,) are drawn for the test. The module says how this is derived.
    """
    images = counts.sum(axis=0)
    lonely = np.empty(counts.shape, dtype=np.float64)  # tested rows of a unit when all of its rows in the class are
    gone = np.empty(counts.shape, dtype=np.float64)  # probability that all rows of a unit in a class are tested
    for code in range(counts.shape[1]):
        sizes, size_of = np.unique(counts[:, code], return_inverse=True)
        moments = np.array([_all_tested(int(g), images[code], rows[code], tested[code]) for g in sizes])
        lonely[:, code], gone[:, code] = moments[size_of].T
    for code in range(counts.shape[1]):
        lonely[:, code] *= np.delete(gone, code, axis=1).prod(axis=1)
    # Rounding must not show as a share below nothing.
    mates: NDArray[np.float64] = np.maximum(tested - lonely.sum(axis=0), 0.0)
    return mates


def _all_tested(g: int, images: int, rows: int, tested: int) -> tuple[float, float]:
    """E[K h(K)] and E[h(K)] for a unit with g of a class's images."""
    if g == 0:
        return 0.0, 1.0
    copies = rows - images
    k = g + np.arange(copies + 1)
    j = np.arange(g + copies)
    h = np.cumprod(np.maximum(tested - j, 0) / (rows - j))[k - 1]
    weights = binom.pmf(k - g, copies, g / images)
    return float(weights @ (k * h)), float(weights @ h)


def _deal(classes: NDArray[np.int64], n_classes: int, test: float, oversample: bool) -> _Deal:
    images = np.bincount(classes, minlength=n_classes).astype(np.int64)
    rows = np.where(images > 0, images.max(), 0) if oversample else images
    # The small number keeps 0.2 x 46,935 from being rounded up to 9,388.
    total = math.ceil(test * rows.sum() - 1e-9)
    exact = total * rows / rows.sum()
    tested = np.floor(exact).astype(np.int64)
    most_left = np.argsort(tested - exact, kind="stable")[: total - tested.sum()]
    tested[most_left] += 1
    return _Deal(images, rows, tested)


def _counts(classes: NDArray[np.int64], n_classes: int, unit_of: NDArray[np.intp]) -> NDArray[np.int64]:
    counts = np.zeros((unit_of.max() + 1, n_classes), dtype=np.int64)
    np.add.at(counts, (unit_of, classes), 1)
    return counts


def _draw(
    classes: NDArray[np.int64], unit_of: NDArray[np.intp], deal: _Deal, random: np.random.Generator
) -> NDArray[np.float64]:
    """One experiment: the number of test rows of each class that have a mate in train, (c,)."""
    test: list[NDArray[np.intp]] = []
    train: list[NDArray[np.intp]] = []
    for code, (images, rows, tested) in enumerate(zip(deal.images, deal.rows, deal.tested, strict=True)):
        own = unit_of[classes == code]
        if images:
            own = random.permutation(np.concatenate([own, random.choice(own, rows - images)]))
        test.append(own[:tested])
        train.append(own[tested:])
    trained = np.zeros(unit_of.max() + 1, dtype=np.bool_)
    trained[np.concatenate(train)] = True
    return np.array([trained[units].sum() for units in test], dtype=np.float64)


def _leak(
    label: str,
    members: NDArray[np.intp],
    deal: _Deal,
    expected: NDArray[np.float64],
    drawn: NDArray[np.float64],
) -> Leak:
    n_test = int(deal.tested[members].sum())
    n_images = int(deal.images[members].sum())
    if not n_test:
        return Leak(label, n_images, 0, *[math.nan] * 4)
    shares = drawn[:, members].sum(axis=1) / n_test
    return Leak(
        label,
        n_images,
        n_test,
        float(expected[members].sum() / n_test),
        float(shares.mean()),
        float(shares.std(ddof=1)) if len(shares) > 1 else math.nan,
        float(shares[0]),
    )
