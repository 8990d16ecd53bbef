"""The file of a pixel store and what lies beside it: what it holds, and whether it still holds it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from skineval.base.codec import read_json
from skineval.base.errors import DataError
from skineval.base.places import File, Place
from skineval.base.terms import Fit
from skineval.data.pixels.threads import in_order

MISSING = "missing"
SUFFIX = ".uint8"

#: Bytes that are decoded by one thread at a time and covered by one checksum; at most `CHUNK_ROWS` images.
CHUNK_BYTES = 4_000_000
CHUNK_ROWS = 64
LINE = 9  #: bytes of a line of the journal

Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class StoreFile(Place):
    """Where a store lies: `path` holds the pixels, images one after the other, each (size, size, 3) uint8 RGB.

    The files beside it have the same name with another suffix.
    """

    #: What the pixels are of, with their checksums, as JSON; its time of change is when the store was last used.
    about = File(".json")
    part = File(".part")  #: pixels that are being made, or were when their maker was stopped
    journal = File(".journal")  #: one line for every chunk in the part: its checksum
    #: Held by the process that makes the pixels. It is never removed: another one may be about to take it.
    lock = File(".lock")
    builder = File(".builder")  #: which process holds the lock, for those who wait

    def named(self, name: str) -> Path:
        """The file beside it with that suffix."""
        return self.path.with_suffix(name)

    def journal_lines(self) -> int:
        """Chunks that are finished, by the journal; 0 where there is none."""
        try:
            return self.journal.stat().st_size // LINE
        except OSError:
            return 0


@dataclass(frozen=True)
class About:
    """What a store holds."""

    format: Literal[2]  #: raise it when the same images would be stored differently
    data: str  #: name of the data set
    fingerprint: str  #: of the data set
    images: int
    size: int  #: pixels a side
    fit: Fit
    decoder: str
    made: str  #: ISO 8601, UTC
    crc32: tuple[int, ...]  #: of each chunk

    @property
    def shape(self) -> Shape:
        """(N, size, size, 3)."""
        return (self.images, self.size, self.size, 3)


def damage(file: StoreFile, shape: Shape | None = None) -> str:
    """What is wrong with a store: "" where nothing is, `MISSING` where there is none.

    Every byte is read and compared with its checksum: a flipped bit is found whatever the clock says of the file. The
    expected `shape` is that of the JSON file by default.
    """
    if not file.path.exists():
        return MISSING
    try:
        about = read_json(About, file.about, "")
        expected = shape or about.shape
        if about.shape != expected or file.path.stat().st_size != math.prod(expected):
            return "of the wrong size"
        found = tuple(checksums(file.path, expected, len(chunks(expected))))
    except (OSError, DataError) as error:
        return f"unreadable ({str(error).rstrip('.')})"
    return "" if found == about.crc32 else "damaged"


def chunks(shape: Shape) -> list[range]:
    """The rows of a store in the pieces that are made and checked together."""
    n = shape[0]
    rows = max(1, min(CHUNK_ROWS, CHUNK_BYTES // math.prod(shape[1:])))
    return [range(start, min(start + rows, n)) for start in range(0, n, rows)]


def checksums(path: Path, shape: Shape, count: int) -> Generator[int]:
    """The CRC-32 of each of the first `count` chunks that lie in a file, in order, computed with all cores.

    Read, not mapped: the pages of a map would count as memory of this process until the system wants them back.
    """
    image = math.prod(shape[1:])

    def checksum(rows: range) -> int:
        with path.open("rb") as file:
            file.seek(rows.start * image)
            return zlib.crc32(file.read(len(rows) * image))

    yield from in_order(checksum, chunks(shape)[:count])


def finished_chunks(file: StoreFile, shape: Shape) -> tuple[int, ...]:
    """The checksums of the chunks that an interrupted builder left whole in the part, from the first one on.

    What was written last may be lost or torn, in the part and in the journal: only what both agree upon counts.
    """
    kept: list[int] = []
    try:
        rows = file.part.stat().st_size // math.prod(shape[1:])
        whole = sum(chunk.stop <= rows for chunk in chunks(shape))
        lines = file.journal.read_bytes().splitlines(keepends=True)[:whole]
        with closing(checksums(file.part, shape, len(lines))) as found:
            for line, checksum in zip(lines, found, strict=True):
                if line != journal_line(checksum):
                    break
                kept.append(checksum)
    except OSError:
        return ()
    return tuple(kept)


def journal_line(checksum: int) -> bytes:
    """The line of a finished chunk."""
    return b"%08x\n" % checksum
