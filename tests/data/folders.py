"""Small data sets for tests: HAM10000 folders on disk, and lesion tables in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from skineval.base.errors import DataError
from skineval.data.layouts import recognise
from skineval.values.lesion_table import COLUMNS, LesionTable
from skineval.values.task import DIAGNOSES

HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset"
ROWS = (
    "HAM_0000001,ISIC_0000001,nv,follow_up,45.0,male,trunk,vidir_modern",
    "HAM_0000001,ISIC_0000002,nv,follow_up,45.0,male,trunk,vidir_modern",
    "HAM_0000002,ISIC_0000003,mel,histo,,female,back,rosendahl",
    "HAM_0000003,ISIC_0000004,bkl,histo,0,,,rosendahl",
)
IDS = tuple(row.split(",")[1] for row in ROWS)


def picture(seed: int, size: tuple[int, int] = (20, 15), mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def photograph(seed: int, width: int, height: int) -> Image.Image:
    """Smooth areas, edges and noise, as in a photograph."""
    rng = np.random.default_rng(seed)
    smooth = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((width, height))
    pixels = np.asarray(smooth).astype(float) + rng.normal(0, 6, (height, width, 3))
    pixels[height // 3 : height // 2] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


JPEGS = {id_: encoded(picture(seed)) for seed, id_ in enumerate(IDS)}


def metadata(rows: Sequence[str] = ROWS, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_zip(path: Path, files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def ham_folder(folder: Path, text: str | None = None, images: Mapping[str, bytes] = JPEGS) -> Path:
    """A folder with the four images of `ROWS`."""
    table = {"HAM10000_metadata.csv": (metadata() if text is None else text).encode()}
    return write_files(folder, table | {f"images/{id_}.jpg": content for id_, content in images.items()})


def lesion_folder(folder: Path, prefix: str = "") -> Path:
    """A folder that can be split: 84 images of 56 lesions, eight of each diagnosis, every second photographed twice."""
    lesions = [
        (f"HAM_{prefix}{7 * k + c:07d}", dx)
        for c, dx in enumerate(DIAGNOSES)
        for k in range(8)
        for _ in range(1 + k % 2)
    ]
    ids = [f"ISIC_{prefix}{place:07d}" for place in range(len(lesions))]
    rows = [f"{lesion},{id_},{dx},histo,50.0,male,back,x" for (lesion, dx), id_ in zip(lesions, ids, strict=True)]
    images = {id_: encoded(picture(len(prefix) * 1000 + seed, (40, 30))) for seed, id_ in enumerate(ids)}
    return ham_folder(folder, metadata(rows), images)


def refused(folder: Path) -> str:
    """The message of the error that loading `folder` ends with."""
    with pytest.raises(DataError) as caught:
        recognise.load(folder)
    assert caught.value.hint
    assert caught.value.exit_code == 3
    return caught.value.message


@dataclass(frozen=True)
class Made:
    """Images that are one colour each: that of their row."""

    broken: frozenset[int] = frozenset()
    called: Callable[[Sequence[int]], None] = lambda rows: None

    def pixels(self, rows: Sequence[int], size: int) -> NDArray[np.uint8]:
        self.called(rows)
        for row in rows:
            if row in self.broken:
                raise DataError(f"image-{row}.jpg cannot be decoded: truncated.", "Restore it.")
        return np.stack([np.full((size, size, 3), row % 251, dtype=np.uint8) for row in rows])

    def masks(self, rows: Sequence[int], size: int) -> None:
        return None


def made_table(lesions: Sequence[tuple[str, int]], images: object = None, name: str = "made") -> LesionTable:
    """One lesion for each diagnosis and number of images given."""
    known = [(f"L{index:05}", dx) for index, (dx, count) in enumerate(lesions) for _ in range(count)]
    frame = pd.DataFrame(
        {
            "image_id": [f"I{index:05}" for index in range(len(known))],
            "lesion_id": [lesion for lesion, _ in known],
            "dx": [dx for _, dx in known],
            "dx_type": "histo",
            "age": 50.0,
            "sex": "unknown",
            "localization": "unknown",
            "dataset": "unknown",
            "group": [lesion for lesion, _ in known],
        }
    )
    fingerprint = f"{name}-{len(known)}"
    return LesionTable(name, frame[list(COLUMNS)], images or Made(), fingerprint, labels=DIAGNOSES)


def seven_classes(folder: Path) -> Path:
    """A HAM10000 folder of 28 images of 21 lesions: of each class a lesion of two images and two of one.

    Each image is of one colour, a JPEG file of 20 x 15 pixels.
    """
    rows, images = [], {}
    for code, dx in enumerate(DIAGNOSES):
        for number, lesion in enumerate((0, 0, 1, 2)):
            id_ = f"ISIC_{10 * number + code:07d}"
            kind = ("histo", "consensus", "follow_up", "confocal")[lesion]
            rows.append(f"HAM_{3 * code + lesion:07d},{id_},{dx},{kind},{5 * code + 5},male,back,rosendahl")
            images[id_] = encoded(Image.new("RGB", (20, 15), (30 * code + 20, 50 * number + 30, 90)), quality=95)
    return ham_folder(folder, metadata(rows), images)
