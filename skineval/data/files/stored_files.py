"""Files as they lie on disk: plain ones, and members of zip archives.

What is known of a file is all that reading it takes: nothing stays open, so threads and forked workers can read it too.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from skineval.base.errors import DataError, first_few
from skineval.data.files.formats import NAMES, SUFFIXES, UNREAD
from skineval.data.files.zip_archives import LOCAL_HEADER, MAX_BYTES, NESTED, OTHERS, ignored, list_members
from skineval.data.findings import Finding

TABLES = (".csv", ".tab", ".tsv", "")  #: suffixes of tables, of metadata too; the best first
_NOWHERE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR)  #: errors of a link of which the target is not there
#: What a link to nowhere is called that may have led to images, a table, or a folder of them.
_MISSED = (*SUFFIXES, *UNREAD, ".zip", ".npz", *TABLES)
#: DCMTK 3.6.9 calls the program so, and dcmj2pnm those before it (support.dcmtk.org/docs/dcm2img.html).
_FROM_DICOM = (
    "save each file of DICOM as a PNG or JPEG image, as with DCMTK (dcm2img --write-png IN.dcm OUT.png, or dcmj2pnm in "
    "versions before 3.6.9). "
)
_MAGIC = b"PK\x03\x04"  #: what the header before each member of a zip archive begins with


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
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def inner(self) -> Path:
        """The path whose last part is the file's own name."""
        return Path(self.member) if self.member else self.path

    def below(self, root: Path) -> Path:
        """Where it lies below the folder `root`, or in the file `root`; an archive counts as a folder of its stem."""
        outer = Path(root.name) if self.path == root else self.path.relative_to(root)
        return outer.with_suffix("") / self.member if self.member else outer

    def listed(self, root: Path) -> str:
        """Its name in a list of the files below `root`, with slashes; a member stands below its archive."""
        outer = Path(root.name) if self.path == root else self.path.relative_to(root)
        return str(PurePosixPath(f"{outer.as_posix()}/{self.member}"))

    def read(self) -> bytes:
        """The content. Raises DataError, naming the file, where it cannot be read or is not what it was."""
        if self.size > MAX_BYTES:
            raise DataError(f"{self.name} has {self.size} bytes, too many to be meant.", "Remove the file.")
        try:
            content = self._unpack() if self.member else self._load()
        except (OSError, zlib.error) as error:
            raise DataError(f"{self.name} cannot be read: {error}.", "Restore the file.") from error
        if self.crc is not None and (len(content) != self.size or zlib.crc32(content) != self.crc):
            raise DataError(f"{self.name} does not have the content that its checksum promises.", "Restore the file.")
        return content

    def _load(self) -> bytes:
        with self.path.open("rb") as opened:
            # Python sets aside as much memory as is asked for.
            content = opened.read(min(os.fstat(opened.fileno()).st_size, MAX_BYTES) + 1)
        if len(content) > MAX_BYTES:
            raise OSError("it has grown too large")
        return content

    def _unpack(self) -> bytes:
        with self.path.open("rb") as archive:
            archive.seek(self.offset)
            header = archive.read(LOCAL_HEADER)
            if not header.startswith(_MAGIC):
                raise OSError("the archive holds nothing where it says that the file begins")
            # The lengths of name and extra field may differ from those in the central directory.
            archive.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), os.SEEK_CUR)
            packed = archive.read(self.packed)
        if self.method == zipfile.ZIP_STORED:
            return packed
        # One byte more than promised is enough to see that the archive lies about a size, and no bomb goes off.
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, self.size + 1)


def scan(path: Path, without: Collection[str] = ()) -> list[StoredFile]:
    """Every file below the folder `path`, or the file `path`, and every member of the zip archives among them.

    They are in the order of their names. Raises DataError for a folder or link that leads nowhere, and for an archive,
    or a member of one, that cannot be read in place or that nobody in good faith would pack, unless its name without
    suffix is among `without`; and for archives in archives where no images lie outside of them.
    """
    files, findings = survey(path)
    seen = any(file.inner.suffix.lower() in (*SUFFIXES, ".npz") for file in files)
    errors = [
        finding
        for finding in findings
        if (finding.severity == "error" or (finding.code == NESTED and not seen))
        and PurePosixPath(finding.where).stem not in without
    ]
    if errors:
        first = (path if path.is_dir() else path.parent) / errors[0].where
        more = f", and {len(errors) - 1} more like it" if len(errors) > 1 else ""
        raise DataError(f"{first} {errors[0].what}{more}.", errors[0].hint)
    return files


def survey(path: Path) -> tuple[list[StoredFile], list[Finding]]:
    """What `scan` finds, without whatever cannot be read, and a finding for each of those."""
    files: list[StoredFile] = []
    plain, findings = walk(path)
    for file in plain:
        if is_archive(file):
            infos, problems = list_members(file.path, file.listed(path))
            files += [_member(file.path, info) for info in infos]
            findings += problems
        else:
            files.append(file)
    return sorted(files, key=lambda file: (len(file.path.parts), file.path, file.member)), findings


def natural(name: str) -> list[tuple[int, str]]:
    """By what names are put in order as people count: row 9 before row 10."""
    parts = re.split(r"([0-9]+)", name)  # words and numbers in turns
    parts[1::2] = [digits.lstrip("0") for digits in parts[1::2]]
    return [(len(part) if place % 2 else 0, part) for place, part in enumerate(parts)]


def convert(files: Iterable[StoredFile]) -> str:
    """The sentences that tell a person to convert images of formats that are not read; "" where none is there."""
    found = [(file, _is_dicom(file)) for file in files]
    unread = [file.name for file, dicom in found if dicom or file.inner.suffix.lower() in UNREAD]
    if not unread:
        return ""
    how = _FROM_DICOM if any(dicom for _, dicom in found) else f"save them as {NAMES} images. "
    return f"Images of other formats are not read ({first_few(unread)}): {how}"


def _is_dicom(file: StoredFile) -> bool:
    """Whether a file is called like one of DICOM, or has no suffix and begins like one (PS3.10, section 7.1)."""
    if file.inner.suffix or file.member:
        return file.inner.suffix.lower() in (".dcm", ".dicom")
    try:
        with file.path.open("rb") as opened:
            return opened.read(132)[128:] == b"DICM"
    except OSError:
        return False


def is_archive(file: StoredFile) -> bool:
    """Whether a plain file is called like a zip archive, so that its members count and not itself."""
    return not file.member and file.path.suffix.lower() == ".zip"


def is_unread_archive(file: StoredFile) -> bool:
    """Whether a file is called like an archive of another kind, of which nothing is read."""
    return file.inner.suffix.lower() in OTHERS


def walk(path: Path) -> tuple[list[StoredFile], list[Finding]]:
    """Every plain file below the folder `path`, also through links, except what is hidden; or the file `path`.

    With them a finding for each folder that cannot be entered, file that cannot be looked at, and link that leads
    nowhere, where it is called like something that a data set is made of.
    """
    if path.is_file():
        return [StoredFile(path, "", path.stat().st_size, None)], []
    files: list[StoredFile] = []
    errors: list[OSError] = []
    above: dict[Path, frozenset[str]] = {}  # where each folder that is still to be entered lies, links resolved
    for folder, folders, names in os.walk(path, onerror=errors.append, followlinks=True):
        real, outer = os.path.realpath(folder), above.pop(Path(folder), frozenset())
        if real in outer:  # a link led back: what lies here is known
            folders.clear()
            continue
        folders[:] = [name for name in folders if not ignored(name)]
        above |= dict.fromkeys((Path(folder, name) for name in folders), outer | {real})
        for file in (Path(folder, name) for name in names if not ignored(name)):
            try:
                known = file.stat()
            except OSError as error:
                if error.errno not in _NOWHERE or file.suffix.lower() in _MISSED:
                    errors.append(error)
                continue
            if stat.S_ISREG(known.st_mode):
                files.append(StoredFile(file, "", known.st_size, None))
    return files, [_unreachable(path, error) for error in errors]


def _unreachable(root: Path, error: OSError) -> Finding:
    """What is wrong with a file or folder below `root` that the system would not show."""
    path = Path(os.fsdecode(error.filename or root))
    where = path.relative_to(root).as_posix()
    if error.errno in _NOWHERE:
        what = f"is a link to {os.path.realpath(path)}, where nothing is"
        return Finding("broken-link", where, what, "Put there what it should lead to, or remove the link.")
    what = f"cannot be entered or looked at: {error.strerror}"
    return Finding("unreadable-path", where, what, "Give yourself the right to read it, or move it away.")


def _member(path: Path, info: zipfile.ZipInfo) -> StoredFile:
    return StoredFile(
        path, info.orig_filename, info.file_size, info.CRC, info.header_offset, info.compress_size, info.compress_type
    )
