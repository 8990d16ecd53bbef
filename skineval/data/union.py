"""Several data sets as one: every picture once, whatever it is called, and never parted from what it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.errors import LISTED, DataError, plural
from skineval.data.copies import content, file_of
from skineval.data.groups import make_groups
from skineval.data.layouts.images import ArrayImages
from skineval.data.layouts.known_pairs import KNOWN_DUPLICATES
from skineval.data.same_picture import COMPARED, is_one_picture
from skineval.data.spellings import identifier
from skineval.data.tasks import labels_of, malignancy_of
from skineval.values.lesion_table import COLUMNS, PATIENT, SOURCE, Images, Joined, LesionTable, leaf
from skineval.values.task import OUTSIDE, Task

UNKNOWN = "unknown"  #: what stands where nothing is known
NAMED = ("lesion_id", "group", PATIENT)  #: what images of several data sets may belong to
FILLED = ("dx_type", "sex", "localization", "dataset", PATIENT)  #: what one data set may know and another may not


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of all data sets, one after the other."""

    frame: pd.DataFrame
    part: NDArray[np.int64]  #: (N,) which data set each is of
    own: NDArray[np.int64]  #: (N,) and its row there
    same: NDArray[np.int64]  #: (N,) the first row of the same picture
    first: NDArray[np.int64]  #: (N,) the first row of the same content, where that is in several data sets

    def known(self, column: str) -> pd.Series[str]:
        """What is said in one of the columns `NAMED` of those rows of which anything is said."""
        cells = self.frame[column]
        return cells[cells != (UNKNOWN if column == PATIENT else self.frame["image_id"])]


def union(tables: Sequence[LesionTable], names: Sequence[str], task: Task) -> LesionTable:
    """One table of all images, each picture once, with a column `SOURCE` of the `names` of the data sets, sorted by id.

    Two images are one where their ids agree, and their pictures, or ids of the ISIC Archive; or where their contents
    do, byte for byte where they lie in files, across data sets, unless they have one lesion id and two image ids:
    whoever gave these lists the picture twice. The first stays, and what it does not know is taken from the others, a
    label that `task` has a class for as well. An id that another data set gives to another picture gets the number of
    its data set in front. Equal lesion ids and equal patient ids are taken for one lesion and one patient, and so are
    the lesions and the patients of one picture.

    Raises DataError where one picture has labels of two classes of `task`.
    """
    if len(tables) == 1:
        return tables[0]
    rows = _rows(tables, names)
    _refuse_contradictions(rows, task.widened(malignancy_of(tables)))
    ids = _named(rows)
    frame = _filled(rows, ids, task)
    known = np.array([table.lesions_known for table in tables])[rows.part] | (frame["lesion_id"] != ids).to_numpy()
    zero = np.concatenate([table.frame["image_id"].isin(table.zero_ages) for table in tables])
    frame = frame.assign(group=_groups(rows, frame), image_id=ids)
    frame[PATIENT] = _one_patient(rows, frame[PATIENT])
    kept = np.flatnonzero(rows.same == np.arange(len(frame)))
    kept = kept[np.argsort(ids[kept].astype(str), kind="stable")]
    found = frame.iloc[kept].reset_index(drop=True)
    columns = [*COLUMNS, *([PATIENT] if (found[PATIENT] != UNKNOWN).any() else []), SOURCE]
    contents = [f"{rows.part[row]} {rows.own[row]} {ids[row]}" for row in kept]
    digest = hashlib.sha256("\n".join([*(table.fingerprint for table in tables), *contents]).encode())
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
        licence=_licence(tables),
        lesions_known=bool(known[kept].all()),
        official=_official(tables, rows, kept),
        zero_ages=frozenset(ids[kept][zero[kept]]),
        labels=labels_of(tables),
        malignancy=malignancy_of(tables),
        aliases=_aliases(rows, ids),
        further={column: frozenset(rows.known(column)) - set(found[column]) for column in NAMED},
        sources=tuple(names),
    )


def _rows(tables: Sequence[LesionTable], names: Sequence[str]) -> _Rows:
    """All rows, and which of them are of one picture."""
    frames = [
        table.frame.assign(**{PATIENT: table.frame.get(PATIENT, UNKNOWN), SOURCE: name})
        for table, name in zip(tables, names, strict=True)
    ]
    part = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    own = np.concatenate([np.arange(len(table)) for table in tables])
    frame = pd.concat(frames, ignore_index=True)
    same = np.arange(len(frame))
    ids, lesions = frame["image_id"].tolist(), frame["lesion_id"].tolist()
    of_id: dict[str, list[int]] = {}  # of each id, rows of all pictures that are called so
    first = _first_of_content(tables, part.tolist(), own.tolist(), ids)
    for row, id_ in enumerate(ids):
        twin, mine = int(first[row]), (tables[part[row]].images, int(own[row]))
        others = of_id.setdefault(id_, [])
        if twin != row and (ids[twin] == id_ or lesions[twin] != lesions[row]):
            other = twin
        else:
            alike = (k for k in others if is_one_picture(id_, mine, (tables[part[k]].images, int(own[k]))))
            other = next(alike, row)
        same[row] = same[other]
        if ids[other] != id_ or other == row:
            others.append(row)
    return _Rows(frame, part, own, same, first)


def _first_of_content(
    tables: Sequence[LesionTable], part: Sequence[int], own: Sequence[int], ids: Sequence[str]
) -> NDArray[np.int64]:
    """(N,): the first row of the content of each row, where it is in several data sets; others are their own first."""
    rows_of: dict[Hashable, list[int]] = {}
    for row, (k, mine) in enumerate(zip(part, own, strict=True)):
        rows_of.setdefault(_content(tables[k].images, mine), []).append(row)
    first = np.arange(len(part))
    for rows in rows_of.values():
        # Checksums of files with other names may agree by chance.
        certain = len({ids[row] for row in rows}) == 1
        exact: dict[bytes | None, list[int]] = {}
        for row in rows if len({part[row] for row in rows}) > 1 else ():
            exact.setdefault(None if certain else content(tables[part[row]].images, own[row]), []).append(row)
        for equal in exact.values():
            if len({part[row] for row in equal}) > 1:
                first[equal] = equal[0]
    return first


def _content(images: Images, row: int) -> Hashable:
    """What contents agree in: checksum and size of a file, where an image lies in one; else a hash of its pixels."""
    file = file_of(images, row)
    if file is not None:
        return file.crc, file.size
    found, place = leaf(images, row)
    pixels = found.array(place) if isinstance(found, ArrayImages) else found.pixels([place], COMPARED)
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()


def _refuse_contradictions(rows: _Rows, task: Task) -> None:
    """Raise DataError for pictures with labels of two classes; a label that no class takes contradicts none."""
    targets = task.targets(rows.frame["dx"])
    one = np.where(rows.same == np.arange(len(rows.same)), rows.first, rows.same)  # also where both names are kept
    known = rows.frame.assign(target=targets, same=one)[targets != OUTSIDE]
    several = known.groupby("same")["target"].nunique()
    wrong = known[known["same"].isin(several.index[several > 1])]
    said = [
        " and ".join(f"{one.image_id} is {one.dx} in {one.source}" for one in mine.itertuples(index=False))
        for _, mine in wrong.groupby("same")
    ]
    if said:
        raise DataError(
            f"{plural(len(said), 'picture has', 'pictures have')} two labels: "
            f"{', '.join(said[:LISTED])}{', ...' * (len(said) > LISTED)}.",
            "Correct one of them, leave the images out (--quarantine takes a list of their ids), or take a --task that "
            "has one class for both. Lesions or patients that an image left out had joined are joined by --groups.",
            wrong["image_id"],
            "several-labels",
        )


def _filled(rows: _Rows, ids: NDArray[np.object_], task: Task) -> pd.DataFrame:
    """The rows; of each picture, the first knows what any other knows, and an image without a lesion has its own id."""
    frame = rows.frame
    known = frame.assign(**{column: frame[column].where(frame[column] != UNKNOWN) for column in FILLED})
    known["lesion_id"] = known["lesion_id"].where(known["lesion_id"] != known["image_id"])
    known["dx"] = known["dx"].where(task.targets(frame["dx"]) != OUTSIDE)
    columns = [*FILLED, "age", "lesion_id", "dx"]
    best = known.groupby(rows.same)[columns].first().reindex(rows.same).set_axis(frame.index)
    filled = known[columns].combine_first(best)
    return frame.assign(
        **{column: filled[column].fillna(UNKNOWN) for column in FILLED},
        age=filled["age"].astype(np.float64),
        lesion_id=filled["lesion_id"].fillna(pd.Series(ids, index=frame.index)),
        dx=filled["dx"].fillna(frame["dx"]),
    )


def _one_patient(rows: _Rows, patients: Iterable[str]) -> list[str]:
    """(N,): the patient of each row, under one name where pictures have several."""
    known = rows.known(PATIENT)
    names = sorted(set(known))
    first: dict[int, str] = {}
    pictures = rows.same[known.index.to_numpy()].tolist()
    pairs = [(first.setdefault(picture, name), name) for picture, name in zip(pictures, known, strict=True)]
    one = dict(zip(names, make_groups(names, names, pairs), strict=True))
    return [one.get(name, name) for name in patients]


def _named(rows: _Rows) -> NDArray[np.object_]:
    """(N,): the image id of each row; what an earlier picture is called has the number of the data set in front."""
    ids: list[str] = rows.frame["image_id"].tolist()
    taken = set(ids)
    first: dict[str, int] = {}
    for row, id_ in enumerate(rows.frame["image_id"]):
        if rows.same[row] == row and first.setdefault(id_, row) != row:
            number = str(rows.part[row] + 1)
            free = (identifier(f"{front}-{id_}") for front in (number, *(f"{number}-{n}" for n in range(len(ids)))))
            ids[row] = next(one for one in free if one not in taken)
            taken.add(ids[row])
    return np.array(ids, dtype=object)


def _aliases(rows: _Rows, ids: NDArray[np.object_]) -> dict[str, tuple[str, ...]]:
    """The ids of the images that a data set calls otherwise, by what it calls them."""
    found: dict[str, tuple[str, ...]] = {}
    for name, id_ in dict.fromkeys(zip(rows.frame["image_id"], ids[rows.same], strict=True)):
        if name != id_:
            found[name] = (*found.get(name, ()), id_)
    return found


def _groups(rows: _Rows, frame: pd.DataFrame) -> NDArray[np.object_]:
    """(N,): the group of each row: rows of one group of a data set, of one picture or content, or of a known pair."""
    numbers = [str(row) for row in range(len(frame))]
    first: dict[Hashable, str] = {}
    keys = (zip(rows.part.tolist(), frame["group"], strict=True), rows.same.tolist(), rows.first.tolist())
    pairs = []
    for kind, of in enumerate(keys):
        pairs += [(first.setdefault((kind, key), number), number) for number, key in zip(numbers, of, strict=True)]
    of_id = dict(zip(rows.frame["image_id"], numbers, strict=True))
    pairs += [(of_id[a], of_id[b]) for a, b in KNOWN_DUPLICATES if a in of_id and b in of_id]
    return make_groups(numbers, frame["lesion_id"].tolist(), pairs)


def _official(tables: Sequence[LesionTable], rows: _Rows, kept: NDArray[np.int64]) -> tuple[str, ...] | None:
    """The part of each row that is kept in the data sets' own splits; None where one has none, or two disagree."""
    if any(table.official is None for table in tables):
        return None
    parts = np.concatenate([table.official or () for table in tables])
    return tuple(parts[kept].tolist()) if (parts == parts[rows.same]).all() else None


def _differing(rows: _Rows) -> Iterator[str]:
    """A note on pictures of which data sets say different things."""
    several = rows.frame[np.bincount(rows.same, minlength=len(rows.frame))[rows.same] > 1]
    pictures = pd.Series(rows.same, index=rows.frame.index)[several.index]
    counts = []
    for column in ("dx", "age", "sex", "localization", "dx_type"):
        known = several[column].mask(several[column] == UNKNOWN)
        if differ := int((known.groupby(pictures).nunique() > 1).sum()):
            counts.append(f"{column} of {differ}")
    if counts:
        of = ", ".join(counts)
        yield f"pictures of which data sets differ, where the first counts, of dx the first that has a class: {of}"


def _licence(tables: Sequence[LesionTable]) -> str:
    """What is known of the licences; "" where nothing is."""
    found = dict.fromkeys(table.licence or "not known" for table in tables)
    return "; ".join(found) if any(table.licence for table in tables) else ""


def _told(rows: _Rows, names: Sequence[str], ids: NDArray[np.object_]) -> list[str]:
    """What was made of the data sets, in sentences."""
    frame, twice = rows.frame, rows.same != np.arange(len(rows.frame))
    by_id = int((frame["image_id"] == frame["image_id"].to_numpy()[rows.same])[twice].sum())
    sizes = zip(names, np.bincount(rows.part, minlength=len(names)), strict=True)
    there = plural(int(twice.sum()), "picture is", "pictures are")
    kept_once = f"{there} there twice and kept once: {by_id} by id, {twice.sum() - by_id} by content"
    both = int(((rows.first != np.arange(len(frame))) & ~twice).sum())
    kept_once = kept_once if twice.any() else "no picture is there twice" * (not both)
    notes = ["; ".join(filter(None, (f"images of {', of '.join(f'{name}: {n}' for name, n in sizes)}", kept_once)))]
    for noun, key, column in (("lesion", "lesion_id", "dx"), ("patient", PATIENT, "sex")):
        sources = frame.loc[rows.known(key).index].groupby(key)[SOURCE].nunique()
        shared = sources.index[sources > 1]
        if len(shared):
            known = frame[(frame[column] != UNKNOWN) & frame[key].isin(shared)]
            several = int((known.groupby(key)[column].nunique() > 1).sum())
            doubt = f", of which {several} have several of {column} and may be different ones" if several else ""
            notes.append(
                f"{noun} ids that occur in several data sets are taken for one {noun} each: {len(shared)}{doubt}"
            )
    notes += _differing(rows)
    if both:
        notes.append(f"pictures that are listed under two names of one lesion, of which both are kept: {both}")
    if renamed := int((ids != frame["image_id"].to_numpy()).sum()):
        notes.append(f"images called like another picture, with the number of their data set in front: {renamed}")
    return notes
