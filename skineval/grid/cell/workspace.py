"""What all cells of a bench share: images, labels, parts, device. Made by the parent, rebuilt in each worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic_core import core_schema

from skineval.base.codec import Listed
from skineval.data.pixels.store import PixelStore
from skineval.data.splits.split import Parts, Rows
from skineval.grid.folder import BenchFolder
from skineval.train.weights import Weights
from skineval.values.lesion_table import LesionTable


class _Mapped:
    """Marks pixels that stay where they are, in a file: what crosses is its path and their shape."""

    def __get_pydantic_core_schema__(self, *_: object) -> core_schema.CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(lambda store: [str(store.filename), *store.shape])
        return core_schema.no_info_plain_validator_function(
            lambda place: np.memmap(place[0], dtype=np.uint8, mode="r", shape=tuple(place[1:])), serialization=written
        )


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """The images of a data set as cells see them, N of each."""

    store: Annotated[NDArray[np.uint8], _Mapped()]  #: (N, S, S, 3), a read-only memory map
    image_ids: Annotated[NDArray[np.str_], Listed("str")]
    lesion_ids: Annotated[NDArray[np.str_], Listed("str")]
    targets: Annotated[NDArray[np.int64], Listed("int64")]  #: indices into the classes of the bench

    @classmethod
    def of(cls, table: LesionTable, pixels: PixelStore, targets: NDArray[np.int64]) -> LabelledImages:
        """The images of a table."""
        ids, lesions = (table.frame[column].to_numpy(dtype=str) for column in ("image_id", "lesion_id"))
        return cls(pixels.array, ids, lesions, targets)


@dataclass(frozen=True, eq=False)
class ExternalImages:
    """An external test: the images that every cell predicts."""

    name: str
    key: str  #: of the data set, as `External.key`
    images: LabelledImages
    rows: Rows  #: those of the images that the bench has not seen


@dataclass(frozen=True, eq=False)
class Workspace:
    """What all cells of a bench share; a worker process is sent it as JSON."""

    folder: BenchFolder
    images: LabelledImages
    parts: Mapping[int, Parts]  #: by fold, rows of the images
    weights: Mapping[str, Weights]  #: as asked for, by model; what a cell begins with is in its specification
    device: str
    threads: int
    deterministic: bool = False  #: also on a GPU
    stamps: tuple[str, ...] = ()  #: what every file of the bench says that can say it
    externals: tuple[ExternalImages, ...] = ()
