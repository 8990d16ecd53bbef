"""DermaMNIST of MedMNIST v2 in any of its sizes, read into a lesion table from its npz file.

Yang et al.: "MedMNIST v2", Scientific Data 10:41 (2023), doi:10.1038/s41597-022-01721-8. Its images are those of
HAM10000 scaled down, without image ids and lesion ids. Its official split has images of one lesion in several parts
(Abhishek, Jain, Hamarneh, Scientific Data 12:196, 2025).
"""

from __future__ import annotations

import tempfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, first_few
from skineval.base.files import disk_error
from skineval.base.places import cache_folder
from skineval.data.files import npz
from skineval.data.files.formats import MAX_PIXELS
from skineval.data.files.npz import Member
from skineval.data.files.stored_files import StoredFile, scan
from skineval.data.findings import refuse_any
from skineval.data.layouts.images import ArrayImages
from skineval.data.layouts.metadata import LESIONS_UNKNOWN, bare_frame
from skineval.data.layouts.pictures import in_arrays
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES

NAME = "DermaMNIST"
LICENCE = "CC BY-NC 4.0"
LOOKED_FOR = "dermamnist.npz, dermamnist_64.npz, ... with the arrays train_images, train_labels, val_images, ..."
MAX_IMAGES = 1_000_000  #: of one part
#: Images of each part as published.
SIZES = {"train": 7007, "validation": 1003, "test": 2005}
NOTES = (
    LESIONS_UNKNOWN,
    "the official split has images of one lesion in several parts; without lesion ids nobody can check a result on it",
    "images are known by part and place alone: copies in other data sets are found by content only",
)

#: Part -> how its arrays are called; in the order of the names of the parts, so that ids are sorted.
_PREFIXES = {"test": "test", "train": "train", "validation": "val"}
_KEYS = frozenset(f"{prefix}_{kind}" for prefix in _PREFIXES.values() for kind in ("images", "labels"))


class Unpacked:
    """The images of several arrays, by row, in a file without a name that is mapped and not loaded.

    It is made when the first image is asked for, in the cache folder, where the pixel store of these images will go
    too. Each image is checked against the checksum that it had when the table was loaded.
    """

    def __init__(self, members: Sequence[Member], checksums: Sequence[int]) -> None:
        self._members = tuple(members)
        self._checksums = tuple(checksums)
        self._lock = threading.Lock()
        self._map: NDArray[np.uint8] | None = None

    def __reduce__(self) -> tuple[type[Unpacked], tuple[object, ...]]:
        # Another process unpacks them again: a pickled map would carry a copy of every pixel.
        return Unpacked, (self._members, self._checksums)

    def __call__(self, row: int) -> NDArray[np.uint8]:
        """Image `row`, (H, W, 3) or (H, W)."""
        with self._lock:
            if self._map is None:
                self._map = self._unpack()
        image: NDArray[np.uint8] = self._map[row]
        if zlib.crc32(image.data) != self._checksums[row]:
            raise DataError(
                f"{self._members[0].path} does not have the content that it had when it was read first.",
                "Restore the file.",
            )
        return image

    def _unpack(self) -> NDArray[np.uint8]:
        folder = cache_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                for member in self._members:
                    for record in member.records():
                        file.write(record)
                file.flush()
                shape = (len(self._checksums), *self._members[0].shape[1:])
                return np.memmap(file, dtype=np.uint8, mode="r", shape=shape)
        except OSError as error:
            raise disk_error(folder, error) from error


def recognise(files: Sequence[StoredFile], path: Path) -> bool:
    """Whether a file is an npz file of MedMNIST's arrays."""
    return any(map(_is_medmnist, files))


def load(path: Path) -> LesionTable:
    """Read a DermaMNIST npz file, or the only one in a folder.

    Ids are made of part and place in the file. `official` holds the parts. Memory stays small: pixels are read once for
    their checksums here, and unpacked when they are asked for. Raises DataError naming the array that is wrong.
    """
    source = _only([file for file in scan(path) if _is_medmnist(file)], path)
    images = {part: _images(npz.member(source, f"{prefix}_images")) for part, prefix in _PREFIXES.items()}
    labels = {part: _labels(source, f"{prefix}_labels", images[part]) for part, prefix in _PREFIXES.items()}
    sizes = {part: member.shape[0] for part, member in images.items()}
    _check_identity(source, sizes)
    shape = _common_shape(list(images.values()))
    codes = np.concatenate(list(labels.values()))
    parts = [part for part, size in sizes.items() for _ in range(size)]
    ids = [f"dermamnist_{part}_{n:07d}" for part, size in sizes.items() for n in range(size)]
    frame = bare_frame(ids, [DIAGNOSES[code] for code in codes])
    checksums = [zlib.crc32(record) for member in images.values() for record in member.records()]
    stride = images["train"].stride
    unpacked = ArrayImages(Unpacked(list(images.values()), checksums), shape)
    return in_arrays(frame, unpacked, ((checksum, stride) for checksum in checksums)).table(
        NAME,
        f"{NAME} npz, {unpacked.kind}",
        (*NOTES, *_odd_sizes(sizes)),
        licence=LICENCE,
        lesions_known=False,
        official=tuple(parts),
    )


def _is_medmnist(file: StoredFile) -> bool:
    return not file.member and file.inner.suffix.lower() == ".npz" and set(npz.keys(file.path)) >= _KEYS


def _only(files: Sequence[StoredFile], path: Path) -> Path:
    if len(files) != 1:
        seen = f"several ({first_few([file.inner.name for file in files])})" if files else "none"
        raise DataError(f"One npz file of {NAME} is needed, and {path} holds {seen}.", "Give the file itself.")
    return files[0].path


def _images(member: Member) -> Member:
    """The same member, which holds images (N, H, W, 3) or (N, H, W), uint8, at least one."""
    shaped = len(member.shape) == 3 or (len(member.shape) == 4 and member.shape[3] == 3)
    if member.dtype != np.uint8 or not shaped or 0 in member.shape:
        raise DataError(
            f"{member.name} is {member.dtype} of the shape {member.shape}: no images (N, H, W, 3) of uint8.",
            "Download the file again.",
        )
    if member.shape[0] > MAX_IMAGES:
        raise DataError(f"{member.name} has {member.shape[0]} images, too many to be meant.", "Remove the file.")
    if member.shape[1] * member.shape[2] > MAX_PIXELS:
        raise DataError(
            f"{member.name} has {member.shape[2]} x {member.shape[1]} pixels an image, more than "
            f"{MAX_PIXELS // 1_000_000} million.",
            "Download the file again.",
        )
    return member


def _labels(path: Path, key: str, images: Member) -> NDArray[np.int64]:
    """The labels of some images, (N,): positions in `DIAGNOSES`, which MedMNIST orders alike."""
    member = npz.member(path, key)
    n = images.shape[0]
    if member.dtype.kind not in "iu" or member.shape not in ((n,), (n, 1)):
        raise DataError(
            f"{member.name} is {member.dtype} of the shape {member.shape}: not one whole number an image, of {n}.",
            "Download the file again.",
        )
    # What is too large for int64 becomes negative, which is foreign too.
    values = member.read().reshape(n).astype(np.int64)
    foreign = np.flatnonzero((values < 0) | (values >= len(DIAGNOSES)))
    refuse_any(
        [f"{values[place]} at {place}" for place in foreign],
        (f"label is none of 0 to {len(DIAGNOSES) - 1}", f"labels are none of 0 to {len(DIAGNOSES) - 1}"),
        f"{NAME} has the seven classes {', '.join(DIAGNOSES)}: this file is damaged, or another set of MedMNIST.",
        member.name,
    )
    return values


def _check_identity(path: Path, sizes: dict[str, int]) -> None:
    """Refuse a file that may be another set of MedMNIST, of which the arrays are called and shaped alike."""
    if sizes != SIZES and not path.name.lower().startswith(NAME.lower()):
        counts = ", ".join(f"{n} {part}" for part, n in sizes.items())
        raise DataError(
            f"{path} is laid out like any set of MedMNIST ({counts} images), and nothing says that it is {NAME}.",
            f"If its labels are 0 to 6 for {', '.join(DIAGNOSES)}, call it {NAME.lower()}_*.npz.",
        )


def _common_shape(members: Sequence[Member]) -> tuple[int, ...]:
    shapes = {member.shape[1:] for member in members}
    if len(shapes) > 1:
        described = [f"{member.name} {member.shape}" for member in members]
        raise DataError(f"The parts have images of several shapes: {first_few(described)}.", "Download the file again.")
    return shapes.pop()


def _odd_sizes(sizes: dict[str, int]) -> Iterator[str]:
    if sizes != SIZES:
        found, published = (", ".join(f"{n[part]:,} {part}" for part in SIZES) for n in (sizes, SIZES))
        yield f"not {NAME} as published: {found} images instead of {published}"
