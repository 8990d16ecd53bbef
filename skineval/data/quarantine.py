"""Images to leave out of a bench: a list that `skineval data check` writes, a person may edit, and a bench reads."""

from __future__ import annotations

import csv
import inspect
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skineval.data.findings import Finding
from skineval.data.lesions import LesionTable, subset
from skineval.errors import DataError, some
from skineval.files import atomic_write

COLUMNS = ("image_id", "reason")
KEYWORD = "quarantined"  #: by which a loader takes the ids that it is to pass over

_AGAIN = "Make the list again with: skineval data check DIR --quarantine FILE"


@dataclass(frozen=True)
class Quarantine:
    """Images to leave out, with the reason for each."""

    reasons: Mapping[str, str]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self.reasons)

    @property
    def note(self) -> str:
        """What every report says of it."""
        return f"{len(self.reasons)} images in quarantine were left out"


def collect(findings: Iterable[Finding]) -> Quarantine:
    """The images without which none of the errors remains that can be mended by leaving images out, by id."""
    codes: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        if finding.severity == "error":
            for id_ in finding.image_ids:
                codes[id_].append(finding.code)
    return Quarantine({id_: "; ".join(dict.fromkeys(codes[id_])) for id_ in sorted(codes)})


def write(path: Path, quarantine: Quarantine) -> None:
    """Write a CSV file with the columns `COLUMNS`. Raises DiskError where it cannot be written."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([COLUMNS, *quarantine.reasons.items()])
    atomic_write(path, buffer.getvalue())


def read(path: Path) -> Quarantine:
    """The list in the CSV file at `path`: a column image_id, and perhaps reason; further columns are ignored.

    Raises DataError naming the row (the header is row 1) for a file that is no such list.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = [row for row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), start=1) if row[1]]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file: {error}.", _AGAIN) from error
    header = [field.strip().lower() for field in rows[0][1]] if rows else []
    if "image_id" not in header:
        raise DataError(f"{path} has no column image_id (it has {some(header) or 'none'}).", _AGAIN)
    reasons: dict[str, str] = {}
    for number, fields in rows[1:]:
        named = dict(zip(header, fields, strict=False))
        id_ = named.get("image_id", "").strip()
        if not id_:
            raise DataError(f"{path}, row {number} names no image.", "Remove the row.")
        if id_ in reasons:
            raise DataError(f"{path}, row {number} repeats {id_[:80]!r}.", "Remove the row.")
        reasons[id_] = named.get("reason", "").strip()
    return Quarantine(reasons)


def load_without(load: Callable[..., LesionTable], path: Path, quarantine: Quarantine) -> LesionTable:
    """The table that `load` reads from `path`, less the images in quarantine, with a note on how many there are.

    An empty list changes nothing. Raises DataError for ids that the data set does not hold.
    """
    if not quarantine.reasons:
        return load(path)
    table = load_leaving_out(load, path, quarantine.ids)
    return replace(table, notes=(*table.notes, quarantine.note))


def load_leaving_out(load: Callable[..., LesionTable], path: Path, ids: frozenset[str]) -> LesionTable:
    """The table that `load` reads from `path`, less the images `ids`.

    A loader with a parameter `quarantined` never looks at those images, so that they may be missing or damaged; what
    any other one loads is reduced afterwards.
    """
    if KEYWORD in inspect.signature(load).parameters:
        return load(path, **{KEYWORD: ids})
    return _reduced(load(path), ids)


def apply(table: LesionTable, quarantine: Quarantine) -> LesionTable:
    """`table` less the images in quarantine, with a note on how many there are; its fingerprint is another one.

    An empty list changes nothing. Raises DataError for ids that the table does not hold, and where no image is left.
    """
    if not quarantine.reasons:
        return table
    return replace(_reduced(table, quarantine.ids), notes=(*table.notes, quarantine.note))


def _reduced(table: LesionTable, ids: frozenset[str]) -> LesionTable:
    if not ids:
        return table
    require_known(ids, table.frame["image_id"], table.name)
    kept = np.flatnonzero(~table.frame["image_id"].isin(ids))
    if not len(kept):
        raise DataError(f"All {len(table)} images of {table.name} are in quarantine.", "Restore the images.")
    return subset(table, kept)


def require_known(ids: Iterable[str], known: Iterable[str], name: str) -> None:
    """Raise DataError for ids in quarantine that are not among the known ones of the data set called `name`."""
    unknown = sorted(set(ids) - set(known))
    if unknown:
        raise DataError(
            f"{len(unknown)} images in quarantine are not in {name}: {some(unknown)}.",
            "The list may be that of another data set: make it again with skineval data check --quarantine.",
        )
