"""What an image file really holds, found by reading and decoding all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import ExifTags, Image

from skineval.base.errors import DataError
from skineval.data.files.formats import NAMES, ImageFormat, format_of, problem_of
from skineval.data.files.stored_files import StoredFile
from skineval.data.findings import Flaw
from skineval.data.layouts.pictures import is_mask

UNREADABLE = "unreadable"  #: code of a file of which no byte can be trusted
_RESTORE = "Download or copy it again."
#: What other files begin with that are found under the name of an image.
_FOREIGN = (
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"version https://git-lfs", "a pointer to a file that was not fetched"),
    (b"<", "a web page or other markup"),
    (b"{", "a JSON text"),
    (b"\x00\x00\x00\x00", "a file that begins with zeros"),
)


@dataclass(frozen=True)
class Content:
    """A file that is called like an image; the fields after `sha256` are what is known of it as an image."""

    file: StoredFile
    sha256: str = ""  #: of the bytes; "" where they cannot be read
    problem: Flaw | None = None
    format: ImageFormat | None = None
    size: tuple[int, int] = (0, 0)  #: width and height as it is meant to be seen
    mode: str = ""  #: Pillow's name for the kind of its pixels
    orientation: int = 1  #: as in EXIF: 1 is upright
    darkest: int = 0  #: grey level, 0 to 255
    brightest: int = 0
    ended: bool = True  #: whether its last bytes are those of a whole file


def examine(file: StoredFile) -> Content:
    """Read a file and decode all of its pixels, its header first; what is wrong with it is `problem`, never raised."""
    try:
        data = file.read()
    except DataError as error:
        what = error.message.removeprefix(file.name).strip().rstrip(".")
        return Content(file, problem=Flaw(UNREADABLE, what, _RESTORE))
    found = format_of(data)
    ended = found is not None and found.is_ended(data)
    content = Content(file, hashlib.sha256(data).hexdigest(), format=found, ended=ended)
    if not data:
        return replace(content, problem=Flaw("empty", "is empty", _RESTORE))
    if found is None:
        what = f"is not a {NAMES} image but {_name(data)}"
        return replace(content, problem=Flaw("not-an-image", what, _RESTORE))
    try:
        image = found.open(data)
    except Exception as error:  # Pillow's readers raise whatever damaged bytes lead them to
        return replace(content, problem=_damage(error, ended))
    with image:
        return _decode(image, content)


def flaws(content: Content) -> Iterator[Flaw]:
    """What is wrong with a single file, or worth knowing of it."""
    if content.problem is not None:
        yield content.problem
        return
    assert content.format is not None  # of what was decoded
    if content.file.inner.suffix.lower() not in content.format.suffixes:
        what = f"is a {content.format.name} image"
        yield Flaw("wrong-suffix", what, "It is read as what it is; rename it.", "remark")
    if not content.ended:
        what = f"does not end like a {content.format.name} image: a few bytes are missing, or something follows"
        yield Flaw("unended", what, "Compare it with the original.", "remark")
    if content.orientation != 1:
        what = f"is to be turned, says its EXIF orientation {content.orientation}"
        hint = "It is turned when it is read; other programs may not do that, nor turn its mask."
        yield Flaw("orientation", what, hint, "remark")
    if is_mask(content.file):
        return
    if content.mode != "RGB":
        hint = "It is turned into RGB: compare its colours with the original."
        yield Flaw("colours", f"has pixels of mode {content.mode}, not RGB", hint, "remark")
    if content.darkest == content.brightest:
        what = f"shows nothing: every pixel is {content.darkest}"
        yield Flaw("blank", what, "Restore the image, or leave it out.")


def _decode(image: Image.Image, content: Content) -> Content:
    mode = image.mode
    try:
        problem = problem_of(image)
        if problem is not None:
            return replace(content, problem=problem)
        image.info.pop("transparency", None)  # Pillow would warn that it is dropped
        grey = np.asarray(image.convert("L"))
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)  # afterwards: a TIFF is turned as it is loaded
    except MemoryError:
        raise
    except Exception as error:
        return replace(content, problem=_damage(error, content.ended))
    orientation = orientation if orientation in range(1, 9) else 1
    return replace(
        content,
        size=(image.height, image.width) if orientation >= 5 else image.size,
        mode=mode,
        orientation=orientation,
        darkest=int(grey.min()),
        brightest=int(grey.max()),
    )


def _damage(error: Exception, ended: bool) -> Flaw:
    code, what = ("undecodable", "cannot be decoded") if ended else ("truncated", "ends before the image does")
    return Flaw(code, f"{what}: {error}", _RESTORE)


def _name(data: bytes) -> str:
    """What a file is, in words, by its first bytes."""
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:64]
    return next((name for magic, name in _FOREIGN if start.startswith(magic)), f"a file that begins {data[:8]!r}")
