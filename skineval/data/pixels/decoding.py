"""From the bytes of an image file to its pixels, refusing what is damaged, foreign or too large."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from skineval.base.errors import DataError
from skineval.base.terms import Fit
from skineval.data.files.formats import NAMES, format_of, problem_of
from skineval.data.files.stored_files import StoredFile
from skineval.data.findings import LEAVE_OUT
from skineval.data.pixels.torch_decoding import decode_jpeg, is_accelerated, resize

_SCAN = 0xDA  #: the marker of JPEG after which pixels follow
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  #: markers of JPEG that tell the size
_SEGMENTS = frozenset({0xC4, 0xC8, 0xCC, *range(0xDB, 0xFF)})  #: markers that a length follows, and no size
_RESTORE = f"Restore the file. {LEAVE_OUT}"


def decode(path: Path, size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
    """The image in a file of one of `formats.FORMATS` as (size, size, 3) RGB. Raises DataError naming the file."""
    return decode_bytes(StoredFile(path, "", 0, None).read(), size, str(path), fit=fit)


def decode_bytes(
    content: bytes, size: int, name: str, mode: Literal["RGB", "L"] = "RGB", fit: Fit = "squash"
) -> NDArray[np.uint8]:
    """The image in the content of a file as (size, size, 3) RGB or (size, size) L, resized by `fit_array`.

    EXIF orientation is applied, transparency dropped. Raises DataError, calling the file `name`, for content that is
    of a format that is not read, damaged, of several images, or of more than `formats.MAX_PIXELS` pixels (known before
    anything is decoded). Within `accelerator.accelerated` the usual kinds of JPEG are decoded by torchvision, and torch
    makes images smaller: the same files are refused, and values differ by one grey level at most (`accelerator.resize`
    says how surely).
    """
    if not content:
        raise DataError(f"{name} is empty.", _RESTORE)
    try:
        with open_image(content, name) as image:
            problem = problem_of(image)
            if problem is not None:
                raise DataError(f"{name} {problem.what}.", f"{problem.hint} {LEAVE_OUT}")
            array = _by_torchvision(image, content) if mode == "RGB" and is_accelerated() else None
            if array is None:
                ImageOps.exif_transpose(image, in_place=True)
                array = np.asarray(image.convert(mode))
            return fit_array(array, size, fit)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise whatever damaged bytes lead them to
        raise DataError(f"{name} cannot be decoded: {error}.", _RESTORE) from error


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


def _resize(array: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    resized = resize(array, height, width) if is_accelerated() else None
    if resized is None:
        resized = np.asarray(Image.fromarray(array).resize((width, height), Image.Resampling.BILINEAR))
    return resized


def _by_torchvision(image: Image.Image, content: bytes) -> NDArray[np.uint8] | None:
    """The pixels (H, W, 3) of an upright RGB or grey JPEG file; None for any other, and where torchvision refuses it.

    torchvision reads the header anew and allocates what that says: it only gets files whose size it cannot see
    differently than Pillow did.
    """
    if not isinstance(image, JpegImageFile) or image.mode not in ("RGB", "L"):
        return None
    if jpeg_size(content) != image.size or image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        return None
    return decode_jpeg(content)


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height as the one frame header of a JPEG file says; None unless its segments follow without gaps.

    Decoders skip what they do not understand, each in its own way: here nothing is skipped.
    """
    found = None
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == _SCAN:
            return found
        if marker in _FRAMES:
            if found is not None:
                return None
            height, width = (int.from_bytes(content[at : at + 2]) for at in (position + 5, position + 7))
            found = (width, height)
        elif marker not in _SEGMENTS:
            return None
        position += 2 + int.from_bytes(content[position + 2 : position + 4])
    return None


def _centre_square(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = min(array.shape[:2])
    top, left = ((length - side) // 2 for length in array.shape[:2])
    return array[top : top + side, left : left + side]


def _scaled(shape: Sequence[int], size: int) -> tuple[int, int]:
    """Height and width with the longer side scaled to `size`, and the other one alike."""
    height, width = (max(1, round(length * size / max(shape))) for length in shape)
    return height, width


def open_image(content: bytes, name: str) -> Image.Image:
    """Read the header of an image file, and no pixel; raises DataError for a format that is not read.

    Pillow raises whatever it likes for a damaged header. Not by `Image.open`: it would try every format, and warn of
    large images on stderr.
    """
    found = format_of(content)
    if found is None:
        raise DataError(f"{name} is not a {NAMES} image (it begins with {content[:8]!r}).", _RESTORE)
    return found.open(content)
