"""A table of one's own with a folder of images: whoever gives it says what its columns hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from skineval.base.errors import DataError, UsageError, did_you_mean, first_few, hint_for
from skineval.base.terms import PARTS
from skineval.data import ids, tables
from skineval.data.cells import is_missing
from skineval.data.copies import count_once
from skineval.data.files.stored_files import StoredFile, scan
from skineval.data.layouts import pictures
from skineval.data.layouts.headers import header, is_table, workbooks
from skineval.data.layouts.listing import labelled, lesion_table, with_lesions
from skineval.data.layouts.naming import resolved
from skineval.data.layouts.unread import unread_knowledge
from skineval.data.quarantine import nothing_left, require_known
from skineval.data.spellings import part_name, sex_name, visible
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
SEVERAL = "|"  #: between the names that a column may have; after the last, where a table may really have none
_EXAMPLE = "Write image=file,label=diagnosis."

#: Of each role, what its column may be called: a text as it was written first, then the names in it, if it has several.
Columns: TypeAlias = Mapping[str, tuple[str, ...]]


def parse_columns(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What the column of each role may be called, from texts such as "image=file" or "image=file|img".

    Raises UsageError for what cannot be meant.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        role, equals, column = (word.strip() for word in text.partition("="))
        names = tuple(dict.fromkeys(filter(None, (column, *map(str.strip, column.split(SEVERAL))))))
        if not equals or not names:
            raise UsageError(f"--columns is {text!r}, which names no column.", _EXAMPLE)
        if role not in ROLES:
            raise UsageError(f"--columns says what {role!r} is, and no column is for that.", hint_for(role, ROLES))
        if role in found:
            raise UsageError(
                f"--columns names two columns for {role}: {found[role][0]} and {column}.",
                f'Name one, or where tables differ "{role}={found[role][0]}{SEVERAL}{column}".',
            )
        if names in found.values():
            raise UsageError(f"--columns names {column} for two things.", "A column holds one.")
        found[role] = names
    lacking = [role for role in NEEDED if role not in found]
    if lacking:
        raise UsageError(f"--columns does not say which column is {' nor '.join(lacking)}.", _EXAMPLE)
    return found


def load(
    path: Path,
    columns: Columns,
    table: Path | None = None,
    quarantined: Collection[str] = frozenset(),
    elsewhere: Collection[str] = frozenset(),
) -> LesionTable:
    """Read the images in the folder `path` of which a table says what they show: `table`, or the one that lies there.

    Labels are read as everywhere; an image is known by the name of its file, whatever its suffix, and folders count
    where several files have that name.
    Roles that other data sets know, `elsewhere`, need no column here; notes say which have none.
    Raises DataError naming the row (the header is row 1) or the file that is wrong; rows of images in `quarantined` are
    left out before.
    """
    files = scan(path, without=pictures.stems(quarantined))
    given = tables.read_file(table) if table is not None else _find(path, files, columns, elsewhere)
    given, called, notes = _read(given, columns, elsewhere)
    written = given.frame["image_id"]
    given, named, alike = _identified(given, files, path, quarantined)
    rows, merged = _meaning(_without(given, quarantined), called)
    images = pictures.of_ids(pictures.find(files, named)[0], rows["image_id"])
    pictures.refuse_missing(rows["image_id"], images, files, path, _listed(given.name, rows["image_id"], written))
    rows, alone, lesions_known = with_lesions(rows)
    found = lesion_table(
        rows,
        given.name,
        files,
        path,
        name=path.resolve().name,
        layout=f"the table {Path(given.name).name} with columns named by its owner",
        notes=[*notes, *alike, *merged, *alone],
        left_out=quarantined,
        named=named,
        lesions_known=lesions_known,
    )
    return count_once(replace(found, notes=(*found.notes, *unread_knowledge(files, path, found))))


def known_roles(path: Path, columns: Columns, table: Path | None = None) -> frozenset[str]:
    """The roles that have a column in `table`, or in that table in a folder or zip archive in which most have one.

    There are none where no table has those that are needed.
    """
    if table is not None:
        files = [StoredFile(table, "", 0, None)]
    elif path.is_dir() or path.suffix.lower() == ".zip":
        files = [file for file in scan(path) if is_table(file)]
    else:
        files = []
    roles = [frozenset(chosen(header(file), columns)) for file in files]
    return max((one for one in roles if one.issuperset(NEEDED)), key=len, default=frozenset())


def lacking(roles: Collection[str], columns: Columns, elsewhere: Collection[str] = ()) -> list[str]:
    """The roles that must have a column where only these `roles` have one.

    Those that other data sets know, `elsewhere`, need none, nor do those of which it is said.
    """
    free = {role for role, names in columns.items() if role in elsewhere or _may_lack(names)}.difference(NEEDED)
    return [role for role in columns if role not in roles and role not in free]


def chosen(there: Collection[str], columns: Columns) -> dict[str, str]:
    """Of each role that has one among the columns `there`, in lower case, the first of its names that is there."""
    found = {role: [name for name in names if name.lower() in there] for role, names in columns.items()}
    return {role: names[0] for role, names in found.items() if names}


def _may_lack(names: Sequence[str]) -> bool:
    """Whether it is said that a table may have no column of these names."""
    return names[0].endswith(SEVERAL)


def _find(path: Path, files: Sequence[StoredFile], columns: Columns, elsewhere: Collection[str]) -> GivenTable:
    """That table in a folder which has the columns, or where roles may be known `elsewhere`, most of them."""
    roles = {file: chosen(header(file), columns) for file in files if is_table(file)}
    absent = {file: lacking(mine, columns, elsewhere) for file, mine in roles.items()}
    fitting = [file for file, missing in absent.items() if not missing]
    most = max((len(roles[file]) for file in fitting), default=0)
    fitting = [file for file in fitting if len(roles[file]) == most]
    if len(fitting) != 1:
        names = ", ".join(columns[role][0] for role in lacking((), columns, elsewhere))
        seen = f"{len(fitting)} tables have" if fitting else "no table has"
        looked = f": {first_few([file.name for file in fitting])}" if fitting else ""
        if roles and not any(map(header, roles)):
            file = next(iter(roles))
            tables.read(file.read(), file.name)  # says what it is instead
        if any(map(header, roles)) and not fitting:
            nearest, missing = min(absent.items(), key=lambda one: len(one[1]))
            tables.read(nearest.read(), nearest.name)  # what is wrong with it as a table explains more
            near = " ".join(filter(None, (_meant(role, columns, header(nearest)) for role in missing)))
            told = ", ".join(columns[role][0] for role in missing)
            looked = (
                f": {nearest.name} lacks {told}{f' ({near})' if near else ''}, and has {first_few(header(nearest))}"
            )
        packed = "" if fitting else workbooks(files)
        differ = f', where tables differ both as in "image=file{SEVERAL}img"' if elsewhere else ""
        raise DataError(
            f"In {path} {seen} the columns {names}{looked}.",
            f"{packed}Name the right ones{differ}, or --table FILE.",
        )
    return tables.read(fitting[0].read(), fitting[0].name)


def _meant(role: str, columns: Columns, there: Collection[str]) -> str:
    """A question after those columns `there` that may be meant for a role, and are not named for any; "" if none is."""
    named = {name.lower() for names in columns.values() for name in names}
    unnamed = [column for column in there if column and column not in named]
    return next(filter(None, (did_you_mean(name.lower(), unnamed) for name in columns[role])), "")


def _choose(given: GivenTable, columns: Columns, elsewhere: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """What the column of each role is called in a table; with it notes on what is not read.

    Raises DataError where a role has no column and must, since no other data set knows it or since the name of one is
    nearly right, and UsageError where one column is to hold two things.
    """
    there = given.columns
    found = chosen(there, columns)
    given.require(*(columns[role][0].lower() for role in lacking(found, columns, elsewhere)))
    notes, name = [], Path(given.name).name
    for role, names in columns.items():
        others = [other for other in names if other.lower() in there and other.lower() != found[role].lower()]
        if others:
            notes.append(f"{role} is read from {found[role]} of {name}, not from {' or '.join(others)}")
        if role in found:
            continue
        told = " or ".join(names[1:] or names)
        question = _meant(role, columns, there)
        if question and not _may_lack(names):
            raise DataError(
                f"{given.name} lacks the column {told}, and other data sets have one for {role}. {question}",
                f'Write "{role}={names[0]}{SEVERAL}NAME" to read that one, or, if it is something else, '
                f'"{role}={names[0]}{SEVERAL}".',
            )
        notes.append(f"{role} is not known: {name} has no column {told}{f' ({question})' if question else ''}")
    holding: dict[str, str] = {}
    for role, column in found.items():
        if holding.setdefault(column.lower(), role) != role:
            raise UsageError(
                f"--columns names {column} of {given.name} for two things: {holding[column.lower()]} and {role}.",
                "A column holds one.",
            )
    return found, notes


def _read(
    given: GivenTable, columns: Columns, elsewhere: Collection[str]
) -> tuple[GivenTable, dict[str, str], list[str]]:
    """The cells under the names of `ROLES`, what these were called, and notes on what is not read."""
    lowered = replace(given.lowered(), hint="--columns names columns of the table, whatever their letter case.")
    found, notes = _choose(lowered, columns, elsewhere)
    cells = lowered.frame[[column.lower() for column in found.values()]]
    called = {ROLES[role]: column for role, column in found.items()}
    return lowered.having(cells.set_axis(list(called), axis=1)), called, notes


def _identified(
    table: GivenTable, files: Sequence[StoredFile], path: Path, quarantined: Collection[str]
) -> tuple[GivenTable, pictures.Named, list[str]]:
    """The table with ids of images, lesions and patients, those ids that are made of folders, by file, and notes."""
    images, named = resolved(table, files, path, quarantined)
    changed, notes = table.frame.assign(image_id=images), []
    for what, column in (("lesion", "lesion_id"), ("patient", PATIENT)):
        if column in changed:
            made = {name: _numbered(name) for name in changed[column].unique()}
            changed[column] = changed[column].map(made)
            notes += ids.read_as_one(what, made)
    return table.having(changed), named, notes


def _listed(name: str, ids: pd.Series[str], written: pd.Series[str]) -> pictures.Listed:
    """Where images are named, by their ids and what was written for them in the rows of the table called `name`."""
    rows = dict(zip(reversed(ids.tolist()), reversed(ids.index.tolist()), strict=True))
    texts = written.to_dict()
    return pictures.Listed(name, rows, {id_: texts[row] for id_, row in rows.items()})


def _says_nothing(name: str, cells: pd.Series[str], images: pd.Series[str], row: int) -> str:
    of = f" of {images.iloc[row]}" if images is not cells else ""
    return f"{name}{of} is {cells.iloc[row]!r}, which says nothing" if cells.iloc[row] else f"{name}{of} is empty"


def _numbered(name: str) -> str:
    """The id of a lesion or patient; what holds no digit may be a word for one that nobody knows, and stays."""
    return ids.named(name) if any(map(str.isdigit, name)) else visible(name)


def _without(table: GivenTable, quarantined: Collection[str]) -> GivenTable:
    """The rows of images that are not in quarantine."""
    require_known(quarantined, table.frame["image_id"], table.name)
    kept = table.having(table.frame[~table.frame["image_id"].isin(quarantined)])
    if kept.frame.empty:
        if table.frame.empty:
            raise DataError(f"{table.name} holds no row of an image.", "Give a row for each image.")
        raise nothing_left(table.name)
    return kept


def _meaning(table: GivenTable, called: Mapping[str, str]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows with labels, lesions and parts as they are known here, each once; with it, what was read as one.

    Raises DataError for a row that lacks what each must have; `called` is what the columns are called in the file.
    """
    images = table.frame["image_id"]
    for column in ("image_id", "dx", "part"):
        if column in called:
            cells = images if column == "image_id" else table.frame[column]
            table.refuse(
                cells.map(is_missing),
                partial(_says_nothing, called[column], cells, images),
                f"Give every row its {called[column]}.",
            )
    labels, merged = labelled(table)
    changes = {"dx": labels}
    if "sex" in table.frame:
        changes["sex"] = table.frame["sex"].map(sex_name)
    if "part" in table.frame:
        parts = changes["part"] = table.frame["part"].map(part_name)
        what = "is none of the parts"
        table.refuse(~parts.isin(PARTS), lambda row: f"{parts.iloc[row]!r} {what}", f"Parts are: {', '.join(PARTS)}.")
    rows = table.frame.assign(**changes)
    again = rows.duplicated()
    notes = (f"rows that repeat another one: {again.sum()}",) if again.any() else ()
    return rows[~again], (*merged, *notes)
