"""Images to try a model on: of the test part of its bench, or made up where that is gone."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from skineval.base.errors import SkinevalError
from skineval.catalog.catalog import Catalog
from skineval.data.layouts.images import StoredImages
from skineval.data.pixels.decoding import open_image
from skineval.data.synthetic import synthetic
from skineval.demo.standing import Standing
from skineval.grid.sources import read_data
from skineval.values.lesion_table import LesionTable, leaf

_LARGEST = 1024  #: pixels a side of a sample: what is larger is made smaller
_PAINTED = 256  #: pixels a side of one that is painted
_SEED = 0


@dataclass(frozen=True)
class Sample:
    """An image whose class is known."""

    label: str
    content: bytes  #: a PNG of its pixels, without anything else that its file said


@dataclass(frozen=True)
class Samples:
    """Images to try a model on."""

    origin: str  #: where they are from, in words
    images: tuple[Sample, ...]


def samples_of(standing: Standing | None, catalog: Catalog) -> Samples:
    """One test image of each class of a cell, or synthetic ones where its data is not where it was, or has changed.

    Which one is a matter of chance, not of how well it is predicted, and the same at every start.
    """
    try:
        table = None if standing is None else read_data(standing.recipe, catalog).table
        if standing is not None and table is not None and table.fingerprint == standing.fingerprint:
            return _of_test(standing, table)
    except SkinevalError:  # of which it would be a pity to end: the model is there
        pass
    table = synthetic.load(images=synthetic.MIN_IMAGES)
    firsts = [int(np.flatnonzero(table.codes == code)[0]) for code in np.unique(table.codes)]
    return Samples("invented pictures: no image of the data set is at hand", tuple(_samples(table, firsts)))


def _of_test(standing: Standing, table: LesionTable) -> Samples:
    test = standing.test
    order = np.random.default_rng(_SEED).permutation(len(test))
    chosen = [
        next((place for place in order if test.targets[place] == code), None) for code in range(len(test.classes))
    ]
    places = [place for place in chosen if place is not None]
    labels = [test.classes[test.targets[place]] for place in places]
    licence = f" ({standing.licence})" if standing.licence else ""
    found = _samples(table, table.rows_of([str(test.image_ids[place]) for place in places]), labels)
    return Samples(f"from the test part of {standing.data}{licence}: the model has not learnt from them", tuple(found))


def _samples(table: LesionTable, rows: Sequence[int], labels: Sequence[str] = ()) -> Iterator[Sample]:
    for row, label in zip(rows, labels or table.frame["dx"].iloc[list(rows)], strict=True):
        into = io.BytesIO()
        _picture(table, row).save(into, "PNG")
        yield Sample(str(label), into.getvalue())


def _picture(table: LesionTable, row: int) -> Image.Image:
    """The whole image, upright; a square of it where its data set has nothing else."""
    images, place = leaf(table.images, row)
    if not isinstance(images, StoredImages):
        return Image.fromarray(images.pixels([place], _PAINTED)[0])
    file = images.files[place]
    with open_image(file.read(), file.name) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    picture.thumbnail((_LARGEST, _LARGEST))
    # Of its pixels alone: a PNG would keep what the file said of itself.
    return Image.fromarray(np.asarray(picture))
