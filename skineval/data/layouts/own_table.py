"""A table of one's own with a folder of images: whoever gives it says what its columns hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from skineval.base.errors import DataError, UsageError, did_you_mean, first_few, hint_for
from skineval.data import tables
from skineval.data.files.stored_files import StoredFile, scan
from skineval.data.layouts import pictures
from skineval.data.layouts.listing import labelled, lesion_table, with_lesions
from skineval.data.layouts.metadata import header, is_table
from skineval.data.quarantine import require_known
from skineval.data.spellings import image_id, part_name
from skineval.data.tables import GivenTable
from skineval.values.lesion_table import PATIENT, LesionTable

if TYPE_CHECKING:
    import pandas as pd

#: What a column may hold, and what a lesion table calls it.
ROLES: Mapping[str, str] = {
    "image": "image_id",
    "label": "dx",
    "lesion": "lesion_id",
    "patient": PATIENT,
    "age": "age",
    "sex": "sex",
    "localization": "localization",
    "source": "dataset",
    "part": "part",
}
NEEDED = ("image", "label")


def parse_columns(texts: Iterable[str]) -> dict[str, str]:
    """The column of each role, from texts such as "image=file". Raises UsageError for what cannot be meant."""
    found: dict[str, str] = {}
    for text in texts:
        role, equals, column = (word.strip() for word in text.partition("="))
        if not equals or not column:
            raise UsageError(f"--columns is {text!r}, which names no column.", "Write image=file,label=diagnosis.")
        if role not in ROLES:
            raise UsageError(f"--columns says what {role!r} is, and no column is for that.", hint_for(role, ROLES))
        if role in found:
            raise UsageError(f"--columns names two columns for {role}: {found[role]} and {column}.", "Name one.")
        if column in found.values():
            raise UsageError(f"--columns names {column} for two things.", "A column holds one.")
        found[role] = column
    lacking = [role for role in NEEDED if role not in found]
    if lacking:
        raise UsageError(
            f"--columns does not say which column is {' nor '.join(lacking)}.", "Write image=file,label=diagnosis."
        )
    return found


def load(
    path: Path, columns: Mapping[str, str], table: Path | None = None, quarantined: Collection[str] = frozenset()
) -> LesionTable:
    """Read the images in the folder `path` of which a table says what they show: `table`, or the one that lies there.

    Labels are read as everywhere; an image is known by the name of its file, and neither folder nor suffix counts.
    Raises DataError naming the row (the header is row 1) or the file that is wrong; rows of images in `quarantined` are
    left out before.
    """
    files = scan(path, without=pictures.stems(quarantined))
    given = tables.read_file(table) if table is not None else _find(path, files, columns)
    rows, merged = _read(given, columns, quarantined)
    rows, alone = with_lesions(rows)
    return lesion_table(
        rows,
        given.name,
        files,
        path,
        name=path.resolve().name,
        layout=f"the table {Path(given.name).name} with columns named by its owner",
        notes=[*merged, *alone],
        left_out=quarantined,
        lesions_known=not alone,
    )


def fits(path: Path, columns: Mapping[str, str]) -> bool:
    """Whether a table in a folder or zip archive has the columns."""
    if not path.is_dir() and path.suffix.lower() != ".zip":
        return False
    return any(is_table(file) and _lacking(file, columns) == [] for file in scan(path))


def _lacking(file: StoredFile, columns: Mapping[str, str]) -> list[str]:
    """Those of the columns that a table does not have."""
    there = header(file)
    return [column for column in columns.values() if column.lower() not in there]


def _find(path: Path, files: Sequence[StoredFile], columns: Mapping[str, str]) -> GivenTable:
    """The one table in a folder that has the columns."""
    absent = {file: _lacking(file, columns) for file in files if is_table(file)}
    fitting = [file for file, lacking in absent.items() if not lacking]
    if len(fitting) != 1:
        names = ", ".join(columns.values())
        seen = f"{len(fitting)} tables have" if fitting else "no table has"
        looked = f": {first_few([file.name for file in fitting])}" if fitting else ""
        if absent and not fitting:
            nearest, lacking = min(absent.items(), key=lambda one: len(one[1]))
            near = " ".join(filter(None, (did_you_mean(one.lower(), header(nearest)) for one in lacking)))
            looked = f": {nearest.name} lacks {', '.join(lacking)}{f' ({near})' if near else ''}"
        raise DataError(f"In {path} {seen} the columns {names}{looked}.", "Name the right ones, or --table FILE.")
    return tables.read(fitting[0].read(), fitting[0].name)


def _read(
    given: GivenTable, columns: Mapping[str, str], quarantined: Collection[str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows under the names of `ROLES`, as text; with it, which labels were read as one."""
    lowered = replace(given.lowered(), hint="--columns names columns of the table, whatever their letter case.")
    lowered.require(*(column.lower() for column in columns.values()))
    frame = lowered.frame[[column.lower() for column in columns.values()]].set_axis(
        [ROLES[role] for role in columns], axis=1
    )
    frame = frame.assign(image_id=frame["image_id"].map(image_id))
    require_known(quarantined, frame["image_id"], given.name)
    table = lowered.having(frame[~frame["image_id"].isin(quarantined)])
    if table.frame.empty:
        raise DataError(f"{given.name} holds no row of an image.", "Give a row for each image.")
    for role in (role for role in (*NEEDED, "part") if role in columns):
        column = columns[role]
        cells = table.frame[ROLES[role]]
        table.refuse(cells.map(tables.is_missing), f"{column} is empty", f"Give every row its {column}.")
    labels, merged = labelled(table)
    changes = {"dx": labels}
    if "lesion" in columns:
        lesions = table.frame["lesion_id"]
        changes["lesion_id"] = lesions.mask(lesions.map(tables.is_missing), "")
    if "part" in columns:
        changes["part"] = table.frame["part"].map(part_name)
    return table.frame.assign(**changes), merged
