"""Files that may be tables, by how they are called and begin: the names of their columns, and workbooks among them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from skineval.base.errors import DataError, first_few
from skineval.data import tables
from skineval.data.files.stored_files import TABLES, StoredFile

HEADER = 4096  #: bytes in which the column names of a table are looked for
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")  #: suffixes of tables that are not read


def is_table(file: StoredFile) -> bool:
    """Whether a file is called like a table."""
    return file.inner.suffix.lower() in TABLES[:-1]


def header(file: StoredFile) -> tuple[str, ...]:
    """The column names in the first line of a table, in lower case, as far as they lie in its first `HEADER` bytes."""
    return tables.columns_of(beginning(file))


def workbooks(files: Iterable[StoredFile]) -> str:
    """The sentence that tells a person to save workbooks as CSV; "" where none is there."""
    found = [file.name for file in files if _is_workbook(file)]
    return f"Workbooks are not read ({first_few(found)}). {tables.SAVE} " if found else ""


def _is_workbook(file: StoredFile) -> bool:
    return file.inner.suffix.lower() in WORKBOOKS or (is_table(file) and "workbook" in tables.kind_of(beginning(file)))


def beginning(file: StoredFile) -> bytes:
    """The first `HEADER` bytes; none of a file that cannot be read: whoever needs it says so."""
    if file.member:
        return _start_of_member(file)
    try:
        with file.path.open("rb") as opened:
            return opened.read(HEADER)
    except OSError:
        return b""


@lru_cache(maxsize=256)
def _start_of_member(file: StoredFile) -> bytes:
    """The same of a member of an archive, which is unpacked whole, and known by its checksum."""
    try:
        return file.read()[:HEADER]
    except DataError:
        return b""
