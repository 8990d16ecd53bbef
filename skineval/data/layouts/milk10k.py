"""MILK10k: of each lesion a dermoscopic image and a clinical close-up, with ground truth by lesion.

Tschandl et al., Journal of Investigative Dermatology (2026), doi:10.1016/j.jid.2025.06.1594; data doi:10.34970/648456;
challenge.isic-archive.com/landing/milk10k says what its eleven classes hold. Columns as programs of participants read
them: lesion_id and a column for each class in MILK10k_Training_GroundTruth.csv; lesion_id, image_type, isic_id,
copyright_license, age_approx, sex, skin_tone_class, site and more in MILK10k_Training_Metadata.csv; isic_id,
diagnosis_full, diagnosis_confirm_type in MILK10k_Training_Supplement.csv.

All images are read; which kind one is stands in the column `dataset`, so that reports tell them apart. SCCKA is read as
scc, and here holds keratoacanthoma. Patients are not published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from skineval.data.files.stored_files import StoredFile
from skineval.data.layouts.beside import beside, joined
from skineval.data.layouts.collection import Collection
from skineval.data.layouts.isic2018 import marked

if TYPE_CHECKING:
    import pandas as pd

_CLASSES = ("akiec", "bcc", "ben_oth", "bkl", "df", "inf", "mal_oth", "mel", "nv", "sccka", "vasc")
_TRUTH = ("lesion_id", *_CLASSES)


def _prepared(
    rows: pd.DataFrame, file: StoredFile, files: Sequence[StoredFile], quarantined: frozenset[str]
) -> pd.DataFrame:
    """The rows of images with the class that the ground truth marks of their lesion, and the way of diagnosis."""
    truths = {
        name: truth[["lesion_id"]].assign(diagnosis=marked(truth[list(_CLASSES)], name))
        for name, truth in beside(files, _TRUTH).items()
    }
    rows = joined(rows, "lesion_id", truths, "isic_id", quarantined)
    rows = rows.assign(diagnosis=rows.get("diagnosis", ""), kind=rows["image_type"])
    supplements = beside(files, ("isic_id", "diagnosis_full", "diagnosis_confirm_type"))
    return joined(rows, "isic_id", supplements, "isic_id", quarantined)


MILK10K = Collection(
    name="MILK10k",
    source="MILK study team 2025, doi:10.34970/648456",
    needs=("isic_id", "lesion_id", "image_type", "skin_tone_class"),
    columns={
        "image_id": "isic_id", "dx": "diagnosis", "lesion_id": "lesion_id", "age": "age_approx", "sex": "sex",
        "localization": "site", "dx_type": "diagnosis_confirm_type", "dataset": "image_type", "kind": "kind",
        "licence": "copyright_license",
    },
    prepare=_prepared,
    labels={"sccka": "scc"},
    general={"scc": "malignant", "mal-oth": "malignant", "ben-oth": "benign", "inf": "benign"},
    licence="CC BY-NC 4.0",
    unlabelled="no ground truth of their lesion is there",
    notes=("scc holds keratoacanthoma",),
)  # fmt: skip
