"""Image files and lesion masks of a data set: found by id and checksummed where they lie, and the table made of them.

They may lie in zip archives, in folders, or both. An image is read anew each time and checked against the checksum
that it had when the table was loaded.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from skineval.base.errors import SHOWN, DataError, first_few, plural
from skineval.data.files.formats import NAMES, SUFFIXES, UNREAD
from skineval.data.files.stored_files import StoredFile, convert, is_unread_archive
from skineval.data.findings import LEAVE_OUT, refuse_any
from skineval.data.ids import spelling
from skineval.data.layouts.images import StoredImages
from skineval.data.spellings import image_id
from skineval.values.lesion_table import Images, LesionTable
from skineval.values.task import DIAGNOSES

if TYPE_CHECKING:
    import pandas as pd

MASK = "_segmentation"  #: what follows the image id in the name of a mask
PH2_MASK = "_lesion"  #: what follows it in that of PH2, whose mask lies in a folder that is called like it
REGIONS = "_roi"  #: what the names of the folders end with in which PH2 has regions of one colour
Named = Mapping[StoredFile, str]  #: the ids of images whose names are not enough, and of their masks
_AS_FILES = "Write names as files have them: spreadsheets drop zeros in front of a number."
BY_NAME: Named = MappingProxyType({})
LIKE_MASKS = ("_mask", "-mask", "_seg", "-seg", "-segmentation")  #: what follows it where others name one


@dataclass(frozen=True, eq=False)
class Collected:
    """The rows of a data set with their images."""

    frame: pd.DataFrame
    images: Images
    fingerprint: str
    where: str = ""  #: where image files lie, in words
    notes: tuple[str, ...] = ()  #: what a reader should know of the images although it is no error

    def table(
        self, name: str, layout: str, notes: Iterable[str], labels: tuple[str, ...] = DIAGNOSES, **known: Any
    ) -> LesionTable:
        """The lesion table of the data set `name`, laid out like `layout`; `known` are further fields of it."""
        return LesionTable(
            name=name,
            frame=self.frame,
            images=self.images,
            fingerprint=self.fingerprint,
            notes=(*notes, *self.notes),
            layout=", ".join(filter(None, (layout, self.where))),
            labels=labels,
            **known,
        )


@dataclass(frozen=True)
class Listed:
    """Where images are named: a table, and of each image the row there and what is written, by id, if that is known."""

    name: str = "the metadata"
    rows: Mapping[str, int] = field(default_factory=dict)
    cells: Mapping[str, str] = field(default_factory=dict)

    def told(self, id_: str) -> str:
        """An image as it is named, with its row."""
        text = self.cells.get(id_, id_)
        shown = id_ if text == id_ else repr(text)
        return f"row {self.rows[id_]} {shown}" if id_ in self.rows else shown


ANYWHERE = Listed()  #: where nothing is known of that


def in_arrays(frame: pd.DataFrame, images: Images, contents: Iterable[tuple[int, int]]) -> Collected:
    """The rows of `frame` with images of which each is known by CRC-32 and number of bytes, `contents`."""
    return Collected(frame, images, fingerprint(frame, contents))


def collect(
    frame: pd.DataFrame,
    files: Sequence[StoredFile],
    path: Path,
    *,
    left_out: Collection[str] = (),
    named: Named = BY_NAME,
    listed: Listed = ANYWHERE,
) -> Collected:
    """The image and the mask of each row of `frame` among `files`, by image_id; `left_out` are ids that may lie there.

    `named` is that of `find`, and `listed` says where the images are named. Raises DataError naming the images that are
    not there, or there in several versions.
    """
    ids = frame["image_id"].tolist()
    written, _ = find(files, named)
    images = of_ids(written, ids)
    refuse_missing(ids, images, files, path, listed)
    collected = attach(frame, _one_version(ids, images), files, named)
    respelt = len(images.keys() - written.keys())
    differ = ("image whose file differs from its id", "images whose files differ from their ids")
    case = (f"{plural(respelt, *differ)} in letter case",) if respelt else ()
    copies = ", each there more than once" if all(len(images[id_]) > 1 for id_ in ids) else ""
    aside = {id_.lower() for id_ in left_out}
    extra = sum(id_.lower() not in aside for id_ in images.keys() - set(ids))
    unnamed = ("image without metadata is", "images without metadata are")
    ignored = (f"{plural(extra, *unnamed)} ignored",) if extra else ()
    return replace(collected, where=collected.where + copies, notes=(*case, *ignored, *collected.notes))


def attach(
    frame: pd.DataFrame, chosen: Sequence[StoredFile], files: Sequence[StoredFile], named: Named = BY_NAME
) -> Collected:
    """The files chosen for the rows of `frame`, with their masks among `files`; `named` is that of `find`.

    The fingerprint covers the frame and every image's content, but not how they are stored, nor the masks.
    """
    _, masks = find(files, named)
    known = _checksummed(chosen)
    ids = [id_of(file, named) for file in chosen]
    mine = [id_ for id_ in ids if id_ in masks]
    of_image = dict(zip(mine, _one_version(mine, masks, "The mask of "), strict=True))
    segmentations = tuple(map(of_image.get, ids))
    return Collected(
        frame,
        StoredImages(known, segmentations),
        fingerprint(frame, ((file.crc or 0, file.size) for file in known)),
        _whereabouts(known),
        (*_unmasked(segmentations), *_packed(files)),
    )


def folder_of(path: Path) -> Path:
    """Where the images of the data set at `path` lie: beside it where it is a table, else in it."""
    return path.parent if path.is_file() and path.suffix.lower() != ".zip" else path


def is_picture(file: StoredFile) -> bool:
    """Whether a file is called like an image."""
    return file.inner.suffix.lower() in SUFFIXES


def is_mask(file: StoredFile) -> bool:
    """Whether an image file is called like a mask."""
    return bool(_mask_end(file.inner))


def image_of(path: PurePath) -> str:
    """The id of the image that is in the file `path`, or of which it is the mask."""
    return image_id(f"{path.stem.removesuffix(_mask_end(path))}{path.suffix}")


def id_of(file: StoredFile, named: Named = BY_NAME) -> str:
    """The id of the image in a file, or of which it is the mask: that of `named`, or what its name says."""
    return named.get(file) or image_of(file.inner)


def find(
    files: Iterable[StoredFile], named: Named = BY_NAME
) -> tuple[dict[str, list[StoredFile]], dict[str, list[StoredFile]]]:
    """Images and masks, by image id; each may lie there several times.

    A file of which `named` says the id has that, and others are known by their names, wherever they lie.
    """
    images: dict[str, list[StoredFile]] = defaultdict(list)
    masks: dict[str, list[StoredFile]] = defaultdict(list)
    for file in files:
        if is_picture(file):
            (masks if is_mask(file) else images)[id_of(file, named)].append(file)
    return images, masks


def of_ids(images: Mapping[str, list[StoredFile]], ids: Iterable[str]) -> dict[str, list[StoredFile]]:
    """Images by id: a file that differs in letter case alone from an id of which there is none is of that id."""
    found, wanted = dict(images), set(ids)
    spare: dict[str, list[str]] = defaultdict(list)
    for stem in found.keys() - wanted:
        spare[stem.lower()].append(stem)
    for id_ in sorted(wanted - found.keys()):
        stems = spare.pop(id_.lower(), [])
        if len(stems) == 1:
            found[id_] = found.pop(stems[0])
    return found


def look_like_masks(files: Iterable[StoredFile]) -> frozenset[StoredFile]:
    """Pictures that are neither photographs nor masks: called like one with `LIKE_MASKS` behind it, or in `REGIONS`."""
    shown = [(file, file.inner.stem) for file in files if is_picture(file)]
    known = {stem for _, stem in shown}
    ends = [(file, stem, end) for file, stem in shown for end in LIKE_MASKS if stem.lower().endswith(end)]
    regions = [file for file, _ in shown if file.inner.parent.name.lower().endswith(REGIONS)]
    return frozenset((*regions, *(file for file, stem, end in ends if stem[: -len(end)] in known)))


def unpack(files: Iterable[StoredFile]) -> str:
    """The sentence that tells a person to extract those archives that are not read; "" where none is there."""
    packed = [file.name for file in files if is_unread_archive(file)]
    return f"Extract {first_few(packed)}: archives are read where they are zip files. " if packed else ""


def stems(image_ids: Iterable[str]) -> frozenset[str]:
    """What the files of these images and of their masks are called, without suffix."""
    return frozenset(name for id_ in image_ids for name in (id_, id_ + MASK, id_ + PH2_MASK))


def fingerprint(frame: pd.DataFrame, contents: Iterable[tuple[int, int]]) -> str:
    """A hash of a frame and of what each of its images holds, known by CRC-32 and number of bytes."""
    digest = hashlib.sha256()
    for row, content in zip(frame.itertuples(index=False), contents, strict=True):
        digest.update("\t".join(map(str, (*row, *content))).encode() + b"\n")
    return digest.hexdigest()


def _mask_end(path: PurePath) -> str:
    """What the name of a mask ends with; "" for that of another file."""
    in_own_folder = path.stem.endswith(PH2_MASK) and path.parent.name == path.stem
    return MASK if path.stem.endswith(MASK) else PH2_MASK if in_own_folder else ""


def refuse_missing(
    ids: Iterable[str],
    images: Mapping[str, Sequence[StoredFile]],
    files: Sequence[StoredFile],
    path: Path,
    listed: Listed = ANYWHERE,
) -> None:
    """Raise DataError for those ids of which no image is among `images`, as `of_ids` finds them among `files`.

    An id that only letter case tells from one of which the image is there is a second row of that. Files are named that
    differ in nothing but how their names are spelt.
    """
    found = list(ids)
    wanted = set(found)
    missing = [id_ for id_ in dict.fromkeys(found) if id_ not in images]
    if not missing:
        return
    own = {id_.lower(): id_ for id_ in found if id_ in images}
    again = [id_ for id_ in missing if id_.lower() in own]
    refuse_any(
        [f"{listed.told(id_)} (that of {listed.told(own[id_.lower()])})" for id_ in again],
        ("row repeats an image in another letter case", "rows repeat an image in another letter case"),
        f"Each image has one row: remove the others. {LEAVE_OUT}",
        listed.name,
        again,
        "repeated-image-id",
    )
    unread = {image_of(file.inner): file.name for file in files if file.inner.suffix.lower() in UNREAD}
    if set(missing) <= set(unread):
        hint = f"{convert(files)}{LEAVE_OUT}"
        what = ("image is of a format that is not read", "images are of a format that is not read")
        refuse_any([unread[id_] for id_ in missing], what, hint, image_ids=missing)
    spare = {spelling(id_): files_of[0].inner.name for id_, files_of in images.items() if id_ not in wanted}
    meant = {id_: spare[spelling(id_)] for id_ in missing[:SHOWN] if spelling(id_) in spare}
    told = [
        f"{listed.told(id_)} ({meant[id_]} is there)" if id_ in meant else listed.told(id_) for id_ in missing[:SHOWN]
    ]
    put = f"Put them there, as {NAMES} images ({', '.join(SUFFIXES)}) or in zip archives."
    if meant:
        put = _AS_FILES
    where = f"named in {listed.name}"
    what = (f"image {where} is not in {path}", f"images {where} are not in {path}")
    hint = f"{convert(files)}{unpack(files)}{put} {LEAVE_OUT}"
    refuse_any([*told, *missing[SHOWN:]], what, hint, image_ids=missing)


def spelt_otherwise(ids: Iterable[str], images: Mapping[str, Sequence[StoredFile]]) -> str:
    """The sentence that shows an id which is written otherwise than the name of its file; "" where none is."""
    spare = {spelling(id_): files_of[0].inner.name for id_, files_of in images.items()}
    found = next(((id_, spare[spelling(id_)]) for id_ in ids if spelling(id_) in spare), None)
    return f"{found[0]} is named, and {found[1]} is there. {_AS_FILES} " if found else ""


def of_one_content(files: Sequence[StoredFile]) -> bool:
    """Whether these files are the same, byte for byte as far as size and CRC-32 tell."""
    return len({(file.size, file.crc) for file in _checksummed(files)}) == 1


def _one_version(ids: Sequence[str], found: Mapping[str, Sequence[StoredFile]], what: str = "") -> list[StoredFile]:
    """The first file of each id; `what` stands before an id in the message of those that differ."""
    several = [file for id_ in ids if len(found[id_]) > 1 for file in found[id_]]
    known = dict(zip(several, _checksummed(several), strict=True))
    copies = {id_: [known.get(file, file) for file in found[id_]] for id_ in ids}
    differing = [id_ for id_ in ids if len({(file.size, file.crc) for file in copies[id_]}) > 1]
    if differing:
        id_, more = differing[0], f", and {len(differing) - 1} others" if len(differing) > 1 else ""
        raise DataError(
            f"{what}{id_} is there in several versions: {first_few([file.name for file in copies[id_]])}{more}.",
            "Keep one version of each in the folder.",
        )
    return [copies[id_][0] for id_ in ids]


def _checksummed(files: Sequence[StoredFile]) -> tuple[StoredFile, ...]:
    """The same files with their CRC-32, which is computed where no archive knows it."""

    def checksum(file: StoredFile) -> StoredFile:
        if file.crc is not None:
            return file
        content = file.read()
        return replace(file, size=len(content), crc=zlib.crc32(content))

    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(checksum, files))


def _whereabouts(files: Sequence[StoredFile]) -> str:
    zipped = {bool(file.member) for file in files}
    places = [place for member, place in ((False, "folders"), (True, "zip archives")) if member in zipped]
    return f"images in {' and '.join(places)}"


def _unmasked(segmentations: Sequence[StoredFile | None]) -> Iterator[str]:
    count = segmentations.count(None)
    if 0 < count < len(segmentations):
        yield plural(count, "image has no lesion mask", "images have no lesion mask")


def _packed(files: Iterable[StoredFile]) -> Iterator[str]:
    packed = [file.inner.name for file in files if is_unread_archive(file)]
    if packed:
        yield f"archives that are no zip files are not read: {first_few(packed)}"
