from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.base.errors import DataError
from skineval.base.files import DiskError
from skineval.data.files import checksums
from skineval.data.files.stored_files import scan
from skineval.data.findings import Finding
from tests.data.folders import write_files, write_zip

FILES = {"plain.txt": b"one", "two words.jpg": b"two", "deep/er/ünï.png": b"three", "back\\slash\nnew": b"four"}
DIGEST = hashlib.sha256(b"x").hexdigest()
OTHER = hashlib.sha256(b"y").hexdigest()


def listed(folder: Path) -> dict[str, str]:
    return {file.listed(folder): checksums.checksum(file) for file in scan(folder)}


needs_sha256sum = pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum")


@needs_sha256sum
def test_sha256sum_verifies_what_was_written(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "data", FILES)
    assert checksums.write(tmp_path / "SHA256SUMS", listed(folder), replace=False) == len(FILES)
    command = ["sha256sum", "--check", "--strict", str(tmp_path / "SHA256SUMS")]
    assert subprocess.run(command, cwd=folder, capture_output=True).returncode == 0
    (folder / "plain.txt").write_bytes(b"on3")
    assert subprocess.run(command, cwd=folder, capture_output=True).returncode != 0


@needs_sha256sum
def test_what_sha256sum_wrote_is_read(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "data", FILES)
    for arguments in ([], ["--binary"]):
        with (tmp_path / "sums").open("wb") as opened:
            names = [f"./{name}" for name in FILES]
            subprocess.run(["sha256sum", *arguments, *names], cwd=folder, stdout=opened, check=True)
        assert checksums.read(tmp_path / "sums") == listed(folder)


def test_members_of_archives_are_listed_below_them(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {"in/x.jpg": b"x"})
    assert listed(tmp_path) == {"a.zip/in/x.jpg": DIGEST}


def test_a_file_that_cannot_be_read_has_no_checksum(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"x": b"some text"}, compression=0)
    archive.write_bytes(archive.read_bytes().replace(b"some text", b"same text"))
    found = listed(tmp_path)
    assert found == {"a.zip/x": checksums.UNREADABLE}
    assert checksums.write(tmp_path / "sums", {**found, "y": DIGEST}, replace=False) == 1
    assert checksums.read(tmp_path / "sums") == {"y": DIGEST}
    (finding,) = checksums.verify({"a.zip/x": DIGEST}, found)
    assert finding.code == "manifest-changed"
    assert "cannot be read" in finding.what


def codes(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(finding.code, finding.where, finding.severity) for finding in findings]


def test_changed_missing_and_new_files_are_told_apart() -> None:
    promised = {"same": DIGEST, "changed": DIGEST, "gone": DIGEST}
    found = {"same": DIGEST, "changed": OTHER, "new": DIGEST}
    assert codes(checksums.verify(promised, found)) == [
        ("manifest-changed", "changed", "error"),
        ("manifest-missing", "gone", "error"),
        ("manifest-new", "new", "remark"),
    ]


def test_members_of_an_archive_that_is_listed_itself_are_not_new() -> None:
    found = {"a.zip": DIGEST, "a.zip/x.jpg": OTHER, "b.zip/x.jpg": OTHER}
    assert codes(checksums.verify({"a.zip": DIGEST}, found)) == [("manifest-new", "b.zip/x.jpg", "remark")]


BAD = {
    "empty": ("", "holds no checksum"),
    "short": (f"{DIGEST[:-1]}  a\n", "line 1 is not a checksum and a name"),
    "no name": (f"{DIGEST}  a\n{DIGEST}\n", "line 2 is not a checksum"),
    "web page": ("<html>\n", "line 1 is not a checksum"),
    "climbing": (f"{DIGEST}  ../a\n", "line 1: '../a' leads out of the folder"),
    "absolute": (f"{DIGEST}  /etc/passwd\n", "'/etc/passwd' leads out"),
    "NUL": (f"{DIGEST}  a\0b\n", "leads out of the folder"),
    "two of one": (f"{DIGEST}  a\n{OTHER}  ./a\n", "line 2: a second checksum of 'a'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_manifests_are_refused_with_their_line(tmp_path: Path, case: str) -> None:
    text, words = BAD[case]
    path = tmp_path / "sums"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        checksums.read(path)
    assert str(path) in caught.value.message
    assert words in caught.value.message
    assert caught.value.hint


def test_blank_lines_bom_capitals_and_crlf_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "sums"
    path.write_bytes(b"\xef\xbb\xbf\r\n" + DIGEST.upper().encode() + b" *a b\r\n\r\n")
    assert checksums.read(path) == {"a b": DIGEST}


def test_no_such_manifest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent cannot be read"):
        checksums.read(tmp_path / "absent")


def test_a_manifest_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DiskError, match="Cannot write"):
        checksums.write(tmp_path / "file" / "sums", {"a": DIGEST}, replace=False)


# Names as the file system may hold them: also bytes that are no UTF-8, which Python shows as lone surrogates.
parts = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]) | st.just("\udcff"), min_size=1)
names = st.lists(parts.filter(lambda part: part not in (".", "..")), min_size=1, max_size=3).map("/".join)


@given(st.dictionaries(names, st.binary(min_size=32, max_size=32).map(bytes.hex), min_size=1))
def test_every_name_comes_back(tmp_path_factory: pytest.TempPathFactory, known: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("sums") / "sums"
    assert checksums.write(path, known, replace=False) == len(known)
    assert checksums.read(path) == known
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    assert len(lines) == len(known)
