"""Collections of the field: each is read as its publication says, what is missing is said, and no group is torn."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import pytest

from skineval.base.errors import DataError
from skineval.data.groups import grouped
from skineval.data.layouts import recognise
from skineval.data.quality.inventory import inventory
from skineval.data.quality.surroundings import doubtful_notes
from skineval.data.splits.dealing import split
from skineval.data.splits.given import official_split
from skineval.data.tasks import find_task, told_apart
from skineval.values.lesion_table import LesionTable
from tests.conftest import Skineval
from tests.data.folders import refused, write_files
from tests.data.layouts import relayout
from tests.data.layouts.collections import LAID_OUT, Expected, parts, patients

Laid = tuple[str, Path, Expected, LesionTable]


@pytest.fixture(scope="module")
def table(few_of_each: LesionTable) -> LesionTable:
    return few_of_each


@pytest.fixture(scope="module", params=LAID_OUT)
def laid(request: pytest.FixtureRequest, table: LesionTable, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    folder = tmp_path_factory.mktemp(request.param)
    expected = LAID_OUT[request.param](table, folder)
    return request.param, folder, expected, recognise.load(folder)


def test_it_is_recognised_by_what_lies_there(laid: Laid) -> None:
    name, folder, _, _ = laid
    found = recognise.recognise(folder)
    assert found is not None
    assert found.name == name.removesuffix("-old").removesuffix("-challenge")


def test_it_loads_to_the_table_that_its_files_say(laid: Laid, table: LesionTable) -> None:
    name, _, expected, read = laid
    frame = table.frame
    assert (read.name, read.licence) == (expected.name, expected.licence)
    assert read.frame["image_id"].equals(frame["image_id"])
    assert read.frame["dx"].tolist() == [expected.labels[dx] for dx in frame["dx"]]
    assert read.labels == tuple(sorted(set(expected.labels.values())))
    assert read.lesions_known == expected.lesions
    own = frame["image_id"] if name in ("derm7pt", "ph2") else frame["lesion_id"]
    if name.startswith("isic2024"):
        own = own.mask(read.frame["dx"] == "benign", frame["image_id"])
    assert read.frame["lesion_id"].tolist() == own.tolist()
    assert ("patient_id" in read.frame) == expected.patients
    if expected.patients:
        assert read.frame["patient_id"].tolist() == patients(table)
    assert (read.official is not None) == expected.official
    assert set(expected.notes) <= set(read.notes)
    assert any("lesion id" in note for note in read.notes) != expected.lesions
    assert read.malignancy == expected.malignancy
    assert (read.images.pixels(range(4), 8) == table.images.pixels(range(4), 8)).all()


def test_no_group_of_it_is_on_two_sides(laid: Laid) -> None:
    _, _, expected, read = laid
    kept, task = told_apart(read, find_task(expected.task, read), strict=False)
    kept = grouped(kept)
    assert kept.by_patient == expected.patients
    made = split(kept, task=task).frame
    assert made["part"].nunique() == 3
    unit = "patient_id" if expected.patients else "lesion_id"
    known = made.merge(kept.frame[["image_id", *({unit} - {"lesion_id"})]], on="image_id")
    assert (known.groupby(unit)["part"].nunique() == 1).all()


def test_it_is_benched_by_the_task_that_suits_it(laid: Laid, skineval_program: Skineval, tmp_path: Path) -> None:
    _, folder, expected, _ = laid
    protocol = "lesion" if expected.lesions else "image"
    done = skineval_program(
        "bench", f"--data={folder}", f"--task={expected.task}", f"--protocol={protocol}", "--models=cnn:width=4",
        "--imbalance=none", "--image-size=32", "--epochs=1", "--replicates=1000", "--precision=fp32", "--explainers=",
        "--out=out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = (tmp_path / "out" / "report.md").read_text()
    assert all(text in report for text in (expected.name, *expected.notes))


def laid_out(name: str, table: LesionTable, folder: Path) -> LesionTable:
    LAID_OUT[name](table, folder)
    return recognise.load(folder)


def test_isic_2020_is_benched_as_melanoma_with_every_image(table: LesionTable, tmp_path: Path) -> None:
    read = laid_out("isic2020", table, tmp_path)
    assert inventory(read).said == (("benign", 72), ("malignant", 12))
    kept, task = told_apart(read, find_task("melanoma", read), strict=True)
    assert len(kept) == len(table)  # which its column `target` says of all of them
    assert task.targets(kept.frame["dx"]).tolist() == (table.frame["dx"] == "mel").astype(int).tolist()
    assert any("taken for what ISIC 2020 says that they are: lentigo-nos as other (12 images)" in n for n in kept.notes)
    kept, task = told_apart(read, find_task("malignant", read), strict=True)
    assert task.targets(kept.frame["dx"]).tolist() == (table.frame["dx"] == "mel").astype(int).tolist()
    kept, _ = told_apart(read, find_task("dx7", read), strict=False)
    assert set(kept.frame["dx"]) == {"mel", "nv"}
    assert any("left out, since the task dx7" in note and "benign (48 images)" in note for note in kept.notes)


def test_an_image_of_which_nothing_is_said_is_named(table: LesionTable, tmp_path: Path) -> None:
    laid_out("isic2020", table, tmp_path)
    change = lambda rows: [*rows[:2], rows[2].replace("unknown,benign", ","), *rows[3:]]  # noqa: E731
    edited(tmp_path / "ISIC_2020_Training_GroundTruth_v2.csv", change)
    (tmp_path / "ISIC_2020_Training_GroundTruth.csv").unlink()
    assert "ISIC_2020_Training_GroundTruth_v2.csv, row 3: diagnosis of ISIC_0000001 is empty" in refused(tmp_path)


def test_an_image_that_two_columns_call_the_opposite_is_named(table: LesionTable, tmp_path: Path) -> None:
    laid_out("isic2020", table, tmp_path)
    name = "ISIC_2020_Training_GroundTruth_v2.csv"
    edited(tmp_path / name, lambda rows: [*rows[:2], rows[2].replace("benign,0", "benign,1"), *rows[3:]])
    assert f"{name}, row 3: ISIC_0000001 is 'benign' by benign_malignant and '1' by target" in refused(tmp_path)
    kept = recognise.load(tmp_path, quarantined=frozenset({"ISIC_0000001"}))
    assert "ISIC_0000001" not in set(kept.frame["image_id"])


def test_an_image_that_is_not_what_its_diagnosis_is_counts_as_that_and_is_told(
    table: LesionTable, tmp_path: Path
) -> None:
    laid_out("isic2020", table, tmp_path)
    for file in tmp_path.glob("*GroundTruth*.csv"):
        edited(file, lambda rows: [*rows[:2], rows[2].replace("unknown,benign,0", "nevus,malignant,1"), *rows[3:]])
    told = "against what they show, which is believed: 1, ISIC_0000001 is nv, and malignant"
    assert any(told in note for note in recognise.load(tmp_path).notes)


def test_a_table_by_itself_stands_for_its_folder(table: LesionTable, tmp_path: Path) -> None:
    whole = laid_out("isic2020", table, tmp_path)
    older = recognise.load(tmp_path / "ISIC_2020_Training_GroundTruth.csv")
    assert not older.lesions_known  # its first version names none
    assert older.frame[["image_id", "dx", "patient_id"]].equals(whole.frame[["image_id", "dx", "patient_id"]])
    assert older.frame["group"].duplicated().sum() == 1  # the pair that is listed as duplicates


def test_images_listed_as_duplicates_are_one_group(table: LesionTable, tmp_path: Path) -> None:
    read = laid_out("isic2020", table, tmp_path).frame
    assert read["lesion_id"].iloc[0] != read["lesion_id"].iloc[1]
    assert read["group"].iloc[0] == read["group"].iloc[1]
    assert read["group"].nunique() == table.frame["group"].nunique() - 1


def test_what_the_archive_says_of_malignancy_is_used_and_told(table: LesionTable, tmp_path: Path) -> None:
    read = laid_out("isic-archive", table, tmp_path)
    kept, task = told_apart(read, find_task("malignant", read), strict=True)
    assert len(kept) == len(read)
    assert task.targets(["angiofibroma", "akiec"]).tolist() == [0, 1]
    notes = " ".join(kept.notes)
    assert "taken for what ISIC Archive says that they are: angiofibroma as benign (12 images)" in notes
    assert "differ from what the data set says: akiec, indeterminate in ISIC Archive, (12 images)" in notes
    assert find_task("labels", read).malignant == ("akiec", "bcc", "mel")
    older = laid_out("isic-archive-old", table, tmp_path / "old")
    assert find_task("labels", older).malignant is None  # of those that are indeterminate nobody knows


def test_what_isic_2024_counts_as_malignant_is_what_its_challenge_does(table: LesionTable, tmp_path: Path) -> None:
    read = laid_out("isic2024-challenge", table, tmp_path)
    left_out = "ISIC_2024_Training_GroundTruth.csv is left out: all of it stands in ISIC_2024_Training_Supplement.csv"
    assert left_out in read.notes
    assert set(read.frame["localization"]) == {"lower extremity"}
    assert read.lesions_known
    truth = tmp_path / "ISIC_2024_Training_GroundTruth.csv"
    bare = write_files(tmp_path / "bare", {truth.name: truth.read_bytes()})
    (tmp_path / "train-image").rename(bare / "images")
    (bare / "images" / "metadata.csv").unlink()
    alone = recognise.load(bare)
    assert alone.labels == ("benign", "malignant")
    assert (alone.frame["dx"] == "malignant").tolist() == read.frame["dx"].isin(["bcc", "mel"]).tolist()
    edited(bare / truth.name, lambda rows: [*rows[:3], rows[3].replace(",0", ",2"), *rows[4:]])
    assert "row 4: malignant is neither 0 nor 1" in refused(bare)


def test_ground_truth_and_supplement_of_isic_2024_agree(table: LesionTable, tmp_path: Path) -> None:
    laid_out("isic2024-challenge", table, tmp_path)
    edited(
        tmp_path / "ISIC_2024_Training_GroundTruth.csv",
        lambda rows: [*rows[:3], rows[3].replace(",0", ",1"), *rows[4:]],
    )
    files = "'malignant' in .*GroundTruth.csv, 'benign' in .*Supplement.csv"
    said = refused(tmp_path)
    assert re.search(rf"ISIC_0000002 \(malignancy {files}\)", said), said


def test_images_in_hdf5_files_are_named_with_the_way_out(table: LesionTable, tmp_path: Path) -> None:
    laid_out("isic2024", table, tmp_path)
    (tmp_path / "train-image").rename(tmp_path.with_name("elsewhere"))
    with pytest.raises(DataError, match="holds none of the images") as caught:
        recognise.load(tmp_path)
    assert f"Images in HDF5 files are not read ({tmp_path}/train-image.hdf5): take those" in caught.value.hint
    assert "h5py" in caught.value.hint


#: Paths of the archive's hierarchy, each with the label that it is.
PATHS = {
    "Malignant:Malignant melanocytic proliferations (Melanoma)": "mel",
    "Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma, NOS": "mel",
    "Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma metastasis": "mel",
    "Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma Invasive:Melanoma Invasive, Nodular": "mel",
    "Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma in situ:Melanoma in situ, Mucosal": "mel",
    "Benign:Benign melanocytic proliferations:Nevus:Blue nevus:Blue nevus, Cellular": "nv",
    "Benign:Benign melanocytic proliferations:Nevus:Blue nevus:Blue nevus, Common": "nv",
    "Benign:Benign melanocytic proliferations:Nevus:Nevus, Spilus": "nv",
    "Benign:Benign soft tissue proliferations - Vascular:Hemangioma:Hemangioma, Cherry": "vasc",
    "Benign:Benign epidermal proliferations:Seborrheic keratosis:Seborrheic keratosis, Clonal": "bkl",
    "Malignant:Malignant epidermal proliferations:Squamous cell carcinoma in situ:Squamous ... Bowens disease": "akiec",
    "Malignant:Malignant adnexal epithelial proliferations - Follicular:Basal cell carcinoma:Basal ..., Nodular": "bcc",
}


def test_no_level_below_the_third_makes_a_class(table: LesionTable, tmp_path: Path) -> None:
    write_files(
        tmp_path, {f"{id_}.jpg": content for id_, content in list(relayout.contents(table).items())[: len(PATHS)]}
    )
    header = ("isic_id", *(f"diagnosis_{level}" for level in range(1, 6)))
    paths = [(*path.split(":"), "", "", "")[:5] for path in PATHS]
    rows = [(id_, *path) for id_, path in zip(table.frame["image_id"], paths, strict=False)]
    write_files(tmp_path, {"metadata.csv": relayout.text(header, rows)})
    read = recognise.load(tmp_path)
    assert read.frame["dx"].tolist() == list(PATHS.values())
    (note,) = (
        note for note in read.notes if note.startswith("diagnoses finer than labels, which are not told apart: 9, ")
    )
    assert "Melanoma Invasive, Nodular as mel (1 image), Melanoma in situ, Mucosal as mel (1 image)" in note


def test_both_kinds_of_milk10k_are_told_apart(table: LesionTable, tmp_path: Path) -> None:
    read = laid_out("milk10k", table, tmp_path)
    assert read.frame["dataset"].value_counts().to_dict() == {"clinical: close-up": 42, "dermoscopic": 42}
    assert set(read.frame["dx_type"]) == {"histo"}
    assert "kinds of images: clinical: close-up (42 images), dermoscopic (42 images)" in read.notes


def test_parts_of_derm7pt_are_those_of_its_lists_of_rows(table: LesionTable, tmp_path: Path) -> None:
    names = {"valid": "validation"}
    assert laid_out("derm7pt", table, tmp_path).official == tuple(names.get(part, part) for part in parts(table))
    folder = write_files(tmp_path, {"meta/test_indexes.csv": b"indexes\n3\n84\n"})
    assert "row 3: indexes names no row of meta.csv, which has 84" in refused(folder)
    write_files(folder, {"meta/test_indexes.csv": b"indexes\n0\n"})
    assert "lists rows of another part: 0" in refused(folder)


def test_parts_that_not_all_images_have_are_told(table: LesionTable, tmp_path: Path) -> None:
    laid_out("derm7pt", table, tmp_path)
    (tmp_path / "meta" / "test_indexes.csv").unlink()
    read = recognise.load(tmp_path)
    count = parts(table).count("test")
    with pytest.raises(DataError, match=f"has no parts of its own: some .*: {count} of {len(table)} images have none"):
        official_split(read)
    assert "part" in [one.code for one in doubtful_notes(tmp_path, read)]


def test_masks_of_ph2_are_read_and_its_sheet_says_the_same(table: LesionTable, tmp_path: Path) -> None:
    read = laid_out("ph2", table, tmp_path)
    masks = read.images.masks([0, 1], 8)
    assert masks is not None
    assert masks.all()
    assert read.frame["dx_type"].tolist() == ["histo" if dx == "mel" else "unknown" for dx in table.frame["dx"]]
    (tmp_path / "PH2_dataset.txt").unlink()
    assert "has no table that says what the images of PH2 show; a workbook (.xlsx) is not read" in refused(tmp_path)
    lines = ['Image Name,Histological Diagnosis,Common Nevus,Atypical Nevus,Melanoma,"Asymmetry\n(0/1/2)"']
    places = {"mel": ",,X", "nv": ",X,"}
    lines += [
        f"{id_},{'Melanoma' if dx == 'mel' else ''},{places.get(dx, 'X,,')},0"
        for id_, dx in zip(table.frame["image_id"], table.frame["dx"], strict=True)
    ]
    write_files(tmp_path, {"sheet.csv": "\n".join(lines).encode()})
    assert recognise.load(tmp_path).fingerprint == read.fingerprint
    write_files(tmp_path, {"sheet.csv": "\n".join([*lines[:-1], lines[-1].replace("X", "")]).encode()})
    assert "row 85: marks none or several of common nevus, atypical nevus, melanoma" in refused(tmp_path)


def edited(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("\n".join(change(path.read_text().splitlines())))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [*rows[:2], rows[2].rpartition(",")[0] + ",", *rows[3:]], r"row 3: diagnostic of \S+ is empty"),
        (lambda rows: [*rows[:2], rows[2].rpartition(",")[0] + ",?!", *rows[3:]], r"row 3: the label '\?!' has"),
        (lambda rows: [*rows, rows[1]], r"row repeats an image_id: row 86 ISIC_0000000 \(that of row 2\)"),
        (lambda rows: [*rows, rows[1].replace("ISIC_0000000", "ISIC_7")], r"is not in .*: row 86 ISIC_7"),
        (lambda rows: [*rows[:1], rows[1].replace(",60,", ",old,"), *rows[2:]], "row 2 'old'"),
        (lambda rows: [*rows[:1], rows[1].replace(",60,", ",6_0,"), *rows[2:]], "row 2 '6_0'"),
        (lambda rows: [*rows[:1], rows[1].partition(",")[2].join([",", ""]), *rows[2:]], "row 2: img_id is empty"),
        (lambda rows: rows[:1], "has a header and no rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_named_with_its_row(
    table: LesionTable, tmp_path: Path, change: Callable[[list[str]], list[str]], message: str
) -> None:
    laid_out("pad-ufes-20", table, tmp_path)
    edited(tmp_path / "metadata.csv", change)
    said = refused(tmp_path)
    assert re.search(message, said), said


def test_files_in_another_letter_case_are_those_of_the_table(table: LesionTable, tmp_path: Path) -> None:
    read = laid_out("isic2020", table, tmp_path)
    for file in [*tmp_path.rglob("ISIC_*.jpg")]:
        file.rename(file.with_name(file.name.lower()))
    again = recognise.load(tmp_path)
    assert again.frame["image_id"].tolist() == read.frame["image_id"].tolist()
    assert any("letter case" in note for note in again.notes)


def test_one_sex_may_be_written_in_two_ways(table: LesionTable, tmp_path: Path) -> None:
    laid_out("pad-ufes-20", table, tmp_path)
    edited(tmp_path / "metadata.csv", lambda rows: [r.replace(",FEMALE,", ",F,") for r in rows[:40]] + rows[40:])
    text = (tmp_path / "metadata.csv").read_text()
    assert ",F," in text
    assert ",FEMALE," in text
    assert set(recognise.load(tmp_path).frame["sex"]) <= {"male", "female", "unknown"}


def test_decimals_of_spreadsheets_are_no_part_of_a_lesion_id(table: LesionTable, tmp_path: Path) -> None:
    laid_out("pad-ufes-20", table, tmp_path)
    lesions = {lesion: str(n) for n, lesion in enumerate(sorted(set(table.frame["lesion_id"])), start=1)}

    def number(row: str, end: str) -> str:
        return reduce(lambda text, lesion: text.replace(f",{lesion},", f",{lesions[lesion]}{end},"), lesions, row)

    edited(tmp_path / "metadata.csv", lambda rows: [number(row, (".0", "")[n % 2]) for n, row in enumerate(rows)])
    assert set(recognise.load(tmp_path).frame["lesion_id"]) == set(lesions.values())


def test_a_lesion_with_two_labels_is_told_and_kept_together(table: LesionTable, tmp_path: Path) -> None:
    LAID_OUT["pad-ufes-20"](table, tmp_path)
    lesion = table.frame["lesion_id"].value_counts().index[0]
    edited(tmp_path / "metadata.csv", lambda rows: [
        *rows[:1], *(row if f",{lesion}," not in row else f"{row.rpartition(',')[0]},{code}"
                     for row, code in zip(rows[1:], ["NEV", "MEL"] * len(rows), strict=False)),
    ])  # fmt: skip
    assert f"lesions whose images have several labels: 1, {lesion} (mel, nv)" in recognise.load(tmp_path).notes


def test_an_image_without_a_lesion_counts_as_one(table: LesionTable, tmp_path: Path) -> None:
    LAID_OUT["isic-archive-old"](table, tmp_path)
    path, lesion = tmp_path / "ISIC-images.csv", table.frame["lesion_id"].iloc[0]
    edited(path, lambda rows: [rows[0], rows[1].replace(lesion, ""), *rows[2:]])
    read = recognise.load(tmp_path)
    assert not read.lesions_known
    assert read.frame["lesion_id"].iloc[0] == read.frame["image_id"].iloc[0]
    assert any("(1 image)" in note for note in read.notes)


def exports(table: LesionTable, folder: Path) -> tuple[LesionTable, list[str], list[str]]:
    """The archive's export of all images, and the same in two that share images 20 to 59, each in a folder of its own.

    With it the lines of both.
    """
    whole = laid_out("isic-archive", table, folder / "whole")
    header, *rows = (folder / "whole" / "metadata.csv").read_text().splitlines()
    first, second = [header, *rows[:60]], [header, *rows[20:]]
    for name, lines in (("first", first), ("second", second)):
        ids = [line.split(",")[0] for line in lines[1:] if "9999999" not in line]
        images = {f"{id_}.JPG": (folder / "whole" / f"{id_}.JPG").read_bytes() for id_ in ids}
        write_files(folder / "both" / name, {**images, "metadata.csv": "\n".join(lines).encode()})
    return whole, first, second


def test_exports_that_share_images_are_one(table: LesionTable, tmp_path: Path) -> None:
    whole, _, second = exports(table, tmp_path)
    read = recognise.load(tmp_path / "both")
    assert read.fingerprint == whole.fingerprint
    assert "images with a row in several tables, which agree and are read as one: 40" in read.notes
    # What one export does not say, and what it says in other words, is taken from the other.
    lines = [line.replace(",40,torso,", ",40.0,,").replace("Melanoma in situ", '"Melanoma, NOS"') for line in second]
    lines = [lines[0], *(re.sub("Benign,Benign epidermal.*", "Benign,,", line) for line in lines[1:41]), *lines[41:]]
    write_files(tmp_path / "both", {"second/metadata.csv": "\n".join(lines).encode()})
    read = recognise.load(tmp_path / "both")
    shared = whole.frame.iloc[:60]
    assert read.frame.iloc[:60].equals(shared)
    write_files(tmp_path / "both", {"third/metadata.csv": "\n".join(lines[:9]).encode()})
    note = "third/metadata.csv is left out: all of it stands in first/metadata.csv, second/metadata.csv"
    assert note in recognise.load(tmp_path / "both").notes


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (",torso,", ",head/neck,", "anatom_site_general 'head/neck' in {}second/metadata.csv, 'torso' in {}first/meta"),
        (",40,", ",45,", "age_approx '45' in "),
        ("Angiofibroma", "Dermatofibroma", "diagnosis 'Dermatofibroma' in {}second/metadata.csv, 'Angiofibroma' in "),
    ],
)
def test_exports_that_say_different_things_of_an_image_are_refused(
    table: LesionTable, tmp_path: Path, before: str, after: str, said: str
) -> None:
    _, _, second = exports(table, tmp_path)
    folder = tmp_path / "both"
    place = next(place for place, line in enumerate(second[1:41], start=1) if before in line)
    second[place] = second[place].replace(before, after)
    write_files(folder, {"second/metadata.csv": "\n".join(second).encode()})
    id_ = second[place].split(",")[0]
    with pytest.raises(DataError, match="1 cell says otherwise of an image than another table does") as caught:
        recognise.load(folder)
    assert f"{id_} ({said.format(*[f'{folder}/'] * 2)}" in caught.value.message
    assert caught.value.image_ids == {id_}
    assert len(recognise.load(folder, frozenset([id_]))) == len(table) - 1


def test_tables_that_disagree_are_refused(table: LesionTable, tmp_path: Path) -> None:
    laid_out("isic2020", table, tmp_path)
    edited(tmp_path / "ISIC_2020_Training_GroundTruth.csv", lambda rows: [
        *rows[:1], rows[1].replace("unknown,benign,0", "melanoma,malignant,1"), *rows[2:]
    ])  # fmt: skip
    assert "ISIC_0000000 (malignancy 'malignant' in " in refused(tmp_path)


def test_an_export_of_before_2021_says_the_same(table: LesionTable, tmp_path: Path) -> None:
    whole = laid_out("isic-archive-old", table, tmp_path)
    header, *rows = (tmp_path / "ISIC-images.csv").read_text().splitlines()
    assert header == "isic_id,patient_id,lesion_id,diagnosis,benign_malignant"
    clinical = ",".join(f"meta.clinical.{name}" for name in header.split(",")[1:])
    lines = [f"name,{clinical},meta.clinical.sex,meta.clinical.age_approx,_id,dataset.license"]
    lines += [f"{row},female,45.0,5436e3abbae478396759f0cf,CC-0" for row in rows]
    (tmp_path / "ISIC-images.csv").write_text("\n".join(lines))
    found = recognise.recognise(tmp_path)
    assert found is not None
    assert found.name == "isic-archive"
    read = recognise.load(tmp_path)
    same = ["image_id", "dx", "lesion_id", "patient_id"]
    assert read.frame[same].equals(whole.frame[same])
    assert (read.malignancy, read.lesions_known, read.licence) == (whole.malignancy, True, "CC-0")
    assert (set(read.frame["sex"]), set(read.frame["age"])) == ({"female"}, {45})


def test_a_table_says_more_than_class_folders(table: LesionTable, tmp_path: Path) -> None:
    LAID_OUT["isic-archive"](table, tmp_path / "whole")
    whole = recognise.load(tmp_path / "whole")
    folder = relayout.class_folders(table, tmp_path / "sorted")
    write_files(folder, {"metadata.csv": (tmp_path / "whole" / "metadata.csv").read_bytes()})
    read = recognise.load(folder)
    assert (read.name, read.fingerprint) == (whole.name, whole.fingerprint)
    assert any("another class than their table says, which is believed: 12, " in note for note in read.notes)  # df
    assert not any("another class" in note for note in whole.notes)


def test_tables_of_one_collection_may_have_other_columns(table: LesionTable, tmp_path: Path) -> None:
    whole = laid_out("isic-archive", table, tmp_path)
    header, *rows = (tmp_path / "metadata.csv").read_text().splitlines()
    columns = header.split(",")
    short = [place for place, name in enumerate(columns) if name in ("isic_id", "diagnosis_1", "diagnosis_2")]
    (tmp_path / "metadata.csv").write_text("\n".join([header, *rows[:40]]))
    lines = [",".join(row.split(",")[place] for place in short) for row in [header, *rows[40:]]]
    (tmp_path / "second.csv").write_text("\n".join(lines))
    read = recognise.load(tmp_path)
    assert read.frame["image_id"].equals(whole.frame["image_id"])
    assert read.frame.iloc[:40][["lesion_id", "sex", "age"]].equals(whole.frame.iloc[:40][["lesion_id", "sex", "age"]])
    assert set(read.frame["sex"].iloc[40:]) == set(read.frame["patient_id"].iloc[40:]) == {"unknown"}
    assert read.frame["age"].iloc[40:].isna().all()
    assert any("(44 images)" in note for note in read.notes)
    assert not read.lesions_known


def test_what_is_said_of_one_image_alone_is_not_said_of_its_label(table: LesionTable, tmp_path: Path) -> None:
    LAID_OUT["isic-archive-old"](table, tmp_path)
    path = tmp_path / "ISIC-images.csv"
    first, *others = path.read_text().split("nevus,benign")
    assert len(others) > 1
    path.write_text("nevus,benign".join([first, "nevus,".join(others)]))
    read = recognise.load(tmp_path)
    assert "nv" not in read.malignancy
    assert read.malignancy["mel"] == "malignant"


def test_the_text_of_ph2_is_read_in_any_encoding_and_as_csv(table: LesionTable, tmp_path: Path) -> None:
    whole = laid_out("ph2", table, tmp_path)
    path = tmp_path / "PH2_dataset.txt"
    text = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-16")
    assert recognise.load(tmp_path).frame.equals(whole.frame)
    rows = [line.strip("| ").replace("||", "|").replace("|", ";") for line in text.split("\n\n")[0].splitlines()]
    path.unlink()
    (tmp_path / "PH2.csv").write_text("\n".join(rows), encoding="utf-8")
    assert recognise.load(tmp_path).frame.equals(whole.frame)
    (tmp_path / "PH2.csv").write_text("\n".join([*rows[:4], rows[4].replace(" 0 ", " 3 ", 1)]), encoding="utf-8")
    assert "PH2.csv, row 5: '3' is no clinical diagnosis" in refused(tmp_path)


@pytest.mark.parametrize("name", ["truth", "metadata"])
def test_copies_of_a_table_that_is_joined_are_one(table: LesionTable, tmp_path: Path, name: str) -> None:
    whole = laid_out("milk10k", table, tmp_path)
    file = {"truth": "MILK10k_Training_GroundTruth.csv", "metadata": "MILK10k_Training_Supplement.csv"}[name]
    content = (tmp_path / file).read_bytes()
    write_files(tmp_path, {f"copy/{file}": content})
    assert recognise.load(tmp_path).fingerprint == whole.fingerprint
    first, second, *others = content.splitlines()
    other = second.replace(b"histopathology", b"consensus").replace(b"1.0,0.0", b"0.0,1.0")
    write_files(tmp_path, {f"copy/{file}": b"\n".join([first, other, *others])})
    with pytest.raises(
        DataError, match=rf"that differ: \w+ \(\w+ is '\w+' in .*{file}, row 2 and '\w+' in .*{file}, row 2\)"
    ) as caught:
        recognise.load(tmp_path)
    ids = caught.value.image_ids
    assert ids
    assert set(recognise.load(tmp_path, frozenset(ids)).frame["image_id"]) == set(whole.frame["image_id"]) - set(ids)


def test_a_table_without_its_images_is_no_collection(table: LesionTable, tmp_path: Path) -> None:
    laid_out("bcn20000", table, tmp_path)
    write_files(tmp_path / "alone", {"bcn_20k_train.csv": (tmp_path / "bcn_20k_train.csv").read_bytes()})
    assert "holds none of the images that" in refused(tmp_path / "alone")


def test_what_decides_of_which_class_images_are_is_in_the_fingerprint(table: LesionTable, tmp_path: Path) -> None:
    before = laid_out("isic-archive", table, tmp_path)
    (file,) = tmp_path.rglob("metadata.csv")
    text = file.read_text(encoding="utf-8")
    assert "Benign,Benign soft tissue" in text
    file.write_text(text.replace("Benign,Benign soft tissue", "Malignant,Benign soft tissue"), encoding="utf-8")
    after = recognise.load(tmp_path)
    assert after.frame.equals(before.frame)
    assert after.malignancy != before.malignancy
    assert after.fingerprint != before.fingerprint
