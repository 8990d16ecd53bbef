"""What a network has learnt from: its images, whatever else shows their lesions, and what is in one group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skineval.base.errors import DataError
from skineval.grid.learnt import refuse_learnt
from skineval.values.learnt import NOTHING, UNKNOWN, Learnt
from tests.data.folders import made_table

TABLE = made_table([("mel", 2), ("nv", 3), ("bcc", 1)])  # rows 0-1, 2-4, 5
IMAGES, LESIONS = TABLE.frame["image_id"].tolist(), TABLE.frame["lesion_id"].tolist()
EVERY = np.ones(6, dtype=np.bool_)


def test_an_image_of_a_lesion_gives_away_the_others():
    assert not NOTHING.among(TABLE).any()
    learnt = Learnt(frozenset({IMAGES[0], "of another data set"}))
    assert learnt.among(TABLE).tolist() == [True] * 2 + [False] * 4
    learnt = Learnt(frozenset({"another photograph"}), frozenset({LESIONS[3]}))
    assert learnt.among(TABLE).tolist() == [False] * 2 + [True] * 3 + [False]


def test_a_picture_is_known_by_the_name_of_a_copy_that_was_not_kept():
    table = replace(TABLE, aliases={"copy": (IMAGES[5],)})
    learnt = Learnt(frozenset({"copy"}), known=frozenset({"copy", IMAGES[0]}))
    assert learnt.among(table).tolist() == [False] * 5 + [True]
    assert learnt.unknown(table).tolist() == [False] + [True] * 4 + [False]


def test_of_images_of_other_data_nothing_is_known():
    assert UNKNOWN.unknown(TABLE).all()
    assert not NOTHING.unknown(TABLE).any()
    assert (
        Learnt(frozenset({IMAGES[0]}), known=frozenset({"other"})).unknown(TABLE).tolist() == [False] * 2 + [True] * 4
    )


def test_what_is_tested_is_none_of_it():
    learnt = Learnt(frozenset({IMAGES[0]}))
    refuse_learnt(learnt, "It", "weights", TABLE, ~learnt.among(TABLE))
    with pytest.raises(DataError, match="It was trained on, or chosen by, 2 of the images that are tested"):
        refuse_learnt(learnt, "It", "weights", TABLE, EVERY)
