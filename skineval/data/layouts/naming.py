"""Ids of images whose file names are not enough: several files of one name are told apart by their folders."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from skineval.base.errors import first_few
from skineval.data.cells import is_missing
from skineval.data.files.stored_files import StoredFile
from skineval.data.layouts import pictures
from skineval.data.layouts.pictures import Named, image_of, is_mask
from skineval.data.spellings import identifier, image_id, whole
from skineval.data.tables import GivenTable

if TYPE_CHECKING:
    import pandas as pd


def by_folder(images: Iterable[StoredFile], files: Iterable[StoredFile], path: Path) -> Named:
    """Ids made of the names of these images and of the folders below `path` in which they lie.

    With them those of their masks among `files`, of such as lie in the folders of their images.
    """
    ids = {file: identifier("/".join(file.below(path).with_suffix("").parts)) for file in images}
    place = {_place(file): id_ for file, id_ in ids.items()}
    masks = {file: place[_place(file)] for file in files if is_mask(file) and _place(file) in place} if ids else {}
    return ids | masks


def resolved(
    table: GivenTable, files: Sequence[StoredFile], path: Path, quarantined: Collection[str]
) -> tuple[pd.Series[str], Named]:
    """The id of the image that each cell of the column image_id names, and those ids that `by_folder` made.

    Where files of one name differ, or several rows name it, the folders in front of it say which is meant, as far as
    they are written, counted from the last. "" stands where nothing is named. Raises DataError for the row of a name
    that several files have all the same, unless that is in `quarantined`.
    """
    texts = table.frame["image_id"].astype("str")
    ids = texts.map(lambda text: "" if is_missing(text) else identifier(image_id(text)))
    images, _ = pictures.find(files)
    # A spreadsheet makes 1.0 of the image 1.
    ids = ids.map(lambda id_: whole(id_) if id_ not in images and whole(id_) in images else id_)
    rows = Counter(ids)
    several = {id_: found for id_, found in images.items() if len(found) > 1 and id_ in rows}
    apart = {id_ for id_, found in several.items() if rows[id_] > 1 or not pictures.of_one_content(found)}
    meant = {text: _meant(text, several[id_], path) for text, id_ in zip(texts, ids, strict=True) if id_ in apart}
    table.having(table.frame.assign(image_id=ids)).refuse(
        texts.map(lambda text: len(meant.get(text, ())) > 1) & ~ids.isin(quarantined),
        lambda row: (
            f"{texts.iloc[row]!r} is the name of several files, "
            f"{first_few([str(file.below(path)) for file in meant[texts.iloc[row]]])}"
        ),
        "Write in front of each name the folders that tell them apart, as in left/1.jpg; of several in one folder, "
        "rename or remove one.",
    )
    files_of: Mapping[str, StoredFile] = {text: found[0] for text, found in meant.items() if len(found) == 1}
    named = by_folder(files_of.values(), files, path)
    changed = [named[files_of[text]] if text in files_of else id_ for text, id_ in zip(texts, ids, strict=True)]
    return ids.where(~ids.isin(apart), changed), named


def _meant(text: str, found: Sequence[StoredFile], path: Path) -> list[StoredFile]:
    """Those of the files of one name whose folders agree longest with those in front of it; one, if they are the same.

    Files that agree in content are the same only where no folder is written that tells them apart.
    """
    folders = _parts(text.replace("\\", "/"))[:-1]
    common = {file: _shared(folders, _parts(file.below(path).as_posix())[:-1]) for file in found}
    best = [file for file in found if common[file] == max(common.values())]
    return best[:1] if pictures.of_one_content(best) else best


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many of the last parts of two paths agree."""
    count = 0
    for mine, theirs in zip(reversed(one), reversed(other), strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(unicodedata.normalize("NFC", path)).parts


def _place(file: StoredFile) -> tuple[Path, Path, str]:
    """Where a file lies, and of which image there it is."""
    return file.path if file.member else file.path.parent, file.inner.parent, image_of(file.inner)
