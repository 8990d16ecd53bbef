from __future__ import annotations

from pathlib import Path

import pytest

from skineval.base.errors import DataError
from skineval.data.layouts import recognise
from skineval.data.layouts.metadata import LESIONS_UNKNOWN
from skineval.data.quality import surroundings
from skineval.data.quality.check import check
from tests.data.folders import HEADER, JPEGS, ROWS, encoded, ham_folder, metadata, picture, refused, write_files

SEVEN = HEADER.removesuffix(",dataset")


def test_cells_are_cleaned(tmp_path: Path) -> None:
    table = recognise.load(ham_folder(tmp_path))
    frame = table.frame
    assert frame["age"].tolist()[:2] == [45.0, 45.0]
    assert frame["age"].isna().tolist() == [False, False, True, True]
    assert frame["sex"].tolist()[3] == frame["localization"].tolist()[3] == "unknown"
    assert frame["group"].tolist() == frame["lesion_id"].tolist()
    assert "1 age of 0 taken as unknown" in table.notes


def test_seven_columns_do(tmp_path: Path) -> None:
    table = recognise.load(ham_folder(tmp_path, metadata([row.rpartition(",")[0] for row in ROWS], SEVEN)))
    assert set(table.frame["dataset"]) == {"unknown"}


def test_no_metadata_says_what_was_looked_for(tmp_path: Path) -> None:
    message = refused(write_files(tmp_path, {"labels.csv": b"image,label\n", "HAM10000.txt": b""}))
    assert "HAM10000_metadata" in message
    assert "lesion_id, image_id, dx" in message
    assert "labels.csv" in message


def test_two_metadata_files_are_ambiguous(tmp_path: Path) -> None:
    message = refused(write_files(tmp_path, {"a.csv": metadata().encode(), "b.csv": metadata(ROWS[:2]).encode()}))
    assert f"several files that could be the metadata: {tmp_path}/a.csv, {tmp_path}/b.csv" in message


@pytest.mark.parametrize("name", ["HAM10000_metadata.tab", "b/HAM10000_metadata.csv"])
def test_a_second_metadata_file_must_say_the_same(tmp_path: Path, name: str) -> None:
    folder = ham_folder(tmp_path)
    same = metadata([row.replace("45.0", "45") for row in reversed(ROWS)])
    first = recognise.load(write_files(folder, {name: same.replace(",", "\t").encode()}))
    assert len(first) == len(ROWS)
    write_files(folder, {name: same.replace(",mel,", ",bkl,").encode()})
    assert f"several files that could be the metadata: {folder}/HAM10000_metadata.csv, {folder / name}" in refused(
        folder
    )


def test_three_columns_under_any_name_make_lesions_known(tmp_path: Path) -> None:
    rows = ["ISIC_0000001,nv,A", "ISIC_0000002,nv,A", "ISIC_0000003,mel,B", "ISIC_0000004,bkl,C"]
    text = metadata(rows, "image_id,dx,lesion_id").encode()
    images = {f"{dx}/{id_}.jpg": JPEGS[id_] for id_, dx, _ in (row.split(",") for row in rows)}
    folder = write_files(tmp_path, images | {"labels.csv": text})
    table = recognise.load(folder)
    assert table.lesions_known
    assert table.frame["lesion_id"].tolist() == ["A", "A", "B", "C"]
    assert "unknown of all images: dx_type, age, sex, localization" in table.notes
    assert {one.code for one in check(folder, recognise.load).findings} == {"absent-class", "few-lesions"}

    (folder / "mel/ISIC_0000003.jpg").rename(folder / "nv/ISIC_0000003.jpg")
    assert "1 image lies in another class's folder than its dx" in refused(folder)
    (error,) = check(folder, recognise.load).errors
    assert (error.code, error.where, error.image_ids) == ("class-folder", "nv/ISIC_0000003.jpg", ("ISIC_0000003",))
    assert len(recognise.load(folder, frozenset(error.image_ids))) == 3


def test_images_of_known_diagnoses_may_lie_in_folders_of_malignancy(tmp_path: Path) -> None:
    folder = ham_folder(tmp_path)
    for number, image in enumerate(sorted(folder.rglob("*.jpg"))):
        sorted_ = folder / ("benign" if number % 2 else "malignant")
        sorted_.mkdir(exist_ok=True)
        image.rename(sorted_ / image.name)
    assert len(recognise.load(folder)) == 4


def test_who_lacks_a_column_is_told_how_other_tables_are_read(tmp_path):
    (tmp_path / "HAM10000_metadata.csv").write_text("image_id,dx\nISIC_0000001,nv\n")
    with pytest.raises(DataError, match="lacks the column lesion_id") as caught:
        recognise.load(tmp_path)
    assert caught.value.hint.startswith("It needs: lesion_id, image_id, dx. A table of other columns is read where")


REPLACED = ROWS[1:]
BAD_TABLES = {
    "empty file": ("", ["is empty"]),
    "blank lines": ("\n\n", ["is empty"]),
    "no rows": (metadata(()), ["no rows"]),
    "missing columns": (
        metadata(header="lesion,image_id,dx,dx_type,age,sex,localization,dataset"),
        ["lacks the column lesion_id"],
    ),
    "twice the same column": (metadata(header=f"{SEVEN},dx"), ["two columns of one name"]),
    "short row": (metadata([*REPLACED, "HAM_1,ISIC_1"]), ["1 row does not have the 8 fields", "row 5 has 2"]),
    "long row": (metadata([f"{ROWS[0]},more", ROWS[1]]), ["row 2 has 9"]),
    "open quote": (metadata([*REPLACED, '"HAM_1']), ["is not a CSV file"]),
    "repeated id": (
        metadata([*ROWS, ROWS[0].replace("ISIC_0000001", "b/ISIC_0000001.PNG")]),
        ["1 row repeats an image_id: row 6 ISIC_0000001 (that of row 2)"],
    ),
    "lesions called nan": (metadata([ROWS[0].replace("HAM_0000001", "NaN")]), ["unusable lesion_id: row 2 'NaN'"]),
    **{
        f"lesions called {word}": (
            metadata([ROWS[0].replace("HAM_0000001", word)]),
            [f"1 row with an unusable lesion_id: row 2 '{word}'"],
        )
        for word in ("Unknown", "0", "0.0", "-", "n/a", "none", "unk")
    },
    "unknown dx": (metadata([*REPLACED, ROWS[0].replace(",nv,", ",nvv,")]), ["row 5 'nvv' (did you mean nv?)"]),
    "empty dx": (metadata([ROWS[0].replace(",nv,", ",,")]), ["row 2 ''"]),
    "age in words": (metadata([ROWS[0].replace("45.0", "old")]), ["1 row with an unusable age: row 2 'old'"]),
    "age below 0": (metadata([ROWS[0].replace("45.0", "-5")]), ["row 2 '-5'"]),
    "endless age": (metadata([ROWS[0].replace("45.0", "inf")]), ["row 2 'inf'"]),
    "contradictory lesion": (
        metadata([*ROWS, ROWS[0].replace("0000001,nv", "0000009,mel")]),
        ["1 lesion has several diagnoses: HAM_0000001 is nv (row 2) and mel (row 6)"],
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
        "../../etc/passwd", "/etc/passwd", "..", ".hidden", "a\0b", "a/../b", "\\\\host\\b", "C:x", "", " ",
        "x" * 65, "x" * 300,
        "IS\u0406C_0000001", "ISIC_\u0660", "ISIC\u200b_1", "ISIC_1\u202e", "\u2024\u2024", "[/]", "=1+1", "a b",
        "ISIC_1\x1b",
    ],
)  # fmt: skip
def test_identifiers_that_lead_elsewhere_are_refused(tmp_path: Path, image_id: str) -> None:
    bad = ROWS[0].replace("ISIC_0000001", image_id)
    message = refused(ham_folder(tmp_path, metadata([*REPLACED, bad])))
    assert "1 row with an unusable image_id: row 5 " in message
    assert "\0" not in message
    assert "\x1b" not in message


def test_many_problems_are_counted_and_few_shown(tmp_path: Path) -> None:
    rows = [f"HAM_{n},ISIC_{n},zz,histo,1,male,back,x" for n in range(90)]
    message = refused(ham_folder(tmp_path, metadata(rows)))
    assert "90 rows with an unknown dx: row 2 'zz', row 3 'zz', row 4 'zz', row 5 'zz', row 6 'zz', ..." in message


def test_blank_lines_count_as_rows(tmp_path: Path) -> None:
    text = metadata([ROWS[1], "", ROWS[0].replace(",nv,", ",zz,")])
    assert "row 4 'zz'" in refused(ham_folder(tmp_path, text))


def test_metadata_in_another_encoding_is_refused(tmp_path: Path) -> None:
    text = metadata().replace("male", "m\u00e4nnlich")
    folder = write_files(tmp_path, {"HAM10000_metadata.csv": text.encode("cp1252")})
    assert "is not a CSV file in UTF-8 or UTF-16: row 2 holds the byte 0xE4" in refused(folder)


def test_metadata_is_the_same_table_however_it_is_written(tmp_path: Path) -> None:
    ours = recognise.load(ham_folder(tmp_path / "ours"))
    theirs = metadata().replace(",nv,", ",Melanocytic nevi,").replace(",mel,", ",MEL,").replace("45.0", "45#0")
    theirs = theirs.replace(",ISIC", ",data\\ISIC").replace("02,Mel", "02.JPG,Mel").replace(",", ";").replace("#", ",")
    folder = ham_folder(tmp_path / "theirs")
    (folder / "HAM10000_metadata.csv").write_bytes(theirs.replace("\n", "\r\n").encode("utf-16"))
    assert recognise.load(folder).fingerprint == ours.fingerprint


def test_lesions_that_all_bear_the_id_of_their_image_are_not_known(tmp_path: Path) -> None:
    rows = [",".join([row.split(",")[1], *row.split(",")[1:]]) for row in ROWS]
    read = recognise.load(ham_folder(tmp_path, metadata(rows)))
    assert not read.lesions_known
    assert read.alone.all()
    assert LESIONS_UNKNOWN in read.notes


def test_numbers_of_lesions_within_patients_are_known_by_both(tmp_path: Path) -> None:
    rows = [f"{1 + place % 2},{row.partition(',')[2]},p{place // 2}" for place, row in enumerate((*ROWS, *ROWS))]
    rows = [row.replace("ISIC_", f"ISIC_{place // 4}") for place, row in enumerate(rows)]
    rows = [row.replace("female", "male").replace(",mel,", ",nv,").replace(",bkl,", ",nv,") for row in rows]
    content = {row.split(",")[1]: encoded(picture(place)) for place, row in enumerate(rows)}
    read = recognise.load(ham_folder(tmp_path, metadata(rows, f"{HEADER},patient_id"), content))
    assert read.frame["lesion_id"].tolist() == [f"p{place // 2}_{1 + place % 2}" for place in range(8)]
    (remark,) = surroundings.doubtful_notes(tmp_path, read)
    assert remark.code == "numbered-lesions"
