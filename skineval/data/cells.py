"""The cells of a column of a table: what they say as numbers, and which say nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

MISSING = ("", "na", "n/a", "nan", "none", "null", "<na>", "nat")  #: cells that say nothing, in lower case


def numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """(n,) what the cells say, with a decimal point or a decimal comma; NaN for what is no number.

    A comma among numbers with a decimal point stands between thousands, if anywhere: what has one is no number.
    """
    import pandas as pd

    def read(cells: pd.Series[Any]) -> NDArray[np.float64]:
        return np.array(pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))

    if pd.api.types.is_numeric_dtype(column):
        return read(column)
    cells = column.astype("str")
    values = read(cells)
    unread = np.isnan(values)
    if unread.any() and not cells[~unread].str.contains(".", regex=False).any():
        values[unread] = read(cells[unread].str.replace(",", ".", regex=False))
    return values


def mapped(column: pd.Series[Any], function: Callable[[Any], Any]) -> pd.Series[Any]:
    """`function` of the cells that are not NaN, called once for each that is different."""
    return column.map({cell: function(cell) for cell in column.dropna().unique()})


def missing(column: pd.Series[Any]) -> pd.Series[bool]:
    """(n,) whether a cell says nothing: see `is_missing`."""
    return column.isna() | column.isin([cell for cell in column.dropna().unique() if is_missing(cell)])


def is_missing(cell: object) -> bool:
    """Whether a cell says nothing: it is empty, or what programs write where they know nothing."""
    return cell is None or cell != cell or str(cell).strip().lower() in MISSING
