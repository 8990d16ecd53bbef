"""The same images laid out as Kaggle, ISIC 2018, MedMNIST and class folders do, from a HAM10000 table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skineval.data.layouts.images import StoredImages
from skineval.values.lesion_table import LesionTable
from tests.data.folders import write_files

#: Written down here once more, from the descriptions of the data sets: the code under test has its own.
HMNIST_LABELS = {"akiec": 0, "bcc": 1, "bkl": 2, "df": 3, "nv": 4, "vasc": 5, "mel": 6}
DERMAMNIST_LABELS = {"akiec": 0, "bcc": 1, "bkl": 2, "df": 3, "mel": 4, "nv": 5, "vasc": 6}
CONFIRMED = {
    "histo": "histopathology",
    "follow_up": "serial imaging showing no change",
    "consensus": "single image expert consensus",
    "confocal": "confocal microscopy with consensus dermoscopy",
}
COLUMNS = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
PARTS = {"train": "Training", "validation": "Validation", "test": "Test"}


def contents(table: LesionTable) -> dict[str, bytes]:
    """The image files of a table, by image id."""
    assert isinstance(table.images, StoredImages)
    return {id_: file.read() for id_, file in zip(table.frame["image_id"], table.images.files, strict=True)}


def text(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([header, *rows])
    return buffer.getvalue().encode()


def kaggle(table: LesionTable, folder: Path) -> Path:
    """Seven columns, each image in two folders of different letter case, and files of pixels beside them."""
    columns = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
    rows = table.frame[columns].astype(object).fillna("").to_numpy().tolist()
    files = {"HAM10000_metadata.csv": text(columns, rows)}
    half = len(table) // 2
    for place, (id_, content) in enumerate(contents(table).items()):
        for name in ("HAM10000_images_part", "ham10000_images_part"):
            files[f"{name}_{1 + (place >= half)}/{id_}.jpg"] = content
    write_files(folder, files)
    return hmnist(table, folder, 8, colours=False)


def one_hot(ids: Sequence[str], diagnoses: Sequence[str], columns: Sequence[str] = COLUMNS) -> bytes:
    rows = [
        (id_, *(f"{float(dx.upper() == column)}" for column in columns)) for id_, dx in zip(ids, diagnoses, strict=True)
    ]
    return text(("image", *columns), rows)


def groupings(table: LesionTable, ids: Sequence[str]) -> bytes:
    mine = table.frame[table.frame["image_id"].isin(ids)]
    rows = [
        (id_, lesion, CONFIRMED[dx_type])
        for id_, lesion, dx_type in zip(mine["image_id"], mine["lesion_id"], mine["dx_type"], strict=True)
    ]
    return text(("image", "lesion_id", "diagnosis_confirm_type"), rows)


def isic2018(
    table: LesionTable, folder: Path, parts: Sequence[str], columns: Sequence[str] = COLUMNS, images: bool = True
) -> Path:
    """`parts` says to which part each image belongs."""
    files = {}
    known = contents(table) if images else {}
    for part, name in PARTS.items():
        mine = table.frame[[one == part for one in parts]]
        if not len(mine):
            continue
        stem = f"ISIC2018_Task3_{name}"
        files[f"{stem}_GroundTruth/{stem}_GroundTruth.csv"] = one_hot(mine["image_id"], mine["dx"], columns)
        files |= {f"{stem}_Input/{id_}.jpg": known[id_] for id_ in mine["image_id"] if images}
        if part == "train":
            files[f"{stem}_LesionGroupings.csv"] = groupings(table, mine["image_id"])
    return write_files(folder, files)


def isic2019(table: LesionTable, folder: Path, codes: Sequence[str], lesions: Sequence[str]) -> Path:
    """`codes` are the columns that mark each image, `lesions` what the metadata says of its lesion."""
    columns = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
    about = [(id_, "55", "head/neck", lesion, "") for id_, lesion in zip(table.frame["image_id"], lesions, strict=True)]
    header = ("image", "age_approx", "anatom_site_general", "lesion_id", "sex")
    files = {f"ISIC_2019_Training_Input/{id_}.jpg": content for id_, content in contents(table).items()}
    files["ISIC_2019_Training_GroundTruth.csv"] = one_hot(table.frame["image_id"], codes, columns)
    files["ISIC_2019_Training_Metadata.csv"] = text(header, about)
    return write_files(folder, files)


def hmnist(table: LesionTable, folder: Path, side: int, colours: bool = True) -> Path:
    pixels = table.images.pixels(range(len(table)), side)
    if not colours:
        pixels = pixels[..., 1]
    rows = pixels.reshape(len(table), -1)
    header = [f"pixel{place:04d}" for place in range(rows.shape[1])]
    lines = [(*row, HMNIST_LABELS[dx]) for row, dx in zip(rows.tolist(), table.frame["dx"], strict=True)]
    name = f"hmnist_{side}_{side}_{'RGB' if colours else 'L'}.csv"
    return write_files(folder, {name: text((*header, "label"), lines)})


def dermamnist(table: LesionTable, path: Path, side: int, parts: Sequence[str]) -> Path:
    """An npz file at `path`."""
    arrays = {}
    for part, name in {"train": "train", "validation": "val", "test": "test"}.items():
        rows = [row for row, one in enumerate(parts) if one == part]
        labels = [[DERMAMNIST_LABELS[dx]] for dx in table.frame["dx"].iloc[rows]]
        arrays[f"{name}_images"] = table.images.pixels(rows, side)
        arrays[f"{name}_labels"] = np.array(labels, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


def class_folders(table: LesionTable, folder: Path, parts: Sequence[str] | None = None) -> Path:
    known = contents(table)
    places = [f"{part}/" for part in parts] if parts else [""] * len(table)
    return write_files(
        folder,
        {
            f"{place}{dx}/{id_}.jpg": known[id_]
            for place, dx, id_ in zip(places, table.frame["dx"], table.frame["image_id"], strict=True)
        },
    )
