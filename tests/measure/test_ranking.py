"""The order of systems: the best first, whatever the order in which they are asked after."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from skineval.measure.ranking import best_first

FIGURES = st.dictionaries(st.text(max_size=3), st.sampled_from([math.nan, 0.0, 1 / 7, 0.5, 1.0]), max_size=8)


@given(FIGURES, st.randoms())
def test_the_order_of_asking_does_not_matter(figures, random):
    names = list(figures)
    random.shuffle(names)
    assert best_first({name: figures[name] for name in names}) == best_first(figures)


def test_better_figures_come_first_then_names_then_what_is_undefined():
    figures = {"undefined": math.nan, "d": 0.2, "a": 0.1, "c": 0.3, "b": 0.3}
    assert best_first(figures) == ["b", "c", "d", "a", "undefined"]
    assert best_first(figures, higher_is_better=False) == ["a", "d", "b", "c", "undefined"]
    assert best_first({}) == []


def test_figures_that_differ_by_rounding_are_equal():
    assert best_first({"b": 0.1 + 0.2, "a": 0.3}) == ["a", "b"]
