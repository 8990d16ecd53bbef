"""What networks have learnt from before a bench, by where their weights lie: none of that is tested."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, first_few
from skineval.base.terms import PROTOCOLS, VALIDATION
from skineval.data.splits.split import Split, fingerprint
from skineval.grid.cell.record import read_cell
from skineval.grid.folder import BenchFolder, CellFolder
from skineval.grid.tables import read_frame
from skineval.train.weights import IMAGENET, NONE, Weights
from skineval.values.learnt import NOTHING, UNKNOWN, Learnt
from skineval.values.lesion_table import LesionTable


def learnt_from(weights: Weights) -> Learnt:
    """What those have learnt from who made initial weights.

    Of a file that is known if it is the network of a cell, in its bench.
    """
    if weights.path is None:
        return NOTHING
    cell = CellFolder(weights.path.parent)
    return learnt_by(cell.path, head=True) if weights.path == cell.weights else UNKNOWN


def learnt_by(cell: Path, *, head: bool = False) -> Learnt:
    """The same of the network of the cell in this folder, with or without its `head`.

    It is known of the images of its bench, and where it began with a file, of none but those on which it was trained.
    """
    record = read_cell(CellFolder(cell))
    if record is None:
        return UNKNOWN
    began = NOTHING if record.spec.weights in (NONE, IMAGENET) else UNKNOWN
    if record.spec.is_probe and not head:
        return began
    file = BenchFolder(cell.resolve().parents[1]).split
    if not file.is_file():
        return UNKNOWN
    split = read_frame(file, ("image_id", "lesion_id", "group", "part"))
    if record.spec.split not in (fingerprint(split, protocol) for protocol in PROTOCOLS):  # the folder of another bench
        return UNKNOWN
    dealt = split[split["fold"] == record.spec.fold]
    seen = dealt[dealt["part"].isin(("train", VALIDATION))]
    known = frozenset(dealt["image_id"]) if began is NOTHING else began.known
    return Learnt(frozenset(seen["image_id"]), frozenset(seen["lesion_id"]), known)


def counted(images: NDArray[np.bool_]) -> str:
    """How many images of a table (N,) are meant: "all 150 images"."""
    n = int(images.sum())
    return f"all {n:,} images" if n == len(images) else f"{n:,} of the {len(images):,} images"


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
