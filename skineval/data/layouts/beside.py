"""Tables beside the one of a collection, which say more of the same images or lesions: found, and joined to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from skineval.data import tables
from skineval.data.files.stored_files import StoredFile
from skineval.data.findings import refuse_any
from skineval.data.layouts.headers import header, is_table
from skineval.data.layouts.metadata import refuse_cells
from skineval.data.spellings import IMAGE_COLUMNS, as_known, first_column, image_id

if TYPE_CHECKING:
    import pandas as pd

LESION_COLUMNS = ("lesion_id", "lesionid", "lesion")
PATIENT_COLUMNS = ("patient_id", "patientid", "patient", "subject_id", "subject")
_AGES, _SITES = ("age_approx", "age"), ("anatom_site_general", "anatom_site", "localization", "location", "site")
#: What else columns are called, by the names of collections; each group holds the names of one.
_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{name: names for names in (IMAGE_COLUMNS, LESION_COLUMNS, PATIENT_COLUMNS) for name in names},
        "age_approx": _AGES,
        "anatom_site_general": _SITES,
        "sex": ("sex", "gender"),
    }
)
_MEANT = MappingProxyType({"age_approx": "age", "lesion_id": "lesion_id", "patient_id": "patient_id"})


def beside(files: Iterable[StoredFile], needs: Iterable[str], wanted: Iterable[str] = ()) -> dict[str, pd.DataFrame]:
    """All cells, by name of the file, of those tables among `files` that have the columns `needs`.

    Where none has exactly these, those that call them otherwise, as others usually do: they get these names, and so do
    the columns `wanted` of any of them. Rows bear their numbers in the file.
    """
    needed, there = tuple(needs), [file for file in files if is_table(file)]
    exact = [file for file in there if set(needed) <= set(header(file))]
    found = exact or [file for file in there if all(_column(header(file), name) for name in needed)]
    return {
        file.name: _renamed(tables.read(file.read(), file.name).lowered().frame, (*needed, *wanted)) for file in found
    }


def joined(
    rows: pd.DataFrame, key: str, found: Mapping[str, pd.DataFrame], image: str, quarantined: frozenset[str]
) -> pd.DataFrame:
    """The rows with the columns that they lack from the tables `found`, by the images or lesions in the column `key`.

    Ids are matched as files are: whatever their letter case, without path and suffix. "" stands where nothing is said,
    as of those whose id in the column `image` is in `quarantined`. What several rows say of one of them, as those of a
    copy do, is one where they do not differ: raises DataError naming the rows that do, and those whose cells cannot be
    meant.
    """
    import pandas as pd

    ids, images = rows[key].map(image_id), rows[image].map(image_id)
    ids = ids.mask(images.isin(quarantined), "")
    known = set(ids) - {""}
    said = pd.concat([pd.DataFrame(columns=[key], dtype=str), *found.values()], keys=["", *found]).fillna("")
    said = said.assign(**{key: said[key].map(image_id).map(as_known(known))})
    said = said[said[key].isin(known)]
    for name, its in said.groupby(level=0) if key == image else ():
        meant = its.droplevel(0).rename(columns={column: one for column, one in _MEANT.items() if column in its})
        refuse_cells(meant.assign(image_id=meant[key]), str(name))
    cells = said.mask(said == "")
    several = (cells.groupby(key).nunique() > 1).any(axis=1)
    differing = said[said[key].isin(several.index[several])]
    refuse_any(
        [f"{one} ({_differing(its)})" for one, its in cells.loc[differing.index].groupby(key)],
        (f"value of {key} has rows that differ", f"values of {key} have rows that differ"),
        "Remove the rows or the files that are wrong.",
        image_ids=images[ids.isin(differing[key])],
    )
    about = {name: one.dropna().to_dict() for name, one in cells.groupby(key).first().items() if name not in rows}
    return rows.assign(**{str(name): [one.get(id_, "") for id_ in ids] for name, one in about.items()})


def _column(there: Iterable[str], name: str) -> str | None:
    """The column that holds what others have in `name`: that itself, or the first that is usually called otherwise."""
    return first_column(there, (name, *_NAMES.get(name, ())))


def _renamed(rows: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The rows with those columns called by these `names` that hold what is so called."""
    found = {_column(map(str, rows), name): name for name in names if name not in rows}
    return rows.rename(columns={column: name for column, name in found.items() if column is not None})


def _differing(rows: pd.DataFrame) -> str:
    """What several rows say of one thing in the first column in which they differ."""
    column = next(name for name in map(str, rows) if rows[name].nunique() > 1)
    said = rows[column].dropna().drop_duplicates()
    files, numbers = (said.index.get_level_values(level) for level in (0, 1))
    told = (f"{cell!r} in {table}, row {row}" for cell, table, row in zip(said, files, numbers, strict=True))
    return f"{column} is {' and '.join(told)}"
