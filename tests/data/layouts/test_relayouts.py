"""One data set in every layout is one lesion table, as far as the layout says what the table holds."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skineval.data.layouts import recognise
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES
from tests.conftest import Skineval
from tests.data.folders import seven_classes, write_files
from tests.data.layouts import relayout

KNOWN = ["image_id", "lesion_id", "dx", "group"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LesionTable:
    return recognise.load(seven_classes(tmp_path_factory.mktemp("seven")))


def laid_out(table: LesionTable, folder: Path) -> dict[str, Path]:
    """The same images in every layout, by the name of the layout."""
    parts = ["train"] * len(table)
    ends = [*["train"] * (len(table) - 2), "validation", "test"]
    return {
        "kaggle": relayout.kaggle(table, folder / "kaggle"),
        "isic2018": relayout.isic2018(table, folder / "isic", parts),
        "folders": relayout.class_folders(table, folder / "folders"),
        "hmnist": relayout.hmnist(table, folder / "hmnist", 28),
        "dermamnist": relayout.dermamnist(table, folder / "dermamnist.npz", 28, ends),
    }


def test_each_is_recognised_as_itself_alone(tmp_path: Path, table: LesionTable) -> None:
    for name, path in laid_out(table, tmp_path).items():
        found = recognise.recognise(path)
        assert found is not None
        assert found.name == {"kaggle": "ham10000"}.get(name, name)


def test_all_load_to_one_table(tmp_path: Path, table: LesionTable) -> None:
    read = {name: recognise.load(path) for name, path in laid_out(table, tmp_path).items()}
    for name in ("kaggle", "isic2018"):
        assert read[name].frame[KNOWN].equals(table.frame[KNOWN]), name
        assert read[name].lesions_known
    assert read["folders"].frame[["image_id", "dx"]].equals(table.frame[["image_id", "dx"]])
    assert read["hmnist"].frame["dx"].equals(table.frame["dx"])
    for name, one in read.items():
        assert sorted(one.frame["dx"]) == sorted(table.frame["dx"]), name
        assert one.lesions_known == (name in ("kaggle", "isic2018"))
    for name in ("kaggle", "isic2018", "folders"):
        assert (read[name].images.pixels(range(28), 16) == table.images.pixels(range(28), 16)).all()


@pytest.mark.parametrize("name", ["kaggle", "isic2018", "isic2019", "folders", "hmnist", "dermamnist"])
def test_each_is_benched_for_an_epoch(name: str, few_of_each: LesionTable, skineval_program: Skineval, tmp_path: Path):
    folder = tmp_path / "data"
    if name == "isic2019":
        places = relayout.isic2019(few_of_each, folder, *isic2019_columns(few_of_each))
    else:
        places = laid_out(few_of_each, folder)[name]
    protocol = "lesion" if recognise.load(places).lesions_known else "image"
    done = skineval_program(
        "bench", f"--data={places}", "--task=malignant", f"--protocol={protocol}", "--models=cnn:width=4",
        "--imbalance=none", "--image-size=32", "--epochs=1", "--replicates=1000", "--precision=fp32", "--explainers=",
        "--out=out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    split = pd.read_csv(tmp_path / "out" / "split.csv")
    assert set(split["part"]) == {"train", "validation", "test"}
    if protocol == "lesion":
        assert (split.groupby("group")["part"].nunique() == 1).all()


def isic2019_columns(table: LesionTable) -> tuple[list[str], list[str]]:
    """What ISIC 2019 calls each diagnosis, and the lesions."""
    codes = table.frame["dx"].str.upper().replace("AKIEC", "AK")
    return codes.tolist(), table.frame["lesion_id"].tolist()


def test_seven_columns_on_dataverse_and_on_kaggle_are_one_fingerprint(tmp_path: Path, table: LesionTable) -> None:
    read = recognise.load(relayout.kaggle(table, tmp_path / "kaggle"))
    seven = (tmp_path / "kaggle" / "HAM10000_metadata.csv").read_bytes()
    plain = write_files(
        tmp_path / "plain",
        {"HAM10000_metadata.tab": seven.replace(b",", b"\t")}
        | {f"{id_}.jpg": content for id_, content in relayout.contents(table).items()},
    )
    assert read.fingerprint == recognise.load(plain).fingerprint
    assert read.fingerprint != table.fingerprint  # which knows where each image is from


@pytest.fixture(scope="module")
def parts() -> list[str]:
    """Parts of the sizes of DermaMNIST, dealt out by image as there."""
    parts: list[str] = np.repeat(["train", "validation", "test"], [7007, 1003, 2005]).tolist()
    random.Random(0).shuffle(parts)
    return parts


class TestOnTheRealData:
    COUNTS = (327, 514, 1099, 115, 1113, 6705, 142)

    def test_kaggle(self, real_table: LesionTable, tmp_path: Path) -> None:
        columns = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
        folder = relayout.kaggle(real_table, tmp_path)
        read = recognise.load(folder)
        assert read.frame[columns].equals(real_table.frame[columns])
        assert read.frame["group"].equals(real_table.frame["group"])
        assert read.layout == "HAM10000 as on Kaggle, images in folders, each there more than once"

    def test_isic2018_with_the_archives_in_place(
        self, real_folder: Path, real_table: LesionTable, tmp_path: Path
    ) -> None:
        folder = relayout.isic2018(real_table, tmp_path, ["train"] * 10_015, images=False)
        for archive in real_folder.glob("HAM10000_images_part_*.zip"):
            (folder / archive.name.replace("HAM10000_images", "ISIC2018_Task3_Training_Input")).symlink_to(archive)
        read = recognise.load(folder)
        known = [*KNOWN, "dx_type"]
        assert read.frame[known].equals(real_table.frame[known])
        assert read.frame["group"].nunique() == 7_452
        assert read.lesions_known

    def test_hmnist(self, real_table: LesionTable, tmp_path: Path) -> None:
        read = recognise.load(relayout.hmnist(real_table, tmp_path, 28))
        assert read.frame["dx"].equals(real_table.frame["dx"])
        rows = range(0, 10_015, 997)
        assert (read.images.pixels(rows, 28) == real_table.images.pixels(rows, 28)).all()

    def test_dermamnist(self, real_table: LesionTable, tmp_path: Path, parts: list[str]) -> None:
        read = recognise.load(relayout.dermamnist(real_table, tmp_path / "dermamnist.npz", 28, parts))
        counts = read.frame["dx"].value_counts()
        assert tuple(int(counts[dx]) for dx in DIAGNOSES) == self.COUNTS
        assert read.official is not None
        assert [read.official.count(part) for part in ("train", "validation", "test")] == [7007, 1003, 2005]
        assert not any("as published" in note for note in read.notes)

    def test_class_folders(self, real_table: LesionTable, tmp_path: Path, parts: list[str]) -> None:
        read = recognise.load(relayout.class_folders(real_table, tmp_path, parts))
        seen = {(file.size, file.crc): row for row, file in reversed([*enumerate(real_table.images.files)])}  # type: ignore[attr-defined]
        once = sorted(seen.values())  # a picture counts once, and two are there twice
        assert len(once) == 10_013
        rows = real_table.frame.iloc[once].reset_index(drop=True)
        assert read.frame[["image_id", "dx"]].equals(rows[["image_id", "dx"]])
        assert read.official == tuple(parts[row] for row in once)
        # No lesion ids, but the 18 known pairs are joined by their image ids.
        assert read.frame["group"].nunique() == 10_013 - 18
