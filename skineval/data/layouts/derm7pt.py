"""Derm7pt, the seven-point checklist data set: cases of an atlas, each with a dermoscopic and a clinical image.

Kawahara, Daneshvar, Argenziano, Hamarneh, IEEE Journal of Biomedical and Health Informatics 23:538-546 (2019),
doi:10.1109/JBHI.2018.2824327; derm.cs.sfu.ca. Columns and files as its authors' program reads them
(github.com/jeremykawahara/derm7pt): diagnosis, derm, clinic, sex, location, seven_point_score and the criteria in
meta/meta.csv; `indexes`, places of rows counted from 0, in meta/train_indexes.csv, valid_indexes.csv and
test_indexes.csv. That program too joins all nevi, and all melanomas with their metastases.

The dermoscopic image of each case is read, and its clinical one is not. A case is a lesion; patients and ages are not
published. Of `melanosis`, `lentigo` and `miscellaneous` HAM10000 knows no class. Its licence could not be verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from skineval.base.errors import DataError, first_few
from skineval.data import tables
from skineval.data.files.stored_files import StoredFile
from skineval.data.layouts.collection import Collection
from skineval.data.layouts.isic2018 import part_of

if TYPE_CHECKING:
    import pandas as pd

_INDEXES = "_indexes"  #: what the names of the files that list the rows of a part end with


def _parted(
    rows: pd.DataFrame, file: StoredFile, files: Sequence[StoredFile], quarantined: frozenset[str]
) -> pd.DataFrame:
    """The rows with `part`, from the files of indexes beside their table; "" where they say none."""
    parts = [""] * len(rows)
    for listed in files:
        if listed.inner.parent != file.inner.parent or not listed.inner.stem.lower().endswith(_INDEXES):
            continue
        table = tables.read(listed.read(), listed.name, "It has one column, indexes.").lowered()
        table.require("indexes")
        places = table.numbers("indexes")
        wrong = ~((places >= 0) & (places < len(rows)) & (places % 1 == 0))
        what = f"indexes names no row of {file.inner.name}, which has {len(rows)}, counted from 0"
        table.refuse(wrong, what, "Download it again.")
        twice = [str(place) for place in places.astype(int) if parts[place]]
        if twice:
            raise DataError(f"{listed.name} lists rows of another part: {first_few(twice)}.", "Download both again.")
        for place in places.astype(int):
            parts[place] = part_of(listed)
    return rows.assign(part=parts)


DERM7PT = Collection(
    name="Derm7pt",
    source="Kawahara et al. 2019, doi:10.1109/JBHI.2018.2824327",
    needs=("diagnosis", "derm", "clinic", "seven_point_score"),
    columns={"image_id": "derm", "dx": "diagnosis", "sex": "sex", "localization": "location", "part": "part"},
    prepare=_parted,
    labels={
        **dict.fromkeys(
            ("blue nevus", "clark nevus", "combined nevus", "congenital nevus", "dermal nevus", "recurrent nevus",
             "reed or spitz nevus"),
            "nv",
        ),
        **dict.fromkeys(
            ("melanoma (in situ)", "melanoma (less than 0.76 mm)", "melanoma (0.76 to 1.5 mm)",
             "melanoma (more than 1.5 mm)", "melanoma metastasis"),
            "mel",
        ),
    },
    general={"lentigo": "benign", "melanosis": "benign"},
    one_each=True,
    notes=("the dermoscopic image of each case is read, its clinical one is not",),
)  # fmt: skip
