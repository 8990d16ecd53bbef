"""A table of one's own: columns are what its owner says they are, and nothing is guessed in silence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from skineval.base.errors import DataError, UsageError
from skineval.data.groups import grouped
from skineval.data.layouts import recognise
from skineval.data.layouts.own_table import load, parse_columns
from skineval.data.quality.surroundings import doubtful_notes
from skineval.data.spellings import identifier
from skineval.values.lesion_table import LesionTable
from tests.data.folders import encoded, picture, write_files

COLUMNS = ("image=File Name", "label=What It Is", "lesion=Case", "age=years", "part=Set")
HEADER = "File Name;What It Is;Case;years;Set;note"
ROWS = (
    "a.jpg;Wart;c1;40;Train;x",
    "photos/b;WART ;c1;40,5;train;",
    "c;Cherry  Angioma;c2;0;test;y",
    "d.JPG;cherry_angioma;c3;;val;",
)


def own(folder: Path, rows: Sequence[str] = ROWS, header: str = HEADER, name: str = "mine.csv") -> Path:
    files = {f"photos/{id_}.jpg": encoded(picture(seed)) for seed, id_ in enumerate("abcd")}
    return write_files(folder, {**files, name: "\r\n".join([header, *rows]).encode("utf-16")})


def read(folder: Path, columns: Sequence[str] = COLUMNS, **keys: object) -> LesionTable:
    return load(folder, parse_columns(columns), **keys)  # type: ignore[arg-type]


def test_columns_hold_what_their_owner_says(tmp_path: Path) -> None:
    table = read(own(tmp_path))
    assert table.frame["image_id"].tolist() == ["a", "b", "c", "d"]
    assert table.frame["dx"].tolist() == ["wart", "wart", "cherry-angioma", "cherry-angioma"]
    assert table.frame["lesion_id"].tolist() == ["c1", "c1", "c2", "c3"]
    assert table.frame["age"].tolist()[:2] == [40, 40.5]
    assert table.frame["age"].isna().tolist() == [False, False, True, True]
    assert table.official == ("train", "train", "test", "validation")
    assert table.labels == ("cherry-angioma", "wart")
    assert table.lesions_known
    assert any("labels read as one: wart ('Wart', 'WART')" in note for note in table.notes)
    assert (table.images.pixels([0, 3], 8) != 0).any()


def test_without_lesions_each_image_is_its_own(tmp_path: Path) -> None:
    table = read(own(tmp_path), COLUMNS[:2])
    assert not table.lesions_known
    assert table.frame["lesion_id"].tolist() == table.frame["image_id"].tolist()
    assert any("lesion id" in note for note in table.notes)
    assert table.official is None


PATIENTS = "image,label,who,sex\na,wart,p1,male\nb,wart,p1,Male\nc,mole,,\nd,mole,p2,{}\n"


def test_patients_have_their_names_and_one_sex(tmp_path: Path) -> None:
    folder = own(tmp_path)
    columns = parse_columns(["image=image", "label=label", "patient=who", "sex=sex"])

    def of(text: str) -> LesionTable:
        (folder / "mine.csv").write_text(text, encoding="utf-8")
        return load(folder, columns)

    assert of(PATIENTS.format("female")).frame["patient_id"].tolist() == ["p1", "p1", "unknown", "p2"]
    with pytest.raises(DataError, match=r"1 patient has several sexes: p1 is male \(row 2\) and female \(row 5\)"):
        of(PATIENTS.format("female").replace("p2", "p1"))
    with pytest.raises(DataError, match=r"unusable patient_id: row 5 '=x\(\)'"):
        of(PATIENTS.format("").replace("p2", "=x()"))
    assert "patient_id" not in of(PATIENTS.format("").replace("p1", "unknown").replace("p2", "NA")).frame


@pytest.mark.parametrize(
    "word", ["-1", "-9", "0", "-", "Unknown", "N/A", "missing", "?", "", "unbekannt", "k.A.", "inconnu"]
)
def test_nobody_is_no_patient(tmp_path: Path, word: str) -> None:
    columns = parse_columns(["image=image", "label=label", "patient=who", "sex=sex", "age=age"])
    text = (
        f"image,label,who,sex,age\na,wart,p1,male,n/a\nb,wart,{word},N/A,40\nc,mole,{word},male,\nd,mole,p2,female,\n"
    )
    table = load(own(tmp_path, text.splitlines()[1:], text.splitlines()[0]), columns)
    assert table.frame["patient_id"].tolist() == ["p1", "unknown", "unknown", "p2"]
    assert table.frame["sex"].tolist() == ["male", "unknown", "male", "female"]
    assert table.frame["age"].isna().tolist() == [True, False, True, True]
    assert any(f"2 images whose patient is written as {word}:" in n for n in table.notes) == (
        word not in ("Unknown", "N/A", "")
    )


def test_one_patient_of_all_images_is_none(tmp_path: Path) -> None:
    table = load(
        own(tmp_path, [f"{id_},{'wart' if id_ < 'c' else 'mole'},p7" for id_ in "abcd"], "image,label,who"),
        parse_columns(["image=image", "label=label", "patient=who"]),
    )
    assert "patient_id" not in table.frame
    assert "patients are not known: all images have the patient p7" in table.notes


def test_images_without_a_lesion_count_by_themselves(tmp_path: Path) -> None:
    table = read(own(tmp_path, [*ROWS[:3], "d.JPG;cherry_angioma;n/a;;val;"]))
    assert table.frame["lesion_id"].tolist() == ["c1", "c1", "c2", "d"]
    assert not table.lesions_known
    assert any("(1 image)" in note for note in table.notes)


def test_an_image_may_be_called_0(tmp_path: Path) -> None:
    names = {f"{n}.jpg": encoded(picture(n)) for n in range(2)}
    folder = write_files(tmp_path, {**names, "t.csv": b"file,what\n0,wart\n1,mole\n"})
    assert load(folder, parse_columns(["image=file", "label=what"])).frame["lesion_id"].tolist() == ["0", "1"]


def test_the_table_may_lie_elsewhere(tmp_path: Path) -> None:
    folder = own(tmp_path / "data")
    (folder / "mine.csv").rename(tmp_path / "elsewhere.csv")
    write_files(folder, {"other.csv": b"File Name,Case\n"})
    with pytest.raises(
        DataError, match=r"no table has the columns .*other\.csv lacks What It Is, years, Set"
    ) as caught:
        read(folder)
    assert "--table" in caught.value.hint
    assert len(read(folder, table=tmp_path / "elsewhere.csv")) == 4
    write_files(folder, {name: (tmp_path / "elsewhere.csv").read_bytes() for name in ("one.csv", "two.csv")})
    with pytest.raises(DataError, match="2 tables have the columns"):
        read(folder)


def test_the_letter_case_of_file_names_does_not_matter_where_nothing_else_has_the_name(tmp_path: Path) -> None:
    folder = write_files(tmp_path, {f"{name}.jpg": encoded(picture(seed)) for seed, name in enumerate(["A", "b", "B"])})
    write_files(folder, {"t.csv": b"file,what\na.JPG,wart\nb.jpg,mole\nB.jpg,mole\n"})
    table = load(folder, parse_columns(["image=file", "label=what"]))
    assert table.frame["image_id"].tolist() == ["B", "a", "b"]
    assert len({image.tobytes() for image in table.images.pixels(range(3), 8)}) == 3
    assert any("letter case" in note and note.startswith("1 ") for note in table.notes)


def test_images_in_quarantine_are_left_out(tmp_path: Path) -> None:
    assert read(own(tmp_path), quarantined=frozenset({"a"})).frame["image_id"].tolist() == ["b", "c", "d"]
    with pytest.raises(DataError, match="strange"):
        read(tmp_path, quarantined=frozenset({"strange"}))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((*ROWS, "a.png;Wart;c1;41;train;"), r"a \(that of row 2\)"),
        ((*ROWS, "e;;c9;40;train;"), r"row 6: What It Is of e is empty"),
        ((*ROWS, ";Wart;c9;40;train;"), r"row 6: File Name is empty"),
        ((*ROWS, "e;Wart;c9;40;train;"), r"image named in .*mine\.csv is not in .*: row 6 e\."),
        ((*ROWS, "x/e.png;Wart;c9;40;train;"), r"mine\.csv is not in .*: row 6 'x/e\.png'\."),
        ((*ROWS, "A.png;Wart;c1;41;train;"), r"1 row repeats an image .* case: row 6 'A\.png' \(that of row 2 "),
        ((*ROWS[:3], "d;Wart;c2;;val;"), r"c2 is cherry-angioma \(row 4\) and wart \(row 5\)"),
        ((*ROWS[:3], "d;Wart;c3;old;val;"), r"row 5 'old'"),
        ((*ROWS, "e;\N{FROG FACE};c9;40;train;"), "row 6: the label .* has neither letter nor digit"),
        ((), "no row"),
    ],
)
def test_what_cannot_be_meant_is_named_with_its_row(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(own(tmp_path, rows))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["image=a"], "does not say which column is label"),
        (["image=a", "label"], "'label', which names no column"),
        (["image=a", "label=b", "lesin=c"], "'lesin'"),
        (["image=a", "label=b", "label=c"], "two columns for label: b and c"),
        (["image=a", "label=a"], "names a for two things"),
    ],
)
def test_flags_that_cannot_be_meant_are_refused(columns: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_columns(columns)


def test_what_is_nearly_the_name_of_a_column_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mine\.csv lacks What It Iz \(Did you mean what it is\?\)"):
        read(own(tmp_path), ("image=File Name", "label=What It Iz"))
    with pytest.raises(DataError) as caught:
        recognise.load(tmp_path)
    assert "mine.csv has the columns file name, what it is, case, years, set, note" in caught.value.hint


def test_what_is_wrong_with_a_table_is_said_before_columns_are_missed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mine\.csv: row 1 names 1 column, and each row below has 6 fields"):
        read(own(tmp_path, [HEADER, *ROWS[:3]], "Export of 2024"))
    with pytest.raises(DataError, match=r"mine\.csv lacks What It Is, and has file name, befund, case"):
        read(own(tmp_path, header=HEADER.replace("What It Is", "Befund")))
    latin = "\n".join([HEADER.replace("note", "Läsion Nr."), *ROWS]).encode("cp1252")
    folder = write_files(tmp_path, {"mine.csv": latin})
    with pytest.raises(DataError, match="row 1 holds the byte 0xE4, which is not UTF-8"):
        read(folder, (*COLUMNS, "source=Läsion Nr."))
    with pytest.raises(DataError) as caught:
        recognise.load(folder)
    assert 'mine.csv is not in UTF-8. Save it as CSV, in Excel as "CSV UTF-8".' in caught.value.hint


def test_what_is_no_table_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mine\.csv is not a CSV file: it is a web page"):
        read(write_files(tmp_path, {"mine.csv": b"<html></html>"}))


def test_folders_of_another_class_and_images_without_a_row_are_told(tmp_path: Path) -> None:
    content = {
        f"{dx}/{id_}.jpg": encoded(picture(ord(id_)))
        for dx, id_ in (("mel", "a"), ("nv", "b"), ("nv", "c"), ("Wart", "d"))
    }
    folder = write_files(tmp_path, {**content, "t.csv": b"file,what\na,nv\nb,wart\nd,nv\n"})
    table = load(folder, parse_columns(["image=file", "label=what"]))
    found = {one.code: one.what for one in doubtful_notes(folder, table)}
    assert found.keys() == {"class-folder", "orphaned-images"}
    assert found["class-folder"].endswith(
        "which is believed: 3, d is nv, below wart, a is nv, below mel, b is wart, below nv"
    )
    assert found["orphaned-images"] == "1 image without metadata is ignored"


def test_patients_and_lesions_that_no_column_is_named_for_are_told(tmp_path: Path) -> None:
    folder = own(tmp_path, header=HEADER.replace("Case", "Lesion ID").replace("note", "Patient"))
    named = ("image=File Name", "label=What It Is")
    said = "mine.csv has the lesion of 4 images (lesion id) and the patient of 2 images (patient)"
    (found,) = doubtful_notes(folder, read(folder, named))
    assert found.what == f"a table or column is not read: {said}"
    assert not list(doubtful_notes(folder, read(folder, (*named, "lesion=lesion id", "patient=patient"))))


SEVERAL = ("image=image|file", "label=dx|what", "lesion=case", "patient=who", "age=years")


@pytest.mark.parametrize("names", ["file,what", "image,what", "File,DX", '"image|file",dx'])
def test_of_each_table_the_first_column_of_several_that_it_has_is_read(tmp_path: Path, names: str) -> None:
    header = f"{names},case,who,years"
    rows = [f"{id_},{'wart' if id_ < 'c' else 'mole'},c{id_},p{id_},40" for id_ in "abcd"]
    table = read(own(tmp_path, rows, header), SEVERAL)
    assert table.frame["image_id"].tolist() == ["a", "b", "c", "d"]
    assert table.frame["patient_id"].tolist() == ["pa", "pb", "pc", "pd"]
    assert not any("is read from" in note for note in table.notes)


def test_a_second_column_that_is_not_read_is_told_and_none_is_read_twice(tmp_path: Path) -> None:
    folder = own(tmp_path, [f"{id_},x,{'wart' if id_ < 'c' else 'mole'}" for id_ in "abcd"], "image,file,dx")
    assert "image is read from image of mine.csv, not from file" in read(folder, SEVERAL[:2]).notes
    with pytest.raises(UsageError, match=r"names dx of .*mine\.csv for two things: label and sex"):
        read(folder, (*SEVERAL[:2], "sex=sex|dx"))


def test_what_other_data_sets_know_is_not_known_here_which_is_told_unless_a_name_is_nearly_right(
    tmp_path: Path,
) -> None:
    rows = [f"{id_},{'wart' if id_ < 'c' else 'mole'},1" for id_ in "abcd"]
    others = {"elsewhere": frozenset({"image", "label", "lesion", "patient"})}
    table = read(own(tmp_path, rows, "file,what,years"), SEVERAL, **others)
    assert {"lesion is not known: mine.csv has no column case", "patient is not known: mine.csv has no column who"} < {
        *table.notes
    }
    assert not table.lesions_known
    with pytest.raises(DataError, match=r"mine\.csv lacks years"):  # nobody has it
        read(own(tmp_path, rows, "file,what,note"), SEVERAL, **others)
    nearly = own(tmp_path, [f"{row},c{row[2]}" for row in rows], "file,what,years,cases")
    with pytest.raises(DataError, match=r"lacks the column case, .* for lesion\. Did you mean cases\?") as caught:
        read(nearly, SEVERAL, **others)
    assert "lesion=case|NAME" in caught.value.hint
    said = (*SEVERAL[:2], "lesion=case|", *SEVERAL[3:])
    note = "lesion is not known: mine.csv has no column case (Did you mean cases?)"
    assert note in read(nearly, said, **others).notes
    assert note in read(nearly, [text for text in said if "who" not in text]).notes  # of one data set as well
    assert read(nearly, (*SEVERAL[:2], "lesion=case|cases", *SEVERAL[3:]), **others).frame["lesion_id"][0] == "cw"


def test_of_several_tables_the_fullest_is_read_where_roles_may_be_known_elsewhere(tmp_path: Path) -> None:
    folder = own(tmp_path, [f"{id_},{'wart' if id_ < 'c' else 'mole'},l{id_}" for id_ in "abcd"], "file,what,case")
    write_files(folder, {"less.csv": b"file,what\na,mole\n"})
    table = read(folder, SEVERAL[:4], elsewhere={"lesion", "patient"})
    assert table.frame["lesion_id"].tolist() == ["la", "lb", "lc", "ld"]
    with pytest.raises(DataError, match=r"no table has .*mine\.csv lacks who"):  # each has what another lacks
        read(write_files(folder, {"more.csv": b"file,what,who\na,mole,p\n"}), SEVERAL[:4])


PLACES = ("left/1.jpg", "right/1.jpg", "right/2.jpg", "L\N{LATIN SMALL LETTER A WITH DIAERESIS}sion 3.jpg")


def placed(folder: Path, rows: Sequence[str], header: str = "image,label,lesion") -> LesionTable:
    files = {name: encoded(picture(seed)) for seed, name in enumerate(PLACES)}
    write_files(folder, files | {"mine.csv": "\n".join([header, *rows]).encode()})
    return read(folder, ("image=image", "label=label", "lesion=lesion"))


@pytest.mark.parametrize("front", ["", "/elsewhere/", "C:\\data\\"])
def test_folders_in_front_of_a_name_tell_files_apart(tmp_path: Path, front: str) -> None:
    rows = [f"{front}left/1.jpg,wart,a", f"{front}right/1.jpg,mole,b", "2,wart,c", f"{PLACES[3]},mole,P 4"]
    table = placed(tmp_path, rows)
    written = dict(zip(table.frame["image_id"], table.frame["dx"], strict=True))
    assert written == {
        identifier("left/1"): "wart", identifier("right/1"): "mole", "2": "wart", identifier(PLACES[3][:-4]): "mole"
    }  # fmt: skip
    shown = {id_: encoded(picture(seed)) for seed, id_ in enumerate(map(identifier, ("left/1", "right/1")))}
    for row, id_ in enumerate(table.frame["image_id"]):
        if id_ in shown:
            assert table.images.files[row].read() == shown[id_]  # type: ignore[attr-defined]
    assert table.frame["lesion_id"].tolist().count("P_4") == 1


def test_a_name_that_several_files_have_is_refused_with_its_row_unless_it_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 3: '1' is the name of several files, left/1.jpg, right/1.jpg") as refusal:
        placed(tmp_path, ["2,wart,a", "1,mole,b"])
    assert refusal.value.image_ids == {"1"}
    columns = parse_columns(["image=image", "label=label"])
    assert load(tmp_path, columns, quarantined=refusal.value.image_ids).frame["image_id"].tolist() == ["2"]


def test_copies_of_a_picture_are_never_parted_nor_told_two_things(tmp_path: Path) -> None:
    one, other = encoded(picture(1)), encoded(picture(2))
    files = {"a.jpg": one, "b.jpg": one, "c.jpg": other, "d.jpg": encoded(picture(3))}

    def of(*rows: str) -> LesionTable:
        write_files(tmp_path, files | {"mine.csv": "\n".join(["image,label,lesion,patient", *rows]).encode()})
        return read(tmp_path, [f"{role}={role}" for role in ("image", "label", "lesion", "patient")])

    joined = of("a,wart,1,p", "b,wart,2,q", "c,wart,2,q", "d,mole,3,r")
    assert joined.frame["group"].tolist() == ["1", "1", "1", "3"]
    assert "copies of other images, byte for byte, which join lesions: 1" in joined.notes
    once = of("a,wart,,", "b,wart,1,p", "c,wart,1,p", "d,mole,3,r")
    assert once.frame["image_id"].tolist() == ["b", "c", "d"]
    of_another = of("a,wart,,q", "b,wart,1,p", "c,wart,1,p", "d,mole,3,r")
    assert of_another.frame["group"].tolist() == ["1", "1", "1", "3"]
    with pytest.raises(DataError, match=r"several labels: .*/a.jpg \(mole\) and .*/b.jpg \(wart\)"):
        of("a,mole,1,p", "b,wart,2,q", "c,wart,2,q", "d,mole,3,r")


def told(folder: Path, header: str, *rows: str) -> LesionTable:
    files = {f"{id_}.jpg": encoded(picture(int(id_))) for id_ in "1234"}
    write_files(folder, {**files, "mine.csv": "\n".join([header, *rows]).encode()})
    return read(folder, [f"{role}={role}" for role in header.split(",")])


def test_what_spreadsheets_and_people_write_is_read(tmp_path: Path) -> None:
    table = told(
        tmp_path, "image,label,lesion,patient,sex",
        "1.0,1,7,P  1,m", "2,1.0,7.0,P 1,Male", "3,2,unknown,P2,w", "4,2,,p2,weiblich",
    )  # fmt: skip
    assert table.frame["image_id"].tolist() == ["1", "2", "3", "4"]
    assert table.frame["dx"].tolist() == ["1", "1", "2", "2"]
    assert table.frame["lesion_id"].tolist() == ["7", "7", "3", "4"]
    assert table.frame["patient_id"].nunique() == 3
    assert table.frame["sex"].tolist() == ["male", "male", "female", "female"]
    assert any("labels read as one: 1 ('1', '1.0')" in note for note in table.notes)
    assert any("(2 images)" in note for note in table.notes)
    together = grouped(table)
    assert together.frame["group"].nunique() == 2
    assert any("1 patient may be written in several ways" in note and "P2 and p2" in note for note in together.notes)


def test_a_row_that_is_there_twice_counts_once_unless_it_says_otherwise(tmp_path: Path) -> None:
    table = told(tmp_path, "image,label", "1,wart", "2,mole", "1,Wart", "1.jpg,wart")
    assert table.frame["image_id"].tolist() == ["1", "2"]
    assert "rows that repeat another one: 2" in table.notes
    with pytest.raises(DataError, match=r"repeats an image_id: row 4 1 \(that of row 2, wart there and mole here\)"):
        told(tmp_path, "image,label", "1,wart", "2,mole", "1,mole")


def test_what_is_no_part_is_refused_and_so_is_a_list_of_all_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 3: 'Validierung' is none of the parts"):
        told(tmp_path, "image,label,part", "1,wart,train", "2,wart,Validierung")
    told(tmp_path, "image,label", "1,wart", "2,mole")
    with pytest.raises(DataError, match=r"All images of .* are in quarantine"):
        load(tmp_path, parse_columns(["image=image", "label=label"]), quarantined={"1", "2"})


@pytest.mark.parametrize(
    "ids",
    [("Fall 1", "Fall-1"), ("L1", "L1\u200b"), ("Läsion 1", "LÄSION-01"), ("straße 1", "STRASSE 1"), ("7", "007")],
)
def test_a_lesion_that_is_written_in_two_ways_is_one(tmp_path: Path, ids: tuple[str, str]) -> None:
    rows = [f"2,wart,{ids[0]}", f"{PLACES[3]},wart,{ids[1]}", "left/1.jpg,mole,M 1", "right/1.jpg,mole,M 2"]
    table = placed(tmp_path, rows)
    assert table.frame["group"].nunique() == 3
    told = [note for note in table.notes if note.startswith("1 lesion may be written in several ways")]
    assert len(told) == (not ids[1].endswith("\u200b"))


def test_files_of_names_that_differ_in_zeros_or_case_alone_are_named(tmp_path: Path) -> None:
    write_files(tmp_path, {f"{name}.jpg": encoded(picture(seed)) for seed, name in enumerate(("0001", "0002", "x-3"))})
    write_files(tmp_path, {"mine.csv": b"image,label\n1,wart\n2,mole\nX_03,mole\n4,mole"})
    with pytest.raises(DataError) as caught:
        read(tmp_path, ("image=image", "label=label"))
    assert "row 2 1 (0001.jpg is there), row 3 2 (0002.jpg is there), row 4 X_03 (x-3.jpg is there), row 5 4." in str(
        caught.value
    )
    assert "zeros" in caught.value.hint
