"""ISIC 2019: eight classes and UNK, with metadata that names lesions of most train images.

Its train images join those of HAM10000, BCN20000 and MSK: Tschandl et al. 2018; Combalia et al., arXiv 1908.02288;
Codella et al., arXiv 1710.05006. File and column names are those that programs of participants read
(challenge.isic-archive.com/data): ISIC_2019_Training_GroundTruth.csv with image, MEL, NV, BCC, AK, BKL, DF, VASC, SCC,
UNK, and ISIC_2019_Training_Metadata.csv with image, age_approx, anatom_site_general, lesion_id, sex.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skineval.base.errors import DataError, first_few
from skineval.data.files.stored_files import StoredFile, scan
from skineval.data.layouts import pictures
from skineval.data.layouts.isic2018 import marked, part_of
from skineval.data.layouts.metadata import LESIONS_UNKNOWN, check_ids, clean, header, is_table, read_table
from skineval.data.quarantine import require_known
from skineval.values.lesion_table import LesionTable

if TYPE_CHECKING:
    import pandas as pd

NAME = "ISIC 2019"
LICENCE = "CC BY-NC 4.0"
#: The label of each column. AK is the class that holds HAM10000's akiec; UNK is none of the eight diagnoses.
LABELS = {
    "mel": "mel",
    "nv": "nv",
    "bcc": "bcc",
    "ak": "akiec",
    "bkl": "bkl",
    "df": "df",
    "vasc": "vasc",
    "scc": "scc",
    "unk": "unk",
}
LOOKED_FOR = "a .csv file with the columns image, MEL, NV, BCC, AK, BKL, DF, VASC, SCC, perhaps UNK"

_NEEDED = ("image", *list(LABELS)[:-1])
_ABOUT = {"age_approx": "age", "sex": "sex", "anatom_site_general": "localization", "lesion_id": "lesion_id"}


def recognise(files: Sequence[StoredFile], path: Path) -> bool:
    """Whether a table is its ground truth."""
    return any(map(_is_truth, files))


def load(path: Path, quarantined: Collection[str] = frozenset()) -> LesionTable:
    """Read ISIC 2019 from a folder or zip archive that holds its train images, its test images, or both.

    Ground truth of which no image is there is left out. `official` holds the parts where the names of files say them.
    Rows are sorted by image_id. Raises DataError naming the row (the header is row 1) or the file that is wrong; of the
    images in `quarantined`, neither rows nor files are looked at.
    """
    import pandas as pd

    folder = pictures.folder_of(path)
    files = scan(folder, without=pictures.stems(quarantined))
    images, _ = pictures.find(files)
    truths = {file: _read_truth(file) for file in files if _is_truth(file)}
    require_known(quarantined, [id_ for raw in truths.values() for id_ in raw["image_id"]], str(path))
    present = {file: raw for file, raw in truths.items() if not images.keys().isdisjoint(raw["image_id"])}
    if not present:
        raise DataError(
            f"{folder} holds none of the images that {first_few([file.name for file in truths])} names.",
            f"{pictures.unpack(files)}Put the images there, as ISIC_2019_*_Input.zip or extracted.",
        )
    notes = [f"{file.inner.name} is left out: none of its images is there" for file in truths if file not in present]
    raw = pd.concat([one.assign(part=part_of(file)) for file, one in present.items()])
    raw = _described(raw[~raw["image_id"].isin(quarantined)], files)
    unknown = raw["lesion_id"] == ""
    metadata = clean(
        raw.assign(lesion_id=raw["lesion_id"].mask(unknown, raw["image_id"])),
        " and ".join(file.name for file in present),
        tuple(LABELS.values()),
    )
    if unknown.any():
        notes.append(f"{LESIONS_UNKNOWN} ({unknown.sum()} images)")
    collected = pictures.collect(metadata.frame, files, folder, left_out=quarantined)
    parts = dict(zip(raw["image_id"], raw["part"], strict=True))
    return collected.table(
        NAME,
        f"{NAME} ({', '.join(file.inner.name for file in present)})",
        [*metadata.notes, *notes],
        tuple(sorted(LABELS.values())),
        licence=LICENCE,
        lesions_known=not unknown.any(),
        official=tuple(parts[id_] for id_ in metadata.frame["image_id"]) if all(parts.values()) else None,
        zero_ages=metadata.zero_ages,
    )


def _is_truth(file: StoredFile) -> bool:
    return is_table(file) and set(_NEEDED) <= set(header(file))


def _read_truth(file: StoredFile) -> pd.DataFrame:
    """`image_id` and `dx` of each row, which marks one column by 1; further columns, such as weights, are ignored."""
    raw = read_table(file, _NEEDED)
    marks = raw[[column for column in LABELS if column in raw]]
    return raw[["image"]].rename(columns={"image": "image_id"}).assign(dx=marked(marks, file.name).map(LABELS))


def _described(raw: pd.DataFrame, files: Sequence[StoredFile]) -> pd.DataFrame:
    """The rows with what the files of metadata say of their images; "" where nothing is said."""
    import pandas as pd

    known = [file for file in files if is_table(file) and {"image", "age_approx"} <= set(header(file))]
    tables = [read_table(file, ("image", "age_approx")).rename(columns={"image": "image_id"}) for file in known]
    said = pd.concat([pd.DataFrame(columns=["image_id", *_ABOUT], dtype=str), *tables]).fillna("")
    check_ids(said.assign(lesion_id=said["image_id"]), " and ".join(file.name for file in known) or NAME)
    about = said.set_index("image_id")[list(_ABOUT)].rename(columns=_ABOUT)
    return raw.assign(**{name: raw["image_id"].map(about[name]).fillna("") for name in _ABOUT.values()})
