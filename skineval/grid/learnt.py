"""What networks have learnt from before a bench: no image that one was trained on, nor its lesion, is tested."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, first_few
from skineval.data.splits.split import Split
from skineval.grid.cell.record import read_cell
from skineval.grid.folder import BenchFolder, CellFolder
from skineval.grid.tables import read_frame
from skineval.train.weights import IMAGENET, NONE, Weights
from skineval.values.lesion_table import LesionTable


@dataclass(frozen=True)
class Learnt:
    """The images on which a network was trained, or by which it was chosen, by id; and their lesions, where known."""

    images: Collection[str] = field(default=(), repr=False)
    lesions: Collection[str] = field(default=(), repr=False)

    def among(self, table: LesionTable) -> NDArray[np.bool_]:
        """(N,) which images of a table, and others of their groups, these are."""
        frame = table.frame
        seen = frame["image_id"].isin(list(self.images)) | (frame["lesion_id"].isin(list(self.lesions)) & ~table.alone)
        found: NDArray[np.bool_] = frame["group"].isin(set(frame["group"][seen])).to_numpy()
        return found


NOTHING = Learnt()  #: of these images


def learnt_from(weights: Weights) -> Learnt | None:
    """What those have learnt from who made initial weights; None where nobody knows.

    Of a file that is known if it lies in the folder of a cell, in its bench.
    """
    return NOTHING if weights.path is None else learnt_by(weights.path.parent)


def learnt_by(cell: Path) -> Learnt | None:
    """The same of the network of the cell in this folder."""
    record = read_cell(CellFolder(cell))
    if record is None:
        return None
    if record.spec.is_probe:  # what it begins with is all it has learnt
        return NOTHING if record.spec.weights in (NONE, IMAGENET) else None
    file = BenchFolder(cell.resolve().parents[1]).split
    if not file.is_file():
        return None
    split = read_frame(file, ("image_id", "lesion_id", "group", "part"))
    seen = split[(split["fold"] == record.spec.fold) & (split["part"] != "test")]
    return Learnt(frozenset(seen["image_id"]), frozenset(seen["lesion_id"]))


def tested(table: LesionTable, split: Split) -> NDArray[np.bool_]:
    """(N,) which images are in a test part of any fold."""
    found = np.zeros(len(table), dtype=np.bool_)
    for fold in range(split.folds):
        found[split.parts(fold).test] = True
    return found


def refuse_learnt(learnt: Learnt, who: str, made: str, table: LesionTable, tested: NDArray[np.bool_]) -> None:
    """Raise DataError where images that are `tested` (N,), or others of their lesions, are among those `learnt`.

    `who` was trained on these, and `made` is what to have another of.
    """
    seen = tested & learnt.among(table)
    if seen.any():
        ids = table.frame["image_id"][seen].tolist()
        raise DataError(
            f"{who} was trained on, or chosen by, {len(ids)} of the images that are tested, or others of their "
            f"lesions: {first_few(ids)}.",
            f"Use the split by which it was trained (--split, with its fold alone), or {made} of a network that was "
            "not trained on these images.",
        )
