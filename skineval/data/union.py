"""Several data sets as one: every picture once, whatever it is called, and never parted from what it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.errors import DataError, first_few
from skineval.data.groups import KNOWN_DUPLICATES, make_groups
from skineval.data.layouts.class_folders import identifier
from skineval.data.layouts.images import ArrayImages, StoredImages
from skineval.data.tasks import labels_of, malignancy_of
from skineval.values.lesion_table import COLUMNS, PATIENT, SOURCE, Images, Joined, LesionTable, leaf
from skineval.values.task import OUTSIDE, Task

COMPARED = 32  #: pixels a side at which two files of one image id are compared
ALIKE = 0.9  #: correlation of their pixels from which on they show the same picture, enlarged or stored anew
FILLED = ("dx_type", "sex", "localization", "dataset", PATIENT)  #: what one data set may know and another may not


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of all data sets, one after the other."""

    frame: pd.DataFrame
    part: NDArray[np.int64]  #: (N,) which data set each is of
    own: NDArray[np.int64]  #: (N,) and its row there
    same: NDArray[np.int64]  #: (N,) the first row of the same picture


def union(tables: Sequence[LesionTable], names: Sequence[str], task: Task) -> LesionTable:
    """One table of all images, each picture once, with a column `SOURCE` of the `names` of the data sets, sorted by id.

    Two images are one where their ids agree, and their pictures; or their contents, byte for byte where they lie in
    files, across data sets, unless they have one lesion id and two image ids: whoever gave these lists the picture
    twice. The first stays, and what it does not know is taken from the others. An id that another
    data set gives to another picture gets the name of its data set in front; both stay in one group, which can only
    make groups larger. Equal lesion ids and equal patient ids are taken for one lesion and one patient.

    Raises DataError where one picture has labels of two classes of `task`.
    """
    if len(tables) == 1:
        return tables[0]
    rows = _rows(tables, names)
    _refuse_contradictions(rows, task.widened(malignancy_of(tables)))
    frame, ids = _filled(rows), _named(rows, names)
    named = (frame["lesion_id"] != frame["image_id"]).to_numpy()
    known = np.array([table.lesions_known for table in tables])[rows.part] | named
    zero = np.concatenate([table.frame["image_id"].isin(table.zero_ages) for table in tables])
    frame = frame.assign(group=_groups(rows, frame), image_id=ids)
    kept = np.flatnonzero(rows.same == np.arange(len(frame)))
    kept = kept[np.argsort(ids[kept].astype(str), kind="stable")]
    found = frame.iloc[kept].reset_index(drop=True)
    columns = [*COLUMNS, *([PATIENT] if (found[PATIENT] != "unknown").any() else []), SOURCE]
    digest = hashlib.sha256("\n".join(table.fingerprint for table in tables).encode())
    return LesionTable(
        name=" + ".join(names),
        frame=found[columns],
        images=Joined(
            tuple(table.images for table in tables),
            tuple(zip(rows.part[kept].tolist(), rows.own[kept].tolist(), strict=True)),
        ),
        fingerprint=digest.hexdigest(),
        synthetic=any(table.synthetic for table in tables),
        sampled=any(table.sampled for table in tables),
        notes=(
            *_told(rows, names, ids),
            *(f"{name}: {note}" for table, name in zip(tables, names, strict=True) for note in table.notes),
        ),
        layout="; ".join(f"{name}: {table.layout}" for table, name in zip(tables, names, strict=True)),
        licence="; ".join(dict.fromkeys(table.licence or "not known" for table in tables)),
        lesions_known=bool(known[kept].all()),
        official=_official(tables, rows, kept),
        zero_ages=frozenset(ids[kept][zero[kept]]),
        labels=labels_of(tables),
        malignancy=malignancy_of(tables),
        sources=tuple(names),
    )


def _rows(tables: Sequence[LesionTable], names: Sequence[str]) -> _Rows:
    """All rows, and which of them are of one picture."""
    frames = [
        table.frame.assign(**{PATIENT: table.frame.get(PATIENT, "unknown"), SOURCE: name})
        for table, name in zip(tables, names, strict=True)
    ]
    part = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    own = np.concatenate([np.arange(len(table)) for table in tables])
    frame = pd.concat(frames, ignore_index=True)
    same = np.arange(len(frame))
    of_id: dict[str, int] = {}
    of_content: dict[Hashable, int] = {}
    lesions = frame["lesion_id"].tolist()
    for row, (image_id, k, mine) in enumerate(zip(frame["image_id"], part.tolist(), own.tolist(), strict=True)):
        other = of_id.setdefault(image_id, row)
        twin = of_content.setdefault(_content(tables[k].images, mine), row)
        if part[twin] != k and (other == twin or lesions[twin] != lesions[row]):
            same[row] = same[twin]
        elif other != row and _alike(tables[part[other]].images, int(own[other]), tables[k].images, mine):
            same[row] = same[other]
    return _Rows(frame, part, own, same)


def _content(images: Images, row: int) -> Hashable:
    """What tells the content of an image from that of others: of its file, where it lies in one, else its pixels."""
    found, place = leaf(images, row)
    if isinstance(found, StoredImages):
        file = found.files[place]
        return file.crc, file.size
    pixels = found.array(place) if isinstance(found, ArrayImages) else found.pixels([place], COMPARED)
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()


def _alike(images: Images, row: int, others: Images, other: int) -> bool:
    """Whether two files show the same picture."""
    one, two = (
        found.pixels([place], COMPARED).astype(np.float64).ravel() for found, place in ((images, row), (others, other))
    )
    if not one.std() or not two.std():
        return bool(np.array_equal(one, two))
    return bool(np.corrcoef(one, two)[0, 1] >= ALIKE)


def _refuse_contradictions(rows: _Rows, task: Task) -> None:
    """Raise DataError for pictures with labels of two classes; a label that no class takes contradicts none."""
    targets = task.targets(rows.frame["dx"])
    known = rows.frame.assign(target=targets, same=rows.same)[targets != OUTSIDE]
    several = known.groupby("same")["target"].nunique()
    wrong = known[known["same"].isin(several.index[several > 1])]
    said = [
        " and ".join(f"{one.image_id} is {one.dx} in {one.source}" for one in mine.itertuples(index=False))
        for _, mine in wrong.groupby("same")
    ]
    if said:
        raise DataError(
            f"{len(said)} pictures have two labels: {first_few(said)}.",
            "Correct one of them, or leave the images out: --quarantine takes a list of their ids.",
        )


def _filled(rows: _Rows) -> pd.DataFrame:
    """The rows; of each picture, the first knows what any other knows."""
    frame = rows.frame
    known = frame.assign(**{column: frame[column].where(frame[column] != "unknown") for column in FILLED})
    known["lesion_id"] = known["lesion_id"].where(known["lesion_id"] != known["image_id"])
    columns = [*FILLED, "age", "lesion_id"]
    best = known.groupby(rows.same)[columns].first().reindex(rows.same).set_axis(frame.index)
    filled = known[columns].combine_first(best)
    return frame.assign(
        **{column: filled[column].fillna("unknown") for column in FILLED},
        age=filled["age"].astype(np.float64),
        lesion_id=filled["lesion_id"].fillna(frame["image_id"]),
    )


def _named(rows: _Rows, names: Sequence[str]) -> NDArray[np.object_]:
    """(N,): the image id of each row, with the data set in front where an earlier one calls another picture so."""
    ids: list[str] = rows.frame["image_id"].tolist()
    taken = set(ids)
    first: dict[str, int] = {}
    for row, id_ in enumerate(rows.frame["image_id"]):
        if rows.same[row] == row and first.setdefault(id_, row) != row:
            free = (identifier(f"{names[rows.part[row]]}{more}-{id_}") for more in ("", *map(str, range(2, len(ids)))))
            ids[row] = next(one for one in free if one not in taken)
            taken.add(ids[row])
    return np.array(ids, dtype=object)


def _groups(rows: _Rows, frame: pd.DataFrame) -> NDArray[np.object_]:
    """(N,): the group of each row: rows of one group of a data set, of one picture or id, or of a known pair."""
    numbers = [str(row) for row in range(len(frame))]
    first: dict[Hashable, str] = {}
    keys = (zip(rows.part.tolist(), frame["group"], strict=True), rows.same.tolist(), frame["image_id"])
    pairs = []
    for kind, of in enumerate(keys):
        pairs += [(first.setdefault((kind, key), number), number) for number, key in zip(numbers, of, strict=True)]
    of_id = dict(zip(frame["image_id"], numbers, strict=True))
    pairs += [(of_id[a], of_id[b]) for a, b in KNOWN_DUPLICATES if a in of_id and b in of_id]
    return make_groups(numbers, frame["lesion_id"].tolist(), pairs)


def _official(tables: Sequence[LesionTable], rows: _Rows, kept: NDArray[np.int64]) -> tuple[str, ...] | None:
    """The part of each row that is kept in the data sets' own splits; None where one has none, or two disagree."""
    if any(table.official is None for table in tables):
        return None
    parts = np.concatenate([table.official or () for table in tables])
    return tuple(parts[kept].tolist()) if (parts == parts[rows.same]).all() else None


def _told(rows: _Rows, names: Sequence[str], ids: NDArray[np.object_]) -> list[str]:
    """What was made of the data sets, in sentences."""
    frame, twice = rows.frame, rows.same != np.arange(len(rows.frame))
    by_id = int((frame["image_id"] == frame["image_id"].to_numpy()[rows.same])[twice].sum())
    sizes = zip(names, np.bincount(rows.part, minlength=len(names)), strict=True)
    kept_once = f"{twice.sum()} pictures are there twice and kept once: {by_id} by id, {twice.sum() - by_id} by content"
    notes = [f"images of {', of '.join(f'{name}: {n}' for name, n in sizes)}; {kept_once}"]
    shared = frame.loc[frame["lesion_id"] != frame["image_id"]].groupby("lesion_id")[SOURCE].nunique()
    if (shared > 1).any():
        notes.append(f"lesion ids that occur in several data sets are taken for one lesion each: {(shared > 1).sum()}")
    if renamed := int((ids != frame["image_id"].to_numpy()).sum()):
        notes.append(f"images with the id of another picture, which have their data set in front of it: {renamed}")
    return notes
