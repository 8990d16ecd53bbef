"""Parts that a data set has of its own are told where they are not used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skineval.grid.prepare import UNUSED_PARTS, with_unused_parts
from skineval.values.recipe import make_recipe
from tests.data.folders import made_table


@pytest.mark.parametrize(("split", "told"), [(None, True), ("official", False)])
def test_unused_parts_are_told(split: str | None, told: bool) -> None:
    table = replace(made_table([("mel", 1), ("nv", 1)]), official=("train", "test"))
    keys = {"split": split} if split else {}
    noted = with_unused_parts(table, make_recipe({"data": "x", "models": "*", **keys}))
    assert (UNUSED_PARTS in noted.notes) is told
