from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from skineval.base.errors import DataError
from skineval.data import quarantine
from skineval.data.findings import Finding
from skineval.data.layouts import recognise
from tests.data.folders import IDS, JPEGS, ROWS, ham_folder, made_table, metadata, write_files, write_zip

TABLE = made_table([("mel", 2), ("nv", 3), ("bkl", 1)])


JOIN_NOTHING = ", and join no lesions or patients that only they connect"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    listed = {"ISIC_1": "truncated; mask-shape", "ISIC_2": ""}
    quarantine.write(tmp_path / "q.csv", listed, replace=False)
    assert (tmp_path / "q.csv").read_text() == "image_id,reason\nISIC_1,truncated; mask-shape\nISIC_2,\n"
    assert quarantine.read(tmp_path / "q.csv") == listed


def test_a_list_that_a_person_edited_is_read(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_bytes(
        b'\xef\xbb\xbfwho,Image_ID , reason\r\nme, ISIC_1 ,"hair, and a ruler"\r\n\r\nme,ISIC_2\r\n'
    )
    assert quarantine.read(tmp_path / "q.csv") == {"ISIC_1": "hair, and a ruler", "ISIC_2": ""}
    (tmp_path / "q.csv").write_text("image\n0\n1\n")  # names of images, no yes and no
    assert quarantine.read(tmp_path / "q.csv") == {"0": "", "1": ""}


BAD = {
    "empty": (b"", "is empty"),
    "other columns": (b"key,why\n1,2\n", "lacks the column image_id (it has key, why)"),
    "denied": (b"image_id,exclude\nISIC_1,1\nISIC_2,0\n", "row 3: exclude says no"),
    "no id": (b"image_id,reason\nISIC_1,x\n,y\n", "row 3: image_id is empty"),
    "repeated": (b"image_id\nISIC_1\nISIC_2\na/ISIC_1.jpg\n", "row 4: ISIC_1 is there a second time, after row 2"),
    "binary": (b"\xff\xfe\x00", "is not a CSV file"),
    "open quote": (b'image_id\n"ISIC_1\n', "is not a CSV file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_lists_are_refused(tmp_path: Path, case: str) -> None:
    content, words = BAD[case]
    (tmp_path / "q.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        quarantine.read(tmp_path / "q.csv")
    assert "q.csv" in caught.value.message
    assert words in caught.value.message
    assert caught.value.hint


def test_no_such_list(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv cannot be read"):
        quarantine.read(tmp_path / "absent.csv")


def test_only_errors_of_images_are_collected() -> None:
    findings = [
        Finding("truncated", "b.jpg", "", "", image_ids=("b",)),
        Finding("contradictory-dx", "m.csv", "", "", image_ids=("c", "b")),
        Finding("truncated", "b2.jpg", "", "", image_ids=("b",)),
        Finding("orientation", "a.jpg", "", "", "remark", image_ids=("a",)),
        Finding("zip-unreadable", "x.zip", "", ""),
    ]
    assert quarantine.collect(findings) == {"b": "truncated; contradictory-dx", "c": "contradictory-dx"}


def test_rows_are_dropped_and_the_table_says_so() -> None:
    left = quarantine.load_without(lambda path: TABLE, None, {"I00001": "", "I00005": "why"})
    assert left.frame["image_id"].tolist() == ["I00000", "I00002", "I00003", "I00004"]
    assert left.notes == (f"2 images in quarantine were left out{JOIN_NOTHING}",)
    assert left.fingerprint != TABLE.fingerprint
    assert (left.images.pixels([1], 4) == TABLE.images.pixels([2], 4)).all()


def test_an_empty_list_changes_nothing(tmp_path: Path) -> None:
    assert quarantine.load_without(lambda path: TABLE, None, {}) is TABLE
    assert quarantine.load_without(lambda path: TABLE, tmp_path, {}) is TABLE


def test_unknown_ids_and_lists_of_everything_are_refused() -> None:
    with pytest.raises(DataError, match="2 images in quarantine are not in made: Z1, Z2"):
        quarantine.load_without(lambda path: TABLE, None, {"Z2": "", "I00000": "", "Z1": ""})
    with pytest.raises(DataError, match="All 6 images of made are in quarantine"):
        quarantine.load_without(lambda path: TABLE, None, dict.fromkeys(TABLE.frame["image_id"], ""))


def test_a_loader_that_knows_nothing_of_quarantine_is_reduced_afterwards(tmp_path: Path) -> None:
    left = quarantine.load_without(lambda path: TABLE, tmp_path, {"I00001": ""})
    assert len(left) == 5
    assert left.notes == ("1 image in quarantine was left out, and joins no lesions or patients that only it connects",)


def test_missing_and_damaged_images_and_rows_are_never_looked_at(tmp_path: Path) -> None:
    rows = [ROWS[0].replace(",nv,", ",?,"), *ROWS[1:], "HAM_9,ISIC_9,nv,histo,old,male,back,x"]
    images = {IDS[1]: JPEGS[IDS[1]], IDS[2]: JPEGS[IDS[2]][:50], IDS[3]: JPEGS[IDS[3]]}
    folder = ham_folder(tmp_path / "damaged", metadata(rows), images)
    listed = dict.fromkeys([IDS[0], IDS[2], "ISIC_9"], "damaged")
    with pytest.raises(DataError):
        recognise.load(folder)
    table = quarantine.load_without(recognise.load, folder, listed)
    # The same as a folder that never held them.
    kept = {id_: JPEGS[id_] for id_ in (IDS[1], IDS[3])}
    other = recognise.load(ham_folder(tmp_path / "other", metadata([ROWS[1], ROWS[3]]), kept))
    assert table.fingerprint == other.fingerprint
    assert set(table.notes) - set(other.notes) == {f"3 images in quarantine were left out{JOIN_NOTHING}"}
    assert table.images.pixels([0, 1], 8).shape == (2, 8, 8, 3)


def test_members_that_cannot_be_read_in_place_can_be_left_out(tmp_path: Path) -> None:
    write_files(tmp_path, {"HAM10000_metadata.csv": metadata().encode()})
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for id_, content in JPEGS.items():
            archive.writestr(f"{id_}.jpg", content, zipfile.ZIP_LZMA if id_ == IDS[0] else zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="method 14"):
        recognise.load(tmp_path)
    assert len(quarantine.load_without(recognise.load, tmp_path, {IDS[0]: ""})) == 3


def test_unknown_ids_are_refused_by_loaders_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 image in quarantine is not in .*HAM10000_metadata\.csv: ISIC_77"):
        quarantine.load_without(recognise.load, ham_folder(tmp_path), {"ISIC_77": ""})
    with pytest.raises(DataError, match=r"All images of .* are in quarantine"):
        quarantine.load_without(recognise.load, tmp_path, dict.fromkeys(IDS, ""))


def isic2018(folder: Path) -> Path:
    """Two train images, one of which is missing, and two test images."""
    one_hot = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n"
    write_zip(folder / "ISIC2018_Task3_Training_Input.zip", {"ISIC_0000001.jpg": JPEGS[IDS[0]]})
    write_zip(folder / "ISIC2018_Task3_Test_Input.zip", {f"ISIC_000000{n}.jpg": JPEGS[IDS[1]] for n in (3, 4)})
    truths = {
        "ISIC2018_Task3_Training_GroundTruth.csv": "ISIC_0000001,1,0,0,0,0,0,0\nISIC_0000002,0,1,0,0,0,0,0\n",
        "ISIC2018_Task3_Test_GroundTruth.csv": "ISIC_0000003,1,0,0,0,0,0,0\nISIC_0000004,0,1,0,0,0,0,0\n",
    }
    return write_files(folder, {name: (one_hot + rows).encode() for name, rows in truths.items()})


def test_images_of_isic2018_can_be_left_out(tmp_path: Path) -> None:
    folder = isic2018(tmp_path)
    with pytest.raises(DataError, match="ISIC_0000002"):
        recognise.load(folder)
    table = quarantine.load_without(recognise.load, folder, {"ISIC_0000002": "", "ISIC_0000004": ""})
    assert table.frame["image_id"].tolist() == ["ISIC_0000001", "ISIC_0000003"]
    assert table.official == ("train", "test")
    with pytest.raises(DataError, match="ISIC_0000009"):
        quarantine.load_without(recognise.load, folder, {"ISIC_0000002": "", "ISIC_0000009": ""})


def test_images_of_class_folders_can_be_left_out(tmp_path: Path) -> None:
    names = ("mel/mel0.jpg", "mel/mel1.jpg", "nv/nv0.jpg", "nv/nv1.jpg")
    write_files(tmp_path, dict(zip(names, JPEGS.values(), strict=True)))
    table = quarantine.load_without(recognise.load, tmp_path, {"mel0": ""})
    assert table.frame["image_id"].tolist() == ["mel1", "nv0", "nv1"]
