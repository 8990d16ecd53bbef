"""Tables of what is known of each image: the metadata of HAM10000 and its relatives, read, checked and cleaned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skineval.base.errors import DataError, first_few, plural
from skineval.data import tables
from skineval.data.cells import MISSING, is_missing, numbers
from skineval.data.files.stored_files import TABLES, StoredFile
from skineval.data.findings import Fault, FaultyRow, refuse
from skineval.data.groups import make_groups
from skineval.data.ids import doubts, is_nobody, is_unnamed, pairs_spelt_alike, tidy, within_patients
from skineval.data.layouts.headers import header, is_table, workbooks
from skineval.data.layouts.known_pairs import KNOWN_DUPLICATES
from skineval.data.quarantine import nothing_left, require_known
from skineval.data.spellings import IDENTIFIER, diagnosis, guess, image_id, sex_name
from skineval.values.lesion_table import COLUMNS, PATIENT
from skineval.values.task import DIAGNOSES

if TYPE_CHECKING:
    import pandas as pd

METADATA = "ham10000_metadata"  #: name of the metadata file, without suffix, in lower case
REQUIRED = ("lesion_id", "image_id", "dx")
DESCRIBED = ("dx_type", "age", "sex", "localization")  #: what else HAM10000 says; unknown where a column is not there
_ID = "Ids hold up to 64 of the characters A-Z a-z 0-9 _ . - and do not begin with a dot."
MAX_AGE = 120
#: What becomes of tables that nobody recognises.
OTHERWISE = "A table of other columns is read where --columns says what they hold, as in image=file,label=diagnosis."
SHOWN = 40  #: characters of a bad value that a message shows
CONTRADICTORY = "contradictory-dx"  #: code of a fault: a lesion has several
#: The note on images of which nobody says whether they show one lesion.
LESIONS_UNKNOWN = (
    "images without a lesion id count as one lesion each, so images of one lesion may be parted by any split that does "
    "not keep patients together"
)

_OTHERS = "Other classes: --columns image=image_id,label=dx,lesion=lesion_id --task labels."
_UNKNOWN = (*MISSING, "unknown")


@dataclass(frozen=True, eq=False)
class Metadata:
    """What a table said of each image, checked and cleaned."""

    frame: pd.DataFrame  #: that of a lesion table, sorted by image_id
    zero_ages: frozenset[str] = frozenset()  #: images whose age was written as 0, which is taken as unknown
    notes: tuple[str, ...] = ()  #: on what was changed
    rows: Mapping[str, int] = field(default_factory=dict)  #: the number of each in its file, by image id
    lesions_known: bool = (
        True  #: False where each image is its own lesion, which is what is written where none is known
    )


def is_metadata(file: StoredFile) -> bool:
    """Whether a file is a table with the columns of the metadata."""
    return is_table(file) and set(REQUIRED) <= set(header(file))


def is_named_metadata(file: StoredFile) -> bool:
    """Whether a file bears the name under which HAM10000 publishes its metadata."""
    return file.inner.stem.lower() == METADATA and file.inner.suffix.lower() in TABLES


def find_metadata(path: Path, files: Sequence[StoredFile]) -> StoredFile:
    """The metadata file: by its name, by all columns of HAM10000, or by those that are needed.

    Raises DataError where there is none, or where several differ.
    """
    named = [file for file in files if is_named_metadata(file)]
    fitting = named or [file for file in files if is_metadata(file)]
    full = [file for file in fitting if set(DESCRIBED) <= set(header(file))]
    found = sorted(named or full or fitting, key=lambda file: TABLES.index(file.inner.suffix.lower()))
    differing = [file for file in found[1:] if not _say_the_same(found[0], file)]
    if differing:
        raise DataError(
            f"{path} holds several files that could be the metadata: "
            f"{first_few([file.name for file in (found[0], *differing)])}.",
            "Make one table of them, or remove all but one." if named else "Name the right one HAM10000_metadata.csv.",
        )
    if found:
        return found[0]
    seen = [file.name for file in files if is_table(file)]
    raise DataError(
        f"No metadata in {path}: neither HAM10000_metadata (.csv, .tab) nor another .csv, .tab or .tsv file with the "
        f"columns {', '.join(REQUIRED)}" + (f" (looked into {first_few(seen)})." if seen else "."),
        f"{workbooks(files)}Give the folder that holds HAM10000_metadata.csv and the images, zipped or not.",
    )


def _say_the_same(one: StoredFile, other: StoredFile) -> bool:
    """Whether two tables have the same rows, in any order, in the columns that both have."""
    if one.read() == other.read():
        return True
    raws = [read_table(file) for file in (one, other)]
    shared = [column for column in (*REQUIRED, *DESCRIBED, "dataset") if all(column in raw for raw in raws)]
    rows = [raw.assign(age=numbers(raw["age"]) if "age" in raw else "")[shared].astype("str") for raw in raws]
    first, second = (sorted(cells.itertuples(index=False, name=None)) for cells in rows)
    return first == second


def read_metadata(file: StoredFile, quarantined: Collection[str] = frozenset()) -> Metadata:
    """What the metadata file says. Raises DataError naming the row (the header is row 1) that cannot be meant.

    Rows of images in `quarantined` are left out before they are looked at; DataError for those that have no row.
    """
    raw = read_table(file)
    require_known(quarantined, raw["image_id"], file.name)
    raw = raw[~raw["image_id"].isin(quarantined)]
    if raw.empty:
        raise nothing_left(file.name)
    raw, numbered = within_patients(raw)
    metadata = clean(raw, file.name)
    alone = bool((raw["lesion_id"] == raw["image_id"]).all())
    silent = [column for column in DESCRIBED if column not in raw or (raw[column] == "").all()]
    notes = (f"unknown of all images: {', '.join(silent)}",) if silent else ()
    notes = (*metadata.notes, *numbered, *notes, *((LESIONS_UNKNOWN,) if alone else ()))
    return replace(metadata, notes=notes, lesions_known=not alone)


def examine_metadata(file: StoredFile) -> tuple[pd.DataFrame, tuple[Fault, ...]]:
    """All cells of the metadata as text, the row numbers of the file as index, and all that is wrong with them.

    Raises DataError for what is no table, or one without the columns `REQUIRED`.
    """
    raw, ragged = _parse_table(file, REQUIRED)
    raw = _completed(raw)
    return raw, (ragged, *_faults(raw))


def read_table(file: StoredFile, required: Sequence[str] = REQUIRED) -> pd.DataFrame:
    """All cells as text, under lower-case column names, with the row number in the file as index (the header is 1).

    Images are known by their ids and diagnoses by their codes, as far as they can be read.

    Raises DataError for what is no table, or one without the columns `required`, or with surplus or missing fields.
    """
    raw, ragged = _parse_table(file, required)
    refuse([ragged], file.name)
    return raw


def _parse_table(file: StoredFile, required: Sequence[str]) -> tuple[pd.DataFrame, Fault]:
    """The rows of a table that have as many fields as its header, and those that have not."""
    given, ragged = tables.parse(file.read(), file.name, f"Download it again. {tables.SAVE}")
    given = replace(given.lowered(), hint=f"It needs: {', '.join(required)}. {OTHERWISE}")
    given.require(*required)
    raw = given.frame
    if raw.empty and not ragged.rows:
        raise DataError(f"{file.name} has a header and no rows.", "Download it again.")
    readings = {"image_id": image_id, "image": image_id, "dx": lambda dx: diagnosis(dx) or dx.lower()}
    return raw.assign(**{name: raw[name].map(read) for name, read in readings.items() if name in raw}), ragged


def clean(raw: pd.DataFrame, name: str, labels: Collection[str] = DIAGNOSES, *, alike: bool = True) -> Metadata:
    """What the cells of a table mean, as they were read in the columns `REQUIRED`, perhaps `DESCRIBED` and `dataset`.

    `raw` has the row numbers in the file as index, and `name` is what to call the file; where it has a column
    `PATIENT` that tells anybody apart, the frame has it, too. Raises DataError naming the rows that cannot be meant,
    such as those of a dx that is none of `labels`, or, where images of a lesion must be `alike`, of one that is not
    that of its lesion.
    """
    raw = _completed(raw)
    raw = raw.assign(sex=raw["sex"].map(sex_name))
    columns, notes = list(COLUMNS), []
    if PATIENT in raw:
        nobody = raw[PATIENT].map(is_nobody).astype(bool)
        notes += _unnamed(raw[PATIENT], nobody)
        raw = raw.assign(**{PATIENT: raw[PATIENT].mask(nobody, "unknown")})
        columns += [] if nobody.all() or _is_one(raw[PATIENT]) else [PATIENT]
    refuse((fault for fault in _faults(raw, labels) if alike or fault.code != CONTRADICTORY), name)
    age = raw["age"].map(_age).astype(np.float64)
    # "age 0: probably missing" (the data set's own description knows no newborns)
    zero = age == 0
    ids, lesions = raw["image_id"].tolist(), raw["lesion_id"].tolist()
    pairs = (*KNOWN_DUPLICATES, *pairs_spelt_alike(ids, lesions))
    frame = raw.assign(age=age.mask(zero), group=make_groups(ids, lesions, pairs))
    for column in ("dx_type", "sex", "localization", "dataset"):
        frame[column] = frame.get(column, "")
        frame.loc[frame[column].str.lower().isin(_UNKNOWN), column] = "unknown"
    zeros = frozenset(frame["image_id"][zero])
    notes += [f"{plural(len(zeros), 'age')} of 0 taken as unknown"] if zeros else []
    frame = frame[columns].sort_values("image_id").reset_index(drop=True)
    numbers = dict(zip(ids, raw.index.tolist(), strict=True))
    return Metadata(frame, zeros, (*notes, *(note for _, note in doubts(frame))), numbers)


def bare_frame(image_ids: Sequence[str], diagnoses: Sequence[str]) -> pd.DataFrame:
    """The frame of images of which only the diagnosis is known, in their order: each counts as its own lesion."""
    import pandas as pd

    known = {"image_id": image_ids, "lesion_id": image_ids, "dx": diagnoses, "age": float("nan")}
    frame = pd.DataFrame(known).assign(group=make_groups(image_ids, image_ids, KNOWN_DUPLICATES))
    for column in COLUMNS:
        if column not in frame:
            frame[column] = "unknown"
    return frame[list(COLUMNS)]


def _completed(raw: pd.DataFrame) -> pd.DataFrame:
    """The table with empty cells in those of the columns `DESCRIBED` that it lacks, and ids as before a spreadsheet."""
    numbered = [column for column in ("lesion_id", PATIENT) if column in raw]
    ids = {column: raw[column].map(tidy).where(raw[column] != raw["image_id"], raw[column]) for column in numbered}
    return raw.assign(**ids, **{column: "" for column in DESCRIBED if column not in raw})


def _age(text: str) -> float | None:
    """Years; NaN where unknown, None for what is no age."""
    if text.lower() in _UNKNOWN:
        return float("nan")
    try:
        age = float(text.replace(",", ".").replace("_", "?"))  # Python takes 1_0 for 10
    except ValueError:
        return None
    return age if 0 <= age <= MAX_AGE else None


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


def check_ids(frame: pd.DataFrame, name: str) -> None:
    """Raises DataError where an image_id or lesion_id does not obey `IDENTIFIER`, or rows have one image_id."""
    refuse(_faulty_ids(frame), name)


def refuse_cells(rows: pd.DataFrame, name: str) -> None:
    """Raise DataError for the cells of lesions, ages and patients, as far as there are such, that cannot be meant.

    The rows are those of the table called `name`, and their `image_id` says which images would have to be left out.
    """
    rows = _completed(rows)
    found = [_unusable_ages(rows)]
    if "lesion_id" in rows:
        unnamed = rows["lesion_id"].map(is_unnamed).astype(bool)
        found.append(_unusable_lesions(rows[~unnamed]))
    if PATIENT in rows:
        nobody = rows[PATIENT].map(is_nobody).astype(bool)
        found.append(_unusable_patients(rows[~nobody]))
    refuse(found, name)


def _faults(frame: pd.DataFrame, labels: Collection[str] = DIAGNOSES) -> tuple[Fault, ...]:
    """All that is wrong with the cells."""

    def guessed(dx: str) -> str:
        return _short(dx) + guess(dx)

    diagnoses = f"Diagnoses are: {', '.join(labels)}. {_OTHERS}"
    return (
        *_faulty_ids(frame),
        _bad_cells(frame, "dx", "unknown", diagnoses, labels.__contains__, guessed),
        _contradictions(frame),
        _unusable_ages(frame),
        *_faulty_patients(frame),
    )


def _faulty_ids(frame: pd.DataFrame) -> tuple[Fault, ...]:
    # Ids become file names and cells of reports: nothing that leads out of a folder or only looks like a letter.
    return _bad_cells(frame, "image_id", "unusable", _ID, _is_usable), _unusable_lesions(frame), _repeats(frame)


def _unusable_lesions(frame: pd.DataFrame) -> Fault:
    own = (
        f"{_ID} 0, - and words such as unknown name no lesion. Where none is known, leave the cell empty, and name the "
        "columns of a table that is like that of HAM10000 by --columns: results then say LEAKY."
    )
    return _bad_cells(frame[frame["lesion_id"] != frame["image_id"]], "lesion_id", "unusable", own, _is_usable_lesion)


def _unusable_ages(frame: pd.DataFrame) -> Fault:
    hint = f"Ages are years from 0 to {MAX_AGE}, or empty."
    return _bad_cells(frame, "age", "unusable", hint, lambda age: _age(age) is not None)


def _unusable_patients(frame: pd.DataFrame) -> Fault:
    return _bad_cells(frame, PATIENT, "unusable", _ID, _is_usable)


def _bad_cells(
    frame: pd.DataFrame,
    column: str,
    kind: str,
    hint: str,
    is_good: Callable[[str], bool],
    shown: Callable[[str], str] = _short,
) -> Fault:
    """The cells of a column that are not good but of another `kind`, each as it is `shown`."""
    wrong = frame[~frame[column].map(is_good).astype(bool)]
    texts = {cell: shown(cell) for cell in wrong[column].unique()}
    return Fault(
        f"{kind}-{column.replace('_', '-')}",
        f"{kind} {column}",
        (f"row with an {kind} {column}", f"rows with an {kind} {column}"),
        hint,
        _rows(wrong, wrong[column].map(texts)),
    )


def _is_usable(id_: str) -> bool:
    return bool(IDENTIFIER.fullmatch(id_)) and not is_missing(id_)


def _is_usable_lesion(id_: str) -> bool:
    # Lesions that are all called "unknown", "0" or "-" would be one, and no split would part them.
    return _is_usable(id_) and not is_nobody(id_)


def _is_one(patients: pd.Series[str]) -> bool:
    return len(patients) > 1 and patients.nunique() == 1


def _unnamed(patients: pd.Series[str], nobody: pd.Series[bool]) -> list[str]:
    """Notes on patients that are not taken for what is written."""
    if _is_one(patients) and not nobody.all():
        return [f"patients are not known: all images have the patient {patients.iloc[0]}"]
    words = sorted({word for word in patients[nobody] if not is_missing(word) and word.lower() != "unknown"})
    count = patients.isin(words).sum()
    return [f"{plural(count, 'image')} whose patient is written as {', '.join(words)}: not known"] if words else []


def _repeats(frame: pd.DataFrame) -> Fault:
    wrong = frame[frame["image_id"].duplicated()]
    first = dict(zip(frame["image_id"][::-1], frame.index[::-1], strict=True))
    dx = frame["dx"].to_dict() if "dx" in frame else {}

    def said(row: int, id_: str) -> str:
        other = f", {dx[first[id_]]} there and {dx[row]} here" if dx and dx[row] != dx[first[id_]] else ""
        return f"{id_ if IDENTIFIER.fullmatch(id_) else _short(id_)} (that of row {first[id_]}{other})"

    texts = map(said, wrong.index, wrong["image_id"])
    return Fault(
        "repeated-image-id",
        "repeats an image_id",
        ("row repeats an image_id", "rows repeat an image_id"),
        "Each image has one row: remove the others.",
        _rows(wrong, texts),
    )


def _contradictions(frame: pd.DataFrame) -> Fault:
    n_diagnoses = frame.groupby("lesion_id")["dx"].nunique()
    contradictory = frame[frame["lesion_id"].isin(n_diagnoses.index[n_diagnoses > 1])]
    return Fault(
        CONTRADICTORY,
        "several diagnoses of one lesion",
        ("lesion has several diagnoses", "lesions have several diagnoses"),
        "All images of a lesion have its dx.",
        tuple(
            FaultyRow(0, f"{lesion} is {_alternatives(rows['dx'])}", _usable(rows["image_id"]))
            for lesion, rows in contradictory.groupby("lesion_id")
        ),
    )


def _faulty_patients(frame: pd.DataFrame) -> Iterator[Fault]:
    """Names of patients that are none, and patients of two sexes, who are two patients or of one that is wrong."""
    if PATIENT not in frame:
        return
    yield _unusable_patients(frame)
    known = frame[(frame[PATIENT] != "unknown") & ~frame["sex"].isin(_UNKNOWN)]
    sexes = known.groupby(PATIENT)["sex"].nunique()
    contradictory = known[known[PATIENT].isin(sexes.index[sexes > 1])]
    yield Fault(
        "contradictory-sex",
        "several sexes of one patient",
        ("patient has several sexes", "patients have several sexes"),
        "Correct the sex or the patient; empty the cell where it is not known, or do not name the column of sexes.",
        tuple(
            FaultyRow(0, f"{patient} is {_alternatives(rows['sex'])}", _usable(rows["image_id"]))
            for patient, rows in contradictory.groupby(PATIENT)
        ),
    )


def _alternatives(said: pd.Series[str]) -> str:
    return " and ".join(f"{one} (row {row})" for row, one in said.drop_duplicates().items())


def _rows(wrong: pd.DataFrame, texts: Iterable[str]) -> tuple[FaultyRow, ...]:
    """The rows that are wrong, each with its text."""
    rows = zip(wrong.index, wrong["image_id"], texts, strict=True)
    return tuple(FaultyRow(int(number), text, _usable([id_])) for number, id_, text in rows)


def _usable(image_ids: Iterable[str]) -> tuple[str, ...]:
    """Those ids that are fit to be written to a list."""
    return tuple(id_ for id_ in image_ids if IDENTIFIER.fullmatch(id_))
