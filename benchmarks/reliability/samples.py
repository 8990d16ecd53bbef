"""Small data sets in the layout of HAM10000, made up, for faults to be put into."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from PIL import Image

from skineval.data.synthetic import synthetic

HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset"
SIDE = 160  #: pixels


@cache
def photograph() -> Image.Image:
    """An invented lesion."""
    return Image.fromarray(synthetic.load(images=70).images.pixels([0], SIDE)[0])


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The content of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def jpeg() -> bytes:
    """The invented lesion as a JPEG file of quality 90."""
    return encoded(photograph(), quality=90)


def image_id(number: int) -> str:
    """The id of an image by its number, from 0."""
    return f"ISIC_{number:07d}"


def row(number: int, image: str = "", **fields: str) -> str:
    """The metadata of an image; `fields` replace what is usual."""
    usual = {
        "lesion_id": f"HAM_{number:07d}",
        "image_id": image or image_id(number),
        "dx": "nv",
        "dx_type": "histo",
        "age": "45.0",
        "sex": "male",
        "localization": "back",
        "dataset": "rosendahl",
    }
    return ",".join((usual | fields).values())


def write_folder(folder: Path, rows: Sequence[str], images: Mapping[str, bytes]) -> Path:
    """A folder with metadata and image files, by name."""
    folder.mkdir(parents=True)
    (folder / "HAM10000_metadata.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    for name, content in images.items():
        (folder / name).write_bytes(content)
    return folder
