"""The data sets that come with skineval: HAM10000 folders, and images made up for trying things out."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from skineval.specs import DatasetSource, Parameter

if TYPE_CHECKING:
    from skineval.data.lesions import LesionTable


def _is_ham10000(path: Path) -> bool:
    from skineval.data.layouts import recognise

    return recognise(path)


def _load_ham10000(path: Path | None, **_: Any) -> LesionTable:
    from skineval.data.layouts import load
    from skineval.errors import UsageError

    if path is None:
        raise UsageError("ham10000 is a data set that lies in a folder.", "Give the folder: --data DIR.")
    return load(path)


def _load_synthetic(path: Path | None, *, images: int, seed: int) -> LesionTable:
    from skineval.data.synthetic import load

    return load(images=images, seed=seed)


SOURCES: tuple[DatasetSource, ...] = (
    DatasetSource(
        name="ham10000",
        load=_load_ham10000,
        summary="HAM10000 as downloaded from Dataverse or Kaggle, zipped or extracted, or any folder laid out like it",
        recognise=_is_ham10000,
    ),
    DatasetSource(
        name="synthetic",
        load=_load_synthetic,
        summary="made-up lesions with known masks, needing no download; figures on them mean nothing clinically",
        parameters=MappingProxyType(
            {
                "images": Parameter(2000, "how many images", minimum=70),
                "seed": Parameter(0, "which images"),
            }
        ),
    ),
)
