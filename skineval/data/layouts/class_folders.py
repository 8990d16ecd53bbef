"""Images sorted into one folder a class, perhaps below train, validation and test, read into a lesion table."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from skineval.base.errors import DataError
from skineval.base.terms import DIAGNOSES, DIAGNOSIS_NAMES
from skineval.data.files.formats import NAMES
from skineval.data.files.stored_files import StoredFile, scan
from skineval.data.findings import refuse_any
from skineval.data.layouts import pictures
from skineval.data.layouts.metadata import IDENTIFIER, LESIONS_UNKNOWN, bare_frame
from skineval.data.layouts.pictures import is_mask, is_picture
from skineval.data.spellings import DIAGNOSES_BY_NAME, PARTS_BY_NAME, guess, image_id, plain
from skineval.values.lesion_table import LesionTable

LOOKED_FOR = f"folders of {NAMES} images called {', '.join(DIAGNOSES)}, or by the names of these diagnoses"
MOVE = "Move it into the folder of its class, or correct its dx."  #: what to do with an image that is misplaced
STEM = 48  #: characters that an id keeps of a file name which is none


@dataclass(frozen=True)
class _Placed:
    """An image file and what the folders above it say."""

    file: StoredFile
    dx: str
    part: str  #: "" where no folder says


def recognise(files: Sequence[StoredFile], path: Path) -> bool:
    """Whether an image lies below a folder that is called like a class."""
    return any(_classes(file, path) for file in files if is_picture(file))


def load(path: Path) -> LesionTable:
    """Read images from class folders in a folder or in zip archives. `official` holds the parts where folders say them.

    An image is known by the name of its file, or an id made of it where that is no id. Rows are sorted by image_id.
    Raises DataError for folders of other names, for files of one name, and where some images alone lie below parts.
    """
    files = scan(path)
    unused = pictures.look_like_masks(files)
    images = [file for file in files if is_picture(file) and file not in unused and not is_mask(file)]
    loose = [file for file in images if not _folders(file, path)]
    placed = _place([file for file in images if file not in set(loose)], path)
    by_id = dict(sorted(_identified(placed).items()))
    official = tuple(one.part for one in by_id.values())
    if any(official) and not all(official):
        outside = [one.file.name for one in by_id.values() if not one.part]
        what = f"images lie below none of {path}'s folders for train, validation or test"
        refuse_any(outside, what, "Move them into a part, or give one part alone.")
    frame = bare_frame(list(by_id), [one.dx for one in by_id.values()])
    notes = [LESIONS_UNKNOWN]
    notes += [f"{len(unused)} images called like masks of others are ignored"] if unused else []
    notes += [f"{len(loose)} images outside of class folders are ignored"] if loose else []
    return pictures.attach(frame, [one.file for one in by_id.values()], files).table(
        path.resolve().name,
        f"one folder a class{', below the parts' if all(official) else ''}",
        notes,
        lesions_known=False,
        official=official if all(official) else None,
    )


def misplaced(
    diagnoses: Mapping[str, str], files: Iterable[StoredFile], path: Path
) -> Iterator[tuple[StoredFile, str, str]]:
    """Image files below a folder of another class than their diagnosis, which is given by image id.

    Each with its image id and that class.
    """
    for file in files:
        id_ = file.inner.stem
        if id_ in diagnoses and is_picture(file):
            yield from ((file, id_, dx) for dx in _classes(file, path) if dx != diagnoses[id_])


def _folders(file: StoredFile, path: Path) -> tuple[str, ...]:
    """The names of the folders above a file, from the outermost below `path`, as they are compared."""
    return tuple(map(plain, file.below(path).parts[:-1]))


def _classes(file: StoredFile, path: Path) -> list[str]:
    return [dx for folder in _folders(file, path) if (dx := DIAGNOSES_BY_NAME.get(folder))]


def _place(files: Sequence[StoredFile], path: Path) -> list[_Placed]:
    """Class and part of each image."""
    unknown: dict[str, int] = {}
    placed = []
    for file in files:
        classes = _classes(file, path)
        if len(set(classes)) > 1:
            raise DataError(
                f"{file.name} lies below folders of the classes {' and '.join(classes)}.", "Move it into one of them."
            )
        if not classes:
            folder = file.below(path).parts[-2]
            unknown[folder] = unknown.get(folder, 0) + 1
            continue
        parts = [PARTS_BY_NAME[folder] for folder in _folders(file, path) if folder in PARTS_BY_NAME]
        placed.append(_Placed(file, classes[0], parts[-1] if parts else ""))
    refuse_any(
        [f"{name!r}{guess(plain(name))}, with {count} images" for name, count in unknown.items()],
        "folders are called like no class",
        f"Call folders {', '.join(f'{dx} ({name})' for dx, name in DIAGNOSIS_NAMES.items())}, or move others away.",
        str(path),
    )
    return placed


def _identified(placed: Sequence[_Placed]) -> dict[str, _Placed]:
    """Images by id."""
    by_id: dict[str, _Placed] = {}
    repeated = []
    for one in placed:
        id_ = identifier(image_id(one.file.inner.name))
        if id_ in by_id:
            repeated.append(f"{by_id[id_].file.name} and {one.file.name}")
        by_id.setdefault(id_, one)
    hint = "Images are known by their names: rename one of each pair, or remove it where both are the same image."
    refuse_any(repeated, "images have the name of another one", hint)
    return by_id


def identifier(stem: str) -> str:
    """`stem` itself where it is an id; else what is left of it, with a hash that tells similar names apart."""
    if IDENTIFIER.fullmatch(stem):
        return stem
    name = unicodedata.normalize("NFC", stem)
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', name)[:STEM]}-{digest}"
