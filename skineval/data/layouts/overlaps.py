"""Tables of one collection that name the same images, as exports of several collections of an archive do.

All rows of an image become one: what one table does not say is taken from another, and what several say must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skineval.data.files.stored_files import StoredFile
from skineval.data.findings import LEAVE_OUT, refuse_any
from skineval.data.spellings import plain

if TYPE_CHECKING:
    import pandas as pd

_SILENT = ("", "unknown")  #: cells that say nothing


@dataclass(frozen=True, eq=False)
class United:
    """The rows of several tables, one for each image."""

    rows: pd.DataFrame = field(repr=False)
    kept: tuple[StoredFile, ...]  #: the tables that say something which those before them do not
    shared: int  #: images that several of these name


def united(found: Mapping[StoredFile, pd.DataFrame], columns: Mapping[str, str], label: Callable[[str], str]) -> United:
    """The rows of the tables `found`, of which the one with most columns that say anything comes first.

    Each has the column `image_id`, others under the names of `columns`, by which these are called in the file, and ""
    where nothing is said. Texts in `dx` agree where `label` makes one label of them. A `dx` that says only whether the
    lesion is malignant gives way to one that says more. Rows of one image in one table stay as they are.

    Raises DataError naming the image, the cells and the files where two tables differ.
    """
    import pandas as pd

    first, *others = sorted(found, key=lambda file: -sum((found[file] != "").any()))
    rows, kept = found[first], [first]
    shared: set[str] = set()
    for file in others:
        new = found[file]
        known = new["image_id"].isin(rows["image_id"]) & ~new["image_id"].duplicated()
        said = new[known].set_index("image_id")
        before = rows.drop_duplicates("image_id").set_index("image_id").reindex(said.index, columns=said.columns)
        before = before.fillna("")
        _refuse_differing(said, before, file, {one: found[one] for one in kept}, columns, label)
        gained = {name: said[name][_says(said, name) & ~_says(before, name)] for name in map(str, said)}
        gained = {name: cells for name, cells in gained.items() if len(cells)}
        if known.all() and not gained:
            continue
        for name, cells in gained.items():
            there = rows.get(name, pd.Series("", index=rows.index))
            rows = rows.assign(**{name: rows["image_id"].map(cells).fillna(there)})
        rows = pd.concat([rows, new[~known]]).fillna("")
        kept.append(file)
        shared.update(said.index)
    return United(rows, tuple(kept), len(shared))


def _says(rows: pd.DataFrame, name: str) -> pd.Series[bool]:
    """Whether the cells of a column say anything that no other cell of their row does."""
    cells = rows[name]
    if name == "dx" and "malignancy" in rows:
        return (cells != "") & (cells.str.lower() != rows["malignancy"].str.lower())
    return cells != "" if name == "dx" else ~cells.str.lower().isin(_SILENT)


def _refuse_differing(
    said: pd.DataFrame,
    before: pd.DataFrame,
    file: StoredFile,
    earlier: Mapping[StoredFile, pd.DataFrame],
    columns: Mapping[str, str],
    label: Callable[[str], str],
) -> None:
    """Raise DataError for images of which the table `file` says otherwise than those `earlier` did."""
    by_image = {given: rows.drop_duplicates("image_id").set_index("image_id") for given, rows in earlier.items()}
    examples, ids = [], []
    for name, id_, one, other in _differing(said, before, label):
        source = next(
            given
            for given, rows in by_image.items()
            if name in rows and id_ in rows.index and rows.at[id_, name] == other
        )
        examples.append(f"{id_} ({columns[name]} {one!r} in {file.name}, {other!r} in {source.name})")
        ids.append(id_)
    otherwise = "otherwise of an image than another table does"
    what = (f"cell says {otherwise}", f"cells say {otherwise}")
    refuse_any(examples, what, f"Remove the row or the table that is wrong. {LEAVE_OUT}", image_ids=ids)


def _differing(
    said: pd.DataFrame, before: pd.DataFrame, label: Callable[[str], str]
) -> Iterator[tuple[str, str, str, str]]:
    """Column, image, and the two cells that say different things."""
    for name in map(str, said):
        unlike = _says(said, name) & _says(before, name) & (said[name] != before[name])
        for id_, one, other in zip(said.index[unlike], said[name][unlike], before[name][unlike], strict=True):
            read = label if name == "dx" else _number if name == "age" else plain
            if read(one) != read(other):
                yield name, str(id_), one, other


def _number(text: str) -> str:
    return plain(text.replace(",", ".")).removesuffix(".0")
