"""Row 8: image and lesion ids that lead elsewhere, are not what they look like, or are code to whoever reads them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.samples import image_id, jpeg, row, write_folder
from skineval.base.errors import DataError
from skineval.data import quarantine
from skineval.data.layouts import recognise
from skineval.data.quality.check import check

ROW = 8
KINDS = {
    "path traversal": ("../../etc/passwd", "..", "a/../b", "..\\..\\x"),
    "absolute": ("/etc/passwd", "C:x", "\\\\host\\share", "~root"),
    "NUL and control characters": ("a\0b", "ISIC_1\x1b[2J", "a\tb", "\x7f"),
    "length": ("x" * 65, "x" * 300),
    "unicode look-alikes": ("IS\u0406C_0000001", "ISIC_\u0660", "ISIC\u200b_1", "ISIC_1\u202e", "\u2024\u2024"),
    "code": ("=cmd()", "[/]", "$(id)", "`id`", "<img src=x>", "%n"),
    "nothing": ("", " ", ".hidden"),
}


def measure() -> list[Outcome]:
    """Each id in a row between good ones, once as image_id and once as lesion_id."""
    return [_outcome(kind, ids) for kind, ids in KINDS.items()]


def _outcome(kind: str, ids: tuple[str, ...]) -> Outcome:
    refused = sum(is_refused(id_, column) for id_ in ids for column in ("image_id", "lesion_id"))
    return Outcome(ROW, f"ids: {kind}", f"{refused}/{2 * len(ids)} refused, with their row", refused == 2 * len(ids))


def is_refused(id_: str, column: str) -> bool:
    """Whether check and loader name the row, print nothing of the id that acts, and list only ids that are safe."""
    with tempfile.TemporaryDirectory() as parent:
        rows = [row(0), row(1, **{column: id_}), row(2)]
        folder = write_folder(Path(parent, "data"), rows, {f"{image_id(n)}.jpg": jpeg() for n in range(3)})
        findings = check(folder, recognise.load).errors
        named = [one for one in findings if one.code == f"unusable-{column.replace('_', '-')}"]
        listed = quarantine.collect(findings)
        try:
            recognise.load(folder)
            return False
        except DataError as error:
            message = error.message
    acting = any(character in message + named[0].what for character in "\0\x1b\u200b\u202e") if named else True
    return (
        len(named) == 1
        and named[0].where.endswith(", row 3")
        and "row 3" in message
        and not acting
        and (listed.keys() <= {image_id(n) for n in range(3)})
    )
