"""Tables of what is known of each image: the metadata of HAM10000 and its relatives, read, checked and cleaned."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skineval.data.lesions import COLUMNS, DIAGNOSES, DIAGNOSIS_NAMES, make_groups
from skineval.data.stored import StoredFile
from skineval.errors import DataError, some

if TYPE_CHECKING:
    import pandas as pd

METADATA = "ham10000_metadata"  #: name of the metadata file, without suffix, in lower case
TABLES = (".csv", ".tab", ".tsv", "")  #: suffixes of metadata files; the best first
REQUIRED = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
IDENTIFIER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
HEADER = 4096  #: bytes in which the column names of a table are looked for
MAX_AGE = 120
#: The note on images of which nobody says whether they show one lesion.
LESIONS_UNKNOWN = (
    "images without a lesion id count as one lesion each, so images of one lesion may be parted by any split"
)

_UNKNOWN = ("", "na", "nan", "none", "null", "unknown")


@dataclass(frozen=True, eq=False)
class Metadata:
    """What a table said of each image, checked and cleaned."""

    frame: pd.DataFrame  #: that of a lesion table, sorted by image_id
    zero_ages: frozenset[str] = frozenset()  #: images whose age was written as 0, which is taken as unknown
    notes: tuple[str, ...] = ()  #: on what was changed


def is_table(file: StoredFile) -> bool:
    """Whether a file is called like a table."""
    return file.inner.suffix.lower() in TABLES[:-1]


def is_metadata(file: StoredFile) -> bool:
    """Whether a file is a table with the columns of the metadata."""
    return is_table(file) and set(REQUIRED) <= set(header(file))


def is_named_metadata(file: StoredFile) -> bool:
    """Whether a file bears the name under which HAM10000 publishes its metadata."""
    return file.inner.stem.lower() == METADATA and file.inner.suffix.lower() in TABLES


def header(file: StoredFile) -> tuple[str, ...]:
    """The column names in the first line of a table, in lower case, as far as they lie in its first `HEADER` bytes."""
    try:
        if file.member:
            start = file.read()[:HEADER]
        else:
            with file.path.open("rb") as opened:
                start = opened.read(HEADER)
    except (OSError, DataError):
        return ()  # whoever needs the file says so
    lines = start.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace").splitlines()
    return tuple(_names(lines[0].split(_delimiter(lines[0])))) if lines else ()


def find_metadata(path: Path, files: Sequence[StoredFile]) -> StoredFile:
    """The metadata file: by its name, or the only table that has the columns."""
    named = [file for file in files if is_named_metadata(file)]
    if named:
        return min(named, key=lambda file: TABLES.index(file.inner.suffix.lower()))
    tables = [file for file in files if is_table(file)]
    fitting = [file for file in tables if is_metadata(file)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DataError(
            f"{path} holds several files that could be the metadata: {some([file.name for file in fitting])}.",
            "Name the right one HAM10000_metadata.csv.",
        )
    seen = [file.name for file in tables]
    raise DataError(
        f"No metadata in {path}: neither HAM10000_metadata (.csv, .tab) nor another .csv, .tab or .tsv file with the "
        f"columns {', '.join(REQUIRED)}" + (f" (looked into {some(seen)})." if seen else "."),
        "Give the folder that holds HAM10000_metadata.csv and the images, zipped or not.",
    )


def read_metadata(file: StoredFile) -> Metadata:
    """What the metadata file says. Raises DataError naming the row (the header is row 1) that cannot be meant."""
    return clean(read_table(file), file.name)


def _names(fields: Iterable[str]) -> list[str]:
    return [field.strip().strip('"').lower() for field in fields]


def _delimiter(line: str) -> str:
    return "\t" if "\t" in line else ","


def read_table(file: StoredFile, required: Sequence[str] = REQUIRED) -> pd.DataFrame:
    """All cells as text, under lower-case column names, with the row number in the file as index (the header is 1).

    The standard library reads it, not pandas: it knows row numbers, and takes neither "NA" nor a surplus field for
    something else. Raises DataError for what is no table, or one without the columns `required`.
    """
    import pandas as pd

    content = file.read()
    try:
        text = content.decode("utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text.partition("\n")[0]), strict=True)
        numbered = [(number, row) for number, row in enumerate(rows, start=1) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file.name} is not a CSV file: {error}.", "Download it again, or save it as CSV.") from error
    if not numbered:
        raise DataError(f"{file.name} is empty.", "Download it again.")
    columns = _names(numbered[0][1])
    missing = [column for column in required if column not in columns]
    if missing:
        raise DataError(
            f"{file.name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)} (it has {some(columns)}).",
            f"It needs: {', '.join(required)}.",
        )
    if len(set(columns)) < len(columns):
        raise DataError(f"{file.name} has two columns of one name: {', '.join(columns)}.", "Remove one of them.")
    if len(numbered) == 1:
        raise DataError(f"{file.name} has a header and no rows.", "Download it again.")
    ragged = [f"row {number} has {len(row)}" for number, row in numbered[1:] if len(row) != len(columns)]
    if ragged:
        raise DataError(
            f"{file.name}: {len(ragged)} rows do not have the {len(columns)} fields of the header: {some(ragged)}.",
            "Download it again, or put quotes around text that holds the delimiter.",
        )
    return pd.DataFrame([row for _, row in numbered[1:]], columns=columns, index=[n for n, _ in numbered[1:]])


def clean(raw: pd.DataFrame, name: str) -> Metadata:
    """What the cells of a table mean, as they were written in the columns `REQUIRED` and perhaps `dataset`.

    `raw` has the row numbers in the file as index, and `name` is what to call the file. Raises DataError naming the
    rows that cannot be meant.
    """
    frame = raw.assign(dx=raw["dx"].str.strip().str.lower(), age=raw["age"].str.strip())
    for check in (check_identifiers, check_repeats, _check_diagnoses, _check_lesions, _check_ages):
        check(frame, name)
    age = frame["age"].map(_age).astype(np.float64)
    # "age 0: probably missing" (the data set's own description knows no newborns)
    zero = age == 0
    frame = frame.assign(age=age.mask(zero), group=make_groups(frame["image_id"].tolist(), frame["lesion_id"].tolist()))
    for column in ("dx_type", "sex", "localization", "dataset"):
        given = frame[column].str.strip() if column in frame else ""
        frame[column] = given
        frame.loc[frame[column].str.lower().isin(_UNKNOWN), column] = "unknown"
    zeros = frozenset(frame["image_id"][zero])
    notes = (f"{len(zeros)} ages of 0 taken as unknown",) if zeros else ()
    return Metadata(frame[list(COLUMNS)].sort_values("image_id").reset_index(drop=True), zeros, notes)


def bare_frame(image_ids: Sequence[str], diagnoses: Sequence[str]) -> pd.DataFrame:
    """The frame of images of which only the diagnosis is known, sorted by image_id: each counts as its own lesion."""
    import pandas as pd

    known = {"image_id": image_ids, "lesion_id": image_ids, "dx": diagnoses, "age": float("nan")}
    frame = pd.DataFrame(known).assign(group=make_groups(image_ids, image_ids))
    for column in COLUMNS:
        if column not in frame:
            frame[column] = "unknown"
    return frame[list(COLUMNS)].sort_values("image_id").reset_index(drop=True)


def _age(text: str) -> float:
    """Years; NaN where unknown. Raises ValueError for what is no age."""
    if text.lower() in _UNKNOWN:
        return float("nan")
    age = float(text)
    if not 0 <= age <= MAX_AGE:
        raise ValueError
    return age


def check_identifiers(frame: pd.DataFrame, name: str) -> None:
    """Raises DataError where an image_id or lesion_id does not obey `IDENTIFIER`."""
    # Ids become file names and cells of reports: nothing that leads out of a folder or only looks like a letter.
    for column in ("image_id", "lesion_id"):
        bad = [(row, id_) for row, id_ in frame[column].items() if not IDENTIFIER.fullmatch(id_)]
        _refuse(
            name,
            f"rows with an unusable {column}",
            [f"row {row} {_short(id_)}" for row, id_ in bad],
            "Ids hold up to 64 of the characters A-Z a-z 0-9 _ . - and do not begin with a dot.",
        )


def check_repeats(frame: pd.DataFrame, name: str) -> None:
    """Raises DataError where rows have one image_id."""
    repeated = frame["image_id"][frame["image_id"].duplicated()]
    _refuse(
        name,
        "rows repeat an image_id",
        [f"row {row} {id_}" for row, id_ in repeated.items()],
        "Each image has one row: remove the others.",
    )


def _check_diagnoses(frame: pd.DataFrame, name: str) -> None:
    unknown = frame["dx"][~frame["dx"].isin(DIAGNOSES)]
    _refuse(
        name,
        "rows with an unknown dx",
        [f"row {row} {_short(dx)}{_guess(dx)}" for row, dx in unknown.items()],
        f"Diagnoses are: {', '.join(DIAGNOSES)}.",
    )


def _check_lesions(frame: pd.DataFrame, name: str) -> None:
    n_diagnoses = frame.groupby("lesion_id")["dx"].nunique()
    contradictory = frame[frame["lesion_id"].isin(n_diagnoses.index[n_diagnoses > 1])]
    examples = [
        f"{lesion} is " + " and ".join(f"{rows['dx'][row]} (row {row})" for row in rows.drop_duplicates("dx").index)
        for lesion, rows in contradictory.groupby("lesion_id")
    ]
    _refuse(name, "lesions have several diagnoses", examples, "All images of a lesion have its dx.")


def _check_ages(frame: pd.DataFrame, name: str) -> None:
    bad = [f"row {row} {_short(age)}" for row, age in frame["age"].items() if not _is_age(age)]
    _refuse(name, "rows with an unusable age", bad, f"Ages are years from 0 to {MAX_AGE}, or empty.")


def _is_age(text: str) -> bool:
    try:
        _age(text)
    except ValueError:
        return False
    return True


def _refuse(name: str, what: str, examples: Sequence[str], hint: str) -> None:
    if examples:
        raise DataError(f"{name}: {len(examples)} {what}: {some(examples)}.", hint)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _guess(dx: str) -> str:
    """The diagnosis that a misspelt or written-out one may mean."""
    codes = dict(zip(DIAGNOSES, DIAGNOSES, strict=True)) | {name: dx for dx, name in DIAGNOSIS_NAMES.items()}
    close = difflib.get_close_matches(dx, codes, n=1)
    return f" (did you mean {codes[close[0]]}?)" if close else ""
