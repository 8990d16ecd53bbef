"""HAM10000 folders as they are found in the wild, read in place into a lesion table.

Images and masks may lie in zip archives, in folders, or both. An image is read anew each time and checked against the
checksum that it had when the table was loaded.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skineval.data.decoding import decode_bytes
from skineval.data.lesions import DIAGNOSES, LesionTable
from skineval.data.metadata import find_metadata, is_metadata, read_metadata
from skineval.data.stored import StoredFile, scan, walk
from skineval.errors import DataError, some
from skineval.specs import Fit

if TYPE_CHECKING:
    import pandas as pd

PICTURES = (".jpg", ".jpeg", ".png")
MASK = "_segmentation"  #: what follows the image id in the name of a mask


@dataclass(frozen=True, eq=False)
class StoredImages:
    """The images and masks of a table, by row."""

    files: tuple[StoredFile, ...]
    segmentations: tuple[StoredFile | None, ...]

    def pixels(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
        """(n, size, size, 3) RGB. Raises DataError naming the file of an image that cannot be decoded."""
        result = np.empty((len(rows), size, size, 3), dtype=np.uint8)
        for index, row in enumerate(rows):
            file = self.files[row]
            result[index] = decode_bytes(file.read(), size, file.name, fit=fit)
        return result

    def masks(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.bool_] | None:
        """(n, size, size), True on the lesion, all False where an image has no mask; None where no image has one."""
        if not any(self.segmentations):
            return None
        result = np.zeros((len(rows), size, size), dtype=np.bool_)
        for index, row in enumerate(rows):
            file = self.segmentations[row]
            if file is not None:
                result[index] = decode_bytes(file.read(), size, file.name, "L", fit) >= 128
        return result


def recognise(path: Path) -> bool:
    """Whether `path` is a folder that holds HAM10000 metadata or images, in any layout that `load` reads."""
    if not path.is_dir():
        return False
    return any("ham10000" in str(file.path.relative_to(path)).lower() or is_metadata(file) for file in walk(path))


def load(path: Path) -> LesionTable:
    """Read a HAM10000 folder: as downloaded from Dataverse or Kaggle, zipped, extracted, or mixed.

    Rows are sorted by image_id. The fingerprint covers ids, labels and every image's content, but not how they are
    stored, nor the masks. Raises DataError naming the row (the header is row 1) or the file that is wrong.
    """
    if not path.is_dir():
        raise DataError(
            f"{path} is not a folder." if path.exists() else f"There is no folder {path}.",
            "Give the folder that holds HAM10000_metadata.csv and the images, zipped or not.",
        )
    files = scan(path)
    frame, cleaned = read_metadata(find_metadata(path, files))
    images, masks = _pictures(files)
    chosen = _checksummed(_match(frame["image_id"].tolist(), images, path))
    segmentations = tuple(masks[id_][0] if id_ in masks else None for id_ in frame["image_id"])
    return LesionTable(
        name="HAM10000" if frame["lesion_id"].str.startswith("HAM_").all() else path.resolve().name,
        frame=frame,
        images=StoredImages(chosen, segmentations),
        fingerprint=_fingerprint(frame, chosen),
        notes=(*cleaned, *_observations(frame, images, segmentations)),
    )


def _pictures(files: Iterable[StoredFile]) -> tuple[dict[str, list[StoredFile]], dict[str, list[StoredFile]]]:
    """Images and masks, by image id; each may lie there several times."""
    images: dict[str, list[StoredFile]] = defaultdict(list)
    masks: dict[str, list[StoredFile]] = defaultdict(list)
    for file in files:
        if file.inner.suffix.lower() in PICTURES:
            stem = file.inner.stem
            if stem.endswith(MASK):
                masks[stem.removesuffix(MASK)].append(file)
            else:
                images[stem].append(file)
    return images, masks


def _match(ids: Sequence[str], images: Mapping[str, Sequence[StoredFile]], path: Path) -> list[StoredFile]:
    """The file of each image."""
    missing = [id_ for id_ in ids if id_ not in images]
    if missing:
        raise DataError(
            f"{len(missing)} images named in the metadata are not in {path}: {some(missing)}.",
            f"Put them there, as {' or '.join(PICTURES)} files or in zip archives.",
        )
    for id_ in ids:
        # Copies of different size are different images; copies of equal size are taken to be equal.
        if len({file.size for file in images[id_]}) > 1:
            raise DataError(
                f"{id_} is there in several versions: {some([file.name for file in images[id_]])}.",
                "Keep one version of each image in the folder.",
            )
    return [images[id_][0] for id_ in ids]


def _checksummed(files: Sequence[StoredFile]) -> tuple[StoredFile, ...]:
    """The same files with their CRC-32, which is computed where no archive knows it."""

    def checksum(file: StoredFile) -> StoredFile:
        if file.crc is not None:
            return file
        content = file.read()
        return replace(file, size=len(content), crc=zlib.crc32(content))

    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(checksum, files))


def _fingerprint(frame: pd.DataFrame, files: Sequence[StoredFile]) -> str:
    digest = hashlib.sha256()
    for row, file in zip(frame.itertuples(index=False), files, strict=True):
        digest.update("\t".join(map(str, (*row, file.crc, file.size))).encode() + b"\n")
    return digest.hexdigest()


def _observations(
    frame: pd.DataFrame, images: Mapping[str, object], segmentations: Sequence[StoredFile | None]
) -> Iterator[str]:
    """What a reader should know about the folder although it is no error."""
    extra = len(images.keys() - set(frame["image_id"]))
    if extra:
        yield f"{extra} images without metadata are ignored"
    unmasked = segmentations.count(None)
    if 0 < unmasked < len(segmentations):
        yield f"{unmasked} images have no lesion mask"
    absent = [dx for dx in DIAGNOSES if dx not in set(frame["dx"])]
    if absent:
        yield f"no images of {', '.join(absent)}"
