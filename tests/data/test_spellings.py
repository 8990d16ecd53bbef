"""One reading of image ids, class names and parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.data.spellings import (
    IMAGE_COLUMNS,
    class_name,
    diagnosis,
    first_column,
    guess,
    image_id,
    label_name,
    of_their_own,
    part_name,
    read_as_one,
)
from skineval.values.task import DIAGNOSES

ID = "ISIC_0032867"


@pytest.mark.parametrize(
    "text",
    [
        ID, f"{ID}.jpg", f"{ID}.JPG", f"{ID}.jpeg", f"{ID}.png", f"{ID}.jpg.jpg", f" {ID} ", f"a/{ID}.jpg", f"a/b/{ID}",
        f"C:\\data\\{ID}.JPG", f"img\\{ID}", f"/data/{ID}.jpg", f"../input/part_1/{ID}.jpg", f"./{ID}",
    ],
)  # fmt: skip
def test_a_path_and_a_suffix_are_no_part_of_an_id(text: str) -> None:
    assert image_id(text) == ID


@pytest.mark.parametrize("text", ["/etc/passwd", "../x", "a/../b", "..", "C:\\x", ".jpg", "", "v1.2", "ISIC_1.csv"])
def test_what_is_no_image_file_stays_as_it_is(text: str) -> None:
    assert image_id(text) == text


@given(st.text())
def test_an_id_read_twice_is_the_same_id(text: str) -> None:
    assert image_id(image_id(text)) == image_id(text)


@pytest.mark.parametrize(
    ("text", "dx"),
    [
        ("MEL", "mel"), ("Melanoma", "mel"), ("Melanocytic nevi", "nv"), ("melanocytic_nevus", "nv"), ("NV", "nv"),
        ("Basal cell carcinoma", "bcc"), ("Benign keratosis-like lesions ", "bkl"), ("Dermatofibroma", "df"),
        ("Actinic keratoses", "akiec"), ("AK", "akiec"), ("Vascular lesions", "vasc"), ("SCC", None), ("", None),
    ],
)  # fmt: skip
def test_diagnoses_are_known_by_code_and_by_name(text: str, dx: str | None) -> None:
    assert diagnosis(text) == class_name(text) == dx


def test_classes_of_the_malignant_task_are_no_diagnoses() -> None:
    assert (class_name("Malignant"), class_name("BENIGN")) == ("malignant", "benign")
    assert diagnosis("malignant") is None
    assert [class_name(dx) for dx in DIAGNOSES] == list(DIAGNOSES)


def test_parts_and_columns_have_many_names() -> None:
    assert [part_name(name) for name in ("Train", "training", "val", "valid", "Validation", "TEST", "external")] == [
        *["train"] * 2, *["validation"] * 3, "test", "external",
    ]  # fmt: skip
    assert first_column(["path", "Image", "image_id"], IMAGE_COLUMNS) == "image_id"
    assert first_column(["a", "Filename"], IMAGE_COLUMNS) == "Filename"
    assert first_column(["a"], IMAGE_COLUMNS) is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Melanoma.", "mel"), ("(nevus);", "nv"), ("Bowen\u2019s disease", "akiec"),
        ("Cherry angioma!", "cherry-angioma"),
        ("Squamous cell carcinoma", "scc"), ("squamous-cell carcinomas.", "scc"), ("SCC", "scc"), ("?", ""),
        ("not melanoma", "not-melanoma"), ("nonmelanoma", "nonmelanoma"),
    ],
)  # fmt: skip
def test_punctuation_and_number_do_not_part_labels(text: str, label: str) -> None:
    assert label_name(text) == label


@pytest.mark.parametrize(
    "labels",
    [
        ("-1", "1"), ("\N{MINUS SIGN}1", "1"), ("<1 mm", ">1 mm", "1 mm"), ("melanoma <0,8", "melanoma > 0,8"),
        ("\u22640.8", "\u22650.8", "<0.8", ">0.8"), ("BRAF+", "BRAF-", "BRAF", "BRAF++"), ("HER2 +", "HER2 -"),
        ("mel+", "mel-", "mel"),
    ],
)  # fmt: skip
def test_signs_part_labels(labels: tuple[str, ...]) -> None:
    read = [label_name(text) for text in labels]
    assert len({*read, ""}) == len(labels) + 1
    assert [label_name(label) for label in read] == read


def test_a_label_that_is_called_otherwise_here_is_told_and_one_that_is_spelt_so_is_not() -> None:
    assert read_as_one({"Nävus": "nv", "MEL": "mel", "a b": "a-b", "W": "wart", "Wart": "wart"}) == (
        "labels read as one: wart ('W', 'Wart')",
        "labels called otherwise here: nv ('Nävus')",
    )


def test_signs_within_a_name_are_punctuation() -> None:
    assert label_name("- nevus") == "nv"
    assert label_name("<= 1") == label_name("\u22641") == "at-most-1"
    assert label_name("squamous-cell carcinoma") == "scc"


@pytest.mark.parametrize("text", ["not melanoma", "Non-melanoma", "nonmelanoma", "no_nevus"])
def test_what_denies_a_class_is_not_taken_for_it(text: str) -> None:
    assert guess(text) == ""
    assert "mel" in guess("melanomma")


@pytest.mark.parametrize("text", ["melanoma?", "no melanoma", "not melanoma", "MM"])
def test_doubt_and_denial_are_no_diagnosis(text: str) -> None:
    assert class_name(label_name(text)) is None


def test_labels_near_to_a_known_one_and_those_that_say_nothing_are_told() -> None:
    near, silent = of_their_own(["mel", "melanomia", label_name("nevus?"), "not-melanoma", label_name("n/a"), "wart"])
    assert "'melanomia' (is mel meant?), 'nv-doubtful' (is nv meant?);" in near
    assert "that say nothing are labels of their own: 'n-a';" in silent
