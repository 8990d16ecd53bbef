"""Small tables as people have them: CSV files of any usual separator and encoding, as text with their row numbers.

Predictions, ground truth, metadata, splits, pairs and quarantine are all read here, so that what holds for one of them
holds for all. What is no such table is named as what it is.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skineval.base.errors import DataError, first_few, plural
from skineval.data.cells import is_missing, numbers
from skineval.data.findings import Fault, FaultyRow, refuse
from skineval.data.spellings import IMAGE_COLUMNS, bare, first_column, identifier, image_id

if TYPE_CHECKING:
    import pandas as pd

ROW = "row"  #: name of the index of a table that was read: the number of each row in its file (the header is 1)
SEPARATORS = (",", ";", "\t", "|")  #: of equally good ones, the first
_YES, _NO = ("yes", "y", "true", "1", "1.0"), ("no", "n", "false", "0", "0.0")
_DENIALS = (
    "no",
    "n",
    "false",
    "not",
    "nein",
    "falsch",
    "non",
    "faux",
    "nee",
    "nej",
    "n\u00e3o",
)  #: whatever else is said
_MARKS = ("x", "+", "*", "\u2713", "\u2714")  #: of what is meant, beside cells that are left empty
SAVE = 'Save it as CSV, in Excel as "CSV UTF-8".'
_SEPARATED = (
    "Put quotes around text that holds the separator; numbers with a decimal comma need another separator, such as the "
    "semicolon."
)

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What else is taken for a table, by its first bytes, and what to do about it where saving it as CSV is not all.
_OTHERS = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive", f"{SAVE} Unpack an archive."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", ""),
    (b"\x1f\x8b", "compressed by gzip", "Unpack it, as gunzip does."),
    (b"PAR1", "a Parquet file", "Save it as CSV."),
    (b"\x93NUMPY", "a NumPy array", "Save it as CSV, with the id of its image in front of each row."),
    (b"\x80", "a Python pickle or another binary file", "Save it as CSV."),
    (b"<", "a web page or another XML file", "Download the file itself: what was saved is the page that shows it."),
    (b"version https://git-lfs", "a pointer that Git LFS left in place of the file", "Fetch the file: git lfs pull."),
    (b"{", "JSON", "Save it as CSV."),
    (b"[", "JSON", "Save it as CSV."),
)
_UNNAMED = re.compile(r"(unnamed: \d+(\.\d+)*)?", re.IGNORECASE)  # as pandas writes and reads the index of a frame
_WHOLE = re.compile(r"(-?\d+)?")
_DECLARED = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)  # the first line of some exports, which Excel obeys
_MAGIC = 256  # bytes by which other kinds of files are known
_COLUMNS_TOLD = 20  # of those that a table has, in a message
_START = 1 << 16  # characters in which the header is looked for


@dataclass(frozen=True, eq=False)
class GivenTable:
    """A table that somebody gave, with what an error says of it.

    All that is refused names the row in the file; of a frame that was not read here, as if it was written to one.
    """

    frame: pd.DataFrame  #: indexed by `ROW` where it was read here
    name: str  #: what to call it
    hint: str = ""  #: what it should be, for whoever gave another one

    @property
    def columns(self) -> list[str]:
        """What the columns are called."""
        return [str(column) for column in self.frame.columns]

    @property
    def rows(self) -> Sequence[int]:
        """The number in its file of each row, (n,)."""
        return self.frame.index.tolist() if self.frame.index.name == ROW else range(2, len(self.frame) + 2)

    def having(self, frame: pd.DataFrame) -> GivenTable:
        """The same table with the cells of `frame`, which has rows of this one."""
        return replace(self, frame=frame)

    def lowered(self) -> GivenTable:
        """The same table with the names of its columns in small letters."""
        return self.having(self.frame.rename(columns=str.lower))

    def numbers(self, column: str) -> NDArray[np.float64]:
        """(n,) what the cells of a column say; see the function of that name."""
        return numbers(self.frame[column])

    def identified(self) -> GivenTable:
        """The table with the ids of its images, as they are read, in the column image_id, whatever that was called.

        Raises DataError where no column is called like one of images, and for rows that name none.
        """
        column = first_column(self.columns, IMAGE_COLUMNS)
        if column is None:
            lacking = self._lacking(["image_id"])
            raise DataError(lacking.message, f"Call the column that names images so. {lacking.hint}")
        ids = self.frame[column].map(lambda cell: "" if is_missing(cell) else identifier(image_id(str(cell))))
        self.refuse(ids == "", f"{column} is empty", f"Give every row its {column}.")
        return self.having(self.frame.rename(columns={column: "image_id"}).assign(image_id=ids))

    def require(self, *columns: str) -> None:
        """Raise DataError where one of `columns` is not there."""
        missing = [column for column in columns if column not in self.frame]
        if missing:
            raise self._lacking(missing)

    def refuse(self, bad: ArrayLike, what: str | Callable[[int], str], hint: str) -> None:
        """Raise DataError for the first row where `bad` (n,) is True; `what` is wrong there, or says it."""
        wrong = np.asarray(bad, dtype=np.bool_)
        if wrong.any():
            place = int(wrong.argmax())
            more = f" ({plural(int(wrong.sum()) - 1, 'more row')} like it)" if wrong.sum() > 1 else ""
            said = what if isinstance(what, str) else what(place)
            ids = self.frame["image_id"][wrong] if "image_id" in self.frame else ()
            raise DataError(f"{self.name}, row {self.rows[place]}: {said}{more}", hint, filter(None, ids))

    def refuse_repeats(self, keys: Sequence[Hashable], hint: str, where: str = "") -> None:
        """Raise DataError for the first row whose key (n,) another row had before it; there are ids of images."""
        firsts, ids = self.first_rows(keys), self.frame["image_id"].tolist()
        self.refuse(
            np.array(firsts, dtype=np.int64) != np.array(self.rows, dtype=np.int64),
            lambda row: f"{str(ids[row])[:80]} is there a second time{where}, after row {firsts[row]}",
            hint,
        )

    def refuse_denials(self, known: Collection[str] = ()) -> None:
        """Raise DataError for the first row that says no in a column besides ids and the `known` ones.

        It does by a word for no, by 0 where all rows say 0 or 1, and by nothing where others are only marked.
        """
        for column in [name for name in self.columns if name not in ("image_id", *known)]:
            cells = self.frame[column].astype("str").str.lower()
            denied = cells.isin(_DENIALS)
            if cells.isin((*_YES, *_NO)).all():
                denied = cells.isin(_NO)
            elif cells.isin(("", *_MARKS)).all() and cells.isin(_MARKS).any():
                denied = cells == ""
            what = (
                f"{column} says {'nothing' if (cells[denied] == '').any() else 'no'}, and every row of the list counts"
            )
            self.refuse(denied, what, "Remove the rows that are not meant, or the column.")

    def first_rows(self, keys: Sequence[Hashable]) -> list[int]:
        """The number of the first row that has the key of each row; `keys` are (n,)."""
        seen: dict[Hashable, int] = {}
        return [seen.setdefault(key, number) for key, number in zip(keys, self.rows, strict=True)]

    def _lacking(self, missing: Sequence[str]) -> DataError:
        what = f"the column{'s' * (len(missing) > 1)} {', '.join(missing)}"
        has = first_few([column[:80] for column in self.columns], _COLUMNS_TOLD)
        return DataError(f"{self.name} lacks {what} (it has {has}).", self.hint)


def read(content: bytes, name: str, hint: str = SAVE, pad: bool = False) -> GivenTable:
    """All cells of a table as text without blanks around it, under the names of its columns as they are written.

    Empty rows, empty columns without a name, and a column without a name that only counts rows are left out. `name` is
    what to call the file, and `hint` what to do if it is no table. With `pad`, rows may end before their last columns,
    as in a list that a person keeps.

    Raises DataError for what is no table: another kind of file, bytes that are no text, rows without the fields of the
    header, two columns of one name whatever the letter case, a column of values without a name.
    """
    table, ragged = parse(content, name, hint, pad)
    refuse([ragged], name)
    return table


def read_file(path: Path, hint: str = SAVE, pad: bool = False) -> GivenTable:
    """`read` the table at `path`. Raises DataError also where there is no such file."""
    return read(_content(path), str(path), hint, pad)


def open_text(path: Path, hint: str = SAVE) -> tuple[str, str]:
    """`text_of` the file at `path`. Raises DataError also where there is no such file."""
    return text_of(_content(path), str(path), hint)


def text_of(content: bytes, name: str, hint: str = SAVE) -> tuple[str, str]:
    """The text of a table that is too large to be read as text cell by cell, and its separator.

    Raises DataError for what is no text.
    """
    text = _decode(content, name, hint)
    declared = _DECLARED.match(text)
    return text[declared.end() :] if declared else text, declared[1] if declared else _separator(text)


def lines(path: Path) -> list[str]:
    """The lines of a text file, without blanks around them and without empty ones."""
    return [line.strip() for line in _decode(_content(path), str(path), SAVE).splitlines() if line.strip()]


def parse(content: bytes, name: str, hint: str = SAVE, pad: bool = False) -> tuple[GivenTable, Fault]:
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
    clean = str.strip if text.isascii() else bare  # which is that of such text, and is called for every cell
    cells: list[tuple[int, list[str]]] = []
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
        cells.extend((number, list(map(clean, row))) for number, row in enumerate(lines, start=1))
    except csv.Error as error:
        # A quote without its other one takes in the rows below it: what is wrong is where it begins.
        where = f"row {len(cells) + 1}, where a quote may lack its other one, or stand within a cell"
        raise DataError(f"{name} is not a CSV file: {error}, from {where}.", f"Correct the row. {hint}") from error
    numbered = [(number, row) for number, row in cells[1 if declared else 0 :] if any(row)]
    if not numbered:
        raise DataError(f"{name} is empty.", hint)
    columns = _without_end(_uncommented(numbered[0][1]), 0)
    _refuse_swallowed(numbered, separator, len(columns), name)
    _refuse_blanks([row for _, row in numbered], name)
    rows = [(number, _without_end(row, len(columns))) for number, row in numbered[1:]]
    lengths = [len(row) for _, row in rows] if len(columns) > 1 else _lengths_below(text)
    _require_header(columns, numbered[0][0], lengths, name)
    if pad:
        rows = [(number, row + [""] * (len(columns) - len(row))) for number, row in rows]
    fields = f"the {len(columns)} fields of the header"
    unequal = [(number, len(row)) for number, row in rows if len(row) != len(columns)]
    is_cut = len(unequal) == 1 and unequal[0][0] == rows[-1][0] and unequal[0][1] < len(columns)
    ragged = Fault(
        "ragged-row",
        f"not {fields}",
        (f"row does not have {fields}", f"rows do not have {fields}"),
        "The file may end too early: fetch it again." if is_cut else _SEPARATED,
        tuple(FaultyRow(number, f"has {many}") for number, many in unequal),
    )
    whole = {number: row for number, row in rows if len(row) == len(columns)}
    index = pd.Index(list(whole), name=ROW, dtype="int64")
    frame = pd.DataFrame(list(whole.values()), index=index, columns=columns, dtype="str")
    return GivenTable(frame.iloc[:, _named(columns, whole, name)], name, hint), ragged


def _refuse_swallowed(rows: Iterable[tuple[int, list[str]]], separator: str, fields: int, name: str) -> None:
    """Raise DataError for a cell in which lines with all `fields` of a row lie, as between two stray quotes."""
    for number, row in rows:
        if fields == 1 or "".join(row).isprintable():  # which no end of a line is
            continue
        for cell in row:
            inner = [line for line in cell.splitlines()[1:] if line.count(separator) == fields - 1]
            if inner:
                raise DataError(
                    f"{name}: a cell of row {number} holds {plural(len(inner), 'line')} that look like rows of the "
                    f"table, such as {inner[0][:40]!r}.",
                    f"Remove the quote that has no other one in row {number}, and that in the last of these lines.",
                )


def _refuse_blanks(rows: Sequence[Sequence[str]], name: str) -> None:
    """Raise DataError for rows of one cell that all have as many words as the header, three or more."""
    words = {len(row[0].split()) if len(row) == 1 else 0 for row in rows}
    if len(words) == 1 and max(words) > 2:
        raise DataError(f"{name} has blanks between its {max(words)} columns.", "Write a comma between them.")


def _lengths_below(text: str) -> list[int]:
    """How many fields the lines have below the first one that is not empty, by the separator of the next."""
    lines = [line for line in text.splitlines() if line.strip()][1:]
    return [len(row) for row in csv.reader(lines, delimiter=_separator("\n".join(lines[:1])), skipinitialspace=True)]


def _require_header(columns: Sequence[str], number: int, lengths: Collection[int], name: str) -> None:
    """Raise DataError where every row has as many fields as the others, and all of them more than the header."""
    if len(lengths) > 1 and min(lengths) == max(lengths) > len(columns):
        named = f"names {plural(len(columns), 'column')}"
        raise DataError(
            f"{name}: row {number} {named}, and each row below has {max(lengths)} fields.",
            "Begin with the names of all columns, without a title above; numbers with a decimal comma need another "
            "separator than the comma, such as the semicolon.",
        )


def kind_of(start: bytes) -> str:
    """What else is taken for a table, by its first bytes; "" of what may be one."""
    return _other(start)[0]


def _other(start: bytes) -> tuple[str, str]:
    """`kind_of`, and what to do about it; two empty texts for what may be a table."""
    begin = start[:_MAGIC].removeprefix(codecs.BOM_UTF8).lstrip()
    return next(((what, advice) for magic, what, advice in _OTHERS if begin.startswith(magic)), ("", ""))


def columns_of(start: bytes) -> tuple[str, ...]:
    """The names of the columns in the first bytes of a table, in lower case, as far as they go; () of what is none."""
    if kind_of(start):
        return ()
    text = start.decode(encoding_of(start), "replace").strip()
    declared = _DECLARED.match(text)
    text = text[declared.end() :] if declared else text
    separator = declared[1] if declared else _separator(text)
    fields = next(csv.reader(text.splitlines()[:1], delimiter=separator, skipinitialspace=True), [])
    return tuple(bare(field).lower() for field in (_uncommented(fields) if fields else ()))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error


def encoding_of(content: bytes) -> str:
    """The encoding of a text by its mark or its zeros: UTF-8 where neither says another one."""
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
    encoding = encoding_of(content)
    what, advice = _other(content)
    if what:
        raise DataError(f"{name} is not a CSV file: it is {what}.", advice or hint)
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


def _uncommented(header: list[str]) -> list[str]:
    """A header without the sign of a comment, which NumPy writes before its first name."""
    return [header[0].lstrip("#").lstrip(), *header[1:]]


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
