"""Mates outside of a set of images: counted, and what chance would give, against sets that are drawn."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from skineval.data.quality.mates import mates


def counted(group, inside):
    """How many images of the set have another one of their lesion outside."""
    return sum(any(group[k] == group[j] for j in np.flatnonzero(~inside)) for k in np.flatnonzero(inside))


@pytest.mark.parametrize(
    ("lesions", "labels"),
    [
        ("aaabbcdef", "nnnnnnnmm"),
        ("aabbbccde", "nmnnmmmnn"),  # lesions of several classes
        ("abcdefghi", "nnnnnmmmm"),  # no two images of a lesion
        ("aaaaaaaaa", "nnnnnnnnn"),
    ],
)
def test_mean_and_deviation_are_those_over_all_sets_with_as_many_images_of_each_class(lesions, labels):
    group, label = np.array(list(lesions)), np.array(list(labels))
    inside = np.isin(np.arange(len(group)), (0, 1, 3, len(group) - 1))
    found = mates(group, label, inside)
    of_class = {name: int((label[inside] == name).sum()) for name in set(labels)}
    sets = [
        np.isin(np.arange(len(group)), chosen)
        for chosen in combinations(range(len(group)), 4)
        if all((label[list(chosen)] == name).sum() == n for name, n in of_class.items())
    ]
    counts = [counted(group, one) for one in sets]
    assert (found.images, found.found) == (4, counted(group, inside))
    assert found.expected == pytest.approx(np.mean(counts), abs=1e-9)
    assert found.deviation == pytest.approx(np.std(counts), abs=1e-6)
