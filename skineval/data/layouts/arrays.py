"""Images that a data set holds as arrays of pixels, not as files of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.base.terms import Fit
from skineval.data.layouts.headers import Header
from skineval.data.pixels.decoding import fit_array


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Images without masks, each an array (H, W, 3) RGB or (H, W) grey, uint8, of one shape."""

    array: Callable[[int], NDArray[np.uint8]]  #: that of a row; safe to call from several threads
    shape: tuple[int, ...]

    def pixels(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
        """(n, size, size, 3) RGB."""
        result = np.empty((len(rows), size, size, 3), dtype=np.uint8)
        for index, row in enumerate(rows):
            fitted = fit_array(self.array(row), size, fit)
            result[index] = fitted if fitted.ndim == 3 else fitted[..., np.newaxis]
        return result

    def masks(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> None:
        """There are none."""
        return

    def header(self, row: int) -> Header:
        """Size and kind, which all images share."""
        height, width, *channels = self.shape
        return Header(width, height, "RGB" if channels else "L", "array")

    def count_masks(self) -> int:
        """There are none."""
        return 0
