"""Tables that nobody reads although they know lesions or patients of images of which these are not known.

Another layout took the folder, their columns are called otherwise, their ids are written otherwise, or they are no
tables: in silence, images of one patient would be parted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from skineval.base.errors import DataError, plural
from skineval.data import tables
from skineval.data.files.stored_files import StoredFile
from skineval.data.findings import UNREAD_TABLE
from skineval.data.ids import is_nobody, spelling
from skineval.data.layouts.beside import LESION_COLUMNS, PATIENT_COLUMNS
from skineval.data.layouts.headers import header, is_table
from skineval.data.spellings import IMAGE_COLUMNS, first_column, image_id
from skineval.values.lesion_table import PATIENT, LesionTable


@dataclass(frozen=True)
class _Wanted:
    """What is not known of some images."""

    what: str
    columns: tuple[str, ...]  #: what tables call it
    images: frozenset[str]  #: of which it is not known


def unread_knowledge(files: Sequence[StoredFile], path: Path, table: LesionTable) -> tuple[str, ...]:
    """Notes on those tables among `files` in `path` that say of images what `table` does not know of them.

    Such are lesions and patients. A table is named, too, that would but for how it writes ids, or that is empty or of
    another kind than it is called.
    """
    wanted = [one for one in _unknown(table) if one.images]
    found = [file for file in files if is_table(file)] if wanted else []
    told = ((file, _said(file, wanted, table)) for file in found)
    return tuple(UNREAD_TABLE.note(f"{file.below(path)} {said}") for file, said in told if said)


def _unknown(table: LesionTable) -> Iterator[_Wanted]:
    frame = table.frame
    yield _Wanted("lesion", LESION_COLUMNS, frozenset(frame["image_id"][table.alone]))
    nobody = frame[PATIENT] == "unknown" if PATIENT in frame else frame["image_id"].notna()
    yield _Wanted("patient", PATIENT_COLUMNS, frozenset(frame["image_id"][nobody]))


def _said(file: StoredFile, wanted: Sequence[_Wanted], table: LesionTable) -> str:
    """What a table says of the images of which it is `wanted`, or why it says nothing; "" of one that knows no more."""
    names = header(file)
    if not names:
        return _no_table(file)
    names = tuple(name.rpartition(".")[2] for name in names)  # as in meta.clinical.patient_id
    image = first_column(names, IMAGE_COLUMNS)
    columns = {one: first_column(names, one.columns) for one in wanted}
    if image is None or not any(columns.values()):
        return ""
    try:
        frame = tables.read(file.read(), file.name, pad=True).frame
    except DataError as error:
        return f"cannot be read: {error.message.removesuffix('.')}"
    frame = frame.rename(columns=lambda name: str(name).lower().rpartition(".")[2])
    ids = frame[image].map(image_id)
    lower = ids.str.lower()
    known = {id_.lower() for id_ in table.frame["image_id"]}
    found = []
    for one, column in columns.items():
        if column is None:
            continue
        said = frame[column][~frame[column].map(is_nobody).astype(bool) & (frame[column] != frame[image])]
        if len(frame) > 1 and frame[column].nunique() == 1:
            continue  # a word for nobody, whatever it is
        lacking = {id_.lower() for id_ in one.images}
        count = len(lacking.intersection(lower[said.index]))
        if count:
            found.append(f"the {one.what} of {plural(count, 'image')} ({column})")
        elif len(said) and known.isdisjoint(lower):
            found.append(f"the {one.what} ({column}), but names {_otherwise(ids[said.index], one.images)}")
    return f"has {' and '.join(found)}" if found else "" if len(frame) else "has a header and no rows"


def _otherwise(ids: Iterable[str], lacking: frozenset[str]) -> str:
    """How a table names images of which it names none."""
    spelt = {spelling(id_): id_ for id_ in lacking}
    meant = next(((id_, spelt[spelling(id_)]) for id_ in ids if spelling(id_) in spelt), None)
    return f"{meant[0]} where {meant[1]} is there" if meant else "none of the images"


def _no_table(file: StoredFile) -> str:
    try:
        content = file.read()
    except DataError as error:
        return f"cannot be read: {error.message.removesuffix('.')}"
    kind = tables.kind_of(content)
    return f"is {kind}, and no table" if kind else "is empty"
