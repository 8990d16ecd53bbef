"""The lesion table: one row an image, and the groups that must never be parted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, UsageError, some
from skineval.base.terms import DIAGNOSES, Fit
from skineval.data.files.stored_files import StoredFile
from skineval.values.lesion_table import Images, LesionTable, diagnosis_codes, fit_keyword

if TYPE_CHECKING:
    pass


#: Images of one lesion that HAM10000 lists under two lesion ids: Abhishek, Jain, Hamarneh, "Investigating the quality
#: of DermaMNIST and Fitzpatrick17k dermatological image datasets", Scientific Data 12:196 (2025).
KNOWN_DUPLICATES = (
    ("ISIC_0033481", "ISIC_0033421"),
    ("ISIC_0033556", "ISIC_0032634"),
    ("ISIC_0029152", "ISIC_0033173"),
    ("ISIC_0029036", "ISIC_0027027"),
    ("ISIC_0027820", "ISIC_0028209"),
    ("ISIC_0027689", "ISIC_0032647"),
    ("ISIC_0030906", "ISIC_0024879"),
    ("ISIC_0033391", "ISIC_0034186"),
    ("ISIC_0025226", "ISIC_0030074"),
    ("ISIC_0026087", "ISIC_0025664"),
    ("ISIC_0024736", "ISIC_0029748"),
    ("ISIC_0024770", "ISIC_0027811"),
    ("ISIC_0027162", "ISIC_0029061"),
    ("ISIC_0024602", "ISIC_0032283"),
    ("ISIC_0029625", "ISIC_0024629"),
    ("ISIC_0030000", "ISIC_0031392"),
    ("ISIC_0024437", "ISIC_0031299"),
    ("ISIC_0033374", "ISIC_0033417"),
)
#: Groups of a diagnosis that a sample keeps at least: enough for train, validation and test, or for five folds.
KEPT_GROUPS = 5


def make_groups(
    image_ids: Sequence[str], lesion_ids: Sequence[str], duplicates: Iterable[tuple[str, str]] = KNOWN_DUPLICATES
) -> NDArray[np.object_]:
    """The group id of each image, (n,) str: the smallest of the lesion ids that are joined by `duplicates`.

    `duplicates` are pairs of image ids that show one lesion; a pair of which an image is absent joins nothing.
    """
    parent = {lesion: lesion for lesion in lesion_ids}

    def root(lesion: str) -> str:
        while parent[lesion] != lesion:
            lesion = parent[lesion]
        return lesion

    lesion_of = dict(zip(image_ids, lesion_ids, strict=True))
    for first, second in duplicates:
        if first in lesion_of and second in lesion_of:
            smaller, larger = sorted((root(lesion_of[first]), root(lesion_of[second])))
            parent[larger] = smaller
    return np.array([root(lesion) for lesion in lesion_ids], dtype=object)


def regroup(table: LesionTable, pairs: Sequence[tuple[str, str]]) -> LesionTable:
    """The same table with groups joined by pairs of image ids that a person confirmed to show one lesion.

    The fingerprint changes with the groups; a note says how many were joined. Two images of different diagnoses may be
    a pair: one of them is labelled wrong, which nobody here can decide, but they must not be parted either; a note
    names them. Raises DataError for an image that the table does not hold.
    """
    ids, diagnoses = table.frame["image_id"].tolist(), table.frame["dx"].tolist()
    dx = dict(zip(ids, diagnoses, strict=True))
    for number, pair in enumerate(pairs, start=1):
        for id_ in pair:
            if id_ not in dx:
                raise DataError(
                    f"Pair {number}, {pair[0]} and {pair[1]}: there is no image {id_} in {table.name}.",
                    "Use the pairs of this data set; if the image is in quarantine, remove the pair.",
                )
    before = table.frame["group"]
    groups = make_groups(ids, before.tolist(), pairs)
    joined = before.nunique() - len(set(groups))
    notes = [f"confirmed pairs of images: {len(pairs)}, which join {joined} lesions to others"] if pairs else []
    torn = [f"{a} ({dx[a]}) and {b} ({dx[b]})" for a, b in pairs if dx[a] != dx[b]]
    if torn:
        notes.append(f"confirmed pairs with two diagnoses, of which one must be wrong: {len(torn)}, {some(torn)}")
    fingerprint = table.fingerprint
    if joined:
        fingerprint = hashlib.sha256("\n".join([fingerprint, *groups]).encode()).hexdigest()
    return replace(table, frame=table.frame.assign(group=groups), fingerprint=fingerprint, notes=(*table.notes, *notes))


def content(images: Images, row: int) -> bytes | None:
    """The file of one image as it is stored; None where images do not lie in files of their own."""
    if isinstance(images, _Subset):
        return content(images.images, images.rows[row])
    file = getattr(images, "files", {row: None})[row]
    return file.read() if isinstance(file, StoredFile) else None


@dataclass(frozen=True, eq=False)
class Units:
    """What is kept whole when images are dealt out: lesions, or single images."""

    names: tuple[str, ...]
    of: NDArray[np.int64]  #: (n,) the unit of each image
    sizes: NDArray[np.int64]  #: (u,) images of each unit
    classes: NDArray[np.int64]  #: (u,) the most frequent diagnosis of each unit, as a position in `DIAGNOSES`


def make_units(names: Sequence[str], diagnoses: NDArray[np.int64]) -> Units:
    """Collect images into units by the name given for each, (n,) str, with its diagnosis code, (n,)."""
    unique, of = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    counts = np.zeros((len(unique), len(DIAGNOSES)), dtype=np.int64)
    np.add.at(counts, (of, diagnoses), 1)
    return Units(tuple(unique.tolist()), of.astype(np.int64), counts.sum(axis=1), counts.argmax(axis=1))


def draw(seed: int, purpose: str, name: str) -> bytes:
    """A random number for one named thing, as bytes to sort by.

    It depends on nothing else: not on what other things there are, nor on the version of a generator.
    """
    return hashlib.blake2b(f"{seed}/{purpose}/{name}".encode(), digest_size=16).digest()


def subset(table: LesionTable, rows: Sequence[int] | NDArray[np.int64]) -> LesionTable:
    """The table of the images at `rows`, in that order; row k of the result is row `rows[k]` of `table`."""
    chosen = np.asarray(rows, dtype=np.int64)
    digest = hashlib.sha256(table.fingerprint.encode() + chosen.astype("<i8").tobytes())
    return replace(
        table,
        frame=table.frame.iloc[chosen].reset_index(drop=True),
        images=_Subset(table.images, tuple(chosen.tolist())),
        fingerprint=digest.hexdigest(),
        official=tuple(table.official[row] for row in chosen) if table.official is not None else None,
    )


def sample(table: LesionTable, limit: int, seed: int) -> LesionTable:
    """About `limit` images: whole groups drawn by chance within each diagnosis, in the proportions of `table`.

    Every diagnosis keeps at least `KEPT_GROUPS` groups where it has so many, so that it can still be split; a limit
    below what that takes is exceeded. A table that is no larger than the limit comes back as it is.
    Raises UsageError for a limit below 1.
    """
    if limit < 1:
        raise UsageError(f"A sample of {limit} images is none.", "Give a limit of 1 or more.")
    if limit >= len(table):
        return table
    units = make_units(table.frame["group"].tolist(), diagnosis_codes(table))
    order = sorted(range(len(units.names)), key=lambda unit: draw(seed, "sample", units.names[unit]))
    by_class = [[unit for unit in order if units.classes[unit] == code] for code in range(len(DIAGNOSES))]
    present = [members for members in by_class if members]
    least = np.array([units.sizes[members[:KEPT_GROUPS]].sum() for members in present], dtype=np.int64)
    quotas = _quotas(np.array([units.sizes[members].sum() for members in present], dtype=np.int64), least, limit)
    kept = [
        unit for members, quota in zip(present, quotas, strict=True) for unit in _fill(members, units.sizes, int(quota))
    ]
    drawn = subset(table, np.flatnonzero(np.isin(units.of, kept)))
    note = f"not comparable: a sample of {len(drawn)} of {len(table)} images"
    if least.sum() > limit:
        note += f"; {limit} were asked for, but {KEPT_GROUPS} lesions of each diagnosis are kept, to be split"
    return replace(drawn, sampled=True, notes=(*table.notes, note))


def _quotas(images: NDArray[np.int64], least: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Images to take of each class: in proportion, none below its least; those raised to it take from the others."""
    raised = np.zeros(len(images), dtype=bool)
    while True:
        rest = max(limit - least[raised].sum(), 0)
        quotas = np.where(raised, least, np.rint(rest * images / max(images[~raised].sum(), 1))).astype(np.int64)
        short = quotas < least
        if not short.any():
            return quotas
        raised |= short


def _fill(units: Sequence[int], sizes: NDArray[np.int64], quota: int) -> list[int]:
    """The first `KEPT_GROUPS` units, then each further one that still fits into `quota` images."""
    kept = list(units[:KEPT_GROUPS])
    filled = int(sizes[kept].sum())
    for unit in units[KEPT_GROUPS:]:
        if filled + sizes[unit] <= quota:
            kept.append(unit)
            filled += int(sizes[unit])
    return kept


@dataclass(frozen=True, eq=False)
class _Subset:
    """The images at some rows of another table."""

    images: Images
    rows: tuple[int, ...]

    def pixels(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
        return self.images.pixels([self.rows[row] for row in rows], size, **fit_keyword(self.images.pixels, fit))

    def masks(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.bool_] | None:
        return self.images.masks([self.rows[row] for row in rows], size, **fit_keyword(self.images.masks, fit))
