"""What a network has learnt from before a bench: the images that must not be tested, and of which others one knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skineval.values.lesion_table import LesionTable


@dataclass(frozen=True)
class Learnt:
    """The images on which a network was trained, or by which it was chosen, by id; and their lesions, where known."""

    images: frozenset[str] = field(default=frozenset(), repr=False)
    lesions: frozenset[str] = field(default=frozenset(), repr=False)
    #: Of which images one knows whether they are among those; None: of all. An image of other data may be one of those
    #: under another name, or show the same patient.
    known: frozenset[str] | None = field(default=None, repr=False)

    def among(self, table: LesionTable) -> NDArray[np.bool_]:
        """(N,) which images of a table, and others of their groups, these are."""
        frame = table.frame
        lesions = frame["lesion_id"].isin(list(self.lesions)).to_numpy() & ~table.alone
        seen = _named(self.images, table) | lesions
        found: NDArray[np.bool_] = frame["group"].isin(set(frame["group"][seen])).to_numpy()
        return found

    def unknown(self, table: LesionTable) -> NDArray[np.bool_]:
        """(N,) of which images of a table one does not know whether these are among them."""
        if self.known is None:
            return np.zeros(len(table), dtype=np.bool_)
        return ~(_named(self.known, table) | self.among(table))


def _named(names: Iterable[str], table: LesionTable) -> NDArray[np.bool_]:
    """(N,) which images of a table have one of these names, or are kept in place of one that has it."""
    own = {one for name in names for one in (name, *table.aliases.get(name, ()))}
    found: NDArray[np.bool_] = table.frame["image_id"].isin(own).to_numpy()
    return found


NOTHING = Learnt()  #: of the images of any bench
UNKNOWN = Learnt(known=frozenset())
