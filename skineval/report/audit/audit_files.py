"""An audit as files: one JSON document, the pairs to look through, the pages, and the contact sheet."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skineval.base.files import atomic_write, write_new
from skineval.data.quality.audit import Audit, Pair
from skineval.report.audit.audit import report
from skineval.report.audit.audit_pairs import NARROW_SHEET, PICTURED, SHEET
from skineval.report.audit.contact_sheet import SIDE, Pictured, contact_sheet
from skineval.report.document import formatting, html, markdown
from skineval.values.lesion_table import LesionTable

PAIRS = "pairs.csv"
PAIR_COLUMNS = tuple(field.name for field in dataclasses.fields(Pair))


def as_json(found: Audit, stamps: Sequence[str] = ()) -> str:
    """One document, undefined figures null."""
    fields: dict[str, Any] = dataclasses.asdict(found)
    for parting, name in ((found.actual, "actual"), (found.lesion_level.parting, "lesion_level")):
        if parting is not None:
            place = fields[name] if name == "actual" else fields[name]["parting"]
            leaky = parting.leaky or (False if parting.lesions_known else None)
            place |= {"leaky": leaky, "contradictions": list(parting.contradictions)}
    for one, doubled in zip(fields["doubled"], found.doubled, strict=True):
        one["where"] = doubled.copies.where
    return json.dumps({"stamps": list(stamps), **_plain(fields)}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def pairs_csv(pairs: Sequence[Pair]) -> str:
    """pairs.csv: what a person looks through; with the wrong rows removed, it is what --groups takes."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(PAIR_COLUMNS)
    writer.writerows(dataclasses.astuple(pair) for pair in pairs)
    return buffer.getvalue()


def write(
    found: Audit, table: LesionTable, folder: Path, stamps: Sequence[str] = (), *, replace: bool = False
) -> tuple[Path, ...]:
    """Write audit.json, audit.md, audit.html, pairs.csv and the contact sheet into `folder`; returns their paths.

    pairs.csv comes first, as `write_new` writes it: a person may have removed rows of one that is there.

    Raises DiskError where a file cannot be written, DataError where an image cannot be decoded.
    """
    sheets = draw_sheets(found.candidates[:PICTURED], table) if found.candidates else {}
    page = report(found, stamps)
    files: dict[str, bytes | str] = {
        "audit.json": as_json(found, stamps),
        **sheets,
        "audit.md": markdown.document(page),
        "audit.html": html.document(page, sheets.__getitem__),
    }
    write_new(folder / PAIRS, pairs_csv(found.candidates), replace=replace)
    for name, content in files.items():
        atomic_write(folder / name, content)
    return tuple(folder / name for name in (PAIRS, *files))


def draw_sheets(pairs: Sequence[Pair], table: LesionTable) -> dict[str, bytes]:
    """The contact sheet of `pairs` for wide and for narrow pages; images are shown as squares, as they are compared."""

    def picture(id_: str) -> NDArray[np.uint8]:
        return np.squeeze(table.images.pixels(table.rows_of([id_]), SIDE), axis=0)

    pictured = [
        Pictured(
            (picture(pair.image_a), picture(pair.image_b)),
            (f"{pair.image_a} {pair.dx_a}", f"{pair.image_b} {pair.dx_b}"),
            f"contrast {formatting.decimal(pair.contrast)}, distance {formatting.decimal(pair.distance)}, "
            f"{pair.transform}",
        )
        for pair in pairs
    ]
    title = f"Similar images of {table.name}"
    return {SHEET: contact_sheet(title, pictured), NARROW_SHEET: contact_sheet(title, pictured, columns=1)}


def _plain(value: Any) -> Any:
    """What JSON can hold: undefined figures as null, text without control characters."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return formatting.plain(value) if isinstance(value, str) else value
