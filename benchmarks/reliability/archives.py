"""Row 7: zip archives made to do harm. Nothing is written, no more is unpacked than a member may have, none is used."""

from __future__ import annotations

import stat
import struct
import tempfile
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.samples import HEADER, jpeg, row
from skineval.base.errors import DataError
from skineval.data.files.zip_archives import MAX_BYTES, MAX_MEMBERS
from skineval.data.layouts import recognise
from skineval.data.quality.check import check

ROW = 7
NAME = "ISIC_0000000.jpg"
MAX_MB = 200  #: of memory for an archive with a million members
BOMB = 50_000_000  #: bytes that a small member unpacks to

_ENTRY = struct.Struct("<4s6H3I5H2I")  #: an entry in the list of members
_END = struct.Struct("<4s4H2IH")  #: what ends an archive


@dataclass(frozen=True)
class Case:
    """A hostile archive: how it is made, and the code under which it is reported."""

    fault: str
    make: Callable[[Path], None]
    code: str


@dataclass
class Unpacked:
    """How many bytes came out of the decompressor."""

    most: int = 0  #: of one member


def measure() -> list[Outcome]:
    """Every hostile archive, alone in a folder with metadata, read by the check and by the loader."""
    with tempfile.TemporaryDirectory() as folder:
        cases = [outcome(case, Path(folder, f"case{number}")) for number, case in enumerate(CASES)]
        return [*cases, crowded(Path(folder, "crowd")), legitimate(Path(folder, "zip64"))]


def outcome(case: Case, folder: Path) -> Outcome:
    data = _folder(folder)
    case.make(data / "images.zip")
    before = _everything(folder)
    with _watched() as unpacked:
        checked = check(data, recognise.load)
        loaded = _loads(data)
    outside = len(_everything(folder) - before)
    named = any(finding.code == case.code for finding in checked.errors)
    return Outcome(
        ROW,
        case.fault,
        f"{case.code if named else 'not named'}, {'loaded' if loaded else 'not loaded'}; files written {outside}; "
        f"unpacked {unpacked.most:,} bytes",
        named and not loaded and not outside and unpacked.most <= len(jpeg()) + 1,
    )


def _folder(folder: Path) -> Path:
    """A folder inside `folder`, so that what leads out of it lands where it is seen."""
    data = folder / "a" / "b" / "data"
    data.mkdir(parents=True)
    (data / "HAM10000_metadata.csv").write_text(f"{HEADER}\n{row(0)}\n")
    return data


def _everything(folder: Path) -> set[Path]:
    return {*folder.rglob("*"), *Path.cwd().iterdir(), *Path(tempfile.gettempdir()).glob("skineval-evil*")}


def _loads(data: Path) -> bool:
    """Whether the data set is read, pixels included."""
    try:
        recognise.load(data).images.pixels([0], 8)
    except DataError:
        return False
    return True


@contextmanager
def _watched() -> Iterator[Unpacked]:
    """Count what is unpacked meanwhile."""
    unpacked = Unpacked()
    real = zlib.decompressobj

    class Counting:
        def __init__(self, *arguments: int) -> None:
            self._real = real(*arguments)

        def decompress(self, data: bytes, limit: int = 0) -> bytes:
            result = self._real.decompress(data, limit)
            unpacked.most = max(unpacked.most, len(result))
            return result

    with patch("skineval.data.files.stored_files.zlib.decompressobj", Counting):
        yield unpacked


def write(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> None:
    """An archive of these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


def _named(name: str) -> Callable[[Path], None]:
    """An archive of a photograph under that name, written as it stands."""

    def make(path: Path) -> None:
        # `zipfile` would change some of these names: a stand-in of the same length is replaced afterwards.
        stand_in = "x" * len(name.encode())
        write(path, [(stand_in, jpeg())])
        path.write_bytes(path.read_bytes().replace(stand_in.encode(), name.encode()))

    return make


def _link(path: Path) -> None:
    info = zipfile.ZipInfo(NAME)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    write(path, [(info, b"/etc/passwd")])


def _twice(path: Path) -> None:
    write(path, [(NAME, jpeg()), ("ISIC_9999999.jpg", jpeg() + b"other")])
    path.write_bytes(path.read_bytes().replace(b"ISIC_9999999.jpg", NAME.encode()))


def _bomb(path: Path) -> None:
    write(path, [(NAME, bytes(BOMB))])


def _patched(offset: int, value: bytes, source: Callable[[Path], None]) -> Callable[[Path], None]:
    """The archive that `source` makes, with some bytes of the first entry in its list of members replaced."""

    def make(path: Path) -> None:
        source(path)
        content = bytearray(path.read_bytes())
        at = content.index(b"PK\x01\x02") + offset
        content[at : at + len(value)] = value
        path.write_bytes(content)

    return make


def _photograph(path: Path) -> None:
    write(path, [(NAME, jpeg())])


def _overlapping(path: Path) -> None:
    """Many members that share the bytes of one."""
    _photograph(path)
    content = path.read_bytes()
    start = content.index(b"PK\x01\x02")
    entry = content[start : content.index(b"PK\x05\x06")]
    others = [entry.replace(NAME.encode(), f"ISIC_{number:07d}.jpg".encode()) for number in range(1, 1000)]
    listed = entry + b"".join(others)
    path.write_bytes(content[:start] + listed + _end(1000, len(listed), start))


def _end(members: int, size: int, start: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, min(members, 0xFFFF), min(members, 0xFFFF), size, start, 0)


def _cut(path: Path) -> None:
    _photograph(path)
    path.write_bytes(path.read_bytes()[:-30])


def _nested(path: Path) -> None:
    inner = path.with_name("inner.zip")
    _photograph(inner)
    write(path, [("inner.zip", inner.read_bytes())])
    inner.unlink()


CASES = (
    Case("name that climbs out: ../../", _named(f"../../{NAME}"), "zip-unsafe-name"),
    Case("absolute name", _named(f"{tempfile.gettempdir()}/skineval-evil.jpg"), "zip-unsafe-name"),
    Case("drive letter", _named(f"C:{NAME}"), "zip-unsafe-name"),
    Case("backslashes", _named(f"..\\..\\{NAME}"), "zip-unsafe-name"),
    Case("NUL in a name", _named(f"{NAME}\0.txt"), "zip-unsafe-name"),
    Case("symbolic link", _link, "zip-link"),
    Case("one name twice", _twice, "zip-repeated-name"),
    Case("1000:1 bomb", _bomb, "zip-bomb"),
    Case("bomb that says it has 10 bytes", _patched(24, struct.pack("<I", 10), _bomb), "unreadable"),
    Case(
        "member that says it has too many bytes",
        _patched(24, struct.pack("<I", MAX_BYTES + 1), _photograph),
        "zip-too-large",
    ),
    Case("1,000 members that share their bytes", _overlapping, "zip-overlap"),
    Case("encrypted", _patched(8, b"\x01", _photograph), "zip-encrypted"),
    Case("unknown compression", _patched(10, b"\x63", _photograph), "zip-method"),
    Case("wrong checksum", _patched(16, b"\0\0\0\0", _photograph), "unreadable"),
    Case("list of members cut off", _cut, "zip-unreadable"),
    Case("archive in an archive", _nested, "missing-image"),
)


def crowd(path: Path, members: int) -> None:
    """An archive that lists that many empty members, and holds none."""
    names = (f"{number:07d}".encode() for number in range(members))
    entries = b"".join(
        _ENTRY.pack(b"PK\x01\x02", 20, 20, *[0] * 4, *[0] * 3, 7, *[0] * 4, 0, 0) + name for name in names
    )
    path.write_bytes(entries + _end(members, len(entries), 0))


def crowded(folder: Path) -> Outcome:
    """A million members, and a few more than are allowed."""
    found = []
    most, started = 0.0, time.perf_counter()
    for members in (1_000_000, MAX_MEMBERS + 1):
        data = _folder(folder / str(members))
        crowd(data / "images.zip", members)
        tracemalloc.start()
        findings = check(data, recognise.load).errors
        most = max(most, tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
        found.append(any(finding.code == "zip-too-many" for finding in findings))
    seconds = time.perf_counter() - started
    return Outcome(
        ROW,
        f"archives of 1,000,000 and of {MAX_MEMBERS + 1:,} members",
        f"{sum(found)}/2 refused; at most {most:.0f} MB, {seconds:.1f} s for both, making them included",
        all(found) and most < MAX_MB,
    )


def legitimate(folder: Path) -> Outcome:
    """What is in good order is read: 64-bit sizes, an archive behind a program, folders, what macOS adds."""
    data = _folder(folder)
    path = data / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("part/", b"")
        archive.writestr("__MACOSX/part/._x.jpg", b"x")
        with archive.open(zipfile.ZipInfo(f"./part/{NAME}"), "w", force_zip64=True) as member:
            member.write(jpeg())
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())
    checked = check(data, recognise.load)
    loaded = _loads(data)
    figure = f"{len(checked.errors)} errors, {'loaded' if loaded else 'not loaded'}"
    return Outcome(
        ROW, "zip64, a program in front, folders, __MACOSX: all in good order", figure, loaded and not checked.errors
    )
