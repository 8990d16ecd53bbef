"""The lesion table: one row an image, and the groups that must never be parted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

#: The seven diagnoses of HAM10000, in alphabetical order; this order stands beside every probability.
DIAGNOSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
DIAGNOSIS_NAMES = {
    "akiec": "actinic keratosis",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "melanocytic nevus",
    "vasc": "vascular lesion",
}
#: Version 1 of the malignant task: malignant = melanoma, basal cell carcinoma, actinic keratosis (19.51 % of HAM10000).
MALIGNANT = ("akiec", "bcc", "mel")

COLUMNS = ("image_id", "lesion_id", "dx", "dx_type", "age", "sex", "localization", "dataset", "group")


class Images(Protocol):
    """The pixels behind a lesion table, by row number; safe to call from several threads."""

    def pixels(self, rows: Sequence[int], size: int) -> NDArray[np.uint8]:
        """(n, size, size, 3) RGB. Raises DataError naming the file of an image that cannot be decoded."""
        ...

    def masks(self, rows: Sequence[int], size: int) -> NDArray[np.bool_] | None:
        """(n, size, size), True on the lesion; None where the data set has no masks."""
        ...


@dataclass(frozen=True, eq=False)
class LesionTable:
    """A data set: what is known of each image, and how to get at its pixels.

    `frame` has the columns `COLUMNS` and a RangeIndex; `dx` is one of `DIAGNOSES`, `age` is float years (NaN where
    unknown), other text columns hold "unknown" where nothing is known; `group` joins lesions known to be the same.
    `fingerprint` is a hash of everything above and of the content of every image.
    """

    name: str
    frame: pd.DataFrame
    images: Images
    fingerprint: str
    synthetic: bool = False
    notes: tuple[str, ...] = ()  #: what a reader of any result must know about this data

    def __len__(self) -> int:
        return len(self.frame)
