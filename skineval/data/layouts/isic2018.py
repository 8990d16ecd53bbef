"""ISIC 2018 Task 3: train, validation and test images with their ground truth, any of the three, read into one table.

Codella et al.: "Skin lesion analysis toward melanoma detection 2018", arXiv 1902.03368. The train images are those of
HAM10000. Lesions are published for them alone, in a file of its own; the ground truth of the test is in circulation
with two sets of columns, those of the challenge and those of HAM10000.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from skineval.base.errors import DataError, first_few
from skineval.base.terms import PARTS, UNSCORED
from skineval.data.cells import numbers
from skineval.data.files.stored_files import StoredFile, convert, scan
from skineval.data.findings import LEAVE_OUT, refuse_any
from skineval.data.groups import make_groups
from skineval.data.layouts import pictures
from skineval.data.layouts.headers import header, is_table
from skineval.data.layouts.known_pairs import KNOWN_DUPLICATES
from skineval.data.layouts.metadata import LESIONS_UNKNOWN, Metadata, check_ids, clean, read_table
from skineval.data.quarantine import require_known
from skineval.data.spellings import PARTS_BY_NAME, as_known
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES

if TYPE_CHECKING:
    import pandas as pd

NAME = "ISIC 2018 Task 3"
LICENCE = "CC BY-NC 4.0"
LOOKED_FOR = (
    "ISIC2018_Task3_{Training,Validation,Test}_GroundTruth.csv or another .csv file with the columns image, "
    f"{', '.join(dx.upper() for dx in DIAGNOSES)}"
)
#: Ways of diagnosis as the challenge writes them, and as HAM10000 does.
CONFIRMATIONS = {
    "histopathology": "histo",
    "serial imaging showing no change": "follow_up",
    "single image expert consensus": "consensus",
    "confocal microscopy with consensus dermoscopy": "confocal",
}

_TASK = "isic2018_task3_"
_PART = re.compile(r"(?<![a-z])(train|val|test)")
_ONE_HOT = ("image", *DIAGNOSES)
_OTHERS = ("ak", "scc", "unk")  #: classes of later challenges, of which some write columns that mark no image
_GROUPINGS = ("image", "lesion_id", "diagnosis_confirm_type")


@dataclass(frozen=True, eq=False)
class _Truth:
    """What one file of ground truth says."""

    file: StoredFile
    part: str  #: "" where its name does not say
    metadata: Metadata
    lesions_unknown: int  #: images of which no lesion is known, so that each counts as its own
    named: frozenset[str]  #: all images that it names, those that are left out too
    unread: tuple[str, ...] = ()  #: columns of which nothing is read


def is_named(path: PurePath) -> bool:
    """Whether a file, folder or archive on a path is called after the challenge."""
    return _TASK in str(path).lower()


def part_of(file: StoredFile) -> str:
    """The part of which the name of a file says that it is; "" where it says none."""
    found = _PART.search(file.inner.stem.lower())
    return PARTS_BY_NAME[found[1]] if found else ""


def recognise(files: Sequence[StoredFile], path: Path) -> bool:
    """Whether a file, folder or archive is called after the challenge, or a table is its ground truth."""
    return any(is_named(file.below(path)) for file in files) or any(map(_is_one_hot, files))


def load(path: Path, quarantined: Collection[str] = frozenset()) -> LesionTable:
    """Read ISIC 2018 Task 3 from a folder or zip archive that holds any of its parts, zipped, extracted or mixed.

    `path` may also be one file of ground truth, of which the images lie beside it. A part of which no image is there is
    left out, and so is `UNSCORED`. `official` holds the parts. Rows are sorted by image_id. Raises DataError naming
    the row (the header is row 1) or the file that is wrong. Of the images in `quarantined`, neither rows nor files are
    looked at.
    """
    import pandas as pd

    folder = pictures.folder_of(path)
    files = scan(folder, without=pictures.stems(quarantined))
    images, _ = pictures.find(files)
    groupings = _read_groupings(files)
    truths = [_read_truth(file, groupings, quarantined) for file in _truths(files, path)]
    require_known(quarantined, frozenset().union(*(truth.named for truth in truths)), str(path))
    absent = [truth for truth in truths if images.keys().isdisjoint(truth.metadata.frame["image_id"])]
    order = ["", *PARTS]
    present = sorted((truth for truth in truths if truth not in absent), key=lambda truth: order.index(truth.part))
    if not present:
        named = first_few([truth.file.name for truth in absent])
        ids = [id_ for truth in absent for id_ in truth.metadata.frame["image_id"]]
        raise DataError(
            f"{folder} holds none of the images that {named} names.",
            f"{convert(files)}{pictures.unpack(files)}{pictures.spelt_otherwise(ids, images)}"
            "Put the images there, as ISIC2018_Task3_*_Input.zip or extracted.",
        )
    _check_overlaps(present)
    frame = pd.concat([truth.metadata.frame for truth in present])
    _check_lesions(frame)
    frame["part"] = [truth.part for truth in present for _ in range(len(truth.metadata.frame))]
    frame = frame.sort_values("image_id").reset_index(drop=True)
    official = tuple(frame.pop("part"))
    frame["group"] = make_groups(frame["image_id"].tolist(), frame["lesion_id"].tolist(), KNOWN_DUPLICATES)
    collected = pictures.collect(frame, files, folder, left_out=[UNSCORED, *quarantined], listed=_listed(present))
    parts_read = dict.fromkeys(truth.part or truth.file.inner.name for truth in present)
    return collected.table(
        NAME,
        f"{NAME} ({', '.join(parts_read)})",
        _remarks(present, absent),
        licence=LICENCE,
        lesions_known=not any(truth.lesions_unknown for truth in present),
        official=official if all(official) else None,
        zero_ages=frozenset().union(*(truth.metadata.zero_ages for truth in present)),
    )


def _listed(truths: Sequence[_Truth]) -> pictures.Listed:
    """Where images are named."""
    rows = {id_: row for truth in truths for id_, row in truth.metadata.rows.items()}
    return pictures.Listed(" and ".join(truth.file.name for truth in truths), rows)


def _is_one_hot(file: StoredFile) -> bool:
    return is_table(file) and set(_ONE_HOT) <= set(header(file))


def _truths(files: Sequence[StoredFile], path: Path) -> list[StoredFile]:
    """The files of ground truth: `path` itself where it is one, else all, but of equal ones the first."""
    tables = [file for file in files if is_table(file)]
    found = [file for file in tables if file.path == path and not file.member]
    if not found:
        named = [file for file in tables if is_named(file.inner) and "groundtruth" in file.inner.stem.lower()]
        found = named or [file for file in tables if _is_one_hot(file)]
    if not found:
        raise DataError(
            f"No ground truth in {path}: neither {LOOKED_FOR}"
            + (f" (looked into {first_few([file.name for file in tables])})." if tables else "."),
            "Put the ground truth of each part beside its images.",
        )
    return _distinct(found)


def _distinct(files: Sequence[StoredFile]) -> list[StoredFile]:
    """The first of those files that have one name and one content."""
    kept = {(file.inner.name.lower(), file.read()): file for file in reversed(files)}
    return [file for file in files if file in kept.values()]


def _read_groupings(files: Sequence[StoredFile]) -> pd.DataFrame:
    """`lesion_id` and `dx_type` of the images, by image_id, from the file of lesion groupings; empty without one."""
    import pandas as pd

    named = [
        file for file in files if is_table(file) and is_named(file.inner) and "grouping" in file.inner.stem.lower()
    ]
    found = _distinct(named or [file for file in files if is_table(file) and set(_GROUPINGS) <= set(header(file))])
    if len(found) > 1:
        raise DataError(
            f"There are several files of lesion groupings: {first_few([file.name for file in found])}.",
            "Remove all but one.",
        )
    if not found:
        return pd.DataFrame(columns=["lesion_id", "dx_type"], dtype=str)
    raw = read_table(found[0], _GROUPINGS).rename(columns={"image": "image_id"})
    check_ids(raw, found[0].name)
    confirmed = raw["diagnosis_confirm_type"].str.lower()
    raw["dx_type"] = [CONFIRMATIONS.get(text, text) for text in confirmed]
    return raw.set_index("image_id")[["lesion_id", "dx_type"]]


def _read_truth(file: StoredFile, groupings: pd.DataFrame, quarantined: Collection[str]) -> _Truth:
    """The labels in a file, whichever columns it has, with the lesions that it or the groupings know."""
    raw = _read_codes(file) if "dx" in header(file) else _read_one_hot(file, quarantined)
    groupings = groupings.set_axis(groupings.index.map(as_known(raw["image_id"])))
    for column in ("lesion_id", "dx_type"):
        grouped = raw["image_id"].map(groupings[column])
        raw[column] = raw[column].mask(raw[column] == "", grouped).fillna("")
    named = frozenset(raw["image_id"])
    raw = raw[~raw["image_id"].isin([UNSCORED, *quarantined])]
    unknown = raw["lesion_id"] == ""
    raw = raw.assign(lesion_id=raw["lesion_id"].mask(unknown, raw["image_id"]))
    return _Truth(
        file=file,
        part=part_of(file),
        metadata=clean(raw, file.name),
        lesions_unknown=int(unknown.sum()),
        named=named,
        unread=() if "dx" in header(file) else tuple(name for name in header(file) if name not in _ONE_HOT),
    )


def _read_codes(file: StoredFile) -> pd.DataFrame:
    """Ground truth in the columns of HAM10000, of which only image_id and dx need be there; "" for what is not."""
    raw = read_table(file, ("image_id", "dx"))
    return raw.assign(**{column: raw.get(column, "") for column in ("lesion_id", "dx_type")})


def _read_one_hot(file: StoredFile, quarantined: Collection[str]) -> pd.DataFrame:
    """Ground truth in one column a diagnosis, in any order, of which each row marks one by 1; others may be there."""
    import pandas as pd

    raw = read_table(file, _ONE_HOT)
    others = {name: raw[name].mask(raw[name] == "", "0") for name in _OTHERS if name in raw}
    dx = marked(raw.assign(**others)[[*DIAGNOSES, *others]], file.name)
    foreign = dx.isin(_OTHERS) & ~raw["image"].isin(quarantined)
    refuse_any(
        [f"row {row} {name.upper()}" for row, name in dx[foreign].items()],
        (f"row marks a class that {NAME} does not have", f"rows mark a class that {NAME} does not have"),
        f"Remove the rows. {LEAVE_OUT}",
        file.name,
        raw["image"][foreign],
    )
    known = {"image_id": raw["image"], "dx": dx}
    return pd.DataFrame(known).assign(lesion_id="", dx_type="")


def marked(raw: pd.DataFrame, name: str) -> pd.Series[str]:
    """The column that each row of the file called `name` marks by 1; raises DataError naming rows that mark others."""
    marks = raw.apply(numbers)
    bad = ~marks.isin([0, 1]).all(axis=1) | (marks.sum(axis=1) != 1)
    refuse_any(
        [f"row {row} has {_said(raw.loc[row])}" for row in raw.index[bad]],
        (
            "row does not mark one diagnosis by 1 and the others by 0",
            "rows do not mark one diagnosis by 1 and the others by 0",
        ),
        "Ground truth is no prediction: download it again.",
        name,
    )
    return marks.idxmax(axis=1).astype("str")


def _said(row: pd.Series[str]) -> str:
    """What a row of ground truth marks, for a message."""
    said = [f"{str(column).upper()} {cell!r}" for column, cell in row.items() if cell not in ("0", "0.0", "0,0")]
    return " and ".join(said) or "none"


def _check_overlaps(truths: Sequence[_Truth]) -> None:
    """Refuse images that stand in two files of ground truth."""
    seen: dict[str, StoredFile] = {}
    for truth in truths:
        twice = [id_ for id_ in truth.metadata.frame["image_id"] if id_ in seen]
        if twice:
            by = f"named by {seen[twice[0]].name} and by {truth.file.name}"
            what = (f"image is {by}", f"images are {by}")
            refuse_any(twice, what, "An image belongs to one part: remove one of the files.")
        seen |= dict.fromkeys(truth.metadata.frame["image_id"], truth.file)


def _check_lesions(frame: pd.DataFrame) -> None:
    """Refuse lesions of which one file says another diagnosis than the next; within a file they are checked."""
    n_diagnoses = frame.groupby("lesion_id")["dx"].nunique()
    contradictory = sorted(map(str, n_diagnoses.index[n_diagnoses > 1]))
    several = "several diagnoses in several files of ground truth"
    what = (f"lesion has {several}", f"lesions have {several}")
    refuse_any(contradictory, what, "All images of a lesion have its dx.")


def _remarks(present: Sequence[_Truth], absent: Sequence[_Truth]) -> list[str]:
    """What a reader of any result must know of what was read."""
    notes = [note for truth in present for note in truth.metadata.notes]
    notes += [f"{truth.file.inner.name} is left out: none of its images is there" for truth in absent]
    notes += [
        f"columns of {truth.file.inner.name} that are not read: {first_few(truth.unread)}"
        for truth in present
        if truth.unread
    ]
    if any(UNSCORED in truth.named for truth in present):
        notes.append(f"{UNSCORED} is left out, as in the official scoring")
    unknown = {truth.part or truth.file.inner.name: truth.lesions_unknown for truth in present if truth.lesions_unknown}
    if unknown:
        counts = ", ".join(f"{n} of {part}" for part, n in unknown.items())
        notes.append(f"{LESIONS_UNKNOWN} ({counts})")
    return notes
