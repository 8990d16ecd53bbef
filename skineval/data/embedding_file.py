"""Files of embeddings, in the formats in which programs keep them; nothing is ever unpickled.

npz: the arrays `ids` (N,) and `embeddings` (N, d). npy: the embeddings alone, with the ids in a text file beside it, a
line each. CSV and Parquet: a column of image ids, and one a dimension, or in Parquet one of lists. Beside them `part`
may say of each image whether the network that made the embeddings was trained on it, or chosen by it, and `made_by`
what that network is.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, UsageError, first_few
from skineval.base.files import write_new
from skineval.base.terms import PARTS
from skineval.data import tables
from skineval.data.cells import numbers
from skineval.data.files import npz
from skineval.data.spellings import IMAGE_COLUMNS, PART_COLUMNS, class_name, first_column, part_name, plain
from skineval.data.tables import GivenTable
from skineval.values.embeddings import Embeddings
from skineval.values.learnt import Learnt

if TYPE_CHECKING:
    import pandas as pd

IDS, VALUES, PART, MAKER = "ids", "embeddings", "part", "made_by"
WRITTEN = (".npz", ".csv")  #: the formats that are written
LEARNT = ("train", "validation")  #: what `part` says of images that the network was trained on, or chosen by
#: What arrays of ids and of embeddings are called, the first that is there.
_IDS, _VALUES = (IDS, "image_ids", *IMAGE_COLUMNS), (VALUES, "embedding", "features")
#: Columns that say what is known of an image: among its embeddings they would give away what is asked for.
_KNOWN = frozenset(
    (
        "y", "y true", "benign malignant", "fold", "seed", "lesion id", "lesion", "patient id", "patient", "group",
        "age", "age approx", "sex", "localization", "index", *map(plain, IMAGE_COLUMNS),
    )
)  # fmt: skip
#: The same in many forms: `true_label`, `class_id`, `is_melanoma`, `diagnosis_1`.
_ANSWER = re.compile(
    r"(is |true |gt |y )?(labels?|targets?|class(es)?|dx|diagnos(is|tic)|ground truth|truth|gt|malignan(t|cy)|melanoma)"
    r"( (id|name|idx|index|code|number|num|encoded|\d))?"
)
_PARTS = (*PARTS, "none", "")  #: what `part` may say; nothing where nobody knows
_LISTS = (list, tuple, np.ndarray)
_UNNAMED = re.compile(r"unnamed: \d+$", re.IGNORECASE)  # as pandas calls the index of a frame that it wrote
_WANTED = (
    "Embeddings are an npz file with the arrays ids and embeddings, or a table with a column image_id and one a "
    "dimension."
)
_ONCE = "Each image has one row: remove the others."


def read_embeddings(path: Path) -> Embeddings:
    """What a file of embeddings holds, in float32; ids are read as everywhere (`skineval.data.spellings.image_id`).

    Raises DataError naming the file and the row: what is missing, damaged, or pickled, rows that name no image or one a
    second time, numbers that are not finite, columns that say what is known of images, images that are all alike; and
    UsageError where a format is not known, or needs a package that is not there.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", _WANTED)
    if path.suffix.lower() not in _READERS:
        formats = ", ".join(_READERS)
        raise UsageError(f"{path} is no file of embeddings: its name ends in {path.suffix!r}.", f"Use {formats}.")
    try:
        about = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    return _read(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=4)  # every cell of a bench asks for the same
def _read(path: Path, _modified: int, _size: int) -> Embeddings:
    given, values, parts, maker = _READERS[path.suffix.lower()](path)
    if values.ndim != 2 or len(values) != len(given.frame) or not values.shape[1]:
        raise DataError(
            f"{path} has {len(given.frame)} ids, and embeddings of shape {values.shape}.",
            "Embeddings have the shape (images, dimensions), with a row for each id.",
        )
    given = given.identified()
    given.refuse_repeats(given.frame["image_id"].tolist(), _ONCE)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    given.refuse(
        ~np.isfinite(values).all(axis=1),
        lambda row: f"the embedding of {given.frame['image_id'].iloc[row]} is not finite",
        "Leave the image out, or embed it again.",
    )
    ids = given.frame["image_id"].to_numpy(dtype=str)
    said = np.array(_said(parts, given))
    learnt = Learnt(frozenset(ids[np.isin(said, LEARNT)].tolist()), known=frozenset(ids[said != ""].tolist()))
    found = Embeddings(path.name, ids, np.ascontiguousarray(values), learnt, maker)
    if len(found) > 1 and len(found.constant) == found.width:
        raise DataError(f"{path}: all images have the same embedding.", "A head cannot tell them apart: embed anew.")
    return found


def _said(parts: Sequence[str] | None, given: GivenTable) -> list[str]:
    """What `part` says of each image, one of `_PARTS`."""
    if parts is None:
        return [""] * len(given.frame)
    if len(parts) != len(given.frame):
        raise DataError(f"{given.name} has {len(given.frame)} ids, and {len(parts)} of {PART}.", "Give one to each id.")
    said = [part_name(part) for part in parts]
    given.refuse(
        [one not in _PARTS for one in said],
        lambda row: f"the part of {given.frame['image_id'].iloc[row]} is {said[row][:40]!r}",
        f"It says which images the network that made the embeddings was trained on: {', '.join(PARTS)}, or none.",
    )
    return said


def check_suffix(path: Path) -> None:
    """Raise UsageError where embeddings cannot be written to a file of such a name."""
    if path.suffix.lower() not in WRITTEN:
        raise UsageError(
            f"--out is {path}, which ends in {path.suffix!r}.", f"Embeddings are written as {' or '.join(WRITTEN)}."
        )


def write_embeddings(path: Path, embeddings: Embeddings, *, replace: bool) -> None:
    """Write embeddings as `read_embeddings` reads them, by the suffix of `path`: npz, or CSV with all digits.

    Raises UsageError as `check_suffix` and `write_new`.
    """
    check_suffix(path)
    learnt, ids = embeddings.learnt, embeddings.ids
    known = np.full(len(ids), True) if learnt.known is None else np.isin(ids, list(learnt.known))
    said = np.where(np.isin(ids, list(learnt.images)), LEARNT[0], np.where(known, "none", ""))
    parts = {PART: said} if any(said) else {}
    if embeddings.made_by:
        parts[MAKER] = np.full(len(embeddings), embeddings.made_by)
    content = io.BytesIO()
    if path.suffix.lower() == ".npz":
        np.savez(content, allow_pickle=False, ids=embeddings.ids, embeddings=embeddings.values, **parts)
    else:
        import pandas as pd

        frame = pd.DataFrame(embeddings.values, columns=[f"e{place}" for place in range(embeddings.width)])
        for place, (name, column) in enumerate({"image_id": embeddings.ids, **parts}.items()):
            frame.insert(place, name, column)
        frame.to_csv(content, index=False, lineterminator="\n")
    write_new(path, content.getvalue(), replace=replace)


#: Ids, embeddings, what `part` says, and `made_by`.
_Given = tuple[GivenTable, NDArray[Any], Sequence[str] | None, str]


def _from_npz(path: Path) -> _Given:
    names = npz.keys(path)
    found = {kind: first_column(names, called) for kind, called in ((IDS, _IDS), (VALUES, _VALUES))}
    if None in found.values():
        there = f"it holds: {first_few(names)}" if names else "it is no npz file that can be read"
        missing = " and ".join(kind for kind, name in found.items() if name is None)
        raise DataError(f"{path} lacks the array {missing} ({there}).", _WANTED)
    ids, values = (npz.member(path, str(found[kind]), _AS_TEXT).read() for kind in (IDS, VALUES))
    part = first_column(names, PART_COLUMNS)
    parts = None if part is None else _texts(npz.member(path, part, _AS_TEXT).read(), path, part)
    makers = _texts(npz.member(path, MAKER, _AS_TEXT).read(), path, MAKER) if MAKER in names else []
    return _listed(_texts(ids, path), path), _numbers(values, path), parts, "".join(makers[:1])


def _from_npy(path: Path) -> _Given:
    beside = [path.with_name(f"{path.stem}{end}") for end in (".ids.txt", "_ids.txt", ".txt", "_ids.npy", ".ids.npy")]
    ids = next((file for file in beside if file.is_file()), None)
    if ids is None:
        raise DataError(
            f"{path} is an array without ids, and there is no {beside[0].name} beside it.",
            "Write the id of each row into that file, a line each; or save both in an npz file.",
        )
    texts = _texts(_array(ids), ids) if ids.suffix == ".npy" else tables.lines(ids)
    return _listed(texts, ids), _numbers(_array(path), path), None, ""


def _from_csv(path: Path) -> _Given:
    import pandas as pd

    text, separator = tables.open_text(path, _WANTED)
    try:
        names = [name.strip() for name in pd.read_csv(io.StringIO(text), sep=separator, nrows=0).columns]
        # Ids are text, of which no zero in front may be lost.
        texts = {place: str for place, name in enumerate(names) if plain(name) in map(plain, (*_IDS, *PART_COLUMNS))}
        frame = pd.read_csv(io.StringIO(text), sep=separator, header=0, names=names, dtype=texts)
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path} cannot be read: {error}.", _WANTED) from error
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes the first fields of longer rows for names of these
        raise DataError(f"{path}: the rows have more fields than the header.", "Give every column a name.")
    return _from_frame(frame, path)


def _from_parquet(path: Path) -> _Given:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ImportError as error:
        raise UsageError(
            f"To read {path}, pandas needs a package for Parquet.", "Install it: pip install pyarrow. Or use npz."
        ) from error
    except Exception as error:  # of whatever package reads it
        raise DataError(f"{path} cannot be read as Parquet: {type(error).__name__}: {error}.", _WANTED) from error
    return _from_frame(frame.reset_index() if frame.index.name else frame, path)


def _from_frame(frame: pd.DataFrame, path: Path) -> _Given:
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    columns = list(frame.columns)
    id_, part = first_column(columns, _IDS), first_column(columns, PART_COLUMNS)
    if id_ is None:
        raise DataError(f"{path} lacks a column image_id (it has {first_few(columns)}).", _WANTED)
    given = GivenTable(frame[[id_]].set_axis(["image_id"], axis=1), str(path), _WANTED)
    counted = [name for name in columns if _UNNAMED.match(name) and frame[name].tolist() == list(range(len(frame)))]
    maker = str(frame[MAKER].iloc[0]) if MAKER in frame and len(frame) else ""
    rest = frame.drop(columns=[name for name in (id_, part, *counted, *[MAKER] * bool(maker)) if name])
    if frame.empty:
        raise DataError(f"{path} has a header and no rows.", _WANTED)
    if known := [name for name in rest.columns if _is_known(name)]:
        raise DataError(
            f"{path} has the column {known[0]}, which is called like what is known of an image.",
            "A head would be fitted on it: leave it out of the file, or give it another name if it is a dimension.",
        )
    parts = frame[part].fillna("").astype(str).tolist() if part else None
    if rest.shape[1] == 1 and rest.iloc[:, 0].map(lambda cell: isinstance(cell, _LISTS)).any():
        return given, _stacked(rest.iloc[:, 0].tolist(), given), parts, maker
    values = np.empty(rest.shape)
    for place, name in enumerate(rest.columns):
        column = rest[name]
        values[:, place] = numbers(column)
        given.refuse(np.isnan(values[:, place]) & column.notna(), partial(_no_number, column), _WANTED)
    return given, values, parts, maker


def _is_known(name: str) -> bool:
    """Whether a column is called like what is known of an image, or like a class, of which it may be the answer."""
    return plain(name) in _KNOWN or _ANSWER.fullmatch(plain(name)) is not None or class_name(name) is not None


def _no_number(column: pd.Series[Any], row: int) -> str:
    return f"{column.name} is {str(column.iloc[row])[:40]!r}, which is no number"


def _stacked(rows: Sequence[Any], given: GivenTable) -> NDArray[Any]:
    """(N, d) embeddings that are lists in one column."""
    lengths = [len(row) if isinstance(row, _LISTS) else -1 for row in rows]
    given.refuse(
        np.array(lengths) != lengths[:1],
        lambda row: f"has {max(lengths[row], 0)} numbers, and the first row has {max(lengths[0], 0)}",
        "All embeddings are lists of one length.",
    )
    return np.array([np.asarray(row, dtype=np.float64) for row in rows])


def _array(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as an array: {str(error).rstrip('.')}.", _AS_TEXT) from error
    return array


def _listed(ids: Sequence[str], path: Path) -> GivenTable:
    """Ids of arrays or lines, which are counted from 1."""
    import pandas as pd

    index = pd.RangeIndex(1, len(ids) + 1, name=tables.ROW)
    return GivenTable(pd.DataFrame({"image_id": list(ids)}, index=index), str(path), _WANTED)


def _texts(array: NDArray[Any], path: Path, name: str = IDS) -> list[str]:
    if array.ndim != 1 or array.dtype.kind not in "USiu":
        raise DataError(f"{path}: {name} are {array.dtype} of shape {array.shape}.", f"Save {name} as text. {_AS_TEXT}")
    return [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in array.tolist()]


def _numbers(array: NDArray[Any], path: Path) -> NDArray[Any]:
    if array.dtype.kind not in "fiu":
        raise DataError(f"{path}: embeddings are {array.dtype}, which are no numbers.", _WANTED)
    return array


_AS_TEXT = 'Such as np.savez("embeddings.npz", ids=np.array(ids, dtype=str), embeddings=embeddings.astype("float32")).'
_READERS: Mapping[str, Callable[[Path], _Given]] = MappingProxyType(
    {
        ".npz": _from_npz,
        ".npy": _from_npy,
        ".csv": _from_csv,
        ".tsv": _from_csv,
        ".txt": _from_csv,
        ".parquet": _from_parquet,
    }
)
