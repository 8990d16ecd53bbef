"""Images fitted to a square of few pixels: by Pillow, or by torch, which is faster and within one grey level of it.

Importing torch takes seconds, so this is for those who have many images before them and ask for it with `accelerated`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skineval.base.terms import Fit

REDUCTION = 1.5  #: the least factor by which both sides of an image shrink if torch resizes it
SMALLEST = 8  #: pixels a side of what torch makes

_active: ContextVar[bool] = ContextVar("accelerated", default=False)


@contextmanager
def accelerated() -> Iterator[None]:
    """Within, images are made smaller by torch: in this thread, and in threads that run in a copy of its context
    (`contextvars.copy_context`).

    torch is imported when the first image is resized, and uses one thread for each of the caller's until the last
    such block ends: images are shared out among threads, not their rows.
    """
    token = _active.set(True)
    _threads.enter()
    try:
        yield
    finally:
        _threads.leave()
        _active.reset(token)


def fit_array(array: NDArray[np.uint8], size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
    """An image (H, W, 3) or (H, W) as a square of `size` pixels a side, antialiased bilinear as Pillow does it.

    squash scales the whole image to the square, crop the largest square at its centre; pad scales its longer side to
    `size` and centres it on black. Black, because a dermatoscope's round field leaves black corners: of all constants
    it is the one that networks meet in such photographs anyway. It is not neutral (that would be the mean colour, zero
    after normalisation), and like any border it tells the network the aspect ratio, which may tell the camera.
    """
    if fit == "crop":
        array = _centre_square(array)
    height, width = _scaled(array.shape[:2], size) if fit == "pad" else (size, size)
    resized = _resize(array, height, width)
    if resized.shape[:2] == (size, size):
        return resized
    result = np.zeros((size, size, *array.shape[2:]), dtype=np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    result[top : top + height, left : left + width] = resized
    return result


def _centre_square(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = min(array.shape[:2])
    top, left = ((length - side) // 2 for length in array.shape[:2])
    return array[top : top + side, left : left + side]


def _scaled(shape: Sequence[int], size: int) -> tuple[int, int]:
    """Height and width with the longer side scaled to `size`, and the other one alike."""
    height, width = (max(1, round(length * size / max(shape))) for length in shape)
    return height, width


def _resize(array: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """An image (H, W, 3) or (H, W) as (height, width, ...), by torch within `accelerated` where that is safe.

    torch rounds the weights to 16 bits where Pillow keeps 22, and both round between the two directions. Where each
    side shrinks by `REDUCTION` or more, values are averages of several pixels: then 1.6 % of them differ by one grey
    level, and 3 of 1,130 million made-up ones differed by two; for smaller reductions that is a hundred times as
    frequent. Without vector instructions torch gets narrow results wrong.
    """
    reduction = min(array.shape[0] / height, array.shape[1] / width)
    if _active.get() and reduction >= REDUCTION and min(height, width) >= SMALLEST:
        return _resize_by_torch(array, height, width)
    return np.asarray(Image.fromarray(array).resize((width, height), Image.Resampling.BILINEAR))


def _resize_by_torch(array: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    import torch
    from torch.nn.functional import interpolate

    _threads.limit()
    writable = array if array.flags.writeable else array.copy()
    batch = torch.from_numpy(writable.reshape(1, *array.shape[:2], -1)).permute(0, 3, 1, 2)
    # Interleaved channels on both sides: torch has a fast kernel for these, and nothing is copied. It sees them as such
    # by the stride of the batch, which numpy sets and `Tensor.unsqueeze` would not.
    resized = interpolate(batch, size=(height, width), mode="bilinear", antialias=True)
    pixels: NDArray[np.uint8] = resized.permute(0, 2, 3, 1).contiguous().numpy()
    return pixels.reshape(height, width, *array.shape[2:])


class _Threads:
    """How many threads torch uses for one operation: one, as long as anybody resizes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: int | None = None  #: what to go back to; None where torch was not asked for anything yet

    def enter(self) -> None:
        with self._lock:
            self._users += 1

    def limit(self) -> None:
        import torch

        with self._lock:
            if self._before is None and self._users:
                self._before = torch.get_num_threads()
                torch.set_num_threads(1)

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._before is not None and not self._users:
                import torch

                torch.set_num_threads(self._before)
                self._before = None


_threads = _Threads()
