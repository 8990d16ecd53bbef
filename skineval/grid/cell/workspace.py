"""What all cells of a bench share: images, labels, parts, device. Made by the parent, rebuilt in each worker."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.data.splits.split import Parts
from skineval.grid.folder import BenchFolder
from skineval.train.weights import Weights


@dataclass(frozen=True, eq=False)
class ExternalImages:
    """An external test: the images that every cell predicts, (M,) of each but the store."""

    name: str
    key: str  #: of the data set, as `External.key`
    path: Path  #: the file of the store
    store: NDArray[np.uint8]  #: (N, S, S, 3), a read-only memory map
    rows: NDArray[np.int64]  #: of the store
    image_ids: NDArray[np.str_]
    lesion_ids: NDArray[np.str_]
    targets: NDArray[np.int64]

    def to_message(self) -> dict[str, Any]:
        """JSON for a worker process."""
        return {
            "name": self.name,
            "key": self.key,
            "store": {"path": str(self.path), "shape": list(self.store.shape)},
            "rows": self.rows.tolist(),
            "image_ids": self.image_ids.tolist(),
            "lesion_ids": self.lesion_ids.tolist(),
            "targets": self.targets.tolist(),
        }

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> ExternalImages:
        """The inverse of `to_message`."""
        return cls(
            name=message["name"],
            key=message["key"],
            path=Path(message["store"]["path"]),
            store=_map(message["store"]),
            rows=np.array(message["rows"], dtype=np.int64),
            image_ids=np.array(message["image_ids"], dtype=np.str_),
            lesion_ids=np.array(message["lesion_ids"], dtype=np.str_),
            targets=np.array(message["targets"], dtype=np.int64),
        )


def no_masks(rows: NDArray[np.int64], side: int) -> None:
    """Of data without masks."""


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


def _map(store: Mapping[str, Any]) -> NDArray[np.uint8]:
    return np.memmap(store["path"], dtype=np.uint8, mode="r", shape=tuple(store["shape"]))


@dataclass(frozen=True, eq=False)
class Workspace:
    """Everything a cell needs beside its own specification."""

    folder: BenchFolder
    store: NDArray[np.uint8]  #: (N, S, S, 3), a read-only memory map
    image_ids: NDArray[np.str_]  #: (N,)
    lesion_ids: NDArray[np.str_]  #: (N,)
    targets: NDArray[np.int64]  #: (N,) indices into `classes`
    classes: tuple[str, ...]
    parts: Mapping[int, Parts]  #: by fold
    device: str
    threads: int
    weights: Weights  #: as asked for; what a cell begins with is in its specification
    externals: tuple[ExternalImages, ...] = ()
    deterministic: bool = False  #: also on a GPU
    stamps: tuple[str, ...] = ()  #: what every file of the bench says that can say it
    #: (rows, side) -> the lesion masks (n, side, side) of these images, None where none has one; raises DataError
    masks: Callable[[NDArray[np.int64], int], NDArray[np.bool_] | None] = no_masks

    def to_message(self, store_path: Path) -> dict[str, Any]:
        """JSON for a worker process; the images stay where they are, in the file at `store_path`."""
        return {
            "folder": str(self.folder.path),
            "store": {"path": str(store_path), "shape": list(self.store.shape)},
            "image_ids": self.image_ids.tolist(),
            "lesion_ids": self.lesion_ids.tolist(),
            "targets": self.targets.tolist(),
            "classes": list(self.classes),
            "parts": {
                str(fold): [rows.train.tolist(), rows.validation.tolist(), rows.test.tolist()]
                for fold, rows in self.parts.items()
            },
            "device": self.device,
            "threads": self.threads,
            "weights": [self.weights.identity, str(self.weights.path) if self.weights.path else None],
            "externals": [external.to_message() for external in self.externals],
            "deterministic": self.deterministic,
            "stamps": list(self.stamps),
        }

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Workspace:
        """The inverse of `to_message`."""
        identity, path = message["weights"]
        return cls(
            folder=BenchFolder(Path(message["folder"])),
            store=_map(message["store"]),
            image_ids=np.array(message["image_ids"], dtype=np.str_),
            lesion_ids=np.array(message["lesion_ids"], dtype=np.str_),
            targets=np.array(message["targets"], dtype=np.int64),
            classes=tuple(message["classes"]),
            parts={
                int(fold): Parts(*(np.array(rows, dtype=np.int64) for rows in parts))
                for fold, parts in message["parts"].items()
            },
            device=message["device"],
            threads=message["threads"],
            weights=Weights(identity, Path(path) if path else None),
            externals=tuple(ExternalImages.from_message(external) for external in message["externals"]),
            deterministic=message["deterministic"],
            stamps=tuple(message["stamps"]),
        )
