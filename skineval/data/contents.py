"""What an image file really holds, found by reading and decoding all of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from PIL import ExifTags, Image

from skineval.data.decoding import MAX_PIXELS, MODES, open_image
from skineval.data.stored import StoredFile
from skineval.errors import DataError

UNREADABLE = "unreadable"  #: code of a file of which no byte can be trusted
#: What a JPEG and a PNG file begin with, and what the last bytes of a whole one are.
ENDS = {b"\xff\xd8\xff": b"\xff\xd9", b"\x89PNG": b"IEND\xaeB`\x82"}
_RESTORE = "Download or copy it again."
_CONVERT = "Save it as an 8-bit JPEG or PNG image."
#: What other files begin with that are found under the name of an image.
_FOREIGN = (
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"RIFF", "a WebP image or other RIFF file"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"version https://git-lfs", "a pointer to a file that was not fetched"),
    (b"<", "a web page or other markup"),
    (b"{", "a JSON text"),
    (b"\x00\x00\x00\x00", "a file that begins with zeros"),
)


@dataclass(frozen=True)
class Problem:
    """Why a file is not an image that can be used."""

    code: str
    what: str
    hint: str


@dataclass(frozen=True)
class Content:
    """A file that is called like an image; the fields after `sha256` are what is known of it as an image."""

    file: StoredFile
    sha256: str = ""  #: of the bytes; "" where they cannot be read
    problem: Problem | None = None
    format: str = ""  #: JPEG or PNG
    width: int = 0
    height: int = 0
    mode: str = ""  #: Pillow's name for the kind of its pixels
    orientation: int = 1  #: as in EXIF: 1 is upright
    darkest: int = 0  #: grey level, 0 to 255
    brightest: int = 0
    ended: bool = True  #: whether its last bytes are those of a whole file

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as it is meant to be seen."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def examine(file: StoredFile) -> Content:
    """Read a file and decode all of its pixels, its header first; what is wrong with it is `problem`, never raised."""
    try:
        data = file.read()
    except DataError as error:
        what = error.message.removeprefix(file.name).strip().rstrip(".")
        return Content(file, problem=Problem(UNREADABLE, what, _RESTORE))
    content = Content(file, hashlib.sha256(data).hexdigest(), ended=_is_ended(data))
    if not data:
        return replace(content, problem=Problem("empty", "is empty", _RESTORE))
    try:
        image = open_image(data, file.name)
    except DataError:
        return replace(
            content, problem=Problem("not-an-image", f"is not a JPEG or PNG image but {_name(data)}", _RESTORE)
        )
    except Exception as error:  # Pillow's readers raise whatever damaged bytes lead them to
        return replace(content, problem=_damage(error, content.ended))
    with image:
        return _decode(image, content)


def _decode(image: Image.Image, content: Content) -> Content:
    content = replace(content, format=image.format or "", width=image.width, height=image.height, mode=image.mode)
    if image.width * image.height > MAX_PIXELS:
        what = f"has {image.width} x {image.height} pixels, more than {MAX_PIXELS // 1_000_000} million"
        return replace(content, problem=Problem("too-many-pixels", what, "Remove it, or scale it down."))
    if image.mode not in MODES:
        return replace(content, problem=Problem("pixel-mode", f"has pixels of mode {image.mode}", _CONVERT))
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        image.info.pop("transparency", None)  # Pillow would warn that it is dropped
        grey = np.asarray(image.convert("L"))
    except MemoryError:
        raise
    except Exception as error:
        return replace(content, problem=_damage(error, content.ended))
    return replace(
        content,
        orientation=orientation if orientation in range(1, 9) else 1,
        darkest=int(grey.min()),
        brightest=int(grey.max()),
    )


def _damage(error: Exception, ended: bool) -> Problem:
    code, what = ("undecodable", "cannot be decoded") if ended else ("truncated", "ends before the image does")
    return Problem(code, f"{what}: {error}", _RESTORE)


def _is_ended(data: bytes) -> bool:
    return any(data.startswith(start) and data.rstrip(b"\x00").endswith(end) for start, end in ENDS.items())


def _name(data: bytes) -> str:
    """What a file is, in words, by its first bytes."""
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:64]
    return next((name for magic, name in _FOREIGN if start.startswith(magic)), f"a file that begins {data[:8]!r}")
