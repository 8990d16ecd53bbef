"""The order of systems, one rule for comparisons and reports alike, without numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping

#: Figures closer than this are equal: the same images summed in another order differ by rounding.
_PLACES = 12


def best_first(figures: Mapping[str, float], *, higher_is_better: bool = True) -> list[str]:
    """The systems by their figures, the best one first; equal ones in alphabetical order, undefined ones (NaN) last.

    The order of `figures` does not matter: who asks twice is told the same best system.
    """

    def key(name: str) -> tuple[bool, float, str]:
        figure = figures[name]
        undefined = math.isnan(figure)
        return undefined, 0.0 if undefined else round(-figure if higher_is_better else figure, _PLACES), name

    return sorted(figures, key=key)
