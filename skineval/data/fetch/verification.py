"""Whether a file is what its repository promised: how it begins, how long it is, its checksums, its rows."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["zip", "table", "file"]
OURS = "sha256"  #: computed of every file, whatever the repository gives

_BLOCK = 1 << 20
_PAGE = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--")


@dataclass(frozen=True)
class Checksum:
    """A digest of the whole content; `algorithm` is a name that hashlib knows, `value` is in lower-case hex."""

    algorithm: str
    value: str
    truncated: bool = False  #: only its first digits are known

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}{'...' if self.truncated else ''}"

    def fits(self, digest: str) -> bool:
        """Whether a whole digest is the one that was promised."""
        return digest[: len(self.value)] == self.value if self.truncated else digest == self.value


@dataclass(frozen=True)
class Promise:
    """What is known of a file before it is there.

    A table need not have one of the checksums: a repository that converts tables may give the checksum of another
    representation than the one it sends.
    """

    kind: Kind
    size: int | None  #: bytes
    checksums: tuple[Checksum, ...]  #: any one of them will do
    least_rows: int = 1  #: of a table, its header not counted

    @property
    def expected(self) -> str:
        """Size and checksum, for a message."""
        size = [f"{self.size} bytes"] if self.size is not None else []
        return ", ".join([*size, *map(str, self.checksums[:1])])


@dataclass(frozen=True)
class Verified:
    """What a file was found to be."""

    size: int  #: bytes
    sha256: str
    by: str  #: what proves it: the name of an algorithm, or "N rows"


class Mismatch(Exception):  # noqa: N818 - it is the caller who knows what it means
    """A file that is not what was promised; the text says what is wrong with it."""


def verify(path: Path, promise: Promise, progress: Callable[[int], None] = lambda done: None) -> Verified:
    """Read the file at `path` once and hold it against `promise`.

    `progress` is called with the number of bytes read so far; what it raises ends the reading. Raises Mismatch, or
    OSError where the file cannot be read.
    """
    size = path.stat().st_size
    if promise.size is not None and size != promise.size:
        raise Mismatch(f"it has {size} bytes instead of {promise.size}")
    with path.open("rb") as file:
        wrong = wrong_start(file.read(64), promise.kind)
    if wrong:
        raise Mismatch(f"it {wrong}")
    found = digests(path, {OURS, *(checksum.algorithm for checksum in promise.checksums)}, progress)
    for checksum in promise.checksums:
        if checksum.fits(found[checksum.algorithm]):
            return Verified(size, found[OURS], checksum.algorithm)
    if promise.kind == "table":
        return Verified(size, found[OURS], f"{_count_rows(path, promise.least_rows)} rows")
    first = promise.checksums[0]
    raise Mismatch(f"its {first.algorithm} is {found[first.algorithm]} instead of {first.value}")


def wrong_start(head: bytes, kind: Kind) -> str:
    """What the first bytes show to be wrong, as the rest of a sentence; "" where they may be right, few as they are."""
    if not head:
        return "is empty"
    if head.lstrip().lower().startswith(_PAGE):
        return "is a web page"
    if kind == "zip" and not (head.startswith(b"PK") or head == b"P"):
        return "is not a zip archive"
    return ""


def digests(path: Path, algorithms: Collection[str], progress: Callable[[int], None]) -> Mapping[str, str]:
    """The digests of a file in lower-case hex, computed in one reading."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    done = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            for digest in hashes.values():
                digest.update(block)
            done += len(block)
            progress(done)
    return {name: digest.hexdigest() for name, digest in hashes.items()}


def _count_rows(path: Path, least: int) -> int:
    """The rows of a comma- or tab-separated table, its header not counted. Raises Mismatch for what is no table."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = "\t" if "\t" in file.readline() else ","
            file.seek(0)
            rows = csv.reader(file, delimiter=delimiter, strict=True)
            header = next(rows, [])
            count = 0
            for count, row in enumerate((row for row in rows if row), start=1):
                if len(row) != len(header):
                    raise Mismatch(f"row {count + 1} has {len(row)} fields and its header {len(header)}")
    except (UnicodeDecodeError, csv.Error) as error:
        raise Mismatch(f"it is no table: {error}") from error
    if len(header) < 2:
        raise Mismatch("it is no table: its first line names no columns")
    if count < least:
        raise Mismatch(f"it has {count} rows; there are {least} at least")
    return count
