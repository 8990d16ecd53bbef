"""Tables beside the one that says what images show: what they know is read however it is written, or its loss told."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from skineval.base.errors import DataError
from skineval.data.layouts import recognise
from skineval.data.quality import surroundings
from skineval.grid.sources import as_labelled, lesions_lacking
from skineval.values.lesion_table import LesionTable
from tests.data.folders import encoded, ham_folder, picture, refused, write_files
from tests.data.layouts import relayout
from tests.data.layouts.collections import LAID_OUT

METADATA = "ISIC_2019_Training_Metadata.csv"
TRUTH = "ISIC_2019_Training_GroundTruth.csv"


@pytest.fixture(scope="module")
def table(few_of_each: LesionTable) -> LesionTable:
    return few_of_each


@pytest.fixture
def isic2019(table: LesionTable, tmp_path: Path) -> Path:
    columns = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
    codes = [columns[lesion % 8] for lesion in table.frame["group"].factorize()[0]]
    return relayout.isic2019(table, tmp_path, codes, table.frame["lesion_id"].tolist())


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def told(read: LesionTable) -> list[str]:
    """The remarks of `data check` on what was found when it was read."""
    return [f"{one.code}: {one.what}" for one in surroundings.doubtful_notes(Path("x"), read)]


def rewritten(path: Path, columns: dict[str, str], ids: Callable[[str], str] = str) -> None:
    """The table with other names of columns, and other ids in the first of them."""
    with path.open(newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    written = [[columns.get(name, name) for name in header], *([ids(row[0]), *row[1:]] for row in rows)]
    path.write_text("\n".join(map(",".join, written)), encoding="utf-8")


@pytest.mark.parametrize("file", [METADATA, TRUTH])
@pytest.mark.parametrize("written", [str.lower, str.swapcase, lambda id_: f"train/{id_.lower()}.jpg"])
def test_ids_of_tables_are_matched_whatever_their_letter_case(
    table: LesionTable, isic2019: Path, file: str, written: Callable[[str], str]
) -> None:
    before = recognise.load(isic2019)
    rewritten(isic2019 / file, {}, written)
    read = recognise.load(isic2019)
    assert read.lesions_known
    assert read.frame["lesion_id"].tolist() == before.frame["lesion_id"].tolist() == table.frame["lesion_id"].tolist()
    assert read.frame["age"].equals(before.frame["age"])


@pytest.mark.parametrize(
    "columns",
    [
        {"image": "image_id", "age_approx": "age", "anatom_site_general": "site"},
        {"image": "image_name", "lesion_id": "lesion"},
        {"image": "isic_id", "age_approx": "years"},
    ],
)
def test_columns_beside_may_have_their_other_usual_names(
    table: LesionTable, isic2019: Path, columns: dict[str, str]
) -> None:
    rewritten(isic2019 / METADATA, columns)
    read = recognise.load(isic2019)
    assert read.frame["lesion_id"].tolist() == table.frame["lesion_id"].tolist()
    assert set(read.frame["localization"]) == {"head/neck"}
    assert read.frame["age"].isna().all() == (columns.get("age_approx") == "years")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html></html>", "is a web page"),
        (b"PK\x03\x04" + b"\0" * 90, "is an Excel workbook"),
        (b"image,age_approx,lesion_id\n", "has a header and no rows"),
        (b"image,lesion_id\nISIC_1,HAM_1\nISIC_2,HAM_2\n", "has the lesion (lesion_id), but names ISIC_1 where "),
        (b"image,lesion_id\nX_801,HAM_1\nX_802,HAM_2\n", "has the lesion (lesion_id), but names none of the images"),
    ],
)
def test_a_table_beside_that_cannot_be_used_is_named(isic2019: Path, content: bytes, what: str) -> None:
    (isic2019 / METADATA).write_bytes(content)
    read = recognise.load(isic2019)
    (note,) = [note for note in read.notes if METADATA in note]
    assert what in note
    assert told(read) == [f"unread-knowledge: {note}"]
    lacking = lesions_lacking(read, as_labelled(str(isic2019), {}))
    assert lacking is not None
    assert METADATA in lacking.message


def test_a_cell_that_cannot_be_meant_is_named_where_it_stands(isic2019: Path) -> None:
    edit(isic2019 / METADATA, lambda text: "\n".join([text.splitlines()[0], *reversed(text.splitlines()[1:])]))
    edit(isic2019 / METADATA, lambda text: text.replace(",55,", ",50-55,", 1))
    with pytest.raises(DataError, match=rf"{METADATA}: 1 row with an unusable age: row 2 '50-55'") as caught:
        recognise.load(isic2019)
    (wrong,) = caught.value.image_ids
    assert wrong not in set(recognise.load(isic2019, frozenset({wrong})).frame["image_id"])


def test_a_wrong_cell_of_two_tables_of_one_collection_is_named_where_it_stands(
    table: LesionTable, tmp_path: Path
) -> None:
    LAID_OUT["isic-archive"](table, tmp_path)
    head, *rows = (tmp_path / "metadata.csv").read_text().splitlines()
    (tmp_path / "metadata.csv").write_text("\n".join([head, *rows[:40]]))
    (tmp_path / "second.csv").write_text("\n".join([head, *rows[40:42], rows[42].replace(",40,", ",old,"), *rows[43:]]))
    assert "second.csv: 1 row with an unusable age: row 4 'old'" in refused(tmp_path)


@pytest.mark.parametrize(("file", "what"), [("GroundTruth", "lesion"), ("Supplement", "image")])
def test_tables_of_milk10k_are_matched_whatever_the_letter_case(
    table: LesionTable, tmp_path: Path, file: str, what: str
) -> None:
    LAID_OUT["milk10k"](table, tmp_path)
    before = recognise.load(tmp_path)
    rewritten(tmp_path / f"MILK10k_Training_{file}.csv", {}, str.lower)
    assert recognise.load(tmp_path).frame.equals(before.frame), what


def test_a_truth_that_names_nothing_is_named(table: LesionTable, tmp_path: Path) -> None:
    LAID_OUT["milk10k"](table, tmp_path)
    rewritten(tmp_path / "MILK10k_Training_GroundTruth.csv", {}, lambda id_: f"other_{id_}")
    assert "(looked into MILK10k_Training_GroundTruth.csv, " in refused(tmp_path)


DUPLICATES = "ISIC_2020_Training_Duplicates.csv"


@pytest.fixture
def isic2020(table: LesionTable, tmp_path: Path) -> Path:
    LAID_OUT["isic2020"](table, tmp_path)
    return tmp_path


def test_listed_duplicates_are_matched_whatever_the_letter_case(isic2020: Path) -> None:
    before = recognise.load(isic2020)
    edit(isic2020 / DUPLICATES, str.lower)
    assert recognise.load(isic2020).frame["group"].equals(before.frame["group"])


def test_a_list_of_duplicates_with_other_columns_is_named(isic2020: Path) -> None:
    edit(isic2020 / DUPLICATES, lambda text: text.replace("image_name_1,image_name_2", "first,second"))
    read = recognise.load(isic2020)
    assert [f"unread-knowledge: {note}" for note in read.notes if DUPLICATES in note] == told(read) != []


def test_listed_duplicates_of_two_labels_are_told(isic2020: Path) -> None:
    frame = recognise.load(isic2020).frame
    one, other = (frame["image_id"][frame["dx"] == dx].iloc[0] for dx in ("mel", "benign"))
    edit(isic2020 / DUPLICATES, lambda text: f"{text.splitlines()[0]}\n{one},{other}\n")
    read = recognise.load(isic2020)
    rest = f"1, {one} (mel) and {other} (benign)"
    assert told(read) == [
        f"labels-of-pair: images listed as duplicates that have two labels, and are kept together: {rest}"
    ]


def test_patients_in_a_table_that_another_layout_leaves_aside_are_told(table: LesionTable, tmp_path: Path) -> None:
    LAID_OUT["isic-archive"](table, tmp_path)
    content = {id_: encoded(picture(seed)) for seed, id_ in enumerate(table.frame["image_id"])}
    rows = [
        f"{lesion},{id_},{dx},histo,50,male,back,x"
        for lesion, id_, dx in zip(table.frame["lesion_id"], table.frame["image_id"], table.frame["dx"], strict=True)
    ]
    header = "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset"
    ham = ham_folder(tmp_path / "ham", "\n".join([header, *rows]), content)
    assert not told(recognise.load(ham))
    write_files(ham, {"metadata.csv": (tmp_path / "metadata.csv").read_bytes()})
    read = recognise.load(ham)
    said = f"has the patient of {len(table)} images (patient_id)"
    assert told(read) == [f"unread-knowledge: a table or column is not read: metadata.csv {said}"]


def test_a_lesion_of_two_labels_is_told(table: LesionTable, tmp_path: Path) -> None:
    LAID_OUT["isic-archive"](table, tmp_path)
    assert not told(recognise.load(tmp_path))
    edit(
        tmp_path / "metadata.csv",
        lambda text: text.replace("Benign,Benign melanocytic", "Malignant,Benign melanocytic", 1),
    )
    one, other = (table.frame["lesion_id"][table.frame["dx"] == dx].iloc[0] for dx in ("nv", "bcc"))
    edit(tmp_path / "metadata.csv", lambda text: text.replace(one, other))
    codes = [one.partition(":")[0] for one in told(recognise.load(tmp_path))]
    assert codes == ["labels-of-lesion", "disputed-label"]


def test_ids_that_lost_their_zeros_are_shown_with_a_file(table: LesionTable, tmp_path: Path) -> None:
    LAID_OUT["isic-archive"](table, tmp_path)
    rewritten(tmp_path / "metadata.csv", {}, lambda id_: id_.replace("_0000", "_"))
    with pytest.raises(DataError, match="holds none of the images") as caught:
        recognise.load(tmp_path)
    assert "drop zeros in front of a number" in caught.value.hint
    assert ".JPG is there" in caught.value.hint


def test_columns_of_isic_2024_are_called_as_in_its_file(table: LesionTable, tmp_path: Path) -> None:
    LAID_OUT["isic2024"](table, tmp_path)
    edit(tmp_path / "train-metadata.csv", lambda text: text.replace("Malignant,", "Benign,", 1))
    assert "is 'Benign' by iddx_1 and '1' by target" in refused(tmp_path)
