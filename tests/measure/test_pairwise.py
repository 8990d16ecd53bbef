"""Every two of several systems: what is compared, what Holm's correction is over, and who is not told apart."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.measure.comparisons import against_best
from skineval.measure.names import METRICS
from skineval.measure.pairwise import alike, pairwise
from skineval.values.measures import Difference
from tests.measure.samples import classifier

NAMES = "abcdefgh"


def pair(a: str, b: str, *, certain: bool) -> Difference:
    """A difference that is certain, or is not."""
    p = 0.01 if certain else 0.5
    return Difference(0.1, 0.05, 0.15, a=a, b=b, metric="x", p=p, p_holm=p, n_images=9, n_lesions=9)


def test_every_two_are_compared_as_the_best_with_the_others_and_corrected_over_all_pairs() -> None:
    skills = {"a": 1.0, "b": 3.0, "c": 2.0, "d": 2.1}
    systems = {name: [classifier(seed=seed, skill=skills[name])] for seed, name in enumerate(skills)}
    pairs = pairwise(systems, METRICS[0], replicates=200)
    assert [(one.a, one.b) for one in pairs] == list(combinations("abcd", 2))
    for one in against_best(systems, METRICS[:1], replicates=200):
        (same,) = [other for other in pairs if {other.a, other.b} == {one.a, one.b}]
        same = same if same.a == one.a else same.turned
        assert (same.value, same.p) == pytest.approx((one.value, one.p))
        assert (same.low, same.high) == pytest.approx((one.low, one.high))
        assert same.p_holm >= one.p_holm
    # By the definition: the smallest p times all, the next times one less, and none below one before it.
    least = 0.0
    for place, one in enumerate(sorted(pairs, key=lambda one: one.p)):
        least = max(least, min(1.0, (len(pairs) - place) * one.p))
        assert one.p_holm == pytest.approx(least)


@given(st.lists(st.booleans(), min_size=28, max_size=28), st.permutations(NAMES))
def test_groups_are_the_maximal_cliques_of_what_is_not_told_apart(certain: list[bool], names: list[str]) -> None:
    pairs = [pair(a, b, certain=sure) for (a, b), sure in zip(combinations(NAMES, 2), certain, strict=True)]
    found = alike(names, pairs)
    told_apart = [{one.a, one.b} for one in pairs if one.is_certain]
    every = [set(group) for size in range(2, 9) for group in combinations(NAMES, size)]
    whole = [group for group in every if not any(two <= group for two in told_apart)]
    assert sorted(map(sorted, found)) == sorted(sorted(one) for one in whole if not any(one < other for other in whole))
    assert len(set(found)) == len(found)
    places = [[names.index(name) for name in group] for group in found]
    assert places == sorted(sorted(group) for group in places)


def test_a_bar_may_pass_a_system_that_is_told_apart() -> None:
    pairs = [pair("a", "b", certain=True), pair("a", "c", certain=False), pair("b", "c", certain=True)]
    assert alike("abc", pairs) == [("a", "c")]
    unknown = replace(pairs[0], p_holm=np.nan)
    assert alike("abc", [unknown, *pairs[1:]]) == [("a", "b"), ("a", "c")]
