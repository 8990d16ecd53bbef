"""Lesion masks on their way from the data, which the parent knows, to the galleries that a worker writes."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skineval.base.errors import DataError
from skineval.data.synthetic import synthetic
from skineval.grid.cell.additions import outlines
from skineval.grid.cell.workspace import masks_from_message, masks_to_message
from skineval.grid.run import answer_for_masks


@given(arrays(np.bool_, st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9))))
def test_masks_survive_the_way(masks):
    found = masks_from_message(json.loads(json.dumps(masks_to_message(masks))))
    np.testing.assert_array_equal(found, masks)


def test_a_worker_is_given_the_masks_of_the_rows_that_it_asks_for():
    table = synthetic.load(images=100)
    found = masks_from_message(answer_for_masks(table, "squash", [7, 3], 16))
    np.testing.assert_array_equal(found, table.images.masks([7, 3], 16))
    assert found.any()


def raising(error):
    def masks(rows, side):
        raise error

    return masks


@pytest.mark.parametrize("error", [DataError("x_segmentation.png is damaged."), KeyError("of a plugin")])
def test_masks_that_cannot_be_had_cost_the_outlines_and_no_more(error):
    table = replace(synthetic.load(images=100), images=SimpleNamespace(masks=raising(error)))
    answer = answer_for_masks(table, "squash", [0], 16)
    notes = []
    stage = SimpleNamespace(on_note=notes.append)
    cell = SimpleNamespace(masks=lambda rows, side: masks_from_message(answer), stage=stage)
    assert outlines(cell, np.array([0]), 16) is None
    (note,) = notes
    assert note.startswith("Explanations lack the outlines of lesions: ")
    assert ("damaged" in note) == isinstance(error, DataError)


def test_data_without_masks_have_no_outlines():
    table = replace(synthetic.load(images=100), images=SimpleNamespace(masks=lambda rows, side: None))
    assert masks_from_message(answer_for_masks(table, "squash", [0], 16)) is None
