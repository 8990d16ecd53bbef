"""The audit of a data set: what leaks from the splits people make of it, and which of its images are doubled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.base.terms import IMAGE, PARTS, Progress, Unit
from skineval.data.pixels.store import open_store
from skineval.data.quality.crossings import Claims, Parting, examine, folds_apart, part_codes
from skineval.data.quality.descriptors import SIDE
from skineval.data.quality.duplicates import Copies, content_units, find_copies
from skineval.data.quality.leakage import Leak, leaks
from skineval.data.quality.near_duplicates import SimilarPair, search
from skineval.data.splits.dealing import split
from skineval.data.splits.given import official_split
from skineval.data.splits.split import Split
from skineval.values.lesion_table import LesionTable
from skineval.values.task import as_labelled

OFFICIAL = Claims("the data set's own parts", "official")

_Apart: TypeAlias = Callable[[Sequence[int]], int | None]


@dataclass(frozen=True)
class Settings:
    """What one may choose of an audit."""

    test: float = 0.2  #: share of the images that are tested
    seed: int = 0
    draws: int = 50  #: splits drawn beside the expectation
    most: int = 100  #: pairs of similar images that are listed


@dataclass(frozen=True)
class LesionLevel:
    """A split of whole lesions, made as a bench makes it, and the count that proves it."""

    parting: Parting | None
    refused: str = ""  #: why it could not be made, and what to do


@dataclass(frozen=True)
class Pair:
    """Two images that look like one lesion."""

    image_a: str
    image_b: str
    lesion_a: str  #: its lesion id; "" where none is known
    lesion_b: str
    dx_a: str
    dx_b: str
    distance: float  #: see `skineval.data.quality.near_duplicates.SimilarPair`
    contrast: float
    transform: str
    folds_apart: int | None  #: folds of the actual split in which one is tested and the other is not; None without one


@dataclass(frozen=True)
class JoinedPair:
    """The most similar images of two lesions in one group: a test of the search, whose answer is known."""

    pair: Pair
    rank: int  #: among the candidates, where it would stand
    random: float  #: share of random pairs at least as conspicuous


@dataclass(frozen=True)
class DoubledImage:
    """Images of one content, and in how many folds of the actual split they lie on both sides; None without one."""

    copies: Copies
    folds_apart: int | None


@dataclass(frozen=True)
class Audit:
    """Everything that an audit found."""

    data: str
    fingerprint: str
    synthetic: bool
    lesions_known: bool  #: or patients, where images are grouped by these
    notes: tuple[str, ...]
    images: int
    lesions: int | None  #: None where nobody knows which images show one
    lesion_ids: int | None  #: as the data set lists them; of those known to be of one lesion, each is counted
    settings: Settings
    siblings_by_lesion_id: tuple[Leak, ...]  #: () where no two images are known to show one lesion
    siblings_by_lesion: tuple[Leak, ...]  #: the same for lesions: those of several ids too
    oversampled: tuple[Leak, ...]  #: test rows of which a copy is in train, where classes are evened out first
    lesion_level: LesionLevel
    actual: Parting | None  #: the split of a bench, or the data set's own
    doubled: tuple[DoubledImage, ...]
    candidates: tuple[Pair, ...]
    joined: tuple[JoinedPair, ...]
    patients: int | None = None  #: None where they are not known
    unit: Unit = "lesion"  #: what images are grouped by: what is said of lesions is said of that


def audit(
    table: LesionTable,
    settings: Settings,
    *,
    cache: Path,
    actual: Split | None = None,
    claims: Claims = OFFICIAL,
    progress: Progress | None = None,
) -> Audit:
    """Audit a data set, and the split `actual` of it; by default its own, where it has one.

    All images are decoded at a small size into the pixel store in `cache`. `progress(done, total)`
    is called with steps of work. Raises DataError naming images that cannot be decoded, DiskError where the cache
    cannot be written, UsageError for settings out of range.
    """
    codes = table.codes
    frame = table.frame
    experiment = partial(leaks, codes, table.labels, test=settings.test, draws=settings.draws, seed=settings.seed)
    by_lesion_id, by_lesion = (
        experiment(frame[column].tolist()) if table.siblings_known else () for column in ("lesion_id", "group")
    )
    report = progress or (lambda done, total: None)
    n = len(table)
    pixels = open_store(table, SIDE, cache=cache, progress=lambda done, _: report(done, 3 * n)).array
    copies = find_copies(table, pixels)
    contents = content_units(copies, n)
    if actual is None and table.official is not None and set(PARTS) <= set(table.official):
        actual = official_split(table, protocol=IMAGE)
    apart = _apart_in(actual)
    found = search(
        pixels,
        frame["lesion_id"].tolist(),
        frame["group"].tolist(),
        most=settings.most,
        progress=lambda done, _: report(n + done, 3 * n),
    )
    return Audit(
        data=table.name,
        fingerprint=table.fingerprint,
        synthetic=table.synthetic,
        lesions_known=table.unit != "image",
        notes=table.notes,
        images=n,
        lesions=table.n_lesions,
        lesion_ids=int(frame["lesion_id"].nunique()) if table.lesions_known else None,
        settings=settings,
        siblings_by_lesion_id=by_lesion_id,
        siblings_by_lesion=by_lesion,
        oversampled=experiment(contents, oversample=True),
        lesion_level=_lesion_level(table, settings, contents),
        actual=None if actual is None else examine(table, actual, claims, contents),
        doubled=tuple(DoubledImage(one, apart(one.rows)) for one in copies),
        candidates=tuple(_pair(table, match, apart) for match in found.candidates),
        joined=()
        if table.by_patient
        else tuple(JoinedPair(_pair(table, one.match, apart), one.rank, one.random) for one in found.joined),
        patients=table.n_patients,
        unit=table.unit,
    )


def _lesion_level(table: LesionTable, settings: Settings, contents: NDArray[np.int64]) -> LesionLevel:
    if table.unit == "image":
        known = " of all of them" if table.siblings_known else ""
        return LesionLevel(None, f"Which images show one lesion is not known{known}.")
    try:
        made = split(table, test=settings.test, seed=settings.seed, task=as_labelled(sorted(set(table.frame["dx"]))))
    except DataError as error:
        return LesionLevel(None, str(error).replace("\n", " "))
    return LesionLevel(examine(table, made, Claims(f"a split of whole {table.unit}s", made.protocol), contents))


def _apart_in(actual: Split | None) -> _Apart:
    """What tells in how many folds of a split some of these rows of the table are tested and others are not."""
    if actual is None:
        return lambda rows: None
    parts = part_codes(actual)
    return lambda rows: folds_apart(parts, np.flatnonzero(np.isin(actual.rows, rows)))


def _pair(table: LesionTable, match: SimilarPair, apart: _Apart) -> Pair:
    rows = [match.first, match.second]
    ids, lesions, dx = (table.frame[column].iloc[rows].tolist() for column in ("image_id", "lesion_id", "dx"))
    if not table.lesions_known:  # an image without a lesion id has its own id for one
        lesions = [lesion if lesion != id_ else "" for lesion, id_ in zip(lesions, ids, strict=True)]
    (image_a, image_b), (lesion_a, lesion_b), (dx_a, dx_b) = ids, lesions, dx
    return Pair(
        image_a, image_b, lesion_a, lesion_b, dx_a, dx_b, match.distance, match.contrast, match.transform, apart(rows)
    )
