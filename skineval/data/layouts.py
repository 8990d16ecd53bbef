"""HAM10000 folders as they are found in the wild, read in place into a lesion table.

Images and masks may lie in zip archives, in folders, or both. An image is read anew each time and checked against the
checksum that it had when the table was loaded, so nothing stays open and a table works in threads and forked workers.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import hashlib
import io
import os
import re
import stat
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from skineval.data.lesions import COLUMNS, DIAGNOSES, DIAGNOSIS_NAMES, LesionTable, make_groups
from skineval.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

METADATA = "ham10000_metadata"  #: name of the metadata file, without suffix, in lower case
TABLES = (".csv", ".tab", ".tsv", "")  #: suffixes of metadata files; the best first
PICTURES = (".jpg", ".jpeg", ".png")
MASK = "_segmentation"  #: what follows the image id in the name of a mask
REQUIRED = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
IDENTIFIER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
MAX_PIXELS = 50_000_000
MAX_BYTES = 256_000_000  #: of one file that is read as a whole
HEADER = 4096  #: bytes in which the column names of a table are looked for
MAX_AGE = 120
SHOWN = 5  #: examples named in an error

_LOCAL_HEADER = 30  #: bytes before the name in the header that stands before each member of a zip archive
_ENCRYPTED = 0x1
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}  #: 8 bits a channel or fewer


@dataclass(frozen=True)
class StoredFile:
    """A plain file, or a member of a zip archive."""

    path: Path  #: of the file or of the archive
    member: str  #: name inside the archive; "" for a plain file
    size: int  #: bytes of the content
    crc: int | None  #: CRC-32 of the content; None until it was computed
    offset: int = 0  #: where the member's header begins in the archive
    packed: int = 0  #: bytes of the member in the archive
    method: int = zipfile.ZIP_STORED

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    @property
    def inner(self) -> Path:
        """The path whose last part is the file's own name."""
        return Path(self.member) if self.member else self.path

    def read(self) -> bytes:
        """The content. Raises DataError, naming the file, where it cannot be read or is not what it was."""
        if self.size > MAX_BYTES:
            raise DataError(f"{self.name} has {self.size} bytes, too many to be meant.", "Remove the file.")
        try:
            content = self._unpack() if self.member else self.path.read_bytes()
        except (OSError, zlib.error) as error:
            raise DataError(f"{self.name} cannot be read: {error}.", "Restore the file.") from error
        if self.crc is not None and (len(content) != self.size or zlib.crc32(content) != self.crc):
            raise DataError(f"{self.name} does not have the content that its checksum promises.", "Restore the file.")
        return content

    def _unpack(self) -> bytes:
        with self.path.open("rb") as archive:
            archive.seek(self.offset)
            header = archive.read(_LOCAL_HEADER)
            # The lengths of name and extra field may differ from those in the central directory.
            archive.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), os.SEEK_CUR)
            packed = archive.read(self.packed)
        if self.method == zipfile.ZIP_STORED:
            return packed
        # One byte more than promised is enough to see that the archive lies about a size, and no bomb goes off.
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, self.size + 1)


@dataclass(frozen=True, eq=False)
class StoredImages:
    """The images and masks of a table, by row."""

    files: tuple[StoredFile, ...]
    segmentations: tuple[StoredFile | None, ...]

    def pixels(self, rows: Sequence[int], size: int) -> NDArray[np.uint8]:
        """(n, size, size, 3) RGB. Raises DataError naming the file of an image that cannot be decoded."""
        result = np.empty((len(rows), size, size, 3), dtype=np.uint8)
        for index, row in enumerate(rows):
            file = self.files[row]
            result[index] = decode_bytes(file.read(), size, file.name)
        return result

    def masks(self, rows: Sequence[int], size: int) -> NDArray[np.bool_] | None:
        """(n, size, size), True on the lesion, all False where an image has no mask; None where no image has one."""
        if not any(self.segmentations):
            return None
        result = np.zeros((len(rows), size, size), dtype=np.bool_)
        for index, row in enumerate(rows):
            file = self.segmentations[row]
            if file is not None:
                result[index] = _decode(file.read(), size, file.name, "L") >= 128
        return result


def decode(path: Path, size: int) -> NDArray[np.uint8]:
    """The image in a JPEG or PNG file, squashed to (size, size, 3) RGB. Raises DataError naming the file."""
    return decode_bytes(StoredFile(path, "", 0, None).read(), size, str(path))


def decode_bytes(content: bytes, size: int, name: str) -> NDArray[np.uint8]:
    """The image in the content of a JPEG or PNG file, squashed to (size, size, 3) RGB, antialiased.

    EXIF orientation is applied, transparency dropped. Raises DataError, calling the file `name`, for content that is
    of another format, damaged, or of more than `MAX_PIXELS` pixels (known before anything is decoded).
    """
    return _decode(content, size, name, "RGB")


def recognise(path: Path) -> bool:
    """Whether `path` is a folder that holds HAM10000 metadata or images, in any layout that `load` reads."""
    if not path.is_dir():
        return False
    return any(
        "ham10000" in str(file.path.relative_to(path)).lower() or (_is_table(file) and _has_columns(file))
        for file in _walk(path)
    )


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
    files = _scan(path)
    metadata = _find_metadata(path, files)
    frame, cleaned = _clean(_read_table(metadata), metadata.name)
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


# --- what lies in the folder ---------------------------------------------------------------------------------------


def _scan(path: Path) -> list[StoredFile]:
    """Every file below `path` and every member of the zip archives there, in the order of their names."""
    found: list[StoredFile] = []
    for file in _walk(path):
        found += _members(file.path) if file.inner.suffix.lower() == ".zip" else [file]
    return sorted(found, key=lambda file: (len(file.path.parts), file.path, file.member))


def _walk(path: Path) -> Iterator[StoredFile]:
    """Every plain file below `path`, also through links to folders, except what is hidden."""
    seen = set()
    for folder, folders, names in os.walk(path, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = [] if real in seen else [name for name in folders if not _ignored(name)]
        if real in seen:
            continue
        seen.add(real)
        for name in names:
            file = Path(folder, name)
            if _ignored(name):
                continue
            try:
                known = file.stat()
            except OSError:
                continue  # a link to nowhere is no file
            if stat.S_ISREG(known.st_mode):
                yield StoredFile(file, "", known.st_size, None)


def _ignored(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _members(path: Path) -> list[StoredFile]:
    """The files in a zip archive, known from its central directory."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(
            f"{path} is not a zip archive that can be read: {error}.", "Download it again: it may be incomplete."
        ) from error
    infos = [info for info in infos if not any(_ignored(part) for part in Path(info.filename).parts)]
    for info in infos:
        if info.flag_bits & _ENCRYPTED:
            raise DataError(f"{path}:{info.filename} is encrypted.", "Extract the archive and give the folder.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(
                f"{path}:{info.filename} is compressed by method {info.compress_type}, which is not read in place.",
                "Extract the archive and give the folder.",
            )
    return [
        StoredFile(
            path, info.filename, info.file_size, info.CRC, info.header_offset, info.compress_size, info.compress_type
        )
        for info in infos
    ]


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
            f"{len(missing)} images named in the metadata are not in {path}: {_some(missing)}.",
            f"Put them there, as {' or '.join(PICTURES)} files or in zip archives.",
        )
    for id_ in ids:
        # Copies of different size are different images; copies of equal size are taken to be equal.
        if len({file.size for file in images[id_]}) > 1:
            raise DataError(
                f"{id_} is there in several versions: {_some([file.name for file in images[id_]])}.",
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


# --- metadata ------------------------------------------------------------------------------------------------------


def _find_metadata(path: Path, files: Sequence[StoredFile]) -> StoredFile:
    """The metadata file: by its name, or the only table that has the columns."""
    named = [file for file in files if file.inner.stem.lower() == METADATA and file.inner.suffix.lower() in TABLES]
    if named:
        return min(named, key=lambda file: TABLES.index(file.inner.suffix.lower()))
    tables = [file for file in files if _is_table(file)]
    fitting = [file for file in tables if _has_columns(file)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DataError(
            f"{path} holds several files that could be the metadata: {_some([file.name for file in fitting])}.",
            "Name the right one HAM10000_metadata.csv.",
        )
    seen = [file.name for file in tables]
    raise DataError(
        f"No metadata in {path}: neither HAM10000_metadata (.csv, .tab) nor another .csv, .tab or .tsv file with the "
        f"columns {', '.join(REQUIRED)}" + (f" (looked into {_some(seen)})." if seen else "."),
        "Give the folder that holds HAM10000_metadata.csv and the images, zipped or not.",
    )


def _is_table(file: StoredFile) -> bool:
    return file.inner.suffix.lower() in TABLES[:-1]


def _has_columns(file: StoredFile) -> bool:
    """Whether the first line names the columns of the metadata."""
    if file.member:
        header = file.read()[:HEADER]
    else:
        try:
            with file.path.open("rb") as opened:
                header = opened.read(HEADER)
        except OSError:
            return False  # `load` says so if it is the one that is needed
    lines = header.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace").splitlines()
    return bool(lines) and set(REQUIRED) <= set(_header(lines[0].split(_delimiter(lines[0]))))


def _header(fields: Iterable[str]) -> list[str]:
    return [field.strip().strip('"').lower() for field in fields]


def _delimiter(header: str) -> str:
    return "\t" if "\t" in header else ","


def _read_table(file: StoredFile) -> pd.DataFrame:
    """All cells as text, under lower-case column names, with the row number in the file as index (the header is 1).

    The standard library reads it, not pandas: it knows row numbers, and takes neither "NA" nor a surplus field for
    something else.
    """
    import pandas as pd

    content = file.read()
    try:
        text = content.decode("utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text.partition("\n")[0]), strict=True)
        numbered = [(number, row) for number, row in enumerate(rows, start=1) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file.name} is not a CSV file: {error}.", "Download it again, or save it as CSV.") from error
    if not numbered:
        raise DataError(f"{file.name} is empty.", "Download it again.")
    columns = _header(numbered[0][1])
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise DataError(
            f"{file.name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)} (it has {_some(columns)}).",
            f"It needs: {', '.join(REQUIRED)}.",
        )
    if len(set(columns)) < len(columns):
        raise DataError(f"{file.name} has two columns of one name: {', '.join(columns)}.", "Remove one of them.")
    if len(numbered) == 1:
        raise DataError(f"{file.name} has a header and no rows.", "Download it again.")
    ragged = [f"row {number} has {len(row)}" for number, row in numbered[1:] if len(row) != len(columns)]
    if ragged:
        raise DataError(
            f"{file.name}: {len(ragged)} rows do not have the {len(columns)} fields of the header: {_some(ragged)}.",
            "Download it again, or put quotes around text that holds the delimiter.",
        )
    return pd.DataFrame([row for _, row in numbered[1:]], columns=columns, index=[n for n, _ in numbered[1:]])


def _clean(raw: pd.DataFrame, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The checked frame of a lesion table, sorted by image_id, and notes on what was changed.

    Raises DataError, naming rows and values, for what cannot be meant.
    """
    frame = raw.assign(dx=raw["dx"].str.strip().str.lower(), age=raw["age"].str.strip())
    for check in (_check_identifiers, _check_repeats, _check_diagnoses, _check_lesions, _check_ages):
        check(frame, name)
    age = frame["age"].map(_age).astype(np.float64)
    # "age 0: probably missing" (the data set's own description knows no newborns)
    zeros = int((age == 0).sum())
    frame = frame.assign(
        age=age.mask(age == 0), group=make_groups(frame["image_id"].tolist(), frame["lesion_id"].tolist())
    )
    for column in ("dx_type", "sex", "localization", "dataset"):
        given = frame[column].str.strip() if column in frame else ""
        frame[column] = given
        frame.loc[frame[column].str.lower().isin(_UNKNOWN), column] = "unknown"
    notes = (f"{zeros} ages of 0 taken as unknown",) if zeros else ()
    return frame[list(COLUMNS)].sort_values("image_id").reset_index(drop=True), notes


_UNKNOWN = ("", "na", "nan", "none", "null", "unknown")


def _age(text: str) -> float:
    """Years; NaN where unknown. Raises ValueError for what is no age."""
    if text.lower() in _UNKNOWN:
        return float("nan")
    age = float(text)
    if not 0 <= age <= MAX_AGE:
        raise ValueError
    return age


def _check_identifiers(frame: pd.DataFrame, name: str) -> None:
    # Ids become file names and cells of reports: nothing that leads out of a folder or only looks like a letter.
    for column in ("image_id", "lesion_id"):
        bad = [(row, id_) for row, id_ in frame[column].items() if not IDENTIFIER.fullmatch(id_)]
        _refuse(
            name,
            f"rows with an unusable {column}",
            [f"row {row} {_short(id_)}" for row, id_ in bad],
            "Ids hold up to 64 of the characters A-Z a-z 0-9 _ . - and do not begin with a dot.",
        )


def _check_repeats(frame: pd.DataFrame, name: str) -> None:
    repeated = frame["image_id"][frame["image_id"].duplicated()]
    _refuse(
        name,
        "rows repeat an image_id",
        [f"row {row} {id_}" for row, id_ in repeated.items()],
        "Each image has one row: remove the others.",
    )


def _check_diagnoses(frame: pd.DataFrame, name: str) -> None:
    unknown = frame["dx"][~frame["dx"].isin(DIAGNOSES)]
    _refuse(
        name,
        "rows with an unknown dx",
        [f"row {row} {_short(dx)}{_guess(dx)}" for row, dx in unknown.items()],
        f"Diagnoses are: {', '.join(DIAGNOSES)}.",
    )


def _check_lesions(frame: pd.DataFrame, name: str) -> None:
    n_diagnoses = frame.groupby("lesion_id")["dx"].nunique()
    contradictory = frame[frame["lesion_id"].isin(n_diagnoses.index[n_diagnoses > 1])]
    examples = [
        f"{lesion} is " + " and ".join(f"{rows['dx'][row]} (row {row})" for row in rows.drop_duplicates("dx").index)
        for lesion, rows in contradictory.groupby("lesion_id")
    ]
    _refuse(name, "lesions have several diagnoses", examples, "All images of a lesion have its dx.")


def _check_ages(frame: pd.DataFrame, name: str) -> None:
    bad = [f"row {row} {_short(age)}" for row, age in frame["age"].items() if not _is_age(age)]
    _refuse(name, "rows with an unusable age", bad, f"Ages are years from 0 to {MAX_AGE}, or empty.")


def _is_age(text: str) -> bool:
    try:
        _age(text)
    except ValueError:
        return False
    return True


def _refuse(name: str, what: str, examples: Sequence[str], hint: str) -> None:
    if examples:
        raise DataError(f"{name}: {len(examples)} {what}: {_some(examples)}.", hint)


def _some(examples: Sequence[str]) -> str:
    return ", ".join(examples[:SHOWN]) + (", ..." if len(examples) > SHOWN else "")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _guess(dx: str) -> str:
    """The diagnosis that a misspelt or written-out one may mean."""
    codes = dict(zip(DIAGNOSES, DIAGNOSES, strict=True)) | {name: dx for dx, name in DIAGNOSIS_NAMES.items()}
    close = difflib.get_close_matches(dx, codes, n=1)
    return f" (did you mean {codes[close[0]]}?)" if close else ""


# --- decoding ------------------------------------------------------------------------------------------------------


def _decode(content: bytes, size: int, name: str, mode: str) -> NDArray[np.uint8]:
    """An image in `mode`, "RGB" or "L", resized to (size, size) or (size, size, 3)."""
    if not content:
        raise DataError(f"{name} is empty.", _RESTORE)
    try:
        with _open(content, name) as image:
            _check_header(image, name)
            ImageOps.exif_transpose(image, in_place=True)
            return np.asarray(image.convert(mode).resize((size, size), Image.Resampling.BILINEAR))
    except (DataError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise whatever damaged bytes lead them to
        raise DataError(f"{name} cannot be decoded: {error}.", _RESTORE) from error


_RESTORE = "Restore the file, or remove its row from the metadata."


def _open(content: bytes, name: str) -> Image.Image:
    """Read the header. Not by `Image.open`: it would try every format, and warn of large images on stderr."""
    formats: dict[bytes, Callable[[io.BytesIO], Image.Image]] = {
        b"\xff\xd8\xff": JpegImageFile,
        b"\x89PNG\r\n\x1a\n": PngImageFile,
    }
    for magic, reader in formats.items():
        if content.startswith(magic):
            return reader(io.BytesIO(content))
    raise DataError(f"{name} is neither a JPEG nor a PNG file (it begins with {content[:8]!r}).", _RESTORE)


def _check_header(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise DataError(
            f"{name} has {image.width} x {image.height} pixels, more than {MAX_PIXELS // 1_000_000} million.", _RESTORE
        )
    if image.mode not in _MODES:
        raise DataError(f"{name} has pixels of mode {image.mode}, not 8 bits a channel.", "Save it as an 8-bit image.")
