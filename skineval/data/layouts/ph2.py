"""PH2: dermoscopic images of melanocytic lesions with their masks, a folder for each.

Mendonça, Ferreira, Marques, Marcal, Rozeira: "PH2 - A dermoscopic image database for research and benchmarking", EMBC
2013, doi:10.1109/EMBC.2013.6610779. Files as programs that read them name them: IMD003_Dermoscopic_Image/IMD003.bmp,
IMD003_lesion/IMD003_lesion.bmp (the mask) and IMD003_roi/ (regions of one colour, which are not read), and the same
table as PH2_dataset.txt and PH2_dataset.xlsx. In the first, cells stand between || or |, and Clinical Diagnosis is 0
for a common nevus, 1 for an atypical one and 2 for melanoma; in the second, X marks one of three columns. The workbook
itself is not read; a sheet of it saved as CSV is.

Whether images show one lesion or patient is not published, nor could a licence be verified.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from skineval.base.errors import DataError
from skineval.data import tables
from skineval.data.cells import is_missing
from skineval.data.files.stored_files import TABLES, StoredFile, scan
from skineval.data.layouts import pictures
from skineval.data.layouts.collection import Collection
from skineval.data.layouts.headers import header
from skineval.data.spellings import image_id
from skineval.data.tables import GivenTable
from skineval.values.lesion_table import LesionTable

if TYPE_CHECKING:
    import pandas as pd

LOOKED_FOR = (
    "PH2_dataset.txt or another table with the columns Name, Histological Diagnosis, Clinical Diagnosis, or images in "
    "folders called like them, with _Dermoscopic_Image behind"
)
PH2 = Collection(
    name="PH2",
    source="Mendonça et al. 2013, doi:10.1109/EMBC.2013.6610779",
    needs=("image name", "common nevus", "atypical nevus", "melanoma"),
    columns={"image_id": "image name", "dx": "clinical diagnosis"},
    labels={"common nevus": "nv", "atypical nevus": "nv"},
)

_TEXT = ("name", "histological diagnosis", "clinical diagnosis")
_CODES: Mapping[str, str] = MappingProxyType({"0": "common nevus", "1": "atypical nevus", "2": "melanoma"})
_IMAGE = "_dermoscopic_image"  #: what the name of the folder of an image ends with


def recognise(files: Sequence[StoredFile], path: Path) -> bool:
    """Whether a table is its own, or an image lies in a folder that is called after it."""
    return any(_is_text(file) or PH2.is_own(file) or _is_in_own_folder(file) for file in files)


def load(path: Path, quarantined: frozenset[str] = frozenset()) -> LesionTable:
    """Read PH2 from a folder or zip archive. Raises DataError as `Collection.load`, and where there is no table."""
    folder = pictures.folder_of(path)
    there = scan(folder, without=pictures.stems(quarantined))
    unused = pictures.look_like_masks(there)
    files = [file for file in there if file not in unused]
    found = {file: _read_text(file) for file in files if _is_text(file)}
    if not found:
        found = {file: _read_sheet(file) for file in files if PH2.is_own(file)}
    if not found:
        raise DataError(
            f"{folder} has no table that says what the images of PH2 show; a workbook (.xlsx) is not read.",
            "Put PH2_dataset.txt there, which comes with it, or save its sheet as CSV without the rows above the one "
            "that begins with Image Name.",
        )
    return PH2.assemble(found, files, folder, quarantined)


def _is_text(file: StoredFile) -> bool:
    return file.inner.suffix.lower() in (".txt", *TABLES) and set(_TEXT) <= set(header(file))


def _is_in_own_folder(file: StoredFile) -> bool:
    return pictures.is_picture(file) and file.inner.parent.name.lower() == file.inner.stem.lower() + _IMAGE


def _read_text(file: StoredFile) -> pd.DataFrame:
    """The rows of the text, which begin with a bar and are followed by what codes mean, or of a CSV file of it."""
    content = file.read()
    # What follows the rows may be in any encoding.
    text = content.decode(tables.encoding_of(content), "replace").lstrip("\ufeff")
    lines = [line.strip() for line in text.splitlines()]
    barred = {
        number: line
        for number, line in takewhile(lambda one: one[1][:1] in ("|", ""), enumerate(lines, start=1))
        if line
    }
    table = _of_bars(barred, file.name) if barred else tables.read(content, file.name, pad=True).lowered()
    codes = table.frame["clinical diagnosis"]
    what = "is no clinical diagnosis"
    table.refuse(~codes.isin(_CODES), lambda row: f"{codes.iloc[row]!r} {what}", f"Diagnoses are {', '.join(_CODES)}.")
    return _described(table.frame, table.frame["name"], codes.map(_CODES))


def _of_bars(lines: Mapping[int, str], name: str) -> GivenTable:
    """The columns `_TEXT` of lines in which bars stand between cells, by their numbers in the file called `name`."""
    import pandas as pd

    rows = {number: re.split(r"\|\|?", line.strip("|")) for number, line in lines.items()}
    (_, names), *cells = rows.items()
    places = [[column.strip().lower() for column in names].index(column) for column in _TEXT]
    short = [number for number, row in cells if len(row) < len(names)]
    if short:
        raise DataError(f"{name}, row {short[0]} has fewer cells than the header.", "Download it again.")
    index = pd.Index([number for number, _ in cells], name=tables.ROW, dtype="int64")
    said = [[row[place].strip() for place in places] for _, row in cells]
    return GivenTable(pd.DataFrame(said, index=index, columns=list(_TEXT), dtype="str"), name)


def _read_sheet(file: StoredFile) -> pd.DataFrame:
    """The rows of a sheet saved as CSV, of which each marks one diagnosis."""
    table = tables.read(file.read(), file.name, "Save it without the rows above its header.", pad=True).lowered()
    marks = table.frame[list(PH2.needs[1:])].map(lambda cell: not (is_missing(cell) or cell in ("0", "0.0")))
    what = f"marks none or several of {', '.join(PH2.needs[1:])}"
    table.refuse(marks.sum(axis=1) != 1, what, "Mark the one that it is by X.")
    return _described(table.frame, table.frame[PH2.needs[0]], marks.idxmax(axis=1).astype("str"))


def _described(rows: pd.DataFrame, names: pd.Series[str], diagnoses: pd.Series[str]) -> pd.DataFrame:
    """What is known of each image; where histology says something, it has been done."""
    said = rows.get("histological diagnosis", names.map(lambda _: ""))
    histology = said.map(lambda cell: "" if is_missing(cell) else "histo")
    return names.to_frame("image_id").assign(image_id=names.map(image_id), dx=diagnoses, dx_type=histology)
