"""SHA-256 checksums of every file of a data set: decoders do not notice a byte that changed inside a photograph.

The text is that of `sha256sum`: a line `<64 hexadecimal digits>  <name>` a file, names relative to the folder. A member
of a zip archive is listed as `archive.zip/member`, which no `sha256sum` reads; plain files it verifies with
`sha256sum --check`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from skineval.base.errors import DataError
from skineval.base.files import write_new
from skineval.data.files.stored_files import StoredFile
from skineval.data.findings import Finding

UNREADABLE = ""  #: in place of the checksum of a file that is there and cannot be read

_LINE = re.compile(r"(\\?)([0-9a-fA-F]{64}) [ *](.+)")
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r"})  # as GNU coreutils write them
_UNESCAPE = re.compile(r"\\([\\nr])")


def checksum(file: StoredFile) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits; `UNREADABLE` where it cannot be read.

    Plain files are read piece by piece, however large they are.
    """
    try:
        if file.member:
            return hashlib.sha256(file.read()).hexdigest()
        with file.path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except (DataError, OSError):
        return UNREADABLE


def write(path: Path, checksums: Mapping[str, str], *, replace: bool) -> int:
    """Write the checksums by name to `path`, sorted by name, as `write_new` does; how many there are.

    Files that cannot be read are left out. Raises DiskError where the file cannot be written.
    """
    readable = sorted((name, digest) for name, digest in checksums.items() if digest != UNREADABLE)
    text = "".join(_line(name, digest) for name, digest in readable)
    write_new(path, text.encode("utf-8", "surrogateescape"), replace=replace)
    return len(readable)


def read(path: Path) -> dict[str, str]:
    """The checksums in the file at `path`, by name.

    Raises DataError naming the line for what is not in the format of `sha256sum`, for names that lead out of the
    folder, and for two checksums of one name.
    """
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        name, digest = _parse(line.removesuffix("\r"), f"{path}, line {number}")
        if found.setdefault(name, digest) != digest:
            raise DataError(f"{path}, line {number}: a second checksum of {name!r}.", "Make the manifest again.")
    if not found:
        raise DataError(f"{path} holds no checksum.", "Make it with: skineval data check DIR --write-manifest FILE")
    return found


def verify(promised: Mapping[str, str], found: Mapping[str, str]) -> list[Finding]:
    """How the files differ from those in a manifest: changed, missing, and (a remark) new ones; by name."""
    result = []
    for name, digest in promised.items():
        if name not in found:
            hint = "Restore it, or make the manifest again."
            result.append(Finding("manifest-missing", name, "is in the manifest and not there", hint))
        elif found[name] != digest:
            what = (
                "cannot be read, so its checksum cannot be verified"
                if found[name] == UNREADABLE
                else f"has changed: its SHA-256 is {found[name][:16]}..., not {digest[:16]}..."
            )
            result.append(Finding("manifest-changed", name, what, "Restore it from a copy that is right."))
    for name in found:
        if name not in promised and not any(str(parent) in promised for parent in PurePosixPath(name).parents):
            hint = "Make the manifest again if it belongs there."
            result.append(Finding("manifest-new", name, "is not in the manifest", hint, "remark"))
    return result


def _line(name: str, digest: str) -> str:
    escaped = name.translate(_ESCAPES)
    return f"{chr(92) if escaped != name else ''}{digest}  {escaped}\n"


def _parse(line: str, where: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise DataError(
            f"{where} is not a checksum and a name: {line[:80]!r}.", "Lines are those of sha256sum: <hex>  <name>."
        )
    escaped, digest, name = match.groups()
    if escaped:
        name = _UNESCAPE.sub(lambda found: {"\\": "\\", "n": "\n", "r": "\r"}[found.group(1)], name)
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or "\0" in name:
        raise DataError(f"{where}: {name[:80]!r} leads out of the folder.", "Names are relative to the data's folder.")
    return str(place), digest.lower()
