"""What images differ in beside their class: the attributes by which figures are set apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.values.lesion_table import SOURCE, LesionTable

UNKNOWN = "unknown"
#: From which year on each band of ages begins, but the first.
_BANDS = (30, 45, 60, 75)
#: What columns of a lesion table are called to readers.
_COLUMNS = {"sex": "sex", "localization": "localization", "dx_type": "confirmed by", "dataset": "origin"}
_AGE, _SOURCE, _PHOTOGRAPHED = "age", "data set", "images of the lesion"
ATTRIBUTES = (_AGE, *_COLUMNS.values(), _SOURCE, _PHOTOGRAPHED)  #: those that there may be


def attributes(table: LesionTable, image_ids: Sequence[str]) -> dict[str, NDArray[np.str_]]:
    """Of these images the value (N,) of each attribute of which they have several values."""
    frame = table.frame.iloc[table.rows_of(image_ids)]
    found = {_AGE: _bands(frame["age"].to_numpy(dtype=np.float64))}
    found |= {name: frame[column].astype("str").to_numpy(dtype=str) for column, name in _COLUMNS.items()}
    if SOURCE in frame:
        found[_SOURCE] = frame[SOURCE].astype("str").to_numpy(dtype=str)
    if table.siblings_known:
        found[_PHOTOGRAPHED] = _photographed(table.frame["lesion_id"], frame["lesion_id"])
    return {name: values for name, values in found.items() if len(np.unique(values)) > 1}


def ordered(values: NDArray[np.str_]) -> list[str]:
    """The values that occur, in order, what is not known last."""
    return sorted(set(values.tolist()), key=lambda value: (value == UNKNOWN, value))


def _bands(ages: NDArray[np.float64]) -> NDArray[np.str_]:
    between = [f"{low} to {high - 1}" for low, high in pairwise(_BANDS)]
    names = np.array([f"0 to {_BANDS[0] - 1}", *between, f"{_BANDS[-1]} and older", UNKNOWN])
    places = np.where(np.isnan(ages), len(names) - 1, np.searchsorted(_BANDS, ages, side="right"))
    return names[places]


def _photographed(all_lesions: pd.Series[str], lesions: pd.Series[str]) -> NDArray[np.str_]:
    """How many images of its lesion the data set has."""
    times = Counter(all_lesions.tolist())
    return np.array(["3 or more" if times[one] > 2 else str(times[one]) for one in lesions.tolist()], dtype=str)
