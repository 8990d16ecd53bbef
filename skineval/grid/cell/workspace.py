"""What all cells of a bench share: images, labels, parts, device. Made by the parent, rebuilt in each worker."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.catalog.catalog import Catalog
from skineval.data.pixels.store import PixelStore
from skineval.data.splits.split import Parts
from skineval.grid.cell.cell import Ground
from skineval.grid.folder import BenchFolder
from skineval.train.predict import put_on_device
from skineval.train.weights import Weights
from skineval.values.lesion_table import LesionTable


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """The images of a data set as cells see them, N of each."""

    store: NDArray[np.uint8]  #: (N, S, S, 3), a read-only memory map
    image_ids: NDArray[np.str_]
    lesion_ids: NDArray[np.str_]
    targets: NDArray[np.int64]  #: indices into the classes of the bench

    @classmethod
    def of(cls, table: LesionTable, pixels: PixelStore, targets: NDArray[np.int64]) -> LabelledImages:
        """The images of a table."""
        ids, lesions = (table.frame[column].to_numpy(dtype=str) for column in ("image_id", "lesion_id"))
        return cls(pixels.array, ids, lesions, targets)

    def to_message(self) -> dict[str, Any]:
        """JSON for a worker process; the pixels stay where they are, in their file."""
        assert isinstance(self.store, np.memmap)
        return {
            "file": str(self.store.filename),
            "shape": list(self.store.shape),
            "image_ids": self.image_ids.tolist(),
            "lesion_ids": self.lesion_ids.tolist(),
            "targets": self.targets.tolist(),
        }

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> LabelledImages:
        """The inverse of `to_message`."""
        return cls(
            np.memmap(message["file"], dtype=np.uint8, mode="r", shape=tuple(message["shape"])),
            np.array(message["image_ids"], dtype=np.str_),
            np.array(message["lesion_ids"], dtype=np.str_),
            np.array(message["targets"], dtype=np.int64),
        )


@dataclass(frozen=True, eq=False)
class ExternalImages:
    """An external test: the images that every cell predicts."""

    name: str
    key: str  #: of the data set, as `External.key`
    images: LabelledImages
    rows: NDArray[np.int64]  #: those of the images that the bench has not seen

    def to_message(self) -> dict[str, Any]:
        """JSON for a worker process."""
        return {
            "name": self.name,
            "key": self.key,
            "images": self.images.to_message(),
            "rows": self.rows.tolist(),
        }

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> ExternalImages:
        """The inverse of `to_message`."""
        images = LabelledImages.from_message(message["images"])
        return cls(message["name"], message["key"], images, np.array(message["rows"], dtype=np.int64))


def no_masks(rows: NDArray[np.int64], side: int) -> None:
    """Of data without masks."""


@dataclass(frozen=True, eq=False)
class Workspace:
    """Everything a cell needs beside its own specification."""

    folder: BenchFolder
    images: LabelledImages
    parts: Mapping[int, Parts]  #: by fold, rows of the images
    weights: Weights  #: as asked for; what a cell begins with is in its specification
    device: str
    threads: int
    deterministic: bool = False  #: also on a GPU
    stamps: tuple[str, ...] = ()  #: what every file of the bench says that can say it
    externals: tuple[ExternalImages, ...] = ()
    #: (rows, side) -> the lesion masks (n, side, side) of these images, None where none has one; raises DataError
    masks: Callable[[NDArray[np.int64], int], NDArray[np.bool_] | None] = no_masks

    def ground(self, catalog: Catalog, should_stop: Callable[[], bool]) -> Ground:
        """What its cells stand on: with the images on the device."""
        device = torch.device(self.device)
        images = put_on_device(self.images.store, device)
        return Ground(
            images, self.images.targets, device, self.weights, catalog, should_stop, self.deterministic, self.stamps
        )

    def to_message(self) -> dict[str, Any]:
        """JSON for a worker process."""
        return {
            "folder": str(self.folder.path),
            "images": self.images.to_message(),
            "parts": {
                fold: [part.train.tolist(), part.validation.tolist(), part.test.tolist()]
                for fold, part in self.parts.items()
            },
            "weights": [self.weights.identity, str(self.weights.path) if self.weights.path else None],
            "device": self.device,
            "threads": self.threads,
            "deterministic": self.deterministic,
            "stamps": list(self.stamps),
            "externals": [external.to_message() for external in self.externals],
        }

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Workspace:
        """The inverse of `to_message`."""
        identity, path = message["weights"]
        return cls(
            folder=BenchFolder(Path(message["folder"])),
            images=LabelledImages.from_message(message["images"]),
            parts={
                int(fold): Parts(*(np.array(rows, dtype=np.int64) for rows in parts))
                for fold, parts in message["parts"].items()
            },
            weights=Weights(identity, Path(path) if path else None),
            device=message["device"],
            threads=message["threads"],
            deterministic=message["deterministic"],
            stamps=tuple(message["stamps"]),
            externals=tuple(map(ExternalImages.from_message, message["externals"])),
        )


def masks_to_message(masks: NDArray[np.bool_] | None) -> dict[str, Any]:
    """JSON of masks (n, side, side)."""
    if masks is None:
        return {"masks": None}
    return {"masks": base64.b64encode(np.packbits(masks).tobytes()).decode("ascii"), "shape": list(masks.shape)}


def masks_from_message(message: Mapping[str, Any]) -> NDArray[np.bool_] | None:
    """The inverse of `masks_to_message`; raises DataError where a reason is there in their place."""
    if "reason" in message:
        raise DataError(message["reason"])
    if message["masks"] is None:
        return None
    bits = np.frombuffer(base64.b64decode(message["masks"]), dtype=np.uint8)
    shape = tuple(message["shape"])
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(np.bool_)
