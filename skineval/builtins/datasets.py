"""The data sets that come with skineval: HAM10000 and its relatives, and images made up for trying things out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from skineval.catalog.parameters import Parameter
from skineval.catalog.specs import DatasetSource

if TYPE_CHECKING:
    from skineval.values.lesion_table import LesionTable


_FIRST = "ham10000"  #: the layout that is asked first
_seen: dict[Path, str] = {}  #: the layout at the path that was asked about last; "" for none


def _is_layout(name: str, path: Path) -> bool:
    """Whether the layout called so lies at a path, of which at most one does.

    Sources are asked one after the other. What the first found holds for the others, since to look takes seconds.
    """
    from skineval.data.layouts import recognise

    if name == _FIRST or path not in _seen:
        found = recognise.recognise(path)
        _seen.clear()
        _seen[path] = found.name if found is not None else ""
    return _seen[path] == name


def _load_layout(path: Path | None, quarantined: frozenset[str] = frozenset()) -> LesionTable:
    from skineval.data.layouts import recognise

    assert path is not None  # what has to lie in a folder is not loaded by its name
    return recognise.load(path, quarantined)


def _layout(name: str, summary: str) -> DatasetSource:
    return DatasetSource(name, _load_layout, summary, recognise=partial(_is_layout, name))


def _load_synthetic(path: Path | None, *, images: int, seed: int) -> LesionTable:
    from skineval.data.synthetic.synthetic import load

    return load(images=images, seed=seed)


SOURCES: tuple[DatasetSource, ...] = (
    _layout(
        _FIRST,
        "HAM10000 as downloaded from Dataverse or Kaggle, zipped or extracted, or any folder laid out like it",
    ),
    _layout("isic2018", "ISIC 2018 Task 3: any of train, validation and test, with their ground truth"),
    _layout("isic2019", "ISIC 2019: eight classes and UNK, train or test images with their ground truth and metadata"),
    _layout(
        "dermamnist", "DermaMNIST of MedMNIST v2, an npz file of any size; no lesion ids, so every split of it leaks"
    ),
    _layout(
        "folders", "images sorted into one folder a class, perhaps below train, validation and test; no lesion ids"
    ),
    _layout("isic2020", "ISIC 2020 (SIIM-ISIC): melanoma and benign, with patients and the list of duplicates"),
    _layout("isic2024", "ISIC 2024 (SLICE-3D): crops of photographs of whole bodies, from the challenge or Kaggle"),
    _layout("pad-ufes-20", "PAD-UFES-20: photographs of smartphones, with patients and lesions"),
    _layout("milk10k", "MILK10k: of each lesion a dermoscopic image and a clinical close-up, eleven classes"),
    _layout("bcn20000", "BCN20000 as on figshare; as an export of the ISIC Archive it is one"),
    _layout(
        "derm7pt", "Derm7pt, the seven-point checklist: the dermoscopic image of each case, in its own three parts"
    ),
    _layout("isic-archive", "an export of the ISIC Archive, old or new: metadata.csv beside the images"),
    _layout("ph2", "PH2: nevi and melanomas with lesion masks, a folder for each image"),
    _layout("hmnist", "the hmnist_*.csv files of pixels that Kaggle adds to HAM10000; no image ids and no lesion ids"),
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
