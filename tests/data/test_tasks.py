"""Tasks: which labels belong to which class, and what a task leaves out of a data set."""

from __future__ import annotations

import ast
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import skineval
from skineval.base.errors import DataError, UsageError
from skineval.data.spellings import label_name
from skineval.data.tasks import find_task, read_task, told_apart
from skineval.values.task import DIAGNOSES, DX7, MALIGNANT, MELANOMA, OUTSIDE, SHIPPED, as_labelled
from tests.data.folders import made_table

TABLE = made_table([("vasc", 1), ("akiec", 1), ("mel", 2), ("nv", 1), ("df", 1), ("bcc", 1), ("bkl", 1)])
OWN = """
malignant = ["bad"]
sought = "bad"
[classes]
good = ["Naevus", "bkl", "Cherry angioma"]
bad = ["MEL", "basal cell carcinoma"]
"""


def own(folder: Path, text: str = OWN) -> Path:
    (folder / "own.toml").write_text(text, encoding="utf-8")
    return folder / "own.toml"


def test_shipped_tasks() -> None:
    assert DX7.classes == DIAGNOSES
    labels = ["vasc", "akiec", "mel", "nv", "scc"]
    assert DX7.targets(labels).tolist() == [6, 0, 4, 5, OUTSIDE]
    assert MALIGNANT.targets(labels).tolist() == [0, 1, 1, 0, OUTSIDE]
    assert MELANOMA.targets([*labels, "benign", "malignant"]).tolist() == [0, 0, 1, 0, 0, 0, OUTSIDE]
    assert all(task.targets(labels).dtype == np.int64 for task in SHIPPED.values())
    assert MELANOMA.malignant is None  # basal cell carcinomas are among the others
    with pytest.raises(UsageError, match="dx8"):
        find_task("dx8", TABLE)


def test_what_the_data_tells_apart_is_a_task() -> None:
    assert as_labelled(DIAGNOSES).malignant == ("akiec", "bcc", "mel")
    strange = as_labelled(("mole", "wart"))
    assert (strange.classes, strange.malignant, strange.sought) == (("mole", "wart"), None, "")
    assert as_labelled(("benign", "malignant")).malignant == ("malignant",)
    assert as_labelled(("mel", "nv", "scc")).malignant == ("mel", "scc")
    assert as_labelled(("mel", "nv", "unk")).malignant is None


def test_a_file_says_which_labels_a_class_takes(tmp_path: Path) -> None:
    task = read_task(own(tmp_path))
    assert task.classes == ("good", "bad")
    assert task.labels == {"nv": "good", "bkl": "good", "cherry-angioma": "good", "mel": "bad", "bcc": "bad"}
    assert (task.malignant, task.sought) == (("bad",), "bad")
    other = read_task(own(tmp_path, OWN.replace('"bkl", ', "")))
    assert task.identity != other.identity
    assert task.identity.startswith("own-")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no classes"),
        ('[classes]\na = ["nv"]', "names 1 class\\."),
        ('[classes]\na = ["nv"]\nb = ["Naevus"]', "the label 'Naevus' is of two classes, a and b"),
        ('[classes]\na = ["nv"]\nb = []', r"b is \[\], which should be a list"),
        ('[classes]\na = ["nv"]\nb = "mel"', "b is 'mel', which should be a list"),
        ('[classes]\na = ["nv"]\n"B c" = ["mel"]', "a class cannot be called 'B c'"),
        ('[classes]\na = ["nv"]\npart = ["mel"]', "a class cannot be called 'part'"),
        ('[classes]\na = ["nv"]\nvascular = ["vasc"]', "'vascular', which is another name of vasc"),
        ('malignant = ["c"]\n[classes]\na = ["nv"]\nb = ["mel"]', "is 'c', no class of the task"),
        ('malignant = "b"\n[classes]\na = ["nv"]\nb = ["mel"]', "malignant is 'b', which should be a list"),
        ('malignant = 0\n[classes]\na = ["nv"]\nb = ["mel"]', "malignant is 0, which should be a list"),
        ('sought = "c"\n[classes]\na = ["nv"]\nb = ["mel"]', "is 'c', no class of the task"),
        ('[classes]\na = ["nv"]\nb = ["--"]', "the label '--' has neither letter nor digit"),
        ('malignent = ["b"]\n[classes]\na = ["nv"]\nb = ["mel"]', "there is no key 'malignent'"),
        ("[classes", r"own\.toml, which is not valid TOML at line 1, column 9: "),
        ('malignant = ["b"\n[classes]\na = ["nv"]', "is not valid TOML at line 2, column 1: Unclosed array"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_task(own(tmp_path, text))
    with pytest.raises(UsageError, match="cannot be read"):
        read_task(tmp_path / "absent.toml")


def test_images_of_no_class_are_left_out_and_counted(tmp_path: Path) -> None:
    table, task = told_apart(TABLE, read_task(own(tmp_path)), strict=False)
    assert table.frame["dx"].tolist() == ["mel", "mel", "nv", "bcc", "bkl"]
    assert "left out, since the task own has no class for their labels: akiec (1 image), df (1 image), vasc" in (
        " ".join(table.notes)
    )
    assert task.classes == ("good", "bad")
    untouched, whole = told_apart(TABLE, DX7, strict=True)
    assert untouched.frame is TABLE.frame
    assert whole == DX7
    with pytest.raises(UsageError, match=r"The task labels has no class for any label of .*: nv \(1 image\)"):
        told_apart(TABLE.take([4]), as_labelled(("mole", "wart")), strict=False)


@pytest.mark.parametrize("name", ["image_id", "lesion_id", "fold", "seed", "part", "target", "x" * 81])
def test_labels_that_no_column_can_be_called_are_refused_before_anything_is_trained(name: str) -> None:
    table = replace(TABLE, frame=TABLE.frame.replace({"dx": {"nv": name}}), labels=())
    with pytest.raises(UsageError, match=f"a class cannot be called '{name}'"):
        told_apart(table, find_task("labels", table), strict=False)


def test_a_class_without_images_is_left_out_unless_that_is_refused() -> None:
    table = TABLE.take([2, 3, 4])
    found, task = told_apart(table, DX7, strict=False)
    assert task.classes == ("mel", "nv")
    assert (task.malignant, task.sought) == (("mel",), "mel")
    assert "no class of the task for want of images: akiec, bcc, bkl, df, vasc" in found.notes
    with pytest.raises(UsageError, match="There are no images of akiec, bcc, bkl, df, vasc"):
        told_apart(table, DX7, strict=True)
    with pytest.raises(DataError, match="there are no images but those of nv"):
        told_apart(TABLE.take([4]), DX7, strict=False)
    # Of labels as they are found, none is absent.
    assert told_apart(table, find_task("labels", table), strict=True)[1].classes == ("mel", "nv")


@given(st.text(max_size=40))
def test_a_label_is_a_name_that_stays_what_it_is(text: str) -> None:
    name = label_name(text)
    assert label_name(name) == name
    assert not set(name) & set("/\\ ,;\"'\n\t")
    assert name or not any(character.isalnum() for character in unicodedata.normalize("NFKC", text))


def test_classes_are_named_by_the_task_and_where_data_sets_are_read_and_nowhere_else() -> None:
    root = Path(skineval.__file__).parent
    at_home = (root / "values/task.py", root / "data/layouts", root / "data/synthetic")
    for file in root.rglob("*.py"):
        if not any(file == home or home in file.parents for home in at_home):
            words = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
            assert not words & set(DIAGNOSES), file


def test_a_misspelt_diagnosis_is_asked_for_by_whatever_it_is_called_and_refused_where_classes_are_strict(
    tmp_path: Path,
) -> None:
    table = made_table([("mel", 3), ("bcc", 3), ("nv", 3)])
    task = read_task(own(tmp_path, '[classes]\nbad = ["melanona", "bcc"]\ngood = ["nv"]'))
    kept, _ = told_apart(table, task, strict=False)
    assert "labels of the task own that no image has: melanona (is mel meant?)" in kept.notes
    with pytest.raises(UsageError, match="leaves images out: no image of made is 'melanona'") as caught:
        told_apart(table, task, strict=True)
    assert "Is 'mel' meant?" in caught.value.hint


def test_a_label_of_a_file_that_no_image_has_is_told_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    table = replace(TABLE, frame=TABLE.frame.replace({"dx": {"vasc": "lentigo-simplex"}}), labels=())
    text = '[classes]\ngood = ["nv", "wart", "lentigo simplx"]\nbad = ["mel"]'
    kept, _ = told_apart(table, read_task(own(tmp_path, text)), strict=False)
    assert "labels of the task own that no image has: lentigo-simplx (is lentigo-simplex meant?), wart" in kept.notes
    # Another data set may have images of it; but a class is not lost for want of a letter.
    alone = text.replace('"nv", "wart", ', "") + '\nodd = ["nv"]\nnone = ["wart"]'
    message = "has no images of good: no image of made is 'lentigo-simplx'.\nIs 'lentigo-simplex' meant"
    with pytest.raises(UsageError, match=message):
        told_apart(table, read_task(own(tmp_path, alone)), strict=False)
    kept, task = told_apart(table, read_task(own(tmp_path, alone.replace("simplx", "simplex"))), strict=False)
    assert task.classes == ("good", "bad", "odd")


def test_of_many_labels_that_are_left_out_the_most_frequent_are_named_and_the_others_counted() -> None:
    names = [f"label-{k:03d}" for k in range(100)]
    frame = TABLE.frame.iloc[np.repeat(0, 150)].assign(
        image_id=[f"ISIC_{k:07d}" for k in range(150)], dx=[*names, *names[50:]]
    )
    table = replace(TABLE, frame=frame.reset_index(drop=True), labels=tuple(names))
    with pytest.raises(UsageError) as refused:
        told_apart(table, as_labelled(("mole", "wart")), strict=False)
    assert "label-050 (2 images), " in str(refused.value)
    assert "label-060 (2 images), 89 further labels (128 images)." in str(refused.value)


def test_a_class_called_like_a_diagnosis_that_takes_another_one_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the class mel \(melanoma\) takes nv \(melanocytic nevus\), and not mel\."):
        read_task(own(tmp_path, '[classes]\nmel = ["Nevus"]\nnv = ["Melanoma"]'))
    with pytest.raises(UsageError, match=r"the class scc \(squamous cell carcinoma\) takes bcc .*, and not scc\."):
        read_task(own(tmp_path, '[classes]\nscc = ["bcc"]\nnv = ["nv"]'))
    assert read_task(own(tmp_path, '[classes]\nnv = ["Nevus", "bkl"]\nmel = ["mel"]')).labels["bkl"] == "nv"
