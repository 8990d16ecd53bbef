"""Images of one data set that are the same file under several names: they must neither count twice nor be parted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from skineval.base.errors import DataError, first_few
from skineval.base.terms import PARTS
from skineval.data.files.stored_files import StoredFile
from skineval.data.findings import LEAVE_OUT
from skineval.data.groups import make_groups, with_groups
from skineval.values.lesion_table import PATIENT, Images, LesionTable, leaf


def count_once(table: LesionTable) -> LesionTable:
    """The table with each picture once, as far as files agree byte for byte; notes say how many are left out.

    A copy of which more is known than its picture stays, in one group with it. Raises DataError for a picture that has
    several labels, or lies in several of the parts that the data set itself makes.
    """
    copies, official = list(_copies(table)), table.official
    _refuse(
        table,
        copies,
        table.frame["dx"].tolist(),
        "pictures are there with several labels",
        "Correct the label.",
        "several-labels",
    )
    if official is not None:
        # What was learned from is no test any more: the copy in the earliest part may stay.
        copies = [sorted(rows, key=lambda row: (*PARTS, official[row]).index(official[row])) for rows in copies]
        _refuse(
            table, copies, official, "pictures are there in several parts", "Keep each in one part.", "several-parts", 1
        )
    alone = table.alone
    patients = table.frame.get(PATIENT)
    known = [sorted(rows, key=lambda row: bool(alone[row])) for rows in copies]
    spare = {
        row
        for first, *others in known
        for row in others
        if alone[row] and (patients is None or patients.iloc[row] in ("unknown", patients.iloc[first]))
    }
    if not spare:
        return join_copies(table)
    kept = table.take([row for row in range(len(table)) if row not in spare])
    note = f"copies of other images, byte for byte, which are left out: {len(spare)}"
    return join_copies(replace(kept, notes=(*table.notes, note)))


def join_copies(table: LesionTable) -> LesionTable:
    """The table with all images of one content in one group; a note says how many groups that joined."""
    ids, dx = table.frame["image_id"].tolist(), table.frame["dx"].tolist()
    copies = list(_copies(table))
    pairs = [(ids[first], ids[row]) for first, *others in copies for row in others]
    groups = make_groups(ids, table.frame["group"].tolist(), pairs)
    joined = int(table.frame["group"].nunique()) - len(set(groups))
    torn = [" and ".join(f"{ids[row]} ({dx[row]})" for row in rows) for rows in copies if _differ(rows, dx)]
    notes = [f"copies of other images, byte for byte, which join lesions: {joined}"] if joined else []
    notes += [f"pictures with several labels: {len(torn)}, {first_few(torn)}"] if torn else []
    return replace(with_groups(table, groups), notes=(*table.notes, *notes))


def file_of(images: Images, row: int) -> StoredFile | None:
    """The file of an image; None where images do not lie in files of their own."""
    found, place = leaf(images, row)
    file = getattr(found, "files", {place: None})[place]
    return file if isinstance(file, StoredFile) else None


def content(images: Images, row: int) -> bytes | None:
    """The file of one image as it is stored; None where images do not lie in files of their own."""
    file = file_of(images, row)
    return None if file is None else file.read()


def _copies(table: LesionTable) -> Iterator[list[int]]:
    """The rows of each file that is there more than once."""
    suspects: dict[tuple[int, int | None], list[tuple[int, StoredFile]]] = defaultdict(list)
    for row in range(len(table)):
        file = file_of(table.images, row)
        if file is not None:
            suspects[file.size, file.crc].append((row, file))
    for found in suspects.values():
        contents: dict[bytes, list[int]] = defaultdict(list)
        for row, file in found if len(found) > 1 else ():  # checksums may agree by chance
            contents[file.read()].append(row)
        yield from (rows for rows in contents.values() if len(rows) > 1)


def _differ(rows: Sequence[int], said: Sequence[str]) -> bool:
    return len({said[row] for row in rows}) > 1


def _refuse(
    table: LesionTable,
    copies: Sequence[Sequence[int]],
    said: Sequence[str],
    what: str,
    hint: str,
    code: str,
    first: int = 0,
) -> None:
    """Raise DataError for copies of which not the same is `said`; from the `first` on, to leave them out helps."""
    wrong = [rows for rows in copies if _differ(rows, said)]
    if wrong:
        names = [" and ".join(f"{_name(table, row)} ({said[row]})" for row in rows) for rows in wrong]
        ids = table.frame["image_id"].iloc[[row for rows in wrong for row in rows[first:]]]
        raise DataError(f"{len(wrong)} {what}: {first_few(names)}.", f"{hint} {LEAVE_OUT}", ids, code)


def _name(table: LesionTable, row: int) -> str:
    file = file_of(table.images, row)
    return file.name if file is not None else str(table.frame["image_id"].iloc[row])
