from __future__ import annotations

import contextlib
import struct
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skineval.data import layouts
from skineval.data.lesions import COLUMNS, LesionTable
from skineval.errors import DataError
from tests.data.folders import HEADER, IDS, JPEGS, ROWS, encoded, ham_folder, metadata, picture, write_files, write_zip

SEVEN = HEADER.removesuffix(",dataset")


def refused(folder: Path) -> str:
    """The message of the error that loading `folder` ends with."""
    with pytest.raises(DataError) as caught:
        layouts.load(folder)
    assert caught.value.hint
    assert caught.value.exit_code == 3
    return caught.value.message


# --- layouts -------------------------------------------------------------------------------------------------------


def dataverse_zipped(folder: Path) -> None:
    write_files(folder, {"HAM10000_metadata.csv": metadata().encode()})
    half = len(IDS) // 2
    for number, ids in enumerate((IDS[:half], IDS[half:]), start=1):
        compression = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[number - 1]
        archive = folder / f"HAM10000_images_part_{number}.zip"
        write_zip(archive, {f"{id_}.jpg": JPEGS[id_] for id_ in ids} | {"__MACOSX/._x.jpg": b"x"}, compression)


def dataverse_extracted(folder: Path) -> None:
    files = {f"HAM10000_images_part_1/{id_}.jpg": content for id_, content in JPEGS.items()}
    write_files(folder, files | {"HAM10000_metadata.tab": metadata().replace(",", "\t").encode()})


def mixed(folder: Path) -> None:
    write_files(folder, {"HAM10000_metadata": b"\xef\xbb\xbf" + metadata().replace("\n", "\r\n").encode()})
    write_files(folder / "HAM10000_images_part_1", {f"{id_}.JPG": JPEGS[id_] for id_ in IDS[:3]})
    write_zip(folder / "HAM10000_images_part_2.ZIP", {f"deep/er/{IDS[3]}.JPEG": JPEGS[IDS[3]]})


def kaggle(folder: Path) -> None:
    for name in ("HAM10000_images_part_1", "ham10000_images_part_1"):
        write_files(folder / name, {f"{id_}.jpg": content for id_, content in JPEGS.items()})
    write_files(folder, {"HAM10000_metadata.csv": metadata().encode(), "hmnist_8_8_L.csv": b"pixel0000,label\n1,2\n"})


def renamed(folder: Path) -> None:
    write_files(folder, {"sub/labels.tsv": metadata(reversed(ROWS)).replace(",", "\t").encode(), ".hidden.csv": b"x"})
    write_files(folder, {f"{id_}.jpg": content for id_, content in JPEGS.items()})


def one_archive(folder: Path) -> None:
    files = {f"HAM10000_images_part_1/{id_}.jpg": content for id_, content in JPEGS.items()}
    write_zip(folder / "archive.zip", files | {"HAM10000_metadata.csv": metadata().encode()})
    write_files(folder, {"HAM10000.txt": b""})


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> LesionTable:
    return layouts.load(ham_folder(tmp_path_factory.mktemp("reference")))


@pytest.mark.parametrize("lay_out", [dataverse_zipped, dataverse_extracted, mixed, kaggle, renamed, one_archive])
def test_every_layout_is_the_same_table(tmp_path: Path, lay_out: object, reference: LesionTable) -> None:
    lay_out(tmp_path)  # type: ignore[operator]
    assert layouts.recognise(tmp_path)
    table = layouts.load(tmp_path)
    assert table.fingerprint == reference.fingerprint
    assert tuple(table.frame.columns) == COLUMNS
    assert table.frame["image_id"].tolist() == list(IDS)
    assert (table.images.pixels(range(4), 8) == reference.images.pixels(range(4), 8)).all()
    assert table.images.masks([0], 8) is None
    assert table.name == "HAM10000"
    assert not table.synthetic


def test_cells_are_cleaned(reference: LesionTable) -> None:
    frame = reference.frame
    assert frame["age"].tolist()[:2] == [45.0, 45.0]
    assert frame["age"].isna().tolist() == [False, False, True, True]
    assert frame["sex"].tolist()[3] == frame["localization"].tolist()[3] == "unknown"
    assert frame["group"].tolist() == frame["lesion_id"].tolist()
    assert "1 ages of 0 taken as unknown" in reference.notes
    assert "no images of akiec, bcc, df, vasc" in reference.notes


def test_seven_columns_do(tmp_path: Path) -> None:
    table = layouts.load(ham_folder(tmp_path, metadata([row.rpartition(",")[0] for row in ROWS], SEVEN)))
    assert set(table.frame["dataset"]) == {"unknown"}


def test_fingerprint_sees_labels_and_pixels(tmp_path: Path, reference: LesionTable) -> None:
    other = ham_folder(tmp_path / "a", metadata().replace("female", "male"))
    changed = ham_folder(tmp_path / "b", images=JPEGS | {IDS[0]: JPEGS[IDS[1]]})
    assert len({reference.fingerprint, layouts.load(other).fingerprint, layouts.load(changed).fingerprint}) == 3


def test_linked_folders_are_followed_once(tmp_path: Path, reference: LesionTable) -> None:
    elsewhere = write_files(tmp_path / "elsewhere", {f"{id_}.jpg": content for id_, content in JPEGS.items()})
    folder = write_files(tmp_path / "data", {"HAM10000_metadata.csv": metadata().encode()})
    (folder / "part_1").symlink_to(elsewhere)
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere.jpg").symlink_to(folder / "absent")
    assert layouts.load(folder).fingerprint == reference.fingerprint


def test_extra_images_are_counted(tmp_path: Path) -> None:
    table = layouts.load(ham_folder(tmp_path, images=JPEGS | {"ISIC_9": JPEGS[IDS[0]]}))
    assert len(table) == 4
    assert "1 images without metadata are ignored" in table.notes


@pytest.mark.parametrize("zipped", [True, False])
def test_masks_are_read_as_grey(tmp_path: Path, zipped: bool) -> None:
    grey = Image.new("L", (20, 15), 0)
    grey.paste(255, (0, 0, 10, 15))
    # In a palette image the index says nothing of the colour: here 0 is white.
    palette = Image.new("P", (20, 15), 1)
    palette.putpalette([255, 255, 255, 0, 0, 0])
    palette.paste(0, (0, 0, 10, 15))
    masks = {
        f"m/{IDS[0]}_segmentation.png": encoded(grey, "PNG"),
        f"m/{IDS[1]}_segmentation.png": encoded(palette, "PNG"),
    }
    folder = ham_folder(tmp_path)
    if zipped:
        write_zip(
            folder / "HAM10000_segmentations_lesion_tschandl.zip", masks | {"__MACOSX/m/._a_segmentation.png": b""}
        )
    else:
        write_files(folder, masks)
    table = layouts.load(folder)
    found = table.images.masks([0, 1, 2], 10)
    assert found is not None
    assert found.dtype == np.bool_
    assert found[:2, :, :5].all()
    assert not found[:2, :, 5:].any()
    assert not found[2].any()
    assert "2 images have no lesion mask" in table.notes
    assert not any("without metadata" in note for note in table.notes)


def test_threads_read_one_archive(tmp_path: Path, reference: LesionTable) -> None:
    dataverse_zipped(tmp_path)
    table = layouts.load(tmp_path)
    expected = reference.images.pixels(range(4), 8)
    with ThreadPoolExecutor(8) as pool:
        for row, pixels in pool.map(lambda n: (n % 4, table.images.pixels([n % 4], 8)), range(200)):
            assert (pixels[0] == expected[row]).all()


def test_other_folders_are_not_recognised(tmp_path: Path) -> None:
    assert not layouts.recognise(tmp_path / "absent")
    assert not layouts.recognise(write_files(tmp_path, {"a.csv": b"x,y\n", "b.csv": b"", "c.jpg": b""}))


# --- bad folders and metadata --------------------------------------------------------------------------------------


def test_no_such_folder(tmp_path: Path) -> None:
    assert "There is no folder" in refused(tmp_path / "absent")
    file = write_files(tmp_path, {"file.csv": b""}) / "file.csv"
    assert f"{file} is not a folder" in refused(file)


def test_no_metadata_says_what_was_looked_for(tmp_path: Path) -> None:
    message = refused(write_files(tmp_path, {"labels.csv": b"image,label\n"}))
    assert "HAM10000_metadata" in message
    assert "lesion_id, image_id, dx" in message
    assert "labels.csv" in message


def test_two_metadata_files_are_ambiguous(tmp_path: Path) -> None:
    message = refused(write_files(tmp_path, {"a.csv": metadata().encode(), "b.csv": metadata().encode()}))
    assert "a.csv" in message
    assert "b.csv" in message


REPLACED = ROWS[1:]
BAD_TABLES = {
    "empty file": ("", ["is empty"]),
    "blank lines": ("\n\n", ["is empty"]),
    "no rows": (metadata(()), ["no rows"]),
    "missing columns": (
        metadata(header="lesion_id,image_id,dx,dx_type,age,sex,where,dataset"),
        ["lacks the column local"],
    ),
    "twice the same column": (metadata(header=f"{SEVEN},dx"), ["two columns of one name"]),
    "short row": (metadata([*REPLACED, "HAM_1,ISIC_1"]), ["1 rows do not have the 8 fields", "row 5 has 2"]),
    "long row": (metadata([f"{ROWS[0]},more"]), ["row 2 has 9"]),
    "open quote": (metadata([*REPLACED, '"HAM_1']), ["is not a CSV file"]),
    "repeated id": (metadata([*ROWS, ROWS[0]]), ["1 rows repeat an image_id: row 6 ISIC_0000001"]),
    "unknown dx": (metadata([*REPLACED, ROWS[0].replace(",nv,", ",nvv,")]), ["row 5 'nvv' (did you mean nv?)"]),
    "written-out dx": (metadata([ROWS[0].replace(",nv,", ",Melanoma,")]), ["row 2 'melanoma' (did you mean mel?)"]),
    "empty dx": (metadata([ROWS[0].replace(",nv,", ",,")]), ["row 2 ''"]),
    "age in words": (metadata([ROWS[0].replace("45.0", "old")]), ["1 rows with an unusable age: row 2 'old'"]),
    "age below 0": (metadata([ROWS[0].replace("45.0", "-5")]), ["row 2 '-5'"]),
    "endless age": (metadata([ROWS[0].replace("45.0", "inf")]), ["row 2 'inf'"]),
    "contradictory lesion": (
        metadata([*ROWS, ROWS[0].replace("0000001,nv", "0000009,mel")]),
        ["1 lesions have several diagnoses: HAM_0000001 is nv (row 2) and mel (row 6)"],
    ),
    "lesion id": (metadata([ROWS[0].replace("HAM_0000001", "=cmd()")]), ["unusable lesion_id: row 2 '=cmd()'"]),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_metadata_is_refused(tmp_path: Path, case: str) -> None:
    text, expected = BAD_TABLES[case]
    message = refused(ham_folder(tmp_path, text))
    assert "HAM10000_metadata.csv" in message
    for words in expected:
        assert words in message


@pytest.mark.parametrize(
    "image_id",
    [
        "../../etc/passwd", "/etc/passwd", "..", ".hidden", "a\0b", "a/b", "a\\b", "C:x", "", " ", "x" * 65, "x" * 300,
        "IS\u0406C_0000001", "ISIC_\u0660", "ISIC\u200b_1", "ISIC_1\u202e", "\u2024\u2024", "[/]", "=1+1", "a b",
        "ISIC_1\x1b",
    ],
)  # fmt: skip
def test_identifiers_that_lead_elsewhere_are_refused(tmp_path: Path, image_id: str) -> None:
    bad = ROWS[0].replace("ISIC_0000001", image_id)
    message = refused(ham_folder(tmp_path, metadata([*REPLACED, bad])))
    assert "1 rows with an unusable image_id: row 5 " in message
    assert "\0" not in message
    assert "\x1b" not in message


def test_many_problems_are_counted_and_few_shown(tmp_path: Path) -> None:
    rows = [f"HAM_{n},ISIC_{n},zz,histo,1,male,back,x" for n in range(90)]
    message = refused(ham_folder(tmp_path, metadata(rows)))
    assert "90 rows with an unknown dx: row 2 'zz', row 3 'zz', row 4 'zz', row 5 'zz', row 6 'zz', ..." in message


def test_blank_lines_count_as_rows(tmp_path: Path) -> None:
    text = metadata([ROWS[1], "", ROWS[0].replace(",nv,", ",zz,")])
    assert "row 4 'zz'" in refused(ham_folder(tmp_path, text))


def test_binary_metadata_is_refused(tmp_path: Path) -> None:
    folder = write_files(tmp_path, {"HAM10000_metadata.csv": metadata().encode("utf-16")})
    assert "is not a CSV file" in refused(folder)


def test_missing_images_are_counted_and_named(tmp_path: Path) -> None:
    message = refused(ham_folder(tmp_path, images={IDS[0]: JPEGS[IDS[0]]}))
    assert "3 images named in the metadata are not in" in message
    assert ", ".join(IDS[1:]) in message


def test_two_versions_of_an_image_are_refused(tmp_path: Path) -> None:
    folder = ham_folder(tmp_path)
    write_files(folder, {f"small/{IDS[0]}.jpg": encoded(picture(0, (8, 6)))})
    assert f"{IDS[0]} is there in several versions" in refused(folder)


# --- bad archives --------------------------------------------------------------------------------------------------


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
    assert f"{archive}:{IDS[0]}.jpg is encrypted" in refused(tmp_path)


def test_unusual_compression_is_named(tmp_path: Path) -> None:
    zipped(tmp_path, compression=zipfile.ZIP_LZMA)
    assert "compressed by method 14" in refused(tmp_path)


@pytest.mark.parametrize("claimed", [10, 1_000_000, 2**31])
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


# --- decoding ------------------------------------------------------------------------------------------------------


def test_resize_is_antialiased_squash() -> None:
    image = Image.fromarray(np.kron(np.indices((40, 30)).sum(0) % 2 * 255, np.ones((2, 2))).astype(np.uint8))
    pixels = layouts.decode_bytes(encoded(image, "PNG"), 8, "board")
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - 127).max() < 25
    expected = picture(3).resize((8, 8), Image.Resampling.BILINEAR)
    assert (layouts.decode_bytes(encoded(picture(3), "PNG"), 8, "x") == np.asarray(expected)).all()


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB", "1"])
def test_colour_modes_of_jpeg(mode: str) -> None:
    image = Image.new("RGB", (16, 16), (255, 255, 255)).convert(mode)
    assert (layouts.decode_bytes(encoded(image.convert("L") if mode == "1" else image), 4, "x") > 250).all()


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1"])
def test_colour_modes_of_png(mode: str) -> None:
    image = Image.new("RGB", (16, 16), (255, 255, 255)).convert(mode)
    assert (layouts.decode_bytes(encoded(image, "PNG"), 4, "x") == 255).all()


def test_exif_orientation_is_applied() -> None:
    image = Image.new("L", (16, 16), 0)
    image.paste(255, (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    pixels = layouts.decode_bytes(encoded(image, "PNG", exif=exif), 4, "x")
    assert (pixels[:2] < 64).all()
    assert (pixels[2:] > 191).all()


def test_png_called_jpg_is_decoded(tmp_path: Path) -> None:
    path = write_files(tmp_path, {"a.jpg": encoded(picture(0), "PNG")}) / "a.jpg"
    assert layouts.decode(path, 4).shape == (4, 4, 3)
    with pytest.raises(DataError, match=r"b\.jpg cannot be read"):
        layouts.decode(tmp_path / "b.jpg", 4)


JPEG = encoded(picture(0, (64, 48)))
WHOLE = {
    "empty": (b"", "is empty"),
    "web page": (b"<html>", "neither a JPEG nor a PNG"),
    "bmp": (encoded(picture(0), "BMP"), "neither a JPEG nor a PNG"),
    "magic only": (JPEG[:3], "cannot be decoded"),
    "cut png": (encoded(picture(0), "PNG")[:-40], "cannot be decoded"),
    "16 bits": (encoded(Image.fromarray(np.full((8, 8), 40_000, np.uint16)), "PNG"), "mode I;16"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_undecodable_content_is_named(case: str) -> None:
    content, words = WHOLE[case]
    with pytest.raises(DataError, match=f"thing.jpg.*{words}"):
        layouts.decode_bytes(content, 8, "thing.jpg")


def test_every_cut_jpeg_is_refused() -> None:
    for length in np.linspace(1, len(JPEG) - 10, 50).astype(int):
        with pytest.raises(DataError, match=r"thing\.jpg"):
            layouts.decode_bytes(JPEG[:length], 8, "thing.jpg")


def test_flipped_bytes_raise_nothing_but_data_errors() -> None:
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(JPEG), 200):
        content = bytearray(JPEG)
        content[position] ^= 1 << int(rng.integers(8))
        with contextlib.suppress(DataError):
            assert layouts.decode_bytes(bytes(content), 8, "x").shape == (8, 8, 3)


def bombs() -> dict[str, bytes]:
    jpeg = bytearray(JPEG)
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = struct.pack(">HH", 60_000, 60_000)
    png = bytearray(encoded(picture(0), "PNG"))
    png[16:24] = struct.pack(">II", 60_000, 60_000)
    png[29:33] = struct.pack(">I", zipfile.crc32(bytes(png[12:29])))
    return {"jpeg": bytes(jpeg), "png": bytes(png)}


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_header_bomb_is_refused_before_decoding(kind: str) -> None:
    started = time.perf_counter()
    with pytest.raises(DataError, match=r"bomb has 60000 x 60000 pixels, more than 50 million"):
        layouts.decode_bytes(bombs()[kind], 8, "bomb")
    assert time.perf_counter() - started < 0.1


# --- real data -----------------------------------------------------------------------------------------------------


def test_real_data_is_complete(real_folder: Path, real_table: LesionTable) -> None:
    frame = real_table.frame
    assert layouts.recognise(real_folder)
    assert len(frame) == 10_015
    assert frame["lesion_id"].nunique() == 7_470
    assert frame["group"].nunique() == 7_470 - 18
    assert frame["dx"].value_counts().sort_index().tolist() == [327, 514, 1099, 115, 1113, 6705, 142]
    assert frame["age"].isna().sum() == 57 + 39
    assert (frame["sex"] == "unknown").sum() == 57
    assert (frame["localization"] == "unknown").sum() == 234
    assert frame.groupby("group")["dx"].nunique().max() == 1
    masks = real_table.images.masks([0, 1], 32)
    assert masks is not None
    assert 0 < masks.mean() < 1


def test_real_data_extracted_has_the_same_fingerprint(
    real_folder: Path, real_table: LesionTable, tmp_path: Path
) -> None:
    for archive in real_folder.glob("HAM10000_images_part_*.zip"):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(tmp_path / archive.stem)
    (tmp_path / "HAM10000_metadata.csv").symlink_to((real_folder / "HAM10000_metadata.csv").resolve())
    assert layouts.load(tmp_path).fingerprint == real_table.fingerprint
