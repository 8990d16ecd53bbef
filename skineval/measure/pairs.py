"""The cells of two systems that belong together, each pair on the images that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, plural
from skineval.data.splits.oversampling import occurrences
from skineval.measure.counting import count_distinct
from skineval.measure.intervals import check
from skineval.values.predictions import EVERY_FOLD, Predictions

Pair = tuple[Predictions, Predictions]


def paired(a: Sequence[Predictions], b: Sequence[Predictions]) -> list[Pair]:
    """The cells of both systems that belong together, each on the common images, in the same order."""
    check(a)
    check(b)
    if set(a[0].classes) != set(b[0].classes):
        raise DataError(
            f"the classes {', '.join(a[0].classes)} cannot be compared with {', '.join(b[0].classes)}",
            "Compare systems of the same task.",
        )
    matched = [_matched(one, other) for one, other in _partners(a, b)]
    pairs = [(one, other) for one, other in matched if len(one)]
    if not pairs:
        raise DataError(
            "the systems have no image of the same fold in common",
            "Images pair by image_id and fold: compare benches of one split, and the same part of both.",
        )
    # A file without lesions counts each image as one; then the other side knows better what belongs together.
    finer = count_distinct([one for one, _ in pairs])[1] > count_distinct([other for _, other in pairs])[1]
    groups = [(other if finer else one).groups for one, other in pairs]
    return [
        (replace(one, groups=of_pair), replace(other, groups=of_pair))
        for (one, other), of_pair in zip(pairs, groups, strict=True)
    ]


def _partners(a: Sequence[Predictions], b: Sequence[Predictions]) -> list[Pair]:
    pairs: list[Pair] = []
    for fold in _common_folds(a, b):
        ours, theirs = (
            sorted((cell for cell in cells if cell.fold in (fold, EVERY_FOLD)), key=lambda cell: cell.seed)
            for cells in (a, b)
        )
        same_seeds = [cell.seed for cell in ours] == [cell.seed for cell in theirs]
        pairs += zip(ours, theirs, strict=True) if same_seeds else product(ours, theirs)
    return pairs


def _common_folds(a: Sequence[Predictions], b: Sequence[Predictions]) -> list[int]:
    """The folds that both have; what is of every fold is of each that the other side has."""
    ours, theirs = ({cell.fold for cell in cells} for cells in (a, b))
    if ours != theirs and EVERY_FOLD in ours | theirs:
        return sorted((ours | theirs) - {EVERY_FOLD})
    return sorted(ours & theirs)


def _matched(one: Predictions, other: Predictions) -> Pair:
    """Both on their common images, sorted by name, with the classes in the order of `one`.

    The first, second, ... copy of an image pairs with the first, second, ... of the other side.
    """
    mine, yours = _numbered(one.image_ids, other.image_ids)
    _, ours, theirs = np.intersect1d(mine, yours, return_indices=True)
    one, other = one.take(ours), other.take(theirs).with_classes(one.classes)
    differing = np.flatnonzero(other.targets != one.targets)
    if len(differing):
        row = int(differing[0])
        raise DataError(
            f"{one.image_ids[row]} is {one.classes[one.targets[row]]} in one system "
            f"and {one.classes[other.targets[row]]} in the other "
            f"({plural(len(differing), 'image differs', 'images differ')})",
            "Compare predictions with the same reference standard.",
        )
    return one, other


def _numbered(one: NDArray[np.str_], other: NDArray[np.str_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for each image and copy, the same on both sides, in the order of names."""
    _, name_of = np.unique(np.concatenate([one, other]), return_inverse=True)
    most = len(name_of)  # more than any image has copies
    mine, yours = name_of[: len(one)], name_of[len(one) :]
    return mine * most + occurrences(mine), yours * most + occurrences(yours)
