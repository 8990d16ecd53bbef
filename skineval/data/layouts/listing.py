"""Rows that say what each image shows, whoever wrote them: labels and lesions read, and the lesion table made of them.

A frame of rows has the number of each in its file as index, and the columns `image_id`, `dx`, `lesion_id`, perhaps
those that `clean` knows besides, and `part`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skineval.base.errors import first_few, plural
from skineval.data.files.stored_files import StoredFile
from skineval.data.findings import MISPLACED, UNPARTED
from skineval.data.groups import make_groups
from skineval.data.ids import is_unnamed, within_patients
from skineval.data.layouts import pictures
from skineval.data.layouts.class_folders import misplaced
from skineval.data.layouts.metadata import LESIONS_UNKNOWN, clean
from skineval.data.spellings import image_id, label_name, read_as_one
from skineval.data.tables import GivenTable
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES

if TYPE_CHECKING:
    import pandas as pd


def labelled(table: GivenTable, name: Callable[[str], str] = label_name) -> tuple[pd.Series[str], tuple[str, ...]]:
    """The label of each row, which `name` makes of its text in `dx`; with it a note on texts that are read as one.

    Raises DataError naming the row of a text of which no label can be made.
    """
    written = table.frame["dx"]
    read = {text: name(text) for text in written.unique()}
    nameless = [text for text, label in read.items() if not label]
    what = "has neither letter nor digit"
    table.refuse(written.isin(nameless), lambda row: f"the label {written.iloc[row]!r} {what}", "Give it a name.")
    return written.map(read), read_as_one(read)


def with_lesions(rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...], bool]:
    """The rows with each image as its own lesion where `lesion_id` is "" or not there.

    With them notes, and whether the lesion of each image is known: of none where all bear the id of their image.
    """
    if "lesion_id" not in rows:
        return rows.assign(lesion_id=rows["image_id"]), (LESIONS_UNKNOWN,), False
    rows, notes = within_patients(rows)
    unknown = rows["lesion_id"].map(is_unnamed).astype(bool)
    unknown |= bool((rows["lesion_id"].map(image_id) == rows["image_id"]).all())
    count = f" ({plural(int(unknown.sum()), 'image')})" if not unknown.all() else ""
    known = rows.assign(lesion_id=rows["lesion_id"].mask(unknown, rows["image_id"]))
    return known, (*notes, f"{LESIONS_UNKNOWN}{count}") if unknown.any() else notes, not unknown.any()


def lesion_table(
    rows: pd.DataFrame,
    source: str,
    files: Sequence[StoredFile],
    path: Path,
    *,
    name: str,
    layout: str,
    notes: Iterable[str],
    left_out: Collection[str] = (),
    pairs: Sequence[tuple[str, str]] = (),
    alike: bool = True,
    named: pictures.Named = pictures.BY_NAME,
    labels: tuple[str, ...] = (),
    **known: Any,
) -> LesionTable:
    """The data set `name` of these rows, read from the file called `source`, with its images among `files` in `path`.

    `labels` are what the data set tells apart: by default the diagnoses of HAM10000 where they hold all that is there.
    `left_out` are ids of images that may lie there without a row, `pairs` those of images of one lesion, and `known`
    further fields of the table; `alike` is that of `clean`, and `named` that of `pictures.find`. Raises DataError
    naming the row or the file that is wrong.
    """
    if not labels:
        found = sorted(set(rows["dx"]))
        labels = DIAGNOSES if set(found) <= set(DIAGNOSES) else tuple(found)
    metadata = clean(rows, source, labels, alike=alike)
    frame = metadata.frame
    if pairs:
        frame = frame.assign(group=make_groups(frame["image_id"].tolist(), frame["group"].tolist(), pairs))
    listed = pictures.Listed(source, metadata.rows)
    collected = pictures.collect(frame, files, path, left_out=left_out, named=named, listed=listed)
    parts = dict(zip(rows["image_id"], rows["part"], strict=True)) if "part" in rows else {}
    without = sum(not part for part in parts.values())
    if 0 < without < len(parts):
        notes = (*notes, UNPARTED.note(f"{without} of {plural(len(parts), 'image')} have none"))
    table = collected.table(
        name,
        layout,
        [*metadata.notes, *notes, *_misplaced(rows, files, path)],
        labels,
        official=tuple(parts[id_] for id_ in frame["image_id"]) if parts and all(parts.values()) else None,
        zero_ages=metadata.zero_ages,
        **known,
    )
    if not table.malignancy:
        return table
    # It may decide of which class an image is, and no column of the frame holds it.
    said = "\n".join([table.fingerprint, *map(str, sorted(table.malignancy.items()))])
    return replace(table, fingerprint=hashlib.sha256(said.encode()).hexdigest())


def _misplaced(rows: pd.DataFrame, files: Sequence[StoredFile], path: Path) -> Iterator[str]:
    """A note on images in folders of other classes than the table says."""
    labels = dict(zip(rows["image_id"], rows["dx"], strict=True))
    wrong = [f"{id_} is {labels[id_]}, below {dx}" for _, id_, dx in misplaced(labels, files, path)]
    if wrong:
        yield MISPLACED.note(f"{len(wrong)}, {first_few(wrong)}")
