"""The formats of image files that are read, each by its reader of Pillow, and what their files look like."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from skineval.data.findings import Flaw

if TYPE_CHECKING:  # whoever only asks what files are called is spared Pillow
    from PIL.Image import Image

MAX_PIXELS = 50_000_000
MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})  #: 8 bits a channel or fewer


@dataclass(frozen=True)
class ImageFormat:
    """A kind of image file."""

    name: str  #: as Pillow calls it
    suffixes: tuple[str, ...]
    start: re.Pattern[bytes]  #: what a file begins with
    reader: str  #: what the names of its module and its class in Pillow begin with
    end: bytes = b""  #: the last bytes of a whole file, where all whole files have the same

    def open(self, content: bytes) -> Image:
        """Read the header, and no pixel. Pillow raises whatever it likes for a damaged one."""
        module = import_module(f"PIL.{self.reader}ImagePlugin")
        image: Image = getattr(module, f"{self.reader}ImageFile")(io.BytesIO(content))
        return image

    def is_ended(self, content: bytes) -> bool:
        """Whether these are the last bytes of a whole file, but for zeros that a disk put behind them."""
        return content.rstrip(b"\x00").endswith(self.end)


FORMATS = (
    ImageFormat("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), re.compile(rb"\xff\xd8\xff"), "Jpeg", b"\xff\xd9"),
    ImageFormat("PNG", (".png",), re.compile(rb"\x89PNG\r\n\x1a\n"), "Png", b"IEND\xaeB`\x82"),
    ImageFormat("BMP", (".bmp",), re.compile(rb"BM"), "Bmp"),
    ImageFormat("TIFF", (".tif", ".tiff"), re.compile(rb"II\*\x00|MM\x00\*"), "Tiff"),
    ImageFormat("WEBP", (".webp",), re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "WebP"),
)
SUFFIXES = tuple(suffix for format_ in FORMATS for suffix in format_.suffixes)
NAMES = f"{', '.join(one.name for one in FORMATS[:-1])} or {FORMATS[-1].name}"  #: in a sentence
#: Files that show an image to a person and that no loader reads.
UNREAD = (".gif", ".heic", ".heif", ".avif", ".jp2", ".dcm")


def format_of(content: bytes) -> ImageFormat | None:
    """The format that a file begins like; None for any that is not read."""
    return next((one for one in FORMATS if one.start.match(content)), None)


def problem_of(image: Image) -> Flaw | None:
    """What its header, before any pixel is decoded, has against an image; None where there is nothing."""
    if image.width * image.height > MAX_PIXELS:
        what = f"has {image.width} x {image.height} pixels, more than {MAX_PIXELS // 1_000_000} million"
        return Flaw("too-many-pixels", what, "Scale it down.")
    if image.mode not in MODES:
        return Flaw("pixel-mode", f"has pixels of mode {image.mode}, not 8 bits a channel", "Save it with 8.")
    frames = int(getattr(image, "n_frames", 1))  # pages of a TIFF, or frames of an animation
    if frames > 1:
        return Flaw("several-frames", f"holds {frames} images", "Save the one that is meant as a file of its own.")
    return None
