"""Images of different lesions that look like one lesion: candidates for a person to judge.

How alike two images are is the inner product of their descriptors (skineval.data.quality.descriptors), over all views
of either. That alone puts small round naevi first, which all look like one another. So a pair is ranked by its
*contrast*: its likeness less what is usual around its two images, the mean likeness of each to its 4th to 11th
neighbour (the correction of hubs by Conneau et al., "Word translation without parallel data", ICLR 2018, there called
CSLS).

Measured on the 10,015 images of HAM10000 at 200 x 150 pixels, with lesion_id as the group: of the 18 published pairs
(`KNOWN_DUPLICATES`), 10 are among the first 70 candidates; the others, mostly different photographs of one lesion, are
not found. Of perceptual hashes (256 signs of the discrete cosine transform, over the
same turns), 2 were among the first 100. As a check on more than 18 pairs: where every image counts as a lesion of its
own, 98 % of the first 1,500 candidates have one lesion_id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from skineval.base.terms import Progress
from skineval.data.quality.descriptors import VIEWS, Floats, Placement, describe, relief, same_way_up, to_grey

Rows = NDArray[np.int64]

NEIGHBOURS = 12  #: images that each one is compared with in earnest
USUAL = slice(3, 11)  #: places among these neighbours, the nearest first, that say what is usual
RANDOM_PAIRS = 10_000
BLOCK = 512  #: images whose likeness to all others is in memory at a time


@dataclass(frozen=True)
class SimilarPair:
    """Two images that look alike, as rows of a table, `first` < `second`."""

    first: int
    second: int
    distance: float  #: 1 - likeness: 0 for the same picture, about 1 for two that have nothing in common
    contrast: float  #: how much more alike than is usual around the two; the larger, the rarer
    transform: str  #: what makes the second look like the first


@dataclass(frozen=True)
class Joined:
    """The most similar images of two lesions that are known to be one."""

    match: SimilarPair
    rank: int  #: 1 + the number of candidates, those that are not shown included, with more contrast
    random: float  #: share of random pairs with at least as much contrast


@dataclass(frozen=True)
class Found:
    """What looks alike."""

    candidates: tuple[SimilarPair, ...]  #: the most similar images of two groups, the most conspicuous first
    joined: tuple[Joined, ...]  #: lesions of one group, likewise


def search(
    pixels: NDArray[np.uint8],
    lesions: Sequence[str],
    groups: Sequence[str],
    *,
    most: int = 100,
    progress: Progress | None = None,
) -> Found:
    """The `most` conspicuous pairs of images of different groups, one for any two groups, and lesions joined before.

    `pixels` are (n, SIDE, SIDE, 3) RGB; `lesions` and `groups` name those of each image, (n,). Time grows with the
    square of n. `progress(done, total)` is called with steps of work.
    """
    n = len(pixels)
    if n < 2:
        return Found((), ())
    _, lesion_of = np.unique(np.asarray(lesions, dtype=str), return_inverse=True)
    _, group_of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    report = progress or (lambda done, total: None)
    descriptors = describe(pixels, lambda done: report(done, 2 * n))
    near = compare(descriptors, *_neighbours(descriptors, lesion_of, lambda done: report(n + done, 2 * n)))
    usual = _usual(near, n)
    candidates = _best_of_each(near, usual, group_of)
    others = np.sort(near.contrast(usual)[candidates])
    known = compare(descriptors, *_joined_rows(lesion_of, group_of))
    joined = [known.match(place, usual, pixels) for place in _best_of_each(known, usual, lesion_of)]
    by_chance = _random_contrast(descriptors, usual, group_of)
    return Found(
        tuple(near.match(place, usual, pixels) for place in candidates[:most]),
        tuple(
            Joined(
                match,
                1 + len(others) - int(np.searchsorted(others, match.contrast, side="right")),
                np.count_nonzero(by_chance >= match.contrast) / max(len(by_chance), 1),
            )
            for match in joined
        ),
    )


@dataclass(frozen=True, eq=False)
class Likeness:
    """How alike the images of some pairs are, (p,) each, and in which view of one of them."""

    first: Rows
    second: Rows
    value: NDArray[np.float32]
    view: NDArray[np.int64]  #: position in `VIEWS`
    moved: NDArray[np.bool_]  #: whether it is the first that is viewed so, and not the second

    def contrast(self, usual: NDArray[np.float32]) -> NDArray[np.float32]:
        """The likeness less what is usual around the two images; `usual` is that of every image, (n,)."""
        return self.value - np.float32(0.5) * (usual[self.first] + usual[self.second])

    def match(self, place: int, usual: NDArray[np.float32], pixels: NDArray[np.uint8]) -> SimilarPair:
        """One pair, with what makes the second image look like the first."""
        first, second = int(self.first[place]), int(self.second[place])
        view, moved = VIEWS[self.view[place]], bool(self.moved[place])
        fixed, other = (second, first) if moved else (first, second)
        view = _upright(pixels[fixed], pixels[other], view)
        return SimilarPair(
            first,
            second,
            float(max(0.0, 1 - self.value[place])),
            float(self.contrast(usual)[place]),
            (view.inverse if moved else view).words,
        )


def compare(descriptors: Floats, first: Rows, second: Rows) -> Likeness:
    """How alike the images of each pair of rows are, (p,) each, over all views of either."""
    value = np.full(len(first), -np.inf, dtype=np.float32)
    place = np.zeros(len(first), dtype=np.int64)
    moved = np.zeros(len(first), dtype=np.bool_)
    for number, view in enumerate(descriptors):
        for first_moves, (moving, fixed) in enumerate(((second, first), (first, second))):
            alike = np.einsum("pd,pd->p", view[moving], descriptors[0, fixed])
            better = alike > value
            value[better], place[better], moved[better] = alike[better], number, bool(first_moves)
    return Likeness(first, second, value, place, moved)


def _neighbours(descriptors: Floats, lesion_of: Rows, report: Callable[[int], None]) -> tuple[Rows, Rows]:
    """Every image with its nearest ones of other lesions, each pair once, the smaller row first."""
    plain, n = descriptors[0], descriptors.shape[1]
    count = min(NEIGHBOURS, n - 1)
    pairs = []
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        alike = plain[rows] @ plain.T
        product = np.empty_like(alike)
        for view in descriptors[1:]:
            np.maximum(alike, np.matmul(view[rows], plain.T, out=product), out=alike)
        alike[lesion_of[rows, None] == lesion_of] = -np.inf
        nearest = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        near, far = np.repeat(rows, count), nearest.ravel()
        other = lesion_of[near] != lesion_of[far]
        pairs.append(np.minimum(near, far)[other] * n + np.maximum(near, far)[other])
        report(int(rows[-1]) + 1)
    first, second = np.divmod(np.unique(np.concatenate(pairs)), n)
    return first, second


def _usual(near: Likeness, n: int) -> NDArray[np.float32]:
    """What likeness is usual around each image, (n,): the mean over the places `USUAL` of those near it, 0 for none."""
    image = np.concatenate([near.first, near.second])
    value = np.concatenate([near.value, near.value])
    order = np.lexsort((-value, image))
    image, value = image[order], value[order]
    place = np.arange(len(image)) - np.searchsorted(image, image)
    counted = (place >= USUAL.start) & (place < USUAL.stop)
    total = np.bincount(image[counted], value[counted], minlength=n)
    usual: NDArray[np.float32] = (total / np.maximum(np.bincount(image[counted], minlength=n), 1)).astype(np.float32)
    return usual


def _random_contrast(descriptors: Floats, usual: NDArray[np.float32], group_of: Rows) -> NDArray[np.float32]:
    """The contrast of pairs of different groups that are drawn by chance."""
    first, second = np.random.default_rng(0).integers(0, len(group_of), (2, RANDOM_PAIRS))
    parted = group_of[first] != group_of[second]
    return compare(descriptors, first[parted], second[parted]).contrast(usual)


def _joined_rows(lesion_of: Rows, group_of: Rows) -> tuple[Rows, Rows]:
    """All pairs of images of different lesions in one group."""
    order = np.argsort(group_of, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(group_of[order])) + 1)
    pairs = [
        pair
        for rows in groups
        if len(np.unique(lesion_of[rows])) > 1
        for pair in combinations(rows.tolist(), 2)
        if lesion_of[pair[0]] != lesion_of[pair[1]]
    ]
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return first, second


def _best_of_each(pairs: Likeness, usual: NDArray[np.float32], unit_of: Rows) -> list[int]:
    """The place of the pair of most contrast for every two units, the most conspicuous first; none inside a unit."""
    order = np.argsort(-pairs.contrast(usual), kind="stable")
    units = np.sort(np.stack([unit_of[pairs.first], unit_of[pairs.second]]), axis=0)[:, order]
    _, firsts = np.unique(units, axis=1, return_index=True)
    best = order[np.sort(firsts[units[0, firsts] != units[1, firsts]])]
    return [int(place) for place in best]


def _upright(fixed: NDArray[np.uint8], moving: NDArray[np.uint8], view: Placement) -> Placement:
    """`view`, or it and half a turn more: spectra do not tell the two apart, the pictures do."""
    pictures = [relief(to_grey(picture[None]), zoom) for picture, zoom in ((fixed, 1.0), (moving, view.zoom))]
    if same_way_up(pictures[0][0], view.turn(pictures[1])[0]):
        return view
    return replace(view, turns=(view.turns + 2) % 4)
