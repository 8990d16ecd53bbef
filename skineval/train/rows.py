"""Images of a store on their way to the network, read as they are asked for."""

from __future__ import annotations

import math
import os
import weakref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skineval.base.errors import DataError


class FileRows:
    """The images of a memory-mapped store (n, H, W, 3) uint8, by row, without the map.

    Indexing the map would be twenty times slower, and every page it touched would count as memory of this process: the
    whole store, after one epoch. The file stays open, so that images can be had even where it is removed.

    With `rows`, (m,) int64, image k is that of row `rows[k]` of the store, and no other image can be had.
    """

    device = torch.device("cpu")

    def __init__(
        self, store: np.memmap[tuple[int, ...], np.dtype[np.uint8]], rows: NDArray[np.int64] | None = None
    ) -> None:
        self._rows = np.arange(len(store)) if rows is None else rows
        self.shape = (len(self._rows), *store.shape[1:])
        self._path = str(store.filename)
        self._offset = store.offset
        self._descriptor = os.open(self._path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """The images `rows`, (m, H, W, 3) uint8. Raises DataError where the file ends before them."""
        wanted = range(len(self))[rows] if isinstance(rows, slice) else rows.tolist()
        images = torch.empty((len(wanted), *self.shape[1:]), dtype=torch.uint8)
        size = math.prod(self.shape[1:])
        memory = images.numpy().data.cast("B") if len(wanted) else memoryview(b"")
        for place, row in enumerate(wanted):
            if not 0 <= row < len(self):
                raise IndexError(f"There is no row {row} in a store of {len(self)} images.")
            self._read(memory[place * size : (place + 1) * size], self._offset + int(self._rows[row]) * size)
        return images

    def _read(self, into: memoryview, offset: int) -> None:
        while into:
            count = os.preadv(self._descriptor, [into], offset)
            if not count:
                raise DataError(f"{self._path} is shorter than it was.", "Run the same command again.")
            into, offset = into[count:], offset + count
