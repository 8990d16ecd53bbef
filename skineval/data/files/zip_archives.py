"""Zip archives of unknown origin: which members can be read in place, and what is wrong with the others.

Nothing is ever extracted, so no member can be written anywhere. What an archive says of itself is taken for granted
nowhere: neither how many members it has, nor how large they are, nor where they lie.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from skineval.data.findings import Finding, Flaw

OTHERS = (".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")  #: suffixes of archives that are not read
MAX_BYTES = 256_000_000  #: of one file that is read as a whole
MAX_MEMBERS = 200_000
MAX_DIRECTORY = 32_000_000  #: bytes of the list of members
MAX_RATIO = 200  #: of a member's size to its bytes in the archive
HARMLESS = 10_000_000  #: bytes up to which a member may be packed as tightly as it likes
LOCAL_HEADER = 30  #: bytes before the name in the header that stands before each member

_ENTRY = b"PK\x01\x02"  #: what each entry in the list of members begins with
#: By the Finder of macOS in archives, and by Linux and Windows at the top of a disk, where nobody else may look.
_SYSTEM = ("__MACOSX", "lost+found", "System Volume Information", "$RECYCLE.BIN")
_ENCRYPTED = 0x1
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EXTRACT = "Extract the archive and give the folder."
NESTED = "zip-nested"  #: code of a finding: an archive in an archive
_NESTED = Flaw(
    NESTED,
    "is an archive in an archive, which is not read",
    "Extract the outer one if the inner one is meant: zip files are read where they are, but not inside of others.",
    "remark",
)
_AGAIN = "Download the archive again from a source that you trust; do not extract it."


def list_members(path: Path, name: str) -> tuple[list[zipfile.ZipInfo], list[Finding]]:
    """The members of the archive at `path` that can be read in place, and findings on the others.

    `name` is what findings call the archive. Folders and what the Finder of macOS adds are in neither list. Memory is
    bounded whatever the archive holds.
    """
    try:
        with _Guarded(path.open("rb", buffering=0)) as opened, zipfile.ZipFile(opened) as archive:
            infos, end = archive.infolist(), archive.start_dir
    except _TooManyMembersError:
        what = f"lists more than {MAX_MEMBERS:,} members, or them in more than {MAX_DIRECTORY:,} bytes"
        return [], [Finding("zip-too-many", name, what, _AGAIN)]
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        what = f"is not a zip archive that can be read: {error}"
        return [], [Finding("zip-unreadable", name, what, "Download it again: it may be incomplete.")]
    judged = list(_judged(infos, end, name))
    good = [info for info, problem in judged if problem is None or problem.severity == "remark"]
    findings = [problem for _, problem in judged if problem is not None]
    if not good and not findings:
        findings.append(Finding("zip-empty", name, "holds no file", "Remove it, or download it again.", "remark"))
    return good, findings


def is_nested(info: zipfile.ZipInfo) -> bool:
    """Whether a member is called like a zip archive; it is never read, whatever it holds."""
    return info.orig_filename.lower().endswith(".zip")


def ignored(name: str) -> bool:
    """Whether the name of a file or folder says that it is hidden, or was made by a system for itself."""
    return (name.startswith(".") and name not in (".", "..")) or name in _SYSTEM


class _TooManyMembersError(Exception):
    """More members than anybody packs for this."""


class _Guarded(io.BufferedReader):
    """An archive whose list of members `zipfile` cannot read when it is too long to be held in memory.

    `zipfile` reads the list as a whole and makes an object of each entry, however many there are.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(MAX_DIRECTORY + 1 if size is None or size < 0 else min(size, MAX_DIRECTORY + 1))
        if len(data) > MAX_DIRECTORY or data.count(_ENTRY) > MAX_MEMBERS:
            raise _TooManyMembersError
        return data


def _judged(
    infos: Sequence[zipfile.ZipInfo], end: int, archive: str
) -> Iterator[tuple[zipfile.ZipInfo, Finding | None]]:
    """Each file in an archive with what is wrong with it; `end` is where the members end and the list of them begins.

    Hidden files are passed over, as long as their names lead nowhere else.
    """
    files = [info for info in infos if not _passed_over(info)]
    overlapping = _overlapping(files, end)
    contents: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for info in files:
        contents[info.orig_filename].add((info.file_size, info.CRC))
    for index, info in enumerate(files):
        where = f"{archive}/{info.orig_filename}"
        problem = _unsafe(info.orig_filename) or (_NESTED if is_nested(info) else _problem(info))
        if problem is None and index in overlapping:
            what = "shares its bytes with another member, or lies outside of the archive"
            problem = Flaw("zip-overlap", what, _AGAIN)
        if problem is None and len(contents[info.orig_filename]) > 1:
            what = "is there several times with different content"
            problem = Flaw("zip-repeated-name", what, "Keep one in the archive.")
        yield info, None if problem is None else problem.at(where)


def _passed_over(info: zipfile.ZipInfo) -> bool:
    name = info.orig_filename
    # `ZipInfo.is_dir` fails on a member without a name.
    return _unsafe(name) is None and (name.endswith("/") or any(map(ignored, name.split("/"))))


def _unsafe(name: str) -> Flaw | None:
    slashed = name.replace("\\", "/")
    if not name or slashed.startswith("/") or ".." in slashed.split("/") or _DRIVE.match(name):
        return Flaw("zip-unsafe-name", "would be extracted to a place outside of the folder, or to none", _AGAIN)
    if slashed != name:
        what = "has backslashes in its name, as programs of Windows write against the rules, and is not read"
        return Flaw("zip-unsafe-name", what, "Extract the archive, or pack it again with another program.")
    if _CONTROL.search(name):
        return Flaw("zip-unsafe-name", "has control characters in its name", _AGAIN)
    return None


def _problem(info: zipfile.ZipInfo) -> Flaw | None:
    """What is wrong with a member by itself, but for its name."""
    size, packed = info.file_size, info.compress_size
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return Flaw("zip-link", "is a link or a device, not a file", _AGAIN)
    if info.flag_bits & _ENCRYPTED:
        return Flaw("zip-encrypted", "is encrypted", _EXTRACT)
    if info.compress_type not in _READABLE:
        return Flaw("zip-method", f"is compressed by method {info.compress_type}, which is not read in place", _EXTRACT)
    if max(size, packed) > MAX_BYTES:
        return Flaw("zip-too-large", f"has {max(size, packed):,} bytes, more than {MAX_BYTES:,}", "Remove the file.")
    if size > HARMLESS and size > MAX_RATIO * packed:
        return Flaw(
            "zip-bomb", f"unpacks from {packed:,} to {size:,} bytes, more than {MAX_RATIO} times as many", _AGAIN
        )
    if info.compress_type == zipfile.ZIP_STORED and size != packed:
        return Flaw("zip-size", f"is stored as it is, in {packed:,} bytes, but would have {size:,}", _AGAIN)
    return None


def _overlapping(infos: Sequence[zipfile.ZipInfo], end: int) -> set[int]:
    """The members whose bytes reach into the next one or beyond `end`: that is how a small archive unpacks to anything.

    David Fifield, "A better zip bomb", USENIX Workshop on Offensive Technologies 2019.
    """
    order = sorted(range(len(infos)), key=lambda index: infos[index].header_offset)
    limits = [*(infos[index].header_offset for index in order), end][1:]
    return {
        index
        for index, limit in zip(order, limits, strict=True)
        if not 0 <= infos[index].header_offset <= limit - LOCAL_HEADER - infos[index].compress_size
    }
