"""Lesions as groups of images that must never be parted, and the pairs of images that join them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, UsageError, first_few
from skineval.base.terms import GroupBy
from skineval.data import tables
from skineval.data.ids import doubts, pairs_spelt_alike
from skineval.data.spellings import as_known, image_id
from skineval.values.lesion_table import PATIENT, LesionTable

PAIR_COLUMNS = ("image_a", "image_b")
_AGAIN = "It is a CSV file with the columns image_a and image_b, such as pairs.csv of skineval data audit."


def make_groups(
    image_ids: Sequence[str], lesion_ids: Sequence[str], pairs: Iterable[tuple[str, str]]
) -> NDArray[np.object_]:
    """The group id of each image, (n,) str: the smallest of the lesion ids that are joined by `pairs`.

    These are of image ids that show one lesion; a pair of which an image is absent joins nothing.
    """
    parent = {lesion: lesion for lesion in lesion_ids}

    def root(lesion: str) -> str:
        while parent[lesion] != lesion:
            parent[lesion] = lesion = parent[parent[lesion]]
        return lesion

    lesion_of = dict(zip(image_ids, lesion_ids, strict=True))
    for first, second in pairs:
        if first in lesion_of and second in lesion_of:
            smaller, larger = sorted((root(lesion_of[first]), root(lesion_of[second])))
            parent[larger] = smaller
    return np.array([root(lesion) for lesion in lesion_ids], dtype=object)


def known_groups(table: LesionTable) -> LesionTable:
    """The images of which lesion or, where they are grouped by it, patient is known; how many others is a note.

    Raises DataError where nothing is known of any.
    """
    loose = table.loose
    if not loose.any():
        return table
    if loose.all():
        raise DataError(
            f"{table.name} says of no image what it belongs to, and --known-lesions is set.", "Leave it out."
        )
    what = "neither lesion nor patient is" if table.by_patient else "the lesion is not"
    note = f"left out, since {what} known: {loose.sum()} images"
    kept = table.take(np.flatnonzero(~loose))
    return replace(kept, lesions_known=table.lesions_known or not table.by_patient, notes=(*table.notes, note))


def grouped(table: LesionTable, by: GroupBy = "auto") -> LesionTable:
    """The table with groups as `by` wants them: as they are, or with all lesions of a patient in one.

    An image of no known patient stays with its lesion. Ids of lesions, and of patients where these are joined, that may
    be one id written in several ways are kept together, and a note names them. Where anything is joined the fingerprint
    changes. Raises UsageError where patients are asked for and none is known.
    """
    ids = table.frame["image_id"].tolist()
    alike = pairs_spelt_alike(ids, table.frame["lesion_id"].tolist())
    table = with_groups(table, make_groups(ids, table.frame["group"].tolist(), alike))
    told = [note for _, note in doubts(table.frame) if note not in table.notes]
    table = replace(table, notes=(*table.notes, *told))
    if by == "lesion" or PATIENT not in table.frame:
        if by == "patient":
            raise UsageError(
                f"--group-by is patient, and {table.name} names no patients.",
                "Leave it out, or name their column: --columns patient=COLUMN for a table of your own.",
            )
        return table if PATIENT not in table.frame else replace(table, notes=(*table.notes, _partible(table)))
    known = table.frame[table.frame[PATIENT] != "unknown"]
    mine, patients = known["image_id"].tolist(), known[PATIENT].tolist()
    first: dict[str, str] = {}
    pairs = [(first.setdefault(patient, id_), id_) for id_, patient in zip(mine, patients, strict=True)]
    pairs += pairs_spelt_alike(mine, patients)
    groups = make_groups(ids, table.frame["group"].tolist(), pairs)
    loose = int((table.frame[PATIENT] == "unknown").sum())
    notes = ["grouped by patient: all images of one are one group"]
    notes += [f"images of no known patient, which stay with their lesion: {loose}"] if loose else []
    return replace(with_groups(table, groups), by_patient=True, notes=(*table.notes, *notes))


def _partible(table: LesionTable) -> str:
    """A note on the patients who may be parted."""
    groups = table.frame.groupby(PATIENT)["group"].nunique().drop("unknown", errors="ignore")
    several = f"{(groups > 1).sum()} patients have several lesions, which may be on both sides of the split"
    return f"grouped by lesion although patients are known: {several}"


def with_groups(table: LesionTable, groups: NDArray[np.object_]) -> LesionTable:
    """The table with other groups; its fingerprint changes with them."""
    fingerprint = table.fingerprint
    if (groups != table.frame["group"].to_numpy()).any():
        fingerprint = hashlib.sha256("\n".join([fingerprint, *groups]).encode()).hexdigest()
    return replace(table, frame=table.frame.assign(group=groups), fingerprint=fingerprint)


def regroup(table: LesionTable, pairs: Sequence[tuple[str, str]]) -> LesionTable:
    """The same table with groups joined by pairs of image ids that a person confirmed to show one lesion.

    The fingerprint changes with the groups; a note says how many were joined. Two images of different diagnoses may be
    a pair: one of them is labelled wrong, which nobody here can decide, but they must not be parted either; a note
    names them. Raises DataError for an image that the table does not hold.
    """
    ids, diagnoses = table.frame["image_id"].tolist(), table.frame["dx"].tolist()
    dx = dict(zip(ids, diagnoses, strict=True))
    known = as_known(ids)
    pairs = [(known(one), known(other)) for one, other in pairs]
    for number, pair in enumerate(pairs, start=1):
        for id_ in pair:
            if id_ not in dx:
                raise DataError(
                    f"Pair {number}, {pair[0]} and {pair[1]}: there is no image {id_} in {table.name}.",
                    "Use the pairs of this data set; if the image is in quarantine, remove the pair.",
                )
    before = table.frame["group"]
    groups = make_groups(ids, before.tolist(), pairs)
    joined, noun = before.nunique() - len(set(groups)), "patients" if table.by_patient else "lesions"
    notes = [f"confirmed pairs of images: {len(pairs)}, which join {joined} {noun} to others"] if pairs else []
    torn = [f"{a} ({dx[a]}) and {b} ({dx[b]})" for a, b in pairs if dx[a] != dx[b]]
    if torn:
        notes.append(f"confirmed pairs with two diagnoses, of which one must be wrong: {len(torn)}, {first_few(torn)}")
    return replace(with_groups(table, groups), notes=(*table.notes, *notes))


def read_pairs(path: Path) -> tuple[tuple[str, str], ...]:
    """Pairs of image ids in the table at `path`: its columns `PAIR_COLUMNS`; further ones are ignored.

    Raises DataError naming the row (the header is row 1) for a file that holds no such pairs.
    """
    table = tables.read_file(path, _AGAIN, pad=True).lowered()
    table.require(*PAIR_COLUMNS)
    table.refuse_denials(known=(*PAIR_COLUMNS, "folds_apart"))
    firsts, seconds = (table.frame[column].map(image_id) for column in PAIR_COLUMNS)
    hint = "Complete, correct or remove the row."
    table.refuse((firsts == "") | (seconds == ""), "fewer than two images are named", hint)
    table.refuse(firsts == seconds, lambda row: f"{firsts.iloc[row][:80]!r} is paired with itself", hint)
    return tuple(zip(firsts, seconds, strict=True))
