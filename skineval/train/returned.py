"""What a function of a strategy, which may be a plugin's, has returned: taken for what it is, or told in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skineval.base.errors import CellError

_ITEMS = 3  # of a tuple that are described each by itself


def refusal(whose: str, returned: object, expected: str) -> CellError:
    """The error where something else was `expected` of a function; `whose` names its strategy and it."""
    return CellError(f"{whose} returned {described(returned)}; {expected} is expected.")


def pair(value: object) -> tuple[object, object]:
    """The two things in `value`; two times None where they are not two."""
    return (value[0], value[1]) if isinstance(value, (tuple, list)) and len(value) == 2 else (None, None)


def numbers(value: object) -> NDArray[Any] | None:
    """`value` as an array of real numbers; None where it is none."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # as of a tensor of a GPU, or of lists of several lengths
        return None
    return array if array.dtype.kind in "iuf" else None


def described(value: object) -> str:
    """Dtype, shape and range of an array, each item of a pair: `(float32 (8, 3) from 0 to 1, None)`; else the type."""
    if value is None:
        return "None"
    if isinstance(value, (np.ndarray, np.generic, Tensor)):
        return form(value) + _range(value)
    if isinstance(value, (tuple, list)) and len(value) <= _ITEMS:
        return f"({', '.join(map(described, value))})"
    return f"{type(value).__name__}{f' of {len(value)}' if isinstance(value, (tuple, list)) else ''}"


def form(array: NDArray[Any] | np.generic | Tensor) -> str:
    """Dtype and shape, and the device where that is not the CPU: `float32 (8, 3) on cuda:0`."""
    place = f" on {array.device}" if isinstance(array, Tensor) and array.device.type != "cpu" else ""
    return f"{str(array.dtype).removeprefix('torch.')} {tuple(array.shape)}{place}"


def _range(values: Any) -> str:
    try:
        return f" from {values.min().item():g} to {values.max().item():g}"
    except (TypeError, ValueError, RuntimeError, AttributeError):  # none at all, or no numbers
        return ""
