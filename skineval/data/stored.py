"""Files as they lie on disk: plain ones, and members of zip archives.

What is known of a file is all that reading it takes: nothing stays open, so threads and forked workers can read it too.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from skineval.errors import DataError

MAX_BYTES = 256_000_000  #: of one file that is read as a whole

_LOCAL_HEADER = 30  #: bytes before the name in the header that stands before each member of a zip archive
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class StoredFile:
    """A plain file, or a member of a zip archive."""

    path: Path  #: of the file or of the archive
    member: str  #: name inside the archive; "" for a plain file
    size: int  #: bytes of the content
    crc: int | None  #: CRC-32 of the content; None until it was computed
    offset: int = 0  #: where the member's header begins in the archive
    packed: int = 0  #: bytes of the member in the archive
    method: int = zipfile.ZIP_STORED

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    @property
    def inner(self) -> Path:
        """The path whose last part is the file's own name."""
        return Path(self.member) if self.member else self.path

    def below(self, root: Path) -> Path:
        """Where it lies below the folder `root`, or in the file `root`; an archive counts as a folder of its stem."""
        outer = Path(root.name) if self.path == root else self.path.relative_to(root)
        return outer.with_suffix("") / self.member if self.member else outer

    def read(self) -> bytes:
        """The content. Raises DataError, naming the file, where it cannot be read or is not what it was."""
        if self.size > MAX_BYTES:
            raise DataError(f"{self.name} has {self.size} bytes, too many to be meant.", "Remove the file.")
        try:
            content = self._unpack() if self.member else self.path.read_bytes()
        except (OSError, zlib.error) as error:
            raise DataError(f"{self.name} cannot be read: {error}.", "Restore the file.") from error
        if self.crc is not None and (len(content) != self.size or zlib.crc32(content) != self.crc):
            raise DataError(f"{self.name} does not have the content that its checksum promises.", "Restore the file.")
        return content

    def _unpack(self) -> bytes:
        with self.path.open("rb") as archive:
            archive.seek(self.offset)
            header = archive.read(_LOCAL_HEADER)
            # The lengths of name and extra field may differ from those in the central directory.
            archive.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), os.SEEK_CUR)
            packed = archive.read(self.packed)
        if self.method == zipfile.ZIP_STORED:
            return packed
        # One byte more than promised is enough to see that the archive lies about a size, and no bomb goes off.
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, self.size + 1)


def scan(path: Path) -> list[StoredFile]:
    """Every file below the folder `path`, or the file `path`, and every member of the zip archives among them.

    They are in the order of their names. Raises DataError naming an archive that cannot be read.
    """
    found: list[StoredFile] = []
    for file in walk(path):
        found += _members(file.path) if file.inner.suffix.lower() == ".zip" else [file]
    return sorted(found, key=lambda file: (len(file.path.parts), file.path, file.member))


def walk(path: Path) -> Iterator[StoredFile]:
    """Every plain file below the folder `path`, also through links, except what is hidden; or the file `path`."""
    if path.is_file():
        yield StoredFile(path, "", path.stat().st_size, None)
    seen = set()
    for folder, folders, names in os.walk(path, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = [] if real in seen else [name for name in folders if not _ignored(name)]
        if real in seen:
            continue
        seen.add(real)
        for name in names:
            file = Path(folder, name)
            if _ignored(name):
                continue
            try:
                known = file.stat()
            except OSError:
                continue  # a link to nowhere is no file
            if stat.S_ISREG(known.st_mode):
                yield StoredFile(file, "", known.st_size, None)


def _ignored(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _members(path: Path) -> list[StoredFile]:
    """The files in a zip archive, known from its central directory."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(
            f"{path} is not a zip archive that can be read: {error}.", "Download it again: it may be incomplete."
        ) from error
    infos = [info for info in infos if not any(_ignored(part) for part in Path(info.filename).parts)]
    for info in infos:
        if info.flag_bits & _ENCRYPTED:
            raise DataError(f"{path}:{info.filename} is encrypted.", "Extract the archive and give the folder.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(
                f"{path}:{info.filename} is compressed by method {info.compress_type}, which is not read in place.",
                "Extract the archive and give the folder.",
            )
    return [
        StoredFile(
            path, info.filename, info.file_size, info.CRC, info.header_offset, info.compress_size, info.compress_type
        )
        for info in infos
    ]
