"""The images of a data set, in files or in arrays: pixels, masks, and what they say of themselves before decoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.base.terms import Fit
from skineval.data.files.stored_files import StoredFile
from skineval.data.pixels.decoding import decode_bytes, open_image
from skineval.data.pixels.resizing import fit_array
from skineval.values.lesion_table import Images, leaf


@dataclass(frozen=True, order=True)
class Header:
    """What one image says of itself."""

    width: int
    height: int
    mode: str  #: as Pillow calls it: RGB, L, CMYK, ...
    format: str  #: JPEG, PNG, ..., or array


@dataclass(frozen=True, eq=False)
class StoredImages:
    """The images and masks of a table, by row."""

    files: tuple[StoredFile, ...]
    segmentations: tuple[StoredFile | None, ...]

    def pixels(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
        """(n, size, size, 3) RGB. Raises DataError naming the file of an image that cannot be decoded."""
        result = np.empty((len(rows), size, size, 3), dtype=np.uint8)
        for index, row in enumerate(rows):
            file = self.files[row]
            result[index] = decode_bytes(file.read(), size, file.name, fit=fit)
        return result

    def masks(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.bool_] | None:
        """(n, size, size), True on the lesion, all False where an image has no mask; None where no image has one."""
        if not any(self.segmentations):
            return None
        result = np.zeros((len(rows), size, size), dtype=np.bool_)
        for index, row in enumerate(rows):
            file = self.segmentations[row]
            if file is not None:
                result[index] = decode_bytes(file.read(), size, file.name, "L", fit) >= 128
        return result

    def header(self, row: int) -> Header:
        """Size and kind of an image. Raises DataError naming the file of which the header cannot be read."""
        file = self.files[row]
        try:
            with open_image(file.read(), file.name) as image:
                return Header(image.width, image.height, image.mode, image.format or "")
        except DataError:
            raise
        except Exception as error:  # Pillow's readers raise whatever damaged bytes lead them to
            raise DataError(f"{file.name} has no header that can be read: {error}.", "Restore the file.") from error

    def has_mask(self, row: int) -> bool:
        """Whether an image has a lesion mask."""
        return self.segmentations[row] is not None


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

    @property
    def kind(self) -> str:
        """Width, height and colour, in words."""
        return f"{self.shape[1]} x {self.shape[0]} {'RGB' if len(self.shape) == 3 else 'grey'}"

    def masks(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> None:
        """There are none."""
        return

    def header(self, row: int) -> Header:
        """Size and kind, which all images share."""
        height, width, *channels = self.shape
        return Header(width, height, "RGB" if channels else "L", "array")

    def has_mask(self, row: int) -> bool:
        """There are none."""
        return False


@dataclass(frozen=True)
class Headers:
    """The headers of all images."""

    counts: tuple[tuple[Header, int], ...]  #: the most frequent first
    unreadable: tuple[str, ...]  #: what is wrong with each image of which the header cannot be read
    masks: int


def read_headers(images: Images, n: int, progress: Callable[[int, int], None] | None = None) -> Headers | None:
    """The headers of `n` images; None where they have none, as with images that are painted at any size.

    `progress(done, total)` is called with numbers of images.
    """
    places = [leaf(images, row) for row in range(n)]
    stored = [(found, place) for found, place in places if isinstance(found, StoredImages | ArrayImages)]
    if len(stored) < n:
        return None

    def read(at: tuple[StoredImages | ArrayImages, int]) -> Header | str:
        found, place = at
        try:
            return found.header(place)
        except DataError as error:
            return error.message

    counts: Counter[Header] = Counter()
    unreadable: list[str] = []
    with ThreadPoolExecutor() as pool:
        for done, found in enumerate(pool.map(read, stored), start=1):
            if isinstance(found, Header):
                counts[found] += 1
            else:
                unreadable.append(found)
            if progress is not None:
                progress(done, n)
    masks = sum(found.has_mask(place) for found, place in stored)
    return Headers(tuple(counts.most_common()), tuple(unreadable), masks)
