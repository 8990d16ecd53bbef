from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skineval.base.errors import DataError
from skineval.data.layouts import recognise
from skineval.values.lesion_table import LesionTable
from tests.data.folders import encoded, picture, refused, seven_classes, write_files, write_zip
from tests.data.layouts import relayout

ALL_TRAIN = ("train",) * 28
THREE = tuple(np.resize(["train", "train", "validation", "test"], 28).tolist())


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LesionTable:
    return recognise.load(seven_classes(tmp_path_factory.mktemp("seven")))


def truth(folder: Path, part: str = "Training") -> Path:
    return next(folder.rglob(f"ISIC2018_Task3_{part}_GroundTruth.csv"))


def test_training_part_with_groupings_is_ham10000(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.isic2018(table, tmp_path, ALL_TRAIN)
    found = recognise.recognise(folder)
    assert found is not None
    assert found.name == "isic2018"
    read = found.load(folder)
    known = ["image_id", "lesion_id", "dx", "dx_type", "group"]
    assert read.frame[known].equals(table.frame[known])
    assert (read.images.pixels(range(28), 8) == table.images.pixels(range(28), 8)).all()
    assert read.lesions_known
    assert read.official == ALL_TRAIN
    assert read.licence == "CC BY-NC 4.0"
    assert (read.frame["sex"] == "unknown").all()
    assert read.frame["age"].isna().all()
    assert not any("lesion id" in note for note in read.notes)


def test_groupings_are_matched_whatever_the_letter_case(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.isic2018(table, tmp_path, ALL_TRAIN)
    file = next(folder.glob("*LesionGroupings.csv"))
    head, *rows = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([head, *(row.replace("ISIC_", "isic_") for row in rows)]), encoding="utf-8")
    assert recognise.load(folder).frame["lesion_id"].equals(table.frame["lesion_id"])


def test_three_parts_have_unknown_lesions(tmp_path: Path, table: LesionTable) -> None:
    read = recognise.load(relayout.isic2018(table, tmp_path, THREE))
    assert read.official == THREE
    assert not read.lesions_known
    train = np.array(THREE) == "train"
    assert (read.frame["lesion_id"][train] == table.frame["lesion_id"][train]).all()
    assert (read.frame["lesion_id"][~train] == read.frame["image_id"][~train]).all()
    assert (read.frame["group"] == read.frame["lesion_id"]).all()
    assert any("(7 of validation, 7 of test)" in note for note in read.notes)


@given(columns=st.permutations(relayout.COLUMNS))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_columns_in_any_order_are_one_data_set(tmp_path: Path, table: LesionTable, columns: list[str]) -> None:
    folder = relayout.isic2018(table, tmp_path / "".join(columns), THREE, columns)
    assert (recognise.load(folder).frame["dx"] == table.frame["dx"]).all()


@pytest.mark.parametrize(
    "parts", [one for n in (1, 2, 3) for one in itertools.combinations(relayout.PARTS, n)], ids=str
)
@pytest.mark.parametrize("zipped", [True, False])
def test_any_parts_zipped_or_not(tmp_path: Path, table: LesionTable, parts: tuple[str, ...], zipped: bool) -> None:
    folder = relayout.isic2018(table, tmp_path / "whole", THREE)
    for part, name in relayout.PARTS.items():
        for kind in ("Input", "GroundTruth"):
            inside = folder / f"ISIC2018_Task3_{name}_{kind}"
            if zipped and part in parts:
                files = {f"{inside.name}/{file.name}": file.read_bytes() for file in inside.iterdir()}
                write_zip(folder / f"{inside.name}.zip", files | {f"__MACOSX/{inside.name}/._x.jpg": b"x"})
            if zipped or part not in parts:
                shutil.rmtree(inside)
    read = recognise.load(folder)
    mine = [row for row, part in enumerate(THREE) if part in parts]
    assert read.frame["image_id"].tolist() == table.frame["image_id"].iloc[mine].tolist()
    assert read.frame["dx"].tolist() == table.frame["dx"].iloc[mine].tolist()
    assert read.official == tuple(THREE[row] for row in mine)
    assert read.lesions_known == (parts == ("train",))


def test_without_groupings_no_lesion_is_known(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.isic2018(table, tmp_path, ALL_TRAIN)
    next(folder.glob("*LesionGroupings.csv")).unlink()
    read = recognise.load(folder)
    assert not read.lesions_known
    assert (read.frame["lesion_id"] == read.frame["image_id"]).all()
    assert any("(28 of train)" in note for note in read.notes)


@pytest.mark.parametrize("lesions", [True, False])
def test_test_part_in_the_columns_of_ham10000(tmp_path: Path, table: LesionTable, lesions: bool) -> None:
    folder = relayout.isic2018(table, tmp_path, ("test",) * 28)
    columns = ["image_id", "dx", "dx_type", *(["lesion_id", "age", "sex", "localization"] if lesions else [])]
    rows = table.frame[columns].to_numpy().tolist()
    truth(folder, "Test").write_bytes(b"\xef\xbb\xbf" + relayout.text(columns, rows).replace(b"\n", b"\r\n"))
    found = recognise.recognise(folder)
    assert found is not None
    assert found.name == "isic2018"
    read = found.load(folder)
    assert read.official == ("test",) * 28
    assert (read.frame[["dx", "dx_type"]] == table.frame[["dx", "dx_type"]]).all().all()
    assert read.lesions_known == lesions
    assert (read.frame["lesion_id"] == table.frame["lesion_id" if lesions else "image_id"]).all()
    assert (read.frame["localization"] == ("back" if lesions else "unknown")).all()


@pytest.mark.parametrize("present", [True, False])
def test_the_image_that_is_not_scored_is_left_out(tmp_path: Path, table: LesionTable, present: bool) -> None:
    folder = relayout.isic2018(table, tmp_path, ("test",) * 28)
    file = truth(folder, "Test")
    file.write_bytes(file.read_bytes() + b"ISIC_0035068,0,1.0,0,0,0,0,0\n")
    if present:
        write_files(folder, {"ISIC2018_Task3_Test_Input/ISIC_0035068.jpg": encoded(picture(1))})
    read = recognise.load(folder)
    assert len(read) == 28
    assert "ISIC_0035068 is left out, as in the official scoring" in read.notes
    assert not any("ignored" in note for note in read.notes)


def test_beside_ham10000_it_is_the_external_test_of_its_ground_truth(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.isic2018(table, tmp_path, ("test",) * 28)
    shutil.copytree(seven_classes(tmp_path / "ham") / "images", tmp_path / "ham_images")
    shutil.move(tmp_path / "ham" / "HAM10000_metadata.csv", tmp_path)
    shutil.rmtree(tmp_path / "ham")
    whole = recognise.recognise(folder)
    alone = recognise.recognise(truth(folder, "Test"))
    assert whole is not None
    assert alone is not None
    assert (whole.name, alone.name) == ("ham10000", "isic2018")
    assert recognise.load(folder).fingerprint == table.fingerprint
    # Its images lie in the folder beside that of the ground truth, as they are packed.
    shutil.move(truth(folder, "Test"), folder)
    assert len(recognise.load(folder / "ISIC2018_Task3_Test_GroundTruth.csv")) == 28


def test_ground_truth_of_another_name_is_known_by_its_columns(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.isic2018(table, tmp_path, ALL_TRAIN)
    shutil.move(truth(folder), folder / "labels.csv")
    shutil.move(next(folder.glob("*LesionGroupings.csv")), folder / "lesions.csv")
    shutil.move(folder / "ISIC2018_Task3_Training_Input", folder / "jpg")
    shutil.rmtree(folder / "ISIC2018_Task3_Training_GroundTruth")
    read = recognise.load(folder)
    assert read.frame["lesion_id"].equals(table.frame["lesion_id"])
    assert read.official is None


HEADER = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"
FIRST = "ISIC_0000000,1,0,0,0,0,0,0"
BAD = {
    "two ones": (
        [HEADER, "ISIC_0000000,1.0,1.0,0,0,0,0,0"],
        "1 row does not mark one diagnosis",
        "row 2 has MEL '1.0'",
    ),
    "no one": ([HEADER, "ISIC_0000000,0,0,0,0,0,0,0.0"], "1 row does not mark one diagnosis", "row 2 has none"),
    "probabilities": ([HEADER, "ISIC_0000000,0.5,0.5,0,0,0,0,0"], "1 row does not mark one diagnosis", "MEL '0.5'"),
    "words": ([HEADER, "ISIC_0000000,yes,0,0,0,0,0,0"], "1 row does not mark one diagnosis", "MEL 'yes'"),
    "nan": ([HEADER, "ISIC_0000000,nan,1,0,0,0,0,0"], "1 row does not mark one diagnosis", "MEL 'nan'"),
    "class of 2019": (
        [f"{HEADER},SCC,UNK", f"{FIRST},0,", "ISIC_0000001,0,0,0,0,0,0,0,0,1"],
        "1 row marks a class that ISIC 2018 Task 3 does not have: row 3 UNK",
    ),
    "two classes": ([f"{HEADER},SCC", f"{FIRST},1"], "row 2 has MEL '1' and SCC '1'"),
    "missing column": (
        [HEADER.replace(",VASC", ""), "ISIC_0000000,1,0,0,0,0,0"],
        "lacks the column vasc",
        "image, mel",
    ),
    "repeated id": ([HEADER, FIRST, FIRST], "1 row repeats an image_id", "row 3"),
    "id that leads elsewhere": ([HEADER, FIRST, "../x,1,0,0,0,0,0,0"], "unusable image_id", "row 3 '../x'"),
    "missing image": ([HEADER, FIRST, "ISIC_9999999,1,0,0,0,0,0,0"], "1 image named in ", "row 3 ISIC_9999999"),
    "no image at all": ([HEADER, "ISIC_9999999,1,0,0,0,0,0,0"], "holds none of the images", "GroundTruth.csv"),
    "empty": ([], "is empty", "GroundTruth.csv"),
    "other codes": (["image_id,dx", "ISIC_0000000,melanomma"], "unknown dx", "did you mean mel?"),
}


def test_columns_that_mark_no_image_are_named_and_not_read(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.isic2018(table, tmp_path, ALL_TRAIN)
    whole = recognise.load(folder)
    head, *rows = truth(folder).read_text().splitlines()
    truth(folder).write_text("\n".join([f"{head},UNK,score_weight", *(f"{row},0.0,1.0" for row in rows)]))
    read = recognise.load(folder)
    assert read.fingerprint == whole.fingerprint
    assert "columns of ISIC2018_Task3_Training_GroundTruth.csv that are not read: unk, score_weight" in read.notes


def test_images_of_a_class_that_the_challenge_lacks_can_be_left_out(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.isic2018(table, tmp_path, ALL_TRAIN)
    head, first, *rows = truth(folder).read_text().splitlines()
    lines = [f"{head},UNK", f"{first.replace('1.0', '0.0')},1.0", *(f"{row},0.0" for row in rows)]
    truth(folder).write_text("\n".join(lines))
    with pytest.raises(DataError) as caught:
        recognise.load(folder)
    assert caught.value.image_ids == {first.split(",")[0]}
    assert len(recognise.load(folder, caught.value.image_ids)) == len(table) - 1


@pytest.mark.parametrize("case", BAD)
def test_bad_ground_truth_is_refused(tmp_path: Path, table: LesionTable, case: str) -> None:
    lines, *words = BAD[case]
    folder = relayout.isic2018(table, tmp_path, ALL_TRAIN)
    truth(folder).write_text("".join(f"{line}\n" for line in lines))
    message = refused(folder)
    for expected in words:
        assert expected in message


def test_images_without_ground_truth_are_refused(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.isic2018(table, tmp_path, ALL_TRAIN)
    shutil.rmtree(truth(folder).parent)
    assert "No ground truth in" in refused(folder)


def test_an_image_in_two_parts_is_refused(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.isic2018(table, tmp_path, THREE)
    copied = truth(folder, "Test")
    copied.write_bytes(copied.read_bytes() + truth(folder).read_bytes().splitlines()[1] + b"\n")
    assert "1 image is named by" in refused(folder)


def test_a_lesion_of_two_diagnoses_in_two_files_is_refused(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.isic2018(table, tmp_path, THREE)
    # The lesion of the first train image is that of an image of another class in the test part.
    columns = ["image_id", "dx", "lesion_id"]
    test = table.frame[np.array(THREE) == "test"]
    rows = [(id_, "nv", "HAM_0000000") for id_ in test["image_id"]]
    truth(folder, "Test").write_bytes(relayout.text(columns, rows))
    message = refused(folder)
    assert "1 lesion has several diagnoses in several files of ground truth: HAM_0000000" in message


def test_equal_copies_of_the_ground_truth_are_one(tmp_path: Path, table: LesionTable) -> None:
    folder = relayout.isic2018(table, tmp_path, ALL_TRAIN)
    write_zip(folder / "copy.zip", {f"x/{truth(folder).name}": truth(folder).read_bytes()})
    assert len(recognise.load(folder)) == 28
    write_zip(folder / "copy.zip", {f"x/{truth(folder).name}": truth(folder).read_bytes() + b"\n"})
    assert "28 images are named by" in refused(folder)


BAD_GROUPINGS = {
    "repeated": (lambda text: text + text.splitlines()[1] + "\n", "repeats an image_id: row 30"),
    "bad lesion": (lambda text: text.replace("HAM_0000000", "=cmd()"), "unusable lesion_id: row 2 '=cmd()'"),
    "unknown": (lambda text: text.replace("HAM_0000000", "unknown"), "unusable lesion_id: row 2 'unknown'"),
    "columns": (lambda text: text.replace("lesion_id", "lesion"), "lacks the column lesion_id"),
    "contradiction": (lambda text: text.replace("HAM_0000003", "HAM_0000000"), "lesion has several diagnoses"),
}


@pytest.mark.parametrize("case", BAD_GROUPINGS)
def test_bad_groupings_are_refused(tmp_path: Path, table: LesionTable, case: str) -> None:
    change, words = BAD_GROUPINGS[case]
    folder = relayout.isic2018(table, tmp_path, ALL_TRAIN)
    file = next(folder.glob("*LesionGroupings.csv"))
    file.write_text(change(file.read_text()))  # type: ignore[no-untyped-call]
    assert words in refused(folder)
