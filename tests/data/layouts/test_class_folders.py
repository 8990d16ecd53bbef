from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from skineval.base.errors import DataError
from skineval.data.layouts import recognise
from skineval.data.quality.check import check
from skineval.data.spellings import IDENTIFIER, identifier
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES
from tests.data.folders import encoded, picture, refused, seven_classes, write_files, write_zip
from tests.data.layouts import relayout

PARTS = tuple(np.resize(["train", "val", "test", "train"], 28).tolist())
IMAGE = encoded(picture(1))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LesionTable:
    return recognise.load(seven_classes(tmp_path_factory.mktemp("seven")))


def images(folder: Path, *names: str) -> Path:
    return write_files(folder, {name: encoded(picture(number)) for number, name in enumerate(names)})


def test_codes_without_parts(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.class_folders(table, tmp_path)
    found = recognise.recognise(folder)
    assert found is not None
    assert found.name == "folders"
    read = found.load(folder)
    assert read.frame[["image_id", "dx"]].equals(table.frame[["image_id", "dx"]])
    assert (read.images.pixels(range(28), 8) == table.images.pixels(range(28), 8)).all()
    assert read.official is None
    assert not read.lesions_known
    assert read.frame["lesion_id"].equals(read.frame["image_id"])
    assert any("lesion id" in note for note in read.notes)
    assert read.licence == ""


@pytest.mark.parametrize("zipped", [True, False])
def test_parts_are_the_official_split(tmp_path: Path, table: LesionTable, zipped: bool) -> None:
    folder = relayout.class_folders(table, tmp_path / "data", PARTS)
    if zipped:
        files = {f"data/{file.relative_to(folder)}": file.read_bytes() for file in folder.rglob("*.jpg")}
        folder = write_zip(tmp_path / "data.zip", files)
    read = recognise.load(folder)
    assert read.official == tuple("validation" if part == "val" else part for part in PARTS)
    assert read.frame["dx"].equals(table.frame["dx"])
    assert "below the parts" in read.layout


def test_zipped_and_extracted_have_one_fingerprint(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.class_folders(table, tmp_path / "data")
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.jpg")}
    assert recognise.load(write_zip(tmp_path / "x.zip", files)).fingerprint == recognise.load(folder).fingerprint


@pytest.mark.parametrize(
    ("folder", "dx"),
    [
        ("melanoma", "mel"), ("Melanoma", "mel"), ("MEL", "mel"), ("nevus", "nv"), ("Melanocytic_nevi", "nv"),
        ("melanocytic nevi", "nv"), ("Benign keratosis-like lesions", "bkl"), ("seborrheic_keratosis", "bkl"),
        ("actinic keratoses", "akiec"), ("Actinic Keratoses and Intraepithelial Carcinoma", "akiec"),
        ("basal  cell carcinoma", "bcc"), ("Vascular Lesions", "vasc"), ("dermatofibroma", "df"),
    ],
)  # fmt: skip
def test_folders_may_bear_written_out_names(tmp_path: Path, folder: str, dx: str) -> None:
    read = recognise.load(images(tmp_path, f"deep/er/{folder}/a.jpg", "bcc/batch 2/b.PNG"))
    assert read.frame["dx"].tolist() == [dx, "bcc"]


@pytest.mark.parametrize(
    ("part", "official"),
    [("Train", "train"), ("training", "train"), ("VAL", "validation"), ("valid", "validation"), ("testing", "test")],
)
def test_names_of_parts(tmp_path: Path, part: str, official: str) -> None:
    read = recognise.load(images(tmp_path, f"{part}/nv/a.jpg", f"{part}/mel/b.jpg"))
    assert read.official == (official, official)


def test_names_in_another_language_are_classes_where_no_folder_is_called_as_here(tmp_path: Path) -> None:
    read = recognise.load(images(tmp_path, "Hautkrebs/a.jpg", "Muttermal/b.jpg"))
    assert read.frame["dx"].tolist() == ["hautkrebs", "muttermal"]


def test_what_is_nearly_the_name_of_a_known_class_is_a_label_of_its_own(tmp_path: Path) -> None:
    read = recognise.load(images(tmp_path, "nv/a.jpg", "melanomia/b.jpg"))
    assert read.frame["dx"].tolist() == ["nv", "melanomia"]


@pytest.mark.parametrize("above", ["", "photographs/", "train/"])
def test_folders_may_have_any_names(tmp_path: Path, above: str) -> None:
    names = ("Cherry Angioma/a.jpg", "cherry_angioma /b.jpg", "wart/c.jpg", "WART/d.jpg", "5_Bowen's disease/e.jpg")
    read = recognise.load(images(tmp_path, *(above + name for name in names)))
    assert read.frame["dx"].tolist() == ["cherry-angioma", "cherry-angioma", "wart", "wart", "akiec"]
    assert read.labels == ("akiec", "cherry-angioma", "wart")
    assert read.official == (("train",) * 5 if above == "train/" else None)


def test_a_number_in_front_is_part_of_a_name_that_is_not_known(tmp_path: Path) -> None:
    read = recognise.load(images(tmp_path, "1 lesion/a.jpg", "2 lesion/b.jpg", "3_nevus/c.jpg"))
    assert read.frame["dx"].tolist() == ["1-lesion", "2-lesion", "nv"]


@pytest.mark.parametrize(
    "names",
    [
        ("part_1/a.jpg", "part_2/b.jpg"),
        ("wart/a.jpg", "wart/b.jpg"),
        ("wart/a.jpg", "mole/deeper/b.jpg"),
        ("ISIC_Training_Input/a.jpg", "ISIC_Test_Input/b.jpg"),
        ("images/a.jpg", "masks/b.png"),
        ("train/a.jpg", "test/b.jpg"),
        ("wart/a.jpg", "mole/b.jpg", "labels.csv"),
        ("1 wart/a.jpg", "\N{FROG FACE}/b.jpg"),
    ],
)
def test_folders_that_are_no_classes_are_not_taken_for_them(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert "holds no data set that skineval recognises" in refused(images(tmp_path, *names))


@pytest.mark.parametrize("second", ["mel/a.jpg", "nv/other/a.png", "NV/a.jpeg"])
def test_files_of_one_name_are_told_apart_by_their_folders_and_have_their_own_masks(
    tmp_path: Path, second: str
) -> None:
    mask = Path(second).with_name("a_segmentation.png")
    read = recognise.load(images(tmp_path, "nv/a.jpg", second, "nv/b.jpg", str(mask)))
    first, other, third = read.frame["image_id"]
    made = {identifier("nv/a"), identifier(second.rpartition(".")[0])}
    assert {first, other, third} == made | {"b"}
    (masked,) = (id_ for row, id_ in enumerate(read.frame["image_id"]) if read.images.has_mask(row))
    assert masked == identifier(second.rpartition(".")[0])


def test_folders_of_one_class_are_named(tmp_path: Path) -> None:
    names = (
        "train/solar lentigo/a.jpg",
        "test/Solar_Lentigo/b.jpg",
        "test/bkl/c.jpg",
        "train/nv/d.jpg",
        "test/nv/e.jpg",
    )
    read = recognise.load(images(tmp_path, *names))
    assert read.labels == DIAGNOSES
    assert "labels read as one: bkl ('solar lentigo', 'Solar_Lentigo', 'bkl')" in read.notes


def test_files_of_one_name_and_folder_are_refused(tmp_path: Path) -> None:
    message = refused(images(tmp_path, "nv/a.jpg", "nv/a.png", "mel/b.jpg"))
    assert f"name and the folder of another one: {tmp_path}/nv/a.jpg and {tmp_path}/nv/a.png" in message


def test_copies_of_a_picture_count_once_and_are_refused_in_two_classes_or_parts(tmp_path: Path) -> None:
    one, other = encoded(picture(1)), encoded(picture(2))
    read = recognise.load(write_files(tmp_path / "a", {"nv/a.jpg": one, "nv/b.jpg": one, "mel/a.jpg": other}))
    assert sorted(read.frame["dx"]) == ["mel", "nv"]
    assert "copies of other images, byte for byte, which are left out: 1" in read.notes
    folder = write_files(tmp_path / "b", {"nv/a.jpg": one, "mel/b.jpg": one, "mel/c.jpg": other})
    with pytest.raises(DataError, match=r"several labels: .*/nv/a.jpg \(nv\) and .*/mel/b.jpg \(mel\)") as refusal:
        recognise.load(folder)
    assert refusal.value.image_ids == {"a", "b"}
    assert recognise.load(folder, refusal.value.image_ids).frame["image_id"].tolist() == ["c"]
    parts = {"test/nv/a.jpg": one, "train/nv/a.jpg": one, "train/mel/c.jpg": other}
    with pytest.raises(DataError, match=r"several parts: .*/train/nv/a.jpg \(train\) and .*/test/nv") as refusal:
        recognise.load(write_files(tmp_path / "c", parts))
    assert refusal.value.image_ids == {identifier("test/nv/a")}
    rest = recognise.load(tmp_path / "c", refusal.value.image_ids)
    assert rest.official == ("train", "train")


def test_an_image_below_two_classes_is_refused(tmp_path: Path) -> None:
    assert "lies below folders of the classes nv and mel" in refused(images(tmp_path, "nv/mel/a.jpg"))


def test_images_outside_of_the_parts_are_refused(tmp_path: Path) -> None:
    message = refused(images(tmp_path, "train/nv/a.jpg", "mel/b.jpg"))
    assert "1 image lies below none of" in message
    assert str(tmp_path / "mel/b.jpg") in message


def test_two_class_folders_that_are_one_are_refused(tmp_path: Path) -> None:
    folder = images(tmp_path, "nv/a.jpg", "mel/b.jpg")
    (folder / "df").symlink_to(folder / "nv")
    assert f"several labels: {folder}/df/a.jpg (df) and {folder}/nv/a.jpg (nv)" in refused(folder)


def test_images_beside_the_folders_are_ignored_with_a_note(tmp_path: Path) -> None:
    read = recognise.load(images(tmp_path, "nv/a.jpg", "preview.jpg"))
    assert len(read) == 1
    assert "1 image outside of class folders is ignored" in read.notes


def test_a_table_beside_the_folders_is_named(tmp_path: Path, table: LesionTable) -> None:
    folder = write_files(relayout.class_folders(table, tmp_path), {"mine.csv": b"image,label,patient\n"})
    assert "mine.csv is not read: --columns says what its columns hold" in recognise.load(folder).notes
    found = [one for one in check(folder, recognise.load).findings if one.code == "unread-table"]
    assert [(one.where, one.severity) for one in found] == [("mine.csv", "remark")]


def test_all_but_a_class_is_a_label_of_its_own(tmp_path: Path) -> None:
    assert recognise.load(images(tmp_path, "melanoma/a.jpg", "not melanoma/b.jpg")).labels == ("mel", "not-melanoma")


def test_masks_lie_beside_images(tmp_path: Path) -> None:
    folder = images(tmp_path, "nv/a 1.jpg", "nv/b.jpg")
    write_files(folder, {"nv/a 1_segmentation.png": encoded(picture(0).convert("L").point(lambda _: 255), "PNG")})
    read = recognise.load(folder)
    masks = read.images.masks([0, 1], 4)
    assert masks is not None
    assert masks.all(axis=(1, 2)).tolist() == [True, False]
    assert "1 image has no lesion mask" in read.notes


@pytest.mark.parametrize("end", ["_mask", "-mask", "_SEG"])
def test_masks_of_other_names_are_no_images(tmp_path: Path, end: str) -> None:
    folder = images(tmp_path, "nv/a.jpg", "nv/b_mask.jpg", "mel/c.jpg", "mel.7z")
    write_files(folder, {f"nv/a{end}.png": encoded(Image.new("L", (9, 9)), "PNG")})
    read = recognise.load(folder)
    assert read.frame["image_id"].tolist() == ["a", "b_mask", "c"]
    assert "1 image called like a mask of another is ignored" in read.notes
    assert "archives that are no zip files are not read: mel.7z" in read.notes
    checked = check(folder, recognise.load)
    assert checked.errors == ()
    assert checked.images.files == 3
    assert ("suspected-mask", f"nv/a{end}.png") in {(one.code, one.where) for one in checked.findings}


def test_metadata_is_believed_rather_than_folders(tmp_path: Path) -> None:
    folder = seven_classes(tmp_path)
    (folder / "images").rename(folder / "mel")
    found = recognise.recognise(folder)
    assert found is not None
    assert found.name == "ham10000"


def test_known_duplicates_are_joined(tmp_path: Path) -> None:
    read = recognise.load(images(tmp_path, "nv/ISIC_0033481.jpg", "nv/ISIC_0033421.jpg", "nv/ISIC_1.jpg"))
    assert read.frame["lesion_id"].nunique() == 3
    assert read.frame["group"].nunique() == 2


@given(st.text(min_size=1))
def test_ids_are_safe(stem: str) -> None:
    id_ = identifier(stem)
    assert IDENTIFIER.fullmatch(id_)
    if IDENTIFIER.fullmatch(stem):
        assert id_ == stem


@given(st.lists(st.text("a _é/\u0301.", min_size=1, max_size=4), unique=True, max_size=30))
def test_names_that_look_alike_have_ids_of_their_own(stems: list[str]) -> None:
    import unicodedata

    distinct = {unicodedata.normalize("NFC", stem) for stem in stems}
    assert len({identifier(stem) for stem in distinct}) == len(distinct)


def test_long_and_foreign_names_are_read(tmp_path: Path) -> None:
    read = recognise.load(images(tmp_path, f"nv/{'x' * 200}.jpg", "nv/IMG (1).jpg", "nv/фото.jpg", "nv/=cmd().jpg"))
    assert len(read) == 4
    assert all(IDENTIFIER.fullmatch(id_) for id_ in read.frame["image_id"])


def test_a_table_that_keeps_folders_from_being_classes_is_named(tmp_path: Path) -> None:
    folder = images(tmp_path, "wart/a.jpg", "mole/b.jpg")
    write_files(folder, {"README.csv": b"a,b\n1,2\n"})
    with pytest.raises(DataError) as caught:
        recognise.load(folder)
    assert caught.value.hint.startswith("Folders would be classes here but for README.csv: move it away")


def test_folders_within_class_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        recognise.load(images(tmp_path, "wart/p1/a.jpg", "wart/p2/b.jpg", "mole/p3/c.jpg"))
    assert "not in folders within them (mole/p3/c.jpg): move them up" in caught.value.hint
