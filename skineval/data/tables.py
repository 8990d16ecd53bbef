"""Small tables as people have them: CSV files of any usual separator and encoding, as text with their row numbers.

Predictions, ground truth, metadata, splits, pairs and quarantine are all read here, so that what holds for one of them
holds for all. What is no such table is named as what it is.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.data.findings import Fault, FaultyRow, refuse
from skineval.data.spellings import IMAGE_COLUMNS, first_column, image_id

if TYPE_CHECKING:
    import pandas as pd

ROW = "row"  #: name of the index of a table that was read: the number of each row in its file (the header is 1)
SEPARATORS = (",", ";", "\t", "|")  #: of equally good ones, the first
MISSING = ("", "na", "n/a", "nan", "none", "null", "<na>", "nat")  #: cells that say nothing, in lower case
_YES, _NO = ("yes", "y", "true", "1", "1.0"), ("no", "n", "false", "0", "0.0")
SAVE = 'Save it as CSV, in Excel as "CSV UTF-8".'

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What else is taken for a table, by its first bytes.
_OTHERS = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"PAR1", "a Parquet file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x80", "a Python pickle or another binary file"),
    (b"<", "a web page or another XML file"),
    (b"{", "JSON"),
    (b"[", "JSON"),
)
_UNNAMED = re.compile(r"(unnamed: \d+)?", re.IGNORECASE)  # as pandas writes and reads the index of a frame
_WHOLE = re.compile(r"(-?\d+)?")
_DECLARED = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)  # the first line of some exports, which Excel obeys
_START = 1 << 16  # characters in which the header is looked for


def read(content: bytes, name: str, hint: str = SAVE, pad: bool = False) -> pd.DataFrame:
    """All cells of a table as text without blanks around it, under the names of its columns as they are written.

    The index, called `ROW`, holds row numbers. Empty rows, empty columns without a name, and a column without a name
    that only counts rows are left out. `name` is what to call the file, and `hint` what to do if it is no table. With
    `pad`, rows may end before their last columns, as in a list that a person keeps.

    Raises DataError for what is no table: another kind of file, bytes that are no text, rows without the fields of the
    header, two columns of one name whatever the letter case, a column of values without a name.
    """
    frame, ragged = parse(content, name, hint, pad)
    refuse([ragged], name)
    return frame


def read_file(path: Path, hint: str = SAVE, pad: bool = False) -> pd.DataFrame:
    """`read` the table at `path`. Raises DataError also where there is no such file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    return read(content, str(path), hint, pad)


def parse(content: bytes, name: str, hint: str = SAVE, pad: bool = False) -> tuple[pd.DataFrame, Fault]:
    """As `read`: the rows that have as many fields as the header, and those that have not.

    The standard library reads it, not pandas: it knows row numbers, and takes neither "NA" nor a surplus field for
    something else.
    """
    import pandas as pd

    text = _decode(content, name, hint)
    declared = _DECLARED.match(text)
    separator = declared[1] if declared else _separator(text)
    # A blank between a quote and the separator is no part of the cell.
    text = re.sub(rf'" +(?={re.escape(separator)}|[\r\n])', '"', text)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
        cells = [(number, [cell.strip() for cell in row]) for number, row in enumerate(lines, start=1)]
    except csv.Error as error:
        raise DataError(f"{name} is not a CSV file: {error}.", hint) from error
    numbered = [(number, row) for number, row in cells[1 if declared else 0 :] if any(row)]
    if not numbered:
        raise DataError(f"{name} is empty.", hint)
    columns = _without_end(numbered[0][1], 0)
    rows = [(number, _without_end(row, len(columns))) for number, row in numbered[1:]]
    _require_header(columns, numbered[0][0], [len(row) for _, row in rows], name)
    if pad:
        rows = [(number, row + [""] * (len(columns) - len(row))) for number, row in rows]
    ragged = Fault(
        "ragged-row",
        f"not the {len(columns)} fields of the header",
        f"rows do not have the {len(columns)} fields of the header",
        "Put quotes around text that holds the separator; numbers with a decimal comma need another separator, such as "
        "the semicolon.",
        tuple(FaultyRow(number, f"has {len(row)}") for number, row in rows if len(row) != len(columns)),
    )
    whole = {number: row for number, row in rows if len(row) == len(columns)}
    index = pd.Index(list(whole), name=ROW, dtype="int64")
    frame = pd.DataFrame(list(whole.values()), index=index, columns=columns, dtype="str")
    return frame.iloc[:, _named(columns, whole, name)], ragged


def _require_header(columns: Sequence[str], number: int, lengths: Collection[int], name: str) -> None:
    """Raise DataError where every row has as many fields as the others, and all of them more than the header."""
    if len(lengths) > 1 and min(lengths) == max(lengths) > len(columns):
        named = f"names {len(columns)} column{'s' * (len(columns) != 1)}"
        raise DataError(
            f"{name}: row {number} {named}, and each row below has {max(lengths)} fields.",
            "Begin with the names of all columns, without a title above; numbers with a decimal comma need another "
            "separator than the comma, such as the semicolon.",
        )


def columns_of(start: bytes) -> tuple[str, ...]:
    """The names of the columns in the first bytes of a table, in lower case, as far as they go; () of what is none."""
    text = start.decode(_encoding(start), "replace").strip()
    fields = next(csv.reader(text.splitlines()[:1], delimiter=_separator(text), skipinitialspace=True), [])
    return tuple(field.strip().lower() for field in fields)


def require(frame: pd.DataFrame, columns: Sequence[str], name: str, hint: str) -> None:
    """Raise DataError where the table called `name` lacks one of `columns`."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise _lacking(frame, missing, name, hint)


def names(frame: pd.DataFrame) -> list[str]:
    """What the columns are called."""
    return [str(column) for column in frame.columns]


def numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """(n,) what the cells say, with a decimal point or a decimal comma; NaN for what is no number."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column):
        column = column.astype("str").str.replace(",", ".", regex=False)
    values: NDArray[np.float64] = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def row_numbers(frame: pd.DataFrame) -> Sequence[int]:
    """The number in its file of each row; of a frame that was not read by this module, as if it was written to one."""
    return frame.index.tolist() if frame.index.name == ROW else range(2, len(frame) + 2)


def refuse_rows(
    frame: pd.DataFrame, bad: NDArray[np.bool_], name: str, describe: Callable[[int], str], hint: str
) -> None:
    """Raise DataError for the first row where `bad` (n,) is True; `describe` says what is wrong at a position."""
    if bad.any():
        place = int(bad.argmax())
        more = f" ({bad.sum() - 1} more rows like it)" if bad.sum() > 1 else ""
        raise DataError(f"{name}, row {row_numbers(frame)[place]}: {describe(place)}{more}", hint)


def first_rows(frame: pd.DataFrame, keys: Sequence[Hashable]) -> list[int]:
    """The number of the first row that has the key of each row; `keys` are (n,)."""
    seen: dict[Hashable, int] = {}
    return [seen.setdefault(key, number) for key, number in zip(keys, row_numbers(frame), strict=True)]


def identified(frame: pd.DataFrame, name: str, hint: str) -> pd.DataFrame:
    """The table with the ids of its images, as they are read, in the column image_id, whatever that was called.

    Raises DataError where no column is called like one of images, and for rows that name none.
    """
    column = first_column(names(frame), IMAGE_COLUMNS)
    if column is None:
        raise _lacking(frame, ("image_id",), name, hint)
    ids = frame[column].map(lambda cell: "" if is_missing(cell) else image_id(str(cell)))
    refuse_rows(frame, (ids == "").to_numpy(), name, lambda row: f"{column} is empty", f"Give every row its {column}.")
    return frame.rename(columns={column: "image_id"}).assign(image_id=ids)


def refuse_repeats(frame: pd.DataFrame, keys: Sequence[Hashable], name: str, hint: str, where: str = "") -> None:
    """Raise DataError for the first row whose key (n,) another row had before it; `frame` has the column image_id."""
    firsts, ids = first_rows(frame, keys), frame["image_id"].tolist()
    repeated = np.array(firsts, dtype=np.int64) != np.array(row_numbers(frame), dtype=np.int64)
    refuse_rows(
        frame,
        repeated,
        name,
        lambda row: f"{str(ids[row])[:80]} is there a second time{where}, after row {firsts[row]}",
        hint,
    )


def refuse_denials(frame: pd.DataFrame, name: str, known: Collection[str] = ()) -> None:
    """Raise DataError for the first row of a list that says no in a column of yes and no besides the `known` ones."""
    for column in set(names(frame)) - set(known):
        cells = frame[column].astype("str").str.lower()
        if cells.isin((*_YES, *_NO)).all():
            what = f"{column} says no, and every row of the list counts"
            hint = "Remove the rows that are not meant, or the column."
            refuse_rows(frame, cells.isin(_NO).to_numpy(), name, lambda _, what=what: what, hint)  # type: ignore[misc]


def is_missing(cell: object) -> bool:
    """Whether a cell says nothing: it is empty, or what programs write where they know nothing."""
    return cell is None or cell != cell or str(cell).strip().lower() in MISSING


def _lacking(frame: pd.DataFrame, missing: Sequence[str], name: str, hint: str) -> DataError:
    has = ", ".join(names(frame))
    return DataError(f"{name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)} (it has {has}).", hint)


def _encoding(content: bytes) -> str:
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return encoding
    # Without a mark: every second byte of Latin text in UTF-16 is zero.
    start = content[:256]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if start[first::2].count(0) > len(start) // 4:
            return encoding
    return "utf-8"


def _decode(content: bytes, name: str, hint: str) -> str:
    encoding = _encoding(content)
    for magic, what in _OTHERS:
        if encoding == "utf-8" and content.lstrip().startswith(magic):
            raise DataError(f"{name} is not a CSV file: it is {what}.", hint)
    try:
        return content.decode(encoding).lstrip("\ufeff")  # some programs write the mark twice
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        what = f"row {row} holds the byte 0x{content[error.start]:02X}, which is not {encoding.upper()}"
        raise DataError(f"{name} is not a CSV file in UTF-8 or UTF-16: {what}.", SAVE) from error


def _separator(text: str) -> str:
    """The separator by which the first line that is not empty has most fields."""
    line = next((line for line in text[:_START].splitlines() if line.strip()), "")
    return max(SEPARATORS, key=lambda one: len(next(csv.reader([line], delimiter=one, skipinitialspace=True))))


def _without_end(row: list[str], least: int) -> list[str]:
    """A row without the empty cells at its end, of which spreadsheets write as many as they like."""
    length = len(row)
    while length > least and not row[length - 1]:
        length -= 1
    return row[:length]


def _named(columns: Sequence[str], rows: Mapping[int, Sequence[str]], name: str) -> list[int]:
    """The places of the columns that have a name; those without one must hold nothing, or count rows."""
    named = [place for place, column in enumerate(columns) if not _UNNAMED.fullmatch(column)]
    for place in set(range(len(columns))) - set(named):
        for number, row in rows.items():
            if not _WHOLE.fullmatch(row[place]):
                raise DataError(
                    f"{name}: column {place + 1} has no name, and {row[place][:40]!r} in row {number}.",
                    "Write the name of the column into the first row.",
                )
    lower = [columns[place].lower() for place in named]
    if len(set(lower)) < len(lower):
        raise DataError(f"{name} has two columns of one name: {', '.join(columns)}.", "Remove one of them.")
    return named
