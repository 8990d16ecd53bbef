from __future__ import annotations

import contextlib
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.reliability import archives
from skineval.base.errors import DataError
from skineval.data.files.stored_files import scan, survey
from skineval.data.files.zip_archives import list_members
from skineval.data.layouts import recognise
from tests.data.folders import IDS, JPEGS, ham_folder, metadata, refused, write_files, write_zip


def zipped(folder: Path, **options: int) -> Path:
    write_files(folder, {"HAM10000_metadata.csv": metadata().encode()})
    return write_zip(folder / "images.zip", {f"{id_}.jpg": content for id_, content in JPEGS.items()}, **options)


def test_bad_zip_is_named(tmp_path: Path) -> None:
    archive = zipped(tmp_path)
    archive.write_bytes(archive.read_bytes()[:-30])
    assert recognise.recognise(tmp_path)
    assert f"{archive} is not a zip archive" in refused(tmp_path)


def test_web_page_instead_of_a_zip_is_named(tmp_path: Path) -> None:
    archive = zipped(tmp_path)
    archive.write_text("<html>403 Forbidden</html>")
    assert f"{archive} is not a zip archive" in refused(tmp_path)


def central_directory(content: bytes) -> int:
    return content.index(b"PK\x01\x02")


def patch(path: Path, position: int, new: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[position : position + len(new)] = new
    path.write_bytes(content)


def test_encrypted_member_is_named(tmp_path: Path) -> None:
    archive = zipped(tmp_path)
    patch(archive, central_directory(archive.read_bytes()) + 8, b"\x01")
    assert f"{archive}/{IDS[0]}.jpg is encrypted" in refused(tmp_path)


def test_unusual_compression_is_named(tmp_path: Path) -> None:
    zipped(tmp_path, compression=zipfile.ZIP_LZMA)
    assert "compressed by method 14" in refused(tmp_path)


@pytest.mark.parametrize("claimed", [10, 1_000_000])
def test_member_that_lies_about_its_size_is_refused(tmp_path: Path, claimed: int) -> None:
    archive = zipped(tmp_path)
    patch(archive, central_directory(archive.read_bytes()) + 24, struct.pack("<I", claimed))
    table = recognise.load(tmp_path)
    with pytest.raises(DataError, match=IDS[0]):
        table.images.pixels([0], 8)


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    archive = zipped(tmp_path, compression=zipfile.ZIP_STORED)
    table = recognise.load(tmp_path)
    content = archive.read_bytes()
    start = content.index(JPEGS[IDS[0]])
    positions = np.random.default_rng(0).integers(0, len(JPEGS[IDS[0]]), 200)
    for position in positions:
        patch(archive, start + position, bytes([content[start + position] ^ 0x10]))
        with pytest.raises(DataError, match=IDS[0]):
            table.images.pixels([0], 8)
        archive.write_bytes(content)


def test_image_that_changed_after_loading_is_noticed(tmp_path: Path) -> None:
    table = recognise.load(ham_folder(tmp_path))
    (tmp_path / "images" / f"{IDS[0]}.jpg").write_bytes(JPEGS[IDS[1]])
    (tmp_path / "images" / f"{IDS[1]}.jpg").unlink()
    for row in (0, 1):
        with pytest.raises(DataError, match=IDS[row]):
            table.images.pixels([row], 8)


@pytest.mark.parametrize("case", archives.CASES, ids=lambda case: case.fault)
def test_archives_made_to_do_harm_do_none(tmp_path: Path, case: archives.Case) -> None:
    outcome = archives.outcome(case, tmp_path)
    assert outcome.passed, outcome.figure


def test_archives_of_too_many_members_are_refused_in_little_memory(tmp_path: Path) -> None:
    outcome = archives.crowded(tmp_path)
    assert outcome.passed, outcome.figure


def test_unusual_archives_in_good_order_are_read(tmp_path: Path) -> None:
    outcome = archives.legitimate(tmp_path)
    assert outcome.passed, outcome.figure


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(min_value=0), st.integers(0, 255)), min_size=1, max_size=8), st.integers(0, 60))
@example([(260, 0)], 0)  # of which no member is listed any more
def test_no_archive_raises_anything_but_data_errors(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    archive = zipped(folder)
    content = bytearray(archive.read_bytes())
    listed = central_directory(bytes(content))
    for position, value in changes:
        # Most of the structure is behind the members.
        content[listed + position % (len(content) - listed)] = value
    archive.write_bytes(content[: len(content) - cut])
    files, findings = survey(folder)
    for file in files:
        with contextlib.suppress(DataError):
            assert len(file.read()) == file.size
    if any(finding.severity == "error" for finding in findings):
        with pytest.raises(DataError, match=r"images\.zip"):
            scan(folder)
    else:
        assert scan(folder) == files


def test_a_member_that_cannot_be_read_is_passed_over_where_that_is_wanted(tmp_path: Path) -> None:
    archive = zipped(tmp_path)
    patch(archive, central_directory(archive.read_bytes()) + 8, b"\x01")
    with pytest.raises(DataError, match="encrypted"):
        scan(tmp_path)
    names = [file.inner.name for file in scan(tmp_path, without={IDS[0]})]
    assert names == ["HAM10000_metadata.csv", *(f"{id_}.jpg" for id_ in IDS[1:])]


def test_names_in_lists_are_those_below_the_folder(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a")
    files = scan(tmp_path)
    assert [file.listed(tmp_path) for file in files][:2] == ["a/HAM10000_metadata.csv", f"a/images.zip/{IDS[0]}.jpg"]
    assert scan(archive)[0].listed(archive) == f"images.zip/{IDS[0]}.jpg"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("images\\a.jpg", "has backslashes in its name"),
        ("..\\a.jpg", "outside of the folder"),
        ("/a.jpg", "outside of"),
    ],
)
def test_names_of_members_that_are_not_read_say_why(tmp_path: Path, name: str, what: str) -> None:
    members, (finding,) = list_members(write_zip(tmp_path / "a.zip", {name: b"x"}), "a.zip")
    assert not members
    assert what in finding.what
