"""Images to leave out of a bench: a list that `skineval data check` writes, a person may edit, and a bench reads."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from skineval.base.errors import DataError, first_few, plural
from skineval.base.files import write_new
from skineval.data import tables
from skineval.data.findings import Finding
from skineval.data.spellings import image_id
from skineval.values.lesion_table import LesionTable

NOTHING_LEFT = "nothing-left"  #: code of the error on a data set of which all images are in quarantine
COLUMNS = ("image_id", "reason")
KEYWORD = "quarantined"  #: by which a loader takes the ids that it is to pass over


class QuarantineError(DataError):
    """Ids in quarantine that a data set does not hold."""

    def __init__(self, message: str, hint: str, ids: Iterable[str]) -> None:
        super().__init__(message, hint)
        self.ids = frozenset(ids)


_AGAIN = "Make the list again with: skineval data check DIR --quarantine FILE"


def collect(findings: Iterable[Finding]) -> dict[str, str]:
    """The images without which no error remains that leaving images out can mend: the reason for each, by id."""
    codes: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        if finding.severity == "error":
            for id_ in finding.image_ids:
                codes[id_].append(finding.code)
    return {id_: "; ".join(dict.fromkeys(codes[id_])) for id_ in sorted(codes)}


def write(path: Path, reasons: Mapping[str, str], *, replace: bool) -> None:
    """Write a CSV file with the columns `COLUMNS`, as `write_new` does. Raises DiskError where it cannot be written."""
    import pandas as pd

    write_new(
        path, pd.DataFrame(reasons.items(), columns=COLUMNS).to_csv(index=False, lineterminator="\n"), replace=replace
    )


def read(path: Path) -> dict[str, str]:
    """The reasons by id in the table at `path`: a column image_id, and perhaps reason; further columns are ignored.

    Raises DataError naming the row (the header is row 1) for a file that is no such list.
    """
    table = tables.read_file(path, _AGAIN, pad=True).lowered().identified()
    table.refuse_denials(known=("reason",))
    ids = table.frame["image_id"].tolist()
    table.refuse_repeats(ids, "Remove the row.")
    return dict(zip(ids, table.frame.get("reason", [""] * len(ids)), strict=True))


def load_without(load: Callable[..., LesionTable], path: Path | None, reasons: Mapping[str, str]) -> LesionTable:
    """The table that `load` reads from `path`, less the images in quarantine, with a note on how many there are.

    An empty list changes nothing. Raises DataError for ids that the data set does not hold, and where none is left.
    """
    if not reasons:
        return load(path)
    table = load_leaving_out(load, path, frozenset(reasons))
    note = plural(
        len(reasons),
        "image in quarantine was left out, and joins no lesions or patients that only it connects",
        "images in quarantine were left out, and join no lesions or patients that only they connect",
    )
    return replace(table, notes=(*table.notes, note))


def load_leaving_out(load: Callable[..., LesionTable], path: Path | None, ids: frozenset[str]) -> LesionTable:
    """The table that `load` reads from `path`, less the images `ids`.

    A loader with a parameter `quarantined` never looks at those images, so that they may be missing or damaged; what
    any other one loads is reduced afterwards, and has another fingerprint.
    """
    if KEYWORD in inspect.signature(load).parameters:
        return load(path, **{KEYWORD: ids})
    table = load(path)
    if not ids:
        return table
    known = table.frame["image_id"].map(image_id)
    require_known(ids, known, table.name)
    kept = np.flatnonzero(~known.isin(ids))
    if not len(kept):
        raise DataError(f"All {len(table)} images of {table.name} are in quarantine.", "Restore the images.")
    return table.take(kept)


def nothing_left(name: str) -> DataError:
    """The error on a data set, called `name`, of which all images are in quarantine."""
    return DataError(f"All images of {name} are in quarantine.", "Restore the images.", code=NOTHING_LEFT)


def require_known(ids: Iterable[str], known: Iterable[str], name: str) -> None:
    """Raise QuarantineError for ids in quarantine that are not among the known ones of the data set called `name`."""
    if strange := sorted(set(ids) - set(known)):
        raise QuarantineError(
            f"{plural(len(strange), 'image in quarantine is', 'images in quarantine are')} not in {name}: "
            f"{first_few(strange)}.",
            "Images are called as in what skineval data split --out writes. Or the list is that of another data set: "
            "make it again with skineval data check --quarantine.",
            strange,
        )
