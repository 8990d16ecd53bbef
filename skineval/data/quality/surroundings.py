"""What is right as it is, and surprises whoever benches it: files that nobody reads, and classes of a few lesions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from skineval.base.errors import plural
from skineval.data.files import formats
from skineval.data.files.stored_files import StoredFile
from skineval.data.files.zip_archives import ignored
from skineval.data.findings import DOUBTS, Finding
from skineval.data.groups import grouped
from skineval.data.ids import doubts
from skineval.data.layouts import ham10000
from skineval.data.layouts.metadata import is_metadata
from skineval.data.spellings import of_their_own
from skineval.values.lesion_table import LesionTable

FOLDS = 5  #: of the cross-validation that is usual
IGNORED = "It is ignored; nothing needs be done if that is meant."
_START = 16  # bytes by which formats are known


def second_tables(path: Path, files: Sequence[StoredFile], metadata: str) -> Iterator[Finding]:
    """Tables with the columns of the metadata, which is called `metadata`, that are not it."""
    for file in ham10000.own(files):
        if file.listed(path) != metadata and is_metadata(file):
            what = f"has the columns of the metadata, and is not read: {metadata} is"
            yield Finding("second-table", file.listed(path), what, IGNORED, "remark")


def without_suffix(path: Path, files: Iterable[StoredFile]) -> Iterator[Finding]:
    """Files outside of archives that begin like an image and whose name has no suffix."""
    for file in files:
        if file.inner.suffix or file.member:
            continue
        try:
            with file.path.open("rb") as opened:
                format_ = formats.format_of(opened.read(_START))
        except OSError:  # nobody needs it
            continue
        if format_ is not None:
            what = f"begins like a {format_.name} image, and is not read, since its name has no suffix"
            hint = f"If it is one, add {format_.suffixes[0]} to its name."
            yield Finding("no-suffix", file.listed(path), what, hint, "remark")


def empty_folders(path: Path) -> Iterator[Finding]:
    """Folders in which nothing lies."""
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not ignored(name)]
        if not (folders or names) and Path(folder) != path:
            where = Path(folder).relative_to(path).as_posix()
            yield Finding("empty-folder", where, "is an empty folder", IGNORED, "remark")


def labels_of_their_own(path: Path, table: LesionTable) -> Iterator[Finding]:
    """Labels that may be meant for a known one, and those that say nothing."""
    for note in of_their_own(table.frame["dx"]):
        what, _, hint = note.partition("; ")
        yield Finding("label", path.name or str(path), what, f"{hint}.", "remark")


def doubtful_ids(path: Path, table: LesionTable) -> Iterator[Finding]:
    """Lesions and patients of whom it is doubtful which images they own."""
    hint = "Correct the ids if that is wrong; nothing needs be done if it is meant."
    for code, note in doubts(table.frame):
        yield Finding(code, path.name or str(path), note, hint, "remark")


def doubtful_notes(path: Path, table: LesionTable) -> Iterator[Finding]:
    """What was found when the table was read, is doubtful, and cannot be seen in it any more."""
    for doubt in DOUBTS:
        for note in table.notes:
            if doubt.says in note:
                yield Finding(doubt.code, path.name or str(path), note, doubt.hint, "remark")


def unknown_lesions(path: Path, table: LesionTable) -> Iterator[Finding]:
    """That parts of whole lesions cannot be made, which is what a bench makes by default."""
    table = grouped(table)
    if table.unit == "image":
        what = f"which lesion is shown is not known of {int(table.loose.sum()):,} of {plural(len(table), 'image')}"
        rest = "." if table.loose.all() else ", or leave out the images of which none is known: --known-lesions."
        hint = (
            "A bench of it needs --protocol image, and says LEAKY everywhere. Name the lesions, in a table with "
            f"--columns image=COLUMN,label=COLUMN,lesion=COLUMN{rest}"
        )
        yield Finding("unknown-lesions", path.name or str(path), what, hint, "remark")


def small_classes(path: Path, table: LesionTable) -> Iterator[Finding]:
    """Classes of fewer lesions, or what else is never parted, than there are folds in a usual bench."""
    table = grouped(table)
    unit = table.unit
    classes = table.frame.groupby("dx")["group"].nunique()
    few = [f"{dx} ({plural(int(n), unit)})" for dx, n in classes.items() if n < FOLDS]
    if few:
        what = f"classes of few {unit}s: {', '.join(few)}"
        hint = (
            f"A bench with one hold-out needs 3 {unit}s of each class at least, one with {FOLDS} folds {FOLDS}: join "
            "classes, or leave them out, by --task, or add images."
        )
        yield Finding("few-lesions", path.name or str(path), what, hint, "remark")
