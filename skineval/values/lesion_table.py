"""The lesion table: one row an image, what is known of it, and how to get at its pixels."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.errors import DataError, UsageError
from skineval.base.terms import Fit, Unit, unit_of

COLUMNS = ("image_id", "lesion_id", "dx", "dx_type", "age", "sex", "localization", "dataset", "group")
PATIENT = "patient_id"  #: a further column, where the data names patients
SOURCE = "source"  #: a further column, where several data sets are one: which of them an image is from


class Images(Protocol):
    """The pixels behind a lesion table, by row number; safe to call from several threads.

    A class that can only squash may leave `fit` out: it is handed over only where another one is asked for.
    """

    def pixels(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
        """(n, size, size, 3) RGB. Raises DataError naming the file of an image that cannot be decoded."""
        ...

    def masks(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.bool_] | None:
        """(n, size, size), True on the lesion; None where the data set has no masks."""
        ...


def fit_keyword(method: Callable[..., object], fit: Fit) -> dict[str, Fit]:
    """The keyword argument for `Images.pixels` or `Images.masks`; none for the default, which all classes know.

    Raises UsageError where another one is asked of a class that can only squash.
    """
    if fit == "squash":
        return {}
    if "fit" not in inspect.signature(method).parameters:
        raise UsageError(f"--fit is {fit}, and the images of this data set can only be squashed.", "Use --fit squash.")
    return {"fit": fit}


@dataclass(frozen=True, eq=False)
class Subset:
    """The images at some rows of another table."""

    images: Images
    rows: tuple[int, ...]

    def at(self, row: int) -> tuple[Images, int]:
        """The images that one of these is from, and its row there."""
        return self.images, self.rows[row]

    def pixels(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
        return self.images.pixels([self.rows[row] for row in rows], size, **fit_keyword(self.images.pixels, fit))

    def masks(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.bool_] | None:
        return self.images.masks([self.rows[row] for row in rows], size, **fit_keyword(self.images.masks, fit))


@dataclass(frozen=True, eq=False)
class Joined:
    """The images of several tables, in any order."""

    parts: tuple[Images, ...]
    places: tuple[tuple[int, int], ...]  #: of each image, which of the parts it is from, and its row there

    def at(self, row: int) -> tuple[Images, int]:
        """The images that one of these is from, and its row there."""
        part, place = self.places[row]
        return self.parts[part], place

    def pixels(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
        found = np.empty((len(rows), size, size, 3), dtype=np.uint8)
        for images, mine, theirs in self._by_part(rows):
            found[mine] = images.pixels(theirs, size, **fit_keyword(images.pixels, fit))
        return found

    def masks(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.bool_] | None:
        found, there = np.zeros((len(rows), size, size), dtype=np.bool_), False
        for images, mine, theirs in self._by_part(rows):
            masks = images.masks(theirs, size, **fit_keyword(images.masks, fit))
            if masks is not None:
                found[mine], there = masks, True
        return found if there else None

    def _by_part(self, rows: Sequence[int]) -> Iterator[tuple[Images, list[int], list[int]]]:
        """The images of each part, where they belong, and their rows there."""
        for part, images in enumerate(self.parts):
            mine = [k for k, row in enumerate(rows) if self.places[row][0] == part]
            if mine:
                yield images, mine, [self.places[rows[k]][1] for k in mine]


def leaf(images: Images, row: int) -> tuple[Images, int]:
    """Where an image really lies: neither in a subset nor in a union, and its row there."""
    while isinstance(images, Subset | Joined):
        images, row = images.at(row)
    return images, row


@dataclass(frozen=True, eq=False)
class LesionTable:
    """A data set: what is known of each image, and how to get at its pixels.

    `frame` has the columns `COLUMNS` and a RangeIndex; `dx` is one of `labels`, `age` is float years (NaN where
    unknown), other text columns hold "unknown" where nothing is known. `lesion_id` is what the data set says, and
    `group` the lesion: its lesion id, or the first of several that are known to be of one lesion, or `by_patient` of
    one patient. Where the data names patients, there is a column `PATIENT`, and where several data sets are one,
    `SOURCE`.
    `fingerprint` is a hash of everything above and of the content of every image.
    """

    name: str
    frame: pd.DataFrame
    images: Images
    fingerprint: str
    synthetic: bool = False
    sampled: bool = False  #: whether it is a part of a larger data set, drawn by chance
    notes: tuple[str, ...] = ()  #: what a reader of any result must know about this data
    layout: str = ""  #: how the folder or file was laid out, in words
    licence: str = ""  #: "" where nothing is known of it
    #: False where nobody says which images show one lesion: each then counts as its own, and any split may leak.
    lesions_known: bool = True
    by_patient: bool = False  #: whether the images of a patient, too, are in one group, as far as patients are known
    official: tuple[str, ...] | None = None  #: the part of each image in the data set's own split, where it has one
    zero_ages: frozenset[str] = frozenset()  #: images whose age was written as 0, which is taken as unknown
    #: What the data set tells apart, in order, whether there are images of each or not; by default those of images.
    labels: tuple[str, ...] = ()
    #: What the data set itself says of labels: benign, malignant or indeterminate, of those of which it says one thing.
    malignancy: Mapping[str, str] = field(default_factory=dict)
    #: Of several data sets, what else images are called in one of them, with the ids that they have here.
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: By column, what else lesions, groups and patients are called in one of them.
    further: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()  #: the names of the data sets that are one here, in their order; () of a single one

    def __post_init__(self) -> None:
        there = set(self.frame["dx"])
        if not self.labels:
            object.__setattr__(self, "labels", tuple(sorted(there)))
        if strange := sorted(there - set(self.labels)):
            raise DataError(f"{self.name} has the dx {strange[0]!r}, which is none of its labels.", "Complete these.")

    def __len__(self) -> int:
        return len(self.frame)

    def rows_of(self, image_ids: Sequence[str]) -> list[int]:
        """Where these images are; raises KeyError for one that is not there."""
        row_of = dict(zip(self.frame["image_id"], range(len(self)), strict=True))
        return [row_of[image_id] for image_id in image_ids]

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> LesionTable:
        """The images at these rows, in this order; row k of the result is row `rows[k]`. Its fingerprint is another."""
        chosen = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            frame=self.frame.iloc[chosen].reset_index(drop=True),
            images=Subset(self.images, tuple(chosen.tolist())),
            fingerprint=hashlib.sha256(self.fingerprint.encode() + chosen.astype("<i8").tobytes()).hexdigest(),
            official=tuple(self.official[row] for row in chosen) if self.official is not None else None,
        )

    @property
    def codes(self) -> NDArray[np.int64]:
        """The position of each image's dx among `labels`, (n,)."""
        return pd.Index(self.labels).get_indexer(pd.Index(self.frame["dx"])).astype(np.int64)

    @property
    def source_codes(self) -> NDArray[np.int64]:
        """The position of the data set of each image among `sources`, (n,); 0 of a single one."""
        if not self.sources:
            return np.zeros(len(self), dtype=np.int64)
        return pd.Index(self.sources).get_indexer(pd.Index(self.frame[SOURCE])).astype(np.int64)

    @property
    def siblings_known(self) -> bool:
        """Whether any images are known to show one lesion: all that do, or where lesions are not known, at least some.

        Where it is False, no count of siblings says anything.
        """
        return self.unit != "image" or bool(self.frame["group"].duplicated().any())

    @property
    def n_lesions(self) -> int | None:
        """How many lesions there are; None where nobody knows which images show one."""
        return int(self.frame["lesion_id" if self.by_patient else "group"].nunique()) if self.lesions_known else None

    @property
    def n_patients(self) -> int | None:
        """How many patients there are; None where one of an image is not known."""
        if PATIENT not in self.frame or (self.frame[PATIENT] == "unknown").any():
            return None
        return int(self.frame[PATIENT].nunique())

    @property
    def unit(self) -> Unit:
        """What a group is."""
        if self.by_patient and self.loose.any():
            return "image"
        return unit_of(lesions_known=self.lesions_known, by_patient=self.by_patient, patients=self.n_patients)

    @property
    def loose(self) -> NDArray[np.bool_]:
        """(n,): of which images neither lesion nor, where they are grouped by it, patient is known."""
        if not self.by_patient:
            return self.alone
        return self.alone & (self.frame[PATIENT] == "unknown").to_numpy(dtype=np.bool_)

    @property
    def alone(self) -> NDArray[np.bool_]:
        """(n,): of which images the lesion is not known, so that each counts as one."""
        same = (self.frame["lesion_id"] == self.frame["image_id"]).to_numpy(dtype=np.bool_)
        return same & (not self.lesions_known)
