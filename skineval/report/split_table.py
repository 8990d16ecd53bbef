"""The table of a split: images and lesions of each part of each fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from skineval.base.terms import PARTS, UNUSED, Unit
from skineval.data.splits.split import Split, used
from skineval.report.document import formatting
from skineval.report.document.excerpt import Shown, excerpt, shown_classes
from skineval.report.document.tables import Column, Row, Table
from skineval.values.lesion_table import LesionTable
from skineval.values.task import Task

if TYPE_CHECKING:
    import pandas as pd


def parts_table(
    split: pd.DataFrame,
    counts: Mapping[tuple[int, str], Sequence[int]],
    shown: Shown,
    where: str,
    stamps: Sequence[str] = (),
    unit: Unit = "lesion",
) -> Table:
    """One row a fold and part; no number of lesions or patients where nobody knows which images are of one.

    `split` has the columns of split.csv; `counts` holds, by fold and part, the number of images of each class, and may
    lack some. Where images were copied, both count every copy. `where` says what has the classes that are not shown.
    """
    return excerpt(lambda classes: _parts_table(split, counts, shown.everything, classes, stamps, unit), shown, where)


def _parts_table(
    split: pd.DataFrame,
    counts: Mapping[tuple[int, str], Sequence[int]],
    everything: Sequence[str],
    classes: Sequence[str],
    stamps: Sequence[str],
    unit: Unit,
) -> Table:
    copied = bool(split.duplicated(["fold", "image_id"]).any())
    rows = Column("rows", "Rows", "count", "images with their copies; classes are counted in rows")
    columns = (
        Column("fold", "Fold", "count"),
        Column("part", "Part"),
        *([rows] if copied else []),
        Column("images", "Images", "count"),
        Column(formatting.units(unit), formatting.units(unit).capitalize(), "count"),
        *(Column(f"images_{label}", label, "count", priority=1) for label in classes),
    )
    body = []
    for fold in sorted(split["fold"].unique().tolist()):
        of_fold = split[split["fold"] == fold]
        for part in sorted(of_fold["part"].unique().tolist(), key=(*PARTS, UNUSED).index):
            mine = of_fold[of_fold["part"] == part]
            counted = dict(zip(everything, counts.get((fold, part), ()), strict=False))
            of_class = map(counted.get, classes)
            n_rows = (len(mine),) if copied else ()
            groups = mine["group"].nunique() if unit != "image" else None
            body.append(Row((fold, part, *n_rows, mine["image_id"].nunique(), groups, *of_class)))
    joined = formatting.joined(split["lesion_id"].nunique(), split["group"].nunique(), unit)
    return Table(formatting.stamped("Images of each part", stamps), columns, tuple(body), joined)


def split_table(table: LesionTable, task: Task, split: Split) -> Table:
    """The parts of a split with the classes of a task, and the proof that no lesion, or patient, is in two of them."""
    targets = task.targets(table.frame["dx"])
    counts = {}
    for fold in range(split.folds):
        rows = split.parts(fold)
        for part, mine in zip(PARTS, (rows.train, rows.validation, rows.test), strict=True):
            counts[fold, part] = np.bincount(targets[mine], minlength=len(task.classes)).tolist()
    parted = f"{formatting.units(table.unit).capitalize()} in more than one part of a fold"
    proof = f"{parted}: {lesions_parted(split.frame)}."
    if table.unit == "image":
        proof = "Which images show one lesion is not known, nor whether they stand in one part."
    prints = f"Fingerprint of the split {split.fingerprint[:16]}, of the data {table.fingerprint[:16]}."
    sizes = dict(zip(task.classes, np.bincount(targets, minlength=len(task.classes)).tolist(), strict=True))
    shown = shown_classes(sizes, sizes, "the fewest")
    made = parts_table(split.frame, counts, shown, "--format csv shows all.", split.stamps(table), table.unit)
    return replace(made, footnotes=(f"Protocol {split.protocol}. {proof}", *made.footnotes, prints))


def lesions_parted(split: pd.DataFrame) -> int:
    """How many lesions have images in more than one part of a fold, counted in every fold."""
    n_parts = used(split).groupby(["fold", "group"])["part"].nunique()
    return int((n_parts > 1).sum())
