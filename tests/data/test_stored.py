from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from skineval.data import layouts
from skineval.errors import DataError
from tests.data.folders import IDS, JPEGS, ham_folder, metadata, refused, write_files, write_zip


def zipped(folder: Path, **options: int) -> Path:
    write_files(folder, {"HAM10000_metadata.csv": metadata().encode()})
    return write_zip(folder / "images.zip", {f"{id_}.jpg": content for id_, content in JPEGS.items()}, **options)


def test_bad_zip_is_named(tmp_path: Path) -> None:
    archive = zipped(tmp_path)
    archive.write_bytes(archive.read_bytes()[:-30])
    assert layouts.recognise(tmp_path)
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
    table = layouts.load(tmp_path)
    with pytest.raises(DataError, match=IDS[0]):
        table.images.pixels([0], 8)


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    archive = zipped(tmp_path, compression=zipfile.ZIP_STORED)
    table = layouts.load(tmp_path)
    content = archive.read_bytes()
    start = content.index(JPEGS[IDS[0]])
    positions = np.random.default_rng(0).integers(0, len(JPEGS[IDS[0]]), 200)
    for position in positions:
        patch(archive, start + position, bytes([content[start + position] ^ 0x10]))
        with pytest.raises(DataError, match=IDS[0]):
            table.images.pixels([0], 8)
        archive.write_bytes(content)


def test_image_that_changed_after_loading_is_noticed(tmp_path: Path) -> None:
    table = layouts.load(ham_folder(tmp_path))
    (tmp_path / "images" / f"{IDS[0]}.jpg").write_bytes(JPEGS[IDS[1]])
    (tmp_path / "images" / f"{IDS[1]}.jpg").unlink()
    for row in (0, 1):
        with pytest.raises(DataError, match=IDS[row]):
            table.images.pixels([row], 8)
