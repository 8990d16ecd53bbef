"""The table of a split: images and lesions of each part of each fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from skineval.base.terms import PARTS
from skineval.data.splits.split import Split
from skineval.report.document import formatting
from skineval.report.document.tables import Column, Row, Table
from skineval.values.lesion_table import LesionTable

if TYPE_CHECKING:
    import pandas as pd


def parts_table(
    split: pd.DataFrame,
    counts: Mapping[tuple[int, str], Sequence[int]],
    classes: Sequence[str],
    stamps: Sequence[str] = (),
    lesions_known: bool = True,
) -> Table:
    """One row a fold and part; no number of lesions where nobody knows which images show one.

    `split` has the columns of split.csv; `counts` holds, by fold and part, the number of images of each class, and may
    lack some. Where images were copied, both count every copy.
    """
    copied = bool(split.duplicated(["fold", "image_id"]).any())
    rows = Column("rows", "Rows", "count", "images with their copies; classes are counted in rows")
    columns = (
        Column("fold", "Fold", "count"),
        Column("part", "Part"),
        *([rows] if copied else []),
        Column("images", "Images", "count"),
        Column("lesions", "Lesions", "count"),
        *(Column(f"images_{label}", label, "count", priority=1) for label in classes),
    )
    body = []
    for fold in sorted(split["fold"].unique().tolist()):
        of_fold = split[split["fold"] == fold]
        for part in sorted(of_fold["part"].unique().tolist(), key=PARTS.index):
            mine = of_fold[of_fold["part"] == part]
            of_class = counts.get((fold, part), [None] * len(classes))
            n_rows = (len(mine),) if copied else ()
            lesions = mine["group"].nunique() if lesions_known else None
            body.append(Row((fold, part, *n_rows, mine["image_id"].nunique(), lesions, *of_class)))
    joined = formatting.joined(split["lesion_id"].nunique(), split["group"].nunique()) if lesions_known else ()
    return Table(formatting.stamped("Images of each part", stamps), columns, tuple(body), joined)


def split_table(table: LesionTable, split: Split) -> Table:
    """The parts of a split with their diagnoses, and the proof that no lesion is in two of them."""
    codes = table.codes
    counts = {}
    for fold in range(split.folds):
        rows = split.parts(fold)
        for part, mine in zip(PARTS, (rows.train, rows.validation, rows.test), strict=True):
            counts[fold, part] = np.bincount(codes[mine], minlength=len(table.labels)).tolist()
    parted = lesions_parted(split.frame)
    proof = f"Lesions in more than one part of a fold: {parted}."
    if not table.lesions_known:
        proof = "Which images show one lesion is not known, nor whether they stand in one part."
    prints = f"Fingerprint of the split {split.fingerprint[:16]}, of the data {table.fingerprint[:16]}."
    made = parts_table(split.frame, counts, table.labels, split.stamps(table), table.lesions_known)
    return replace(made, footnotes=(f"Protocol {split.protocol}. {proof}", *made.footnotes, prints))


def lesions_parted(split: pd.DataFrame) -> int:
    """How many lesions have images in more than one part of a fold, counted in every fold."""
    n_parts = split.groupby(["fold", "group"])["part"].nunique()
    return int((n_parts > 1).sum())
