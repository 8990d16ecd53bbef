"""What a lesion table holds, counted: all that `skineval data info` says of a data set.

A lesion is a group of the table: the images of one lesion id, or of several that are known to be of one lesion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

import numpy as np
import pandas as pd

from skineval.base.terms import PARTS
from skineval.data.layouts.images import Headers
from skineval.values.lesion_table import PATIENT, SOURCE, LesionTable
from skineval.values.task import DX7, GENERAL, MAPPINGS

UNKNOWN = "unknown"
#: What is the same for all images of a lesion, or should be.
CONSTANT = ("dx", "dx_type", "age", "sex", "localization")

Counts = tuple[tuple[str, int], ...]  #: by name, the most frequent first


@dataclass(frozen=True)
class ClassCounts:
    """The images of one diagnosis, or of all."""

    dx: str  #: "" for all
    images: int
    lesions: int
    lesion_ids: int  #: as the data set lists them; of those known to be of one lesion, each is counted
    repeated: int  #: images of lesions with several images
    clustering: float  #: sum(m^2) / sum(m) over lesions of m images; resampling images makes intervals too narrow by it
    dx_types: Counts


@dataclass(frozen=True)
class Ages:
    """Ages in years, of the images where one is known."""

    lowest: int
    highest: int
    step: int  #: the largest number of years of which all ages are multiples


@dataclass(frozen=True, eq=False)
class Inventory:
    """What a data set holds. All counts are of images where nothing else is said."""

    table: LesionTable
    fingerprint: str  #: of what is benched where nothing else is asked for: of images, labels and groups
    first_id: str
    last_id: str
    everything: ClassCounts
    classes: tuple[ClassCounts, ...]  #: of each diagnosis, also of absent ones
    lesions_by_images: tuple[tuple[int, int], ...]  #: how many lesions have 1, 2, 3 ... images
    ages: Ages | None  #: None where no age is known
    age_missing: int
    age_zero: int  #: written as 0, which is taken as unknown
    patients: int  #: that are named
    unknown: Counts  #: by column
    varying: tuple[tuple[str, tuple[str, ...]], ...]  #: by column, the lesions of which it differs between images
    values: Mapping[str, Counts]  #: by column
    malignant: Mapping[str, int]  #: by those of `MAPPINGS`; none where labels are not all diagnoses that these know
    said: Counts  #: what the data set itself says of malignancy; () where it says nothing
    majority: str  #: the most frequent diagnosis
    official: tuple[tuple[str, Counts], ...]  #: by part of the data set's own split, images of each diagnosis
    headers: Headers | None

    @property
    def majority_accuracy(self) -> float:
        """Accuracy of always naming the most frequent diagnosis."""
        return max(one.images for one in self.classes) / self.everything.images

    @property
    def majority_balanced_accuracy(self) -> float:
        """Balanced accuracy of always naming one diagnosis: it finds all of one class and none of the others."""
        return 1 / sum(one.images > 0 for one in self.classes)


def inventory(table: LesionTable, headers: Headers | None = None, fingerprint: str = "") -> Inventory:
    """Count what `table` holds; `headers` are those of its images, where they were read.

    `fingerprint` is that of the table with its groups as a bench makes them; by default its own.
    """
    frame = table.frame
    patients = frame.get(PATIENT, pd.Series(UNKNOWN, index=frame.index))
    by_class = {dx: frame[frame["dx"] == dx] for dx in table.labels}
    classes = tuple(_class_counts(dx, mine) for dx, mine in by_class.items())
    sizes, lesions = np.unique(frame["group"].value_counts().to_numpy(), return_counts=True)
    zero = int(frame["image_id"].isin(table.zero_ages).sum())
    return Inventory(
        table=table,
        fingerprint=fingerprint or table.fingerprint,
        first_id=str(frame["image_id"].min()),
        last_id=str(frame["image_id"].max()),
        everything=_class_counts("", frame),
        classes=classes,
        lesions_by_images=tuple(zip(sizes.tolist(), lesions.tolist(), strict=True)),
        ages=_ages(frame["age"]),
        age_missing=int(frame["age"].isna().sum()) - zero,
        age_zero=zero,
        patients=int(patients[patients != UNKNOWN].nunique()),
        unknown=(
            ("lesion_id", int(table.alone.sum())),
            (PATIENT, int((patients == UNKNOWN).sum())),
            *((c, int((frame[c] == UNKNOWN).sum())) for c in ("dx_type", "sex", "localization", "dataset")),
        ),
        varying=tuple((column, _varying(frame, column)) for column in CONSTANT),
        values={
            column: _counts(frame[column]) for column in (SOURCE, "sex", "dataset", "localization") if column in frame
        },
        malignant={
            name: int(frame["dx"].isin(classes).sum()) for name, classes in MAPPINGS.items() if DX7.takes(table.labels)
        },
        said=_counts(frame["dx"].map(lambda dx: _said(table, dx))) if table.malignancy else (),
        majority=max(classes, key=lambda one: one.images).dx,
        official=_official(table),
        headers=headers,
    )


def _said(table: LesionTable, dx: str) -> str:
    """What a data set says of the malignancy of a label, where that does not say it itself."""
    return table.malignancy.get(dx, dx if dx in GENERAL else "not said")


def _class_counts(dx: str, frame: pd.DataFrame) -> ClassCounts:
    sizes = frame["group"].value_counts().to_numpy()
    return ClassCounts(
        dx=dx,
        images=len(frame),
        lesions=len(sizes),
        lesion_ids=int(frame["lesion_id"].nunique()),
        repeated=int(sizes[sizes > 1].sum()),
        clustering=float((sizes**2).sum() / sizes.sum()) if len(sizes) else float("nan"),
        dx_types=_counts(frame["dx_type"]),
    )


def _counts(column: pd.Series[str]) -> Counts:
    """How often each value occurs; the most frequent first, then by name."""
    counts = column.value_counts()
    return tuple(sorted(((str(name), int(n)) for name, n in counts.items()), key=lambda one: (-one[1], one[0])))


def _ages(column: pd.Series[float]) -> Ages | None:
    known = column.dropna().to_numpy()
    if not len(known):
        return None
    return Ages(int(known.min()), int(known.max()), gcd(*np.rint(known).astype(int).tolist()))


def _varying(frame: pd.DataFrame, column: str) -> tuple[str, ...]:
    values = frame[frame[column] != UNKNOWN].groupby("group")[column].nunique()
    return tuple(sorted(map(str, values.index[values > 1])))


def _official(table: LesionTable) -> tuple[tuple[str, Counts], ...]:
    parts = table.official
    if parts is None:
        return ()
    counts = table.frame.groupby([list(parts), table.frame["dx"]]).size()
    return tuple(
        (part, tuple((dx, int(counts.get((part, dx), 0))) for dx in table.labels)) for part in PARTS if part in parts
    )
