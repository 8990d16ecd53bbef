"""What cells say as numbers, and which say nothing, whoever made the column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.data.cells import MISSING, is_missing, mapped, missing, numbers


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_read_bit_for_bit_with_points_and_commas(values: list[float]) -> None:
    for point in ".", ",":
        column = pd.Series([repr(value).replace(".", point) for value in values])
        np.testing.assert_array_equal(numbers(column), values)


def test_what_is_no_number_is_nan() -> None:
    cells = pd.Series(["", "nan", "high", "1.234,5", "1 2", "1_0", "70%", "0x1"])
    assert np.isnan(numbers(cells)).all()


@pytest.mark.parametrize("dtype", ["str", "object"])
@given(st.lists(st.sampled_from([*MISSING, " NA ", "nv", "0", None, float("nan")]), min_size=1))
def test_a_column_is_read_as_its_cells_one_by_one(dtype: str, cells: list[object]) -> None:
    column = pd.Series(cells, dtype=dtype)
    assert missing(column).tolist() == [is_missing(cell) for cell in cells]
    called: list[str] = []
    found = mapped(column, lambda cell: called.append(cell) or f"<{cell}>")
    assert found.isna().tolist() == column.isna().tolist()
    assert found.dropna().tolist() == [f"<{cell}>" for cell in column.dropna()]
    assert sorted(called) == sorted(set(column.dropna()))


def test_a_comma_among_decimal_points_is_none_of_a_decimal() -> None:
    np.testing.assert_array_equal(numbers(pd.Series(["1,234", "950.2", "0"])), [np.nan, 950.2, 0])
    np.testing.assert_array_equal(numbers(pd.Series(["0,5", "1", "n.a."])), [0.5, 1, np.nan])
