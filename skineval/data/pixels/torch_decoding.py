"""JPEG decoding by torchvision and resizing by torch: twice as fast as Pillow, and within one grey level of it.

Importing torch takes seconds, so this is for those who have many images before them and ask for it with `accelerated`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

REDUCTION = 1.5  #: the least factor by which both sides of an image shrink if torch resizes it
SMALLEST = 8  #: pixels a side of what torch makes
_RGB = 3  #: torchvision's number of the colour mode

_active: ContextVar[bool] = ContextVar("accelerated", default=False)


@contextmanager
def accelerated() -> Iterator[None]:
    """Within, images are decoded and resized by torchvision and torch: in this thread, and in threads that run in a
    copy of its context (`contextvars.copy_context`).

    torch is imported when the first image is decoded, and uses one thread for each of the caller's until the last
    such block ends: images are shared out among threads, not their rows.
    """
    token = _active.set(True)
    _threads.enter()
    try:
        yield
    finally:
        _threads.leave()
        _active.reset(token)


def is_accelerated() -> bool:
    """Whether the caller is within `accelerated`."""
    return _active.get()


def decode_jpeg(content: bytes) -> NDArray[np.uint8] | None:
    """The pixels (H, W, 3) RGB of a JPEG file, those that Pillow decodes; EXIF orientation is not applied.

    None where torchvision refuses the file or brings no decoder: then Pillow has the say. The caller has checked the
    number of pixels; here nothing limits it.
    """
    import torch

    _threads.limit()
    decoder = _jpeg_decoder()
    if decoder is None:
        return None
    try:
        # A copy, since torch warns of memory that it could not write to.
        planes = decoder(torch.frombuffer(bytearray(content), dtype=torch.uint8), _RGB, False)
    except RuntimeError:
        return None
    pixels: NDArray[np.uint8] = planes.permute(1, 2, 0).numpy()
    return pixels


def resize(array: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8] | None:
    """An image (H, W, 3) or (H, W) made smaller, antialiased bilinear, (height, width, ...); None where Pillow must.

    torch rounds the weights to 16 bits where Pillow keeps 22, and both round between the two directions. Where each
    side shrinks by `REDUCTION` or more, values are averages of several pixels: then 1.6 % of them differ by one grey
    level, and 3 of 1,130 million made-up ones differed by two; for smaller reductions that is a hundred times as
    frequent. Without vector instructions torch gets narrow results wrong.
    """
    if min(array.shape[0] / height, array.shape[1] / width) < REDUCTION or min(height, width) < SMALLEST:
        return None
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


@cache
def _jpeg_decoder() -> Callable[[Tensor, int, bool], Tensor] | None:
    """torchvision's JPEG decoder, from its library: importing torchvision as a whole takes seconds more.

    None where the installed torchvision brings none. torchvision 0.29 announces that its decoders will be removed.
    """
    import torch

    package = find_spec("torchvision")
    folders = package.submodule_search_locations if package else None
    libraries = sorted(Path(folders[0]).glob("image*.so")) if folders else []
    try:
        for library in libraries:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
        decoder: Callable[[Tensor, int, bool], Tensor] = torch.ops.image.decode_jpeg
    except (OSError, AttributeError):
        return None
    return decoder


class _Threads:
    """How many threads torch uses for one operation: one, as long as anybody decodes."""

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
