"""Collections of the field whose table says all of it in words of its own: ISIC 2019, PAD-UFES-20 and BCN20000.

ISIC 2019: its train images join those of HAM10000, BCN20000 and MSK: Tschandl et al. 2018; Combalia et al., arXiv
1908.02288; Codella et al., arXiv 1710.05006. File and column names are those that programs of participants read
(challenge.isic-archive.com/data): ISIC_2019_Training_GroundTruth.csv with image, MEL, NV, BCC, AK, BKL, DF, VASC, SCC,
UNK, and ISIC_2019_Training_Metadata.csv with image, age_approx, anatom_site_general, lesion_id, sex.

PAD-UFES-20: Pacheco et al., Data in Brief 32:106221 (2020), doi:10.17632/zr7vgbcyr2.1, whose table of attributes
describes metadata.csv: patient_id, lesion_id, img_id, diagnostic, age, gender, region, biopsed and what was asked of
patients. Images lie in imgs_part_1 to imgs_part_3. Bowen's disease is in its SCC, not in its ACK.

BCN20000: Hernández-Pérez et al., Scientific Data 11:641 (2024), data doi:10.6084/m9.figshare.24140028. Columns of
bcn_20k_train.csv as programs that read it name them: bcn_filename, age_approx, anatom_site_general, diagnosis,
lesion_id, capture_date, sex, split. The table of its test images has no diagnosis. As an export of the ISIC Archive it
is one (`isic_archive`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from skineval.data.files.stored_files import StoredFile
from skineval.data.layouts.beside import beside, joined
from skineval.data.layouts.collection import Collection
from skineval.data.layouts.isic2018 import marked, part_of

if TYPE_CHECKING:
    import pandas as pd

_ISIC2019 = ("mel", "nv", "bcc", "ak", "bkl", "df", "vasc", "scc")  #: its AK is the class that holds akiec
_ABOUT: Mapping[str, str] = MappingProxyType(
    {"age": "age_approx", "sex": "sex", "localization": "anatom_site_general", "lesion_id": "lesion_id"}
)


def _isic2019(
    rows: pd.DataFrame, file: StoredFile, files: Sequence[StoredFile], quarantined: frozenset[str]
) -> pd.DataFrame:
    """The class that each row marks by 1, the part, and what the file of metadata says; weights are ignored."""
    marks = rows[[column for column in (*_ISIC2019, "unk") if column in rows]]
    marks = rows[["image"]].assign(diagnosis=marked(marks, file.name), part=part_of(file))
    others = [one for one in files if not ISIC2019.is_own(one)]
    # Either says that a table describes images; one that lacks a column may have the other.
    about = tuple(_ABOUT.values())
    known = beside(others, ("image", "age_approx"), about) or beside(others, ("image", "lesion_id"), about)
    return joined(marks, "image", known, "image", quarantined)


ISIC2019 = Collection(
    name="ISIC 2019",
    source="Tschandl et al. 2018, Combalia et al. 2019, Codella et al. 2018; challenge.isic-archive.com/data",
    needs=("image", *_ISIC2019),
    columns={"image_id": "image", "dx": "diagnosis", "part": "part", **_ABOUT},
    prepare=_isic2019,
    general={"scc": "malignant"},
    licence="CC BY-NC 4.0",
)
PAD_UFES_20 = Collection(
    name="PAD-UFES-20",
    source="Pacheco et al. 2020, doi:10.17632/zr7vgbcyr2.1",
    needs=("img_id", "diagnostic", "patient_id", "lesion_id", "biopsed"),
    columns={
        "image_id": "img_id", "dx": "diagnostic", "lesion_id": "lesion_id", "patient_id": "patient_id", "age": "age",
        "sex": "gender", "localization": "region", "dx_type": "biopsed",
    },
    labels={"ack": "akiec", "nev": "nv", "sek": "bkl"},
    general={"scc": "malignant"},
    confirmations={"true": "histo", "false": "consensus"},
    licence="CC BY 4.0",
    notes=("photographs taken with smartphones, none of them dermoscopic", "scc holds Bowen's disease"),
)  # fmt: skip
BCN20000 = Collection(
    name="BCN20000",
    source="Hernández-Pérez et al. 2024, doi:10.6084/m9.figshare.24140028",
    needs=("bcn_filename", "diagnosis", "lesion_id"),
    columns={"image_id": "bcn_filename", "dx": "diagnosis", "part": "split", **_ABOUT},
    general={"scc": "malignant"},
    licence="CC BY 4.0",
    unlabelled="no diagnosis of them is published",
)
