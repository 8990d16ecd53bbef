"""The CSV files of small pixels that Kaggle's copy of HAM10000 has beside the images, as a data set of their own.

One row an image: pixel0000, pixel0001, ... of 8 x 8 or 28 x 28, row by row, grey or red, green, blue; then `label`.
They hold no image ids and no lesion ids.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, first_few
from skineval.data import tables
from skineval.data.files.stored_files import StoredFile, scan
from skineval.data.findings import refuse_any
from skineval.data.layouts.headers import beginning, header, is_table
from skineval.data.layouts.images import ArrayImages
from skineval.data.layouts.metadata import LESIONS_UNKNOWN, bare_frame
from skineval.data.layouts.pictures import in_arrays, is_picture
from skineval.values.lesion_table import LesionTable

LICENCE = "CC BY-NC 4.0"
LOOKED_FOR = "hmnist_28_28_RGB.csv or another .csv file with the columns pixel0000, ..., label, and no images"
#: The diagnosis of each label: not the order of `DIAGNOSES`.
LABELS = ("akiec", "bcc", "bkl", "df", "nv", "vasc", "mel")
ROWS = 512  #: read at a time

_FIRST, _LAST = "pixel0000", "label"
_PLAIN = b"0123456789+-.eE, \t\n"  #: what finite numbers are written with


def recognise(files: Sequence[StoredFile], path: Path) -> bool:
    """Whether a file of pixels is there, and no image."""
    return any(map(_is_pixels, files)) and not any(map(is_picture, files))


def load(path: Path) -> LesionTable:
    """Read a CSV file of pixels, or the largest and most colourful one in a folder or zip archive.

    Ids are made of row numbers. Raises DataError naming the row (the header is row 1) that is wrong.
    """
    found = [file for file in scan(path) if _is_pixels(file)]
    if not found:
        raise DataError(f"No file of pixels in {path}: neither {LOOKED_FOR}.", "Give the CSV file.")
    shapes = {file.name: _shape(file) for file in found}
    file = max(found, key=lambda file: math.prod(shapes[file.name]))
    pixels, labels = _read(file, shapes[file.name])
    ids = [f"hmnist_{number:07d}" for number in range(1, len(labels) + 1)]
    frame = bare_frame(ids, [LABELS[label] for label in labels])
    others = [other.inner.name for other in found if other != file]
    images = ArrayImages(pixels.__getitem__, pixels.shape[1:])
    return in_arrays(frame, images, ((zlib.crc32(image), image.nbytes) for image in pixels)).table(
        "HAM10000 (hmnist)",
        f"CSV of pixels as on Kaggle, {images.kind}",
        (
            LESIONS_UNKNOWN,
            "images are known by their row alone: copies in other data sets are found by content only",
            *([f"{file.inner.name} is read, not {first_few(others)}"] if others else []),
        ),
        licence=LICENCE,
        lesions_known=False,
    )


def _is_pixels(file: StoredFile) -> bool:
    return is_table(file) and header(file)[:1] == (_FIRST,)


def _shape(file: StoredFile) -> tuple[int, ...]:
    """(side, side) or (side, side, 3), as the number of columns says. Raises DataError for a header of another kind."""
    with _opened(file) as lines:
        columns = [name.strip().strip('"').lower() for name in lines.readline().split(",")]
    n = len(columns) - 1
    expected = [f"pixel{place:04d}" for place in range(n)]
    for channels, shape in ((1, ()), (3, (3,))):
        side = math.isqrt(n // channels)
        if side and side * side * channels == n and columns == [*expected, _LAST]:
            return (side, side, *shape)
    raise DataError(
        f"{file.name} has {n} columns before {columns[-1][:40]!r}: no square of grey or RGB pixels and a label.",
        "The header is pixel0000, pixel0001, ..., label. Download the file again.",
    )


def _read(file: StoredFile, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels (N, *shape) and labels (N,); a label is a cell like the pixels."""
    blocks = []
    with _opened(file) as lines:
        lines.readline()
        numbered = ((row, line) for row, line in enumerate(lines, start=2) if line.strip())
        while block := dict(islice(numbered, ROWS)):
            blocks.append(_parse(file.name, block, math.prod(shape) + 1))
    if not blocks:
        raise DataError(f"{file.name} has a header and no rows.", "Download it again.")
    cells = np.concatenate(blocks)
    labels = cells[:, -1].astype(np.int64)
    foreign = np.flatnonzero(labels >= len(LABELS))
    none_of = f"that is none of 0 to {len(LABELS) - 1}"
    refuse_any(
        [f"row {row + 2} {labels[row]}" for row in foreign],
        (f"row has a label {none_of}", f"rows have a label {none_of}"),
        "Files of the same name with labels 1 to 8 belong to another data set, of colorectal histology.",
        file.name,
    )
    return np.ascontiguousarray(cells[:, :-1]).reshape(-1, *shape), labels


def _parse(name: str, block: Mapping[int, str], columns: int) -> NDArray[np.uint8]:
    """The cells of some rows, by their number in the file; (n, columns)."""
    for row, line in block.items():
        if line.count(",") != columns - 1:
            raise DataError(
                f"{name}: row {row} has {line.count(',') + 1} fields, and the header {columns}.", "Download it again."
            )
    cells = _numbers(block.values())
    # Written so that NaN fails too.
    wrong = np.argwhere(~((cells >= 0) & (cells <= 255) & (cells == np.floor(cells))))
    if len(wrong):
        place, column = wrong[0]
        row = list(block)[place]
        raise DataError(
            f"{name}: row {row} has {block[row].split(',')[column].strip()[:40]!r} in column {column + 1}, and pixels "
            "are whole numbers from 0 to 255.",
            "Download it again.",
        )
    return cells.astype(np.uint8)


def _numbers(lines: Collection[str]) -> NDArray[np.float64]:
    """The cells of lines that have equally many; NaN for what is no number."""
    import pandas as pd

    text = "".join(lines).encode()
    # Of other text pandas takes "True" for 1, a cell to end at a null byte, and a byte-order mark for nothing.
    if not text.translate(None, _PLAIN):
        with suppress(ValueError):
            return pd.read_csv(io.BytesIO(text), header=None, dtype=np.float64).to_numpy()
    return np.array([[_number(cell) for cell in line.split(",")] for line in lines])


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


@contextmanager
def _opened(file: StoredFile) -> Iterator[IO[str]]:
    """The lines of a file. What is no text is no number either, and is found where numbers are read.

    A file of plain cells between commas in UTF-8 is read line by line; any other is first rewritten to be like that.
    """
    start = beginning(file)
    if tables.encoding_of(start) not in ("utf-8", "utf-8-sig") or b"," not in start or b'"' in start:
        text, separator = tables.text_of(file.read(), file.name)
        yield io.StringIO(text.replace('"', "").replace(separator, ","))
    elif file.member:
        yield io.TextIOWrapper(io.BytesIO(file.read()), encoding="utf-8-sig", errors="replace")
    else:
        try:
            with file.path.open(encoding="utf-8-sig", errors="replace") as lines:
                yield lines
        except OSError as error:
            raise DataError(f"{file.name} cannot be read: {error}.", "Restore the file.") from error
