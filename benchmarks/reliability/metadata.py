"""Row 9: metadata that contradicts itself, the images or a split."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.samples import HEADER, image_id, jpeg, row, write_folder
from skineval.base.errors import DataError
from skineval.data import quarantine
from skineval.data.layouts import recognise
from skineval.data.quality.check import check
from skineval.data.splits.dealing import split
from skineval.data.splits.given import read_split
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES

ROW = 9
LESIONS = 10  #: of each diagnosis, two images each


@dataclass(frozen=True)
class Case:
    """A fault put into rows that are in good order."""

    fault: str
    spoil: Callable[[list[str]], Sequence[str]]
    code: str  #: under which it is reported; "" where it is no fault
    missing: frozenset[str] = field(default_factory=frozenset)  #: images that are not there


def measure() -> list[Outcome]:
    """Each fault by itself, then what only the bytes of the file differ in, then a split that parts a lesion."""
    with tempfile.TemporaryDirectory() as parent:
        outcomes = [_outcome(case, Path(parent, f"case{number}")) for number, case in enumerate(CASES)]
        table = recognise.load(_write(Path(parent, "good"), rows()))
        return [*outcomes, _encodings(Path(parent), table), _parted(Path(parent), table)]


def rows() -> list[str]:
    """Two images of each of ten lesions of each diagnosis."""
    lesions = [(lesion, dx) for lesion, dx in enumerate(dx for dx in DIAGNOSES for _ in range(LESIONS))]
    return [row(2 * lesion + n, lesion_id=f"HAM_{lesion:07d}", dx=dx) for lesion, dx in lesions for n in (0, 1)]


def _write(folder: Path, lines: Sequence[str], missing: frozenset[str] = frozenset()) -> Path:
    ids = [image_id(number) for number in range(len(rows()))]
    return write_folder(folder, lines, {f"{id_}.jpg": jpeg() for id_ in ids if id_ not in missing})


def _outcome(case: Case, parent: Path) -> Outcome:
    """Whether the fault is reported, refused, and gone once the images are left out that the check lists."""
    folder = _write(parent, case.spoil(rows()), case.missing)
    checked = check(folder, recognise.load)
    named = any(finding.code == case.code for finding in checked.findings)
    refused = _refusal(folder)
    listed = quarantine.collect(checked.findings)
    mended = _mended(folder, listed)
    if not case.code:
        return Outcome(ROW, case.fault, "taken as unknown", not checked.errors and not refused)
    if not checked.errors:
        return Outcome(ROW, case.fault, f"remark {case.code}, loaded", named and not refused)
    figure = f"{case.code}, {'refused' if refused else 'not refused'}; {len(listed)} images in quarantine"
    return Outcome(ROW, case.fault, f"{figure}: {'loaded' if mended else 'refused'}", named and refused and mended)


def _refusal(folder: Path) -> bool:
    try:
        recognise.load(folder)
    except DataError:
        return True
    return False


def _mended(folder: Path, listed: Mapping[str, str]) -> bool:
    try:
        table = quarantine.load_without(recognise.load, folder, listed)
    except DataError:
        return False
    return listed.keys().isdisjoint(table.frame["image_id"])


def _encodings(parent: Path, table: LesionTable) -> Outcome:
    """The same rows written by a spreadsheet on another system are the same table."""
    text = "\n".join([HEADER, *rows()]) + "\n"
    forms = {
        "BOM": b"\xef\xbb\xbf" + text.encode(),
        "CRLF": text.replace("\n", "\r\n").encode(),
        "BOM and CRLF": b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
        "tabs": text.replace(",", "\t").encode(),
        "semicolons and decimal commas": text.replace(",", ";").replace(".0;", ",0;").encode(),
        "UTF-16": text.encode("utf-16"),
        "file names for ids": re.sub(r"(ISIC_\d+)", r"images/\1.JPG", text).encode(),
        "quotes": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.split()).encode(),
    }
    same = 0
    for name, content in forms.items():
        folder = _write(parent / name, rows())
        (folder / "HAM10000_metadata.csv").write_bytes(content)
        same += recognise.load(folder).fingerprint == table.fingerprint
    return Outcome(ROW, ", ".join(forms), f"{same}/{len(forms)} the same table", same == len(forms))


def _parted(parent: Path, table: LesionTable) -> Outcome:
    """A lesion in two parts: none where the program makes the split, refused where somebody else did."""
    made = split(table)
    leaks = _parted_lesions(made.frame)
    path = parent / "split.csv"
    spoiled = made.frame.copy()
    train = spoiled.index[spoiled["part"] == "train"][0]
    spoiled.loc[train, "part"] = "test"
    spoiled.to_csv(path, index=False)
    try:
        read_split(path, table)
        refused = False
    except DataError as error:
        refused = "lesion" in str(error) or "group" in str(error)
    figure = (
        f"{leaks} lesions parted by the split made here; a split that parts one {'refused' if refused else 'taken'}"
    )
    return Outcome(ROW, "a lesion across parts", figure, refused and not leaks)


def _parted_lesions(frame: object) -> int:
    import pandas as pd

    assert isinstance(frame, pd.DataFrame)
    return int((frame.groupby(["fold", "group"])["part"].nunique() > 1).sum())


CASES = (
    Case("an image_id twice", lambda good: [*good, good[3]], "repeated-image-id"),
    Case("unknown dx", lambda good: [row(0, dx="scc"), *good[1:]], "unknown-dx"),
    Case("empty dx", lambda good: [row(0, dx=""), *good[1:]], "unknown-dx"),
    Case("age that is none", lambda good: [row(0, dx="akiec", age="old"), *good[1:]], "unusable-age"),
    Case("negative age", lambda good: [row(0, dx="akiec", age="-5"), *good[1:]], "unusable-age"),
    Case("NaN age", lambda good: [row(0, dx="akiec", age="NaN"), *good[1:]], ""),
    Case("two diagnoses of one lesion", lambda good: [row(0, dx="mel"), *good[1:]], "contradictory-dx"),
    Case("missing images", lambda good: good, "missing-image", frozenset({image_id(0), image_id(7)})),
    Case("no row of a class", lambda good: [line for line in good if ",vasc," not in line], "absent-class"),
    Case("image without row", lambda good: good[1:], "orphaned-image"),
)
