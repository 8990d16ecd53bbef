"""What a network has learnt from: its images, whatever else shows their lesions, and what is in one group."""

from __future__ import annotations

import numpy as np
import pytest

from skineval.base.errors import DataError
from skineval.grid.learnt import refuse_learnt
from skineval.values.learnt import NOTHING, Learnt
from tests.data.folders import made_table

TABLE = made_table([("mel", 2), ("nv", 3), ("bcc", 1)])  # rows 0-1, 2-4, 5
EVERY = np.ones(6, dtype=np.bool_)


def test_an_image_of_a_lesion_gives_away_the_others():
    images, lesions = TABLE.frame["image_id"], TABLE.frame["lesion_id"]
    assert not NOTHING.among(TABLE).any()
    assert Learnt({images[0], "of another data set"}).among(TABLE).tolist() == [True] * 2 + [False] * 4
    assert Learnt({"another photograph"}, {lesions[3]}).among(TABLE).tolist() == [False] * 2 + [True] * 3 + [False]


def test_what_is_tested_is_none_of_it():
    learnt = Learnt({TABLE.frame["image_id"][0]})
    refuse_learnt(learnt, "It", "weights", TABLE, ~learnt.among(TABLE))
    with pytest.raises(DataError, match="It was trained on, or chosen by, 2 of the images that are tested"):
        refuse_learnt(learnt, "It", "weights", TABLE, EVERY)
