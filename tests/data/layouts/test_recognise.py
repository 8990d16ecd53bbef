from __future__ import annotations

import errno
import os
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skineval.base.errors import DataError
from skineval.data.layouts import own_table, recognise
from skineval.data.pixels.decoding import decode_bytes
from skineval.data.quality.check import check
from skineval.values.lesion_table import COLUMNS, LesionTable
from tests.data.folders import (
    IDS,
    JPEGS,
    ROWS,
    encoded,
    ham_folder,
    metadata,
    picture,
    refused,
    write_files,
    write_zip,
)


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
    return recognise.load(ham_folder(tmp_path_factory.mktemp("reference")))


@pytest.mark.parametrize("lay_out", [dataverse_zipped, dataverse_extracted, mixed, kaggle, renamed, one_archive])
def test_every_layout_is_the_same_table(tmp_path: Path, lay_out: object, reference: LesionTable) -> None:
    lay_out(tmp_path)  # type: ignore[operator]
    assert recognise.recognise(tmp_path)
    table = recognise.load(tmp_path)
    assert table.fingerprint == reference.fingerprint
    assert tuple(table.frame.columns) == COLUMNS
    assert table.frame["image_id"].tolist() == list(IDS)
    assert (table.images.pixels(range(4), 8) == reference.images.pixels(range(4), 8)).all()
    assert table.images.masks([0], 8) is None
    assert table.name == "HAM10000"
    assert not table.synthetic


def test_fingerprint_sees_labels_and_pixels(tmp_path: Path, reference: LesionTable) -> None:
    other = ham_folder(tmp_path / "a", metadata().replace("female", "male"))
    changed = ham_folder(tmp_path / "b", images=JPEGS | {IDS[0]: JPEGS[IDS[1]]})
    assert len({reference.fingerprint, recognise.load(other).fingerprint, recognise.load(changed).fingerprint}) == 3


def test_linked_folders_are_followed_once(
    tmp_path: Path, reference: LesionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = write_files(tmp_path / "elsewhere", {f"{id_}.jpg": content for id_, content in JPEGS.items()})
    folder = write_files(tmp_path / "data", {"HAM10000_metadata.csv": metadata().encode()})
    (folder / "part_1").symlink_to(elsewhere)
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere.txt").symlink_to(folder / "absent")
    table = recognise.load(folder)
    assert table.fingerprint == reference.fingerprint
    assert "more than once" not in table.layout
    monkeypatch.chdir(folder)
    assert recognise.load(Path()).layout == table.layout


@pytest.mark.parametrize(("name", "left_out"), [("images/ISIC_0000001.jpg", IDS[:1]), ("images/more", ())])
def test_links_that_lead_nowhere_are_refused(tmp_path: Path, name: str, left_out: tuple[str, ...]) -> None:
    folder = ham_folder(tmp_path / "data")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to("/absent/images")
    assert f"{folder / name} is a link to /absent/images, where nothing is" in refused(folder)
    (error,) = check(folder, recognise.load).errors
    assert (error.code, error.where, error.image_ids) == ("broken-link", name, left_out)


def test_a_folder_that_cannot_be_entered_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"nv/a.jpg": JPEGS[IDS[0]], "mel/b.jpg": JPEGS[IDS[1]], "lost+found/x": b""}
    folder = write_files(tmp_path, files)
    scandir = os.scandir

    def guarded(path: str) -> object:
        if Path(path).name in ("mel", "lost+found"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert f"{folder / 'mel'} cannot be entered or looked at: Permission denied" in refused(folder)
    (error,) = check(folder, recognise.load).errors
    assert (error.code, error.where) == ("unreadable-path", "mel")
    (folder / "mel").rename(folder / ".mel")
    assert len(recognise.load(folder)) == 1


def test_extra_images_are_counted(tmp_path: Path) -> None:
    table = recognise.load(ham_folder(tmp_path, images=JPEGS | {"ISIC_9": JPEGS[IDS[0]]}))
    assert len(table) == 4
    assert "1 image without metadata is ignored" in table.notes


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
    table = recognise.load(folder)
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
    table = recognise.load(tmp_path)
    expected = reference.images.pixels(range(4), 8)
    with ThreadPoolExecutor(8) as pool:
        for row, pixels in pool.map(lambda n: (n % 4, table.images.pixels([n % 4], 8)), range(200)):
            assert (pixels[0] == expected[row]).all()


def test_other_folders_are_not_recognised(tmp_path: Path) -> None:
    assert not recognise.recognise(tmp_path / "absent")
    assert not recognise.recognise(write_files(tmp_path, {"a.csv": b"x,y\n", "b.csv": b"", "c.jpg": b""}))


def test_an_archive_by_itself_is_read(tmp_path: Path, reference: LesionTable) -> None:
    files = {f"kaggle/HAM10000_images_part_1/{id_}.jpg": content for id_, content in JPEGS.items()}
    path = write_zip(tmp_path / "archive.zip", files | {"kaggle/HAM10000_metadata.csv": metadata().encode()})
    found = recognise.recognise(path)
    assert found is not None
    assert found.load(path).fingerprint == reference.fingerprint


def test_a_table_by_itself_stands_for_its_folder(tmp_path: Path, reference: LesionTable) -> None:
    folder = ham_folder(tmp_path)
    write_files(folder, {"other.csv": metadata(ROWS[:1]).encode()})
    assert recognise.load(folder / "HAM10000_metadata.csv").fingerprint == reference.fingerprint
    assert len(recognise.load(folder / "other.csv")) == 1


def test_layout_and_licence_are_told(tmp_path: Path) -> None:
    said = {}
    for lay_out in (dataverse_zipped, dataverse_extracted, mixed, kaggle):
        lay_out(tmp_path / lay_out.__name__)
        said[lay_out.__name__] = recognise.load(tmp_path / lay_out.__name__).layout
    assert said == {
        "dataverse_zipped": "HAM10000 as on Dataverse, images in zip archives",
        "dataverse_extracted": "HAM10000, images in folders",
        "mixed": "HAM10000 as on Dataverse, images in folders and zip archives",
        "kaggle": "HAM10000 as on Kaggle, images in folders, each there more than once",
    }
    assert recognise.load(tmp_path / "kaggle").licence == "CC BY-NC 4.0"
    others = [row.replace("HAM_", "LES_") for row in ROWS]
    own = recognise.load(ham_folder(tmp_path / "own", metadata(others)))
    assert (own.name, own.licence, own.layout) == ("own", "", "laid out like HAM10000, images in folders")
    assert own.lesions_known


def test_what_is_not_recognised_says_what_was_looked_for_and_seen(tmp_path: Path) -> None:
    write_files(tmp_path / "sub", {"a.csv": b"x,y\n", "b.csv": b"", "c.tif": b""})
    with pytest.raises(DataError) as caught:
        recognise.load(tmp_path)
    assert f"{tmp_path} holds no data set" in caught.value.message
    assert "2 files of .csv (sub/a.csv, sub/b.csv); 1 file of .tif (sub/c.tif)" in caught.value.message
    for words in (
        "HAM10000_metadata",
        "lesion_id, image_id, dx",
        "ISIC2018_Task3",
        "dermamnist.npz",
        "pixel0000",
        "two or more folders of",
    ):
        assert words in caught.value.hint
    (tmp_path / "empty").mkdir()
    assert "nothing lies there" in refused(tmp_path / "empty")


@pytest.mark.parametrize("names", [("a.dcm", "b.DCM"), ("IM_0", "IM_1")])
def test_files_of_dicom_alone_are_named_with_the_way_out(tmp_path: Path, names: tuple[str, ...]) -> None:
    write_files(tmp_path, {name: bytes(128) + b"DICM" for name in names})
    with pytest.raises(DataError, match="holds no data set") as caught:
        recognise.load(tmp_path)
    listed = ", ".join(str(tmp_path / name) for name in names)
    assert f"not read ({listed}): save each file of DICOM as a PNG or JPEG image, as with DCMTK" in caught.value.hint
    lines = ["image,MEL,NV,BCC,AKIEC,BKL,DF,VASC", f"{Path(names[0]).stem},1,0,0,0,0,0,0"]
    write_files(tmp_path, {"truth.csv": "\n".join(lines).encode()})
    with pytest.raises(DataError, match="holds none of the images") as caught:
        recognise.load(tmp_path)
    assert "DCMTK" in caught.value.hint


@pytest.mark.parametrize(("name", "content"), [
    ("metadata.xlsx", b"PK\x03\x04 any"), ("HAM10000_metadata.xls", b"any"), ("metadata.csv", b"PK\x03\x04 any,b"),
    ("HAM10000_metadata.csv", b"\xd0\xcf\x11\xe0 any"),
])  # fmt: skip
def test_a_workbook_is_no_table_and_how_to_save_it_is_said(tmp_path: Path, name: str, content: bytes) -> None:
    folder = write_files(tmp_path, {name: content, "images/a.jpg": JPEGS[IDS[0]]})
    for load in (recognise.load, lambda path: own_table.load(path, own_table.parse_columns(["image=a", "label=b"]))):
        with pytest.raises(DataError) as caught:
            load(folder)
        assert 'CSV UTF-8"' in caught.value.hint
        assert "PK" not in str(caught.value)


def test_images_in_archives_in_archives_are_named_with_the_way_out(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", {f"{id_}.jpg": content for id_, content in JPEGS.items()}).read_bytes()
    (tmp_path / "inner.zip").unlink()
    archive = {"HAM10000_metadata.csv": metadata().encode(), "HAM10000_images_part_1.zip": inner}
    outer = write_zip(tmp_path / "dataverse_files.zip", archive)
    with pytest.raises(DataError) as caught:
        recognise.load(tmp_path)
    assert f"{outer}/HAM10000_images_part_1.zip is an archive in an archive, which is not read" in caught.value.message
    assert "Extract the outer one" in caught.value.hint
    # With the images beside it, it is only told.
    write_files(tmp_path, {f"{id_}.jpg": content for id_, content in JPEGS.items()})
    assert len(recognise.load(tmp_path)) == 4
    assert [one.code for one in check(tmp_path, recognise.load).findings if "nested" in one.code] == ["zip-nested"]


def test_an_archive_in_an_archive_may_be_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skineval.data.files.zip_archives.MAX_BYTES", 1000)
    folder = ham_folder(tmp_path)
    write_zip(folder / "more.zip", {"inner.zip": bytes(5000)}, zipfile.ZIP_STORED)
    assert len(recognise.load(folder)) == 4


def test_no_such_folder(tmp_path: Path) -> None:
    assert f"There is no folder or file {tmp_path / 'absent'}" in refused(tmp_path / "absent")


def test_missing_images_are_counted_and_named(tmp_path: Path) -> None:
    folder = ham_folder(tmp_path, images={IDS[0]: JPEGS[IDS[0]]})
    with pytest.raises(DataError) as caught:
        recognise.load(folder)
    assert re.search(r"3 images named in .*HAM10000_metadata\.csv are not in", caught.value.message)
    assert ", ".join(f"row {row} {id_}" for row, id_ in enumerate(IDS[1:], start=3)) in caught.value.message
    assert "Extract" not in caught.value.hint
    write_files(folder, {"rest.tar.gz": b""})
    with pytest.raises(DataError) as caught:
        recognise.load(folder)
    assert f"Extract {folder}/rest.tar.gz" in caught.value.hint
    assert ("unread-archive", "rest.tar.gz") in {
        (one.code, one.where) for one in check(folder, recognise.load).findings
    }


def test_images_of_any_format_that_is_read_make_the_same_table(tmp_path: Path) -> None:
    kinds = (("PNG", ".png"), ("BMP", ".BMP"), ("TIFF", ".tif"), ("PNG", ".jfif"))
    folder = ham_folder(tmp_path, images={})
    write_files(
        folder,
        {
            f"images/{id_}{suffix}": encoded(picture(seed), kind)
            for seed, (id_, (kind, suffix)) in enumerate(zip(IDS, kinds, strict=True))
        },
    )
    pixels = recognise.load(folder).images.pixels(range(4), 8)
    expected = [decode_bytes(encoded(picture(seed), "PNG"), 8, "x") for seed in range(4)]
    np.testing.assert_array_equal(pixels, expected)


def test_images_that_are_there_in_a_format_that_is_not_read_are_not_called_missing(tmp_path: Path) -> None:
    folder = ham_folder(tmp_path, images={id_: JPEGS[id_] for id_ in IDS[1:]})
    write_files(folder, {f"images/{IDS[0]}.heic": b"\0\0\0\x18ftypheic"})
    with pytest.raises(DataError) as caught:
        recognise.load(folder)
    assert f"1 image is of a format that is not read: {folder}/images/{IDS[0]}.heic" in caught.value.message
    assert "JPEG, PNG, BMP, TIFF or WEBP" in caught.value.hint


def test_two_versions_of_an_image_are_refused(tmp_path: Path) -> None:
    folder = ham_folder(tmp_path)
    write_files(folder, {f"small/{IDS[0]}.jpg": encoded(picture(0, (8, 6)))})
    assert f"{IDS[0]} is there in several versions" in refused(folder)
    changed = bytearray(JPEGS[IDS[0]])
    changed[-20] ^= 1
    write_files(folder, {f"small/{IDS[0]}.jpg": bytes(changed)})  # of the same size
    assert f"{IDS[0]} is there in several versions" in refused(folder)


def test_two_versions_of_a_mask_are_refused(tmp_path: Path) -> None:
    black, white = (encoded(Image.new("L", (20, 15), grey), "BMP") for grey in (0, 255))
    assert len(black) == len(white)
    mask = f"{IDS[0]}_segmentation.bmp"
    folder = write_files(ham_folder(tmp_path), {f"a/{mask}": black, f"b/{mask}": black})
    assert recognise.load(folder).images.masks([0], 4) is not None
    write_files(folder, {f"b/{mask}": white})
    assert f"The mask of {IDS[0]} is there in several versions" in refused(folder)


def test_real_data_is_complete(real_folder: Path, real_table: LesionTable) -> None:
    frame = real_table.frame
    assert recognise.recognise(real_folder)
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
    assert recognise.load(tmp_path).fingerprint == real_table.fingerprint
