"""What a network has learnt from before a bench: the images that must not be tested, and whether these are all."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skineval.values.lesion_table import LesionTable


@dataclass(frozen=True)
class Learnt:
    """The images on which a network was trained, or by which it was chosen, by id; and their lesions, where known."""

    images: frozenset[str] = field(default=frozenset(), repr=False)
    lesions: frozenset[str] = field(default=frozenset(), repr=False)
    complete: bool = True  #: whether it has learnt from nothing else; otherwise nobody knows

    def among(self, table: LesionTable) -> NDArray[np.bool_]:
        """(N,) which images of a table, and others of their groups, these are."""
        frame = table.frame
        seen = frame["image_id"].isin(list(self.images)) | (frame["lesion_id"].isin(list(self.lesions)) & ~table.alone)
        found: NDArray[np.bool_] = frame["group"].isin(set(frame["group"][seen])).to_numpy()
        return found


NOTHING = Learnt()  #: of the images of any bench
UNKNOWN = Learnt(complete=False)
