"""HAM10000 as downloaded from Dataverse or Kaggle, or any folder laid out like it, read into a lesion table.

Tschandl, Rosendahl, Kittler: "The HAM10000 dataset", Scientific Data 5:180161 (2018), doi:10.7910/DVN/DBW86T.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skineval.data.files.stored_files import StoredFile, scan
from skineval.data.findings import LEAVE_OUT, refuse_any
from skineval.data.layouts import class_folders, isic2018, pictures
from skineval.data.layouts.metadata import REQUIRED, find_metadata, is_metadata, is_named_metadata, read_metadata
from skineval.values.lesion_table import LesionTable

if TYPE_CHECKING:
    import pandas as pd

NAME = "HAM10000"
LICENCE = "CC BY-NC 4.0"
#: What every report on it says.
LIMITATIONS = (
    (
        f"In {NAME}, 53 % of the images have a reference standard by histopathology, the others one by follow-up, "
        "expert consensus or confocal microscopy."
    ),
    f"{NAME} is licensed {LICENCE}, for non-commercial use.",
)
LOOKED_FOR = f"HAM10000_metadata (.csv, .tab) or another .csv, .tab or .tsv file with the columns {', '.join(REQUIRED)}"

_PART = re.compile(r"ham10000_images_part_\d\.zip", re.IGNORECASE)


def has_metadata(files: Sequence[StoredFile], path: Path) -> bool:
    """Whether there is a table of the name of the metadata, or with its columns."""
    return any(map(is_named_metadata, files)) or any(map(is_metadata, own(files)))


def is_named(files: Sequence[StoredFile], path: Path) -> bool:
    """Whether a file, folder or archive is called after HAM10000."""
    return any(NAME.lower() in str(file.below(path)).lower() for file in files)


def load(path: Path, quarantined: Collection[str] = frozenset()) -> LesionTable:
    """Read HAM10000 as it lies in a folder or in one zip archive: zipped, extracted, or mixed.

    `path` may also be the table of metadata, of which the images lie beside it. Rows are sorted by image_id. The
    fingerprint covers ids, labels and every image's content, but not how they are stored, nor the masks. Raises
    DataError naming the row (the header is row 1) or the file that is wrong. Of the images in `quarantined`, neither
    rows nor files are looked at.
    """
    folder = pictures.folder_of(path)
    files = scan(folder, without=pictures.stems(quarantined))
    given = [file for file in files if file.path == path and not file.member]
    table = find_metadata(path, given or own(files))
    metadata = read_metadata(table, quarantined)
    listed = pictures.Listed(table.name, metadata.rows)
    collected = pictures.collect(metadata.frame, files, folder, left_out=quarantined, listed=listed)
    _check_folders(metadata.frame, files, folder)
    original = bool(metadata.frame["lesion_id"].str.startswith("HAM_").all())
    return collected.table(
        NAME if original else folder.resolve().name,
        f"{'' if original else 'laid out like '}{NAME}{_origin(files)}",
        metadata.notes,
        licence=LICENCE if original else "",
        lesions_known=metadata.lesions_known,
        zero_ages=metadata.zero_ages,
    )


def _check_folders(frame: pd.DataFrame, files: Sequence[StoredFile], folder: Path) -> None:
    """Refuse images that lie in the folder of another class than that of their row."""
    diagnoses = dict(zip(frame["image_id"], frame["dx"], strict=True))
    wrong = [f"{file.name} is {diagnoses[id_]}" for file, id_, _ in class_folders.misplaced(diagnoses, files, folder)]
    hint = f"{class_folders.MOVE} {LEAVE_OUT}"
    what = ("image lies in another class's folder than its dx", "images lie in another class's folder than their dx")
    refuse_any(wrong, what, hint)


def own(files: Sequence[StoredFile]) -> list[StoredFile]:
    """The files without those of ISIC 2018 Task 3, whose ground truth for the test may have the same columns."""
    return [file for file in files if not isic2018.is_named(file.inner)]


def _origin(files: Sequence[StoredFile]) -> str:
    """From where the folder looks to have been downloaded."""
    if any(file.inner.name.lower().startswith("hmnist_") for file in files):
        return " as on Kaggle"
    dataverse = any(_PART.fullmatch(file.path.name) for file in files if file.member)
    return " as on Dataverse" if dataverse else ""
