"""The files that all sides read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from skineval.data.layouts import class_folders
from skineval.data.pixels.threads import in_order
from skineval.data.quality.duplicates import content
from skineval.values.lesion_table import LesionTable

JPEG = b"\xff\xd8\xff"
SIDE, QUALITY = 300, 90  #: of the JPEG files that are made where a data set has none


def write_pictures(table: LesionTable, count: int, folder: Path) -> tuple[Path, LesionTable]:
    """Write `count` images of `table`, evenly spaced, to class folders below `folder`/train, byte for byte as they are.

    Images that lie in no JPEG file of their own become one. Returns `folder` and the table of what was written.
    """
    rows = np.linspace(0, len(table) - 1, count).astype(int)
    classes = table.frame["dx"].to_numpy()

    def write(number: int) -> None:
        path = folder / "train" / classes[rows[number]] / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_jpeg(table, int(rows[number])))

    for _ in in_order(write, range(count)):
        pass
    return folder, class_folders.load(folder)


def describe(files: Path) -> str:
    """How large the files are, which is what decoding them costs: `200 x 150 pixels, 12 kB on average`."""
    paths = sorted(files.rglob("*.jpg"))
    with Image.open(paths[0]) as first:
        width, height = first.size
    kilobytes = sum(path.stat().st_size for path in paths) / len(paths) / 1000
    return f"{width} x {height} pixels, {kilobytes:.0f} kB on average"


def _jpeg(table: LesionTable, row: int) -> bytes:
    stored = content(table.images, row)
    if stored is not None and stored.startswith(JPEG):
        return stored
    buffer = io.BytesIO()
    Image.fromarray(table.images.pixels([row], SIDE)[0]).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
