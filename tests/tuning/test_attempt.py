from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.tuning.attempt import TENTHS, curve

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=25)


def test_a_cell_of_four_epochs():
    assert curve([[0.2]], 0, 4, 1) == (0.2,) * 2
    assert curve([[0.2, 0.5, 0.3]], 0, 4, 1) == (0.2,) * 2 + (0.5,) * 5
    assert curve([[0.2, 0.5, 0.3, 0.6]], 1, 4, 1) == (0.2,) * 2 + (0.5,) * 5 + (0.6,) * 3


def test_the_second_cell_stands_on_the_first():
    first, half = [0.4, 0.8], [0.6]
    assert curve([first, half], 1, 2, 2) == pytest.approx((0.2,) * 5 + (0.4,) * 5 + (0.7,) * 5)


def test_a_cell_that_stopped_early_keeps_its_best_until_its_end():
    assert curve([[0.5, 0.4]], 1, 10, 1) == (0.5,) * TENTHS


@given(cells=st.lists(SCORES, min_size=1, max_size=4), planned=st.integers(25, 40))
def test_a_curve_never_falls_and_ends_at_the_mean(cells, planned):
    heights = curve(cells, len(cells), planned, len(cells))
    assert len(heights) == TENTHS * len(cells)
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(heights))
    assert heights[-1] == pytest.approx(sum(max(history) for history in cells) / len(cells))


@given(history=SCORES, planned=st.integers(25, 60), seen=st.integers(1, 25))
def test_what_was_seen_of_a_curve_does_not_change_later(history, planned, seen):
    early = curve([history[:seen]], 0, planned, 3)
    assert curve([history], 0, planned, 3)[: len(early)] == early
