"""What several metrics are made of, which is made once for all that ask for it in a row."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeAlias, TypeVar
from weakref import ref

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.generic]
Made = TypeVar("Made", bound=Array | tuple[Array, ...])


def once(function: Callable[..., Made]) -> Callable[..., Made]:
    """`function` of arrays, whose last result, one array or several, is kept for whoever asks for the same next.

    Nobody can write to it. Arrays are told apart by identity: nobody may change one that was handed over. They are not
    kept alive.
    """
    last: list[tuple[tuple[ref[Array], ...], Made]] = []

    @wraps(function)
    def made(*arrays: Array) -> Made:
        # Taken at once, so that another thread cannot put something else between the two.
        for known, result in tuple(last):
            if len(known) == len(arrays) and all(one() is array for one, array in zip(known, arrays, strict=True)):
                return result
        result = function(*arrays)
        for array in result if isinstance(result, tuple) else (result,):
            array.setflags(write=False)
        last[:] = [(tuple(map(ref, arrays)), result)]
        return result

    return made
