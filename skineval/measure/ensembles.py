"""Ensembles: the mean of what several networks say of the same images, as predictions like any other.

A mean is no choice, so that nothing is fitted to any image, and no part is needed for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, plural
from skineval.data.splits.oversampling import occurrences
from skineval.values.predictions import EVERY_FOLD, Predictions


def mean_of(members: Sequence[Predictions]) -> Predictions:
    """The unweighted mean of the probabilities of `members`, with images and classes in the order of the first.

    Members that have them in another order are brought into that one. The members' order does not matter, to the last
    bit. Where they are of several folds, the mean is of `EVERY_FOLD`; its seed is the smallest of theirs. By Jensen's
    inequality its negative log-likelihood is at most their mean (Lakshminarayanan et al., "Simple and Scalable
    Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017, average probabilities in this way).

    Raises DataError where there is no member, or where members differ in classes, images, parts or targets.
    """
    if not members:
        raise DataError("there are no predictions to average", "Give those of one cell or more.")
    first = members[0]
    aligned = np.stack([first.probabilities, *(_aligned(one, first).probabilities for one in members[1:])])
    folds = {one.fold for one in members}
    return replace(
        first,
        # Rounding depends on the order of a sum: the smallest first, whoever said it.
        probabilities=np.sort(aligned, axis=0).sum(axis=0) / len(members),
        fold=first.fold if len(folds) == 1 else EVERY_FOLD,
        seed=min(one.seed for one in members),
        n_cells=sum(one.n_cells for one in members),
    )


def _aligned(one: Predictions, first: Predictions) -> Predictions:
    """The rows and classes of `one` in the order of those of `first`."""
    if set(one.classes) != set(first.classes):
        raise DataError(
            f"the classes {', '.join(one.classes)} cannot be averaged with {', '.join(first.classes)}",
            "Average predictions of one task.",
        )
    one = one.with_classes(first.classes)
    if not (np.array_equal(one.image_ids, first.image_ids) and np.array_equal(one.parts, first.parts)):
        one = one.take(_places(one, first))
    differing = np.flatnonzero(one.targets != first.targets)
    if len(differing):
        row = int(differing[0])
        raise DataError(
            f"{first.image_ids[row]} is {first.classes[first.targets[row]]} in one member and "
            f"{first.classes[one.targets[row]]} in another "
            f"({plural(len(differing), 'image differs', 'images differ')})",
            "Average predictions with the same reference standard.",
        )
    return one


def _places(one: Predictions, first: Predictions) -> NDArray[np.int64]:
    """Where the rows of `first` are in `one`, (N,): by part and image, copies of an image in their order."""
    ours, theirs = _keys(one), _keys(first)
    apart = sorted(set(ours) ^ set(theirs))
    if apart:
        part, image, _ = apart[0]
        raise DataError(
            f"{plural(len(apart), 'row is', 'rows are')} not in every member, such as that of {image} in the "
            f"{part} part",
            "Average predictions for the same images.",
        )
    place = {key: row for row, key in enumerate(ours)}
    return np.array([place[key] for key in theirs], dtype=np.int64)


def _keys(one: Predictions) -> list[tuple[str, str, int]]:
    names = [f"{part}\x1f{image}" for part, image in zip(one.parts, one.image_ids, strict=True)]
    copies = occurrences(names) if names else np.zeros(0, dtype=np.int64)
    return list(zip(one.parts.tolist(), one.image_ids.tolist(), copies.tolist(), strict=True))
