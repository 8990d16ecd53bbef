"""From the bytes of an image file to its pixels, refusing what is damaged, foreign or too large."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from skineval.base.errors import DataError
from skineval.base.terms import Fit
from skineval.data.files.formats import NAMES, format_of, problem_of
from skineval.data.files.stored_files import StoredFile
from skineval.data.pixels.resizing import fit_array

_RESTORE = "Restore the file."


def decode(path: Path, size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
    """The image in a file of one of `formats.FORMATS` as (size, size, 3) RGB. Raises DataError naming the file."""
    return decode_bytes(StoredFile(path, "", 0, None).read(), size, str(path), fit=fit)


def decode_bytes(
    content: bytes, size: int, name: str, mode: Literal["RGB", "L"] = "RGB", fit: Fit = "squash"
) -> NDArray[np.uint8]:
    """The image in the content of a file as (size, size, 3) RGB or (size, size) L, resized by `fit_array`.

    EXIF orientation is applied, transparency dropped. Raises DataError, calling the file `name`, for content that is
    of a format that is not read, damaged, of several images, or of more than `formats.MAX_PIXELS` pixels (known before
    anything is decoded).
    """
    if not content:
        raise DataError(f"{name} is empty.", _RESTORE)
    try:
        with open_image(content, name) as image:
            problem = problem_of(image)
            if problem is not None:
                raise DataError(f"{name} {problem.what}.", problem.hint)
            array = decode_jpeg(image, content) if mode == "RGB" else None
            if array is None:
                ImageOps.exif_transpose(image, in_place=True)
                array = np.asarray(image.convert(mode))
            return fit_array(array, size, fit)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise whatever damaged bytes lead them to
        raise DataError(f"{name} cannot be decoded: {error}.", _RESTORE) from error


def decode_jpeg(image: Image.Image, content: bytes) -> NDArray[np.uint8] | None:
    """The pixels (H, W, 3) of an upright RGB or grey JPEG file, those that Pillow decodes, in two thirds of its time.

    None for any other file, and for one that simplejpeg has the least against: then Pillow has the say. Both have
    libjpeg-turbo within. It reads the header anew, but whatever that says, the pixels must fit the array made for them.
    """
    if not isinstance(image, JpegImageFile) or image.mode not in ("RGB", "L"):
        return None
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        return None
    made = np.empty((image.height, image.width, 3), dtype=np.uint8)
    try:
        pixels = simplejpeg.decode_jpeg(content, buffer=made)
    except ValueError:
        return None
    return pixels if pixels.shape == made.shape else None


def open_image(content: bytes, name: str) -> Image.Image:
    """Read the header of an image file, and no pixel; raises DataError for a format that is not read.

    Pillow raises whatever it likes for a damaged header. Not by `Image.open`: it would try every format, and warn of
    large images on stderr.
    """
    found = format_of(content)
    if found is None:
        what = f"{name} is not a {NAMES} image (it begins with {content[:8]!r})."
        raise DataError(what, "If it was one, it is damaged: restore it; else save it as one of these.")
    return found.open(content)
