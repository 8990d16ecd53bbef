"""ISIC 2024, or SLICE-3D: crops of lesions from photographs of whole bodies, nearly all of them benign.

Kurtansky et al., Scientific Data 11:884 (2024), doi:10.1038/s41597-024-03743-w; data doi:10.34970/2024-slice-3d.
Columns and files as programs of participants read them. From the challenge: isic_id, malignant in
ISIC_2024_Training_GroundTruth.csv; isic_id, attribution, copyright_license, lesion_id, iddx_full, iddx_1 to iddx_5,
mel_mitotic_index, mel_thick_mm, tbp_lv_dnn_lesion_confidence in ISIC_2024_Training_Supplement.csv; isic_id, patient_id,
age_approx, sex, anatom_site_general, image_type, tbp_tile_type and tbp_lv_... in metadata.csv, among the images. From
Kaggle all of it in train-metadata.csv, with `target` for `malignant`; the images are in train-image/image and once more
in train-image.hdf5, one dataset of bytes for each isic_id. None of these files itself could be seen, nor whether
metadata.csv names patients, whom only Kaggle's table is known to name.

iddx_1 to iddx_5 are the levels of the ISIC Archive's hierarchy (`isic_archive`). The challenge counts what is
indeterminate in iddx_1 as benign. Most images were never biopsied, and say no more than that. The publication counts
its images as distinct lesions; `lesion_id` names those that were marked by a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from skineval.data.cells import is_missing
from skineval.data.files.stored_files import StoredFile
from skineval.data.layouts.beside import beside, joined
from skineval.data.layouts.collection import Collection
from skineval.data.layouts.isic_archive import LABELS, diagnosed
from skineval.data.tables import GivenTable
from skineval.values.task import BINARY

if TYPE_CHECKING:
    import pandas as pd

_TRUTHS = ("malignant", "target")  #: 1 or 0, by whom the table is from
_LEVELS = MappingProxyType({f"iddx_{level}": f"diagnosis_{level}" for level in range(1, 6)})
_PEOPLE = MappingProxyType(
    {
        "patient_id": "patient_id", "age": "age_approx", "sex": "sex", "localization": "anatom_site_general",
        "kind": "image_type", "dataset": "attribution", "licence": "copyright_license",
    }
)  # fmt: skip
_CROPS = "tbp_tile_type"  #: a column of every table that says more of a crop than what it shows


def _prepared(
    rows: pd.DataFrame, file: StoredFile, files: Sequence[StoredFile], quarantined: frozenset[str]
) -> pd.DataFrame:
    """The rows with what they show, whether the challenge counts it as malignant, and the metadata beside them."""
    rows = rows.rename(columns=_LEVELS)
    malignant = rows.get("diagnosis_1", rows["isic_id"].mask(rows["isic_id"] != "", ""))
    for column in (name for name in _TRUTHS if name in rows):
        table = GivenTable(rows, file.name)
        marks = table.numbers(column)
        unmarked = rows[column].map(is_missing).to_numpy(dtype=bool)
        table.refuse(~unmarked & (marks != 0) & (marks != 1), f"{column} is neither 0 nor 1", "Download it again.")
        unsaid = ~malignant.str.lower().isin(BINARY)
        malignant = malignant.mask(unsaid & (marks == 1), "malignant").mask(unsaid & (marks == 0), "benign")
    malignant = malignant.mask(malignant.str.lower() == "indeterminate", "benign")
    rows = diagnosed(rows.assign(diagnosis_1=malignant), file, files, quarantined)
    if _CROPS in rows:
        return rows
    others = beside([one for one in files if one != file], ("isic_id", _CROPS), _PEOPLE.values())
    known = {
        name: said[[one for one in ("isic_id", *_PEOPLE.values()) if one in said]] for name, said in others.items()
    }
    return joined(rows, "isic_id", known, "isic_id", quarantined)


ISIC2024 = Collection(
    name="ISIC 2024",
    source="Kurtansky et al. 2024, doi:10.1038/s41597-024-03743-w",
    needs=("isic_id",),
    one_of=("malignant", "iddx_1"),  # a submission to Kaggle has isic_id and target, too
    columns=MappingProxyType(
        {
            "image_id": "isic_id",
            "dx": "diagnosis",
            "malignancy": "malignancy",
            "finer": "finer",
            "lesion_id": "lesion_id",
            **_PEOPLE,
        }
    ),
    prepare=_prepared,
    labels=LABELS,
    licence="CC BY-NC 4.0",
    one_each=True,
    notes=(
        "crops of photographs of whole bodies, none dermoscopic; most were never biopsied, and are labelled benign",
        "of akiec the challenge counts actinic keratosis as benign, and squamous cell carcinoma in situ as malignant",
    ),
)
