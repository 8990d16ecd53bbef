from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skineval.data.layouts import recognise
from skineval.data.splits.dealing import split
from skineval.data.tasks import told_apart
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DX7, ISIC2019, MALIGNANT
from tests.data.folders import lesion_folder, refused
from tests.data.layouts import relayout

CODES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LesionTable:
    return recognise.load(lesion_folder(tmp_path_factory.mktemp("ham")))


def codes_of(table: LesionTable) -> list[str]:
    """A column for each lesion, one after the other."""
    lesions = table.frame["group"].factorize()[0]
    return [CODES[lesion % 9] for lesion in lesions]


def laid_out(table: LesionTable, folder: Path, lesions: list[str] | None = None) -> Path:
    known = table.frame["lesion_id"].tolist() if lesions is None else lesions
    return relayout.isic2019(table, folder, codes_of(table), known)


def test_labels_lesions_and_metadata_are_read(table: LesionTable, tmp_path: Path) -> None:
    read = recognise.load(laid_out(table, tmp_path))
    assert (read.name, read.licence) == ("ISIC 2019", "CC BY-NC 4.0")
    wanted = [{"AK": "akiec"}.get(code, code.lower()) for code in codes_of(table)]
    assert read.frame["dx"].tolist() == wanted
    assert read.frame["lesion_id"].equals(table.frame["lesion_id"])
    assert read.lesions_known
    assert set(read.frame["age"]) == {55}
    assert set(read.frame["localization"]) == {"head/neck"}
    assert set(read.frame["sex"]) == {"unknown"}
    assert read.official == ("train",) * len(table)
    assert len(read.labels) == 9
    found = recognise.recognise(tmp_path)
    assert found is not None
    assert found.name == "isic2019"


@pytest.mark.parametrize(("task", "left_out"), [(ISIC2019, "unk"), (DX7, "scc"), (MALIGNANT, "unk")])
def test_it_is_benched_by_its_own_task_and_by_those_of_ham10000(
    table: LesionTable, tmp_path: Path, task, left_out: str
) -> None:
    kept, used = told_apart(recognise.load(laid_out(table, tmp_path)), task, strict=True)
    assert used == task.widened({"scc": "malignant"})
    assert left_out not in set(kept.frame["dx"])
    assert any("left out" in note and left_out in note for note in kept.notes)
    made = split(kept, task=used)
    assert (made.frame.groupby("group")["part"].nunique() == 1).all()
    assert set(used.targets(kept.frame["dx"])) == set(range(len(task.classes)))


def test_an_image_without_a_lesion_counts_as_one_and_no_split_is_clean(table: LesionTable, tmp_path: Path) -> None:
    lesions = table.frame["lesion_id"].tolist()
    read = recognise.load(laid_out(table, tmp_path, ["", *lesions[1:]]))
    assert not read.lesions_known
    assert any("(1 image)" in note for note in read.notes)


def test_what_marks_no_class_or_two_is_refused_with_its_row(table: LesionTable, tmp_path: Path) -> None:
    folder = laid_out(table, tmp_path)
    truth = folder / "ISIC_2019_Training_GroundTruth.csv"
    lines = truth.read_text().splitlines()
    truth.write_text("\n".join([*lines[:3], lines[3].replace("1.0", "0.0"), *lines[4:]]))
    assert "row 4 has none" in refused(folder)
    truth.write_text("\n".join([*lines[:3], lines[3].replace("0.0", "1.0", 1).replace("0.0", "1.0", 1), *lines[4:]]))
    assert "row 4 has MEL '1.0' and NV '1.0'" in refused(folder)


def test_weights_beside_the_marks_are_ignored(table: LesionTable, tmp_path: Path) -> None:
    folder = laid_out(table, tmp_path)
    truth = folder / "ISIC_2019_Training_GroundTruth.csv"
    head, *rows = truth.read_text().splitlines()
    truth.rename(folder / "ISIC_2019_Test_GroundTruth.csv")
    weighted = "\n".join([f"{head},score_weight,validation_weight", *(f"{row},1.0,0.0" for row in rows)])
    (folder / "ISIC_2019_Test_GroundTruth.csv").write_text(weighted)
    read = recognise.load(folder)
    assert read.official == ("test",) * len(table)
    assert (read.images.pixels([0], 8) == table.images.pixels([0], 8)).all()
    assert np.array_equal(read.frame["image_id"], table.frame["image_id"])
