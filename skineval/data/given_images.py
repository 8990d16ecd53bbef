"""Images that anybody gives: files, folders, zip archives, and lists of these, in the order in which they are given."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from skineval.base.errors import UsageError, plural
from skineval.data.files.formats import NAMES, SUFFIXES, format_of
from skineval.data.files.stored_files import StoredFile, convert, is_archive, natural, survey
from skineval.data.findings import Finding
from skineval.data.layouts.pictures import is_mask, look_like_masks

_CHUNK = 1 << 16  #: bytes of a list that are read at a time
_LONGEST = 1 << 16  #: bytes of a path: systems take 4,096, and members of archives have names as well
_UNREAD = "unread-format"  #: code of a finding: images in a folder that no loader reads
_MASKS = "masks"  #: code of a finding: images in a folder that are outlines of lesions, by their names


@dataclass(frozen=True)
class GivenImage:
    """A file that is to be looked at as an image."""

    name: str  #: as it was given; below a folder or in an archive, behind the name of that as it was given
    file: StoredFile


#: An image, or what is wrong with a place where images were to be found.
Given: TypeAlias = GivenImage | Finding


def given_images(paths: Iterable[str]) -> Iterator[Given]:
    """The images that `paths` name, one path after the other, as they are asked for.

    A file that is named is an image, whatever it is called. Below a folder those are that are called like one, members
    of zip archives among them, in natural order, but nothing hidden and no masks. What is wrong with a path, a folder
    or an archive is a finding; remarks among them keep no image from being looked at.
    """
    for path in paths:
        yield from _given(path)


def _given(text: str) -> Iterator[Given]:
    path = Path(text)
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:  # a name with NUL is a ValueError
        yield _unreachable(text, error)
        return
    file = StoredFile(path, "", size, None)
    if path.is_file() and not is_archive(file):
        yield GivenImage(text, file)
    elif path.is_file() or path.is_dir():
        yield from _below(text, path)
    else:
        yield Finding("not-a-file", text, "is neither a file nor a folder", "Save it as a file, and name that.")


def _below(text: str, root: Path) -> Iterator[Given]:
    """What lies in a folder or in an archive."""
    files, findings = survey(root)
    outer = text if root.is_dir() else os.path.dirname(text)  # noqa: PTH120 - a Path would not keep it as it is written
    for one in findings:
        yield Finding(one.code, os.path.join(outer, one.where), one.what, one.hint, one.severity)  # noqa: PTH118
    unread = convert(files)
    if unread:
        yield Finding(_UNREAD, text, "holds images that are left out", unread.strip(), "remark")
    pictures = [file for file in files if file.inner.suffix.lower() in SUFFIXES]
    masks = {*filter(is_mask, pictures), *look_like_masks(pictures)}
    if masks:
        what = f"holds {plural(len(masks), 'image')} called like masks, which are left out"
        yield Finding(_MASKS, text, what, "Name those that are photographs, file by file.", "remark")
    images = [(file.listed(root), file) for file in pictures if file not in masks]
    for name, file in sorted(images, key=lambda one: [natural(part) for part in one[0].split("/")]):
        yield GivenImage(os.path.join(outer, name), file)  # noqa: PTH118


def _unreachable(text: str, error: OSError | ValueError) -> Finding:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Finding("not-there", text, "is not there", "Correct the path.")
    what = f"cannot be looked at: {getattr(error, 'strerror', None) or error}"
    return Finding("unreadable-path", text, what, "Give yourself the right to read it, or correct the path.")


def read_list(stream: BinaryIO) -> Iterator[str]:
    """The paths in a list, as soon as each has been read: one a line, or each ended by NUL, as `find -print0` does.

    Raises UsageError for what is no list of paths: the content of an image or of an archive, or lines without end.
    """
    rest, mark, begun = b"", b"", False
    while chunk := stream.read1(_CHUNK):  # type: ignore[attr-defined]  # of what is not read at once, what is there
        if not begun:
            _refuse_content(chunk)
            chunk, begun = chunk.removeprefix(codecs.BOM_UTF8), True
        rest += chunk
        mark = b"\0" if b"\0" in rest else mark or b"\n"
        *whole, rest = rest.split(mark)
        yield from _paths(whole, mark)
        if len(rest) > _LONGEST:
            raise UsageError(f"The list of paths has one of more than {_LONGEST:,} bytes.", _WANTED)
    yield from _paths([rest], mark)


_WANTED = "Give a list of paths, one a line."


def _paths(names: Iterable[bytes], mark: bytes) -> Iterator[str]:
    for name in names:
        path = name if mark == b"\0" else name.removesuffix(b"\r")
        if path:
            yield os.fsdecode(path)


def _refuse_content(start: bytes) -> None:
    """Raise UsageError for a file in place of a list of files."""
    found = format_of(start)
    kind = "zip archive" if start.startswith(b"PK\x03\x04") else f"{found.name} image" if found else ""
    if kind and kind != "BMP image":  # which begins with two letters, as a path may
        raise UsageError(
            f"Standard input is the content of a {kind}, not a list of paths.",
            f"Save it as a file, and name that: a {NAMES} image, a zip archive, or a folder.",
        )
